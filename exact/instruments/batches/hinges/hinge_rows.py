"""The hinges of the first hidden layer as unit normals in float64 with proved errors, and exactly.

Without a norm hinge j is `w_j . x + c_j`. Behind a norm it is `sqrt(n) w_j . y + c_j sqrt(|y|^2 +
n eps)` over y = P x, times a positive factor, with `w_j = P (gain W_j)` and `c_j = b_j + W_j . bias
- t`: on the sphere a cap around w_j, on within the angle theta_j, `cos theta_j = -c_j / (sqrt(n)
|w_j|)`. It cuts the sphere iff `c_j^2 < n |w_j|^2` (mathematics.md, "Nearest boundaries"). Floats
decide that, and what they leave open rationals do. Source of the bounds: Higham 2002, section
3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import Rational, RationalArray, RationalMatrix
from exact.errors import Unsupported
from exact.geometry.combinatorics.codes import Hinge
from exact.networks.evaluation.required import require_network
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm

if TYPE_CHECKING:
    from torch import Tensor
ROOM = 1.0 + 2.0**-6  # for products of two errors, and for the rounding of the bounds
NEARLY = 2.0**-36  # a relative error beyond it is left to exact arithmetic


@dataclass(frozen=True)
class ExactHinge:
    """`normal . y + offset`, as in the docstring above, with |normal|^2."""

    normal: list[Rational]
    offset: Rational
    square: Rational


@dataclass(frozen=True)
class HingeRows:
    """The first hidden layer of a network, right at the input or right behind a norm."""

    norm: Norm | None
    layer: Layer

    @classmethod
    def of(cls, network: Network, asker: str) -> HingeRows:
        """Raises Unsupported where another layer stands in front of the first hidden one,
        InvalidInput for what is no network.
        """
        require_network(network)
        block = network.blocks[0]
        if not block.layers[0].bits:
            raise Unsupported(
                f"{asker} needs the first hidden layer at the input or right behind a norm",
                value=f"first layer of {block.layers[0].width} neurons without bends",
                remedy="fold the linear layers in front into it",
            )
        if block.norm is not None and block.norm.sphere_dim < 1:
            raise Unsupported(
                f"{asker} needs a norm whose sphere is at least a circle",
                value=f"a sphere of dimension {block.norm.sphere_dim}",
                remedy="take partition(network, Sphere())",
            )
        return cls(block.norm, block.layers[0])

    @property
    def dim(self) -> int:
        """The width n of the input."""
        return self.layer.input_dim

    @cached_property
    def hinges(self) -> tuple[Hinge, ...]:
        """The hinges, in the order of the code."""
        bends = range(len(self.layer.activation.breakpoints))
        return tuple(Hinge(1, neuron, k) for neuron in range(self.layer.width) for k in bends)

    @cached_property
    def _known(self) -> dict[int, ExactHinge]:
        return {}

    def exact(self, index: int) -> ExactHinge:
        """Hinge number `index` in rationals; remembered."""
        if index not in self._known:
            self._known[index] = self._exact(index)
        return self._known[index]

    def offset(self, index: int) -> Rational:
        """The offset of hinge number `index`, without its normal."""
        hinge = self.hinges[index]
        found = self.layer.bias.row(hinge.neuron)[0]
        found -= self.layer.activation.breakpoints[hinge.breakpoint]
        if self.norm is not None and any(self.norm.bias.column()):
            found += dot(self.layer.operator.row(hinge.neuron), self.norm.bias.column())
        return found

    def _exact(self, index: int) -> ExactHinge:
        row = self.layer.operator.row(self.hinges[index].neuron)
        offset = self.offset(index)
        if self.norm is not None:
            scaled = [w * g for w, g in zip(row, self.norm.gain.column(), strict=True)]
            row = list(self.norm.project(RationalArray(len(row), 1, scaled)).entries())
        return ExactHinge(row, offset, dot(row, row))

    def floats(self, device: str) -> UnitHinges:
        """All hinges in float64, on a device."""
        weight, bias = (
            floats_of(self.layer.weight, device),
            floats_of(self.layer.bias, device)[:, 0],
        )
        n, size = self.dim, row_norms(weight)
        thresholds = floats_of(
            RationalMatrix.from_rationals(list(self.layer.activation.breakpoints)), device
        )[:, 0]
        shift_error = (4 * U) * bias.abs()
        if self.norm is not None:
            beta, gain = (floats_of(x, device)[:, 0] for x in (self.norm.bias, self.norm.gain))
            bias = bias + weight @ beta
            shift_error = shift_error + (n + 8) * U * size * float(row_norms(beta[None]))
            weight = weight * gain
        scaled = row_norms(weight)
        weight, error = projected(self.norm, weight, 4 * U * scaled)
        length = torch.linalg.norm(weight, dim=1)
        bends = len(thresholds)
        offsets = (bias[:, None] - thresholds).reshape(-1)
        errors = shift_error[:, None] + 4 * U * (thresholds.abs() + bias.abs()[:, None])
        relative = error / length
        unit = weight / length[:, None]
        repeated = [x.repeat_interleave(bends, dim=0) for x in (unit, length, relative)]
        return UnitHinges(
            n,
            repeated[0],
            repeated[1],
            repeated[2],
            offsets,
            errors.reshape(-1) * ROOM + LEAST_ROOT,
        )

    @cached_property
    def signs(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """For hinges behind a norm: 1 on the whole sphere, -1 nowhere on it, 0 cut by it.

        A hinge that only touches the sphere cuts nothing and has the sign of its offset; one that
        is zero everywhere is off.
        """
        assert self.norm is not None, "asked behind norms only"
        found = self.floats("cpu").cap(self.dim)
        signs = torch.where(found.cuts, 0, torch.sign(-found.cosine).nan_to_num()).to(torch.int8)
        for j in torch.nonzero(~(found.cuts | found.misses))[:, 0].tolist():
            hinge = self.exact(j)
            cut = hinge.offset * hinge.offset < self.dim * hinge.square
            signs[j] = 0 if cut else 1 if hinge.offset > 0 else -1
        return signs.numpy()


@dataclass(frozen=True)
class UnitHinges:
    """Unit normals (m x n) and lengths (m) of hinges, with the relative errors of normal and
    length; offsets with errors.

    A normal is within `2 relative + (n + 4) U` of the exact one; `relative` is NaN or large where
    nothing is known.
    """

    dim: int
    normals: Tensor
    lengths: Tensor
    relative: Tensor
    offsets: Tensor
    offset_errors: Tensor

    @cached_property
    def known(self) -> Tensor:
        """Which normals are known (m)."""
        return (self.relative < NEARLY) & self.lengths.isfinite()

    @cached_property
    def normal_error(self) -> float:
        """A bound on the distance of every known normal from the exact one."""
        worst = self.relative[self.known]
        return (2 * float(worst.max()) if len(worst) else 0.0) * ROOM + (self.dim + 4) * U * ROOM

    @cached_property
    def heights(self) -> tuple[Tensor, Tensor]:
        """offset / length with errors: the signed distance of the origin from each hyperplane."""
        height = self.offsets / self.lengths
        error = height.abs() * (self.relative + (self.dim + 6) * U)
        return height, (error + self.offset_errors / self.lengths) * ROOM

    def cap(self, n: int) -> Caps:
        """The caps that hinges behind a norm of dimension n cut off its sphere."""
        height, error = self.heights
        cosine, error = -height / n**0.5, (error / n**0.5 + 4 * U * height.abs()) * ROOM
        square = (1.0 - cosine) * (1.0 + cosine)
        loose = 2 * error + 4 * U
        sine = square.clamp(min=0).sqrt()
        sine_error = torch.minimum(loose.sqrt(), loose / sine) * ROOM + 2 * U
        beyond = cosine.abs() - 1.0
        return Caps(
            cosine,
            error,
            sine,
            sine_error,
            self.known & (beyond < -error - 2 * U),
            self.known & (beyond > error + 2 * U),
        )


@dataclass(frozen=True)
class Caps:
    """cos theta and sin theta of caps with errors (m each); `cuts` and `misses` the sphere for
    certain.
    """

    cosine: Tensor
    cosine_error: Tensor
    sine: Tensor
    sine_error: Tensor
    cuts: Tensor
    misses: Tensor


def floats_of(matrix: RationalMatrix, device: str) -> Tensor:
    """A matrix in float64: every entry within U of the exact one, relatively, or an underflow."""
    return torch.from_numpy(np.array(matrix.float64())).to(device)


def projected(norm: Norm | None, rows: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """P of the norm on every row, and a bound on the 2-norm of each row's error (|P| <= 1)."""
    projector = "identity" if norm is None else norm.projector()
    n, size = rows.shape[1], row_norms(rows)
    if isinstance(projector, RationalMatrix):
        p = floats_of(projector, str(rows.device))
        whole = float(row_norms(p.reshape(1, -1)))
        return rows @ p.T, (error + (n + 6) * U * whole * size) * ROOM
    if projector == "identity":
        return rows, error
    return rows - rows.mean(dim=1, keepdim=True), (error + (n + 4) * U * size) * ROOM
