"""`skeleton`: keep vertices and edges only, cut them neuron by neuron, and read off cells and
facets at their lowest vertices.

In front of a hidden layer every pre-activation is affine on every cell. Its signs at all vertices
come from one float64 pass with a proved error bound; edges whose ends have different signs get a
new vertex, solved for from its d hyperplanes, and new vertices are joined within the 2-faces that
are cut (`exact.kernels.skeleton`). At the end a direction makes every edge rise at one end: each
cell and each facet has one vertex from which all its edges rise, and is read off there. Signs and
heights that floats leave open are decided by exact coordinates. Cost: linear in the vertices, of
which there are about as many as regions; no face between edge and region is ever made.

That needs a simple complex: d hinges and walls through every vertex, no more. Where a zero shows
that the network's is not, that of another network is cut: the hinges, in the order in which they
cut, are moved by b_1 << b_2 << ... << 1, each an infinitesimal larger than all products of earlier
ones with numbers. Moving offsets leaves every normal as it is, so that a vertex moves linearly in
them, and the sign at it of the hinge that cuts next is that of the network where this is not zero,
and else the side to which the hinge is moved: no infinitesimal is ever computed. So a vertex lies
on no hinge but its own, by choice: the complex is simple, and the fan at a point where more hinges
meet is one of the moved network's, in as many vertices as that takes.

What is asked for is the limit. A cell of full dimension in the limit is a region, with its code,
as strict signs at a point inside survive; and every region is one, if a hinge that vanishes on a
whole cell in front of its layer is moved so that it is off there. A facet of a region is one of its
cell's that keeps dimension d - 1; behind it lies a region, or cells between coincident hinges that
have dimension d - 1 themselves and one facet on either side, through which the neighbour is found.
No other hinge ends within such a facet: what vanishes at a point inside it vanishes all along.
Dimensions are counted without coordinates, from what every vertex touches.
A hinge moves to the side on which it cuts fewer edges. [Edelsbrunner and Mücke 1990, whose
simulation of simplicity stops in front of the limit.]

Moved hinges that met in one point make a cell for every C(n, d) of them, where there were
2 C(n - 1, d - 1): few where few meet. Where all meet, in networks without biases, cones are cut one
dimension lower (`cones`). Hinges that are multiples of each other count once. A job that may list
only a part of the regions, of many more, is done by `subdivision`, which can drop cells; the
evidence says so.

All of R^d is a parallelepiped of size K, a symbol larger than every number, with generic integer
walls: a vertex is `p + K q`, and signs are lexicographic in (q, p).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np

from exact.arithmetic.arrays import ByteArray
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.numbers import FloatArray
from exact.errors import TooLarge, require
from exact.geometry.budgets import Stopped
from exact.geometry.combinatorics.codes import code_keys, in_canonical_order, renumber
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import CurveDomain, Flat
from exact.geometry.polyhedra.faces import (
    FaceComplex,
    Located,
    SymbolicPoint,
    with_regions_reordered,
)
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.networks.network import Network
from exact.propagation.bounds import arrangement_bound
from exact.propagation.enclosures import PointWalk, Stage, stages
from exact.propagation.region_maps import MapWalk
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.balance import balanced
from exact.regions.polytopes.engines.cones import cells_of_cones, is_made_of_cones
from exact.regions.polytopes.engines.edge_cutting import EdgeCutter, TooMany
from exact.regions.polytopes.engines.exact_vertices import ExactVertices
from exact.regions.polytopes.engines.grains import denominators
from exact.regions.polytopes.engines.kept_facets import KeptFacets
from exact.regions.polytopes.engines.subdivision import MAX_DIM, Subdivision, unfinished
from exact.regions.polytopes.refusals import flat_refusal
from exact.regions.polytopes.walls.simple_vertices import SimpleVertices

COSTS = (0.5, 1.0, 2.0, 2.5, 3.0, 4.5, 6.5, 15.0, 40.0)
"""Microseconds a region, by dimension, measured on random networks in a box."""
START, START_OF_CONES, FEW_DIMENSIONS = (1000.0, 1000.0, 1000.0, 4000.0, 1000.0), 5000.0, 4
"""Microseconds that starting takes longer than that of `subdivision`, by dimension (in R^3 boxes
hold few of the regions that the bound allows), and where cones are cut twice; in more dimensions
they are made up for by a few regions.
"""
LEFT = "left to subdivision"
"""What `decisions` counts for a job that was done by `subdivision`."""
_PART, _TIMES, _SPARE = 10**7, 8, 2**14
"""A job that may list fewer regions than `_PART` is left to `subdivision` where it has more than
`_TIMES` as many vertices, and `_SPARE`.
"""


class Skeleton(Engine):
    """Vertices and edges only, in low dimension; complete unless the budget ends first."""

    name = "skeleton"

    def refusal(self, problem: Problem) -> Refusal | None:
        reason = flat_refusal(problem)
        if reason is None and problem.flat.dim > MAX_DIM:
            fact = f"dimension {problem.flat.dim} is above {MAX_DIM}, where 2^d cells meet"
            return Refusal(fact, of_size=True)
        return reason

    def cost(self, problem: Problem) -> float:
        if isinstance(problem.domain, CurveDomain):
            return inf  # the engines for curves tell the crossings too
        return COSTS[problem.flat.dim] + _start(problem)

    def bytes_per_region(self, problem: Problem) -> float:
        return 60.0 * problem.flat.dim + (problem.network.hinge_count + 7) // 8

    def run(self, job: Job) -> FlatCells:
        network, flat = job.network, job.problem.flat
        try:
            if is_made_of_cones(network, flat):
                cells = cells_of_cones(network, flat, lambda plane: _enumerated(job, plane))
                if not len(cells) and cells.outcome is Outcome.COMPLETE:
                    return _empty(network, flat)
            else:
                cells, _ = _enumerated(job, flat)
        except TooMany:
            return _with_all_faces(job)
        if cells.outcome is Outcome.COMPLETE and cells.empty is None:
            return _within_budget(job, cells)
        return cells


def _start(problem: Problem) -> float:
    """What starting costs beyond `subdivision`, a region: of weight where hinges are few."""
    dim, hinges = problem.flat.dim, problem.network.hinge_count
    most = START_OF_CONES / arrangement_bound(hinges, dim)
    if dim > FEW_DIMENSIONS or most < 1.0:
        return 0.0
    of_cones = is_made_of_cones(problem.network, problem.flat)
    return min(3.0**dim, most if of_cones else most * START[dim] / START_OF_CONES)


def _with_all_faces(job: Job) -> FlatCells:
    """Where a part of the regions is wanted, of many more: dropping cells needs their faces."""
    cells = Subdivision().run(job)
    return replace(
        cells,
        evidence=f"a part of the regions is wanted, so all faces were kept: {cells.evidence}",
        decisions={**cells.decisions, LEFT: 1},
    )


def _empty(network: Network, flat: Flat) -> FlatCells:
    proof = strict_feasibility(flat.walls, flat.dim)
    require(isinstance(proof, Farkas), "no vertex is left inside the walls", proof)
    assert isinstance(proof, Farkas)
    return empty_cells(network.hinge_count, proof)


def _within_budget(job: Job, cells: FlatCells) -> FlatCells:
    """All regions with their faces, or as many as are wanted, the first ones."""
    if job.progress is not None:
        job.progress(len(cells))
    if job.most is None or len(cells) <= job.most:
        return replace(cells, faces=LatticeFaces(job.problem, cells.codes))
    most, pairs = job.most, np.zeros((0, 2), np.int64) if cells.pairs is None else cells.pairs()
    return replace(
        cells,
        codes=cells.codes[:most],
        pairs=lambda: pairs[(pairs < most).all(axis=1)],
        adjacency=None,
        outcome=Outcome.BUDGET_REACHED,
        evidence=f"stopped early: {most:,} regions of {len(cells):,} are listed",
    )


def _enumerated(job: Job, flat: Flat) -> tuple[FlatCells, bool]:
    """All cells, without faces; those read at points when the watch is up. And whether a hinge may
    be constant on a cell that reaches infinity. Raises TooMany.
    """
    network = job.network
    exact = ExactVertices(network, flat)
    few = job.most is not None and job.most < _PART
    try:
        cutter = EdgeCutter(flat, network.bits_per_layer, exact, job.watch, job.workers)
        cutter.most = _SPARE + _TIMES * job.most if job.most is not None and few else None
        if not cutter.inside_walls():
            return _empty(network, flat), False
        walk = balanced(stages(network, flat))
    except Stopped:
        return no_cells(network.hinge_count), True
    points, maps = PointWalk(walk, job.device), MapWalk(walk, flat.dim, job.watch, job.workers)
    try:
        _cut_layers(job, cutter, walk, points, maps)
        codes, place = in_canonical_order(cutter.codes(), job.workers)
        edges, pairs = cutter.edge_facets(), cutter.pairs()
    except Stopped:
        return unfinished(job, flat, cutter, points), True
    renumber(pairs, place, job.workers)
    if edges is not None:
        renumber(edges[:, :1], place, job.workers)
    view = KeptFacets(network, flat, codes, pairs, edges, exact.walls, job.threads)
    cells = FlatCells(
        codes,
        network.hinge_count,
        view.witness,
        Outcome.COMPLETE,
        _evidence(cutter, len(codes)),
        cutter.decisions,
        view.walls,
        view.pairs,
        adjacency=view.adjacency,
        simple=_Again(job.problem, flat, job.device, job.threads) if cutter.is_simple else None,
    )
    return cells, points.is_level


def _cut_layers(
    job: Job, cutter: EdgeCutter, walk: list[Stage], points: PointWalk, maps: MapWalk
) -> None:
    every = zip(job.network.hidden_layers, walk, denominators(walk), strict=True)
    for number, (layer, stage, grain) in enumerate(every):
        count = cutter.cut_layer(number, layer, stage, points, maps, grain)
        if job.progress is not None:
            job.progress(count)


@dataclass(frozen=True)
class _Again:
    """The vertices of a simple complex, cut once more when they are asked for, since they take
    several times what is kept; None where there is no room for them any more.
    """

    problem: Problem
    flat: Flat
    device: str
    threads: int

    def __call__(self) -> SimpleVertices | None:
        job = Job(self.problem, self.device, threads=self.threads)
        exact = ExactVertices(job.network, self.flat)
        try:
            bits = job.network.bits_per_layer
            cutter = EdgeCutter(self.flat, bits, exact, job.watch, job.workers)
            require(cutter.inside_walls(), "a domain with regions has vertices", self.flat)
            walk = balanced(stages(job.network, self.flat))
            maps = MapWalk(walk, self.flat.dim, job.watch, job.workers)
            with one_thread():
                _cut_layers(job, cutter, walk, PointWalk(walk, job.device), maps)
            return cutter.simple()
        except Stopped:
            return None
        finally:
            job.workers.close()
            job.watch.close()


def _evidence(cutter: EdgeCutter, cells: int) -> str:
    told = f"each of {cells:,} cells and each facet was read off at its lowest vertex"
    if (slivers := cutter.slivers) is None:
        return f"{told}; all {cutter.cell_count:,} vertices are simple"
    return (
        f"{told}, {slivers.fans:,} cells at vertices that are not simple, whose fans were resolved "
        f"by hinges moved by infinitesimals; {slivers.vanished:,} cells that vanish with these "
        "were left out"
    )


class LatticeFaces(FaceComplex):
    """The complex of all faces, cut by `subdivision` when it is first asked for."""

    _problem: Problem
    _codes: ByteArray

    def __init__(self, problem: Problem, codes: ByteArray) -> None:
        own = {"dim": problem.flat.dim, "_problem": problem, "_codes": codes}
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @cached_property
    def _cut(self) -> FlatCells:
        cells = Subdivision().run(Job(self._problem))
        if cells.outcome is not Outcome.COMPLETE or cells.faces is None:
            raise TooLarge(
                "the complex of all faces does not fit",
                value=cells.evidence,
                remedy="ask for codes, adjacency and witnesses, which need no faces",
            )
        return cells

    @cached_property
    def _made(self) -> FaceComplex:
        assert self._cut.faces is not None
        place = np.argsort(code_keys(self._cut.codes), kind="stable")
        order = np.empty(len(place), np.int64)
        order[np.argsort(code_keys(self._codes), kind="stable")] = place
        return with_regions_reordered(self._cut.faces, order)

    def enclosed(self) -> tuple[FloatArray, FloatArray] | None:
        """The vertices as floats, and bounds on their distances from the exact ones."""
        assert self._cut.faces is not None
        return self._cut.faces.enclosed()

    def located(self) -> Located | None:
        """All vertices as floats, those of unbounded complexes too."""
        assert self._cut.faces is not None
        return self._cut.faces.located()

    @property
    def boundary(self) -> dict[int, Incidence]:
        """What bounds what."""
        return self._made.boundary

    @property
    def corners(self) -> Incidence:
        """The vertices of every region."""
        return self._made.corners

    @property
    def vertex_count(self) -> int:
        """The number of vertices."""
        return self._made.vertex_count

    def vertex(self, index: int) -> SymbolicPoint:
        """A vertex, exactly."""
        return self._made.vertex(index)
