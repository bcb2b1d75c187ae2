"""Which of the events of a curve turn their hinge on: one pass over packed codes."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]


@numba.njit(cache=True, nogil=True)
def turned_on(starts: Array, rows: Array, codes: Array, on: Array) -> None:
    """on[e]: whether event e of a curve turns hinge rows[e] on. Curve i has the events starts[i] ..
    starts[i + 1] in order, and in front of them the packed code codes[i], which is used up.
    """
    for i in range(starts.shape[0] - 1):
        # codes[i] is the code in front of event e: each event flips one bit of it
        for e in range(starts[i], starts[i + 1]):
            byte, bit = rows[e] >> 3, np.uint8(128 >> (rows[e] & 7))
            codes[i, byte] ^= bit
            on[e] = codes[i, byte] & bit != 0


@numba.njit(cache=True, nogil=True)
def before_first_points(starts: Array, rows: Array, opens: Array, codes: Array) -> None:
    """Codes behind the first point of each curve become those in front of it: the events of that
    point (up to the next that opens one) are undone.
    """
    for i in range(starts.shape[0] - 1):
        for e in range(starts[i], starts[i + 1]):
            if e > starts[i] and opens[e]:
                break
            codes[i, rows[e] >> 3] ^= np.uint8(128 >> (rows[e] & 7))
