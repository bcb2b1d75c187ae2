"""Claim 1.10 on slices whose edges are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.boundaries import slices
from studies.questions.boundaries.slices import (
    _share_within,
    crossings,
    in_line,
    lengths,
    of_nets,
    slice_of,
    triples,
)
from studies.statistics import Degenerate
from studies.subjects import LanguageLayer, Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED
CORNERS = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
EVEN = [[1.0, 0.0], [0.0, 1.0]] * 60
EVENLY = np.repeat(-np.linspace(-0.2, 2.2, 60), 2).tolist()


def walls(rows: Sequence[Sequence[float]], offsets: Sequence[float]) -> Network:
    last = (np.ones((3, len(rows))), [0, 0, 0])
    return tensors.mlp([(np.array(rows, dtype=float), list(map(float, offsets))), last])


def test_lengths_are_those_measured_by_hand() -> None:
    net = walls([[1, 0, 0]], [-1])  # the line x = 1, in the triangle from (1, 0) to (1, 1)
    inside, ring = lengths(slice_of(net, CORNERS), CORNERS)
    low = 2 * (1 - np.sqrt(2)) / 3  # where the larger triangle begins, on either axis
    high = 2 - 1 - low  # and ends on x = 1, its third side being x + y = 2 - low
    assert inside == pytest.approx(1.0) and ring == pytest.approx(high - low - 1)


def test_edges_are_clipped_to_the_triangle() -> None:
    edges = np.array(
        [[[-1, 0.5], [1, 0.5]], [[2, 0], [2, 1]], [[0.1, 0.1], [0.2, 0.2]], [[0, -1], [0, 1]]]
    )
    assert _share_within(edges, 1.0) == pytest.approx([0.25, 0, 1, 0.5])


def test_evenly_spread_boundaries_give_one_half_by_both_ways() -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 90)
    rows = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    net = walls(rows.tolist(), (-rows @ [2 / 3, 2 / 3, 0] + rng.uniform(-3, 3, 90)).tolist())
    inside, ring = lengths(slice_of(net, CORNERS), CORNERS)
    assert inside / (inside + ring) == pytest.approx(0.5, abs=0.08)
    counts = np.sum([crossings(net, CORNERS, rng) for _ in range(10)], axis=0)
    assert counts[0] / counts.sum() == pytest.approx(0.5, abs=0.08)


def test_points_in_line_are_left_out_and_classes_are_as_asked() -> None:
    assert in_line(np.array([[0.0, 0], [1, 1], [2, 2]])) and not in_line(CORNERS)
    labels, rng = np.array([0, 0, 0, 1, 2, 2]), np.random.default_rng(0)
    assert all(len(set(labels[t])) == 3 for t in triples(labels, 20, rng, one=False))
    assert all(set(labels[t]) == {0} for t in triples(labels, 20, rng, one=True))
    with pytest.raises(Degenerate, match="fewer than three classes"):
        triples(labels[:4], 1, rng, one=False)


def test_walls_between_three_classes_support_and_walls_around_refute() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    inputs = torch.tensor(CORNERS[labels, :2] + 0.05 * rng.standard_normal((90, 2)))
    mixed = torch.tensor(rng.permutation(labels))
    data, dealt = (Dataset.of(inputs, one, classes=9) for one in (torch.tensor(labels), mixed))
    middle = np.linspace(0.4, 0.9, 15)
    between = walls([*[[1, 0], [0, 1]] * 15, *EVEN], [*-np.repeat(middle, 2), *EVENLY])
    edge = np.linspace(0.08, 0.25, 15)
    offsets = np.repeat(edge, 3) + np.tile([0, 0, 2.0], 15)
    around = walls([*[[1, 0], [0, 1], [-1, -1]] * 15, *EVEN], [*offsets, *EVENLY])
    for net, verdict in ((between, SUPPORTED), (around, REFUTED)):
        assert slices.of_toy(Toy.of("walls", net, data), 0).verdict is verdict
    # as dense between three of one class: the labels tell nothing
    assert slices.of_toy(Toy.of("walls", between, dealt), 0).verdict is not SUPPORTED


def test_a_layer_is_held_against_itself_before_training() -> None:
    rng = np.random.default_rng(2)
    labels, count = np.arange(180) % 3, 180
    vectors = torch.tensor(CORNERS[labels] + 0.05 * rng.standard_normal((count, 3)))
    middle = np.linspace(0.4, 0.9, 15)
    dense = walls([*[[1, 0, 0], [0, 1, 0]] * 15], [*-np.repeat(middle, 2)])
    even = walls([[*row, 0] for row in EVEN], EVENLY)
    tokens = torch.tensor(np.stack([labels, labels], axis=1))
    places = torch.arange(count) // 6

    def layer(network: Network) -> LanguageLayer:
        found = LanguageLayer("a layer", 0, network, vectors, Path("."))
        return replace(found, sequences=places, positions=torch.arange(count) % 6, tokens=tokens)

    for now, then, verdict in ((dense, even, SUPPORTED), (even, dense, REFUTED)):
        here, taught = slices.of_layer(replace(layer(now), untrained=layer(then)), 0)
        assert here.statement == slices.HERE.statement
        assert taught.verdict is verdict and taught.statement == slices.TAUGHT.statement


def test_both_claims_can_come_out_either_way() -> None:
    even = {name: 0.5 for name in slices.NAMES}
    before = family(slices.NAMES, even, arm="untrained", seed=60)
    for value, verdict in ((0.8, SUPPORTED), (0.2, REFUTED)):
        found = of_nets(1, family(slices.NAMES, even | {"three from 1": value}), before, 0)
        assert [one.verdict for one in found] == [verdict, verdict]


def test_what_three_of_one_class_have_too_is_not_supported() -> None:
    both = {f"{sort} from 1": 0.8 for sort in slices.SORTS}
    before = family(slices.NAMES, {name: 0.5 for name in slices.NAMES}, arm="untrained", seed=60)
    densest, _ = of_nets(1, family(slices.NAMES, both), before, 0)
    assert densest.verdict is Verdict.UNDECIDED and densest.why.startswith("(2)")
