"""Claim 0.11 on clouds whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.norms import degenerate_activations as asked
from studies.statistics import Degenerate
from tests.studies.questions.made_nets import measured
from toy_models import ModelConfig, TrainConfig, train

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def cloud(scales: list[float], count: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 5 + rng.standard_normal((count, len(scales))) * np.array(scales)


def test_participation_is_that_of_the_eigenvalues() -> None:
    rows = cloud([3, 1, 1, 0.5]) @ np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    values = np.linalg.eigvalsh(np.cov(rows.T))
    assert asked.participation(rows) == pytest.approx(values.sum() ** 2 / (values**2).sum() / 4)
    assert asked.participation(cloud([1] * 6, 20_000)) == pytest.approx(1, abs=0.01)
    line = np.outer(np.arange(9.0), [1, 2, 3])
    assert asked.participation(line) == pytest.approx(1 / 3)


def test_the_top_coordinate_is_a_share_of_the_variance_about_the_mean() -> None:
    rows = np.array([[1.0, 100, 0], [-1, 100, 0], [1, 100, 1], [-1, 100, 1]])
    assert asked.top_coordinate(rows) == pytest.approx(1 / 1.25)


def test_equal_vectors_say_so() -> None:
    with pytest.raises(Degenerate, match="all equal"):
        asked.participation(np.full((9, 3), 1e8) + 0.0)


def test_language_layers_can_come_out_either_way() -> None:
    places, rng = np.repeat(np.arange(40), 5), np.random.default_rng(0)
    for scales, verdict in (([50] + [1] * 19, SUPPORTED), ([1] * 20, REFUTED)):
        rows = cloud(scales, 200)
        assert asked.layer_finding("x", rows, places, {}, rng).verdict is verdict


def test_nets_can_come_out_either_way_and_tell_what_was_there_before() -> None:
    def arms(ratio: float, top: float) -> asked.Both:
        return {
            "trained": (measured(ratio, spread=0.01), measured(top, spread=0.02)),
            "untrained": (measured(0.5), measured(0.1)),
        }

    worse = asked.nets_findings("layernorm", arms(0.2, 0.6), arms(0.5, 0.1), 0)
    better = asked.nets_findings("layernorm", arms(0.5, 0.1), arms(0.2, 0.6), 0)
    values = [one.data["difference_float"] for one in worse]
    assert values[0] == pytest.approx(-0.3) and worse[0].data["untrained_difference_float"] == 0
    # equal noise on both sides leaves no spread: other noise is needed for an interval
    assert {one.verdict for one in (*worse, *better)} == {Verdict.UNDECIDED}
    shifted = arms(0.5, 0.1)
    for place in (0, 1):
        given = shifted["trained"][place].values
        for seed in given:
            given[seed] += 0.001 * (seed % 5)
    worse = asked.nets_findings("layernorm", arms(0.2, 0.6), shifted, 0)
    better = asked.nets_findings("layernorm", shifted, arms(0.2, 0.6), 0)
    assert [one.verdict for one in worse] == [SUPPORTED, SUPPORTED]
    assert [one.verdict for one in better] == [REFUTED, REFUTED]


def test_the_stream_ends_behind_the_last_skip() -> None:
    model = ModelConfig((5, 5), "layernorm", "residual", embed_dim=4)
    result = train.untrained(TrainConfig(task="blobs", samples=30, model=model))
    first = tensors.mlp([(np.eye(2), None)]).blocks
    blocks = [
        *first,
        *tensors.block([[1, 0]], [0], [[2], [0]], [0, 0], residual=True).blocks,
        *tensors.mlp([([[9, 9]], None)]).blocks,
    ]
    inputs = np.asarray(result.dataset.inputs.double().numpy())
    found = asked.stream(Network(tuple(blocks)), result)
    assert np.allclose(found, inputs + np.maximum(inputs[:, :1], 0) * [2, 0])
