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

from typing import Any

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


@numba.njit(cache=True)
def _dot(
    am: Array, ar: Array, xm: Array, xr: Array, start: int, size: int, order: int
) -> tuple[float, float]:
    """sum_i a[i] x[start + i, order] as a ball."""
    mid, absolute, spread = 0.0, 0.0, 0.0
    for i in range(size):
        a, x = am[i], xm[start + i, order]
        term = a * x
        mid += term
        absolute += abs(term)
        spread += abs(a) * xr[start + i, order] + ar[i] * (abs(x) + xr[start + i, order])
    return mid, (spread + (size + 2) * _U * absolute) * _INFLATE + (size + 1) * _TINY


@numba.njit(cache=True)
def _jet_product(am: Array, ar: Array, bm: Array, br: Array, out_m: Array, out_r: Array) -> None:
    """The first three Taylor coefficients of a product."""
    for k in range(3):
        mid, absolute, spread = 0.0, 0.0, 0.0
        for i in range(k + 1):
            term = am[i] * bm[k - i]
            mid += term
            absolute += abs(term)
            spread += abs(am[i]) * br[k - i] + ar[i] * (abs(bm[k - i]) + br[k - i])
        out_m[k] = mid
        out_r[k] = (spread + 5 * _U * absolute) * _INFLATE + 4 * _TINY


@numba.njit(cache=True)
def _jet_root(qm: Array, qr: Array, out_m: Array, out_r: Array) -> bool:
    """The first three Taylor coefficients of a root; False unless the radicand is certainly
    positive.
    """
    if not qm[0] > qr[0] * (1.0 + 2.0**-40):
        return False
    root = np.sqrt(qm[0])
    out_m[0] = root
    out_r[0] = (qr[0] / root + root * 2 * _U) * _INFLATE + _TINY
    low = root - out_r[0]
    if not low > 0.0:
        return False
    inverse = 0.5 / root  # 1 / (2 N): |1/x - 1/m| <= r / (m (m - r))
    error = (0.5 * out_r[0] / (root * low) + inverse * 2 * _U) * _INFLATE + _TINY
    out_m[1] = qm[1] * inverse
    out_r[1] = (
        abs(qm[1]) * error + qr[1] * (inverse + error) + abs(out_m[1]) * 2 * _U
    ) * _INFLATE + _TINY
    square = out_m[1] * out_m[1]
    square_error = (
        2 * abs(out_m[1]) * out_r[1] + out_r[1] * out_r[1] + square * 2 * _U
    ) * _INFLATE + _TINY
    top = qm[2] - square
    top_error = (qr[2] + square_error + abs(top) * 2 * _U) * _INFLATE + _TINY
    out_m[2] = top * inverse
    out_r[2] = (
        abs(top) * error + top_error * (inverse + error) + abs(out_m[2]) * 2 * _U
    ) * _INFLATE + _TINY
    return True


@numba.njit(cache=True)
def _tighten(pm: Array, pr: Array, wm: Array, wr: Array, h: float) -> None:
    """Replace the value and slope over an interval by their mean value forms where those are
    narrower.
    """
    slope = pr[1] + 2 * h * (abs(wm[2]) + wr[2])
    slope = (slope + abs(pm[1]) * 2 * _U) * _INFLATE + _TINY
    if slope < wr[1]:
        wm[1], wr[1] = pm[1], slope
    value = pr[0] + h * (abs(wm[1]) + wr[1])
    value = (value + abs(pm[0]) * 2 * _U) * _INFLATE + _TINY
    if value < wr[0]:
        wm[0], wr[0] = pm[0], value


@numba.njit(cache=True)
def _form_jet(
    dm: Array,
    dr: Array,
    offset: int,
    xm: Array,
    xr: Array,
    start: int,
    size: int,
    um: Array,
    ur: Array,
    qm: Array,
    qr: Array,
) -> None:
    """The quadratic form with matrix `data[offset:]` at the basis functions start .. start +
    size.
    """
    for a in range(size):
        row = offset + a * size
        for k in range(3):
            um[a, k], ur[a, k] = _dot(
                dm[row : row + size], dr[row : row + size], xm, xr, start, size, k
            )
    for k in range(3):
        mid, absolute, spread = 0.0, 0.0, 0.0
        for a in range(size):
            for i in range(k + 1):
                x, u = xm[start + a, i], um[a, k - i]
                term = x * u
                mid += term
                absolute += abs(term)
                spread += abs(x) * ur[a, k - i] + xr[start + a, i] * (abs(u) + ur[a, k - i])
        qm[k] = mid
        qr[k] = (spread + (3 * size + 2) * _U * absolute) * _INFLATE + (3 * size + 1) * _TINY


