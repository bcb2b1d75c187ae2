"""Circles on the unit sphere in compiled loops: which meet, where along each other, arcs, walks.

A circle is a row of eleven float64: unit normal nu, height h (the circle is `nu . z = h`, its
positive side `nu . z > h`), `1 - h^2`, and an orthonormal frame a, b with `a x b = nu`. Every entry
is at most 1 in size and within U = 2^-53 of a real number. Circle i runs counter-clockwise about
nu_i, by the angle from a_i towards b_i.

With g = nu_i . nu_j, T = g - h_i h_j and Delta = (1 - h_i^2)(1 - h_j^2) - T^2, two circles cross
iff Delta > 0. Along circle i, the positive side of j is entered and left at the directions `(p1 q +
p2 s, p2 q - p1 s)` and `(p1 q - p2 s, p2 q + p1 s)` of the frame, where p = (nu_j . a_i, nu_j .
b_i), q = h_j - h_i g and s = sqrt(Delta).

Errors (Higham 2002, 3.1; first order, the slack covers the rest): a dot product of two rows 7 U, T
13 U, Delta 80 U, q 13 U, s its share `E / s` of Delta's E = 128 U and U more; a coordinate of a
direction e = 48 U + E / s. The diamond angle, in [0, 4), has the slope 1 / (|x| + |y|) at most in
either coordinate together, so it errs by `e / (|x| + |y| - 4 e)` and 16 U rounding.

A slot is one circle met by another: `neighbour[t]`, with the same meeting seen from there at
`twin[t]`. Its points are 2t, where the neighbour's positive side is entered, and 2t + 1, where it
is left. Entering i along j is leaving j along i.

Longer than others: numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

U = 2.0**-53
_E = 128 * U
_WIDEST = 2.0**-24  # of an enclosure; wider ones are made anew in balls

Array = np.ndarray[Any, Any]


@numba.njit(cache=True, nogil=True, inline="always")
def _delta(rows: Array, i: int, j: int) -> float:
    """Delta of circles i and j (rows of eleven), within 80 U."""
    g = rows[i, 0] * rows[j, 0] + rows[i, 1] * rows[j, 1] + rows[i, 2] * rows[j, 2]
    t = g - rows[i, 3] * rows[j, 3]
    return rows[i, 4] * rows[j, 4] - t * t


@numba.njit(cache=True, nogil=True)
def count_meetings(rows: Array, first: int, counts: Array, asked: Array) -> int:
    """Count for every circle those it certainly crosses; list in `asked` the pairs that floats do
    not decide.

    Pairs i < j with j >= first. Returns the number of pairs to be asked, which may exceed the room
    in `asked`.
    """
    unknown = 0
    for i in range(len(rows)):
        for j in range(max(i + 1, first), len(rows)):
            # beyond its error Delta's sign is certain; between, the pair is asked
            delta = _delta(rows, i, j)
            if delta > _E:
                counts[i] += 1
                counts[j] += 1
            elif not delta < -_E:
                if unknown < len(asked):
                    asked[unknown, 0], asked[unknown, 1] = i, j
                unknown += 1
    return unknown


@numba.njit(cache=True, nogil=True)
def fill_slots(
    rows: Array, starts: Array, asked: Array, meets: Array, neighbour: Array, twin: Array
) -> None:
    """Write the slots of every circle, neighbours ascending; `meets` answers the pairs asked, in
    their order.
    """
    # slots of circle i are starts[i] .. starts[i + 1]; room[i] is the next free one. Pairs come in
    # ascending order, so that neighbours do
    room, question = starts[:-1].copy(), 0
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            if question < len(asked) and asked[question, 0] == i and asked[question, 1] == j:
                joined = meets[question]
                question += 1
            else:
                joined = _delta(rows, i, j) > _E
            if joined:
                s, t = room[i], room[j]
                neighbour[s], neighbour[t] = j, i
                twin[s], twin[t] = t, s
                room[i] += 1
                room[j] += 1


@numba.njit(cache=True, nogil=True)
def fill_pairs(pairs: Array, starts: Array, neighbour: Array, twin: Array) -> None:
    """The same from the list of all pairs that meet, in ascending order."""
    room = starts[:-1].copy()
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        s, t = room[i], room[j]
        neighbour[s], neighbour[t] = j, i
        twin[s], twin[t] = t, s
        room[i] += 1
        room[j] += 1


@numba.njit(cache=True, nogil=True)
def enclose(rows: Array, i: int, others: Array, low: Array, high: Array, hard: Array) -> int:
    """Enclose the diamond angles at which circle i meets the others; list those it cannot in `hard`
    and count them.

    Point 2k of `low` and `high` is where the positive side of `others[k]` is entered, 2k + 1 where
    it is left; 0 <= low < 4.
    """
    missed = 0
    h = rows[i, 3]
    for k in range(len(others)):
        j = others[k]
        g = rows[i, 0] * rows[j, 0] + rows[i, 1] * rows[j, 1] + rows[i, 2] * rows[j, 2]
        p = rows[j, 0] * rows[i, 5] + rows[j, 1] * rows[i, 6] + rows[j, 2] * rows[i, 7]
        r = rows[j, 0] * rows[i, 8] + rows[j, 1] * rows[i, 9] + rows[j, 2] * rows[i, 10]
        t = g - h * rows[j, 3]
        delta = rows[i, 4] * rows[j, 4] - t * t
        q = rows[j, 3] - h * g
        known = delta > 2 * _E
        # both directions (x, y) of the frame, s of either sign; e bounds the error of a coordinate
        if known:
            s = np.sqrt(delta)
            e = 48 * U + 1.0001 * _E / s
            for side in range(2):
                if side == 1:
                    s = -s
                x, y = p * q + r * s, r * q - p * s
                size = abs(x) + abs(y)
                if not size > 8 * e:
                    known = False
                    break
                error = e / (size - 4 * e) + 16 * U
                if not error < _WIDEST:
                    known = False
                    break
                # the diamond angle of (x, y), by the quarter in which it is steep or flat
                if abs(x) < abs(y):
                    sigma = 1.0 - x / size if y > 0.0 else 3.0 + x / size
                else:
                    sigma = y / size if x > 0.0 else 2.0 - y / size
                if sigma - error < 0.0:
                    sigma += 4.0
                low[2 * k + side] = sigma - error
                high[2 * k + side] = sigma + error
        if not known:
            hard[missed] = k
            missed += 1
    return missed


@numba.njit(cache=True, nogil=True)
def write_keys(low: Array, keys: Array, shift: int) -> None:
    """Keys that sort like lower bounds: the bound in units of 2^-(61 - shift), at most 2^-50, then
    the index of the point.
    """
    scale = 2.0 ** min(61 - shift, 50)
    for k in range(len(low)):
        keys[k] = (np.uint64(low[k] * scale) << np.uint64(shift)) | np.uint64(k)


@numba.njit(cache=True, nogil=True)
def certain_order(
    keys: Array, high: Array, shift: int, points: Array, offset: int, tied: Array
) -> int:
    """Read the cyclic order off sorted keys; `tied[k]` says that point k is not certainly after the
    one before.

    Begins at a point that is certainly after all before it. Returns the number of uncertain points,
    -1 when there is no such point. Between k - 1 and k the order is certain iff the upper bounds of
    all before k, those that wrap around included, are below the lower bound of k, which is the
    least of the rest.
    """
    n, scale = len(keys), 2.0 ** min(61 - shift, 50)
    mask = (np.uint64(1) << np.uint64(shift)) - np.uint64(1)
    # points whose enclosures pass 4 come again below zero
    wrapped = -1.0
    for k in range(n):
        wrapped = max(wrapped, high[k] - 4.0)
    begin = -1
    reach = wrapped
    for k in range(n):
        if np.float64(keys[k] >> np.uint64(shift)) / scale > reach:
            begin = k
            break
        reach = max(reach, high[np.int64(keys[k] & mask)])
    if begin < 0:
        return -1
    # reach: the largest upper bound of all points with lower keys, and of those that wrap around
    uncertain = 0
    reach = wrapped
    for k in range(begin):
        reach = max(reach, high[np.int64(keys[k] & mask)])
    for k in range(n):
        at = begin + k if begin + k < n else begin + k - n
        if at == 0:
            reach = wrapped
        point = np.int64(keys[at] & mask)
        sure = np.float64(keys[at] >> np.uint64(shift)) / scale > reach
        tied[k] = 0 if sure else 1
        uncertain += 0 if sure else 1
        points[k] = offset + point
        reach = max(reach, high[point])
    return uncertain


@numba.njit(cache=True, nogil=True)
def number_arcs(
    starts: Array,
    points: Array,
    tied: Array,
    out: Array,
    arc_circle: Array,
    lead: Array,
    first_arc: Array,
) -> int:
    """Number the arcs along every circle, from the first neighbour's entry; returns their number.

    `out[p]` is the arc that leaves point p, `lead[e]` a point at the start of arc e (that with the
    least index; -1 for a whole circle), `first_arc[i]` the first arc of circle i. Tied points are
    equal.
    """
    arc = 0
    for i in range(len(starts) - 1):
        first_arc[i] = arc
        begin, end = 2 * starts[i], 2 * starts[i + 1]
        if begin == end:
            arc_circle[arc], lead[arc] = i, -1
            arc += 1
            continue
        at = begin
        while points[at] != begin:
            at += 1
        # back to the first of the points that are one with the first neighbour's entry
        while tied[at]:
            at -= 1
        arc -= 1
        # once around: an arc begins at every point that is not one with the point before
        for _ in range(end - begin):
            p = points[at]
            if not tied[at]:
                arc += 1
                arc_circle[arc], lead[arc] = i, p
            lead[arc] = min(lead[arc], p)
            out[p] = arc
            at = at + 1 if at + 1 < end else begin
        arc += 1
    first_arc[len(starts) - 1] = arc
    return arc


@numba.njit(cache=True, nogil=True, inline="always")
def _root(parent: Array, x: int) -> int:
    """The root of a class, halving the path to it."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@numba.njit(cache=True, nogil=True, inline="always")
