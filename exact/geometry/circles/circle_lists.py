"""The circles of a cell complex on a 2-sphere, one list of vertices and arcs each, and bridges
between walks of one cell.

Certificates of spheres are written from these lists. The carriers of one plane become one circle,
its plane in coprime integers of which the first nonzero one is positive, walked with that side on
the left. A bridge is an arc of a further circle that runs inside one cell from one of its walks to
another; floats propose bridges, and the checker decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from itertools import chain, pairwise

import numpy as np

from exact.arithmetic.linear_algebra import apply, dot
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    nearest_float,
    nearest_floats,
)
from exact.arithmetic.surds import Surd
from exact.errors import Undecided, certain
from exact.geometry.circles.chords import Chord, Passage, near_middle
from exact.geometry.circles.circle import cross
from exact.geometry.circles.complex import SphereComplex, SurdPoint
from exact.geometry.circles.measures import RoundGeometry
from exact.geometry.pencils.pencil import Direction
from exact.geometry.polyhedra.halfspace import Halfspace

_ZERO = Rational(0)
_ATTEMPTS, _SHORT = 400, 40  # planes tried, and how many of them with short coefficients
_GRIDS, _SMALL = (1 << 20, 1 << 52), Rational(1, 1 << 48)
_BITS = 64, 256, 1200, 2400  # of the points that great circles are laid through
Plane = tuple[int, ...]


@dataclass(frozen=True)
class ListedCircle:
    """A plane, the vertices on its circle in order, and behind each the half-edges on its positive
    and negative side.

    Where the complex has no arc behind a vertex there is None; a circle without vertices has one
    pair.
    """

    plane: Plane
    around: tuple[int, ...]
    halves: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Bridge:
    """From arc `gap` of circle `k` at zero `root` (0: its plane rises there on the bridge, 1: it
    falls) to another such.
    """

    plane: Plane
    start: tuple[int, int, int]
    end: tuple[int, int, int]


class CircleLists:
    """The lists of a complex; a vertex on one circle only separates nothing and is left out. Cost:
    a sort per circle.
    """

    def __init__(self, complex_: SphereComplex) -> None:
        self.complex = complex_
        self._points = [complex_.vertex(i) for i in range(complex_.vertex_count)]
        carriers: dict[Plane, list[tuple[int, int]]] = {}
        for arc, carrier in enumerate(complex_.arc_circle.tolist()):
            plane, way = _canonical(complex_.circles[carrier])
            carriers.setdefault(plane, []).append((arc, way))
        shared = self._shared(carriers)
        self.vertices = [v for v in range(complex_.vertex_count) if v in shared]
        place = {v: i for i, v in enumerate(self.vertices)}
        self.circles = [self._listed(plane, carriers[plane], place) for plane in sorted(carriers)]

    def _shared(self, carriers: dict[Plane, list[tuple[int, int]]]) -> set[int]:
        """The vertices that lie on arcs of several planes."""
        found = dict[int, set[Plane]]()
        for plane, arcs in carriers.items():
            for arc, _ in arcs:
                for vertex in self.complex.arc_ends[arc].tolist():
                    found.setdefault(vertex, set()).add(plane)
        return {vertex for vertex, planes in found.items() if vertex >= 0 and len(planes) > 1}

    def _listed(
        self, plane: Plane, arcs: list[tuple[int, int]], place: dict[int, int]
    ) -> ListedCircle:
        starts = [int(self.complex.arc_ends[arc, int(way < 0)]) for arc, way in arcs]
        behind = {
            start: (2 * arc + (way < 0), 2 * arc + (way > 0))
            for start, (arc, way) in zip(starts, arcs, strict=True)
        }
        around = [
            place[v] for v in self._in_order(plane, [v for v in self._on(arcs) if v in place])
        ]
        if not around:
            return ListedCircle(plane, (), (next(iter(behind.values())),))
        halves = [behind.get(self.vertices[i]) for i in around]
        return ListedCircle(plane, tuple(around), tuple(halves))

    def _on(self, arcs: list[tuple[int, int]]) -> list[int]:
        return sorted({v for arc, _ in arcs for v in self.complex.arc_ends[arc].tolist()} - {-1})

    def _in_order(self, plane: Plane, vertices: Sequence[int]) -> list[int]:
        """Vertices counter-clockwise as seen from the positive side of their plane."""
        first = _cross(plane, (0, 0, 1) if plane[0] or plane[1] else (1, 0, 0))
        centre = self._centre(plane)
        found = {
            v: _direction(self._points[v], centre, first, _cross(plane, first)) for v in vertices
        }

        def compared(a: int, b: int) -> int:
            return found[a].compare(found[b])

        return sorted(vertices, key=cmp_to_key(compared))

    def _centre(self, plane: Plane) -> list[Rational]:
        normal = [Rational(x) for x in plane[:3]]
        pole = apply(self.complex.gram.inv(), normal)
        share = -plane[3] / dot(normal, pole)
        return [share * x for x in pole]

    def corner(self, index: int) -> tuple[int, int, int]:
        """Two circles through a vertex, and whether the plane of the second rises (0) or falls (1)
        there along the first.
        """
        on = [k for k, circle in enumerate(self.circles) if index in circle.around]
        image = [_surd_dot(row, self._points[self.vertices[index]]) for row in self._rows]
        for other in on[1:]:
            axis = _cross(self.circles[other].plane, self.circles[on[0]].plane)
            turned = _surd_dot([Rational(x) for x in axis], image).sign()
            if turned:
                return on[0], other, int(turned < 0)
        return on[0], on[1], 0

    @property
    def _rows(self) -> list[list[Rational]]:
        entries = self.complex.gram.entries()
        return [entries[i : i + 3] for i in (0, 3, 6)]

    def sides(self, circle: ListedCircle) -> list[list[int] | None]:
        """The two cells beside each arc of a circle, that on the positive side of its plane
        first.
        """
        return [
            pair and [int(self.complex.arc_sides[half >> 1, half & 1]) for half in pair]
            for pair in circle.halves
        ]

    # ---- bridges

    def bridges(self) -> list[Bridge]:
        """As many as put the walks of every cell together; Undecided where none are found for some.

        Floats propose them; where circles are too small for these, or not enough are found, great
        circles are followed with certainty, which takes about as long as a witness for every
        circle.
        """
        missing = self.complex.walk_count - self.complex.cell_count if self.circles else 0
        parent, found = list(range(self.complex.walk_count)), list[Bridge]()
        if missing and min(self._squares) > _SMALL * self.complex.radius_squared:
            floats = range(_ATTEMPTS)
        else:
            floats = range(0)
        for proposals in chain(
            (self._along(self._plane(k)) for k in floats), map(self._certain, range(_ATTEMPTS))
        ):
            if len(found) == missing:
                return found
            for bridge, one, other in proposals:
                if _root(parent, one) != _root(parent, other):
                    parent[_root(parent, one)] = _root(parent, other)
                    found.append(bridge)
        raise Undecided(
            "too few bridges were found inside the cells",
            value=f"{len(found)} of {missing}",
            remedy="the complex has cells too thin for 2,048 bits: use the codes instead",
        )

    @cached_property
    def _squares(self) -> list[Rational]:
        """The squared radii of the circles."""
        return [self._radius_squared(circle.plane) for circle in self.circles]

    def _radius_squared(self, plane: Plane) -> Rational:
        normal = [Rational(x) for x in plane[:3]]
        return self.complex.radius_squared - Rational(plane[3]) ** 2 / dot(
            normal, apply(self._inverse, normal)
        )

    def _certain(self, attempt: int) -> Iterator[tuple[Bridge, int, int]]:
        """Bridges along a great circle through points of two arcs around one cell, crossed in an
        order that balls decide.
        """
        rng, geometry = np.random.default_rng(attempt), RoundGeometry(self.complex)
        halves = [self._half_of(walk, rng) for walk in self._two_walks(rng)]
        start, towards = (
            near_middle(geometry, half >> 1, _BITS[attempt % len(_BITS)]) for half in halves
        )
        aside = [(2 + attempt) * x - y for x, y in zip(start, towards, strict=True)]
        chord = Chord.through(geometry, aside, towards)
        passages = None if chord is None else chord.crossings(self._arcs_of_carrier)
        if chord is None or not passages:
            return
        normal = cross(chord.start, chord.ahead)
        plane = tuple(int(x) for x in Halfspace.of([*normal, _ZERO]).coefficients)
        places = [self._place(passage) for passage in passages]
        yield from self._pairs(
            plane, [place for place in places if place is not None] if None not in places else []
        )

    @cached_property
    def _arcs_of_carrier(self) -> dict[int, list[int]]:
        found = dict[int, list[int]]()
        for arc, carrier in enumerate(self.complex.arc_circle.tolist()):
            found.setdefault(carrier, []).append(arc)
        return found

    def _place(self, passage: Passage) -> tuple[int, int, int] | None:
        """A crossing as circle, gap and root; None where the arc is listed under another one that
        it continues.
        """
        _, way = _canonical(self.complex.circles[int(self.complex.arc_circle[passage.arc])])
        for k, circle in enumerate(self.circles):
            for gap, pair in enumerate(circle.halves):
                if pair and 2 * passage.arc in pair:
                    return k, gap, int(passage.rises != (way > 0))
        return None

    def _plane(self, attempt: int) -> Plane:
        """A plane through the middles of two arcs of different walks; deterministic."""
        rng = np.random.default_rng(attempt)
        through = [self._somewhere(walk, rng) for walk in self._two_walks(rng)]
        third = rng.normal(size=3) if attempt % 2 else np.zeros(3) + rng.normal(size=3) / 64
        normal = np.cross(through[1] - through[0], third - through[0])
        row = [*normal, -float(normal @ through[0])]
        size = max(abs(x) for x in row)
        return tuple(int(_GRIDS[attempt >= _SHORT] * float(x) / size) for x in row)

    def _two_walks(self, rng: np.random.Generator) -> tuple[int, int]:
        """Two walks around one cell."""
        labels = np.asarray(self.complex.cell_of_walk)
        many = np.flatnonzero(np.bincount(labels, minlength=self.complex.cell_count)[labels] > 1)
        first, *others = [int(walk) for walk in rng.permutation(many)]
        return first, next(walk for walk in others if labels[walk] == labels[first])

    def _half_of(self, walk: int, rng: np.random.Generator) -> int:
        """A half-edge of a walk."""
        return int(rng.choice(np.flatnonzero(np.asarray(self.complex.walk_of) == walk)))

    def _somewhere(self, walk: int, rng: np.random.Generator) -> FloatArray:
        """A point on an arc of a walk, in floats."""
        half = self._half_of(walk, rng)
        k, gap = next(
            (k, gap)
            for k, circle in enumerate(self.circles)
            for gap, pair in enumerate(circle.halves)
            if pair and half in pair
        )
        frame = self._frames[k]
        start, end = frame.span(gap)
        return frame.at(start + (end - start) * rng.uniform(0.2, 0.8))

    @cached_property
    def _frames(self) -> list[_Frame]:
        return [self._frame(circle.plane, self._floats(circle)) for circle in self.circles]

    def _frame(self, plane: Plane, vertices: FloatArray) -> _Frame:
        """A circle in floats. Its squared radius is rounded once: a difference of floats would
        leave a small one no digit.
        """
        gram = nearest_floats(self.complex.gram.entries()).reshape(3, 3)
        return _Frame(plane, gram, nearest_float(self._radius_squared(plane)), vertices)

    @cached_property
    def _inverse(self) -> RationalArray:
        return self.complex.gram.inv()

    def _floats(self, circle: ListedCircle) -> FloatArray:
        return np.asarray(self.complex.vertex_floats)[
            [self.vertices[i] for i in circle.around]
        ].reshape(-1, 3)

    def _along(self, plane: Plane) -> Iterator[tuple[Bridge, int, int]]:
        """Pairs of crossings that follow each other on the circle of a plane, with a cell of two
        walks between them.
        """
        return self._pairs(plane, [place for _, place in sorted(self._crossings(plane))])

    def _pairs(
        self, plane: Plane, crossings: Sequence[tuple[int, int, int]]
    ) -> Iterator[tuple[Bridge, int, int]]:
        """The consecutive crossings along a plane, in order, between which a cell of two walks
        lies.
        """
        for begin, end in pairwise([*crossings, *crossings[:1]]):
            k, gap, root = begin
            after, before = self._half(k, gap, root), self._half(end[0], end[1], 1 - end[2])
            walks = [int(self.complex.walk_of[half]) for half in (after, before)]
            labels = [int(self.complex.cell_of_walk[walk]) for walk in walks]
            if labels[0] == labels[1] and walks[0] != walks[1]:
                yield Bridge(plane, begin, end), walks[0], walks[1]

    def _half(self, k: int, gap: int, side: int) -> int:
        pair = self.circles[k].halves[gap]
        pair = certain(pair, "crossings lie on arcs")
        return pair[side]

    def _crossings(self, plane: Plane) -> Iterator[tuple[float, tuple[int, int, int]]]:
        """Position on the circle of a plane, then circle, gap and root, for every arc that it
        crosses.
        """
        own = self._frame(plane, np.zeros((0, 3)))
        if not own.is_real:
            return
        for k, frame in enumerate(self._frames):
            for root, angle in own.zeros(frame.row):
                gap = frame.gap(own.at(angle))
                if self.circles[k].halves[gap] is not None:
                    yield angle, (k, gap, root)


class _Frame:
    """A circle in floats: angles around its centre, the angles of its vertices, its points."""

    def __init__(
        self, plane: Plane, gram: FloatArray, radius_squared: float, vertices: FloatArray
    ) -> None:
        self.gram, self.is_real = gram, radius_squared > 0
        largest = max(map(abs, plane[:3]))
        self.row = np.array([x / largest for x in plane])
        normal = self.row[:3]
        pole = np.linalg.solve(gram, normal)
        self.centre = -self.row[3] * pole / (normal @ pole)
        first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
        first = first / math.sqrt(first @ gram @ first)
        second = np.cross(normal, gram @ first)
        self.spans = np.stack([first, second / math.sqrt(second @ gram @ second)]) * math.sqrt(
            max(radius_squared, 0)
        )
        self.angles = [self.angle(vertex) for vertex in vertices]

    def angle(self, point: FloatArray) -> float:
        return (
            math.atan2(
                *(float(span @ self.gram @ (point - self.centre)) for span in self.spans[::-1])
            )
            % math.tau
        )

    def at(self, angle: float) -> FloatArray:
        return np.asarray(
            self.centre + math.cos(angle) * self.spans[0] + math.sin(angle) * self.spans[1]
        )

    def span(self, gap: int) -> tuple[float, float]:
        if not self.angles:
            return 0.0, math.tau
        start, end = self.angles[gap], self.angles[(gap + 1) % len(self.angles)]
        return start, end if end > start else end + math.tau

    def gap(self, point: FloatArray) -> int:
        """The gap between vertices that a point of the circle lies in."""
        angle = self.angle(point)
        turned = [(angle - start) % math.tau for start in self.angles]
        return turned.index(min(turned)) if turned else 0

    def zeros(self, plane: FloatArray) -> list[tuple[int, float]]:
        """Where another plane rises (0) and falls (1) on this circle, as angles."""
        x, y = (float(plane[:3] @ span) for span in self.spans)
        offset, size = float(plane[:3] @ self.centre + plane[3]), math.hypot(x, y)
        if size <= abs(offset):
            return []
        middle, reach = math.atan2(y, x), math.acos(-offset / size)
        return [(0, (middle - reach) % math.tau), (1, (middle + reach) % math.tau)]


def _canonical(plane: Halfspace) -> tuple[Plane, int]:
    """The coefficients with the first nonzero one positive, and -1 where that turns the plane
    around.
    """
    way = 1 if next(x for x in plane.coefficients if x) > 0 else -1
    return tuple(way * int(x) for x in plane.coefficients), way


def _cross(u: Sequence[int], v: Sequence[int]) -> tuple[int, int, int]:
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


def _surd_dot(row: Sequence[Rational], point: Sequence[Surd]) -> Surd:
    total = Surd(_ZERO)
    for x, y in zip(row, point, strict=True):
        total = total + y.scaled(x)
    return total


def _direction(
    point: SurdPoint, centre: Sequence[Rational], first: Sequence[int], second: Sequence[int]
) -> Direction:
    """A point of a circle in coordinates along two vectors of its plane that are orthogonal as rows
    of numbers.
    """
    gaps = [y - Surd(m) for y, m in zip(point, centre, strict=True)]
    return Direction(
        *(
            _surd_dot([Rational(x) for x in span], gaps).scaled(
                1 / Rational(sum(x * x for x in span))
            )
            for span in (first, second)
        )
    )


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = i = parent[parent[i]]
    return i
