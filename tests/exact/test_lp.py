"""Strict feasibility: every answer is a proof, and the proof is verified here in fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from exact.arithmetic.numbers import fraction
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes import lp
from exact.geometry.polyhedra.programmes.lp import (
    Farkas,
    Interior,
    exact_simplex,
    strict_feasibility,
)
from tests.exact.reference import integers, q

Rows = Sequence[Sequence[Fraction | int]]


def is_open(rows: Rows, answer: Interior | Farkas) -> bool:
    """Whether the strict system has a solution; the proof in `answer` is verified from the rows
    alone.
    """
    dim = len(rows[0]) - 1
    if isinstance(answer, Interior):
        *numerators, denominator = answer.point
        assert (len(numerators), denominator > 0) == (dim, True)
        x = [Fraction(value, denominator) for value in numerators]
        assert all(sum(a * b for a, b in zip(row, [*x, 1], strict=True)) > 0 for row in rows)
        return True
    assert len(answer.rows) == len(answer.multipliers) == len(set(answer.rows)) > 0
    weights = [fraction(weight) for weight in answer.multipliers]
    assert all(weight > 0 for weight in weights)
    # The halfspaces are coprime integers, so the multipliers belong to the rows scaled to these.
    scaled = [Halfspace.of([q(x) for x in rows[k]]).coefficients for k in answer.rows]
    total = [
        sum(w * row[j] for w, row in zip(weights, scaled, strict=True)) for j in range(dim + 1)
    ]
    assert total[:-1] == [0] * dim
    assert total[-1] <= 0
    return False


def decide(rows: Rows) -> bool:
    halfspaces = [Halfspace.of([q(x) for x in row]) for row in rows]
    return is_open(rows, strict_feasibility(halfspaces, len(rows[0]) - 1))


def decide_exactly(rows: Rows, basis: Sequence[int] = ()) -> bool:
    """The exact simplex alone, without HiGHS."""
    halfspaces = [Halfspace.of([q(x) for x in row]) for row in rows]
    return is_open(rows, exact_simplex(halfspaces, len(rows[0]) - 1, basis))


def simplex(dim: int, width: Fraction) -> Rows:
    """x_i > 0 and sum x_i < width."""
    return [*([int(i == j) for j in range(dim)] + [0] for i in range(dim)), [-1] * dim + [width]]


def beale(bound: Fraction) -> Rows:
    """Beale's cycling programme with optimum -5/4, asked for a value below `bound`."""
    return [
        [Fraction(-1, 4), 8, 1, -9, 0],
        [Fraction(-1, 2), 12, Fraction(1, 2), -3, 0],
        [0, 0, -1, 0, 1],
        *([int(i == j) for j in range(4)] + [0] for i in range(4)),
        [Fraction(3, 4), -20, Fraction(1, 2), -6, bound],
    ]


def klee_minty(dim: int, bound: Fraction) -> Rows:
    """sum over j < i of 2^(i-j+1) x_j + x_i < 5^i, x > 0, asked for sum of 2^(dim-j) x_j above
    `bound` (optimum 5^dim).
    """
    rows = [
        [*(-(2 ** (i - j + 1)) if j < i else -int(i == j) for j in range(1, dim + 1)), 5**i]
        for i in range(1, dim + 1)
    ]
    positive = [[int(i == j) for j in range(dim)] + [0] for i in range(dim)]
    return [*rows, *positive, [*(2 ** (dim - j) for j in range(1, dim + 1)), -bound]]


TINY = [Fraction(1, 2**60), Fraction(1, 2**300), Fraction(1, 10**500)]
HUGE = 10**400

OPEN: dict[str, Rows] = {
    "one halfspace": [[1, 0]],
    "nothing but constants": [[0, 0, 1], [0, 0, 5]],
    "duplicates": [[1, 1, -1]] * 5 + [[2, 2, -2]],
    "strip": [[1, 0, 0], [-1, 0, 1]],
    "line far away": [[1, 0, -(10**30)], [-1, 0, 10**30 + 1]],
    "cube around a corner": [[a, b, c, Fraction(1, 2)] for a, b, c in product((-1, 1), repeat=3)],
    "degenerate apex": [
        [a, b, -1, 1] for a, b in ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, -1))
    ]
    + [[0, 0, 1, 0]],
    "huge": [[HUGE, 1, 0], [-1, HUGE, 0], [-HUGE, -HUGE, HUGE**2]],
    "huge and tiny": [[HUGE, -1, 0], [-1, Fraction(1, HUGE), 1]],
    "wide wedge of 2^-300": [[1, 0, 0], [-1, Fraction(1, 2**300), 0]],
    **{f"simplex of width {i}": simplex(3, width) for i, width in enumerate(TINY)},
    **{f"Beale {i}": beale(Fraction(-5, 4) + width) for i, width in enumerate(TINY)},
    **{f"Klee-Minty {i}": klee_minty(5, 5**5 - width) for i, width in enumerate(TINY)},
}

