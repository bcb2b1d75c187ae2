"""Exact linear algebra on rationals: products, solves, null spaces, ranks (FLINT does the
elimination); and products of wide float matrices with few columns, without a rational entry of
the matrix.

A row of floats is a power of two times integers, and those are written in digits of few bits: so
few that a sum of products of two digits over the whole width stays below 2^53. Float64 then adds
the digits of the matrix times those of the columns without any rounding, in whatever order, and the
sums are put together as integers (the splitting of Ozaki et al. 2012, on a fixed grid a row).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import lcm
from typing import Any

import numpy as np

from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    coprime_integers,
)

Vector = list[Rational]
Integers = np.ndarray[Any, np.dtype[np.int64]]


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


# ---- wide float matrices and few columns


_ENTRIES = 1 << 16  # of a matrix from which on this pays
_COLUMNS = 8
_DIGITS = 24  # most digits of an entry: beyond that the rational product is no worse
# exponents of units and sizes of entries between which powers of two neither over- nor underflow
_LOWEST, _HIGHEST = -900, 2.0**900
_BLOCK = 1 << 20  # entries of the matrix whose sizes are looked at together
_CACHED = 1 << 11  # columns of them that are split at a time: what a cache holds


def is_wide(weight: RationalMatrix, columns: int) -> bool:
    """Whether a matrix of floats is so large, and the columns so few, that this may pay."""
    outputs, inputs = weight.shape
    return weight.stores_floats and outputs * inputs >= _ENTRIES and 0 < columns <= _COLUMNS


def wide_product(weight: RationalMatrix, columns: RationalArray) -> RationalArray | None:
    """`weight columns`, exactly; None where numbers of very different sizes stand in one row or
    column, or near the least of float64, and where :func:`is_wide` says no.

    >>> import numpy as np
    >>> from exact.arithmetic.numbers import Rational, RationalArray, RationalMatrix
    >>> weight = RationalMatrix.from_floats(np.full((1, 1 << 16), 0.25))
    >>> product = wide_product(weight, RationalArray(1 << 16, 1, [Rational(1, 3)] * (1 << 16)))
    >>> product is not None and product.entries()
    [16384/3]
    """
    (outputs, inputs), count = weight.shape, columns.ncols()
    if not is_wide(weight, count):
        return None
    bits = (53 - inputs.bit_length()) // 2
    right = _column_digits(columns, bits)
    if right is None:
        return None
    denominators, digits = right
    values = list[Rational]()
    step = max(1, _BLOCK // inputs)
    for start in range(0, outputs, step):
        block = _block_product(weight.float64()[start : start + step], digits, count, bits)
        if block is None:
            return None
        units, sums = block
        for unit, row in zip(units, sums, strict=True):
            values += [_scaled(x, unit, q) for x, q in zip(row, denominators, strict=True)]
    return RationalArray(outputs, count, values)


def _scaled(x: int, unit: int, denominator: int) -> Rational:
    """`2^unit x / denominator`."""
    return Rational(x << unit, denominator) if unit >= 0 else Rational(x, denominator << -unit)


def _column_digits(columns: RationalArray, bits: int) -> tuple[list[int], FloatArray] | None:
    """The denominator of each column, and the digits of all numerators as floats: the lowest of
    every column, then the next.
    """
    count = columns.ncols()
    denominators, numerators = list[int](), list[list[int]]()
    entries = columns.entries()
    for k in range(count):
        pairs = [(int(x.p), int(x.q)) for x in entries[k::count]]
        units = {q for _, q in pairs}
        most, common = bits * _DIGITS + max(units).bit_length(), 1
        for unit in units:
            common = lcm(common, unit)
            if common.bit_length() > most:
                return None  # nor do the digits of common / unit fit, of which x is a multiple
        denominators.append(common)
        rest = {unit: common // unit for unit in units}
        numerators.append([p * rest[q] for p, q in pairs])
    longest = max(abs(x).bit_length() for column in numerators for x in (max(column), min(column)))
    length = max(-(-longest // bits), 1)
    if length > _DIGITS:
        return None
    return denominators, _digits(numerators, length, bits)


def _digits(columns: list[list[int]], length: int, bits: int) -> FloatArray:
    """The digits of integers in base 2^bits, the lowest of every column first, with the signs of
    the integers (rows x digits times columns); bits at most 25: every digit lies within four bytes.
    """
    size = bits * length // 8 + 4
    written = [abs(x).to_bytes(size, "little") for column in columns for x in column]
    octets = np.frombuffer(b"".join(written), np.uint8).reshape(len(columns), -1, size)
    signs = np.where([[x < 0 for x in column] for column in columns], -1.0, 1.0)
    found, mask = np.empty((octets.shape[1], length * len(columns))), np.uint32((1 << bits) - 1)
    for place in range(length):
        low, shift = divmod(bits * place, 8)
        four = np.ascontiguousarray(octets[:, :, low : low + 4]).view("<u4")[:, :, 0]
        digits = (four >> np.uint32(shift) & mask) * signs
        found[:, place * len(columns) : (place + 1) * len(columns)] = digits.T
    return found


def _block_product(
    rows: FloatArray, right: FloatArray, count: int, bits: int
) -> tuple[list[int], list[list[int]]] | None:
    """The products of rows with the digits of `count` columns: for each row the exponent of its
    unit, and the sums in that unit.
    """
    sizes = np.abs(rows)
    most = sizes.max(axis=1)
    sizes[sizes == 0] = np.inf
    least = np.minimum(sizes.min(axis=1), most)
    lowest = np.where(most > 0, np.frexp(least)[1] - 53, 0).astype(np.int64)
    length = max(-(-int((np.frexp(most)[1] - lowest).max()) // bits), 1)
    if length > _DIGITS or lowest.min() < _LOWEST or most.max() > _HIGHEST:
        return None
    products = np.zeros((length, len(rows), right.shape[1]))
    for low in range(0, rows.shape[1], _CACHED):
        part = rows[:, low : low + _CACHED]
        for place, digits in _row_digits(part, lowest, length, bits):
            products[place] += digits @ right[low : low + _CACHED]
    sums = [[0] * count for _ in rows]
    for place, product in enumerate(products.tolist()):
        for total, row in zip(sums, product, strict=True):
            for i, x in enumerate(row):
                other, k = divmod(i, count)
                total[k] += int(x) << bits * (place + other)
    return lowest.tolist(), sums


def _row_digits(
    rows: FloatArray, lowest: Integers, length: int, bits: int
) -> Iterator[tuple[int, FloatArray]]:
    """The places and digits of each row in its unit 2^lowest, the highest first, as long as some
    digit is not zero; every step is exact.
    """
    rest = rows * np.ldexp(1.0, -(lowest + bits * (length - 1)))[:, None]
    for place in reversed(range(length)):
        digits = np.trunc(rest)
        yield place, digits
        rest -= digits
        if not rest.any():
            return
        rest *= 2.0**bits
