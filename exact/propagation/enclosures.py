"""Enclosures of a network's pre-activations in float64, for many points at once.

A batch of points is a matrix of float64 rows, each within a known 2-norm distance of the exact
point. An affine layer moves a distance e to at most `|W|_2 e` plus the rounding of the product; a
piecewise linear activation moves it by at most its largest slope, and to nothing where its piece is
certain and constant. The error of one neuron is `|w_j| e` plus rounding: one matrix product per
layer and a scalar per point, instead of two products. Source: Higham 2002, section 3.1 (dot
products in any order of summation); Cauchy-Schwarz.

Points at infinity are `p + K q`, K larger than every number: both parts go through the layers, and
a neuron is on by the sign of its part in K, and where that is zero for certain by the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.affine_maps import UP, Affine, at_least, row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.linear_algebra import is_wide, matrix, rows_of
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalMatrix,
    nearest_floats,
    rational,
    rounding_error,
)
from exact.geometry.domains.base import Flat
from exact.networks.activations import Activation, ReLU
from exact.networks.graphs.steps import Step, Sum
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.operators import Dense

if TYPE_CHECKING:
    from torch import Tensor


UNKNOWN = 2
ByteMatrix = np.ndarray[Any, np.dtype[np.int8]]


_RELU = ReLU().breakpoints, ReLU().pieces


class Bends:
    """An activation in float64: breakpoints and pieces, with the rounding of each (zero where there
    is none).
    """

    def __init__(self, activation: Activation) -> None:
        self.breakpoints, self.breakpoint_errors = _rounded(activation.breakpoints)
        self.is_relu = (
            activation.is_piecewise_linear and (activation.breakpoints, activation.pieces) == _RELU
        )
        self._activation = activation

    @property
    def thresholds(self) -> list[tuple[float, float]]:
        """Every breakpoint with a bound on its rounding error."""
        return list(zip(self.breakpoints.tolist(), self.breakpoint_errors.tolist(), strict=True))

    @cached_property
    def slopes(self) -> FloatArray:
        """The slope of every piece."""
        return _rounded([slope for slope, _ in self._activation.pieces])[0]

    @cached_property
    def intercepts(self) -> FloatArray:
        """The intercept of every piece."""
        return _rounded([intercept for _, intercept in self._activation.pieces])[0]

    @cached_property
    def constant(self) -> BitArray:
        """Which pieces are constant, exactly."""
        return np.array([slope == 0 for slope, _ in self._activation.pieces])

    @cached_property
    def slope_slack(self) -> float:
        """A bound on the rounding error of the slopes."""
        return float(_rounded([slope for slope, _ in self._activation.pieces])[1].max())

    @cached_property
    def intercept_slack(self) -> float:
        """A bound on the rounding error of the intercepts."""
        return float(_rounded([intercept for _, intercept in self._activation.pieces])[1].max())

    @cached_property
    def steepest(self) -> float:
        """A bound on the slopes."""
        return (float(np.abs(self.slopes).max()) + self.slope_slack) * UP

    @cached_property
    def highest(self) -> float:
        """A bound on the intercepts."""
        return (float(np.abs(self.intercepts).max()) + self.intercept_slack) * UP


def _rounded(values: Sequence[Rational]) -> tuple[FloatArray, FloatArray]:
    """The nearest floats, and bounds on their distance; zero where the float is exact."""
    floats = nearest_floats(values)
    exact = [
        bool(np.isfinite(x)) and rational(x) == y
        for x, y in zip(floats.tolist(), values, strict=True)
    ]
    return floats, np.where(exact, 0.0, rounding_error(floats))


@dataclass
class Points:
    """Rows `x + K y` within `ex` and `ey` of the exact points; `y` is None when all points are
    finite.
    """

    x: Tensor
    ex: Tensor
    y: Tensor | None = None
    ey: Tensor | None = None


Value = TypeVar("Value")


@dataclass(frozen=True)
class Stage:
    """What leads from one hidden layer to the next: steps (an affine map, or "enter" and "leave" of
    a skip), and the layer.
    """

    steps: tuple[Affine | str, ...]
    last: Affine
    bends: Bends
    bits: int

    def through(
        self,
        value: Value,
        skips: list[Value],
        moved: Callable[[Affine, Value], Value],
        added: Callable[[Value, Value], Value],
    ) -> Value:
        """A value in front of the layer, from that behind the layer before; `skips` are those that
        skip connections hold.
        """
        for step in self.steps:
            if isinstance(step, Affine):
                value = moved(step, value)
            elif step == "enter":
                skips.append(value)
            else:
                value = added(skips.pop(), value)
        return value


def stages(network: Network, flat: Flat) -> list[Stage]:
    """The network over the parameters of a flat domain, cut at its hidden layers; no norms."""
    network.require_bits("float walks")
    needed = network.steps_to_last_hinge
    joined = None if _is_identity(flat) else _over_parameters(needed, flat)
    found, steps = list[Stage](), list[Affine | str]()
    if joined is None and not _is_identity(flat):
        steps.append(_chart(flat))
    for k, (does, _, forgets) in enumerate(needed):
        steps += [] if k in forgets else ["enter"]
        if isinstance(does, Sum):
            steps.append("leave")
        elif isinstance(does, Layer):
            straight = does if does.bits else does.as_affine
            is_first = k == 0 and joined is not None
            affine = joined if is_first else Affine.of(straight.weight, straight.bias)
            assert affine is not None
            if does.bits:
                found.append(Stage(tuple(steps), affine, Bends(does.activation), does.bits))
                steps = []
            else:
                steps.append(affine)
    return found


def _over_parameters(steps: Sequence[Step], flat: Flat) -> Affine | None:
    """The first layer over the parameters, rounded from the exact product: where its matrix is wide
    and nothing else reads the input, points need not be written out in the space of the input.
    """
    first = next(iter(steps), None)
    if first is None or not isinstance(first.does, Layer) or 0 not in first.forgets:
        return None
    layer, count = first.does if first.does.bits else first.does.as_affine, flat.dim + 1
    if not isinstance(layer.operator, Dense) or not is_wide(layer.operator.matrix, count):
        return None
    columns = layer.pre_activations(flat.state(), [Rational(0)] * flat.dim + [Rational(1)])
    rows = rows_of(columns)
    return Affine.of(
        RationalMatrix.from_backend(matrix([row[:-1] for row in rows], flat.dim)),
        RationalMatrix.from_backend(matrix([row[-1:] for row in rows], 1)),
    )


def _is_identity(flat: Flat) -> bool:
    n = len(flat.origin)
    unit = all(v[i] == int(i == k) for k, v in enumerate(flat.directions) for i in range(n))
    return unit and flat.dim == n and not any(flat.origin)


def _chart(flat: Flat) -> Affine:
    n = len(flat.origin)
    weight = nearest_floats([v[i] for i in range(n) for v in flat.directions]).reshape(n, flat.dim)
    origin = nearest_floats(flat.origin)
    return Affine(weight, rounding_error(weight), origin, rounding_error(origin))


def _values(op: Affine, x: Tensor, e: Tensor, offset: bool) -> tuple[Tensor, Tensor]:
    """W x (+ b), and what :func:`_bounds` and :func:`_total` need: `e + g |x|`, `|x| + e`, and 1
    for the offset.
    """
    norm = row_norms(x)
    z = torch.addmm(op.bias, x, op.weight.T) if offset else x @ op.weight.T
    return z, torch.stack(
        [e + op.gamma * norm, norm + e, torch.full_like(e, float(offset))], dim=1
    ) * UP


def _total(op: Affine, e: Tensor, sizes: Tensor, offset: bool) -> Tensor:
    """A bound on the 2-norm of the error of W x (+ b)."""
    total = op.spectral * e + (op.gamma * op.frobenius + op.weight_slack) * sizes[:, 1]
    if offset:
        total = total + (op.gamma * op.bias_norm + op.bias_slack)
    return at_least(total * UP)


def _bounds(op: Affine, sizes: Tensor) -> Tensor:
    """A bound on the error of every neuron at every point: `|w_j| (e + g |x|) + |dw_j| (|x| + e) +
    g |b_j| + |db_j|`.
    """
    return sizes @ op.error_rows


class PointWalk:
    """Carries points of the domain (parameters) through the hidden layers, on one device.

    `is_level` says whether the part in K of some sign so far was not seen to differ from zero.
    """

    def __init__(self, stages: Sequence[Stage], device: str) -> None:
        self._device, self.is_level = device, False
        self._stages = [
            Stage(
                tuple(s if isinstance(s, str) else s.to(device) for s in stage.steps),
                stage.last.to(device),
                stage.bends,
                stage.bits,
            )
            for stage in stages
        ]

    def signs(
        self, layer: int, p: FloatArray, pe: FloatArray, q: FloatArray | None, qe: FloatArray | None
    ) -> ByteMatrix:
        """The sign of every hinge of a hidden layer at every point: -1, 0, 1, or UNKNOWN; int8
        (points x hinges).
        """
        tensors = [
            None if a is None else torch.from_numpy(a).to(self._device) for a in (p, pe, q, qe)
        ]
        x, ex, y, ey = tensors
        assert x is not None and ex is not None
        points = Points(x, at_least(ex), y, None if ey is None else at_least(ey))
        skips = list[Points]()
        for stage in self._stages[:layer]:
            points = stage.through(points, skips, _moved, _sum)
            points = _activated(stage, points)
        stage = self._stages[layer]
        points = stage.through(points, skips, _moved, _sum)
        return self._layer_signs(stage, points).cpu().numpy()

    def all_signs(self, p: FloatArray) -> ByteMatrix:
        """The signs of the hinges of all hidden layers at float points, which are exact; int8
        (points x hinges).
        """
        x = torch.from_numpy(p).to(self._device)
        points = Points(x, x.new_zeros(len(x)))
        skips = list[Points]()
        found = [x.new_zeros((len(x), 0), dtype=torch.int8)]
        for layer, stage in enumerate(self._stages):
            points = _activated(self._stages[layer - 1], points) if layer else points
            points = stage.through(points, skips, _moved, _sum)
            found.append(self._layer_signs(stage, points))
        return torch.cat(found, dim=1).cpu().numpy()

    def _layer_signs(self, stage: Stage, points: Points) -> Tensor:
        z, sizes = _values(stage.last, points.x, points.ex, True)
        errors, columns = _bounds(stage.last, sizes), []
        for t, slack in stage.bends.thresholds:
            value = z if t == 0 else z - t
            bound = errors if t == 0 == slack else errors + value.abs() * (2 * U) + slack
            columns.append(_certain_sign(value, bound))
        signs = torch.stack(columns, dim=2).reshape(len(z), -1)
        if points.y is None:
            return signs
        assert points.ey is not None
        y, sizes = _values(stage.last, points.y, points.ey, False)
        high = _certain_sign(y, _bounds(stage.last, sizes))
        if bool((high.abs() != 1).any()):  # only ever set, as threads share it
            self.is_level = True
        high = high.repeat_interleave(len(columns), dim=1)
        return torch.where(high == 0, signs, high)


def _certain_sign(value: Tensor, bound: Tensor) -> Tensor:
    """-1, 0, 1 where certain (0 only with bound 0), else UNKNOWN, also for NaN; int8."""
    sign = (value > bound).to(torch.int8) - (value < -bound).to(torch.int8)
    sign = torch.where(sign == 0, UNKNOWN, sign)
    still = bound == 0
    return torch.where(still & (value == 0), 0, sign) if bool(still.any()) else sign


def _moved(op: Affine, points: Points) -> Points:
    x, sizes = _values(op, points.x, points.ex, True)
    ex = _total(op, points.ex, sizes, True)
    if points.y is None or points.ey is None:
        return Points(x, ex)
    y, sizes = _values(op, points.y, points.ey, False)
    return Points(x, ex, y, _total(op, points.ey, sizes, False))


def _sum(a: Points, b: Points) -> Points:
    x = a.x + b.x
    ex = (a.ex + b.ex + row_norms(x) * (2 * U)) * UP
    if a.y is None or b.y is None or a.ey is None or b.ey is None:
        return Points(x, ex)
    y = a.y + b.y
    return Points(x, ex, y, (a.ey + b.ey + row_norms(y) * (2 * U)) * UP)


def _activated(stage: Stage, points: Points) -> Points:
    """The output of a hidden layer."""
    bends = stage.bends
    z, sizes = _values(stage.last, points.x, points.ex, True)
    total = _total(stage.last, points.ex, sizes, True)
    if bends.is_relu and points.y is None:
        return Points(*_rectified(stage.last, z, total, sizes))
    errors = _bounds(stage.last, sizes)
    if points.y is None or points.ey is None:
        piece, flat = _pieces(bends, z, errors)
        return Points(*_activate(bends, z, errors, total, piece, flat, True))
    w, sizes = _values(stage.last, points.y, points.ey, False)
    total_w = _total(stage.last, points.ey, sizes, False)
    slack = _bounds(stage.last, sizes)
    high, low = _certain_sign(w, slack), _pieces(bends, z, errors)
    top = len(bends.breakpoints)
    piece = torch.where(high == 0, low[0], torch.where(high == UNKNOWN, low[0], (high > 0) * top))
    constant = torch.as_tensor(bends.constant, device=z.device)
    flat = torch.where(high == 0, low[1], (high != UNKNOWN) & constant[piece])
    unsure = high == UNKNOWN
    if bool(unsure.any()):
        lost = 2 * bends.steepest * z.abs() + 2 * bends.highest
        errors = errors + torch.where(unsure, lost, 0.0)
        slack = slack + torch.where(unsure, 2 * w.abs(), 0.0)
        total, total_w = row_norms(errors), row_norms(slack)
    x, ex = _activate(bends, z, errors, total, piece, flat, True)
    y, ey = _activate(bends, w, slack, total_w, piece, flat, False)
    return Points(x, ex, y, ey)


def _rectified(op: Affine, z: Tensor, total: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """ReLU of finite points; where every neuron is off for certain, the output is zero without
    error.
    """
    highest = z.max(dim=1).values if z.shape[1] else torch.full_like(total, -torch.inf)
    steepest, error, highest_offset = op.largest
    worst = sizes[:, 0] * steepest + sizes[:, 1] * error + highest_offset
    return z.clamp_(min=0.0), torch.where(highest < -worst * UP, 0.0, total)


def _pieces(bends: Bends, z: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """The affine piece of every neuron by its float value, and whether it is constant for
    certain.
    """
    piece, certain = torch.zeros_like(z, dtype=torch.int64), torch.ones_like(z, dtype=torch.bool)
    for t, slack in bends.thresholds:
        value = z - t
        piece += value > 0
        certain &= (value.abs() > errors + value.abs() * (2 * U) + slack) | (
            (value == 0) & (errors == 0) & (slack == 0)
        )
    return piece, certain & torch.as_tensor(bends.constant, device=z.device)[piece]


def _activate(
    bends: Bends,
    z: Tensor,
    errors: Tensor,
    total: Tensor,
    piece: Tensor,
    flat: Tensor,
    offset: bool,
) -> tuple[Tensor, Tensor]:
    """slope z (+ intercept) on the given pieces, and a bound on the 2-norm of the error."""
    slopes, intercepts = (
        torch.as_tensor(a, device=z.device) for a in (bends.slopes, bends.intercepts)
    )
    value = slopes[piece] * z
    own = row_norms(torch.where(flat, 0.0, errors))
    error = torch.minimum(own, total) * bends.steepest * UP
    error = torch.where(own == 0, 0.0, error)
    if offset:
        value = value + intercepts[piece]
    if not bends.is_relu:
        raised = (
            (bends.highest * (4 * U) + bends.intercept_slack) * value.shape[1] if offset else 0.0
        )
        error = (
            error + row_norms(value) * (4 * U) + bends.slope_slack * row_norms(z) + raised
        ) * UP
    return value, error
