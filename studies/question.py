"""A question: what is asked of the subjects, and the claims whose rules stand beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.finding import Answer, Finding, Kind, Ruling, Verdict
from studies.rules import Claim

if TYPE_CHECKING:
    from studies.subjects import Subject, Subjects


@dataclass(frozen=True)
class Question:
    """A claim of the seed texts, the function that examines it, and everything that its findings
    may say: the rule of every finding is that of one of `claims`.

    `groups` are the fields of `Subjects` that it looks at, so that no others need to be trained.
    `fits` says of one subject whether it can be asked, and `needs` in words what that takes.
    """

    claim: str
    title: str
    ask: Callable[[Subjects], Answer]
    claims: tuple[Claim, ...] = ()
    groups: tuple[str, ...] = ("toys", "deep", "spheres", "language")
    fits: Callable[[Subject], bool] = lambda _: True
    needs: str = ""

    def not_asked(self, subject: str, why: str) -> Finding:
        """The finding on a subject that was given and could not be asked: nothing vanishes."""
        if self.claims:
            return self.claims[0].undecided(subject, why, value="not asked")
        ruling = Ruling("decided iff the subject can be asked", Verdict.UNDECIDED, why)
        return Finding(self.claim, self.title, subject, Kind.ESTIMATE, ruling, "not asked")