EMPTY: dict[str, Rows] = {
    "zero row": [[1, 1], [0, 0]],
    "negative constant": [[0, 0, -1]],
    "opposite": [[1, 2, 3], [-1, -2, -3]],
    "opposite and scaled": [[1, 2, 3], [-2, -4, -6], [0, 1, 0]],
    "gap": [[1, 0, -1], [-1, 0, 0], [0, 1, 5]],
    "gap of 2^-300": [[1, 0], [-1, -Fraction(1, 2**300)]],
    "flat triangle": [[1, 0, 0], [0, 1, 0], [-1, -1, 0]],
    "flat simplex": simplex(4, Fraction(0)),
    "touching cones": [[1, 1, 0], [-1, 1, 0], [1, -1, 0], [-1, -1, 0]],
    "huge": [[HUGE, 1, 0], [-HUGE, -1, 0]],
    "huge beyond tiny": [[HUGE, -1, 0], [-HUGE, 1, -Fraction(1, HUGE)]],
    "Beale": beale(Fraction(-5, 4)),
    "Klee-Minty": klee_minty(5, Fraction(5**5)),
    "redundant and empty": [
        *([a, b, 9] for a, b in product((-1, 0, 1), repeat=2) if (a, b) != (0, 0)),
        [1, 0, -4],
        [-1, 0, 3],
    ],
}
ALL = {
    **{f"open: {name}": (rows, True) for name, rows in OPEN.items()},
    **{f"empty: {name}": (rows, False) for name, rows in EMPTY.items()},
}
CASES = [pytest.param(*case, id=name) for name, case in ALL.items()]


@pytest.mark.parametrize(("rows", "expected"), CASES)
def test_known_answers(rows: Rows, expected: bool) -> None:
    assert decide(rows) is expected


@pytest.mark.parametrize(
    ("rows", "expected"), [case for case in CASES if any(any(row[:-1]) for row in case.values[0])]
)
def test_exact_simplex_alone(rows: Rows, expected: bool) -> None:
    """From no basis, from the first rows as a basis, and from the last ones; most of these are
    singular or infeasible.
    """
    kept = [row for row in rows if any(row[:-1])]
    if len(kept) < len(rows):
        expected = True
    dim = len(rows[0]) - 1
    assert decide_exactly(kept) is expected
    assert decide_exactly(kept, tuple(range(min(dim + 1, len(kept))))) is expected
    assert decide_exactly(kept, (*range(len(kept))[-dim:], -1)) is expected


def test_dimension_zero() -> None:
    assert strict_feasibility([], 0) == Interior((1,))
    assert strict_feasibility([Halfspace((1,)), Halfspace((7,))], 0) == Interior((1,))
    for offset in (0, -1):
        assert not is_open(
            [[1], [offset]], strict_feasibility([Halfspace((1,)), Halfspace((offset,))], 0)
        )


def test_no_condition_is_open() -> None:
    assert strict_feasibility([], 3) == Interior((0, 0, 0, 1))


def brute_force(rows: Rows) -> bool:
    """Motzkin by enumeration: empty iff some subset of at most d + 1 rows has a non-negative
    cancelling combination.
    """
    matrix = np.array(rows, dtype=object)
    return not any(_cancels(matrix[list(subset)]) for subset in _subsets(len(rows), len(rows[0])))


def _subsets(count: int, size: int) -> list[tuple[int, ...]]:
    return [
        subset
        for subset in product((0, 1), repeat=count)
        if 0 < sum(subset) <= size
        for subset in [_chosen(subset)]
    ]


