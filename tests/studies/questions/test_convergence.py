"""Claim 1.13: layers that fold or spread pairs, known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from exact import Box, Network, partition
from exact.arithmetic.numbers import FloatArray
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from studies.finding import Verdict
from studies.pairs import Pairs
from studies.questions.distances import convergence
from studies.questions.distances.convergence import Arm, Flow
from studies.questions.shared.nets import Measured, Nets
from studies.statistics import Degenerate
from studies.subjects import Toy
from toy_models import Dataset
from toy_models.populations import Arm as PopulationArm


def net(weight: list[list[float]], bias: list[float]) -> Network:
    return tensors.mlp([(np.array(weight), np.array(bias)), (np.ones((1, len(bias))), [0.0])])


def pairs_of(labels: list[int]) -> Pairs:
    first, second = np.triu_indices(len(labels), 1)
    return Pairs(first, second, np.array(labels)[first] != np.array(labels)[second])


def flow(network: Network, rows: list[float], labels: list[int]) -> Flow:
    given = np.array(rows)[:, None], np.array(labels)
    return convergence.flow(network, *given, pairs_of(labels), np.random.default_rng(0))


def test_a_fold_brings_one_class_together() -> None:
    """|x| - 1 on x = -2, 0, 2 of which the ends are one class: they fall on one point."""
    rows = [-2.0, -2.0 + 1 / 64, 0.0, 1 / 64, 2.0, 2.0 + 1 / 64]
    labels = [0, 1, 1, 1, 0, 0]
    network = net([[1.0], [-1.0]], [0.0, 0.0])
    found = flow(network, rows, labels)
    before = np.abs(np.subtract.outer(rows, rows))[np.triu_indices(6, 1)]
    hidden = np.array([[max(x, 0.0), max(-x, 0.0)] for x in rows])
    after = np.linalg.norm(hidden[:, None] - hidden, axis=2)[np.triu_indices(6, 1)]
    grown = np.log2(after / before / np.sqrt(2))  # the norm of the weights is the root of 2
    edges = np.quantile(before, np.arange(1, 10) / 10)
    place, different = np.searchsorted(edges, before), pairs_of(labels).different
    known = [
        grown[(place == k) & ~different].mean() - grown[(place == k) & different].mean()
        for k in range(10)
        if different[place == k].any() and not different[place == k].all()
    ]
    assert found.gap == pytest.approx(np.mean(known))
    assert len(found.gaps) == len(found.crossings) == len(found.p) == 1


def test_pairs_that_become_one_point_are_kept() -> None:
    assert convergence.growth(np.array([2.0, 1]), np.array([0.0, 3]), 3.0).tolist() == [-10, 0]
    with pytest.raises(Degenerate, match="one point"):
        flow(net([[0.0]], [-1.0]), [0.0, 1, 2, 3], [0, 0, 1, 1])


def test_the_growth_that_distance_explains_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    length = rng.uniform(size=500)
    one, other = (length + rng.normal(0, 0.2, 500) for _ in range(2))
    assert abs(convergence.partial_rank_correlation(one, other, length)) < 0.15
    assert np.corrcoef(one, other)[0, 1] > 0.5
    assert convergence.partial_rank_correlation(one, one, length) == pytest.approx(1)


def test_a_probe_sees_what_a_fold_separates() -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(-2, 2, (400, 1))
    labels = (np.abs(rows[:, 0]) > 1).astype(int)  # the middle against both ends
    sides = [Dataset.of(rows[part], labels[part]) for part in (slice(300), slice(300, 400))]
    found = convergence.probe_rise(net([[1.0], [-1.0]], [0.0, 0.0]), *sides)
    assert found[0] < 0.75 and found[1] > 0.95


def test_the_cells_on_a_point_of_the_image_are_counted() -> None:
    """(x, y) -> (|x|, y) lays the square double; the identity does not."""
    fold = tensors.mlp(
        [
            ([[1, 0], [-1, 0], [0, 1], [0, -1]], [0, 0, 0, 0]),
            ([[1, 1, 0, 0], [0, 0, 1, -1]], [0, 0]),
        ]
    )
    plain = tensors.mlp(
        [
            ([[1, 0], [-1, 0], [0, 1], [0, -1]], [0, 0, 0, 0]),
            ([[1, -1, 0, 0], [0, 0, 1, -1]], [0, 0]),
        ]
    )
    for network, covered in ((fold, 2.0), (plain, 1.0)):
        found = partition(network, Box(-1, 1, dim=2)).seen_as(FlatPartition)
        assert convergence.coverage(found) == pytest.approx(covered)


def arm(name: PopulationArm, gaps: FloatArray, crossings: FloatArray, rise: FloatArray) -> Arm:
    nets = Nets(name, (), 0)
    one, other, third = (
        Measured(nets, dict(enumerate(values.tolist())), {}) for values in (gaps, crossings, rise)
    )
    flows = {k: Flow((x,), (0.1,), (0.01,)) for k, x in one.values.items()}
    return Arm(one, other, third, flows, {k: (0.5, 0.9) for k in one.values}, {})


@pytest.mark.parametrize("sign", [1, -1])
def test_rules_can_come_out_both_ways(sign: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (2, 3, 30))
    trained = arm("trained", *(sign * np.array([[-0.3], [0.2], [0.1]]) + noise[0]))
    untrained = arm("untrained", *noise[1])
    verdict = Verdict.SUPPORTED if sign > 0 else Verdict.REFUTED
    findings = convergence.family_findings("nets", trained, untrained, 0)
    assert [one.verdict for one in findings] == [verdict] * 3
    beaten = arm("untrained", *(sign * np.array([[-0.6], [0.4], [0.2]]) + noise[1]))
    one = convergence.family_findings("nets", trained, beaten, 0)[0]
    assert one.verdict is Verdict.REFUTED  # untrained nets do it more, or neither does


def test_what_chance_makes_of_one_net_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """|x| brings both ends of the line together: one class of both ends, or classes at random."""
    rng = np.random.default_rng(0)
    rows = rng.uniform(-2, 2, (150, 1))
    network = net([[1.0], [-1.0]], [0.0, 0.0])
    folded = (np.abs(rows[:, 0]) > 1).astype(int)
    for labels, is_chance in ((folded, False), (rng.permutation(folded), True)):
        pairs = pairs_of(labels.tolist())
        p = convergence.chance(network, rows, labels, pairs, np.random.default_rng(0))
        assert (p > 0.05) == is_chance and 1 / 200 <= p <= 1
        toy = Toy.of("mine", network, Dataset.of(rows, labels))
        monkeypatch.setattr(Toy, "must_have_learned", lambda _: None)
        finding = convergence._of_toy(toy, 0)
        assert (finding.verdict is Verdict.UNDECIDED) == is_chance
        assert finding.data["p_float"] == p and f"p {p:.3g}" in finding.value
    assert "untrained net" not in convergence.ONE_NET.rule.text
    assert "Of many nets, the untrained net" in convergence.QUESTION.controls
