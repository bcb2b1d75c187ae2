"""Halfspaces and homogeneous points in integers."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from exact.arithmetic.numbers import fractions
from exact.geometry.polyhedra.halfspace import (
    Halfspace,
    affine,
    homogeneous,
    lift,
    pivot,
    primitive,
)
from tests.exact.reference import dot, q, sign

DIMS = st.integers(1, 4)
ENTRIES = st.integers(-5, 5)
COORDINATES = st.builds(Fraction, st.integers(-50, 50), st.integers(1, 9))


def halfspaces(dim: int) -> st.SearchStrategy[Halfspace]:
    rows = st.lists(ENTRIES, min_size=dim + 1, max_size=dim + 1).filter(lambda row: any(row[:-1]))
    return rows.map(lambda row: Halfspace.of([q(x) for x in row]))


def points(dim: int) -> st.SearchStrategy[list[Fraction]]:
    return st.lists(COORDINATES, min_size=dim, max_size=dim)


def value(halfspace: Halfspace, point: list[Fraction]) -> Fraction:
    found: Fraction = dot(halfspace.coefficients, [*point, Fraction(1)])
    return found


def test_equal_sets_are_equal_objects() -> None:
    same = [Halfspace.of([q(x * k) for x in (2, -4, 6)]) for k in (1, 5, Fraction(1, 7))]
    assert {halfspace.coefficients for halfspace in same} == {(1, -2, 3)}
    assert len(set(same)) == 1
    assert same[0].opposite.coefficients == (-1, 2, -3)
    assert same[0].opposite != same[0] == same[0].opposite.opposite
    assert (same[0].normal, same[0].offset) == ((1, -2), 3)


def test_constants() -> None:
    assert [Halfspace.of([q(0), q(c)]).coefficients for c in (7, 0, -3)] == [
        (0, 1),
        (0, 0),
        (0, -1),
    ]
    assert Halfspace((0, 0, 1)).is_constant
    assert not Halfspace((0, 1, 0)).is_constant
    assert Halfspace((1,)).is_constant


@given(st.data(), DIMS)
def test_value_and_slope(data: st.DataObject, dim: int) -> None:
    halfspace, point = data.draw(halfspaces(dim)), data.draw(points(dim))
    known = value(halfspace, point)
    coordinates = homogeneous([q(x) for x in point])
    assert coordinates[-1] > 0
    assert gcd(*coordinates) == 1
    assert fractions(affine(coordinates)) == tuple(point)
    assert halfspace.value(coordinates) == known * coordinates[-1]
    assert halfspace.slope(halfspace.normal) == sum(x * x for x in halfspace.normal)


@given(st.data(), st.integers(2, 4))
def test_restrict_and_lift_agree(data: st.DataObject, dim: int) -> None:
    """A point inside a wall is lifted onto it, and a restricted halfspace has there the sign of the
    whole one.
    """
    wall, other = data.draw(halfspaces(dim)), data.draw(halfspaces(dim))
    flat = data.draw(points(dim - 1))
    coordinates = homogeneous([q(x) for x in flat])
    lifted = lift(coordinates, wall)
    point = list(fractions(affine(lifted)))
    k = pivot(wall)
    assert abs(wall.normal[k]) == max(map(abs, wall.normal))
    assert value(wall, point) == 0
    assert [x for j, x in enumerate(point) if j != k] == flat
    assert sign(other.restrict(wall).value(coordinates)) == sign(value(other, point))
    assert gcd(*other.restrict(wall).coefficients) in (0, 1)


def test_restrict_of_the_wall_itself_vanishes() -> None:
    wall = Halfspace((3, -7, 2))
    assert wall.restrict(wall).coefficients == (0, 0)
    assert Halfspace((3, -7, 3)).restrict(wall).coefficients == (0, 1)
    assert Halfspace((-3, 7, -3)).restrict(wall).coefficients == (0, -1)


@given(st.lists(st.integers(-(10**30), 10**30), min_size=2, max_size=4))
def test_primitive_is_the_same_point(numbers: list[int]) -> None:
    assume(any(numbers))
    found = primitive(numbers)
    assert gcd(*found) == 1
    assert [x * gcd(*numbers) for x in found] == numbers


@given(st.data(), DIMS)
def test_float_row_is_the_halfspace_scaled(data: st.DataObject, dim: int) -> None:
    halfspace = data.draw(halfspaces(dim))
    row = halfspace.float_row
    length = np.linalg.norm(halfspace.normal)
    np.testing.assert_allclose(row, np.array(halfspace.coefficients) / length, rtol=1e-12)


def test_float_row_of_huge_integers_is_finite() -> None:
    huge = 10**400
    assert Halfspace((huge, 1, -huge)).float_row.tolist() == [1.0, 0.0, -1.0]
    assert Halfspace((1, 0, huge)).float_row.tolist() == [1.0, 0.0, 1e300]
    assert Halfspace((0, -1, -huge)).float_row.tolist() == [0.0, -1.0, -1e300]
    assert np.isfinite(Halfspace((0, 0, huge)).float_row).all()
