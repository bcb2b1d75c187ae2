"""Partitions of one-dimensional domains: arcs of circles, intervals of lines, with exact end points
and lengths. A partition and its arcs stand in one file, since each arc asks its partition.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.enclosures.late import networkx as nx
from exact.arithmetic.enclosures.roundoff import LEAST, U, inflation
from exact.arithmetic.linear_algebra import rows_of
from exact.arithmetic.nearest import nearest_of
from exact.arithmetic.numbers import Ball, FloatArray, Rational, rounding_error
from exact.errors import InvalidInput, shown
from exact.geometry.combinatorics.codes import Hinge, SplineCode
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.domains.base import CurveDomain
from exact.geometry.domains.round import Sphere
from exact.geometry.pencils.ellipses import length_ball, length_sympy
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.geometry.pencils.pencil import Direction
from exact.geometry.pencils.positions import (
    CurvePoint,
    compare_points,
    coordinates,
    gap_ball,
    is_finite,
    one_turn_on,
    point_floats,
    position_float,
    turn_ball,
)
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.propagation.pencil_charts import PencilChart
from exact.regions.arcs import certificate
from exact.regions.arcs.cells import CurveCells, Cut, meeting_cells
from exact.regions.arcs.crossings import Crossing, exact_angle, exact_parameter, sympy_rational
from exact.regions.arcs.records import curve_cells, curve_parts
from exact.regions.cells import Outcome
from exact.regions.certificate import Json, round_domain
from exact.regions.engine import Problem
from exact.regions.partition import GRAPH_WITNESSES, Partition
from exact.regions.region import Facet, Region, SymbolicRegion, closed
from exact.regions.storage import Parts

if TYPE_CHECKING:
    import sympy

_ZERO, _ONE = Rational(0), Rational(1)
_USEFUL = 2.0**-8  # a bound above this part of a length says too little
_NONE = np.zeros((0, 2), dtype=np.int64)


class CurvePartition(Partition):
    """The cells of a curve in order; on a circle the first starts at the first crossing after u.

    A cell is a maximal arc on which the code is constant but for isolated points (a neuron that
    touches zero without changing sign separates nothing; see `crossings`). One code can own several
    cells (mathematics.md, "Spline codes, regions and cells").
    """

    cells: CurveCells
    chart: PencilChart
    codes_repeat = True
    domains = (CurveDomain, Sphere)
    read_cells = staticmethod(
        lambda network, domain, values, arrays: curve_cells(network, values, arrays)
    )

    def __init__(self, problem: Problem, engine: str, cells: CurveCells) -> None:
        super().__init__(problem, engine, None, cells)
        self.curve, self.frame = cells.curve, cells.frame
        self.chart = PencilChart(self.network, cells.curve, cells.frame)
        self.image = self.chart.image

    @cached_property
    def codes(self) -> ByteArray:  # type: ignore[override]
        """The spline codes, bit-packed; made when asked for: 10^5 neurons on a circle have 2.5 GB
        of them.
        """
        return self.cells.codes.packed()

    def __len__(self) -> int:
        return len(self.cells)

    def parts(self, points: bool | None = None) -> Parts:
        return curve_parts(self.cells)

    def records(self, maps: bool) -> Iterator[Json]:
        return certificate.records(self.network, self.cells)

    def domain_record(self) -> Json:
        return round_domain(self.network, self.domain)

    def code_of(self, index: int) -> SplineCode:
        return SplineCode(self.cells.codes.row(self._number(index)).tobytes(), *self._layout)

    def hinges_between(self, a: int, b: int) -> tuple[Hinge, ...]:
        hinges, codes, count = self.network.hinges, self.cells.codes, len(self)
        a, b = self._number(a), self._number(b)
        step_back = b == 0 and a == count - 1 and self.cells.closed
        found = codes.flips(b) if b == a + 1 or step_back else codes.differing(a, b)
        return tuple(hinges[i] for i in found.tolist())

    @cached_property
    def code_count(self) -> int:
        """The number of different spline codes."""
        return self.cells.codes.distinct

    @cached_property
    def digest(self) -> str:
        """sha256 of the number of cells and the sorted codes: the same for any engine, device or
        order of work.
        """
        return self.cells.codes.digest()

    @property
    def is_convex(self) -> bool:
        return self.frame.is_straight and not self.network.has_norm

    @cached_property
    def regions(self) -> Sequence[Arc]:
        return OnDemand(partial(Arc, self), len(self))

    @cached_property
    def crossings(self) -> tuple[Crossing, ...]:
        """The points between cells in order, then the tangencies of single hinges."""
        joints = (
            (self.hinges_between(before, after), self.cells.cuts[k])
            for before, k, after in self._joints()
        )
        inner = [
            Crossing(flipped, False, cut.undefined, cut.direction, self.frame, self.image)
            for flipped, cut in joints
        ]
        hinges = self.network.hinges
        touching = [
            Crossing((hinges[h],), True, False, d, self.frame, self.image)
            for d, h in self.cells.tangent
        ]
        return (*inner, *touching)

    def _joints(self) -> list[tuple[int, int, int]]:
        """(cell before, cut, cell after) for every cut between two cells."""
        count = len(self)
        if self.cells.closed:
            return [((i - 1) % count, i, i) for i in range(len(self.cells.cuts))]
        return [(i - 1, i, i) for i in range(1, count)] if self.cells.cuts else []

    def ends_of(self, index: int) -> tuple[Cut, Cut] | None:
        """The cuts where a cell starts and ends; None for a full circle, or a point of a sphere of
        dimension 0.
        """
        cuts, index = self.cells.cuts, self._number(index)
        return (cuts[index], cuts[(index + 1) % len(cuts)]) if cuts else None

    def neighbours(self) -> IndexArray:
        pairs = [
            (before, after)
            for before, cut, after in self._joints()
            if cut not in self.cells.undefined
        ]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def meetings(self, other: Partition) -> IndexArray | None:
        complete = all(one.outcome is Outcome.COMPLETE for one in (self, other))
        return meeting_cells(self.cells, other.seen_as(CurvePartition).cells) if complete else _NONE

    def graph(
        self, *, witnesses: bool | None = None, attributes: Sequence[str] = (), labels: bool = True
    ) -> nx.MultiGraph[int]:
        """Nodes are cells with `code` and `witness`; an edge is a crossing with `flipped` hinges
        and its `position`.

        A multigraph, because two arcs of a circle can meet at both ends. Points where a norm is
        undefined join nothing. Positions are the nearest float64; on a circle of more than 10,000
        cuts angles to 2^-29 of a turn or better, so that not all crossings need be made exact;
        `crossings` has them exactly.
        """
        graph: nx.MultiGraph[int] = nx.MultiGraph()
        self._add_nodes(graph, witnesses, attributes, labels)
        for before, cut, after in self._joints():
            if cut not in self.cells.undefined:
                flipped = {"flipped": self.hinges_between(before, after)} if labels else {}
                graph.add_edge(before, after, position=self._positions[cut], **flipped)
        return graph

    @cached_property
    def _positions(self) -> list[float]:
        """The positions of all cuts: those of the exact points, on circles with very many cuts of
        points near them.
        """
        cuts, bounds = self.cells.cuts, self.cells.enclosures
        many = len(cuts) > GRAPH_WITNESSES and not self.frame.is_straight
        if many and bounds is not None:
            angles: list[float] = self.frame.angles_float(bounds.mean(axis=1)).tolist()
            return angles
        return [position_float(self.frame, cut.near if many else cut.direction) for cut in cuts]

    @property
    def quantities(self) -> tuple[str, ...]:
        return (*super().quantities, "lengths_float", "lengths_bound")

    @cached_property
    def _lengths(self) -> tuple[FloatArray, FloatArray]:
        """The lengths by the positions of the cuts, which are the nearest floats or, on circles
        with very many, off by 2^-29 of a turn; where that says too little, one by one.
        """
        count, cuts = len(self), len(self.cells.cuts)
        found, bounds = np.zeros(count), np.full(count, math.inf)
        if cuts and self.curve.centre is None:
            at = np.array(self._positions)
            first, last = at[:count], np.roll(at, -1)[:count]
            many = cuts > GRAPH_WITNESSES and not self.frame.is_straight
            off = (np.abs(first) + np.abs(last)) * U + many * 2.0**-25
            gaps = last - first
            if self.cells.closed:  # the last cell holds the angle 0
                gaps[-1], off[-1] = gaps[-1] + 2 * math.pi, off[-1] + 8 * math.pi * U
            radius = nearest_of(lambda bits: Ball(self.frame.radius_squared).sqrt())
            found = radius * gaps
            bounds = (radius * off + 6 * U * found) * inflation(16) + LEAST
            bounds[np.isinf(found)] = 0.0
        for i in np.flatnonzero(~(bounds <= _USEFUL * found) & ~np.isposinf(found)).tolist():
            found[i] = self.regions[i].length_float
            bounds[i] = rounding_error(found[i : i + 1])[0] if found[i] < math.inf else 0.0
        return found, bounds

    @property
    def lengths_float(self) -> FloatArray:
        """The lengths of all cells in the metric of the curve (R), inf where one is unbounded;
        `lengths_bound` says how far each is off, `regions[i].length_float` is the nearest float and
        `length` exact.

        >>> from exact import Segment, partition
        >>> from exact.sources import tensors
        >>> fold = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [5])])
        >>> partition(fold, Segment([3, -1], [3, 2])).lengths_float.round(9).tolist()
        [1.0, 2.0]
        """
        return self._lengths[0]

    @property
    def lengths_bound(self) -> FloatArray:
        """Proved bounds on the errors of `lengths_float`."""
        return self._lengths[1]

    def locate(self, x: Sequence[object]) -> int:
        direction = self.direction_of(x)
        if not self.cells.cuts:
            return self._without_cuts(direction)
        before = bisect.bisect_left(
            range(len(self)), 0, key=lambda i: self.cells.cuts[i].direction.compare(direction)
        )
        cuts = self.cells.cuts
        if before < len(cuts) and cuts[before].direction.compare(direction) == 0:
            is_end = not self.cells.closed and before in (0, len(self))
            wrong = (
                "the point is an end of the domain" if is_end else "the point lies on a crossing"
            )
            raise InvalidInput(wrong, value=shown(x), remedy="move it into a region")
        if not self.cells.closed and not self._is_on_arc(direction):
            raise InvalidInput(
                "the point lies outside the domain", value=shown(x), remedy="give a point on it"
            )
        return (before - 1) % len(self)

    def _without_cuts(self, direction: Direction) -> int:
        """The cell on an uncut circle, or the one of two opposite points."""
        return 0 if len(self) == 1 or direction.alpha.sign() > 0 else 1

    def _is_on_arc(self, direction: Direction) -> bool:
        first, last = self.cells.cuts[0].direction, self.cells.cuts[-1].direction
        return compare_points(direction, first) > 0 and compare_points(direction, last) < 0

    def direction_of(self, x: Sequence[object]) -> Direction:
        """The rational direction (alpha, beta) of a point of the curve; behind a norm modulo what P
        removes.
        """
        alpha, beta = self.chart.coordinates(x)
        if alpha == 0 and beta == 0:
            raise InvalidInput(
                "the vector has no direction on the curve",
                value=shown(x),
                remedy="give one that is not zero, behind a norm also when it is projected",
            )
        return Direction.rational(alpha, beta)


class Arc(Region):
    """A cell of a one-dimensional domain: an open arc or interval on which the code is constant."""

    _owner: CurvePartition

    @property
    def coordinates(self) -> tuple[Rational, Rational]:
        """A rational direction (alpha, beta) inside."""
        return self._owner.cells.witnesses[self.index]

    @property
    def facets(self) -> tuple[Facet, ...]:
        """The crossings at the ends, and the ends of the domain; none at infinity.

        `hyperplane` is the line through the end in the coefficients (alpha, beta) of the pencil, ()
        when it is irrational.
        """
        ends = self._owner.ends_of(self.index)
        if ends is None:
            return ()
        frame = self._owner.frame
        finite = [
            (cut, step)
            for cut, step in zip(ends, (-1, 1), strict=True)
            if not frame.is_straight or is_finite(frame, cut.direction)
        ]
        return tuple(self._facet(cut, step) for cut, step in finite)

    def _facet(self, cut: Cut, step: int) -> Facet:
        count = len(self._owner)
        other = self.index + step
        missing = not self._owner.cells.closed and not 0 <= other < count
        neighbour = None if missing or cut.undefined else other % count
        flipped = () if missing else self._owner.hinges_between(self.index, other % count)
        return Facet(flipped, neighbour, _line_through(cut.direction, step))

    @property
    def endpoints(self) -> tuple[sympy.Matrix, sympy.Matrix] | None:
        """The exact end points as SymPy columns; None for a full circle or a single point."""
        ends = self._owner.ends_of(self.index)
        if ends is None:
            return None
        owner = self._owner
        first, last = (
            Crossing((), False, c.undefined, c.direction, owner.frame, owner.image).point
            for c in ends
        )
        return first, last

    @property
    def endpoints_float(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The end points, each coordinate the nearest float64; infinite where an interval is."""
        ends, curve, frame = self._owner.ends_of(self.index), self._owner.image, self._owner.frame
        if ends is None:
            return None
        first, last = (point_floats(frame, curve, cut.direction) for cut in ends)
        return first, last

    @property
    def parameters_float(self) -> tuple[float, float]:
        """Start and end, each the nearest float64: angles in radians, the end beyond the start, or
        parameters t.

        A full circle is (0, 2 pi); the end of an arc that holds the angle 0 is above 2 pi.
        """
        ends, frame = self._owner.ends_of(self.index), self._owner.frame
        if ends is None:
            return (0.0, 2 * math.pi) if len(self._owner) == 1 else (self.index * math.pi,) * 2
        first, last = (cut.direction for cut in ends)
        wraps = not frame.is_straight and compare_points(last, first) <= 0
        return position_float(frame, first), (one_turn_on if wraps else position_float)(frame, last)

    @property
    def length_float(self) -> float:
        """The length in the metric of the curve: the nearest float64."""
        ends, frame = self._owner.ends_of(self.index), self._owner.frame
        if (
            ends is not None
            and frame.is_straight
            and not all(is_finite(frame, cut.direction) for cut in ends)
        ):
            return math.inf
        return nearest_of(self._length)

    def _length(self, bits: int) -> Ball | None:
        ends, frame = self._owner.ends_of(self.index), self._owner.frame
        if self._owner.curve.centre is not None:
            return self._elliptic_length(bits)
        radius = Ball(frame.radius_squared).sqrt()
        if ends is None:
            return 2 * Ball.pi() * radius if len(self._owner) == 1 else Ball(0)
        first, last = (cut.direction for cut in ends)
        if not frame.is_straight:
            turn = (
                2 * Ball.pi()
                if compare_points(first, last) == 0
                else turn_ball(frame, first, last, bits)
            )
            return None if turn is None else radius * turn
        return radius * gap_ball(frame, first, last, bits)

    def _elliptic_length(self, bits: int) -> Ball | None:
        ends, frame = self._owner.ends_of(self.index), self._owner.frame
        turn: Ball | None = 2 * Ball.pi()
        if ends is None:
            return length_ball(self._owner.curve, (Ball(1), Ball(0)), 2 * Ball.pi())
        first, last = (cut.direction for cut in ends)
        if compare_points(first, last) != 0:
            turn = turn_ball(frame, first, last, bits)
        start = frame.orthonormal(*coordinates(first, bits))
        return None if turn is None else length_ball(self._owner.curve, start, turn)

    @property
    def length(self) -> sympy.Expr:
        """The exact length as a SymPy expression: radius times angle, the distance of the end
        points, or on an ellipse an elliptic integral.
        """
        import sympy

        ends, frame = self._owner.ends_of(self.index), self._owner.frame
        if self._owner.curve.centre is not None:
            return self._elliptic_length_sympy()
        radius = sympy.sqrt(sympy_rational(frame.radius_squared))
        if ends is None:
            return 2 * sympy.pi * radius if len(self._owner) == 1 else sympy.Integer(0)
        first, last = (cut.direction for cut in ends)
        if frame.is_straight:
            return radius * (exact_parameter(frame, last) - exact_parameter(frame, first))
        wraps = compare_points(last, first) <= 0
        return radius * (
            exact_angle(frame, last) - exact_angle(frame, first) + (2 * sympy.pi if wraps else 0)
        )

    def _elliptic_length_sympy(self) -> sympy.Expr:
        import sympy

        ends, frame = self._owner.ends_of(self.index), self._owner.frame
        if ends is None:
            return length_sympy(self._owner.curve, sympy.Integer(0), 2 * sympy.pi)
        first, last = (exact_angle(frame, cut.direction) for cut in ends)
        wraps = compare_points(ends[1].direction, ends[0].direction) <= 0
        return length_sympy(self._owner.curve, first, last + (2 * sympy.pi if wraps else 0))

    def symbolic_closure(self) -> SymbolicRegion:
        import sympy

        found, ends = self.symbolic(), self._owner.ends_of(self.index)
        if ends is None or not any(cut.undefined for cut in ends):
            return SymbolicRegion(tuple(map(closed, found.inequalities)), found.map)
        (variable,) = self._owner.chart.symbols()
        place = exact_parameter if self._owner.frame.is_straight else exact_angle
        holes = [
            sympy.Ne(variable, place(self._owner.frame, cut.direction))
            for cut in ends
            if cut.undefined
        ]
        return SymbolicRegion((*map(closed, found.inequalities), *holes), found.map)

    def _inequalities(self, names: Sequence[sympy.Symbol]) -> tuple[sympy.Basic, ...]:
        """Bounds on the position, theta or t."""
        import sympy

        (variable,) = names
        ends, frame = self._owner.ends_of(self.index), self._owner.frame
        if ends is None:
            return () if len(self._owner) == 1 else (sympy.Eq(variable, self.index * sympy.pi),)
        place = exact_parameter if frame.is_straight else exact_angle
        first, last = (place(frame, cut.direction) for cut in ends)
        if not frame.is_straight and compare_points(ends[1].direction, ends[0].direction) <= 0:
            return (sympy.Or(variable > first, variable < last),)
        return tuple(bound for bound in (variable > first, variable < last) if bound != sympy.true)

    def _symbolic_map(self, names: Sequence[sympy.Symbol]) -> sympy.Matrix:
        """In t on a line; on circles in the input x, behind a norm in y = (y1, y2, ...)."""
        import sympy

        owner, (t,) = self._owner, names
        if owner.network.has_norm or not owner.frame.is_straight:
            return self.affine.sympy()
        rows = rows_of(owner.map_columns(self.index))
        one = owner.curve.one
        along = owner.curve.along
        assert one is not None and along is not None
        alpha, beta = (
            ((_ONE, _ZERO), (_ZERO, _ONE)) if one[0] != 0 else ((_ZERO, -_ONE), (_ONE, _ZERO))
        )
        point = [sympy_rational(a) + sympy_rational(b) * t for a, b in (alpha, beta)]
        return sympy.Matrix(
            [sympy_rational(row[0]) * point[0] + sympy_rational(row[1]) * point[1] for row in rows]
        )


def _line_through(direction: CurvePoint, step: int) -> tuple[int, ...]:
    """The line of a rational direction as integers (alpha, beta, 0), positive inside; () when it is
    irrational.
    """
    if isinstance(direction, IsolatedDirection) or not (
        direction.alpha.is_rational and direction.beta.is_rational
    ):
        return ()
    a, b = direction.alpha.a, direction.beta.a
    return Halfspace.of([step * b, -step * a, _ZERO]).coefficients
