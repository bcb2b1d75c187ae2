"""`live_tree`: few live neurons in many dimensions.

Every hinge is first held against the whole box around the domain, where its range has a closed
form; what keeps its sign there is fixed and never looked at again. The live ones are inserted one
by one into a tree, as in `lp_tree`, but a linear programme sees the bounds of the box as bounds and
only the live hinges as rows: its cost follows these, not the dimensions. Float answers carry their
own proofs (:mod:`exact.kernels.boxes`); what floats leave open, such as a hinge that touches the
box in a corner, goes to rationals, one row at a time. Facets: across a hinge of the last hidden
layer two regions whose codes differ in it alone share one, because every other function is affine
along a segment between them and keeps its sign; across an earlier one a programme decides.

The tree and what asks it for facets stand in one file, longer than others, because both speak of
the same layers and walls.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats, rational
from exact.errors import EngineDefect
from exact.geometry.budgets import Stopped
from exact.geometry.domains.base import CurveDomain, Flat, FlatDomain
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous
from exact.geometry.polyhedra.programmes.box_rows import halfspace_rows, kernel_rows
from exact.geometry.polyhedra.programmes.boxes import Bounds, Weights, enclosing, feasible
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.engines.live_rows import Place, Rows, Sheet, open_hinges
from exact.regions.polytopes.refusals import flat_refusal
from exact.regions.polytopes.walls.bounded_facets import met
from exact.regions.polytopes.walls.facets import code_behind

Integers = np.ndarray[Any, np.dtype[np.int64]]
_FEW = 8  # dimensions up to which other engines are faster
_SOME = 16  # dimensions up to which `lp_tree` is faster on one layer without fixed neurons
_KEPT = 256  # layers on cells that are kept for facets


class LiveTree(Engine):
    """Depth-first tree over the live hinges; complete unless the budget ends first."""

    name = "live_tree"

    def refusal(self, problem: Problem) -> Refusal | None:
        refused = flat_refusal(problem)
        if refused is not None:
            return refused
        if _bounds(problem) is None:
            return Refusal(
                "some coordinate of the domain has no bounds that its walls show one by one"
            )
        return None

    def cost(self, problem: Problem) -> float:
        if isinstance(problem.domain, CurveDomain):
            return inf  # the engines for curves tell the crossings too
        if problem.flat.dim <= _FEW:
            return inf
        layers = problem.network.hidden_layers
        few = 2 * self.first_hinges(problem) <= sum(layer.bits for layer in layers[:1])
        if few or problem.flat.dim > _SOME:
            return 10.0
        return 90.0 if len(layers) == 1 else 60.0

    def bytes_per_region(self, problem: Problem) -> float:
        return 8.0 * problem.flat.dim + (problem.network.hinge_count + 7) // 8

    def first_hinges(self, problem: Problem) -> int:
        bounds = _bounds(problem)
        if bounds is None or not problem.network.hidden_layers:
            return super().first_hinges(problem)
        sheet = Sheet(problem.network, problem.flat, bounds)
        place = Place.start(sheet)
        return len(open_hinges(sheet.hinges(place.at, place.functions(sheet)))[1])

    def run(self, job: Job) -> FlatCells:
        flat, hinges, bounds = job.problem.flat, job.network.hinge_count, _bounds(job.problem)
        assert bounds is not None, "the engine refuses domains without bounds"
        job.network.require_bits("live rows")
        try:
            start = strict_feasibility(flat.walls, flat.dim, job.watch)
        except Stopped:
            return no_cells(hinges)
        if isinstance(start, Farkas):
            return empty_cells(hinges, start)
        tree = _Tree(job, Sheet(job.network, flat, bounds), start.point)
        while tree.stack and not job.out_of_budget(len(tree.leaves.codes)):
            tree.grow()
        codes = np.frombuffer(b"".join(tree.leaves.codes), dtype=np.uint8)
        complete = not tree.stack
        return FlatCells(
            codes.reshape(len(tree.leaves.codes), (hinges + 7) // 8),
            hinges,
            tree.witness,
            Outcome.COMPLETE if complete else Outcome.BUDGET_REACHED,
            tree.evidence(),
            tree.decisions,
            tree.walls,
            _Facets(tree).pairs if complete else None,
            in_box=tree.in_box,
        )


def _bounds(problem: Problem) -> Bounds | None:
    """The box around the domain, found once a problem."""
    kept: dict[str, Any] = vars(problem)
    if "_bounds" not in kept:
        domain, flat = problem.domain, problem.flat
        has_room = isinstance(domain, FlatDomain) and domain.empty is None and flat.dim > 0
        kept["_bounds"] = enclosing(flat.walls, flat.dim) if has_room else None
    found: Bounds | None = kept["_bounds"]
    return found


@dataclass(frozen=True)
class _Layer:
    """A hidden layer on a cell of the layers before it, which has the bits `before`.

    `fixed` are the bits of hinges that keep their sign all over the box, `live` the places of the
    others, and `table` the rows of these as the kernel reads them.
    """

    sheet: Sheet
    place: Place
    number: int
    before: tuple[bool, ...]

    @cached_property
    def functions(self) -> Rows:
        """Those in front of the bends."""
        return self.place.functions(self.sheet)

    @cached_property
    def _sorted(self) -> tuple[BitArray, IndexArray, FloatArray]:
        rows = self.sheet.hinges(self.place.at, self.functions)
        fixed, live = open_hinges(rows)
        return fixed, live, kernel_rows(rows.a[live], rows.b[live], rows.e[live])

    @property
    def fixed(self) -> BitArray:
        """The bits that are the same all over the box; False for live hinges."""
        return self._sorted[0]

    @property
    def live(self) -> IndexArray:
        """The places of live hinges in the layer."""
        return self._sorted[1]

    @property
    def table(self) -> FloatArray:
        """The rows of live hinges."""
        return self._sorted[2]

    @cached_property
    def _exact(self) -> dict[int, Halfspace]:
        return {}

    def exact(self, k: int) -> Halfspace:
        """`breakpoint exceeded` of live hinge k, made once."""
        if k not in self._exact:
            self._exact[k] = self.sheet.exact_hinge(self.number, int(self.live[k]), self.before)
        return self._exact[k]

    def bits(self, live: Sequence[bool]) -> BitArray:
        """The bits of all hinges."""
        found = self.fixed.copy()
        found[self.live] = live
        return found

    def behind(self, bits: BitArray) -> _Layer | None:
        """The next hidden layer; None behind the last one."""
        if self.number + 1 == len(self.sheet.hidden):
            return None
        place = self.place.behind(self.sheet, self.functions, bits)
        return _Layer(self.sheet, place, self.number + 1, (*self.before, *bits.tolist()))


@dataclass(frozen=True)
class _Wall:
    """A side of live hinge k of a layer."""

    layer: _Layer
    k: int
    bit: bool

    @property
    def exact(self) -> Halfspace:
        """The halfspace that contains the cell."""
        found = self.layer.exact(self.k)
        return found if self.bit else found.opposite

    @property
    def row(self) -> FloatArray:
        """The same as the kernel reads it."""
        row = self.layer.table[self.k]
        return row if self.bit else np.concatenate([-row[:-2], row[-2:]])

    @property
    def hinge(self) -> int:
        """The number of the hinge in the code."""
        return len(self.layer.before) + int(self.layer.live[self.k])


@dataclass(frozen=True)
class _Node:
    """A cell of the layers before `layer` and the first len(bits) live hinges of it.

    `u` is a float point certainly inside, where there is one; else `point` is an exact one. `basis`
    is where the next programme starts. `special`: some function is zero all over the cell, or on a
    wall of another hinge.
    """

    layer: _Layer
    bits: list[bool]
    walls: tuple[_Wall, ...]
    u: FloatArray | None
    point: Point | None
    basis: Any = None
    special: bool = False


@dataclass
class _Leaves:
    """The cells found: bits, walls, points (floats of the box, or exact), and which are special."""

    codes: list[bytes] = field(default_factory=list)
    walls: list[tuple[int, ...]] = field(default_factory=list)
    points: list[FloatArray | Point] = field(default_factory=list)
    special: list[bool] = field(default_factory=list)


class _Tree:
    """The branches still to follow, the cells found, and what decided the branches."""

    def __init__(self, job: Job, sheet: Sheet, start: Point) -> None:
        from exact.kernels import boxes

        self.kernel, self.job, self.sheet, self.watch = boxes, job, sheet, job.watch
        self.flat: Flat = sheet.flat
        walls = dict.fromkeys(self.flat.walls)
        self.others = tuple(wall for wall in walls if not sheet.bounds.implies(wall))
        self.domain_rows = halfspace_rows(self.others, sheet.bounds)
        self.leaves, self.stack = _Leaves(), list[_Node]()
        self.decisions = {"bounds": 0, "interiors": 0, "farkas": 0, "filter": 0, "exact": 0}
        self.asked = np.zeros(job.network.hinge_count, dtype=bool)
        self.layers: OrderedDict[tuple[bool, ...], _Layer] = OrderedDict()
        self._begin(start)

    def _begin(self, start: Point) -> None:
        """The root: a point off the planes that meet in the middle of the box, where there is one
        in floats.
        """
        if not self.sheet.hidden:
            self._note((), (), start, False)
            return
        layer = _Layer(self.sheet, Place.start(self.sheet), 0, ())
        inside = np.random.default_rng(0).uniform(-0.5, 0.5, self.flat.dim)
        for u in (inside, self._floats(start)):
            if self.kernel.all_inside(self.domain_rows, len(self.domain_rows), u):
                break
        else:
            u = None
        self.stack.append(self._root(layer, _Node(layer, [], (), u, start)))

    def _floats(self, point: Point) -> FloatArray:
        bounds = self.sheet.bounds
        return nearest_floats(
            [(x - c) / h for x, c, h in zip(affine(point), bounds.middle, bounds.half, strict=True)]
        )

    def _root(self, layer: _Layer, node: _Node) -> _Node:
        """A cell in front of a layer that is not looked at yet."""
        self.asked[len(layer.before) + layer.live] = True
        self.decisions["bounds"] += len(layer.fixed) - len(layer.live)
        return replace(node, layer=layer, bits=[])

    def _is_inside(self, walls: Sequence[_Wall], u: FloatArray) -> bool:
        rows = self._table(walls, 0)
        return bool(self.kernel.all_inside(rows, len(rows), u))

    def _table(self, walls: Sequence[_Wall], room: int) -> FloatArray:
        """The rows of the domain and of walls, and room for more."""
        known = len(self.domain_rows)
        table = np.empty((known + len(walls) + room, self.flat.dim + 3))
        table[:known] = self.domain_rows
        for i, wall in enumerate(walls):
            table[known + i] = wall.row
        return table

    def evidence(self) -> str:
        """How it is known that no cell is missing."""
        if self.stack:
            return f"stopped early: {len(self.stack)} branches unexplored"
        bits = self._bits()
        same = (bits == bits[:1]).all(axis=0)
        count = len(same)
        alone, by_programmes = int((same & ~self.asked).sum()), int((same & self.asked).sum())
        return (
            f"of {count} hinges {alone + by_programmes} are fixed, {alone} by bounds over the box "
            f"on every cell and {by_programmes} by programmes on cells, and the other "
            f"{count - alone - by_programmes} are live; every branch of their tree is decided "
            f"exactly: {self.decisions['interiors']} open by a point, {self.decisions['farkas']} "
            "closed by weights"
        )

    def _bits(self) -> BitArray:
        codes = np.frombuffer(b"".join(self.leaves.codes), dtype=np.uint8)
        count = self.job.network.hinge_count
        packed = codes.reshape(len(self.leaves.codes), (count + 7) // 8)
        return np.unpackbits(packed, axis=1, count=count).astype(bool)

    def witness(self, index: int) -> Point:
        """An exact point inside a cell."""
        found = self.leaves.points[index]
        if isinstance(found, tuple):
            return found
        return homogeneous(self.sheet.bounds.place([rational(x) for x in found.tolist()]))

    def in_box(self, index: int) -> tuple[FloatArray, FloatArray]:
        """The rows of the domain and of live hinges that cut a cell, and a point inside; both over
        the box around the domain.
        """
        found = self.leaves.points[index]
        inside = self._floats(found) if isinstance(found, tuple) else found
        return self._table(self.walls_of(index), 0), inside

    def walls(self, index: int) -> tuple[Halfspace, ...]:
        """Halfspaces among which the facets of a cell are: the domain's, and live ones that cut."""
        inner = [wall.exact for wall in self.walls_of(index)]
        return tuple(dict.fromkeys([*self.flat.walls, *inner]))

    def walls_of(self, index: int) -> list[_Wall]:
        """The live hinges that cut when a cell was made, in order."""
        count = self.job.network.hinge_count
        packed = np.frombuffer(self.leaves.codes[index], dtype=np.uint8)
        bits = np.unpackbits(packed, count=count).astype(bool)
        layers = self._layers(bits)
        ends = np.cumsum([0, *self.job.network.bits_per_layer])
        found = list[_Wall]()
        for hinge in self.leaves.walls[index]:
            number = int(np.searchsorted(ends, hinge, side="right")) - 1
            layer = layers[number]
            k = int(np.searchsorted(layer.live, hinge - ends[number]))
            found.append(_Wall(layer, k, bool(bits[hinge])))
        return found

    def _layers(self, bits: BitArray) -> list[_Layer]:
        """The layers on the cell of a code; the last ones asked for are kept."""
        found, layer = list[_Layer](), self.layers.get(())
        if layer is None:
            layer = self.layers[()] = _Layer(self.sheet, Place.start(self.sheet), 0, ())
        while layer is not None:
            found.append(layer)
            start = len(layer.before)
            own = bits[start : start + len(layer.fixed)]
            key = (*layer.before, *own.tolist())
            following = self.layers.get(key)
            if following is None and (following := layer.behind(own)) is not None:
                self.layers[key] = following
                if len(self.layers) > _KEPT:
                    self.layers.popitem(last=False)
            layer = following
        return found

    # ---- the tree

    def grow(self) -> None:
        """Follow one branch to a leaf, leaving the others on the stack, and the branch too when
        time or memory is up.
        """
        following: _Node | None = self.stack.pop()
        while following is not None:
            node = following if following.u is None else self._descend(following, following.u)
            try:
                self.watch.check()
                whole = len(node.bits) == len(node.layer.live)
                following = self._leave(node) if whole else self._insert(node)
            except Stopped:
                self.stack.append(node)
                return

    def _leave(self, node: _Node) -> _Node | None:
        """The root of the next layer; None after the last one, with the leaf noted."""
        layer = node.layer
        bits = layer.bits(node.bits)
        following = layer.behind(bits)
        if following is None:
            point = node.point if node.u is None else node.u
            walls = tuple(wall.hinge for wall in node.walls)
            self._note((*layer.before, *bits.tolist()), walls, point, node.special)
            return None
        return self._root(following, node)

    def _note(
        self,
        bits: Sequence[bool],
        walls: tuple[int, ...],
        point: FloatArray | Point | None,
        special: bool,
    ) -> None:
        assert point is not None, "a cell has a point"
        self.leaves.codes.append(np.packbits(np.array(bits, dtype=bool)).tobytes())
        self.leaves.walls.append(walls)
        self.leaves.points.append(point)
        self.leaves.special.append(special)

    def _descend(self, node: _Node, u: FloatArray) -> _Node:
        """Follow the point to the end of the layer, or to a hinge that floats cannot decide."""
        layer, start = node.layer, len(node.bits)
        size, dim = len(layer.live), self.flat.dim
        rows = self._table(node.walls, size - start + 1)
        count = len(rows) - (size - start + 1)
        most = min(len(rows), dim + 1) + 1
        bits, origin = np.zeros(size, dtype=np.uint8), np.zeros(len(rows), dtype=np.int64)
        bits[:start] = node.bits
        left = size - start
        branches = self.kernel.Branches(
            np.empty(left, dtype=np.int64),
            np.empty(left, dtype=np.int64),
            np.empty((left, dim)),
            np.zeros((left, most), dtype=np.int64),
            np.zeros((left, most), dtype=np.int64),
            np.empty(left, dtype=np.int64),
        )
        basis = self._basis(node.basis, most)
        _, end, total, found, closed = self.kernel.descend(
            rows, count, basis, u, layer.table, start, bits, origin, branches, self.watch.alarm
        )
        known, walls = [bool(bit) for bit in bits[:end]], list(node.walls)
        new = [_Wall(layer, int(k), known[int(k)]) for k in origin[count:total]]
        for i in range(found):
            k = int(branches.at[i])
            other = (*walls, *new[:i], _Wall(layer, k, not known[k]))
            place = branches.tight[i], branches.basic[i], int(branches.size[i])
            self.stack.append(
                replace(
                    node,
                    bits=[*known[:k], not known[k]],
                    walls=other,
                    u=branches.points[i].copy(),
                    point=None,
                    basis=place,
                )
            )
        self._count(interiors=found, farkas=closed, filter=found + closed)
        return replace(node, bits=known, walls=(*walls, *new))

    def _basis(self, place: Any, most: int) -> Any:
        """A basis of the kernel from what a node holds of one."""
        basis = self.kernel.Basis(
            np.zeros(most, dtype=np.int64), np.zeros(most, dtype=np.int64), np.zeros(1, np.int64)
        )
        if place is not None and place[2] <= most:
            tight, basic, size = place
            basis.tight[:size], basis.basic[:size], basis.size[0] = tight[:size], basic[:size], size
        return basis

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            self.decisions[name] += number

    def _insert(self, node: _Node) -> _Node:
        """Decide the next hinge in rationals; of two children the other one goes on the stack."""
        layer, k = node.layer, len(node.bits)
        halfspace = layer.exact(k)
        walls = [*self.others, *(wall.exact for wall in node.walls)]
        self._count(exact=1)
        if halfspace.is_constant:
            special = node.special or halfspace.offset == 0
            return replace(node, bits=[*node.bits, halfspace.offset > 0], special=special)
        if halfspace in walls or halfspace.opposite in walls:
            return replace(node, bits=[*node.bits, halfspace in walls], special=True)
        low, high = self.sheet.bounds.range_of([Rational(x) for x in halfspace.coefficients])
        if low >= 0 or high <= 0:
            return replace(node, bits=[*node.bits, low >= 0])
        children = list[_Node]()
        for bit, side in ((False, halfspace.opposite), (True, halfspace)):
            found = feasible([*walls, side], self.sheet.bounds, self.watch)
            if isinstance(found, Weights):
                self._count(farkas=1)
                continue
            self._count(interiors=1)
            children.append(self._child(node, bit, found))
        if not children:
            raise EngineDefect("a cell lies on no side of a hinge", value=halfspace)
        if len(children) == 1:
            return replace(node, bits=children[0].bits)
        self.stack.append(children[0])
        return children[1]

    def _child(self, node: _Node, bit: bool, point: Point) -> _Node:
        """The half of a node where the next hinge is (not) exceeded, with a point inside."""
        k = len(node.bits)
        walls = (*node.walls, _Wall(node.layer, k, bit))
        u = self._floats(point)
        inside = self._is_inside(walls, u)
        return replace(
            node,
            bits=[*node.bits, bit],
            walls=walls,
            u=u if inside else None,
            point=None if inside else point,
        )


