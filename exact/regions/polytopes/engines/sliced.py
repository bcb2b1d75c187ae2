"""`slice`: few rows in many dimensions without bounds, such as a small network in all of R^784.

All normals of hinges and walls lie in the row space of the first hidden layer and of the walls. A
slice along as many coordinates as it has dimensions meets every region, in a region of the slice
with the same code, and facets in facets: so another engine enumerates the slice, and points are
lifted from it. Cost: one exact rank of the rows, then that of the engine in few dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.errors import InvalidInput
from exact.geometry.budgets import Stopped
from exact.geometry.domains.base import CurveDomain, Flat, FlatDomain
from exact.geometry.polyhedra.faces import FaceComplex, cells_of_facets
from exact.geometry.polyhedra.halfspace import Point
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.essential_slices import EssentialSlice
from exact.regions.polytopes.refusals import flat_refusal

_FEW = 8  # dimensions up to which other engines are faster


@dataclass(frozen=True)
class _Slice(FlatDomain):
    """A chart as a domain."""

    chart: Flat

    def check(self, input_dim: int) -> None:
        if len(self.chart.origin) != input_dim:
            raise InvalidInput(
                "a slice does not fit the network",
                value=len(self.chart.origin),
                remedy=f"give one in R^{input_dim}",
            )

    def flat(self) -> Flat:
        return self.chart


class Sliced(Engine):
    """The cheapest of the engines `within` on a slice that meets every region."""

    name = "slice"

    def __init__(self, *within: Engine) -> None:
        self.within = within

    def refusal(self, problem: Problem) -> Refusal | None:
        refused = flat_refusal(problem)
        if refused is not None:
            return refused
        if any(block.residual for block in problem.network.blocks):
            return Refusal("a skip connection lets hinges depend on every coordinate")
        rows, dim = _rows(problem), problem.flat.dim
        if not 0 < rows < dim:
            return Refusal(
                f"first layer and domain have {rows} rows in {dim} dimensions",
                "so no slice is less",
            )
        return None

    def cost(self, problem: Problem) -> float:
        if isinstance(problem.domain, CurveDomain) or problem.flat.dim <= _FEW:
            return inf
        return 30.0 if len(problem.network.hidden_layers) > 1 else inf

    def run(self, job: Job) -> FlatCells:
        flat, hinges = job.problem.flat, job.network.hinge_count
        try:
            start = strict_feasibility(flat.walls, flat.dim, job.watch)
            job.watch.check()
        except Stopped:
            return no_cells(hinges)
        if isinstance(start, Farkas):
            return empty_cells(hinges, start)
        chart = EssentialSlice(job.network, flat, start.point)
        problem = Problem(job.network, _Slice(chart.flat))
        able = [engine for engine in self.within if engine.refusal(problem) is None]
        engine = min(able, key=lambda one: one.cost(problem))
        cells = engine.run(replace(job, problem=problem))
        assert isinstance(cells, FlatCells), "engines for flat domains return flat cells"
        return _lifted(cells, engine, chart)


def _rows(problem: Problem) -> int:
    first = problem.network.hidden_layers[:1]
    return sum(layer.width for layer in first) + len(problem.flat.walls)


def _lifted(cells: FlatCells, engine: Engine, chart: EssentialSlice) -> FlatCells:
    """The cells of a slice as those of the whole domain: codes and pairs stay, points are lifted,
    and what cuts a region out is read off its code.
    """

    def witness(index: int) -> Point:
        return chart.outside(cells.witness(index))

    told = f"in a slice along {chart.flat.dim} of {chart.whole.dim} coordinates, which meets every "
    return replace(
        cells,
        witness=witness,
        walls=None,
        faces=None,
        pairs=cells.pairs if cells.faces is None else _pairs(cells.faces),
        evidence=f"{told}region, by {engine.name}: {cells.evidence}",
    )


def _pairs(faces: FaceComplex) -> Callable[[], IndexArray]:
    def found() -> IndexArray:
        both = cells_of_facets(faces)
        return np.asarray(both[both[:, 1] >= 0], dtype=np.int64)

    return found
