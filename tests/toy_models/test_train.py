"""The trainer, judged by loss and accuracy; weights are compared only between two runs on this
machine.
"""

import dataclasses
import json
import math
from typing import Any

import pytest
import torch

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.errors import InvalidInput
from toy_models import tasks, train
from toy_models.datasets import Dataset
from toy_models.models import ModelConfig, initialised
from toy_models.train import TrainConfig, TrainingDiverged, TrainResult, fit, progress_bar

SHORT = TrainConfig(steps=40, samples=200, model=ModelConfig(widths=(6,)))


@pytest.fixture(scope="module")
def moons() -> TrainResult:
    return fit(TrainConfig(snapshot_every=300), progress=False)


def test_the_default_learns_moons(moons: TrainResult) -> None:
    assert moons.config.model.widths == (16, 16)
    assert moons.training_score.accuracy is not None
    assert moons.training_score.accuracy > 0.97
    assert moons.held_out_score is not None
    assert moons.held_out_score.accuracy > 0.97
    assert (len(moons.training), len(moons.held_out)) == (800, 200)


def test_the_loss_curve_has_every_step_and_falls(moons: TrainResult) -> None:
    assert len(moons.losses) == moons.config.steps == 1000
    assert sum(moons.losses[-50:]) < 0.1 * sum(moons.losses[:50])
    assert abs(moons.losses[0] - math.log(2)) < 0.3


def test_scores_are_those_of_the_model(moons: TrainResult) -> None:
    for data, score in (
        (moons.training, moons.training_score),
        (moons.held_out, moons.held_out_score),
    ):
        log_probabilities = moons.model(data.inputs.float()).log_softmax(dim=1)
        loss = -log_probabilities[torch.arange(len(data)), data.targets].mean().item()
        assert score.loss == pytest.approx(loss, rel=1e-5)
        assert score.accuracy == (log_probabilities.argmax(dim=1) == data.targets).double().mean()


def test_snapshots_go_from_the_untrained_to_the_trained(moons: TrainResult) -> None:
    assert [snapshot.step for snapshot in moons.snapshots] == [0, 300, 600, 900, 1000]
    untrained = initialised(moons.config.model, moons.config.seed).state_dict()
    for name, weight in moons.model.state_dict().items():
        assert torch.equal(moons.model_at(0).state_dict()[name], untrained[name])
        assert torch.equal(moons.model_at(1000).state_dict()[name], weight)
        assert not torch.equal(
            moons.model_at(300).state_dict()[name], moons.model_at(600).state_dict()[name]
        )
    assert moons.snapshots[0].score.loss > 10 * moons.snapshots[-1].score.loss
    with pytest.raises(
        InvalidInput, match="unknown step; got 17; write one of 0, 300, 600, 900, 1000"
    ):
        moons.model_at(17)


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("moons", {"norm": "layernorm", "architecture": "residual"}),
        ("circles", {"norm": "rms"}),
        ("direction3", {"norm": "layernorm"}),
        ("direction4", {"norm": "layernorm", "norm_between": True}),
        ("blobs", {"norm": "layernorm", "activation": "gelu"}),
    ],
)
def test_other_toys_learn_their_tasks(task: str, settings: dict[str, Any]) -> None:
    result = fit(TrainConfig(task=task, steps=500, model=ModelConfig(**settings)), progress=False)
    assert result.held_out_score is not None
    assert result.held_out_score.accuracy > 0.95


def test_a_regression_beats_the_best_constant() -> None:
    result = fit(TrainConfig(task="sparse_features", steps=500), progress=False)
    constant = (result.training.targets - result.training.targets.mean(dim=0)).pow(2).mean().item()
    assert result.training_score.accuracy is None
    assert result.training_score.loss < 0.3 * constant


def test_squared_errors_on_classes_are_those_of_one_hot_targets() -> None:
    result = fit(dataclasses.replace(SHORT, loss="mse"), progress=False)
    outputs, labels = result.model(result.training.inputs.float()), result.training.targets
    one_hot = (labels[:, None] == torch.arange(2)).float()
    assert result.training_score.loss == pytest.approx(
        (outputs - one_hot).pow(2).mean().item(), rel=1e-5
    )
    assert result.training_score.accuracy > 0.7


def test_the_same_config_gives_the_same_weights_whatever_the_global_state() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = fit(SHORT, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    again = fit(SHORT, progress=True)
    other = fit(dataclasses.replace(SHORT, seed=1), progress=False)
    assert first.losses == again.losses != other.losses
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name])


def test_the_dtype_is_that_of_the_config() -> None:
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        result = fit(dataclasses.replace(SHORT, dtype=name), progress=False)
        assert {p.dtype for p in result.model.parameters()} == {dtype}
        assert {p.dtype for p in result.model_at(0).parameters()} == {dtype}


