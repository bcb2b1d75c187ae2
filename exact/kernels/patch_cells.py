"""Cut a polygon by the undecided neurons and windows of a reduced network: loops over a tree of
parts, compiled.

A part of the polygon has a *block*: the units, neurons and windows, that were undecided on a part
around it, with their rows over the plane's basis (x, y, 1) and over the variables of units before
them. On a part every unit is an affine form within a radius, from its rows and those of the units
before: units whose bounds do not straddle are decided there. A unit whose rows rest on no undecided
unit is *ready*: its form is affine on the part, within a proved error alone. The part is cut by one
that is ready, a neuron by its line, a window into the pieces on which its candidates are at least
all others; of several by the one that leaves parts most alike. What is undecided in the first place
rests on nothing undecided, so that one is always ready. Where few units of a block are left, a new
block has these alone, with what was decided put into their rows. A part on which nothing is
undecided is a cell. So every cut lies on the zeros of a unit, or on equal candidates: no cell is
cut by anything else, every code has one cell, and no seams are left. Convolutions are not touched.

Nothing is rounded to a decision. Signs are those of float64 values beyond a proved bound, or zeros
that are known because a corner lies on the line where a rectifier bends. A part on which only units
are left whose signs stay open is handed back as it is (OPEN), for exact arithmetic.

Error bounds. A row's coefficients c of variables are within e of the exact ones, those of the basis
within `off`, a sum of errors times `sizes`, bounds on the basis functions. A sum of n products adds
(n + 4) 2^-53 times the sum of their sizes (`exact.arithmetic.enclosures.roundoff`); factors _UP
cover the roundings of bounds themselves.

The call ends where room is needed (ROOM and which), time is up (STOPPED) or enough cells are there
(ENOUGH), with its state in the arrays; it goes on when it is called again. Longer than others:
numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

DONE, STOPPED, ENOUGH, ROOM = 0, 1, 2, 3  # ROOM + k: the arrays of class number k are too short
ROOM_BLOCKS, ROOM_STACK, ROOM_FOUND = 3, 4, 5
CELL, OPEN = 0, 1  # what a part that is found is
DEAD, ALIVE, UNKNOWN = 0, 1, 2
NONE, UNSETTLED = -1, -2  # of windows
CORNERS = 96  # of a part, at most; one with more is handed back
# counters
BLOCKS, UNITS, ROWS, ENTRIES = 0, 1, 2, 3
DEPTH, HELD_CORNERS, HELD_UNITS, HELD_ROWS = 4, 5, 6, 7
NODES, DECISIONS, CUTS, PARTS, PART_CORNERS, SIGNS, FOUND_CELLS = 8, 9, 10, 11, 12, 13, 14
COUNTERS = 16

_U = 2.0**-53
_NORMAL = 2.0**-1022
_UP = 1.0 + 2.0**-30
_FEW = 0.75  # of a block's units undecided: then a new block
_SMALL = 6  # units of which a block is not renewed

Array = np.ndarray[Any, Any]

kernel = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]
part = numba.njit(  # type: ignore[call-overload]
    nogil=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Plan(NamedTuple):
    """What does not change: every unit by its number, every activation by its own."""

    sizes: Array  # float64 (3)
    window: Array  # uint8 (units): a window, or a neuron
    activation: Array  # int32 (units)
    twin: Array  # int32 (units): the first neuron that is the same function
    sure: Array  # uint8 (units): a neuron whose pre-activation is nowhere dead
    first: Array  # int32 (activations + 1): where their bends begin; pieces at first[a] + a
    bend: Array  # float64 (bends)
    lost: Array  # float64 (bends): how far each is from the exact one
    zero: Array  # uint8 (bends): whether outputs are zero there
    slope: Array  # float64 (pieces)
    shift: Array  # float64 (pieces)
    flat: Array  # uint8 (pieces): slope 0
    same: Array  # uint8 (pieces): the identity
    shifted: Array  # uint8 (pieces)


class Blocks(NamedTuple):
    """Blocks, one behind the other, each with room for one unit and one row more, where the last
    ones end; blocks are let go when their parts are done.
    """

    head: Array  # int64 (blocks x 3): where units, rows, entries begin
    size: Array  # int64 (blocks x 2): units, rows
    unit: Array  # int32: numbers
    rows: Array  # int64: the first row of every unit in its block, and the end
    base: Array  # int64: of windows, the row in the block that their variable counts from
    start: Array  # int64: the first entry of every row, and the end
    form: Array  # float64 (x 4): coefficients over the basis, and `off`
    life: Array  # int8: of candidates
    source: Array  # int32: the unit whose output a candidate is, or a number beyond those of units
    local: Array  # int32: its place in the block, -1 where it is decided
    candidate: Array  # int32: its number in its window
    live: Array  # uint8: candidates that may win; the base stays when it cannot
    low: Array  # int32 (units): least piece of a neuron, UNSETTLED for windows
    high: Array  # int32 (units)
    column: Array  # int32 (entries): place of a unit in the block
    value: Array  # float64 (entries)
    error: Array  # float64 (entries)


class Stack(NamedTuple):
    """Parts that wait, the next one last."""

    head: Array  # int64 (x 6): block, node, where corners, units and rows begin, number of corners
    corner: Array  # float64 (x 3): x, y, slack
    side: Array  # int32: 2 number + (1 on the negative side)
    low: Array  # int32
    high: Array  # int32
    live: Array  # uint8


class Found(NamedTuple):
    """What is found: nodes with what is decided in each, lines, and parts."""

    parent: Array  # int32 (nodes)
    decided: Array  # int64 (nodes + 1): where the decisions of every node begin
    unit: Array  # int32 (decisions)
    taken: Array  # int32 (decisions): piece of a neuron, candidate of a window or NONE
    line: Array  # float64 (lines x 4): form and `off`; walls first
    cut: Array  # int32 (lines x 4): node, unit, bend or lower candidate, higher candidate or -1
    zero: Array  # int32 (lines x 2): sources that are equal there, or one that is zero; else -1
    kind: Array  # uint8 (parts)
    node: Array  # int32 (parts)
    begin: Array  # int64 (parts + 1)
    corner: Array  # float64 (x 3)
    side: Array  # int32


class Scratch(NamedTuple):
    """Room for one part: of units, rows and corners."""

    form: Array  # float64 (units x 3)
    off: Array  # float64 (units)
    radius: Array  # float64 (units)
    size: Array  # float64 (units): bound on the variable
    known: Array  # uint8 (units): affine there
    low: Array  # int32 (units)
    high: Array  # int32 (units)
    doubtful: Array  # uint8 (units)
    needed: Array  # uint8 (units)
    place: Array  # int32 (units): in the next block
    own_start: Array  # int64 (units): entries of pending ones
    own_end: Array  # int64 (units)
    own_form: Array  # float64 (units x 4)
    sum_value: Array  # float64 (units)
    sum_error: Array  # float64 (units)
    sum_size: Array  # float64 (units)
    touched: Array  # int32 (units)
    is_touched: Array  # uint8 (units)
    row: Array  # float64 (rows x 5): form, off, radius
    ready: Array  # uint8 (rows)
    live: Array  # uint8 (rows)
    life: Array  # int8 (rows)
    points: Array  # float64 (3 x CORNERS x 3): the part, and two pieces of it
    sides: Array  # int32 (3 x CORNERS)
    signs: Array  # int8 (CORNERS)
    pair: Array  # int32 (candidates x candidates)
    met: Array  # float64 (3)


@part
def _meet(plan: Plan, found: Found, side: int, line: int, met: Array) -> bool:
    """The common zero of two lines, and how far it may be off; False where floats do not tell.

    p* - p = -(rest_1 (second x scale) + rest_2 (scale x first)) / det*, scale = (0, 0, 1).
    """
    s0, s1 = plan.sizes[0], plan.sizes[1]
    a0, a1, a2, lost = (
        found.line[side, 0],
        found.line[side, 1],
        found.line[side, 2],
        found.line[side, 3],
    )
    b0, b1, b2, off = (
        found.line[line, 0],
        found.line[line, 1],
        found.line[line, 2],
        found.line[line, 3],
    )
    p0, p1, det = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
    # bounds on the coefficients of the exact forms
    wide_a0, wide_a1 = abs(a0) + lost / s0, abs(a1) + lost / s1
    wide_b0, wide_b1 = abs(b0) + off / s0, abs(b1) + off / s1
    doubt = abs(a0) * off / s1 + abs(a1) * off / s0 + lost / s0 * wide_b1 + lost / s1 * wide_b0
    doubt = (doubt + 16 * _U * (wide_a0 * wide_b1 + wide_a1 * wide_b0)) * _UP
    if not abs(det) > 2 * doubt:
        return False
    x, y = p0 / det, p1 / det
    rest_a = abs(a0 * x + a1 * y + a2) + 8 * _U * (abs(a0 * x) + abs(a1 * y) + abs(a2)) + 2 * lost
    rest_b = abs(b0 * x + b1 * y + b2) + 8 * _U * (abs(b0 * x) + abs(b1 * y) + abs(b2)) + 2 * off
    far = max(rest_a * wide_b1 + rest_b * wide_a1, rest_a * wide_b0 + rest_b * wide_a0)
    far = (far / (abs(det) - doubt) + 16 * _U * max(abs(x), abs(y), 1.0)) * _UP
    met[0], met[1], met[2] = x, y, far
    return far < np.inf


@part
def _doubt(plan: Plan, a: float, b: float, c: float, off: float) -> float:
    """How far a form may be off at any point of the patch, without the slack of the point."""
    size = abs(a) * plan.sizes[0] + abs(b) * plan.sizes[1] + abs(c) * plan.sizes[2]
    return (off + 16 * _U * size) * _UP


@part
def _span(
    plan: Plan, w: Scratch, n: int, a: float, b: float, c: float, off: float
) -> tuple[float, float]:
    """Bounds on a form on the part."""
    doubt, tilt = _doubt(plan, a, b, c, off), (abs(a) + abs(b)) * _UP
    low, high = np.inf, -np.inf
    for k in range(n):
        v = a * w.points[0, k, 0] + b * w.points[0, k, 1] + c
        own = doubt + tilt * w.points[0, k, 2]
        low, high = min(low, v - own), max(high, v + own)
        if not (v - own <= v + own):
            return -np.inf, np.inf
    return low, high


@part
def _life_of(plan: Plan, g: int, taken: int) -> int:
    """What a decided unit is."""
    if plan.window[g]:
        return DEAD if taken == NONE else ALIVE
    piece = plan.first[plan.activation[g]] + plan.activation[g] + taken
    if plan.shifted[piece] or (not plan.flat[piece] and plan.sure[g]):
        return ALIVE
    return DEAD if plan.flat[piece] else UNKNOWN


@part
def _is_open(w: Scratch, i: int) -> bool:
    """Whether a unit is undecided on the part."""
    return w.low[i] != w.high[i] or w.low[i] == UNSETTLED


@part
def _row(plan: Plan, b: Blocks, w: Scratch, r0: int, r: int) -> None:
    """The form of a row of a block on the part, from those of the units before."""
    place = r0 + r
    a0, a1, a2, off = b.form[place, 0], b.form[place, 1], b.form[place, 2], b.form[place, 3]
    size = abs(a0) * plan.sizes[0] + abs(a1) * plan.sizes[1] + abs(a2) * plan.sizes[2]
    radius, ready, count = 0.0, True, 0
    for k in range(b.start[place], b.start[place + 1]):
        v, c = b.column[k], b.value[k]
        if w.size[v] == 0.0:  # a constant zero
            continue
        a0 += c * w.form[v, 0]
        a1 += c * w.form[v, 1]
        a2 += c * w.form[v, 2]
        off += abs(c) * w.off[v] + b.error[k] * w.size[v]
        size += abs(c) * w.size[v]
        radius += abs(c) * w.radius[v]
        ready &= w.known[v] != 0
        count += 1
    w.row[r, 0], w.row[r, 1], w.row[r, 2] = a0, a1, a2
    w.row[r, 3] = (off + (count + 4) * _U * size) * _UP if count else off
    w.row[r, 4] = radius * _UP
    w.ready[r] = ready


@part
def _set_unit(plan: Plan, w: Scratch, i: int, off: float, radius: float, known: bool) -> None:
    """The bounds on a unit's variable whose form is set."""
    w.off[i], w.radius[i], w.known[i] = off, radius, known
    size = abs(w.form[i, 0]) * plan.sizes[0] + abs(w.form[i, 1]) * plan.sizes[1]
    w.size[i] = (size + abs(w.form[i, 2]) * plan.sizes[2] + off + radius) * _UP


