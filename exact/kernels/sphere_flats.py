"""Flats of an arrangement that meet a sphere, depth first, in float64 with certificates: missed,
met, or left open.

The sphere is nearly |x| = 1: exactly `x' Q x = 1` with |Q - I| <= eta in the maximum norm. Row j of
`normals` and `offsets` is within 4 U |entry| of a hyperplane `a . x + b = 0` with |a| near 1 and
|b| <= |a| (U = 2^-53, at most 9 coordinates). A flat is certainly missed when some combination of
its rows is: `|l . b| > |A' l|` leaves no point of length 1 (Cauchy-Schwarz), whatever floats
proposed l. A crossing of d - 1 hyperplanes with the sphere is certain by Krawczyk's test: near a
float point x with an approximate inverse R of the Jacobian J the equations F have exactly one zero
within delta of x, in every coordinate, when |R F(x)| + max |I - R J| delta < delta. The sign of
another row is then certain when its value at x exceeds what delta can change. Everything else is
left open, and exact arithmetic decides it. Source: Rump 2010, section 13.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

DONE, FULL = 0, 1  # answers of `traverse`
_MISSED, _MET, _OPEN = 0, 1, 2
_MOST_MISSED = 1 << 16  # flats in one call

# above the error of a row's value at a point of length below 1.1, and of sums of at most 9 rows
_ROUNDING = 2.0**-47
_PRODUCT = 2.0**-45  # above the relative error of a product of two matrices of 9 x 9
_DEPENDENT = 2.0**-20  # a row this close to the span of others is not used to go on
_TANGENT = 2.0**-30  # a flat this close to the sphere is not gone on with
_CONTRACTION = 0.45
# arrays come in, none is made
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
part = numba.njit(  # type: ignore[call-overload]
    nogil=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)

Array = np.ndarray[Any, Any]


class Planes(NamedTuple):
    """The arrangement; `masks` (m x words) is the bit of a hyperplane in a packed code."""

    normals: Array
    offsets: Array
    masks: Array
    eta: float


class Walk(NamedTuple):
    """Where the walk stands: it may stop and go on. All arrays are for `chosen` hyperplanes at
    most, one row each.

    `frame` is an orthonormal basis of their normals and `shares` says how it is made of them;
    `feet` is the point of the flat next to the origin, `weights` how it is made of the normals;
    `chosen` and `following` number hyperplanes; `depth` is one number. `work` (5 x d, 2 x words) is
    scratch.
    """

    chosen: Array
    following: Array
    depth: Array
    frame: Array
    shares: Array
    feet: Array
    weights: Array
    vectors: Array
    jacobian: Array
    inverse: Array


class Found(NamedTuple):
    """What the walk writes, from entry 0 of each at every call; `counts`: crossings, uncut flats,
    open ones, missed ones.

    `crossings` (V x k) and `codes` (V x words) are crossings and the signs there of the other
    hyperplanes. `uncut` and `left` (rows of k) are flats of fewer or more hyperplanes, ended by -1.
    """

    crossings: Array
    codes: Array
    uncut: Array
    left: Array
    counts: Array


@part
def _extend(planes: Planes, walk: Walk, c: int, j: int) -> int:
    """Add hyperplane j to the first c chosen ones; whether the sphere misses the flat, meets it, or
    that is open.
    """
    a, n, k = planes.normals[j], planes.normals.shape[1], walk.chosen.shape[0]
    u, s = walk.frame[c], walk.shares[c]
    for i in range(n):
        u[i] = a[i]
    for f in range(k):
        s[f] = 0.0
    s[c] = 1.0
    # twice: u becomes orthogonal to frame[:c] up to rounding, and s keeps u = sum s_f a_f
    for _ in range(2):
        for e in range(c):
            t = 0.0
            for i in range(n):
                t += u[i] * walk.frame[e, i]
            for i in range(n):
                u[i] -= t * walk.frame[e, i]
            for f in range(e + 1):
                s[f] -= t * walk.shares[e, f]
    # size = |u|, value = a . foot + b: how far the flat so far is off hyperplane j
    size, value = 0.0, planes.offsets[j]
    for i in range(n):
        size += u[i] * u[i]
        if c > 0:
            value += a[i] * walk.feet[c - 1, i]
    size = np.sqrt(size)
    walk.chosen[c] = j
    if size < _DEPENDENT:
        return _MISSED if _is_missed(planes, walk, c + 1, s) else _OPEN
    # the foot moves along u; weights keep foot = sum weights_f a_f
    step, square = -value / size, 0.0
    for f in range(c + 1):
        s[f] /= size
        walk.weights[c, f] = step * s[f] + (walk.weights[c - 1, f] if c > 0 else 0.0)
    for i in range(n):
        u[i] /= size
        foot = step * u[i] + (walk.feet[c - 1, i] if c > 0 else 0.0)
        walk.feet[c, i] = foot
        square += foot * foot
    # the point next to the origin is inside the sphere: floats say that it is met
    if square < 1.0 - _TANGENT:
        return _MET
    return _MISSED if _is_missed(planes, walk, c + 1, walk.weights[c]) else _OPEN


@part
def _is_missed(planes: Planes, walk: Walk, c: int, weights: Array) -> bool:
    """Whether this combination of the first c chosen rows proves that their flat misses the
    sphere.
    """
    n, height, size, length = planes.normals.shape[1], 0.0, 0.0, 0.0
    for f in range(c):
        height += weights[f] * planes.offsets[walk.chosen[f]]
        size += abs(weights[f])
    # length is |A' l|^2; points of the sphere are no longer than 1 + 2 n eta
    for i in range(n):
        total = 0.0
        for f in range(c):
            total += weights[f] * planes.normals[walk.chosen[f], i]
        length += total * total
    error = size * _ROUNDING
    missed: bool = (abs(height) - error) * (1.0 - _PRODUCT) > (np.sqrt(length) + error) * (
        1.0 + 2.0 * n * planes.eta
    )
    return missed


@part
def _is_uncut(planes: Planes, walk: Walk, c: int) -> bool:
    """Whether every other hyperplane certainly misses the sphere in the flat of the first c."""
    for j in range(planes.normals.shape[0]):
        own = False
        for f in range(c):
            own = own or walk.chosen[f] == j
        if not own and _extend(planes, walk, c, j) != _MISSED:
            return False
    return True


@part
def _direction(walk: Walk, q: Array) -> None:
    """A unit vector along the line on which the d - 1 chosen hyperplanes meet."""
    n, k, least, best = q.shape[0], walk.chosen.shape[0], 2.0, 0
    # the axis that is nearest to orthogonal to the frame: what is left of it is not small
    for i in range(n):
        total = 0.0
        for e in range(k):
            total += walk.frame[e, i] * walk.frame[e, i]
        if total < least:
            least, best = total, i
    for i in range(n):
        q[i] = 1.0 if i == best else 0.0
    for _ in range(2):
        for e in range(k):
            t = 0.0
            for i in range(n):
                t += q[i] * walk.frame[e, i]
            for i in range(n):
                q[i] -= t * walk.frame[e, i]
        size = 0.0
        for i in range(n):
            size += q[i] * q[i]
        size = np.sqrt(size)
        for i in range(n):
            q[i] /= size


@part
def _invert(a: Array, inverse: Array) -> bool:
    """Gauss-Jordan with partial pivoting, in place of `a`; False when it looks singular."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            inverse[i, j] = 1.0 if i == j else 0.0
    # columns before c of `a` are those of the identity, and inverse x (the first a) = a
    for c in range(n):
        best = c
        for i in range(c + 1, n):
            if abs(a[i, c]) > abs(a[best, c]):
                best = i
        if not abs(a[best, c]) > _DEPENDENT * _DEPENDENT:
            return False
        if best != c:
            for j in range(n):
                a[c, j], a[best, j] = a[best, j], a[c, j]
                inverse[c, j], inverse[best, j] = inverse[best, j], inverse[c, j]
        scale = 1.0 / a[c, c]
        for j in range(n):
            a[c, j] *= scale
            inverse[c, j] *= scale
        for i in range(n):
            if i != c and a[i, c] != 0.0:
                factor = a[i, c]
                for j in range(n):
                    a[i, j] -= factor * a[c, j]
                    inverse[i, j] -= factor * inverse[c, j]
    return True


