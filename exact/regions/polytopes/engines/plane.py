"""`subdivision` in the plane by one compiled call: a bounded polygon, ReLUs, general position.

`exact.kernels.plane_regions` cuts the polygon by all layers, and ends early as soon as a sign is
open to floats: at every zero, wherever three lines meet, two coincide or a pre-activation vanishes
on an open set. The general engine does these jobs then. What it found otherwise is the whole
complex as half-edges; exact vertices, witnesses and walls are made from their lines when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.errors import EngineDefect
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.kernels import plane_regions
from exact.kernels.plane_regions import Mesh
from exact.networks.activations import ReLU
from exact.networks.network import Network
from exact.regions.cells import Outcome
from exact.regions.engine import Job
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.exact_vertices import ExactVertices, Witnesses

_MOST_CELLS = 2**20  # half a second: nothing interrupts the call
_PER_SECOND = 20_000  # cells that take a fiftieth of the time that is left
_BYTES = 1_000  # a cell may take while it is cut
# networks of so few hinges rarely have more cells than so many, which fit wherever Python runs
_FEW_HINGES, _SMALL = 200, 2**15


def cells_by_one_call(job: Job, chain: Network | None = None) -> FlatCells | None:
    """The cells of a job in the plane, or None where the general engine has to do it: other
    networks and domains, a sign that floats leave open, more cells than a call without a pause
    should make. `chain` is the network as a chain where the job has it as a graph. Raises
    EngineDefect where a cut does not close, which no proved signs can cause.
    """
    flat, network = job.problem.flat, job.network if chain is None else chain
    # first the polygon: weights are copied only where there is one to cut
    polygon = flat.polygon if _is_wanted(job) else None
    values = None if polygon is None else _values(network)
    if values is None or polygon is None:
        return None
    rows, norms = flat.float_state
    for most in _limits(job):
        why, mesh, codes, first, begins = plane_regions.cut_by_layers(
            *values, rows, norms, polygon.corners, polygon.rows, most
        )
        if why != plane_regions.FULL:
            break
    if why == plane_regions.BROKEN:
        raise EngineDefect("a cut through a cell does not close", value=f"{len(values[1])} layers")
    if why != plane_regions.DONE:
        return None
    cut = PlaneCut(network, flat, polygon.walls, mesh, codes, first, begins)
    signs = int(mesh.n[plane_regions.SIGNS])
    evidence = (
        "the 2-cells fill the domain: each cut keeps both halves of every face, and all "
        f"{signs:,} signs are proved, in one pass by floats alone"
    )
    return FlatCells(
        codes,
        network.hinge_count,
        cut.witness,
        Outcome.COMPLETE,
        evidence,
        {"filter": signs, "exact": 0},
        cut.walls,
        cut.pairs,
        PlaneFaces(cut),
        adjacency=cut.adjacency,
    )


def _is_wanted(job: Job) -> bool:
    return job.problem.flat.dim == 2 and job.progress is None and job.device == "cpu"


def _values(network: Network) -> tuple[FloatArray, IndexArray] | None:
    """Weights and biases of all hidden layers behind one another, and the widths; None for a
    network of other parts than affine maps with ReLU, and for weights that are no floats.
    """
    hidden = network.hidden_layers
    if not hidden or any(block.residual or block.norm is not None for block in network.blocks):
        return None
    parts = list[FloatArray]()
    for layer, same in zip(hidden, network.layers, strict=False):
        if layer is not same or type(layer.activation) is not ReLU:
            return None
        weight, bias = layer.weight, layer.bias
        if not (weight.is_float and bias.is_float):
            return None
        parts += [weight.float64().ravel(), bias.float64().ravel()]
    return np.concatenate(parts), np.array([layer.width for layer in hidden])


def _limits(job: Job) -> Iterator[int]:
    """How many cells a call may make at most; first so many as fit anywhere, where these suffice as
    a rule.
    """
    most = float(_MOST_CELLS if job.most is None else min(_MOST_CELLS, job.most))
    if job.budget.seconds is not None:
        most = min(most, job.watch.seconds_left * _PER_SECOND)
    few = job.budget.bytes is None and job.network.hinge_count <= _FEW_HINGES
    if few:
        yield int(min(most, _SMALL))
    if not few or most > _SMALL:
        yield int(min(most, job.watch.most_bytes / _BYTES))


class PlaneCut:
    """The cells of a polygon that one call has cut, in canonical order, as half-edges; all else is
    made when asked for.
    """

    def __init__(
        self,
        network: Network,
        flat: Flat,
        walls: tuple[Halfspace, ...],
        mesh: Mesh,
        codes: ByteArray,
        first: IndexArray,
        begins: IndexArray,
    ) -> None:
        self._network, self._flat, self._walls = network, flat, walls
        self._mesh, self._codes, self._first, self._begins = mesh, codes, first, begins

    @property
    def vertex_count(self) -> int:
        """The number of vertices."""
        return len(self._mesh.at)

    @cached_property
    def exact(self) -> ExactVertices:
        """Lines and vertices in rationals: a line is a form on any cell at one of its edges, whose
        code begins with that of the cell that it cut.
        """
        mesh, found = self._mesh, ExactVertices(self._network, self._flat)
        found.planes = lambda vertex: mesh.through[vertex]
        found.add_walls([(wall.coefficients, 0) for wall in self._walls])
        beside, bit0 = np.zeros(len(mesh.hinge), np.int64), 0
        beside[mesh.on] = mesh.half[::2, plane_regions.CELL]
        for layer, bits in enumerate(self._network.bits_per_layer):
            first, end = int(self._begins[layer]), int(self._begins[layer + 1])
            if first < end:
                lines = slice(first, end)
                found.add_hinges(first, layer, beside[lines], mesh.hinge[lines], self._codes, bit0)
            bit0 += bits
        return found

    @cached_property
    def _around(self) -> tuple[IndexArray, IndexArray, IndexArray]:
        return plane_regions.around(self._mesh.half, self._first)

    @cached_property
    def boundary(self) -> dict[int, Incidence]:
        """The ends of every edge, and the edges of every cell."""
        origins = self._mesh.half[:, plane_regions.ORIGIN].astype(np.int64)
        starts, members, _ = self._around
        return {
            1: Incidence(np.arange(0, len(origins) + 1, 2), origins),
            2: Incidence(starts, members >> 1),
        }

    @cached_property
    def corners(self) -> Incidence:
        """The vertices of every cell."""
        starts, _, corners = self._around
        return Incidence(starts, corners)

    def facet_planes(self) -> IndexArray:
        """The line of every edge."""
        return self._mesh.on

    def positions(self) -> FloatArray:
        """The float coordinates of the vertices."""
        return self._mesh.at[:, :2]

    def enclosed(self) -> tuple[FloatArray, FloatArray]:
        """The float coordinates of the vertices, and how far each may be off."""
        return self._mesh.at[:, :2], self._mesh.at[:, 2]

    @cached_property
    def _witnesses(self) -> Witnesses:
        return Witnesses(self.exact, PlaneFaces(self), self, self._codes)

    def witness(self, region: int) -> Point:
        """A point strictly inside a region, homogeneous."""
        return self._witnesses(region)

    def walls(self, region: int) -> tuple[Halfspace, ...]:
        """The halfspaces of the facets of a region."""
        return self._witnesses.walls(region)

    def pairs(self) -> IndexArray:
        """Every two regions that share an edge."""
        cells = self._mesh.half[:, plane_regions.CELL].reshape(-1, 2)
        return cells[(cells >= 0).all(axis=1)].astype(np.int64)

    def adjacency(self) -> Adjacency:
        """Which regions share an edge, and the hinge that flips there."""
        bits = np.array(self._network.bits_per_layer)
        starts, cells, flips = plane_regions.neighbours(self._mesh, self._first, self._begins, bits)
        return Adjacency(starts, cells, Incidence(np.arange(len(flips) + 1), flips))


class PlaneFaces(FaceComplex):
    """The complex of a cut polygon; its tables are made when first asked for."""

    _cut: PlaneCut

    def __init__(self, cut: PlaneCut) -> None:
        own = {"dim": 2, "vertex_count": cut.vertex_count, "vertex": self._vertex, "_cut": cut}
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def _vertex(self, index: int) -> SymbolicPoint:
        return self._cut.exact.point(index)

    @property
    def boundary(self) -> dict[int, Incidence]:
        """What bounds what."""
        return self._cut.boundary

    @property
    def corners(self) -> Incidence:
        """The vertices of every region."""
        return self._cut.corners

    def enclosed(self) -> tuple[FloatArray, FloatArray] | None:
        """The vertices as floats, and bounds on their distances from the exact ones."""
        return self._cut.enclosed()
