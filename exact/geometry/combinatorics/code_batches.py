"""The spline codes of many points, and their Hamming distances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, overload

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.errors import ExactlensError, InvalidInput, TooLarge
from exact.geometry.budgets import available_bytes, readable_bytes
from exact.geometry.combinatorics.codes import SplineCode
from exact.geometry.combinatorics.lazy import Items
from exact.geometry.combinatorics.tables import Columns, Tabular

Errors = Literal["raise", "keep"]
_ENTRIES = 1 << 24  # of the unpacked codes of a chunk


@dataclass(frozen=True, eq=False)
class Codes(Items[SplineCode], Tabular):
    """The spline codes of N points, row by row as :meth:`Network.code` gives them; `codes[i]` is
    the SplineCode of row i, `codes[array]` the Codes of the rows with these numbers, or where an
    array of N bools is true.

    `packed` (N x bytes, uint8) has the bits of each row as numpy.packbits packs them, `layer_sizes`
    says how many belong to each hidden layer, and `widths` how many to each symbol (None: one).
    `decisions` counts the rows that the float64 filter proved and those that exact arithmetic
    decided; `failures` has the rows that have no code, which only ``errors="keep"`` leaves there,
    and why: their bits are zeros.

    >>> from exact.sources import tensors
    >>> net = tensors.block([[1, 0], [0, 1], [1, 1]], [0, 0, -1], [[1, 1, 1]] * 2, [0, 0], "rms")
    >>> codes = net.codes([[2, 1], [-1, 3], [0, 0]])
    >>> [str(code) for code in codes], codes.packed.tolist(), codes.decisions
    (['111', '010', '000'], [[224], [64], [0]], {'filter': 2, 'exact': 1})
    """

    _what: ClassVar[str] = "row"

    packed: ByteArray
    layer_sizes: tuple[int, ...]
    widths: tuple[int, ...] | None = None
    decisions: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[int, ExactlensError] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.packed)

    @overload
    def __getitem__(self, index: int) -> SplineCode: ...

    @overload
    def __getitem__(self, index: slice) -> list[SplineCode]: ...

    @overload
    def __getitem__(self, index: IndexArray | BitArray | list[int]) -> Codes: ...

    def __getitem__(self, index: Any) -> Any:
        listed = (
            np.array(index, dtype=None if index else np.int64) if type(index) is list else index
        )
        if isinstance(listed, np.ndarray) and listed.ndim:
            return self._chosen(listed)
        return super().__getitem__(index)

    def _chosen(self, index: IndexArray | BitArray) -> Codes:
        """Some rows; which of them a filter proved is not known any more."""
        if index.ndim != 1 or index.dtype.kind not in "iub":
            raise InvalidInput(
                "no numbers of rows",
                value=f"a {index.dtype} array of shape {index.shape}",
                remedy="give an array of whole numbers, or of a bool for each row",
            )
        rows = np.arange(len(self))[index].tolist()
        failures = {k: self.failures[row] for k, row in enumerate(rows) if row in self.failures}
        return Codes(self.packed[rows], self.layer_sizes, self.widths, {}, failures)

    def _item(self, place: int) -> SplineCode:
        if place in self.failures:
            raise self.failures[place]
        return SplineCode(self.packed[place].tobytes(), self.layer_sizes, self.widths)

    @property
    def bits(self) -> BitArray:
        """All bits (N x bits); eight times as large as :attr:`packed`."""
        return self._bits(0, len(self))

    def _bits(self, begin: int, end: int) -> BitArray:
        count = sum(self.layer_sizes)
        return np.unpackbits(self.packed[begin:end], axis=1, count=count).view(np.bool_)

    def columns(self) -> Columns:
        """The columns of the table: row, code (the packed bits, as bytes), has_code."""
        rows = np.arange(len(self))
        packed = np.array([row.tobytes() for row in self.packed], dtype=object)
        return {"row": rows, "code": packed, "has_code": ~np.isin(rows, list(self.failures))}

    def __eq__(self, other: object) -> bool:
        """Whether the same rows have the same codes."""
        return (
            isinstance(other, Codes)
            and (self.layer_sizes, self.widths) == (other.layer_sizes, other.widths)
            and self.failures.keys() == other.failures.keys()
            and np.array_equal(self.packed, other.packed)
        )

    def __hash__(self) -> int:
        return hash((len(self), self.layer_sizes, self.widths))

    def __repr__(self) -> str:
        told = f", {len(self.failures)} without one" if self.failures else ""
        return f"<codes of {len(self):,} points, layers of {self.layer_sizes}{told}>"


def hamming(a: Codes, b: Codes, pairs: bool = True) -> IndexArray:
    """The number of symbols in which codes differ: row i of `a` and of `b` (N), or with
    ``pairs=False`` every row of `a` and every one of `b` (N x M).

    Raises InvalidInput for codes of different layers, for pairs of different lengths, and for rows
    without a code; TooLarge where the matrix does not fit into memory. Cost of the matrix: a
    product of float32 matrices (N x bits) and (bits x M).

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> a, b = net.codes([[1, 1], [1, -1]]), net.codes([[-1, -1], [2, -2]])
    >>> hamming(a, b).tolist(), hamming(a, b, pairs=False).tolist()
    ([2, 0], [[2, 1], [1, 0]])
    """
    _check(a, b, pairs)
    size = max(1, _ENTRIES // max(1, sum(a.layer_sizes)))
    found: IndexArray = np.zeros(len(a) if pairs else (len(a), len(b)), dtype=np.int64)
    for begin in range(0, len(a), size):
        own = slice(begin, begin + size)
        if pairs:
            found[own] = _differing(a, a.packed[own] ^ b.packed[own])
            continue
        for other in range(0, len(b), size):
            theirs = slice(other, other + size)
            found[own, theirs] = _matrix(a, a.packed[own], b.packed[theirs])
    return found


def _differing(codes: Codes, change: ByteArray) -> IndexArray:
    """The number of symbols that a set bit of each row belongs to."""
    found: IndexArray
    if codes.widths is None:
        found = np.bitwise_count(change).sum(axis=1, dtype=np.int64)
        return found
    bits = np.unpackbits(change, axis=1, count=sum(codes.layer_sizes))
    starts = np.cumsum([0, *codes.widths[:-1]])
    differs: BitArray = np.bitwise_or.reduceat(bits, starts, axis=1).astype(bool)
    found = differs.sum(axis=1, dtype=np.int64)
    return found


def _matrix(codes: Codes, first: ByteArray, second: ByteArray) -> IndexArray:
    """Between all rows: |a| + |b| - 2 a b in float32, which holds whole numbers to 2^24."""
    if codes.widths is not None or sum(codes.layer_sizes) >= 1 << 23:
        return np.stack([_differing(codes, row ^ second) for row in first])
    a, b = (np.unpackbits(x, axis=1).astype(np.float32) for x in (first, second))
    found: IndexArray = a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * (a @ b.T)
    return found.astype(np.int64)


def _check(a: Codes, b: Codes, pairs: bool) -> None:
    for given in (a, b):
        if not isinstance(given, Codes):
            raise InvalidInput(
                "no codes", value=type(given).__name__, remedy="give network.codes(X)"
            )
    if (a.layer_sizes, a.widths) != (b.layer_sizes, b.widths):
        raise InvalidInput(
            "codes of different networks have no Hamming distance",
            value=b.layer_sizes,
            remedy=f"compare with codes of layers {a.layer_sizes}",
        )
    if pairs and len(a) != len(b):
        raise InvalidInput(
            "pairs of codes need as many of the one as of the other",
            value=f"{len(a)} and {len(b)}",
            remedy="give equally many, or pairs=False for the distances of all to all",
        )
    for row in (*a.failures, *b.failures):
        raise InvalidInput(
            "a row has no code", value=f"row {row}", remedy="leave the rows in .failures out"
        )
    needed, room = 8 * len(a) * len(b), available_bytes()
    if not pairs and room is not None and needed > room:
        raise TooLarge(
            "the matrix of distances does not fit into memory",
            value=f"{len(a):,} x {len(b):,} ({readable_bytes(needed)})",
            remedy=f"give fewer rows at once; {readable_bytes(room)} are free",
        )
