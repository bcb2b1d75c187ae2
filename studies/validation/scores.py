"""How good methods are: bias, error, correlation, coverage and cost, over nets.

The net is the unit: the items of a net (its segments, its places) are averaged first, so that a net
has one value and one exact value. Errors are relative to the mean exact value of all nets of the
same kind, trained or not, so that a net in which nothing crosses has one too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from exact.arithmetic.numbers import FloatArray
from studies.methods import QUANTITIES
from studies.statistics import Estimate, over_clusters, wilson
from studies.validation.judge import REFUSED, Row

ALL = "all"
CLOSE = 1e-9
"""How far beyond its ends, relative to the exact value, an interval of floats still holds it."""
DRAWS = 999


@dataclass(frozen=True)
class NetValue:
    """One net: the mean of a method's values over its items, and of the exact ones."""

    seed: int
    value: float
    truth: float
    error: float
    squared: float
    within: float


@dataclass(frozen=True)
class Group:
    """The rows of one method with one budget on nets of one kind, trained or not; "all" where
    several norms, or both, are together.
    """

    quantity: str
    method: str
    number: str
    unit: str
    budget: int
    dimension: int
    family: str
    norm: str
    trained: str


@dataclass(frozen=True)
class Score:
    """What is known of a group.

    `bias` is the mean error over nets with its interval over seeds, `rmse` the root of the mean
    squared error, both relative to the exact values, or in decades where `scale` is "log10", or
    plain shares where it is "share". `spearman` is the rank correlation of values and exact values
    over nets. `coverage` is the share of own intervals that hold the exact value. `asked` counts
    estimates, `failed` those that are none, refusals left out, which `refused` counts.
    """

    group: Group
    scale: str
    nets: int
    bias: Estimate
    rmse: float
    spearman: float
    coverage: Estimate
    within: float
    covered: float
    passes: float
    seconds: float
    asked: int
    refused: int
    failed: int

    def columns(self) -> dict[str, Any]:
        """All numbers by name, for a table."""
        low, high = self.bias.interval or (math.nan, math.nan)
        below, above = self.coverage.interval or (math.nan, math.nan)
        return {
            **vars(self.group),
            "scale": self.scale,
            "nets": self.nets,
            "bias": _number(self.bias.value),
            "bias_low": low,
            "bias_high": high,
            "rmse": self.rmse,
            "spearman": self.spearman,
            "coverage": _number(self.coverage.value),
            "coverage_low": below,
            "coverage_high": above,
            "within": self.within,
            "covered": self.covered,
            "passes": self.passes,
            "seconds": self.seconds,
            "asked": self.asked,
            "refused": self.refused,
            "failed": self.failed,
        }


def by_kind(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    """The rows by method, budget and kind of net, trained and untrained apart."""
    found: dict[Group, list[Row]] = {}
    for row in rows:
        trained = "trained" if row.trained else "untrained"
        group = Group(
            row.quantity,
            row.method,
            row.number,
            row.unit,
            row.budget,
            row.dimension,
            row.family,
            row.norm,
            trained,
        )
        found.setdefault(group, []).append(row)
    return found


def scores(rows: Iterable[Row], scales: Mapping[str, str]) -> list[Score]:
    """The score of every kind, and of all nets of one dimension together. `scales` are those of
    methods.
    """
    kinds = by_kind(rows)
    means = _mean_truths(kinds)
    pooled: dict[Group, list[tuple[Group, list[Row]]]] = {}
    for group, own in kinds.items():
        whole = Group(**{**vars(group), "family": ALL, "norm": ALL, "trained": ALL})
        pooled.setdefault(whole, []).append((group, own))
    found = [
        _score(group, [(group, own)], means, scales.get(group.method, "relative"))
        for group, own in kinds.items()
    ]
    found += [
        _score(whole, parts, means, scales.get(whole.method, "relative"))
        for whole, parts in pooled.items()
    ]
    return found


def net_values(rows: Iterable[Row]) -> dict[int, NetValue]:
    """The value of every net, by its seed: of those whose items all have an estimate."""
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, []).append(row)
    return {
        seed: NetValue(
            seed,
            _mean(row.value for row in own),
            _mean(row.truth for row in own),
            _mean(row.error for row in own),
            _mean(row.error**2 for row in own),
            _mean(row.within for row in own),
        )
        for seed, own in sorted(by_seed.items())
        if all(row.is_ok for row in own)
    }


