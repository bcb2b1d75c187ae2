"""The rows of a graph from its edges, and the bits in which neighbours differ: compiled loops."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]


@numba.njit(cache=True, nogil=True)
def neighbour_rows(pairs: Array, starts: Array, columns: Array) -> None:
    """Fill a symmetric graph (CSR) from edges (E x 2, each once): `starts` (R + 1) is given zero,
    `columns` (2 E) come out ascending in every row. By counting, first the ends, then the starts.
    """
    edges, rows = pairs.shape[0], starts.shape[0] - 1
    for e in range(edges):
        starts[pairs[e, 0] + 1] += 1
        starts[pairs[e, 1] + 1] += 1
    for r in range(rows):
        starts[r + 1] += starts[r]
    # the graph is symmetric: what starts at a row also ends there
    place, ends = starts[:-1].copy(), np.empty(2 * edges, columns.dtype)
    for e in range(edges):
        for side in range(2):
            ends[place[pairs[e, side]]] = pairs[e, 1 - side]
            place[pairs[e, side]] += 1
    place[:] = starts[:-1]
    for r in range(rows):
        for k in range(starts[r], starts[r + 1]):
            columns[place[ends[k]]] = r
            place[ends[k]] += 1


@numba.njit(cache=True, nogil=True)
def count_flips(words: Array, starts: Array, columns: Array, flips: Array) -> None:
    """For every entry of a graph over rows of words, how many bits differ: flips[k + 1]."""
    for r in range(starts.shape[0] - 1):
        for k in range(starts[r], starts[r + 1]):
            count = 0
            for w in range(words.shape[1]):
                left = words[r, w] ^ words[columns[k], w]
                while left != 0:
                    left &= left - np.uint64(1)
                    count += 1
            flips[k + 1] = count


@numba.njit(cache=True, nogil=True)
def list_flips(words: Array, starts: Array, columns: Array, members: Array) -> None:
    """The bits that differ for every entry, ascending, one entry's behind the other's.

    Words hold packed bytes, the first byte lowest, and a byte its first bit highest.
    """
    top = 0
    for r in range(starts.shape[0] - 1):
        for k in range(starts[r], starts[r + 1]):
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
