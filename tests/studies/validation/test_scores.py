"""Scores and decisions of rows whose answers are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studies.finding import Verdict
from studies.methods import METHODS
from studies.validation import page
from studies.validation.decisions import (
    CLASSES,
    LAYERNORM,
    TRAINED,
    Decision,
    agreement,
    decisions,
    rule_of,
)
from studies.validation.judge import Row
from studies.validation.scores import ALL, Score, holds, net_values, scores


def row(seed: int, value: float, truth: float, **more: Any) -> Row:
    given: dict[str, Any] = {
        "quantity": "code_count",
        "method": "m",
        "number": "E0",
        "unit": "points",
        "budget": 10,
        "family": "box",
        "norm": "none",
        "dimension": 2,
        "trained": True,
        "item": 0,
        "label": "",
        "outcome": "ok",
        "passes": 10,
        "seconds": 0.5,
    }
    return Row(seed=seed, value=value, truth=truth, error=value - truth, **(given | more))


def whole(found: list[Score]) -> Score:
    (one,) = [score for score in found if score.group.norm == ALL]
    return one


def test_bias_and_error_are_relative_to_the_mean_exact_value() -> None:
    found = scores([row(0, 8, 10), row(1, 33, 30)], {})
    one = whole(found)
    assert len(found) == 2 and one.nets == 2 and one.scale == "relative"
    assert one.bias.value == pytest.approx((-2 / 20 + 3 / 20) / 2)
    assert one.rmse == pytest.approx(math.sqrt((0.1**2 + 0.15**2) / 2))
    assert (one.passes, one.seconds, one.failed, one.refused) == (10, 0.5, 0, 0)


def test_the_items_of_a_net_are_one_value_and_a_broken_item_leaves_it_out() -> None:
    rows = [row(0, 1, 2, item=0), row(0, 5, 4, item=1), row(1, 3, 3)]
    rows.append(row(1, math.nan, math.nan, item=1, outcome="raised: it"))
    values = net_values(rows)
    assert list(values) == [0] and (values[0].value, values[0].truth) == (3, 3)
    one = whole(scores(rows, {}))
    assert (one.nets, one.asked, one.failed) == (1, 4, 1)


def test_refusals_are_no_failures() -> None:
    one = whole(scores([row(0, 1, 1), row(1, math.nan, math.nan, outcome="refused: no")], {}))
    assert (one.refused, one.failed, one.asked) == (1, 0, 2)


def test_kinds_have_units_of_their_own_and_trained_and_untrained_share_one() -> None:
    rows = [row(0, 11, 10), row(0, 110, 100, norm="rms"), row(0, 30, 30, trained=False)]
    found = scores(rows, {})
    assert whole(found).nets == 3
    assert whole(found).bias.value == pytest.approx((1 / 20 + 10 / 100 + 0) / 3)


def test_bounds_are_told_in_decades_and_bits_in_shares() -> None:
    one = whole(scores([row(0, 1_000, 10), row(1, 100, 10)], {"m": "log10"}))
    assert one.scale == "log10" and one.bias.value == pytest.approx(1.5)
    assert one.rmse == pytest.approx(math.sqrt((4 + 1) / 2))
    bits = [replace(row(s, 0.5, 0.5, quantity="codes_at_points"), error=0.25) for s in (0, 1)]
    share = whole(scores(bits, {}))
    assert (share.scale, share.bias.value, share.rmse) == ("share", 0.25, 0.25)


def test_nothing_to_be_relative_to() -> None:
    assert whole(scores([row(0, 0, 0), row(1, 0, 0)], {})).rmse == 0
    assert math.isnan(whole(scores([row(0, 0, 0), row(1, 2, 0)], {})).rmse)


def test_rank_correlation_runs_over_nets() -> None:
    rising = [row(seed, value, truth) for seed, value, truth in ((0, 1, 5), (1, 2, 7), (2, 3, 9))]
    assert whole(scores(rising, {})).spearman == 1
    assert whole(scores([replace(r, value=-r.value) for r in rising], {})).spearman == -1
    assert math.isnan(whole(scores(rising[:2], {})).spearman)


def test_coverage_is_wilsons_share_to_the_rounding_of_floats() -> None:
    rows = [row(0, 5, 5, low=4, high=6), row(1, 5, 7, low=4, high=6), row(2, 5, 5)]
    coverage = whole(scores(rows, {})).coverage
    assert (coverage.value, coverage.clusters) == (0.5, 2)
    assert holds(row(0, 5, 5.0, low=5.0 + 1e-15, high=6))
    assert not holds(row(0, 5, 5.0, low=5.0001, high=6))
    assert whole(scores([row(0, 1, 1)], {})).coverage.value is None


def test_the_interval_of_the_bias_counts_seeds_not_nets() -> None:
    rows = [row(s, s, 10, norm=norm) for s in range(3) for norm in ("none", "rms", "layernorm")]
    bias = whole(scores(rows, {})).bias
    assert (bias.clusters, bias.unit) == (3, "seeds")


# ---- decisions


def twins(method: str, gaps: list[float], exact: list[float]) -> list[Row]:
    """Trained and untrained nets that differ by these gaps."""
    return [
        row(seed, 10 + gap * after, 10 + true * after, trained=bool(after), method=method)
        for seed, (gap, true) in enumerate(zip(gaps, exact, strict=True))
        for after in (0, 1)
    ]


SEEDS = 30
UP = [1.0 + 0.01 * k for k in range(SEEDS)]
NOISE = [(-1.0) ** k * (1 + 0.01 * k) for k in range(SEEDS)]


def only(found: list[Decision]) -> Decision:
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [(UP, Verdict.SUPPORTED), ([-x for x in UP], Verdict.REFUTED), (NOISE, Verdict.UNDECIDED)],
)
def test_a_method_that_sees_another_difference_does_not_agree(
    gaps: list[float], verdict: Verdict
) -> None:
    one = only(decisions(twins("m", gaps, UP)))
    assert (one.comparison, one.nets, one.exact) == (TRAINED, SEEDS, Verdict.SUPPORTED)
    assert one.found is verdict and one.agrees == (verdict is Verdict.SUPPORTED)
    assert one.signs.value == pytest.approx(np.mean(np.sign(gaps) == 1))


def test_few_nets_leave_both_sides_undecided_and_count_for_nothing() -> None:
    found = decisions(twins("m", UP[:6], UP[:6]))
    assert only(found).exact is only(found).found is Verdict.UNDECIDED
    assert agreement(found) == {("code_count", "m", 10, 2): (0, 0)}
    enough = decisions(twins("m", UP[:6], UP[:6]), least=5)
    assert only(enough).exact is Verdict.SUPPORTED
    assert agreement(enough) == {("code_count", "m", 10, 2): (1, 1)}


def test_verdicts_do_not_hang_on_the_order_of_the_seeds() -> None:
    rows = twins("m", NOISE, UP)
    first, second = only(decisions(rows)), only(decisions(rows[::-1]))
    assert (first.exact, first.found) == (second.exact, second.found)


def test_layernorm_is_compared_with_no_norm_and_classes_within_a_net() -> None:
    rows = [
        replace(r, norm=norm, family="sphere", value=r.value - 3 * (norm == "layernorm"))
        for r in twins("m", UP, UP)
        for norm in ("layernorm", "none")
    ]
    rows = [replace(r, truth=r.value) for r in rows]
    found = decisions(rows)
    assert [d.comparison for d in found].count(LAYERNORM) == 2  # trained, untrained
    less = [d for d in found if d.comparison == LAYERNORM and d.group.trained == "trained"]
    # the difference is -3 in every net: no spread, no interval, no verdict
    assert only(less).nets == SEEDS and only(less).exact is Verdict.UNDECIDED
    pairs = [
        row(s, 2 + gap * far, 2 + gap * far, label=label, item=far, quantity="flips_per_length")
        for s, gap in enumerate(UP)
        for far, label in enumerate(("same", "different"))
    ]
    one = only([d for d in decisions(pairs) if d.comparison == CLASSES])
    assert one.exact is one.found is Verdict.SUPPORTED and one.nets == SEEDS


def test_nets_without_a_twin_and_bits_are_not_compared() -> None:
    rows = twins("m", UP, UP)
    assert only(decisions(r for r in rows if r.trained or r.seed > 2)).nets == SEEDS - 3
    assert decisions([replace(r, quantity="codes_at_points") for r in rows]) == []


def test_rules_of_comparisons_can_come_out_either_way() -> None:
    for comparison in (TRAINED, LAYERNORM, CLASSES):
        rule = rule_of(comparison, "number of codes", 30)
        assert "over at least 30 nets" in rule.text and "number of codes" in rule.text


# ---- the table


def test_lines_tell_the_largest_budget_and_nothing_that_was_refused() -> None:
    rows = [row(s, 9, 10, budget=b) for s in range(3) for b in (10, 100)]
    rows += [row(s, math.nan, math.nan, method="n", outcome="refused: no") for s in range(3)]
    found = scores(rows, {})
    assert len(page.lines(found, [])) == 2
    (line,) = page.lines(found, [], largest=True)
    cells = dict(zip(page.HEADS, line.cells(), strict=True))
    assert cells["budget"] == "100" and cells["method"] == "E0 m" and cells["nets"] == "3"
    assert cells["bias"] == "-10%" and cells["RMS"] == "10%" and cells["failed"] == ""
    assert cells["ms"] == "500" and cells["covers"] == page.DASH == cells["verdicts"]


def test_failures_are_listed_by_how_often_they_came() -> None:
    rows = [row(s, 1, 1) for s in range(3)]
    rows += [replace(r, outcome="raised: ValueError: it") for r in rows[:2]]
    rows.append(replace(rows[0], outcome="nonsense: no"))
    assert page.missed(rows) == [("m", "raised: ValueError: it", 2), ("m", "nonsense: no", 1)]
    assert page.told(rows) == "3 estimates, and 3 times there is none: 1 nonsense, 2 raised"
    one = whole(scores(rows, {}))
    assert page.Line(one, (0, 0)).cells()[-1] == "3 of 6"


def test_a_figure_has_a_panel_for_each_quantity_with_errors() -> None:
    names = {m.name: m for m in METHODS}
    rows = [
        row(s, 9 + s, 10, method=name, quantity=names[name].quantity, budget=b)
        for s in range(2)
        for b in (10, 100)
        for name in ("sampled_codes", "random_walk", "transitions")
    ]
    drawn = page.figure(scores(rows, {}), METHODS)
    assert drawn is not None and len([ax for ax in drawn.axes if ax.lines]) == 2
    bounds = [row(0, 99, 9, method="serra_bound", budget=1)]
    assert page.figure(scores(bounds, {"serra_bound": "log10"}), METHODS) is None
