"""What a setting may be: checks that raise `InvalidInput` in the words of whoever wrote the
setting.
"""

import math
from collections.abc import Iterable, Mapping

from exact.errors import InvalidInput


def at_least(name: str, value: object, minimum: int, *, below: int | None = None) -> None:
    """Raise InvalidInput unless `value` is an int (no bool) with minimum <= value, and value <
    below where given.
    """
    integer = value if isinstance(value, int) and not isinstance(value, bool) else minimum - 1
    if integer < minimum or (below is not None and integer >= below):
        remedy = f"write an integer {name} >= {minimum}" + (
            "" if below is None else f" and < {below}"
        )
        raise InvalidInput(
            f"{name} is not an integer or out of its range", value=repr(value), remedy=remedy
        )


def number(name: str, value: object, *, below: float = math.inf, positive: bool = False) -> None:
    """Raise InvalidInput unless `value` is an int or float with 0 <= value < below, and not 0 if
    `positive`.
    """
    real = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 <= real < below or (positive and real == 0):
        remedy = f"write a number {name} {'>' if positive else '>='} 0"
        remedy += "" if math.isinf(below) else f" and < {below:g}"
        raise InvalidInput(
            f"{name} is not a finite number or out of its range", value=repr(value), remedy=remedy
        )


def one_of(name: str, value: object, known: Iterable[object]) -> None:
    """Raise InvalidInput, listing what is known, unless `value` is one of `known`."""
    names = tuple(known)
    if value not in names:
        raise InvalidInput(
            f"unknown {name}",
            value=repr(value),
            remedy="write one of " + ", ".join(map(str, names)),
        )


def flag(name: str, value: object) -> None:
    """Raise InvalidInput unless `value` is True or False."""
    if not isinstance(value, bool):
        raise InvalidInput(
            f"{name} is neither true nor false",
            value=repr(value),
            remedy=f"write {name}=True or False",
        )


def mapping(name: str, value: object) -> None:
    """Raise InvalidInput unless `value` maps names to values."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        remedy = "write a dictionary with names for keys"
        raise InvalidInput(f"{name} does not map names to values", value=repr(value), remedy=remedy)
