"""Codes in the order of a tree, each by the hinges that flip on the way from its parent, with the
functions of each: how both kinds of complexes are written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from exact.check.records import Rejected, get, indices, only, read_code

Functions = TypeVar("Functions")


class Walking(Protocol[Functions]):
    """What makes the functions of codes, as :class:`exact.check.functions.forms.Walk` does."""

    def begin(self, code: int) -> Functions:
        """Those of the first code."""

    def step(self, functions: Functions, code: int, flips: list[int]) -> Functions:
        """Those of a code, from those of another one and the hinges that flip."""


class Tree(Generic[Functions]):
    """The codes on the way from the first one to the last one read, with their functions.

    `seen` is told every code, and where it stands, before its functions are made.
    """

    def __init__(
        self, walk: Walking[Functions], hinges: int, seen: Callable[[int, str], object]
    ) -> None:
        self._walk, self._hinges, self._seen = walk, hinges, seen
        self._way = list[tuple[int, Functions]]()

    def next(self, record: Any, named: set[str], place: str) -> tuple[int, Functions]:
        """The code of a record and its functions; `named` are the record's other entries.

        The first record has its `code`; every other one `back`, how many codes are left out on the
        way up to its parent, and `flips`. Cost: what the flips change.
        """
        if not self._way:
            only(record, {"code", *named}, place)
            _, code = read_code(record, self._hinges, place)
            self._seen(code, place)
            found = code, self._walk.begin(code)
        else:
            only(record, {"back", "flips", *named}, place)
            back = get(record, "back", int, place)
            if not 0 <= back < len(self._way):
                raise Rejected(f"{place}: goes back by {back} of {len(self._way)} codes")
            del self._way[len(self._way) - back :]
            code, forms = self._way[-1]
            flips = indices(get(record, "flips", list, place), self._hinges, f"{place}, flips")
            for hinge in flips:
                code ^= 1 << (self._hinges - 1 - hinge)
            self._seen(code, place)
            found = code, self._walk.step(forms, code, flips)
        self._way.append(found)
        return found
