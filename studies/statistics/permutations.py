"""Tests between pairs of items, and of several at once.

Pairs that share an item depend on each other, so labels are permuted over the items while the pairs
stay as they are; matrices of all pairs are permuted in rows and columns together (Mantel 1967).
Welch's t stands beside, with the ratio of its standard error to that of the permutations: it counts
pairs as if they were independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, get_args

import numpy as np
from scipy import stats

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.errors import InvalidInput, abbreviated
from studies.statistics.estimates import whole as whole_number

DRAWS = 1_000
SYMMETRIC = 1e-9
"""How far, relative to the largest entry, two sides of a matrix of pairs may differ."""
Alternative = Literal["greater", "less", "two-sided"]


@dataclass(frozen=True)
class PermutationTest:
    """A statistic, the share (1 + k) / (1 + draws) of permutations at least as extreme, and the
    spread of the statistic under permutation; `why` says why there is no p-value.
    """

    value: float | None
    p: float | None
    standard_error: float | None
    draws: int
    why: str = ""


@dataclass(frozen=True)
class PairTest:
    """Different minus same: the permutation test over items, and Welch's t test over pairs.

    `error_ratio` is Welch's standard error over that of the permutations: below 1 Welch is too
    sure.
    """

    permutation: PermutationTest
    welch_t: float | None
    welch_p: float | None
    error_ratio: float | None

    @property
    def difference(self) -> float | None:
        """The effect, different minus same."""
        return self.permutation.value


def permute_labels(
    values: FloatArray,
    first: IndexArray,
    second: IndexArray,
    labels: IndexArray,
    rng: np.random.Generator,
    *,
    strata: IndexArray | None = None,
    alternative: Alternative = "greater",
    draws: int = DRAWS,
) -> PairTest:
    """Whether pairs of different classes have larger values than pairs of one class.

    Pair k joins the items `first[k]` and `second[k]` and has the value `values[k]`; item i has the
    class `labels[i]`. The effect is mean(different) - mean(same), or with `strata`, a number for
    each pair, the mean over strata of that difference (`stratified_difference`). A permutation for
    which it is undefined counts as extreme. Values that are not finite, and labels of which all or
    no pairs are different, have no test, and `permutation.why` says so. Raises InvalidInput for
    arrays that do not fit each other, items that are not there, labels that are NaN, and an
    alternative that is none.

    Cost: draws x pairs.
    """
    _require(alternative, draws)
    places = np.zeros(len(values), dtype=np.int64) if strata is None else np.asarray(strata)
    _require_pairs(values, first, second, labels, places)
    different = labels[first] != labels[second]
    why = _no_test(values, different)
    exponent = 0 if why else _exponent(values)
    values = np.ldexp(values, -exponent)  # tests do not know the scale, and sums stay finite
    whole = None if why else stratified_difference(values, different, places)
    if whole is None or math.isinf(_scaled(whole, exponent)):
        why = why or _no_difference(whole)
        return PairTest(PermutationTest(None, None, None, 0, why), None, None, None)

    def effect_of(order: np.ndarray) -> float:
        mixed = labels[order]
        found = stratified_difference(values, mixed[first] != mixed[second], places)
        return math.nan if found is None else found

    test = _permuted(len(labels), effect_of, whole, rng, alternative, draws)
    found = _beside_welch(test, values[different], values[~different], alternative)
    error = None if test.standard_error is None else _scaled(test.standard_error, exponent)
    told = replace(test, value=_scaled(whole, exponent), standard_error=error)
    return replace(found, permutation=told)


def _require(alternative: str, draws: int) -> None:
    if alternative not in get_args(Alternative):
        raise InvalidInput(
            "there is no such alternative",
            value=repr(alternative),
            remedy=f"write one of {', '.join(get_args(Alternative))}",
        )
    whole_number("draws", draws, 1)


def _require_pairs(
    values: FloatArray,
    first: IndexArray,
    second: IndexArray,
    labels: IndexArray,
    strata: IndexArray,
) -> None:
    """Raise InvalidInput for arrays that do not say of each pair its value, items and stratum."""
    parts = {"first": first, "second": second, "strata": strata}
    for name, part in {"values": values, **parts}.items():
        if np.shape(part) != (len(values),):
            raise InvalidInput(
                "pairs and what is said of them do not fit",
                value=f"{name} of shape {np.shape(part)} for {len(values)} values",
                remedy="give one entry for each pair",
            )
    for name, part in parts.items():
        below = math.inf if name == "strata" else len(labels)
        if part.dtype.kind not in "iu" or (len(part) and not 0 <= part.min() <= part.max() < below):
            raise InvalidInput(
                f"{name} has what is no number from 0 on, or too large a one",
                value=abbreviated(part.tolist(), 60),
                remedy="number items as the labels stand, and strata from 0",
            )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise InvalidInput(
            "items have no label",
            value=f"{int(np.isnan(labels).sum())} NaN",
            remedy="leave them out",
        )


def _exponent(values: FloatArray) -> int:
    """The exponent of the largest value."""
    return int(np.frexp(np.abs(values).max())[1])


def _scaled(value: float, exponent: int) -> float:
    with np.errstate(over="ignore"):
        return float(np.ldexp(value, exponent))


def _no_difference(scaled: float | None) -> str:
    if scaled is None:
        return "no stratum has pairs of both sorts"
    return "the difference is larger than float64 has numbers"


def _no_test(values: FloatArray, different: np.ndarray) -> str:
    if not np.isfinite(values).all():
        return f"{int((~np.isfinite(values)).sum())} of {len(values)} pairs have no finite value"
    if different.all() or not different.any():
        return f"{int(different.sum())} of {len(values)} pairs join different classes"
    equal = len(values) and values.min() == values.max()
    return f"all {len(values)} pairs have equal values" if equal else ""


def _beside_welch(
    test: PermutationTest, different: FloatArray, same: FloatArray, alternative: Alternative
) -> PairTest:
    if min(len(different), len(same)) < 2 or not (np.ptp(different) or np.ptp(same)):
        return PairTest(test, None, None, None)
    error = math.sqrt(np.var(different, ddof=1) / len(different) + np.var(same, ddof=1) / len(same))
    found = stats.ttest_ind(different, same, equal_var=False, alternative=alternative)
    ratio = error / test.standard_error if test.standard_error else None
    return PairTest(test, float(found.statistic), float(found.pvalue), ratio)


def stratified_difference(
    values: FloatArray, different: np.ndarray, strata: IndexArray
) -> float | None:
    """The mean over strata of mean(different) - mean(same); strata that lack one of the two are
    left out, None where all do.

    >>> values, different = np.array([1.0, 2, 10, 13]), np.array([False, True, False, True])
    >>> stratified_difference(values, different, np.array([0, 0, 1, 1]))
    2.0
    """
    size = int(strata.max(initial=0)) + 1
    sums, counts = (
        [
            np.bincount(strata[chosen], weights=weights, minlength=size)
            for chosen, weights in ((different, given[different]), (~different, given[~different]))
        ]
        for given in (values, np.ones(len(values)))
    )
    both = (counts[0] > 0) & (counts[1] > 0)
    if not both.any():
        return None
    means = [total[both] / count[both] for total, count in zip(sums, counts, strict=True)]
    return float(np.mean(means[0] - means[1]))


def mantel(
    first: FloatArray,
    second: FloatArray,
    rng: np.random.Generator,
    *,
    ranked: bool = True,
    alternative: Alternative = "greater",
    draws: int = DRAWS,
) -> PermutationTest:
    """The correlation of two symmetric matrices of pairs (Spearman's with `ranked`, else Pearson's)
    and its test by permuting rows and columns of the first together.

    Both are (items x items); diagonals do not count. A matrix whose entries are not finite or all
    equal has no correlation, and `why` says so. Raises InvalidInput for shapes that do not fit, for
    a matrix that is not symmetric to 9 digits, and for an alternative that is none. Cost: draws x
    items^2.

    >>> places = np.arange(6.0)
    >>> distances = np.abs(places[:, None] - places)
    >>> found = mantel(distances, distances**2, np.random.default_rng(0))
    >>> round(found.value, 9), found.p < 0.05
    (1.0, True)
    """
    if first.shape != second.shape or first.ndim != 2 or first.shape[0] != first.shape[1]:
        raise InvalidInput(
            "two matrices of pairs do not fit",
            value=f"{first.shape} and {second.shape}",
            remedy="give two square matrices over the same items",
        )
    _require(alternative, draws)
    upper = np.triu_indices(len(first), 1)
    for matrix in (first, second):
        entries, mirrored = matrix[upper], matrix.T[upper]
        _require_symmetry(entries, mirrored)
        if len(entries) < 3:
            return PermutationTest(None, None, None, 0, f"{len(first)} items are too few")
        if not np.isfinite(entries).all() or entries.min() == entries.max():
            return PermutationTest(None, None, None, 0, "entries not finite, or all equal")
    one, other = (_standard(matrix, upper, ranked) for matrix in (first, second))
    across = other[upper]

    def correlation(order: np.ndarray) -> float:
        return float(one[np.ix_(order, order)][upper] @ across)

    whole = correlation(np.arange(len(first)))
    return _permuted(len(first), correlation, whole, rng, alternative, draws)


def _require_symmetry(entries: FloatArray, mirrored: FloatArray) -> None:
    finite = np.abs(entries[np.isfinite(entries)])
    size = finite.max(initial=0.0) or 1.0
    slack = SYMMETRIC * size
    if not np.allclose(entries, mirrored, rtol=SYMMETRIC, atol=slack, equal_nan=True):
        place = int(np.argmax(~np.isclose(entries, mirrored, SYMMETRIC, slack, equal_nan=True)))
        raise InvalidInput(
            "a matrix of pairs is not symmetric",
            value=f"{entries[place]} above the diagonal, {mirrored[place]} below",
            remedy="give one value for each pair",
        )


def _standard(matrix: FloatArray, upper: tuple[np.ndarray, ...], ranked: bool) -> FloatArray:
    """The entries above the diagonal, or their ranks, with mean 0 and length 1, symmetric again."""
    entries = stats.rankdata(matrix[upper]) if ranked else matrix[upper]
    entries = np.ldexp(entries, -_exponent(entries))  # squares neither overflow nor vanish
    centred = entries - entries.mean()
    found = np.zeros(matrix.shape)
    found[upper] = centred / np.linalg.norm(centred)
    return found + found.T


def _permuted(
    items: int,
    effect_of: Callable[[np.ndarray], float],
    whole: float,
    rng: np.random.Generator,
    alternative: Alternative,
    draws: int,
) -> PermutationTest:
    """The test of an effect under permutations of the items, each drawn anew: p = (1 + k) / (1 +
    draws), where a draw within rounding of the effect counts as extreme.
    """
    drawn = np.array([effect_of(rng.permutation(items)) for _ in range(draws)])
    extreme = {"greater": drawn - whole, "less": whole - drawn}.get(
        alternative, np.abs(drawn) - abs(whole)
    )
    slack = 64 * np.finfo(float).eps * max(1.0, abs(whole))
    count = int((~(extreme < -slack)).sum())  # undefined draws are not below
    spread = drawn[np.isfinite(drawn)]
    error = float(spread.std(ddof=1)) if len(spread) > 1 else None
    return PermutationTest(whole, (1 + count) / (1 + draws), error, draws)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given: reject those at most alpha (Holm 1979).

    Raises InvalidInput for what is no p-value.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    if not all(isinstance(p, Real) and 0 <= p <= 1 for p in p_values):
        raise InvalidInput(
            "no p-values", value=list(p_values), remedy="leave out tests without an answer"
        )
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(order), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)
