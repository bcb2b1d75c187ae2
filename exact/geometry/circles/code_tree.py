"""The codes of the cells of a sphere, kept as a tree: two integers a cell instead of thousands of
bits.

Crossing an arc flips the hinges of its carrier, and the cells of a sphere are connected through
arcs; a breadth-first tree of the dual graph therefore holds all codes. They are written out when
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.errors import EngineDefect
from exact.geometry.circles.complex import HalfEdgeArray, SphereComplex
from exact.geometry.combinatorics.incidence import Incidence

_MASK = (1 << 64) - 1


class Tree(NamedTuple):
    """Cells in breadth-first order from cell 0; for every cell its parent, the carrier crossed to
    it, and its depth.
    """

    order: HalfEdgeArray
    parent: HalfEdgeArray
    carrier: HalfEdgeArray
    depth: HalfEdgeArray


@dataclass(frozen=True)
class CodeTree:
    """All codes of a complex whose cell 0 has the code `root`.

    Memory: 20 bytes a cell. Cost: one pass over the half-edges, when the first code is asked for.
    """

    complex: SphereComplex
    root: BitArray

    @cached_property
    def walks_of_cell(self) -> Incidence:
        """The boundary walks of every cell."""
        return rows_by_label(self.complex.cell_of_walk, self.complex.cell_count)

    @cached_property
    def first_half_edge(self) -> HalfEdgeArray:
        """A half-edge of every walk, the lowest."""
        found = np.empty(self.complex.walk_count, dtype=np.int32)
        halves = np.arange(len(self.complex.walk_of) - 1, -1, -1, dtype=np.int32)
        found[self.complex.walk_of[halves]] = halves
        return found

    @cached_property
    def tree(self) -> Tree:
        """The breadth-first tree; EngineDefect when the dual graph is not connected."""
        from exact.kernels.sphere_tree import breadth_first

        at, walks, count = self.complex, self.walks_of_cell, self.complex.cell_count
        order, via, depth = (np.zeros(count, dtype=np.int32) for _ in range(3))
        parent = np.full(count, -1, dtype=np.int32)
        reached = count and breadth_first(
            walks.starts,
            walks.members,
            self.first_half_edge,
            at.following,
            at.walk_of,
            at.cell_of_walk,
            order,
            parent,
            via,
            depth,
        )
        if reached != count:
            raise EngineDefect(
                "the cells of a sphere are not connected through its arcs",
                value=f"{reached} of {count}",
            )
        carrier = at.arc_circle[via] if at.arc_count else via
        return Tree(order, parent, np.ascontiguousarray(carrier, dtype=np.int32), depth)

    def differing(self, a: int, b: int) -> IndexArray:
        """The bits in which the codes of two cells differ, ascending; cost: the tree path between
        them.
        """
        from exact.kernels.sphere_tree import difference

        odd = np.zeros(len(self.root), dtype=np.uint8)
        difference(a, b, *self.tree[1:], *self._flips, odd)
        return np.flatnonzero(odd)

    def bits(self, cell: int) -> BitArray:
        """The code of one cell."""
        found = self.root.copy()
        found[self.differing(0, cell)] ^= True
        return found

    def packed(self) -> ByteArray:
        """All codes, bit-packed (R x ceil(hinges / 8))."""
        from exact.kernels.sphere_tree import fill_codes

        codes = np.zeros((self.complex.cell_count, (len(self.root) + 7) // 8), dtype=np.uint8)
        codes[:1] = np.packbits(self.root)
        fill_codes(*self.tree[:3], *self._flips, codes)
        return codes

    def hashes(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """A 64-bit hash of every code: equal codes have equal hashes; the converse has to be
        checked.
        """
        from exact.kernels.sphere_tree import hash_cells

        keys = np.zeros(len(self.complex.circles), dtype=np.uint64)
        words = np.array([_scrambled(bit) for bit in range(len(self.root))], dtype=np.uint64)
        rows = np.repeat(np.arange(len(keys)), np.diff(self.complex.flips.starts))
        np.bitwise_xor.at(keys, rows, words[self.complex.flips.members])
        found = np.zeros(self.complex.cell_count, dtype=np.uint64)
        hash_cells(*self.tree[:3], keys, found)
        return found

    def count(self) -> int:
        """The number of different codes: hashes propose which are equal, the codes themselves
        decide.
        """
        from exact.kernels.sphere_tree import count_distinct

        hashes = self.hashes()
        odd = np.zeros(len(self.root), dtype=np.uint8)
        chosen = np.zeros(len(hashes), dtype=np.int32)
        by_hash = np.argsort(hashes, kind="stable").astype(np.int32)
        return int(count_distinct(hashes, by_hash, *self.tree[1:], *self._flips, odd, chosen))

    @cached_property
    def _flips(self) -> tuple[IndexArray, IndexArray]:
        flips = self.complex.flips
        return flips.starts.astype(np.int64), flips.members.astype(np.int64)


def rows_by_label(labels: HalfEdgeArray, count: int) -> Incidence:
    """The indices that carry each label 0 .. count - 1, ascending within a row."""
    starts = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(labels, minlength=count), out=starts[1:])
    return Incidence(starts, np.argsort(labels, kind="stable").astype(np.int64))


def _scrambled(index: int) -> int:
    """A fixed 64-bit word for an index (the finaliser of splitmix64; Steele, Lea, Flood 2014)."""
    word = (index + 1) * 0x9E3779B97F4A7C15 & _MASK
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _MASK
    return word ^ word >> 31
