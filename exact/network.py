"""A network as pure data: blocks of affine layers with activations, each block behind an optional norm.

`block(x) = [x +] layers(norm(x))`, and a network is its blocks in order. Weights are rationals read from floats without
loss, so every exact statement is about the real-arithmetic network with these weights, not about the rounded forward
pass of some floating-point library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from exact.activations import Activation, Identity, ReLU
from exact.affine_map import AffineMap
from exact.errors import InvalidInput, Unsupported
from exact.evaluation import walk_balls, walk_exact
from exact.filters import Balls, matrix_product
from exact.float_environment import in_ieee_floats
from exact.linear_algebra import identity
from exact.norms import Norm
from exact.numbers import FloatArray, Rational, RationalArray, RationalMatrix, rationals
from exact.printing import short_repr
from exact.spline_code import BitArray, Hinge, SplineCode

Chooser = Callable[[int, RationalArray], list[bool]]
_ZERO, _ONE = Rational(0), Rational(1)


@short_repr
@dataclass(frozen=True)
class Layer:
    """`activation(weight x + bias)`; weight is (out x in), bias (out x 1)."""

    weight: RationalMatrix
    bias: RationalMatrix
    activation: Activation

    @classmethod
    def of(cls, weight: Any, bias: Any = None, activation: Activation | None = None, name: str = "layer") -> Layer:
        """Read arrays, tensors or nested rationals; a missing bias is zero, a missing activation the identity."""
        matrix = RationalMatrix.read(weight, f"{name}.weight")
        if not isinstance(weight, RationalMatrix) and _is_flat(weight):
            raise InvalidInput(f"{name}.weight is a vector", value=f"{matrix.shape[0]} numbers", remedy="give (out x in) rows")
        column = np.zeros(matrix.shape[0]) if bias is None else bias
        return cls(matrix, RationalMatrix.read(column, f"{name}.bias"), activation or Identity())

    def __post_init__(self) -> None:
        if not isinstance(self.activation, Activation):
            raise InvalidInput("not an activation", value=repr(self.activation), remedy="give ReLU(), AbsoluteValue(), ...")
        if 0 in self.weight.shape:
            raise InvalidInput("a layer has no neuron, or no input", value=f"weight {self.weight.shape}",
                               remedy="leave the layer out, or give at least one row and one column")  # fmt: skip
        _check_numbers(self.activation)
        if self.bias.shape != (self.weight.shape[0], 1):
            raise InvalidInput("bias does not fit the weight", value=f"weight {self.weight.shape}, bias {self.bias.shape}",
                               remedy=f"give a bias of length {self.weight.shape[0]}")  # fmt: skip

    @property
    def width(self) -> int:
        """The number of neurons."""
        return self.weight.shape[0]

    @property
    def bits(self) -> int:
        """The number of bits this layer adds to the spline code."""
        return self.width * len(self.activation.breakpoints)

    @property
    def as_affine(self) -> Layer:
        """A layer without bends with its activation's only piece in weight and bias, and the identity as its activation.

        Raises InvalidInput for a layer with bends.
        """
        if self.bits:
            raise InvalidInput("a layer with bends is no affine map", value=self.activation.name, remedy="give one without")
        slope, intercept = self.activation.pieces[0]
        if (slope, intercept) == (_ONE, _ZERO):
            return self
        bias = self.bias.exact * slope + RationalArray(self.width, 1, [intercept] * self.width)
        return Layer(RationalMatrix.from_backend(self.weight.exact * slope), RationalMatrix.from_backend(bias), Identity())

    def pre_activations(self, state: RationalArray, one: Sequence[Rational]) -> RationalArray:
        """`weight state + bias (x) one`, exactly: every neuron as coefficients over the basis functions."""
        return self.weight.exact * state + self.bias.exact * RationalArray(1, len(one), list(one))

    def pre_activation(self, neuron: int, state: RationalArray, one: Sequence[Rational]) -> list[Rational]:
        """One row of :meth:`pre_activations`, converting no other weight."""
        row = RationalArray(1, self.weight.shape[1], self.weight.row(neuron)) * state
        bias = self.bias.row(neuron)[0]
        return [x + bias * y for x, y in zip(row.entries(), one, strict=True)]

    def pre_activation_balls(self, state: RationalArray, one: Sequence[Rational], device: str) -> Balls:
        """:meth:`pre_activations` as (width x k) balls, for the float64 filters."""
        mid, rad = (torch.from_numpy(np.array(x)).to(device) for x in (self.bias.float64(), self.bias.float64_error()))
        return matrix_product(self.weight, state, device) + Balls(mid, rad) * Balls.of_rationals(one, device)

    def activate(self, z: RationalArray, one: Sequence[Rational], bits: Sequence[bool]) -> RationalArray:
        """The layer's output on the affine pieces that `bits` select."""
        per_neuron, k, entries = len(self.activation.breakpoints), len(one), z.entries()
        pieces, out = self.activation.pieces, []
        for j in range(self.width):
            slope, intercept = pieces[sum(bits[j * per_neuron : (j + 1) * per_neuron])]
            out += [slope * x + intercept * y for x, y in zip(entries[j * k : (j + 1) * k], one, strict=True)]
        return RationalArray(self.width, k, out)