@numba.njit(cache=True)
def _program(
    kinds: Array,
    places: Array,
    dm: Array,
    dr: Array,
    quadrant: int,
    t: float,
    h: float,
    pm: Array,
    pr: Array,
    wm: Array,
    wr: Array,
    um: Array,
    ur: Array,
) -> bool:
    """Taylor coefficients of all basis functions at t (p) and over [t - h, t + h] (w); False where
    a root may vanish.
    """
    back, ahead = 1.0 - t, t
    back_error = _U * (1.0 + abs(t))
    for side in range(2):
        falls = (side == 0) == (quadrant % 2 == 0)  # this coordinate is +-(1 - t), the other +-t
        sign = 1.0
        if (side == 0 and quadrant in (1, 2)) or (side == 1 and quadrant in (2, 3)):
            sign = -1.0
        pm[side, 0] = sign * (back if falls else ahead)
        pr[side, 0] = back_error if falls else 0.0
        pm[side, 1] = -sign if falls else sign
        pr[side, 1] = 0.0
        pm[side, 2] = 0.0
        pr[side, 2] = 0.0
        for k in range(3):
            wm[side, k], wr[side, k] = pm[side, k], pr[side, k]
        wr[side, 0] = (pr[side, 0] + h) * _INFLATE + _TINY
    qm, qr, vm, vr = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    sm, sr, tm, tr = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    at = 2
    for step in range(kinds.shape[0]):
        start, size, outer, offset = (
            places[step, 0],
            places[step, 1],
            places[step, 2],
            places[step, 3],
        )
        if kinds[step] == ROOT:
            _form_jet(dm, dr, offset, pm, pr, start, size, um, ur, qm, qr)
            _form_jet(dm, dr, offset, wm, wr, start, size, um, ur, vm, vr)
            _tighten(qm, qr, vm, vr, h)
            if not (_jet_root(qm, qr, pm[at], pr[at]) and _jet_root(vm, vr, wm[at], wr[at])):
                return False
            _tighten(pm[at], pr[at], wm[at], wr[at], h)
            at += 1
        elif kinds[step] == LINEAR:
            for k in range(3):
                pm[at, k], pr[at, k] = _dot(
                    dm[offset : offset + size], dr[offset : offset + size], pm, pr, start, size, k
                )
                wm[at, k], wr[at, k] = _dot(
                    dm[offset : offset + size], dr[offset : offset + size], wm, wr, start, size, k
                )
            _tighten(pm[at], pr[at], wm[at], wr[at], h)
            at += 1
        # the first `outer` functions times one form over all, then all times a form over the first
        # `outer`
        else:
            middle = offset + size
            for k in range(3):
                qm[k], qr[k] = _dot(dm[offset:middle], dr[offset:middle], pm, pr, start, size, k)
                vm[k], vr[k] = _dot(dm[offset:middle], dr[offset:middle], wm, wr, start, size, k)
                sm[k], sr[k] = _dot(
                    dm[middle : middle + outer],
                    dr[middle : middle + outer],
                    pm,
                    pr,
                    start,
                    outer,
                    k,
                )
                tm[k], tr[k] = _dot(
                    dm[middle : middle + outer],
                    dr[middle : middle + outer],
                    wm,
                    wr,
                    start,
                    outer,
                    k,
                )
            for a in range(outer + size):
                i = start + (a if a < outer else a - outer)
                if a < outer:
                    _jet_product(pm[i], pr[i], qm, qr, pm[at], pr[at])
                    _jet_product(wm[i], wr[i], vm, vr, wm[at], wr[at])
                else:
                    _jet_product(pm[i], pr[i], sm, sr, pm[at], pr[at])
                    _jet_product(wm[i], wr[i], tm, tr, wm[at], wr[at])
                _tighten(pm[at], pr[at], wm[at], wr[at], h)
                at += 1
    return True


@numba.njit(cache=True)
def _certain_sign(cm: Array, cr: Array, xm: Array, xr: Array, start: int) -> int:
    """The certain sign of a function at the point where the basis was evaluated, or 0."""
    mid, rad = _dot(cm, cr, xm, xr, start, cm.shape[0], 0)
    if mid > rad:
        return 1
    return -1 if -mid > rad else 0


