"""Spline codes at one exact point: surds behind one norm, real balls of growing precision behind several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact.activations import Smooth
from exact.errors import InvalidInput, Undecided
from exact.filters import Balls
from exact.linear_algebra import dot, identity
from exact.norms import Norm
from exact.numbers import Ball, Rational, RationalArray, ball_precision
from exact.surds import sign_of_surd

if TYPE_CHECKING:
    from exact.network import Layer, Network

_ZERO, _ONE = Rational(0), Rational(1)
_WIDE = 4096  # from this many weights on the filter is faster than the exact product


def walk_exact(network: Network, point: list[Rational], last: int) -> Iterator[list[bool]]:
    """The bits of hidden layers 1 .. last at a point, in the field Q(sqrt q) of the one norm.

    The last layer asked for is filtered in float64 first, so that only signs left open cost exact rows.
    """
    state, one, radicand, hidden = RationalArray(len(point), 1, point), [_ONE], _ZERO, 0
    for block in network.blocks if last else ():
        outside, inner = state, state
        if block.norm is not None:
            inner, one, radicand = _normalise_point(block.norm, state)
            scaled = [[x * y for y in one] for x in state.entries()]
            outside = RationalArray(len(scaled), 2, [x for row in scaled for x in row])
        for layer in block.layers:
            hidden += bool(layer.bits)
            if layer.bits and hidden == last and layer.weight.shape[0] * layer.weight.shape[1] >= _WIDE:
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


def _filtered_bits(layer: Layer, inner: RationalArray, one: Sequence[Rational], radicand: Rational) -> list[bool]:
    z, root = layer.pre_activation_balls(inner, one, "cpu"), Balls.of_rationals([radicand], "cpu").sqrt()
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
        bits += [sign([x - t * y for x, y in zip(row, one, strict=True)]) > 0 for t in layer.activation.breakpoints]
    return bits


def _normalise_point(norm: Norm, state: RationalArray) -> tuple[RationalArray, list[Rational], Rational]:
    """gain P x + bias D over the basis (1, sqrt q), everything multiplied by the positive denominator D."""
    centred = norm.project(state).entries()
    radicand = dot(centred, centred) / norm.dim + norm.eps_under_root
    one = [norm.eps_beside_root, _ONE]
    if radicand == 0 and norm.eps == 0:
        raise InvalidInput("the norm is undefined here: P x = 0 and eps = 0", value="0 / 0", remedy="move the point")
    rows = [[g * c + b * one[0], b * one[1]]
            for g, c, b in zip(norm.gain.column(), centred, norm.bias.column(), strict=True)]  # fmt: skip
    return RationalArray(norm.dim, 2, [x for row in rows for x in row]), one, radicand


def _sign(radicand: Rational, row: Sequence[Rational]) -> int:
    return sign_of_surd(row[0], row[1] if len(row) > 1 else _ZERO, radicand)


def walk_balls(network: Network, point: list[Rational], last: int) -> list[list[bool]]:
    """The bits of hidden layers 1 .. last by real balls, the precision doubled until every sign is certain."""
    for bits in (128, 256, 512, 1024, 2048, 4096):
        with ball_precision(bits):
            rows = _ball_bits(network, [Ball(x) for x in point], last)
        if rows is not None:
            return rows
    raise Undecided("a pre-activation cannot be told from zero with 4,096 bits", value="a ball that contains 0",
                    remedy="move the point off the boundary")  # fmt: skip


def _ball_bits(network: Network, x: list[Ball], last: int) -> list[list[bool]] | None:
    rows: list[list[bool]] = []
    for block in network.blocks:
        y = x if block.norm is None else _ball_norm(block.norm, x)
        for layer in block.layers:
            z = [_ball_row(layer, j, y) for j in range(layer.width)]
            gaps = [v - Ball(t) for v in z for t in layer.activation.breakpoints]
            if any(bool(gap.contains(0)) and not gap.is_zero() for gap in gaps):
                return None
            if layer.bits:
                rows.append([bool(gap > 0) for gap in gaps])
            if len(rows) == last:
                return rows
            y = _ball_activation(layer, z, rows[-1] if layer.bits else [])
        x = [a + b for a, b in zip(x, y, strict=True)] if block.residual else y
    return rows


def _ball_row(layer: Layer, neuron: int, y: list[Ball]) -> Ball:
    total = Ball(layer.bias.row(neuron)[0])
    for w, v in zip(layer.weight.row(neuron), y, strict=True):
        total += Ball(w) * v
    return total


def _ball_norm(norm: Norm, x: list[Ball]) -> list[Ball]:
    projector = norm.project(identity(norm.dim))
    centred = [sum((Ball(projector[i, j]) * x[j] for j in range(norm.dim)), Ball(0)) for i in range(norm.dim)]
    square = sum((c * c for c in centred), Ball(0)) / norm.dim + Ball(norm.eps_under_root)
    scale = square.sqrt() + Ball(norm.eps_beside_root)
    pairs = zip(norm.gain.column(), centred, norm.bias.column(), strict=True)
    return [Ball(g) * c / scale + Ball(b) for g, c, b in pairs]


def _ball_activation(layer: Layer, z: list[Ball], bits: list[bool]) -> list[Ball]:
    if isinstance(layer.activation, Smooth):
        return [layer.activation.forward_ball(v) for v in z]
    per_neuron = len(layer.activation.breakpoints)
    out = []
    for j, v in enumerate(z):
        slope, intercept = layer.activation.pieces[sum(bits[j * per_neuron : (j + 1) * per_neuron])]
        out.append(Ball(slope) * v + Ball(intercept))
    return out
