"""Claim 0.4: codes and outputs with eps and without, on networks whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from exact import GELU, Network
from studies.finding import Finding, Verdict, number
from studies.questions.directions import negligible_eps
from studies.questions.directions.negligible_eps import ARMS, CODE, OUTPUT, findings_of
from studies.questions.shared import eps_effects
from studies.questions.shared.eps_effects import effect
from studies.questions.shared.intervals import share_over
from studies.questions.shared.pictures import Row, beyond, forest
from studies.questions.shared.rays import with_eps, with_rule
from studies.statistics import NETS, SEQUENCES, Degenerate
from studies.subjects import Subjects
from tests.studies.test_questions import block, layer_of, subjects_of
from toy_models import ModelConfig, TrainConfig
from toy_models.populations import population

SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED
PAIR = [[1, -1, 0], [1, 1, -2]]


def residuals(count: int, dim: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, dim))


@pytest.mark.parametrize(
    ("eps", "count", "code", "output"),
    [
        (1e-12, 1_000, SUPPORTED, SUPPORTED),
        (1e-12, 240, SUPPORTED, UNDECIDED),  # too few for a percentile
        (100, 240, REFUTED, REFUTED),
        (1e-12, 40, UNDECIDED, UNDECIDED),
    ],
)
def test_eps_is_judged_by_codes_and_by_outputs(
    eps: float, count: int, code: Verdict, output: Verdict
) -> None:
    found = findings_of("", block(PAIR, [1, 1], eps=eps), residuals(count), 0)
    assert [f.verdict for f in found] == [code, output]
    assert Fraction(str(found[0].data["eps"])) == Fraction(eps)


@pytest.mark.parametrize("count", [2, 100, 999])
def test_a_percentile_of_few_residuals_is_left_open(count: int) -> None:
    output = findings_of("", block(PAIR, [1, 1], eps=1e-12), residuals(count), 0)[1]
    assert output.verdict is UNDECIDED and "it takes 1,000" in output.why
    assert "-" not in output.value.replace("e-", "")  # no change is negative
    assert "of at least 1,000 vectors" in output.rule


def test_codes_are_compared_exactly_at_the_critical_radius() -> None:
    # on iff 2 s > 1, s = r / sqrt(r^2 + 3): r_crit = 1, where the float filter abstains
    network = block([[1, 0, 0, 0]], [-1], "rms", Fraction(3, 4))
    rows = [[1.0, 0, 0, 0], [1 + 2.0**-52, 0, 0, 0], [-1, 0, 0, 0], [0.5, 0, 0, 0]]
    found = effect(network, np.array(rows))
    assert found.other.tolist() == [True, False, False, True]
    assert network.codes(rows[:1]).decisions["exact"] == 1


def test_the_change_of_the_output_has_its_closed_form() -> None:
    network = block([[1, 0, 0, 0]], [0], "rms", Fraction(3, 4))
    found = effect(network, np.array([[1.0, 0, 0, 0], [3, 0, 0, 0]]))
    assert found.change == pytest.approx([0.5, 1 - math.sqrt(0.75)])
    beside = effect(with_rule(with_eps(network, Fraction(1, 2)), "std"), np.array([[2.0, 0, 0, 0]]))
    assert beside.change == pytest.approx([1 / 3])
    silent = effect(network, np.array([[-1.0, 0, 0, 0]]))
    assert silent.change.tolist() == [0] and not silent.other.any()


def test_what_is_said_of_a_text_is_drawn_by_its_sequences() -> None:
    network, rows = block(PAIR, [1, 1], eps=1e-12), residuals(1_000)
    many, few = (findings_of("", network, rows, 0, np.arange(1_000) // size) for size in (4, 50))
    assert [f.verdict for f in many] == [SUPPORTED, SUPPORTED]
    assert [f.verdict for f in few] == [UNDECIDED, SUPPORTED]  # 20 sequences cannot exclude 2%
    assert few[0].data["other_code"] == 0 and few[0].data["share_sequences"] == 20
    assert {f.rule for f in few} == {CODE[SEQUENCES].rule.text, OUTPUT[SEQUENCES].rule.text}


def test_shares_over_sequences_are_wider_than_over_tokens() -> None:
    rng = np.random.default_rng(0)
    places = np.arange(600) // 20
    hits = np.repeat(rng.random(30) < 0.5, 20)  # whole sequences alike
    alike = share_over(hits, places, rng, unit=SEQUENCES, draws=999)
    alone = share_over(hits, np.arange(600), rng, unit="tokens", draws=999)
    assert alike.interval and alone.interval and alike.value == alone.value == hits.mean()
    width, narrow = (high - low for low, high in (alike.interval, alone.interval))
    assert width > 2 * narrow and (alike.clusters, alone.clusters) == (30, 600)
    for every in (False, True):
        same = share_over(np.full(600, every), places, rng, unit=SEQUENCES, draws=999)
        assert same.interval and (same.value, same.clusters, same.method) == (every, 30, "Wilson")


def test_the_ratio_to_the_critical_radius_is_known_for_one_neuron() -> None:
    network = block([[1, 0, 0, 0]], [-1], "rms", Fraction(3, 4))
    ratios, critical = negligible_eps.against_critical_radius(
        network, np.array([[4.0, 0, 0, 0], [-1, 0, 0, 0]])
    )
    assert ratios == pytest.approx([4, math.inf]) and critical == pytest.approx([1, 0])
    rows = np.random.default_rng(1).standard_normal((30, 4))
    wide = block(np.random.default_rng(2).standard_normal((9, 4)).tolist(), [1] * 9, eps=0.5)
    batch, alone = eps_effects._batch(wide, rows), eps_effects._one_by_one(wide, rows)
    assert batch == pytest.approx(alone)


def language_layer(untrained: bool = True) -> Any:
    rng = np.random.default_rng(0)
    network = block(rng.standard_normal((8, 6)).tolist(), [0.1] * 8, activation=GELU("tanh"))
    layer = replace(layer_of(network, residuals(60, 6)), sequences=torch.arange(60) // 2)
    bare = layer_of(block(rng.standard_normal((8, 6)).tolist(), [0] * 8), residuals(60, 6))
    return replace(layer, untrained=bare) if untrained else layer


def test_a_layer_has_its_arms_and_a_sweep() -> None:
    answer = negligible_eps.ask(replace(subjects_of({}, (language_layer(),)), own=True))
    assert [f.subject for f in answer.findings[::2]] == [
        "hand-made",
        "hand-made, eps beside the root",
        "hand-made, untrained",
    ]
    table = answer.findings[0].data["sweep"]
    assert isinstance(table, list) and [row[0] for row in table] == list(negligible_eps.EPS)
    changes = [row[2] for row in table]
    assert changes == sorted(changes) and 0 < changes[0] < 1e-9
    own = negligible_eps.ask(replace(subjects_of({}, (language_layer(False),)), own=True))
    assert len(own.findings) == 4


def test_the_caption_of_a_ray_says_what_the_figure_shows() -> None:
    # one neuron, r_crit = 1; the output 2 s - 1 is 0 there, and 1 at eps = 0
    network = block([[1, 0, 0, 0]], [-1], "rms", Fraction(3, 4))
    told = negligible_eps.ray_caption(layer_of(network, [[4.0, 0, 0, 0]]))
    assert "changes once at t = 0.25, below t = 1" in told
    assert "100% of its length away at the last change, and 16.5% at t = 1" in told
    assert "beyond t = 1" in negligible_eps.ray_caption(layer_of(network, [[0.5, 0, 0, 0]]))
    assert "never changes" in negligible_eps.ray_caption(layer_of(network, [[-1.0, 0, 0, 0]]))
    assert "Not drawn" in negligible_eps.ray_caption(layer_of(block(PAIR, [1, 1]), [[1, 1, 1]]))


def test_nets_are_judged_over_nets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negligible_eps, "NORMS", ("rms",))
    found = negligible_eps.ask(Subjects({}, {}, {}, (), seeds=6)).findings
    assert [f.subject.rpartition(", RMSNorm, ")[2] for f in found[::2]] == [
        "trained nets",
        "untrained nets",
        "trained nets, eps beside the root",
    ]
    assert {f.why for f in found[::2]} == {"only 6 nets"}
    assert len(found[0].data["seeds"]) + number(found[0].data["did_not_learn"]) == 6  # type: ignore[arg-type]
    nothing = negligible_eps.nets_findings("", negligible_eps.Nets("trained", (), 6), "var", 0)
    assert [(f.verdict, f.why) for f in nothing] == [(UNDECIDED, "no net learned")] * 2
    flat = population(
        TrainConfig("direction3", ModelConfig((2,), "rms", embed_dim=0)),
        [0],
        ["rms"],
        arms=ARMS[1:],
    )
    none = negligible_eps._none(
        negligible_eps.Nets("untrained", flat.of("untrained", "rms") * 30, 0)
    )
    assert none.interval and (none.value, none.clusters) == (0, 30) and none.interval[1] < 0.004
    assert CODE[NETS].rule.decide(none).verdict is SUPPORTED
    assert CODE[NETS].rule.text.startswith("supported iff the 95% interval over at least 30 nets")


def test_subjects_without_a_direction_or_without_eps_are_told() -> None:
    with pytest.raises(Degenerate, match="vectors without a direction; got 1 of 2"):
        effect(block(PAIR, [1, 1]), np.array([[1.0, 1, 1], [1, 2, 3]]))
    with pytest.raises(Degenerate, match="no vectors"):
        effect(block(PAIR, [1, 1]), np.zeros((0, 3)))
    assert not negligible_eps.fits(layer_of(block(PAIR, [1, 1], eps=0), residuals(4)))
    assert negligible_eps.fits(layer_of(block(PAIR, [1, 1]), residuals(4)))
    assert negligible_eps.ask(replace(subjects_of({}), own=True)).findings == ()


# ---- nothing vanishes from a figure


def finding_with(subject: str, network: Network, rows: list[list[float]]) -> Finding:
    vectors = np.array(rows)
    radii = negligible_eps._radii(network, vectors)
    return findings_of(subject, network, vectors, 0, data=radii)[0]


def test_a_subject_that_nothing_crosses_stays_in_the_figure() -> None:
    network = block([[1, 0, 0, 0]], [-1], "rms", Fraction(3, 4))
    findings = [
        finding_with("far", network, [[4.0, 0, 0, 0], [8.0, 0, 0, 0]]),
        finding_with("never crossed", network, [[-1.0, 0, 0, 0], [-2.0, 0, 0, 0]]),
    ]
    figure = negligible_eps._radius_figure(findings)
    assert "infinite (never crossed)" in figure.caption
    (ax,) = figure.draw().axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["never crossed", "far"]
    marks = {line.get_marker(): line.get_xdata()[0] for line in ax.lines if line.get_marker()}
    assert marks[">"] == ax.get_xlim()[1] and ax.get_xlim()[0] < marks["o"] < ax.get_xlim()[1]


def test_what_an_axis_cannot_hold_is_an_arrow_at_its_edge() -> None:
    rows = [Row("none", 0.0), Row("all", math.inf, 3.0, math.inf), Row("some", 2.0, 1.0, 4.0)]
    (ax,) = forest(rows, "", "", "", scale="log").axes
    ends = ax.get_xlim()
    marks = [line.get_marker() for line in ax.lines if len(line.get_xdata()) == 1]
    assert marks == ["o", ">", "<"] and 0 < ends[0] < 1 and 4 < ends[1] < math.inf
    assert beyond(rows) == " An arrow at the edge: infinite (all)." and beyond(rows[2:]) == ""
