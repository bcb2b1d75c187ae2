"""How well a toy learned is told from its trainer's scores, and what did not learn says so."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from exact import Network
from exact.sources import tensors
from studies.statistics import Degenerate
from studies.training import Fit, Training, families
from toy_models import Dataset, ModelConfig, TrainConfig, fit
from toy_models.train import Score, TrainingDiverged


def classified(training: float, held_out: float | None = None, seed: int = 0) -> Training:
    other = None if held_out is None else Fit(0.2, held_out, None)
    return Training("moons", seed, Fit(0.1, training, None), other)


def rows(kind: str, targets: object) -> Dataset:
    values = torch.as_tensor(np.asarray(targets))
    width = values.shape[1] if values.ndim == 2 else 2
    return Dataset(torch.zeros(len(values), 1).double(), values, kind, 1, width, "rows")  # type: ignore[arg-type]


def test_r_squared_is_one_minus_the_loss_over_the_variance() -> None:
    targets = [[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]  # variances 8/3 and 0, mean 4/3
    found = Fit.of(Score(1 / 3, None), rows("regression", targets))
    assert found.r_squared == pytest.approx(0.75) and found.accuracy is None
    assert found.text == "loss 0.333, R² 0.750"
    constant = Fit.of(Score(1.0, None), rows("regression", [[1.0], [1.0]]))
    assert constant.r_squared is None and constant.text == "loss 1"
    assert Fit.of(Score(0.5, 0.875), rows("classification", [0, 1])).text == "87.5%"


@pytest.mark.parametrize(
    ("net", "lacks"),
    [
        (classified(0.95, 0.9), ""),
        (classified(0.95), ""),
        (classified(0.95, 0.89), "did not learn: held-out accuracy 89.0%"),
        (classified(0.5, 0.95), "did not learn: training accuracy 50.0%"),
        (Training("sine", 0, Fit(9.0, None, -3.0)), ""),  # told by its loss and R^2
        (Training("moons", 0, failure="the loss is not finite"), "the loss is not finite"),
    ],
)
def test_below_ninety_per_cent_a_toy_did_not_learn(net: Training, lacks: str) -> None:
    assert net.lacks == lacks == net.values()["lacks"]
    if lacks:
        with pytest.raises(Degenerate, match=r"did not learn; got .* with seed 0"):
            net.require()
    else:
        net.require()


def test_a_result_of_the_trainer_is_told() -> None:
    model = ModelConfig(widths=(4,), norm="layernorm", embed_dim=3)
    result = fit(TrainConfig(task="moons", model=model, steps=3, seed=5), progress=False)
    found = Training.of("moons (4), LayerNorm", result)
    assert (found.name, found.seed) == ("moons (4), LayerNorm", 5)
    counts = np.bincount(result.training.targets.numpy())
    told = (counts.max() / counts.sum(), counts.min())
    loss, accuracy = result.training_score.loss, result.training_score.accuracy
    assert found.training == Fit(loss, accuracy, None, *told)
    assert result.held_out_score is not None and found.held_out is not None
    assert found.held_out.accuracy == result.held_out_score.accuracy
    alone = fit(TrainConfig(task="moons", model=model, steps=1, held_out=0.0), progress=False)
    assert Training.of("", alone).held_out is None


def test_a_training_that_diverges_is_a_failure_of_its_own() -> None:
    with pytest.raises(TrainingDiverged, match="its loss is not finite"):
        fit(TrainConfig(learning_rate=1e30, steps=20), progress=False)


def test_families_list_their_seeds_and_the_range_of_their_fits() -> None:
    nets = [classified(0.99, 0.9 + seed / 100, seed) for seed in (4, 2, 1, 0, 7)]
    (moons, sine) = families([*nets, Training("sine", 3, Fit(0.25, None, 0.5))])
    assert (moons.name, moons.seeds) == ("moons", "0–2, 4, 7")
    assert moons.told("training") == "99.0%" and moons.told("held_out") == "90.0% to 97.0%"
    assert moons.lacking == () and [net.seed for net in moons.nets] == [0, 1, 2, 4, 7]
    assert moons.details.splitlines()[1] == "seed 1: 99.0% training, 91.0% held out"
    assert sine.told("training") == "loss 0.25, R² 0.500" and sine.told("held_out") == "—"
    (bad,) = families([classified(0.95, 0.5), Training("moons", 1, failure="it diverged")])
    assert [net.seed for net in bad.lacking] == [0, 1]
    assert bad.details.splitlines()[1] == "seed 1: it diverged"


def network(*outputs: list[list[float]]) -> Network:
    return tensors.mlp([(np.asarray(weight), None) for weight in outputs])


@pytest.mark.parametrize(
    ("net", "targets", "accuracy"),
    [
        (network([[1.0], [-1.0]], [[0.0, 1.0], [1.0, 0.0]]), [0, 1, 1, 1], 0.75),
        (network([[1.0], [-1.0]], [[1.0, -1.0]]), [0, 1, 1, 1], 0.75),  # one logit
        (network([[1.0], [-1.0]], [[1.0, 0], [0, 1], [1, 1]]), [0, 1, 1, 1], None),
    ],
)
def test_the_accuracy_of_a_network_of_ones_own_is_that_on_its_rows(
    net: Network, targets: list[int], accuracy: float | None
) -> None:
    data = Dataset.of([[-2.0], [-1.0], [1.0], [2.0]], targets)
    found = Fit.on(net, data)
    assert (None if found is None else found.accuracy) == accuracy
    if found is not None:
        told = Training("mine", None, rows=found)
        assert told.lacks == "did not learn: accuracy 75.0%"
        with pytest.raises(Degenerate, match=r"did not learn; got accuracy 75.0%; train it"):
            told.require()
        [family] = families([told])
        assert (family.seeds, family.told("rows"), family.told("training")) == ("—", "75.0%", "—")
        assert told.values()["rows"]["accuracy_float"] == accuracy  # type: ignore[index,call-overload]


def test_a_regression_of_ones_own_has_a_loss() -> None:
    data = Dataset.of([[0.0], [1.0]], [[0.0], [3.0]])
    found = Fit.on(network([[1.0]], [[1.0]]), data)
    assert found is not None and (found.loss, found.accuracy) == (2.0, None)
    assert not Training("mine", None, rows=found).lacks
    assert Fit.on(network([[1.0]], [[1.0], [1.0]]), data) is None


# ---- what does not learn though its accuracy is high, and what is not finite


def labelled(targets: list[int], guesses: list[int]) -> Training:
    """A net of one's own on rows of these classes that names these."""
    data = Dataset.of([[float(guess)] for guess in guesses], targets)
    found = Fit.on(network([[1.0], [-1.0]], [[0.0, 1.0], [1.0, 0.0]]), data)
    assert found is not None
    return Training("mine", None, rows=found)