@part
def _clear(w: Scratch, i: int) -> None:
    """A variable that is zero."""
    w.form[i, 0], w.form[i, 1], w.form[i, 2] = 0.0, 0.0, 0.0
    w.off[i], w.radius[i], w.size[i], w.known[i] = 0.0, 0.0, 0.0, 1


@part
def _decided_neuron(plan: Plan, w: Scratch, i: int, r: int, piece: int) -> None:
    """The output of a neuron that is on one piece all over the part."""
    if plan.flat[piece] and not plan.shifted[piece]:
        _clear(w, i)
        return
    slope, shift, off = plan.slope[piece], plan.shift[piece], w.row[r, 3]
    if plan.same[piece]:
        for k in range(3):
            w.form[i, k] = w.row[r, k]
        _set_unit(plan, w, i, off, w.row[r, 4], w.ready[r] != 0)
        return
    if plan.flat[piece]:
        w.form[i, 0], w.form[i, 1], w.form[i, 2] = 0.0, 0.0, shift
        _set_unit(plan, w, i, 8 * _U * abs(shift) * plan.sizes[2] * _UP, 0.0, True)
        return
    size = 0.0
    for k in range(3):
        w.form[i, k] = slope * w.row[r, k]
        size += abs(w.form[i, k]) * plan.sizes[k]
    w.form[i, 2] += shift
    off = (abs(slope) * off + 8 * _U * (size + abs(shift) * plan.sizes[2])) * _UP
    # a slope is within a rounding of the exact one
    radius = abs(slope) * w.row[r, 4] * _UP
    _set_unit(plan, w, i, off, radius, w.ready[r] != 0)


