"""Two networks of one shape as a single one, whose regions are the places where a region of the
first meets one of the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import Rational, RationalMatrix
from exact.errors import InvalidInput, Unsupported
from exact.networks.evaluation.required import require_network
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.networks.norms import Norm

_ZERO, _ONE = Rational(0), Rational(1)
Rows = list[list[Rational]]


@in_ieee_floats
def side_by_side(first: Network, second: Network) -> Network:
    """The network that computes both to their last hidden layers: every hidden layer has the
    neurons of the first in front of those of the second, and no weight leads from one to the other.

    The bits of its code are told apart by `bits_of_each`. A norm is shared: both must stand behind
    the same one, of the same vectors; gain and bias go into the weights behind it. Raises
    InvalidInput for networks of different shapes, Unsupported for norms that cannot be shared.

    >>> from exact.sources import tensors
    >>> nets = [tensors.mlp([([[1], [k]], [0, k]), ([[1, k]], [0]), ([[1]], [0])]) for k in (2, 3)]
    >>> both = side_by_side(*nets)
    >>> both.widths, str(both.layers[0].weight), str(both.layers[1].weight)
    ((4, 2), '[[1], [2], [1], [3]]', '[[1, 2, 0, 0], [0, 0, 1, 3]]')
    """
    for network in (first, second):
        require_network(network)
    pair = tuple(_to_the_last_hinge(network) for network in (first, second))
    if _shape(pair[0]) != _shape(pair[1]):
        raise InvalidInput(
            "the networks differ in shape",
            value=f"{_told(first)} and {_told(second)}",
            remedy="give two networks whose layers have equal activations and equal widths",
        )
    if not any(network.has_norm for network in pair):
        return Network(tuple(_parallel(pair[0].blocks, pair[1].blocks)))
    front, norm = _shared_front(*pair)
    bodies = [network.folded().blocks for network in pair]
    head, *rest = _parallel(*bodies)
    return Network((*front, replace(head, norm=norm), *rest))


def bits_of_each(network: Network) -> tuple[IndexArray, IndexArray]:
    """The places of the bits of each of two copies of a network in the code of both side by
    side.
    """
    require_network(network)
    starts = np.cumsum([0, *network.bits_per_layer])
    bits = np.arange(network.hinge_count)
    layer = np.searchsorted(starts, bits, side="right") - 1
    ahead = bits + starts[layer]
    return ahead, ahead + np.array(network.bits_per_layer, dtype=np.int64)[layer]


def _to_the_last_hinge(network: Network) -> Network:
    if not network.hidden_layers:
        raise InvalidInput(
            "the network has no hidden layer, so no regions",
            value=network,
            remedy="give a network with activations that bend",
        )
    return network.up_to_layer(len(network.hidden_layers))


def _shape(network: Network) -> list[object]:
    """All that must agree but the norms."""
    return [
        (block.residual, [(layer.shape, layer.activation) for layer in block.layers])
        for block in network.blocks
    ]


def _told(network: Network) -> str:
    return f"{network.input_dim} inputs, hidden widths {network.widths}"


def _shared_front(first: Network, second: Network) -> tuple[Sequence[Block], Norm]:
    """The blocks in front of the norm of both, and the norm without gain and bias."""
    places = [
        [k for k, block in enumerate(network.blocks) if block.norm is not None]
        for network in (first, second)
    ]
    if places[0] != places[1] or len(places[0]) != 1:
        raise Unsupported(
            "only one norm of each network can be shared",
            value=f"{len(places[0])} and {len(places[1])} norms",
            remedy="compare along a Segment, Ray or Line, or start at the last norm: "
            "network.from_block(k)",
        )
    (place,) = places[0]
    fronts = [network.blocks[:place] for network in (first, second)]
    if fronts[0] != fronts[1]:
        raise Unsupported(
            "the norms stand behind different layers, so they read different vectors",
            value=f"{place} blocks in front of the norm",
            remedy="compare along a Segment, Ray or Line, or what stands behind the "
            f"norm: network.from_block({place})",
        )
    if any(layer.bits for block in fronts[0] for layer in block.layers):
        raise Unsupported(
            "hidden layers stand in front of the norm",
            value=f"{place} blocks",
            remedy="compare along a Segment, Ray or Line",
        )
    norms = [_without_affine(network.norms[0]) for network in (first, second)]
    if norms[0] != norms[1]:
        raise Unsupported(
            "the networks have different norms",
            value=f"{norms[0]!r} and {norms[1]!r}",
            remedy="compare networks with equal norms and eps",
        )
    return fronts[0], norms[0]


def _without_affine(norm: Norm) -> Norm:
    ones, zeros = (RationalMatrix.from_rationals([[x]] * norm.dim) for x in (_ONE, _ZERO))
    return replace(norm, gain=ones, bias=zeros)


def _parallel(first: Sequence[Block], second: Sequence[Block]) -> Iterator[Block]:
    """The blocks of both, without norms, reading one input."""
    doubled = False
    for own, other in zip(first, second, strict=True):
        if own.residual and not doubled:
            doubled = True
            same = _identity(own.input_dim)
            yield Block((_both(same, same, doubled=False),))
        layers = []
        for mine, its in zip(own.layers, other.layers, strict=True):
            layers.append(_both(mine, its, doubled))
            doubled = True
        yield Block(tuple(layers), None, own.residual)


def _identity(size: int) -> Layer:
    return Layer.of([[int(i == j) for j in range(size)] for i in range(size)])


def _both(first: Layer, second: Layer, doubled: bool) -> Layer:
    """Both layers on one input, or each on its own half of a doubled one."""
    weight = [
        *_rows(first, 0, second.input_dim if doubled else 0),
        *_rows(second, first.input_dim if doubled else 0, 0),
    ]
    bias = [[x] for x in chain(first.bias.column(), second.bias.column())]
    return Layer(
        RationalMatrix.from_rationals(weight), RationalMatrix.from_rationals(bias), first.activation
    )


def _rows(layer: Layer, before: int, after: int) -> Rows:
    """The rows of the weight, with so many zeros around each."""
    return [
        [_ZERO] * before + layer.operator.row(neuron) + [_ZERO] * after
        for neuron in range(layer.width)
    ]
