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
    sys.modules.pop("mine", None)


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
