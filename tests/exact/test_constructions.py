"""New points from old ones, recomputed in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exact.arithmetic.numbers import fraction, fractions
from exact.geometry.polyhedra.constructions import (
    along,
    centroid,
    facet_hit,
    first_hit,
    meet,
    shortened,
    step_inside,
)
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous, is_inside
from tests.exact.reference import dot, integers, q

SQUARE = [Halfspace(row) for row in ((1, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1))]
DIRECTIONS = st.tuples(st.integers(-9, 9), st.integers(-9, 9))
INSIDE = st.tuples(*[st.builds(Fraction, st.integers(-6, 6), st.just(7))] * 2)


def point_of(coordinates: tuple[Fraction, ...]) -> Point:
    return homogeneous([q(x) for x in coordinates])


def coordinates_of(point: Point) -> tuple[Fraction, ...]:
    return fractions(affine(point))


def value(halfspace: Halfspace, x: tuple[Fraction, ...]) -> Fraction:
    found: Fraction = dot(halfspace.coefficients, (*x, 1))
    return found


@given(INSIDE, DIRECTIONS)
def test_first_hit_is_where_the_square_ends(
    x: tuple[Fraction, Fraction], direction: tuple[int, int]
) -> None:
    assume(any(direction))
    found = first_hit(point_of(x), direction, SQUARE)
    assert found is not None
    step = fraction(found)
    at = tuple(a + step * b for a, b in zip(x, direction, strict=True))
    assert step > 0
    assert max(map(abs, at)) == 1
    assert coordinates_of(along(point_of(x), direction, found)) == at


@given(INSIDE, DIRECTIONS)
def test_step_inside_stays_inside(x: tuple[Fraction, Fraction], direction: tuple[int, int]) -> None:
    assume(any(direction))
    moved = coordinates_of(step_inside(point_of(x), direction, SQUARE))
    assert max(map(abs, moved)) < 1
    steps = {(b - a) / d for a, b, d in zip(x, moved, direction, strict=True) if d}
    assert len(steps) == 1
    assert steps.pop() > 0


def test_nothing_ahead() -> None:
    origin = point_of((Fraction(1, 3), Fraction(0)))
    assert first_hit(origin, (0, 1), SQUARE[:2]) is None
    assert coordinates_of(step_inside(origin, (0, 1), SQUARE[:2])) == (Fraction(1, 3), 1)
    assert coordinates_of(step_inside(origin, (5, 0), ())) == (Fraction(16, 3), 0)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_meet_lies_on_every_hyperplane(dim: int) -> None:
    generator = np.random.default_rng(dim)
    found = 0
    for _ in range(20):
        rows = integers(generator, (dim, dim + 1))
        walls = [Halfspace.of([q(x) for x in row]) for row in rows]
        point = meet(walls)
        singular = round(np.linalg.det(np.array(rows)[:, :-1])) == 0
        assert (point is None) == singular
        if point is not None:
            found += 1
            assert point[-1] > 0
            assert all(value(wall, coordinates_of(point)) == 0 for wall in walls)
    assert found > 5


def test_parallel_and_equal_walls_meet_nowhere_or_everywhere() -> None:
    assert meet([Halfspace((1, 2, 3)), Halfspace((2, 4, 1))]) is None
    assert meet([Halfspace((1, 2, 3)), Halfspace((-1, -2, -3))]) is None


def test_centroid_is_the_mean() -> None:
    corners = [
        (Fraction(0), Fraction(0)),
        (Fraction(1, 2), Fraction(0)),
        (Fraction(1), Fraction(7)),
    ]
    assert coordinates_of(centroid([point_of(corner) for corner in corners])) == (
        Fraction(1, 2),
        Fraction(7, 3),
    )


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (1, 1), (-2, 1), (3, -1)])
def test_a_facet_hit_from_inside_lies_on_one_wall(direction: tuple[int, ...]) -> None:
    """Towards the corners of a diamond two walls are met at once, and a third one that touches the
    corner.
    """
    rows = [(-1, -1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, 1), (-1, 0, 1), (0, -1, 1), (-3, -2, 3)]
    walls = [Halfspace(row) for row in rows]
    facet, point = facet_hit(walls, (0, 0, 1), direction)
    signs = [wall.value(point) for wall in walls]
    assert signs.pop(facet) == 0
    assert min(signs) > 0
    assert facet < 4
    plain = first_hit((0, 0, 1), direction, walls)
    assert plain is not None
    assert walls[facet].value(along((0, 0, 1), direction, plain)) == 0


@given(data=st.data())
def test_a_shortened_point_is_inside_and_short(data: st.DataObject) -> None:
    """The slack of a wall may be of any size; digits are those that the slacks ask for, not those
    of the point.
    """
    dim = data.draw(st.integers(1, 4))
    numbers = st.integers(-(10**30), 10**30)
    point = (
        *data.draw(st.lists(numbers, min_size=dim, max_size=dim)),
        data.draw(st.integers(1, 10**40)),
    )
    rows = data.draw(st.lists(st.lists(numbers, min_size=dim + 1, max_size=dim + 1), max_size=5))
    walls = [
        Halfspace(tuple(row))
        for row in rows
        if sum(a * x for a, x in zip(row, point, strict=True)) > 0
    ]
    short = shortened(point, walls)
    assert is_inside(walls, short)
    assert (
        max(map(abs, shortened((3**900, 2**900 + 1), [Halfspace((1, 0)), Halfspace((-1, 3**900))])))
        < 2**1430
    )
    assert shortened((10**50 + 1, 3 * 10**50), [Halfspace((1, 0)), Halfspace((-1, 1))]) in (
        (1, 4),
        (3, 8),
        (1, 2),
    )
    assert shortened((7, 5, 3), []) == (0, 0, 1)
