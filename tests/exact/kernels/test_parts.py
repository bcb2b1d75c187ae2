"""Parts of kernels, which have no function that Python could call: calling one from Python writes
to memory that is not there, so that nothing but compiled code may name one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_floors import ROOT

KERNELS = sorted((ROOT / "exact" / "kernels").glob("*.py"))
WITHOUT_WRAPPERS = "no_cpython_wrapper"


def decorators(tree: ast.Module, mark: str) -> set[str]:
    """The names at the top of a module that are bound to numba.njit with an option."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and mark in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def decorated(tree: ast.Module, names: set[str]) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            texts = {ast.unparse(each).split("(")[0] for each in node.decorator_list}
            if texts & names:
                yield node


def named_outside(text: str) -> set[str]:
    """The parts that are named where Python runs: outside every compiled function."""
    tree = ast.parse(text)
    parts = {f.name for f in decorated(tree, decorators(tree, WITHOUT_WRAPPERS))}
    compiled = set(decorated(tree, decorators(tree, "numba.njit") | {"numba.njit"}))
    return {
        name.id
        for node in tree.body
        if node not in compiled
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and name.id in parts
    }


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_parts_are_called_by_compiled_functions_alone(path: Path) -> None:
    assert named_outside(path.read_text()) == set()


def test_a_part_that_python_calls_is_noticed() -> None:
    text = """
part = numba.njit(nogil=True, no_cpython_wrapper=True)
@part
def _inner(): ...
@numba.njit(cache=True)
def fine(): _inner()
"""
    assert named_outside(text) == set()
    assert named_outside(text + "def called(): return _inner()\n") == {"_inner"}


def parts_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {f.name for f in decorated(tree, decorators(tree, WITHOUT_WRAPPERS))}


def parts_taken(text: str, every: dict[str, set[str]]) -> list[str]:
    """The parts that a module takes from kernels, by their names there or by names of its own."""
    tree, kernels, found = ast.parse(text), dict[str, str](), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "exact.kernels":
            kernels |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("exact.kernels."):
            stem = (node.module or "").rpartition(".")[2]
            found += [alias.name for alias in node.names if alias.name in every[stem]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            kernel = kernels.get(node.value.id, "")
            found += [node.attr] * (node.attr in every.get(kernel, ()))
    return found


def test_a_part_that_another_module_takes_is_noticed() -> None:
    every = {"rows": {"_inner"}}
    assert parts_taken("from exact.kernels import rows as k\nk._inner()", every) == ["_inner"]
    assert parts_taken("from exact.kernels.rows import _inner as f", every) == ["_inner"]
    assert parts_taken("from exact.kernels import rows\nrows.outer()", every) == []


def test_no_other_module_takes_a_part() -> None:
    """Of `kernel.part` and `from exact.kernels.kernel import part` there is none, in tests too."""
    every = {path.stem: parts_of(path) for path in KERNELS}
    assert sum(map(len, every.values())) > 100
    taken = []
    for folder in ("exact", "tests", "benchmarks", "studies"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if "exact.kernels" in text:
                taken += [(path.name, name) for name in parts_taken(text, every)]
    assert taken == []