@part
def _open_neuron(
    plan: Plan, w: Scratch, i: int, r: int, act: int, least: int, most: int, low: float, high: float
) -> None:
    """Bounds on the output of a neuron that is on several pieces: along the chord from its least to
    its greatest value, within a radius.
    """
    p0, b0 = plan.first[act] + act, plan.first[act]
    first = plan.slope[p0 + least] * low + plan.shift[p0 + least]
    last = plan.slope[p0 + most] * high + plan.shift[p0 + most]
    tilt = (last - first) / (high - low) if high > low else 0.0
    down, up, size = np.inf, -np.inf, 0.0
    for piece in range(least, most + 1):
        slope, shift = plan.slope[p0 + piece], plan.shift[p0 + piece]
        for end in range(2):
            if end == 0:
                z = low if piece == least else max(low, plan.bend[b0 + piece - 1])
            else:
                z = high if piece == most else min(high, plan.bend[b0 + piece])
            value = slope * z + shift - tilt * z
            down, up = min(down, value), max(up, value)
            size = max(size, (abs(slope) + abs(tilt)) * abs(z) + abs(shift))
    lost = 32 * _U * size + _NORMAL
    middle = (down + up) / 2
    wide = 0.0
    for k in range(3):
        w.form[i, k] = tilt * w.row[r, k]
        wide += abs(w.form[i, k]) * plan.sizes[k]
    w.form[i, 2] += middle
    off = (abs(tilt) * w.row[r, 3] + 8 * _U * (wide + abs(middle)) + lost) * _UP
    radius = (abs(tilt) * w.row[r, 4] + (up - down) / 2) * _UP
    _set_unit(plan, w, i, off, radius, False)


@part
def _neuron(plan: Plan, b: Blocks, w: Scratch, n: int, u0: int, r0: int, i: int) -> None:
    """What a neuron is on the part."""
    act, r = plan.activation[b.unit[u0 + i]], b.rows[u0 + i]
    p0, b0 = plan.first[act] + act, plan.first[act]
    if w.low[i] == w.high[i]:
        piece = p0 + w.low[i]
        if plan.flat[piece]:
            w.row[r, 4], w.ready[r] = 0.0, 1
        else:
            _row(plan, b, w, r0, r)
        _decided_neuron(plan, w, i, r, piece)
        return
    _row(plan, b, w, r0, r)
    low, high = _span(plan, w, n, w.row[r, 0], w.row[r, 1], w.row[r, 2], w.row[r, 3])
    low, high = low - w.row[r, 4] * _UP, high + w.row[r, 4] * _UP
    while w.low[i] < w.high[i] and low > plan.bend[b0 + w.low[i]] + plan.lost[b0 + w.low[i]]:
        w.low[i] += 1
    while (
        w.low[i] < w.high[i]
        and high < plan.bend[b0 + w.high[i] - 1] - plan.lost[b0 + w.high[i] - 1]
    ):
        w.high[i] -= 1
    if w.low[i] == w.high[i]:
        _decided_neuron(plan, w, i, r, p0 + w.low[i])
    else:
        _open_neuron(plan, w, i, r, act, w.low[i], w.high[i], low, high)


@part
def _is_zero_at(found: Found, w: Scratch, which: int, n: int, k: int, source: int) -> bool:
    """Whether an output is zero at a corner because it was cut there."""
    one = w.sides[which, k] >> 1
    two = w.sides[which, k - 1 if k else n - 1] >> 1
    return (found.zero[one, 0] == source and found.zero[one, 1] < 0) or (
        found.zero[two, 0] == source and found.zero[two, 1] < 0
    )


@part
def _is_pair(found: Found, line: int, i: int, j: int) -> bool:
    first, second = found.zero[line, 0], found.zero[line, 1]
    return second >= 0 and ((first == i and second == j) or (first == j and second == i))


@part
def _are_equal_at(found: Found, w: Scratch, which: int, n: int, k: int, i: int, j: int) -> bool:
    """Whether two outputs are equal at a corner because a window was cut there."""
    two = w.sides[which, k - 1 if k else n - 1] >> 1
    return _is_pair(found, w.sides[which, k] >> 1, i, j) or _is_pair(found, two, i, j)


@part
def _is_nothing(w: Scratch, r: int) -> bool:
    """Whether a candidate is a constant zero."""
    return w.row[r, 3] == 0.0 and w.row[r, 0] == 0.0 == w.row[r, 1] and w.row[r, 2] == 0.0


@part
def _gap(
    plan: Plan, b: Blocks, found: Found, w: Scratch, which: int, n: int, r0: int, i: int, j: int
) -> tuple[float, float, float, float]:
    """The difference of two candidates that are ready, with its signs at the corners of a part in
    `signs`, 2 where they are open.
    """
    a0, a1 = w.row[i, 0] - w.row[j, 0], w.row[i, 1] - w.row[j, 1]
    a2 = w.row[i, 2] - w.row[j, 2]
    size = 0.0
    for k in range(3):
        size += (abs(w.row[i, k]) + abs(w.row[j, k])) * plan.sizes[k]
    off = (w.row[i, 3] + w.row[j, 3] + 2 * _U * size) * _UP
    none_i, none_j = _is_nothing(w, i), _is_nothing(w, j)
    if none_i and none_j:
        off = 0.0
    doubt, tilt = _doubt(plan, a0, a1, a2, off), (abs(a0) + abs(a1)) * _UP
    for k in range(n):
        v = a0 * w.points[which, k, 0] + a1 * w.points[which, k, 1] + a2
        own = doubt + tilt * w.points[which, k, 2]
        sign = 1 if v > own else (-1 if v < -own else 2)
        if sign == 2:
            first, second = b.source[r0 + i], b.source[r0 + j]
            zeros = none_i or _is_zero_at(found, w, which, n, k, first)
            zeros &= none_j or _is_zero_at(found, w, which, n, k, second)
            if zeros or _are_equal_at(found, w, which, n, k, first, second):
                sign = 0
        w.signs[k] = sign
    return a0, a1, a2, off


