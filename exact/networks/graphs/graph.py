"""Piecewise affine networks that are no chain of blocks: a graph without circles of layers, sums
and maxima.

A graph is a network by its steps. What asks a network for its blocks is refused; what walks over
steps reads both. Concatenation is a sum of placements, and every other rearrangement an operator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import Rational, RationalArray, RationalMatrix, rationals
from exact.errors import InvalidInput, Unsupported
from exact.geometry.combinatorics.codes import Hinge, SplineCode, widths_of
from exact.networks.activations import Identity
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.steps import Sum, sequence
from exact.networks.graphs.stops import begin, bits_at_point
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.networks.norms import Norm


class Graph(Network):
    """A network of steps: what is done, and to which of the values before; value 0 is the input.

    Hidden steps are the layers that bend and the maxima, numbered from 1. Raises InvalidInput for
    steps that do not fit each other, Unsupported for norms.

    >>> from exact import Layer, ReLU
    >>> from exact.networks.graphs.maxima import Maximum
    >>> from exact.networks.graphs.steps import Sum
    >>> bend = Layer.of([[1, 0], [0, 1]], activation=ReLU())
    >>> net = Graph([(bend, [0]), (Sum(), [0, 1]), (Maximum([[0, 1]], 2), [2])], 2)
    >>> str(net.code([-3, -1])), net.forward_float([-3.0, -1.0]).tolist()
    ('00|10', [-1.0])
    >>> str(net.affine_map(net.code([-3, -1])))
    'x -> [[0, 1]] x + [[0]]'
    """

    is_chain = False

    def __init__(self, steps: Iterable[tuple[Any, Sequence[int]]], input_dim: int) -> None:
        found = sequence(steps)
        sizes = [input_dim]
        for number, (does, inputs, _) in enumerate(found):
            sizes.append(_width(does, [sizes[i] for i in inputs], number))
        object.__setattr__(self, "_sizes", tuple(sizes))
        self.__dict__["steps"] = found
        self.__dict__["has_maxima"] = any(isinstance(does, Maximum) for does, *_ in found)

    @classmethod
    def of(cls, network: Network) -> Graph:
        """The graph of any network without norms."""
        return cls(((does, inputs) for does, inputs, _ in network.steps), network.input_dim)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Raises Unsupported: a graph has none."""
        raise Unsupported(
            "a graph is no chain of blocks",
            value=repr(self),
            remedy="use partition() on a slice, pickle what is to be kept, or take graph.chain() "
            "where it is a chain of layers",
        )

    @property
    def input_dim(self) -> int:
        sizes: tuple[int, ...] = vars(self)["_sizes"]
        return sizes[0]

    @property
    def output_dim(self) -> int:
        sizes: tuple[int, ...] = vars(self)["_sizes"]
        return sizes[-1]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(does for does, *_ in self.steps if isinstance(does, Layer))

    @cached_property
    def hidden_layers(self) -> tuple[Any, ...]:
        """The layers and maxima that add to the spline code."""
        return tuple(does for does, *_ in self.steps if getattr(does, "bits", 0))

    @property
    def norms(self) -> tuple[Norm, ...]:
        return ()

    @cached_property
    def hinges(self) -> tuple[Hinge, ...]:
        """The bits of the code in order; those of a window's symbol have its number as neuron."""
        found = list[Hinge]()
        for number, does in enumerate(self.hidden_layers, 1):
            widths = (
                does.widths.tolist()
                if isinstance(does, Maximum)
                else [len(does.activation.breakpoints)] * does.width
            )
            found += [Hinge(number, j, k) for j, width in enumerate(widths) for k in range(width)]
        return tuple(found)

    @cached_property
    @in_ieee_floats
    def sha256(self) -> str:
        digest = hashlib.sha256(f"exactlens graph 1:{self.input_dim}".encode())
        for does, inputs, _ in self.steps:
            digest.update(f"{type(does).__name__}:{list(inputs)}".encode())
            if isinstance(does, Layer):
                digest.update(does.operator.content + does.bias.digest + does.activation.digest)
            elif isinstance(does, Maximum):
                digest.update(does.content)
        return digest.hexdigest()

    def chain(self) -> Network:
        """The same network as a chain of dense layers, affine steps multiplied into those behind.

        Raises Unsupported for sums and maxima. Cost: exact products of its matrices.

        >>> from exact import Layer, ReLU
        >>> double, bend = Layer.of([[2]], [1]), Layer.of([[3]], activation=ReLU())
        >>> layer = Graph([(double, [0]), (bend, [1])], 1).chain().layers[0]
        >>> str(layer.weight), str(layer.bias)
        ('[[6]]', '[[3]]')
        """
        layers, front = list[Layer](), None
        for number, (does, inputs, _) in enumerate(self.steps):
            if not isinstance(does, Layer) or inputs != (number,):
                raise Unsupported(
                    "the graph is no chain of layers",
                    value=f"step {number}, {type(does).__name__} of the values {list(inputs)}",
                    remedy="use it as a graph",
                )
            whole = does if front is None else _joined(front, does)
            front = whole.as_affine if not whole.bits else None
            layers += [whole] if whole.bits else []
        return Network((Block((*layers, *([] if front is None else [front]))),))

    @in_ieee_floats
    def code(self, x: Sequence[object], layers: tuple[int, int] | None = None) -> SplineCode:
        first, last = self.layer_range(layers)
        point = rationals(x, "x")
        if len(point) != self.input_dim:
            raise InvalidInput(
                "point does not fit the network",
                value=f"{len(point)} coordinates",
                remedy=f"give {self.input_dim}",
            )
        stop = begin(self.steps, RationalArray(len(point), 1, point), [Rational(1)])
        bits = list[BitArray]()
        while len(bits) < last:
            bits.append(bits_at_point(stop))
            stop = stop if len(bits) == last else stop.advance(bits[-1])
        asked = self.hidden_layers[first - 1 : last]
        symbols = [values for does in asked for values in does.symbols]
        found = np.concatenate([np.zeros(0, bool), *bits[first - 1 : last]])
        return SplineCode.of(found, [does.bits for does in asked], widths_of(symbols))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Graph({self.input_dim} to {self.output_dim}, {len(self.steps)} steps)"

    def __reduce__(self) -> tuple[Any, ...]:
        steps = [(does, list(inputs)) for does, inputs, _ in self.steps]
        return Graph, (steps, self.input_dim)


