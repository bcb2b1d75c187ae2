"""Lengths of elliptic arcs `a cos t + b sin t + c` in float64, with proved bounds.

The squared speed is `g(t) = |b cos t - a sin t|^2 = M^2 cos^2 s + m^2 sin^2 s`, s = t + phi / 2,
where M >= m are the semi-axes. Its only zeros are s = pi/2 + k pi +- i r with tanh r = m / M, so
that the speed is analytic on every disc that holds none of them, and of size at most
sqrt(2) cosh(1) M < 2.2 M on one of radius 1 around a real point. Pieces of a quarter turn are
halved until N points of Gauss-Legendre prove the rest to be small: on [-h, h] inside a disc of
radius R, with x + 1/x = 2 R / h, where the speed is at most B, Chebyshev's coefficients are at most
2 B / x^k, and Gauss's rule is exact below degree 2 N, so that its error is at most
8 h B x^-2N / (1 - 1/x). Beside a zero the speed is monotone, and its values at both ends enclose
it. A squared speed that is off by D changes a speed f by at most min(sqrt D, D / f). Roundings:
|f'| <= M, and every s is below 16.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST_NORMAL, U
from exact.arithmetic.numbers import Ball, FloatArray

_POINTS = 12
_RULE = [Ball.legendre_p_root(_POINTS, k, weight=True) for k in range(_POINTS)]
_NODES, _WEIGHTS = (np.array([float(pair[k].mid()) for pair in _RULE]) for k in (0, 1))
_QUARTER = math.pi / 2
_SMALL = 2.0**-54  # beside the semi-axis


class ArcLengths(NamedTuple):
    """Lengths, each within its bound."""

    values: FloatArray
    bounds: FloatArray


class _Axes(NamedTuple):
    """Semi-axes, and where the larger one is the speed: s = t + phase."""

    major: FloatArray
    minor: FloatArray
    phase: FloatArray

    def speed(self, owner: IndexArray, s: FloatArray) -> FloatArray:
        """The speeds of arcs at s."""
        speeds: FloatArray = np.hypot(
            self.major[owner] * np.cos(s.T), self.minor[owner] * np.sin(s.T)
        ).T
        return speeds


def elliptic_lengths(
    gram: FloatArray, gram_errors: FloatArray, start: FloatArray, stop: FloatArray
) -> ArcLengths:
    """Lengths of K arcs from angle `start` to `stop` (0 <= start, stop <= 8), each within its
    bound.

    `gram` (K x 3) holds |a|^2, a b, |b|^2, and `gram_errors` bounds the error of the squared speed
    they give. All must be finite.

    >>> import numpy as np
    >>> found = elliptic_lengths(np.array([[1.0, 0.0, 1.0]]), np.zeros(1), np.zeros(1), np.ones(1))
    >>> bool(abs(found.values[0] - 1) <= found.bounds[0] < 1e-13)
    True
    """
    aa, ab, bb = gram.T
    mean, difference = (aa + bb) / 2, (bb - aa) / 2
    radius, phase = np.hypot(difference, ab), np.arctan2(ab, difference) / 2
    axes = _Axes(np.sqrt(mean + radius), np.sqrt(np.maximum(mean - radius, 0.0)), phase)
    slack = (gram_errors + 64 * U * mean + LEAST_NORMAL) * 1.01
    values, bounds = np.zeros(len(gram)), np.zeros(len(gram))
    owner, low, high = _quarters(start + phase, np.maximum(start, stop) + phase)
    while len(owner):
        half, major = (high - low) / 2, axes.major[owner]
        left, right = axes.speed(owner, low), axes.speed(owner, high)
        gauss, crude = _gauss_error(axes, owner, low, high), half * np.abs(right - left)
        least = np.minimum(left, right) * 0.99
        off = np.sqrt(slack[owner])
        off = np.minimum(off, slack[owner] / np.where(least > off, least, off + (off == 0)))
        done = ~(np.minimum(gauss, crude) > _SMALL * major)  # NaN as well
        nodes = ((low + high) / 2)[:, None] + half[:, None] * _NODES
        found = np.where(
            gauss <= crude, half * (axes.speed(owner, nodes) @ _WEIGHTS), half * (left + right)
        )
        bound = np.minimum(gauss, crude) + 2 * half * off + (64 * half + 64) * U * major
        np.add.at(values, owner[done], found[done])
        np.add.at(bounds, owner[done], bound[done])
        owner, low, high = owner[~done], low[~done], high[~done]
        middle = (low + high) / 2
        owner = np.concatenate([owner, owner])
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    return ArcLengths(values, bounds * 1.01)


def _quarters(start: FloatArray, stop: FloatArray) -> tuple[IndexArray, FloatArray, FloatArray]:
    """The arcs cut at multiples of pi / 2: arc, start and stop of every piece."""
    first, last = (np.floor(s / _QUARTER).astype(np.int64) for s in (start, stop))
    counts = last - first + 1
    owner = np.repeat(np.arange(len(start)), counts)
    quarter = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    low = np.maximum(start[owner], quarter * _QUARTER)
    high = np.minimum(stop[owner], (quarter + 1) * _QUARTER)
    return owner, low, np.maximum(low, high)


def _gauss_error(axes: _Axes, owner: IndexArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The bound of the rule, infinite where a zero is too near."""
    major, half, middle = axes.major[owner], (high - low) / 2, (low + high) / 2
    ratio = axes.minor[owner] / np.where(major > 0, major, 1.0)
    above = np.arctanh(np.minimum(ratio, 0.99))
    beside = np.abs((middle / math.pi) % 1.0 - 0.5) * math.pi
    room = 0.999 * np.minimum(np.hypot(above, beside), 1.0) - 2.0**-40
    share = np.minimum(room / np.maximum(half, 2.0**-60), 2.0**20)
    x = np.where(share > 1.1, share + np.sqrt(np.maximum(share * share - 1, 0)), 2.0)
    error = 18 * half * major * x ** (-2.0 * _POINTS) / (1 - 1 / x)
    return np.where(share > 1.1, error, math.inf)
