"""`exactlens validate`: approximate methods before their exact referees."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from exact import InvalidInput
from exact.atomic_files import write_atomically
from exact.geometry.combinatorics.tables import write_parquet
from studies.commands.job import console
from studies.methods import METHODS, QUANTITIES, Method
from studies.methods.interface import load, require_extra
from studies.report import Picture
from studies.runs import provenance
from studies.statistics import MINIMUM
from studies.validation import page
from studies.validation.decisions import Decision, decisions
from studies.validation.population import Scope
from studies.validation.results import DECISIONS, PAGE, SCORES, Settings, collected, opened, table
from studies.validation.scores import Score, scores
from viz import style

QUICK_BUDGET, WIDTH = 1_000, 120
EVERY = 15  # seconds between lines about what is done
TITLE = "Approximate methods before their exact referees"
CAPTION = (
    "Relative error (root of the mean square over nets) against the budget; a line a method, "
    "errors below 0.0001 at the lower edge. Upper bounds are off by orders of magnitude and not "
    "drawn."
)
LIBRARIES = {"cluster": "sklearn.cluster"}


def run(
    names: Sequence[str], *, budgets: Sequence[int], quick: bool, out: Path, force: bool
) -> int:
    """Judge the methods, write everything, print the table, and return the exit code."""
    methods = chosen(names)
    if any(budget < 1 for budget in budgets):
        raise InvalidInput(
            "a budget is not positive", value=list(budgets), remedy="write --budget 100 1000"
        )
    scope = Scope.quick() if quick else Scope.full()
    most = QUICK_BUDGET if quick and not budgets else None
    settings = Settings(methods, scope, tuple(sorted(set(budgets))) or None, most)
    screen = wide_console()
    # methods of a user's own may change the working folder
    with opened(out.absolute(), settings, force=force) as folder:
        with _progress() as live:
            rows = collected(folder, settings, _Steps(live, live.add_task("", total=None)))
        found = scores(rows, {method.name: method.scale for method in methods})
        decided = decisions(rows, least=min(MINIMUM, len(scope.seeds)))
        _write(folder, settings, found, decided)
        picture = _drawn(folder, found, methods)
        html = page.render(
            TITLE, methods, found, decided, rows, picture, provenance(seed=0, device="cpu")
        )
        write_atomically(folder / PAGE, html.encode())
    for shown in _shown(found, decided):
        screen.print(shown)
    screen.print(page.told(rows))
    missed = page.missed(rows)
    for method, outcome, count in missed[: page.MISSED]:
        screen.print(f"  {count:6,}  {method}: {outcome}")
    if len(missed) > page.MISSED:
        screen.print(f"  and {len(missed) - page.MISSED} more outcomes, in the report")
    screen.print(f"report: {out / PAGE}")
    return 0


def chosen(names: Sequence[str]) -> tuple[Method, ...]:
    """The methods of these names, E numbers or `package:function`; all built-in ones without names.
    Raises InvalidInput for a name that is none, and two methods of one name, MissingExtra for a
    named method whose library is not installed.
    """
    found: list[Method] = []
    for name in names:
        if ":" in name:
            found.append(load(name))
            continue
        own = [m for m in METHODS if name in (m.name, m.number)]
        if not own:
            known = ", ".join(f"{m.number} {m.name}" for m in METHODS)
            raise InvalidInput(
                "there is no such method",
                value=name,
                remedy=f"write package:function, or one of {known}",
            )
        for method in own:
            if method.extra:
                require_extra(LIBRARIES[method.extra], method.extra, f"the method {method.name}")
        found += [method for method in own if method not in found]
    repeated = {m.name for m in found if sum(m.name == other.name for other in found) > 1}
    if repeated:
        raise InvalidInput(
            "two methods have one name",
            value=", ".join(sorted(repeated)),
            remedy="give yours another: @method(QUANTITY, name=...)",
        )
    return tuple(found) or METHODS


def wide_console() -> Console:
    """A console whose tables are not cut: a narrow terminal breaks lines, which can be read."""
    screen = console()
    return Console(markup=False, highlight=False, width=max(screen.width, WIDTH))


@dataclass
class _Steps:
    """What is done, on stderr: a bar on a terminal, elsewhere a line now and then."""

    live: Progress
    row: TaskID
    told: float = field(default_factory=time.monotonic)

    def __call__(self, what: str, done: int, total: int) -> None:
        self.live.update(self.row, description=what, completed=done, total=total)
        now = time.monotonic()
        if not self.live.console.is_terminal and now - self.told >= EVERY:
            self.told = now
            self.live.console.print(f"{done} of {total} pairs of nets: {what}", soft_wrap=True)


def _progress() -> Progress:
    """A bar on stderr; nothing where it is no terminal."""
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


def _write(
    folder: Path, settings: Settings, found: Sequence[Score], decided: Sequence[Decision]
) -> None:
    """The tables of scores and decisions; what has no rows is not written."""
    for name, rows in (
        (SCORES, [one.columns() for one in found]),
        (DECISIONS, [one.columns() for one in decided]),
    ):
        if rows:
            write_parquet(folder / name, table(rows))


def _drawn(folder: Path, found: Sequence[Score], methods: Sequence[Method]) -> Picture | None:
    drawn = page.figure(found, methods)
    if drawn is None:
        return None
    return Picture("errors", CAPTION, *style.save(drawn, folder, "errors"))


def _shown(found: Sequence[Score], decided: Sequence[Decision]) -> Iterator[Table]:
    """A table for each quantity, for people: every method with its largest budget."""
    lines = page.lines(found, decided, largest=True)
    for quantity in dict.fromkeys(line.score.group.quantity for line in lines):
        own = [line for line in lines if line.score.group.quantity == quantity]
        title = f"{quantity}: {QUANTITIES[quantity].title}"
        shown = Table(
            *page.HEADS[1:], title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
        )
        for column in shown.columns[1:]:
            column.justify, column.no_wrap = "right", True
        shown.columns[0].no_wrap = True
        for line in own:
            shown.add_row(*map(Text, line.cells()[1:]))
        yield shown
