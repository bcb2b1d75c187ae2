"""Every question outside of the core on small subjects, on ones that are dead, and on a user's own:
what it finds fits table and report, nothing vanishes, and its figures can be drawn.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from exact import GELU
from exact.sources import tensors
from studies import asking
from studies.finding import Answer, Verdict
from studies.question import Question
from studies.questions import CORE, QUESTIONS
from studies.questions.boundaries import three_activations
from studies.questions.shared import nets
from studies.subjects import LanguageLayer, Subjects, Toy
from toy_models import ModelConfig, make
from toy_models.inception import InceptionConfig
from toy_models.models import NormName, initialised

NAMELESS = re.compile(
    r"(^|: |; )-?\d[\d.e+-]*%?( \[[^]]*\]| exactly| \(no interval\))?( over|[;,]|$)"
)
"""A number in a value of which nothing says what it is."""
OTHERS = [question for question in QUESTIONS if question not in CORE]
TINY = InceptionConfig(classes=10, width=1 / 32, input_channels=1, resolution=33)
NORMS: tuple[NormName, ...] = ("none", "layernorm", "rms")


def toy(task: str, norm: NormName, widths: tuple[int, ...], embed: int = 0) -> Toy:
    """A small toy that was never trained, on the classes that it tells apart itself."""
    data = make(task, count=80)
    config = ModelConfig(widths=widths, norm=norm, embed_dim=embed).fitted_to(data)
    model = initialised(config, 1)
    with torch.no_grad():
        last = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)][-1]
        last.bias -= model(data.inputs.float()).median(dim=0).values
        data = replace(data, targets=model(data.inputs.float()).argmax(dim=1))
    return Toy.of(f"{task} {norm}", model, data)


def dead(alive: Toy) -> Toy:
    """The same with every weight behind the norm zero and every bias -1."""
    model = alive.model
    assert isinstance(model, torch.nn.Module)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "layers" in name:
                values.fill_(-1.0 if name.endswith("bias") else 0.0)
    return Toy.of(f"dead {alive.name}", model, alive.dataset)


def layer(weight: np.ndarray, name: str, rows: int) -> LanguageLayer:
    """An MLP layer of width 6 on `rows` residuals, with tokens."""
    rng = np.random.default_rng(0)
    network = tensors.block(
        weight,
        rng.standard_normal(8),
        rng.standard_normal((6, 8)),
        rng.standard_normal(6),
        norm="layernorm",
        activation=GELU("tanh"),
    )
    vectors, tokens = rng.standard_normal((rows, 6)), rng.integers(0, 3, (rows, 2))
    found = LanguageLayer(name, 0, network, torch.tensor(vectors), Path("."))
    places = torch.arange(rows)
    return replace(
        found,
        sequences=places // 4,
        positions=places % 4,
        tokens=torch.tensor(tokens),
        untrained=found,
    )


def subjects(*, alive: bool) -> Subjects:
    """Subjects of every kind, living ones or dead ones."""
    groups = {
        "toys": {norm: toy("direction3", norm, (4,)) for norm in NORMS},
        "deep": {norm: toy("moons", norm, (5, 5), 0 if norm == "none" else 3) for norm in NORMS},
        "spheres": {"layernorm": toy("direction4", "layernorm", (4,))},
    }
    weight = np.random.default_rng(1).standard_normal((8, 6))
    layers: tuple[LanguageLayer, ...] = (layer(weight, "hand-made", 40),)
    if not alive:
        groups = {
            name: {norm: dead(one) for norm, one in group.items()} for name, group in groups.items()
        }
        layers = (layer(0 * weight, "silent", 40), layer(weight, "no text", 0))
    return Subjects(**groups, language=layers, seeds=2, quick=True)


def asked(question: Question, given: Subjects) -> Answer:
    """What it finds with hardly any training, each finding looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nets, "STEPS", 20)
        patch.setattr(three_activations, "SHAPE", TINY)
        for name, value in (("EPOCHS_QUICK", 1), ("MAP_LINES", 4), ("GRID", 48), ("LINES", 1)):
            patch.setattr(three_activations, name, value)
        answer = asking.answer(question, given)
    findings = answer.findings
    assert findings and len({(f.statement, f.subject) for f in findings}) == len(findings)
    made = {(c.statement, c.kind, c.rule.text) for c in question.claims}
    for one in findings:
        assert one.claim == question.claim and isinstance(one.verdict, Verdict)
        assert 0 < len(one.value) <= 160 and 0 < len(one.subject) <= 80
        assert not NAMELESS.search(one.value), one.value
        assert bool(one.why) == (one.verdict is Verdict.UNDECIDED)
        assert not one.is_alarm and (one.statement, one.kind, one.rule) in made
        json.dumps(one.values(), allow_nan=False)
    return answer


