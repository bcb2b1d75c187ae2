"""Volumes of simple polytopes in a box from their vertices, compiled: certificates of the vertices,
and Lawrence's sum over them.

The box is |u_j| <= 1, a row (a_1, ..., a_d, b, e, s) the function a . u + b >= 0, known up to e all
over the box, with s at least the sum of all |a_j|. From one vertex, d walls that meet in it, a step
along every edge leads to another one, until no new set of walls is met.

Vertices. With X near the inverse of the walls' matrix A and |I - X A| + |X| e <= t < 1 in the norm
of the largest row sum, A is regular and its inverse at most N = |X| / (1 - t). A float point v at
which the walls are within r of zero is within N r of where they meet. Where all others are
certainly positive there, the d walls meet in a vertex in which no other wall holds with equality.
Sets of walls that are such vertices and closed under steps are all vertices: edges join them
(Balinski 1961), and an edge has one other end.

Volume. For a vector c, with c = A' g at a vertex v and h = c . (v - w) for any point w,
    volume = sum over v of h^d / (d! |det A| product of -g_i)           (Lawrence 1991)
No g_i may vanish. Terms cancel, so that each has a bound on its error: of h by |c| N r; of g_i by
|c| t / (1 - t) times the largest entry of column i of X, |c| the sum of the sizes, since
X - A^-1 = -(I - X A) A^-1 and A^-1 = (I - (I - X A))^-1 X; of the determinant, from triangular
factors L U within E of A, by the factor (1 - q)^-d, q = N |E| / (1 - N |E|). Of several c the one
with the least bound is taken.

Cost: O(d^3 + walls d) a vertex, and a table of the sets of walls.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

DONE, NOT_SIMPLE, TOO_MANY = 0, 1, 2
_U = 2.0**-53
_UP, _FAINT = 1.0 + 2.0**-40, 2.0**-900
Array = np.ndarray[Any, Any]


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@numba.njit(cache=True, nogil=True)
def vertices(walls: Array, start: Array, sets: Array, table: Array) -> tuple[int, int]:
    """List the vertices of the polytope of walls (n x (d + 3)) as sets of d walls in rows of
    `sets`, from one of them; `table` is space for finding sets: int64, -1, more than sets.

    Returns an outcome, and how many were found.
    """
    n, d = walls.shape[0], walls.shape[1] - 3
    sets[0] = np.sort(start)
    count, at = 1, 0
    _entered(sets, table, 0)
    inverse, point, values = np.empty((d, d)), np.empty(d), np.empty(n)
    bounds = np.empty(4)
    while at < count:
        own = sets[at]
        if not _certified(walls, own, inverse, point, values, bounds):
            return NOT_SIMPLE, count
        for i in range(d):
            best, entering = np.inf, -1
            for k in range(n):
                slope, is_own = 0.0, False
                for j in range(d):
                    is_own = is_own or own[j] == k
                if is_own:
                    continue
                for j in range(d):
                    slope += walls[k, j] * inverse[j, i]
                if slope < 0.0 and values[k] < -slope * best:
                    best, entering = -values[k] / slope, k
            if entering < 0:
                return NOT_SIMPLE, count
            if count == sets.shape[0]:
                return TOO_MANY, count
            # the set with the entering wall, in order
            place = 0
            for j in range(d):
                if j != i and own[j] < entering:
                    sets[count, place] = own[j]
                    place += 1
            sets[count, place] = entering
            place += 1
            for j in range(d):
                if j != i and own[j] > entering:
                    sets[count, place] = own[j]
                    place += 1
            if _entered(sets, table, count):
                count += 1
        at += 1
    return DONE, count


@part
def _entered(sets: Array, table: Array, row: int) -> bool:
    """Enter a row of `sets` into the table, unless it is there."""
    d, key = sets.shape[1], 1469598103
    for j in range(d):
        key = (key * 1000003 + sets[row, j] + 1) & 0x3FFFFFFFFFF
    place = key % table.shape[0]
    while table[place] >= 0:
        same = True
        for j in range(d):
            same = same and sets[table[place], j] == sets[row, j]
        if same:
            return False
        place = (place + 1) % table.shape[0]
    table[place] = row
    return True


@part
def _certified(
    walls: Array, own: Array, inverse: Array, point: Array, values: Array, bounds: Array
) -> bool:
    """Whether walls certainly meet in a vertex that no other wall touches. Leaves the inverse of
    their matrix, the vertex, the walls' values there, and in `bounds` t, N, N r and q.
    """
    n, d = walls.shape[0], own.shape[0]
    work = np.empty((d, d))
    for i in range(d):
        for j in range(d):
            work[i, j] = walls[own[i], j]
            inverse[i, j] = 1.0 if i == j else 0.0
    for k in range(d):
        pivot = k
        for i in range(k + 1, d):
            if abs(work[i, k]) > abs(work[pivot, k]):
                pivot = i
        if not abs(work[pivot, k]) > 0.0:
            return False
        for j in range(d):
            work[k, j], work[pivot, j] = work[pivot, j], work[k, j]
            inverse[k, j], inverse[pivot, j] = inverse[pivot, j], inverse[k, j]
        for i in range(d):
            if i != k:
                factor = work[i, k] / work[k, k]
                for j in range(d):
                    work[i, j] -= factor * work[k, j]
                    inverse[i, j] -= factor * inverse[k, j]
    for k in range(d):
        for j in range(d):
            inverse[k, j] /= work[k, k]
    size, steepest, least = 0.0, 0.0, 0.0
    for i in range(d):
        row = 0.0
        for j in range(d):
            row += abs(inverse[i, j])
        size = max(size, row)
        steepest = max(steepest, walls[own[i], d + 2])
        least = max(least, walls[own[i], d + 1])
    size *= _UP
    t = 0.0
    for i in range(d):
        row = 0.0
        for j in range(d):
            value = 1.0 if i == j else 0.0
            for k in range(d):
                value -= inverse[i, k] * walls[own[k], j]
            row += abs(value)
        t = max(t, row)
    t = (t + (d + 4) * 2.0 * _U * (size * steepest + 1.0) + size * least) * _UP + _FAINT
    if not t < 0.25:
        return False
    norm = size / (1.0 - t) * _UP
    for i in range(d):
        point[i] = 0.0
        for k in range(d):
            point[i] -= inverse[i, k] * walls[own[k], d]
        if not abs(point[i]) <= 1.0 + 2.0**-20:
            return False
    for k in range(n):
        values[k] = walls[k, d]
        for j in range(d):
            values[k] += walls[k, j] * point[j]
    residual = 0.0
    for i in range(d):
        k = own[i]
        rounded = (d + 4) * 2.0 * _U * (walls[k, d + 2] + abs(walls[k, d]))
        residual = max(residual, abs(values[k]) + 1.001 * walls[k, d + 1] + rounded)
        values[k] = 0.0
    moved = norm * residual * _UP + _FAINT
    for k in range(n):
        is_own = False
        for j in range(d):
            is_own = is_own or own[j] == k
        if is_own:
            continue
        rounded = (d + 4) * 2.0 * _U * (walls[k, d + 2] + abs(walls[k, d]))
        doubt = (
            (walls[k, d + 2] + 2.0 * walls[k, d + 1]) * moved + 1.001 * walls[k, d + 1] + rounded
        )
        if not values[k] > doubt * _UP:
            return False
    bounds[0], bounds[1], bounds[2] = t, norm, moved
    return True


@part
def _determinant(walls: Array, own: Array, norm: float, bounds: Array) -> float:
    """The size of the determinant of walls, its factor of error left in `bounds[3]`: inf where it
    is not known.
    """
    d = own.shape[0]
    work, sums = np.empty((d, d)), np.zeros(d)
    least = 0.0
    for i in range(d):
        for j in range(d):
            work[i, j] = walls[own[i], j]
        least = max(least, walls[own[i], d + 1])
    found = 1.0
    for k in range(d):
        pivot = k
        for i in range(k + 1, d):
            if abs(work[i, k]) > abs(work[pivot, k]):
                pivot = i
        for j in range(d):
            work[k, j], work[pivot, j] = work[pivot, j], work[k, j]
        found *= abs(work[k, k])
        for i in range(k + 1, d):
            work[i, k] /= work[k, k]
            for j in range(k + 1, d):
                work[i, j] -= work[i, k] * work[k, j]
    largest = 0.0
    for i in range(d):
        for j in range(i, d):
            sums[i] += abs(work[i, j])
    for i in range(d):
        row = sums[i]
        for k in range(i):
            row += abs(work[i, k]) * sums[k]
        largest = max(largest, row)
    off = norm * ((d + 4) * 2.0 * _U * largest + least) * _UP
    q = off / (1.0 - off) * _UP if off < 0.25 else np.inf
    bounds[3] = (1.0 / (1.0 - q)) ** d * (1.0 + (4 * d + 40) * _U) if q < 0.25 else np.inf
    return found


@numba.njit(cache=True, nogil=True)
def lawrence(
    walls: Array, sets: Array, count: int, middle: Array, along: Array, out: Array
) -> None:
    """The volume by each vector of `along` (m x d), and a bound on its error, in `out` (m x 2); inf
    where some g_i is not certainly apart from zero. `middle` is the point w.
    """
    n, d = walls.shape[0], walls.shape[1] - 3
    inverse, point, values = np.empty((d, d)), np.empty(d), np.empty(n)
    bounds, factorial = np.empty(4), 1.0
    for k in range(2, d + 1):
        factorial *= k
    sizes = np.zeros(along.shape[0])
    out[:] = 0.0
    for row in range(count):
        if not _certified(walls, sets[row], inverse, point, values, bounds):
            out[:, 1] = np.inf
            return
        det = _determinant(walls, sets[row], bounds[1], bounds)
        for m in range(along.shape[0]):
            c, length, h, sign, below = along[m], 0.0, 0.0, 1.0, factorial * det
            for j in range(d):
                length += abs(c[j])
                h += c[j] * (point[j] - middle[j])
            doubt = length * (bounds[2] + (d + 6) * 8.0 * _U) * _UP
            share = length * (bounds[0] / (1.0 - bounds[0]) + (d + 4) * 2.0 * _U) * _UP
            factor = bounds[3]
            for i in range(d):
                g, longest = 0.0, 0.0
                for j in range(d):
                    g += c[j] * inverse[j, i]
                    longest = max(longest, abs(inverse[j, i]))
                wrong = share * longest + _FAINT
                sign = -sign if g > 0.0 else sign
                below *= abs(g)
                factor = factor / (1.0 - wrong / abs(g)) if abs(g) > 2.0 * wrong else np.inf
            factor *= 1.0 + (8 * d + 40) * _U
            if h < 0.0 and d % 2 == 1:
                sign = -sign
            term, most = 1.0, 1.0
            for _ in range(d):
                term *= abs(h)
                most *= abs(h) + doubt
            term, most = term / below, most * factor / below * _UP
            error = most - term if abs(h) >= doubt else 2.0 * most
            out[m, 0] += sign * term
            out[m, 1] += error
            sizes[m] += term
    for m in range(along.shape[0]):
        out[m, 1] = (out[m, 1] + (count + 4) * 2.0 * _U * sizes[m]) * _UP + _FAINT
        if not out[m, 1] < np.inf:
            out[m, 1] = np.inf
