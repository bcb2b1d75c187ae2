"""Numbers and functions with nested square roots, in a tower of fields: exact signs by conjugation.

An element is `sum_S p_S(t) prod_{i in S} N_i` with rational polynomials p_S; the root N_i > 0 has a
radicand that contains only earlier roots. With the last root taken out, an element is `a + b N`,
and its sign follows from the signs of a, b and of its norm `a^2 - b^2 Q`, as for a quadratic surd;
at the bottom are signs of polynomials. Taking norms until no root is left gives the eliminant: a
polynomial in t that vanishes wherever the element does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt
from typing import Protocol

from exact.arithmetic.numbers import Ball, Polynomial, Rational, ball_precision
from exact.arithmetic.surds import sign
from exact.errors import Undecided

HIGHEST_DEGREE = 64
"""Eliminants of a higher degree are not computed: what needs one is undecided."""

_MOST_BITS = 1 << 14
_NARROW = 64  # how often an interval with one zero is halved
_ZERO, _HALF = Rational(0), Rational(1, 2)


class Point(Protocol):
    """A real number t at which polynomials have exact signs."""

    def sign_of(self, polynomial: Polynomial) -> int:
        """The sign of a polynomial at the point."""


@dataclass(frozen=True)
class RationalPoint:
    """A rational t."""

    t: Rational

    def sign_of(self, polynomial: Polynomial) -> int:
        return sign(Rational(polynomial(self.t)))


@dataclass(frozen=True)
class RootPoint:
    """The only zero of a square-free polynomial between `low` and `high`; a sign change, or low =
    high.
    """

    polynomial: Polynomial
    low: Rational
    high: Rational

    def sign_of(self, polynomial: Polynomial) -> int:
        if self.low == self.high:
            return sign(Rational(polynomial(self.low)))
        common = self.polynomial.gcd(polynomial)
        if polynomial.degree() < 0 or (common.degree() > 0 and self._vanishes(common)):
            return 0
        low, high = self.low, self.high
        while True:
            value = on_interval(polynomial, low, high)
            if not value.contains(0):
                return 1 if bool(value > 0) else -1
            low, high = halved(self.polynomial, low, high)

    def _vanishes(self, divisor: Polynomial) -> bool:
        """Whether a divisor of the polynomial vanishes here: it changes sign, because all its zeros
        are simple.
        """
        return sign(Rational(divisor(self.low))) * sign(Rational(divisor(self.high))) < 0


def halved(polynomial: Polynomial, low: Rational, high: Rational) -> tuple[Rational, Rational]:
    """The half of an interval in which the only, simple zero of a polynomial lies; low = high when
    it is the middle.
    """
    middle = (low + high) / 2
    at = sign(Rational(polynomial(middle)))
    if at == 0:
        return middle, middle
    return (middle, high) if at == sign(Rational(polynomial(low))) else (low, middle)


def on_interval(polynomial: Polynomial, low: Rational, high: Rational) -> Ball:
    """An enclosure of the values of a polynomial on an interval: the value in the middle, and
    bounds on all derivatives.
    """
    middle, half = (low + high) / 2, (high - low) / 2
    # in powers of t - middle
    first, *rest = polynomial(Polynomial([middle, 1])).coeffs() or [Rational(0)]
    spread = sum((abs(c) * half ** (k + 1) for k, c in enumerate(rest)), Rational(0))
    with ball_precision(64 + max(0, int(spread.q).bit_length() - int(spread.p).bit_length())):
        return Ball(first) + Ball(0, Ball(spread).upper())


@dataclass(frozen=True, eq=False)
class Nested:
    """An element of the tower: the polynomial at every set of roots (bit i of the key is root i),
    and their radicands.
    """

    terms: Mapping[int, Polynomial]
    radicands: tuple[Nested, ...] = ()

    @classmethod
    def polynomial(cls, coefficients: list[Rational]) -> Nested:
        """A polynomial in t, from the constant coefficient on."""
        return cls(_kept({0: Polynomial(coefficients)}))

    def __add__(self, other: Nested) -> Nested:
        terms = dict(self.terms)
        for key, p in other.terms.items():
            terms[key] = terms[key] + p if key in terms else p
        return Nested(_kept(terms), self._above(other))

    def __mul__(self, other: Nested) -> Nested:
        radicands = self._above(other)
        return Nested(_product(self.terms, other.terms, radicands), radicands)

    def scaled(self, factor: Rational) -> Nested:
        """This element times a rational."""
        return Nested(_kept({key: p * factor for key, p in self.terms.items()}), self.radicands)

    def root(self) -> Nested:
        """The square root of this element, as one more root of the tower."""
        return Nested({1 << len(self.radicands): Polynomial([1])}, (*self.radicands, self))

    def times_root(self, square: Rational) -> Nested:
        """This element times the root of a positive rational."""
        top, bottom = isqrt(int(square.p)), isqrt(int(square.q))
        if top * top == square.p and bottom * bottom == square.q:
            return self.scaled(Rational(top, bottom))
        return self * Nested({0: Polynomial([square])}, self.radicands).root()

    def one(self) -> Nested:
        """The constant 1."""
        return Nested({0: Polynomial([1])}, self.radicands)

    def at(self, t: Rational) -> Nested:
        """The number that this function takes at a rational t."""
        return Nested(
            _kept({key: Polynomial([p(t)]) for key, p in self.terms.items()}),
            tuple(q.at(t) for q in self.radicands),
        )

    @property
    def is_empty(self) -> bool:
        """Whether it is written with no term at all; other ways of writing zero exist when a
        radicand is a square.
        """
        return not self.terms

    @property
    def top(self) -> int:
        """One more than the number of the last root that occurs; 0 for a polynomial."""
        return max(self.terms, default=0).bit_length()

    def split(self) -> tuple[Nested, Nested, Nested]:
        """a, b and Q with `self = a + b N`, for the last root N = sqrt(Q) that occurs."""
        bit = 1 << (self.top - 1)
        a = {key: p for key, p in self.terms.items() if not key & bit}
        b = {key ^ bit: p for key, p in self.terms.items() if key & bit}
        return Nested(a, self.radicands), Nested(b, self.radicands), self.radicands[self.top - 1]

    def norm(self) -> Nested:
        """`a^2 - b^2 Q`: this element times its conjugate, without the last root."""
        a, b, radicand = self.split()
        return a * a + (b * b * radicand).scaled(Rational(-1))

    def _above(self, other: Nested) -> tuple[Nested, ...]:
        return max(self.radicands, other.radicands, key=len)


def _kept(terms: Mapping[int, Polynomial]) -> dict[int, Polynomial]:
    return {key: p for key, p in terms.items() if p.degree() >= 0}


def _product(
    first: Mapping[int, Polynomial], second: Mapping[int, Polynomial], radicands: tuple[Nested, ...]
) -> dict[int, Polynomial]:
    """The product of two sums; a root that occurs twice is replaced by its radicand."""
    total: dict[int, Polynomial] = {}
    for x, p in first.items():
        for y, q in second.items():
            part: Mapping[int, Polynomial] = {x ^ y: p * q}
            for i in range((x & y).bit_length()):
                if x & y & (1 << i):
                    part = _product(part, radicands[i].terms, radicands)
            for key, r in part.items():
                total[key] = total[key] + r if key in total else r
    return _kept(total)


def sign_at(element: Nested, point: Point) -> int:
    """The exact sign of an element at a point where all its radicands are non-negative."""
    if element.top == 0:
        return point.sign_of(element.terms.get(0, Polynomial([0])))
    a, b, radicand = element.split()
    first, second = sign_at(a, point), sign_at(b, point)
    if first == 0 and second != 0:
        return second * sign_at(radicand, point)
    if first * second >= 0:
        return first
    return first * sign_at(element.norm(), point)


def sign_at_rational(element: Nested, t: Rational) -> int:
    """The exact sign of an element at a rational t."""
    return sign_at(element.at(t), RationalPoint(t))


def degree_bound(element: Nested) -> int:
    """A bound on the degree of the eliminant."""
    sizes: list[int] = []
    for radicand in element.radicands:
        sizes.append((_degree(radicand, sizes) + 1) // 2)
    return _degree(element, sizes) << _root_count(element)


def _degree(element: Nested, sizes: list[int]) -> int:
    """The growth of an element, a root of growth 2 d counting as d."""
    grown = (
        int(p.degree()) + sum(size for i, size in enumerate(sizes) if key >> i & 1)
        for key, p in element.terms.items()
    )
    highest: int = max(grown, default=0)
    return highest


def _root_count(element: Nested) -> int:
    """The number of roots that occur in the element or in radicands of roots that do."""
    seen, open_keys = 0, list(element.terms)
    while open_keys:
        new = open_keys.pop() & ~seen
        seen |= new
        open_keys += [
            key
            for i in range(new.bit_length())
            if new >> i & 1
            for key in element.radicands[i].terms
        ]
    return seen.bit_count()


def eliminant(element: Nested, low: Rational, high: Rational) -> Polynomial:
    """A polynomial that vanishes wherever the element does; the zero polynomial iff the element
    vanishes on (low, high).

    All radicands are positive inside the interval. When a norm vanishes identically, one of the two
    conjugates does: either the element itself, or it equals 2 a. Raises Undecided when the degree
    could exceed HIGHEST_DEGREE.
    """
    if degree_bound(element) > HIGHEST_DEGREE:
        raise Undecided(
            "an eliminant has a high degree",
            value=f"degree up to {degree_bound(element)}",
            remedy=f"up to {HIGHEST_DEGREE} can be done",
        )
    return _eliminant(element, low, high)


def _eliminant(element: Nested, low: Rational, high: Rational) -> Polynomial:
    if element.top == 0:
        return element.terms.get(0, Polynomial([0]))
    found = _eliminant(element.norm(), low, high)
    if found.degree() >= 0:
        return found
    rational_part = element.split()[0]
    found = _eliminant(rational_part, low, high)
    if found.degree() < 0:
        return found
    t = next(t for t in points_between(low, high) if sign_at_rational(rational_part, t))
    return found if sign_at_rational(element, t) else Polynomial([0])


def points_between(low: Rational, high: Rational) -> Iterator[Rational]:
    """Endlessly many different rational points inside an interval."""
    k = 2
    while True:
        for i in range(1, k, 2):
            yield low + (high - low) * Rational(i, k)
        k *= 2


def isolated_roots(polynomial: Polynomial, low: Rational, high: Rational) -> list[RootPoint]:
    """The zeros of a square-free polynomial in [low, high], in order, in disjoint intervals at
    whose ends it is not zero.

    A zero at a rational number that the isolation hits has low = high. Intervals are halved until
    Descartes' rule of signs tells, all in rationals, so that coefficients of any sizes end, and a
    caller's limit on time can be kept; they come out 2^-64 as wide as that.
    """
    if polynomial.degree() < 1:
        return []
    if polynomial.degree() == 2:
        return [
            found
            for root in _of_quadratic(polynomial)
            if (found := _clipped(root, low, high)) is not None
        ]
    roots = [RootPoint(polynomial, end, end) for end in {low, high} if polynomial(end) == 0]
    stack = [(polynomial(Polynomial([low, high - low])), low, high - low, 0)] if low < high else []
    while stack:
        part, start, width, depth = stack.pop()
        changes = _sign_changes(part)
        if changes == 1:
            roots.append(_narrowed(polynomial, start, start + width))
        if changes < 2:
            continue
        if depth > _MOST_BITS:
            raise Undecided(
                "two zeros of a polynomial are too close to be separated",
                value=f"degree {polynomial.degree()}",
                remedy="scale the weights",
            )
        half, middle = width / 2, start + width / 2
        if part(_HALF) == 0:
            roots.append(RootPoint(polynomial, middle, middle))
        stack += [
            (_primitive(part(Polynomial([shift, _HALF]))), begin, half, depth + 1)
            for shift, begin in ((_ZERO, start), (_HALF, middle))
        ]
    return _apart(sorted(roots, key=lambda root: (root.low, root.high)))


def _of_quadratic(polynomial: Polynomial) -> list[RootPoint]:
    """Both real zeros by the formula: those of hinges behind one norm may lie 2^-1000 apart, which
    takes long to halve to.
    """
    c, b, a = (int(x) for x in polynomial.numer().coeffs())
    square = b * b - 4 * a * c
    if square <= 0:  # not 0, as the polynomial is square-free
        return []
    power = max(0, _NARROW - square.bit_length() // 2)
    root = isqrt(square << 2 * power)
    beyond = root if root * root == square << 2 * power else root + 1
    unit = Rational(1, 2 * a) / (1 << power)
    ends = [
        sorted((s - (b << power)) * unit for s in pair)
        for pair in ((-beyond, -root), (root, beyond))
    ]
    return [RootPoint(polynomial, *pair) for pair in (ends if a > 0 else ends[::-1])]


def _clipped(root: RootPoint, low: Rational, high: Rational) -> RootPoint | None:
    """The root when it lies in [low, high]; narrowed until that is known."""
    a, b = root.low, root.high
    for end in (low, high):
        if a <= end <= b and root.polynomial(end) == 0:
            return RootPoint(root.polynomial, end, end)
    while a < low < b or a < high < b:
        a, b = halved(root.polynomial, a, b)
    return RootPoint(root.polynomial, a, b) if low <= a and b <= high else None


def _sign_changes(polynomial: Polynomial) -> int:
    """Descartes' bound on the number of zeros in the open interval (0, 1), which is exact when it
    is 0 or 1.

    It counts the sign changes among the coefficients of (1 + x)^n p(1 / (1 + x)), whose positive
    zeros are meant.
    """
    seen = Polynomial(polynomial.coeffs()[::-1])(Polynomial([1, 1]))
    signs = [sign(c) for c in seen.coeffs() if c != 0]
    return sum(a != b for a, b in pairwise(signs))


def _primitive(polynomial: Polynomial) -> Polynomial:
    """A positive multiple with small coefficients."""
    return Polynomial(polynomial.numer())


def _narrowed(polynomial: Polynomial, low: Rational, high: Rational) -> RootPoint:
    """The only zero inside an interval, at whose ends others may lie: halved 64 times, and until
    none lies there.
    """
    slope, count = polynomial.derivative(), 0
    # the sign just behind low
    rising = sign(Rational(polynomial(low))) or sign(Rational(slope(low)))
    while count < _NARROW or polynomial(low) == 0 or polynomial(high) == 0:
        middle = (low + high) / 2
        at = sign(Rational(polynomial(middle)))
        if at == 0:
            return RootPoint(polynomial, middle, middle)
        low, high = (middle, high) if at == rising else (low, middle)
        count += 1
    return RootPoint(polynomial, low, high)


def _apart(roots: list[RootPoint]) -> list[RootPoint]:
    """The same zeros with enclosures that do not touch."""
    for k in range(len(roots) - 1):
        while roots[k].high >= roots[k + 1].low:
            for i in (k, k + 1):
                root = roots[i]
                if root.low < root.high:
                    roots[i] = RootPoint(
                        root.polynomial, *halved(root.polynomial, root.low, root.high)
                    )
    return roots


def real_root_bound(polynomial: Polynomial) -> Rational:
    """A number beyond the absolute values of all zeros (Cauchy)."""
    *rest, leading = polynomial.coeffs()
    return 1 + max((abs(c / leading) for c in rest), default=_ZERO)
