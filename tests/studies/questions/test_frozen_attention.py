"""Claim 1.26: attention that cannot change, attention that can, and what the model itself does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exact import Network
from exact.sources import transformers
from studies.finding import Verdict
from studies.questions.later import frozen_attention as question
from studies.questions.later.frozen_attention import Moves, Site
from studies.questions.shared.attention_at_a_position import Attention
from studies.statistics import Degenerate
from studies.subjects import LanguageLayer, Subjects
from toy_models import language
from toy_models.language import LanguageConfig

CONFIG = LanguageConfig(layers=2, width=8, heads=2, context=12)


def model(scale: float = 1.0) -> Any:
    """A tiny GPT-2 whose queries are scaled, in float64."""
    found = language.untrained(CONFIG).double().eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, values in found.named_parameters():
            if "ln_" not in name:
                values.copy_(torch.randn(values.shape, generator=rng, dtype=values.dtype))
        for block in found.transformer.h:
            block.attn.c_attn.weight[:, :8] *= scale
            block.attn.c_attn.bias[:8] *= scale
    return found


def sites(given: Any, length: int = 6, layer: int = 1) -> list[Site]:
    tokens = torch.arange(4 * length).reshape(4, length) % 97
    mlp = transformers.mlp(given, layer)
    assert isinstance(mlp, Network)
    return question.sites_of(given, layer, mlp.relu_ised(), tokens)


def test_attention_and_the_exact_network_are_the_models_own() -> None:
    for layer in (0, 1):
        found = sites(model(), layer=layer)
        for one in found:
            assert one.here.free(one.start[None])[0] == pytest.approx(one.seen, rel=1e-12)
            assert question.defects(one.here, one.mlp, one.start, one.seen) == 0
        assert question.affine_finding("", found).verdict is Verdict.SUPPORTED
        one = found[0]
        assert question.defects(one.here, one.mlp, one.start, one.seen + 1e-6) == 1


def test_a_pattern_sums_to_one_and_follows_the_queries() -> None:
    one = sites(model())[0]
    rows = one.start + np.random.default_rng(0).standard_normal((5, 8))
    pattern = one.here.pattern(rows)
    assert pattern.shape == (5, 2, 6) and np.allclose(pattern.sum(axis=2), 1)
    assert np.abs(pattern - one.here.frozen).max() > 0.01


def test_without_queries_or_company_frozen_is_free() -> None:
    for found in (sites(model(scale=0.0)), sites(model(), length=1)):
        walked = question.walks(found, False, np.random.default_rng(0))
        assert sum(sum(one.flips) for one in walked) > 0
        assert all(one.wrong == (0, 0, 0, 0, 0) for one in walked)
        assert all(max(one.shift) < 1e-12 for one in walked)


def test_a_pattern_that_turns_makes_frozen_codes_wrong() -> None:
    walked = question.walks(sites(model(scale=3.0)), False, np.random.default_rng(0))
    assert question.by_step(walked)[-1] > 0
    far = [one.shift for one in walked]
    assert np.mean(far, axis=0)[-1] > np.mean(far, axis=0)[0]


@pytest.mark.parametrize(("wrong", "verdict"), [(1, Verdict.SUPPORTED), (9, Verdict.REFUTED)])
def test_rules_can_come_out_both_ways(wrong: int, verdict: Verdict) -> None:
    walked = [
        Moves((1, 2, 15 + k % 3, 30, 40), (0, 0, wrong + k % 2, 9, 9), (0.0, 0.1, 0.2, 0.3, 0.4))
        for k in range(30)
    ]
    for claim in (question.TOWARDS, question.RANDOM):
        assert question.moves_finding(claim, "", walked, 0).verdict is verdict
    right = [Moves((1, 2, 15, 30, 40), (0,) * 5, (0.0,) * 5)] * 30
    assert question.moves_finding(question.RANDOM, "", right, 0).verdict is Verdict.SUPPORTED
    still = [Moves((0,) * 5, (0,) * 5, (0.0,) * 5)] * 30
    assert question.moves_finding(question.RANDOM, "", still, 0).why.startswith("no neuron flips")


def test_a_norm_that_is_not_known_is_degenerate() -> None:
    given = model()
    given.transformer.h[1].ln_1 = torch.nn.RMSNorm(8)
    with pytest.raises(Degenerate, match="another norm"):
        Attention.of(given, 1)


def test_a_layer_of_a_checkpoint_is_asked(tmp_path: Path) -> None:
    config = LanguageConfig(layers=1, width=8, heads=2, context=12, steps=1, text_bytes=5_000)
    result = language.train_language_model(config, progress=False)
    language.save(result, tmp_path, "tiny")
    mlp = transformers.mlp(tmp_path / "tiny", 0)
    assert isinstance(mlp, Network)
    layer = LanguageLayer("tiny", 0, mlp, torch.zeros(3, 8), tmp_path / "tiny")
    for initial in (False, True):
        found = question._sites(layer, initial, 4, 0)
        assert len(found) == 4 and question.affine_finding("", found).verdict is Verdict.SUPPORTED


def test_a_model_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    mlp = transformers.mlp(model(), 0)
    assert isinstance(mlp, Network)
    layer = LanguageLayer("other", 0, mlp, torch.zeros(3, 8), tmp_path)
    findings = question.ask(Subjects({}, {}, {}, (layer,))).findings
    assert {finding.verdict for finding in findings} == {Verdict.UNDECIDED}
    assert {finding.why for finding in findings} == {
        "attention is read of GPT-2's kind alone; got a model of type bert; give a layer that was "
        "read from a GPT-2 checkpoint"
    }
