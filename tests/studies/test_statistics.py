"""Intervals and tests against closed forms, published examples and enumerations; how often they
cover and reject; what no order, shift or scale changes; and what has no answer says why.
"""

from __future__ import annotations

import math
import warnings
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from exact import InvalidInput
from studies.questions.shared.nets import Measured, Nets
from studies.rules import APART, SHARE, above, equivalent, larger_than
from studies.statistics import (
    Estimate,
    Percentile,
    equivalence,
    holm,
    mantel,
    over_clusters,
    paired,
    permute_labels,
    share_above,
    stratified_difference,
    wilson,
)
from studies.statistics.permutations import PairTest, PermutationTest

# Student's extra hours of sleep (1908), the first of two drugs and the second
SLEEP = np.array(
    [
        [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
        [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
    ]
)
# law schools: LSAT and GPA of 15 (Efron 1979)
LAW = np.array(
    [
        [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594],
        [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.0, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96],
    ]
).T


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def nothing_leaks() -> Any:
    """No warning leaks, and no global state is read or changed."""
    state, floats = np.random.get_state()[1].tolist(), np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert np.random.get_state()[1].tolist() == state and np.geterr() == floats


# ---- intervals, known beforehand


def test_below_ten_a_mean_has_students_interval() -> None:
    found = over_clusters([1.0, 2.0, 3.0, 4.0], rng())
    half = 3.182446305284263 * math.sqrt(5 / 3) / 2  # the quantile is from tables
    assert found.interval == pytest.approx((2.5 - half, 2.5 + half), rel=1e-12)
    assert (found.method, found.clusters, found.unit) == ("t", 4, "nets")


def test_whole_clusters_are_what_is_independent() -> None:
    clusters = rng(1).normal(size=(6, 4)) + 5 * rng(2).normal(size=(6, 1))
    pooled = over_clusters(list(clusters), rng(), unit="sequences")
    assert pooled.interval == pytest.approx(over_clusters(clusters.mean(axis=1), rng()).interval)
    tokens = over_clusters(clusters.ravel()[:9], rng())
    assert tokens.clusters == 9 and pooled.clusters == 6


def bca_by_hand(rows: np.ndarray, statistic: Any, draws: int) -> tuple[float, float]:
    """Efron's formulas, written anew: bias from the share of draws below, acceleration from the
    jackknife.
    """
    count, whole = len(rows), statistic(rows)
    drawn = np.sort([statistic(rows[rng(9 + i).integers(0, count, count)]) for i in range(draws)])
    bias = stats.norm.ppf((drawn < whole).mean())
    without = np.array([statistic(np.delete(rows, i, axis=0)) for i in range(count)])
    gaps = without.mean() - without
    acceleration = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    ends = []
    for z in (-1.959964, 1.959964):
        level = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(float(drawn[int(level * draws)]))
    return ends[0], ends[1]


def correlation(values: np.ndarray) -> float:
    pairs = values.reshape(-1, 2)
    return float(np.corrcoef(pairs.T)[0, 1])


def test_bca_is_efrons_on_the_law_schools() -> None:
    found = over_clusters(list(LAW), rng(), statistic=correlation, unit="schools", draws=3000)
    assert found.value == pytest.approx(0.776, abs=5e-4) and found.method == "BCa"
    assert found.interval == pytest.approx(bca_by_hand(LAW, correlation, 3000), abs=0.06)
    low, high = found.interval or (0, 0)
    assert low < 0.45 and 0.9 < high < 0.96  # skewed: the value is nearer to the upper end


def test_bca_of_a_mean_is_that_of_the_formulas() -> None:
    values = rng(3).exponential(size=120)
    found = over_clusters(values, rng())
    assert found.interval == pytest.approx(bca_by_hand(values, np.mean, 4000), abs=0.03)
    assert found.method == "BCa"


def studentised_by_hand(values: Any, draws: int) -> tuple[float, float]:
    generator, count = rng(9), len(values)
    error, found = values.std(ddof=1) / math.sqrt(count), []
    for _ in range(draws):
        drawn = generator.choice(values, count)
        found.append((drawn.mean() - values.mean()) / (drawn.std(ddof=1) / math.sqrt(count)))
    low, high = np.quantile(found, [0.975, 0.025])
    return values.mean() - low * error, values.mean() - high * error


def test_the_mean_of_few_values_has_a_studentised_bootstrap() -> None:
    for size in (10, 30, 99):
        values = rng(3).exponential(size=size)
        found = over_clusters(values, rng())
        assert found.method == "studentised bootstrap"
        by_hand = studentised_by_hand(values, 4000)
        assert found.interval == pytest.approx(by_hand, abs=0.06)
    low, high = over_clusters(rng(3).lognormal(size=10), rng(), range=(1.5, 2)).interval or (0, 0)
    assert (low, high) == (1.5, 2)
    assert over_clusters([0.0] * 9 + [1.0], rng()).method == "BCa"  # draws without a spread


def test_intervals_stay_within_the_range_of_a_statistic() -> None:
    shares = [0.0, 0.0, 0.1, 0.9]
    beyond, cut = over_clusters(shares, rng()), over_clusters(shares, rng(), range=SHARE)
    assert beyond.interval is not None and beyond.interval[0] < 0
    assert cut.interval == (0, beyond.interval[1]) and cut.method == "t"


def test_differences_stay_within_theirs() -> None:
    trained, untrained = {0: 1.0, 1: 1.0, 2: 0.1}, {0: 0.0, 1: 0.0, 2: 0.0}
    beyond = paired(trained, untrained, rng())
    assert beyond.interval is not None and beyond.interval[1] > 1
    cut = paired(trained, untrained, rng(), range=APART)
    assert cut.interval == (max(-1, beyond.interval[0]), 1)
    nets = Nets("trained", (), 0)
    of_nets = Measured(nets, trained, {}).minus(Measured(nets, untrained, {}), rng(), APART)
    assert of_nets.interval == cut.interval
    assert equivalence([1.0, 1.0, 0.1], 0.5, rng(), range=APART).interval == cut.interval


def test_a_percentile_of_few_values_is_not_judged() -> None:
    high = Percentile(0.99)
    assert high.fewest == 1000 and Percentile(0.5).fewest == 20 and Percentile(0.05).fewest == 200
    values = rng(1).exponential(size=1000)
    few = over_clusters(values[:999], rng(), statistic=high, unit="residuals", draws=99)
    assert few.interval is None and few.why == "999 values for a percentile: it takes 1,000"
    assert few.value == pytest.approx(np.quantile(values[:999], 0.99))
    many = over_clusters(values, rng(), statistic=high, unit="residuals", draws=99)
    assert many.interval is not None


def test_wilson_is_that_of_newcombes_examples() -> None:
    for hits, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(hits, total).interval == pytest.approx((low, high), abs=5e-5)


def test_pairs_of_one_seed_are_compared_and_seeds_alone_refused() -> None:
    first, second = (dict(enumerate(row.tolist())) for row in SLEEP)
    found = paired(second, first, rng())
    assert found.value == pytest.approx(1.58) and found.clusters == 10
    by_hand = studentised_by_hand(SLEEP[1] - SLEEP[0], 4000)
    assert found.interval == pytest.approx(by_hand, abs=0.1)
    assert paired(dict(reversed(second.items())), first, rng()) == found
    nine = paired(*({k: v for k, v in row.items() if k} for row in (second, first)), rng())
    differences = (SLEEP[1] - SLEEP[0])[1:]
    student = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert nine.interval == pytest.approx((student.low, student.high))
    with pytest.raises(InvalidInput, match=r"one side only; got \[3\]"):
        paired({0: 1.0, 3: 2.0}, {0: 1.0}, rng())


@pytest.mark.parametrize("size", [1e200, 1e308, 1e-300])
def test_the_scale_of_what_is_tested_does_not_matter(size: float) -> None:
    first, second = np.triu_indices(8, 1)
    values = rng(4).uniform(0, 1, len(first))
    matrix = np.zeros((8, 8))
    matrix[first, second] = matrix[second, first] = values
    for ranked in (False, True):
        plain, large = (
            mantel(one, one**1, rng(), ranked=ranked, draws=99) for one in (matrix, matrix * size)
        )
        assert large.value == pytest.approx(1.0) and large.p == plain.p < 0.05
    labels = np.arange(8) % 2
    plain, large = (
        permute_labels(one, first, second, labels, rng(), draws=99)
        for one in (values, values * size)
    )
    assert large.permutation.p == plain.permutation.p and large.welch_p == pytest.approx(
        plain.welch_p
    )
    assert plain.difference is not None
    assert large.difference == pytest.approx(plain.difference * size)
    assert large.error_ratio == pytest.approx(plain.error_ratio)


def test_a_difference_beyond_floats_has_no_test() -> None:
    first, second = np.triu_indices(4, 1)
    labels = np.arange(4) % 2
    values = np.where(labels[first] != labels[second], 1.5e308, -1.5e308)
    found = permute_labels(values, first, second, labels, rng(), draws=9)
    assert found.difference is None and "larger than float64" in found.permutation.why


def pairs(**other: Any) -> dict[str, Any]:
    first, second = np.triu_indices(4, 1)
    asked = {"values": np.arange(6.0), "first": first, "second": second}
    return {**asked, "labels": np.arange(4) % 2, "rng": rng(), "draws": 9, **other}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mantel(np.eye(4), np.eye(4), rng(), alternative="typo"), "no such alternative"),
        (lambda: permute_labels(**pairs(alternative="typo")), "no such alternative; got 'typo'"),
        (lambda: mantel(np.eye(4), np.eye(4), rng(), draws=-1), "draws .* got -1"),
        (lambda: permute_labels(**pairs(draws=0)), "draws .* got 0"),
        (lambda: over_clusters([1.0, 2.0], rng(), draws=0), "draws .* got 0"),
        (
            lambda: mantel(np.triu(np.ones((4, 4))), np.eye(4), rng()),
            "not symmetric; got 1.0 above",
        ),
        (
            lambda: mantel(np.where(np.tri(4, k=-1), np.nan, 1), np.eye(4), rng()),
            "not symmetric; got 1.0 above the diagonal, nan below",
        ),
        (
            lambda: permute_labels(**pairs(labels=np.array([0, 1, np.nan, 1]))),
            "no label; got 1 NaN",
        ),
        (lambda: permute_labels(**pairs(first=np.array([-1] * 6))), "first has what is no number"),
        (lambda: permute_labels(**pairs(second=np.array([9] * 6))), "second has what is no number"),
        (lambda: permute_labels(**pairs(first=np.zeros(6))), "first has what is no number"),
        (lambda: permute_labels(**pairs(values=np.arange(5.0))), "do not fit; got first of shape"),
        (lambda: permute_labels(**pairs(strata=np.zeros(5, int))), "got strata of shape"),
        (lambda: permute_labels(**pairs(strata=np.full(6, -1))), "strata has what is no number"),
        (lambda: wilson(5, 3), "more hits than draws; got 5 of 3"),
        (lambda: wilson(-1, 3), "hits .* got -1"),
        (lambda: wilson(1.5, 3), "hits .* got 1.5"),
        (lambda: share_above([[1.0, 2.0]]), r"values of shape \(1, 2\)"),
        (lambda: share_above([1.0], math.nan), "against nan"),
        (lambda: share_above(["a"]), "values are no numbers"),
        (lambda: over_clusters(["a", "b"], rng()), "values are no numbers"),
        (lambda: equivalence([1.0, 2.0], math.inf, rng()), "no margin; got inf"),
        (lambda: holm([None]), "no p-values"),
        (lambda: Estimate(0.5, (0.4, 0.6), -3), "clusters .* got -3"),
        (lambda: Estimate(0.5, (0.4, 0.6), 0), "clusters .* got 0"),
        (lambda: Estimate(0.5, (0.4, 0.6), 2.5), "clusters .* got 2.5"),
        (lambda: Estimate(0.5, (0.4, 0.6), 30, p=1.5), "no p-value; got 1.5"),
    ],
)
def test_what_has_no_meaning_is_refused(call: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        call()


def test_a_bootstrap_need_not_hold_its_value() -> None:
    assert Estimate(0.5, (0.6, 0.7), 30, method="BCa").interval == (0.6, 0.7)
    assert Estimate.unknown("none", clusters=0).clusters == 0


def test_tost_is_that_of_cauchy_for_two_values() -> None:
    for margin in (0.5, 1.0, 3.0):
        found = equivalence([-1.0, 1.0], margin, rng())
        assert found.p == pytest.approx(0.5 - math.atan(margin) / math.pi)
    shifted = equivalence([0.0, 2.0], 3.0, rng())  # the nearer margin counts
    assert shifted.p == pytest.approx(0.5 - math.atan(2) / math.pi)
    with pytest.raises(InvalidInput, match="no margin"):
        equivalence([1.0, 2.0], 0.0, rng())


def test_small_effects_are_equivalent_and_large_ones_are_not() -> None:
    noise = rng(5).normal(size=40)
    rule = equivalent(0.5, "T")
    small, large = equivalence(0.3 * noise, 0.5, rng()), equivalence(2 + noise, 0.5, rng())
    assert rule.decide(small).verdict == "supported" and (small.p or 1) < 0.025
    assert rule.decide(large).verdict == "refuted" and (large.p or 0) > 0.975


# ---- how often


def binomial(count: int, share: float) -> tuple[float, float]:
    """Between which counts a binomial lies but for one time in ten thousand."""
    low, high = stats.binom.ppf([5e-5, 1 - 5e-5], count, share)
    return float(low), float(high)


def test_intervals_cover_as_often_as_they_say() -> None:
    """Student's interval 95%, the studentised bootstrap too; BCa of a normal mean what the
    bootstrap's spread, sqrt((n-1)/n) of Student's and with normal quantiles, leaves.
    """
    wanted = 2 * stats.t.cdf(1.96 * math.sqrt(119 / 120), 119) - 1
    assert wanted == pytest.approx(0.947, abs=1e-3)
    for size, trials, share, draws in (
        (5, 600, 0.95, 1),
        (30, 240, 0.95, 799),
        (120, 120, wanted, 799),
    ):
        generator, covered = rng(11), 0
        for _ in range(trials):
            found = over_clusters(generator.normal(3, 2, size), generator, draws=draws)
            low, high = found.interval or (math.nan, math.nan)
            covered += low < 3 < high
        least, most = binomial(trials, share)
        assert least <= covered <= most, (size, covered / trials)


def items_with_effects(generator: np.random.Generator, effect: float = 0.0) -> dict[str, Any]:
    """All pairs of 16 items, each of which moves all of its pairs; the labels, 3 items of one class
    and 13 of another, mean nothing, but for the effect on pairs of two classes.
    """
    first, second = np.triu_indices(16, 1)
    moved, labels = generator.normal(size=16), (np.arange(16) < 3).astype(int)
    values = moved[first] + moved[second] + 0.1 * generator.normal(size=len(first))
    values += effect * (labels[first] != labels[second])
    return {"values": values, "first": first, "second": second, "labels": labels}


def test_permuted_labels_reject_as_often_as_they_say_where_pairs_share_items() -> None:
    generator, trials = rng(12), 150
    found = [
        permute_labels(**items_with_effects(generator), rng=generator, draws=99)
        for _ in range(trials)
    ]
    rejected = sum((one.permutation.p or 1) <= 0.05 for one in found)
    low, high = binomial(trials, 0.05)
    assert low <= rejected <= high
    # Welch takes 120 pairs of 16 items for independent
    assert sum((one.welch_p or 1) <= 0.05 for one in found) > high
    assert np.median([one.error_ratio or 0 for one in found]) < 0.7
    strong = permute_labels(**items_with_effects(generator, 3.0), rng=generator)
    assert (strong.permutation.p or 1) < 0.01  # 560 classes of orders: one draw in 560 is the same


def test_mantel_rejects_as_often_as_it_says() -> None:
    generator, trials, rejected = rng(13), 150, 0
    for _ in range(trials):
        places = generator.normal(size=(2, 10, 2))
        one, other = (np.linalg.norm(x[:, None] - x[None], axis=2) for x in places)
        rejected += (mantel(one, other, generator, draws=99).p or 1) <= 0.05
    low, high = binomial(trials, 0.05)
    assert low <= rejected <= high


# ---- permutations, enumerated


def disjoint(same: np.ndarray, different: np.ndarray) -> dict[str, Any]:
    """Pairs without a common item."""
    values = np.concatenate([same, different])
    first = 2 * np.arange(len(values))
    labels = np.zeros(2 * len(values), dtype=int)
    labels[first + 1] = np.arange(len(values)) >= len(same)
    return {"values": values, "first": first, "second": first + 1, "labels": labels}


def test_welch_is_that_of_the_sleepers() -> None:
    given = disjoint(*SLEEP)
    found = permute_labels(**given, rng=rng(), alternative="two-sided", draws=200)
    assert found.difference == pytest.approx(1.58)
    assert found.welch_t == pytest.approx(1.8608, abs=1e-4)
    assert found.welch_p == pytest.approx(0.07939, abs=1e-5)
    error = 1.58 / 1.8608
    ratio = error / (found.permutation.standard_error or 0)
    assert found.error_ratio == pytest.approx(ratio, rel=1e-4)


def enumerated(given: dict[str, Any]) -> tuple[float, np.ndarray]:
    """The effect, and that of every order of the labels."""
    labels, first, second = given["labels"], given["first"], given["second"]
    strata = given.get("strata", np.zeros(len(first), dtype=int))

    def effect(order: Any) -> float:
        mixed = labels[list(order)]
        gaps = []
        for stratum in set(strata.tolist()):
            values, different = (
                x[strata == stratum] for x in (given["values"], mixed[first] != mixed[second])
            )
            if different.any() and not different.all():
                gaps.append(values[different].mean() - values[~different].mean())
        return float(np.mean(gaps))

    orders = permutations(range(len(labels)))
    return effect(range(len(labels))), np.array([effect(order) for order in orders])


def agrees(found: PermutationTest, whole: float, drawn: np.ndarray, alternative: str) -> bool:
    """Whether a test by 1,000 draws has the p-value and the spread of all permutations."""
    if alternative == "two-sided":
        extreme = abs(drawn) >= abs(whole) - 1e-12
    else:
        sign = 1 if alternative == "greater" else -1
        extreme = sign * drawn >= sign * whole - 1e-12
    low, high = binomial(1000, float(extreme.mean()))
    assert found.value == pytest.approx(whole) and found.draws == 1000
    assert found.standard_error == pytest.approx(float(drawn.std()), rel=0.1)
    return low + 1 <= round((found.p or 0) * 1001) <= high + 1


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("stratified", [False, True])
def test_permuted_labels_give_the_enumerated_p(alternative: Any, stratified: bool) -> None:
    first, second = np.triu_indices(6, 1)
    given = {
        "values": rng(21).normal(size=len(first)) + (first % 2 != second % 2),
        "first": first,
        "second": second,
        "labels": np.arange(6) % 2,
    }
    if stratified:
        given |= {"strata": np.arange(15) % 3, "values": given["values"] + 9 * (np.arange(15) % 3)}
    found = permute_labels(**given, rng=rng(), alternative=alternative)
    assert agrees(found.permutation, *enumerated(given), alternative)


def test_an_undefined_permutation_counts_as_extreme() -> None:
    given = {
        "values": np.array([0.0, 5.0]),
        "first": np.array([0, 0]),
        "second": np.array([1, 2]),
        "labels": np.array([0, 0, 1, 1]),
    }
    # of the six classes of orders 0011, 0101, ... two leave pairs of both sorts with + 5, two with
    # - 5, and two none of one sort
    found = permute_labels(**given, rng=rng())
    low, high = binomial(1000, 2 / 3)
    assert low + 1 <= round((found.permutation.p or 0) * 1001) <= high + 1


@pytest.mark.parametrize("ranked", [True, False])
def test_mantel_gives_the_enumerated_p(ranked: bool) -> None:
    one, other = (np.abs(x[:, None] - x[None]) for x in rng(22).normal(size=(2, 6)))
    other = one + 0.8 * other
    upper = np.triu_indices(6, 1)
    correlate = stats.spearmanr if ranked else stats.pearsonr
    drawn = [
        correlate(one[np.ix_(order, order)][upper], other[upper]).statistic
        for order in map(list, permutations(range(6)))
    ]
    whole = correlate(one[upper], other[upper]).statistic
    assert agrees(mantel(one, other, rng(), ranked=ranked), whole, np.array(drawn), "greater")


def test_no_p_is_smaller_than_the_draws_allow() -> None:
    places = rng(24).normal(size=30)
    distances = np.abs(places[:, None] - places)
    assert mantel(distances, distances**3, rng()).p == 1 / 1001
    assert mantel(distances, -distances, rng(), alternative="less", draws=99).p == 1 / 100
    assert mantel(distances, -distances, rng(), draws=99).p == 1
    first, second = np.triu_indices(30, 1)
    labels = (places > 0).astype(int)
    found = permute_labels(distances[first, second], first, second, labels, rng())
    assert found.permutation.p == 1 / 1001


def test_lengths_are_compared_within_strata() -> None:
    """Different pairs are longer, and values follow the length alone: no effect within strata."""
    strata = np.repeat([0, 1], 40)
    different = np.concatenate([np.arange(40) < 8, np.arange(40) < 32])
    values = 10.0 * strata
    assert stratified_difference(values, different, np.zeros(80, dtype=int)) == pytest.approx(6)
    assert stratified_difference(values, different, strata) == 0
    assert stratified_difference(values + different, different, strata) == pytest.approx(1)
    assert stratified_difference(values, np.ones(80, dtype=bool), strata) is None
    one_sided = np.where(strata == 0, True, different)
    assert stratified_difference(values + one_sided, one_sided, strata) == pytest.approx(1)


def test_strata_reach_the_permutation_test() -> None:
    given = items_with_effects(rng(23), effect=0.0)
    strata = (given["values"] > np.median(given["values"])).astype(int)
    found = permute_labels(**given, rng=rng(), strata=strata, draws=50)
    different = given["labels"][given["first"]] != given["labels"][given["second"]]
    assert found.difference == stratified_difference(given["values"], different, strata)


def test_holm_is_that_of_a_known_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.7]) == (1.0, 1.0) and holm([]) == ()
    for wrong in ([0.5, 1.1], [-0.1], [math.nan]):
        with pytest.raises(InvalidInput, match="no p-values"):
            holm(wrong)


