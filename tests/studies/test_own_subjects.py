"""Networks of one's own as subjects: modules, exact networks, runs and files; every question is
asked of those it fits, and of every other there is a word why not.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from exact import (
    GELU,
    Block,
    EngineDefect,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    ReLU,
    Undecided,
    Unsupported,
)
from exact.sources import tensors, torch_modules, weight_files
from studies import asking, own_subjects, study
from studies.finding import Answer, Figure, Verdict
from studies.question import Question
from studies.questions import CORE, QUESTIONS
from studies.statistics import Degenerate
from studies.subjects import LONGEST_NAME, LanguageLayer, Subject, Subjects, Toy
from toy_models import Dataset, ModelConfig, TrainConfig, checkpoints, datasets, fit, tasks
from toy_models.checkpoints import Provenance
from toy_models.models import initialised

RNG = np.random.default_rng(0)
ASK = {question.claim: question for question in CORE}


def rows(width: int, count: int = 40) -> Dataset:
    points = np.random.default_rng(1).standard_normal((count, width))
    return Dataset.of(points, np.arange(count) % 2, name="rows")


def module(width: int = 3, norm: bool = True) -> nn.Module:
    torch.manual_seed(0)
    front = [nn.LayerNorm(width)] if norm else []
    return nn.Sequential(*front, nn.Linear(width, 5), nn.ReLU(), nn.Linear(5, 2))


def network(width: int = 3, *, residual: bool = False, blocks: int = 1) -> Network:
    """Blocks behind LayerNorm, each with a hidden layer and back to `width`."""
    made = []
    for _ in range(blocks):
        head = Layer.of(RNG.normal(size=(4, width)), RNG.normal(size=4), ReLU())
        tail = Layer.of(RNG.normal(size=(width, 4)), RNG.normal(size=width))
        made.append(Block((head, tail), LayerNorm.of(1e-5, dim=width), residual))
    return Network(tuple(made))


# ---- subjects


def test_a_torch_module_is_a_subject() -> None:
    toy = Toy.of("my module", module(), rows(3))
    assert toy.network == toy.block == torch_modules.read(module())
    assert (toy.norm, toy.slug, toy.result) == ("layernorm", "my-module", None)
    assert Toy.of("without rows", module()).training is None
    assert np.array_equal(toy.residuals, toy.inputs)
    assert toy.shown(7)["data"].shape == (7, 3) and toy.shown(7)["classes"] == [0, 1] * 3 + [0]


def test_an_exact_network_is_a_subject_from_its_first_norm_on() -> None:
    plain = tensors.mlp([(RNG.normal(size=(3, 2)), None), (RNG.normal(size=(4, 3)), None)])
    whole = Network((*plain.blocks, *network(4).blocks))
    toy = Toy.of("mine", whole, rows(2))
    assert toy.model is whole and toy.block == network_of(whole, 1) and toy.norm == "layernorm"
    assert np.allclose(toy.block.forward_float(toy.residuals), whole.forward_float(toy.inputs))
    assert toy.shown(3, inputs=True)["data"].shape == (3, 2)
    without = Toy.of("mine", plain)
    assert without.norm == "none" and without.block == plain and without.shown(9) == {}
    goals = dataclasses.replace(rows(2), kind="regression", targets=torch.ones(40, 2))
    assert Toy.of("mine", plain, goals).shown(9)["classes"] is None


def network_of(whole: Network, start: int) -> Network:
    return whole.from_block(start)


def test_without_a_norm_the_block_starts_at_the_first_bend_or_skip() -> None:
    embed = Block((Layer.of(RNG.normal(size=(3, 2)), None),))
    bent = Block((Layer.of(RNG.normal(size=(3, 3)), None, ReLU()),))
    skip = Block((Layer.of(RNG.normal(size=(3, 3)), None),), residual=True)
    for blocks, start in (((embed, bent), 1), ((skip, bent), 0), ((bent, bent), 0), ((embed,), 0)):
        whole = Network(blocks)
        assert Toy.of("mine", whole).block == whole.from_block(start)
    config = ModelConfig((4, 4), "none", "residual", input_dim=3, output_dim=2)
    toy = Toy.of("residual", initialised(config, 0))
    assert toy.block == toy.network


def test_a_language_layer_says_where_relu_stands_for_another_activation() -> None:
    smooth = tensors.block(*([np.eye(4), None] * 2), norm="rms", activation=GELU())
    names = {network(4): "l", smooth: "l, ReLU for GELU"}
    for found, name in names.items():
        layer = LanguageLayer("l", 0, found, torch.ones(4, 4), Path("."))
        assert layer.relu_ised == (name, found.relu_ised())


BAD_TOYS: list[tuple[Any, Any, type[Exception], str]] = [
    (module(), rows(2), InvalidInput, "do not fit the network x; got rows of 2 .*rows of 3"),
    (module(), ([[1.0]], [0]), InvalidInput, "the data of x is not a Dataset"),
    (
        nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2)),
        rows(3),
        Unsupported,
        "unknown module; got 1: Tanh",
    ),
    (nn.ReLU(), None, Unsupported, "in front of the first Linear"),
    ("weights.pt", None, InvalidInput, "not a torch module; got str"),
]


@pytest.mark.parametrize(("model", "data", "kind", "message"), BAD_TOYS)
def test_what_cannot_be_a_subject_is_named(
    model: Any, data: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Toy.of("x", model, data)


def test_a_toy_without_data_says_so_when_they_are_asked_for() -> None:
    with pytest.raises(InvalidInput, match="there are no data for the network; got bare; give a D"):
        _ = Toy.of("bare", module()).inputs


def test_subjects_of_ones_own_are_sorted_by_depth() -> None:
    shallow, deep = Toy.of("a", module(), rows(3)), Toy.of("b", network(3, blocks=2), rows(3))
    layer = LanguageLayer("l", 0, network(6), torch.ones(4, 6), Path("."))
    found = Subjects.of(deep, layer, shallow, seed=3, quick=True)
    assert list(found.toys.values()) == [shallow] and list(found.deep.values()) == [deep]
    assert (found.language, found.spheres, found.own, found.seed) == ((layer,), {}, True, 3)
    assert found.each == (shallow, deep, layer)
    kept = found.only([layer, shallow])
    assert (kept.each, kept.own, kept.quick) == ((shallow, layer), True, True)


BAD_NAMES: list[tuple[tuple[Subject, ...], str]] = [
    ((), "there is nothing to ask"),
    ((Toy.of("a b", module()), Toy.of("A-b", module())), "two subjects have one name; got A-b"),
    ((Toy.of("", module()),), "cannot be called so; got ;"),
    ((Toy.of("...", module()),), "cannot be called so; got ..."),
    ((Toy.of("x" * (LONGEST_NAME + 1), module()),), "cannot be called so"),
]


@pytest.mark.parametrize(("given", "message"), BAD_NAMES)
def test_names_are_told_apart(given: tuple[Subject, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Subjects.of(*given)


def test_ensembles_have_as_many_nets_as_was_said() -> None:
    toy = Toy.of("a", module())
    assert Subjects.of(toy).nets(200) == 200
    assert Subjects.of(toy, quick=True).nets(200) == 5 and Subjects.of(toy, quick=True).nets(3) == 3
    assert Subjects.of(toy, quick=True, seeds=40).nets(200) == 40


# ---- which questions fit


def fitting(subject: Subject) -> set[str]:
    return {claim for claim, question in ASK.items() if question.fits(subject)}


def layer(norm: bool) -> LanguageLayer:
    found = network(6) if norm else tensors.mlp([(RNG.normal(size=(6, 6)), None)] * 2)
    return LanguageLayer("l", 0, found, torch.ones(4, 6), Path("."))


@pytest.mark.parametrize(
    ("subject", "claims"),
    [
        (Toy.of("x", module(3), rows(3)), {"0.1", "0.2", "0.4", "0.5", "0.6"}),
        (Toy.of("x", module(3)), {"0.1", "0.2", "0.5", "0.6"}),
        (Toy.of("x", module(4), rows(4)), {"0.1", "0.3", "0.4", "0.5", "0.6"}),
        (Toy.of("x", module(7), rows(7)), {"0.1", "0.3", "0.4", "0.5"}),
        (Toy.of("x", module(9), rows(9)), {"0.1", "0.4", "0.5"}),
        (Toy.of("x", module(2, norm=False), rows(2)), {"0.1", "0.6"}),
        (Toy.of("x", module(5, norm=False), rows(5)), {"0.1"}),
        (Toy.of("x", module(5, norm=False), rows(5, 40)._rows(slice(1))), {"0.1"}),
        # the length comes back behind a skip: no theorem about directions
        (Toy.of("x", network(3, residual=True, blocks=2)), set()),
        (Toy.of("x", network(3, residual=True, blocks=2), rows(3)), {"0.1b", "0.4"}),
        (Toy.of("x", network(3, residual=True)), {"0.1", "0.2", "0.5", "0.6"}),
        (Toy.of("x", network(3, blocks=2)), {"0.1", "0.6"}),
        (layer(True), {"0.1", "0.3", "0.4", "0.5", "0.6", "referee"}),
        (layer(False), {"referee"}),
    ],
)
def test_a_question_knows_what_it_fits(subject: Subject, claims: set[str]) -> None:
    assert fitting(subject) == claims


def test_every_question_says_what_it_looks_at_and_needs() -> None:
    for question in QUESTIONS:
        assert question.needs and set(question.groups) <= {"toys", "deep", "spheres", "language"}


def test_only_some_questions_are_chosen() -> None:
    assert asking.chosen(QUESTIONS, None) == QUESTIONS
    assert [q.claim for q in asking.chosen(QUESTIONS, " 0.4,0.1 ")] == ["0.1", "0.4"]
    for wrong in ("9.9", "", "0.1,", "0.1;0.2"):
        with pytest.raises(InvalidInput, match=r"no question on the claim; .* 0.1, 0.1b, 0.2"):
            asking.chosen(QUESTIONS, wrong)


# ---- asking


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """All questions on several networks, without ensembles."""
    given = Subjects.of(
        Toy.of("three", module(3), rows(3)),
        Toy.of("four", module(4), rows(4)),
        Toy.of("plane", module(2, norm=False), rows(2)),
        Toy.of("bare", module(3)),
        Toy.of("stack", network(3, residual=True, blocks=2), rows(3)),
    )
    return {question.claim: asking.answer(question, given) for question in CORE}


def test_nothing_vanishes(answers: dict[str, Answer]) -> None:
    names = {"three", "four", "plane", "bare", "stack"}
    for claim, found in answers.items():
        told = {f.subject.split(",")[0].split(" ")[0] for f in found.findings}
        assert told == names, claim
        for finding in found.findings:
            left_out = finding.value == "not asked"
            fits = finding.subject.split(",")[0]
            if left_out:
                assert finding.verdict is Verdict.UNDECIDED and finding.claim == claim
                assert finding.why == f"needs {ASK[claim].needs}" and fits in names
        assert not any(finding.is_alarm for finding in found.findings)
    left = {
        claim: {f.subject for f in found.findings if f.value == "not asked"}
        for claim, found in answers.items()
    }
    assert left == {
        "0.1": {"stack"},
        "0.1b": {"three", "four", "plane", "bare"},
        "0.2": {"four", "plane", "stack"},
        "0.3": {"three", "plane", "bare", "stack"},
        "0.4": {"plane", "bare"},
        "0.5": {"plane", "stack"},
        "0.6": {"stack"},
        "referee": names,
        "instruments": names,
    }


def test_figures_of_several_networks_have_names_of_their_own(answers: dict[str, Answer]) -> None:
    names = [figure.name for found in answers.values() for figure in found.figures]
    assert len(set(names)) == len(names)
    assert {"arcs-three", "arcs-bare", "globe-four", "polytopes-plane", "layer-norm-three"} <= set(
        names
    )
    drawn = next(f for f in answers["0.2"].figures if f.name == "arcs-bare")
    assert drawn.draw() is not None, "without data there are no dots, and all the rest"


def subjects(*names: str) -> Subjects:
    return Subjects.of(*(Toy.of(name, module(), rows(3)) for name in names))


def question(ask: Callable[[Subjects], Answer], **more: Any) -> Question:
    return Question("9.9", "A title", ask, **more)


def one(found: Subjects) -> Answer:
    """A finding and a figure for each toy; refused by those whose name says so."""
    findings = []
    for toy in found.all_toys:
        if toy.name == "refused":
            raise Unsupported("cannot", value=toy.name, remedy="take another")
        if toy.name == "defect":
            raise EngineDefect("ours", value=toy.name, remedy="tell us")
        findings.append(question(one).not_asked(toy.name, "asked"))
    return Answer(tuple(findings), (Figure("same", "A caption.", lambda: None),))  # type: ignore[arg-type,return-value]


def test_a_refusal_concerns_one_subject() -> None:
    found = asking.answer(question(one), subjects("a", "refused", "b"))
    assert [(f.subject, f.why) for f in found.findings] == [
        ("a", "asked"),
        ("refused", "cannot; got refused; take another"),
        ("b", "asked"),
    ]
    assert [figure.name for figure in found.figures] == ["same-1", "same-3"]
    alone = asking.answer(question(one), subjects("refused"))
    assert [f.why for f in alone.findings] == ["cannot; got refused; take another"]
    assert not alone.figures
    whole = asking.answer(question(one), subjects("a", "b"))
    assert [figure.name for figure in whole.figures] == ["same"]


def test_a_defect_and_the_studys_own_subjects_go_on() -> None:
    with pytest.raises(EngineDefect):
        asking.answer(question(one), subjects("a", "defect"))
    theirs = dataclasses.replace(subjects("a", "refused"), own=False)
    with pytest.raises(Unsupported):
        asking.answer(question(one), theirs)


def test_a_refusal_of_an_added_model_loses_nothing_of_the_studys_own() -> None:
    def ask(given: Subjects) -> Answer:
        if any(layer.is_given for layer in given.language):
            raise Unsupported("not of this kind", value="theirs", remedy="take another")
        return Answer(tuple(question(one).not_asked(layer.name, "asked") for layer in given.each))

    network = subjects("a").all_toys[0].network
    ours, theirs = (
        LanguageLayer(name, 0, network, torch.zeros(3, 3), Path(), is_given=name == "theirs")
        for name in ("ours", "theirs")
    )
    asked = dataclasses.replace(question(one), ask=ask)
    both = dataclasses.replace(subjects("a"), own=False, language=(ours, theirs))
    assert [(f.subject, f.why) for f in asking.answer(asked, both).findings] == [
        ("a", "asked"),
        ("ours", "asked"),
        ("theirs", "not of this kind; got theirs; take another"),
    ]


def test_a_figure_may_be_refused() -> None:
    def refuses(kind: type[Exception]) -> Figure:
        def draw() -> Any:
            raise kind("no room", value="1", remedy="less")  # type: ignore[call-arg]

        return Figure("wide", "A caption.", draw)

    given = subjects("a")
    theirs = dataclasses.replace(given, own=False)
    assert asking.drawn(refuses(Undecided), given) == "no room; got 1; less"
    for some in (given, theirs):
        assert asking.drawn(refuses(Degenerate), some) == "no room; got 1; less"
        with pytest.raises(EngineDefect):
            asking.drawn(refuses(EngineDefect), some)
    with pytest.raises(Undecided):
        asking.drawn(refuses(Undecided), theirs)


def test_a_figure_that_is_refused_is_told_of(tmp_path: Path) -> None:
    def refused() -> Any:
        raise Unsupported("no such figure", value="of this", remedy="another")

    def asks(found: Subjects) -> Answer:
        return dataclasses.replace(one(found), figures=(Figure("wide", "A caption.", refused),))

    result = study.run(
        "mine", root=tmp_path, questions=[question(asks)], prepare=lambda *_, **__: subjects("a")
    )
    assert not result.sections[0].pictures
    assert "no such figure; got of this; another" in result.page.read_text()


def test_a_study_of_ones_own_in_a_few_lines(tmp_path: Path) -> None:
    given = Subjects.of(Toy.of("mine", module(), rows(3)))
    result = study.run(
        "mine",
        root=tmp_path,
        questions=[ASK["0.5"], question(one, fits=lambda _: False, needs="a miracle")],
        prepare=lambda folder, **options: given,
    )
    assert [(f.claim, f.subject, f.why) for f in result.findings] == [
        ("0.5", "mine", ""),
        ("9.9", "mine", "needs a miracle"),
    ]
    assert "needs a miracle" in result.page.read_text()


# ---- by name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Runs of a task, of own data, of a network with and without rows; and a file of weights."""
    config = TrainConfig(steps=3, samples=30, model=ModelConfig((4,), "layernorm"))
    runs = tmp_path / "runs"
    for name, dataset in (("moons", None), ("own", rows(3))):
        result = fit(config, dataset=dataset, progress=False)
        kept = None if dataset is None else result.dataset
        checkpoints.save(runs, name, result.model, Provenance.of(result), dataset=kept)
    checkpoints.save(runs, "net", network(3), dataset=rows(3))
    checkpoints.save(runs, "bare", network(3))
    weight_files.write(tmp_path / "file.safetensors", network(3))
    (tmp_path / "rows.npz").write_bytes(rows(3, 12).to_bytes())
    return runs


