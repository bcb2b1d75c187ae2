"""Typed failures: each says what was wrong, which value was received, and what to write instead.

Values are abbreviated, here and in every `repr` (see exact.arithmetic.texts.printing): one line,
long numbers by their size, long lists by their length. The checker takes this file along; it
imports nothing but Python's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from math import floor, log10
from typing import Any, TypeVar

_T = TypeVar("_T")

MOST = 200
"""Characters of the longest `repr`, and of the longest value in a message."""
_PLAIN = 24  # digits of the longest number that is written out
_LONG_NUMBERS = re.compile(rf"\d{{{_PLAIN + 1},}}(?:/\d+)?|\d+/\d{{{_PLAIN + 1},}}")


def abbreviated(value: object, most: int = 120) -> str:
    """A value on one line of at most `most` characters.

    >>> abbreviated(10**300), abbreviated((1, 2)), abbreviated([7] * 1000, 30)
    ('~1.0000e+300 (301 digits)', '(1, 2)', '[7, 7, 7, ... 1000 in all]')
    """
    ratio = _ratio(value)
    if ratio is not None:
        return _cut(_number(*ratio), most)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _cut(f"<{value.dtype} array of shape {tuple(value.shape)}>", most)
    if isinstance(value, tuple | list | set | frozenset) and type(value).__str__ in (
        object.__str__,
        tuple.__str__,
    ):
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
    return _LONG_NUMBERS.sub(_abbreviated_number, " ".join(text.split()))


def _abbreviated_number(found: re.Match[str]) -> str:
    parts = found.group().split("/")
    heads = [int(part[:_PLAIN]) for part in parts]
    powers = [max(0, len(part) - _PLAIN) for part in parts]
    over, under = (heads[0], powers[0]), (heads[1], powers[1]) if len(parts) == 2 else (1, 0)
    if under[0] == 0:
        return found.group()[:_PLAIN]
    return _scientific(over[0] / under[0], over[1] - under[1], sum(map(len, parts)))


def _scientific(head: float, power: int, digits: int) -> str:
    """`head 10^power` with five digits, and the number of digits that it has when it is written
    out.
    """
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
    """The number of digits of an integer from 0."""
    # 10^least is at most the value
    least = floor((value.bit_length() - 1) * log10(2)) if value else 0
    return least + 1 + int(value >= 10 ** (least + 1))


def _listed(values: Any, left: str, right: str, most: int) -> str:
    """As many entries as fit."""
    entries, room = list[str](), most - len(f", ... {len(values)} in all") - 2
    for value in islice(values, most):
        if isinstance(value, str) and len(value) < most:
            text = repr(value)
        else:
            text = abbreviated(value, most)
        entries.append(text)
        if sum(map(len, entries)) + 2 * len(entries) > most:
            break
    else:
        if len(entries) == len(values):
            only = "," if len(entries) == 1 and left == "(" else ""
            return f"{left}{', '.join(entries)}{only}{right}"
    while entries and sum(map(len, entries)) + 2 * len(entries) > room:
        entries.pop()
    if entries:
        return f"{left}{', '.join([*entries, f'... {len(values)} in all'])}{right}"
    return f"<{len(values)} entries>"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - 3)] + "..."


class ExactlensError(Exception):
    """Base of every failure that Exactlens raises on purpose.

    The message has three parts: what was wrong, the value received (long ones abbreviated), the
    remedy. A caller that wants the parts reads :attr:`wrong`, :attr:`value` and :attr:`remedy`.

    >>> failure = ExactlensError("no such layer", value=7, remedy="give 1 to 3")
    >>> str(failure), failure.value
    ('no such layer; got 7; give 1 to 3', 7)
    """

    def __init__(self, wrong: str, *, value: object, remedy: str) -> None:
        super().__init__(f"{wrong}; got {abbreviated(value, MOST)}; {remedy}")
        self.wrong, self.value, self.remedy = wrong, value, remedy

    def __reduce__(self) -> tuple[object, ...]:
        """A failure travels between processes by its three parts; a value that is no number or text
        goes as its text.
        """
        plain = self.value is None or isinstance(self.value, str | int | float)
        return _rebuilt, (
            type(self),
            self.wrong,
            self.value if plain else str(self.value),
            self.remedy,
        )


class InvalidInput(ExactlensError, ValueError):
    """The input cannot mean anything: non-finite weights, shapes that do not fit, an empty box, a
    missing file.

    >>> from exact import Box
    >>> try:
    ...     Box(1, 0, dim=1)
    ... except InvalidInput as failure:
    ...     print(failure)
    the box is empty; got lo[0] = 1, hi[0] = 0; give lo <= hi
    """


class Unsupported(ExactlensError):
    """The named engine or function cannot do this job; another one may.

    >>> from exact import Ball, partition
    >>> from exact.sources import tensors
    >>> try:
    ...     partition(tensors.mlp([([[1]], [0])]), Ball([0], 1), engine="lp_tree")
    ... except Unsupported as failure:
    ...     print(failure.wrong)
    engine lp_tree cannot do this job
    """


class NotPiecewiseLinear(Unsupported):
    """An affine map was asked of a network with a smooth activation (GELU, SiLU).

    >>> from exact import GELU
    >>> try:
    ...     GELU().pieces
    ... except NotPiecewiseLinear as failure:
    ...     print(failure.value)
    GELU(approximate='none')
    """


class TooLarge(ExactlensError):
    """An upper bound on the size of the job exceeds the limit that the caller set.

    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> try:
    ...     partition(tensors.mlp([([[1]] * 9, range(9)), ([[1] * 9], [0])]), RealSpace(1), limit=5)
    ... except TooLarge as failure:
    ...     print(failure.value)
    at least 10 regions (20 bytes of codes)
    """


class Undecided(ExactlensError):
    """A sign could not be decided with the arithmetic at hand; no guess is made.

    >>> raise Undecided("the sign of a root", value="z_3", remedy="ask with more bits")
    Traceback (most recent call last):
        ...
    exact.errors.Undecided: the sign of a root; got z_3; ask with more bits
    """


class EngineDefect(Undecided):
    """A proof of ours failed: a bug of an engine, no sign that was left undecided.

    >>> EngineDefect("two cells have one code", value=7).remedy
    'this is a defect of the engine: please report the network'
    """

    def __init__(
        self,
        wrong: str,
        *,
        value: object,
        remedy: str = "this is a defect of the engine: please report the network",
    ) -> None:
        super().__init__(wrong, value=value, remedy=remedy)


class MissingExtra(ExactlensError, ImportError):
    """An optional dependency is needed for this and is not installed.

    >>> failure = MissingExtra("no pandas", value="pandas", remedy="pip install pandas")
    >>> isinstance(failure, ImportError)
    True
    """


def _rebuilt(kind: type[ExactlensError], wrong: str, value: object, remedy: str) -> ExactlensError:
    return kind(wrong, value=value, remedy=remedy)


def certain(value: _T | None, fact: str) -> _T:
    """The value; EngineDefect where there is none, although there is one by the stated `fact`."""
    if value is None:
        raise EngineDefect(f"what must hold does not: {fact}", value=None)
    return value


def require(holds: bool, fact: str, value: object) -> None:
    """EngineDefect unless a stated `fact` about `value` holds."""
    if not holds:
        raise EngineDefect(f"what must hold does not: {fact}", value=value)


def require_methods(kind: type, part: str) -> None:
    """InvalidInput where a class of one's own lacks methods of the abstract class of a `part` of
    networks.
    """
    missing: frozenset[str] = getattr(kind, "__abstractmethods__", frozenset())
    if missing:
        raise InvalidInput(
            f"the class {kind.__name__} is no {part} yet",
            value=f"nothing for {', '.join(sorted(missing))}",
            remedy=f"write {'it' if len(missing) == 1 else 'them'} as the base class says",
        )


def shown(point: Sequence[object]) -> str:
    """A point for messages: up to eight coordinates, of longer ones the first four, long numbers
    abbreviated.

    >>> shown([1, 0, -1]), shown([0.5] * 768)
    ('(1, 0, -1)', '(0.5, 0.5, 0.5, 0.5, ... 768 in all)')
    """
    if len(point) <= 8:
        return f"({', '.join(map(abbreviated, point))})"
    first = ", ".join(abbreviated(value, 36) for value in point[:4])
    return f"({first}, ... {len(point)} in all)"
