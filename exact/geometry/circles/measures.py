"""Lengths of arcs, and areas of cells of a sphere cut by circles, as certified intervals.

On the sphere `y' G y = r^2` write M = G^-1. The circle of the plane `n . y + o = 0` has the angular
radius phi, seen from its positive side, with `cos phi = -o / (r |n|_M)`. A cell lies on one side of
every circle around it, so that its corners turn by angles in [0, pi], and Gauss-Bonnet reads

    area = r^2 (2 pi (2 - walks) - sum over arcs of (+-) angle cos phi - sum over corners of the
    exterior angle),

with + where the positive side of the circle is on the left of the walk. Two circles meet everywhere
under the same angle (Todhunter 1886): its cosine is `(r^2 n1'Mn2 - o1 o2) / sqrt((r^2 n1'Mn1 -
o1^2) (r^2 n2'Mn2 - o2^2))`, so that an exterior angle needs no vertex, and touching circles are
known by a rational equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.intervals import Interval
from exact.arithmetic.linear_algebra import apply, dot
from exact.arithmetic.nearest import nearest_of, nearest_root, nearest_roots, turn_between
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    RationalArray,
    ball_precision,
    nearest_float,
    nearest_floats,
    rational,
)
from exact.errors import EngineDefect
from exact.geometry.circles.circle import Circle
from exact.geometry.circles.complex import HalfEdgeArray, SphereComplex, SurdPoint
from exact.geometry.polyhedra.halfspace import Halfspace

_ZERO = Rational(0)
_BITS, _ACCURACY = 128, 64  # the first working precision; the relative accuracy that is delivered
_MOST_BITS = 1 << 15
_CHUNK = 1 << 20
_SHORT = 2.0**-20  # below this share of a turn the float angle of an arc is taken from balls
_SLANT = (
    2.0**-11
    # pairs of circles of slant 1 that meet under an angle whose sine is smaller are left to exact
    # numbers
)
_STEEP = 2.0**10  # and so are the arcs of circles of a larger slant
_CLOSE = 2.0**-60  # how well the points where such circles meet are known, as a share of the radius


class RoundGeometry:
    """Measures of the arcs and cells of a complex, each made when asked for."""

    def __init__(self, complex_: SphereComplex) -> None:
        self.complex = complex_
        self._inverse = complex_.gram.inv()
        self._circles: dict[int, Circle] = {}

    def circle(self, index: int) -> Circle:
        """The frame of a carrier."""
        if index not in self._circles:
            self._circles[index] = Circle.of(
                self.complex.circles[index], self.complex.gram, self._inverse
            )
        return self._circles[index]

    def radius_squared(self, index: int) -> Rational:
        """The squared radius of a carrier, in its plane."""
        plane = self.complex.circles[index]
        return self.complex.radius_squared - Rational(plane.offset**2) / self._product(plane, plane)

    def _product(self, a: Halfspace, b: Halfspace) -> Rational:
        return dot(
            [Rational(x) for x in a.normal], apply(self._inverse, [Rational(x) for x in b.normal])
        )

    # ---- certified measures

    def length(self, arc: int) -> Interval:
        """The length of an arc."""
        return self._refined(lambda: self._length(arc))

    def area(self, walks: Sequence[Sequence[int]]) -> Interval:
        """The area of the cell with these boundary walks, each a list of half-edges."""
        return self._refined(lambda: self._area(walks))

    def perimeter(self, walks: Sequence[Sequence[int]]) -> Interval:
        """The length of the boundary of a cell; an arc with the cell on both sides counts twice."""
        if not any(walks):
            return Interval(Fraction(0), Fraction(0))
        return self._refined(
            lambda: _sum(self._length(half >> 1) for walk in walks for half in walk)
        )

    def angle(self, arc: int) -> Interval:
        """The angle of an arc as seen from the centre of its circle, in radians."""
        return self._refined(lambda: self._angle(arc))

    def point_on(self, arc: int, share: Rational) -> list[Ball]:
        """The point of an arc at a share between 0 and 1 of its way, at the working precision."""
        index = int(self.complex.arc_circle[arc])
        angle = self.angle(arc)
        middle = (Ball(rational(angle.lower)) + Ball(rational(angle.upper))) / 2
        return self._ahead(
            arc, middle * Ball(share), self.circle(index), Ball(self.radius_squared(index)).sqrt()
        )

    def _ahead(self, arc: int, angle: Ball, circle: Circle, radius: Ball) -> list[Ball]:
        start = int(self.complex.arc_ends[arc, 0])
        x, y = (Ball(1), Ball(0)) if start < 0 else circle.position(self.complex.vertex(start))
        size, sine, cosine = (x * x + y * y).sqrt(), angle.sin(), angle.cos()
        along = (
            radius
            * (x * cosine - y * sine)
            / (size * Ball(dot(circle.along, circle.lowered[0])).sqrt())
        )
        across = (
            radius
            * (x * sine + y * cosine)
            / (size * Ball(dot(circle.across, circle.lowered[1])).sqrt())
        )
        return [
            Ball(c) + along * Ball(u) + across * Ball(v)
            for c, u, v in zip(circle.centre, circle.along, circle.across, strict=True)
        ]

    def length_float(self, arc: int) -> float:
        """The length of an arc: the nearest float64."""
        return nearest_of(lambda _: self._length(arc))

    def area_float(self, walks: Sequence[Sequence[int]]) -> float:
        """The area of the cell with these boundary walks: the nearest float64."""
        return nearest_of(lambda _: self._area(walks))

    def exterior_angle(self, half: int) -> Interval:
        """The angle in [0, pi] by which the boundary turns left where half-edge `half` ends."""
        if (turn := self._rational_turn(half)) is not None and turn == 0:
            return Interval(Fraction(0), Fraction(0))
        return self._refined(lambda: self._exterior(half))

    @staticmethod
    def _refined(measure: Callable[[], Ball | None]) -> Interval:
        """A positive measure, the precision doubled until its relative error is below 2^-64."""
        bits = _BITS
        while bits <= _MOST_BITS:
            with ball_precision(bits):
                found = measure()
                if found is not None and found.rel_accuracy_bits() >= _ACCURACY:
                    return Interval.of(found)
            bits *= 2
        raise EngineDefect(
            "a measure cannot be told from zero",
            value=f"{_MOST_BITS} bits",
            remedy="this is a defect of the complex: please report it",
        )

    def _angle(self, arc: int) -> Ball | None:
        start, end = (int(v) for v in self.complex.arc_ends[arc])
        if start == end:
            return 2 * Ball.pi()
        circle, vertex = self.circle(int(self.complex.arc_circle[arc])), self.complex.vertex
        return turn_between(circle.position(vertex(start)), circle.position(vertex(end)))

    def _length(self, arc: int) -> Ball | None:
        angle = self._angle(arc)
        if angle is None:
            return None
        return angle * Ball(self.radius_squared(int(self.complex.arc_circle[arc]))).sqrt()

    def _bend(self, half: int) -> Ball | None:
        """The geodesic curvature along a half-edge, integrated: positive where it bends to the
        left.
        """
        angle = self._angle(half >> 1)
        plane = self.complex.circles[int(self.complex.arc_circle[half >> 1])]
        scale = Ball(self.complex.radius_squared * self._product(plane, plane)).sqrt()
        return (
            None if angle is None else angle * (plane.offset if half & 1 else -plane.offset) / scale
        )

    def _rational_turn(self, half: int) -> int | None:
        """0 or 1 where the boundary goes straight on, or turns back at a cusp; None at other
        angles.
        """
        after = int(self.complex.following[half])
        if self.complex.arc_ends[half >> 1, 0] < 0:
            return 0
        x, y = self._cosine(half, after)
        return (0 if x > 0 else 1) if x * x == y else None

    def _cosine(self, half: int, after: int) -> tuple[Rational, Rational]:
        """x and y with the cosine of the exterior angle between two half-edges equal to x /
        sqrt(y).
        """
        a, b = (self.complex.circles[int(self.complex.arc_circle[h >> 1])] for h in (half, after))
        square, sign = self.complex.radius_squared, -1 if (half ^ after) & 1 else 1
        x, first, second = (
            square * self._product(p, q) - p.offset * q.offset for p, q in ((a, b), (a, a), (b, b))
        )
        return sign * x, first * second

    def _exterior(self, half: int) -> Ball:
        turn = self._rational_turn(half)
        if turn is not None:
            return Ball.pi() * turn
        x, y = self._cosine(half, int(self.complex.following[half]))
        sine, cosine = Ball(y - x * x).sqrt(), Ball(x)
        return Ball.pi() / 2 - (cosine / sine).atan()

    def _area(self, walks: Sequence[Sequence[int]]) -> Ball | None:
        bends = _sum(self._bend(half) for walk in walks for half in walk)
        corners = _sum(self._exterior(half) for walk in walks for half in walk)
        if bends is None or corners is None:
            return None
        return Ball(self.complex.radius_squared) * (
            2 * Ball.pi() * (2 - len(walks)) - bends - corners
        )

    # ---- all at once, in floats

    def angles_float(self) -> FloatArray:
        """The angle of every arc in float64; those that floats know badly from balls: short arcs,
        and those of tiny circles.

        Points where circles touch or nearly touch are taken from their exact coordinates.
        """
        at, count = self.complex, self.complex.arc_count
        found = np.full(count, 2 * np.pi)
        frames, points = self._frames_float(), self._points_float
        for low in range(0, count, _CHUNK):
            part = slice(low, min(low + _CHUNK, count))
            self._angles_of(found[part], points, at.arc_ends[part], frames[at.arc_circle[part]])
        open_ = at.arc_ends[:, 0] != at.arc_ends[:, 1]
        short = (
            (found < _SHORT)
            | (found > 2 * np.pi - _SHORT)
            | (self._rows_float.slants > _STEEP)[at.arc_circle]
        )
        for arc in np.flatnonzero(open_ & short):
            found[arc] = float(self.angle(int(arc)))
        return found

    def _frames_float(self) -> FloatArray:
        """For every carrier the centre, and the two covectors that give the position on it (C x 3 x
        3).
        """
        return np.array(
            [self.circle(i).frame_float for i in range(len(self.complex.circles))]
        ).reshape(-1, 3, 3)

    @staticmethod
    def _angles_of(
        found: FloatArray, points: FloatArray, ends: np.ndarray, frames: FloatArray
    ) -> None:
        kept = np.flatnonzero(ends[:, 0] != ends[:, 1])
        frames = frames[kept]
        x, y = (
            [
                np.einsum("ij,ij->i", points[ends[kept, k]] - frames[:, 0], frames[:, row])
                for k in (0, 1)
            ]
            for row in (1, 2)
        )
        angle = np.arctan2(x[0] * y[1] - y[0] * x[1], x[0] * x[1] + y[0] * y[1])
        found[kept] = np.where(angle < 0, angle + 2 * np.pi, angle)

    def lengths_float(self) -> FloatArray:
        """The length of every arc in float64, to 2^-40 of a great circle and as a rule to 2^-50,
        touching circles or not.

        Cost: a few numpy operations per arc; exact numbers where circles nearly touch, or are
        nearly points.
        """
        radii = nearest_roots(self.radius_squared(i) for i in range(len(self.complex.circles)))
        return np.asarray(self.angles_float() * radii[self.complex.arc_circle])

    def areas_float(self) -> FloatArray:
        """The area of every cell in float64, by Gauss-Bonnet: to 2^-40 of the sphere, as a rule to
        2^-50 per arc around it.

        That holds for touching circles too; small cells keep few digits (ask `area` for them).
        Cost: as `lengths_float`.
        """
        at, total = self.complex, np.zeros(self.complex.cell_count)
        walks = np.bincount(at.cell_of_walk, minlength=at.cell_count)
        bends = self.angles_float() * -self._rows_float.heights[at.arc_circle]
        for side, sign in ((0, 1.0), (1, -1.0)):
            total += sign * np.bincount(at.arc_sides[:, side], bends, minlength=at.cell_count)
        for half, turn in self._turns_float():
            total += np.bincount(at.cell_of_walk[at.walk_of[half]], turn, minlength=at.cell_count)
        # sin of the float pi is what it lacks
        left = 2 * np.pi * (2 - walks) - total + 2 * np.sin(np.pi) * (2 - walks)
        return np.asarray(nearest_float(at.radius_squared) * left)

    @cached_property
    def _rows_float(self) -> _Rows:
        products = [self._product(plane, plane) for plane in self.complex.circles]
        return _Rows.of(self.complex, self._inverse, products)

    def _turns_float(self) -> Iterator[tuple[HalfEdgeArray, FloatArray]]:
        """Half-edges in portions, and the exterior angles where they end: certified ones where
        circles nearly touch.
        """
        following, rows = self.complex.following, self._rows_float
        for low in range(0, len(following), _CHUNK):
            half = np.arange(low, min(low + _CHUNK, len(following)), dtype=following.dtype)
            a, b, opposed = self._pairs(half)
            cosine = np.where(opposed, -1.0, 1.0) * rows.cosines(a, b)
            turn = np.arccos(np.clip(cosine, -1, 1))
            turn[(a == b) & ~opposed] = 0.0
            near = np.flatnonzero(rows.nearly_touch(a, b, cosine))
            names = np.stack(
                [np.minimum(a[near], b[near]), np.maximum(a[near], b[near]), opposed[near]], axis=1
            )
            _, first, place = np.unique(names, axis=0, return_index=True, return_inverse=True)
            certain = np.array([float(self.exterior_angle(int(h))) for h in half[near[first]]])
            turn[near] = certain[place.reshape(-1)] if len(near) else certain
            yield half, turn

    def _pairs(self, half: HalfEdgeArray) -> tuple[HalfEdgeArray, HalfEdgeArray, BitArray]:
        """The carriers of half-edges and of those that follow, and whether one has the other's
        positive side on its right.
        """
        circle, after = self.complex.arc_circle, self.complex.following[half]
        return circle[half >> 1], circle[after >> 1], ((half ^ after) & 1).astype(bool)

    @cached_property
    def _points_float(self) -> FloatArray:
        """The vertices in float64; where circles nearly touch, so that floats lose the point, from
        exact coordinates.
        """
        at = self.complex
        near = np.zeros(self.complex.vertex_count, dtype=bool)
        rows = self._rows_float
        for low in range(0, len(at.following), _CHUNK):
            half = np.arange(low, min(low + _CHUNK, len(at.following)), dtype=at.following.dtype)
            a, b, _ = self._pairs(half)
            ends = at.arc_ends[half >> 1, 1 - (half & 1)]
            near[ends[rows.nearly_touch(a, b, rows.cosines(a, b)) & (ends >= 0)]] = True
        found = at.vertex_floats.copy() if near.any() else at.vertex_floats
        for vertex in np.flatnonzero(near):
            found[vertex] = self._point_float(at.vertex(int(vertex)))
        return found

    def _point_float(self, point: SurdPoint) -> list[float]:
        largest, bits = _CLOSE * nearest_root(self.complex.radius_squared), _BITS
        while bits <= _MOST_BITS:
            with ball_precision(bits):
                found = [x.ball() for x in point]
                if all(float(x.rad()) <= max(largest, _CLOSE * abs(float(x))) for x in found):
                    return [float(x) for x in found]
            bits *= 2
        return [float(x) for x in point]


@dataclass(frozen=True)
class _Rows:
    """Carriers in float64: unit normals n / |n|_M and their images M n / |n|_M, cosines and sines
    of the angular radii.

    `heights` are `-cos phi`, and `sines` sin phi. The cosine of the angle between two circles is
    known to about 2^-51 times the product of their `slants`, which are 1 to 2 for great circles in
    an orthonormal basis and large for tiny circles.
    """

    normals: FloatArray
    images: FloatArray
    heights: FloatArray
    sines: FloatArray
    slants: FloatArray

    @classmethod
    def of(
        cls, complex_: SphereComplex, inverse: RationalArray, products: Sequence[Rational]
    ) -> _Rows:
        """From the squares n'Mn of the normals, which are exact; so is what the sines lose to
        cancellation.
        """
        square, circles = complex_.radius_squared, complex_.circles
        largest = [max(abs(x) for x in plane.normal) for plane in circles]
        sizes = nearest_roots(x / y**2 for x, y in zip(products, largest, strict=True))[:, None]
        shares = [
            nearest_floats(Rational(x, y) for x in plane.normal)
            for plane, y in zip(circles, largest, strict=True)
        ]
        normals = np.array(shares).reshape(-1, 3) / sizes
        ratios = [
            Rational(plane.offset**2) / (square * x)
            for plane, x in zip(circles, products, strict=True)
        ]
        signs = np.array([float((plane.offset > 0) - (plane.offset < 0)) for plane in circles])
        metric = nearest_floats(inverse.entries()).reshape(3, 3)
        sines = nearest_roots(max(1 - x, _ZERO) for x in ratios)
        with np.errstate(divide="ignore"):
            slants = np.abs(normals) @ np.sqrt(np.diag(metric)) / sines
        return cls(normals, normals @ metric, signs * nearest_roots(ratios), sines, slants)

    def cosines(self, a: HalfEdgeArray, b: HalfEdgeArray) -> FloatArray:
        """The cosines of the angles between the positive sides' directions of travel where circles
        a and b meet.
        """
        inner = (
            np.einsum("ij,ij->i", self.normals[a], self.images[b])
            - self.heights[a] * self.heights[b]
        )
        return np.asarray(inner / (self.sines[a] * self.sines[b]))

    def nearly_touch(self, a: HalfEdgeArray, b: HalfEdgeArray, cosines: FloatArray) -> BitArray:
        """Whether circles, with these cosines of their angle, meet so flatly that floats lose the
        angle and the point.
        """
        bound = _SLANT * self.slants[a] * self.slants[b]
        return np.asarray((a != b) & ~(1 - cosines**2 > bound**2))


def _sum(terms: Iterator[Ball | None]) -> Ball | None:
    total = Ball(0)
    for term in terms:
        if term is None:
            return None
        total += term
    return total
