"""Claim 0.12: codes that share a map, known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from exact import Box, Partition, partition
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.cells import maps_and_codes
from studies.questions.cells.maps_and_codes import Arm, Counts
from studies.questions.shared.cell_families import Family
from studies.questions.shared.nets import Measured, Nets


def line(*layers: tuple[list[list[float]], list[float]]) -> Partition:
    return partition(
        tensors.mlp([(np.array(w), np.array(b)) for w, b in layers]), Box(-3, 3, dim=1)
    )


def test_cancelled_neurons_make_codes_and_no_map() -> None:
    """relu(x) - relu(-x) is x on both sides of 0; the kink at 1 bends."""
    found = Counts.of(line(([[1.0], [-1.0], [1.0]], [0.0, 0.0, -1.0]), ([[1.0, -1.0, 2.0]], [0.0])))
    assert found == Counts(codes=3, maps=2, sharing=2, constant=0, facets=2, flat=1)
    assert (found.shared, found.flat_share) == (2 / 3, 1 / 2)


def test_neurons_that_nothing_reads_make_codes_and_no_map() -> None:
    found = Counts.of(line(([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, 0.0]], [0.0])))
    assert found == Counts(codes=3, maps=2, sharing=2, constant=0, facets=2, flat=1)


def test_a_layer_that_is_off_hides_the_flips_in_front_of_it() -> None:
    """relu(2 - relu(x) - relu(x - 1)): beyond 3/2 it is off, and x = 2 is no kink; a constant map
    also left of 0.
    """
    first = ([[1.0], [1.0], [1.0]], [0.0, -1.0, -2.0])
    found = Counts.of(line(first, ([[-1.0, -1.0, -1.0]], [2.0]), ([[1.0]], [0.0])))
    assert (found.codes, found.maps, found.facets, found.flat) == (5, 4, 4, 1)
    assert (found.sharing, found.constant) == (2, 2)  # left of 0 it is 2, another constant


def test_different_maps_share_nothing() -> None:
    found = Counts.of(line(([[1.0], [1.0]], [0.0, -1.0]), ([[1.0, 1.0]], [0.0])))
    assert found == Counts(codes=3, maps=3, sharing=0, constant=0, facets=2, flat=0)


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ([0.0] * 30, Verdict.SUPPORTED),  # none in so many nets
        ([0.01, 0.02] * 15, Verdict.SUPPORTED),
        ([0.2, 0.3] * 15, Verdict.REFUTED),
        ([0.1, 0.2], Verdict.UNDECIDED),
        ([0.0] * 10, Verdict.UNDECIDED),
    ],
)
def test_rules_can_come_out_both_ways(shares: list[float], verdict: Verdict) -> None:
    measured = Measured(Nets("trained", (), 0), dict(enumerate(shares)), {})
    counts = {k: Counts(10, 9, 2, 0, 20, 1) for k in range(len(shares))}
    found = maps_and_codes.arm_findings(
        Family("circles", (8, 8)), Arm(measured, measured, counts), 0
    )
    assert [one.verdict for one in found] == [verdict] * 2
