"""Partitions of flat domains into convex polytopes: facets, adjacency, vertices, polygons."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from math import atan2, comb
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from exact.adjacency import Wall, facets, region_walls
from exact.affine_map import AffineMap
from exact.constructions import centroid, meet
from exact.domains import Box, Flat, FlatDomain
from exact.engines.base import FlatCells, Outcome
from exact.errors import InvalidInput, Undecided
from exact.halfspace import Halfspace, Point, affine, homogeneous
from exact.linear_algebra import apply, matrix, rank
from exact.network import Network
from exact.numbers import Rational, fractions, nearest_float, rationals
from exact.region import Facet, Region, SymbolicRegion
from exact.results import Partition, RegionSequence
from exact.spline_code import SplineCode

if TYPE_CHECKING:
    from shapely import Polygon

_MAX_VERTEX_SUBSETS = 200_000


class FlatPartition(Partition):
    """The open activation regions of a network without norm in a flat domain: convex polytopes, one per code."""

    def __init__(self, network: Network, domain: FlatDomain, engine: str, cells: FlatCells) -> None:
        order = sorted(range(len(cells.codes)), key=lambda i: cells.codes[i].tobytes())
        super().__init__(network, domain, engine, cells.bits[order], cells)
        self.flat: Flat = domain.flat()
        self._cells, self._order = cells, order
        self._facets: dict[int, tuple[Wall, ...]] = {}
        self._index = {row.tobytes(): i for i, row in enumerate(self.codes)}

    @cached_property
    def regions(self) -> Sequence[Polytope]:
        return RegionSequence(lambda i: Polytope(self, i), len(self))  # type: ignore[return-value]

    def walls_of(self, index: int) -> tuple[Wall, ...]:
        """The facets of a region with exact points inside them; found once, and shared with the neighbours."""
        if index not in self._facets:
            found = tuple(facets(self.network, self.flat, self._candidates(index), self._witness(index), self._seen(index)))
            self._facets[index] = found
        return self._facets[index]

    def _witness(self, index: int) -> Point:
        return self._cells.witness(int(self._order[index]))

    def _candidates(self, index: int) -> tuple[Halfspace, ...]:
        """Halfspaces among which the facets of a region are."""
        if self._cells.walls is not None:
            return self._cells.walls(int(self._order[index]))
        return region_walls(self.network, self.flat, [bool(bit) for bit in self.bits[index]])

    def _seen(self, index: int) -> dict[Halfspace, Point]:
        return self._shared.get(index, {})

    @cached_property
    def _shared(self) -> dict[int, dict[Halfspace, Point]]:
        """Facet points found from the other side, while the graph is built."""
        return {}

    def index_behind(self, wall: Wall) -> int | None:
        """The region behind a facet; None on the edge of the domain or beyond an exhausted budget."""
        if wall.behind is None:
            return None
        found = self._index.get(np.packbits(np.array(wall.behind, dtype=bool)).tobytes())
        if found is None and self.outcome is Outcome.COMPLETE:
            raise Undecided("a facet leads to a region that the enumeration does not have", value=wall.halfspace,
                            remedy="this is a defect of the engine: please report the network")  # fmt: skip
        return found

    def graph(self) -> nx.Graph[int]:
        """Nodes are region indices with `code` and `witness`; an edge is a shared facet with `flipped` hinges.

        Built from true facets, so regions that touch in less are not joined. Every facet is seen to lead to a region of
        the partition, which closes a complete enumeration a second time.
        """
        graph: nx.Graph[int] = nx.Graph()
        for region in self.regions:
            graph.add_node(region.index, code=region.code, witness=region.witness)
        for index in range(len(self)):
            for wall in self.walls_of(index):
                neighbour = self.index_behind(wall)
                if neighbour is not None and neighbour > index:
                    self._shared.setdefault(neighbour, {})[wall.halfspace.opposite] = wall.point
                    graph.add_edge(index, neighbour, flipped=self.hinges_between(index, neighbour))
        return graph

    def locate(self, x: Sequence[object]) -> int:
        point = self._parameters(rationals(x, "x"))
        outside = any(wall.value(point) < 0 for wall in self.flat.walls)
        found = None if outside else self._index.get(np.packbits(self.network.code(x).bits).tobytes())
        if found is None:
            raise InvalidInput("the point lies in no region found", value=tuple(map(str, x)),
                               remedy="give a point of the domain off the region boundaries")  # fmt: skip
        return found

    def _parameters(self, x: list[Rational]) -> Point:
        """The parameters of a point of the domain's affine span."""
        if len(x) != len(self.flat.origin):
            raise InvalidInput("point does not fit the domain", value=f"{len(x)} coordinates",
                               remedy=f"give {len(self.flat.origin)}")  # fmt: skip
        shifted = [a - b for a, b in zip(x, self.flat.origin, strict=True)]
        basis = matrix(self.flat.directions, len(x))
        coordinates = apply((basis * basis.transpose()).inv(), apply(basis, shifted))
        if apply(basis.transpose(), coordinates) != shifted:
            raise InvalidInput("the point does not lie in the domain's span", value=tuple(map(str, x)),
                               remedy="give a point of the slice")  # fmt: skip
        return homogeneous(coordinates)

    def _map_key(self, index: int) -> Hashable:
        """The map over the parameters of the domain: maps that agree on a slice are equal there."""
        return tuple(self.network.propagate_code(self.flat.state(), self.code_of(index)).entries())

    def polygons(self, clip: Box | None = None) -> list[Polygon]:
        """The regions of a two-dimensional domain as shapely polygons (floats, for drawing), in region order.

        Coordinates are the domain's parameters: x1, x2 for Box and RealSpace, (s, t) for Plane. An unbounded domain needs
        `clip`, a Box in these parameters; a region outside it gives an empty polygon.
        """
        from shapely import Polygon

        if self.flat.dim != 2:
            raise InvalidInput("polygons need a two-dimensional domain", value=f"dimension {self.flat.dim}",
                               remedy="partition a Plane through three points")  # fmt: skip
        edge = () if clip is None else clip.flat().walls
        if clip is None and not self.flat.walls:
            raise InvalidInput("the domain is unbounded, so its polygons may be", value=self.domain,
                               remedy="give clip=Box(lo, hi, dim=2)")  # fmt: skip
        corners = [_sorted_corners(_vertices((*self._candidates(i), *edge), 2)) for i in range(len(self))]
        return [Polygon(points) if len(points) >= 3 else Polygon() for points in corners]


