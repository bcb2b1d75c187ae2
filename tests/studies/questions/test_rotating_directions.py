"""Claim 0.8 on hand-made layers: kinks, straightness and turning along geodesics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exact import GELU
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.directions import rotating_directions as asked
from studies.questions.shared.one_hidden_layer import Rows, titled
from studies.statistics import Degenerate
from studies.subjects import Subjects, Toy
from tests.studies.questions.made_nets import measured
from toy_models import make

U, V = np.array([[2.0, 0]]), np.array([[0, 2.0]])


def dense(
    weight: np.ndarray, bias: np.ndarray, out: np.ndarray, u: np.ndarray, v: np.ndarray
) -> dict[str, float]:
    """The same numbers of A relu(W x + b) from a finely sampled quarter turn from u to v, which are
    orthogonal and of one length, in plain numpy.
    """
    angles = np.linspace(0, np.pi / 2, 40_001)
    points = np.cos(angles)[:, None] * u + np.sin(angles)[:, None] * v
    outputs = np.maximum(points @ weight.T + bias, 0) @ out.T
    velocity = np.diff(outputs, axis=0) / np.diff(angles)[:, None]
    jumps = np.linalg.norm(np.diff(velocity, axis=0), axis=1)
    length = np.linalg.norm(np.diff(outputs, axis=0), axis=1).sum()
    bends = jumps > 50 * np.median(jumps)
    across = np.linalg.norm(velocity[2:] - velocity[:-2], axis=1)  # a kink falls into two steps
    return {
        "kink": across.max() / (length / (np.pi / 2)),
        "straight": length / float(np.linalg.norm(outputs[-1] - outputs[0])),
        "turning": jumps[bends].sum() / jumps.sum(),
    }


@pytest.mark.parametrize("bias", [[0.0, 0, 0], [-1.0, 0.3, 0.5]])
def test_kinks_straightness_and_turning_are_those_of_a_fine_sample(bias: list[float]) -> None:
    weight = np.array([[1, -1.2], [1, 1], [-1, 0.5]])
    out = np.array([[3.0, 1, 1], [0, 1, 2]])
    found = asked.paths(tensors.mlp([(weight, bias), (out, None)]), U, V)
    agree(found, dense(weight, np.array(bias), out, U, V))


def test_behind_a_norm_they_are_those_of_its_sphere() -> None:
    """On the circle of radius sqrt(3) in the plane of mean zero, gain and bias and all."""
    weight, out = (
        np.array([[1.0, -1, 2], [0, 1, 1], [-2, 1, 0]]),
        np.array([[1.0, 2, 0], [0, 1, 3]]),
    )
    gain, shift, bias = np.array([1.0, 3, 0.5]), np.array([0.2, 0, -0.1]), np.array([0, 0.5, -0.5])
    network = tensors.block(
        weight, bias, out, [0, 0], norm="layernorm", gain=gain, bias=shift, eps=0
    )
    u, v = np.array([[1.0, -1, 0]]), np.array([[1.0, 1, -2]])
    found = asked.paths(network, 5 * u + 1, v)
    first, second = (np.sqrt(3) * x / np.linalg.norm(x) for x in (u, v))
    agree(found, dense(weight * gain, weight @ shift + bias, out, first, second))


def agree(found: asked.Paths, seen: dict[str, float]) -> None:
    assert found.kinks[0] == pytest.approx(seen["kink"], rel=2e-2)
    assert found.straightness[0] == pytest.approx(seen["straight"], rel=1e-3)
    assert found.turning[0] == pytest.approx(seen["turning"], abs=2e-2)


def test_a_linear_layer_has_no_kink_and_a_folded_one_has() -> None:
    smooth = tensors.mlp([([[1, 2]], [5]), ([[1]], None)])
    assert asked.paths(smooth, U, V).kinks.tolist() == [0]
    bent = asked.paths(tensors.mlp([([[1, -1], [-1, 1]], None), (np.eye(2), None)]), U, V)
    assert bent.kinks[0] > 1 and bent.turning[0] > 0.4 and bent.crossings.tolist() == [2]


def test_behind_a_norm_the_sphere_is_the_norms() -> None:
    rng = np.random.default_rng(0)
    weight, out = rng.standard_normal((9, 4)), rng.standard_normal((3, 9))
    options: dict[str, Any] = {"gain": [1, 2, 3, 0.5], "bias": [0, 0.5, 1, 0], "eps": 1e-5}
    network = tensors.block(weight, None, out, [0] * 3, norm="layernorm", **options)
    u, v = rng.standard_normal((2, 5, 4))
    found = asked.paths(network, u, v)
    again = asked.paths(network, 7 * u + 3, v)
    assert np.allclose(found.kinks, again.kinks) and np.allclose(found.turning, again.turning)
    sampled = asked.sampled_straightness(network, u, v)
    assert sampled == pytest.approx(found.medians[1], rel=1e-3)


def test_a_wide_layer_is_smooth_because_one_neuron_is_little() -> None:
    rng, sizes = np.random.default_rng(0), []
    u, v = rng.standard_normal((2, 10, 6))
    for width in (8, 512):
        weight, out = rng.standard_normal((width, 6)), rng.standard_normal((6, width))
        network = tensors.block(weight, None, out, [0] * 6, norm="layernorm")
        sizes.append(asked.paths(network, u, v).medians[0])
    assert sizes[1] < sizes[0] / 3


def test_a_dead_output_does_not_move() -> None:
    network = tensors.mlp([([[1, 1], [1, -1]], [0, 0]), ([[0, 0]], [1])])
    with pytest.raises(Degenerate, match="does not move"):
        assert asked.paths(network, U, V).medians


def test_shuffled_columns_keep_crossings_and_smooth_activations_are_sampled() -> None:
    rng = np.random.default_rng(0)
    weight, out = rng.standard_normal((9, 4)), rng.standard_normal((3, 9))
    network = tensors.block(weight, None, out, [0] * 3, norm="layernorm", activation=GELU())
    u, v = rng.standard_normal((2, 5, 4))
    mixed = asked.with_shuffled_columns(network.relu_ised(), rng)
    found = [asked.paths(one, u, v) for one in (network.relu_ised(), mixed)]
    assert found[0].crossings.tolist() == found[1].crossings.tolist()
    assert found[0].kinks.tolist() != found[1].kinks.tolist()
    assert asked.sampled_straightness(network, u, v) >= 1


def test_the_claim_can_come_out_either_way_and_needs_both() -> None:
    rng = np.random.default_rng(0)
    for kink, straight, verdict in (
        (0.01, 1.1, Verdict.SUPPORTED),
        (0.5, 1.1, Verdict.REFUTED),
        (0.01, 2.5, Verdict.REFUTED),
    ):
        given = measured(kink, spread=0.001), measured(straight)
        assert asked.nets_finding("x", *given, 8, rng).verdict is verdict
    one = np.random.default_rng(1).uniform(0.01, 0.02, 40)
    paths = asked.Paths(one, 1 + one, one, one)
    rows = Rows.around(tensors.mlp([(np.eye(2), None), (np.eye(2), None)]), np.ones((40, 2)), None)
    assert asked.pairs_finding("x", rows, paths, 2, {}, rng).verdict is Verdict.SUPPORTED


def test_a_smooth_toy_is_asked_with_relu_and_a_long_name_fits() -> None:
    network = tensors.mlp([(np.eye(2), [0.1, 0]), (np.eye(2), None)], GELU())
    toy = Toy.of("m" * 60, network, make("blobs", count=40))
    (finding,) = asked.ask(Subjects.of(toy, quick=True)).findings
    assert finding.subject == f"{'m' * 60}, with ReLU" and "own activation" in finding.value
    assert titled(toy, "written by neurons") == f"{'m' * 60}: written by neurons"
    assert titled(toy, "random") == f"{'m' * 60}, with ReLU: random"
