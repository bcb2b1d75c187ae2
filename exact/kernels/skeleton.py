"""Cut the 1-skeleton of a polyhedral complex by the neurons of one layer, and read cells and facets
off it: loops over vertices, compiled.

The complex is simple: every vertex lies on exactly d hinges and walls. Then each of its 2d
half-edges (a wall's outer side has none) leaves one hinge to one side, and two half-edges that
leave different hinges span a 2-face. A vertex has d slots, one for each hinge; half-edge `(v <<
shift) + 2 s + t` leaves the hinge in slot s of vertex v to the side t (1: on), and `twin` is the
half-edge that comes back along the same edge from its other end. Nothing else is kept: no edges, no
faces, no cells.

An edge waits in the bucket of the first neuron that cuts it, so that a layer costs what it creates.
A neuron cuts each of its edges in a new vertex, on the d - 1 hinges of the edge and its own.

How new vertices are paired. A 2-face that the neuron cuts is convex and has a vertex on either side
and none on the neuron, so that exactly two of its edges are cut, and the new edge within it joins
their cut points. From one of these the other is found by walking around the face on the
side where the neuron is on. At every vertex the walk knows the hinge that it stays on and the one
that it leaves next, each with the side of it that the face is on: the hinge met at the next vertex
is in the slot of the twin, and the side of the face is the side to which the twin leaves it. The
sides tell the faces apart that one set of hinges supports, as bent hinges do.

Reading off. A direction makes every edge rise at one end. Each cell, and each facet, has one lowest
vertex: that where its edges all rise. Cells are numbered by their lowest vertices, and are found
from other vertices by their codes, which are different.

Signs are float64 with a proved error bound; those left open are asked for. Where a hinge is zero at
a vertex it counts as on or off, one way for all the layer's vertices, as if it were moved by less
than nothing: see `exact.regions.polytopes.engines.skeleton`. `touch` keeps these zeros, and so
tells what is one point when the hinges move back: a cut by a hinge that an end of the edge touches
is at that end, and has its signs. Edges of no length rise by their rows, not their ends.

A vertex at infinity lies on finite hinges and walls, fewer than d. A hinge is zero there in K, for
certain, where its normal lies in the span of theirs, as networks of low rank have it, where no
float can tell. On a cell, the normals of a layer lie in the span of those of the layer before that
are on (R, one of each direction), and so in that for all layers before. The vertex's own hinges of
earlier layers are divided out, which makes all cells around it the same; the r directions of R that
are left, or what the layer before left of its own r, less as many as the vertex has hinges of this
layer, are an upper bound on what is left of R, as rows at a vertex are independent. Where that is 0
the layer is zero in K.

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

Loops take a range of vertices or edges, so that threads can share the arrays: in a range nothing is
written that another reads, but for two ends of a new edge, which both write what either finds.

Longer than others: numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

UNKNOWN = 2
DONE, NEEDS_SIGNS, NEEDS_SPACE, BROKEN, LATE, WIDE = 0, 1, 2, 3, 4, 5
# counters
VERTICES, PLANES, ASKED, FILTERED, AT, FIRST, COUNT = range(7)
PHASE, POSITION, NEED, SHIFT, LAYER, CELL, TOUCHED, MOST = range(7, 15)
COUNTERS = 15

_U = 2.0**-53
_TINY, _LEAST = 2.0**-1000, 2.0**-500
_UP = 1.0 + 2.0**-40
_OPEN = -1  # no point yet, and a cell that does not close

Array = np.ndarray[Any, Any]

# Without reference counts: a call that hands on all arrays would else count every one of them,
# twice.
kernel = numba.njit(  # type: ignore[call-overload]
    cache=True, nogil=True, _nrt=False, error_model="numpy"
)
part = numba.njit(  # type: ignore[call-overload]
    nogil=True, _nrt=False, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)


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
    twin: Array  # int32 (V << n[SHIFT]): -1 where there is no edge
    link: Array  # int32 (V x 2 d): the next half-edge in the same bucket
    base: Array  # int32 (V): the cell, in front of the layer, where all hinges through v are off
    on: Array  # uint64 (V x W): the hinges that are on
    zero: Array  # uint64 (V x W): the hinges through v
    # uint64 (V x words of hinges and walls), where n[TOUCHED] says that it is kept: the hinges and
    # walls on which v lies in the limit, those through v among them
    touch: Array
    up: Array  # uint32 (V): the half-edges that rise
    height: Array  # float64 (V x 1 or 2): along the direction, and that of q
    slack: Array  # bounds on the errors of the heights
    first: Array  # int64 (V + 1): the number of the first cell whose lowest vertex this is
    # hyperplanes a . x + b + K c = 0 with bounds on the 2-norm of the error of a and on that of b
    row: Array
    aerr: Array
    berr: Array
    anorm: Array
    # what makes each a multiple of an integer row, with an error of the size of `aerr`; infinite
    # where that is not known
    grain: Array
    place: Array  # int32: the hinge of each
    # cells in front of each layer: the rows of its hinges that may cut them, and the code
    start: Array
    rows: Array
    code: Array
    # buckets of half-edges by hinge, and how many each holds
    head: Array
    size: Array
    cuts: Array
    asked: Array  # int32 (vertex, hyperplane)
    # float64 (3 x d x d): a matrix, its inverse, and what is eliminated
    scratch: Array
    # float64 (7 x d): the inverse's columns' norms, a residual, right sides, and bounds on rows
    lines: Array
    # the layer of every hinge (-1 for walls), and the words' masks of the layers before each
    layer: Array
    # int32: hinges of a layer with the same number have parallel rows on every cell; -1 for walls
    parallel: Array
    # int8, by layer: whether what is behind it depends on its neurons that are on alone
    bare: Array
    before: Array
    table: Array  # int32: open-addressed, cells by layer and code
    own: Array  # uint64 (W): the hinges of the layer
    raised: Array  # uint64 (W): those of them that are on where they are zero
    alarm: Array


# ---- coordinates


@part
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


@part
def _solve(scratch: Array, lines: Array, right: int, gap: float, x: Array) -> float:
    """x = -inverse @ lines[right], refined once; returns the bound on its error."""
    d = x.shape[0]
    a, inverse, columns, rest, b = scratch[0], scratch[1], lines[0], lines[1], lines[right]
    for i in range(d):
        rest[i] = b[i]
        x[i] = 0.0
    for _ in range(2):
        for i in range(d):
            t = 0.0
            for j in range(d):
                t += inverse[i, j] * rest[j]
            x[i] -= t
        for i in range(d):
            t = b[i]
            for j in range(d):
                t += a[i, j] * x[j]
            rest[i] = t
    norm = 0.0
    for i in range(d):
        norm += x[i] * x[i]
    norm = np.sqrt(norm) * _UP + _LEAST
    total = 0.0
    for i in range(d):
        size = abs(b[i])
        for j in range(d):
            size += abs(a[i, j] * x[j])
        total += columns[i] * (
            abs(rest[i]) + (d + 3) * _U * size + lines[4, i] * norm + lines[5, i] + _TINY
        )
    return total / (1.0 - gap) * _UP + _TINY


@part
def _prepare(scratch: Array, lines: Array) -> float:
    """Invert the matrix; a bound on |G|, see `place_vertex`, or infinity."""
    d = scratch.shape[1]
    a, inverse, columns, rest = scratch[0], scratch[1], lines[0], lines[1]
    for i in range(d):
        for j in range(d):
            scratch[2, i, j] = a[i, j]
    if not _invert(scratch[2], inverse):
        return np.inf
    gap, spread = 0.0, 0.0
    for i in range(d):
        columns[i] = 0.0
    for i in range(d):
        for j in range(d):
            columns[j] += inverse[i, j] * inverse[i, j]
            rest[j] = 1.0 if i == j else 0.0
        for k in range(d):
            factor = inverse[i, k]
            for j in range(d):
                rest[j] -= factor * a[k, j]
        for j in range(d):
            gap += rest[j] * rest[j]
    for i in range(d):
        columns[i] = np.sqrt(columns[i]) * _UP
        spread += columns[i] * (lines[4, i] + (d + 2) * _U * lines[6, i])
    return (np.sqrt(gap) + spread) * _UP


@part
def _place(
    planes: Array,
    row: Array,
    slack: tuple[Array, Array, Array],
    scratch: Array,
    lines: Array,
    x: Array,
    y: Array,
    far: bool,
) -> tuple[float, float]:
    """Solve for the float coordinates x of a vertex from its rows, and where `far` for those in K,
    y; returns proved bounds on their distances to the exact ones.

    For exact rows A*, offsets b* and any approximate inverse R, with G = I - R A*: |x* - x| <= |R
    (A* x + b*)| / (1 - |G|).
    """
    d, some = x.shape[0], False
    aerr, berr, anorm = slack
    for i in range(d):
        h = planes[i]
        for j in range(d):
            scratch[0, i, j] = row[h, j]
        lines[2, i], lines[3, i] = row[h, d], row[h, d + 1]
        lines[4, i], lines[5, i], lines[6, i] = aerr[h], berr[h], anorm[h]
        some |= lines[3, i] != 0.0
    gap = _prepare(scratch, lines)
    if not gap < 0.5:
        for i in range(d):
            x[i] = 0.0
            if far:
                y[i] = 0.0
        return np.inf, np.inf
    near, beyond = _solve(scratch, lines, 2, gap, x), 0.0
    if far:
        for i in range(d):
            lines[5, i], y[i] = 0.0, 0.0
        if some:
            beyond = _solve(scratch, lines, 3, gap, y)
    return near, beyond


@part
def _at_infinity(row: Array, aerr: float, anorm: float, q: Array, qe: float, least: float) -> int:
    """The sign of a row's part in K at a vertex, 0 where it is zero for certain, as it is below
    `least`, or UNKNOWN.
    """
    d = q.shape[0]
    value, size, norm, bits = row[d + 1], abs(row[d + 1]), 0.0, 0.0
    for i in range(d):
        t = row[i] * q[i]
        value += t
        size += abs(t)
        norm += q[i] * q[i]
        bits += abs(q[i])
    if bits == 0.0 and qe == 0.0 and row[d + 1] == 0.0:
        return 0
    err = (anorm * qe + aerr * (np.sqrt(norm) + qe + _LEAST) + (d + 3) * _U * _UP * size) * _UP
    err += _TINY
    if abs(value) > err:
        return 1 if value > 0 else -1
    zero = (value == 0.0 and err <= _TINY) or (abs(value) + err) * _UP < least
    return 0 if zero else UNKNOWN


@part
def _near(
    row: Array, aerr: float, berr: float, anorm: float, p: Array, pe: float, least: float
) -> int:
    """The sign of a row without its part in K at a vertex, 0 below `least`, or UNKNOWN."""
    d = p.shape[0]
    value, size, norm = row[d], abs(row[d]), 0.0
    for i in range(d):
        t = row[i] * p[i]
        value += t
        size += abs(t)
        norm += p[i] * p[i]
    err = (
        anorm * pe + aerr * (np.sqrt(norm) + pe + _LEAST) + berr + (d + 3) * _U * _UP * size
    ) * _UP + _TINY
    if abs(value) > err:
        return 1 if value > 0 else -1
    return 0 if (abs(value) + err) * _UP < least else UNKNOWN


@part
def _least(planes: Array, aerr: Array, anorm: Array, grain: Array) -> float:
    """A bound below which a row of grain 1 is zero at the meet of these planes, if any: 1 over the
    product of the lengths of their integer normals.
    """
    product = 1.0
    for i in range(planes.shape[0]):
        product *= (anorm[planes[i]] + aerr[planes[i]]) * grain[planes[i]] * _UP
    return 1.0 / product / _UP if product < 1.0 / _LEAST else 0.0


@part
def _lowest_bit(word: Any) -> int:
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


@part
def _classes(c: Skeleton, v: int, layer: int, classes: Array) -> int:
    """How many different directions the neurons of a layer have that are on at v, but for those
    through v; no more are counted than `classes` has room for, which is scratch.
    """
    d, count = c.hinge.shape[1], 0
    for k in range(c.on.shape[1]):
        some = c.on[v, k] & c.before[layer + 1, k] & ~c.before[layer, k]
        while some != 0:
            bit = some & (~some + np.uint64(1))
            some ^= bit
            mine = c.parallel[(k << 6) + _lowest_bit(bit)]
            new: Any = True
            for i in range(count):
                new &= classes[i] != mine
            for i in range(d):
                new &= c.parallel[c.hinge[v, i]] != mine
            if new:
                classes[count] = mine
                count += 1
                if count == classes.shape[0]:
                    return count
    return count


@kernel
def _is_level(c: Skeleton, v: int, place: int) -> bool:
    """Whether a hinge is shown to be zero at v in K by the ranks of rows: see the module."""
    d, layer = c.hinge.shape[1], np.int64(c.layer[place])
    for i in range(d):
        if c.parallel[c.hinge[v, i]] == c.parallel[place]:
            return True
    rest: Any = d
    for i in range(d):
        rest -= c.layer[c.hinge[v, i]] < 0 and c.row[c.plane[v, i], d + 1] == 0.0
    for before in range(layer + 1):
        for i in range(d):
            rest -= c.layer[c.hinge[v, i]] == before
        if rest <= 0:
            return True
        if before < layer and c.bare[before] != 0:
            rest = min(rest, _classes(c, v, before, c.scratch[2, 0]))
    return False


@kernel
def sign_by_rows(
    c: Skeleton,
    row: Array,
    aerr: Array,
    berr: Array,
    anorm: Array,
    grain: Array,
    places: Array,
    vertices: Array,
    rows: Array,
    signs: Array,
) -> None:
    """The sign of row rows[i], not of the table but of the hinge at places[rows[i]], at
    vertices[i], or UNKNOWN.
    """
    far = c.q.shape[0] > 1
    for i in range(vertices.shape[0]):
        v, h, sign, least = vertices[i], rows[i], 0, 0.0
        if grain[h] < np.inf:
            least = _least(c.plane[v], c.aerr, c.anorm, c.grain) / grain[h] / _UP
        if far:
            sign = _at_infinity(row[h], aerr[h], anorm[h], c.q[v], c.qe[v], least)
            if sign == UNKNOWN and _is_level(c, v, places[h]):
                sign = 0
        if sign == 0:
            sign = _near(row[h], aerr[h], berr[h], anorm[h], c.p[v], c.pe[v], least)
        signs[i] = sign


# ---- the cells in front of a layer


@part
def _hash(layer: int, words: Array, before: Array) -> Any:
    value = np.uint64(layer + 1) * np.uint64(0x9E3779B97F4A7C15)
    for w in range(words.shape[0]):
        value = (value ^ (words[w] & before[w])) * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(29)
    return np.int64(value >> np.uint64(1))


@part
def _find(table: Array, code: Array, layer: int, words: Array, before: Array) -> int:
    """The cell in front of a layer whose code these words have there; -1 when there is none."""
    mask = table.shape[0] - 1
    slot = _hash(layer, words, before) & mask
    while table[slot] != -1:
        cell = table[slot]
        same = code[cell, words.shape[0]] == np.uint64(layer)
        for w in range(words.shape[0]):
            same &= code[cell, w] == words[w] & before[w]
        if same:
            return cell
        slot = (slot + 1) & mask
    return -1


@kernel
def find_cells(c: Skeleton, layer: int, codes: Array, out: Array, low: int, high: int) -> bool:
    """The cells in front of a layer with codes `low`, ..., `high` - 1; False when one is
    missing."""
    known = True
    for i in range(low, high):
        out[i] = _find(c.table, c.code, layer, codes[i], c.before[layer])
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


@part
def _plane_of(place_of: Array, first: int, count: int, place: int) -> int:
    """The row of a hinge among those of a cell; -1 where the hinge does not cut it."""
    for h in range(first, first + count):
        if place_of[h] == place:
            return h
    return -1


# ---- buckets


@part
def _first_cut(on: Array, zero: Array, own: Array, v: int, w: int, after: int) -> int:
    """The first hinge of the layer, behind `after`, that has both signs at v and w; -1: none."""
    for k in range((after + 1) >> 6, own.shape[0]):
        cut = (on[v, k] ^ on[w, k]) & ~(zero[v, k] | zero[w, k]) & own[k]
        if after >= k << 6:
            cut &= np.uint64(0xFFFFFFFFFFFFFFFE) << np.uint64(after & 63)
        if cut != 0:
            return (k << 6) + _lowest_bit(cut)
    return -1


@kernel
def count_zeros(c: Skeleton, counts: Array) -> None:
    """For every hinge of the layer, the edges that it is zero at one end of: those where it is on
    at the other, and those where it is off (places x 2).
    """
    shift, twin, on, touch, own = c.n[SHIFT], c.twin, c.on, c.touch, c.own
    for half in range(c.n[VERTICES] << shift):
        if twin[half] > half:
            v, w = half >> shift, np.int64(twin[half]) >> shift
            for k in range(own.shape[0]):
                one = (touch[v, k] ^ touch[w, k]) & own[k]
                while one != 0:
                    bit = one & (~one + np.uint64(1))
                    one ^= bit
                    counts[
                        (k << 6) + _lowest_bit(bit), 0 if (on[v, k] | on[w, k]) & bit else 1
                    ] += 1


@kernel
def fill_buckets(c: Skeleton) -> None:
    """Put every edge that the layer cuts into its bucket."""
    shift, twin = c.n[SHIFT], c.twin
    for v in range(c.n[VERTICES]):
        for k in range(c.link.shape[1]):
            half = (v << shift) + k
            if twin[half] > half:
                place = _first_cut(c.on, c.zero, c.own, v, twin[half] >> shift, -1)
                if place >= 0:
                    c.link[v, k], c.head[place] = c.head[place], half
                    c.size[place] += 1


# ---- cutting


@part
def _slot_of(hinge: Array, v: int, place: int) -> int:
    for s in range(hinge.shape[1]):
        if hinge[v, s] == place:
            return s
    return -1


@part
def _closer(c: Skeleton, x: int, h: int, place: int) -> int:
    """The sign of a hinge at a vertex that floats leave open, where denominators or the ranks of
    rows tell: 1 or -1, as the hinge is raised where it is zero, or UNKNOWN.
    """
    sign, least, bit = 0, 0.0, np.uint64(1) << np.uint64(place & 63)
    if c.grain[h] < np.inf:
        least = _least(c.plane[x], c.aerr, c.anorm, c.grain) / c.grain[h] / _UP
    if c.q.shape[0] > 1:
        sign = _at_infinity(c.row[h], c.aerr[h], c.anorm[h], c.q[x], c.qe[x], least)
        if sign == UNKNOWN and _is_level(c, x, place):
            sign = 0
    if sign == 0:
        sign = _near(c.row[h], c.aerr[h], c.berr[h], c.anorm[h], c.p[x], c.pe[x], least)
    if sign != 0:
        return sign
    if c.n[TOUCHED] == 0:  # exactly, so that touches are kept from then on
        return UNKNOWN
    c.touch[x, place >> 6] |= bit
    return 1 if c.raised[place >> 6] & bit != 0 else -1


@kernel
def new_vertices(c: Skeleton, place: int) -> int:
    """Cut the edges n[AT], ... of the list by a hinge; NEEDS_SIGNS where `asked` is full, BROKEN
    where a row is missing, which cannot be. One loop, as a call that hands on all arrays costs as
    much as what it does.

    The rows of v are those of the cell where all hinges through v are off. In front of a layer that
    cell is around the new vertex x too, unless the edge leaves at v a hinge of an earlier layer to
    its on side; and so for the edge's other end w. Where neither serves, the cell is looked up by
    its code.
    """
    d, twin, shift, n, hinge, plane = c.p.shape[1], c.twin, c.n[SHIFT], c.n, c.hinge, c.plane
    mask, far, slack = (1 << shift) - 1, c.q.shape[0] > 1, (c.aerr, c.berr, c.anorm)
    on, zero, touch, layers, layer = c.on, c.zero, c.touch, c.layer, c.layer[place]
    k, bit = place >> 6, np.uint64(1) << np.uint64(place & 63)
    while n[AT] < n[COUNT]:
        if n[ASKED] + 64 * c.own.shape[0] > c.asked.shape[0]:
            return NEEDS_SIGNS
        if c.alarm[0] != 0:
            return LATE
        half = np.int64(c.cuts[n[AT]])
        back = np.int64(twin[half])
        v, w, x = half >> shift, back >> shift, n[VERTICES]
        slot, other = (half & mask) >> 1, (back & mask) >> 1
        n[AT] += 1
        n[VERTICES] += 1
        for i in range(x << shift, (x + 1) << shift):
            twin[i] = -1
        for j in range(on.shape[1]):
            zero[x, j] = zero[v, j] & zero[w, j]
            on[x, j] = on[v, j] | on[w, j]
        zero[x, k] |= bit
        on[x, k] &= ~bit
        side = np.int64(on[v, k] & bit != 0)
        end, still = v, False  # whether the cut is in the limit at an end, and at which
        if n[TOUCHED] != 0:
            still = (touch[v, k] | touch[w, k]) & bit != 0
            end = v if touch[v, k] & bit != 0 else w
            for j in range(touch.shape[1]):
                touch[x, j] = touch[end, j] if still else touch[v, j] & touch[w, j]
            touch[x, k] |= bit
        # up to these layers the cells of v and of w are around x
        deep_v = deep_w = 1 << 30
        if half & 1 and layers[hinge[v, slot]] >= 0:
            deep_v = layers[hinge[v, slot]]
        if back & 1 and layers[hinge[w, other]] >= 0:
            deep_w = layers[hinge[w, other]]
        if layer <= deep_v:
            base = c.base[v]
        elif layer <= deep_w:
            base = c.base[w]
        else:
            base = _find(c.table, c.code, layer, on[x], c.before[layer])
        if base < 0:
            return BROKEN
        c.base[x] = base
        for i in range(d):
            mine: Any = np.int64(hinge[v, i])
            if i == slot:
                mine = place
                h = _plane_of(c.place, c.start[base], c.rows[base], place)
            elif layers[mine] <= deep_v:
                h = plane[v, i]
            elif layers[mine] <= deep_w:
                h = plane[w, _slot_of(hinge, w, mine)]
            else:
                cell = _find(c.table, c.code, layers[mine], on[x], c.before[layers[mine]])
                if cell < 0:
                    return BROKEN
                h = _plane_of(c.place, c.start[cell], c.rows[cell], mine)
            if h < 0:
                return BROKEN
            hinge[x, i], plane[x, i] = mine, h
        at = (x << shift) + 2 * slot
        twin[half], twin[at + side] = at + side, half
        twin[back], twin[at + 1 - side] = at + 1 - side, back
        if still:  # at the point of that end, which has all signs but for the hinge's own
            for i in range(d):
                c.p[x, i] = c.p[end, i]
                if far:
                    c.q[x, i] = c.q[end, i]
            c.pe[x] = c.pe[end]
            if far:
                c.qe[x] = c.qe[end]
            for j in range(k, c.own.shape[0]):
                later = c.own[j]
                if j == k:
                    later &= np.uint64(0xFFFFFFFFFFFFFFFE) << np.uint64(place & 63)
                on[x, j] = (on[x, j] & ~later) | (on[end, j] & later)
            continue
        y = x if far else 0
        c.pe[x], beyond = _place(plane[x], c.row, slack, c.scratch, c.lines, c.p[x], c.q[y], far)
        if far:
            c.qe[x] = beyond
        # the signs of the later hinges that cut the edge too
        to = _first_cut(on, zero, c.own, v, w, place)
        while to >= 0:
            h = _plane_of(c.place, c.start[base], c.rows[base], to)
            if h < 0:
                return BROKEN
            sign = 0
            if far:
                sign = _at_infinity(c.row[h], c.aerr[h], c.anorm[h], c.q[x], c.qe[x], 0.0)
            if sign == 0:
                sign = _near(c.row[h], c.aerr[h], c.berr[h], c.anorm[h], c.p[x], c.pe[x], 0.0)
            if sign == UNKNOWN:
                sign = _closer(c, x, h, to)
            if sign != 1:
                on[x, to >> 6] &= ~(np.uint64(1) << np.uint64(to & 63))
            if sign == UNKNOWN:
                c.asked[n[ASKED], 0], c.asked[n[ASKED], 1] = x, h
                n[ASKED] += 1
            else:
                n[FILTERED] += 1
            to = _first_cut(on, zero, c.own, v, w, to)
    return NEEDS_SIGNS if n[ASKED] > 0 else DONE


@kernel
def joined(
    hinge: Array, twin: Array, shift: int, first: int, stop: int, place: int, low: int, high: int
) -> bool:
    """Join vertices `low`, ..., `high` - 1, of the new ones `first`, ..., `stop` - 1 of the hinge
    at `place`: see the module. False where a face does not close.

    For new vertex x and one side of one of its hinges, that is for one 2-face: at vertex u the walk
    is about to leave hinge `leave` to side `to`, and stays on hinge `stay`, to whose side `beside`
    the face lies; `at` is the half-edge by which it came.
    """
    d, mask = hinge.shape[1], (1 << shift) - 1
    for x in range(low, high):
        slot = _slot_of(hinge, x, place)
        start = np.int64(twin[(x << shift) + 2 * slot + 1])
        v = start >> shift
        for i in range(d):
            if i == slot:
                continue
            s = i
            if hinge[v, s] != hinge[x, i]:
                s = _slot_of(hinge, v, hinge[x, i])
            for side in range(2):
                mine = (x << shift) + 2 * i + side
                # a wall has nothing outside, at v as at x
                if twin[(v << shift) + 2 * s + side] < 0 or twin[mine] >= 0:
                    continue
                to: Any = side
                at, leave = start, np.int64(hinge[x, i])
                for _ in range(stop):
                    u = at >> shift
                    stay, beside = np.int64(hinge[u, (at & mask) >> 1]), at & 1
                    at = np.int64(twin[(u << shift) + 2 * _slot_of(hinge, u, leave) + to])
                    if at < 0 or at >> shift >= first:
                        break
                    leave, to = stay, beside
                y = at >> shift
                if y < first or y == x:
                    return False
                yours = (y << shift) + 2 * _slot_of(hinge, y, stay) + beside
                if twin[yours] != -1 and twin[yours] != mine:
                    return False
                twin[mine], twin[yours] = yours, mine
    return True


@kernel
def later_cuts(c: Skeleton, place: int, low: int, high: int) -> None:
    """Write to `link`, for every edge of the new vertices `low`, ..., `high` - 1, the next hinge
    that cuts it, or -1; at one half-edge of those between two new vertices, -1 at the other.
    """
    twin, shift, first = c.twin, c.n[SHIFT], c.n[FIRST]
    for x in range(low, high):
        for k in range(c.link.shape[1]):
            half = (x << shift) + k
            back = np.int64(twin[half])
            c.link[x, k] = -1
            if back >= 0 and (back >> shift < first or back > half):
                c.link[x, k] = _first_cut(c.on, c.zero, c.own, x, back >> shift, place)


@kernel
def enter_cuts(c: Skeleton, low: int, high: int) -> None:
    """Put the edges of which `later_cuts` wrote the next hinge into the buckets of these."""
    link, shift = c.link, c.n[SHIFT]
    for x in range(low, high):
        for k in range(link.shape[1]):
            to = np.int64(link[x, k])
            if to >= 0:
                link[x, k], c.head[to] = c.head[to], (x << shift) + k
                c.size[to] += 1


@kernel
def cut(c: Skeleton) -> int:
    """Cut by the hinges of the layer, one after another from n[POSITION] on; says why it stopped.

    NEEDS_SIGNS: `asked` lists what to settle.
    NEEDS_SPACE: n[NEED] more vertices are wanted. BROKEN: the faces do not close, which no exact
    signs can cause. LATE: the alarm was set. WIDE: `cuts` lists n[COUNT] edges, more than n[MOST],
    to be cut by `new_vertices` from vertex n[FIRST] on, `joined`, `later_cuts` and `enter_cuts`.
    """
    twin, link, shift, n = c.twin, c.link, c.n[SHIFT], c.n
    while n[POSITION] < c.head.shape[0]:
        place = n[POSITION]
        if n[PHASE] == 0:
            if c.head[place] < 0:
                n[POSITION] += 1
                continue
            if c.alarm[0] != 0:
                return LATE
            n[NEED] = c.size[place]
            if n[NEED] > min(c.base.shape[0] - n[VERTICES], c.cuts.shape[0]):
                return NEEDS_SPACE
            edge, count = np.int64(c.head[place]), 0
            while edge >= 0:
                c.cuts[count] = edge
                count += 1
                edge = np.int64(link[edge >> shift, edge & ((1 << shift) - 1)])
            n[AT], n[COUNT], n[FIRST], n[PHASE] = 0, count, n[VERTICES], 1
            c.head[place], c.size[place] = -1, 0
            if count > n[MOST]:
                return WIDE
        why = new_vertices(c, place)
        if why != DONE:
            return why
        first, stop = n[FIRST], n[VERTICES]
        if not joined(c.hinge, twin, shift, first, stop, place, first, stop):
            return BROKEN
        later_cuts(c, place, first, stop)
        enter_cuts(c, first, stop)
        n[PHASE] = 0
        n[POSITION] += 1
    return DONE


# ---- heights


@kernel
def is_still(c: Skeleton, half: int) -> bool:
    """Whether the two ends of an edge are one point in the limit: then the far end still lies on
    the hinge that the edge leaves. All hinges at v have independent rows on a cell of the edge.
    """
    v, w = half >> c.n[SHIFT], np.int64(c.twin[half]) >> c.n[SHIFT]
    place = c.hinge[v, (half & ((1 << c.n[SHIFT]) - 1)) >> 1]
    return c.touch[w, place >> 6] & (np.uint64(1) << np.uint64(place & 63)) != 0


@part
def _slope(c: Skeleton, half: int, direction: Array, length: float) -> int:
    """Whether the direction, whose length is at most `length`, rises along an edge, by the rows of
    a cell around it: 1, -1 or UNKNOWN.

    The edge leaves hinge s along column s of the inverse of the rows, up to sign: see `_place`.
    """
    d, shift, hinge, layers, lines = c.p.shape[1], c.n[SHIFT], c.hinge, c.layer, c.lines
    turned: Any = 1.0
    back: Any = np.int64(c.twin[half])
    if half & 1 and layers[hinge[half >> shift, (half & ((1 << shift) - 1)) >> 1]] >= 0:
        half, turned = back, -1.0
    v, slot = half >> shift, (half & ((1 << shift) - 1)) >> 1
    own = np.int64(hinge[v, slot])
    deep = half & 1 and layers[own] >= 0
    bit = np.uint64(1) << np.uint64(own & 63)
    if deep:
        c.on[v, own >> 6] |= bit
    known: Any = True
    for i in range(d):
        h: Any = np.int64(c.plane[v, i])
        mine = np.int64(hinge[v, i])
        if deep and layers[mine] > layers[own]:
            cell = _find(c.table, c.code, layers[mine], c.on[v], c.before[layers[mine]])
            h = -1 if cell < 0 else _plane_of(c.place, c.start[cell], c.rows[cell], mine)
        known &= h >= 0
        for j in range(d):
            c.scratch[0, i, j] = c.row[h, j]
        lines[4, i], lines[6, i] = c.aerr[h], c.anorm[h]
    if deep:
        c.on[v, own >> 6] &= ~bit
    gap = _prepare(c.scratch, lines) if known else np.inf
    if not gap < 0.5:
        return UNKNOWN
    value, size = 0.0, 0.0
    for j in range(d):
        t = direction[j] * c.scratch[1, j, slot]
        value += t
        size += abs(t)
    err = (length * lines[0, slot] * gap / (1.0 - gap) + (d + 3) * _U * size) * _UP + _TINY
    if not half & 1:
        turned = -turned
    if abs(value) > err:
        return 1 if value * turned > 0 else -1
    return UNKNOWN


@part
def length_of(direction: Array) -> float:
    """A bound on the length of a vector."""
    square = 0.0
    for i in range(direction.shape[0]):
        square += direction[i] * direction[i]
    return np.sqrt(square) * _UP


@kernel
def set_heights(c: Skeleton, direction: Array, low: int, high: int) -> None:
    """Set the heights of vertices `low`, ..., `high` - 1 along the direction."""
    d, length = c.p.shape[1], length_of(direction)
    gamma = (d + 3) * _U * _UP
    for v in range(low, high):
        for far in range(c.height.shape[1]):
            x = c.q[v] if far else c.p[v]
            value, size = 0.0, 0.0
            for i in range(d):
                t = direction[i] * x[i]
                value += t
                size += abs(t)
            error = c.qe[v] if far else c.pe[v]
            some = size > 0.0 or error > 0.0
            c.height[v, far] = value
            c.slack[v, far] = (length * error + gamma * size) * _UP + _TINY if some else 0.0


@kernel
def rising(c: Skeleton, unsure: Array, low: int, high: int) -> int:
    """Set `up` for vertices `low`, ..., `high` - 1: the half-edges that rise by the heights.

    Returns how many edges these leave open and lists them in `unsure`, by their first half-edges.
    """
    count, shift, height, slack = 0, c.n[SHIFT], c.height, c.slack
    for v in range(low, high):
        found = np.uint32(0)
        for k in range(1 << shift):
            half = (v << shift) + k
            other = np.int64(c.twin[half])
            if other < 0:
                continue
            w, sign = other >> shift, 0
            # the two ends of an edge ask the same of it, and find the same
            if c.n[TOUCHED] != 0 and is_still(c, min(half, other)):
                sign = UNKNOWN
            for far in range(height.shape[1] - 1, -1, -1):
                if sign == 0:
                    value = height[w, far] - height[v, far]
                    err = (slack[v, far] + slack[w, far]) * _UP
                    err += (abs(height[v, far]) + abs(height[w, far])) * 2 * _U
                    if err > 0.0 or far == 0:
                        sign = 1 if value > err else (-1 if value < -err else UNKNOWN)
            if sign == 1:
                found |= np.uint32(1) << np.uint32(k)
            elif sign == UNKNOWN and other > half:
                unsure[count] = half
                count += 1
        c.up[v] = found
    return count


@kernel
def rising_by_rows(c: Skeleton, direction: Array, unsure: Array) -> int:
    """Set `up` at one end of the edges in `unsure`, by the rows of cells around them; returns how
    many floats leave open, and keeps those in front.
    """
    count, shift, length = 0, c.n[SHIFT], length_of(direction)
    mask = (1 << shift) - 1
    for i in range(unsure.shape[0]):
        half: Any = np.int64(unsure[i])
        sign = _slope(c, half, direction, length)
        if sign == UNKNOWN:
            unsure[count] = half
            count += 1
            continue
        if sign == -1:
            half = np.int64(c.twin[half])
        c.up[half >> shift] |= np.uint32(1) << np.uint32(half & mask)
    return count


# ---- cells


@kernel
def number_cells(c: Skeleton) -> int:
    """Number the cells by their lowest vertices, in the vertices' order; returns how many."""
    d, total, up = c.p.shape[1], 0, c.up
    for v in range(c.n[VERTICES]):
        c.first[v] = total
        each: Any = 1
        for s in range(d):
            both = (np.int64(up[v]) >> 2 * s) & 3
            each *= (both & 1) + (both >> 1)
        total += each
    c.first[c.n[VERTICES]] = total
    return total