def test_to_name_the_largest_class_always_is_not_to_learn() -> None:
    constant = labelled([1] * 57 + [0] * 3, [1] * 60)
    assert constant.lacks == "did not learn: accuracy 95.0%, and 95.0% are of one class"
    with pytest.raises(Degenerate, match=r"^the network did not learn; .* largest class$"):
        constant.require()
    assert labelled([1] * 57 + [0] * 3, [1] * 57 + [-1] * 2 + [1]).lacks == ""
    assert "accuracy 50.0%" in labelled([1, 1, 0, 0], [1, 1, 1, 1]).lacks
    held_out = Training("a", 0, Fit(0.1, 0.95, None, 0.5), Fit(0.1, 0.95, None, 0.96))
    assert held_out.lacks.startswith("did not learn: held-out accuracy 95.0%, and 96.0%")
    with pytest.raises(Degenerate, match=r"^the toy did not learn"):
        held_out.require()


def test_a_class_of_one_member_says_nothing() -> None:
    alone = labelled([1] * 59 + [0], [1] * 59 + [-1])
    assert alone.rows is not None and alone.rows.accuracy == 1
    assert alone.lacks == "did not learn: a class has one member"
    assert labelled([1] * 58 + [0] * 2, [1] * 58 + [-1] * 2).lacks == ""


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_loss_that_is_not_finite_is_null_and_said() -> None:
    huge = network([[1e300], [-1e300]], [[0.0, 1e300], [1e300, 0.0]])
    for data in (
        Dataset.of([[1.0], [-1.0], [2.0], [-2.0]], [1, 0, 1, 0]),
        Dataset.of([[1.0], [2.0]], [[0.0, 0.0], [1.0, 1.0]]),
    ):
        found = Fit.on(huge, data)
        assert found is not None
        told = Training("mine", None, rows=found)
        assert told.lacks == "did not learn: loss is not finite"
        values = told.values()
        assert values["rows"]["loss_float"] is None  # type: ignore[index,call-overload]
        json.dumps(values, allow_nan=False)
