"""`slice_line`: a graph of convolutions, maxima and sums along a segment, a ray or a line.

The line is swept in floats with proved bounds, layer by layer, all events of it in order (see
:mod:`exact.networks.graphs.sweeps`). Stretches on which these leave something open are cut as
patches of the graph (see :mod:`exact.networks.graphs.slices`), in integers where need be: they are
very short as a rule. A ray is a stretch of directions between a point and infinity, a line two of
them. Cost: the inputs through the operators a few times, and for every event what it changes
behind it. The module is longer than others: stretches of three kinds, each swept, cut and joined.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from copy import copy
from functools import cached_property
from itertools import pairwise

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    coprime_integers,
    nearest_floats,
    rational,
)
from exact.geometry.budgets import Stopped
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve, CurveDomain
from exact.geometry.pencils.pencil import Direction
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.slices.cutting import PatchCutter
from exact.networks.graphs.slices.lines import Cell
from exact.networks.graphs.slices.pieces import Integers, meet, value
from exact.networks.graphs.stops import Stop, begin
from exact.networks.graphs.sweeps.sweep import Events, Open, Sweep
from exact.propagation.pencil_charts import pencil_chart
from exact.regions.arcs.cells import CurveCells, Cut
from exact.regions.cells import Outcome
from exact.regions.engine import CHAIN, Engine, Job, Problem, Refusal

_HINGES, _MOST_STRETCHES = 1 << 16, 64  # of a network for each stretch, and stretches of a curve
_TINY, _DEEP = 2.0**-14, 12  # parts that are not swept again, and how often others are
_SHORT = 2.0**-8  # parts of a stretch that are not swept again in halves
_NEAR = 2.0**-30  # of the size of a direction: within 2^-29 of a turn, as a cut promises
_UNDECIDED = 256.0  # hinges times lengths from which on open parts are swept in halves
_PLACES = 1 << 53


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
        line, rows, complete = _Line(job, network, curve), list[_Row](), True
        try:
            for first, last in _stretches(curve, network.hinge_count):
                for row in line.rows(first, last):
                    left = len(row) if job.most is None else job.most - sum(map(len, rows))
                    rows.append(row.beginning(left))
                    if job.out_of_budget(sum(map(len, rows))) or not rows[-1].is_whole:
                        raise Stopped
        except Stopped:
            complete = bool(rows) and rows[-1].ends_at(curve)
        codes, kept, joined = _together(rows, network.hinge_count)

        def cut(index: int) -> Cut:
            row, number = kept[index] if index < len(kept) else (rows[-1], len(rows[-1]))
            return row.cut(number)

        def inside(index: int) -> tuple[Rational, Rational]:
            own = [row.inside(number) for row, number in (kept[index], *joined.get(index, ()))]
            found: tuple[Rational, Rational] = max(own, key=room_around)
            return found

        room_around = _room_between([row.first for row in rows] + [row.last for row in rows[-1:]])
        decisions = {name: sum(row.decisions[name] for row in rows) for name in ("filter", "exact")}
        return CurveCells(
            curve,
            chart.frame,
            OnDemand(cut, len(kept) + bool(kept), keep=True),
            codes,
            OnDemand(inside, len(kept), keep=True),
            (),
            Outcome.COMPLETE if complete else Outcome.BUDGET_REACHED,
            _evidence(decisions, complete),
            decisions,
            closed=False,
        )


def _stretches(curve: Curve, hinges: int) -> Iterator[tuple[Integers, Integers]]:
    """The directions at both ends of each stretch: less than half a turn apart, and more of them
    the wider the network is, since what events add to values is kept for one at a time.
    """
    assert curve.end is not None, "a straight line is an arc"
    end = tuple(int(x.p) for x in curve.end)
    ends = [(1, 0), (0, 1), (-1, 0)] if end == (-1, 0) else [(1, 0), end]
    count = max(1, min(_MOST_STRETCHES, hinges // _HINGES))
    for first, last in pairwise(ends):
        places = [_between(first, last, k, count) for k in range(count + 1)]
        yield from pairwise(places)


def _between(first: Integers, last: Integers, k: int, count: int) -> Integers:
    """The direction at k / count of the way."""
    found = tuple(a * (count - k) + b * k for a, b in zip(first, last, strict=True))
    divisor = int(np.gcd.reduce(np.array(found, dtype=object)))
    return tuple(x // divisor for x in found)


class _Row(ABC):
    """Cells in order between the directions `first` and `last`, and their codes."""

    decisions: dict[str, int]
    codes: RunningCodes
    first: Integers
    last: Integers
    is_whole = True

    def __len__(self) -> int:
        return len(self.codes)

    def ends_at(self, curve: Curve) -> bool:
        """Whether it is the last one of a curve."""
        a, b = self.last
        assert curve.end is not None, "a straight line is an arc"
        return self.is_whole and bool(curve.end[0] * b == curve.end[1] * a)

    @property
    def last_bits(self) -> BitArray:
        """The code of the last cell."""
        odd = np.bincount(self.codes.rows, minlength=self.codes.hinges) % 2 == 1
        found: BitArray = self.codes.first ^ odd
        return found

    def beginning(self, count: int) -> _Row:
        """About so many cells of it, where that is easily said."""
        return self

    @abstractmethod
    def cut(self, index: int) -> Cut:
        """The point where cell `index` begins, or behind the last one where that ends."""

    @abstractmethod
    def inside(self, index: int) -> tuple[Rational, Rational]:
        """A direction strictly inside a cell."""


class _Line:
    """A graph along a curve."""

    def __init__(self, job: Job, graph: Graph, curve: Curve) -> None:
        assert curve.one is not None
        self._job, self._graph, self._curve = job, graph, curve
        self._sweep = Sweep(graph, curve.state(), curve.one)
        self._stops = _Stops(self._sweep)

    def rows(
        self,
        first: Integers,
        last: Integers,
        part: tuple[float, float] = (0.0, 1.0),
        depth: int = 0,
    ) -> Iterator[_Row]:
        """The cells of a part of a stretch between two directions, some at a time, in order."""
        low, high = (_between(first, last, int(x * _PLACES), _PLACES) for x in part)
        length = part[1] - part[0]
        if depth > _DEEP or length < _TINY:
            yield self._cut(low, high)
            return
        try:
            events = self._sweep.run((low[0], low[1]), (high[0], high[1]), self._pause)
        except Open as problem:
            parts = _parts(problem.stretches)
        else:
            yield _Swept(events, low, high, self._stops)
            return
        for a, b, is_open in parts:
            ends = (part[0] + a * length, part[0] + b * length)
            wide = self._graph.hinge_count * (ends[1] - ends[0])
            if is_open and b - a > _SHORT and wide > _UNDECIDED:
                middle = (ends[0] + ends[1]) / 2
                yield from self.rows(first, last, (ends[0], middle), depth + 1)
                yield from self.rows(first, last, (middle, ends[1]), depth + 1)
            else:
                yield from self.rows(first, last, ends, _DEEP + 1 if is_open else depth + 1)

    def _pause(self) -> None:
        self._job.watch.check()

    def _cut(self, first: Integers, last: Integers) -> _Row:
        (a, b), (c, d) = first, last
        walls: tuple[Integers, Integers] = (-b, a), (d, -c)
        scale = tuple(x + y for x, y in zip(*walls, strict=True))
        assert self._curve.one is not None
        cutter = PatchCutter(self._graph, self._curve.state(), self._curve.one, walls, scale)
        found, is_whole = list[Cell](), True
        try:
            for cells in cutter.cells(self._job.watch.check):
                found += cells
                if self._job.out_of_budget(len(found)):
                    is_whole = False
                    break
        except Stopped:
            is_whole = False
        return _Pieces(cutter, found, first, last, is_whole)


def _parts(stretches: FloatArray) -> list[tuple[float, float, bool]]:
    """[0, 1] in parts, each with whether it is one of some stretches, joined where they meet."""
    joined = list[list[float]]()
    for low, high in sorted(stretches.tolist()):
        a, b = max(0.0, low - _MARGIN), min(1.0, high + _MARGIN)
        if joined and a <= joined[-1][1] + _GAP:
            joined[-1][1] = max(joined[-1][1], b)
        else:
            joined.append([a, b])
    found, at = list[tuple[float, float, bool]](), 0.0
    for a, b in joined:
        if a > at:
            found.append((at, a, False))
        found.append((a, b, True))
        at = b
    return [*found, (at, 1.0, False)] if at < 1.0 else found


_MARGIN, _GAP = 2.0**-42, 2.0**-20


class _Stops:
    """Exact walks along codes, to find where events are."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._kept = sweep, dict[bytes, Stop]()

    def at(self, bits: BitArray, step: int) -> Stop:
        """In front of a hidden step, along a code."""
        sizes = [does.bits for does in self._sweep.graph.hidden_layers[:step]]
        bits = bits[: sum(sizes)]
        key = bits.tobytes()
        if key not in self._kept:
            if step == 0:
                graph, state = self._sweep.graph, self._sweep.state
                found = begin(graph.steps, state, self._sweep.one)
            else:
                before = self.at(bits[: sum(sizes[:-1])], step - 1)
                found = before.advance(bits[sum(sizes[:-1]) :])
            if len(self._kept) > _WALKS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = found
        return self._kept[key]


