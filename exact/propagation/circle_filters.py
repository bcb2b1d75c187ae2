"""Float64 filters for many circles at once: where the neurons of one layer cross them, with proved
enclosures, or no answer.

On circle i every hinge is `p cos t + q sin t + c` times a positive factor, up to an error that one
matrix product with the row norms bounds: `|w_j| e_i + |c_j| k_i + dc_j`. The basis of each circle
is orthonormal up to rounding, and k_i bounds what is missing. Floats propose both zeros in closed
form; a zero counts when the slope exceeds the error (see
:func:`circle_zeros`). Rationals enter as floats within 2 U of them, relatively; their underflow is
nothing beside the least
error of 2^-400, since norms beyond 2^512 overflow and prove nothing. Written in torch alone, for
CPU and GPU. Sources: Higham 2002, section 3.1; Cauchy-Schwarz; Taylor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT_SCALED, U, inflation
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, nearest_float
from exact.networks.layers import Layer
from exact.networks.norms import Norm

if TYPE_CHECKING:
    from torch import Tensor
_UP = inflation(1 << 22)  # bounds are summed over the columns of a layer
_LEAST = LEAST_ROOT_SCALED  # norms times rows; norms beyond 2^512 overflow
_NOWHERE = 8.0  # beyond every diamond angle
_NEARLY = 2.0**-20  # a basis further from orthonormal than this is left to exact arithmetic


@dataclass(frozen=True)
class ReadOut:
    """The first layer as it reads a circle: rows w_j, offsets c_j with bounds on their errors
    (tensors).

    P of the norm, if any, comes first: `centred` says that it takes the mean off, `projector` is
    any other P that is not the identity, and `projector_norms` bounds the Frobenius norms of that
    and of its rounding error; `gain` multiplies then. `radius_squared` is the squared radius of the
    circle before gain. With several bends to a neuron its row stands once for each in
    `weight_norms` and `offsets`, but once in `weight`. `is_zero` marks hinges that are exactly zero
    everywhere: always off, never crossed.
    """

    weight: Tensor
    weight_norms: Tensor
    offsets: Tensor
    offset_errors: Tensor
    centred: bool
    projector: Tensor | None
    projector_norms: tuple[float, float]
    gain: Tensor | None
    radius_squared: float
    is_zero: Tensor

    @classmethod
    def of(cls, layer: Layer, norm: Norm | None, radius_squared: Rational, device: str) -> ReadOut:
        """A layer behind a norm or none, on circles of the given squared radius before gain and
        bias.
        """
        bends = len(layer.activation.breakpoints)
        weight, bias = _floats(layer.weight, device), _floats(layer.bias, device)[:, 0]
        norms, errors = row_norms(weight), torch.zeros_like(bias)
        if norm is not None and any(norm.bias.column()):
            shift, h = _floats(norm.bias, device)[:, 0], weight.shape[1] + 8
            errors = errors + h * U * norms * float(row_norms(shift[None])) * _UP
            bias = bias + weight @ shift
        thresholds = _floats(
            RationalMatrix.from_rationals(list(layer.activation.breakpoints)), device
        )[:, 0]
        offsets = bias[:, None] - thresholds
        errors = (errors[:, None] + 6 * U * (thresholds.abs() + offsets.abs())).reshape(-1)
        norms, offsets = norms.repeat_interleave(bends), offsets.reshape(-1)
        is_zero = (
            (norms == 0)
            & (offsets == 0)
            & (errors == 0)
            & (layer.weight.is_float and layer.bias.is_float)
        )
        gain = None if norm is None else _floats(norm.gain, device)[:, 0]
        projector = "identity" if norm is None else norm.projector()
        p, p_norms = (
            (None, (0.0, 0.0)) if isinstance(projector, str) else _projector(projector, device)
        )
        square = nearest_float(radius_squared)
        return cls(
            weight, norms, offsets, errors, projector == "mean", p, p_norms, gain, square, is_zero
        )

    def for_bends(self, values: Tensor) -> Tensor:
        """Values of neurons (B x width) for each of their bends (B x m)."""
        bends = len(self.offsets) // max(1, values.shape[1])
        return values if bends == 1 else values.repeat_interleave(bends, dim=1)


def _projector(matrix: RationalMatrix, device: str) -> tuple[Tensor, tuple[float, float]]:
    rows = [
        torch.from_numpy(x.reshape(1, -1).copy())
        for x in (matrix.float64(), matrix.float64_error())
    ]
    return _floats(matrix, device), (float(row_norms(rows[0])), float(row_norms(rows[1])))


def _floats(matrix: RationalMatrix, device: str) -> Tensor:
    """A matrix in float64: every entry within 2 U of the exact one, relatively, or an underflow."""
    return torch.from_numpy(np.array(matrix.float64())).to(device)


@dataclass(frozen=True)
class Bases:
    """For B circles the basis `u, scale (v - share u)`, its coordinates in the layer's input, and
    bounds on their errors.

    `inner` is (2 B x n): the images of both basis vectors times `factor`, circle by circle; the
    functions are those of the layer times this factor, which makes the form of the basis 1 on unit
    vectors. `errors` is (B x 2): what multiplies |w_j| and |c_j|. Where `usable` is False nothing
    is known.
    """

    share: Tensor
    scale: Tensor
    factor: Tensor
    inner: Tensor
    errors: Tensor
    usable: Tensor


@dataclass(frozen=True)
class CircleZeros:
    """Zeros of B x m functions in diamond angles: where `crosses`, within `width` of `falling` and
    of `rising`, modulo 4.

    Counter-clockwise the sign goes from plus to minus at the falling zero, from minus to plus at
    the rising one; there is no third zero. Where `misses` the function has no zero and the sign of
    its offset. Elsewhere the filter abstains.
    """

    falling: Tensor
    rising: Tensor
    width: Tensor
    crosses: Tensor
    misses: Tensor


def bases(read: ReadOut, u: Tensor, v: Tensor, u_error: Tensor, v_error: Tensor) -> Bases:
    """Nearly orthonormal bases of the circles through rows of u and v, which lie within the given
    2-norms of the exact ones.

    With a, t the computed images of u and v - share u, of errors e_a and e_t: r = radius / |a| and
    scale = |a| / |t| make `r^2 Q / radius^2` differ from 1 by at most |a t| / (|a| |t|) + 4.1 g +
    3.2 (e_a / |a| + e_t / |t|) + 16 U on unit vectors, where Q is the exact quadratic form of the
    basis. g bounds the relative error of a dot product, that of its rows and of the images
    included.
    """
    g = (u.shape[1] + 16) * U
    a, a_error = _centred(read, u, u_error, g)
    b, b_error = _centred(read, v, v_error, g)
    square = (a * a).sum(dim=1)
    share = (a * b).sum(dim=1) / square
    t = b - share[:, None] * a
    length, height = square.sqrt(), torch.linalg.norm(t, dim=1)
    t_error = b_error + share.abs() * a_error + 3 * U * (share.abs() * length + height) * _UP
    scale, r = length / height, 1.0 / (square / read.radius_squared).sqrt()
    skew = (a * t).sum(dim=1).abs() / (length * height)
    loose = a_error / length + t_error / height
    first, first_error = _image(read, a, a_error, r)
    second, second_error = _image(read, t, t_error, scale * r)
    inexact = torch.stack(
        [first_error + g * row_norms(first), second_error + g * row_norms(second)], dim=1
    )
    tilt = 1.25 * (skew + 4.1 * g + 3.2 * loose + 32 * U)
    errors = torch.stack([torch.linalg.norm(inexact, dim=1), tilt], dim=1) * _UP + _LEAST
    usable = (tilt < _NEARLY) & (loose < _NEARLY) & errors.isfinite().all(dim=1)
    usable &= (
        scale.isfinite()
        & (scale > 0)
        & share.isfinite()
        & (square > _LEAST)
        & (height * height > _LEAST)
    )
    return Bases(
        share, scale, r, torch.stack([first, second], dim=1).reshape(-1, u.shape[1]), errors, usable
    )


def _centred(read: ReadOut, x: Tensor, error: Tensor, g: float) -> tuple[Tensor, Tensor]:
    # |P| <= 1 for the error of x, Cauchy-Schwarz for the rounding of the product
    if read.projector is not None:
        size, inexact = read.projector_norms
        return x @ read.projector.T, (error + row_norms(x) * ((g + 2 * U) * size + inexact)) * _UP
    if not read.centred:
        return x, error
    return x - x.mean(dim=1, keepdim=True), error + (g + 2 * U) * row_norms(x)


def _image(read: ReadOut, x: Tensor, error: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """`factor gain x`, and its error; the rounding of these products and of the gain is left to the
    product with the rows.
    """
    if read.gain is None:
        return x * factor[:, None], error * factor
    return x * read.gain * factor[:, None], float(read.gain.abs().max()) * error * factor * _UP


def function_errors(read: ReadOut, errors: Tensor) -> Tensor:
    """For circles with the given `errors` (B x 2) a bound on the error of each of m functions at
    unit vectors (B x m).
    """
    rows = torch.stack([read.weight_norms, read.offsets.abs()])
    return torch.addmm(2 * read.offset_errors, errors, rows) * _UP + _LEAST


def circle_zeros(p: Tensor, q: Tensor, c: Tensor, error: Tensor) -> CircleZeros:
    """Enclose the zeros of functions within `error` of `p cos t + q sin t + c` that have at most
    two zeros each.

    With R^2 = p^2 + q^2 and h^2 = R^2 - c^2, `R (cos(d -+ w) - cos d)` for sin d = h / R is beyond
    -+E for all w in [2 E / h, h / R], by Taylor's theorem. K = E + 8 U R makes up for rounding: for
    h^2 > 4 R K the computed h^2 is within 13 per cent, and the computed diamond angle within 16 U R
    / h of that of the proposal, so that 3 K / h encloses a change of sign with room for its own
    rounding. Beyond |c| > R + K there is no zero. Overflow makes comparisons fail, and an underflow
    of 2^-1074 is nothing beside errors of at least 2^-400.
    """
    square, minus = torch.addcmul(p * p, q, q), -c
    radius, height = square.sqrt(), square - c * c
    slack = torch.add(error, radius, alpha=8 * U)
    far = torch.where(c.isfinite(), minus.abs(), 0.0 * minus)
    crosses, misses = height > 4.0 * radius * slack, far > (radius + slack) * _UP
    root = height.sqrt()
    width = 3.0 * slack / root
    x, y, across, along = minus * p, minus * q, root * q, root * p
    return CircleZeros(
        _diamond(x - across, y + along), _diamond(x + across, y - along), width, crosses, misses
    )


def _diamond(x: Tensor, y: Tensor) -> Tensor:
    """Diamond angles in [0, 4], within 7 U of those of the float directions: 1 - x / (|x| + |y|)
    above, 3 + ... below.
    """
    above = x / (x.abs() + y.abs()) + 1.0
    return 2.0 - torch.copysign(above, y)


@dataclass(frozen=True)
class CircleEvents:
    """The zeros of B circles in order: circle i has counts[i] events, one after another in `rows`,
    `low` and `high`.

    `bits` (B x m) are the signs just after (1, 0). `proved` says that all is certain on circle i:
    every function crosses or misses, and no enclosure overlaps another one or (1, 0). `undecided`
    (B x m) marks the functions on which the filter abstained, which have no event.
    """

    counts: IndexArray
    rows: np.ndarray[Any, np.dtype[np.int32]]
    low: FloatArray
    high: FloatArray
    bits: BitArray
    proved: BitArray
    undecided: BitArray


def circle_events(zeros: CircleZeros, offsets: Tensor, is_zero: Tensor) -> CircleEvents:
    """Sort the zeros of every circle. A function that crosses is on just after (1, 0) iff it falls
    before it rises.
    """
    crosses, known = zeros.crosses, zeros.crosses | zeros.misses | is_zero
    keys = torch.cat([zeros.falling, zeros.rising], dim=1)
    keys.view(len(keys), 2, len(offsets)).masked_fill_(~crosses[:, None, :], _NOWHERE)
    order = _argsort(keys)
    sigma = keys.gather(1, order)
    width = torch.cat([zeros.width, zeros.width], dim=1).gather(1, order)
    low, high = sigma - width, sigma + width
    bits = torch.where(crosses, zeros.falling < zeros.rising, (offsets > 0) & ~is_zero)
    counts = 2 * crosses.sum(dim=1)
    apart = (high[:, :-1] < low[:, 1:]) | (sigma[:, 1:] == _NOWHERE)
    ends = high.gather(1, (counts[:, None] - 1).clamp(min=0))[:, 0]
    inside = (counts == 0) | ((low[:, :1] > 0).all(dim=1) & (ends < 4))
    proved = apart.all(dim=1) & inside & known.all(dim=1)
    sizes, *sorted_arrays = (x.cpu().numpy() for x in (counts, order, low, high))
    rows, *bounds = (
        np.concatenate([row[:size] for row, size in zip(x, sizes.tolist(), strict=True)])
        for x in sorted_arrays
    )
    rows = rows.astype(np.int32)
    rows -= (rows >= len(offsets)) * np.int32(len(offsets))
    return CircleEvents(
        sizes, rows, bounds[0], bounds[1], *(x.cpu().numpy() for x in (bits, proved, ~known))
    )


def _argsort(keys: Tensor) -> Tensor:
    """The order of each row; numpy sorts several times faster on a CPU."""
    if keys.device.type == "cpu":
        return torch.from_numpy(np.argsort(keys.numpy(), axis=1))
    return keys.argsort(dim=1)
