"""Cells of networks of any depth in balls: against polygons of another engine, counts of flats,
samples and budgets.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from shapely import Point, Polygon

from exact import (
    AbsoluteValue,
    Ball,
    Box,
    Budget,
    HardTanh,
    Network,
    Outcome,
    Sphere,
    Unsupported,
    partition,
)
from exact.instruments.counting import region_count
from exact.regions.engine import Problem
from exact.regions.polytopes.engines.round_layers import RoundLayers
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors


def generic(seed: int, *widths: int, activation: Any = None) -> Network:
    g = np.random.default_rng(seed)
    pairs = pairwise(widths)
    return tensors.mlp([(g.normal(size=(w, k)), g.normal(size=w)) for k, w in pairs], activation)


def integral(seed: int, *widths: int, activation: Any = None) -> Network:
    g = np.random.default_rng(seed)
    pairs = pairwise(widths)
    return tensors.mlp(
        [(g.integers(-2, 3, size=(w, k)), g.integers(-2, 3, size=w)) for k, w in pairs], activation
    )


def run(network: Network, ball: Ball, **options: Any) -> FlatPartition:
    found = partition(network, ball, engine="round_layers", **options)
    assert isinstance(found, FlatPartition)
    return found


def codes(found: Any) -> set[str]:
    return {str(region.code) for region in found.regions}


@pytest.mark.parametrize("seed", range(6))
def test_deep_discs_are_those_of_polygons(seed: int) -> None:
    """A cell of the plane meets the open disc iff its polygon comes nearer than r; so does a
    facet.
    """
    network, centre, square = (
        generic(seed, 2, 5, 4, 1),
        (Fraction(1, 2), Fraction(-1, 3)),
        Fraction(2),
    )
    around = partition(network, Box(-4, 4, dim=2), engine="subdivision")
    middle, r = Point(*map(float, centre)), float(square) ** 0.5
    shapes = around.polygons()
    gaps = [shape.distance(middle) for shape in shapes]
    assert min(abs(gap - r) for gap in gaps) > 2.0**-30
    inside = [i for i, gap in enumerate(gaps) if gap < r]
    found = run(network, Ball(centre, square))
    assert codes(found) == {str(around.code_of(i)) for i in inside}
    pairs = {
        frozenset((str(around.code_of(i)), str(around.code_of(j))))
        for i, j in around.neighbours().tolist()
        if shared(shapes[i], shapes[j]).distance(middle) < r
    }
    assert {
        frozenset((str(found.code_of(i)), str(found.code_of(j))))
        for i, j in found.neighbours().tolist()
    } == pairs


def shared(first: Polygon, second: Polygon) -> Any:
    """The edge between two polygons; corners that floats left apart are put together."""
    return first.buffer(2.0**-40).intersection(second.buffer(2.0**-40))


@pytest.mark.parametrize("activation", [None, HardTanh(), AbsoluteValue()], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_one_layer_is_counted_by_flats(seed: int, activation: Any) -> None:
    d = 1 + seed % 4
    network = (integral if seed % 2 else generic)(seed, d, 6, 1, activation=activation)
    ball = Ball([Fraction(seed, 3)] + [0] * (d - 1), Fraction(7, 3))
    found, other = run(network, ball), partition(network, ball, engine="vertices")
    assert len(found) == region_count(network, ball)
    assert (found.digest, found.neighbours().tolist()) == (
        other.digest,
        other.neighbours().tolist(),
    )
    assert [region.facets for region in found.regions] == [
        region.facets for region in other.regions
    ]


@pytest.mark.parametrize("seed", range(6))
def test_degenerate_deep_balls_hold_their_samples(seed: int) -> None:
    """Small integers: hinges that vanish on a cell, repeat, pass through vertices or touch the
    sphere.
    """
    network = integral(seed, 3, 4, 4, 3, 1, activation=HardTanh() if seed % 2 else None)
    found = run(network, Ball([0, 0, 1], 3))
    for region in found.regions:
        assert network.code(region.witness) == region.code
        x, y, z = region.witness
        assert x * x + y * y + (z - 1) ** 2 < 3
    g = np.random.default_rng(seed)
    drawn = [[Fraction(int(a), 997) for a in row] for row in g.integers(-1700, 1701, size=(200, 3))]
    points = [(x, y, z + 1) for x, y, z in drawn if x * x + y * y + z * z < 3]
    assert {str(network.code(p)) for p in points} <= codes(found)
    assert len(points) > 50


@pytest.mark.parametrize("seed", range(3))
def test_deep_balls_are_hemispheres_one_dimension_up(seed: int) -> None:
    """The same network beside a coordinate it does not read, on the whole sphere of the same
    radius.
    """
    network = integral(seed, 3, 4, 3, 1)
    first, *rest = network.layers
    padded = tensors.mlp(
        [
            ([[*row, 0] for row in first.weight.tolist()], first.bias.column()),
            *((layer.weight.tolist(), layer.bias.column()) for layer in rest),
        ]
    )
    assert codes(run(network, Ball([0, 0, 0], 3))) == codes(
        partition(padded, Sphere(radius_squared=3))
    )


def test_dead_and_linear_networks_have_one_cell() -> None:
    dead = tensors.mlp([([[0, 0]], [-1]), ([[1], [1]], [0, 1]), ([[1, 1]], [0])])
    found = run(dead, Ball([0, 0], 1))
    assert (codes(found), len(found.neighbours())) == ({"0|01"}, 0)
    assert len(run(tensors.mlp([([[1, 2]], [0])]), Ball([0, 0], 1))) == 1


@pytest.mark.parametrize(
    ("square", "cells"), [(1 - Fraction(1, 2**60), 1), (1, 1), (1 + Fraction(1, 2**60), 2)]
)
def test_a_fold_that_touches_the_disc(square: object, cells: int) -> None:
    """relu(relu(x) - 1): the second kink is the line x = 1 behind the first, x = -1/4."""
    network = tensors.mlp([([[1, 0]], ["1/4"]), ([[1]], ["-5/4"]), ([[1]], [0])])
    assert len(run(network, Ball([0, 0], square))) == 1 + cells
    assert sorted(map(sorted, run(network, Ball([0, 0], 2)).neighbours().tolist())) == [
        [0, 1],
        [1, 2],
    ]


def test_budgets_stop_it() -> None:
    network, ball = generic(1, 2, 6, 5, 1), Ball([0, 0], 4)
    whole = run(network, ball)
    part = run(network, ball, budget=Budget(regions=5))
    assert (len(part), part.outcome) == (5, Outcome.BUDGET_REACHED)
    assert "stopped early" in part.evidence
    assert codes(part) < codes(whole)
    assert {
        tuple(sorted(map(str, map(part.code_of, pair)))) for pair in part.neighbours().tolist()
    } <= {tuple(sorted(map(str, map(whole.code_of, pair)))) for pair in whole.neighbours().tolist()}


def test_what_it_refuses() -> None:
    engine, network = RoundLayers(), generic(0, 2, 3, 1)
    assert engine.refusal(Problem(network, Ball([0, 0], 1))) is None
    assert "Box" in str(engine.refusal(Problem(network, Box(-1, 1, dim=2))))
    normed = tensors.block([[1, 2]], [0], [[1]], [0], norm="rms")
    assert "folded" in str(engine.refusal(Problem(normed, Ball([0, 0], 1))))
    with pytest.raises(Unsupported, match="vertices"):
        partition(generic(0, 2, 3, 3, 1), Ball([0, 0], 1), engine="vertices")
