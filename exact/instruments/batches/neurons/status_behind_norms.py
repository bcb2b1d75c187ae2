"""What hinges behind a norm do on a box, or on the hull of rows: bounds with proof, and points that
show both signs.

Over y = P x the pre-activation is `z = w . y / D + c` with `D = sqrt(|y|^2 / n + eps)`. On a convex
domain w . y = w . x is extreme at rows or corners, |y| is at most that of a row or corner, and at
least min u . y for any unit vector u. So z - bend lies between c plus those ends, each over the D
that makes it extreme, and never beyond c -+ |w| |y| / D, which grows with |y|. These bounds are not
attained as a rule: what they leave open is undecided unless points show both signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST, LEAST_ROOT, U
from exact.arithmetic.nearest import nearest_root
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, nearest_float, rational
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.domains.flat import Box
from exact.instruments.batches.hinges.hinge_rows import ROOM, HingeRows, projected
from exact.networks.activations import ReLU
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm

_ROWS = 1 << 12  # of points that are looked at together
Interval = tuple[FloatArray, FloatArray]


class _Spread(NamedTuple):
    """Bounds of w . y for each hinge, and of |y|."""

    low: FloatArray
    high: FloatArray
    shortest: float
    longest: float


def bounds_behind_norm(rows: HingeRows, domain: Box | RationalMatrix) -> Interval:
    """Bounds with proof of z - bend for each hinge of a first layer behind a norm, on a box or the
    hull of rows; infinite where floats know nothing.
    """
    norm, unit = rows.norm, rows.floats("cpu")
    assert norm is not None, "these bounds are those behind a norm"
    lengths = (unit.lengths * (1 + unit.relative)).numpy()
    normals = (unit.normals * unit.lengths[:, None]).numpy()
    loose = lengths * (3 * unit.relative.numpy() + (rows.dim + 16) * 4 * U) * ROOM
    hinges = _Hinges(normals, loose)
    spread = (
        _of_box(norm, hinges, domain) if isinstance(domain, Box) else _of_hull(norm, hinges, domain)
    )
    small, large = (_scale(norm, r) for r in (spread.shortest, spread.longest))
    smallest, largest = small * (1 - 32 * U), large * (1 + 32 * U)
    with np.errstate(all="ignore"):
        most = np.float64(spread.longest) / (large * (1 - 32 * U))
        reach = lengths * np.fmin(most, rows.dim**0.5) * (1 + 32 * U)
        down = np.where(spread.low < 0, spread.low / smallest, spread.low / largest)
        up = np.where(spread.high > 0, spread.high / smallest, spread.high / largest)
        low, high = np.maximum(down, -reach), np.minimum(up, reach)
        c, slack = unit.offsets.numpy(), unit.offset_errors.numpy()
        wide = 16 * U * (np.abs(c) + np.abs(low) + np.abs(high)) + slack + LEAST_ROOT
        return _known(c + low - wide, -np.inf), _known(c + high + wide, np.inf)


@dataclass(frozen=True)
class _Hinges:
    """Normals in float64 (m x n), each within `loose` (m) of the exact one, rounding of products
    with it included, times the norm of the other factor.
    """

    normals: FloatArray
    loose: FloatArray


def _known(values: FloatArray, otherwise: float) -> FloatArray:
    return np.where(np.isnan(values), otherwise, values)


def _scale(norm: Norm, length: float) -> float:
    """D at |y| = length."""
    root = math.hypot(length / norm.dim**0.5, nearest_root(norm.eps_under_root))
    return root + nearest_float(norm.eps_beside_root)


def _of_hull(norm: Norm, hinges: _Hinges, points: RationalMatrix) -> _Spread:
    low, high = np.full((2, len(hinges.normals)), np.inf)
    high, images = -high, list[FloatArray]()
    floats, errors = points.float64(), points.float64_error()
    lengths = list[FloatArray]()
    for begin in range(0, len(floats), _ROWS):
        x, off = (torch.from_numpy(a[begin : begin + _ROWS].copy()) for a in (floats, errors))
        image, error = (a.numpy() for a in projected(norm, x, row_norms(off)))
        size = np.linalg.norm(image, axis=1) * (1 + 4 * U * norm.dim) + error + LEAST_ROOT
        along = image @ hinges.normals.T
        slack = size[:, None] * hinges.loose + error[:, None] * _sizes(hinges)
        low = np.minimum(low, (along - slack).min(axis=0))
        high = np.maximum(high, (along + slack).max(axis=0))
        images.append(image)
        lengths.append(np.stack([size, error]))
    whole, (size, error) = np.concatenate(images), np.concatenate(lengths, axis=1)
    towards = whole.mean(axis=0)
    ahead = whole @ towards - np.linalg.norm(towards) * (error + size * (norm.dim + 16) * 4 * U)
    return _Spread(low, high, _nearest(ahead.min(), towards), float(size.max()))


def _of_box(norm: Norm, hinges: _Hinges, box: Box) -> _Spread:
    """About the centre, whose rounding belongs to the half widths."""
    ends = [np.array([nearest_float(x) for x in side]) for side in (box.lo, box.hi)]
    centre = (ends[0] + ends[1]) / 2
    half = (ends[1] - ends[0]) / 2 + 4 * U * (np.abs(ends[0]) + np.abs(ends[1])) + LEAST_ROOT
    x = torch.from_numpy(centre[None].copy())
    image, error = (a.numpy() for a in projected(norm, x, torch.zeros(1, dtype=torch.float64)))
    size = float(np.linalg.norm(image)) * (1 + 4 * U * norm.dim) + float(error[0]) + LEAST_ROOT
    width = float(np.linalg.norm(half)) * (1 + 4 * U * norm.dim)
    along, across = hinges.normals @ image[0], np.abs(hinges.normals) @ half
    slack = hinges.loose * (size + width) + float(error[0]) * _sizes(hinges)
    towards = image[0]
    # P u = u for the image u up to the rounding of the projection, which the slack covers
    ahead = float(towards @ towards - np.abs(towards) @ half)
    off = (float(error[0]) + (size + width) * (norm.dim + 16) * 4 * U) * (size + width)
    return _Spread(
        along - across - slack, along + across + slack, _nearest(ahead - off, towards), size + width
    )


def _sizes(hinges: _Hinges) -> FloatArray:
    found: FloatArray = np.linalg.norm(hinges.normals, axis=1) * ROOM
    return found


def _nearest(ahead: float, towards: FloatArray) -> float:
    """A lower bound of |y| from one of y . towards."""
    length = float(np.linalg.norm(towards)) * (1 + 4 * U * len(towards))
    if not LEAST_ROOT < length < math.inf:
        return 0.0
    return max(0.0, (float(ahead) - LEAST) / length * (1 - 16 * U))


# ---- points


def points_of_box(rows: HingeRows, box: Box) -> RationalMatrix:
    """Points inside a box: its middle, and for each hinge the corners at which w . x is least and
    greatest; where a side holds no float, the middle alone.
    """
    low, high = (_inside(side, up) for side, up in ((box.lo, True), (box.hi, False)))
    middle = [(a + b) / 2 for a, b in zip(box.lo, box.hi, strict=True)]
    if not (low <= high).all():
        return RationalMatrix.from_rationals([middle])
    positive = rows.floats("cpu").normals.numpy() > 0
    corners = [np.where(side, high, low) for side in (positive, ~positive)]
    centre = np.clip([nearest_float(x) for x in middle], low, high)
    return RationalMatrix.from_floats(np.vstack([centre[None], *corners]))


def _inside(side: Sequence[Rational], up: bool) -> FloatArray:
    """The floats next to the ends of a box, on its inner side."""
    found = np.array([nearest_float(x) for x in side])
    for k, exact in enumerate(side):
        if (rational(float(found[k])) < exact) if up else (rational(float(found[k])) > exact):
            found[k] = np.nextafter(found[k], np.inf if up else -np.inf)
    return found


def signs_at(network: Network, points: RationalMatrix) -> tuple[BitArray, BitArray]:
    """Whether some point has z > bend, and whether one has z < bend, for each hinge; points without
    a code show nothing.
    """
    numbers = range(1, len(network.hidden_layers) + 1)
    turned = [negated(network, [h for h in network.hinges if h.layer == k]) for k in numbers]
    above, below = np.zeros((2, network.hinge_count), dtype=bool)
    for begin in range(0, points.shape[0], _ROWS):
        some = points
        if points.shape[0] > _ROWS:
            place = range(begin, min(points.shape[0], begin + _ROWS))
            some = (
                RationalMatrix.from_floats(points.float64()[begin : place.stop])
                if points.is_float
                else RationalMatrix.from_rationals([points.row(i) for i in place])
            )
        above |= network.codes(some, errors="keep").bits.any(axis=0)
        found = [
            net.codes(some, (k, k), errors="keep").bits.any(axis=0)
            for k, net in zip(numbers, turned, strict=True)
        ]
        below |= np.concatenate(found)
    return above, below


def negated(network: Network, hinges: Sequence[Hinge]) -> Network:
    """The network up to the layer of these hinges (of one layer), with a neuron for each that is on
    where z < bend.
    """
    *before, block = network.up_to_layer(hinges[0].layer).blocks
    *layers, last = block.layers
    neurons = [hinge.neuron for hinge in hinges]
    bends = last.activation.breakpoints
    bias = [[bends[hinge.breakpoint] - last.bias.row(hinge.neuron)[0]] for hinge in hinges]
    weight: Any = (
        RationalMatrix.from_floats(-last.weight.float64()[neurons])
        if last.weight.is_float
        else RationalMatrix.from_rationals([[-x for x in last.operator.row(j)] for j in neurons])
    )
    layer = Layer(weight, RationalMatrix.from_rationals(bias), ReLU())
    return Network((*before, replace(block, layers=(*layers, layer))))
