"""Facets and what lies behind them, against vertices recomputed in fractions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy

from exact import AbsoluteValue, Box, Identity, Layer, Network, RealSpace, ReLU, partition
from exact.arithmetic.numbers import Rational, fraction, fractions
from exact.errors import EngineDefect
from exact.geometry.polyhedra.halfspace import Halfspace, affine
from exact.networks.layers import Block
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.walls.facets import (
    FacetProofs,
    Wall,
    facet_proofs,
    facets,
    flipped,
    region_halfspaces,
    region_walls,
)
from tests.exact.reference import corners, exact_code, integers, regions_of, sign, value


def hidden(rows: Sequence[Sequence[object]]) -> Network:
    """One hidden layer whose rows are (normal, then offset)."""
    head = Layer.of([row[:-1] for row in rows], [row[-1] for row in rows], ReLU())
    return Network((Block((head, Layer.of([[1] * len(rows)]))),))


def facet_rows(rows: Sequence[Sequence[int]]) -> set[tuple[int, ...]]:
    """The rows whose corners span a hyperplane (of a bounded polytope)."""
    points = corners(rows)
    on = {tuple(row): [x for x in points if value(row, x) == 0] for row in rows}
    dim = len(rows[0]) - 1
    return {
        row
        for row, some in on.items()
        if some
        and sympy.Matrix([[*(sympy.Rational(str(v)) for v in x), 1] for x in some]).rank() == dim
    }


def check(walls: Sequence[Halfspace], found: Sequence[Wall]) -> None:
    """Each facet's point is on its wall and strictly inside all others."""
    for wall in found:
        x = fractions(affine(wall.point))
        signs = {other: sign(value(other.coefficients, x)) for other in walls}
        assert signs.pop(wall.halfspace) == 0
        assert set(signs.values()) <= {1}


CUBE = [[*(sign_ * int(i == k) for k in range(3)), 1] for i in range(3) for sign_ in (1, -1)]
REDUNDANT = {
    "touches an edge": [-1, -1, 0, 2],
    "touches a corner": [1, 1, 1, 3],
    "is far": [1, 2, 0, 9],
    "is constant": [0, 0, 0, 4],
    "copies a wall": [7, 0, 0, 7],
}


@pytest.mark.parametrize("witness", [(0, 0, 0, 1), (1, 2, -3, 4), (999, -999, 999, 1000)])
def test_facets_of_a_cube_among_redundant_walls(witness: tuple[int, ...]) -> None:
    network, flat = hidden([*REDUNDANT.values(), *CUBE]), RealSpace(3).flat()
    walls = region_walls(network, flat, [True] * 11)
    assert len(walls) == 9
    found = facets(network, flat, walls, witness)
    assert {wall.halfspace.coefficients for wall in found} == {tuple(row) for row in CUBE}
    check(walls, found)
    for wall in found:
        expected = [True] * 11
        expected[5 + CUBE.index(list(wall.halfspace.coefficients))] = False
        if wall.halfspace.coefficients == (1, 0, 0, 1):
            expected[4] = False
        assert wall.behind == tuple(expected)


def test_one_facet_can_hide_behind_a_corner() -> None:
    """A wall that cuts off a corner by 2^-80, and one that misses it by as much."""
    tiny = Fraction(1, 2**80)
    network, flat = (
        hidden([*CUBE, [1, 1, 1, 3 - tiny], [-1, -1, -1, 3 + tiny]]),
        RealSpace(3).flat(),
    )
    walls = region_walls(network, flat, [True] * 8)
    found = facets(network, flat, walls, (0, 0, 0, 1))
    assert len(found) == 7
    check(walls, found)
    assert Halfspace((2**80, 2**80, 2**80, 3 * 2**80 - 1)) in {wall.halfspace for wall in found}


@pytest.mark.parametrize(("dim", "seed"), [(2, 0), (2, 1), (2, 2), (2, 3), (3, 4), (3, 5)])
def test_facets_of_random_regions(dim: int, seed: int) -> None:
    """Of deep networks in a box; behind each facet is the code a little way beyond it."""
    generator = np.random.default_rng(seed)
    layers = [
        Layer.of(integers(generator, (3, dim)), integers(generator, 3), ReLU()),
        Layer.of(integers(generator, (2, 3)), integers(generator, 2), AbsoluteValue()),
        Layer.of([[1, 1]], [0], Identity()),
    ]
    network, box = Network((Block(tuple(layers)),)), Box(-2, 2, dim=dim)
    cells = LPTree().run(Job(Problem(network, box)))
    flat = box.flat()
    for bits, witness in [(bits.tolist(), witness) for bits, witness, _ in regions_of(cells)][:8]:
        walls = region_walls(network, flat, bits)
        found = facets(network, flat, walls, witness)
        check(walls, found)
        assert {wall.halfspace.coefficients for wall in found} == facet_rows(
            [wall.coefficients for wall in walls]
        )
        for wall in found:
            if wall.behind is None:
                assert wall.halfspace in flat.walls
            else:
                assert "".join(str(int(bit)) for bit in wall.behind) == beyond(
                    network, wall
                ).replace("|", "")


