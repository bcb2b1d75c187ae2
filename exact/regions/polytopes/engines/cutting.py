"""The arrays of a growing complex, and the conversation with the compiled kernel that cuts it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, inflation
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats, rounding_error
from exact.errors import EngineDefect, TooLarge
from exact.geometry.budgets import Stopped, Watch
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.faces import Located
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.kernels import splitting
from exact.kernels.splitting import Cells, Faces, Layer, Planes, Vertices
from exact.propagation.bounds import arrangement_bound
from exact.propagation.enclosures import PointWalk
from exact.propagation.region_maps import MapWalk
from exact.regions.engine import Job
from exact.regions.polytopes.engines.exact_vertices import ExactVertices
from exact.regions.polytopes.engines.starting_cube import Array, box_of, empty_complex, enter_cube

_UP, _LEAST = inflation(4096), LEAST_ROOT  # as in the kernel that reads these bounds
_BLOCK = 2**16  # pre-activations signed at a time: what a cache holds
_ASKED = 1024
_LARGE = 2**27
Group = TypeVar("Group", Vertices, Faces, Cells, Planes)


class Cutter:
    """A complex of a flat domain, its cells not yet cut by any layer; holds all state of one
    enumeration.

    Raises Stopped when `watch` is up: nothing can be cut from then on, but cells still have their
    vertices (see `middles`).
    """

    def __init__(self, flat: Flat, bits: int, exact: ExactVertices, watch: Watch) -> None:
        self._flat, self._dim, self._exact, self._watch = flat, flat.dim, exact, watch
        box = box_of(flat)
        self._bounded = box is not None
        self._remaining = () if box else flat.walls
        self._c = empty_complex(flat.dim, self._bounded, max(1, (bits + 7) // 8))
        exact.planes = lambda vertex: self._c.vertices.planes[vertex]
        self._start(box)
        self._layer: Layer | None = None
        self._signed, self._settled = 0, 0
        self._starts_at, self._dropped = 0, False

    # ---- the domain

    def _start(self, box: list[tuple[Halfspace, Halfspace]] | None) -> None:
        """The cube: of the box, or of all of R^d at K = infinity."""
        d, c = self._dim, self._c
        if box:
            forms = [(wall.coefficients, 0) for pair in box for wall in pair]
        else:
            forms = [
                (tuple([sign * int(i == k) for k in range(d)] + [0]), 1)
                for i in range(d)
                for sign in (1, -1)
            ]
        self._exact.add_walls(forms)
        self._set_planes(0, [form for form, _ in forms], [k for _, k in forms])
        c.n[splitting.PLANES] = 2 * d
        enter_cube(c, d)
        planes = c.vertices.planes[: c.n[splitting.VERTICES]]
        if box is None:
            c.vertices.infinite[: len(planes)] = 2.0 * (planes % 2) - 1.0
            return
        ends = [Rational(-form[-1], form[i // 2]) for i, (form, _) in enumerate(forms)]
        floats = nearest_floats(ends)
        errors = np.where([end == 0 for end in ends], 0.0, rounding_error(floats))
        c.vertices.finite[: len(planes)], c.vertices.finite_error[: len(planes)] = (
            floats[planes],
            errors[planes].max(axis=1) * d,
        )

    def _set_planes(self, first: int, forms: list[tuple[int, ...]], infinite: list[int]) -> None:
        """Exact integer forms as float rows with a normal of length near one."""
        c, d = self._c, self._dim
        for i, (form, k) in enumerate(zip(forms, infinite, strict=True), first):
            size = max(abs(x) for x in form[:-1])
            row = nearest_floats([Rational(x, size) for x in form])
            c.planes.rows[i, : d + 1], c.planes.rows[i, d + 1] = row, k
            c.planes.normal_error[i] = np.linalg.norm(row[:-1]) * 2.0**-52 * _UP + _LEAST
            c.planes.offset_error[i] = abs(row[-1]) * 2.0**-52 * _UP + _LEAST if form[-1] else 0.0
            c.planes.normal_size[i] = np.linalg.norm(row[:-1]) * _UP + _LEAST
            c.planes.hinge[i] = -1

    def _refresh(self, vertex: int) -> None:
        """Take the float coordinates of a vertex from its exact ones."""
        (c, d), (finite, near), (infinite, far) = (self._c, self._dim), *self._exact.floats(vertex)
        c.vertices.finite[vertex], c.vertices.finite_error[vertex] = finite, np.abs(near).max() * d
        if not self._bounded:
            c.vertices.infinite[vertex], c.vertices.infinite_error[vertex] = (
                infinite,
                np.abs(far).max() * d,
            )

    def inside_walls(self) -> bool:
        """Cut by the walls of a domain that is no box and keep what lies inside; False when nothing
        does.
        """
        walls = self._remaining
        if not walls:
            return True
        if any(wall.is_constant and wall.offset <= 0 for wall in walls):
            return False
        walls = tuple(wall for wall in walls if not wall.is_constant)
        first = int(self._c.n[splitting.PLANES])
        self._room(planes=len(walls), pool=len(walls))
        forms = [wall.coefficients for wall in walls]
        self._exact.add_walls([(form, 0) for form in forms])
        self._set_planes(first, forms, [0] * len(forms))
        signs = np.full(
            (int(self._c.n[splitting.VERTICES]), len(walls)), splitting.UNKNOWN, np.int8
        )
        self._open(signs, 0)
        cells, hinges = np.empty(len(walls), np.int64), np.empty(len(walls), np.int64)
        splitting.enlist(self._c, self._layer, cells, hinges)
        self._cut_all(len(walls))
        full = np.packbits(np.ones(len(walls), bool))
        count = int(self._c.n[splitting.CELLS])
        inside = np.flatnonzero((self._c.cells.code[:count, : len(full)] == full).all(axis=1))
        self._keep(inside)
        self._c.cells.code[:] = 0
        return len(inside) > 0

    # ---- layers

    def begin_layer(
        self, layer: int, bit0: int, bits: int, points: PointWalk, maps: MapWalk
    ) -> None:
        """Sign every vertex, list the hinges that may cut each cell, and enclose their forms."""
        c, n = self._c, self._c.n
        count, cells = int(n[splitting.VERTICES]), int(n[splitting.CELLS])
        if layer > 0:
            before = np.unpackbits(c.cells.code[:cells], axis=1, count=bit0)[
                :, self._starts_at : bit0
            ]
            maps.enter(c.cells.base[:cells].astype(np.int64), before)
        codes = c.cells.code[:cells].copy()
        self._starts_at = bit0
        self._open(self._signs(layer, count, bits, points), bit0)
        wanted = int(splitting.count_candidates(c, self._layer))
        self._watch.check()
        first = int(n[splitting.PLANES])
        self._room(planes=wanted, pool=wanted)
        regions, hinges = np.empty(wanted, np.int64), np.empty(wanted, np.int64)
        splitting.enlist(self._c, self._layer, regions, hinges)
        self._watch.check()
        rows, a_err, b_err = maps.rows(layer, regions, hinges)
        self._enter_rows(first, rows, a_err, b_err)
        self._exact.add_hinges(first, layer, regions, hinges, codes, bit0)

    def _signs(self, layer: int, count: int, bits: int, points: PointWalk) -> Array:
        c = self._c
        if not self._watch.has_room(count * bits):
            raise Stopped
        signs = np.empty((count, bits), np.int8)
        if self._bounded:
            finite = np.ones(count, bool)
        else:
            finite = ~(
                c.vertices.infinite[:count].any(axis=1) | (c.vertices.infinite_error[:count] > 0)
            )
        size = max(256, _BLOCK // max(1, bits))
        for where in (np.flatnonzero(finite), np.flatnonzero(~finite)):
            for start in range(0, len(where), size):
                v = where[start : start + size]
                self._watch.check()
                far = not finite[v[0]]
                signs[v] = points.signs(
                    layer,
                    c.vertices.finite[v],
                    c.vertices.finite_error[v],
                    c.vertices.infinite[v] if far else None,
                    c.vertices.infinite_error[v] if far else None,
                )
        self._signed += int(np.count_nonzero(signs != splitting.UNKNOWN))
        return signs

    def _enter_rows(
        self, first: int, rows: FloatArray, a_err: FloatArray, b_err: FloatArray
    ) -> None:
        c, last, d = self._c, first + len(rows), self._dim
        largest = np.abs(rows[:, :-1]).max(axis=1)
        usable = (largest > _LEAST) & (largest < 1 / _LEAST)
        scale = np.ldexp(1.0, -np.frexp(np.where(usable, largest, 1.0))[1])
        with np.errstate(over="ignore", invalid="ignore"):  # infinite bounds decide nothing
            scaled = rows * scale[:, None]
            c.planes.rows[first:last, : d + 1], c.planes.rows[first:last, d + 1] = scaled, 0.0
            c.planes.normal_error[first:last], c.planes.offset_error[first:last] = (
                a_err * scale * _UP,
                b_err * scale * _UP,
            )
            c.planes.normal_size[first:last] = (
                np.sqrt((scaled[:, :-1] ** 2).sum(axis=1)) * _UP + _LEAST
            )

    def _open(self, signs: Array, bit0: int) -> None:
        hinges = signs.shape[1]
        head, flags = np.full(hinges, -1, np.int32), np.zeros(hinges, np.uint8)
        keys, values = np.full(_ASKED * 4, -1, np.int64), np.zeros(_ASKED * 4, np.int8)
        asked = np.zeros((_ASKED, 2), np.int32)
        self._layer = Layer(
            signs, head, keys, values, asked, np.array([bit0], np.int64), flags, self._watch.alarm
        )
        self._c.n[splitting.KNOWN] = self._c.n[splitting.NEURON] = 0

    def cut(self, job: Job) -> bool:
        """Cut by every hinge of the layer; False when cells beyond those asked for are lost."""
        assert self._layer is not None
        hinges, whole = len(self._layer.head), True
        most = int(self._c.n[splitting.CELLS]) * arrangement_bound(hinges, self._dim)
        if job.progress is None and (job.most is None or most <= job.most):
            self._cut_all(hinges)
            return True
        for hinge in range(hinges):
            self._cut_all(hinge + 1)
            whole &= self._within(job)
        return whole

    def _within(self, job: Job) -> bool:
        """Drop cells beyond the budget; those kept are cut to the end, so that what is returned are
        regions.
        """
        count = int(self._c.n[splitting.CELLS])
        if not job.out_of_budget(count):
            return True
        self._watch.check()
        if job.most is None or count <= job.most:
            return True
        self._drop(job.most)
        return False

    def _cut_all(self, stop: int) -> None:
        while (why := splitting.split(self._c, self._layer, stop)) != splitting.DONE:
            self._watch.check()
            if why == splitting.NEEDS_SIGNS:
                self._settle()
            elif why == splitting.NEEDS_SPACE:
                free = int(self._c.n[splitting.FREE_FACES]) + 8
                self._room(
                    vertices=free,
                    faces=free,
                    cells=free,
                    pool=int(self._c.n[splitting.FREE_POOL]) + 64,
                )
            else:
                raise EngineDefect(
                    "the faces of a cell do not close", value=int(self._c.n[splitting.NEURON])
                )

    def _settle(self) -> None:
        assert self._layer is not None
        count = int(self._c.n[splitting.ASKED])
        questions = self._layer.asked[:count].tolist()
        signs = np.array([self._sign(v, h) for v, h in questions], np.int8)
        for vertex in {v for v, _ in questions}:
            self._refresh(vertex)
        self._settled += count
        if int(self._c.n[splitting.KNOWN]) + count > len(self._layer.keys) // 2:
            size = 4 * len(self._layer.keys)
            keys, values = np.full(size, -1, np.int64), np.zeros(size, np.int8)
            splitting.rehash(self._layer.keys, self._layer.values, keys, values)
            self._layer = self._layer._replace(keys=keys, values=values)
        splitting.settle(self._c, self._layer, signs)

    def _sign(self, vertex: int, plane: int) -> int:
        self._watch.check()
        return self._exact.sign(vertex, plane)

    # ---- room

    def _room(
        self, *, vertices: int = 0, faces: int = 0, cells: int = 0, planes: int = 0, pool: int = 0
    ) -> None:
        """Make room for so many more."""
        c, used = self._c, self._c.n
        self._c = c._replace(
            vertices=self._grown(c.vertices, int(used[splitting.VERTICES]), vertices),
            faces=self._grown(c.faces, int(used[splitting.FACES]), faces),
            cells=self._grown(c.cells, int(used[splitting.CELLS]), cells),
            planes=self._grown(c.planes, int(used[splitting.PLANES]), planes),
            pool=self._longer(c.pool, int(used[splitting.POOL]), pool),
        )

    def _grown(self, group: Group, used: int, more: int) -> Group:
        """The arrays of one kind, which grow together: as many rows belong to each."""
        made: Callable[..., Group] = type(group)
        return made(*(self._longer(array, used, more) for array in group))

    def _longer(self, array: Array, used: int, more: int) -> Array:
        """An array with room for `more` rows behind those in use; one of a single row stands for
        none. Raises Stopped where memory is up, TooLarge where the pool's indices are.
        """
        if array is self._c.pool and used + more >= 2**31 - 1:
            raise TooLarge(
                "the complex does not fit",
                value=f"{used + more:,} entries of face lists",
                remedy="cut a smaller domain, or use engine='lp_tree', which keeps no faces",
            )
        if len(array) >= used + more + 1 or len(array) == 1:
            return array
        if not self._watch.has_room(used * array.itemsize * array[:1].size):
            raise Stopped
        # what is not yet used costs nothing, copies do
        factor = 2 if array.nbytes > _LARGE else 4
        grown = np.empty((max(factor * len(array), used + more + 1), *array.shape[1:]), array.dtype)
        grown[:used] = array[:used]
        return grown

    def _keep(self, cells: Array) -> None:
        for array in self._c.cells:
            array[: len(cells)] = array[cells]
        self._dropped = self._dropped or len(cells) < int(self._c.n[splitting.CELLS])
        self._c.n[splitting.CELLS] = len(cells)

    def _drop(self, bound: int) -> None:
        """Keep the first cells only, in their buckets."""
        assert self._layer is not None
        self._keep(np.arange(bound))
        self._layer.head[:] = -1
        splitting.refill(self._c, self._layer)

    # ---- what came out

    @property
    def is_bounded(self) -> bool:
        """Whether no vertex is at infinity."""
        return self._bounded

    @property
    def decisions(self) -> dict[str, int]:
        """How many signs floats decided, and how many exact coordinates."""
        return {"filter": self._signed + int(self._c.n[splitting.FILTERED]), "exact": self._settled}

    @property
    def cell_count(self) -> int:
        """The cells so far."""
        return int(self._c.n[splitting.CELLS])

    def middles(self, first: int, count: int) -> FloatArray:
        """Points about the middles of cells, also of those that are not cut to the end (count x
        d).
        """
        found = np.zeros((count, self._dim))
        reach = 1.0 + float(
            np.abs(self._c.vertices.finite[: int(self._c.n[splitting.VERTICES])]).max(initial=0.0)
        )
        splitting.middles(self._c, first, 4.0 * reach, found)
        return found

    def codes(self, hinges: int) -> ByteArray:
        """The packed codes of the cells."""
        return self._c.cells.code[: int(self._c.n[splitting.CELLS]), : (hinges + 7) // 8].copy()

    @cached_property
    def reached(self) -> tuple[BitArray, BitArray]:
        """Which faces and vertices bound a cell: all of them, unless cells were dropped."""
        c = self._c
        used = np.full(int(c.n[splitting.FACES]), not self._dropped)
        seen = np.full(int(c.n[splitting.VERTICES]), not self._dropped)
        if self._dropped:
            splitting.reached(c, used, seen)
        return used, seen

    @cached_property
    def vertex_ids(self) -> Array:
        """The numbers of the vertices that bound a cell."""
        return np.flatnonzero(self.reached[1])

    def face_ids(self, dim: int) -> Array:
        """The numbers of the faces of a dimension 1 .. d - 1 that bound a cell."""
        return np.flatnonzero(
            self.reached[0] & (self._c.faces.rows[: len(self.reached[0]), splitting.DIM] == dim)
        )

    def boundary(self) -> dict[int, Incidence]:
        """What bounds what, renumbered without gaps."""
        c, found = self._c, dict[int, Incidence]()
        numbers = np.cumsum(self.reached[1]) - 1
        columns = (splitting.START, splitting.COUNT)
        starts, counts = (
            c.faces.rows[: len(self.reached[0]), column].astype(np.int64) for column in columns
        )
        for k in range(1, self._dim):
            ids = self.face_ids(k)
            found[k] = Incidence(*splitting.gathered(c.pool, starts, counts, ids, numbers))
            numbers = np.zeros(len(self.reached[0]), np.int64)
            numbers[ids] = np.arange(len(ids))
        every = np.arange(int(c.n[splitting.CELLS]))
        found[self._dim] = Incidence(
            *splitting.gathered(
                c.pool, c.cells.facet_start, c.cells.facet_count.astype(np.int64), every, numbers
            )
        )
        return found

    def corners(self) -> Incidence:
        """The vertices of every cell."""
        c, every = self._c, np.arange(int(self._c.n[splitting.CELLS]))
        numbers = np.cumsum(self.reached[1]) - 1
        return Incidence(
            *splitting.gathered(
                c.pool, c.cells.corner_start, c.cells.corner_count.astype(np.int64), every, numbers
            )
        )

    def facet_planes(self) -> Array:
        """The plane of every (d - 1)-face, in the order of :meth:`boundary`."""
        if self._dim == 1:
            return np.asarray(self._c.vertices.planes[self.vertex_ids, 0])
        return np.asarray(self._c.faces.rows[self.face_ids(self._dim - 1), splitting.PLANE])

    def positions(self) -> FloatArray:
        """The float coordinates of the vertices, in the order of :meth:`boundary`; infinite ones as
        NaN.
        """
        finite: FloatArray = self._c.vertices.finite[self.vertex_ids]
        if not self._bounded:
            finite[self._c.vertices.infinite[self.vertex_ids].any(axis=1)] = np.nan
        return finite

    def located(self) -> Located:
        """The float coordinates of the vertices, in the order of :meth:`boundary`, how far each may
        be off, and which are at infinity: by floats where they tell, else exactly.
        """
        c, ids = self._c, self.vertex_ids
        points, slack = c.vertices.finite[ids], c.vertices.finite_error[ids]
        if self._bounded:
            return Located(points, slack, np.zeros(len(ids), bool))
        sizes, doubt = np.abs(c.vertices.infinite[ids]), c.vertices.infinite_error[ids]
        far: BitArray = np.any(sizes > doubt[:, None], axis=1)
        for place in np.flatnonzero(~far & (sizes.any(axis=1) | (doubt > 0))).tolist():
            far[place] = not self._exact.point(int(ids[place])).is_finite
        return Located(points, slack, far)

    def pairs(self, cells: Incidence) -> IndexArray:
        """Every two cells that share a facet, from the facets of all cells."""
        count = int(cells.members.max(initial=-1)) + 1
        return np.asarray(splitting.paired(cells.starts, cells.members, count))