class _Facets:
    """Which cells of a finished tree share a facet."""

    def __init__(self, tree: _Tree) -> None:
        self.tree, self.leaves = tree, tree.leaves

    def pairs(self) -> IndexArray:
        """Every two cells that share a facet, once."""
        return self._pairs

    @cached_property
    def _pairs(self) -> IndexArray:
        found = set[tuple[int, int]]()
        for index, special in enumerate(self.leaves.special):
            behind = self._behind_exactly(index) if special else self._behind(index)
            found.update((min(index, other), max(index, other)) for other in behind)
        return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)

    @cached_property
    def _index(self) -> dict[bytes, int]:
        return {code: i for i, code in enumerate(self.leaves.codes)}

    def _behind(self, index: int) -> list[int]:
        """The cells behind the facets of a cell on whose walls no second function vanishes: their
        codes differ in one bit. An earlier cell of the list has found the facets they share.
        """
        code, last = self.leaves.codes[index], self._last
        found, open_ = list[int](), list[tuple[int, int]]()
        for place, hinge in enumerate(self.leaves.walls[index]):
            turned = bytearray(code)
            turned[hinge >> 3] ^= 128 >> (hinge & 7)
            other = self._index.get(bytes(turned))
            if other is None or (other < index and not self.leaves.special[other]):
                continue
            if hinge >= last:
                found.append(other)
            else:
                open_.append((place, other))
        if open_:
            found += self._by_programmes(index, open_)
        return found

    @cached_property
    def _last(self) -> int:
        """The first hinge of the last hidden layer."""
        return sum(self.tree.job.network.bits_per_layer[:-1])

    def _by_programmes(self, index: int, asked: list[tuple[int, int]]) -> list[int]:
        tree = self.tree
        walls = tree.walls_of(index)
        known = len(tree.others)
        rows = tree._table(walls, 0)
        places = np.array([known + place for place, _ in asked], dtype=np.int64)
        answers = tree.kernel.facets(rows, places, np.zeros(1, dtype=np.int64))
        found = list[int]()
        for answer, (place, other) in zip(answers.tolist(), asked, strict=True):
            is_facet = answer == tree.kernel.OPEN
            if answer == tree.kernel.UNDECIDED:
                is_facet = not isinstance(self._across(walls, place), Weights)
            if is_facet:
                found.append(other)
        return found

    def _across(self, walls: Sequence[_Wall], place: int) -> Point | Weights:
        """A point outside one wall and inside all others, or the proof that there is none."""
        sides = [wall.exact for wall in walls]
        sides[place] = sides[place].opposite
        return feasible([*self.tree.others, *sides], self.tree.sheet.bounds)

    def _behind_exactly(self, index: int) -> list[int]:
        """The cells behind the facets of any cell, by points inside the facets."""
        tree, found = self.tree, list[int]()
        walls, inside = tree.walls_of(index), affine(tree.witness(index))
        for place, wall in enumerate(walls):
            across = self._across(walls, place)
            if isinstance(across, Weights):
                continue
            point = met(wall.exact, inside, affine(across))
            bits = code_behind(tree.job.network, tree.flat, wall.exact, point)
            code = np.packbits(np.array(bits, dtype=bool)).tobytes()
            if code not in self._index:
                raise EngineDefect(
                    "a facet leads to a region that the enumeration does not have", value=wall.exact
                )
            found.append(self._index[code])
        return found
