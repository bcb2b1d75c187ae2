"""One page of constants for error bounds: kernels repeat them, the bounds hold in fractions."""

from __future__ import annotations

import ast
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact.arithmetic.enclosures.roundoff import (
    LEAST,
    LEAST_NORMAL,
    LEAST_ROOT,
    LEAST_ROOT_SCALED,
    U,
    inflation,
)

KERNELS = Path(__file__).resolve().parents[2] / "exact" / "kernels"
PAGE = {
    "U": {U},
    "TINY": {LEAST, LEAST_ROOT},
    "LEAST": {LEAST_ROOT},
    "UP": {inflation(4096), inflation(2**22)},  # through layers, and sums of 2^20 terms
    "INFLATE": {inflation(128)},
    "ROUNDING": {2 * U, 64 * U},
}
"""What a constant of a kernel may be, by its name without underscores."""


def constants(path: Path) -> dict[str, float]:
    """The names of the page that a kernel gives a value of its own."""
    found = dict[str, float]()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=True))
        for name, number in pairs:
            if isinstance(name, ast.Name) and name.id.strip("_") in PAGE:
                found[name.id.strip("_")] = eval(ast.unparse(number), {})
    return found


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.py")), ids=lambda path: path.stem)
def test_kernels_repeat_the_page(path: Path) -> None:
    assert {n: v for n, v in constants(path).items() if v not in PAGE[n]} == {}


def test_most_kernels_have_constants_of_the_page() -> None:
    assert sum(bool(constants(path)) for path in KERNELS.glob("*.py")) >= 5


@pytest.mark.parametrize("roundings", [1, 2, 3, 16, 17, 64, 128, 4096, 1 << 22])
def test_an_inflation_covers_its_roundings_and_its_own(roundings: int) -> None:
    factor = Fraction(inflation(roundings))
    k = roundings + 1  # (1 - U)^k >= 1 - k U
    assert factor * (1 - k * Fraction(U)) >= 1
    assert factor - 1 <= 4 * roundings * Fraction(U)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_sums_of_products_are_within_their_bound(pairs: list[tuple[float, float]]) -> None:
    total, size = 0.0, 0.0
    for x, y in pairs:
        total, size = total + x * y, size + abs(x * y)
    if not math.isfinite(size):
        return
    exact = sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(0))
    bound = len(pairs) * U * size * inflation(64) + LEAST_NORMAL
    assert abs(Fraction(total) - exact) <= Fraction(bound) * (1 + 2 * len(pairs) * Fraction(U))


@given(NUMBERS, NUMBERS)
def test_a_quotient_and_a_root_are_within_theirs(x: float, y: float) -> None:
    if y and math.isfinite(x / y):
        bound = Fraction(U) * abs(Fraction(x / y)) + Fraction(1, 2**1074)
        assert abs(Fraction(x / y) - Fraction(x) / Fraction(y)) <= bound * (1 + 2 * Fraction(U))
    root = Fraction(math.sqrt(abs(x)))
    low, high = root * (1 - 2 * Fraction(U)), root * (1 + 2 * Fraction(U))
    assert low * low <= abs(Fraction(x)) <= high * high


def test_underflow_is_below_the_least_numbers() -> None:
    one = Fraction(1, 2**1074)
    assert 2**52 * one <= Fraction(LEAST_NORMAL)
    assert 2**22 * Fraction(LEAST_NORMAL) <= Fraction(LEAST)
    assert 2**74 * one <= Fraction(LEAST_ROOT) ** 2
    assert 2**100 * Fraction(LEAST_ROOT) <= Fraction(LEAST_ROOT_SCALED)
