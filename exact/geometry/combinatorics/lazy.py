"""Sequences of items that are made when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar, overload

T = TypeVar("T")


class Items(Sequence[T]):
    """A sequence whose subclass makes the item at a place from 0; indices run from -count to
    count - 1, IndexError outside, and a slice is a list of the items themselves. `_what` is what
    messages call an item.
    """

    _what: ClassVar[str] = "item"

    @abstractmethod
    def _item(self, place: int) -> T: ...

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._item(place) for place in range(*index.indices(len(self)))]
        return self._item(numbered(index, len(self), self._what))


class OnDemand(Items[T]):
    """`count` items that `make(index)` makes when they are asked for; with `keep` each is made
    once.

    >>> squares = OnDemand(lambda i: i * i, 5)
    >>> squares[-1], squares[1:3]
    (16, [1, 4])
    """

    def __init__(self, make: Callable[[int], T], count: int, *, keep: bool = False) -> None:
        self._make, self._count, self._kept = make, count, dict[int, T]() if keep else None

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<{self._count} of them, made when asked for>"

    def _item(self, place: int) -> T:
        if self._kept is None:
            return self._make(place)
        if place not in self._kept:
            self._kept[place] = self._make(place)
        return self._kept[place]


def numbered(index: int, count: int, what: str = "region") -> int:
    """An index from -count to count - 1 as a number from 0; IndexError outside, TypeError for what
    is no whole number.

    >>> numbered(-1, 2)
    1
    """
    try:
        return range(count)[index]
    except IndexError:
        raise IndexError(f"{what} {index} of {count}") from None
