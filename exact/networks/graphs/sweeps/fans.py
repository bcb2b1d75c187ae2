"""Linear operators by what each input adds to, for compiled loops over few inputs that change."""

from __future__ import annotations

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.kernels.sweeps import Fans
from exact.networks.graphs.convolutions import Convolution
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.operators import LinearOperator

_KEPT = "_fans"


def fans_of(operator: LinearOperator) -> Fans:
    """The fans of an operator, each weight the float64 nearest to it; kept with the operator.

    Cost: its weights once, and for a convolution its taps times its input channels.

    >>> from exact.networks.graphs.rearrangements import Selection
    >>> own = fans_of(Selection([2, 0, 2], 3))
    >>> own.starts.tolist(), own.blocks.tolist(), own.order.tolist()
    ([0, 1, 1, 3], [1, 0, 2], [0, 1, 2])
    """
    kept = vars(operator)
    if _KEPT not in kept:
        kept[_KEPT] = _made(operator)
    found: Fans = kept[_KEPT]
    return found


def _made(operator: LinearOperator) -> Fans:
    outputs, inputs = operator.shape
    if isinstance(operator, Convolution):
        return _convolution(operator)
    if isinstance(operator, Selection):
        return _moves(operator.places, np.arange(outputs), inputs, outputs)
    if isinstance(operator, Placement):
        return _moves(np.arange(inputs), operator.places, inputs, outputs)
    every, ones = np.arange(inputs), np.zeros(inputs, np.int64)
    if isinstance(operator, Scaling):
        factors = np.array(operator.factors.float64()[:, 0])
        return Fans(1, np.arange(inputs + 1), every, every, factors, every)
    weights = np.array(operator.matrix.float64().T).reshape(-1)
    rows = every * outputs
    return Fans(outputs, np.arange(inputs + 1), ones, rows, weights, np.arange(outputs))


def added_up(count: int, size: int) -> Fans:
    """The fans of the sum of several vectors, that read them one behind the other."""
    places, every = np.tile(np.arange(size), count), np.arange(count * size)
    return _moves(every, places, count * size, size)


def _moves(read: IndexArray, written: IndexArray, inputs: int, outputs: int) -> Fans:
    order = np.argsort(read, kind="stable")
    starts = np.searchsorted(read[order], np.arange(inputs + 1)).astype(np.int64)
    blocks = np.ascontiguousarray(written[order]).astype(np.int64)
    rows = np.zeros(len(blocks), np.int64)
    return Fans(1, starts, blocks, rows, np.ones(1), np.arange(outputs))


def _convolution(operator: Convolution) -> Fans:
    """Blocks are the output channels of a group at a position, so that an input adds to them by one
    row of weights.
    """
    places, groups = operator.taps.places, operator.groups
    positions, taps = places.shape
    outputs = operator.weight.shape[0] // groups
    inputs = operator.channels // groups
    size = int(np.prod(operator.taps.image))
    weights: FloatArray = np.array(operator.weight.float64()).reshape(groups, outputs, inputs, taps)
    at, tap = np.nonzero(places >= 0)
    read = places[at, tap]
    order = np.argsort(read, kind="stable")
    at, tap, read = at[order], tap[order], read[order]
    channel = np.arange(operator.channels)
    blocks = at[None, :] * groups + channel[:, None] // inputs
    rows = (channel[:, None] * taps + tap[None, :]) * outputs
    each = np.searchsorted(read, np.arange(size + 1))
    starts = np.append((channel[:, None] * len(read) + each[None, :-1]).reshape(-1), blocks.size)
    group, own = np.divmod(np.arange(groups * outputs), outputs)
    channels = (group * outputs + own) * positions
    where = (channels.reshape(1, -1) + np.arange(positions)[:, None]).reshape(-1)
    return Fans(
        outputs,
        starts.astype(np.int64),
        blocks.reshape(-1).astype(np.int64),
        rows.reshape(-1).astype(np.int64),
        np.ascontiguousarray(weights.transpose(0, 2, 3, 1)).reshape(-1),
        where.astype(np.int64),
    )
