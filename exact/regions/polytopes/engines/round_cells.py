"""Cells inside an open ball: polytopes cut out of a simplex around it, kept as far as they come
into the ball.

A full-dimensional polytope meets the open ball iff its hull of vertices does: some vertex is
inside, or its point nearest to the centre is (Wolfe's algorithm in rationals,
`exact.geometry.polyhedra.minimum_norm`). A hyperplane that misses the ball has one side in it.
Coordinates are those of a chart at the centre of the ball, with a Gram matrix for its metric, so no
root ever occurs. Cost: every vertex of every polytope met on the way, in integers; any degeneracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exact.arithmetic.numbers import Rational
from exact.geometry.budgets import Watch
from exact.geometry.polyhedra.double_description import VertexPolytope
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine
from exact.geometry.polyhedra.minimum_norm import RoundBody
from exact.propagation.charts import BallChart

_ZERO = Rational(0)
Bits = tuple[bool, ...]
Part = tuple[Bits, VertexPolytope]
"""The sides of the hyperplanes, and the polytope they cut out of the simplex around the ball."""


def witness(chart: BallChart, shape: VertexPolytope) -> Point:
    """A point strictly inside a polytope that meets the ball, and inside the ball, in the ball's
    own parameters.
    """
    return chart.own_point(inner_point(chart.body, shape.vertices, shape.centroid()))


def meets(body: RoundBody, points: Sequence[Point]) -> bool:
    """Whether the hull of points comes into the open ball; the relative interior of the hull then
    does.
    """
    return (
        any(body.norm_squared(affine(point)) < body.radius_squared for point in points)
        or body.nearest(points).is_inside
    )


def parts(
    body: RoundBody, planes: Sequence[Halfspace], shape: VertexPolytope, watch: Watch
) -> Iterator[Part]:
    """The parts of a polytope by the sides of the planes, as far as they meet the ball; raises
    Stopped.
    """
    fixed = list[bool]()
    for plane in planes:
        watch.check()
        fixed.append(plane.is_constant or body.misses(plane))
    return _parts(body, list(zip(planes, fixed, strict=True)), shape, (), watch)


def _parts(
    body: RoundBody,
    planes: Sequence[tuple[Halfspace, bool]],
    shape: VertexPolytope,
    bits: Bits,
    watch: Watch,
) -> Iterator[Part]:
    """The same from plane number `len(bits)` on; a fixed plane has one side in the ball."""
    for plane, fixed in planes[len(bits) :]:
        if fixed:
            bits = (*bits, plane.offset > 0)
            continue
        watch.check()
        above, below = shape.split(plane)
        if above is not None and below is not None:
            for bit, part in ((True, above), (False, below)):
                if meets(body, part.vertices):
                    yield from _parts(body, planes, part, (*bits, bit), watch)
            return
        bits = (*bits, above is not None)
    yield bits, shape


def inner_point(
    body: RoundBody, points: Sequence[Point], middle: Sequence[Rational]
) -> list[Rational]:
    """A point of the ball in the relative interior of a hull that meets it, where `middle` lies."""
    near = min((affine(point) for point in points), key=body.norm_squared)
    if body.norm_squared(near) >= body.radius_squared:
        near = list(body.nearest(points).point)
    share, at = _ZERO, list(middle)
    while body.norm_squared(at) >= body.radius_squared:
        share = (1 + share) / 2
        at = [m + share * (x - m) for m, x in zip(middle, near, strict=True)]
    return at
