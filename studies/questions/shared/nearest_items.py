"""Directions in a space of activations, and the items that lie along each of them: what a direction
means is what its nearest items have in common.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.methods.interface import require_extra
from studies.questions.shared.clustering import EXTRA, PURE
from studies.questions.shared.labelled_items import Labelled
from studies.statistics import Degenerate

MOST, FEWEST, PORTION, MIXED = 50, 5, 20, 0.5
STARTS, ROUNDS = 5, 200


def how_many(items: Labelled) -> int:
    """How many items are looked at along a direction: 50, of few items one in 20, and no more than
    the class of the median item has; more could not be of one class.
    """
    return max(FEWEST, min(MOST, len(items.labels) // PORTION, items.class_size))


@dataclass(frozen=True, eq=False)
class Nearest:
    """The items along each of some directions (directions x items), nearest first."""

    rows: IndexArray

    @classmethod
    def by_angle(cls, vectors: FloatArray, directions: FloatArray, count: int) -> Nearest:
        """Those at the smallest angles. A vector of zeros is at a right angle to everything.

        >>> vectors = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
        >>> Nearest.by_angle(vectors, np.array([[0.1, 0.9]]), 2).rows.tolist()
        [[2, 1]]
        """
        return cls.by_value(_units(vectors) @ _units(directions).T, count)

    @classmethod
    def by_value(cls, values: FloatArray, count: int) -> Nearest:
        """Those of the largest values (items x directions); of equal ones the first."""
        return cls(np.argsort(-values, axis=0, kind="stable")[:count].T)

    def purity(self, labels: IndexArray, weights: FloatArray | None = None) -> FloatArray:
        """Of each direction the share of its items in the most frequent class; NaN where no item
        counts. `weights` says how often each does.
        """
        kinds, directions = int(labels.max(initial=0)) + 1, len(self.rows)
        places = labels[self.rows] + kinds * np.arange(directions)[:, None]
        counted = None if weights is None else weights[self.rows].ravel()
        table = np.bincount(places.ravel(), weights=counted, minlength=directions * kinds)
        table = table.reshape(directions, kinds).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(table.max(axis=1) / table.sum(axis=1))

    def pure(self, labels: IndexArray, weights: FloatArray | None = None) -> float:
        """The share of directions of whose items more than 0.9 are of one class."""
        found = self._known(labels, weights)
        return float(np.mean(found > PURE)) if len(found) else float("nan")

    def mixed(self, labels: IndexArray, weights: FloatArray | None = None) -> float:
        """The share of directions of whose items no half is of one class."""
        found = self._known(labels, weights)
        return float(np.mean(found < MIXED)) if len(found) else float("nan")

    def mean_purity(self, labels: IndexArray, weights: FloatArray | None = None) -> float:
        """The mean purity over directions, NaN where none has items that count."""
        found = self._known(labels, weights)
        return float(np.mean(found)) if len(found) else float("nan")

    def _known(self, labels: IndexArray, weights: FloatArray | None) -> FloatArray:
        found = self.purity(labels, weights)
        return found[np.isfinite(found)]


def _units(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))


# ---- directions


def activations(network: Network, items: Labelled) -> FloatArray:
    """The outputs of the first hidden layer, clipped at 0."""
    return np.asarray(np.maximum(network.hidden_float(items.inputs, activated=True)[0], 0))


def nmf(activations: FloatArray, count: int, seed: int) -> FloatArray:
    """So many directions (count x neurons) of length 1 by non-negative matrix factorisation, the
    best of 5 starts; components that are zero are left out.

    Raises Degenerate where no neuron fires.
    """
    alive = np.atleast_1d(activations.any(axis=0))
    if not alive.any():
        remedy = "take a network that trained"
        raise Degenerate("no neuron fires", value=f"{alive.size} neurons", remedy=remedy)
    decomposition: Any = require_extra("sklearn.decomposition", EXTRA, "NMF directions")
    tried = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rounds that ran out: the best start counts
        for start in range(STARTS):
            model = decomposition.NMF(
                min(count, int(alive.sum())),
                init="random",
                max_iter=ROUNDS,
                tol=1e-3,
                random_state=(seed + start) % 2**32,
            )
            model.fit(activations)
            tried.append((float(model.reconstruction_err_), model.components_))
    best = min(tried, key=lambda pair: pair[0])[1]
    return _units(np.asarray(best[best.any(axis=1)], dtype=np.float64))


def principal(activations: FloatArray, count: int) -> FloatArray:
    """The first principal directions with both signs; at most `count` in all."""
    _, sizes, rows = np.linalg.svd(activations - activations.mean(axis=0), full_matrices=False)
    kept = rows[: max(1, count // 2)][sizes[: max(1, count // 2)] > 0]
    return np.concatenate([kept, -kept])


def drawn(neurons: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Random directions without negative entries, as activations behind a ReLU have none."""
    return _units(np.abs(rng.standard_normal((count, neurons))))


def single(activations: FloatArray) -> FloatArray:
    """The axes of all neurons that fire somewhere."""
    return np.eye(activations.shape[1])[activations.any(axis=0)]


def on_one_neuron(directions: FloatArray) -> float:
    """The share of directions that are almost one neuron: an entry above 0.9 of the length."""
    return float((np.abs(_units(directions)).max(axis=1) > PURE).mean())
