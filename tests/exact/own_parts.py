"""An activation and a norm of one's own, as a user would write them, and some that keep no
promise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exact import Activation, Norm, RMSNorm
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, nearest_float


class Shrink(Activation):
    """z + 1/2 below -1/2, 0, and (1 - z) / 3 beyond 1."""

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return (Rational(-1, 2), Rational(1))

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        return (
            (Rational(1), Rational(1, 2)),
            (Rational(0), Rational(0)),
            (Rational(-1, 3), Rational(1, 3)),
        )

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.where(z < -0.5, z + 0.5, np.where(z > 1, (1 - z) / 3, 0))


@dataclass(frozen=True)
class Pieced(Activation):
    """Any bends and pieces."""

    bends: tuple[Rational, ...]
    parts: tuple[tuple[Rational, Rational], ...]

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return self.bends

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        return self.parts

    def forward_float(self, z: FloatArray) -> FloatArray:
        place = np.searchsorted([nearest_float(bend) for bend in self.bends], z)
        slopes, intercepts = np.array([[nearest_float(x) for x in part] for part in self.parts]).T
        return np.asarray(slopes[place] * z + intercepts[place])


class Contrast(Norm):
    """P takes the mean of every two coordinates from both; a last one that is left over stays as it
    is.
    """

    def _matrix(self) -> RationalArray:
        matrix = RationalArray(
            self.dim,
            self.dim,
            [Rational(int(i == j)) for i in range(self.dim) for j in range(self.dim)],
        )
        for i in range(0, self.dim - 1, 2):
            for j, k in ((i, i), (i, i + 1), (i + 1, i), (i + 1, i + 1)):
                matrix[j, k] = Rational(1 if j == k else -1, 2)
        return matrix

    def project(self, columns: RationalArray) -> RationalArray:
        return self._matrix() * columns

    @property
    def sphere_dim(self) -> int:
        return (self.dim + 1) // 2 - 1

    def sphere_basis(self) -> list[list[Rational]]:
        return [
            [Rational(int(j == i) - int(j == i + 1)) for j in range(self.dim)]
            for i in range(0, self.dim, 2)
        ]

    def _centre(self, x: FloatArray) -> FloatArray:
        matrix = [float(y.p) / float(y.q) for y in self._matrix().entries()]
        return x @ np.array(matrix).reshape(self.dim, self.dim).T


class LayerNorm(RMSNorm):
    """Another norm under a name that is taken."""


class Doubled(RMSNorm):
    """P = 2: no projection."""

    def project(self, columns: RationalArray) -> RationalArray:
        return columns + columns
