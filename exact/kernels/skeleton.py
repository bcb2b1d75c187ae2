"""Cut the 1-skeleton of a polyhedral complex by the neurons of one layer, and read cells and facets
off it: loops over vertices, compiled.

The complex is simple: every vertex lies on exactly d hinges and walls. Then each of its 2d
half-edges (a walls' outer side has none) leaves one hinge to one side, and two half-edges that
leave different hinges span a 2-face. A vertex has d slots, one for each hinge; half-edge
`2 d v + 2 s + t` leaves the hinge in slot s of vertex v to the side t (1: on), and `twin` is the
half-edge that comes back along the same edge from its other end. Nothing else is kept: no edges, no
faces, no cells.

An edge waits in the bucket of the first neuron that cuts it, so that a layer costs what it creates.
A neuron cuts each of its edges in a new vertex, on the d - 1 hinges of the edge and its own.

How new vertices are paired. A 2-face that the neuron cuts is convex and has a vertex on either side
(zeros at vertices are refused), so that exactly two of its edges are cut, and the new edge within
it joins their cut points. From one of these the other is found by walking around the face on the
side where the neuron is on. At every vertex the walk knows the hinge that it stays on and the one
that it leaves next, each with the side of it that the face is on: the hinge met at the next vertex
is in the slot of the twin, and the side of the face is the side to which the twin leaves it. The
sides tell the faces apart that one set of hinges supports, as bent hinges do.

Reading off. A direction makes every edge rise at one end. Each cell, and each facet, has one lowest
vertex: that where its edges all rise. Cells are numbered by their lowest vertices; from any other
vertex of it a cell's number is found by going down within it.

Signs are float64 with a proved error bound; those left open are asked for. A zero is refused
(NOT_SIMPLE). Longer than others: numba caches compiled functions by file, so that a kernel stays in
one file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

UNKNOWN = 2
DONE, NEEDS_SIGNS, NEEDS_SPACE, BROKEN, LATE = 0, 1, 2, 3, 4
# counters
VERTICES, PLANES, CELLS, ASKED, FILTERED, AT, FIRST, COUNT, PHASE, POSITION, NEED = range(11)
COUNTERS = 11

_U = 2.0**-53
_TINY, _LEAST = 2.0**-1000, 2.0**-500
_UP = 1.0 + 2.0**-40

Array = np.ndarray[Any, Any]

# Without reference counts: a call that hands on all arrays would else count every one of them,
# twice.
kernel = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]


class Skeleton(NamedTuple):
    """The arrays of the skeleton; `n` holds how much of them is in use.

    A hinge is known by its place in a code: bit `b` of the packed code is place `b ^ 7`, bit
    `place & 63` of word `place >> 6`. Walls have the places behind all words.
    """

    n: Array  # int64 counters
    # vertices: `p + K q` within `pe` and `qe`
    p: Array
    q: Array
    pe: Array
    qe: Array
    hinge: Array  # int32 (V x d): the hinge in each slot
    plane: Array  # int32 (V x d): a row that vanishes where this hinge does, on a cell around v
    twin: Array  # int32 (2d V): -1 where there is no edge
    link: Array  # int32 (2d V): the next half-edge in the same bucket
    base: Array  # int32 (V): the cell, in front of the layer, where all hinges through v are off
    on: Array  # uint64 (V x W): the hinges that are on
    zero: Array  # uint64 (V x W): the hinges through v
    up: Array  # uint32 (V): the half-edges that rise
    first: Array  # int64 (V + 1): the number of the first cell whose lowest vertex this is
    # hyperplanes a . x + b + K c = 0 with bounds on the 2-norm of the error of a and on that of b
    row: Array
    aerr: Array
    berr: Array
    anorm: Array
    place: Array  # int32: the hinge of each
    # cells in front of each layer: the rows of its hinges that may cut them, and the code
    start: Array
    count: Array
    code: Array
    # buckets of half-edges by hinge, and how many each holds
    head: Array
    size: Array
    cuts: Array
    asked: Array  # int32 (vertex, hyperplane)
    scratch: Array  # float64 (4 x d x d)
    # the layer of every hinge (-1 for walls), and the words' masks of the layers before each
    layer: Array
    before: Array
    table: Array  # int32: open-addressed, cells by layer and code
    own: Array  # uint64 (W): the hinges of the layer
    alarm: Array


# ---- coordinates


@kernel
def _invert(a: Array, inverse: Array) -> bool:
    """Gauss-Jordan with row pivoting on a d x d matrix (destroyed); False when a pivot vanishes."""
    d = a.shape[0]
    for i in range(d):
        for j in range(d):
            inverse[i, j] = 1.0 if i == j else 0.0
    for k in range(d):
        best = k
        for i in range(k + 1, d):
            if abs(a[i, k]) > abs(a[best, k]):
                best = i
        if not abs(a[best, k]) > 0.0:
            return False
        if best != k:
            for j in range(d):
                a[k, j], a[best, j] = a[best, j], a[k, j]
                inverse[k, j], inverse[best, j] = inverse[best, j], inverse[k, j]
        scale = 1.0 / a[k, k]
        for j in range(d):
            a[k, j] *= scale
            inverse[k, j] *= scale
        for i in range(d):
            if i != k and a[i, k] != 0.0:
                factor = a[i, k]
                for j in range(d):
                    a[i, j] -= factor * a[k, j]
                    inverse[i, j] -= factor * inverse[k, j]
    return True


@kernel
def _solve(c: Skeleton, v: int, gap: float, side: int, x: Array) -> float:
    """x[v] = -inverse @ row[:, side], refined once; returns the bound on its error."""
    d = c.p.shape[1]
    inverse, columns, rest = c.scratch[1], c.scratch[2, 0], c.scratch[3, 0]
    for i in range(d):
        rest[i] = c.row[c.plane[v, i], side]
        x[v, i] = 0.0
    for _ in range(2):
        for i in range(d):
            for j in range(d):
                x[v, i] -= inverse[i, j] * rest[j]
        for i in range(d):
            h = c.plane[v, i]
            rest[i] = c.row[h, side]
            for j in range(d):
                rest[i] += c.row[h, j] * x[v, j]
    norm = 0.0
    for i in range(d):
        norm += x[v, i] * x[v, i]
    norm = np.sqrt(norm) * _UP + _LEAST
    total = 0.0
    for i in range(d):
        h = c.plane[v, i]
        size = abs(c.row[h, side])
        for j in range(d):
            size += abs(c.row[h, j] * x[v, j])
        offset = c.berr[h] if side == d else 0.0
        total += columns[i] * (
            abs(rest[i]) + (d + 3) * _U * size + c.aerr[h] * norm + offset + _TINY
        )
    return total / (1.0 - gap) * _UP + _TINY


@kernel
def place_vertex(c: Skeleton, v: int) -> None:
    """Solve for the float coordinates of a vertex from its rows, with a proved bound on the
    distance to the exact one.

    For exact rows A*, offsets b* and any approximate inverse R, with G = I - R A*: |x* - x| <= |R
    (A* x + b*)| / (1 - |G|).
    """
    d = c.p.shape[1]
    a, inverse, columns = c.scratch[0], c.scratch[1], c.scratch[2, 0]
    for i in range(d):
        h = c.plane[v, i]
        for j in range(d):
            a[i, j] = c.row[h, j]
    good = _invert(a, inverse)
    gap, spread = 0.0, 0.0
    for i in range(d):
        columns[i] = 0.0
        for j in range(d):
            columns[i] += inverse[j, i] * inverse[j, i]
        columns[i] = np.sqrt(columns[i]) * _UP
        h = c.plane[v, i]
        spread += columns[i] * (c.aerr[h] + (d + 2) * _U * c.anorm[h])
        for j in range(d):
            a[i, j] = c.row[h, j]
    for i in range(d):
        for j in range(d):
            t = 1.0 if i == j else 0.0
            for k in range(d):
                t -= inverse[i, k] * a[k, j]
            gap += t * t
    gap = (np.sqrt(gap) + spread) * _UP
    infinite = c.q.shape[0] > 1
    if not good or not gap < 0.5:
        c.pe[v] = np.inf
        for i in range(d):
            c.p[v, i] = 0.0
            if infinite:
                c.q[v, i] = 0.0
        if infinite:
            c.qe[v] = np.inf
        return
    c.pe[v] = _solve(c, v, gap, d, c.p)
    if infinite:
        some = False
        for i in range(d):
            some |= c.row[c.plane[v, i], d + 1] != 0.0
            c.q[v, i] = 0.0
        c.qe[v] = _solve(c, v, gap, d + 1, c.q) if some else 0.0


@kernel
def _sign(c: Skeleton, v: int, h: int) -> int:
    """The sign of row h at vertex v, or UNKNOWN."""
    d = c.p.shape[1]
    row, p = c.row, c.p
    gamma = (d + 3) * _U * _UP
    if c.q.shape[0] > 1:
        value, size, norm, bits = 0.0, 0.0, 0.0, 0.0
        for i in range(d):
            t = row[h, i] * c.q[v, i]
            value += t
            size += abs(t)
            norm += c.q[v, i] * c.q[v, i]
            bits += abs(c.q[v, i])
        value += row[h, d + 1]
        size += abs(row[h, d + 1])
        if bits > 0.0 or c.qe[v] > 0.0 or row[h, d + 1] != 0.0:
            err = (
                c.anorm[h] * c.qe[v] + c.aerr[h] * (np.sqrt(norm) + c.qe[v] + _LEAST) + gamma * size
            ) * _UP + _TINY
            if abs(value) > err:
                return 1 if value > 0 else -1
            if not (value == 0.0 and err <= _TINY):
                return UNKNOWN
    value, size, norm = row[h, d], abs(row[h, d]), 0.0
    for i in range(d):
        t = row[h, i] * p[v, i]
        value += t
        size += abs(t)
        norm += p[v, i] * p[v, i]
    err = (
        c.anorm[h] * c.pe[v]
        + c.aerr[h] * (np.sqrt(norm) + c.pe[v] + _LEAST)
        + c.berr[h]
        + gamma * size
    ) * _UP + _TINY
    if abs(value) > err:
        return 1 if value > 0 else -1
    return UNKNOWN


# ---- the cells in front of a layer


@kernel
def _hash(layer: int, words: Array, before: Array) -> int:
    value = np.uint64(layer + 1) * np.uint64(0x9E3779B97F4A7C15)
    for w in range(words.shape[0]):
        value = (value ^ (words[w] & before[w])) * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(29)
    return np.int64(value >> np.uint64(1))


@kernel
def find_cell(c: Skeleton, layer: int, words: Array) -> int:
    """The cell in front of a layer whose code these words have there; -1 when there is none."""
    mask = c.table.shape[0] - 1
    slot = _hash(layer, words, c.before[layer]) & mask
    while c.table[slot] != -1:
        cell = c.table[slot]
        same = c.code[cell, c.code.shape[1] - 1] == np.uint64(layer)
        for w in range(words.shape[0]):
            same &= c.code[cell, w] == words[w] & c.before[layer, w]
        if same:
            return cell
        slot = (slot + 1) & mask
    return -1


@kernel
def find_cells(c: Skeleton, layer: int, codes: Array, out: Array) -> bool:
    """The cells in front of a layer with these codes; False when one is missing."""
    known = True
    for i in range(codes.shape[0]):
        out[i] = find_cell(c, layer, codes[i])
        known &= out[i] >= 0
    return known


@kernel
def enter_cells(c: Skeleton, first: int, stop: int) -> None:
    """Put cells into the table: their codes, with the layer in the last word, are in `code`."""
    mask, width = c.table.shape[0] - 1, c.code.shape[1] - 1
    for cell in range(first, stop):
        layer = np.int64(c.code[cell, width])
        slot = _hash(layer, c.code[cell, :width], c.before[layer]) & mask
        while c.table[slot] != -1:
            slot = (slot + 1) & mask
        c.table[slot] = cell


@kernel
def _plane_of(c: Skeleton, cell: int, place: int) -> int:
    """The row of a hinge on a cell; -1 where the hinge does not cut it."""
    for h in range(c.start[cell], c.start[cell] + c.count[cell]):
        if c.place[h] == place:
            return h
    return -1


# ---- buckets


@kernel
def _push(c: Skeleton, half: int, after: int) -> None:
    """Put an edge into the bucket of the first hinge of the layer, behind `after`, that cuts it."""
    d2 = 2 * c.p.shape[1]
    v, w = half // d2, c.twin[half] // d2
    for k in range(c.own.shape[0]):
        if c.own[k] == 0 or (k << 6) + 63 <= after:
            continue
        cut = (c.on[v, k] ^ c.on[w, k]) & ~(c.zero[v, k] | c.zero[w, k]) & c.own[k]
        if after >= k << 6:
            cut &= np.uint64(0xFFFFFFFFFFFFFFFE) << np.uint64(after & 63)
        if cut != 0:
            place = (k << 6) + _lowest_bit(cut)
            c.link[half] = c.head[place]
            c.head[place] = half
            c.size[place] += 1
            return


@kernel
def _lowest_bit(word: int) -> int:
    place = 0
    if word & np.uint64(0xFFFFFFFF) == 0:
        word >>= np.uint64(32)
        place += 32
    if word & np.uint64(0xFFFF) == 0:
        word >>= np.uint64(16)
        place += 16
    if word & np.uint64(0xFF) == 0:
        word >>= np.uint64(8)
        place += 8
    while word & np.uint64(1) == 0:
        word >>= np.uint64(1)
        place += 1
    return place


@kernel
def fill_buckets(c: Skeleton) -> None:
    """Put every edge that the layer cuts into its bucket."""
    twin = c.twin
    for half in range(c.n[VERTICES] * 2 * c.p.shape[1]):
        if twin[half] > half:
            _push(c, half, -1)


# ---- cutting


@kernel
def _row_at(c: Skeleton, x: int, slot: int, v: int, w: int, leaves_v: int, leaves_w: int) -> int:
    """A row of the hinge in a slot of x that vanishes where the hinge does around x.

    The rows of v are those of the cell where all hinges through v are off. That cell is around x
    too, in front of the hinge's layer, unless x is on the on side of the hinge that its edge leaves
    at v, and that hinge is in an earlier layer; and so for w.
    """
    place, d2 = c.hinge[x, slot], 2 * c.p.shape[1]
    layer = c.layer[place]
    for u, half in ((v, leaves_v), (w, leaves_w)):
        k = half % d2
        left = c.layer[c.hinge[u, k >> 1]]
        if not k & 1 or left < 0 or left >= layer:
            for s in range(c.p.shape[1]):
                if c.hinge[u, s] == place:
                    return c.plane[u, s]
    cell = find_cell(c, layer, c.on[x])
    return -1 if cell < 0 else _plane_of(c, cell, place)


@kernel
def _base_of(c: Skeleton, layer: int, x: int, v: int, w: int, leaves_v: int, leaves_w: int) -> int:
    """The cell in front of the layer around x where all hinges through x are off."""
    d2 = 2 * c.p.shape[1]
    for u, half in ((v, leaves_v), (w, leaves_w)):
        k = half % d2
        left = c.layer[c.hinge[u, k >> 1]]
        if not k & 1 or left < 0 or left >= layer:
            return c.base[u]
    return find_cell(c, layer, c.on[x])


@kernel
def _new_vertex(c: Skeleton, half: int, place: int) -> bool:
    """Cut an edge by a hinge; False when the rows for that are missing, which cannot be."""
    d, twin = c.p.shape[1], c.twin
    back = twin[half]
    v, w = half // (2 * d), back // (2 * d)
    x = c.n[VERTICES]
    c.n[VERTICES] = x + 1
    slot, k, bit = (half % (2 * d)) >> 1, place >> 6, np.uint64(place & 63)
    for i in range(2 * d):
        c.twin[2 * d * x + i] = -1
    for j in range(c.on.shape[1]):
        c.zero[x, j] = c.zero[v, j] & c.zero[w, j]
        c.on[x, j] = c.on[v, j] | c.on[w, j]
    c.zero[x, k] |= np.uint64(1) << bit
    c.on[x, k] &= ~(np.uint64(1) << bit)
    layer, known = c.layer[place], True
    c.base[x] = _base_of(c, layer, x, v, w, half, back)
    for i in range(d):
        if i == slot:
            c.hinge[x, i] = place
            c.plane[x, i] = _plane_of(c, c.base[x], place)
        else:
            c.hinge[x, i] = c.hinge[v, i]
            c.plane[x, i] = _row_at(c, x, i, v, w, half, back)
        known &= c.plane[x, i] >= 0
    side = np.int64((c.on[v, k] >> bit) & np.uint64(1))
    mine = 2 * d * x + 2 * slot
    twin[half], twin[mine + side] = mine + side, half
    twin[back], twin[mine + 1 - side] = mine + 1 - side, back
    if not known:
        return False
    place_vertex(c, x)
    return _set_signs(c, x, v, w, place)


@kernel
def _set_signs(c: Skeleton, x: int, v: int, w: int, place: int) -> bool:
    """The signs at x of the later hinges that cut its edge too; unknown ones are asked for."""
    for k in range(place >> 6, c.own.shape[0]):
        cut = (c.on[v, k] ^ c.on[w, k]) & ~(c.zero[v, k] | c.zero[w, k]) & c.own[k]
        if k == place >> 6:
            cut &= np.uint64(0xFFFFFFFFFFFFFFFE) << np.uint64(place & 63)
        while cut != 0:
            bit = np.uint64(1) << np.uint64(_lowest_bit(cut))
            h = _plane_of(c, c.base[x], (k << 6) + _lowest_bit(cut))
            if h < 0:
                return False
            sign = _sign(c, x, h)
            if sign != 1:
                c.on[x, k] &= ~bit
            if sign == UNKNOWN:
                c.asked[c.n[ASKED], 0], c.asked[c.n[ASKED], 1] = x, h
                c.n[ASKED] += 1
            else:
                c.n[FILTERED] += 1
            cut &= ~bit
    return True


@kernel
def _slot_of(c: Skeleton, v: int, place: int) -> int:
    for s in range(c.p.shape[1]):
        if c.hinge[v, s] == place:
            return s
    return -1


@kernel
def _join(c: Skeleton, x: int, slot: int, i: int, side: int) -> bool:
    """Join new vertex x within the 2-face to the side of the hinge in slot i; see the module.

    `slot` is that of the hinge that cuts. At u the walk is about to leave hinge `leave` to side
    `to`, and stays on hinge `stay`, to whose side `beside` the face lies.
    """
    d2 = 2 * c.p.shape[1]
    twin = c.twin
    at = twin[d2 * x + 2 * slot + 1]
    leave, to = c.hinge[x, i], side
    for _ in range(c.n[VERTICES]):
        u = at // d2
        stay, beside = c.hinge[u, (at % d2) >> 1], at & 1
        s = _slot_of(c, u, leave)
        if s < 0:
            return False
        at = twin[d2 * u + 2 * s + to]
        if at < 0:
            return False
        if at // d2 >= c.n[FIRST]:
            y = at // d2
            s = _slot_of(c, y, stay)
            if s < 0 or twin[d2 * y + 2 * s + beside] != -1 or y == x:
                return False
            twin[d2 * x + 2 * i + side] = d2 * y + 2 * s + beside
            twin[d2 * y + 2 * s + beside] = d2 * x + 2 * i + side
            return True
        leave, to = stay, beside
    return False


@kernel
def _joined(c: Skeleton) -> bool:
    """Join the new vertices, those that are not yet."""
    d, first = c.p.shape[1], c.n[FIRST]
    for x in range(first, c.n[VERTICES]):
        slot = _slot_of(c, x, c.n[POSITION])
        v = c.twin[2 * d * x + 2 * slot + 1] // (2 * d)
        for i in range(d):
            if i == slot:
                continue
            s = _slot_of(c, v, c.hinge[x, i])
            for side in range(2):
                # a wall has nothing outside, at v as at x
                if c.twin[2 * d * v + 2 * s + side] >= 0 and c.twin[2 * d * x + 2 * i + side] < 0:
                    if not _join(c, x, slot, i, side):
                        return False
    return True


@kernel
def cut(c: Skeleton) -> int:
    """Cut by the hinges of the layer, one after another from n[POSITION] on; says why it stopped.

    NEEDS_SIGNS: `asked` lists what to settle; a zero means that the complex is not simple.
    NEEDS_SPACE: n[NEED] more vertices are wanted. BROKEN: the faces do not close, which no exact
    signs can cause. LATE: the alarm was set.
    """
    d2 = 2 * c.p.shape[1]
    twin, link = c.twin, c.link
    while c.n[POSITION] < c.head.shape[0]:
        place = c.n[POSITION]
        if c.n[PHASE] == 0:
            if c.head[place] < 0:
                c.n[POSITION] += 1
                continue
            if c.alarm[0] != 0:
                return LATE
            c.n[NEED] = c.size[place]
            room = min(c.base.shape[0] - c.n[VERTICES], c.cuts.shape[0])
            if c.size[place] > room:
                return NEEDS_SPACE
            half, count = np.int64(c.head[place]), 0
            while half >= 0:
                c.cuts[count] = half
                count += 1
                half = np.int64(link[half])
            c.n[AT], c.n[COUNT], c.n[FIRST], c.n[PHASE] = 0, count, c.n[VERTICES], 1
        while c.n[AT] < c.n[COUNT]:
            if c.n[ASKED] + 64 * c.own.shape[0] > c.asked.shape[0]:
                return NEEDS_SIGNS
            if c.alarm[0] != 0:
                return LATE
            if not _new_vertex(c, c.cuts[c.n[AT]], place):
                return BROKEN
            c.n[AT] += 1
        if c.n[ASKED] > 0:
            return NEEDS_SIGNS
        if not _joined(c):
            return BROKEN
        for x in range(c.n[FIRST], c.n[VERTICES]):
            for half in range(d2 * x, d2 * x + d2):
                other = np.int64(twin[half])
                if other >= 0 and (other // d2 < c.n[FIRST] or other > half):
                    _push(c, half, place)
        c.head[place], c.size[place], c.n[PHASE] = -1, 0, 0
        c.n[POSITION] += 1
    return DONE


# ---- heights


@kernel
def rising(c: Skeleton, direction: Array, unsure: Array) -> int:
    """Set `up`: the half-edges along which `direction` rises. Returns how many edges floats leave
    open; of these as many as fit are listed in `unsure`, by one of their half-edges.
    """
    d, count = c.p.shape[1], 0
    d2, twin = 2 * d, c.twin
    length = 0.0
    for i in range(d):
        length += direction[i] * direction[i]
    length = np.sqrt(length) * _UP
    infinite = c.q.shape[0] > 1
    for v in range(c.n[VERTICES]):
        c.up[v] = 0
    for half in range(c.n[VERTICES] * d2):
        other = np.int64(twin[half])
        if other < half:
            continue
        v, w = half // d2, other // d2
        sign = 0
        if infinite:
            value, size, some = 0.0, 0.0, c.qe[v] + c.qe[w]
            for i in range(d):
                value += direction[i] * c.q[w, i] - direction[i] * c.q[v, i]
                size += abs(direction[i] * c.q[w, i]) + abs(direction[i] * c.q[v, i])
                some += abs(c.q[w, i]) + abs(c.q[v, i])
            if some > 0.0:
                err = (
                    length * (c.qe[v] + c.qe[w]) + (2 * d + 3) * _U * _UP * size
                ) * _UP + _TINY
                sign = 1 if value > err else (-1 if value < -err else UNKNOWN)
        if sign == 0:
            value, size = 0.0, 0.0
            for i in range(d):
                value += direction[i] * c.p[w, i] - direction[i] * c.p[v, i]
                size += abs(direction[i] * c.p[w, i]) + abs(direction[i] * c.p[v, i])
            err = (length * (c.pe[v] + c.pe[w]) + (2 * d + 3) * _U * _UP * size) * _UP + _TINY
            sign = 1 if value > err else (-1 if value < -err else UNKNOWN)
        if sign == UNKNOWN:
            if count < unsure.shape[0]:
                unsure[count] = half
            count += 1
        elif sign == 1:
            c.up[v] |= np.uint32(1) << np.uint32(half % d2)
        else:
            c.up[w] |= np.uint32(1) << np.uint32(other % d2)
    return count


# ---- cells


@kernel
def number_cells(c: Skeleton) -> int:
    """Number the cells by their lowest vertices, in the vertices' order; returns how many."""
    d, total = c.p.shape[1], 0
    for v in range(c.n[VERTICES]):
        c.first[v] = total
        each = 1
        for s in range(d):
            each *= ((c.up[v] >> np.uint32(2 * s)) & 1) + ((c.up[v] >> np.uint32(2 * s + 1)) & 1)
        total += each
    c.first[c.n[VERTICES]] = total
    c.n[CELLS] = total
    return total


