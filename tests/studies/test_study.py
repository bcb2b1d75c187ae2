"""A study appears whole or not at all, says what it found in four places alike, and keeps times out
of its digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exact import InvalidInput, Network
from exact.sources import tensors
from studies import cli, study
from studies.finding import Answer, Figure, Finding, Kind, Ruling, Verdict
from studies.question import Question
from studies.statistics import Degenerate
from studies.training import Fit, Training
from studies.when_asked import WhenAsked
from viz import style


@dataclass(frozen=True)
class Toy:
    name: str
    network: Network


@dataclass(frozen=True)
class Subjects:
    """A stand-in for what `studies.subjects.prepare` returns."""

    seed: int
    all_toys: tuple[Toy, ...] = field(
        default_factory=lambda: (Toy("a toy", tensors.mlp([([[1]], [0]), ([[1]], [0])])),)
    )
    language: tuple[Toy, ...] = ()
    own: bool = False
    trainings: tuple[Training, ...] = (
        Training("a toy", 0, Fit(0.5, 0.75, None), Fit(0.6, 0.7, None)),
    )


def prepare(
    folder: Path, *, seed: int, device: str, gpt2: str | None, progress: Callable[[str], None]
) -> Any:
    progress("training a toy")
    (folder / "models").mkdir()
    (folder / "models" / "toy.txt").write_text(f"{seed} {device} {gpt2}")
    return Subjects(seed)


def line() -> Any:
    figure, ax = style.figure(3, 2)
    ax.plot(np.arange(3))
    return figure


def supported(subjects: Any) -> Answer:
    ruling = Ruling("a rule", Verdict.SUPPORTED)
    told = f"seed {subjects.seed}"
    found = finding("0.1", Kind.ESTIMATE, ruling, told, {"exact": "1/3"})
    return Answer((found,), (Figure("line", "A line", line),))


def finding(claim: str, kind: Kind, ruling: Ruling, value: str, data: Any = None) -> Finding:
    return Finding(claim, "A statement", "a toy", kind, ruling, value, data or {})


def refuted(subjects: Any) -> Answer:
    ruling = Ruling("a rule", Verdict.REFUTED)
    return Answer((finding("0.2", Kind.ESTIMATE, ruling, "<b>never</b>"),))


def open_theorems(subjects: Any, verdict: Verdict = Verdict.SUPPORTED) -> Answer:
    ruling = Ruling("a theorem", verdict)
    why = Ruling("a rule", Verdict.UNDECIDED, "only 4 nets")
    return Answer(
        (
            finding("0.3", Kind.THEOREM, ruling, "4 cells"),
            finding("0.3", Kind.CENSUS, Ruling("a rule", Verdict.REFUTED), "5 cells"),
            finding("0.3", Kind.ESTIMATE, why, "6 cells"),
        )
    )


QUESTIONS = (
    Question("0.1", "The first question", supported),
    Question("0.2", "The second question", refuted),
)


def run(
    root: Path, name: str = "study", questions: tuple[Question, ...] = QUESTIONS, **options: Any
) -> study.StudyResult:
    return study.run(name, root=root, questions=questions, prepare=prepare, **options)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_study_writes_figures_numbers_and_the_report(tmp_path: Path) -> None:
    result = run(tmp_path / "runs", seed=7, gpt2="some/folder")
    folder = tmp_path / "runs" / "study"
    assert files(folder) == {
        "figures/line.svg",
        "figures/line.png",
        "figures/line.pdf",
        "report/code/test_study.py",
        "results.json",
        "report/index.html",
        "models/toy.txt",
    }
    assert (folder / "models/toy.txt").read_text() == "7 cpu some/folder"
    assert result.folder == folder
    assert result.page.read_text().startswith("<!doctype html>")
    assert [
        picture.svg.is_file() for section in result.sections for picture in section.pictures
    ] == [True]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["study"]


def test_the_same_findings_are_in_the_table_the_numbers_and_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path, seed=7)
    printed, page = capsys.readouterr().out, result.page.read_text()
    values = json.loads((result.folder / "results.json").read_text())
    written = [finding for question in values["questions"] for finding in question["findings"]]
    assert (
        [finding["value"] for finding in written]
        == ["seed 7", "<b>never</b>"]
        == [f.value for f in result.findings]
    )
    assert [finding["verdict"] for finding in written] == ["supported", "refuted"]
    assert written[0]["data"] == {"exact": "1/3"}
    for text in (
        "seed 7",
        "<b>never</b>",
        "✓ supported",
        "✗ refuted",
        "estimate: 1 supported, 1 refuted",
        f"report: {result.page}",
    ):
        assert text in printed
    assert "&lt;b&gt;never&lt;/b&gt;" in page
    assert "seed 7" in page


def test_kinds_are_apart_in_what_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path, questions=(*QUESTIONS, Question("0.3", "Third", open_theorems)))
    printed = capsys.readouterr().out
    assert "estimate: 1 supported, 1 refuted, 1 undecided" in printed
    assert "census:   1 fails in this net" in printed
    assert "theorem:  1 holds (checks the code)" in printed
    assert "6 cells; only 4 nets" in printed and "5 findings" not in printed
    values = json.loads((result.folder / "results.json").read_text())
    assert values["verdicts"] == {
        "theorem": {"supported": 1, "refuted": 0, "undecided": 0},
        "census": {"supported": 0, "refuted": 1, "undecided": 0},
        "estimate": {"supported": 1, "refuted": 1, "undecided": 1},
    }
    third = values["questions"][2]["findings"]
    assert [finding["kind"] for finding in third] == ["theorem", "census", "estimate"]
    assert [finding["why"] for finding in third] == ["", "", "only 4 nets"]
    assert result.alarms == () and "ALARM" not in printed


def test_a_figure_of_a_degenerate_subject_is_told_of(tmp_path: Path) -> None:
    def fails() -> Any:
        raise Degenerate("no vectors", value=0, remedy="take a longer text")

    def asked(subjects: Any) -> Answer:
        return Answer(supported(subjects).findings, (Figure("empty", "No line", fails),))

    result = run(tmp_path, questions=(Question("0.1", "The first question", asked),))
    assert "figures/empty.svg" not in files(result.folder)
    (question,) = json.loads((result.folder / "results.json").read_text())["questions"]
    assert question["not_drawn"] == [
        {"name": "empty", "why": "no vectors; got 0; take a longer text"}
    ]
    assert "empty is not drawn: no vectors; got 0; take a longer text" in result.page.read_text()


def test_how_the_toys_learned_is_written_and_shown(tmp_path: Path) -> None:
    result = run(tmp_path)
    (toy,) = json.loads((result.folder / "results.json").read_text())["trainings"]
    assert toy["held_out"] == {"loss_float": 0.6, "accuracy_float": 0.7, "r_squared_float": None}
    assert (toy["name"], toy["seed"]) == ("a toy", 0)
    assert toy["lacks"] == "did not learn: training accuracy 75.0%"
    assert "did not learn: training accuracy 75.0%" in result.page.read_text()


def test_a_theorem_that_fails_is_an_alarm_and_the_report_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = Question("0.3", "Third", partial(open_theorems, verdict=Verdict.REFUTED))
    result = run(tmp_path, questions=(*QUESTIONS, fails))
    assert [alarm.value for alarm in result.alarms] == ["4 cells"]
    assert "ALARM: a theorem fails, the code is wrong: 0.3 a toy" in capsys.readouterr().out
    assert 'role="alert"' in result.page.read_text()


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.SUPPORTED, 0), (Verdict.REFUTED, 5), (Verdict.UNDECIDED, 0)]
)
def test_the_exit_code_tells_of_a_theorem_that_fails_and_of_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: Verdict, code: int
) -> None:
    asked = (*QUESTIONS, Question("0.3", "Third", partial(open_theorems, verdict=verdict)))
    monkeypatch.setattr(study, "_own", lambda *_: (asked, prepare))
    assert cli.run(["study", "--out", str(tmp_path)]) == code


def test_every_step_is_shown_with_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path)
    steps = [row.split(" s  ")[1] for row in capsys.readouterr().out.splitlines() if " s  " in row]
    expected = [
        "loading",
        "training a toy",
        "0.1 The first question",
        "0.1 drawing line",
        "0.2 The second question",
    ]
    assert steps == expected


def test_times_are_outside_the_digest(tmp_path: Path) -> None:
    first, second, other = (
        run(tmp_path, name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    values = [
        json.loads((result.folder / "results.json").read_text())
        for result in (first, second, other)
    ]
    digests = [value["questions_sha256"] for value in values]
    assert digests[0] == digests[1] != digests[2]
    assert [value["provenance"]["seed"] for value in values] == [1, 1, 2]
    assert values[0]["provenance"]["networks"] == {"a toy": Subjects(0).all_toys[0].network.sha256}
    assert "started_at" in values[0]
    assert "started_at" not in values[0]["provenance"]


def test_only_the_default_study_is_replaced_without_force(tmp_path: Path) -> None:
    run(tmp_path, seed=1)
    assert run(tmp_path, seed=2).findings[0].value == "seed 2"
    assert "seed 2" in (tmp_path / "study" / "results.json").read_text()
    run(tmp_path, "mine", seed=1)
    with pytest.raises(InvalidInput, match="exists already"):
        run(tmp_path, "mine", seed=2)
    assert "seed 1" in (tmp_path / "mine" / "results.json").read_text()
    assert run(tmp_path, "mine", seed=2, force=True).findings[0].value == "seed 2"
    assert {path.name for path in tmp_path.iterdir()} == {"study", "mine"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("checkpoint.json", "{}"),
        ("results.json", "[]"),
        ("results.json", "{"),
        ("results.json", '{"format": "mine"}'),
        ("notes.txt", "precious"),
    ],
)
def test_a_default_name_takes_the_place_of_studies_alone(
    tmp_path: Path, name: str, content: str
) -> None:
    place = tmp_path / "study-part" / name
    place.parent.mkdir()
    place.write_text(content)
    with pytest.raises(InvalidInput, match=r"exists already|not a run of ours"):
        run(tmp_path, "study-part")
    assert place.read_text() == content


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": -1}, "seed is not an integer or out of its range; got -1"),
        ({"seed": 10**23}, "seed is not an integer or out of its range"),
        ({"device": "tpu"}, "unknown or absent device; got 'tpu'"),
    ],
)
def test_a_seed_or_device_that_there_is_not_is_refused_at_once(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        run(tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists()


def test_what_needs_no_language_model_is_answered_and_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def layers() -> tuple[Toy, ...]:
        asked.append("trained")
        return Subjects(0).all_toys[:0]

    def answered(claim: str) -> Callable[[Any], Answer]:
        def ask(_: Any) -> Answer:
            asked.append(claim)
            ruling = Ruling("a rule", Verdict.SUPPORTED)
            return Answer((finding(claim, Kind.ESTIMATE, ruling, "1"),))

        return ask

    questions = (
        Question("0.1", "With layers", answered("0.1"), groups=("toys", "language")),
        Question("0.2", "Without", answered("0.2"), groups=("toys",)),
    )
    lazy = replace(Subjects(0), language=WhenAsked(layers))  # type: ignore[arg-type]
    result = study.run("x", root=tmp_path, questions=questions, prepare=lambda *_, **__: lazy)
    assert asked == ["0.2", "trained", "0.1"]
    assert [section.claim for section in result.sections] == ["0.1", "0.2"]
    out = capsys.readouterr().out
    assert out.index("0.2: 1 supported") < out.index("0.1 With layers")


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), KeyboardInterrupt()])
def test_a_failing_question_leaves_the_old_study_and_nothing_else(
    tmp_path: Path, failure: BaseException
) -> None:
    def fails(_: Any) -> Answer:
        raise failure

    run(tmp_path, seed=1)
    before = (tmp_path / "study" / "results.json").read_bytes()
    with pytest.raises(type(failure)):
        run(tmp_path, questions=(*QUESTIONS, Question("0.3", "It fails", fails)))
    assert (tmp_path / "study" / "results.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
    with pytest.raises(type(failure)):
        run(tmp_path / "new", questions=(Question("0.3", "It fails", fails),))
    assert not (tmp_path / "new").exists()


def test_two_figures_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two figures are called line"):
        run(tmp_path, questions=(QUESTIONS[0], Question("0.9", "Again", supported)))
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_json_cannot_hold_is_an_error(tmp_path: Path) -> None:
    def not_a_number(_: Any) -> Answer:
        return Answer(
            (
                finding(
                    "0.1",
                    Kind.ESTIMATE,
                    Ruling("r", Verdict.SUPPORTED),
                    "v",
                    {"x_float": float("nan")},
                ),
            )
        )

    with pytest.raises(ValueError, match="JSON"):
        run(tmp_path, questions=(Question("0.1", "NaN", not_a_number),))
    assert list(tmp_path.iterdir()) == []


def test_the_studies_own_questions_and_subjects_are_the_default() -> None:
    from studies import questions, subjects

    steps = study._Steps(study._console(), study.Progress(disable=True))
    assert study._own(steps, None, None) == (questions.CORE, subjects.prepare)
    assert (
        len({question.claim for question in questions.QUESTIONS}) == len(questions.QUESTIONS) >= 6
    )


# ---- going on where a run was cut off


def asked_once(asked: list[str], claim: str, *, fails: bool = False) -> Question:
    """A question that notes when it is asked, and fails if it is told to."""

    def ask(subjects: Any) -> Answer:
        asked.append(claim)
        if fails:
            raise RuntimeError("cut off")
        ruling = Ruling("a rule", Verdict.SUPPORTED)
        found = finding(claim, Kind.ESTIMATE, ruling, "3", {"x": [1, "2/3", None]})
        return Answer((found,), (Figure(f"line-{claim}", "A line.", line),))

    return Question(claim, f"Question {claim}", ask)


def cut_off(root: Path, asked: list[str], **options: Any) -> None:
    """A run of three questions that ends in the third."""
    three = [asked_once(asked, claim, fails=claim == "0.3") for claim in ("0.1", "0.2", "0.3")]
    with pytest.raises(RuntimeError, match="cut off"):
        run(root, questions=tuple(three), resumes=True, **options)


def test_a_long_study_goes_on_where_it_was_cut_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    cut_off(tmp_path, asked)
    assert asked == ["0.1", "0.2", "0.3"] and not (tmp_path / "study").exists()
    again = tuple(asked_once(asked, claim) for claim in ("0.1", "0.2", "0.3"))
    gone_on = run(tmp_path, questions=again, resumes=True)
    assert asked[3:] == ["0.3"]
    assert "0.2 taken over from the run that was cut off" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
    whole = run(tmp_path / "whole", questions=again)
    assert gone_on.findings == whole.findings
    for name in ("line-0.1.svg", "line-0.2.pdf"):
        figures = [one.folder / "figures" / name for one in (gone_on, whole)]
        assert figures[0].read_bytes() == figures[1].read_bytes()


def test_other_options_and_damaged_sections_are_asked_anew(tmp_path: Path) -> None:
    asked: list[str] = []
    cut_off(tmp_path, asked)
    for written in tmp_path.glob(".study.kept/*/*/section.json"):
        if "line-0.1" in written.read_text():
            written.write_text(written.read_text()[:-9])
    for picture in tmp_path.glob(".study.kept/*/*/line-0.2.png"):
        picture.unlink()
    cut_off(tmp_path, asked)
    assert asked == ["0.1", "0.2", "0.3"] * 2
    cut_off(tmp_path, asked, told={"quick": True})
    assert asked == ["0.1", "0.2", "0.3"] * 3
    cut_off(tmp_path, asked, told={"quick": True})
    assert asked == [*["0.1", "0.2", "0.3"] * 3, "0.3"]


def test_a_study_that_does_not_resume_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cut off"):
        run(tmp_path, questions=(asked_once([], "0.1"), asked_once([], "0.2", fails=True)))
    assert not list(tmp_path.iterdir())


def test_a_training_without_a_finite_loss_loses_no_report(tmp_path: Path) -> None:
    nan = Training("a net", 0, Fit(float("nan"), 0.95, None), Fit(float("inf"), None, -1e999))

    def given(folder: Path, **_: Any) -> Any:
        return replace(Subjects(0), trainings=(nan,))

    result = study.run(root=tmp_path, questions=QUESTIONS, prepare=given)
    values = json.loads((result.folder / "results.json").read_text())
    (told,) = values["trainings"]
    assert told["training"]["loss_float"] is None and told["held_out"]["r_squared_float"] is None
    assert told["lacks"] == "did not learn: training loss is not finite"
    assert len(values["questions"]) == 2 and told["lacks"] in result.page.read_text()
