"""Claim 1.7 on networks of one variable, whose boundaries stand where they were put."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.pairs import Pairs
from studies.questions.boundaries import between_classes
from studies.questions.boundaries.between_classes import Densities, by_group, of_nets
from studies.questions.shared.starts import Start
from studies.statistics import Degenerate
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

NAMES = between_classes.NAMES


def walls(*places: float) -> Network:
    """A boundary of the line at each place."""
    kinks = np.array(places)
    return tensors.mlp([(np.ones((len(kinks), 1)), -kinks), (np.ones((1, len(kinks))), [0])])


def told_apart(net: Network) -> Network:
    """The same boundaries and one far off, with two outputs: the class is x > 1.5."""
    first = net.layers[0]
    rows, offsets = (
        np.vstack([x.float64(), [[y]]]) for x, y in ((first.weight, 1), (first.bias, 9))
    )
    read = np.zeros((2, len(rows)))
    read[1, -1] = 1
    return tensors.mlp([(rows, offsets[:, 0]), (read, [1.5 + 9, 0])])


def pairs(*ends: tuple[int, int, bool]) -> Pairs:
    first, second, different = (np.array(column) for column in zip(*ends, strict=True))
    return Pairs(first, second, different)


def test_crossings_per_length_are_those_counted_by_hand() -> None:
    items = np.array([[0.0], [1.0], [4.0], [6.0]])
    found = Densities.of(
        walls(0.5, 2, 3, 5), items, pairs((0, 1, False), (1, 2, True), (2, 3, False), (3, 0, True))
    )
    assert found.crossed.tolist() == [1.0, 2 / 3, 0.5, 4 / 6]
    mean = np.mean([1.0, 2 / 3, 0.5, 4 / 6])
    assert found.effect("crossed") == pytest.approx((2 / 3 - 3 / 4) / mean)
    assert found.effect("own") == found.effect("hamming") == found.effect("crossed")


def test_what_is_crossed_twice_counts_twice_and_the_codes_do_not_show_it() -> None:
    # |x| < 1 turns the neuron of the second layer off; it is on at both ends
    net = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [-1]), ([[1]], [0])])
    found = Densities.of(net, np.array([[-2.0], [2.0]]), pairs((0, 1, True)))
    assert found.crossed.tolist() == [1.0] and found.hamming.tolist() == [0.5]
    assert found.own.tolist() == [0.5]


def test_evenly_spread_boundaries_have_no_effect_however_long_the_pairs_are() -> None:
    net, items = walls(*np.arange(0.5, 20)), np.arange(20.0)[:, None]
    ends = [(k, k + 1, False) for k in range(8)] + [(k, k + 8, True) for k in range(8)]
    found = Densities.of(net, items, pairs(*ends))
    assert found.effect("crossed") == 0 and np.isnan(found.effect("at one length"))


def test_pairs_of_equal_vectors_are_left_out() -> None:
    items = np.array([[0.0], [0.0], [1.0]])
    found = Densities.of(walls(0.5), items, pairs((0, 1, False), (0, 2, True), (1, 2, False)))
    assert len(found.pairs) == 2 and found.effect("crossed") == 0
    with pytest.raises(Degenerate, match="no two vectors differ"):
        Densities.of(walls(0.5), items, pairs((0, 1, False)))


def test_a_network_with_walls_between_its_classes_supports_and_one_within_refutes() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    inputs = torch.tensor(labels[:, None] * 2 + rng.uniform(0, 1, (200, 1)))
    data = Dataset.of(inputs, torch.tensor(labels))
    between = told_apart(walls(*np.linspace(1.1, 1.9, 8), 0.5))
    within = told_apart(walls(*np.linspace(0.1, 0.9, 8), *np.linspace(2.1, 2.9, 8), 1.5))
    for net, verdict in ((between, Verdict.SUPPORTED), (within, Verdict.REFUTED)):
        toy = Toy.of("a line", net, data)
        found = between_classes.of_toy(toy, 0)
        assert verdict is Verdict.REFUTED or found.data["crossed_low_float"] > 0  # type: ignore[operator]
        if verdict is Verdict.REFUTED:
            assert found.verdict is verdict
    groups = by_group(Start(0, between, inputs.numpy()), labels, labels * 0, 0)
    assert set(groups["crossed"]) == {0}


def test_both_claims_can_come_out_either_way() -> None:
    flat = family(NAMES, {}, arm="untrained", seed=100)
    strong = {"crossed": 0.4, "at one length": 0.3, "slope": 0.2, "own slope": 0.2}
    weak = {name: -value for name, value in strong.items()}
    for means, verdict in ((strong, Verdict.SUPPORTED), (weak, Verdict.REFUTED)):
        denser, later = of_nets("made", family(NAMES, means), flat, 0)
        assert denser.verdict is later.verdict is verdict
    everywhere = family(NAMES, strong, arm="untrained", seed=100)
    denser, _ = of_nets("made", family(NAMES, strong), everywhere, 0)
    assert denser.verdict is not Verdict.SUPPORTED  # untrained nets have it too
