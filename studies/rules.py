"""Rules that are fixed before there are data, and the claims they belong to.

A rule is one object from which both its text and its decision follow: margins, direction and the
number of networks it needs are fields, the text prints them and `decide` compares with them. All
forms can come out either way; a form that is supported unless one of n samples fails is not among
them, since its verdict would be a function of n and of the seed. What a rule is, what it refuses
and the claim it judges stand in one file.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import TypeAlias

from exact.errors import EngineDefect, InvalidInput, TooLarge, Undecided
from studies.finding import JSON, Finding, Kind, Ruling, Verdict
from studies.statistics.estimates import (
    CONFIDENCE,
    MINIMUM,
    NETS,
    Degenerate,
    Estimate,
    counted,
    whole,
)

Bounds = tuple[float, float]
EVERYWHERE: Bounds = (-math.inf, math.inf)
SHARE: Bounds = (0.0, 1.0)
APART: Bounds = (-1.0, 1.0)
"""Of a difference of two shares."""
MOST_PARTS = 99
"""The largest denominator of a margin that is told as a fraction."""
ROUNDING = 1e-9
"""How far beyond its range floats may take a statistic."""
Zone = tuple[float, float]


class Rule(ABC):
    """How a verdict follows from estimates: `text` says it, `decide` does it.

    A rule has `parts` that judge one estimate each, against margins of their own; one that could
    come out one way only is refused when it is made.
    """

    @property
    @abstractmethod
    def text(self) -> str:
        """The rule in words, with margin and direction."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """The rules on one estimate each, in the order in which `decide` takes these."""

    @abstractmethod
    def decide(self, *estimates: Estimate) -> Ruling:
        """The verdict on what was measured. Raises InvalidInput for another number of estimates
        than the rule judges, for estimates over other units than it speaks of, and for values
        beyond the range of what it speaks of.
        """

    @abstractmethod
    def at_least(self, least: int) -> Rule:
        """The same rule for another number of networks: quick studies have few."""

    def undecided(self, why: str) -> Ruling:
        """The ruling on a subject that could not be measured."""
        return Ruling(self.text, Verdict.UNDECIDED, why)

    def __and__(self, other: Rule) -> Rule:
        """Both rules, each on estimates of its own: supported iff both are, refuted iff one is.

        >>> rule = above(0.5, "purity") & larger_than("untrained", "purity")
        >>> few, many = Estimate(0.6, (0.55, 0.7), 30), Estimate(0.2, (0.1, 0.3), 30)
        >>> str(rule.decide(few, many).verdict), str(rule.decide(many, many).verdict)
        ('supported', 'refuted')
        """
        return Both(self, other)


# ---- rules on intervals


@dataclass(frozen=True)
class OnInterval(Rule):
    """Supported iff the interval lies within the one open zone, refuted iff within one of the
    others. Made by `above`, `below`, `larger_than`, `smaller_than`, `within` and `equivalent`.
    """

    of: str
    supports: Zone
    refutes: tuple[Zone, ...]
    range: Bounds = EVERYWHERE
    unit: str = NETS
    least: int = MINIMUM

    def __post_init__(self) -> None:
        whole("least", self.least, 1)
        for name in ("of", "unit"):
            _require_text(name, getattr(self, name))
        _require_bounds("range", self.range)
        for zone in (self.supports, *self.refutes):
            _require_bounds("zone", zone)
        if not self.refutes:
            raise InvalidInput(
                "a rule can come out one way only",
                value=f"{self.of} is refuted nowhere",
                remedy="give a zone that refutes",
            )
        for zone in (self.supports, *self.refutes):
            if not _meet(zone, self.range):
                raise InvalidInput(
                    "a rule can come out one way only",
                    value=f"{self.of} within {self.range} never lies within {zone}",
                    remedy="choose a margin inside the range of the statistic",
                )
            if zone is not self.supports and _meet(zone, self.supports):
                raise InvalidInput(
                    "a rule supports and refutes the same values",
                    value=f"{self.supports} and {zone}",
                    remedy="give zones that do not overlap",
                )

    @property
    def text(self) -> str:
        least = f"at least {self.least} " if self.least > 1 else ""
        over = f" over {least}{self.unit}"
        refuted = " or ".join(map(_said, self.refutes))
        return (
            f"supported iff the {CONFIDENCE:.0%} interval{over} of {self.of} lies "
            f"{_said(self.supports)}, refuted iff {refuted}, else undecided"
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self,)

    @property
    def margins(self) -> tuple[float, ...]:
        """What the interval is compared with, ascending."""
        ends = {end for zone in (self.supports, *self.refutes) for end in zone}
        return tuple(sorted(filter(math.isfinite, ends)))

    def at_least(self, least: int) -> OnInterval:
        return replace(self, least=least) if self.unit == NETS else self

    def against(self, counter: OnInterval) -> OnInterval:
        """Refuted iff the other rule on the same statistic is supported.

        >>> print(above(0.25, "the gap").against(equivalent(0.25, "the gap")).text)
        supported iff the 95% interval over at least 30 nets of the gap lies above 0.25, refuted \