def prepared(root: Path, *on: str, **options: Any) -> Subjects:
    return own_subjects.prepare(root, on=on, root=root, **options)


def test_runs_and_files_are_read_with_their_rows(root: Path) -> None:
    said: list[str] = []
    file = str(root.parent / "file.safetensors")
    found = prepared(
        root, "moons", "own", str(root / "net"), "bare", file, seed=4, progress=said.append
    )
    assert [toy.name for toy in found.each] == ["moons", "own", "net", "bare", "file.safetensors"]
    assert said == [f"reading {name}" for name in ("moons", "own", root / "net", "bare", file)]
    counts = [0 if toy.dataset is None else len(toy.dataset) for toy in found.all_toys]
    assert counts == [30, 40, 40, 0, 0]
    assert found.own and found.seed == 4
    moons = found.all_toys[0]
    assert moons.block.input_dim == 3 and moons.network.input_dim == 2


def test_rows_are_given_to_those_that_have_none(root: Path) -> None:
    found = prepared(root, "own", "bare", data=root.parent / "rows.npz")
    assert [len(toy.rows) for toy in found.all_toys] == [40, 12]


@pytest.mark.parametrize(
    ("on", "options", "message"),
    [
        (["nosuch"], {}, "there is no run or checkpoint of that name; got nosuch"),
        (["moons", "moons/"], {}, "two subjects have one name; got moons"),
        (["model.pt"], {}, "a pickle can run any code"),
        (["gpt2:nowhere"], {}, "nowhere"),
        (["gpt2:"], {}, "--on names nothing; got 'gpt2:'"),
        ([""], {}, "--on names nothing; got ''"),
        (["tiny"], {}, "holds a language model; got tiny; write --on gpt2:tiny"),
        (["bare"], {"data": Path("nosuch.npz")}, r"is no \.npz; got nosuch\.npz"),
    ],
)
def test_what_is_not_there_is_named(
    root: Path, on: list[str], options: dict[str, Any], message: str, monkeypatch: Any
) -> None:
    monkeypatch.chdir(root)
    Path("tiny").mkdir()
    Path("tiny/config.json").write_text("{}")
    with pytest.raises(InvalidInput, match=message):
        prepared(Path("."), *on, **options)


