"""Whether a network's outputs meet a closed polyhedron somewhere in a partitioned domain, decided region by region.

On a region the outputs are affine, so the points of its closure that are sent into the set are a closed polyhedron again: an
exact LP finds one, or a Farkas vector with a negative sum proves that there is none. The regions' closures fill the domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exact.activations import ReLU
from exact.affine_hulls import affine_hull
from exact.engines.base import Outcome
from exact.errors import InvalidInput, Undecided
from exact.halfspace import Halfspace, Point
from exact.lp import Farkas, Interior, strict_feasibility
from exact.network import Block, Layer, Network
from exact.numbers import Rational, RationalArray, listed, rationals
from exact.polytopes import FlatPartition
from exact.propagation import Cursor, advance, begin, layer_halfspaces

Decided = Point | Farkas


@dataclass(frozen=True)
class Reached:
    """The answer of :func:`reached`: a point, or a proof for every region that there is none.

    `point` is an input that is sent into the set, in the closure of region `region`; None where no region has one. `proofs[i]`
    is a Farkas vector with a negative sum over the rows that :func:`rows_of` gives for region i; empty where a point was found.
    """

    partition: FlatPartition
    unsafe: tuple[tuple[Rational, ...], ...]
    point: tuple[Fraction, ...] | None
    region: int | None
    proofs: tuple[Farkas, ...]

    @property
    def nowhere(self) -> bool:
        """Whether no point of the domain is sent into the set. Raises Undecided where the partition stopped early."""
        if self.point is None and self.partition.outcome is not Outcome.COMPLETE:
            raise Undecided("no region found reaches the set, but there may be more regions", value=self.partition,
                            remedy="partition with a larger budget, or none")  # fmt: skip
        return self.point is None


def reached(found: FlatPartition, unsafe: Sequence[Any]) -> Reached:
    """Whether some point of the domain has its outputs y in the closed set `normal_k . y + offset_k >= 0` for all rows k.

    `unsafe` are the rows, each one number per output, then the offset. Ties and the boundaries of regions count: every set here
    is closed. Regions are tried in their order until one has a point. Raises InvalidInput for rows that do not fit the outputs
    and NotPiecewiseLinear for smooth activations. Cost: one exact propagation and LP for each region.

    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> found = partition(tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])]), Box(-1, 1, dim=1))    # |x|
    >>> reached(found, [[1, -1]]).point, reached(found, [[1, -1.5]]).nowhere
    ((Fraction(-1, 1),), True)
    """
    rows = _rows(found.network, unsafe)
    proofs = list[Farkas]()
    for index, walls in enumerate(_walls(found, rows)):
        answer = _decided(walls, found.flat.dim)
        if not isinstance(answer, Farkas):
            return Reached(found, rows, found.flat.ambient(answer), index, ())
        proofs.append(answer)
    return Reached(found, rows, None, None, tuple(proofs))


def rows_of(answer: Reached, index: int) -> tuple[Halfspace, ...]:
    """The halfspaces over the parameters of the domain that a proof is about: those of region `index`, then the set's."""
    return next(_walls(answer.partition, answer.unsafe, [index]))


def _rows(network: Network, unsafe: Sequence[Any]) -> tuple[tuple[Rational, ...], ...]:
    network.require_piecewise_linear()
    rows = tuple(tuple(rationals(row, f"unsafe[{i}]")) for i, row in enumerate(listed(unsafe, "unsafe")))
    if not rows or {len(row) for row in rows} != {network.output_dim + 1}:
        raise InvalidInput("the set does not fit the outputs", value=sorted({len(row) for row in rows}),
                           remedy=f"give rows of {network.output_dim + 1} numbers: factors, then the offset")  # fmt: skip
    return rows


def _decided(walls: Sequence[Halfspace], dim: int) -> Decided:
    """A parameter point in all closed halfspaces, or a proof that there is none."""
    first = strict_feasibility(walls, dim)
    if isinstance(first, Interior):
        return first.point
    total = sum((m * walls[i].offset for i, m in zip(first.rows, first.multipliers, strict=True)), Rational(0))
    if total < 0:
        return first
    hull = affine_hull(walls, dim)
    return hull if isinstance(hull, Farkas) else hull.point


def _walls(
    found: FlatPartition, rows: Sequence[Sequence[Rational]], indices: Sequence[int] | None = None
) -> Iterator[tuple[Halfspace, ...]]:
    """The halfspaces of regions, then the rows as functions of the parameters. Regions that follow each other share layers."""
    layer = Layer.of([row[:-1] for row in rows], [row[-1] for row in rows], ReLU(), "unsafe")
    network, sizes = Network((*found.network.blocks, Block((layer,)))), found.network.bits_per_layer
    start = begin(network, found.flat.state(), [Rational(0)] * found.flat.dim + [Rational(1)])
    assert start is not None, "the rows are a hidden layer"
    stack, before = [_Stop(start)], list[bool]()
    for index in range(len(found)) if indices is None else indices:
        bits = found.code_of(index).bits
        stack = stack[: 1 + _shared(sizes, before, bits)]
        end = sum(sizes[: len(stack) - 1])
        for size in sizes[len(stack) - 1 :]:
            cursor = advance(stack[-1].cursor, stack[-1].z, bits[end : end + size])
            assert cursor is not None, "the rows are the last hidden layer"
            stack.append(_Stop(cursor))
            end += size
        before = bits
        yield (*found.walls_known(index), *layer_halfspaces(stack[-1].cursor, stack[-1].z))


class _Stop:
    """A place in front of a hidden layer and its pre-activations."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.z: RationalArray = cursor.current.pre_activations(cursor.inner, cursor.one)


def _shared(sizes: Sequence[int], before: Sequence[bool], bits: Sequence[bool]) -> int:
    """The number of whole layers on which two codes agree."""
    end = 0
    for count, size in enumerate(sizes):
        if list(before[end : end + size]) != list(bits[end : end + size]):
            return count
        end += size
    return len(sizes)
