"""Layers and blocks: affine maps with activations, behind an optional norm; and blocks as steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, TypeAlias, TypeVar

import numpy as np

from exact.arithmetic.enclosures.ball_tensors import Balls
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, RationalMatrix
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.networks import norms
from exact.networks.activations import Activation, Identity, check_activation
from exact.networks.graphs.steps import Step, Sum, sequence
from exact.networks.norms import Norm
from exact.networks.operators import Dense, LinearOperator, check_operator


@short_repr
@dataclass(frozen=True, init=False)
class Layer:
    """`activation(operator(x) + bias)`; the operator is linear, bias is (out x 1).

    A matrix in place of an operator stands for its :class:`Dense` one, and `weight` is the matrix
    of any. In `dataclasses.replace` a new `weight` takes the place of the operator.

    >>> layer = Layer.of([[1, 2]], [3])
    >>> layer.operator, layer.shape, str(layer.weight)
    (Dense(1 x 2), (1, 2), '[[1, 2]]')
    """

    operator: LinearOperator
    bias: RationalMatrix
    activation: Activation

    def __init__(
        self,
        weight: RationalMatrix | LinearOperator | None = None,
        bias: RationalMatrix | None = None,
        activation: Activation | None = None,
        *,
        operator: LinearOperator | None = None,
    ) -> None:
        given = operator if weight is None else weight
        found = Dense(given) if isinstance(given, RationalMatrix) else given
        if not isinstance(found, LinearOperator) or not isinstance(bias, RationalMatrix):
            raise InvalidInput(
                "a layer needs a matrix or a linear operator, and a bias",
                value=f"{given!r}, {bias!r}",
                remedy="give a RationalMatrix each, or use Layer.of, which reads arrays",
            )
        object.__setattr__(self, "operator", found)
        object.__setattr__(self, "bias", bias)
        object.__setattr__(self, "activation", activation)
        self._check()

    @classmethod
    def of(
        cls,
        weight: Any,
        bias: Any = None,
        activation: Activation | None = None,
        name: str = "layer",
    ) -> Layer:
        """Read arrays, tensors, nested rationals or a linear operator; a missing bias is zero, a
        missing activation the identity.
        """
        operator = weight if isinstance(weight, LinearOperator) else _dense(weight, name)
        column = np.zeros(operator.shape[0]) if bias is None else bias
        return cls(operator, RationalMatrix.read(column, f"{name}.bias"), activation or Identity())

    def _check(self) -> None:
        if not isinstance(self.activation, Activation):
            raise InvalidInput(
                "not an activation",
                value=repr(self.activation),
                remedy="give ReLU(), AbsoluteValue(), ...",
            )
        check_operator(self.operator)
        if 0 in self.shape:
            raise InvalidInput(
                "a layer has no neuron, or no input",
                value=f"weight {self.shape}",
                remedy="leave the layer out, or give at least one row and one column",
            )
        check_activation(self.activation)
        if self.bias.shape != (self.width, 1):
            raise InvalidInput(
                "bias does not fit the weight",
                value=f"weight {self.shape}, bias {self.bias.shape}",
                remedy=f"give a bias of length {self.width}",
            )

    @property
    def weight(self) -> RationalMatrix:
        """The operator's (out x in) matrix, made where it is asked for."""
        return self.operator.matrix

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of neurons and of inputs."""
        outputs, inputs = self.operator.shape
        return outputs, inputs

    @property
    def width(self) -> int:
        """The number of neurons."""
        return self.shape[0]

    @property
    def input_dim(self) -> int:
        """The number of inputs of each neuron."""
        return self.shape[1]

    @property
    def bits(self) -> int:
        """The number of bits this layer adds to the spline code."""
        return self.width * len(self.activation.breakpoints)

    @property
    def symbols(self) -> tuple[int, ...]:
        """How many values each symbol takes that this layer adds to the spline code: two, since
        every bit is a symbol of its own.
        """
        return (2,) * self.bits

    @property
    def as_affine(self) -> Layer:
        """A layer without bends with its activation's only piece in weight and bias, and the
        identity as its activation.

        Raises InvalidInput for a layer with bends.
        """
        if self.bits:
            raise InvalidInput(
                "a layer with bends is no affine map",
                value=self.activation.name,
                remedy="give one without",
            )
        slope, intercept = self.activation.pieces[0]
        if (slope, intercept) == (Rational(1), Rational(0)):
            return self
        bias = self.bias.exact * slope + RationalArray(self.width, 1, [intercept] * self.width)
        return Layer(
            RationalMatrix.from_backend(self.weight.exact * slope),
            RationalMatrix.from_backend(bias),
            Identity(),
        )

    @in_ieee_floats
    def forward_float(self, x: FloatArray) -> FloatArray:
        """The layer in plain float64, without a bound on its rounding; x has shape (batch,
        input_dim).
        """
        return self.activation.forward_float(self.operator.apply_float(x) + self.bias.float64().T)

    def pre_activations(self, state: RationalArray, one: Sequence[Rational]) -> RationalArray:
        """`weight state + bias (x) one`, exactly: every neuron as coefficients over the basis
        functions.
        """
        return self.operator.apply(state) + self.bias.exact * RationalArray(1, len(one), list(one))

    def pre_activation(
        self, neuron: int, state: RationalArray, one: Sequence[Rational]
    ) -> list[Rational]:
        """One row of :meth:`pre_activations`, converting no other weight."""
        row, bias = self.operator.apply_row(neuron, state), self.bias.row(neuron)[0]
        return [x + bias * y for x, y in zip(row, one, strict=True)]

    def pre_activation_balls(
        self, state: RationalArray, one: Sequence[Rational], device: str
    ) -> Balls:
        """:meth:`pre_activations` as (width x k) balls, for the float64 filters."""
        mid, rad = (
            torch.from_numpy(np.array(x)).to(device)
            for x in (self.bias.float64(), self.bias.float64_error())
        )
        return self.operator.apply_balls(state, device) + Balls(mid, rad) * Balls.of_rationals(
            one, device
        )

    def activate(
        self, z: RationalArray, one: Sequence[Rational], bits: Sequence[bool]
    ) -> RationalArray:
        """The layer's output on the affine pieces that `bits` select."""
        per_neuron, k, entries = len(self.activation.breakpoints), len(one), z.entries()
        pieces, out, nothing = self.activation.pieces, [], [Rational(0)] * k
        for j in range(self.width):
            slope, intercept = pieces[sum(bits[j * per_neuron : (j + 1) * per_neuron])]
            row = entries[j * k : (j + 1) * k]
            if intercept:
                out += [slope * x + intercept * y for x, y in zip(row, one, strict=True)]
            elif slope:
                out += row if slope == 1 else [slope * x for x in row]
            else:
                out += nothing
        return RationalArray(self.width, k, out)