def _join(parent: Array, a: int, b: int) -> bool:
    """Join two classes, the lesser root being that of both; whether they were two."""
    a, b = _root(parent, a), _root(parent, b)
    if a == b:
        return False
    if a < b:
        parent[b] = a
    else:
        parent[a] = b
    return True


@numba.njit(cache=True, nogil=True)
def unite(parent: Array, pairs: Array) -> int:
    """Join the classes of every pair, the least member being the root; returns how many joins
    changed something.
    """
    effective = 0
    for k in range(len(pairs)):
        if _join(parent, pairs[k, 0], pairs[k, 1]):
            effective += 1
    return effective


@numba.njit(cache=True, nogil=True)
def number_classes(parent: Array, numbers: Array) -> int:
    """Number the classes by their least members; returns how many there are."""
    count = 0
    for x in range(len(parent)):
        root = _root(parent, x)
        if root == x:
            numbers[x] = count
            count += 1
        else:
            numbers[x] = numbers[root]
    return count


@numba.njit(cache=True, nogil=True)
def components(starts: Array, neighbour: Array, parent: Array) -> None:
    """Join circles that meet."""
    for i in range(len(starts) - 1):
        for t in range(starts[i], starts[i + 1]):
            _join(parent, i, neighbour[t])


@numba.njit(cache=True, nogil=True)
def number_vertices(
    starts: Array,
    twin: Array,
    out: Array,
    first_arc: Array,
    lead: Array,
    ends: Array,
    vertex_point: Array,
) -> int:
    """Write the ends of every arc and a point of every vertex; vertices are numbered by their first
    arcs.

    Arcs that start where circles meet start in one vertex; the classes are built in the column
    `ends[:, 1]`.
    """
    parent = ends[:, 1]
    for e in range(len(lead)):
        parent[e] = e
    # entering i along j is leaving j along i: the arcs that leave both points start in one vertex
    for t in range(len(twin)):
        if twin[t] > t:
            _join(parent, out[2 * t], out[2 * twin[t] + 1])
            _join(parent, out[2 * t + 1], out[2 * twin[t]])
    count = 0
    for e in range(len(lead)):
        if lead[e] < 0:
            ends[e, 0] = -1
            continue
        root = _root(parent, e)
        if root == e:
            ends[e, 0], vertex_point[count] = count, lead[e]
            count += 1
        else:
            ends[e, 0] = ends[root, 0]
    # an arc ends where the next one of its circle starts
    for i in range(len(starts) - 1):
        begin, end = first_arc[i], first_arc[i + 1]
        for e in range(begin, end):
            ends[e, 1] = ends[e + 1 if e + 1 < end else begin, 0]
    return count


