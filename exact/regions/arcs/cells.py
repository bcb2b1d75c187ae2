"""What engines for curves return: cuts, the codes between them, points inside; and where the cells
of two such results meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray, Rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import Unsupported
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.pencil import Direction, Frame
from exact.geometry.pencils.positions import CurvePoint, compare_points
from exact.regions.cells import Cells, Outcome


@short_repr
@dataclass(frozen=True)
class Cut:
    """A point between two cells of a curve, or its end; `find` gives the exact direction.

    `near` is a rational direction within 2^-29 of a turn of it (as a rule within 2^-44), which
    costs nothing.
    """

    find: Callable[[], CurvePoint]
    near: Direction
    undefined: bool = False

    @cached_property
    def direction(self) -> CurvePoint:
        """The exact direction."""
        return self.find()


@short_repr
@dataclass(frozen=True)
class CurveCells(Cells):
    """Cells of a curve in order: cell i lies between cuts i and i + 1 (modulo their number when
    `closed`).

    `cuts`, and `witnesses`, rational directions (alpha, beta) inside the cells, are made when asked
    for by engines that can (see `OnDemand`). `codes` flip at cut i what their step i says.
    `tangent` lists points where a hinge of the first layer it concerns touches zero without
    changing sign. A full circle without a cut has one cell and no cut. `enclosures` are diamond
    angles around every cut (float64, cuts x 2, see curves), and `breaks` the cuts where a norm is
    undefined; engines that have no arrays leave both out, and breaks are read off the cuts.
    """

    curve: Curve
    frame: Frame
    cuts: Sequence[Cut]
    codes: RunningCodes
    witnesses: Sequence[tuple[Rational, Rational]]
    tangent: tuple[tuple[CurvePoint, int], ...]
    outcome: Outcome
    evidence: str
    decisions: Mapping[str, int]
    closed: bool
    enclosures: FloatArray | None = None
    breaks: frozenset[int] | None = None

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def undefined(self) -> frozenset[int]:
        """The cuts where a norm divides by zero."""
        if self.breaks is None:
            return frozenset(i for i, cut in enumerate(self.cuts) if cut.undefined)
        return self.breaks

    @property
    def bits(self) -> BitArray:
        """The codes as bools (cells x hinges)."""
        return self.codes.bits()


def meeting_cells(first: CurveCells, second: CurveCells) -> IndexArray:
    """The cells of two complete lists of one curve that have inner points in common, as pairs
    (P x 2), ascending.

    Their cuts are merged in order: between two that follow each other lies one cell of each. Cost:
    an exact comparison per cut.
    """
    if first.curve != second.curve:
        raise Unsupported(
            "the cells lie on curves of different bases",
            value=f"{first.curve!r} and {second.curve!r}",
            remedy="partition one domain behind equal norms",
        )
    if not first.cuts and not second.cuts and len(first) == len(second):
        return np.repeat(np.arange(len(first), dtype=np.int64)[:, None], 2, axis=1)
    pair, found = (first, second), set[tuple[int, int]]()
    starts = [one.cuts if one.closed else one.cuts[:-1] for one in pair]
    # in front of the first cut lies the last cell of a circle, and nothing on an arc
    place = [len(cuts) - 1 if one.closed else -1 for one, cuts in zip(pair, starts, strict=True)]
    for passed in _merged(*starts):
        for side, cuts in enumerate(starts):
            if passed[side]:
                place[side] = (place[side] + 1) % len(cuts)
        found.add((max(0, place[0]), max(0, place[1])))  # a circle without a cut is one cell
    return np.array(sorted(found), dtype=np.int64)


def _merged(first: Sequence[Cut], second: Sequence[Cut]) -> Iterator[tuple[bool, bool]]:
    """For every different place of cuts in order, whether the first has one there, and the
    second.
    """
    i = j = 0
    while i < len(first) or j < len(second):
        if i == len(first) or j == len(second):
            order = -1 if j == len(second) else 1
        else:
            order = compare_points(first[i].direction, second[j].direction)
        yield order <= 0, order >= 0
        i, j = i + (order <= 0), j + (order >= 0)
