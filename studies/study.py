"""The study: prepare the subjects, ask every question, save figures, numbers and the report, print
the findings.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from exact.atomic_files import write_atomically
from exact.errors import certain
from studies import failures, own_questions, report, runs, storage
from studies.finding import HEADINGS, Finding, Kind, Verdict, counted
from studies.sections import Kept, sections_of
from toy_models.checkpoints import MANIFEST
from toy_models.draws import SEEDS
from toy_models.train import present_device
from toy_models.validation import at_least

if TYPE_CHECKING:
    from studies.failures import Failure
    from studies.question import Question
    from studies.subjects import Subjects
    from studies.training import Training

FORMATS = "exactlens-study-"
FORMAT = f"{FORMATS}2"
DEFAULT_NAME, PART_NAME, ALL_NAME = DEFAULT_NAMES = "study", "study-part", "studies"
TITLE = "What LayerNorm does to polytopes"
STYLES = {
    **{(kind, Verdict.UNDECIDED): "dim" for kind in Kind},
    (Kind.ESTIMATE, Verdict.SUPPORTED): "bold bright_blue",
    (Kind.ESTIMATE, Verdict.REFUTED): "bold yellow",
    (Kind.CENSUS, Verdict.SUPPORTED): "bright_blue",
    (Kind.CENSUS, Verdict.REFUTED): "yellow",
    (Kind.THEOREM, Verdict.SUPPORTED): "dim",
    (Kind.THEOREM, Verdict.REFUTED): "bold white on red",
}
WIDTH_OF_A_PIPE = 120

Prepare = Callable[..., "Subjects"]


@dataclass(frozen=True)
class StudyResult:
    """Where a study lies, and what each question found."""

    folder: Path
    sections: tuple[report.Section, ...]
    seconds: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all questions, in order."""
        return tuple(finding for section in self.sections for finding in section.findings)

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The theorems that failed: the code is wrong."""
        return tuple(finding for finding in self.findings if finding.is_alarm)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What questions of the user's own raised."""
        return tuple(failure for section in self.sections for failure in section.failures)

    @property
    def log(self) -> Path:
        """The tracebacks of the questions that failed."""
        return self.folder / failures.LOG

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / "report" / "index.html"


def run(
    name: str = DEFAULT_NAME,
    *,
    root: Path = Path("runs"),
    seed: int = 0,
    device: str = "cpu",
    gpt2: str | None = None,
    force: bool = False,
    questions: Sequence[Question] | None = None,
    prepare: Prepare | None = None,
    told: Mapping[str, Any] | None = None,
    resumes: bool = False,
) -> StudyResult:
    """Run the study `name` under `root` and print its findings.

    The folder appears whole or not at all; without `force` only the default studies are replaced,
    and only by another study. `gpt2` names real weights to use beside the tiny model. `questions`
    and `prepare` stand in for the study's own; `told` is what results and report say of them.
    Raises InvalidInput for a name that is taken, a seed or device that there is not, two questions
    of one claim number, and whatever a question raises: a study with a hole is none. What one of a
    user's raises is among the `failures` instead, its claims are open, and a log has the
    tracebacks. A theorem that fails raises nothing: it is among the `alarms`. A study that
    `resumes` keeps each finished question beside its folder until it ends, and takes over what one
    of the same options, code and networks kept before it was cut off.
    Of subjects that a user gave (`Subjects.of`), those that a question cannot be asked of are
    findings that say so.
    """
    at_least("seed", seed, 0, below=SEEDS)
    present_device(device)
    if questions is not None:
        own_questions.require_distinct(questions)
    screen, started, begun_at = _console(), time.monotonic(), datetime.now(UTC)
    replaced: runs.Replace = force or (name in DEFAULT_NAMES and is_study)
    with runs.building(root, name, replace=replaced) as folder:
        with _Steps.shown(screen) as steps:
            asked, ready = _own(steps, questions, prepare)
            subjects = ready(folder, seed=seed, device=device, gpt2=gpt2, progress=steps.begin)
            options = [seed, device, gpt2, {**(told or {})}]
            kept = Kept.of(root, name, options, _networks(subjects)) if resumes else None
            found = sections_of(soonest(asked), subjects, folder / "figures", steps.begin, kept)
            answered = {section.claim: section for section in map(steps.tell, found)}
            made_by = runs.provenance(
                seed=seed, device=device, gpt2=gpt2, **(told or {}), networks=_networks(subjects)
            )
            sections = tuple(
                replace(answered[one.claim], repeat=_again(one.claim, made_by)) for one in asked
            )
        seconds = time.monotonic() - started
        sections = _with_code(sections, folder / "report")
        _write(folder, name, sections, subjects.trainings, made_by, begun_at, seconds)
    if kept is not None:
        kept.clear()
    result = StudyResult(root / name, _moved(sections, folder, root / name), seconds)
    _print(screen, result)
    return result


