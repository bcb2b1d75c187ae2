"""Claim 1.9 on networks whose boundaries lie at known radii."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.boundaries import shells
from studies.questions.boundaries.shells import Rays, expected, of_nets
from studies.questions.shared.class_changes import walk
from studies.questions.shared.starts import Start
from studies.subjects import Toy
from tests.studies.questions.families import family, measured
from toy_models import Dataset

DENSE_INSIDE = (0.0005 * np.arange(1, 40) ** 2).tolist()
SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def spheres(offsets: list[float], dim: int = 2, count: int = 40) -> Network:
    """Random hyperplanes of R^dim at these distances from the origin, `count` of each."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count * len(offsets), dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return tensors.mlp([(rows, -np.repeat(offsets, count)), (np.ones((2, len(rows))), [0, 1])])


def rays(network: Network, length: float = 1.0) -> Rays:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((60, network.input_dim))
    rows *= length / np.linalg.norm(rows, axis=1, keepdims=True)
    return Rays(Start(0, network, rows), rows)


def test_a_shell_is_seen_where_it_was_put_and_none_where_offsets_are_spread() -> None:
    value, peak = rays(spheres([0.5])).prominence()
    assert value == 1.0 and 0.5 <= peak <= 0.75  # nothing is within the distance of the planes
    even, _ = rays(spheres(DENSE_INSIDE, count=1)).prominence()
    assert even < shells.PEAK


def test_crossings_per_length_are_counted_along_the_ray() -> None:
    net = tensors.mlp([([[1], [1]], [-1, -3]), ([[1, 1]], [0])])
    found = Rays(Start(0, net, np.array([[2.0], [4.0]])), np.array([[2.0], [4.0]]))
    # t = 1/2 and 3/2 on the ray of length 2; 1/4 and 3/4 on that of length 4
    whole = found.density(np.array([0.0]), np.array([1.0]), np.array([True, True]))
    assert whole.tolist() == [3 / 6]
    assert found.profile.sum() > 0


def test_the_closed_form_is_what_random_rays_meet() -> None:
    net = spheres([0.3, 0.7], dim=6, count=30)
    lengths = np.full(4000, 1.0)
    rows = np.random.default_rng(2).standard_normal((4000, 6))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weight, bias = (net.hidden_layers[0].weight.float64(), net.hidden_layers[0].bias.float64())
    for low, high in ((0.0, 0.6), (0.6, 1.5), (1.5, 4.0)):
        on = [(t * rows @ weight.T + bias.ravel()) > 0 for t in (low, high)]
        met = float((on[0] != on[1]).sum()) / (4000 * (high - low))
        assert expected(net, lengths, low, high) == pytest.approx(met, rel=0.05)


def test_class_changes_are_where_two_outputs_tie() -> None:
    # outputs |x| and 2: the class changes at |x| = 2, from the second to the first
    net = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1], [0, 0]], [0, 2])])
    found = walk(net, np.array([[0.0], [-4.0]]), np.array([[1.0], [8.0]]), "ray")
    assert found.changed.tolist() == [0, 1, 1]
    assert found.changes.tolist() == pytest.approx([2.0, 2 / 8, 6 / 8])
    assert found.before.tolist() == [1, 0, 1] and found.after.tolist() == [0, 1, 0]
    assert found.places.tolist() == pytest.approx([0.5, 0.5])  # both neurons, at x = 0
    rays = Rays(Start(0, net, np.array([[1.0], [3.0]])), np.array([[1.0], [3.0]]))
    assert rays.changes() == (1, 1)  # at t = 2 on the first ray, 2/3 on the second


def test_a_network_with_a_shell_supports_and_one_without_refutes() -> None:
    inputs = torch.tensor(np.random.default_rng(3).standard_normal((60, 2)))
    for net, verdict in (
        (spheres([0.5], count=15), SUPPORTED),
        (spheres(DENSE_INSIDE, count=3), REFUTED),
    ):
        data = Dataset.of(inputs, net.forward_float(inputs.numpy()))
        assert shells.of_toy(Toy.of("a net", net, data), 0).verdict is verdict


def test_every_claim_can_come_out_either_way() -> None:
    nothing = measured(0.0, 0.0, arm="zero_biases")
    high = {f"{sort} from 1": 0.8 for sort in shells.SORTS} | {"inside from 1": 9.2}
    low = {f"{sort} from 1": 0.4 for sort in shells.SORTS} | {"outside from 1": 9.2}
    for mine, theirs, verdict in ((high, low, SUPPORTED), (low, high, REFUTED)):
        arms = family(shells.NAMES, mine), family(shells.NAMES, theirs, arm="untrained", seed=99)
        assert [one.verdict for one in of_nets(1, *arms, nothing, 0)] == 3 * [verdict]


def test_a_peak_of_noisy_bins_alone_is_no_shell() -> None:
    rng, found = np.random.default_rng(4), []
    for _ in range(8):
        one = rays(spheres([1.0], count=2))
        even = {"lines": rng.integers(0, 60, 9000), "places": rng.uniform(0, 4, 9000)}
        one.walk = replace(one.walk, **even)
        found.append(one.prominence()[0])
    assert abs(np.nanmean(found) - 0.5) < 0.05
