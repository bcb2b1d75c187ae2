"""Every example in a docstring of `exact` and `toy_models` runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import exact
import toy_models

MODULES = [
    name
    for package in (exact, toy_models)
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


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST).run(
        EXAMPLES[name], out=report.append
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
