"""Facets of a region and the regions behind them, exactly.

Two regions are adjacent iff they share a facet, that is a set of dimension d - 1. "Hamming distance
1" is neither necessary (duplicate neurons flip together) nor sufficient (regions may touch in
less), so it is never used. The activation regions of a continuous piecewise linear network meet
face to face, hence each facet has exactly one region behind it: its code is read off at an interior
point of the facet, moved outward by an infinitesimal.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.linear_algebra import apply
from exact.arithmetic.numbers import (
    FloatArray,
    IntegerArray,
    Rational,
    RationalArray,
    nearest_float,
)
from exact.arithmetic.surds import sign
from exact.errors import EngineDefect
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.constructions import along, facet_hit, first_hit
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, is_inside, sides_of
from exact.geometry.polyhedra.programmes.lp import Farkas, strict_feasibility
from exact.networks.evaluation.points import layer_bits
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.stops import begin as begin_stops
from exact.networks.network import Network
from exact.propagation.cursor import advance, begin, halfspaces_along


@dataclass(frozen=True)
class Wall:
    """A facet of a region: its supporting halfspace (region inside), a point inside the facet, the
    code behind it.

    `behind` is None when the facet lies on the edge of the domain.
    """

    halfspace: Halfspace
    point: Point
    behind: tuple[bool, ...] | None


def region_halfspaces(network: Network, flat: Flat, bits: Sequence[bool]) -> list[Halfspace]:
    """The halfspace `breakpoint exceeded` of every hinge, on the region with these bits (constants
    included).
    """
    one = [Rational(0)] * flat.dim + [Rational(1)]
    return list(halfspaces_along(begin(network, flat.state(), one), bits))


def region_walls(network: Network, flat: Flat, bits: Sequence[bool]) -> tuple[Halfspace, ...]:
    """The distinct halfspaces that contain the region: of the domain, then of the hinges and of
    what wins in windows. Facets are among them.
    """
    if network.has_maxima:
        return tuple(dict.fromkeys([*flat.walls, *_symbol_walls(network, flat, bits)]))
    inside = sides_of(region_halfspaces(network, flat, bits), bits)
    return tuple(dict.fromkeys([*flat.walls, *inside]))


def _symbol_walls(network: Network, flat: Flat, bits: Sequence[bool]) -> Iterator[Halfspace]:
    """The halfspaces of hinges, and those where a window's winner is above another function."""
    stop = begin_stops(network.steps, flat.state(), [*[Rational(0)] * flat.dim, Rational(1)])
    code, at = np.array(bits, dtype=bool), 0
    while stop.does is not None:
        own, rows = code[at : at + stop.does.bits], stop.rows()
        if isinstance(stop.does, Maximum):
            sides = [Halfspace.of(gap) for gap in stop.does.margins(rows, own)]
        else:
            bends = stop.does.activation.breakpoints
            every = [Halfspace.of([*row[:-1], row[-1] - t]) for row in rows for t in bends]
            sides = sides_of(every, own.tolist())
        yield from (side for side in sides if not side.is_constant)
        stop, at = stop.advance(own), at + stop.does.bits


@dataclass(frozen=True)
class FacetProofs:
    """Which of a list of distinct walls are facets of the region they cut out, with a proof for
    each; indices are the list's.

    `points[i]` lies on wall i and strictly inside every other wall: in the relative interior of
    facet i. `redundant[w]` has rows i != w, all facets, and multipliers l_i > 0 with `sum_i l_i
    (n_i, b_i) + (0, s) = (n_w, b_w)` for one s >= 0, where `n . x + b > 0` are the walls' coprime
    integer coefficients: inside the others, wall w is positive, so it is no facet. No row at all
    means that n_w = 0. Every index is in exactly one of the two.
    """

    points: dict[int, Point]
    redundant: dict[int, Farkas]


def facet_proofs(
    walls: Sequence[Halfspace],
    witness: Point,
    dim: int,
    known: Mapping[Halfspace, Point] | None = None,
) -> FacetProofs:
    """Decide for each of the distinct `walls` whether it is a facet of their intersection, and
    prove it.

    `witness` is strictly inside all walls. `known` gives points inside facets already found from
    behind. Most facets are found by shooting rays from the witness (floats propose the first wall
    hit, the hit is confirmed exactly); for each other wall one LP over the facets known so far
    proves redundancy, or leads to a new facet (Clarkson 1994). The redundant come with the affine
    form of Farkas' lemma. Cost: one LP of the size of the answer per wall that no ray finds. Raises
    EngineDefect for a witness that is not inside.
    """
    if not is_inside(walls, witness):
        raise EngineDefect("a witness is not strictly inside its walls", value=witness)
    places = {wall: i for i, wall in enumerate(walls)}
    points = {places[wall]: point for wall, point in (known or {}).items() if wall in places}
    points |= dict(_shot(walls, witness, points))
    redundant = dict[int, Farkas]()
    for index in range(len(walls)):
        while index not in points and index not in redundant:
            _resolve(walls, index, witness, points, redundant, dim)
    return FacetProofs(points, redundant)


