"""Spline codes at one exact point: surds behind one norm, real balls of growing precision behind
several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from exact.arithmetic.enclosures.ball_tensors import Balls
from exact.arithmetic.linear_algebra import dot, identity, rows_of
from exact.arithmetic.numbers import Ball, Rational, RationalArray, ball_precision
from exact.arithmetic.surds import sign_of_surd
from exact.errors import InvalidInput, Undecided
from exact.networks.activations import Smooth
from exact.networks.graphs.steps import Step, Sum, walk
from exact.networks.layers import Layer, Operation, up_to
from exact.networks.norms import Norm

_Pieces = list[tuple[Rational, Rational]]
_ZERO, _ONE = Rational(0), Rational(1)
_WIDE = 4096  # from this many weights on the filter is faster than the exact product


def walk_exact(steps: Sequence[Step], point: list[Rational], last: int) -> list[list[bool]]:
    """The bits of hidden layers 1 .. last at a point, in the field Q(sqrt q) of the one norm.

    The last layer asked for is filtered in float64 first, so that only signs left open cost exact
    rows. Values in front of the norm are columns of numbers, and `one` is what stands for 1.
    """
    rows, one, radicand = list[list[bool]](), [_ONE], _ZERO

    def apply(does: Operation, *values: RationalArray) -> RationalArray:
        nonlocal one, radicand
        state = values[0]
        if isinstance(does, Sum):
            unit = RationalArray(1, len(one), one)
            return does.total(x if x.ncols() == len(one) else x * unit for x in values)
        if isinstance(does, Norm):
            state, one, radicand = _normalise_point(does, state)
            return state
        is_last = bool(does.bits) and len(rows) == last - 1
        if is_last and does.width * does.input_dim >= _WIDE:
            rows.append(_filtered_bits(does, state, one, radicand))
            return state
        z, bits = does.pre_activations(state, one), list[bool]()
        if does.bits:
            bits = layer_bits(does, z, one, partial(_sign, radicand))
            rows.append(bits)
        return z if is_last else does.activate(z, one, bits)

    walk(up_to(steps, last), RationalArray(len(point), 1, point), apply)
    return rows


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


def walk_balls(steps: Sequence[Step], point: list[Rational], last: int) -> list[list[bool]]:
    """The bits of hidden layers 1 .. last by real balls, the precision doubled until every sign is
    certain.

    Layers behind one norm at most are decided in surds. A pre-activation that is constant, because
    nothing of its weights is left by the pieces taken and the last norm's gain and projection, is
    known in rationals whatever the precision. Cost of that: a row through the layers since that
    norm.
    """
    needed = up_to(steps, last)
    known = walk_exact(steps, point, min(last, _exact_layers(steps)))
    for bits in (128, 256, 512, 1024, 2048, 4096):
        try:
            with ball_precision(bits):
                return _BallWalk(needed, point, known).bits()
        except _TooCoarse:
            continue
    raise Undecided(
        "a pre-activation cannot be told from zero with 4,096 bits",
        value="a ball that contains 0",
        remedy="move the point off the boundary",
    )


def _exact_layers(steps: Sequence[Step]) -> int:
    """How many hidden layers stand behind one norm at most, and behind no smooth activation."""
    count = norms = 0
    for does, *_ in steps:
        norms += isinstance(does, Norm)
        if norms > 1:
            break
        if isinstance(does, Layer):
            count += bool(does.bits)
            if not does.activation.is_piecewise_linear:
                break
    return count


class _TooCoarse(Exception):
    """The working precision does not tell a number from zero."""


class _BallWalk:
    """One walk at the working precision over steps that end with a hidden layer; `known` are the
    bits of the first hidden layers.

    `taken` are the pieces of every step so far, None where a layer is smooth.
    """

    def __init__(
        self, steps: Sequence[Step], point: list[Rational], known: list[list[bool]]
    ) -> None:
        self._steps, self._point, self._known = steps, point, known
        self._taken, self._rows = list[_Pieces | None](), list[list[bool]]()

    def bits(self) -> list[list[bool]]:
        """The bits of all hidden layers.

        Raises _TooCoarse where the precision does not tell a sign, or whether a norm is defined.
        """
        walk(self._steps, [Ball(value) for value in self._point], self._apply)
        return self._rows

    def _apply(self, does: Operation, *values: list[Ball]) -> list[Ball]:
        taken: _Pieces | None = []
        if isinstance(does, Sum):
            found = [does.total(each) for each in zip(*values, strict=True)]
        elif isinstance(does, Norm):
            found = self._normalised(does, values[0])
        else:
            found, bits = self._pre_activations(does, values[0])
            self._rows += [bits] if does.bits else []
            if len(self._taken) < len(self._steps) - 1:
                found, taken = _activated(does, found, bits)
        self._taken.append(taken)
        return found

    def _pre_activations(self, layer: Layer, y: list[Ball]) -> tuple[list[Ball], list[bool]]:
        """The pre-activations and their bits."""
        if layer.bits and len(self._rows) < len(self._known):
            return [_ball_row(layer, j, y) for j in range(layer.width)], self._known[
                len(self._rows)
            ]
        z, bits = list[Ball](), list[bool]()
        for j in range(layer.width):
            value, bends = _ball_row(layer, j, y), layer.activation.breakpoints
            gaps = [value - Ball(t) for t in bends]
            if any(bool(gap.contains(0)) and not gap.is_zero() for gap in gaps):
                exact = self._constant(layer.operator.row(j), layer.bias.row(j)[0])
                if exact is None:
                    raise _TooCoarse
                z.append(Ball(exact))
                bits += [bool(exact > t) for t in bends]
            else:
                z.append(value)
                bits += [bool(gap > 0) for gap in gaps]
        return z, bits

    def _normalised(self, norm: Norm, x: list[Ball]) -> list[Ball]:
        """The norm of a vector."""
        rows = rows_of(norm.project(identity(norm.dim)).transpose())
        centred = [
            sum((Ball(p) * v for p, v in zip(row, x, strict=True) if p), Ball(0)) for row in rows
        ]
        square = sum((c * c for c in centred), Ball(0)) / norm.dim + Ball(norm.eps_under_root)
        if norm.eps == 0 and square.contains(0):
            if all(self._constant(row, _ZERO) == 0 for row in rows):
                raise _undefined()
            raise _TooCoarse
        scale = square.sqrt() + Ball(norm.eps_beside_root)
        pairs = zip(norm.gain.column(), centred, norm.bias.column(), strict=True)
        return [Ball(g) * c / scale + Ball(b) for g, c, b in pairs]

    def _constant(
        self, row: list[Rational], constant: Rational, step: int | None = None
    ) -> Rational | None:
        """The value of an affine form over what a step reads, if no root of a norm changes it; else
        None. Without `step` it is the one that is being taken.

        The form is taken back through the pieces to the norms and along all ways to the point
        itself. A norm drops it where gain and projection leave nothing of it, or where what they
        leave is zero at the norm's own input.
        """
        place = self._steps[len(self._taken) if step is None else step].inputs[0]
        forms = {place: row}  # over values; what is left of the form is their sum
        for k in reversed(range(place)):
            row = forms.pop(k + 1, [])
            if not any(row):
                continue
            does, inputs, _ = self._steps[k]
            if isinstance(does, Norm):
                constant += dot(row, does.bias.column())
                scaled = [r * g for r, g in zip(row, does.gain.column(), strict=True)]
                scaled = does.project(RationalArray(len(scaled), 1, scaled)).entries()
                if any(scaled) and self._constant(scaled, _ZERO, k) != 0:
                    return None
                continue
            if isinstance(does, Layer):
                taken = self._taken[k]
                if taken is None:
                    return None
                constant += sum((r * b for r, (_, b) in zip(row, taken, strict=True)), _ZERO)
                row = [r * slope for r, (slope, _) in zip(row, taken, strict=True)]
                constant += dot(row, does.bias.column())
                row = does.operator.pull_back(RationalArray(1, len(row), row)).entries()
            for i in inputs:
                forms[i] = (
                    [x + y for x, y in zip(row, forms[i], strict=True)] if i in forms else row
                )
        return constant + (dot(forms[0], self._point) if 0 in forms else _ZERO)


def _activated(layer: Layer, z: list[Ball], bits: list[bool]) -> tuple[list[Ball], _Pieces | None]:
    """The output of a layer on the pieces that its bits choose, and these pieces; None for a smooth
    one.
    """
    if isinstance(layer.activation, Smooth):
        return [layer.activation.forward_ball(v) for v in z], None
    size, pieces = len(layer.activation.breakpoints), layer.activation.pieces
    taken = [pieces[sum(bits[j * size : (j + 1) * size])] for j in range(len(z))]
    return [
        Ball(slope) * v + Ball(intercept) for (slope, intercept), v in zip(taken, z, strict=True)
    ], taken


def _ball_row(layer: Layer, neuron: int, y: list[Ball]) -> Ball:
    total = Ball(layer.bias.row(neuron)[0])
    for w, v in zip(layer.operator.row(neuron), y, strict=True):
        total += Ball(w) * v
    return total
