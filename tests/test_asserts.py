"""`assert` only tells a type checker what a type is: `isinstance`, or an attribute that is not
None.

Under `python -O` it is gone, so nothing that an input or mathematics decides may hang on one: that
raises an error of `exact.errors`, by `certain` and `require` where it would be a defect of ours.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("exact", "toy_models", "viz", "studies")
MODULES = sorted(
    path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
)


def wrong_asserts(text: str) -> Iterator[int]:
    """The lines of asserts that decide something."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert) and not narrows(node.test):
            yield node.lineno


def narrows(test: ast.expr) -> bool:
    """Whether a test is made of `isinstance(name, type)` and `name is not None` alone, on names and
    attributes.
    """
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(narrows(part) for part in test.values)
    if isinstance(test, ast.Call):
        named = isinstance(test.func, ast.Name) and test.func.id in ("isinstance", "is_dataclass")
        return named and bool(test.args) and is_place(test.args[0])
    if isinstance(test, ast.Compare):
        none = isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None
        return (
            len(test.ops) == 1
            and isinstance(test.ops[0], ast.IsNot)
            and none
            and is_place(test.left)
        )
    return False


def is_place(value: ast.expr) -> bool:
    """A name, or an attribute of one: looking at it changes nothing."""
    return isinstance(value, ast.Name) or (
        isinstance(value, ast.Attribute) and is_place(value.value)
    )


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_asserts_only_narrow_types(module: Path) -> None:
    assert list(wrong_asserts((ROOT / module).read_text(encoding="utf-8"))) == []


DECIDING = [
    "assert x > 0",
    "assert len(rows) == 1, 'one'",
    "assert f(x) is not None",
    "assert x is None",
    "assert x",
    "assert x is not None and x.y",
    "assert isinstance(make(), int)",
    "assert x != None",
    "assert x is not None or y is not None",
    "assert not isinstance(x, int)",
]


@pytest.mark.parametrize("text", DECIDING)
def test_others_are_noticed(text: str) -> None:
    assert list(wrong_asserts(text)) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "assert x is not None",
        "assert isinstance(a.b, int | str), 'why'",
        "assert isinstance(x, A) and x.y is not None",
    ],
)
def test_narrowing_is_allowed(text: str) -> None:
    assert list(wrong_asserts(text)) == []
