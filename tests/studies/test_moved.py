"""Two runs of a study side by side: what moved, what stayed, and what only one of them has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exact import InvalidInput
from studies import cli, storage
from studies.finding import Finding, Kind, Ruling, Verdict
from studies.moved import Comparison, Verdicts
from studies.study import FORMAT

ESTIMATE, CENSUS, THEOREM = Kind.ESTIMATE, Kind.CENSUS, Kind.THEOREM
SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED


def study(root: Path, name: str, seed: int, told: dict[str, tuple[Kind, Verdict]]) -> None:
    """A run that says this of its subjects."""
    found = [
        Finding(
            "9.9",
            "A | statement.",
            subject,
            kind,
            Ruling("a rule", verdict, "too few" if verdict is UNDECIDED else ""),
            f"value {seed}",
        ).values()
        for subject, (kind, verdict) in told.items()
    ]
    (root / name).mkdir(parents=True)
    values: dict[str, Any] = {"format": FORMAT, "provenance": {"seed": seed}}
    storage.write(root / name / "results.json", {**values, "questions": [{"findings": found}]})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    study(
        tmp_path,
        "study",
        0,
        {
            "stays": (ESTIMATE, SUPPORTED),
            "turns": (ESTIMATE, SUPPORTED),
            "opens": (CENSUS, REFUTED),
            "holds": (THEOREM, SUPPORTED),
            "early": (ESTIMATE, REFUTED),
        },
    )
    study(
        tmp_path,
        "study-1",
        1,
        {
            "late": (ESTIMATE, REFUTED),
            "holds": (THEOREM, SUPPORTED),
            "opens": (CENSUS, UNDECIDED),
            "turns": (ESTIMATE, REFUTED),
            "stays": (ESTIMATE, SUPPORTED),
        },
    )
    return tmp_path


def test_what_moved_and_what_stayed(root: Path) -> None:
    found = Comparison(*(Verdicts.read(name, root) for name in ("study", "study-1")))
    assert [subject for _, _, subject in found.moved] == ["turns", "opens"]
    assert [found.counts(kind) for kind in (ESTIMATE, CENSUS, THEOREM)] == [
        (1, 1, 0),
        (0, 0, 1),
        (1, 0, 0),
    ]
    assert [key[2] for key in found.alone(found.first)] == ["early"]
    assert [key[2] for key in found.alone(found.second)] == ["late"]


def test_the_page_has_every_finding_that_differs(root: Path) -> None:
    found = Comparison(*(Verdicts.read(name, root) for name in ("study", "study-1")))
    lines = found.markdown.splitlines()
    assert "study (seed 0) against study-1 (seed 1): of 4 verdicts 2 stayed and 2 moved." in lines
    start = r"| 9.9 | A \| statement. | "
    assert f"{start}turns | **supported**: value 0 | **refuted**: value 1 |" in lines
    assert f"{start}opens | **fails in this net**: value 0 | **left open**: too few |" in lines
    assert f"{start}late | refuted |" in lines and f"{start}early | refuted |" in lines
    assert not any("stays" in line or "holds" in line for line in lines)
    same = Comparison(found.first, found.first).markdown
    assert "of 5 verdicts 5 stayed and 0 moved." in same and "## " not in same


def test_the_command_prints_and_writes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = root / "moved.md"
    line = ["moved", "study", "study-1", "--root", str(root), "--out", str(page)]
    assert cli.run(line) == 0
    assert page.read_text() == capsys.readouterr().out
    assert cli.run([*line[:3], "--root", str(root), "--out", str(root / "moved.txt")]) == 2
    assert "unknown suffix" in capsys.readouterr().err
    assert cli.run(["moved", "study", "study-2", "--root", str(root)]) == 2
    assert "there is no study of that name; got study-2" in capsys.readouterr().err
    by_path = ["moved", str(root / "study"), str(root / "study-1")]
    assert cli.run(by_path) == 0


def test_results_of_another_format_are_refused(root: Path) -> None:
    (root / "old").mkdir()
    storage.write(root / "old" / "results.json", {"format": "exactlens-study-1"})
    with pytest.raises(InvalidInput, match="another format"):
        Verdicts.read("old", root)


def test_two_runs_of_one_seed_are_told_to_be(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["moved", "study", "study", "--root", str(root)]) == 0
    shown = capsys.readouterr()
    warning = "Warning: both runs have the seed 0, so that"
    assert shown.err.startswith(warning) and warning in shown.out
    assert cli.run(["moved", "study", "study-1", "--root", str(root)]) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and "Warning" not in shown.out
