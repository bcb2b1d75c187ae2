"""Whether a network's outputs meet a closed polyhedron somewhere in a partitioned domain, decided
region by region.

On a region the outputs are affine, so the points of its closure that are sent into the set are a
closed polyhedron again: an exact LP finds one, or a Farkas vector with a negative sum proves that
there is none. The regions' closures fill the domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.roundoff import LEAST, U, inflation
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    listed,
    nearest_floats,
    rationals,
    rounding_error,
)
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Undecided, require
from exact.geometry.budgets import Budget, Watch
from exact.geometry.polyhedra.affine_hulls import affine_hull
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility
from exact.networks.activations import ReLU
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces
from exact.regions.cells import Outcome
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.walls.simple_vertices import SimpleVertices, regions_around

Decided = Point | Farkas
_BLOCK, _UP = 2**14, inflation(4096)


@short_repr
@dataclass(frozen=True)
class Reached:
    """The answer of :func:`reached`: a point, or none in any region.

    `point` is an input that is sent into the set, in the closure of region `region`; None where no
    region has one. `decisions` counts the regions that were settled by certified signs at their
    vertices ("filter") and by exact LPs ("exact"); `undecided` those that were left when the
    seconds were used up.
    """

    partition: FlatPartition
    unsafe: tuple[tuple[Rational, ...], ...]
    point: tuple[Fraction, ...] | None
    region: int | None
    decisions: Mapping[str, int]
    undecided: int = 0

    @property
    def nowhere(self) -> bool:
        """Whether no point of the domain is sent into the set. Raises Undecided where partition or
        search stopped early.
        """
        if self.point is None and self.undecided:
            raise Undecided(
                "no region tried reaches the set, but not all were tried",
                value=f"{self.undecided:,} regions left",
                remedy="give more seconds, or none",
            )
        if self.point is None and self.partition.outcome is not Outcome.COMPLETE:
            raise Undecided(
                "no region found reaches the set, but there may be more regions",
                value=self.partition,
                remedy="partition with a larger budget, or none",
            )
        return self.point is None

    def rows(self, index: int) -> tuple[Halfspace, ...]:
        """The halfspaces over the parameters of what region `index` shares with the set: the
        region's, then the set's.
        """
        return next(_walls(self.partition, self.unsafe, [index]))

    def proof(self, index: int) -> Farkas | None:
        """Why nothing of region `index` is sent into the set; None where something is. Made when
        asked for.

        Multipliers > 0 of `rows(index)` that cancel the normals and leave a negative sum. Cost: one
        exact propagation and LP.
        """
        found = _decided(self.rows(index), self.partition.flat.dim)
        return found if isinstance(found, Farkas) else None


def reached(
    found: FlatPartition, unsafe: Sequence[Any], *, seconds: float | None = None
) -> Reached:
    """Whether some point of the domain has its outputs y in the closed set `normal_k . y + offset_k
    >= 0` for all rows k.

    `unsafe` are the rows, each one number per output, then the offset. Ties and the boundaries of
    regions count: every set here is closed. Regions are tried in their order until one has a point,
    or `seconds` are used up. Raises InvalidInput for rows that do not fit the outputs and
    NotPiecewiseLinear for smooth activations. Cost: where the engine keeps the faces of a bounded
    domain, or cuts its vertices when asked (`skeleton`), one float64 pass over maps and vertices
    with proved error bounds, which settles the regions at whose vertices one row is negative
    throughout; for each other region one exact propagation and LP.

    >>> from exact import Box, partition
    >>> from exact.sources import tensors
    >>> absolute = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])])
    >>> found = partition(absolute, Box(-1, 1, dim=1))
    >>> reached(found, [[1, -1]]).point, reached(found, [[1, -1.5]]).nowhere
    ((Fraction(-1, 1),), True)
    """
    watch = Watch(Budget(seconds=seconds).seconds, inf)
    rows = _rows(found.network, unsafe)
    settled_there = outside(found, rows)
    left = np.flatnonzero(~settled_there).tolist()
    settled = {"filter": int(np.count_nonzero(settled_there)), "exact": 0}
    with one_thread():
        for index, walls in zip(left, _walls(found, rows, left), strict=True):
            if watch.is_up():
                return Reached(found, rows, None, None, settled, len(left) - settled["exact"])
            answer = _decided(walls, found.flat.dim)
            settled["exact"] += 1
            if not isinstance(answer, Farkas):
                return Reached(found, rows, found.flat.ambient(answer), index, settled)
    return Reached(found, rows, None, None, settled)


@in_ieee_floats
def outside(found: FlatPartition, rows: Sequence[Sequence[Rational]]) -> BitArray:
    """Regions on which one row is certainly negative: at all vertices, and so on their hull. Others
    are left open.

    What is affine on every region and continuous has one value at a vertex, by the map of any
    region around it. Where no more than d hinges and walls meet anywhere, vertices and the regions
    around them are those that the engine cuts; else those of the complex of all faces.
    """
    with one_thread():
        simple = _simple_vertices(found)
        if simple is None:
            return _outside_by_faces(found, rows)
        assert simple.points is not None, "vertices that are not placed are not taken"
        forms = _Forms.of(found, rows)
        open_ = np.zeros((len(rows), len(found)), dtype=bool)
        seen = np.zeros(len(found), dtype=bool)
        points, slack = simple.points
        for block, around in regions_around(simple, found.codes, found.network.hinge_count):
            negative = forms.negative(around[:, 0], points[block], slack[block])
            seen[around] = True
            for own, settles in zip(open_, negative.T, strict=True):
                own[around[~settles]] = True
        require(bool(seen.all()), "every region has a vertex", len(found))
        settled: BitArray = np.any(~open_, axis=0, keepdims=True)[0]
        return settled


def _simple_vertices(found: FlatPartition) -> SimpleVertices | None:
    """The vertices of all regions where the engine knows that they are simple, in a bounded
    domain.
    """
    asked = found.cells.simple
    if (
        asked is None
        or not _is_continuous(found.network)
        or found.outcome is not Outcome.COMPLETE
        or not len(found)
    ):
        return None
    simple = asked()
    return None if simple is None or simple.points is None else simple


def _is_continuous(network: Network) -> bool:
    return all(layer.activation.is_continuous for layer in network.hidden_layers)


def _outside_by_faces(found: FlatPartition, rows: Sequence[Sequence[Rational]]) -> BitArray:
    faces = found.engine_faces
    vertices = None if faces is None else faces.enclosed()
    if faces is None or vertices is None or not len(found):
        return np.zeros(len(found), dtype=bool)
    corners, (points, slack) = faces.corners, vertices
    region = np.empty(len(corners), np.int64)  # of every cell
    region[found.order] = np.arange(len(found))
    beside, vertex = np.repeat(region, np.diff(corners.starts)), corners.members
    place = np.arange(len(vertex))
    if _is_continuous(found.network):  # any region with the vertex
        own = np.zeros(len(slack), np.int64)
        own[vertex] = beside
        beside, vertex, place = own, np.arange(len(slack)), vertex
    forms = _Forms.of(found, rows)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(vertex), _BLOCK)]
    negative = np.concatenate(
        [forms.negative(beside[b], points[vertex[b]], slack[vertex[b]]) for b in blocks]
    )
    throughout = np.asarray(np.logical_and.reduceat(negative[place], corners.starts[:-1], axis=0))
    settled: BitArray = np.any(throughout, axis=1, keepdims=True)[found.order, 0]
    return settled


@dataclass(frozen=True)
class _Forms:
    """Rows as functions of the parameters on every region: coefficients and bounds on their errors
    (R x rows x (d + 1)).
    """

    values: FloatArray
    errors: FloatArray

    @classmethod
    def of(cls, found: FlatPartition, rows: Sequence[Sequence[Rational]]) -> _Forms:
        """Products of the rows with the maps of the outputs: `n.a` for a row within e of n and a
        map within b of a is off by at most `|n| b + e (|a| + b)` and its rounding.
        """
        maps, slack = found.maps_float, found.maps_bound
        shape = len(rows), len(rows[0])
        normals = nearest_floats([x for row in rows for x in row]).reshape(shape)
        off = rounding_error(normals)
        one = np.zeros((len(maps), 1, maps.shape[2]))
        one[:, :, -1] = 1.0
        with np.errstate(all="ignore"):
            maps = np.concatenate([maps, one], axis=1)
            slack = np.concatenate([slack, np.zeros_like(one)], axis=1)
            sizes = np.abs(normals) @ np.abs(maps)
            errors = np.abs(normals) @ slack + off @ (np.abs(maps) + slack)
            errors = (errors + sizes * ((shape[1] + 4) * U)) * _UP + LEAST
            return cls(normals @ maps, errors)

    def negative(self, regions: IndexArray, points: FloatArray, slack: FloatArray) -> BitArray:
        """Which rows are certainly negative at points of regions (n), within `slack` of the exact
        ones (n x rows).
        """
        with np.errstate(all="ignore"):
            a, b = self.values[regions], self.errors[regions]
            normals, near = np.abs(a[:, :, :-1]), np.abs(points)[:, :, None]
            values = (a[:, :, :-1] @ points[:, :, None])[:, :, 0] + a[:, :, -1]
            sizes = (normals @ near)[:, :, 0] + np.abs(a[:, :, -1])
            errors = normals.sum(axis=2) * slack[:, None] + sizes * ((points.shape[1] + 4) * U)
            reach = near + slack[:, None, None]
            errors += (b[:, :, :-1] @ reach)[:, :, 0] + b[:, :, -1]
            negative: BitArray = values < -(errors * _UP + LEAST)
            return negative


def _rows(network: Network, unsafe: Sequence[Any]) -> tuple[tuple[Rational, ...], ...]:
    network.require_piecewise_linear()
    rows = tuple(
        tuple(rationals(row, f"unsafe[{i}]")) for i, row in enumerate(listed(unsafe, "unsafe"))
    )
    if not rows or {len(row) for row in rows} != {network.output_dim + 1}:
        raise InvalidInput(
            "the set does not fit the outputs",
            value=sorted({len(row) for row in rows}),
            remedy=f"give rows of {network.output_dim + 1} numbers: factors, then the offset",
        )
    return rows


def _decided(walls: Sequence[Halfspace], dim: int) -> Decided:
    """A parameter point in all closed halfspaces, or a proof that there is none."""
    first = strict_feasibility(walls, dim)
    if isinstance(first, Interior):
        return first.point
    total = sum(
        (m * walls[i].offset for i, m in zip(first.rows, first.multipliers, strict=True)),
        Rational(0),
    )
    if total < 0:
        return first
    hull = affine_hull(walls, dim)
    return hull if isinstance(hull, Farkas) else hull.point


def _walls(
    found: FlatPartition, rows: Sequence[Sequence[Rational]], indices: Sequence[int]
) -> Iterator[tuple[Halfspace, ...]]:
    """The halfspaces of regions, then the rows as functions of the parameters. Regions that follow
    each other share layers.
    """
    network, sizes = _with_rows(found.network, rows), found.network.bits_per_layer
    start = begin(network, found.flat.state(), [Rational(0)] * found.flat.dim + [Rational(1)])
    assert start is not None, "the rows are a hidden layer"
    stack, before = [_Stop(start)], list[bool]()
    for index in indices:
        bits = [bool(bit) for bit in found.code_of(index).bits]
        stack = stack[: 1 + _shared(sizes, before, bits)]
        end = sum(sizes[: len(stack) - 1])
        for size in sizes[len(stack) - 1 :]:
            cursor = advance(stack[-1].cursor, stack[-1].z, bits[end : end + size])
            assert cursor is not None, "the rows are the last hidden layer"
            stack.append(_Stop(cursor))
            end += size
        before = bits
        yield (*found.walls_known(index), *layer_halfspaces(stack[-1].cursor, stack[-1].z))


def _with_rows(network: Network, rows: Sequence[Sequence[Rational]]) -> Network:
    """The network with the rows as one more hidden layer, whose hinges are positive where the rows
    are.
    """
    layer = Layer.of([row[:-1] for row in rows], [row[-1] for row in rows], ReLU(), "unsafe")
    return Network((*network.blocks, Block((layer,))))


class _Stop:
    """A place in front of a hidden layer and its pre-activations."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.z: RationalArray = cursor.current.pre_activations(cursor.inner, cursor.one)


def _shared(sizes: Sequence[int], before: Sequence[bool], bits: Sequence[bool]) -> int:
    """The number of whole layers on which two codes agree."""
    end = 0
    for count, size in enumerate(sizes):
        if before[end : end + size] != bits[end : end + size]:
            return count
        end += size
    return len(sizes)
