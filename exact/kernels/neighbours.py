"""The rows of a graph from its edges, and the bits in which neighbours differ: compiled loops over
ranges of rows, which threads can share, as in a range nothing is written that another reads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@numba.njit(cache=True, nogil=True)
def count_neighbours(pairs: Array, starts: Array, low: int, high: int) -> None:
    """Count the edges (E x 2, each once) at rows `low`, ..., `high` - 1 of a symmetric graph:
    `starts` (R + 1) is given zero, and row r has starts[r + 1] of them.
    """
    for e in range(pairs.shape[0]):
        for side in range(2):
            row = pairs[e, side]
            if low <= row and row < high:
                starts[row + 1] += 1


@numba.njit(cache=True, nogil=True)
def list_ends(pairs: Array, starts: Array, ends: Array, low: int, high: int) -> None:
    """Write what is at the other end of every edge at rows `low`, ..., `high` - 1, as it comes."""
    place = starts[low:high].copy()
    for e in range(pairs.shape[0]):
        for side in range(2):
            row = pairs[e, side]
            if low <= row and row < high:
                ends[place[row - low]] = pairs[e, 1 - side]
                place[row - low] += 1


@numba.njit(cache=True, nogil=True)
def sort_neighbours(starts: Array, ends: Array, columns: Array, low: int, high: int) -> None:
    """Fill rows `low`, ..., `high` - 1 of the graph (CSR), ascending, by the ends of all rows: the
    graph is symmetric, so that what starts at a row also ends there.
    """
    place = starts[low:high].copy()
    for r in range(starts.shape[0] - 1):
        for k in range(starts[r], starts[r + 1]):
            row = ends[k]
            if low <= row and row < high:
                columns[place[row - low]] = r
                place[row - low] += 1


@part
def _lowest_bit(word: Any) -> Any:
    place = np.uint64(0)
    for step in (32, 16, 8, 4, 2, 1):
        half = np.uint64(step)
        if word & ((np.uint64(1) << half) - np.uint64(1)) == 0:
            word >>= half
            place += half
    return place


@numba.njit(cache=True, nogil=True)
def single_flips(
    words: Array, starts: Array, columns: Array, members: Array, low: int, high: int
) -> bool:
    """For every entry of rows `low`, ..., `high` - 1 of a graph over rows of words the one bit that
    differs; False as soon as an entry has not one.

    Words hold packed bytes, the first byte lowest, and a byte its first bit highest.
    """
    for r in range(low, high):
        for k in range(starts[r], starts[r + 1]):
            found: Any = -1
            for w in range(words.shape[1]):
                left = words[r, w] ^ words[columns[k], w]
                if left != 0:
                    if found >= 0 or left & (left - np.uint64(1)) != 0:
                        return False
                    found = (64 * w + np.int64(_lowest_bit(left))) ^ 7
            if found < 0:
                return False
            members[k] = found
    return True


@numba.njit(cache=True, nogil=True)
def count_flips(
    words: Array, starts: Array, columns: Array, flips: Array, low: int, high: int
) -> None:
    """For every entry of these rows, how many bits differ: flips[k + 1]."""
    for r in range(low, high):
        for k in range(starts[r], starts[r + 1]):
            count = 0
            for w in range(words.shape[1]):
                left = words[r, w] ^ words[columns[k], w]
                while left != 0:
                    left &= left - np.uint64(1)
                    count += 1
            flips[k + 1] = count


@numba.njit(cache=True, nogil=True)
def list_flips(
    words: Array, starts: Array, columns: Array, flips: Array, members: Array, low: int, high: int
) -> None:
    """The bits that differ for every entry of these rows, ascending, where `flips` says that they
    start.
    """
    for r in range(low, high):
        for k in range(starts[r], starts[r + 1]):
            top = flips[k]
            for w in range(words.shape[1]):
                left = words[r, w] ^ words[columns[k], w]
                at = 64 * w
                while left != 0:
                    byte = left & np.uint64(255)
                    if byte != 0:
                        for bit in range(8):
                            if byte & np.uint64(128 >> bit) != 0:
                                members[top] = at + bit
                                top += 1
                    left >>= np.uint64(8)
                    at += 8
