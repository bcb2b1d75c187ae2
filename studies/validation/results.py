"""What a validation writes: rows as it goes, tables at the end; what is done stays done.

A folder holds `settings.json`, `rows.parquet` (every estimate), `scores.parquet`,
`decisions.parquet`, `errors.svg`, `errors.png` and `index.html`. While it runs, `parts/` has a file
for each kind and seed, and the same call goes on behind them.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import exact
from exact import InvalidInput
from exact.atomic_files import holding, made_folder, write_atomically
from exact.geometry.combinatorics.tables import require_library, write_parquet
from studies.methods import Method
from studies.runs import refuse_links
from studies.validation.judge import FIELDS, Row, judge
from studies.validation.population import NetKind, Scope, population

FORMAT = "exactlens-validation-1"
SETTINGS, ROWS, PARTS, LOCK = "settings.json", "rows.parquet", "parts", ".validation.lock"
SCORES, DECISIONS, PAGE = "scores.parquet", "decisions.parquet", "index.html"
WRITTEN = (ROWS, SCORES, DECISIONS, PAGE, "errors.svg", "errors.png")
Report = Callable[[str, int, int], None]  # what is done, how many parts, of how many


@dataclass(frozen=True)
class Settings:
    """What is judged: methods by their names and the text of their functions, budgets, nets."""

    methods: tuple[Method, ...]
    scope: Scope
    budgets: tuple[int, ...] | None = None
    most: int | None = None
    seed: int = 0

    def values(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "format": FORMAT,
            "version": exact.__version__,
            "methods": {
                method.name: {"quantity": method.quantity, "sha256": _sha256(method)}
                for method in self.methods
            },
            "budgets": self.budgets and list(self.budgets),
            "largest_budget": self.most,
            "seed": self.seed,
            "scope": {name: _plain(value) for name, value in asdict(self.scope).items()},
        }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _sha256(method: Method) -> str:
    """A digest of the text of a method's function, "" where there is none."""
    try:
        text = inspect.getsource(method.function)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def opened(folder: Path, settings: Settings, *, force: bool) -> Iterator[Path]:
    """The folder of a validation, held while it runs. Raises InvalidInput where it belongs to other
    settings (unless `force`), or is another's.
    """
    require_library("pyarrow")
    refuse_links(folder)
    if folder.exists() and not folder.is_dir():
        raise InvalidInput("the folder is a file", value=folder, remedy="give another --out")
    with (
        made_folder(folder),
        holding(folder / LOCK, f"the validation {folder}", "wait for it, or give --out"),
    ):
        _refuse_others(folder, settings, force)
        write_atomically(
            folder / SETTINGS, (json.dumps(settings.values(), indent=1) + "\n").encode()
        )
        yield folder


def _refuse_others(folder: Path, settings: Settings, force: bool) -> None:
    """Clear the results of other settings with `force`, and refuse them without."""
    entries = [path for path in folder.iterdir() if path.name != LOCK]
    if not entries:
        return
    known = folder / SETTINGS
    if not known.is_file():
        raise InvalidInput(
            "the folder is no validation", value=folder, remedy="give an empty folder"
        )
    if _settings_in(known) == settings.values() and not force:
        return
    if not force:
        raise InvalidInput(
            "the folder holds a validation with other methods, budgets or nets",
            value=folder,
            remedy="add --force to replace it, or give another --out",
        )
    for name in WRITTEN:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / PARTS, ignore_errors=True)


def _settings_in(path: Path) -> Any:
    """The settings of a validation; None where the file is damaged, which nothing is equal to."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


def collected(folder: Path, settings: Settings, report: Report) -> list[Row]:
    """All rows: those that are there, and the others made part by part. A file that is damaged, as
    a machine that stops leaves it, counts for none.
    """
    whole = _rows_in(folder / ROWS)
    if whole is not None:
        return whole
    parts, done = folder / PARTS, 0
    parts.mkdir(exist_ok=True)
    kinds, seeds = settings.scope.kinds, settings.scope.seeds
    total = len(kinds) * len(seeds)
    for kind in kinds:
        missing = [seed for seed in seeds if _rows_in(_part(parts, kind, seed)) is None]
        done += len(seeds) - len(missing)
        for seed in _made(parts, kind, missing, settings):
            done += 1
            report(f"{kind.name}, seed {seed}", done, total)
    rows = [row for kind in kinds for seed in seeds for row in read_rows(_part(parts, kind, seed))]
    write_rows(folder / ROWS, rows)
    shutil.rmtree(parts)
    return rows


def _made(parts: Path, kind: NetKind, seeds: Sequence[int], settings: Settings) -> Iterator[int]:
    """Judge the nets of some seeds, and write the rows of each; yields the seeds."""
    waiting: list[Row] = []
    nets = population(kind, seeds, settings.scope.steps)
    found = judge(
        settings.methods, nets, budgets=settings.budgets, most=settings.most, seed=settings.seed
    )
    for place, rows in enumerate(found):
        waiting += rows
        if place % 2:  # two nets a seed: untrained, trained
            seed = seeds[place // 2]
            write_rows(_part(parts, kind, seed), waiting)
            waiting = []
            yield seed


def _part(parts: Path, kind: NetKind, seed: int) -> Path:
    return parts / f"{kind.name}-seed-{seed}.parquet"


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as Parquet, a column a field."""
    write_parquet(path, table([vars(row) for row in rows], FIELDS))


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> dict[str, Any]:
    """Columns of rows of named values; texts are objects."""
    asked = names if names is not None else list(rows[0]) if rows else []
    columns = {name: [row[name] for row in rows] for name in asked}
    return {
        name: np.array(values, dtype=object if values and isinstance(values[0], str) else None)
        for name, values in columns.items()
    }


def _rows_in(path: Path) -> list[Row] | None:
    """The rows of a file; None where there is none, or one that is damaged."""
    try:
        return read_rows(path) if path.is_file() else None
    except (OSError, ValueError, TypeError):
        return None


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of `write_rows`."""
    found = require_library("pyarrow.parquet").read_table(path).to_pylist()
    return [Row(**values) for values in found]
