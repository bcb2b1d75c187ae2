"""Positions of points on curves as numbers: angles on circles, parameters on lines, certified to
any precision.

A point is a direction with coordinates in a quadratic field (`Direction`), where signs are exact
algebra, or the isolated zero of a function with nested roots (`IsolatedDirection`), where balls are
narrowed until they are accurate enough.
"""

from __future__ import annotations

import math
from functools import cache, partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from exact.arithmetic.nearest import nearest_of, turn_between
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    ball_bounds,
    ball_precision,
    nearest_floats,
)
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.geometry.pencils.pencil import Direction, Frame

if TYPE_CHECKING:
    import sympy

CurvePoint: TypeAlias = Direction | IsolatedDirection
_ONE, _ZERO = Rational(1), Rational(0)


def compare_points(first: CurvePoint, second: CurvePoint) -> int:
    """The sign of angle(first) - angle(second), both counted from (1, 0) in [0, 2 pi)."""
    if isinstance(first, IsolatedDirection):
        return first.compare(second)
    return (
        -second.compare(first) if isinstance(second, IsolatedDirection) else first.compare(second)
    )


def coordinates(point: CurvePoint, bits: int) -> tuple[Ball, Ball]:
    """Enclosures of (alpha, beta) up to a positive factor, to about `bits` bits."""
    if isinstance(point, IsolatedDirection):
        return point.coordinates(bits)
    with ball_precision(bits):
        return point.alpha.ball(), point.beta.ball()


def coordinates_sympy(point: CurvePoint) -> tuple[sympy.Expr, sympy.Expr]:
    """Exact (alpha, beta) up to a positive factor; `sympy.CRootOf` behind several norms.

    Raises Undecided where the polynomial would have too high a degree; `position_bounds` has no
    such limit.
    """
    if isinstance(point, IsolatedDirection):
        return point.sympy()
    return point.alpha.sympy(), point.beta.sympy()


def parameter_ball(frame: Frame, point: CurvePoint, bits: int) -> Ball:
    """An enclosure of the parameter t of a point on a straight line that does not lie at
    infinity.
    """
    assert frame.one is not None and frame.along is not None, "a circle has angles, not parameters"
    alpha, beta = coordinates(point, bits)
    with ball_precision(bits):
        along = alpha * Ball(frame.along[0]) + beta * Ball(frame.along[1])
        return along / (alpha * Ball(frame.one[0]) + beta * Ball(frame.one[1]))


def angle_ball(frame: Frame, point: CurvePoint, bits: int) -> Ball:
    """An enclosure of the angle of a point on a circle, from u towards v, in [0, 2 pi)."""
    alpha, beta = coordinates(point, bits)
    with ball_precision(bits):
        x, y = frame.orthonormal(alpha, beta)
        angle = Ball.atan2(y, x)
        return angle + 2 * Ball.pi() if bool(y < 0) else angle


def position_bounds(frame: Frame, point: CurvePoint, bits: int) -> tuple[Rational, Rational]:
    """Rational bounds on the parameter (line) or the angle (circle) of a point, about 2^-bits apart
    for values around 1.
    """
    with ball_precision(bits + 32):
        return ball_bounds(
            (parameter_ball if frame.is_straight else angle_ball)(frame, point, bits + 32)
        )


def is_finite(frame: Frame, point: CurvePoint) -> bool:
    """Whether a point of a straight line does not lie at infinity; only rational directions do."""
    return isinstance(point, IsolatedDirection) or frame.parameter(point) is not None


def position_float(frame: Frame, point: CurvePoint) -> float:
    """On a line the parameter t, on a circle the angle in [0, 2 pi) from u towards v: the nearest
    float64.
    """
    if isinstance(point, Direction):
        return frame.position_float(point)
    if not frame.is_straight:
        return turn_float(frame, Direction.rational(_ONE, _ZERO), point)
    return nearest_of(lambda bits: parameter_ball(frame, point, bits))


def turn_float(frame: Frame, start: CurvePoint, end: CurvePoint) -> float:
    """The angle in [0, 2 pi) from one point of a circle counter-clockwise to another: the nearest
    float64; 0 iff equal.
    """
    if isinstance(start, Direction) and isinstance(end, Direction):
        return frame.turn_float(start, end)
    if compare_points(start, end) == 0:
        return 0.0
    return nearest_of(lambda bits: turn_ball(frame, start, end, bits))


