"""Float64 filters: they decide a sign with a proved error bound, or abstain. Written once in torch
for CPU and GPU.

A ball is a float64 midpoint and a radius such that the exact number lies within. Every operation
adds the rounding error of its midpoint (half an ulp, at most `U |mid|`, plus the least subnormal
for underflow) and inflates the radius for the rounding of the radius itself. TF32 and bf16 never
occur: float64 products do not use them. Source: the dot product bound is Higham 2002, section 3.1,
valid for any order of summation; inputs that overflow give infinite radii, so abstentions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exact.arithmetic.enclosures import numpy_threads
from exact.arithmetic.enclosures.late import is_loaded, torch, when_loaded
from exact.arithmetic.enclosures.roundoff import LEAST_NORMAL, U, inflation
from exact.arithmetic.numbers import (
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_floats,
    rounding_error,
)
from exact.arithmetic.texts.printing import short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

    Index = torch.Tensor | slice | int | tuple[slice | int, ...]

_TINY, _INFLATE = LEAST_NORMAL, inflation(16)  # a radius is made of fewer roundings


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the CPU kernels of torch and numpy in one thread, then as before: our blocks and toys are
    small, and threads that wait spin.

    Measured: two threads beside another process took eight times as long as one. A filter's result
    never changes; the last bits of sums in training would, with the number of threads.
    """
    _SINGLE.enter()
    numpy_threads.enter()
    try:
        yield
    finally:
        numpy_threads.leave()
        _SINGLE.leave()


class _SingleThread(threading.local):
    """The number of threads of torch in each thread of ours.

    It belongs to a thread, and a new one begins with the number that was set last anywhere: with 1,
    while another is inside. So a thread that finds 1 then restores what the first one found.
    """

    _lock, _everywhere, _found = threading.Lock(), 0, 1
    _depth, _before, _is_set = 0, 1, False

    def enter(self) -> None:
        """Set one thread, unless this one did; where torch is not loaded, as soon as it is."""
        self._depth += 1
        if is_loaded("torch"):
            self.begin()

    def begin(self) -> None:
        """Set one thread where this one is inside and did not."""
        if self._is_set or not self._depth:
            return
        self._is_set = True
        with self._lock:
            self._before = torch.get_num_threads()
            if _SingleThread._everywhere == 0:
                _SingleThread._found = self._before
            elif self._before == 1:
                self._before = _SingleThread._found
            _SingleThread._everywhere += 1
            torch.set_num_threads(1)

    def leave(self) -> None:
        """Restore the number."""
        self._depth -= 1
        if self._depth or not self._is_set:
            return
        self._is_set = False
        with self._lock:
            _SingleThread._everywhere -= 1
            torch.set_num_threads(self._before)


_SINGLE = _SingleThread()
when_loaded("torch", _SINGLE.begin)


@short_repr
@dataclass(frozen=True)
class Balls:
    """A tensor of real balls: the exact numbers lie in [mid - rad, mid + rad]. Infinite or NaN
    means nothing is known.
    """

    mid: torch.Tensor
    rad: torch.Tensor

    @classmethod
    def exactly(cls, values: torch.Tensor) -> Balls:
        """Balls of radius zero around float64 values."""
        return cls(values, torch.zeros_like(values))

    @classmethod
    def of_rationals(cls, values: Sequence[Rational], device: str) -> Balls:
        """The nearest float64 of each rational, with its rounding error."""
        mid = nearest_floats(values)
        return cls(
            torch.from_numpy(mid).to(device), torch.from_numpy(rounding_error(mid)).to(device)
        )

    def _rounded(self, mid: torch.Tensor, rad: torch.Tensor) -> Balls:
        return Balls(mid, _known_only(mid, (rad + mid.abs() * U) * _INFLATE + _TINY))

    def __add__(self, other: Balls) -> Balls:
        return self._rounded(self.mid + other.mid, self.rad + other.rad)

    def __sub__(self, other: Balls) -> Balls:
        return self._rounded(self.mid - other.mid, self.rad + other.rad)

    def __mul__(self, other: Balls) -> Balls:
        spread = self.mid.abs() * other.rad + other.mid.abs() * self.rad + self.rad * other.rad
        return self._rounded(self.mid * other.mid, spread)

    def sqrt(self) -> Balls:
        """The root; |sqrt x - sqrt m| <= |x - m| / sqrt m for x, m >= 0. NaN where the midpoint is
        not positive.
        """
        root = self.mid.sqrt()
        return self._rounded(root, self.rad / root)

    def signs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The sign of each midpoint (int8), and whether it is certain to be the sign of the exact
        number.
        """
        certain = self.mid.abs() > self.rad  # False for NaN
        return self.mid.sign().nan_to_num().to(torch.int8), certain

    def __getitem__(self, index: Index) -> Balls:
        return Balls(self.mid[index], self.rad[index])


def _known_only(mid: torch.Tensor, rad: torch.Tensor) -> torch.Tensor:
    """The radius where the midpoint is finite, else infinite: an overflow on the way proves
    nothing, not even a sign.
    """
    return torch.where(mid.isfinite(), rad, torch.inf)


def matrix_product(weight: RationalMatrix, state: RationalArray, device: str) -> Balls:
    """`weight state` as balls, for an exact (m x n) weight and an exact (n x k) state.

    |fl(W X) - W X| <= g |W| |X| with g = n U / (1 - n U); rounding of W and X adds |W| dX + dW |X|
    + dW dX. The bound is
    itself computed in float64 and inflated by 1 + 2 g.
    """
    w = torch.from_numpy(np.array(weight.float64())).to(device)
    entries = nearest_floats(state.entries()).reshape(state.nrows(), state.ncols())
    x = torch.from_numpy(entries).to(device)
    dx = torch.from_numpy(rounding_error(entries)).to(device)
    n = weight.shape[1]
    g = (n + 2) * U / (1 - (n + 2) * U)
    bound = w.abs() @ (x.abs() * (g * (1 + U)) + dx * (1 + g))
    if not weight.is_float:
        dw = torch.from_numpy(weight.float64_error()).to(device)
        bound = bound + dw @ (x.abs() + dx)
    mid = w @ x
    return Balls(mid, _known_only(mid, bound * (1 + 2 * g) * _INFLATE + (n + 1) * _TINY))