@numba.njit(cache=True, nogil=True)
def link_simple(
    starts: Array,
    neighbour: Array,
    twin: Array,
    points: Array,
    tied: Array,
    out: Array,
    first_arc: Array,
    following: Array,
    crowded: Array,
) -> int:
    """Link the half-edges at vertices where two circles cross; mark in `crowded` the arcs that
    leave other vertices.

    Leaving j along i at a point, the directions of i, j, -i, -j come in counter-clockwise order,
    and a walk goes on along the half-edge that is next clockwise. Returns the number of arcs
    marked.
    """
    marked = 0
    for i in range(len(starts) - 1):
        begin, end = 2 * starts[i], 2 * starts[i + 1]
        first, last = first_arc[i], first_arc[i + 1] - 1
        if begin == end:
            following[2 * first], following[2 * first + 1] = 2 * first, 2 * first + 1
            continue
        for at in range(begin, end):
            after = at + 1 if at + 1 < end else begin
            p = points[at]
            # more than two circles here: the caller links these
            if tied[at] or tied[after]:
                marked += 0 if crowded[out[p]] else 1
                crowded[out[p]] = 1
            elif p & 1:
                # at a crossing: two arcs begin (own, other) and two end (before, prior); half-edge
                # 2e runs along arc e, 2e + 1 against it
                j, own = neighbour[p >> 1], out[p]
                other = out[2 * twin[p >> 1]]
                before = own - 1 if own > first else last
                prior = other - 1 if other > first_arc[j] else first_arc[j + 1] - 1
                following[2 * other + 1] = 2 * own
                following[2 * before] = 2 * other
                following[2 * prior] = 2 * before + 1
                following[2 * own + 1] = 2 * prior + 1
    return marked


