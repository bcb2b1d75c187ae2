"""What a question of a user's own is held to: that it is one when it is loaded, has a number of its
own, and answers with findings of its own claims that can be written down.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exact import InvalidInput
from studies import cli, failures, own_questions, study
from studies.finding import Answer, Figure, Kind, Ruling, Verdict
from studies.own_questions import checked, require_distinct
from studies.question import Question, Text
from studies.rules import Claim, above
from studies.sections import _asked, sections_of
from studies.statistics import Estimate

FIRST, SECOND, OTHER = (
    Claim(number, f"Statement {number}.", Kind.ESTIMATE, above(0, "x", least=1))
    for number in ("a", "b", "c")
)
ONE = Estimate(1.0, (0.5, 1.5), 30)


def answers(*findings: Any, figures: Any = ()) -> Callable[[Any], Answer]:
    return lambda _: Answer(findings, figures)


NOTHING = answers()


def question(ask: Callable[[Any], Any] = NOTHING, **fields: Any) -> Question:
    return Question(
        **{"claim": "own", "title": "T?", "ask": ask, "claims": (FIRST, SECOND)} | fields
    )


def figure(name: str) -> Figure:
    return Figure(name, "A caption.", lambda: None)  # type: ignore[arg-type, return-value]


class Nobody:
    """Subjects for questions that look at none."""

    own = False
    language = ()


def test_claims_without_a_finding_are_open_and_say_so() -> None:
    found = checked(question(), Answer((SECOND.finding("s", ONE),)))
    told = [(one.claim, one.subject, one.verdict, one.why) for one in found.findings]
    assert told == [("b", "s", Verdict.SUPPORTED, ""), ("a", "-", Verdict.UNDECIDED, "no finding")]
    assert [one.claim for one in checked(question(), Answer(())).findings] == ["a", "b"]


GOOD = FIRST.finding("s", ONE)
FORGED = Ruling("supported iff I say so", Verdict.SUPPORTED)
WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (None, "returns no Answer"),
    "a finding that is none": (Answer(("x",)), "the findings of an answer"),  # type: ignore[arg-type]
    "a bare finding": (Answer(GOOD), "the findings of an answer"),  # type: ignore[arg-type]
    "a figure that is none": (Answer((GOOD,), ("x",)), "the figures of an answer"),  # type: ignore[arg-type]
    "two figures of one name": (Answer((GOOD,), (figure("x"), figure("x"))), "one name; got x"),
    "a figure outside": (Answer((GOOD,), (figure("../x"),)), "cannot be called so; got '../x'"),
    "a figure without a name": (Answer((GOOD,), (figure(""),)), "cannot be called so; got ''"),
    "an array": (Answer((FIRST.finding("s", ONE, data={"a": np.arange(3)}),)), "JSON"),  # type: ignore[dict-item]
    "a set": (Answer((FIRST.finding("s", ONE, data={"a": {1, 2}}),)), "JSON"),  # type: ignore[dict-item]
    "keys of two types": (Answer((FIRST.finding("s", ONE, data={1: 2, "a": 3}),)), "JSON"),  # type: ignore[dict-item]
    "not a number": (Answer((FIRST.finding("s", ONE, data={"a_float": np.nan}),)), "JSON"),
    "half a character": (Answer((replace(GOOD, subject="\ud800"),)), "field of another type"),
    "half of one in data": (Answer((replace(GOOD, data={"a": "\ud800"}),)), "JSON"),
    "no ruling": (Answer((replace(GOOD, ruling="supported"),)), "field of another type"),  # type: ignore[arg-type]
    "a forged rule": (Answer((replace(GOOD, ruling=FORGED),)), "no claim of its question"),
    "a foreign claim": (Answer((OTHER.finding("s", ONE),)), "no claim of its question"),
    "another statement": (Answer((replace(GOOD, statement="More."),)), "no claim of its question"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_answer_is_refused_by_name(how: str) -> None:
    answer, said = WRONG[how]
    with pytest.raises(InvalidInput) as failure:
        checked(question(), answer)
    assert said in str(failure.value)


def failing(tmp_path: Path, one: Question) -> Any:
    (section,) = sections_of([replace(one, own=True)], Nobody(), tmp_path, lambda _: None)  # type: ignore[arg-type]
    return section


def test_a_wrong_answer_is_a_failure_of_its_question_and_no_more(tmp_path: Path) -> None:
    section = failing(tmp_path, question(answers(replace(GOOD, ruling=FORGED))))
    (failure,) = section.failures
    assert "no claim of its question" in failure.told
    assert {one.verdict for one in section.findings} == {Verdict.UNDECIDED}


def test_an_exit_is_a_mistake_of_the_question(tmp_path: Path) -> None:
    section = failing(tmp_path, question(lambda _: sys.exit(0)))
    assert [one.raised for one in section.failures] == ["SystemExit: 0"]
    drawn = Figure("x", "A caption.", lambda: sys.exit(3))
    section = failing(tmp_path, question(answers(GOOD, figures=(drawn,))))
    assert [one.raised for one in section.failures] == ["SystemExit: 3"]
    assert section.findings[0] == GOOD and section.undrawn[0][0] == "x"


def test_an_error_that_no_file_can_hold_is_written_all_the_same(tmp_path: Path) -> None:
    def ask(_: Any) -> Answer:
        raise ValueError("half \ud800 of one")

    section = failing(tmp_path, question(ask))
    (failure,) = section.failures
    assert failure.raised == r"ValueError: half \ud800 of one"
    json.dumps([one.values() for one in section.findings], ensure_ascii=False).encode()
    failures.write([failure], tmp_path)
    assert r"half \ud800 of one" in (tmp_path / failures.LOG).read_text()


def test_a_figure_named_as_one_of_ours_is_a_failure_of_the_users(tmp_path: Path) -> None:
    taken = Figure("arcs", "A caption.", lambda: sys.exit(3))
    shipped = Question("0.1", "Ours", lambda _: Answer((), (figure("arcs"),)))
    own = question(answers(GOOD, figures=(taken,)), own=True)
    assert study.soonest([own, shipped]) == [shipped, own]
    section = _asked(own, Nobody(), tmp_path, lambda _: None, {"arcs": "0.1"})  # type: ignore[arg-type]
    assert "two figures are called arcs" in section.failures[0].told and section.findings[0] == GOOD


# ---- loading


def test_two_questions_of_one_number_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    def prepare(*_: Any, **__: Any) -> Any:
        raise AssertionError("trained")

    both = (question(), question(title="Another?"))
    with pytest.raises(InvalidInput, match="two questions have one claim number; got 'own' in "):
        study.run(root=tmp_path, questions=both, prepare=prepare)
    assert not list(tmp_path.iterdir())
    require_distinct((question(), question(claim="another")))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Write a module with a question, and name it."""
    monkeypatch.chdir(tmp_path)
    head = (
        "from studies.question import Question\nfrom studies.finding import Answer, Kind\n"
        "from studies.rules import Claim, above\n"
        "CLAIMS = (Claim('n', 'S.', Kind.ESTIMATE, above(0, 'x')),)\n"
        "def ask(subjects): return Answer(())\n"
    )

    def write(line: str) -> str:
        (tmp_path / "loaded_here.py").write_text(f"{head}Q = {line}\n")
        return "loaded_here:Q"

    yield write
    sys.modules.pop("loaded_here", None)


