"""Affine forms of single neurons on single regions: gathers that a matrix product would do for far
too many pairs.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]


@numba.njit(cache=True, nogil=True)
def rows_of_pairs(
    weights: Array, bias: Array, states: Array, cells: Array, neurons: Array, out: Array
) -> None:
    """out[i] = weights[neurons[i]] @ states[cells[i]] + bias (x) (0, ..., 0, 1); states are (B x n
    x k).
    """
    n, k = states.shape[1], states.shape[2]
    # out (pairs x k) is filled row by row; the last of k functions is the constant 1
    for i in range(cells.shape[0]):
        cell, neuron = cells[i], neurons[i]
        for a in range(k):
            out[i, a] = 0.0
        for r in range(n):
            w = weights[neuron, r]
            for a in range(k):
                out[i, a] += w * states[cell, r, a]
        out[i, k - 1] += bias[neuron]


@numba.njit(cache=True, nogil=True)
def masked_rows(
    weights: Array,
    bias: Array,
    states: Array,
    parents: Array,
    bits: Array,
    cells: Array,
    neurons: Array,
    out: Array,
) -> None:
    """The same behind a ReLU: the state of cell c is states[parents[c]] in the rows where bits[c]
    is set, else zero.
    """
    n, k = states.shape[1], states.shape[2]
    for i in range(cells.shape[0]):
        cell, neuron = cells[i], neurons[i]
        parent = parents[cell]
        for a in range(k):
            out[i, a] = 0.0
        # neurons that are off pass nothing on
        for r in range(n):
            if bits[cell, r]:
                w = weights[neuron, r]
                for a in range(k):
                    out[i, a] += w * states[parent, r, a]
        out[i, k - 1] += bias[neuron]
