"""Volumes of regions in a box from their vertices, where no more than d walls meet in any: in more
dimensions than complexes of all faces are made for.

Only parameters that some wall inside the domain depends on are looked at; each other one multiplies
by its width. Floats carry their proof (:mod:`exact.kernels.simple_volumes`), and the vertices that
it proves are those of the exact sum. Cost: for each vertex, of which a box of d parameters has 2^d
before it is cut, O(d^3 + walls d) in floats, and an exact system of d equations for exact volumes.
In general the volume even of a box that one plane cuts is as hard as counting (Dyer and Frieze
1988), so that more than 14 such parameters, more than 100,000 vertices, and regions with a vertex
in which more walls meet are left to others.
"""

from __future__ import annotations

from functools import cached_property
from math import factorial, inf, prod

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST_NORMAL, U, inflation
from exact.arithmetic.linear_algebra import Vector, dot, matrix, solve
from exact.arithmetic.numbers import FloatArray, Rational, nearest_float, rounding_error
from exact.errors import EngineDefect
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.regions.polytopes.quantities.in_boxes import InBox

MOST_PARAMETERS, MOST_VERTICES = 14, 100_000
_SLOTS = 1 << 18  # of the table of vertices, more than twice as many
_TRIES = 24  # vectors of which the one with the least bound is taken
_UP = inflation(64)


class SimpleVolumes:
    """The volumes of the regions of a partition, as rows over a box around its domain."""

    def __init__(self, box: InBox) -> None:
        self._box = box

    def float(self, index: int) -> tuple[FloatArray, str]:
        """A volume and a bound on its error; inf, and why, where vertices do not tell it."""
        cell = _Cell(self._box, index)
        if not cell.walls:
            scale = np.array([nearest_float(cell.scale)])
            return np.array([scale[0], rounding_error(scale)[0]]), ""
        if cell.refused:
            return np.array([0.0, inf]), cell.refused
        found = cell.sums()
        scale = np.array([nearest_float(cell.scale)])
        volume, off = found[int(found[:, 1].argmin())] * scale[0]
        off += (abs(volume) + off) * (4 * U) + rounding_error(scale)[0] * np.abs(found).max()
        return np.array([volume, off * _UP + LEAST_NORMAL]), ""

    def exact(self, index: int) -> Rational | None:
        """The exact volume; None where vertices do not tell it."""
        cell = _Cell(self._box, index)
        if not cell.walls:
            return cell.scale
        return None if cell.refused else cell.exact()


