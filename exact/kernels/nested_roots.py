"""Isolate zeros of many functions with nested square roots on one interval, in float64 with proved
error bounds.

A basis of functions of t is made by a program: two linear functions, then roots of quadratic forms,
linear forms, and products (see exact.geometry.pencils.nested_functions); the functions are
combinations of the last ones. Every value is a ball, and every function is carried with its first
two Taylor coefficients, at the middle of an interval and over all of it. On an interval of
half-width h a function cannot vanish if |f| > |f'| h + |f''/2| h^2, and has at most one zero if
|f'| > |f''| h; then the signs at the ends decide. What stays open goes back to exact arithmetic.
Source: Taylor's theorem with Lagrange's remainder; the bound on sums of products is Higham 2002,
section 3.1.

Longer than others: numba caches compiled functions by file, so that a kernel stays in one file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

ROOT, LINEAR, PRODUCT = 0, 1, 2

_U = 2.0**-53
_TINY = 2.0**-1000
_INFLATE = 1.0 + 2.0**-45
_FINEST = 2.0**-48
_SHARE = 2.0**-26  # intervals below this share of the whole are left to exact arithmetic
_MOST_INTERVALS = 3000
_DEPTH = 60

Array = np.ndarray[Any, Any]


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Balls(NamedTuple):
    """Numbers within `rad` of `mid`, two float64 arrays of one shape.

    Jets are balls whose last axis holds the first three Taylor coefficients of a function. Inner
    loops take the arrays out first: a field of a tuple is counted as a reference at each use.
    """

    mid: Array
    rad: Array


class Steps(NamedTuple):
    """A program in one quadrant: `places[i]` are start, size, outer and offset of step i, the last
    one in the matrices `data`; the basis has `size` functions in the end.
    """

    kinds: Array
    places: Array
    data: Balls
    quadrant: int
    size: int


class Workspace(NamedTuple):
    """Jets (size x 3) of all basis functions at a point and over the interval around it, and room
    for one quadratic form.
    """

    point: Balls
    whole: Balls
    form: Balls


class Zeros(NamedTuple):
    """Where `are_proved`, function `rows[i]` has exactly one zero between `lows[i]` and `highs[i]`,
    a sign change; elsewhere nothing is known there.
    """

    rows: Array
    lows: Array
    highs: Array
    are_proved: Array


@numba.njit(cache=True, nogil=True, inline="always")
def _row(balls: Balls, index: int) -> Balls:
    """Ball or jet number `index`, a view."""
    return Balls(balls.mid[index], balls.rad[index])


@numba.njit(cache=True, nogil=True, inline="always")
def _part(balls: Balls, start: int, stop: int) -> Balls:
    """Balls from `start` to `stop`, a view."""
    return Balls(balls.mid[start:stop], balls.rad[start:stop])


@numba.njit(cache=True, nogil=True, inline="always")
def _jet() -> Balls:
    """Room for one jet."""
    return Balls(np.empty(3), np.empty(3))


@part
def _jets(size: int) -> Balls:
    """Zero jets (size x 3)."""
    return Balls(np.zeros((size, 3)), np.zeros((size, 3)))


@part
def _workspace(size: int) -> Workspace:
    """Room for the basis of a program."""
    return Workspace(_jets(size), _jets(size), _jets(size))


@numba.njit(cache=True, nogil=True, inline="always")
def _dot(weights: Balls, x: Balls, start: int, order: int) -> tuple[float, float]:
    """sum_i weights[i] x[start + i, order] as a ball."""
    (am, ar), (xm, xr) = weights, x
    mid, absolute, spread = 0.0, 0.0, 0.0
    size = am.shape[0]
    for i in range(size):
        a, value, error = am[i], xm[start + i, order], xr[start + i, order]
        term = a * value
        mid += term
        absolute += abs(term)
        spread += abs(a) * error + ar[i] * (abs(value) + error)
    return mid, (spread + (size + 2) * _U * absolute) * _INFLATE + (size + 1) * _TINY


@numba.njit(cache=True, nogil=True, inline="always")
def _dot_jet(weights: Balls, x: Balls, start: int, out: Balls) -> None:
    """The jet of sum_i weights[i] x[start + i]."""
    out_m, out_r = out
    for k in range(3):
        out_m[k], out_r[k] = _dot(weights, x, start, k)


@part
def _jet_product(a: Balls, b: Balls, out: Balls) -> None:
    """The first three Taylor coefficients of a product."""
    (am, ar), (bm, br), (out_m, out_r) = a, b, out
    for k in range(3):
        mid, absolute, spread = 0.0, 0.0, 0.0
        for i in range(k + 1):
            term = am[i] * bm[k - i]
            mid += term
            absolute += abs(term)
            spread += abs(am[i]) * br[k - i] + ar[i] * (abs(bm[k - i]) + br[k - i])
        out_m[k] = mid
        out_r[k] = (spread + 5 * _U * absolute) * _INFLATE + 4 * _TINY


@part
def _jet_root(square: Balls, out: Balls) -> bool:
    """The first three Taylor coefficients of a root; False unless the radicand is certainly
    positive.
    """
    (qm, qr), (out_m, out_r) = square, out
    if not qm[0] > qr[0] * (1.0 + 2.0**-40):
        return False
    # N = sqrt q: |sqrt x - sqrt m| <= r / sqrt m
    root = np.sqrt(qm[0])
    out_m[0] = root
    out_r[0] = (qr[0] / root + root * 2 * _U) * _INFLATE + _TINY
    low = root - out_r[0]
    if not low > 0.0:
        return False
    inverse = 0.5 / root  # 1 / (2 N): |1/x - 1/m| <= r / (m (m - r))
    error = (0.5 * out_r[0] / (root * low) + inverse * 2 * _U) * _INFLATE + _TINY
    # N' = q' / (2 N)
    out_m[1] = qm[1] * inverse
    out_r[1] = (
        abs(qm[1]) * error + qr[1] * (inverse + error) + abs(out_m[1]) * 2 * _U
    ) * _INFLATE + _TINY
    # N''/2 = (q''/2 - N'^2) / (2 N)
    twice = out_m[1] * out_m[1]
    twice_error = (
        2 * abs(out_m[1]) * out_r[1] + out_r[1] * out_r[1] + twice * 2 * _U
    ) * _INFLATE + _TINY
    top = qm[2] - twice
    top_error = (qr[2] + twice_error + abs(top) * 2 * _U) * _INFLATE + _TINY
    out_m[2] = top * inverse
    out_r[2] = (
        abs(top) * error + top_error * (inverse + error) + abs(out_m[2]) * 2 * _U
    ) * _INFLATE + _TINY
    return True


@part
def _tighten(point: Balls, whole: Balls, h: float) -> None:
    """Replace the value and slope over an interval by their mean value forms where those are
    narrower.
    """
    (pm, pr), (wm, wr) = point, whole
    # over [t - h, t + h]: f' within f'(t) +- 2 h |f''/2|, f within f(t) +- h |f'|
    slope = pr[1] + 2 * h * (abs(wm[2]) + wr[2])
    slope = (slope + abs(pm[1]) * 2 * _U) * _INFLATE + _TINY
    if slope < wr[1]:
        wm[1], wr[1] = pm[1], slope
    value = pr[0] + h * (abs(wm[1]) + wr[1])
    value = (value + abs(pm[0]) * 2 * _U) * _INFLATE + _TINY
    if value < wr[0]:
        wm[0], wr[0] = pm[0], value


@part
def _form_jet(
    data: Balls, offset: int, x: Balls, start: int, size: int, image: Balls, out: Balls
) -> None:
    """The quadratic form with matrix `data[offset:]` at the basis functions start .. start +
    size; `image` (size x 3) becomes the matrix times them.
    """
    for a in range(size):
        row = offset + a * size
        _dot_jet(_part(data, row, row + size), x, start, _row(image, a))
    # x' M x: the products of x and M x, coefficient by coefficient
    (xm, xr), (um, ur), (out_m, out_r) = x, image, out
    for k in range(3):
        mid, absolute, spread = 0.0, 0.0, 0.0
        for a in range(size):
            for i in range(k + 1):
                value, u, error = xm[start + a, i], um[a, k - i], ur[a, k - i]
                term = value * u
                mid += term
                absolute += abs(term)
                spread += abs(value) * error + xr[start + a, i] * (abs(u) + error)
        out_m[k] = mid
        out_r[k] = (spread + (3 * size + 2) * _U * absolute) * _INFLATE + (3 * size + 1) * _TINY


@part
def _coordinates(quadrant: int, t: float, h: float, point: Balls, whole: Balls) -> None:
    """The jets of the two coordinates of a quadrant, +-(1 - t) and +-t: basis functions 0 and 1."""
    back_error = _U * (1.0 + abs(t))
    for side in range(2):
        falls = (side == 0) == (quadrant % 2 == 0)  # this coordinate is +-(1 - t), the other +-t
        negative = (side == 0 and quadrant in (1, 2)) or (side == 1 and quadrant in (2, 3))
        sign = -1.0 if negative else 1.0
        point.mid[side] = 0.0
        point.rad[side] = 0.0
        point.mid[side, 0] = sign * (1.0 - t if falls else t)
        point.rad[side, 0] = back_error if falls else 0.0
        point.mid[side, 1] = -sign if falls else sign
        whole.mid[side] = point.mid[side]
        whole.rad[side] = point.rad[side]
        whole.rad[side, 0] = (point.rad[side, 0] + h) * _INFLATE + _TINY


@part
def _program(steps: Steps, t: float, h: float, work: Workspace) -> bool:
    """Taylor coefficients of all basis functions at t (`work.point`) and over [t - h, t + h]
    (`work.whole`); False where a root may vanish.
    """
    kinds, places, data, quadrant, _ = steps
    point, whole, image = work
    _coordinates(quadrant, t, h, point, whole)
    q, q_whole, s, s_whole = _jet(), _jet(), _jet(), _jet()
    at = 2  # basis functions before `at` are known
    for step in range(kinds.shape[0]):
        place = places[step]
        start, size, outer, offset = place[0], place[1], place[2], place[3]
        if kinds[step] == ROOT:
            _form_jet(data, offset, point, start, size, image, q)
            _form_jet(data, offset, whole, start, size, image, q_whole)
            _tighten(q, q_whole, h)
            if not (_jet_root(q, _row(point, at)) and _jet_root(q_whole, _row(whole, at))):
                return False
            _tighten(_row(point, at), _row(whole, at), h)
            at += 1
        elif kinds[step] == LINEAR:
            form = _part(data, offset, offset + size)
            _dot_jet(form, point, start, _row(point, at))
            _dot_jet(form, whole, start, _row(whole, at))
            _tighten(_row(point, at), _row(whole, at), h)
            at += 1
        # the first `outer` functions times one form over all, then all times a form over the first
        # `outer`
        else:
            over_all = _part(data, offset, offset + size)
            over_first = _part(data, offset + size, offset + size + outer)
            _dot_jet(over_all, point, start, q)
            _dot_jet(over_all, whole, start, q_whole)
            _dot_jet(over_first, point, start, s)
            _dot_jet(over_first, whole, start, s_whole)
            for a in range(outer + size):
                i = start + (a if a < outer else a - outer)
                factor, factor_whole = (q, q_whole) if a < outer else (s, s_whole)
                _jet_product(_row(point, i), factor, _row(point, at))
                _jet_product(_row(whole, i), factor_whole, _row(whole, at))
                _tighten(_row(point, at), _row(whole, at), h)
                at += 1
    return True


@part
def _certain_sign(function: Balls, point: Balls, start: int) -> int:
    """The certain sign of a function at the point where the basis was evaluated, or 0."""
    mid, rad = _dot(function, point, start, 0)
    if mid > rad:
        return 1
    return -1 if -mid > rad else 0


@numba.njit(cache=True, nogil=True)
def point_signs(steps: Steps, functions: Balls, t: float) -> Array:
    """The certain sign of every function (m x k balls) at a float t, or 0."""
    m, k = functions.mid.shape
    work, signs = _workspace(steps.size), np.zeros(m, dtype=np.int64)
    if _program(steps, t, 0.0, work):
        for j in range(m):
            signs[j] = _certain_sign(_row(functions, j), work.point, steps.size - k)
    return signs


@numba.njit(cache=True, nogil=True)
def roots_are_positive(steps: Steps, low: float, high: float) -> bool:
    """Whether every radicand of the program is certainly positive on [low, high]; False also when
    floats cannot tell.
    """
    work = _workspace(steps.size)
    stack = np.empty((_DEPTH + 2, 2))  # intervals not yet settled, disjoint
    stack[0, 0], stack[0, 1] = low, high
    left, done = 1, 0
    # the program is certain over what was taken off; stack[:left] is what remains of [low, high]
    while left > 0:
        left -= 1
        a, b = stack[left, 0], stack[left, 1]
        middle = 0.5 * (a + b)
        h = max(b - middle, middle - a) * _INFLATE
        done += 1
        if _program(steps, middle, h, work):
            continue
        # 12 halvings: the stack has room for more
        if done > 300 or not a < middle < b or b - a < (high - low) * 2.0**-12:
            return False
        stack[left, 0], stack[left, 1] = middle, b
        stack[left + 1, 0], stack[left + 1, 1] = a, middle
        left += 2
    return True


@numba.njit(cache=True, nogil=True)
def isolate(steps: Steps, functions: Balls, low: float, high: float, out: Zeros) -> int:
    """Zeros of m functions (m x k balls) on [low, high]: how many entries of `out` are filled; -1:
    too few. Every zero lies in one of these intervals.
    """
    m, k = functions.mid.shape
    start = steps.size - k  # of the basis functions that the others combine
    rows, lows, highs, are_proved = out
    work, at_a, at_b = _workspace(steps.size), _workspace(steps.size), _workspace(steps.size)
    # intervals not yet settled, the next one last: `lists[depth, :counts[depth]]` are the functions
    # that one of this depth leaves open
    stack, depths = np.empty((_DEPTH + 2, 2)), np.empty(_DEPTH + 2, dtype=np.int64)
    lists, counts = np.empty((_DEPTH + 2, m), dtype=np.int64), np.zeros(_DEPTH + 2, dtype=np.int64)
    lists[0] = np.arange(m)
    counts[0] = m
    stack[0, 0], stack[0, 1], depths[0] = low, high, 0
    left, found, done = 1, 0, 0
    finest = max((high - low) * _SHARE, _FINEST)
    # every zero lies in an interval of `out`, or of the stack with its function in that depth's
    # list
    while left > 0:
        left -= 1
        a, b, depth = stack[left, 0], stack[left, 1], depths[left]
        if counts[depth] == 0:
            continue
        done += 1
        last = b - a < finest or done > _MOST_INTERVALS or depth >= _DEPTH - 1
        middle = 0.5 * (a + b)
        h = max(b - middle, middle - a) * _INFLATE
        known = _program(steps, middle, h, work)
        ends_known, ends_sure, open_count = False, False, 0
        for position in range(counts[depth]):
            j = lists[depth, position]
            function, settled = _row(functions, j), False
            if known:
                v0, r0 = _dot(function, work.point, start, 0)
                v1, r1 = _dot(function, work.point, start, 1)
                v2, r2 = _dot(function, work.whole, start, 2)
                bend = (abs(v2) + r2) * h * _INFLATE
                # |f| > |f'| h + |f''/2| h^2: no zero here
                if abs(v0) > (r0 + h * (abs(v1) + r1 + bend)) * _INFLATE + _TINY:
                    continue
                # monotone: the signs at the ends decide
                if abs(v1) > (r1 + 2 * bend) * _INFLATE + _TINY:
                    if not ends_known:
                        ends_known = True
                        ends_sure = _program(steps, a, 0.0, at_a) and _program(steps, b, 0.0, at_b)
                    if ends_sure:
                        first = _certain_sign(function, at_a.point, start)
                        second = _certain_sign(function, at_b.point, start)
                        settled = first != 0 and second != 0
                        if settled and first == second:
                            continue
            # settled: one zero, by opposite signs; last: left to exact arithmetic
            if settled or last:
                if found == rows.shape[0]:
                    return -1
                rows[found], lows[found], highs[found], are_proved[found] = j, a, b, settled
                found += 1
            else:
                lists[depth + 1, open_count] = j
                open_count += 1
        # both halves with the functions left open, the left half next
        if not last and open_count > 0:
            counts[depth + 1] = open_count
            stack[left, 0], stack[left, 1], depths[left] = middle, b, depth + 1
            stack[left + 1, 0], stack[left + 1, 1], depths[left + 1] = a, middle, depth + 1
            left += 2
    for i in range(found):
        if are_proved[i]:
            function = _row(functions, rows[i])
            lows[i], highs[i] = _narrowed(steps, function, lows[i], highs[i], work)
    return found


@part
def _narrowed(
    steps: Steps, function: Balls, low: float, high: float, work: Workspace
) -> tuple[float, float]:
    """A narrower interval around the one zero: Newton's method proposes, opposite certain signs at
    its ends prove.
    """
    start, point = steps.size - function.mid.shape[0], work.point
    x = 0.5 * (low + high)
    _program(steps, low, 0.0, work)
    below = _certain_sign(function, point, start)
    # Newton from the middle, inside the interval
    for _ in range(8):
        if not _program(steps, x, 0.0, work):
            break
        value, _rad = _dot(function, point, start, 0)
        slope, _rad = _dot(function, point, start, 1)
        moved = x - value / slope if slope != 0.0 else x
        if not low < moved < high or moved == x:
            break
        x = moved
    # the narrowest interval around x whose ends have certain opposite signs
    for width in (2.0**-49, 2.0**-46, 2.0**-42, 2.0**-36, 2.0**-30):
        a, b = x - width, x + width
        if a <= low or b >= high:
            break
        if not _program(steps, a, 0.0, work) or _certain_sign(function, point, start) != below:
            continue
        if _program(steps, b, 0.0, work) and _certain_sign(function, point, start) == -below:
            return a, b
    return low, high