_WALKS = 64


class _Swept(_Row):
    """The cells between the events of a sweep."""

    def __init__(self, events: Events, first: Integers, last: Integers, stops: _Stops) -> None:
        self.events, self.first, self.last, self._stops = events, first, last, stops
        starts = np.concatenate([[0], events.starts]) if len(events) else np.zeros(2, np.int64)
        self.codes = RunningCodes(events.first, starts, events.rows)
        self.decisions = {"filter": events.signs, "exact": 0}

    def beginning(self, count: int) -> _Row:
        if count >= len(self):
            return self
        found = copy(self)
        starts = self.codes.starts[: count + 1]
        found.codes = RunningCodes(self.codes.first, starts, self.codes.rows[: starts[-1]])
        found.is_whole = False
        return found

    def _at(self, place: float) -> tuple[Rational, Rational]:
        share = rational(place)
        alpha, beta = (a + share * (b - a) for a, b in zip(self.first, self.last, strict=True))
        return alpha, beta

    def cut(self, index: int) -> Cut:
        if index in (0, len(self.events) + 1):
            end = Direction.rational(*map(Rational, self.last if index else self.first))
            return Cut(lambda: end, end)
        low, high = float(self.events.low[index - 1]), float(self.events.high[index - 1])

        def find() -> Direction:
            return Direction.rational(*map(Rational, self._exact(index - 1)))

        near = Direction.rational(*self._at((low + high) / 2)) if high - low < _NEAR / 8 else None
        return Cut(find, find() if near is None else near)

    def _exact(self, event: int) -> Integers:
        """The direction of an event: where a neuron is at its bend, or two candidates are equal."""
        bits = np.unpackbits(self.codes.row(event), count=self.codes.hinges).astype(bool)
        step, (unit, first, second) = int(self.events.steps[event]), self.events.labels[event]
        stop = self._stops.at(bits, step)
        if isinstance(stop.does, Maximum):
            places = (stop.does.candidates[unit][k] for k in (int(first), int(second)))
            one, other = (stop.row(place) for place in places)
        else:
            bend = stop.does.activation.breakpoints[int(first)]
            one, other = stop.row(int(unit)), [bend * x for x in stop.one]
        form = coprime_integers([x - y for x, y in zip(one, other, strict=True)])
        (a, b), (c, d) = self.first, self.last
        return meet([form], (d - b, a - c))

    def inside(self, index: int) -> tuple[Rational, Rational]:
        low = float(self.events.high[index - 1]) if index else 0.0
        high = float(self.events.low[index]) if index < len(self.events) else 1.0
        a, b = rational(low), rational(high)
        middle = rational((low + high) / 2)
        share = middle if a < middle < b else (a + b) / 2
        alpha, beta = (x + share * (y - x) for x, y in zip(self.first, self.last, strict=True))
        return alpha, beta


