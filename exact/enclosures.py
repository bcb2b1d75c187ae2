"""Enclosures of a network's pre-activations in float64, for many points and many regions at once.

A batch of points is a matrix of float64 rows, each within a known 2-norm distance of the exact point. An affine layer
moves a distance e to at most `|W|_2 e` plus the rounding of the product; a piecewise linear activation moves it by at most
its largest slope, and to nothing where its piece is certain and constant. The error of one neuron is `|w_j| e` plus
rounding: one matrix product per layer and a scalar per point, instead of two products. Source: Higham 2002, section 3.1
(dot products in any order of summation); Cauchy-Schwarz.

Points at infinity are `p + K q`, K larger than every number: both parts go through the layers, and a neuron is on by the
sign of its part in K, and where that is zero for certain by the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from exact.activations import Activation
from exact.domains import Flat
from exact.filters import U
from exact.network import Layer, Network
from exact.numbers import FloatArray, RationalMatrix, nearest_floats, rounding_error

_UP = 1.0 + 2.0**-40
_LEAST = 2.0**-500
UNKNOWN = 2
Tensor = torch.Tensor
ByteMatrix = np.ndarray[Any, np.dtype[np.int8]]


def _gamma(n: int) -> float:
    """Relative error of a dot product with n terms and an offset, with room for the rounding of the bound itself."""
    return (n + 4) * U * _UP


class Affine:
    """`x -> W x + b` in float64 with what its error bounds need; everything in one place, computed once."""

    def __init__(self, weight: FloatArray, weight_error: FloatArray | None, bias: FloatArray, bias_error: FloatArray | None) -> None:
        self.weight, self.bias = torch.from_numpy(np.array(weight)), torch.from_numpy(np.array(bias))
        self.gamma = _gamma(weight.shape[1])
        self.row_norms = _norm(self.weight, 1)
        self.frobenius = _whole(self.weight)
        self.spectral = _spectral_bound(self.weight)
        self.bias_norm = _whole(self.bias)
        zero = torch.zeros_like(self.bias)
        self.row_errors = zero if weight_error is None else _norm(torch.from_numpy(weight_error), 1)
        self.bias_errors = zero if bias_error is None else torch.from_numpy(np.array(bias_error))
        self.weight_slack = _whole(self.row_errors)
        self.bias_slack = _whole(self.bias_errors)
        self.is_exact = weight_error is None and bias_error is None

    @classmethod
    def of(cls, layer: Layer) -> Affine:
        """The affine part of a layer."""
        (weight, error), (bias, slack) = _floats(layer.weight), _floats(layer.bias)
        return cls(weight, error, bias.ravel(), None if slack is None else slack.ravel())

    def to(self, device: str) -> Affine:
        """The same on another device."""
        if device == "cpu":
            return self
        moved = object.__new__(Affine)
        moved.__dict__.update({k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in self.__dict__.items()})
        return moved


def _floats(matrix: RationalMatrix) -> tuple[FloatArray, FloatArray | None]:
    return matrix.float64(), None if matrix.is_float else matrix.float64_error()


def _norm(values: Tensor, dim: int) -> Tensor:
    """An upper bound on the 2-norm along `dim`, zero only for zero: squares may underflow, by less than the last term."""
    return torch.linalg.norm(values, dim=dim) * _UP + (values != 0).any(dim=dim) * _LEAST


def _whole(values: Tensor) -> float:
    return float(_norm(values.reshape(-1), 0))


def _spectral_bound(weight: Tensor) -> float:
    """An upper bound on the 2-norm, as a rule within a fifth: |W|^2 = |W'W|, and |G|^2 = |G^2| for the symmetric G."""
    scale = _whole(weight)
    if not 0.0 < scale < float("inf"):
        return scale
    small = (weight if weight.shape[0] >= weight.shape[1] else weight.T) / scale
    squared = _symmetric_bound(small.T @ small, (small.shape[0] + 4) * U, 3)
    return min(scale, scale * float(np.sqrt(squared)) * _UP)


