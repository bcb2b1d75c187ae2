"""The regions of a graph on a line or in a polygon proved in integers, by other means than those
that cut it.

A list of codes, each with the corners of a convex polygon, is complete iff the polygons fill the
domain. Every hinge and every candidate of a maximum is carried exactly along a code; if each has
the sign that the code says, or is zero, at all corners, the polygon lies in the closure of the
code's region. Codes that differ have regions without a common inner point. So if codes are distinct
and the sizes add up to that of the domain, the polygons are the regions, and none is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray
from exact.arithmetic.numbers import Rational
from exact.check import Status, Verdict
from exact.errors import Unsupported
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Point, affine
from exact.geometry.polyhedra.volumes import corners as corners_of
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.stops import Stop, begin
from exact.networks.network import Network

_ZERO, _ONE = Rational(0), Rational(1)


def proved(
    network: Network,
    flat: Flat,
    codes: ByteArray,
    corners: Sequence[Sequence[Point]],
    complete: bool,
    digest: str,
) -> Verdict:
    """The verdict on codes (R x bytes) with the corners of their polygons, or the ends of their
    intervals. Raises Unsupported in more than two dimensions. Cost: an exact walk through the
    network a region.
    """
    if flat.dim > 2:
        raise Unsupported(
            "regions of a graph are proved in one and two dimensions",
            value=f"{flat.dim} dimensions",
            remedy="give a Plane or a Segment; there are no certificates of graphs",
        )
    bits = np.unpackbits(codes, axis=1, count=network.hinge_count).astype(bool)
    reason, area = _unlike(bits), _ZERO
    for index, (code, points) in enumerate(zip(bits, corners, strict=True)):
        if reason:
            break
        own = _area(points)
        area += own
        fault = _fault(network, flat, code, points) if own > 0 else "its corners span nothing"
        reason = f"region {index}: {fault}" if fault else ""
    if not reason and complete:
        whole = _area(corners_of(flat.walls, flat.dim))
        reason = "" if whole == area else f"the sizes add up to {area}, the domain has {whole}"
    if reason:
        return Verdict(Status.REJECTED, reason)
    status = Status.COMPLETE if complete else Status.INCOMPLETE
    told = "codes are distinct, every sign holds at every corner"
    told += ", and the sizes add up to that of the domain" if complete else ""
    return Verdict(status, told, len(bits), False, network.sha256, digest=digest)


def _unlike(bits: BitArray) -> str:
    return "" if len(np.unique(bits, axis=0)) == len(bits) else "a code is listed twice"


def _area(points: Sequence[Point]) -> Rational:
    """The area of the convex hull of points of the plane, or the length of that of numbers."""
    at = sorted({tuple(affine(point)) for point in points})
    if not at or len(at[0]) == 1:
        return at[-1][0] - at[0][0] if at else _ZERO
    chains = [_chain(at), _chain(at[::-1])]
    hull = [*chains[0][:-1], *chains[1][:-1]]
    turns = zip(hull, [*hull[1:], *hull[:1]], strict=True)
    return sum((p[0] * q[1] - p[1] * q[0] for p, q in turns), _ZERO) / 2


def _chain(points: Sequence[tuple[Rational, ...]]) -> list[tuple[Rational, ...]]:
    """The points of a sorted list that turn left (Andrew 1979)."""
    found = list[tuple[Rational, ...]]()
    for r in points:
        while len(found) > 1:
            p, q = found[-2:]
            if (q[0] - p[0]) * (r[1] - p[1]) > (q[1] - p[1]) * (r[0] - p[0]):
                break
            found.pop()
        found.append(r)
    return found


def _fault(network: Network, flat: Flat, code: BitArray, points: Sequence[Point]) -> str:
    """What does not hold at the corners, along the code; nothing where all does."""
    stop, at = begin(network.steps, flat.state(), [_ZERO] * flat.dim + [_ONE]), 0
    if any(wall.value(point) < 0 for wall in flat.walls for point in points):
        return "a corner lies outside of the domain"
    while stop.does is not None:
        own = code[at : at + stop.does.bits]
        fault = (_window_fault if isinstance(stop.does, Maximum) else _hinge_fault)(
            stop, own, points
        )
        if fault:
            return f"hidden step {stop.hidden + 1}: {fault}"
        stop, at = stop.advance(own), at + stop.does.bits
    return ""


def _values(row: Sequence[Rational], points: Sequence[Point]) -> list[Rational]:
    return [sum((a * x for a, x in zip(row, p, strict=True)), _ZERO) for p in points]


def _hinge_fault(stop: Stop, bits: BitArray, points: Sequence[Point]) -> str:
    bends = stop.does.activation.breakpoints
    for j, row in enumerate(stop.rows()):
        for k, bend in enumerate(bends):
            values = _values([*row[:-1], row[-1] - bend], points)
            on = bits[j * len(bends) + k]
            if any(x < 0 for x in values) if on else any(x > 0 for x in values):
                return f"neuron {j} has the other sign at a corner"
            if on and not any(values):
                return f"neuron {j} is zero, and said to be on"
    return ""


def _window_fault(stop: Stop, bits: BitArray, points: Sequence[Point]) -> str:
    does: Any = stop.does
    rows, alive = stop.rows(), stop.value[1]
    for window, (symbol, own) in enumerate(
        zip(does.decoded(bits).tolist(), does.candidates, strict=True)
    ):
        if symbol > len(own):
            return f"window {window} has no such candidate"
        best = rows[own[symbol - 1]] if symbol else [_ZERO] * len(rows[0])
        equal = []
        for j, place in enumerate(own):
            gap = [x - y for x, y in zip(best, rows[place], strict=True)]
            if any(x < 0 for x in _values(gap, points)):
                return f"candidate {j} of window {window} is larger at a corner"
            equal += [] if any(gap) else [j]
        lives = any(alive[own[j]] for j in equal)
        none = not any(best) and not lives and bool(equal)
        if (symbol == 0) != none or (symbol and equal[0] != symbol - 1):
            return f"window {window} has another code"
    return ""
