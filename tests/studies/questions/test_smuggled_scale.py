"""Claim 1.22 on streams that smuggle their scale, and on streams that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exact import Block, Layer, LayerNorm, Network
from exact.arithmetic.numbers import FloatArray
from studies.finding import Verdict
from studies.questions.norms import smuggled_scale as asked
from studies.questions.shared.nets import Nets
from studies.statistics import Degenerate
from toy_models import TrainConfig, train

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED
PLACES = np.repeat(np.arange(60), 5)


def stream(constant: float, seed: int = 0) -> FloatArray:
    """Random directions of random length in seven dimensions, beside a constant part in the
    eighth.
    """
    rng = np.random.default_rng(seed)
    units = rng.standard_normal((len(PLACES), 8)) * (np.arange(8) > 0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    vectors = units * np.exp(rng.uniform(-1, 1, (len(PLACES), 1)))
    return vectors + constant * np.eye(8)[0]


def test_a_constant_direction_lets_the_length_be_read() -> None:
    found = asked.read_finding("x", stream(3), PLACES, (stream(0), PLACES), 0)
    assert found.verdict is SUPPORTED
    # with the constant part away, directions are random again
    assert found.data["without_largest_direction_float"] < 0.3
    assert found.data["untrained_float"] < 0.2
    assert asked.read_finding("x", stream(0), PLACES, None, 0).verdict is REFUTED


def test_the_largest_direction_is_found_and_taken_off() -> None:
    vectors = stream(3)
    direction = asked.largest_direction(vectors)
    assert abs(direction[0]) > 0.99
    assert np.abs(asked.without(vectors, direction) @ direction).max() < 1e-12
    assert asked.large_finding("x", vectors, PLACES, None, 0).verdict is SUPPORTED
    assert asked.large_finding("x", stream(0), PLACES, None, 0).verdict is REFUTED


def test_what_is_read_was_fitted_on_other_sequences() -> None:
    """Pure noise cannot be read, though as many weights as rows could fit it."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((100, 90)) * np.exp(rng.standard_normal((100, 1)))
    found = asked.Reading.of(vectors, np.arange(100) // 2, rng)
    assert found.explained.mean() < 0.2


@pytest.mark.parametrize("vectors", [np.zeros((300, 8)), np.tile(np.eye(8)[:1], (300, 1))])
def test_lengths_that_say_nothing_are_named(vectors: FloatArray) -> None:
    with pytest.raises(Degenerate, match="cannot be read"):
        asked.Reading.of(vectors, PLACES, np.random.default_rng(0))


def test_the_constant_share_is_that_of_a_sample() -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((4, 3)), rng.standard_normal(4)
    norm = LayerNorm.of(dim=4)
    network = Network((Block((Layer.of(weight, bias),)), Block((Layer.of(np.ones((1, 4))),), norm)))
    points = rng.uniform(-1, 1, (200_000, 3))
    points = points[np.linalg.norm(points, axis=1) < 1]
    moving = norm.project_float(points @ weight.T)
    constant = float((norm.project_float(bias[None]) ** 2).sum())
    told = constant / (constant + (moving**2).sum(axis=1).mean())
    assert asked.constant_share(network) == pytest.approx(told, rel=0.01)


def test_shells_can_come_out_either_way() -> None:
    one = train.untrained(TrainConfig(task="shells", samples=50))
    results = [replace(one, config=replace(one.config, seed=k)) for k in range(30)]
    learned = Nets("trained", tuple(results), 2)
    assert asked.shells_finding(learned, False).verdict is SUPPORTED
    none = Nets("trained", (), 30)
    found = asked.shells_finding(none, True)
    assert found.verdict is REFUTED and "constant_share_float" not in found.data
