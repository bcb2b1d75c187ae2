"""Positions of points on curves as numbers: angles on circles, parameters on lines, certified to any precision.

A point is a direction with coordinates in a quadratic field (`Direction`), where signs are exact algebra, or the isolated
zero of a function with nested roots (`IsolatedDirection`), where balls are narrowed until they are accurate enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from exact.curves import Direction, Frame
from exact.errors import certain
from exact.isolated_directions import IsolatedDirection
from exact.numbers import Ball, Rational, ball_bounds, ball_precision
from exact.surds import FLOAT_BITS, difference_float

if TYPE_CHECKING:
    import sympy

CurvePoint: TypeAlias = Direction | IsolatedDirection
_ONE, _ZERO = Rational(1), Rational(0)


def compare_points(first: CurvePoint, second: CurvePoint) -> int:
    """The sign of angle(first) - angle(second), both counted from (1, 0) in [0, 2 pi)."""
    if isinstance(first, IsolatedDirection):
        return first.compare(second)
    return -second.compare(first) if isinstance(second, IsolatedDirection) else first.compare(second)


def coordinates(point: CurvePoint, bits: int) -> tuple[Ball, Ball]:
    """Enclosures of (alpha, beta) up to a positive factor, to about `bits` bits."""
    if isinstance(point, IsolatedDirection):
        return point.coordinates(bits)
    with ball_precision(bits):
        return point.alpha.ball(), point.beta.ball()


def coordinates_float(point: CurvePoint) -> tuple[float, float]:
    """(alpha, beta) up to a positive factor, float64."""
    if isinstance(point, Direction):
        return float(point.alpha), float(point.beta)
    alpha, beta = point.coordinates(64)
    return float(alpha), float(beta)


def coordinates_sympy(point: CurvePoint) -> tuple[sympy.Expr, sympy.Expr]:
    """Exact (alpha, beta) up to a positive factor; `sympy.CRootOf` behind several norms.

    Raises Undecided where the polynomial would have too high a degree; `position_bounds` has no such limit.
    """
    if isinstance(point, IsolatedDirection):
        return point.sympy()
    return point.alpha.sympy(), point.beta.sympy()


def parameter_ball(frame: Frame, point: CurvePoint, bits: int) -> Ball:
    """An enclosure of the parameter t of a point on a straight line that does not lie at infinity."""
    assert frame.one is not None and frame.along is not None, "a circle has angles, not parameters"
    alpha, beta = coordinates(point, bits)
    with ball_precision(bits):
        along = alpha * Ball(frame.along[0]) + beta * Ball(frame.along[1])
        return along / (alpha * Ball(frame.one[0]) + beta * Ball(frame.one[1]))


def angle_ball(frame: Frame, point: CurvePoint, bits: int) -> Ball:
    """An enclosure of the angle of a point on a circle, from u towards v, in [0, 2 pi)."""
    alpha, beta = coordinates(point, bits)
    with ball_precision(bits):
        x, y = _orthogonal(frame, alpha, beta)
        angle = Ball.atan2(y, x)
        return angle + 2 * Ball.pi() if bool(y < 0) else angle


def position_bounds(frame: Frame, point: CurvePoint, bits: int) -> tuple[Rational, Rational]:
    """Rational bounds on the parameter (line) or the angle (circle) of a point, about 2^-bits apart for values around 1."""
    with ball_precision(bits + 32):
        return ball_bounds((parameter_ball if frame.is_straight else angle_ball)(frame, point, bits + 32))


def is_finite(frame: Frame, point: CurvePoint) -> bool:
    """Whether a point of a straight line does not lie at infinity; only rational directions do."""
    return isinstance(point, IsolatedDirection) or frame.parameter(point) is not None


def position_float(frame: Frame, point: CurvePoint) -> float:
    """On a line the parameter t, on a circle the angle in [0, 2 pi) from u towards v (float64, to full accuracy)."""
    if isinstance(point, Direction):
        return frame.position_float(point)
    if not frame.is_straight:
        return turn_float(frame, Direction.rational(_ONE, _ZERO), point)
    return _accurate(lambda bits: parameter_ball(frame, point, bits))


def turn_float(frame: Frame, start: CurvePoint, end: CurvePoint) -> float:
    """The angle in [0, 2 pi) from one point of a circle counter-clockwise to another (float64); 0 iff they are equal."""
    if isinstance(start, Direction) and isinstance(end, Direction):
        return frame.turn_float(start, end)
    if compare_points(start, end) == 0:
        return 0.0
    bits = 128
    while True:
        (a, b), (c, d) = coordinates(start, bits), coordinates(end, bits)
        with ball_precision(bits):
            (x, y), (z, w) = _orthogonal(frame, a, b), _orthogonal(frame, c, d)
            cross, inner = x * w - y * z, x * z + y * w
            if cross.rel_accuracy_bits() > FLOAT_BITS:
                angle = Ball.atan2(cross, inner)
                return float(angle if bool(cross > 0) else angle + 2 * Ball.pi())
            if bool(inner < 0) and inner.rel_accuracy_bits() > FLOAT_BITS and bits > 4 * FLOAT_BITS:
                return math.pi
        bits *= 2


def gap_float(frame: Frame, start: CurvePoint, end: CurvePoint) -> float:
    """The difference of the parameters of two points of a line (float64, to full accuracy); infinite at infinity."""
    if not (is_finite(frame, start) and is_finite(frame, end)):
        return math.inf
    if isinstance(start, Direction) and isinstance(end, Direction):
        first, last = frame.parameter(start), frame.parameter(end)
        return difference_float(*(certain(end, "finite points have parameters") for end in (last, first)))

    def gap(bits: int) -> Ball:
        with ball_precision(bits):
            return parameter_ball(frame, end, bits) - parameter_ball(frame, start, bits)

    return _accurate(gap)


def _orthogonal(frame: Frame, alpha: Ball, beta: Ball) -> tuple[Ball, Ball]:
    form = frame.form
    return alpha * Ball(form.a) + beta * Ball(form.b), beta * Ball(form.determinant).sqrt()


def _accurate(enclose: Callable[[int], Ball]) -> float:
    """The midpoint of an enclosure that is accurate to more than float64; for numbers that are not zero."""
    bits = 128
    while (ball := enclose(bits)).rel_accuracy_bits() <= FLOAT_BITS:
        bits *= 2
    return float(ball)
