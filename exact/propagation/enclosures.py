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
from typing import Any, TypeVar

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.affine_maps import UP, Affine, at_least, library_of, row_norms
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

UNKNOWN = 2
ByteMatrix = np.ndarray[Any, np.dtype[np.int8]]
Numbers = Any  # an array of numpy, or a tensor of torch


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

    x: Numbers
    ex: Numbers
    y: Numbers | None = None
    ey: Numbers | None = None


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


def _values(op: Affine, x: Numbers, e: Numbers, offset: bool) -> tuple[Numbers, Numbers]:
    """W x (+ b), and what :func:`_bounds` and :func:`_total` need: `e + g |x|`, `|x| + e`, and 1
    for the offset.
    """
    norm, m = row_norms(x), library_of(x)
    z = x @ op.weight.T
    if offset:
        z += op.bias
    sizes = m.stack([e + op.gamma * norm, norm + e, m.full_like(e, float(offset))], axis=1)
    return z, sizes * UP


def _total(op: Affine, e: Numbers, sizes: Numbers, offset: bool) -> Numbers:
    """A bound on the 2-norm of the error of W x (+ b)."""
    total = op.spectral * e + (op.gamma * op.frobenius + op.weight_slack) * sizes[:, 1]
    if offset:
        total = total + (op.gamma * op.bias_norm + op.bias_slack)
    return at_least(total * UP)


def _bounds(op: Affine, sizes: Numbers) -> Numbers:
    """A bound on the error of every neuron at every point: `|w_j| (e + g |x|) + |dw_j| (|x| + e) +
    g |b_j| + |db_j|`.
    """
    return sizes @ op.error_rows


class PointWalk:
    """Carries points of the domain (parameters) through the hidden layers, on one device: with
    numpy on a CPU, with torch elsewhere.

    `is_level` says whether the part in K of some sign so far was not seen to differ from zero.
    """

    def __init__(self, stages: Sequence[Stage], device: str) -> None:
        self._device, self.is_level = device, False
        self._stages = list(stages)
        if not device.startswith("cpu"):
            self._stages = [
                Stage(
                    tuple(s if isinstance(s, str) else s.to(device) for s in stage.steps),
                    stage.last.to(device),
                    stage.bends,
                    stage.bits,
                )
                for stage in stages
            ]

    def _moved(self, values: FloatArray) -> Numbers:
        on_cpu = self._device.startswith("cpu")
        return values if on_cpu else torch.from_numpy(values).to(self._device)

    def _back(self, signs: Numbers) -> ByteMatrix:
        found: ByteMatrix = signs if isinstance(signs, np.ndarray) else signs.cpu().numpy()
        return found

    def signs(
        self, layer: int, p: FloatArray, pe: FloatArray, q: FloatArray | None, qe: FloatArray | None
    ) -> ByteMatrix:
        """The sign of every hinge of a hidden layer at every point: -1, 0, 1, or UNKNOWN; int8
        (points x hinges).
        """
        x, ex, y, ey = (None if a is None else self._moved(a) for a in (p, pe, q, qe))
        assert x is not None and ex is not None
        points = Points(x, at_least(ex), y, None if ey is None else at_least(ey))
        skips = list[Points]()
        for stage in self._stages[:layer]:
            points = stage.through(points, skips, _moved, _sum)
            points = _activated(stage, points)
        stage = self._stages[layer]
        points = stage.through(points, skips, _moved, _sum)
        return self._back(self._layer_signs(stage, points))

    def all_signs(self, p: FloatArray) -> ByteMatrix:
        """The signs of the hinges of all hidden layers at float points, which are exact; int8
        (points x hinges).
        """
        x = self._moved(p)
        m, skips = library_of(x), list[Points]()
        points = Points(x, m.zeros_like(x[:, 0]))
        found = [m.zeros_like(x[:, :0], dtype=m.int8)]
        for layer, stage in enumerate(self._stages):
            points = _activated(self._stages[layer - 1], points) if layer else points
            points = stage.through(points, skips, _moved, _sum)
            found.append(self._layer_signs(stage, points))
        return self._back(m.concatenate(found, axis=1))

    def _layer_signs(self, stage: Stage, points: Points) -> Numbers:
        z, sizes = _values(stage.last, points.x, points.ex, True)
        errors, columns = _bounds(stage.last, sizes), []
        for t, slack in stage.bends.thresholds:
            value = z if t == 0 else z - t
            bound = errors if t == 0 == slack else errors + abs(value) * (2 * U) + slack
            columns.append(_certain_sign(value, bound))
        m, shape = library_of(z), (len(z), z.shape[1] * len(columns))
        signs = columns[0] if len(columns) == 1 else m.stack(columns, axis=2).reshape(shape)
        if points.y is None:
            return signs
        assert points.ey is not None
        y, sizes = _values(stage.last, points.y, points.ey, False)
        high = _certain_sign(y, _bounds(stage.last, sizes))
        if bool((abs(high) != 1).any()):  # only ever set, as threads share it
            self.is_level = True
        high = m.stack([high] * len(columns), axis=2).reshape(shape)
        return m.where(high == 0, signs, high)


