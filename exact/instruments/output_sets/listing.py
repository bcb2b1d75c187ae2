"""The cells of a part of a domain, listed as a partition, and held against what violates a
condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from exact.geometry.budgets import Budget, Watch
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.geometry.polyhedra.programmes.lp import Farkas
from exact.instruments.output_sets.cells import Part, common_point, rows_over
from exact.instruments.output_sets.conditions import Condition, Inequality
from exact.instruments.output_sets.reaching import outside
from exact.networks.network import Network
from exact.regions.cells import Outcome
from exact.regions.partition import Partition
from exact.regions.polytopes.partition import FlatPartition

_COSTLY, _FEW = 4, 64  # dimensions from which on so few cells are decided without vertices
_CUTTING = 2 / 10**6  # seconds a region, at most, and 2^d, for its vertices, or 3^d, for its faces


@dataclass(frozen=True)
class Visit:
    """What the cells of a part of a domain told: a point that violates the condition, how many
    cells there were, and the partition where it stopped early.
    """

    point: Point | None
    cells: int
    stopped: FlatPartition | None = None


def visit(
    listed: Callable[..., Partition],
    network: Network,
    flat: Flat,
    walls: Sequence[Halfspace],
    violations: Condition,
    budget: Budget,
    watch: Watch,
) -> Visit:
    """Look at all cells of the network in the part of a domain that some more walls leave, until
    the watch is up; `listed` is :func:`exact.partition`.
    """
    part = Flat(flat.origin, flat.directions, (*flat.walls, *walls))
    found = cast(FlatPartition, listed(network, Part(part), limit=None, budget=budget))
    for case in violations.cases:
        for index in _open_cells(found, case, watch):
            if watch.is_up():
                return Visit(None, len(found), found)
            rows = rows_over(case, found.map_columns(index))
            point = common_point(found.walls_known(index), rows, flat.dim)
            if not isinstance(point, Farkas):
                return Visit(point, len(found))
    return Visit(None, len(found), None if found.outcome is Outcome.COMPLETE else found)


def _open_cells(found: FlatPartition, case: Sequence[Inequality], watch: Watch) -> list[int]:
    """The regions on which vertices do not show that a case of violations is out of reach: all of
    them where they are few, and where there is no time to cut the vertices, which no watch ends.
    """
    around = 3.0 if found.cells.simple is None else 2.0
    cutting = _CUTTING * around**found.flat.dim * len(found)
    if (
        not case
        or (found.flat.dim >= _COSTLY and len(found) <= _FEW)
        or watch.is_up()
        or (found.engine != "subdivision" and watch.seconds_left < cutting)
    ):
        return list(range(len(found)))
    rows = [(*(-x for x in one.factors), one.bound) for one in case]
    open_: list[int] = (~outside(found, rows)).nonzero()[0].tolist()
    return open_
