"""Many networks on one domain: a partition of each, in a list that keeps what fails.

Each is an ordinary `partition`, made by the engine that fits it; small networks in the plane take
a fraction of a millisecond by one compiled call. A network that fails is told with its failure and
costs the others nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import listed, whole_number
from exact.errors import ExactlensError, InvalidInput, TooLarge
from exact.geometry.budgets import Budget, resident_bytes
from exact.geometry.combinatorics.lazy import Items
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.geometry.domains.base import Domain
from exact.networks.network import Network
from exact.partition import DEFAULT_LIMIT, partition
from exact.regions.cells import Outcome
from exact.regions.partition import Partition


@dataclass(frozen=True, eq=False)
class PartitionBatch(Items[Partition], Tabular):
    """The partitions of many networks on one domain; `batch[i]` is that of network i, or raises
    what it failed with.

    `failures` are those of networks without a partition, by their numbers; a partition that a
    budget ended is no failure, its outcome says so. `cell_counts` are the numbers of cells, 0 where
    there is a failure.

    >>> from exact import Box, partition_many
    >>> from exact.sources import tensors
    >>> nets = [tensors.mlp([([[1, k], [k, 1]], [0, 0]), ([[1, 1]], [0])]) for k in (0, 1, 2)]
    >>> batch = partition_many([*nets, "no network"], Box(-1, 1, dim=2))
    >>> batch, batch.cell_counts.tolist(), [len(p) for p in batch[:2]], list(batch.failures)
    (<4 networks, 10 cells, 1 failed>, [4, 2, 4, 0], [4, 2], [3])
    """

    _what: ClassVar[str] = "network"

    domain: Domain
    found: tuple[Partition | None, ...]
    failures: Mapping[int, ExactlensError]

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        cells, failed = int(self.cell_counts.sum()), len(self.failures)
        told = f", {failed:,} failed" if failed else ""
        return f"<{len(self):,} network{'s' * (len(self) != 1)}, {cells:,} cells{told}>"

    def _item(self, place: int) -> Partition:
        one = self.found[place]
        if one is None:
            raise self.failures[place]
        return one

    @property
    def complete(self) -> bool:
        """Whether every network has a partition, and each is complete."""
        return all(one is not None and one.outcome is Outcome.COMPLETE for one in self.found)

    @property
    def cell_counts(self) -> IndexArray:
        """The number of cells of each."""
        return np.array([0 if one is None else len(one) for one in self.found], dtype=np.int64)

    def columns(self) -> Columns:
        """The columns of the table: network, cells, outcome ("failed" where there is a failure),
        engine, told (the evidence, or the failure).
        """
        rows = [
            ("failed", "", str(self.failures[k]))
            if one is None
            else (one.outcome.value, one.engine, one.evidence)
            for k, one in enumerate(self.found)
        ]
        outcomes, engines, told = ([row[k] for row in rows] for k in range(3))
        return {
            "network": np.arange(len(self)),
            "cells": self.cell_counts,
            "outcome": np.array(outcomes, dtype=object),
            "engine": np.array(engines, dtype=object),
            "told": np.array(told, dtype=object),
        }


@in_ieee_floats
def partition_many(
    networks: Iterable[Network],
    domain: Domain,
    *,
    adjacency: bool = False,
    threads: int = 1,
    engine: str | None = None,
    device: str = "cpu",
    limit: int | None = DEFAULT_LIMIT,
    budget: Budget | None = None,
    progress: Callable[[int], None] | None = None,
) -> PartitionBatch:
    """Cut one domain into the activation regions of each of many networks, exactly.

    `partition_many(networks, domain)[i]` is `partition(networks[i], domain)`: `engine`, `device`
    and `limit` (of each network) are those of `partition`. With `adjacency` every partition has its
    graph already, so that `adjacency` and `neighbours()` cost nothing later. A failure of one
    network (InvalidInput, Unsupported, TooLarge, NotPiecewiseLinear, Undecided) is kept in
    `failures`, and the others are not touched. `budget` bounds all networks together: the one under
    way when it is used up ends with BUDGET_REACHED, those behind it are not begun and fail with
    TooLarge. `threads` networks are cut at a time, by one thread each; a budget of regions makes it
    one, so that what is found does not depend on their order. `progress` is called with the number
    of networks that are done.

    Raises InvalidInput for what is no sequence of networks, no domain and no number of threads.
    Cost: about 0.3 ms for a network of 2 inputs and 100 regions with its graph (2: 16-16).

    >>> import numpy as np
    >>> from exact import Box
    >>> from exact.sources import tensors
    >>> def toy(seed):
    ...     draw = np.random.default_rng(seed).normal
    ...     return tensors.mlp([(draw(size=(8, 2)), draw(size=8)), (draw(size=(1, 8)), None)])
    >>> batch = partition_many(map(toy, range(100)), Box(-1, 1, dim=2), adjacency=True)
    >>> batch, batch.complete, batch[7].adjacency.edge_count
    (<100 networks, 1,822 cells>, True, 10)
    """
    many, count = listed(networks, "networks"), whole_number(threads, "threads")
    if not isinstance(domain, Domain):
        raise InvalidInput(
            "not a domain", value=repr(domain), remedy="give Box, RealSpace, Plane, ..., Sphere"
        )
    if count < 1:
        raise InvalidInput("no thread", value=threads, remedy="give threads=1 or more")
    shared = _Shared(Budget() if budget is None else budget, progress)

    def one(place: int) -> Partition | ExactlensError:
        try:
            left = shared.left(place)
            found = partition(
                many[place], domain, engine=engine, device=device, limit=limit, budget=left
            )
            if adjacency:
                found.neighbours()
        except ExactlensError as failure:
            return shared.done(failure)
        return shared.done(found)

    if count == 1 or shared.budget.regions is not None:
        results = [one(place) for place in range(len(many))]
    else:
        with ThreadPoolExecutor(count) as pool:
            results = list(pool.map(one, range(len(many))))
    failed = {k: x for k, x in enumerate(results) if isinstance(x, ExactlensError)}
    kept = tuple(None if isinstance(x, ExactlensError) else x for x in results)
    return PartitionBatch(domain, kept, failed)


@dataclass
class _Shared:
    """The budget of all networks together, and how many are done."""

    budget: Budget
    progress: Callable[[int], None] | None
    started: float = field(default_factory=time.monotonic)
    base: int = field(default_factory=lambda: resident_bytes())
    regions: int = 0
    finished: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def left(self, place: int) -> Budget | None:
        """What is left for the next network, None where nothing is bounded; TooLarge where nothing
        is left.
        """
        given = self.budget
        if given.is_endless:
            return None
        regions = None if given.regions is None else given.regions - self.regions
        seconds = None
        if given.seconds is not None:
            seconds = given.seconds - (time.monotonic() - self.started)
        room = given.bytes
        if room is not None and room < inf:
            room -= resident_bytes() - self.base
        if any(bound is not None and bound <= 0 for bound in (regions, seconds, room)):
            raise TooLarge(
                "the budget ended before this network",
                value=f"network {place}",
                remedy="give a larger budget, or go on with the networks from this one on",
            )
        return Budget(regions, seconds, room)

    def done(self, result: Partition | ExactlensError) -> Partition | ExactlensError:
        """Count a network that is done."""
        with self.lock:
            self.finished += 1
            self.regions += 0 if isinstance(result, ExactlensError) else len(result)
            if self.progress is not None:
                self.progress(self.finished)
        return result
