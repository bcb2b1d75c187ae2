"""Claim 1.20 on planes at known distances from the origin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.boundaries import far_out
from studies.questions.boundaries.far_out import Crossings, of_nets, sines
from studies.questions.shared.starts import Start
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def walls(rows: list[list[float]], offsets: list[float]) -> Network:
    return tensors.mlp([(rows, offsets), ([[1.0] * len(rows)] * 2, [0, 1])])


def test_radii_are_counted_in_octaves_of_the_largest_length() -> None:
    net = walls([[1], [1], [1], [-1]], [-1.1, -3, -20, -50])
    vectors = np.array([[0.5], [-2.0], [0.0]])
    found = Crossings.of(Start(0, net, vectors), vectors)
    assert found.rays == 2 and sorted(found.radius) == pytest.approx([0.55, 1.5, 10, 25])
    assert [found.count(k) for k in (-1, 0, 3, 4)] == [1, 1, 1, 1]
    assert found.share == 0.5 and found.beyond == 0.75 and found.last == pytest.approx(17.5)


def test_the_sine_is_that_of_ray_and_boundary_through_layers() -> None:
    # at x = (1, 2): the second layer sees 3 relu(x + y - 1) - 5 relu(x), whose gradient is (-2, 3)
    net = tensors.mlp([([[1, 1], [1, 0]], [-1, 0]), ([[3, -5]], [0]), ([[1]], [0])])
    x = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    expected = [3 / np.sqrt(2 * 5), 1 / np.sqrt(5), 4 / np.sqrt(13 * 5)]
    assert sines(net, x, np.array([0, 1, 2])) == pytest.approx(expected, rel=1e-6)


def test_planes_at_one_distance_are_met_at_a_sine_that_falls_like_the_radius() -> None:
    angles = np.linspace(0.001, np.pi, 300)
    net = walls(np.stack([np.cos(angles), np.sin(angles)], 1).tolist(), [-1.0] * 300)
    vectors = np.random.default_rng(0).standard_normal((30, 2))
    found = Crossings.of(Start(0, net, vectors), vectors)
    assert found.sine * found.radius * np.linalg.norm(vectors, axis=1).max() == pytest.approx(
        np.ones(len(found.sine)), rel=1e-6
    )
    assert found.slope == pytest.approx(-1, abs=1e-6)


def test_a_network_with_near_boundaries_supports_and_one_with_far_ones_refutes() -> None:
    rng = np.random.default_rng(1)
    inputs = torch.tensor(rng.standard_normal((100, 2)))
    rows = rng.standard_normal((100, 2))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    near = walls(rows.tolist(), rng.uniform(-2, 2, 100).tolist())
    # planes across every way out, at all distances up to far out
    far = walls([[1, 0], [-1, 0], [0, 1], [0, -1]] * 15, (-np.geomspace(1, 300, 60)).tolist())
    for net, verdict in ((near, SUPPORTED), (far, REFUTED)):
        data = Dataset.of(inputs, net.forward_float(inputs.numpy()))
        assert far_out.of_toy(Toy.of("planes", net, data), 0).verdict is verdict


def test_both_claims_can_come_out_either_way() -> None:
    names = far_out.NAMES
    flat = family(names, {}, arm="untrained", seed=300)
    low = family(names, {"share from 2": 0.1, "slope from 2": -0.9})
    high = family(names, {"share from 2": 0.5, "slope from 2": 0.1})
    for arm, verdict in ((low, SUPPORTED), (high, REFUTED)):
        assert [one.verdict for one in of_nets(2, arm, flat, 0)] == [verdict, verdict]
