"""Every figure of the house is right on a small tree, and slips on one that breaks its rule."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import house
from tests.house import Count, Tree

# A house that obeys every rule, as far as it is built.
SOUND = {
    "exact/__init__.py": "from exact.partition import partition\n",
    "exact/errors.py": "",
    "exact/arithmetic/__init__.py": "",
    "exact/arithmetic/numbers.py": "from exact.errors import InvalidInput\n",
    "exact/geometry/__init__.py": "",
    "exact/geometry/faces.py": "from exact.arithmetic.numbers import Rational\n",
    "exact/regions/__init__.py": "",
    "exact/regions/cells.py": "from exact.geometry import faces\nclass Cells: ...\n",
    "exact/regions/arcs/__init__.py": "",
    "exact/regions/arcs/cells.py": (
        "from exact.regions.cells import Cells\nclass CurveCells(Cells): ...\n"
    ),
    "exact/regions/polytopes/__init__.py": "",
    "exact/regions/polytopes/cells.py": (
        "from ..cells import Cells\nclass FlatCells(Cells): ...\nclass BallCells(FlatCells): ...\n"
    ),
    "exact/partition.py": (
        "from exact.regions.arcs.cells import CurveCells\n"
        "from exact.regions.polytopes.cells import FlatCells\n"
    ),
    "studies/__init__.py": "",
    "studies/cli.py": "def run():\n    import exact\n",
    "tests/test_cli.py": "import studies.cli\n",
}
TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
FIGURES = {figure.name: figure for figure in house.FIGURES}

Build = Callable[..., Tree]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Writes the sound house with the texts given, under names with `/`, and reads it."""

    def built(texts: dict[str, str] | None = None) -> Tree:
        for name, text in {**SOUND, **(texts or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Tree.read(tmp_path)

    return built


def found(tree: Tree, name: str) -> Count:
    return FIGURES[name].count(tree)


def slipping(tree: Tree) -> set[str]:
    return {name for name, figure in FIGURES.items() if figure.slips(figure.count(tree))}


def test_a_sound_house_holds(build: Build) -> None:
    tree = build()
    assert slipping(tree) == set()
    assert {name: found(tree, name).value for name in FIGURES} == {
        "modules directly in exact": 3,
        "folders directly in exact": 3,
        "most rooms in a folder below exact": 3,
        "floor of exact/partition.py": 5,
        "imports that do not point down": 0,
        "imports on no floor": 0,
        "circles of rooms in exact": 0,
        "circles of modules anywhere": 0,
        "imports of a wing by a wing": 0,
        "longest chain of modules in exact": 7,
        "long modules without a reason": 0,
        "kinds asked outside their wing": 0,
        "fmt: skip": 0,
        "lines of code of exact": 12,
    }


UPWARD = "imports that do not point down"
NOWHERE = "imports on no floor"
CIRCLES = "circles of modules anywhere"
ROOM_CIRCLES = "circles of rooms in exact"
BETWEEN_WINGS = "imports of a wing by a wing"
ASKED = "kinds asked outside their wing"

# What is written, and the figures that slip by it.
BREAKS = {
    "two modules too many in exact": (
        {"exact/surds.py": "", "exact/lp.py": ""},
        {"modules directly in exact"},
    ),
    "an eleventh folder": (
        {f"exact/room_{k}/__init__.py": "" for k in range(8)},
        {"folders directly in exact"},
    ),
    "a tenth room": (
        {f"exact/geometry/room_{k}.py": "" for k in range(9)},
        {"most rooms in a folder below exact"},
    ),
    "an upward import": (
        {"exact/arithmetic/surds.py": "from exact.geometry import faces"},
        {UPWARD, ROOM_CIRCLES},
    ),
    "an upward import of a type": (
        {"exact/arithmetic/surds.py": TYPED + "import exact.geometry.faces"},
        {UPWARD, ROOM_CIRCLES},
    ),
    "an upward import in a function": (
        {"exact/arithmetic/surds.py": "def f():\n    from ..geometry.faces import Faces"},
        {UPWARD, ROOM_CIRCLES},
    ),
    "an import along a floor": (
        {"viz/__init__.py": "", "toy_models/__init__.py": "import viz"},
        {UPWARD},
    ),
    "tests known to what they test": (
        {"studies/report.py": "from tests import test_cli"},
        {UPWARD},
    ),
    "a room that nobody placed": (
        {"exact/mystery.py": "from exact.errors import InvalidInput"},
        {NOWHERE},
    ),
    "a circle of types": (
        {"studies/a.py": TYPED + "from studies.b import B", "studies/b.py": "import studies.a"},
        {CIRCLES},
    ),
    "a circle in tests": (
        {"tests/a.py": "from tests import b", "tests/b.py": "def f():\n    import tests.a"},
        {CIRCLES},
    ),
    "a circle in benchmarks": (
        {"benchmarks/a.py": "from .b import B", "benchmarks/b.py": "from . import a"},
        {CIRCLES},
    ),
    "a circle of rooms that is none of modules": (
        {
            "exact/arithmetic/surds.py": "from exact.geometry import vectors",
            "exact/geometry/vectors.py": "",
        },
        {UPWARD, ROOM_CIRCLES},
    ),
    "a wing that knows a wing": (
        {"exact/regions/arcs/partition.py": "from exact.regions.polytopes.cells import FlatCells"},
        {UPWARD, BETWEEN_WINGS},
    ),
    "a wing that knows a type of a wing": (
        {"exact/regions/arcs/partition.py": TYPED + "from ..polytopes import cells"},
        {UPWARD, BETWEEN_WINGS},
    ),
    "a long module": ({"studies/long.py": "x = 1\n" * 451}, {"long modules without a reason"}),
    "a module kept from the formatter": ({"viz/a.py": "x=1  # fmt: skip\n"}, {"fmt: skip"}),
}


@pytest.mark.parametrize("case", BREAKS)
def test_what_breaks_a_rule_slips(build: Build, case: str) -> None:
    texts, figures = BREAKS[case]
    assert slipping(build(texts)) == figures


def test_a_wing_of_a_new_kind_needs_no_entry(build: Build) -> None:
    tree = build(
        {
            "exact/regions/tori/__init__.py": "",
            "exact/regions/tori/cells.py": "from exact.regions.cells import Cells",
        }
    )
    assert slipping(tree) == set()
    assert house.wings(tree) == [f"exact.regions.{name}" for name in ("arcs", "polytopes", "tori")]


def test_lists_of_leaves_may_be_long(build: Build) -> None:
    leaves = ("exact/kernels", "exact/sources", "exact/regions/arcs/engines")
    tree = build({f"{folder}/leaf_{k}.py": "" for folder in leaves for k in range(12)})
    assert slipping(tree) == set()


def test_a_tree_without_a_front_door_or_wings_has_nothing_to_count(tmp_path: Path) -> None:
    (tmp_path / "exact").mkdir()
    (tmp_path / "exact" / "errors.py").write_text("")
    tree = Tree.read(tmp_path)
    assert found(tree, "floor of exact/partition.py") == Count(None)
    assert found(tree, BETWEEN_WINGS) == Count(None)
    assert not slipping(tree)


def test_hidden_and_written_folders_are_not_read(build: Build) -> None:
    read = build().texts
    texts = {f"{name}/exact/a.py": "?" for name in (".venv", "build", "dist", "runs")}
    assert build(texts).texts == read


def test_a_package_imports_relative_to_itself(build: Build) -> None:
    tree = build(
        {"exact/regions/arcs/__init__.py": "from .cells import CurveCells\nfrom .. import x"}
    )
    targets = [found.target for found in tree.imports["exact.regions.arcs"]]
    assert targets == ["exact.regions.arcs.cells", "exact.regions"]


def test_tests_may_be_long(build: Build) -> None:
    assert slipping(build({"tests/long.py": "x = 1\n" * 451})) == set()


def test_the_front_door_stands_above_the_highest_room_it_imports(build: Build) -> None:
    higher = {"exact/arithmetic/numbers.py": "import exact.kernels.rows"}
    higher["exact/kernels/rows.py"] = "import exact.atomic_files"
    higher["exact/atomic_files.py"] = "import exact.errors"
    counted = found(build(higher), "floor of exact/partition.py")
    assert counted.value == 7
    assert counted.where[0].startswith("exact.partition > exact.regions.")
    assert counted.where[0].endswith(
        " > exact.regions > exact.geometry > exact.arithmetic > exact.kernels > "
        "exact.atomic_files > exact.errors"
    )


def test_a_front_door_too_high_slips(build: Build) -> None:
    texts = {f"exact/a{k}/x.py": f"import exact.a{k + 1}.x" for k in range(8)}
    tree = build({**texts, "exact/a8/x.py": "", "exact/partition.py": "import exact.a0.x"})
    assert found(tree, "floor of exact/partition.py").value == 9
    assert "floor of exact/partition.py" in slipping(tree)


def test_rooms_in_a_circle_stand_as_one(build: Build) -> None:
    texts = {"exact/arithmetic/surds.py": "import exact.geometry.faces"}
    counted = found(build(texts), "floor of exact/partition.py")
    assert counted.value == 4
    assert " > exact.arithmetic = exact.geometry > exact.errors" in counted.where[0]


def test_the_longest_chain_counts_types_and_a_circle_once(build: Build) -> None:
    chain = {f"exact/geometry/a{k}.py": TYPED + f"from . import a{k + 1}" for k in range(16)}
    chain["exact/geometry/a16.py"] = ""
    tree = build(chain)
    assert found(tree, "longest chain of modules in exact").value == 17
    assert "longest chain of modules in exact" in slipping(tree)
    circle = {**chain, "exact/geometry/a16.py": "from exact.geometry import a12"}
    counted = found(build(circle), "longest chain of modules in exact")
    assert counted.value == 13
    assert counted.where[0].endswith(" = ".join(f"exact.geometry.a{k}" for k in range(12, 17)))


def test_circles_are_named_with_all_their_modules(build: Build) -> None:
    texts = {"studies/a.py": "from studies import b", "studies/b.py": "import studies.c"}
    tree = build({**texts, "studies/c.py": TYPED + "from studies.a import A"})
    assert found(tree, CIRCLES) == Count(1, ("studies.a - studies.b - studies.c",))


@pytest.mark.parametrize(
    "docstring",
    [
        "All stand in this\none file, because.",
        "In short: in one file.",
        "It is longer\nthan others.",
    ],
)
def test_a_reason_in_the_docstring_is_seen(docstring: str) -> None:
    lines = "x = 1\n" * 460
    assert house.lines_too_many("exact.long", f'"""{docstring}"""\n{lines}') == []
    assert (
        len(house.lines_too_many("exact.long", f'"""A module."""\n# {docstring!r}\n{lines}')) == 1
    )


# ---- kinds


@pytest.mark.parametrize(
    "question",
    [
        "isinstance(x, CurveCells)",
        "isinstance(x, cells.CurveCells)",
        "isinstance(x, int | CurveCells)",
        "issubclass(x, (int, CurveCells))",
        "assert isinstance(x, BallCells)",
        "from exact import FlatCells as F\nisinstance(x, F)",
        "STRAIGHT = (int, FlatCells)\nisinstance(x, STRAIGHT)",
        "match x:\n    case CurveCells(): pass",
        "match x:\n    case [cells.FlatCells(codes=c)]: pass",
        "type(x) is FlatCells",
        "type(x) in (FlatCells, int)",
    ],
)
@pytest.mark.parametrize("place", ["exact/instruments/a.py", "studies/a.py", "exact/regions/a.py"])
def test_a_question_after_a_kind_is_found(build: Build, place: str, question: str) -> None:
    tree = build({place: question})
    assert found(tree, ASKED).value == 1
    assert ASKED in slipping(tree)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("exact/regions/arcs/a.py", "isinstance(x, CurveCells)"),
        ("exact/regions/polytopes/engines/a.py", "isinstance(x, BallCells)"),
        ("exact/regions/a.py", "isinstance(x, Cells)"),
        ("studies/a.py", "isinstance(x, Cells | Partition | Region)"),
        ("studies/a.py", "VIEWS[type(x)](CurveCells)"),
        ("studies/a.py", "@document.register\ndef _(x: CurveCells): ..."),
        ("tests/a.py", "assert isinstance(x, CurveCells)"),
        ("exact/check/a.py", "class CurveCells: ...\nisinstance(x, CurveCells)"),
    ],
)
def test_other_questions_are_allowed(build: Build, place: str, text: str) -> None:
    assert found(build({place: text}), ASKED) == Count(0)


