"""The hinges of a deep network as affine functions on the set with a point's code, for many points.

In the set with the code of x every pre-activation is affine in x, or behind one norm in y =
sqrt(n) P x / r; gradients and offsets are carried through the layers in float64 with a bound on
every entry (Higham 2002, section 3.1), and exactly where asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import Rational, RationalArray, nearest_floats
from exact.errors import Unsupported
from exact.geometry.combinatorics.codes import Hinge
from exact.instruments.batches.hinges.hinge_rows import (
    NEARLY,
    ROOM,
    Caps,
    ExactHinge,
    UnitHinges,
    floats_of,
)
from exact.instruments.batches.points import Rows
from exact.networks.graphs.steps import Sum, walk
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.networks.norms import Norm

if TYPE_CHECKING:
    from torch import Tensor
_ZERO, _ONE = Rational(0), Rational(1)


@dataclass(frozen=True)
class Cells:
    """Hinges on the sets with the codes of B points: `along` is cos phi, without a norm the signed
    distance; B x m each. `without` marks hinges that are constant for certain.
    """

    along: Tensor
    along_error: Tensor
    unknown: Tensor
    without: Tensor
    cap: Caps | None


@dataclass(frozen=True)
class CellHinges:
    """A deep network: `body` is the network, or what stands behind its norm (gain and bias
    folded in).
    """

    network: Network
    body: Network
    norm: Norm | None

    @classmethod
    def of(cls, network: Network) -> CellHinges:
        """Raises Unsupported behind several norms, layers in front of the norm, a jump, or a smooth
        activation.
        """
        norm = network.norms[0] if network.has_norm else None
        last = network.hidden_layers[:-1]
        if not all(x.activation.is_piecewise_linear and x.activation.is_continuous for x in last):
            raise Unsupported(
                "the nearest boundary of a deep network needs continuous, piecewise linear layers",
                value=", ".join(layer.activation.name for layer in last),
                remedy="take layer=1, or network.relu_ised()",
            )
        if norm is not None and (network.blocks[0].norm is None or norm.sphere_dim < 1):
            raise Unsupported(
                "the nearest boundary of a deep network needs its norm in front of all layers",
                value=f"a norm of dimension {norm.dim}",
                remedy="take network.from_block(k), or partition_lines",
            )
        return cls(network, network if norm is None else network.folded(), norm)

    @property
    def floats_a_row(self) -> int:
        """How many floats the gradients at one point are."""
        widest = max(layer.width for layer in self.body.layers)
        return 4 * (self.body.hinge_count + widest) * (self.body.input_dim + 1)

    def rows(self, rows: Rows) -> ExactRows:
        """The hinges at these points."""
        return ExactRows(self, rows)

    def measure(
        self, exact: ExactRows, start: int, stop: int, at: Tensor, error: Tensor, factor: Tensor
    ) -> Cells:
        """Hinges of rows start .. stop. `at` are unit vectors within `error` behind a norm, else
        points times `factor`, as the distances then are.
        """
        forms, errors = self._forms(exact.bits(start, stop), str(at.device))
        normal, offset = forms[:, :, :-1], forms[:, :, -1]
        n = normal.shape[2]
        length = torch.linalg.norm(normal, dim=2)
        wide = torch.linalg.norm(errors[:, :, :-1], dim=2) * ROOM
        relative = wide / length
        height = torch.einsum("bmn,bn->bm", normal, at)
        known = (relative < NEARLY) & length.isfinite()
        without = (length == 0) & (wide == 0)
        if self.norm is not None:
            cap = UnitHinges(
                n, normal, length, relative, offset, errors[:, :, -1] * ROOM + LEAST_ROOT
            ).cap(self.norm.dim)
            loose = (error[:, None] + 2 * relative + (2 * n + 8) * U) * ROOM
            return Cells(height / length, loose, ~known & ~without, without, cap)
        shift = offset * factor[:, None]
        value = (height + shift) / length
        size = torch.linalg.norm(at, dim=1)[:, None] * ROOM
        slack = size * ((n + 6) * U + relative) + error[:, None]
        slack = slack + (errors[:, :, -1] * factor[:, None] + (n + 6) * U * shift.abs()) / length
        slack = slack + value.abs() * (relative + (n + 6) * U)
        return Cells(value, slack * ROOM + LEAST_ROOT, ~known & ~without, without, None)

    def _forms(self, bits: BitArray, device: str) -> tuple[Tensor, Tensor]:
        """Gradient and offset of every hinge (B x m x (n + 1)), and bounds on their errors."""
        n, count = self.body.input_dim, len(bits)
        unit = torch.eye(n, n + 1, dtype=torch.float64, device=device).expand(count, n, n + 1)
        walker = _FormWalk(torch.from_numpy(bits).to(device))
        walk(self.body.steps_to_last_hinge, (unit, torch.zeros_like(unit)), walker.apply)
        return torch.cat(walker.forms, dim=1), torch.cat(walker.errors, dim=1)


class _FormWalk:
    """Carries affine forms with errors through the layers, on the pieces that the bits choose."""

    def __init__(self, bits: Tensor) -> None:
        self._bits, self._used = bits, 0
        self.forms, self.errors = list[torch.Tensor](), list[torch.Tensor]()

    def apply(self, does: Any, *values: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        if isinstance(does, Sum):
            total = does.total(form for form, _ in values)
            sizes = does.total(form.abs() for form, _ in values)
            errors = does.total(error for _, error in values)
            return total, (errors + len(values) * U * sizes) * ROOM
        form, error = self._affine(does, *values[0])
        if does.bits:
            self._record(does, form, error)
        return self._activated(does, form, error)

    def _affine(self, layer: Layer, form: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        weight = floats_of(layer.weight, str(form.device))
        bias = floats_of(layer.bias, str(form.device))[:, 0]
        n, found = weight.shape[1], weight @ form
        slack = weight.abs() @ (error * (1 + (n + 8) * U) + (n + 6) * U * form.abs())
        found[:, :, -1] += bias
        slack[:, :, -1] += 4 * U * (bias.abs() + found[:, :, -1].abs())
        return found, slack * ROOM

    def _record(self, layer: Layer, form: Tensor, error: Tensor) -> None:
        bends = layer.activation.breakpoints
        each = [form.clone() for _ in bends]
        wide = [error.clone() for _ in bends]
        for near, slack, bend in zip(each, wide, nearest_floats(bends).tolist(), strict=True):
            near[:, :, -1] -= bend
            slack[:, :, -1] += 4 * U * (abs(bend) + near[:, :, -1].abs())
        shape = (len(form), -1, form.shape[2])
        self.forms.append(torch.stack(each, dim=2).reshape(shape))
        self.errors.append(torch.stack(wide, dim=2).reshape(shape))

    def _activated(self, layer: Layer, form: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        if not layer.activation.is_piecewise_linear:
            return form, error  # the last hidden layer, behind which nothing is asked
        size, width = len(layer.activation.breakpoints), layer.width
        bits = self._bits[:, self._used : self._used + size * width]
        self._used += size * width
        piece = bits.reshape(len(bits), width, size).sum(dim=2)
        slopes, shifts = (
            torch.from_numpy(nearest_floats(column)).to(form.device)[piece][:, :, None]
            for column in zip(*layer.activation.pieces, strict=True)
        )
        found, slack = form * slopes, error * slopes.abs() + 4 * U * (form * slopes).abs()
        found[:, :, -1:] += shifts
        slack[:, :, -1:] += 4 * U * (shifts.abs() + found[:, :, -1:].abs()) * (shifts != 0)
        return found, slack * ROOM


@dataclass(frozen=True)
class ExactRows:
    """The hinges at given points in rationals: one walk through the layers for each code."""

    source: CellHinges
    points: Rows

    @property
    def hinges(self) -> tuple[Hinge, ...]:
        return self.source.body.hinges

    @cached_property
    def _codes(self) -> BitArray:
        network, usable = self.source.network, np.flatnonzero(self.points.usable)
        found = np.zeros((len(self.points), network.hinge_count), dtype=bool)
        found[usable] = network.codes(self.points.chosen(usable)).bits
        return found

    def bits(self, start: int, stop: int) -> BitArray:
        """The codes of some rows, proved."""
        return self._codes[start:stop]

    @cached_property
    def _forms(self) -> dict[bytes, RationalArray]:
        return {}

    def at(self, row: int, j: int) -> ExactHinge:
        """Hinge number j of the code at a point."""
        bits = self._codes[row]
        key = bits.tobytes()
        if key not in self._forms:
            self._forms.clear()
            self._forms[key] = self._walked(bits)
        forms = self._forms[key]
        *normal, offset = (forms[j, i] for i in range(forms.ncols()))
        return ExactHinge(normal, offset, dot(normal, normal))

    def _walked(self, bits: BitArray) -> RationalArray:
        body, found = self.source.body, list[list[Rational]]()
        n = body.input_dim
        ends = np.cumsum([0, *body.bits_per_layer])

        def choose(h: int, z: RationalArray) -> list[bool]:
            for i in range(z.nrows()):
                *normal, offset = (z[i, k] for k in range(n + 1))
                for bend in body.hidden_layers[h].activation.breakpoints:
                    found.append([*normal, offset - bend])
            return [bool(b) for b in bits[ends[h] : ends[h + 1]]]

        unit = [Rational(int(i == k)) for i in range(n) for k in range(n + 1)]
        # a smooth last hidden layer has no pieces, and what it writes is not asked for
        body.relu_ised().propagate(RationalArray(n, n + 1, unit), [_ZERO] * n + [_ONE], choose)
        return RationalArray(len(found), n + 1, [x for row in found for x in row])
