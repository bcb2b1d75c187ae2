"""Affine maps in float64 with what their error bounds need: norms of weights and roundings.

They are arrays of numpy, and tensors where they are moved to a device; what is asked of either is
written once, in the names that both libraries have.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U, inflation
from exact.arithmetic.numbers import FloatArray, RationalMatrix

UP = inflation(4096)  # bounds go through all layers of a network
LEAST = LEAST_ROOT  # norms are roots of sums of squares
if TYPE_CHECKING:
    from torch import Tensor


def gamma_of(n: int) -> float:
    """Relative error of a dot product with n terms and an offset, with room for the rounding of the
    bound itself.
    """
    return (n + 4) * U * UP


def library_of(values: Any) -> Any:
    """The library that values belong to: numpy for its arrays, torch for tensors."""
    return np if isinstance(values, np.ndarray) else torch


class Affine:
    """`x -> W x + b` in float64 with what its error bounds need; everything in one place, computed
    once: arrays, or tensors behind :meth:`to`.
    """

    weight: Any
    bias: Any
    row_norms: Any
    row_errors: Any
    bias_errors: Any
    error_rows: Any

    def __init__(
        self,
        weight: FloatArray,
        weight_error: FloatArray | None,
        bias: FloatArray,
        bias_error: FloatArray | None,
    ) -> None:
        self.weight, self.bias = np.array(weight), np.array(bias)
        self.gamma = gamma_of(weight.shape[1])
        self.is_exact = weight_error is None and bias_error is None
        self.row_norms, zero = row_norms(self.weight), np.zeros_like(self.bias)
        self.row_errors = zero if weight_error is None else row_norms(weight_error)
        self.bias_errors = zero if bias_error is None else np.array(bias_error)
        offsets = np.abs(self.bias) * self.gamma + self.bias_errors
        self.error_rows = np.stack([self.row_norms, self.row_errors, offsets]) * UP

    @cached_property
    def frobenius(self) -> float:
        """A bound on the Frobenius norm of W."""
        return _whole(self.row_norms)

    @cached_property
    def spectral(self) -> float:
        """A bound on the 2-norm of W."""
        weight = self.weight
        return _spectral_bound(weight if isinstance(weight, np.ndarray) else weight.cpu().numpy())

    @cached_property
    def bias_norm(self) -> float:
        """A bound on the 2-norm of b."""
        return _whole(self.bias)

    @cached_property
    def weight_slack(self) -> float:
        """A bound on the Frobenius norm of the rounding of W."""
        return 0.0 if self.is_exact else _whole(self.row_errors)

    @cached_property
    def bias_slack(self) -> float:
        """A bound on the 2-norm of the rounding of b."""
        return 0.0 if self.is_exact else _whole(self.bias_errors)

    @cached_property
    def largest(self) -> tuple[float, float, float]:
        """The largest entries of the rows of `error_rows`."""
        rows = self.error_rows
        if not rows.shape[1]:
            return 0.0, 0.0, 0.0
        a, b, c = library_of(rows).amax(rows, axis=1).tolist()
        return a, b, c

    @classmethod
    def of(cls, matrix: RationalMatrix, shift: RationalMatrix) -> Affine:
        """The floats nearest to a matrix and a vector, with the errors of both."""
        (weight, error), (bias, slack) = _floats(matrix), _floats(shift)
        return cls(weight, error, bias.ravel(), None if slack is None else slack.ravel())

    def to(self, device: str) -> Affine:
        """The same as tensors on a device of torch."""
        moved = object.__new__(Affine)
        for name, value in vars(self).items():
            is_array = isinstance(value, np.ndarray)
            vars(moved)[name] = torch.from_numpy(value).to(device) if is_array else value
        return moved


def _floats(matrix: RationalMatrix) -> tuple[FloatArray, FloatArray | None]:
    return matrix.float64(), None if matrix.is_float else matrix.float64_error()


@overload
def row_norms(values: FloatArray) -> FloatArray: ...
@overload
def row_norms(values: Tensor) -> Tensor: ...
def row_norms(values: Any) -> Any:
    """An upper bound on the 2-norm of every row, zero only for zero: squares may underflow, by less
    than the last term.
    """
    if isinstance(values, np.ndarray):
        size = np.sqrt(np.einsum("ij,ij->i", values, values))
    else:
        size = torch.linalg.norm(values, dim=1)
    bound = size * (UP + (values.shape[1] + 2) * U) + LEAST
    if bool((size == 0).any()):
        bound = bound * ((size > 0) | (values != 0).any(axis=1))
    return bound


@overload
def at_least(errors: FloatArray) -> FloatArray: ...
@overload
def at_least(errors: Tensor) -> Tensor: ...
def at_least(errors: Any) -> Any:
    """The errors, those that are not zero raised by 2^-500: a product of two such bounds does not
    underflow to zero.
    """
    return library_of(errors).where(errors > 0, errors + LEAST, errors)


def _whole(values: Any) -> float:
    return float(row_norms(values.reshape(1, -1)).item())


def _spectral_bound(weight: FloatArray) -> float:
    """An upper bound on the 2-norm, as a rule within a fifth: |W|^2 = |W'W|, and |G|^2 = |G^2| for
    the symmetric G.
    """
    scale = _whole(weight)
    if not 0.0 < scale < float("inf"):
        return scale
    small = (weight if weight.shape[0] >= weight.shape[1] else weight.T) / scale
    squared = _symmetric_bound(small.T @ small, (small.shape[0] + 4) * U, 3)
    return min(scale, scale * float(np.sqrt(squared)) * UP)


def _symmetric_bound(gram: FloatArray, slack: float, squarings: int) -> float:
    """An upper bound on the 2-norm of a symmetric matrix within `slack` of `gram`."""
    size = _whole(gram)
    if squarings == 0 or not size > 0.0:
        return (size + slack) * UP
    unit = gram / size
    root = float(np.sqrt(_symmetric_bound(unit @ unit, (len(unit) + 4) * U, squarings - 1)))
    return (size * (root + 4 * U) + slack) * UP
