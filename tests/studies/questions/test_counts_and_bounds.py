"""Claim 1.27: counts, bounds and growth that are known beforehand."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.cells import counts_and_bounds
from studies.questions.cells.counts_and_bounds import Size, curvature
from studies.questions.shared.cell_families import Family
from studies.questions.shared.nets import Measured, Nets
from studies.subjects import Toy

NETS = Nets("trained", (), 0)


def test_lines_in_general_position_reach_the_bound() -> None:
    """Five lines near the origin, no three through one point, all of whose meetings are inside."""
    angles = np.arange(5) * np.pi / 5
    normals = np.column_stack([np.cos(angles), np.sin(angles)])
    offsets = np.array([0.1, -0.07, 0.05, 0.02, -0.11])
    one = Size.of(tensors.mlp([(normals, offsets), (np.ones((1, 5)), [0.0])]))
    assert one == Size(codes=16, neurons=5, serra=16, montufar=16)
    assert one.ratio == 0 and one.is_bounded and sum(comb(5, k) for k in range(3)) == 16
    assert not Size(17, 5, 16, 16).is_bounded and not Size(10, 5, 16, 15).is_bounded


def test_behind_a_norm_the_bound_is_that_of_the_sphere() -> None:
    rng = np.random.default_rng(0)
    w, b, v = rng.standard_normal((6, 3)), rng.standard_normal(6), rng.standard_normal((2, 6))
    one = Size.of(tensors.block(w, b, v, np.zeros(2), norm="layernorm"))
    # six lines through a plane cut its circle in at most 12 arcs
    assert one.codes <= 12 <= one.serra == sum(comb(6, k) for k in range(3))


def test_growth_is_told_from_three_counts() -> None:
    assert curvature([3 * 2**8, 3 * 2**16, 3 * 2**32]) == 1
    assert curvature([5 * 8**3, 5 * 16**3, 5 * 32**3]) == 0
    assert np.isnan(curvature([8, 8, 16])) and np.isnan(curvature([8, 9, 9]))


def sweep(law: str) -> list[Measured]:
    rng = np.random.default_rng(0)
    rows = []
    for size in (8, 16, 32):
        mean = {"exponential": 2.0 ** (size / 4), "power": 0.5 * size**2}[law]
        rows.append(mean * np.exp(rng.normal(0, 0.03, 30)))
    return [Measured(NETS, dict(enumerate(row.tolist())), {}) for row in rows]


@pytest.mark.parametrize(
    ("law", "verdict"), [("exponential", Verdict.SUPPORTED), ("power", Verdict.REFUTED)]
)
def test_the_rule_of_growth_can_come_out_both_ways(law: str, verdict: Verdict) -> None:
    for claim in (counts_and_bounds.WIDTH, counts_and_bounds.DEPTH):
        found = counts_and_bounds.growth_finding(claim, "trained", sweep(law), 0)
        assert found.verdict is verdict, found.value
    alone = [Measured(NETS, {k: 8.0}, {}) for k in range(3)]  # no seed in all three
    found = counts_and_bounds.growth_finding(counts_and_bounds.WIDTH, "trained", alone, 0)
    assert found.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("serra", "verdict"), [(10_000, Verdict.SUPPORTED), (120, Verdict.REFUTED)]
)
def test_the_rule_of_the_ratio_can_come_out_both_ways(serra: int, verdict: Verdict) -> None:
    sizes = {k: Size(80 + k, 16, serra, serra) for k in range(30)}
    counted = Measured(NETS, {k: float(one.codes) for k, one in sizes.items()}, {})
    bounded, fewer = counts_and_bounds.arm_findings(Family("blobs", (8, 8)), counted, sizes, 0)
    assert bounded.verdict is Verdict.SUPPORTED and fewer.verdict is verdict
    sizes[0] = Size(serra + 1, 16, serra, serra)
    assert counts_and_bounds.arm_findings(Family("blobs", (8, 8)), counted, sizes, 0)[0].is_alarm


def test_a_toy_of_ones_own_is_a_census() -> None:
    rng = np.random.default_rng(1)
    deep = tensors.mlp(
        [(rng.standard_normal((12, k)), rng.standard_normal(12)) for k in (2, 12, 12)]
    )
    found = counts_and_bounds._of_toy(counts_and_bounds.ONE_NET, Toy.of("deep", deep))
    assert found.verdict is Verdict.SUPPORTED and found.data["neurons"] == 24
