"""Claim 0.7 on hand-made layers: flips along added directions, and of many at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from exact.sources import tensors
from studies.finding import Verdict
from studies.language_layers import LanguageLayer
from studies.questions.directions import adding_directions as asked
from studies.questions.shared.one_hidden_layer import Rows, with_random_rows
from studies.statistics import Degenerate
from tests.studies.questions.made_nets import measured

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED
GRID = tensors.mlp([([[1, 0]] * 4 + [[0, 1]], [-1, -2, -3, -4, -1]), (np.ones((2, 5)), None)])


def layer(width: int = 40, dim: int = 6, norm: str | None = "layernorm", offset: float = 0.3):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    weight, bias = rng.standard_normal((width, dim)), offset * rng.standard_normal(width)
    return tensors.block(weight, bias, rng.standard_normal((dim, width)), np.zeros(dim), norm=norm)


def rows(network, count: int = 40) -> Rows:  # type: ignore[no-untyped-def]
    vectors = np.random.default_rng(2).standard_normal((count, network.input_dim))
    return Rows.around(network, vectors, np.repeat(np.arange(count // 2), 2))


def test_flips_are_those_between_the_vector_and_its_sum() -> None:
    starts = np.array([[0.5, 0], [3.5, 0], [0.5, 0.5]])
    moves = np.array([[2, 0], [-3, 0], [1, 1.0]])
    assert asked.flips_along(GRID, starts, moves).tolist() == [2, 3, 2]


def test_flips_that_return_are_counted() -> None:
    """Behind a norm a neuron can flip twice on one straight line: both ends have one code."""
    network = tensors.block([[1, 0, 0]], [-1.2], [[1]], [0], norm="rms", eps=0)
    start, move = np.array([[1.0, 3, 0]]), np.array([[0.0, -6, 0]])
    ends = network.codes(np.concatenate([start, start + move]))
    assert (ends.packed[0] == ends.packed[1]).all()
    assert asked.flips_along(network, start, move).tolist() == [2]


@pytest.mark.parametrize("norm", ["layernorm", "rms", None])
def test_a_turn_has_the_angle_of_the_sum(norm: str | None) -> None:
    """One neuron at every angle of a plane counts the turn: flips = angle x density."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    plane = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    weight = np.stack([np.cos(angles), np.sin(angles)], 1) @ plane
    network = tensors.block(weight, None, [[1.0] * 400], [0], norm=norm, eps=0)
    starts = plane[:1] * 2
    ends = 2 * (np.cos(0.5) * plane[:1] + np.sin(0.5) * plane[1:])
    if norm == "layernorm":  # the only plane of mean zero: the turn stays in it
        found = asked.flips_turning(network, starts, ends, np.random.default_rng(0))
        assert found[0] == pytest.approx(0.5 / (2 * np.pi) * 800, abs=2)
    else:
        found = asked.flips_turning(network, starts, ends, np.random.default_rng(0))
        assert 0 < found[0] <= 0.5 / (2 * np.pi) * 800 + 2


def test_random_directions_are_a_random_turn_and_the_growth_is_told() -> None:
    network = layer(100)
    found = asked.sums(network, rows(network), asked.RANDOM, np.random.default_rng(0))
    assert found.ratio == pytest.approx(1, abs=0.12)
    assert found.of_alone < 0.3  # about 1 / sqrt(64) and what the norm takes
    assert found.alone[0].tolist() == found.together[0].tolist()


def test_one_direction_that_all_share_adds_up() -> None:
    """Vectors that are all one another's direction: sums of others do not cancel."""
    network = layer(100, norm=None, offset=0)
    base = np.random.default_rng(5).standard_normal((4, 6))
    vectors = np.concatenate([base, base + 1e-3])
    given = Rows.around(network, vectors, None)
    found = asked.sums(network, given, asked.DATA, np.random.default_rng(0))
    assert found.alone[-1].sum() > found.together[-1].sum()


