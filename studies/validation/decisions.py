"""Does the conclusion survive? The verdicts that values of a method lead to, beside the exact ones.

Three comparisons, of nets of the same seed: trained against untrained; LayerNorm against no norm;
and for segments, two classes against one. Each is judged by one rule on the mean difference over
nets, once with the exact values and once with those of a method; they agree where the verdict is
the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from studies.finding import Verdict
from studies.methods import QUANTITIES
from studies.rules import Rule, larger_than, smaller_than
from studies.statistics import MINIMUM, Estimate, over_clusters, wilson
from studies.validation.judge import Row
from studies.validation.scores import ALL, DRAWS, Group, NetValue, by_kind, net_values

TRAINED, LAYERNORM, CLASSES = "trained > untrained", "LayerNorm < none", "different > same class"
COMPARISONS = (TRAINED, LAYERNORM, CLASSES)
FEWEST = 5
"""Nets from which on a comparison is judged at all; fewer leave it undecided."""


@dataclass(frozen=True)
class Decision:
    """One comparison of a method with one budget: the exact verdict and the method's.

    `group` says which nets are compared, "all" where the comparison runs over that property.
    `signs` is the share of nets whose difference has the sign of the exact one.
    """

    group: Group
    comparison: str
    nets: int
    exact: Verdict
    found: Verdict
    exact_difference: Estimate
    difference: Estimate
    signs: Estimate

    @property
    def agrees(self) -> bool:
        """Whether both verdicts are the same."""
        return self.exact is self.found

    def columns(self) -> dict[str, Any]:
        """All of it by name, for a table."""
        low, high = self.signs.interval or (np.nan, np.nan)
        return {
            **vars(self.group),
            "comparison": self.comparison,
            "nets": self.nets,
            "exact_verdict": self.exact.value,
            "verdict": self.found.value,
            "agrees": self.agrees,
            "exact_difference": _value(self.exact_difference),
            "difference": _value(self.difference),
            "same_sign": _value(self.signs),
            "same_sign_low": low,
            "same_sign_high": high,
        }


def decisions(rows: Iterable[Row], *, least: int = MINIMUM) -> list[Decision]:
    """Every comparison that the rows allow; verdicts need `least` nets."""
    kinds = by_kind(row for row in rows if QUANTITIES[row.quantity].normalised)
    known: dict[tuple[object, ...], tuple[Estimate, Verdict]] = {}
    return [
        _decided(group, comparison, pairs, least, known)
        for comparison, group, pairs in _comparisons(kinds)
    ]


def rule_of(comparison: str, quantity: str, least: int) -> Rule:
    """The rule of a comparison, by the title of its quantity."""
    if comparison == LAYERNORM:
        return smaller_than("the net without a norm", quantity, least=least)
    if comparison == TRAINED:
        return larger_than("the untrained net of the same seed", quantity, least=least)
    return larger_than("pairs of one class", quantity, least=least)


Pairs = Sequence[tuple[NetValue, NetValue]]


def _comparisons(kinds: Mapping[Group, Sequence[Row]]) -> Iterator[tuple[str, Group, Pairs]]:
    """Each comparison with its nets in pairs, subject first."""
    for group, rows in kinds.items():
        if group.trained == "trained":
            other = replace(group, trained="untrained")
            yield TRAINED, replace(group, trained=ALL), _paired(rows, kinds.get(other, ()))
        if group.norm == "layernorm":
            other = replace(group, norm="none")
            yield LAYERNORM, replace(group, norm=ALL), _paired(rows, kinds.get(other, ()))
        labelled = {label: [r for r in rows if r.label == label] for label in ("different", "same")}
        if all(labelled.values()):
            yield CLASSES, group, _paired(labelled["different"], labelled["same"])


def _paired(subject: Iterable[Row], control: Iterable[Row]) -> Pairs:
    """The nets that both sides have."""
    first, second = net_values(subject), net_values(control)
    return [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]


def _decided(
    group: Group,
    comparison: str,
    pairs: Pairs,
    least: int,
    known: dict[tuple[object, ...], tuple[Estimate, Verdict]],
) -> Decision:
    rule = rule_of(comparison, QUANTITIES[group.quantity].title, max(least, FEWEST))
    exact = np.array([a.truth - b.truth for a, b in pairs])
    found = np.array([a.value - b.value for a, b in pairs])
    (exact_mean, exact_verdict), (mean, verdict) = (
        _judged(rule, differences, known) for differences in (exact, found)
    )
    same = int((np.sign(exact) == np.sign(found)).sum())
    return Decision(
        group,
        comparison,
        len(pairs),
        exact_verdict,
        verdict,
        exact_mean,
        mean,
        wilson(same, len(pairs)),
    )


def _judged(
    rule: Rule, differences: np.ndarray, known: dict[tuple[object, ...], tuple[Estimate, Verdict]]
) -> tuple[Estimate, Verdict]:
    """The mean difference and its verdict, once for the same numbers: the bootstrap of equal
    numbers is the same.
    """
    key = (rule.text, differences.tobytes())
    if key not in known:
        rng = np.random.default_rng(0)
        mean = over_clusters(differences, rng, draws=DRAWS)
        known[key] = mean, rule.decide(mean).verdict
    return known[key]


def agreement(found: Iterable[Decision]) -> Mapping[tuple[str, str, int, int], tuple[int, int]]:
    """How many decisions agree, and how many there are, by quantity, method, budget and
    dimension; those left undecided by the exact values do not count.
    """
    counted: dict[tuple[str, str, int, int], tuple[int, int]] = {}
    for one in found:
        key = (one.group.quantity, one.group.method, one.group.budget, one.group.dimension)
        agree, total = counted.get(key, (0, 0))
        if one.exact is not Verdict.UNDECIDED:
            agree, total = agree + one.agrees, total + 1
        counted[key] = agree, total
    return counted


def _value(estimate: Estimate) -> float:
    return np.nan if estimate.value is None else float(estimate.value)