class _Cell:
    """A region over the parameters that its inner walls depend on, in units of the box."""

    def __init__(self, box: InBox, index: int) -> None:
        self._box, self._index = box, index
        self.walls = box.walls(index)

    @cached_property
    def _active(self) -> list[int]:
        normals = [wall.normal for wall in self.walls]
        return [j for j, column in enumerate(zip(*normals, strict=True)) if any(column)]

    @property
    def scale(self) -> Rational:
        """What the volume of the cell in units is multiplied by."""
        active, half = {*self._active}, self._box.bounds.half
        return prod((h if j in active else 2 * h for j, h in enumerate(half)), start=Rational(1))

    @cached_property
    def refused(self) -> str:
        """Why its vertices do not tell the volume; nothing where they do."""
        dim = len(self._active)
        if dim > MOST_PARAMETERS:
            return f"planes that depend on {dim} parameters cut it, more than {MOST_PARAMETERS}"
        if self._sets is None:
            return "more walls than dimensions meet in a vertex, or floats cannot tell that not"
        if not len(self._sets):
            return f"it has more than {MOST_VERTICES} vertices"
        return ""

    @cached_property
    def _rows(self) -> FloatArray:
        """The inner walls, then -1 <= u_j and u_j <= 1 in turn."""
        dim = len(self._active)
        table = self._box.table(self.walls)[:, [*self._active, -3, -2, -1]]
        sides = np.zeros((2 * dim, dim + 3))
        sides[np.arange(2 * dim), np.repeat(np.arange(dim), 2)] = np.tile([1.0, -1.0], dim)
        sides[:, dim] = sides[:, dim + 2] = 1.0
        return np.concatenate([table, sides])

    @cached_property
    def _inside(self) -> FloatArray:
        return np.ascontiguousarray(self._box.witness(self._index)[self._active])

    @cached_property
    def _along(self) -> FloatArray:
        """Vectors, none of whose entries is small."""
        rng, shape = np.random.default_rng(0), (_TRIES, len(self._active))
        found: FloatArray = rng.uniform(0.5, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
        return found

    @cached_property
    def _sets(self) -> IndexArray | None:
        """The walls of every vertex; none beyond too many, None where some is not simple."""
        from exact.kernels import simple_volumes as kernel

        room = np.empty((MOST_VERTICES, len(self._active)), np.int64)
        table = np.full(_SLOTS, -1, np.int64)
        outcome, count = kernel.vertices(self._rows, self._first(), room, table)
        if outcome == kernel.NOT_SIMPLE:
            return None
        return room[: count if outcome == kernel.DONE else 0].copy()

    def _first(self) -> IndexArray:
        """The walls of some vertex, as far as floats can tell."""
        from exact.kernels import boxes as kernel

        dim, own = len(self._active), len(self.walls)
        size = min(own, dim) + 2
        basis = kernel.Basis(
            np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(1, np.int64)
        )
        u, target = np.zeros(dim), np.array([*self._along[0], 0.0, 0.0, float(dim)])
        rows = np.ascontiguousarray(self._rows[:own])
        kernel.most(rows, own, target, self._inside, basis, np.empty(2), u)
        count = int(basis.size[0])
        basic = {*basis.basic[:count].tolist()}
        sides = [own + 2 * j + int(u[j] > 0) for j in range(dim) if j not in basic]
        return np.array([*basis.tight[:count].tolist(), *sides], np.int64)

    def sums(self) -> FloatArray:
        """The volume in units, and a bound on its error, by each vector."""
        from exact.kernels import simple_volumes as kernel

        out, sets = np.zeros((_TRIES, 2)), self._sets
        assert sets is not None, "the cell is not refused"
        kernel.lawrence(self._rows, sets, len(sets), self._inside, self._along, out)
        return out

    # ---- exactly

    def exact(self) -> Rational:
        """Lawrence's sum in rationals, over vertices that floats have proved."""
        dim, sets = len(self._active), self._sets
        assert sets is not None, "the cell is not refused"
        walls = self._exact_walls()
        for start in range(1, 1000):  # a vector for which some term has no value is passed over
            along = [Rational((start + 17 * j * j) % 101 + 1) for j in range(dim)]
            terms = [_term([walls[k] for k in row], along) for row in sets.tolist()]
            if None not in terms:
                total = sum((x for x in terms if x is not None), Rational(0)) / factorial(dim)
                others = [h for j, h in enumerate(self._box.bounds.half) if j not in self._active]
                return prod((2 * h for h in others), start=total)
        raise EngineDefect("every vector is level on some edge", value=f"region {self._index}")

    def _exact_walls(self) -> list[Vector]:
        """The rows over the active parameters themselves."""
        found = [_restricted(wall, self._active) for wall in self.walls]
        bounds, dim = self._box.bounds, len(self._active)
        for place, j in enumerate(self._active):
            unit = [Rational(int(k == place)) for k in range(dim)]
            found += [[*unit, -bounds.lo[j]], [*(-x for x in unit), bounds.hi[j]]]
        return found


def _restricted(wall: Halfspace, active: list[int]) -> Vector:
    return [*(Rational(wall.normal[j]) for j in active), Rational(wall.offset)]


def _term(walls: list[Vector], along: Vector) -> Rational | None:
    """The term of a vertex, without 1 / d!; None where some edge is level."""
    dim = len(walls)
    normals = matrix([row[:-1] for row in walls], dim)
    point, slopes = solve(normals, [-row[-1] for row in walls]), solve(normals.transpose(), along)
    if point is None or slopes is None:
        raise EngineDefect("walls of a vertex that was proved do not meet", value=walls)
    if not all(slopes):
        return None
    below = prod((-x for x in slopes), start=abs(normals.det()))
    return dot(along, point) ** dim / below
