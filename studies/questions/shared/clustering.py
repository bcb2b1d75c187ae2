"""Clusters of items from their distances, by three methods, and how pure they are against labels.

HDBSCAN is scikit-learn's (extra `cluster`), average linkage is SciPy's; k-medoids, which no library
at hand has, alternates between the nearest medoids and the best medoids (Park and Jun 2009). A
group of fewer than 5 items is no cluster of any method: single items are pure whatever they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from exact import MissingExtra
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.finding import Answer
from studies.methods.interface import require_extra
from studies.rules import Claim
from studies.statistics import Degenerate
from studies.subjects import Subjects

PURE = 0.9
LEAST = 5
COUNTS = (5, 10, 20, 40)
NOISE = -1
EXTRA = "cluster"
_STARTS, _ROUNDS = 3, 50


def without_scikit_learn(
    claims: Sequence[Claim], subjects: Subjects, families: Sequence[str]
) -> Answer | None:
    """Where scikit-learn is missing the answer that leaves all subjects undecided and names the
    extra; None where it is there.
    """
    try:
        for module in ("sklearn.cluster", "sklearn.decomposition", "sklearn.metrics"):
            require_extra(module, EXTRA, "clusters and directions of activations")
    except MissingExtra as why:
        names = [one.name for one in subjects.each] if subjects.own else families
        return Answer(tuple(one.undecided(name, str(why)) for name in names for one in claims))
    return None


# ---- methods


@dataclass(frozen=True)
class Setting:
    """What HDBSCAN is told: the smallest cluster, the neighbours that make a core, and how clusters
    are taken from the tree.
    """

    size: int
    samples: int
    selection: Literal["eom", "leaf"]


GRID = tuple(
    Setting(size, samples, selection)
    for size in (5, 10, 20, 40)
    for samples in dict.fromkeys((1, 5, size))
    for selection in ("eom", "leaf")
)
MIDDLE = Setting(10, 5, "eom")
"""The setting at which clusters are compared with labels and between orders of the rows."""


def hdbscan(distances: FloatArray, setting: Setting) -> IndexArray:
    """The cluster of each item, -1 for noise; ties are broken by the order of the rows.

    Raises Degenerate for fewer items than the smallest cluster, or cores, need.
    """
    if len(distances) <= max(setting.size, setting.samples):
        raise Degenerate(
            "there are too few items to cluster",
            value=f"{len(distances)} items",
            remedy=f"give more than {max(setting.size, setting.samples)}",
        )
    cluster = require_extra("sklearn.cluster", EXTRA, "clusters")
    found = cluster.HDBSCAN(
        min_cluster_size=setting.size,
        min_samples=setting.samples,
        cluster_selection_method=setting.selection,
        metric="precomputed",
        copy=True,  # or the matrix would be overwritten
    )
    with _unchecked():
        labels: IndexArray = found.fit_predict(distances).astype(np.int64)
    return labels


def _unchecked() -> AbstractContextManager[None]:
    """Without scikit-learn's checks of what it is given, which take as long as small clusterings;
    our distances are finite.
    """
    library = require_extra("sklearn", EXTRA, "clusters")
    found: AbstractContextManager[None] = library.config_context(
        assume_finite=True, skip_parameter_validation=True
    )
    return found


def average_linkage(distances: FloatArray, counts: Sequence[int] = COUNTS) -> list[IndexArray]:
    """Agglomerative clusters by average linkage, cut at each of these numbers of clusters.

    >>> far = np.abs(np.subtract.outer([0.0, 1.0, 9.0], [0.0, 1.0, 9.0]))
    >>> average_linkage(far, [2])[0].tolist()
    [0, 0, 1]
    """
    tree = hierarchy.linkage(squareform(distances, checks=False), method="average")
    cuts = [hierarchy.fcluster(tree, count, criterion="maxclust") for count in counts]
    return [np.unique(cut, return_inverse=True)[1].astype(np.int64) for cut in cuts]


def k_medoids(distances: FloatArray, count: int, rng: np.random.Generator) -> IndexArray:
    """The cluster of each item around `count` items, the best of a few starts.

    A start takes items with chances in proportion to their squared distance to those taken before.
    """
    tried = [_alternated(distances, _start(distances, count, rng)) for _ in range(_STARTS)]
    best = min(tried, key=lambda medoids: float(distances[:, medoids].min(axis=1).sum()))
    return np.asarray(distances[:, best].argmin(axis=1), dtype=np.int64)


def _start(distances: FloatArray, count: int, rng: np.random.Generator) -> IndexArray:
    taken = [int(rng.integers(len(distances)))]
    while len(taken) < min(count, len(distances)):
        weights = distances[:, taken].min(axis=1) ** 2
        total = weights.sum()
        if not total:  # all others coincide with one that was taken
            break
        taken.append(int(rng.choice(len(distances), p=weights / total)))
    return np.array(taken)


def _alternated(distances: FloatArray, medoids: IndexArray) -> IndexArray:
    for _ in range(_ROUNDS):
        groups = distances[:, medoids].argmin(axis=1)
        # column k: the sum of distances of each item to the members of cluster k
        sums = distances @ (groups[:, None] == np.arange(len(medoids)))
        sums[groups[:, None] != np.arange(len(medoids))] = np.inf
        moved = sums.argmin(axis=0)
        if (moved == medoids).all():
            break
        medoids = moved
    return medoids


# ---- scores


@dataclass(frozen=True, eq=False)
class Clusterings:
    """Several clusterings of the same items: the cluster of each item in each (clusterings x
    items), from 0, -1 for none.
    """

    groups: IndexArray

    @classmethod
    def of(cls, found: Sequence[IndexArray]) -> Clusterings:
        """The clusterings without groups that are too small for a cluster."""
        return cls(np.stack([_large(groups) for groups in found]))

    @cached_property
    def _places(self) -> tuple[IndexArray, IndexArray, int]:
        """Items of clusters, the number of their cluster among those of all clusterings, and how
        many there are.
        """
        wide = int(self.groups.max(initial=0)) + 1
        numbers = self.groups + wide * np.arange(len(self.groups))[:, None]
        items = np.broadcast_to(np.arange(self.groups.shape[1]), self.groups.shape)
        known = self.groups >= 0
        return items[known], numbers[known], wide

    def pure(
        self, labels: IndexArray, weights: FloatArray | None = None, threshold: float = PURE
    ) -> float:
        """The share of clusters of which more than the threshold have one label: the mean over the
        clusterings that have clusters, NaN where none has. `weights` says how often each item
        counts.

        >>> Clusterings.of([np.array([0] * 5 + [1] * 5)]).pure(np.array([7] * 5 + [7, 8, 8, 8, 8]))
        0.5
        """
        items, numbers, wide = self._places
        kinds = int(labels.max(initial=0)) + 1
        rows = len(self.groups) * wide
        counted = None if weights is None else weights[items]
        table = np.bincount(
            numbers * kinds + labels[items], weights=counted, minlength=rows * kinds
        ).reshape(rows, kinds)
        sizes = table.sum(axis=1)
        there = (sizes > 0).reshape(len(self.groups), wide)
        hits = (table.max(axis=1) > threshold * sizes).reshape(there.shape) & there
        kept = there.any(axis=1)
        if not kept.any():
            return float("nan")
        return float((hits.sum(axis=1)[kept] / there.sum(axis=1)[kept]).mean())

    @property
    def covered(self) -> float:
        """The share of items that are in a cluster, mean over all clusterings."""
        return float((self.groups >= 0).mean())

    @property
    def empty(self) -> int:
        """How many of the clusterings have no cluster."""
        return int((self.groups < 0).all(axis=1).sum())


def agreement(first: IndexArray, second: IndexArray) -> float:
    """The adjusted mutual information of two clusterings of the same items: 1 where they agree, 0
    as by chance; what is in no cluster counts as one cluster more.
    """
    metrics = require_extra("sklearn.metrics", EXTRA, "comparing clusters")
    with _unchecked():
        return float(metrics.adjusted_mutual_info_score(first, second))


def of_shuffles(distances: FloatArray, count: int, rng: np.random.Generator) -> float:
    """How far clusters depend on the order of rows: the mean agreement of HDBSCAN's clusters from
    one order to the next, over so many orders.
    """
    found = []
    for _ in range(count):
        order = rng.permutation(len(distances))
        groups = np.empty(len(distances), dtype=np.int64)
        groups[order] = hdbscan(distances[np.ix_(order, order)], MIDDLE)
        found.append(groups)
    return float(np.mean([agreement(a, b) for a, b in pairwise(found)]))


def _large(groups: IndexArray) -> IndexArray:
    """The same with groups that are too small taken as noise, the others numbered from 0."""
    names, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    kept = (names >= 0) & (sizes >= LEAST)
    numbers = np.where(kept, np.cumsum(kept) - 1, NOISE)
    return np.asarray(numbers[places], dtype=np.int64)
