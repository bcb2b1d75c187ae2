"""`facet_walk`: from region to region through true facets, breadth first, from any start.

The regions met are complete when every true facet of every one of them leads to one of them,
because the domain is connected and regions meet face to face. Whether a wall is a facet is settled
by a point outside this wall and inside all others, or by a Farkas vector: in certified float64
(rays first, then LPs from the basis of the region's centre), else in rationals. What lies behind a
facet is read off without evaluating the network: hinges on the facet's hyperplane take its other
side, all others keep their sign there. Any dimension, any depth, any degeneracy; coordinates that
no hinge depends on are left out. Memory holds one code and one witness per region. Cost: about one
small LP per region and redundant wall.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray, RationalArray
from exact.errors import EngineDefect
from exact.geometry.budgets import Stopped, Watch
from exact.geometry.domains.base import CurveDomain, Flat
from exact.geometry.polyhedra.halfspace import Halfspace, Point, float_rows, point_of_floats
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.essential_slices import EssentialSlice, constant
from exact.regions.polytopes.refusals import flat_refusal
from exact.regions.polytopes.walls.facets import region_halfspaces

Integers = np.ndarray[Any, np.dtype[np.int64]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_CACHE = 5_000  # cells of earlier layers whose next layer is kept


@dataclass(frozen=True)
class _Layer:
    """A hidden layer on the cell of one code of the layers before it.

    `sides` numbers the halfspace `breakpoint exceeded` of each hinge among `_Sides`, -1 for a
    constant; `constant` are the bits of the constants. `rows` are the halfspaces in floats.
    """

    cursor: Cursor
    z: RationalArray
    sides: Integers
    constant: Bytes
    rows: FloatArray

    def __len__(self) -> int:
        return len(self.sides)


class _Sides:
    """Halfspaces by number: equal ones have equal numbers, opposite ones differ in the last bit."""

    def __init__(self) -> None:
        self.halfspaces: list[Halfspace] = []
        self._numbers: dict[Halfspace, int] = {}

    def number(self, halfspace: Halfspace) -> int:
        """The number of a halfspace, a new one if need be."""
        found = self._numbers.get(halfspace)
        if found is None:
            found = len(self.halfspaces)
            self.halfspaces += [halfspace, halfspace.opposite]
            self._numbers[halfspace], self._numbers[halfspace.opposite] = found, found + 1
        return found

    def layer(self, cursor: Cursor | None) -> _Layer | None:
        """The layer in front of a cursor."""
        if cursor is None:
            return None
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        halfspaces = layer_halfspaces(cursor, z)
        numbers = [-1 if h.is_constant else self.number(h) for h in halfspaces]
        constant = [h.is_constant and h.offset > 0 for h in halfspaces]
        return _Layer(
            cursor,
            z,
            np.array(numbers, dtype=np.int64),
            np.array(constant, dtype=np.uint8),
            float_rows(halfspaces, z.ncols() - 1),
        )


@dataclass(frozen=True)
class _Walls:
    """The distinct walls of a region by number, the domain's first; the same in floats; and the
    hinges on each.
    """

    sides: list[int]
    rows: FloatArray
    hinges: list[list[int]]


class FacetWalk(Engine):
    """Breadth-first walk over true facets; complete unless the budget or the radius ends first."""

    name = "facet_walk"

    def refusal(self, problem: Problem) -> Refusal | None:
        return flat_refusal(problem)

    def cost(self, problem: Problem) -> float:
        if isinstance(problem.domain, CurveDomain):
            return inf  # the engines for curves tell the crossings too
        return 450.0

    def run(self, job: Job) -> FlatCells:
        flat = job.problem.flat
        try:
            start = strict_feasibility(flat.walls, flat.dim, job.watch)
        except Stopped:
            return no_cells(job.network.hinge_count)
        if isinstance(start, Farkas):
            return empty_cells(job.network.hinge_count, start)
        return self.explore(job, start.point, None)

    def explore(self, job: Job, start: Point, radius: int | None) -> FlatCells:
        """The regions within `radius` facets (None: all) of the one at a point strictly inside the
        domain.

        A start on a boundary stands for the region that a generic infinitesimal step leads to.
        """
        walk = _Walk(job, job.problem.flat, start)
        walk.run(radius)
        return walk.cells()


class _Walk:
    """The regions found so far: codes (one byte per hinge), witnesses, facets crossed, and the
    queue.
    """

    def __init__(self, job: Job, whole: Flat, start: Point) -> None:
        from exact.kernels import feasibility

        self.kernel, self.job, self.network = feasibility, job, job.network
        self.chart = EssentialSlice(job.network, whole, start)
        self.flat = self.chart.flat
        self.edge_rows = float_rows(list(dict.fromkeys(self.flat.walls)), self.flat.dim)
        self._forget()
        self.index: dict[bytes, int] = {}
        self.codes: list[bytes] = []
        self.witnesses: list[FloatArray | Point | None] = []
        self.facets: list[tuple[int, ...] | None] = []
        self.pairs: list[tuple[int, int]] = []
        self.waiting: dict[int, dict[Halfspace, int]] = {}
        self.queue: deque[tuple[int, int]] = deque()
        self.leading_out, self.outermost = 0, 0
        self.decisions = {"facets": 0, "redundant": 0, "filter": 0, "exact": 0}

    def _forget(self) -> None:
        """Start with no layer and no halfspace known."""
        self.sides, self.layers = _Sides(), dict[bytes, _Layer]()
        self.edges = [self.sides.number(wall) for wall in dict.fromkeys(self.flat.walls)]
        self.first = self.sides.layer(
            begin(self.network, self.flat.state(), constant(self.flat.dim))
        )

    def run(self, radius: int | None) -> None:
        """Walk until every facet is crossed, or the budget or the radius is reached."""
        if self.job.out_of_budget(0):
            self.leading_out = 1
            return
        self._add(self._code_beside(self.chart.inside(self.chart.start)), 0)
        while self.queue and self.queue[0][1] != radius:
            try:
                self._expand(*self.queue[0])
            except Stopped:
                return
            self.queue.popleft()
            if self.job.out_of_budget(len(self.codes) - len(self.queue)):
                return
        self.outermost = len(self.queue)

    def cells(self) -> FlatCells:
        """The result; what was found but not looked behind gets a witness when asked for."""
        hinges = self.network.hinge_count
        bits = np.frombuffer(b"".join(self.codes), dtype=np.uint8).reshape(len(self.codes), hinges)
        whole = not self.queue and not self.leading_out
        pairs = self._pairs if whole else None
        outcome = Outcome.COMPLETE if whole else Outcome.BUDGET_REACHED
        return FlatCells(
            np.packbits(bits, axis=1),
            hinges,
            self._witness,
            outcome,
            self._evidence(whole),
            self.decisions,
            self._facet_walls,
            pairs,
        )

    def _evidence(self, whole: bool) -> str:
        crossed = len(self.codes) - len(self.queue)
        if whole:
            return (
                f"closed under facets: each of the {len(self.pairs)} pairs of regions that share "
                f"one was met, no true facet of "
                f"the {crossed} regions leads elsewhere, and the domain is connected"
            )
        if self.outermost and not self.leading_out:
            return (
                f"all regions within a number of facets of the start: every true facet of "
                f"{crossed} regions was crossed, and "
                f"the {self.outermost} regions farthest away were not looked behind"
            )
        return (
            f"stopped early: {self.leading_out} facets lead to regions left out, and "
            f"{len(self.queue)} regions found were "
            "not looked behind"
        )

    def _pairs(self) -> IndexArray:
        return np.array(self.pairs, dtype=np.int64).reshape(-1, 2)

    def _witness(self, region: int) -> Point:
        found = self.witnesses[region]
        if found is None:
            found = self.witnesses[region] = self._centre(self._walls(self.codes[region]))
        point = found if isinstance(found, tuple) else point_of_floats(found)
        return point if self.flat is self.chart.whole else self.chart.outside(point)

    def _facet_walls(self, region: int) -> tuple[Halfspace, ...]:
        """The domain's walls, and the facets between regions (of a region not expanded: all its
        walls).
        """
        code, facets = self.codes[region], self.facets[region]
        sides = region_halfspaces(self.network, self.chart.whole, [bool(bit) for bit in code])
        numbers = range(len(code)) if facets is None else facets
        inside = [
            sides[k] if code[k] else sides[k].opposite for k in numbers if not sides[k].is_constant
        ]
        return tuple(dict.fromkeys([*self.chart.whole.walls, *inside]))

    def _add(self, code: bytes, distance: int) -> int:
        region = self.index[code] = len(self.codes)
        self.codes.append(code)
        self.witnesses.append(None)
        self.facets.append(None)
        self.queue.append((region, distance))
        return region

    def _is_full(self) -> bool:
        limit = self.job.most
        return limit is not None and len(self.codes) >= limit

    def _expand(self, region: int, distance: int) -> None:
        """Find the facets of a region and cross them; raises Stopped before it changes anything."""
        if len(self.layers) > _CACHE:
            self._forget()
        walls = self._walls(self.codes[region])
        known = {
            self.sides.number(wall): other for wall, other in self.waiting.get(region, {}).items()
        }
        self.witnesses[region], facets = self._facets(walls, known)
        self.waiting.pop(region, None)
        self.facets[region] = tuple(sorted({walls.hinges[i][0] for i in facets}))
        for i in facets:
            neighbour = known.get(walls.sides[i])
            if neighbour is None:
                self._cross(region, distance, walls.sides[i], walls.hinges[i])
            else:
                self.pairs.append((neighbour, region))

    def _cross(self, region: int, distance: int, wall: int, hinges: Sequence[int]) -> None:
        code = self._behind(self.codes[region], wall, hinges)
        neighbour = self.index.get(code)
        if neighbour is None:
            if self._is_full():
                self.leading_out += 1
                return
            neighbour = self._add(code, distance + 1)
        self.waiting.setdefault(neighbour, {})[self.sides.halfspaces[wall ^ 1]] = region

    def _facets(self, walls: _Walls, known: Container[int]) -> tuple[FloatArray | Point, list[int]]:
        """A witness of a region, and the numbers of its walls inside the domain that are facets."""
        edges, size = len(self.edges), len(walls.sides)
        found = np.array([int(side in known) for side in walls.sides], dtype=np.int64)
        open_before = int(np.count_nonzero(found[edges:] == 0))
        x = np.empty(self.flat.dim)
        status = self.kernel.sort_walls(walls.rows, edges, x, found, self.job.watch.alarm)
        self.job.watch.check()
        witness: FloatArray | Point = x
        if status != self.kernel.OPEN:
            witness = self._inside(walls, self.job.watch)
            found[found == 0] = self.kernel.UNDECIDED
        undecided = [i for i in range(edges, size) if found[i] == self.kernel.UNDECIDED]
        for i in undecided:
            found[i] = 1 if self._is_facet(walls, i) else 2
        self._count(
            exact=len(undecided),
            filter=open_before - len(undecided),
            redundant=int(np.count_nonzero(found == 2)),
            facets=int(np.count_nonzero(found[edges:] == 1)),
        )
        return witness, [i for i in range(edges, size) if found[i] == 1]

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            self.decisions[name] += number

    def _is_facet(self, walls: _Walls, index: int) -> bool:
        """Whether some point is outside one wall and inside all others; the segment to the region
        crosses a facet then.
        """
        sides = [side ^ int(i == index) for i, side in enumerate(walls.sides)]
        rows = [self.sides.halfspaces[i] for i in sides]
        return isinstance(strict_feasibility(rows, self.flat.dim, self.job.watch), Interior)

    def _centre(self, walls: _Walls) -> FloatArray | Point:
        """A witness alone."""
        x, found = np.empty(self.flat.dim), np.ones(len(walls.sides), dtype=np.int64)
        if (
            self.kernel.sort_walls(walls.rows, len(found), x, found, np.zeros(1, dtype=np.int64))
            == self.kernel.OPEN
        ):
            return x
        return self._inside(walls)

    def _inside(self, walls: _Walls, watch: Watch | None = None) -> Point:
        rows = [self.sides.halfspaces[i] for i in walls.sides]
        found = strict_feasibility(rows, self.flat.dim, *([] if watch is None else [watch]))
        if not isinstance(found, Interior):
            raise EngineDefect("a facet leads to an empty region", value=found)
        return found.point

    def _walls(self, code: bytes) -> _Walls:
        """The walls of the region with a code."""
        layers = list(self._layers(code))
        if not layers:
            return _Walls(list(self.edges), self.edge_rows.copy(), [[] for _ in self.edges])
        on = np.concatenate([layer.sides for layer in layers])
        bits = np.frombuffer(code, dtype=np.uint8)
        moving = np.flatnonzero(on >= 0)
        hinges: dict[int, list[int]] = {side: [] for side in self.edges}
        for number, side in zip(moving.tolist(), (on ^ (bits == 0))[moving].tolist(), strict=True):
            hinges.setdefault(side, []).append(number)
        picked = [numbers[0] for numbers in list(hinges.values())[len(self.edges) :]]
        rows = (
            np.concatenate([layer.rows for layer in layers])[picked]
            * (bits[picked] * 2.0 - 1.0)[:, None]
        )
        return _Walls(list(hinges), np.concatenate([self.edge_rows, rows]), list(hinges.values()))

    def _layers(self, code: bytes) -> Iterator[_Layer]:
        """The layers on the region with a code (of a code that is being written: on its
        beginning).
        """
        layer, end = self.first, 0
        while layer is not None:
            yield layer
            end += len(layer)
            layer = self._after(layer, code[:end])

    def _after(self, layer: _Layer, before: bytes) -> _Layer | None:
        """The layer behind one on which the bits are the last of `before`."""
        if layer.cursor.is_last_hidden:
            return None
        if before not in self.layers:
            bits = [bool(bit) for bit in before[len(before) - len(layer) :]]
            following = self.sides.layer(advance(layer.cursor, layer.z, bits))
            assert following is not None
            self.layers[before] = following
        return self.layers[before]

    def _behind(self, code: bytes, wall: int, hinges: Sequence[int]) -> bytes:
        """The code behind a facet: hinges on its hyperplane take its outer side, constants their
        own, others keep theirs.
        """
        there, layer, start = np.frombuffer(code, dtype=np.uint8).copy(), self.first, 0
        there[hinges] ^= 1
        while layer is not None:
            end = start + len(layer)
            if start > hinges[0]:
                piece = there[start:end]
                piece[:] = np.frombuffer(code, dtype=np.uint8)[start:end]
                piece[layer.sides == wall] = 0
                piece[layer.sides == wall ^ 1] = 1
                piece[layer.sides < 0] = layer.constant[layer.sides < 0]
            layer, start = self._after(layer, there[:end].tobytes()), end
        return there.tobytes()

    def _code_beside(self, point: Point) -> bytes:
        """The code at `point + e_1 t + e_2 t^2 + ...` for small t > 0: signs are lexicographic in
        (value, normal).
        """
        code, layer = bytearray(), self.first
        while layer is not None:
            for side, bit in zip(layer.sides.tolist(), layer.constant.tolist(), strict=True):
                code.append(bit if side < 0 else _is_on_beside(self.sides.halfspaces[side], point))
            layer = self._after(layer, bytes(code))
        return bytes(code)


def _is_on_beside(halfspace: Halfspace, point: Point) -> bool:
    return next(x for x in (halfspace.value(point), *halfspace.normal) if x != 0) > 0
