"""Directions of a pencil that are known as the one zero of a function in an interval, to any
precision asked for.

They stand beside :class:`exact.geometry.pencils.pencil.Direction`, whose coordinates are quadratic
surds: behind several norms a crossing is an algebraic number of higher degree. Whether two of them
are equal is decided exactly, through the common zeros of their eliminants (see
exact.arithmetic.root_towers).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from exact.arithmetic.numbers import Ball, Polynomial, Rational, ball_bounds, ball_precision
from exact.arithmetic.root_towers import RootPoint, halved, isolated_roots, real_root_bound
from exact.arithmetic.surds import Surd, sign
from exact.errors import Undecided
from exact.geometry.pencils.nested_functions import NestedFunction, quarter
from exact.geometry.pencils.pencil import Direction, dyadic_direction, zeros

if TYPE_CHECKING:
    import sympy

# enclosures are narrowed to these many bits before equality is decided by algebra
_CLOSE = (64, 128)
_MOST_BITS = 1 << 14


class IsolatedDirection:
    """The direction with diamond angle `quadrant + t`, where t is the only zero in (low, high) of a
    function or polynomial.

    One of `function`, which is made when it is needed, and `polynomial` changes sign there, from
    one end of the interval to the other; a rational t has low = high. The enclosure only ever
    shrinks.
    """

    def __init__(
        self,
        quadrant: int,
        low: Rational,
        high: Rational,
        function: Callable[[], NestedFunction] | None = None,
        polynomial: Polynomial | None = None,
    ) -> None:
        self.quadrant, self.low, self.high = quadrant, low, high
        self._make, self._polynomial = function, polynomial
        self._sign_low = 0

    def __getstate__(self) -> dict[str, Any]:
        """The enclosure, and the function itself in place of what makes it."""
        function = None if self._make is None else self._function
        coefficients = None if self._polynomial is None else self._polynomial.coeffs()
        return {
            "enclosure": (self.quadrant, self.low, self.high),
            "function": function,
            "polynomial": coefficients,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        function, polynomial = state["function"], state["polynomial"]
        made = None if function is None else lambda: function
        factor = None if polynomial is None else Polynomial(polynomial)
        self.__init__(*state["enclosure"], made, factor)  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        """Whether both are the same direction, decided exactly; Undecided as `compare` is."""
        if not isinstance(other, IsolatedDirection):
            return NotImplemented
        if self is other or (self._is_within(other) or other._is_within(self)):
            return True
        return self.compare(other) == 0

    def __hash__(self) -> int:
        return hash(self.quadrant)

    def _is_within(self, other: IsolatedDirection) -> bool:
        """Whether the other one has this enclosure's zero too, because it has the same function on
        a wider one.
        """
        inside = (
            self.quadrant == other.quadrant and other.low <= self.low <= self.high <= other.high
        )
        if not inside or self._make is None or other._make is None:
            return False
        mine, its = self._function, other._function
        return mine.row == its.row and mine.chain.steps == its.chain.steps

    @property
    def definition(self) -> NestedFunction | Polynomial | None:
        """The function that changes sign at t, or the polynomial; None where t is known to be
        rational.
        """
        return self._polynomial if self._make is None else self._function

    @cached_property
    def _function(self) -> NestedFunction:
        assert self._make is not None, "a rational direction has no function"
        return self._make()

    @property
    def near(self) -> Direction:
        """A rational direction inside the enclosure."""
        return Direction.rational(*dyadic_direction(self.quadrant + (self.low + self.high) / 2))

    @property
    def polynomial(self) -> Polynomial:
        """A square-free polynomial that vanishes at t; Undecided when its degree would be too
        high.
        """
        return self._polynomial if self._polynomial is not None else self._function.eliminant

    def refine(self, bits: int) -> None:
        """Narrow the enclosure to at most 2^-bits."""
        width = Rational(1, 1 << bits)
        while self.high - self.low > width:
            if not self._proposed(width):
                self._cut_at((self.low + self.high) / 2)

    @property
    def point(self) -> RootPoint:
        """t as a zero of its polynomial; Undecided when its degree would be too high."""
        if self.low == self.high or self._polynomial is not None:
            return RootPoint(self._polynomial or Polynomial([-self.low, 1]), self.low, self.high)
        return next(
            p for p in isolated_roots(self.polynomial, self.low, self.high) if self.vanishes_at(p)
        )

    def diamond(self, bits: int) -> tuple[Rational, Rational]:
        """Rational bounds on the diamond angle in [0, 4), less than 2^-bits apart."""
        self.refine(bits)
        return self.quadrant + self.low, self.quadrant + self.high

    def coordinates(self, bits: int) -> tuple[Ball, Ball]:
        """Enclosures of (alpha, beta) on the diamond |alpha| + |beta| = 1, to about 2^-bits."""
        self.refine(bits)
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        alpha, beta = dyadic_direction(self.quadrant + middle)
        with ball_precision(bits + 64):
            spread = Ball(0, Ball(half).upper())
            return Ball(alpha) + spread, Ball(beta) + spread

    def sympy(self) -> tuple[sympy.Expr, sympy.Expr]:
        """Exact (alpha, beta) on the diamond, t in roots or a `sympy.CRootOf`; Undecided when its
        degree would be too high.
        """
        import sympy

        found = self.quadratic()
        t = _root_sympy(self.point) if found is None else local_surd(found)[1].sympy()
        alpha, beta = (sympy.Integer(int(c.p)) + int(k.p) * t for c, k in quarter(self.quadrant))
        return alpha, beta

    def quadratic(self) -> Direction | None:
        """The same direction with coordinates a + b sqrt(d), where what defines it shows them:
        behind one norm at most.
        """
        if self.low == self.high:
            return self.near
        if self._polynomial is not None:
            roots, pairs = _quadratic_roots(self._polynomial), quarter(self.quadrant)
            found = [Direction(*(Surd(c + k * t.a, k * t.b, t.d) for c, k in pairs)) for t in roots]
        elif (pencil := self._function.pencil) is not None:
            known = zeros(*pencil)
            found = [*known.simple, *known.tangent]
        else:
            return None
        return next(
            (direction for direction in found if self._encloses(*local_surd(direction))), None
        )

    def _encloses(self, quadrant: int, t: Surd) -> bool:
        return quadrant == self.quadrant and t.compare(Surd(self.low)) >= 0 >= t.compare(
            Surd(self.high)
        )

    def compare(self, other: Direction | IsolatedDirection) -> int:
        """The sign of angle(self) - angle(other), both counted from (1, 0) in [0, 2 pi).

        Raises Undecided where equality would need an eliminant of too high a degree.
        """
        if isinstance(other, IsolatedDirection):
            return self.quadrant - other.quadrant or self._compare_isolated(other)
        if other.alpha.is_rational and other.beta.is_rational:
            quadrant, t = local(other.alpha.a, other.beta.a)
            return self.quadrant - quadrant or self.compare_rational(t)
        quadrant, root = local_surd(other)
        return self.quadrant - quadrant or self._compare_isolated(_isolated(quadrant, root))

    def compare_rational(self, t: Rational) -> int:
        """The sign of its t minus a rational t."""
        if self.low < t < self.high and self._cut_at(t):
            return 0
        if self.low == self.high == t:
            return 0
        return 1 if t <= self.low else -1

    def vanishes_at(self, point: RootPoint) -> bool:
        """Whether this is the algebraic number `point`, which lies in the enclosure."""
        if self._polynomial is not None:
            return point.sign_of(self._polynomial) == 0
        return self._function.sign_at_point(point) == 0

    def _compare_isolated(self, other: IsolatedDirection) -> int:
        bits, decided = _CLOSE[0], False
        while bits <= _MOST_BITS:
            order = self._order(other)
            if order is not None:
                return order
            if bits > _CLOSE[1] and not decided:
                if self._is_equal(other):
                    return 0
                decided = True
            self.refine(bits)
            other.refine(bits)
            bits *= 2
        raise Undecided(
            "two crossings on a curve are closer than 2^-16384 of a turn",
            value=(float(self), float(other)),
            remedy="scale the weights; the points differ but no short rational separates them",
        )

    def _order(self, other: IsolatedDirection) -> int | None:
        """The order as far as the enclosures tell it."""
        if self.low == self.high:
            return -other.compare_rational(self.low)
        if other.low == other.high:
            return self.compare_rational(other.low)
        if self.high <= other.low:
            return -1
        return 1 if other.high <= self.low else None

    def _is_equal(self, other: IsolatedDirection) -> bool:
        low, high = max(self.low, other.low), min(self.high, other.high)
        common = self.polynomial.gcd(other.polynomial)
        points = isolated_roots(common, low, high) if common.degree() > 0 and low < high else []
        return any(self.vanishes_at(point) and other.vanishes_at(point) for point in points)

    def __float__(self) -> float:
        """The diamond angle, float64."""
        self.refine(60)
        middle = self.quadrant + (self.low + self.high) / 2
        return int(middle.p) / int(middle.q)

    def _sign_at(self, t: Rational) -> int:
        if self._polynomial is not None:
            return sign(Rational(self._polynomial(t)))
        return self._function.sign_at(t)

    def _cut_at(self, t: Rational) -> bool:
        """Keep the side of t that holds the zero; True when the zero is t itself."""
        if self._sign_low == 0:
            self._sign_low = self._sign_at(self.low)
        at = self._sign_at(t)
        if at == 0:
            self.low = self.high = t
        elif at == self._sign_low:
            self.low = t
        else:
            self.high = t
        return at == 0

    def _proposed(self, width: Rational) -> bool:
        """Try the interval that Newton's method proposes; False when it does not hold the zero."""
        if self._polynomial is not None:
            self.low, self.high = halved(self._polynomial, self.low, self.high)
            return True
        middle, gap = (self.low + self.high) / 2, self.high - self.low
        bits = int(gap.q).bit_length() - int(gap.p).bit_length()
        with ball_precision(2 * max(bits, 32) + 64):
            jet = self._function.over(middle, Rational(0))
            if not jet.is_monotone():
                return False
            shift = ball_bounds((jet.middle[0] / jet.middle[1]).mid())[0]
        # Newton doubles the bits; 2^8 for the curvature
        reach = max(width / 2, Rational(1, 1 << max(0, 2 * bits - 8)))
        grid = 8 << int(1 / reach).bit_length()
        centre = Rational(int((middle - shift) * grid), grid)
        if not (self.low < centre - reach and centre + reach < self.high):
            return False
        before = self.high - self.low
        self._cut_at(centre - reach)
        if self.low < self.high:
            self._cut_at(centre + reach)
        return self.high - self.low < before / 2


