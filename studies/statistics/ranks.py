"""The rank correlation of pairs that count more or less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.statistics.estimates import Degenerate


@dataclass(frozen=True, eq=False)
class RankCorrelation:
    """Spearman's correlation of two lists, sorted once for any number of weightings; each value is
    known by its place among the different ones.
    """

    first: IndexArray
    second: IndexArray

    @classmethod
    def of(cls, first: FloatArray, second: FloatArray) -> RankCorrelation:
        """Of two lists of equal length."""
        return cls(*(np.unique(one, return_inverse=True)[1] for one in (first, second)))

    def weighted(self, weights: FloatArray) -> float:
        """In the population in which entry k occurs `weights[k]` times. Raises Degenerate where one
        of the two lists does not vary there.
        """
        seen = weights > 0
        if not seen.any() or any(np.ptp(one[seen]) == 0 for one in (self.first, self.second)):
            raise Degenerate(
                "a rank correlation of what does not vary",
                value=f"{int(seen.sum())} pairs",
                remedy="take a network with more cells",
            )
        one, other = (_centred_ranks(place, weights) for place in (self.first, self.second))
        size = (weights @ one**2) * (weights @ other**2)
        return float(np.clip(weights @ (one * other) / np.sqrt(size), -1.0, 1.0))


def _centred_ranks(place: IndexArray, weights: FloatArray) -> FloatArray:
    """The rank of every entry, equal ones sharing the mean of theirs, less the mean rank."""
    total = np.bincount(place, weights=weights)
    ranks = (np.cumsum(total) - total / 2)[place]
    return np.asarray(ranks - weights @ ranks / weights.sum())


def spearman(first: FloatArray, second: FloatArray, weights: FloatArray | None = None) -> float:
    """Spearman's correlation; with `weights` that of the population in which every entry occurs so
    often. Raises Degenerate where one of the two does not vary.

    >>> spearman(np.array([1.0, 2, 3]), np.array([1.0, 8, 27]))
    1.0
    """
    given = np.ones(len(first)) if weights is None else weights
    return RankCorrelation.of(first, second).weighted(given)
