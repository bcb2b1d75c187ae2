"""Exact measures of convex polytopes: volumes are rational, facets and surfaces rational multiples
of a square root.

A polytope is given by its vertices and, for each facet, the set of vertices on it. Every other face
is an intersection of facets, so its own facets are the largest of its intersections with the facets
that do not contain it; pulling one vertex of each face into a cone over the facets that miss it
gives a triangulation (Hudson 1969; Lee 1991). Volumes are then sums of integer determinants of
homogeneous vertices. Cost: one determinant per simplex, at most facets^(d-1) of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb, factorial, isqrt

from exact.arithmetic.linear_algebra import null_space, rank
from exact.arithmetic.numbers import IntegerArray, Rational
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.polyhedra.constructions import meet
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, pivot
from exact.geometry.polyhedra.programmes.boxes import enclosing
from exact.geometry.polyhedra.programmes.lp import Interior, strict_feasibility

MAX_SUBSETS = 200_000
Simplex = tuple[int, ...]


@short_repr
@dataclass(frozen=True)
class BoundedPolytope:
    """A bounded convex polytope with interior: its vertices, its facets' halfspaces, the vertices
    on each facet.

    All lie in R^d; nothing is redundant. `facets[k]` holds indices of `vertices`, those on the
    hyperplane of `walls[k]`.
    """

    vertices: tuple[Point, ...]
    walls: tuple[Halfspace, ...]
    facets: tuple[frozenset[int], ...]

    @classmethod
    def of(cls, vertices: Sequence[Point], walls: Sequence[Halfspace]) -> BoundedPolytope:
        """Find by exact signs which vertex lies on which wall."""
        on = (
            frozenset(i for i, point in enumerate(vertices) if wall.value(point) == 0)
            for wall in walls
        )
        return cls(tuple(vertices), tuple(walls), tuple(on))

    @cached_property
    def simplices(self) -> list[Simplex]:
        """A triangulation into d-simplices, as vertices."""
        return self._pulled(frozenset(range(len(self.vertices))))

    @property
    def volume(self) -> Rational:
        """The d-dimensional volume."""
        return sum(
            (_volume([self.vertices[i] for i in simplex]) for simplex in self.simplices),
            Rational(0),
        )

    @property
    def centroid(self) -> tuple[Rational, ...]:
        """The centre of mass: the mean of the simplices' centres, weighted by their volumes."""
        places = [affine(point) for point in self.vertices]
        parts = [(s, _volume([self.vertices[i] for i in s])) for s in self.simplices]
        whole = sum((volume for _, volume in parts), Rational(0)) * (len(places[0]) + 1)
        moments = (
            sum((volume * sum(places[i][k] for i in s) for s, volume in parts), Rational(0))
            for k in range(len(places[0]))
        )
        return tuple(moment / whole for moment in moments)

    def facet_measure(self, index: int) -> Surd:
        """The (d-1)-dimensional measure of a facet: q |n|, n its coprime integer normal and q
        rational (a point has 1).

        Along coordinate j the facet projects onto a polytope of R^(d-1) whose volume is |n_j| / |n|
        times the measure. Rational, with radicand 0, where |n| is.
        """
        wall, drop = self.walls[index], pivot(self.walls[index])
        shadows = [(*point[:drop], *point[drop + 1 :]) for point in self.vertices]
        simplices = self._pulled(self.facets[index])
        shadow = sum((_volume([shadows[i] for i in simplex]) for simplex in simplices), Rational(0))
        return root_multiple(shadow / abs(wall.normal[drop]), sum(x * x for x in wall.normal))

    def _pulled(self, face: frozenset[int]) -> list[Simplex]:
        """The pulling triangulation of a face: its first vertex joined to those of its facets that
        miss it.
        """
        apex = min(face)
        if len(face) == 1:
            return [(apex,)]
        missing = [facet for facet in self.facets_of(face) if apex not in facet]
        return [(apex, *simplex) for facet in missing for simplex in self._pulled(facet)]

    def facets_of(self, face: frozenset[int]) -> list[frozenset[int]]:
        """The facets of a face: its largest proper intersections with facets of the polytope."""
        if len(face) == 2:
            return [frozenset((vertex,)) for vertex in face]
        proper = {face & facet for facet in self.facets if not face <= facet}
        return [one for one in proper if not any(one < other for other in proper)]


def _volume(points: Sequence[Point]) -> Rational:
    """The volume of a simplex with d + 1 homogeneous vertices in R^d: their determinant over d! and
    the denominators.
    """
    size, denominator = len(points), factorial(len(points) - 1)
    for point in points:
        denominator *= point[-1]
    return Rational(
        abs(int(IntegerArray(size, size, [x for point in points for x in point]).det())),
        denominator,
    )


def root_multiple(factor: Rational, square: int) -> Surd:
    """`factor * sqrt(square)`."""
    root = isqrt(square)
    if root * root == square:
        return Surd(factor * root)
    return Surd(Rational(0), factor, Rational(square))


def corners(walls: Sequence[Halfspace], dim: int) -> list[Point]:
    """The points where d independent walls meet and all others hold weakly, without repetition.

    Cost: one exact solve per d-subset of the walls; InvalidInput beyond 200,000 subsets.
    """
    distinct = list(dict.fromkeys(walls))
    if comb(len(distinct), dim) > MAX_SUBSETS:
        raise InvalidInput(
            "too many facets to meet them d at a time",
            value=f"{len(distinct)} facets in R^{dim}",
            remedy="use facets and witness instead of vertices",
        )
    points = (meet(subset) for subset in combinations(distinct, dim))
    return list(
        dict.fromkeys(p for p in points if p is not None and all(w.value(p) >= 0 for w in distinct))
    )


def is_bounded(walls: Sequence[Halfspace], dim: int) -> bool:
    """Whether the set in R^d where all walls hold is bounded, if it is not empty.

    It is iff the normals span R^d and some positive combination of all of them is zero: otherwise a
    direction has a slope >= 0 on every wall and not always 0 (Stiemke 1915), or 0 on all. Cost: one
    exact LP of as many rows as walls, unless these bound every coordinate one by one.
    """
    distinct = list(dict.fromkeys(walls))
    if dim and enclosing(distinct, dim) is not None:
        return True
    columns = [[Rational(wall.normal[k]) for wall in distinct] for k in range(dim)]
    if rank(columns) < dim:
        return False
    relations = null_space(columns, len(distinct))
    weights = [
        Halfspace.of([*(relation[i] for relation in relations), Rational(0)])
        for i in range(len(distinct))
    ]
    return isinstance(strict_feasibility(weights, len(relations)), Interior)
