"""The README is true: its code runs and prints what it says, and the paths and commands it names
exist.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
HELP = "import sys; sys.argv = ['exactlens', '--help']\nfrom studies.cli import main\nmain()"
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_example_prints_what_the_readme_shows() -> None:
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    printed = run(PYTHON_BLOCKS[0])
    assert printed == shown.group(1)
    assert re.search(r"\d+/\d+", printed), "an exact fraction is printed"


def test_every_domain_of_the_second_example_is_answered() -> None:
    lines = run(PYTHON_BLOCKS[1]).splitlines()
    assert len(lines) == 12
    assert all(re.search(r"\d+ cells", line) for line in lines)


def test_the_example_of_toys_tells_of_each_arm_and_of_regions() -> None:
    (block,) = [block for block in PYTHON_BLOCKS if "population(" in block]
    *arms, events, many = run(block).splitlines()
    assert [line.split()[0] for line in arms] == ["trained", "untrained", "zero_biases"]
    assert re.fullmatch(
        r"codes: \d+ kept, \d+ dead, \d+ born; cells: \d+ split, \d+ merged", events
    )
    assert re.fullmatch(r"<5 networks, \d+ cells> \[\d+(, \d+){4}\]", many)


def test_paths_named_in_the_tables_exist() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| ") and "`" in line]
    named = {path for row in rows for path in re.findall(r"`([a-z_]+/[\w/.]*)`", row)}
    assert len(named) >= 8
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_pictures_exist() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    assert [picture for picture in pictures if not (ROOT / picture).is_file()] == []


def test_commands_named_exist() -> None:
    named = set(re.findall(r"^exactlens ([a-z0-9]+)", README, re.MULTILINE))
    shown = run(HELP)
    assert named and all(command in shown for command in named)


PLACES = {  # what one adds: the folder of its row, and the files that the row names
    "norm": ("exact/networks/", ("norms.py",)),
    "activation": ("exact/networks/", ("activations.py",)),
    "layer that is no dense matrix": ("exact/networks/", ("operators.py",)),
    "engine": ("exact/regions/polytopes/", ("exact/partition.py",)),
    "figure": ("viz/", ("viz/figures/", "viz/catalogue.py")),
    "question": ("studies/", ("studies/questions/",)),
    "source": ("exact/sources/", ("exact/sources/",)),
    "kind of region": ("exact/regions/", ("__init__.py",)),
    "instrument": ("exact/instruments/", ("exact/instruments/batches/",)),
    "domain": ("exact/geometry/", ("exact/geometry/domains/",)),
    "task": ("toy_models/", ("toy_models/tasks.py",)),
}


@pytest.mark.parametrize("what", PLACES)
def test_whoever_adds_something_is_told_where(what: str) -> None:
    """One row says it, by a folder and files that are there."""
    folder, files = PLACES[what]
    rows = [line for line in README.splitlines() if re.match(r"\| \d+ \|", line)]
    told = [row for row in rows if re.search(rf"\b{what}\b[,:]", row.split("|")[4])]
    assert len(told) == 1
    assert f"`{folder}`" in told[0]
    for file in files:
        assert f"`{file}`" in told[0]
        assert (ROOT / file).exists() or (ROOT / folder / file).exists()


@pytest.mark.parametrize("wing", ["arcs", "polytopes", "spheres"])
def test_a_folder_of_engines_says_which_of_its_files_are_engines(wing: str) -> None:
    from exact.partition import ENGINES

    module = importlib.import_module(f"exact.regions.{wing}.engines")
    words = set(re.findall(r"`(\w+)`", (module.__doc__ or "").split("lists")[1].split(";")[0]))
    here = {
        one.name: type(one).__module__.rsplit(".", 1)[-1]
        for one in ENGINES
        if type(one).__module__.startswith(module.__name__)
    }
    assert words == {*here, *here.values()}
