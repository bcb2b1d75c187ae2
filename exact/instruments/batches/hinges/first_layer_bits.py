"""The bits of the first hidden layer at many points, proved: a float filter, then surds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.instruments.batches.hinges.exact_points import ExactPoints
from exact.instruments.batches.hinges.hinge_rows import NEARLY, ROOM, HingeRows, projected
from exact.instruments.batches.hinges.read_off import scaled_eps
from exact.instruments.batches.points import Rows

if TYPE_CHECKING:
    from torch import Tensor
_CHUNK = 1 << 20  # entries of a chunk


def first_layer_bits(rows: Rows, hinges: HingeRows, device: str = "cpu") -> BitArray:
    """Whether each hinge is on at each row (N x m); off at unusable rows, among which the caller
    counts those where the norm is undefined.
    """
    unit, exactly = hinges.floats(device), ExactPoints(hinges.norm, hinges, rows)
    found = np.zeros((len(rows), len(hinges.hinges)), dtype=bool)
    size = max(16, _CHUNK // max(1, len(hinges.hinges)))
    for start in range(0, len(rows), size):
        x, powers = rows.floats(start, min(len(rows), start + size), device)
        image, error = projected(hinges.norm, x, 2 * U * row_norms(x))
        length = torch.linalg.norm(image, dim=1)
        slack = 2 * error / length * ROOM + (x.shape[1] + 4) * U * ROOM
        along = (image @ unit.normals.T) / length[:, None]
        loose = (slack + unit.normal_error + (2 * x.shape[1] + 8) * U) * ROOM
        height, height_error = unit.heights
        factor = _factor(hinges, length, powers)[:, None]
        value = along + height * factor
        wide = loose[:, None] + (height_error + 8 * U * height.abs()) * factor
        wide = wide + height.abs() * factor * (slack + 16 * U)[:, None] + 4 * U * value.abs()
        known = (value.abs() > wide * ROOM + LEAST_ROOT) & unit.known & (slack < NEARLY)[:, None]
        found[start : start + len(x)] = (value > 0).cpu().numpy()
        for i, j in torch.nonzero(~known).tolist():
            if rows.usable[start + i]:
                found[start + i, j] = exactly.is_on(start + i, j)
    found[~rows.usable] = False
    return found


def _factor(hinges: HingeRows, length: Tensor, powers: Tensor) -> Tensor:
    """What multiplies offset / |w| beside cos phi: without a norm 1 / |x|, behind one (|P x|^2 + n
    eps)^(1/2) / (sqrt(n) |P x|), or (1 + sqrt(n) eps / |P x|) / sqrt(n).
    """
    norm = hinges.norm
    if norm is None:
        plain: Tensor = torch.ldexp(1.0 / length, -powers)
        return plain
    eps = torch.from_numpy(scaled_eps(norm, powers.cpu().numpy())).to(length.device)
    shift = eps / length if norm.eps_rule == "std" else eps / length**2
    factor = 1.0 + shift if norm.eps_rule == "std" else torch.sqrt(1.0 + shift)
    scaled: Tensor = factor / norm.dim**0.5
    return scaled