@part
def _fill(planes: Planes, walk: Walk, x: Array) -> None:
    """The Jacobian at x: the chosen normals, and x itself for the sphere."""
    n = x.shape[0]
    for i in range(n):
        for f in range(n - 1):
            walk.jacobian[f, i] = planes.normals[walk.chosen[f], i]
        walk.jacobian[n - 1, i] = x[i]


@part
def _residuals(planes: Planes, walk: Walk, x: Array, out: Array) -> float:
    """The equations at x, and the largest of them."""
    n, largest = x.shape[0], 0.0
    for f in range(n - 1):
        total = planes.offsets[walk.chosen[f]]
        for i in range(n):
            total += planes.normals[walk.chosen[f], i] * x[i]
        out[f] = total
    square = -1.0
    for i in range(n):
        square += x[i] * x[i]
    out[n - 1] = 0.5 * square
    for f in range(n):
        largest = max(largest, abs(out[f]))
    return largest


@part
def _radius(planes: Planes, walk: Walk, x: Array, residual: Array) -> float:
    """Move x by one Newton step; a certain bound on the distance of its coordinates to the one
    crossing nearby, or -1.
    """
    n = x.shape[0]
    _fill(planes, walk, x)
    if not _invert(walk.jacobian, walk.inverse):
        return -1.0
    _residuals(planes, walk, x, residual)
    for i in range(n):
        for f in range(n):
            x[i] -= walk.inverse[i, f] * residual[f]
    largest = _residuals(planes, walk, x, residual)
    # J at the moved point; R is that of the point before, which is near enough
    _fill(planes, walk, x)
    size, defect = 0.0, 0.0
    for i in range(n):
        row, off = 0.0, 0.0
        for f in range(n):
            row += abs(walk.inverse[i, f])
            total = -1.0 if i == f else 0.0
            for e in range(n):
                total += walk.inverse[i, e] * walk.jacobian[e, f]
            off += abs(total)
        size, defect = max(size, row), max(defect, off)
    # |R F(x)| with rounding and eta; twice that is tried as delta
    first = size * (largest + _ROUNDING + planes.eta) * (1.0 + _PRODUCT)
    radius = 2.0 * first
    # max |I - R J| over the cube of half-width delta: J moves by delta in its last row alone
    contraction = defect + size * (_PRODUCT + n * radius + 2.0 * n * planes.eta)
    return radius * (1.0 + _PRODUCT) if contraction < _CONTRACTION else -1.0


