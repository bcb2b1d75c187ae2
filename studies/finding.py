"""What a question answers: findings of three kinds, each judged by a rule fixed beforehand, and
figures drawn on request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


class Verdict(StrEnum):
    """What the rule of a finding says of its value."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class Kind(StrEnum):
    """What a finding is evidence of; kinds are shown apart and never counted together.

    A `THEOREM` cannot fail: its run checks the code, and a failure is a defect of ours. A `CENSUS`
    has every cell of one network, exactly: it speaks of that network only. An `ESTIMATE` was drawn
    from a population, so that it has an interval and can speak of the claim.
    """

    THEOREM = "theorem"
    CENSUS = "census"
    ESTIMATE = "estimate"


WORDS = {
    (Kind.THEOREM, Verdict.SUPPORTED): "holds (checks the code)",
    (Kind.THEOREM, Verdict.REFUTED): "FAILS: the code is wrong",
    (Kind.THEOREM, Verdict.UNDECIDED): "not checked",
    (Kind.CENSUS, Verdict.SUPPORTED): "holds in this net",
    (Kind.CENSUS, Verdict.REFUTED): "fails in this net",
    (Kind.CENSUS, Verdict.UNDECIDED): "left open",
    (Kind.ESTIMATE, Verdict.SUPPORTED): "supported",
    (Kind.ESTIMATE, Verdict.REFUTED): "refuted",
    (Kind.ESTIMATE, Verdict.UNDECIDED): "undecided",
}
"""How a verdict reads, by the kind of its finding."""

CONTROLS = ("untrained", "initial weights", "before training", "every bias zero")
"""What the subject of a control is called."""

HEADINGS = {
    Kind.ESTIMATE: "Estimates (of claims)",
    Kind.CENSUS: "Censuses (of one net each)",
    Kind.THEOREM: "Theorems (checks of the code)",
}
"""The kinds in the order in which they are shown, and what they are called."""


@dataclass(frozen=True)
class Ruling:
    """What a rule said: its text, the verdict, and why where the verdict needs a reason.

    A `Rule` makes it, so that a finding cannot carry the text of one rule and the verdict of
    another.
    """

    rule: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """One claim, measured on one subject.

    `claim` numbers the claim ("0.1"), `statement` says it in one sentence, `ruling` is what the
    rule said of the value. `value` is what was measured, with its uncertainty, short enough for a
    table. `data` holds the numbers behind it: exact ones as text ("p/q" or a SymPy expression),
    approximate ones under keys that end in `_float`. `studies.rules.Claim` makes findings.
    """

    claim: str
    statement: str
    subject: str
    kind: Kind
    ruling: Ruling
    value: str
    data: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """How the verdict follows from the value."""
        return self.ruling.rule

    @property
    def verdict(self) -> Verdict:
        """What the rule says of the value."""
        return self.ruling.verdict

    @property
    def why(self) -> str:
        """Why the rule leaves the value undecided, where it says so."""
        return self.ruling.why

    @property
    def word(self) -> str:
        """How the verdict reads for a finding of this kind."""
        return WORDS[self.kind, self.verdict]

    @property
    def is_alarm(self) -> bool:
        """Whether a theorem failed: the code is wrong, and no claim is concerned."""
        return self.kind is Kind.THEOREM and self.verdict is Verdict.REFUTED

    @property
    def is_control(self) -> bool:
        """Whether its subject is a control, by its name: nets that were not trained."""
        return any(word in self.subject for word in CONTROLS)

    def values(self) -> dict[str, JSON]:
        """All of it as JSON values."""
        return {
            "claim": self.claim,
            "statement": self.statement,
            "subject": self.subject,
            "kind": self.kind.value,
            "rule": self.rule,
            "value": self.value,
            "verdict": self.verdict.value,
            "why": self.why,
            "data": self.data,
        }


def counted(findings: Sequence[Finding]) -> dict[Kind, dict[Verdict, int]]:
    """How many findings of each kind have each verdict; there is no total over kinds."""
    found = {kind: dict.fromkeys(Verdict, 0) for kind in HEADINGS}
    for finding in findings:
        found[finding.kind][finding.verdict] += 1
    return found


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


def number(value: JSON) -> float:
    """A number taken out of a finding's data; TypeError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"not a number: {value!r}")
    return float(value)
