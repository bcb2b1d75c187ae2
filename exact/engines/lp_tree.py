"""`lp_tree`: insert breakpoints one by one, keep an exact witness per cell, let one LP decide the other side.

Incremental enumeration (Rada and Cerny 2018) carried through deep networks: inside a cell of the earlier layers every
pre-activation is affine, so the next layer is again an arrangement of hyperplanes in that cell. Any dimension, any depth,
any degeneracy. Invariants of a node: `walls` cut out its open cell, `witness` lies strictly inside, and every branch not
taken is closed by an exact Farkas vector. Cost: one LP per (cell, breakpoint) whose other side holds no known point.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from exact.constructions import step_inside
from exact.domains import Domain, FlatDomain
from exact.engines.base import Engine, FlatCells, Job, Outcome, flat_refusal, packed
from exact.halfspace import Halfspace, Point
from exact.lp import Farkas, Interior, strict_feasibility
from exact.network import Network
from exact.numbers import Rational, RationalArray
from exact.predicates import side
from exact.propagation import Cursor, advance, begin, layer_halfspaces


@dataclass(frozen=True)
class _Layer:
    """A hidden layer seen from inside one cell: its pre-activations and one halfspace per breakpoint."""

    cursor: Cursor
    z: RationalArray
    halfspaces: tuple[Halfspace, ...]


@dataclass(frozen=True)
class _Node:
    """A cell of the breakpoints inserted so far; `layer` is None when all are."""

    layer: _Layer | None
    bits: tuple[bool, ...]
    here: tuple[bool, ...]
    walls: tuple[Halfspace, ...]
    witness: Point


@dataclass
class _Proofs:
    """What decided the branches: a point of the cell, an LP point, a Farkas vector, or one proved before.

    `empty[h]` lists sets of walls proved to leave nothing inside halfspace h; a cell that has all walls of such a set
    (a stem vector, Dussault, Gilbert and Plaquevent-Jourdain 2025) needs no LP.
    """

    points: int = 0
    interiors: int = 0
    farkas: int = 0
    reused: int = 0
    empty: dict[Halfspace, list[frozenset[Halfspace]]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return {"points": self.points, "interiors": self.interiors, "farkas": self.farkas, "reused": self.reused}

    def is_empty(self, walls: tuple[Halfspace, ...], outside: Halfspace) -> bool:
        """Whether a set proved empty before lies among the walls."""
        known, here = self.empty.get(outside, ()), frozenset(walls)
        found = any(stem <= here for stem in known)
        self.reused += found
        return found

    def remember(self, walls: tuple[Halfspace, ...], outside: Halfspace, proof: Farkas) -> None:
        """Keep the walls that a Farkas vector uses against `outside` (the last row)."""
        self.farkas += 1
        stem = frozenset(walls[row] for row in proof.rows if row < len(walls))
        self.empty.setdefault(outside, []).append(stem)


class LPTree(Engine):
    """Depth-first LP tree; complete unless the budget ends first."""

    name = "lp_tree"

    def refusal(self, network: Network, domain: Domain) -> str | None:
        return flat_refusal(network, domain)

    def run(self, job: Job) -> FlatCells:
        assert isinstance(job.domain, FlatDomain)
        proofs, cells, stack = _Proofs(), list[_Node](), _root(job.network, job.domain)
        while stack and not job.out_of_budget(len(cells)):
            node = _descend(stack.pop(), stack, proofs, job.domain.flat().dim)
            cells.append(node)
        outcome = Outcome.BUDGET_REACHED if stack else Outcome.COMPLETE
        evidence = (
            f"every branch of the tree is decided exactly: {proofs.points} by a point on the hyperplane, "
            f"{proofs.interiors} open by an LP point, {proofs.farkas} closed by a Farkas vector of their own, "
            f"{proofs.reused} by one found before"
            if not stack
            else f"stopped early: {len(stack)} branches unexplored"
        )
        hinges = job.network.hinge_count
        codes, walls = packed([cell.bits for cell in cells], hinges), [cell.walls for cell in cells]
        return FlatCells(codes, hinges, lambda i: cells[i].witness, outcome, evidence, proofs.counts(), walls.__getitem__)


def _root(network: Network, domain: FlatDomain) -> list[_Node]:
    flat = domain.flat()
    start = strict_feasibility(flat.walls, flat.dim)
    if not isinstance(start, Interior):
        return []
    one = [Rational(0)] * flat.dim + [Rational(1)]
    return [_Node(_enter(begin(network, flat.state(), one)), (), (), flat.walls, start.point)]


def _enter(cursor: Cursor | None) -> _Layer | None:
    """Compute the layer in front of the cursor once per cell of the layers before it."""
    if cursor is None:
        return None
    z = cursor.current.pre_activations(cursor.inner, cursor.one)
    return _Layer(cursor, z, layer_halfspaces(cursor, z))


def _descend(node: _Node, stack: list[_Node], proofs: _Proofs, dim: int) -> _Node:
    """Follow the witness to a leaf, leaving every other nonempty branch on the stack."""
    while (layer := node.layer) is not None:
        if len(node.here) == len(layer.halfspaces):
            following = _enter(advance(layer.cursor, layer.z, node.here))
            node = replace(node, layer=following, bits=node.bits + node.here, here=())
        else:
            node, other = _insert(node, layer.halfspaces[len(node.here)], proofs, dim)
            stack.extend([other] if other is not None else [])
    return node


def _insert(node: _Node, halfspace: Halfspace, proofs: _Proofs, dim: int) -> tuple[_Node, _Node | None]:
    """Split a cell by one hyperplane: the child that keeps the witness, and the other one if it is nonempty."""
    if halfspace.is_constant:
        return replace(node, here=(*node.here, halfspace.offset > 0)), None
    where = side(halfspace, node.witness)
    if where == 0:
        proofs.points += 1
        return tuple(_child(node, wall, step_inside(node.witness, wall.normal, node.walls), wall is halfspace)
                     for wall in (halfspace, halfspace.opposite))  # type: ignore[return-value]  # fmt: skip
    inside, outside = (halfspace, halfspace.opposite) if where > 0 else (halfspace.opposite, halfspace)
    if inside in node.walls:
        return replace(node, here=(*node.here, where > 0)), None
    if proofs.is_empty(node.walls, outside):
        return replace(node, here=(*node.here, where > 0)), None
    found = strict_feasibility((*node.walls, outside), dim)
    if not isinstance(found, Interior):
        proofs.remember(node.walls, outside, found)
        return replace(node, here=(*node.here, where > 0)), None
    proofs.interiors += 1
    return _child(node, inside, node.witness, where > 0), _child(node, outside, found.point, where < 0)


def _child(node: _Node, wall: Halfspace, witness: Point, bit: bool) -> _Node:
    return replace(node, here=(*node.here, bit), walls=(*node.walls, wall), witness=witness)
