"""Ways from one vector to another by spherical interpolation, walked as a polygon whose chords are
each cut exactly; what they cross, in twenty bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact import Network, partition_lines
from exact.arithmetic.numbers import FloatArray
from studies.questions.shared.class_changes import walk
from studies.statistics import Degenerate

BINS, CHORDS_OF_A_BIN, ORDERS = 20, 5, 199
CHORDS = BINS * CHORDS_OF_A_BIN
MIDDLE, DIPS, ENDS = [8, 9, 10, 11], [4, 5, 14, 15], [0, 1, 18, 19]


@dataclass(frozen=True)
class Ways:
    """Crossings, class changes and lengths on every way and in each of its bins (ways x 20)."""

    crossings: FloatArray
    changes: FloatArray
    lengths: FloatArray

    @classmethod
    def of(cls, network: Network, p: FloatArray, q: FloatArray, *, classes: bool = True) -> Ways:
        """From rows of p to rows of q; class changes only with `classes`. Degenerate where no two
        rows have an angle between them.
        """
        corners = slerp(p, q)
        count, dim = len(corners), corners.shape[2]
        first, second = corners[:, :-1].reshape(-1, dim), corners[:, 1:].reshape(-1, dim)
        if classes:
            found = walk(network, first, second)
            lines, changed = found.lines, found.changed
        else:
            batch = partition_lines(network, first, second)
            lines = np.repeat(np.arange(len(batch)), np.diff(batch.starts))
            changed = lines[:0]
        crossed, changes = (
            np.bincount(of, minlength=count * CHORDS).reshape(count, BINS, -1).sum(axis=2)
            for of in (lines, changed)
        )
        lengths = np.linalg.norm(second - first, axis=1).reshape(count, BINS, -1).sum(axis=2)
        return cls(crossed.astype(float), changes.astype(float), lengths)

    @property
    def profile(self) -> FloatArray:
        """Crossings per length in each bin, over all ways, in units of their mean; NaN where
        nothing is crossed.
        """
        if not self.crossings.any():
            return np.full(BINS, np.nan)
        mean = self.crossings.sum() / self.lengths.sum()
        found: FloatArray = self.crossings.sum(axis=0) / self.lengths.sum(axis=0) / mean
        return found

    @property
    def bump(self) -> float:
        """Middle minus ends."""
        return apart(self.profile, MIDDLE, ENDS)

    @property
    def correlation(self) -> float:
        """Of crossings per length and class changes over bins, each less its mean on the way, so
        that bins in another order would give zero on average; NaN where the class never changes.
        """
        x, y = self._centred()
        size = np.sqrt((x**2).sum() * (y**2).sum())
        return float((x * y).sum() / size) if size > 0 else np.nan

    def permuted_p(self, rng: np.random.Generator) -> float:
        """The share of orders of the bins, drawn for each way apart and the given one counted,
        whose correlation is at least as large; NaN where there is no correlation.
        """
        x, y = self._centred()
        if not (x.any() and y.any()):
            return np.nan
        own = float((x * y).sum())
        slack = 1e-9 * np.sqrt((x**2).sum() * (y**2).sum())
        drawn = [float((x * rng.permuted(y, axis=1)).sum()) for _ in range(ORDERS)]
        return (1 + sum(one >= own - slack for one in drawn)) / (1 + ORDERS)

    def _centred(self) -> tuple[FloatArray, FloatArray]:
        """Crossings per length and class changes, each less its mean on the way."""
        density = self.crossings / self.lengths
        x, y = (values - values.mean(axis=1, keepdims=True) for values in (density, self.changes))
        return x, y


def apart(profile: FloatArray, one: list[int], other: list[int]) -> float:
    """The mean of some bins less that of others."""
    return float(profile[one].mean() - profile[other].mean())


def slerp(p: FloatArray, q: FloatArray) -> FloatArray:
    """Corners of the polygon on the spherical interpolation of every row of p to that of q (ways x
    101 x dim); rows without an angle between them are left out.
    """
    lengths = np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (p * q).sum(axis=1) / lengths
    kept = (lengths > 0) & (np.abs(cosine) < 1 - 1e-9)
    if not kept.any():
        raise Degenerate("no two vectors span a way", value=len(p), remedy="take others")
    angle, p, q = np.arccos(cosine[kept])[:, None, None], p[kept, None], q[kept, None]
    t = np.linspace(0, 1, CHORDS + 1)[None, :, None]
    return np.asarray((np.sin((1 - t) * angle) * p + np.sin(t * angle) * q) / np.sin(angle))


def to_median(p: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both scaled to their median length; vectors that are zero stay."""
    sizes = [np.linalg.norm(one, axis=1, keepdims=True) for one in (p, q)]
    median = float(np.median(np.concatenate(sizes)))
    first, second = (
        one * (median / np.where(size > 0, size, 1.0))
        for one, size in zip((p, q), sizes, strict=True)
    )
    return first, second