def turn_ball(frame: Frame, start: CurvePoint, end: CurvePoint, bits: int) -> Ball | None:
    """An enclosure of the angle in (0, 2 pi) between different points of a circle; None when the
    bits do not tell.
    """
    with ball_precision(bits):
        return turn_between(
            *(frame.orthonormal(*coordinates(point, bits)) for point in (start, end))
        )


def one_turn_on(frame: Frame, point: CurvePoint) -> float:
    """The angle in [2 pi, 4 pi) of a point of a circle, from u towards v: the nearest float64."""
    start = Direction.rational(_ONE, _ZERO)
    if compare_points(start, point) == 0:
        return 2 * math.pi

    def angle(bits: int) -> Ball | None:
        found = turn_ball(frame, start, point, bits)
        return None if found is None else found + 2 * Ball.pi()

    return nearest_of(angle)


def gap_ball(frame: Frame, start: CurvePoint, end: CurvePoint, bits: int) -> Ball:
    """An enclosure of the difference of the parameters of two points of a line that do not lie at
    infinity.
    """
    with ball_precision(bits):
        return parameter_ball(frame, end, bits) - parameter_ball(frame, start, bits)


def point_floats(frame: Frame, curve: Curve, point: CurvePoint) -> FloatArray:
    """The coordinates of a point of a curve, each the nearest float64; infinite where the point
    is.
    """
    if frame.is_straight and not is_finite(frame, point):
        return _floats_at_infinity(curve, point)

    @cache
    def shares(bits: int) -> tuple[Ball, Ball]:
        alpha, beta = coordinates(point, bits)
        with ball_precision(bits):
            scale = scale_ball(frame, alpha, beta)
            return alpha / scale, beta / scale

    def coordinate(x: Rational, y: Rational, c: Rational, bits: int) -> Ball:
        alpha, beta = shares(bits)
        value = alpha * Ball(x) + beta * Ball(y) + Ball(c)
        return Ball(0) if c == 0 and value.contains(0) and _vanishes(point, x, y) else value

    centre = (_ZERO,) * len(curve.u) if curve.centre is None else curve.centre
    rows = zip(curve.u, curve.v, centre, strict=True)
    return np.array([nearest_of(partial(coordinate, *row)) for row in rows], dtype=np.float64)


def _vanishes(point: CurvePoint, x: Rational, y: Rational) -> bool:
    """Whether `x alpha + y beta` is zero for certain."""
    return (
        isinstance(point, Direction) and (point.alpha.scaled(x) + point.beta.scaled(y)).sign() == 0
    )


def scale_ball(frame: Frame, alpha: Ball, beta: Ball) -> Ball:
    """What a vector along a direction is divided by to lie on the curve, at the working
    precision.
    """
    if frame.one is not None:
        return alpha * Ball(frame.one[0]) + beta * Ball(frame.one[1])
    form = frame.form
    square = (
        alpha * alpha * Ball(form.a) + 2 * alpha * beta * Ball(form.b) + beta * beta * Ball(form.c)
    )
    return (square / Ball(frame.radius_squared)).sqrt()


def _floats_at_infinity(curve: Curve, point: CurvePoint) -> FloatArray:
    """Infinities of the signs of the direction; coordinates that do not run to infinity keep the
    values of the line.
    """
    assert isinstance(point, Direction), "only rational directions lie at infinity"
    ahead = [
        (point.alpha.scaled(x) + point.beta.scaled(y)).sign()
        for x, y in zip(curve.u, curve.v, strict=True)
    ]
    finite = nearest_floats(base_point(curve))
    return np.array(
        [
            x if sign == 0 else math.copysign(math.inf, sign)
            for sign, x in zip(ahead, finite, strict=True)
        ]
    )


def base_point(curve: Curve) -> tuple[Rational, ...]:
    """A finite point of a straight line."""
    assert curve.one is not None, "only straight lines have points at infinity"
    return curve.u if curve.one[0] != 0 else curve.v
