"""Which cells and facets of a skeleton are left when hinges that were moved by infinitesimals move
back: loops over vertices, compiled.

The limit of a cell or facet is a polytope whose vertices are the limits of its vertices, and
`touch` tells the hinges and walls on which each of those lies. Every hinge and wall has one weak
sign on it, so that those with a zero anywhere support faces of the limit, among these all its
facets. Two vertices of a cell are one point iff they touch the same: each lies on d hinges whose
rows are independent on that cell. So dimensions need no coordinates: a polytope whose vertices all
touch the same is a point, and else it has one dimension more than the face on any hinge that holds
as many of its vertices as possible, but not all. Where its vertices have no hinge in common, or a
facet's only its own, nothing is to be counted: a convex set of less dimension lies in one of the
halfspaces' boundaries that cut it out.

Nor where all edges rise from a vertex that keep a length: they are independent.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from exact.kernels.skeleton import SHIFT, VERTICES, Skeleton

_NOWHERE, BROKEN = -1, -1

Array = np.ndarray[Any, Any]

kernel = numba.njit(  # type: ignore[call-overload]
    cache=True, nogil=True, _nrt=False, error_model="numpy"
)


@kernel
def _keeps_length(hinge: Array, touch: Array, v: int, slot: int, w: int) -> bool:
    """Whether the ends v and w of an edge that leaves the hinge in this slot of v stay apart."""
    place = hinge[v, slot]
    return touch[w, place >> 6] & (np.uint64(1) << np.uint64(place & 63)) == 0


@kernel
def clusters(hinge: Array, twin: Array, touch: Array, shift: int, count: int, point: Array) -> None:
    """For each of `count` vertices the first one at the same point of the limit, as far as edges of
    no length lead; `point` has twice that length, and its second half is scratch.
    """
    for v in range(count):
        point[v] = _NOWHERE
    for start in range(count):
        if point[start] != _NOWHERE:
            continue
        point[start], point[count] = start, start
        todo: Any = 1
        while todo > 0:
            todo -= 1
            at = np.int64(point[count + todo])
            for half in range(at << shift, (at + 1) << shift):
                if twin[half] >= 0:
                    w = np.int64(twin[half]) >> shift
                    slot = (half & ((1 << shift) - 1)) >> 1
                    if point[w] == _NOWHERE and not _keeps_length(hinge, touch, at, slot, w):
                        point[w], point[count + todo] = start, w
                        todo += 1


@kernel
def _code_at(c: Skeleton, v: int, number: int, skipped: int, code: Array) -> bool:
    """Write the code of cell `number` of those whose edges rise from v, or of a facet in the hinge
    of slot `skipped`; returns whether its edges from there all keep their lengths.
    """
    shift, words, up = c.n[SHIFT], c.on.shape[1], np.int64(c.up[v])
    whole: Any = True
    rest: Any = number
    for k in range(words):
        code[k] = c.on[v, k]
    for s in range(c.hinge.shape[1]):
        if s == skipped:
            continue
        both = (up >> 2 * s) & 3
        side = both >> 1
        if both == 3:
            side = rest & 1
            rest >>= 1
        place = c.hinge[v, s]
        if side and place < 64 * words:
            code[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
        w = np.int64(c.twin[(v << shift) + 2 * s + side]) >> shift
        whole &= _keeps_length(c.hinge, c.touch, v, s, w)
    return whole


@kernel
def _gather(
    c: Skeleton, v: int, own: int, code: Array, found: Array, seen: Array, stamp: int, common: Array
) -> int:
    """List the vertices of the cell with this code around v, or of its facet in hinge `own`, and
    what all of them touch; ends early, with 0, where that is nothing beside `own`.
    """
    shift, words, d, count, at = c.n[SHIFT], c.on.shape[1], c.hinge.shape[1], 1, 0
    found[0], seen[v] = v, stamp
    for k in range(common.shape[0]):
        common[k] = c.touch[v, k]
    if own >= 0:
        common[own >> 6] &= ~(np.uint64(1) << np.uint64(own & 63))
    while at < count:
        u = np.int64(found[at])
        at += 1
        some = np.uint64(0)
        for k in range(common.shape[0]):
            common[k] &= c.touch[u, k]
            some |= common[k]
        if some == 0:
            return 0
        for s in range(d):
            place = np.int64(c.hinge[u, s])
            if place == own:
                continue
            side: Any = 1
            if place < 64 * words:
                side = np.int64(code[place >> 6] >> np.uint64(place & 63)) & 1
            w = np.int64(c.twin[(u << shift) + 2 * s + side]) >> shift
            if w < 0:
                return BROKEN
            if seen[w] != stamp:
                seen[w], found[count] = stamp, w
                count += 1
    return count


@kernel
def dimension(touch: Array, points: Array, count: int, common: Array) -> int:
    """The dimension of the hull of the limits of vertices `points` (destroyed): see the module."""
    words, found = touch.shape[1], 0
    different = 0
    for i in range(count):
        new = True
        for j in range(different):
            same = True
            for k in range(words):
                same &= touch[points[i], k] == touch[points[j], k]
            if same:
                new = False
                break
        if new:
            points[different] = points[i]
            different += 1
    while different > 1:
        for k in range(words):
            common[k] = touch[points[0], k]
        for i in range(1, different):
            for k in range(words):
                common[k] &= touch[points[i], k]
        most, place, mask = 0, 0, np.uint64(0)
        for k in range(words):
            some = np.uint64(0)
            for i in range(different):
                some |= touch[points[i], k]
            some &= ~common[k]
            while some != 0:
                bit = some & (~some + np.uint64(1))
                some ^= bit
                size = 0
                for i in range(different):
                    size += touch[points[i], k] & bit != 0
                if size > most:
                    most, place, mask = size, k, bit
        kept = 0
        for i in range(different):
            if touch[points[i], place] & mask != 0:
                points[kept] = points[i]
                kept += 1
        different, found = kept, found + 1
    return found


@kernel
def cell_dimensions(
    c: Skeleton, code: Array, common: Array, found: Array, seen: Array, out: Array
) -> bool:
    """Write the dimension of the limit of every cell, in the order of their numbers; `found` and
    `seen` have room for all vertices, `seen` is 0. False where a cell is not closed.
    """
    d, stamp = c.hinge.shape[1], 0
    for v in range(c.n[VERTICES]):
        if c.alarm[0] != 0:
            return True
        for number in range(c.first[v + 1] - c.first[v]):
            cell = c.first[v] + number
            out[cell] = d
            if _code_at(c, v, number, -1, code):
                continue
            stamp += 1
            count = _gather(c, v, -1, code, found, seen, stamp, common)
            if count == BROKEN:
                return False
            if count > 0:
                out[cell] = dimension(c.touch, found, count, common)
    return True


@kernel
def common_hinges(
    c: Skeleton, code: Array, common: Array, found: Array, seen: Array, wanted: Array, out: Array
) -> bool:
    """Write, for every cell of full dimension by `out`'s first column (set to 1), which of the
    `wanted` hinges vanish on all of it (cells x words); arguments as for `cell_dimensions`.
    """
    stamp, words = 0, c.on.shape[1]
    for v in range(c.n[VERTICES]):
        if c.alarm[0] != 0:
            return True
        some = np.uint64(0)
        for k in range(words):
            some |= c.touch[v, k] & wanted[k]
        for number in range(c.first[v + 1] - c.first[v]):
            cell = c.first[v] + number
            for k in range(words):
                out[cell, k] = 0
            if some == 0:
                continue
            stamp += 1
            _code_at(c, v, number, -1, code)
            count = _gather(c, v, -1, code, found, seen, stamp, common)
            if count == BROKEN:
                return False
            if count > 0:
                for k in range(words):
                    out[cell, k] = common[k] & wanted[k]
    return True


@kernel
def full_facets(
    c: Skeleton,
    pairs: Array,
    dimensions: Array,
    code: Array,
    common: Array,
    found: Array,
    seen: Array,
    out: Array,
) -> bool:
    """Whether the limit of every facet that no wall holds has dimension d - 1, in the order in
    which `list_pairs` wrote `pairs`; arguments as for `cell_dimensions`.
    """
    d, behind, stamp, at = c.hinge.shape[1], 64 * c.on.shape[1], 0, 0
    for v in range(c.n[VERTICES]):
        if c.alarm[0] != 0:
            return True
        up = np.int64(c.up[v])
        for j in range(d):
            own = np.int64(c.hinge[v, j])
            if own >= behind:
                continue
            each: Any = 1
            for s in range(d):
                if s != j:
                    both = (up >> 2 * s) & 3
                    each *= (both & 1) + (both >> 1)
            for number in range(each):
                low, high = dimensions[pairs[at, 0]], dimensions[pairs[at, 1]]
                out[at] = low >= d - 1 and high >= d - 1
                if out[at] and not _code_at(c, v, number, j, code):
                    stamp += 1
                    count = _gather(c, v, own, code, found, seen, stamp, common)
                    if count == BROKEN:
                        return False
                    if count > 0:
                        out[at] = dimension(c.touch, found, count, common) == d - 1
                at += 1
    return True


@kernel
def joined_by_slivers(
    pairs: Array, full: Array, dimensions: Array, d: int, links: Array, out: Array
) -> int:
    """Write to `out` every two cells of full dimension that share a facet in the limit; returns how
    many, or -1 where a cell of dimension d - 1 has more than two facets of it.

    Such a cell lies between two parallel hinges: it has one facet on either side, or a wall there,
    and what is behind the one is joined to what is behind the other. `links` (cells x 2) is -1.
    """
    count = 0
    for i in range(pairs.shape[0]):
        for k in range(2):
            cell = pairs[i, k]
            if full[i] and dimensions[cell] < d:
                if links[cell, 1] >= 0:
                    return -1
                links[cell, 0 if links[cell, 0] < 0 else 1] = i
    for i in range(pairs.shape[0]):
        low, high = pairs[i, 0], pairs[i, 1]
        if not full[i] or (dimensions[low] < d and dimensions[high] < d):
            continue
        if dimensions[low] < d:
            low, high = high, low
        at: Any = np.int64(i)
        while at >= 0 and dimensions[high] < d:
            at = links[high, 0] + links[high, 1] - at
            if at >= 0:
                high = pairs[at, 0] + pairs[at, 1] - high
        if at >= i:  # a chain is seen from both ends
            out[count, 0], out[count, 1] = low, high
            count += 1
    return count
