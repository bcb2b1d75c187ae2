"""From runs of arcs, each cut by its last hidden layer, to the cells of a curve as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray, Rational
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.ellipses import point_between
from exact.geometry.pencils.pencil import Frame, dyadic_direction
from exact.networks.network import Network
from exact.regions.arcs.cells import CurveCells, Cut
from exact.regions.arcs.engines.edges import Edge, Tally, between, float_bounds, separated
from exact.regions.arcs.engines.isolation import Isolated
from exact.regions.cells import Outcome

_NONE: IndexArray = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Run:
    """An arc cut by the last hidden layer: cells from edge to edge, the whole code of the first,
    the layer's first hinge.
    """

    start: Edge
    end: Edge
    zeros: Isolated | None
    bits: BitArray
    offset: int

    def __len__(self) -> int:
        return 1 + (0 if self.zeros is None else len(self.zeros))

    def edge(self, index: int) -> Edge:
        """The edge where cell `index` starts; the end of the arc for the number of cells."""
        if index == 0:
            return self.start
        return self.end if self.zeros is None or index == len(self) else self.zeros[index - 1]

    def up_to(self, count: int) -> Run:
        """The first `count` cells only."""
        zeros = None if self.zeros is None else self.zeros.up_to(count - 1)
        return replace(self, end=self.edge(count), zeros=zeros)

    @property
    def last_bits(self) -> BitArray:
        """The code of the last cell."""
        if self.zeros is None:
            return self.bits
        times = np.bincount(self.zeros.rows + self.offset, minlength=len(self.bits))
        last: BitArray = self.bits ^ (times % 2 == 1)
        return last


class _Start(NamedTuple):
    """Cells that start in one run: their numbers in it, enclosures of their edges, and what flips
    there (CSR sizes, rows).
    """

    cells: IndexArray
    enclosures: FloatArray
    sizes: IndexArray
    rows: IndexArray


def collected(
    network: Network, curve: Curve, frame: Frame, runs: Sequence[Run], tally: Tally, unexplored: int
) -> CurveCells:
    """Join cells across edges that change nothing, close the circle, and keep exact points for when
    they are asked for.
    """
    closed = curve.end is None and not unexplored
    parts = [_start(runs, number, closed) for number in range(len(runs))]
    numbers = np.repeat(np.arange(len(runs)), [len(part.cells) for part in parts])
    cells, sizes, rows = (np.concatenate([_NONE, *(part[k] for part in parts)]) for k in (0, 2, 3))
    codes = _codes(
        network, runs, sizes, rows, at_start=numbers[:1].tolist() + cells[:1].tolist() == [0, 0]
    )
    ends = [] if closed or not runs else [(len(runs) - 1, len(runs[-1]))]
    bounds = [part.enclosures for part in parts] + [
        np.array([float_bounds(runs[n].edge(cell))]) for n, cell in ends
    ]

    def edge(index: int, ahead: int = 0) -> Edge:
        number, cell = (
            (int(numbers[index]), int(cells[index])) if index < len(cells) else (*ends, (0, 0))[0]
        )
        return runs[number].edge(cell + ahead)

    def cut(index: int) -> Cut:
        found = edge(index)
        return Cut(found.find, found.near, found.undefined)

    def witness(index: int) -> tuple[Rational, Rational]:
        if curve.centre is None:
            return dyadic_direction(between(edge(index), edge(index, 1)))
        first, second = separated(edge(index), edge(index, 1))
        return point_between(first.hi, second.lo, curve.cosine)

    evidence = (
        f"every zero of every pre-activation is isolated and in order: {tally.filtered} by the "
        f"float64 filter, "
        f"{tally.exact} by exact surds"
    )
    return CurveCells(
        curve,
        frame,
        OnDemand(cut, len(cells) + len(ends), keep=True),
        codes,
        OnDemand(witness, len(codes), keep=True),
        tuple(tally.tangent),
        Outcome.BUDGET_REACHED if unexplored else Outcome.COMPLETE,
        f"stopped early: {unexplored} arcs unexplored" if unexplored else evidence,
        {"filter": tally.filtered, "exact": tally.exact},
        closed=closed,
        enclosures=np.concatenate([np.zeros((0, 2)), *bounds]),
        breaks=frozenset(
            int(i) for i in np.flatnonzero(cells == 0) if runs[numbers[i]].start.undefined
        ),
    )


def _start(runs: Sequence[Run], number: int, closed: bool) -> _Start:
    """The cells that start in a run: at its own start unless nothing changes there, and at the
    zeros where hinges flip.

    An open curve starts with a cell; a closed one at its first edge where something changes, and
    there from its last cell.
    """
    run = runs[number]
    before = runs[number - 1].last_bits if number or closed else run.bits
    flips = np.flatnonzero(before ^ run.bits)
    if run.zeros is None:
        inner = _Start(_NONE, np.zeros((0, 2)), _NONE, _NONE)
    else:
        sizes = np.diff(run.zeros.starts)
        kept = np.flatnonzero(sizes)
        bounds = np.stack([run.zeros.low, run.zeros.high], axis=1)[kept]
        inner = _Start(kept + 1, bounds, sizes[kept], run.zeros.rows + run.offset)
    if len(flips) == 0 and (closed or number) and not run.start.undefined:
        return inner
    own = _Start(
        np.zeros(1, dtype=np.int64),
        np.array([float_bounds(run.start)]),
        np.array([len(flips)]),
        flips,
    )
    return _Start(*(np.concatenate(pair) for pair in zip(own, inner, strict=True)))


def _codes(
    network: Network, runs: Sequence[Run], sizes: IndexArray, rows: IndexArray, *, at_start: bool
) -> RunningCodes:
    """The codes of the cells; `at_start` says that the first cell starts where the curve does."""
    if not runs:
        return RunningCodes(
            np.zeros(network.hinge_count, dtype=bool), np.zeros(1, dtype=np.int64), rows
        )
    first = runs[0].bits.copy()
    if not at_start and len(sizes):
        first[rows[: sizes[0]]] ^= True
    return RunningCodes(first, np.concatenate([[0], np.cumsum(sizes if len(sizes) else [0])]), rows)