def _certain_sign(value: Numbers, bound: Numbers) -> Numbers:
    """-1, 0, 1 where certain (0 only with bound 0), else UNKNOWN, also for NaN; int8."""
    m = library_of(value)
    above, below = (m.asarray(x, dtype=m.int8) for x in (value > bound, value < -bound))
    sign = above - below
    sign = m.where(sign == 0, UNKNOWN, sign)
    still = bound == 0
    return m.where(still & (value == 0), 0, sign) if bool(still.any()) else sign


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
    m = library_of(z)
    top = len(bends.breakpoints)
    piece = m.where(high == 0, low[0], m.where(high == UNKNOWN, low[0], (high > 0) * top))
    constant = _beside(z, bends.constant)
    flat = m.where(high == 0, low[1], (high != UNKNOWN) & constant[piece])
    unsure = high == UNKNOWN
    if bool(unsure.any()):
        lost = 2 * bends.steepest * abs(z) + 2 * bends.highest
        errors = errors + m.where(unsure, lost, 0.0)
        slack = slack + m.where(unsure, 2 * abs(w), 0.0)
        total, total_w = row_norms(errors), row_norms(slack)
    x, ex = _activate(bends, z, errors, total, piece, flat, True)
    y, ey = _activate(bends, w, slack, total_w, piece, flat, False)
    return Points(x, ex, y, ey)


def _rectified(op: Affine, z: Numbers, total: Numbers, sizes: Numbers) -> tuple[Numbers, Numbers]:
    """ReLU of finite points; where every neuron is off for certain, the output is zero without
    error.
    """
    m = library_of(z)
    highest = m.amax(z, axis=1) if z.shape[1] else m.full_like(total, -m.inf)
    steepest, error, highest_offset = op.largest
    worst = sizes[:, 0] * steepest + sizes[:, 1] * error + highest_offset
    return m.clip(z, 0.0, None, out=z), m.where(highest < -worst * UP, 0.0, total)


def _beside(x: Numbers, values: Numbers) -> Numbers:
    """Values of numpy where x is."""
    return values if isinstance(x, np.ndarray) else torch.as_tensor(values, device=x.device)


def _pieces(bends: Bends, z: Numbers, errors: Numbers) -> tuple[Numbers, Numbers]:
    """The affine piece of every neuron by its float value, and whether it is constant for
    certain.
    """
    m = library_of(z)
    piece, certain = m.zeros_like(z, dtype=m.int64), m.ones_like(z, dtype=m.bool)
    for t, slack in bends.thresholds:
        value = z - t
        piece += value > 0
        certain &= (abs(value) > errors + abs(value) * (2 * U) + slack) | (
            (value == 0) & (errors == 0) & (slack == 0)
        )
    return piece, certain & _beside(z, bends.constant)[piece]


def _activate(
    bends: Bends,
    z: Numbers,
    errors: Numbers,
    total: Numbers,
    piece: Numbers,
    flat: Numbers,
    offset: bool,
) -> tuple[Numbers, Numbers]:
    """slope z (+ intercept) on the given pieces, and a bound on the 2-norm of the error."""
    m, slopes, intercepts = library_of(z), _beside(z, bends.slopes), _beside(z, bends.intercepts)
    value = slopes[piece] * z
    own = row_norms(m.where(flat, 0.0, errors))
    error = m.minimum(own, total) * bends.steepest * UP
    error = m.where(own == 0, 0.0, error)
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
