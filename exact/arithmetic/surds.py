"""Signs of expressions with square roots, decided by squaring; no float, no tolerance.

Two fields occur. On one plane-and-circle crossing every coordinate is `a + b sqrt(d)`. Comparing
crossings of two different planes brings in `x + y sqrt(d) + z sqrt(e) + w sqrt(d e)`
(mathematics.md, "Signs of square roots"). Radicands are non-negative rationals; square factors are
never taken out, because signs do not need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exact.arithmetic.nearest import exact_root, nearest_of, nearest_root
from exact.arithmetic.numbers import Ball, Rational, nearest_float
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput

if TYPE_CHECKING:
    import sympy

_ZERO = Rational(0)


def sign(value: Rational) -> int:
    """The sign of a rational: -1, 0 or 1."""
    return (value > 0) - (value < 0)


def sign_of_surd(a: Rational, b: Rational, d: Rational) -> int:
    """The sign of `a + b sqrt(d)` for a radicand `d >= 0`: compare a^2 with b^2 d.

    >>> from exact.arithmetic.numbers import Rational
    >>> sign_of_surd(Rational(3), Rational(-2), Rational(2))   # 3 - 2 sqrt(2) = 0.17...
    1
    """
    first, second = sign(a), sign(b) if d > 0 else 0
    return first or second if first * second >= 0 else first * sign(a * a - b * b * d)


def sign_of_biquadratic(
    x: Rational, y: Rational, z: Rational, w: Rational, d: Rational, e: Rational
) -> int:
    """The sign of `x + y sqrt(d) + z sqrt(e) + w sqrt(d e)` for radicands `d, e >= 0`.

    Writes it as `p + q sqrt(e)` with p, q in Q(sqrt d); when p and q disagree in sign, p^2 - e q^2
    decides, which is again a surd of `d`.
    """
    first = sign_of_surd(x, y, d)
    second = sign_of_surd(z, w, d) if e > 0 else 0
    if first * second >= 0:
        return first or second
    constant = x * x + y * y * d - e * (z * z + w * w * d)
    return first * sign_of_surd(constant, 2 * (x * y - e * z * w), d)


@short_repr
@dataclass(frozen=True)
class Surd:
    """The real number `a + b sqrt(d)` with rational a, b and d >= 0.

    Arithmetic stays inside one field: adding or multiplying numbers with different irrational
    radicands raises InvalidInput, because such a sum is not a surd.
    """

    a: Rational
    b: Rational = _ZERO
    d: Rational = _ZERO

    @property
    def is_rational(self) -> bool:
        """Whether the root is written with a zero coefficient or radicand."""
        return self.b == 0 or self.d == 0

    def sign(self) -> int:
        """The sign: -1, 0 or 1."""
        return sign_of_surd(self.a, self.b, self.d)

    def _radicand(self, other: Surd) -> Rational:
        if other.is_rational:
            return self.d
        if not self.is_rational and self.d != other.d:
            raise InvalidInput(
                "a sum or product of square roots of different radicands is no a + b sqrt(d)",
                value=f"radicands {self.d} and {other.d}",
                remedy="compare them with .compare(), or compute with .sympy()",
            )
        return other.d

    def __add__(self, other: Surd) -> Surd:
        return Surd(self.a + other.a, self._b + other._b, self._radicand(other))

    def __sub__(self, other: Surd) -> Surd:
        return self + other.scaled(Rational(-1))

    def __mul__(self, other: Surd) -> Surd:
        d = self._radicand(other)
        return Surd(
            self.a * other.a + self._b * other._b * d, self.a * other._b + self._b * other.a, d
        )

    @property
    def _b(self) -> Rational:
        return _ZERO if self.is_rational else self.b

    def scaled(self, factor: Rational) -> Surd:
        """This number times a rational."""
        return Surd(self.a * factor, self.b * factor, self.d)

    def inverse(self) -> Surd:
        """The reciprocal; ZeroDivisionError when the number is zero."""
        if self.is_rational:
            return Surd(1 / self.a, _ZERO, self.d)
        norm = self.a * self.a - self.b * self.b * self.d
        if norm == 0:  # a^2 = b^2 d with the number nonzero: sqrt(d) is rational and equals a / b
            return Surd(1 / (2 * self.a), _ZERO, self.d) if self.sign() else Surd(1 / _ZERO)
        return Surd(self.a / norm, -self.b / norm, self.d)

    def compare(self, other: Surd) -> int:
        """The sign of `self - other`, for any two radicands."""
        return sign_of_biquadratic(self.a - other.a, self._b, -other._b, _ZERO, self.d, other.d)

    def sympy(self) -> sympy.Expr:
        """The number as a SymPy expression, the root simplified."""
        import sympy

        a, b, d = (sympy.Rational(int(x.p), int(x.q)) for x in (self.a, self.b, self.d))
        return a + b * sympy.sqrt(d)

    def ball(self) -> Ball:
        """An enclosure at the working precision."""
        return Ball(self.a) + Ball(self._b) * Ball(self.d).sqrt()

    def __float__(self) -> float:
        """The float64 nearest to the number, whatever cancels between the two terms."""
        value = self.rational_value()
        return nearest_of(lambda _: self.ball()) if value is None else nearest_float(value)

    def root_float(self) -> float:
        """The float64 nearest to the square root of the number, which is not negative."""
        value = self.rational_value()
        return nearest_of(lambda _: self.ball().sqrt()) if value is None else nearest_root(value)

    def rational_value(self) -> Rational | None:
        """The number as a rational, where it is one."""
        if self.is_rational:
            return self.a
        root = exact_root(self.d)
        return None if root is None else self.a + self.b * root


def sign_of_surd_product(p: Surd, q: Surd, r: Surd, s: Surd) -> int:
    """The sign of `p q - r s`, where p, r share one radicand and q, s another."""
    d, e = p._radicand(r), q._radicand(s)
    return sign_of_biquadratic(
        p.a * q.a - r.a * s.a,
        p._b * q.a - r._b * s.a,
        p.a * q._b - r.a * s._b,
        p._b * q._b - r._b * s._b,
        d,
        e,
    )