@part
def _window(
    plan: Plan, b: Blocks, found: Found, w: Scratch, n: int, u0: int, r0: int, i: int
) -> None:
    """What a window is on the part: which of its candidates may win there."""
    first, last, base = b.rows[u0 + i], b.rows[u0 + i + 1], b.base[u0 + i]
    if w.low[i] != UNSETTLED:
        _decided_window(plan, b, w, u0, r0, i)
        return
    dead, best, most = -1, -1, -np.inf
    for r in range(first, last):
        if not w.live[r] and r != base:
            continue
        local = b.local[r0 + r]
        if local >= 0 and not _is_open(w, local):
            g, taken = b.unit[u0 + local], w.low[local]
            w.life[r] = _life_of(plan, g, taken)
        else:
            w.life[r] = b.life[r0 + r] if local < 0 else UNKNOWN
        if w.life[r] == DEAD:
            for k in range(5):
                w.row[r, k] = 0.0
            w.ready[r] = 1
        else:
            _row(plan, b, w, r0, r)
        if not w.live[r]:
            continue
        if w.life[r] == DEAD:
            if dead >= 0:
                w.live[r] = 0  # the same function as another
                continue
            dead = r
        total = 0.0
        for k in range(n):
            total += w.row[r, 0] * w.points[0, k, 0] + w.row[r, 1] * w.points[0, k, 1]
            total += w.row[r, 2]
        total -= n * w.row[r, 4]
        if not total <= most or best < 0:
            best, most = r, total
    left, reach = 0, 0.0
    for r in range(first, last):
        if not w.live[r]:
            continue
        if r != best and _is_above(plan, b, found, w, n, r0, best, r):
            w.live[r] = 0
        left += w.live[r]
        if w.live[r] and r != base:
            a0, a1 = w.row[r, 0] - w.row[base, 0], w.row[r, 1] - w.row[base, 1]
            a2, radius = w.row[r, 2] - w.row[base, 2], w.row[r, 4] + w.row[base, 4]
            size = 0.0
            for k in range(3):
                size += (abs(w.row[r, k]) + abs(w.row[base, k])) * plan.sizes[k]
            off = (w.row[r, 3] + w.row[base, 3] + 2 * _U * size) * _UP
            reach = max(reach, (_span(plan, w, n, a0, a1, a2, off)[1] + radius) * _UP + _NORMAL)
    if left == 1:
        life = w.life[best]
        if life == UNKNOWN and w.ready[best]:
            a0, a1, a2, off = w.row[best, 0], w.row[best, 1], w.row[best, 2], w.row[best, 3]
            doubt, tilt = _doubt(plan, a0, a1, a2, off), (abs(a0) + abs(a1)) * _UP
            for k in range(n):
                v = a0 * w.points[0, k, 0] + a1 * w.points[0, k, 1] + a2
                if abs(v) > doubt + tilt * w.points[0, k, 2]:
                    life = ALIVE
        if life != UNKNOWN:
            w.low[i] = w.high[i] = NONE if life == DEAD else b.candidate[r0 + best]
            _decided_window(plan, b, w, u0, r0, i)
            return
    w.form[i, 0], w.form[i, 1], w.form[i, 2] = 0.0, 0.0, reach / 2
    _set_unit(plan, w, i, _U * reach, reach / 2 * _UP, False)


@part
def _is_above(
    plan: Plan, b: Blocks, found: Found, w: Scratch, n: int, r0: int, i: int, j: int
) -> bool:
    """Whether a candidate is above another one all over the inside of the part, for certain."""
    if w.ready[i] and w.ready[j]:
        _gap(plan, b, found, w, 0, n, r0, i, j)
        some = False
        for k in range(n):
            if w.signs[k] != 1 and w.signs[k] != 0:
                return False
            some |= w.signs[k] == 1
        return some
    a0, a1 = w.row[i, 0] - w.row[j, 0], w.row[i, 1] - w.row[j, 1]
    a2 = w.row[i, 2] - w.row[j, 2]
    size = 0.0
    for k in range(3):
        size += (abs(w.row[i, k]) + abs(w.row[j, k])) * plan.sizes[k]
    off = (w.row[i, 3] + w.row[j, 3] + 2 * _U * size) * _UP
    low = _span(plan, w, n, a0, a1, a2, off)[0]
    return low > (w.row[i, 4] + w.row[j, 4]) * _UP


@part
def _decided_window(plan: Plan, b: Blocks, w: Scratch, u0: int, r0: int, i: int) -> None:
    """The variable of a window with its winner: how far that is above the base."""
    base, taken, winner = b.base[u0 + i], w.low[i], -1
    for r in range(b.rows[u0 + i], b.rows[u0 + i + 1]):
        if b.candidate[r0 + r] == taken:
            winner = r
    if winner == base:
        _clear(w, i)
        return
    for r in (base, winner):
        if r < 0:
            continue
        local = b.local[r0 + r]
        dead = (
            b.life[r0 + r] == DEAD
            if local < 0
            else (
                not _is_open(w, local) and _life_of(plan, b.unit[u0 + local], w.low[local]) == DEAD
            )
        )
        if dead:
            for k in range(5):
                w.row[r, k] = 0.0
            w.ready[r] = 1
        else:
            _row(plan, b, w, r0, r)
    off, radius, known, size = w.row[base, 3], w.row[base, 4], w.ready[base] != 0, 0.0
    for k in range(3):
        w.form[i, k] = -w.row[base, k]
        size += abs(w.row[base, k]) * plan.sizes[k]
    if winner >= 0:
        off, radius, known = (
            off + w.row[winner, 3],
            radius + w.row[winner, 4],
            known and w.ready[winner] != 0,
        )
        for k in range(3):
            w.form[i, k] = w.row[winner, k] - w.row[base, k]
            size += abs(w.row[winner, k]) * plan.sizes[k]
    if size == 0.0 and off == 0.0 and radius == 0.0:
        _clear(w, i)
        return
    _set_unit(plan, w, i, (off + 2 * _U * size) * _UP, radius * _UP, known)


@part
def _pass(plan: Plan, b: Blocks, found: Found, w: Scratch, n: int, u0: int, r0: int, m: int) -> int:
    """What every unit of a block is on the part; how many stay undecided."""
    left = 0
    for i in range(m):
        if plan.window[b.unit[u0 + i]]:
            _window(plan, b, found, w, n, u0, r0, i)
        else:
            _neuron(plan, b, w, n, u0, r0, i)
        left += _is_open(w, i)
    return left


# ---- cuts


@part
def _split(
    plan: Plan, found: Found, w: Scratch, source: int, n: int, side: int, line: int, to: int
) -> int:
    """The part of a polygon on one side (1, -1) of a line, by `signs` at its corners; the number of
    its corners, -1 where floats do not place one, -2 where there are too many.
    """
    count = 0
    for k in range(n):
        after = k + 1 if k + 1 < n else 0
        here, there = w.signs[k] * side, w.signs[after] * side
        if count + 2 > CORNERS:
            return -2
        if here >= 0:
            for c in range(3):
                w.points[to, count, c] = w.points[source, k, c]
            w.sides[to, count] = w.sides[source, k]
            if here == 0 and there <= 0:
                w.sides[to, count] = 2 * line + (side < 0)
            count += 1
        if here * there < 0:
            if not _meet(plan, found, w.sides[source, k] >> 1, line, w.met):
                return -1
            for c in range(3):
                w.points[to, count, c] = w.met[c]
            w.sides[to, count] = w.sides[source, k] if here < 0 else 2 * line + (side < 0)
            count += 1
    return count


