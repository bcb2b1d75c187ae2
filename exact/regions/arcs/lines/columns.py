"""The pre-activations of a network on pieces of many lines, as columns of float64 with a bound on
their errors: what the filters of lines read (see filters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from exact.arithmetic.enclosures.affine_maps import Affine, row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT_SCALED, U, inflation
from exact.arithmetic.numbers import RationalMatrix, nearest_float
from exact.networks.graphs.steps import Sum
from exact.networks.layers import Layer, norms_in, passes_a_norm_by
from exact.networks.network import Network
from exact.networks.norms import Norm

if TYPE_CHECKING:
    from torch import Tensor
UP = inflation(1 << 22)  # bounds are summed over the columns of a layer
_LEAST = LEAST_ROOT_SCALED
_FLAT = 2.0**-40  # the square of a norm's root falls by more: left to exact arithmetic
_ROOM = 16 * U  # evaluations of a function of known columns


def is_filtered(network: Network) -> bool:
    """Whether the filter knows the network: one norm at most, in front of all hidden layers, and
    no sum that reads both sides of it.
    """
    steps = network.steps_to_last_hinge
    first = next(
        (k for k, step in enumerate(steps) if isinstance(step.does, Layer) and step.does.bits), 0
    )
    return (
        len(steps) > 0
        and norms_in(steps) == norms_in(steps[:first]) <= 1
        and not (norms_in(steps) and passes_a_norm_by(steps))
    )


class LayerFloats(NamedTuple):
    """A layer in float64: its affine map, and of its activation the breakpoints and the slopes and
    intercepts of the pieces (none behind the last hidden layer).
    """

    affine: Affine
    bends: Tensor
    slopes: Tensor
    intercepts: Tensor
    is_zero: Tensor
    bits: int


class NormFloats(NamedTuple):
    """A norm in float64; `projector` is None for the identity, "mean", or P with bounds on its
    norm and on its rounding.
    """

    projector: Tensor | str | None
    projector_norms: tuple[float, float]
    gain: Tensor
    bias: Tensor
    under_root: float
    beside_root: float


@dataclass(frozen=True)
class LinePlan:
    """The steps of a network up to its last hidden layer, in float64 on one device."""

    steps: tuple[tuple[LayerFloats | NormFloats | None, tuple[int, ...]], ...]
    forgets: tuple[tuple[int, ...], ...]
    widest: int

    @classmethod
    def of(cls, network: Network, device: str) -> LinePlan:
        """The plan of a network that `is_filtered`; NotPiecewiseLinear where hidden layers stand
        behind a smooth activation.
        """
        steps = network.steps_to_last_hinge
        found: list[tuple[LayerFloats | NormFloats | None, tuple[int, ...]]] = []
        for k, (does, inputs, _) in enumerate(steps):
            if isinstance(does, Sum):
                found.append((None, inputs))
            elif isinstance(does, Norm):
                found.append((_norm_floats(does, device), inputs))
            else:
                found.append((_layer_floats(does, device, k + 1 == len(steps)), inputs))
        widest = max((step.does.bits for step in steps if isinstance(step.does, Layer)), default=1)
        return cls(tuple(found), tuple(step.forgets for step in steps), max(widest, 1))


def _layer_floats(layer: Layer, device: str, is_last: bool) -> LayerFloats:
    affine = Affine.of(layer.weight, layer.bias).to(device)
    bends = _column(layer.activation.breakpoints, device)
    pieces = () if is_last else layer.activation.pieces
    is_zero = (
        (affine.row_norms == 0)
        & (affine.row_errors == 0)
        & (affine.bias == 0)
        & (affine.bias_errors == 0)
    )
    slopes, intercepts = (_column([piece[k] for piece in pieces], device) for k in (0, 1))
    zero = (is_zero[:, None] & (bends == 0)).reshape(-1)
    return LayerFloats(affine, bends, slopes, intercepts, zero, layer.bits)


def _column(numbers: object, device: str) -> Tensor:
    values = [nearest_float(x) for x in numbers]  # type: ignore[attr-defined]
    return torch.tensor(values, dtype=torch.float64, device=device)


def _norm_floats(norm: Norm, device: str) -> NormFloats:
    gain, bias = (
        torch.from_numpy(x.float64()[:, 0].copy()).to(device) for x in (norm.gain, norm.bias)
    )
    found, sizes = norm.projector(), (0.0, 0.0)
    projector: Tensor | str | None = None if found == "identity" else "mean"
    if isinstance(found, RationalMatrix):
        projector = torch.from_numpy(found.float64().copy()).to(device)
        rows = [
            torch.from_numpy(x.reshape(1, -1).copy())
            for x in (found.float64(), found.float64_error())
        ]
        sizes = float(row_norms(rows[0])), float(row_norms(rows[1]))
    eps = nearest_float(norm.eps_under_root), nearest_float(norm.eps_beside_root)
    return NormFloats(projector, sizes, gain, bias, *eps)


class Root(NamedTuple):
    """N^2 = a (1 - f)^2 + 2 b f (1 - f) + c f^2 for each of some lines.

    `low` and `high` bound N on [0, 1], `error` the error of N as it is computed, and `loose` that
    of `<v(f), v(m)> / N(m)`. Where N may fall too far, `low` is NaN, and nothing is proved.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    low: Tensor
    high: Tensor
    error: Tensor
    loose: Tensor

    def at(self, f: Tensor) -> Tensor:
        """N at f."""
        g = 1.0 - f
        return (g * (self.a * g + 2.0 * (self.b * f)) + self.c * (f * f)).clamp(min=0.0).sqrt()

    def of(self, lines: Tensor) -> Root:
        """Those of some lines."""
        return Root(*(x[lines] for x in self))


