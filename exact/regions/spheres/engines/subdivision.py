"""`sphere_subdivision`: any number of hidden layers on a 2-sphere, all cells, arcs and vertices,
exactly.

On a cell of the layers so far the next layer's pre-activations are affine in the coordinates of the
sphere again, so that its hinges are planes there. Every cell is cut on its own: the circles around
it and the planes that may meet it are arranged
(:func:`exact.geometry.circles.arrangement.arrange`), and what lies inside is flooded without
crossing the circles around it, which the cell is on one side of. A plane is left out when certified
floats say that it misses the cell. Then the cells are put together along the arcs they share (see
sphere_tilings). Cost: an arrangement of a few circles for every cell that is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.linear_algebra import Vector, rows_of
from exact.arithmetic.numbers import FloatArray, RationalArray
from exact.errors import EngineDefect
from exact.geometry.budgets import Stopped
from exact.geometry.circles.arrangement import CircleArrangement, arrange_while
from exact.geometry.circles.code_tree import CodeTree
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.propagation.charts import SphereChart, sphere_chart
from exact.propagation.cursor import Cursor, advance
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.spheres.cells import SphereCells
from exact.regions.spheres.engines.pruning import Hulls, float_rows
from exact.regions.spheres.engines.sphere_polytopes import two_sphere_refusal
from exact.regions.spheres.engines.tilings import (
    CutCell,
    Gluing,
    Places,
    Stretch,
    Thing,
    Tiling,
    complex_of,
    polled,
)


class SphereSubdivision(Engine):
    """Several hidden layers on a 2-sphere, any degeneracy.

    Cells of some of the layers are no cells of the network, so a budget that is used up leaves
    none.
    """

    name = "sphere_subdivision"

    def refusal(self, problem: Problem) -> Refusal | None:
        return two_sphere_refusal(problem)

    def cost(self, problem: Problem) -> float:
        return 300.0

    def run(self, job: Job) -> SphereCells:
        chart = sphere_chart(job.network, job.domain)
        cutter = _Cutter(chart)
        room = job.most
        try:
            while cutter.has_layers:
                if not cutter.cut_layer(job) or (room is not None and len(cutter) > room):
                    return _stopped(job, chart, len(cutter))
            return cutter.collected(job)
        except Stopped:
            return _stopped(job, chart, len(cutter))


@dataclass
class _Front:
    """The network on all cells with one code: its position, and the hinges of the next layer as
    affine forms over (y, 1).
    """

    cursor: Cursor
    z: RationalArray

    @classmethod
    def at(cls, cursor: Cursor | None) -> _Front | None:
        """In front of the next layer; None behind the last."""
        if cursor is None:
            return None
        return cls(cursor, cursor.current.pre_activations(cursor.inner, cursor.one))

    @cached_property
    def forms(self) -> list[Vector]:
        """What is positive where a hinge is on, hinge by hinge."""
        bends = self.cursor.current.activation.breakpoints
        return [[*row[:-1], row[-1] - bend] for row in rows_of(self.z) for bend in bends]

    @cached_property
    def rows(self) -> FloatArray:
        """The forms in float64, each up to a positive factor."""
        return float_rows(self.forms)

    def behind(self, bits: bytes) -> _Front | None:
        """On the cells on which this layer has the given bits."""
        return _Front.at(advance(self.cursor, self.z, [bool(bit) for bit in bits]))


class _Cutter:
    """The tiling of the layers so far, cut layer by layer."""

    def __init__(self, chart: SphereChart) -> None:
        self._chart = chart
        self._places, self._tiling = Places(chart.gram), Tiling()
        self._hulls = Hulls(self._places, chart)
        self._codes: list[bytes] = [b""]
        self._fronts: list[_Front | None] = [_Front.at(chart.cursor)]
        self._decisions = {"filter": 0, "exact": 0, "misses": 0, "arrangements": 0}

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def has_layers(self) -> bool:
        """Whether hidden layers are left."""
        return self._fronts[0] is not None

    def cut_layer(self, job: Job) -> bool:
        """Cut every cell by the next layer; False when the budget is used up."""
        gluing = Gluing(self._places, self._tiling)
        for cell in range(len(self)):
            if job.out_of_budget(len(gluing)):
                return False
            self._cut_cell(cell, gluing, job)
        self._tiling, cells = gluing.glued(job.watch.check)
        fronts: dict[tuple[int, bytes], _Front | None] = {}
        for cut in cells:
            front = self._fronts[cut.parent]
            assert front is not None
            key = id(front), cut.bits
            if key not in fronts:
                job.watch.check()
                fronts[key] = front.behind(cut.bits)
        self._codes = [self._codes[cut.parent] + cut.bits for cut in cells]
        self._fronts = [fronts[id(self._fronts[cut.parent]), cut.bits] for cut in cells]
        return True

    def _cut_cell(self, cell: int, gluing: Gluing, job: Job) -> None:
        """Cut one cell by the planes that may meet it; raises Stopped."""
        front, walks = self._fronts[cell], self._tiling.cells[cell]
        assert front is not None
        stretches = [[self._tiling.stretch(half) for half in walk] for walk in walks]
        signs = self._hulls.signs(stretches, front.forms, front.rows)
        cutting = np.flatnonzero(signs == 0)
        self._decisions["misses"] += len(signs) - len(cutting)
        if not len(cutting):
            gluing.add_cell(
                CutCell(cell, (signs > 0).tobytes(), [list(walk) for walk in stretches])
            )
            return
        self._decisions["arrangements"] += 1
        around = dict.fromkeys((s.circle, s.forward) for walk in stretches for s in walk)
        sides = [
            self._places.circles[c] if forward else self._places.circles[c].opposite
            for c, forward in around
        ]
        planes = [*sides, *(Halfspace.of(front.forms[i]) for i in cutting)]
        made = arrange_while(
            lambda: not job.watch.is_up(), planes, self._chart.gram, self._chart.radius_squared
        )
        if made is None:
            raise Stopped
        for name in ("filter", "exact"):
            self._decisions[name] += made.decisions.get(name, 0)
        piece = _Piece(made, len(sides), self._places, job.watch.check)
        piece.keep_cell(stretches)
        bits = signs > 0
        for cut in piece.cells(gluing):
            bits[cutting] = cut[0]
            gluing.add_cell(CutCell(cell, bits.tobytes(), cut[1]))

    def collected(self, job: Job) -> SphereCells:
        """The tiling as a complex, once all layers are through; raises Stopped."""
        made = complex_of(self._chart, self._places, self._tiling, self._codes, job.watch.check)
        root = np.frombuffer(self._codes[0], dtype=bool).copy()
        if made.euler_characteristic != 1 + made.components:
            raise EngineDefect(
                "Euler's relation fails",
                value=f"a defect of {made.euler_characteristic - 1 - made.components}",
            )
        whole = int(np.count_nonzero(made.arc_ends[:, 0] < 0))
        evidence = (
            f"every cell of {len(job.network.hidden_layers)} hidden layers was cut by an "
            f"arrangement, and both sides of every "
            f"arc agree; Euler's relation holds: {made.vertex_count + whole} vertices - "
            f"{made.arc_count} arcs + "
            f"{made.cell_count} cells = 1 + {made.components}"
        )
        return SphereCells(
            self._chart,
            made,
            root,
            job.network.hinge_count,
            Outcome.COMPLETE,
            evidence,
            self._decisions,
        )


class _Piece:
    """The cells of one arrangement that lie inside one cell of the tiling: on the positive side of
    its first planes.

    An arrangement may have a million cells: every loop over them calls `check`, which may raise
    Stopped.
    """

    def __init__(
        self, made: CircleArrangement, around: int, places: Places, check: Callable[[], None]
    ) -> None:
        self._places, self._around, self._at, self._check = places, around, made.complex, check
        check()
        tree = CodeTree(made.complex, made.root)
        self._codes, self._bits = tree.packed(), len(made.root)
        check()
        self._walks, self._first = tree.walks_of_cell, tree.first_half_edge
        self._circles = [places.circle(plane) for plane in made.complex.circles]
        rows = made.complex.flips
        self._is_old = np.array(
            [bool((rows.row(i) < around).any()) for i in range(len(self._circles))], dtype=bool
        )
        self._points: dict[int, int] = {}
        sides = np.unpackbits(self._codes[:, : (around + 7) // 8], axis=1, count=around)
        self._kept: list[int] = np.flatnonzero(sides.all(axis=1)).tolist()
        check()

    def keep_cell(self, stretches: Sequence[Sequence[Stretch]]) -> None:
        """Of several components on the right side of all circles around, keep the one with these
        stretches around it.
        """
        parts = self._components()
        if len(parts) == 1:
            return
        own = {s for walk in stretches for s in walk}
        for members in parts:
            if self._is_around(members, own):
                self._kept = members
                return
        raise EngineDefect(
            "no part of an arrangement is the cell that was cut",
            value=f"{len(own)} stretches around it",
        )

    def _components(self) -> list[list[int]]:
        """The cells that were kept, in groups that hang together through the cutting circles."""
        left, right = self._at.arc_sides[~self._is_old[self._at.arc_circle]].T
        shape = self._at.cell_count, self._at.cell_count
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=shape)
        part = connected_components(graph, directed=False)[1]
        parts = dict[int, list[int]]()
        for cell in self.polled(self._kept):
            parts.setdefault(int(part[cell]), []).append(cell)
        return list(parts.values())

    def _is_around(self, members: Sequence[int], own: set[Stretch]) -> bool:
        """Whether the first stretch on the boundary of a component overlaps the boundary of the
        cell.
        """
        half = next(
            h
            for f in members
            for w in self._walks.row(f)
            for h in self._walk(int(w))
            if self._is_old[self._at.arc_circle[h >> 1]]
        )
        found = self._stretch(half)
        same = [s for s in own if s.circle == found.circle]
        if found.start < 0 or any(s.start < 0 for s in same):
            return bool(same)
        points = dict.fromkeys(
            [found.start, found.end, *(p for s in same for p in (s.start, s.end))]
        )
        place = {p: i for i, p in enumerate(self._places.around(found.circle, points))}
        count = len(place)

        def covered(s: Stretch) -> set[int]:
            return {
                (place[s.start] + i) % count
                for i in range((place[s.end] - place[s.start]) % count or count)
            }

        return any(covered(found) & covered(s) for s in same)

    def _walk(self, walk: int) -> Iterator[int]:
        first = half = int(self._first[walk])
        while True:
            yield half
            half = int(self._at.following[half])
            if half == first:
                return

    def _point(self, vertex: int) -> int:
        if vertex not in self._points:
            self._points[vertex] = (
                self._places.point(self._at.vertex(vertex)) if vertex >= 0 else -1
            )
        return self._points[vertex]

    def _stretch(self, half: int) -> Stretch:
        """A half-edge along the direction of its circle among the places."""
        circle, same = self._circles[int(self._at.arc_circle[half >> 1])]
        start, end = (self._point(int(v)) for v in self._at.arc_ends[half >> 1])
        if same:
            return Stretch(circle, start, end, not half & 1)
        return Stretch(circle, end, start, bool(half & 1))

    def cells(self, gluing: Gluing) -> Iterator[tuple[BitArray, list[list[Stretch | int]]]]:
        """The bits of the cutting planes and the walks of every cell inside; new arcs and points go
        to the gluing.
        """
        arcs: dict[int, int] = {}
        walks = {
            f: [list(self._walk(int(w))) for w in self._walks.row(f)]
            for f in self.polled(self._kept)
        }
        halves = np.array(
            [h for rows in self.polled(walks.values()) for walk in rows for h in walk],
            dtype=np.int64,
        )
        is_old = self._is_old[self._at.arc_circle[halves >> 1]]
        ends = set(self._at.arc_ends[halves[~is_old] >> 1].ravel().tolist())
        for half in self.polled(halves[~is_old].tolist()):
            stretch = self._stretch(half)
            if half >> 1 not in arcs:
                arcs[half >> 1] = gluing.add_arc(stretch.circle, stretch.start, stretch.end)
        for half in self.polled(halves[is_old].tolist()):
            circle = self._circles[int(self._at.arc_circle[half >> 1])][0]
            for vertex in (int(v) for v in self._at.arc_ends[half >> 1] if v >= 0):
                gluing.add_point(circle, self._point(vertex), is_end=vertex in ends)
        for cell, rows in self.polled(walks.items()):
            bits = np.unpackbits(self._codes[cell], count=self._bits).astype(bool)
            yield bits[self._around :], [[self._step(half, arcs) for half in walk] for walk in rows]

    def polled(self, things: Iterable[Thing]) -> Iterator[Thing]:
        return polled(things, self._check)

    def _step(self, half: int, arcs: dict[int, int]) -> Stretch | int:
        stretch = self._stretch(half)
        return 2 * arcs[half >> 1] + (not stretch.forward) if half >> 1 in arcs else stretch


def _stopped(job: Job, chart: SphereChart, found: int) -> SphereCells:
    """No cells: those of some of the layers would be wrong ones."""
    nothing = complex_of(chart, Places(chart.gram), Tiling(cells=[]), [])
    evidence = f"stopped early, after {found} cells of the first layers"
    hinges = job.network.hinge_count
    return SphereCells(
        chart, nothing, np.zeros(hinges, dtype=bool), hinges, Outcome.BUDGET_REACHED, evidence, {}
    )
