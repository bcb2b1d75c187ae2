"""Claim 0.5: a fold against the model that the weights come from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from exact import Network, RationalMatrix
from exact.sources import torch_modules
from studies.finding import Finding, Verdict
from studies.questions.cells import folded_gain_and_bias
from studies.questions.cells.folded_gain_and_bias import finding_of, folded_in_place
from studies.subjects import Toy
from tests.studies.test_questions import block, layer_of, subjects_of
from toy_models import ModelConfig, language, make
from toy_models.models import NormName, ToyModel, initialised

SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED


def model_of(norm: NormName, embed: int = 0) -> ToyModel:
    """A toy whose norm has gain and bias."""
    data = make("direction3", count=40)
    config = ModelConfig(widths=(6,), norm=norm, embed_dim=embed).fitted_to(data)
    model = initialised(config, 3)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "norm" in name:
                values.add_(torch.randn(values.shape, generator=torch.Generator().manual_seed(1)))
    return model


def changed(network: Network, layer: int, by: object) -> Network:
    """The network with one bias changed."""
    first, *rest = network.blocks
    layers = list(first.layers)
    column = [row[0] for row in layers[layer].bias.tolist()]
    column[0] += Fraction(by)  # type: ignore[arg-type]
    layers[layer] = replace(layers[layer], bias=RationalMatrix.from_rationals(column))
    return Network((replace(first, layers=tuple(layers)), *rest))


def judged(model: nn.Module, by: object = 0, layer: int = 0) -> Finding:
    network = torch_modules.read(model)
    rows = np.random.default_rng(0).standard_normal((50, 3))
    return finding_of("", network, changed(folded_in_place(network), layer, by), model, rows)


@pytest.mark.parametrize("norm", ["layernorm", "rms"])
def test_a_true_fold_is_the_model(norm: NormName) -> None:
    model = model_of(norm)
    found = judged(model)
    assert found.verdict is SUPPORTED and "float32" in found.value
    norm_of = folded_in_place(torch_modules.read(model)).norms[0]
    assert set(norm_of.gain.float64().ravel()) == {1} and not norm_of.bias.float64().any()
    assert torch_modules.read(model).norms[0].gain != norm_of.gain


def test_a_false_fold_is_not_and_float64_sees_more_than_float32() -> None:
    for layer in (0, 1):
        for by, seen in ((3, (50, 50)), (1e-9, (1, 0)), (1e-18, (0, 0))):
            found = judged(model_of("layernorm"), by, layer)
            beyond = [found.data[f"beyond_rounding_in_{name}"] for name in ("float64", "float32")]
            assert beyond[0] >= min(seen[0], 20) and beyond[1] >= min(seen[1], 20)  # type: ignore[operator]
            assert (found.verdict is REFUTED, found.is_alarm) == (seen[0] > 0,) * 2
            assert seen[1] or beyond[1] == 0


def test_a_model_in_float64_is_compared_in_float64_alone() -> None:
    found = judged(model_of("layernorm").double())
    assert found.verdict is SUPPORTED and "float32" not in found.value


def test_an_embedding_in_front_stays_where_it_is() -> None:
    toy = Toy.of("embedded", model_of("rms", embed=4), make("direction3", count=40))
    (found,) = folded_gain_and_bias.ask(subjects_of({"rms": toy})).findings
    assert found.verdict is SUPPORTED and found.data["points"] == 540


def test_without_a_model_there_is_nothing_to_compare_with() -> None:
    network = block([[1, -1, 0]], [1])
    toy = Toy.of("exact", network)
    layer = layer_of(network, [[1.0, 2, 4]])
    found = folded_gain_and_bias.ask(subjects_of({"a": toy}, (layer,))).findings
    assert [f.verdict for f in found] == [UNDECIDED] * 2
    assert ["got an exact network" in found[0].why, "got no checkpoint" in found[1].why] == [
        True
    ] * 2


def test_a_layer_is_compared_with_the_checkpoint(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    from exact.sources import transformers
    from studies.subjects import LanguageLayer

    config = language.LanguageConfig(layers=1, width=8, heads=2, context=8, steps=2)
    folder = Path(str(tmp_path)) / "tiny"
    language.save(language.train_language_model(config, progress=False), folder.parent, "tiny")
    network = transformers.mlp(folder, 0)
    assert isinstance(network, Network)
    rows = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    layer = LanguageLayer("tiny", 0, network, rows, folder)
    (whole,) = folded_gain_and_bias.ask(subjects_of({}, (layer,))).findings
    monkeypatch.setattr(folded_gain_and_bias, "WIDE", 10)
    (part,) = folded_gain_and_bias.ask(subjects_of({}, (layer,))).findings
    assert [whole.verdict, part.verdict] == [SUPPORTED] * 2
    assert part.subject == "tiny, first 8 neurons" and whole.subject == "tiny"
    other = replace(layer, network=changed(network, 0, 1e-3))
    assert folded_gain_and_bias.ask(subjects_of({}, (other,))).findings[0].is_alarm
