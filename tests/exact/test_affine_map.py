"""Exact affine maps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy

from exact.arithmetic.numbers import RationalArray, RationalMatrix
from exact.errors import InvalidInput
from exact.networks.affine_map import AffineMap
from tests.exact.reference import q

MATRIX = [[Fraction(1, 3), Fraction(-2)], [Fraction(0), Fraction(5, 7)], [Fraction(1), Fraction(1)]]
OFFSET = [Fraction(1, 2), Fraction(0), Fraction(-9)]
COLUMNS = RationalArray(
    3, 3, [q(x) for row, c in zip(MATRIX, OFFSET, strict=True) for x in (*row, c)]
)
MAP = AffineMap.of_columns(COLUMNS)


def test_of_columns_takes_the_constant_last() -> None:
    assert MAP.matrix.tolist() == MATRIX
    assert [row[0] for row in MAP.offset.tolist()] == OFFSET
    assert (MAP.of, MAP.skip) == ("x", False)


def test_call_is_exact() -> None:
    x = (Fraction(3, 5), Fraction(-1, 11))
    expected = tuple(a * x[0] + b * x[1] + c for (a, b), c in zip(MATRIX, OFFSET, strict=True))
    assert MAP(x) == expected
    assert MAP([0.5, "1/3"]) == MAP((Fraction(1, 2), Fraction(1, 3)))


def test_call_refuses_other_dimensions() -> None:
    with pytest.raises(InvalidInput, match="give 2"):
        MAP([1, 2, 3])


def test_float64_is_nearest() -> None:
    matrix, offset = MAP.float64()
    assert matrix.tolist() == [[float(x) for x in row] for row in MATRIX]
    assert offset.tolist() == [float(x) for x in OFFSET]
    assert offset.shape == (3,)
    np.testing.assert_allclose(matrix @ [1, 2] + offset, [float(x) for x in MAP((1, 2))])


def test_equal_maps_are_equal_objects() -> None:
    same = AffineMap(RationalMatrix.from_rationals(MATRIX), RationalMatrix.from_rationals(OFFSET))
    assert (same == MAP, hash(same) == hash(MAP)) == (True, True)
    half = AffineMap(RationalMatrix.from_rationals([["1/2"]]), RationalMatrix.from_floats([0.0]))
    assert half == AffineMap(
        RationalMatrix.from_floats([[0.5]]), RationalMatrix.from_rationals([0])
    )
    assert (
        len(
            {
                MAP,
                AffineMap(MAP.matrix, MAP.offset, "norm(x)"),
                AffineMap(MAP.matrix, MAP.offset, skip=True),
            }
        )
        == 3
    )


def test_sympy_is_the_same_map() -> None:
    x1, x2 = sympy.symbols("x1 x2", real=True)
    assert MAP.sympy() == sympy.Matrix(
        [x1 / 3 - 2 * x2 + sympy.Rational(1, 2), sympy.Rational(5, 7) * x2, x1 + x2 - 9]
    )
    y1, y2 = sympy.symbols("y1 y2", real=True)
    assert AffineMap(MAP.matrix, MAP.offset, "norm(x)").sympy()[2] == y1 + y2 - 9
    s, t = sympy.symbols("s t")
    assert MAP.sympy([s, t])[1] == sympy.Rational(5, 7) * t
