"""Predicates on cases with known answers, and the cross product against mpmath."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact.arithmetic.surds import Surd
from exact.geometry.pencils.pencil import turn
from exact.geometry.polyhedra.halfspace import Halfspace, is_farkas, is_inside, side
from tests.exact.reference import q, real, sign

LEFT, RIGHT, ABOVE = Halfspace((1, 0, 0)), Halfspace((-1, 0, 2)), Halfspace((0, 3, -1))


def test_side() -> None:
    assert [side(LEFT, point) for point in ((1, 5, 1), (0, 5, 1), (-1, 5, 1))] == [1, 0, -1]
    assert [side(ABOVE, point) for point in ((0, 1, 2), (0, 1, 3), (0, 1, 4))] == [1, 0, -1]


def test_is_inside_is_strict() -> None:
    walls = (LEFT, RIGHT, ABOVE)
    assert is_inside(walls, (1, 1, 1))
    assert not is_inside(walls, (0, 1, 1))
    assert not is_inside(walls, (2, 1, 1))
    assert not is_inside(walls, (3, 3, 9))
    assert is_inside((), (7, 1))


FARKAS = [
    ("opposite", [(1, -1), (-1, 1)], [1, 1], True),
    ("gap", [(1, -2), (-1, 1)], [3, 3], True),
    ("strip", [(1, 0), (-1, 1)], [1, 1], False),
    ("negative multiplier", [(1, -2), (1, -1)], [1, -1], False),
    ("all zero", [(1, -2), (-1, 1)], [0, 0], False),
    ("normals stay", [(1, -2), (-1, 1)], [1, 2], False),
    ("constant", [(0, -1)], [5], True),
    ("zero constant", [(0, 0)], [1], True),
    ("positive constant", [(0, 1)], [1], False),
    ("triangle", [(1, 0, 0), (0, 1, 0), (-1, -1, 0)], [1, 1, 1], True),
    ("fractions", [(2, 0, -1), (0, 3, -1), (-1, -1, 0)], [Fraction(1, 2), Fraction(1, 3), 1], True),
]


@pytest.mark.parametrize(
    ("rows", "multipliers", "expected"),
    [case[1:] for case in FARKAS],
    ids=[case[0] for case in FARKAS],
)
def test_is_farkas(rows: list[tuple[int, ...]], multipliers: list[object], expected: bool) -> None:
    halfspaces = [Halfspace(row) for row in rows]
    assert is_farkas(halfspaces, [q(x) for x in multipliers], len(rows[0]) - 1) is expected


def test_is_farkas_needs_a_multiplier_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        is_farkas([LEFT, RIGHT], [q(1)], 2)


PARTS = st.builds(Fraction, st.integers(-6, 6), st.integers(1, 4))
RADICANDS = st.sampled_from([Fraction(0), Fraction(1), Fraction(2), Fraction(8), Fraction(7, 3)])
VECTORS = st.tuples(PARTS, PARTS, PARTS, PARTS, RADICANDS)


@given(VECTORS, VECTORS)
def test_turn_is_the_sign_of_the_cross_product(
    first: tuple[Fraction, ...], second: tuple[Fraction, ...]
) -> None:
    def surds(v: tuple[Fraction, ...]) -> tuple[Surd, Surd]:
        return Surd(q(v[0]), q(v[1]), q(v[4])), Surd(q(v[2]), q(v[3]), q(v[4]))

    with mpmath.workprec(2000):
        (x, y), (z, w) = (
            (
                real(v[0]) + real(v[1]) * mpmath.sqrt(real(v[4])),
                real(v[2]) + real(v[3]) * mpmath.sqrt(real(v[4])),
            )
            for v in (first, second)
        )
        cross = x * w - y * z
        known = 0 if abs(cross) < mpmath.mpf(2) ** -1900 else sign(cross)
    assert turn(surds(first), surds(second)) == known == -turn(surds(second), surds(first))