@numba.njit(cache=True, nogil=True)
def trace_walks(following: Array, walk_of: Array) -> int:
    """Number the closed walks by their least half-edges; returns their number, -1 when a walk does
    not close.
    """
    count = 0
    walk_of[:] = -1
    for start in range(len(following)):
        if walk_of[start] >= 0:
            continue
        h = start
        # where `following` is a permutation, the walk ends where it began
        while walk_of[h] < 0:
            walk_of[h] = count
            h = following[h]
        if h != start:
            return -1
        count += 1
    return count


@numba.njit(cache=True, nogil=True)
def sides(walk_of: Array, cell_of_walk: Array, arc_sides: Array) -> None:
    """The cells on both sides of every arc."""
    for e in range(len(arc_sides)):
        arc_sides[e, 0] = cell_of_walk[walk_of[2 * e]]
        arc_sides[e, 1] = cell_of_walk[walk_of[2 * e + 1]]


@numba.njit(cache=True, nogil=True)
def float_points(
    rows: Array, circle: Array, other: Array, leaving: Array, frame: Array, result: Array
) -> None:
    """Points where circles are met, approximately, in the coordinates that the matrix `frame` leads
    to; NaN if unclear.
    """
    for k in range(len(circle)):
        i, j = circle[k], other[k]
        g = rows[i, 0] * rows[j, 0] + rows[i, 1] * rows[j, 1] + rows[i, 2] * rows[j, 2]
        p = rows[j, 0] * rows[i, 5] + rows[j, 1] * rows[i, 6] + rows[j, 2] * rows[i, 7]
        r = rows[j, 0] * rows[i, 8] + rows[j, 1] * rows[i, 9] + rows[j, 2] * rows[i, 10]
        delta = _delta(rows, i, j)
        s = np.sqrt(delta) if delta > 0.0 else 0.0
        if leaving[k]:
            s = -s
        q = rows[j, 3] - rows[i, 3] * g
        # as in `enclose`: a direction of circle i's frame a, b
        x, y = p * q + r * s, r * q - p * s
        size = np.sqrt(x * x + y * y)
        clear = size > _WIDEST
        radius = np.sqrt(rows[i, 4]) / size if clear else np.nan
        for axis in range(3):
            total = 0.0
            for c in range(3):
                # h nu + sqrt(1 - h^2) (x a + y b) / |(x, y)|
                z = rows[i, 3] * rows[i, c] + radius * (x * rows[i, 5 + c] + y * rows[i, 8 + c])
                total += frame[axis, c] * z
            result[k, axis] = total
