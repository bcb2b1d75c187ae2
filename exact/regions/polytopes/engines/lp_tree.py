"""`lp_tree`: insert breakpoints one by one, keep a witness per cell, let one LP decide the other
side.

Incremental enumeration (Rada and Cerny 2018) carried through deep networks: inside a cell of the
earlier layers every pre-activation is affine, so the next layer is again an arrangement of
hyperplanes in that cell. Any dimension, any depth, any degeneracy. Invariants of a node: its walls
cut out its open cell, its witness lies strictly inside, and every branch not taken is closed by an
exact Farkas vector. LPs run in compiled float64 and are certified there; what floats cannot certify
(zeros, degenerate bases, numbers far apart) is decided in rationals. Cost: one LP per (cell,
breakpoint).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, nearest_floats
from exact.geometry.budgets import Stopped, Watch
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
from exact.networks.network import Network
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.polytopes.cells import FlatCells, empty_cells, no_cells
from exact.regions.polytopes.refusals import flat_refusal
from exact.regions.polytopes.walls.facets import region_halfspaces

Integers = np.ndarray[Any, np.dtype[np.int64]]
# FIXED of kernels.feasibility, less the number of rows of a basis: a start from nothing
_NO_BASIS = -2


@dataclass(frozen=True)
class _Layer:
    """A hidden layer seen from inside one cell of the layers before it.

    `walls` cut out that cell; those beyond the domain's are sides of the hinges `numbers`. `before`
    are its bits.
    """

    cursor: Cursor
    z: RationalArray
    before: tuple[bool, ...]
    numbers: tuple[int, ...]
    walls: tuple[Halfspace, ...]

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
        kernels.feasibility.descend reads).
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
    where there are floats, else `point`.
    """

    layer: _Layer
    bits: list[bool]
    cuts: list[int]
    floats: _Floats | None
    point: Point | None = None

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


@dataclass
class _Leaves:
    """The cells found: bits, hinges that are walls, and the witness, in floats where they hold
    it.
    """

    codes: list[bytes] = field(default_factory=list)
    numbers: list[tuple[int, ...]] = field(default_factory=list)
    witnesses: list[FloatArray | Point] = field(default_factory=list)

    def witness(self, index: int) -> Point:
        """The exact witness of a cell."""
        found = self.witnesses[index]
        return found if isinstance(found, tuple) else point_of_floats(found)


def _ahead(cursor: Cursor) -> RationalArray:
    """The pre-activations of the layer in front of a cursor."""
    return cursor.current.pre_activations(cursor.inner, cursor.one)


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
        tree = _Tree(job.network, flat, start.point, job.watch)
        while tree.stack and not job.out_of_budget(len(tree.leaves.codes)):
            tree.grow()
        codes = np.frombuffer(b"".join(tree.leaves.codes), dtype=np.uint8).reshape(
            len(tree.leaves.codes), (hinges + 7) // 8
        )
        outcome = Outcome.BUDGET_REACHED if tree.stack else Outcome.COMPLETE
        return FlatCells(
            codes, hinges, tree.leaves.witness, outcome, tree.evidence(), tree.decisions, tree.walls
        )


