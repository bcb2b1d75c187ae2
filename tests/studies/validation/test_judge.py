"""Rows say what came of every estimate: of good methods, of those that raise, and of nonsense."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exact import Box, EngineDefect, MissingExtra, TooLarge, Unsupported
from exact.sources import tensors
from studies.methods import QUANTITIES, Method, MethodEstimate, method
from studies.methods.approximations.sampled_regions import sampled_codes
from studies.methods.quantity import interval_fault, number_fault
from studies.validation import judge as judging
from studies.validation import problems
from studies.validation.judge import Row, counts, generator, judge, ladder
from studies.validation.population import KINDS, Net, NetKind, Scope, population
from studies.validation.problems import PROBLEMS, box_of, sphere_of

QUADRANTS = tensors.mlp([(np.eye(2), [0, 0]), ([[1, 1]], [0])])
PLANE = NetKind("box", "none", 2)


def net(network: Any = QUADRANTS, kind: NetKind = PLANE, **more: Any) -> Net:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((60, 2))
    return Net(kind, 7, False, network, inputs, np.arange(60) % 2, **more)


def returning(value: Any, quantity: str = "code_count") -> Method:
    return Method("stub", quantity, lambda *_: value, budgets=(1,))


def raising(error: BaseException) -> Method:
    def function(*_: Any) -> MethodEstimate:
        raise error

    return Method("stub", "code_count", function, budgets=(1,))


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Half:
    def __repr__(self) -> str:
        return "\ud800"


class Unnumbered(numbers.Real):
    def __float__(self) -> float:
        raise RuntimeError("no float")


Unnumbered.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


def test_a_value_that_does_anything_is_an_outcome() -> None:
    bad, fine = rows_of(
        returning(MethodEstimate(Unnumbered())), replace(returning(MethodEstimate(4)), name="good")
    )
    assert bad.outcome == "raised: RuntimeError: no float" and fine.is_ok


def rows_of(*methods: Method, of: Net | None = None) -> list[Row]:
    return [row for rows in judge(methods, [of or net()]) for row in rows]


def test_a_right_estimate_has_a_row_with_everything() -> None:
    (row,) = rows_of(returning(MethodEstimate(5.0, (3.0, 6.0), 12)))
    assert row.is_ok and (row.value, row.truth, row.error) == (5, 4, 1)
    assert (row.low, row.high, row.passes) == (3, 6, 12) and row.seconds >= 0
    assert (row.quantity, row.method, row.family, row.norm) == ("code_count", "stub", "box", "none")
    assert (row.dimension, row.seed, row.trained, row.item) == (2, 7, False, 0)
    assert math.isnan(row.covered) and math.isnan(row.accuracy)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "returned no MethodEstimate but None"),
        (4.0, "returned no MethodEstimate but 4.0"),
        (MethodEstimate(math.nan), "the value is not finite: nan"),
        (MethodEstimate(math.inf), "the value is not finite: inf"),
        (MethodEstimate(-1), "the value is negative: -1"),
        (MethodEstimate(1e308, (0, 1e308)), r"the value is beyond 1e\+150: 1e\+308"),
        (MethodEstimate(10**400), r"the value is not finite: ~1.0000e\+400"),
        (MethodEstimate(4, (0, 10**400)), "holds whatever the value may be"),
        (MethodEstimate(4, (-math.inf, math.inf)), "holds whatever the value may be"),
        (MethodEstimate("many"), "the value is no number: 'many'"),
        (MethodEstimate(True), "the value is no number: True"),
        (MethodEstimate(np.zeros(3)), "the value is no number: array"),
        (MethodEstimate(4, (5, 6)), r"the interval \[5, 6\] does not hold the value 4"),
        (MethodEstimate(4, (6, 3)), r"the interval ends before it begins: \[6, 3\]"),
        (MethodEstimate(4, (math.nan, 5)), "an end of the interval is no number: nan"),
        (MethodEstimate(4, 4), "the interval is no pair: 4"),
        (MethodEstimate(4, None, -1), "the forward passes are no number from 0 on: -1"),
        (MethodEstimate(4, None, 2.5), "the forward passes are no number from 0 on: 2.5"),
        (MethodEstimate(4, None, 0, np.zeros((2, 3))), "the codes are no bools of 2 hinges"),
    ],
)
def test_nonsense_is_named_and_the_rest_goes_on(value: Any, said: str) -> None:
    good = replace(returning(MethodEstimate(4.0)), name="good")
    bad, fine = rows_of(returning(value), good)
    assert bad.result == "nonsense" and fine.is_ok and fine.error == 0
    assert re.search(said, bad.outcome), bad.outcome
    assert math.isnan(bad.value) and math.isnan(bad.error)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (7.0, "the value is no array: 7.0"),
        (np.zeros((2, 2), dtype=bool), "the value has shape (2, 2), not (60, 2)"),
        (np.zeros((60, 2)), "the entries are of type float64"),
    ],
)
def test_bits_are_bits_of_the_right_shape(value: Any, said: str) -> None:
    (row,) = rows_of(returning(MethodEstimate(value), "codes_at_points"))
    assert row.outcome == f"nonsense: {said}"


def test_maps_are_finite_and_not_negative() -> None:
    truth = np.zeros((16, 16))
    quantity = QUANTITIES["edge_length_map"]
    assert quantity.fault(MethodEstimate(truth), truth) == ""
    assert quantity.fault(MethodEstimate(truth - 1), truth) == "entries are negative"
    assert quantity.fault(MethodEstimate(truth * math.nan), truth) == "entries are not finite"
    assert "type bool" in quantity.fault(MethodEstimate(truth > 0), truth)
    assert number_fault(0, "it") == "" == interval_fault((1, math.inf), 3.0)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("no idea"), "raised: ValueError: no idea"),
        (SystemExit(3), "raised: SystemExit: 3"),
        (ZeroDivisionError(), "raised: ZeroDivisionError:"),
        (Silent(), "raised: Silent: <exception str() failed>"),
        (ValueError("\ud800 and\nmore"), r"raised: ValueError: \ud800 and more"),
        (Unsupported("not here", value=1, remedy="go"), "refused: not here; got 1; go"),
        (MissingExtra("no library", value="x", remedy="get it"), "missing: no library; got x"),
    ],
)
def test_what_a_method_raises_is_in_its_row(error: BaseException, outcome: str) -> None:
    bad, fine = rows_of(raising(error), replace(returning(MethodEstimate(4)), name="good"))
    assert bad.outcome.startswith(outcome) and fine.is_ok
    assert counts([bad, fine]) == {outcome.split(":")[0]: 1, "ok": 1}


def test_a_value_whose_text_no_file_can_hold_is_written_all_the_same() -> None:
    (row,) = rows_of(returning(Half()))
    assert row.outcome == r"nonsense: it returned no MethodEstimate but \ud800"


def test_an_interrupt_is_no_outcome() -> None:
    with pytest.raises(KeyboardInterrupt):
        rows_of(raising(KeyboardInterrupt()))


def test_long_outcomes_are_cut() -> None:
    (row,) = rows_of(raising(ValueError("x" * 5_000)))
    assert len(row.outcome) < 400


def test_a_net_without_a_network_and_a_quantity_without_a_value_have_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (row,) = rows_of(returning(MethodEstimate(4)), of=net(None, failure="it diverged"))
    assert row.outcome == "no net: it diverged"

    def refuse(*_: Any) -> Any:
        raise TooLarge("too large", value=9, remedy="less")

    asked = replace(QUANTITIES["code_count"], referee=refuse)
    monkeypatch.setattr(judging, "QUANTITIES", {**QUANTITIES, "code_count": asked})
    (row,) = rows_of(returning(MethodEstimate(4)))
    assert row.outcome == "no referee: too large; got 9; less"


def test_a_defect_of_an_engine_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise EngineDefect("wrong", value=9, remedy="report it")

    asked = replace(QUANTITIES["code_count"], referee=broken)
    monkeypatch.setattr(judging, "QUANTITIES", {**QUANTITIES, "code_count": asked})
    with pytest.raises(EngineDefect):
        rows_of(returning(MethodEstimate(4)))


def test_codes_that_were_met_cover_a_share_of_the_box() -> None:
    codes = np.array([[True, True], [False, False]])
    (row,) = rows_of(returning(MethodEstimate(2, None, 9, codes)))
    lower, upper = (
        np.array([float(x) for x in end]) for end in (box_of(net()).lo, box_of(net()).hi)
    )
    assert row.covered == pytest.approx((np.prod(upper) + np.prod(lower)) / 4)


def test_budgets_are_a_methods_own_or_those_given_up_to_the_most() -> None:
    assert ladder(sampled_codes) == sampled_codes.budgets
    assert ladder(sampled_codes, most=1_000) == (100, 1_000)
    assert ladder(sampled_codes, most=5) == (100,)
    assert ladder(sampled_codes, (7, 3, 7)) == (3, 7)
    rows = [r for found in judge([sampled_codes], [net()], budgets=(50, 5)) for r in found]
    assert [row.budget for row in rows] == [5, 50]


def test_an_estimate_draws_the_same_whatever_stands_beside_it() -> None:
    @method("code_count", budgets=(1, 2))
    def draw(network: Any, domain: Any, budget: int, rng: np.random.Generator) -> MethodEstimate:
        return MethodEstimate(float(rng.uniform()))

    alone = rows_of(draw)
    beside = rows_of(returning(MethodEstimate(4)), draw)[1:]
    assert [row.value for row in alone] == [row.value for row in beside]
    assert len({row.value for row in alone}) == 2
    assert generator(1, alone[0]).uniform() != generator(0, alone[0]).uniform()


# ---- the population


@pytest.fixture(scope="module")
def nets() -> list[Net]:
    return [one for kind in KINDS for one in population(kind, [3], steps=2)]


def test_every_kind_has_an_untrained_net_and_the_same_one_trained(nets: list[Net]) -> None:
    assert len(nets) == 2 * len(KINDS) == 32
    for before, after in zip(nets[::2], nets[1::2], strict=True):
        assert (before.trained, after.trained) == (False, True) and before.kind == after.kind
        assert math.isnan(before.accuracy) and 0 <= after.accuracy <= 1
        assert before.network is not None and after.network is not None
        assert before.network.sha256 != after.network.sha256
        assert (before.inputs == after.inputs).all()
        assert before.network.has_norm == (before.kind.norm != "none")


def test_norms_of_one_dimension_can_be_compared(nets: list[Net]) -> None:
    for one in nets:
        if one.kind.family == "sphere" and one.network is not None:
            norm, n = one.network.blocks[0].norm, one.inputs.shape[1]
            assert one.kind.dimension == (n - 1 if norm is None else norm.sphere_dim)
            assert (sphere_of(one).radius_squared is None) == (norm is not None)


def test_twins_are_asked_the_same_and_every_quantity_is_asked(nets: list[Net]) -> None:
    asked = set()
    for before, after in zip(nets[::2], nets[1::2], strict=True):
        for name, posed in PROBLEMS.items():
            first, second = posed(before), posed(after)
            assert [repr(p) for p in first] == [repr(p) for p in second]
            for problem in first:
                problem.domain.check(before.inputs.shape[1])
                asked.add(name)
    assert asked == set(PROBLEMS) == set(QUANTITIES)


def test_segments_join_points_of_one_class_and_of_two(nets: list[Net]) -> None:
    one = nets[0]
    labels = {tuple(x): y for x, y in zip(one.inputs.tolist(), one.labels.tolist(), strict=True)}
    found = problems.PROBLEMS["flips_per_length"](one)
    assert [p.label for p in found] == ["same"] * 4 + ["different"] * 4
    for problem in found:
        ends = [
            labels[tuple(float(x) for x in end)] for end in (problem.domain.p, problem.domain.q)
        ]  # type: ignore[attr-defined]
        assert (ends[0] == ends[1]) == (problem.label == "same")


def test_curves_are_ellipses_everywhere_and_circles_where_there_is_a_sphere(
    nets: list[Net],
) -> None:
    for one in nets:
        labels = [problem.label for problem in PROBLEMS["flips_around_curve"](one)]
        circles = ["circle"] * 2 * (one.kind.family == "sphere")
        assert labels == circles + ["ellipse"] * 2 * (one.inputs.shape[1] > 1)


def test_boxes_differ_by_seed_and_hold_their_cloud() -> None:
    boxes = [box_of(replace(net(), seed=seed)) for seed in range(4)]
    assert len(set(map(repr, boxes))) == 4 and all(isinstance(box, Box) for box in boxes)
    (cloud,) = PROBLEMS["occupied_components"](net())
    assert 0 < len(cloud.domain.points) < 60  # type: ignore[attr-defined]


def test_a_training_that_diverges_leaves_two_nets_without_a_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from studies.validation import population as module

    monkeypatch.setattr(module, "trained", lambda configs: ["it diverged"] * len(configs))
    found = list(population(PLANE, [1], steps=2))
    assert [(n.network, n.failure, n.trained) for n in found] == [
        (None, "it diverged", False),
        (None, "it diverged", True),
    ]


def test_trainings_fail_one_by_one() -> None:
    from studies.validation.population import trained

    good = PLANE.config(0, 2)
    bad = replace(good, learning_rate=1e30, dtype="float32")
    first, second, third = trained([good, replace(bad, steps=40), good])
    assert not isinstance(first, str) and not isinstance(third, str)
    assert isinstance(second, str) and "diverged" in second


def test_scopes_say_which_kinds() -> None:
    assert len(Scope.full().seeds) == 30 and len(Scope.full().kinds) == 16
    assert len(Scope.quick().seeds) == 5 and len(Scope.quick().kinds) == 12