class Polytope(Region):
    """A convex region of a flat domain."""

    def __init__(self, owner: FlatPartition, index: int) -> None:
        self._owner, self.index = owner, index

    @property
    def code(self) -> SplineCode:
        return self._owner.code_of(self.index)

    @property
    def witness(self) -> tuple[Fraction, ...]:
        return self._owner.flat.ambient(self._owner._witness(self.index))

    @property
    def affine(self) -> AffineMap:
        return self._owner.network.affine_map(self.code)

    @property
    def facets(self) -> tuple[Facet, ...]:
        return tuple(self._facet(wall) for wall in self._owner.walls_of(self.index))

    def _facet(self, wall: Wall) -> Facet:
        neighbour = self._owner.index_behind(wall)
        behind = self._owner.bits[self.index] if wall.behind is None else np.array(wall.behind, dtype=bool)
        hinges = self._owner.network.hinges
        flipped = tuple(hinges[int(i)] for i in np.flatnonzero(self._owner.bits[self.index] != behind))
        return Facet(flipped, neighbour, wall.halfspace.coefficients)

    @property
    def halfspaces(self) -> tuple[tuple[int, ...], ...]:
        """An H-representation in the parameters of the domain: coprime integers (normal, offset), positive inside.

        Every distinct halfspace of the domain or of a hinge that contains the region, redundant ones too; the
        hyperplanes of `facets` are those that are not.
        """
        owner = self._owner
        walls = region_walls(owner.network, owner.flat, [bool(bit) for bit in owner.bits[self.index]])
        return tuple(wall.coefficients for wall in walls)

    @property
    def vertices(self) -> tuple[tuple[Fraction, ...], ...]:
        """The vertices in the parameters of the domain, exactly; of an unbounded region those that there are.

        Cost: one exact solve per d-subset of the facets; refused beyond 200,000 subsets.
        """
        walls = [wall.halfspace for wall in self._owner.walls_of(self.index)]
        return tuple(fractions(affine(point)) for point in _vertices(walls, self._owner.flat.dim))

    def symbolic(self) -> SymbolicRegion:
        """Inequalities of the facets in the domain's parameters, and the map in the same symbols.

        The symbols are x1, x2, ... for Box and RealSpace, s1, s2, ... for slices and lines.
        """
        import sympy

        flat, network = self._owner.flat, self._owner.network
        names = sympy.symbols(f"{_letter(flat)}1:{flat.dim + 1}", real=True)
        rows = [wall.halfspace.coefficients for wall in self._owner.walls_of(self.index)]
        left = [sum((c * x for c, x in zip(row, names, strict=False)), sympy.Integer(row[-1])) for row in rows]
        columns = network.propagate_code(flat.state(), self.code)
        return SymbolicRegion(tuple(x > 0 for x in left), AffineMap.of_columns(columns).sympy(names))


def _letter(flat: Flat) -> str:
    unit = all(v[i] == 1 and sum(x != 0 for x in v) == 1 for i, v in enumerate(flat.directions) if i < len(v))
    return "x" if unit and flat.dim == len(flat.origin) and not any(flat.origin) else "s"


def _vertices(walls: Sequence[Halfspace], dim: int) -> list[Point]:
    """The points where d independent walls meet and all others hold weakly, without repetition."""
    distinct = list(dict.fromkeys(walls))
    if comb(len(distinct), dim) > _MAX_VERTEX_SUBSETS:
        raise InvalidInput("too many facets to meet them d at a time", value=f"{len(distinct)} facets in R^{dim}",
                           remedy="use facets and witness instead of vertices")  # fmt: skip
    points = (meet(subset) for subset in combinations(distinct, dim))
    return list(dict.fromkeys(p for p in points if p is not None and all(w.value(p) >= 0 for w in distinct)))


def _sorted_corners(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Corners of a convex polygon counter-clockwise as floats; empty when they do not span a polygon."""
    if len(points) < 3 or rank([[*affine(p), Rational(1)] for p in points]) < 3:
        return []
    middle = affine(centroid(points))
    around = [(atan2(nearest_float(y - middle[1]), nearest_float(x - middle[0])), nearest_float(x), nearest_float(y))
              for x, y in map(affine, points)]  # fmt: skip
    return [(x, y) for _, x, y in sorted(around)]
