"""A question: what is asked of the subjects, and the claims whose rules stand beforehand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from exact import InvalidInput
from studies.finding import Answer, Finding, Kind, Ruling, Verdict
from studies.rules import Claim

if TYPE_CHECKING:
    from studies.subjects import Subject, Subjects


@dataclass(frozen=True)
class Text:
    """A text that claims or asks: its title, its authors, and where it can be read.

    Raises InvalidInput for fields that are no text, and an address that is none of http or https:
    the report makes a link of it.
    """

    title: str
    authors: str
    address: str = ""

    def __post_init__(self) -> None:
        fields = (self.title, self.authors, self.address)
        is_text = all(isinstance(one, str) for one in fields)
        if not is_text or not re.fullmatch(r"(https?://\S+)?", self.address):
            raise InvalidInput(
                "a text has no such address",
                value=repr(self.address)[:80] if is_text else repr(fields)[:80],
                remedy="write texts, and an address that begins with http:// or https://, or none",
            )


@dataclass(frozen=True)
class Question:
    """A claim of the seed texts, the function that examines it, and everything that its findings
    may say: the rule of every finding is that of one of `claims`.

    `title` asks in a few words; `asked` says in our words what the `text` claims or asks there, and
    `controls` against what the rules hold it (a claim of its own may do so), `beside` what is
    measured too, and told and not judged, all for the report; `settled` tells what was decided only
    after a first look at numbers. `core` questions are asked by
    `exactlens study`, the others by `exactlens study --all` or by name; `own` ones were named by a
    user, whose mistakes are told and lose nothing else.

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
    text: Text | None = None
    asked: str = ""
    controls: str = ""
    beside: str = ""
    settled: str = ""
    core: bool = False
    own: bool = False

    @property
    def module(self) -> str:
        """The module that asks it: the one file to read."""
        return self._function.__module__

    @property
    def first_line(self) -> int:
        """Where in its file the function that asks begins; 1 for one that is no Python function."""
        code = getattr(self._function, "__code__", None)
        return 1 if code is None else int(code.co_firstlineno)

    @property
    def _function(self) -> Callable[..., Answer]:
        ask: Callable[..., Answer] = self.ask
        while isinstance(ask, partial):
            ask = ask.func
        return ask

    @property
    def file(self) -> str:
        """The path of that module within the project."""
        return f"{self.module.replace('.', '/')}.py"

    def open(self, subject: str, why: str) -> tuple[Finding, ...]:
        """Findings that leave every claim open: the question could not be answered at all."""
        if not self.claims:
            return (self.not_asked(subject, why),)
        return tuple(claim.undecided(subject, why) for claim in self.claims)

    def not_asked(self, subject: str, why: str) -> Finding:
        """The finding on a subject that was given and could not be asked: nothing vanishes."""
        if self.claims:
            return self.claims[0].undecided(subject, why, value="not asked")
        ruling = Ruling("decided iff the subject can be asked", Verdict.UNDECIDED, why)
        return Finding(self.claim, self.title, subject, Kind.ESTIMATE, ruling, "not asked")


def reading_order(question: Question) -> tuple[bool, list[tuple[int, str]]]:
    """The order of the claims: 0.1, 0.1b, 0.2, ..., 1.9, 1.10, and names behind numbers.

    >>> asked = [Question(claim, "", print) for claim in ("referee", "1.10", "0.1b", "1.9", "0.1")]
    >>> [question.claim for question in sorted(asked, key=reading_order)]
    ['0.1', '0.1b', '1.9', '1.10', 'referee']
    """
    parts = re.findall(r"(\d+)|([^\d.]+)", question.claim)
    return not question.claim[:1].isdigit(), [(int(n or 0), word) for n, word in parts]