# ---- laws

VALUES = arrays(
    np.float64,
    st.integers(3, 14),
    elements=st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3)),
)


@given(VALUES, st.randoms(use_true_random=False))
def test_no_order_of_the_nets_changes_an_interval(values: np.ndarray, random: Any) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    assert over_clusters(values[order], rng(), draws=99) == over_clusters(values, rng(), draws=99)
    assert share_above(values[order]) == share_above(values)


@given(VALUES, st.integers(-50, 50), st.sampled_from([0.5, 2.0, 1024.0]))
def test_intervals_move_and_grow_with_the_values(
    values: np.ndarray, shift: int, scale: float
) -> None:
    one = over_clusters(values, rng(), draws=99)
    other = over_clusters(scale * values + shift, rng(), draws=99)
    assert (one.interval is None) == (other.interval is None)
    for end, moved in zip(one.interval or (), other.interval or (), strict=True):
        assert moved == pytest.approx(scale * end + shift, abs=1e-6, rel=1e-6)


@given(VALUES, st.integers(0, 2**31))
def test_names_of_classes_do_not_matter(values: np.ndarray, seed: int) -> None:
    first, second = np.arange(len(values)), 1 + np.arange(len(values))
    labels = rng(seed).integers(0, 3, len(values) + 1)
    one = permute_labels(values, first, second, labels, rng(), draws=20)
    other = permute_labels(values, first, second, 7 - labels, rng(), draws=20)
    swapped = permute_labels(values, second, first, labels, rng(), draws=20)
    assert one == other == swapped


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(ps: list[float]) -> None:
    found = holm(ps)
    assert all(p <= q <= min(1.0, len(ps) * p) or q == p for p, q in zip(ps, found, strict=True))
    for (p, q), (r, s) in product(zip(ps, found, strict=True), repeat=2):
        assert p > r or q <= s


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_shares_lie_in_their_intervals_and_mirror(share: tuple[int, int]) -> None:
    hits, total = share
    found, mirrored = wilson(hits, total), wilson(total - hits, total)
    low, high = found.interval or (1, 0)
    assert 0 <= low <= (found.value or 0) <= high <= 1
    assert mirrored.interval == pytest.approx((1 - high, 1 - low))


