"""Bounded polygons as float64 numbers with proved errors: what compiled loops in the plane begin
with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import combinations

import numpy as np

from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, inflation
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats, rounding_error
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, primitive

_UP = inflation(16)
_MOST_SIDES = 12  # all are met two at a time


@short_repr
@dataclass(frozen=True)
class Polygon:
    """A bounded polygon with corners in counter-clockwise order; side i leads from corner i to
    corner i + 1, on the line of `walls[i]`.

    `corners` (k x 3) are x, y and a bound on the distance to the exact corner. `rows` (k x 6) are
    the lines as floats, their normals about one long: a, b, c, bounds on the errors of the normal
    (2-norm) and of c, and on the length of the normal.
    """

    walls: tuple[Halfspace, ...]
    corners: FloatArray
    rows: FloatArray


def polygon(walls: Sequence[Halfspace]) -> Polygon | None:
    """The polygon where all walls hold; None where they leave no bounded one with inner points, or
    are more than 12.

    >>> from exact.geometry.polyhedra.halfspace import Halfspace
    >>> triangle = polygon([Halfspace((1, 0, 0)), Halfspace((0, 1, 0)), Halfspace((-3, -1, 1))])
    >>> sorted(triangle.corners[:, :2].round(2).tolist())
    [[0.0, 0.0], [0.0, 1.0], [0.33, 0.0]]
    """
    distinct = list(dict.fromkeys(walls))
    if len(distinct) > _MOST_SIDES or any(wall.is_constant for wall in distinct):
        return None
    # the walls by the angles of their normals, and where two neighbours meet a corner
    around = sorted(distinct, key=cmp_to_key(_turn))
    points = {p for a, b in combinations(around, 2) if (p := _meet(a, b)) is not None}
    points = {p for p in points if all(wall.value(p) >= 0 for wall in around)}
    sides = [wall for wall in around if sum(wall.value(p) == 0 for p in points) == 2]
    if len(sides) < 3 or len(points) != len(sides):
        return None
    ends = [_meet(a, b) for a, b in zip([sides[-1], *sides[:-1]], sides, strict=True)]
    found = [point for point in ends if point in points]
    return Polygon(tuple(sides), _corners(found), _rows(sides)) if len(found) == len(ends) else None


def _meet(a: Halfspace, b: Halfspace) -> Point | None:
    """The common point of two lines; None where they are parallel."""
    (p, q, r), (s, t, u) = a.coefficients, b.coefficients
    x, y, one = q * u - r * t, r * s - p * u, p * t - q * s
    sign = (one > 0) - (one < 0)
    return primitive((sign * x, sign * y, sign * one)) if sign else None


def _turn(a: Halfspace, b: Halfspace) -> int:
    """Whether the normal of a comes before that of b, counter-clockwise from the positive x-axis;
    of equal ones the order is theirs.
    """
    (p, q), (r, s) = a.normal, b.normal
    halves = [(y < 0 or (y == 0 and x < 0)) for x, y in ((p, q), (r, s))]
    turn = p * s - q * r
    return (halves[0] > halves[1]) - (halves[0] < halves[1]) or (turn < 0) - (turn > 0)


def _corners(points: Sequence[Point]) -> FloatArray:
    exact = [x for point in points for x in affine(point)]
    at = nearest_floats(exact).reshape(-1, 2)
    errors = np.where(np.array([x == 0 for x in exact]).reshape(-1, 2), 0.0, rounding_error(at))
    return np.column_stack([at, errors.sum(axis=1) * _UP])


def _rows(sides: Sequence[Halfspace]) -> FloatArray:
    found = np.empty((len(sides), 6))
    for i, wall in enumerate(sides):
        size = max(abs(x) for x in wall.normal)
        row = nearest_floats([Rational(x, size) for x in wall.coefficients])
        length = float(np.hypot(row[0], row[1])) * _UP
        found[i, :3], found[i, 5] = row, length
        found[i, 3] = length * 2.0**-52 + LEAST_ROOT
        found[i, 4] = abs(float(row[2])) * 2.0**-52 + LEAST_ROOT if wall.offset else 0.0
    return found
