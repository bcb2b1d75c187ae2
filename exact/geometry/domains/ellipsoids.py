"""Balls inside flats: a flat meets a ball in an ellipsoid, written with rational numbers in the
flat's own coordinates.

The form is `(s, 1) M (s, 1)^T`, negative inside, with a definite quadratic part: no orthonormal
basis, so no root.
"""

from __future__ import annotations

from exact.arithmetic.linear_algebra import dot, matrix, solve
from exact.arithmetic.numbers import Rational
from exact.errors import certain
from exact.geometry.domains.flat import Ball
from exact.geometry.polyhedra.halfspace import Halfspace, Point, homogeneous, pivot

Quadric = tuple[tuple[Rational, ...], ...]


def quadric_of(ball: Ball) -> Quadric:
    """M with `(s, 1) M (s, 1)^T = |x(s) - centre|^2 - radius_squared` over the parameters s of the
    ball's chart.
    """
    flat = ball.flat()
    gap = [x - c for x, c in zip(flat.origin, ball.centre, strict=True)]
    vectors = [*flat.directions, gap]
    rows = [[dot(a, b) for b in vectors] for a in vectors]
    rows[-1][-1] -= ball.radius_squared
    return tuple(map(tuple, rows))


def value(quadric: Quadric, point: Point) -> Rational:
    """The quadratic form at homogeneous coordinates: negative inside."""
    x = [Rational(v) for v in point]
    return dot(x, [dot(row, x) for row in quadric])


def centre(quadric: Quadric) -> Point | None:
    """The centre of the ellipsoid, or None when it has no interior."""
    d = len(quadric) - 1
    middle = (
        solve(matrix([row[:d] for row in quadric[:d]], d), [-row[d] for row in quadric[:d]])
        if d
        else []
    )
    middle = certain(middle, "the form of an ellipsoid is definite")
    point = homogeneous(middle)
    return point if value(quadric, point) < 0 else None


def inside_wall(quadric: Quadric, wall: Halfspace) -> Quadric:
    """The form on the hyperplane of `wall`, without its pivot coordinate."""
    k, a = pivot(wall), wall.coefficients
    kept = [j for j in range(len(a)) if j != k]
    # the pivot coordinate is the sum of share[j] times coordinate j
    share = {j: Rational(-a[j], a[k]) for j in kept}
    return tuple(
        tuple(
            quadric[i][j]
            + share[i] * quadric[k][j]
            + quadric[i][k] * share[j]
            + share[i] * share[j] * quadric[k][k]
            for j in kept
        )
        for i in kept
    )
