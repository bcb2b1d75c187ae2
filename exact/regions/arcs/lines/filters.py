"""Float64 filters for many straight lines at once: where the hinges of a network cross them, with
proved enclosures, or no answer.

A line is `(1 - f) A + f B` times a positive factor, 0 <= f <= 1: a segment from A to B, or the ray
from A along B. Without a norm every pre-activation on a piece between two cuts is of this form
again, so that one product with two columns a piece gives all hinges of a layer. Behind a norm in
front of the first hidden layer it is `(1 - f) P + f Q + c N(f)`, N the norm's root, the length of a
vector that is affine in f: a third column. A hinge h vanishes where `((1 - f) P + f Q)^2 = c^2
N^2`, hence at most twice.

Proofs. The computed function differs from h by at most E at every f of the whole line, by norms of
rows and columns (see roundoff). Signs count beyond E only. Ends of opposite sign hold one zero;
ends of the same sign s hold none where s h is concave (s c <= 0), or where `N(f) >= <v(f), v(m)> /
N(m)`, the Cauchy-Schwarz inequality for the vector v of N at any m, keeps s h positive; and they
hold two where s h is negative at m. A proposed zero is enclosed by two points at which the sign is
proved. A piece reaches from within the enclosure of one cut to within that of the next: its signs
are taken at the inner ends, and count beyond E and what h can change inside the enclosures. Zeros
of all layers count where their enclosures are disjoint; else the line is left to exact arithmetic.
Written in torch alone, for CPU and GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from exact.arithmetic.enclosures.affine_maps import Affine, row_norms
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT_SCALED, U, inflation
from exact.arithmetic.numbers import RationalMatrix, nearest_float
from exact.networks.layers import Layer, norms_in, passes_a_norm_by
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.networks.steps import Sum

Tensor = torch.Tensor
_UP = inflation(1 << 22)
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


class LineEvents(NamedTuple):
    """Sign changes of the hinges of B lines, one line after another and in order: enclosures of f,
    hinges; the bits (B x hinges) where each line starts; which lines are proved.
    """

    lines: Tensor
    low: Tensor
    high: Tensor
    hinges: Tensor
    first: Tensor
    proved: Tensor


class _Pieces(NamedTuple):
    """Pieces of lines, in order: line, inner ends, the largest width of the enclosures at its
    ends (None: exact), and whether each starts its line.
    """

    line: Tensor
    start: Tensor
    end: Tensor
    sliver: Tensor | None
    heads: Tensor


@dataclass
class _Found:
    """The events so far, in order, those of the last layer marked as new, and which lines are
    proved.
    """

    line: Tensor
    low: Tensor
    high: Tensor
    hinge: Tensor
    new: Tensor
    proved: Tensor


def line_events(
    plan: LinePlan, ends: Tensor, errors: Tensor, one: tuple[float, float], most: int
) -> LineEvents | None:
    """The events of lines with the given ends (B x 2 x n), known within `errors` (B); None where
    more than `most` numbers a column would be made, and there are several lines.
    """
    count, device = len(ends), ends.device
    values = {0: Columns(ends, None, errors)}
    unit, root = One(*one, 0.0), None
    lines = torch.arange(count, device=device)
    start = torch.zeros(count, dtype=ends.dtype, device=device)
    pieces = _Pieces(lines, start, torch.ones_like(start), None, lines)
    none = torch.zeros(0, dtype=ends.dtype, device=device)
    index = torch.zeros(0, dtype=torch.int64, device=device)
    found = _Found(index, none, none, index, index > 0, errors.isfinite())
    first, offset = list[Tensor](), 0
    for k, (does, inputs) in enumerate(plan.steps):
        given = [values[i] for i in inputs]
        if does is None:
            values[k + 1] = _total(given, root, pieces)
        elif isinstance(does, NormFloats):
            values[k + 1], unit, root = _normalised(does, given[0], unit)
            found.proved &= ~root.low.isnan()
        else:
            local = None if root is None else root.of(pieces.line)
            z, error = _pre_activations(does, given[0], unit, local)
            if not does.bits:
                values[k + 1] = _activated(does, z, None, unit, error, local)
            else:
                hinges, bounds = _hinges(does, z, unit, error, local)
                first.append(_cut(does, hinges, bounds, pieces, local, found, offset))
                offset += does.bits
                if k + 1 < len(plan.steps):
                    pieces, parents = _pieces_between(found, pieces, count)
                    if len(pieces.line) * plan.widest > most and count > 1:
                        return None
                    for i in {*values} - {*plan.forgets[k]}:
                        values[i] = _of_pieces(values[i], parents)
                    z, error = _of_pieces(z, parents), error.of(parents)
                    local = None if root is None else root.of(pieces.line)
                    values[k + 1] = _bent(does, z, unit, error, local, pieces)
        for i in plan.forgets[k]:
            values.pop(i, None)
    width = torch.zeros(count, 0, dtype=torch.bool, device=device)
    bits = torch.cat([width, *first], 1)
    return LineEvents(found.line, found.low, found.high, found.hinge, bits, found.proved)


# ---- columns through steps


def _total(given: list[Columns], root: Root | None, pieces: _Pieces) -> Columns:
    high = None if root is None else root.high[pieces.line]
    ends, error = given[0].ends, given[0].error + _ROOM * given[0].size(high)
    third = given[0].root
    for more in given[1:]:
        ends = ends + more.ends
        error = (error + more.error + _ROOM * more.size(high) * len(given)) * _UP
        third = more.root if third is None else third if more.root is None else third + more.root
    return Columns(ends, third, error)


def _normalised(norm: NormFloats, x: Columns, one: One) -> tuple[Columns, One, Root]:
    """The norm over 1 - f, f, N. N is the length of a vector of which every computed scalar
    product is within `slack` of the exact one.
    """
    n = x.ends.shape[2]
    g, size = (n + 16) * U, x.size(None)
    if norm.projector is None:
        centred, error = x.ends, x.error
    elif isinstance(norm.projector, str):
        centred, error = x.ends - x.ends.mean(dim=2, keepdim=True), (x.error + g * size) * _UP
    else:
        whole, inexact = norm.projector_norms
        centred = x.ends @ norm.projector.T
        error = (x.error + size * ((g + 2 * U) * whole + inexact)) * _UP
    p, q = centred[:, 0], centred[:, 1]
    eps = norm.under_root
    a = (p * p).sum(dim=1) / n + eps * one.start * one.start
    b = (p * q).sum(dim=1) / n + eps * one.start * one.end
    c = (q * q).sum(dim=1) / n + eps * one.end * one.end
    loose = error / n**0.5
    square = torch.maximum(a, c) * _UP
    high = (square.sqrt() + loose) * _UP
    slack = (4 * g * square + 3 * high * loose) * _UP + _LEAST * _LEAST
    low = (_least_square(a, b, c) - 32 * slack) / _UP
    low = torch.where(low > _FLAT * square, low, torch.nan).sqrt() / _UP
    inexact = (4 * slack / low) * _UP
    root = Root(a, b, c, low, high, inexact, 8 * inexact * (high / low) * _UP)
    shift = norm.beside_root * one.start, norm.beside_root * one.end
    inner = centred * norm.gain
    if shift != (0.0, 0.0):
        inner = inner + torch.outer(torch.tensor(shift, dtype=a.dtype, device=a.device), norm.bias)
    third = norm.bias[None]
    most, bias = float(norm.gain.abs().max()), float(row_norms(third))
    rounding = (
        8 * U * (most * Columns(centred, None, error).size(None) + bias * (max(shift) + high))
    )
    return Columns(inner, third, (most * error + rounding) * _UP), One(*shift, 1.0), root


def _least_square(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """A lower bound on the form on [0, 1] but for rounding: by the tangent near its minimum."""
    bend = a + c - 2 * b
    m = torch.where(bend > 0, (a - b) / bend, 0.0).clamp(0.0, 1.0)
    slope = 2 * ((b - a) + m * bend)
    value = a + m * (2 * (b - a) + m * bend)
    return value + torch.minimum(slope * (0.0 - m), slope * (1.0 - m)).clamp(max=0.0)


class _Error(NamedTuple):
    """Of every piece what multiplies the norms of rows, those of their errors, and biases."""

    carried: Tensor
    size: Tensor
    one: Tensor

    def of(self, rows: Tensor) -> _Error:
        """That of some pieces."""
        return _Error(self.carried[rows], self.size[rows], self.one[rows])


def _pre_activations(
    layer: LayerFloats, x: Columns, one: One, root: Root | None
) -> tuple[Columns, _Error]:
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
    carried = (x.error + (layer.affine.gamma + _ROOM) * size) * _UP
    error = _Error(carried, size, 5 * one_size)
    if not len(layer.slopes):
        return Columns(ends, third, torch.full_like(size, torch.inf)), error
    whole = layer.affine
    total = whole.spectral * x.error
    total = total + (whole.frobenius * (whole.gamma + _ROOM) + whole.weight_slack) * size
    total = total + (whole.bias_norm * whole.gamma + whole.bias_slack) * error.one
    return Columns(ends, third, (total * _UP) * _UP + _LEAST), error


def _hinges(
    layer: LayerFloats, z: Columns, one: One, error: _Error, root: Root | None
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
    return hinges, bounds * _UP


def _shifted(z: Tensor, bends: Tensor, one: float) -> Tensor:
    return (z[:, :, None] - one * bends).reshape(len(z), -1)


def _of_pieces(x: Columns, pieces: Tensor) -> Columns:
    third = x.root if x.root is None or len(x.root) == 1 else x.root[pieces]
    return Columns(x.ends[pieces], third, x.error[pieces])


def _bent(
    layer: LayerFloats, z: Columns, one: One, error: _Error, root: Root | None, pieces: _Pieces
) -> Columns:
    """Behind the bends, on pieces that no hinge of the layer cuts: by its signs in the middle."""
    middle = (pieces.start + pieces.end) / 2
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
    return _activated(layer, z, (slope, cut), one, error, root)


def _activated(
    layer: LayerFloats,
    z: Columns,
    pieces: tuple[Tensor, Tensor] | None,
    one: One,
    error: _Error,
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
    return Columns(ends, third, found * _UP)


# ---- cuts


def _cut(
    layer: LayerFloats,
    hinges: Columns,
    bounds: Tensor,
    pieces: _Pieces,
    root: Root | None,
    found: _Found,
    offset: int,
) -> Tensor:
    """Add the events of a layer to those before, in order; the bits of its hinges where lines
    start.
    """
    start, across = hinges.ends[:, 0], hinges.ends[:, 1] - hinges.ends[:, 0]
    third = hinges.root
    if pieces.sliver is None:
        left, right, ends = start, hinges.ends[:, 1], bounds
    else:
        left = torch.addcmul(start, pieces.start[:, None], across)
        right = torch.addcmul(start, pieces.end[:, None], across)
        steep = across.abs()
        if root is not None and third is not None:
            steep = steep + third.abs() * (2 * root.high)[:, None]
        ends = torch.addcmul(bounds, steep, pieces.sliver[:, None]) * _UP
    if root is not None and third is not None:
        left = left + third * root.at(pieces.start)[:, None]
        right = right + third * root.at(pieces.end)[:, None]
    first = (left[pieces.heads] > 0) & ~layer.is_zero
    known = ((left.abs() > ends) & (right.abs() > ends)) | layer.is_zero
    crosses = ((left > 0) != (right > 0)) & ~layer.is_zero
    found.proved[pieces.line[~known.all(dim=1)]] = False
    sure = found.proved[pieces.line]
    rows, columns = torch.nonzero(crosses & sure[:, None], as_tuple=True)
    flat = _Flat.of(hinges, bounds, root, rows, columns)
    found_left, found_right = pieces.start[rows], pieces.end[rows]
    rising = left[rows, columns] < 0
    events = [(rows, columns, *flat.enclosed(found_left, found_right, rising))]
    if root is not None and third is not None:
        events += _twice(hinges, bounds, pieces, root, left, right, ends, sure, found)
    _merge(events, pieces, found, offset)
    return first


def _twice(
    hinges: Columns,
    bounds: Tensor,
    pieces: _Pieces,
    root: Root,
    left: Tensor,
    right: Tensor,
    ends: Tensor,
    sure: Tensor,
    found: _Found,
) -> list[tuple[Tensor, ...]]:
    """The zeros of hinges that have the same sign at both ends; lines on which some hinge neither
    has two for certain nor none are not proved.
    """
    third = hinges.root
    assert third is not None
    drop = [(root.at(f) - root.low + root.error)[:, None] for f in (pieces.start, pieces.end)]
    size = third.abs()
    away = torch.minimum(left.abs() - size * drop[0], right.abs() - size * drop[1]) > ends
    same = ((left > 0) == (right > 0)) & (left * third > 0) & ~away & sure[:, None]
    rows, columns = torch.nonzero(same, as_tuple=True)
    flat = _Flat.of(hinges, bounds, root, rows, columns)
    start, end = pieces.start[rows], pieces.end[rows]
    above = left[rows, columns] > 0
    middle = flat.least().clamp(min=start, max=end)
    there = torch.where(above, 1.0, -1.0) * flat.at(middle)
    twice = there < -flat.bound
    never = flat.stays(above, middle, start, end)
    found.proved[pieces.line[rows[~(twice | never)]]] = False
    both, flat = twice.nonzero()[:, 0], flat.only(twice)
    rows, columns, start, end = rows[both], columns[both], start[both], end[both]
    middle, above = middle[both], above[both]
    return [
        (rows, columns, *flat.enclosed(start, middle, ~above)),
        (rows, columns, *flat.enclosed(middle, end, above)),
    ]


class _Flat(NamedTuple):
    """Some hinges one by one: `start + f across + third N(f)`, within `bound`."""

    start: Tensor
    across: Tensor
    third: Tensor | None
    bound: Tensor
    root: Root | None

    @classmethod
    def of(
        cls, hinges: Columns, bounds: Tensor, root: Root | None, rows: Tensor, columns: Tensor
    ) -> _Flat:
        """Hinge columns[i] of piece rows[i]."""
        start, end = (hinges.ends[rows, k, columns] for k in (0, 1))
        third = hinges.root
        if third is None or root is None:
            return cls(start, end - start, None, bounds[rows, columns], None)
        c = third[0, columns] if len(third) == 1 else third[rows, columns]
        return cls(start, end - start, c, bounds[rows, columns], root.of(rows))

    def only(self, those: Tensor) -> _Flat:
        """Some of them."""
        start, across, bound = self.start[those], self.across[those], self.bound[those]
        if self.third is None or self.root is None:
            return _Flat(start, across, None, bound, None)
        return _Flat(start, across, self.third[those], bound, self.root.of(those))

    def at(self, f: Tensor) -> Tensor:
        """The value at f."""
        value = torch.addcmul(self.start, f, self.across)
        if self.third is None or self.root is None:
            return value
        return torch.addcmul(value, self.third, self.root.at(f))

    def with_slope(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """The value and the derivative at f."""
        if self.third is None or self.root is None:
            return self.at(f), self.across
        a, b, c = self.root[:3]
        there, rise = self.root.at(f), torch.addcmul(b - a, f, a + c - 2 * b)
        value = torch.addcmul(torch.addcmul(self.start, f, self.across), self.third, there)
        return value, torch.addcmul(self.across, self.third, rise / there)

    def least(self) -> Tensor:
        """Where the function is flat, about; anything where it nowhere is."""
        assert self.third is not None and self.root is not None
        a, b, c = self.root[:3]
        bend = a + c - 2 * b
        beyond = self.third * self.third * bend - self.across * self.across
        depth = (a * c - b * b).clamp(min=0.0) / bend
        away = (self.across.abs() / bend.sqrt()) * (depth / beyond).sqrt()
        flat = (a - b) / bend - torch.copysign(away, self.across * self.third)
        side = torch.where(self.across * self.third > 0, 0.0, 1.0)
        return torch.where(flat.isfinite(), flat, side)

    def stays(self, above: Tensor, middle: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Whether the sign is the same all over [start, end], by Cauchy-Schwarz at `middle`."""
        assert self.third is not None and self.root is not None
        a, b, c = self.root[:3]
        first, second = a + middle * (b - a), b + middle * (c - b)
        sign, size = torch.where(above, 1.0, -1.0), self.third.abs()
        there, room = self.root.at(middle), self.bound + size * self.root.loose
        values = [
            sign * (self.start + f * self.across) + size * ((first + f * (second - first)) / there)
            for f in (start, end)
        ]
        return torch.minimum(values[0], values[1]) > room * _UP

    def enclosed(self, left: Tensor, right: Tensor, rising: Tensor) -> tuple[Tensor, ...]:
        """The zero between `left` and `right`: an enclosure, and whether it is proved."""
        near = self._proposed(left, right)
        value, slope = self.with_slope(near)
        if self.third is not None:
            near = near - value / slope
        width = 4 * self.bound / slope.abs() + 4 * U
        low, high = near - width, near + width
        sign = torch.where(rising, 1.0, -1.0)
        proved = (sign * self.at(low) < -self.bound) & (sign * self.at(high) > self.bound)
        return low, high, proved & (low > left) & (high < right)

    def _proposed(self, left: Tensor, right: Tensor) -> Tensor:
        """A zero in closed form: of two the one inside where the sign of the affine part fits."""
        if self.third is None or self.root is None:
            return -self.start / self.across
        a, b, c = self.root[:3]
        square = self.third * self.third
        second = self.across * self.across - square * (a + c - 2 * b)
        first = self.start * self.across - square * (b - a)
        zeroth = self.start * self.start - square * a
        root = (first * first - second * zeroth).clamp(min=0.0).sqrt()
        total = -(first + torch.copysign(root, first))
        one, other = total / second, zeroth / total
        fits = (one > left) & (one < right)
        fits &= torch.addcmul(self.start, one, self.across) * self.third <= 0
        return torch.where(fits, one, other)


