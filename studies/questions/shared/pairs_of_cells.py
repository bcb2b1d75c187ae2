"""Pairs of cells of one network: how far apart their exact codes are, and their exact maps; and the
rank correlation of both, weighted in several ways. Distances of maps are float.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import singledispatch
from itertools import pairwise

import numpy as np

from exact import Codes, Network, Partition
from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from studies.pairs import strata
from studies.questions.shared.map_changes import FEWEST_CELLS
from studies.questions.shared.rays import centred
from studies.statistics import Degenerate, mantel
from studies.statistics.ranks import spearman

SHUFFLES, SHUFFLED_CELLS = 199, 120


@dataclass(frozen=True)
class Agreement:
    """Rank correlations of Hamming distance and distance of maps in one net: over pairs of cells,
    the same `weighted` in other ways, and what Mantel's test says of the first. `idle` counts
    neurons whose outgoing weights are all zero.
    """

    cells: int
    rho: float
    weighted: dict[str, float]
    mantel_p: float | None
    idle: int


@dataclass(frozen=True)
class Points:
    """Cells, or points: their exact codes and maps (as floats), one a row."""

    bits: BitArray
    maps: FloatArray

    @classmethod
    def of_cells(cls, found: Partition) -> Points:
        """Of all cells. Raises Degenerate for fewer than 5."""
        if len(found) < FEWEST_CELLS:
            raise Degenerate(
                f"fewer than {FEWEST_CELLS} cells: too few to compare",
                value=len(found),
                remedy="take a wider network",
            )
        maps = [region.affine.float64()[0].ravel() for region in found.regions]
        return cls(found.bits, np.array(maps))

    @classmethod
    def of_codes(cls, network: Network, codes: Codes, places: Sequence[int]) -> Points:
        """Of the cells of some points, by their codes."""
        maps = [network.affine_map(codes[place]).float64()[0].ravel() for place in places]
        return cls(codes.bits[list(places)], np.array(maps))

    def hamming(self, kept: BitArray | slice = slice(None)) -> FloatArray:
        """The Hamming distances of all pairs (cells x cells), of some bits."""
        rows = self.bits[:, kept].astype(np.float64)
        size = rows.sum(axis=1)
        return np.asarray(size[:, None] + size - 2 * rows @ rows.T)

    @property
    def apart(self) -> FloatArray:
        """The distances of all pairs of maps."""
        return _distances(self.maps)


def _distances(rows: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(rows[:, None] - rows[None], axis=2))


def over_pairs(first: FloatArray, second: FloatArray, weights: FloatArray | None = None) -> float:
    """The rank correlation of two matrices over pairs of different rows; a pair counts as often as
    the product of both weights says.
    """
    upper = np.triu_indices(len(first), 1)
    counts = None if weights is None else np.outer(weights, weights)[upper]
    return spearman(first[upper], second[upper], counts)


def agreement(found: Partition, data: FloatArray | None, rng: np.random.Generator) -> Agreement:
    """What the pairs of cells of a partition say; `data` are rows in front of its network."""
    network, points = found.network, Points.of_cells(found)
    hamming, apart = points.hamming(), points.apart
    rho = over_pairs(hamming, apart)
    weighted = {"by volume": over_pairs(hamming, apart, sizes(found))}
    ends = np.cumsum([0, *network.bits_per_layer])
    for layer, (begin, end) in enumerate(pairwise(ends.tolist()), 1):
        own = points.hamming(slice(begin, end))
        if len(ends) > 2 and np.ptp(own[np.triu_indices(len(own), 1)]):
            weighted[f"bits of layer {layer}"] = over_pairs(own, apart)
    weighted["at equal distance"] = at_equal_distance(hamming, apart, _distances(places(found)))
    idle = idle_bits(network)
    if idle.any() and not idle.all():
        weighted["without idle neurons"] = over_pairs(points.hamming(~idle), apart)
    if data is not None:
        with suppress(Degenerate):  # all data in one cell, or in cells of one map
            weighted["by data"] = by_data(network, data)
    some = rng.permutation(len(found))[:SHUFFLED_CELLS]
    square = np.ix_(some, some)
    test = mantel(hamming[square], apart[square], rng, draws=SHUFFLES)
    return Agreement(len(found), rho, weighted, test.p, int(idle.sum()))


def by_data(network: Network, rows: FloatArray) -> float:
    """The rank correlation over pairs of data points that lie in different cells."""
    codes = network.codes(rows)
    _, first, counts = np.unique(codes.packed, axis=0, return_index=True, return_counts=True)
    points = Points.of_codes(network, codes, first.tolist())
    return over_pairs(points.hamming(), points.apart, counts.astype(np.float64))


def at_equal_distance(hamming: FloatArray, apart: FloatArray, distance: FloatArray) -> float:
    """The mean rank correlation within deciles of the distance between cells; those in which one
    does not vary are left out.
    """
    upper = np.triu_indices(len(hamming), 1)
    h, d, place = hamming[upper], apart[upper], strata(distance[upper])
    parts = [(h[place == one], d[place == one]) for one in np.unique(place)]
    known = [spearman(*part) for part in parts if all(map(np.ptp, part))]
    return float(np.mean(known)) if known else math.nan


@singledispatch
def sizes(found: Partition) -> FloatArray:
    """The volume of every cell, its area on a sphere or its length on a curve."""
    flat = found.seen_as(FlatPartition)
    return np.array([float(region.volume) for region in flat.regions])


@sizes.register
def _(found: SpherePartition) -> FloatArray:
    return found.areas_float()


@sizes.register
def _(found: CurvePartition) -> FloatArray:
    return np.array([region.length_float for region in found.regions])


def places(found: Partition) -> FloatArray:
    """A point in every cell; behind a norm the direction that the norm sees, of length 1."""
    rows = [[float(x) for x in region.witness] for region in found.regions]
    if not found.network.has_norm:
        return np.array(rows)
    seen = np.array([centred(found.network, row) for row in rows])
    return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True))


def idle_bits(network: Network) -> BitArray:
    """Which bits belong to neurons whose outgoing weights are all zero (exactly)."""
    found = list[bool]()
    for place, layer in enumerate(network.layers):
        read = np.ones(layer.width, dtype=bool)
        if place + 1 < len(network.layers):
            read = (network.layers[place + 1].weight.float64() != 0).any(axis=0)
        found += np.repeat(~read, layer.bits // layer.width).tolist()
    return np.array(found, dtype=bool)
