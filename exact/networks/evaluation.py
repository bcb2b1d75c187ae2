"""Spline codes at one exact point: surds behind one norm, real balls of growing precision behind
several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact.arithmetic.enclosures.ball_tensors import Balls
from exact.arithmetic.linear_algebra import dot, identity, rows_of
from exact.arithmetic.numbers import Ball, Rational, RationalArray, ball_precision
from exact.arithmetic.surds import sign_of_surd
from exact.errors import InvalidInput, Undecided
from exact.networks.activations import Smooth
from exact.networks.norms import Norm

if TYPE_CHECKING:
    from exact.networks.layers import Block, Layer

_Pieces = list[tuple[Rational, Rational]]
_ZERO, _ONE = Rational(0), Rational(1)
_WIDE = 4096  # from this many weights on the filter is faster than the exact product


def walk_exact(blocks: Sequence[Block], point: list[Rational], last: int) -> Iterator[list[bool]]:
    """The bits of hidden layers 1 .. last at a point, in the field Q(sqrt q) of the one norm.

    The last layer asked for is filtered in float64 first, so that only signs left open cost exact
    rows.
    """
    state, one, radicand, hidden = RationalArray(len(point), 1, point), [_ONE], _ZERO, 0
    for block in blocks if last else ():
        outside, inner = state, state
        if block.norm is not None:
            inner, one, radicand = _normalise_point(block.norm, state)
            scaled = [[x * y for y in one] for x in state.entries()]
            outside = RationalArray(len(scaled), 2, [x for row in scaled for x in row])
        for layer in block.layers:
            hidden += bool(layer.bits)
            if layer.bits and hidden == last and layer.width * layer.input_dim >= _WIDE:
                yield _filtered_bits(layer, inner, one, radicand)
                return
            z, bits = layer.pre_activations(inner, one), list[bool]()
            if layer.bits:
                bits = layer_bits(layer, z, one, partial(_sign, radicand))
                yield bits
            if hidden == last:
                return
            inner = layer.activate(z, one, bits)
        state = outside + inner if block.residual else inner


def _filtered_bits(
    layer: Layer, inner: RationalArray, one: Sequence[Rational], radicand: Rational
) -> list[bool]:
    z, root = (
        layer.pre_activation_balls(inner, one, "cpu"),
        Balls.of_rationals([radicand], "cpu").sqrt(),
    )
    bends, bits = layer.activation.breakpoints, np.zeros(layer.bits, dtype=bool)
    certain = np.zeros(layer.bits, dtype=bool)
    for k, bend in enumerate(bends):
        gap = z - Balls.of_rationals([bend * y for y in one], "cpu")
        value = gap[:, 0] if len(one) == 1 else gap[:, 0] + gap[:, 1] * root
        signs, sure = (x.numpy() for x in value.signs())
        bits[k :: len(bends)], certain[k :: len(bends)] = signs > 0, sure
    for index in np.flatnonzero(~certain):
        neuron, k = divmod(int(index), len(bends))
        row = layer.pre_activation(neuron, inner, one)
        bits[index] = _sign(radicand, [x - bends[k] * y for x, y in zip(row, one, strict=True)]) > 0
    return [bool(bit) for bit in bits]


def layer_bits(
    layer: Layer, z: RationalArray, one: Sequence[Rational], sign: Callable[[list[Rational]], int]
) -> list[bool]:
    """The bits of a layer from its pre-activations, given the sign of a row of coefficients."""
    k, entries, bits = len(one), z.entries(), []
    for j in range(layer.width):
        row = entries[j * k : (j + 1) * k]
        bits += [
            sign([x - t * y for x, y in zip(row, one, strict=True)]) > 0
            for t in layer.activation.breakpoints
        ]
    return bits


def _normalise_point(
    norm: Norm, state: RationalArray
) -> tuple[RationalArray, list[Rational], Rational]:
    """gain P x + bias D over the basis (1, sqrt q), everything multiplied by the positive
    denominator D.
    """
    centred = norm.project(state).entries()
    radicand = dot(centred, centred) / norm.dim + norm.eps_under_root
    one = [norm.eps_beside_root, _ONE]
    if radicand == 0 and norm.eps == 0:
        raise _undefined()
    rows = [
        [g * c + b * one[0], b * one[1]]
        for g, c, b in zip(norm.gain.column(), centred, norm.bias.column(), strict=True)
    ]
    return RationalArray(norm.dim, 2, [x for row in rows for x in row]), one, radicand


def _undefined() -> InvalidInput:
    return InvalidInput(
        "the norm is undefined here: P x = 0 and eps = 0", value="0 / 0", remedy="move the point"
    )


def _sign(radicand: Rational, row: Sequence[Rational]) -> int:
    return sign_of_surd(row[0], row[1] if len(row) > 1 else _ZERO, radicand)


def walk_balls(blocks: Sequence[Block], point: list[Rational], last: int) -> list[list[bool]]:
    """The bits of hidden layers 1 .. last by real balls, the precision doubled until every sign is
    certain.

    Layers behind one norm at most are decided in surds. A pre-activation that is constant, because
    nothing of its weights is left by the pieces taken and the last norm's gain and projection, is
    known in rationals whatever the precision. Cost of that: a row through the layers since that
    norm.
    """
    known = list(walk_exact(blocks, point, min(last, _exact_layers(blocks))))
    for bits in (128, 256, 512, 1024, 2048, 4096):
        with ball_precision(bits):
            rows = _BallWalk(blocks, point, known).bits(last)
        if rows is not None:
            return rows
    raise Undecided(
        "a pre-activation cannot be told from zero with 4,096 bits",
        value="a ball that contains 0",
        remedy="move the point off the boundary",
    )


def _exact_layers(blocks: Sequence[Block]) -> int:
    """How many hidden layers stand behind one norm at most, and behind no smooth activation."""
    count = norms = 0
    for block in blocks:
        norms += block.norm is not None
        for layer in block.layers if norms < 2 else ():
            count += bool(layer.bits)
            if not layer.activation.is_piecewise_linear:
                return count
        if norms > 1:
            break
    return count


class _BallWalk:
    """One walk at the working precision; `known` are the bits of the first hidden layers.

    `passed` are the pieces taken, by block and layer, None where a layer is smooth.
    """

    def __init__(
        self, blocks: Sequence[Block], point: list[Rational], known: list[list[bool]]
    ) -> None:
        self._blocks, self._point, self._known = blocks, point, known
        self._passed = list[list[_Pieces | None]]()

    def bits(self, last: int) -> list[list[bool]] | None:
        """The bits of hidden layers 1 .. last; None when the precision does not tell a sign."""
        rows, x = list[list[bool]](), [Ball(value) for value in self._point]
        for block in self._blocks:
            y: list[Ball] | None = x if block.norm is None else self._normalised(block.norm, x)
            self._passed.append([])
            for layer in block.layers:
                known = (
                    self._known[len(rows)] if layer.bits and len(rows) < len(self._known) else None
                )
                values = None if y is None else self._pre_activations(layer, y, known)
                if values is None:
                    return None
                z, own = values
                rows += [own] if layer.bits else []
                if len(rows) == last:
                    return rows
                y = self._activated(layer, z, own)
            assert y is not None, "a block has a layer"
            x = [a + b for a, b in zip(x, y, strict=True)] if block.residual else y
        return rows

    def _pre_activations(
        self, layer: Layer, y: list[Ball], known: list[bool] | None
    ) -> tuple[list[Ball], list[bool]] | None:
        """The pre-activations and their bits; None where one that is not constant cannot be told
        from a breakpoint.
        """
        if known is not None:
            return [_ball_row(layer, j, y) for j in range(layer.width)], known
        z, bits = list[Ball](), list[bool]()
        for j in range(layer.width):
            value, bends = _ball_row(layer, j, y), layer.activation.breakpoints
            gaps = [value - Ball(t) for t in bends]
            if any(bool(gap.contains(0)) and not gap.is_zero() for gap in gaps):
                exact = self._constant(layer.operator.row(j), layer.bias.row(j)[0])
                if exact is None:
                    return None
                z.append(Ball(exact))
                bits += [bool(exact > t) for t in bends]
            else:
                z.append(value)
                bits += [bool(gap > 0) for gap in gaps]
        return z, bits

    def _activated(self, layer: Layer, z: list[Ball], bits: list[bool]) -> list[Ball]:
        if isinstance(layer.activation, Smooth):
            self._passed[-1].append(None)
            return [layer.activation.forward_ball(v) for v in z]
        per_neuron = len(layer.activation.breakpoints)
        taken = [
            layer.activation.pieces[sum(bits[j * per_neuron : (j + 1) * per_neuron])]
            for j in range(len(z))
        ]
        self._passed[-1].append(taken)
        return [
            Ball(slope) * v + Ball(intercept)
            for (slope, intercept), v in zip(taken, z, strict=True)
        ]

    def _normalised(self, norm: Norm, x: list[Ball]) -> list[Ball] | None:
        """The norm of a vector; None where the precision leaves open whether it is defined."""
        rows = rows_of(norm.project(identity(norm.dim)).transpose())
        centred = [
            sum((Ball(p) * v for p, v in zip(row, x, strict=True) if p), Ball(0)) for row in rows
        ]
        square = sum((c * c for c in centred), Ball(0)) / norm.dim + Ball(norm.eps_under_root)
        if norm.eps == 0 and square.contains(0):
            if all(self._constant(row, _ZERO) == 0 for row in rows):
                raise _undefined()
            return None
        scale = square.sqrt() + Ball(norm.eps_beside_root)
        pairs = zip(norm.gain.column(), centred, norm.bias.column(), strict=True)
        return [Ball(g) * c / scale + Ball(b) for g, c, b in pairs]

    def _constant(
        self, row: list[Rational], constant: Rational, blocks: int | None = None
    ) -> Rational | None:
        """The value of an affine form over what has been reached, if no root of a norm changes it;
        else None.

        The row is taken back through the pieces to the norms and along skip connections to the
        point itself. A norm drops it where gain and projection leave nothing of it, or where what
        they leave is zero at the norm's own input. With `blocks` the form is over the output of so
        many of them.
        """
        for number in reversed(range(len(self._passed) if blocks is None else blocks)):
            block, passed = self._blocks[number], self._passed[number]
            skipped = (
                row
                if block.residual and len(passed) == len(block.layers)
                else [_ZERO] * block.input_dim
            )
            for layer, taken in zip(
                reversed(block.layers[: len(passed)]), reversed(passed), strict=True
            ):
                if taken is None:
                    if any(row):
                        return None
                    row = [_ZERO] * layer.input_dim
                    continue
                constant += sum(
                    (r * intercept for r, (_, intercept) in zip(row, taken, strict=True)), _ZERO
                )
                row = [r * slope for r, (slope, _) in zip(row, taken, strict=True)]
                constant += dot(row, layer.bias.column())
                row = layer.operator.pull_back(RationalArray(1, len(row), row)).entries()
            if block.norm is not None:
                constant += dot(row, block.norm.bias.column())
                scaled = [r * g for r, g in zip(row, block.norm.gain.column(), strict=True)]
                scaled = block.norm.project(RationalArray(len(scaled), 1, scaled)).entries()
                if any(scaled) and self._constant(scaled, _ZERO, number) != 0:
                    return None
                row = [_ZERO] * block.input_dim
            row = [r + s for r, s in zip(row, skipped, strict=True)]
        return constant + dot(row, self._point)


def _ball_row(layer: Layer, neuron: int, y: list[Ball]) -> Ball:
    total = Ball(layer.bias.row(neuron)[0])
    for w, v in zip(layer.operator.row(neuron), y, strict=True):
        total += Ball(w) * v
    return total
