"""Bounds with proof on the critical radii of many directions behind a norm with eps > 0.

Along the ray of x the image y = s sqrt(n) u of the norm, u = P x / |P x|, runs from s = 0 to 1, and
hinge j of the first hidden layer is `sqrt(n) |w_j| (s cos phi_j - cos theta_j)`, with `cos phi_j =
u . w_j / |w_j|` and `cos theta_j = -c_j / (sqrt(n) |w_j|)`: it flips at `s = cos theta_j / cos
phi_j` iff that lies in (0, 1). The last flip is that of the largest s, and the radius grows with s
(mathematics.md, "Critical radii").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.nearest import exponent, in_range, scaled_by
from exact.arithmetic.numbers import FloatArray, nearest_float, nearest_floats
from exact.arithmetic.texts.printing import short_repr
from exact.errors import Unsupported
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.instruments.batches.hinges.exact_points import defined
from exact.instruments.batches.hinges.hinge_rows import NEARLY, ROOM, HingeRows, projected
from exact.instruments.batches.points import read_rows
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.regions.engine import require_ball

if TYPE_CHECKING:
    from torch import Tensor
_CHUNK = 1 << 20  # entries of the largest array of a chunk
_DOWN, _UP = 1.0 - 2.0**-48, 1.0 + 2.0**-48  # outward rounding of a few float operations
_LEAST = 2.0**-1074  # what a length may lose to underflow
_REPLACED = 16 * U  # relative error of a normal that was rounded from its exact one


@members_in_ieee_floats
@short_repr
@dataclass(frozen=True)
class RadiusBounds(Tabular):
    """Float64 bounds with proof on the critical radii of many directions: `lower <= r <= upper`,
    shape (N,) each.

    0 on both sides: no neuron flips for certain. `upper` is infinite where floats cannot exclude a
    flip close to the sphere; :func:`exact.critical_radii` decides such a direction exactly.
    `lengths_float` are the radii |P x| at which the rows themselves lie, within `lengths_bound`:
    beyond its critical radius a row has the code of its direction.
    """

    lower: FloatArray
    upper: FloatArray
    lengths_float: FloatArray
    lengths_bound: FloatArray

    def columns(self) -> Columns:
        """A line for each direction: row, lower, upper, length, length_bound."""
        return {
            "row": np.arange(len(self.lower)),
            "lower": self.lower,
            "upper": self.upper,
            "length": self.lengths_float,
            "length_bound": self.lengths_bound,
        }


@in_ieee_floats
def critical_radii_float(network: Network, directions: Any, device: str = "cpu") -> RadiusBounds:
    """Bounds on the critical radius of every row of `directions` (N x n numbers), for one hidden
    layer behind the norm.

    Cost: one matrix product of the directions with the weights and some ten float operations for
    each direction and neuron, in bounded memory. Raises InvalidInput where P x is zero and for what
    is not finite, Unsupported for several hidden layers, and what
    :func:`exact.regions.engine.behind_norm` raises.

    >>> from exact.sources import tensors
    >>> network = tensors.block([[3, 0]], [-1], [[1]], [0], norm="rms", eps=1)
    >>> bounds = critical_radii_float(network, [[1, 0], [-1, 0]])
    >>> bounds.lower.round(6).tolist(), bounds.upper.round(6).tolist()
    ([0.342997, 0.0], [0.342997, 0.0])
    >>> bounds.lengths_float.tolist()
    [1.0, 1.0]
    """
    require_ball(network)
    require_one_layer(network)
    norm = network.norms[0]
    given = read_rows(directions, network.input_dim, name="directions")
    rows = defined(norm, given, "raise")
    hinges = _Hinges.of(HingeRows(norm, network.hidden_layers[0]), device)
    lower, upper, lengths, bounds = np.zeros((4, len(rows)))
    size = max(16, _CHUNK // max(1, len(hinges.heights)))
    for start in range(0, len(rows), size):
        stop = min(len(rows), start + size)
        x, powers = rows.floats(start, stop, device)
        image, error = projected(norm, x, 2 * U * row_norms(x))
        low, high = hinges.last_flips(image, error)
        near = torch.linalg.norm(image, dim=1)
        off = error * ROOM + near * (norm.dim + 4) * U
        for into, values in ((lengths, near), (bounds, off)):
            into[start:stop] = np.ldexp(values.cpu().numpy(), powers.cpu().numpy())
        lower[start:stop] = _radius(norm, low, False).cpu().numpy()
        upper[start:stop] = _radius(norm, high, True).cpu().numpy()
    return RadiusBounds(lower, upper, lengths, bounds + _LEAST)


def require_one_layer(network: Network) -> None:
    """Raise Unsupported where more than one layer stands behind the norm in front of the output."""
    layers = network.hidden_layers
    if len(layers) != 1 or network.blocks[0].layers[0] is not layers[0]:
        raise Unsupported(
            "this needs one hidden layer right behind the norm",
            value=network.widths,
            remedy="use critical_radii(network, x), one direction at a time",
        )


@dataclass(frozen=True)
class _Hinges:
    """The hinges that flip somewhere, each turned so that it flips where `s normal . u = height`
    (m x n and m, height >= 0 or not known to be), with the errors of both.
    """

    normals: Tensor
    normal_error: float
    heights: Tensor
    errors: Tensor

    @classmethod
    def of(cls, source: HingeRows, device: str) -> _Hinges:
        """Floats where they know a hinge, else its exact normal and offset, rounded."""
        unit = source.floats(device)
        lengths, offsets = unit.lengths.clone(), unit.offsets.clone()
        normals, relative = unit.normals.clone(), unit.relative.clone()
        errors = unit.offset_errors.clone()
        unclear = ~unit.known | (offsets.abs() <= errors)
        flips = torch.ones_like(unit.known)
        for j in torch.nonzero(unclear)[:, 0].tolist():
            if unit.known[j]:
                exactly = source.offset(j)
                flips[j], offsets[j] = exactly != 0, nearest_float(exactly)
                errors[j] = _rounding(offsets[j])
                continue
            exact = source.exact(j)
            cut = exact.offset * exact.offset < source.dim * exact.square
            flips[j] = bool(cut) and exact.offset != 0
            if flips[j]:
                *row, offset = nearest_floats(in_range([*exact.normal, exact.offset])).tolist()
                found = torch.tensor(row, dtype=torch.float64, device=device)
                lengths[j] = torch.linalg.norm(found)
                normals[j], relative[j] = found / lengths[j], _REPLACED
                offsets[j] = offset
                errors[j] = _rounding(offsets[j])
        kept = torch.nonzero(flips)[:, 0]
        chosen = replace(
            unit,
            normals=normals[kept],
            lengths=lengths[kept],
            relative=relative[kept],
            offsets=offsets[kept],
            offset_errors=errors[kept],
        )
        cap = chosen.cap(source.dim)
        side = torch.where(cap.cosine < 0, -1.0, 1.0)
        return cls(
            chosen.normals * side[:, None], chosen.normal_error, cap.cosine * side, cap.cosine_error
        )

    def last_flips(self, image: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds on the largest s^2 at which a hinge flips along each P x (N x n, each within its
        `error`), 0 where none does, 1 where floats do not know better.
        """
        none = image.new_zeros(len(image))
        if not len(self.heights):
            return none, none
        length, n = torch.linalg.norm(image, dim=1), image.shape[1]
        slack = (2 * error / length) * ROOM + (n + 4) * U * ROOM
        slack = torch.where(slack < NEARLY, slack, inf)[:, None]
        loose = (slack + self.normal_error + (n + 2) * U) * ROOM
        along = (image / length[:, None]) @ self.normals.T
        least, most = (self.heights - self.errors) * _DOWN, (self.heights + self.errors) * _UP
        near, far = (along - loose) * _DOWN, (along + loose) * _UP
        is_known = least > 0
        sure = is_known & (near > most)
        low = torch.where(sure, least / far, 0.0).amax(dim=1)
        # an offset of unknown sign may flip on either side
        near = torch.where(is_known, near, torch.maximum(near, (-along - loose) * _DOWN))
        ruled_out = is_known & (far <= least)
        high = torch.where(near > most, most / near, 1.0).masked_fill(ruled_out, 0.0).amax(dim=1)
        return _squares(low.nan_to_num(nan=0.0), high)


