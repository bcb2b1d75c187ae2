"""`subdivision`: keep the polyhedral complex of vertices, edges, ..., cells, and cut it neuron by
neuron.

In front of a hidden layer every pre-activation is affine on every cell. Its signs at all vertices
of the complex come from one float64 pass with a proved error bound; a cell is cut by the neurons
that have both signs on its vertices. The cutting is combinatorial (`exact.kernels.splitting`),
needs nothing but signs -1, 0, +1, and handles zeros on vertices, edges, faces and whole cells. A
new vertex is solved for from the d hyperplanes that define it, so errors do not pile up. Signs that
floats leave open are decided by exact coordinates. Cost: linear in the complex, about 2^d faces a
region.

All of R^d is the cube [-K, K]^d for a symbol K larger than every number: a vertex is `p + K q`, and
signs are lexicographic in (q, p). Every region of R^d meets that cube, and regions share a facet in
it iff they do in R^d.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from exact.errors import require
from exact.geometry.budgets import Stopped
from exact.geometry.domains.base import CurveDomain
from exact.geometry.polyhedra.lp import Farkas, strict_feasibility
from exact.propagation.enclosures import PointWalk, Stage, stages
from exact.propagation.region_maps import MapWalk
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, flat_refusal, no_cells
from exact.regions.polytopes.engines.cutting import CutFaces, Cutter
from exact.regions.polytopes.engines.exact_vertices import ExactVertices, Witnesses
from exact.regions.polytopes.engines.unfinished import unfinished

MAX_DIM = 8
BYTES_PER_REGION = (100, 200, 300, 1_000, 2_000, 5_000, 11_000, 25_000, 60_000)
"""Half of what the complex of a random layer in a box was measured to take, by dimension."""


class Subdivision(Engine):
    """Exact subdivision in low dimension; complete unless the budget ends first."""

    name = "subdivision"

    def refusal(self, problem: Problem) -> Refusal | None:
        reason = flat_refusal(problem)
        if reason is None and problem.flat.dim > MAX_DIM:
            fact = f"dimension {problem.flat.dim} is above {MAX_DIM}, where a region has 2^d faces"
            return Refusal(fact, of_size=True)
        return reason

    def cost(self, problem: Problem) -> float:
        if isinstance(problem.domain, CurveDomain):
            return inf  # the engines for curves tell the crossings too
        return 3.0**problem.flat.dim / 6

    def bytes_per_region(self, problem: Problem) -> float:
        return BYTES_PER_REGION[problem.flat.dim] + (problem.network.hinge_count + 7) // 8

    def run(self, job: Job) -> FlatCells:
        flat, network = job.problem.flat, job.network
        vertices = ExactVertices(network, flat)
        cutter = Cutter(flat, max(network.hinge_count, len(flat.walls)), vertices, job.watch)
        try:
            if not cutter.inside_walls():
                proof = strict_feasibility(flat.walls, flat.dim)
                require(
                    isinstance(proof, Farkas),
                    "no cell is left inside the walls, so they have no common point",
                    proof,
                )
                assert isinstance(proof, Farkas)
                return empty_cells(network.hinge_count, proof)
            walk = stages(network, flat)
        except Stopped:
            return no_cells(job)
        points = PointWalk(walk, job.device)
        try:
            whole = _cut(job, cutter, points, MapWalk(walk, flat.dim, job.watch), walk)
        except Stopped:
            return unfinished(job, flat, cutter, points)
        return _cells(job, cutter, vertices, whole)


def _cut(job: Job, cutter: Cutter, points: PointWalk, maps: MapWalk, walk: Sequence[Stage]) -> bool:
    """Cut by every layer; False when cells were dropped. Raises Stopped."""
    hidden, whole = 0, True
    for layer, stage in enumerate(walk):
        cutter.begin_layer(layer, hidden, stage.bits, points, maps)
        whole &= cutter.cut(job)
        hidden += stage.bits
    return whole


def _cells(job: Job, cutter: Cutter, vertices: ExactVertices, whole: bool) -> FlatCells:
    faces = CutFaces(cutter, vertices)
    hinges = job.network.hinge_count
    codes = cutter.codes(hinges)
    evidence = (
        f"the {faces.dim}-cells fill the domain: each cut keeps both halves of every face, and all "
        f"{cutter.decisions['filter'] + cutter.decisions['exact']:,} signs are proved"
        if whole
        else "stopped early: cells were dropped at the budget, the rest cut to the end"
    )
    witness = Witnesses(vertices, faces, cutter, codes)
    outcome = Outcome.COMPLETE if whole else Outcome.BUDGET_REACHED
    return FlatCells(
        codes,
        hinges,
        witness,
        outcome,
        evidence,
        cutter.decisions,
        witness.walls,
        faces.pairs,
        faces,
    )