# ---- what has no answer


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "no nets"),
        ([2.0], "one of the nets alone has no spread"),
        ([1.0, math.nan, 2.0], "1 of 3 nets have no finite value"),
        ([1.0] * 20 + [math.inf], "1 of 21 nets have no finite value"),
        ([0.25] * 5, "all 5 nets have the value 0.25"),
        ([0.25] * 30, "all 30 nets have the value 0.25"),
        ([0.1 + 0.2, 0.3] * 10, "all 20 nets have the value 0.3"),
        ([0.0] * 30, "all 30 nets have the value 0"),
        ([np.array([1.0, 2.0]), np.array([])], "1 of 2 nets have no finite value"),
    ],
)
def test_a_degenerate_sample_says_why(values: Any, why: str) -> None:
    found = over_clusters(values, rng())
    assert (found.interval, found.why) == (None, why)
    assert found.value is None or math.isfinite(found.value)
    rule = above(0.5, "T", least=1)
    assert (rule.decide(found).verdict, rule.decide(found).why) == ("undecided", why)
    assert equivalence([x for x in values if np.ndim(x) == 0], 1.0, rng()).interval is None


def test_a_statistic_without_a_value_says_so() -> None:
    assert (
        over_clusters([1.0, 2], rng(), statistic=lambda _: math.nan).why
        == "the statistic is not finite"
    )
    three = over_clusters(
        [1.0, 1, 2], rng(), statistic=lambda x: float(np.max(x) if len(x) > 2 else 1 / 3)
    )
    assert three.why == "3 nets are too few for this statistic"
    constant = over_clusters(np.arange(12.0), rng(), statistic=lambda _: 1.0)
    assert constant.why == "the bootstrap over these 12 nets is degenerate"


