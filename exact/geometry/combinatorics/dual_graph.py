"""Which regions share a facet, and which hinges flip there: the dual graph of a partition as arrays
(CSR).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.combinatorics.codes import index_type, words_of
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.combinatorics.varying_codes import Varying
from exact.geometry.workers import Workers

_ROWS = 2**14  # that one thread takes at a time


@short_repr
@dataclass(frozen=True)
class Adjacency:
    """The regions that share a facet, in compressed sparse rows; symmetric, each facet between two
    regions twice.

    The neighbours of region i are `indices[indptr[i] : indptr[i + 1]]`, ascending; row k of
    `flipped` lists the hinges (as bits of the spline code, ascending) that flip across the facet of
    entry k: one each in general, several where hinges coincide. `scipy.sparse.csr_array((values,
    indices, indptr))` takes the arrays as they are. They are of 32 bits where their numbers allow,
    the hinges of 16: 20 bytes for a facet across which one hinge flips. What methods return is of
    64.
    """

    indptr: IndexArray
    indices: IndexArray
    flipped: Incidence

    @classmethod
    def of_pairs(
        cls,
        pairs: IndexArray,
        codes: ByteArray,
        workers: Workers | None = None,
        varying: Varying | None = None,
    ) -> Adjacency:
        """The graph with the given edges (E x 2, each once, in either order) over regions with
        these packed codes, or rows of the bits in which codes vary.

        Cost: linear in E and the pairs of codes compared, in compiled loops, which all threads of
        `workers` share; what they find does not depend on their number.
        """
        from exact.kernels.neighbours import count_neighbours, list_ends, sort_neighbours

        count, workers = len(codes), Workers() if workers is None else workers
        pairs = pairs.astype(index_type(count), copy=False)
        starts = np.zeros(count + 1, index_type(2 * len(pairs)))
        # every thread has its own rows and reads all edges
        rows = workers.ranges(count, max(_ROWS, -(-count // workers.threads)))
        workers.map(count_neighbours, [(pairs, starts, *ends) for ends in rows])
        np.cumsum(starts, out=starts)
        ends_of_rows, columns = (np.empty(2 * len(pairs), pairs.dtype) for _ in range(2))
        workers.map(list_ends, [(pairs, starts, ends_of_rows, *ends) for ends in rows])
        workers.map(sort_neighbours, [(starts, ends_of_rows, columns, *ends) for ends in rows])
        del ends_of_rows
        flips = _flips(starts, columns, codes, workers)
        if varying is not None:
            bits = varying.columns.astype(_narrow(len(varying.common)))
            flips = Incidence(flips.starts, bits[flips.members])
        return cls(starts, columns, flips)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def edge_count(self) -> int:
        """The number of facets between two regions."""
        return len(self.indices) // 2

    @property
    def degrees(self) -> IndexArray:
        """The number of neighbours of every region."""
        return np.diff(self.indptr).astype(np.int64, copy=False)

    def row(self, index: int) -> Iterator[tuple[int, IndexArray]]:
        """The neighbours of a region, each with the hinges that flip."""
        for entry in range(int(self.indptr[index]), int(self.indptr[index + 1])):
            yield int(self.indices[entry]), self.flipped.row(entry)

    @property
    def sources(self) -> IndexArray:
        """The region of whose row every entry of `indices` is."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.degrees)

    def pairs(self) -> IndexArray:
        """Every edge once (E x 2), the smaller region first, in lexicographic order."""
        sources = self.sources
        once = sources < self.indices
        return np.stack([sources[once], self.indices[once].astype(np.int64)], axis=1)

    def pairs_flipping(self, first: int, last: int) -> IndexArray:
        """The edges (as `pairs`) across which some hinge of `first .. last - 1` flips."""
        entries = np.repeat(np.arange(len(self.indices)), np.diff(self.flipped.starts))
        hit = np.zeros(len(self.indices), dtype=bool)
        hit[entries[(self.flipped.members >= first) & (self.flipped.members < last)]] = True
        sources = self.sources
        hit &= sources < self.indices
        return np.stack([sources[hit], self.indices[hit].astype(np.int64)], axis=1)


def _narrow(row_bytes: int) -> type[np.signedinteger[Any]]:
    """The integers that bits of packed codes are kept in."""
    return np.int16 if 8 * row_bytes < 2**15 else np.int32


def _flips(
    starts: IndexArray, columns: IndexArray, codes: ByteArray, workers: Workers
) -> Incidence:
    """For every entry the bits in which the codes of its two regions differ."""
    from exact.kernels.neighbours import count_flips, list_flips, single_flips

    words, rows = words_of(codes), workers.ranges(len(codes), _ROWS)
    narrow = _narrow(codes.shape[1])
    members, given = np.empty(len(columns), narrow), (words, starts, columns)
    if all(workers.map(single_flips, [(*given, members, *ends) for ends in rows])):
        return Incidence(np.arange(len(columns) + 1, dtype=starts.dtype), members)
    flips = np.zeros(len(columns) + 1, np.int64)
    workers.map(count_flips, [(*given, flips, *ends) for ends in rows])
    np.cumsum(flips, out=flips)
    flips, members = flips.astype(index_type(int(flips[-1]))), np.empty(flips[-1], narrow)
    workers.map(list_flips, [(*given, flips, members, *ends) for ends in rows])
    return Incidence(flips, members)


def connected(labels: IndexArray, pairs: IndexArray) -> IndexArray:
    """A number for every region, the same for two of them iff a way leads from one to the other
    along pairs (E x 2) of regions with equal labels; numbered by first appearance.

    >>> import numpy as np
    >>> connected(np.array([4, 4, 5, 4]), np.array([[0, 1], [1, 2], [2, 3]])).tolist()
    [0, 0, 1, 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    same = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]
    ends = (np.ones(len(same), np.int8), (same[:, 0], same[:, 1]))
    graph = coo_array(ends, shape=(len(labels), len(labels)))
    return numbered_by_appearance(connected_components(graph, directed=False)[1])


def numbered_by_appearance(labels: IndexArray) -> IndexArray:
    """The labels as numbers from 0, in the order of their first places.

    >>> import numpy as np
    >>> numbered_by_appearance(np.array([7, 3, 7, 9])).tolist()
    [0, 1, 0, 2]
    """
    _, first, found = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbers: IndexArray = rank[found.reshape(-1)]
    return numbers