@part
def _push(
    stack: Stack, w: Scratch, t: Array, which: int, n: int, block: int, node: int, m: int, rows: int
) -> None:
    """A part that waits, with what the units are there."""
    d = t[DEPTH]
    stack.head[d, 0], stack.head[d, 1], stack.head[d, 5] = block, node, n
    stack.head[d, 2], stack.head[d, 3] = t[HELD_CORNERS], t[HELD_UNITS]
    stack.head[d, 4] = t[HELD_ROWS]
    for k in range(n):
        for c in range(3):
            stack.corner[t[HELD_CORNERS] + k, c] = w.points[which, k, c]
        stack.side[t[HELD_CORNERS] + k] = w.sides[which, k]
    for i in range(m):
        stack.low[t[HELD_UNITS] + i] = w.low[i]
        stack.high[t[HELD_UNITS] + i] = w.high[i]
    for r in range(rows):
        stack.live[t[HELD_ROWS] + r] = w.live[r]
    t[HELD_CORNERS] += n
    t[HELD_UNITS] += m
    t[HELD_ROWS] += rows
    t[DEPTH] += 1


@part
def _node(found: Found, t: Array, parent: int) -> int:
    """A new node; its decisions follow."""
    found.parent[t[NODES]] = parent
    found.decided[t[NODES]] = t[DECISIONS]
    found.decided[t[NODES] + 1] = t[DECISIONS]
    t[NODES] += 1
    return t[NODES] - 1


@part
def _decide(found: Found, t: Array, unit: int, taken: int) -> None:
    """A decision of the newest node."""
    found.unit[t[DECISIONS]], found.taken[t[DECISIONS]] = unit, taken
    t[DECISIONS] += 1
    found.decided[t[NODES]] = t[DECISIONS]


@part
def _add_line(
    found: Found,
    t: Array,
    node: int,
    unit: int,
    first: int,
    second: int,
    zero: int,
    equal: int,
    a: float,
    b: float,
    c: float,
    off: float,
) -> int:
    """A new line of a cut."""
    k = t[CUTS]
    found.line[k, 0], found.line[k, 1], found.line[k, 2], found.line[k, 3] = a, b, c, off
    found.cut[k, 0], found.cut[k, 1], found.cut[k, 2], found.cut[k, 3] = node, unit, first, second
    found.zero[k, 0], found.zero[k, 1] = zero, equal
    t[CUTS] += 1
    return k


@part
def _evenness(w: Scratch, n: int, a: float, b: float, c: float, doubt: float) -> float:
    """How alike the parts on both sides of a line are, from 0 to 1; -1 where a sign at a corner is
    open, or no corner is on one side.
    """
    up, down, tilt = 0.0, 0.0, (abs(a) + abs(b)) * _UP
    for k in range(n):
        v = a * w.points[0, k, 0] + b * w.points[0, k, 1] + c
        own = doubt + tilt * w.points[0, k, 2]
        if not abs(v) > own:
            return -1.0
        up, down = max(up, v), max(down, -v)
    return min(up, down) / max(up, down) if min(up, down) > 0 else -1.0


@part
def _line_of(plan: Plan, w: Scratch, r: int, at: int) -> tuple[float, float]:
    """The constant of a neuron's row less a bend, and the bound on the form."""
    c, off = w.row[r, 2], w.row[r, 3]
    bend = plan.bend[at]
    if bend == 0.0 and plan.lost[at] == 0.0:
        return c, off
    size = abs(w.row[r, 0]) * plan.sizes[0] + abs(w.row[r, 1]) * plan.sizes[1]
    size += (abs(c) + abs(bend)) * plan.sizes[2]
    return c - bend, (off + 4 * _U * size + plan.lost[at] * plan.sizes[2]) * (1 + 16 * _U)


@part
def _choose(plan: Plan, b: Blocks, w: Scratch, n: int, u0: int, r0: int, m: int) -> tuple[int, int]:
    """The unit to cut by, and its bend; -1 where there is none."""
    unit, bend, best = -1, 0, -1.0
    for i in range(m):
        if w.doubtful[i]:
            continue
        if plan.window[b.unit[u0 + i]]:
            if w.low[i] != UNSETTLED:
                continue
            one, most, ready = -1, -np.inf, True
            for r in range(b.rows[u0 + i], b.rows[u0 + i + 1]):
                if w.live[r]:
                    ready &= w.ready[r] != 0
                    total = 0.0
                    for k in range(n):
                        total += w.row[r, 0] * w.points[0, k, 0] + w.row[r, 1] * w.points[0, k, 1]
                        total += w.row[r, 2]
                    if not total <= most or one < 0:
                        one, most = r, total
            if not ready:
                continue
            score = 0.0
            for r in range(b.rows[u0 + i], b.rows[u0 + i + 1]):
                if w.live[r] and r != one:
                    a0, a1 = w.row[one, 0] - w.row[r, 0], w.row[one, 1] - w.row[r, 1]
                    score = max(score, _evenness(w, n, a0, a1, w.row[one, 2] - w.row[r, 2], 0.0))
            if score > best:
                unit, bend, best = i, 0, score
        elif w.low[i] != w.high[i]:
            r, b0 = b.rows[u0 + i], plan.first[plan.activation[b.unit[u0 + i]]]
            if not w.ready[r]:
                continue
            for k in range(w.low[i], w.high[i]):
                c, off = _line_of(plan, w, r, b0 + k)
                doubt = _doubt(plan, w.row[r, 0], w.row[r, 1], c, off)
                score = _evenness(w, n, w.row[r, 0], w.row[r, 1], c, doubt)
                if score > best and score >= 0:
                    unit, bend, best = i, k, score
    return unit, bend


