"""Codes of the cells of a sphere along a breadth-first tree of its dual graph: loops over
half-edges, compiled.

Half-edge h of arc h // 2 has a cell on its left, `cells[walks[h]]`; its twin h ^ 1 has the cell on
the other side. The code of a cell is that of its parent with the hinges of one carrier flipped, so
that millions of codes of thousands of bits need two integers each.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]

kernel = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]


@kernel
def breadth_first(
    starts: Array,
    members: Array,
    first: Array,
    following: Array,
    walks: Array,
    cells: Array,
    order: Array,
    parent: Array,
    via: Array,
    depth: Array,
) -> int:
    """Fill `order`, and for every cell its parent, the arc to it and its depth, from cell 0; return
    how many were reached.

    `members[starts[c] : starts[c + 1]]` are the walks of cell c, `first[w]` is a half-edge of walk
    w. `parent` arrives as -1.
    """
    # order[:reached] are the cells met so far, order[:at] those whose neighbours all are
    order[0], parent[0], depth[0] = 0, 0, 0
    reached, at = 1, 0
    while at < reached:
        cell = order[at]
        at += 1
        for place in range(starts[cell], starts[cell + 1]):
            # once around each boundary walk: the twin of a half-edge has the neighbour on its left
            begin = first[members[place]]
            half = begin
            while True:
                other = cells[walks[half ^ 1]]
                if parent[other] < 0:
                    parent[other], via[other], depth[other] = cell, half >> 1, depth[cell] + 1
                    order[reached] = other
                    reached += 1
                half = following[half]
                if half == begin:
                    break
    return reached


@kernel
def hash_cells(order: Array, parent: Array, carrier: Array, keys: Array, hashes: Array) -> None:
    """hashes[cell] = hashes[parent] XOR keys[carrier], the root's hash being zero."""
    # parents come before their children in `order`
    for at in range(1, order.shape[0]):
        cell = order[at]
        hashes[cell] = hashes[parent[cell]] ^ keys[carrier[cell]]


@kernel
def fill_codes(
    order: Array, parent: Array, carrier: Array, starts: Array, members: Array, codes: Array
) -> None:
    """The packed codes of all cells (R x bytes), that of the root being there."""
    for at in range(1, order.shape[0]):
        cell = order[at]
        before = parent[cell]
        # the parent's code (bytes), then the hinges of one carrier, row `row` of the flips, turned
        # over
        for byte in range(codes.shape[1]):
            codes[cell, byte] = codes[before, byte]
        row = carrier[cell]
        for place in range(starts[row], starts[row + 1]):
            bit = members[place]
            codes[cell, bit >> 3] ^= np.uint8(128 >> (bit & 7))


@kernel
def difference(
    a: int,
    b: int,
    parent: Array,
    carrier: Array,
    depth: Array,
    starts: Array,
    members: Array,
    odd: Array,
) -> int:
    """Flip `odd` along the tree path between two cells; return how many more entries are set than
    before.
    """
    more = 0
    while a != b:
        # the deeper one goes up, so that both meet at the lowest common ancestor
        if depth[a] < depth[b]:
            a, b = b, a
        row = carrier[a]
        for place in range(starts[row], starts[row + 1]):
            bit = members[place]
            odd[bit] ^= 1
            more += 2 * odd[bit] - 1
        a = parent[a]
    return more


@kernel
def count_distinct(
    hashes: Array,
    sorted_cells: Array,
    parent: Array,
    carrier: Array,
    depth: Array,
    starts: Array,
    members: Array,
    odd: Array,
    chosen: Array,
) -> int:
    """The number of different codes: cells of equal hash (neighbours in `sorted_cells`) are
    compared bit by bit.

    `odd` arrives as zeros; `chosen` is scratch for the representatives of one hash.
    """
    total, kept, size = 0, 0, sorted_cells.shape[0]
    for at in range(size):
        cell = sorted_cells[at]
        if at == 0 or hashes[cell] != hashes[sorted_cells[at - 1]]:
            kept = 0
        known = False
        # chosen[:kept] are cells of this hash with different codes; `odd` is zero again after the
        # second walk along the same path
        for place in range(kept):
            changed = difference(cell, chosen[place], parent, carrier, depth, starts, members, odd)
            difference(cell, chosen[place], parent, carrier, depth, starts, members, odd)
            if changed == 0:
                known = True
                break
        if not known:
            chosen[kept] = cell
            kept += 1
            total += 1
    return total
