"""What becomes of the regions of a network while its weights change: codes that are born and that
die, cells that split and merge, exactly, with norms and without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray, KeyArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.errors import EngineDefect, InvalidInput, Undecided
from exact.geometry.budgets import Budget
from exact.geometry.combinatorics.codes import SplineCode, code_keys
from exact.geometry.domains.base import Domain
from exact.instruments.comparisons.side_by_side import bits_of_each, side_by_side
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network
from exact.partition import DEFAULT_LIMIT, partition
from exact.regions.cells import Outcome
from exact.regions.partition import Partition

Cutter = Callable[[Network], Partition]


@members_in_ieee_floats
@dataclass(frozen=True, repr=False)
class RegionEvents:
    """Two partitions of one domain, and `pairs` (P x 2): the cells of `before` and of `after`, by
    index, that have inner points in common, ascending.

    A cell is a region of its partition: a code in R^d, a connected cell on curves and 2-spheres. A
    code is *kept* that both have, *dead* that only `before` has, *born* that only `after` has. A
    cell of `before` *splits* that meets several of `after`; a cell of `after` is *merged* that
    meets several of `before`. A boundary that moves, however little, splits and merges the cells on
    both its sides: the codes say which of them are new. `outcome` is that of the enumerations; the
    pairs of one that ended early are true, but not all.

    >>> from exact import Segment
    >>> from exact.sources import tensors
    >>> nets = [tensors.mlp([([[1], [1]], [0, bias]), ([[1, 1]], [0])]) for bias in (-1, 1)]
    >>> found = region_events(*nets, Segment([-3], [3]))
    >>> found
    <codes: 2 kept, 1 dead, 1 born; cells: 1 split, 1 merged>
    >>> [(str(found.before.code_of(i)), str(found.after.code_of(j))) for i, j in found.pairs]
    [('00', '00'), ('00', '01'), ('10', '11'), ('11', '11')]
    """

    before: Partition
    after: Partition
    pairs: IndexArray
    outcome: Outcome
    evidence: str

    @cached_property
    def kept(self) -> tuple[SplineCode, ...]:
        """The codes that both have, in canonical order."""
        return self._codes(lambda old, new: np.intersect1d(old, new))

    @cached_property
    def dead(self) -> tuple[SplineCode, ...]:
        """The codes that only `before` has, in canonical order."""
        return self._codes(lambda old, new: np.setdiff1d(old, new))

    @cached_property
    def born(self) -> tuple[SplineCode, ...]:
        """The codes that only `after` has, in canonical order."""
        return self._codes(lambda old, new: np.setdiff1d(new, old))

    @cached_property
    def split(self) -> IndexArray:
        """The cells of `before` that meet several of `after`, ascending."""
        return self._several(0)

    @cached_property
    def merged(self) -> IndexArray:
        """The cells of `after` that meet several of `before`, ascending."""
        return self._several(1)

    def __str__(self) -> str:
        codes = f"{len(self.kept)} kept, {len(self.dead)} dead, {len(self.born)} born"
        return f"codes: {codes}; cells: {len(self.split)} split, {len(self.merged)} merged"

    def __repr__(self) -> str:
        if self.outcome is not Outcome.COMPLETE:
            return f"<{len(self.pairs)} pairs of cells that meet, {self.outcome.value}>"
        return f"<{self}>"

    def _codes(self, choose: Callable[[KeyArray, KeyArray], KeyArray]) -> tuple[SplineCode, ...]:
        self._require_complete()
        found = choose(*(np.unique(code_keys(one.codes)) for one in (self.before, self.after)))
        empty = self.before.code_of(0)
        size = len(empty.packed)
        return tuple(
            SplineCode(key.ljust(size, b"\0"), empty.layer_sizes, empty.widths)
            for key in found.tolist()
        )

    def _several(self, side: int) -> IndexArray:
        self._require_complete()
        cells, counts = np.unique(self.pairs[:, side], return_counts=True)
        return cells[counts > 1]

    def _require_complete(self) -> None:
        if self.outcome is not Outcome.COMPLETE:
            raise Undecided(
                "an enumeration is not complete, so some events are missing",
                value=self.evidence,
                remedy="give a larger limit or budget, or a smaller domain; the pairs that were "
                "found are true",
            )


@in_ieee_floats
def region_events(
    before: Network,
    after: Network,
    domain: Domain,
    *,
    limit: int | None = DEFAULT_LIMIT,
    budget: Budget | None = None,
) -> RegionEvents:
    """What becomes of the regions of `before` in `domain` when it turns into `after`, a network of
    the same shape (a snapshot of the same training, say).

    On curves the crossings of both are merged, behind any norms. Elsewhere both are partitioned
    side by side (see `side_by_side`): every region of that partition lies in one cell of each. So
    there a norm must be the same for both, and read the same vectors; so it must on circles of
    directions, whose angles it measures. `limit` and `budget` are those of `partition`, for each of
    the enumerations.

    Raises InvalidInput for networks of different shapes, Unsupported for norms that cannot be
    shared, Undecided where two crossings of curves behind several norms cannot be told apart, and
    the refusals of `partition`. Cost: the partitions of both, and the one of both side by side.

    >>> from exact import Box
    >>> from exact.sources import tensors
    >>> before, after = (
    ...     tensors.mlp([([[1], [1], [1]], [0, -1, bias]), ([[1, 1, 1]], [0])]) for bias in (-2, 1)
    ... )
    >>> found = region_events(before, after, Box(-3, 3, dim=1))
    >>> print(found)
    codes: 2 kept, 2 dead, 2 born; cells: 1 split, 1 merged
    >>> [str(code) for code in found.dead], [str(code) for code in found.born]
    (['100', '110'], ['001', '101'])
    >>> found.pairs.tolist(), found.split.tolist(), found.merged.tolist()
    ([[0, 0], [0, 1], [1, 2], [2, 3], [3, 3]], [0], [3])
    """
    (found,) = region_history([before, after], domain, limit=limit, budget=budget)
    return found


@in_ieee_floats
def region_history(
    networks: Sequence[Network],
    domain: Domain,
    *,
    limit: int | None = DEFAULT_LIMIT,
    budget: Budget | None = None,
) -> tuple[RegionEvents, ...]:
    """The events between every two networks in a row; see :func:`region_events`. Each network is
    partitioned once.

    >>> from exact import Box
    >>> from exact.sources import tensors
    >>> nets = [tensors.mlp([([[1]], [bias]), ([[1]], [0])]) for bias in (-2, 0, 2)]
    >>> [str(code) for step in region_history(nets, Box(-1, 1, dim=1)) for code in step.born]
    ['1']
    """

    def cut(network: Network) -> Partition:
        return partition(network, domain, limit=limit, budget=budget)

    for before, after in pairwise(networks):
        _require_alike(before, after)
    found = [cut(network) for network in networks]
    return tuple(_events(before, after, cut) for before, after in pairwise(found))


def _require_alike(before: Network, after: Network) -> None:
    for network in (before, after):
        require_network(network)
    shapes = [(one.input_dim, one.bits_per_layer, one.symbols) for one in (before, after)]
    if shapes[0] != shapes[1]:
        raise InvalidInput(
            "codes of different networks are not compared",
            value=f"{shapes[0][:2]} and {shapes[1][:2]} inputs and bits",
            remedy="give two networks of the same shape, such as two snapshots of a training",
        )


def _events(before: Partition, after: Partition, cut: Cutter) -> RegionEvents:
    asked, pairs = [before, after], before.meetings(after)
    if pairs is None:
        asked.append(cut(side_by_side(before.network, after.network)))
        pairs = _pairs(before, after, asked[-1])
    worst = next((one for one in asked if one.outcome is not Outcome.COMPLETE), before)
    return RegionEvents(before, after, pairs, worst.outcome, worst.evidence)


def _pairs(before: Partition, after: Partition, both: Partition) -> IndexArray:
    """The pairs of cells that hold a region of both networks side by side."""
    columns, bits = bits_of_each(before.network), both.bits
    cells = [
        _cells_with(one, np.packbits(bits[:, own], axis=1), both)
        for one, own in zip((before, after), columns, strict=True)
    ]
    pairs = np.stack(cells, axis=1)
    return np.unique(pairs[(pairs >= 0).all(axis=1)], axis=0)


def _cells_with(one: Partition, codes: ByteArray, both: Partition) -> IndexArray:
    """The cell of a partition that holds each region of both, by its code in the first; -1 where it
    was not found before a budget ended.
    """
    keys, asked = code_keys(one.codes), code_keys(codes)
    order = np.argsort(keys, kind="stable")
    first, last = (np.searchsorted(keys[order], asked, side) for side in ("left", "right"))
    if one.outcome is Outcome.COMPLETE and bool((first == last).any()):
        raise EngineDefect(
            "a region of both networks side by side has a code that one of them has not",
            value=(one, both),
            remedy="this is a defect of an engine: please report the networks",
        )
    cells = np.where(first < last, order[np.minimum(first, len(order) - 1)], -1)
    for region in np.flatnonzero(last - first > 1).tolist():
        cells[region] = one.locate(both.regions[region].witness)
    return cells