@numba.njit(cache=True)
def point_signs(
    kinds: Array,
    places: Array,
    dm: Array,
    dr: Array,
    quadrant: int,
    size: int,
    t: float,
    cm: Array,
    cr: Array,
) -> Array:
    """The certain sign of every function (m x k balls) at a float t, or 0."""
    m, k = cm.shape
    pm, pr, wm, wr = (
        np.zeros((size, 3)),
        np.zeros((size, 3)),
        np.zeros((size, 3)),
        np.zeros((size, 3)),
    )
    um, ur = np.zeros((size, 3)), np.zeros((size, 3))
    signs = np.zeros(m, dtype=np.int64)
    if _program(kinds, places, dm, dr, quadrant, t, 0.0, pm, pr, wm, wr, um, ur):
        for j in range(m):
            signs[j] = _certain_sign(cm[j], cr[j], pm, pr, size - k)
    return signs


@numba.njit(cache=True)
def roots_are_positive(
    kinds: Array,
    places: Array,
    dm: Array,
    dr: Array,
    quadrant: int,
    size: int,
    low: float,
    high: float,
) -> bool:
    """Whether every radicand of the program is certainly positive on [low, high]; False also when
    floats cannot tell.
    """
    pm, pr, wm, wr = (
        np.zeros((size, 3)),
        np.zeros((size, 3)),
        np.zeros((size, 3)),
        np.zeros((size, 3)),
    )
    um, ur = np.zeros((size, 3)), np.zeros((size, 3))
    stack = np.empty((_DEPTH + 2, 2))
    stack[0, 0], stack[0, 1] = low, high
    left, done = 1, 0
    while left > 0:
        left -= 1
        a, b = stack[left, 0], stack[left, 1]
        middle = 0.5 * (a + b)
        h = max(b - middle, middle - a) * _INFLATE
        done += 1
        if _program(kinds, places, dm, dr, quadrant, middle, h, pm, pr, wm, wr, um, ur):
            continue
        # 12 halvings: the stack has room for more
        if done > 300 or not a < middle < b or b - a < (high - low) * 2.0**-12:
            return False
        stack[left, 0], stack[left, 1] = middle, b
        stack[left + 1, 0], stack[left + 1, 1] = a, middle
        left += 2
    return True


