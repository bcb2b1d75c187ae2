"""Functions with nested roots along a quarter of directions: three rings must agree, and enclosures
must enclose.
"""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact.arithmetic.numbers import Rational, ball_precision
from exact.arithmetic.root_towers import sign_at_rational
from exact.geometry.pencils.nested_functions import (
    Chain,
    Constants,
    FormRoot,
    LineRoot,
    NestedFunction,
    SkipProduct,
    combination,
    quarter,
)
from exact.geometry.pencils.pencil import dyadic_direction

ZERO, ONE = Rational(0), Rational(1)
PARTS = st.integers(1, 99).map(lambda k: Rational(k, 100))


def rationals(*values: int) -> tuple[Rational, ...]:
    return tuple(map(Rational, values))


def chain(quadrant: int) -> Chain:
    """sqrt(2 a^2 + a b + b^2) = N, sqrt(N^2 + (a + b)^2 + 2 N b ...), and the product of a skip
    connection.
    """
    first = Chain(quadrant).extended(FormRoot((rationals(2, 0), rationals(0, 1))))
    second = first.extended(FormRoot((rationals(2, 1, 0), rationals(1, 2, 0), rationals(0, 0, 1))))
    return second.extended(SkipProduct(rationals(0, 0, 1, 1), rationals(0, 0, 1)))


def by_hand(quadrant: int, t: float) -> list[float]:
    a, b = (float(c.p) + float(k.p) * t for c, k in quarter(quadrant))
    n = sqrt(2 * a * a + b * b)
    m = sqrt(2 * a * a + 2 * a * b + 2 * b * b + n * n)
    return [*(x * (n + m) for x in (a, b, n)), *(x * n for x in (a, b, n, m))]


@pytest.mark.parametrize("quadrant", range(4))
def test_a_quarter_is_the_diamond(quadrant: int) -> None:
    for t in (ZERO, Rational(1, 3), ONE):
        assert tuple(c + k * t for c, k in quarter(quadrant)) == dyadic_direction(quadrant + t)


@pytest.mark.parametrize("quadrant", range(4))
@given(t=PARTS)
def test_the_basis_has_the_values_computed_by_hand(quadrant: int, t: Rational) -> None:
    expected = by_hand(quadrant, int(t.p) / int(t.q))
    assert [float(x.ball) for x in chain(quadrant).at(t)] == pytest.approx(expected)
    assert [float(x.middle[0]) for x in chain(quadrant).over(t, ZERO)] == pytest.approx(expected)


@given(t=PARTS, row=st.lists(st.integers(-5, 5), min_size=7, max_size=7))
def test_the_tower_has_the_signs_of_the_balls(t: Rational, row: list[int]) -> None:
    basis = chain(0)
    element, value = (
        combination(rationals(*row), basis.tower),
        combination(rationals(*row), basis.at(t)).ball,
    )
    expected = 0 if not any(row) else (1 if bool(value > 0) else -1)
    assert bool(value.contains(0)) or sign_at_rational(element, t) == expected


@given(
    t=PARTS,
    width=st.integers(2, 20),
    k=st.integers(-10, 10),
    row=st.lists(st.integers(-5, 5), min_size=7, max_size=7),
)
def test_enclosures_over_an_interval_hold_values_and_slopes(
    t: Rational, width: int, k: int, row: list[int]
) -> None:
    half, basis = Rational(1, 1 << width), chain(1)
    inside = t + half * Rational(k, 10)
    with ball_precision(128):
        over, at = (
            combination(rationals(*row), basis.over(*place))
            for place in ((t, half), (inside, ZERO))
        )
        for order in range(3):
            assert (over.wide[order] - at.middle[order]).contains(0)
        assert not (over.excludes_zero() and at.middle[0].contains(0))


def test_the_second_coefficient_is_half_the_second_derivative() -> None:
    t, step = Rational(1, 3), Rational(1, 1 << 40)
    with ball_precision(256):
        low, middle, high = (chain(0).over(t + k * step, ZERO)[6].middle[0] for k in (-1, 0, 1))
        second = (low - 2 * middle + high) / (step * step) / 2
        assert float(chain(0).over(t, ZERO)[6].middle[2]) == pytest.approx(float(second), rel=1e-8)


def test_a_form_of_rank_one_goes_on_smoothly_and_constants_stay_constant() -> None:
    line = Chain(0).extended(LineRoot(Rational(2), rationals(1, -2)))
    assert [float(x.ball) for x in line.at(Rational(1, 4))][2] == pytest.approx(sqrt(2) * 0.25)
    assert sign_at_rational(line.tower[2], Rational(1, 4)) == 1
    constants = line.extended(Constants(Rational(3, 4)))
    assert [float(x.ball) for x in constants.at(Rational(1, 4))] == pytest.approx([1, sqrt(0.75)])
    assert [float(x.middle[1]) for x in constants.over(Rational(1, 4), ZERO)] == [0, 0]


def test_every_root_of_a_tower_gets_its_own_number() -> None:
    """A form without the last root must not take that root's place (|x| behind a norm that ignores
    the radius).
    """
    first = Chain(0).extended(FormRoot((rationals(1, 0), rationals(0, 1))))
    second = first.extended(FormRoot((rationals(2, 0, 0), rationals(0, 3, 0), rationals(0, 0, 0))))
    function = NestedFunction(second, rationals(0, 0, 1, -1), Rational(1, 4), Rational(3, 4))
    for k in range(1, 8):
        t = Rational(k, 8)
        a, b = 1 - k / 8, k / 8
        expected = sqrt(a * a + b * b) - sqrt(2 * a * a + 3 * b * b)
        assert sign_at_rational(function.element, t) == (expected > 0) - (expected < 0)


def test_a_function_knows_its_exact_sign_and_whether_it_is_zero() -> None:
    absolute = Chain(0).extended(FormRoot((rationals(1, -1), rationals(-1, 1))))  # |a - b|
    left = NestedFunction(absolute, rationals(1, -1, -1), Rational(0), Rational(1, 4))
    right = NestedFunction(absolute, rationals(1, -1, -1), Rational(3, 4), Rational(1))
    assert left.is_zero and not right.is_zero
    assert left.sign_at(Rational(1, 8)) == 0 and right.sign_at(Rational(7, 8)) == -1
    tiny = NestedFunction(
        absolute, (ONE + Rational(1, 1 << 500), -ONE, -ONE), Rational(0), Rational(1, 4)
    )
    assert tiny.sign_at(Rational(1, 8)) == 1