def beyond(network: Network, wall: Wall) -> str:
    """The code at the facet's point moved outward by 2^-400."""
    x = fractions(affine(wall.point))
    return exact_code(
        network, [v - Fraction(w, 2**400) for v, w in zip(x, wall.halfspace.normal, strict=True)]
    )


def test_halfspaces_of_a_region_have_the_signs_of_its_code() -> None:
    generator = np.random.default_rng(3)
    layers = [
        Layer.of(integers(generator, (b, a)), integers(generator, b), ReLU())
        for a, b in ((2, 4), (4, 3), (3, 3))
    ]
    network, flat = Network((Block(tuple(layers)),)), RealSpace(2).flat()
    for x in product((Fraction(-7, 3), Fraction(1, 5), Fraction(2)), repeat=2):
        bits = network.code(x).bits
        found = region_halfspaces(network, flat, bits)
        assert len(found) == 10
        assert [value(h.coefficients, x) > 0 for h in found] == bits.tolist()


def test_edges_of_the_domain_have_nothing_behind() -> None:
    network, box = hidden([[1, 0]]), Box(-1, 1, dim=1)
    found = facets(network, box.flat(), region_walls(network, box.flat(), [True]), (1, 2))
    assert {wall.halfspace.coefficients: wall.behind for wall in found} == {
        (1, 0): (False,),
        (-1, 1): None,
    }


def test_known_points_of_facets_change_no_facet() -> None:
    network, flat = hidden(CUBE), RealSpace(3).flat()
    walls = region_walls(network, flat, [True] * 6)
    known = {Halfspace((1, 0, 0, 1)): (-3, 1, 2, 3), Halfspace((5, 5, 5, 5)): (0, 0, 0, 1)}
    found = facets(network, flat, walls, (0, 0, 0, 1), known)
    assert {wall.halfspace.coefficients for wall in found} == {tuple(row) for row in CUBE}
    check(walls, found)


def test_no_wall_no_facet() -> None:
    network, flat = hidden([[0, 0, 1]]), RealSpace(2).flat()
    assert region_walls(network, flat, [True]) == ()
    assert facets(network, flat, (), (0, 0, 1)) == []


def test_deep_hinges_that_tie_on_a_region_are_seen_from_the_facet() -> None:
    """relu(x) is zero for x < 0; crossing x = 0 flips both layers at once."""
    network = Network(
        (Block((Layer.of([[1]], [0], ReLU()), Layer.of([[3]], [0], ReLU()), Layer.of([[1]]))),)
    )
    found = facets(
        network,
        RealSpace(1).flat(),
        region_walls(network, RealSpace(1).flat(), [False, False]),
        (-1, 1),
    )
    assert [wall.behind for wall in found] == [(True, True)]


def test_flipped() -> None:
    assert flipped([True, False, True], [False, False, False]) == (0, 2)
    assert flipped(np.array([True]), np.array([True])) == ()


def test_adjacent_is_not_hamming_distance_one() -> None:
    """Four quadrants and a diagonal through the corner: 00 and 11 of the axes touch in a point
    only.
    """
    result = partition(hidden([[1, 0, 0], [0, 1, 0], [1, 1, 0]]), RealSpace(2))
    codes = [str(region.code) for region in result.regions]
    edges = {frozenset({codes[a], codes[b]}) for a, b in result.graph().edges()}
    assert len(codes) == len(edges) == 6
    assert frozenset({"101", "011"}) not in edges


