"""Neurons between features: on hand-made networks whose signs are known, and verdicts on families
that were made for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.features import superposed_features
from studies.questions.features.superposed_features import NAMES, SILENCED, of_frame
from studies.statistics import Degenerate
from tests.studies.questions.families import family

RNG = np.random.default_rng
ANGLES = [0, 60, 150]  # of three features in a plane, in degrees


def plane(angles: Sequence[float]) -> np.ndarray:
    turns = np.deg2rad(angles)
    return np.stack([np.cos(turns), np.sin(turns)])


def test_separating_neurons_are_counted_by_their_signs() -> None:
    """Neurons whose borders stand at 30 and 40 degrees, and one that is on everywhere."""
    rows = [[-math.sin(math.radians(a)), math.cos(math.radians(a))] for a in (30, 40)]
    network = tensors.mlp([([*rows, [0, 0]], [0, 0, 1]), ([[1, 1, 1]] * 3, [0, 0, 0])])
    found = superposed_features.separating(network, plane(ANGLES))
    assert found.tolist() == [[0, 2, 2], [2, 0, 0], [2, 0, 0]]


def test_a_border_between_features_is_more_than_rotated_ones_find(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two features at 60 degrees; twelve borders between them, or none."""
    monkeypatch.setattr(superposed_features, "ROTATIONS", 500)
    for between, angles in ((True, (30.0,) * 12), (False, (90.0,) * 12)):
        rows = [[-math.sin(math.radians(a)), math.cos(math.radians(a))] for a in angles]
        network = tensors.mlp([(rows, [0] * 12), (np.ones((2, 12)).tolist(), [0, 0])])
        found = of_frame(network, plane([0, 60]), RNG(0))
        assert found["separating"] == (12 if between else 0)
        excess = float(found["excess"])
        # a border of a random angle stands between them by 60 / 180
        assert excess == pytest.approx(8 if between else -4, abs=1)
        assert found["contrast"] == "no pair is orthogonal"
    with pytest.raises(Degenerate, match="no features overlap"):
        of_frame(network, plane([0, 100]), RNG(0))


def test_orthogonal_pairs_are_the_contrast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features at 0, 60, 150 degrees: the first two overlap, the last two are orthogonal; ten
    borders stand between the first two, one of another layer between the last two does not count.
    """
    monkeypatch.setattr(superposed_features, "ROTATIONS", 500)
    row = [-math.sin(math.radians(30)), math.cos(math.radians(30))]
    second = [[0.2] * 10] * 3, [-0.6, -0.6, -0.6]
    network = tensors.mlp([([row] * 10, [0] * 10), second, (np.eye(3).tolist(), [0, 0, 0])])
    found = of_frame(network, plane([0, 60, 150]), RNG(0))
    # 10 of 10 against 60 / 180 by chance, and 0 of 10 against 90 / 180
    assert found["contrast"] == pytest.approx(10 * (1 - 1 / 3) - 10 * (0 - 1 / 2), abs=1.2)


def test_interference_is_measured_against_a_linear_read_out() -> None:
    frame = plane([0, 60])
    # x -> relu(x) - relu(-x) = x, then the linear read-out: interference 1
    both = np.concatenate([np.eye(2), -np.eye(2)])
    out = np.concatenate([frame.T, -frame.T], axis=1)
    linear = tensors.mlp([(both, np.zeros(4)), (out, np.zeros(2))])
    assert superposed_features.interference(linear, frame) == pytest.approx(1)
    half = tensors.mlp([(both, np.zeros(4)), (out / 2, np.zeros(2))])
    assert superposed_features.interference(half, frame) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("excess", "contrast", "left", "verdict"),
    [
        (0.5, 0.5, 0.2, Verdict.SUPPORTED),
        (-0.5, -0.5, 0.8, Verdict.REFUTED),
        (0.0, 0.0, 0.5, Verdict.UNDECIDED),
    ],
)
def test_verdicts(excess: float, contrast: float, left: float, verdict: Verdict) -> None:
    means = {"excess": excess, "contrast": contrast, "interference": left}
    before = family(NAMES, {}, arm="untrained")
    found = superposed_features.task_findings("features", family(NAMES, means), before, 0)
    assert [one.verdict for one in found] == 3 * [verdict]
    assert found[2].statement == SILENCED.statement