def _width(does: Any, sizes: Sequence[int], number: int) -> int:
    """How many numbers a step writes. Raises InvalidInput where it does not fit what it reads."""
    if isinstance(does, Norm) or not isinstance(does, Layer | Sum | Maximum):
        raise Unsupported(
            f"step {number} of a graph is no layer, sum or maximum",
            value=repr(does),
            remedy="norms stand in networks of blocks",
        )
    wanted = sizes[0] if isinstance(does, Sum) else does.input_dim
    if any(size != wanted for size in sizes):
        raise InvalidInput(
            f"step {number} of a graph does not fit what it reads",
            value=f"{type(does).__name__} of {wanted} numbers, given {list(sizes)}",
            remedy="let each step read values of its own size",
        )
    return wanted if isinstance(does, Sum) else does.width


def _joined(front: Layer, layer: Layer) -> Layer:
    """A layer behind an affine one, as one."""
    bias = layer.operator.apply(front.bias.exact) + layer.bias.exact
    weight = layer.operator.apply(front.weight.exact)
    backend = RationalMatrix.from_backend
    return Layer(backend(weight), backend(bias), layer.activation)


def identity_layer(size: int, activation: Any = None) -> Layer:
    """A layer that applies an activation to what it reads."""
    from exact.networks.graphs.rearrangements import Selection

    return Layer.of(Selection(range(size), size), None, activation or Identity())