@kernel
def list_cells(c: Skeleton, codes: Array) -> None:
    """Write the codes of all cells, as words, in the order of their numbers."""
    d, words, number = c.p.shape[1], c.on.shape[1], 0
    for v in range(c.n[VERTICES]):
        each = c.first[v + 1] - c.first[v]
        for k in range(each):
            rest = k
            for j in range(words):
                codes[number, j] = c.on[v, j]
            for s in range(d):
                low, high = (c.up[v] >> np.uint32(2 * s)) & 1, (c.up[v] >> np.uint32(2 * s + 1)) & 1
                side = high
                if low + high == 2:
                    side = rest & 1
                    rest >>= 1
                place = c.hinge[v, s]
                if side and place < 64 * words:
                    codes[number, place >> 6] |= np.uint64(1) << np.uint64(place & 63)
            number += 1


@kernel
def cell_at(c: Skeleton, v: int, code: Array) -> int:
    """The number of the cell around v with a code, found by going down within it."""
    d, words, twin = c.p.shape[1], c.on.shape[1], c.twin
    u = v
    for _ in range(c.n[VERTICES]):
        number, unit, falls = c.first[u], 1, -1
        for s in range(d):
            place = c.hinge[u, s]
            side = 1
            if place < 64 * words:
                side = np.int64((code[place >> 6] >> np.uint64(place & 63)) & np.uint64(1))
            both = (c.up[u] >> np.uint32(2 * s)) & 3
            if not (both >> side) & 1:
                falls = 2 * s + side
                break
            if both == 3:
                number += side * unit
                unit *= 2
        if falls < 0:
            return number
        if twin[2 * d * u + falls] < 0:
            return -1
        u = twin[2 * d * u + falls] // (2 * d)
    return -1


