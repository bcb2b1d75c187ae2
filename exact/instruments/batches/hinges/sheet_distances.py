"""Squared distances to hinges behind a norm with eps, compared exactly.

With a = w . P x a zero y of a hinge satisfies `n (w . y + c e)^2 = c^2 (|y|^2 + n f)` on the side
of -c, where eps is e beside the root or f under it. The circle of squared radius t around the point
touches this quadric only where the determinant of their pencil has a double zero: its discriminant
is a polynomial of degree four in t, of which the squared distance is a zero (mathematics.md,
"Nearest boundaries"). Enclosures tell two distances apart; where they do not, one zero of both
polynomials left between them says that they are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from exact.arithmetic.numbers import (
    Ball,
    Polynomial,
    Rational,
    ball_bounds,
    ball_precision,
    square_free,
)
from exact.arithmetic.root_towers import isolated_roots
from exact.arithmetic.surds import sign
from exact.networks.norms import Norm

_FIRST, _ALGEBRA = 64, 256  # bits of the first enclosures, and of those beside which zeros count
_ZERO, _ONE = Rational(0), Rational(1)


@dataclass(frozen=True)
class SheetDistance:
    """The squared distance of y = P x from the zeros of `sqrt(n) w . y + c s`: `along` is w . y,
    `square` |w|^2, `offset` c, `image` |y|^2.

    eps > 0 and c^2 < n |w|^2.
    """

    norm: Norm
    along: Rational
    square: Rational
    offset: Rational
    image: Rational

    def compare(self, other: SheetDistance) -> int:
        """The sign of this distance minus another one, of the same point."""
        if self._place == other._place:
            return 0
        both, bits = Polynomial([_ONE]), _FIRST
        while True:
            with ball_precision(bits):
                one, two = self.ball(bits), other.ball(bits)
                if one < two or one > two:
                    return -1 if one < two else 1
                low, high = ball_bounds(one.union(two))
            if bits >= _ALGEBRA:
                if both.degree() < 1:
                    both = square_free(self.polynomial() * other.polynomial())
                if len(isolated_roots(both, low, high)) == 1:
                    return 0
            bits *= 2

    @property
    def _place(self) -> tuple[Rational, Rational]:
        """What the distance depends on but for norm and |y|^2: w . y / |w| and c / |w|, with their
        signs squared; a hinge turned round is the same.
        """
        turned = -sign(self.offset) or sign(self.along)
        height = turned * sign(self.along) * self.along**2
        return height / self.square, self.offset**2 / self.square

    def ball(self, bits: int) -> Ball:
        """An enclosure at a working precision of that many bits."""
        height, offset = self._place
        if offset == 0:
            return Ball(height)
        n = Rational(self.norm.dim)
        along, rho = Ball(abs(height)).sqrt() * sign(height), Ball(self.image - abs(height)).sqrt()
        slope = Ball(offset / (n - offset)).sqrt()
        core, shift = Ball(n * self.norm.eps_under_root), Ball(0)
        if self.norm.eps_beside_root:
            eps = Ball(n).sqrt() * self.norm.eps_beside_root
            core, shift = (slope * eps) ** 2, Ball(offset * n).sqrt() / (n - offset) * eps
        low, high = _foot(along - shift, rho, slope, core, 4 * bits)
        roots = [(s * s + core).sqrt() for s in (low, high)]
        gap, turn = along - shift - slope * roots[0].union(roots[1]), low.union(high) - rho
        return gap * gap + turn * turn

    def polynomial(self) -> Polynomial:
        """A polynomial, not zero, that vanishes at the squared distance."""
        a, w, c, n = self.along, self.square, self.offset, Rational(self.norm.dim)
        if c == 0:
            return Polynomial([-a * a / w, 1])
        e, f = self.norm.eps_beside_root, self.norm.eps_under_root
        rho = self.image - a * a / w
        width, at = (rho, _ONE) if rho else (_ONE, _ZERO)  # of the coordinate across the axis
        # the pencil m A + B of quadric and circle; t stands in the last entry of B alone
        along = Polynomial([1 / w, n - c * c / w])
        across = Polynomial([width, -width * c * c])
        beside = Polynomial([-a / w, n * c * e])
        last = Polynomial([self.image, n * c * c * (e * e - f)])
        plain = across * (along * last - beside * beside) - along * (width * at) ** 2
        return _discriminant(*(Polynomial([plain[k], -(along * across)[k]]) for k in (3, 2, 1, 0)))


def _discriminant(a: Polynomial, b: Polynomial, c: Polynomial, d: Polynomial) -> Polynomial:
    """Of a m^3 + b m^2 + c m + d."""
    square = b * b * c * c - 4 * (a * c * c * c + b * b * b * d)
    return square + 18 * a * b * c * d - 27 * a * a * d * d


def _foot(height: Ball, rho: Ball, slope: Ball, core: Ball, steps: int) -> tuple[Ball, Ball]:
    """Two numbers, with the s >= 0 between them at which `slope sqrt(s^2 + core)` is nearest to
    (height, rho): half the derivative of the squared distance is negative in front of it and
    positive behind.
    """
    stretch, pull = 1 + slope * slope, slope * height

    def side(s: Ball) -> int:
        value = stretch * s - rho - pull * s / (s * s + core).sqrt()
        return int(bool(value > 0)) - int(bool(value < 0))

    low, high = Ball(0), ((rho + abs(pull)) / stretch).upper()
    for _ in range(steps):
        quarter = (high - low) / 4
        first, last = (low + quarter).mid(), (high - quarter).mid()
        left, right = side(first), side(last)
        if left > 0:
            high = first
        elif right < 0:
            low = last
        elif left < 0 or right > 0:
            low, high = first if left < 0 else low, last if right > 0 else high
        else:
            break
    return low, high