def _mean_truths(kinds: Mapping[Group, Sequence[Row]]) -> dict[tuple[object, ...], float]:
    """The mean exact value of a quantity over all nets of a kind."""
    truths: dict[tuple[object, ...], list[float]] = {}
    for group, rows in kinds.items():
        truths.setdefault(_kind(group), []).extend(row.truth for row in rows if row.is_ok)
    return {kind: _mean(values) for kind, values in truths.items()}


def _kind(group: Group) -> tuple[object, ...]:
    return group.quantity, group.family, group.norm, group.dimension


def _score(
    group: Group,
    parts: Sequence[tuple[Group, Sequence[Row]]],
    means: Mapping[tuple[object, ...], float],
    scale: str,
) -> Score:
    rows = [row for _, own in parts for row in own]
    good = [row for row in rows if row.is_ok]
    normalised = QUANTITIES[group.quantity].normalised
    told = scale if scale == "log10" else "relative" if normalised else "share"
    nets, by_seed, squares = list[NetValue](), dict[int, list[float]](), list[float]()
    for part, own in parts:
        unit = means[_kind(part)] if normalised else 1.0
        for net in net_values(own).values():
            nets.append(net)
            error, square = _error(net, told, unit)
            by_seed.setdefault(net.seed, []).append(error)
            squares.append(square)
    # nets of one seed share data and questions
    clusters = [np.array(errors) for errors in by_seed.values()]
    bias = over_clusters(clusters, np.random.default_rng(0), unit="seeds", draws=DRAWS)
    held = [holds(row) for row in good if not math.isnan(row.low)]
    return Score(
        group,
        told,
        len(nets),
        bias,
        math.sqrt(_mean(squares)) if squares else math.nan,
        spearman(np.array([net.value for net in nets]), np.array([net.truth for net in nets])),
        wilson(sum(held), len(held), unit="intervals"),
        _mean(net.within for net in nets),
        _mean(row.covered for row in good if not math.isnan(row.covered)),
        _mean(row.passes for row in good),
        _mean(row.seconds for row in good),
        len(rows),
        sum(row.result == REFUSED for row in rows),
        sum(not row.is_ok and row.result != REFUSED for row in rows),
    )


def _error(net: NetValue, scale: str, unit: float) -> tuple[float, float]:
    """The error of a net and its square, on a scale."""
    if scale == "log10":
        if net.value <= 0 or net.truth <= 0:
            return math.nan, math.nan
        decades = math.log10(net.value / net.truth)
        return decades, decades**2
    if scale == "share":
        return net.error, net.squared
    if not unit:
        return (0.0, 0.0) if net.error == 0 else (math.nan, math.nan)
    error = net.error / unit
    return error, error**2


def holds(row: Row) -> bool:
    """Whether the interval of an estimate holds the exact value, to the rounding of floats."""
    slack = CLOSE * abs(row.truth)
    return row.low - slack <= row.truth <= row.high + slack


def spearman(first: FloatArray, second: FloatArray) -> float:
    """The rank correlation; NaN for fewer than three values, and where one side is constant.

    >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([2.0, 3.0, 4.0]))
    1.0
    """
    if len(first) < 3 or not np.ptp(first) or not np.ptp(second):
        return math.nan
    return round(float(stats.spearmanr(first, second).statistic), 12)


def _mean(values: Iterable[float]) -> float:
    kept = [value for value in values]
    return sum(kept) / len(kept) if kept else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
