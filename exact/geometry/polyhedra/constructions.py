"""New exact points from old ones: everything that creates a coordinate (predicates only answer)."""

from __future__ import annotations

from collections.abc import Sequence

from exact.arithmetic.linear_algebra import matrix, solve
from exact.arithmetic.numbers import Rational
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous, primitive


def step_inside(point: Point, direction: Sequence[int], halfspaces: Sequence[Halfspace]) -> Point:
    """Move from a strictly inside point along `direction` by an exact step that stays strictly
    inside.

    The step is half the distance to the first wall, or 1 when none is ahead.
    """
    step = first_hit(point, direction, halfspaces)
    return along(point, direction, Rational(1) if step is None else step / 2)


def shortened(point: Point, halfspaces: Sequence[Halfspace]) -> Point:
    """A point with few digits strictly inside the halfspaces, next to a given one that is.

    Coordinate j may move by `value_i / (d |n_ij|)` for every halfspace i (n its normal, value that
    at the point) without any of them being left, whatever the other coordinates do within theirs:
    it is rounded to a power of two below that. One that no halfspace depends on becomes 0. Cost:
    O(halfspaces d).
    """
    dim, values = len(point) - 1, [halfspace.value(point).bit_length() for halfspace in halfspaces]
    places = list[tuple[int, int]]()
    for j in range(dim):
        sizes = [
            (value, abs(h.coefficients[j]))
            for value, h in zip(values, halfspaces, strict=True)
            if h.coefficients[j]
        ]
        power = min(
            (value - (size * dim * point[-1]).bit_length() - 1 for value, size in sizes),
            default=None,
        )
        places.append((0, 0) if power is None else (_rounded(point[j], point[-1], power), power))
    scale = min((power for _, power in places if power < 0), default=0)
    return primitive([*(x << (power - scale) for x, power in places), 1 << -scale])


def _rounded(numerator: int, denominator: int, power: int) -> int:
    """The nearest whole multiple of 2^power."""
    top, bottom = (
        (numerator, denominator << power) if power >= 0 else (numerator << -power, denominator)
    )
    return (2 * top + bottom) // (2 * bottom)


def first_hit(
    point: Point, direction: Sequence[int], halfspaces: Sequence[Halfspace]
) -> Rational | None:
    """The least positive t at which `point + t direction` meets a wall ahead, or None."""
    times = [
        Rational(h.value(point), -slope * point[-1])
        for h in halfspaces
        if (slope := h.slope(direction)) < 0
    ]
    return min(times, default=None)


def facet_hit(
    walls: Sequence[Halfspace], point: Point, direction: Sequence[int]
) -> tuple[int, Point]:
    """A facet of the polytope cut out by distinct walls that a ray from inside leads to, and a
    point inside that facet.

    The ray must meet a wall. Where it meets several at once, the one nearest to `point` (of the
    largest n / value, n the normal, value the wall's at the point) is a facet: tilting the ray
    against its n makes it the first alone, because (n_j / v_j) . (n_i / v_i) < |n_i / v_i|^2 for
    every other wall j as near as i (Cauchy-Schwarz). Cost: O(walls d).
    """
    values = [wall.value(point) for wall in walls]
    slopes = [wall.slope(direction) for wall in walls]
    speeds = [Rational(-slope, value) for slope, value in zip(slopes, values, strict=True)]
    fastest = max(speeds)
    first = [i for i, speed in enumerate(speeds) if speed == fastest]
    facet = max(first, key=lambda i: Rational(sum(x * x for x in walls[i].normal), values[i] ** 2))
    if len(first) == 1:
        return facet, along(point, direction, 1 / (fastest * point[-1]))
    tilt = [-x for x in walls[facet].normal]
    gains = [Rational(-wall.slope(tilt), value) for wall, value in zip(walls, values, strict=True)]
    limits = [
        (fastest - speed) / (gain - gains[facet])
        for speed, gain in zip(speeds, gains, strict=True)
        if gain > gains[facet]
    ]
    step = min(limits, default=Rational(1)) / 2
    p, q = int(step.p), int(step.q)
    tilted = [q * x + p * y for x, y in zip(direction, tilt, strict=True)]
    return facet, along(point, tilted, 1 / ((fastest * q + gains[facet] * p) * point[-1]))


def along(point: Point, direction: Sequence[int], step: Rational) -> Point:
    """The point `point + step * direction`."""
    p, q = int(step.p), int(step.q)
    return primitive(
        [
            *(x * q + p * v * point[-1] for x, v in zip(point, direction, strict=False)),
            point[-1] * q,
        ]
    )


def meet(walls: Sequence[Halfspace]) -> Point | None:
    """The one common point of d hyperplanes in R^d, or None when their normals are dependent."""
    rows = [[Rational(x) for x in wall.normal] for wall in walls]
    solution = solve(matrix(rows, len(walls)), [Rational(-wall.offset) for wall in walls])
    return None if solution is None else homogeneous(solution)


def centroid(points: Sequence[Point]) -> Point:
    """The mean of points: interior to their hull."""
    coordinates = [affine(point) for point in points]
    return homogeneous(
        [sum(column, Rational(0)) / len(points) for column in zip(*coordinates, strict=True)]
    )
