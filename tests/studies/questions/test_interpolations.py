"""Claim 1.8 on boundaries that radiate from the origin at known angles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from exact import Ellipse, Network, partition
from exact.regions.arcs.partition import CurvePartition
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.boundaries import interpolations
from studies.questions.boundaries.interpolations import of_nets
from studies.questions.shared.interpolated_ways import BINS, Ways, slerp, to_median
from studies.statistics import Degenerate
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED
HALF = math.pi / 2


def fan(*shares: float) -> Network:
    """Lines of the plane through the origin, at these shares of the right angle between the axes;
    output 0 is x, output 1 is y.
    """
    angles = np.array(shares) * HALF
    rows = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    axes = np.eye(2)  # both are positive on the way, so that they are never crossed
    last = np.concatenate([np.zeros((2, len(shares))), axes], axis=1)
    return tensors.mlp([(np.concatenate([rows, axes]), np.zeros(len(shares) + 2)), (last, [0, 0])])


P, Q = np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])


def test_boundaries_are_counted_in_the_bin_where_they_are_crossed() -> None:
    # a direction at the angle a is met where tan a = 2 sin(t W) / sin((1 - t) W)
    found = Ways.of(fan(0.5, 0.75), P, Q)
    met = [math.atan2(math.tan(share * HALF), 2) / HALF for share in (0.5, 0.75)]
    assert np.flatnonzero(found.crossings[0]).tolist() == [int(t * BINS) for t in met]
    tie = int(math.atan2(1, 2) / HALF * BINS)  # x = y on the way
    assert np.flatnonzero(found.changes[0]).tolist() == [tie]
    corners = slerp(P, Q)[0]
    assert corners[0] == pytest.approx(P[0]) and corners[-1] == pytest.approx(Q[0])


def test_chords_cross_what_the_curve_crosses() -> None:
    rng = np.random.default_rng(0)
    first, second, third = (rng.standard_normal(shape) for shape in ((8, 3), (8, 8), (2, 8)))
    net = tensors.mlp([(first, first[:, 0]), (second, second[0]), (third, [0, 0])])
    p, q = rng.standard_normal((2, 3))
    angle = math.acos(p @ q / np.linalg.norm(p) / np.linalg.norm(q))
    v = (q - p * math.cos(angle)) / math.sin(angle)
    ellipse = partition(net, Ellipse(p.tolist(), v.tolist())).seen_as(CurvePartition)
    angles = [one.angle_float for one in ellipse.crossings if not one.tangent]
    inside = [t / angle * BINS for t in angles if 0 < t < angle]
    found = Ways.of(net, p[None], q[None])
    assert found.crossings[0].tolist() == np.bincount(np.int64(inside), minlength=BINS).tolist()


def test_evenly_spread_boundaries_have_no_bump() -> None:
    even = fan(*((np.arange(40) + 0.5) / 40))
    assert Ways.of(even, P, P[:, ::-1]).bump == pytest.approx(0, abs=1e-9)
    # the seed's curve between other lengths is no circle, and has a bump of its own
    assert abs(Ways.of(even, P, 9 * P[:, ::-1]).bump) > 0.1
    assert Ways.of(even, *to_median(P, 9 * P[:, ::-1])).bump == pytest.approx(0, abs=1e-9)


def test_boundaries_where_the_class_changes_are_seen_so() -> None:
    end = 1.1 * P[:, ::-1]  # the class changes at t = 0.47
    assert Ways.of(fan(0.503, 0.506, 0.509), P, end).correlation > 0.9
    assert Ways.of(fan(0.213, 0.226, 0.829), P, end).correlation < 0


def test_the_order_of_bins_is_permuted_within_each_way() -> None:
    rng, (crossed, changed) = np.random.default_rng(0), np.zeros((2, 2, BINS))
    crossed[:, 3], changed[:, 3] = 1, 1
    lengths = np.ones((2, BINS))
    # of both ways the one bin of 20 must be met: 1 order in 400, and the given one counts
    assert Ways(crossed, changed, lengths).permuted_p(rng) <= 5 / 200
    there = np.roll(changed, 1, axis=1)
    assert Ways(crossed, there, lengths).permuted_p(rng) == 1
    assert np.isnan(Ways(crossed, 0 * changed, lengths).permuted_p(rng))


def test_what_spans_no_way_is_left_out() -> None:
    two = (
        np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]),
        np.array([[2.0, 0.0], [1.0, 0.0], [0, 1.0]]),
    )
    assert len(slerp(*two)) == 1
    with pytest.raises(Degenerate, match="span a way"):
        slerp(two[0][:2], two[1][:2])


def test_a_network_with_a_bump_supports_and_one_with_a_dip_refutes() -> None:
    labels = np.arange(200) % 2
    angles = (labels + 0.05 * np.random.default_rng(0).standard_normal(200)) * HALF * 0.8 + 0.1
    inputs = torch.tensor(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    data = Dataset.of(inputs, torch.tensor(labels))
    middle, ends = np.linspace(0.4, 0.6, 12), np.array([0.08, 0.1, 0.12, 0.9])
    for net, verdict in ((fan(*middle), SUPPORTED), (fan(*ends, 0.5), REFUTED)):
        assert interpolations.of_toy(Toy.of("a fan", net, data), 0).verdict is verdict


def test_every_claim_can_come_out_either_way() -> None:
    names = [f"{sort} from {n}" for sort in ("bump", "middle", "ends", "changes") for n in range(4)]
    up = dict.fromkeys(names, 0.4) | {"slope": -0.3}
    down = {name: -value for name, value in up.items()}
    flat = family(interpolations.NAMES, {}, arm="untrained", seed=500)
    for means, verdict in ((up, SUPPORTED), (down, REFUTED)):
        found = of_nets(family(interpolations.NAMES, means), flat, 0)
        assert {one.verdict for one in found} == {verdict} and len(found) == 11