def test_a_number_that_is_taken_is_bad_input(
    module: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = module("Question('0.5', 'Mine?', ask, CLAIMS, groups=())")
    assert cli.run(["study", "--only", "0.5,1.12", "--question", named, "--quick"]) == 2
    assert "two questions have one claim number; got '0.5' in " in capsys.readouterr().err
    assert cli.run(["study", "--question", named, "--question", named]) == 2
    assert "two questions have one claim number" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Question(5, 'T', ask, CLAIMS)", "claim of the question"),
        ("Question('n', 7, ask, CLAIMS)", "title of the question"),
        ("Question('n', ' ', ask, CLAIMS)", "title of the question"),
        ("Question('n', 'T', 5, CLAIMS)", "ask of the question"),
        ("Question('n', 'T', ask, ('notaclaim',))", "claims of the question"),
        ("Question('n', 'T', ask, ())", "claims of the question"),
        ("Question('n', 'T', ask, CLAIMS, groups=('nosuch',))", "groups of the question"),
        ("Question('n', 'T', ask, CLAIMS, groups='toys')", "groups of the question"),
        ("Question('n', 'T', ask, CLAIMS, fits=3)", "fits of the question"),
        ("Question('n', 'T', ask, CLAIMS, text='a text')", "text of the question"),
        ("Question('n', 'T', ask, CLAIMS, asked='\\ud800')", "asked of the question"),
    ],
)
def test_a_question_with_a_field_of_another_type_is_refused(
    module: Callable[[str], str], line: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as failure:
        own_questions.loaded(module(line))
    assert said in str(failure.value)


def test_a_question_that_is_one_is_loaded_as_the_users(module: Callable[[str], str]) -> None:
    found = own_questions.loaded(module("Question('n', 'T', ask, CLAIMS, groups=())"))
    assert found.own and isinstance(found.claims[0], Claim) and found.groups == ()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//host", 5])
def test_a_text_is_read_on_the_web_or_has_no_address(address: Any) -> None:
    with pytest.raises(InvalidInput, match="http"):
        Text("Title", "Authors", address)
    assert Text("Title", "Authors").address == ""
    assert Text("Title", "Authors", "https://example.org/a").address.startswith("https")


def test_some_questions_and_all_of_them_are_not_both_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["study", "--only", "0.2", "--all"]) == 2
    assert "--only 0.2 --all; write one of the two" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_exit_codes_of_a_study_are_told_where_one_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["study", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    for text in (shown, readme):
        codes = text[text.index("Exit codes: 0 done") :][:700]
        assert "6 a question of your own fails" in codes and "130 interrupted" in codes