@kernel
def list_cells(c: Skeleton, codes: Array, low: int, high: int) -> None:
    """Write the codes of the cells whose lowest vertices are `low`, ..., `high` - 1, as words, in
    the order of their numbers.
    """
    d, words, number = c.p.shape[1], c.on.shape[1], c.first[low]
    for v in range(low, high):
        up = np.int64(c.up[v])
        for k in range(c.first[v + 1] - c.first[v]):
            rest: Any = k
            for j in range(words):
                codes[number, j] = c.on[v, j]
            for s in range(d):
                both = (up >> 2 * s) & 3
                side = both >> 1
                if both == 3:
                    side = rest & 1
                    rest >>= 1
                place = c.hinge[v, s]
                if side and place < 64 * words:
                    codes[number, place >> 6] |= np.uint64(1) << np.uint64(place & 63)
            number += 1


@kernel
def count_pairs(c: Skeleton, low: int, high: int) -> int:
    """The number of facets that no wall holds and whose lowest vertices are `low`, ..., `high` -
    1."""
    d, behind, count = c.p.shape[1], 64 * c.on.shape[1], 0
    for v in range(low, high):
        up = np.int64(c.up[v])
        for j in range(d):
            if c.hinge[v, j] < behind:
                each: Any = 1
                for s in range(d):
                    if s != j:
                        both = (up >> 2 * s) & 3
                        each *= (both & 1) + (both >> 1)
                count += each
    return count


