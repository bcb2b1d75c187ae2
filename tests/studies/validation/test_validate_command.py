"""`exactlens validate`: tables as it goes, one's own method in the same table, a line a mistake."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from exact import InvalidInput, MissingExtra
from exact.geometry.combinatorics.tables import require_library
from studies import cli
from studies.commands import validate
from studies.commands.validate import chosen
from studies.methods import METHODS, QUANTITIES, Method, interface
from studies.validation import judge, results
from studies.validation.population import Scope
from studies.validation.results import Settings, read_rows, table, write_rows

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "validate.md").read_text("utf-8")
OWN = """
from studies.methods import MethodEstimate, method

@method("code_count", unit="points", budgets=(3, 30))
def half_right(network, domain, budget, rng):
    return MethodEstimate(budget / 2, (0, budget), budget)

@method("code_count")
def hopeless(network, domain, budget, rng):
    raise ValueError("no idea")

def plain(network, domain, budget, rng):
    return MethodEstimate(float("nan"))

plain.quantity = "code_count"
nameless = lambda network, domain, budget, rng: None
number = 7

class Nested:
    deep = half_right
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[[str], Outcome]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Run a command line on two seeds in one dimension, in a folder with methods of one's own."""
    few = Scope((0, 1), (1,), steps=2)
    monkeypatch.setattr(Scope, "full", lambda: few)
    monkeypatch.setattr(Scope, "quick", lambda: few)
    monkeypatch.chdir(tmp_path)
    for name in ("own_methods", "broken_methods"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "own_methods.py").write_text(OWN)

    def run(line: str) -> Outcome:
        capfd.readouterr()
        return Outcome(cli.run(["validate", *shlex.split(line)]), *capfd.readouterr())

    return run


