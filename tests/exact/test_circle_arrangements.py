"""Arrangements of small circles: known counts, degenerate positions, codes beside every arc, floats
against integers.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from math import gcd

import numpy as np
import pytest

from exact.arithmetic.linear_algebra import dot, identity, matrix
from exact.arithmetic.numbers import Rational, RationalArray, rational
from exact.arithmetic.surds import Surd
from exact.errors import EngineDefect
from exact.geometry.circles import arrangement as circle_arrangements
from exact.geometry.circles.arrangement import CircleArrangement, arrange, arrange_while
from exact.geometry.circles.complex import HalfEdgeArray
from exact.geometry.polyhedra.halfspace import Halfspace
from tests.exact.sphere_complexes import cell_codes, check_complex

SKEW = matrix([[Rational(x) for x in row] for row in ((2, -1, 0), (-1, 3, 1), (0, 1, 1))], 3)
ARRAYS = ("arc_circle", "arc_ends", "arc_sides", "following", "walk_of", "cell_of_walk")


def plane(*values: object) -> Halfspace:
    return Halfspace.of([rational(x) for x in values])


def cut(
    planes: Sequence[Halfspace], square: object, gram: RationalArray | None = None
) -> CircleArrangement:
    """The arrangement, made by floats and by integers alone, and looked at beside every arc."""
    gram, square = gram or identity(3), rational(square)
    made, slow = arrange(planes, gram, square), arrange(planes, gram, square, filtered=False)
    for name in ARRAYS:
        assert np.array_equal(getattr(made.complex, name), getattr(slow.complex, name)), name
    assert made.root.tolist() == slow.root.tolist()
    assert made.complex.cell_count == slow.complex.cell_count
    assert slow.decisions["filter"] == 0
    assert all(
        made.complex.vertex(v) == slow.complex.vertex(v) for v in range(made.complex.vertex_count)
    )
    check_complex(planes, gram, square, made)
    return made


def counts(made: CircleArrangement) -> tuple[int, int, int, int]:
    c = made.complex
    return c.vertex_count, c.arc_count, c.cell_count, c.components


# ---- counts that are known

CUBE = [plane(*(int(k == axis) * s for k in range(3)), -1) for axis in range(3) for s in (1, -1)]


@pytest.mark.parametrize(
    ("square", "expected"),
    [
        ("4", (24, 48, 26, 1)),
        ("3", (8, 24, 18, 1)),
        ("5/2", (24, 48, 26, 1)),
        ("2", (12, 24, 14, 1)),
        ("3/2", (0, 6, 7, 6)),
        ("1", (0, 0, 1, 0)),
        ("1/2", (0, 0, 1, 0)),
    ],
)
def test_the_planes_of_a_cube(square: str, expected: tuple[int, int, int, int]) -> None:
    assert counts(cut(CUBE, square)) == expected


def test_circles_in_general_position_that_all_cross() -> None:
    rng = random.Random(1)
    for m in (1, 2, 3, 7, 12):
        planes = [
            plane(*(rng.randint(-99, 99) for _ in range(3)), rng.randint(-5, 5)) for _ in range(m)
        ]
        assert counts(cut(planes, 9))[2] == m * m - m + 2


def test_no_plane_and_planes_without_circle() -> None:
    assert counts(cut([], 1)) == (0, 0, 1, 0)
    made = cut(
        [
            plane(0, 0, 0, 1),
            plane(0, 0, 0, -1),
            plane(0, 0, 0, 0),
            plane(0, 1, 0, 2),
            plane(0, 1, 0, -2),
        ],
        1,
    )
    assert counts(made) == (0, 0, 1, 0)
    assert made.root.tolist() == [True, False, False, True, False]


def test_planes_that_touch_the_sphere_flip_nowhere() -> None:
    for offset, cells in (
        (-3, 1),
        (Rational(-3) + Rational(1, 2**50), 2),
        (Rational(-3) - Rational(1, 2**50), 1),
        (3, 1),
    ):
        made = cut([plane(*(Rational(x, 3) for x in (1, 2, 2)), offset)], 9)
        assert made.complex.cell_count == cells
        assert cells == 2 or made.root.tolist() == [offset > 0]


def test_duplicates_and_opposites_share_a_carrier() -> None:
    made = cut(
        [
            plane(1, 0, 0, -1),
            plane(0, 0, 1, 5),
            plane(-2, 0, 0, 2),
            Halfspace((3, 0, 0, -3)),
            plane(0, 1, 0, 0),
        ],
        4,
    )
    assert len(made.complex.circles) == 2
    assert made.complex.flips.row(0).tolist() == [0, 2, 3]
    assert made.complex.flips.row(1).tolist() == [4]
    codes = {"".join(str(int(x)) for x in row) for row in cell_codes(made)}
    assert codes == {"11010", "11011", "01100", "01101"}


@pytest.mark.parametrize("exponent", [20, 50, 200])
def test_circles_that_touch_nearly_touch_and_miss(exponent: int) -> None:
    """x = 3/5 and y = 4/5 touch in (3/5, 4/5, 0)."""
    small = Rational(1, 2**exponent)
    for shift, expected in (
        (Rational(0), (1, 2, 3, 1)),
        (-small, (2, 4, 4, 1)),
        (small, (0, 2, 3, 2)),
    ):
        for sign in (1, -1):
            second = plane(0, sign, 0, -sign * (Rational(4, 5) + shift))
            assert counts(cut([plane(1, 0, 0, "-3/5"), second], 1)) == expected


def test_circles_that_touch_inside_one_another() -> None:
    """All in one point with one tangent line, in the order of their curvature, with both
    orientations.
    """
    planes = [
        plane(a + 2 * b, 2 * a, 2 * a - b, -9 * a)
        for a, b in ((1, 2), (-1, 1), (1, 0), (3, 1), (-2, -5), (0, 1))
    ]
    made = cut(planes, 9)  # a = 1, b = 0 touches the sphere itself in the common point
    assert counts(made) == (1, 5, 6, 1)
    assert [
        Surd(Rational(x)).compare(y) for x, y in zip((1, 2, 2), made.complex.vertex(0), strict=True)
    ] == [0, 0, 0]


def test_parallel_circles() -> None:
    made = cut([plane(1, 2, 2, offset) for offset in (-8, -1, 0, 3, 5, 9, 12)], 9)
    assert counts(made) == (0, 5, 6, 5)
    assert sorted(np.bincount(made.complex.arc_sides.ravel()).tolist()) == [1, 1, 2, 2, 2, 2]


def test_many_circles_through_a_point() -> None:
    rng = random.Random(3)
    normals = {
        tuple(x // gcd(*n) for x in n)
        for n in ([rng.randint(-9, 9) for _ in range(3)] for _ in range(12))
        if any(n)
    }
    planes = [
        plane(*n, -sum(a * b for a, b in zip(n, (1, 2, 2), strict=True))) for n in sorted(normals)
    ]
    made = cut(planes, 9)
    degree = np.bincount(made.complex.arc_ends.ravel())
    assert degree.max() == 2 * len(made.complex.circles)


def test_all_great_circles_through_coordinate_axes() -> None:
    """The nine mirrors of the cube: 48 triangles."""
    normals = [
        n
        for n in itertools.product((-1, 0, 1), repeat=3)
        if 0 < sum(map(abs, n)) < 3 and n > (0, 0, 0)
    ]
    assert counts(cut([plane(*n, 0) for n in normals], 5)) == (26, 72, 48, 1)


def test_components_beside_and_inside_one_another() -> None:
    """Two crossing circles around each pole, and a belt: an annulus on both sides of it."""
    pairs = [
        plane(x, 0, z, "-9/10") for x, z in (("1/10", 1), ("-1/10", 1), ("1/10", -1), ("-1/10", -1))
    ]
    made = cut([*pairs, plane(0, 0, 1, 0)], 1)
    assert counts(made) == (4, 9, 8, 3)
    assert sorted(np.bincount(made.complex.cell_of_walk).tolist()) == [1, 1, 1, 1, 1, 1, 2, 2]


def test_caps_of_almost_no_size_are_joined() -> None:
    tiny = Rational(1, 2**90)
    made = cut(
        [plane(*n, tiny - 1) for n in ((1, 0, 0), (0, 1, 0), (0, 0, -1), ("3/5", "4/5", 0))], 1
    )
    assert counts(made) == (0, 4, 5, 4)


# ---- any position


def drawn(rng: random.Random) -> tuple[list[Halfspace], RationalArray, Rational]:
    """Small integer planes, of which many coincide, touch and meet in points with others."""
    size, gram = rng.choice([1, 1, 2, 3, 9]), rng.choice([identity(3), SKEW])
    planes = [
        plane(*(rng.randint(-size, size) for _ in range(4))) for _ in range(rng.randint(1, 9))
    ]
    return planes, gram, Rational(rng.randint(1, 12), rng.randint(1, 4))


def touching(rng: random.Random) -> tuple[list[Halfspace], RationalArray, Rational]:
    """Planes through a few points of |y| = 3, many of them along a common tangent there."""
    planes, points = [], [(1, 2, 2), (2, 1, 2), (-1, 2, -2), (3, 0, 0), (0, 0, 3), (-2, -2, -1)]
    for _ in range(rng.randint(2, 9)):
        y = rng.choice(points[: rng.randint(1, 6)])
        a, b = rng.randint(-3, 3), rng.randint(-3, 3)
        across = np.cross(y, (0, 1, 0) if y[0] or y[2] else (1, 0, 0))
        normal = rng.choice(
            [
                [a * p + b * int(t) for p, t in zip(y, across, strict=True)],
                [rng.randint(-3, 3) for _ in range(3)],
            ]
        )
        planes.append(
            plane(
                *normal,
                -sum(p * q for p, q in zip(normal, y, strict=True)) if rng.random() < 0.8 else a,
            )
        )
    return planes, identity(3), Rational(9)


@pytest.mark.parametrize("seed", range(60))
def test_small_integer_planes(seed: int) -> None:
    planes, gram, square = drawn(random.Random(seed))
    cut(planes, square, gram)


@pytest.mark.parametrize("seed", range(60))
def test_planes_through_common_points(seed: int) -> None:
    planes, gram, square = touching(random.Random(seed))
    cut(planes, square, gram)


def test_planes_from_floats_on_a_stretched_sphere() -> None:
    """Long integers, and a sphere that is a thin ellipsoid in the coordinates."""
    rng = np.random.default_rng(7)
    basis = matrix(
        [
            [rational(float(x) * 10.0**-k) for k, x in enumerate(row)]
            for row in rng.standard_normal((3, 3))
        ],
        3,
    )
    planes = [
        plane(*(float(x) * 10.0 ** -(2 - k) for k, x in enumerate(row)), float(c))
        for row, c in zip(rng.standard_normal((9, 3)), rng.standard_normal(9) / 50, strict=True)
    ]
    assert cut(planes, "1/3", basis.transpose() * basis).complex.vertex_count > 20


def test_vertices_are_exact() -> None:
    planes, gram, square = drawn(random.Random(11))
    made = arrange(planes, gram, square)
    c = made.complex
    assert c.vertex_count > 5
    for v in range(c.vertex_count):
        y = c.vertex(v)
        forms = [[gram[i, j] for j in range(3)] for i in range(3)]
        image = [sum((y[j].scaled(row[j]) for j in range(3)), Surd(Rational(0))) for row in forms]
        assert sum((a * b for a, b in zip(y, image, strict=True)), Surd(-square)).sign() == 0
        through = {int(c.arc_circle[e]) for e in np.flatnonzero((c.arc_ends == v).any(axis=1))}
        assert len(through) > 1
        for k in through:
            value = sum(
                (y[j].scaled(Rational(c.circles[k].normal[j])) for j in range(3)),
                Surd(Rational(c.circles[k].offset)),
            )
            assert value.sign() == 0
        assert [float(x) for x in y] == pytest.approx(c.vertex_floats[v].tolist(), abs=2.0**-30)


def test_exact_points_have_the_code_of_their_cell() -> None:
    """The brute force: rational points of |y| = 1 by stereographic projection, and the codes that
    occur.
    """
    rng = random.Random(2)
    planes = [plane(*(rng.randint(-9, 9) for _ in range(4))) for _ in range(6)]
    found = set[tuple[bool, ...]]()
    for _ in range(4000):
        s, t = (Rational(rng.randint(-400, 400), 97) for _ in range(2))
        size = s * s + t * t + 1
        y = [2 * s / size, 2 * t / size, (s * s + t * t - 1) / size]
        values = [dot([Rational(x) for x in p.normal], y) + p.offset for p in planes]
        if all(value != 0 for value in values):
            found.add(tuple(bool(value > 0) for value in values))
    codes = {tuple(row) for row in cell_codes(cut(planes, 1)).tolist()}
    assert found <= codes
    assert len(found) > 0.8 * len(codes)


# ---- large inputs, stopping, defects


def floats(m: int, seed: int) -> list[Halfspace]:
    rng = np.random.default_rng(seed)
    return [plane(*map(float, row)) for row in rng.standard_normal((m, 4)) * [1, 1, 1, 0.5]]


def test_the_filter_decides_nearly_everything() -> None:
    made = arrange(floats(120, 0), identity(3), Rational(1))
    c = made.complex
    assert c.cell_count == 1 + c.components + c.vertex_count > 8000
    assert made.decisions["exact"] * 1000 < made.decisions["filter"]
    cell_codes(made)


def test_it_can_be_stopped() -> None:
    asked = itertools.count()
    assert arrange_while(lambda: next(asked) < 5, floats(9, 1), identity(3), Rational(1)) is None
    assert next(asked) == 6


def test_a_defect_in_eulers_relation_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circle_arrangements._Joiner, "pairs", lambda self: [(0, 0)])
    with pytest.raises(EngineDefect, match="Euler's relation fails"):
        arrange(CUBE, identity(3), Rational(3, 2))


def test_a_walk_that_does_not_close_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    link = circle_arrangements._Builder._linked

    def broken(self: circle_arrangements._Builder, arcs: int, ends: HalfEdgeArray) -> HalfEdgeArray:
        following = link(self, arcs, ends)
        following[0] = following[1]
        return following

    monkeypatch.setattr(circle_arrangements._Builder, "_linked", broken)
    with pytest.raises(EngineDefect, match="does not close"):
        arrange(CUBE, identity(3), Rational(3))
