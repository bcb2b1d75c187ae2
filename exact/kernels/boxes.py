"""Strict feasibility of a few float rows in a box of many dimensions, with certificates.

The box is -1 < u_j < 1. A row is (a_1, ..., a_d, b, e, s): the function a . u + b, known up to e
all over the box, with s at least the sum of all |a_j| and near one. Two kinds of proof need no
exact solve, because any float stands for itself:

- OPEN: a float point with |u_j| < 1 at which every row is positive beyond its error.
- CLOSED: weights l_i >= 0 with `sum_i l_i b_i + sum_j |sum_i l_i a_ij| < 0` beyond all errors: no
  point of the box has a positive weighted sum.

Both come from the dual simplex of `max t : a_i . u + b_i >= t, |u_j| <= 1`, whose basis has as many
rows as meet at its optimum, however many dimensions there are: weights go down along an edge of the
dual past every column whose sign only has to be turned (the long steps of Fourer 1994, Maros 2003).
Everything else is UNDECIDED and left to exact arithmetic. Cost of a step: rows times dimensions.

Enclosures of the most that a function reaches on a region go the same way: any weights l_i >= 0
bound it from above by `c_0 + sum_i l_i b_i + sum_j |c_j + sum_i l_i a_ij|`, and any point certainly
inside from below. The programme `max c . u : a_i . u + b_i >= 0, |u_j| <= 1` proposes both.

`alarm` is an array of one integer: as soon as another thread sets it, what is going on ends as
UNDECIDED (see exact.geometry.budgets). The file is longer than others: all programmes share the
rows of a box.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

OPEN, CLOSED, UNDECIDED = 1, 0, -1

_U = 2.0**-53
_TINY = 2.0**-500
_PIVOT = 2.0**-40  # pivots and slopes below this are not used; a proposal may fail
_LET = 2.0**-38  # a row or a bound is violated beyond this
_TILT = 2.0**-26  # of the size of a function, by which it is tilted
_GOOD = 0.25  # of the best margin that may be left, at which a point is taken

Array = np.ndarray[Any, Any]


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Basis(NamedTuple):
    """Where a linear programme stands: `tight[:m]` are the rows with weights, `basic[:m - 1]` the
    columns that these cancel, m = `size[0]` (0: nothing known yet).
    """

    tight: Array
    basic: Array
    size: Array


class Branches(NamedTuple):
    """Branches that a descent leaves behind: hinge, number of walls before it, a point inside, and
    a basis each.
    """

    at: Array
    walls: Array
    points: Array
    tight: Array
    basic: Array
    size: Array


@part
def _at(row: Array, u: Array) -> float:
    """The value of a row at a point: four sums side by side, which a processor adds at once."""
    d = u.shape[0]
    a, b, c, e = row[d], 0.0, 0.0, 0.0
    whole = d - d % 4
    for j in range(0, whole, 4):
        a += row[j] * u[j]
        b += row[j + 1] * u[j + 1]
        c += row[j + 2] * u[j + 2]
        e += row[j + 3] * u[j + 3]
    for j in range(whole, d):
        a += row[j] * u[j]
    return (a + b) + (c + e)


@numba.njit(cache=True, nogil=True)
def side(row: Array, u: Array) -> int:
    """The certain sign of a row at a float point of the box, or 0."""
    d, value = u.shape[0], _at(row, u)
    # rounding of d + 1 terms, whose sizes are at most s + |b| (Higham 2002, section 3.1)
    bound = row[d + 1] + (d + 9) * _U * (row[d + 2] + abs(row[d])) + _TINY
    if value > bound:
        return 1
    return -1 if -value > bound else 0


@numba.njit(cache=True, nogil=True)
def all_inside(rows: Array, count: int, u: Array) -> bool:
    """Whether a point is certainly inside the box and the first `count` rows."""
    for j in range(u.shape[0]):
        if not abs(u[j]) < 1.0:
            return False
    for i in range(count):  # noqa: SIM110 - numba compiles loops, not generators
        if side(rows[i], u) != 1:
            return False
    return True


@part
def _add(total: Array, factor: float, row: Array) -> None:
    """Add a multiple of a row."""
    for j in range(total.shape[0]):
        total[j] += factor * row[j]


@part
def is_closed(rows: Array, tight: Array, weights: Array, m: int) -> bool:
    """Whether weights >= 0 of m rows certainly prove that no point of the box is inside all."""
    d = rows.shape[1] - 3
    total, size, error = 0.0, 0.0, 0.0
    for i in range(m):
        row, weight = rows[tight[i]], weights[i]
        if not weight >= 0.0:
            return False
        total += weight * row[d]
        size += weight * (row[d + 2] + abs(row[d]))
        error += weight * row[d + 1]
    columns = np.zeros(d)
    for i in range(m):
        _add(columns, weights[i], rows[tight[i]])
    for j in range(d):
        total += abs(columns[j])
    # every sum is of at most d + m terms, and together their sizes are at most `size`
    return total + (error + (d + m + 9) * 4.0 * _U * size) * 1.001 + _TINY < 0.0


@part
def _inverse(rows: Array, basis: Basis, m: int, out: Array, work: Array) -> bool:
    """The inverse of the columns of a basis, (a over the basic columns, 1) of each tight row;
    whether there is one.
    """
    for i in range(m):
        for k in range(m):
            work[k, i] = rows[basis.tight[i], basis.basic[k]] if k < m - 1 else 1.0
    return _inverted(work, m, out)


@part
def _inverted(work: Array, m: int, out: Array) -> bool:
    """The inverse of the m x m matrix in `work`, which is used up; whether there is one."""
    for i in range(m):
        for k in range(m):
            out[k, i] = 1.0 if i == k else 0.0
    for k in range(m):
        pivot = k
        for i in range(k + 1, m):
            if abs(work[i, k]) > abs(work[pivot, k]):
                pivot = i
        if abs(work[pivot, k]) < _PIVOT:
            return False
        for j in range(m):
            work[k, j], work[pivot, j] = work[pivot, j], work[k, j]
            out[k, j], out[pivot, j] = out[pivot, j], out[k, j]
        scale = 1.0 / work[k, k]
        for j in range(m):
            work[k, j] *= scale
            out[k, j] *= scale
        for i in range(m):
            factor = work[i, k]
            if i != k and factor != 0.0:
                for j in range(m):
                    work[i, j] -= factor * work[k, j]
                    out[i, j] -= factor * out[k, j]
    return True


@part
def _inside(rows: Array, count: int, u: Array, best: float, out: Array) -> bool:
    """Whether the point, moved into the box and a little inwards, is certainly inside all rows;
    written to `out`.
    """
    d = u.shape[0]
    for j in range(d):
        out[j] = min(max(u[j], -1.0), 1.0)
    low, least = np.inf, 0.0
    for i in range(count):
        least = min(least, rows[i, d])
        low = min(low, _at(rows[i], out))
    if not low > _GOOD * best or not low > 0.0:
        return False
    # (1 - p) u keeps every row above (1 - p) low + p b
    shrink = 1.0 - min(0.5 * low / (low - least + _TINY), 0.125)
    for j in range(d):
        out[j] *= shrink
    return all_inside(rows, count, out)


@numba.njit(cache=True, nogil=True)
def decide(rows: Array, count: int, basis: Basis, weights: Array, u: Array, alarm: Array) -> int:
    """Whether the box has a point inside all of the first `count` rows.

    OPEN with such a point in `u`, CLOSED with weights that prove it on basis.tight, or UNDECIDED.
    Starts from the basis, which is left where the search ended.
    """
    d = u.shape[0]
    most = min(count, d + 1)
    out, work = np.empty((most + 1, most + 1)), np.empty((most + 1, most + 1))
    signs, reduced, slope = np.ones(d), np.empty(d), np.empty(d)
    place, move, along = np.full(d, -1, np.int64), np.empty(most + 1), np.empty(most + 1)
    primal, is_tight = np.empty(d), np.zeros(count, np.bool_)
    if basis.size[0] == 0 or basis.size[0] > most:
        basis.size[0], basis.tight[0] = 1, count - 1
    calm = 30 + 4 * most  # turns after which the first violation is taken, not the worst (Bland)
    for turn in range(100 + 12 * most):
        m = basis.size[0]
        if alarm[0] != 0:
            return UNDECIDED
        fits = _inverse(rows, basis, m, out, work)
        for i in range(m):
            fits = fits and out[i, m - 1] >= -_LET
        if not fits:
            if m == 1 and basis.tight[0] == count - 1:
                return UNDECIDED
            basis.size[0], basis.tight[0] = 1, count - 1
            continue
        # weights and reduced costs: weights . a, zero on the basic columns
        for i in range(m):
            weights[i] = max(out[i, m - 1], 0.0)
        place[:] = -1
        for k in range(m - 1):
            place[basis.basic[k]] = k
        best = 0.0
        for i in range(m):
            best += weights[i] * rows[basis.tight[i], d]
        reduced[:] = 0.0
        for i in range(m):
            _add(reduced, weights[i], rows[basis.tight[i]])
        for j in range(d):
            primal[j] = 0.0  # a basic one, until it is known
            if place[j] < 0:
                best += abs(reduced[j])
                if abs(reduced[j]) > _PIVOT:  # else the last step has said it
                    signs[j] = 1.0 if reduced[j] > 0.0 else -1.0
                primal[j] = signs[j]
        if best < 0.0 and is_closed(rows, basis.tight, weights, m):
            return CLOSED
        # the point: nonbasic columns at their bounds, and all tight rows equal to t
        for i in range(m):
            along[i] = -_at(rows[basis.tight[i]], primal)
        for k in range(m - 1):
            value = 0.0
            for i in range(m):
                value += out[i, k] * along[i]
            primal[basis.basic[k]] = value
        if best > 0.0 and _inside(rows, count, primal, best, u):
            return OPEN
        # what is violated most: a row, or the bound of a basic column
        is_tight[:] = False
        for i in range(m):
            is_tight[basis.tight[i]] = True
        worst, row, column = _LET, -1, -1
        for k in range(m - 1):
            value = abs(primal[basis.basic[k]]) - 1.0
            if value > worst and (
                turn < calm or column < 0 or basis.basic[k] < basis.basic[column]
            ):
                worst, column = value if turn < calm else _LET, k
        for i in range(count):
            if not is_tight[i] and (turn < calm or (row < 0 and column < 0)):
                value = best - _at(rows[i], primal)
                if value > worst:
                    worst, row, column = value, i, -1
        if row < 0 and column < 0:
            return UNDECIDED
        # the edge of the dual along which it is paid for
        for i in range(m):
            value = 0.0
            if row >= 0:
                for k in range(m):
                    value -= out[i, k] * (rows[row, basis.basic[k]] if k < m - 1 else 1.0)
            else:
                value = out[i, column] * (1.0 if primal[basis.basic[column]] > 0.0 else -1.0)
            move[i] = value
        leaving, longest = -1, np.inf
        for i in range(m):
            if move[i] < -_PIVOT and weights[i] < -longest * move[i]:
                leaving, longest = i, -weights[i] / move[i]
        candidates, steps = np.empty(d, np.int64), np.empty(d)
        found = 0
        slope[:] = 0.0
        if row >= 0:
            _add(slope, 1.0, rows[row])
        for i in range(m):
            _add(slope, move[i], rows[basis.tight[i]])
        for j in range(d):
            if place[j] < 0 and slope[j] * signs[j] < -_PIVOT:
                step = abs(reduced[j] / slope[j])
                if step < longest:
                    candidates[found], steps[found] = j, step
                    found += 1
        if turn >= calm:
            worst = (
                abs(primal[basis.basic[column]]) - 1.0 if row < 0 else best - _at(rows[row], primal)
            )
        entering, gain = -1, -worst
        for k in np.argsort(steps[:found]):
            gain += 2.0 * abs(slope[candidates[k]])
            if gain >= 0.0:
                entering = candidates[k]
                break
            signs[candidates[k]] = -signs[candidates[k]]
        if entering < 0 and leaving < 0:
            return UNDECIDED
        if row >= 0:
            if entering >= 0:
                basis.tight[m], basis.basic[m - 1], basis.size[0] = row, entering, m + 1
            else:
                basis.tight[leaving] = row
        elif entering >= 0:
            signs[basis.basic[column]] = 1.0 if primal[basis.basic[column]] > 0.0 else -1.0
            basis.basic[column] = entering
        else:
            signs[basis.basic[column]] = 1.0 if primal[basis.basic[column]] > 0.0 else -1.0
            basis.tight[leaving] = basis.tight[m - 1]
            basis.basic[column] = basis.basic[m - 2]
            basis.size[0] = m - 1
    return UNDECIDED


@numba.njit(cache=True, nogil=True)
def descend(
    rows: Array,
    count: int,
    basis: Basis,
    u: Array,
    hinges: Array,
    start: int,
    bits: Array,
    origin: Array,
    branches: Branches,
    alarm: Array,
) -> tuple[int, int, int, int, int]:
    """Follow the point u through the hinges from number `start` on, and list every other nonempty
    branch.

    `rows[:count]` are walls with u inside. Writes the bits, appends the side of each hinge that
    cuts to `rows` (its number to `origin`). Returns (status, hinge, walls, branches, closed): OPEN
    when all hinges are passed, else UNDECIDED at a hinge.
    """
    n, d = rows.shape[1], u.shape[0]
    most = basis.tight.shape[0]
    own = Basis(np.empty(most, np.int64), np.empty(most, np.int64), np.zeros(1, np.int64))
    weights, other = np.empty(most), np.empty(d)
    found, closed = 0, 0
    # u is certainly inside rows[:count]; bits before k are written
    for k in range(start, hinges.shape[0]):
        where = side(hinges[k], u)
        if where == 0:
            return UNDECIDED, k, count, found, closed
        for j in range(n):
            rows[count, j] = -where * hinges[k, j] if j <= d else hinges[k, j]
        own.tight[:] = basis.tight
        own.basic[:] = basis.basic
        own.size[0] = basis.size[0]
        answer = decide(rows, count + 1, own, weights, other, alarm)
        if answer == UNDECIDED:
            return UNDECIDED, k, count, found, closed
        bits[k] = 1 if where > 0 else 0
        if answer == CLOSED:
            closed += 1
            continue
        # both sides are met: the other one is noted, this one becomes a wall
        branches.at[found], branches.walls[found] = k, count
        branches.points[found] = other
        branches.tight[found] = own.tight
        branches.basic[found] = own.basic
        branches.size[found] = own.size[0]
        for j in range(d + 1):
            rows[count, j] = -rows[count, j]
        origin[count] = k
        count += 1
        found += 1
    return OPEN, hinges.shape[0], count, found, closed


@numba.njit(cache=True, nogil=True)
def facets(rows: Array, asked: Array, alarm: Array) -> Array:
    """Which of the asked rows are facets of the region that all rows cut out of the box: OPEN,
    CLOSED or UNDECIDED.

    A row is one iff some point of the box is outside it and inside all others.
    """
    count, d = rows.shape[0], rows.shape[1] - 3
    most = min(count, d + 1) + 1
    basis = Basis(np.empty(most, np.int64), np.empty(most, np.int64), np.zeros(1, np.int64))
    weights, u, found = np.empty(most), np.empty(d), np.empty(len(asked), np.int64)
    work = rows.copy()
    for k in range(len(asked)):
        i, last = asked[k], count - 1
        # the row that is turned stands last, where a search without a basis begins
        for j in range(rows.shape[1]):
            work[i, j], work[last, j] = rows[last, j], rows[i, j]
        for j in range(d + 1):
            work[last, j] = -work[last, j]
        basis.size[0] = 0
        found[k] = decide(work, count, basis, weights, u, alarm)
        for j in range(rows.shape[1]):
            work[i, j], work[last, j] = rows[i, j], rows[last, j]
    return found


@numba.njit(cache=True, nogil=True)
def most(
    rows: Array, count: int, target: Array, inside: Array, basis: Basis, ends: Array, u: Array
) -> bool:
    """Enclose the most that a function reaches on the region of the first `count` rows.

    `target` is the function, a row of any size; `inside` a point certainly inside all rows. Leaves
    the enclosure in `ends`, the float optimum in `u` and its basis, here of m rows and m columns.
    False where floats do not come to an end; the enclosure holds even then. What leads from basis
    to basis is the function tilted a little, towards `inside`: along an edge on which a function
    such as one coordinate does not change, no step would be better than another.
    """
    d = u.shape[0]
    top = min(count, d)
    out, work = np.empty((top + 1, top + 1)), np.empty((top + 1, top + 1))
    signs, reduced, slope = np.ones(d), np.empty(d), np.empty(d)
    place, move, along = np.full(d, -1, np.int64), np.empty(top + 1), np.empty(top + 1)
    weights, is_tight = np.zeros(top + 1), np.zeros(count, np.bool_)
    floor = _floor_at(target, inside)
    ends[0], ends[1] = floor if floor > -np.inf else -np.inf, np.inf
    calm, ended = 30 + 4 * top, False
    basis.size[0] = 0
    guide, state = np.empty(d), 1
    tilt = _TILT * target[d + 2] if target[d + 2] > _TINY else 1.0
    for j in range(d):
        u[j] = inside[j]
        state = (state * 48271) % 2147483647
        lean = tilt * (0.5 + state / 4294967294.0)
        guide[j] = target[j] + (lean if inside[j] >= 0.0 else -lean)
    for turn in range(100 + 12 * top):
        m = basis.size[0]
        if not _square(rows, basis, m, out, work):
            break
        _weigh(out, basis, m, target, weights)
        ceiling = _ceiling(rows, basis.tight, weights, m, target, reduced)
        if ceiling < ends[1]:
            ends[1] = ceiling
        if not _weigh(out, basis, m, guide, weights) >= -_LET:
            break
        for j in range(d):
            reduced[j] = guide[j]
        for i in range(m):
            _add(reduced, weights[i], rows[basis.tight[i]])
        place[:] = -1
        for k in range(m):
            place[basis.basic[k]] = k
        for j in range(d):
            if place[j] >= 0:
                u[j] = 0.0
            else:
                if abs(reduced[j]) > _PIVOT * tilt:
                    signs[j] = 1.0 if reduced[j] > 0.0 else -1.0
                u[j] = signs[j]
        for i in range(m):
            along[i] = -_at(rows[basis.tight[i]], u)
        for k in range(m):
            value = 0.0
            for i in range(m):
                value += out[i, k] * along[i]
            u[basis.basic[k]] = value
        is_tight[:] = False
        for i in range(m):
            is_tight[basis.tight[i]] = True
        worst, row, column = _LET, -1, -1
        for k in range(m):
            value = abs(u[basis.basic[k]]) - 1.0
            if value > worst and (
                turn < calm or column < 0 or basis.basic[k] < basis.basic[column]
            ):
                worst, column = value if turn < calm else _LET, k
        for i in range(count):
            if not is_tight[i] and (turn < calm or (row < 0 and column < 0)):
                value = -_at(rows[i], u)
                if value > worst:
                    worst, row, column = value, i, -1
        if row < 0 and column < 0:
            ended = True
            break
        for i in range(m):
            value = 0.0
            if row >= 0:
                for k in range(m):
                    value -= out[i, k] * rows[row, basis.basic[k]]
            else:
                value = out[i, column] * (1.0 if u[basis.basic[column]] > 0.0 else -1.0)
            move[i] = value
        leaving, longest = -1, np.inf
        for i in range(m):
            if move[i] < -_PIVOT and weights[i] < -longest * move[i]:
                leaving, longest = i, -weights[i] / move[i]
        candidates, steps = np.empty(d, np.int64), np.empty(d)
        found = 0
        slope[:] = 0.0
        if row >= 0:
            _add(slope, 1.0, rows[row])
            worst = -_at(rows[row], u)
        else:
            worst = abs(u[basis.basic[column]]) - 1.0
        for i in range(m):
            _add(slope, move[i], rows[basis.tight[i]])
        for j in range(d):
            if place[j] < 0 and slope[j] * signs[j] < -_PIVOT:
                step = abs(reduced[j] / slope[j])
                if step < longest:
                    candidates[found], steps[found] = j, step
                    found += 1
        entering, gain = -1, -worst
        for k in np.argsort(steps[:found]):
            gain += 2.0 * abs(slope[candidates[k]])
            if gain >= 0.0:
                entering = candidates[k]
                break
            signs[candidates[k]] = -signs[candidates[k]]
        if entering < 0 and leaving < 0:
            break
        if row < 0:
            signs[basis.basic[column]] = 1.0 if u[basis.basic[column]] > 0.0 else -1.0
        if row >= 0 and entering >= 0:
            basis.tight[m], basis.basic[m], basis.size[0] = row, entering, m + 1
        elif row >= 0:
            basis.tight[leaving] = row
        elif entering >= 0:
            basis.basic[column] = entering
        else:
            basis.tight[leaving] = basis.tight[m - 1]
            basis.basic[column] = basis.basic[m - 1]
            basis.size[0] = m - 1
    _raise_floor(rows, count, target, inside, u, ends, reduced)
    return ended


@part
def _square(rows: Array, basis: Basis, m: int, out: Array, work: Array) -> bool:
    """The inverse of the basic columns of the tight rows; whether there is one."""
    for i in range(m):
        for k in range(m):
            work[k, i] = rows[basis.tight[i], basis.basic[k]]
    return _inverted(work, m, out)


@part
def _weigh(out: Array, basis: Basis, m: int, target: Array, weights: Array) -> float:
    """The weights of m rows that cancel a function on the basic columns, as far as they are
    positive; and the least of them before that.
    """
    least = 0.0
    for i in range(m):
        weights[i] = 0.0
        for k in range(m):
            weights[i] -= out[i, k] * target[basis.basic[k]]
        least = min(least, weights[i])
        weights[i] = max(weights[i], 0.0)
    return least


@part
def _floor_at(target: Array, u: Array) -> float:
    """Below the value of a function at a point of the box."""
    d = u.shape[0]
    error = target[d + 1] + (d + 9) * _U * (target[d + 2] + abs(target[d])) + _TINY
    return _at(target, u) - error * 1.001


@part
def _ceiling(
    rows: Array, tight: Array, weights: Array, m: int, target: Array, columns: Array
) -> float:
    """Above all values of a function on the region, by weights >= 0 of m rows; `columns` is left
    as `c_j + sum_i l_i a_ij`.
    """
    d = target.shape[0] - 3
    total, size, error = target[d], target[d + 2] + abs(target[d]), target[d + 1]
    for i in range(m):
        row, weight = rows[tight[i]], weights[i]
        total += weight * row[d]
        size += weight * (row[d + 2] + abs(row[d]))
        error += weight * row[d + 1]
    columns[:] = 0.0
    _add(columns, 1.0, target)
    for i in range(m):
        _add(columns, weights[i], rows[tight[i]])
    for j in range(d):
        total += abs(columns[j])
    # as in `is_closed`: sums of at most d + m terms, whose sizes together are at most `size`
    return total + (error + (d + m + 9) * 4.0 * _U * size) * 1.001 + _TINY


@part
def _raise_floor(
    rows: Array, count: int, target: Array, inside: Array, u: Array, ends: Array, out: Array
) -> None:
    """Raise the lower end to the value at a point certainly inside near u, on the way from `u` to
    `inside`: the nearest of those at 2^-50, 2^-48, ... of the way.
    """
    share = 2.0**-50
    while share < 1.0:
        for j in range(u.shape[0]):
            at = min(max(u[j], -1.0), 1.0)
            out[j] = at + share * (inside[j] - at)
        if all_inside(rows, count, out):
            floor = _floor_at(target, out)
            if floor > ends[0]:
                ends[0] = floor
            return
        share *= 4.0


@numba.njit(cache=True, nogil=True)
def ranges(rows: Array, targets: Array, inside: Array, found: Array) -> None:
    """Enclose the least and the greatest value of functions (n rows) on the region of all rows:
    (low, high) of the least in `found[:, 0]`, of the greatest in `found[:, 1]` (n x 2 x 2).
    """
    count, d = rows.shape[0], rows.shape[1] - 3
    size = min(count, d) + 2
    basis = Basis(np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(1, np.int64))
    ends, u, target = np.empty(2), np.empty(d), np.empty(d + 3)
    for n in range(targets.shape[0]):
        for side_ in range(2):
            target[:] = targets[n]
            if side_ == 0:
                target[: d + 1] = -target[: d + 1]
            most(rows, count, target, inside, basis, ends, u)
            if side_ == 0:
                found[n, 0, 0], found[n, 0, 1] = -ends[1], -ends[0]
            else:
                found[n, 1, 0], found[n, 1, 1] = ends[0], ends[1]


@numba.njit(cache=True, nogil=True)
def sides(rows: Array, inside: Array, found: Array) -> None:
    """Enclose every coordinate on the region of all rows, as `ranges` does: (d x 2 x 2). One that
    reaches the bound of the box, along its axis from `inside` or at another point of the bound
    inside all rows, reaches it exactly.
    """
    count, d = rows.shape[0], rows.shape[1] - 3
    size = min(count, d) + 2
    basis = Basis(np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(1, np.int64))
    place = Basis(np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(1, np.int64))
    ends, u, target, values = np.empty(2), np.empty(d), np.zeros(d + 3), np.empty(count)
    bound, weights, alarm = rows.copy(), np.empty(size), np.zeros(1, np.int64)
    for i in range(count):
        slack = rows[i, d + 1] + (d + 12) * 2.0 * _U * (rows[i, d + 2] + abs(rows[i, d])) + _TINY
        values[i] = _at(rows[i], inside) - slack * 1.001
    target[d + 2] = 1.0
    for j in range(d):
        for side_ in range(2):
            end = -1.0 if side_ == 0 else 1.0
            reaches = True
            for i in range(count):
                if not values[i] + rows[i, j] * (end - inside[j]) > 0.0:
                    reaches = False
                    break
            if reaches:
                found[j, side_, 0], found[j, side_, 1] = end, end
                continue
            for i in range(count):
                bound[i, d] = rows[i, d] + rows[i, j] * end
                bound[i, d + 1] = rows[i, d + 1] + 4.0 * _U * (rows[i, d + 2] + abs(rows[i, d]))
                bound[i, j] = 0.0
            answer = decide(bound, count, place, weights, u, alarm)
            for i in range(count):
                bound[i, j] = rows[i, j]
            if answer == OPEN:
                found[j, side_, 0], found[j, side_, 1] = end, end
                continue
            target[j] = end
            most(rows, count, target, inside, basis, ends, u)
            target[j] = 0.0
            low, high = max(ends[0], -1.0), min(ends[1], 1.0)
            found[j, side_, 0] = -high if side_ == 0 else low
            found[j, side_, 1] = -low if side_ == 0 else high
