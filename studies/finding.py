"""What a question answers: findings with a rule fixed beforehand, figures drawn on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from studies.subjects import Subjects

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


class Verdict(StrEnum):
    """What the rule of a finding says of its value."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """One claim, measured on one subject.

    `claim` numbers the claim ("0.1"), `statement` says it in one sentence, `rule` how the verdict
    follows from the value. `value` is what was measured, with its uncertainty, short enough for a
    table. `data` holds the numbers behind it: exact ones as text ("p/q" or a SymPy expression),
    approximate ones under keys that end in `_float`.
    """

    claim: str
    statement: str
    subject: str
    rule: str
    value: str
    verdict: Verdict
    data: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A picture that is drawn when it is asked for; `name` is its file stem."""

    name: str
    caption: str
    draw: Callable[[], Canvas]


@dataclass(frozen=True)
class Answer:
    """The findings and figures of one question."""

    findings: tuple[Finding, ...]
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Question:
    """A claim of the seed texts and the function that examines it."""

    claim: str
    title: str
    ask: Callable[[Subjects], Answer]


def number(value: JSON) -> float:
    """A number taken out of a finding's data; TypeError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"not a number: {value!r}")
    return float(value)
