"""Strict linear feasibility in float64 with certificates: a small dense simplex, and loops of
engines built on it.

A row (a, b) of length d + 1 stands for the open halfspace a . x + b > 0 with exact coefficients
within 4 U |entry| + TINY of a positive multiple of the row's entries (U = 2^-53); a row with a NaN
decides nothing. A float64 point is exact as it stands. The simplex works on the dual of `max t :
a_i . x + b_i >= t, t <= 1` and only proposes. What is returned as OPEN has been checked to lie
inside every row by the bound of Higham 2002, section 3.1, on dot products; what is returned as
CLOSED has an exact Farkas vector near the float one (Rump 1999: |y* - y| <= |R r| / (1 - |I - R B|)
for an approximate inverse R of the basis B and the residual r). Everything else is UNDECIDED and
left to exact arithmetic.

`alarm` is an array of one integer: as soon as another thread sets it, what is going on ends as
UNDECIDED (see exact.geometry.budgets).

Longer than others: numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

OPEN, CLOSED, UNDECIDED = 1, 0, -1
# basis members: the bound t <= 1; FIXED - j: coordinate j, which no row can move
CAP, FIXED = (-1, -2)

_U = 2.0**-53
_TINY = 2.0**-500
_SMALL = 2.0**-32  # pivots below this are not used; a proposal may fail
_SLACK = 2.0**-40  # a row is violated beyond this, against the size of the point

Array = np.ndarray[Any, Any]


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@numba.njit(cache=True, nogil=True)
def side(row: Array, x: Array) -> int:
    """The certain sign of a row at a float point, or 0."""
    d = x.shape[0]
    value, size, spread = row[d], abs(row[d]), 1.0
    for j in range(d):
        term = row[j] * x[j]
        value += term
        size += abs(term)
        spread += abs(x[j])
    # rounding of d + 1 terms (Higham 3.1), 4 U of each entry, TINY of each for underflow
    bound = (d + 9) * _U * size + (d + 4) * _TINY * spread
    if value > bound:
        return 1
    return -1 if -value > bound else 0


@numba.njit(cache=True, nogil=True)
def all_inside(rows: Array, count: int, skip: int, x: Array) -> bool:
    """Whether the point is certainly inside the first `count` rows, row `skip` left out."""
    for i in range(count):  # noqa: SIM110 - numba compiles loops, not generators
        if i != skip and side(rows[i], x) != 1:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def points_inside(rows: Array, points: Array) -> Array:
    """Which of the points are certainly inside all rows."""
    found = np.zeros(points.shape[0], np.bool_)
    for i in range(points.shape[0]):
        found[i] = all_inside(rows, rows.shape[0], -1, points[i])
    return found


@part
def shorten(x: Array, radius: float) -> None:
    """Round a point in place to the coarsest dyadic grid whose error is below half the radius;
    leave it where that fails.
    """
    d = x.shape[0]
    if not 2.0**-400 < radius < 2.0**400:
        return
    # a step of the grid is at most radius / (2 sqrt d): the point moves by a quarter of the radius
    # at most
    bits = int(np.ceil(-np.log2(radius / np.sqrt(d)))) + 1
    scale = 2.0 ** float(bits)
    for j in range(d):
        y = x[j] * scale
        if abs(y) < 2.0**52:
            x[j] = np.rint(y) / scale


@numba.njit(cache=True, nogil=True)
def settle(rows: Array, x: Array) -> bool:
    """Round a point in place as far as its distance to the rows allows; whether it is then
    certainly inside all of them.
    """
    count, d = rows.shape[0], x.shape[0]
    radius = 1.0
    # the least value stands for the distance to the nearest row; what comes of it is checked below
    for i in range(count):
        value = rows[i, d]
        for j in range(d):
            value += rows[i, j] * x[j]
        radius = min(radius, value)
    shorten(x, radius)
    return all_inside(rows, count, -1, x)


@part
def _column(rows: Array, member: int, out: Array) -> None:
    """The column of a basis member: (a, 1) of a row, (0, 1) of the cap, a unit vector of a fixed
    coordinate.
    """
    d = out.shape[0] - 1
    if member >= 0:
        for j in range(d):
            out[j] = rows[member, j]
        out[d] = 1.0
        return
    out[:] = 0.0
    out[d if member == CAP else FIXED - member] = 1.0


@part
def _crash(rows: Array, count: int, basis: Array, alarm: Array) -> None:
    """Write a start basis: rows that look independent (Gauss-Jordan), fixed coordinates for the
    rest, and the cap.
    """
    d = rows.shape[1] - 1
    reduced = np.empty((d, d))
    pivots = np.full(d, -1, np.int64)
    size, work = 0, np.empty(d)
    # reduced[:size] are independent rows in echelon form with pivots pivots[:size]; `work` is row i
    # without their parts
    for i in range(count):
        if size == d or alarm[0] != 0:
            break
        for j in range(d):
            work[j] = rows[i, j]
        for k in range(size):
            factor = work[pivots[k]]
            if factor != 0.0:
                for j in range(d):
                    work[j] -= factor * reduced[k, j]
        best = 0
        for j in range(1, d):
            if abs(work[j]) > abs(work[best]):
                best = j
        if abs(work[best]) > 2.0**-20:
            for j in range(d):
                reduced[size, j] = work[j] / work[best]
            pivots[size] = best
            basis[size] = i
            size += 1
    # a coordinate without a pivot: no row chosen moves it, and a unit vector takes its place
    taken = np.zeros(d, np.uint8)
    for k in range(size):
        taken[pivots[k]] = 1
    for j in range(d):
        if not taken[j]:
            basis[size] = FIXED - j
            size += 1
    basis[d] = CAP


@part
def _factor(rows: Array, basis: Array, inverse: Array, alarm: Array) -> bool:
    """The inverse of the basis matrix (columns are the members) by Gauss-Jordan; False when it
    looks singular, or late.
    """
    n = basis.shape[0]
    a = np.empty((n, n))
    column = np.empty(n)
    # a (n x n): the members as columns
    for k in range(n):
        _column(rows, basis[k], column)
        for i in range(n):
            a[i, k] = column[i]
    for i in range(n):
        for j in range(n):
            inverse[i, j] = 1.0 if i == j else 0.0
    # columns before k of `a` are those of the identity, and inverse x (the first a) = a
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[best, k]):
                best = i
        if alarm[0] != 0 or not abs(a[best, k]) > _SMALL:
            return False
        if best != k:
            for j in range(n):
                a[k, j], a[best, j] = a[best, j], a[k, j]
                inverse[k, j], inverse[best, j] = inverse[best, j], inverse[k, j]
        scale = 1.0 / a[k, k]
        for j in range(n):
            a[k, j] *= scale
            inverse[k, j] *= scale
        for i in range(n):
            if i != k and a[i, k] != 0.0:
                factor = a[i, k]
                for j in range(n):
                    a[i, j] -= factor * a[k, j]
                    inverse[i, j] -= factor * inverse[k, j]
    return True


@part
def _start(rows: Array, count: int, basis: Array, inverse: Array, alarm: Array) -> bool:
    """Factor the proposed basis if it is one with weights >= 0, else a crash basis."""
    n = basis.shape[0]
    if basis[n - 1] != FIXED - n and _factor(rows, basis, inverse, alarm):
        # weights of the rows and the cap are the last column of the inverse; a coordinate that is
        # fixed may have any sign
        good = True
        for k in range(n):
            if basis[k] > CAP - 1 and inverse[k, n - 1] < -_SMALL:
                good = False
        if good:
            return True
    _crash(rows, count, basis, alarm)
    return _factor(rows, basis, inverse, alarm)


@numba.njit(cache=True, nogil=True)
def propose(rows: Array, count: int, basis: Array, inverse: Array, x: Array, alarm: Array) -> float:
    """Solve `max t` in floats from `basis`; writes the last basis, its inverse and the point, and
    returns t, or NaN.

    A basis whose last member is FIXED - n, n = d + 1, asks for a start from nothing. Stops early
    once t < 0.
    """
    if not _start(rows, count, basis, inverse, alarm):
        return np.nan
    return _improve(rows, count, basis, inverse, x, alarm)


@part
def _improve(
    rows: Array, count: int, basis: Array, inverse: Array, x: Array, alarm: Array
) -> float:
    """As `propose`, from a basis whose inverse is known."""
    n = basis.shape[0]
    d = n - 1
    column, change, prices = np.empty(n), np.empty(n), np.empty(n)
    for step in range(200 + 20 * (count + n)):
        if alarm[0] != 0:
            return np.nan
        if step % 64 == 63 and not _factor(rows, basis, inverse, alarm):
            return np.nan
        # prices c_B B^-1: x is minus the first d of them, t the last
        prices[:] = 0.0
        for k in range(n):
            cost = rows[basis[k], d] if basis[k] >= 0 else (1.0 if basis[k] == CAP else 0.0)
            for j in range(n):
                prices[j] += cost * inverse[k, j]
        t = prices[d]
        for j in range(d):
            x[j] = -prices[j]
        reach = 1.0
        for j in range(d):
            reach = max(reach, abs(x[j]))
        # the objective only falls: no point is inside all rows
        if t < -_SMALL * reach:
            return t
        # the row that x violates most enters: a . x + b - t is its reduced cost; or the cap, 1 - t
        entering, worst = FIXED, -_SLACK * reach
        for i in range(count):
            gap = rows[i, d] - t
            for j in range(d):
                gap += rows[i, j] * x[j]
            if gap < worst:
                entering, worst = i, gap
        if 1.0 - t < worst:
            entering, worst = CAP, 1.0 - t
        if entering == FIXED:
            return t
        _column(rows, entering, column)
        # change = B^-1 (entering column); the least ratio of weight to change leaves, among equal
        # ones the largest change
        leaving, least = -1, np.inf
        for k in range(n):
            total = 0.0
            for j in range(n):
                total += inverse[k, j] * column[j]
            change[k] = total
            # a row moves this coordinate: it has weight zero, so the step is
            if basis[k] <= FIXED and abs(total) > _SMALL:
                leaving, least = k, -np.inf
            if total > _SMALL and basis[k] >= CAP and least >= 0.0:
                ratio = max(inverse[k, d], 0.0) / total
                if ratio < least - 2.0**-45 or (
                    ratio < least + 2.0**-45 and total > change[leaving]
                ):
                    least = min(ratio, least)
                    leaving = k
        if leaving < 0:
            return np.nan
        # the inverse of the new basis: one step of Gauss-Jordan
        scale = 1.0 / change[leaving]
        for j in range(n):
            inverse[leaving, j] *= scale
        for k in range(n):
            if k != leaving and change[k] != 0.0:
                for j in range(n):
                    inverse[k, j] -= change[k] * inverse[leaving, j]
        basis[leaving] = entering
    return np.nan


@numba.njit(cache=True, nogil=True)
def is_closed(rows: Array, basis: Array, inverse: Array, alarm: Array) -> bool:
    """Whether an exact Farkas vector on the rows of the basis exists for certain: weights > 0,
    offsets that sum to < 0.
    """
    n = basis.shape[0]
    d = n - 1
    # B y = (0, ..., 0, 1): weights y of the rows that cancel the normals and sum to 1, near the
    # last column of R
    matrix, weights, column = np.empty((n, n)), np.empty(n), np.empty(n)
    for k in range(n):
        if basis[k] < 0:
            return False
        _column(rows, basis[k], column)
        weights[k] = inverse[k, d]
        for i in range(n):
            matrix[i, k] = column[i]
    # bounds on |B y - (0, ..., 0, 1)|, entry by entry, with the errors of the rows
    residual = np.empty(n)
    for i in range(n):
        total, size = -1.0 if i == d else 0.0, 1.0 if i == d else 0.0
        for k in range(n):
            total += matrix[i, k] * weights[k]
            size += abs(matrix[i, k] * weights[k])
        residual[i] = abs(total) + (n + 9) * _U * size + (n + 4) * _TINY
    # |y* - y| <= |R| residual / (1 - |I - R B|) in the maximum norm; 1 / (1 - 1/4) < 1.5
    shift = 0.0
    for i in range(n):
        row, moved = 0.0, 0.0
        for k in range(n):
            total, size = -1.0 if i == k else 0.0, 1.0 if i == k else 0.0
            for j in range(n):
                total += inverse[i, j] * matrix[j, k]
                size += abs(inverse[i, j] * matrix[j, k])
            row += abs(total) + (n + 9) * _U * size
            moved += abs(inverse[i, k]) * (residual[k] + (n + 4) * _TINY)
        if alarm[0] != 0 or not (row < 0.25 and moved < 1.0):
            return False
        shift = max(shift, moved)
    shift = shift * 1.5
    # exact weights are positive, and offsets weighted by them sum to less than zero
    total, size, spread = 0.0, 0.0, 1.0
    for k in range(n):
        if not weights[k] > shift:
            return False
        offset = rows[basis[k], d]
        total += weights[k] * offset
        size += weights[k] * abs(offset)
        spread += abs(offset)
    closed: bool = total < -((n + 9) * _U * size + 1.5 * shift * spread + (n + 4) * _TINY)
    return closed


@numba.njit(cache=True, nogil=True)
def is_out_of_reach(rows: Array, basis: Array, inverse: Array, reach: Array) -> bool:
    """Whether for certain no point with |x_j| <= reach[j] is inside all rows of the basis: weights
    >= 0, as the floats are, of rows whose sum is negative there.

    The sum of the weighted rows is r . x + s with r near 0, so at most s + sum |r_j| reach[j]
    (Neumaier and Shcherbina 2004). Needs no basis of full rank, and n^2 operations.
    """
    n = basis.shape[0]
    d = n - 1
    rest, size, spread = 0.0, 0.0, 0.0
    # entries of rows: 4 U each; sums of n products: n U; the last sum, of n terms: n U
    for j in range(n):
        total, large, whole = 0.0, 0.0, 0.0
        for k in range(n):
            if basis[k] >= 0 and inverse[k, d] > 0.0:
                term = inverse[k, d] * rows[basis[k], j]
                total += term
                large += abs(term)
                whole += inverse[k, d]
        if j == d:
            rest += total
            size += large
            spread += whole
        else:
            rest += abs(total) * reach[j]
            size += (large + abs(total)) * reach[j]
            # 1: products that underflow; infinite where the axis has no bound, and nothing is known
            spread += (whole + 1.0) * reach[j]
    out: bool = rest < -((2 * n + 16) * _U * size + (n + 4) * _TINY * (spread + 1.0))
    return out


@numba.njit(cache=True, nogil=True)
def decide(rows: Array, count: int, basis: Array, inverse: Array, x: Array, alarm: Array) -> int:
    """OPEN with a certain short point in `x`, CLOSED with a certain Farkas vector on `basis`, or
    UNDECIDED.
    """
    t = propose(rows, count, basis, inverse, x, alarm)
    return _judge(rows, count, basis, inverse, x, t, alarm)


@part
def _judge(
    rows: Array, count: int, basis: Array, inverse: Array, x: Array, t: float, alarm: Array
) -> int:
    """`decide` of what is proposed."""
    if t > 0.0:
        shorten(x, t)
        return OPEN if all_inside(rows, count, -1, x) else UNDECIDED
    if t < 0.0 and is_closed(rows, basis, inverse, alarm):
        return CLOSED
    return UNDECIDED


@numba.njit(cache=True, nogil=True)
def grow(
    walls: Array,
    hinges: Array,
    known: Array,
    reach: Array,
    top: int,
    at: Array,
    counts: Array,
    bits: Array,
    cuts: Array,
    points: Array,
    bases: Array,
    ends_at: Array,
    ends_counts: Array,
    ends_bits: Array,
    ends_cuts: Array,
    ends_points: Array,
    ends_bases: Array,
    work: float,
    alarm: Array,
) -> tuple[int, int, int, int]:
    """Follow the `top` nodes of a stack through the hinges of a layer, and every other nonempty
    branch that they lead to.

    `walls` cut out the cell of the layers before; `known[k]` is 0 or 1 for a constant hinge, 2 + 2
    j + f for one whose bit is that of hinge j (flipped if f), else -1; |x_j| <= reach[j] inside the
    walls. Node i has come to hinge at[i]: its bits[i], the counts[i] hinges cuts[i] that cut it, in
    order, a point inside (by `side`, for certain) and a basis to start from. A node ends behind the
    last hinge, or at one that floats cannot decide; it is listed then, in the same words. What is
    done with a node depends on nothing else. Stops where arrays could overflow, when the alarm
    rings, and after so much `work` (multiplications, estimated), then between two hinges of a node
    too, which goes back on the stack as far as it has come. Returns (nodes left on the stack, ends,
    branches, closed).
    """
    first, size, n = walls.shape[0], hinges.shape[0], walls.shape[1]
    d, ends, branches, closed = n - 1, 0, 0, 0
    rows = np.empty((first + size + 1, n))
    inverse, other, own = np.empty((n, n)), np.empty(d), np.empty(n, np.int64)
    whole, x, basis = np.empty((n, n)), np.empty(d), np.empty(n, np.int64)
    bit, cut = np.empty(size, np.uint8), np.empty(size, np.int64)
    rows[:first] = walls
    while top > 0 and work > 0.0 and alarm[0] == 0:
        if ends == ends_at.shape[0] or top - 1 + size > at.shape[0]:
            break
        top -= 1
        start, count = at[top], first + counts[top]
        # the node leaves the stack, where its branches are written
        bit[:start], cut[: count - first] = bits[top, :start], cuts[top, : count - first]
        x[:], basis[:] = points[top], bases[top]
        for i in range(count - first):
            sign = 1.0 if bit[cut[i]] != 0 else -1.0
            for j in range(n):
                rows[first + i, j] = sign * hinges[cut[i], j]
        # the basis of the node serves all its hinges, where it is one
        is_ready = basis[d] != FIXED - n and _start(rows, count, basis, whole, alarm)
        end, is_paused = size, False
        # x is certainly inside rows[:count]; bits before k are written
        for k in range(start, size):
            if work <= 0.0:
                end, is_paused = k, True
                break
            if known[k] >= 2:
                bit[k] = bit[(known[k] - 2) >> 1] ^ (known[k] & 1)
                continue
            if known[k] >= 0:
                bit[k] = known[k]
                continue
            where = side(hinges[k], x)
            answer = UNDECIDED
            if where != 0:
                # the other side of the hinge, inside the walls: one more row
                for j in range(n):
                    rows[count, j] = -where * hinges[k, j]
                    own[j] = basis[j]
                if is_ready:
                    inverse[:] = whole
                    t = _improve(rows, count + 1, own, inverse, other, alarm)
                else:
                    t = propose(rows, count + 1, own, inverse, other, alarm)
                if t < 0.0 and is_out_of_reach(rows, own, inverse, reach):
                    answer = CLOSED
                else:
                    answer = _judge(rows, count + 1, own, inverse, other, t, alarm)
                work -= float((count + 3 * n) * n * (n + 8))
            if answer == UNDECIDED:
                end = k
                break
            bit[k] = 1 if where > 0 else 0
            if answer == CLOSED:
                closed += 1
                continue
            # both sides are met: the other one goes on the stack with its point and basis, this
            # one becomes a wall
            cut[count - first] = k
            at[top], counts[top] = k + 1, count + 1 - first
            bits[top, :k], bits[top, k] = bit[:k], 1 - bit[k]
            cuts[top, : count + 1 - first] = cut[: count + 1 - first]
            points[top], bases[top] = other, own
            top += 1
            branches += 1
            for j in range(n):
                rows[count, j] = -rows[count, j]
            count += 1
        if is_paused:
            at[top], counts[top] = end, count - first
            bits[top, :end], cuts[top, : count - first] = bit[:end], cut[: count - first]
            points[top], bases[top] = x, basis
            top += 1
            break
        ends_at[ends], ends_counts[ends] = end, count - first
        ends_bits[ends, :end] = bit[:end]
        ends_cuts[ends, : count - first] = cut[: count - first]
        ends_points[ends], ends_bases[ends] = x, basis
        ends += 1
    return top, ends, branches, closed


@numba.njit(cache=True, nogil=True)
def _is_across(rows: Array, wall: int, y: Array) -> bool:
    """Round y as far as its distances allow; whether it is certainly outside row `wall` and inside
    all others.
    """
    count, d = rows.shape[0], y.shape[0]
    radius = 1.0
    for i in range(count):
        value = rows[i, d]
        for j in range(d):
            value += rows[i, j] * y[j]
        radius = min(radius, -value if i == wall else value)
    shorten(y, radius)
    return side(rows[wall], y) == -1 and all_inside(rows, count, wall, y)


@numba.njit(cache=True, nogil=True)
def shoot(rows: Array, edges: int, x: Array, found: Array, alarm: Array) -> None:
    """Mark facets in `found` that a ray from x against the normal of some row from number `edges`
    on leads through.
    """
    count, n = rows.shape
    d = n - 1
    values, y = np.empty(count), np.empty(d)
    # values[i] > 0: x is inside all rows
    for i in range(count):
        values[i] = rows[i, d]
        for j in range(d):
            values[i] += rows[i, j] * x[j]
    for k in range(edges, count):
        if alarm[0] != 0:
            return
        # along x - t row_k: the row met first is a facet if the next is met clearly later
        first, time, following = -1, np.inf, np.inf
        for i in range(count):
            slope = 0.0
            for j in range(d):
                slope += rows[i, j] * rows[k, j]
            if slope > 0.0:
                hit = values[i] / slope
                if hit < time:
                    first, time, following = i, hit, time
                elif hit < following:
                    following = hit
        if first < edges or found[first] != 0:
            continue
        # a point behind the first row and in front of the next
        step = time + 0.5 * min(following - time, max(time, 1.0))
        for j in range(d):
            y[j] = x[j] - step * rows[k, j]
        if _is_across(rows, first, y):
            found[first] = 1


@numba.njit(cache=True, nogil=True)
def sort_walls(rows: Array, edges: int, x: Array, found: Array, alarm: Array) -> int:
    """Find a centre x of the cell of the rows, and which rows from number `edges` on are its
    facets.

    `found` is 1 where that is known already; else it becomes 1 (facet: some point is outside this
    row only), 2 (redundant: a Farkas vector) or UNDECIDED. Returns OPEN, or UNDECIDED when no
    centre is certain and nothing was done.
    """
    count, n = rows.shape
    inverse, y = np.empty((n, n)), np.empty(n - 1)
    centre, basis = np.empty(n, np.int64), np.empty(n, np.int64)
    centre[:] = FIXED - n
    if decide(rows, count, centre, inverse, x, alarm) != OPEN:
        return UNDECIDED
    shoot(rows, edges, x, found, alarm)
    for i in range(edges, count):
        if found[i] != 0:
            continue
        # row i turned round: OPEN means a point outside this row and inside all others
        own = False
        for k in range(n):
            own = own or centre[k] == i
            basis[k] = centre[k]
            rows[i, k] *= -1.0
        # the centre's basis is one for the turned rows only where row i is no member
        if own:
            basis[:] = FIXED - n
        answer = decide(rows, count, basis, inverse, y, alarm)
        found[i] = 1 if answer == OPEN else (2 if answer == CLOSED else UNDECIDED)
        for k in range(n):
            rows[i, k] *= -1.0
    return OPEN
