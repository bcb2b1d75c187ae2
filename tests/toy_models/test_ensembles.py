"""Ensembles, judged by `fit`, which trains the same toys one by one."""

import dataclasses
from collections.abc import Callable, Iterable
from threading import Event
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call

from exact.errors import InvalidInput
from toy_models import ensembles
from toy_models.ensembles import Stack, fit_ensemble, fit_many
from toy_models.models import ModelConfig, initialised
from toy_models.stacked_modules import stacked
from toy_models.train import Preparation, TrainConfig, TrainResult, drawn_rows, fit, is_kept

SHORT = TrainConfig(
    steps=50, samples=60, batch_size=16, snapshot_every=20, model=ModelConfig((6, 5))
)
KINDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"task": "moons"}, {}),
    ({"task": "sparse_features", "weight_decay": 0.1}, {"bias": False}),
    ({"task": "blobs", "loss": "mse", "held_out": 0.0}, {"architecture": "residual"}),
    ({"task": "direction4", "batch_size": 1000}, {"activation": "gelu", "norm_affine": False}),
]


def quietly(configs: list[TrainConfig]) -> tuple[TrainResult, ...]:
    return fit_ensemble(configs, progress=False)


def assert_close(found: TrainResult, expected: TrainResult, within: float) -> None:
    assert found.config == expected.config
    assert found.diverged_at is None
    assert found.losses == pytest.approx(expected.losses, rel=within, abs=within)
    for own, other in [
        (found.training_score, expected.training_score),
        (found.held_out_score, expected.held_out_score),
        *((a.score, b.score) for a, b in zip(found.snapshots, expected.snapshots, strict=True)),
    ]:
        assert (own is None) == (other is None)
        if own is not None and other is not None:
            assert own.loss == pytest.approx(other.loss, rel=within, abs=within)
            assert (own.accuracy is None) == (other.accuracy is None)
    for own, other in [(found.training, expected.training), (found.held_out, expected.held_out)]:
        assert torch.equal(own.inputs, other.inputs)
        assert torch.equal(own.targets, other.targets)
    pairs = [(found.model.state_dict(), expected.model.state_dict())]
    for own, other in zip(found.snapshots, expected.snapshots, strict=True):
        assert own.step == other.step
        pairs.append((dict(own.weights), dict(other.weights)))
    for own, other in pairs:
        assert own.keys() == other.keys()
        for name, weight in own.items():
            torch.testing.assert_close(weight, other[name], rtol=within, atol=within)


@pytest.mark.parametrize("norm", ["none", "layernorm", "rms"])
@pytest.mark.parametrize(("task", "shape"), KINDS, ids=str)
def test_each_toy_is_what_fit_gives(task: dict[str, Any], shape: dict[str, Any], norm: Any) -> None:
    between = norm != "none" and "architecture" not in shape
    model = ModelConfig((6, 5), norm=norm, norm_between=between, **shape)
    config = dataclasses.replace(SHORT, dtype="float64", model=model, **task)
    found = fit_many(config, range(2), progress=False)
    for seed, result in enumerate(found):
        alone = fit(dataclasses.replace(config, seed=seed), progress=False)
        assert_close(result, alone, 1e-9)
        assert result.model.training == alone.model.training


def test_float32_is_close_as_well() -> None:
    for result in fit_many(SHORT, range(2), progress=False):
        assert_close(result, fit(result.config, progress=False), 1e-4)
        assert {p.dtype for p in result.model.parameters()} == {torch.float32}


def test_configs_of_all_kinds_come_back_in_order() -> None:
    """Whatever their number of parts; equal configs are trained once."""
    base = dataclasses.replace(SHORT, dtype="float64", steps=12, snapshot_every=0)
    configs = [
        dataclasses.replace(base, seed=4),
        dataclasses.replace(base, model=ModelConfig((4,), norm="rms")),
        dataclasses.replace(base, seed=1, learning_rate=0.1),
        dataclasses.replace(base, seed=3),
        dataclasses.replace(base, seed=1, steps=7),
        dataclasses.replace(base, task="blobs", task_options={"classes": 4}),
        dataclasses.replace(base, seed=4),
    ]
    found = quietly(configs)
    for config, result in zip(configs, found, strict=True):
        assert_close(result, fit(config, progress=False), 1e-9)
    assert found[0] is found[-1]
    assert quietly([]) == ()


