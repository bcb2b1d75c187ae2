"""Every question on hand-made networks whose answer is known beforehand, with each of its verdicts
seen at least once.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch

from exact import GELU, Activation, HardTanh, InvalidInput, LeakyReLU, Network, ReLU, partition
from exact.sources import tensors
from studies import subjects as subjects_module
from studies.finding import Answer, Finding, Kind, Verdict, number
from studies.question import Question
from studies.questions import (
    QUESTIONS,
    arcs_of_the_circle,
    cells_of_spheres,
    monosemantic_directions,
    negligible_eps,
    neighbouring_maps,
    referee,
)
from studies.questions.shared.intervals import Share, finite, percent
from studies.questions.shared.rays import (
    affordable,
    centred,
    changes_along,
    random_directions,
    with_eps,
)
from studies.questions.shared.sampling import codes_float
from studies.statistics import Degenerate
from studies.subjects import LanguageLayer, Subjects, Toy, prepare
from toy_models import ModelConfig, TrainConfig, fit, language, make
from toy_models.models import NormName, initialised
from toy_models.train import Score

SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED


def block(
    w: list[list[object]],
    b: list[object],
    norm: str | None = "layernorm",
    eps: object = 1e-5,
    **more: Any,
) -> Network:
    """One hidden layer with the identity behind it, so that different codes have different maps."""
    return tensors.block(w, b, np.eye(len(w)), np.zeros(len(w)), norm=norm, eps=eps, **more)  # type: ignore[arg-type]


SLAB = [[1, -1, 0], [-1, 1, 0]]
GENERIC = [[1, -2, 0, 3], [2, 1, -1, 0], [0, 3, 1, -1]]


# ---- 0.1


@pytest.mark.parametrize(
    ("network", "share"),
    [
        (block([[1, -1, 0]], [1], None), sympy.Rational(1, 2)),
        (block([[1, -1, 0], [1, 1, -2]], [1, 1], None), sympy.Rational(3, 4)),
        (block([[1, -1, 0], [1, 1, -2]], [1, 0], None), sympy.Rational(1, 2)),
        (block([[1, -1, 0], [1, 1, -2]], [0, 0], None), sympy.Integer(0)),
        (block([[1, -1, 0], [-1, 1, 0]], [1, 1], None), sympy.Integer(1)),
        (block([[1, 1, 1]], [-1], None), sympy.Integer(0)),
        (block([[1, -1, 0]], [0]), sympy.Integer(0)),
        (block([[1, -1, 0]], [0], bias=[1, 1, 5]), sympy.Integer(0)),
        (block([[1, -1, 0]], [1]), sympy.acos(1 / sympy.sqrt(6)) / sympy.pi),
        (block([[1, -1, 0]], [0], bias=[1, 0, 0]), sympy.acos(1 / sympy.sqrt(6)) / sympy.pi),
        (block([[1, -1, 0]], [1], "rms"), sympy.acos(1 / sympy.sqrt(6)) / sympy.pi),
        (block([[1, -1, 0]], [3]), sympy.Integer(0)),
        (block([[1, -1, 0]], [1], eps=0), sympy.Integer(0)),
    ],
    ids=[
        "half",
        "three quarters",
        "zero bias",
        "no bias",
        "all",
        "dead on the circle",
        "LN no bias",
        "LN bias killed by w",
        "LN cap",
        "LN bias of the norm",
        "RMS cap",
        "never reached",
        "eps 0",
    ],
)
def test_the_share_of_crossed_directions_has_its_closed_form(
    network: Network, share: sympy.Expr
) -> None:
    found, found_float, crossed, arcs = monosemantic_directions.exact_share(network)
    assert abs((found - share).evalf(40)) < sympy.Float("1e-35")
    assert found_float == pytest.approx(float(share), abs=1e-12)
    assert 0 <= crossed <= arcs and (crossed == 0) == (share == 0)


def toy_of(
    norm: NormName,
    weight: list[list[float]],
    bias: list[float],
    task: str = "direction3",
    **more: object,
) -> Toy:
    """A toy of one hidden layer with these weights."""
    data = make(task, count=60)
    config = ModelConfig(widths=(len(weight),), norm=norm, embed_dim=0, **more).fitted_to(data)  # type: ignore[arg-type]
    model = initialised(config, 0)
    layer = model.blocks[0].layers[0]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))
    return Toy.of(f"hand-made {norm}", model, data)


def subjects_of(toys: dict[str, Toy], language: tuple[LanguageLayer, ...] = ()) -> Subjects:
    return Subjects(toys, {}, {}, language)


@pytest.mark.parametrize(
    ("norm", "bias", "verdicts"),
    [
        ("none", [1.0, 0.0], [SUPPORTED]),
        ("none", [0.0, 0.0], [REFUTED]),
        ("layernorm", [1.0, 0.0], [SUPPORTED, REFUTED]),
        ("layernorm", [0.0, 0.0], [SUPPORTED, SUPPORTED]),
        ("rms", [1.0, 0.0], [SUPPORTED, REFUTED]),
    ],
)
def test_directions_are_judged_by_whether_any_is_crossed(
    norm: NormName, bias: list[float], verdicts: list[Verdict]
) -> None:
    toy = toy_of(norm, [[1, -1, 0], [1, 1, -2]], bias)
    findings = monosemantic_directions.ask(subjects_of({norm: toy})).findings
    assert [f.verdict for f in findings] == verdicts
    assert {f.claim for f in findings} == {"0.1"}


def test_one_crossed_arc_is_enough() -> None:
    (finding,) = monosemantic_directions.ask(
        subjects_of({"none": toy_of("none", [[1, -1, 0]], [1.0])})
    ).findings
    assert finding.data["crossed_arcs"] == 1 and finding.verdict is SUPPORTED


def test_rays_decide_what_they_can_and_no_more() -> None:
    directions = random_directions(3, 12, 0)
    bare, normed = block([[1, -1, 0]], [1], None), block([[1, -1, 0]], [1])
    some, none, never = (
        partial(monosemantic_directions.rays_finding, claim, "")
        for claim in (
            monosemantic_directions.WITHOUT_SAMPLED,
            monosemantic_directions.WITH_EPS_SAMPLED,
            monosemantic_directions.WITH,
        )
    )
    assert some(bare, directions).verdict is SUPPORTED
    assert some(block([[1, -1, 0]], [0], None), directions).verdict is UNDECIDED
    assert none(normed, directions).verdict is REFUTED
    assert none(block([[1, -1, 0]], [0]), directions).verdict is UNDECIDED
    many = random_directions(3, 60, 0)
    assert some(block([[1, -1, 0]], [0], None), many).verdict is REFUTED
    assert none(block([[1, -1, 0]], [0]), many).verdict is SUPPORTED
    assert never(with_eps(normed, 0), directions).word == "holds (checks the code)"
    assert never(normed, directions).is_alarm
    crossed = sum(x - y < 0 for x, y, _ in directions)
    assert some(bare, directions).data["crossed"] == crossed


# ---- rays


def test_a_ray_knows_its_regions_and_its_last_change() -> None:
    network = tensors.mlp([([[1, 0], [1, 1]], [-1, -4]), ([[1, 1]], [0])])
    assert changes_along(network, (1, 1)) == changes_along(network, [1, 1])
    along = changes_along(network, (1, 1))
    assert (along.regions, along.last_float, along.crossed) == (3, 2.0, True)
    assert (
        not changes_along(network, (-1, 0)).crossed
        and changes_along(network, (-1, 0)).last_float == 0
    )


def test_a_touching_hyperplane_is_no_change() -> None:
    assert changes_along(block([[1, 0, 0, 0]], [-2], "rms"), (1, 0, 0, 0)).regions == 1


def test_centring_and_affordability() -> None:
    assert centred(block(SLAB, [0, 0]), [1, 2, 6]).tolist() == [-2, -1, 3]
    assert centred(block(SLAB, [0, 0], "rms"), [1, 2, 6]).tolist() == [1, 2, 6]
    assert affordable(block(SLAB, [0, 0]), 100) == 100
    wide = tensors.block(np.ones((400, 300)), np.zeros(400), np.ones((1, 400)), [0])
    assert affordable(wide, 240) == 40 and affordable(wide, 12) == 12
    assert all(all(isinstance(c, int) and c for c in row) for row in random_directions(2, 50, 1))


# ---- 0.2


def test_one_neuron_cuts_the_circle_into_two_arcs_of_known_length() -> None:
    found = arcs_of_the_circle.arcs_of(block([[1, -1, 0]], [0]))
    cut, own = (
        arcs_of_the_circle.cut_finding("", found),
        arcs_of_the_circle.own_map_finding("", found),
    )
    assert [sympy.sympify(text) for text in cut.data["lengths"]] == [sympy.sqrt(3) * sympy.pi] * 2
    assert cut.verdict is SUPPORTED and own.verdict is SUPPORTED and found.shared_codes == 0


def test_a_slab_gives_one_code_two_arcs() -> None:
    found = arcs_of_the_circle.arcs_of(block(SLAB, [Fraction(1, 2)] * 2))
    own = arcs_of_the_circle.own_map_finding("", found)
    assert own.verdict is REFUTED and own.data == {
        "arcs": 4,
        "codes": 3,
        "maps": 3,
        "codes_with_several_arcs": 1,
    }
    assert arcs_of_the_circle.cut_finding("", found).verdict is SUPPORTED


def test_arcs_that_do_not_fill_the_circle_are_noticed() -> None:
    found = arcs_of_the_circle.arcs_of(block(SLAB, [Fraction(1, 2)] * 2))
    assert (
        arcs_of_the_circle.cut_finding(
            "", replace(found, length=found.length * Fraction(99, 100))
        ).verdict
        is REFUTED
    )


def test_an_ensemble_is_judged_by_the_share_of_its_nets() -> None:
    assert arcs_of_the_circle.ensemble_finding(0, width=1, count=80).verdict is SUPPORTED
    wider = arcs_of_the_circle.ensemble_finding(0, width=4, count=40)
    assert wider.verdict is REFUTED and 0 < number(wider.data["with_shared_code"]) <= 40
    few = arcs_of_the_circle.ensemble_finding(0, width=4, count=20)
    assert (few.verdict, few.why) == (UNDECIDED, "only 20 nets")


# ---- 0.3


@pytest.mark.parametrize(
    ("weight", "bias", "cells", "verdict"),
    [
        ([[1, -1, 0, 0]], [0], 2, SUPPORTED),
        ([[1, -1, 0, 0], [0, 0, 1, -1]], [0, 0], 4, SUPPORTED),
        ([[1, -1, 0, 0], [-1, 1, 0, 0]], [1, 1], 3, SUPPORTED),
        (GENERIC, [0, 0, 0], 8, SUPPORTED),
        ([[1, 1, -1, -1]], [-4], 1, SUPPORTED),
    ],
    ids=[
        "one circle",
        "two that cross",
        "two that do not",
        "three great circles",
        "a plane that touches",
    ],
)
def test_cells_of_the_two_sphere(
    weight: list[list[object]], bias: list[object], cells: int, verdict: Verdict
) -> None:
    finding = cells_of_spheres.cells_finding("", block(weight, bias), 0)
    assert finding.verdict is verdict and finding.data["cells"] == cells
    assert finding.data["sampled_codes"] == finding.data["codes"] == cells


def test_a_sampled_code_that_is_not_among_those_found_refutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ring = block([[1, -1, 0, 0], [-1, 1, 0, 0]], [1, 1])  # codes 11, 10 and 01: 00 does not occur
    for extra, verdict in ((0b00, REFUTED), (0b10, SUPPORTED)):
        sampled = {bytes([code << 6]) for code in (0b11, 0b01, extra)}
        monkeypatch.setattr(cells_of_spheres, "distinct_codes", lambda _, sampled=sampled: sampled)
        assert cells_of_spheres.cells_finding("", ring, 0).verdict is verdict


def layer_of(network: Network, residuals: object) -> LanguageLayer:
    return LanguageLayer(
        "hand-made", 0, network, torch.tensor(residuals, dtype=torch.float64), Path(".")
    )


def test_a_geodesic_takes_the_short_way() -> None:
    cap = block([[1, -1, 0]], [-2])  # on within 35.3 degrees of (1, -1, 0)
    u, v = (12, -2, -10), (2, -12, 10)  # 51 degrees on either side
    assert cells_of_spheres.geodesic(cap, u, v).crossings == 2
    behind = (-12, 2, 10), (-2, 12, -10)
    assert cells_of_spheres.geodesic(cap, *behind).crossings == 0
    assert cells_of_spheres.geodesic(cap, (1, -1, 0), u).crossings == 1


def test_crossings_that_flip_several_neurons_are_noticed() -> None:
    rng = np.random.default_rng(0)
    residuals, rows = rng.standard_normal((12, 4)), rng.standard_normal((90, 4)).tolist()
    single = cells_of_spheres.geodesics_finding(
        layer_of(block(rows, [0] * 90, activation=GELU("tanh")), residuals)
    )
    assert single.verdict is SUPPORTED and single.data["single_flips"] == single.data["crossings"]
    double = cells_of_spheres.geodesics_finding(
        layer_of(block([*rows, *rows[:9]], [0] * 99), residuals)
    )
    assert double.verdict is REFUTED
    few = cells_of_spheres.geodesics_finding(layer_of(block(GENERIC, [1, 0, -1]), residuals))
    assert few.verdict is UNDECIDED and few.data["single_flips"] == few.data["crossings"]


# ---- the referee


def test_sampled_counts_of_quadrants_and_of_a_sliver() -> None:
    quadrants = partition(
        tensors.mlp([(np.eye(2), [0, 0]), ([[1, 1]], [0])]), neighbouring_maps.PLANE
    )
    points = [referee.grid(1), referee.grid(2), referee.grid(4)]
    counted = referee.tally(quadrants, points)
    assert (counted.samples, counted.found, counted.exact) == ((1, 4, 16), (1, 4, 4), 4)
    assert referee.count_finding("", counted).verdict is SUPPORTED
    sliver = partition(
        tensors.mlp([([[1, 0], [1, 0]], [0, -1e-6]), ([[1, 1]], [0])]), neighbouring_maps.PLANE
    )
    missed = referee.count_finding("", referee.tally(sliver, points))
    assert (
        missed.verdict is REFUTED
        and missed.data["exact"] == 3
        and missed.data["found"] == [1, 2, 2]
    )


def test_a_strip_between_two_samples_is_not_seen() -> None:
    strip = tensors.mlp([([[1, 0], [1, 0]], [-0.5, -0.501]), ([[1, -1]], [0])])
    there = np.array([0.0, 0.0]), np.array([1.0, 0.0])
    assert referee.flips_on(strip, *there) == 2 and referee.sampled_flips(strip, *there) == 2
    hat = tensors.mlp(
        [
            ([[1, 0], [1, 0], [1, 0]], [-0.5, -0.5005, -0.501]),
            ([[1, -2, 1], [0, 0, 0]], [-1e-4, 0]),
            ([[1, 1]], [0]),
        ]
    )
    assert referee.flips_on(hat, *there) == 5 and referee.sampled_flips(hat, *there) == 3
    assert referee.segments_finding("", strip, [there] * 30).verdict is SUPPORTED
    assert referee.segments_finding("", strip, [there]).verdict is UNDECIDED
    twins = tensors.mlp([([[1, 0], [2, 0]], [-0.5, -1]), ([[1, 1]], [0])])
    assert referee.flips_on(twins, *there) == 2 == referee.sampled_flips(twins, *there)
    missed = referee.segments_finding("", hat, [there])
    assert missed.verdict is REFUTED and missed.data["bias_float"] == -2


@pytest.mark.parametrize("norm", ["layernorm", "rms", None])
@pytest.mark.parametrize("activation", [ReLU(), HardTanh(-1, 1), LeakyReLU(Fraction(1, 4))])
def test_sampled_codes_are_the_exact_ones_off_the_boundaries(
    norm: str | None, activation: Activation
) -> None:
    rng = np.random.default_rng(5)
    weights = (
        rng.standard_normal((7, 3)),
        rng.standard_normal(7),
        rng.standard_normal((3, 7)),
        rng.standard_normal(3),
    )
    first = tensors.block(*weights, norm=norm, activation=activation, residual=True)  # type: ignore[arg-type]
    network = Network(
        (*first.blocks, *tensors.mlp([(weights[0], weights[1]), (weights[2], weights[3])]).blocks)
    )
    points = rng.integers(-9, 10, (20, 3))
    codes = codes_float(network, points)
    assert codes.shape == (20, network.hinge_count)
    assert all(
        np.array_equal(row, network.code(point.tolist()).bits)
        for row, point in zip(codes, points, strict=True)
    )


# ---- intervals


def test_shares_and_their_intervals() -> None:
    low, high = Share(0, 10).interval
    assert low == 0 and high == pytest.approx(1.96**2 / (10 + 1.96**2), abs=1e-4)
    assert str(Share(5, 10)).startswith("50% of 10 [23.7%, 76.3%]")
    assert (percent(0), percent(1), percent(0.0001), percent(0.99999)) == (
        "0%",
        "100%",
        "0.01%",
        "100% - 0.001%",
    )
    assert finite(2.5) == 2.5 and finite(math.inf) is None and finite(math.nan) is None


# ---- all questions on all kinds of subjects


@pytest.fixture(scope="module")
def untrained() -> Subjects:
    """Small untrained subjects of every kind."""

    def toy(task: str, norm: NormName, widths: tuple[int, ...], embed: int = 0) -> Toy:
        data = make(task, count=80)
        return Toy.of(
            f"{task} {norm}",
            initialised(ModelConfig(widths=widths, norm=norm, embed_dim=embed).fitted_to(data), 1),
            data,
        )

    norms: tuple[NormName, ...] = ("none", "layernorm", "rms")
    toys = {norm: toy("direction3", norm, (4,)) for norm in norms}
    deep = {norm: toy("moons", norm, (5, 5), 0 if norm == "none" else 3) for norm in norms}
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape) for shape in ((8, 6), 8, (6, 8), 6)]
    layer = layer_of(
        tensors.block(*weights, norm="layernorm", activation=GELU("tanh")),
        rng.standard_normal((40, 6)),
    )
    return Subjects(toys, deep, {"layernorm": toy("direction4", "layernorm", (4,))}, (layer,))


@pytest.fixture(scope="module")
def answers(untrained: Subjects) -> dict[str, Answer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arcs_of_the_circle, "ENSEMBLE", 30)
        patch.setattr(cells_of_spheres, "SAMPLES", 5000)
        patch.setattr(referee, "GRIDS", (10, 30))
        patch.setattr(referee, "RANDOM", (100, 1000))
        return {question.claim: question.ask(untrained) for question in QUESTIONS}


def test_the_questions_are_those_of_the_claims() -> None:
    assert [q.claim for q in QUESTIONS] == ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "referee"]
    assert all(isinstance(q, Question) and q.title for q in QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.claim)
def test_findings_fit_a_table_and_json(question: Question, answers: dict[str, Answer]) -> None:
    findings = answers[question.claim].findings
    assert findings and len({(f.statement, f.subject) for f in findings}) == len(findings)
    for finding in findings:
        assert finding.claim == question.claim and isinstance(finding.verdict, Verdict)
        assert 0 < len(finding.value) <= 160 and len(finding.subject) <= 80
        assert bool(finding.why) == (finding.verdict is UNDECIDED)
        json.dumps(finding.values(), allow_nan=False)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.claim)
def test_every_finding_is_one_of_a_claim_of_its_question(
    question: Question, answers: dict[str, Answer]
) -> None:
    made = {(c.statement, c.kind, c.rule.text) for c in question.claims}
    found = {(f.statement, f.kind, f.rule) for f in answers[question.claim].findings}
    assert found and found <= made


KINDS = {
    "0.1": {Kind.THEOREM, Kind.CENSUS, Kind.ESTIMATE},
    "0.2": {Kind.THEOREM, Kind.CENSUS, Kind.ESTIMATE},
    "0.3": {Kind.THEOREM, Kind.ESTIMATE},
    "0.4": {Kind.ESTIMATE},
    "0.5": {Kind.THEOREM},
    "0.6": {Kind.THEOREM, Kind.CENSUS, Kind.ESTIMATE},
    "referee": {Kind.CENSUS, Kind.ESTIMATE},
}


def test_what_cannot_fail_is_a_theorem(answers: dict[str, Answer]) -> None:
    assert {number: {f.kind for f in a.findings} for number, a in answers.items()} == KINDS
    at_zero = [f for f in answers["0.1"].findings if f.subject.endswith("eps = 0")]
    assert at_zero and {f.kind for f in at_zero} == {Kind.THEOREM}
    assert not any(f.is_alarm for answer in answers.values() for f in answer.findings)


def test_every_kind_of_subject_is_asked(untrained: Subjects, answers: dict[str, Answer]) -> None:
    def asked(claim: str) -> list[Finding]:
        return [f for f in answers[claim].findings if f.subject]

    for claim in ("0.1", "0.3", "0.4", "0.5", "0.6", "referee"):
        assert any(f.subject.startswith("hand-made") for f in asked(claim)), claim
    for toy in (*untrained.toys.values(), *untrained.deep.values()):
        assert any(f.subject.startswith(toy.name) for f in asked("0.1"))
    assert sum(f.verdict is SUPPORTED for f in asked("0.5")) == len(asked("0.5")) == 6


def test_figures_have_names_of_their_own_and_can_be_drawn(
    answers: dict[str, Answer], tmp_path: Path
) -> None:
    from viz import style

    figures = [figure for answer in answers.values() for figure in answer.figures]
    assert len({figure.name for figure in figures}) == len(figures) >= 9
    for figure in figures:
        svg, png = style.save(figure.draw(), tmp_path, figure.name)
        assert (
            figure.caption.endswith(".") and svg.stat().st_size > 2000 and png.stat().st_size > 2000
        )


def dead(task: str, norm: NormName, widths: tuple[int, ...], embed: int = 0) -> Toy:
    """A toy of which every weight is zero and every bias -1."""
    data = make(task, count=60)
    model = initialised(ModelConfig(widths=widths, norm=norm, embed_dim=embed).fitted_to(data), 1)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "layers" in name:
                values.fill_(-1.0 if name.endswith("bias") else 0.0)
    return Toy.of(f"dead {task} {norm}", model, data)


def test_degenerate_subjects_leave_claims_open_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, few in (
        (arcs_of_the_circle, "ENSEMBLE", 4),
        (cells_of_spheres, "SAMPLES", 100),
        (referee, "GRIDS", (3,)),
        (referee, "RANDOM", (10,)),
        (referee, "DIRECTIONS", (10,)),
    ):
        monkeypatch.setattr(module, name, few)
    norms: tuple[NormName, ...] = ("none", "layernorm", "rms")
    rng = np.random.default_rng(0)
    lives = block(rng.standard_normal((8, 6)).tolist(), [1] * 8)
    silent = block(np.zeros((8, 6)).tolist(), [-1] * 8)
    layers = (
        layer_of(lives, np.ones((4, 6))),
        layer_of(lives, np.ones((0, 6))),
        layer_of(silent, rng.standard_normal((5, 6))),
    )
    subjects = Subjects(
        {norm: dead("direction3", norm, (4,)) for norm in norms},
        {norm: dead("moons", norm, (5, 5), 0 if norm == "none" else 3) for norm in norms},
        {"layernorm": dead("direction4", "layernorm", (4,))},
        tuple(
            replace(layer, name=name)
            for name, layer in zip(("constant", "no text", "silent"), layers, strict=True)
        ),
    )
    answers = {question.claim: question.ask(subjects) for question in QUESTIONS}
    found = [f for answer in answers.values() for f in answer.findings]
    assert not any(f.is_alarm for f in found)
    assert all(bool(f.why) == (f.verdict is UNDECIDED) for f in found)
    of_the_net = ("text, random directions", "constant, random directions", "norm taken out")
    estimates = [
        f
        for f in found
        if f.kind is Kind.ESTIMATE
        and (f.subject.startswith("silent") or not any(part in f.subject for part in of_the_net))
    ]
    assert {f.verdict for f in estimates} == {UNDECIDED}
    reasons = " ".join(f.why for f in found)
    for said in (
        "every neuron of the first layer is constant; got 8 neurons",
        "vectors without a direction; got 4 of 4",
        "no vectors; got 0 of 0",
        "pairs of vectors of one direction; got 2 of 2",
        "no pairs of vectors",
        "no geodesic crosses a boundary",
        "fewer than two geodesics",
        "fewer than 5 cells",
        "segments without a length; got 2 of 2",
        "no segments",
        "no neuron flips on a segment",
        "only 4 nets",
    ):
        assert said in reasons, said
    undrawn = []
    for figure in (f for answer in answers.values() for f in answer.figures):
        try:
            figure.draw()
        except Degenerate:
            undrawn.append(figure.name)
    assert undrawn == ["sectors-moons", "ray-of-a-residual"]


def test_claims_about_a_toy_that_did_not_learn_are_left_open() -> None:
    toy = toy_of("layernorm", [[1, -1, 0], [1, 1, -2]], [1.0, 0.0])
    config = TrainConfig("direction3", ModelConfig(widths=(2,), norm="layernorm", embed_dim=0))
    result = replace(fit(replace(config, steps=1), progress=False), held_out_score=Score(2.0, 0.4))
    subjects = subjects_of({"layernorm": replace(toy, result=result)})
    assert [t.lacks.endswith("%") for t in subjects.trainings] == [True]
    for module in (monosemantic_directions, negligible_eps, neighbouring_maps):
        for finding in module.ask(subjects).findings:
            if finding.kind is not Kind.THEOREM:
                assert finding.verdict is UNDECIDED and "did not learn" in finding.why
    (own,) = (f for f in arcs_of_the_circle._of_toy(replace(toy, result=result)) if "did" in f.why)
    assert own.verdict is UNDECIDED


def test_a_toy_whose_training_diverges_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = {
        norm: TrainConfig(
            model=ModelConfig(widths=(3,), norm=norm), steps=9, learning_rate=rate, seed=4
        )
        for norm, rate in (("none", 1e30), ("layernorm", 1e-2))
    }
    monkeypatch.setattr(
        subjects_module,
        "_configs",
        lambda seed, device: {"toys": configs, "deep": {}, "spheres": {}},
    )
    monkeypatch.setattr(subjects_module, "_tiny_layers", lambda *_: ())
    found = prepare(tmp_path)
    assert list(found.toys) == ["layernorm"]
    first, last = found.trainings
    assert first.name == "moons (3), LayerNorm" and first.seed == 4
    assert last.name == "moons (3), no norm" and "diverged" in last.lacks


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Subjects, list[str]]:
    """The study's own subjects after a few steps of training, where they were written, and what was
    said meanwhile.
    """
    folder, said = tmp_path_factory.mktemp("prepared"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects_module, "LANGUAGE_STEPS", 2)
        patch.setattr(subjects_module, "STEPS", 3)
        return folder, prepare(folder, seed=1, progress=said.append), said


def test_subjects_are_trained_written_and_read_back(
    prepared: tuple[Path, Subjects, list[str]],
) -> None:
    folder, found, said = prepared
    assert len(said) == 8 + 1 + 3 and len(found.all_toys) == 8 and len(found.language) == 3
    toy, layer = found.deep["layernorm"], found.language[1]
    assert (
        toy.network.input_dim == 2
        and toy.block.input_dim == 3
        and toy.block.blocks[0].norm is not None
    )
    assert np.array_equal(
        toy.block.forward_float(toy.residuals), toy.network.forward_float(toy.inputs)
    )
    with torch.no_grad():
        outputs = toy.model(toy.dataset.inputs.float()).double().numpy()
    assert toy.network.forward_float(toy.inputs) == pytest.approx(outputs, abs=1e-4)
    assert (
        layer.network.widths == (256,)
        and layer.vectors.shape == (12_000, 64)
        and layer.folder.is_relative_to(folder)
    )
    trained = {
        f"{group}-{norm}" for group in ("toys", "deep") for norm in ("none", "layernorm", "rms")
    }
    written = {path.name for path in (folder / "models").iterdir()}
    assert written == {"tiny-gpt2", "spheres-layernorm-12", "spheres-layernorm-24", *trained}


def test_residuals_are_what_the_layer_reads(prepared: tuple[Path, Subjects, list[str]]) -> None:
    layer = prepared[1].language[2]
    model, kept = language.load(layer.folder), list[torch.Tensor]()
    text = language.standard_library_text()
    tokens = language.tokenise(text[-(len(text) // 10) :], layer.folder)[:64]
    model.transformer.h[2].ln_2.register_forward_pre_hook(
        lambda _, inputs: kept.append(inputs[0][0])
    )
    with torch.no_grad():
        model(input_ids=tokens[None])
    gaps = torch.cdist(layer.residuals, kept[0][4:]).amin(dim=0)
    assert (gaps < 1e-4).any() and torch.cdist(layer.residuals, kept[0][:4]).min() > 1e-3


def test_only_the_groups_that_are_asked_for_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects_module, "STEPS", 3)
    found = prepare(tmp_path, groups=("spheres",), seeds=7, quick=True)
    assert [toy.norm for toy in found.each] == ["layernorm"] * 2  # type: ignore[union-attr]
    assert (found.toys, found.deep, found.language, found.own) == ({}, {}, (), False)
    assert (found.nets(200), found.quick) == (7, True)
    names = {path.name for path in (tmp_path / "models").iterdir()}
    assert names == {"spheres-layernorm-12", "spheres-layernorm-24"}


def test_the_tiny_model_of_a_study_before_is_taken_over(
    prepared: tuple[Path, Subjects, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects_module, "LANGUAGE_STEPS", 2)
    monkeypatch.setattr(subjects_module, "SEQUENCES", 4)
    folder, before, _ = prepared
    said: list[str] = []
    layers = subjects_module._tiny_layers(tmp_path, 1, "cpu", said.append, 30, folder)
    assert said[0] == "taking over the tiny GPT-2 of the study before"
    assert [layer.network for layer in layers] == [layer.network for layer in before.language]
    assert layers[0].folder == tmp_path / "models" / "tiny-gpt2" and len(layers[0].vectors) == 30
    subjects_module._tiny_layers(tmp_path / "other", 2, "cpu", said.append, 30, folder)
    assert "training a tiny GPT-2 on the standard library's sources" in said


def test_an_ensemble_has_as_many_nets_as_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arcs_of_the_circle, "ENSEMBLE_WIDTHS", (4,))
    for options, count in (({"seeds": 3}, 3), ({"quick": True}, 5)):
        found = arcs_of_the_circle.ask(Subjects({}, {}, {}, (), **options))  # type: ignore[arg-type]
        assert [f.subject for f in found.findings] == [
            f"{count} untrained toys, 4 neurons, LayerNorm"
        ]


def test_real_weights_are_examined_beside_the_tiny_model(
    prepared: tuple[Path, Subjects, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found, _ = prepared
    monkeypatch.setattr(
        subjects_module, "_configs", lambda seed, device: {"toys": {}, "deep": {}, "spheres": {}}
    )
    monkeypatch.setattr(subjects_module, "_tiny_layers", lambda *_: found.language)
    both = prepare(tmp_path, gpt2=folder / "models" / "tiny-gpt2").language
    assert [layer.name for layer in both[3:]] == [f"tiny-gpt2, layer {k}" for k in (0, 1, 2)]
    assert [layer.network.sha256 for layer in both[3:]] == [
        layer.network.sha256 for layer in both[:3]
    ]


def test_a_missing_checkpoint_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such folder"):
        prepare(tmp_path, gpt2="no-such/model-anywhere")
    assert not any(tmp_path.iterdir())