@part
def _cut_neuron(
    plan: Plan,
    b: Blocks,
    found: Found,
    stack: Stack,
    w: Scratch,
    t: Array,
    n: int,
    block: int,
    node: int,
    u0: int,
    m: int,
    rows: int,
    i: int,
    bend: int,
) -> bool:
    """Both sides of a neuron's line, as parts that wait; False where floats do not tell."""
    g, r = b.unit[u0 + i], b.rows[u0 + i]
    at = plan.first[plan.activation[g]] + bend
    c, off = _line_of(plan, w, r, at)
    zero = plan.twin[g] if plan.zero[at] else -1
    line = _add_line(found, t, node, g, bend, -1, zero, -1, w.row[r, 0], w.row[r, 1], c, off)
    for k in range(n):
        v = w.row[r, 0] * w.points[0, k, 0] + w.row[r, 1] * w.points[0, k, 1] + c
        w.signs[k] = 1 if v > 0 else -1
    t[SIGNS] += n
    above = _split(plan, found, w, 0, n, 1, line, 1)
    below = _split(plan, found, w, 0, n, -1, line, 2)
    if above < 3 or below < 3:
        t[CUTS] -= 1
        return False
    for j in range(m):
        w.touched[j], w.place[j] = w.low[j], w.high[j]
    for side in range(2):
        child = _node(found, t, node)
        for j in range(m):
            low, high = w.touched[j], w.place[j]
            if plan.twin[b.unit[u0 + j]] == plan.twin[g] and low <= bend < high:
                w.low[j], w.high[j] = (low, bend) if side else (bend + 1, high)
                if w.low[j] == w.high[j]:
                    _decide(found, t, b.unit[u0 + j], w.low[j])
        _push(stack, w, t, 1 + side, below if side else above, block, child, m, rows)
    return True


@part
def _cut_window(
    plan: Plan,
    b: Blocks,
    found: Found,
    stack: Stack,
    w: Scratch,
    t: Array,
    n: int,
    block: int,
    node: int,
    u0: int,
    r0: int,
    m: int,
    rows: int,
    i: int,
) -> bool:
    """The pieces of a part on which candidates of a window are at least all others, as parts that
    wait; False where floats do not tell.
    """
    first, last = b.rows[u0 + i], b.rows[u0 + i + 1]
    lines, depth, nodes, decisions = t[CUTS], t[DEPTH], t[NODES], t[DECISIONS]
    corners, units, held = t[HELD_CORNERS], t[HELD_UNITS], t[HELD_ROWS]
    for j in range(last - first):
        for k in range(last - first):
            w.pair[j, k] = -1
    fine = True
    for one in range(first, last):
        if w.live[one] and fine:
            fine = _piece(plan, b, found, stack, w, t, n, block, node, u0, r0, m, rows, i, one)
    w.low[i], w.high[i] = UNSETTLED, UNSETTLED
    if fine and t[DEPTH] > depth:
        return True
    t[CUTS], t[DEPTH], t[NODES], t[DECISIONS] = lines, depth, nodes, decisions
    t[HELD_CORNERS], t[HELD_UNITS], t[HELD_ROWS] = corners, units, held
    found.decided[t[NODES]] = t[DECISIONS]
    return False


@part
def _piece(
    plan: Plan,
    b: Blocks,
    found: Found,
    stack: Stack,
    w: Scratch,
    t: Array,
    n: int,
    block: int,
    node: int,
    u0: int,
    r0: int,
    m: int,
    rows: int,
    i: int,
    one: int,
) -> bool:
    """The piece of one candidate, which waits unless it has no inner point; False where floats do
    not tell.
    """
    first, last, g = b.rows[u0 + i], b.rows[u0 + i + 1], b.unit[u0 + i]
    here, count, life = 0, n, w.life[one]
    for other in range(first, last):
        if other == one or not w.live[other]:
            continue
        a0, a1, a2, off = _gap(plan, b, found, w, here, count, r0, one, other)
        t[SIGNS] += count
        up, down = False, False
        for k in range(count):
            if w.signs[k] == 2:
                return False
            up, down = up or w.signs[k] > 0, down or w.signs[k] < 0
        if not up and not down:  # the same function: the first candidate has it
            if other < one:
                return True
            if w.life[other] == ALIVE or (life == DEAD and w.life[other] == UNKNOWN):
                life = w.life[other]
            continue
        if not up:
            return True
        if down:
            j, k = min(one, other) - first, max(one, other) - first
            side = 1 if one < other else -1
            if w.pair[j, k] < 0:
                j0, k0 = b.candidate[r0 + first + j], b.candidate[r0 + first + k]
                j1, k1 = b.source[r0 + first + j], b.source[r0 + first + k]
                x, y, z = side * a0, side * a1, side * a2
                w.pair[j, k] = _add_line(found, t, node, g, j0, k0, j1, k1, x, y, z, off)
            to = 2 if here == 1 else 1
            for k2 in range(count):  # signs of the line, not of the difference
                w.signs[k2] *= side
            count = _split(plan, found, w, here, count, side, w.pair[j, k], to)
            if count < 3:
                return False
            here = to
    if life == UNKNOWN:
        a0, a1, a2, off = w.row[one, 0], w.row[one, 1], w.row[one, 2], w.row[one, 3]
        doubt, tilt = _doubt(plan, a0, a1, a2, off), (abs(a0) + abs(a1)) * _UP
        for k in range(count):
            v = a0 * w.points[here, k, 0] + a1 * w.points[here, k, 1] + a2
            if abs(v) > doubt + tilt * w.points[here, k, 2]:
                life = ALIVE
        if life == UNKNOWN:
            return False
    w.low[i] = w.high[i] = NONE if life == DEAD else b.candidate[r0 + one]
    child = _node(found, t, node)
    _decide(found, t, g, w.low[i])
    _push(stack, w, t, here, count, block, child, m, rows)
    return True


# ---- blocks


@part
def _need(b: Blocks, w: Scratch, r0: int, r: int) -> None:
    """The units that a row rests on are needed."""
    for k in range(b.start[r0 + r], b.start[r0 + r + 1]):
        w.needed[b.column[k]] = 1


@part
def _add_row(
    plan: Plan, b: Blocks, w: Scratch, r0: int, r: int, factor: float, sums: Array, top: int
) -> int:
    """A multiple (1 or -1) of a row added to the sums, with what is decided put in; how many
    columns the sums have now.
    """
    place = r0 + r
    for k in range(3):
        sums[k] += factor * b.form[place, k]
        sums[4] += abs(b.form[place, k]) * plan.sizes[k]
    sums[3] += b.form[place, 3]
    for k in range(b.start[place], b.start[place + 1]):
        v, c, e = b.column[k], factor * b.value[k], b.error[k]
        sums[5] += 1
        if _is_open(w, v):
            p = w.place[v]
            if not w.is_touched[p]:
                w.is_touched[p], w.touched[top] = 1, p
                w.sum_value[p], w.sum_error[p], w.sum_size[p] = 0.0, 0.0, 0.0
                top += 1
            w.sum_value[p] += c
            w.sum_error[p] += e
            w.sum_size[p] += abs(c)
        elif w.known[v]:
            if w.size[v] == 0.0:
                continue
            for q in range(3):
                sums[q] += c * w.form[v, q]
            sums[3] += abs(c) * w.off[v] + e * w.size[v]
            sums[4] += abs(c) * w.size[v]
        else:
            size = 0.0
            for q in range(3):
                sums[q] += c * w.own_form[v, q]
                size += abs(w.own_form[v, q]) * plan.sizes[q]
            size += w.own_form[v, 3]
            sums[3] += abs(c) * w.own_form[v, 3] + e * size
            sums[4] += abs(c) * size
            for q in range(w.own_start[v], w.own_end[v]):
                p, value, error = b.column[q], b.value[q], b.error[q]
                if not w.is_touched[p]:
                    w.is_touched[p], w.touched[top] = 1, p
                    w.sum_value[p], w.sum_error[p], w.sum_size[p] = 0.0, 0.0, 0.0
                    top += 1
                w.sum_value[p] += c * value
                w.sum_error[p] += abs(c) * error + e * (abs(value) + error)
                w.sum_size[p] += abs(c * value)
    return top


