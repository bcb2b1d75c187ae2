"""The polyhedral complex of a partition: vertices, edges, ..., cells, and which face bounds which.

A vertex is homogeneous over Q[K], K a symbol larger than every number: in a bounded domain its
coordinates are rational, in an unbounded one the domain is the cube [-K, K]^d, and a vertex on its
boundary has coordinates `p + K q` with q != 0. Signs at such a vertex are those for all
sufficiently large K: lexicographic in the coefficients, the highest power first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.combinatorics.incidence import Incidence, reordered
from exact.geometry.polyhedra.halfspace import Point


@short_repr
@dataclass(frozen=True)
class SymbolicPoint:
    """The point `(finite + K * infinite[:-1]) / finite[-1]`: homogeneous integers; `infinite` has d
    entries.

    `finite` is (x_1, ..., x_d, x_0) with x_0 > 0, so that x_i = (finite_i + K infinite_i) / x_0.
    """

    finite: Point
    infinite: tuple[int, ...]

    @property
    def is_finite(self) -> bool:
        """Whether no coordinate depends on K."""
        return not any(self.infinite)


class Located(NamedTuple):
    """Vertices as floats (n x d), bounds on their distances from the exact ones (n), and which are
    at infinity, where neither says anything.
    """

    points: FloatArray
    slack: FloatArray
    far: BitArray


@short_repr
@dataclass(frozen=True)
class FaceComplex:
    """All faces of the regions of a partition, in the parameters of the domain.

    `boundary[k]`, k = 1..dim, lists for every k-face its (k - 1)-faces (of k = 1, its two
    vertices); the dim-faces are the regions in the engine's order. `corners` lists the vertices of
    every region. `vertex(i)` is exact, made on demand.
    """

    dim: int
    boundary: dict[int, Incidence]
    corners: Incidence
    vertex_count: int
    vertex: Callable[[int], SymbolicPoint]

    def enclosed(self) -> tuple[FloatArray, FloatArray] | None:
        """The vertices as floats (n x d) with bounds on their distances from the exact ones (n);
        None where not at hand.
        """
        return None

    def located(self) -> Located | None:
        """All vertices as floats, those of unbounded complexes too; None where not at hand."""
        known = self.enclosed()
        return None if known is None else Located(*known, np.zeros(len(known[1]), bool))


def with_regions_reordered(faces: FaceComplex, order: IndexArray) -> FaceComplex:
    """The same complex with its cells renumbered: cell k of the result is cell `order[k]`; other
    faces keep their numbers.
    """
    boundary = {**faces.boundary, faces.dim: reordered(faces.boundary[faces.dim], order)}
    return FaceComplex(
        faces.dim, boundary, reordered(faces.corners, order), faces.vertex_count, faces.vertex
    )


def cells_of_facets(faces: FaceComplex) -> IndexArray:
    """For every (dim - 1)-face the one or two cells that have it as a facet (F x 2, ascending), -1
    where there is none.
    """
    top = faces.boundary[faces.dim]
    cells = np.repeat(np.arange(len(top), dtype=np.int64), np.diff(top.starts))
    order = np.argsort(top.members, kind="stable")
    cells, members = cells[order], top.members[order]
    count = len(faces.boundary[faces.dim - 1]) if faces.dim > 1 else faces.vertex_count
    found = np.full((count, 2), -1, dtype=np.int64)
    again = np.concatenate([[False], members[1:] == members[:-1]])[: len(members)]
    found[members[~again], 0], found[members[again], 1] = cells[~again], cells[again]
    return found


def face_corners(faces: FaceComplex, dim: int, index: int) -> frozenset[int]:
    """The vertices of face `index` of dimension `dim`."""
    below = {index}
    for k in range(dim, 0, -1):
        below = {int(member) for face in below for member in faces.boundary[k].row(face)}
    return frozenset(below)