class Columns(NamedTuple):
    """Functions of f on R pieces: `ends` (R x 2 x n) multiply 1 - f and f, `root` (1 x n or R x n)
    N; `error` bounds the 2-norm of their errors at any f.
    """

    ends: Tensor
    root: Tensor | None
    error: Tensor

    def size(self, high: Tensor | None) -> Tensor:
        """A bound on the 2-norm at any f."""
        norms = row_norms(self.ends.reshape(-1, self.ends.shape[2])).reshape(-1, 2)
        size = norms.amax(dim=1)
        return size if self.root is None or high is None else size + high * row_norms(self.root)


class One(NamedTuple):
    """The constant 1 over 1 - f, f and N."""

    start: float
    end: float
    root: float


# ---- columns through steps


def total(given: list[Columns], root: Root | None) -> Columns:
    """The sum of a skip connection."""
    high = None if root is None else root.high
    ends, error = given[0].ends, given[0].error + _ROOM * given[0].size(high)
    third = given[0].root
    for more in given[1:]:
        ends = ends + more.ends
        error = (error + more.error + _ROOM * more.size(high) * len(given)) * UP
        third = more.root if third is None else third if more.root is None else third + more.root
    return Columns(ends, third, error)


def normalised(norm: NormFloats, x: Columns, one: One) -> tuple[Columns, One, Root]:
    """The norm over 1 - f, f, N. N is the length of a vector of which every computed scalar
    product is within `slack` of the exact one.
    """
    n = x.ends.shape[2]
    g, size = (n + 16) * U, x.size(None)
    if norm.projector is None:
        centred, error = x.ends, x.error
    elif isinstance(norm.projector, str):
        centred, error = x.ends - x.ends.mean(dim=2, keepdim=True), (x.error + g * size) * UP
    else:
        whole, inexact = norm.projector_norms
        centred = x.ends @ norm.projector.T
        error = (x.error + size * ((g + 2 * U) * whole + inexact)) * UP
    p, q = centred[:, 0], centred[:, 1]
    eps = norm.under_root
    a = (p * p).sum(dim=1) / n + eps * one.start * one.start
    b = (p * q).sum(dim=1) / n + eps * one.start * one.end
    c = (q * q).sum(dim=1) / n + eps * one.end * one.end
    loose = error / n**0.5
    square = torch.maximum(a, c) * UP
    high = (square.sqrt() + loose) * UP
    slack = (4 * g * square + 3 * high * loose) * UP + _LEAST * _LEAST
    low = (_least_square(a, b, c) - 32 * slack) / UP
    low = torch.where(low > _FLAT * square, low, torch.nan).sqrt() / UP
    inexact = (4 * slack / low) * UP
    root = Root(a, b, c, low, high, inexact, 8 * inexact * (high / low) * UP)
    shift = norm.beside_root * one.start, norm.beside_root * one.end
    inner = centred * norm.gain
    if shift != (0.0, 0.0):
        inner = inner + torch.outer(torch.tensor(shift, dtype=a.dtype, device=a.device), norm.bias)
    third = norm.bias[None]
    most, bias = float(norm.gain.abs().max()), float(row_norms(third))
    rounding = (
        8 * U * (most * Columns(centred, None, error).size(None) + bias * (max(shift) + high))
    )
    return Columns(inner, third, (most * error + rounding) * UP), One(*shift, 1.0), root


