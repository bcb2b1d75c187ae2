"""Float64 filters: they decide a sign with a proved error bound, or abstain. Written once in torch for CPU and GPU.

A ball is a float64 midpoint and a radius such that the exact number lies within. Every operation adds the rounding error of
its midpoint (half an ulp, at most `U |mid|`, plus the least subnormal for underflow) and inflates the radius for the
rounding of the radius itself. TF32 and bf16 never occur: float64 products do not use them. Source: the dot product bound
is Higham 2002, section 3.1, valid for any order of summation; inputs that overflow give infinite radii, so abstentions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from exact.numbers import Rational, RationalArray, RationalMatrix, nearest_floats, rounding_error
from exact.printing import short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

Index = torch.Tensor | slice | int | tuple[slice | int, ...]
U = 2.0**-53
_TINY = 2.0**-1022
_INFLATE = 1.0 + 2.0**-48


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch's CPU kernels in one thread, then as before: our blocks and toys are small, and threads that wait spin.

    Measured: two threads beside another process took eight times as long as one. A filter's result never changes; the
    last bits of sums in training would, with the number of threads.
    """
    _SINGLE.enter()
    try:
        yield
    finally:
        _SINGLE.leave()


class _SingleThread(threading.local):
    """The number of threads of torch in each thread of ours.

    It belongs to a thread, and a new one begins with the number that was set last anywhere: with 1, while another is inside.
    So a thread that finds 1 then restores what the first one found.
    """

    _lock, _everywhere, _found = threading.Lock(), 0, 1
    _depth, _before = 0, 1

    def enter(self) -> None:
        """Set one thread, unless this one did."""
        self._depth += 1
        if self._depth > 1:
            return
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
        if self._depth:
            return
        with self._lock:
            _SingleThread._everywhere -= 1
            torch.set_num_threads(self._before)


_SINGLE = _SingleThread()


@short_repr
@dataclass(frozen=True)
class Balls:
    """A tensor of real balls: the exact numbers lie in [mid - rad, mid + rad]. Infinite or NaN means nothing is known."""

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
        return cls(torch.from_numpy(mid).to(device), torch.from_numpy(rounding_error(mid)).to(device))

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
        """The root; |sqrt x - sqrt m| <= |x - m| / sqrt m for x, m >= 0. NaN where the midpoint is not positive."""
        root = self.mid.sqrt()
        return self._rounded(root, self.rad / root)

    def signs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The sign of each midpoint (int8), and whether it is certain to be the sign of the exact number."""
        certain = self.mid.abs() > self.rad  # False for NaN
        return self.mid.sign().nan_to_num().to(torch.int8), certain

    def __getitem__(self, index: Index) -> Balls:
        return Balls(self.mid[index], self.rad[index])


def _known_only(mid: torch.Tensor, rad: torch.Tensor) -> torch.Tensor:
    """The radius where the midpoint is finite, else infinite: an overflow on the way proves nothing, not even a sign."""
    return torch.where(mid.isfinite(), rad, torch.inf)


def matrix_product(weight: RationalMatrix, state: RationalArray, device: str) -> Balls:
    """`weight state` as balls, for an exact (m x n) weight and an exact (n x k) state.

    |fl(W X) - W X| <= g |W| |X| with g = n U / (1 - n U); rounding of W and X adds |W| dX + dW |X| + dW dX. The bound is
    itself computed in float64 and inflated by 1 + 2 g.
    """
    w = torch.from_numpy(np.array(weight.float64())).to(device)
    entries = nearest_floats(state.entries()).reshape(state.nrows(), state.ncols())
    x, dx = torch.from_numpy(entries).to(device), torch.from_numpy(rounding_error(entries)).to(device)
    n = weight.shape[1]
    g = (n + 2) * U / (1 - (n + 2) * U)
    bound = w.abs() @ (x.abs() * (g * (1 + U)) + dx * (1 + g))
    if not weight.is_float:
        dw = torch.from_numpy(weight.float64_error()).to(device)
        bound = bound + dw @ (x.abs() + dx)
    mid = w @ x
    return Balls(mid, _known_only(mid, bound * (1 + 2 * g) * _INFLATE + (n + 1) * _TINY))


_GRID = 2.0**50
_WIDEST = 2.0**-30


@dataclass(frozen=True)
class EnclosedZeros:
    """Zeros of pencil functions in certain dyadic intervals of diamond angles: `rows[i]` has one in (low[i], high[i]).

    Functions that are not `undecided` have all their zeros listed (two, or none).
    """

    rows: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    undecided: torch.Tensor


def pencil_values(f: Balls, g: Balls, alpha: Balls, beta: Balls) -> Balls:
    """p alpha + q beta + c sqrt(g0 alpha^2 + 2 g1 alpha beta + g2 beta^2) for (m x 3) functions at m directions, or one."""
    square = g[0] * alpha * alpha + (g[1] + g[1]) * alpha * beta + g[2] * beta * beta
    linear = f[:, 0] * alpha + f[:, 1] * beta
    without_root = (f.mid[:, 2] == 0) & (f.rad[:, 2] == 0)
    total = linear + f[:, 2] * square.sqrt()
    return Balls(torch.where(without_root, linear.mid, total.mid), torch.where(without_root, linear.rad, total.rad))


def enclosed_zeros(f: Balls, g: Balls) -> EnclosedZeros:
    """Enclose both zeros of each of m functions (m x 3 balls) for the form g = (a, b, c, determinant), or abstain.

    With S and D as in `exact.curves`: D < 0 for certain means no zero. For D > 0 floats propose both zeros, and an
    interval counts only when the function has certain and opposite signs at its ends. Two disjoint intervals are then all,
    because a function has at most two zeros.
    """
    p, q, c = f[:, 0], f[:, 1], f[:, 2]
    adjoint = g[2] * p - g[1] * q, g[0] * q - g[1] * p
    s = p * adjoint[0] + q * adjoint[1]
    d = s - c * c * g[3]
    sign, certain = d.signs()
    proved, root = certain & (sign > 0) & (s.mid > s.rad), d.mid.clamp(min=0).sqrt()
    intervals = []
    for branch in (1.0, -1.0):
        x = -c.mid * adjoint[0].mid - branch * root * q.mid
        y = -c.mid * adjoint[1].mid + branch * root * p.mid
        low, high, enclosed = _enclose(f, g, x, y, proved)
        intervals.append((low, high))
        proved = proved & enclosed
    (a, b), (e, h) = intervals
    proved = proved & ((b < e) | (h < a))
    rows = torch.nonzero(proved).flatten()
    return EnclosedZeros(rows.repeat(2), torch.cat([a[rows], e[rows]]), torch.cat([b[rows], h[rows]]),
                         ~proved & ~(certain & (sign < 0)))  # fmt: skip


def _diamond_angles(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Diamond angles in [0, 4) of float directions, rounded to the grid on which directions are exact."""
    f = y / (x.abs() + y.abs())
    sigma = torch.where(x >= 0, torch.where(y >= 0, f, 4 + f), 2 - f)
    return (sigma * _GRID).round() / _GRID


