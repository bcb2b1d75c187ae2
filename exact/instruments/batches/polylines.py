"""Networks along polylines of many segments: a path of data points, or a curve in short steps.

Every segment is partitioned exactly, and joined to the next one where the code stays at the corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from exact.arithmetic.numbers import FloatArray, listed, rationals
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.budgets import Budget
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.domains.straight import Segment
from exact.networks.network import Network
from exact.partition import partition
from exact.regions.arcs.crossings import Crossing
from exact.regions.arcs.partition import CurvePartition
from exact.regions.cells import Outcome


@short_repr
@dataclass(frozen=True)
class PathCrossing:
    """Where the code changes along a polyline: on segment `segment` at `crossing`, or at the corner
    where it begins, `crossing` being None.
    """

    segment: int
    crossing: Crossing | None
    hinges: tuple[Hinge, ...]

    @property
    def position_float(self) -> float:
        """The number of the segment plus the parameter from 0 to 1 on it."""
        return self.segment + (0.0 if self.crossing is None else self.crossing.parameter_float)


def outcome_of(parts: Sequence[CurvePartition]) -> Outcome:
    """That of all parts: complete, or what ended the first that is not."""
    ended = (part.outcome for part in parts if part.outcome is not Outcome.COMPLETE)
    return next(ended, Outcome.COMPLETE)


@short_repr
@dataclass(frozen=True)
class Polyline:
    """The partitions of the segments of a polyline in order, by :func:`partition_polyline`."""

    parts: tuple[CurvePartition, ...]

    @property
    def outcome(self) -> Outcome:
        """That of all parts: complete, or what ended the first that is not."""
        return outcome_of(self.parts)

    @cached_property
    def crossings(self) -> tuple[PathCrossing, ...]:
        """Where the code changes, in order: layer and neuron of each hinge that does."""
        found = list[PathCrossing]()
        for number, part in enumerate(self.parts):
            if number:
                found += _at_corner(number, self.parts[number - 1], part)
            inner = (one for one in part.crossings if not one.tangent)
            found += [PathCrossing(number, one, one.hinges) for one in inner]
        return tuple(found)

    @property
    def cell_count(self) -> int:
        """The number of maximal stretches with one code."""
        return len(self.crossings) + 1

    @property
    def positions_float(self) -> FloatArray:
        """Where the code changes: the numbers of the segments plus the parameters on them."""
        return np.array([one.position_float for one in self.crossings], dtype=np.float64)

    def __len__(self) -> int:
        return self.cell_count


def _at_corner(number: int, before: CurvePartition, after: CurvePartition) -> list[PathCrossing]:
    """What changes at the corner between two segments, as the cells beside it tell."""
    codes = before.code_of(-1).bits, after.code_of(0).bits
    names = before.network.hinges
    hinges = tuple(names[int(i)] for i in np.flatnonzero(codes[0] != codes[1]))
    return [PathCrossing(number, None, hinges)] if hinges else []


def partition_polyline(
    network: Network, points: Any, *, closed: bool = False, budget: Budget | None = None
) -> Polyline:
    """Cut the polyline through `points` (N x d) at every change of the code, exactly; with `closed`
    back to the first one. A budget is that of each segment.

    Raises InvalidInput for fewer than two points and for two equal ones in a row, and what
    :func:`partition` does. Cost: that of `partition`, a segment at a time.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> path = partition_polyline(net, [[1, 1], [-1, 1], [-1, -1]])
    >>> path.positions_float.tolist(), [str(one.hinges[0]) for one in path.crossings]
    ([0.5, 1.5], ['(1, 0)', '(1, 1)'])
    """
    corners = [rationals(point, f"points[{i}]") for i, point in enumerate(listed(points, "points"))]
    corners += corners[:1] if closed else []
    if len(corners) < 2:
        raise InvalidInput(
            "a polyline has no segment", value=f"{len(corners)} points", remedy="give two or more"
        )
    parts = [_part(network, i, pair, budget) for i, pair in enumerate(pairwise(corners))]
    return Polyline(tuple(parts))


def _part(
    network: Network, number: int, ends: tuple[Sequence[Any], Sequence[Any]], budget: Budget | None
) -> CurvePartition:
    if list(ends[0]) == list(ends[1]):
        raise InvalidInput(
            "a segment of the polyline has no length",
            value=f"points[{number}] and the next one",
            remedy="leave out the second of two equal points",
        )
    return partition(network, Segment(*ends), budget=budget).seen_as(CurvePartition)
