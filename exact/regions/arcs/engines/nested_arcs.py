"""Arcs of a curve between exact points, and all zeros of the functions of one layer on them.

An arc lies inside one quarter of the directions. Zeros are proved by the float64 kernel
(exact.kernels.nested_roots) or decided exactly (exact.geometry.pencils.root_isolation); points are
put in order by comparing isolated zeros, equal ones merged.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, cmp_to_key, partial

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.numbers import Rational, ball_precision, nearest_float
from exact.arithmetic.texts.printing import short_repr
from exact.errors import Undecided
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.geometry.pencils.nested_functions import NestedFunction
from exact.geometry.pencils.root_isolation import Interval, Zero, zeros_in
from exact.kernels.nested_roots import Balls, Zeros, isolate, point_signs
from exact.propagation.norm_walks import BallState, ExactState

# functions are looked at this far beyond the ends of an arc, where zeros may be close to an end
_MARGIN = 2.0**-20


@short_repr
@dataclass(frozen=True)
class Edge:
    """A point that ends an arc, or a zero inside: the hinges of a layer that change sign there, and
    those that touch zero.

    Where a norm's root vanishes functions do not go on smoothly; `undefined` says that the norm
    divides by zero.
    """

    place: IsolatedDirection
    rows: tuple[int, ...] = ()
    touching: tuple[int, ...] = ()
    smooth: bool = True
    undefined: bool = False

    @property
    def is_quarter(self) -> bool:
        """Whether it is the point where a quarter of the directions starts."""
        return self.place.low == self.place.high == 0


class Walk:
    """A state in balls, and the exact one made from that of the walk before when it is asked
    for.
    """

    def __init__(self, balls: BallState, make: Callable[[], ExactState]) -> None:
        self.balls, self._make = balls, make

    @cached_property
    def exact(self) -> ExactState:
        """The exact state."""
        return self._make()


@short_repr
@dataclass(frozen=True)
class Arc:
    """An open arc inside one quadrant, the state in front of stage `stage` on it, and the code so
    far.
    """

    start: Edge
    end: Edge
    walk: Walk
    stage: int = 0
    bits: tuple[BitArray, ...] = ()

    @property
    def quadrant(self) -> int:
        """The quadrant of the diamond angles."""
        return self.start.place.quadrant

    @cached_property
    def middle(self) -> Rational:
        """A rational t strictly inside, a float64 where there is one."""
        return between(self.start, self.end)

    @cached_property
    def inside(self) -> Interval:
        """A rational interval inside the arc."""
        separated(self.start, self.end)
        return self.start.place.high, self.end.place.low

    @cached_property
    def around(self) -> tuple[float, float]:
        """Floats between which the arc lies, with a margin where functions go on smoothly."""
        low, high = nearest_float(self.start.place.low), nearest_float(self.end.place.high)
        margin = min(_MARGIN, (high - low) / 8)
        low -= margin if self.start.smooth else 0.0
        high += margin if self.end.smooth else 0.0
        return float(np.nextafter(low, -1.0)), float(np.nextafter(high, 2.0))

    def holds(self, place: IsolatedDirection) -> bool:
        """Whether a point lies strictly inside."""
        return place.compare(self.start.place) > 0 and place.compare(self.end.place) < 0

    def overlaps(self, low: float, high: float) -> bool:
        """Whether an interval is not certainly beyond the ends."""
        return _exactly(low) < self.end.place.high and _exactly(high) > self.start.place.low

    def behind(self, walk: Walk) -> Arc:
        """The same arc, one stage on."""
        return replace(self, walk=walk, stage=self.stage + 1)


@short_repr
@dataclass
class Tally:
    """How zeros were settled, and where hinges touch zero without changing sign; `check` may raise
    Stopped before each.
    """

    filtered: int = 0
    exact: int = 0
    tangent: list[tuple[IsolatedDirection, int]] = field(default_factory=list)
    check: Callable[[], None] = lambda: None


def _exactly(value: float) -> Rational:
    return Rational(*value.as_integer_ratio())


def edge_at(quadrant: int, t: Rational) -> Edge:
    """An edge at a rational t of a quarter."""
    return Edge(IsolatedDirection(quadrant, t, t))


def separated(first: Edge, second: Edge) -> None:
    """Narrow the enclosures of two different edges in order until the first lies entirely before
    the second.
    """
    first.place.compare(second.place)
    bits = 64
    while first.place.high >= second.place.low:
        first.place.refine(bits)
        second.place.refine(bits)
        bits *= 2


def between(first: Edge, second: Edge) -> Rational:
    """A rational t strictly between two edges: a float64, or when there is none a short dyadic
    number.
    """
    separated(first, second)
    low, high = first.place.high, second.place.low
    middle = nearest_float((low + high) / 2)
    if low < (t := _exactly(middle)) < high:
        return t
    gap = high - low
    power = 1 << ((int(gap.q) // max(1, int(gap.p))).bit_length() + 1)
    return Rational(int(((low + high) / 2 * power).floor()), power)


def _compare(first: tuple[int, Zero], second: tuple[int, Zero]) -> int:
    return first[1].place.compare(second[1].place)


def _ordered(zeros: Sequence[tuple[int, Zero]]) -> list[Edge]:
    """Edges in order, zeros at one point merged."""
    edges: list[Edge] = []
    for row, zero in sorted(zeros, key=cmp_to_key(_compare)):
        rows, touching = ((), (row,)) if zero.touching else ((row,), ())
        if edges and edges[-1].place.compare(zero.place) == 0:
            last = edges[-1]
            edges[-1] = replace(last, rows=last.rows + rows, touching=last.touching + touching)
        else:
            edges.append(Edge(zero.place, rows, touching))
    for one, other in itertools.pairwise(edges):
        separated(one, other)
    return edges


class Functions:
    """Functions over the basis of one arc: balls for all of them, exact coefficients on demand."""

    def __init__(
        self,
        arc: Arc,
        balls: BallMatrix,
        exact_row: Callable[[int], tuple[Rational, ...]],
        name: Callable[[int], str],
    ) -> None:
        self.arc, self.balls, self.name, self._exact_row = arc, balls, name, exact_row
        self._known: dict[int, NestedFunction] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.balls.mid)

    def exact(self, index: int) -> NestedFunction:
        """One function, exactly."""
        if index not in self._known:
            self._known[index] = NestedFunction(
                self.arc.walk.exact.chain, self._exact_row(index), *self.arc.inside
            )
        return self._known[index]

    def vanishes(self, index: int) -> bool:
        """Whether a function is zero on the whole arc."""
        function = self.exact(index)
        return function.sign_at(self.arc.middle) == 0 and function.is_zero

    def vanishes_at(self, index: int, place: IsolatedDirection) -> bool:
        """Whether a function is zero at an end of the arc."""
        if place.low == place.high:
            return self.exact(index).sign_at(place.low) == 0
        function = self.exact(index)
        with ball_precision(128):
            apart = function.over(
                (place.low + place.high) / 2, (place.high - place.low) / 2
            ).excludes_zero()
        return not apart and function.sign_at_point(place.point) == 0

    def touched_at_start(self) -> list[int]:
        """The functions that vanish at a rational start of the arc, but not on all of it."""
        t = self.arc.start.place.low
        return [
            index
            for index in self._open(t)[1]
            if self.exact(index).sign_at(t) == 0 and not self.vanishes(index)
        ]

    def zeros(self, tally: Tally) -> list[Edge]:
        """All zeros strictly inside the arc, in order."""
        found = list[tuple[int, Zero]]()
        left: dict[int, list[Interval]] = {}
        for row, low, high, is_zero in self._isolated():
            if not self.arc.overlaps(low, high):
                continue
            pair = _exactly(low), _exactly(high)
            if is_zero:
                place = IsolatedDirection(self.arc.quadrant, *pair, partial(self.exact, row))
                if self.arc.holds(place):
                    found.append((row, Zero(place)))
            else:
                left.setdefault(row, []).append(pair)
        tally.filtered += len(found)
        for row, intervals in left.items():
            tally.check()
            tally.exact += 1
            found += [(row, zero) for zero in self._decided(row, intervals)]
        return _ordered(found)

    def _decided(self, row: int, intervals: list[Interval]) -> list[Zero]:
        if all(x == 0 for x in self.exact(row).row):
            return []
        try:
            return zeros_in(self.exact(row), self.arc.quadrant, intervals, self.arc.holds)
        except Undecided as error:
            raise type(error)(
                f"{self.name(row)} cannot be decided on an interval",
                value=error.value,
                remedy=error.remedy,
            ) from error

    def _isolated(self) -> list[tuple[int, float, float, bool]]:
        room = 4 * self.count + 64
        rows = np.flatnonzero(np.any((self.balls.mid != 0) | (self.balls.rad != 0), axis=1))
        mid, rad = (np.ascontiguousarray(x[rows]) for x in (self.balls.mid, self.balls.rad))
        steps, ends = self.arc.walk.balls.program.steps, self.arc.around
        while True:
            low, high = np.zeros((2, room))
            zeros = Zeros(np.zeros(room, int), low, high, np.zeros(room, bool))
            found = isolate(steps, Balls(mid, rad), *ends, zeros)
            if found >= 0:
                numbers, *others = (array[:found] for array in zeros)
                lists = (array.tolist() for array in (rows[numbers], *others))
                return list(zip(*lists, strict=True))
            room *= 4

    def bits_at(self, t: Rational) -> BitArray:
        """Which functions are positive at a rational t: floats first, exact signs for the rest."""
        signs, left = self._open(t)
        for index in left:
            signs[index] = self.exact(index).sign_at(t)
        return np.asarray(signs > 0)

    def _open(self, t: Rational) -> tuple[np.ndarray, list[int]]:
        """The certain signs at a rational t, 0 where there is none, and the functions that floats
        leave open.
        """
        signs = np.zeros(self.count, dtype=np.int64)
        if _exactly(point := nearest_float(t)) == t:
            steps = self.arc.walk.balls.program.steps
            signs = point_signs(steps, Balls(self.balls.mid, self.balls.rad), point)
        may_differ = np.any((self.balls.mid != 0) | (self.balls.rad != 0), axis=1)
        return signs, np.flatnonzero((signs == 0) & may_differ).tolist()
