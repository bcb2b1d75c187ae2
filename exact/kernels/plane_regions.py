"""Cut a polygon by all layers of a ReLU network in one call: loops over half-edges, compiled.

In front of a layer the polygon is cut into cells, convex polygons on which every pre-activation is
one affine form. The forms of a cell come from those of the layer before, as `W` times the rows of
the neurons that are on there. Their signs at the corners of the cell say which neurons cut it, and
each of these is walked along: from the side of the cell where it turns from on to off, through the
pieces that the neurons before it have left, to the side where it turns back. Every piece on the way
is cut in two by a chord. Cost: the pieces a line passes, whose sides are at most six times the
lines in the cell (zone theorem, Chazelle, Guibas and Lee 1985).

Nothing is rounded to a decision. Every sign is that of a float64 value beyond a proved bound on its
error; where one is not, the call ends with OPEN, and so it does at every zero, so that lines that
come to the end cross in general position: no three in a point, no corner on a line. Then each
vertex lies on two lines, each edge on one, and exactly one bit of the code flips across an edge.

Cells come out in canonical order, that of their codes: those in one cell of the layer before are
sorted by the bits of the layer, and their parents are in order already.

Half-edges are numbered in twins 2 e and 2 e + 1; each has its cell to the left.

Error bounds. The forms of a layer on a cell are within `linear` and `offset` of the exact ones, as
Frobenius norms over all neurons; row j of the next layer is then within `|w_j| (linear + g |A|)` in
its normal and `|w_j| (offset + g |b|) + g |bias_j|` in its constant, g = (n + 4) 2^-53 for n terms
(`exact.arithmetic.enclosures.roundoff`).

Longer than others: numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from math import frexp, ldexp
from typing import Any, NamedTuple

import numba
import numpy as np

DONE, OPEN, FULL, BROKEN = 0, 1, 2, 3
# counters
VERTICES, EDGES, LINES, CELLS, SIGNS = range(5)
COUNTERS = 5
# columns of a half-edge: where it starts, the next and the one before it around its cell, its cell
# (-1 outside)
ORIGIN, NEXT, BEFORE, CELL = range(4)
# columns of a line `a x + b y + c`: the row, bounds on the errors of the normal (2-norm) and of c,
# and on the length of the normal
ROW, NORMAL_ERROR, OFFSET_ERROR, SIZE = 0, 3, 4, 5
# columns of the bounds on the forms of a cell: on the errors of normals and constants, on their
# sizes (Frobenius norms)
LINEAR, OFFSET, NORMALS, CONSTANTS = range(4)
# bounds on a layer: on the Frobenius norm of the weights, on the length of the bias, and g
LENGTH, SHIFT, GAMMA = range(3)
PLUS, MINUS = 1, 2

_U = 2.0**-53
_UP = 1.0 + 2.0**-40
_TINY, _FLOOR = 2.0**-1000, 2.0**-400
_KEPT = 2**23  # float64 numbers in the forms of the cells of a layer
_SHORT = 12  # rows that are sorted by insertion
_ZERO, _ONE = np.uint64(0), np.uint64(1)

Array = np.ndarray[Any, Any]

# without reference counts: helpers borrow the arrays of the one function that makes them
kernel = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]
part = numba.njit(  # type: ignore[call-overload]
    nogil=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
allocating = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Mesh(NamedTuple):
    """The vertices, half-edges and lines; `n` holds how much of them is in use."""

    n: Array  # int64 counters
    at: Array  # float64 (vertices x 3): x, y, a bound on the distance to the exact vertex
    through: Array  # int32 (vertices x 2): the lines that meet there, the one that came later last
    half: Array  # int32 (half-edges x 4)
    on: Array  # int32 (edges): the line that holds each
    line: Array  # float64 (lines x 6)
    hinge: Array  # int32 (lines): the neuron of its layer that each is a form of, -1 for walls


class Weights(NamedTuple):
    """A layer: transposed weights (inputs x neurons), biases, bounds on the lengths of the rows and
    on the rounding of the biases in a sum; and on all of them (LENGTH, SHIFT, GAMMA).
    """

    rows: Array
    biases: Array
    lengths: Array
    shifts: Array
    whole: Array


class Front(NamedTuple):
    """The cells in front of a layer, in canonical order."""

    codes: Array  # uint64 (cells x words): the bits so far, the first in the highest
    first: Array  # int32 (cells): a half-edge of each
    parents: Array  # int32 (cells): the cell in front of the layer before that each lies in
    forms: Array  # float64 (parents x 3 x inputs): the pre-activations of the layer before
    bounds: Array  # float64 (parents x 4)


class Signed(NamedTuple):
    """What a layer is on the cells in front of it."""

    signs: Array  # uint8 (vertices x neurons): PLUS or MINUS at the vertices in front of it
    starts: Array  # int64 (cells + 1): where the lines that cut each cell begin
    forms: Array  # float64 (cells x 3 x neurons)
    bounds: Array  # float64 (cells x 4)


@part
def _sign(m: Mesh, v: int, k: int) -> int:
    """The sign of line k at vertex v; 0 where floats leave it open."""
    x, y, e = m.at[v, 0], m.at[v, 1], m.at[v, 2]
    p, q, c = m.line[k, 0] * x, m.line[k, 1] * y, m.line[k, 2]
    value = p + q + c
    # |error| <= |a| |dx| + |da| (|x| + |dx|) + |dc| + rounding of three terms
    error = (
        m.line[k, SIZE] * e
        + m.line[k, NORMAL_ERROR] * (abs(x) + abs(y) + e)
        + m.line[k, OFFSET_ERROR]
        + 6 * _U * (abs(p) + abs(q) + abs(c))
    ) * _UP + _TINY
    m.n[SIGNS] += 1
    if abs(value) > error:
        return 1 if value > 0 else -1
    return 0


@kernel
def _place(m: Mesh, v: int) -> bool:
    """Solve for a vertex from its two lines, with a proved bound on its distance to the exact one;
    False where there is none.

    For exact rows A*, constants c* and any approximate inverse R, with G = I - R A*: |x* - x| <= |R
    (A* x + c*)| / (1 - |G|).
    """
    f, g = m.through[v, 0], m.through[v, 1]
    a, b, c = m.line[f, 0], m.line[f, 1], m.line[f, 2]
    p, q, r = m.line[g, 0], m.line[g, 1], m.line[g, 2]
    det = a * q - b * p
    if not abs(det) > _FLOOR:
        return False
    # R, the inverse of ((a, b), (p, q)) up to rounding
    r00, r01, r10, r11 = q / det, -b / det, -p / det, a / det
    first, second = np.sqrt(r00 * r00 + r10 * r10) * _UP, np.sqrt(r01 * r01 + r11 * r11) * _UP
    spread = first * (m.line[f, NORMAL_ERROR] + 4 * _U * m.line[f, SIZE]) + second * (
        m.line[g, NORMAL_ERROR] + 4 * _U * m.line[g, SIZE]
    )
    g00, g01 = 1.0 - r00 * a - r01 * p, r00 * b + r01 * q
    g10, g11 = r10 * a + r11 * p, 1.0 - r10 * b - r11 * q
    # |I - R A*|, first for the rows as floats, then with their errors
    gap = (np.sqrt(g00 * g00 + g01 * g01 + g10 * g10 + g11 * g11) + spread) * _UP
    if not gap < 0.5:
        return False
    # x = -R c, refined once
    x, y = -(r00 * c + r01 * r), -(r10 * c + r11 * r)
    s, t = a * x + b * y + c, p * x + q * y + r
    x -= r00 * s + r01 * t
    y -= r10 * s + r11 * t
    # |R (A* x + c*)| <= sum over rows of |R e_i| (residual + its rounding + errors of the row)
    size = abs(x) + abs(y) + _FLOOR
    s, t = abs(a * x + b * y + c), abs(p * x + q * y + r)
    s += (
        5 * _U * (abs(a * x) + abs(b * y) + abs(c))
        + m.line[f, NORMAL_ERROR] * size
        + m.line[f, OFFSET_ERROR]
        + _TINY
    )
    t += (
        5 * _U * (abs(p * x) + abs(q * y) + abs(r))
        + m.line[g, NORMAL_ERROR] * size
        + m.line[g, OFFSET_ERROR]
        + _TINY
    )
    m.at[v, 0], m.at[v, 1] = x, y
    m.at[v, 2] = (first * s + second * t) / (1.0 - gap) * _UP + _TINY
    return m.at[v, 2] < np.inf


@part
def _insert(m: Mesh, h: int, k: int) -> int:
    """Cut half-edge h and its twin at a new vertex on line k; returns the half-edge that starts
    there and goes on, or -1 where the vertex cannot be placed.
    """
    v, e = m.n[VERTICES], m.n[EDGES]
    m.n[VERTICES], m.n[EDGES] = v + 1, e + 1
    m.through[v, 0], m.through[v, 1] = m.on[h >> 1], k
    if not _place(m, v):
        return -1
    twin, g = h ^ 1, 2 * e
    back = g + 1
    after, before = m.half[h, NEXT], m.half[twin, BEFORE]
    m.on[e] = m.on[h >> 1]
    # h: u -> v, g: v -> w; twin: v -> u, back: w -> v
    m.half[g, ORIGIN], m.half[g, NEXT], m.half[g, BEFORE] = v, after, h
    m.half[back, ORIGIN], m.half[back, NEXT] = m.half[twin, ORIGIN], twin
    m.half[back, BEFORE] = before
    m.half[g, CELL], m.half[back, CELL] = m.half[h, CELL], m.half[twin, CELL]
    m.half[after, BEFORE], m.half[before, NEXT] = g, back
    m.half[h, NEXT], m.half[twin, BEFORE], m.half[twin, ORIGIN] = g, back, v
    return g


@part
def _chord(m: Mesh, p: int, q: int, k: int, cell: int) -> None:
    """Cut a piece in two along line k, between the origins of its half-edges p and q."""
    e = m.n[EDGES]
    m.n[EDGES] = e + 1
    m.n[CELLS] += 1
    there, back = 2 * e, 2 * e + 1
    before_p, before_q = m.half[p, BEFORE], m.half[q, BEFORE]
    m.on[e] = k
    m.half[there, ORIGIN], m.half[there, NEXT] = m.half[p, ORIGIN], q
    m.half[there, BEFORE], m.half[there, CELL] = before_p, cell
    m.half[back, ORIGIN], m.half[back, NEXT] = m.half[q, ORIGIN], p
    m.half[back, BEFORE], m.half[back, CELL] = before_q, cell
    m.half[before_p, NEXT], m.half[q, BEFORE] = there, there
    m.half[before_q, NEXT], m.half[p, BEFORE] = back, back


@part
def _along(m: Mesh, h: int, cell: int) -> int:
    """The half-edge that goes on from h around the whole cell, past the chords that end there."""
    g = m.half[h, NEXT]
    while m.half[g ^ 1, CELL] == cell:
        g = m.half[g ^ 1, NEXT]
    return g


@kernel
def _cut(m: Mesh, signs: Array, cell: int, start: int, end: int, k: int) -> int:
    """Cut a cell along line k, which turns from on to off between the corner where half-edge
    `start` begins and the corner `end`.
    """
    j, old = m.hinge[k], signs.shape[0]
    # along the side, past vertices where it is still on; one of this neuron may be there, made when
    # the cell on the other side was cut
    h = start
    while True:
        g = _along(m, h, cell)
        v = m.half[g, ORIGIN]
        if v == end:
            sign = -1
        elif m.hinge[m.through[v, 1]] == j:
            sign = 0
        else:
            sign = _sign(m, v, k)
            if sign == 0:
                return OPEN
        if sign <= 0:
            break
        h = g
    p = g
    if sign < 0:
        p = _insert(m, h, k)
        if p < 0:
            return OPEN
    # through one piece after the other: it is off behind p's origin, and on again behind q's
    while True:
        h = p
        while True:
            q = m.half[h, NEXT]
            if q == p:
                return BROKEN
            v = m.half[q, ORIGIN]
            if v < old:
                sign = 1 if signs[v, j] == PLUS else -1
            elif m.hinge[m.through[v, 1]] == j:
                sign = 0
            else:
                sign = _sign(m, v, k)
                if sign == 0:
                    return OPEN
            if sign >= 0:
                break
            h = q
        if sign == 0:
            if m.half[q ^ 1, CELL] == cell and m.half[h ^ 1, CELL] == cell:
                return BROKEN
            _chord(m, p, q, k, cell)
            return DONE
        q = _insert(m, h, k)
        if q < 0:
            return OPEN
        _chord(m, p, q, k, cell)
        if m.half[h ^ 1, CELL] != cell:
            return DONE
        p = h ^ 1


@part
def _form(w: Weights, before: Array, on: Array, out: Array, bounds: Array) -> None:
    """The forms of a layer on a cell (3 x neurons): transposed weights times the rows of `before`
    (3 x inputs) that are on; and bounds on their sizes.
    """
    n = out.shape[1]
    normal_x, normal_y, constant = out[0], out[1], out[2]
    for j in range(n):
        normal_x[j], normal_y[j], constant[j] = 0.0, 0.0, w.biases[j]
    for r in range(before.shape[1]):
        if on[r]:
            x, y, c, row = before[0, r], before[1, r], before[2, r], w.rows[r]
            for j in range(n):
                normal_x[j] += row[j] * x
                normal_y[j] += row[j] * y
                constant[j] += row[j] * c
    normals, constants = 0.0, 0.0
    for j in range(n):
        normals += normal_x[j] * normal_x[j] + normal_y[j] * normal_y[j]
        constants += constant[j] * constant[j]
    bounds[NORMALS] = np.sqrt(normals) * _UP + _FLOOR
    bounds[CONSTANTS] = np.sqrt(constants) * _UP + _FLOOR


@part
def _sign_all(
    at: Array, forms: Array, w: Weights, linear: float, offset: float, out: Array
) -> bool:
    """The signs of all forms of a cell at one of its corners; False where one is open.

    `linear` and `offset` times the length of a weight row bound the errors of its form.
    """
    n, x, y = out.shape[0], at[0], at[1]
    reach = (abs(x) + abs(y) + at[2]) * _UP
    normal_x, normal_y, constant = forms[0], forms[1], forms[2]
    # of form j: |a| e + |da| reach + |dc| + rounding of three terms
    near, per = (at[2] + 6 * _U * reach) * _UP, (linear * reach + offset) * _UP
    for j in range(n):
        value = normal_x[j] * x + normal_y[j] * y + constant[j]
        error = (
            (abs(normal_x[j]) + abs(normal_y[j])) * near
            + 6 * _U * abs(constant[j])
            + w.lengths[j] * per
            + w.shifts[j]
        ) * _UP + _FLOOR
        out[j] = np.uint8(value > error) + np.uint8(2) * np.uint8(value < -error)
    some = np.uint8(0)
    for j in range(n):
        some |= np.uint8(out[j] == 0)
    return some == 0


@part
def _add_line(m: Mesh, forms: Array, j: int, normal_error: float, offset_error: float) -> bool:
    """Add form j as a line, its normal scaled to a length near one; False where it has none."""
    a, b, c = forms[0, j], forms[1, j], forms[2, j]
    largest = max(abs(a), abs(b))
    if not _FLOOR < largest < 1.0 / _FLOOR:
        return False
    power = -frexp(largest)[1]
    k = m.n[LINES]
    m.n[LINES] = k + 1
    a, b = ldexp(a, power), ldexp(b, power)
    m.line[k, 0], m.line[k, 1], m.line[k, 2] = a, b, ldexp(c, power)
    m.line[k, NORMAL_ERROR] = ldexp(normal_error, power) * _UP + _TINY
    m.line[k, OFFSET_ERROR] = ldexp(offset_error, power) * _UP + _TINY
    m.line[k, SIZE] = np.sqrt(a * a + b * b) * _UP
    m.hinge[k] = j
    return True


@part
def _is_before(codes: Array, a: int, b: int) -> bool:
    """Whether row a of the codes comes before row b."""
    for w in range(codes.shape[1]):
        if codes[a, w] != codes[b, w]:
            return codes[a, w] < codes[b, w]
    return False


@part
def _sort(codes: Array, count: int, order: Array, other: Array) -> None:
    """The order of the first `count` rows of the codes, all different: by merging sorted runs."""
    for i in range(count):
        order[i] = i
    for start in range(0, count, _SHORT):
        for i in range(start + 1, min(start + _SHORT, count)):
            one, place = order[i], i
            while place > start and _is_before(codes, one, order[place - 1]):
                order[place] = order[place - 1]
                place -= 1
            order[place] = one
    size = _SHORT
    while size < count:
        for start in range(0, count, 2 * size):
            a, b = start, min(start + size, count)
            middle, end = b, min(start + 2 * size, count)
            for i in range(start, end):
                if a < middle and (b == end or _is_before(codes, order[a], order[b])):
                    other[i] = order[a]
                    a += 1
                else:
                    other[i] = order[b]
                    b += 1
        for i in range(count):
            order[i] = other[i]
        size *= 2


@part
def _flip(codes: Array, row: int, bit: int) -> None:
    codes[row, bit >> 6] ^= _ONE << np.uint64(63 - (bit & 63))


@part
def _collect(
    m: Mesh, start: int, cell: int, first: int, bit0: int, codes: Array, loops: Array, stack: Array
) -> int:
    """Number the pieces of a cell from `first` on, as they are reached from the piece of half-edge
    `start`, whose code is row 0; returns how many there are.

    Across a chord the bit of its neuron flips, and no other does.
    """
    count, top = 0, 1
    stack[0] = start
    while top > 0:
        top -= 1
        h = stack[top]
        if m.half[h, CELL] != cell:
            continue
        if count > 0:
            # entered across a chord: the piece on its other side has its code already
            row = m.half[h ^ 1, CELL] - first
            for w in range(codes.shape[1]):
                codes[count, w] = codes[row, w]
            _flip(codes, count, bit0 + m.hinge[m.on[h >> 1]])
        loops[count] = h
        g = h
        while True:
            m.half[g, CELL] = first + count
            if m.half[g ^ 1, CELL] == cell:
                stack[top] = g ^ 1
                top += 1
            g = m.half[g, NEXT]
            if g == h:
                break
        count += 1
    return count


@part
def _relabel(m: Mesh, start: int, cell: int) -> None:
    """Give all half-edges of a piece the number of its cell."""
    g = start
    while True:
        m.half[g, CELL] = cell
        g = m.half[g, NEXT]
        if g == start:
            break


@allocating
def _longer(old: Array, used: int, size: int) -> Array:
    """A copy of a matrix with room for `size` rows."""
    new = np.empty((size, old.shape[1]), old.dtype)
    new[:used] = old[:used]
    return new


@allocating
def _longer_list(old: Array, used: int, size: int) -> Array:
    new = np.empty(size, old.dtype)
    new[:used] = old[:used]
    return new


@numba.njit(cache=True, nogil=True)
def _begin(corners: Array, walls: Array) -> Mesh:
    """The polygon: its corners counter-clockwise, side i from corner i to the next."""
    k = corners.shape[0]
    m = Mesh(
        np.zeros(COUNTERS, np.int64),
        corners.copy(),
        np.empty((k, 2), np.int32),
        np.empty((2 * k, 4), np.int32),
        np.empty(k, np.int32),
        walls.copy(),
        np.full(k, -1, np.int32),
    )
    m.n[VERTICES], m.n[EDGES], m.n[LINES], m.n[CELLS] = k, k, k, 1
    for i in range(k):
        after, before = (i + 1) % k, (i + k - 1) % k
        m.through[i, 0], m.through[i, 1] = before, i
        m.on[i] = i
        m.half[2 * i, ORIGIN], m.half[2 * i, NEXT] = i, 2 * after
        m.half[2 * i, BEFORE], m.half[2 * i, CELL] = 2 * before, 0
        m.half[2 * i + 1, ORIGIN], m.half[2 * i + 1, NEXT] = after, 2 * before + 1
        m.half[2 * i + 1, BEFORE], m.half[2 * i + 1, CELL] = 2 * after + 1, -1
    return m


@allocating
def _weights(values: Array, n: int, inputs: int) -> Weights:
    """A layer from its weights (out x in) and biases behind one another."""
    w = Weights(np.empty((inputs, n)), values[n * inputs :], np.empty(n), np.empty(n), np.zeros(3))
    w.whole[GAMMA] = (inputs + 4) * _U * _UP
    for j in range(n):
        square = 0.0
        for r in range(inputs):
            value = values[j * inputs + r]
            w.rows[r, j] = value
            square += value * value
        w.lengths[j] = np.sqrt(square) * _UP + _FLOOR
        w.shifts[j] = w.whole[GAMMA] * abs(w.biases[j])
        w.whole[LENGTH] += w.lengths[j] * w.lengths[j]
        w.whole[SHIFT] += w.biases[j] * w.biases[j]
    w.whole[LENGTH] = np.sqrt(w.whole[LENGTH]) * _UP
    w.whole[SHIFT] = np.sqrt(w.whole[SHIFT]) * _UP + _FLOOR
    return w


@part
def _unpack(codes: Array, cell: int, bit0: int, out: Array) -> None:
    """The bits of a cell from number `bit0` on."""
    for r in range(out.shape[0]):
        out[r] = (codes[cell, (bit0 + r) >> 6] >> np.uint64(63 - ((bit0 + r) & 63))) & _ONE


@part
def _sign_cell(
    m: Mesh,
    w: Weights,
    start: int,
    own: Array,
    gap: float,
    slack: float,
    known: Array,
    signs: Array,
    flags: Array,
) -> bool:
    """Sign the forms of a cell at those of its corners that no cell before had, and flag every
    neuron by its signs at all of them; False where one is open.
    """
    flags[:] = 0
    h = start
    while True:
        v = m.half[h, ORIGIN]
        if known[v] == 0:
            known[v] = 1
            if not _sign_all(m.at[v], own, w, gap, slack, signs[v]):
                return False
        row = signs[v]
        for j in range(flags.shape[0]):
            flags[j] |= row[j]
        h = m.half[h, NEXT]
        if h == start:
            return True


@allocating
def _sign_cells(
    m: Mesh, w: Weights, front: Front, bit0: int, keep: bool
) -> tuple[int, Mesh, Signed]:
    """The forms of a layer on all cells, kept for the next layer or not, their signs at all
    vertices, and the lines that cut each.
    """
    inputs, n = w.rows.shape
    cells, old = front.first.shape[0], m.n[VERTICES]
    # without room for them there is a next layer, and this one's cells are too many
    fits = not keep or cells * 3 * n <= _KEPT
    made = Signed(
        np.empty((old, n), np.uint8),
        np.empty(cells + 1, np.int64),
        np.empty((cells if keep and fits else 1, 3, n)),
        np.empty((cells, 4)),
    )
    if not fits:
        return FULL, m, made
    known, flags = np.zeros(old, np.uint8), np.empty(n, np.uint8)
    on = np.ones(inputs, np.uint8)
    made.starts[0] = m.n[LINES]
    for cell in range(cells):
        parent, own = front.parents[cell], made.forms[cell if keep else 0]
        if bit0 > 0:
            _unpack(front.codes, cell, bit0 - inputs, on)
        _form(w, front.forms[parent], on, own, made.bounds[cell])
        above, whole = front.bounds[parent], w.whole
        gap = (above[LINEAR] + whole[GAMMA] * above[NORMALS]) * _UP + _FLOOR
        slack = (above[OFFSET] + whole[GAMMA] * above[CONSTANTS]) * _UP + _FLOOR
        made.bounds[cell, LINEAR] = whole[LENGTH] * gap * _UP + _FLOOR
        made.bounds[cell, OFFSET] = (
            whole[LENGTH] * slack + whole[GAMMA] * whole[SHIFT]
        ) * _UP + _FLOOR
        if not _sign_cell(m, w, front.first[cell], own, gap, slack, known, made.signs, flags):
            return OPEN, m, made
        if m.n[LINES] + n > m.line.shape[0]:
            m = _with_lines(m, 2 * (m.n[LINES] + n))
        for j in range(n):
            if flags[j] == PLUS | MINUS and not _add_line(
                m, own, j, w.lengths[j] * gap, w.lengths[j] * slack + w.shifts[j]
            ):
                return OPEN, m, made
        made.starts[cell + 1] = m.n[LINES]
    m.n[SIGNS] += old * n
    return DONE, m, made


@numba.njit(cache=True, nogil=True)
def _with_lines(m: Mesh, size: int) -> Mesh:
    """Room for so many lines."""
    line, hinge = _longer(m.line, m.n[LINES], size), _longer_list(m.hinge, m.n[LINES], size)
    return Mesh(m.n, m.at, m.through, m.half, m.on, line, hinge)


@numba.njit(cache=True, nogil=True)
def _with_room(m: Mesh, vertices: int, edges: int) -> Mesh:
    """Room for so many more vertices and edges."""
    v, e = m.n[VERTICES], m.n[EDGES]
    return Mesh(
        m.n,
        _longer(m.at, v, v + vertices),
        _longer(m.through, v, v + vertices),
        _longer(m.half, 2 * e, 2 * (e + edges)),
        _longer_list(m.on, e, e + edges),
        m.line,
        m.hinge,
    )


@part
def _corners_of(m: Mesh, start: int, old: int, corners: Array) -> int:
    """List the corners that a cell had in front of the layer, each with its half-edge (2 rows); the
    cells around have put others between them.
    """
    count, h = 0, start
    while True:
        if m.half[h, ORIGIN] < old:
            corners[0, count], corners[1, count] = m.half[h, ORIGIN], h
            count += 1
        h = m.half[h, NEXT]
        if h == start:
            return count


@part
def _cut_cell(m: Mesh, layer: Signed, cell: int, number: int, corners: Array, sides: int) -> int:
    """Cut a cell by all its lines."""
    signs = layer.signs
    for k in range(layer.starts[cell], layer.starts[cell + 1]):
        # both signs are there, so some side turns from on to off
        j, i = m.hinge[k], sides - 1
        end = corners[0, 0]
        while not (signs[corners[0, i], j] == PLUS and signs[end, j] == MINUS):
            end = corners[0, i]
            i -= 1
        why = _cut(m, signs, number, corners[1, i], end, k)
        if why != DONE:
            return why
    return DONE


@allocating
def _cut_cells(
    m: Mesh, layer: Signed, front: Front, bit0: int, taken: int, most: int
) -> tuple[int, Mesh, Front]:
    """Cut all cells by their lines, and number the pieces from `taken` + cells on, sorted by their
    codes.
    """
    cells, words = front.codes.shape
    old, n = layer.signs.shape
    crossings, lines, widest = 0, layer.starts[cells] - layer.starts[0], 0
    for cell in range(cells):
        count = layer.starts[cell + 1] - layer.starts[cell]
        crossings += count * (count - 1) // 2
        widest = max(widest, count)
    room = cells + lines + crossings
    if room > most:
        return FULL, m, front
    m = _with_room(m, 2 * lines + crossings, 3 * lines + 2 * crossings)
    codes, first = np.empty((room, words), np.uint64), np.empty(room, np.int32)
    parents = np.empty(room, np.int32)
    pieces = 1 + widest + widest * (widest - 1) // 2
    own, loops = np.empty((pieces, words), np.uint64), np.empty(pieces, np.int32)
    order, stack = np.empty((2, pieces), np.int32), np.empty(6 * pieces + 8, np.int32)
    corners = np.empty((2, old), np.int32)
    total, begin = 0, taken + cells
    for cell in range(cells):
        sides = _corners_of(m, front.first[cell], old, corners)
        why = _cut_cell(m, layer, cell, taken + cell, corners, sides)
        if why != DONE:
            return why, m, front
        # the code of the piece at the first corner, and from there of all
        for word in range(words):
            own[0, word] = front.codes[cell, word]
        row = layer.signs[corners[0, 0]]
        for j in range(n):
            if row[j] == PLUS:
                _flip(own, 0, bit0 + j)
        count = _collect(m, corners[1, 0], taken + cell, begin + total, bit0, own, loops, stack)
        _sort(own, count, order[0], order[1])
        for i in range(count):
            one = order[0, i]
            if one != i:
                _relabel(m, loops[one], begin + total)
            first[total], parents[total] = loops[one], cell
            for word in range(words):
                codes[total, word] = own[one, word]
            total += 1
    return (
        DONE,
        m,
        Front(codes[:total].copy(), first[:total].copy(), parents, layer.forms, layer.bounds),
    )


@numba.njit(cache=True, nogil=True)
def cut_by_layers(
    values: Array,
    widths: Array,
    start: Array,
    start_bounds: Array,
    corners: Array,
    walls: Array,
    most: int,
) -> tuple[int, Mesh, Array, Array, Array]:
    """Cut a polygon by hidden layers with ReLU: why it ended, the mesh, the packed codes of its
    cells (uint8, cells x bytes), a half-edge of each, and where the lines of every layer begin.

    `values` are the weights (out x in) and biases of the layers, in order; `start` the rows of the
    network's inputs over (x, y, 1) as floats (3 x inputs) with `start_bounds` on their errors and
    sizes; `corners` (k x 3) and `walls` (k x 6) the polygon, side i from corner i to corner i + 1.
    Anything but DONE means that nothing is known: OPEN where a sign is, FULL where more than `most`
    cells could come, BROKEN where a cut does not close, which no proved signs can cause.
    """
    bits = widths.sum()
    m = _begin(corners, walls)
    front = Front(
        np.zeros((1, (bits + 63) >> 6), np.uint64),
        np.zeros(1, np.int32),
        np.zeros(1, np.int32),
        start.copy().reshape((1, 3, start.shape[1])),
        start_bounds.copy().reshape((1, 4)),
    )
    begins = np.empty(widths.shape[0] + 1, np.int64)
    # cells have numbers of their own in front of every layer, from `taken` on
    bit0, place, taken, why, inputs = 0, 0, 0, DONE, start.shape[1]
    for layer in range(widths.shape[0]):
        n, end = widths[layer], place + widths[layer] * (inputs + 1)
        begins[layer] = m.n[LINES]
        weights = _weights(values[place:end], n, inputs)
        why, m, signed = _sign_cells(m, weights, front, bit0, layer < widths.shape[0] - 1)
        if why == DONE:
            cells = front.first.shape[0]
            why, m, front = _cut_cells(m, signed, front, bit0, taken, most)
            taken += cells
        if why != DONE:
            return why, m, np.empty((0, 1), np.uint8), front.first, begins
        bit0, place, inputs = bit0 + n, end, n
    begins[widths.shape[0]] = m.n[LINES]
    for h in range(2 * m.n[EDGES]):
        if m.half[h, CELL] >= 0:
            m.half[h, CELL] -= taken
    return why, _trimmed(m), _packed(front.codes, bits), front.first, begins


@allocating
def _packed(codes: Array, bits: int) -> Array:
    """Codes in words as bytes."""
    found = np.empty((codes.shape[0], (bits + 7) >> 3), np.uint8)
    for cell in range(found.shape[0]):
        for k in range(found.shape[1]):
            found[cell, k] = (codes[cell, k >> 3] >> np.uint64(56 - 8 * (k & 7))) & np.uint64(255)
    return found


@allocating
def _trimmed(m: Mesh) -> Mesh:
    """The mesh without the room that was left; what only cutting reads is gone."""
    v, e, k = m.n[VERTICES], m.n[EDGES], m.n[LINES]
    return Mesh(
        m.n,
        m.at[:v].copy(),
        m.through[:v].copy(),
        m.half[: 2 * e].copy(),
        m.on[:e].copy(),
        m.line[:0].copy(),
        m.hinge[:k].copy(),
    )


@numba.njit(cache=True, nogil=True)
def around(half: Array, first: Array) -> tuple[Array, Array, Array]:
    """The half-edges around every cell, counter-clockwise, as CSR, and the vertices they start
    at."""
    starts = np.empty(first.shape[0] + 1, np.int64)
    starts[0] = 0
    members, corners = np.empty(half.shape[0], np.int64), np.empty(half.shape[0], np.int64)
    top = 0
    for cell in range(first.shape[0]):
        h = np.int64(first[cell])
        while True:
            members[top], corners[top] = h, half[h, ORIGIN]
            top += 1
            h = np.int64(half[h, NEXT])
            if h == first[cell]:
                break
        starts[cell + 1] = top
    return starts, members[:top], corners[:top]


@numba.njit(cache=True, nogil=True)
def neighbours(m: Mesh, first: Array, begins: Array, bits: Array) -> tuple[Array, Array, Array]:
    """The cells across the sides of every cell, ascending, as CSR, and the bit that flips there;
    `begins` as :func:`cut_by_layers` returns it, `bits` the numbers of bits of the layers.
    """
    bit, bit0 = m.hinge.astype(np.int64), 0
    for layer in range(bits.shape[0]):
        bit[begins[layer] : begins[layer + 1]] += bit0
        bit0 += bits[layer]
    starts = np.zeros(first.shape[0] + 1, np.int64)
    cells, flips = np.empty(m.half.shape[0], np.int64), np.empty(m.half.shape[0], np.int64)
    top = 0
    for cell in range(first.shape[0]):
        h = np.int64(first[cell])
        while True:
            other, place = np.int64(m.half[h ^ 1, CELL]), top
            if other >= 0:
                while place > starts[cell] and cells[place - 1] > other:
                    cells[place], flips[place] = cells[place - 1], flips[place - 1]
                    place -= 1
                cells[place], flips[place] = other, bit[m.on[h >> 1]]
                top += 1
            h = np.int64(m.half[h, NEXT])
            if h == first[cell]:
                break
        starts[cell + 1] = top
    return starts, cells[:top].copy(), flips[:top].copy()
