"""How the affine maps of a network differ: across facets, by Hamming distance, on a way through the
cells of a wide layer. Maps and codes are exact, norms float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exact import Network, Partition
from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray
from studies.statistics import Degenerate

FEWEST_CELLS, FEWEST_PAIRS, FEWEST_DISTANCES = 5, 10, 3


@dataclass(frozen=True)
class Steps:
    """How the maps of one network differ: `relative` across every facet or crossing, `apart` the
    median distance between the maps of two cells by the Hamming distance of their codes.
    """

    relative: FloatArray
    apart: dict[int, float]

    @property
    def quantiles(self) -> tuple[float, float]:
        """Median and 90th percentile of the relative changes."""
        median, high = np.quantile(self.relative, (0.5, 0.9))
        return float(median), float(high)

    @property
    def slope(self) -> float:
        """The slope of log distance on log Hamming distance; NaN for fewer than three distances."""
        known = {h: distance for h, distance in self.apart.items() if distance > 0}
        if len(known) < FEWEST_DISTANCES:
            return math.nan
        return float(np.polyfit(np.log([*known]), np.log([*known.values()]), 1)[0])


def steps_of(found: Partition) -> Steps:
    """The differences between the maps of a partition. Degenerate for fewer than 5 cells."""
    if len(found) < FEWEST_CELLS:
        raise Degenerate(
            f"fewer than {FEWEST_CELLS} cells: too few to compare neighbours",
            value=len(found),
            remedy="take a wider network",
        )
    maps = np.array([region.affine.float64()[0].ravel() for region in found.regions])
    edges = np.array([edge[:2] for edge in found.graph(witnesses=False).edges()])
    first, second = maps[edges[:, 0]], maps[edges[:, 1]]
    sizes = np.maximum(*(np.linalg.norm(one, axis=1) for one in (first, second)))
    changes = np.linalg.norm(first - second, axis=1)
    relative = np.divide(changes, sizes, out=np.zeros_like(changes), where=changes > 0)
    return Steps(relative, _apart(found, maps))


def _apart(found: Partition, maps: FloatArray) -> dict[int, float]:
    """The median distance for every Hamming distance that ten pairs of cells have."""
    bits = np.array([region.code.bits for region in found.regions], dtype=np.int64)
    pairs = np.triu_indices(len(maps), 1)
    hamming = (bits[pairs[0]] != bits[pairs[1]]).sum(axis=1)
    distances = np.linalg.norm(maps[pairs[0]] - maps[pairs[1]], axis=1)
    counts = np.bincount(hamming)
    return {
        h: float(np.median(distances[hamming == h]))
        for h in range(1, len(counts))
        if counts[h] >= FEWEST_PAIRS
    }


@dataclass(frozen=True)
class Changes:
    """How the map of one hidden layer of ReLUs behind a norm changes: `gram[i, j]` is the inner
    product of `W_out[:, i] w_i'` and `W_out[:, j] w_j'`, float64.
    """

    gram: FloatArray

    @classmethod
    def of(cls, network: Network) -> Changes:
        """From the two Gram matrices of the weights."""
        head, tail = network.blocks[0].layers
        norm = network.blocks[0].norm
        assert norm is not None, "maps along geodesics need a norm"
        rows = norm.project_float(head.weight.float64() * norm.gain.float64().T)
        columns = tail.weight.float64()
        return cls((rows @ rows.T) * (columns.T @ columns))

    def along(self, bits: BitArray) -> FloatArray:
        """|A - A'| / max(|A|, |A'|) at every step of a way through cells, whose codes are the rows
        of `bits`.
        """
        rows = bits.astype(np.float64)
        sizes, changes = self._norms(rows), self._norms(np.diff(rows, axis=0))
        larger = np.maximum(sizes[:-1], sizes[1:])
        return np.divide(changes, larger, out=np.zeros_like(changes), where=larger > 0)

    def _norms(self, rows: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt(np.maximum(((rows @ self.gram) * rows).sum(axis=1), 0.0)))
