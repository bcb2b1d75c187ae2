"""What importing costs: `exact` and its checker load no library before something needs one."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import exact

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "numba", "sympy", "matplotlib", "networkx", "scipy", "numpy", "flint", "pandas")
CERTIFICATE = ROOT / "tests" / "exact" / "certificates_of_format_1" / "complex.jsonl"
CONDITION = """
from exact import Box, holds, outputs
from exact.sources import tensors
hat = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])])
holds(hat, Box(-1, 1, dim=1), outputs(hat)[0] <= 1).certificate("{place}")
"""
FIRST_ANSWER = """
from exact import Box, partition
from exact.sources import tensors
hat = tensors.mlp([([[1, 0], [1, 1], [1, 2]], [0, -1, 1]), ([[1, -2, 1]], [0])])
partition(hat, Box(-1, 3, dim=2))
"""

GENERIC_ANSWER = """
import random
from exact import Box, partition
from exact.sources import tensors
draw = random.Random(5).gauss
def layer(a, b):
    return [[draw(0, 1) for _ in range(a)] for _ in range(b)], [draw(0, 1) for _ in range(b)]
found = partition(tensors.mlp([layer(2, 8), layer(8, 8), layer(8, 1)]), Box(-1, 1, dim=2))
assert len(found) > 20 and found.decisions["exact"] == 0
"""

EVERY_ANSWER = """
import random
from exact import Box, RealSpace, partition
from exact.sources import tensors
draw = random.Random(5).randint
def layer(a, b, biased):
    bias = [draw(-9, 9) if biased else 0 for _ in range(b)]
    return [[draw(-9, 9) for _ in range(a)] for _ in range(b)], bias
for d in (2, 3, 5):
    for biased in (True, False):
        net = tensors.mlp([layer(d, 4, biased), layer(4, 3, biased), layer(3, 2, biased)])
        for domain in (Box(-1, 1, dim=d), RealSpace(d)):
            found = partition(net, domain)
            assert len(found) == len(found.codes) == len(found.maps_float) > 3
            assert found.map_ids.max() >= 3 and len(found.adjacency)
            found.volumes_float, found.piece_ids, found.class_ids, found.regions[0].affine
            found.check()
            found.certificate("{place}")
            assert "torch" not in sys.modules, (d, biased, domain)
"""


def loaded_by(code: str, *names: str) -> list[str]:
    """Those of the names that are loaded at the end of a program in a process of its own."""
    told = f"import sys\n{code}\nprint([m for m in {names} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: list[str] = ast.literal_eval(done.stdout.splitlines()[-1])
    return found


def test_importing_exact_loads_no_library() -> None:
    assert loaded_by("import exact\nexact.InvalidInput", *HEAVY) == []


def test_a_first_answer_waits_for_no_library_that_it_does_not_use() -> None:
    heavy = ("torch", "sympy", "matplotlib", "networkx", "scipy.special", "scipy.sparse", "pandas")
    for answer in (FIRST_ANSWER, GENERIC_ANSWER):
        assert loaded_by(answer, *heavy) == []
        assert loaded_by(answer, "numba") == ["numba"]


def test_torch_is_loaded_for_no_partition_on_a_cpu(tmp_path: Path) -> None:
    """Nor for what regions are asked for, in every dimension; biases or none, bounded or not."""
    assert loaded_by(EVERY_ANSWER.replace("{place}", str(tmp_path / "cells")), "torch") == []


@pytest.mark.parametrize(
    "start", ["from exact.check.__main__ import main as run", "from studies.cli import run"]
)
def test_checking_a_file_loads_the_checker_alone(start: str, tmp_path: Path) -> None:
    condition = tmp_path / "holds.json"
    loaded_by(CONDITION.format(place=condition))
    for file in (CERTIFICATE, condition):
        words = [str(file)] if "exact" in start else ["check", str(file)]
        code = f"{start}\nassert run({words}) == 0"
        assert loaded_by(code, *HEAVY, "typer", "rich", "exact.arithmetic", "exact.regions") == []


def test_the_table_says_where_every_public_name_is_defined() -> None:
    tree = ast.parse((ROOT / "exact" / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == exact._PLACES
    assert sorted(exact._PLACES) == sorted(exact.__all__)
    for name in exact.__all__:
        assert getattr(exact, name) is getattr(sys.modules[typed[name]], name)


def test_rooms_and_names_are_found_and_nothing_else() -> None:
    assert {*exact.__all__, "sources", "check", "errors"} <= set(dir(exact))
    assert exact.sources.tensors.__name__ == "exact.sources.tensors"
    assert set(exact.sources.__all__) <= set(dir(exact.sources))
    with pytest.raises(AttributeError, match="'exact' has no attribute 'partitions'"):
        exact.partitions  # noqa: B018 - it is the access that fails
    with pytest.raises(AttributeError, match=r"'exact\.sources' has no attribute 'tensor'"):
        exact.sources.tensor  # noqa: B018


def test_the_function_hides_the_module_of_its_name() -> None:
    code = "import exact.partition, exact\nassert exact.partition.__name__ == 'partition'"
    assert loaded_by(code, "exact.partition") == ["exact.partition"]
    code = "from exact.partition import ENGINES\nfrom exact import partition\npartition.__wrapped__"
    assert loaded_by(code) == []
