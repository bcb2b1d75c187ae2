"""The `repr` of public objects: one line of at most 200 characters, whatever they hold.

A crossing of a layer of thousands of neurons, or a rational of thousands of digits, fits a line;
values are abbreviated as in the messages of errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from exact.errors import MOST, abbreviated

__all__ = ["MOST", "fitted", "short_repr", "shown"]

_WIDTHS = (72, 48, 32, 20, 12)  # of the fields of an object, tried in turn
Class = TypeVar("Class", bound=type)
shown = abbreviated


def short_repr(cls: Class) -> Class:
    """A class decorator above `@dataclass`: a `repr` of the same form, on one line of at most 200
    characters.
    """
    full = cls.__repr__

    def printed(self: Any) -> str:
        names = [
            field.name for field in fields(self) if field.repr and not field.name.startswith("_")
        ]
        return fitted(type(self).__name__, [(name, getattr(self, name)) for name in names])

    printed.full = full  # type: ignore[attr-defined]
    cls.__repr__ = printed  # type: ignore[assignment]
    return cls


def fitted(name: str, pairs: Iterable[tuple[str, object]]) -> str:
    """`name(field=value, ...)` with every value as wide as 200 characters allow."""
    found = list(pairs)
    for width in _WIDTHS:
        text = f"{name}({', '.join(f'{key}={_field(value, width)}' for key, value in found)})"
        if len(text) <= MOST:
            return text
    return f"{name}({', '.join(key for key, _ in found)})"[:MOST]


def _field(value: object, width: int) -> str:
    if isinstance(value, str):
        return repr(value) if len(repr(value)) <= width else repr(value)[: width - 3] + "..."
    if callable(value) and not is_dataclass(value):
        return "..."
    text = shown(value, MOST)
    if len(text) <= width:
        return text
    size = f" of {len(value)}" if isinstance(value, Sized) else ""
    short = (
        shown(value, width) if isinstance(value, tuple | list) or not is_dataclass(value) else ""
    )
    return short if short and len(short) <= width else f"<{type(value).__name__}{size}>"