def test_kinds_are_the_subclasses_and_the_members_of_a_union(build: Build) -> None:
    tree = build(
        {
            "exact/regions/spheres/cells.py": "class SphereCells: ...\nclass Other: ...",
            "exact/regions/union.py": "Cells = CurveCells | SphereCells",
            "exact/regions/arcs/partition.py": "class Arc(region.Region[int]): ...",
            "exact/regions/arcs/before.py": "class Late(BallCells): ...",
        }
    )
    assert house.kinds_of(tree) == {
        "CurveCells": {"exact.regions.arcs"},
        "FlatCells": {"exact.regions.polytopes"},
        "BallCells": {"exact.regions.polytopes"},
        "SphereCells": {"exact.regions.spheres"},
        "Arc": {"exact.regions.arcs"},
        "Late": {"exact.regions.arcs"},
    }


# ---- lines

WORDY = '''"""A module."""

# a comment


class A(Error):
    """Only words, with "é"
    in two lines.
    """


def f(
    x, y,
):
    """Words."""

    return x + \\
        y  # fmt: skip


TEXT = """no
docstring, # no comment
"""
'''


def test_only_code_is_left() -> None:
    bare = [line for line in house.only_code(WORDY).split("\n") if line.strip()]
    assert bare == [
        "class A(Error):",
        "    pass",
        "def f(",
        "    x, y,",
        "):",
        "    return x + \\",
        "        y",
        'TEXT = """no',
        "docstring, # no comment",
        '"""',
    ]


