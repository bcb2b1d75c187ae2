"""Tilings of a 2-sphere by cells that are cut one by one, and put together again along the arcs
they share.

A tiling lists circles, points, arcs and cells; a cell is the boundary walks around it. When every
cell has been cut on its own, two cells that share an arc have both cut it, in the same places as
far as new arcs end there, because pre-activations are continuous. Beyond that, a circle may touch
the arc from outside, or an old vertex may concern only the other side: so the points of both sides
are put in order along each circle, those that matter (old vertices, ends of new arcs) are kept, and
the walks of both sides are written over the arcs between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np

from exact.arithmetic.nearest import turn_between
from exact.arithmetic.numbers import Ball, Rational, RationalArray, ball_bounds, ball_precision
from exact.errors import EngineDefect
from exact.geometry.circles.circle import Circle
from exact.geometry.circles.complex import SphereComplex, SurdPoint
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.propagation.charts import SphereChart

Walk = list[int]
_BITS = 128


@dataclass(frozen=True)
class Stretch:
    """A directed piece of a boundary: along a circle from one point to another, with or against it.

    Points are those where it starts and ends along the circle's own direction, which has the
    positive side on the left; both are -1 for a whole circle without a point.
    """

    circle: int
    start: int
    end: int
    forward: bool


@dataclass
class CutCell:
    """A cell after a cut: its part of the code, its walks over old stretches and new half-edges,
    the cell it came from.
    """

    parent: int
    bits: bytes
    walks: list[list[Stretch | int]]


@dataclass
class Places:
    """Circles and points of the sphere, each once: equal ones are recognised exactly, whatever made
    them.
    """

    gram: RationalArray
    circles: list[Halfspace] = field(default_factory=list)
    points: list[SurdPoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inverse = self.gram.inv()
        self._circle_of: dict[tuple[int, ...], int] = {}
        self._point_of: dict[tuple[object, ...], int] = {}
        self._frames: dict[int, Circle] = {}
        self._position: dict[tuple[int, int], tuple[Ball, Ball]] = {}

    def circle(self, plane: Halfspace) -> tuple[int, bool]:
        """The number of a circle, and whether the plane has its positive side."""
        forward = next(x for x in plane.coefficients if x) > 0
        own = plane if forward else plane.opposite
        found = self._circle_of.setdefault(own.coefficients, len(self.circles))
        if found == len(self.circles):
            self.circles.append(own)
        return found, forward

    def point(self, point: SurdPoint) -> int:
        """The number of a point."""
        found = self._point_of.setdefault(point_key(point), len(self.points))
        if found == len(self.points):
            self.points.append(point)
        return found

    def frame(self, circle: int) -> Circle:
        """The frame in which points of a circle have angles."""
        if circle not in self._frames:
            self._frames[circle] = Circle.of(self.circles[circle], self.gram, self._inverse)
        return self._frames[circle]

    def at(self, circle: int, point: int) -> tuple[Ball, Ball]:
        """The position of a point on a circle, to 128 bits."""
        key = circle, point
        if key not in self._position:
            with ball_precision(_BITS):
                self._position[key] = self.frame(circle).position(self.points[point])
        return self._position[key]

    def _positions(self, circle: int, points: Sequence[int], bits: int) -> list[tuple[Ball, Ball]]:
        if bits == _BITS:
            return [self.at(circle, point) for point in points]
        return [self.frame(circle).position(self.points[point]) for point in points]

    def around(self, circle: int, points: Iterable[int]) -> list[int]:
        """Points of a circle in their order along it, from the first one given.

        They differ, so that some precision tells them apart.
        """
        first, *rest = points
        bits = _BITS
        while rest:
            with ball_precision(bits):
                start, *others = self._positions(circle, [first, *rest], bits)
                turns = [
                    (turn_between(start, place), point)
                    for place, point in zip(others, rest, strict=True)
                ]
                known = sorted(
                    ((t, p) for t, p in turns if t is not None),
                    key=lambda pair: ball_bounds(pair[0])[0],
                )
                if len(known) == len(rest) and all(a[0] < b[0] for a, b in pairwise(known)):
                    return [first, *(point for _, point in known)]
            bits *= 2
        return [first]


def point_key(point: SurdPoint) -> tuple[object, ...]:
    """A value that is equal for two triples of surds iff they are the same numbers, whatever
    radicands they are written with.

    With irrational parts `b_i sqrt(d)`, at least one of them nonzero: the rational parts, the first
    of the b_i^2 d with its sign, and the quotients of the b_i. Rational roots are taken first.
    """
    d = next((x.d for x in point if not x.is_rational), Rational(0))
    if d == 0 or (d.p.is_square() and d.q.is_square()):
        root = Rational(d.p.isqrt(), d.q.isqrt()) if d != 0 else Rational(0)
        return tuple(_pair(x.a if x.is_rational else x.a + x.b * root) for x in point)
    slopes = [Rational(0) if x.is_rational else x.b for x in point]
    lead = next(b for b in slopes if b != 0)
    return (
        *(_pair(x.a) for x in point),
        lead > 0,
        _pair(lead * lead * d),
        *(_pair(b / lead) for b in slopes),
    )


def _pair(value: Rational) -> tuple[int, int]:
    return int(value.p), int(value.q)


@dataclass
class Tiling:
    """Arcs along circles and the walks of cells around them; half-edge 2e runs along arc e, 2e + 1
    against it.

    Arc e follows its circle from `arcs[e][1]` to `arcs[e][2]`, the positive side on its left; -1,
    -1 for a whole circle. `sides[e]` are the cells on its left and right, `cells[i]` the walks of
    cell i.
    """

    arcs: list[tuple[int, int, int]] = field(default_factory=list)
    sides: list[list[int]] = field(default_factory=list)
    cells: list[list[Walk]] = field(default_factory=lambda: [[]])

    def stretch(self, half: int) -> Stretch:
        """A half-edge as a stretch of its circle."""
        return Stretch(*self.arcs[half >> 1], not half & 1)


class Gluing:
    """The next tiling, from all cells of one tiling after they have been cut."""

    def __init__(self, places: Places, before: Tiling) -> None:
        self._places, self._before = places, before
        self._arcs: list[tuple[int, int, int]] = []
        self._cut: list[CutCell] = []
        self._points: dict[
            int, dict[int, bool]
        ] = {}  # circle -> its points, and whether arcs end there
        for circle, start, end in before.arcs:
            row = self._points.setdefault(circle, {})
            if start >= 0:
                row[start] = row[end] = True

    def add_arc(self, circle: int, start: int, end: int) -> int:
        """A new arc in the inside of a cell, along its circle; returns its number."""
        self._arcs.append((circle, start, end))
        return len(self._arcs) - 1

    def add_point(self, circle: int, point: int, *, is_end: bool) -> None:
        """A point at which a stretch of an old circle was cut; `is_end` when a new arc ends
        there.
        """
        row = self._points[circle]
        row[point] = row.get(point, False) or is_end

    def add_cell(self, cell: CutCell) -> None:
        """A cell of the next tiling."""
        self._cut.append(cell)

    def __len__(self) -> int:
        return len(self._cut)

    def glued(self, check: Callable[[], None] = lambda: None) -> tuple[Tiling, list[CutCell]]:
        """The next tiling, and its cells as they were added; `check` is called on the way, and may
        raise Stopped.
        """
        rows = dict[int, _Row]()
        for circle, points in self._points.items():
            check()
            rows[circle] = _Row(self._places, circle, points)
        for circle, start, end in self._before.arcs:
            check()
            rows[circle].divide(start, end, self._arcs)
        following = Tiling(self._arcs, [[-1, -1] for _ in self._arcs], [])
        for number, cell in enumerate(self._cut):
            check()
            following.cells.append(
                [self._walk(rows, walk, number, following.sides) for walk in cell.walks]
            )
        if any(-1 in sides for sides in following.sides):
            raise EngineDefect(
                "an arc has a cell on one side only", value=f"{len(self._cut)} cells"
            )
        return following, self._cut

    @staticmethod
    def _walk(
        rows: dict[int, _Row], walk: Sequence[Stretch | int], cell: int, sides: list[list[int]]
    ) -> Walk:
        found = [
            half
            for part in walk
            for half in ([part] if isinstance(part, int) else rows[part.circle].halves(part))
        ]
        for half in found:
            if sides[half >> 1][half & 1] >= 0:
                raise EngineDefect(
                    "two cells claim one side of an arc", value=(sides[half >> 1], cell)
                )
            sides[half >> 1][half & 1] = cell
        return found


class _Row:
    """The points of one circle in order, and the arcs that the old ones on it become."""

    def __init__(self, places: Places, circle: int, points: dict[int, bool]) -> None:
        self._circle = circle
        self._order = places.around(circle, points) if points else []
        self._place = {point: i for i, point in enumerate(self._order)}
        self._is_end = [points[point] for point in self._order]
        self._arc_from: dict[int, int] = {}

    def _range(self, start: int, end: int) -> Iterator[int]:
        """The places from one point to another along the circle, the last left out; all for a whole
        circle.
        """
        count = len(self._order)
        first = self._place[start] if start >= 0 else 0
        length = (self._place[end] - first) % count or count if start >= 0 else count
        return ((first + i) % count for i in range(length))

    def divide(self, start: int, end: int, arcs: list[tuple[int, int, int]]) -> None:
        """Append the arcs that an old one becomes."""
        inner = [i for i in self._range(start, end) if self._is_end[i]]
        if not inner:
            self._arc_from[0] = len(arcs)
            arcs.append((self._circle, -1, -1))
            return
        for a, b in zip(
            inner, [*inner[1:], self._place[end] if start >= 0 else inner[0]], strict=True
        ):
            self._arc_from[a] = len(arcs)
            arcs.append((self._circle, self._order[a], self._order[b]))

    def halves(self, stretch: Stretch) -> list[int]:
        """The half-edges of a stretch, in the order in which it is walked."""
        places = list(self._range(stretch.start, stretch.end)) if self._order else [0]
        found = [2 * self._arc_from[i] for i in places if i in self._arc_from]
        return found if stretch.forward else [half + 1 for half in reversed(found)]


_FLOAT_BITS = 128
Thing = TypeVar("Thing")


def polled(things: Iterable[Thing], check: Callable[[], None]) -> Iterator[Thing]:
    """The same things, with a call of `check` before each."""
    for thing in things:
        check()
        yield thing


def complex_of(
    chart: SphereChart,
    places: Places,
    tiling: Tiling,
    codes: Sequence[bytes],
    check: Callable[[], None] = lambda: None,
) -> SphereComplex:
    """The arrays of a tiling; a circle has a carrier for every set of hinges that flip along it.
    `check` may raise Stopped.
    """
    check()
    count = len(tiling.arcs)
    sides = np.array(tiling.sides, dtype=np.int32).reshape(count, 2)
    used = sorted({v for _, *ends in tiling.arcs for v in ends if v >= 0})
    number = {v: i for i, v in enumerate(used)} | {-1: -1}
    ends = np.array([[number[a], number[b]] for _, a, b in tiling.arcs], dtype=np.int32).reshape(
        count, 2
    )
    carriers, circle_of_arc = _carriers(tiling, codes, check)
    flips = [np.frombuffer(flipped, dtype=bool).nonzero()[0] for _, flipped in carriers]
    starts = np.cumsum([0, *map(len, flips)])
    following, walk_of, cell_of_walk = _links(tiling, check)
    points = [places.points[v] for v in used]

    def vertex(index: int) -> SurdPoint:
        return points[index]

    with ball_precision(_FLOAT_BITS):
        floats = np.array(
            [[float(x.ball()) for x in point] for point in polled(points, check)]
        ).reshape(len(points), 3)
    members = np.concatenate([np.zeros(0, np.int64), *flips]).astype(np.int64)
    return SphereComplex(
        chart.gram,
        chart.radius_squared,
        tuple(places.circles[circle] for circle, _ in carriers),
        Incidence(starts.astype(np.int64), members),
        circle_of_arc,
        ends,
        sides,
        following,
        walk_of,
        cell_of_walk,
        len(codes),
        len(points),
        _component_count(ends, len(points)),
        vertex,
        floats,
    )


def _carriers(
    tiling: Tiling, codes: Sequence[bytes], check: Callable[[], None]
) -> tuple[list[tuple[int, bytes]], np.ndarray]:
    numbers: dict[tuple[int, bytes], int] = {}
    found = np.zeros(len(tiling.arcs), dtype=np.int32)
    bits = np.frombuffer(b"".join(codes), dtype=bool).reshape(
        len(codes), len(codes[0]) if codes else 0
    )
    for e, ((circle, _, _), (left, right)) in enumerate(
        polled(zip(tiling.arcs, tiling.sides, strict=True), check)
    ):
        flipped = bits[left] ^ bits[right]
        if not flipped.any():
            raise EngineDefect(
                "an arc separates cells of one code", value=f"cells {left} and {right}"
            )
        found[e] = numbers.setdefault((circle, flipped.tobytes()), len(numbers))
    return list(numbers), found


def _links(tiling: Tiling, check: Callable[[], None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The next half-edge of every half-edge, its walk, and the cell of every walk."""
    following, walk_of = (np.full(2 * len(tiling.arcs), -1, dtype=np.int32) for _ in range(2))
    cells: list[int] = []
    for cell, walks in enumerate(polled(tiling.cells, check)):
        for walk in walks:
            following[walk], walk_of[walk] = [*walk[1:], walk[0]], len(cells)
            cells.append(cell)
    return following, walk_of, np.array(cells, dtype=np.int32)


def _component_count(ends: np.ndarray, points: int) -> int:
    """The connected components of the union of the circles."""
    whole = int(np.count_nonzero(ends[:, 0] < 0))
    inner = ends[ends[:, 0] >= 0]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array(
        (np.ones(len(inner), dtype=np.int8), (inner[:, 0], inner[:, 1])), shape=(points, points)
    )
    return whole + (int(connected_components(graph, directed=False)[0]) if points else 0)
