"""The cell complex that circles cut a 2-sphere into: vertices, arcs, cells, and the walks around
the cells.

Coordinates are those of a :class:`~exact.propagation.charts.SphereChart`: the sphere is `y' gram y
= radius_squared`, a circle its intersection with a plane `normal . y + offset = 0`. A cell is a
connected component of what the circles leave: a disc, an annulus, or a sphere with more holes; its
boundary is one closed walk per boundary component.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray
from exact.arithmetic.surds import Surd
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.halfspace import Halfspace

HalfEdgeArray = np.ndarray[Any, np.dtype[np.int32]]
SurdPoint = tuple[Surd, Surd, Surd]


@dataclass(frozen=True)
class SphereComplex:
    """Circles, arcs and cells on the sphere `y' gram y = radius_squared`; every array in a
    deterministic order.

    `circles[c]` is a carrier: the open halfspace `normal . y + offset > 0` is its positive side,
    and crossing it there flips the hinges `flips.row(c)` (bits of the spline code; duplicate and
    opposite planes share a carrier). Arc e lies on carrier `arc_circle[e]` and runs from vertex
    `arc_ends[e, 0]` to `arc_ends[e, 1]` with the positive side on its left, seen from outside with
    a right-handed basis; a whole circle without vertices has ends -1, -1. `arc_sides[e]` are the
    cells on its positive and on its negative side. Half-edge 2e is arc e in that direction with the
    positive side on its left, 2e + 1 the reverse with the negative side on its left; `following[h]`
    is the next half-edge of the walk around the cell on the left, and `walk_of[h]` numbers the
    walks (0 .. walk_count - 1). `cell_of_walk[w]` is its cell.

    `vertex(i)` are exact coordinates, made on demand; `vertex_floats` (V x 3) are approximate, for
    drawing. Euler's relation `V - E + F = 1 + components` holds, whole circles counted as one
    vertex and one arc each, and was checked.
    """

    gram: RationalArray
    radius_squared: Rational
    circles: tuple[Halfspace, ...]
    flips: Incidence
    arc_circle: HalfEdgeArray
    arc_ends: HalfEdgeArray
    arc_sides: HalfEdgeArray
    following: HalfEdgeArray
    walk_of: HalfEdgeArray
    cell_of_walk: HalfEdgeArray
    cell_count: int
    vertex_count: int
    components: int
    vertex: Callable[[int], SurdPoint]
    vertex_floats: FloatArray

    def __repr__(self) -> str:
        cells, arcs, vertices = self.cell_count, self.arc_count, self.vertex_count
        points = "1 vertex" if vertices == 1 else f"{vertices:,} vertices"
        return (
            f"<{cells:,} cell{'s' * (cells != 1)}, {arcs:,} arc{'s' * (arcs != 1)}, {points} "
            f"on a sphere>"
        )

    @property
    def arc_count(self) -> int:
        """The number of arcs, whole circles included."""
        return len(self.arc_circle)

    @property
    def walk_count(self) -> int:
        """The number of boundary walks of all cells together."""
        return len(self.cell_of_walk)

    @property
    def euler_characteristic(self) -> int:
        """V - E + F with one vertex on every whole circle: 1 + components when nothing is
        missing.
        """
        whole = int(np.count_nonzero(self.arc_ends[:, 0] < 0))
        return self.vertex_count + whole - self.arc_count + self.cell_count

    def pairs(self) -> IndexArray:
        """The two cells of every arc (E x 2): one row per arc, so that two cells may be joined
        several times.
        """
        return self.arc_sides.astype(np.int64)
