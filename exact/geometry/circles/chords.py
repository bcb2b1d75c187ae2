"""Great circles across a complex of circles on a sphere: which arcs they cross, in order, with
certainty.

What lies between two consecutive crossings is inside one cell. A great circle through a rational
vector therefore locates that vector, and the middle between two crossings is a point inside a cell.
Every answer is decided by real balls; a great circle through a vertex, or along a circle, is given
up (None), and another one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.linear_algebra import Vector, apply, dot
from exact.arithmetic.nearest import turn_between
from exact.arithmetic.numbers import Ball, Rational, ball_bounds, ball_precision
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.printing import short_repr
from exact.errors import Undecided, certain
from exact.geometry.circles.complex import SurdPoint
from exact.geometry.circles.measures import RoundGeometry
from exact.geometry.combinatorics.incidence import Incidence

_PRECISIONS = (128, 512, 2048)
Found = TypeVar("Found")
_MORE_BITS, _MOST_BITS = 64, 4096  # of the working precision beyond those of the result
# off the middle itself, where symmetric arrangements have their vertices
_NEAR_MIDDLE = Rational(17, 37)
Arcs = Mapping[int, Sequence[int]]


@short_repr
@dataclass(frozen=True)
class Passage:
    """A transversal crossing: the angle from the start, the arc, and whether the positive side of
    its circle comes next.
    """

    angle: Ball
    arc: int
    rises: bool


@short_repr
@dataclass(frozen=True)
class Chord:
    """The great circle from a rational vector `start` towards `ahead`, which is orthogonal to it in
    the metric.

    `start_square` and `ahead_square` are their squared lengths.
    """

    start: Vector
    ahead: Vector
    start_square: Rational
    ahead_square: Rational
    geometry: RoundGeometry

    @classmethod
    def through(cls, geometry: RoundGeometry, start: Vector, towards: Vector) -> Chord | None:
        """The great circle through two rational vectors; None when they are parallel."""
        lowered = apply(geometry.complex.gram, start)
        square = dot(start, lowered)
        if square == 0:
            return None
        share = dot(towards, lowered) / square
        ahead = [x - share * y for x, y in zip(towards, start, strict=True)]
        rest = dot(ahead, apply(geometry.complex.gram, ahead))
        return None if rest == 0 else cls(start, ahead, square, rest, geometry)

    def point(self, angle: Ball) -> list[Ball]:
        """The point of the sphere at an angle from the start."""
        radius = Ball(self.geometry.complex.radius_squared)
        along = angle.cos() * (radius / Ball(self.start_square)).sqrt()
        aside = angle.sin() * (radius / Ball(self.ahead_square)).sqrt()
        return [
            along * Ball(x) + aside * Ball(y) for x, y in zip(self.start, self.ahead, strict=True)
        ]

    def between(self, first: Ball, last: Ball) -> Vector | None:
        """A rational vector on the great circle strictly between two angles, across the start where
        `last <= first`.

        As short as doubling its bits finds it; None when 4,096 bits do not.
        """
        return _at_last(lambda bits: self._between(first, last, 2 * bits))

    def _between(self, first: Ball, last: Ball, most: int) -> Vector | None:
        """The same with at most so many bits, at the working precision."""
        last = last if first < last else last + 2 * Ball.pi()
        middle = (first + last) / 2
        shares = (
            middle.cos() / Ball(self.start_square).sqrt(),
            middle.sin() / Ball(self.ahead_square).sqrt(),
        )
        bits = 4
        while bits <= most:
            along, aside = rounded(shares, bits)
            bits *= 2
            if aside != 0 and self._is_between(first, self.angle_of(along, aside), last):
                return [along * x + aside * y for x, y in zip(self.start, self.ahead, strict=True)]
        return None

    @staticmethod
    def _is_between(first: Ball, angle: Ball, last: Ball) -> bool:
        return any(bool(first < turned < last) for turned in (angle, angle + 2 * Ball.pi()))

    def starts_on(self, carrier: int, members: Sequence[int]) -> bool:
        """Whether the start, which lies on the circle of a carrier, is a point of one of its arcs,
        ends included.

        Raises Undecided when 2,048 bits do not tell it from an end that it is not.
        """
        arc = _at_last(lambda _: self._arc_at(carrier, members, Ball(0)))
        if arc is not None:
            return arc >= 0
        ends = {int(v) for arc in members for v in self.geometry.complex.arc_ends[arc]}
        if any(is_towards(self.geometry.complex.vertex(v), self.start) for v in ends):
            return True
        raise Undecided(
            "a point cannot be told from a vertex with 2,048 bits",
            value=self.start,
            remedy="move the point",
        )

    def angle_of(self, along: Rational, aside: Rational) -> Ball:
        """The angle in (0, 2 pi) of the vector `along start + aside ahead`, away from the start
        itself.
        """
        x, y = along * self.start_square, aside * self.ahead_square
        cosine = Ball(x) / Ball(self.start_square).sqrt()
        sine = Ball(y) / Ball(self.ahead_square).sqrt()
        found = turn_between((Ball(1), Ball(0)), (cosine, sine))
        found = certain(found, "a rational sine has a certain sign")
        return found

    def crossings(self, arcs: Arcs) -> list[Passage] | None:
        """Where the great circle crosses the given arcs (carrier -> arcs on it), in the order of
        their angles in (0, 2 pi).

        None when it meets a vertex or the start lies on one of the arcs, or so nearly that 2,048
        bits do not tell.
        """
        return _at_last(lambda _: self._crossings(arcs))

    def first(self, arcs: Incidence) -> Passage | None:
        """The first crossing of the arcs, row c of which lists those on carrier c; None when there
        is none or it is uncertain.

        Cost: two angles a carrier; only carriers up to the first crossing are looked at more
        closely.
        """
        return _at_last(lambda _: self._first(arcs))

    def _first(self, arcs: Incidence) -> Passage | None:
        waiting: list[tuple[Ball, int, bool]] = []
        for carrier in range(len(arcs)):
            angles = self._angles(carrier)
            if angles is None:
                return None
            waiting += [
                (angle, carrier, rises) for angle, rises in zip(angles, (False, True), strict=False)
            ]
        waiting.sort(key=lambda item: ball_bounds(item[0])[0])
        turn = 2 * Ball.pi()  # what may lie beyond it may come first of all: just behind the start
        for place, (angle, carrier, rises) in enumerate(waiting):
            arc = self._nearby_arc(carrier, arcs.row(carrier), angle)
            if arc is None:
                return None
            if arc >= 0:
                rivals = [(at, row) for at, row, _ in waiting[place + 1 :] if not angle < at < turn]
                certain = angle > 0 and all(
                    self._nearby_arc(row, arcs.row(row), at) == -1 for at, row in rivals
                )
                return Passage(angle, arc, rises) if certain else None
        return None

    def _nearby_arc(self, carrier: int, members: IndexArray, angle: Ball) -> int | None:
        """As `_arc_at`, floats proposing which arcs to try first."""
        at, circle = self.geometry.complex, self.geometry.circle(carrier)
        here = [float(x) for x in circle.position_of(self.point(angle))]
        starts = at.arc_ends[members, 0]
        if starts[0] < 0:
            return int(members[0])
        x, y = circle.positions_float(at.vertex_floats[starts])
        turns = np.arctan2(x * here[1] - y * here[0], x * here[0] + y * here[1]) % (2 * np.pi)
        best = members[np.argsort(turns)]
        arc = self._arc_at(carrier, [int(e) for e in (*best[:2], best[-1])], angle)
        return self._arc_at(carrier, best.tolist(), angle) if arc == -1 else arc

    def _crossings(self, arcs: Arcs) -> list[Passage] | None:
        found: list[Passage] = []
        for carrier, members in arcs.items():
            angles = self._angles(carrier)
            if angles is None:
                return None
            for angle, rises in zip(angles, (False, True), strict=False):
                arc = self._arc_at(carrier, members, angle)
                if arc is None:
                    return None
                if arc >= 0:
                    found.append(Passage(angle, arc, rises))
        return _in_order(found)

    def _angles(self, carrier: int) -> tuple[Ball, ...] | None:
        """The two angles at which the circle of a carrier is left and entered; none where it is
        missed or touched.

        On the great circle its plane is `a cos t + b sin t + offset` with a^2 + b^2 = square. None
        inside the plane.
        """
        at, plane = self.geometry.complex, self.geometry.complex.circles[carrier]
        first, second = (
            sum((c * x for c, x in zip(plane.normal, v, strict=True)), Rational(0))
            for v in (self.start, self.ahead)
        )
        square = at.radius_squared * (
            first * first / self.start_square + second * second / self.ahead_square
        )
        gap = square - plane.offset * plane.offset
        if square == 0 and plane.offset == 0:
            return None
        if gap <= 0:
            return ()
        top = turn_between(
            (Ball(1), Ball(0)),
            (
                Ball(first) / Ball(self.start_square).sqrt(),
                Ball(second) / Ball(self.ahead_square).sqrt(),
            ),
        )
        half = Ball.pi() / 2 - (Ball(-plane.offset) / Ball(gap).sqrt()).atan()
        top = Ball(0) if top is None else top  # only an exact zero sine leaves the turn open
        return _within_turn(top + half), _within_turn(top - half)

    def _arc_at(self, carrier: int, members: Sequence[int], angle: Ball) -> int | None:
        """The arc of a carrier at a crossing, -1 when there is none among the members; None when it
        is uncertain.
        """
        circle, ends = self.geometry.circle(carrier), self.geometry.complex.arc_ends
        here = circle.position_of(self.point(angle))
        for arc in members:
            start, end = (int(v) for v in ends[arc])
            if start < 0:
                return arc
            first = circle.position(self.geometry.complex.vertex(start))
            reach = (
                2 * Ball.pi()
                if start == end
                else turn_between(first, circle.position(self.geometry.complex.vertex(end)))
            )
            turn = turn_between(first, here)
            if turn is None or reach is None or not (turn < reach or turn > reach):
                return None
            if turn < reach:
                return arc
        return -1


def near_middle(geometry: RoundGeometry, arc: int, bits: int) -> Vector:
    """Integers of about `bits` bits, a vector in nearly the direction of a point well inside an
    arc.
    """
    more = _MORE_BITS
    while True:
        with ball_precision(bits + more):
            point = geometry.point_on(arc, _NEAR_MIDDLE)
            if more > _MOST_BITS or all(x.rad() * 2**bits < 1 for x in point):
                return rounded(point, bits)
        more *= 4


def rounded(vector: Sequence[Ball], bits: int) -> Vector:
    """A vector of integers of about `bits` bits in nearly the direction of the given one."""
    middles = [sum(ball_bounds(x), Rational(0)) / 2 for x in vector]
    largest = max(abs(x) for x in middles)
    scaled = [x / largest * (1 << bits) for x in middles]
    return [Rational(int(2 * x.p + x.q) // int(2 * x.q)) for x in scaled]


def is_towards(point: SurdPoint, vector: Vector) -> bool:
    """Whether a point of the sphere lies in the direction of a rational vector."""
    gaps = [
        point[i].scaled(vector[j]) - point[j].scaled(vector[i]) for i, j in ((0, 1), (1, 2), (2, 0))
    ]
    size = sum((x.scaled(v) for x, v in zip(point, vector, strict=True)), Surd(Rational(0)))
    return size.sign() > 0 and not any(gap.sign() for gap in gaps)


def _at_last(ask: Callable[[int], Found | None]) -> Found | None:
    """The answer at the first working precision, in bits, that gives one; None where none does."""
    for bits in _PRECISIONS:
        with ball_precision(bits):
            found = ask(bits)
        if found is not None:
            return found
    return None


def _within_turn(angle: Ball) -> Ball:
    """An angle in (-pi, 3 pi) brought to [0, 2 pi), if it is certain where it lies; near the seam
    it stays uncertain.
    """
    if angle < 0:
        return angle + 2 * Ball.pi()
    return angle - 2 * Ball.pi() if angle > 2 * Ball.pi() else angle


def _in_order(found: list[Passage]) -> list[Passage] | None:
    ordered = sorted(found, key=lambda crossing: ball_bounds(crossing.angle)[0])
    angles = [Ball(0), *(crossing.angle for crossing in ordered), 2 * Ball.pi()]
    certain = all(a < b for a, b in pairwise(angles))
    return ordered if certain else None
