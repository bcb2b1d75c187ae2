"""Claim 1.11 on lines whose lengths in the pixels are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exact import Box, Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.methods.approximations.heat_map import edge_lengths, heat_of
from studies.questions.boundaries import heat_maps
from studies.questions.boundaries.heat_maps import compared, exact_map, of_nets, square_around
from studies.statistics import Degenerate
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED
SQUARE = Box(0, 16, dim=2)


def walls(rows: list[list[float]], offsets: list[float]) -> Network:
    return tensors.mlp([(rows, offsets), (np.ones((2, len(rows))), [0, 0])])


def test_exact_lengths_and_those_of_a_grid_are_known_for_slanted_and_straight_lines() -> None:
    straight, slanted = walls([[1, 0]], [-8.5]), walls([[1, -1]], [-0.25])
    exact = exact_map(straight, SQUARE)
    assert exact[8] == pytest.approx(np.ones(16)) and exact.sum() == pytest.approx(16)
    seen = edge_lengths(heat_of(straight, SQUARE, 128**2), SQUARE, 0)
    assert seen[8] == pytest.approx(np.full(16, np.pi / 4))  # seen by one direction of two
    error = compared(straight, SQUARE)["error at 512"]
    assert error == pytest.approx(np.pi / 4 - 1)
    exact, seen = (
        exact_map(slanted, SQUARE),
        edge_lengths(heat_of(slanted, SQUARE, 512**2), SQUARE, 0),
    )
    assert seen.sum() / exact.sum() == pytest.approx(np.pi / 4 * np.sqrt(2), rel=0.02)


def test_two_lines_between_two_grid_points_are_seen_as_one_or_none() -> None:
    # |x - 8| < 0.01: relu(x - 7.99) and relu(8.01 - x), both on in between only
    pair = tensors.mlp([([[1, 0], [-1, 0]], [-7.99, 8.01]), ([[-1, -1]], [0.02]), ([[1]], [0])])
    fine, coarse = (heat_of(pair, SQUARE, side**2).sum() / side for side in (2048, 32))
    assert fine > coarse


def test_a_network_whose_map_is_seen_supports_and_one_with_hidden_pairs_refutes() -> None:
    rng = np.random.default_rng(0)
    inputs = torch.tensor(rng.uniform(0, 16, (60, 2)))
    data = Dataset.of(inputs, torch.arange(60) % 2, classes=9)  # not those of the outputs
    angle = rng.uniform(0, np.pi, 12)
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    seen = walls(rows.tolist(), (-rows @ [5, 5] + rng.uniform(-3, 3, 12)).tolist())
    assert heat_maps.of_toy(Toy.of("seen", seen, data)).verdict is SUPPORTED
    assert heat_maps.of_toy(Toy.of("hidden", hidden_on_the_left(), data)).verdict is REFUTED


def hidden_on_the_left() -> Network:
    """Upright lines: five in each of eight columns on the right; on the left one a column with ten
    neurons behind that are on only within 10^-4 of it, whose pairs of boundaries no grid sees.
    """
    left, right = np.arange(8) + 0.5, np.linspace(8, 16, 42)[1:-1]
    signs = np.array([1.0, -1.0, 1.0]).repeat([8, 8, 40])
    first = np.stack([signs, 0 * signs], axis=1), [*-left, *left, *-right]
    near = np.concatenate([-np.eye(8), -np.eye(8), np.zeros((8, 40))], axis=1).repeat(10, axis=0)
    widths = np.tile(1e-4 * (1 + np.arange(10)) / 10, 8)
    return tensors.mlp([first, (near, widths), (np.ones((2, 80)), [0, 0])])


def test_a_square_surrounds_the_data_and_one_point_has_none() -> None:
    square = square_around(np.array([[0.0, 0], [2, 1]]))
    assert [float(x) for x in square.lo] == pytest.approx([-0.1, -0.6])
    assert [float(x) for x in square.hi] == pytest.approx([2.1, 1.6])
    with pytest.raises(Degenerate, match="one point"):
        square_around(np.ones((3, 2)))
    with pytest.raises(Degenerate, match="same length"):
        compared(walls([[0, 0]], [-1]), SQUARE)


def test_both_claims_can_come_out_either_way() -> None:
    good = {"agreement": 0.97, "error at 512": 0.0}
    bad = {"agreement": 0.4, "error at 512": -0.3}
    for means, verdict in ((good, SUPPORTED), (bad, REFUTED)):
        found = of_nets(family(heat_maps.NAMES, means), 0)
        assert [one.verdict for one in found] == [verdict, verdict]