@short_repr
@dataclass(frozen=True)
class Block:
    """`[x +] layers(norm(x))`: consecutive layers behind an optional norm, with an optional skip
    connection.

    >>> import numpy as np
    >>> from exact import Network, ReLU
    >>> block = Block((Layer.of([[1, 0], [0, 1]], activation=ReLU()),), residual=True)
    >>> Network((block,)).forward_float(np.array([[1.0, -2.0]])).tolist()
    [[2.0, -2.0]]
    """

    layers: tuple[Layer, ...]
    norm: Norm | None = None
    residual: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", parts(self.layers, Layer, "a block"))
        if self.norm is not None and not isinstance(self.norm, Norm):
            raise InvalidInput(
                "the norm of a block is no norm",
                value=repr(self.norm),
                remedy=f"give {' or '.join(f'{name}.of(dim=...)' for name in norms.KINDS)}",
            )
        if not isinstance(self.residual, bool):
            raise InvalidInput(
                "residual of a block is neither true nor false",
                value=repr(self.residual),
                remedy="write True to add x; blocks_of of exact.sources.tensors adds norm(x)",
            )
        if not self.layers:
            raise InvalidInput(
                "a block has no layer", value=self.layers, remedy="give at least one Layer"
            )
        for before, after in pairwise(self.layers):
            if after.input_dim != before.width:
                raise InvalidInput(
                    "layers do not fit together",
                    value=f"{before.shape} then {after.shape}",
                    remedy=f"the second weight needs {before.width} columns",
                )
        if self.norm is not None and self.norm.dim != self.input_dim:
            raise InvalidInput(
                "norm does not fit the first layer",
                value=f"norm of {self.norm.dim}, {self.input_dim} inputs",
                remedy="give a norm of the input's dimension",
            )
        if self.residual and self.input_dim != self.output_dim:
            raise InvalidInput(
                "a residual block changes dimension",
                value=f"{self.input_dim} to {self.output_dim}",
                remedy="give equal input and output dimensions, or residual=False",
            )

    @property
    def input_dim(self) -> int:
        return self.layers[0].input_dim

    @property
    def output_dim(self) -> int:
        return self.layers[-1].width


