"""Things that are made when somebody first looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

Item = TypeVar("Item")


class WhenAsked(Sequence[Item]):
    """A sequence of what `make()` gives, which is called once, by whoever first asks for an item or
    the length.

    >>> letters = WhenAsked(lambda: print("made") or tuple("abc"))
    >>> letters[0], len(letters), [*letters]
    made
    ('a', 3, ['a', 'b', 'c'])
    """

    def __init__(self, make: Callable[[], tuple[Item, ...]]) -> None:
        self._make = make

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All of them."""
        return self._make()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]
