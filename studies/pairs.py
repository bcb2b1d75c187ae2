"""Pairs of items by class: as many of each class, and of each two classes, with strata of length
and Hamming distances of exact codes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exact import Codes, hamming
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies.statistics.estimates import Degenerate

STRATA = 10


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of items: the numbers of both, and of whom the classes differ."""

    first: IndexArray
    second: IndexArray
    different: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def lengths(self, vectors: FloatArray) -> FloatArray:
        """The Euclidean distance of each pair of rows."""
        return np.asarray(np.linalg.norm(vectors[self.first] - vectors[self.second], axis=1))

    def hamming(self, codes: Codes) -> IndexArray:
        """The Hamming distance of each pair of exact codes, from their packed bits.

        Raises InvalidInput for an item without a code.
        """
        return hamming(_rows(codes, self.first), _rows(codes, self.second))


def balanced(labels: IndexArray, count: int, rng: np.random.Generator) -> Pairs:
    """`count` pairs of one class and `count` of two, spread evenly over classes and over pairs of
    classes, no pair twice.

    Every class gets as many pairs of its own as any other, at most those the smallest has; what
    does not divide evenly falls on classes drawn at random. Raises Degenerate for fewer than two
    classes and for a class of one member.
    """
    members = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    alone = [label for label, found in members.items() if len(found) < 2]
    if len(members) < 2 or alone:
        raise Degenerate(
            "these classes have no balanced pairs",
            value=f"classes {alone} of one member" if alone else f"{len(members)} classes",
            remedy="give two classes or more, of two members or more each",
        )
    groups = list(members.values())
    own = [(group, group) for group in groups]
    across = [(a, b) for place, a in enumerate(groups) for b in groups[place + 1 :]]
    same, other = _drawn(own, count, rng), _drawn(across, count, rng)
    first, second = (np.concatenate([same[side], other[side]]) for side in (0, 1))
    return Pairs(first, second, np.arange(len(first)) >= len(same[0]))


def _drawn(
    groups: list[tuple[IndexArray, IndexArray]], count: int, rng: np.random.Generator
) -> tuple[IndexArray, IndexArray]:
    """Pairs of one from each side, evenly over the groups."""
    fair, more = divmod(count, len(groups))
    lucky = set(rng.permutation(len(groups))[:more].tolist())
    available = min(_available(*group) for group in groups)
    sides: list[tuple[IndexArray, IndexArray]] = [
        _some(*group, min(fair + (place in lucky), available), rng)
        for place, group in enumerate(groups)
    ]
    return np.concatenate([a for a, _ in sides]), np.concatenate([b for _, b in sides])


def _available(a: IndexArray, b: IndexArray) -> int:
    return len(a) * (len(a) - 1) // 2 if a is b else len(a) * len(b)


def _some(
    a: IndexArray, b: IndexArray, count: int, rng: np.random.Generator
) -> tuple[IndexArray, IndexArray]:
    """Different pairs of an item of `a` and one of `b`, or of two items where both are one list."""
    chosen = rng.choice(_available(a, b), count, replace=False)
    if a is not b:
        return a[chosen // len(b)], b[chosen % len(b)]
    # pair k of the triangle: row r starts at r (r - 1) / 2
    row = (1 + np.sqrt(1 + 8 * chosen.astype(np.float64))).astype(np.int64) // 2
    row -= row * (row - 1) // 2 > chosen
    row += (row + 1) * row // 2 <= chosen
    return a[row], a[chosen - row * (row - 1) // 2]


def strata(lengths: FloatArray, count: int = STRATA) -> IndexArray:
    """The stratum of each length, from 0: deciles, so that equal lengths fall into one.

    >>> strata(np.arange(20.0), 4).tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    """
    edges = np.quantile(lengths, np.arange(1, count) / count)
    return np.searchsorted(edges, lengths, side="left").astype(np.int64)


def _rows(codes: Codes, places: IndexArray) -> Codes:
    kept = {row: codes.failures[p] for row, p in enumerate(places.tolist()) if p in codes.failures}
    return replace(codes, packed=codes.packed[places], failures=kept, decisions={})
