"""Exact linear algebra on rationals: products, solves, null spaces, ranks (FLINT does the
elimination).
"""

from __future__ import annotations

from collections.abc import Sequence

from exact.arithmetic.numbers import Rational, RationalArray, coprime_integers

Vector = list[Rational]


def matrix(rows: Sequence[Sequence[Rational]], width: int) -> RationalArray:
    """A backend matrix with the given rows; `width` fixes the shape when there are none."""
    return RationalArray(len(rows), width, [x for row in rows for x in row])


def rows_of(array: RationalArray) -> list[Vector]:
    """The rows of a backend matrix as lists."""
    entries, width = array.entries(), array.ncols()
    return [list(entries[i * width : (i + 1) * width]) for i in range(array.nrows())]


def dot(a: Sequence[Rational], b: Sequence[Rational]) -> Rational:
    """The inner product of two vectors of equal length."""
    return sum((x * y for x, y in zip(a, b, strict=True)), Rational(0))


def apply(array: RationalArray, vector: Sequence[Rational]) -> Vector:
    """The product of a matrix and a vector."""
    return list((array * RationalArray(len(vector), 1, list(vector))).entries())


def identity(size: int) -> RationalArray:
    """The identity matrix."""
    return RationalArray(
        size, size, [Rational(int(i == j)) for i in range(size) for j in range(size)]
    )


def diagonal(entries: Sequence[Rational]) -> RationalArray:
    """The diagonal matrix with the given entries."""
    zero, n = Rational(0), len(entries)
    return RationalArray(n, n, [entries[i] if i == j else zero for i in range(n) for j in range(n)])


def rank(rows: Sequence[Sequence[Rational]]) -> int:
    """The rank of the rows."""
    return matrix(rows, len(rows[0])).rank() if rows else 0


def solve(square: RationalArray, right: Sequence[Rational]) -> Vector | None:
    """The unique solution of a square system, or None when the matrix is singular."""
    try:
        return list(square.solve(RationalArray(len(right), 1, list(right))).entries())
    except ZeroDivisionError:  # FLINT's word for a singular matrix
        return None


def null_space(rows: Sequence[Sequence[Rational]], width: int) -> list[Vector]:
    """A basis of the vectors orthogonal to every row, each with coprime integer entries."""
    reduced, rank_ = matrix(rows, width).rref()
    pivots = [_pivot(reduced, i) for i in range(rank_)]
    free = [j for j in range(width) if j not in set(pivots)]
    return [_null_vector(reduced, pivots, j) for j in free]


def independent_rows(rows: Sequence[Sequence[Rational]], width: int) -> list[int]:
    """Indices of the first maximal linearly independent subset of the rows, in order."""
    reduced, rank_ = matrix(rows, width).transpose().rref()
    return [_pivot(reduced, i) for i in range(rank_)]


def _pivot(reduced: RationalArray, row: int) -> int:
    return next(j for j in range(reduced.ncols()) if reduced[row, j] != 0)


def _null_vector(reduced: RationalArray, pivots: Sequence[int], free: int) -> Vector:
    vector = [Rational(0)] * reduced.ncols()
    vector[free] = Rational(1)
    for row, pivot in enumerate(pivots):
        vector[pivot] = -reduced[row, free]
    return [Rational(x) for x in coprime_integers(vector)]