@numba.njit(cache=True)
def isolate(
    kinds: Array,
    places: Array,
    dm: Array,
    dr: Array,
    quadrant: int,
    size: int,
    cm: Array,
    cr: Array,
    low: float,
    high: float,
    rows: Array,
    lows: Array,
    highs: Array,
    zeros: Array,
) -> int:
    """Zeros of m functions (m x k balls) on [low, high]: how many entries of the last four arrays
    are filled; -1: too few.

    Where `zeros` is True, function `rows[i]` has exactly one zero between `lows[i]` and `highs[i]`,
    a sign change; where it is False, nothing is known there. Every zero lies in one of these
    intervals.
    """
    m, k = cm.shape
    pm, pr, wm, wr = (
        np.zeros((size, 3)),
        np.zeros((size, 3)),
        np.zeros((size, 3)),
        np.zeros((size, 3)),
    )
    um, ur = np.zeros((size, 3)), np.zeros((size, 3))
    om, orr = np.zeros((size, 3)), np.zeros((size, 3))  # scratch of points
    nm, nr = np.zeros((size, 3)), np.zeros((size, 3))
    spare_m, spare_r = np.zeros((size, 3)), np.zeros((size, 3))
    stack, depths = np.empty((_DEPTH + 2, 2)), np.empty(_DEPTH + 2, dtype=np.int64)
    lists, counts = np.empty((_DEPTH + 2, m), dtype=np.int64), np.zeros(_DEPTH + 2, dtype=np.int64)
    for j in range(m):
        lists[0, j] = j
    counts[0] = m
    stack[0, 0], stack[0, 1], depths[0] = low, high, 0
    left, found, done = 1, 0, 0
    finest = max((high - low) * _SHARE, _FINEST)
    while left > 0:
        left -= 1
        a, b, depth = stack[left, 0], stack[left, 1], depths[left]
        if counts[depth] == 0:
            continue
        done += 1
        last = b - a < finest or done > _MOST_INTERVALS or depth >= _DEPTH - 1
        middle = 0.5 * (a + b)
        h = max(b - middle, middle - a) * _INFLATE
        known = _program(kinds, places, dm, dr, quadrant, middle, h, pm, pr, wm, wr, um, ur)
        ends_known, ends_sure, open_count = False, False, 0
        for position in range(counts[depth]):
            j = lists[depth, position]
            settled = False
            if known:
                v0, r0 = _dot(cm[j], cr[j], pm, pr, size - k, k, 0)
                v1, r1 = _dot(cm[j], cr[j], pm, pr, size - k, k, 1)
                v2, r2 = _dot(cm[j], cr[j], wm, wr, size - k, k, 2)
                bend = (abs(v2) + r2) * h * _INFLATE
                if abs(v0) > (r0 + h * (abs(v1) + r1 + bend)) * _INFLATE + _TINY:
                    continue
                # monotone: the signs at the ends decide
                if abs(v1) > (r1 + 2 * bend) * _INFLATE + _TINY:
                    if not ends_known:
                        ends_known = True
                        ends_sure = _program(
                            kinds,
                            places,
                            dm,
                            dr,
                            quadrant,
                            a,
                            0.0,
                            om,
                            orr,
                            spare_m,
                            spare_r,
                            um,
                            ur,
                        )
                        ends_sure = ends_sure and _program(
                            kinds,
                            places,
                            dm,
                            dr,
                            quadrant,
                            b,
                            0.0,
                            nm,
                            nr,
                            spare_m,
                            spare_r,
                            um,
                            ur,
                        )
                    if ends_sure:
                        first = _certain_sign(cm[j], cr[j], om, orr, size - k)
                        second = _certain_sign(cm[j], cr[j], nm, nr, size - k)
                        settled = first != 0 and second != 0
                        if settled and first != second:
                            if found == rows.shape[0]:
                                return -1
                            rows[found], lows[found], highs[found], zeros[found] = j, a, b, True
                            found += 1
            if settled:
                continue
            if last:
                if found == rows.shape[0]:
                    return -1
                rows[found], lows[found], highs[found], zeros[found] = j, a, b, False
                found += 1
            else:
                lists[depth + 1, open_count] = j
                open_count += 1
        if not last and open_count > 0:
            counts[depth + 1] = open_count
            stack[left, 0], stack[left, 1], depths[left] = middle, b, depth + 1
            stack[left + 1, 0], stack[left + 1, 1], depths[left + 1] = a, middle, depth + 1
            left += 2
    for i in range(found):
        if zeros[i]:
            lows[i], highs[i] = _narrowed(
                kinds,
                places,
                dm,
                dr,
                quadrant,
                size,
                cm[rows[i]],
                cr[rows[i]],
                lows[i],
                highs[i],
                om,
                orr,
                spare_m,
                spare_r,
                um,
                ur,
            )
    return found


@numba.njit(cache=True)
def _narrowed(
    kinds: Array,
    places: Array,
    dm: Array,
    dr: Array,
    quadrant: int,
    size: int,
    cm: Array,
    cr: Array,
    low: float,
    high: float,
    pm: Array,
    pr: Array,
    wm: Array,
    wr: Array,
    um: Array,
    ur: Array,
) -> tuple[float, float]:
    """A narrower interval around the one zero: Newton's method proposes, opposite certain signs at
    its ends prove.
    """
    k = cm.shape[0]
    x = 0.5 * (low + high)
    _program(kinds, places, dm, dr, quadrant, low, 0.0, pm, pr, wm, wr, um, ur)
    below = _certain_sign(cm, cr, pm, pr, size - k)
    for _ in range(8):
        if not _program(kinds, places, dm, dr, quadrant, x, 0.0, pm, pr, wm, wr, um, ur):
            break
        value, _rad = _dot(cm, cr, pm, pr, size - k, k, 0)
        slope, _rad = _dot(cm, cr, pm, pr, size - k, k, 1)
        moved = x - value / slope if slope != 0.0 else x
        if not low < moved < high:
            break
        if moved == x:
            break
        x = moved
    for width in (2.0**-49, 2.0**-46, 2.0**-42, 2.0**-36, 2.0**-30):
        a, b = x - width, x + width
        if a <= low or b >= high:
            break
        if not _program(kinds, places, dm, dr, quadrant, a, 0.0, pm, pr, wm, wr, um, ur):
            continue
        if _certain_sign(cm, cr, pm, pr, size - k) != below:
            continue
        if not _program(kinds, places, dm, dr, quadrant, b, 0.0, pm, pr, wm, wr, um, ur):
            continue
        if _certain_sign(cm, cr, pm, pr, size - k) == -below:
            return a, b
    return low, high
