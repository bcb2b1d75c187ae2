"""What is kept of a skeleton when its vertices are gone: codes, which cells share a facet, and
which walls of the domain hold one. All else that is asked of a region is made from these.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.errors import EngineDefect
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.geometry.polyhedra.programmes.lp import Interior, strict_feasibility
from exact.geometry.workers import Workers
from exact.networks.network import Network
from exact.regions.polytopes.engines.exact_vertices import ExactVertices, Form
from exact.regions.polytopes.walls.facets import facet_proofs


class KeptFacets:
    """Regions in canonical order by their facets: 8 bytes for one that two regions share, 20 when
    the graph is made, which takes their place; 8 for one on the edge of the domain.

    `pairs` (E x 2) are regions that share a facet, once each, and `edges` a region and a wall that
    holds a facet of it, by number among the forms `walls`, those at infinity too; None where that
    is to be found by LPs. The hyperplane of a facet between two regions is that of the first hinge
    in which their codes differ, on either of them. Cost of a region: the exact forms of its facets'
    hinges, and an LP over these for a point inside; the graph is made for the first one.
    """

    def __init__(
        self,
        network: Network,
        flat: Flat,
        codes: ByteArray,
        pairs: IndexArray,
        edges: IndexArray | None,
        walls: Sequence[Form],
        threads: int,
    ) -> None:
        self._flat, self._codes, self._threads = flat, codes, threads
        self._ends = np.cumsum(network.bits_per_layer)
        self._exact, self._lock = ExactVertices(network, flat), Lock()
        self._walls = [None if k else Halfspace(form) for form, k in walls]
        self._pairs: IndexArray | None = pairs
        self._graph: Adjacency | None = None
        self._edges = None
        if edges is not None:
            finite = np.array([wall is not None for wall in self._walls])
            edges = edges[finite[edges[:, 1]]]
            self._edges = edges[np.argsort(edges[:, 0], kind="stable")]

    def adjacency(self) -> Adjacency:
        """Which regions share a facet, and which hinges flip there; made once."""
        with self._lock:
            if self._graph is None:
                assert self._pairs is not None, "the graph takes the place of the pairs"
                with Workers(self._threads) as workers:
                    self._graph = Adjacency.of_pairs(self._pairs, self._codes, workers)
                self._pairs = None
            return self._graph

    def pairs(self) -> IndexArray:
        """Every two regions that share a facet."""
        return self.adjacency().pairs()

    def _between(self, region: int) -> list[Halfspace]:
        """The halfspaces of the facets that other regions share."""
        code, found = self._codes[region], list[Halfspace]()
        bits = np.unpackbits(code)
        for _, flipped in self.adjacency().row(region):
            hinge = int(flipped[0])
            layer = int(np.searchsorted(self._ends, hinge, side="right"))
            bit0 = int(self._ends[layer - 1]) if layer else 0
            wall = Halfspace(self._exact.hinge_form(layer, code, bit0, hinge - bit0)[0])
            found.append(wall if bits[hinge] else wall.opposite)
        return found

    def walls(self, region: int) -> tuple[Halfspace, ...]:
        """The halfspaces of the facets."""
        inner = self._between(region)
        if self._edges is None:
            every = [*dict.fromkeys(self._flat.walls), *inner]
            inside = _inside(every, self._flat.dim, region)
            points = facet_proofs(every, inside, self._flat.dim).points
            return tuple(wall for i, wall in enumerate(every) if i in points)
        low, high = np.searchsorted(self._edges[:, 0], [region, region + 1])
        own = (self._walls[int(wall)] for wall in self._edges[low:high, 1])
        return (*inner, *(wall for wall in own if wall is not None))

    def witness(self, region: int) -> Point:
        """A point strictly inside, proposed by an LP over the facets and tested exactly."""
        walls = [*dict.fromkeys(self._flat.walls), *self._between(region)]
        return _inside(walls, self._flat.dim, region)


def _inside(walls: list[Halfspace], dim: int, region: int) -> Point:
    found = strict_feasibility(walls, dim)
    if not isinstance(found, Interior):
        raise EngineDefect("the facets of a region leave no point inside", value=region)
    return found.point
