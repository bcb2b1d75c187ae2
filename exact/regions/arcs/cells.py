"""What engines for curves return: cuts, the codes between them, points inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray, Rational
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.pencil import Direction, Frame
from exact.geometry.pencils.positions import CurvePoint
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
