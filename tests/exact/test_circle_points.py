"""Exact predicates of circles on a sphere, each against its definition in surds or high
precision.
"""

from __future__ import annotations

import itertools
import random

import mpmath
import numpy as np
import pytest

from exact.arithmetic.linear_algebra import identity, matrix
from exact.arithmetic.numbers import Ball, Rational, RationalArray, nearest_floats
from exact.arithmetic.surds import Surd
from exact.geometry.circles.points import CircleOrder, CirclePlanes, Spot

SKEW = matrix(
    [[Rational(x) for x in row] for row in ((2, -1, 0), (-1, 3, 1), (0, 1, 1))], 3
) * Rational(3, 7)
CIRCLES = [(1, 2, -1, 1), (3, -1, 1, -1), (0, 1, 1, 0), (1, 0, 0, -1), (-2, 1, 0, 1)]


def planes(gram: RationalArray, square: Rational, rows: list[tuple[int, ...]]) -> CirclePlanes:
    found = CirclePlanes(gram, square)
    for row in rows:
        found.add(row)
    return found


def value(found: CirclePlanes, j: int, y: tuple[Surd, ...]) -> Surd:
    terms = [y[k].scaled(Rational(found.normals[j][k])) for k in range(3)]
    return sum(terms, Surd(Rational(found.offsets[j])))


@pytest.mark.parametrize("gram", [identity(3), SKEW])
def test_points_lie_on_both_planes_and_the_sphere(gram: RationalArray) -> None:
    square = Rational(5, 2)
    found = planes(gram, square, CIRCLES)
    for i, j in itertools.permutations(range(len(CIRCLES)), 2):
        if found.meeting(i, j) < 0:
            continue
        for side in (1, -1):
            y = found.point(i, (j, side))
            form = [
                sum((y[b].scaled(gram[a, b]) for b in range(3)), Surd(Rational(0)))
                for a in range(3)
            ]
            assert sum((a * b for a, b in zip(y, form, strict=True)), Surd(-square)).sign() == 0
            assert value(found, i, y).sign() == value(found, j, y).sign() == 0
            assert [a.compare(b) for a, b in zip(y, found.point(j, (i, -side)), strict=True)] == [
                0,
                0,
                0,
            ]


def test_how_a_plane_meets_the_sphere() -> None:
    found = CirclePlanes(identity(3), Rational(9))
    tight = 10**30
    assert [
        found.add(row)
        for row in ((1, 2, 2, 9), (tight, 2 * tight, 2 * tight, 9 * tight - 1), (1, 2, 2, 10))
    ] == [0, 1, -1]
    assert found.add((0, 0, 0, 0)) == found.add((0, 0, 0, 5)) == -1
    assert len(found) == 5
    found.drop()
    assert len(found) == 4


def test_circles_cross_touch_or_miss() -> None:
    found = planes(
        identity(3),
        Rational(25),
        [(1, 0, 0, -3), (0, 1, 0, -4), (0, 1, 0, -3), (0, 1, 0, 4), (1, 0, 0, -2), (0, 2, 0, -9)],
    )
    assert [found.meeting(0, j) for j in range(1, 6)] == [0, 1, 0, -1, -1]
    # outside one another; one around the other
    assert [found.alignment(0, j) for j in (1, 3)] == [-1, 1]
    assert [found.side(0, j) for j in (1, 3, 4, 5)] == [-1, 1, 1, -1]


def test_curvatures() -> None:
    """Along (1) or against (-1): heights 4, 3, 0, -3 of parallel circles on |y| = 5."""
    found = planes(identity(3), Rational(25), [(0, 0, 1, -h) for h in (4, 3, 0, -3)])
    ordered: list[Spot] = [(0, -1), (1, -1), (2, 1), (1, 1), (0, 1)]
    for (a, first), (b, second) in itertools.product(enumerate(ordered), repeat=2):
        assert found.compare_curvature(first, second) == (a > b) - (a < b)
    assert found.compare_curvature((3, 1), (1, -1)) == found.compare_curvature((2, 1), (2, -1)) == 0


