"""Claim 1.23 on networks whose classes follow each other in a known order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exact import Network
from exact.sources import tensors
from studies.finding import Verdict
from studies.questions.boundaries import related_classes
from studies.questions.boundaries.related_classes import by_means, by_network, chance, of_nets
from studies.questions.shared.starts import Start
from studies.subjects import Toy
from tests.studies.questions.families import family
from toy_models import Dataset

SUPPORTED, REFUTED = Verdict.SUPPORTED, Verdict.REFUTED


def tangents(*places: float) -> Network:
    """Output c is the tangent of x^2 / 2 at a place: the largest is that of the nearest place."""
    slopes = np.array(places)[:, None]
    return tensors.mlp(
        [([[1], [-1]], [0, 0]), (np.hstack([slopes, -slopes]), -(slopes[:, 0] ** 2) / 2)]
    )


def test_the_first_changes_above_and_below_are_found() -> None:
    net, rows = tangents(0, 2, 4, 9), np.array([[2.5], [4.0], [0.0]])
    found = by_network(Start(0, net, rows), rows)
    assert found["up"].before.tolist() == [1, 2] and found["up"].after.tolist() == [2, 3]
    assert found["down"].before.tolist() == [1, 2] and found["down"].after.tolist() == [0, 1]
    means = by_means(rows[:2], np.array([[0.0], [2.0], [4.0], [9.0]]))
    for way in ("up", "down"):
        assert means[way].before.tolist() == found[way].before.tolist()
        assert means[way].after.tolist() == found[way].after.tolist()
    assert found["up"].related(np.array([0, 0, 1, 1])) == 1


def test_chance_is_the_mean_over_shuffled_parents() -> None:
    parents, rng = np.array([0, 0, 0, 1, 1, 2]), np.random.default_rng(0)
    drawn = [np.diff(rng.permutation(parents)[[1, 4]])[0] == 0 for _ in range(20_000)]
    assert chance(parents) == pytest.approx(np.mean(drawn), abs=0.01)


def test_related_neighbours_support_and_unrelated_ones_refute() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 6, 150)
    inputs = torch.tensor(
        np.array([1.0, 2, 3, 7, 8, 9])[labels, None] + rng.uniform(-0.3, 0.3, (150, 1))
    )
    data = Dataset.of(inputs, torch.tensor(labels))
    net = tangents(1, 2, 3, 7, 8, 9)
    for parents, verdict in (((0, 0, 0, 1, 1, 1), SUPPORTED), ((0, 1, 0, 1, 0, 0), REFUTED)):
        toy = Toy.of("a row of classes", net, replace(data, parents=parents))
        assert related_classes.of_toy(toy, 0).verdict is verdict
    assert not related_classes.fits(Toy.of("no parents", net, data))


def test_all_claims_can_come_out_either_way() -> None:
    names = related_classes.NAMES
    before = family(names, {}, arm="untrained", seed=40)
    for sign, verdict in ((0.5, SUPPORTED), (-0.5, REFUTED)):
        for way in related_classes.WAYS:
            found = of_nets(way, family(names, {way: sign}), before, 0)
            assert [one.verdict for one in found] == [verdict, verdict]
