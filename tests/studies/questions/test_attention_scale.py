"""Claim 0.10 on attention whose pattern can be checked against the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exact import LayerNorm
from studies.finding import Verdict
from studies.questions.directions import attention_scale as asked
from studies.questions.directions.attention_scale import Attention
from studies.statistics import Degenerate
from tests.studies.questions.made_solu import model, run

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def attention() -> Attention:
    return Attention.of(model(), run(sequences=12).tokens)


def test_patterns_and_outputs_are_the_models_own() -> None:
    source, tokens = model(), run(sequences=3).tokens
    given = Attention.of(source, tokens)
    kept: list[torch.Tensor] = []
    block = source.model.transformer.h[0]
    hook = block.attn.register_forward_hook(lambda *found: kept.append(found[2][0]))
    with torch.no_grad():
        source.model(input_ids=tokens, use_cache=False)
    hook.remove()
    queries, keys, values = given.parts(given.norm(given.stream[1, :41]))
    pattern = given.pattern(queries[40], keys)
    assert torch.allclose(pattern.sum(-1), torch.ones(given.heads, dtype=torch.float64))
    written = given.write(pattern, values) + block.attn.c_proj.bias.detach().double()
    assert torch.allclose(written, kept[0][1, 40].double(), atol=1e-4)


def test_norms_forget_lengths_and_a_norm_with_eps_does_not() -> None:
    vector = [0.1, -2.5, 3.0, 1e-3]
    options = {"gain": [1, -2, 0.5, 0], "bias": [0, 1, 2, 3]}
    assert asked.same_at_every_length(LayerNorm.of(eps=0, **options), vector)
    assert not asked.same_at_every_length(LayerNorm.of(eps=1e-5, **options), vector)
    assert asked.scale_finding("x", attention()).verdict is SUPPORTED


def test_a_linear_pattern_does_not_bend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores in the place of their softmax are affine in the normed query."""
    given = attention()
    monkeypatch.setattr(torch, "softmax", lambda scores, _: scores)
    found, _ = asked.bends(given, asked.NORMED)
    assert max(one.departure for one in found) < 1e-9
    curved, _ = asked.bends(given, asked.STREAM)
    assert max(one.departure for one in curved) > 1e-3


def test_the_departure_is_that_of_a_logistic_curve() -> None:
    """Two keys: the pattern is a logistic function of the score's difference."""
    one = torch.ones(1, dtype=torch.float64)
    tiny = Attention(
        stream=torch.tensor([[[-3.0], [0.0]], [[0.0], [4.0]]], dtype=torch.float64),
        norm=lambda x: x,  # type: ignore[arg-type]
        weight=torch.tensor([[1.0, 1, 1]], dtype=torch.float64),
        bias=torch.zeros(3, dtype=torch.float64),
        out=one[None],
        heads=1,
    )
    found = asked.bend(tiny, 0, 1, asked.STREAM)
    # query 0..4 on keys -3 and 0 (its own, held still): score difference 3 q
    steps = np.linspace(0, 1, asked.STEPS + 1)
    share = 1 / (1 + np.exp(-12 * steps))
    straight = share[0] + steps * (share[-1] - share[0])
    assert found is not None
    told = np.abs(share - straight).max() / abs(share[-1] - share[0])
    assert found.departure == pytest.approx(told)
    # outputs: values -3 and own, 0 at the start, 4 at the end
    start, end = -3 * 0.5, -3 * (1 - share[-1]) + 4 * share[-1]
    frozen = -3 * 0.5 + 4 * 0.5
    assert found.frozen == pytest.approx(abs(frozen - end) / abs(end - start))


def test_a_pattern_that_stays_is_left_out() -> None:
    given = attention()
    given.weight.zero_()
    with pytest.raises(Degenerate, match="no pattern moves"):
        asked.bends(given, asked.STREAM)


def test_the_claim_can_come_out_either_way() -> None:
    places = np.repeat(np.arange(30), 3)
    noise = np.random.default_rng(0).uniform(0.9, 1.1, 90)
    for size, verdict in ((0.02, SUPPORTED), (0.4, REFUTED)):
        rng = np.random.default_rng(0)
        found = asked.departure_finding("x", size * noise, noise, places, rng)
        assert found.verdict is verdict