@pytest.mark.parametrize("gram", [identity(3), SKEW])
def test_the_order_along_a_circle(gram: RationalArray) -> None:
    """Counter-clockwise about the normal, with outside up: against angles in fifty digits."""
    rng = random.Random(4)
    found = CirclePlanes(gram, Rational(6))
    for row in dict.fromkeys((1, *(rng.randint(-3, 3) for _ in range(3))) for _ in range(14)):
        if found.add(row) <= 0:
            found.drop()
    assert len(found) > 6
    for i in range(len(found)):
        spots = [
            (j, side)
            for j in range(len(found))
            if j != i and found.meeting(i, j) >= 0
            for side in (1, -1)
        ]
        groups = CircleOrder(found, i).all_groups(spots)
        with mpmath.workdps(50):
            angles = [[_angle(found, gram, i, spot) for spot in group] for group in groups]
        assert all(max(group) - min(group) < mpmath.mpf(10) ** -40 for group in angles)
        assert all(a[0] < b[0] - mpmath.mpf(10) ** -40 for a, b in itertools.pairwise(angles))
        for group, angle in zip(groups, angles, strict=True):
            low, high = found.enclosed(i, group[0])
            x, y = mpmath.cos(angle[0]), mpmath.sin(angle[0])
            f = y / (abs(x) + abs(y))
            diamond = (f if y >= 0 else 4 + f) if x >= 0 else 2 - f
            assert low <= diamond <= high or low <= diamond + 4 <= high
            assert high - low < 2.0**-40


def _angle(found: CirclePlanes, gram: RationalArray, i: int, spot: Spot) -> mpmath.mpf:
    """The angle in [0, 2 pi) from the frame vector of circle i, in the metric of the sphere."""
    g = mpmath.matrix(3, 3)
    for a, b in itertools.product(range(3), repeat=2):
        g[a, b] = _number(gram[a, b])
    lower = mpmath.cholesky(g)
    point = [_number(s.a) + _number(s.b) * mpmath.sqrt(_number(s.d)) for s in found.point(i, spot)]
    z, a = (
        lower.T * mpmath.matrix(point),
        lower.T * mpmath.matrix([int(x) for x in found.frame_vector(i)]),
    )
    n = mpmath.lu_solve(lower, mpmath.matrix([int(x) for x in found.normals[i]]))
    a, n = a / mpmath.norm(a), n / mpmath.norm(n)
    b = mpmath.matrix(
        [n[1] * a[2] - n[2] * a[1], n[2] * a[0] - n[0] * a[2], n[0] * a[1] - n[1] * a[0]]
    )
    angle = mpmath.atan2((b.T * z)[0], (a.T * z)[0])
    return angle + 2 * mpmath.pi if angle < -(mpmath.mpf(10) ** -45) else max(angle, mpmath.mpf(0))


def _number(x: Rational) -> mpmath.mpf:
    return mpmath.mpf(int(x.p)) / int(x.q)


def test_rows_of_the_unit_sphere() -> None:
    """Unit normals, frames with the positive side on the left, and the way back to the
    coordinates.
    """
    found = planes(SKEW, Rational(5, 2), CIRCLES)
    rows, back = found.unit_rows(), found.from_unit()
    form = nearest_floats(SKEW.entries()).reshape(3, 3)
    assert back.T @ form @ back == pytest.approx(np.eye(3) * 2.5)
    for i, row in enumerate(rows):
        nu, height, rest, a, b = row[:3], row[3], row[4], row[5:8], row[8:]
        assert np.cross(a, b) == pytest.approx(nu)
        assert rest == pytest.approx(1 - height**2)
        y = back @ (height * nu + np.sqrt(rest) * a)
        assert y @ form @ y == pytest.approx(2.5)
        assert float(y @ [int(x) for x in found.normals[i]]) == pytest.approx(
            -int(found.offsets[i])
        )
    assert found.unit_rows(3) == pytest.approx(rows[3:])


def test_a_point_of_the_poorest_sphere_is_enclosed() -> None:
    """Metric and planes of which 128 bits see nothing."""
    huge = 2**90
    gram = matrix(
        [
            [Rational(3), Rational(3 * huge), Rational(0)],
            [Rational(3 * huge), Rational(3 * huge**2 + 1), Rational(0)],
            [Rational(0), Rational(0), Rational(1, huge)],
        ],
        3,
    )
    found = planes(gram, Rational(1), [(1, huge, 0, 0), (0, 1, 0, 0)])
    assert found.meeting(0, 1) == 1
    ends = [found.enclosed(0, (1, side)) for side in (1, -1)]
    assert all(high - low < 2.0**-40 for low, high in ends)
    assert (ends[1][0] - ends[0][0]) % 4 == pytest.approx(2)
    for i, row in enumerate(found.unit_rows().tolist()):
        for x, ball in zip(row, found.ball_row(i, 4096), strict=True):
            assert abs(Ball(x) - ball) < 2.0**-53
