"""Rows that a batch is asked about, read exactly; bad ones named, or marked where asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, whole_number
from exact.arithmetic.stored_numbers import is_array, plain_array
from exact.errors import InvalidInput
from exact.networks.evaluation.batches import nested_rows
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network

Errors = Literal["raise", "keep"]


@dataclass(frozen=True)
class Rows:
    """N points of R^d as an exact matrix, and which of them are usable; the others are zero."""

    matrix: RationalMatrix
    usable: BitArray

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def exact(self, index: int) -> list[Rational]:
        """One row as rationals."""
        return self.matrix.row(index)

    def chosen(self, places: IndexArray) -> RationalMatrix:
        """Some rows, in ascending order."""
        if len(places) == len(self):
            return self.matrix
        if self.matrix.is_float or not len(places):
            return RationalMatrix.from_floats(self.matrix.float64()[places])
        return RationalMatrix.from_rationals([self.exact(i) for i in places.tolist()])

    def floats(self, start: int, stop: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The nearest floats of rows start .. stop, each row divided by 2^power so that its
        largest entry is in [1/2, 1), and the powers. Entries that underflow lose at most 2^-1075.
        """
        values = torch.from_numpy(np.array(self.matrix.float64()[start:stop])).to(device)
        largest = values.abs().amax(dim=1) if values.shape[1] else values.new_zeros(len(values))
        powers = torch.where(largest > 0, torch.frexp(largest).exponent, 0)
        return _scaled(values, -powers), powers


def _scaled(values: torch.Tensor, powers: torch.Tensor) -> torch.Tensor:
    """Rows times powers of two, in two steps: 2^-power itself may be no float."""
    half = torch.div(powers, 2, rounding_mode="trunc")
    return torch.ldexp(torch.ldexp(values, half[:, None]), (powers - half)[:, None])


def read_rows(values: Any, dim: int, errors: Errors = "raise", name: str = "X") -> Rows:
    """Points as rows (N x dim), from arrays, tensors or nested rationals; one vector is one row.

    Raises InvalidInput for another width, and for the first row with a NaN or an infinity, which
    `errors="keep"` marks instead.
    """
    if errors not in ("raise", "keep"):
        raise InvalidInput("unknown errors=", value=repr(errors), remedy='write "raise" or "keep"')
    given = plain_array(values, name) if is_array(values) else values
    if isinstance(given, np.ndarray) and given.ndim == 1 and given.dtype != object:
        given = given[None]
    given = nested_rows(given, dim)
    bad = _not_finite(given)
    if bad.any() and errors == "raise":
        raise InvalidInput(
            f"row {int(np.flatnonzero(bad)[0])} of {name} is not finite",
            value=f"{int(bad.sum())} such rows of {len(bad)}",
            remedy='leave them out, or write errors="keep" to have them marked',
        )
    if bad.any():
        given = np.where(bad[:, None], 0, given)
    matrix = RationalMatrix.read(given, name)
    if matrix.shape[1] != dim:
        raise InvalidInput(
            f"{name} does not fit the network",
            value=matrix.shape,
            remedy=f"give rows of {dim} numbers",
        )
    usable = ~bad if len(bad) else np.ones(matrix.shape[0], dtype=bool)
    return Rows(matrix, usable)


def require_hinges(network: Network) -> None:
    """Raise InvalidInput for a network in which nothing bends, and for what is no network."""
    require_network(network)
    if not network.hinge_count:
        raise InvalidInput(
            "the network has no hidden layer, so there are no hinges",
            value=network,
            remedy="give one with an activation that bends",
        )


def _not_finite(values: Any) -> BitArray:
    """The rows of a float array that are not finite; nothing of other values."""
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind == "f":
        return np.asarray(~np.isfinite(values).all(axis=1))
    return np.zeros(0, dtype=bool)


def spread(values: FloatArray, usable: BitArray, fill: float) -> FloatArray:
    """Values of the usable rows among all rows, the others `fill`."""
    found = np.full((len(usable), *values.shape[1:]), fill, dtype=values.dtype)
    found[usable] = values
    return found


def require_k(k: object) -> int:
    """How many hinges of each row are asked for."""
    count = whole_number(k, "k")
    if count < 1:
        raise InvalidInput("k is not positive", value=k, remedy="give k >= 1")
    return count
