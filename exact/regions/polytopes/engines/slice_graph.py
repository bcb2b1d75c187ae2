"""`slice_graph`: a graph of convolutions, maxima and sums in a bounded polygon of a plane.

The network is reduced once to what is undecided on the polygon, and the polygon is cut by that (see
:mod:`exact.networks.graphs.slices`): complete and exact, with floats that propose and integers that
decide wherever floats leave a sign open. Cost: the undecided columns through the operators once;
then about 50 microseconds a cell and stage.
"""

from __future__ import annotations

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
from exact.networks.graphs.slices.sides import neighbours
from exact.regions.cells import Outcome
from exact.regions.engine import CHAIN, Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.exact_vertices import mean_inside
from exact.regions.polytopes.refusals import flat_refusal

_KEPT = 1 << 14


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
        walls = tuple(wall.coefficients for wall in polygon.walls)
        one = (Rational(0), Rational(0), Rational(1))
        try:
            cutter = PatchCutter(network, job.problem.flat.state(), one, walls, (0, 0, 1))
            cells, complete = _cut(job, cutter)
        except Stopped:
            return no_cells(network.hinge_count)
        return _collected(job, cutter, cells, complete) if cells else no_cells(network.hinge_count)


def _is_empty(problem: Problem) -> bool:
    return isinstance(strict_feasibility(problem.flat.walls, problem.flat.dim), Farkas)


def _cut(job: Job, cutter: PatchCutter) -> tuple[list[Cell], bool]:
    """The cells, and whether they are all."""
    found = list[Cell]()
    try:
        for cells in cutter.cells(job.watch.check):
            found += cells
            if job.out_of_budget(len(found)):
                return found[: job.most], False
    except Stopped:
        return found, False
    return found, True


def _collected(job: Job, cutter: PatchCutter, cells: list[Cell], complete: bool) -> FlatCells:
    """The cells as arrays; what is exact about them is made when asked for."""
    of = _Pieces(cutter, cells, complete)
    codes = np.stack([np.packbits(cutter.code(cell)) for cell in cells])
    signs, exactly = cutter.decisions["filter"], cutter.decisions["exact"]
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
        cutter.decisions,
        of.walls,
        of.pairs,
    )


class _Pieces:
    """What is exact about cells, made when asked for."""

    def __init__(self, cutter: PatchCutter, cells: list[Cell], complete: bool) -> None:
        self._cutter, self._cells, self._complete = cutter, cells, complete
        self.walls = lru_cache(_KEPT)(self._walls)

    @cached_property
    def _pairs(self) -> list[tuple[int, int, int]]:
        return neighbours(self._cutter.lines, self._cells, self._complete)

    def pairs(self) -> IndexArray:
        """Every two cells that share a side."""
        return np.array([pair[:2] for pair in self._pairs], dtype=np.int64).reshape(-1, 2)

    def _walls(self, index: int) -> tuple[Halfspace, ...]:
        names = self._cells[index].piece.names
        return tuple(
            wall if side > 0 else wall.opposite
            for wall, side in ((Halfspace(self._cutter.lines.form(n)), side) for n, side in names)
        )

    def corners(self, index: int) -> tuple[Point, ...]:
        """The exact corners of a cell."""
        return self._cutter.exact(self._cells[index]).corners

    def witness(self, index: int) -> Point:
        """A point strictly inside a cell; floats propose a short one."""
        walls, piece = self.walls(index), self._cells[index].piece
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
