"""Halfspaces and points as float64 arrays, with the error that the kernels count on.

A row is within 4 U |entry| + 2^-500 of a positive multiple of the coefficients (U = 2^-53), entry by entry, with a normal
of length near one; a halfspace beyond the range of floats gives a row of NaN, which decides nothing. A float point is exact
as it stands: every finite float is a dyadic rational.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exact.halfspace import Halfspace, Point, primitive
from exact.numbers import FloatArray

_RANGE = 2.0**400


def float_rows(halfspaces: Sequence[Halfspace], dim: int) -> FloatArray:
    """The coefficients as (halfspaces x (dim + 1)) floats, scaled to normals of length near one."""
    try:
        table = np.array([h.coefficients for h in halfspaces], dtype=np.float64).reshape(-1, dim + 1)
    except OverflowError:
        return _row_by_row(halfspaces, dim)
    largest = np.abs(table).max(axis=1, initial=0.0)
    if largest.max(initial=0.0) > _RANGE:
        return _row_by_row(halfspaces, dim)
    norms = np.linalg.norm(table[:, :-1], axis=1)
    return np.ascontiguousarray(table / np.maximum(norms, 0.5)[:, None])


def _row_by_row(halfspaces: Sequence[Halfspace], dim: int) -> FloatArray:
    """As `float_rows`, for integers beyond the range of floats."""
    table = np.array([h.float_row for h in halfspaces], dtype=np.float64).reshape(-1, dim + 1)
    table[np.abs(table).max(axis=1) > _RANGE] = np.nan
    return table


def point_of_floats(x: FloatArray) -> Point:
    """The exact homogeneous point of finite floats."""
    ratios = [value.as_integer_ratio() for value in x.tolist()]
    denominator = max((q for _, q in ratios), default=1)
    return primitive((*(p * (denominator // q) for p, q in ratios), denominator))
