"""Claim 5.1: ways whose stable part, slope and boundaries are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.later import plateaus
from studies.questions.later.plateaus import Arm, Way
from studies.questions.shared.nets import Measured, Nets
from studies.statistics import Degenerate
from toy_models.populations import Arm as PopulationArm


def line(kinks: Sequence[float], steps: Sequence[float]) -> Network:
    """Zero at 0, with slopes that change by these steps at these places."""
    ones = np.ones((len(kinks), 1))
    return tensors.mlp([(ones, -np.array(kinks)), (np.array([steps]), [0.0])])


def way(network: Network) -> Way:
    (one,) = plateaus.ways_of(plateaus.profiles(network, np.zeros((1, 1)), np.ones((1, 1))))
    return one


def test_a_plateau_and_a_jump() -> None:
    """Flat to 1/2, where it jumps within a tenth; two neurons at 1/4 cancel each other."""
    found = way(line([0.25, 0.25, 0.5, 0.6], [1.0, -1.0, 10.0, -10.0]))
    assert found.stable == pytest.approx(0.51)
    assert found.boundaries == 3 and found.crossings == 4
    assert found.slope == pytest.approx(10)
    assert found.density == pytest.approx(20 / 4)  # the boundary at 1/2 opens the steepest part
    assert found.seen == 4  # 50 samples lie in every one of the cells


def test_one_affine_map_has_no_plateau() -> None:
    found = way(line([-1.0, 0.305, 0.305], [1.0, 5.0, -5.0]))
    assert found.stable == pytest.approx(0.1) and found.slope == pytest.approx(1)
    assert (found.boundaries, found.crossings) == (0, 2)


def test_cells_between_two_samples_are_not_seen() -> None:
    found = way(line([0.5, 0.5001, 0.5002], [1.0, 1.0, 1.0]))
    assert found.crossings == 3 and found.seen == 2


def test_an_output_that_comes_back_first_leaves_its_region() -> None:
    """A tent of height 1/2 over a line that ends at 1: r exceeds a tenth on its way up."""
    found = way(line([-1.0, 0.5], [1.0, -1.0]))
    assert found.stable == pytest.approx(0.05)  # f goes from 1 to 1.5; r is t / 0.5


def test_ways_without_change_are_left_out() -> None:
    flat = line([2.0], [1.0])
    assert plateaus.profiles(flat, np.zeros((1, 1)), np.ones((1, 1))) == []
    assert plateaus.profiles(flat, np.ones((2, 1)), np.ones((2, 1))) == []
    with pytest.raises(Degenerate, match="no boundary"):
        plateaus.ways_of([])


def test_behind_a_norm_a_way_past_the_centre_turns_fast() -> None:
    """From (1, 1/8) to (-1, 1/8) the direction turns by nearly a half turn around t = 1/2."""
    network = tensors.block(np.array([[1.0, 0.0]]), np.zeros(1), np.eye(1), np.zeros(1), norm="rms")
    p, q = np.array([[1.0, 0.125]]), np.array([[-1.0, 0.125]])
    (found,) = plateaus.ways_of(plateaus.profiles(network, p, q))
    assert found.crossings == 1 and found.slope > 4
    t = np.linspace(0, 1, 100_001)
    x = 1 - 2 * t
    r = 1 - np.maximum(x, 0) / np.hypot(x, 0.125) * np.hypot(1, 0.125)
    assert found.stable == pytest.approx(t[np.argmax(r > 0.1)], abs=2e-3)


def arm(name: PopulationArm, boundaries: int, slope: float, density: float, seed: int) -> Arm:
    rng = np.random.default_rng(seed)
    ways = {
        k: [
            Way(
                boundaries + (k + j) % 2, 0.1, slope + rng.normal(0, 0.1), density + 0.1 * j, 40, 30
            )
            for j in range(1 + k % 3)
        ]
        for k in range(30)
    }
    slopes = {k: float(np.mean([one.slope for one in found])) for k, found in ways.items()}
    return Arm(Measured(Nets(name, (), 0), slopes, {}), ways)


@pytest.mark.parametrize(
    ("numbers", "control", "verdict"),
    [((20, 4.0, 2.0), 1.5, Verdict.SUPPORTED), ((2, 1.2, 0.5), 1.8, Verdict.REFUTED)],
)
def test_rules_can_come_out_both_ways(
    numbers: tuple[int, float, float], control: float, verdict: Verdict
) -> None:
    trained, untrained = arm("trained", *numbers, 0), arm("untrained", 5, control, 1.0, 1)
    findings = plateaus.family_findings("nets", trained, untrained, 0)
    assert [one.verdict for one in findings[:3]] == [verdict] * 3
    assert findings[-1].verdict is verdict