@part
def _write_sums(
    plan: Plan, b: Blocks, w: Scratch, sums: Array, top: int, slope: float, shift: float, at: int
) -> int:
    """The sums times a slope, as entries from `at` on; where they end. `sums` become the form."""
    count, exact = sums[5] + 6, slope == 1.0 and shift == 0.0
    sums[3] = (sums[3] + (count + 4) * _U * sums[4]) * _UP
    for k in range(3):
        sums[k] *= slope
    if not exact:
        sums[2] += shift
        size = abs(shift) * plan.sizes[2] + abs(slope) * sums[4]
        sums[3] = (abs(slope) * sums[3] + 8 * _U * size) * _UP
    for k in range(top):
        p = w.touched[k]
        error = (w.sum_error[p] + (count + 4) * _U * w.sum_size[p]) * _UP
        if not exact:
            error = (abs(slope) * (error + 8 * _U * w.sum_size[p])) * _UP
        b.column[at], b.value[at], b.error[at] = p, slope * w.sum_value[p], error
        w.is_touched[p] = 0
        at += 1
    return at


@part
def _renew(
    plan: Plan, b: Blocks, w: Scratch, t: Array, sums: Array, u0: int, r0: int, m: int
) -> bool:
    """A new block of the units that are undecided on the part; False where there is no room.

    Rows of decided units that others rest on stand behind what is kept while it is made.
    """
    left = 0
    for i in range(m):
        w.needed[i] = 0
        if _is_open(w, i):
            w.place[i] = left
            left += 1
    rows = 0
    for back in range(m):
        i = m - 1 - back
        first, last = b.rows[u0 + i], b.rows[u0 + i + 1]
        if _is_open(w, i):
            window = plan.window[b.unit[u0 + i]]
            for r in range(first, last):
                if not window or w.live[r] or r == b.base[u0 + i]:
                    _need(b, w, r0, r)
                    rows += 1
        elif w.needed[i] and not w.known[i]:
            if not plan.window[b.unit[u0 + i]]:
                _need(b, w, r0, first)
            else:
                for r in range(first, last):
                    if r == b.base[u0 + i] or b.candidate[r0 + r] == w.low[i]:
                        _need(b, w, r0, r)
    u1, r1, e1 = t[UNITS], t[ROWS], t[ENTRIES]
    room = b.column.shape[0]
    if (
        t[BLOCKS] + 1 >= b.head.shape[0]
        or u1 + left + 2 >= b.unit.shape[0]
        or r1 + rows + 2 >= b.life.shape[0]
        or e1 + 2 * (left + 1) >= room
    ):
        return False
    # pending rows from the end of the room on, downwards: each at most `left` entries
    floor, unit, row = room, 0, 0
    for i in range(m):
        g = b.unit[u0 + i]
        first, last = b.rows[u0 + i], b.rows[u0 + i + 1]
        if not _is_open(w, i):
            if not w.needed[i] or w.known[i]:
                continue
            for k in range(6):
                sums[k] = 0.0
            slope, shift, top = 1.0, 0.0, 0
            if plan.window[g]:
                for r in range(first, last):
                    if b.candidate[r0 + r] == w.low[i]:
                        top = _add_row(plan, b, w, r0, r, 1.0, sums, top)
                top = _add_row(plan, b, w, r0, b.base[u0 + i], -1.0, sums, top)
            else:
                act = plan.activation[g]
                piece = plan.first[act] + act + w.low[i]
                slope, shift = plan.slope[piece], plan.shift[piece]
                top = _add_row(plan, b, w, r0, first, 1.0, sums, top)
            if floor - top <= e1 + left + 1:
                for k in range(top):
                    w.is_touched[w.touched[k]] = 0
                return False
            floor -= top
            w.own_start[i] = floor
            w.own_end[i] = _write_sums(plan, b, w, sums, top, slope, shift, floor)
            for k in range(4):
                w.own_form[i, k] = sums[k]
            continue
        b.unit[u1 + unit], b.rows[u1 + unit], b.base[u1 + unit] = g, row, -1
        b.low[u1 + unit], b.high[u1 + unit] = w.low[i], w.high[i]
        window = plan.window[g]
        for r in range(first, last):
            if window and not w.live[r] and r != b.base[u0 + i]:
                continue
            if r == b.base[u0 + i]:
                b.base[u1 + unit] = row
            for k in range(6):
                sums[k] = 0.0
            top, local = 0, b.local[r0 + r]
            life, source = b.life[r0 + r], b.source[r0 + r]
            if window and local >= 0 and not _is_open(w, local):
                life, local = _life_of(plan, b.unit[u0 + local], w.low[local]), -1
            if not window or life != DEAD:
                top = _add_row(plan, b, w, r0, r, 1.0, sums, top)
            if floor - top <= e1 + left + 1:
                for k in range(top):
                    w.is_touched[w.touched[k]] = 0
                return False
            b.start[r1 + row] = e1
            if life == DEAD and window:
                b.form[r1 + row, 3] = 0.0
                for k in range(3):
                    b.form[r1 + row, k] = 0.0
            else:
                e1 = _write_sums(plan, b, w, sums, top, 1.0, 0.0, e1)
                for k in range(4):
                    b.form[r1 + row, k] = sums[k]
            b.life[r1 + row], b.source[r1 + row] = life, source
            b.local[r1 + row] = w.place[local] if local >= 0 else -1
            b.candidate[r1 + row] = b.candidate[r0 + r]
            b.live[r1 + row] = w.live[r] if window else 1
            row += 1
        unit += 1
    b.rows[u1 + unit], b.start[r1 + row] = row, e1
    block = t[BLOCKS]
    b.head[block, 0], b.head[block, 1], b.head[block, 2] = u1, r1, t[ENTRIES]
    b.size[block, 0], b.size[block, 1] = unit, row
    t[BLOCKS], t[UNITS], t[ROWS], t[ENTRIES] = block + 1, u1 + unit + 1, r1 + row + 1, e1
    return True


@part
def _let_go(b: Blocks, t: Array, block: int) -> None:
    """Let the blocks behind one go."""
    if t[BLOCKS] > block + 1:
        t[BLOCKS] = block + 1
        t[UNITS] = b.head[block, 0] + b.size[block, 0] + 1
        t[ROWS] = b.head[block, 1] + b.size[block, 1] + 1
        t[ENTRIES] = b.start[t[ROWS] - 1]


