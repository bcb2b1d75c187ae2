"""`round_layers`: the cells of a network of any depth in an open ball, from polytopes that are cut
layer by layer.

A simplex around the ball is cut by the hinges of the first layer, every part that meets the ball by
those of the next layer on it, and so on (`round_cells`). Facets between cells are the facets of the
polytopes that meet the ball too; the code behind one is read off beside a point of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import Rational
from exact.errors import EngineDefect
from exact.geometry.budgets import Stopped, Watch
from exact.geometry.domains.flat import Ball
from exact.geometry.polyhedra.double_description import VertexPolytope
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous
from exact.networks.network import Network
from exact.propagation.charts import BallChart
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces
from exact.regions.cells import Outcome, packed
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.round_cells import (
    Bits,
    Part,
    inner_point,
    meets,
    parts,
    witness,
)
from exact.regions.polytopes.walls.facets import code_behind

_ZERO, _ONE = Rational(0), Rational(1)


class RoundLayers(Engine):
    """Balls, any depth, any degeneracy; the budget counts finished cells."""

    name = "round_layers"

    def refusal(self, problem: Problem) -> Refusal | None:
        if not isinstance(problem.domain, Ball):
            return Refusal.elsewhere("balls", problem.domain, "cuts")
        if problem.network.has_norm:
            return Refusal("the network has a norm", advice="give NormBall(), or network.folded()")
        return problem.jump_refusal

    def cost(self, problem: Problem) -> float:
        return 1000.0

    def run(self, job: Job) -> FlatCells:
        chart = job.problem.chart
        assert isinstance(chart, BallChart), "it refuses other domains"
        cursor = begin(job.network, chart.centred.state(), [_ZERO] * chart.dim + [_ONE])
        found, stopped = list[Part](), False
        try:
            for part in _cells(chart, cursor, (), chart.body.around(), job.watch):
                if job.out_of_budget(len(found)):
                    stopped = True
                    break
                found.append(part)
        except Stopped:
            stopped = True
        return _as_flat(_View(job.network, chart, found, stopped))


def _cells(
    chart: BallChart, cursor: Cursor | None, bits: Bits, shape: VertexPolytope, watch: Watch
) -> Iterator[Part]:
    """The cells within a polytope on which the hinges so far have these bits."""
    if cursor is None:
        yield bits, shape
        return
    z = cursor.current.pre_activations(cursor.inner, cursor.one)
    for own, part in parts(chart.body, layer_halfspaces(cursor, z), shape, watch):
        yield from _cells(chart, advance(cursor, z, own), (*bits, *own), part, watch)


def _as_flat(view: _View) -> FlatCells:
    hinges, count = view.network.hinge_count, len(view.cells)
    evidence = (
        f"a simplex around the ball, cut by every hinge on each part of it that has points "
        f"in the ball: {count} cells"
    )
    return FlatCells(
        packed([bits for bits, _ in view.cells], hinges),
        hinges,
        view.witness,
        Outcome.BUDGET_REACHED if view.stopped else Outcome.COMPLETE,
        f"stopped early, with {count} cells" if view.stopped else evidence,
        {"exact": count},
        view.walls,
        view.pairs,
    )


@dataclass(frozen=True)
class _View:
    """What is asked of a cell is made from its polytope."""

    network: Network
    chart: BallChart
    cells: list[Part]
    stopped: bool

    def witness(self, index: int) -> Point:
        """A point of the cell inside the ball."""
        return witness(self.chart, self.cells[index][1])

    def walls(self, index: int) -> tuple[Halfspace, ...]:
        """The sides of the hinges that cut the polytope out of the simplex around the ball."""
        walls = self.cells[index][1].walls[self.chart.dim + 1 :]
        return tuple(self.chart.own(wall) for wall in walls)

    def pairs(self) -> IndexArray:
        """Every two cells that share a facet which meets the ball, by the code behind a point of
        it.
        """
        places = {bits: i for i, (bits, _) in enumerate(self.cells)}
        found = set[tuple[int, int]]()
        for i, (_, shape) in enumerate(self.cells):
            for wall, corners in shape.facets().items():
                points = [shape.vertices[k] for k in corners]
                if wall > self.chart.dim and meets(self.chart.body, points):
                    j = self._behind(shape.walls[wall], points, places)
                    found |= set() if j is None else {(min(i, j), max(i, j))}
        return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)

    def _behind(
        self, wall: Halfspace, points: Sequence[Point], places: dict[Bits, int]
    ) -> int | None:
        at = inner_point(self.chart.body, points, _mean(points))
        bits = code_behind(self.network, self.chart.centred, wall, homogeneous(at))
        if bits not in places and not self.stopped:
            raise EngineDefect(
                "a facet leads to a region that the enumeration does not have", value=wall
            )
        return places.get(bits)


def _mean(points: Sequence[Point]) -> list[Rational]:
    return [sum(column, _ZERO) / len(points) for column in zip(*map(affine, points), strict=True)]
