"""Angles of the events of circles, and which lie before an end: one pass over enclosures."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]
_ROOM = 1.01  # for the rounding of the bounds


@numba.njit(cache=True, nogil=True)
def angles_before(
    starts: Array,
    low: Array,
    high: Array,
    tilts: Array,
    ends: Array,
    ends_bound: Array,
    rounding: float,
    angles: Array,
    bounds: Array,
    before: Array,
    unclear: Array,
) -> None:
    """Of circle i with events starts[i] .. starts[i + 1], enclosed by diamond angles low .. high:
    their angles in [0, 2 pi], within `bounds` for a basis that is off by 5 tilts[i]; whether each
    lies before ends[i]; and whether for some event of the circle the bounds do not tell.
    """
    for i in range(starts.shape[0] - 1):
        basis = 5.0 * tilts[i] + rounding
        for e in range(starts[i], starts[i + 1]):
            sigma = (low[e] + high[e]) / 2
            # in quadrant k the direction runs from one axis to the next, linearly
            k = int(sigma)
            f = sigma - k
            k %= 4
            if k == 0:
                angle = math.atan2(f, 1.0 - f)
            elif k == 1:
                angle = math.atan2(1.0 - f, -f)
            elif k == 2:
                angle = math.atan2(-f, f - 1.0)
            else:
                angle = math.atan2(f - 1.0, f)
            if angle < 0.0:
                angle += 2.0 * math.pi
            bound = (high[e] - low[e]) * _ROOM + basis
            after = angle - ends[i]
            angles[e], bounds[e], before[e] = angle, bound, after < 0.0
            # a NaN tells nothing
            if not abs(after) > (bound + ends_bound[i]) * _ROOM:
                unclear[i] = True
