"""The README is true: its code runs and prints what it says, and the paths and commands it names
exist.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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
    *arms, events = run(block).splitlines()
    assert [line.split()[0] for line in arms] == ["trained", "untrained", "zero_biases"]
    assert re.fullmatch(
        r"codes: \d+ kept, \d+ dead, \d+ born; cells: \d+ split, \d+ merged", events
    )


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
