"""Functions around an ellipse, and where they change sign.

The points are `centre + (alpha u + beta v) / N`, and every hinge is `p alpha + q beta + r N + c M`,
M the root of a form F / unit in (alpha, beta, N). Lines through the point alpha = -1 of the conic N
= 1 meet it once more: with the cosine k over a denominator d, at `alpha = d (c^2 - s^2)`, `beta = 2
s (d c + k s)`, `N = d (c^2 + s^2) + 2 k c s`, once for every direction (c : s). The cotangent -c /
s runs from minus to plus infinity while (alpha : beta) makes a turn from (1, 0) on, where it is
infinite. So a hinge is `A + c M` with polynomials A and F of degree 2 and 4 in it, and 0 only where
`unit A^2 - c^2 F` is: between two roots of that (of A, where it is 0 throughout) it has one sign,
seen at a rational point. Roots are isolated and told apart by Sturm's theorem: the polynomial, its
derivative and the remainders behind them change their signs so many times less at b than at a as
there are roots between, if a and b are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd

from exact.check.functions.pencils import Form, sign, sign_of_surd
from exact.check.records import Integers, Rejected, Values

Polynomial = list[int]  # the constant first, without zeros at the end


class Place:
    """A root of a polynomial by its cotangent: the one strictly between `low` and `high`, which are
    none, or `low` itself where both are equal; the seam, at infinity, where there is none.
    """

    def __init__(self, chain: list[Polynomial], low: Fraction, high: Fraction) -> None:
        self.chain, self.low, self.high = chain, low, high

    @property
    def is_seam(self) -> bool:
        """Whether it is the point (1, 0), where the ellipse starts."""
        return not self.chain

    def refine(self) -> None:
        """Halve the interval."""
        if self.low == self.high:
            return
        middle = (self.low + self.high) / 2
        if not value(self.chain[0], middle):
            self.low = self.high = middle
        elif count(self.chain, self.low, middle):
            self.high = middle
        else:
            self.low = middle


SEAM = Place([], Fraction(0), Fraction(0))


def at(cotangent: Fraction) -> Place:
    """A rational place."""
    linear = [-cotangent.numerator, cotangent.denominator]
    return Place(chain_of(linear), cotangent, cotangent)


def compare(one: Place, other: Place) -> int:
    """The sign of the difference of two places around the ellipse, from the seam on."""
    if one.is_seam or other.is_seam:
        return other.is_seam - one.is_seam
    together: list[Polynomial] | None = None
    while True:
        exact = one.low == one.high, other.low == other.high
        if all(exact):
            return sign_of(one.low - other.low)
        if one.high <= other.low or other.high <= one.low:
            return -1 if one.high <= other.low else 1
        low, high = max(one.low, other.low), min(one.high, other.high)
        if any(exact) and not value((other if exact[0] else one).chain[0], low):
            return 0
        if not any(exact):
            together = together or chain_of(common(one.chain[0], other.chain[0]))
            if count(together, low, high):
                return 0
        one.refine()
        other.refine()


# ---- polynomials


def sign_of(number: Fraction) -> int:
    return sign(number.numerator)


def trimmed(polynomial: Sequence[int]) -> Polynomial:
    """Without zeros at the end, divided by the common divisor."""
    found = list(polynomial)
    while found and not found[-1]:
        found.pop()
    divisor = gcd(*found) if found else 1
    return [x // divisor for x in found]


def product(a: Polynomial, b: Polynomial) -> Polynomial:
    found = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            found[i + j] += x * y
    return found


def value(polynomial: Polynomial, at: Fraction) -> int:
    """A positive multiple of the value."""
    found, power = 0, 1
    for x in reversed(polynomial):
        found = found * at.numerator + x * power
        power *= at.denominator
    return found


def remainder(a: Polynomial, b: Polynomial) -> Polynomial:
    """A positive multiple of the remainder of a by b."""
    size, direction = abs(b[-1]), sign(b[-1])
    while len(a) >= len(b):
        lead, shift = direction * a[-1], len(a) - len(b)
        a = trimmed(
            [size * x - lead * (b[i - shift] if i >= shift else 0) for i, x in enumerate(a)]
        )
    return a


def chain_of(polynomial: Polynomial) -> list[Polynomial]:
    """A polynomial, its derivative, and the remainders with the other sign; empty for zero."""
    chain = [polynomial, trimmed([i * x for i, x in enumerate(polynomial)][1:])]
    while chain[-1]:
        chain.append([-x for x in remainder(chain[-2], chain[-1])])
    return chain[:-1] if polynomial else []


def common(a: Polynomial, b: Polynomial) -> Polynomial:
    """The greatest common divisor."""
    while b:
        a, b = b, remainder(a, b)
    return a


def count(chain: list[Polynomial], low: Fraction, high: Fraction) -> int:
    """The number of different roots between two points that are none."""
    return _changes(chain, low) - _changes(chain, high)


def _changes(chain: list[Polynomial], at: Fraction) -> int:
    signs = [x for x in (sign(value(polynomial, at)) for polynomial in chain) if x]
    return sum(x != y for x, y in pairwise(signs))


def roots(polynomial: Polynomial) -> list[Place]:
    """The different real roots in order, with disjoint intervals."""
    chain = chain_of(polynomial)
    if not chain:
        return []
    # Cauchy's bound, and beyond
    reach = Fraction(2 + max(map(abs, polynomial)) // abs(polynomial[-1]))
    return _between(chain, -reach, reach)


def _between(chain: list[Polynomial], low: Fraction, high: Fraction) -> list[Place]:
    number = count(chain, low, high)
    if number <= 1:
        return [Place(chain, low, high)] * number
    middle = (low + high) / 2
    left = right = middle
    if not value(chain[0], middle):
        gap = (high - low) / 4
        while (
            not value(chain[0], middle - gap)
            or not value(chain[0], middle + gap)
            or count(chain, middle - gap, middle + gap) > 1
        ):
            gap /= 2
        left, right = middle - gap, middle + gap
    here = [Place(chain, middle, middle)] if left < right else []
    return [*_between(chain, low, left), *here, *_between(chain, right, high)]


# ---- functions


@dataclass(frozen=True)
class Conic:
    """`alpha^2 + 2 k alpha beta + beta^2 = 1` with k = cosine / denominator."""

    cosine: int
    denominator: int

    def coordinates(self, c: int, s: int) -> Values:
        """(alpha, beta, N) of the direction (c : s)."""
        d, k = self.denominator, self.cosine
        return d * (c * c - s * s), 2 * s * (d * c + k * s), d * (c * c + s * s) + 2 * k * c * s

    def value_sign(self, function: Values, form: Form | None, c: int, s: int) -> int:
        """The sign of a function in the direction (c : s)."""
        point = self.coordinates(c, s)
        linear = sum(x * y for x, y in zip(function, point, strict=False))
        if form is None:
            return sign(linear)
        return sign_of_surd(linear * form.unit, function[3], form(point) * form.unit)

    def sign_changes(self, function: Values, form: Form | None) -> list[tuple[Place, bool]]:
        """Where a function becomes positive (True), and where it is so no more, from the seam
        on.
        """
        linear = self._linear(function)
        square = list[int]()
        if form is not None and function[3]:
            terms = zip(product(linear, linear), self._form(form), strict=True)
            square = trimmed([form.unit * x - function[3] ** 2 * y for x, y in terms])
        places = roots(square or trimmed(linear))
        samples = [
            places[0].low - 1 if places else Fraction(0),
            *((a.high + b.low) / 2 for a, b in pairwise(places)),
            *(place.high + 1 for place in places[-1:]),
        ]
        signs = [self.value_sign(function, form, -x.numerator, x.denominator) > 0 for x in samples]
        around = zip([SEAM, *places], [signs[-1], *signs], signs, strict=False)
        return [(place, after) for place, before, after in around if before != after]

    def zeros(self, form: Form) -> list[Place]:
        """Where a form is zero, which is nowhere negative."""
        polynomial = trimmed(self._form(form))
        if not polynomial:
            raise Rejected("the norm is undefined all around the ellipse")
        at_seam = [SEAM] if len(polynomial) < 5 else []
        return [*at_seam, *roots(polynomial)]

    def _basis(self) -> list[Polynomial]:
        """(alpha, beta, N) as polynomials in the cotangent: at c = -x, s = 1."""
        d, k = self.denominator, self.cosine
        return [[-d, 0, d], [2 * k, -2 * d, 0], [d, -2 * k, d]]

    def _linear(self, function: Values) -> Polynomial:
        basis = self._basis()
        return [sum(x * p[i] for x, p in zip(function, basis, strict=False)) for i in range(3)]

    def _form(self, form: Form) -> Polynomial:
        basis, found = self._basis(), [0] * 5
        for row, p in zip(form.matrix, basis, strict=True):
            for x, q in zip(row, basis, strict=True):
                found = [z + x * y for z, y in zip(found, product(p, q), strict=True)]
        return found


def conic_of(cosine: Integers) -> Conic:
    """Raises Rejected for what is no cosine of an angle between 0 and pi."""
    top, bottom = cosine
    if not -bottom < top < bottom:
        raise Rejected("domain: not the cosine of an angle")
    return Conic(top, bottom)