@part
def _has_room(stack: Stack, found: Found, t: Array, m: int, rows: int, most: int) -> int:
    """The class of arrays that may be too short for one part more, 0 for none."""
    parts = most + 2
    if (
        t[DEPTH] + parts > stack.head.shape[0]
        or t[HELD_CORNERS] + parts * CORNERS > stack.side.shape[0]
        or t[HELD_UNITS] + parts * m > stack.low.shape[0]
        or t[HELD_ROWS] + parts * rows > stack.live.shape[0]
    ):
        return ROOM_STACK
    if (
        t[NODES] + parts + 2 > found.parent.shape[0]
        or t[DECISIONS] + 3 * m + parts > found.unit.shape[0]
        or t[CUTS] + parts * parts > found.cut.shape[0]
        or t[PARTS] + 2 > found.kind.shape[0]
        or t[PART_CORNERS] + CORNERS > found.side.shape[0]
    ):
        return ROOM_FOUND
    return 0


@part
def _emit(found: Found, w: Scratch, t: Array, kind: int, node: int, n: int) -> None:
    """A part that is found."""
    k, at = t[PARTS], t[PART_CORNERS]
    found.kind[k], found.node[k], found.begin[k + 1] = kind, node, at + n
    for j in range(n):
        for c in range(3):
            found.corner[at + j, c] = w.points[0, j, c]
        found.side[at + j] = w.sides[0, j]
    t[PARTS] += 1
    t[PART_CORNERS] += n
    t[FOUND_CELLS] += kind == CELL


@kernel
def cut(
    plan: Plan,
    blocks: Blocks,
    stack: Stack,
    found: Found,
    scratch: Scratch,
    counters: Array,
    sums: Array,
    most_candidates: int,
    most: int,
    alarm: Array,
) -> int:
    """Cut the parts that wait until none is left; why it ended.

    `most` is the number of cells after which it ends, `alarm` an array of one that turns from 0
    when time is up. Cost: for every part the entries of its block's rows.
    """
    b, w, t = blocks, scratch, counters
    while t[DEPTH] > 0:
        if alarm[0] != 0:
            return STOPPED
        if t[FOUND_CELLS] >= most:
            return ENOUGH
        d = t[DEPTH] - 1
        block, node, n = stack.head[d, 0], stack.head[d, 1], stack.head[d, 5]
        _let_go(b, t, block)
        u0, r0 = b.head[block, 0], b.head[block, 1]
        m, rows = b.size[block, 0], b.size[block, 1]
        why = _has_room(stack, found, t, m, rows, most_candidates)
        if why:
            return why
        at, units, held = stack.head[d, 2], stack.head[d, 3], stack.head[d, 4]
        for k in range(n):
            for c in range(3):
                w.points[0, k, c] = stack.corner[at + k, c]
            w.sides[0, k] = stack.side[at + k]
        for i in range(m):
            w.low[i], w.high[i], w.doubtful[i] = stack.low[units + i], stack.high[units + i], 0
        for r in range(rows):
            w.live[r] = stack.live[held + r]
        left = _pass(plan, b, found, w, n, u0, r0, m)
        renewed = left and m > _SMALL and left < _FEW * m
        if renewed and not _renew(plan, b, w, t, sums, u0, r0, m):
            return ROOM_BLOCKS
        # from here on the part is taken
        t[DEPTH], t[HELD_CORNERS], t[HELD_UNITS], t[HELD_ROWS] = d, at, units, held
        first = True
        for i in range(m):
            if not _is_open(w, i) and (
                stack.low[units + i] != stack.high[units + i] or stack.low[units + i] == UNSETTLED
            ):
                if first:
                    node, first = _node(found, t, node), False
                _decide(found, t, b.unit[u0 + i], w.low[i])
        if not left:
            _emit(found, w, t, CELL, node, n)
            continue
        if renewed:  # what the new block says may differ by roundings
            block = t[BLOCKS] - 1
            u0, m, rows = b.head[block, 0], b.size[block, 0], b.size[block, 1]
            for i in range(m):
                w.low[i], w.high[i] = b.low[u0 + i], b.high[u0 + i]
            for r in range(rows):
                w.live[r] = b.live[b.head[block, 1] + r]
            _push(stack, w, t, 0, n, block, node, m, rows)
            continue
        done = False
        while not done:
            i, bend = _choose(plan, b, w, n, u0, r0, m)
            if i < 0:
                break
            if plan.window[b.unit[u0 + i]]:
                done = _cut_window(plan, b, found, stack, w, t, n, block, node, u0, r0, m, rows, i)
            else:
                done = n + 2 <= CORNERS and _cut_neuron(
                    plan, b, found, stack, w, t, n, block, node, u0, m, rows, i, bend
                )
            w.doubtful[i] = not done
        if not done:
            _emit(found, w, t, OPEN, node, n)
    return DONE


@kernel
def expand(
    found: Found,
    nodes: Array,
    first_bit: Array,
    symbols: Array,
    first_symbol: Array,
    path: Array,
    on_path: Array,
    own: Array,
    codes: Array,
) -> None:
    """The packed codes of parts by their nodes, in the order in which they were found.

    `first_bit` has where the bits of every unit begin, a neuron of p pieces with p - 1 of them; a
    window's winner j has the symbol `symbols[first_symbol + j + 1]`, its number of bits in front,
    in `symbols[first_symbol - 1]`. `own` is the packed code of what is decided from the start,
    `path` and `on_path` room for a number for every node.
    """
    depth = 0
    for part in range(nodes.shape[0]):
        top, node = 0, nodes[part]
        while node >= 0 and not on_path[node]:
            top += 1
            node = found.parent[node]
        while depth > 0 and path[depth - 1] != node:
            depth -= 1
            on_path[path[depth]] = 0
            _flip(found, path[depth], first_bit, symbols, first_symbol, own)
        node, depth = nodes[part], depth + top
        for k in range(top):
            path[depth - 1 - k], on_path[node] = node, 1
            _flip(found, node, first_bit, symbols, first_symbol, own)
            node = found.parent[node]
        for k in range(own.shape[0]):
            codes[part, k] = own[k]


@part
def _flip(
    found: Found, node: int, first_bit: Array, symbols: Array, first_symbol: Array, own: Array
) -> None:
    """Write the decisions of a node, or take them back: the bits were 0 before."""
    for k in range(found.decided[node], found.decided[node + 1]):
        unit, taken = found.unit[k], found.taken[k]
        bit = first_bit[unit]
        if first_symbol[unit] < 0:
            for j in range(taken):
                own[(bit + j) >> 3] ^= np.uint8(128 >> ((bit + j) & 7))
        else:
            wide, symbol = symbols[first_symbol[unit] - 1], symbols[first_symbol[unit] + taken + 1]
            for j in range(wide):
                if (symbol >> (wide - 1 - j)) & 1:
                    own[(bit + j) >> 3] ^= np.uint8(128 >> ((bit + j) & 7))