def test_rows_that_do_not_fit_are_named(root: Path) -> None:
    (root.parent / "rows.npz").write_bytes(rows(2).to_bytes())
    with pytest.raises(InvalidInput, match="do not fit the network bare; got rows of 2 numbers"):
        prepared(root, "bare", data=root.parent / "rows.npz")


@pytest.mark.parametrize("claim", ["referee", "instruments"])
def test_nets_that_a_user_did_not_give_are_not_asked(claim: str) -> None:
    given = Subjects.of(Toy.of("mine", module(), rows(3)))
    assert ASK[claim].ask(given).findings == ()
    (left,) = asking.answer(ASK[claim], given).findings
    assert (left.subject, left.value) == ("mine", "not asked")
    if claim == "referee":
        assert "over at least 10 segments" in left.rule  # as the layers it needs have


def test_the_eps_of_ones_own_network_is_swept() -> None:
    labelled = module()
    with torch.no_grad():
        labelled[-1].bias[0] += 0.35  # about half of the rows on either side
        said = labelled.double()(rows(3).inputs).argmax(dim=1)
    assert said.bincount().min() > 10
    learned = Toy.of("mine", labelled.float(), dataclasses.replace(rows(3), targets=said))
    (sweep,) = (
        figure
        for figure in ASK["0.4"].ask(Subjects.of(learned)).figures
        if figure.name == "eps-swept"
    )
    assert [len(ax.lines) > 0 for ax in sweep.draw().axes] == [True, True]
    unlearned = Toy.of("mine", module(), dataclasses.replace(rows(3), targets=1 - said))
    for figure in ASK["0.4"].ask(Subjects.of(unlearned)).figures:
        with pytest.raises(Degenerate):
            figure.draw()


# ---- the page


def test_the_examples_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "your-own.md").read_text()
    known = dict(tasks._KNOWN)
    monkeypatch.setattr(tasks, "_KNOWN", known)
    monkeypatch.setattr(tasks, "TASKS", known)
    monkeypatch.chdir(tmp_path)
    printed = []
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, {})
        printed.append(capsys.readouterr().out)
    assert len(printed) == 3
    assert float(printed[0]) > 0.9
    assert printed[1].startswith("['holds (checks the code)']")
    assert printed[2].split("\n")[:2] == [
        "(256,)",
        "torch.Size([3, 64, 256]) torch.Size([3, 64, 256])",
    ]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"my-study", "mine", "tiny-rms"}
    assert weight_files.read("mine.safetensors") == checkpoints.load("runs/mine").network
    named = set(re.findall(r"^\| `([a-z]+)` \| \(", page, re.MULTILINE))
    assert named == set(datasets.ARRAYS)
    assert all(f"`{name}`" in page for name in tasks._BUILT_IN)
