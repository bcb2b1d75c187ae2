"""Measures and centroids of all faces of a polyhedral complex, one dimension after the other: loops
over faces and the faces that bound them, compiled.

The measure of a k-face F is the length of a k-vector V(F), a multiple of the product of an
orthonormal basis of F's directions. From one of its vertices a, its apex, F is the union of the
cones over the (k - 1)-faces G in its boundary, so that

    k V(F) = sum over G of +- (b_G - a) ^ V(G),   b_G any point of G, here its own apex,

and all terms are multiples of one another: signs are those that make them point the same way. A
face that contains the apex adds nothing; as an apex is the vertex of the lowest number, these are
the faces with the same apex. No term cancels another, and nothing is divided by.

Errors. Vertices are within `slack` of the exact ones. With |a ^ B| <= |a| |B| a term is off by at
most |b - a| E(G) + e (|V(G)| + E(G)) and its rounding, e bounding the error of b - a. A sign that
is not certain, of a term as small as its bound, costs twice the term. Bounds are rounded up.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numba
import numpy as np

_U = 2.0**-53
_UP, _TINY = 1.0 + 2.0**-40, 2.0**-1000

Array = np.ndarray[Any, Any]


class Faces(NamedTuple):
    """What is known of the F faces of one dimension k in R^d."""

    apex: Array  # int64: the vertex of the lowest number
    far: Array  # bool: whether a vertex is at infinity; then nothing below holds
    vector: Array  # float64 (F x C(d, k)): the k-vector, its length the measure
    error: Array  # float64: a bound on the 2-norm of its error
    size: Array  # float64: its length
    middle: Array  # float64 (F x d): the centroid
    middle_error: Array  # float64: a bound on its distance from the exact one
    reach: Array  # float64: a bound on the distances of the face's points from its apex


def points(x: Array, slack: Array, far: Array) -> Faces:
    """The vertices (n x d) as 0-faces of measure 1."""
    count = len(x)
    zeros, ones = np.zeros(count), np.ones(count)
    return Faces(np.arange(count), far, ones[:, None], zeros, ones, x, slack, zeros)


def raised(below: Faces, x: Array, slack: Array, starts: Array, members: Array, k: int) -> Faces:
    """The k-faces, whose (k - 1)-faces are `below` in rows of `members`."""
    count, dim = len(starts) - 1, x.shape[1]
    table = _products(dim, k)
    made = Faces(
        np.zeros(count, np.int64),
        np.zeros(count, bool),
        np.zeros((count, table[-1, 0] + 1)),
        np.zeros(count),
        np.zeros(count),
        np.zeros((count, dim)),
        np.zeros(count),
        np.zeros(count),
    )
    longest = int(np.diff(starts).max(initial=0))
    terms = np.zeros((max(1, longest), made.vector.shape[1]))
    _raise(below, x, slack, starts, members, k, table, terms, np.zeros((2, max(1, longest))), made)
    return made


def _products(dim: int, k: int) -> Array:
    """The coordinates of a ^ B for a vector a and a (k - 1)-vector B, as rows (target, coordinate
    of a, coordinate of B, sign), by target.
    """
    place = {chosen: n for n, chosen in enumerate(combinations(range(dim), k - 1))}
    rows = [
        (target, i, place[(*chosen[:at], *chosen[at + 1 :])], (-1) ** at)
        for target, chosen in enumerate(combinations(range(dim), k))
        for at, i in enumerate(chosen)
    ]
    return np.array(rows, np.int64)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _raise(
    below: Faces,
    x: Array,
    slack: Array,
    starts: Array,
    members: Array,
    k: int,
    table: Array,
    terms: Array,
    sizes: Array,
    made: Faces,
) -> None:
    dim, width, rounding = x.shape[1], terms.shape[1], (k + 2) * (k + 2) * _U
    for face in range(starts.shape[0] - 1):
        low, high = starts[face], starts[face + 1]
        apex, far = below.apex[members[low]], False
        for m in range(low, high):
            apex = min(apex, below.apex[members[m]])
            far |= below.far[members[m]]
        made.apex[face], made.far[face] = apex, far
        if far:
            continue
        # the terms (b_G - a) ^ V(G), their lengths and bounds on their errors
        count, best, total, lost, reach, off = 0, 0, 0.0, 0.0, 0.0, 0.0
        for m in range(low, high):
            g = members[m]
            b = below.apex[g]
            if b == apex:
                reach = max(reach, below.reach[g])
                continue
            for j in range(width):
                terms[count, j] = 0.0
            gap = 0.0
            for i in range(dim):
                gap += (x[b, i] - x[apex, i]) ** 2
            gap = np.sqrt(gap) * _UP + _TINY
            for r in range(table.shape[0]):
                i = table[r, 1]
                step = (x[b, i] - x[apex, i]) * below.vector[g, table[r, 2]]
                terms[count, table[r, 0]] += step * table[r, 3]
            size = 0.0
            for j in range(width):
                size += terms[count, j] ** 2
            size = np.sqrt(size)
            moved = slack[b] + slack[apex] + 2.0 * _U * gap
            error = gap * below.error[g] + moved * (below.size[g] + below.error[g])
            error = (error + rounding * gap * below.size[g]) * _UP + _TINY
            sizes[0, count], sizes[1, count] = size, error
            if size > sizes[0, best]:
                best = count
            reach = max(reach, (gap + slack[b] + slack[apex] + below.reach[g]) * _UP)
            off = max(off, below.middle_error[g])
            total, lost, count = total + size, lost + error, count + 1
        # signs by the longest term, and the sum
        for t in range(count):
            along = 0.0
            for j in range(width):
                along += terms[t, j] * terms[best, j]
            doubt = sizes[0, t] * sizes[1, best] + sizes[0, best] * sizes[1, t]
            doubt += sizes[1, t] * sizes[1, best]
            doubt += (width + 4) * _U * sizes[0, t] * sizes[0, best]
            if not abs(along) > doubt * _UP + _TINY and t != best:
                lost += 2.0 * (sizes[0, t] + sizes[1, t])
            for j in range(width):
                made.vector[face, j] += (terms[t, j] if along >= 0.0 else -terms[t, j]) / k
        length = 0.0
        for j in range(width):
            length += made.vector[face, j] ** 2
        made.size[face] = np.sqrt(length)
        made.error[face] = (lost + (count + width + 6) * _U * total) / k * _UP + _TINY
        made.reach[face] = reach
        # the centroid: that of the cone over G is a + k / (k + 1) (centroid of G - a)
        at, share = 0, k / (k + 1.0)
        for i in range(dim):
            made.middle[face, i] = 0.0
        for m in range(low, high):
            g = members[m]
            if below.apex[g] == apex:
                continue
            for i in range(dim):
                gap = below.middle[g, i] - x[apex, i]
                made.middle[face, i] += share * gap * (sizes[0, at] / total)
            at += 1
        size = 0.0
        for i in range(dim):
            made.middle[face, i] += x[apex, i]
            size = max(size, abs(made.middle[face, i]))
        left = total - lost
        if left > 0.0:
            weights = 2.0 * lost / left + (count + 8) * _U
            wrong = slack[apex] + share * (off + slack[apex] + weights * reach)
            wrong += (count + dim + 8) * _U * dim * (reach + size)
            made.middle_error[face] = wrong * _UP + _TINY
        else:
            made.middle_error[face] = np.inf
