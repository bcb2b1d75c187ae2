"""Facets of a region and the regions behind them, exactly.

Two regions are adjacent iff they share a facet, that is a set of dimension d - 1. "Hamming distance 1" is neither
necessary (duplicate neurons flip together) nor sufficient (regions may touch in less), so it is never used. The activation
regions of a continuous piecewise linear network meet face to face, hence each facet has exactly one region behind it: its
code is read off at an interior point of the facet, moved outward by an infinitesimal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exact.constructions import along, first_hit
from exact.domains import Flat
from exact.evaluation import layer_bits
from exact.halfspace import Halfspace, Point, affine, lift
from exact.linear_algebra import apply
from exact.lp import Farkas, Interior, strict_feasibility
from exact.network import Network
from exact.numbers import FloatArray, Rational, RationalArray, nearest_float
from exact.predicates import is_inside
from exact.propagation import advance, begin, layer_halfspaces
from exact.spline_code import BitArray
from exact.surds import sign


@dataclass(frozen=True)
class Wall:
    """A facet of a region: its supporting halfspace (region inside), a point inside the facet, the code behind it.

    `behind` is None when the facet lies on the edge of the domain.
    """

    halfspace: Halfspace
    point: Point
    behind: tuple[bool, ...] | None


def region_halfspaces(network: Network, flat: Flat, bits: Sequence[bool]) -> list[Halfspace]:
    """The halfspace `breakpoint exceeded` of every hinge, on the region with these bits (constants included)."""
    one = [Rational(0)] * flat.dim + [Rational(1)]
    cursor, start, found = begin(network, flat.state(), one), 0, list[Halfspace]()
    while cursor is not None:
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        found += layer_halfspaces(cursor, z)
        end = start + cursor.current.bits
        cursor, start = advance(cursor, z, bits[start:end]), end
    return found


def region_walls(network: Network, flat: Flat, bits: Sequence[bool]) -> tuple[Halfspace, ...]:
    """The distinct halfspaces that contain the region: of the domain, then of the hinges. Facets are among them."""
    sides = zip(region_halfspaces(network, flat, bits), bits, strict=True)
    inside = [halfspace if bit else halfspace.opposite for halfspace, bit in sides if not halfspace.is_constant]
    return tuple(dict.fromkeys([*flat.walls, *inside]))


def facets(
    network: Network, flat: Flat, walls: Sequence[Halfspace], witness: Point, known: Mapping[Halfspace, Point] | None = None
) -> list[Wall]:
    """The facets of the region cut out by `walls`, exactly: one per distinct halfspace that is not redundant.

    Most are found by shooting rays from the witness (floats propose the first wall hit, the hit is confirmed exactly);
    for the rest one LP over the facets known so far proves redundancy, or leads to a new facet (Clarkson 1994). `known`
    gives points of facets already found from behind. Cost: one LP of the size of the answer per distinct halfspace.
    """
    walls = list(dict.fromkeys(walls))
    points = {walls.index(wall): point for wall, point in (known or {}).items() if wall in walls}
    points |= dict(_shot(walls, witness))
    redundant = set[int]()
    for index in range(len(walls)):
        while index not in points and index not in redundant:
            _resolve(walls, index, witness, points, redundant, flat.dim)
    on_edge = set(flat.walls)
    return [
        Wall(wall, points[i], None if wall in on_edge else _behind(network, flat, wall, points[i]))
        for i, wall in enumerate(walls)
        if i in points
    ]


def _resolve(
    walls: Sequence[Halfspace], index: int, witness: Point, points: dict[int, Point], redundant: set[int], dim: int
) -> None:
    """Decide wall `index`, or find another facet that was not known: a point or a redundancy is added."""
    found = _point_within(walls, index, list(points), dim)
    if found is None:
        redundant.add(index)
        return
    direction = [x * witness[-1] - w * found[-1] for x, w in zip(found[:-1], witness[:-1], strict=True)]
    first = min(((step, i) for i, wall in enumerate(walls) if (step := first_hit(witness, direction, [wall])) is not None))
    point = along(witness, direction, first[0])
    touched = [i for i, wall in enumerate(walls) if wall.value(point) == 0]
    if len(touched) == 1:
        points[first[1]] = point
        return
    exact = _point_within(walls, index, [i for i in range(len(walls)) if i != index], dim)
    if exact is None:
        redundant.add(index)
    else:
        points[index] = exact


def _shot(walls: Sequence[Halfspace], witness: Point) -> Iterator[tuple[int, Point]]:
    """Facets that a ray from the witness along some normal hits first, each with the exact point hit."""
    if not walls:
        return
    table = np.stack([wall.float_row for wall in walls])
    for index, shooter in sorted({(int(i), int(k)) for k, i in enumerate(_first_hits(table, witness)) if i >= 0}):
        direction = [-x for x in walls[shooter].normal]
        step = first_hit(witness, direction, [walls[index]])
        if step is None:
            continue
        point = along(witness, direction, step)
        if is_inside((wall for j, wall in enumerate(walls) if j != index), point):
            yield index, point


def _first_hits(table: FloatArray, witness: Point) -> FloatArray:
    """For the ray against each normal: the index of the wall that floats say it meets first, or -1."""
    at = np.array([float(x) for x in affine_floats(witness)] + [1.0])
    values, slopes = table @ at, -(table[:, :-1] @ table[:, :-1].T)
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(slopes < 0, values[:, None] / -slopes, np.inf)
    best = np.argmin(np.where(np.isnan(times), np.inf, times), axis=0)
    return np.where(np.isfinite(times[best, np.arange(len(table))]), best, -1)


def affine_floats(point: Point) -> list[float]:
    """The float64 coordinates of a homogeneous point (approximate, saturating)."""
    return [nearest_float(x) for x in affine(point)]


def _point_within(walls: Sequence[Halfspace], index: int, others: Sequence[int], dim: int) -> Point | None:
    """A point of the hyperplane of wall `index` strictly inside the other walls, or None when there is none (proved)."""
    wall = walls[index]
    found: Interior | Farkas = strict_feasibility([walls[j].restrict(wall) for j in others], dim - 1)
    return lift(found.point, wall) if isinstance(found, Interior) else None


def _behind(network: Network, flat: Flat, wall: Halfspace, point: Point) -> tuple[bool, ...]:
    """The code just outside the region at a point of its facet: signs are lexicographic in (value, derivative)."""
    inputs = apply(flat.state(), [*affine(point), Rational(1)])
    outward = apply(flat.state(), [*(Rational(-x) for x in wall.normal), Rational(0)])
    state = RationalArray(len(inputs), 2, [x for pair in zip(inputs, outward, strict=True) for x in pair])
    cursor, code = begin(network, state, (Rational(1), Rational(0))), list[bool]()
    while cursor is not None:
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        bits = layer_bits(cursor.current, z, cursor.one, lambda row: sign(row[0]) or sign(row[1]))
        code += bits
        cursor = advance(cursor, z, bits)
    return tuple(code)


def flipped(before: Sequence[bool] | BitArray, after: Sequence[bool] | BitArray) -> tuple[int, ...]:
    """The indices of the hinges in which two codes differ."""
    return tuple(int(i) for i in np.flatnonzero(np.asarray(before) != np.asarray(after)))
