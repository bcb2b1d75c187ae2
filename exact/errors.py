"""Typed failures: each says what was wrong, which value was received, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from exact.printing import MOST
from exact.printing import shown as shown_value

_T = TypeVar("_T")


class ExactlensError(Exception):
    """Base of every failure that Exactlens raises on purpose.

    The message has three parts: what was wrong, the value received (long ones abbreviated), the remedy. A caller that
    wants the parts reads :attr:`wrong`, :attr:`value` and :attr:`remedy`.
    """

    def __init__(self, wrong: str, *, value: object, remedy: str) -> None:
        super().__init__(f"{wrong}; got {shown_value(value, MOST)}; {remedy}")
        self.wrong, self.value, self.remedy = wrong, value, remedy

    def __reduce__(self) -> tuple[object, ...]:
        """A failure travels between processes by its three parts; a value that is no number or text goes as its text."""
        plain = self.value is None or isinstance(self.value, str | int | float)
        return _rebuilt, (type(self), self.wrong, self.value if plain else str(self.value), self.remedy)


class InvalidInput(ExactlensError, ValueError):
    """The input cannot mean anything: non-finite weights, shapes that do not fit, an empty box, a missing file."""


class Unsupported(ExactlensError):
    """The named engine or function cannot do this job; another one may."""


class NotPiecewiseLinear(Unsupported):
    """An affine map was asked of a network with a smooth activation (GELU, SiLU)."""


class TooLarge(ExactlensError):
    """An upper bound on the size of the job exceeds the limit that the caller set."""


class Undecided(ExactlensError):
    """A sign could not be decided with the arithmetic at hand; no guess is made."""


class MissingExtra(ExactlensError, ImportError):
    """An optional dependency is needed for this and is not installed."""


def _rebuilt(kind: type[ExactlensError], wrong: str, value: object, remedy: str) -> ExactlensError:
    return kind(wrong, value=value, remedy=remedy)


def certain(value: _T | None, fact: str) -> _T:
    """The value; Undecided where there is none, although there is one by the stated `fact`: a defect of ours, no input's."""
    if value is None:
        raise Undecided(f"what must hold does not: {fact}", value=None,
                        remedy="this is a defect of the engine: please report the network")  # fmt: skip
    return value


def require(holds: bool, fact: str, value: object) -> None:
    """Undecided unless a stated `fact` about `value` holds: a defect of ours, no input's."""
    if not holds:
        raise Undecided(f"what must hold does not: {fact}", value=value,
                        remedy="this is a defect of the engine: please report the network")  # fmt: skip


def shown(point: Sequence[object]) -> str:
    """A point for messages: up to eight coordinates, long numbers abbreviated, more by their number."""
    return f"({', '.join(map(shown_value, point))})" if len(point) <= 8 else f"<R^{len(point)}>"
