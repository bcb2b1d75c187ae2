"""Surds: signs against mpmath at 2,000 bits and against values that are zero by construction."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import mpmath
import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from exact import InvalidInput
from exact.arithmetic.numbers import ball_precision
from exact.arithmetic.surds import Surd, sign_of_biquadratic, sign_of_surd, sign_of_surd_product
from tests.exact.reference import q, real, sign

BITS = 2000
LARGE = st.integers(1, 10**20)
NUMBERS = st.one_of(
    st.integers(-3, 3).map(Fraction), st.builds(Fraction, st.integers(-(10**20), 10**20), LARGE)
)
RADICANDS = st.one_of(
    st.integers(0, 9).map(Fraction), st.builds(Fraction, st.integers(0, 10**20), LARGE)
)
FACTORS = st.builds(Fraction, st.integers(-9, 9), st.integers(1, 9))


def value_of(
    x: Fraction, y: Fraction, z: Fraction, w: Fraction, d: Fraction, e: Fraction
) -> mpmath.mpf:
    with mpmath.workprec(BITS):
        root_d, root_e = mpmath.sqrt(real(d)), mpmath.sqrt(real(e))
        return real(x) + real(y) * root_d + real(z) * root_e + real(w) * root_d * root_e


def expected_sign(*form: Fraction) -> int:
    """The sign by 2,000 bits; anything below 2^-1900 is a tie by construction of the examples."""
    value = value_of(*form)
    return 0 if abs(value) < mpmath.mpf(2) ** -1900 else sign(value)


def biquadratic(*form: Fraction) -> int:
    return sign_of_biquadratic(*(q(x) for x in form))


@given(NUMBERS, NUMBERS, RADICANDS)
def test_sign_of_surd(a: Fraction, b: Fraction, d: Fraction) -> None:
    zero = Fraction(0)
    assert sign_of_surd(q(a), q(b), q(d)) == expected_sign(a, b, zero, zero, d, zero)


def convergents(d: int, bits: int) -> list[Fraction]:
    """Continued fraction convergents of sqrt(d), until the denominator has `bits` bits."""
    m, k, a = 0, 1, isqrt(d)
    before, here = (1, 0), (a, 1)
    found = [Fraction(a)]
    while here[1].bit_length() < bits:
        m = k * a - m
        k = (d - m * m) // k
        a = (isqrt(d) + m) // k
        before, here = here, (a * here[0] + before[0], a * here[1] + before[1])
        found.append(Fraction(*here))
    return found


@pytest.mark.parametrize("d", [2, 3, 7, 61, 991])
def test_sign_of_surd_next_to_zero(d: int) -> None:
    """The last convergents are closer to sqrt(d) than 2^-400; each lies on the other side of it
    than the one before.
    """
    found = convergents(d, 205)
    with mpmath.workprec(BITS):
        assert abs(real(found[-1]) - mpmath.sqrt(d)) < mpmath.mpf(2) ** -400
    for k, fraction in enumerate(found):
        side = 1 if fraction * fraction > d else -1
        assert side == (-1 if k % 2 == 0 else 1)
        assert sign_of_surd(q(fraction), q(-1), q(d)) == side
        assert sign_of_surd(q(-fraction), q(1), q(d)) == -side
        assert Surd(q(fraction)).compare(Surd(q(0), q(1), q(d))) == side


@given(FACTORS, FACTORS)
def test_sign_of_surd_at_exact_zeros(a: Fraction, b: Fraction) -> None:
    """a + b sqrt(a^2 / b^2) is zero when a and b differ in sign; the radicand is then a perfect
    square.
    """
    assume(b != 0)
    assert sign_of_surd(q(a), q(b), q(a * a / b / b)) == (0 if a * b <= 0 else sign(a))
    assert sign_of_surd(q(a), q(b), q(0)) == sign(a)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, RADICANDS, RADICANDS)
def test_sign_of_biquadratic(
    x: Fraction, y: Fraction, z: Fraction, w: Fraction, d: Fraction, e: Fraction
) -> None:
    assert biquadratic(x, y, z, w, d, e) == expected_sign(x, y, z, w, d, e)


@given(st.tuples(*[FACTORS] * 4), st.tuples(FACTORS, FACTORS), st.sampled_from([1, 2, 3, 6]))
def test_sign_of_biquadratic_when_the_roots_are_dependent(
    form: tuple[Fraction, Fraction, Fraction, Fraction], roots: tuple[Fraction, Fraction], k: int
) -> None:
    """sqrt(s^2 k) and sqrt(t^2 k) are |s| sqrt(k) and |t| sqrt(k), so the form is a surd of k,
    often exactly zero.
    """
    (x, y, z, w), (s, t) = form, map(abs, roots)
    rest, root = x + w * s * t * k, y * s + z * t
    if k == 1:
        rest, root = rest + root, Fraction(0)
    if rest * root >= 0:
        known = sign(rest) or sign(root)
    else:
        known = sign(rest) * sign(rest * rest - root * root * k)
    assert biquadratic(x, y, z, w, s * s * k, t * t * k) == known


@given(FACTORS, FACTORS, FACTORS, FACTORS, st.integers(2, 30), st.integers(2, 30))
def test_sign_of_biquadratic_at_products_that_vanish(
    a: Fraction, b: Fraction, c: Fraction, k: Fraction, d: int, e: int
) -> None:
    """(a + b sqrt d)(c + k sqrt e) has the sign of its factors, zero included, also for d or e a
    square.
    """
    first, second = (
        expected_sign(u, v, *map(Fraction, (0, 0, n, 0))) for u, v, n in ((a, b, d), (c, k, e))
    )
    assert biquadratic(a * c, b * c, a * k, b * k, Fraction(d), Fraction(e)) == first * second


@pytest.mark.parametrize(
    "form",
    [
        (5, 0, 0, 2, 2, 3),  # 5 + 2 sqrt 6 = (sqrt 2 + sqrt 3)^2, not zero
        (0, 1, -1, 0, 8, 8),
        (-4, 0, 0, 1, 2, 8),  # sqrt 16 = 4
        (0, 2, -1, 0, 2, 8),  # 2 sqrt 2 = sqrt 8
        (-5, 1, 1, 0, 4, 9),
        (6, -3, -2, 1, 4, 9),
        (0, 0, 0, 0, 2, 3),
        (1, -1, 0, 0, 1, 7),
        (-1, 0, 1, 0, 5, 1),
        (3, 2, 5, 4, 0, 0),
        (-1, 5, 1, 7, 0, 1),
    ],
)
@pytest.mark.parametrize(
    "nudge", [Fraction(0), Fraction(1, 2**200), Fraction(-1, 2**200), Fraction(1, 2**1000)]
)
def test_sign_of_biquadratic_by_sympy(form: tuple[int, ...], nudge: Fraction) -> None:
    x, y, z, w, d, e = (sympy.Integer(number) for number in form)
    base = sympy.simplify(x + y * sympy.sqrt(d) + z * sympy.sqrt(e) + w * sympy.sqrt(d * e))
    known = sign(nudge) if base == 0 else int(sympy.sign(base))
    assert biquadratic(form[0] + nudge, *map(Fraction, form[1:])) == known


def test_nested_root_written_as_a_form_is_zero() -> None:
    """sqrt 2 + sqrt 3 - sqrt(5 + 2 sqrt 6) = 0, squared into (5 + 2 sqrt 6) - (sqrt 2 + sqrt 3)^2
    over d = 6, e = 24.
    """
    assert sympy.sqrtdenest(sympy.sqrt(2) + sympy.sqrt(3) - sympy.sqrt(5 + 2 * sympy.sqrt(6))) == 0
    assert biquadratic(*map(Fraction, (5 - 2 - 3, 2, -1, 0, 6, 24))) == 0
    assert biquadratic(Fraction(-1, 2**300), *map(Fraction, (2, -1, 0, 6, 24))) == -1


@given(
    st.tuples(*[FACTORS] * 3),
    st.integers(2, 50),
    st.integers(2, 50),
    st.sampled_from([-3, -1, 0, 1, 2]),
)
def test_sign_of_biquadratic_next_to_zero(
    form: tuple[Fraction, ...], d: int, e: int, step: int
) -> None:
    """The constant is the negative rest rounded to 220 bits, plus a step: the value is within
    2^-218 of zero.
    """
    y, z, w = form
    rest = value_of(Fraction(0), y, z, w, Fraction(d), Fraction(e))
    with mpmath.workprec(BITS):
        x = Fraction(step - int(mpmath.floor(rest * mpmath.mpf(2) ** 220)), 2**220)
    assert biquadratic(x, y, z, w, Fraction(d), Fraction(e)) == expected_sign(
        x, y, z, w, Fraction(d), Fraction(e)
    )


SURDS = st.sampled_from([0, 1, 2, 5, Fraction(9, 4), Fraction(2, 3)]).flatmap(
    lambda d: st.tuples(*[st.builds(lambda a, b: Surd(q(a), q(b), q(d)), FACTORS, FACTORS)] * 3)
)


def is_equal(first: Surd, second: Surd) -> bool:
    return (first - second).sign() == 0 == first.compare(second)


@given(SURDS)
def test_field_laws(numbers: tuple[Surd, Surd, Surd]) -> None:
    a, b, c = numbers
    assert is_equal(a + b, b + a)
    assert is_equal(a * b, b * a)
    assert is_equal((a + b) + c, a + (b + c))
    assert is_equal((a * b) * c, a * (b * c))
    assert is_equal(a * (b + c), a * b + a * c)
    assert is_equal(a - a, Surd(q(0)))
    assert is_equal(a.scaled(q(3)), a + a + a)
    if a.sign():
        assert is_equal(a * a.inverse(), Surd(q(1)))
    else:
        with pytest.raises(ZeroDivisionError):
            a.inverse()


CONJUGATES = [
    (3, 1, 9),
    (3, 2, Fraction(9, 4)),
    (-1, -1, 1),
    (Fraction(2, 3), 2, Fraction(1, 9)),
    (5, 0, 2),
]


@pytest.mark.parametrize(("a", "b", "d"), CONJUGATES)
def test_inverse_where_the_conjugate_vanishes(a: Fraction, b: Fraction, d: Fraction) -> None:
    """The root is rational here, and a - b sqrt(d) = 0 although a + b sqrt(d) is not."""
    number = Surd(q(a), q(b), q(d))
    assert is_equal(number * number.inverse(), Surd(q(1)))


@given(SURDS)
def test_order_is_that_of_the_reals(numbers: tuple[Surd, Surd, Surd]) -> None:
    with mpmath.workprec(BITS):
        values = [real(x.a) + real(x.b) * mpmath.sqrt(real(x.d)) for x in numbers]
        for x, value in zip(numbers, values, strict=True):
            assert x.sign() == (0 if abs(value) < mpmath.mpf(2) ** -1900 else sign(value))
            assert abs(sympy.N(x.sympy(), 60) - sympy.Float(value, 60)) < sympy.Float("1e-50")
            assert abs(float(x) - value) <= mpmath.mpf(2) ** -52 * abs(value)
        assert (numbers[0] * numbers[1]).sign() == sign(values[0]) * sign(values[1])


@given(NUMBERS, NUMBERS, RADICANDS, NUMBERS, NUMBERS, RADICANDS)
def test_compare_across_radicands(
    a: Fraction, b: Fraction, d: Fraction, c: Fraction, k: Fraction, e: Fraction
) -> None:
    first, second = Surd(q(a), q(b), q(d)), Surd(q(c), q(k), q(e))
    assert (
        first.compare(second)
        == -second.compare(first)
        == expected_sign(a - c, b, -k, Fraction(0), d, e)
    )


@given(st.tuples(*[NUMBERS] * 8), RADICANDS, RADICANDS)
def test_sign_of_surd_product(parts: tuple[Fraction, ...], d: Fraction, e: Fraction) -> None:
    p, r = (Surd(q(a), q(b), q(d)) for a, b in (parts[:2], parts[2:4]))
    s, t = (Surd(q(a), q(b), q(e)) for a, b in (parts[4:6], parts[6:]))
    with mpmath.workprec(BITS):
        values = [real(x.a) + real(x.b) * mpmath.sqrt(real(x.d)) for x in (p, s, r, t)]
        difference = values[0] * values[1] - values[2] * values[3]
        known = 0 if abs(difference) < mpmath.mpf(2) ** -1800 else sign(difference)
    assert sign_of_surd_product(p, s, r, t) == known


def test_different_radicands_do_not_mix() -> None:
    two, three = Surd(q(0), q(1), q(2)), Surd(q(0), q(1), q(3))
    for attempt in (lambda: two + three, lambda: two - three, lambda: two * three):
        with pytest.raises(InvalidInput, match="square roots of different radicands"):
            attempt()
    assert is_equal(two + Surd(q(5)), Surd(q(5), q(1), q(2)))
    assert is_equal(Surd(q(5), q(0), q(3)) * two, Surd(q(0), q(5), q(2)))


@given(NUMBERS, NUMBERS, RADICANDS, st.sampled_from([53, 200, 700]))
def test_ball_encloses(a: Fraction, b: Fraction, d: Fraction, bits: int) -> None:
    with ball_precision(bits):
        ball = Surd(q(a), q(b), q(d)).ball()
        middle, radius = ball.mid().man_exp(), ball.rad().man_exp()
    with mpmath.workprec(BITS):
        centre, reach = (mpmath.ldexp(mpmath.mpf(int(m)), int(e)) for m, e in (middle, radius))
        value = real(a) + real(b) * mpmath.sqrt(real(d))
        assert abs(value - centre) <= reach + mpmath.mpf(2) ** -1900
        assert reach <= (abs(real(a)) + abs(real(b)) * (mpmath.sqrt(real(d)) + 1)) * mpmath.mpf(
            2
        ) ** (6 - bits)


@pytest.mark.parametrize("d", [2, 61])
def test_float_survives_cancellation(d: int) -> None:
    """However close a convergent comes to sqrt(d), the difference has all the digits of a
    float64.
    """
    root = Surd(q(0), q(1), q(d))
    for close in convergents(d, 250):
        with mpmath.workprec(BITS):
            known = real(close) - mpmath.sqrt(d)
            assert abs(float(Surd(q(close), q(-1), q(d))) / known - 1) < 2.0**-50
            assert abs(float(Surd(q(close)) - root) / known - 1) < 2.0**-50


def test_float_of_a_rational_is_nearest() -> None:
    assert float(Surd(q(Fraction(1, 3)))) == 1 / 3
    assert float(Surd(q(0), q(2), q(2)) - Surd(q(0), q(2), q(2))) == 0.0
