"""Claim 4.1 on networks whose scales and shares are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.norms import loss_or_norm as asked
from studies.questions.shared.nets import Measured, Nets
from studies.statistics import Degenerate
from tests.studies.questions.made_nets import measured

# output 0 is 1, output 1 is x, output 2 is y / 2 - 3 (positive inputs)
NETWORK = tensors.mlp([(np.eye(2), None), ([[0, 0], [1, 0], [0, 0.5]], [1, 0, -3])])


def test_octaves_end_where_another_output_takes_over() -> None:
    rows = np.array([[2.0, 0.1], [0.5, 0.1], [0.1, 0.1], [1.5, 4]])
    found = asked.octaves(NETWORK, rows)
    assert found[0].tolist() == pytest.approx([1, 3])  # 2 shrinks to 1 in one octave, grows on
    assert found[1].tolist() == pytest.approx([3, 1])  # output 0 until x = 1
    assert found[2].tolist() == [3, 3]  # x reaches 0.8
    up = math.log2(6)  # x = t 1.5 against y / 2 - 3 = 2 t - 3: t = 6
    assert found[3].tolist() == pytest.approx([math.log2(1.5), up])


def test_ties_of_others_do_not_count() -> None:
    """Outputs 1 and 2 change places far below output 0."""
    network = tensors.mlp([(np.eye(2), None), ([[0, 0], [1, 0], [0, 0]], [100, 0, 2])])
    assert asked.octaves(network, np.array([[1.0, 1]])).tolist() == [[3, 3]]


def test_decisions_are_the_first_largest_output() -> None:
    pairs = np.array([(a, b) for a in range(3) for b in range(a)])
    values = np.random.default_rng(0).integers(0, 3, (50, 3))
    bits = np.array([[row[a] > row[b] for a, b in pairs] for row in values])
    assert asked.decisions(bits, pairs).tolist() == values.argmax(axis=1).tolist()


def test_shares_of_direction_and_length_sum_with_the_rest() -> None:
    rng = np.random.default_rng(0)
    by_direction, by_length = rng.standard_normal((5, 1, 2)), rng.standard_normal((1, 7, 2))
    zero = np.zeros((5, 7, 2))
    assert asked.Shares.of(by_direction + zero).direction == pytest.approx(1)
    assert asked.Shares.of(by_length + zero).length == pytest.approx(1)
    both = asked.Shares.of(by_direction + by_length)
    assert both.direction + both.length == pytest.approx(1) and 0 < both.direction < 1
    product = asked.Shares.of(by_direction * by_length)
    assert product.direction + product.length < 1
    with pytest.raises(Degenerate, match="do not vary"):
        asked.Shares.of(zero + 4)


def test_a_norm_and_a_lack_of_biases_make_decisions_exact_in_scale() -> None:
    rng = np.random.default_rng(0)
    weight, out, rows = (rng.standard_normal(shape) for shape in ((9, 4), (3, 9), (20, 4)))
    bias = rng.standard_normal(9)
    normed = tensors.block(weight, bias, out, [1, 0, 0], norm="layernorm", eps=0)
    bare, biased = (
        tensors.mlp([(weight, None), (out, None)]),
        tensors.mlp([(weight, bias), (out, None)]),
    )
    for network, verdict in (
        (normed, Verdict.SUPPORTED),
        (bare, Verdict.SUPPORTED),
        (biased, Verdict.REFUTED),
    ):
        assert asked.scales_finding("x", [(network, rows)]).verdict is verdict


def test_what_cosines_and_norms_have_of_outputs() -> None:
    """Hidden vectors of one length and two directions, and of one direction and two lengths."""
    network = tensors.mlp([(np.eye(2), None), ([[1, 0], [0, 1]], [5, 7])])
    turned = np.array([[3.0, 4], [4, 3], [5, 0], [0, 5]])
    with pytest.raises(Degenerate, match="do not vary"):
        asked.unembedded(network, turned)  # all norms are 5
    one_way = np.array([[1.0, 1], [2, 2], [3, 3]])
    with pytest.raises(Degenerate, match="do not vary"):
        asked.unembedded(network, one_way)  # all cosines are those of 45 degrees
    by_cosine, by_norms = asked.unembedded(network, np.array([[3.0, 4], [4, 3], [5.1, 0], [0, 5]]))
    assert by_cosine > 0.99 and by_norms < 0.1
    by_cosine, by_norms = asked.unembedded(network, np.array([[1, 1.1], [2, 2], [9, 9]]))
    assert by_cosine < 0.1 and by_norms > 0.99


def test_losses_are_those_of_scaled_rows() -> None:
    network = tensors.mlp([(np.eye(2), None), (np.eye(2), [0, 0])])
    rows, labels = np.array([[1.0, 0], [0, 1.0]]), np.array([0, 1])
    entropy = asked.losses(network, rows, labels, "cross_entropy")
    assert entropy == pytest.approx([np.log1p(np.exp(-(2.0**k))) for k in range(-3, 4)])
    squared = asked.losses(network, rows, labels, "mse")
    assert squared == pytest.approx([(2.0**k - 1) ** 2 / 2 for k in range(-3, 4)])


def test_the_claim_can_come_out_either_way() -> None:
    rng, seeds = np.random.default_rng(0), set(range(30))
    for entropy, verdict in (
        (2.9, Verdict.SUPPORTED),
        (2.3, Verdict.REFUTED),
        (1.5, Verdict.UNDECIDED),  # squared error makes it matter more: not what either says
    ):
        squared = measured(2.2)
        values = {k: x - 2.2 + entropy + 0.01 * (k % 7) for k, x in squared.values.items()}
        entropy_nets = Measured(Nets("trained", (), 0), values, {})
        found = asked.task_finding("x", (entropy_nets, squared, squared), seeds, {}, rng)
        assert found.verdict is verdict


def test_nets_of_other_accuracy_are_no_pairs() -> None:
    rng = np.random.default_rng(0)
    found = asked.task_finding("x", (measured(2.9), measured(2.2), measured(3)), {1, 2}, {}, rng)
    assert found.verdict is Verdict.UNDECIDED and found.data["matched_seeds"] == [1, 2]