def test_the_same_list_gives_the_same_bits() -> None:
    state = torch.get_rng_state()
    first, again = (fit_many(SHORT, range(3), progress=False) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(first, again, strict=True):
        assert one.losses == other.losses
        for name, weight in one.model.state_dict().items():
            assert torch.equal(weight, other.model.state_dict()[name])


def test_rows_do_not_depend_on_how_many_are_drawn_at_once() -> None:
    config = dataclasses.replace(SHORT, steps=21, seed=5)
    drawn = [torch.cat([*drawn_rows(config, 48, steps)]) for steps in (1, 4, 64)]
    assert all(torch.equal(rows, drawn[0]) for rows in drawn)
    assert drawn[0].shape == (21, 16)
    generator = torch.Generator().manual_seed(5)
    one_by_one = [torch.randint(48, (16,), generator=generator) for _ in range(21)]
    assert torch.equal(drawn[0], torch.stack(one_by_one))


def test_snapshots_are_kept_as_often_as_asked() -> None:
    assert [step for step in range(1, 51) if is_kept(step, SHORT)] == [20, 40, 50]
    never = dataclasses.replace(SHORT, snapshot_every=0)
    assert [step for step in range(1, 51) if is_kept(step, never)] == [50]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, [1]), (15, [15]), (16, [8, 8]), (30, [15, 15]), (100, [50, 50]), (101, [33, 34, 34])],
)
def test_long_groups_are_cut(size: int, expected: list[int]) -> None:
    parts = [*ensembles._parts(range(size))]
    assert [len(part) for part in parts] == expected
    assert [place for part in parts for place in part] == [*range(size)]


# ---- toys that diverge


def test_a_toy_that_diverges_takes_no_other_along() -> None:
    config = dataclasses.replace(SHORT, dtype="float64", snapshot_every=10)
    stack = Stack([Preparation.of(dataclasses.replace(config, seed=seed)) for seed in range(3)])
    ticks = list[float]()

    def tick(loss: float) -> None:
        ticks.append(loss)
        if len(ticks) == 25:
            with torch.no_grad():
                stack.weights[1, 0] = torch.inf

    first, bad, last = stack.trained(tick, Event())
    for fine in (first, last):
        assert_close(fine, fit(fine.config, progress=False), 1e-9)
    alone = fit(bad.config, progress=False)
    assert (bad.diverged_at, bad.steps) == (26, 20)
    assert bad.losses == pytest.approx(alone.losses[:25], rel=1e-9)
    assert [shot.step for shot in bad.snapshots] == [0, 10, 20]
    assert bad.training_score == bad.snapshots[-1].score
    for name, weight in alone.model_at(20).state_dict().items():
        torch.testing.assert_close(bad.model.state_dict()[name], weight, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 40])
def test_a_result_says_at_which_step_it_diverged(steps: int) -> None:
    bad = dataclasses.replace(SHORT, steps=steps, learning_rate=1e30, snapshot_every=0)
    found, fine = quietly([bad, dataclasses.replace(bad, learning_rate=1e-3)])
    with pytest.raises(InvalidInput, match=f"at step {found.diverged_at} with"):
        fit(bad, progress=False)
    assert found.diverged_at == min(steps, 2)
    assert (found.steps, [shot.step for shot in found.snapshots]) == (0, [0])
    assert len(found.losses) == 1
    assert found.training_score == found.snapshots[0].score
    untouched = initialised(found.config.model, bad.seed).state_dict()
    assert all(torch.equal(w, untouched[name]) for name, w in found.model.state_dict().items())
    assert (fine.diverged_at, fine.steps) == (None, steps)


def test_a_toy_without_a_finite_score_has_no_snapshot() -> None:
    """A norm with eps = 0 has no value at constant vectors: not even the untrained net has."""
    start = Preparation.of(SHORT)
    start.data.inputs[0] = torch.nan
    (found,) = Stack([start]).trained(lambda loss: None, Event())
    assert (found.diverged_at, found.steps, found.snapshots, found.losses) == (0, 0, (), ())
    assert found.training_score.loss != found.training_score.loss


