"""Polytopes: areas, vertices, slices, symbols and adjacency, recomputed in fractions and with
SymPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
import sympy
from scipy.spatial import ConvexHull

from exact import (
    AbsoluteValue,
    Ball,
    Box,
    Budget,
    HardTanh,
    InvalidInput,
    Line,
    Network,
    Outcome,
    Partition,
    Plane,
    RealSpace,
    Segment,
    Unsupported,
    partition,
)
from exact.regions.engine import Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.partition import FlatPartition, Polytope
from exact.sources import tensors
from tests.exact.reference import corners, exact_code, exact_output, integers, sign, value

Point = tuple[Fraction, ...]


def deep(seed: int, dim: int, widths: Sequence[int] = (5, 4), hard: bool = False) -> Network:
    generator = np.random.default_rng(seed)
    sizes = [dim, *widths, 2]
    layers = [
        (
            [[Fraction(x, 4) for x in row] for row in integers(generator, (b, a), 9)],
            [Fraction(x, 4) for x in integers(generator, b, 9)],
        )
        for a, b in pairwise(sizes)
    ]
    return tensors.mlp(layers, activation=HardTanh() if hard else None)


SQUARE = Box(-1, 2, dim=2)


@pytest.fixture(scope="module")
def square() -> FlatPartition:
    found = partition(deep(2, 2), SQUARE)
    assert isinstance(found, FlatPartition)
    assert len(found) > 15
    return found


def polytopes(found: Partition) -> list[Polytope]:
    return [region for region in found.regions if isinstance(region, Polytope)]


def area(points: Sequence[Point]) -> Fraction:
    """The exact area of the hull of points in the plane (gift wrapping)."""
    hull = [min(points)]
    while len(hull) == 1 or hull[-1] != hull[0]:
        here, best = hull[-1], next(p for p in points if p != hull[-1])
        for p in points:
            turn = (best[0] - here[0]) * (p[1] - here[1]) - (best[1] - here[1]) * (p[0] - here[0])
            if turn < 0 or (
                turn == 0
                and sum(map(abs, (p[0] - here[0], p[1] - here[1])))
                > sum(map(abs, (best[0] - here[0], best[1] - here[1])))
            ):
                best = p
        hull.append(best)
    return abs(sum((a[0] * b[1] - a[1] * b[0] for a, b in pairwise(hull)), Fraction(0))) / 2


def test_areas_sum_to_the_box(square: FlatPartition) -> None:
    """Exactly from the vertices, and in floats from the polygons, region by region."""
    exact = [area(region.vertices) for region in polytopes(square)]
    polygons = square.polygons()
    assert sum(exact) == 9
    np.testing.assert_allclose(
        [polygon.area for polygon in polygons], [float(x) for x in exact], rtol=1e-12
    )
    assert all(polygon.is_valid for polygon in polygons)


def test_vertices_are_the_corners_of_the_inequalities(square: FlatPartition) -> None:
    for region in polytopes(square):
        rows = [facet.hyperplane for facet in region.facets]
        assert sorted(region.vertices) == corners(rows)
        assert len(region.facets) == len(region.vertices)
        hull = ConvexHull(np.array([[float(x) for x in vertex] for vertex in region.vertices]))
        assert len(hull.vertices) == len(region.vertices)


@pytest.mark.parametrize(("seed", "hard"), [(3, False), (4, True)])
def test_volumes_sum_to_the_cube(seed: int, hard: bool) -> None:
    found = partition(deep(seed, 3, (4,), hard), Box(-1, 1, dim=3))
    volumes = [
        ConvexHull(np.array([[float(x) for x in vertex] for vertex in region.vertices])).volume
        for region in polytopes(found)
    ]
    assert len(volumes) > 8
    assert abs(sum(volumes) - 8) < 1e-12


def test_witnesses_codes_and_maps(square: FlatPartition) -> None:
    for region in square.regions:
        x = region.witness
        assert exact_code(square.network, x) == str(region.code)
        assert region.affine(x) == exact_output(square.network, x)
        assert all(value(facet.hyperplane, x) > 0 for facet in region.facets)


def test_neighbours_share_an_edge(square: FlatPartition) -> None:
    """Two regions of the plane are adjacent iff two of their corners are common or overlap along a
    line.
    """
    graph = square.graph()
    vertices = [region.vertices for region in polytopes(square)]
    for a, b in combinations(range(len(square)), 2):
        walls = {facet.hyperplane for facet in square.regions[a].facets}
        shared = [
            wall
            for wall in walls
            if tuple(-x for x in wall) in {f.hyperplane for f in square.regions[b].facets}
        ]
        expected = any(overlap(wall, vertices[a], vertices[b]) for wall in shared)
        assert graph.has_edge(a, b) == expected
        if expected:
            codes = [np.array(square.regions[i].code.bits) for i in (a, b)]
            changed = np.flatnonzero(codes[0] != codes[1])
            assert graph.edges[a, b]["flipped"] == tuple(
                square.network.hinges[int(i)] for i in changed
            )


def overlap(wall: Sequence[int], first: Sequence[Point], second: Sequence[Point]) -> bool:
    """Whether the edges of two polygons on one line share more than a point."""
    along = [
        sorted(wall[1] * x - wall[0] * y for x, y in points if value(wall, (x, y)) == 0)
        for points in (first, second)
    ]
    return max(side[0] for side in along) < min(side[-1] for side in along)


def test_facets_name_their_neighbours(square: FlatPartition) -> None:
    for region in square.regions:
        for facet in region.facets:
            if facet.neighbour is None:
                assert facet.flipped == ()
                assert facet.hyperplane in {(1, 0, 1), (0, 1, 1), (-1, 0, 2), (0, -1, 2)}
            else:
                other = square.regions[facet.neighbour]
                assert tuple(-x for x in facet.hyperplane) in {
                    back.hyperplane for back in other.facets
                }
                assert facet.flipped == square.hinges_between(region.index, facet.neighbour) != ()


def test_symbols_say_the_same(square: FlatPartition) -> None:
    names = sympy.symbols("x1:3", real=True)
    for region in square.regions:
        symbolic = region.symbolic()
        at = {
            name: sympy.Rational(x.numerator, x.denominator)
            for name, x in zip(names, region.witness, strict=True)
        }
        assert all(inequality.subs(at) == sympy.true for inequality in symbolic.inequalities)
        assert symbolic.map == region.affine.sympy(names)
        assert tuple(Fraction(int(v.p), int(v.q)) for v in symbolic.map.subs(at)) == region.affine(
            region.witness
        )
    inequalities = [frozenset(region.symbolic().inequalities) for region in square.regions]
    assert len(set(inequalities)) == len(square)


def test_unbounded_polygons_are_clipped() -> None:
    found = partition(
        tensors.mlp([([[1, 0], [0, 1], [1, 1]], [0, 0, -20]), ([[1, 1, 1]], [0])]), RealSpace(2)
    )
    clip = Box([-1, -2], [3, 5])
    areas = {
        str(region.code): polygon.area
        for region, polygon in zip(found.regions, found.polygons(clip=clip), strict=True)
    }
    assert {code: round(float(size), 12) for code, size in areas.items()} == {
        "000": 2,
        "100": 6,
        "010": 5,
        "110": 15,
        "011": 0,
        "101": 0,
        "111": 0,
    }
    assert [polygon.is_empty for polygon in found.polygons(clip=clip)].count(True) == 3
    with pytest.raises(InvalidInput, match="unbounded"):
        found.polygons()


def test_polygons_of_slivers_exist() -> None:
    tiny = Fraction(1, 2**40)
    found = partition(
        tensors.mlp([([[1, 0], [1, 0]], [0, -tiny]), ([[1, 1]], [0])]), Box(-1, 1, dim=2)
    )
    areas = [polygon.area for polygon in found.polygons()]
    assert sorted(areas)[0] == 2 * 2.0**-40
    assert sum(areas) == 4


# ---- slices

PLANE = Plane([0, 1, 0], ["1/2", 1, 2], [0, 0, 1])
BOUNDED = Plane([0, 1, 0], ["1/2", 1, 2], [0, 0, 1], s=(-3, 3), t=(-2, 2))


def on_plane(s: Fraction, t: Fraction) -> Point:
    return (s / 2, 1 - t, 2 * s + t)


@pytest.mark.parametrize("domain", [PLANE, BOUNDED])
def test_slices_have_the_codes_of_their_points(domain: Plane) -> None:
    network = deep(6, 3)
    found = partition(network, domain)
    assert len(found) > 10
    for region in found.regions:
        x = region.witness
        s = 2 * x[0]
        assert x == on_plane(s, 1 - x[1])
        assert exact_code(network, x) == str(region.code)
        assert all(value(facet.hyperplane, (s, 1 - x[1])) > 0 for facet in region.facets)
        symbolic = region.symbolic()
        names = sympy.symbols("s1:3", real=True)
        at = {
            name: sympy.Rational(v.numerator, v.denominator)
            for name, v in zip(names, (s, 1 - x[1]), strict=True)
        }
        assert all(inequality.subs(at) == sympy.true for inequality in symbolic.inequalities)
        assert tuple(Fraction(int(v.p), int(v.q)) for v in symbolic.map.subs(at)) == exact_output(
            network, x
        )


def test_slice_polygons_are_in_the_plane_parameters() -> None:
    network = deep(6, 3)
    bounded, clipped = partition(network, BOUNDED), partition(network, PLANE)
    areas = sorted(polygon.area for polygon in bounded.polygons())
    cut = sorted(
        polygon.area
        for polygon in clipped.polygons(clip=Box([-3, -2], [3, 2]))
        if not polygon.is_empty
    )
    assert abs(sum(areas) - 24) < 1e-12
    np.testing.assert_allclose(areas, cut, rtol=1e-12)
    for region, polygon in zip(bounded.regions, bounded.polygons(), strict=True):
        s, t = polygon.representative_point().coords[0]
        assert str(region.code) == exact_code(network, on_plane(Fraction(s), Fraction(t)))


def test_maps_are_compared_on_the_slice() -> None:
    """|x| + |z| on the plane z = 0: four codes of space, of which two meet the slice."""
    network = tensors.mlp(
        [([[1, 0, 0], [0, 0, 1]], [0, 0]), ([[1, 5]], [0])], activation=AbsoluteValue()
    )
    found = partition(network, Plane([0, 0, 0], [1, 0, 0], [0, 1, 0]))
    assert sorted(str(region.code) for region in found.regions) == ["00", "10"]
    moved = partition(network, Plane([0, 0, 0], [1, 0, 1], [0, 1, 0]))
    assert (moved.region_count, moved.distinct_map_count) == (2, 2)
    # x for x > 0, x - z for x < 0
    agreeing = tensors.mlp([([[1, 0, 0], [-1, 0, 1]], [0, 0]), ([[1, -1]], [0])])
    assert partition(agreeing, RealSpace(3)).distinct_map_count == 4
    level = partition(agreeing, Plane([0, 0, 0], [1, 0, 0], [0, 1, 0]))
    assert (level.region_count, level.linear_piece_count, level.distinct_map_count) == (2, 1, 1)
    constant = partition(
        tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[0, 1]], [0])]),
        Segment([-1, 3], [1, 3]),
        engine="lp_tree",
    )
    assert (constant.region_count, constant.linear_piece_count, constant.distinct_map_count) == (
        2,
        1,
        1,
    )


# ---- finding points


def test_locate(square: FlatPartition) -> None:
    generator = np.random.default_rng(9)
    for _ in range(40):
        x = [Fraction(v, 9973) for v in integers(generator, 2, 9972)]
        found = square.locate(x)
        assert all(value(facet.hyperplane, x) > 0 for facet in square.regions[found].facets)
        assert square.affine_at(x)(x) == exact_output(square.network, x)
        assert square.code(x) == square.regions[found].code


@pytest.mark.parametrize("x", [[3, 0], [0, "-11/10"]])
def test_locate_refuses_points_outside(square: FlatPartition, x: list[object]) -> None:
    with pytest.raises(InvalidInput, match="lies in no region"):
        square.locate(x)
    with pytest.raises(InvalidInput):
        square.affine_at(x)


def test_locate_refuses_other_spaces(square: FlatPartition) -> None:
    with pytest.raises(InvalidInput, match="3 coordinates"):
        square.locate([0, 0, 0])
    found = partition(deep(6, 3), PLANE)
    assert found.regions[found.locate(on_plane(Fraction(1, 7), Fraction(3, 11)))].index >= 0
    with pytest.raises(InvalidInput, match="span"):
        found.locate([1, 1, 1])


def test_locate_refuses_boundaries() -> None:
    """The code there is that of points where the neuron is off; the point is in no region."""
    found = partition(tensors.mlp([([[1, 0]], [0]), ([[1]], [0])]), SQUARE)
    assert str(found.code([0, 1])) == "0"
    with pytest.raises(InvalidInput, match="lies on a boundary"):
        found.locate([0, 1])


# ---- other dimensions, budgets


def test_a_line_as_a_flat_domain() -> None:
    found = partition(deep(1, 2), Line([0, 0], [1, 2]), engine="lp_tree")
    ends = sorted({vertex for region in polytopes(found) for vertex in region.vertices})
    assert len(ends) == len(found) - 1
    assert sum(len(region.facets) == 1 for region in found.regions) == 2
    for (t,) in ends:
        near = [
            exact_code(found.network, (t + step, 2 * (t + step)))
            for step in (Fraction(-1, 10**40), Fraction(1, 10**40))
        ]
        assert near[0] != near[1]


def test_polygons_need_two_dimensions() -> None:
    with pytest.raises(InvalidInput, match="dimension 1"):
        partition(deep(1, 1), Box(0, 1, dim=1)).polygons()


def test_part_of_a_partition_knows_its_neighbours_only() -> None:
    found = partition(deep(2, 2), SQUARE, budget=Budget(regions=5))
    assert found.outcome is Outcome.BUDGET_REACHED
    flips = [facet for region in found.regions for facet in region.facets if facet.flipped]
    assert any(facet.neighbour is None for facet in flips)
    assert {facet.neighbour for facet in flips} <= {None, 0, 1, 2, 3, 4}
    assert found.graph().number_of_nodes() == 5


def test_regions_are_in_the_order_of_their_codes(square: FlatPartition) -> None:
    rows = [row.tobytes() for row in square.bits]
    assert rows == sorted(rows)
    assert [sign(region.index - k) for k, region in enumerate(square.regions)] == [0] * len(square)


def test_halfspaces_hold_inside_and_include_the_facets(square: FlatPartition) -> None:
    for region in polytopes(square):
        point = (*region.witness, 1)
        assert all(
            sum(a * x for a, x in zip(row, point, strict=True)) > 0 for row in region.halfspaces
        )
        assert {facet.hyperplane for facet in region.facets} <= set(region.halfspaces)
    assert any(len(region.halfspaces) > len(region.facets) for region in polytopes(square))


# ---- round domains


def test_a_ball_is_no_polytope() -> None:
    """Three lines: two meet outside the ball. Facets are those inside it; what needs polytopes is
    refused by name.
    """
    network = tensors.mlp([([[1, 0], [0, 1], [1, 1]], [0, 0, -20]), ([[1, 1, 1]], [0])])
    codes = np.packbits(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool), axis=1)
    points = [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, 1)]
    pairs = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    cells = FlatCells(
        codes, 3, points.__getitem__, Outcome.COMPLETE, "by hand", {}, pairs=lambda: pairs
    )
    found = FlatPartition(Problem(network, Ball([0, 0], 4)), "by hand", cells)
    assert found.graph().number_of_edges() == 4 and found.is_bounded
    assert [[facet.hyperplane for facet in region.facets] for region in found.regions] == [
        [(-1, 0, 0), (0, -1, 0)],
        [(-1, 0, 0), (0, 1, 0)],
        [(1, 0, 0), (0, -1, 0)],
        [(1, 0, 0), (0, 1, 0)],
    ]
    assert found.locate([1, "-1/2"]) == 2
    with pytest.raises(InvalidInput, match="lies in no region"):
        found.locate([2, 0])
    region = found.regions[0]
    for attempt in (
        lambda: region.vertices,
        lambda: region.volume,
        lambda: region.facet_measures,
        found.polygons,
        lambda: found.walls_of(0),
    ):
        with pytest.raises(Unsupported, match="no polytopes"):
            attempt()