def _rounding(offset: Tensor) -> Tensor:
    """Of a rational to this float, underflow included."""
    return 2 * U * offset.abs() + 2.0**-1070


def _squares(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Both squared, outwards: what underflows is 0 below and the least normal float above."""
    least = torch.finfo(low.dtype).tiny
    below, above = low * low * _DOWN, (high * high * _UP).clamp(min=least, max=1.0)
    return torch.where(below > least, below, 0.0), torch.where(high > 0, above, 0.0)


def _radius(norm: Norm, s_squared: Tensor, upwards: bool) -> Tensor:
    """r at s^2, rounded outwards: it grows with s. The power of two in eps, or in its root, is put
    in last.
    """
    outward, n = _UP if upwards else _DOWN, float(norm.dim)
    power = exponent(norm.eps) // 2 if norm.eps_rule == "var" else exponent(norm.eps)
    eps = (
        nearest_float(scaled_by(norm.eps, -2 * power if norm.eps_rule == "var" else -power))
        * outward
    )
    # exact to half an ulp of at most 1; its error counts where it is small
    rest = (1.0 - s_squared).clamp(min=0.0)
    rest = (rest - 2.0**-52 if upwards else rest + 2.0**-52).clamp(min=0.0)
    if norm.eps_rule == "var":
        value = (n * eps * s_squared / rest).sqrt()
    else:
        value = eps * sqrt(n) * (s_squared + s_squared.sqrt()) / rest
    value = value.nan_to_num(nan=0.0, posinf=inf) * outward
    for half in (power // 2, power - power // 2):  # at once, 2^power might be no float
        value = torch.ldexp(value, torch.tensor(half, device=value.device))
    # past what an underflow rounds
    beyond = torch.nextafter(value, torch.full_like(value, inf if upwards else 0.0))
    return torch.where(s_squared > 0, beyond, value)
