"""Claim 1.24 on networks whose class changes at known lengths."""

from __future__ import annotations

import numpy as np
import torch

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.boundaries import classes_along_rays
from studies.questions.boundaries.classes_along_rays import changing, of_nets
from studies.questions.shared.starts import Start
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def beyond(place: float) -> Network:
    """Class 0 where |x| exceeds a place, else class 1."""
    return tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1], [0, 0]], [0, place])])


def test_rays_are_counted_once_and_by_where_the_class_changes() -> None:
    rows = np.array([[0.1], [-1.0], [4.0], [0.0]])  # changes at t = 20, 2 and 1 / 2; none at zero
    assert changing(Start(0, beyond(2), rows), rows) == (2 / 3, 1 / 3)
    # relu(x - 1) - 2 relu(x - 2): the class changes twice on a ray
    twice = tensors.mlp([([[1], [1]], [-1, -2]), ([[1, -2], [0, 0]], [0, 0.25])])
    assert changing(Start(0, twice, np.array([[1.0]])), np.array([[1.0]])) == (1.0, 0.0)


def test_a_network_with_one_class_supports_and_one_with_two_refutes() -> None:
    inputs = torch.tensor(np.random.default_rng(0).uniform(1, 2, (100, 1)))
    data = Dataset.of(inputs, torch.arange(100) % 2, classes=9)  # not those of the outputs
    for place, verdict in ((100.0, SUPPORTED), (3.0, REFUTED)):
        toy = Toy.of("a network", beyond(place), data)
        assert classes_along_rays.of_toy(toy, 0).verdict is verdict


def test_both_claims_can_come_out_either_way() -> None:
    names = classes_along_rays.NAMES
    still, moving = {"far from 1": 0.0}, {"far from 1": 0.8}
    for mine, theirs, verdict in ((moving, still, SUPPORTED), (still, moving, REFUTED)):
        arms = family(names, mine), family(names, theirs, arm="untrained", seed=40)
        assert [one.verdict for one in of_nets(1, *arms, 0)] == [verdict, verdict]
