"""The signs of many functions at one point by few products of large integers, with proved bounds:
what they leave open is left to exact values.

The functions of a layer are shifted so that every coefficient is c = 2^s (c' + e) with 0 <= e < 1
and |c'| <= 2^T, and a point so that 2^P x_i / x_0 = y_i + r_i with 0 <= r_i < 1. Then 2^(P - s)
times the value at the point differs from A = sum c'_i y_i + 2^P c'_0 by less than E = d 2^T + sum
|y_i| + d + 2^P. All A are there at once: the c' of one column, of all functions, stand in one
integer, W bits for each, and so do sums of multiples of columns, as long as |A| + E < 2^(W - 1).
With 2^(W - 1) added to each its highest bit says whether it was negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exact.check.records import Integers

_T = _P = 40
_BYTES = 14
_HALF = 1 << 8 * _BYTES - 1
_HIGHEST = b"0" * 128 + b"1" * 128


class Packed(NamedTuple):
    """The functions of some hinges: the integer of each column, and the one with 1 everywhere."""

    columns: Integers
    ones: int
    size: int


def packed(columns: Sequence[Integers]) -> Packed:
    """The functions of a layer, the first one in the highest bits."""
    largest = max((max(map(abs, column), default=0) for column in columns), default=0)
    shift, count = largest.bit_length() - _T, len(columns[0])
    ones = _ones(count)
    found = Integers()
    for column in columns:
        if shift > 0:
            near = [(x >> shift) + _HALF for x in column]
        else:
            near = [(x << -shift) + _HALF for x in column]
        whole = b"".join([x.to_bytes(_BYTES, "big") for x in near])
        found.append(int.from_bytes(whole, "big") - ones * _HALF)
    return Packed(found, ones, count)


def joined(parts: Sequence[Packed]) -> Packed:
    """The functions of all layers, one layer behind the other."""
    columns, count = Integers(), 0
    for part in parts:
        bits = 8 * _BYTES * part.size
        before = columns or [0] * len(part.columns)
        columns = [(x << bits) + y for x, y in zip(before, part.columns, strict=True)]
        count += part.size
    return Packed(columns, _ones(count), count)


def signs_at(functions: Packed, point: Sequence[int]) -> tuple[int, int]:
    """Which functions are positive at a point `x, x0` for certain, and of which that is open, as
    bits, the first one the highest.
    """
    *x, scale = point
    y = [(a << _P) // scale for a in x]
    size, all_ones, count = sum(map(abs, y)), functions.ones, functions.size
    if (size + (1 << _P) + len(y) + 1) << _T + 1 >= _HALF:  # then |A| + E < 2^T (size + 2^P) + E
        return 0, (1 << count) - 1
    if not count:
        return 0, 0
    total = functions.columns[-1] << _P
    for a, column in zip(y, functions.columns, strict=False):
        total += a * column
    error = (len(y) << _T) + size + len(y) + (1 << _P)
    positive = _highest(total + (_HALF - error - 1) * all_ones, count)
    not_negative = _highest(total + (_HALF + error) * all_ones, count)
    return positive, not_negative ^ positive


def _highest(total: int, count: int) -> int:
    """The highest bit of each of the numbers that stand in one."""
    whole = total.to_bytes(_BYTES * count, "big")
    return int(whole[::_BYTES].translate(_HIGHEST) or b"0", 2)


def _ones(count: int) -> int:
    """1 in each of so many places."""
    return int.from_bytes((b"\0" * (_BYTES - 1) + b"\1") * count, "big")