def _symmetric_bound(gram: Tensor, slack: float, squarings: int) -> float:
    """An upper bound on the 2-norm of a symmetric matrix within `slack` of `gram`."""
    size = _whole(gram)
    if squarings == 0 or not size > 0.0:
        return (size + slack) * _UP
    unit = gram / size
    root = float(np.sqrt(_symmetric_bound(unit @ unit, (len(unit) + 4) * U, squarings - 1)))
    return (size * (root + 4 * U) + slack) * _UP


class Bends:
    """An activation in float64: breakpoints and pieces, with the rounding of each."""

    def __init__(self, activation: Activation) -> None:
        self.breakpoints = nearest_floats(activation.breakpoints)
        self.breakpoint_errors = rounding_error(self.breakpoints) * (self.breakpoints != 0)
        self.is_relu = activation.is_piecewise_linear and activation.name == "ReLU()"
        self._activation = activation

    @cached_property
    def slopes(self) -> FloatArray:
        """The slope of every piece."""
        return nearest_floats([slope for slope, _ in self._activation.pieces])

    @cached_property
    def intercepts(self) -> FloatArray:
        """The intercept of every piece."""
        return nearest_floats([intercept for _, intercept in self._activation.pieces])

    @cached_property
    def steepest(self) -> float:
        """A bound on the slopes."""
        return float(np.abs(self.slopes).max()) * _UP

    @cached_property
    def highest(self) -> float:
        """A bound on the intercepts."""
        return float(np.abs(self.intercepts).max()) * _UP


@dataclass
class Points:
    """Rows `x + K y` within `ex` and `ey` of the exact points; `y` is None when all points are finite."""

    x: Tensor
    ex: Tensor
    y: Tensor | None = None
    ey: Tensor | None = None


@dataclass
class Maps:
    """Affine maps (B x n x (d + 1)), the offset last; bounds on the Frobenius error of linear part and offset (B)."""

    a: Tensor
    linear: Tensor
    offset: Tensor


@dataclass(frozen=True)
class Stage:
    """What leads from one hidden layer to the next: steps (an affine map, or "enter" and "leave" of a skip), and the layer."""

    steps: tuple[Affine | str, ...]
    last: Affine
    bends: Bends
    bits: int


def stages(network: Network, flat: Flat) -> list[Stage]:
    """The network over the parameters of a flat domain, cut at its hidden layers; no norms."""
    found, steps = list[Stage](), list[Affine | str]([] if _is_identity(flat) else [_chart(flat)])
    for block in network.blocks:
        steps += ["enter"] if block.residual else []
        for layer in block.layers:
            affine = Affine.of(layer)
            if layer.bits:
                found.append(Stage(tuple(steps), affine, Bends(layer.activation), layer.bits))
                steps = []
            else:
                steps.append(affine)
        steps += ["leave"] if block.residual else []
    return found


def _is_identity(flat: Flat) -> bool:
    n = len(flat.origin)
    return flat.dim == n and not any(flat.origin) and all(v[i] == int(i == k) for k, v in enumerate(flat.directions) for i in range(n))


def _chart(flat: Flat) -> Affine:
    n = len(flat.origin)
    weight = nearest_floats([v[i] for i in range(n) for v in flat.directions]).reshape(n, flat.dim)
    origin = nearest_floats(flat.origin)
    return Affine(weight, rounding_error(weight), origin, rounding_error(origin))


# ---- points


def _apply(op: Affine, x: Tensor, e: Tensor, offset: bool) -> tuple[Tensor, Tensor, Tensor]:
    """W x (+ b): values, a bound per neuron, a bound on the 2-norm of the error."""
    norm = _norm(x, 1)
    z = x @ op.weight.T
    spread = e + op.gamma * norm
    errors = op.row_norms * spread[:, None]
    total = op.spectral * e + op.gamma * op.frobenius * norm
    if offset:
        z = z + op.bias
        errors = errors + op.bias.abs() * op.gamma
        total = total + op.gamma * op.bias_norm
    if not op.is_exact:
        errors = errors + op.row_errors * (norm + e)[:, None] + (op.bias_errors if offset else 0.0)
        total = total + op.weight_slack * (norm + e) + (op.bias_slack if offset else 0.0)
    return z, errors * _UP, total * _UP


