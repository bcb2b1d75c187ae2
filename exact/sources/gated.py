"""Gated MLPs, `down (act(gate) * up)` behind one norm: LLaMA, Qwen, Mistral, Gemma and their kin.

The gate alone decides the spline code, and is a network like any other: codes, crossings and all
instruments work on it. The product of gate and up is quadratic inside a code, so that a gated MLP
has no affine map on any region.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    fraction,
    rationals,
    whole_number,
)
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, NotPiecewiseLinear
from exact.geometry.combinatorics.code_batches import Codes
from exact.geometry.combinatorics.codes import SplineCode
from exact.networks.activations import Identity
from exact.networks.affine_map import Argument
from exact.networks.layers import Block, Layer
from exact.networks.network import Network


@short_repr
@dataclass(frozen=True)
class QuadraticForm:
    """`argument -> (argument, 1)' matrix (argument, 1)`, exactly: one output of a gated MLP on one
    gate code.

    `matrix` is symmetric, of size n + 1; its last row holds half of the linear part, and the
    constant. `of` says what the argument is: the input x, or behind a norm y = sqrt(n) P x / |P x|
    before gain and bias, as for an AffineMap.

    >>> QuadraticForm(RationalMatrix.from_rationals([[1, "1/2"], ["1/2", 3]]))([2])
    Fraction(9, 1)
    """

    matrix: RationalMatrix
    of: Argument = "x"

    @in_ieee_floats
    def __call__(self, argument: Sequence[object]) -> Fraction:
        """The exact value at a rational argument."""
        vector = rationals(argument, "argument")
        if len(vector) != self.matrix.shape[0] - 1:
            raise InvalidInput(
                "argument does not fit the form",
                value=f"{len(vector)} entries",
                remedy=f"give {self.matrix.shape[0] - 1}",
            )
        vector = [*vector, Rational(1)]
        column = self.matrix.exact * RationalArray(len(vector), 1, vector)
        return fraction(dot(vector, column.entries()))


@short_repr
@dataclass(frozen=True)
class GatedMLP:
    """`down (act(gate(n)) * up(n))` with n = norm(x); make one with
    `exact.sources.tensors.gated_mlp`.

    `gate` is a :class:`Network` of the norm and the gate's layer with its activation: its codes are
    those of the MLP (signs of the gate, for SiLU and GELU too). `up` and `down` are exact layers
    without activation; `up` reads what the gate's layer reads.

    >>> from exact.sources import tensors
    >>> from exact import ReLU
    >>> gated = tensors.gated_mlp([[1], [-1]], [[2], [3]], [[1, 1]], activation=ReLU())
    >>> gated.gate.code([5]).bits.tolist(), gated.forward_float([5.0])
    ([True, False], array([50.]))
    """

    gate: Network
    up: Layer
    down: Layer

    def __post_init__(self) -> None:
        block, *more = self.gate.blocks
        if more or len(block.layers) != 1 or block.residual:
            raise InvalidInput(
                "the gate is not one layer",
                value=f"{len(self.gate.layers)} layers in {len(self.gate.blocks)} blocks",
                remedy="give Network((Block((layer,), norm),))",
            )
        if (self.up.shape, self.down.input_dim) != (block.layers[0].shape, self.up.width):
            raise InvalidInput(
                "gate, up and down do not fit together",
                value=f"{block.layers[0].shape}, {self.up.shape} and {self.down.shape}",
                remedy="give gate and up of one shape (m, n), and down of m columns",
            )
        for name, layer in (("up", self.up), ("down", self.down)):
            if layer.activation != Identity():
                raise InvalidInput(
                    f"{name} has an activation",
                    value=layer.activation.name,
                    remedy="the activation is the gate's",
                )

    @property
    def input_dim(self) -> int:
        """The dimension of the input."""
        return self.gate.input_dim

    @property
    def output_dim(self) -> int:
        """The dimension of the output."""
        return self.down.width

    @cached_property
    def sha256(self) -> str:
        """A digest of the exact values; equal gated MLPs have equal ones."""
        digest = hashlib.sha256(b"exactlens gated MLP 1" + self.gate.sha256.encode())
        for layer in (self.up, self.down):
            digest.update(layer.operator.digest + layer.bias.digest)
        return digest.hexdigest()

    @cached_property
    def ups(self) -> Network:
        """The norm and `up`, as a network of its own."""
        return Network((Block((self.up,), self.gate.blocks[0].norm),))

    def code(self, x: Sequence[object]) -> SplineCode:
        """The spline code at a rational point: that of the gate (:meth:`Network.code`)."""
        return self.gate.code(x)

    def codes(self, x: Any, **options: Any) -> Codes:
        """The packed, proved codes of points as rows: those of the gate (:meth:`Network.codes`).

        >>> from exact.sources import tensors
        >>> from exact import ReLU
        >>> gated = tensors.gated_mlp([[1], [-1]], [[2], [3]], [[1, 1]], activation=ReLU())
        >>> gated.codes([[5], [-5]]).bits.tolist()
        [[True, False], [False, True]]
        """
        return self.gate.codes(x, **options)

    def hidden_float(self, x: Any, activated: bool = False) -> tuple[FloatArray, ...]:
        """The pre-activations of the gate in plain float64 (:meth:`Network.hidden_float`)."""
        return self.gate.hidden_float(x, activated)

    def forward_float(self, x: Any) -> FloatArray:
        """The forward pass in float64, with no bound on its rounding; x is (batch, input_dim) or
        (input_dim,).
        """
        product = self.gate.forward_float(x) * self.ups.forward_float(x)
        found = self.down.forward_float(np.atleast_2d(product))
        return found if product.ndim == 2 else found[0]

    def relu_ised(self) -> GatedMLP:
        """The same weights with ReLU in place of a smooth gate: a different function."""
        return replace(self, gate=self.gate.relu_ised())

    @in_ieee_floats
    def quadratic_form(self, code: SplineCode, output: int) -> QuadraticForm:
        """What output `output` is on the region of a gate code: an exact quadratic form, behind a
        norm of y (see :class:`QuadraticForm`).

        Raises NotPiecewiseLinear for a smooth gate (SiLU, GELU), InvalidInput for a code of other
        neurons and an output that is not there. Cost: m (n + 1)^2 rational products.

        >>> from exact.sources import tensors
        >>> from exact import ReLU
        >>> gated = tensors.gated_mlp([[1], [-1]], [[2], [3]], [[1, 1]], activation=ReLU())
        >>> form = gated.quadratic_form(gated.gate.code([5]), 0)
        >>> str(form.matrix), str(form([5]))
        ('[[2, 0], [0, 0]]', '50')
        """
        output = whole_number(output, "output")
        if not 0 <= output < self.output_dim:
            raise InvalidInput(
                "no such output", value=output, remedy=f"give 0 .. {self.output_dim - 1}"
            )
        weights = self.down.operator.row(output)
        gates, ups = self._pieces(code), self._affine(self.ups)
        n, m = ups.ncols(), len(weights)
        scaled = RationalArray(
            m, n, [w * x for j, w in enumerate(weights) for x in ups.entries()[j * n : (j + 1) * n]]
        )
        half = gates.transpose() * scaled / 2
        total = half + half.transpose()
        total[n - 1, n - 1] += self.down.bias.row(output)[0]
        return QuadraticForm(
            RationalMatrix.from_backend(total), "norm(x)" if self.gate.has_norm else "x"
        )

    def _pieces(self, code: SplineCode) -> RationalArray:
        """act(gate) on the code, (m x (n + 1)) with the constant last."""
        layer = self.gate.layers[0]
        if not layer.activation.is_piecewise_linear:
            raise NotPiecewiseLinear(
                "the gate is smooth, so that its product with up is not quadratic on a code",
                value=layer.activation.name,
                remedy="use the codes alone, or relu_ised().quadratic_form for the ReLU in its "
                "place",
            )
        if tuple(code.layer_sizes) != self.gate.bits_per_layer:
            raise InvalidInput(
                "the code is not one of the gate",
                value=f"bits {tuple(code.layer_sizes)}",
                remedy=f"give gate.code(x), of bits {self.gate.bits_per_layer}",
            )
        rows = self._affine(self.gate)
        one = [Rational(0)] * (rows.ncols() - 1) + [Rational(1)]
        return layer.activate(rows, one, [bool(bit) for bit in code.bits])

    @staticmethod
    def _affine(network: Network) -> RationalArray:
        """The pre-activations of the one layer, (m x (n + 1)) with the constant last; behind a norm
        of y.
        """
        layer = (network.folded() if network.has_norm else network).layers[0]
        n = layer.input_dim
        state = [Rational(int(i == j)) for i in range(n) for j in range(n + 1)]
        one = [Rational(0)] * n + [Rational(1)]
        return layer.pre_activations(RationalArray(n, n + 1, state), one)

    def affine_map(self, code: SplineCode) -> NoReturn:
        """Raises NotPiecewiseLinear: a product of two affine functions is none."""
        raise NotPiecewiseLinear(
            "a gated MLP is quadratic inside a code, so it has no affine map",
            value="act(gate) * up",
            remedy="take quadratic_form(code, output), or gate.affine_map(code) for the gate alone",
        )

    def affine_at(self, x: Sequence[object]) -> NoReturn:
        """Raises NotPiecewiseLinear, as :meth:`affine_map` does."""
        self.affine_map(self.gate.code(x))
