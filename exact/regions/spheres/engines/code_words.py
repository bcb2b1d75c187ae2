"""Many codes at once as rows of 64-bit words: V codes are a matrix V x words.

The first hyperplane has the highest bit, so that rows sort as packed codes do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray

Words = np.ndarray[Any, np.dtype[np.uint64]]
_SHIFT, _MULTIPLIER = np.uint64(32), np.uint64(0x9E3779B97F4A7C15)


def masks(count: int) -> Words:
    """The bit of every hyperplane in a row of words, the first one highest, so that rows sort as
    packed codes do.
    """
    masks = np.zeros((count, max(1, (count + 63) // 64)), dtype=np.uint64)
    for j in range(count):
        masks[j, j >> 6] = 1 << (63 - (j & 63))
    return masks


def completions(codes: Words, bits: Words) -> Words:
    """Every code with every subset of its bits (V x c x words) set: 2^c V rows."""
    found = codes
    for c in range(bits.shape[1]):
        own = np.tile(bits[:, c], (1 << c, 1))
        found = np.concatenate([found, found | own])
    return found


def hashes_of(codes: Words) -> Words:
    """A number for every row, of which nothing is assumed but that equal rows have equal ones; one
    word is its own.
    """
    found = codes[:, 0]
    for column in codes.T[1:]:
        # high bits have to reach low ones, since codes often differ in two high bits alone
        for _ in range(2):
            found = (found ^ (found >> _SHIFT)) * _MULTIPLIER
        found = (found ^ (found >> _SHIFT)) + column
    return found


def distinct(codes: Words) -> Words:
    """The rows once each, in ascending order of their hashes, and of the rows where these agree."""
    hashes = hashes_of(codes)
    if codes.shape[1] == 1:
        ordered, same = np.sort(codes, axis=0), np.zeros(0, dtype=bool)
    else:
        order = np.argsort(hashes)
        ordered, hashes = codes[order], hashes[order]
        same = hashes[1:] == hashes[:-1]
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = False
    for column in ordered.T:
        fresh[1:] |= column[1:] != column[:-1]
    if bool(np.any(fresh[1:][same])) if len(same) else False:
        return _distinct_of_colliding(codes)
    return ordered[fresh]


def _distinct_of_colliding(codes: Words) -> Words:
    """As `distinct`, where different rows have one hash."""
    ordered = codes[np.lexsort((*codes.T[::-1], hashes_of(codes)))]
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return ordered[fresh]


def places(ordered: Words, hashes: Words, codes: Words) -> IndexArray:
    """Where rows stand among the rows of `distinct`, which hold them and have these hashes."""
    found = np.searchsorted(hashes, hashes_of(codes))
    while len(wrong := np.flatnonzero((ordered[found] != codes).any(axis=1))):
        found[wrong] += 1
    return found


def packed_bytes(codes: Words) -> ByteArray:
    """The words as packed bits."""
    return codes.astype(">u8").view(np.uint8).reshape(len(codes), -1)
