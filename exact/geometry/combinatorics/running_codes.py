"""Spline codes of cells in a row: the first code, and the bits that flip at every step to the next
cell.

A hundred thousand neurons cut a circle into two hundred thousand cells, whose packed codes fill 2.5
GB; neighbours differ in a bit or two, so the steps fill a few megabytes. Codes are made when asked
for, one by one or block by block.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.combinatorics.codes import code_keys

_AT_ONCE = 1 << 26  # bytes of codes that are made at a time
_STRIDE = 256  # steps between two codes that are kept


@short_repr
@dataclass(frozen=True, eq=False)
class RunningCodes:
    """The codes of R cells in a row: `first` is that of cell 0 (bools, one per hinge).

    `rows[starts[i]:starts[i + 1]]` are the hinges, ascending, in which cell i differs from the cell
    before (`starts` has R + 1 entries). Step 0 leads from the last cell back to the first: on an
    open curve it is empty. No cell at all has `starts = [0]`. Equality is identity, as of all
    arrays.
    """

    first: BitArray
    starts: IndexArray
    rows: IndexArray

    @classmethod
    def of_bits(cls, bits: BitArray, *, closed: bool) -> RunningCodes:
        """From all codes (R x hinges); `closed` says that the first cell follows the last.

        >>> import numpy as np
        >>> bits = np.array([[False, True], [True, True]])
        >>> RunningCodes.of_bits(bits, closed=True).flips(0).tolist()
        [0]
        """
        count, hinges = bits.shape
        if count == 0:
            return cls(
                np.zeros(hinges, dtype=bool),
                np.zeros(1, dtype=np.int64),
                np.zeros(0, dtype=np.int64),
            )
        changes = bits ^ np.roll(bits, 1, axis=0)
        changes[0] &= closed
        steps, rows = np.nonzero(changes)
        return cls(bits[0].copy(), np.searchsorted(steps, np.arange(count + 1)), rows)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def hinges(self) -> int:
        """The length of a code in bits."""
        return len(self.first)

    @property
    def row_bytes(self) -> int:
        """The length of a packed code in bytes."""
        return (self.hinges + 7) // 8

    def flips(self, step: int) -> IndexArray:
        """The hinges, ascending, in which cell `step` differs from the one before."""
        return self.rows[self.starts[step] : self.starts[step + 1]]

    def differing(self, a: int, b: int) -> IndexArray:
        """The hinges, ascending, in which two cells differ; cost: the flips between them."""
        low, high = sorted((a, b))
        met, times = np.unique(
            self.rows[self.starts[low + 1] : self.starts[high + 1]], return_counts=True
        )
        odd: IndexArray = met[times % 2 == 1]
        return odd

    def packed(self) -> ByteArray:
        """All codes, bit-packed as numpy.packbits does (R x ceil(hinges / 8))."""
        return self._accumulated(len(self), self._steps, self._after_start, 0, self.row_bytes)

    def bits(self) -> BitArray:
        """All codes as bools (R x hinges)."""
        return np.unpackbits(self.packed(), axis=1, count=self.hinges).astype(bool)

    def row(self, index: int) -> ByteArray:
        """One packed code. Raises InvalidInput for an index outside 0 .. R - 1."""
        if not 0 <= index < len(self):
            raise InvalidInput("no such cell", value=index, remedy=f"give 0 .. {len(self) - 1}")
        kept = index // _STRIDE
        found: ByteArray = self._kept[kept].copy()
        rows = self.rows[self.starts[kept * _STRIDE + 1] : self.starts[index + 1]]
        np.bitwise_xor.at(found, rows >> 3, _bit(rows))
        return found

    @cached_property
    def _kept(self) -> ByteArray:
        """Every code whose number is a multiple of the stride."""
        count = (len(self) + _STRIDE - 1) // _STRIDE
        return self._accumulated(
            count, (self._steps + _STRIDE - 1) // _STRIDE, self._after_start, 0, self.row_bytes
        )

    @property
    def _after_start(self) -> IndexArray:
        """The hinges of all flips but those of step 0."""
        return self.rows[self.starts[min(1, len(self))] :]

    @cached_property
    def _steps(self) -> IndexArray:
        """The step of every flip but those of step 0."""
        sizes = np.diff(self.starts)[1:]
        return np.repeat(np.arange(1, len(sizes) + 1), sizes)

    def _accumulated(
        self, count: int, places: IndexArray, rows: IndexArray, start: int, stop: int
    ) -> ByteArray:
        """The first code and what it becomes by flips at given places 1 .. count - 1; later ones do
        not count.
        """
        inside = (places < count) & (rows >> 3 >= start) & (rows >> 3 < stop)
        places, rows = places[inside], rows[inside]
        found = np.zeros((count, stop - start), dtype=np.uint8)
        np.bitwise_xor.at(
            found.reshape(-1), places * (stop - start) + (rows >> 3) - start, _bit(rows)
        )
        found[:1] = np.packbits(self.first)[start:stop]
        return np.bitwise_xor.accumulate(found, axis=0, out=found)

    @cached_property
    def _ranks(self) -> IndexArray:
        """The rank of every code among the different codes in canonical order (that of the packed
        bytes).

        Codes are compared a block of bytes at a time, from the last to the first: the block, then
        the rank so far. A block changes only where a hinge in it flips, so that there are few to
        sort.
        """
        ranks = np.zeros(len(self), dtype=np.int64)
        flips = len(self._steps) + self.row_bytes
        width = max(1, math.isqrt(_AT_ONCE * self.row_bytes // max(1, flips)))
        for stop in range(self.row_bytes, 0, -width):
            ranks = np.unique(
                self._block_ranks(max(0, stop - width), stop) * len(self) + ranks,
                return_inverse=True,
            )[1]
        return ranks

    def _block_ranks(self, start: int, stop: int) -> IndexArray:
        """The ranks of the bytes start .. stop - 1 of all codes."""
        rows = self._after_start
        inside = (rows >> 3 >= start) & (rows >> 3 < stop)
        heads, places = np.unique(self._steps[inside], return_inverse=True)
        blocks = self._accumulated(len(heads) + 1, places + 1, rows[inside], start, stop)
        ranks = np.unique(code_keys(blocks), return_inverse=True)[1]
        found: IndexArray = ranks[np.searchsorted(heads, np.arange(len(self)), side="right")]
        return found

    @cached_property
    def distinct(self) -> int:
        """The number of different codes: of codes with one hash only equal ones count once, so
        hashes decide nothing.
        """
        marks = np.random.default_rng(0).integers(1 << 63, size=self.hinges)
        changes = np.zeros(len(self), dtype=np.int64)
        np.bitwise_xor.at(changes, self._steps, marks[self._after_start])
        hashes, counts = np.unique(np.bitwise_xor.accumulate(changes), return_counts=True)
        shared = np.flatnonzero(np.isin(np.bitwise_xor.accumulate(changes), hashes[counts > 1]))
        return int((counts == 1).sum()) + len(
            {self.row(index).tobytes() for index in shared.tolist()}
        )

    def digest(self) -> str:
        """sha256 of the number of cells, of hinges, and of the codes in canonical order, as every
        partition has it.
        """
        digest = hashlib.sha256(f"{len(self)}:{self.hinges}:".encode())
        for part in self._in_order():
            digest.update(part)
        return digest.hexdigest()

    def _in_order(self) -> Iterator[bytes]:
        order = np.argsort(self._ranks, kind="stable")
        if len(self) * self.row_bytes <= _AT_ONCE:
            yield self.packed()[order].tobytes()
        else:
            yield from (self.row(index).tobytes() for index in order.tolist())


def _bit(rows: IndexArray) -> ByteArray:
    """The place of a hinge in its byte."""
    bits: ByteArray = np.right_shift(128, rows & 7).astype(np.uint8)
    return bits
