"""Pencils of directions (alpha : beta): where functions `p alpha + q beta + c N` vanish, and in
which order, exactly.

Along a one-dimensional domain every pre-activation is such a function, with N = sqrt(Q) and Q a
quadratic form: N is the norm's root, or the radius of a circle; on a straight line without norm it
does not occur. With S = l' adj(Q) l for l = (p, q) and D = S - c^2 det Q the zeros are the
directions `-c adj(Q) l +- sqrt(D) (-q, p)`: none for D < 0, one touching zero for D = 0, two sign
changes for D > 0 (derivation: a line meeting the conic N = 1; divided by S the coordinates lie on
it). Directions are ordered counter-clockwise; no angle is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.nearest import nearest_of, nearest_root, turn_between
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    RationalArray,
    ball_bounds,
    ball_precision,
    nearest_float,
)
from exact.arithmetic.surds import Surd, sign_of_surd, sign_of_surd_product
from exact.arithmetic.texts.printing import short_repr

_ZERO, _ONE = Rational(0), Rational(1)
Function = tuple[Rational, Rational, Rational]


@short_repr
@dataclass(frozen=True)
class Form:
    """The quadratic form `a alpha^2 + 2 b alpha beta + c beta^2`, positive semidefinite."""

    a: Rational
    b: Rational
    c: Rational

    @classmethod
    def gram(cls, u: Sequence[Rational], v: Sequence[Rational], scale: Rational) -> Form:
        """|alpha u + beta v|^2 / scale."""
        rows = RationalArray(2, len(u), [*u, *v])
        a, b, _, c = (rows * rows.transpose()).entries()
        return cls(a / scale, b / scale, c / scale)

    @property
    def determinant(self) -> Rational:
        """Zero iff some direction has N = 0."""
        return self.a * self.c - self.b * self.b

    def __call__(self, alpha: Rational, beta: Rational) -> Rational:
        return self.a * alpha * alpha + 2 * self.b * alpha * beta + self.c * beta * beta

    @property
    def kernel(self) -> tuple[Rational, Rational] | None:
        """A direction with N = 0 (its opposite is one too), or None for a positive definite
        form.
        """
        if self.determinant != 0:
            return None
        return (-self.b, self.a) if self.a != 0 else (_ONE, _ZERO)


CIRCLE = Form(_ONE, _ZERO, _ONE)


def value_sign(function: Function, form: Form, alpha: Rational, beta: Rational) -> int:
    """The sign of a function at a rational direction."""
    p, q, c = function
    return sign_of_surd(p * alpha + q * beta, c, form(alpha, beta))


@short_repr
@dataclass(frozen=True)
class Direction:
    """An oriented direction with coordinates in one field Q(sqrt d)."""

    alpha: Surd
    beta: Surd

    @classmethod
    def rational(cls, alpha: Rational, beta: Rational) -> Direction:
        """A direction with rational coordinates."""
        return cls(Surd(alpha), Surd(beta))

    def half(self) -> int:
        """0 for angles in [0, pi), 1 for [pi, 2 pi), counted from (1, 0)."""
        up = self.beta.sign()
        return 0 if up > 0 or (up == 0 and self.alpha.sign() > 0) else 1

    def compare(self, other: Direction) -> int:
        """The sign of angle(self) - angle(other), both counted from (1, 0) in [0, 2 pi)."""
        if self.half() != other.half():
            return self.half() - other.half()
        return -turn((self.alpha, self.beta), (other.alpha, other.beta))

    def diamond(self, bits: int) -> tuple[Rational, Rational]:
        """Rational bounds on the diamond angle in [0, 4), at most 2^(8 - bits) apart: monotone,
        rational in the coordinates.
        """
        precision, widest = bits, Rational(1 << 8, 1 << bits)
        while True:
            with ball_precision(precision):
                ball = self._diamond()
                if ball.is_finite():
                    low, high = ball_bounds(ball)
                    if high - low <= widest:
                        return low, high
            precision *= 2

    def _diamond(self) -> Ball:
        a, b = self.alpha.ball(), self.beta.ball()
        x, y = self.alpha.sign(), self.beta.sign()
        if x > 0 and y >= 0:
            return b / (a + b)
        if x <= 0 and y > 0:
            return 1 + a / (a - b)
        if x < 0 and y <= 0:
            return 2 + b / (a + b)
        return 3 + a / (a - b)


def dyadic_direction(sigma: Rational) -> tuple[Rational, Rational]:
    """The rational direction with diamond angle `sigma` (taken modulo 4)."""
    quadrant = int(sigma.floor())
    f = sigma - quadrant
    return ((1 - f, f), (-f, 1 - f), (f - 1, -f), (f, f - 1))[quadrant % 4]


def diamond_directions_float(sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The coordinates of many diamond angles in [0, 4], in float64."""
    f, quadrant = np.modf(sigma)
    k = quadrant.astype(int) % 4
    return np.choose(k, [1 - f, -f, f - 1, f]), np.choose(k, [f, 1 - f, -f, f - 1])