def drawn(answer: Answer, given: Subjects, folder: Path) -> None:
    """Every figure, or why there is none."""
    from viz import style

    assert len({figure.name for figure in answer.figures}) == len(answer.figures)
    for figure in answer.figures:
        canvas = asking.drawn(figure, given)
        assert figure.caption.endswith(".")
        if not isinstance(canvas, str):
            svg, png, _ = style.save(canvas, folder, figure.name)
            assert svg.stat().st_size > 2000 and png.stat().st_size > 2000


@pytest.mark.parametrize("question", OTHERS, ids=lambda one: one.claim)
def test_a_question_on_small_subjects(question: Question, tmp_path: Path) -> None:
    given = subjects(alive=True)
    answer = asked(question, given)
    assert answer.figures
    drawn(answer, given, tmp_path)


@pytest.mark.parametrize("question", OTHERS, ids=lambda one: one.claim)
def test_a_question_on_dead_subjects(question: Question, tmp_path: Path) -> None:
    given = subjects(alive=False)
    drawn(asked(question, given), given, tmp_path)


@pytest.mark.parametrize("question", OTHERS, ids=lambda one: one.claim)
def test_a_question_on_a_users_own(question: Question) -> None:
    module, own = torch.nn.Linear(2, 3), np.random.default_rng(2).standard_normal((5, 2))
    net = torch.nn.Sequential(module, torch.nn.ReLU(), torch.nn.Linear(3, 2))
    bare = tensors.mlp([(own, own[:, 0]), (own.T, own[:2, 1])])
    given = Subjects.of(
        Toy.of("mine", net, make("moons", count=60)),
        Toy.of("no data", bare),
        layer(np.random.default_rng(1).standard_normal((8, 6)), "a layer", 40),
        quick=True,
        seeds=2,
    )
    findings = asked(question, given).findings
    for name in ("mine", "no data", "a layer"):
        assert any(one.subject.startswith(name) for one in findings), name


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.claim)
def test_a_question_says_what_it_asks_and_how(question: Question) -> None:
    assert question.title and question.claims and question.needs
    assert set(question.groups) <= {"toys", "deep", "spheres", "language"}


@pytest.mark.parametrize("question", OTHERS, ids=lambda one: one.claim)
def test_a_question_tells_the_report_whose_claim_it_is(question: Question) -> None:
    assert question.text is not None and question.asked.endswith((".", "?"))
    assert question.controls.endswith(".")


IN_RULES = {
    r"[Uu]ntrained|before training": r"untrained|before training",
    r"at random\b|permuted": r"at random|random|permuted|chance",
    r"one class": r"one class|same classes",
}
"""A control by its words, and how a rule or a claim that uses it says so."""


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.claim)
def test_a_control_is_in_a_rule_or_is_told_only(question: Question) -> None:
    said = " ".join(f"{one.statement} {one.rule.text}" for one in question.claims)
    for control, rule in IN_RULES.items():
        if re.search(control, question.controls):
            assert re.search(rule, said), f"{control} is in no rule of {question.claim}"
    assert not question.beside or question.beside.endswith(".")
