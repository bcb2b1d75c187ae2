"""Every statistic that the questions on features name is measured of a net."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exact.sources import torch_modules
from studies.questions.features import (
    clusters,
    codes_and_magnitude,
    cosine_and_hamming,
    nmf_directions,
    polysemantic_neurons,
    projections,
)
from studies.questions.shared.several import Several
from toy_models import ModelConfig, TrainConfig, untrained

CONFIG = TrainConfig(
    task="blobs",
    task_options={"dimension": 3, "classes": 3},
    model=ModelConfig((10, 8), embed_dim=0),
    samples=300,
    held_out=1 / 3,
)
OF_CLUSTERS = tuple(
    f"{sight}: {name}" for sight in clusters.SIGHTS for name in ("pure", *clusters.BESIDE)
)


@pytest.mark.parametrize(
    ("statistics", "names"),
    [
        (clusters.statistics, (*OF_CLUSTERS, clusters.RANDOM)),
        (nmf_directions.statistics, nmf_directions.NAMES),
        (polysemantic_neurons.statistics, polysemantic_neurons.NAMES),
        (projections.statistics, projections.NAMES),
        (codes_and_magnitude.statistics, codes_and_magnitude.NAMES),
        (cosine_and_hamming.statistics, cosine_and_hamming.NAMES),
    ],
    ids=lambda one: getattr(one, "__module__", "").rpartition(".")[2],
)
def test_all_that_is_named_is_measured(statistics: Several, names: tuple[str, ...]) -> None:
    result = untrained(CONFIG)
    found = statistics(torch_modules.read(result.model), result, np.random.default_rng(0))
    assert set(names) == set(found)
    again = statistics(torch_modules.read(result.model), result, np.random.default_rng(0))
    assert found == again


def test_clusters_of_a_plane_are_held_against_its_cells() -> None:
    config = replace(CONFIG, task_options={"dimension": 2, "classes": 3})
    result = untrained(config)
    network = torch_modules.read(result.model)
    found = clusters.statistics(network, result, np.random.default_rng(0), shuffles=2)
    assert {f"{sight}: connected" for sight in clusters.SIGHTS} <= set(found)
    without = clusters.statistics(network, result, np.random.default_rng(0), shuffles=0)
    assert set(without) == {f"{sight}: pure" for sight in clusters.SIGHTS}
    assert all(found[name] == without[name] for name in without)


def test_clusters_of_no_one_class() -> None:
    """Three codes of 50 items each: two of one class, the last of four."""
    places = np.arange(150)
    distances = 3.0 * (places[:, None] // 50 != places // 50)
    distances += 0.01 * np.abs(np.subtract.outer(places, places))
    labels = np.where(places < 100, places // 50, places % 4)
    assert polysemantic_neurons.of_clusters(distances, labels) == pytest.approx(1 / 3)
