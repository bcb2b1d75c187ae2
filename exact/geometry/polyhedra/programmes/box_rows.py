"""Functions and halfspaces over a box in units of its half widths, as :mod:`exact.kernels.boxes`
reads them: a row `a . u + b` within e for every u with |u_j| <= 1, and at least the sum of |a_j|.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exact.arithmetic.enclosures.roundoff import LEAST_ROOT
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.boxes import Bounds

UP = 1 + 2.0**-30  # above the rounding of bounds, which are sums of at most 2^20 terms


def kernel_rows(a: FloatArray, b: FloatArray, e: FloatArray) -> FloatArray:
    """Rows (n x (d + 3)) of functions (n x d), (n,), (n,), each scaled by a power of two to a size
    near one; rows beyond float64 have an endless error.
    """
    sizes = np.abs(a).sum(axis=1) * UP
    with np.errstate(all="ignore"):
        scale = np.ldexp(1.0, -np.frexp(sizes)[1])
        table = np.column_stack([a, b, e, sizes]) * scale[:, None]
        table[:, -2] = table[:, -2] * UP + LEAST_ROOT
    lost = ~np.isfinite(table).all(axis=1) | ~np.isfinite(scale)
    table[lost] = 0.0
    table[lost, -2] = np.inf
    return np.ascontiguousarray(table)


def halfspace_rows(walls: Sequence[Halfspace], bounds: Bounds) -> FloatArray:
    """The rows of exact halfspaces, with the error of their rounding."""
    exact = [[Rational(x) for x in wall.coefficients] for wall in walls]
    size = [max(abs(x) for x in row) for row in exact]
    a = [
        [x * h / s for x, h in zip(row[:-1], bounds.half, strict=True)]
        for row, s in zip(exact, size, strict=True)
    ]
    b = [(dot(row[:-1], bounds.middle) + row[-1]) / s for row, s in zip(exact, size, strict=True)]
    table = nearest_floats([x for row in a for x in row]).reshape(len(walls), len(bounds.lo))
    offsets = nearest_floats(b)
    error = 4 * np.finfo(float).eps * (np.abs(table).sum(axis=1) + np.abs(offsets)) + 2.0**-500
    return kernel_rows(table, offsets, error)
