"""Matrices of float64 midpoints with radii that enclose exact ones, in NumPy; matrices beyond the
range abstain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.roundoff import LEAST, U, inflation
from exact.arithmetic.numbers import (
    FloatArray,
    RationalArray,
    RationalMatrix,
    nearest_floats,
    rounding_error,
)

_INFLATE = inflation(128)  # radii are products and sums of radii: some forty roundings

# an overflow is meant: its ball says nothing
_beyond_floats = np.errstate(over="ignore", invalid="ignore", divide="ignore")


@dataclass(frozen=True)
class BallMatrix:
    """A matrix of float64 balls."""

    mid: FloatArray
    rad: FloatArray

    @classmethod
    def of(cls, matrix: RationalArray) -> BallMatrix:
        """The nearest floats with their rounding errors; a zero has none."""
        entries = matrix.entries()
        mid = nearest_floats(entries)
        rad = rounding_error(mid)
        for i in np.flatnonzero(mid == 0).tolist():
            rad[i] *= entries[i] != 0
        shape = (matrix.nrows(), matrix.ncols())
        return cls(mid.reshape(shape), rad.reshape(shape))

    @classmethod
    def read(cls, matrix: RationalMatrix) -> BallMatrix:
        """The floats of a weight, without error where they are exact."""
        return cls(matrix.float64(), matrix.float64_error())

    @_beyond_floats
    def __add__(self, other: BallMatrix) -> BallMatrix:
        mid = self.mid + other.mid
        return BallMatrix(mid, (self.rad + other.rad + np.abs(mid) * (2 * U)) * _INFLATE)

    @_beyond_floats
    def __matmul__(self, other: BallMatrix) -> BallMatrix:
        """The product, with Higham's bound on dot products; overflow gives balls that say nothing,
        exact zeros stay so.
        """
        size, n = np.abs(other.mid), self.mid.shape[1]
        bound = np.abs(self.mid) @ (size * ((n + 4) * U) + other.rad) + self.rad @ (
            size + other.rad
        )
        mid, rad = self.mid @ other.mid, bound * _INFLATE + n * LEAST
        if not np.all(mid):
            rad[~(self._may_differ_from_zero() @ other._may_differ_from_zero())] = 0.0
        return BallMatrix(mid, rad)

    @_beyond_floats
    def times(self, factor: BallMatrix) -> BallMatrix:
        """The product entry by entry, with broadcasting."""
        mid = self.mid * factor.mid
        rad = (
            np.abs(self.mid) * factor.rad
            + self.rad * (np.abs(factor.mid) + factor.rad)
            + np.abs(mid) * (2 * U)
        )
        open_entries = self._may_differ_from_zero() & factor._may_differ_from_zero()
        return BallMatrix(mid, np.where(open_entries, rad * _INFLATE + LEAST, 0.0))

    def _may_differ_from_zero(self) -> BitArray:
        found: BitArray = (self.mid != 0) | (self.rad != 0)
        return found

    def beside(self, other: BallMatrix) -> BallMatrix:
        """Two matrices side by side."""
        return BallMatrix(np.hstack([self.mid, other.mid]), np.hstack([self.rad, other.rad]))

    def padded(self, columns: int) -> BallMatrix:
        """More columns of zeros."""
        zeros = np.zeros((len(self.mid), columns))
        return self.beside(BallMatrix(zeros, zeros))

    @_beyond_floats
    def root(self) -> BallMatrix:
        """The root of every entry; |sqrt x - sqrt m| <= |x - m| / sqrt m. Entries must be
        positive.
        """
        root = np.sqrt(self.mid)
        return BallMatrix(root, (self.rad / root + root * (2 * U)) * _INFLATE + LEAST)

    def rows(self, chosen: np.ndarray) -> BallMatrix:
        """Some of the rows."""
        return BallMatrix(self.mid[chosen], self.rad[chosen])

    @property
    def transposed(self) -> BallMatrix:
        """The transpose."""
        return BallMatrix(self.mid.T, self.rad.T)