def soonest(questions: Sequence[Question]) -> list[Question]:
    """The order in which they are asked: those that need no language model first, since its
    training takes most of a small study; a user's own last, so that none takes the name of a figure
    of ours.
    """
    return sorted(questions, key=lambda question: (question.own, "language" in question.groups))


def is_study(folder: Path) -> bool:
    """Whether a study wrote the folder, whatever its version: not a run of training by that
    name.
    """
    try:
        values = json.loads((folder / runs.RESULTS).read_bytes())
    except (OSError, ValueError):
        return False
    known = isinstance(values, dict) and str(values.get("format")).startswith(FORMATS)
    return known and not (folder / MANIFEST).exists()


def _own(
    steps: _Steps, questions: Sequence[Question] | None, prepare: Prepare | None
) -> tuple[Sequence[Question], Prepare]:
    """What was given, or the study's own questions and subjects."""
    steps.begin("loading")
    if questions is None:
        from studies.questions import CORE

        questions = CORE
    if prepare is None:
        from studies import subjects

        prepare = subjects.prepare
    return questions, prepare


def _again(claim: str, made_by: Mapping[str, Any]) -> str:
    """The command that asks one question again, or those of the user's own."""
    own = [named for named in str(made_by.get("questions") or "").split(", ") if named]
    asked = [] if own else ["--only", claim]
    for named in own:
        asked += ["--question", named]
    words = ["exactlens", "study", *asked, "--seed", str(made_by["seed"])]
    for target in str(made_by.get("on") or "").split(", "):
        words += ["--on", target] if target else []
    for name in ("data", "seeds", "gpt2"):
        words += [f"--{name}", str(made_by[name])] if made_by.get(name) else []
    words += ["--device", made_by["device"]] if made_by["device"] != "cpu" else []
    return shlex.join([*words, *(["--quick"] if made_by.get("quick") else [])])


def _with_code(sections: Sequence[report.Section], folder: Path) -> tuple[report.Section, ...]:
    """The sections with the modules that asked, as they are now, copied beside the report."""
    placed = []
    for section in sections:
        assert section.question is not None, "a section of a study comes from a question"
        source = certain(sys.modules[section.question.module].__file__, "modules are files")
        code = f"code/{Path(source).name}"
        (folder / "code").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / code)
        placed.append(replace(section, code=code))
    return tuple(placed)


def _networks(subjects: Subjects) -> dict[str, str]:
    """The sha256 of every network that was examined, by name."""
    toys = {toy.name: toy.network.sha256 for toy in subjects.all_toys}
    return toys | {layer.name: layer.network.sha256 for layer in subjects.language}


def _write(
    folder: Path,
    name: str,
    sections: Sequence[report.Section],
    trainings: Sequence[Training],
    made_by: Any,
    begun_at: datetime,
    seconds: float,
) -> None:
    """results.json and the report."""
    questions = [_question_values(section) for section in sections]
    times = {"started_at": begun_at.isoformat(timespec="seconds"), "seconds_float": seconds}
    values = {
        "format": FORMAT,
        "questions": questions,
        "questions_sha256": storage.sha256(questions),
        "verdicts": _verdicts(sections),
        "trainings": [training.values() for training in trainings],
        "provenance": made_by,
    }
    storage.write(folder / runs.RESULTS, storage.finite({**values, **times}))
    quick = bool(made_by.get("quick"))
    facts = [
        ("run", name),
        *([("a quick look:", "few nets, so no verdict about training")] if quick else []),
        ("seed", str(made_by["seed"])),
        ("device", made_by["device"]),
        ("trained language model", str(made_by["gpt2"] or "none at hand")),
        ("version", made_by["version"]),
        ("started", f"{begun_at:%Y-%m-%d %H:%M} UTC"),
        ("took", f"{seconds:.0f} s"),
    ]
    libraries = ", ".join(
        f"{library} {version}" for library, version in made_by["libraries"].items()
    )
    page = report.render(
        _title(sections),
        sections,
        facts=facts,
        provenance={**made_by, "libraries": libraries, **times},
        trainings=trainings,
    )
    failures.write([failure for section in sections for failure in section.failures], folder)
    (folder / "report").mkdir(exist_ok=True)
    write_atomically(folder / "report" / "index.html", page.encode())


