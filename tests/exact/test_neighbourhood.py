"""Regions around a point out to a number of facets, against distances in the whole partition."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest

from exact import (
    Box,
    InvalidInput,
    NotPiecewiseLinear,
    Outcome,
    Plane,
    RealSpace,
    Unsupported,
    partition,
)
from exact.geometry.budgets import Budget
from exact.geometry.domains.base import FlatDomain
from exact.instruments.neighbourhood import neighbourhood
from exact.networks.activations import GELU
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.sources import tensors


def net(widths: tuple[int, ...], seed: int = 0) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (generator.normal(size=(b, a)), generator.normal(size=b))
            for a, b in pairwise([*widths, 1])
        ]
    )


@pytest.mark.parametrize(
    ("widths", "domain"),
    [
        ((2, 6, 4), None),
        ((2, 5, 5), Box(-1, 1, dim=2)),
        ((3, 5, 3), None),
        ((3, 6, 4), Plane([0, 0, 0], [1, 0, 1], [0, 1, 2])),
    ],
)
def test_distances_are_those_of_the_whole_graph(
    widths: tuple[int, ...], domain: FlatDomain | None
) -> None:
    network = net(widths, sum(widths))
    x: list[Any] = [0.25, -0.5, 0.25 - 2 * 0.5][: widths[0]]
    whole = partition(network, domain or RealSpace(widths[0]), engine="lp_tree")
    distance = nx.single_source_shortest_path_length(whole.graph(), whole.locate(x))
    for radius in range(max(distance.values()) + 2):
        near = neighbourhood(network, x, radius, domain)
        assert {str(r.code) for r in near.regions} == {
            str(whole.regions[i].code) for i, k in distance.items() if k <= radius
        }
        assert (near.outcome is Outcome.COMPLETE) == (radius > max(distance.values()))
        assert near.outcome is Outcome.COMPLETE or "not looked behind" in near.evidence
    assert near.digest == whole.digest


def test_radius_zero_is_the_region_of_x() -> None:
    network = net((4, 6, 5))
    x = [0.5, 0.25, -1, 2]
    near = neighbourhood(network, x, 0)
    assert len(near) == 1
    assert near.regions[0].code == network.code(x)
    assert near.regions[0].affine.offset == network.affine_map(network.code(x)).offset


def test_a_hundred_dimensions() -> None:
    """A generic layer of 60 neurons in R^100: each is a facet of every region, so 60 neighbours."""
    network = net((100, 60, 20), 1)
    x = np.random.default_rng(2).normal(size=100).tolist()
    near = neighbourhood(network, x, 1)
    here = str(network.code(x))
    assert 61 <= len(near) <= 81
    for region in near.regions[:5]:
        assert region.code == network.code(region.witness)
    flips = [
        sum(a != b for a, b in zip(here, str(region.code), strict=True)) for region in near.regions
    ]
    assert flips.count(0) == 1
    assert sum(k == 1 for k in flips) == len(near) - 1


def test_a_box_around_it_changes_what_is_near() -> None:
    network = tensors.mlp([([[1, 0], [0, 1]], [-3, 0]), ([[1, 1]], [0])])
    assert len(neighbourhood(network, [0, 1], 1)) == 3
    assert len(neighbourhood(network, [0, 1], 1, Box(-2, 2, dim=2))) == 2


def test_budgets_and_progress() -> None:
    seen: list[int] = []
    part = neighbourhood(net((3, 8)), [1, 2, 3], 3, budget=Budget(regions=5), progress=seen.append)
    assert (len(part), part.outcome) == (5, Outcome.BUDGET_REACHED)
    assert seen[0] == 0
    assert "stopped early" in part.evidence


HAT = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])


def test_a_boundary_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"boundary.*hinge \(1, 1\) is zero"):
        neighbourhood(HAT, [1])
    dead = tensors.mlp([([[0, 0], [1, 0]], [0, 0]), ([[1, 1]], [0])])
    assert len(neighbourhood(dead, [1, 0])) == 2


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([0.5], {"radius": -1}, "radius"),
        ([0.5], {"radius": 1.5}, "radius"),
        ([0.5], {"radius": True}, "radius"),
        ([0.5, 1], {}, "does not fit"),
        ([5], {"domain": Box(0, 1, dim=1)}, "inside the domain"),
        ([1], {"domain": Box(0, 1, dim=1)}, "inside the domain"),
        ([float("nan")], {}, "not finite"),
    ],
)
def test_bad_input(x: list[float], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        neighbourhood(HAT, x, **options)


def test_what_is_no_polytope_is_refused() -> None:
    with pytest.raises(Unsupported, match="norm"):
        neighbourhood(tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="rms"), [1, 2, 3])
    smooth = Network(
        (
            Block(
                (
                    Layer.of([[1, 2]], [0], GELU()),
                    Layer.of([[1]], [0]),
                    Layer.of([[1]], [0], GELU()),
                )
            ),
        )
    )
    with pytest.raises(NotPiecewiseLinear):
        neighbourhood(smooth, [1, 2])


def test_a_point_off_the_slice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="span"):
        neighbourhood(net((3, 4)), [1, 1, 1], 1, Plane([0, 0, 0], [1, 0, 0], [0, 1, 0]))
