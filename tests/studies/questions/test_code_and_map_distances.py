"""Claim 1.3: rank correlations of codes and maps that are known beforehand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from exact import Box, Partition, Sphere, partition
from exact.arithmetic.numbers import FloatArray
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.distances import code_and_map_distances as question
from studies.questions.distances.code_and_map_distances import Arm
from studies.questions.shared import pairs_of_cells
from studies.questions.shared.cell_families import Family
from studies.questions.shared.nets import Measured, Nets
from studies.questions.shared.pairs_of_cells import Agreement, Points
from studies.statistics import Degenerate
from studies.statistics.ranks import spearman
from toy_models.populations import Arm as PopulationArm


def line(slopes: list[float], idle: int = 0) -> Partition:
    """A function of one variable with these slopes between the kinks 0, 1, 2, ..., and idle
    neurons, which bend at -1/2, -1/4, ... and are read by nothing.
    """
    kinks, steps = len(slopes), np.diff([0.0, *slopes])
    ones = np.ones((kinks + idle, 1))
    offsets = [*(-k for k in range(kinks)), *(2.0**-k for k in range(1, idle + 1))]
    made = [(ones, np.array(offsets)), (np.array([[*steps, *[0.0] * idle]]), np.zeros(1))]
    return partition(tensors.mlp(made), Box(-1, kinks, dim=1))


def expected(slopes: list[float]) -> float:
    """Spearman's rho of all pairs of pieces by scipy: piece k has k bits on."""
    pieces = [0.0, *slopes]
    pairs = list(combinations(range(len(pieces)), 2))
    found = stats.spearmanr(
        [b - a for a, b in pairs], [abs(pieces[a] - pieces[b]) for a, b in pairs]
    )
    return float(found.statistic)


def agreement(found: Partition, data: FloatArray | None = None) -> Agreement:
    return pairs_of_cells.agreement(found, data, np.random.default_rng(0))


def test_the_rank_correlation_of_a_line_is_scipys() -> None:
    for slopes in ([1.0, 2, 3, 4, 5], [3.0, -1, 4, 1, -5, 9]):
        assert agreement(line(slopes)).rho == pytest.approx(expected(slopes))
    assert agreement(line([1.0, 2, 3, 4, 5])).rho == pytest.approx(1)


def test_weights_count_pairs_as_often_as_they_occur() -> None:
    rng = np.random.default_rng(1)
    x, y, n = (rng.integers(0, 4, 30) for _ in range(3))
    several = stats.spearmanr(np.repeat(x, n), np.repeat(y, n)).statistic
    assert spearman(*(one.astype(np.float64) for one in (x, y, n))) == pytest.approx(several)
    with pytest.raises(Degenerate):
        spearman(np.ones(3), np.arange(3.0))


def test_data_weigh_the_pairs_that_hold_them() -> None:
    slopes = [3.0, -1, 4, 1, -5, 9]
    found = line(slopes)
    rows = np.array([-0.5, -0.5, 0.5, 2.5, 2.5, 2.5, 4.5])  # pieces 0, 0, 1, 3, 3, 3, 5
    cells, maps = np.array([0, 0, 1, 3, 3, 3, 5]), np.array([0.0, *slopes])
    pairs = [(a, b) for a, b in combinations(cells, 2) if a != b]
    known = stats.spearmanr([b - a for a, b in pairs], [abs(maps[a] - maps[b]) for a, b in pairs])
    assert pairs_of_cells.by_data(found.network, rows[:, None]) == pytest.approx(known.statistic)
    assert "by data" in agreement(found, rows[:, None]).weighted
    assert "by data" not in agreement(found, rows[:2, None]).weighted  # all in one cell


def test_neurons_that_nothing_reads_are_found_and_left_out() -> None:
    slopes = [3.0, -1, 4, 1, -5, 9]
    plain, with_idle = agreement(line(slopes)), agreement(line(slopes, idle=3))
    assert plain.idle == 0 and with_idle.idle == 3
    assert with_idle.cells == plain.cells + 3 and with_idle.rho != pytest.approx(plain.rho)
    assert pairs_of_cells.idle_bits(line(slopes, idle=1).network).tolist() == [False] * 6 + [True]
    pieces = np.array([0.0, 0, *slopes])
    apart, bits = abs(pieces[:, None] - pieces), np.array([0, 0, 1, 2, 3, 4, 5, 6])
    known = pairs_of_cells.over_pairs(abs(bits[:, None] - bits) * 1.0, apart)
    one = agreement(line(slopes, idle=1))
    assert one.weighted["without idle neurons"] == pytest.approx(known)


def test_pairs_at_equal_distance_are_compared_with_each_other() -> None:
    places = np.random.default_rng(0).standard_normal((40, 2))
    far = np.linalg.norm(places[:, None] - places, axis=2)
    noise = np.random.default_rng(1).uniform(0, 0.2, (2, 40, 40))
    hamming, apart = (far + one + one.T for one in noise)
    assert (
        pairs_of_cells.over_pairs(hamming, apart) > 0.9
    )  # all they share is how far apart cells are
    assert pairs_of_cells.at_equal_distance(hamming, apart, far) < 0.6


# ---- rules


def arm(name: PopulationArm, values: FloatArray) -> Arm:
    """An arm of 30 nets with these rank correlations."""
    by_seed = {
        k: Agreement(9, x, {"by data": x, "by volume": x}, 0.01, 0)
        for k, x in enumerate(values.tolist())
    }
    nets = Nets(name, (), 0)
    return Arm(Measured(nets, {k: one.rho for k, one in by_seed.items()}, {}), by_seed)


@pytest.mark.parametrize(
    ("trained", "untrained", "verdicts"),
    [(0.8, 0.6, ["supported"] * 5), (0.2, 0.4, ["refuted"] * 5)],
)
def test_rules_can_come_out_both_ways(
    trained: float, untrained: float, verdicts: list[str]
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, (2, 30))
    first, second = arm("trained", trained + noise[0]), arm("untrained", untrained + noise[1])
    findings = question.family_findings(Family("circles", (8, 8)), first, second, 0)
    assert [str(one.verdict) for one in findings] == verdicts
    few = [arm("trained", noise[0, :3]), arm("untrained", noise[1, :3])]
    found = question.family_findings(Family("circles", (8, 8)), few[0], few[1], 0)
    assert {one.verdict for one in found} == {Verdict.UNDECIDED}


def test_maps_behind_a_norm_do_not_depend_on_what_it_removes() -> None:
    rng = np.random.default_rng(2)
    w, b, v = rng.standard_normal((9, 3)), rng.standard_normal(9), rng.standard_normal((2, 9))
    found = [
        partition(tensors.block(one, b, v, np.zeros(2), norm="layernorm"), Sphere())
        for one in (w, w + 100.0)  # rows differ by a multiple of the ones, which P kills
    ]
    first, second = (Points.of_cells(one) for one in found)
    assert first.apart == pytest.approx(second.apart)
