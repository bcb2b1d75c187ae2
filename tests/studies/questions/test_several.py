"""Several statistics of every net: what is lost is told, and only that; shares that are the same in
every unit have an interval; starts are what the network does behind a layer.
"""

from __future__ import annotations

import numpy as np
import pytest

from exact import Network
from exact.sources import tensors
from studies.questions.shared.nets import Nets
from studies.questions.shared.several import (
    Found,
    brief,
    named,
    several,
    share_or_wilson,
    slope_or_why,
)
from studies.questions.shared.starts import in_groups, noise, starts
from studies.statistics import Degenerate, Estimate
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.train import untrained


def test_a_net_is_lost_for_what_it_lacks_only() -> None:
    config = TrainConfig(model=ModelConfig(widths=(3,)), samples=20)
    nets = Nets("untrained", tuple(untrained(config) for _ in range(1)), 0)

    def lacking(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
        return {"one": 2.0, "two": "nothing there"}

    def refusing(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
        raise Degenerate("dead", value=0, remedy="take another")

    found = several(nets, ("one", "two", "three"), lacking)
    assert found["one"].values == {0: 2.0} and not found["one"].lost
    assert found["two"].lost == {0: "nothing there"} and found["three"].lost == {0: "not measured"}
    assert "dead" in several(nets, ("one",), refusing)["one"].lost[0]
    assert named("a subject", found["two"]).endswith("1 could not be measured")
    assert len(named(50 * "x", found["two"])) <= 80


def test_equal_shares_have_the_interval_of_wilson() -> None:
    rng = np.random.default_rng(0)
    low, high = share_or_wilson([1.0] * 30, rng, unit="nets").interval or (0, 0)
    assert 0.88 < low < 0.9 and high == pytest.approx(1)
    assert share_or_wilson([0.5] * 30, rng, unit="nets").interval is None
    assert share_or_wilson([0.4, 0.6] * 15, rng, unit="nets").method.startswith("stud")


def test_estimates_are_told_in_few_words() -> None:
    assert brief(Estimate(0.5, (0.25, 0.75), 30)) == "0.5 [0.25, 0.75]"
    assert brief(Estimate.unknown("no nets")) == "not measured"
    assert brief(Estimate.unknown("one net", value=0.5)) == "0.5 (no interval)"
    assert slope_or_why([1.0, np.nan, 3.0, 4.0], "few") == pytest.approx(1)
    assert slope_or_why([1.0, np.nan, 3.0], "few") == "few"


def test_a_start_is_the_network_behind_a_layer() -> None:
    net = tensors.mlp([([[1, 0], [0, 1]], [0, -1]), ([[1, -2]], [0]), ([[3]], [1])])
    rows = np.array([[2.0, 0.0], [1.0, 4.0]])
    first, second = starts(net, rows)
    assert first.network == net and second.vectors.tolist() == [[2, 0], [1, 3]]
    assert second.own == 1 and second.network.forward_float(second.vectors).tolist() == [[7], [1]]
    drawn = noise(rows, np.random.default_rng(0))
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.linalg.norm(rows, axis=1))
    assert np.bincount(in_groups(25, 0)).tolist() == [3] * 5 + [2] * 5
    with pytest.raises(Degenerate, match="too few items"):
        in_groups(19, 0)


def test_intervals_of_shares_stay_between_nothing_and_all() -> None:
    shares = [1.0, 1.0, 0.7, 1.0, 0.9]
    found = share_or_wilson(shares, np.random.default_rng(0), unit="nets")
    assert found.interval is not None and found.interval[1] == 1 > found.interval[0]
