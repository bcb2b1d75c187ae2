"""Intervals by leaving out whole units, for statistics in which a unit must not meet itself.

Units drawn with repetition would not do for clusters, nearest items, and pairs: an item that is
there twice agrees with itself, and makes its cluster purer, its nearest neighbour nearer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from exact.arithmetic.arrays import BitArray, IndexArray
from studies.statistics import CONFIDENCE, Estimate
from studies.statistics.intervals import ANYWHERE, Range

FOLDS = 20


def leaving_out(
    statistic: Callable[[BitArray], float],
    units: IndexArray,
    rng: np.random.Generator,
    unit: str,
    range: Range = ANYWHERE,
) -> Estimate:
    """A statistic of the rows that are kept (a mask), and the t interval of a jackknife that leaves
    out one of 20 groups of whole units at a time, cut to the range of the statistic; `units` says
    which one each row belongs to.
    """
    names, places = np.unique(units, return_inverse=True)
    folds, count = min(FOLDS, len(names)), len(names)
    whole = statistic(np.ones(len(units), dtype=bool))
    if not np.isfinite(whole):
        return Estimate.unknown("the statistic has no value", clusters=count, unit=unit)
    fold = rng.permutation(np.arange(count) % folds)[places]
    without = np.array([statistic(fold != one) for one in np.arange(folds)])
    if folds < 2 or not np.isfinite(without).all() or not np.ptp(without):
        why = f"leaving out any of {folds} groups of {unit} tells no spread"
        return Estimate.unknown(why, clusters=count, unit=unit, value=whole)
    error = math.sqrt((folds - 1) / folds * float(((without - without.mean()) ** 2).sum()))
    half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, folds - 1))
    low, high = (float(np.clip(end, *range)) for end in (whole - half, whole + half))
    return Estimate(whole, (low, high), count, unit, f"jackknife, {folds} groups")
