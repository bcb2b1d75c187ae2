"""The plain way: a tree of linear programmes in floats, solved by SciPy's HiGHS. An opponent, not
an engine.

Hinges are inserted one by one. A node keeps the rows of its cell and a point inside; the side the
point is on needs no programme, the other side is open iff the largest t with `row . (x, 1) >= t
|row|` for every row is above a tolerance.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import linprog

from benchmarks.jobs import Layers

TOLERANCE = 1e-9
Rows = np.ndarray


def count(layers: Layers, box: bool, seconds: float) -> tuple[int, bool]:
    """The number of cells found in [-1, 1]^d or in R^d, and whether the tree was finished in
    time.
    """
    dim, deadline, found = layers[0][0].shape[1], time.monotonic() + seconds, 0
    stack = [(np.empty((0, dim + 1)), np.zeros(dim), list[bool]())]
    while stack and time.monotonic() < deadline:
        rows, point, bits = stack.pop()
        while (hinges := next_hinges(layers, bits)) is not None:
            for row in hinges:
                here = bool(row[:-1] @ point + row[-1] > 0)
                beyond = np.vstack([rows, -row if here else row])
                if (other := inside(beyond, box)) is not None:
                    stack.append((beyond, other, [*bits, not here]))
                rows, bits = np.vstack([rows, row if here else -row]), [*bits, here]
        found += 1
    return found, not stack


def next_hinges(layers: Layers, bits: list[bool]) -> Rows | None:
    """The affine forms of those hinges of a layer that have no bit yet, in the cell of the bits;
    None behind the last.
    """
    dim, done = layers[0][0].shape[1], 0
    forms = np.eye(dim, dim + 1)
    for weight, bias in layers[:-1]:
        z = weight @ forms
        z[:, -1] += bias
        if len(bits) < done + len(bias):
            return z[len(bits) - done :]
        forms = z * np.array(bits[done : done + len(bias)])[:, None]
        done += len(bias)
    return None


def inside(rows: Rows, box: bool) -> np.ndarray | None:
    """A point inside all rows, or None."""
    lengths, dim = np.linalg.norm(rows, axis=1), rows.shape[1] - 1
    table = np.column_stack([-rows[:, :-1], lengths])
    bounds = [(-1, 1) if box else (None, None)] * dim + [(None, 1)]
    solved = linprog(
        [0.0] * dim + [-1.0], A_ub=table, b_ub=rows[:, -1], bounds=bounds, method="highs"
    )
    return solved.x[:-1] if solved.status == 0 and solved.x[-1] > TOLERANCE else None
