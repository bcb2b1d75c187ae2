"""Nearest floats over the whole range of float64, against mpmath and against integers."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest

from exact.arithmetic.nearest import (
    exact_root,
    exponent,
    in_range,
    nearest_of,
    nearest_root,
    short_rational,
)
from exact.arithmetic.numbers import Ball, Rational
from exact.arithmetic.surds import Surd


def q(value: Fraction | int) -> Rational:
    return Rational(Fraction(value).numerator, Fraction(value).denominator)


def is_nearest(found: float, square: Fraction) -> bool:
    """Whether `found` is nearest to the root: the middles to its neighbours lie on either side of
    it.
    """
    low, high = (
        (Fraction(found) + Fraction(math.nextafter(found, to))) / 2 for to in (-math.inf, math.inf)
    )
    return max(low, Fraction(0)) ** 2 <= square <= high**2


SQUARES = [
    Fraction(2),
    Fraction(1, 3),
    Fraction(10) ** 600,
    Fraction(1, 10**600),
    Fraction(7, 10**645),
    Fraction(5, 3**1350),
    (Fraction(2**53) + Fraction(1, 2)) ** 2 + Fraction(1, 2**900),
    Fraction(9, 4),
    Fraction(1, 2**2146),
]


@pytest.mark.parametrize("square", SQUARES)
def test_roots(square: Fraction) -> None:
    assert is_nearest(nearest_root(q(square)), square)


def test_roots_at_the_ends_of_the_range() -> None:
    assert nearest_root(q(0)) == 0.0
    assert nearest_root(q(Fraction(10) ** 700)) == math.inf
    assert nearest_root(q(Fraction(1, 10**700))) == 0.0
    assert nearest_root(q(Fraction(2) ** -2148)) == 5e-324
    assert exact_root(q(Fraction(49, 4))) == Rational(7, 2)
    assert exact_root(q(Fraction(49, 5))) is None


@pytest.mark.parametrize("power", [0, -1060, -1073, 1000, -500])
def test_enclosures_are_rounded_once(power: int) -> None:
    """Also where float64 is subnormal, which a rounding to 53 bits before would get wrong."""
    with mpmath.workprec(2000):
        known = mpmath.ldexp(mpmath.sqrt(2), power)
        _, mantissa, exp, _ = known._mpf_
    scale = q(Fraction(2) ** power)
    assert nearest_of(lambda _: Ball(2).sqrt() * Ball(scale)) == float(
        Fraction(int(mantissa)) * Fraction(2) ** int(exp)
    )


def test_what_cancels_or_is_unknown_at_first_asks_for_more_bits() -> None:
    asked = list[int]()

    def enclose(bits: int) -> Ball | None:
        asked.append(bits)
        return None if bits < 500 else Ball(2).sqrt() - Ball(q(Fraction(665857, 470832)))

    with mpmath.workprec(300):
        assert nearest_of(enclose) == float(mpmath.sqrt(2) - mpmath.mpf(665857) / 470832)
    assert asked == [128, 256, 512]
    assert nearest_of(lambda _: Ball(2).sqrt() - Ball(2).sqrt()) == 0.0
    assert float(Surd(q(1), q(-1), q(1))) == 0.0
    assert float(Surd(q(0), q(1), q(Fraction(10) ** 700))) == math.inf


def test_short_rationals_of_any_size() -> None:
    for value in (
        Fraction(1, 3),
        -(Fraction(10) ** 400) / 7,
        Fraction(1, 10**400),
        Fraction(0),
        Fraction(5),
    ):
        short = short_rational(q(value), 24)
        found = Fraction(int(short.p), int(short.q))
        assert abs(found - value) <= abs(value) / 2**23
        assert int(short.p) // (int(short.p) & -int(short.p) or 1) < 2**25


def test_scaling_into_range_is_by_one_power_of_two() -> None:
    row = [q(Fraction(3, 7) * Fraction(10) ** e) for e in (-200, -210, -220)]
    scaled = in_range(row)
    assert abs(exponent(scaled[0])) <= 1
    assert {x / y for x, y in zip(scaled, row, strict=True)} == {Rational(1 << -exponent(row[0]))}
    assert in_range([q(0), q(0)]) == [q(0), q(0)]
