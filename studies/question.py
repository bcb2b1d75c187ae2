"""A question: what is asked of the subjects, and the claims whose rules stand beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.finding import Answer
from studies.rules import Claim

if TYPE_CHECKING:
    from studies.subjects import Subjects


@dataclass(frozen=True)
class Question:
    """A claim of the seed texts, the function that examines it, and everything that its findings
    may say: the rule of every finding is that of one of `claims`.
    """

    claim: str
    title: str
    ask: Callable[[Subjects], Answer]
    claims: tuple[Claim, ...] = ()
