"""Every example in a docstring of `exact`, `studies` and `toy_models` runs and prints what it says;
those of `exact` when they are pasted behind `from exact import *` and the import of what they are
about.
"""

from __future__ import annotations

import copy
import doctest
import importlib
import pkgutil

import pytest

import exact
import studies
import toy_models

MODULES = [
    name
    for package in (exact, studies, toy_models)
    for name in (
        package.__name__,
        *(found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
    )
]
EXAMPLES = {
    test.name: test
    for name in MODULES
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if test.examples
}


def test_there_are_examples() -> None:
    """Fewer would mean that the search above finds nothing, and that every test below is silent."""
    assert len(MODULES) > 25
    assert len(EXAMPLES) >= 6
    assert sum(len(test.examples) for test in EXAMPLES.values()) >= 9


PUBLIC = {"exact": exact, **{name: getattr(exact, name) for name in exact.__all__}}


def _pasted(name: str) -> doctest.DocTest:
    """An example with the names that its reader has: the public ones, and its own."""
    found = copy.copy(EXAMPLES[name])
    module = found.globs["__name__"]
    if not module.startswith("exact"):
        return found
    own = name.removeprefix(module).split(".")[1:2]
    there = {one: found.globs[one] for one in own}
    found.globs = {**PUBLIC, **there, "__name__": "__main__"}
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST).run(
        _pasted(name), out=report.append
    )
    assert result.attempted > 0
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("name", exact.__all__)
def test_every_public_name_has_an_example(name: str) -> None:
    found = getattr(exact, name)
    assert any(
        title.endswith(f".{found.__name__}") or title.startswith(f"{found.__module__}.{name}.")
        for title in EXAMPLES
    )
