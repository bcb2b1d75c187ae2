"""Scan lines across a triangle, against lengths by hand, exact partitions and exact edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exact import Budget, InvalidInput, Network, Outcome, Segment, partition
from exact.instruments.batches.scan_lines import Triangle, lines_across, scan_lines
from exact.sources import tensors
from studies.questions.boundaries.slices import lengths, slice_of
from tests.laws.random_graphs import random_graph

UNIT = np.array([[0.0, 0], [1, 0], [0, 1]])
BIG = [[0, 0, 0], [4, 0, 0], [0, 4, 0]]
FOLD = tensors.mlp([([[1, 0]], [-0.25]), ([[1]], [0])])  # x = 1/4


def walls(angles: np.ndarray) -> Network:
    """Lines through (1, 1) in R^3 at some angles, on the plane z = 0."""
    rows = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    return tensors.mlp([(rows, (-rows @ [1, 1, 0])), (np.ones((1, len(rows))), [0])])


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 2.0])
def test_a_long_line_has_its_length_within_what_directions_miss(angle: float) -> None:
    found = scan_lines(walls(np.array([angle])), BIG, lines=40, directions=6)
    # from (1, 1) along (-sin, cos) to the sides x = 0, y = 0 and x + y = 4
    step, reach = np.array([-math.sin(angle), math.cos(angle)]), {True: 9.0, False: 9.0}
    for normal, at in (((1, 0), 0), ((0, 1), 0), ((1, 1), 4)):
        share = float(np.dot(normal, step))
        if abs(share) > 1e-12:
            t = (at - sum(normal)) / share
            reach[t < 0] = min(reach[t < 0], abs(t))
    miss = (math.pi / 12) ** 2 / 3
    assert found.length == pytest.approx(sum(reach.values()), rel=miss + 0.02)


@pytest.mark.parametrize("seed", range(4))
def test_lines_are_partitioned_exactly_and_cross_what_they_cross(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 3, seed % 2 == 0).graph
    assert graph.hidden_layers
    corners = rng.normal(size=(3, 3)).round(3)
    found = scan_lines(graph, corners, lines=2, directions=2)
    assert found.outcome is Outcome.COMPLETE and len(found.line) == sum(found.counts)
    changes, at = list[int](), list[float]()
    for part, own in zip(found.parts, found.ends, strict=True):
        assert part == partition(graph, Segment(part.domain.p, part.domain.q))
        assert [float(x) for x in part.domain.p] == pytest.approx(found.triangle.points(own)[0])
        inner = [one for one in part.crossings if not one.tangent]
        changes += [len({(h.layer, h.neuron) for h in one.hinges}) for one in inner]
        at += [one.parameter_float for one in inner]
    assert found.changes.tolist() == changes
    first, last = found.ends[found.line, 0], found.ends[found.line, 1]
    where = first + np.array(at).reshape(-1, 1) * (last - first)
    assert found.parameters == pytest.approx(where, abs=1e-8)


def test_the_length_is_that_of_the_edges_of_a_plane() -> None:
    rng = np.random.default_rng(3)
    net = tensors.mlp(
        [(rng.normal(size=(12, 2)), rng.normal(size=12) / 4), (np.ones((1, 12)), [0])]
    )
    found = scan_lines(net, UNIT, lines=30, directions=6, scale=math.sqrt(2))
    inside, ring = lengths(slice_of(net, UNIT), UNIT)
    assert found.length_within(1.0) == pytest.approx(inside, rel=0.04)
    assert found.length - found.length_within(1.0) == pytest.approx(ring, rel=0.04)


def test_pixels_show_where_the_boundary_is() -> None:
    found = scan_lines(FOLD, UNIT, lines=32, directions=6)
    density = found.density(4)
    assert np.isnan(density[3, 3]) and np.nansum(density[2:]) == 0
    assert np.nansum(density[:2], axis=0)[:3].min() > 0  # x = 1/4, between both columns
    area = np.isfinite(density) / 16
    assert np.nansum(density * area) == pytest.approx(0.75, rel=0.35)
    assert found.length_within(1.0) == pytest.approx(found.length)
    assert found.density(4, changes=True) == pytest.approx(density, nan_ok=True)


def test_lines_beyond_a_triangle_keep_away_from_its_sides() -> None:
    triangle = Triangle(UNIT, math.sqrt(2))
    ends, steps = lines_across(triangle, 9, 5)
    margins = np.concatenate([ends, 1 - ends.sum(axis=2, keepdims=True)], axis=2)
    assert np.abs(margins).min(axis=None) > 2.0**-13
    assert (np.sign(margins[:, 0]) == np.sign(margins[:, 1])).all()  # no side is crossed
    gaps = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    assert (gaps * steps).sum() / 5 == pytest.approx(triangle.area, rel=0.02)
    axes = tensors.mlp([(np.eye(2), [0, 0]), (np.ones((1, 2)), [0])])
    assert scan_lines(axes, UNIT, lines=9, directions=5, scale=1.5).length == 0
    assert scan_lines(FOLD, UNIT, lines=9, directions=5, scale=1.5).length > 0.75


def test_a_budget_and_what_is_no_triangle() -> None:
    net = walls(np.linspace(0.1, 2, 5))
    ended = scan_lines(net, BIG, lines=2, directions=2, budget=Budget(regions=2))
    assert ended.outcome is Outcome.BUDGET_REACHED
    with pytest.raises(InvalidInput, match="in line"):
        scan_lines(FOLD, [[0, 0], [1, 1], [2, 2]])
    with pytest.raises(InvalidInput, match="three corners"):
        scan_lines(FOLD, [[0, 0], [1, 1]])
    with pytest.raises(InvalidInput, match="no lines"):
        scan_lines(FOLD, UNIT, lines=0)
    with pytest.raises(InvalidInput, match="no directions"):
        scan_lines(FOLD, UNIT, directions=True)
    with pytest.raises(InvalidInput, match="no such size"):
        scan_lines(FOLD, UNIT, scale=-1.0)
