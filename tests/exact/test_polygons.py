"""Walls as bounded polygons: their order, their bounds, and what is none."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import pytest

from exact import Box
from exact.arithmetic.numbers import Rational
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.polygons import polygon

SQUARE = ((1, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1))
TRIANGLE = ((1, 0, 0), (0, 1, 0), (-3, -1, 1))


def walls(*rows: tuple[int, int, int]) -> list[Halfspace]:
    return [Halfspace.of([Rational(x) for x in row]) for row in rows]


@pytest.mark.parametrize("rows", [SQUARE, TRIANGLE, (*SQUARE, (1, 1, 2), (-1, -1, 7), (2, 3, 9))])
def test_sides_go_round_counter_clockwise(rows: tuple[tuple[int, int, int], ...]) -> None:
    for order in list(permutations(rows))[:30]:
        found = polygon(walls(*order))
        assert found is not None
        count = len(found.walls)
        assert count == (3 if rows is TRIANGLE else 4)  # a wall through one corner is no side
        for i, wall in enumerate(found.walls):
            a, b = found.corners[i], found.corners[(i + 1) % count]
            for corner in (a, b):
                p, q, radius = (Fraction(float(x)) for x in corner)
                gap = wall.normal[0] * p + wall.normal[1] * q + wall.offset
                assert abs(gap) <= sum(abs(w) for w in wall.normal) * radius
            x, y = wall.normal
            assert (b[0] - a[0]) * y - (b[1] - a[1]) * x > 0  # inside lies to the left


def test_rows_are_the_walls_within_their_bounds() -> None:
    box = Box([Fraction(-1, 3), 10**9], [Fraction(1, 7), 10**9 + 1])
    found = box.flat().polygon
    assert found is not None and box.flat().polygon is not None
    for wall, row in zip(found.walls, found.rows, strict=True):
        size = max(abs(x) for x in wall.normal)
        exact = [Fraction(x, size) for x in wall.coefficients]
        gaps = [abs(x - Fraction(float(y))) for x, y in zip(exact, row[:3], strict=True)]
        assert sum(gap**2 for gap in gaps[:2]) <= Fraction(float(row[3])) ** 2
        assert gaps[2] <= Fraction(float(row[4]))
        assert sum(x**2 for x in exact[:2]) <= Fraction(float(row[5])) ** 2


@pytest.mark.parametrize(
    "rows",
    [
        (),
        SQUARE[:3],  # a strip that is closed at one end
        SQUARE[:2],
        ((1, 0, 0), (0, 1, 0)),
        ((1, 0, 0), (0, 1, 0), (1, 1, -1)),
        ((1, 0, 0), (-1, 0, 0), (0, 1, 1), (0, -1, 1)),  # a segment
        (*SQUARE, (1, 0, -2)),  # nothing
        (*SQUARE, (1, 0, -1)),  # a side alone
        (*SQUARE, (1, 1, -2)),  # a corner alone
        (*SQUARE, *((k, 1, 50) for k in range(9))),  # more than are met
    ],
)
def test_what_is_no_bounded_polygon(rows: tuple[tuple[int, int, int], ...]) -> None:
    assert polygon(walls(*rows)) is None


def test_constant_walls_and_other_dimensions_have_none() -> None:
    assert polygon([*walls(*SQUARE), Halfspace((0, 0, -1))]) is None
    assert Box(-1, 1, dim=3).flat().polygon is None