def test_a_median_of_counts_has_an_interval() -> None:
    counts = [0.0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 9]
    found = over_clusters(counts, rng(), statistic=np.median)
    assert found.method in ("BCa", "percentile") and found.interval is not None
    low, high = found.interval
    assert low <= 1 <= high


def test_shares_of_nothing_and_of_what_is_not_finite_say_why() -> None:
    assert wilson(0, 0, unit="rays").why == "no rays"
    assert share_above([1.0, math.nan]).why == "1 of 2 nets have no finite value"
    assert share_above([1.0, -1.0, 0.0]).value == pytest.approx(1 / 3)
    assert (
        above(0.5, "the share", range=SHARE).decide(share_above([1.0] * 30)).verdict == "supported"
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"labels": np.zeros(16, dtype=int)}, "0 of 120 pairs join different classes"),
        ({"labels": np.arange(16)}, "120 of 120 pairs join different classes"),
        ({"values": np.full(120, math.nan)}, "120 of 120 pairs have no finite value"),
        ({"values": np.ones(120)}, "all 120 pairs have equal values"),
    ],
)
def test_pairs_without_a_test_say_why(changes: dict[str, Any], why: str) -> None:
    found = permute_labels(**{**items_with_effects(rng()), **changes}, rng=rng())
    assert isinstance(found, PairTest) and found.permutation.why == why
    assert found.difference is found.permutation.p is found.welch_t is found.error_ratio is None