def columns(path: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = require_library("pyarrow.parquet").read_table(path).to_pydict()
    return found


def test_a_method_of_ones_own_is_judged_beside_ours(call: Call, tmp_path: Path) -> None:
    line = "--method own_methods:half_right --method montufar_bound --out there"
    found = call(line)
    assert found.code == 0, found.err
    there = tmp_path / "there"
    assert {path.name for path in there.iterdir()} >= {
        "rows.parquet",
        "scores.parquet",
        "decisions.parquet",
        "settings.json",
        "errors.svg",
        "errors.png",
        "index.html",
    }
    assert not (there / "parts").exists() and not (there / ".validation.lock").exists()
    rows = read_rows(there / "rows.parquet")
    # four kinds, two seeds, two arms; two budgets and one
    assert len(rows) == 16 * 3 and all(row.is_ok for row in rows)
    own = [row for row in rows if row.method == "half_right"]
    assert {(row.budget, row.value, row.low, row.high) for row in own} == {
        (3, 1.5, 0, 3),
        (30, 15, 0, 30),
    }
    assert all(row.error == row.value - row.truth for row in own)
    assert "half_right" in found.out and "48 estimates" in found.out
    page = (there / "index.html").read_text()
    assert "half_right" in page and "data:image/svg+xml" in page and "<script" not in page
    scores = columns(there / "scores.parquet")
    assert {"bias", "rmse", "spearman", "coverage", "passes", "seconds"} <= set(scores)
    assert "trained &gt; untrained" in page
    settings = json.loads((there / "settings.json").read_text())
    assert settings["methods"]["half_right"]["quantity"] == "code_count"


def test_bad_methods_have_rows_and_are_listed(call: Call, tmp_path: Path) -> None:
    line = "--method own_methods:hopeless --method own_methods:plain --budget 5 --out there"
    found = call(line)
    assert found.code == 0
    rows = read_rows(tmp_path / "there" / "rows.parquet")
    assert {row.outcome for row in rows} == {
        "raised: ValueError: no idea",
        "nonsense: the value is not finite: nan",
    }
    assert "0 estimates, and 32 times there is none: 16 nonsense, 16 raised" in found.out
    assert "hopeless: raised: ValueError: no idea" in found.out
    assert "raised: ValueError: no idea" in (tmp_path / "there" / "index.html").read_text()
    assert not (tmp_path / "there" / "errors.svg").exists()


def test_an_interrupted_call_is_gone_on_with(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, written = "--method serra_bound --out there", results.write_rows

    def interrupted(path: Path, rows: Any) -> None:
        if "rms" in path.name:
            raise KeyboardInterrupt
        written(path, rows)

    monkeypatch.setattr(results, "write_rows", interrupted)
    assert call(line).code == 130
    parts = sorted(path.name for path in (tmp_path / "there" / "parts").iterdir())
    assert len(parts) == 6 and parts[0] == "box-none-1-seed-0.parquet"
    monkeypatch.setattr(results, "write_rows", written)
    trained = results.population
    asked: list[tuple[str, list[int]]] = []

    def watched(kind: Any, seeds: Any, steps: int) -> Any:
        asked.append((kind.name, list(seeds)))
        return trained(kind, seeds, steps)

    monkeypatch.setattr(results, "population", watched)
    assert call(line).code == 0
    assert [pair for pair in asked if pair[1]] == [("sphere-rms-1", [0, 1])]
    assert len(read_rows(tmp_path / "there" / "rows.parquet")) == 16
    monkeypatch.setattr(results, "judge", None)  # nothing is judged again
    assert call(line).code == 0


def test_another_validation_in_the_folder_is_refused_or_replaced(
    call: Call, tmp_path: Path
) -> None:
    assert call("--method serra_bound --out there").code == 0
    other = call("--method montufar_bound --out there")
    assert other.code == 2 and "--force" in other.err and other.err.count("\n") == 1
    (tmp_path / "own_methods.py").write_text(OWN.replace("budget / 2", "budget / 3"))
    assert call("--method montufar_bound --out there --force").code == 0
    rows = read_rows(tmp_path / "there" / "rows.parquet")
    assert {row.method for row in rows} == {"montufar_bound"}


def test_a_changed_function_is_another_method(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Method("one", "code_count", function) for function in (test_scopes, call))
    shas = [
        Settings((m,), Scope.full()).values()["methods"]["one"]["sha256"] for m in (first, second)
    ]
    assert shas[0] != shas[1]
    builtin = Method("one", "code_count", max)  # type: ignore[arg-type]
    assert Settings((builtin,), Scope.full()).values()["methods"]["one"]["sha256"] == ""


def test_scopes(call: Call, tmp_path: Path) -> None:
    assert call("--quick --method E4 --budget 2,9 --out there").code == 0
    rows = read_rows(tmp_path / "there" / "rows.parquet")
    assert {row.budget for row in rows} == {2, 9} and {row.label for row in rows} == {
        "same",
        "different",
    }
    compared = columns(tmp_path / "there" / "decisions.parquet")["comparison"]
    assert set(compared) == {"trained > untrained", "LayerNorm < none", "different > same class"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--method nothing", "there is no such method; got nothing; write package:function, or"),
        ("--method no_module:f", "there is no module of that name for --method; got no_module"),
        ("--method own_methods:f", "no such function; got own_methods:f; define f in own_methods"),
        ("--method :f", "--method does not name a function; got ':f'; write --method package"),
        ("--method .x:f", "--method does not name a function; got '.x:f'"),
        ("--method own_methods:", "--method does not name a function"),
        ("--method own_methods:nameless", "does not say which quantity it estimates"),
        ("--method own_methods:number", "does not say which quantity it estimates"),
        ("--method E5 --budget 0", "a budget is not positive; got [0]"),
        ("--method E5 --budget many", "--budget has an entry that is not an integer"),
        (
            "--method own_methods:half_right --method own_methods:Nested.deep",
            "two methods have one",
        ),
        ("--out file --method E5", "the folder is a file"),
        ("--out full --method E5", "the folder is no validation"),
    ],
)
def test_a_mistake_is_one_line_and_no_folder(
    call: Call, tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    found = call(line)
    assert found.code == 2 and said in found.err and found.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that"),
        ("raise ValueError('first\\nsecond')", "ValueError: first second; try it"),
        ("def f(:", "SyntaxError: "),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(
    call: Call, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "broken_methods.py").write_text(text)
    found = call("--method broken_methods:f")
    assert found.code == 2 and found.err.count("\n") == 1
    assert f"cannot be imported; got broken_methods: {said}" in found.err


def test_a_damaged_part_is_judged_anew(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, there = "--method serra_bound --out there", tmp_path / "there"
    written = results.write_rows

    def interrupted(path: Path, rows: Any) -> None:
        if path.name == "rows.parquet":
            raise KeyboardInterrupt
        written(path, rows)

    monkeypatch.setattr(results, "write_rows", interrupted)
    assert call(line).code == 130
    part = there / "parts" / "box-none-1-seed-0.parquet"
    part.write_bytes(part.read_bytes()[:50])
    monkeypatch.setattr(results, "write_rows", written)
    assert call(line).code == 0
    whole = [repr(replace(row, seconds=0, referee_seconds=0)) for row in rows_of(there)]
    for content in (b"PAR1", b"", b"not parquet"):
        (there / "rows.parquet").write_bytes(content)
        assert call(line).code == 0
        again = [repr(replace(row, seconds=0, referee_seconds=0)) for row in rows_of(there)]
        assert again == whole


def rows_of(folder: Path) -> list[Any]:
    return read_rows(folder / "rows.parquet")


@pytest.mark.parametrize("content", [b"", b"{", b"[[[", b"\xff"])
def test_damaged_settings_are_those_of_no_validation(
    call: Call, tmp_path: Path, content: bytes
) -> None:
    line = "--method serra_bound --out there"
    assert call(line).code == 0
    (tmp_path / "there" / "settings.json").write_bytes(content)
    found = call(line)
    assert found.code == 2 and "--force" in found.err and found.err.count("\n") == 1
    assert call(f"{line} --force").code == 0


def test_a_method_may_change_the_folder_where_it_runs(call: Call, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    moving = OWN.replace(
        "    return MethodEstimate(budget / 2",
        f"""    import os
    os.chdir({str(tmp_path / "elsewhere")!r})
    return MethodEstimate(budget / 2""",
    )
    (tmp_path / "own_methods.py").write_text(moving)
    found = call("--method own_methods:half_right --budget 4 --out there")
    assert found.code == 0 and (tmp_path / "there" / "index.html").is_file()
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_outcomes_that_are_not_listed_are_counted(call: Call, tmp_path: Path) -> None:
    many = OWN.replace('"no idea")', 'f"no idea {rng.random()}")')
    (tmp_path / "own_methods.py").write_text(many)
    found = call("--method own_methods:hopeless --budget 4 --out there")
    assert "and 4 more outcomes, in the report" in found.out


def test_what_is_done_is_told_now_and_then_where_there_is_no_bar(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validate, "EVERY", 0)
    found = call("--method serra_bound --out there")
    assert "8 of 8 pairs of nets: sphere-rms-1, seed 1" in found.err
    monkeypatch.setattr(validate, "EVERY", 1e9)
    assert call("--method serra_bound --out other").err == ""


def test_a_narrow_terminal_has_whole_headers(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "console", lambda **_: Console(width=60))
    found = call("--method own_methods:half_right --out there")
    assert "covers" in found.out and "verdicts" in found.out and "…" not in found.out


def test_a_number_stands_for_its_methods_and_no_name_for_all() -> None:
    assert chosen([]) == METHODS
    assert [m.name for m in chosen(["E11"])] == ["montufar_bound", "serra_bound"]
    assert [m.name for m in chosen(["E4", "E4"])] == ["endpoint_hamming"]


@pytest.mark.needs("sklearn")
def test_clustering_is_chosen_where_it_can_run() -> None:
    assert [m.name for m in chosen(["E10"])] == ["hdbscan_clusters"]


def test_clustering_by_name_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingExtra, match=r"needs a library that is not installed"):
        chosen(["E10"])


def test_a_method_needs_a_quantity_with_a_referee() -> None:
    with pytest.raises(InvalidInput, match="no referee; got happiness; write one of code_count"):
        interface.method("happiness")(lambda *_: None)  # type: ignore[arg-type, return-value]


def test_rows_survive_their_file(tmp_path: Path) -> None:
    rows = validate_rows()
    write_rows(tmp_path / "a.parquet", rows)
    found = read_rows(tmp_path / "a.parquet")
    assert [repr(row) for row in found] == [repr(row) for row in rows]
    write_rows(tmp_path / "b.parquet", [])
    assert read_rows(tmp_path / "b.parquet") == [] and table([]) == {}


def validate_rows() -> list[Any]:
    from studies.validation.judge import Row

    names = ("code_count", "m", "E0", "points", 3, "box", "none", 2)
    return [
        Row(*names, False, 0, 0, "", "ok", 1.5, 2.0, -0.5, passes=7),
        Row(*names, True, 0, 0, "same", "raised: it"),
    ]


def blocks(language: str) -> list[str]:
    """The fenced blocks of docs/validate.md in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_method_of_the_page_runs(call: Call, tmp_path: Path) -> None:
    (source,) = blocks("python")
    (tmp_path / "of_the_page.py").write_text(source)
    found = call("--method of_the_page:twice_the_codes --out there")
    assert found.code == 0, found.err
    rows = read_rows(tmp_path / "there" / "rows.parquet")
    assert len(rows) == 32 and all(row.is_ok and row.value == 2 * row.low for row in rows)


def test_the_page_knows_every_method_quantity_and_file() -> None:
    for one in METHODS:
        assert f"| {one.number} |" in PAGE and f"`{one.name}`" in PAGE, one.name
        assert f"`{one.quantity}`" in PAGE
    for name in (*QUANTITIES, *results.WRITTEN, results.SETTINGS):
        assert f"`{name}`" in PAGE, name
    for outcome in (judge.RAISED, judge.NONSENSE, judge.REFUSED, judge.MISSING, judge.NO_REFEREE):
        assert f"`{outcome}: ..." in " ".join(PAGE.split()), outcome
    (commands,) = blocks("sh")
    for line in commands.splitlines():
        words = shlex.split(line, comments=True)
        assert words[:2] == ["exactlens", "validate"]


def test_the_command_knows_the_libraries_of_extras() -> None:
    assert {m.extra for m in METHODS} - {""} == set(validate.LIBRARIES)
