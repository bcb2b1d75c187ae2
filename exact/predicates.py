"""Questions with an exact sign or truth value for an answer; they never build a new coordinate (see constructions)."""

from __future__ import annotations

from collections.abc import Iterable

from exact.halfspace import Halfspace, Point
from exact.numbers import Rational
from exact.surds import Surd, sign_of_surd_product


def side(halfspace: Halfspace, point: Point) -> int:
    """The side of the hyperplane that a point lies on: 1 inside, 0 on it, -1 outside."""
    value = halfspace.value(point)
    return (value > 0) - (value < 0)


def is_inside(halfspaces: Iterable[Halfspace], point: Point) -> bool:
    """Whether the point lies strictly inside every halfspace."""
    return all(halfspace.value(point) > 0 for halfspace in halfspaces)


def is_farkas(halfspaces: Iterable[Halfspace], multipliers: Iterable[Rational], dim: int) -> bool:
    """Whether the multipliers prove that no point is strictly inside every halfspace (Motzkin 1936).

    They do iff they are non-negative, not all zero, cancel the normals and leave a sum of offsets that is <= 0.
    """
    total, positive = [Rational(0)] * (dim + 1), False
    for halfspace, multiplier in zip(halfspaces, multipliers, strict=True):
        if multiplier < 0:
            return False
        positive = positive or multiplier > 0
        total = [t + multiplier * c for t, c in zip(total, halfspace.coefficients, strict=True)]
    return positive and all(x == 0 for x in total[:-1]) and total[-1] <= 0


def turn(a: tuple[Surd, Surd], b: tuple[Surd, Surd]) -> int:
    """The sign of the cross product of two plane vectors: 1 when b lies counter-clockwise of a by less than pi."""
    return sign_of_surd_product(a[0], b[1], a[1], b[0])