def local(alpha: Rational, beta: Rational) -> tuple[int, Rational]:
    """The quadrant of a rational direction and its t, with diamond angle quadrant + t."""
    if alpha > 0 and beta >= 0:
        return 0, beta / (alpha + beta)
    if alpha <= 0 and beta > 0:
        return 1, alpha / (alpha - beta)
    if alpha < 0:
        return 2, beta / (alpha + beta)
    return 3, alpha / (alpha - beta)


def local_surd(direction: Direction) -> tuple[int, Surd]:
    """The quadrant of a direction and its t, with diamond angle quadrant + t."""
    alpha, beta = direction.alpha, direction.beta
    x, y = alpha.sign(), beta.sign()
    if x > 0 and y >= 0:
        return 0, beta * (alpha + beta).inverse()
    if x <= 0 and y > 0:
        return 1, alpha * (alpha - beta).inverse()
    if x < 0:
        return 2, beta * (alpha + beta).inverse()
    return 3, alpha * (alpha - beta).inverse()


def _isolated(quadrant: int, t: Surd) -> IsolatedDirection:
    """The direction with diamond angle `quadrant + t`."""
    value = t.rational_value()
    if value is not None:
        return IsolatedDirection(quadrant, value, value)
    polynomial = Polynomial([t.a * t.a - t.b * t.b * t.d, -2 * t.a, 1])
    bound = real_root_bound(polynomial)
    points = isolated_roots(polynomial, -bound, bound)
    point = points[0] if t.b < 0 else points[1]
    return IsolatedDirection(quadrant, point.low, point.high, polynomial=polynomial)


