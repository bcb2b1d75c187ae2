"""Spline codes (activation patterns): which side of every breakpoint a point lies on,
bit-packed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray, KeyArray, WordArray
from exact.errors import InvalidInput

_ROWS, _BUCKETS = 2**14, 200  # that one thread takes at a time, and into which all are dealt
_FEW = 2**15  # below which loading compiled loops takes longer than they spare


class Sharing(Protocol):
    """What shares ranges among threads, as :class:`exact.geometry.workers.Workers` do."""

    def ranges(self, count: int, size: int) -> list[tuple[int, int]]:
        """The numbers below `count` in ranges of `size`, by their ends."""

    def map(self, task: Callable[..., Any], given: Iterable[tuple[Any, ...]]) -> list[Any]:
        """The results of a task for all given arguments, in their order."""


class Hinge(NamedTuple):
    """One bit of the spline code: breakpoint `breakpoint` of neuron `neuron` of hidden layer
    `layer` (1-based).

    >>> Hinge(1, 7), str(Hinge(2, 0, 1))
    (Hinge(layer=1, neuron=7, breakpoint=0), '(2, 0)#1')
    """

    layer: int
    neuron: int
    breakpoint: int = 0

    def __str__(self) -> str:
        return f"({self.layer}, {self.neuron})" + (f"#{self.breakpoint}" if self.breakpoint else "")


@dataclass(frozen=True)
class SplineCode:
    """The bits of a spline code in layer-major order, packed as numpy.packbits does.

    `layer_sizes` counts the bits of each hidden layer it covers. Bit 1 iff the pre-activation
    exceeds the breakpoint (mathematics.md, "Spline codes, regions and cells"); equality, also on an
    open set, counts as off. A code is a sequence of symbols, which a distance counts: symbol k
    stands in `widths[k]` consecutive bits, and without widths every bit is one.

    >>> SplineCode.of([0, 1, 1], [3], widths=[2, 1]).hamming(SplineCode.of([1, 0, 1], [3], [2, 1]))
    1
    """

    packed: bytes
    layer_sizes: tuple[int, ...]
    widths: tuple[int, ...] | None = None

    @classmethod
    def of(
        cls,
        bits: Sequence[Any] | BitArray,
        layer_sizes: Sequence[int],
        widths: Sequence[int] | None = None,
    ) -> SplineCode:
        """Pack the bits; their number must be the sum of the layer sizes, and of the widths."""
        array = np.asarray(bits, dtype=bool)
        if array.shape != (sum(layer_sizes),):
            raise InvalidInput(
                "a spline code has the wrong number of bits",
                value=array.shape,
                remedy=f"give {sum(layer_sizes)} bits",
            )
        if widths is not None and (min(widths, default=1) < 1 or sum(widths) != len(array)):
            raise InvalidInput(
                "the symbols of a spline code do not cover its bits",
                value=f"widths {list(widths)[:10]}, {len(array)} bits",
                remedy="give positive widths whose sum is the number of bits",
            )
        bit_each = widths is None or all(width == 1 for width in widths)
        return cls(
            np.packbits(array).tobytes(),
            tuple(layer_sizes),
            None if bit_each or widths is None else tuple(widths),
        )

    @classmethod
    def rows(
        cls, codes: ByteArray, layer_sizes: tuple[int, ...], widths: tuple[int, ...] | None = None
    ) -> Iterator[SplineCode]:
        """The codes of a packed array (R x bytes), one by one: at a third of the time that R calls
        of a frozen class take.
        """
        packed, width = codes.tobytes(), codes.shape[1]
        make = object.__new__
        for start in range(0, len(codes) * width, width) if width else [0] * len(codes):
            code = make(cls)
            fields = code.__dict__
            fields["packed"] = packed[start : start + width]
            fields["layer_sizes"] = layer_sizes
            fields["widths"] = widths
            yield code

    @property
    def bits(self) -> BitArray:
        """The bits as a bool array."""
        return np.unpackbits(np.frombuffer(self.packed, np.uint8), count=len(self)).astype(bool)

    def last_layers(self, sizes: Sequence[int]) -> list[list[bool]]:
        """The bits of each of the last `len(sizes)` hidden layers."""
        flat = [bool(b) for b in self.bits][len(self) - sum(sizes) :]
        return [flat[a:b] for a, b in itertools.pairwise(np.cumsum([0, *sizes]))]

    def hamming(self, other: SplineCode) -> int:
        """The number of symbols in which two codes of the same network differ."""
        if (self.layer_sizes, self.widths) != (other.layer_sizes, other.widths):
            raise InvalidInput(
                "codes of different networks have no Hamming distance",
                value=other.layer_sizes,
                remedy=f"compare with a code of layers {self.layer_sizes}",
            )
        return len(symbols_of(np.flatnonzero(self.bits != other.bits), self.widths))

    def __len__(self) -> int:
        return sum(self.layer_sizes)

    def __str__(self) -> str:
        text = "".join("1" if bit else "0" for bit in self.bits)
        starts = np.cumsum([0, *self.layer_sizes])
        return "|".join(text[a:b] for a, b in itertools.pairwise(starts))

    def __repr__(self) -> str:
        text = str(self)
        return f"SplineCode({text if len(text) <= 80 else text[:77] + '...'})"


def code_keys(codes: ByteArray) -> KeyArray:
    """Packed codes (R x bytes) as R byte strings of equal length, which compare as the codes do; a
    view, no copy.

    The canonical order of regions is the order of these keys: lexicographic in the bits.
    """
    if codes.shape[1] == 0:
        return np.zeros(len(codes), dtype="S1")
    return np.ascontiguousarray(codes).view(f"S{codes.shape[1]}")[:, 0]


def in_canonical_order(codes: ByteArray, workers: Sharing) -> tuple[ByteArray, IndexArray]:
    """Packed codes in canonical order, and for each the place that it has there.

    Cost: linear in the codes, in compiled loops, which all threads of `workers` share.

    >>> import numpy as np
    >>> from exact.geometry.workers import Workers
    >>> codes, place = in_canonical_order(np.array([[3], [1], [2]], dtype=np.uint8), Workers())
    >>> codes.tolist(), place.tolist()
    ([[1], [2], [3]], [2, 0, 1])
    """
    order, ranges = canonical_order(codes, workers), workers.ranges(len(codes), _ROWS)
    found, place = np.empty_like(codes), np.empty_like(order)
    if len(codes) < _FEW:
        found[:], place[order] = codes[order], np.arange(len(codes))
        return found, place
    from exact.kernels.code_order import gather

    workers.map(gather, [(codes, order, found, place, *ends) for ends in ranges])
    return found, place


def renumber(numbers: IndexArray, place: IndexArray, workers: Sharing) -> None:
    """Replace every number in an array (N x k) by its place."""
    if len(place) < _FEW:
        numbers[:] = place[numbers]
        return
    from exact.kernels.code_order import renumber as in_range

    ranges = workers.ranges(len(numbers), 4 * _ROWS)
    workers.map(in_range, [(numbers, place, *ends) for ends in ranges])


def canonical_order(codes: ByteArray, workers: Sharing) -> IndexArray:
    """The numbers of packed codes in their canonical order; of equal ones the first comes first."""
    if len(codes) < _FEW:
        return np.argsort(code_keys(codes), kind="stable")
    from exact.kernels.code_order import deal, find_buckets, sort_rows

    words = words_of(codes).byteswap()  # whose order is that of the codes
    some = np.arange(0, len(codes), -(-len(codes) // _BUCKETS))
    pivots = words[some[np.argsort(code_keys(codes[some]), kind="stable")]]
    ranges = workers.ranges(len(codes), _ROWS)
    bucket = np.empty(len(codes), np.uint8)
    workers.map(find_buckets, [(words, pivots, bucket, *ends) for ends in ranges])
    counts = [np.bincount(bucket[low:high], minlength=_BUCKETS + 1) for low, high in ranges]
    # what a range has of a bucket comes behind all of the buckets before and of the ranges before
    ends_of = np.cumsum(np.stack(counts).T).reshape(-1, len(counts))
    places = np.ascontiguousarray((ends_of - np.stack(counts).T).T)
    order = np.empty(len(codes), index_type(len(codes)))
    workers.map(
        deal, [(bucket, own, order, *ends) for own, ends in zip(places, ranges, strict=True)]
    )
    last = [0, *ends_of[:, -1].tolist()]
    workers.map(sort_rows, [(words, order, *ends) for ends in itertools.pairwise(last)])
    return order


def index_type(most: int) -> type[np.signedinteger[Any]]:
    """The integers that indices up to `most` are kept in."""
    return np.int32 if most < 2**31 else np.int64


def words_of(codes: ByteArray) -> WordArray:
    """Packed codes as rows of 64-bit words, filled up with zeros; the first byte is the lowest.

    >>> import numpy as np
    >>> words_of(np.array([[1, 2]], dtype=np.uint8)).tolist()
    [[513]]
    """
    padded = np.zeros((len(codes), (codes.shape[1] + 7) // 8 * 8), dtype=np.uint8)
    padded[:, : codes.shape[1]] = codes
    return padded.view("<u8").astype(np.uint64, copy=False)


def find_key(keys: KeyArray, packed: bytes) -> int | None:
    """The place of a packed code among sorted keys by bisection, or None."""
    key = np.array(packed, dtype=keys.dtype)
    place = int(np.searchsorted(keys, key))
    return place if place < len(keys) and keys[place] == key else None


def flipped_bits(first: ByteArray, second: ByteArray) -> tuple[IndexArray, IndexArray]:
    """Where packed codes differ, row by row: the rows, ascending, and the bits, ascending within a
    row.

    Cost: one pass over the bytes, and unpacking only those that differ.
    """
    change = first ^ second
    rows, columns = np.nonzero(change)
    places, bits = np.nonzero(np.unpackbits(change[rows, columns][:, None], axis=1))
    return rows[places], columns[places] * 8 + bits


def widths_of(symbols: Sequence[int]) -> tuple[int, ...] | None:
    """How many bits symbols with so many values take; None where each of them is a bit.

    >>> widths_of([2, 3, 4]), widths_of([2, 2])
    ((1, 2, 2), None)
    """
    widths = tuple((values - 1).bit_length() for values in symbols)
    return None if all(width == 1 for width in widths) else widths


def symbols_of(bits: IndexArray, widths: Sequence[int] | None) -> IndexArray:
    """The symbols that some bits belong to, ascending and once each; without widths the bits
    themselves.

    >>> import numpy as np
    >>> symbols_of(np.array([0, 1, 4]), [2, 1, 3]).tolist()
    [0, 2]
    """
    if widths is None:
        return np.unique(bits)
    return np.unique(np.searchsorted(np.cumsum(widths), bits, side="right"))
