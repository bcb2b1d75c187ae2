"""Ellipses `centre + (alpha u + beta v) / N`, `N^2 = alpha^2 + 2 k alpha beta + beta^2` with the
cosine k: rational points, and lengths.

Lines through the point alpha = -1 meet the conic N = 1 once more: the direction (c : s) at `alpha =
c^2 - s^2`, `beta = 2 s (c + k s)`, `N = c^2 + 2 k c s + s^2`, which makes half a turn while (alpha
: beta) makes a whole one. With semi-axes M >= m the squared speed at the angle t is `M^2 cos^2 s +
m^2 sin^2 s`, s = t + phi / 2, so that a length is M times a difference of elliptic integrals of the
second kind with the parameter 1 - m^2 / M^2.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, NamedTuple

from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import Ball, Rational, elliptic_e
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.isolated_directions import local
from exact.geometry.pencils.pencil import Form, dyadic_direction

if TYPE_CHECKING:
    import sympy

_ONE = Rational(1)
_FIRST = 2  # the denominator of a first rational point


def point_between(low: Rational, high: Rational, cosine: Rational) -> tuple[Rational, Rational]:
    """(alpha, beta) with N = 1 and a diamond angle strictly between two, 0 <= low < high <= 4; as
    short as a few tries find.

    >>> from exact.arithmetic.numbers import Rational
    >>> point_between(Rational(1, 2), Rational(1), Rational(0))
    (9/41, 40/41)
    """
    alpha, beta = dyadic_direction((low + high) / 2)
    square, unit = Form(_ONE, cosine, _ONE)(alpha, beta), _FIRST
    while True:
        root = Rational(isqrt(int((square * unit * unit).floor())), unit)
        c = Rational(int(((alpha + root) / beta * unit).floor()), unit) if beta != 0 else -cosine
        size = c * c + 2 * cosine * c + 1
        found = (c * c - 1) / size, 2 * (c + cosine) / size
        quadrant, t = local(*found)
        if low < quadrant + t < high:
            return found
        unit *= unit


def half_turn_direction(
    alpha: Rational, beta: Rational, cosine: Rational
) -> tuple[Rational, Rational]:
    """The direction (c : 1) of a point with N = 1 that is not the one at t = 0.

    >>> from exact.arithmetic.numbers import Rational
    >>> half_turn_direction(Rational(-3, 5), Rational(4, 5), Rational(0))
    (1/2, 1)
    """
    return (-cosine if beta == 0 else (alpha + 1) / beta), _ONE


class Axes(NamedTuple):
    """The squared speed `mean + hypot(x, y) cos(2 t + atan2(y, x))` with `y = lean / sqrt(share)`;
    `square` is x^2 + y^2.
    """

    mean: Rational
    square: Rational
    x: Rational
    lean: Rational
    share: Rational

    @classmethod
    def of(cls, curve: Curve) -> Axes:
        """Those of an ellipse: `a b c` are the inner products of u and `(v - k u) / sqrt(1 -
        k^2)`.
        """
        k, share = curve.cosine, 1 - curve.cosine * curve.cosine
        a, lean = dot(curve.u, curve.u), dot(curve.u, curve.v) - k * dot(curve.u, curve.u)
        c = (dot(curve.v, curve.v) - 2 * k * dot(curve.u, curve.v) + k * k * a) / share
        x = (c - a) / 2
        return cls((a + c) / 2, x * x + lean * lean / share, x, lean, share)


def length_ball(curve: Curve, start: tuple[Ball, Ball], turn: Ball) -> Ball:
    """The length of an ellipse over the angle `turn`, from a direction on, in an orthonormal frame
    of the parameters. The opposite direction, which gives the same, is taken on the left, where
    angles jump.
    """
    axes = Axes.of(curve)
    radius = Ball(axes.square).sqrt()
    phase = Ball.atan2(Ball(axes.lean) / Ball(axes.share).sqrt(), Ball(axes.x))
    x, y = (-start[0], -start[1]) if bool(start[0] < 0) else start
    first, parameter = Ball.atan2(y, x) + phase / 2, 2 * radius / (axes.mean + radius)
    whole = elliptic_e(first + turn, parameter) - elliptic_e(first, parameter)
    return (axes.mean + radius).sqrt() * whole


def length_sympy(curve: Curve, start: sympy.Expr, end: sympy.Expr) -> sympy.Expr:
    """The same between two angles, as an expression."""
    import sympy

    mean, square, x, lean, share = (
        sympy.Rational(int(value.p), int(value.q)) for value in Axes.of(curve)
    )
    if square == 0:
        return sympy.sqrt(mean) * (end - start)
    radius, phase = sympy.sqrt(square), sympy.atan2(lean / sympy.sqrt(share), x)
    first, last = (
        sympy.elliptic_e(angle + phase / 2, 2 * radius / (mean + radius)) for angle in (start, end)
    )
    return sympy.sqrt(mean + radius) * (last - first)