def test_strata_of_one_sort_say_why() -> None:
    given = items_with_effects(rng())
    different = given["labels"][given["first"]] != given["labels"][given["second"]]
    found = permute_labels(**given, rng=rng(), strata=different.astype(int))
    assert found.permutation.why == "no stratum has pairs of both sorts"


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (np.zeros((2, 2)), "2 items are too few"),
        (np.ones((5, 5)), "entries not finite, or all equal"),
        (np.full((5, 5), math.nan), "entries not finite, or all equal"),
    ],
)
def test_matrices_without_a_correlation_say_why(one: np.ndarray, why: str) -> None:
    other = np.abs(np.subtract.outer(np.arange(len(one)), np.arange(len(one)))).astype(float)
    for found in (mantel(one, other, rng()), mantel(other, one, rng())):
        assert (found.value, found.p, found.why) == (None, None, why)
    with pytest.raises(InvalidInput, match="do not fit"):
        mantel(one, other[1:], rng())


def test_an_estimate_cannot_contradict_itself() -> None:
    for wrong in (
        (math.nan, None, 3, "why"),
        (1.0, (2.0, 1.0), 3, ""),
        (1.0, (0.0, math.nan), 3, ""),
        (1.0, None, 3, ""),
        (1.0, (0.0, 2.0), 3, "why"),
        (None, (0.0, 1.0), 3, ""),
    ):
        value, interval, clusters, why = wrong
        with pytest.raises(InvalidInput, match="contradicts itself"):
            Estimate(value, interval, clusters, why=why)


