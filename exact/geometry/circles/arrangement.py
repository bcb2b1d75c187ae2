"""The cell complex that planes cut a 2-sphere into, exactly, whatever their position.

Which circles meet is the sign of an integer; in which order along each other, the sign of an
expression with two square roots (`exact.geometry.circles.points`). Float64 enclosures with proved
errors decide nearly all of it (`exact.kernels.small_circles`), and the exact predicates the rest:
touching circles, three through a point, and what is too close. All else is combinatorial. At a
point where circle i leaves the positive side of circle j, j turns off to the left of i; circles
that touch are ordered by their geodesic curvature; so half-edges are linked and walks traced
without another sign. A point at which circles touch is where one enters and leaves the other at
once.

When the union of the circles is not connected, several walks bound one cell. A great circle in
general position through the middles of circles of two components crosses pieces of others on its
way; between two crossings it stays in one cell, so the walks there are one cell's, until all
components hang together. Euler's relation is checked on every run.

Arcs are numbered along the circles, from where each enters the positive side of the first it meets;
vertices and walks by their first arc or half-edge, cells by their first walk: the numbering does
not depend on how signs were decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import gcd

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray
from exact.arithmetic.numbers import FloatArray, Integer, Rational, RationalArray
from exact.errors import EngineDefect
from exact.geometry.budgets import Stopped
from exact.geometry.circles.complex import HalfEdgeArray, SphereComplex, SurdPoint
from exact.geometry.circles.meetings import Meetings
from exact.geometry.circles.points import CirclePlanes, Rotation, Spot, cross
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.halfspace import Halfspace

_FIRST_BITS, _MORE_BITS, _JITTER = 24, 24, 61


@dataclass(frozen=True)
class CircleArrangement:
    """The complex, the planes that are on in cell 0, and how many signs floats ("filter") and
    integers ("exact") decided.
    """

    complex: SphereComplex
    root: BitArray
    decisions: dict[str, int]


def arrange(
    planes: Sequence[Halfspace],
    gram: RationalArray,
    radius_squared: Rational,
    *,
    filtered: bool = True,
) -> CircleArrangement:
    """Cut the sphere `y' gram y = radius_squared` by planes `normal . y + offset = 0` of R^3.

    Any planes will do: constant ones, ones that miss or touch the sphere (they flip nowhere),
    duplicates and opposites (one carrier), circles that touch, coincide in points, lie inside one
    another. `filtered=False` decides every sign by integers, with the same result; for small
    inputs. Raises EngineDefect when Euler's relation fails.

    Cost: m^2 pairs of circles, a sort along each, and a constant number of steps for each crossing.

    >>> from exact.arithmetic.numbers import Rational
    >>> from exact.geometry.polyhedra.halfspace import Halfspace
    >>> from exact.arithmetic.linear_algebra import identity
    >>> planes = [Halfspace((1, 0, 0, 0)), Halfspace((0, 1, 0, 0)), Halfspace((0, 0, 1, -3))]
    >>> cut = arrange(planes, identity(3), Rational(4))
    >>> cut.complex.cell_count, cut.complex.vertex_count, cut.root.tolist()
    (4, 2, [True, True, False])
    """
    made = arrange_while(lambda: True, planes, gram, radius_squared, filtered=filtered)
    assert made is not None, "nothing stops it"
    return made


def arrange_while(
    go_on: Callable[[], bool],
    planes: Sequence[Halfspace],
    gram: RationalArray,
    radius_squared: Rational,
    *,
    filtered: bool = True,
) -> CircleArrangement | None:
    """:func:`arrange`, asking `go_on` before each plane, circle and step; None when it says no."""

    def check() -> None:
        if not go_on():
            raise Stopped

    try:
        carriers = _Carriers(planes, CirclePlanes(gram, radius_squared), check)
        meetings = Meetings(carriers.geometry, filtered, check)
        for i in range(meetings.count):
            check()
            meetings.sort_circle(i)
        complex_ = _Builder(carriers, meetings, gram, radius_squared).complex(check)
        return CircleArrangement(complex_, carriers.root(meetings), meetings.decisions)
    except Stopped:
        return None


class _Carriers:
    """The distinct circles among the planes, and which planes lie on each."""

    def __init__(
        self, planes: Sequence[Halfspace], geometry: CirclePlanes, check: Callable[[], None]
    ) -> None:
        self.geometry = geometry
        index, kept = dict[tuple[int, ...], int](), list[Halfspace]()
        self._constant = np.zeros(len(planes), dtype=bool)
        self._carrier = np.full(len(planes), -1, dtype=np.int64)
        self._turned = np.zeros(len(planes), dtype=bool)
        for p, plane in enumerate(planes):
            check()
            divisor = gcd(*plane.coefficients) or 1
            row = tuple(x // divisor for x in plane.coefficients)
            opposite = tuple(-x for x in row)
            if row not in index and opposite not in index:
                is_circle = geometry.add(row) > 0
                if is_circle:
                    kept.append(plane)
                else:
                    geometry.drop()
                index[row] = len(kept) - 1 if is_circle else -1
            self._turned[p] = row not in index
            self._carrier[p] = index[opposite if self._turned[p] else row]
            self._constant[p] = plane.offset > 0
        self.circles = tuple(kept)

    @property
    def flips(self) -> Incidence:
        """The planes on every circle."""
        order = np.argsort(self._carrier, kind="stable")
        members = order[np.count_nonzero(self._carrier < 0) :]
        starts = np.searchsorted(self._carrier[members], np.arange(len(self.circles) + 1))
        return Incidence(starts.astype(np.int64), members.astype(np.int64))

    def root(self, meetings: Meetings) -> BitArray:
        """Which planes are on beside the first arc, on its positive side."""
        on = np.append(_sides_of_first_arc(self.geometry, meetings), False)
        bits: BitArray = np.where(
            self._carrier < 0, self._constant, on[self._carrier] ^ self._turned
        )
        return bits


def _sides_of_first_arc(geometry: CirclePlanes, meetings: Meetings) -> BitArray:
    """On which circles' positive sides arc 0 lies; of its own, the positive side.

    It starts where circle 0 enters the first circle it meets. Where another is left before it is
    entered, the arc is inside.
    """
    sides = np.zeros(len(geometry), dtype=bool)
    met = dict[int, int]()
    if len(geometry):
        rank, met = meetings.ranks(0), {int(j): t for t, j in enumerate(meetings.neighbours(0))}
        sides[0] = True
    for j in range(1, len(geometry)):
        t = met.get(j, -1)
        if t < 0 or rank[2 * t] == rank[2 * t + 1]:
            sides[j] = geometry.side(0, j) > 0
        else:
            sides[j] = rank[2 * t] == 0 or 0 < rank[2 * t + 1] < rank[2 * t]
    return sides


class _Builder:
    """Makes the complex of circles whose meetings are known."""

    def __init__(
        self, carriers: _Carriers, meetings: Meetings, gram: RationalArray, radius_squared: Rational
    ) -> None:
        self._carriers, self._meetings = carriers, meetings
        self._gram, self._square = gram, radius_squared

    def complex(self, check: Callable[[], None]) -> SphereComplex:
        """Number arcs and vertices, link half-edges, trace walks, join the walks of one cell, check
        Euler's relation.
        """
        from exact.kernels import small_circles as kernels

        meetings = self._meetings
        starts, points, tied = meetings.starts, meetings.points, meetings.tied
        lonely = int(np.count_nonzero(starts[1:] == starts[:-1]))
        arcs = lonely + int(np.count_nonzero(tied == 0))
        self.out, self.first_arc = np.zeros(len(points), np.int32), np.zeros(len(starts), np.int32)
        arc_circle, lead = np.zeros(arcs, np.int32), np.zeros(arcs, np.int32)
        kernels.number_arcs(starts, points, tied, self.out, arc_circle, lead, self.first_arc)
        ends, vertex_point = np.zeros((arcs, 2), np.int32), np.zeros(arcs, np.int32)
        vertices = kernels.number_vertices(
            starts, meetings.twin, self.out, self.first_arc, lead, ends, vertex_point
        )
        vertex_point = vertex_point[:vertices].copy()
        check()
        following = self._linked(arcs, ends)
        check()
        walk_of = np.zeros(2 * arcs, np.int32)
        walks = int(kernels.trace_walks(following, walk_of))
        if walks < 0:
            raise EngineDefect(
                "a walk around a cell does not close",
                value=f"{len(starts) - 1} circles",
                remedy="report these planes: the arrangement is wrong",
            )
        check()
        component, components = self._components()
        cell_of_walk, cells = self._cells(component, components, walk_of, walks)
        check()
        arc_sides = np.zeros((arcs, 2), np.int32)
        kernels.sides(walk_of, cell_of_walk, arc_sides)
        result = SphereComplex(
            self._gram,
            self._square,
            self._carriers.circles,
            self._carriers.flips,
            arc_circle,
            ends,
            arc_sides,
            following,
            walk_of,
            cell_of_walk,
            cells,
            vertices,
            components,
            partial(self._vertex, vertex_point),
            self._vertex_floats(vertex_point),
        )
        if result.euler_characteristic != 1 + components:
            raise EngineDefect(
                "Euler's relation fails",
                value=f"a defect of {result.euler_characteristic - 1 - components}",
                remedy="report these planes: the arrangement is wrong",
            )
        return result

    def _components(self) -> tuple[HalfEdgeArray, int]:
        """The connected component of every circle, and their number."""
        from exact.kernels import small_circles as kernels

        parent = np.arange(self._meetings.count, dtype=np.int32)
        kernels.components(self._meetings.starts, self._meetings.neighbour, parent)
        component = np.zeros_like(parent)
        return component, int(kernels.number_classes(parent, component))

    def _cells(
        self, component: HalfEdgeArray, components: int, walk_of: HalfEdgeArray, walks: int
    ) -> tuple[HalfEdgeArray, int]:
        """The cell of every walk, and the number of cells."""
        from exact.kernels import small_circles as kernels

        parent = np.arange(walks, dtype=np.int32)
        if components > 1:
            pairs = _Joiner(self._meetings, self.out, self.first_arc, component).pairs()
            kernels.unite(parent, walk_of[np.array(pairs, dtype=np.int64)])
        cell_of_walk = np.zeros_like(parent)
        return cell_of_walk, int(kernels.number_classes(parent, cell_of_walk)) if walks else 1

    def _linked(self, arcs: int, ends: HalfEdgeArray) -> HalfEdgeArray:
        """The next half-edge of every half-edge."""
        from exact.kernels import small_circles as kernels

        meetings = self._meetings
        following = np.full(2 * arcs, -1, np.int32)
        crowded = np.zeros(arcs, np.uint8)
        marked = kernels.link_simple(
            meetings.starts,
            meetings.neighbour,
            meetings.twin,
            meetings.points,
            meetings.tied,
            self.out,
            self.first_arc,
            following,
            crowded,
        )
        if marked:
            for members in self._crowds(crowded, ends):
                self._link_crowd(members, following)
        return following

    def _crowds(self, crowded: ByteArray, ends: HalfEdgeArray) -> Iterable[dict[int, list[int]]]:
        """The vertices that are no simple crossings: the arcs that leave each, with the points
        there of their circles.
        """
        found = dict[int, dict[int, list[int]]]()
        points = self._meetings.points
        points = points[crowded[self.out[points]] > 0]
        for p, e, v in zip(
            points.tolist(),
            self.out[points].tolist(),
            ends[self.out[points], 0].tolist(),
            strict=True,
        ):
            found.setdefault(v, {}).setdefault(e, []).append(p)
        return found.values()

    def _link_crowd(self, members: dict[int, list[int]], following: HalfEdgeArray) -> None:
        """Link the half-edges at one vertex, given the arcs that leave it."""
        order = Rotation(self._carriers.geometry)
        half_edges = dict[tuple[int, int], int]()
        for e, points in members.items():
            i = int(np.searchsorted(self._meetings.starts, points[0] >> 1, side="right")) - 1
            before = e - 1 if e > self.first_arc[i] else int(self.first_arc[i + 1]) - 1
            half_edges[i, 1], half_edges[i, -1] = 2 * e, 2 * before + 1
            for p in points:
                order.add(i, int(self._meetings.neighbour[p >> 1]), 2 * (p & 1) - 1)
        leaving = [half_edges[direction] for direction in order.sorted(list(half_edges))]
        for k, h in enumerate(leaving):
            following[h ^ 1] = leaving[k - 1]

    def _spot(self, point: int) -> tuple[int, Spot]:
        t = point >> 1
        i = int(np.searchsorted(self._meetings.starts, t, side="right")) - 1
        return i, (int(self._meetings.neighbour[t]), 2 * (point & 1) - 1)

    def _vertex(self, vertex_point: HalfEdgeArray, index: int) -> SurdPoint:
        return self._carriers.geometry.point(*self._spot(int(vertex_point[index])))

    def _vertex_floats(self, vertex_point: HalfEdgeArray) -> FloatArray:
        from exact.kernels import small_circles as kernels

        meetings, result = self._meetings, np.full((len(vertex_point), 3), np.nan)
        if meetings.filtered:
            slots = vertex_point >> 1
            circle = np.searchsorted(meetings.starts, slots, side="right") - 1
            kernels.float_points(
                meetings.rows,
                circle,
                meetings.neighbour[slots],
                vertex_point & 1,
                meetings.geometry.from_unit(),
                result,
            )
        for v in np.flatnonzero(np.isnan(result[:, 0])).tolist():
            result[v] = [float(x) for x in self._vertex(vertex_point, v)]
        return result


class _Joiner:
    """Finds pairs of half-edges of different components that have the same cell on their left:
    enough of them.
    """

    def __init__(
        self,
        meetings: Meetings,
        out: HalfEdgeArray,
        first_arc: HalfEdgeArray,
        component: HalfEdgeArray,
    ) -> None:
        self._meetings, self._out, self._first_arc = meetings, out, first_arc
        self._component = component.tolist()
        self._parent = list(range(max(self._component) + 1))

    def pairs(self) -> list[tuple[int, int]]:
        """One pair for every component but one; joining their walks leaves one class for every
        cell.

        The components and the cells they bound form a tree, in which a pair of walks in one cell
        joins two components.
        """
        found = list[tuple[int, int]]()
        for k in range(1, len(self._parent)):
            attempt = 0
            while self._root(k) != self._root(0):
                found += self._along(self._component.index(k), attempt)
                attempt += 1
        return found

    def _root(self, k: int) -> int:
        while self._parent[k] != k:
            self._parent[k] = self._parent[self._parent[k]]
            k = self._parent[k]
        return k

    def _along(self, i: int, attempt: int) -> list[tuple[int, int]]:
        """The pairs found along a great circle near the middles of circle i and of circle 0."""
        spots = self._meetings.crossings(_probe(self._meetings.geometry, i, attempt))
        if spots is None:
            return []
        found = list[tuple[int, int]]()
        for here, there in zip(spots, spots[1:] + spots[:1], strict=True):
            a, b = (self._root(self._component[spot[0]]) for spot in (here, there))
            if a != b:
                self._parent[a] = b
                found.append(
                    (self._half_edge(here, after=True), self._half_edge(there, after=False))
                )
        self._meetings.forget()
        return found

    def _half_edge(self, spot: Spot, after: bool) -> int:
        """The half-edge with the place just after (before) a crossing on its left: that of the side
        it is on.
        """
        j, side = spot
        alone = self._meetings.starts[j] == self._meetings.starts[j + 1]
        arc = int(self._first_arc[j] if alone else self._out[self._meetings.before(j, spot)])
        return 2 * arc + ((side > 0) == after)


def _probe(geometry: CirclePlanes, i: int, attempt: int) -> tuple[int, int, int, int]:
    """A great circle close to the middles of circles i and 0; the closer, the later the attempt,
    and each in another place.

    The plane through the centre and both middles crosses both circles, and so do planes close
    enough to it.
    """
    a, b = geometry.axes[i], geometry.axes[0]
    normal = cross(a, b)
    for k in range(3):
        if not any(normal):
            unit = (Integer(k == 0), Integer(k == 1), Integer(k == 2))
            normal = cross(a, unit)
    largest, bits = max(abs(x) for x in normal), _FIRST_BITS + _MORE_BITS * attempt
    jitter = [
        (p * (attempt + 1) + q * i) % _JITTER - _JITTER // 2
        for p, q in ((7, 13), (17, 29), (37, 5))
    ]
    x, y, z = (int(v * 2**bits // largest) + shift for v, shift in zip(normal, jitter, strict=True))
    return x, y, z, 0
