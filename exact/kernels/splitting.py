"""Split a polyhedral complex by the neurons of one layer: loops over faces, compiled.

The complex is arrays. A face of dimension k = 1 .. d - 1 lists its (k - 1)-faces (an edge its two
vertices) and carries the d - k hyperplanes that hold it; a cell lists its facets and its vertices.
A cell waits in the bucket of the first neuron that may still cut it, so that a layer costs what it
creates: a cell is touched for a neuron only when the neuron has both signs (or an unknown one) on
its vertices. Lists live in one pool; the list of a face that is split is written anew.

Signs at vertices are float64 with a proved error bound: -1, 0 or +1 when certain, else UNKNOWN. The
kernel never guesses: it collects the unknown signs it needs and returns, and is called again once
they are settled exactly.

Cutting a face F that has vertices on both sides by the zero set H of a neuron: every facet G of F
is cut as well, or lies on one closed side. F is replaced by its two closed halves, and F and H meet
in a new face, whose facets are the meets of the cut G with H, and the (k - 2)-faces of F that lie
in H. A face with vertices on one side only is left as it is.

Longer than others: numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

UNKNOWN = 2
DONE, NEEDS_SIGNS, NEEDS_SPACE, BROKEN, LATE = 0, 1, 2, 3, 4
PLUS, MINUS = 1, 2
# counters
VERTICES, FACES, CELLS, POOL, PLANES = range(5)
ASKED, KNOWN, FILTERED, STAMP, MARK, NEURON, HALFWAY, ZEROS, FREE_FACES, FREE_POOL = range(5, 15)
COUNTERS = 15
# columns of a face: dimension; its list in the pool; mark; the hyperplane that cuts it now; what it
# becomes
DIM, START, COUNT, MARKED, BY, ABOVE, BELOW, WITHIN, PLANE = range(9)

_U = 2.0**-53
_TINY, _LEAST = 2.0**-1000, 2.0**-500
_UP = 1.0 + 2.0**-40

Array = np.ndarray[Any, Any]

# Without reference counts: a call that hands on all arrays would else count every one of them,
# twice.
kernel = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]


class Complex(NamedTuple):
    """The arrays of the complex; `n` holds how much of them is in use."""

    n: Array  # int64 counters
    # vertices: `p + K q` within `pe` and `qe`; the d hyperplanes that define each; sign and stamp
    # of the current neuron
    p: Array
    q: Array
    pe: Array
    qe: Array
    vplanes: Array
    vsign: Array
    vstamp: Array
    vmark: Array
    # faces of dimension 1 .. d - 1
    # a row holds all of a face, as a rule one line of the cache: the columns DIM .. WITHIN, then
    # its hyperplanes
    face: Array
    # the neuron that last reached a face, times 4, and the signs of its vertices; apart, since most
    # read
    seen: Array
    work: Array
    stack: Array
    # cells
    cstart: Array
    ccount: Array
    vstart: Array
    vcount: Array
    kstart: Array  # candidates: hyperplanes that may cut the cell, by neuron
    kcount: Array
    cbase: Array
    clink: Array
    code: Array
    cflag: Array
    pool: Array
    # hyperplanes a . x + b + K c = 0 with bounds on the 2-norm of the error of a and on that of b;
    # the hinge of each
    plane: Array
    aerr: Array
    berr: Array
    anorm: Array
    hinge: Array
    scratch: Array  # float64 (4 x d x d)
    levels: Array  # where each dimension begins in `work`


class Layer(NamedTuple):
    """What one layer adds: signs at the vertices it found, buckets of cells by hinge, signs settled
    exactly, questions.
    """

    signs: Array  # int8 (vertices at the start x hinges)
    head: Array
    keys: Array
    values: Array
    asked: Array  # int32 (vertex, hyperplane)
    bit0: Array  # the index of the layer's first hinge in the code
    flags: Array  # uint8 (hinges)
    # set by another thread when time or memory is up (see exact.geometry.budgets): whatever is
    # going on ends then
    alarm: Array


@kernel
def _float_sign(c: Complex, v: int, h: int) -> int:
    """The sign of hyperplane h at vertex v, or UNKNOWN."""
    d = c.p.shape[1]
    plane, p = c.plane, c.p
    gamma = (d + 3) * _U * _UP
    if c.q.shape[0] > 1:
        value, size, norm, bits = 0.0, 0.0, 0.0, 0.0
        for i in range(d):
            t = plane[h, i] * c.q[v, i]
            value += t
            size += abs(t)
            norm += c.q[v, i] * c.q[v, i]
            bits += abs(c.q[v, i])
        value += plane[h, d + 1]
        size += abs(plane[h, d + 1])
        if bits > 0.0 or c.qe[v] > 0.0 or plane[h, d + 1] != 0.0:
            err = (
                c.anorm[h] * c.qe[v] + c.aerr[h] * (np.sqrt(norm) + c.qe[v] + _LEAST) + gamma * size
            ) * _UP + _TINY
            if abs(value) > err:
                return 1 if value > 0 else -1
            if not (value == 0.0 and err <= _TINY):
                return UNKNOWN
    value, size, norm = plane[h, d], abs(plane[h, d]), 0.0
    for i in range(d):
        t = plane[h, i] * p[v, i]
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


@kernel
def _slot(keys: Array, key: int) -> int:
    """The slot of a key in an open-addressed table, or of the gap where it belongs."""
    mask = keys.shape[0] - 1
    slot = (key * 2654435761) & mask
    while keys[slot] != -1 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kernel
def _sign(c: Complex, layer: Layer, v: int, h: int) -> int:
    j = c.hinge[h]
    if v < layer.signs.shape[0]:
        s = layer.signs[v, j]
        if s != UNKNOWN:
            return s
    if c.n[KNOWN] > 0:
        slot = _slot(layer.keys, v * layer.head.shape[0] + j)
        if layer.keys[slot] != -1:
            return layer.values[slot]
    sign = _float_sign(c, v, h)
    c.n[FILTERED] += sign != UNKNOWN
    return sign


@kernel
def settle(c: Complex, layer: Layer, signs: Array) -> None:
    """Enter the exact signs of the questions asked, in their order, and forget the questions."""
    hinges = layer.head.shape[0]
    for i in range(c.n[ASKED]):
        v, h = layer.asked[i, 0], layer.asked[i, 1]
        slot = _slot(layer.keys, np.int64(v) * hinges + c.hinge[h])
        if layer.keys[slot] == -1:
            c.n[KNOWN] += 1
        layer.keys[slot] = np.int64(v) * hinges + c.hinge[h]
        layer.values[slot] = signs[i]
    c.n[ASKED] = 0


@kernel
def rehash(keys: Array, values: Array, new_keys: Array, new_values: Array) -> None:
    """Copy a table of settled signs into a larger one."""
    for i in range(keys.shape[0]):
        if keys[i] != -1:
            slot = _slot(new_keys, keys[i])
            new_keys[slot] = keys[i]
            new_values[slot] = values[i]


@kernel
def _push(c: Complex, layer: Layer, cell: int) -> None:
    """Put a cell into the bucket of its first candidate."""
    if c.kcount[cell] > 0:
        j = c.hinge[c.pool[c.kstart[cell]]]
        c.clink[cell] = layer.head[j]
        layer.head[j] = cell


@kernel
def count_candidates(c: Complex, layer: Layer) -> int:
    """How many (cell, hinge) pairs have both signs or an unknown one at the start of a layer."""
    m, flags = layer.head.shape[0], layer.flags
    total = 0
    for cell in range(c.n[CELLS]):
        if layer.alarm[0] != 0:
            return total
        _flags(c, layer.signs, cell, flags)
        for j in range(m):
            total += flags[j] >= 3
    return total


@kernel
def _flags(c: Complex, signs: Array, cell: int, flags: Array) -> None:
    """For every hinge: 1 if positive at some vertex of the cell, 2 if negative, 4 if unknown,
    summed.
    """
    m = flags.shape[0]
    flags[:] = 0
    for i in range(c.vstart[cell], c.vstart[cell] + c.vcount[cell]):
        row = signs[c.pool[i]]
        for j in range(m):
            s = row[j]
            flags[j] |= (s == 1) | ((s == -1) << 1) | ((s == 2) << 2)


@kernel
def _set_bit(c: Complex, cell: int, bit: int) -> None:
    c.code[cell, bit >> 3] |= np.uint8(128 >> (bit & 7))


@kernel
def enlist(c: Complex, layer: Layer, cells: Array, hinges: Array) -> None:
    """List the candidates of every cell as hyperplanes (numbered from n[PLANES]) and set the bits
    that are decided.
    """
    m, flags = layer.head.shape[0], layer.flags
    plane, count, top, bit0 = c.n[PLANES], 0, c.n[POOL], layer.bit0[0]
    for cell in range(c.n[CELLS]):
        if layer.alarm[0] != 0:
            return
        _flags(c, layer.signs, cell, flags)
        c.kstart[cell], c.cbase[cell] = top, cell
        for j in range(m):
            if flags[j] >= 3:
                c.pool[top] = plane + count
                c.hinge[plane + count] = j
                cells[count], hinges[count] = cell, j
                top += 1
                count += 1
            elif flags[j] == 1:
                _set_bit(c, cell, bit0 + j)
        c.kcount[cell] = top - c.kstart[cell]
    c.n[POOL] = top
    c.n[PLANES] = plane + count
    layer.head[:] = -1
    for cell in range(c.n[CELLS] - 1, -1, -1):
        _push(c, layer, cell)


@kernel
def refill(c: Complex, layer: Layer) -> None:
    """Put all cells into the bucket of their first candidate, after some were dropped."""
    for cell in range(c.n[CELLS] - 1, -1, -1):
        _push(c, layer, cell)


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
def place(c: Complex, v: int) -> None:
    """Solve for the float coordinates of a vertex from its hyperplanes, with a proved bound on the
    distance to the exact one.

    For exact rows A*, offsets b* and any approximate inverse R, with G = I - R A*: |x* - x| <= |R
    (A* x + b*)| / (1 - |G|).
    """
    d = c.p.shape[1]
    a, inverse, columns = c.scratch[0], c.scratch[1], c.scratch[2, 0]
    for i in range(d):
        h = c.vplanes[v, i]
        for j in range(d):
            a[i, j] = c.plane[h, j]
    good = _invert(a, inverse)
    gap, spread = 0.0, 0.0
    for i in range(d):
        columns[i] = 0.0
        for j in range(d):
            columns[i] += inverse[j, i] * inverse[j, i]
        columns[i] = np.sqrt(columns[i]) * _UP
        h = c.vplanes[v, i]
        spread += columns[i] * (c.aerr[h] + (d + 2) * _U * c.anorm[h])
    for i in range(d):
        for j in range(d):
            t = 1.0 if i == j else 0.0
            for k in range(d):
                t -= inverse[i, k] * c.plane[c.vplanes[v, k], j]
            gap += t * t
    gap = (np.sqrt(gap) + spread) * _UP
    if not good or not gap < 0.5:
        c.pe[v] = np.inf
        c.p[v, :] = 0.0
        if c.q.shape[0] > 1:
            c.qe[v] = np.inf
            c.q[v, :] = 0.0
        return
    c.pe[v] = _solve(c, v, inverse, columns, gap, d, c.p)
    if c.q.shape[0] > 1:
        some = False
        for i in range(d):
            some |= c.plane[c.vplanes[v, i], d + 1] != 0.0
        c.q[v, :] = 0.0
        c.qe[v] = _solve(c, v, inverse, columns, gap, d + 1, c.q) if some else 0.0


@kernel
def _solve(
    c: Complex, v: int, inverse: Array, columns: Array, gap: float, side: int, x: Array
) -> float:
    """x[v] = -inverse @ plane[:, side], refined once; returns the bound on its error."""
    d = c.p.shape[1]
    rest = c.scratch[3, 0]
    for i in range(d):
        rest[i] = c.plane[c.vplanes[v, i], side]
        x[v, i] = 0.0
    for _ in range(2):
        for i in range(d):
            for j in range(d):
                x[v, i] -= inverse[i, j] * rest[j]
        for i in range(d):
            h = c.vplanes[v, i]
            rest[i] = c.plane[h, side]
            for j in range(d):
                rest[i] += c.plane[h, j] * x[v, j]
    norm = 0.0
    for i in range(d):
        norm += x[v, i] * x[v, i]
    norm = np.sqrt(norm) * _UP + _LEAST
    total = 0.0
    for i in range(d):
        h = c.vplanes[v, i]
        size = abs(c.plane[h, side])
        for j in range(d):
            size += abs(c.plane[h, j] * x[v, j])
        offset = c.berr[h] if side == d else 0.0
        total += columns[i] * (
            abs(rest[i]) + (d + 3) * _U * size + c.aerr[h] * norm + offset + _TINY
        )
    return total / (1.0 - gap) * _UP + _TINY


@kernel
def _ask_signs(c: Complex, layer: Layer, j: int) -> bool:
    """Sign every vertex of the cells in bucket j; True when some sign is unknown."""
    stamp = c.n[STAMP]
    cell = np.int64(layer.head[j])
    while cell >= 0 and layer.alarm[0] == 0:
        h = c.pool[c.kstart[cell]]
        flag = 0
        for i in range(c.vstart[cell], c.vstart[cell] + c.vcount[cell]):
            v = c.pool[i]
            if c.vstamp[v] != stamp:
                c.vstamp[v] = stamp
                c.vsign[v] = _sign(c, layer, v, h)
                if c.vsign[v] == UNKNOWN:
                    k = c.n[ASKED]
                    if k < layer.asked.shape[0]:
                        layer.asked[k, 0], layer.asked[k, 1] = v, h
                        c.n[ASKED] = k + 1
                c.n[ZEROS] += c.vsign[v] == 0
            s = c.vsign[v]
            if s == 1:
                flag |= PLUS
            elif s == -1:
                flag |= MINUS
        c.cflag[cell] = flag
        cell = np.int64(c.clink[cell])
    return c.n[ASKED] > 0


@kernel
def _reach(c: Complex, layer: Layer, j: int, levels: Array) -> int:
    """List in `work` all faces of the cut cells by falling dimension, and bound the space that
    cutting them takes.
    """
    d, stamp, top, cuts = c.p.shape[1], c.n[STAMP], 0, 0
    cell = np.int64(layer.head[j])
    while cell >= 0 and layer.alarm[0] == 0:
        if c.cflag[cell] == 3:
            h = c.pool[c.kstart[cell]]
            cuts += 1
            if d > 1:
                for i in range(c.cstart[cell], c.cstart[cell] + c.ccount[cell]):
                    f = c.pool[i]
                    if c.seen[f] >> 2 != stamp:
                        c.seen[f] = stamp << 2
                        c.face[f, BY] = h
                        c.work[top] = f
                        top += 1
        cell = np.int64(c.clink[cell])
    levels[d - 1 if d > 1 else 0] = 0
    begin = 0
    for k in range(d - 1, 1, -1):
        end = top
        for w in range(begin, end):
            if layer.alarm[0] != 0:
                break
            f = c.work[w]
            for i in range(c.face[f, START], c.face[f, START] + c.face[f, COUNT]):
                g = c.pool[i]
                if c.seen[g] >> 2 != stamp:
                    c.seen[g] = stamp << 2
                    c.face[g, BY] = c.face[f, BY]
                    c.work[top] = g
                    top += 1
        begin = end
        levels[k - 1] = begin
    c.n[FREE_FACES] = cuts
    c.n[FREE_POOL] = 0
    return top


@kernel
def _classify(c: Complex, levels: Array, top: int) -> None:
    """Flag every face of `work` by the signs of its vertices, edges first, and add up the space
    that the cuts take.
    """
    d, end, faces, space = c.p.shape[1], top, 0, 0
    for k in range(1, d):
        for w in range(levels[k], end):
            f = c.work[w]
            flag = 0
            for i in range(c.face[f, START], c.face[f, START] + c.face[f, COUNT]):
                g = c.pool[i]
                if k == 1:
                    s = c.vsign[g]
                    flag |= PLUS if s == 1 else (MINUS if s == -1 else 0)
                else:
                    flag |= c.seen[g] & 3
            c.seen[f] |= flag
            if flag == 3:
                faces += 2
                space += 5 * c.face[f, COUNT] + 8
        end = levels[k]
    c.n[FREE_FACES] += faces
    c.n[FREE_POOL] += space


@kernel
def _new_vertex(c: Complex, planes: Array, count: int, h: int) -> int:
    v = c.n[VERTICES]
    c.n[VERTICES] = v + 1
    for i in range(count):
        c.vplanes[v, i] = planes[i]
    c.vplanes[v, count] = h
    c.vstamp[v] = c.n[STAMP]
    c.vsign[v] = 0
    c.vmark[v] = 0
    place(c, v)
    return v


@kernel
def _new_face(c: Complex, dim: int, planes: Array, count: int) -> int:
    f = c.n[FACES]
    c.n[FACES] = f + 1
    c.face[f, DIM] = dim
    c.seen[f], c.face[f, MARKED] = 0, 0
    for i in range(count):
        c.face[f, PLANE + i] = planes[i]
    return f


@kernel
def _split_edge(c: Complex, e: int) -> None:
    d = c.p.shape[1]
    start = c.face[e, START]
    a, b = c.pool[start], c.pool[start + 1]
    plus, minus = (a, b) if c.vsign[a] == 1 else (b, a)
    x = _new_vertex(c, c.face[e, PLANE:], d - 1, c.face[e, BY])
    other = _new_face(c, 1, c.face[e, PLANE:], d - 1)
    top = c.n[POOL]
    c.pool[top], c.pool[top + 1], c.pool[top + 2], c.pool[top + 3] = plus, x, x, minus
    c.face[e, START], c.face[other, START] = top, top + 2
    c.face[other, COUNT] = 2
    c.n[POOL] = top + 4
    c.face[e, ABOVE], c.face[e, BELOW], c.face[e, WITHIN] = e, other, x


@kernel
def _section(c: Complex, k: int, start: int, count: int, top: int) -> int:
    """Write the list of the meet of a k-face, given by its facets, with the hyperplane; returns its
    length.
    """
    c.n[MARK] += 1
    mark, size = c.n[MARK], 0
    for i in range(start, start + count):
        g = c.pool[i]
        if c.seen[g] & 3 == 3:
            c.pool[top + size] = c.face[g, WITHIN]
            size += 1
            continue
        if c.n[ZEROS] == 0:
            continue
        for w in range(c.face[g, START], c.face[g, START] + c.face[g, COUNT]):
            e = c.pool[w]
            if k == 2:
                if c.vsign[e] == 0 and c.vmark[e] != mark:
                    c.vmark[e] = mark
                    c.pool[top + size] = e
                    size += 1
            elif c.seen[e] & 3 == 0 and c.face[e, MARKED] != mark:
                c.face[e, MARKED] = mark
                c.pool[top + size] = e
                size += 1
    return size


@kernel
def _halves(c: Complex, start: int, count: int, zero: int) -> int:
    """Write the facets of both halves behind the pool's end, each with the common facet `zero`;
    returns the first's length.
    """
    top, first = c.n[POOL], 0
    for i in range(start, start + count):
        g = c.pool[i]
        if c.seen[g] & PLUS:
            c.pool[top + first] = c.face[g, ABOVE] if c.seen[g] & 3 == 3 else g
            first += 1
    c.pool[top + first] = zero
    first += 1
    second = 0
    for i in range(start, start + count):
        g = c.pool[i]
        if c.seen[g] & MINUS:
            c.pool[top + first + second] = c.face[g, BELOW] if c.seen[g] & 3 == 3 else g
            second += 1
    c.pool[top + first + second] = zero
    c.n[POOL] = top + first + second + 1
    return first


@kernel
def _split_face(c: Complex, f: int, k: int) -> bool:
    d = c.p.shape[1]
    start, count = c.face[f, START], c.face[f, COUNT]
    top = c.n[POOL]
    size = _section(c, k, start, count, top)
    c.n[POOL] = top + size
    zero = _new_face(c, k - 1, c.face[f, PLANE:], d - k)
    c.face[zero, PLANE + d - k] = c.face[f, BY]
    c.face[zero, START], c.face[zero, COUNT] = top, size
    other = _new_face(c, k, c.face[f, PLANE:], d - k)
    top = c.n[POOL]
    first = _halves(c, start, count, zero)
    c.face[f, START], c.face[f, COUNT] = top, first
    c.face[other, START], c.face[other, COUNT] = top + first, c.n[POOL] - top - first
    c.face[f, ABOVE], c.face[f, BELOW], c.face[f, WITHIN] = f, other, zero
    return k > 2 or size == 2


@kernel
def _corners_of(c: Complex, f: int, mark: int, top: int) -> int:
    """Write the vertices of face f to the pool from `top`; returns how many. (No recursion: cached,
    it would crash.)
    """
    size, height = 0, 1
    c.stack[0] = f
    while height > 0:
        height -= 1
        g = c.stack[height]
        edge = c.face[g, DIM] == 1
        for i in range(c.face[g, START], c.face[g, START] + c.face[g, COUNT]):
            e = c.pool[i]
            if edge:
                if c.vmark[e] != mark:
                    c.vmark[e] = mark
                    c.pool[top + size] = e
                    size += 1
            elif c.face[e, MARKED] != mark:
                c.face[e, MARKED] = mark
                c.stack[height] = e
                height += 1
    return size


@kernel
def _split_cell(c: Complex, layer: Layer, cell: int) -> bool:
    """Cut a cell in two: the half where the neuron is on keeps its number."""
    d, h = c.p.shape[1], c.pool[c.kstart[cell]]
    start, count, healthy = c.cstart[cell], c.ccount[cell], True
    other = c.n[CELLS]
    c.n[CELLS] = other + 1
    c.cbase[other] = c.cbase[cell]
    for i in range(c.code.shape[1]):
        c.code[other, i] = c.code[cell, i]
    _set_bit(c, cell, layer.bit0[0] + c.hinge[h])
    if d == 1:
        a, b = c.pool[start], c.pool[start + 1]
        plus, minus = (a, b) if c.vsign[a] == 1 else (b, a)
        x = _new_vertex(c, c.face[0, PLANE:], 0, h)
        top = c.n[POOL]
        c.pool[top], c.pool[top + 1], c.pool[top + 2], c.pool[top + 3], c.pool[top + 4] = (
            plus,
            x,
            x,
            minus,
            x,
        )
        c.n[POOL] = top + 5
        c.cstart[cell], c.cstart[other], c.ccount[other] = top, top + 2, 2
        zero_start, zeros = top + 4, 1
    else:
        top = c.n[POOL]
        size = _section(c, d, start, count, top)
        c.n[POOL] = top + size
        zero = _new_face(c, d - 1, c.face[0, PLANE:], 0)
        c.face[zero, PLANE + 0] = h
        c.face[zero, START], c.face[zero, COUNT] = top, size
        healthy = d > 2 or size == 2
        top = c.n[POOL]
        first = _halves(c, start, count, zero)
        c.cstart[cell], c.ccount[cell] = top, first
        c.cstart[other], c.ccount[other] = top + first, c.n[POOL] - top - first
        c.n[MARK] += 1
        zero_start = c.n[POOL]
        zeros = _corners_of(c, zero, c.n[MARK], zero_start)
        c.n[POOL] += zeros
    _share_corners(c, cell, other, zero_start, zeros)
    _share_candidates(c, layer, cell, other)
    return healthy


@kernel
def _share_corners(c: Complex, cell: int, other: int, zero_start: int, zeros: int) -> None:
    start, count, top = c.vstart[cell], c.vcount[cell], c.n[POOL]
    size = 0
    for side in (1, -1):
        begin = top + size
        for i in range(start, start + count):
            v = c.pool[i]
            if c.vsign[v] == side:
                c.pool[top + size] = v
                size += 1
        for i in range(zeros):
            c.pool[top + size] = c.pool[zero_start + i]
            size += 1
        which = cell if side == 1 else other
        c.vstart[which], c.vcount[which] = begin, top + size - begin
    c.n[POOL] = top + size


@kernel
def _cell_flag(c: Complex, layer: Layer, cell: int, h: int) -> int:
    """The signs of h at the vertices of a cell, summed (1 positive, 2 negative, 4 unknown); stops
    at 3 or more.
    """
    flag = 0
    for i in range(c.vstart[cell], c.vstart[cell] + c.vcount[cell]):
        s = _sign(c, layer, c.pool[i], h)
        flag |= 1 if s == 1 else (2 if s == -1 else (4 if s == UNKNOWN else 0))
        if flag >= 3:
            break
    return flag


@kernel
def _share_candidates(c: Complex, layer: Layer, cell: int, other: int) -> None:
    """Give each half the remaining candidates that may cut it, and the bits of those that do
    not.
    """
    start, count, bit0 = c.kstart[cell] + 1, c.kcount[cell] - 1, layer.bit0[0]
    top = c.n[POOL]
    for which in (cell, other):
        begin = top
        for i in range(start, start + count):
            h = c.pool[i]
            flag = _cell_flag(c, layer, which, h)
            if flag >= 3:
                c.pool[top] = h
                top += 1
            elif flag == 1:
                _set_bit(c, which, bit0 + c.hinge[h])
        c.kstart[which], c.kcount[which] = begin, top - begin
    c.n[POOL] = top
    _push(c, layer, cell)
    _push(c, layer, other)


@kernel
def _advance(c: Complex, layer: Layer, cell: int) -> None:
    """A cell that the neuron does not cut: its bit, and its next candidate."""
    if c.cflag[cell] == PLUS:
        _set_bit(c, cell, layer.bit0[0] + c.hinge[c.pool[c.kstart[cell]]])
    c.kstart[cell] += 1
    c.kcount[cell] -= 1
    _push(c, layer, cell)


@kernel
def _cut_faces(c: Complex, layer: Layer, j: int) -> int:
    """Cut the faces of all cells in bucket j that hinge j cuts, edges first."""
    d = c.p.shape[1]
    c.n[STAMP] += 1
    c.n[ZEROS] = 0
    if _ask_signs(c, layer, j):
        return NEEDS_SIGNS
    top = _reach(c, layer, j, c.levels)
    if layer.alarm[0] != 0:
        return LATE
    _classify(c, c.levels, top)
    free = c.n[FREE_FACES] + 8
    room = c.n[FACES] + free <= c.face.shape[0] and c.n[VERTICES] + free <= c.p.shape[0]
    if not (
        room
        and c.n[CELLS] + free <= c.cstart.shape[0]
        and c.n[POOL] + c.n[FREE_POOL] <= c.pool.shape[0]
    ):
        return NEEDS_SPACE
    end, healthy = top, True
    for k in range(1, d):
        for w in range(c.levels[k], end):
            f = c.work[w]
            if layer.alarm[0] != 0:
                return LATE
            if c.seen[f] & 3 == 3:
                if k == 1:
                    _split_edge(c, f)
                else:
                    healthy &= _split_face(c, f, k)
        end = c.levels[k]
    return DONE if healthy else BROKEN


@kernel
def _cut_cells(c: Complex, layer: Layer, j: int) -> int:
    """Empty bucket j, its faces being cut: split every cell that has both signs, and pass on the
    others.
    """
    while layer.head[j] >= 0:
        if layer.alarm[0] != 0:
            return LATE
        cell = np.int64(layer.head[j])
        corners = np.int64(c.vcount[cell])
        space = (
            5 * np.int64(c.ccount[cell])
            + 5 * corners
            + 2 * corners * corners
            + 2 * np.int64(c.kcount[cell])
            + 8
        )
        if c.n[POOL] + space > c.pool.shape[0]:
            c.n[FREE_POOL] = space
            return NEEDS_SPACE
        layer.head[j] = c.clink[cell]
        if c.cflag[cell] == 3:
            if not _split_cell(c, layer, cell):
                return BROKEN
        else:
            _advance(c, layer, cell)
    return DONE


@kernel
def split(c: Complex, layer: Layer, stop: int) -> int:
    """Cut the complex by the hinges n[NEURON], n[NEURON] + 1, ..., stop - 1 of the layer; returns
    why it stopped.

    NEEDS_SIGNS: `asked` lists what to settle. NEEDS_SPACE: n[FREE_FACES] more vertices, faces and
    cells and n[FREE_POOL] more entries of the pool are wanted. BROKEN: the faces do not fit
    together, which no exact signs can cause. LATE: the alarm was set; the vertices of every cell
    are listed still, but nothing can be cut any more.
    """
    while c.n[NEURON] < stop:
        j = c.n[NEURON]
        if c.n[HALFWAY] == 0 and layer.head[j] >= 0:
            why = _cut_faces(c, layer, j)
            if why != DONE:
                return why
            c.n[HALFWAY] = 1
        why = _cut_cells(c, layer, j)
        if why != DONE:
            return why
        c.n[HALFWAY] = 0
        c.n[NEURON] = j + 1
    return DONE


@kernel
def middles(c: Complex, first: int, far: float, out: Array) -> None:
    """Write the means of the vertices of cells `first`, `first + 1`, ... to the rows of `out`, with
    K = `far`.
    """
    d = c.p.shape[1]
    for row in range(out.shape[0]):
        cell = first + row
        for j in range(d):
            total = 0.0
            for i in range(c.vstart[cell], c.vstart[cell] + c.vcount[cell]):
                total += c.p[c.pool[i], j]
                if c.q.shape[0] > 1:
                    total += far * c.q[c.pool[i], j]
            out[row, j] = total / c.vcount[cell]


@numba.njit(cache=True)
def reached(c: Complex, faces: Array, vertices: Array) -> None:
    """Mark every face and vertex of the cells."""
    d = c.p.shape[1]
    stack = np.empty(c.n[FACES] + 1, np.int32)
    for cell in range(c.n[CELLS]):
        top = 0
        for i in range(c.cstart[cell], c.cstart[cell] + c.ccount[cell]):
            g = c.pool[i]
            if d == 1:
                vertices[g] = True
            elif not faces[g]:
                faces[g] = True
                stack[top] = g
                top += 1
        while top > 0:
            top -= 1
            f = stack[top]
            for i in range(c.face[f, START], c.face[f, START] + c.face[f, COUNT]):
                g = c.pool[i]
                if c.face[f, DIM] == 1:
                    vertices[g] = True
                elif not faces[g]:
                    faces[g] = True
                    stack[top] = g
                    top += 1


@numba.njit(cache=True)
def gathered(
    pool: Array, starts: Array, counts: Array, ids: Array, numbers: Array
) -> tuple[Array, Array]:
    """The lists of the items `ids` as CSR, with members renumbered."""
    indptr = np.zeros(ids.shape[0] + 1, np.int64)
    for i in range(ids.shape[0]):
        indptr[i + 1] = indptr[i] + counts[ids[i]]
    members = np.empty(indptr[-1], np.int64)
    for i in range(ids.shape[0]):
        start = starts[ids[i]]
        for k in range(indptr[i + 1] - indptr[i]):
            members[indptr[i] + k] = numbers[pool[start + k]]
    return indptr, members


@numba.njit(cache=True)
def paired(starts: Array, members: Array, faces: int) -> Array:
    """The pairs of rows of a CSR table that share a member, each once, by member."""
    first = np.full(faces, -1, np.int64)
    count = 0
    pairs = np.empty((members.shape[0] // 2 + 1, 2), np.int64)
    for row in range(starts.shape[0] - 1):
        for i in range(starts[row], starts[row + 1]):
            f = members[i]
            if first[f] < 0:
                first[f] = row
            else:
                pairs[count, 0], pairs[count, 1] = first[f], row
                count += 1
    return pairs[:count]
