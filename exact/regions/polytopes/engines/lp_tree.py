"""`lp_tree`: insert breakpoints one by one, keep a witness per cell, let one LP decide the other
side.

Incremental enumeration (Rada and Cerny 2018) carried through deep networks: inside a cell of the
earlier layers every pre-activation is affine, so the next layer is again an arrangement of
hyperplanes in that cell. Any dimension, any depth, any degeneracy. Invariants of a node: its walls
cut out its open cell, its witness lies strictly inside, and every branch not taken is closed by an
exact Farkas vector. LPs run in compiled float64 and are certified there; what floats cannot certify
(zeros, degenerate bases, numbers far apart) is decided in rationals. Cost: one LP per (cell,
breakpoint).

Inside a cell of the earlier layers whole subtrees grow in one compiled loop
(kernels.feasibility.grow), their leaves in arrays; it returns after a bounded number of operations,
so that budgets are heeded and threads have something to share. What becomes of a node depends on
that node alone, and the subtrees that are grown side by side are chosen without regard to the
number of threads: neither cells nor their order nor witnesses depend on it.

This module is longer than others: nodes in arrays and in rationals become each other at every step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import inf, nextafter
from typing import Any

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, nearest_floats
from exact.geometry.budgets import Stopped
from exact.geometry.domains.base import CurveDomain, Flat
from exact.geometry.polyhedra.constructions import step_inside
from exact.geometry.polyhedra.halfspace import (
    Halfspace,
    Point,
    affine,
    float_rows,
    point_of_floats,
    side,
)
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.refusals import flat_refusal
from exact.regions.polytopes.walls.facets import region_halfspaces

Integers = np.ndarray[Any, np.dtype[np.int64]]
# subtrees that are grown side by side, and the work and the leaves of one before all are looked
# at again: some 0.03 to 0.1 s
_SIDE_BY_SIDE, _FEW_SIDE_BY_SIDE, _WORK, _LEAVES = 16, 2, 3e7, 4096
_FAR = 2**1000  # floats have no room for much more
# FIXED of kernels.feasibility, less the number of rows of a basis: a start from nothing
_NO_BASIS = -2


@dataclass(frozen=True)
class _Layer:
    """A hidden layer seen from inside one cell of the layers before it.

    `walls` cut out that cell, `edges` in floats; those beyond the domain's are sides of the
    hinges `numbers`. `before` are its bits.
    """

    cursor: Cursor
    z: RationalArray
    before: tuple[bool, ...]
    numbers: tuple[int, ...]
    walls: tuple[Halfspace, ...]
    edges: FloatArray

    @cached_property
    def halfspaces(self) -> tuple[Halfspace, ...]:
        """One per breakpoint, in order."""
        return layer_halfspaces(self.cursor, self.z)

    @cached_property
    def rows(self) -> FloatArray:
        """The halfspaces in floats."""
        return float_rows(self.halfspaces, self.z.ncols() - 1)

    @cached_property
    def known(self) -> Integers:
        """What needs no LP: constants, sides of a wall, copies of an earlier hinge (as
        kernels.feasibility.grow reads).
        """
        sides = dict.fromkeys(self.walls, 1) | {wall.opposite: 0 for wall in self.walls}
        found = np.full(len(self.halfspaces), -1, dtype=np.int64)
        for k, halfspace in enumerate(self.halfspaces):
            found[k] = (
                int(halfspace.offset > 0) if halfspace.is_constant else sides.get(halfspace, -1)
            )
            sides.setdefault(halfspace, 2 + 2 * k)
            sides.setdefault(halfspace.opposite, 3 + 2 * k)
        return found


@dataclass(frozen=True)
class _Floats:
    """The walls of a node as float rows, its witness as floats (exactly), and a basis for the next
    LP to start from.
    """

    rows: FloatArray
    witness: FloatArray
    basis: Integers


@dataclass(frozen=True)
class _Node:
    """A cell of the layers before `layer` and the first len(bits) breakpoints of it.

    `cuts` are the breakpoints of this layer that became walls. The witness is the one in floats,
    where there are floats, else `point`. Floats that `are_stuck` cannot decide the next breakpoint.
    """

    layer: _Layer
    bits: list[bool]
    cuts: list[int]
    floats: _Floats | None
    point: Point | None = None
    are_stuck: bool = False

    @property
    def witness(self) -> Point:
        """The exact witness."""
        if self.floats is not None:
            return point_of_floats(self.floats.witness)
        assert self.point is not None
        return self.point

    @property
    def walls(self) -> tuple[Halfspace, ...]:
        """The exact walls, in the order of the float rows."""
        sides = self.layer.halfspaces
        return (
            *self.layer.walls,
            *(sides[k] if self.bits[k] else sides[k].opposite for k in self.cuts),
        )


@dataclass(frozen=True)
class _Nodes:
    """Nodes of one layer in arrays: what kernels.feasibility.grow reads and writes of each."""

    layer: _Layer
    at: Integers
    counts: Integers
    bits: ByteArray
    cuts: Integers
    points: FloatArray
    bases: Integers

    def __len__(self) -> int:
        return len(self.at)

    @property
    def arrays(self) -> tuple[Any, Any, Any, Any, Any, Any]:
        """In the order of the kernel."""
        return self.at, self.counts, self.bits, self.cuts, self.points, self.bases

    def __getitem__(self, which: slice | ByteArray | Integers) -> _Nodes:
        """Some of them, in arrays of their own."""
        return _Nodes(self.layer, *(array[which].copy() for array in self.arrays))

    def node(self, index: int) -> _Node:
        """One that ended: behind the layer, or where floats are stuck."""
        layer, end = self.layer, int(self.at[index])
        bits = [bool(bit) for bit in self.bits[index, :end]]
        cuts = self.cuts[index, : self.counts[index]].tolist()
        signs = np.array([1.0 if bits[k] else -1.0 for k in cuts])
        rows = np.vstack((layer.edges, signs[:, None] * layer.rows[cuts]))
        floats = _Floats(rows, self.points[index], self.bases[index])
        return _Node(layer, bits, cuts, floats, are_stuck=end < len(layer.rows))

    @staticmethod
    def of(node: _Node, floats: _Floats) -> _Nodes:
        """One node alone."""
        size, bits, cuts = len(node.layer.rows), node.bits, node.cuts
        codes, walls = np.zeros((1, size), dtype=np.uint8), np.zeros((1, size), dtype=np.int64)
        codes[0, : len(bits)], walls[0, : len(cuts)] = bits, cuts
        at, counts = np.array([len(bits)]), np.array([len(cuts)])
        return _Nodes(
            node.layer, at, counts, codes, walls, floats.witness[None], floats.basis[None]
        )

    @staticmethod
    def room(layer: _Layer, count: int) -> _Nodes:
        """Arrays for so many nodes."""
        size, n = layer.rows.shape
        at, counts = (np.empty(count, dtype=np.int64) for _ in range(2))
        bits, cuts = (
            np.empty((count, size), dtype=np.uint8),
            np.empty((count, size), dtype=np.int64),
        )
        points, bases = np.empty((count, n - 1)), np.empty((count, n), dtype=np.int64)
        return _Nodes(layer, at, counts, bits, cuts, points, bases)


class _Left(Exception):
    """Time or memory was up at this node."""

    def __init__(self, node: _Node) -> None:
        super().__init__()
        self.node = node


@dataclass(frozen=True)
class _Grown:
    """What came of a subtree: nodes that ended, those that are left, branches and closed ones."""

    ends: _Nodes
    left: _Nodes
    branches: int
    closed: int


class _Leaves:
    """The cells found, in blocks: bits, hinges that are walls, and witnesses, in floats where they
    hold them.
    """

    def __init__(self) -> None:
        self._starts, self._count = list[int](), 0
        self._codes = list[ByteArray]()
        # the hinges of the layers before, those of the last layer less their number, and how many
        self._walls = list[tuple[tuple[int, ...], int, IndexArray, IndexArray]]()
        self._witnesses = list[FloatArray | Point]()

    def __len__(self) -> int:
        return self._count

    @property
    def codes(self) -> list[ByteArray]:
        """Bit-packed, in blocks."""
        return self._codes

    def add(self, nodes: _Nodes) -> None:
        """Cells of one layer, the last one."""
        layer, count = nodes.layer, len(nodes)
        before = np.broadcast_to(np.array(layer.before, np.uint8), (count, len(layer.before)))
        most = int(nodes.counts.max())
        walls = (layer.numbers, len(layer.before), nodes.cuts[:, :most].astype(np.int32))
        self._add(np.hstack((before, nodes.bits)), (*walls, nodes.counts), nodes.points)

    def add_one(
        self, bits: tuple[bool, ...], numbers: tuple[int, ...], witness: FloatArray | Point
    ) -> None:
        """One cell."""
        found = witness if isinstance(witness, tuple) else witness[None]
        none = np.zeros((1, 0), dtype=np.int32)
        self._add(np.array([bits], np.uint8), (numbers, 0, none, none.sum(axis=1)), found)

    def _add(
        self,
        bits: ByteArray,
        walls: tuple[tuple[int, ...], int, IndexArray, IndexArray],
        witnesses: FloatArray | Point,
    ) -> None:
        self._starts.append(self._count)
        self._codes.append(np.packbits(bits, axis=1))
        self._walls.append(walls)
        self._witnesses.append(witnesses)
        self._count += len(bits)

    def _find(self, index: int) -> tuple[int, int]:
        """The block of a cell, and its number there."""
        block = bisect_right(self._starts, index) - 1
        return block, index - self._starts[block]

    def bits(self, index: int, hinges: int) -> list[bool]:
        """The bits of a cell."""
        block, i = self._find(index)
        return [bool(bit) for bit in np.unpackbits(self._codes[block][i], count=hinges)]

    def witness(self, index: int) -> Point:
        """The exact witness of a cell."""
        block, i = self._find(index)
        found = self._witnesses[block]
        return found if isinstance(found, tuple) else point_of_floats(found[i])

    def cuts(self, index: int) -> tuple[int, ...]:
        """The hinges that cut when they were inserted."""
        block, i = self._find(index)
        before, first, cuts, counts = self._walls[block]
        return (*before, *(first + k for k in cuts[i, : counts[i]].tolist()))


def _ahead(cursor: Cursor) -> RationalArray:
    """The pre-activations of the layer in front of a cursor."""
    return cursor.current.pre_activations(cursor.inner, cursor.one)


def _side_by_side(layer: _Layer) -> int:
    """How many subtrees are grown side by side: few where the way to one leaf takes longer than a
    call of the loop, so that leaves are found all the same.
    """
    size, n = layer.rows.shape
    way = size * (len(layer.edges) + 3 * n) * n * (n + 8)
    return _SIDE_BY_SIDE if way <= _WORK else _FEW_SIDE_BY_SIDE


def _reach(flat: Flat) -> FloatArray:
    """Bounds on |x_j| in the domain, from walls across an axis; infinite where there are none."""
    low, high = ([inf] * flat.dim for _ in range(2))
    for wall in flat.walls:
        axes = [j for j, entry in enumerate(wall.normal) if entry]
        if len(axes) == 1:
            entry = wall.normal[axes[0]]
            far = Fraction(abs(wall.offset), abs(entry))
            side_of, at = (low if entry > 0 else high), axes[0]
            side_of[at] = min(side_of[at], nextafter(float(far), inf) if far < _FAR else inf)
    return np.array([max(pair) for pair in zip(low, high, strict=True)])


class LPTree(Engine):
    """Depth-first LP tree; complete unless the budget ends first."""

    name = "lp_tree"
    cuts_graphs = True

    def refusal(self, problem: Problem) -> Refusal | None:
        return flat_refusal(problem)

    def cost(self, problem: Problem) -> float:
        if isinstance(problem.domain, CurveDomain):
            return inf  # the engines for curves tell the crossings too
        return 45.0 if len(problem.network.hidden_layers) == 1 else 85.0

    def run(self, job: Job) -> FlatCells:
        flat, hinges = job.problem.flat, job.network.hinge_count
        try:
            start = strict_feasibility(flat.walls, flat.dim, job.watch)
        except Stopped:
            return no_cells(job.network.hinge_count)
        if isinstance(start, Farkas):
            return empty_cells(hinges, start)
        tree = _Tree(job, flat, start.point)
        told, is_over = 0, job.out_of_budget(0)
        while tree.stack and not is_over:
            tree.grow()
            found = len(tree.leaves)
            if job.progress is not None:  # one by one, though they come together
                for count in range(told + 1, found + bool(tree.stack)):
                    job.progress(count)
                told = found
            is_over = job.watch.is_up() or (job.most is not None and found >= job.most)
        bytes_each = (hinges + 7) // 8
        codes = np.concatenate([*tree.leaves.codes, np.zeros((0, bytes_each), dtype=np.uint8)])
        outcome = Outcome.BUDGET_REACHED if tree.stack else Outcome.COMPLETE
        return FlatCells(
            codes, hinges, tree.leaves.witness, outcome, tree.evidence(), tree.decisions, tree.walls
        )


class _Tree:
    """The branches still to follow, the cells found, and what decided the branches."""

    def __init__(self, job: Job, flat: Flat, witness: Point) -> None:
        from exact.kernels import feasibility

        self.kernel, self.watch, self._job = feasibility, job.watch, job
        self.network, self.flat = job.network, flat
        self.leaves, self.stack = _Leaves(), list[_Node | _Nodes]()
        self.decisions = {"points": 0, "interiors": 0, "farkas": 0, "filter": 0, "exact": 0}
        self._start, self._reach = witness, _reach(flat)
        root = self._root()
        self.stack += [] if root is None else [root]

    def evidence(self) -> str:
        """How it is known that no cell is missing."""
        if self.stack:
            return f"stopped early: {self._unexplored()} branches unexplored"
        return (
            f"every branch of the tree is decided exactly: {self.decisions['points']} by a point "
            f"on the hyperplane, "
            f"{self.decisions['interiors']} open by an LP point, {self.decisions['farkas']} "
            f"closed by a Farkas vector"
        )

    def walls(self, index: int) -> tuple[Halfspace, ...]:
        """Halfspaces among which the facets of a cell are: the domain's, and those that cut when
        they were inserted.
        """
        bits = self.leaves.bits(index, self.network.hinge_count)
        sides = region_halfspaces(self.network, self.flat, bits)
        cuts = self.leaves.cuts(index)
        return tuple(
            dict.fromkeys(
                [*self.flat.walls, *(sides[k] if bits[k] else sides[k].opposite for k in cuts)]
            )
        )

    def grow(self) -> None:
        """Follow the branches on top of the stack for a while, leaving what is left of them there,
        and all of it when time or memory is up.
        """
        side_by_side = _side_by_side(self.stack[-1].layer)
        items, chosen = self.stack[-side_by_side:], list[_Nodes]()
        del self.stack[-side_by_side:]
        # the top of the stack first: it is where the tree is deepest
        while items:
            item = items.pop()
            try:
                found = item if isinstance(item, _Nodes) else self._ready(item)
            except _Left as left:
                self.stack += [*items, left.node]
                break
            chosen += [] if found is None else [found]
        room = _LEAVES
        if self._job.most is not None:
            room = max(1, min(room, self._job.most - len(self.leaves)))
        given = [(nodes, room) for nodes in chosen]
        for grown in reversed(self._job.workers.map(self._subtree, given)):
            self._keep(grown)

    def _ready(self, node: _Node) -> _Nodes | None:
        """The same branch where floats can follow it; None when that is a leaf, which is noted."""
        following: _Node | None = node
        while following is not None:
            node = following
            is_end = len(node.bits) == len(node.layer.halfspaces)
            if node.floats is not None and not node.are_stuck and not is_end:
                return _Nodes.of(node, node.floats)
            try:
                self.watch.check()
                following = self._leave(node) if is_end else self._insert(node)
            except Stopped:
                raise _Left(node) from None
        return None

    def _subtree(self, nodes: _Nodes, room: int) -> _Grown:
        """What comes of some nodes in a bounded time: at most `room` leaves."""
        layer, count = nodes.layer, len(nodes)
        stack = _Nodes.room(layer, count + 8 * len(layer.rows) + 64)
        for there, given in zip(stack.arrays, nodes.arrays, strict=True):
            there[:count] = given
        ends = _Nodes.room(layer, room)
        top, found, branches, closed = self.kernel.grow(
            layer.edges,
            layer.rows,
            layer.known,
            self._reach,
            count,
            *stack.arrays,
            *ends.arrays,
            _WORK,
            self.watch.alarm,
        )
        return _Grown(ends[:found], stack[:top], branches, closed)

    def _keep(self, grown: _Grown) -> None:
        """Note the leaves of a subtree; what is left of it goes on the stack."""
        ends, left, layer = grown.ends, grown.left, grown.ends.layer
        self._count(
            interiors=grown.branches, farkas=grown.closed, filter=grown.branches + grown.closed
        )
        side_by_side = _side_by_side(layer)
        parts = 1 if len(self.stack) >= side_by_side else side_by_side
        self.stack += [left[i::parts] for i in range(min(parts, len(left)))]
        is_leaf = (ends.at == len(layer.rows)) & (
            len(layer.before) + len(layer.rows) == self.network.hinge_count
        )
        self.stack += [ends.node(i) for i in np.flatnonzero(~is_leaf).tolist()]
        leaves = np.flatnonzero(is_leaf)
        most = len(leaves) if self._job.most is None else self._job.most - len(self.leaves)
        if len(leaves) > most:
            self.stack.append(ends[leaves[most:]])
        if len(leaves[:most]):
            self.leaves.add(ends[leaves[:most]])

    def _unexplored(self) -> int:
        return sum(len(item) if isinstance(item, _Nodes) else 1 for item in self.stack)

    def _root(self) -> _Node | None:
        """The root of the first layer in the domain."""
        one = [Rational(0)] * self.flat.dim + [Rational(1)]
        cursor = begin(self.network, self.flat.state(), one)
        floats = self._floats(self.flat.walls, self._start)
        if cursor is None:
            self.leaves.add_one((), (), floats.witness if floats is not None else self._start)
            return None
        return _Node(
            self._layer(cursor, (), (), self.flat.walls, floats), [], [], floats, self._start
        )

    def _layer(
        self,
        cursor: Cursor,
        before: tuple[bool, ...],
        numbers: tuple[int, ...],
        walls: tuple[Halfspace, ...],
        floats: _Floats | None,
    ) -> _Layer:
        edges = float_rows(walls, self.flat.dim) if floats is None else floats.rows
        return _Layer(cursor, _ahead(cursor), before, numbers, walls, edges)

    def _leave(self, node: _Node) -> _Node | None:
        """The root of the next layer; None after the last one, with the leaf noted."""
        layer = node.layer
        before = (*layer.before, *node.bits)
        numbers = (*layer.numbers, *(len(layer.before) + k for k in node.cuts))
        cursor = advance(layer.cursor, layer.z, node.bits)
        if cursor is None:
            self.leaves.add_one(
                before, numbers, node.floats.witness if node.floats is not None else node.witness
            )
            return None
        return _Node(
            self._layer(cursor, before, numbers, node.walls, node.floats),
            [],
            [],
            node.floats,
            node.point,
        )

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            self.decisions[name] += number

    def _insert(self, node: _Node) -> _Node:
        """Decide the next breakpoint in rationals: the child that keeps the witness; the other one
        goes on the stack.
        """
        k = len(node.bits)
        halfspace, known, witness = node.layer.halfspaces[k], int(node.layer.known[k]), node.witness
        if known >= 0:
            bit = node.bits[(known - 2) >> 1] != bool(known & 1) if known >= 2 else bool(known)
            return replace(node, bits=[*node.bits, bit], are_stuck=False)
        where, walls = side(halfspace, witness), node.walls
        if where == 0:
            self._count(points=1)
            first, second = (
                step_inside(witness, normal, walls)
                for normal in (halfspace.normal, halfspace.opposite.normal)
            )
            self.stack.append(self._child(node, False, second))
            return self._child(node, True, first)
        found = strict_feasibility(
            (*walls, halfspace.opposite if where > 0 else halfspace), self.flat.dim, self.watch
        )
        self._count(
            exact=1, interiors=isinstance(found, Interior), farkas=isinstance(found, Farkas)
        )
        if isinstance(found, Farkas):
            return replace(node, bits=[*node.bits, where > 0], are_stuck=False)
        self.stack.append(self._child(node, where < 0, found.point))
        return self._child(node, where > 0, witness)

    def _child(self, node: _Node, bit: bool, witness: Point) -> _Node:
        """The half of a node where the next breakpoint is (not) exceeded, with a witness inside."""
        k = len(node.bits)
        child = _Node(node.layer, [*node.bits, bit], [*node.cuts, k], None, witness)
        return replace(child, floats=self._floats(child.walls, witness))

    def _floats(self, walls: Sequence[Halfspace], witness: Point) -> _Floats | None:
        """The walls and the witness in floats, or a float point next to it; None where floats
        cannot tell it inside.
        """
        rows = float_rows(walls, self.flat.dim)
        near = nearest_floats(affine(witness))
        if not self.kernel.settle(rows, near):
            return None
        return _Floats(
            rows, near, np.full(self.flat.dim + 1, _NO_BASIS - self.flat.dim - 1, dtype=np.int64)
        )
