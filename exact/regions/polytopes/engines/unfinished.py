"""What a subdivision has when its time or memory is up: cells that only some of the hinges have
cut.

No such cell is a region, but every one has points in it, and a point lies in a region: its code is
read off there, in all layers, by certified floats, and exactly at a few points where those leave
something open. Different cells lead to different regions as a rule; those that do not are told from
the codes. Cost: the network at one point a cell.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from exact.arithmetic.arrays import ByteArray
from exact.arithmetic.numbers import FloatArray, Rational
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import (
    Halfspace,
    Point,
    float_rows,
    is_inside,
    point_of_floats,
)
from exact.networks.network import Network
from exact.propagation.cursor import advance, begin, layer_halfspaces
from exact.propagation.enclosures import PointWalk
from exact.regions.cells import Outcome
from exact.regions.engine import Job
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.cutting import Cutter
from exact.regions.polytopes.facets import region_halfspaces

_BLOCK = 2**12
_TRIES = 64  # points read exactly where floats read none


def unfinished(job: Job, flat: Flat, cutter: Cutter, points: PointWalk) -> FlatCells:
    """The regions at the middles of the cells of a complex, as many as can be read within the
    watch's grace.
    """
    hinges = job.network.hinge_count
    codes, at = _distinct(_read(job, flat, cutter, points), (hinges + 7) // 8, flat.dim, job.most)
    evidence = (
        f"stopped early: the codes of {len(codes)} regions were read at points of the "
        f"{cutter.cell_count} cells so far"
    )
    return FlatCells(
        codes,
        hinges,
        lambda i: point_of_floats(at[i]),
        Outcome.BUDGET_REACHED,
        evidence,
        cutter.decisions,
        lambda i: _walls(job.network, flat, codes[i]),
    )


def _walls(network: Network, flat: Flat, code: ByteArray) -> tuple[Halfspace, ...]:
    """The domain's walls, and one side of every hinge."""
    bits = [bool(bit) for bit in np.unpackbits(code, count=network.hinge_count)]
    sides = zip(region_halfspaces(network, flat, bits), bits, strict=True)
    return tuple(
        dict.fromkeys(
            [*flat.walls, *(h if bit else h.opposite for h, bit in sides if not h.is_constant)]
        )
    )


def _distinct(
    found: Iterator[tuple[ByteArray, FloatArray]], width: int, dim: int, most: int | None
) -> tuple[ByteArray, FloatArray]:
    """Every code once, with its point, in the order found."""
    parts = [(np.zeros((0, width), dtype=np.uint8), np.zeros((0, dim))), *found]
    codes, at = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    first = np.sort(np.unique(codes, axis=0, return_index=True)[1])[:most]
    return codes[first], at[first]


def _read(
    job: Job, flat: Flat, cutter: Cutter, points: PointWalk
) -> Iterator[tuple[ByteArray, FloatArray]]:
    """Packed codes and their points, block by block."""
    end, some = job.watch.grace(), False
    for first in range(0, cutter.cell_count, _BLOCK):
        at = cutter.middles(first, min(_BLOCK, cutter.cell_count - first))
        codes, known = _by_floats(flat, points, at)
        some = some or bool(known.any())
        yield codes[known], at[known]
        if time.monotonic() > end:
            break
    if not some:
        yield from _exactly(
            job.network,
            flat,
            islice(cutter.middles(0, min(_TRIES, cutter.cell_count)), _TRIES),
            end,
        )


def _by_floats(flat: Flat, points: PointWalk, at: FloatArray) -> tuple[ByteArray, np.ndarray]:
    """The codes at points, and where every sign is certain and the point in the domain."""
    from exact.kernels.feasibility import points_inside

    every = points.all_signs(at)
    known = (np.abs(every) == 1).all(axis=1) & points_inside(float_rows(flat.walls, flat.dim), at)
    return np.packbits(every == 1, axis=1), known


def _exactly(
    network: Network, flat: Flat, at: Iterator[FloatArray], end: float
) -> Iterator[tuple[ByteArray, FloatArray]]:
    for place in at:
        bits = _code(network, flat, point_of_floats(place)) if np.isfinite(place).all() else None
        if bits is not None:
            yield np.packbits(np.array(bits, dtype=bool))[None], place[None]
        if time.monotonic() > end:
            return


def _code(network: Network, flat: Flat, point: Point) -> Sequence[bool] | None:
    """The code of the region that a point lies in; None outside the domain and on a boundary."""
    cursor, bits = (
        begin(network, flat.state(), [Rational(0)] * flat.dim + [Rational(1)]),
        list[bool](),
    )
    inside = is_inside(flat.walls, point)
    while inside and cursor is not None:
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        halfspaces = layer_halfspaces(cursor, z)
        values = [h.offset if h.is_constant else h.value(point) for h in halfspaces]
        inside = all(x != 0 or h.is_constant for x, h in zip(values, halfspaces, strict=True))
        own = [x > 0 for x in values]
        bits, cursor = [*bits, *own], advance(cursor, z, own)
    return bits if inside else None
