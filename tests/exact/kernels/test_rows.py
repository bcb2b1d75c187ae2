"""Compiled rows: the same as the products they pick from."""

from __future__ import annotations

import numpy as np

from exact.kernels.rows import masked_rows, rows_of_pairs


def test_rows_of_pairs_and_masked_rows() -> None:
    """Integers, so that every order of summation gives the same."""
    generator = np.random.default_rng(0)
    weights, bias, states = (
        generator.integers(-9, 10, shape).astype(np.float64) for shape in ((5, 7), (5,), (4, 7, 3))
    )
    cells, neurons = generator.integers(0, 4, 20), generator.integers(0, 5, 20)
    every = np.einsum("jr,crk->cjk", weights, states)
    every[:, :, -1] += bias
    out = np.full((20, 3), np.nan)
    rows_of_pairs(weights, bias, states, cells, neurons, out)
    assert np.array_equal(out, every[cells, neurons])
    parents, bits = generator.integers(0, 4, 6), generator.integers(0, 2, (6, 7)).astype(np.uint8)
    cells = generator.integers(0, 6, 20)
    masked = np.einsum("jr,crk->cjk", weights, states[parents] * bits[:, :, None])
    masked[:, :, -1] += bias
    masked_rows(weights, bias, states, parents, bits, cells, neurons, out)
    assert np.array_equal(out, masked[cells, neurons])
