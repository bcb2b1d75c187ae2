"""Angles, distances and sides of chosen hinges in float64 with proved bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.nearest import exponent, nearest_root, scaled_by
from exact.arithmetic.numbers import FloatArray, Rational, nearest_float
from exact.instruments.batches.hinges import sheets
from exact.instruments.batches.hinges.exact_points import ExactPoints
from exact.instruments.batches.hinges.hinge_rows import NEARLY
from exact.instruments.batches.hinges.selection import across_of
from exact.networks.norms import Norm

_ONE = Rational(1)

NAMES = ("along", "along_error", "cosine", "cosine_error", "sine", "sine_error")
_ALL = ("powers", "length", "relative", *NAMES)


@dataclass(frozen=True)
class Seen:
    """The chosen hinges (B x k): powers of two taken out of the points, |P x| and its relative
    error, and what :class:`Measured` says.
    """

    norm: Norm | None
    powers: IndexArray
    length: FloatArray
    relative: FloatArray
    along: FloatArray
    along_error: FloatArray
    cosine: FloatArray
    cosine_error: FloatArray
    sine: FloatArray
    sine_error: FloatArray

    def __post_init__(self) -> None:
        across, error = across_of(torch.from_numpy(self.along), torch.from_numpy(self.along_error))
        object.__setattr__(self, "across", across.numpy())
        object.__setattr__(self, "across_error", error.numpy())

    across: FloatArray = field(init=False)
    across_error: FloatArray = field(init=False)

    def lost(self, unknown: BitArray) -> BitArray:
        """Where exact numbers are to be read instead."""
        found = unknown | ~np.isfinite(self.along_error)
        if self.norm is not None:
            errors = (self.relative, self.across_error, self.cosine_error, self.sine_error)
            for error in errors:
                found = found | ~(error < NEARLY)
        return found

    def patch(self, place: Any, exactly: ExactPoints, row: int, j: int) -> None:
        """The exact numbers, rounded."""
        hinge, (image, square) = exactly.hinge(row, j), exactly.point(row)
        along = dot(hinge.normal, image)
        if self.norm is None:
            self._put(
                place, "along", along + hinge.offset, (along + hinge.offset) ** 2 / hinge.square
            )
            self.powers[place] = 0
            return
        share = along * along / (hinge.square * square)
        tilt = hinge.offset * hinge.offset / (self.norm.dim * hinge.square)
        self._put(place, "along", along, share)
        self._put(place, "across", _ONE, 1 - share)
        self._put(place, "cosine", -hinge.offset, tilt)
        self._put(place, "sine", _ONE, 1 - tilt)
        power = exponent(square) // 2 if square else 0
        self.powers[place] = power
        self.length[place] = nearest_root(scaled_by(square, -2 * power))
        self.relative[place] = 2 * U

    def _put(self, place: Any, name: str, sign: Rational, square: Rational) -> None:
        value = nearest_root(square)
        getattr(self, name)[place] = value if sign >= 0 else -value
        getattr(self, f"{name}_error")[place] = value * 2 * U

    def sides(self) -> tuple[BitArray, BitArray]:
        """Whether the hinges are on, and where that is certain: the sign of cos phi - cos theta
        q, q = (|P x|^2 + n eps)^(1/2) / |P x| or 1 + sqrt(n) eps / |P x|.
        """
        if self.norm is None:
            value, error = self.along, self.along_error
        else:
            eps = scaled_eps(self.norm, self.powers)
            shift = eps / (self.length if self.norm.eps_rule == "std" else self.length**2)
            factor = 1.0 + shift if self.norm.eps_rule == "std" else np.sqrt(1.0 + shift)
            value = self.along - self.cosine * factor
            error = self.along_error + self.cosine_error * factor
            error = error + np.abs(self.cosine) * factor * (2 * self.relative + 16 * U)
        return value > 0, np.abs(value) > error * 1.05 + 4 * U * np.abs(value)

    def angles(self) -> dict[str, FloatArray]:
        """|phi - theta|; NaN without a norm."""
        if self.norm is None:
            nothing = np.full(self.along.shape, np.nan)
            return {"angles_float": nothing, "angles_bound": nothing}
        turned = self.across * self.cosine - self.along * self.sine
        straight = self.along * self.cosine + self.across * self.sine
        error = self.along_error + self.across_error + self.cosine_error + self.sine_error + 8 * U
        return {
            "angles_float": np.abs(np.arctan2(turned, straight)),
            "angles_bound": 2.2 * error + 16 * U,
        }

    def at(self, rows: IndexArray, columns: IndexArray) -> Seen:
        """Some of the hinges, as one axis."""
        shape = np.broadcast_shapes(self.length.shape, self.along.shape)
        kept = [np.broadcast_to(getattr(self, name), shape)[rows, columns] for name in _ALL]
        return Seen(self.norm, *kept)

    def feet(self) -> sheets.Feet:
        """The distances behind a norm, divided by 2^powers."""
        return sheets.distances(*self._sheets())

    def reach(self) -> tuple[FloatArray, FloatArray]:
        """Bounds on them that are quickly found."""
        return sheets.reach(*self._sheets())

    def _sheets(self) -> tuple[sheets.Sheet, FloatArray, FloatArray, FloatArray]:
        """The zero sets, and the points beside them with errors, all divided by 2^powers."""
        norm = self.norm
        assert norm is not None, "asked behind norms only"
        eps = scaled_eps(norm, self.powers)
        errors = self.cosine, self.cosine_error, self.sine, self.sine_error
        error = self.length * (self.along_error + self.across_error + 2 * self.relative)
        h, rho = self.length * self.along, self.length * self.across
        return sheets.sheet(*errors, eps, norm.eps_rule), h, rho, error * 1.05

    def distances(self) -> dict[str, FloatArray]:
        """The distances in the space of inputs."""
        if self.norm is None:
            value, bound = np.abs(self.along), self.along_error
        else:
            feet = self.feet()
            value, bound = feet.distances, feet.bounds
        with np.errstate(over="ignore"):
            return {
                "distances_float": np.ldexp(value, self.powers),
                "distances_bound": np.ldexp(bound, self.powers) * 1.05 + LEAST_ROOT,
            }


def scaled_eps(norm: Norm, powers: IndexArray) -> FloatArray:
    """n eps or sqrt(n) eps, for points divided by 2^powers."""
    if norm.eps_rule == "var":
        return np.asarray(np.ldexp(nearest_float(norm.dim * norm.eps), -2 * powers))
    return np.asarray(np.ldexp(norm.dim**0.5 * nearest_float(norm.eps), -powers))
