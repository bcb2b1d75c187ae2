"""Pencils of directions: zeros, their order and their angles against mpmath."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exact.arithmetic.numbers import fraction
from exact.arithmetic.surds import Surd
from exact.geometry.pencils.pencil import (
    CIRCLE,
    Direction,
    Form,
    Frame,
    dyadic_direction,
    value_sign,
    zeros,
)
from tests.exact.reference import integers, q, real, sign

SMALL = st.builds(Fraction, st.integers(-6, 6), st.integers(1, 3))
TRIPLES = st.tuples(SMALL, SMALL, SMALL)
VECTORS = st.lists(SMALL, min_size=3, max_size=3)


def form_of(u: list[Fraction], v: list[Fraction], scale: int = 1) -> Form:
    return Form.gram([q(x) for x in u], [q(x) for x in v], q(scale))


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """A positive semidefinite form that is not zero; now and then with a kernel."""
    u, v = draw(VECTORS), draw(VECTORS)
    assume(any(u) or any(v))
    return form_of(u, v, draw(st.integers(1, 4)))


def values(direction: Direction) -> tuple[mpmath.mpf, mpmath.mpf]:
    x, y = (
        real(s.a) + real(s.b) * mpmath.sqrt(real(s.d)) for s in (direction.alpha, direction.beta)
    )
    return x, y


def value(function: tuple[Fraction, ...], form: Form, x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    p, r, c = map(real, function)
    square = real(form.a) * x * x + 2 * real(form.b) * x * y + real(form.c) * y * y
    return p * x + r * y + c * mpmath.sqrt(max(square, mpmath.mpf(0)))


def angle(direction: Direction) -> mpmath.mpf:
    x, y = values(direction)
    return mpmath.atan2(y, x) % (2 * mpmath.pi)


def test_gram_form() -> None:
    form = form_of([1, 2, 2], [0, 3, -1], 9)
    assert [fraction(x) for x in (form.a, form.b, form.c)] == [1, Fraction(4, 9), Fraction(10, 9)]
    assert fraction(form.determinant) == Fraction(74, 81)
    assert fraction(form(q(2), q(-1))) == Fraction(4 + 1 + 25, 9)
    assert form.kernel is None


@pytest.mark.parametrize(("u", "v"), [([1, 2], [-3, -6]), ([0, 0], [5, 1]), ([2, 0], [0, 0])])
def test_kernel_of_a_degenerate_form(u: list[int], v: list[int]) -> None:
    form = form_of([Fraction(x) for x in u], [Fraction(x) for x in v])
    kernel = form.kernel
    assert kernel is not None
    alpha, beta = map(fraction, kernel)
    assert (alpha, beta) != (0, 0)
    assert [alpha * a + beta * b for a, b in zip(u, v, strict=True)] == [0, 0]


@given(TRIPLES, forms(), SMALL, SMALL)
def test_value_sign(
    function: tuple[Fraction, ...], form: Form, alpha: Fraction, beta: Fraction
) -> None:
    with mpmath.workprec(1000):
        known = value(function, form, real(alpha), real(beta))
        expected = 0 if abs(known) < mpmath.mpf(2) ** -900 else sign(known)
    p, r, c = map(q, function)
    assert value_sign((p, r, c), form, q(alpha), q(beta)) == expected


@given(TRIPLES, forms())
def test_zeros_are_zeros_and_none_is_missing(function: tuple[Fraction, ...], form: Form) -> None:
    """Around each simple zero the sign changes, around the tangent one it does not, and elsewhere
    it stays.
    """
    p, r, c = map(q, function)
    assume(any(function[:2]))
    found = zeros((p, r, c), form)
    with mpmath.workprec(600):
        assert all(
            abs(value(function, form, *values(d))) < mpmath.mpf(2) ** -250
            for d in (*found.simple, *found.tangent)
        )
        assume(form.determinant != 0)
        cuts = sorted(angle(d) for d in (*found.simple, *found.tangent))
        ring = [cuts[-1] - 2 * mpmath.pi, *cuts] if cuts else [mpmath.mpf(0), 2 * mpmath.pi]
        signs = [
            {
                sign(value(function, form, mpmath.cos(t), mpmath.sin(t)))
                for t in (a + (b - a) * k / 9 for k in range(1, 9))
            }
            for a, b in pairwise(ring)
        ]
    assert all(len(each) == 1 and 0 not in each for each in signs)
    changes = sum(a != b for a, b in zip(signs, [*signs[1:], signs[0]], strict=True))
    assert changes == len(found.simple)
    assert len(found.tangent) <= 1


def test_a_function_that_vanishes_identically_reports_no_zero() -> None:
    assert zeros((q(0), q(0), q(0)), CIRCLE).simple == ()
    assert zeros((q(0), q(0), q(3)), CIRCLE).simple == ()


SECANTS = [(4, 2, 0), (-4, 2, 0), (5, 0, 1), (-5, 0, 1), (6, 0, 0), (-6, 0, 0), (0, 2, 0)]


@pytest.mark.parametrize(("c", "simple", "tangent"), SECANTS)
def test_secant_tangent_and_passing_lines(c: int, simple: int, tangent: int) -> None:
    """3 x + 4 y + c on the unit circle."""
    found = zeros((q(3), q(4), q(c)), CIRCLE)
    assert (len(found.simple), len(found.tangent)) == (simple, tangent)
    for direction in found.tangent:
        with mpmath.workprec(200):
            x, y = values(direction)
            length = mpmath.hypot(x, y)
            assert (round(5 * x / length), round(5 * y / length)) == ((-3, -4) if c > 0 else (3, 4))


@given(st.lists(st.tuples(TRIPLES, forms()), min_size=2, max_size=4))
def test_directions_are_ordered_by_their_angles(
    functions: list[tuple[tuple[Fraction, ...], Form]],
) -> None:
    found = [d for (p, r, c), form in functions for d in zeros((q(p), q(r), q(c)), form).simple]
    with mpmath.workprec(1000):
        angles = [angle(d) for d in found]
        for a, x in zip(found, angles, strict=True):
            for b, y in zip(found, angles, strict=True):
                close = min(abs(x - y), 2 * mpmath.pi - abs(x - y)) < mpmath.mpf(2) ** -900
                assert sign(a.compare(b)) == (0 if close else sign(x - y))
            assert a.half() == int(x >= mpmath.pi)


def rational_direction(alpha: int, beta: int) -> Direction:
    return Direction.rational(q(alpha), q(beta))


def test_order_of_the_eight_winds() -> None:
    winds = [
        rational_direction(*w)
        for w in ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
    ]
    assert [[sign(a.compare(b)) for b in winds] for a in winds] == [
        [sign(i - j) for j in range(8)] for i in range(8)
    ]
    assert rational_direction(2, 2).compare(winds[1]) == 0
    assert [w.half() for w in winds] == [0, 0, 0, 0, 1, 1, 1, 1]


@given(st.fractions(min_value=0, max_value=4, max_denominator=10**9).filter(lambda x: x < 4))
def test_diamond_angle_of_a_dyadic_direction(sigma: Fraction) -> None:
    alpha, beta = dyadic_direction(q(sigma))
    assert abs(alpha) + abs(beta) == 1
    lo, hi = (fraction(x) for x in Direction.rational(alpha, beta).diamond(100))
    assert lo <= sigma <= hi
    assert hi - lo <= Fraction(1, 2**90)
    assert dyadic_direction(q(sigma + 4)) == (alpha, beta) == dyadic_direction(q(sigma - 8))


@given(TRIPLES, forms(), st.sampled_from([60, 128, 400]))
def test_diamond_bounds_enclose(function: tuple[Fraction, ...], form: Form, bits: int) -> None:
    for direction in zeros((q(function[0]), q(function[1]), q(function[2])), form).simple:
        lo, hi = (fraction(x) for x in direction.diamond(bits))
        with mpmath.workprec(1500):
            x, y = values(direction)
            share = y / (abs(x) + abs(y))
            sigma = (share if y >= 0 else 4 + share) if x >= 0 else 2 - share
            slack = mpmath.mpf(2) ** -1300
            assert real(lo) - slack <= sigma <= real(hi) + slack
        assert hi - lo < Fraction(1, 2 ** (bits - 20))


@pytest.mark.parametrize("seed", range(5))
def test_frame_angles_are_those_of_the_metric(seed: int) -> None:
    """Angles between alpha u + beta v in space, from u towards v."""
    generator = np.random.default_rng(seed)
    u, v = (np.array(x) for x in integers(generator, (2, 5)))
    frame = Frame(form_of(u.tolist(), v.tolist()), q(5))
    across = v - u * (u @ v) / (u @ u)
    for _ in range(10):
        alpha, beta = integers(generator, 2)
        x = alpha * u + (beta or 1) * v
        known = math.atan2(x @ across / np.linalg.norm(across), x @ u / np.linalg.norm(u)) % (
            2 * math.pi
        )
        assert math.isclose(
            frame.position_float(rational_direction(alpha, beta or 1)), known, rel_tol=1e-12
        )


def test_turn_float() -> None:
    frame = Frame(CIRCLE, q(1))
    east, north, west = (rational_direction(*w) for w in ((1, 0), (0, 1), (-1, 0)))
    assert math.isclose(frame.turn_float(east, north), math.pi / 2)
    assert math.isclose(frame.turn_float(north, east), 3 * math.pi / 2)
    assert frame.turn_float(east, west) == math.pi
    assert frame.turn_float(north, rational_direction(0, 7)) == 0.0


@pytest.mark.parametrize("bits", [10, 60, 120, 200, 250, 256, 260, 300, 500, 1000])
def test_turn_float_of_close_directions_has_all_its_digits(bits: int) -> None:
    """Between the surd (1, sqrt 2) and its rational approximation from below, either way round."""
    below = Fraction(math.isqrt(2 * 4**bits), 2**bits)
    frame = Frame(CIRCLE, q(1))
    surd = Direction(Surd(q(1), q(0), q(2)), Surd(q(0), q(1), q(2)))
    near = Direction.rational(q(1), q(below))
    with mpmath.workprec(5000):
        known = mpmath.atan2(mpmath.sqrt(2), 1) - mpmath.atan2(real(below), 1)
        assert abs(frame.turn_float(near, surd) / known - 1) < 2.0**-48
        assert abs(frame.turn_float(surd, near) / (2 * mpmath.pi - known) - 1) < 2.0**-48


def test_straight_frame_has_parameters() -> None:
    """Points (alpha p + beta d) / alpha: the parameter is beta / alpha, infinite for alpha = 0."""
    frame = Frame(CIRCLE, q(1), one=(q(1), q(0)), along=(q(0), q(1)))
    assert frame.is_straight
    parameter = frame.parameter(rational_direction(3, -7))
    assert parameter is not None
    assert fraction(parameter.a) == Fraction(-7, 3)
    assert frame.position_float(rational_direction(3, -7)) == -7 / 3
    assert frame.parameter(rational_direction(0, 1)) is None
    assert frame.position_float(rational_direction(0, 1)) == math.inf
    assert frame.position_float(rational_direction(0, -1)) == -math.inf
    root = Direction(Surd(q(1), q(1), q(2)), Surd(q(1)))
    assert math.isclose(frame.position_float(root), math.sqrt(2) - 1)