@part
def _signs(planes: Planes, walk: Walk, x: Array, radius: float, out: Array) -> bool:
    """Write the bits of the hyperplanes not chosen at the crossing near x; False when one of them
    is not certain.
    """
    n, k = x.shape[0], walk.chosen.shape[0]
    margin = (np.sqrt(n) * radius + _ROUNDING) * (1.0 + _DEPENDENT)
    for w in range(out.shape[0]):
        out[w] = 0
    for j in range(planes.normals.shape[0]):
        value = planes.offsets[j]
        for i in range(n):
            value += planes.normals[j, i] * x[i]
        # the sign at the crossing itself: delta moves a form of a unit normal by sqrt(n) delta at
        # most
        if value > margin:
            for w in range(out.shape[0]):
                out[w] |= planes.masks[j, w]
        elif not value < -margin:
            own = False
            for f in range(k):
                own = own or walk.chosen[f] == j
            if not own:
                return False
    # the chosen ones are zero there: their bits stay clear
    for f in range(k):
        for w in range(out.shape[0]):
            out[w] &= ~planes.masks[walk.chosen[f], w]
    return True


@part
def _crossings(planes: Planes, walk: Walk, found: Found) -> bool:
    """Write the two crossings of the chosen d - 1 hyperplanes with the sphere; False when not all
    about them is certain.
    """
    n, k, at = planes.normals.shape[1], walk.chosen.shape[0], found.counts[0]
    q, x, residual = walk.vectors[0], walk.vectors[1], walk.vectors[2]
    _direction(walk, q)
    square = 1.0
    for i in range(n):
        square -= walk.feet[k - 1, i] * walk.feet[k - 1, i]
    # foot +- reach q, each moved to its crossing; both are certain, apart, and on their own side
    for end in range(2):
        reach = np.sqrt(square) * (1.0 - 2.0 * end)
        for i in range(n):
            x[i] = walk.feet[k - 1, i] + reach * q[i]
        radius = _radius(planes, walk, x, residual)
        side, apart = 0.0, 0.0
        for i in range(n):
            side += (x[i] - walk.feet[k - 1, i]) * q[i] * (1.0 - 2.0 * end)
            apart = max(apart, abs(x[i]))
        if radius < 0.0 or not (
            side > 0.5 * abs(reach) and np.sqrt(n) * radius < 0.25 * abs(reach) and apart < 1.05
        ):
            return False
        if not _signs(planes, walk, x, radius, found.codes[at + end]):
            return False
        for f in range(k):
            found.crossings[at + end, f] = walk.chosen[f]
    found.counts[0] = at + 2
    return True


@part
def _note(walk: Walk, c: int, rows: Array, at: int) -> None:
    """Write the first c chosen hyperplanes to row `at`, ended by -1."""
    for f in range(walk.chosen.shape[0]):
        rows[at, f] = walk.chosen[f] if f < c else -1


@numba.njit(**_OPTIONS)
def traverse(planes: Planes, walk: Walk, found: Found) -> int:
    """Go on through all sets of at most k hyperplanes whose flats are not missed; FULL when
    something has no more room, or many were missed: the caller has a clock.

    To start, `depth` and `following` are zero. The first sets of a set that is left open or uncut
    are not gone on with.
    """
    count, k = planes.normals.shape[0], walk.chosen.shape[0]
    found.counts[:] = 0
    while walk.depth[0] >= 0:
        full = found.counts[0] + 2 > found.crossings.shape[0] or found.counts[3] >= _MOST_MISSED
        if (
            full
            or found.counts[1] == found.uncut.shape[0]
            or found.counts[2] == found.left.shape[0]
        ):
            return FULL
        # chosen[:c] is a set whose flat is met; following[c] is the next hyperplane to try with it
        c = walk.depth[0]
        j = walk.following[c]
        if j == count:
            walk.depth[0] = c - 1
            continue
        walk.following[c] = j + 1
        # in ascending order, so that every set is come to once
        answer = _extend(planes, walk, c, j)
        if answer == _MISSED:
            found.counts[3] += 1
        elif answer == _OPEN or (c + 1 == k and not _crossings(planes, walk, found)):
            _note(walk, c + 1, found.left, found.counts[2])
            found.counts[2] += 1
        elif c + 1 < k and _is_uncut(planes, walk, c + 1):
            _note(walk, c + 1, found.uncut, found.counts[1])
            found.counts[1] += 1
        elif c + 1 < k:
            walk.depth[0], walk.following[c + 1] = c + 1, j + 1
    return DONE
