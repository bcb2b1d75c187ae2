"""What is left of a skeleton when its hinges, moved by infinitesimals, move back: the cells of full
dimension, with codes and facets; see `skeleton`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.errors import require
from exact.geometry.budgets import Watch
from exact.kernels import skeleton as kernel
from exact.kernels.skeleton import TOUCHED, VERTICES, Skeleton

FANS = "cells in fans"
"""What `decisions` counts those as that were read off where more than d hinges and walls meet."""
Array = np.ndarray[Any, Any]
Copies = Sequence[tuple[int, int, bool]]  # (bit, the bit it follows, whether as its opposite)


class Slivers:
    """Which of the numbered cells of a skeleton vanish in the limit, and what is adjacent across
    them. Raises Stopped when `watch` is up, EngineDefect where cells do not close.
    """

    def __init__(self, c: Skeleton, cells: int, watch: Watch) -> None:
        self.c, self._watch, count = c, watch, int(c.n[VERTICES])
        self._dim = c.hinge.shape[1]
        self._code = np.zeros(c.on.shape[1], np.uint64)
        self._common = np.zeros(c.touch.shape[1], np.uint64)
        self._found = np.zeros(count, np.int64)
        self._dimension = np.full(cells, self._dim, np.int64)
        require(c.n[TOUCHED], "where nothing is touched, all vertices are simple", cells)
        seen = np.zeros(count, np.int64)
        closed = kernel.cell_dimensions(
            c, self._code, self._common, self._found, seen, self._dimension
        )
        self._done(closed)
        self.kept: IndexArray = np.flatnonzero(self._dimension == self._dim)
        self.vanished = cells - len(self.kept)
        simple = np.bitwise_count(c.touch[:count]).sum(axis=1, dtype=np.int64) == self._dim
        lowest = np.searchsorted(c.first[: count + 1], self.kept, side="right") - 1
        self.fans = int(np.count_nonzero(~simple[lowest]))

    def _done(self, closed: bool) -> None:
        self._watch.check()
        require(closed, "cells around touched vertices are closed", len(self._dimension))

    def settle_copies(self, codes: ByteArray, copies: Copies) -> None:
        """Turn off, in the codes of the cells that are kept, the opposites of hinges that vanish on
        all of a cell: like these they are zero there, not positive.
        """
        opposite = [(bit, leader) for bit, leader, flips in copies if flips]
        if not opposite:
            return
        words = self.c.on.shape[1]
        wanted, seen = np.zeros(words, np.uint64), np.zeros(len(self._found), np.int64)
        for _, leader in opposite:
            wanted[leader >> 6] |= np.uint64(1 << ((leader ^ 7) & 63))
        vanish = np.zeros((len(self._dimension), words), np.uint64)
        closed = kernel.common_hinges(
            self.c, self._code, self._common, self._found, seen, wanted, vanish
        )
        self._done(closed)
        for bit, leader in opposite:
            off = (vanish[self.kept, leader >> 6] >> np.uint64((leader ^ 7) & 63)) & np.uint64(1)
            codes[off == 1, bit >> 3] &= 255 ^ (128 >> (bit & 7))

    def pairs(self, pairs: IndexArray) -> IndexArray:
        """Every two cells that share a facet in the limit, given those that do in front of it; by
        their places in `kept`.
        """
        full, seen = np.zeros(len(pairs), bool), np.zeros(len(self._found), np.int64)
        closed = kernel.full_facets(
            self.c, pairs, self._dimension, self._code, self._common, self._found, seen, full
        )
        self._done(closed)
        links = np.full((len(self._dimension), 2), -1, np.int64)
        joined = np.empty_like(pairs)
        count = kernel.joined_by_slivers(pairs, full, self._dimension, self._dim, links, joined)
        require(count >= 0, "a cell between two hinges has two sides", len(pairs))
        place = np.full(len(self._dimension), -1, np.int64)
        place[self.kept] = np.arange(len(self.kept))
        found: IndexArray = place[joined[:count]].astype(np.int32)
        return found
