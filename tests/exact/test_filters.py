"""Balls hold the exact number: recomputed in fractions, with cancellation, subnormals and
overflow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch

from exact.arithmetic.enclosures.ball_tensors import Balls, matrix_product
from exact.arithmetic.numbers import RationalArray, RationalMatrix
from tests.exact.reference import Floats, q, sign

OPERATIONS: dict[str, Callable[..., object]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "cancel": lambda a, b: (a + b) - a,
    "square of a difference": lambda a, b: (a - b) * (a - b),
    "difference of squares": lambda a, b: a * a - b * b - (a + b) * (a - b),
    "polynomial": lambda a, b: a * a * a - b * a * b + b * (a - b) * (a + b),
}


def numbers(scale: str, seed: int) -> list[Fraction]:
    """Random numbers of one kind; some of them no float64."""
    generator = np.random.default_rng(seed)
    exponents = {
        "ordinary": (-3, 3),
        "wide": (-200, 200),
        "subnormal": (-340, -290),
        "product underflow": (-180, -150),
    }[scale]
    values = [Fraction(float(x)) for x in generator.normal(size=20)]
    powers = [Fraction(10) ** int(k) for k in generator.integers(*exponents, 20)]
    thirds = [Fraction(1, 3) if flag else Fraction(1) for flag in generator.integers(0, 2, 20)]
    return [a * b * c for a, b, c in zip(values, powers, thirds, strict=True)]


def close_to(values: list[Fraction], seed: int) -> list[Fraction]:
    """Each number moved by a few units in the last place of a float64, or not at all."""
    steps = np.random.default_rng(seed).integers(-3, 4, len(values)).tolist()
    return [
        value * (1 + step * Fraction(1, 2**53)) for value, step in zip(values, steps, strict=True)
    ]


def balls(values: list[Fraction]) -> Balls:
    return Balls.of_rationals([q(value) for value in values], "cpu")


def gap(ball: Balls, index: int, exact: Fraction) -> Fraction:
    """The radius minus the distance of the exact number from the midpoint: negative iff the ball
    misses it.
    """
    mid, rad = float(ball.mid[index]), float(ball.rad[index])
    return (
        Fraction(10) ** 400
        if not math.isfinite(mid + rad)
        else Fraction(rad) - abs(exact - Fraction(mid))
    )


@pytest.mark.parametrize("scale", ["ordinary", "wide", "subnormal", "product underflow"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_balls_hold_the_exact_number(scale: str, operation: str, seed: int) -> None:
    a = numbers(scale, seed)
    for b in (numbers(scale, seed + 50), close_to(a, seed)):
        compute = OPERATIONS[operation]
        found = compute(balls(a), balls(b))
        assert isinstance(found, Balls)
        exact = [compute(x, y) for x, y in zip(a, b, strict=True)]
        signs, certain = found.signs()
        for k, value in enumerate(exact):
            assert isinstance(value, Fraction)
            assert gap(found, k, value) >= 0
            assert not certain[k] or int(signs[k]) == sign(value)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_balls_of_exact_floats_hold_the_exact_number(operation: str) -> None:
    """Radius zero to begin with: only the rounding of the operation itself is left to cover the
    error.
    """
    generator = np.random.default_rng(11)
    for exponent in (0, -160, -520):
        a, b = (np.ldexp(x, exponent) for x in generator.normal(size=(2, 200)))
        found = OPERATIONS[operation](*(Balls.exactly(torch.from_numpy(x)) for x in (a, b)))
        assert isinstance(found, Balls)
        for k, (x, y) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
            exact = OPERATIONS[operation](Fraction(x), Fraction(y))
            assert isinstance(exact, Fraction)
            assert gap(found, k, exact) >= 0


def test_ordinary_balls_are_narrow_enough_to_decide() -> None:
    a, b = numbers("ordinary", 1), numbers("ordinary", 2)
    product = balls(a) * balls(b)
    assert bool(product.signs()[1].all())
    assert bool((product.rad <= 2.0**-50 * product.mid.abs()).all())


def test_cancellation_is_left_undecided() -> None:
    third = balls([Fraction(1, 3)])
    difference = third + balls([Fraction(1)]) - third - balls([Fraction(1)])
    assert not bool(difference.signs()[1][0])
    assert gap(difference, 0, Fraction(0)) >= 0


def test_exact_floats_have_no_radius_and_zero_is_undecided() -> None:
    exact = Balls.exactly(torch.tensor([1.5, 0.0, -5e-324], dtype=torch.float64))
    assert exact.rad.tolist() == [0.0, 0.0, 0.0]
    signs, certain = exact.signs()
    assert (signs.tolist(), certain.tolist()) == ([1, 0, -1], [True, False, True])


@pytest.mark.parametrize("operation", ["add", "multiply", "cancel"])
def test_overflow_abstains(operation: str) -> None:
    huge = Balls.exactly(torch.tensor([1.7e308, -1.7e308, 1e200], dtype=torch.float64))
    other = Balls.exactly(torch.tensor([1.7e308, -1.7e308, -1e200], dtype=torch.float64))
    found = OPERATIONS[operation](huge, other)
    assert isinstance(found, Balls)
    finite = found.mid.isfinite()
    assert not bool((found.signs()[1] & ~finite).any())
    assert not bool(finite[:2].any())


def test_numbers_beyond_float64_are_undecided() -> None:
    beyond = balls([Fraction(10) ** 400, -(Fraction(10) ** 400), Fraction(1, 10**400)])
    assert beyond.signs()[1].tolist() == [False, False, False]
    times_zero = beyond * Balls.exactly(torch.zeros(3, dtype=torch.float64))
    assert times_zero.signs()[1].tolist() == [False, False, False]


@pytest.mark.parametrize("scale", ["ordinary", "wide", "subnormal"])
def test_roots(scale: str) -> None:
    a, b = ([abs(x) for x in numbers(scale, seed)] for seed in (3, 4))
    for squares, ball in (
        (a, balls(a)),
        ([x + y for x, y in zip(a, b, strict=True)], balls(a) + balls(b)),
    ):
        root = ball.sqrt()
        decided = 0
        for k, square in enumerate(squares):
            mid, rad = float(root.mid[k]), float(root.rad[k])
            if math.isfinite(mid + rad):
                decided += 1
                low, high = (
                    max(Fraction(mid) - Fraction(rad), Fraction(0)),
                    Fraction(mid) + Fraction(rad),
                )
                assert low * low <= square <= high * high
        assert decided >= (len(squares) if scale == "ordinary" else 5)


def test_roots_of_wide_balls_hold_the_roots_of_their_ends() -> None:
    mids, rads = [4.0, 4.0, 1.0, 100.0], [4.0, 3.9, 0.5, 99.99]
    root = Balls(torch.tensor(mids).double(), torch.tensor(rads).double()).sqrt()
    for k, (mid, rad) in enumerate(zip(mids, rads, strict=True)):
        for square in (mid - rad, mid, mid + rad):
            assert abs(math.sqrt(square) - float(root.mid[k])) <= float(root.rad[k]) * (
                1 + 2.0**-40
            )


def test_roots_of_what_may_be_negative_are_undecided() -> None:
    may_be_zero = Balls(
        torch.tensor([0.0, -1.0, 1e-20]).double(), torch.tensor([1.0, 0.0, 1.0]).double()
    )
    assert may_be_zero.sqrt().signs()[1].tolist() == [False, False, False]


def test_indexing_keeps_mid_and_rad_together() -> None:
    pair = balls([Fraction(1, 3), Fraction(2, 3)])[1]
    assert (float(pair.mid), float(pair.rad)) == (2 / 3, float(balls([Fraction(2, 3)]).rad[0]))


def exact_product(
    weight: list[list[Fraction]], state: list[list[Fraction]]
) -> list[list[Fraction]]:
    return [
        [
            sum((a * b for a, b in zip(row, column, strict=True)), Fraction(0))
            for column in zip(*state, strict=True)
        ]
        for row in weight
    ]


def fractions_of(array: Floats) -> list[list[Fraction]]:
    return [[Fraction(x) for x in row] for row in array.tolist()]


def backend(rows: list[list[Fraction]]) -> RationalArray:
    return RationalArray(len(rows), len(rows[0]), [q(x) for row in rows for x in row])


def assert_encloses(
    weight: list[list[Fraction]], matrix: RationalMatrix, state: list[list[Fraction]]
) -> Balls:
    found = matrix_product(matrix, backend(state), "cpu")
    exact = exact_product(weight, state)
    for i, j in itertools.product(range(len(exact)), range(len(exact[0]))):
        row = found[i]
        assert gap(row, j, exact[i][j]) >= 0
        assert not row.signs()[1][j] or int(row.signs()[0][j]) == sign(exact[i][j])
    return found


def cancelling(generator: np.random.Generator, size: int) -> Floats:
    """Rows whose halves nearly cancel against a constant vector."""
    half = generator.normal(size=(4, size // 2))
    return np.hstack([half, -half * (1 + 2.0**-52 * generator.integers(-2, 3, half.shape))])


@pytest.mark.parametrize("size", [1, 2, 40, 300])
@pytest.mark.parametrize("kind", ["ordinary", "cancelling", "subnormal", "wide", "zero"])
def test_matrix_product_of_floats(kind: str, size: int) -> None:
    generator = np.random.default_rng(size)
    weight = generator.normal(size=(4, size))
    state = generator.normal(size=(size, 3))
    if kind == "cancelling":
        weight, state = cancelling(generator, size + size % 2), np.ones((size + size % 2, 3))
    elif kind == "subnormal":
        weight, state = weight * 1e-160, state * 1e-160
    elif kind == "wide":
        weight, state = (
            x * 10.0 ** generator.integers(-150, 150, x.shape) for x in (weight, state)
        )
    elif kind == "zero":
        weight[0] = 0.0
    found = assert_encloses(
        fractions_of(weight), RationalMatrix.from_floats(weight), fractions_of(state)
    )
    if kind == "ordinary":
        assert bool((found.rad < 1e-10).all())


@pytest.mark.parametrize("scale", ["ordinary", "wide", "product underflow"])
def test_matrix_product_of_rationals(scale: str) -> None:
    values = [x / 7 for x in numbers(scale, 5) + numbers(scale, 6)]
    weight = [values[k * 8 : k * 8 + 8] for k in range(4)]
    state = [[x / 11] for x in numbers(scale, 7)[:8]]
    assert_encloses(weight, RationalMatrix.from_rationals(weight), state)


@pytest.mark.parametrize("size", [64, 1000, 5000])
def test_matrix_product_whose_rounding_goes_one_way(size: int) -> None:
    """1 + 2^-53 + 2^-53 + ...: every small term is rounded off, wherever the one stands."""
    weight = np.full((4, size), 2.0**-53)
    weight[[0, 1, 2, 3], [0, 1, size // 2, size - 1]] = 1.0
    found = assert_encloses(
        fractions_of(weight), RationalMatrix.from_floats(weight), [[Fraction(1)]] * size
    )
    assert abs(Fraction(float(found.mid[0, 0])) - fractions_of(weight[:1]).pop().pop(0)) < Fraction(
        size, 2**53
    )


BELOW = [(Fraction(1, 10**330), Fraction(10**300)), (Fraction(1, 10**325), Fraction(10**20))]


@pytest.mark.parametrize(("tiny", "huge"), BELOW)
def test_matrix_product_of_what_rounds_to_zero(tiny: Fraction, huge: Fraction) -> None:
    """The product is far above the least float, though one factor is below it."""
    for weight, state in (([[tiny, tiny]], [[huge], [huge]]), ([[huge, huge]], [[tiny], [tiny]])):
        found = assert_encloses(weight, RationalMatrix.from_rationals(weight), state)
        assert not bool(found.signs()[1].any())


def test_matrix_product_that_overflows_abstains() -> None:
    weight = RationalMatrix.from_floats([[1e200, 1.0], [1e200, -1e200], [1.0, 1.0]])
    found = matrix_product(weight, backend([[Fraction(10) ** 200], [Fraction(10) ** 200]]), "cpu")
    assert found.signs()[1][:, 0].tolist() == [False, False, True]


def test_matrix_product_with_numbers_beyond_float64_abstains() -> None:
    weight = RationalMatrix.from_rationals([[10**400, 1], [0, 1], [1, 1]])
    found = matrix_product(weight, backend([[Fraction(1)], [Fraction(1)]]), "cpu")
    certain = found.signs()[1][:, 0].tolist()
    assert not certain[0]
    assert certain[2]
