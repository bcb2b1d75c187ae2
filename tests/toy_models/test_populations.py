"""Populations: three arms of one seed each are one net."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from exact.errors import InvalidInput
from toy_models.checkpoints import Provenance
from toy_models.models import ModelConfig, initialised
from toy_models.populations import ARMS, NORMS, Population, population
from toy_models.train import TrainConfig, fit, untrained
from toy_models.training_cache import TrainingCache

TINY = TrainConfig(steps=3, samples=30, model=ModelConfig((4,)), dtype="float64")
SEEDS = (5, 2)


@pytest.fixture(scope="module")
def nets() -> Population:
    return population(TINY, SEEDS, progress=False)


def test_every_arm_norm_and_seed_is_there_once_in_order(nets: Population) -> None:
    expected = [(arm, norm, seed) for arm in ARMS for norm in NORMS for seed in SEEDS]
    assert [member[:3] for member in nets] == expected
    for arm, norm, seed, result in nets:
        assert (result.config.model.norm, result.config.seed) == (norm, seed)
        assert result.steps == (3 if arm == "trained" else 0)
    assert (len(nets), repr(nets)) == (18, "<18 nets: 3 arms, 3 norms, 2 seeds>")
    assert nets.diverged == ()


@pytest.mark.parametrize("norm", NORMS)
def test_arms_are_pairs(nets: Population, norm: Any) -> None:
    for after, before, without in zip(*(nets.of(arm, norm) for arm in ARMS), strict=True):
        assert after.config == before.config == without.config
        assert torch.equal(after.training.inputs, before.training.inputs)
        initial = initialised(after.config.model, after.config.seed).double().state_dict()
        for name, weight in initial.items():
            zero = name.endswith("bias")
            assert torch.equal(after.snapshots[0].weights[name], weight)
            assert torch.equal(before.model.state_dict()[name], weight)
            assert torch.equal(
                without.model.state_dict()[name], torch.zeros_like(weight) if zero else weight
            )
        assert before.training_score == after.snapshots[0].score
        assert without.training_score != before.training_score
        assert any(name.endswith("bias") and weight.any() for name, weight in initial.items())


def test_the_trained_are_what_fit_gives(nets: Population) -> None:
    for result in nets.of("trained", "layernorm"):
        assert result.losses == pytest.approx(fit(result.config, progress=False).losses, rel=1e-9)


def test_an_untrained_result_can_be_asked_like_any() -> None:
    found = untrained(TINY)
    assert (found.steps, found.losses, found.diverged_at) == (0, (), None)
    assert found.held_out_score is not None
    assert torch.equal(found.model_at(0)(found.training.inputs), found.model(found.training.inputs))
    provenance = Provenance.of(found)
    assert (provenance.step, provenance.loss) == (0, found.training_score.loss)
    assert Provenance.of(fit(TINY, progress=False)).step == 3


def test_norm_between_is_left_out_where_there_is_no_norm() -> None:
    model = ModelConfig((4, 4), norm="rms", norm_between=True)
    found = population(
        dataclasses.replace(TINY, model=model), [0], arms=["untrained"], progress=False
    )
    between = {member.norm: member.result.config.model.norm_between for member in found}
    assert between == {"none": False, "layernorm": True, "rms": True}


def test_nothing_is_trained_but_for_the_trained_arm(tmp_path: Path) -> None:
    kept, lines = TrainingCache(tmp_path), list[str]()
    population(TINY, [0], ["rms"], arms=["zero_biases"], cache=kept, report=lines.append)
    assert (len(kept), lines) == (0, [])
    for read, trained in [(0, 2), (2, 0)]:
        found = population(TINY, SEEDS, ["rms"], cache=kept, report=lines.append, progress=False)
        assert (len(found), len(kept)) == (6, 2)
        assert lines[-1].startswith(f"2 toys: {read} read, {trained} trained and kept in ")


def test_what_is_not_in_a_population_is_named(nets: Population) -> None:
    wrong: Any = "random"
    with pytest.raises(InvalidInput, match="unknown arm; got 'random'; write one of trained, untr"):
        population(TINY, SEEDS, arms=[wrong])
    with pytest.raises(InvalidInput, match="unknown arm; got 'random'"):
        nets.of(wrong, "rms")
    with pytest.raises(InvalidInput, match="unknown norm; got 'random'; write one of none, layern"):
        nets.of("trained", wrong)
    with pytest.raises(InvalidInput, match="unknown norm; got 'random'"):
        population(TINY, SEEDS, [wrong])
