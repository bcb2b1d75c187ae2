"""A rule's text and its decision are one thing, every rule can come out either way, and what cannot
be measured is undecided with a reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from exact import EngineDefect, InvalidInput, TooLarge, Undecided
from studies.finding import WORDS, Finding, Kind, Verdict, counted
from studies.rules import (
    SHARE,
    Bounds,
    Claim,
    OnValue,
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
from studies.statistics import MINIMUM, QUICK, SEQUENCES, Degenerate, Estimate, over_clusters

SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED


def over(low: float, high: float, clusters: int = MINIMUM, unit: str = "nets") -> Estimate:
    return Estimate((low + high) / 2, (low, high), clusters, unit)


# ---- text and decision


FORMS: list[tuple[Rule, str]] = [
    (above(0.5, "T"), "lies above 0.5, refuted iff below 0.5, else undecided"),
    (below(0.5, "T"), "lies below 0.5, refuted iff above 0.5, else undecided"),
    (larger_than("U", "T", 0.1), "of T minus that of U over at least 30 nets lies above 0.1"),
    (smaller_than("U", "T", 0.1), "of T minus that of U over at least 30 nets lies below -0.1"),
    (equivalent(0.2, "T"), "lies within (-0.2, 0.2), refuted iff below -0.2 or above 0.2"),
    (within(0.9, 1.1, "T"), "lies within (0.9, 1.1), refuted iff below 0.9 or above 1.1"),
    (above(0.2, "T").against(equivalent(0.2, "T")), "above 0.2, refuted iff within (-0.2, 0.2)"),
]


@pytest.mark.parametrize(("rule", "said"), FORMS, ids=lambda x: x if isinstance(x, str) else "")
def test_the_text_carries_margin_and_direction(rule: Rule, said: str) -> None:
    assert said in rule.text
    assert rule.text.startswith("supported iff the 95% interval of T")
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
        (above(0.5, "T"), 0.75, SUPPORTED),
        (below(0.5, "T"), 0.75, REFUTED),
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


# ---- refutable


def families(rule: Rule) -> Iterator[tuple[Estimate, ...]]:
    """Estimates of synthetic families of nets: a statistic with a little noise around values on
    either side of every margin, inside its range; for rules on exact values, such values.
    """
    draws = np.random.default_rng(0).standard_normal(MINIMUM)
    places = []
    for bounds, margins in zip(rule.bounds, rule.margins, strict=True):
        places.append([*_around(bounds, margins)])
    for values in product(*places):
        yield tuple(
            Estimate.exactly(value)
            if isinstance(part, OnValue)
            else over_clusters(value + 1e-3 * _room(value, part) * draws, np.random.default_rng(1), unit=_unit(part))
            for value, part in zip(values, _parts(rule), strict=True)
        )


def _around(bounds: Bounds, margins: tuple[float, ...]) -> Iterator[float]:
    steps = [max(abs(m), 1.0) * s for m in margins for s in (0.1, 1.0)]
    for value in (*margins, *(m + s for m in margins for s in steps), *(m - s for m in margins for s in steps)):
        if bounds[0] <= value <= bounds[1]:
            yield value
    yield from (x for x in bounds if math.isfinite(x))


def _parts(rule: Rule) -> list[Any]:
    first = getattr(rule, "first", None)
    return [rule] if first is None else [*_parts(first), *_parts(rule.second)]  # type: ignore[attr-defined]