iff within (-0.25, 0.25), else undecided
        """
        return replace(self, refutes=(counter.supports,))

    def decide(self, *estimates: Estimate) -> Ruling:
        (found,) = _checked(self, estimates)
        if found.unit != self.unit:
            raise InvalidInput(
                "a rule is asked of other units than it speaks of",
                value=found.unit,
                remedy=f"draw {self.unit}, or write unit={found.unit!r} in the rule",
            )
        if found.interval is None:
            return self.undecided(found.why)
        _require_range(self, found)
        if found.clusters < self.least:
            return self.undecided(f"only {counted(found.clusters, self.unit)}")
        low, high = found.interval
        if not _keeps_to(low, high, self.range):
            least, most = self.range
            return self.undecided(
                f"the interval [{low:.3g}, {high:.3g}] reaches beyond [{least:g}, {most:g}], the "
                "range of the statistic: cut it to that (range=)"
            )
        if _inside(low, high, self.supports):
            return Ruling(self.text, Verdict.SUPPORTED)
        if any(_inside(low, high, zone) for zone in self.refutes):
            return Ruling(self.text, Verdict.REFUTED)
        return self.undecided(f"the interval [{low:.3g}, {high:.3g}] reaches over the margin")


def above(
    margin: float, of: str, *, range: Bounds = EVERYWHERE, unit: str = NETS, least: int = MINIMUM
) -> OnInterval:
    """Supported iff the interval lies above the margin, refuted iff below.

    >>> rule = above(0.05, "the share of crossed directions", range=SHARE)
    >>> rule.decide(Estimate(0.5, (0.4, 0.6), 30)).verdict
    <Verdict.SUPPORTED: 'supported'>
    >>> rule.decide(Estimate(0.5, (0.4, 0.6), 4)).why
    'only 4 nets'
    """
    return OnInterval(of, (margin, math.inf), ((-math.inf, margin),), range, unit, least)


def below(
    margin: float, of: str, *, range: Bounds = EVERYWHERE, unit: str = NETS, least: int = MINIMUM
) -> OnInterval:
    """Supported iff the interval lies below the margin, refuted iff above."""
    return OnInterval(of, (-math.inf, margin), ((margin, math.inf),), range, unit, least)


def larger_than(
    control: str,
    of: str,
    margin: float = 0.0,
    *,
    range: Bounds = EVERYWHERE,
    unit: str = NETS,
    least: int = MINIMUM,
) -> OnInterval:
    """On paired differences, subject - control: supported iff larger by more than the margin.
    `range` is that of the difference: `APART` where both are shares.

    >>> print(larger_than("the untrained net of the same seed", "purity", 0.1).text)
    supported iff the 95% interval over at least 30 nets of purity minus that of the untrained \