class _Tree:
    """The branches still to follow, the cells found, and what decided the branches."""

    def __init__(self, network: Network, flat: Flat, witness: Point, watch: Watch) -> None:
        from exact.kernels import feasibility

        self.kernel, self.watch = feasibility, watch
        self.network, self.flat = network, flat
        self.leaves, self.stack = _Leaves(), list[_Node]()
        self.decisions = {"points": 0, "interiors": 0, "farkas": 0, "filter": 0, "exact": 0}
        self._start = witness
        root = self._root()
        self.stack += [] if root is None else [root]

    def evidence(self) -> str:
        """How it is known that no cell is missing."""
        if self.stack:
            return f"stopped early: {len(self.stack)} branches unexplored"
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
        bits = np.unpackbits(
            np.frombuffer(self.leaves.codes[index], dtype=np.uint8), count=self.network.hinge_count
        )
        sides = region_halfspaces(self.network, self.flat, [bool(bit) for bit in bits])
        cuts = self.leaves.numbers[index]
        return tuple(
            dict.fromkeys(
                [*self.flat.walls, *(sides[k] if bits[k] else sides[k].opposite for k in cuts)]
            )
        )

    def grow(self) -> None:
        """Follow one branch to a leaf, leaving the others on the stack, and the branch too when
        time or memory is up.
        """
        following: _Node | None = self.stack.pop()
        while following is not None:
            if following.floats is None:
                node = following
            else:
                node = self._descend(following, following.floats)
            try:
                self.watch.check()
                if len(node.bits) < len(node.layer.halfspaces):
                    following = self._insert(node)
                else:
                    following = self._leave(node)
            except Stopped:
                self.stack.append(node)
                return

    def _root(self) -> _Node | None:
        """The root of the first layer in the domain."""
        one = [Rational(0)] * self.flat.dim + [Rational(1)]
        cursor = begin(self.network, self.flat.state(), one)
        floats = self._floats(self.flat.walls, self._start)
        if cursor is None:
            self._note((), (), floats.witness if floats is not None else self._start)
            return None
        return _Node(
            _Layer(cursor, _ahead(cursor), (), (), self.flat.walls), [], [], floats, self._start
        )

    def _leave(self, node: _Node) -> _Node | None:
        """The root of the next layer; None after the last one, with the leaf noted."""
        layer = node.layer
        before = (*layer.before, *node.bits)
        numbers = (*layer.numbers, *(len(layer.before) + k for k in node.cuts))
        cursor = advance(layer.cursor, layer.z, node.bits)
        if cursor is None:
            self._note(
                before, numbers, node.floats.witness if node.floats is not None else node.witness
            )
            return None
        return _Node(
            _Layer(cursor, _ahead(cursor), before, numbers, node.walls),
            [],
            [],
            node.floats,
            node.point,
        )

    def _note(
        self, bits: tuple[bool, ...], numbers: tuple[int, ...], witness: FloatArray | Point
    ) -> None:
        self.leaves.codes.append(np.packbits(np.array(bits, dtype=bool)).tobytes())
        self.leaves.numbers.append(numbers)
        self.leaves.witnesses.append(witness)

    def _descend(self, node: _Node, floats: _Floats) -> _Node:
        """Follow the witness in floats to the end of the layer, or to a breakpoint they cannot
        decide.
        """
        start, count, (size, n) = len(node.bits), len(floats.rows), node.layer.rows.shape
        rows = np.empty((count + size - start + 1, n))
        rows[:count] = floats.rows
        bits, cuts = np.zeros(size, dtype=np.uint8), np.empty(len(rows), dtype=np.int64)
        bits[:start] = node.bits
        at, counts = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
        points, bases = np.empty((size, n - 1)), np.empty((size, n), dtype=np.int64)
        _, end, total, branches, closed = self.kernel.descend(
            rows,
            count,
            floats.basis,
            floats.witness,
            node.layer.rows,
            node.layer.known,
            start,
            bits,
            cuts,
            at,
            counts,
            points,
            bases,
            self.watch.alarm,
        )
        found, new = [bool(bit) for bit in bits[:end]], cuts[count:total].tolist()
        for i in range(branches):
            k, walls = int(at[i]), int(counts[i])
            there = rows[: walls + 1].copy()
            there[walls] *= -1.0
            made = _Floats(there, points[i], bases[i])
            self.stack.append(
                _Node(node.layer, [*found[:k], not found[k]], [*node.cuts, *new[: i + 1]], made)
            )
        self._count(interiors=branches, farkas=closed, filter=branches + closed)
        return _Node(
            node.layer,
            found,
            [*node.cuts, *new],
            _Floats(rows[:total], floats.witness, floats.basis),
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
            return replace(node, bits=[*node.bits, bit])
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
            return replace(node, bits=[*node.bits, where > 0])
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