def _title(sections: Sequence[report.Section]) -> str:
    """What the page is called: a user's own questions are not the study's."""
    asked = [section.question for section in sections if section.question is not None]
    if not asked or not all(question.own for question in asked):
        return TITLE
    return asked[0].title if len(asked) == 1 else f"{len(asked)} questions of your own"


def _verdicts(sections: Sequence[report.Section]) -> dict[str, dict[str, int]]:
    """How many findings of each kind have each verdict."""
    findings = [finding for section in sections for finding in section.findings]
    return {
        kind.value: {verdict.value: count for verdict, count in found.items()}
        for kind, found in counted(findings).items()
    }


def _question_values(section: report.Section) -> dict[str, Any]:
    findings = [finding.values() for finding in section.findings]
    figures = [{"name": picture.name, "caption": picture.caption} for picture in section.pictures]
    return {
        "claim": section.claim,
        "title": section.title,
        "findings": findings,
        "figures": figures,
        "not_drawn": [{"name": name, "why": why} for name, why in section.undrawn],
    }


def _moved(sections: Sequence[report.Section], old: Path, new: Path) -> tuple[report.Section, ...]:
    """The sections with their pictures where the finished folder has them."""

    def moved(picture: report.Picture) -> report.Picture:
        files = (picture.svg, picture.png, picture.pdf)
        placed = (path and new / path.relative_to(old) for path in files)
        return report.Picture(picture.name, picture.caption, *placed)

    return tuple(replace(s, pictures=tuple(map(moved, s.pictures))) for s in sections)


# ---- what is shown


def _console() -> Console:
    screen = Console(markup=False, highlight=False)
    return (
        screen
        if screen.is_terminal
        else Console(markup=False, highlight=False, width=WIDTH_OF_A_PIPE)
    )


@dataclass
class _Steps:
    """Steps with the time that each takes: live on a terminal, a line each elsewhere."""

    screen: Console
    live: Progress
    _current: tuple[str, float, TaskID] | None = None

    @classmethod
    @contextmanager
    def shown(cls, screen: Console) -> Iterator[_Steps]:
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=screen, disable=not screen.is_terminal) as live:
            steps = cls(screen, live)
            yield steps
            steps._end()

    def begin(self, what: str) -> None:
        """End the step before and begin another."""
        self._end()
        self._current = (what, time.monotonic(), self.live.add_task(what, total=1))

    def tell(self, section: report.Section) -> report.Section:
        """What a question found, on a line, as soon as it is answered; the section itself."""
        self._end()
        told = report.counts(section.findings).values()
        line = f"{'':11}{section.claim}: {'; '.join(told) or 'nothing to say'}"
        self.screen.print(line, soft_wrap=True)
        return section

    def _end(self) -> None:
        if self._current is None:
            return
        what, started, row = self._current
        self.live.update(row, completed=1)
        if not self.screen.is_terminal:
            self.screen.print(f"{time.monotonic() - started:7.1f} s  {what}")
        self._current = None


def _print(screen: Console, result: StudyResult) -> None:
    for kind, heading in HEADINGS.items():
        found = [finding for finding in result.findings if finding.kind is kind]
        if found:
            screen.print(f"\n{heading}", style="bold")
            screen.print(_table(found))
    for kind, told in report.counts(result.findings).items():
        screen.print(f"{kind.value + ':':10}{told}")
    screen.print(f"in {result.seconds:.0f} s")
    for alarm in result.alarms:
        text = f"ALARM: a theorem fails, the code is wrong: {alarm.claim} {alarm.subject}"
        screen.print(text, style=STYLES[alarm.kind, alarm.verdict], soft_wrap=True)
    screen.print(f"report: {result.page}", soft_wrap=True)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("verdict", "claim", "subject", "value", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True
    for finding in findings:
        mark = f"{report.MARKS[finding.kind, finding.verdict]} {finding.word}"
        told = f"{finding.value}; {finding.why}" if finding.why else finding.value
        table.add_row(
            Text(mark, STYLES[finding.kind, finding.verdict]),
            *map(Text, (finding.claim, finding.subject, told)),
        )
    return table