def test_lines_do_not_depend_on_layout_and_words(build: Build) -> None:
    without = found(build(), "lines of code of exact").value
    assert without is not None
    tree = build({"exact/geometry/wordy.py": WORDY, "studies/wordy.py": WORDY})
    assert found(tree, "lines of code of exact").value == without + 7


def test_a_string_that_says_skip_is_no_skip() -> None:
    assert house.format_skips("a", 'x = "# fmt: skip"\n') == []
    assert house.format_skips("a", "x = 1  # fmt: skip\n") == ["a:1"]


# ---- the command


def test_the_command_prints_a_table_and_says_what_slips(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build()
    assert house.main(["--tree", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in lines[0].split("|")] == ["figure", "before", "now", "bound"]
    assert len(lines) == 2 + len(FIGURES)

    build({"exact/arithmetic/surds.py": "from exact.geometry import faces"})
    assert house.main(["--tree", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert f"{UPWARD}: 1 > 0\n  exact.arithmetic.surds:1 (floor 2) imports" in printed


def test_a_long_list_of_faults_is_cut(build: Build) -> None:
    text, holds = house.report(build({"viz/a.py": "x=1  # fmt: skip\n" * 15}))
    assert not holds
    assert text.endswith("  viz.a:12\n  and 3 more")


def test_a_tree_without_exact_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        house.main(["--tree", str(tmp_path)])
    assert "there is no folder `exact`" in capsys.readouterr().err
