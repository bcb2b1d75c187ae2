"""Packed codes that agree in most of their bits: the bits that vary, and one row for all others.

A small window of a large network leaves most neurons decided: of a code of ten thousand bits a few
hundred vary. Rows of these alone compare as the codes do, since codes first differ in one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.texts.printing import short_repr

_ROWS = 2**10  # codes that are written out at a time


@short_repr
@dataclass(frozen=True, eq=False)
class Varying:
    """Which bits of codes stand in short rows: bit k of a row is bit `columns[k]` of its code
    (ascending), and all others are those of `common`, a packed code that is 0 in the columns.

    >>> import numpy as np
    >>> codes = Varying(np.array([1, 9]), np.array([128, 1], dtype=np.uint8))
    >>> rows = np.array([[0], [64], [192]], dtype=np.uint8)
    >>> codes.whole(rows).tolist(), codes.row(bytes([192, 65])), codes.row(bytes([0, 1]))
    ([[128, 1], [128, 65], [192, 65]], b'\\xc0', None)
    """

    columns: IndexArray
    common: ByteArray

    def whole(self, rows: ByteArray) -> ByteArray:
        """The codes of some rows. Cost: their bits that vary, and a copy of the others."""
        bytes_of, place = np.unique(self.columns >> 3, return_inverse=True)
        count = len(self.columns)
        bits = np.zeros((len(rows), count + 1), np.uint8)  # and a zero for bits that do not vary
        bits[:, :count] = np.unpackbits(rows, axis=1, count=count)
        sources = np.full(8 * len(bytes_of), count)
        sources[8 * place.reshape(-1) + (self.columns & 7)] = np.arange(count)
        found = np.repeat(self.common[None], len(rows), axis=0)
        found[:, bytes_of] |= np.packbits(bits.take(sources, axis=1), axis=1)
        return found

    def blocks(self, rows: ByteArray) -> Iterator[ByteArray]:
        """The codes of all rows, some thousand at a time."""
        for start in range(0, len(rows), _ROWS):
            yield self.whole(rows[start : start + _ROWS])

    def row(self, packed: bytes) -> bytes | None:
        """The row of a packed code; None where it differs from all codes in a bit that does not
        vary.
        """
        code = np.frombuffer(packed, np.uint8)
        if code.shape != self.common.shape:
            return None
        row = self.rows(code[None])
        return row.tobytes() if np.array_equal(self.whole(row)[0], code) else None

    def rows(self, codes: ByteArray) -> ByteArray:
        """The bits of packed codes that vary."""
        return np.packbits(np.unpackbits(codes, axis=1)[:, self.columns], axis=1)
