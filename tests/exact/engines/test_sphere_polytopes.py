"""Codes on spheres as polytopes: closed forms, degenerate planes, deep networks, budgets,
refusals.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from math import comb, factorial

import numpy as np
import pytest

from exact import (
    Box,
    Budget,
    GreatCircle,
    GreatSphere,
    Network,
    Outcome,
    Sphere,
    Unsupported,
    partition,
)
from exact.regions.spheres.codes import CodePartition
from exact.sources import tensors


def planes(weight: object, bias: object, norm: str | None = None) -> Network:
    """One hidden layer with these rows."""
    rows = np.array(weight, dtype=float)
    if norm is None:
        return tensors.mlp([(rows, bias), ([[1] * len(rows)], [0])])
    return tensors.block(rows, bias, [[1] * len(rows)], [0], norm=norm)


def faces_of_a_cube(n: int) -> Network:
    eye = np.eye(n)
    return planes(np.concatenate([eye, -eye]), [-1] * (2 * n))


def deep(seed: int, widths: list[int], scale: float = 1.0) -> Network:
    generator = np.random.default_rng(seed)
    layers = [
        (generator.normal(size=(b, a)), scale * generator.normal(size=b))
        for a, b in pairwise(widths)
    ]
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), [0])])


def codes(
    network: Network, radius_squared: object = None, engine: str = "sphere_polytopes"
) -> CodePartition:
    found = partition(network, Sphere(radius_squared), engine=engine)
    assert isinstance(found, CodePartition) and found.outcome is Outcome.COMPLETE
    return found


ENGINES = ["sphere_polytopes", "sphere_flats"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_faces_of_a_cube(n: int, engine: str) -> None:
    """Planes x_i = +-1 on |x|^2 = R^2: codes are sum_{k < R^2} 2^k C(n, k), and one more inside
    when R^2 < n.
    """
    for twice in range(1, 2 * n + 3) if n < 5 else (3, 4, 7, 10):
        expected = sum(2**k * comb(n, k) for k in range(1, n + 1) if 2 * k < twice) + (
            twice < 2 * n
        )
        assert len(codes(faces_of_a_cube(n), f"{twice}/2", engine)) == expected


@pytest.mark.parametrize(
    ("square", "cells"),
    [("7/2", 26), (3, 18), ("5/2", 26), (2, 14), ("3/2", 7), (1, 1), ("1/2", 1)],
)
def test_the_cells_of_a_cube_on_a_2_sphere(square: object, cells: int) -> None:
    for engine in ENGINES:
        assert codes(faces_of_a_cube(3), square, engine).cell_count == cells


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("d", [4, 5, 6])
def test_planes_at_one_height_behind_layernorm(d: int, engine: str) -> None:
    """y_i = c on |y|^2 = d, sum y = 0: which sets of s coordinates can exceed c."""
    for c in (0.25, 0.5, 1.0, 1.5, 2.0):
        sizes = [s for s in range(1, d) if s * c * c < d - s]
        expected = sum(comb(d, s) for s in sizes) + (c * c * (d - 1) > 1)
        assert len(codes(planes(np.eye(d), [-c] * d, "layernorm"), None, engine)) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_signs_and_orders_behind_layernorm(engine: str) -> None:
    for d in (4, 5):
        found = codes(planes(np.eye(d), [0] * d, "layernorm"), None, engine)
        assert (found.code_count, found.cell_count) == (2**d - 2, 2**d - 2)
        rows = [[(k == i) - (k == j) for k in range(d)] for i, j in combinations(range(d), 2)]
        found = codes(planes(rows, [0] * len(rows), "layernorm"), None, engine)
        assert found.code_count == factorial(d)
        # swaps of neighbours in the order
        assert len(found.neighbours()) == factorial(d) * (d - 1) // 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("shift", "expected"), [(0.0, 1), (2.0**-50, 6), (-(2.0**-50), 1)])
def test_planes_that_touch(engine: str, shift: float, expected: int) -> None:
    """d = k^2 + 1 and y_i = k: every plane touches the sphere in one point; a little lower it cuts
    off a cap.
    """
    found = codes(planes(np.eye(5), [-2.0 + shift] * 5, "layernorm"), None, engine)
    assert (found.code_count, found.cell_count) == (expected, expected)


def test_repeated_opposite_and_zero_rows() -> None:
    rows = [[1, 0, 0, 0], [2, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    for engine in ENGINES:
        found = codes(planes(rows, [0, 0, 0, 1, 0, 0]), 1, engine)
        assert [str(region.code) for region in found.regions] == [
            "001100",
            "001101",
            "110100",
            "110101",
        ]


def test_no_hinge_and_planes_outside_leave_one_code() -> None:
    for engine in ENGINES:
        assert [
            str(region.code)
            for region in codes(planes(np.eye(4), [5, -5, 5, -5]), 4, engine).regions
        ] == ["1010"]
        found = codes(tensors.mlp([(np.eye(4), [0] * 4)]), 4, engine)
        assert (len(found), found.cell_count, found.neighbours().shape) == (1, 1, (0, 2))


DEEP = [[3, 4, 4], [4, 4, 3], [5, 3, 3], [3, 3, 3, 3], [4, 1, 5]]


@pytest.mark.parametrize(("seed", "widths"), list(enumerate(DEEP)))
def test_deep_codes_are_all_found_and_all_there(seed: int, widths: list[int]) -> None:
    network = deep(seed, widths)
    found = codes(network, 2)
    generator, seen = np.random.default_rng(seed), set()
    for _ in range(400):
        seen.add(found.locate(generator.integers(-50, 51, size=widths[0]).tolist()))
    assert len(seen) > len(found) // 3
    for index in range(len(found)):
        near, far = found.regions[index].straddling
        assert sum(x * x for x in near) < 2 < sum(x * x for x in far)
        assert network.code(near) == network.code(far) == found.code_of(index)


def test_the_neighbours_of_a_deep_network_are_seen_on_great_circles() -> None:
    """Two codes that follow each other on a random circle share a facet, for circles in general
    position.
    """
    network = deep(5, [4, 4, 4])
    found = codes(network, 2)
    edges = {tuple(pair) for pair in found.neighbours().tolist()}
    generator, seen = np.random.default_rng(0), set()
    for _ in range(12):
        u, v = generator.integers(-40, 41, size=(2, 4)).tolist()
        arcs = partition(network, GreatCircle(u, v, 2))
        steps = [
            (found.index_of(arcs.code_of(a)), found.index_of(arcs.code_of(b)))
            for a, b in arcs.neighbours().tolist()
        ]
        seen |= {
            (min(step), max(step)) for step in steps if None not in step and step[0] != step[1]
        }  # type: ignore[type-var]
    assert len(seen) > 20
    assert seen <= edges


ON_2_SPHERES = [(0, [3, 6], 1), (1, [3, 5, 4], 2), (2, [3, 4, 3, 3], 1), (3, [3, 7], "1/3")]


@pytest.mark.parametrize(("seed", "widths", "square"), ON_2_SPHERES)
def test_on_2_spheres_the_cells_are_those_of_the_cell_complex(
    seed: int, widths: list[int], square: object
) -> None:
    """The engines that build cells on a 2-sphere share nothing with this one."""
    network = deep(seed, widths, 0.7)
    cells, found = partition(network, Sphere(square)), codes(network, square)
    assert cells.engine != found.engine
    owned = Counter(bytes(code) for code in cells.codes)
    assert owned == {bytes(code): found.components(i) for i, code in enumerate(found.codes)}
    arcs = {frozenset(bytes(cells.codes[i]) for i in pair) for pair in cells.neighbours().tolist()}
    assert arcs == {
        frozenset(bytes(found.codes[i]) for i in pair) for pair in found.neighbours().tolist()
    }


def test_an_identity_layer_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    weight, bias = rng.normal(size=(5, 4)), rng.normal(size=5)
    once = codes(tensors.mlp([(weight, bias), (np.ones((1, 5)), [0])]), 3)
    twice = codes(tensors.mlp([(weight, bias), (np.eye(5), [0] * 5), (np.ones((1, 5)), [0])]), 3)
    assert twice.bits[:, :5].tolist() == once.bits.tolist() == twice.bits[:, 5:].tolist()
    assert twice.neighbours().tolist() == once.neighbours().tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_budget_stops_with_codes_that_are_right(engine: str) -> None:
    network = faces_of_a_cube(4)
    every = {str(region.code) for region in codes(network, 5).regions}
    found = partition(network, Sphere(5), engine=engine, budget=Budget(regions=3))
    assert found.outcome is Outcome.BUDGET_REACHED
    assert 0 < len(found) <= len(every) and {str(region.code) for region in found.regions} <= every
    assert "stopped early" in found.evidence


def test_partition_takes_the_fast_route_for_one_layer_and_the_other_for_deep_networks() -> None:
    assert partition(deep(0, [4, 3]), Sphere(1)).engine == "sphere_flats"
    assert partition(deep(0, [4, 3, 2]), Sphere(1)).engine == "sphere_polytopes"


def test_refusals() -> None:
    network = deep(0, [4, 3, 2])
    with pytest.raises(Unsupported, match="sphere_polytopes goes deeper"):
        partition(network, Sphere(1), engine="sphere_flats")
    for engine in ENGINES:
        with pytest.raises(Unsupported, match="it enumerates spheres"):
            partition(deep(0, [4, 3]), Box(-1, 1, dim=4), engine=engine)
        with pytest.raises(Unsupported, match="dimension 2 and more, not 1"):
            partition(deep(0, [2, 3]), Sphere(1), engine=engine)


def test_great_spheres_have_codes_too() -> None:
    vectors = np.eye(5, dtype=int)[:3].tolist()
    network = planes(np.eye(5), [0] * 5)
    for engine in ENGINES:
        found = partition(network, GreatSphere(*vectors, radius_squared=1), engine=engine)
        assert [str(region.code) for region in found.regions] == [f"{i:03b}00" for i in range(8)]
