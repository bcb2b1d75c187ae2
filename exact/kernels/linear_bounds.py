"""Linear bounds on the values of a network over many small boxes, by substituting backwards.

A chain is a sequence of affine maps with a function between two of them that bends at zero: slope
`below` for z < 0 and `above` for z > 0. On the values l <= z <= u of a neuron such a function lies
between its chord and a line through zero, so a bound that is linear in the neurons of a layer
becomes one that is linear in those of the layer before, and at last in the parameters, where a box
tells its end (Zhang et al. 2018). Every neuron keeps the better of the bounds that it came with and
those found here; one whose sign is settled is not looked at again.

Rounding: a row w of the neurons of a layer times its weights W errs by at most g |w| |W| in each
entry, g a few units, and the values it is multiplied with are at most M: so by g |w| . (|W| M). The
vector `scale = g (|W| M + |b|) + E M` of a layer, E what the weights err by, is made once a box,
and each substitution adds |w| . scale to the error of its constant. Values beyond 2^400 have no
bounds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

Array = np.ndarray[Any, Any]

_U = 2.0**-53
_TINY = 2.0**-500
_UP = 1 + 2.0**-30  # above the rounding of bounds, which are sums of at most 2^20 terms
_MOST = 2.0**400


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Chain(NamedTuple):
    """Affine maps one behind the other, the last one of the values that are asked for.

    `widths` are the numbers of parameters, neurons a layer, and values. Map k has its entries row
    by row from `starts[k]` in `weights`, what they err by in `errors`, and its constants with what
    these err by from `places[k]` in `biases` and `bias_errors`. `slopes[k]` are those below and
    above zero of the function behind map k.
    """

    widths: Array
    starts: Array
    weights: Array
    errors: Array
    places: Array
    biases: Array
    bias_errors: Array
    slopes: Array


class Boxes(NamedTuple):
    """Boxes `lo <= t <= hi` (boxes x parameters), and bounds of the neurons on them (boxes x
    neurons), which are read and made better.
    """

    lo: Array
    hi: Array
    low: Array
    high: Array


class Lines(NamedTuple):
    """Bounds on the values: `slopes . t + offsets` (boxes x values x parameters; boxes x values) is
    nowhere less than a value on its box, and `upper` (boxes x values) is the most of it there.
    """

    slopes: Array
    offsets: Array
    upper: Array


class _Room(NamedTuple):
    """Rows over the neurons of a layer, and what bounds have of every layer: by neuron, the chord
    and the line through zero; by map, the errors a unit.
    """

    row: Array
    bent: Array
    chord: Array
    shift: Array
    line: Array
    scale: Array


@numba.njit(cache=True, nogil=True)
def bound(chain: Chain, boxes: Boxes, lines: Lines) -> None:
    """Bounds of all neurons and of the values on every box."""
    maps = len(chain.widths) - 1
    most = chain.widths.max()
    neurons = boxes.low.shape[1]
    room = _Room(
        np.empty(most),
        np.empty(most),
        np.empty(neurons),
        np.empty(neurons),
        np.empty(neurons),
        np.empty(neurons + chain.widths[maps]),
    )
    sizes = np.empty(most)
    for box in range(len(boxes.lo)):
        for i in range(chain.widths[0]):
            sizes[i] = max(abs(boxes.lo[box, i]), abs(boxes.hi[box, i]))
        for k in range(maps):
            _scales(chain, k, sizes, room.scale)
            if k == maps - 1:
                for j in range(chain.widths[maps]):
                    lines.upper[box, j] = _upper(chain, boxes, box, room, k, j, 1.0)
                    lines.slopes[box, j] = room.row[: chain.widths[0]]
                    lines.offsets[box, j] = _constant(lines, boxes, box, j)
                break
            place = chain.places[k]
            for j in range(chain.widths[k + 1]):
                at = place + j
                if boxes.low[box, at] < 0 < boxes.high[box, at]:
                    high = _upper(chain, boxes, box, room, k, j, 1.0)
                    boxes.high[box, at] = min(boxes.high[box, at], high)
                    low = -_upper(chain, boxes, box, room, k, j, -1.0)
                    boxes.low[box, at] = max(boxes.low[box, at], low)
            _relax(chain, boxes, box, k, room, sizes)


@part
def _constant(lines: Lines, boxes: Boxes, box: int, j: int) -> float:
    """The constant of a line whose most on the box is known, rounded up."""
    total, size = lines.upper[box, j], abs(lines.upper[box, j])
    for i in range(boxes.lo.shape[1]):
        slope = lines.slopes[box, j, i]
        most = max(slope * boxes.lo[box, i], slope * boxes.hi[box, i])
        total -= most
        size += abs(most)
    return total + (boxes.lo.shape[1] + 4) * _U * size * _UP + _TINY


@part
def _scales(chain: Chain, k: int, sizes: Array, scale: Array) -> None:
    """By how much a substitution through map k errs, a unit of each of its rows; `sizes` are the
    most that its inputs are.
    """
    inputs, at = chain.widths[k], chain.starts[k]
    unit = 2 * _U * (inputs + chain.widths[k + 1] + 8)
    for j in range(chain.widths[k + 1]):
        place = chain.places[k] + j
        total = unit * abs(chain.biases[place]) + chain.bias_errors[place]
        for i in range(inputs):
            entry = at + j * inputs + i
            total += (unit * abs(chain.weights[entry]) + chain.errors[entry]) * sizes[i]
        scale[place] = total * _UP + _TINY if total < _MOST else np.inf


@part
def _relax(chain: Chain, boxes: Boxes, box: int, k: int, room: _Room, sizes: Array) -> None:
    """Chord and line of every neuron behind map k, and the sizes of what they send on."""
    below, above = chain.slopes[k, 0], chain.slopes[k, 1]
    for j in range(chain.widths[k + 1]):
        at = chain.places[k] + j
        low, high = boxes.low[box, at], boxes.high[box, at]
        first, last = below * low, above * high
        if low >= 0:
            first = above * low
        elif high <= 0:
            last = below * high
        sizes[j] = max(abs(first), abs(last)) * _UP + _TINY
        room.shift[at] = 0.0
        if low >= 0 or high <= 0:
            room.chord[at] = room.line[at] = above if low >= 0 else below
            continue
        slope = (last - first) / (high - low)
        room.chord[at] = slope
        room.line[at] = above if high > -low else below
        # convex functions lie below the chord, others above it: whatever its slope is, this shift
        # brings it to the right side of both ends
        slack = 8 * _U * (abs(first) + abs(last) + abs(slope) * (high - low)) + _TINY
        if above > below:
            room.shift[at] = max(first - slope * low, last - slope * high) + slack
        else:
            room.shift[at] = min(first - slope * low, last - slope * high) - slack


@part
def _upper(chain: Chain, boxes: Boxes, box: int, room: _Room, k: int, j: int, sign: float) -> float:
    """The most of `sign` times row j of map k on a box, by substituting back to the parameters; the
    line is left in `room.row`.
    """
    inputs, at = chain.widths[k], chain.starts[k] + j * chain.widths[k]
    row = room.row
    for i in range(inputs):
        row[i] = sign * chain.weights[at + i]
    constant = sign * chain.biases[chain.places[k] + j]
    size, error = abs(constant), room.scale[chain.places[k] + j]
    for before in range(k - 1, -1, -1):
        inputs, place = chain.widths[before], chain.places[before]
        bent = room.bent
        convex = chain.slopes[before, 1] > chain.slopes[before, 0]
        for i in range(chain.widths[before + 1]):
            at = place + i
            if (row[i] > 0) == convex:
                bent[i] = row[i] * room.chord[at]
                moved = row[i] * room.shift[at]
                constant += moved
                size += abs(moved)
            else:
                bent[i] = row[i] * room.line[at]
            moved = bent[i] * chain.biases[place + i]
            constant += moved
            size += abs(moved)
            error += abs(bent[i]) * room.scale[at]
        row[:inputs] = 0.0
        for i in range(chain.widths[before + 1]):
            factor = bent[i]
            if factor != 0:
                at = chain.starts[before] + i * inputs
                for c in range(inputs):
                    row[c] += factor * chain.weights[at + c]
    for i in range(chain.widths[0]):
        most = max(row[i] * boxes.lo[box, i], row[i] * boxes.hi[box, i])
        constant += most
        size += abs(most)
    terms = 2.0 * (chain.widths.sum() + 8)
    total = constant + (error + terms * _U * size) * _UP + _TINY
    return total if -_MOST < total < _MOST else np.inf
