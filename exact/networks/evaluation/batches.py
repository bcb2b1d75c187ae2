"""Spline codes of many points at once: a float64 filter with a proved error bound, which decides
all hidden layers at a point or none.

A value of the network is a row y with a bound e on the 2-norm of its distance from the exact one.

- Layer: `|fl(w y + b) - (w y* + b*)| <= |w| (e + g |y|) + |dw| (|y| + e) + g |b| + |db|`, where g
  bounds the relative error of a dot product and d what is lost when a rational becomes a float
  (Higham 2002, section 3.1; Cauchy-Schwarz). A hinge is certain where the distance from its bend is
  beyond that. Where all of them are, the pieces are known, so that no activation needs to be
  continuous. The 2-norm of the errors of all neurons follows with the spectral norm of W.
- Norm: rows are first multiplied by a power of two, so that no square leaves the range. For
  LayerNorm the mean is taken off twice: whatever was taken off first, P kills it, and only the
  roundings of the difference are left, however far the mean is. With D the scale computed, d a
  bound on its error and q one on |P x*| / D*, the quotient errs by at most (e + q d) / D.
- Sum: errors add up.

Bounds are rounded up by :data:`UP`, and what may underflow is below :data:`LEAST`; an overflow
makes a bound that no number exceeds. Written in torch alone, for CPU and GPU.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray
from exact.arithmetic.enclosures.affine_maps import LEAST, UP, Affine, row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.nearest import exponent
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalMatrix,
    nearest_float,
    nearest_floats,
    rationals,
    rounding_error,
)
from exact.arithmetic.stored_numbers import is_array, plain_array
from exact.errors import ExactlensError, InvalidInput
from exact.geometry.combinatorics.code_batches import Codes, Errors
from exact.geometry.combinatorics.codes import SplineCode, widths_of
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.steps import Step, Sum, walk
from exact.networks.layers import Layer, Operation, up_to
from exact.networks.norms import Norm

if TYPE_CHECKING:
    from torch import Tensor
_ENTRIES = {"cpu": 1 << 23, "cuda": 1 << 27}  # of the widest array of a chunk: 64 MB, 1 GB
_FURTHEST = 1000  # the powers of two that rows are multiplied by are normal numbers
_NEAR = 200  # no row between 2^-200 and 2^200 is multiplied


@dataclass(frozen=True)
class Rows:
    """B values of the network in float64 (B x n), and bounds on their distances from the exact ones
    (B).
    """

    mid: Tensor
    error: Tensor


class InputRows:
    """The points of an (N x d) array, read in chunks, or of nested rationals."""

    def __init__(self, values: Any, dim: int) -> None:
        values = nested_rows(values, dim)
        if is_array(values) and not hasattr(values, "dtype"):  # a data frame, of many types
            values = plain_array(values, "X")
        values = values.reshape(1, -1) if is_array(values) and np.ndim(values) == 1 else values
        is_plain = is_array(values) and np.ndim(values) == 2 and _kind(values) not in "OUiub"
        self._values = values if is_plain else RationalMatrix.read(values, "X")
        shape = tuple(self._values.shape)
        if len(shape) != 2 or shape[1] != dim:
            raise InvalidInput(
                "X does not fit the network",
                value=f"shape {shape}",
                remedy=f"give an (N, {dim}) array, a point a row",
            )
        self.count = int(shape[0])

    def chunk(self, begin: int, end: int, device: str) -> Rows:
        """Rows begin .. end; those that are not finite stay so."""
        if isinstance(self._values, RationalMatrix):
            mid, error = (
                torch.from_numpy(np.array(x[begin:end])).to(device)
                for x in (self._values.float64(), self._values.float64_error())
            )
            return Rows(mid, row_norms(error))
        mid = torch.from_numpy(plain_array(self._values[begin:end], "X")).to(device)
        return Rows(mid, torch.zeros(len(mid), dtype=torch.float64, device=device))

    def point(self, index: int) -> list[Rational]:
        """One point exactly.

        Raises InvalidInput where it is not finite.
        """
        if isinstance(self._values, RationalMatrix):
            return self._values.row(index)
        row = plain_array(self._values[index : index + 1], "X")[0].tolist()
        return rationals(row, f"X[{index}]")


def _kind(values: Any) -> str:
    """What NumPy calls the kind of a dtype; "f" for floats that it does not know."""
    found = getattr(getattr(values, "dtype", None), "kind", None)
    if found is None:
        floating = not isinstance(values, torch.Tensor) or values.is_floating_point()
        return "f" if floating else "i"
    return "f" if found == "V" else str(found)


def nested_rows(values: Any, dim: int) -> Any:
    """Nested lists as rows: none has the right width, one vector is one row, and floats with a NaN
    among them are an array, whose bad rows can be named.
    """
    if not isinstance(values, list | tuple):
        return values
    if not values:
        return np.zeros((0, dim))
    is_row = not hasattr(values[0], "__len__") or isinstance(values[0], str)
    rows = [values] if is_row else values
    numbers = [x for row in rows if isinstance(row, list | tuple) for x in row]
    broken = any(isinstance(x, float) and not math.isfinite(x) for x in numbers)
    if broken and all(isinstance(x, float) or x == float(x) for x in numbers):
        return np.array(rows, dtype=np.float64)
    return rows


@dataclass(frozen=True)
class BatchFilter:
    """The steps of a network up to a hidden layer, ready for batches on a device."""

    steps: Sequence[Step]
    device: str
    _affine: dict[int, Affine] = field(default_factory=dict)

    def bits(self, points: Rows) -> tuple[list[Tensor], Tensor]:
        """The bits of every hidden layer (B x bits each), and the rows on which all are certain."""
        found, certain = list[torch.Tensor](), torch.ones_like(points.error, dtype=torch.bool)
        number = 0

        def apply(does: Operation, *values: Rows) -> Rows:
            nonlocal number, certain
            number += 1
            if isinstance(does, Sum):
                mid = does.total(value.mid for value in values)
                error = does.total(value.error for value in values)
                sizes = does.total(row_norms(value.mid) for value in values)
                return Rows(mid, (error + len(values) * U * sizes) * UP)
            if isinstance(does, Norm):
                return _normalised(does, values[0])
            z, size = self._pre_activations(does, values[0])
            if does.bits:
                bits, sure = self._signs(does, z, values[0], size)
                certain = certain & sure
                found.append(bits)
            if number == len(self.steps):
                return z
            return _activated(does, self._with_error(does, z, values[0], size), found)

        walk(self.steps, points, apply)
        return found, certain

    def _weights(self, layer: Layer) -> Affine:
        if id(layer) not in self._affine:
            self._affine[id(layer)] = Affine.of(layer.weight, layer.bias).to(self.device)
        return self._affine[id(layer)]

    def _pre_activations(self, layer: Layer, y: Rows) -> tuple[Rows, Tensor]:
        """The pre-activations, of which no error is known yet, and bounds on the norms of what the
        layer reads.
        """
        affine = self._weights(layer)
        z = y.mid @ affine.weight.T
        return Rows(z.add_(affine.bias), y.error), row_norms(y.mid)

    def _with_error(self, layer: Layer, z: Rows, y: Rows, size: Tensor) -> Rows:
        affine = self._weights(layer)
        error = (
            affine.spectral * y.error
            + affine.gamma * (affine.frobenius * size + affine.bias_norm)
            + affine.weight_slack * (size + y.error)
            + affine.bias_slack
        )
        return Rows(z.mid, error * UP + LEAST)

    def _signs(self, layer: Layer, z: Rows, y: Rows, size: Tensor) -> tuple[Tensor, Tensor]:
        """The bits of a layer (B x bits), and the rows on which all are certain.

        A row whose hinges are all beyond the largest bound of the layer needs no other.
        """
        affine, bends = self._weights(layer), layer.activation.breakpoints
        scales = torch.stack([y.error + affine.gamma * size, size + y.error, size * 0 + 1], dim=1)
        rough = scales @ torch.tensor(affine.largest, dtype=torch.float64, device=self.device)
        rough += 0.0 * (size * affine.largest[0])  # nan where a sum may overflow
        bits = torch.empty((*z.mid.shape, len(bends)), dtype=torch.bool, device=self.device)
        certain = torch.ones_like(rough, dtype=torch.bool)
        idle = _idle(layer)
        for k, bend in enumerate(bends):
            gap, slack = z.mid, 0.0
            if bend != 0:
                gap, slack = (
                    z.mid - nearest_float(bend),
                    float(rounding_error(nearest_floats([bend]))[0]),
                )
            torch.gt(gap, 0, out=bits[:, :, k])
            least = torch.linalg.vector_norm(gap, -torch.inf, dim=1)
            left = torch.nonzero(~(least > (rough + slack) * UP + LEAST))[:, 0]
            fine = (scales[left] @ affine.error_rows + slack) * UP + LEAST
            sure = (gap[left].abs() > fine) & gap[left].isfinite()
            for j, value in idle.items():
                bits[:, j, k], sure[:, j] = value > bend, True
            certain[left] &= sure.all(dim=1)
        return bits.reshape(len(bits), -1), certain


def _idle(layer: Layer) -> dict[int, Rational]:
    """The neurons that read nothing, and the constants that they have."""
    zero = (layer.weight.float64() == 0).all(axis=1) if layer.weight.is_float else np.zeros(0)
    return {int(j): layer.bias.row(int(j))[0] for j in np.flatnonzero(zero)}


def _activated(layer: Layer, z: Rows, found: Sequence[Tensor]) -> Rows:
    """The output of a layer, on the pieces that the last bits found choose if it has bends."""
    activation, size = layer.activation, row_norms(z.mid)
    if not activation.is_piecewise_linear:
        steepest, units = activation.float_bounds
        bent = torch.from_numpy(activation.forward_float(z.mid.cpu().numpy()))
        error = steepest * z.error * UP + units * U * size
        return Rows(bent.to(z.mid.device), error * UP + LEAST)
    slopes, shifts = (
        torch.from_numpy(nearest_floats(column)).to(z.mid.device)
        for column in zip(*activation.pieces, strict=True)
    )
    steepest, furthest = float(slopes.abs().max()), float(shifts.abs().max())
    if slopes.tolist() == [0.0, 1.0] and furthest == 0.0:
        return Rows(z.mid.clamp(min=0), z.error)
    pieces = torch.zeros_like(z.mid, dtype=torch.int64)
    if layer.bits:
        pieces = found[-1].reshape(*z.mid.shape, -1).sum(dim=2)
    values = slopes[pieces] * z.mid + shifts[pieces]
    rounding = 4 * U * (steepest * (size + z.error) + furthest * layer.width**0.5)
    return Rows(values, (steepest * z.error * (1 + 4 * U) + rounding) * UP + LEAST)


def _normalised(norm: Norm, x: Rows) -> Rows:
    n, factor = norm.dim, _factors(norm, x.mid)
    if factor is not None:
        x = Rows(x.mid * factor[:, None], x.error * factor + LEAST)
    centred, size = _projected(norm, x)
    unit = torch.ones_like(size) if factor is None else factor
    mean_square = torch.linalg.vector_norm(centred.mid, dim=1).square() / n
    scale = (mean_square + nearest_float(norm.eps_under_root) * unit * unit).sqrt()
    scale = scale + nearest_float(norm.eps_beside_root) * unit
    off = (centred.error / n**0.5 + (n + 16) * U * scale) * UP + LEAST
    if norm.eps > 0 and nearest_float(norm.eps) < LEAST:
        off = off * torch.inf  # its float may be far from it
    low = (scale - off) * (1 - 4 * U)
    ratio = torch.where(low > 0, (size + centred.error) / low, torch.inf) * UP
    error = ((centred.error + ratio * off) / scale + 2 * U * ratio) * UP
    gain, gain_error = _vector(norm.gain)
    bias, bias_error = _vector(norm.bias)
    size_of_bias, loss_of_bias = row_norms(torch.stack([bias, bias_error])).tolist()
    steepest, loss = float(gain.abs().max()), float(gain_error.max())
    error = steepest * error + loss * ratio + 4 * U * (steepest * ratio + size_of_bias)
    values = torch.div(
        centred.mid, scale[:, None], out=None if centred.mid is x.mid else centred.mid
    )
    values.mul_(gain.to(values.device)).add_(bias.to(values.device))
    return Rows(values, (error + loss_of_bias) * UP + LEAST)


def _factors(norm: Norm, x: Tensor) -> Tensor | None:
    """The power of two by which each row is multiplied (B), so that neither the squares of its
    entries nor eps leave the range; None where every row stays as it is.
    """
    small = -_FURTHEST if norm.eps == 0 else exponent(norm.eps)
    small = (small + 1) // 2 if norm.eps > 0 and norm.eps_rule == "var" else small
    largest = torch.linalg.vector_norm(x, torch.inf, dim=1)
    power = ((largest.view(torch.int64) >> 52) - 1022).clamp(min=small).clamp(-_FURTHEST, _FURTHEST)
    power = torch.where(power.abs() <= _NEAR, 0, power)
    return (1023 - power << 52).view(torch.float64) if bool(power.any()) else None


def _vector(column: RationalMatrix) -> tuple[Tensor, Tensor]:
    """The floats of a column, and bounds on their errors."""
    first, second = (
        torch.from_numpy(x[:, 0].copy()) for x in (column.float64(), column.float64_error())
    )
    return first, second


def _projected(norm: Norm, x: Rows) -> tuple[Rows, Tensor]:
    """P of rows, and bounds on the norms of what was computed."""
    n, projector = norm.dim, norm.projector()
    if projector == "identity":
        return x, row_norms(x.mid)
    if projector == "mean":
        centred = x.mid - x.mid.mean(dim=1, keepdim=True)
        size = row_norms(centred)
        centred -= centred.mean(dim=1, keepdim=True)
        return Rows(centred, (x.error + (n + 8) * U * size) * UP + LEAST), size * UP
    assert isinstance(projector, RationalMatrix)
    matrix = torch.from_numpy(np.array(projector.float64()))
    lost = torch.from_numpy(np.array(projector.float64_error()))
    whole, slack = (float(row_norms(m.reshape(1, -1))) for m in (matrix, lost))
    error = x.error + ((n + 4) * U * whole * UP + slack) * row_norms(x.mid)
    found = x.mid @ matrix.to(x.mid.device).T
    return Rows(found, error * UP + LEAST), row_norms(found)


def float_rows(x: Any, dim: int) -> FloatArray:
    """One point (dim), or points as rows (B x dim), in float64."""
    array = plain_array(x, "x") if is_array(x) else None
    if array is not None and array.dtype.kind in "OU":
        found = RationalMatrix.read(np.atleast_2d(array), "x").float64()
        inputs = found if array.ndim == 2 else found.reshape(array.shape)
    elif array is not None:
        inputs = np.asarray(array, dtype=np.float64)
    else:
        rows = nested_rows(x, dim)
        is_point = isinstance(x, list | tuple) and len(x) > 0 and rows is not x
        is_read = isinstance(rows, np.ndarray)
        inputs = rows if is_read else RationalMatrix.read(rows, "x").float64()
        inputs = inputs[0] if is_point and len(inputs) == 1 else inputs
    if inputs.ndim not in (1, 2) or inputs.shape[-1] != dim:
        raise InvalidInput(
            "input does not fit the network", value=inputs.shape, remedy=f"give {dim} columns"
        )
    return inputs


# ---- batches


def codes_of(
    steps: Sequence[Step],
    layers: tuple[int, int],
    points: InputRows,
    decide: Callable[[list[Rational]], SplineCode],
    device: str = "cpu",
    errors: Errors = "raise",
) -> Codes:
    """The codes of hidden layers K..L at all points; `decide` is asked for those of the points on
    which the filter abstains, and behind maxima, which it does not know, for all.
    """
    require_device(device)
    if errors not in ("raise", "keep"):
        raise InvalidInput(
            "errors is neither raise nor keep", value=repr(errors), remedy='write errors="keep"'
        )
    first, last = layers
    needed = up_to(steps, last)
    hidden = [does for does, *_ in needed if getattr(does, "bits", 0)][first - 1 :]
    symbols = [values for layer in hidden for values in layer.symbols]
    sizes = tuple(layer.bits for layer in hidden)
    packed = np.zeros((points.count, (sum(sizes) + 7) // 8), dtype=np.uint8)
    exact, failures = 0, dict[int, ExactlensError]()
    chunks: Iterable[tuple[int, ByteArray, BitArray]] = ()
    if any(isinstance(does, Maximum) for does, *_ in needed):
        chunks = [(0, packed, np.zeros(points.count, bool))]
    elif symbols:
        chunks = _filtered(BatchFilter(needed, device), points, first)
    for begin, found, certain in chunks:
        packed[begin : begin + len(found)] = found
        for place in np.flatnonzero(~certain):
            row, exact = begin + int(place), exact + 1
            try:
                packed[row] = np.frombuffer(decide(points.point(row)).packed, np.uint8)
            except ExactlensError as error:
                failures[row] = _named(error, row)
                if errors == "raise":
                    raise failures[row] from error
                packed[row] = 0
    decisions = {"filter": points.count - exact, "exact": exact - len(failures)}
    return Codes(packed, sizes, widths_of(symbols), decisions, failures)


def _filtered(
    made: BatchFilter, points: InputRows, first: int
) -> Iterator[tuple[int, ByteArray, BitArray]]:
    """Chunks: where they begin, the packed bits of the layers from `first` on, and which rows are
    certain.
    """
    widest = max(max(does.shape) for does, *_ in made.steps if isinstance(does, Layer))
    size = max(1, _ENTRIES[made.device.partition(":")[0]] // widest)
    for begin in range(0, points.count, size):
        rows = points.chunk(begin, min(points.count, begin + size), made.device)
        bits, certain = made.bits(rows)
        certain &= torch.linalg.vector_norm(rows.mid, torch.inf, dim=1).isfinite()
        asked = bits[first - 1 :]
        yield begin, _packed(asked), certain.cpu().numpy()


def _packed(layers: Sequence[Tensor]) -> ByteArray:
    bits = layers[0] if len(layers) == 1 else torch.cat(list(layers), dim=1)
    if bits.device.type == "cpu":
        return np.packbits(bits.numpy(), axis=1)
    whole = torch.nn.functional.pad(bits, (0, -bits.shape[1] % 8)).reshape(len(bits), -1, 8)
    weights = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], device=bits.device, dtype=torch.uint8)
    packed: ByteArray = (whole * weights).sum(dim=2, dtype=torch.uint8).cpu().numpy()
    return packed


def _named(error: ExactlensError, row: int) -> ExactlensError:
    remedy = f'{error.remedy}, or write errors="keep" to mark such rows and go on'
    return type(error)(f"row {row} of X: {error.wrong}", value=error.value, remedy=remedy)


def require_device(device: str) -> None:
    """InvalidInput unless torch can compute on the device."""
    known = isinstance(device, str) and re.fullmatch(r"(cpu|cuda)(:\d+)?", device) is not None
    if not known or (device.startswith("cuda") and not torch.cuda.is_available()):
        raise InvalidInput(
            "no such device is available", value=repr(device), remedy='write device="cpu"'
        )


def hidden_of(steps: Sequence[Step], rows: FloatArray, activated: bool) -> tuple[FloatArray, ...]:
    """The pre-activations of the hidden layers in plain float64, or what they make of them."""
    found = list[FloatArray]()

    def apply(does: Operation, *values: FloatArray) -> FloatArray:
        if not isinstance(does, Layer):
            return does.forward_float(*values)
        z = np.asarray(does.operator.apply_float(values[0]) + does.bias.float64().T)
        y = does.activation.forward_float(z)
        found.extend([y if activated else z] if does.bits else [])
        return y

    walk(steps, rows, apply)
    return tuple(found)