def _chosen(flags: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(k for k, flag in enumerate(flags) if flag)


def _cancels(rows: Any) -> bool:
    """Whether the null space of the normals is a line of positive multipliers with offsets that sum
    to <= 0.
    """
    import sympy

    basis = (
        sympy.Matrix(rows[:, :-1].tolist()).T.nullspace()
        if rows.shape[1] > 1
        else [sympy.ones(len(rows), 1)]
    )
    if len(basis) != 1:
        return False
    vector = basis[0] if basis[0][0] > 0 else -basis[0]
    return (
        all(x > 0 for x in vector)
        and sum(w * c for w, c in zip(vector, rows[:, -1].tolist(), strict=True)) <= 0
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_systems_against_enumeration(seed: int) -> None:
    generator = np.random.default_rng(seed)
    dim, count = 1 + seed % 3, 5
    rows = integers(generator, (count, dim + 1), 2)
    assert decide(rows) is brute_force(rows)


def test_random_systems_have_both_answers() -> None:
    answers = [decide(integers(np.random.default_rng(seed), (6, 4), 3)) for seed in range(60)]
    assert 10 < sum(answers) < 50


Proposal = Callable[[Any, int], Any]


def garbage(seed: int) -> Proposal:
    """Proposals that are wrong in every way a solver may be: points, margins and bases at
    random.
    """
    generator = np.random.default_rng(seed)
    points = [np.nan, np.inf, 1e308, 0.0, -1e-300]

    def propose(table: Any, dim: int) -> Any:
        point = generator.normal(size=dim) * 10.0 ** generator.integers(-9, 9)
        if generator.random() < 0.5:
            point[:] = points[generator.integers(len(points))]
        radius = float(generator.choice([-1.0, 0.0, 1e-9, 1.0, 1e300, np.inf, np.nan, 5e-324]))
        size = dim + 1 if generator.random() < 0.7 else int(generator.integers(0, dim + 3))
        basis = tuple(int(i) for i in generator.integers(-1, len(table), size))
        return (point, radius, basis)

    return propose


@pytest.mark.parametrize(
    "proposal", [lambda table, dim: None, *(garbage(seed) for seed in range(6))]
)
def test_wrong_proposals_change_no_answer(
    proposal: Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def spied(table: Any, dim: int, watch: object) -> Any:
        calls.append(dim)
        return proposal(table, dim)

    monkeypatch.setattr(lp, "_propose", spied)
    for rows, expected in ALL.values():
        assert decide(rows) is expected
    assert len(calls) > 20


def test_a_wrong_point_is_never_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proposal claims that the origin is inside with a margin of one; it lies outside, on and
    inside.
    """
    monkeypatch.setattr(lp, "_propose", lambda table, dim, watch: (np.zeros(dim), 1.0, (0,)))
    assert decide([[1, 0, -5], [0, 1, -5], [-1, -1, 20]])
    assert not decide([[1, 0, -5], [0, 1, -5], [-1, -1, 10]])
    assert decide([[1, 0, 0], [0, 1, 0]])


def test_a_short_point_is_found_without_the_exact_simplex(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("the exact simplex was called for an easy cell")

    monkeypatch.setattr(lp, "exact_simplex", refuse)
    answer = strict_feasibility(
        [Halfspace(row) for row in ((3, 0, -1), (0, 3, -1), (-3, 0, 2), (0, -3, 2))], 2
    )
    assert isinstance(answer, Interior)
    assert answer.point[-1] <= 16


def test_a_basis_is_proved_without_the_exact_simplex(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flat triangle, an empty one, and parallel walls in R^3, whose normals do not span: one null
    vector each.
    """

    def refuse(*_: Any) -> Any:
        raise AssertionError("the exact simplex was called for an easy proof")

    monkeypatch.setattr(lp, "exact_simplex", refuse)
    assert not decide([[1, 0, 0], [0, 1, 0], [-1, -1, 0]])
    assert not decide([[1, 0, 0], [0, 1, 0], [-1, -1, -3], [1, 1, 7]])
    assert not decide([[1, 2, 0, 0], [-1, -2, 0, -1]])


@pytest.mark.parametrize(
    "basis", [(0, 1, 2), (2, 1, 0), (0, 1, 3), (0, 0, 1), (0, 1), (0, 1, -1), ()]
)
def test_only_a_farkas_vector_on_the_basis_is_taken(
    basis: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 0, 1, 3 have a positive dependency and offsets that sum to 1: open. Rows 0, 1, 2 have a
    mixed one.
    """
    monkeypatch.setattr(lp, "_propose", lambda table, dim, watch: (np.zeros(dim), -1.0, basis))
    rows = [[1, 0, 0], [0, 1, 0], [1, -1, 0], [-1, -1, 1]]
    assert decide(rows)
    assert not decide([*rows[:3], [-1, -1, 0]])


def test_high_dimensions_ask_the_sparse_solver() -> None:
    """Above 128 dimensions: a corner of R^130 with a wall that cuts it off, by 2^-40, by nothing,
    by too much.
    """
    for width, expected in (
        (Fraction(1, 2**40), True),
        (Fraction(0), False),
        (Fraction(-1, 2**40), False),
    ):
        assert decide(simplex(130, width)) is expected
