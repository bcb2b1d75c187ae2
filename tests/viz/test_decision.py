"""The decision boundary is where the decision changes."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from viz.decision import angles_on_arc, contests, pieces_in_polygon

SQUARE = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
SEEDS = st.integers(0, 10_000)


def test_one_output_is_zero_on_its_piece() -> None:
    (piece,) = pieces_in_polygon(SQUARE, np.array([[1.0, 2.0, 0.5]]))
    np.testing.assert_allclose(piece @ [1, 2] + 0.5, 0, atol=1e-12)
    assert np.abs(piece).max(axis=1).tolist() == [1, 1]


def test_no_piece_without_a_change_of_sign() -> None:
    assert pieces_in_polygon(SQUARE, np.array([[1.0, 1.0, 5.0]])) == []


def test_three_classes_meet_in_a_point() -> None:
    directions = np.array([[math.cos(a), math.sin(a), 0] for a in (0.3, 2.4, 4.5)])
    pieces = pieces_in_polygon(SQUARE, directions)
    assert len(pieces) == 3
    assert all(np.linalg.norm(piece, axis=1).min() < 1e-12 for piece in pieces)


@given(SEEDS, st.integers(2, 4))
def test_the_two_largest_outputs_tie_on_every_piece(seed: int, outputs: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(outputs, 3))
    for piece in pieces_in_polygon(SQUARE, rows):
        values = np.sort(rows @ np.append(piece.mean(axis=0), 1))
        assert values[-1] - values[-2] < 1e-9


@given(SEEDS, st.integers(1, 4))
def test_the_decision_changes_where_the_angles_say(seed: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    rows, start = rng.normal(size=(outputs, 3)), float(rng.uniform(0, 6))
    end = start + float(rng.uniform(0.5, 2 * math.pi))
    grid = np.linspace(start, end, 20_001)
    values = rows @ np.vstack([2 * np.cos(grid), 2 * np.sin(grid), np.ones_like(grid)])
    decided = values[0] > 0 if outputs == 1 else values.argmax(axis=0)
    changes = grid[1:][decided[1:] != decided[:-1]]
    angles = angles_on_arc(start, end, 2.0, rows)
    assert len(angles) == len(changes)
    np.testing.assert_allclose(angles, changes, atol=2 * (grid[1] - grid[0]))


def test_contests_are_all_pairs() -> None:
    assert len(list(contests(np.ones((1, 3))))) == 1
    assert [c.others.shape for c in contests(np.eye(4, 3))] == [(2, 3)] * 6
