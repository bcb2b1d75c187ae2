"""Exact linear algebra against SymPy."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

import numpy as np
import pytest
import sympy

from exact.arithmetic.linear_algebra import (
    apply,
    diagonal,
    dot,
    identity,
    independent_rows,
    matrix,
    null_space,
    rank,
    rows_of,
    solve,
)
from exact.arithmetic.numbers import Rational, fraction, fractions
from tests.exact.reference import integers, q

Rows = list[list[int]]


def exactly(rows: Rows) -> list[list[Rational]]:
    return [[q(x) for x in row] for row in rows]


def deficient(seed: int, rows: int, columns: int, rank_: int) -> Rows:
    """An integer matrix of rank at most `rank_`, with a zero row and a repeated one."""
    generator = np.random.default_rng(seed)
    product = generator.integers(-3, 4, (rows, rank_)) @ generator.integers(-3, 4, (rank_, columns))
    product[0] = 0
    product[-1] = product[1]
    found: Rows = product.tolist()
    return found


CASES = [
    deficient(seed, 5, columns, rank_)
    for seed, (columns, rank_) in enumerate([(4, 2), (6, 3), (3, 3), (7, 1), (5, 4)])
]


@pytest.mark.parametrize("rows", CASES)
def test_rank_and_null_space(rows: Rows) -> None:
    reference = sympy.Matrix(rows)
    basis = null_space(exactly(rows), len(rows[0]))
    assert rank(exactly(rows)) == reference.rank()
    assert len(basis) == len(rows[0]) - reference.rank()
    for vector in basis:
        values = [int(x.p) for x in vector]
        assert all(x.q == 1 for x in vector)
        assert gcd(*values) == 1
        assert reference * sympy.Matrix(values) == sympy.zeros(len(rows), 1)
    assert sympy.Matrix([[int(x.p) for x in vector] for vector in basis]).rank() == len(basis)


@pytest.mark.parametrize("rows", CASES)
def test_independent_rows_are_the_first(rows: Rows) -> None:
    """Row i is kept iff it raises the rank of the rows before it."""
    ranks = [sympy.Matrix(rows[: i + 1]).rank() for i in range(len(rows))]
    expected = [
        i
        for i, (before, after) in enumerate(zip([0, *ranks], ranks, strict=False))
        if after > before
    ]
    assert independent_rows(exactly(rows), len(rows[0])) == expected


def test_empty_shapes() -> None:
    assert rank([]) == 0
    assert [[int(x.p) for x in row] for row in null_space([], 2)] == [[1, 0], [0, 1]]
    assert matrix([], 3).ncols() == 3
    assert independent_rows([], 2) == []
    assert dot([], []) == 0


@pytest.mark.parametrize("seed", range(5))
def test_solve(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows, right = (
        integers(generator, (4, 4), 9),
        [Fraction(x, 7) for x in integers(generator, 4, 9)],
    )
    found = solve(matrix(exactly(rows), 4), [q(x) for x in right])
    reference = sympy.Matrix(rows)
    if reference.det() == 0:
        assert found is None
    else:
        assert found is not None
        known = reference.LUsolve(
            sympy.Matrix([sympy.Rational(x.numerator, x.denominator) for x in right])
        )
        assert fractions(found) == tuple(Fraction(int(x.p), int(x.q)) for x in known)


def test_singular_systems_have_no_unique_solution() -> None:
    assert solve(matrix(exactly([[1, 2], [2, 4]]), 2), [q(1), q(2)]) is None
    assert solve(matrix(exactly([[1, 2], [2, 4]]), 2), [q(1), q(3)]) is None
    assert solve(matrix(exactly([[0]]), 1), [q(0)]) is None


def test_products() -> None:
    rows, vector = [[1, 2, 3], [0, -1, 5]], [Fraction(1, 2), Fraction(-1), Fraction(2, 3)]
    array, column = matrix(exactly(rows), 3), [q(x) for x in vector]
    assert fractions(apply(array, column)) == (Fraction(1, 2), Fraction(13, 3))
    assert [fractions(row) for row in rows_of(array)] == [(1, 2, 3), (0, -1, 5)]
    assert fraction(dot(column, column)) == Fraction(1, 4) + 1 + Fraction(4, 9)
    with pytest.raises(ValueError, match="zip"):
        dot(column, column[:2])


def test_identity_and_diagonal() -> None:
    assert [fractions(row) for row in rows_of(identity(2))] == [(1, 0), (0, 1)]
    assert [fractions(row) for row in rows_of(diagonal([q(3), q(0)]))] == [(3, 0), (0, 0)]
