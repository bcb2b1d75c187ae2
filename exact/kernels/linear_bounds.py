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
in_any_order = numba.njit(  # type: ignore[call-overload]
    nogil=True, fastmath={"reassoc"}, no_cpython_wrapper=True, no_cfunc_wrapper=True
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
    """What bounds have of every layer on one box. Of all neurons by number: `chord`, `shift` and
    `line`; by map, the errors a unit in `scale`, of which the constants alone have `least` and
    entries `units`. Neurons that are zero all over the box are left out of
    `used[place : place + counts[k + 1]]`, and of the tables in the order of `used`: rows are
    `_CHORD`, ..., `_SCALE`. `weights[start:]` are those of map k from the inputs in use to the
    neurons in use; `counts[0]` is the number of parameters.
    """

    chord: Array
    shift: Array
    line: Array
    scale: Array
    least: Array
    counts: Array
    used: Array
    table: Array
    weights: Array
    units: Array


_CHORD, _SHIFT, _LINE, _BIAS, _SCALE = 0, 1, 2, 3, 4


@numba.njit(cache=True, nogil=True)
def bound(chain: Chain, boxes: Boxes, lines: Lines) -> None:
    """Bounds of all neurons and of the values on every box."""
    maps, dim = len(chain.widths) - 1, chain.widths[0]
    most = chain.widths.max()
    neurons = boxes.low.shape[1]
    room = _Room(
        np.empty(neurons),
        np.empty(neurons),
        np.empty(neurons),
        np.empty(neurons + chain.widths[maps]),
        np.empty(neurons + chain.widths[maps]),
        np.zeros(maps + 1, np.int64),
        np.empty(neurons, np.int64),
        np.empty((5, neurons)),
        np.empty(len(chain.weights)),
        np.empty(len(chain.weights)),
    )
    _units(chain, room)
    sizes, open_ = np.empty(most), np.empty(most, np.int64)
    inputs = np.empty(most, np.int64)
    room.counts[0] = dim
    for box in range(len(boxes.lo)):
        for i in range(dim):
            sizes[i] = max(abs(boxes.lo[box, i]), abs(boxes.hi[box, i]))
            inputs[i] = i
        for k in range(maps):
            place, count, asked = chain.places[k], room.counts[k], 0
            _scales(chain, k, sizes, boxes.high[box], room)
            for j in range(chain.widths[k + 1]):
                if k == maps - 1 or boxes.low[box, place + j] < 0 < boxes.high[box, place + j]:
                    open_[asked] = j
                    asked += 1
            sides = 1 if k == maps - 1 else 2
            rows = np.empty((sides * asked, count))
            tops = np.empty((3, sides * asked))
            for r in range(asked):
                at, j = chain.starts[k] + open_[r] * chain.widths[k], place + open_[r]
                for side in range(sides):
                    sign, row = 1.0 - 2.0 * side, r + side * asked
                    for i in range(count):
                        rows[row, i] = sign * chain.weights[at + inputs[i]]
                    tops[0, row] = sign * chain.biases[j]
                    tops[1, row], tops[2, row] = abs(chain.biases[j]), room.scale[j]
            rows = _back(chain, room, k, rows, tops)
            terms = 2.0 * (chain.widths.sum() + 8)
            _tops(boxes.lo[box], boxes.hi[box], rows, tops, terms)
            if k == maps - 1:
                lines.upper[box] = tops[0]
                lines.slopes[box] = rows
                for j in range(asked):
                    lines.offsets[box, j] = _constant(lines, boxes, box, j)
                break
            for r in range(asked):
                at = place + open_[r]
                boxes.high[box, at] = min(boxes.high[box, at], tops[0, r])
                boxes.low[box, at] = max(boxes.low[box, at], -tops[0, asked + r])
            _relax(chain, boxes, box, k, room, sizes)
            _use(chain, room, k, inputs[:count])
            for i in range(room.counts[k + 1]):
                inputs[i] = room.used[place + i]


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
def _units(chain: Chain, room: _Room) -> None:
    """By how much each entry errs, a unit of its input."""
    for k in range(len(chain.widths) - 1):
        inputs, outputs = chain.widths[k], chain.widths[k + 1]
        unit = 2 * _U * (inputs + outputs + 8)
        for entry in range(chain.starts[k], chain.starts[k] + inputs * outputs):
            room.units[entry] = unit * abs(chain.weights[entry]) + chain.errors[entry]
        for place in range(chain.places[k], chain.places[k] + outputs):
            room.least[place] = unit * abs(chain.biases[place]) + chain.bias_errors[place]


@in_any_order
def _scale(row: Array, sizes: Array, start: float) -> float:
    """A sum of products onto a start."""
    total = start
    for i in range(len(row)):
        total += row[i] * sizes[i]
    return total


@part
def _scales(chain: Chain, k: int, sizes: Array, high: Array, room: _Room) -> None:
    """By how much a substitution through map k errs, a unit of each of its rows; `sizes` are the
    most that its inputs are. Rows of neurons that are zero all over the box are not asked for.
    """
    inputs, last = chain.widths[k], k == len(chain.widths) - 2
    for j in range(chain.widths[k + 1]):
        at, place = chain.starts[k] + j * inputs, chain.places[k] + j
        if not last and high[place] <= 0 and chain.slopes[k, 0] == 0:
            continue
        total = _scale(room.units[at : at + inputs], sizes[:inputs], room.least[place])
        room.scale[place] = total * _UP + _TINY if total < _MOST else np.inf


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
def _use(chain: Chain, room: _Room, k: int, inputs: Array) -> None:
    """Which neurons behind map k are not zero all over the box, and what is needed of them."""
    place, count = chain.places[k], 0
    for j in range(chain.widths[k + 1]):
        at = place + j
        # what is no number counts as in use
        if room.chord[at] == 0.0 and room.line[at] == 0.0 and room.shift[at] == 0.0:
            continue
        here, entry = place + count, chain.starts[k] + j * chain.widths[k]
        room.used[here] = j
        room.table[_CHORD, here], room.table[_SHIFT, here] = room.chord[at], room.shift[at]
        room.table[_LINE, here], room.table[_BIAS, here] = room.line[at], chain.biases[at]
        room.table[_SCALE, here] = room.scale[at]
        start = chain.starts[k] + count * len(inputs)
        for i in range(len(inputs)):
            room.weights[start + i] = chain.weights[entry + inputs[i]]
        count += 1
    room.counts[k + 1] = count


@part
def _back(chain: Chain, room: _Room, k: int, rows: Array, tops: Array) -> Array:
    """Rows over the inputs of map k as rows over the parameters, by substituting back; of their
    constants `tops` has the sum, the sum of sizes, and the error.
    """
    count = len(rows)
    for before in range(k - 1, -1, -1):
        width, inputs = room.counts[before + 1], room.counts[before]
        place, start = chain.places[before], chain.starts[before]
        convex = chain.slopes[before, 1] > chain.slopes[before, 0]
        table = room.table[:, place : place + width]
        for r in range(count):
            _bend(rows[r], table, convex, tops[:, r])
        if count == 0 or width == 0 or inputs == 0:
            rows = np.zeros((count, inputs))
        else:
            weights = room.weights[start : start + width * inputs].reshape((width, inputs))
            rows = np.dot(rows, weights)
    return rows


# sums in any order err by no more than is counted for them
@in_any_order
def _bend(row: Array, table: Array, convex: bool, top: Array) -> None:
    """A row over what functions give as one over the neurons, by their chords or lines."""
    constant, size, error = top[0], top[1], top[2]
    for i in range(len(row)):
        value = row[i]
        chord = (value > 0) == convex
        bent = value * (table[_CHORD, i] if chord else table[_LINE, i])
        moved = value * (table[_SHIFT, i] if chord else 0.0)
        onward = bent * table[_BIAS, i]
        constant += moved + onward
        size += abs(moved) + abs(onward)
        error += abs(bent) * table[_SCALE, i]
        row[i] = bent
    top[0], top[1], top[2] = constant, size, error


@part
def _tops(lo: Array, hi: Array, rows: Array, tops: Array, terms: float) -> None:
    """The most of every row on a box, into `tops[0]`; `terms` are twice as many as it has."""
    for r in range(len(rows)):
        constant, size = tops[0, r], tops[1, r]
        for i in range(len(lo)):
            most = max(rows[r, i] * lo[i], rows[r, i] * hi[i])
            constant += most
            size += abs(most)
        total = constant + (tops[2, r] + terms * _U * size) * _UP + _TINY
        tops[0, r] = total if -_MOST < total < _MOST else np.inf
