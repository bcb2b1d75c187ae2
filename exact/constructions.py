"""New exact points from old ones: everything that creates a coordinate (predicates only answer)."""

from __future__ import annotations

from collections.abc import Sequence

from exact.halfspace import Halfspace, Point, affine, homogeneous, primitive
from exact.linear_algebra import matrix, solve
from exact.numbers import Rational


def step_inside(point: Point, direction: Sequence[int], halfspaces: Sequence[Halfspace]) -> Point:
    """Move from a strictly inside point along `direction` by an exact step that stays strictly inside.

    The step is half the distance to the first wall, or 1 when none is ahead.
    """
    step = first_hit(point, direction, halfspaces)
    return along(point, direction, Rational(1) if step is None else step / 2)


def first_hit(point: Point, direction: Sequence[int], halfspaces: Sequence[Halfspace]) -> Rational | None:
    """The least positive t at which `point + t direction` meets a wall ahead, or None."""
    times = [Rational(h.value(point), -slope * point[-1]) for h in halfspaces if (slope := h.slope(direction)) < 0]
    return min(times, default=None)


def along(point: Point, direction: Sequence[int], step: Rational) -> Point:
    """The point `point + step * direction`."""
    p, q = int(step.p), int(step.q)
    return primitive([*(x * q + p * v * point[-1] for x, v in zip(point, direction, strict=False)), point[-1] * q])


def meet(walls: Sequence[Halfspace]) -> Point | None:
    """The one common point of d hyperplanes in R^d, or None when their normals are dependent."""
    rows = [[Rational(x) for x in wall.normal] for wall in walls]
    solution = solve(matrix(rows, len(walls)), [Rational(-wall.offset) for wall in walls])
    return None if solution is None else homogeneous(solution)


def centroid(points: Sequence[Point]) -> Point:
    """The mean of points: interior to their hull."""
    coordinates = [affine(point) for point in points]
    return homogeneous([sum(column, Rational(0)) / len(points) for column in zip(*coordinates, strict=True)])
