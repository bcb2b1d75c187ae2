"""Light views of the parts of a sphere that circles cut: vertices, arcs and cells, exact where they
are asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Protocol

import numpy as np

from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.enclosures.intervals import Interval
from exact.arithmetic.linear_algebra import Vector, rows_of
from exact.arithmetic.numbers import Ball, FloatArray, Rational
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.printing import shown
from exact.errors import Undecided
from exact.geometry.circles.chords import Chord, rounded
from exact.geometry.circles.complex import SurdPoint
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.regions.region import Facet, Owner, Region, View
from exact.regions.spheres.cut_sphere import CutSphere

if TYPE_CHECKING:
    import sympy


_ZERO, _ONE = Rational(0), Rational(1)
_ATTEMPTS = 64
_TILT = Rational(3), Rational(-5), Rational(2)
_WITNESS_BITS = (53, 106, 212, 424, 848, 1696)


class CutPartition(Owner, Protocol):
    """What the parts of a sphere ask of their partition."""

    cut: CutSphere


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class SphereVertex(View):
    """A point where circles meet."""

    _owner: CutPartition
    index: int

    def __repr__(self) -> str:
        return f"<vertex {self.index} at {shown(tuple(map(float, self.coordinates)))} in the chart>"

    @property
    def coordinates(self) -> SurdPoint:
        """The exact coordinates y in the chart, in one quadratic field."""
        return self._owner.cut.complex.vertex(self.index)

    @property
    def point(self) -> sympy.Matrix:
        """The exact point on the sphere as a SymPy column; behind a norm the normalised vector of
        length sqrt(n).
        """
        import sympy

        basis = [
            [sympy.Rational(int(x.p), int(x.q)) for x in row]
            for row in rows_of(self._owner.cut.chart.image)
        ]
        return (
            sympy.Matrix(basis) * sympy.Matrix([x.sympy() for x in self.coordinates])
        ).applyfunc(sympy.radsimp)

    @property
    def point_float(self) -> FloatArray:
        """The point on the sphere (n coordinates), each the nearest float64."""
        rows, y = rows_of(self._owner.cut.chart.image), self.coordinates
        sums = (
            sum((c.scaled(x) for c, x in zip(y, row, strict=True)), Surd(_ZERO)) for row in rows
        )
        return np.array([float(value) for value in sums], dtype=np.float64)


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class SphereArc(View):
    """An arc of a circle between two cells."""

    _owner: CutPartition
    index: int

    def __repr__(self) -> str:
        return (
            f"<arc {self.index} between cells {self.cells[0]} and {self.cells[1]}, length "
            f"{self.length_float:.6g}>"
        )

    @property
    def circle(self) -> Halfspace:
        """The halfspace over y whose boundary cuts the sphere in the circle; the arc has its inside
        on the left.
        """
        return self._owner.cut.complex.circles[int(self._owner.cut.complex.arc_circle[self.index])]

    @property
    def flipped(self) -> tuple[Hinge, ...]:
        """The hinges that flip across it."""
        return self._owner.cut.flipped(self.index)

    @property
    def cells(self) -> tuple[int, int]:
        """The cells on the inside and on the outside of the circle."""
        inside, outside = self._owner.cut.complex.arc_sides[self.index]
        return int(inside), int(outside)

    @property
    def is_whole(self) -> bool:
        """Whether it is a circle without vertices."""
        return bool(self._owner.cut.complex.arc_ends[self.index, 0] < 0)

    @property
    def ends(self) -> tuple[SphereVertex, SphereVertex] | None:
        """Where it starts and ends; None for a whole circle."""
        if self.is_whole:
            return None
        start, end = self._owner.cut.complex.arc_ends[self.index]
        return SphereVertex(self._owner, int(start)), SphereVertex(self._owner, int(end))

    @property
    def length(self) -> Interval:
        """The length, certified to a relative width of 2^-63."""
        return self._owner.cut.geometry.length(self.index)

    @property
    def angle(self) -> Interval:
        """The angle seen from the centre of the circle in its plane, in radians: 2 pi for a whole
        circle.
        """
        return self._owner.cut.geometry.angle(self.index)

    @property
    def length_float(self) -> float:
        """The length: the nearest float64."""
        return self._owner.cut.geometry.length_float(self.index)


class SphereCell(Region):
    """A cell of a sphere: a connected open set on which the code is constant (but for points where
    a hinge touches zero).
    """

    _owner: CutPartition

    @property
    def walks(self) -> tuple[tuple[int, ...], ...]:
        """The boundary components as tuples of half-edges with the cell on their left; half-edge h
        belongs to arc h // 2.
        """
        return self._owner.cut.walks_of(self.index)

    @property
    def euler_characteristic(self) -> int:
        """2 minus the number of boundary components: 2 for the whole sphere, 1 for a disc, 0 for an
        annulus.
        """
        return 2 - len(self._owner.cut.tree.walks_of_cell.row(self.index))

    @property
    def is_disc(self) -> bool:
        """Whether the boundary is connected."""
        return self.euler_characteristic == 1

    @property
    def holes(self) -> int:
        """The number of boundary components beyond the first: 0 for a disc, 1 for an annulus."""
        return max(0, 1 - self.euler_characteristic)

    @property
    def facets(self) -> tuple[Facet, ...]:
        """One per arc along the boundary; hyperplanes in the coordinates y, positive on this
        side.
        """
        owner, circles = self._owner.cut, self._owner.cut.complex.circles
        found = []
        for half in (half for walk in self.walks for half in walk):
            plane = circles[int(owner.complex.arc_circle[half >> 1])]
            side = plane.opposite if half & 1 else plane
            found.append(Facet(owner.flipped(half >> 1), owner.side(half ^ 1), side.coefficients))
        return tuple(found)

    @property
    def neighbours(self) -> tuple[int, ...]:
        """The cells behind its arcs, each once, in the order of the boundary."""
        return tuple(
            dict.fromkeys(self._owner.cut.side(half ^ 1) for walk in self.walks for half in walk)
        )

    @property
    def area(self) -> Interval:
        """The area on the sphere, certified to a relative width of 2^-63 (Gauss-Bonnet)."""
        return self._owner.cut.geometry.area(self.walks)

    @property
    def area_float(self) -> float:
        """The area: the nearest float64."""
        return self._owner.cut.geometry.area_float(self.walks)

    @property
    def perimeter(self) -> Interval:
        """The length of the boundary, certified; 0 for the whole sphere."""
        return self._owner.cut.geometry.perimeter(self.walks)

    @cached_property
    def coordinates(self) -> Vector:
        """Rational coordinates y of a vector whose direction lies inside the cell.

        In the middle between two arcs on a great circle that crosses them: that they are
        consecutive crossings of the cell's boundary, entering first, proves it. No hinge that
        touches the sphere inside the cell is zero there.
        """
        walks = self.walks
        if not walks:
            return next(y for y in _moment_curve() if self._is_free(y))
        arcs: dict[int, list[int]] = {}
        carriers = self._owner.cut.complex.arc_circle
        for half in (half for walk in walks for half in walk):
            arcs.setdefault(int(carriers[half >> 1]), []).append(half >> 1)
        for bits in _WITNESS_BITS:
            for half in [half for walk in walks for half in walk][:_ATTEMPTS]:
                found = self._inside(half, arcs, bits)
                if found is not None and self._is_free(found):
                    return found
        raise Undecided(
            "no point inside the cell was found",
            value=f"cell {self.index}",
            remedy="the cell is thinner than 2,048 bits tell: look at its arcs",
        )

    def _is_free(self, y: Vector) -> bool:
        return not self._owner.cut.touches(self.index, y)

    def _inside(self, half: int, arcs: dict[int, list[int]], bits: int) -> Vector | None:
        """The middle of the way across the cell, on a great circle at nearly right angles to one of
        its arcs.

        It starts away from the arc, on which the rational point may lie exactly, and tilted, so
        that symmetric arrangements put no vertex on it.
        """
        owner, middle = self._owner.cut, self._owner.cut.near_middle(half >> 1, bits)
        pole = rounded(
            [Ball(x) for x in owner.pole(int(owner.complex.arc_circle[half >> 1]))], bits
        )
        aside = [
            7 * x - 5 * y + t * (1 << bits) / 64
            for x, y, t in zip(middle, pole, _TILT, strict=True)
        ]
        chord = Chord.through(owner.geometry, aside, middle)
        passages = None if chord is None else chord.crossings(arcs)
        if chord is None or not passages:
            return None
        inside = [
            (first, last)
            for first, last in zip(passages, [*passages[1:], passages[0]], strict=True)
            if owner.side(2 * first.arc + (0 if first.rises else 1)) == self.index
        ]
        if not inside:
            return None
        widths = [float(last.angle - first.angle) % math.tau or math.tau for first, last in inside]
        widest = max(range(len(inside)), key=widths.__getitem__)
        found = chord.between(inside[widest][0].angle, inside[widest][1].angle)
        if found is None:
            return None
        return self._shortened(found, middle, arcs, max(4, 3 - math.frexp(widths[widest])[1]))

    def _shortened(
        self, point: Vector, towards: Vector, arcs: dict[int, list[int]], bits: int
    ) -> Vector:
        """A nearby vector of fewer bits, if the next arc of the cell seen from there is seen from
        inside.
        """
        for size in (bits, bits + 3):
            short = rounded([Ball(x) for x in point], size)
            chord = Chord.through(self._owner.cut.geometry, short, towards)
            passages = None if chord is None else chord.crossings(arcs)
            sees = (
                passages
                and self._owner.cut.side(2 * passages[0].arc + (1 if passages[0].rises else 0))
                == self.index
            )
            if sees and self._is_free(short):
                return short
        return point

    def _sides(self) -> list[tuple[int, ...]]:
        """The halfspaces of the code: cells of one code share them."""
        return [side.coefficients for side in self._owner.cut.halfspaces(self.index)]


def _moment_curve() -> Iterator[Vector]:
    """Vectors of which no three lie in a plane."""
    return ([_ONE, Rational(k), Rational(k * k)] for k in count())
