"""The small_circles engine: the tables for 2-spheres, every kind of domain, budgets, refusals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from exact import (
    Block,
    Budget,
    GreatSphere,
    HardTanh,
    Layer,
    LayerNorm,
    Network,
    Norm,
    Outcome,
    RealSpace,
    ReLU,
    RMSNorm,
    Sphere,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import rational
from exact.geometry.domains.base import Domain
from exact.regions.engine import Job, Problem
from exact.regions.spheres.cells import SphereCells
from exact.regions.spheres.engines.small_circles import SmallCircles
from exact.sources import tensors
from tests.exact.sphere_complexes import cell_codes, check_half_edges


def run(network: Network, domain: Domain, **job: Any) -> SphereCells:
    engine = SmallCircles()
    assert engine.refusal(Problem(network, domain)) is None
    return engine.run(Job(Problem(network, domain), **job))


def behind(norm: Norm | None, weight: Any, bias: Any, activation: Any = None) -> Network:
    return Network((Block((Layer.of(weight, bias, activation or ReLU()),), norm=norm),))


CUBE = behind(
    None, [[s * int(j == k) for j in range(3)] for k in range(3) for s in (1, -1)], [-1] * 6
)


@pytest.mark.parametrize(
    ("square", "cells", "codes"),
    [("4", 26, 26), ("3", 18, 18), ("5/2", 26, 19), ("2", 14, 7), ("3/2", 7, 7), ("1", 1, 1)],
)
def test_planes_of_a_cube(square: str, cells: int, codes: int) -> None:
    found = run(CUBE, Sphere(radius_squared=square))
    assert (len(found), found.outcome) == (cells, Outcome.COMPLETE)
    assert len({tuple(row) for row in _codes(found).tolist()}) == codes


def test_the_evidence_counts_whole_circles() -> None:
    evidence = run(CUBE, Sphere(radius_squared="3/2")).evidence
    assert "6 hinges are 6 circles in 6 connected pieces" in evidence
    assert "6 vertices - 6 arcs + 7 cells = 1 + 6 (6 whole circles with a vertex each)" in evidence


def _codes(found: SphereCells) -> Any:
    check_half_edges(found.complex)
    return cell_codes(found)  # type: ignore[arg-type]


def test_layer_norm_in_four_dimensions_touches() -> None:
    """y_i = 1 with sum y = 0 and sum y^2 = 4: four circles that touch in six points."""
    found = run(behind(LayerNorm.of(dim=4), np.eye(4), [-1] * 4), Sphere())
    assert (len(found), found.complex.vertex_count) == (8, 6)
    assert len({tuple(row) for row in _codes(found).tolist()}) == 5
    assert "6 vertices - 12 arcs + 8 cells = 1 + 1" in found.evidence
    tiny = rational(1) / 2**50
    for shift, cells, vertices in ((tiny, 5, 0), (-tiny, 14, 12)):
        assert (
            len(near := run(behind(LayerNorm.of(dim=4), np.eye(4), [-1 - shift] * 4), Sphere())),
            cells,
        ) == (cells, cells)
        assert near.complex.vertex_count == vertices


def test_the_braid_arrangement() -> None:
    """y_i = y_j in R^4: 4! chambers, triangles on the sphere."""
    rows = [[(k == i) - (k == j) for k in range(4)] for i, j in itertools.combinations(range(4), 2)]
    found = run(behind(LayerNorm.of(dim=4), rows, [0] * 6), Sphere())
    assert (len(found), found.complex.vertex_count, found.complex.arc_count) == (24, 14, 36)


@pytest.mark.parametrize("domain", [Sphere(), GreatSphere((1, 2, 0), (0, 1, -1), (1, 1, 3))])
def test_codes_at_rational_directions(domain: Domain) -> None:
    rng = np.random.default_rng(5)
    norm = RMSNorm.of(gain=[1, 2, "1/2"], bias=["1/3", 0, -1], eps=0)
    network = behind(norm, rng.standard_normal((9, 3)), rng.standard_normal(9) / 2)
    found = run(network, domain)
    codes = {tuple(row) for row in _codes(found).tolist()}
    seen = set[tuple[bool, ...]]()
    for x in rng.integers(-50, 50, (1500, 3)).tolist():
        if any(x):
            seen.add(tuple(network.code(x).bits.tolist()))
    assert seen <= codes
    assert len(seen) > 0.65 * len(codes)


def test_codes_inside_cells_of_a_great_sphere() -> None:
    """Through three directions in six dimensions, behind gain and bias: inside small cells the
    network has their codes.
    """
    rng = np.random.default_rng(2)
    norm = LayerNorm.of(dim=6, gain=rng.standard_normal(6), bias=rng.standard_normal(6), eps=0)
    network = behind(norm, rng.standard_normal((12, 6)), rng.standard_normal(12))
    found = run(network, GreatSphere(*rng.standard_normal((3, 6))))
    codes, complex_, checked = _codes(found), found.complex, 0
    for cell in range(len(found)):
        walks = np.flatnonzero(complex_.cell_of_walk == cell)
        corners = complex_.vertex_floats[
            np.unique(complex_.arc_ends[np.flatnonzero(np.isin(complex_.walk_of, walks)) >> 1])
        ]
        if len(corners) > 2 and _small(corners):
            middle = [rational(float(x)) for x in corners.mean(axis=0)]
            assert network.code(found.chart.ambient(middle)).bits.tolist() == codes[cell].tolist()
            checked += 1
    assert checked > 20


def _small(corners: Any) -> bool:
    return bool(np.ptp(corners, axis=0).max() < 0.5)


def test_two_breakpoints_are_two_circles() -> None:
    found = run(behind(None, [[0, 0, 2]], [0], HardTanh()), Sphere(radius_squared=1))
    assert (len(found), found.hinges, found.complex.components) == (3, 2, 2)


def test_networks_without_circles() -> None:
    plain = Network((Block((Layer.of([[1, 0, 0]]),)),))
    for network, code in (
        (plain, []),
        (behind(None, [[0, 0, 0], [1, 0, 0]], [1, -7]), [True, False]),
    ):
        found = run(network, Sphere(radius_squared=9))
        assert (len(found), found.root.tolist(), found.complex.walk_count) == (1, code, 0)


def test_budgets_leave_no_cells() -> None:
    counts = list[int]()
    done = run(CUBE, Sphere(radius_squared=4), budget=Budget(regions=26), progress=counts.append)
    assert (len(done), done.outcome, counts[-1]) == (26, Outcome.COMPLETE, 26)
    for budget, reason in (
        (Budget(regions=25), "there are 26 cells"),
        (Budget(seconds=0), "the time was up"),
    ):
        stopped = run(CUBE, Sphere(radius_squared=4), budget=budget)
        assert (len(stopped), stopped.outcome) == (0, Outcome.BUDGET_REACHED)
        assert reason in stopped.evidence
        with pytest.raises(IndexError):
            stopped.complex.vertex(0)


DEEP = tensors.mlp([(np.eye(3), [0, 0, 1]), (np.eye(3), [1, 0, 0]), ([[1, 1, 1]], [0])])


@pytest.mark.parametrize(
    ("network", "domain", "reason"),
    [
        (CUBE, RealSpace(3), "it enumerates spheres, not RealSpace"),
        (behind(LayerNorm.of(dim=5), np.eye(5), [0] * 5), Sphere(), "this sphere has dimension 3"),
        (DEEP, Sphere(radius_squared=1), "by one hidden layer, and this network has 2"),
    ],
)
def test_refusals(network: Network, domain: Domain, reason: str) -> None:
    assert reason in str(SmallCircles().refusal(Problem(network, domain)))
    with pytest.raises(Unsupported):
        partition(network, domain, engine="small_circles")


def test_partition_chooses_it() -> None:
    found = partition(CUBE, Sphere(radius_squared=4))
    assert (found.engine, len(found.codes), found.outcome) == (
        "small_circles",
        26,
        Outcome.COMPLETE,
    )


def test_vertices_of_the_cube() -> None:
    """The vertex (1, 1, sqrt 2) of the cube's planes on |x| = 2, exactly."""
    complex_ = run(CUBE, Sphere(radius_squared=4)).complex
    squares = {
        tuple(str((x * x).a) for x in complex_.vertex(v)) for v in range(complex_.vertex_count)
    }
    assert squares == set(itertools.permutations(("1", "1", "2")))