class PointWalk:
    """Carries points of the domain (parameters) through the hidden layers, on one device."""

    def __init__(self, stages: Sequence[Stage], device: str) -> None:
        self._device = device
        self._stages = [Stage(tuple(s if isinstance(s, str) else s.to(device) for s in stage.steps), stage.last.to(device),
                              stage.bends, stage.bits) for stage in stages]  # fmt: skip

    def signs(self, layer: int, p: FloatArray, pe: FloatArray, q: FloatArray | None, qe: FloatArray | None) -> ByteMatrix:
        """The sign of every hinge of a hidden layer at every point: -1, 0, 1, or UNKNOWN; int8 (points x hinges)."""
        tensors = [None if a is None else torch.from_numpy(a).to(self._device) for a in (p, pe, q, qe)]
        points, skips = Points(*tensors), list[Points]()  # type: ignore[arg-type]
        for stage in self._stages[:layer]:
            points = self._through(stage, points, skips)
            points = _activated(stage, points)
        stage = self._stages[layer]
        points = self._through(stage, points, skips)
        return self._layer_signs(stage, points).cpu().numpy()

    def _through(self, stage: Stage, points: Points, skips: list[Points]) -> Points:
        for step in stage.steps:
            if step == "enter":
                skips.append(points)
            elif step == "leave":
                points = _sum(skips.pop(), points)
            else:
                points = _moved(step, points)  # type: ignore[arg-type]
        return points

    def _layer_signs(self, stage: Stage, points: Points) -> Tensor:
        z, errors, _ = _apply(stage.last, points.x, points.ex, True)
        columns = []
        for t, slack in zip(stage.bends.breakpoints.tolist(), stage.bends.breakpoint_errors.tolist(), strict=True):
            value = z - t
            bound = errors if t == 0 else errors + value.abs() * U * 2 + slack
            columns.append(_certain_sign(value, bound))
        signs = torch.stack(columns, dim=2).reshape(len(z), -1)
        if points.y is None:
            return signs
        assert points.ey is not None
        y, slack_y, _ = _apply(stage.last, points.y, points.ey, False)
        high = _certain_sign(y, slack_y).repeat_interleave(len(columns), dim=1)
        return torch.where(high == 0, signs, high)


def _certain_sign(value: Tensor, bound: Tensor) -> Tensor:
    sign = value.sign().to(torch.int8)
    exact_zero = (value == 0) & (bound == 0)
    return torch.where((value.abs() > bound) | exact_zero, sign, UNKNOWN)


def _moved(op: Affine, points: Points) -> Points:
    x, _, ex = _apply(op, points.x, points.ex, True)
    if points.y is None or points.ey is None:
        return Points(x, ex)
    y, _, ey = _apply(op, points.y, points.ey, False)
    return Points(x, ex, y, ey)


def _sum(a: Points, b: Points) -> Points:
    x = a.x + b.x
    ex = (a.ex + b.ex + _norm(x, 1) * (2 * U)) * _UP
    if a.y is None or b.y is None or a.ey is None or b.ey is None:
        return Points(x, ex)
    y = a.y + b.y
    return Points(x, ex, y, (a.ey + b.ey + _norm(y, 1) * (2 * U)) * _UP)


def _activated(stage: Stage, points: Points) -> Points:
    """The output of a hidden layer."""
    bends = stage.bends
    z, errors, total = _apply(stage.last, points.x, points.ex, True)
    if points.y is None or points.ey is None:
        piece, flat = _pieces(bends, z, errors)
        return Points(*_activate(bends, z, errors, total, piece, flat, True))
    w, slack, total_w = _apply(stage.last, points.y, points.ey, False)
    high, low = _certain_sign(w, slack), _pieces(bends, z, errors)
    top = len(bends.breakpoints)
    piece = torch.where(high == 0, low[0], torch.where(high == UNKNOWN, low[0], (high > 0) * top))
    slopes = torch.as_tensor(bends.slopes, device=z.device)
    flat = torch.where(high == 0, low[1], (high != UNKNOWN) & (slopes[piece] == 0))
    unsure = high == UNKNOWN
    if bool(unsure.any()):
        lost = 2 * bends.steepest * z.abs() + 2 * bends.highest
        errors, slack = errors + torch.where(unsure, lost, 0.0), slack + torch.where(unsure, 2 * w.abs(), 0.0)
        total, total_w = _norm(errors, 1), _norm(slack, 1)
    x, ex = _activate(bends, z, errors, total, piece, flat, True)
    y, ey = _activate(bends, w, slack, total_w, piece, flat, False)
    return Points(x, ex, y, ey)