def _enclose(f: Balls, g: Balls, x: torch.Tensor, y: torch.Tensor, wanted: torch.Tensor
             ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """A narrow dyadic interval around each of the directions wanted at whose ends the signs are certain and opposite.

    The first width is four times the error of the function over its slope, in floats; where it proves nothing, wider ones
    are tried on the few functions left.
    """
    sigma = _diamond_angles(x, y)
    low, high, proved = sigma.clone(), sigma.clone(), torch.zeros_like(wanted)
    width = _proposed_widths(f, g, sigma)
    for factor in (1.0, 64.0, 4096.0):
        rows = torch.nonzero(wanted & ~proved & (width * factor <= _WIDEST)).flatten()
        if not len(rows):
            break
        a, b = sigma[rows] - width[rows] * factor, sigma[rows] + width[rows] * factor
        (first, sure), (second, also) = (pencil_values(f[rows], g, *_dyadic_directions(s)).signs() for s in (a, b))
        low[rows], high[rows] = a, b
        proved[rows] = sure & also & (first != second) & (a > 0) & (b < 4)
    return low, high, proved


def _proposed_widths(f: Balls, g: Balls, sigma: torch.Tensor) -> torch.Tensor:
    """Multiples of the grid at which the functions should exceed their error: four times the error over the slope."""
    alpha, beta = (ball.mid for ball in _dyadic_directions(sigma))
    da, db = 2.0 * (beta < 0).double() - 1.0, 1.0 - 2.0 * (alpha < 0).double()
    p, q, c = f.mid.unbind(1)
    across, along = g.mid[0] * alpha + g.mid[1] * beta, g.mid[1] * alpha + g.mid[2] * beta
    root = (alpha * across + beta * along).clamp(min=_TINY).sqrt()
    slope = p * da + q * db + c * (across * da + along * db) / root
    terms = (p * alpha).abs() + (q * beta).abs() + (c * root).abs()
    error = f.rad[:, 0] + f.rad[:, 1] + f.rad[:, 2] * root + 16 * U * terms
    steps = (4 * error / slope.abs() * _GRID).ceil().clamp(min=4)
    return torch.where(steps.isfinite(), steps, torch.inf) / _GRID


def _dyadic_directions(sigma: torch.Tensor) -> tuple[Balls, Balls]:
    """The coordinates of directions with diamond angles on the grid: exact in float64."""
    quadrant = sigma.floor()
    f, k = sigma - quadrant, quadrant.remainder(4)
    alpha = torch.where(k == 0, 1 - f, torch.where(k == 1, -f, torch.where(k == 2, f - 1, f)))
    beta = torch.where(k == 0, f, torch.where(k == 1, 1 - f, torch.where(k == 2, -f, f - 1)))
    return Balls.exactly(alpha), Balls.exactly(beta)
