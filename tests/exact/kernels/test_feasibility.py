"""Compiled feasibility: whatever it says is certain, however thin the cell; on cells of ordinary
size it says something.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from exact.geometry.polyhedra.halfspace import Halfspace, float_rows, point_of_floats
from exact.geometry.polyhedra.programmes.lp import Farkas, Interior, exact_simplex
from exact.kernels import feasibility
from exact.kernels.feasibility import CLOSED, FIXED, OPEN, UNDECIDED
from tests.exact.reference import integers, q

Array = np.ndarray[Any, Any]
QUIET = np.zeros(1, np.int64)


def halfspaces(rows: Sequence[Sequence[Fraction | int]]) -> list[Halfspace]:
    return [Halfspace.of([q(x) for x in row]) for row in rows]


def decide(walls: Sequence[Halfspace], basis: Array | None = None) -> tuple[int, Array]:
    dim = len(walls[0].normal)
    start = np.full(dim + 1, FIXED - dim - 1, dtype=np.int64) if basis is None else basis
    x, inverse = np.empty(dim), np.empty((dim + 1, dim + 1))
    return feasibility.decide(float_rows(walls, dim), len(walls), start, inverse, x, QUIET), x


def is_right(walls: Sequence[Halfspace], answer: int, x: Array) -> bool:
    """Whether an answer is true: an open cell holds the point, a closed one is empty by the exact
    simplex.
    """
    if answer == OPEN:
        point = point_of_floats(x)
        return all(wall.value(point) > 0 for wall in walls)
    return answer == UNDECIDED or isinstance(exact_simplex(walls, len(walls[0].normal)), Farkas)


def thirds(generator: np.random.Generator, shape: tuple[int, int]) -> list[list[Fraction]]:
    """Rationals that no float holds."""
    return [[Fraction(x, 3 * 10**6 + 1) for x in row] for row in integers(generator, shape, 10**7)]


@pytest.mark.parametrize("seed", range(60))
def test_random_cells_are_decided_and_right(seed: int) -> None:
    generator = np.random.default_rng(seed)
    dim = 1 + seed % 6
    walls = halfspaces(thirds(generator, (3 * dim + 2, dim + 1)))
    answer, x = decide(walls)
    assert answer != UNDECIDED
    assert is_right(walls, answer, x)


def test_both_answers_occur() -> None:
    answers = [
        decide(halfspaces(thirds(np.random.default_rng(seed), (7, 4))))[0] for seed in range(60)
    ]
    assert answers.count(OPEN) > 10
    assert answers.count(CLOSED) > 5


@pytest.mark.parametrize("power", [20, 30, 40, 45, 48, *range(50, 62), 70, 80, 120])
@pytest.mark.parametrize("dim", [1, 2, 4])
def test_thin_cells_are_never_misjudged(power: int, dim: int) -> None:
    """A simplex whose last wall leaves a gap of 2^-power, or nothing, or less than nothing."""
    for seed, width in ((seed, width) for seed in range(6) for width in (1, 0, -1)):
        normals = thirds(np.random.default_rng(100 * power + seed), (dim, dim))
        weights = [Fraction(1 + seed + i, 7) for i in range(dim)]
        last = [
            -sum((w * row[j] for w, row in zip(weights, normals, strict=True)), Fraction(0))
            for j in range(dim)
        ]
        offsets = [Fraction(seed - 3, 5) for _ in range(dim)]
        rest = -sum((w * b for w, b in zip(weights, offsets, strict=True)), Fraction(0)) + Fraction(
            width, 2**power
        )
        walls = halfspaces(
            [*([*row, b] for row, b in zip(normals, offsets, strict=True)), [*last, rest]]
        )
        if any(wall.is_constant for wall in walls):
            continue
        answer, x = decide(walls)
        assert is_right(walls, answer, x)
        assert answer != (CLOSED if width > 0 else OPEN)
        if power <= 30 and width:
            assert answer == (OPEN if width > 0 else CLOSED)


@pytest.mark.parametrize("seed", range(40))
def test_degenerate_integer_cells_are_never_misjudged(seed: int) -> None:
    generator = np.random.default_rng(seed)
    dim = 1 + seed % 4
    rows = [row for row in integers(generator, (9, dim + 1), 2) if any(row[:-1])]
    walls = halfspaces(rows)
    answer, x = decide(walls)
    assert is_right(walls, answer, x)
    if answer == OPEN:
        assert isinstance(exact_simplex(walls, dim), Interior)


@pytest.mark.parametrize("seed", range(20))
def test_any_start_gives_a_right_answer(seed: int) -> None:
    """Bases at random: singular, infeasible, with repeated members, with the cap twice."""
    generator = np.random.default_rng(seed)
    walls = halfspaces(thirds(generator, (9, 4)))
    fresh, _ = decide(walls)
    for _ in range(10):
        answer, x = decide(walls, generator.integers(-1, 9, 4))
        assert is_right(walls, answer, x)
        assert answer in (fresh, UNDECIDED)


def test_vectors_that_prove_nothing_are_not_believed() -> None:
    """A negative weight; one that may be negative; an inverse that is none, with walls that are
    open beyond 2^80.
    """
    rows = np.array([[1.0, 0.0, -5.0], [0.0, 1.0, -5.0], [1.0, -1.0, -5.0]])
    basis, inverse = np.arange(3), np.linalg.inv(np.vstack([rows[:, :2].T, np.ones(3)]))
    assert sorted(np.sign(inverse[:, 2])) == [-1, 1, 1]
    inverse *= np.sign(-5 * inverse[:, 2].sum())
    assert not feasibility.is_closed(rows, basis, np.ascontiguousarray(-inverse), QUIET)
    assert not feasibility.is_closed(rows, basis, np.ascontiguousarray(inverse), QUIET)
    thin = np.array([[1.0, 0.0, -5.0], [-1.0, 2.0**-80, -5.0], [0.0, 1.0, -5.0]])
    inverse = np.linalg.inv(np.vstack([thin[:, :2].T, np.ones(3)]))
    assert abs(inverse[2, 2]) < 2.0**-70
    inverse[2, 2] = 2.0**-81
    assert not feasibility.is_closed(thin, basis, inverse, QUIET)
    tiny = 2.0**-80
    far = np.array([[1.0, tiny, -1.0], [-1.0, tiny, 0.0], [1.0, 3 * tiny, -1.0]])
    assert isinstance(
        exact_simplex(halfspaces([[Fraction(x) for x in row] for row in far.tolist()]), 2), Interior
    )
    weights = np.array([[0.0, 0.0, 0.25], [0.0, 0.0, 0.5], [0.0, 0.0, 0.25]])
    assert not feasibility.is_closed(far, basis, weights, QUIET)


def test_normals_that_do_not_span() -> None:
    """A strip in R^4, open and closed: what depends on one coordinate only is closed by
    rationals.
    """
    strip = halfspaces([[1, 2, 0, 0, 0], [-1, -2, 0, 0, 1]])
    answer, x = decide(strip)
    assert (answer, is_right(strip, answer, x)) == (OPEN, True)
    assert decide(halfspaces([[1, 2, 0, 0, 0], [-1, -2, 0, 0, -1]]))[0] == UNDECIDED


def test_a_coordinate_that_was_left_out_comes_back() -> None:
    """A start in which the second coordinate stays at zero, though the new wall needs it to
    move.
    """
    basis = np.array([0, FIXED - 1, -1])
    answer, x = decide(halfspaces([[1, 0, 0], [0, 1, -5], [-1, 1, 0]]), basis)
    assert answer == OPEN
    assert x[1] > 5


def test_a_row_beyond_floats_decides_nothing() -> None:
    huge = Fraction(10) ** 400
    assert np.isnan(float_rows(halfspaces([[1, huge]]), 1)).all()
    assert decide(halfspaces([[1, -1], [1, -huge]]))[0] == UNDECIDED
    assert feasibility.side(np.array([1.0, np.nan]), np.array([1.0])) == 0


def test_sides_are_certain_or_zero() -> None:
    """Around the zero of a row with inexact coefficients: a sign is the exact one."""
    seen = set()
    for k in range(-40, 41):
        x = np.array([1 / 3 + k * 2.0**-55])
        wall = Halfspace((3, -1))
        found = feasibility.side(float_rows([wall], 1)[0], x)
        value = 3 * Fraction(float(x[0])) - 1
        assert found in (0, (value > 0) - (value < 0))
        seen.add(found)
    assert seen == {-1, 0, 1}


def test_walls_of_a_square_are_sorted() -> None:
    """Two edges of the domain, two facets, one wall far away, one that touches a corner (for
    rationals to settle).
    """
    rows = [[1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1], [1, 1, 5], [-1, -1, 2]]
    table, x, found = float_rows(halfspaces(rows), 2), np.empty(2), np.zeros(6, dtype=np.int64)
    assert feasibility.sort_walls(table, 2, x, found, QUIET) == OPEN
    assert found.tolist() == [0, 0, 1, 1, 2, UNDECIDED]
    assert x.tolist() == [0.0, 0.0]
    assert np.array_equal(table, float_rows(halfspaces(rows), 2))


def test_a_ray_into_a_corner_proves_no_facet() -> None:
    """A wall that touches a corner is met there first as floats see it, with two facets."""
    rows = [[-1, -1, 2], [1, 1, 2], [1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1]]
    found = np.zeros(6, dtype=np.int64)
    feasibility.shoot(float_rows(halfspaces(rows), 2), 0, np.zeros(2), found, QUIET)
    assert found[:2].tolist() == [0, 0]
    assert found[2:].sum() == 4


def test_a_point_across_is_outside_one_wall_only() -> None:
    """Of a square: beyond an edge, beyond a corner, inside, on an edge."""
    rows = float_rows(halfspaces([[1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1]]), 2)
    points = {(2.0, 0.0): True, (2.0, 2.0): False, (0.0, 0.0): False, (1.0, 0.0): False}
    for point, expected in points.items():
        assert feasibility._is_across(rows, 1, np.array(point)) is expected


@pytest.mark.parametrize("seed", range(20))
def test_sorted_walls_are_right(seed: int) -> None:
    generator = np.random.default_rng(seed)
    dim = 1 + seed % 4
    walls = halfspaces([[*row, 10**7] for row in thirds(generator, (4 * dim + 3, dim))])
    x, found = np.empty(dim), np.zeros(len(walls), dtype=np.int64)
    assert feasibility.sort_walls(float_rows(walls, dim), 0, x, found, QUIET) == OPEN
    for i, wall in enumerate(walls):
        others = [*(w for j, w in enumerate(walls) if j != i), wall.opposite]
        assert found[i] == (1 if isinstance(exact_simplex(others, dim), Interior) else 2)


@pytest.mark.parametrize(
    ("reach", "is_out"), [(1.0, True), (1.99, True), (2.0, False), (3.0, False)]
)
def test_a_row_is_out_of_reach_of_a_box_that_ends_before_it(reach: float, is_out: bool) -> None:
    """x_1 > 2 where |x_1| <= reach, and an axis that no row sees; then the same turned round."""
    for sign in (1.0, -1.0):
        rows, inverse = np.array([[sign, 0.0, -2.0]]), np.zeros((3, 3))
        inverse[0, 2] = 1.0
        basis = np.array([0, feasibility.CAP, feasibility.FIXED - 1])
        bounds = np.array([reach, 1.0])
        assert feasibility.is_out_of_reach(rows, basis, inverse, bounds) == is_out
        assert not feasibility.is_out_of_reach(rows, basis, inverse, np.array([np.inf, 1.0]))
        assert not feasibility.is_out_of_reach(rows, basis, 0.0 * inverse, bounds)