@short_repr
@dataclass(frozen=True)
class Block:
    """`[x +] layers(norm(x))`: consecutive layers behind an optional norm, with an optional skip connection."""

    layers: tuple[Layer, ...]
    norm: Norm | None = None
    residual: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.residual, bool):
            raise InvalidInput("residual of a block is neither true nor false", value=repr(self.residual),
                               remedy='write True to add x; blocks_of of exact.sources.tensors adds norm(x)')  # fmt: skip
        if not self.layers:
            raise InvalidInput("a block has no layer", value=self.layers, remedy="give at least one Layer")
        for before, after in pairwise(self.layers):
            if after.weight.shape[1] != before.width:
                raise InvalidInput("layers do not fit together", value=f"{before.weight.shape} then {after.weight.shape}",
                                   remedy=f"the second weight needs {before.width} columns")  # fmt: skip
        if self.norm is not None and self.norm.dim != self.input_dim:
            raise InvalidInput("norm does not fit the first layer", value=f"norm of {self.norm.dim}, {self.input_dim} inputs",
                               remedy="give a norm of the input's dimension")  # fmt: skip
        if self.residual and self.input_dim != self.output_dim:
            raise InvalidInput("a residual block changes dimension", value=f"{self.input_dim} to {self.output_dim}",
                               remedy="give equal input and output dimensions, or residual=False")  # fmt: skip

    @property
    def input_dim(self) -> int:
        return self.layers[0].weight.shape[1]

    @property
    def output_dim(self) -> int:
        return self.layers[-1].width

    @in_ieee_floats
    def forward_float(self, x: FloatArray) -> FloatArray:
        """The block in plain float64, without a bound on its rounding; x has shape (batch, input_dim)."""
        y = x if self.norm is None else self.norm.forward_float(x)
        for layer in self.layers:
            y = layer.activation.forward_float(y @ layer.weight.float64().T + layer.bias.float64().T)
        return x + y if self.residual else y


