"""`sphere_polytopes`: the codes on a sphere of any dimension, as the polytopes of the flat
arrangement that cross it.

Inside a cell of the earlier layers every pre-activation is affine in the coordinates of the chart,
so each layer cuts convex polytopes. A polytope is kept by its vertices, in integers, inside a
simplex around the ball; a code occurs iff its polytope has points inside the sphere and outside,
which is decided exactly (see `exact.geometry.polyhedra.minimum_norm`), and a subtree is dropped as
soon as its polytope does not. Any dimension, any depth, any degeneracy. Cost: one exact product of
the polytope's vertices with the hinges still open per node of the tree, which has at most two nodes
and a few dropped ones per code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import IntegerArray, RationalArray
from exact.errors import certain
from exact.geometry.polyhedra.double_description import VertexPolytope
from exact.geometry.polyhedra.halfspace import Halfspace, Point, homogeneous
from exact.geometry.polyhedra.minimum_norm import RoundBody, components, straddling_pair
from exact.propagation.charts import SphereChart, sphere_chart
from exact.propagation.cursor import Cursor, advance, layer_halfspaces
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem, Refusal
from exact.regions.spheres.cells import SphereCodes


class SpherePolytopes(Engine):
    """Depth-first tree over the hinges; complete unless the budget ends first."""

    name = "sphere_polytopes"

    def refusal(self, problem: Problem) -> Refusal | None:
        return codes_refusal(problem)

    def cost(self, problem: Problem) -> float:
        return 1000.0

    def run(self, job: Job) -> SphereCodes:
        return enumerate_polytopes(job, sphere_chart(job.network, job.domain), {})


def codes_refusal(problem: Problem) -> Refusal | None:
    """The refusal shared by engines that list codes on spheres of dimension 2 and more."""
    reason, dim = problem.sphere_refusal, problem.sphere_dim
    if reason is None and dim is not None and dim < 2:
        fact = f"it enumerates spheres of dimension 2 and more, not {dim}"
        return Refusal(fact, advice="circle does those", of_size=True)
    return reason


def two_sphere_refusal(problem: Problem) -> Refusal | None:
    """That of engines that find the connected cells of 2-spheres."""
    reason, dim = problem.sphere_refusal, problem.sphere_dim
    if reason is None and dim != 2:
        return Refusal(f"it cuts 2-spheres, and this sphere has dimension {dim}", of_size=True)
    return reason


def enumerate_polytopes(job: Job, chart: SphereChart, decisions: dict[str, int]) -> SphereCodes:
    """Every code on the sphere of a chart; `decisions` are what an engine that hands over has
    counted so far.
    """
    tree = _Tree(job.network.hinge_count, chart)
    while tree.stack and not job.out_of_budget(len(tree.leaves.codes)):
        tree.grow()
    leaves, width = tree.leaves, (job.network.hinge_count + 7) // 8
    codes = np.frombuffer(b"".join(leaves.codes), dtype=np.uint8).reshape(len(leaves.codes), width)
    outcome = Outcome.BUDGET_REACHED if tree.stack else Outcome.COMPLETE
    return SphereCodes(
        chart,
        codes,
        job.network.hinge_count,
        lambda i: straddling_pair(tree.body, leaves.cells[i]),
        lambda: leaves.pairs(tree.body),
        lambda i: components(tree.body, leaves.cells[i]),
        outcome,
        tree.evidence(),
        {**decisions, **tree.decisions},
    )


@dataclass(frozen=True)
class _Layer:
    """A hidden layer seen from inside one cell of the layers before it, whose bits are `before`."""

    cursor: Cursor
    z: RationalArray
    before: tuple[bool, ...]

    @cached_property
    def halfspaces(self) -> tuple[Halfspace, ...]:
        """One per breakpoint, in order."""
        return layer_halfspaces(self.cursor, self.z)

    def columns(self, hinges: Sequence[int]) -> IntegerArray:
        """The coefficients of some hinges as columns."""
        rows = [self.halfspaces[k].coefficients for k in hinges]
        width = self.z.ncols()
        return IntegerArray(len(rows), width, [x for row in rows for x in row]).transpose()


@dataclass(frozen=True)
class _Node:
    """A polytope that crosses the sphere, and a point of it inside; bit k of `on` is known unless k
    is in `open`, ascending.
    """

    layer: _Layer
    on: frozenset[int]
    open: tuple[int, ...]
    cell: VertexPolytope
    inside: Point


@dataclass
class _Leaves:
    """The codes found and their polytopes."""

    codes: list[bytes] = field(default_factory=list)
    cells: list[VertexPolytope] = field(default_factory=list)

    def pairs(self, body: RoundBody) -> IndexArray:
        """Every two codes whose polytopes share a facet that crosses the sphere: the two have the
        same vertices there.
        """
        waiting, found = dict[frozenset[Point], int](), list[tuple[int, int]]()
        for index, cell in enumerate(self.cells):
            sides = body.sides(cell.table)
            for corners in cell.facets().values():
                face = [cell.vertices[v] for v in corners]
                if not body.crosses(face, [sides[v] for v in corners]):
                    continue
                key = frozenset(face)
                if key in waiting:
                    found.append((waiting.pop(key), index))
                else:
                    waiting[key] = index
        return np.array(found, dtype=np.int64).reshape(-1, 2)


class _Tree:
    """The polytopes still to cut, the codes found, and what decided."""

    def __init__(self, hinges: int, chart: SphereChart) -> None:
        self.body = RoundBody(chart.gram, chart.radius_squared)
        self.hinges = hinges
        self.leaves, self.stack = _Leaves(), list[_Node]()
        self.decisions = {"cuts": 0, "beyond": 0, "within": 0}
        whole = self.body.around()
        if chart.cursor is None:
            self._note((), whole)
        else:
            self.stack.append(_root(chart.cursor, (), whole, (0,) * self.body.dim + (1,)))

    def evidence(self) -> str:
        """How it is known that no code is missing."""
        if self.stack:
            return f"stopped early: {len(self.stack)} branches unexplored"
        return (
            f"every branch of the tree is decided in integers: {self.decisions['cuts']} polytopes "
            f"cut, of whose parts "
            f"{self.decisions['beyond']} stay outside the sphere (Wolfe's algorithm, "
            f"Cauchy-Schwarz) and "
            f"{self.decisions['within']} inside it (all vertices)"
        )

    def grow(self) -> None:
        """Cut one polytope by the first hinge that cuts it, or go on to the next layer."""
        node = self.stack.pop()
        on, still_open = self._signs(node)
        if still_open:
            self._cut(node, on, still_open)
        else:
            self._leave(node, on)

    def _signs(self, node: _Node) -> tuple[frozenset[int], tuple[int, ...]]:
        """The hinges that are on all over the polytope, and those that cut it."""
        if not node.open:
            return node.on, ()
        width = len(node.open)
        values = (node.cell.table * node.layer.columns(node.open)).entries()
        on, still_open = set(node.on), list[int]()
        for k, hinge in enumerate(node.open):
            column = values[k::width]
            highest = max(column)
            if highest > 0 and min(column) < 0:
                still_open.append(hinge)
            elif highest > 0:
                on.add(hinge)
        return frozenset(on), tuple(still_open)

    def _cut(self, node: _Node, on: frozenset[int], still_open: tuple[int, ...]) -> None:
        layer, (first, *rest) = node.layer, still_open
        self.decisions["cuts"] += 1
        above, below = node.cell.split(layer.halfspaces[first])
        height = layer.halfspaces[first].value(node.inside)
        for part, more, side in ((below, on, -1), (above, on | {first}, 1)):
            part = certain(part, "the hinge cuts the polytope")
            inside = self._inside(part, node.inside if height * side >= 0 else None)
            if inside is not None:
                self.stack.append(_Node(layer, more, tuple(rest), part, inside))

    def _inside(self, cell: VertexPolytope, known: Point | None) -> Point | None:
        """A point of a polytope inside the sphere, None when its interior does not meet the
        sphere.
        """
        sides = self.body.sides(cell.table)
        if max(sides) <= 0:
            self.decisions["within"] += 1
            return None
        if known is not None or min(sides) < 0:
            return known or cell.vertices[sides.index(-1)]
        nearest = self.body.nearest(cell.vertices)
        self.decisions["beyond"] += not nearest.is_inside
        return homogeneous(nearest.point) if nearest.is_inside else None

    def _leave(self, node: _Node, on: frozenset[int]) -> None:
        layer = node.layer
        bits = [k in on for k in range(len(layer.halfspaces))]
        before, cursor = (*layer.before, *bits), advance(layer.cursor, layer.z, bits)
        if cursor is None:
            self._note(before, node.cell)
        else:
            self.stack.append(_root(cursor, before, node.cell, node.inside))

    def _note(self, bits: tuple[bool, ...], cell: VertexPolytope) -> None:
        self.leaves.codes.append(np.packbits(np.array(bits, dtype=bool)).tobytes())
        self.leaves.cells.append(replace(cell))  # without the table of its vertices, which is large


def _root(cursor: Cursor, before: tuple[bool, ...], cell: VertexPolytope, inside: Point) -> _Node:
    """All hinges of the layer in front of a cursor, open on a cell of the layers before it."""
    layer = _Layer(cursor, cursor.current.pre_activations(cursor.inner, cursor.one), before)
    return _Node(layer, frozenset(), tuple(range(len(layer.halfspaces))), cell, inside)
