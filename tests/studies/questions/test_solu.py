"""Claims 3.1 to 3.3 on a tiny SoLU model, and on numbers whose verdict is known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional

from studies.finding import Verdict
from studies.questions.norms import solu_attribution as attributed
from studies.questions.norms import solu_low_neurons as low
from studies.questions.norms import solu_scale as scaled
from studies.questions.shared.solu_models import CONTEXT
from studies.statistics import Degenerate
from studies.subjects import Subjects
from tests.studies.questions.made_solu import model, run

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED
RNG = np.random.default_rng


# ---- the model


@pytest.mark.parametrize("behind", [True, False])
def test_the_closed_form_is_the_models_own_loss(behind: bool) -> None:
    given = run(behind=behind)
    with torch.no_grad():
        logits = given.source.model(input_ids=given.tokens).logits
    losses = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), given.tokens[:, 1:].flatten(), reduction="none"
    )
    own = losses.reshape(len(given.tokens), -1).mean(1)
    assert given.baseline.tolist() == pytest.approx(own.tolist(), rel=1e-4)


def test_short_prompts_end_at_the_last_position() -> None:
    given = run(sequences=3)
    whole = given.source.activations_at_the_end(given.tokens)
    assert torch.allclose(whole, given.neurons[:, -1], atol=1e-5)
    short = given.source.activations_at_the_end(given.tokens[:, -4:])
    first = given.source.run(given.tokens[:, -4:]).neurons[:, -1]
    assert short.shape == first.shape and not torch.allclose(short, first, atol=1e-3)


# ---- 3.1


def test_slopes_and_bends_are_those_of_powers() -> None:
    lengths = np.arange(1, CONTEXT + 1)
    values = np.stack([lengths**0.5, 3 / lengths, np.exp(-(np.log(lengths) ** 2))]).astype(float)
    assert scaled.slopes(values, lengths)[:2].tolist() == pytest.approx([0.5, -1])
    assert scaled.bends(values, lengths).tolist() == pytest.approx([0, 0, -1], abs=1e-9)
    assert scaled.inverse_deviation(torch.tensor([[1.0, 3]])).tolist() == [1]
    octaves = scaled.by_octave(np.tile(lengths.astype(float), (2, 1)))
    assert octaves[0, :3].tolist() == pytest.approx([1, 2, 12**0.5]) and octaves.shape == (2, 7)


def test_scale_findings_can_come_out_either_way() -> None:
    lengths = np.arange(1, CONTEXT + 1)
    noise = RNG(0).uniform(0.9, 1.1, (20, CONTEXT))
    rising, falling = noise * lengths**0.3, noise / lengths**0.3
    for found, fixed, verdict in ((rising, rising, SUPPORTED), (falling, falling, REFUTED)):
        ends = fixed[:, [n - 1 for n in scaled.LENGTHS]]
        findings = scaled.scale_findings(scaled.WORDS, found, ends, noise, RNG(0))
        opposite = REFUTED if verdict is SUPPORTED else SUPPORTED
        assert [one.verdict for one in findings] == [verdict, verdict, opposite]


def test_prompts_repeat_or_mix_words() -> None:
    prompts = scaled.prompts_of(Subjects({}, {}, {}, (), quick=True))
    assert {tuple(one.shape) for one in prompts.values()} == {(scaled.PROMPTS, CONTEXT)}
    words = [set(bytes(row).split()[:-1]) for row in prompts[scaled.WORD].tolist()]
    assert all(len(one) == 1 for one in words) and len(set().union(*words)) > 30
    assert all(len(set(bytes(row).split())) > 3 for row in prompts[scaled.WORDS].tolist())


# ---- 3.2


def test_leaving_a_neuron_out_has_its_closed_form() -> None:
    given = run(sequences=2)
    norm = given.source.inner
    assert norm is not None
    neurons = given.neurons[0, :3]
    found = low.left_out(norm, neurons)
    for j in (0, 7, 31):
        without = neurons.clone()
        without[:, j] = 0
        assert torch.allclose(found[:, j], norm(without), atol=1e-9)


def test_tenths_are_those_of_sizes() -> None:
    neurons = torch.tensor([[0.1, -9, 0.2, 3, -4, 5, 0.3, 7, -8, 0.05]])
    assert low.tenths(neurons)[0].tolist() == [1, 9, 2, 4, 5, 6, 3, 7, 8, 0]


def test_ablation_behind_the_norm_is_no_ablation_of_a_low_neuron() -> None:
    """Behind the norm a neuron of 0 has moved by the mean: zero is far from it."""
    given = run(sequences=4)
    given = replace(given, neurons=given.neurons.abs() + 0.001)
    assert given.source.inner is not None
    given.source.inner.shift.zero_()
    small, large = low.disagreement(given, RNG(0))
    assert small > 3 * large


def test_smearing_can_come_out_either_way() -> None:
    given, parts = run(), low.PARTS
    mass = np.full((parts, 12), 1 / parts)
    for share, verdict in ((0.3, SUPPORTED), (0.02, REFUTED)):
        cost = np.full((parts, 12), (1 - share) / (parts - 1))
        cost[0] = share
        cost = cost * RNG(0).uniform(0.9, 1.1, cost.shape)
        made = low.Tenths(cost, cost, cost, mass)
        assert low.smears_finding(given, made, made, RNG(0)).verdict is verdict
    free = low.Tenths(-mass, -mass, -mass, mass)
    with pytest.raises(Degenerate, match="costs no loss"):
        low.smears_finding(given, free, free, RNG(0))


def test_tenths_cost_what_the_model_says() -> None:
    given = run(sequences=3)
    found = low.Tenths.of(given)
    chosen = low.tenths(given.neurons) == 9
    direct = given.losses(given.behind(torch.where(chosen, 0.0, given.neurons)))
    assert found.before[9].tolist() == pytest.approx((direct - given.baseline).tolist())
    assert found.mass.sum(axis=0).tolist() == pytest.approx([1] * 3)
    assert found.mass[9].min() > found.mass[0].max()


def test_restoring_can_come_out_either_way() -> None:
    losses = RNG(0).uniform(2, 3, 20)
    worse = losses + RNG(1).uniform(0.1, 0.2, 20)
    assert low.restores_finding(losses, worse, RNG(0)).verdict is SUPPORTED
    assert low.restores_finding(worse, losses, RNG(0)).verdict is REFUTED


def test_the_gain_is_ranked_against_activations() -> None:
    given = run(sequences=2)
    inner = given.source.inner
    assert inner is not None
    ranks = given.neurons.abs().argsort(-1).argsort(-1).double().mean((0, 1))
    inner.gain.copy_(-ranks)
    assert low.gain_by_rank(given) == pytest.approx(1)
    inner.gain.fill_(1)
    assert low.gain_by_rank(given) == 0


# ---- 3.3


def test_attributions_sum_to_what_the_mlp_adds_at_a_frozen_scale() -> None:
    given = run(sequences=2)
    found = attributed.attribution(given, given.written)
    outputs = given.behind(given.neurons)
    final, norm = given.final(outputs), given.last_norm
    s, p = 1, 20
    added = outputs[s, p] @ given.written
    centred = added - added.mean()
    vector = norm.scale(final[s, p][None])[0] * centred * norm.gain
    logits = given.unembedding @ vector
    aim = int(given.tokens[s, p + 1])
    assert found[s, p].sum() == pytest.approx(float(logits[aim] - logits.mean()))


def test_the_exact_attribution_is_what_a_logit_loses() -> None:
    """Handed as frozen ones, exact attributions by hand have no gap."""
    given = run(sequences=1)
    outputs = given.behind(given.neurons)
    found = np.empty((1, CONTEXT - 1, outputs.shape[2]))
    aims = given.tokens[0, 1:]
    places = torch.arange(CONTEXT - 1)

    def aimed(values: torch.Tensor) -> torch.Tensor:
        logits = given.last_norm(given.final(values)) @ given.unembedding.T
        return (logits - logits.mean(-1, keepdim=True))[0, places, aims]

    for j in range(outputs.shape[2]):
        without = outputs.clone()
        without[..., j] = 0
        found[0, :, j] = (aimed(outputs) - aimed(without)).numpy()
    assert attributed.through_the_norm(given, found, RNG(0)) < 1e-6
    assert attributed.through_the_norm(given, 2 * found, RNG(0)) == pytest.approx(1)
    frozen = attributed.attribution(given, given.written)
    assert attributed.through_the_norm(given, frozen, RNG(0)) > 0.01


def made(largest: float, sequences: int = 20) -> attributed.Attribution:
    rng = RNG(0)
    whole = rng.standard_normal(sequences * 30)
    shares = largest * rng.uniform(0.9, 1.1, len(whole))
    shares[::7] = 0.049  # some are low in any family
    return attributed.Attribution(whole, shares, np.repeat(np.arange(sequences), 30))


def test_high_attribution_without_a_high_neuron_can_come_out_either_way() -> None:
    assert attributed.share_finding("x", made(0.03), 0.1, RNG(0)).verdict is SUPPORTED
    rare = replace(made(0.3, 100), largest=np.full(3000, 0.3), sequences=np.arange(3000))
    assert attributed.share_finding("x", rare, 0.1, RNG(0)).verdict is REFUTED
    assert attributed.against_finding("x", made(0.03), made(0.3), RNG(0)).verdict is SUPPORTED
    assert attributed.against_finding("x", made(0.3), made(0.03), RNG(0)).verdict is REFUTED


def test_high_positions_are_the_top_tenth() -> None:
    found = made(0.3)
    assert found.high.sum() == 60
    assert found.whole[found.high].min() > found.whole[~found.high].max()


def test_the_largest_neuron_is_a_share_of_sizes() -> None:
    found = attributed.Attribution.of(np.array([[[3.0, -1, 0], [1, 1, -2]]]))
    assert found.whole.tolist() == [2, 0] and found.largest.tolist() == [0.75, 0.5]
    with pytest.raises(Degenerate, match="without attribution"):
        attributed.Attribution.of(np.zeros((1, 2, 3)))


def test_the_third_score_is_zero_exactly_and_a_defect_is_an_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert attributed.centred_mean([0.1, 0.2, 1e30]) == 0
    given = run(sequences=2)
    assert attributed.zero_finding(given).verdict is SUPPORTED
    monkeypatch.setattr(attributed, "centred_mean", lambda row: Fraction(1, 10**30))
    assert attributed.zero_finding(given).is_alarm


def test_models_without_an_inner_norm_pass_neurons_on() -> None:
    given = run(behind=False, sequences=2)
    assert model(behind=False).inner is None
    assert given.behind(given.neurons) is given.neurons
