"""`subdivision`: keep the polyhedral complex of vertices, edges, ..., cells, and cut it neuron by
neuron.

In front of a hidden layer every pre-activation is affine on every cell. Its signs at all vertices
of the complex come from one float64 pass with a proved error bound; a cell is cut by the neurons
that have both signs on its vertices. The cutting is combinatorial (`exact.kernels.splitting`),
needs nothing but signs -1, 0, +1, and handles zeros on vertices, edges, faces and whole cells. (In
the plane :mod:`exact.regions.polytopes.engines.plane` comes first, for what is in general
position.) A
new vertex is solved for from the d hyperplanes that define it, so errors do not pile up. Signs that
floats leave open are decided by exact coordinates. Cost: linear in the complex, about 2^d faces a
region.

All of R^d is the cube [-K, K]^d for a symbol K larger than every number: a vertex is `p + K q`, and
signs are lexicographic in (q, p). Every region of R^d meets that cube, and regions share a facet in
it iff they do in R^d.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from math import inf
from typing import Protocol

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.numbers import FloatArray, Rational
from exact.errors import require
from exact.geometry.budgets import Stopped
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import CurveDomain, Flat
from exact.geometry.polyhedra.faces import FaceComplex, Located
from exact.geometry.polyhedra.halfspace import Point, float_rows, is_inside, point_of_floats
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.networks.network import Network
from exact.propagation.cursor import advance, begin, layer_halfspaces
from exact.propagation.enclosures import PointWalk, Stage, stages
from exact.propagation.region_maps import MapWalk
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.balance import balanced
from exact.regions.polytopes.engines.cutting import Cutter
from exact.regions.polytopes.engines.exact_vertices import ExactVertices, Witnesses
from exact.regions.polytopes.engines.plane import cells_by_one_call
from exact.regions.polytopes.quantities.complexes import makes_complexes
from exact.regions.polytopes.refusals import flat_refusal
from exact.regions.polytopes.walls.facets import region_walls

MAX_DIM = 8
BYTES_PER_REGION = (100, 200, 300, 1_000, 2_000, 5_000, 11_000, 25_000, 60_000)
"""Half of what the complex of a random layer in a box was measured to take, by dimension."""
_BLOCK = 2**12
_TRIES = 64  # points read exactly where floats read none


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
        at_once = cells_by_one_call(job)
        return _cut_by_hinges(job) if at_once is None else at_once


def _cut_by_hinges(job: Job) -> FlatCells:
    """Cut the cube around the domain by its walls, then by one hinge of one layer after another."""
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
        walk = balanced(stages(network, flat))
    except Stopped:
        return no_cells(job.network.hinge_count)
    points = PointWalk(walk, job.device)
    try:
        whole = _cut(job, cutter, points, MapWalk(walk, flat.dim, job.watch), walk)
    except Stopped:
        return unfinished(job, flat, cutter, points)
    return _cells(job, cutter, vertices, whole)


@makes_complexes
def _complex_of(problem: Problem) -> FlatCells | None:
    """The cells of a flat domain with all their faces; None where there are no faces to keep."""
    is_chain = problem.network.is_chain
    if flat_refusal(problem) is not None or not (is_chain and 1 <= problem.flat.dim <= MAX_DIM):
        return None
    return Subdivision().run(Job(problem))


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


class Unfinished(Protocol):
    """What has been cut when a job ends early."""

    @property
    def cell_count(self) -> int:
        """The cells so far, or as many places as there are to look at."""

    @property
    def decisions(self) -> dict[str, int]:
        """How many signs floats decided, and how many exact coordinates."""

    def middles(self, first: int, count: int) -> FloatArray:
        """Points inside cells `first`, `first + 1`, ... (count x d)."""


def unfinished(job: Job, flat: Flat, cutter: Unfinished, points: PointWalk) -> FlatCells:
    """What there is when time or memory is up: the regions at the middles of the cells that only
    some of the hinges have cut, as many as can be read within the watch's grace.

    No such cell is a region, but every one has points in it, and a point lies in a region: its code
    is read off there, in all layers, by certified floats, and exactly at a few points where those
    leave something open. Different cells lead to different regions as a rule; those that do not are
    told from the codes. Cost: the network at one point a cell.
    """
    hinges = job.network.hinge_count
    codes, at = _distinct(_read(job, flat, cutter, points), (hinges + 7) // 8, flat.dim, job.most)
    evidence = (
        f"stopped early: the codes of {len(codes)} regions were read at points of the "
        f"{cutter.cell_count} cells so far"
    )
    return FlatCells(
        codes,
        hinges,
        lambda i: point_of_floats(at[i]),
        Outcome.BUDGET_REACHED,
        evidence,
        cutter.decisions,
        lambda i: region_walls(
            job.network, flat, np.unpackbits(codes[i], count=hinges).astype(bool).tolist()
        ),
    )


def _distinct(
    found: Iterator[tuple[ByteArray, FloatArray]], width: int, dim: int, most: int | None
) -> tuple[ByteArray, FloatArray]:
    """Every code once, with its point, in the order found."""
    parts = [(np.zeros((0, width), dtype=np.uint8), np.zeros((0, dim))), *found]
    codes, at = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    first = np.sort(np.unique(codes, axis=0, return_index=True)[1])[:most]
    return codes[first], at[first]


def _read(
    job: Job, flat: Flat, cutter: Unfinished, points: PointWalk
) -> Iterator[tuple[ByteArray, FloatArray]]:
    """Packed codes and their points, block by block."""
    end, some = job.watch.grace(), False
    for first in range(0, cutter.cell_count, _BLOCK):
        at = cutter.middles(first, min(_BLOCK, cutter.cell_count - first))
        codes, known = _by_floats(flat, points, at)
        some = some or bool(known.any())
        yield codes[known], at[known]
        if time.monotonic() > end:
            break
    if not some:
        yield from _exactly(
            job.network,
            flat,
            islice(cutter.middles(0, min(_TRIES, cutter.cell_count)), _TRIES),
            end,
        )


def _by_floats(flat: Flat, points: PointWalk, at: FloatArray) -> tuple[ByteArray, np.ndarray]:
    """The codes at points, and where every sign is certain and the point in the domain."""
    from exact.kernels.feasibility import points_inside

    every = points.all_signs(at)
    known = (np.abs(every) == 1).all(axis=1) & points_inside(float_rows(flat.walls, flat.dim), at)
    return np.packbits(every == 1, axis=1), known


def _exactly(
    network: Network, flat: Flat, at: Iterator[FloatArray], end: float
) -> Iterator[tuple[ByteArray, FloatArray]]:
    for place in at:
        bits = _code(network, flat, point_of_floats(place)) if np.isfinite(place).all() else None
        if bits is not None:
            yield np.packbits(np.array(bits, dtype=bool))[None], place[None]
        if time.monotonic() > end:
            return


def _code(network: Network, flat: Flat, point: Point) -> Sequence[bool] | None:
    """The code of the region that a point lies in; None outside the domain and on a boundary."""
    cursor = begin(network, flat.state(), [Rational(0)] * flat.dim + [Rational(1)])
    bits = list[bool]()
    inside = is_inside(flat.walls, point)
    while inside and cursor is not None:
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        halfspaces = layer_halfspaces(cursor, z)
        values = [h.offset if h.is_constant else h.value(point) for h in halfspaces]
        inside = all(x != 0 or h.is_constant for x, h in zip(values, halfspaces, strict=True))
        own = [x > 0 for x in values]
        bits, cursor = [*bits, *own], advance(cursor, z, own)
    return bits if inside else None


class CutFaces(FaceComplex):
    """The complex that a cutter ends with; its tables are made when first asked for."""

    _cutter: Cutter

    def __init__(self, cutter: Cutter, exact: ExactVertices) -> None:
        ids = cutter.vertex_ids
        own = {
            "dim": exact.dim,
            "vertex_count": len(ids),
            "vertex": lambda i: exact.point(int(ids[i])),
            "_cutter": cutter,
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @cached_property
    def boundary(self) -> dict[int, Incidence]:
        """What bounds what."""
        return self._cutter.boundary()

    @cached_property
    def corners(self) -> Incidence:
        """The vertices of every region."""
        return self._cutter.corners()

    def enclosed(self) -> tuple[FloatArray, FloatArray] | None:
        """The vertices as floats, and bounds on their distances from the exact ones."""
        return self.located()[:2] if self._cutter.is_bounded else None

    def located(self) -> Located:
        """The vertices as floats, with bounds and which are at infinity."""
        return self._cutter.located()

    def pairs(self) -> IndexArray:
        """Every two regions that share a facet."""
        return self._cutter.pairs(self.boundary[self.dim])
