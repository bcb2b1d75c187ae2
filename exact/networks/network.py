"""A network as pure data: blocks of layers with activations, each block behind an optional norm.

`block(x) = [x +] layers(norm(x))`, and a network is its blocks in order. Weights are rationals read
from floats without loss: exact statements are about the real-arithmetic network with these weights,
not about the rounded forward pass of some floating-point library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, pairwise
from typing import Any, ClassVar

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.linear_algebra import diagonal
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, RationalMatrix, rationals
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Unsupported
from exact.geometry.combinatorics.code_batches import Codes, Errors
from exact.geometry.combinatorics.codes import Hinge, SplineCode, widths_of
from exact.networks.activations import ReLU
from exact.networks.affine_map import AffineMap
from exact.networks.evaluation.batches import InputRows, codes_of, float_rows, hidden_of
from exact.networks.evaluation.points import walk_balls, walk_exact
from exact.networks.graphs.steps import Step, Sum, walk
from exact.networks.layers import (
    Block,
    Layer,
    Operation,
    blocks_behind,
    blocks_up_to,
    parts,
    steps_of,
    up_to,
)
from exact.networks.norms import Norm

Chooser = Callable[[int, RationalArray], list[bool]]
_ZERO, _ONE = Rational(0), Rational(1)


@short_repr
@dataclass(frozen=True)
class Network:
    """Blocks in order. Hidden layers (those whose activation bends) are numbered from 1; see
    :class:`Hinge`.

    >>> from exact import Block, Layer, ReLU
    >>> hidden, last = Layer.of([[1, -1], [1, 1]], activation=ReLU()), Layer.of([[1, 1]])
    >>> net = Network((Block((hidden, last)),))
    >>> net.input_dim, net.widths, net.hinges[1], str(net.affine_map(net.code([3, 1])))
    (2, (2,), Hinge(layer=1, neuron=1, breakpoint=0), 'x -> [[2, 0]] x + [[0]]')
    """

    blocks: tuple[Block, ...]
    is_chain: ClassVar[bool] = True  # of blocks, and no graph
    has_maxima: ClassVar[bool] = False  # whose codes are symbols, and no sides of hyperplanes

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", parts(self.blocks, Block, "a network"))
        if not self.blocks:
            raise InvalidInput(
                "a network has no block", value=self.blocks, remedy="give at least one Block"
            )
        for before, after in pairwise(self.blocks):
            if before.output_dim != after.input_dim:
                raise InvalidInput(
                    "blocks do not fit together",
                    value=f"{before.output_dim} then {after.input_dim}",
                    remedy="make each block read what the one before writes",
                )

    @property
    def input_dim(self) -> int:
        """The dimension n of the input."""
        return self.blocks[0].input_dim

    @property
    def output_dim(self) -> int:
        """The dimension of the output."""
        return self.blocks[-1].output_dim

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What is done to which values, in order: norms, layers and sums, which all walks go over.

        >>> from exact.sources import tensors
        >>> net = tensors.block([[3, 0]], [-1], [[1], [2]], [0, 0], norm="rms", residual=True)
        >>> [(type(step.does).__name__, step.inputs) for step in net.steps]
        [('RMSNorm', (0,)), ('Layer', (1,)), ('Layer', (2,)), ('Sum', (0, 3))]
        """
        return steps_of(self.blocks)

    @cached_property
    def steps_to_last_hinge(self) -> tuple[Step, ...]:
        """The steps up to the last hidden layer, behind which nothing changes the code."""
        return up_to(self.steps, len(self.hidden_layers))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All layers of all blocks in order."""
        return tuple(layer for block in self.blocks for layer in block.layers)

    @cached_property
    def hidden_layers(self) -> tuple[Layer, ...]:
        """The layers that add bits to the spline code."""
        return tuple(layer for layer in self.layers if layer.bits)

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of neurons of each hidden layer."""
        return tuple(layer.width for layer in self.hidden_layers)

    @cached_property
    def bits_per_layer(self) -> tuple[int, ...]:
        """The number of spline-code bits of each hidden layer."""
        return tuple(layer.bits for layer in self.hidden_layers)

    @cached_property
    def symbols(self) -> tuple[int, ...]:
        """How many values each symbol of a spline code takes, in order; a hinge takes two.

        >>> from exact.sources import tensors
        >>> tensors.mlp([([[1], [2]], [0, 0]), ([[1, 1]], [0])]).symbols
        (2, 2)
        """
        return tuple(values for layer in self.hidden_layers for values in layer.symbols)

    def require_bits(self, reader: str) -> None:
        """Raise Unsupported where symbols are no bits, which `reader` does not know to cut by."""
        wide = max(self.symbols, default=2)
        if wide > 2 or self.has_maxima:
            raise Unsupported(
                f"{reader} read codes of bits alone",
                value=f"a symbol of {wide} values",
                remedy="take network.code(x) at single points",
            )

    @property
    def hinge_count(self) -> int:
        """The number of bits of the spline code."""
        return sum(self.bits_per_layer)

    @property
    def norms(self) -> tuple[Norm, ...]:
        """The norms, in order."""
        return tuple(block.norm for block in self.blocks if block.norm is not None)

    @property
    def has_norm(self) -> bool:
        """Whether any block stands behind a norm."""
        return bool(self.norms)

    @property
    def is_piecewise_linear(self) -> bool:
        """Whether every activation is; a norm is reported by :attr:`has_norm`."""
        return all(layer.activation.is_piecewise_linear for layer in self.layers)

    @cached_property
    def hinges(self) -> tuple[Hinge, ...]:
        """The bits of the spline code, in order."""
        return tuple(
            Hinge(number, neuron, k)
            for number, layer in enumerate(self.hidden_layers, 1)
            for neuron in range(layer.width)
            for k in range(len(layer.activation.breakpoints))
        )

    @cached_property
    @in_ieee_floats
    def sha256(self) -> str:
        """A digest of the exact values, norms, bends and pieces, and skips, under no name; equal
        networks have equal ones.
        """
        digest = hashlib.sha256(b"exactlens network 2")
        for block in self.blocks:
            norm = b"" if block.norm is None else block.norm.digest
            digest.update(
                f"block:{block.residual}:{len(block.layers)}:{len(norm)}:".encode() + norm
            )
            for layer in block.layers:
                digest.update(layer.operator.digest + layer.bias.digest + layer.activation.digest)
        return digest.hexdigest()

    def from_block(self, index: int) -> Network:
        """The network from block `index` on (0-based): what the later part of the network reads and
        does.
        """
        if not 0 <= index < len(self.blocks):
            raise InvalidInput(
                "no such block", value=index, remedy=f"give 0 .. {len(self.blocks) - 1}"
            )
        return Network(self.blocks[index:])

    def from_layer(self, number: int) -> Network:
        """The network behind hidden layer `number - 1` (from 1): what it does with the output of
        `up_to_layer(number - 1)`, linear layers in between included.

        Raises InvalidInput where a skip connection leads around the place, and for a layer that is
        not there.

        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[2]], [0]), ([[3]], [1]), ([[1]], [0])])
        >>> net.up_to_layer(1).forward_float([5.0]), net.from_layer(2).forward_float([10.0])
        (array([10.]), array([31.]))
        """
        self.layer_range((number, number))
        return self if number == 1 else Network(blocks_behind(self.blocks, number - 1))

    def up_to_layer(self, number: int) -> Network:
        """The network up to hidden layer `number` (from 1) and its activation, in front of whatever
        a skip connection adds later.
        """
        self.layer_range((number, number))
        return Network(blocks_up_to(self.blocks, number))

    def relu_ised(self) -> Network:
        """The same weights with ReLU in place of every smooth activation: a different, piecewise
        linear network.
        """
        blocks = tuple(
            replace(b, layers=tuple(_relu_ised(layer) for layer in b.layers)) for b in self.blocks
        )
        return Network(blocks)

    @in_ieee_floats
    def forward_float(self, x: Any) -> FloatArray:
        """The forward pass in plain float64, with no bound on its rounding; x has shape (batch,
        input_dim) or (input_dim,).
        """
        inputs = float_rows(x, self.input_dim)
        y = walk(
            self.steps, np.atleast_2d(inputs), lambda does, *values: does.forward_float(*values)
        )
        return y if inputs.ndim == 2 else y[0]

    @in_ieee_floats
    def hidden_float(self, x: Any, activated: bool = False) -> tuple[FloatArray, ...]:
        """The pre-activations of every hidden layer in plain float64, or its outputs, without a
        bound; each has shape (batch, width), or (width,) at one point.

        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1], [-1]], [0, 1]), ([[1, 1]], [0])])
        >>> [z.tolist() for z in net.hidden_float([[3.0], [0.5]])]
        [[[3.0, -2.0], [0.5, 0.5]]]
        """
        inputs = float_rows(x, self.input_dim)
        found = hidden_of(self.steps_to_last_hinge, np.atleast_2d(inputs), activated)
        return found if inputs.ndim == 2 else tuple(z[0] for z in found)

    def propagate(
        self, state: RationalArray, one: Sequence[Rational], choose: Chooser
    ) -> RationalArray:
        """Carry functions through a network without norms, exactly.

        `state` is (input_dim x k): each input as coefficients over k basis functions; `one` holds
        the coefficients of the constant 1. `choose(h, z)` returns the bits of hidden layer h
        (0-based) from its pre-activations z.
        """
        hidden = count()

        def apply(does: Operation, *values: RationalArray) -> RationalArray:
            if isinstance(does, Sum):
                return does.total(values)
            if isinstance(does, Norm):
                raise InvalidInput(
                    "functions are carried through blocks without norm only",
                    value=does,
                    remedy="use network.folded(), or start behind the norm: network.from_block(k)",
                )
            z = does.pre_activations(values[0], one)
            return does.activate(z, one, choose(next(hidden), z) if does.bits else ())

        return walk(self.steps, state, apply)

    def propagate_code(
        self, state: RationalArray, code: SplineCode, one: Sequence[Rational] | None = None
    ) -> RationalArray:
        """Carry functions along the region with this code (no norms); without `one` the last basis
        function is the constant 1.

        Raises NotPiecewiseLinear for GELU or SiLU.
        """
        self.require_piecewise_linear()
        layers = code.last_layers(self.bits_per_layer)
        one = [_ZERO] * (state.ncols() - 1) + [_ONE] if one is None else one
        return self.propagate(state, one, lambda h, _: layers[h])

    @in_ieee_floats
    def folded(self) -> Network:
        """The network behind its first norm, as a function of y = sqrt(n) P x / r, with gain and
        bias folded in.

        The new first weight is `W diag(gain) P` and the new first bias `b + W bias`
        (mathematics.md, "LayerNorm and RMSNorm"), so the map does not depend on the part of W that
        P kills. Blocks in front of the norm are left out; a skip connection around the norm is
        dropped, since it adds x and not y.
        """
        index = self._norm_index()
        first, *rest = self.blocks[index:]
        assert first.norm is not None
        if any(block.norm is not None for block in rest) or (
            first.residual and any(b.bits for b in _layers(rest))
        ):
            raise Unsupported(
                "only one norm can be folded",
                value=f"{len(self.norms)} norms",
                remedy="take one block: Network((network.blocks[k],))",
            )
        layer, norm = first.layers[0], first.norm
        scaled = layer.weight.exact * diagonal(norm.gain.column())
        weight = norm.project(scaled.transpose()).transpose()
        bias = layer.bias.exact + layer.operator.apply(norm.bias.exact)
        head = Layer(
            RationalMatrix.from_backend(weight), RationalMatrix.from_backend(bias), layer.activation
        )
        return Network((Block((head, *first.layers[1:])), *rest))

    def _norm_index(self) -> int:
        index = next((i for i, block in enumerate(self.blocks) if block.norm is not None), None)
        if index is None:
            raise InvalidInput(
                "the network has no norm to fold",
                value="no norm",
                remedy="use the network as it is",
            )
        return index

    def whole_space(self) -> tuple[Network, RationalArray, tuple[Rational, ...]]:
        """What :meth:`affine_map` carries through which network: its inputs and 1, over these."""
        body = self.folded() if self.has_norm else self
        n = body.input_dim
        unit = [Rational(int(i == j)) for i in range(n) for j in range(n + 1)]
        return body, RationalArray(n, n + 1, unit), (*(_ZERO,) * n, _ONE)

    @in_ieee_floats
    def affine_map(self, code: SplineCode) -> AffineMap:
        """The exact affine map on the region with this code; behind a norm, the map of y (see
        :meth:`folded`).

        Raises InvalidInput for the code of another network or of some layers only,
        NotPiecewiseLinear for GELU or SiLU, Unsupported for several norms.
        """
        self.require_piecewise_linear()
        if tuple(getattr(code, "layer_sizes", ())) != self.bits_per_layer:
            raise InvalidInput(
                "not a code of all hidden layers of this network",
                value=repr(code),
                remedy=f"give a SplineCode of layers {self.bits_per_layer}",
            )
        body, state, _ = self.whole_space()
        skip = self.is_chain and any(block.residual and block.norm for block in self.blocks)
        out = body.propagate_code(state, code)
        return AffineMap.of_columns(out, of="norm(x)" if self.has_norm else "x", skip=skip)

    def require_piecewise_linear(self) -> None:
        """Raise NotPiecewiseLinear when an activation is smooth."""
        for layer in self.layers:
            if not layer.activation.is_piecewise_linear:
                _ = layer.activation.pieces

    def affine_at(self, x: Sequence[object]) -> AffineMap:
        """The exact affine map of the region that x lies in."""
        return self.affine_map(self.code(x))

    @in_ieee_floats
    def code(self, x: Sequence[object], layers: tuple[int, int] | None = None) -> SplineCode:
        """The exact spline code at x, for hidden layers K..L (1-based, inclusive) or all.

        Exact for any number of norms: with one, signs of `a + b sqrt(c)`; with more, real balls of
        growing precision, and Undecided when 4,096 bits do not separate a pre-activation from zero.
        Behind a smooth activation too. x is an input as it is, on a sphere or not; where
        `partition.locate` takes a direction, this takes the vector.

        >>> from exact.sources import tensors
        >>> shifted = tensors.mlp([([[1, 0], [0, 1]], [-1, 0]), ([[1, 1]], [0])])
        >>> str(shifted.code(["3/5", "4/5"])), str(shifted.code([3, 4]))
        ('01', '11')
        """
        first, last = self.layer_range(layers)
        point = rationals(x, "x")
        if len(point) != self.input_dim:
            raise InvalidInput(
                "point does not fit the network",
                value=f"{len(point)} coordinates",
                remedy=f"give {self.input_dim}",
            )
        decide = walk_exact if self._is_exact_at_points(last) else walk_balls
        rows = decide(self.steps, point, last)
        bits = [bit for row in rows[first - 1 : last] for bit in row]
        asked = self.hidden_layers[first - 1 : last]
        symbols = [values for layer in asked for values in layer.symbols]
        return SplineCode.of(bits, [layer.bits for layer in asked], widths_of(symbols))

    @in_ieee_floats
    def codes(
        self,
        x: Any,
        layers: tuple[int, int] | None = None,
        *,
        device: str = "cpu",
        errors: Errors = "raise",
    ) -> Codes:
        """The exact spline codes at the rows of an (N x d) array of floats or rationals, as
        :meth:`code` gives them row by row; see :class:`Codes`.

        A float64 filter with a proved bound runs in chunks on `device`, and :meth:`code` decides
        the rows on which it abstains. A row without a code (a NaN, an undefined norm, an undecided
        sign) raises with its number, or with ``errors="keep"`` is kept in `failures`. Cost: of one
        wide layer behind a norm some tenths more than the matrix product in float64; of a graph
        with maxima that of :meth:`code` for every row.
        """
        asked, rows = self.layer_range(layers), InputRows(x, self.input_dim)
        return codes_of(
            self.steps, asked, rows, lambda point: self.code(point, asked), device, errors
        )

    def layer_range(self, layers: tuple[int, int] | None) -> tuple[int, int]:
        """Check a range K..L of hidden layers, 1-based and inclusive; None means all of them."""
        if layers is None:
            return 1, len(self.hidden_layers)
        pair = isinstance(layers, tuple) and len(layers) == 2
        whole = pair and all(isinstance(x, int | np.integer) and x is not True for x in layers)
        first, last = map(int, layers) if whole else (0, 0)
        if not 1 <= first <= last <= len(self.hidden_layers):
            raise InvalidInput(
                "no such range of hidden layers",
                value=layers,
                remedy=f"give (K, L) with 1 <= K <= L <= {len(self.hidden_layers)}",
            )
        return first, last

    def _is_exact_at_points(self, last: int) -> bool:
        hidden = self.hidden_layers[: last - 1]
        return len(self.norms) <= 1 and all(
            layer.activation.is_piecewise_linear for layer in hidden
        )


def _relu_ised(layer: Layer) -> Layer:
    return layer if layer.activation.is_piecewise_linear else replace(layer, activation=ReLU())


def _layers(blocks: Sequence[Block]) -> Iterator[Layer]:
    return (layer for block in blocks for layer in block.layers)