def facets(
    network: Network,
    flat: Flat,
    walls: Sequence[Halfspace],
    witness: Point,
    known: Mapping[Halfspace, Point] | None = None,
) -> list[Wall]:
    """The facets of the region cut out by `walls`, exactly: one per distinct halfspace that is not
    redundant.

    Arguments and cost as for `facet_proofs`; repeated walls count once.
    """
    walls = list(dict.fromkeys(walls))
    points = facet_proofs(walls, witness, flat.dim, known).points
    on_edge, chart = set(flat.walls), flat.state()
    return [
        Wall(
            wall,
            points[i],
            None if wall in on_edge else _code_behind(network, chart, wall, points[i]),
        )
        for i, wall in enumerate(walls)
        if i in points
    ]


def _resolve(
    walls: Sequence[Halfspace],
    index: int,
    witness: Point,
    points: dict[int, Point],
    redundant: dict[int, Farkas],
    dim: int,
) -> None:
    """Decide wall `index` over the facets known, or find another facet: a point or a redundancy is
    added.
    """
    others = list(points)
    found = strict_feasibility([*(walls[i] for i in others), walls[index].opposite], dim)
    if isinstance(found, Farkas):
        redundant[index] = _redundancy(found, others)
        return
    direction = [
        x * witness[-1] - w * found.point[-1]
        for x, w in zip(found.point[:-1], witness[:-1], strict=True)
    ]
    facet, point = facet_hit(walls, witness, direction)
    points[facet] = point


def _redundancy(proof: Farkas, others: Sequence[int]) -> Farkas:
    """A Farkas vector of `others` and the opposite of a wall (the last row), scaled to 1 there and
    written for the wall.
    """
    own = next(
        m for row, m in zip(proof.rows, proof.multipliers, strict=True) if row == len(others)
    )
    rest = [
        (others[row], m / own)
        for row, m in zip(proof.rows, proof.multipliers, strict=True)
        if row < len(others)
    ]
    return Farkas(tuple(i for i, _ in rest), tuple(m for _, m in rest))


def _shot(
    walls: Sequence[Halfspace], witness: Point, known: Container[int]
) -> Iterator[tuple[int, Point]]:
    """Facets not known that a ray from the witness along some normal hits first, each with the
    exact point hit.
    """
    if not walls:
        return
    width, found = len(witness), set[int]()
    table = IntegerArray(len(walls), width, [x for wall in walls for x in wall.coefficients])
    hits = _first_hits(np.stack([wall.float_row for wall in walls]), witness)
    for index, shooter in sorted({(int(i), int(k)) for k, i in enumerate(hits) if i >= 0}):
        direction = [-x for x in walls[shooter].normal]
        if index in known or index in found:
            step = None
        else:
            step = first_hit(witness, direction, [walls[index]])
        if step is None:
            continue
        point = along(witness, direction, step)
        values = (table * IntegerArray(width, 1, list(point))).entries()
        if all(value > 0 for j, value in enumerate(values) if j != index):
            found.add(index)
            yield index, point


def _first_hits(table: FloatArray, witness: Point) -> FloatArray:
    """For the ray against each normal: the index of the wall that floats say it meets first, or
    -1.
    """
    at = np.array([float(x) for x in affine_floats(witness)] + [1.0])
    with np.errstate(all="ignore"):  # what overflows or has no value only proposes nothing
        values, slopes = table @ at, -(table[:, :-1] @ table[:, :-1].T)
        times = np.where(slopes < 0, values[:, None] / -slopes, np.inf)
    best = np.argmin(np.where(np.isnan(times), np.inf, times), axis=0)
    return np.where(np.isfinite(times[best, np.arange(len(table))]), best, -1)


def affine_floats(point: Point) -> list[float]:
    """The float64 coordinates of a homogeneous point (approximate, saturating)."""
    return [nearest_float(x) for x in affine(point)]


def code_behind(network: Network, flat: Flat, wall: Halfspace, point: Point) -> tuple[bool, ...]:
    """The code just outside the region at a point of its facet: signs are lexicographic in (value,
    derivative).
    """
    return _code_behind(network, flat.state(), wall, point)


def _code_behind(
    network: Network, chart: RationalArray, wall: Halfspace, point: Point
) -> tuple[bool, ...]:
    inputs = apply(chart, [*affine(point), Rational(1)])
    outward = apply(chart, [*(Rational(-x) for x in wall.normal), Rational(0)])
    state = RationalArray(
        len(inputs), 2, [x for pair in zip(inputs, outward, strict=True) for x in pair]
    )
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
