"""Float64 filters for pencils: enclosed zeros of many functions on one circle at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
from exact.arithmetic.enclosures.ball_tensors import Balls
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_NORMAL, U

_GRID = 2.0**50


_WIDEST = 2.0**-30


@dataclass(frozen=True)
class EnclosedZeros:
    """Zeros of pencil functions in certain dyadic intervals of diamond angles: `rows[i]` has one in
    (low[i], high[i]).

    Functions that are not `undecided` have all their zeros listed (two, or none).
    """

    rows: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    undecided: torch.Tensor


def pencil_values(f: Balls, g: Balls, alpha: Balls, beta: Balls) -> Balls:
    """p alpha + q beta + c sqrt(g0 alpha^2 + 2 g1 alpha beta + g2 beta^2) for (m x 3) functions at
    m directions, or one.
    """
    square = g[0] * alpha * alpha + (g[1] + g[1]) * alpha * beta + g[2] * beta * beta
    linear = f[:, 0] * alpha + f[:, 1] * beta
    without_root = (f.mid[:, 2] == 0) & (f.rad[:, 2] == 0)
    total = linear + f[:, 2] * square.sqrt()
    return Balls(
        torch.where(without_root, linear.mid, total.mid),
        torch.where(without_root, linear.rad, total.rad),
    )


def enclosed_zeros(f: Balls, g: Balls) -> EnclosedZeros:
    """Enclose both zeros of each of m functions (m x 3 balls) for the form g = (a, b, c,
    determinant), or abstain.

    With S and D as in `exact.geometry.pencils.pencil`: D < 0 for certain means no zero. For D > 0
    floats propose both zeros, and an interval counts only when the function has certain and
    opposite signs at its ends. Two disjoint intervals are then all, because a function has at most
    two zeros.
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
    return EnclosedZeros(
        rows.repeat(2),
        torch.cat([a[rows], e[rows]]),
        torch.cat([b[rows], h[rows]]),
        ~proved & ~(certain & (sign < 0)),
    )


def _diamond_angles(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Diamond angles in [0, 4) of float directions, rounded to the grid on which directions are
    exact.
    """
    f = y / (x.abs() + y.abs())
    sigma = torch.where(x >= 0, torch.where(y >= 0, f, 4 + f), 2 - f)
    return (sigma * _GRID).round() / _GRID


def _enclose(
    f: Balls, g: Balls, x: torch.Tensor, y: torch.Tensor, wanted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A narrow dyadic interval around each of the directions wanted at whose ends the signs are
    certain and opposite.

    The first width is four times the error of the function over its slope, in floats; where it
    proves nothing, wider ones are tried on the few functions left.
    """
    sigma = _diamond_angles(x, y)
    low, high, proved = sigma.clone(), sigma.clone(), torch.zeros_like(wanted)
    width = _proposed_widths(f, g, sigma)
    for factor in (1.0, 64.0, 4096.0):
        rows = torch.nonzero(wanted & ~proved & (width * factor <= _WIDEST)).flatten()
        if not len(rows):
            break
        a, b = sigma[rows] - width[rows] * factor, sigma[rows] + width[rows] * factor
        (first, sure), (second, also) = (
            pencil_values(f[rows], g, *_dyadic_directions(s)).signs() for s in (a, b)
        )
        low[rows], high[rows] = a, b
        proved[rows] = sure & also & (first != second) & (a > 0) & (b < 4)
    return low, high, proved


def _proposed_widths(f: Balls, g: Balls, sigma: torch.Tensor) -> torch.Tensor:
    """Multiples of the grid at which the functions should exceed their error: four times the error
    over the slope.
    """
    alpha, beta = (ball.mid for ball in _dyadic_directions(sigma))
    da, db = 2.0 * (beta < 0).double() - 1.0, 1.0 - 2.0 * (alpha < 0).double()
    p, q, c = f.mid.unbind(1)
    across, along = g.mid[0] * alpha + g.mid[1] * beta, g.mid[1] * alpha + g.mid[2] * beta
    root = (alpha * across + beta * along).clamp(min=LEAST_NORMAL).sqrt()
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
