"""Claim 5.3: nets on which the six definitions differ, counted by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from exact import Box, Network, partition
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.later import definitions_of_regions as question
from studies.questions.later.definitions_of_regions import Counts
from studies.questions.shared.cell_families import Family
from studies.questions.shared.nets import Measured, Nets
from studies.subjects import Toy

FLAT = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
"""relu(x) + relu(y): four quadrants, four maps, all definitions agree."""
CANCELLED = tensors.mlp([([[1, 0], [-1, 0], [0, 1]], [0, 0, 0]), ([[1, -1, 1]], [0])])
"""relu(x) - relu(-x) + relu(y) = x + relu(y): on x = 0 both are off, as in no cell."""
BENT = tensors.mlp([([[1, 0], [1, -1]], [10, 0]), ([[1, -1]], [-10]), ([[1]], [0])])
"""relu(min(x, y)): zero on an L of two cells."""
HOURGLASS = tensors.mlp(
    [
        ([[1, 0], [0, 1], [1, 1]], [10, 10, 0]),
        ([[1, 0, -1], [0, 1, -1]], [-10, -10]),
        ([[1, 1]], [0]),
    ]
)
"""relu(min(x, -y)) + relu(min(-x, y)): zero on two quadrants that touch in the origin."""


def counts(network: Network) -> Counts:
    return Counts.of(partition(network, Box(-1, 1, dim=2)).seen_as(FlatPartition))


@pytest.mark.parametrize(
    ("network", "known"),
    [
        (FLAT, Counts(4, 4, 4, 4, 4, 4, 4)),
        (CANCELLED, Counts(2, 2, 2, 2, 2, 4, 6)),
        (BENT, Counts(3, 3, 3, 4, 4, 4, 4)),
        (HOURGLASS, Counts(5, 5, 6, 6, 6, 6, 6)),
    ],
)
def test_every_definition_has_its_own_count(network: Network, known: Counts) -> None:
    found = counts(network)
    assert found == known and found.is_ordered
    assert found.agree == (network is FLAT)


def test_the_counts_are_those_of_the_partition() -> None:
    for network in (FLAT, CANCELLED, BENT, HOURGLASS):
        found, one = partition(network, Box(-1, 1, dim=2)), counts(network)
        assert one.proper == found.code_count == found.region_count
        assert one.open == found.linear_piece_count and one.affine == found.distinct_map_count


def test_hulls_are_exact() -> None:
    third = Fraction(1, 3)
    triangle = [(Fraction(0), Fraction(0)), (third, Fraction(0)), (Fraction(0), third)]
    assert question.hull_area([*triangle, (third / 3, third / 3)]) == Fraction(1, 18)
    assert question.hull_area(triangle[:2]) == 0


def findings(every: list[Counts]) -> list[Verdict]:
    measured = Measured(Nets("trained", (), 0), dict(enumerate(float(x.agree) for x in every)), {})
    found = question.arm_findings(Family("circles", (8, 8)), measured, dict(enumerate(every)))
    return [one.verdict for one in found]


def test_rules_can_come_out_both_ways() -> None:
    alike, apart = Counts(4, 4, 4, 4, 4, 4, 4), Counts(3, 3, 3, 4, 4, 4, 4)
    assert findings([alike] * 30) == [Verdict.SUPPORTED] * 2
    assert findings([alike, apart] * 15) == [Verdict.SUPPORTED, Verdict.REFUTED]
    assert findings([alike] * 3)[1] is Verdict.UNDECIDED
    assert findings([Counts(4, 3, 4, 4, 4, 4, 4)] * 30)[0] is Verdict.REFUTED  # an alarm


def test_a_net_of_ones_own() -> None:
    found = [question._of_toy(question.ONE_NET, Toy.of("own", net)) for net in (FLAT, BENT)]
    assert [one.verdict for one in found] == [Verdict.SUPPORTED, Verdict.REFUTED]