@short_repr
@dataclass(frozen=True)
class Network:
    """Blocks in order. Hidden layers (those whose activation bends) are numbered from 1; see :class:`Hinge`."""

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if not self.blocks:
            raise InvalidInput("a network has no block", value=self.blocks, remedy="give at least one Block")
        for before, after in pairwise(self.blocks):
            if before.output_dim != after.input_dim:
                raise InvalidInput("blocks do not fit together", value=f"{before.output_dim} then {after.input_dim}",
                                   remedy="make each block read what the one before writes")  # fmt: skip

    @property
    def input_dim(self) -> int:
        """The dimension n of the input."""
        return self.blocks[0].input_dim

    @property
    def output_dim(self) -> int:
        """The dimension of the output."""
        return self.blocks[-1].output_dim

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

    @property
    def bits_per_layer(self) -> tuple[int, ...]:
        """The number of spline-code bits of each hidden layer."""
        return tuple(layer.bits for layer in self.hidden_layers)

    @property
    def jump_refusal(self) -> str | None:
        """Why engines that go beyond curves refuse the network: facets behind a jump can border several regions; or None."""
        jumping = (layer.activation for layer in self.hidden_layers[:-1] if not layer.activation.is_continuous)
        found = next(jumping, None)
        return None if found is None else f"hidden layers stand behind {found.name}, which jumps, so hinges break off at facets"

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
        """A digest of the exact values, norms, bends and pieces, and skips, under no name; equal networks have equal ones."""
        digest = hashlib.sha256(b"exactlens network 2")
        for block in self.blocks:
            norm = b"" if block.norm is None else _norm_digest(block.norm)
            digest.update(f"block:{block.residual}:{len(block.layers)}:{len(norm)}:".encode() + norm)
            for layer in block.layers:
                digest.update(layer.weight.digest + layer.bias.digest + layer.activation.digest)
        return digest.hexdigest()

    def from_block(self, index: int) -> Network:
        """The network from block `index` on (0-based): what the later part of the network reads and does."""
        if not 0 <= index < len(self.blocks):
            raise InvalidInput("no such block", value=index, remedy=f"give 0 .. {len(self.blocks) - 1}")
        return Network(self.blocks[index:])

    def relu_ised(self) -> Network:
        """The same weights with ReLU in place of every smooth activation: a different, piecewise linear network."""
        blocks = tuple(replace(b, layers=tuple(_relu_ised(layer) for layer in b.layers)) for b in self.blocks)
        return Network(blocks)

    @in_ieee_floats
    def forward_float(self, x: Any) -> FloatArray:
        """The forward pass in plain float64, with no bound on its rounding; x has shape (batch, input_dim) or (input_dim,)."""
        inputs = np.asarray(x, dtype=np.float64)
        y = np.atleast_2d(inputs)
        if y.shape[1] != self.input_dim:
            raise InvalidInput("input does not fit the network", value=inputs.shape, remedy=f"give {self.input_dim} columns")
        for block in self.blocks:
            y = block.forward_float(y)
        return y if inputs.ndim == 2 else y[0]

    def propagate(self, state: RationalArray, one: Sequence[Rational], choose: Chooser) -> RationalArray:
        """Carry functions through a network without norms, exactly.

        `state` is (input_dim x k): each input as coefficients over k basis functions; `one` holds the coefficients of
        the constant 1. `choose(h, z)` returns the bits of hidden layer h (0-based) from its pre-activations z.
        """
        hidden = 0
        for block in self.blocks:
            if block.norm is not None:
                raise InvalidInput("functions are carried through blocks without norm only", value=block.norm,
                                   remedy="use network.folded(), or start behind the norm: network.from_block(k)")  # fmt: skip
            inner = state
            for layer in block.layers:
                z = layer.pre_activations(inner, one)
                inner = layer.activate(z, one, choose(hidden, z) if layer.bits else ())
                hidden += bool(layer.bits)
            state = state + inner if block.residual else inner
        return state

    def propagate_code(self, state: RationalArray, code: SplineCode) -> RationalArray:
        """Carry functions whose last basis function is the constant 1 along the region with this code (no norms).

        Raises NotPiecewiseLinear for GELU or SiLU.
        """
        self.require_piecewise_linear()
        layers = _split(code.bits, self.bits_per_layer, code.layer_sizes)
        one = [_ZERO] * (state.ncols() - 1) + [_ONE]
        return self.propagate(state, one, lambda h, _: layers[h])

    @in_ieee_floats
    def folded(self) -> Network:
        """The network behind its first norm, as a function of y = sqrt(n) P x / r, with gain and bias folded in.

        The new first weight is `W diag(gain) P` and the new first bias `b + W bias` (MATH: "LayerNorm, exactly"), so
        the map does not depend on the part of W that P kills. Blocks in front of the norm are left out; a skip
        connection around the norm is dropped, since it adds x and not y.
        """
        index = self._norm_index()
        first, *rest = self.blocks[index:]
        assert first.norm is not None
        if any(block.norm is not None for block in rest) or (first.residual and any(b.bits for b in _layers(rest))):
            raise Unsupported("only one norm can be folded", value=f"{len(self.norms)} norms",
                              remedy="take one block: Network((network.blocks[k],))")  # fmt: skip
        layer, norm = first.layers[0], first.norm
        scaled = layer.weight.exact * _diagonal(norm.gain)
        weight = norm.project(scaled.transpose()).transpose()
        bias = layer.bias.exact + layer.weight.exact * norm.bias.exact
        head = Layer(RationalMatrix.from_backend(weight), RationalMatrix.from_backend(bias), layer.activation)
        return Network((Block((head, *first.layers[1:])), *rest))

    def _norm_index(self) -> int:
        index = next((i for i, block in enumerate(self.blocks) if block.norm is not None), None)
        if index is None:
            raise InvalidInput("the network has no norm to fold", value="no norm", remedy="use the network as it is")
        return index

    @in_ieee_floats
    def affine_map(self, code: SplineCode) -> AffineMap:
        """The exact affine map on the region with this code; behind a norm, the map of y (see :meth:`folded`).

        Raises NotPiecewiseLinear for GELU or SiLU, Unsupported for several norms.
        """
        self.require_piecewise_linear()
        if self.has_norm:
            body, skip = self.folded(), any(block.residual and block.norm for block in self.blocks)
        else:
            body, skip = self, False
        n = body.input_dim
        state = RationalArray(n, n + 1, [Rational(int(i == j)) for i in range(n) for j in range(n + 1)])
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
        """The exact spline code at x, for hidden layers K..L (1-based, inclusive) or all (seed 001).

        Exact for any number of norms: with one, signs of `a + b sqrt(c)`; with more, real balls of growing precision,
        and Undecided when 4,096 bits do not separate a pre-activation from zero. Behind a smooth activation too.
        """
        first, last = self.layer_range(layers)
        point = rationals(x, "x")
        if len(point) != self.input_dim:
            raise InvalidInput("point does not fit the network", value=f"{len(point)} coordinates",
                               remedy=f"give {self.input_dim}")  # fmt: skip
        rows = list((walk_exact if self._is_exact_at_points(last) else walk_balls)(self, point, last))
        bits = [bit for row in rows[first - 1 : last] for bit in row]
        return SplineCode.of(bits, self.bits_per_layer[first - 1 : last])

    def layer_range(self, layers: tuple[int, int] | None) -> tuple[int, int]:
        """Check a range K..L of hidden layers, 1-based and inclusive; None means all of them."""
        if layers is None:
            return 1, len(self.hidden_layers)
        pair = isinstance(layers, tuple) and len(layers) == 2 and all(type(x) is int for x in layers)
        first, last = layers if pair else (0, 0)
        if not 1 <= first <= last <= len(self.hidden_layers):
            raise InvalidInput("no such range of hidden layers", value=layers,
                               remedy=f"give (K, L) with 1 <= K <= L <= {len(self.hidden_layers)}")  # fmt: skip
        return first, last

    def _is_exact_at_points(self, last: int) -> bool:
        hidden = self.hidden_layers[: last - 1]
        return len(self.norms) <= 1 and all(layer.activation.is_piecewise_linear for layer in hidden)


