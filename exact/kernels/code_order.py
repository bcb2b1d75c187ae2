"""Rows of words in lexicographic order, and arrays put in it: compiled loops over ranges, which
threads can share.

Rows are dealt into buckets between pivots, then every bucket is sorted by bytes, the last one
first (each pass leaves equal bytes as they are). A bucket holds a small part of the rows, so that
it is sorted within a cache.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@part
def _is_before(words: Array, i: int, pivots: Array, k: int) -> bool:
    for w in range(words.shape[1]):
        if words[i, w] != pivots[k, w]:
            return bool(words[i, w] < pivots[k, w])
    return False


@numba.njit(cache=True, nogil=True)
def find_buckets(words: Array, pivots: Array, bucket: Array, low: int, high: int) -> None:
    """For rows `low`, ..., `high` - 1 the number of `pivots`, ascending, that are not above it."""
    for i in range(low, high):
        first, last = 0, pivots.shape[0]
        while first < last:
            middle = (first + last) >> 1
            if _is_before(words, i, pivots, middle):
                last = middle
            else:
                first = middle + 1
        bucket[i] = first


@numba.njit(cache=True, nogil=True)
def deal(bucket: Array, place: Array, order: Array, low: int, high: int) -> None:
    """Write the numbers of rows `low`, ..., `high` - 1 to where those of their buckets begin, by
    `place`, which is used up.
    """
    for i in range(low, high):
        at = bucket[i]
        order[place[at]] = i
        place[at] += 1


@numba.njit(cache=True, nogil=True)
def sort_rows(words: Array, order: Array, low: int, high: int) -> None:
    """Put `order[low:high]`, which are numbers of rows of `words`, in the order of these rows."""
    size, rows = high - low, words.shape[1]
    ids, moved = order[low:high].copy(), np.empty(size, order.dtype)
    keys, gone = np.empty(size, np.uint64), np.empty(size, np.uint64)
    ends = np.zeros(257, np.int64)
    for w in range(rows - 1, -1, -1):
        every, some = ~np.uint64(0), np.uint64(0)
        for i in range(size):
            keys[i] = words[ids[i], w]
            every &= keys[i]
            some |= keys[i]
        for digit in range(8):
            shift = np.uint64(8 * digit)
            if ((every ^ some) >> shift) & np.uint64(255) == 0:
                continue
            ends[:] = 0
            for i in range(size):
                ends[((keys[i] >> shift) & np.uint64(255)) + np.uint64(1)] += 1
            for k in range(256):
                ends[k + 1] += ends[k]
            for i in range(size):
                byte = (keys[i] >> shift) & np.uint64(255)
                at = ends[byte]
                ends[byte] += 1
                gone[at], moved[at] = keys[i], ids[i]
            keys, gone = gone, keys
            ids, moved = moved, ids
    order[low:high] = ids


@numba.njit(cache=True, nogil=True)
def gather(rows: Array, order: Array, out: Array, place: Array, low: int, high: int) -> None:
    """out[i] = rows[order[i]] and place[order[i]] = i for i = `low`, ..., `high` - 1."""
    for i in range(low, high):
        at = order[i]
        place[at] = i
        for k in range(rows.shape[1]):
            out[i, k] = rows[at, k]


@numba.njit(cache=True, nogil=True)
def renumber(numbers: Array, place: Array, low: int, high: int) -> None:
    """Replace every number in rows `low`, ..., `high` - 1 by its place."""
    for i in range(low, high):
        for k in range(numbers.shape[1]):
            numbers[i, k] = place[numbers[i, k]]