class _Pieces(_Row):
    """The cells of one patch, from its first end on as far as they are joined."""

    def __init__(
        self,
        cutter: PatchCutter,
        cells: list[Cell],
        first: Integers,
        last: Integers,
        is_whole: bool,
    ) -> None:
        self._cutter, self.first, self.last, self.is_whole = cutter, first, last, is_whole
        ends = {name: (i, k) for i, c in enumerate(cells) for k, name in enumerate(c.piece.names)}
        self._cells, at = list[tuple[Cell, int]](), ends.get((0, 1))
        while at is not None:
            index, end = at
            self._cells.append((cells[index], end))
            number, side = cells[index].piece.names[1 - end]
            at = ends.get((number, -side))
        self.decisions = cutter.decisions

    @cached_property
    def codes(self) -> RunningCodes:  # type: ignore[override]
        hinges = self._cutter.lines.graph.hinge_count
        bits = [self._cutter.code(cell) for cell, _ in self._cells]
        return RunningCodes.of_bits(np.array(bits, dtype=bool).reshape(-1, hinges), closed=False)

    def cut(self, index: int) -> Cut:
        if index < len(self._cells):
            return _cut(self._cutter, self._cells[index], 0)
        return _cut(self._cutter, self._cells[-1], 1)

    def inside(self, index: int) -> tuple[Rational, Rational]:
        return _inside(self._cutter, self._cells[index])