def _norm_digest(norm: Norm) -> bytes:
    projection = norm.projector()
    named = projection.encode() if isinstance(projection, str) else projection.digest
    eps = ";".join(f"{int(x.p):x}/{int(x.q):x}" for x in (norm.eps_under_root, norm.eps_beside_root))
    return hashlib.sha256(named + f";{eps};".encode() + norm.gain.digest + norm.bias.digest).digest()


def _check_numbers(activation: Activation) -> None:
    """The bends and pieces of an activation of one's own are backend rationals, which no Fraction or float stands for."""
    pieces = activation.pieces if activation.is_piecewise_linear else ()
    for number in (*activation.breakpoints, *(x for piece in pieces for x in piece)):
        if not isinstance(number, Rational):
            raise InvalidInput("a bend or a piece of an activation is no Rational", value=f"{number!r} in {activation.name}",
                               remedy="write exact.numbers.rational(x) in breakpoints and pieces")  # fmt: skip


def _is_flat(values: Any) -> bool:
    axes = getattr(values, "ndim", None)
    return axes == 1 if axes is not None else not any(hasattr(row, "__len__") for row in values)


def _relu_ised(layer: Layer) -> Layer:
    return layer if layer.activation.is_piecewise_linear else replace(layer, activation=ReLU())


def _layers(blocks: Sequence[Block]) -> Iterator[Layer]:
    return (layer for block in blocks for layer in block.layers)


def _diagonal(column: RationalMatrix) -> RationalArray:
    matrix = identity(column.shape[0])
    for i, x in enumerate(column.column()):
        matrix[i, i] = x
    return matrix


def _split(bits: BitArray, sizes: Sequence[int], all_sizes: Sequence[int]) -> list[list[bool]]:
    """The bits of each of the last `len(sizes)` hidden layers."""
    flat = [bool(b) for b in bits][sum(all_sizes) - sum(sizes) :]
    starts = np.cumsum([0, *sizes])
    return [flat[a:b] for a, b in pairwise(starts)]
