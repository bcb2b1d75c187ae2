"""The affine hull of a closed polyhedron, with a proof: which of its inequalities hold with
equality everywhere on it.

A Farkas vector of the open halfspaces, multipliers l >= 0 with `sum_i l_i n_i = 0` and `c = sum_i
l_i b_i <= 0`, says of the closed ones: each term of `sum_i l_i (n_i . x + b_i) = c` is >= 0, so for
c < 0 there is no point at all, and for c = 0 all rows with l_i > 0 vanish on the whole set. On the
flat where they vanish the question is put again, at most d times, until the rows that are left have
a common point strictly inside. What is proved on a flat is proved for the rows as given: a
combination of the rows that vanish makes up the difference, and multiples of the vector before make
its multipliers positive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exact.arithmetic.linear_algebra import Vector, independent_rows, matrix, rows_of, solve
from exact.arithmetic.numbers import Rational
from exact.errors import EngineDefect, require
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility

_ZERO, _ONE = Rational(0), Rational(1)


@dataclass(frozen=True)
class AffineHull:
    """The flat `origin + sum_k s_k directions[k]`, and the polyhedron in it: the closure of the
    points inside all `walls`.

    The parameters s are those of the coordinates that determine the others: direction k is 1 in its
    own of them and 0 in the others, the first ones where there is a choice. `interior` is a
    parameter point strictly inside all walls. `proof` has a positive multiplier exactly for the
    rows that vanish on the whole polyhedron; they cancel normals and offsets.
    """

    origin: tuple[Rational, ...]
    directions: tuple[tuple[Rational, ...], ...]
    walls: tuple[Halfspace, ...]
    interior: Point
    proof: Farkas

    @property
    def point(self) -> Point:
        """The point at `interior` in the given coordinates: strictly inside every row that does not
        vanish.
        """
        place = affine(self.interior)
        steps = [
            [s * x for x in direction] for s, direction in zip(place, self.directions, strict=True)
        ]
        return homogeneous([sum(column, _ZERO) for column in zip(self.origin, *steps, strict=True)])


def affine_hull(rows: Sequence[Halfspace], dim: int) -> AffineHull | Farkas:
    """The affine hull of `{x in R^dim: n_i . x + b_i >= 0}`, or a Farkas vector with a negative
    sum: there is no point at all.

    A row that is 0 everywhere says nothing. Cost: one exact LP, and one more for every time that
    equalities are found.

    >>> from exact.geometry.polyhedra.halfspace import Halfspace
    >>> hull = affine_hull([Halfspace((1, 1, -1)), Halfspace((-1, -1, 1)), Halfspace((1, 0, 0))], 2)
    >>> hull.origin, hull.directions, hull.walls
    ((0, 1), ((1, -1),), (Halfspace(coefficients=(1, 0)),))
    """
    tight = [_ZERO] * len(rows)
    while True:
        origin, directions = _flat(rows, tight, dim)
        free = [i for i, m in enumerate(tight) if not m]
        if any(tight):
            inside = _restricted([rows[i] for i in free], origin, directions)
        else:
            inside = [*_coefficients(rows)]
        kept = [k for k, values in enumerate(inside) if any(values)]
        walls = [Halfspace.of(inside[k]) for k in kept]
        found = _opposite(walls) or strict_feasibility(walls, len(directions))
        if isinstance(found, Interior):
            if any(tight):
                left = [wall for wall in dict.fromkeys(walls) if not wall.is_constant]
            else:
                left = walls
            return AffineHull(
                tuple(origin),
                tuple(map(tuple, directions)),
                tuple(left),
                found.point,
                _support(tight),
            )
        scale = [_ratio(inside[kept[k]], walls[k]) for k in found.rows]
        used = {
            free[kept[k]]: m * s
            for k, m, s in zip(found.rows, found.multipliers, scale, strict=True)
        }
        tight, total = _lifted(rows, tight, used)
        if total < 0:
            return _support(tight)


def _coefficients(rows: Sequence[Halfspace]) -> Iterator[Vector]:
    return ([Rational(x) for x in row.coefficients] for row in rows)


def _opposite(walls: Sequence[Halfspace]) -> Farkas | None:
    """Pairs of walls that face each other on hyperplanes with independent normals: no programme is
    needed to see them.
    """
    counts = Counter(walls)
    facing = [wall for wall in counts if not wall.is_constant and wall.opposite in counts]
    if not facing:
        return None
    normals = [[Rational(x) for x in wall.normal] for wall in facing]
    chosen = {
        side
        for k in independent_rows(normals, len(normals[0]))
        for side in (facing[k], facing[k].opposite)
    }
    used = [k for k, wall in enumerate(walls) if wall in chosen]
    return Farkas(tuple(used), tuple(Rational(1, counts[walls[k]]) for k in used))


def _support(multipliers: Sequence[Rational]) -> Farkas:
    pairs = [(i, m) for i, m in enumerate(multipliers) if m]
    return Farkas(tuple(i for i, _ in pairs), tuple(m for _, m in pairs))


def _ratio(values: Sequence[Rational], wall: Halfspace) -> Rational:
    """By how much the values must be multiplied to be the coprime integers."""
    k = next(k for k, x in enumerate(values) if x)
    return wall.coefficients[k] / values[k]


def _flat(
    rows: Sequence[Halfspace], tight: Sequence[Rational], dim: int
) -> tuple[Vector, list[Vector]]:
    """The solutions of the rows that vanish: a point, and one direction for each coordinate that is
    free.
    """
    equations = [
        [*reversed(row.normal), -row.offset] for row, m in zip(rows, tight, strict=True) if m
    ]
    reduced, rank = matrix([[Rational(x) for x in row] for row in equations], dim + 1).rref()
    table = rows_of(reduced)[:rank]
    pivots = [next(j for j, x in enumerate(row) if x) for row in table]
    require(
        dim not in pivots,
        "rows that vanish by one Farkas vector each have a common zero",
        f"{len(pivots)} equalities",
    )
    origin = [_ZERO] * dim
    for row, pivot in zip(table, pivots, strict=True):
        origin[dim - 1 - pivot] = row[dim]
    directions = []
    for free in (j for j in reversed(range(dim)) if j not in set(pivots)):
        direction = [_ZERO] * dim
        direction[dim - 1 - free] = _ONE
        for row, pivot in zip(table, pivots, strict=True):
            direction[dim - 1 - pivot] = -row[free]
        directions.append(direction)
    return origin, directions


def _restricted(
    rows: Sequence[Halfspace], origin: Vector, directions: Sequence[Vector]
) -> list[Vector]:
    """The values of rows on a flat: their slopes along the directions, and their values at the
    origin.
    """
    dim = len(origin)
    chart = matrix(
        [*([*direction, _ZERO] for direction in directions), [*origin, _ONE]], dim + 1
    ).transpose()
    return rows_of(matrix([*_coefficients(rows)], dim + 1) * chart)


def _lifted(
    rows: Sequence[Halfspace], tight: list[Rational], used: dict[int, Rational]
) -> tuple[list[Rational], Rational]:
    """Multipliers of the rows as given that cancel the normals: those of a flat, with the rows that
    vanish there; their sum.

    The used rows sum to a constant on the flat, so their sum of normals is a combination of the
    normals that vanish there. Adding a multiple of `tight`, which cancels everything, makes all
    multipliers positive.
    """
    dim, names = len(rows[0].normal), [i for i, m in enumerate(tight) if m]
    found = [used.get(i, _ZERO) for i in range(len(rows))]
    rest = [-x for x in _summed(rows, found)[:-1]]
    basis = independent_rows([*_coefficients([rows[i] for i in names])], dim + 1) if names else []
    for k, share in zip(
        basis, _combination([rows[names[k]].normal for k in basis], rest), strict=True
    ):
        found[names[k]] += share
    more = max((-found[i] / tight[i] for i in names), default=_ZERO)
    found = [x + (max(more, _ZERO) + 1) * m for x, m in zip(found, tight, strict=True)]
    sums = _summed(rows, found)
    if any(sums[:-1]) or sums[-1] > 0 or min(found) < 0:
        raise EngineDefect(
            "a Farkas vector on a flat does not hold for the rows as given",
            value=used,
            remedy="this is a defect: please report the domain",
        )
    return found, sums[-1]


def _summed(rows: Sequence[Halfspace], multipliers: Sequence[Rational]) -> Vector:
    pairs = [(row.coefficients, m) for row, m in zip(rows, multipliers, strict=True) if m]
    return [
        sum((m * values[k] for values, m in pairs), _ZERO) for k in range(len(rows[0].coefficients))
    ]


def _combination(normals: Sequence[Sequence[int]], target: Vector) -> Vector:
    """The coefficients of a vector over independent normals that span it."""
    if not normals:
        return []
    columns = [[Rational(normal[k]) for normal in normals] for k in range(len(target))]
    chosen = independent_rows(columns, len(normals))
    found = solve(matrix([columns[k] for k in chosen], len(normals)), [target[k] for k in chosen])
    assert found is not None, "the normals are independent"
    return found
