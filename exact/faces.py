"""The polyhedral complex of a partition: vertices, edges, ..., cells, and which face bounds which.

A vertex is homogeneous over Q[K], K a symbol larger than every number: in a bounded domain its coordinates are rational,
in an unbounded one the domain is the cube [-K, K]^d, and a vertex on its boundary has coordinates `p + K q` with q != 0.
Signs at such a vertex are those for all sufficiently large K: lexicographic in the coefficients, the highest power first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.halfspace import Point
from exact.numbers import FloatArray
from exact.printing import short_repr

IndexArray = np.ndarray[Any, np.dtype[np.int64]]


@short_repr
@dataclass(frozen=True)
class SymbolicPoint:
    """The point `(finite + K * infinite[:-1]) / finite[-1]`: homogeneous integers; `infinite` has d entries.

    `finite` is (x_1, ..., x_d, x_0) with x_0 > 0, so that x_i = (finite_i + K infinite_i) / x_0.
    """

    finite: Point
    infinite: tuple[int, ...]

    @property
    def is_finite(self) -> bool:
        """Whether no coordinate depends on K."""
        return not any(self.infinite)


@short_repr
@dataclass(frozen=True)
class Incidence:
    """Rows of indices of different lengths (CSR): row i is `members[starts[i] : starts[i + 1]]`."""

    starts: IndexArray
    members: IndexArray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, index: int) -> IndexArray:
        """The members of one row."""
        return self.members[self.starts[index] : self.starts[index + 1]]


@short_repr
@dataclass(frozen=True)
class FaceComplex:
    """All faces of the regions of a partition, in the parameters of the domain.

    `boundary[k]`, k = 1..dim, lists for every k-face its (k - 1)-faces (of k = 1, its two vertices); the dim-faces are the
    regions in the engine's order. `corners` lists the vertices of every region. `vertex(i)` is exact, made on demand.
    """

    dim: int
    boundary: dict[int, Incidence]
    corners: Incidence
    vertex_count: int
    vertex: Callable[[int], SymbolicPoint]

    def enclosed(self) -> tuple[FloatArray, FloatArray] | None:
        """The vertices as floats (n x d) with bounds on their distances from the exact ones (n); None where not at hand."""
        return None
