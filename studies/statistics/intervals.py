"""Intervals over independent units: networks of an ensemble, sequences of a text.

Units are what is resampled, never the items inside of one: tokens of a sequence, or pairs within a
network, depend on each other. From ten units on intervals are bias-corrected and accelerated
bootstraps (Efron 1987), below ten t intervals. Every draw comes from the generator that is given.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

from exact.arithmetic.numbers import FloatArray
from exact.errors import InvalidInput
from studies.statistics.estimates import CONFIDENCE, NETS, Estimate

Statistic = Callable[[FloatArray], float]
FEWEST_TO_RESAMPLE = 10
DRAWS = 4_999


def over_clusters(
    clusters: Sequence[float] | Sequence[FloatArray] | FloatArray,
    rng: np.random.Generator,
    *,
    statistic: Statistic = np.mean,
    unit: str = NETS,
    draws: int = DRAWS,
) -> Estimate:
    """A statistic of all values, and its 95% interval over the clusters they come in.

    `clusters` has one value a cluster, or an array for each. Whole clusters are drawn; the
    statistic sees the values of all that were drawn, as one array. BCa from 10 clusters on; below
    10 a t interval around the statistic with the jackknife's standard error over clusters, which
    for means of one value a cluster is Student's. One cluster, values that are not finite, and
    values that are all equal have no interval, and the estimate says why.

    >>> found = over_clusters([1.0, 2, 3, 4], np.random.default_rng(0))
    >>> str(found), found.method
    ('2.5 [0.446, 4.55] over 4 nets', 't')
    """
    groups = [np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in clusters]
    groups.sort(key=lambda values: (len(values), values.tolist()))  # any order, one interval
    count = len(groups)
    broken = sum(not (len(values) and np.isfinite(values).all()) for values in groups)
    if not count or broken:
        why = f"{broken} of {count} {unit} have no finite value" if count else f"no {unit}"
        return Estimate.unknown(why, clusters=count, unit=unit)
    whole = float(statistic(np.concatenate(groups)))
    if not math.isfinite(whole):
        return Estimate.unknown("the statistic is not finite", clusters=count, unit=unit)
    reason = _no_spread(groups, unit)
    if reason:
        return Estimate.unknown(reason, clusters=count, unit=unit, value=whole)
    if count < FEWEST_TO_RESAMPLE:
        return _by_t(groups, statistic, whole, unit)
    return _by_bootstrap(groups, statistic, whole, unit, rng, draws)


def _no_spread(groups: Sequence[FloatArray], unit: str) -> str:
    """Why there is nothing to tell an interval from, if so."""
    if len(groups) == 1:
        return f"one of the {unit} alone has no spread"
    least, most = min(map(np.min, groups)), max(map(np.max, groups))
    equal = most - least <= 8 * np.finfo(float).eps * max(abs(least), abs(most))
    return f"all {len(groups)} {unit} have the value {least:.3g}" if equal else ""


def _jackknife(groups: Sequence[FloatArray], statistic: Statistic) -> FloatArray:
    """The statistic without each cluster in turn."""
    return np.array(
        [
            statistic(np.concatenate([*groups[:place], *groups[place + 1 :]]))
            for place in range(len(groups))
        ]
    )


def _by_t(groups: Sequence[FloatArray], statistic: Statistic, whole: float, unit: str) -> Estimate:
    count, without = len(groups), _jackknife(groups, statistic)
    if not np.isfinite(without).all() or not np.ptp(without):
        why = f"{count} {unit} are too few for this statistic"
        return Estimate.unknown(why, clusters=count, unit=unit, value=whole)
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Estimate(whole, (whole - half, whole + half), count, unit, "t")


def _by_bootstrap(
    groups: Sequence[FloatArray],
    statistic: Statistic,
    whole: float,
    unit: str,
    rng: np.random.Generator,
    draws: int,
) -> Estimate:
    count, values = len(groups), np.concatenate(groups)
    plain = statistic is np.mean and len(values) == count
    base, spread = (values.min(), np.ptp(values)) if plain else (0.0, 1.0)
    portions = (values - base) / spread

    def mean_of_drawn(drawn: np.ndarray, axis: int = -1) -> FloatArray:
        """The mean of values between 0 and 1, rounded, so that equal means are ties whatever the
        order of their sums.
        """
        return np.asarray(np.rint(np.mean(portions[drawn], axis=axis) * 2**40) / 2**40)

    def of_drawn(drawn: np.ndarray) -> float:
        return statistic(np.concatenate([groups[place] for place in drawn]))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what they are about is NaN below, and said there
        options = {"confidence_level": CONFIDENCE, "vectorized": plain, "batch": 1_000, "rng": rng}
        data, function = (np.arange(count),), mean_of_drawn if plain else of_drawn
        drawn = stats.bootstrap(data, function, n_resamples=draws, method="BCa", **options)
        ends = {"BCa": drawn.confidence_interval}
        # without acceleration, where a median is the same without any one of the units
        again = {"n_resamples": 0, "bootstrap_result": drawn, "method": "percentile"}
        ends["percentile"] = stats.bootstrap(data, function, **again, **options).confidence_interval
    for method, found in ends.items():
        low, high = (float(base + spread * end) for end in found)
        if math.isfinite(low) and math.isfinite(high) and low < high:
            return Estimate(whole, (low, high), count, unit, method)
    why = f"the bootstrap over these {count} {unit} is degenerate"
    return Estimate.unknown(why, clusters=count, unit=unit, value=whole)


def paired(
    subject: Mapping[int, float],
    control: Mapping[int, float],
    rng: np.random.Generator,
    *,
    unit: str = NETS,
) -> Estimate:
    """The mean difference subject - control of the same seed, over seeds.

    Both map seeds to values. Raises InvalidInput where one lacks a seed that the other has.

    >>> trained, untrained = {0: 3.0, 1: 5.0, 2: 4.0}, {2: 1.0, 0: 1.0, 1: 1.0}
    >>> paired(trained, untrained, np.random.default_rng(0)).value
    3.0
    """
    alone = sorted(subject.keys() ^ control.keys())
    if alone:
        raise InvalidInput(
            "a seed is on one side only", value=alone, remedy="give both sides the same seeds"
        )
    return over_clusters([subject[seed] - control[seed] for seed in subject], rng, unit=unit)


def wilson(hits: int, total: int, *, unit: str = NETS) -> Estimate:
    """The share of hits among independent draws, with Wilson's 95% interval.

    >>> str(wilson(5, 10, unit="rays"))
    '0.5 [0.237, 0.763] over 10 rays'
    """
    if not total:
        return Estimate.unknown(f"no {unit}", unit=unit)
    found = stats.binomtest(hits, total).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(hits / total, (float(found.low), float(found.high)), total, unit, "Wilson")


def share_above(
    values: Sequence[float] | FloatArray, threshold: float = 0.0, *, unit: str = NETS
) -> Estimate:
    """The share of units whose value exceeds the threshold: how many have the claimed sign."""
    given = np.asarray(values, dtype=np.float64)
    broken = int((~np.isfinite(given)).sum())
    if broken:
        why = f"{broken} of {len(given)} {unit} have no finite value"
        return Estimate.unknown(why, clusters=len(given), unit=unit)
    return wilson(int((given > threshold).sum()), len(given), unit=unit)


def equivalence(
    values: Sequence[float] | FloatArray,
    margin: float,
    rng: np.random.Generator,
    *,
    unit: str = NETS,
) -> Estimate:
    """The mean with its interval, and as `p` that of two one-sided t tests (TOST) of a mean outside
    of +-margin. Judge it by `rules.equivalent(margin)`.
    """
    if not margin > 0:
        raise InvalidInput("no margin", value=margin, remedy="give a positive margin")
    given = np.asarray(values, dtype=np.float64)
    found = over_clusters(given, rng, unit=unit)
    if found.interval is None:
        return found
    sides = (
        stats.ttest_1samp(given, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(given, margin, alternative="less").pvalue,
    )
    return found.with_p(float(max(sides)))
