"""How values are printed: one line, long numbers by their size, long lists by their length.

Every `repr` of a public object and every value in an error message goes through here, so that a crossing of a layer of
thousands of neurons, or a rational of thousands of digits, fits a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sized
from dataclasses import fields, is_dataclass
from itertools import islice
from math import floor, log10
from typing import Any, TypeVar

MOST = 200
"""Characters of the longest `repr`."""
_PLAIN = 24  # digits of the longest number that is written out
_WIDTHS = (72, 48, 32, 20, 12)  # of the fields of an object, tried in turn
_LONG_NUMBERS = re.compile(rf"\d{{{_PLAIN + 1},}}(?:/\d+)?|\d+/\d{{{_PLAIN + 1},}}")
Class = TypeVar("Class", bound=type)


def shown(value: object, most: int = 120) -> str:
    """A value on one line of at most `most` characters.

    >>> shown(10**300), shown((1, 2)), shown([7] * 1000, 30)
    ('~1.0000e+300 (301 digits)', '(1, 2)', '[7, 7, 7, ... 1000 in all]')
    """
    ratio = _ratio(value)
    if ratio is not None:
        return _cut(_number(*ratio), most)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _cut(f"<{value.dtype} array of shape {tuple(value.shape)}>", most)
    if isinstance(value, tuple | list | set | frozenset) and type(value).__str__ in (object.__str__, tuple.__str__):
        return _listed(value, *_BRACKETS.get(type(value), ("(", ")")), most)
    if hasattr(value, "nrows") and hasattr(value, "ncols"):
        return f"<{value.nrows()} x {value.ncols()} matrix>"
    return _cut(_text(value), most)


_BRACKETS = {tuple: ("(", ")"), list: ("[", "]"), set: ("{", "}"), frozenset: ("{", "}")}


def _text(value: object) -> str:
    try:
        text = str(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        text = f"<{type(value).__name__}>"
    return _LONG_NUMBERS.sub(_abbreviated, " ".join(text.split()))


def _abbreviated(found: re.Match[str]) -> str:
    parts = found.group().split("/")
    heads = [int(part[:_PLAIN]) for part in parts]
    powers = [max(0, len(part) - _PLAIN) for part in parts]
    over, under = (heads[0], powers[0]), (heads[1], powers[1]) if len(parts) == 2 else (1, 0)
    if under[0] == 0:
        return found.group()[:_PLAIN]
    return _scientific(over[0] / under[0], over[1] - under[1], sum(map(len, parts)))


def _scientific(head: float, power: int, digits: int) -> str:
    """`head 10^power` with five digits, and the number of digits that it has when it is written out."""
    more = floor(log10(abs(head))) if head else 0
    mantissa = f"{head / 10.0**more:.4f}"
    if mantissa.lstrip("-").startswith("10"):
        mantissa, more = f"{head / 10.0 ** (more + 1):.4f}", more + 1
    return f"~{mantissa}e{power + more:+03d} ({digits} digits)"


def _ratio(value: Any) -> tuple[int, int] | None:
    """Numerator and denominator of what is a rational number."""
    if isinstance(value, bool) or type(value).__module__ == "numpy":
        return None
    if isinstance(value, int) or type(value).__name__ == "fmpz":
        return int(value), 1
    for over, under in (("p", "q"), ("numerator", "denominator")):
        if hasattr(value, over) and hasattr(value, under) and not callable(getattr(value, over)):
            try:
                return int(getattr(value, over)), int(getattr(value, under))
            except (TypeError, ValueError):
                return None
    return None


def _number(over: int, under: int) -> str:
    if max(abs(over), under) < 10**_PLAIN:
        return str(over) if under == 1 else f"{over}/{under}"
    shifts = [max(0, x.bit_length() - 80) for x in (over, under)]
    exponent = (shifts[0] - shifts[1]) * log10(2)
    head = (over >> shifts[0]) / (under >> shifts[1]) * 10.0 ** (exponent - floor(exponent))
    digits = sum(_digits(abs(x)) for x in (over, under) if x != 1)
    return _scientific(head, floor(exponent), digits)


def _digits(value: int) -> int:
    """The number of digits of a positive integer (one may be missing or too many beside a power of ten)."""
    shift = max(0, value.bit_length() - 80)
    return floor(log10(value >> shift) + shift * log10(2)) + 1 if value else 1


def _listed(values: Any, left: str, right: str, most: int) -> str:
    """As many entries as fit."""
    entries, room = list[str](), most - len(f", ... {len(values)} in all") - 2
    for value in islice(values, most):
        text = repr(value) if isinstance(value, str) and len(value) < most else shown(value, most)
        entries.append(text)
        if sum(map(len, entries)) + 2 * len(entries) > most:
            break
    else:
        if len(entries) == len(values):
            only = "," if len(entries) == 1 and left == "(" else ""
            return f"{left}{', '.join(entries)}{only}{right}"
    while entries and sum(map(len, entries)) + 2 * len(entries) > room:
        entries.pop()
    return f"{left}{', '.join([*entries, f'... {len(values)} in all'])}{right}" if entries else f"<{len(values)} entries>"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - 3)] + "..."


def short_repr(cls: Class) -> Class:
    """A class decorator above `@dataclass`: a `repr` of the same form, on one line of at most 200 characters."""
    full = cls.__repr__

    def printed(self: Any) -> str:
        names = [field.name for field in fields(self) if field.repr and not field.name.startswith("_")]
        return fitted(type(self).__name__, [(name, getattr(self, name)) for name in names])

    cls.__repr__ = printed  # type: ignore[assignment]
    cls.full_repr = full  # type: ignore[attr-defined]
    return cls


def fitted(name: str, pairs: Iterable[tuple[str, object]]) -> str:
    """`name(field=value, ...)` with every value as wide as 200 characters allow."""
    found = list(pairs)
    for width in _WIDTHS:
        text = f"{name}({', '.join(f'{key}={_field(value, width)}' for key, value in found)})"
        if len(text) <= MOST:
            return text
    return _cut(f"{name}({', '.join(key for key, _ in found)})", MOST)


def _field(value: object, width: int) -> str:
    if isinstance(value, str):
        return _cut(repr(value), width)
    if callable(value) and not is_dataclass(value):
        return "..."
    text = shown(value, MOST)
    if len(text) <= width:
        return text
    size = f" of {len(value)}" if isinstance(value, Sized) else ""
    short = shown(value, width) if isinstance(value, tuple | list) or not is_dataclass(value) else ""
    return short if short and len(short) <= width else f"<{type(value).__name__}{size}>"
