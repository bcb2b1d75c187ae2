"""Partitions of 2-spheres into cells: discs, annuli, spheres with more holes, cut by small circles.

Bulk results are the arrays of a :class:`~exact.geometry.circles.complex.SphereComplex`; cells, arcs
and vertices are light views that make exact objects when asked. Points have the coordinates y of a
:class:`~exact.propagation.charts.SphereChart`, in which they are rational vectors (by their
direction) or quadratic surds (on the sphere itself).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from math import inf

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.enclosures.intervals import Interval
from exact.arithmetic.enclosures.late import networkx as nx
from exact.arithmetic.linear_algebra import Vector
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    RationalArray,
    ball_precision,
    nearest_floats,
)
from exact.errors import InvalidInput, Undecided, shown
from exact.geometry.circles.chords import Chord
from exact.geometry.combinatorics.codes import Hinge, SplineCode
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.domains.round import GreatSphere, Sphere
from exact.propagation.charts import SphereChart
from exact.regions.certificate import Json, round_domain
from exact.regions.engine import Problem
from exact.regions.partition import Partition
from exact.regions.spheres import certificate
from exact.regions.spheres.cells import SphereCells
from exact.regions.spheres.cut_sphere import CutSphere
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
    chart: SphereChart
    domains = (Sphere, GreatSphere)
    read_cells = staticmethod(sphere_cells)
    codes_repeat = True

    def __init__(self, problem: Problem, engine: str, cells: SphereCells) -> None:
        super().__init__(problem, engine, None, cells)
        self.cut = CutSphere(self.network, cells.chart, cells.complex, cells.root)
        self.chart, self.complex = cells.chart, cells.complex
        self.tree, self.geometry = self.cut.tree, self.cut.geometry

    def __len__(self) -> int:
        return self.complex.cell_count

    def parts(self, points: bool | None = None) -> Parts:
        return sphere_parts(self.cells)

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
        return SplineCode.of(self.tree.bits(self._number(index)), *self._layout)

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
    def is_convex(self) -> bool:
        return False

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
        return self.cut.walks_of(self._number(index))

    def side(self, half: int) -> int:
        """The cell on the left of a half-edge."""
        return self.cut.side(half)

    def flipped(self, arc: int) -> tuple[Hinge, ...]:
        """The hinges that flip across an arc."""
        return self.cut.flipped(arc)

    def neighbours(self) -> IndexArray:
        """The two cells of every arc (E x 2), one row per arc: two cells can share several."""
        return self.complex.pairs()

    def graph(
        self, *, witnesses: bool | None = None, attributes: Sequence[str] = (), labels: bool = True
    ) -> nx.MultiGraph[int]:
        """Nodes are cells with `code` and `witness`; an edge is an arc, with its index `arc` and
        the `flipped` hinges.

        A multigraph, because two cells can share several arcs. Witnesses cost an exact point per
        cell: unless they are asked for, nodes have none beyond 10,000 cells.
        """
        graph: nx.MultiGraph[int] = nx.MultiGraph()
        self._add_nodes(graph, witnesses, attributes, labels)
        for arc, (a, b) in enumerate(self.complex.arc_sides.tolist()):
            graph.add_edge(a, b, arc=arc, **({"flipped": self.flipped(arc)} if labels else {}))
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

    @property
    def quantities(self) -> tuple[str, ...]:
        return (*super().quantities, "areas_float")

    @cached_property
    def frame_float(self) -> FloatArray:
        """The matrix T (3 x 3) with `T y` in orthonormal coordinates, for drawing: |T y|^2 = y'
        gram y.
        """
        gram = nearest_floats(self.chart.gram.entries()).reshape(3, 3)
        return np.asarray(np.linalg.cholesky(gram).T)

    # ---- points

    @property
    def image(self) -> RationalArray:
        """The basis of the chart in the space of the sphere (n x 3): behind a norm, what its
        projection leaves of it.
        """
        return self.chart.image

    def coordinates_of(self, x: Sequence[object]) -> Vector:
        """The coordinates y of an input vector in the chart; InvalidInput when it has no direction
        on the sphere.
        """
        return list(self.chart.coordinates(x))

    def locate(self, x: Sequence[object]) -> int:
        """The cell that the direction of x lies in, whatever the length of x; InvalidInput on an
        arc, or off the sphere's space. :meth:`code` reads x itself (see `Partition.locate`).

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
        if self.cut.is_on_arc(y):
            raise InvalidInput(
                "the point lies on the boundary of cells",
                value=shown(x),
                remedy="move it off the arc",
            )
        # none where a plane touches the sphere, which decides no cell
        bits = self.chart.bits_at(y)
        for target in self.cut.targets():
            chord = Chord.through(self.geometry, y, target)
            passage = None if chord is None else chord.first(self.cut.arcs_of_circle)
            if passage is None:
                cell = None
            else:
                cell = int(self.complex.arc_sides[passage.arc, 1 if passage.rises else 0])
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
