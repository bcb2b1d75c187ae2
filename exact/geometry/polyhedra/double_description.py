"""Bounded polytopes by their vertices, cut by one hyperplane after another (double description), in
integers.

A vertex keeps the set of walls it lies on as a bit mask. Two vertices span an edge iff no third
vertex lies on all walls that they share, so cutting needs no linear programme and knows every
degeneracy. Source: Motzkin et al. 1953; the test for edges is that of Fukuda and Prodon 1996.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.linear_algebra import matrix, solve
from exact.arithmetic.numbers import IntegerArray, Rational, nearest_floats, rational
from exact.errors import InvalidInput
from exact.geometry.polyhedra.halfspace import (
    Halfspace,
    Point,
    affine,
    homogeneous,
    is_inside,
    primitive,
)

_GRIDS = (0, 3, 6, 12, 24, 48)  # bits of the grids on which short points are looked for


@dataclass(frozen=True)
class VertexPolytope:
    """A full-dimensional bounded polytope: the hull of `vertices`, cut out by the closed sides of
    `walls`.

    Bit w of `tight[v]` says that vertex v lies on wall w. Walls that others made redundant may stay
    in the list.
    """

    walls: tuple[Halfspace, ...]
    vertices: tuple[Point, ...]
    tight: tuple[int, ...]

    @property
    def dim(self) -> int:
        """The dimension of the space, and of the polytope."""
        return len(self.vertices[0]) - 1

    @cached_property
    def table(self) -> IntegerArray:
        """The homogeneous vertices as rows."""
        return IntegerArray(
            len(self.vertices), self.dim + 1, [x for vertex in self.vertices for x in vertex]
        )

    def centroid(self) -> list[Rational]:
        """The mean of the vertices, an interior point."""
        columns = zip(*(affine(vertex) for vertex in self.vertices), strict=True)
        return [sum(column, Rational(0)) / len(self.vertices) for column in columns]

    def interior(self) -> list[Rational]:
        """A point inside near the mean of the vertices: that of their floats rounded, or the exact
        one where that fails.
        """
        mean = np.stack([nearest_floats(affine(vertex)) for vertex in self.vertices]).mean(axis=0)
        if not np.isfinite(mean).all():
            return self.centroid()
        return shorter([rational(x) for x in mean.tolist()], self.holds) or self.centroid()

    def holds(self, point: Sequence[Rational]) -> bool:
        """Whether a point lies strictly inside every wall."""
        return is_inside(self.walls, homogeneous(point))

    def split(self, plane: Halfspace) -> tuple[VertexPolytope | None, VertexPolytope | None]:
        """The closed parts with `plane` >= 0 and <= 0; a part without interior is None.

        Cost: one value per vertex and one comparison of masks per pair of vertices on different
        sides.
        """
        values = [plane.value(vertex) for vertex in self.vertices]
        if min(values) >= 0:
            return self, None
        if max(values) <= 0:
            return None, self
        own = 1 << len(self.walls)
        cut = list(self._crossings(values, own))
        return self._side(plane, values, cut, 1), self._side(plane.opposite, values, cut, -1)

    def _side(
        self, wall: Halfspace, values: Sequence[int], cut: Sequence[tuple[Point, int]], sign: int
    ) -> VertexPolytope:
        own = 1 << len(self.walls)
        given = zip(self.vertices, self.tight, values, strict=True)
        kept = [
            (vertex, mask if value else mask | own)
            for vertex, mask, value in given
            if value * sign >= 0
        ]
        vertices, tight = zip(*kept, *cut, strict=True)
        return VertexPolytope((*self.walls, wall), vertices, tight)

    def _crossings(self, values: Sequence[int], own: int) -> Iterator[tuple[Point, int]]:
        """Where the edges between the two sides meet the plane, with their masks."""
        above = [i for i, value in enumerate(values) if value > 0]
        below = [i for i, value in enumerate(values) if value < 0]
        least, tight = self.dim - 1, self.tight
        for i in above:
            for j in below:
                common = tight[i] & tight[j]
                if common.bit_count() >= least and self._is_edge(i, j, common):
                    a, b = values[i], -values[j]
                    at = [
                        b * x + a * y
                        for x, y in zip(self.vertices[i], self.vertices[j], strict=True)
                    ]
                    yield primitive(at), common | own

    def _is_edge(self, i: int, j: int, common: int) -> bool:
        return all(mask & common != common or k in (i, j) for k, mask in enumerate(self.tight))

    def edges(self) -> Iterator[tuple[int, int]]:
        """The pairs of vertices that span an edge."""
        for i, first in enumerate(self.tight):
            for j in range(i):
                common = first & self.tight[j]
                if common.bit_count() >= self.dim - 1 and self._is_edge(i, j, common):
                    yield j, i

    def facets(self) -> dict[int, tuple[int, ...]]:
        """The vertices of every facet, by wall: faces on one wall that no face on another one
        properly contains.
        """
        faces = {
            w: frozenset(v for v, mask in enumerate(self.tight) if mask >> w & 1)
            for w in range(len(self.walls))
        }
        large = {w: face for w, face in faces.items() if len(face) >= self.dim}
        return {
            w: tuple(sorted(face))
            for w, face in large.items()
            if not any(face < other for other in large.values())
        }


def shorter(
    point: Sequence[Rational], good: Callable[[list[Rational]], bool]
) -> list[Rational] | None:
    """The point on the coarsest of a few dyadic grids where it is good, or as it stands; None where
    it is never good.
    """
    for bits in _GRIDS:
        rounded = [
            Rational(int((x * (1 << bits)).p // (x * (1 << bits)).q), 1 << bits) for x in point
        ]
        if good(rounded):
            return rounded
    return list(point) if good(list(point)) else None


def simplex(walls: Sequence[Halfspace]) -> VertexPolytope:
    """The simplex cut out by d + 1 walls; InvalidInput when they do not bound one."""
    vertices, tight = list[Point](), list[int]()
    for k, left_out in enumerate(walls):
        rest = [wall for wall in walls if wall is not left_out]
        normals = matrix([[Rational(x) for x in wall.normal] for wall in rest], len(rest))
        corner = solve(normals, [Rational(-wall.offset) for wall in rest])
        point = None if corner is None else homogeneous(corner)
        if point is None or left_out.value(point) <= 0:
            raise InvalidInput(
                "these walls bound no simplex",
                value=tuple(walls),
                remedy="give d + 1 walls of a simplex",
            )
        vertices.append(point)
        tight.append(((1 << len(walls)) - 1) ^ (1 << k))
    return VertexPolytope(tuple(walls), tuple(vertices), tuple(tight))
