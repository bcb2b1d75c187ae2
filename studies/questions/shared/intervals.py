"""Uncertainty within one network: Wilson intervals for shares of what is drawn in it, bootstrap
intervals for ratios of medians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.numbers import FloatArray
from exact.errors import certain
from studies.statistics import CONFIDENCE, Degenerate, Estimate, wilson


@dataclass(frozen=True)
class Share:
    """`hits` of `total` independent draws, with its 95% Wilson interval [low, high]. Degenerate for
    a share of nothing.
    """

    hits: int
    total: int

    def __post_init__(self) -> None:
        if not self.total:
            raise Degenerate("a share of nothing", value=0, remedy="draw at least one")

    def estimate(self, unit: str) -> Estimate:
        """The share as what a rule judges; `unit` names the draws."""
        return wilson(self.hits, self.total, unit=unit)

    @property
    def interval(self) -> tuple[float, float]:
        return certain(self.estimate("draws").interval, "draws have an interval")

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{percent(self.hits / self.total)} of {self.total} [{percent(low)}, {percent(high)}]"
        )


def finite(value: float) -> float | None:
    """The value itself; None for an infinite or undefined one, which JSON cannot hold."""
    return value if math.isfinite(value) else None


def percent(value: float) -> str:
    """A share as a percentage that says 0 and 100 only when it is."""
    text = f"{100 * value:.1f}"
    if text in ("0.0", "100.0") and value not in (0, 1):
        return f"{100 * value:.2g}%" if value < 0.5 else f"100% - {100 * (1 - value):.1g}%"
    return f"{text.removesuffix('.0')}%"


def ratio_of_medians(
    distances: FloatArray, adjacent: np.ndarray, seed: int, draws: int = 300
) -> tuple[float, float, float]:
    """median over adjacent pairs / median over all pairs of nodes, and its 95% bootstrap interval.

    `distances` is a symmetric (nodes x nodes) array, `adjacent` counts the edges between two nodes.
    Nodes are drawn anew with replacement, since pairs that share one are not independent; a pair of
    copies of one node does not count.
    """
    rows, columns = np.triu_indices(len(distances), 1)
    values, edges = distances[rows, columns], adjacent[rows, columns]
    order = np.argsort(values)
    rows, columns, values, edges = rows[order], columns[order], values[order], edges[order]

    def ratio(counts: np.ndarray) -> np.float64:
        weights = counts[rows] * counts[columns]
        return _weighted_median(values, weights * edges) / _weighted_median(values, weights)

    rng = np.random.default_rng(seed)
    nodes = len(distances)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.array([ratio(rng.multinomial(nodes, [1 / nodes] * nodes)) for _ in range(draws)])
        whole = ratio(np.ones(nodes, dtype=int))
    return float(whole), *_interval(drawn)


def ratio_of_two_samples(
    first: FloatArray, second: FloatArray, seed: int, draws: int = 1000
) -> tuple[float, float, float]:
    """median(first) / median(second) of paired samples, and its 95% bootstrap interval over the
    pairs.
    """
    picks = np.random.default_rng(seed).integers(0, len(first), (draws, len(first)))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.median(first[picks], axis=1) / np.median(second[picks], axis=1)
        whole = np.median(first) / np.median(second)
    low, high = _interval(drawn)
    return float(whole), low, high


def bootstrapped(found: tuple[float, float, float], count: int, unit: str) -> Estimate:
    """A ratio with its bootstrap interval as what a rule judges."""
    value, low, high = found
    if any(map(math.isnan, found)) or not math.isfinite(value):
        why = "the ratio is not finite"
        return Estimate.unknown(why, clusters=count, unit=unit)
    return Estimate(value, (low, high), count, unit, "bootstrap")


def _interval(drawn: FloatArray) -> tuple[float, float]:
    """The central 95% of the draws by order statistics, undefined ones (0 / 0) left out; NaN when
    nothing is left.
    """
    defined = np.sort(drawn[~np.isnan(drawn)])
    if not len(defined):
        return float("nan"), float("nan")
    low, high = (
        int((len(defined) - 1) * share) for share in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    )
    return float(defined[low]), float(defined[high])


def _weighted_median(values: FloatArray, weights: np.ndarray) -> np.float64:
    """The lower median of ascending values with integer weights; NaN when all weights are zero."""
    total = np.cumsum(weights)
    return values[np.searchsorted(total, total[-1] / 2)] if total[-1] else np.float64("nan")
