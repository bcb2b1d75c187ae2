"""`slice_line`: a graph of convolutions, maxima and sums along a segment, a ray or a line.

The network is reduced once to what is undecided on the curve, and the curve is cut by that (see
:mod:`exact.networks.graphs.slices`): every crossing with the neurons and windows that change there.
A ray is a patch of directions between a point and infinity, a line two of them. Cost: the undecided
columns through the operators once; then about 50 microseconds a cell and stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import Rational, rational
from exact.geometry.budgets import Stopped
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve, CurveDomain
from exact.geometry.pencils.pencil import Direction
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.slices.cutting import PatchCutter
from exact.networks.graphs.slices.lines import Cell
from exact.networks.graphs.slices.pieces import Integers, value
from exact.propagation.pencil_charts import pencil_chart
from exact.regions.arcs.cells import CurveCells, Cut
from exact.regions.cells import Outcome
from exact.regions.engine import CHAIN, Engine, Job, Problem, Refusal

_HINGES, _MOST_PATCHES = 256, 64  # of a network for each patch, and patches of a curve
_NEAR = 2.0**-30  # of the size of a direction: within 2^-29 of a turn, as a cut promises


class SliceLine(Engine):
    """Exact intervals of a graph on straight lines."""

    name = "slice_line"
    cuts_graphs = cuts_maxima = True

    def refusal(self, problem: Problem) -> Refusal | None:
        domain = problem.domain
        if problem.network.is_chain:
            return CHAIN
        if not isinstance(domain, CurveDomain) or domain.curve().one is None:
            return Refusal.elsewhere("segments, rays and lines", domain)
        return problem.jump_refusal

    def cost(self, problem: Problem) -> float:
        return 10.0

    def run(self, job: Job) -> CurveCells:
        network, chart = job.network, pencil_chart(job.network, job.domain)
        curve = chart.curve
        assert isinstance(network, Graph), "a chain is refused"
        rows, complete = list[_Row](), True
        try:
            for first, last in _patches(curve, network.hinge_count):
                found = sum(len(row.cells) for row in rows)
                row, complete = _row(job, network, curve, first, last, found)
                rows.append(row)
                if not complete:
                    break
        except Stopped:
            complete = False
        cells = [(row, cell) for row in rows for cell in row.cells]
        codes, joined = _codes(cells, network.hinge_count)
        kept = [one for one, same in zip(cells, joined, strict=True) if not same]

        def cut(index: int) -> Cut:
            return _cut(*kept[index], 0) if index < len(kept) else _cut(*cells[-1], 1)

        decisions = {
            name: sum(row.cutter.decisions[name] for row in rows) for name in ("filter", "exact")
        }
        return CurveCells(
            curve,
            chart.frame,
            OnDemand(cut, len(kept) + bool(kept), keep=True),
            codes,
            OnDemand(lambda index: _inside(*kept[index]), len(kept), keep=True),
            (),
            Outcome.COMPLETE if complete else Outcome.BUDGET_REACHED,
            _evidence(decisions, complete),
            decisions,
            closed=False,
        )


class _Row:
    """The cells of one patch in order, each with the number of its first end."""

    def __init__(self, cutter: PatchCutter, cells: list[Cell]) -> None:
        self.cutter = cutter
        ends = {name: (i, k) for i, c in enumerate(cells) for k, name in enumerate(c.piece.names)}
        self.cells, at = list[tuple[Cell, int]](), ends.get((0, 1))
        while at is not None:
            index, first = at
            self.cells.append((cells[index], first))
            number, side = cells[index].piece.names[1 - first]
            at = ends.get((number, -side))


Placed = tuple[_Row, tuple[Cell, int]]


def _patches(curve: Curve, hinges: int) -> Iterator[tuple[Integers, Integers]]:
    """The directions at both ends of each patch: less than half a turn apart, and the more patches
    the wider the network is, since on a short one few neurons are undecided.
    """
    assert curve.end is not None, "a straight line is an arc"
    end = tuple(int(x.p) for x in curve.end)
    ends = [(1, 0), (0, 1), (-1, 0)] if end == (-1, 0) else [(1, 0), end]
    count = max(1, min(_MOST_PATCHES, hinges // _HINGES))
    for first, last in pairwise(ends):
        places = [
            tuple(a * (count - k) + b * k for a, b in zip(first, last, strict=True))
            for k in range(count + 1)
        ]
        yield from pairwise(places)


def _row(
    job: Job, graph: Graph, curve: Curve, first: Integers, last: Integers, before: int
) -> tuple[_Row, bool]:
    """The cells between two directions, and whether they are all."""
    (a, b), (c, d) = first, last
    walls: tuple[Integers, Integers] = (-b, a), (d, -c)
    scale = tuple(x + y for x, y in zip(*walls, strict=True))
    assert curve.one is not None
    cutter = PatchCutter(graph, curve.state(), curve.one, walls, scale)
    found, complete = list[Cell](), True
    try:
        for cells in cutter.cells(job.watch.check):
            found += cells
            if job.out_of_budget(before + len(found)):
                complete = False
                break
    except Stopped:
        complete = False
    return _Row(cutter, found), complete


def _codes(cells: list[Placed], hinges: int) -> tuple[RunningCodes, list[bool]]:
    """The codes of the cells, those that go on with the code before left out, and which these
    are.
    """
    last, starts, flips, joined = np.zeros(hinges, bool), [0], list[int](), list[bool]()
    first: BitArray = last
    for number, (row, (cell, _)) in enumerate(cells):
        bits = row.cutter.code(cell)
        changes = np.flatnonzero(bits ^ last).tolist() if number else []
        joined.append(bool(number) and not changes)
        first = first if number else bits
        if not joined[-1]:
            flips += changes
            starts.append(len(flips))
        last = bits
    table = np.array(starts if cells else [0], dtype=np.int64)
    return RunningCodes(first, table, np.array(flips, dtype=np.int64)), joined


def _cut(row: _Row, placed: tuple[Cell, int], end: int) -> Cut:
    """The point where a cell begins (0) or ends (1)."""
    cell, first = placed
    place = first if end == 0 else 1 - first
    piece = cell.piece

    def find() -> Direction:
        return Direction.rational(*map(Rational, row.cutter.exact(cell).corners[place]))

    near, slack = piece.corners[place].tolist(), float(piece.slack[place])
    is_near = slack <= _NEAR * max(map(abs, near))
    return Cut(find, Direction.rational(*map(rational, near)) if is_near else find())


def _inside(row: _Row, placed: tuple[Cell, int]) -> tuple[Rational, Rational]:
    """A direction strictly inside a cell; floats propose one."""
    piece = placed[0].piece
    a, b = piece.corners
    gap = float(np.abs(a - b).max())
    if gap > 64 * float(piece.slack.sum()) + 2.0**-40 * float(np.abs(piece.corners).max()):
        alpha, beta = map(rational, ((a + b) / 2).tolist())
        return alpha, beta
    scale, points = row.cutter.lines.scale, row.cutter.exact(placed[0]).corners
    shares = [Rational(1, value(scale, point)) for point in points]
    alpha, beta = (
        sum((s * p[k] for s, p in zip(shares, points, strict=True)), Rational(0)) for k in (0, 1)
    )
    return alpha, beta


def _evidence(decisions: dict[str, int], complete: bool) -> str:
    if not complete:
        return "stopped early: the cells from the start on, as far as they were reached"
    return (
        f"every cut keeps both parts of a cell: {decisions['filter']:,} signs by floats with "
        f"proved bounds, and {decisions['exact']:,} cells cut in integers at some step"
    )