def _merge(events: list[tuple[Tensor, ...]], pieces: _Pieces, found: _Found, offset: int) -> None:
    """Put new events among those before, and let go of lines where enclosures meet."""
    rows, columns, low, high, proved = (
        torch.cat(x) if len(x) > 1 else x[0] for x in zip(*events, strict=True)
    )
    line, hinge = pieces.line[rows], columns + offset
    found.proved[line[~proved]] = False
    new = torch.ones_like(proved)
    if len(found.line):
        line, low, high = (
            torch.cat(pair) for pair in ((found.line, line), (found.low, low), (found.high, high))
        )
        hinge, new = torch.cat([found.hinge, hinge]), torch.cat([torch.zeros_like(found.new), new])
    order = torch.argsort(torch.where(found.proved[line], line + (low + high) / 2, torch.inf))
    line, low, high = line[order], low[order], high[order]
    kept = found.proved[line]
    meets = torch.where(line[1:] == line[:-1], ~(high[:-1] < low[1:]), line[1:] < line[:-1])
    meets &= kept[1:] & kept[:-1]
    if bool(meets.any()):
        found.proved[line[1:][meets]] = False
        found.proved[line[:-1][meets]] = False
        kept = found.proved[line]
    if not bool(kept.all()):
        line, low, high, order = line[kept], low[kept], high[kept], order[kept]
    found.line, found.low, found.high = line, low, high
    found.hinge, found.new = hinge[order], new[order]


def _pieces_between(found: _Found, before: _Pieces, count: int) -> tuple[_Pieces, Tensor]:
    """The pieces between all events, and the piece in `before` that each is a part of."""
    line, lines = found.line, torch.arange(count, device=found.line.device)
    counts = torch.bincount(line, minlength=count)
    owner = torch.repeat_interleave(lines, counts + 1)
    heads = lines + torch.cumsum(counts, 0) - counts
    after = torch.arange(len(line), device=line.device) + line + 1
    start = torch.zeros(len(owner), dtype=found.low.dtype, device=line.device)
    end, sliver, old = torch.ones_like(start), torch.zeros_like(start), torch.zeros_like(owner)
    start[after], end[after - 1] = found.high, found.low
    width = (found.high - found.low) * _UP
    sliver[after] = width
    sliver[after - 1] = torch.maximum(sliver[after - 1], width)
    old[after] = (~found.new).to(old.dtype)
    passed = torch.cumsum(old, 0)
    parents = before.heads[owner] + passed - passed[heads][owner]
    return _Pieces(owner, start, end, sliver, heads), parents
