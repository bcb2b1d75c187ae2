"""Towers of square roots: signs, eliminants and certified roots of polynomials, against numbers
known by hand.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact import Undecided
from exact.arithmetic.numbers import Polynomial, Rational, ball_precision, square_free
from exact.arithmetic.root_towers import (
    Nested,
    RationalPoint,
    RootPoint,
    degree_bound,
    eliminant,
    isolated_roots,
    on_interval,
    sign_at,
    sign_at_rational,
)

ZERO, ONE, TWO = Rational(0), Rational(1), Rational(2)
T = Nested.polynomial([ZERO, ONE])


def number(value: int | str) -> Nested:
    fraction = Fraction(value)
    return Nested.polynomial([Rational(fraction.numerator, fraction.denominator)])


def minus(first: Nested, second: Nested) -> Nested:
    return first + second.scaled(Rational(-1))


ROOT_TWO = number(2).root()
NESTED = (number(3) + ROOT_TWO.scaled(TWO)).root()  # sqrt(3 + 2 sqrt 2) = 1 + sqrt 2


def test_a_root_times_itself_is_its_radicand() -> None:
    assert (NESTED * NESTED).terms == (number(3) + ROOT_TWO.scaled(TWO)).terms


def test_a_nested_root_that_is_no_new_number_is_seen_to_be_equal() -> None:
    gap = minus(NESTED, number(1) + ROOT_TWO)
    assert sign_at_rational(gap, ZERO) == 0
    assert sign_at_rational(gap + number(Fraction(1, 2**200)), ZERO) == 1  # type: ignore[arg-type]
    assert sign_at_rational(gap + number(Fraction(-1, 2**200)), ZERO) == -1  # type: ignore[arg-type]


@given(st.lists(st.integers(-9, 9), min_size=8, max_size=8))
def test_signs_agree_with_floats(c: list[int]) -> None:
    """All combinations of 1, sqrt 2, sqrt(5 + sqrt 2), sqrt(7 - sqrt(5 + sqrt 2)) and products of
    these.
    """
    first = number(2).root()
    second = (number(5) + first).root()
    third = minus(number(7), second).root()
    terms = [
        number(1),
        first,
        second,
        first * second,
        third,
        first * third,
        second * third,
        first * second * third,
    ]
    total = number(0)
    for k, term in zip(c, terms, strict=True):
        total = total + term.scaled(Rational(k))
    a, b = sqrt(2), sqrt(5 + sqrt(2))
    d = sqrt(7 - b)
    value = sum(k * x for k, x in zip(c, [1, a, b, a * b, d, a * d, b * d, a * b * d], strict=True))
    assert abs(value) < 1e-9 or sign_at_rational(total, ZERO) == (value > 0) - (value < 0)


def test_an_eliminant_of_two_roots_is_a_quartic_with_the_zero_among_its_own() -> None:
    first = (T * T + number(1)).root()
    second = (first.scaled(Rational(3)) + T).root()
    element = minus(second, number(2))  # 3 sqrt(t^2 + 1) + t = 4: 8 t^2 + 8 t - 7 = 0
    found = square_free(eliminant(element, ZERO, ONE))
    assert degree_bound(element) == 4
    assert found == Polynomial([-7, 8, 8]) or found.gcd(Polynomial([-7, 8, 8])).degree() == 2
    point = isolated_roots(Polynomial([-7, 8, 8]), ZERO, ONE)[0]
    assert sign_at(element, point) == 0


def test_the_eliminant_of_what_vanishes_identically_is_zero_and_only_then() -> None:
    absolute = (T * T).root()  # |t|, a root that is no root
    assert eliminant(minus(absolute, T), ONE, TWO).degree() < 0
    assert eliminant(minus(absolute, T), -TWO, -ONE).degree() >= 0
    both = absolute + T  # 2 t for positive t
    found = eliminant(both, ONE, TWO)
    assert found.degree() == 1 and found(ZERO) == 0


def test_too_high_a_degree_is_refused() -> None:
    element = T
    for k in range(7):
        element = (element + number(k + 1)).root()
    with pytest.raises(Undecided, match="degree"):
        eliminant(element + T, ZERO, ONE)


def test_signs_at_algebraic_points() -> None:
    (root,) = isolated_roots(Polynomial([-2, 0, 1]), ONE, TWO)
    assert root.sign_of(Polynomial([-2, 0, 1])) == 0
    assert root.sign_of(Polynomial([0, -2, 0, 1])) == 0
    assert root.sign_of(Polynomial([Rational(-141421356237309504880168872, 10**26), 1])) == 1
    assert root.sign_of(Polynomial([Rational(-141421356237309504880168873, 10**26), 1])) == -1
    assert root.sign_of(Polynomial([])) == 0
    exact = RootPoint(Polynomial([-1, 1]), ONE, ONE)
    assert exact.sign_of(Polynomial([-1, 1])) == 0 and exact.sign_of(Polynomial([0, 1])) == 1
    assert RationalPoint(ONE).sign_of(Polynomial([-3, 1])) == -1


@given(
    st.lists(st.integers(-6, 6), min_size=1, max_size=6, unique=True),
    st.integers(-7, 7),
    st.integers(0, 7),
)
def test_roots_in_an_interval_are_all_there_in_order_ends_included(
    roots: list[int], low: int, width: int
) -> None:
    product = Polynomial([1, 0, 1])  # no real zero
    for root in roots:
        product *= Polynomial([-root, 1])
    found = isolated_roots(product, Rational(low), Rational(low + width))
    inside = [root for root in sorted(roots) if low <= root <= low + width]
    assert [root.sign_of(Polynomial([-k, 1])) for root, k in zip(found, inside, strict=True)] == [
        0
    ] * len(inside)
    assert all(
        root.low == root.high or product(root.low) * product(root.high) < 0 for root in found
    )


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=5),
    st.integers(-4, 4),
    st.integers(0, 6),
    st.integers(0, 10),
)
def test_an_enclosure_on_an_interval_holds_the_values(
    c: list[int], low: int, width: int, k: int
) -> None:
    polynomial, a, b = Polynomial(c), Rational(low), Rational(low + width)
    inside = a + (b - a) * Rational(k, 10)
    ball = on_interval(polynomial, a, b)
    with ball_precision(128):
        assert (ball - polynomial(inside)).contains(0)


def test_real_roots_are_sorted_and_square_free_parts_keep_zeros() -> None:
    found = isolated_roots(square_free(Polynomial([0, 0, 6, -5, 1])), Rational(-9), Rational(9))
    assert [float(Fraction(int(root.low.p), int(root.low.q))) for root in found] == pytest.approx(
        [0, 2, 3]
    )
    assert (
        isolated_roots(Polynomial([5]), ZERO, ONE)
        == isolated_roots(Polynomial([0]), ZERO, ONE)
        == []
    )


@pytest.mark.parametrize("power", [1, 300, 700])
def test_zeros_of_very_different_sizes_and_neighbours_are_separated(power: int) -> None:
    """3 zeros at 2^-k times 1, 2 and 1 + 2^-k, and at 1 -+ 2^-k, of a polynomial whose coefficients
    are 2^(4 k) apart.
    """
    unit = Rational(1, 1 << power)
    known = sorted(
        [unit, 2 * unit, unit + unit * unit, 1 - unit, 1 + unit][: 5 if power > 1 else 1]
    )
    product = Polynomial([3, 0, 1])
    for root in known:
        product *= Polynomial([-root, 1])
    found = isolated_roots(product, Rational(-1, 16), Rational(17, 16))
    inside = [root for root in known if root <= Rational(17, 16)]
    assert len(found) == len(inside)
    assert all(root.low <= k <= root.high for root, k in zip(found, inside, strict=True))
    assert all(one.high < other.low for one, other in pairwise(found))


@pytest.mark.parametrize("power", [1, 60, 1500])
def test_two_zeros_that_nearly_meet(power: int) -> None:
    """-(t - 1/3)^2 + e: none, or two close to 1/3, rational ones and others."""
    third, unit = Rational(1, 3), Rational(1, 1 << power)
    for gap, count in ((-unit, 0), (unit * unit, 2), (2 * unit * unit, 2)):
        found = isolated_roots(
            Polynomial([gap - third * third, 2 * third, -1]), Rational(-2), Rational(2)
        )
        assert len(found) == count
        assert all((root.low - third) * (root.high - third) > 0 for root in found)
        assert all(one.high < other.low for one, other in pairwise(found))
        assert all((root.low - third) ** 2 <= gap <= (root.high - third) ** 2 for root in found[1:])
    cut = isolated_roots(
        Polynomial([unit * unit - third * third, 2 * third, -1]), third, third + unit
    )
    assert [(root.low, root.high) for root in cut] == [(third + unit, third + unit)]


def test_a_root_alone_has_the_sign_of_its_radicand() -> None:
    assert sign_at_rational(ROOT_TWO, ZERO) == 1
    assert sign_at_rational(ROOT_TWO.scaled(Rational(-3)), ZERO) == -1
    assert sign_at_rational((T * T).root().scaled(Rational(-1)), ONE) == -1
    assert sign_at_rational((T * T).root(), ZERO) == 0
