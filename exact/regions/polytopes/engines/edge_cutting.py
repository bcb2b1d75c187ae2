"""The vertices and edges of a growing complex, and the conversation with the compiled kernel that
cuts them. Longer than others: all that changes the arrays stands in one file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import inf
from random import Random
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, inflation
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats, rounding_error
from exact.errors import EngineDefect, TooLarge, require
from exact.geometry.budgets import Stopped, Watch
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.faces import SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.workers import Workers
from exact.kernels import skeleton as kernel
from exact.kernels.skeleton import Skeleton
from exact.networks.layers import Layer
from exact.propagation.enclosures import PointWalk, Stage
from exact.propagation.region_maps import MapWalk
from exact.regions.polytopes.engines.exact_vertices import ExactVertices, Form
from exact.regions.polytopes.engines.slivers import FANS, Slivers
from exact.regions.polytopes.engines.starting_cube import box_of
from exact.regions.polytopes.walls.simple_vertices import SimpleVertices

_UP, _LEAST = inflation(4096), LEAST_ROOT  # as in the kernel that reads these bounds
_SHARP = 2.0**-40  # of a vertex known so well nothing is gained by its exact coordinates
_BLOCK = 2**16  # pre-activations signed at a time: what a cache holds
_LARGE = 2**27
# vertices in a range that one thread takes; a hinge with more edges is cut in such ranges, whatever
# the number of threads
_RANGE = 2**12
_TRIES = 16  # directions: an edge is perpendicular to a few of them at most
_OF_VERTICES = (
    *("p", "q", "pe", "qe", "hinge", "plane", "base", "on", "zero", "up", "height", "slack"),
    *("touch", "link", "twin"),
)
_OF_PLANES = ("row", "aerr", "berr", "anorm", "grain", "place")
_OF_CELLS = ("start", "rows", "code")
# what is read no more: behind the last cut, when all edges rise, and when the cells are read off
_TO_CUT = ("link", "zero", "base", "cuts")
_TO_RISE = (
    *("row", "aerr", "berr", "anorm", "grain", "place", "pe", "qe", "height", "slack"),
    *("plane", "start", "rows"),
)
_TO_READ = ("on", "up", "code", "table")
Array = np.ndarray[Any, Any]
Copies = list[tuple[int, int, bool]]  # (bit, the bit it follows, whether as its opposite)


class TooMany(Exception):
    """There are more vertices than `EdgeCutter.most`."""


class EdgeCutter:
    """The vertices and edges of a flat domain; holds all state of one enumeration.

    Raises Stopped when `watch` is up, and TooMany where `most` bounds the vertices.
    """

    def __init__(
        self,
        flat: Flat,
        bits_per_layer: Sequence[int],
        exact: ExactVertices,
        watch: Watch,
        workers: Workers | None = None,
    ) -> None:
        self._flat, self._dim, self._exact, self._watch = flat, flat.dim, exact, watch
        self._workers, self._range = Workers() if workers is None else workers, _RANGE
        self._shift = _shift(flat.dim)
        self._bits = tuple(bits_per_layer)
        self._words = max(1, (sum(self._bits) + 63) // 64)
        self._copies: Copies = []
        self._vanishes = False  # some hinge, on all of the domain
        self.slivers: Slivers | None = None
        self.most: int | None = None
        self._signed, self._settled, self._tried = 0, 0, 0
        self._parents_from, self._cells, self._skips = 0, 0, False
        exact.planes = lambda vertex: self.c.plane[vertex]
        box = box_of(flat)
        self._bounded = box is not None
        self._walls = () if box else flat.walls
        self.c = self._cube(box)

    # ---- the domain

    def _cube(self, box: list[tuple[Halfspace, Halfspace]] | None) -> Skeleton:
        """The box, or a parallelepiped of size K with generic walls, cut by nothing yet.

        Vertex v is at the upper wall of pair i iff bit i of v is set; slot i holds that wall.
        """
        d, layers, before = self._dim, *self._places()
        c = _arrays(d, self._bounded, layers, before)
        c.n[kernel.SHIFT], c.n[kernel.MOST] = self._shift, self._range
        if box:
            forms: list[Form] = [(wall.coefficients, 0) for pair in box for wall in pair]
        else:
            forms = [((*(sign * x for x in row), 0), 1) for row in _generic(d) for sign in (1, -1)]
        self.c = c
        self._exact.add_walls(forms)
        self._enter_walls(forms)
        vertices = np.arange(2**d)
        upper = (vertices[:, None] >> np.arange(d)) & 1
        wall = 2 * np.arange(d) + upper
        c.n[kernel.VERTICES] = 2**d
        c.plane[: 2**d], c.hinge[: 2**d] = wall, wall + 64 * self._words
        twin = c.twin[: 2**d << self._shift].reshape(2**d, -1)
        # inside is the side where a wall's form is positive: every half-edge leaves to side 1
        other = vertices[:, None] ^ (1 << np.arange(d))
        twin[:, 1 : 2 * d : 2] = (other << self._shift) + 2 * np.arange(d) + 1
        if box:
            self._place_corners(forms, wall)
        else:
            for v in range(2**d):
                self._refresh(v)
        return c

    def _place_corners(self, forms: list[Form], walls: IndexArray) -> None:
        """The corners of a box from the ends of its sides, which many of them share: what
        `_refresh` finds at each.
        """
        ends = [Rational(-form[-1], form[k // 2]) for k, (form, _) in enumerate(forms)]
        floats = nearest_floats(ends)
        errors = np.where(np.array([x == 0 for x in ends]), 0.0, rounding_error(floats))
        self.c.p[: len(walls)] = floats[walls]
        self.c.pe[: len(walls)] = errors[walls].max(axis=1, initial=0.0) * self._dim

    def _places(self) -> tuple[Array, Array]:
        """The layer of every place (-1: a wall), and for each layer the places before, as words."""
        words, count = self._words, len(self._bits)
        layers = np.zeros(64 * words, np.int32)
        before = np.zeros((count + 1, 64 * words), bool)
        start = 0
        for layer, bits in enumerate(self._bits):
            layers[np.arange(start, start + bits) ^ 7] = layer
            start += bits
            before[layer + 1, :start] = True
        walls = np.full(2 * self._dim + len(self._flat.walls), -1, np.int32)
        return np.concatenate([layers, walls]), _as_words(np.packbits(before, axis=1))

    def _enter_walls(self, forms: list[Form]) -> None:
        """Exact integer forms as float rows with a normal of length near one."""
        c, d = self.c, self._dim
        first = int(c.n[kernel.PLANES])
        for i, (form, k) in enumerate(forms, first):
            size = max(abs(x) for x in form[:-1])
            row = nearest_floats([Rational(x, size) for x in (*form, k)])
            c.row[i] = row
            c.aerr[i] = np.linalg.norm(row[:d]) * 2.0**-52 * _UP + _LEAST
            c.berr[i] = abs(row[d]) * 2.0**-52 * _UP + _LEAST if form[-1] else 0.0
            c.anorm[i] = np.linalg.norm(row[:d]) * _UP + _LEAST
            c.grain[i] = float(size) if size < _LARGE else inf
            c.place[i] = 64 * self._words + i
        c.n[kernel.PLANES] = first + len(forms)

    def _refresh(self, vertex: int) -> None:
        """Take the float coordinates of a vertex from its exact ones."""
        (c, d), (finite, near), (infinite, far) = (self.c, self._dim), *self._exact.floats(vertex)
        c.p[vertex], c.pe[vertex] = finite, np.abs(near).max() * d
        if not self._bounded:
            c.q[vertex], c.qe[vertex] = infinite, np.abs(far).max() * d

    def inside_walls(self) -> bool:
        """Cut by the walls of a domain that is no box and keep what lies inside; False when nothing
        does.
        """
        walls = tuple(dict.fromkeys(self._walls))
        if any(wall.is_constant and wall.offset <= 0 for wall in walls):
            return False
        forms: list[Form] = [(wall.coefficients, 0) for wall in walls if not wall.is_constant]
        if not forms:
            return True
        self._exact.add_walls(forms)
        self._room(planes=len(forms))
        first, outside = int(self.c.n[kernel.PLANES]), self.c
        self._enter_walls(forms)
        self.c = self._for_walls(first, len(forms))
        self._sign_walls(first, len(forms))
        self._cut()
        inside, self.c = self.c, outside
        return self._keep_inside(inside)

    def _for_walls(self, first: int, walls: int) -> Skeleton:
        """The cube as it stands, to be cut by walls as if they were hinges of one layer."""
        c, d = self.c, self._dim
        words = (walls + 63) // 64
        layers = np.concatenate([np.zeros(64 * words, np.int32), np.full(first, -1, np.int32)])
        new = _arrays(d, self._bounded, layers, np.zeros((2, words), np.uint64))
        for name in ("p", "q", "pe", "qe", "plane", "twin"):
            array = getattr(c, name)
            getattr(new, name)[: len(array)] = array
        new = new._replace(**{name: getattr(c, name).copy() for name in _OF_PLANES})
        new.hinge[: 2**d] = c.plane[: 2**d] + 64 * words
        new.place[first : first + walls] = np.arange(walls)
        new.own[:] = _as_words(np.packbits(np.arange(64 * words) < walls)[None])[0]
        new.place[first : first + walls] ^= 7
        new.n[:] = c.n
        new.start[0], new.rows[0] = first, walls
        return new

    def _sign_walls(self, first: int, walls: int) -> None:
        c = self.c
        for v in range(int(c.n[kernel.VERTICES])):
            for plane in range(first, first + walls):
                self._watch.check()
                sign, place = self._exact.sign(v, plane), int(c.place[plane])
                self._settled += 1
                if sign > 0:
                    c.on[v, place >> 6] |= np.uint64(1 << (place & 63))
                elif sign == 0:
                    self._touches(v, place)

    def _keep_inside(self, inside: Skeleton) -> bool:
        """Take over the vertices on no wall's off side."""
        count, d = int(inside.n[kernel.VERTICES]), self._dim
        kept = np.flatnonzero(
            ((inside.on[:count] | inside.zero[:count]) & inside.own == inside.own).all(axis=1)
        )
        number = np.full(count, -1, np.int64)
        number[kept] = np.arange(len(kept))
        self._exact.forget_points()
        self.c.n[kernel.VERTICES] = 0
        self._room(vertices=len(kept))
        c, size = self.c, len(kept)
        c.n[kernel.VERTICES] = size
        for name in ("p", "pe", "plane", *(() if self._bounded else ("q", "qe"))):
            getattr(c, name)[:size] = getattr(inside, name)[kept]
        c.hinge[:size] = c.plane[:size] + 64 * self._words
        for name in ("base", "on", "zero"):
            getattr(c, name)[:size] = 0
        if inside.n[kernel.TOUCHED]:
            self._keep_touch()
            own = np.flatnonzero(inside.layer >= 0)  # the places of the walls that cut the cube
            first = 64 * self._words + 2 * d
            bits = _bits(inside.touch[kept])
            every = np.zeros((size, 64 * self.c.touch.shape[1]), bool)
            every[:, 64 * self._words : first] = bits[:, len(own) : len(own) + 2 * d]
            walls = np.arange(int(self.c.n[kernel.PLANES]) - 2 * d)
            every[:, first : first + len(walls)] = bits[:, walls ^ 7]
            self.c.touch[:size] = _as_places(every)
        c = self.c
        twin = inside.twin[: count << self._shift].reshape(count, -1)[kept].astype(np.int64)
        other, rest = number[twin >> self._shift], twin & ((1 << self._shift) - 1)
        gone = (twin < 0) | (other < 0)
        twin = np.where(gone, -1, (other << self._shift) + rest)
        c.twin[: size << self._shift] = twin.reshape(-1)
        far = c.q[:size].any(axis=1) | (c.qe[:size] > 0)
        if not self._bounded and not far.any():
            self._bounded = True
            self.c = c._replace(q=np.zeros((1, d)), qe=np.zeros(1))
            self.c = self.c._replace(height=c.height[:, :1].copy(), slack=c.slack[:, :1].copy())
        return size > 0

    # ---- layers

    def cut_layer(
        self,
        number: int,
        layer: Layer,
        stage: Stage,
        points: PointWalk,
        maps: MapWalk,
        grain: float = inf,
    ) -> int:
        """Cut by the hinges of a hidden layer whose forms are multiples of 1 / `grain`; returns how
        many cells there were before.
        """
        bit0, bits = sum(self._bits[:number]), self._bits[number]
        words = self._list_cells(number)
        codes, cells = self._full(words), len(words)
        if number > 0:
            parents = np.empty(cells, np.int64)
            found = self._find_cells(number - 1, words, parents)
            require(found, "every cell lies in one in front of the last layer", number)
            start = bit0 - self._bits[number - 1]
            before = np.unpackbits(codes, axis=1, count=bit0)[:, start:]
            maps.enter(parents - self._parents_from, before)
        hinges = self._hinges(layer, stage, bit0)
        self._note_bare(number, stage, bit0)
        own = np.zeros(64 * self._words, bool)
        own[bit0 + hinges] = True
        self.c.own[:] = _as_words(np.packbits(own)[None])[0]
        self._set_signs(number, hinges, bits, bit0, points, maps, grain)
        self._list_rows(number, codes, bit0, maps, grain)
        self._cut()
        return cells

    def _list_cells(self, number: int) -> Array:
        """The codes in front of a layer of its cells, which are entered in the table, as words
        without the hinges that follow others.
        """
        n, cells = self.c.n, self._number_cells()
        self._parents_from = int(n[kernel.CELL])
        n[kernel.CELL], n[kernel.LAYER] = self._cells, number
        if number == len(self._bits):
            self._give_back(_TO_RISE)
        self._room(cells=cells)
        c, first, stop = self.c, self._cells, self._cells + cells
        self._cells = stop
        words = np.empty((cells, self._words), np.uint64)
        vertices = int(n[kernel.VERTICES])
        self._each(kernel.list_cells, vertices, c, words)
        c.code[first:stop, :-1], c.code[first:stop, -1] = words, number
        c.rows[first:stop] = 0
        size = len(c.table)
        while size < 3 * stop:
            size *= 2
        if size > len(c.table):
            self.c = c = c._replace(table=np.full(size, -1, np.int32))
            first = 0
        kernel.enter_cells(c, first, stop)
        return words

    def _hinges(self, layer: Layer, stage: Stage, bit0: int) -> Array:
        """The hinges of the layer that are no multiples of earlier ones; those are noted."""
        per, rows = len(layer.activation.breakpoints), _alike(stage)
        first: dict[Halfspace, int] = {}
        dropped, leaders = set[int](), dict[Halfspace, int]()
        parallel = np.arange(layer.bits // per, dtype=np.int32)
        for neuron in rows:
            bends = layer.activation.breakpoints
            weight, bias = layer.operator.row(neuron), layer.bias.row(neuron)[0]
            normal = Halfspace.of([*weight, Rational(0)])
            parallel[neuron] = leaders.setdefault(normal, leaders.get(normal.opposite, neuron))
            for k, bend in enumerate(bends):
                form, hinge = Halfspace.of([*weight, bias - bend]), neuron * per + k
                if form in first or form.opposite in first:
                    flips = form not in first
                    leader = first[form.opposite if flips else form]
                    self._copies.append((bit0 + hinge, bit0 + leader, flips))
                    dropped.add(hinge)
                else:
                    first[form] = hinge
        each = np.arange(layer.bits)
        self.c.parallel[(bit0 + each) ^ 7] = bit0 + parallel.repeat(per)
        return np.array([h for h in range(layer.bits) if h not in dropped], np.int64)

    def _note_bare(self, number: int, stage: Stage, bit0: int) -> None:
        """Note whether what is behind a layer depends on its hinges that are on alone: those of
        opposites of others are not kept, and what skips a layer goes around it.
        """
        flipped = any(flips and bit >= bit0 for bit, _, flips in self._copies)
        # the last one may be smooth, and nothing is behind it
        steps = number + 1 < len(self._bits) and len(stage.bends.breakpoints) == 1
        steps = steps and bool(stage.bends.constant[:1].all())
        self._skips |= any(isinstance(step, str) for step in stage.steps)
        self.c.bare[number] = steps and not flipped
        if self._skips:
            self.c.bare[:] = 0

    def _set_signs(
        self,
        number: int,
        hinges: Array,
        bits: int,
        bit0: int,
        points: PointWalk,
        maps: MapWalk,
        grain: float,
    ) -> None:
        """Sign every vertex, and set the bits of the hinges that are on; where one is zero the
        vertex touches it.
        """
        count = int(self.c.n[kernel.VERTICES])
        if not self._watch.has_room(3 * count * bits):
            raise Stopped
        signs = self._signs(number, np.arange(count), bits, points)
        self._sign_by_maps(number, hinges, signs, maps, grain)
        mask = np.zeros(bits, bool)
        mask[hinges] = True
        if len(unsure := self._ill_conditioned(self._open(signs, mask))):
            again = self._signs(number, unsure, bits, points)
            signs[unsure] = np.where(signs[unsure] == kernel.UNKNOWN, again, signs[unsure])
        self._signed += int(np.count_nonzero(signs != kernel.UNKNOWN))
        if len(open_ := self._open(signs, mask)):
            self._settle_rows(number, open_, mask, bit0, signs)
        self._enter(self.c.on, (signs == 1) & mask, bit0)
        zero = (signs == 0) & mask
        everywhere = zero.all(axis=0)  # and so on all the domain, as its multiples are: all are off
        if everywhere.any():
            self._vanishes = True
            gone = set((bit0 + np.flatnonzero(everywhere)).tolist())
            self._copies = [copy for copy in self._copies if copy[1] not in gone]
            zero &= ~everywhere
        self.c.raised[:] = 0
        if zero.any():
            self._keep_touch()
            self._enter(self.c.touch, zero, bit0)
            self._raise(number)

    def _raise(self, number: int) -> None:
        """Choose the hinges that are on where they are zero: those that cut fewer edges so, and
        vanish on no cell, where off is what they have to be.
        """
        c, count = self.c, int(self.c.n[kernel.VERTICES])
        counts = np.zeros((64 * self._words, 2), np.int64)
        kernel.count_zeros(c, counts)
        c.raised[:] = _as_places((counts[:, 0] > counts[:, 1])[None])[0]
        if not c.raised.any():
            return
        cells = self._cells - int(c.n[kernel.CELL])
        away, unused = (np.zeros((cells, self._words), np.uint64) for _ in range(2))
        apart = (c.on[:count] & ~c.own) | (c.own & ~c.touch[:count, : self._words])
        code = np.zeros(self._words, np.uint64)
        found = kernel.list_signs(c._replace(on=apart), code, away, unused, 0, count)
        self._watch.check()
        require(found, "the cells around a vertex are listed", number)
        c.raised[:] &= np.bitwise_and.reduce(away, axis=0)
        c.on[:count] |= c.touch[:count, : self._words] & c.raised

    def _enter(self, words: Array, bits: BitArray, bit0: int) -> None:
        """Set the bits of the places from that of bit `bit0` on."""
        left = bit0 % 8
        wide = np.zeros((len(bits), left + bits.shape[1]), bool)
        wide[:, left:] = bits
        packed = np.packbits(wide, axis=1)
        bytes_ = words[: len(bits)].view(np.uint8)
        bytes_[:, bit0 // 8 : bit0 // 8 + packed.shape[1]] |= packed

    @staticmethod
    def _open(signs: Array, mask: BitArray) -> Array:
        """The vertices with a sign to settle, of the hinges in `mask`."""
        return np.flatnonzero(((signs == kernel.UNKNOWN) & mask).any(axis=1))

    def _ill_conditioned(self, vertices: Array) -> Array:
        """Those that are not known well, which from now on have the floats of their exact
        coordinates.
        """
        c = self.c
        known = c.pe[vertices] <= _SHARP * (1.0 + np.abs(c.p[vertices]).max(axis=1, initial=0.0))
        for vertex in vertices[~known].tolist():
            self._watch.check()
            self._refresh(vertex)
        found: Array = vertices[~known]
        return found

    def _signs(self, layer: int, vertices: Array, bits: int, points: PointWalk) -> Array:
        c = self.c
        signs = np.empty((len(vertices), bits), np.int8)
        if self._bounded:
            finite = np.ones(len(vertices), bool)
        else:
            finite = ~(c.q[vertices].any(axis=1) | (c.qe[vertices] > 0))
        size = max(256, _BLOCK // max(1, bits))

        def sign(part: IndexArray) -> None:
            v, far = vertices[part], not finite[part[0]]
            self._watch.check()
            signs[part] = points.signs(
                layer, c.p[v], c.pe[v], c.q[v] if far else None, c.qe[v] if far else None
            )

        for where in (np.flatnonzero(finite), np.flatnonzero(~finite)):
            self._workers.map(
                sign, [(where[low:high],) for low, high in self._workers.ranges(len(where), size)]
            )
        return signs

    def _each(self, loop: Callable[..., Any], count: int, *given: Any) -> list[Any]:
        """What a loop of the kernel finds in every range of `count` vertices or cells."""
        return self._each_range(partial(loop, *given), count)

    def _each_range(self, task: Callable[[int, int], Any], count: int) -> list[Any]:
        return self._workers.map(task, self._workers.ranges(count, 4 * self._range))

    def _find_cells(self, layer: int, words: Array, out: IndexArray) -> bool:
        return all(self._each(kernel.find_cells, len(words), self.c, layer, words, out))

    def _sign_by_maps(
        self, number: int, hinges: Array, signs: Array, maps: MapWalk, grain: float
    ) -> None:
        """Decide open signs, in place, by the form that the hinge has on a cell around the vertex:
        its bounds do not grow with the norms of all layers as those of a point's walk do, and it is
        zero where its denominators leave nothing else.
        """
        c = self.c
        where, column = np.nonzero(signs[:, hinges] == kernel.UNKNOWN)
        if not len(where):
            return
        vertices, back = np.unique(where, return_inverse=True)
        cells = np.empty(len(vertices), np.int64)
        found = self._find_cells(number, c.on[vertices], cells)
        require(found, "there is a cell around every vertex", number)
        bits, bit0 = self._bits[number], sum(self._bits[:number])
        keys = (cells - c.n[kernel.CELL])[back] * bits + hinges[column]
        keys, row_of = np.unique(keys, return_inverse=True)
        rows = _normed(grain, *maps.rows(number, keys // bits, keys % bits))
        found_signs = np.empty(len(where), np.int8)
        places = (bit0 + keys % bits) ^ 7
        kernel.sign_by_rows(c, *rows, places, where, row_of, found_signs)
        signs[where, hinges[column]] = found_signs

    def _settle_rows(
        self, number: int, vertices: Array, mask: Array, bit0: int, signs: Array
    ) -> None:
        """Decide the open signs of the hinges in `mask` at these vertices, in place; once at
        vertices that are one point.
        """
        c, count = self.c, int(self.c.n[kernel.VERTICES])
        points, known = np.arange(2 * count, dtype=np.int64), dict[tuple[int, int], int]()
        forms = dict[tuple[bytes, int], Form]()
        if c.n[kernel.TOUCHED]:
            kernel.clusters(c.hinge, c.twin, c.touch, self._shift, count, points)
        for vertex in vertices.tolist():
            self._watch.check()
            code = self._full(c.on[vertex : vertex + 1])[0]
            cell, point = code.tobytes(), int(points[vertex])
            for hinge in np.flatnonzero((signs[vertex] == kernel.UNKNOWN) & mask).tolist():
                if (point, hinge) not in known:
                    if (cell, hinge) not in forms:
                        forms[cell, hinge] = self._exact.hinge_form(number, code, bit0, hinge)
                    known[point, hinge] = self._exact.sign_of(point, forms[cell, hinge])
                    self._settled += 1
                signs[vertex, hinge] = known[point, hinge]

    def _list_rows(
        self, number: int, codes: ByteArray, bit0: int, maps: MapWalk, grain: float
    ) -> None:
        """The rows of the hinges that may cut each cell in front of the layer."""
        c, cells, bits = self.c, len(codes), self._bits[number]
        plus, minus = (np.zeros((cells, self._words), np.uint64) for _ in range(2))
        self._list_signs(number, plus, minus)
        regions, hinges = _set_bits(plus & minus, bit0, bits)
        self._room(planes=len(regions))
        c, first, cell0 = self.c, int(self.c.n[kernel.PLANES]), int(self.c.n[kernel.CELL])
        counts = np.bincount(regions, minlength=cells)
        c.start[cell0 : cell0 + cells] = first + np.cumsum(counts) - counts
        c.rows[cell0 : cell0 + cells] = counts
        c.place[first : first + len(regions)] = (bit0 + hinges) ^ 7
        last = first + len(regions)
        for array, found_rows in zip(
            (c.row, c.aerr, c.berr, c.anorm, c.grain),
            _normed(grain, *maps.rows(number, regions, hinges)),
            strict=True,
        ):
            array[first:last] = found_rows
        self._exact.add_hinges(first, number, regions, hinges, codes, bit0)
        c.n[kernel.PLANES] = first + len(regions)

    def _list_signs(self, number: int, plus: Array, minus: Array) -> None:
        """The signs at the vertices of all cells: every thread has a part of the vertices and its
        own cells, which are put together at the end.
        """
        c, count, cells = self.c, int(self.c.n[kernel.VERTICES]), len(plus)
        own = [(plus, minus)]
        for _ in range(min(self._workers.threads, -(-count // self._range)) - 1):
            if self._watch.has_room(2 * plus.nbytes):
                own.append((np.zeros_like(plus), np.zeros_like(minus)))
        each = self._workers.ranges(count, max(1, -(-count // len(own))))
        code = np.zeros((len(own), self._words), np.uint64)
        found = self._workers.map(
            kernel.list_signs,
            [(c, one, *sides, *ends) for one, sides, ends in zip(code, own, each, strict=False)],
        )
        self._watch.check()
        require(all(found), "the cells around a vertex are listed", number)
        for other in own[1:]:
            for whole, part in zip((plus, minus), other, strict=True):
                self._workers.map(
                    lambda low, high, a=whole, b=part: np.bitwise_or(
                        a[low:high], b[low:high], out=a[low:high]
                    ),
                    self._workers.ranges(cells, 16 * self._range),
                )

    def _cut(self) -> None:
        c = self.c
        c.head[:], c.size[:] = -1, 0
        c.n[kernel.POSITION] = c.n[kernel.PHASE] = 0
        self.c = c._replace(alarm=self._watch.alarm)
        del c  # else all arrays would be there twice when they have grown
        kernel.fill_buckets(self.c)
        while (why := kernel.cut(self.c)) != kernel.DONE:
            self._watch.check()
            if why == kernel.NEEDS_SIGNS:
                self._settle(self.c.asked[: int(self.c.n[kernel.ASKED])])
                self.c.n[kernel.ASKED] = 0
            elif why == kernel.WIDE:
                self._cut_wide()
            elif why == kernel.NEEDS_SPACE:
                self._room(vertices=int(self.c.n[kernel.NEED]))
            else:
                self._require_closed(False)

    def _require_closed(self, closed: bool) -> None:
        require(closed, "the faces of a cell close", int(self.c.n[kernel.POSITION]))

    def _cut_wide(self) -> None:
        """Cut by a hinge of many edges, in ranges of them that no thread changes."""
        n = self.c.n
        place, first, count = (int(n[k]) for k in (kernel.POSITION, kernel.FIRST, kernel.COUNT))
        made = self._workers.map(
            self._new_vertices,
            [(place, first, *ends) for ends in self._workers.ranges(count, self._range)],
        )
        self._watch.check()
        self._require_closed(all(why in (kernel.DONE, kernel.NEEDS_SIGNS) for why, _, _ in made))
        n[kernel.VERTICES] = first + count
        n[kernel.FILTERED] += sum(filtered for _, filtered, _ in made)
        self._settle(np.concatenate([asked for _, _, asked in made]))
        c, stop = self.c, first + count
        ranges = [(first + a, first + b) for a, b in self._workers.ranges(count, self._range)]
        given = (c.hinge, c.twin, self._shift, first, stop, place)
        self._require_closed(
            all(self._workers.map(kernel.joined, [(*given, *ends) for ends in ranges]))
        )
        self._workers.map(kernel.later_cuts, [(c, place, *ends) for ends in ranges])
        kernel.enter_cuts(c, first, stop)
        n[kernel.PHASE] = 0
        n[kernel.POSITION] += 1

    def _new_vertices(
        self, place: int, first: int, low: int, high: int
    ) -> tuple[int, int, IndexArray]:
        """Cut edges `low`, ..., `high` - 1 of the list: why that ended, how many signs floats
        decided, and those that they left open.
        """
        c, n, asked = self.c, self.c.n.copy(), list[IndexArray]()
        n[kernel.AT], n[kernel.COUNT], n[kernel.VERTICES] = low, high, first + low
        n[kernel.FILTERED] = n[kernel.ASKED] = 0
        names = ("scratch", "lines", "asked")
        own = c._replace(n=n, **{name: np.empty_like(getattr(c, name)) for name in names})
        while True:
            why = int(kernel.new_vertices(own, place))
            asked.append(own.asked[: n[kernel.ASKED]].copy())
            n[kernel.ASKED] = 0
            if why != kernel.NEEDS_SIGNS or n[kernel.AT] == high:
                return why, int(n[kernel.FILTERED]), np.concatenate(asked)

    def _touches(self, vertex: int, place: int) -> None:
        """Note that a vertex lies on a hinge that does not go through it."""
        self._keep_touch()
        self.c.touch[vertex, place >> 6] |= np.uint64(1 << (place & 63))

    def _keep_touch(self) -> None:
        """Keep from now on what every vertex touches: so far, the hinges and walls through it."""
        if self.c.n[kernel.TOUCHED]:
            return
        count, words = int(self.c.n[kernel.VERTICES]), self.c.touch.shape[1]
        if not self._watch.has_room(8 * count * words):
            raise Stopped
        touch = np.zeros((len(self.c.base), words), np.uint64)
        self.c = self.c._replace(touch=touch)
        self.c.n[kernel.TOUCHED] = 1
        each = np.arange(count)
        for hinge in self.c.hinge[:count].T.astype(np.int64):
            touch[each, hinge >> 6] |= np.uint64(1) << (hinge & 63).astype(np.uint64)

    def _settle(self, asked: IndexArray) -> None:
        """Decide exactly the signs at vertices (first column) of planes (second column)."""
        c, questions = self.c, asked.tolist()
        for vertex, plane in questions:
            self._watch.check()
            sign = self._exact.sign(vertex, plane)
            place = int(c.place[plane])
            bit = np.uint64(1 << (place & 63))
            if sign > 0 or (sign == 0 and c.raised[place >> 6] & bit):
                c.on[vertex, place >> 6] |= bit
            if sign == 0:
                self._touches(vertex, place)
        for vertex in {vertex for vertex, _ in questions}:
            if c.pe[vertex] > _SHARP * (1.0 + np.abs(c.p[vertex]).max()):
                self._refresh(vertex)
        self._settled += len(questions)

    # ---- room

    def _room(self, *, vertices: int = 0, planes: int = 0, cells: int = 0) -> None:
        """Make room for so many more."""
        c, used = self.c, int(self.c.n[kernel.VERTICES])
        if self.most is not None and used + vertices > self.most:
            raise TooMany
        if (used + vertices) << self._shift >= 2**31 - 1:
            raise TooLarge(
                "the skeleton does not fit",
                value=f"{used + vertices:,} vertices",
                remedy="cut a smaller domain, or use engine='lp_tree', which keeps none",
            )
        if vertices > len(c.cuts):
            self.c = c._replace(cuts=np.zeros(2 * vertices, np.int32))
        del c
        grown = dict[str, tuple[Array, int, int]]()
        for names, count, more in (
            (_OF_VERTICES, used, vertices),
            (_OF_PLANES, int(self.c.n[kernel.PLANES]), planes),
            (_OF_CELLS, self._cells, cells),
        ):
            grown |= self._longer(names, count, more) if more else {}
        self._grow(grown)

    def _longer(
        self, names: Sequence[str], count: int, more: int
    ) -> dict[str, tuple[Array, int, int]]:
        """Arrays of one length with no room for so many more rows beside those in use, and what
        has to be in use and how long they have to be: one length again, as the kernel asks one of
        them whether there is room.
        """
        idle = {*(("q", "qe") if self._bounded else ())}
        idle |= set() if self.c.n[kernel.TOUCHED] else {"touch"}
        every = {name: getattr(self.c, name) for name in names if name not in idle}
        # rows of a vertex in `twin`; arrays that were given back stay away
        rows = {name: 1 << self._shift if name == "twin" else 1 for name in every}
        lengths = [len(array) // rows[name] for name, array in every.items() if len(array)]
        if min(lengths) >= count + more:
            return {}
        # what is not yet used costs nothing, copies do
        factor = 2 if max(array.nbytes for array in every.values()) > _LARGE else 4
        size, found = max(factor * min(lengths), count + more), {}
        for name, array in every.items():
            if not self._watch.has_room(count * rows[name] * array.itemsize * array[:1].size):
                raise Stopped
            if len(array):
                found[name] = array, count * rows[name], size * rows[name]
        return found

    def _grow(self, grown: dict[str, tuple[Array, int, int]]) -> None:
        """Replace arrays by longer ones: a few at a time, so that only these are there twice."""
        names = list(grown)
        for low, high in self._workers.ranges(len(names), self._workers.threads):
            copies = self._workers.map(_longer, [grown.pop(name) for name in names[low:high]])
            self.c = self.c._replace(**dict(zip(names[low:high], copies, strict=True)))
            del copies

    # ---- reading

    def _number_cells(self) -> int:
        """Find a direction along which every edge rises or falls, and number the cells by it."""
        count = int(self.c.n[kernel.VERTICES])
        if len(self.c.first) < count + 1:
            self.c = self.c._replace(first=np.zeros(count + 1, np.int64))
        while self._tried < _TRIES:
            if self._rises(_direction(self._dim, self._tried)):
                return int(kernel.number_cells(self.c))
            self._tried += 1
        raise EngineDefect("no direction is generic", value=f"{_TRIES} tried")

    def _rises(self, direction: tuple[int, ...]) -> bool:
        """Set for every edge where it rises; False where one is perpendicular to the direction."""
        c, count = self.c, int(self.c.n[kernel.VERTICES])
        along = np.array(direction, np.float64)
        self._each(kernel.set_heights, count, c, along)

        def rising(low: int, high: int) -> IndexArray:
            found = np.empty((high - low) << self._shift, np.int64)
            return found[: kernel.rising(c, found, low, high)].copy()

        unsure = np.concatenate(self._each_range(rising, count))
        count = int(kernel.rising_by_rows(c, along, unsure))
        self._signed += int(c.n[kernel.VERTICES]) * self._dim - count
        for half in unsure[:count].tolist():
            self._watch.check()
            ends = half, int(c.twin[half])
            v, w = (end >> self._shift for end in ends)
            if c.n[kernel.TOUCHED] and kernel.is_still(c, half):
                order = self._slope(direction, half)
            else:
                order = _compare(direction, self._exact.point(v), self._exact.point(w))
            self._settled += 1
            if order == 0:
                return False
            low = ends[order < 0]
            c.up[low >> self._shift] |= np.uint32(1 << (low & ((1 << self._shift) - 1)))
        return True

    def _slope(self, direction: tuple[int, ...], half: int) -> int:
        """Whether the direction rises along an edge, exactly, by the forms on a cell around it."""
        c, v = self.c, half >> self._shift
        slot, side = divmod(half & ((1 << self._shift) - 1), 2)
        words, own = c.on[v : v + 1].copy(), int(c.hinge[v, slot])
        if side and own < 64 * self._words:
            words[0, own >> 6] |= np.uint64(1 << (own & 63))
        forms = [self._form_at(int(hinge), self._full(words)[0]) for hinge in c.hinge[v]]
        rise = self._exact.share(forms, direction, slot)
        return rise if side else -rise

    def _form_at(self, place: int, code: ByteArray) -> Form:
        """The form of the hinge or wall at a place, on the cell with this code."""
        if place >= 64 * self._words:
            return self._exact.form(place - 64 * self._words)
        hinge = place ^ 7
        layer = int(np.searchsorted(np.cumsum(self._bits), hinge, side="right"))
        bit0 = sum(self._bits[:layer])
        return self._exact.hinge_form(layer, code, bit0, hinge - bit0)

    def _full(self, words: Array) -> ByteArray:
        """Packed codes with all hinges."""
        codes = words.astype("<u8").view(np.uint8)[:, : (sum(self._bits) + 7) // 8]
        for bit, leader, flips in self._copies:
            on = (codes[:, leader >> 3] >> (7 - (leader & 7))) & 1
            codes[:, bit >> 3] |= (on ^ flips) << (7 - (bit & 7))
        return np.ascontiguousarray(codes)

    def codes(self) -> ByteArray:
        """The packed codes of the cells."""
        self._give_back(_TO_CUT)
        words = self._list_cells(len(self._bits))
        if not self.c.n[kernel.TOUCHED]:
            return self._full(words)
        self.slivers = Slivers(self.c, len(words), self._watch)
        codes = self._full(words[self.slivers.kept])
        self.slivers.settle_copies(codes, self._copies)
        return codes

    def edge_facets(self) -> IndexArray | None:
        """The cell and the wall, by its number, of every facet on the edge of the domain; None
        where vertices are not simple, and facets can vanish with the slivers behind them.
        """
        if self.slivers is not None:
            return None
        c, count = self.c, int(self.c.n[kernel.VERTICES])

        def listed(low: int, high: int) -> IndexArray | None:
            code, found = np.zeros(self._words, np.uint64), np.empty((_RANGE, 2), np.int32)
            many = int(kernel.list_edge_facets(c, code, found, low, high))
            if many > len(found):
                found = np.empty((many, 2), np.int32)
                kernel.list_edge_facets(c, code, found, low, high)
            return None if many < 0 else found[:many].copy()

        found = self._each_range(listed, count)
        self._watch.check()
        every = [part for part in found if part is not None]
        require(len(every) == len(found), "a cell lies at every facet of a wall", count)
        return np.concatenate(every)

    def pairs(self) -> IndexArray:
        """Every two cells that share a facet."""
        c, count = self.c, int(self.c.n[kernel.VERTICES])
        counts = self._each(kernel.count_pairs, count, c)
        ends = np.cumsum([0, *counts]).tolist()
        pairs = np.empty((ends[-1], 2), np.int32)
        parts = [pairs[a:b] for a, b in pairwise(ends)]
        code = np.zeros((len(parts), self._words), np.uint64)
        ranges = self._workers.ranges(count, 4 * self._range)
        given: list[tuple[Any, ...]] = [
            (c, one, part, *ends) for one, part, ends in zip(code, parts, ranges, strict=True)
        ]
        found = self._workers.map(kernel.list_pairs, given)
        self._watch.check()
        require(all(found), "a facet lies between two cells", len(pairs))
        if self.slivers is not None:
            pairs = self.slivers.pairs(pairs)
        self._give_back(_TO_READ)
        return pairs

    def _give_back(self, names: Sequence[str]) -> None:
        """Free arrays that nothing reads any more."""
        self.c = self.c._replace(**{name: getattr(self.c, name)[:0].copy() for name in names})
        if self.slivers is not None:
            self.slivers.c = self.c

    @property
    def is_simple(self) -> bool:
        """Whether no more than d constraints meet anywhere."""
        return not (self.c.n[kernel.TOUCHED] or self._copies or self._vanishes)

    def simple(self) -> SimpleVertices | None:
        """What meets at every vertex, where no more than d constraints do anywhere; else None."""
        if not self.is_simple:
            return None
        count, behind = int(self.c.n[kernel.VERTICES]), 64 * self._words
        fixed = self._exact.walls
        walls = tuple(Halfspace(form) for form, k in fixed if not k)
        far = tuple((*form[:-1], k) for form, k in fixed if k)
        first = sum(self._bits)
        # those far away come first, where there are some, and stand last
        numbers = (np.arange(len(fixed)) - len(far)) % len(fixed) + first
        names = self.c.hinge[:count].astype(np.int64)
        inner = names < behind
        names[~inner] = numbers[names[~inner] - behind]
        names[inner] ^= 7
        if len(far) and names.max(initial=0) < first + len(walls):
            far = ()
        return SimpleVertices(names, self._full(self.c.on[:count]), walls, far, self._points())

    def _points(self) -> tuple[FloatArray, FloatArray] | None:
        """The vertices as floats with bounds; None where some may be at infinity."""
        c, count = self.c, int(self.c.n[kernel.VERTICES])
        if not self._bounded and (c.q[:count].any() or c.qe[:count].any()):
            return None
        return c.p[:count].copy(), c.pe[:count].copy()

    @property
    def decisions(self) -> dict[str, int]:
        """How many signs floats decided, and how many exact coordinates."""
        found = {"filter": self._signed + int(self.c.n[kernel.FILTERED]), "exact": self._settled}
        return found if self.slivers is None else {**found, FANS: self.slivers.fans}

    @property
    def cell_count(self) -> int:
        """The vertices so far: at each there is a point inside a cell."""
        return int(self.c.n[kernel.VERTICES])

    def middles(self, first: int, count: int) -> FloatArray:
        """Points inside cells around vertices `first`, `first + 1`, ... (count x d)."""
        found = np.zeros((count, self._dim))
        reach = 1.0 + float(np.abs(self.c.p[: self.cell_count]).max(initial=0.0))
        kernel.middles(self.c, first, 4.0 * reach, found)
        return found


def _arrays(dim: int, bounded: bool, layers: Array, before: Array) -> Skeleton:
    """Room for a cube, hinges of the given layers, and what comes."""
    words, vertices, planes = before.shape[1], max(2**10, 2**dim), 2**10
    far = 1 if bounded else vertices
    i4, f8, u8 = np.int32, np.float64, np.uint64
    return Skeleton(
        n=np.zeros(kernel.COUNTERS, np.int64),
        p=np.zeros((vertices, dim)),
        q=np.zeros((far, dim)),
        pe=np.zeros(vertices),
        qe=np.zeros(far),
        hinge=np.zeros((vertices, dim), i4),
        plane=np.zeros((vertices, dim), i4),
        twin=np.full(vertices << _shift(dim), -1, i4),
        link=np.zeros((vertices, 2 * dim), i4),
        base=np.zeros(vertices, i4),
        on=np.zeros((vertices, words), u8),
        zero=np.zeros((vertices, words), u8),
        touch=np.zeros((1, (len(layers) + 63) // 64), u8),
        up=np.zeros(vertices, np.uint32),
        height=np.zeros((vertices, 1 if bounded else 2)),
        slack=np.zeros((vertices, 1 if bounded else 2)),
        first=np.zeros(1, np.int64),
        row=np.zeros((planes, dim + 2), f8),
        aerr=np.zeros(planes),
        berr=np.zeros(planes),
        anorm=np.zeros(planes),
        grain=np.zeros(planes),
        place=np.zeros(planes, i4),
        start=np.zeros(2**8, i4),
        rows=np.zeros(2**8, i4),
        code=np.zeros((2**8, words + 1), u8),
        head=np.full(64 * words, -1, i4),
        size=np.zeros(64 * words, i4),
        cuts=np.zeros(2**10, i4),
        asked=np.zeros((max(2**10, 2**8 * words), 2), i4),
        scratch=np.zeros((3, dim, dim)),
        lines=np.zeros((7, dim)),
        layer=layers,
        bare=np.zeros(len(before), np.int8),
        parallel=np.where(layers < 0, -1, np.arange(len(layers))).astype(i4),
        before=before,
        table=np.full(2**10, -1, i4),
        own=np.zeros(words, u8),
        raised=np.zeros(words, u8),
        alarm=np.zeros(1, np.int64),
    )


def _longer(array: Array, used: int, size: int) -> Array:
    """A copy of the rows in use with room for `size`."""
    grown = np.empty((size, *array.shape[1:]), array.dtype)
    grown[:used] = array[:used]
    return grown


def _normed(
    grain: float, rows: FloatArray, a_err: FloatArray, b_err: FloatArray
) -> tuple[FloatArray, ...]:
    """Rows and their bounds times a power of two, so that no entry is above 1, with a part in K of
    zero; bounds on the norms of the rows, and their grains.
    """
    largest = np.abs(rows[:, :-1]).max(axis=1, initial=0.0)
    usable = (largest > _LEAST) & (largest < 1 / _LEAST)
    scale = np.ldexp(1.0, -np.frexp(np.where(usable, largest, 1.0))[1])
    with np.errstate(over="ignore", invalid="ignore"):  # infinite bounds decide nothing
        scaled = np.concatenate([rows * scale[:, None], np.zeros((len(rows), 1))], axis=1)
        norms = np.sqrt((scaled[:, :-2] ** 2).sum(axis=1)) * _UP + _LEAST
        return scaled, a_err * scale * _UP, b_err * scale * _UP, norms, grain / scale


def _shift(dim: int) -> int:
    """The bits that number the half-edges of a vertex."""
    return (2 * dim - 1).bit_length()


def _set_bits(words: Array, bit0: int, bits: int) -> tuple[IndexArray, IndexArray]:
    """The rows and the numbers of the bits that are set among `bits` from `bit0` on."""
    low, rows = bit0 // 8, max(1, _BLOCK * 64 // max(1, bits))
    packed = words.astype("<u8", copy=False).view(np.uint8)[:, low : (bit0 + bits + 7) // 8]
    found = [
        np.nonzero(np.unpackbits(packed[start : start + rows], axis=1))
        for start in range(0, len(words), rows)
    ]
    regions = np.concatenate([row + k * rows for k, (row, _) in enumerate(found)])
    return regions, np.concatenate([place for _, place in found]) + 8 * low - bit0


def _as_places(bits: BitArray) -> Array:
    """Words of which bit `place & 63` of word `place >> 6` is column `place`."""
    return np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little")).view("<u8")


def _bits(words: Array) -> BitArray:
    """The columns behind `_as_places`."""
    packed = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(packed, axis=1, bitorder="little").astype(bool)


def _as_words(packed: ByteArray) -> Array:
    """Packed rows of a multiple of 64 bits as words: bit b of a row is place `b ^ 7`."""
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)


def _alike(stage: Stage) -> list[int]:
    """The neurons whose weights look like a multiple of another's, in floats: a proposal."""
    weight = stage.last.weight
    if not weight.size:
        return []
    each = np.arange(len(weight))
    leading = weight[each, np.abs(weight).argmax(axis=1)]
    used = np.flatnonzero((leading != 0) & np.isfinite(leading))
    rows = (weight[used] / leading[used, None]).astype(np.float32) + np.float32(0)
    _, group, sizes = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return [int(i) for i in used[sizes[group.reshape(-1)] > 1]]


def _generic(dim: int) -> list[tuple[int, ...]]:
    """The normals of a parallelepiped that no hinge of a network in use is parallel to."""
    random = Random(dim)
    return [tuple(random.randint(-9, 9) + 64 * (i == j) for j in range(dim)) for i in range(dim)]


def _direction(dim: int, number: int) -> tuple[int, ...]:
    random, most = Random(number), 999 << 2 * number  # edges of small integers rule many out
    return tuple(random.randint(1, most) * random.choice((1, -1)) for _ in range(dim))


def _compare(direction: Sequence[int], a: SymbolicPoint, b: SymbolicPoint) -> int:
    """Whether b is higher than a along the direction (1), lower (-1), or neither (0)."""
    far, near = (
        sum(
            x * (high * a.finite[-1] - low * b.finite[-1])
            for x, high, low in zip(direction, *ends, strict=True)
        )
        for ends in ((b.infinite, a.infinite), (b.finite[:-1], a.finite[:-1]))
    )
    value = far or near
    return (value > 0) - (value < 0)