def _quadratic_roots(polynomial: Polynomial) -> list[Surd]:
    """The zeros of a square-free polynomial of degree one or two, real ones; [] for one of a higher
    degree.
    """
    if polynomial.degree() > 2:
        return []
    if polynomial.degree() == 1:
        return [Surd(-polynomial[0] / polynomial[1])]
    c, b, a = (Rational(x) for x in polynomial.coeffs())
    square = b * b - 4 * a * c
    if square < 0:
        return []
    return [Surd(-b / (2 * a), k / (2 * a), square) for k in (Rational(1), Rational(-1))]


def _root_sympy(point: RootPoint) -> sympy.Expr:
    """The zero of the irreducible factor that vanishes at the point: in roots up to degree two,
    else as `sympy.CRootOf`.
    """
    import sympy

    if point.low == point.high:
        return sympy.Rational(int(point.low.p), int(point.low.q))
    low, high = point.low, point.high
    factor = next(
        f
        for f, _ in point.polynomial.factor()[1]
        if sign(Rational(f(low))) * sign(Rational(f(high))) < 0
    )
    for root in _quadratic_roots(factor):
        if root.compare(Surd(low)) >= 0 >= root.compare(Surd(high)):
            return root.sympy()
    before = isolated_roots(factor, min(-real_root_bound(factor), low), low)
    coefficients = [sympy.Rational(int(c.p), int(c.q)) for c in factor.coeffs()[::-1]]
    return sympy.CRootOf(sympy.Poly(coefficients, sympy.Symbol("t")), len(before))
