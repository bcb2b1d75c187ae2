"""Claim 1.15 on a network of two inputs whose decision boundary and ridges are put by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from studies.finding import Verdict
from studies.questions.boundaries import adversarial_ridges
from studies.questions.boundaries.adversarial_ridges import (
    Ways,
    adversaries,
    of_nets,
    straight_density,
)
from studies.statistics import Degenerate
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def ridge(*places: float) -> nn.Sequential:
    """Class 1 where x > 0; a boundary at each x of `places`, which the outputs do not feel, and one
    at y = 0.
    """
    first, last = nn.Linear(2, len(places) + 3), nn.Linear(len(places) + 3, 2)
    with torch.no_grad():
        for values in (*first.parameters(), *last.parameters()):
            values.zero_()
        first.weight[:, 0] = 1.0
        first.weight[-1] = torch.tensor([0.0, 1.0])
        first.bias[:-3] = -torch.tensor(places)
        first.weight[-3], first.weight[-2] = torch.tensor([1.0, 0]), torch.tensor([-1.0, 0])
        last.weight[1, -3], last.weight[0, -2] = 1.0, 1.0
    return nn.Sequential(first, nn.ReLU(), last)


def toy(model: nn.Module, points: np.ndarray) -> Toy:
    inputs = torch.tensor(points)
    return Toy.of("a ridge", model, Dataset.of(inputs, (inputs[:, 0] > 0).long()))


def test_ways_end_at_the_decision_boundary_and_are_counted_there() -> None:
    model = ridge(-0.5, -0.25, -1.5, -1.75, -1.8, 0.5)
    net = toy(model, np.array([[-1.0, 1.0], [1.0, 1.0]])).network
    inputs = np.array([[-1.0, 1.0]])
    found = Ways.of(net, inputs, np.array([[1.1, 0.0]]), np.random.default_rng(0))
    # the last two boundaries, at x = 0, are where the class changes: not before it
    assert found.lengths == pytest.approx([1.0]) and found.ahead.tolist() == [2.0]
    assert found.backwards.tolist() == [3.0] and found.over(found.backwards) == 2 / 3 - 1


def test_straight_ways_are_counted_up_to_the_decision_boundary() -> None:
    net = toy(ridge(-0.5, 0.5), np.array([[-1.0, 1.0], [1.0, 1.0]])).network
    # from x = -1 the wall at -1/2 comes first, from x = 1 that at 1/2; the way is 1 long
    density = straight_density(net, np.array([[-1.0, 1.0], [1.0, 1.0]]), Swap())  # type: ignore[arg-type]
    assert density == 1.0
    assert np.isnan(straight_density(net, np.array([[-1.0, 1.0], [-2, 1]]), Swap()))  # type: ignore[arg-type]


class Swap:
    """A generator that exchanges two."""

    def permutation(self, count: int) -> np.ndarray:
        return np.arange(count)[::-1]


def test_gradient_steps_find_the_other_side() -> None:
    model = ridge(0.5)
    steps = adversaries(model, np.array([[-0.3, 2.0], [0.2, -1.0]]))
    assert (steps[:, 0] > [0.29, -1]).all() and steps[1, 0] < -0.19 and not steps[:, 1].any()
    constant = ridge(0.5)
    with torch.no_grad():
        constant[2].weight.zero_()  # type: ignore[operator, union-attr]
    assert np.isnan(adversaries(constant, np.array([[1.0, 1.0]]))).all()
    with pytest.raises(Degenerate, match="no perturbation changes the class"):
        nothing = np.full((1, 2), np.nan)
        Ways.of(toy(constant, np.eye(2)).network, np.eye(2)[:1], nothing, np.random.default_rng(0))


def test_a_ridge_before_the_boundary_supports_and_one_behind_the_inputs_refutes() -> None:
    rng = np.random.default_rng(0)
    points = np.stack([-rng.uniform(0.8, 1.0, 100), rng.uniform(1, 2, 100)], axis=1)
    points[:2, 0] = 1.0  # two members of a second class
    near, far = np.linspace(-0.6, -0.1, 12).tolist(), np.linspace(-1.9, -1.1, 12).tolist()
    for places, verdict in (([*near, -1.6, -1.9], SUPPORTED), ([*far, -0.1], REFUTED)):
        assert adversarial_ridges.of_toy(toy(ridge(*places), points), 0).verdict is verdict


def test_all_claims_can_come_out_either_way() -> None:
    names = adversarial_ridges.NAMES
    flat = family(names, {}, arm="untrained", seed=50)
    for sign, verdict in ((1, SUPPORTED), (-1, REFUTED)):
        found = of_nets("none", family(names, dict.fromkeys(names, sign)), flat, 0)
        assert [one.verdict for one in found] == 3 * [verdict]
