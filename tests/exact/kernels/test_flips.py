"""Compiled passes over events, against loops over single bits and NumPy's angles."""

from __future__ import annotations

import numpy as np

from exact.geometry.pencils.pencil import diamond_directions_float
from exact.kernels.circle_angles import angles_before
from exact.kernels.flips import before_first_points, turned_on


def test_bits_are_flipped_one_event_after_another() -> None:
    generator = np.random.default_rng(0)
    starts, bits = np.array([0, 7, 7, 40]), generator.integers(0, 2, (3, 11)).astype(bool)
    rows = generator.integers(0, 11, 40).astype(np.int32)
    opens = generator.integers(0, 2, 40).astype(bool)
    opens[starts[:-1]] = True
    expected, first = [], bits.copy()
    for i in range(3):
        now = bits[i].copy()
        for e in range(starts[i], starts[i + 1]):
            now[rows[e]] ^= True
            expected.append(now[rows[e]])
            if e == starts[i] or not opens[starts[i] + 1 : e + 1].any():
                first[i, rows[e]] ^= True
    on = np.zeros(40, dtype=bool)
    turned_on(starts, rows, np.packbits(bits, axis=1), on)
    assert on.tolist() == expected
    behind = np.packbits(first, axis=1)
    before_first_points(starts, rows, opens, behind)
    assert np.array_equal(behind, np.packbits(bits, axis=1))


def test_angles_and_what_lies_before_an_end() -> None:
    generator = np.random.default_rng(1)
    low = np.sort(generator.uniform(0, 4, 60))
    low[[0, 20, 21, 40]] = 0.0, 1.0, 2.0, 3.0
    high, starts = low + 2.0**-40, np.array([0, 30, 30, 60])
    ends, wide = np.array([1.5, 1.0, low[45]]), np.array([2.0**-44, 0.0, 2.0**-44])
    angles, bounds = np.empty((2, 60))
    before, unclear = np.empty(60, dtype=bool), np.zeros(3, dtype=bool)
    alpha, beta = diamond_directions_float((low + high) / 2)
    expected = np.arctan2(beta, alpha) % (2 * np.pi)
    ends[2] = expected[45]
    tilts = np.array([2.0**-50, 0.0, np.nan])
    angles_before(starts, low, high, tilts, ends, wide, 2.0**-48, angles, bounds, before, unclear)
    np.testing.assert_allclose(angles, expected, rtol=2.0**-50)
    owner = np.repeat([0, 2], 30)
    assert np.array_equal(before, angles < ends[owner])
    assert unclear.tolist() == [False, False, True]
    assert (bounds[:30] >= 2.0**-40 + 5 * 2.0**-50 + 2.0**-48).all()
