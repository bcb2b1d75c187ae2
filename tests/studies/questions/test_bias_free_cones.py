"""Claim 1.21 on networks of one and two inputs, whose rays cross what was put in their way."""

from __future__ import annotations

import numpy as np
import torch

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.boundaries import bias_free_cones
from studies.questions.boundaries.bias_free_cones import cones, crossings, of_nets, of_own, rate
from studies.questions.shared.starts import Start
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def walls(*places: float) -> Network:
    kinks = np.array(places)
    return tensors.mlp([(np.ones((len(kinks), 1)), -kinks), (np.ones((1, len(kinks))), [0])])


def cone(*, lifted: bool = False) -> Network:
    """Two layers of random weights without biases; `lifted` gives one neuron a bias."""
    rng = np.random.default_rng(0)
    first, second, last = (rng.standard_normal(shape) for shape in ((8, 3), (8, 8), (2, 8)))
    return tensors.mlp([(first, np.eye(8)[0] * lifted), (second, None), (last, None)])  # type: ignore[list-item]


def test_crossings_within_two_octaves_are_counted() -> None:
    net = walls(0.1, 0.3, 1.5, 3.9, 4.1, 30)
    assert crossings(net, np.array([[1.0], [0.0]])) == (6, 3, 1)
    assert crossings(net, np.array([[-1.0]])) == (0, 0, 1)
    assert rate(Start(0, net, np.array([[1.0], [-1.0]]))) == 3 / (2 * 4 * 6)
    assert np.isnan(rate(Start(0, net, np.array([[0.0]]))))


def test_without_biases_nothing_is_crossed_and_one_bias_is_seen() -> None:
    rows = np.random.default_rng(1).standard_normal((20, 3))
    data = Dataset.of(torch.tensor(rows), torch.arange(20) % 2)
    assert crossings(cone(), rows)[0] == 0 < crossings(cone(lifted=True), rows)[0]
    (holds,) = of_own(Toy.of("a cone", cone(), data), 0)
    assert holds.verdict is SUPPORTED
    assert cones("made up", [0, 3], {}).is_alarm


def test_a_network_whose_walls_are_far_off_supports_and_one_with_near_walls_refutes() -> None:
    rng = np.random.default_rng(2)
    rows = torch.tensor(rng.uniform(0.5, 1.5, (100, 1)))
    near, far = walls(*rng.uniform(0.1, 8, 30)), walls(4, *np.linspace(50, 60, 60))
    for net, verdict in ((near, REFUTED), (far, SUPPORTED)):
        data = Dataset.of(rows, net.forward_float(rows.numpy()))
        (found,) = of_own(Toy.of("walls", net, data), 0)
        assert found.verdict is verdict, found.value


def test_both_claims_can_come_out_either_way() -> None:
    names = bias_free_cones.NAMES
    plain = family(names, {"mean": 0.5}, seed=10)
    before = family(names, {"mean": 0.5}, arm="untrained", seed=20)
    few, many = family(names, {"mean": -0.2}), family(names, {"mean": 0.9})
    for arm, verdict in ((few, SUPPORTED), (many, REFUTED)):
        found = of_nets("layernorm", arm, before, plain, 0)
        assert [one.verdict for one in found] == [verdict, verdict]
