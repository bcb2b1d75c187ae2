"""Uncertainty within one network: intervals for shares of what is drawn in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.errors import certain
from studies.statistics import Degenerate, Estimate, over_clusters, wilson


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


def share_over(
    hits: BitArray, places: IndexArray, rng: np.random.Generator, *, unit: str, draws: int
) -> Estimate:
    """The share of hits, with an interval over the units in which they come; `places` says for
    every hit in which.

    Wilson's interval where each unit has one. A bootstrap knows no interval where every unit has
    the same share: none at all (or nothing else) is then a share of units with a hit (or a miss),
    which is at least that of hits, with Wilson's interval.
    """
    found = np.unique(places)
    if len(found) == len(hits):
        return wilson(int(hits.sum()), len(hits), unit=unit)
    if hits.all() or not hits.any():
        return wilson(len(found) * bool(hits.all()), len(found), unit=unit)
    groups = [hits[places == one].astype(np.float64) for one in found]
    return over_clusters(groups, rng, unit=unit, draws=draws, range=(0, 1))
