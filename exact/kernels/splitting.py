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
part = numba.njit(  # type: ignore[call-overload]
    nogil=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Vertices(NamedTuple):
    """Vertices as points `finite + K infinite` within the errors; in a bounded domain the arrays of
    the infinite parts have one row, which nobody reads.
    """

    finite: Array  # float64 (vertices x d)
    infinite: Array  # float64 (vertices x d)
    finite_error: Array  # float64: a bound on the 2-norm of the error
    infinite_error: Array
    planes: Array  # int32 (vertices x d): the hyperplanes that define each
    sign: Array  # int8: that of the current neuron, where `stamp` is the current one
    stamp: Array  # int32
    mark: Array  # int32: the last list that took it in


class Faces(NamedTuple):
    """Faces of dimension 1 .. d - 1."""

    # int32 (faces x columns): all of a face, as a rule one line of the cache: the columns DIM ..
    # WITHIN, then its d - k hyperplanes
    rows: Array
    # int32: the neuron that last reached a face, times 4, and the signs of its vertices (PLUS,
    # MINUS); apart from the rows, since it is read most
    seen: Array
    work: Array  # int32: the faces that the current neuron reaches, by falling dimension
    stack: Array  # int32: scratch


class Cells(NamedTuple):
    """Cells, each with three lists in the pool: facets (of an interval its two ends), corners,
    and candidates, the hyperplanes that may cut it, by neuron.
    """

    facet_start: Array  # int64: where its facets begin
    facet_count: Array  # int32
    corner_start: Array  # int64
    corner_count: Array  # int32
    candidate_start: Array  # int64
    candidate_count: Array  # int32
    base: Array  # int32: the cell of the start of the layer that it is a part of
    link: Array  # int32: the next cell in its bucket, -1 at the end
    code: Array  # uint8 (cells x bytes)
    flag: Array  # int8: the signs of the current neuron on it (PLUS, MINUS)


class Planes(NamedTuple):
    """Hyperplanes `a . x + b + K c = 0` in float64, with what the floats may be off."""

    rows: Array  # float64 (planes x (d + 2)): a, b, c
    normal_error: Array  # float64: a bound on the 2-norm of the error of a
    offset_error: Array  # float64: a bound on the error of b
    normal_size: Array  # float64: a bound on |a|
    hinge: Array  # int32: the hinge of the layer that it is a form of, -1 for walls


class Complex(NamedTuple):
    """The arrays of the complex; `n` holds how much of them is in use."""

    n: Array  # int64 counters
    vertices: Vertices
    faces: Faces
    cells: Cells
    planes: Planes
    pool: Array  # int32: the members of all lists
    scratch: Array  # float64 (4 x d x d)
    levels: Array  # int64 (d + 1): where each dimension begins in `faces.work`


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
    d = c.vertices.finite.shape[1]
    plane, p = c.planes.rows, c.vertices.finite
    gamma = (d + 3) * _U * _UP
    # K grows without bound: the part of K decides unless it is exactly zero, which only zeros
    # without errors are
    if c.vertices.infinite.shape[0] > 1:
        value, size, norm, bits = 0.0, 0.0, 0.0, 0.0
        for i in range(d):
            t = plane[h, i] * c.vertices.infinite[v, i]
            value += t
            size += abs(t)
            norm += c.vertices.infinite[v, i] * c.vertices.infinite[v, i]
            bits += abs(c.vertices.infinite[v, i])
        value += plane[h, d + 1]
        size += abs(plane[h, d + 1])
        if bits > 0.0 or c.vertices.infinite_error[v] > 0.0 or plane[h, d + 1] != 0.0:
            err = (
                c.planes.normal_size[h] * c.vertices.infinite_error[v]
                + c.planes.normal_error[h] * (np.sqrt(norm) + c.vertices.infinite_error[v] + _LEAST)
                + gamma * size
            ) * _UP + _TINY
            if abs(value) > err:
                return 1 if value > 0 else -1
            if not (value == 0.0 and err <= _TINY):
                return UNKNOWN
    # the finite part: |error| <= |a| |dx| + |da| (|x| + |dx|) + |db| + rounding of d + 1 terms
    value, size, norm = plane[h, d], abs(plane[h, d]), 0.0
    for i in range(d):
        t = plane[h, i] * p[v, i]
        value += t
        size += abs(t)
        norm += p[v, i] * p[v, i]
    err = (
        c.planes.normal_size[h] * c.vertices.finite_error[v]
        + c.planes.normal_error[h] * (np.sqrt(norm) + c.vertices.finite_error[v] + _LEAST)
        + c.planes.offset_error[h]
        + gamma * size
    ) * _UP + _TINY
    if abs(value) > err:
        return 1 if value > 0 else -1
    return UNKNOWN


@part
def _slot(keys: Array, key: int) -> int:
    """The slot of a key in an open-addressed table, or of the gap where it belongs."""
    mask = keys.shape[0] - 1
    slot = (np.int64(key) * 2654435761) & mask
    while keys[slot] != -1 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kernel
def _sign(c: Complex, layer: Layer, v: int, h: int) -> int:
    """The sign of hyperplane h at vertex v: that of the layer, a settled one, or by floats."""
    j = c.planes.hinge[h]
    # vertices that stood before the layer have all its signs (vertices x hinges) already
    if v < layer.signs.shape[0]:
        s = layer.signs[v, j]
        if s != UNKNOWN:
            return s
    # a key is (vertex, hinge) as one number
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
        slot = _slot(layer.keys, np.int64(v) * hinges + c.planes.hinge[h])
        if layer.keys[slot] == -1:
            c.n[KNOWN] += 1
        layer.keys[slot] = np.int64(v) * hinges + c.planes.hinge[h]
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


@part
def _push(c: Complex, layer: Layer, cell: int) -> None:
    """Put a cell into the bucket of its first candidate."""
    if c.cells.candidate_count[cell] > 0:
        j = c.planes.hinge[c.pool[c.cells.candidate_start[cell]]]
        c.cells.link[cell] = layer.head[j]
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


@part
def _flags(c: Complex, signs: Array, cell: int, flags: Array) -> None:
    """For every hinge: 1 if positive at some vertex of the cell, 2 if negative, 4 if unknown,
    summed.
    """
    m = flags.shape[0]
    flags[:] = 0
    for i in range(
        c.cells.corner_start[cell], c.cells.corner_start[cell] + c.cells.corner_count[cell]
    ):
        row = signs[c.pool[i]]
        for j in range(m):
            s = row[j]
            flags[j] |= (s == 1) | ((s == -1) << 1) | ((s == 2) << 2)


@part
def _set_bit(c: Complex, cell: int, bit: int) -> None:
    """Set a bit of the cell's packed code, the first hinge in the highest bit of the first byte."""
    c.cells.code[cell, bit >> 3] |= np.uint8(128 >> (bit & 7))


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
        c.cells.candidate_start[cell], c.cells.base[cell] = top, cell
        # one sign on all corners: the hinge does not cut the cell, and its bit is known
        for j in range(m):
            if flags[j] >= 3:
                c.pool[top] = plane + count
                c.planes.hinge[plane + count] = j
                cells[count], hinges[count] = cell, j
                top += 1
                count += 1
            elif flags[j] == 1:
                _set_bit(c, cell, bit0 + j)
        c.cells.candidate_count[cell] = top - c.cells.candidate_start[cell]
    c.n[POOL] = top
    c.n[PLANES] = plane + count
    # buckets are linked lists; pushed from the last cell on, each begins with its lowest
    layer.head[:] = -1
    for cell in range(c.n[CELLS] - 1, -1, -1):
        _push(c, layer, cell)


@kernel
def refill(c: Complex, layer: Layer) -> None:
    """Put all cells into the bucket of their first candidate, after some were dropped."""
    for cell in range(c.n[CELLS] - 1, -1, -1):
        _push(c, layer, cell)


@part
def _invert(a: Array, inverse: Array) -> bool:
    """Gauss-Jordan with row pivoting on a d x d matrix (destroyed); False when a pivot vanishes."""
    d = a.shape[0]
    for i in range(d):
        for j in range(d):
            inverse[i, j] = 1.0 if i == j else 0.0
    # columns before k of `a` are those of the identity, and inverse x (the first a) = a
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
    d = c.vertices.finite.shape[1]
    a, inverse, columns = c.scratch[0], c.scratch[1], c.scratch[2, 0]
    # A*: the normals of the d hyperplanes through the vertex, one a row
    for i in range(d):
        h = c.vertices.planes[v, i]
        for j in range(d):
            a[i, j] = c.planes.rows[h, j]
    good = _invert(a, inverse)
    # columns[i] bounds |R e_i|; spread bounds |R| times the errors of the rows and their products
    gap, spread = 0.0, 0.0
    for i in range(d):
        columns[i] = 0.0
        for j in range(d):
            columns[i] += inverse[j, i] * inverse[j, i]
        columns[i] = np.sqrt(columns[i]) * _UP
        h = c.vertices.planes[v, i]
        spread += columns[i] * (c.planes.normal_error[h] + (d + 2) * _U * c.planes.normal_size[h])
    for i in range(d):
        for j in range(d):
            t = 1.0 if i == j else 0.0
            for k in range(d):
                t -= inverse[i, k] * c.planes.rows[c.vertices.planes[v, k], j]
            gap += t * t
    # |I - R A*|, first for the rows as floats, then with their errors
    gap = (np.sqrt(gap) + spread) * _UP
    # no bound: the vertex is anywhere, and every sign at it is asked of exact arithmetic
    if not good or not gap < 0.5:
        c.vertices.finite_error[v] = np.inf
        c.vertices.finite[v, :] = 0.0
        if c.vertices.infinite.shape[0] > 1:
            c.vertices.infinite_error[v] = np.inf
            c.vertices.infinite[v, :] = 0.0
        return
    c.vertices.finite_error[v] = _solve(c, v, inverse, columns, gap, d, c.vertices.finite)
    # the direction in which the vertex goes with K: zero where no hyperplane moves
    if c.vertices.infinite.shape[0] > 1:
        some = False
        for i in range(d):
            some |= c.planes.rows[c.vertices.planes[v, i], d + 1] != 0.0
        c.vertices.infinite[v, :] = 0.0
        c.vertices.infinite_error[v] = (
            _solve(c, v, inverse, columns, gap, d + 1, c.vertices.infinite) if some else 0.0
        )


@kernel
def _solve(
    c: Complex, v: int, inverse: Array, columns: Array, gap: float, side: int, x: Array
) -> float:
    """x[v] = -inverse @ plane[:, side], refined once; returns the bound on its error."""
    d = c.vertices.finite.shape[1]
    rest = c.scratch[3, 0]
    for i in range(d):
        rest[i] = c.planes.rows[c.vertices.planes[v, i], side]
        x[v, i] = 0.0
    # x -= R (A x + b), twice: the second pass takes off what the first one left
    for _ in range(2):
        for i in range(d):
            for j in range(d):
                x[v, i] -= inverse[i, j] * rest[j]
        for i in range(d):
            h = c.vertices.planes[v, i]
            rest[i] = c.planes.rows[h, side]
            for j in range(d):
                rest[i] += c.planes.rows[h, j] * x[v, j]
    # |R (A* x + b*)| <= sum over rows of |R e_i| (residual + its rounding + errors of the row)
    norm = 0.0
    for i in range(d):
        norm += x[v, i] * x[v, i]
    norm = np.sqrt(norm) * _UP + _LEAST
    total = 0.0
    for i in range(d):
        h = c.vertices.planes[v, i]
        size = abs(c.planes.rows[h, side])
        for j in range(d):
            size += abs(c.planes.rows[h, j] * x[v, j])
        offset = c.planes.offset_error[h] if side == d else 0.0
        total += columns[i] * (
            abs(rest[i]) + (d + 3) * _U * size + c.planes.normal_error[h] * norm + offset + _TINY
        )
    return total / (1.0 - gap) * _UP + _TINY


@part
def _ask_signs(c: Complex, layer: Layer, j: int) -> bool:
    """Sign every vertex of the cells in bucket j; True when some sign is unknown."""
    stamp = c.n[STAMP]
    cell = np.int64(layer.head[j])
    while cell >= 0 and layer.alarm[0] == 0:
        h = c.pool[c.cells.candidate_start[cell]]
        flag = 0
        for i in range(
            c.cells.corner_start[cell], c.cells.corner_start[cell] + c.cells.corner_count[cell]
        ):
            v = c.pool[i]
            # a vertex of several cells is signed once; ZEROS counts those on the hyperplane
            if c.vertices.stamp[v] != stamp:
                c.vertices.stamp[v] = stamp
                c.vertices.sign[v] = _sign(c, layer, v, h)
                if c.vertices.sign[v] == UNKNOWN:
                    k = c.n[ASKED]
                    if k < layer.asked.shape[0]:
                        layer.asked[k, 0], layer.asked[k, 1] = v, h
                        c.n[ASKED] = k + 1
                c.n[ZEROS] += c.vertices.sign[v] == 0
            s = c.vertices.sign[v]
            if s == 1:
                flag |= PLUS
            elif s == -1:
                flag |= MINUS
        c.cells.flag[cell] = flag
        cell = np.int64(c.cells.link[cell])
    return c.n[ASKED] > 0


@part
def _reach(c: Complex, layer: Layer, j: int, levels: Array) -> int:
    """List in `work` all faces of the cut cells by falling dimension, and bound the space that
    cutting them takes.
    """
    d, stamp, top, cuts = c.vertices.finite.shape[1], c.n[STAMP], 0, 0
    cell = np.int64(layer.head[j])
    while cell >= 0 and layer.alarm[0] == 0:
        if c.cells.flag[cell] == 3:
            h = c.pool[c.cells.candidate_start[cell]]
            cuts += 1
            # facets of cut cells first: `work` is ordered by falling dimension, each face once
            if d > 1:
                for i in range(
                    c.cells.facet_start[cell], c.cells.facet_start[cell] + c.cells.facet_count[cell]
                ):
                    f = c.pool[i]
                    if c.faces.seen[f] >> 2 != stamp:
                        c.faces.seen[f] = stamp << 2
                        c.faces.rows[f, BY] = h
                        c.faces.work[top] = f
                        top += 1
        cell = np.int64(c.cells.link[cell])
    levels[d - 1 if d > 1 else 0] = 0
    begin = 0
    # work[begin:end] are the faces of dimension k; behind them come their facets
    for k in range(d - 1, 1, -1):
        end = top
        for w in range(begin, end):
            if layer.alarm[0] != 0:
                break
            f = c.faces.work[w]
            for i in range(c.faces.rows[f, START], c.faces.rows[f, START] + c.faces.rows[f, COUNT]):
                g = c.pool[i]
                if c.faces.seen[g] >> 2 != stamp:
                    c.faces.seen[g] = stamp << 2
                    c.faces.rows[g, BY] = c.faces.rows[f, BY]
                    c.faces.work[top] = g
                    top += 1
        begin = end
        levels[k - 1] = begin
    c.n[FREE_FACES] = cuts
    c.n[FREE_POOL] = 0
    return top


@part
def _classify(c: Complex, levels: Array, top: int) -> None:
    """Flag every face of `work` by the signs of its vertices, edges first, and add up the space
    that the cuts take.
    """
    d, end, faces, space = c.vertices.finite.shape[1], top, 0, 0
    # faces of dimension k - 1 have their flags: a face has the signs of its facets
    for k in range(1, d):
        for w in range(levels[k], end):
            f = c.faces.work[w]
            flag = 0
            for i in range(c.faces.rows[f, START], c.faces.rows[f, START] + c.faces.rows[f, COUNT]):
                g = c.pool[i]
                if k == 1:
                    s = c.vertices.sign[g]
                    flag |= PLUS if s == 1 else (MINUS if s == -1 else 0)
                else:
                    flag |= c.faces.seen[g] & 3
            c.faces.seen[f] |= flag
            # a cut face leaves a second half and a meet, and writes three lists
            if flag == 3:
                faces += 2
                space += 5 * c.faces.rows[f, COUNT] + 8
        end = levels[k]
    c.n[FREE_FACES] += faces
    c.n[FREE_POOL] += space


@part
def _new_vertex(c: Complex, planes: Array, count: int, h: int) -> int:
    """The vertex where `count` = d - 1 hyperplanes meet hyperplane h; its sign is 0."""
    v = c.n[VERTICES]
    c.n[VERTICES] = v + 1
    for i in range(count):
        c.vertices.planes[v, i] = planes[i]
    c.vertices.planes[v, count] = h
    c.vertices.stamp[v] = c.n[STAMP]
    c.vertices.sign[v] = 0
    c.vertices.mark[v] = 0
    place(c, v)
    return v


@part
def _new_face(c: Complex, dim: int, planes: Array, count: int) -> int:
    """A face that `count` hyperplanes hold, without a list yet."""
    f = c.n[FACES]
    c.n[FACES] = f + 1
    c.faces.rows[f, DIM] = dim
    c.faces.seen[f], c.faces.rows[f, MARKED] = 0, 0
    for i in range(count):
        c.faces.rows[f, PLANE + i] = planes[i]
    return f


@part
def _split_edge(c: Complex, e: int) -> None:
    """Cut edge e at a new vertex: e keeps the half on the positive side."""
    d = c.vertices.finite.shape[1]
    start = c.faces.rows[e, START]
    a, b = c.pool[start], c.pool[start + 1]
    plus, minus = (a, b) if c.vertices.sign[a] == 1 else (b, a)
    x = _new_vertex(c, c.faces.rows[e, PLANE:], d - 1, c.faces.rows[e, BY])
    other = _new_face(c, 1, c.faces.rows[e, PLANE:], d - 1)
    top = c.n[POOL]
    c.pool[top], c.pool[top + 1], c.pool[top + 2], c.pool[top + 3] = plus, x, x, minus
    c.faces.rows[e, START], c.faces.rows[other, START] = top, top + 2
    c.faces.rows[other, COUNT] = 2
    c.n[POOL] = top + 4
    # who lists e finds here what stands for it: its halves, and the meet
    c.faces.rows[e, ABOVE], c.faces.rows[e, BELOW], c.faces.rows[e, WITHIN] = e, other, x


@part
def _section(c: Complex, k: int, start: int, count: int, top: int) -> int:
    """Write the list of the meet of a k-face, given by its facets, with the hyperplane; returns its
    length.
    """
    c.n[MARK] += 1
    mark, size = c.n[MARK], 0
    for i in range(start, start + count):
        g = c.pool[i]
        # facets that are cut meet the hyperplane in what cutting them made
        if c.faces.seen[g] & 3 == 3:
            c.pool[top + size] = c.faces.rows[g, WITHIN]
            size += 1
            continue
        if c.n[ZEROS] == 0:
            continue
        # others meet it at most in a face of theirs that lies in it: all its signs are zero
        for w in range(c.faces.rows[g, START], c.faces.rows[g, START] + c.faces.rows[g, COUNT]):
            e = c.pool[w]
            if k == 2:
                if c.vertices.sign[e] == 0 and c.vertices.mark[e] != mark:
                    c.vertices.mark[e] = mark
                    c.pool[top + size] = e
                    size += 1
            elif c.faces.seen[e] & 3 == 0 and c.faces.rows[e, MARKED] != mark:
                c.faces.rows[e, MARKED] = mark
                c.pool[top + size] = e
                size += 1
    return size


@part
def _halves(c: Complex, start: int, count: int, zero: int) -> int:
    """Write the facets of both halves behind the pool's end, each with the common facet `zero`;
    returns the first's length.
    """
    top, first = c.n[POOL], 0
    # facets on the positive side, then on the negative: cut ones go to both, by halves
    for i in range(start, start + count):
        g = c.pool[i]
        if c.faces.seen[g] & PLUS:
            c.pool[top + first] = c.faces.rows[g, ABOVE] if c.faces.seen[g] & 3 == 3 else g
            first += 1
    c.pool[top + first] = zero
    first += 1
    second = 0
    for i in range(start, start + count):
        g = c.pool[i]
        if c.faces.seen[g] & MINUS:
            c.pool[top + first + second] = c.faces.rows[g, BELOW] if c.faces.seen[g] & 3 == 3 else g
            second += 1
    c.pool[top + first + second] = zero
    c.n[POOL] = top + first + second + 1
    return first


@part
def _split_face(c: Complex, f: int, k: int) -> bool:
    """Cut a k-face whose facets are cut already; f keeps the half on the positive side.

    False when the meet of a polygon is no edge, which no exact signs can cause.
    """
    d = c.vertices.finite.shape[1]
    start, count = c.faces.rows[f, START], c.faces.rows[f, COUNT]
    top = c.n[POOL]
    size = _section(c, k, start, count, top)
    c.n[POOL] = top + size
    # the meet: one more hyperplane holds it, its list is that of the section
    zero = _new_face(c, k - 1, c.faces.rows[f, PLANE:], d - k)
    c.faces.rows[zero, PLANE + d - k] = c.faces.rows[f, BY]
    c.faces.rows[zero, START], c.faces.rows[zero, COUNT] = top, size
    # the halves: the same hyperplanes hold both
    other = _new_face(c, k, c.faces.rows[f, PLANE:], d - k)
    top = c.n[POOL]
    first = _halves(c, start, count, zero)
    c.faces.rows[f, START], c.faces.rows[f, COUNT] = top, first
    c.faces.rows[other, START], c.faces.rows[other, COUNT] = top + first, c.n[POOL] - top - first
    c.faces.rows[f, ABOVE], c.faces.rows[f, BELOW], c.faces.rows[f, WITHIN] = f, other, zero
    return k > 2 or size == 2


@part
def _corners_of(c: Complex, f: int, mark: int, top: int) -> int:
    """Write the vertices of face f to the pool from `top`; returns how many. (No recursion: cached,
    it would crash.)
    """
    size, height = 0, 1
    c.faces.stack[0] = f
    while height > 0:
        height -= 1
        g = c.faces.stack[height]
        edge = c.faces.rows[g, DIM] == 1
        for i in range(c.faces.rows[g, START], c.faces.rows[g, START] + c.faces.rows[g, COUNT]):
            e = c.pool[i]
            if edge:
                if c.vertices.mark[e] != mark:
                    c.vertices.mark[e] = mark
                    c.pool[top + size] = e
                    size += 1
            elif c.faces.rows[e, MARKED] != mark:
                c.faces.rows[e, MARKED] = mark
                c.faces.stack[height] = e
                height += 1
    return size


@part
def _split_cell(c: Complex, layer: Layer, cell: int) -> bool:
    """Cut a cell in two: the half where the neuron is on keeps its number."""
    d, h = c.vertices.finite.shape[1], c.pool[c.cells.candidate_start[cell]]
    start, count, healthy = c.cells.facet_start[cell], c.cells.facet_count[cell], True
    other = c.n[CELLS]
    c.n[CELLS] = other + 1
    c.cells.base[other] = c.cells.base[cell]
    for i in range(c.cells.code.shape[1]):
        c.cells.code[other, i] = c.cells.code[cell, i]
    _set_bit(c, cell, layer.bit0[0] + c.planes.hinge[h])
    # an interval: its facets are two vertices, and the meet is the new one
    if d == 1:
        a, b = c.pool[start], c.pool[start + 1]
        plus, minus = (a, b) if c.vertices.sign[a] == 1 else (b, a)
        x = _new_vertex(c, c.faces.rows[0, PLANE:], 0, h)
        top = c.n[POOL]
        c.pool[top], c.pool[top + 1], c.pool[top + 2], c.pool[top + 3], c.pool[top + 4] = (
            plus,
            x,
            x,
            minus,
            x,
        )
        c.n[POOL] = top + 5
        c.cells.facet_start[cell], c.cells.facet_start[other], c.cells.facet_count[other] = (
            top,
            top + 2,
            2,
        )
        zero_start, zeros = top + 4, 1
    # the meet is a facet of both halves, held by the hinge's hyperplane alone
    else:
        top = c.n[POOL]
        size = _section(c, d, start, count, top)
        c.n[POOL] = top + size
        zero = _new_face(c, d - 1, c.faces.rows[0, PLANE:], 0)
        c.faces.rows[zero, PLANE + 0] = h
        c.faces.rows[zero, START], c.faces.rows[zero, COUNT] = top, size
        healthy = d > 2 or size == 2
        top = c.n[POOL]
        first = _halves(c, start, count, zero)
        c.cells.facet_start[cell], c.cells.facet_count[cell] = top, first
        c.cells.facet_start[other], c.cells.facet_count[other] = (
            top + first,
            c.n[POOL] - top - first,
        )
        c.n[MARK] += 1
        zero_start = c.n[POOL]
        zeros = _corners_of(c, zero, c.n[MARK], zero_start)
        c.n[POOL] += zeros
    _share_corners(c, cell, other, zero_start, zeros)
    _share_candidates(c, layer, cell, other)
    return healthy


@part
def _share_corners(c: Complex, cell: int, other: int, zero_start: int, zeros: int) -> None:
    """Write the corners of both halves: those on its side, and those of the meet (`zeros` entries
    of the pool from `zero_start` on), among them all old ones with sign 0.
    """
    start, count, top = c.cells.corner_start[cell], c.cells.corner_count[cell], c.n[POOL]
    size = 0
    for side in (1, -1):
        begin = top + size
        for i in range(start, start + count):
            v = c.pool[i]
            if c.vertices.sign[v] == side:
                c.pool[top + size] = v
                size += 1
        for i in range(zeros):
            c.pool[top + size] = c.pool[zero_start + i]
            size += 1
        which = cell if side == 1 else other
        c.cells.corner_start[which], c.cells.corner_count[which] = begin, top + size - begin
    c.n[POOL] = top + size


@part
def _cell_flag(c: Complex, layer: Layer, cell: int, h: int) -> int:
    """The signs of h at the vertices of a cell, summed (1 positive, 2 negative, 4 unknown); stops
    at 3 or more.
    """
    flag = 0
    for i in range(
        c.cells.corner_start[cell], c.cells.corner_start[cell] + c.cells.corner_count[cell]
    ):
        s = _sign(c, layer, c.pool[i], h)
        flag |= 1 if s == 1 else (2 if s == -1 else (4 if s == UNKNOWN else 0))
        if flag >= 3:
            break
    return flag


@part
def _share_candidates(c: Complex, layer: Layer, cell: int, other: int) -> None:
    """Give each half the remaining candidates that may cut it, and the bits of those that do
    not.
    """
    start, count, bit0 = (
        c.cells.candidate_start[cell] + 1,
        c.cells.candidate_count[cell] - 1,
        layer.bit0[0],
    )
    top = c.n[POOL]
    # what does not cut the whole cuts no half: only its candidates are looked at, the first being
    # done
    for which in (cell, other):
        begin = top
        for i in range(start, start + count):
            h = c.pool[i]
            flag = _cell_flag(c, layer, which, h)
            if flag >= 3:
                c.pool[top] = h
                top += 1
            elif flag == 1:
                _set_bit(c, which, bit0 + c.planes.hinge[h])
        c.cells.candidate_start[which], c.cells.candidate_count[which] = begin, top - begin
    c.n[POOL] = top
    _push(c, layer, cell)
    _push(c, layer, other)


@part
def _advance(c: Complex, layer: Layer, cell: int) -> None:
    """A cell that the neuron does not cut: its bit, and its next candidate."""
    if c.cells.flag[cell] == PLUS:
        _set_bit(c, cell, layer.bit0[0] + c.planes.hinge[c.pool[c.cells.candidate_start[cell]]])
    c.cells.candidate_start[cell] += 1
    c.cells.candidate_count[cell] -= 1
    _push(c, layer, cell)


@part
def _cut_faces(c: Complex, layer: Layer, j: int) -> int:
    """Cut the faces of all cells in bucket j that hinge j cuts, edges first."""
    d = c.vertices.finite.shape[1]
    c.n[STAMP] += 1
    c.n[ZEROS] = 0
    # no face is cut before all signs are known and the room is there: until then a call begins
    # again
    if _ask_signs(c, layer, j):
        return NEEDS_SIGNS
    top = _reach(c, layer, j, c.levels)
    if layer.alarm[0] != 0:
        return LATE
    _classify(c, c.levels, top)
    free = c.n[FREE_FACES] + 8
    room = (
        c.n[FACES] + free <= c.faces.rows.shape[0]
        and c.n[VERTICES] + free <= c.vertices.finite.shape[0]
    )
    if not (
        room
        and c.n[CELLS] + free <= c.cells.facet_start.shape[0]
        and c.n[POOL] + c.n[FREE_POOL] <= c.pool.shape[0]
    ):
        return NEEDS_SPACE
    end, healthy = top, True
    # edges first: a face is cut when its facets are
    for k in range(1, d):
        for w in range(c.levels[k], end):
            f = c.faces.work[w]
            if layer.alarm[0] != 0:
                return LATE
            if c.faces.seen[f] & 3 == 3:
                if k == 1:
                    _split_edge(c, f)
                else:
                    healthy &= _split_face(c, f, k)
        end = c.levels[k]
    return DONE if healthy else BROKEN


@part
def _cut_cells(c: Complex, layer: Layer, j: int) -> int:
    """Empty bucket j, its faces being cut: split every cell that has both signs, and pass on the
    others.
    """
    while layer.head[j] >= 0:
        if layer.alarm[0] != 0:
            return LATE
        cell = np.int64(layer.head[j])
        # all that a split can write: lists of facets, corners and candidates of both halves
        corners = np.int64(c.cells.corner_count[cell])
        space = (
            5 * np.int64(c.cells.facet_count[cell])
            + 5 * corners
            + 2 * corners * corners
            + 2 * np.int64(c.cells.candidate_count[cell])
            + 8
        )
        if c.n[POOL] + space > c.pool.shape[0]:
            c.n[FREE_POOL] = space
            return NEEDS_SPACE
        layer.head[j] = c.cells.link[cell]
        if c.cells.flag[cell] == 3:
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
        # HALFWAY: the faces of this neuron are cut, its cells not yet all
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
    d = c.vertices.finite.shape[1]
    for row in range(out.shape[0]):
        cell = first + row
        for j in range(d):
            total = 0.0
            for i in range(
                c.cells.corner_start[cell], c.cells.corner_start[cell] + c.cells.corner_count[cell]
            ):
                total += c.vertices.finite[c.pool[i], j]
                if c.vertices.infinite.shape[0] > 1:
                    total += far * c.vertices.infinite[c.pool[i], j]
            out[row, j] = total / c.cells.corner_count[cell]


@numba.njit(cache=True, nogil=True)
def reached(c: Complex, faces: Array, vertices: Array) -> None:
    """Mark every face and vertex of the cells."""
    d = c.vertices.finite.shape[1]
    stack = np.empty(c.n[FACES] + 1, np.int32)
    for cell in range(c.n[CELLS]):
        top = 0
        for i in range(
            c.cells.facet_start[cell], c.cells.facet_start[cell] + c.cells.facet_count[cell]
        ):
            g = c.pool[i]
            if d == 1:
                vertices[g] = True
            elif not faces[g]:
                faces[g] = True
                stack[top] = g
                top += 1
        # depth first: a face enters the stack once, since it is marked before
        while top > 0:
            top -= 1
            f = stack[top]
            for i in range(c.faces.rows[f, START], c.faces.rows[f, START] + c.faces.rows[f, COUNT]):
                g = c.pool[i]
                if c.faces.rows[f, DIM] == 1:
                    vertices[g] = True
                elif not faces[g]:
                    faces[g] = True
                    stack[top] = g
                    top += 1


@numba.njit(cache=True, nogil=True)
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


@numba.njit(cache=True, nogil=True)
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
