"""Cells of a hyperplane arrangement by deletion and restriction: exact in 64-bit integers,
degenerate or not.

Hyperplanes are inserted one by one. Those cells of the first j that hyperplane j cuts are exactly
the ones whose codes appear among the cells of the first j restricted to hyperplane j, an
arrangement one dimension lower (two cells restricted to the same code would share an open convex
set with the hyperplane): membership is a hash join. A cell that is not cut lies on one side, that
of its witness: a float64 point, certified to lie in its cell. A cut cell leaves a new one on the
other side; its witness is the one of the facet, moved off the hyperplane by half the way to the
next.

Rows are coprime integers, so that restrictions that coincide or become constant are recognised
exactly. Nothing is guessed: a kernel that would overflow, or cannot certify a witness, says so by
its status and its result is void.

`alarm` is an array of one integer: as soon as another thread sets it (see exact.geometry.budgets),
what is going on ends as LATE.

Codes are rows of 64-bit words, bit k of hyperplane k in word k // 64. The first `walls` rows are
the walls of an open convex domain: only their positive side is kept.

Longer than others: numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]

OK, OVERFLOW, UNCERTAIN, LATE = 0, 1, 2, 3
# of a coefficient: products of two stay in 64 bits, and in the exact range of a cross product
LARGEST = 2**31 - 1
_ROUNDING = 2.0**-52  # twice the unit roundoff
_ROOM = (
    2.0**-20
    # a witness of a cut cell nearer to the cut than this is placed anew, lest margins shrink to
    # rounding
)


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@part
def _gcd(a: int, b: int) -> int:
    """The greatest common divisor of two numbers from 0; of 0 and 0 it is 0."""
    while b:
        a, b = b, a % b
    return a


@numba.njit(cache=True, nogil=True)
def largest_normal(row: Array) -> int:
    """The index of the largest coefficient of the normal, or -1 for a constant row."""
    best, size = -1, 0
    for k in range(len(row) - 1):
        if abs(row[k]) > size:
            best, size = k, abs(row[k])
    return best


@numba.njit(cache=True, nogil=True)
def restricted(rows: Array, count: int, wall: Array, pivot: int) -> tuple[Array, int]:
    """The first `count` rows inside the hyperplane of `wall`, without the pivot coordinate; (rows,
    status).
    """
    width = len(wall)
    result = np.zeros((count, width - 1), dtype=np.int64)
    scale, sign = abs(wall[pivot]), 1 if wall[pivot] > 0 else -1
    # row k |w_p| - wall r_p sign(w_p) has no pivot coordinate; a positive multiple, so sides stay.
    # Both products are below 2^62, and so is their difference in size below 2^63
    for k in range(count):
        own, divisor, at = rows[k, pivot] * sign, 0, 0
        for axis in range(width):
            if axis != pivot:
                value = rows[k, axis] * scale - own * wall[axis]
                result[k, at] = value
                divisor = _gcd(divisor, abs(value))
                at += 1
        # coprime again: rows that coincide in the wall are equal or opposite
        if divisor > 1:
            for axis in range(width - 1):
                result[k, axis] //= divisor
        for axis in range(width - 1):
            if abs(result[k, axis]) > LARGEST:
                return result, OVERFLOW
    return result, OK


@part
def certain_side(row: Array, point: Array, index: int) -> int:
    """The sign of a form at the float64 point `point[index]`, or 0 when rounding may have changed
    it (Higham, 3.1).
    """
    dim = len(row) - 1
    total = float(row[dim])
    size = abs(total)
    for k in range(dim):
        term = row[k] * point[index, k]
        total += term
        size += abs(term)
    if abs(total) > size * _ROUNDING * (dim + 3):
        return 1 if total > 0.0 else -1
    return 0


@part
def _clear_side(row: Array, point: Array, index: int) -> int:
    """The sign of a form where it is far from zero for coefficients and coordinates of this size,
    else 0.
    """
    dim = len(row) - 1
    total, size, reach = float(row[dim]), float(abs(row[dim])), 1.0
    for k in range(dim):
        total += row[k] * point[index, k]
        size += float(abs(row[k]))
        reach = max(reach, abs(point[index, k]))
    if abs(total) > _ROOM * size * reach:
        return 1 if total > 0.0 else -1
    return 0


@part
def _bit(codes: Array, index: int, plane: int) -> bool:
    """Bit `plane` of the code of a cell."""
    word: np.uint64 = codes[index, plane >> 6]
    return bool((word >> np.uint64(plane & 63)) & np.uint64(1))


@part
def _set_bit(codes: Array, index: int, plane: int) -> None:
    """Set bit `plane` of the code of a cell."""
    codes[index, plane >> 6] |= np.uint64(1) << np.uint64(plane & 63)


@part
def _hash(codes: Array, index: int) -> np.uint64:
    """A 64-bit hash of one code; equal codes have equal hashes."""
    state = np.uint64(0x9E3779B97F4A7C15)
    for word in range(codes.shape[1]):
        state ^= codes[index, word]
        state *= np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(29)
        state *= np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(32)
    return state


@part
def _same(a: Array, i: int, b: Array, j: int) -> bool:
    """Whether row i of a is row j of b."""
    for word in range(a.shape[1]):  # noqa: SIM110 - numba compiles loops, not generators
        if a[i, word] != b[j, word]:
            return False
    return True


@part
def hash_table(codes: Array) -> Array:
    """An open-addressing table of the rows: slot -> index + 1, or 0."""
    size = 4
    # at most half full: probes end
    while size < 2 * len(codes):
        size *= 2
    table = np.zeros(size, dtype=np.int64)
    mask = np.uint64(size - 1)
    for index in range(len(codes)):
        slot = _hash(codes, index) & mask
        while table[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = index + 1
    return table


@part
def _find(table: Array, codes: Array, other: Array, index: int) -> int:
    """The index in `codes` of row `index` of `other`, or -1."""
    mask = np.uint64(len(table) - 1)
    slot = _hash(other, index) & mask
    while table[slot] != 0:
        found: int = table[slot] - 1
        if _same(codes, found, other, index):
            return found
        slot = (slot + np.uint64(1)) & mask
    return -1


@part
def _place(
    rows: Array,
    active: Array,
    plane: int,
    codes: Array,
    cell: int,
    start: Array,
    side: int,
    points: Array,
    at: int,
) -> int:
    """Write to `points[at]` a certified witness on `side` of `plane`, in the cell with the sides of
    `codes[cell]`.

    From `start`, near the facet, along the normal by half the way to the first other hyperplane.
    """
    dim = rows.shape[1] - 1
    square = 0.0
    for axis in range(dim):
        square += float(rows[plane, axis]) * float(rows[plane, axis])
    # how far until the first active hyperplane: the value is that on the cell's side, where it is
    # positive
    step = np.inf
    for i in range(len(active)):
        k = active[i]
        value, slope = float(rows[k, dim]), 0.0
        for axis in range(dim):
            value += rows[k, axis] * start[axis]
            slope += float(rows[k, axis]) * float(rows[plane, axis])
        slope *= side
        if not _bit(codes, cell, k):
            value, slope = -value, -slope
        if slope < 0.0:
            step = min(step, value / -slope)
    step = 0.5 * step if step < np.inf else 1.0 / np.sqrt(square)
    for axis in range(dim):
        points[at, axis] = start[axis] + side * step * rows[plane, axis]
    # whatever floats proposed: the point is certainly in the cell, and on its side of the plane
    for i in range(len(active)):
        if certain_side(rows[active[i]], points, at) != (1 if _bit(codes, cell, active[i]) else -1):
            return UNCERTAIN
    return OK if certain_side(rows[plane], points, at) == side else UNCERTAIN


@numba.njit(cache=True, nogil=True)
def insert(
    rows: Array,
    active: Array,
    plane: int,
    is_wall: bool,
    codes: Array,
    points: Array,
    count: int,
    facet_codes: Array,
    facet_points: Array,
    pivot: int,
    alarm: Array,
) -> tuple[int, int]:
    """Split `count` cells by one hyperplane; facet cells are masked to the active hyperplanes. (new
    count, status).
    """
    dim = rows.shape[1] - 1
    table = hash_table(facet_codes)
    start = np.zeros(dim)
    size = count
    for cell in range(count):
        if alarm[0] != 0:
            return 0, LATE
        found = _find(table, facet_codes, codes, cell)
        # not cut: the whole cell is on the side of its witness
        if found < 0:
            here = certain_side(rows[plane], points, cell)
            if here == 0:
                return 0, UNCERTAIN
            if is_wall and here < 0:
                return 0, OK
            if here > 0:
                _set_bit(codes, cell, plane)
            continue
        # cut: `start` is the facet's witness (dim - 1 coordinates), put back into the hyperplane by
        # the pivot coordinate
        here = _clear_side(rows[plane], points, cell)
        missing = float(rows[plane, dim])
        at = 0
        for axis in range(dim):
            if axis != pivot:
                start[axis] = facet_points[found, at]
                missing += rows[plane, axis] * start[axis]
                at += 1
        start[pivot] = -missing / rows[plane, pivot]
        if is_wall:
            if here <= 0 and _place(rows, active, plane, codes, cell, start, 1, points, cell) != OK:
                return 0, UNCERTAIN
            _set_bit(codes, cell, plane)
            continue
        # the new cell has the code of the old one but for this hyperplane; the old witness stays on
        # its own side where it is clear of the cut
        for word in range(codes.shape[1]):
            codes[size, word] = codes[cell, word]
        if here == 0:
            here = 1
            if _place(rows, active, plane, codes, cell, start, 1, points, cell) != OK:
                return 0, UNCERTAIN
        if _place(rows, active, plane, codes, cell, start, -here, points, size) != OK:
            return 0, UNCERTAIN
        _set_bit(codes, cell if here > 0 else size, plane)
        size += 1
    return size, OK


@numba.njit(cache=True, nogil=True)
def with_room(codes: Array, points: Array, count: int, room: int) -> tuple[Array, Array]:
    """The arrays with space for `room` rows (grown by half again when they lack it)."""
    if len(codes) >= room:
        return codes, points
    size = max(room, len(codes) + len(codes) // 2)
    wider, farther = (
        np.zeros((size, codes.shape[1]), dtype=np.uint64),
        np.zeros((size, points.shape[1])),
    )
    wider[:count], farther[:count] = codes[:count], points[:count]
    return wider, farther


@part
def classify(rows: Array, active: Array, plane: int) -> tuple[int, int, int]:
    """(kind, index, sign): 0 constant with its sign, 1 copy of an active row (up to sign), 2 a new
    hyperplane.
    """
    width = rows.shape[1]
    if largest_normal(rows[plane]) < 0:
        offset = rows[plane, width - 1]
        return 0, -1, (1 if offset > 0 else (-1 if offset < 0 else 0))
    # coprime rows coincide as hyperplanes iff they are equal up to sign; the first coefficient
    # tells the sign unless it is zero in both
    for i in range(len(active)):
        k = active[i]
        sign = 1 if rows[k, 0] == rows[plane, 0] else -1
        same = True
        for axis in range(width):
            if rows[k, axis] != sign * rows[plane, axis]:
                same = False
                break
        if not same and rows[k, 0] == 0 and rows[plane, 0] == 0:
            same, sign = True, -1
            for axis in range(width):
                if rows[k, axis] != -rows[plane, axis]:
                    same = False
                    break
        if same:
            return 1, k, sign
    return 2, -1, 0


@numba.njit(cache=True, nogil=True)
def complete(codes: Array, count: int, kinds: Array, origins: Array, signs: Array) -> None:
    """Set the bits of constant rows and of copies."""
    for plane in range(len(kinds)):
        if kinds[plane] == 0 and signs[plane] > 0:
            for cell in range(count):
                _set_bit(codes, cell, plane)
        elif kinds[plane] == 1:
            for cell in range(count):
                if _bit(codes, cell, origins[plane]) == (signs[plane] > 0):
                    _set_bit(codes, cell, plane)


@numba.njit(cache=True, nogil=True)
def mask_to(codes: Array, active: Array) -> None:
    """Clear the bits of all hyperplanes that are not active, in place."""
    mask = np.zeros((1, codes.shape[1]), dtype=np.uint64)
    for i in range(len(active)):
        _set_bit(mask, 0, active[i])
    for cell in range(len(codes)):
        for word in range(codes.shape[1]):
            codes[cell, word] &= mask[0, word]


@part
def _point_cells(rows: Array, walls: int, words: int) -> tuple[Array, Array, int]:
    """The one cell of R^0: its code, when it lies inside every wall."""
    codes = np.zeros((1, words), dtype=np.uint64)
    for k in range(len(rows)):
        if k < walls and rows[k, 0] <= 0:
            return codes[:0], np.zeros((0, 0)), OK
        if rows[k, 0] > 0:
            _set_bit(codes, 0, k)
    return codes, np.zeros((1, 0)), OK


@part
def _before(rows: Array, i: int, j: int) -> int:
    """The sign of the zero of row j minus the zero of row i, on a line; both coefficients positive
    after turning.
    """
    a, b = rows[i, 0], rows[j, 0]
    # both zeros times |a| |b|: -row[1] / row[0] without division, in 64 bits
    left, right = rows[i, 1] * (b if b > 0 else -b), rows[j, 1] * (a if a > 0 else -a)
    value = (left if a > 0 else -left) - (right if b > 0 else -right)
    return 1 if value > 0 else (-1 if value < 0 else 0)


@part
def _sorted_zeros(rows: Array) -> Array:
    """The rows with a zero, ascending by it: sorted as floats, then put right by exact
    comparisons.
    """
    order = np.empty(len(rows), dtype=np.int64)
    zeros = np.empty(len(rows))
    count = 0
    for k in range(len(rows)):
        if rows[k, 0] != 0:
            order[count], zeros[count] = k, -rows[k, 1] / rows[k, 0]
            count += 1
    order = order[:count][np.argsort(zeros[:count])]
    # insertion sort by exact comparisons: linear where floats were right
    for at in range(1, count):
        moving, to = order[at], at
        while to > 0 and _before(rows, order[to - 1], moving) < 0:
            order[to] = order[to - 1]
            to -= 1
        order[to] = moving
    return order


@part
def _line_cells(rows: Array, walls: int, words: int) -> tuple[Array, Array, int]:
    """The cells of points on a line, from left to right, with the middle of each gap as witness."""
    nothing = np.zeros((0, words), dtype=np.uint64), np.zeros((0, 1))
    # a constant wall that is not positive leaves nothing
    for k in range(walls):
        if rows[k, 0] == 0 and rows[k, 1] <= 0:
            return nothing[0], nothing[1], OK
    order = _sorted_zeros(rows)
    first, last = 0, len(order)  # gaps first .. last: gap g lies after g zeros
    for at in range(len(order)):
        if order[at] < walls and rows[order[at], 0] > 0:
            first = at + 1
        if order[at] < walls and rows[order[at], 0] < 0 and last == len(order):
            last = at
    codes, points = (
        np.zeros((max(last - first, 0) + 1, words), dtype=np.uint64),
        np.zeros((max(last - first, 0) + 1, 1)),
    )
    # the code at minus infinity; every zero passed flips one bit
    code = np.zeros((1, words), dtype=np.uint64)
    for k in range(len(rows)):
        if rows[k, 0] < 0 or (rows[k, 0] == 0 and rows[k, 1] > 0):
            _set_bit(code, 0, k)
    count = 0
    for gap in range(len(order) + 1):
        if gap > 0:
            k = order[gap - 1]
            code[0, k >> 6] ^= np.uint64(1) << np.uint64(k & 63)
        # outside the walls, or a gap without points between equal zeros
        if (
            gap < first
            or gap > last
            or (0 < gap < len(order) and _before(rows, order[gap - 1], order[gap]) == 0)
        ):
            continue
        left = -rows[order[gap - 1], 1] / rows[order[gap - 1], 0] if gap > 0 else -np.inf
        right = -rows[order[gap], 1] / rows[order[gap], 0] if gap < len(order) else np.inf
        points[count, 0] = _between(left, right)
        codes[count] = code[0]
        if not (_clears(points[count, 0], left) and _clears(points[count, 0], right)):
            return nothing[0], nothing[1], UNCERTAIN
        count += 1
    return codes[:count], points[:count], OK


@part
def _clears(point: float, zero: float) -> bool:
    """Whether the distance to a zero exceeds the rounding error of its quotient, one unit of the
    last place.
    """
    return abs(zero) == np.inf or abs(point - zero) > 2.0 * _ROUNDING * abs(zero)


@part
def _between(left: float, right: float) -> float:
    """A point between two zeros, which may be infinite."""
    if left == -np.inf:
        return 0.0 if right == np.inf else right - max(1.0, abs(right))
    return left + max(1.0, abs(left)) if right == np.inf else left + 0.5 * (right - left)


@numba.njit(
    "Tuple((uint64[:, ::1], float64[:, ::1], int64))(int64[:, ::1], int64, int64, int64[::1])",
    cache=True,
    nogil=True,
)
def cells(rows: Array, walls: int, words: int, alarm: Array) -> tuple[Array, Array, int]:
    """All cells of the rows (k x (dim + 1)) inside the first `walls` of them: codes, witnesses,
    status.
    """
    dim = rows.shape[1] - 1
    if dim == 0:
        return _point_cells(rows, walls, words)
    if dim == 1:
        return _line_cells(rows, walls, words)
    codes, points, count = np.zeros((4, words), dtype=np.uint64), np.zeros((4, dim)), 1
    kinds, origins, signs = (
        np.zeros(len(rows), np.int64),
        np.zeros(len(rows), np.int64),
        np.zeros(len(rows), np.int64),
    )
    active, known = np.zeros(len(rows), np.int64), 0
    # codes (count x words) and witnesses (count x dim) of the cells of the rows before; `active`
    # are those of them that are neither constant nor copies
    for plane in range(len(rows)):
        if alarm[0] != 0:
            return codes[:0], points[:0], LATE
        kinds[plane], origins[plane], signs[plane] = classify(rows, active[:known], plane)
        if kinds[plane] < 2:
            if plane < walls and signs[plane] <= 0:
                return codes[:0], points[:0], OK
            continue
        pivot = largest_normal(rows[plane])
        # the facets in this hyperplane: cells of the rows before, restricted to it
        below, status = restricted(rows, plane, rows[plane], pivot)
        if status != OK:
            return codes[:0], points[:0], status
        facet_codes, facet_points, status = cells(below, min(walls, plane), words, alarm)
        if status != OK:
            return codes[:0], points[:0], status
        mask_to(facet_codes, active[:known])
        codes, points = with_room(codes, points, count, count + len(facet_codes))
        count, status = insert(
            rows,
            active[:known],
            plane,
            plane < walls,
            codes,
            points,
            count,
            facet_codes,
            facet_points,
            pivot,
            alarm,
        )
        if status != OK or count == 0:
            return codes[:0], points[:0], status
        active[known] = plane
        known += 1
    complete(codes, count, kinds, origins, signs)
    return codes[:count], points[:count], OK


@numba.njit(cache=True, nogil=True)
def complete_codes(rows: Array, first: int, points: Array, codes: Array) -> Array:
    """Set the bits of the rows from number `first` on by the sides of float64 points; which points
    are certainly off all.
    """
    certain = np.ones(len(points), dtype=np.bool_)
    for cell in range(len(points)):
        for plane in range(first, len(rows)):
            side = certain_side(rows[plane], points, cell)
            if side == 0:
                certain[cell] = False
            elif (side > 0) != _bit(codes, cell, plane):
                codes[cell, plane >> 6] ^= np.uint64(1) << np.uint64(plane & 63)
    return certain


@numba.njit(cache=True, nogil=True)
def pairs_across(codes: Array, masks: Array) -> Array:
    """All (a, b) with codes[b] = codes[a] ^ masks[k] for some k, the first set bit of the mask
    clear in a (E x 2).

    Codes are distinct rows of words. Cost: one probe of a hash table per cell and mask.
    """
    table = hash_table(codes)
    first_word, first_bit = (
        np.zeros(len(masks), dtype=np.int64),
        np.zeros(len(masks), dtype=np.uint64),
    )
    # a pair is found from the side where the mask's lowest bit is clear: once
    for k in range(len(masks)):
        while masks[k, first_word[k]] == 0:
            first_word[k] += 1
        value = masks[k, first_word[k]]
        first_bit[k] = value & (~value + np.uint64(1))
    found, count = np.zeros((len(codes) * 2 + 16, 2), dtype=np.int64), 0
    probe = np.zeros((1, codes.shape[1]), dtype=np.uint64)
    for cell in range(len(codes)):
        # room for all masks of one cell
        if count + len(masks) > len(found):
            wider = np.zeros((len(found) * 2 + len(masks), 2), dtype=np.int64)
            wider[:count] = found[:count]
            found = wider
        for k in range(len(masks)):
            if codes[cell, first_word[k]] & first_bit[k] != 0:
                continue
            for word in range(codes.shape[1]):
                probe[0, word] = codes[cell, word] ^ masks[k, word]
            other = _find(table, codes, probe, 0)
            if other >= 0:
                found[count, 0], found[count, 1] = cell, other
                count += 1
    return found[:count].copy()
