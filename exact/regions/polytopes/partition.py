"""Partitions of flat domains into convex polytopes: facets, adjacency, vertices, volumes, polygons.

Bulk results are arrays (packed codes, adjacency, faces); a region is a light view that makes exact
objects when asked. The partition and its regions stand in one file, longer than others, because
each region asks its partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from math import atan2
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.linear_algebra import matrix, rank
from exact.arithmetic.nearest import in_range
from exact.arithmetic.numbers import Rational, fraction, fractions, nearest_float, rational
from exact.arithmetic.surds import Surd
from exact.errors import EngineDefect, InvalidInput, Unsupported, certain, shown
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.domains.base import Domain, Flat, FlatDomain
from exact.geometry.domains.flat import Box
from exact.geometry.polyhedra.constructions import centroid
from exact.geometry.polyhedra.faces import (
    FaceComplex,
    SymbolicPoint,
    cells_of_facets,
    face_corners,
    with_regions_reordered,
)
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous, is_inside
from exact.geometry.polyhedra.volumes import BoundedPolytope, corners, is_bounded, root_multiple
from exact.propagation.charts import AffineChart
from exact.regions.cells import Outcome
from exact.regions.certificate import Json
from exact.regions.engine import Problem
from exact.regions.partition import CodedPartition
from exact.regions.polytopes import certificate
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.quantities.complexes import with_faces
from exact.regions.polytopes.quantities.graph_certificate import polygon_records
from exact.regions.polytopes.quantities.outputs import Classified, OutputRange
from exact.regions.polytopes.quantities.shapes import Shaped
from exact.regions.polytopes.records import flat_cells, flat_parts
from exact.regions.polytopes.walls.bounded_facets import bounds_of, edge_facets
from exact.regions.polytopes.walls.facets import (
    Wall,
    facet_proofs,
    facets,
    region_halfspaces,
    region_walls,
)
from exact.regions.region import Facet, Region
from exact.regions.storage import Parts, travels

if TYPE_CHECKING:
    import sympy
    from shapely import Polygon


_VERTICES_KEPT = 1 << 16


class FlatPartition(Classified, Shaped, CodedPartition):
    """The open activation regions of a network without norm in a flat domain: convex polytopes, one
    per code.

    Regions are in canonical order, that of their codes; region i is number `order[i]` of the
    engine. They are open relative to the affine hull of the domain, whose dimension is `flat.dim`;
    `evidence` says so where that is less than was given.
    """

    cells: FlatCells
    chart: AffineChart
    domains: ClassVar[tuple[type[Domain], ...]] = (FlatDomain,)
    read_cells = staticmethod(flat_cells)

    def __init__(self, problem: Problem, engine: str, cells: FlatCells) -> None:
        super().__init__(problem, engine, cells.codes, cells, cells.varying)
        domain, found = problem.domain, problem.chart
        assert isinstance(domain, FlatDomain), "engines for flat domains refuse others"
        assert isinstance(found, AffineChart), "flat domains have affine charts"
        self.chart = found
        self.flat: Flat = self.chart.flat
        if domain.empty is not None:
            cells = replace(cells, empty=domain.empty)
            self.evidence = (
                "the domain has no point at all, by a Farkas vector of its halfspaces "
                "with a negative sum"
            )
        elif domain.is_lower_dimensional:
            self.evidence = f"on its affine hull of dimension {self.flat.dim}: {self.evidence}"
        self._flat_domain, self.cells = domain, cells
        self._walls: dict[int, tuple[Wall, ...]] = {}
        self._shared: dict[
            int, dict[Halfspace, Point]
        ] = {}  # facet points found from the other side

    @cached_property
    def codes(self) -> ByteArray:  # type: ignore[override]
        """The packed codes, written out from the bits that vary."""
        return self._some_codes(slice(None))

    def parts(self, points: bool | None = None) -> Parts:
        return flat_parts(self.cells, self.domain, travels(len(self), points))

    def records(self, maps: bool) -> Iterator[Json]:
        if not self.network.is_chain:
            return polygon_records(
                self, self.network, self._flat_domain, self.domain_record(), maps
            )
        return certificate.records(self.network, self._flat_domain, self.cells, maps)

    def domain_record(self) -> Json:
        assert isinstance(self.domain, FlatDomain), "a NormBallPartition refuses"
        return certificate.domain_record(self.domain)

    facet_quantities = ("facet_measures_float", "facet_measures_bound")
    more_quantities = (
        *CodedPartition.more_quantities,
        *("margins_float", "margins_bound", "class_sets"),
    )

    @property
    def quantities(self) -> tuple[str, ...]:
        own = super().quantities
        if not self._flat_domain.is_polyhedral:
            return own
        measured = (
            *("is_bounded_region", "volumes_float", "volumes_bound"),
            *("perimeters_float", "perimeters_bound", "centroids_float", "centroids_bound"),
            *("bounding_boxes_float", "bounding_boxes_bound"),
        )
        classified = ("class_ids", "output_ranges_float", "output_ranges_bound")
        return (*own, *measured, *(classified if "map_ids" in own else ()))

    @cached_property
    def regions(self) -> Sequence[Polytope]:
        return OnDemand(partial(Polytope, self), len(self))

    def witness_of(self, index: int) -> Point:
        """A point strictly inside a region, in the parameters of the domain (homogeneous)."""
        return self.cells.witness(self.in_engine(index))

    # ---- facets

    @property
    def _knows_facets(self) -> bool:
        """Whether the engine lists every facet between regions (one that stopped early does not
        know what is behind).

        In a domain without walls around it, such as a ball, the engine must: facets of the
        polytopes may lie outside.
        """
        lists = self.cells.pairs is not None or self.cells.faces is not None
        return lists and (self.outcome is Outcome.COMPLETE or not self._flat_domain.is_polyhedral)

    def facets_of(self, index: int) -> tuple[Facet, ...]:
        """The facets of a region: those on the edge of the domain, then by the first hinge that
        flips.
        """
        index = self._number(index)
        if not self._knows_facets:
            return tuple(self._facet_of_wall(index, wall) for wall in self.walls_of(index))
        found = (
            self._facets_by_faces(index) if self.faces is not None else self._facets_by_pairs(index)
        )
        place = {wall.coefficients: i for i, wall in enumerate(self.flat.walls)}
        edge = sorted((f for f in found if f.neighbour is None), key=lambda f: place[f.hyperplane])
        return (
            *edge,
            *sorted((f for f in found if f.neighbour is not None), key=lambda f: f.flipped[0]),
        )

    def _facets_by_faces(self, index: int) -> list[Facet]:
        """Every wall that holds all vertices of a facet of the complex, with the cell on the other
        side of it.
        """
        assert self.faces is not None
        top, names = self.faces.dim, self.network.hinges
        places = {int(i): self._vertex(int(i)) for i in self.faces.corners.row(index)}
        facets = [
            (int(k), face_corners(self.faces, top - 1, int(k)))
            for k in self.faces.boundary[top].row(index)
        ]
        flips = {
            neighbour: tuple(names[int(i)] for i in flipped)
            for neighbour, flipped in self.adjacency.row(index)
        }
        found = []
        for wall in dict.fromkeys(self._walls_around(index)):
            on = {
                i
                for i, at in places.items()
                if wall.value(at.finite) == 0 == wall.slope(at.infinite)
            }
            for behind in (self._cells_of_facets[k] for k, ends in facets if ends <= on):
                neighbour = next((int(cell) for cell in behind if cell not in (index, -1)), None)
                found.append(
                    Facet(
                        () if neighbour is None else flips[neighbour], neighbour, wall.coefficients
                    )
                )
        if {facet.neighbour for facet in found} - {None} != flips.keys():
            raise EngineDefect(
                "a facet of the complex lies on no wall of its region", value=f"region {index}"
            )
        return found

    @cached_property
    def _cells_of_facets(self) -> IndexArray:
        assert self.faces is not None
        return cells_of_facets(self.faces)

    def _facets_by_pairs(self, index: int) -> list[Facet]:
        """A facet to every neighbour, and those on the edge of the domain by LPs over these walls
        and the domain's.
        """
        inner, edge = self.facets_between(index), list(dict.fromkeys(self.flat.walls))
        walls = [*edge, *(Halfspace(facet.hyperplane) for facet in inner)]
        if (box := bounds_of(edge, self.flat.dim)) is not None:
            own = edge_facets(box, edge, walls[len(edge) :], self.witness_of(index))
            return [*(Facet((), None, wall.coefficients) for wall in own), *inner]
        true = facet_proofs(walls, self.witness_of(index), self.flat.dim).points if edge else {}
        return [
            *(Facet((), None, wall.coefficients) for i, wall in enumerate(edge) if i in true),
            *inner,
        ]

    def facets_between(self, index: int) -> list[Facet]:
        """As of all regions with codes. Where a code has symbols, the line is that wall of the
        region whose other side is one of the neighbour: both lie in it, whatever else they share.
        """
        if not self.network.has_maxima:
            return super().facets_between(index)
        names, own, found = self.network.hinges, self._walls_around(index), list[Facet]()
        for neighbour, flipped in self.adjacency.row(index):
            others = {wall.opposite for wall in self._walls_around(neighbour)}
            wall = certain(next((x for x in own if x in others), None), "neighbours share a wall")
            flips = tuple(names[int(i)] for i in flipped)
            found.append(Facet(flips, neighbour, wall.coefficients))
        return sorted(found, key=lambda facet: facet.flipped[0])

    def halfspaces_of(self, index: int) -> list[Halfspace]:
        if self.network.has_maxima:  # a symbol is no side of one halfspace
            return list(self.walls_known(index))
        bits = [bool(bit) for bit in self.code_of(index).bits]
        return region_halfspaces(self.problem.network, self.flat, bits)

    def walls_of(self, index: int) -> tuple[Wall, ...]:
        """The facets of a region with exact points inside them, by rays and LPs; found once."""
        index = self._number(index)
        self._require_polytopes()
        if index not in self._walls:
            seen = self._shared.get(index, {})
            found = facets(
                self.problem.network,
                self.flat,
                self._walls_around(index),
                self.witness_of(index),
                seen,
            )
            self._walls[index] = tuple(found)
        return self._walls[index]

    @property
    def engine_faces(self) -> FaceComplex | None:
        """The complex as the engine made it: its cell order[i] is region i; None from engines
        without one.
        """
        return self.cells.faces

    def walls_known(self, index: int) -> tuple[Halfspace, ...]:
        """Halfspaces over the parameters that cut out a region; redundant ones only where the
        engine knows no better.
        """
        return self._walls_around(self._number(index))

    def _walls_around(self, index: int) -> tuple[Halfspace, ...]:
        """Halfspaces that cut out a region, among which its facets are."""
        if self.cells.walls is not None:
            return self.cells.walls(self.in_engine(index))
        return region_walls(
            self.problem.network, self.flat, [bool(bit) for bit in self.code_of(index).bits]
        )

    def _facet_of_wall(self, index: int, wall: Wall) -> Facet:
        if wall.behind is None:
            return Facet((), None, wall.halfspace.coefficients)
        behind = np.flatnonzero(self.code_of(index).bits != np.array(wall.behind, dtype=bool))
        flipped = tuple(self.network.hinges[int(i)] for i in behind)
        return Facet(flipped, self.index_behind(wall), wall.halfspace.coefficients)

    def index_behind(self, wall: Wall) -> int | None:
        """The region behind a facet; None on the edge of the domain or beyond an exhausted
        budget.
        """
        if wall.behind is None:
            return None
        found = self._index_of(np.packbits(np.array(wall.behind, dtype=bool)).tobytes())
        if found is None and self.outcome is Outcome.COMPLETE:
            raise EngineDefect(
                "a facet leads to a region that the enumeration does not have", value=wall.halfspace
            )
        return found

    # ---- the graph

    @cached_property
    def adjacency(self) -> Adjacency:
        """Which regions share a facet, and which hinges flip there, as arrays (CSR), built once.

        From the engine's pairs or faces where it lists them. Otherwise from true facets, found by
        rays and LPs, so that regions that touch in less are not joined; every facet is then seen to
        lead to a region of the partition, which closes a complete enumeration a second time.
        """
        if self.cells.adjacency is not None:
            return self.cells.adjacency()
        if self.cells.pairs is not None:
            return self._reordered(self.cells.pairs())
        if self.faces is not None:
            return Adjacency.of_pairs(
                self._cells_of_facets[self._cells_of_facets[:, 1] >= 0], self.codes
            )
        return Adjacency.of_pairs(
            np.array(list(self._pairs_by_facets()), dtype=np.int64).reshape(-1, 2), self.codes
        )

    def _pairs_by_facets(self) -> Iterator[tuple[int, int]]:
        for index in range(len(self)):
            for wall in self.walls_of(index):
                neighbour = self.index_behind(wall)
                if neighbour is not None and neighbour > index:
                    self._shared.setdefault(neighbour, {})[wall.halfspace.opposite] = wall.point
                    yield index, neighbour

    def pairs_flipping(self, layer: int) -> IndexArray:
        """The pairs of regions (E x 2) that share a facet across which some hinge of hidden layer
        `layer` (1-based) flips.
        """
        self.network.layer_range((layer, layer))
        ends = np.cumsum([0, *self.network.bits_per_layer])
        return self.adjacency.pairs_flipping(int(ends[layer - 1]), int(ends[layer]))

    # ---- faces and volumes

    @cached_property
    def faces(self) -> FaceComplex | None:
        """The polyhedral complex of vertices, edges, ..., regions, cell i being region i; None from
        engines without one.
        """
        found = self.cells.faces
        if found is None or self._order is None:
            return found
        return with_regions_reordered(found, self._order)

    @cached_property
    def _vertex(self) -> Callable[[int], SymbolicPoint]:
        """A vertex of the complex; neighbouring regions ask for the same ones."""
        assert self.faces is not None
        return lru_cache(_VERTICES_KEPT)(self.faces.vertex)

    def corners_of(self, index: int) -> tuple[list[Point], bool]:
        """The finite vertices of a region in the parameters of the domain, and whether the region
        is bounded.
        """
        index = self._number(index)
        self._require_polytopes()
        if self.faces is not None:
            places = [self._vertex(int(i)) for i in self.faces.corners.row(index)]
            return [at.finite for at in places if at.is_finite], all(at.is_finite for at in places)
        if self.network.has_maxima and self.is_bounded:
            return corners(self._walls_around(index), self.flat.dim), True
        walls, dim = [Halfspace(facet.hyperplane) for facet in self.facets_of(index)], self.flat.dim
        return corners(walls, dim), self.is_bounded or is_bounded(walls, dim)

    def _with_faces(self) -> Iterator[FlatCells]:
        return with_faces(self.problem)

    def _require_polytopes(self) -> None:
        if not self._flat_domain.is_polyhedral:
            raise Unsupported(
                "the regions at the edge of this domain are no polytopes",
                value=self.domain,
                remedy="use codes, witnesses, graph() and facets, or partition a Box",
            )

    @property
    def is_polyhedral(self) -> bool:
        """Whether regions are polytopes, those at the edge of the domain too."""
        return self._flat_domain.is_polyhedral

    @cached_property
    def is_bounded(self) -> bool:
        """Whether the domain is bounded."""
        return not self._flat_domain.is_polyhedral or is_bounded(self.flat.walls, self.flat.dim)

    def solid(self, index: int) -> BoundedPolytope:
        """A region as vertices, facets (in the order of `facets_of`) and their incidence;
        InvalidInput when unbounded.
        """
        points, bounded = self.corners_of(index)
        if not bounded:
            raise InvalidInput(
                "the region is unbounded, so it has no volume",
                value=f"region {index} of {self.domain!r}",
                remedy="partition a Box, or look at the regions with is_bounded only",
            )
        return BoundedPolytope.of(
            points, [Halfspace(facet.hyperplane) for facet in self.facets_of(index)]
        )

    @cached_property
    def volume(self) -> Fraction:
        """The volume of all regions together, in the parameters of the domain: of a complete
        partition, the domain's.

        `measure` is that in input space. Raises InvalidInput when a region is unbounded.
        """
        return fraction(sum((self.volume_of(i) for i in range(len(self))), Rational(0)))

    @property
    def measure(self) -> Surd:
        """The d-dimensional measure of all regions together in input space, exactly; d is the
        dimension of the affine hull.

        In a Box and in R^n it is the volume; in a slice, or on the affine hull of a flat
        polyhedron, a rational times a square root. Raises InvalidInput when a region is unbounded.
        """
        return self.measured(rational(self.volume))

    def measured(self, volume: Rational) -> Surd:
        """The measure in input space of what has this volume in the parameters: times the root of
        their Gram determinant.
        """
        basis = matrix(self.flat.directions, len(self.flat.origin))
        square = (basis * basis.transpose()).det()
        return root_multiple(volume / square.q, int(square.p * square.q))

    # ---- points and pictures

    def locate(self, x: Sequence[object]) -> int:
        point = homogeneous(self.chart.coordinates(x))
        found = self.index_of(self.network.code(x)) if self._flat_domain.contains(point) else None
        if found is None:
            raise self._not_located(x)
        bits = self.code_of(found).bits.tolist()
        if not is_inside(region_walls(self.problem.network, self.flat, bits), point):
            raise InvalidInput(
                "the point lies on a boundary", value=shown(x), remedy="move it off the boundary"
            )
        return found

    def polygons(self, clip: Box | None = None) -> list[Polygon]:
        """The regions of a two-dimensional domain as shapely polygons (for drawing), in region
        order.

        Coordinates are the domain's parameters, each the nearest float64: x1, x2 for Box and
        RealSpace, (s, t) for Plane. An unbounded domain needs `clip`, a Box in these parameters; a
        region outside it gives an empty polygon.
        """
        from shapely import Polygon

        if self.flat.dim != 2:
            raise InvalidInput(
                "polygons need a two-dimensional domain",
                value=f"dimension {self.flat.dim}",
                remedy="partition a Plane through three points",
            )
        if clip is None and not self.is_bounded:
            raise InvalidInput(
                "the domain is unbounded, so its polygons may be",
                value=self.domain,
                remedy="give clip=Box(lo, hi, dim=2)",
            )
        if clip is not None and (clip.is_lower_dimensional or len(clip.lo) != 2):
            raise InvalidInput(
                "the clip is no rectangle",
                value=clip,
                remedy="give clip=Box(lo, hi, dim=2) with lo < hi",
            )
        self._require_polytopes()
        edge = () if clip is None else clip.flat().walls
        outlines = (
            _sorted_corners(self._clipped_corners(index, edge)) for index in range(len(self))
        )
        return [Polygon(points) if len(points) >= 3 else Polygon() for points in outlines]

    def _clipped_corners(self, index: int, edge: tuple[Halfspace, ...]) -> list[Point]:
        if self._knows_facets and not edge:
            return self.corners_of(index)[0]
        walls = (
            [Halfspace(f.hyperplane) for f in self.facets_of(index)]
            if self._knows_facets
            else self._walls_around(index)
        )
        return corners((*walls, *edge), 2)


class Polytope(Region):
    """A convex region of a flat domain."""

    _owner: FlatPartition

    @property
    def coordinates(self) -> list[Rational]:
        """The parameters of the witness."""
        return affine(self._owner.witness_of(self.index))

    @property
    def facets(self) -> tuple[Facet, ...]:
        return self._owner.facets_of(self.index)

    @property
    def halfspaces(self) -> tuple[tuple[int, ...], ...]:
        """An H-representation in the parameters of the domain: coprime integers (normal, offset),
        positive inside.

        Every distinct halfspace of the domain or of a hinge that contains the region, redundant
        ones too; the hyperplanes of `facets` are those that are not.
        """
        owner = self._owner
        walls = region_walls(
            owner.problem.network, owner.flat, [bool(bit) for bit in self.code.bits]
        )
        return tuple(wall.coefficients for wall in walls)

    @property
    def vertices(self) -> tuple[tuple[Fraction, ...], ...]:
        """The vertices in the parameters of the domain, exactly and sorted; of an unbounded region
        those that there are.

        From engines without faces: one exact solve per d-subset of the facets, refused beyond
        200,000 subsets.
        """
        return tuple(
            sorted(fractions(affine(point)) for point in self._owner.corners_of(self.index)[0])
        )

    @property
    def is_bounded(self) -> bool:
        """Whether the region is bounded."""
        return self._owner.corners_of(self.index)[1]

    @property
    def volume(self) -> Fraction:
        """The d-dimensional volume in the parameters of the domain, exactly; InvalidInput for an
        unbounded region.

        In a Box or RealSpace that is the volume in input space; in a Plane (s, t) = (1, 1) is one
        unit of area; on the affine hull of a flat HPolytope it is that of the shadow on the
        coordinates that are parameters. A point has 1. `measure` is always that in input space.
        """
        return fraction(self._owner.volume_of(self.index))

    @property
    def centroid(self) -> tuple[Fraction, ...]:
        """The centre of mass in the parameters of the domain, exactly; InvalidInput for an
        unbounded region.
        """
        return fractions(self._owner.solid(self.index).centroid)

    @property
    def bounding_box(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """The least and the greatest value of every parameter on the closure, exactly; InvalidInput
        for an unbounded region.
        """
        return tuple((fraction(a), fraction(b)) for a, b in self._owner.exact_box_of(self.index))

    @property
    def output_ranges(self) -> tuple[OutputRange, ...]:
        """The exact range of every output on the closure, with a vertex at each end."""
        return self._owner.output_ranges_of(self.index)

    @property
    def margin(self) -> Surd | None:
        """How far the witness is from the nearest hyperplane of the facets, exactly, in the metric
        of the parameters; None without facets.
        """
        return self._owner.margin_of(self.index)

    @property
    def measure(self) -> Surd:
        """The d-dimensional measure in input space, exactly: rational, or a rational times a square
        root.

        `float(measure)` and `measure.sympy()` convert it. Raises InvalidInput for an unbounded
        region.
        """
        return self._owner.measured(self._owner.volume_of(self.index))

    @property
    def facet_measures(self) -> tuple[Surd, ...]:
        """The (d-1)-dimensional measure of each of `facets`, exactly: rational, or a rational times
        a square root.

        In the parameters of the domain; a point has measure 1. `float(measure)` and
        `measure.sympy()` convert it. Raises InvalidInput for an unbounded region.
        """
        solid = self._owner.solid(self.index)
        return tuple(solid.facet_measure(k) for k in range(len(solid.walls)))

    @property
    def surface(self) -> sympy.Expr:
        """The measure of the region's boundary, the sum of `facet_measures`, as an exact SymPy
        expression.
        """
        import sympy

        return sympy.Add(*(measure.sympy() for measure in self.facet_measures))


def _sorted_corners(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Corners of a convex polygon counter-clockwise as floats; empty when they do not span a
    polygon.
    """
    if len(points) < 3 or rank([[*affine(p), Rational(1)] for p in points]) < 3:
        return []
    middle, places = affine(centroid(points)), [affine(point) for point in points]
    # stretched, the order around is the same
    gaps = (in_range([place[k] - middle[k] for place in places]) for k in range(2))
    turns = [atan2(nearest_float(y), nearest_float(x)) for x, y in zip(*gaps, strict=True)]
    around = sorted(zip(turns, (tuple(map(nearest_float, place)) for place in places), strict=True))
    return [(x, y) for _, (x, y) in around]