def test_an_estimate_tells_its_numbers() -> None:
    found = wilson(3, 12, unit="great circles").with_p(0.25)
    assert found.data("share") == {
        "share_float": 0.25,
        "share_low_float": pytest.approx(0.0889, abs=1e-4),
        "share_high_float": pytest.approx(0.5323, abs=1e-4),
        "share_p_float": 0.25,
        "share_great_circles": 12,
        "share_method": "Wilson",
    }
    unknown = Estimate.unknown("all equal", value=1.0, clusters=4)
    assert str(unknown) == "1 over 4 nets, no interval: all equal"
    assert unknown.data("T")["T_low_float"] is None and unknown.data("T")["T_method"] == "all equal"
    assert Estimate.exactly(3).is_exact and not found.is_exact


def test_trained_against_untrained_is_one_rule() -> None:
    trained = {seed: 0.8 + 0.01 * float(rng(seed).normal()) for seed in range(30)}
    untrained = {seed: 0.5 + 0.01 * float(rng(seed + 99).normal()) for seed in range(30)}
    rule = larger_than("the untrained net of the same seed", "purity", 0.2)
    assert rule.decide(paired(trained, untrained, rng())).verdict == "supported"
    assert rule.decide(paired(untrained, trained, rng())).verdict == "refuted"
