"""Directions (alpha : beta) around a circle, and where `p alpha + q beta + c N` changes sign; N is
the root of a form.

A coordinate is `a + b sqrt(d)` in integers. Signs of such numbers, and of sums of products of two
of them with different radicands, are decided by squaring. Let F / unit be the form under the root
N, a b b c its matrix F, and l = (p, q), S = l' adj(F) l, D = unit S - c^2 det F. For D > 0 the
function changes sign at the directions `-c adj(F) l +- sqrt(D) (-q, p)` and at no other; it is
positive counter-clockwise from the one with - to the one with +. (On such a direction N = S /
sqrt(unit)^2, so the value is -c S + c S. A function and a definite form can be deformed, D > 0 all
the way, into alpha + 0 N and the unit form, where it is plain which is which.) For D = 0 it touches
zero there, for D < 0 it has one sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exact.check.records import Rejected, Values


class Direction(NamedTuple):
    """The direction of `(a + b sqrt(d), x + y sqrt(d))`, in this order: a, b, x, y, d."""

    a: int
    b: int
    x: int
    y: int
    d: int


class Form(NamedTuple):
    """The quadratic form with an integer matrix over `unit` > 0; `undefined` says that nothing is
    defined where it is 0.
    """

    matrix: tuple[Values, ...]
    unit: int
    undefined: bool

    def __call__(self, y: Sequence[int]) -> int:
        """The value, times `unit`."""
        return sum(
            x * e * z
            for row, x in zip(self.matrix, y, strict=True)
            for e, z in zip(row, y, strict=True)
        )

    @property
    def determinant(self) -> int:
        """That of a 2 x 2 matrix."""
        (a, b), (_, c) = self.matrix
        return a * c - b * b

    @property
    def kernel(self) -> tuple[int, int] | None:
        """A direction in which a form on pencils is 0; None where it is definite."""
        (a, b), _ = self.matrix
        if self.determinant:
            return None
        return (-b, a) if a else (1, 0)


NO_ROOT = Form(((0, 0), (0, 0)), 1, False)


def sign(value: int) -> int:
    return (value > 0) - (value < 0)


def sign_of_surd(a: int, b: int, d: int) -> int:
    """The sign of `a + b sqrt(d)`, d >= 0."""
    first, second = sign(a), sign(b) if d else 0
    return first or second if first * second >= 0 else first * sign(a * a - b * b * d)


def sign_of_two_surds(x: int, y: int, z: int, w: int, d: int, e: int) -> int:
    """The sign of `x + y sqrt(d) + z sqrt(e) + w sqrt(d e)`: compare the squares of `x + y sqrt(d)`
    and the rest.
    """
    first, second = sign_of_surd(x, y, d), sign_of_surd(z, w, d) if e else 0
    if first * second >= 0:
        return first or second
    return first * sign_of_surd(
        x * x + y * y * d - e * (z * z + w * w * d), 2 * (x * y - e * z * w), d
    )


def rational(alpha: int, beta: int) -> Direction:
    return Direction(alpha, 0, beta, 0, 0)


def turn(u: Direction, v: Direction) -> int:
    """The sign of `alpha_u beta_v - beta_u alpha_v`: 1 where v lies less than half a turn
    counter-clockwise from u.
    """
    return sign_of_two_surds(
        u.a * v.x - u.x * v.a,
        u.b * v.x - u.y * v.a,
        u.a * v.y - u.x * v.b,
        u.b * v.y - u.y * v.b,
        u.d,
        v.d,
    )


def half(u: Direction) -> int:
    """0 for angles in [0, pi) from (1, 0), 1 for those in [pi, 2 pi)."""
    up = sign_of_surd(u.x, u.y, u.d)
    return 0 if up > 0 or (up == 0 and sign_of_surd(u.a, u.b, u.d) > 0) else 1


def compare(u: Direction, v: Direction) -> int:
    """The sign of the difference of the angles of u and v, in [0, 2 pi) from (1, 0)."""
    return half(u) - half(v) or -turn(u, v)


def value_sign(function: Values, form: Form, alpha: int, beta: int) -> int:
    """The sign of a function at a rational direction."""
    p, q, *c = function
    return sign_of_surd(
        (p * alpha + q * beta) * form.unit, c[0] if c else 0, form((alpha, beta)) * form.unit
    )


def discriminant(function: Values, form: Form) -> int:
    """D: positive where a function, not constant, changes sign on the circle of a definite form, 0
    where it touches zero.
    """
    p, q, c = function
    (a, b), (_, e) = form.matrix
    return form.unit * (p * (e * p - b * q) + q * (a * q - b * p)) - c * c * form.determinant


def sign_changes(function: Values, form: Form) -> tuple[Direction, Direction] | None:
    """Where a function goes from not positive to positive, counter-clockwise, and back; None where
    it does not.
    """
    p, q, c = function if len(function) == 3 else (*function, 0)
    if not c or form.matrix == NO_ROOT.matrix:
        return (rational(q, -p), rational(-q, p)) if p or q else None
    (a, b), (_, e) = form.matrix
    adjoint = (e * p - b * q, a * q - b * p)
    if not form.determinant and not p * adjoint[0] + q * adjoint[1]:
        return _at_the_kernel(function, form)
    d = discriminant((p, q, c), form)
    if d <= 0 or not (p or q):
        return None
    rise, fall = (Direction(-c * adjoint[0], -k * q, -c * adjoint[1], k * p, d) for k in (-1, 1))
    return rise, fall


def _at_the_kernel(function: Values, form: Form) -> tuple[Direction, Direction] | None:
    """A function of the form's one coordinate and its absolute value, linear on either side of
    where that is 0.
    """
    kernel = form.kernel
    if kernel is None:
        raise Rejected("a form of determinant 0 has no kernel")
    left, right = (value_sign(function, form, -k * kernel[1], k * kernel[0]) > 0 for k in (1, -1))
    if left == right:
        return None
    ahead, behind = rational(*kernel), rational(-kernel[0], -kernel[1])
    return (ahead, behind) if left else (behind, ahead)