def _least_square(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """A lower bound on the form on [0, 1] but for rounding: by the tangent near its minimum."""
    bend = a + c - 2 * b
    m = torch.where(bend > 0, (a - b) / bend, 0.0).clamp(0.0, 1.0)
    slope = 2 * ((b - a) + m * bend)
    value = a + m * (2 * (b - a) + m * bend)
    return value + torch.minimum(slope * (0.0 - m), slope * (1.0 - m)).clamp(max=0.0)


class ErrorParts(NamedTuple):
    """Of every piece what multiplies the norms of rows, those of their errors, and biases."""

    carried: Tensor
    size: Tensor
    one: Tensor

    def of(self, rows: Tensor) -> ErrorParts:
        """That of some pieces."""
        return ErrorParts(self.carried[rows], self.size[rows], self.one[rows])


def pre_activations(
    layer: LayerFloats, x: Columns, one: One, root: Root | None
) -> tuple[Columns, ErrorParts]:
    """The pre-activations of a layer, and what the errors of its hinges are made of."""
    weight, bias = layer.affine.weight, layer.affine.bias
    ends = (x.ends.reshape(-1, x.ends.shape[2]) @ weight.T).reshape(len(x.ends), 2, len(bias))
    if (one.start, one.end) == (1.0, 1.0):
        ends += bias
    elif (one.start, one.end) != (0.0, 0.0):
        ends += torch.outer(torch.tensor(one[:2], dtype=bias.dtype, device=bias.device), bias)
    third = None if x.root is None else x.root @ weight.T + one.root * bias
    high = None if root is None else root.high
    size = x.size(high)
    unit = max(abs(one.start), abs(one.end)) + (0.0 if high is None else one.root * high)
    one_size = unit + torch.zeros_like(size)
    carried = (x.error + (layer.affine.gamma + _ROOM) * size) * UP
    error = ErrorParts(carried, size, 5 * one_size)
    if not len(layer.slopes):
        return Columns(ends, third, torch.full_like(size, torch.inf)), error
    whole = layer.affine
    total = whole.spectral * x.error
    total = total + (whole.frobenius * (whole.gamma + _ROOM) + whole.weight_slack) * size
    total = total + (whole.bias_norm * whole.gamma + whole.bias_slack) * error.one
    return Columns(ends, third, (total * UP) * UP + _LEAST), error


def hinges_of(
    layer: LayerFloats, z: Columns, one: One, error: ErrorParts, root: Root | None
) -> tuple[Columns, Tensor]:
    """The hinges of a layer (one for each bend) and a bound on the error of each (R x bits)."""
    bends, rows, hinges = len(layer.bends), layer.affine.error_rows, z
    is_plain = bends == 1 and float(layer.bends[0]) == 0.0
    if not is_plain:
        start, end, third = z.ends[:, 0], z.ends[:, 1], z.root
        ends = torch.stack(
            [_shifted(start, layer.bends, one.start), _shifted(end, layer.bends, one.end)], dim=1
        )
        third = None if third is None else _shifted(third, layer.bends, one.root)
        hinges = Columns(ends, third, z.error)
        rows = rows.repeat_interleave(bends, dim=1)
    parts = torch.stack([error.carried, error.size, error.one], dim=1)
    least = torch.full((1, 1), _LEAST, dtype=rows.dtype, device=rows.device)
    bounds = torch.addmm(least, parts, rows)
    if not is_plain:
        shifts = layer.bends.abs().repeat(len(layer.affine.bias))
        bounds = bounds + torch.outer(error.one, shifts) * (8 * U)
    if hinges.root is not None and root is not None:
        bounds = bounds + hinges.root.abs() * (root.error + _ROOM * root.high)[:, None]
    return hinges, bounds * UP


def _shifted(z: Tensor, bends: Tensor, one: float) -> Tensor:
    return (z[:, :, None] - one * bends).reshape(len(z), -1)


def of_pieces(x: Columns, pieces: Tensor) -> Columns:
    """Those of the pieces that some are parts of."""
    third = x.root if x.root is None or len(x.root) == 1 else x.root[pieces]
    return Columns(x.ends[pieces], third, x.error[pieces])


def bent(
    layer: LayerFloats, z: Columns, one: One, error: ErrorParts, root: Root | None, middle: Tensor
) -> Columns:
    """Behind the bends, on pieces that no hinge of the layer cuts: by its signs at `middle`."""
    at = z.ends[:, 0] + middle[:, None] * (z.ends[:, 1] - z.ends[:, 0])
    unit = (1.0 - middle) * one.start + middle * one.end
    if root is not None and z.root is not None:
        there = root.at(middle)
        at, unit = at + z.root * there[:, None], unit + one.root * there
    if len(layer.bends) == 1:
        over = at > unit[:, None] * layer.bends
        slope = torch.where(over, layer.slopes[1], layer.slopes[0])
        cut = torch.where(over, layer.intercepts[1], layer.intercepts[0])
    else:
        piece = (at[:, :, None] > unit[:, None, None] * layer.bends).sum(dim=2)
        slope, cut = layer.slopes[piece], layer.intercepts[piece]
    return activated(layer, z, (slope, cut), one, error, root)


def activated(
    layer: LayerFloats,
    z: Columns,
    pieces: tuple[Tensor, Tensor] | None,
    one: One,
    error: ErrorParts,
    root: Root | None,
) -> Columns:
    """Behind the activation with the given slope and intercept of each neuron (None: its only
    piece).
    """
    slopes, cuts = layer.slopes, layer.intercepts
    slope, cut = (slopes[:1, None], cuts[:1, None]) if pieces is None else pieces
    ends = z.ends * slope[:, None, :]
    third = None if z.root is None else z.root * slope
    steepest, farthest = float(slopes.abs().max()), float(cuts.abs().max())
    if farthest:
        start, end = ends[:, 0] + one.start * cut, ends[:, 1] + one.end * cut
        ends = torch.stack([start, end], dim=1)
        third = None if third is None else third + one.root * cut
    found = steepest * z.error
    if set(slopes.tolist()) - {0.0, 1.0, -1.0} or farthest:
        size = z.size(None if root is None else root.high)
        found = found + 8 * U * (steepest * size + farthest * error.one * len(layer.affine.bias))
    return Columns(ends, third, found * UP)
