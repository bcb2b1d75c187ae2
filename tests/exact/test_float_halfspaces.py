"""Halfspaces and points in floats: within the error the kernels count on, exactly where exactness
is promised.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact.geometry.polyhedra.halfspace import Halfspace, float_rows, point_of_floats

NUMBERS = st.one_of(
    st.integers(-9, 9), st.integers(-(2**70), 2**70), st.integers(-(10**300), 10**300)
)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=4))
def test_rows_are_near_a_multiple(rows: list[tuple[int, int, int]]) -> None:
    """Some positive scale (that of the largest entry) takes the coefficients within 8 U of every
    entry, both ways.
    """
    for row, found in zip(
        rows, float_rows([Halfspace(row) for row in rows], 2).tolist(), strict=True
    ):
        if not np.isfinite(found).all():
            assert max(map(abs, row)) > 2**399
            continue
        k = max(range(3), key=lambda j: abs(row[j]))
        if row[k] == 0:
            assert found == [0, 0, 0]
            continue
        scale = Fraction(found[k]) / row[k]
        assert scale > 0
        for exact, near in zip(row, found, strict=True):
            assert abs(Fraction(near) - scale * exact) <= Fraction(8, 2**53) * abs(
                Fraction(near)
            ) + Fraction(1, 2**500)
        if any(row[:2]):
            assert float(np.hypot(*found[:2])) == pytest.approx(1)


def test_no_rows() -> None:
    assert float_rows([], 3).shape == (0, 4)


def test_rows_out_of_range_are_unknown() -> None:
    table = float_rows([Halfspace((1, 10**400)), Halfspace((10**400, 3)), Halfspace((2, 2))], 1)
    assert np.isnan(table[0]).all()
    assert table[1:].tolist() == [[1.0, 0.0], [1.0, 1.0]]


@given(st.lists(st.floats(-(2.0**300), 2.0**300), max_size=4))
def test_points_are_exact(x: list[float]) -> None:
    *numerators, denominator = point_of_floats(np.array(x))
    assert [Fraction(p, denominator) for p in numerators] == [Fraction(v) for v in x]
    assert denominator > 0
