"""Maxima of windows: max pooling, maxout, the elementwise maximum.

The code of a maximum is a symbol: the lowest input whose affine function on the region equals the
maximum, functions and not values at points; or none, where the maximum is zero and every winner is
a rectifier that is off, or a constant zero. So inputs that are equal, or all off, never split a
region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.networks.activations import Activation, Identity


@short_repr
class Maximum:
    """The maxima of windows: row i of `windows` lists the places that maximum i reads, in the
    order of its candidates, -1 for none (padding is no candidate).

    Symbol 0 of a window is none, symbol j + 1 its candidate j; it stands in as many bits as its
    number of values needs, the highest first.

    >>> import numpy as np
    >>> pool = Maximum([[0, 1], [1, 2]], 3)
    >>> pool.bits, pool.symbols, pool.forward_float(np.array([[1.0, 5.0, 2.0]])).tolist()
    (4, (3, 3), [[5.0, 5.0]])
    """

    activation: Activation = Identity()

    def __init__(self, windows: Sequence[Sequence[int]] | IndexArray, inputs: int) -> None:
        found = np.asarray(windows, dtype=np.int64)
        if found.ndim != 2 or not len(found) or found.max(initial=-1) >= inputs:
            raise InvalidInput(
                "windows do not fit what they read",
                value=f"windows of shape {found.shape}, {inputs} inputs",
                remedy="give rows of places, -1 for none",
            )
        if bool((found < 0).all(axis=1).any()):
            raise InvalidInput(
                "a window reads nothing",
                value=int(np.flatnonzero((found < 0).all(axis=1))[0]),
                remedy="give each window a place, or leave it out",
            )
        found.flags.writeable = False
        self.windows, self.input_dim = found, inputs

    @property
    def width(self) -> int:
        """The number of maxima."""
        return len(self.windows)

    @cached_property
    def symbols(self) -> tuple[int, ...]:
        """How many values each symbol takes: one more than the window has candidates."""
        return tuple((1 + (self.windows >= 0).sum(axis=1)).tolist())

    @cached_property
    def widths(self) -> IndexArray:
        """The bits of every symbol."""
        return np.array([(values - 1).bit_length() for values in self.symbols])

    @cached_property
    def bits(self) -> int:
        """The number of bits this step adds to the code."""
        return int(self.widths.sum())

    @cached_property
    def candidates(self) -> tuple[tuple[int, ...], ...]:
        """The places that each window reads."""
        return tuple(tuple(i for i in row if i >= 0) for row in self.windows.tolist())

    @cached_property
    def ends(self) -> IndexArray:
        """Where the bits of every symbol end."""
        return np.cumsum(self.widths)

    def coded(self, symbols: Sequence[int] | IndexArray) -> BitArray:
        """The symbols as bits."""
        found = np.zeros(self.bits, bool)
        self.write(found, np.arange(self.width), np.asarray(symbols, dtype=np.int64))
        return found

    def write(self, bits: BitArray, windows: IndexArray, symbols: IndexArray) -> None:
        """The symbols of some windows, written into the bits of all."""
        widths, ends = self.widths[windows], self.ends[windows]
        for place in range(int(widths.max(initial=0))):
            fits = widths > place
            bits[ends[fits] - 1 - place] = (symbols[fits] >> place) & 1

    def decoded(self, bits: Sequence[bool] | BitArray) -> IndexArray:
        """The symbols from their bits."""
        array, starts = np.asarray(bits, dtype=np.int64), np.cumsum(self.widths) - self.widths
        found = np.zeros(self.width, np.int64)
        for place in range(int(self.widths.max(initial=0))):
            fits = self.widths > place
            found[fits] |= array[starts[fits] + self.widths[fits] - 1 - place] << place
        return found

    def winners(self, symbols: IndexArray) -> IndexArray:
        """The place that wins in each window, -1 where none does."""
        kept = [
            (own[symbol - 1] if symbol else -1)
            for own, symbol in zip(self.candidates, symbols.tolist(), strict=True)
        ]
        return np.array(kept, dtype=np.int64)

    def margins(
        self, rows: Sequence[Sequence[Rational]], bits: BitArray
    ) -> Iterator[list[Rational]]:
        """How far the winner of each window is above each other function that it reads, by what the
        windows read as `rows` of coefficients, where the code is `bits`.
        """
        for winner, own in zip(
            self.winners(self.decoded(bits)).tolist(), self.candidates, strict=True
        ):
            best = rows[winner] if winner >= 0 else [Rational(0)] * len(rows[0])
            for place in own:
                gap = [x - y for x, y in zip(best, rows[place], strict=True)]
                if any(gap):
                    yield gap

    def pre_activations(self, state: RationalArray, one: Sequence[Rational]) -> RationalArray:
        """What the windows read, as it is."""
        return state

    def activate(
        self, z: RationalArray, one: Sequence[Rational], bits: Sequence[bool]
    ) -> RationalArray:
        """The rows of the winners that the bits name, zero for none."""
        k, entries, zero = z.ncols(), z.entries(), [Rational(0)] * z.ncols()
        found = [
            x
            for i in self.winners(self.decoded(bits)).tolist()
            for x in (zero if i < 0 else entries[i * k : (i + 1) * k])
        ]
        return RationalArray(self.width, k, found)

    def forward_float(self, x: FloatArray) -> FloatArray:
        """The maxima of the rows of a (batch x inputs) array."""
        read = np.where(self.windows >= 0, x[:, self.windows], -np.inf)
        return np.asarray(read.max(axis=2))

    @property
    def content(self) -> bytes:
        """What graphs know it by."""
        shape = f"Maximum:{self.input_dim}:{self.windows.shape}:"
        return shape.encode() + self.windows.astype("<i8").tobytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.windows, self.input_dim)
