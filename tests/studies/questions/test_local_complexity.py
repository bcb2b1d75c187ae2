"""Claim 5.2: neurons around points, counted by hand, and a method that looks at the ends only."""

from __future__ import annotations

import numpy as np
import pytest

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict, number
from studies.questions.later import local_complexity as question
from studies.questions.later.local_complexity import Arm, Cross, Story
from studies.questions.shared.nets import Measured, Nets
from studies.statistics import Degenerate

NETS = Nets("trained", (), 0)
STEPS = (0, 25, 50, 75, 100)


def kinks(*places: float) -> Network:
    """A neuron that changes sign at each of these places of a line."""
    ones = np.ones((len(places), 1))
    return tensors.mlp([(ones, -np.array(places)), (ones.T, [0.0])])


def around(points: list[float], radius: float) -> Cross:
    return Cross.around(np.array(points)[:, None], radius, np.random.default_rng(0))


def test_neurons_around_points_are_counted() -> None:
    network = kinks(-1.0, 0.25, 0.5, 3.0)
    found = around([0.0, 0.4, 10.0], 1 / 3).changing(network)
    assert found == [{1}, {1, 2}, set()]
    assert question.mean_complexity(network, around([0.0, 0.4, 10.0], 1 / 3)) == 1


def test_a_neuron_that_comes_back_is_counted_and_not_seen() -> None:
    """1/2 - |x| is on at 0 and off at both ends -1 and 1."""
    tent = tensors.mlp([([[1], [-1]], [0, 0]), ([[-1, -1]], [0.5]), ([[1]], [0])])
    cross = around([0.0], 1.0)
    assert cross.changing(tent) == [{0, 1, 2}]
    assert question.seen(tent, cross, np.zeros((1, 1))) == (3, 2)


def test_behind_a_norm_the_segments_are_bent_and_cut_all_the_same() -> None:
    rng = np.random.default_rng(3)
    w, v = rng.standard_normal((8, 3)), rng.standard_normal((2, 8))
    network = tensors.block(w, np.zeros(8), v, np.zeros(2), norm="rms")
    points = rng.standard_normal((5, 3))
    cross = Cross.around(points, 0.5, rng)
    for found, ends in zip(cross.changing(network), cross.ends, strict=True):
        flips = (ends[0] @ w.T > 0) != (ends[1] @ w.T > 0)  # without biases scale plays no part
        assert found == set(np.flatnonzero(flips.any(axis=0)).tolist())


def test_directions_are_orthonormal_and_ends_on_both_sides() -> None:
    cross = Cross.around(np.ones((4, 3)), 0.1, np.random.default_rng(0))
    steps = cross.ends[:, 1] - 1
    assert np.allclose(cross.ends.mean(axis=1), 1)
    assert np.allclose(steps @ steps.transpose(0, 2, 1), 0.01 * np.eye(3))
    with pytest.raises(Degenerate):
        question.typical_radius(np.ones((5, 2)))


def test_late_begins_at_half_of_the_steps() -> None:
    story = Story(STEPS, (1.0, 2, 5, 4, 3), (0.0, 1, 1, 1, 2), 10, 10)
    assert (story.late, story.late_elsewhere) == (-2, 1)
    assert Story((0, 33, 66, 100), (0.0, 7, 1, 3), (0.0,) * 4, 1, 1).late == 2


def arm(late: float, elsewhere: float, seen: int, seed: int) -> Arm:
    noise = np.random.default_rng(seed).normal(0, 0.05, (2, 30))
    stories = {
        k: Story(STEPS, (1.0, 2, 3, 3, 3 + late + a), (1.0, 2, 3, 3, 3 + elsewhere + b), 20, seen)
        for k, (a, b) in enumerate(noise.T.tolist())
    }
    return Arm(Measured(NETS, {k: one.late for k, one in stories.items()}, {}), stories)


@pytest.mark.parametrize(
    ("late", "seen", "verdict"), [(-0.5, 20, Verdict.SUPPORTED), (0.5, 12, Verdict.REFUTED)]
)
def test_rules_can_come_out_both_ways(late: float, seen: int, verdict: Verdict) -> None:
    one, bare = arm(late, 0.0, seen, 0), arm(2 * late, 0.0, seen, 1)
    findings = question.arm_findings("layernorm", one, 0)
    assert [found.verdict for found in findings] == [verdict] * 3
    found = question.norm_finding("layernorm", one, bare, 0)
    assert found.verdict is verdict
    assert number(found.data["difference_float"]) == pytest.approx(-late, abs=0.05)