net of the same seed lies above 0.1, refuted iff below 0.1, else undecided
    """
    of = f"{of} minus that of {control}"
    return above(margin, of, range=range, unit=unit, least=least)


def smaller_than(
    control: str,
    of: str,
    margin: float = 0.0,
    *,
    range: Bounds = EVERYWHERE,
    unit: str = NETS,
    least: int = MINIMUM,
) -> OnInterval:
    """On paired differences, subject - control: supported iff smaller by more than the margin."""
    _require_number("margin", margin)
    of = f"{of} minus that of {control}"
    return below(0.0 - margin, of, range=range, unit=unit, least=least)


def within(
    low: float,
    high: float,
    of: str,
    *,
    range: Bounds = EVERYWHERE,
    unit: str = NETS,
    least: int = MINIMUM,
) -> OnInterval:
    """Supported iff the interval lies between two margins, refuted iff outside of them."""
    _require_bounds("zone", (low, high))
    _require_bounds("range", range)
    outside = ((-math.inf, low), (high, math.inf))
    reachable = tuple(zone for zone in outside if _meet(zone, range))
    return OnInterval(of, (low, high), reachable or outside, range, unit, least)


def equivalent(
    margin: float, of: str, *, range: Bounds = EVERYWHERE, unit: str = NETS, least: int = MINIMUM
) -> OnInterval:
    """Supported iff the interval lies within +-margin, refuted iff outside."""
    _require_number("margin", margin)
    return within(-margin, margin, of, range=range, unit=unit, least=least)


# ---- rules on exact values


@dataclass(frozen=True)
class OnValue(Rule):
    """Of an exact value: supported iff it is at most, or else above, a limit. Made by `at_most`,
    `exceeds` and `theorem`. With a `level` it is left open unless the two-sided p-value that goes
    with the value, of labels permuted, is below that.
    """

    of: str
    limit: float
    low_supports: bool
    range: Bounds = EVERYWHERE
    level: float | None = None

    def __post_init__(self) -> None:
        if self.level is not None:
            _require_number("level", self.level)
            if not 0 < self.level < 1:
                remedy = "give one between 0 and 1, or None"
                raise InvalidInput("a test has no such level", value=self.level, remedy=remedy)
        _require_text("of", self.of)
        _require_number("limit", self.limit)
        _require_bounds("range", self.range)
        if not self.range[0] <= self.limit < self.range[1]:
            raise InvalidInput(
                "a rule can come out one way only",
                value=f"{self.of} within {self.range} against {self.limit}",
                remedy="choose a limit inside the range of the value",
            )

    @property
    def text(self) -> str:
        limit = _number(self.limit)
        sides = (f"is at most {limit}", f"exceeds {limit}")
        first, second = sides if self.low_supports else sides[::-1]
        text = f"supported iff {self.of}, an exact value, {first}, refuted iff it {second}"
        if self.level is None:
            return text
        return f"{text}; left open unless p < {self.level:g}, two-sided, with labels permuted"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self,)

    @property
    def margins(self) -> tuple[float, ...]:
        """What the value is compared with."""
        return (self.limit,)

    def at_least(self, least: int) -> OnValue:
        return self

    def decide(self, *estimates: Estimate) -> Ruling:
        (found,) = _checked(self, estimates)
        if found.interval is None or found.value is None:
            return self.undecided(found.why)
        if not found.is_exact:
            raise InvalidInput(
                "a rule on exact values is asked of a sample",
                value=str(found),
                remedy="write a rule on intervals, such as above(margin)",
            )
        _require_range(self, found)
        if self.level is not None and (found.p is None or found.p >= self.level):
            told = "no permutation test" if found.p is None else f"p = {found.p:.3g}"
            return self.undecided(f"{told}: chance may make it so")
        holds = (found.value <= self.limit) == self.low_supports
        return Ruling(self.text, Verdict.SUPPORTED if holds else Verdict.REFUTED)


def at_most(
    limit: float, of: str, *, range: Bounds = EVERYWHERE, level: float | None = None
) -> OnValue:
    """Of an exact value: supported iff it is at most the limit, refuted iff it exceeds it; with a
    `level` left open unless the estimate's `p` is below that.

    >>> at_most(0, "the number of crossed arcs").decide(Estimate.exactly(3)).verdict
    <Verdict.REFUTED: 'refuted'>
    """
    return OnValue(of, limit, True, range, level)


def exceeds(limit: float, of: str, *, range: Bounds = EVERYWHERE) -> OnValue:
    """Of an exact value: supported iff it exceeds the limit, refuted iff it does not."""
    return OnValue(of, limit, False, range)


@dataclass(frozen=True)
class Theorem(OnValue):
    """Of the number of violations of what cannot fail. Made by `theorem`."""

    open_if: str = ""

    @property
    def text(self) -> str:
        left = f", left open where {self.open_if}" if self.open_if else ""
        return f"holds iff {self.of}{left}; anything else is a defect of the code"


def theorem(what: str, *, open_if: str = "") -> Theorem:
    """Of the number of violations of a theorem: holds iff there is none, else the code is wrong.
    `open_if` says when the check tells nothing (an `Estimate.unknown`).

    >>> rule = theorem("the lengths of the arcs sum to 2 pi sqrt(3)")
    >>> print(rule.text)
    holds iff the lengths of the arcs sum to 2 pi sqrt(3); anything else is a defect of the code
    >>> rule.decide(Estimate.exactly(0)).verdict
    <Verdict.SUPPORTED: 'supported'>
    """
    return Theorem(what, 0, True, (0, math.inf), open_if=open_if)


Part: TypeAlias = OnInterval | OnValue
"""A rule on one estimate."""


# ---- conjunction


@dataclass(frozen=True)
class Both(Rule):
    """Two rules, or more, each on estimates of its own: made by `first & second`."""

    first: Rule
    second: Rule

    def __post_init__(self) -> None:
        for one in (self.first, self.second):
            _require_rule(one)

    @property
    def text(self) -> str:
        numbered = [f"({k}) {part.text}" for k, part in enumerate(self.parts, 1)]
        all_of_them = "both" if len(numbered) == 2 else f"all {len(numbered)}"
        end = f"supported iff {all_of_them} are, refuted iff one is, else undecided"
        return "; ".join((*numbered, end))

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.first.parts + self.second.parts

    def at_least(self, least: int) -> Both:
        return Both(self.first.at_least(least), self.second.at_least(least))

    def decide(self, *estimates: Estimate) -> Ruling:
        _checked(self, estimates)
        rulings = [part.decide(one) for part, one in zip(self.parts, estimates, strict=True)]
        verdicts = [ruling.verdict for ruling in rulings]
        if Verdict.REFUTED in verdicts:
            return Ruling(self.text, Verdict.REFUTED)
        if Verdict.UNDECIDED in verdicts:
            reasons = [f"({k}) {found.why}" for k, found in enumerate(rulings, 1) if found.why]
            return self.undecided("; ".join(reasons))
        return Ruling(self.text, Verdict.SUPPORTED)


# ---- claims


@dataclass(frozen=True)
class Claim:
    """A statement, what kind of evidence there is for it, and the rule that judges it.

    A question makes its claims when it is imported, before there are data, and every finding
    through one of them. `measures` names the first number of what was measured, in a word or two.
    Raises InvalidInput for fields of other types, no number or statement, and a rule that does not
    go with the kind: a theorem counts violations, and what is sampled is judged by intervals.
    """

    number: str
    statement: str
    kind: Kind
    rule: Rule
    measures: str = ""

    def __post_init__(self) -> None:
        for name in ("number", "statement"):
            _require_text(name, getattr(self, name))
        if self.measures != "":
            _require_text("measures", self.measures)
        if not isinstance(self.kind, Kind):
            raise InvalidInput(
                "a claim has a field of another type",
                value=f"kind {self.kind!r}"[:160],
                remedy="give a Kind, such as Kind.ESTIMATE",
            )
        _require_rule(self.rule)
        wanted: dict[Kind, tuple[type[Rule], ...]] = {
            Kind.THEOREM: (Theorem,),
            Kind.CENSUS: (OnInterval, OnValue),
            Kind.ESTIMATE: (OnInterval,),
        }
        if not all(isinstance(part, wanted[self.kind]) for part in self.rule.parts):
            raise InvalidInput(
                f"this rule does not go with the kind {self.kind.value}",
                value=self.rule.text,
                remedy="theorems go with theorem(...), estimates with rules on intervals",
            )

    def finding(
        self,
        subject: str,
        *estimates: Estimate,
        value: str | None = None,
        data: Mapping[str, JSON] | None = None,
    ) -> Finding:
        """What the rule says of estimates on a subject; without `value`, the estimates tell it.

        >>> claim = Claim("mine", "There are few.", Kind.ESTIMATE, below(9, "T"), "regions")
        >>> claim.finding("moons", Estimate(3.5, (3, 4), 30)).value
        'regions 3.5 [3, 4] over 30 nets'
        """
        told = value if value is not None else "; ".join(map(str, estimates))
        told = f"{self.measures} {told}" if self.measures else told
        return self._found(subject, self.rule.decide(*estimates), told, data)

    def undecided(
        self, subject: str, why: str, *, value: str = "", data: Mapping[str, JSON] | None = None
    ) -> Finding:
        """The finding on a subject that cannot be measured, and why: nothing vanishes."""
        return self._found(subject, self.rule.undecided(why), value or "not measured", data)

    def guarded(self, subject: str, measure: Callable[[], Finding]) -> Finding:
        """The finding of `measure()`; undecided, and why, where the subject is degenerate, too
        large, or has a sign that could not be decided. Every other failure is a defect and goes on.
        """
        try:
            return measure()
        except EngineDefect:
            raise
        except (Degenerate, TooLarge, Undecided) as failure:
            return self.undecided(subject, str(failure))

    def at_least(self, least: int) -> Claim:
        """The same claim for another number of networks: quick studies have few."""
        return replace(self, rule=self.rule.at_least(least))

    def _found(
        self, subject: str, ruling: Ruling, value: str, data: Mapping[str, JSON] | None
    ) -> Finding:
        return Finding(
            self.number, self.statement, subject, self.kind, ruling, value, dict(data or {})
        )


# ---- what rules are made of


def _require_text(name: str, value: object) -> None:
    # no file can hold half of a pair of surrogates
    text = value.encode(errors="ignore").decode() if isinstance(value, str) else ""
    if text != value or not text.strip():
        raise InvalidInput(
            f"{name} is no text", value=repr(value)[:80], remedy=f"say {name} in words"
        )


def _require_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
        raise InvalidInput(
            f"the {name} of a rule is no number", value=repr(value)[:80], remedy="give a number"
        )


def _require_bounds(name: str, value: object) -> None:
    ends = value if isinstance(value, tuple) and len(value) == 2 else (None, None)
    for end in ends:
        _require_number(f"{name} {value!r}"[:80], end)
    if not ends[0] < ends[1]:
        raise InvalidInput(
            f"the {name} of a rule is empty", value=repr(value), remedy="give (low, high)"
        )


def _require_rule(value: object) -> None:
    if not isinstance(value, Rule):
        raise InvalidInput(
            "what judges is no rule",
            value=repr(value)[:80],
            remedy="make one, such as above(0.5, of), and join two with &",
        )


# ---- zones


def _checked(rule: Rule, estimates: tuple[Estimate, ...]) -> tuple[Estimate, ...]:
    if len(estimates) != len(rule.parts):
        raise InvalidInput(
            "a rule judges another number of estimates",
            value=f"{len(estimates)} for a rule on {len(rule.parts)}",
            remedy="give one estimate to each part of the rule",
        )
    for one in estimates:
        if not isinstance(one, Estimate):
            raise InvalidInput(
                "a rule judges estimates", value=repr(one), remedy="give an Estimate of it"
            )
    return estimates


def _require_range(rule: Part, found: Estimate) -> None:
    """Raise InvalidInput for a value or an interval beyond what the statistic can be."""
    low, high = rule.range
    ends = found.interval or rule.range
    value = low if found.value is None else float(found.value)
    slack = ROUNDING * max(1.0, abs(value))
    if not (low - slack <= value <= high + slack and ends[0] <= high and low <= ends[1]):
        raise InvalidInput(
            f"{rule.of} cannot be so",
            value=str(found),
            remedy=f"give an estimate within [{low:g}, {high:g}], the range of the rule",
        )


def _keeps_to(low: float, high: float, bounds: Bounds) -> bool:
    """Whether both ends lie in the range, but for what rounding may add."""
    slack = ROUNDING * max(1.0, *(abs(end) for end in (low, high) if math.isfinite(end)))
    return bounds[0] - slack <= low and high <= bounds[1] + slack


def _inside(low: float, high: float, zone: Zone) -> bool:
    return zone[0] < low and high < zone[1]


def _meet(zone: Zone, other: Zone) -> bool:
    """Whether two intervals share more than a point."""
    return max(zone[0], other[0]) < min(zone[1], other[1])


def _said(zone: Zone) -> str:
    low, high = map(_number, zone)
    if zone[1] == math.inf:
        return f"above {low}"
    return f"below {high}" if zone[0] == -math.inf else f"within ({low}, {high})"


def _number(value: float) -> str:
    """A margin as it was meant: 6/11 where six digits are not all of it.

    >>> _number(6 / 11), _number(0.05), _number(-math.inf)
    ('6/11', '0.05', '-inf')
    """
    text = f"{value:g}"
    if not math.isfinite(value) or float(text) == value:
        return text
    near = Fraction(value).limit_denominator(MOST_PARTS)
    return str(near) if float(near) == value else text
