"""The exact complex of a partition with the outputs at its vertices, and how a function cuts it.

Outputs are continuous and affine on every region. So a function made of them has one value at each
vertex, and cuts every face by the signs at its own vertices, whatever cell one looks from: faces
stay shared, and no coordinate is needed but where cuts meet edges. All numbers are rational.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.linear_algebra import rows_of
from exact.arithmetic.numbers import Rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import EngineDefect, InvalidInput
from exact.geometry.polyhedra.halfspace import Point, affine
from exact.geometry.polyhedra.volumes import BoundedPolytope
from exact.regions.cells import Outcome
from exact.regions.polytopes.quantities.measures import Measured

Values = list[Rational]
Faces = list[tuple[int, ...]]
_ZERO = Rational(0)


@short_repr
@dataclass(frozen=True)
class ValuedComplex:
    """Convex faces of all dimensions up to `dim`, each with the faces that bound it.

    `below[k]`, k = 1..dim, has for every k-face its (k - 1)-faces; `points` are the vertices in the
    parameters of the domain, and `values` one list for each function that is carried along, with
    its value at every vertex. `regions` tells for every cell the region of the partition that it
    is, or is a part of.
    """

    dim: int
    below: tuple[Faces, ...]
    points: list[tuple[Rational, ...]]
    values: tuple[Values, ...]
    regions: list[int]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many vertices, edges, ..., cells there are."""
        return len(self.points), *(len(faces) for faces in self.below[1:])

    def signs(self, function: int) -> list[list[int]]:
        """For the faces of every dimension whether a function is negative (1), positive (2) or both
        (3) somewhere on them; 0 where it is zero all over.
        """
        found = [[1 if x < 0 else 2 if x > 0 else 0 for x in self.values[function]]]
        for faces in self.below[1:]:
            own, last = [], found[-1]
            for members in faces:
                sign = 0
                for i in members:
                    sign |= last[i]
                own.append(sign)
            found.append(own)
        return found

    def with_values(self, *more: Values) -> ValuedComplex:
        """The same with more functions behind those that it has."""
        return ValuedComplex(self.dim, self.below, self.points, (*self.values, *more), self.regions)

    def cut(self, function: int) -> ValuedComplex:
        """Cut every face on which a function is negative and positive; both parts keep what it
        carries, and the function is of one sign on every face of the result.

        The part where it is negative keeps the number of the face; the others follow in order.
        """
        signs = self.signs(function)
        if 3 not in signs[-1]:
            return self
        points, values = list(self.points), [list(own) for own in self.values]
        below: list[Faces] = [[]]
        splits = dict[int, tuple[int, int, int]]()  # the two parts of a face, and what is between
        regions = list(self.regions)
        for k in range(1, self.dim + 1):
            faces, found, last = (
                list(self.below[k]),
                dict[int, tuple[int, int, int]](),
                signs[k - 1],
            )
            for i, sign in enumerate(signs[k]):
                if sign != 3:
                    continue
                members = self.below[k][i]
                if k == 1:
                    wall = _meet(points, values, function, members)
                else:
                    wall = len(below[k - 1])
                    below[k - 1].append(self._between(k, members, splits, signs))
                kept = [m for m in members if last[m] == 1], [m for m in members if last[m] == 2]
                cut = [splits[m] for m in members if last[m] == 3]
                faces[i] = (*kept[0], *(one for one, _, _ in cut), wall)
                found[i] = i, len(faces), wall
                faces.append((*kept[1], *(other for _, other, _ in cut), wall))
                if k == self.dim:
                    regions.append(self.regions[i])
            below.append(faces)
            splits = found
        return ValuedComplex(self.dim, tuple(below), points, tuple(values), regions)

    def _between(
        self,
        k: int,
        members: Sequence[int],
        splits: dict[int, tuple[int, int, int]],
        signs: list[list[int]],
    ) -> tuple[int, ...]:
        """What bounds the new face between both parts of a k-face: what is between the parts of its
        faces, and the faces of these on which the function is zero.
        """
        new = [splits[m][2] for m in members if m in splits]
        ends = {end for m in members if m not in splits for end in self.below[k - 1][m]}
        old = [end for end in ends if signs[k - 2][end] == 0]
        return (*sorted(old), *new)


