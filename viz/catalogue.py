"""Which figures there are: a module of `viz` registers what it draws, and whoever wants figures of
a partition asks here for those that fit.

A new figure is a new file in `viz/figures/` with a function under `@figure("name", kind, ...)`:
nothing else lists it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import viz
from exact import Block, Network, Partition
from viz import style


@dataclass(frozen=True)
class Subject:
    """What is drawn: a partition, what it is called, and what its network was trained on.

    `before` are the blocks in front of the network in its checkpoint; `inputs` (k x d) enter the
    first of them, or None where they are unknown, and `classes` are theirs.
    """

    name: str
    partition: Partition
    before: tuple[Block, ...] = ()
    inputs: np.ndarray | None = None
    classes: Sequence[int] | None = None

    def rows(self) -> Mapping[str, Any]:
        """`data` and `classes` as figures take them, where they enter the network that is drawn."""
        if self.inputs is None or not self.before:
            return self.rows_in_front()
        return {"data": Network(self.before).forward_float(self.inputs), "classes": self.classes}

    def rows_in_front(self) -> Mapping[str, Any]:
        """The same where they enter the checkpoint."""
        return {} if self.inputs is None else {"data": self.inputs, "classes": self.classes}


Make = Callable[[], Figure]
Write = Callable[[Path], str]  # writes into a folder, and says what


@dataclass(frozen=True)
class _Entry:
    """A figure of some kinds of partition; `of` is None where it does not fit one after all."""

    name: str
    kinds: frozenset[type[Partition]]
    of: Callable[[Subject], Write | None] = field(compare=False)


ENTRIES: set[_Entry] = set()


def written(name: str, *kinds: type[Partition]) -> Callable[[Any], Any]:
    """Register the function below: what writes `name` of a subject with a partition of these kinds
    into a folder, or None.
    """

    def registered(of: Callable[[Subject], Write | None]) -> Callable[[Subject], Write | None]:
        ENTRIES.add(_Entry(name, frozenset(kinds), of))
        return of

    return registered


def figure(name: str, *kinds: type[Partition]) -> Callable[[Any], Any]:
    """Register the function below: what makes the figure of a subject with a partition of these
    kinds, or None; it is saved as SVG, PNG and PDF.
    """

    def registered(of: Callable[[Subject], Make | None]) -> Callable[[Subject], Make | None]:
        def write(subject: Subject) -> Write | None:
            make = of(subject)
            return None if make is None else lambda folder: _saved(make(), folder, name)

        written(name, *kinds)(write)
        return of

    return registered


def _saved(drawn: Figure, folder: Path, name: str) -> str:
    svg, *others = style.save(drawn, folder, name)
    return f"{svg}, {' and '.join(path.name for path in others)}"


def figures_of(subject: Subject) -> list[Write]:
    """What draws the figures that fit, by name; those of a kind's base class where it has none.

    Raises InvalidInput, before anything is drawn, where a figure cannot be. Cost: imports `viz`.
    """
    for found in pkgutil.walk_packages(viz.__path__, "viz."):
        import_module(found.name)
    for kind in type(subject.partition).__mro__:
        entries = [entry for entry in ENTRIES if kind in entry.kinds]
        if entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
            writers = [entry.of(subject) for entry in ordered]
            return [write for write in writers if write is not None]
    return []