# ---- how it is run


def test_a_bad_config_is_named_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Stack, "trained", trained)
    bad = dataclasses.replace(SHORT, seed=7, task_options={"colour": 3})
    message = r"config 1 \(moons, norm none, seed 7\): unknown option of the task moons; got 'col"
    with pytest.raises(InvalidInput, match=message):
        quietly([SHORT, bad])
    wrong: Any = [SHORT, {"task": "moons"}]
    with pytest.raises(InvalidInput, match=r"config 1 is not a TrainConfig; got \{'task'"):
        quietly(wrong)
    with pytest.raises(InvalidInput, match=r"seed .* got -1"):
        fit_many(SHORT, [0, -1], progress=False)


def test_training_runs_in_one_thread_of_torch_and_ends_when_told() -> None:
    before, threads, stopped = torch.get_num_threads(), list[int](), Event()

    def tick(loss: float) -> None:
        threads.append(torch.get_num_threads())
        if len(threads) == 3:
            stopped.set()

    torch.set_num_threads(2)
    try:
        (found,) = Stack([Preparation.of(SHORT)]).trained(tick, stopped)
        assert threads == [1, 1, 1]
        assert torch.get_num_threads() == 2
        assert found.steps == 0
    finally:
        torch.set_num_threads(before)


def test_data_are_made_in_one_thread_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that wait for each other took ten times as long over a thousand sines."""
    before, threads, prepared = torch.get_num_threads(), list[int](), ensembles._prepared

    def noted(number: int, config: TrainConfig) -> Preparation:
        threads.append(torch.get_num_threads())
        return prepared(number, config)

    monkeypatch.setattr(ensembles, "_prepared", noted)
    torch.set_num_threads(2)
    try:
        quietly([dataclasses.replace(SHORT, steps=1)])
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_an_error_in_one_part_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts are told to stop; the pool waits for no more than the step each is in."""
    seen = list[Event]()

    def trained(self: Stack, tick: Callable[[float], None], stopped: Event) -> list[TrainResult]:
        seen.append(stopped)
        if self.config.steps == 3:
            raise ZeroDivisionError
        return []

    monkeypatch.setattr(Stack, "trained", trained)
    with pytest.raises(ZeroDivisionError):
        quietly([SHORT, dataclasses.replace(SHORT, steps=3)])
    assert all(event.is_set() for event in seen)


def test_modules_that_are_not_in_the_table_are_mapped() -> None:
    config = ModelConfig((6, 5), norm="layernorm", input_dim=3, output_dim=2)
    models = [initialised(config, seed).double() for seed in range(3)]
    for seed, model in enumerate(models):
        model.blocks[0].layers[1] = nn.PReLU(6, init=0.1 + seed).double()  # type: ignore[union-attr]
    inputs = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = [torch.stack([*same]) for same in zip(*(m.parameters() for m in models), strict=True)]
    found = stacked(models[0])(weights, inputs.transpose(1, 2)).transpose(1, 2)
    for k, model in enumerate(models):
        own = functional_call(model, dict(model.named_parameters()), (inputs[k],))
        torch.testing.assert_close(found[k], own, rtol=1e-12, atol=1e-12)


def test_the_bar_ticks_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import contextmanager

    ticks, bars = list[float](), list[tuple[str, int]]()

    @contextmanager
    def bar(label: str, steps: int, shown: bool) -> Iterable[Any]:  # type: ignore[misc]
        bars.append((label, steps))
        yield ticks.append

    monkeypatch.setattr(ensembles, "progress_bar", bar)
    fit_many(dataclasses.replace(SHORT, steps=5), range(16), progress=True)
    assert bars == [("16 toys", 10)]
    assert len(ticks) == 10


@pytest.mark.parametrize(
    ("seeds", "said"),
    [([], "there are no seeds; got .*; give different"), ([3, 0, 3], "got 3; give")],
)
def test_no_seeds_and_seeds_that_are_given_twice_are_refused(seeds: list[int], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        fit_many(SHORT, seeds, progress=False)
