"""Float programmes in boxes: what they say is proved here by exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from exact.arithmetic.numbers import rational
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.lp import Interior, exact_simplex
from exact.kernels import boxes

Rows = np.ndarray[Any, np.dtype[np.float64]]
ALARM = np.zeros(1, dtype=np.int64)


def table(a: Any, b: Any, e: float = 0.0) -> Rows:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    sizes = np.abs(a).sum(axis=1) * (1 + 2.0**-40)
    return np.ascontiguousarray(np.column_stack([a, b, np.full(len(a), e), sizes]))


def asked(rows: Rows) -> tuple[int, list[int], list[float], Rows]:
    size, dim = min(len(rows), rows.shape[1] - 2) + 1, rows.shape[1] - 3
    basis = boxes.Basis(*(np.zeros(size, dtype=np.int64) for _ in range(2)), np.zeros(1, np.int64))
    weights, u = np.zeros(size), np.zeros(dim)
    answer = boxes.decide(rows, len(rows), basis, weights, u, ALARM)
    m = int(basis.size[0])
    return answer, basis.tight[:m].tolist(), weights[:m].tolist(), u


def margin_is_positive(rows: Rows) -> bool:
    """Whether some point of the open box is inside all rows, by exact arithmetic."""
    dim = rows.shape[1] - 3
    halfspaces = [Halfspace.of([rational(x) for x in row[: dim + 1].tolist()]) for row in rows]
    for j in range(dim):
        for sign in (1, -1):
            halfspaces.append(Halfspace((*[0] * j, sign, *[0] * (dim - 1 - j), 1)))
    return isinstance(exact_simplex(halfspaces, dim), Interior)


def proved(rows: Rows, answer: int, tight: list[int], weights: list[float], u: Rows) -> bool:
    dim = rows.shape[1] - 3
    if answer == boxes.OPEN:
        point = [Fraction(x) for x in u.tolist()]
        return all(abs(x) < 1 for x in point) and all(
            sum(Fraction(a) * x for a, x in zip(row, point, strict=False)) + Fraction(row[dim])
            > Fraction(row[dim + 1])
            for row in rows.tolist()
        )
    exact = [Fraction(x) for x in weights]
    sums = [
        sum(w * Fraction(float(rows[i, j])) for w, i in zip(exact, tight, strict=True))
        for j in range(dim + 2)
    ]
    return min(exact) >= 0 and sum(map(abs, sums[:dim])) + sums[dim] + sums[dim + 1] < 0


@pytest.mark.parametrize("seed", range(12))
def test_answers_are_proved(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = set()
    for _ in range(25):
        count, dim = int(rng.integers(1, 9)), int(rng.integers(1, 6))
        a = rng.normal(size=(count, dim))
        if seed % 2:
            a = rng.integers(-2, 3, (count, dim)) / 8
            a[:, 0] += (a == 0).all(axis=1)
        rows = table(
            a, rng.integers(-4, 5, count) / 8 if seed % 3 else rng.uniform(-0.5, 0.5, count)
        )
        answer, tight, weights, u = asked(rows)
        found.add(answer)
        assert answer != boxes.UNDECIDED or seed % 2, "generic rows are decided"
        if answer != boxes.UNDECIDED:
            assert (answer == boxes.OPEN) == margin_is_positive(rows)
            assert proved(rows, answer, tight, weights, u)
    assert {boxes.OPEN, boxes.CLOSED} <= found


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[1, 1]], [-2]),  # touches the box in a corner
        ([[1, 0], [-1, 0]], [0, 0]),  # opposite sides of one plane
        ([[1, 1], [-1, 0], [0, -1]], [0, 0, 0]),  # three planes through one point
    ],
)
def test_what_touches_is_left_open(a: list[list[float]], b: list[float]) -> None:
    rows = table(np.array(a) / 4, np.array(b) / 4)
    assert asked(rows)[0] == boxes.UNDECIDED and not margin_is_positive(rows)


@pytest.mark.parametrize("b", [-0.6, -0.4])
def test_errors_of_rows_are_respected(b: float) -> None:
    """The plane is 0.1 off a corner: with an error of 0.2 neither side can be proved."""
    rows = table([[0.25, 0.25]], [b])
    assert asked(rows)[0] == (boxes.OPEN if b > -0.5 else boxes.CLOSED)
    assert asked(table([[0.25, 0.25]], [b], 0.2))[0] == boxes.UNDECIDED
    assert boxes.side(table([[0.25, 0.25]], [b], 0.2)[0], np.array([0.9, 0.9])) == 0


def test_facets_of_a_square_cut_at_its_corners() -> None:
    rows = table(np.array([[-1, -1], [1, 1], [1, 1]]) / 4, np.array([1, 1.5, 4]) / 4)
    found = boxes.facets(rows, np.arange(3), ALARM)
    assert found.tolist() == [boxes.OPEN, boxes.OPEN, boxes.CLOSED]


def test_an_alarm_ends_it() -> None:
    rows = table([[0.5, 0.5]], [0.1])
    basis = boxes.Basis(*(np.zeros(3, dtype=np.int64) for _ in range(2)), np.zeros(1, np.int64))
    assert boxes.decide(rows, 1, basis, np.zeros(3), np.zeros(2), np.ones(1, np.int64)) == (
        boxes.UNDECIDED
    )


def test_many_rows_that_depend_on_few_columns_end() -> None:
    """Rows in a space of three dimensions, where weights of zero lead in circles."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        a = rng.normal(size=(16, 3)) @ rng.normal(size=(3, 12))
        a /= np.abs(a).sum(axis=1, keepdims=True)
        assert asked(table(a, rng.uniform(-0.2, 0.3, 16)))[0] != boxes.UNDECIDED
