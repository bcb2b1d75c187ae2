"""Whether an affine map meets a condition on a cell, exactly.

What violates a condition is an or of ands too, of inequalities some of which may be strict. A cell
is the closure of a region: a closed polyhedron with inner points. A common point of closed rows and
strict ones is looked for strictly inside all of them first; where there is none, one more variable
t with `strict row >= t` and `0 <= t <= 1` tells whether t vanishes on all that is left (Motzkin
1936).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exact.arithmetic.linear_algebra import Vector, dot, rows_of
from exact.arithmetic.numbers import Rational, RationalArray
from exact.errors import InvalidInput
from exact.geometry.domains.base import Flat, FlatDomain
from exact.geometry.polyhedra.affine_hulls import affine_hull
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, strict_feasibility
from exact.instruments.output_sets.conditions import Condition, Inequality

_ZERO = Rational(0)


@dataclass(frozen=True)
class Part(FlatDomain):
    """What some more walls leave of a domain."""

    chart: Flat

    def check(self, input_dim: int) -> None:
        if len(self.chart.origin) != input_dim:
            raise InvalidInput(
                "a part of a domain does not fit the network",
                value=len(self.chart.origin),
                remedy=f"give one in R^{input_dim}",
            )

    def flat(self) -> Flat:
        return self.chart


@dataclass(frozen=True)
class Row:
    """`coefficients . (x, 1) >= 0`, or `> 0` where it is strict."""

    halfspace: Halfspace
    strict: bool

    @classmethod
    def of(cls, inequality: Inequality, columns: Sequence[Vector]) -> Row:
        """An inequality of outputs that are these rows over the parameters and 1."""
        width = len(columns[0])
        form = [-dot(inequality.factors, [column[k] for column in columns]) for k in range(width)]
        form[-1] += inequality.bound
        return cls(Halfspace.of(form), inequality.strict)


def rows_over(case: Sequence[Inequality], columns: RationalArray) -> list[Row]:
    """The rows of a case over the parameters, where the outputs are given by their columns."""
    listed = rows_of(columns)
    return [Row.of(one, listed) for one in case]


def common_point(walls: Sequence[Halfspace], rows: Sequence[Row], dim: int) -> Point | Farkas:
    """A point in all closed walls and in all rows, or multipliers of walls and rows that prove
    that there is none: they cancel the normals and leave a sum that is negative, or zero with a
    positive multiplier of a strict row. The walls have a common inner point.
    """
    every = [*walls, *(row.halfspace for row in rows)]
    found = strict_feasibility(every, dim)
    if isinstance(found, Interior):
        return found.point
    total = sum(
        (m * every[i].offset for i, m in zip(found.rows, found.multipliers, strict=True)), _ZERO
    )
    if total < 0 or (rows and all(row.strict for row in rows)):
        return found  # the walls alone are not opposed, so some strict row has a multiplier
    hull = affine_hull(list(lifted_rows(walls, rows, dim)), dim + 1)
    if isinstance(hull, Farkas):
        return _lowered(hull, len(every))
    place = affine(hull.point)
    if any(row.strict for row in rows) and place[-1] <= 0:
        return _lowered(hull.proof, len(every))
    return homogeneous(place[:-1])


def _lowered(proof: Farkas, count: int) -> Farkas:
    """What a vector of the lifted rows says of the rows as given: of t the rest is left out."""
    kept = [(i, m) for i, m in zip(proof.rows, proof.multipliers, strict=True) if i < count]
    return Farkas(tuple(i for i, _ in kept), tuple(m for _, m in kept))


def lifted_rows(walls: Sequence[Halfspace], rows: Sequence[Row], dim: int) -> Iterator[Halfspace]:
    """Walls and rows in one variable t more, then `t >= 0` and `t <= 1`."""
    for wall in walls:
        yield Halfspace((*wall.normal, 0, wall.offset))
    for row in rows:
        given = row.halfspace
        yield Halfspace((*given.normal, -1 if row.strict else 0, given.offset))
    zeros = (0,) * dim
    yield Halfspace((*zeros, 1, 0))
    yield Halfspace((*zeros, -1, 1))


def violated_on(
    violations: Condition, walls: Sequence[Halfspace], columns: RationalArray, dim: int
) -> Point | None:
    """A point of a cell whose outputs fulfil one case of what violates a condition."""
    for case in violations.cases:
        found = common_point(walls, rows_over(case, columns), dim)
        if not isinstance(found, Farkas):
            return found
    return None