def check_proofs(rows: Sequence[Sequence[int]], proofs: FacetProofs) -> None:
    """Facets have points on them, inside all others; the redundant are sums of facets and a
    constant that is not negative.
    """
    assert sorted([*proofs.points, *proofs.redundant]) == list(range(len(rows)))
    for index, point in proofs.points.items():
        signs = [sign(value(row, fractions(affine(point)))) for row in rows]
        assert signs.pop(index) == 0
        assert set(signs) <= {1}
    for index, proof in proofs.redundant.items():
        assert set(proof.rows) <= set(proofs.points)
        assert len(set(proof.rows)) == len(proof.rows) == len(proof.multipliers)
        weights = [fraction(weight) for weight in proof.multipliers]
        assert all(weight > 0 for weight in weights)
        left = [
            sum((w * rows[i][k] for w, i in zip(weights, proof.rows, strict=True)), Fraction(0))
            for k in range(len(rows[0]))
        ]
        assert left[:-1] == list(rows[index][:-1])
        assert left[-1] <= rows[index][-1]


@pytest.mark.parametrize(
    "witness", [(0, 0, 0, 1), (1, 2, -3, 4), (999, -999, 999, 1000), (1, 1, 1, 2)]
)
def test_redundant_walls_of_a_cube_are_proved_so(witness: tuple[int, ...]) -> None:
    rows = [
        list(Halfspace.of([Rational(x) for x in row]).coefficients)
        for row in [*REDUNDANT.values(), *CUBE]
    ]
    rows = [row for k, row in enumerate(rows) if row not in rows[:k]]
    proofs = facet_proofs([Halfspace(tuple(row)) for row in rows], witness, 3)
    check_proofs(rows, proofs)
    assert {tuple(rows[i]) for i in proofs.points} == {tuple(row) for row in CUBE}
    constant = rows.index([0, 0, 0, 1])
    assert proofs.redundant[constant].rows == ()


def test_rays_into_corners_find_facets() -> None:
    """A cross-polytope and a cone, whose axes meet many walls at once."""
    for dim in (2, 3, 4):
        cross = [[*signs, 1] for signs in product((-1, 1), repeat=dim)]
        cone = [
            [int(i == j) * s for j in range(dim - 1)] + [1, 1]
            for i in range(dim - 1)
            for s in (-1, 1)
        ]
        for rows in (
            cross,
            cone,
            [*cross, *([*signs, dim] for signs in product((-1, 1), repeat=dim))],
        ):
            distinct = [list(row) for row in dict.fromkeys(map(tuple, rows))]
            proofs = facet_proofs([Halfspace(tuple(row)) for row in distinct], (*[0] * dim, 1), dim)
            check_proofs(distinct, proofs)
            assert len(proofs.points) == (len(cone) if rows is cone else len(cross))


@pytest.mark.parametrize("seed", range(30))
def test_proofs_of_random_walls(seed: int) -> None:
    """Small integers around the origin, so that many walls pass through the same vertices."""
    generator = np.random.default_rng(seed)
    dim = 1 + seed % 4
    normals, offsets = integers(generator, (12, dim), 2), generator.integers(1, 3, 12).tolist()
    walls = list(
        dict.fromkeys(
            Halfspace.of([Rational(x) for x in (*normal, offset)])
            for normal, offset in zip(normals, offsets, strict=True)
            if any(normal)
        )
    )
    distinct = [wall.coefficients for wall in walls]
    proofs = facet_proofs(walls, (*[0] * dim, 1), dim)
    check_proofs(distinct, proofs)
    again = facet_proofs(
        walls, (*[0] * dim, 1), dim, {walls[i]: point for i, point in proofs.points.items()}
    )
    assert again.points == proofs.points
    assert set(again.redundant) == set(proofs.redundant)


@pytest.mark.parametrize("state", ["error", "ignore"])
def test_walls_at_the_ends_of_the_float_range_give_no_warning(state: str) -> None:
    """Distances of 1e300 and slopes of 5e-324, whatever the caller has told NumPy."""
    least = Rational(1, 2**1074)
    rows = [
        [1, 0, 10**300],
        [-1, 0, 10**300],
        [least, 1, 10**300],
        [-least, -1, 10**300],
        [10**300, 1, 10**400],
    ]
    walls = [Halfspace.of([Rational(x) for x in row]) for row in rows]
    with warnings.catch_warnings(), np.errstate(all="warn" if state == "error" else "raise"):
        warnings.simplefilter("error")
        proofs = facet_proofs(walls, (0, 0, 1), 2)
    check_proofs([wall.coefficients for wall in walls], proofs)
    assert set(proofs.points) == {1, 2, 3, 4}


@pytest.mark.parametrize("witness", [(3, 0, 0, 1), (1, 0, 0, 1), (-1, -1, -1, 1)])
def test_a_witness_that_is_not_inside_is_refused(witness: tuple[int, ...]) -> None:
    with pytest.raises(EngineDefect, match="not strictly inside"):
        facet_proofs([Halfspace(tuple(row)) for row in CUBE], witness, 3)
