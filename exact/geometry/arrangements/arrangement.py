"""The hyperplanes of one hidden layer, without repetition, and coordinates in which they are fewer
and simpler.

Every hinge of the first hidden layer is an affine form over the parameters of a flat domain. Zero
rows, duplicates, opposite and proportional rows leave fewer distinct hyperplanes than hinges: an
`Arrangement` keeps the hyperplanes once, and says how each hinge's bit is read off the sides of
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.linear_algebra import dot, independent_rows, matrix, solve
from exact.arithmetic.numbers import Rational
from exact.errors import certain
from exact.geometry.polyhedra.halfspace import Halfspace, Point, homogeneous

Rows = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Arrangement:
    """Distinct hyperplanes in R^dim inside open walls, and the hinges that lie on them.

    Hinge h is on iff (side of hyperplane `plane[h]` is positive) differs from `flip[h]`; `plane[h]
    = -1` marks a hinge that is constant in the domain: it is on iff `flip[h]`. No hyperplane
    coincides with a wall, and no wall is constant.
    """

    dim: int
    planes: tuple[Halfspace, ...]
    walls: tuple[Halfspace, ...]
    plane: IndexArray
    flip: BitArray

    @property
    def hinges(self) -> int:
        """The number of hinges, constant ones included."""
        return len(self.plane)

    def hinge_bits(self, sides: BitArray) -> BitArray:
        """The codes of cells (R x hinges) from the sides of the hyperplanes (R x planes)."""
        if self.plane.tolist() == list(range(len(self.planes))) and not self.flip.any():
            return sides
        widened = np.concatenate([sides, np.zeros((len(sides), 1), dtype=bool)], axis=1)
        bits: BitArray = widened[:, self.plane] ^ self.flip
        return bits

    def plane_sides(self, bits: BitArray) -> BitArray:
        """The inverse of :meth:`hinge_bits`: the sides of the hyperplanes, read off the first hinge
        on each.
        """
        first = np.array(
            [int(np.flatnonzero(self.plane == p)[0]) for p in range(len(self.planes))],
            dtype=np.int64,
        )
        sides: BitArray = bits[:, first] ^ self.flip[first]
        return sides


def arrangement(
    halfspaces: Sequence[Halfspace], walls: Sequence[Halfspace], dim: int
) -> Arrangement:
    """The distinct hyperplanes of the halfspaces inside the walls; a hinge on a wall is constant in
    the open domain.
    """
    kept = tuple(dict.fromkeys(wall for wall in walls if not wall.is_constant))
    constant = {wall: True for wall in kept} | {wall.opposite: False for wall in kept}
    index, plane, flip = dict[Halfspace, int](), [], []
    for h in halfspaces:
        if h.is_constant or h in constant:
            plane.append(-1)
            flip.append(h.offset > 0 if h.is_constant else constant[h])
        else:
            turned = h.opposite in index
            plane.append(index[h.opposite] if turned else index.setdefault(h, len(index)))
            flip.append(turned)
    return Arrangement(
        dim, tuple(index), kept, np.array(plane, dtype=np.int64), np.array(flip, dtype=bool)
    )


@dataclass(frozen=True)
class Essential:
    """Forms of an arrangement in as few coordinates as their signs need; made by :func:`essential`.

    `rows` are integer forms (normal, offset) in `dim` coordinates, the first `planes` of them
    hyperplanes, the others walls. When `first` is given, all hyperplanes pass through `centre`: the
    rows are those after the first, on the parallel of the first at height one. Cells there are the
    cells on its positive side; the others are their opposites.
    """

    dim: int
    rows: Rows
    planes: int
    given_dim: int
    columns: tuple[int, ...]
    first: tuple[int, ...] = ()
    centre: tuple[Rational, ...] = ()

    @property
    def mirrored(self) -> bool:
        """Whether cells come in opposite pairs, of which the rows describe one each."""
        return bool(self.first)

    def lift(self, coordinates: Sequence[Rational], opposite: bool = False) -> Point:
        """A point of the given space in the cell of these coordinates, or in the opposite cell."""
        values = list(coordinates)
        if self.mirrored:
            q = _steepest(self.first)
            others = [x for j, x in enumerate(self.first) if j != q]
            values.insert(q, (1 - dot([Rational(x) for x in others], values)) / self.first[q])
            values = [
                c - y if opposite else c + y for c, y in zip(self.centre, values, strict=True)
            ]
        full = [Rational(0)] * self.given_dim
        for j, value in zip(self.columns, values, strict=True):
            full[j] = value
        return homogeneous(full)


def essential(given: Arrangement) -> Essential:
    """Drop coordinates that no form needs, and cut a central arrangement by a parallel of its first
    hyperplane.

    Forms of rank r read only r coordinates of a suitable basis; setting the others to zero loses no
    cell. In a central arrangement (no walls, one common point) x -> -x exchanges the cells, and
    those on the positive side of the first hyperplane a_0 are cones over the cells of {a_0 . x =
    1}.
    """
    forms = [h.coefficients for h in (*given.planes, *given.walls)]
    by_coordinate = [[Rational(form[j]) for form in forms] for j in range(given.dim)]
    columns = tuple(independent_rows(by_coordinate, len(forms))) if forms else ()
    rows = [tuple([*(form[j] for j in columns), form[-1]]) for form in forms]
    centre = None if given.walls or not forms else _common_point(rows)
    if centre is None:
        return Essential(len(columns), tuple(rows), len(given.planes), given.dim, columns)
    sliced = _sliced(rows)
    return Essential(
        len(columns) - 1, sliced, len(sliced), given.dim, columns, rows[0][:-1], tuple(centre)
    )


def _common_point(rows: Sequence[tuple[int, ...]]) -> list[Rational] | None:
    """The point that lies on every row (their normals span the space), or None."""
    normals = [[Rational(x) for x in row[:-1]] for row in rows]
    basis = independent_rows(normals, len(normals[0]))
    point = solve(
        matrix([normals[k] for k in basis], len(basis)), [Rational(-rows[k][-1]) for k in basis]
    )
    point = certain(point, "independent rows have one common point")
    if all(dot(a, point) + row[-1] == 0 for a, row in zip(normals, rows, strict=True)):
        return point
    return None


def _steepest(normal: Sequence[int]) -> int:
    return max(range(len(normal)), key=lambda j: abs(normal[j]))


def _sliced(rows: Sequence[tuple[int, ...]]) -> Rows:
    """The forms after the first on {first = 1}, about the common point: normals only count, the
    pivot becomes the constant.

    On a_0 . y = 1 the pivot coordinate is (1 - sum of the others) / a_0q, so a form a has the
    coefficients `a_l - a_q a_0l / a_0q` and the constant `a_q / a_0q`.
    """
    first = rows[0][:-1]
    q = _steepest(first)
    sign, scale = (1 if first[q] > 0 else -1), abs(first[q])
    sliced = []
    for row in rows[1:]:
        values = [
            x * scale - row[q] * sign * f
            for j, (x, f) in enumerate(zip(row[:-1], first, strict=True))
            if j != q
        ]
        sliced.append(Halfspace.of([Rational(x) for x in (*values, row[q] * sign)]).coefficients)
    return tuple(sliced)