# ---- steps


Part = TypeVar("Part")
Operation: TypeAlias = Norm | Layer | Sum


def steps_of(blocks: Iterable[Block]) -> tuple[Step, ...]:
    """The steps of blocks in order: norm, layers, and the sum of a skip connection."""
    found: list[tuple[Operation, Sequence[int]]] = []
    for block in blocks:
        start = len(found)
        for does in (*(() if block.norm is None else (block.norm,)), *block.layers):
            found.append((does, [len(found)]))
        if block.residual:
            found.append((Sum(), [start, len(found)]))
    return sequence(found)


def up_to(steps: Sequence[Step], hidden: int) -> tuple[Step, ...]:
    """The steps up to hidden layer number `hidden`, which is the last of them; none for 0."""
    ends = [k for k, (does, *_) in enumerate(steps) if getattr(does, "bits", 0)]
    end = ends[hidden - 1] + 1 if hidden else 0
    return sequence((does, inputs) for does, inputs, _ in steps[:end])


def _place(blocks: Sequence[Block], hidden: int) -> tuple[int, int]:
    """The block of hidden layer number `hidden` (from 1), and its place there."""
    places = [
        (b, k)
        for b, block in enumerate(blocks)
        for k, layer in enumerate(block.layers)
        if layer.bits
    ]
    return places[hidden - 1]


def blocks_up_to(blocks: Sequence[Block], hidden: int) -> tuple[Block, ...]:
    """The blocks up to hidden layer number `hidden`, which is the last layer; a sum behind it is
    left out.
    """
    b, k = _place(blocks, hidden)
    return (*blocks[:b], Block(blocks[b].layers[: k + 1], blocks[b].norm))


def blocks_behind(blocks: Sequence[Block], hidden: int) -> tuple[Block, ...]:
    """The blocks behind hidden layer number `hidden`.

    Raises InvalidInput where a skip connection leads around the layer.
    """
    b, k = _place(blocks, hidden)
    if blocks[b].residual:
        raise InvalidInput(
            "a skip connection leads around the place of the cut",
            value=f"block {b}, behind hidden layer {hidden}",
            remedy=f"cut in front of the block: network.from_block({b})",
        )
    rest = blocks[b].layers[k + 1 :]
    return (*([Block(rest)] if rest else []), *blocks[b + 1 :])


def layers_in_front(steps: Sequence[Step]) -> list[Layer]:
    """The layers in front of the first norm."""
    front = takewhile(lambda step: not isinstance(step.does, Norm), steps)
    return [does for does, *_ in front if isinstance(does, Layer)]


def norms_in(steps: Sequence[Step]) -> int:
    """How many norms there are among the steps."""
    return sum(isinstance(does, Norm) for does, *_ in steps)


def passes_a_norm_by(steps: Sequence[Step]) -> bool:
    """Whether a sum reads what stands in front of the first norm, and what stands behind it."""
    place = next((k for k, (does, *_) in enumerate(steps) if isinstance(does, Norm)), len(steps))
    return any(min(inputs) <= place < max(inputs) for _, inputs, _ in steps)


# ---- checks


def parts(given: object, kind: type[Part], of: str) -> tuple[Part, ...]:
    """The layers of a block or the blocks of a network, as a tuple; InvalidInput for anything
    else.
    """
    if not isinstance(given, tuple | list) or not all(isinstance(one, kind) for one in given):
        name = kind.__name__
        raise InvalidInput(
            f"{of} is made of other things than of {name}s",
            value=repr(given),
            remedy=f"give ({name}(...),), a tuple even of one",
        )
    return tuple(given)


def _dense(weight: Any, name: str) -> Dense:
    matrix = RationalMatrix.read(weight, f"{name}.weight")
    if not isinstance(weight, RationalMatrix) and _is_flat(weight):
        raise InvalidInput(
            f"{name}.weight is a vector",
            value=f"{matrix.shape[0]} numbers",
            remedy="give (out x in) rows",
        )
    return Dense(matrix)


def _is_flat(values: Any) -> bool:
    axes = getattr(values, "ndim", None)
    return axes == 1 if axes is not None else not any(hasattr(row, "__len__") for row in values)