Placed = tuple[_Row, int]


def _together(
    rows: list[_Row], hinges: int
) -> tuple[RunningCodes, list[Placed], dict[int, list[Placed]]]:
    """The codes of all cells, those left out that go on with the code of the cell before; the
    others, each as a row and a place in it; and by their numbers what goes on with them.
    """
    rows = [row for row in rows if len(row)]
    if not rows:
        none = np.zeros(0, dtype=np.int64)
        return RunningCodes(np.zeros(hinges, bool), np.zeros(1, np.int64), none), [], {}
    sizes, flips, kept = [np.zeros(1, np.int64)], list[IndexArray](), list[Placed]()
    joined, before = dict[int, list[Placed]](), None
    for row in rows:
        seam = np.zeros(0, np.int64) if before is None else np.flatnonzero(before ^ row.codes.first)
        joins = before is not None and not len(seam)
        if before is not None and not joins:
            sizes.append(np.array([len(seam)]))
        flips += [seam, row.codes.rows]
        sizes.append(np.diff(row.codes.starts)[1:])
        if joins:
            joined.setdefault(len(kept) - 1, []).append((row, 0))
        kept += [(row, index) for index in range(int(joins), len(row))]
        before = row.last_bits
    ends = np.cumsum(np.concatenate([*sizes]))
    starts = np.concatenate([[0], ends]).astype(np.int64)
    codes = RunningCodes(rows[0].codes.first, starts, np.concatenate(flips).astype(np.int64))
    return codes, kept, joined


def _room_between(ends: list[Integers]) -> Callable[[tuple[Rational, Rational]], float]:
    """How far a direction is from the nearest of some, as floats see it: a cell that seams divide
    is shown by a point far from them.
    """
    units = nearest_floats([Rational(x, max(map(abs, end))) for end in ends for x in end])
    units = units.reshape(-1, 2) / np.hypot(*units.reshape(-1, 2).T)[:, None]

    def room(direction: tuple[Rational, Rational]) -> float:
        alpha, beta = nearest_floats([x / max(map(abs, direction)) for x in direction])
        gaps = np.abs(units[:, 0] * beta - units[:, 1] * alpha)
        return float(gaps.min() / np.hypot(alpha, beta))

    return room


def _cut(cutter: PatchCutter, placed: tuple[Cell, int], end: int) -> Cut:
    """The point where a cell begins (0) or ends (1)."""
    cell, first = placed
    place = first if end == 0 else 1 - first
    piece = cell.piece

    def find() -> Direction:
        return Direction.rational(*map(Rational, cutter.exact(cell).corners[place]))

    near, slack = piece.corners[place].tolist(), float(piece.slack[place])
    is_near = slack <= _NEAR * max(map(abs, near))
    return Cut(find, Direction.rational(*map(rational, near)) if is_near else find())


def _inside(cutter: PatchCutter, placed: tuple[Cell, int]) -> tuple[Rational, Rational]:
    """A direction strictly inside a cell; floats propose one."""
    piece = placed[0].piece
    a, b = piece.corners
    gap = float(np.abs(a - b).max())
    if gap > 64 * float(piece.slack.sum()) + 2.0**-40 * float(np.abs(piece.corners).max()):
        alpha, beta = map(rational, ((a + b) / 2).tolist())
        return alpha, beta
    scale, points = cutter.lines.scale, cutter.exact(placed[0]).corners
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
