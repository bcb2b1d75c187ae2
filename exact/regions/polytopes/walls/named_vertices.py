"""The cells of a complex in the order of a tree, with vertices named by the constraints that meet
there: what kind `complex` of certificates holds.

A constraint is a hinge, a wall of the domain or a side of the cube [-K, K]^d by its number, in that
order. On the facet between two cells the first hinge in which their codes differ vanishes, and on
neither of them everywhere; on the edge of the domain floats with bounds say in which wall a facet
lies, where only one is near, and exact vertices where they do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST_NORMAL
from exact.errors import require
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint, cells_of_facets
from exact.regions.polytopes.walls.trees import cells_of_tree

_ROUNDING = 2.0**-40  # beyond that of sums of a thousand products, relative to their sizes


@dataclass(frozen=True)
class NamedCell:
    """A cell of the tree: its number, how many cells the way to its parent goes `back` from the
    last one, the hinges that flip from there, its vertices that have appeared before, and the
    constraints at each new one. The first cell has no parent, and goes back by 0.
    """

    index: int
    back: int
    flips: list[int]
    known: list[int]
    new: list[list[int]]


@dataclass(frozen=True)
class NamedVertices:
    """The complex of a flat domain, whose cells have these codes; `ends` are the numbers of hinges
    up to each layer.
    """

    faces: FaceComplex
    flat: Flat
    codes: ByteArray
    ends: tuple[int, ...]

    @property
    def hinges(self) -> int:
        """The number of hinges."""
        return self.ends[-1] if self.ends else 0

    @property
    def has_cube(self) -> bool:
        """Whether a vertex is at infinity."""
        return bool(self._sides_needed)

    def cells(self, first: int) -> Iterator[NamedCell]:
        """All cells, each behind its parent, from cell `first` on."""
        dim = self.faces.dim
        corners, facets = self.faces.corners, self.faces.boundary[dim]
        names, points = self._names, _rows(self._vertices_of_facets)
        cell_facets, cell_corners = _rows(facets), _rows(corners)
        place = dict[int, int]()
        for index, back, flips in self._tree(first):
            at: dict[int, dict[int, None]] = {v: {} for v in cell_corners[index] if v not in place}
            known = sorted(place[v] for v in cell_corners[index] if v in place)
            for facet in cell_facets[index] if at else ():
                for v in points[facet]:
                    if v in at:
                        at[v].update(dict.fromkeys(names[facet]))
            for v in at:
                place[v] = len(place)
            yield NamedCell(index, back, flips, known, [list(on) for on in at.values()])

    def _tree(self, first: int) -> Iterator[tuple[int, int, list[int]]]:
        """Cells, steps back and flips, of a tree."""
        inner = self._owners[:, 1] >= 0
        names = [own[0] for own, is_inner in zip(self._names, inner, strict=True) if is_inner]
        layers = np.searchsorted(self.ends, names, side="right")
        bits = np.unpackbits(self.codes, axis=1, count=self.hinges)
        depth, pairs = 0, self._owners[inner]
        for cell, level, parent in cells_of_tree(pairs, layers, len(self.codes), first):
            back = depth - level if parent >= 0 else 0
            flips = [] if parent < 0 else np.flatnonzero(bits[cell] != bits[parent]).tolist()
            yield cell, back, flips
            depth = level + 1

    @cached_property
    def _owners(self) -> IndexArray:
        return cells_of_facets(self.faces)

    @cached_property
    def _vertices_of_facets(self) -> Incidence:
        """The vertices of every (d - 1)-face."""
        count = self.faces.vertex_count
        found = Incidence(np.arange(count + 1), np.arange(count))
        for k in range(1, self.faces.dim):
            found = _composed(self.faces.boundary[k], found, count)
        return found

    @cached_property
    def _names(self) -> list[list[int]]:
        """The constraints that are named for every facet."""
        owners, inner = self._owners, self._owners[:, 1] >= 0
        found: list[list[int]] = [[] for _ in range(len(owners))]
        if inner.any():
            flips = self.codes[owners[inner, 0]] ^ self.codes[owners[inner, 1]]
            first = np.unpackbits(flips, axis=1, count=self.hinges).argmax(axis=1)
            for facet, hinge in zip(np.flatnonzero(inner).tolist(), first.tolist(), strict=True):
                found[facet] = [hinge]
        for facet, walls in self._on_edge.items():
            found[facet] = [self.hinges + wall for wall in walls]
        return found

    @cached_property
    def _sides_needed(self) -> bool:
        sides = len(self.flat.walls)
        return any(max(walls) >= sides for walls in self._on_edge.values())

    @cached_property
    def _on_edge(self) -> dict[int, list[int]]:
        """The walls, then sides of the cube, in which every facet at the edge of the domain lies:
        one by floats, or all of them exactly.
        """
        edge = np.flatnonzero(self._owners[:, 1] < 0).tolist()
        points = _rows(self._vertices_of_facets)
        near, exact = self._near, dict[int, frozenset[int]]()
        found = dict[int, list[int]]()
        for facet in edge:
            if near is not None:
                candidates = np.flatnonzero(near[points[facet]].all(axis=0))
                if len(candidates) == 1:
                    found[facet] = candidates.tolist()
                    continue
            for v in points[facet]:
                if v not in exact:
                    exact[v] = self._walls_at(self.faces.vertex(v))
            walls = frozenset.intersection(*(exact[v] for v in points[facet]))
            require(bool(walls), "a facet of one cell lies in the edge of the domain", facet)
            found[facet] = sorted(walls)
        return found

    @cached_property
    def _near(self) -> BitArray | None:
        """Which walls may hold which vertices (vertices x walls); None where floats do not tell."""
        enclosed = self.faces.enclosed()
        if enclosed is None or not self.flat.walls:
            return None
        rows = np.array([_unit(wall.coefficients) for wall in self.flat.walls])
        with np.errstate(all="ignore"):  # what overflows excludes nothing
            points = np.hstack([enclosed[0], np.ones((len(enclosed[0]), 1))])
            values, sizes = np.abs(points @ rows.T), np.abs(points) @ np.abs(rows.T)
            bound = enclosed[1][:, None] * np.abs(rows[:, :-1]).sum(axis=1)
            is_far: BitArray = values > (bound + sizes * _ROUNDING) + LEAST_NORMAL
        return ~is_far

    def _walls_at(self, vertex: SymbolicPoint) -> frozenset[int]:
        """The walls, then sides, that hold a vertex."""
        *finite, scale = vertex.finite
        infinite, count = vertex.infinite, len(self.flat.walls)
        walls = {
            k
            for k, wall in enumerate(self.flat.walls)
            if not sum(a * x for a, x in zip(wall.coefficients, infinite, strict=False))
            and not sum(a * x for a, x in zip(wall.coefficients, vertex.finite, strict=True))
        }
        sides = {
            count + 2 * i + (q < 0)
            for i, (q, p) in enumerate(zip(infinite, finite, strict=True))
            if abs(q) == scale and p == 0
        }
        return frozenset(walls | sides)


def _unit(coefficients: tuple[int, ...]) -> list[float]:
    """Coefficients over the largest of them."""
    largest = max(map(abs, coefficients))
    return [x / largest for x in coefficients]


def _rows(incidence: Incidence) -> list[list[int]]:
    starts, members = incidence.starts.tolist(), incidence.members.tolist()
    return [members[a:b] for a, b in pairwise(starts)]


def _composed(upper: Incidence, lower: Incidence, count: int) -> Incidence:
    """The members of the members of every row, once each, ascending; numbers below `count`."""
    sizes = np.diff(lower.starts)[upper.members]
    rows = np.repeat(np.arange(len(upper)), np.diff(upper.starts))
    begin = np.repeat(lower.starts[:-1][upper.members], sizes)
    inside = np.arange(len(begin)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pairs = np.unique(np.repeat(rows, sizes) * count + lower.members[begin + inside])
    starts = np.concatenate([[0], np.cumsum(np.bincount(pairs // count, minlength=len(upper)))])
    return Incidence(starts, pairs % count)