@short_repr
@dataclass(frozen=True)
class Zeros:
    """The zeros of a function on the whole circle of directions: sign changes, and the one touching
    point if any.
    """

    simple: tuple[Direction, ...] = ()
    tangent: tuple[Direction, ...] = ()


def zeros(function: Function, form: Form) -> Zeros:
    """The zeros of `p alpha + q beta + c N`, exactly; a function that vanishes identically has none
    to report.
    """
    p, q, c = function
    if p == 0 and q == 0:
        return Zeros()
    if c == 0:
        return Zeros((Direction.rational(-q, p), Direction.rational(q, -p)))
    adjoint = form.c * p - form.b * q, form.a * q - form.b * p
    s = p * adjoint[0] + q * adjoint[1]
    d = s - c * c * form.determinant
    if s == 0 or d < 0:
        return Zeros()
    base = (-c * adjoint[0], -c * adjoint[1])
    if d == 0:
        return Zeros((), (Direction.rational(*base),))
    return Zeros(
        tuple(Direction(Surd(base[0], -q * k, d), Surd(base[1], p * k, d)) for k in (_ONE, -_ONE))
    )


@short_repr
@dataclass(frozen=True)
class Frame:
    """The metric of a curve: directions become angles and points of a circle, or parameters of a
    straight line.

    `form` is |alpha u + beta v|^2 in the space where the curve lives: behind a norm the projected
    one, whose circle has radius sqrt(n). `one` and `along` are those of the curve (see domains).
    """

    form: Form
    radius_squared: Rational
    one: tuple[Rational, Rational] | None = None
    along: tuple[Rational, Rational] | None = None

    @property
    def is_straight(self) -> bool:
        """Whether positions are parameters t rather than angles."""
        return self.one is not None

    def parameter(self, direction: Direction) -> Surd | None:
        """The parameter t on a straight line, exactly; None at infinity."""
        assert self.one is not None and self.along is not None, (
            "a circle has angles, not parameters"
        )
        one = direction.alpha.scaled(self.one[0]) + direction.beta.scaled(self.one[1])
        along = direction.alpha.scaled(self.along[0]) + direction.beta.scaled(self.along[1])
        return None if one.sign() == 0 else along * one.inverse()

    def position_float(self, direction: Direction) -> float:
        """On a line the parameter t, on a circle the angle in [0, 2 pi) from u towards v: the
        nearest float64.
        """
        if not self.is_straight:
            return self.turn_float(Direction.rational(_ONE, _ZERO), direction)
        parameter = self.parameter(direction)
        if parameter is None:
            assert self.along is not None
            ahead = direction.alpha.scaled(self.along[0]) + direction.beta.scaled(self.along[1])
            return math.copysign(math.inf, ahead.sign())
        return float(parameter)

    def angles_float(self, sigma: FloatArray) -> FloatArray:
        """The angles in [0, 2 pi) of diamond angles (float64 in and out; circles), each as good as
        a few float operations.

        On the basis that the engines choose, which is nearly orthonormal, that is 2^-48 of a turn.
        """
        form = self.form
        lean = nearest_float(form.b / form.a)
        root = nearest_root(form.determinant / (form.a * form.a))
        alpha, beta = diamond_directions_float(sigma)
        angles: FloatArray = np.arctan2(beta * root, alpha + beta * lean)
        return np.where(angles < 0, angles + 2 * math.pi, angles)

    def turn_float(self, start: Direction, end: Direction) -> float:
        """The angle in [0, 2 pi) from one direction counter-clockwise to another: the nearest
        float64.

        Whether it is 0 or pi is decided exactly.
        """
        if turn((start.alpha, start.beta), (end.alpha, end.beta)) == 0:
            same = start.alpha.sign() == end.alpha.sign() and start.beta.sign() == end.beta.sign()
            return 0.0 if same else math.pi
        return nearest_of(
            lambda _: turn_between(
                *(self.orthonormal(d.alpha.ball(), d.beta.ball()) for d in (start, end))
            )
        )

    def orthonormal(self, alpha: Ball, beta: Ball) -> tuple[Ball, Ball]:
        """The direction in an orthonormal frame whose first axis is u, up to a positive factor, at
        the working precision.
        """
        return alpha * Ball(self.form.a) + beta * Ball(self.form.b), beta * Ball(
            self.form.determinant
        ).sqrt()


def turn(a: tuple[Surd, Surd], b: tuple[Surd, Surd]) -> int:
    """The sign of the cross product of two plane vectors: 1 when b lies counter-clockwise of a by
    less than pi.
    """
    return sign_of_surd_product(a[0], b[1], a[1], b[0])
