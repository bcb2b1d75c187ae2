"""A question of a user's own: the example of the documentation runs as it stands there, and what is
no question is refused by name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studies import cli
from studies.questions import QUESTIONS

DOCS = Path(__file__).parents[2] / "docs" / "studies.md"


def test_the_page_lists_every_question_there_is() -> None:
    line = r"^\| ([^|]+?) \| ([^|]+?)(?: \(core\))? \| `([^`]+)` \|"
    rows = re.findall(line, DOCS.read_text(), re.MULTILINE)
    known = [
        (one.claim, one.title, one.file.removeprefix("studies/questions/")) for one in QUESTIONS
    ]
    assert rows == known


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the example as mine.py."""
    (source,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("mine", "fine"):
        sys.modules.pop(name, None)


def test_the_example_of_the_documentation_is_a_study(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "--question", "mine:QUESTION", "--seeds", "3", "--quick"]
    assert cli.run(words) == 0
    folder = here / "runs" / "study-part"
    values = json.loads((folder / "results.json").read_text())
    (question,) = values["questions"]
    (finding,) = question["findings"]
    assert finding["verdict"] == "undecided" and finding["why"].startswith("only ")
    counts = finding["data"]["untrained"]["by_seed_float"]
    assert len(counts) == 3 and all(count > 1 for count in counts.values())
    page = (folder / "report" / "index.html").read_text()
    assert "<title>Does training make polytopes fewer?</title>" in page
    assert "What LayerNorm does" not in page
    assert "Is a trained net simpler" in page and "--question mine:QUESTION" in page
    assert (folder / "report" / "code" / "mine.py").read_text() == (here / "mine.py").read_text()
    assert (folder / "figures" / "polytopes-by-training.pdf").is_file()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("mine", "--question does not name a Question"),
        ("mine:ask", "has something that is no Question; got mine:ask"),
        ("mine:NOTHING", "has no such Question"),
        ("nowhere:QUESTION", "there is no module of that name"),
    ],
)
def test_what_is_no_question_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], named: str, said: str
) -> None:
    assert cli.run(["study", "--question", named]) == 2
    assert said in capsys.readouterr().err
    assert not (here / "runs").exists()


# ---- questions that fail


BROKEN = {
    "raises": ("return len(partition(network, Box(-2, 2, dim=2)))", "return [][network.input_dim]"),
    "answers nothing": ("return Answer((finding,), (figure,))", "return None"),
    "draws nothing": (
        'lambda: forest(rows, "Polytopes by training", "circles, 8-8", "polytopes")',
        "lambda: 1 / 0",
    ),
    "is degenerate": (
        "arms = ensemble(",
        "raise Degenerate('no', value=0, remedy='more')\n    arms = (",
    ),
    "misuses the rule": ("        difference,\n", "        difference,\n        difference,\n"),
}


def broken(here: Path, how: str) -> list[str]:
    """mine.py with a mistake, and the command that asks it beside another of the user's."""
    source = (here / "mine.py").read_text()
    (here / "fine.py").write_text(source.replace('"mine"', '"fine"').replace("polytopes-", "fine-"))
    old, new = BROKEN[how]
    assert old in source
    more = "from studies.statistics import Degenerate\n"
    (here / "mine.py").write_text(
        source.replace(old, new).replace("import numpy", f"{more}import numpy")
    )
    named = ["--question", "mine:QUESTION", "--question", "fine:QUESTION"]
    return ["study", *named, "--seeds", "3", "--quick"]


@pytest.mark.parametrize(
    ("how", "said", "line"),
    [
        ("raises", "IndexError: list index out of range", "return [][network.input_dim]"),
        ("answers nothing", "InvalidInput: a question returns no Answer; got None", ""),
        ("draws nothing", "ZeroDivisionError: division by zero", "lambda: 1 / 0"),
        ("misuses the rule", "judges another number of estimates", "finding = FEWER.finding("),
    ],
)
def test_a_mistake_in_a_question_is_one_line_and_loses_nothing_else(
    here: Path, capsys: pytest.CaptureFixture[str], how: str, said: str, line: str
) -> None:
    assert cli.run(broken(here, how)) == 6
    shown = capsys.readouterr()
    (told,) = shown.err.splitlines()
    assert told.startswith("error: question mine of the module mine fails: ") and said in told
    assert "Traceback" not in shown.err + shown.out
    number = int(re.findall(r"mine\.py, line (\d+)", told)[0])
    written = (here / "mine.py").read_text().splitlines()
    assert (line or "def ask(") in written[number - 1] and line in told
    folder = here / "runs" / "study-part"
    page = (folder / "report" / "index.html").read_text()
    assert "<title>2 questions of your own</title>" in page
    log = (folder / "failures.log").read_text()
    assert "Traceback (most recent call last)" in log and "failures.log" in told
    mine, fine = json.loads((folder / "results.json").read_text())["questions"]
    assert fine["findings"][0]["value"].startswith("polytopes, trained minus untrained ")
    (finding,) = mine["findings"]
    assert finding["verdict"] == "undecided"
    if how == "draws nothing":
        assert said in mine["not_drawn"][0]["why"]
    else:
        assert finding["why"].startswith("the question fails: ") and said in finding["why"]
    assert said in page.replace("&#39;", "'")
    assert (folder / "figures" / "fine-by-training.pdf").is_file()


def test_a_degenerate_question_is_undecided(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(broken(here, "is degenerate")) == 0
    assert capsys.readouterr().err == ""
    folder = here / "runs" / "study-part"
    mine, _ = json.loads((folder / "results.json").read_text())["questions"]
    (finding,) = mine["findings"]
    assert finding["verdict"] == "undecided" and finding["why"] == "no; got 0; more"
    assert not (folder / "failures.log").exists()
