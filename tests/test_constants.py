"""A name at the top of a module is bound once: a constant that is bound again further down is
another one for everything above, too.
"""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.test_asserts import MODULES, ROOT


def bound_again(text: str) -> list[str]:
    """The names that plain assignments at the top of a module bind more than once."""
    targets = [
        target
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    counts = Counter(target.id for target in targets if isinstance(target, ast.Name))
    return [name for name, count in counts.items() if count > 1]


@pytest.mark.parametrize("room", sorted({path.parent for path in MODULES}), ids=str)
def test_constants_are_bound_once(room: object) -> None:
    texts = {path: (ROOT / path).read_text() for path in MODULES if path.parent == room}
    assert {path: names for path, text in texts.items() if (names := bound_again(text))} == {}


def test_a_constant_that_is_bound_again_is_noticed() -> None:
    assert bound_again("_DIGITS = 96\n_OTHER = 1\n_DIGITS: int = 4000\n") == ["_DIGITS"]