@kernel
def list_pairs(c: Skeleton, code: Array, pairs: Array) -> int:
    """Write the two cells of every facet that no wall holds, at its lowest vertex; returns how
    many, or -1 when a cell is not found. With no room in `pairs`, counts only.
    """
    d, words, twin, count = c.p.shape[1], c.on.shape[1], c.twin, 0
    for v in range(c.n[VERTICES]):
        if c.alarm[0] != 0:
            return count
        for j in range(d):
            if c.hinge[v, j] >= 64 * words:
                continue
            each = 1
            for s in range(d):
                if s != j:
                    both = (c.up[v] >> np.uint32(2 * s)) & 3
                    each *= (both & 1) + (both >> 1)
            if pairs.shape[0] == 0:
                count += each
                continue
            for k in range(each):
                for w in range(words):
                    code[w] = c.on[v, w]
                low, high, unit, rest = c.first[v], c.first[v], 1, k
                for s in range(d):
                    both = (c.up[v] >> np.uint32(2 * s)) & 3
                    if s == j:
                        if both == 3:
                            high += unit
                            unit *= 2
                        continue
                    side = both >> 1
                    if both == 3:
                        side = rest & 1
                        rest >>= 1
                        low += side * unit
                        high += side * unit
                        unit *= 2
                    place = c.hinge[v, s]
                    if side and place < 64 * words:
                        code[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
                place = c.hinge[v, j]
                both = (c.up[v] >> np.uint32(2 * j)) & 3
                if not both & 1:
                    low = cell_at(c, twin[2 * d * v + 2 * j] // (2 * d), code)
                if not both & 2:
                    code[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
                    high = cell_at(c, twin[2 * d * v + 2 * j + 1] // (2 * d), code)
                if low < 0 or high < 0:
                    return -1
                pairs[count, 0], pairs[count, 1] = low, high
                count += 1
    return count


@kernel
def list_signs(c: Skeleton, code: Array, plus: Array, minus: Array, bases: Array) -> bool:
    """For every cell the hinges of the layer that are on at a vertex of it, and off at one (cells x
    words); and for every vertex the cell where all hinges through it are off.
    """
    d, words = c.p.shape[1], c.on.shape[1]
    for v in range(c.n[VERTICES]):
        if c.alarm[0] != 0:
            return True
        for sides in range(1 << d):
            for w in range(words):
                code[w] = c.on[v, w] & ~c.own[w]
            there = True
            for s in range(d):
                side, place = (sides >> s) & 1, c.hinge[v, s]
                there &= c.twin[2 * d * v + 2 * s + side] >= 0
                if side and place < 64 * words:
                    code[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
            if not there:
                continue
            cell = cell_at(c, v, code)
            if cell < 0:
                return False
            for w in range(words):
                plus[cell, w] |= c.on[v, w] & c.own[w]
                minus[cell, w] |= ~(c.on[v, w] | c.zero[v, w]) & c.own[w]
        for w in range(words):
            code[w] = c.on[v, w] & ~c.own[w]
        cell = cell_at(c, v, code)
        if cell < 0:
            return False
        bases[v] = cell
    return True


@kernel
def middles(c: Skeleton, first: int, far: float, out: Array) -> None:
    """Write points inside cells around the vertices `first`, ...: the means of each and of its
    neighbours along one half-edge of every slot, with K = `far`.
    """
    d = c.p.shape[1]
    for row in range(out.shape[0]):
        v = first + row
        for i in range(d):
            out[row, i] = c.p[v, i]
            if c.q.shape[0] > 1:
                out[row, i] += far * c.q[v, i]
        for s in range(d):
            half = c.twin[2 * d * v + 2 * s + 1] if c.twin[2 * d * v + 2 * s + 1] >= 0 else c.twin[2 * d * v + 2 * s]
            u = half // (2 * d) if half >= 0 else v
            for i in range(d):
                out[row, i] += c.p[u, i]
                if c.q.shape[0] > 1:
                    out[row, i] += far * c.q[u, i]
        for i in range(d):
            out[row, i] /= d + 1
