"""Operators that move numbers about: reading some places, writing to some places, scaling each.

Flatten, reshape, transpose, slice, pad and each part of a concatenation are one of the first two;
neither rounds. Images of shape (channels, height, width) are vectors in that order (C order).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, RationalMatrix
from exact.errors import InvalidInput
from exact.networks.operators import LinearOperator


class Selection(LinearOperator):
    """The numbers at given places, in the order given; a place may be read often or never.

    >>> from exact.arithmetic.numbers import RationalArray
    >>> Selection([2, 0], 3).apply(RationalArray(3, 1, [5, 6, 7])).entries()
    [7, 5]
    """

    def __init__(self, places: Sequence[int] | IndexArray, inputs: int) -> None:
        self.places = _checked(places, inputs)
        self._inputs = inputs

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.places), self._inputs

    def apply(self, columns: RationalArray) -> RationalArray:
        k, entries = columns.ncols(), columns.entries()
        found = [x for i in self.places.tolist() for x in entries[i * k : (i + 1) * k]]
        return RationalArray(len(self.places), k, found)

    def row(self, output: int) -> list[Rational]:
        found = [Rational(0)] * self._inputs
        found[int(self.places[output])] = Rational(1)
        return found

    def apply_float(self, rows: FloatArray) -> FloatArray:
        return rows[:, self.places]

    def magnitude(self, rows: FloatArray) -> FloatArray:
        return rows[:, self.places]

    @property
    def terms(self) -> int:
        return 0

    @property
    def content(self) -> bytes:
        return f"Selection:{self._inputs}:".encode() + self.places.astype("<i8").tobytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.places, self._inputs)


class Placement(LinearOperator):
    """A vector of `outputs` zeros with the inputs written at given places, each once.

    >>> from exact.arithmetic.numbers import RationalArray
    >>> Placement([2, 0], 4).apply(RationalArray(2, 1, [5, 6])).entries()
    [6, 0, 5, 0]
    """

    def __init__(self, places: Sequence[int] | IndexArray, outputs: int) -> None:
        self.places = _checked(places, outputs)
        self._outputs = outputs
        if len(np.unique(self.places)) < len(self.places):
            raise InvalidInput(
                "two numbers are written to one place",
                value=self.places.tolist(),
                remedy="give different places",
            )

    @property
    def shape(self) -> tuple[int, int]:
        return self._outputs, len(self.places)

    def apply(self, columns: RationalArray) -> RationalArray:
        k, entries = columns.ncols(), columns.entries()
        found = [Rational(0)] * (self._outputs * k)
        for j, i in enumerate(self.places.tolist()):
            found[i * k : (i + 1) * k] = entries[j * k : (j + 1) * k]
        return RationalArray(self._outputs, k, found)

    def apply_float(self, rows: FloatArray) -> FloatArray:
        found = np.zeros((len(rows), self._outputs))
        found[:, self.places] = rows
        return found

    def magnitude(self, rows: FloatArray) -> FloatArray:
        return self.apply_float(rows)

    @property
    def terms(self) -> int:
        return 0

    @property
    def content(self) -> bytes:
        return f"Placement:{self._outputs}:".encode() + self.places.astype("<i8").tobytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.places, self._outputs)


class Scaling(LinearOperator):
    """Every number times a factor of its own: batch norm, or the share of an average.

    >>> from exact.arithmetic.numbers import RationalArray, RationalMatrix
    >>> Scaling(RationalMatrix.read(["1/3", 2])).apply(RationalArray(2, 1, [1, 1])).entries()
    [1/3, 2]
    """

    def __init__(self, factors: RationalMatrix) -> None:
        self.factors = factors

    @property
    def shape(self) -> tuple[int, int]:
        return self.factors.shape[0], self.factors.shape[0]

    def apply(self, columns: RationalArray) -> RationalArray:
        k, entries, factors = columns.ncols(), columns.entries(), self.factors.column()
        found = [factors[i // k] * x for i, x in enumerate(entries)]
        return RationalArray(columns.nrows(), k, found)

    def apply_float(self, rows: FloatArray) -> FloatArray:
        return rows * self.factors.float64().T

    def magnitude(self, rows: FloatArray) -> FloatArray:
        return rows * np.abs(self.factors.float64().T)

    @property
    def terms(self) -> int:
        return 1

    @property
    def content(self) -> bytes:
        return b"Scaling:" + self.factors.digest

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.factors,)


def _checked(places: Sequence[int] | IndexArray, size: int) -> IndexArray:
    found = np.asarray(places, dtype=np.int64).reshape(-1)
    outside = found[(found < 0) | (found >= size)]
    if len(outside):
        raise InvalidInput(
            "a place lies outside of the vector",
            value=int(outside[0]),
            remedy=f"give numbers from 0 to {size - 1}",
        )
    found.flags.writeable = False
    return found
