"""Hamming distance against cosine: on vectors whose angles and codes are known, against the null of
random circles, and verdicts on families that were made for them.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.features import cosine_and_hamming
from studies.questions.features.cosine_and_hamming import MORE, NAMES, Distances, rows_findings
from studies.questions.shared.subject_rows import Rows
from studies.statistics import SEQUENCES, Degenerate
from tests.studies.questions.families import family

RNG = np.random.default_rng


def fan(count: int) -> list[list[float]]:
    """Weights whose borders in the plane stand at equal angles."""
    turns = np.arange(count) * math.pi / count + 0.01
    return np.stack([-np.sin(turns), np.cos(turns)], axis=1).tolist()  # type: ignore[no-any-return]


def bare(count: int = 36):  # type: ignore[no-untyped-def]
    return tensors.mlp([(fan(count), [0] * count), ([[1] * count], [0])])


def circle(count: int, seed: int = 0) -> np.ndarray:
    turns = RNG(seed).uniform(0, 2 * math.pi, count)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def test_hamming_is_the_angle_where_borders_stand_at_equal_angles() -> None:
    points = circle(40)
    found = Distances.of(bare(), points)
    angles = np.arccos(np.clip(points @ points.T, -1, 1))
    assert np.abs(found.hamming - 36 * angles / math.pi).max() <= 1  # a border each five degrees
    assert found.correlation() < -0.98 and found.against_angles is None
    few = found.correlation(np.arange(40) < 3)
    assert -1 <= few <= 1


def test_nearest_pairs_share_the_last_place() -> None:
    """Ten rows, 45 pairs: the nearest 5% are 2.25; two at distance 0, and a quarter of three."""
    apart, cosine = np.full((10, 10), 9.0), np.zeros((10, 10))
    for k, (i, j, c) in enumerate(
        [(0, 1, 1.0), (2, 3, 0.5), (4, 5, 0.9), (6, 7, 0.6), (8, 9, 0.3)]
    ):
        apart[i, j] = apart[j, i] = 0 if k < 2 else 1
        cosine[i, j] = cosine[j, i] = c
    found = Distances(apart, cosine, None)
    assert found.cosine_of_nearest() == pytest.approx((1 + 0.5 + 0.25 * 0.6) / 2.25)


def test_behind_a_norm_random_vectors_have_the_hamming_distance_of_their_angles() -> None:
    """RMSNorm without offsets: every border is a great circle, and nothing flips twice."""
    weights = RNG(1).standard_normal((60, 5))
    network = tensors.block(weights, np.zeros(60), np.ones((5, 60)), np.zeros(5), "rms")
    found = Distances.of(network, RNG(2).standard_normal((150, 5)))
    assert found.against_angles == pytest.approx(1, abs=0.05)
    shifted = tensors.block(weights, np.full(60, 1.5), np.ones((5, 60)), np.zeros(5), "rms")
    less = Distances.of(shifted, RNG(2).standard_normal((150, 5))).against_angles
    assert less is not None and less < 0.97  # neurons flip there and back


def test_rows_without_a_direction_and_dead_layers() -> None:
    with pytest.raises(Degenerate, match="without a direction"):
        Distances.of(bare(), np.zeros((30, 2)))
    dead = tensors.mlp([([[0, 0]], [1]), ([[1]], [0])])
    with pytest.raises(Degenerate, match="one code"):
        Distances.of(dead, circle(30))


@pytest.mark.parametrize(
    ("correlation", "cosine", "verdict"),
    [(-0.8, 0.98, Verdict.SUPPORTED), (-0.2, 0.5, Verdict.REFUTED)],
)
def test_verdicts_on_nets(correlation: float, cosine: float, verdict: Verdict) -> None:
    after = family(NAMES, {"correlation": correlation, "cosine": cosine, MORE: 0.5})
    before = family(NAMES, {}, arm="untrained")
    found = cosine_and_hamming.nets_findings("nets", after, before, 0)
    assert [one.verdict for one in found] == 2 * [verdict]


def test_vectors_that_all_point_one_way_do_not_support() -> None:
    """Every cosine is high, near or far by code: the code tells nothing of it."""
    names = {"correlation": -0.8, "cosine": 0.98, MORE: 0.0}
    after, before = family(NAMES, names), family(NAMES, {}, arm="untrained")
    nearest = cosine_and_hamming.nets_findings("nets", after, before, 0)[1]
    assert nearest.verdict is Verdict.UNDECIDED and nearest.why.startswith("(2)")


def test_verdicts_on_sequences() -> None:
    """Borders at all angles, and borders that see one small coordinate only."""
    points = circle(120) * RNG(3).uniform(0.5, 3, (120, 1))
    offsets = np.linspace(-1, 1, 30)
    mixed = np.concatenate([points[:, :1] * 0 + RNG(4).uniform(-1, 1, (120, 1)), points], axis=1)
    lost = tensors.mlp([([[1, 0, 0]] * 30, offsets), ([[1] * 30], [0])])
    for network, vectors, verdict in (
        (bare(), points, Verdict.SUPPORTED),
        (lost, mixed * np.array([0.05, 1, 1]), Verdict.REFUTED),
    ):
        rows = Rows("made", network, vectors, np.arange(120) // 3, SEQUENCES)
        found = rows_findings(rows, Distances.of(network, vectors), 0)
        assert [one.verdict for one in found] == 2 * [verdict], [one.value for one in found]
        assert "40 sequences" in found[0].value