def _meet(
    points: list[tuple[Rational, ...]], values: list[Values], function: int, ends: Sequence[int]
) -> int:
    """A new vertex where a function is zero on an edge."""
    a, b = ends
    p, q = values[function][a], values[function][b]
    share = p / (p - q)
    points.append(tuple(x + share * (y - x) for x, y in zip(points[a], points[b], strict=True)))
    for number, own in enumerate(values):
        own.append(_ZERO if number == function else own[a] + share * (own[b] - own[a]))
    return len(points) - 1


def largest(of: ValuedComplex, functions: Sequence[int]) -> tuple[ValuedComplex, list[int]]:
    """The complex with the largest of some functions behind its values, cut so that it is affine on
    every cell, and the place of the one that is largest on each cell, the first of equal ones.
    """
    first, *others = functions
    found, top = of.with_values(list(of.values[first])), len(of.values)
    winners = [0] * len(of.regions)
    for place, other in enumerate(others, 1):
        mine, best = found.values[other], found.values[top]
        gap = [x - y for x, y in zip(mine, best, strict=True)]
        cut, parents = _cut_with_parents(found.with_values(gap), top + 1)
        signs = cut.signs(top + 1)[-1]
        winners = [
            place if sign == 2 else winners[parent]
            for sign, parent in zip(signs, parents, strict=True)
        ]
        *kept, gaps = cut.values
        kept[top] = [x + g if g > 0 else x for x, g in zip(kept[top], gaps, strict=True)]
        found = ValuedComplex(cut.dim, cut.below, cut.points, tuple(kept), cut.regions)
    return found, winners


def _cut_with_parents(of: ValuedComplex, function: int) -> tuple[ValuedComplex, list[int]]:
    """A cut complex, and the cell before the cut that each cell is a part of."""
    numbered = ValuedComplex(of.dim, of.below, of.points, of.values, list(range(len(of.regions))))
    cut = numbered.cut(function)
    regions = [of.regions[i] for i in cut.regions]
    return ValuedComplex(cut.dim, cut.below, cut.points, cut.values, regions), cut.regions


# ---- from a partition


@members_in_ieee_floats
class Valued(Measured):
    """A partition of a flat domain with the exact outputs at all vertices."""

    @cached_property
    def valued_complex(self) -> ValuedComplex:
        """All faces of the regions with the exact outputs at their vertices; a single output stands
        behind the constant zero. Made once: an exact map for most regions, and exact values at all
        vertices. Raises InvalidInput for partitions that ended early or are unbounded.
        """
        return valued_complex(self)


def valued_complex(owner: Measured) -> ValuedComplex:
    """The complex of a complete partition of a bounded domain with its outputs at the vertices; a
    single output stands behind the constant zero, with which it decides.

    From the faces of the engine, or of one that keeps them; else from the corners of the regions.
    Raises InvalidInput for partitions that ended early, domains without bounds and without regions,
    NotPiecewiseLinear behind GELU or SiLU, Unsupported in a ball. Cost: an exact affine map for
    most regions, and exact values at all vertices.
    """
    if owner.outcome is not Outcome.COMPLETE or not len(owner.codes):
        raise InvalidInput(
            "only a complete partition with regions has a whole complex",
            value=f"{len(owner.codes)} regions, {owner.outcome.value}",
            remedy="partition with a larger budget, or another domain",
        )
    known = owner._complex
    if known is None:
        dim, below, places, of_cells = _assembled(owner)
    else:
        faces = known.faces
        dim = faces.dim
        rows = (faces.boundary[k] for k in range(1, dim + 1))
        below = ([], *([tuple(r.row(i).tolist()) for i in range(len(r))] for r in rows))
        vertices = [faces.vertex(i) for i in range(faces.vertex_count)]
        if not all(vertex.is_finite for vertex in vertices):
            raise _unbounded(owner)
        places = [vertex.finite for vertex in vertices]
        of_cells = [faces.corners.row(i).tolist() for i in range(len(owner.codes))]
    points = [tuple(affine(place)) for place in places]
    found = ValuedComplex(
        dim, below, points, _values(owner, points, of_cells), list(range(len(owner.codes)))
    )
    _require_whole(found, owner)
    return found


def _unbounded(owner: Measured) -> InvalidInput:
    return InvalidInput(
        "the domain is unbounded, so that faces reach to infinity",
        value=f"{len(owner.codes)} regions",
        remedy="partition a Box, or a Plane with s=(...), t=(...)",
    )


