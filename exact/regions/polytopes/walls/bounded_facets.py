"""Facets of a region in a box of many dimensions, where the few walls that are no bounds are the
rows of every programme.
"""

from __future__ import annotations

from collections.abc import Sequence

from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import Rational
from exact.errors import EngineDefect
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous
from exact.geometry.polyhedra.programmes.boxes import Bounds, Split, Weights, feasible, split
from exact.geometry.polyhedra.programmes.lp import Farkas

_FEW = 16  # dimensions up to which bounds are walls like others


def bounds_of(walls: Sequence[Halfspace], dim: int) -> Split | None:
    """The walls of a domain as bounds of every parameter, and others: in many dimensions, where
    there are bounds for all.
    """
    return split(list(dict.fromkeys(walls)), dim) if dim > _FEW else None


def inner_proofs(
    box: Split, domain: Sequence[Halfspace], inner: Sequence[Halfspace], witness: Point
) -> tuple[dict[int, Point], dict[int, Farkas]]:
    """Which of the walls that are not the domain's are facets of a region, with points inside them,
    and which are redundant, with proofs; indices are those of `inner`.

    A proof for wall w has rows numbered through the walls of the domain that are no bounds, then
    the facets found, in order: `n_w - sum l_i row_i` is >= 0 on the bounds. Cost: a programme for
    each wall that meets the box, two where it is redundant.
    """
    walls = list(dict.fromkeys(domain))
    others = [walls[i] for i in box.others]
    near = [k for k, wall in enumerate(inner) if not box.bounds.implies(wall)]
    start, points = affine(witness), dict[int, Point]()
    for k in near:
        rest = [inner[i] for i in near if i != k]
        across = feasible([*others, *rest, inner[k].opposite], box.bounds)
        if not isinstance(across, Weights):
            points[k] = met(inner[k], start, affine(across))
    rows = [*others, *(inner[k] for k in sorted(points))]
    redundant = {k: Farkas((), ()) for k in range(len(inner)) if k not in points}
    for k in near:
        if k not in points:
            redundant[k] = _redundancy(box.bounds, rows, inner[k])
    return points, redundant


def _redundancy(bounds: Bounds, rows: Sequence[Halfspace], wall: Halfspace) -> Farkas:
    found = feasible([*rows, wall.opposite], bounds)
    if not isinstance(found, Weights) or found.of_rows[-1] <= 0:
        raise EngineDefect("a wall is neither a facet nor redundant", value=wall)
    own = found.of_rows[-1]
    pairs = [(i, x / own) for i, x in enumerate(found.of_rows[:-1]) if x > 0]
    return Farkas(tuple(i for i, _ in pairs), tuple(x for _, x in pairs))


def edge_facets(
    box: Split, domain: Sequence[Halfspace], inner: Sequence[Halfspace], witness: Point
) -> list[Halfspace]:
    """The walls of the domain that are facets of a region whose facets inside the domain are
    `inner`, in the domain's order.

    The segment from the witness to a bound along its axis shows most; a programme on the bound
    decides the others. Cost: O(inner) for a bound that the segment shows.
    """
    walls = list(dict.fromkeys(domain))
    rows = [*(walls[i] for i in box.others), *inner]
    start = affine(witness)
    values = [dot([Rational(x) for x in row.normal], start) + row.offset for row in rows]
    found = set[int]()
    for ends, places in ((box.bounds.lo, box.lower), (box.bounds.hi, box.upper)):
        for axis, (end, place) in enumerate(zip(ends, places, strict=True)):
            step = end - start[axis]
            if all(
                v + row.coefficients[axis] * step > 0 for v, row in zip(values, rows, strict=True)
            ) or _meets(box.bounds, rows, axis, end):
                found.add(place)
    for k, place in enumerate(box.others):
        turned = [row.opposite if i == k else row for i, row in enumerate(rows)]
        if not isinstance(feasible(turned, box.bounds), Weights):
            found.add(place)
    return [wall for i, wall in enumerate(walls) if i in found]


def _meets(bounds: Bounds, rows: Sequence[Halfspace], axis: int, end: Rational) -> bool:
    """Whether points of a bound, strictly inside all others, are inside all rows."""
    there = list[Halfspace]()
    for row in rows:
        values = [Rational(x) for x in row.coefficients]
        values[-1] += values.pop(axis) * end
        halfspace = Halfspace.of(values)
        if halfspace.is_constant:
            if halfspace.offset <= 0:
                return False
        else:
            there.append(halfspace)
    rest = Bounds(*((*side[:axis], *side[axis + 1 :]) for side in (bounds.lo, bounds.hi)))
    return not isinstance(feasible(there, rest), Weights)


def met(wall: Halfspace, inside: Sequence[Rational], outside: Sequence[Rational]) -> Point:
    """The point of a hyperplane between two points on its sides."""
    normal = [Rational(x) for x in wall.normal]
    near, far = (dot(normal, x) + wall.offset for x in (inside, outside))
    part = near / (near - far)
    return homogeneous([x + part * (y - x) for x, y in zip(inside, outside, strict=True)])