def test_rows_turned_at_random_keep_lengths_and_offsets() -> None:
    network = layer()
    turned = with_random_rows(network, np.random.default_rng(0))
    folded = network.folded().layers[0]
    sizes = [np.linalg.norm(x.weight.float64(), axis=1) for x in (turned.layers[0], folded)]
    assert np.allclose(*sizes) and not np.allclose(turned.layers[0].weight.float64(), 0)
    assert turned.layers[0].bias.float64().tolist() == folded.bias.float64().tolist()
    assert np.allclose(turned.layers[0].weight.float64().sum(axis=1), 0)
    assert [norm.eps for norm in turned.norms] == [norm.eps for norm in network.norms]


def test_both_claims_can_come_out_either_way() -> None:
    rng = np.random.default_rng(0)
    moved = asked.nets_findings("x", measured(8), measured(9), measured(0.5), rng)
    still = asked.nets_findings("x", measured(0.3), measured(9), measured(1), rng)
    assert [f.verdict for f in moved] == [SUPPORTED, SUPPORTED]
    assert [f.verdict for f in still] == [REFUTED, REFUTED]


def test_cancelling_is_judged_by_the_ratio_of_means() -> None:
    network = layer()
    given = rows(network)
    turned = np.random.default_rng(0).uniform(5, 15, (4, 40))
    for factor, verdict in ((0.5, SUPPORTED), (1.3, REFUTED)):
        noise = 0.1 * np.random.default_rng(1).standard_normal((4, 40))
        one = asked.Sums(turned * (factor + noise), turned, turned)
        finding = asked.cancel_finding("x", given, one, np.random.default_rng(0))
        assert finding.verdict is verdict
        assert finding.data["ratio_float"] == pytest.approx(one.ratio)


def test_turns_without_flips_say_so() -> None:
    none = asked.Sums(*(np.zeros((4, 3)),) * 3)
    with pytest.raises(Degenerate, match="flip no neuron"):
        assert none.ratio
    with pytest.raises(Degenerate, match="write nothing"):
        asked.written(tensors.mlp([(np.eye(2), None), (np.zeros((2, 2)), None)]))


def test_directions_of_the_layer_in_front_are_what_it_writes() -> None:
    """It writes along one axis, and the layer's neurons read the other."""
    rng = np.random.default_rng(0)
    reads = tensors.mlp([([[1, 0]] * 9, np.linspace(-2, 2, 9)), (np.ones((2, 9)), None)])
    writes = [tensors.mlp([(np.eye(2), None), ([[x, 0], [1 - x, 0]], None)]) for x in (0, 1)]
    vectors = torch.from_numpy(rng.standard_normal((30, 2)))
    found = {}
    for across, previous in enumerate(writes):
        layer = LanguageLayer("tiny", 1, reads, vectors, Path(), previous=previous)
        moved = asked._of_one(layer, 0)[0]
        found[across] = next(one for one in moved if one.subject.endswith(asked.IN_FRONT))
    assert found[0].data["flips_float"] == 0
    assert found[1].data["flips_float"] > 0

    first = LanguageLayer("tiny", 0, reads, vectors, Path())
    assert not any(one.subject.endswith(asked.IN_FRONT) for one in asked._of_one(first, 0)[0])


@pytest.mark.parametrize("norm", ["layernorm", None])
def test_no_turn_flips_nothing_and_half_a_turn_as_often_as_any_other(norm: str | None) -> None:
    """Rows that are multiples of one another, as repeated ones and corners of cubes are."""
    network = layer(60, norm=norm, offset=0)
    vectors = np.random.default_rng(6).standard_normal((3, 6))
    if norm is None:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ends = np.array([2.0, -1, 1])[:, None] * vectors
    none, half, again = asked.flips_turning(network, vectors, ends, np.random.default_rng(0))
    assert none == again == 0
    assert half == 60  # a hyperplane through the centre is met once on half of any great circle
