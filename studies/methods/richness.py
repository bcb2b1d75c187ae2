"""How many kinds there are in all, from how often each was met: Chao's estimator with its interval.

Chao, "Estimating the population size for capture-recapture data with unequal catchability" (1987);
where nothing seems to be missing the interval follows the program EstimateS.
"""

from __future__ import annotations

import math
from collections.abc import Collection

NORMAL = 1.959963984540054  # the 97.5% quantile of the normal distribution


def chao1(counts: Collection[int]) -> tuple[float, tuple[float, float]]:
    """The bias-corrected estimate `S + (n-1)/n f1 (f1 - 1) / (2 (f2 + 1))` of the number of kinds,
    and its 95% interval; S kinds were met in n draws, f1 of them once and f2 twice.

    The interval is log-normal around S, so that it never begins below what was met.

    >>> chao1([1, 1, 1, 2, 5])
    (6.35, (5.132284708284924, 18.777102611698503))
    >>> chao1([4, 7])[0]
    2.0
    """
    n, met = sum(counts), len(counts)
    f1, f2 = (sum(count == k for count in counts) for k in (1, 2))
    if n == 0:
        return 0.0, (0.0, 0.0)
    share = (n - 1) / n
    unseen = share * f1 * (f1 - 1) / (2 * (f2 + 1))
    if unseen == 0:
        return float(met), _with_none_missing(n, met)
    variance = (
        unseen
        + share**2 * f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
        + share**2 * f1**2 * f2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
    )
    spread = math.exp(NORMAL * math.sqrt(math.log(1 + variance / unseen**2)))
    return met + unseen, (met + unseen / spread, met + unseen * spread)


def _with_none_missing(n: int, met: int) -> tuple[float, float]:
    missed = math.exp(-n / met)
    middle, half = met / (1 - missed), NORMAL * math.sqrt(met * missed) / (1 - missed)
    return float(met), max(float(met), middle + half)