def _values(
    owner: Measured, points: Sequence[tuple[Rational, ...]], of_cells: Sequence[Sequence[int]]
) -> tuple[Values, ...]:
    """The outputs at all vertices, each by the map of one region around it."""
    found = dict[int, list[Rational]]()
    for region, own in enumerate(of_cells):
        new = [i for i in own if i not in found]
        if new:
            rows = rows_of(owner.map_columns(region))
            for i in new:
                at = (*points[i], Rational(1))
                found[i] = [
                    sum((a * x for a, x in zip(row, at, strict=True)), _ZERO) for row in rows
                ]
    columns = tuple(
        [found[i][k] for i in range(len(points))] for k in range(len(next(iter(found.values()))))
    )
    return columns if len(columns) > 1 else ([_ZERO] * len(points), *columns)


def _assembled(owner: Measured) -> tuple[int, tuple[Faces, ...], list[Point], list[list[int]]]:
    """The faces of all regions from their corners, equal ones once."""
    dim = owner.flat.dim
    vertices, of_cells = dict[Point, int](), list[list[int]]()
    known: list[dict[frozenset[int], int]] = [{} for _ in range(dim + 1)]
    below: list[Faces] = [[] for _ in range(dim + 1)]

    def enter(k: int, face: frozenset[int], solid: BoundedPolytope) -> int:
        """The number of a face of a region, which is entered when it is new."""
        if k == 0:
            return next(iter(face))
        if face not in known[k]:
            members = tuple(sorted(enter(k - 1, one, solid) for one in solid.facets_of(face)))
            known[k][face] = len(below[k])
            below[k].append(members)
        return known[k][face]

    for index in range(len(owner.codes)):
        corners, bounded = owner.corners_of(index)
        if not bounded:
            raise _unbounded(owner)
        own = [vertices.setdefault(point, len(vertices)) for point in corners]
        of_cells.append(own)
        names = dict(zip(range(len(own)), own, strict=True))
        plain = BoundedPolytope.of(corners, owner.walls_known(index))
        facets = {frozenset(names[i] for i in facet) for facet in plain.facets}
        facets = {one for one in facets if len(one) >= dim}
        facets = {one for one in facets if not any(one < other for other in facets)}
        enter(dim, frozenset(own), BoundedPolytope((), (), tuple(facets)))
    return dim, tuple(below), list(vertices), of_cells


def _require_whole(found: ValuedComplex, owner: Measured) -> None:
    """EngineDefect unless every region is a cell, facets lie between two cells or in a wall of the
    domain, all faces together are those of a convex polytope by Euler's relation, and the faces
    around every face those of a sphere.
    """
    signed = sum((-1) ** k * count for k, count in enumerate(found.counts))
    uses = [0] * found.counts[found.dim - 1]
    for members in found.below[found.dim]:
        for i in members:
            uses[i] += 1
    on = [_walls_at(owner, point) for point in found.points]
    for k in range(1, found.dim):
        on = [frozenset.intersection(*(on[i] for i in members)) for members in found.below[k]]
    closed = all(use == 2 or (use == 1 and walls) for use, walls in zip(uses, on, strict=True))
    if signed != 1 or not closed or found.counts[-1] != len(owner.codes):
        raise EngineDefect(
            "the faces of the regions are not those of a polytope in parts",
            value=f"{found.counts} faces of {len(owner.codes)} regions",
        )
    for k in range(2, found.dim + 1):
        for number, members in enumerate(found.below[k]):
            around, total, sign = set(members), 0, (-1) ** (k - 1)
            for j in range(k - 1, -1, -1):
                total += sign * len(around)
                sign = -sign
                around = {i for m in around for i in found.below[j][m]} if j else around
            if total != 1 + (-1) ** (k - 1):
                raise EngineDefect(f"a face of dimension {k} is not closed", value=f"face {number}")


def _walls_at(owner: Measured, point: Sequence[Rational]) -> frozenset[int]:
    """The walls of the domain that a vertex lies in."""
    at = (*point, Rational(1))
    values = (
        sum((a * x for a, x in zip(wall.coefficients, at, strict=True)), _ZERO)
        for wall in owner.flat.walls
    )
    return frozenset(i for i, value in enumerate(values) if value == 0)