def test_weight_decay_shrinks_the_weights() -> None:
    def norm(decay: float) -> float:
        model = fit(dataclasses.replace(SHORT, weight_decay=decay), progress=False).model
        return sum(p.pow(2).sum().item() for p in model.parameters())

    assert norm(3.0) < 0.8 * norm(0.0)


def test_a_batch_larger_than_the_data_is_the_data() -> None:
    result = fit(dataclasses.replace(SHORT, batch_size=10**9), progress=False)
    assert len(result.losses) == SHORT.steps


def test_nothing_held_out_has_no_score() -> None:
    result = fit(dataclasses.replace(SHORT, held_out=0.0), progress=False)
    assert result.held_out_score is None
    assert len(result.training) == 200


def test_a_diverging_run_ends_with_one_message() -> None:
    config = dataclasses.replace(SHORT, learning_rate=1e30, model=ModelConfig(widths=(6, 6)))
    with pytest.raises(
        InvalidInput,
        match=r"its loss is not finite; got loss = (nan|inf) at step 2 with learning_rate",
    ):
        fit(config, progress=False)


def test_inputs_that_are_too_large_are_named_and_not_the_learning_rate() -> None:
    rows = Dataset.of([[1e30, 0.0], [0.0, 1e30], [1e30, 1e30]], [[1.0], [2.0], [3.0]])
    with pytest.raises(TrainingDiverged, match=r"before the first step; .*scale the") as said:
        fit(SHORT, dataset=rows, progress=False)
    assert "learning_rate" not in str(said.value)


def test_the_last_step_may_not_diverge_unseen() -> None:
    with pytest.raises(
        InvalidInput, match=r"its loss is not finite; got loss = (nan|inf) at step 1 "
    ):
        fit(
            dataclasses.replace(
                SHORT, steps=1, learning_rate=1e30, model=ModelConfig(widths=(6, 6))
            ),
            progress=False,
        )


def test_training_leaves_the_number_of_threads_as_it_was() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError), one_thread():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_training_runs_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def finite(loss: float, *context: object) -> float:
        threads.append(torch.get_num_threads())
        return loss

    monkeypatch.setattr(train, "finite", finite)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    fit(dataclasses.replace(SHORT, steps=2), progress=False)
    assert set(threads) == {1}
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_the_bar_shows_the_loss_on_standard_error_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    for shown in (False, True):
        with progress_bar("toy", 3, shown) as report:
            report(0.12345)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert ("toy, loss 0.1235" in printed.err) == shown


def test_a_config_survives_json() -> None:
    changed = TrainConfig(
        task="blobs",
        model=ModelConfig(widths=(3,), norm="rms"),
        task_options={"spread": 0.5},
        samples=77,
        held_out=0.5,
        loss="mse",
        steps=9,
        batch_size=5,
        learning_rate=0.5,
        weight_decay=0.25,
        seed=11,
        device="cuda",
        dtype="float64",
        snapshot_every=4,
    )
    default = TrainConfig()
    assert not [
        f.name
        for f in dataclasses.fields(default)
        if getattr(default, f.name) == getattr(changed, f.name)
    ]
    for config in (default, changed):
        assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert torch.equal(
        changed.dataset().inputs, TrainConfig.from_json(changed.to_json()).dataset().inputs
    )


# ---- data of one's own


def sorted_rows() -> Dataset:
    """Two clouds, class by class: a prefix of the rows is no fair sample."""
    rows = torch.cat([torch.full((60, 2), -1.0), torch.full((60, 2), 1.0)])
    jitter = 0.1 * torch.randn(120, 2, generator=torch.Generator().manual_seed(0))
    return Dataset.of(rows + jitter, [0] * 60 + [1] * 60, name="clouds")


def test_a_data_set_of_ones_own_is_learned() -> None:
    data = sorted_rows()
    result = fit(dataclasses.replace(SHORT, samples=7), dataset=data, progress=False)
    assert (result.config.task, result.config.samples, result.config.task_options) == (
        None,
        120,
        {},
    )
    assert (result.config.model.input_dim, result.config.model.output_dim) == (2, 2)
    assert (len(result.training), len(result.held_out)) == (96, 24)
    assert result.training.name == "clouds"
    assert result.held_out_score is not None and result.held_out_score.accuracy == 1
    assert 4 < int(result.held_out.targets.sum()) < 20, "rows are mixed before they are cut"
    whole = result.dataset
    assert torch.equal(whole.inputs, data.shuffled(SHORT.seed).inputs)
    assert torch.equal(whole.targets, data.shuffled(SHORT.seed).targets)
    again = fit(SHORT, dataset=data, progress=False)
    other = fit(dataclasses.replace(SHORT, seed=1), dataset=data, progress=False)
    assert again.losses == result.losses != other.losses
    assert not torch.equal(other.training.inputs, result.training.inputs)


