"""`slice_graph`: a graph of convolutions, maxima and sums in a bounded polygon of a plane.

The network is reduced once to what is undecided on the polygon, and the polygon is cut by that (see
:mod:`exact.networks.graphs.slices`): complete and exact, with floats that propose and integers that
decide wherever floats leave a sign open. Cost: the undecided columns through the operators once;
then about 10 microseconds a cell. A graph that is a chain of dense layers, as files and modules
give them, is first handed to the one compiled call of chains (:mod:`.plane`), which cuts as exactly
and has no patch to build; where that leaves a sign open, the graph is cut as all others are.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import Rational
from exact.errors import EngineDefect
from exact.geometry.budgets import Stopped
from exact.geometry.polyhedra.constructions import shortened
from exact.geometry.polyhedra.faces import SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace, Point, is_inside
from exact.geometry.polyhedra.programmes.lp import Farkas, short_point, strict_feasibility
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.slices.cutting import PatchCutter
from exact.networks.graphs.slices.lines import Cell
from exact.networks.graphs.slices.parts import Parts
from exact.networks.graphs.slices.pieces import Polygons
from exact.networks.graphs.slices.sides import neighbours
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.operators import Dense
from exact.regions.cells import Outcome
from exact.regions.engine import CHAIN, Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.exact_vertices import mean_inside
from exact.regions.polytopes.engines.plane import cells_by_one_call
from exact.regions.polytopes.refusals import flat_refusal

_KEPT = 1 << 14
_AT_ONCE = 20_000  # cells between two reports
_MOST_WEIGHTS = 1 << 20  # of a chain, which are copied as exact numbers


class SliceGraph(Engine):
    """Exact cells of a graph in a bounded polygon."""

    name = "slice_graph"
    cuts_graphs = cuts_maxima = True

    def refusal(self, problem: Problem) -> Refusal | None:
        reason = CHAIN if problem.network.is_chain else flat_refusal(problem)
        if reason is not None:
            return reason
        if problem.flat.dim != 2:
            return Refusal(f"the domain has {problem.flat.dim} dimensions, and it cuts planes")
        if problem.flat.polygon is None and not _is_empty(problem):
            return Refusal(
                "the domain is no bounded polygon of at most 12 sides",
                advice="give Plane(p0, p1, p2, s=(0, 1), t=(0, 1)) or a Box",
            )
        return None

    def cost(self, problem: Problem) -> float:
        return 10.0

    def bytes_per_region(self, problem: Problem) -> float:
        return 2_000 + (problem.network.hinge_count + 7) // 8

    def first_hinges(self, problem: Problem) -> int:
        return 0  # the patch tells, which is what the first second is for

    def run(self, job: Job) -> FlatCells:
        polygon, network = job.problem.flat.polygon, job.network
        if polygon is None:
            proof = strict_feasibility(job.problem.flat.walls, 2)
            assert isinstance(proof, Farkas), "an empty domain has a proof"
            return empty_cells(network.hinge_count, proof)
        assert isinstance(network, Graph), "a chain is refused"
        chain = _dense_chain(network)
        at_once = None if chain is None else cells_by_one_call(job, chain)
        if at_once is not None:
            return replace(at_once, faces=None)  # polygons of graphs are had from their sides
        walls = tuple(wall.coefficients for wall in polygon.walls)
        one = (Rational(0), Rational(0), Rational(1))
        try:
            cutter = PatchCutter(network, job.problem.flat.state(), one, walls, (0, 0, 1))
        except Stopped:
            return no_cells(network.hinge_count)
        parts, rest, complete = _cut(job, cutter)
        if not parts.cell_count + len(rest):
            return no_cells(network.hinge_count)
        return _collected(job, cutter, parts, rest, complete)


def _is_empty(problem: Problem) -> bool:
    return isinstance(strict_feasibility(problem.flat.walls, problem.flat.dim), Farkas)


def _dense_chain(graph: Graph) -> Network | None:
    """The graph as a chain, where it is one of dense layers and of steps that only move numbers
    about, so that no two matrices are multiplied; None for others and for large ones.
    """
    weights, is_bent = 0, True
    for number, (does, inputs, _) in enumerate(graph.steps):
        if not isinstance(does, Layer) or inputs != (number,):
            return None
        if does.operator.terms and not (is_bent and isinstance(does.operator, Dense)):
            return None
        weights += does.width * does.input_dim
        is_bent = does.bits > 0
    return graph.chain() if weights <= _MOST_WEIGHTS else None


def _cut(job: Job, cutter: PatchCutter) -> tuple[Parts, list[Cell], bool]:
    """The parts that compiled loops found, the cells of those that they left open, and whether
    these are all.
    """
    parts, rest, asked = Parts(cutter.patch, cutter.start.piece), list[Cell](), 0
    cutter.lines.parts = parts
    most = 2**62 if job.most is None else job.most
    complete = False
    while not complete:
        asked = min(most, asked + _AT_ONCE)
        complete = parts.run(asked, job.watch.alarm)
        if job.out_of_budget(parts.cell_count) and not complete:
            return parts, rest, False
    try:
        for part in parts.open.tolist():
            start = Cell(parts.piece(part), cutter.start.open, known=parts.known_on(part))
            for cells in cutter.cells(job.watch.check, start):
                rest += cells
                if job.out_of_budget(parts.cell_count + len(rest)):
                    return parts, rest[: max(0, most - parts.cell_count)], False
    except Stopped:
        return parts, rest, False
    return parts, rest, True


def _collected(
    job: Job, cutter: PatchCutter, parts: Parts, rest: list[Cell], complete: bool
) -> FlatCells:
    """The cells as arrays; what is exact about them is made when asked for."""
    of = _Pieces(cutter, parts, rest, complete)
    codes, varying = parts.codes(job.network.hinge_count)
    if rest:
        others = np.stack([np.packbits(cutter.code(cell)) for cell in rest])
        rows = varying.rows(others)
        if not np.array_equal(varying.whole(rows), others):
            raise EngineDefect("a cell has another bit that the patch decides", value=len(rest))
        codes = np.concatenate([codes, rows])
    signs, exactly = parts.signs + cutter.decisions["filter"], cutter.decisions["exact"]
    evidence = (
        f"every cut keeps both parts of a cell: {signs:,} signs by floats with proved bounds, and "
        f"{exactly:,} cells cut in integers at some step"
        if complete
        else "stopped early: the cells found are whole, others were not reached"
    )
    return FlatCells(
        codes,
        job.network.hinge_count,
        of.witness,
        Outcome.COMPLETE if complete else Outcome.BUDGET_REACHED,
        evidence,
        {"filter": signs, "exact": exactly},
        of.walls,
        of.pairs,
        varying=varying,
    )


class _Pieces:
    """What is exact about cells, made when asked for."""

    def __init__(self, cutter: PatchCutter, parts: Parts, rest: list[Cell], complete: bool) -> None:
        self._cutter, self._parts, self._rest, self._complete = cutter, parts, rest, complete
        self._own = parts.cells
        self.walls = lru_cache(_KEPT)(self._walls)

    @cached_property
    def _polygons(self) -> Polygons:
        return self._parts.polygons.with_more(Polygons.of([cell.piece for cell in self._rest]))

    def pairs(self) -> IndexArray:
        """Every two cells that share a side."""
        return neighbours(self._cutter.lines, self._polygons, self._complete)

    def _taken(self, index: int) -> tuple[IndexArray, ...]:
        if index < len(self._own):
            return self._parts.taken_on(int(self._own[index]))
        return self._rest[index - len(self._own)].open.taken

    def _walls(self, index: int) -> tuple[Halfspace, ...]:
        names, taken = self._polygons.piece(index).names, self._taken(index)
        return tuple(
            wall if side > 0 else wall.opposite
            for wall, side in (
                (Halfspace(self._cutter.lines.form(number, taken)), side) for number, side in names
            )
        )

    def corners(self, index: int) -> tuple[Point, ...]:
        """The exact corners of a cell."""
        lines = self._cutter.lines
        return lines.exact(self._polygons.piece(index), self._taken(index)).corners

    def witness(self, index: int) -> Point:
        """A point strictly inside a cell; floats propose a short one."""
        walls, piece = self.walls(index), self._polygons.piece(index)
        rows = np.stack([wall.float_row for wall in walls])
        middle = piece.corners.mean(axis=0)[:2]
        found = short_point(middle, float((rows[:, :2] @ middle + rows[:, 2]).min()))
        if found is not None and is_inside(walls, found):
            return found
        points = [SymbolicPoint(point, (0, 0)) for point in self.corners(index)]
        exact = mean_inside(points, walls)
        if not is_inside(walls, exact):
            raise EngineDefect("the mean of the corners is not inside", value=index)
        return shortened(exact, walls)