@kernel
def list_pairs(c: Skeleton, code: Array, pairs: Array, start: int, stop: int) -> bool:
    """Write the two cells of every facet that no wall holds and whose lowest vertex is one of
    `start`, ..., `stop` - 1; False when a cell is not found.
    """
    d, words, count, hinge, first = c.p.shape[1], c.on.shape[1], 0, c.hinge, c.first
    layer, cell0 = np.int64(c.n[LAYER]), c.n[CELL]
    before = c.before[layer]
    for v in range(start, stop):
        if c.alarm[0] != 0:
            return True
        up = np.int64(c.up[v])
        for j in range(d):
            own = hinge[v, j]
            if own >= 64 * words:
                continue
            each: Any = 1
            for s in range(d):
                if s != j:
                    both = (up >> 2 * s) & 3
                    each *= (both & 1) + (both >> 1)
            there = (up >> 2 * j) & 3
            for k in range(each):
                rest: Any = k
                low, high, unit = first[v], first[v], 1
                for w in range(words):
                    code[w] = c.on[v, w]
                for s in range(d):
                    both = (up >> 2 * s) & 3
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
                    place = hinge[v, s]
                    if side and place < 64 * words:
                        code[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
                if not there & 1:
                    low = _find(c.table, c.code, layer, code, before) - cell0
                if not there & 2:
                    code[own >> 6] |= np.uint64(1) << np.uint64(own & 63)
                    high = _find(c.table, c.code, layer, code, before) - cell0
                if low < 0 or high < 0:
                    return False
                pairs[count, 0], pairs[count, 1] = low, high
                count += 1
    return True


@kernel
def list_edge_facets(c: Skeleton, code: Array, found: Array, start: int, stop: int) -> int:
    """Write the cell and the wall of every facet in a wall whose lowest vertex is one of `start`,
    ..., `stop` - 1, as far as `found` has room; returns how many there are, or -1 when a cell is
    not found.
    """
    d, words, count, hinge, first = c.p.shape[1], c.on.shape[1], 0, c.hinge, c.first
    layer, cell0 = np.int64(c.n[LAYER]), c.n[CELL]
    before = c.before[layer]
    for v in range(start, stop):
        if c.alarm[0] != 0:
            return 0
        up = np.int64(c.up[v])
        for j in range(d):
            if hinge[v, j] < 64 * words:
                continue
            each: Any = 1
            for s in range(d):
                if s != j:
                    both = (up >> 2 * s) & 3
                    each *= (both & 1) + (both >> 1)
            if count + each > found.shape[0]:
                count += each
                continue
            # only the side of a wall that is on has cells
            rises = (up >> 2 * j) & 2
            for k in range(each):
                rest: Any = k
                cell, unit = first[v], 1
                for w in range(words):
                    code[w] = c.on[v, w]
                for s in range(d):
                    if s == j:
                        continue
                    both = (up >> 2 * s) & 3
                    side = both >> 1
                    if both == 3:
                        side = rest & 1
                        rest >>= 1
                        cell += side * unit
                        unit *= 2
                    place = hinge[v, s]
                    if side and place < 64 * words:
                        code[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
                if not rises:
                    cell = _find(c.table, c.code, layer, code, before) - cell0
                    if cell < 0:
                        return -1
                found[count, 0], found[count, 1] = cell, hinge[v, j] - 64 * words
                count += 1
    return count


@kernel
def list_signs(c: Skeleton, code: Array, plus: Array, minus: Array, low: int, high: int) -> bool:
    """For every cell the hinges of the layer that are on at one of its vertices among `low`, ...,
    `high` - 1, and off at one (cells x words); and the bases of these vertices.
    """
    d, words, shift, own = c.p.shape[1], c.on.shape[1], c.n[SHIFT], c.own
    hinge, twin, layer, cell0 = c.hinge, c.twin, np.int64(c.n[LAYER]), c.n[CELL]
    before = c.before[layer]
    for v in range(low, high):
        if c.alarm[0] != 0:
            return True
        there: Any = 0
        for k in range(2 * d):
            there |= np.int64(twin[(v << shift) + k] >= 0) << k
        for sides in range(1 << d):
            for w in range(words):
                code[w] = c.on[v, w] & ~own[w]
            known = True
            for s in range(d):
                side, place = (sides >> s) & 1, hinge[v, s]
                known &= (there >> (2 * s + side)) & 1 != 0
                if side and place < 64 * words:
                    code[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
            if not known:
                continue
            cell = _find(c.table, c.code, layer, code, before) - cell0
            if cell < 0:
                return False
            for w in range(words):
                plus[cell, w] |= c.on[v, w] & own[w]
                minus[cell, w] |= ~(c.on[v, w] | c.zero[v, w]) & own[w]
        for w in range(words):
            code[w] = c.on[v, w] & ~own[w]
        c.base[v] = _find(c.table, c.code, layer, code, before)
        if c.base[v] < 0:
            return False
    return True


@kernel
def middles(c: Skeleton, first: int, far: float, out: Array) -> None:
    """Write points inside cells around the vertices `first`, ...: the means of each and of its
    neighbours along one half-edge of every slot, with K = `far`.
    """
    d, shift = c.p.shape[1], c.n[SHIFT]
    for row in range(out.shape[0]):
        v = first + row
        for i in range(d):
            out[row, i] = c.p[v, i]
            if c.q.shape[0] > 1:
                out[row, i] += far * c.q[v, i]
        for s in range(d):
            half = (v << shift) + 2 * s
            u = max(c.twin[half], c.twin[half + 1]) >> shift
            u = v if u < 0 else u
            for i in range(d):
                out[row, i] += c.p[u, i]
                if c.q.shape[0] > 1:
                    out[row, i] += far * c.q[u, i]
        for i in range(d):
            out[row, i] /= d + 1


# ---- what is left when hinges move back


@part
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
        point[v] = _OPEN
    for start in range(count):
        if point[start] != _OPEN:
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
                    if point[w] == _OPEN and not _keeps_length(hinge, touch, at, slot, w):
                        point[w], point[count + todo] = start, w
                        todo += 1


@part
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


@part
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
                return _OPEN
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
            if count == _OPEN:
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
            if count == _OPEN:
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
                    if count == _OPEN:
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
