"""The distance to a hinge behind a norm with eps, in the space of the norm's inputs.

With h = w . y / |w| and rho the distance of y = P x from the axis of w, the zero set of a hinge
with |cos theta| < 1 is, for both eps rules, one sheet of a quadric of revolution, `h = shift +
slope sqrt(rho^2 + core)`: a cone for eps = 0, a plane for cos theta = 0, else a hyperboloid
(mathematics.md, "Nearest boundaries"). The squared distance from a point of the half-plane falls up
to the one zero of its derivative, then rises: the foot is bracketed by two signs, and between the
brackets the sheet moves by at most sqrt(1 + slope^2) times their difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray

_STEPS = (
    100  # each halves the bracket or is Newton's; they may end anywhere, the brackets are proved
)

Slope = Callable[[FloatArray], tuple[FloatArray, FloatArray]]  # values, and their errors


class Sheet(NamedTuple):
    """`h = shift + slope sqrt(rho^2 + core)`, and how far it may be from the exact one near a point
    at distance r from the centre: `loose (r + reach)`.
    """

    shift: FloatArray
    slope: FloatArray
    core: FloatArray
    loose: FloatArray
    reach: FloatArray


def sheet(
    cosine: FloatArray,
    cosine_error: FloatArray,
    sine: FloatArray,
    sine_error: FloatArray,
    eps: FloatArray,
    rule: str,
) -> Sheet:
    """The zero set of hinges with the given cos theta and sin theta; `eps` is n eps for the rule
    "var", sqrt(n) eps for "std".

    On the exact sheet `dh / d cos theta` is at most `2 (r + reach) / sin^2 theta`, where reach is
    sqrt(n eps) or sqrt(n) eps.
    """
    slope, square = cosine / sine, sine * sine
    tilt = cosine_error + np.abs(cosine) * (sine_error + 8 * U)
    loose = 2 * tilt / (square * sine) * 1.25
    if rule == "var":
        return Sheet(0.0 * slope, slope, eps + 0.0 * slope, loose, np.sqrt(eps) + 0.0 * slope)
    return Sheet(cosine * eps / square, slope, (slope * eps) ** 2, loose, eps + 0.0 * slope)


def reach(
    found: Sheet, h: FloatArray, rho: FloatArray, error: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bounds on the distance of points as in :func:`distances`: at most their gap to the sheet
    along the axis, at least that over sqrt(1 + slope^2), as the sheet is nowhere steeper.
    """
    root = np.sqrt(rho * rho + found.core)
    gap = np.abs(h - found.shift - found.slope * root)
    size = np.abs(h) + np.abs(found.shift) + np.abs(found.slope) * root
    off = error * (1 + np.abs(found.slope)) + 16 * U * size
    off = (off + found.loose * (np.hypot(h, rho) + gap + found.reach)) * 1.01
    low = np.maximum(gap - off, 0.0) / np.sqrt(1 + found.slope**2)
    return low * 0.99, (gap + off) * 1.01


@dataclass(frozen=True)
class Feet:
    """Distances and bounds on their errors."""

    distances: FloatArray
    bounds: FloatArray


def distances(found: Sheet, h: FloatArray, rho: FloatArray, error: FloatArray) -> Feet:
    """The distance of points (h, rho), rho >= 0, from sheets, where each point is within `error` of
    the exact one.

    With g(s) = (1 + slope^2) s - rho - slope (h - shift) s / sqrt(s^2 + core) half the derivative
    is g, and g <= 0 at 0. Where slope (h - shift) <= 0 it increases, else it is convex: one change
    of sign either way, at `s <= (rho + max(0, slope (h - shift))) / (1 + slope^2)`.
    """
    height = h - found.shift
    pull, stretch = found.slope * height, 1.0 + found.slope**2
    top = (rho + np.maximum(pull, 0.0)) / stretch

    def derivative(s: FloatArray) -> tuple[FloatArray, FloatArray]:
        root = np.sqrt(s * s + found.core)
        share = np.divide(s, root, out=np.ones_like(s), where=root > 0)
        return stretch * s - rho - pull * share, 16 * U * (stretch * s + rho + np.abs(pull))

    low, high, s = np.zeros_like(top), top, top
    for _ in range(_STEPS):
        value, _ = derivative(s)
        low, high = np.where(value < 0, s, low), np.where(value < 0, high, s)
        root = np.sqrt(s * s + found.core)
        bent = np.divide(found.core, root**3, out=np.zeros_like(s), where=root > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = s - value / (stretch - pull * bent)
        inside = (newton > low) & (newton < high)
        s, before = np.where(inside, newton, (low + high) / 2), s
        if bool((np.abs(s - before) <= 2 * U * (s + top)).all()):
            break
    low, high = _bracket(derivative, s, top)
    gap = height - found.slope * np.sqrt(s * s + found.core)
    value = np.hypot(gap, s - rho)
    width = np.maximum(high - s, s - low) * np.sqrt(stretch)
    size = np.abs(h) + rho + np.abs(found.shift) + np.abs(found.slope) * (s + np.sqrt(found.core))
    away = found.loose * (np.hypot(h, rho) + value + width + found.reach)
    return Feet(value, (width + 16 * U * size + error + away) * 1.01)


def _bracket(derivative: Slope, s: FloatArray, top: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points on both sides of the foot near s, proved by the signs there; 0 and above `top` need no
    proof.
    """
    ends = list[FloatArray]()
    for side in (-1.0, 1.0):
        step, end = 8 * U * (s + top), np.full_like(s, np.nan)
        for _ in range(64):
            tried = np.clip(s + side * step, 0.0, top * (1 + 8 * U))
            value, error = derivative(tried)
            limit = tried <= 0 if side < 0 else tried >= top * (1 + 6 * U)
            good = np.isnan(end) & (limit | (side * value > error))
            end, step = np.where(good, tried, end), 4 * step
            if not np.isnan(end).any():
                break
        ends.append(np.where(np.isnan(end), 0.0 if side < 0 else 2 * top, end))
    return ends[0], ends[1]