def test_a_regression_of_ones_own_is_learned() -> None:
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
    result = fit(
        dataclasses.replace(SHORT, steps=300), dataset=Dataset.of(x, x.abs()), progress=False
    )
    assert result.training_score.accuracy is None and result.training_score.loss < 0.01


def test_a_config_without_a_task_needs_data() -> None:
    config = dataclasses.replace(SHORT, task=None)
    assert TrainConfig.from_json(config.to_json()) == config
    with pytest.raises(InvalidInput, match=r"the config names no task; got None; write task="):
        fit(config, progress=False)
    assert fit(config, dataset=sorted_rows(), progress=False).config.task is None


def test_data_that_cannot_be_trained_on_are_named() -> None:
    data = sorted_rows()
    faults: list[tuple[Any, TrainConfig, str]] = [
        ((data.inputs, data.targets), SHORT, "the data set is not a Dataset; got tuple"),
        (data._rows(slice(0, 1)), SHORT, "the data set has one row; got clouds"),
        (
            dataclasses.replace(data, inputs=data.inputs / 0),
            SHORT,
            r"not finite; got inputs\[0, 0\] = -inf",
        ),
        (
            data,
            dataclasses.replace(SHORT, model=ModelConfig(input_dim=3)),
            "input_dim does not fit the task clouds; got 3; write input_dim=2",
        ),
    ]
    for rows, config, message in faults:
        with pytest.raises(InvalidInput, match=message):
            fit(config, dataset=rows, progress=False)


def test_a_task_of_ones_own_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(tasks._KNOWN)
    monkeypatch.setattr(tasks, "_KNOWN", known)
    monkeypatch.setattr(tasks, "TASKS", known)
    tasks.register("near", lambda count, seed=0, gap=0.5: tasks.xor(count, gap=gap, seed=seed))
    config = dataclasses.replace(SHORT, task="near", task_options={"gap": 0.25})
    result = fit(config, progress=False)
    assert result.config.task == result.training.name == "near"
    assert result.dataset.inputs.abs().min() >= 0.25
    assert TrainConfig.from_json(config.to_json()) == config


BAD = [
    ({"task": "cats"}, "unknown task; got 'cats'"),
    ({"loss": "hinge"}, "unknown loss; got 'hinge'"),
    ({"dtype": "float16"}, "unknown dtype; got 'float16'; write one of float32, float64"),
    ({"steps": 0}, "steps .* got 0"),
    ({"samples": 1}, "samples .* got 1"),
    ({"batch_size": 0}, "batch_size .* got 0"),
    ({"snapshot_every": -1}, "snapshot_every .* got -1"),
    ({"seed": -3}, "seed .* got -3"),
    ({"learning_rate": 0}, "learning_rate .* got 0"),
    ({"learning_rate": math.inf}, "learning_rate .* got inf"),
    ({"weight_decay": -1}, "weight_decay .* got -1"),
    ({"held_out": 1}, "held_out .* got 1"),
    ({"model": {"widths": [4]}}, "model is not a ModelConfig"),
    ({"task_options": 3}, "task_options does not map names to values; got 3"),
    ({"task_options": {"colour": 3}}, "unknown option of the task moons; got 'colour'"),
    ({"device": "tpu"}, "unknown or absent device; got 'tpu'; write one of cpu"),
    ({"device": "cuda:99"}, "unknown or absent device; got 'cuda:99'"),
    (
        {"task": "sparse_features", "loss": "cross_entropy"},
        "cross-entropy needs classes; got the regression",
    ),
    (
        {"model": ModelConfig(output_dim=3)},
        "output_dim does not fit the task moons; got 3; write output_dim=2",
    ),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_a_bad_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        fit(TrainConfig(**settings), progress=False)


@pytest.mark.parametrize("values", [{"step": 4}, {"model": {"width": 4}}, {"model": None}, 7])
def test_a_bad_json_is_named(values: Any) -> None:
    with pytest.raises(InvalidInput, match="config"):
        TrainConfig.from_json(values)


@pytest.mark.gpu
def test_moons_are_learned_on_the_device() -> None:
    result = fit(TrainConfig(device="cuda", steps=300), progress=False)
    assert {parameter.device.type for parameter in result.model.parameters()} == {"cuda"}
    assert {weight.device.type for weight in result.snapshots[-1].weights.values()} == {"cpu"}
    assert result.held_out_score is not None
    assert result.held_out_score.accuracy > 0.97
