"""Partitions of 2-spheres into cells: discs, annuli, spheres with more holes, cut by small circles.

Bulk results are the arrays of a :class:`~exact.geometry.circles.complex.SphereComplex`; cells, arcs
and vertices are light views that make exact objects when asked. Points have the coordinates y of a
:class:`~exact.propagation.charts.SphereChart`, in which they are rational vectors (by their
direction) or quadratic surds (on the sphere itself).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from math import inf
from typing import Any

import networkx as nx
import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.enclosures.intervals import Interval
from exact.arithmetic.linear_algebra import Vector, apply, dot, matrix, rows_of, solve
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    RationalArray,
    ball_precision,
    nearest_floats,
    rationals,
)
from exact.arithmetic.surds import sign_of_surd
from exact.errors import InvalidInput, Undecided, certain, shown
from exact.geometry.circles.chords import Chord, near_middle
from exact.geometry.circles.code_tree import CodeTree, rows_by_label
from exact.geometry.circles.measures import RoundGeometry
from exact.geometry.combinatorics.codes import Hinge, SplineCode
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.domains.base import Domain
from exact.geometry.polyhedra.halfspace import Halfspace, homogeneous
from exact.geometry.polyhedra.minimum_norm import RoundBody
from exact.networks.network import Network
from exact.propagation.charts import carried
from exact.propagation.cursor import Cursor, advance, layer_halfspaces
from exact.regions.certificate import Json, round_domain
from exact.regions.partition import Partition
from exact.regions.spheres import certificate
from exact.regions.spheres.cells import SphereCells
from exact.regions.spheres.codes import bits_at
from exact.regions.spheres.records import sphere_cells, sphere_parts
from exact.regions.spheres.views import SphereArc, SphereCell, SphereVertex
from exact.regions.storage import Parts

_ZERO = Rational(0)
_ATTEMPTS = 64
_SMALL = 2.0**-36
_LEAST = 2.0**-900  # spheres of a smaller area have it computed cell by cell, in balls


class SpherePartition(Partition):
    """The cells of a 2-sphere in the engine's order: connected components, of which one code can
    own several.

    `chart`, `complex` and `geometry` hold coordinates, arrays and measures. Codes are kept as a
    tree over the arcs; `codes` writes them out (ceil(hinges / 8) bytes a cell), `code_of` makes
    one.

    >>> from exact import Sphere, partition
    >>> from exact.sources import tensors
    >>> axes = tensors.mlp([([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 0]), ([[1, 1, 1]], [0])])
    >>> octants = partition(axes, Sphere(radius_squared=1))
    >>> first = octants.regions[0]
    >>> len(octants), str(first.code), first.is_disc, float(first.area)
    (8, '110', True, 1.5707963267948966)
    """

    cells: SphereCells

    def __init__(self, network: Network, domain: Domain, engine: str, cells: SphereCells) -> None:
        super().__init__(network, domain, engine, None, cells)
        self.chart, self.complex = cells.chart, cells.complex
        self.tree, self.geometry = CodeTree(cells.complex, cells.root), RoundGeometry(cells.complex)

    def __len__(self) -> int:
        return self.complex.cell_count

    def parts(self, points: bool | None = None) -> Parts:
        return sphere_parts(self.cells)

    @classmethod
    def of_parts(
        cls,
        network: Network,
        domain: Domain,
        engine: str,
        values: Mapping[str, Any],
        arrays: Mapping[str, Any],
    ) -> SpherePartition:
        return cls(network, domain, engine, sphere_cells(network, domain, values, arrays))

    def records(self, maps: bool) -> Iterator[Json]:
        return certificate.records_of_cells(self.network, self.cells)

    def domain_record(self) -> Json:
        return round_domain(self.network, self.domain)

    def numbers_alike(self, other: Partition) -> bool:
        """Whether both number cells, arcs and vertices alike: engines have orders of their own."""
        if not (
            isinstance(other, SpherePartition)
            and self == other
            and self.complex.circles == other.complex.circles
        ):
            return False
        arrays = ("arc_circle", "arc_ends", "arc_sides", "following")
        same = all(
            np.array_equal(getattr(self.complex, name), getattr(other.complex, name))
            for name in arrays
        )
        return same and np.array_equal(self.tree.root, other.tree.root)

    # ---- codes

    @cached_property
    def codes(self) -> ByteArray:  # type: ignore[override]
        """The spline codes of all cells, bit-packed; made and kept when asked for."""
        return self.tree.packed()

    def code_of(self, index: int) -> SplineCode:
        return SplineCode.of(self.tree.bits(self._number(index)), self._layer_sizes)

    def hinges_between(self, a: int, b: int) -> tuple[Hinge, ...]:
        hinges = self.network.hinges
        return tuple(hinges[int(i)] for i in self.tree.differing(self._number(a), self._number(b)))

    @cached_property
    def code_count(self) -> int:
        """The number of different spline codes: hashes propose which are equal, the codes
        themselves decide.
        """
        return self.tree.count()

    @property
    def region_count(self) -> int:
        raise InvalidInput(
            "a code can own several cells here, so region_count has two meanings",
            value=self.domain,
            remedy="ask for code_count or cell_count",
        )

    # ---- cells, arcs, vertices

    @cached_property
    def regions(self) -> Sequence[SphereCell]:
        return OnDemand(partial(SphereCell, self), len(self))

    @cached_property
    def arcs(self) -> Sequence[SphereArc]:
        """The arcs that bound the cells, whole circles among them."""
        return OnDemand(partial(SphereArc, self), self.complex.arc_count)

    @cached_property
    def vertices(self) -> Sequence[SphereVertex]:
        """The points where circles meet."""
        return OnDemand(partial(SphereVertex, self), self.complex.vertex_count)

    def walks_of(self, index: int) -> tuple[tuple[int, ...], ...]:
        """The boundary of a cell: one tuple of half-edges per boundary component, the cell on their
        left.

        Half-edge h belongs to arc h // 2; odd ones run against it.
        """
        return tuple(
            tuple(self._walk(int(w))) for w in self.tree.walks_of_cell.row(self._number(index))
        )

    def _walk(self, walk: int) -> Iterator[int]:
        first = half = int(self.tree.first_half_edge[walk])
        while True:
            yield half
            half = int(self.complex.following[half])
            if half == first:
                return

    def side(self, half: int) -> int:
        """The cell on the left of a half-edge."""
        return int(self.complex.arc_sides[half >> 1, half & 1])

    def flipped(self, arc: int) -> tuple[Hinge, ...]:
        """The hinges that flip across an arc."""
        hinges = self.network.hinges
        return tuple(
            hinges[int(i)] for i in self.complex.flips.row(int(self.complex.arc_circle[arc]))
        )

    def neighbours(self) -> IndexArray:
        """The two cells of every arc (E x 2), one row per arc: two cells can share several."""
        return self.complex.pairs()

    def graph(self, *, witnesses: bool | None = None) -> nx.MultiGraph[int]:
        """Nodes are cells with `code` and `witness`; an edge is an arc, with its index `arc` and
        the `flipped` hinges.

        A multigraph, because two cells can share several arcs. Witnesses cost an exact point per
        cell: unless they are asked for, nodes have none beyond 10,000 cells.
        """
        graph: nx.MultiGraph[int] = nx.MultiGraph()
        self._add_nodes(graph, witnesses)
        for arc, (a, b) in enumerate(self.complex.arc_sides.tolist()):
            graph.add_edge(a, b, arc=arc, flipped=self.flipped(arc))
        return graph

    # ---- measures

    @property
    def area(self) -> Interval:
        """The area of the whole sphere."""
        with ball_precision(192):
            return Interval.of(4 * Ball.pi() * Ball(self.complex.radius_squared))

    def areas_float(self) -> FloatArray:
        """The areas of all cells in float64, to 2^-40 of the sphere, touching circles or not;
        `regions[i].area` is certain.

        Of the smallest cells, which that would leave without digits, they come from there. Cost: a
        few numpy operations per arc, an exact angle per pair of circles that nearly touch (about
        0.1 ms), and the certified small cells.
        """
        found, whole = self.geometry.areas_float(), float(self.area)
        for cell in np.flatnonzero(~(found >= _SMALL * whole) | ~(_LEAST < whole < inf)):
            found[cell] = self.regions[int(cell)].area_float
        return found

    def lengths_float(self) -> FloatArray:
        """The lengths of all arcs in float64, to 2^-40 of a great circle; `arcs[i].length` has them
        with certainty.
        """
        return self.geometry.lengths_float()

    @cached_property
    def frame_float(self) -> FloatArray:
        """The matrix T (3 x 3) with `T y` in orthonormal coordinates, for drawing: |T y|^2 = y'
        gram y.
        """
        gram = nearest_floats(self.chart.gram.entries()).reshape(3, 3)
        return np.asarray(np.linalg.cholesky(gram).T)

    # ---- points

    @cached_property
    def image(self) -> RationalArray:
        """The basis of the chart in the space of the sphere (n x 3): behind a norm, what its
        projection leaves of it.
        """
        return carried(self.network, matrix(list(zip(*self.chart.basis, strict=True)), 3))

    def coordinates_of(self, x: Sequence[object]) -> Vector:
        """The coordinates y of an input vector in the chart; InvalidInput when it has no direction
        on the sphere.
        """
        point = rationals(x, "x")
        if len(point) != len(self.chart.basis[0]):
            raise InvalidInput(
                "point does not fit the domain",
                value=f"{len(point)} coordinates",
                remedy=f"give {len(self.chart.basis[0])}",
            )
        column = carried(self.network, matrix([[v] for v in point], 1))
        found = solve(self.chart.gram, (self.image.transpose() * column).entries())
        found = certain(found, "the Gram matrix of a basis is regular")
        if apply(self.image, found) != list(column.entries()) or not any(v != 0 for v in found):
            raise InvalidInput(
                "the point has no direction on the sphere",
                value=shown(x),
                remedy="give a nonzero combination of the vectors that span it",
            )
        return found

    def locate(self, x: Sequence[object]) -> int:
        """The cell that the direction of x lies in; InvalidInput on an arc, or off the sphere's
        space.

        Along great circles from x to the first arc; Undecided where its cell has another code than
        x. Cost: an exact comparison per circle.
        """
        y = self.coordinates_of(x)
        if not len(self):
            raise InvalidInput(
                "there are no cells: the budget was used up",
                value=self.evidence,
                remedy="give a larger budget",
            )
        if not self.complex.arc_count:
            return 0
        if self._is_on_arc(y):
            raise InvalidInput(
                "the point lies on the boundary of cells",
                value=shown(x),
                remedy="move it off the arc",
            )
        bits = bits_at(
            self.chart, y
        )  # none where a plane touches the sphere, which decides no cell
        for target in self._targets():
            chord = Chord.through(self.geometry, y, target)
            passage = None if chord is None else chord.first(self._arcs_of_circle)
            cell = (
                None
                if passage is None
                else int(self.complex.arc_sides[passage.arc, 1 if passage.rises else 0])
            )
            if (
                cell is not None
                and bits is not None
                and not bool(np.array_equal(self.code_of(cell).bits, bits))
            ):
                raise Undecided(
                    "the first arc that was met bounds a cell with another code",
                    value=shown(x),
                    remedy="the point is too close to an arc: move it, or report the network",
                )
            if cell is not None:
                return cell
        raise Undecided(
            "no great circle through the point tells its cell",
            value=shown(x),
            remedy="the point is closer to an arc than 2,048 bits tell: move it",
        )

    @cached_property
    def _arcs_of_circle(self) -> Incidence:
        return rows_by_label(self.complex.arc_circle, len(self.complex.circles))

    def _targets(self) -> Iterator[Vector]:
        """Rational vectors near points of arcs spread over the complex."""
        count, step = self.complex.arc_count, 0x9E3779B1
        for k in range(_ATTEMPTS):
            yield self.near_middle(k * step % count, 53)

    def _is_on_arc(self, y: Vector) -> bool:
        length = self.complex.radius_squared * dot(y, apply(self.chart.gram, y))
        for carrier, plane in enumerate(self.complex.circles):
            slope = sum((c * v for c, v in zip(plane.normal, y, strict=True)), _ZERO)
            if (
                sign_of_surd(slope * self.complex.radius_squared, Rational(plane.offset), length)
                == 0
            ):
                chord = Chord.through(self.geometry, y, self._direction_across(carrier, y))
                chord = certain(
                    chord, "the pole of a circle is not on it, but for a point that is no circle"
                )
                if chord.starts_on(carrier, self._arcs_of_circle.row(carrier).tolist()):
                    return True
        return False

    def _direction_across(self, carrier: int, y: Vector) -> Vector:
        """A vector that is not parallel to y: that along the circle."""
        return (
            self.geometry.circle(carrier).along
            if self.complex.circles[carrier].offset
            else self.pole(carrier)
        )

    def pole(self, carrier: int) -> Vector:
        """A vector towards the pole of a carrier on its positive side."""
        return (
            solve(self.chart.gram, [Rational(x) for x in self.complex.circles[carrier].normal])
            or []
        )

    def near_middle(self, arc: int, bits: int) -> Vector:
        """Integers of about `bits` bits, a vector in nearly the direction of a point well inside an
        arc.
        """
        return near_middle(self.geometry, arc, bits)

    # ---- maps

    def map_columns(self, index: int) -> RationalArray:
        """The network's output on a cell over (y_1, y_2, y_3, 1), y on the sphere."""
        return self._body.propagate_code(self._state, self.code_of(index))

    @cached_property
    def _body(self) -> Network:
        """The network as a function on the sphere: behind its norm, gain and bias folded in."""
        return self.network.folded() if self.network.has_norm else self.network

    @cached_property
    def _state(self) -> RationalArray:
        return matrix([[*row, _ZERO] for row in rows_of(self.image)], 4)

    def _map_key(self, index: int) -> Hashable:
        return tuple(self.map_columns(index).entries())

    def halfspaces_of(self, index: int) -> tuple[Halfspace, ...]:
        """The code of a cell as open halfspaces over y, each once, without those that are
        constant.
        """
        bits, found, cursor = (
            iter(self.tree.bits(self._number(index))),
            dict[Halfspace, None](),
            self.chart.cursor,
        )
        while cursor is not None:
            cursor = self._pass_layer(cursor, bits, found)
        return tuple(found)

    def touches(self, index: int, y: Vector) -> bool:
        """Whether a hinge of a cell is zero in the direction y inside it: only where its plane
        touches the sphere there.

        Cost: the halfspaces of the cell behind several hidden layers; else a comparison per plane
        that touches the sphere.
        """
        sides = (
            self._touching if len(self.network.hidden_layers) == 1 else self.halfspaces_of(index)
        )
        if not sides:
            return False
        point = homogeneous(y)[:-1]
        vector = [Rational(x) for x in point]
        ratio = dot(vector, apply(self.chart.gram, vector)) / self.chart.radius_squared
        return any(_is_zero_at(side, point, ratio) for side in sides)

    @cached_property
    def _touching(self) -> tuple[Halfspace, ...]:
        """The hinges of the first layer whose planes touch the sphere."""
        body = RoundBody(self.chart.gram, self.chart.radius_squared)
        return tuple(
            side for side in self._first_layer[1] if not side.is_constant and body.touches(side)
        )

    def _pass_layer(
        self, cursor: Cursor, bits: Iterator[np.bool_], found: dict[Halfspace, None]
    ) -> Cursor | None:
        z, sides = self._first_layer if cursor is self.chart.cursor else _layer(cursor)
        own = [bool(next(bits)) for _ in sides]
        found.update(
            {
                side if on else side.opposite: None
                for side, on in zip(sides, own, strict=True)
                if not side.is_constant
            }
        )
        return advance(cursor, z, own)

    @cached_property
    def _first_layer(self) -> tuple[RationalArray, tuple[Halfspace, ...]]:
        assert self.chart.cursor is not None, "asked for layers that are there"
        return _layer(self.chart.cursor)


def _layer(cursor: Cursor) -> tuple[RationalArray, tuple[Halfspace, ...]]:
    """The pre-activations of the layer in front of a cursor, and its halfspaces."""
    z = cursor.current.pre_activations(cursor.inner, cursor.one)
    return z, layer_halfspaces(cursor, z)


def _is_zero_at(side: Halfspace, point: Sequence[int], ratio: Rational) -> bool:
    """Whether a plane holds the direction of a point whose squared length is `ratio` times that of
    the sphere's points.
    """
    slope, offset = side.slope(point), side.offset
    if slope * offset >= 0:
        return slope == offset == 0
    return bool(slope**2 * ratio.q == offset**2 * ratio.p)
