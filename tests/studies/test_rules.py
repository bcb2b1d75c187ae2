"""A rule's text and its decision are one thing, every rule can come out either way, and what cannot
be measured is undecided with a reason.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from exact import EngineDefect, InvalidInput, TooLarge, Undecided
from studies.finding import WORDS, Finding, Kind, Ruling, Verdict, counted
from studies.question import Question
from studies.questions import QUESTIONS
from studies.rules import (
    APART,
    SHARE,
    Claim,
    OnInterval,
    OnValue,
    Part,
    Rule,
    above,
    at_most,
    below,
    equivalent,
    exceeds,
    larger_than,
    smaller_than,
    theorem,
    within,
)
from studies.statistics import MINIMUM, NETS, QUICK, SEQUENCES, Degenerate, Estimate, over_clusters

SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED


def over(low: float, high: float, clusters: int = MINIMUM, unit: str = "nets") -> Estimate:
    return Estimate((low + high) / 2, (low, high), clusters, unit)


# ---- what is refused


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: OnInterval("x", (0, math.inf), ()), "one way only; got x is refuted nowhere"),
        (lambda: above(0.5, "x", least=0), "least .* got 0"),
        (lambda: above(0.5, "x", least=2.5), "least .* got 2.5"),  # type: ignore[arg-type]
        (lambda: theorem("x").decide(Estimate.exactly(-1)), "x cannot be so; got -1 exactly"),
        (lambda: above(0.5, "x").decide(0.6), "judges estimates; got 0.6"),  # type: ignore[arg-type]
        (lambda: above(0.5, "x", range=SHARE).decide(Estimate(7, (6, 8), 30)), "x cannot be so"),
        (lambda: above(0.5, "x", range=SHARE).decide(Estimate(-0.1, (-1, 0.2), 30)), "be so"),
        (lambda: at_most(3, "x", range=(0, 9)).decide(Estimate.exactly(10)), r"within \[0, 9\]"),
    ],
)
def test_what_no_rule_can_be_or_judge_is_refused(call: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        call()


def test_a_range_knows_of_rounding_and_of_intervals_that_reach_over_it() -> None:
    rule = above(0.5, "x", range=SHARE)
    assert rule.decide(Estimate(1 + 1e-15, (0.9, 1 + 1e-15), 30)).verdict is SUPPORTED
    beyond = rule.decide(Estimate(0.9, (0.7, 1.1), 30))
    assert beyond.verdict is UNDECIDED
    assert beyond.why.startswith("the interval [0.7, 1.1] reaches beyond [0, 1], the range")
    assert rule.decide(Estimate(0.1, (-0.4, 0.2), 30)).verdict is UNDECIDED
    assert rule.decide(Estimate(0.1, (0.0, 0.2), 30)).verdict is REFUTED
    half = above(1.5, "x", range=(1, math.inf))
    assert half.decide(Estimate(9, (3, 1e9), 30)).verdict is SUPPORTED


def test_differences_have_a_range_of_their_own() -> None:
    for rule in (
        larger_than("U", "T", range=APART),
        smaller_than("U", "T", range=APART),
        equivalent(0.1, "T", range=APART),
    ):
        with pytest.raises(InvalidInput, match=r"within \[-1, 1\], the range of the rule"):
            rule.decide(Estimate(1.5, (1.2, 1.8), 30))
    with pytest.raises(InvalidInput, match="one way only"):
        larger_than("U", "T", 1.0, range=APART)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.claim)
def test_a_difference_of_shares_keeps_to_its_range(question: Question) -> None:
    share = re.compile(r"(share|purity).* minus that of ")
    for part in (part for claim in question.claims for part in claim.rule.parts):
        if share.search(part.of):
            assert part.range in (APART, (-2.0, 2.0)), part.of  # the other of shares less chance


def test_a_margin_is_told_as_it_was_meant() -> None:
    assert "above 6/11, refuted iff below 6/11" in above(6 / 11, "T").text
    assert "is at most 1/3," in at_most(1 / 3, "T").text
    for margin, said in ((0.15, "0.15"), (2 / 3, "2/3"), (math.pi, "3.14159"), (1e-12, "1e-12")):
        assert f"below {said}, refuted" in below(margin, "T").text
    told = [part.text for one in QUESTIONS for claim in one.claims for part in claim.rule.parts]
    assert not [text for text in told if re.search(r"\d\.\d{4}", text)]


def test_one_is_not_said_in_the_plural() -> None:
    assert above(0.5, "T").decide(over(0.6, 0.7, 1)).why == "only 1 net"
    assert str(over(0.25, 0.75, 1, "groups of items")).endswith("over 1 group of items")


# ---- text and decision


FORMS: list[tuple[Rule, str]] = [
    (above(0.5, "T"), "lies above 0.5, refuted iff below 0.5, else undecided"),
    (below(0.5, "T"), "lies below 0.5, refuted iff above 0.5, else undecided"),
    (larger_than("U", "T", 0.1), "over at least 30 nets of T minus that of U lies above 0.1"),
    (smaller_than("U", "T", 0.1), "over at least 30 nets of T minus that of U lies below -0.1"),
    (equivalent(0.2, "T"), "lies within (-0.2, 0.2), refuted iff below -0.2 or above 0.2"),
    (within(0.9, 1.1, "T"), "lies within (0.9, 1.1), refuted iff below 0.9 or above 1.1"),
    (above(0.2, "T").against(equivalent(0.2, "T")), "above 0.2, refuted iff within (-0.2, 0.2)"),
]


@pytest.mark.parametrize(("rule", "said"), FORMS, ids=lambda x: x if isinstance(x, str) else "")
def test_the_text_carries_margin_and_direction(rule: Rule, said: str) -> None:
    assert said in rule.text
    assert rule.text.startswith("supported iff the 95% interval over at least 30 nets of T")
    assert rule.decide(over(9, 10)).rule == rule.text


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        (above(0.5, "T"), 0.6, 0.7, SUPPORTED),
        (above(0.5, "T"), 0.5, 0.7, UNDECIDED),
        (above(0.5, "T"), 0.3, 0.5, UNDECIDED),
        (above(0.5, "T"), 0.3, 0.4, REFUTED),
        (below(0.5, "T"), 0.3, 0.4, SUPPORTED),
        (below(0.5, "T"), 0.4, 0.6, UNDECIDED),
        (below(0.5, "T"), 0.6, 0.7, REFUTED),
        (larger_than("U", "T", 0.1), 0.05, 0.09, REFUTED),
        (larger_than("U", "T", 0.1), 0.11, 0.2, SUPPORTED),
        (smaller_than("U", "T", 0.1), -0.2, -0.11, SUPPORTED),
        (smaller_than("U", "T", 0.1), -0.09, 0.2, REFUTED),
        (equivalent(0.2, "T"), -0.1, 0.1, SUPPORTED),
        (equivalent(0.2, "T"), -0.3, -0.25, REFUTED),
        (equivalent(0.2, "T"), 0.25, 0.3, REFUTED),
        (equivalent(0.2, "T"), 0.1, 0.3, UNDECIDED),
        (above(0.2, "T").against(equivalent(0.2, "T")), -0.1, 0.1, REFUTED),
        (above(0.2, "T").against(equivalent(0.2, "T")), -0.4, -0.3, UNDECIDED),
    ],
)
def test_an_interval_decides(rule: Rule, low: float, high: float, verdict: Verdict) -> None:
    ruling = rule.decide(over(low, high))
    assert (ruling.verdict, bool(ruling.why)) == (verdict, verdict is UNDECIDED)


@pytest.mark.parametrize(
    ("rule", "value", "verdict"),
    [
        (at_most(0, "n"), 0, SUPPORTED),
        (at_most(0, "n"), 1, REFUTED),
        (exceeds(0, "n"), 0, REFUTED),
        (exceeds(0, "n"), 1e-300, SUPPORTED),
        (theorem("all is well"), 0, SUPPORTED),
        (theorem("all is well"), 2, REFUTED),
    ],
)
def test_an_exact_value_decides(rule: Rule, value: float, verdict: Verdict) -> None:
    assert rule.decide(Estimate.exactly(value)).verdict is verdict


def test_what_has_no_interval_is_undecided_and_says_why() -> None:
    unknown = Estimate.unknown("every neuron is dead", clusters=MINIMUM)
    for rule in (above(0.5, "T"), equivalent(1, "T"), at_most(0, "n"), theorem("all is well")):
        ruling = rule.decide(unknown)
        assert (ruling.verdict, ruling.why) == (UNDECIDED, "every neuron is dead")


def test_few_nets_give_no_verdict_about_training_unless_the_rule_says_so() -> None:
    rule, few = above(0.5, "T"), over(0.6, 0.7, clusters=MINIMUM - 1)
    assert rule.decide(few).why == "only 29 nets" and rule.decide(few).verdict is UNDECIDED
    quick = rule.at_least(QUICK)
    assert "over at least 5 nets" in quick.text and quick.decide(few).verdict is SUPPORTED
    assert quick.decide(over(0.6, 0.7, clusters=4)).why == "only 4 nets"
    both = (rule & below(0.5, "U")).at_least(QUICK)
    assert both.decide(few, over(0.1, 0.2, clusters=5)).verdict is SUPPORTED
    texts = above(0.5, "T", unit=SEQUENCES)
    assert texts.at_least(QUICK) == texts


def test_a_rule_over_nets_is_not_asked_of_tokens() -> None:
    with pytest.raises(InvalidInput, match="other units"):
        above(0.5, "T").decide(over(0.6, 0.7, 999, "tokens"))
    with pytest.raises(InvalidInput, match="other units"):
        above(0.5, "T").decide(Estimate.exactly(1))  # of one net: no verdict about training
    with pytest.raises(InvalidInput, match="asked of a sample"):
        at_most(0, "n").decide(over(0, 0))
    with pytest.raises(InvalidInput, match="another number of estimates"):
        above(0.5, "T").decide()
    with pytest.raises(InvalidInput, match="another number of estimates"):
        (above(0.5, "T") & above(0.5, "T")).decide(over(0.6, 0.7))


def test_both_rules_must_hold_and_one_refutes() -> None:
    rule = above(0.5, "T") & below(0.1, "U")
    verdicts = {SUPPORTED: over(0.6, 0.7), REFUTED: over(0.2, 0.3), UNDECIDED: over(0.4, 0.6)}
    mirrored = {SUPPORTED: over(0, 0.05), REFUTED: over(0.2, 0.3), UNDECIDED: over(0.05, 0.2)}
    for (first, one), (second, other) in product(verdicts.items(), mirrored.items()):
        expected = (
            REFUTED
            if REFUTED in (first, second)
            else UNDECIDED
            if UNDECIDED in (first, second)
            else SUPPORTED
        )
        assert rule.decide(one, other).verdict is expected
    assert "(1) supported iff" in rule.text and "(2) supported iff" in rule.text
    assert rule.decide(over(0.6, 0.7), over(0.05, 0.2)).why.startswith("(2) the interval")


def test_conditions_of_several_rules_are_numbered_through() -> None:
    three = above(0.5, "T") & below(0.1, "U") & smaller_than("V", "W")
    assert [three.text.count(f"({k}) ") for k in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert three.text.endswith("supported iff all 3 are, refuted iff one is, else undecided")
    assert "below 0, refuted" in three.text and "-0" not in three.text
    fine = over(0.6, 0.7), over(0, 0.05)
    assert three.decide(*fine, over(-2, -1)).verdict is SUPPORTED
    assert three.decide(*fine, over(1, 2)).verdict is REFUTED
    assert three.decide(*fine, over(-1, 2)).why.startswith("(3) the interval")


# ---- refutable


def outcomes(rule: Rule) -> set[Verdict]:
    """What a rule says of synthetic families on either side of every margin of its parts."""
    return {rule.decide(*family).verdict for family in product(*map(_families, rule.parts))}


def _families(part: Part) -> Iterator[Estimate]:
    """Families of nets (or rays, ...): a value inside the range of the statistic, with a little
    noise where it is sampled.
    """
    noise = np.random.default_rng(0).uniform(-1, 1, MINIMUM)
    for place in _places(part):
        if isinstance(part, OnValue):
            yield Estimate.exactly(place).with_p(part.level and part.level / 2)
            continue
        room = min(1.0, place - part.range[0], part.range[1] - place)
        family = place + room / 10 * noise
        yield over_clusters(family, np.random.default_rng(1), unit=part.unit, draws=499)


def _places(part: Part) -> Iterator[float]:
    """Values between and beyond the margins, inside the range; for exact values the margins too."""
    low, high = part.range
    ends = [max(low, part.margins[0] - 1), *part.margins, min(high, part.margins[-1] + 1)]
    yield from ((a + b) / 2 for a, b in pairwise(ends) if a < b)
    yield from part.margins if isinstance(part, OnValue) else ()


@pytest.mark.parametrize("rule", [rule for rule, _ in FORMS], ids=lambda rule: rule.text)
def test_every_form_of_rule_can_come_out_either_way(rule: Rule) -> None:
    assert {SUPPORTED, REFUTED} <= outcomes(rule)
    assert {SUPPORTED, REFUTED} <= outcomes(rule & at_most(3, "n"))


CLAIMS = [(question, claim) for question in QUESTIONS for claim in question.claims]


@pytest.mark.parametrize(
    ("question", "claim"), CLAIMS, ids=[f"{q.claim} {c.rule.text}" for q, c in CLAIMS]
)
def test_every_rule_of_a_question_can_come_out_either_way(question: Question, claim: Claim) -> None:
    assert {SUPPORTED, REFUTED} <= outcomes(claim.rule)
    assert claim.number == question.claim and " iff " in claim.rule.text


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.claim)
def test_rules_about_training_want_thirty_nets(question: Question) -> None:
    over_nets = [
        part
        for one in question.claims
        for part in one.rule.parts
        if isinstance(part, OnInterval) and part.unit == NETS
    ]
    assert all(part.least >= MINIMUM for part in over_nets)


@dataclass(frozen=True)
class NeverRefuted(OnInterval):
    """A rule as it must not be, to see that the search above finds it."""

    def decide(self, *estimates: Estimate) -> Ruling:
        found = super().decide(*estimates)
        return found if found.verdict is SUPPORTED else self.undecided("not yet")


def test_a_rule_that_cannot_be_refuted_is_found() -> None:
    assert outcomes(NeverRefuted("T", (0, math.inf), ((-math.inf, 0),))) == {SUPPORTED, UNDECIDED}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: above(0.0, "a share", range=SHARE), "one way only"),
        (lambda: below(1.0, "a share", range=SHARE), "one way only"),
        (lambda: within(0.0, 1.0, "a share", range=SHARE), "one way only"),
        (lambda: at_most(1, "a share", range=SHARE), "one way only"),
        (lambda: at_most(-1, "a count", range=(0, math.inf)), "one way only"),
        (lambda: above(0.1, "T").against(equivalent(0.2, "T")), "supports and refutes the same"),
    ],
)
def test_a_rule_that_could_come_out_one_way_only_is_refused(make: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()


def test_a_share_may_lie_within_margins_of_which_one_is_its_end() -> None:
    assert {SUPPORTED, REFUTED} <= outcomes(within(0.9, 1.0, "a share", range=SHARE))


# ---- claims


def claim(kind: Kind = Kind.ESTIMATE, rule: Rule | None = None) -> Claim:
    return Claim("9.9", "A statement.", kind, rule or above(0.5, "T"))


def test_a_finding_carries_what_the_rule_said() -> None:
    found = claim().finding("a toy", over(0.6, 0.7), data={"n": 3})
    assert (found.claim, found.statement, found.subject) == ("9.9", "A statement.", "a toy")
    assert (found.rule, found.verdict, found.why) == (above(0.5, "T").text, SUPPORTED, "")
    assert found.value == "0.65 [0.6, 0.7] over 30 nets" and found.data == {"n": 3}
    assert claim().finding("a toy", over(0.6, 0.7), value="told").value == "told"
    values = json.loads(json.dumps(found.values(), allow_nan=False))
    assert values["kind"] == "estimate" and values["verdict"] == "supported"
    assert values["why"] == "" and values["rule"] == found.rule


def test_a_kind_wants_its_rules() -> None:
    for kind, rule in (
        (Kind.ESTIMATE, at_most(0, "failures among the samples")),
        (Kind.ESTIMATE, theorem("all is well")),
        (Kind.ESTIMATE, above(0.5, "T") & at_most(0, "failures")),
        (Kind.THEOREM, above(0.5, "T")),
        (Kind.THEOREM, at_most(0, "failures")),
    ):
        with pytest.raises(InvalidInput, match="does not go with the kind"):
            claim(kind, rule)
    assert claim(Kind.CENSUS, at_most(0, "n")).at_least(QUICK).rule == at_most(0, "n")
    assert claim().at_least(QUICK).rule == above(0.5, "T", least=QUICK)


@pytest.mark.parametrize(
    "failure",
    [
        Degenerate("a class has one member", value=3, remedy="take another"),
        TooLarge("too many regions", value=10**9, remedy="take a smaller net"),
        Undecided("the sign of a root", value="z", remedy="more bits"),
    ],
)
def test_a_subject_that_cannot_be_measured_is_undecided_and_says_why(failure: Exception) -> None:
    def fails() -> Finding:
        raise failure

    found = claim().guarded("a toy", fails)
    assert (found.verdict, found.why) == (UNDECIDED, str(failure))
    assert found.subject == "a toy" and found.rule == above(0.5, "T").text


@pytest.mark.parametrize(
    "failure",
    [
        EngineDefect("two cells have one code", value=7),
        InvalidInput("a wrong shape", value=3, remedy="another"),
        ZeroDivisionError(),
        ValueError("a defect"),
        IndexError(),
    ],
)
def test_a_defect_is_not_swallowed(failure: Exception) -> None:
    def fails() -> Finding:
        raise failure

    with pytest.raises(type(failure)):
        claim().guarded("a toy", fails)


def test_a_theorem_that_fails_is_an_alarm_and_nothing_else_is() -> None:
    check = claim(Kind.THEOREM, theorem("all is well", open_if="the check ends early"))
    fine, wrong = (check.finding("", Estimate.exactly(n)) for n in (0, 1))
    assert (fine.word, fine.is_alarm) == ("holds (checks the code)", False)
    assert wrong.word == "FAILS: the code is wrong" and wrong.is_alarm
    assert not check.undecided("", "it ended early").is_alarm
    assert "left open where the check ends early" in fine.rule
    assert not claim().finding("", over(0.1, 0.2)).is_alarm


def test_kinds_are_counted_apart() -> None:
    check = claim(Kind.THEOREM, theorem("all is well")).finding("", Estimate.exactly(0))
    one = claim(Kind.CENSUS, at_most(0, "n")).finding("", Estimate.exactly(2))
    of = counted([check, check, one, claim().finding("", over(0.6, 0.7))])
    assert of[Kind.THEOREM] == {SUPPORTED: 2, REFUTED: 0, UNDECIDED: 0}
    assert of[Kind.CENSUS] == {SUPPORTED: 0, REFUTED: 1, UNDECIDED: 0}
    assert of[Kind.ESTIMATE] == {SUPPORTED: 1, REFUTED: 0, UNDECIDED: 0}
    assert len(WORDS) == len(Kind) * len(Verdict)
    assert len({word for (kind, _), word in WORDS.items() if kind is not Kind.ESTIMATE}) == 6


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: above(0.5, "x", range=(math.nan, 1)), "range"),
        (lambda: above(0.5, "x", range=(0, 1, 2)), "range"),
        (lambda: above(0.5, "x", range=None), "range"),
        (lambda: above(0.5, "x", range=(1, 0)), "range of a rule is empty"),
        (lambda: above(math.nan, "x"), "no number; got nan"),
        (lambda: above("half", "x"), "no number; got 'half'"),
        (lambda: above(True, "x"), "no number; got True"),
        (lambda: above(0.5, ""), "of is no text"),
        (lambda: above(0.5, 5), "of is no text; got 5"),
        (lambda: above(0.5, "x", unit=" "), "unit is no text"),
        (lambda: smaller_than("U", "x", "much"), "margin of a rule is no number; got 'much'"),
        (lambda: equivalent(None, "x"), "margin of a rule is no number; got None"),
        (lambda: within(0, "one", "x"), "no number; got 'one'"),
        (lambda: within(0, 1, "x", range="all"), "range 'all'"),
        (lambda: at_most(None, "x"), "limit of a rule is no number; got None"),
        (lambda: at_most(0, ""), "of is no text"),
        (lambda: at_most(0, "x", range=(math.nan, 1)), "range"),
        (lambda: at_most(0, "x", level=0), "no such level; got 0"),
        (lambda: above(0, "x") & None, "what judges is no rule; got None"),
        (lambda: Claim("a", "", Kind.ESTIMATE, above(0, "x")), "statement is no text"),
        (lambda: Claim("a", "\ud800", Kind.ESTIMATE, above(0, "x")), "statement is no text"),
        (lambda: above(0, "\ud800"), "of is no text"),
        (lambda: Claim(5, "S.", Kind.ESTIMATE, above(0, "x")), "number is no text; got 5"),
        (lambda: Claim("a", "S.", "estimate", above(0, "x")), "kind 'estimate'"),
        (lambda: Claim("a", "S.", Kind.ESTIMATE, "above"), "what judges is no rule; got 'above'"),
        (lambda: Claim("a", "S.", Kind.ESTIMATE, above(0, "x"), None), "measures is no text"),
    ],
)
def test_what_a_rule_or_a_claim_is_made_of_has_its_types(make: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as failure:
        make()
    assert said in str(failure.value)


def test_an_exact_value_that_chance_makes_is_left_open() -> None:
    rule = at_most(0, "the gap", level=0.05)
    assert "left open unless p < 0.05, two-sided, with labels permuted" in rule.text
    for value, verdict in ((-1, SUPPORTED), (1, REFUTED)):
        exactly = Estimate.exactly(value)
        assert rule.decide(exactly.with_p(0.04)).verdict is verdict
        for p, why in ((0.05, "p = 0.05"), (0.665, "p = 0.665"), (None, "no permutation test")):
            found = rule.decide(exactly.with_p(p))
            assert found.verdict is UNDECIDED and found.why.startswith(why)