def _pieces(bends: Bends, z: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """The affine piece of every neuron by its float value, and whether it is constant for certain."""
    piece, certain = torch.zeros_like(z, dtype=torch.int64), torch.ones_like(z, dtype=torch.bool)
    for t, slack in zip(bends.breakpoints.tolist(), bends.breakpoint_errors.tolist(), strict=True):
        value = z - t
        piece += value > 0
        certain &= (value.abs() > errors + value.abs() * (2 * U) + slack) | ((value == 0) & (errors == 0) & (slack == 0))
    return piece, certain & (torch.as_tensor(bends.slopes, device=z.device)[piece] == 0)


def _activate(
    bends: Bends, z: Tensor, errors: Tensor, total: Tensor, piece: Tensor, flat: Tensor, offset: bool
) -> tuple[Tensor, Tensor]:
    """slope z (+ intercept) on the given pieces, and a bound on the 2-norm of the error."""
    slopes, intercepts = (torch.as_tensor(a, device=z.device) for a in (bends.slopes, bends.intercepts))
    value = slopes[piece] * z
    own = _norm(torch.where(flat, 0.0, errors), 1)
    error = torch.minimum(own, total) * bends.steepest * _UP
    error = torch.where(own == 0, 0.0, error)
    if offset:
        value = value + intercepts[piece]
    if not bends.is_relu:
        error = error + (_norm(value, 1) + bends.highest * value.shape[1]) * (4 * U) * _UP
    return value, error


# ---- maps


class MapWalk:
    """The affine forms of hidden layers on regions of the layers before, as floats with error bounds (CPU).

    A region of layer l is known by the region of layer l - 1 that it lies in and by its bits there.
    """

    def __init__(self, stages: Sequence[Stage], dim: int) -> None:
        self._stages, self._dim = stages, dim
        self._parents: list[np.ndarray[Any, Any]] = []
        self._bits: list[np.ndarray[Any, Any]] = []

    def enter(self, parents: np.ndarray[Any, Any], bits: np.ndarray[Any, Any]) -> None:
        """Register the regions in front of the next layer: the region of the last layer each lies in, and its bits there."""
        self._parents.append(parents)
        self._bits.append(bits)

    def states(self, layer: int, regions: np.ndarray[Any, Any]) -> tuple[Maps, list[Maps]]:
        """The input of hidden layer `layer` on the given regions, as affine maps of the parameters; and open skips."""
        if layer == 0:
            d, count = self._dim, len(regions)
            start = torch.zeros(count, d, d + 1, dtype=torch.float64)
            start[:, range(d), range(d)] = 1.0
            maps, skips = Maps(start, torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)), []
        else:
            parents, back = np.unique(self._parents[layer - 1][regions], return_inverse=True)
            before, outer = self.states(layer - 1, parents)
            index = torch.from_numpy(back)
            maps = _bent(self._stages[layer - 1], _mapped(self._stages[layer - 1].last, before), index, self._bits[layer - 1][regions])
            skips = [Maps(m.a[index], m.linear[index], m.offset[index]) for m in outer]
        return self._through(self._stages[layer], maps, skips)

    def _through(self, stage: Stage, maps: Maps, skips: list[Maps]) -> tuple[Maps, list[Maps]]:
        for step in stage.steps:
            if step == "enter":
                skips.append(maps)
            elif step == "leave":
                maps = _map_sum(skips.pop(), maps)
            else:
                maps = _mapped(step, maps)  # type: ignore[arg-type]
        return maps, skips

    def rows(self, layer: int, regions: np.ndarray[Any, Any], hinges: np.ndarray[Any, Any]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The forms `z - breakpoint` of (region, hinge) pairs, sorted by region: rows (N x (d + 1)), errors of a and b."""
        from exact.kernels.splitting import rows_of_pairs

        stage, bends = self._stages[layer], self._stages[layer].bends
        per = len(bends.breakpoints)
        rows, a_err, b_err = np.empty((len(regions), self._dim + 1)), np.empty(len(regions)), np.empty(len(regions))
        known, index = np.unique(regions, return_inverse=True)
        width = stage.last.weight.shape[1] * (self._dim + 1)
        block = max(1, 2**22 // max(1, width))
        weight, bias = stage.last.weight.numpy(), stage.last.bias.numpy()
        for start in range(0, len(known), block):
            maps, _ = self.states(layer, known[start : start + block])
            low, high = np.searchsorted(index, [start, start + block])
            cells, neurons = index[low:high] - start, hinges[low:high] // per
            rows_of_pairs(weight, bias, maps.a.contiguous().numpy(), cells, neurons, rows[low:high])
            a_err[low:high], b_err[low:high] = _row_errors(stage.last, maps, cells, neurons)
        if per > 1 or bends.breakpoints.any():
            t = bends.breakpoints[hinges % per]
            rows[:, -1] -= t
            b_err += np.abs(rows[:, -1]) * (2 * U) + bends.breakpoint_errors[hinges % per]
        return rows, a_err * _UP, b_err * _UP


def _row_errors(op: Affine, maps: Maps, cells: Any, neurons: Any) -> tuple[FloatArray, FloatArray]:
    norm_a, norm_b = _norms(maps)
    gamma, rows, slack = op.gamma, op.row_norms.numpy()[neurons], op.row_errors.numpy()[neurons]
    linear, offset = maps.linear.numpy()[cells], maps.offset.numpy()[cells]
    norm_a, norm_b = norm_a.numpy()[cells], norm_b.numpy()[cells]
    a_err = rows * (linear + gamma * norm_a) + slack * (norm_a + linear)
    b_err = rows * (offset + gamma * norm_b) + slack * (norm_b + offset)
    b_err += gamma * np.abs(op.bias.numpy()[neurons]) + op.bias_errors.numpy()[neurons]
    return a_err, b_err


def _norms(maps: Maps) -> tuple[Tensor, Tensor]:
    return _norm(maps.a[:, :, :-1].flatten(1), 1), _norm(maps.a[:, :, -1], 1)


def _mapped(op: Affine, maps: Maps) -> Maps:
    norm_a, norm_b = _norms(maps)
    count, n, k = maps.a.shape
    a = (op.weight @ maps.a.permute(1, 0, 2).reshape(n, count * k)).reshape(-1, count, k).permute(1, 0, 2)
    a = torch.cat([a[:, :, :-1], a[:, :, -1:] + op.bias[:, None]], dim=2)
    linear = op.spectral * maps.linear + op.gamma * op.frobenius * norm_a + op.weight_slack * (norm_a + maps.linear)
    offset = op.spectral * maps.offset + op.gamma * (op.frobenius * norm_b + op.bias_norm)
    offset = offset + op.weight_slack * (norm_b + maps.offset) + op.bias_slack
    return Maps(a, linear * _UP, offset * _UP)


def _bent(stage: Stage, maps: Maps, index: Tensor, bits: np.ndarray[Any, Any]) -> Maps:
    """The activation on the pieces that bits choose, for children of the regions of `maps`."""
    bends, per = stage.bends, len(stage.bends.breakpoints)
    piece = bits.reshape(len(bits), -1, per).sum(axis=2)
    slopes = torch.from_numpy(bends.slopes[piece])
    a = maps.a[index] * slopes[:, :, None]
    linear, offset = maps.linear[index] * bends.steepest, maps.offset[index] * bends.steepest
    if not bends.is_relu:
        a[:, :, -1] += torch.from_numpy(bends.intercepts[piece])
        norm_a, norm_b = _norms(Maps(a, linear, offset))
        linear = linear + norm_a * (2 * U)
        offset = offset + (norm_b + bends.highest * a.shape[1]) * (4 * U)
    return Maps(a, linear * _UP, offset * _UP)


def _map_sum(a: Maps, b: Maps) -> Maps:
    total = a.a + b.a
    norm_a, norm_b = _norms(Maps(total, a.linear, a.offset))
    return Maps(total, (a.linear + b.linear + norm_a * (2 * U)) * _UP, (a.offset + b.offset + norm_b * (2 * U)) * _UP)
