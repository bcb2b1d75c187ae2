"""Volumes and measures: known bodies, sums over partitions, complexes, unbounded regions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, permutations, product
from math import comb, factorial

import numpy as np
import pytest
import sympy
from scipy.spatial import ConvexHull

from exact import Box, HardTanh, InvalidInput, Network, Outcome, Plane, RealSpace, partition
from exact.arithmetic.numbers import fraction
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.volumes import BoundedPolytope, corners, is_bounded
from exact.regions.engine import Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.complexes import incidence, listed
from tests.exact.reference import integers


def body(*rows: Sequence[int]) -> BoundedPolytope:
    walls = [Halfspace(tuple(row)) for row in rows]
    return BoundedPolytope.of(corners(walls, len(rows[0]) - 1), walls)


def unit(dim: int, k: int, sign: int = 1) -> list[int]:
    return [sign * int(i == k) for i in range(dim)]


def cube(dim: int, side: int = 1) -> list[list[int]]:
    return [[*unit(dim, k), 0] for k in range(dim)] + [
        [*unit(dim, k, -1), side] for k in range(dim)
    ]


def simplex(dim: int) -> list[list[int]]:
    return [[*unit(dim, k), 0] for k in range(dim)] + [[-1] * dim + [1]]


def flat(network: Network, domain: Box | RealSpace | Plane) -> FlatPartition:
    found = partition(network, domain, engine="lp_tree")
    assert isinstance(found, FlatPartition)
    return found


def random_network(seed: int, dim: int, widths: tuple[int, ...], **keywords: object) -> Network:
    generator, sizes = np.random.default_rng(seed), (dim, *widths, 2)
    layers = [
        (
            [[Fraction(x, 3) for x in row] for row in integers(generator, (b, a), 7)],
            [Fraction(x, 3) for x in integers(generator, b, 7)],
        )
        for a, b in pairwise(sizes)
    ]
    return tensors.mlp(layers, **keywords)  # type: ignore[arg-type]


# ---- known bodies


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5])
def test_cubes_and_simplices(dim: int) -> None:
    assert body(*cube(dim, 3)).volume == 3**dim
    assert [float(body(*cube(dim, 3)).facet_measure(k)) for k in range(2 * dim)] == [
        3 ** (dim - 1)
    ] * 2 * dim
    corner = body(*simplex(dim))
    assert fraction(corner.volume) == Fraction(1, factorial(dim))
    # its shadow is the simplex of one dimension less, seen under |(1, .., 1)|
    slanted = corner.facet_measure(dim)
    assert slanted.sympy() == sympy.sqrt(dim) / factorial(dim - 1)
    assert slanted.is_rational == (dim in (1, 4))
    assert [fraction(corner.facet_measure(k).a) for k in range(dim)] == [
        Fraction(1, factorial(dim - 1))
    ] * dim


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_a_pulled_cube_has_d_factorial_simplices(dim: int) -> None:
    """Each with d + 1 different vertices, and the first vertex in all of them."""
    simplices = body(*cube(dim)).simplices
    assert len(set(simplices)) == len(simplices) == factorial(dim)
    assert all(len(set(simplex)) == dim + 1 and simplex[0] == 0 for simplex in simplices)


@pytest.mark.parametrize("dim", [2, 3, 4])
def test_cross_polytopes(dim: int) -> None:
    cross = body(*([*signs, 1] for signs in product((-1, 1), repeat=dim)))
    assert fraction(cross.volume) == Fraction(2**dim, factorial(dim))
    total = sum(cross.facet_measure(k).sympy() for k in range(2**dim))
    assert total == 2**dim * sympy.sqrt(dim) / factorial(dim - 1)


@pytest.mark.parametrize(("dim", "level"), [(2, 1), (3, 1), (3, 2), (4, 2), (4, 3)])
def test_cut_cubes(dim: int, level: int) -> None:
    """The part of the unit cube with coordinate sum <= level has an alternating sum for its volume
    (Laplace).
    """
    part = body(*cube(dim), [-1] * dim + [level])
    expected = sum(
        Fraction((-1) ** k * comb(dim, k) * (level - k) ** dim, factorial(dim))
        for k in range(level + 1)
    )
    assert fraction(part.volume) == expected


def test_a_permutohedron() -> None:
    """Its projection along one coordinate: 24 vertices, 14 facets, volume n^(n-2) over unit cells
    of the root lattice.
    """
    points = [(*p[:3], 1) for p in permutations(range(1, 5))]
    walls = []
    for size in (1, 2, 3):
        for chosen in (c for c in product((0, 1), repeat=4) if sum(c) == size):
            # the sum of the chosen coordinates is at least 1 + .. + size; the last coordinate is 10
            # minus the others
            row = [chosen[k] - chosen[3] for k in range(3)] + [
                10 * chosen[3] - size * (size + 1) // 2
            ]
            walls.append(Halfspace(tuple(row)))
    solid = BoundedPolytope.of(points, walls)
    assert sorted(len(facet) for facet in solid.facets) == [4] * 6 + [6] * 8
    assert set(corners(walls, 3)) == set(points)
    assert solid.volume == 4**2


def test_random_hulls_agree_with_floats() -> None:
    generator = np.random.default_rng(7)
    for dim in (2, 3, 4):
        rows = [[*integers(generator, dim, 6), 5] for _ in range(8)]
        solid = body(*dict.fromkeys(map(tuple, [*cube(dim, 2), *rows])))
        hull = ConvexHull(np.array([[x / p[-1] for x in p[:-1]] for p in solid.vertices]))
        assert float(fraction(solid.volume)) == pytest.approx(hull.volume, rel=1e-9)
        true = [k for k, facet in enumerate(solid.facets) if len(facet) >= dim]
        assert sum(float(solid.facet_measure(k)) for k in true) == pytest.approx(
            hull.area, rel=1e-9
        )


@pytest.mark.parametrize(
    ("rows", "bounded"),
    [
        ([], False),
        ([[1, 0, 0]], False),
        ([[1, 0, 0], [-1, 0, 1]], False),
        ([[1, 0, 0], [-1, 0, 1], [0, 1, 0]], False),
        ([[1, 0, 0], [-1, 0, 1], [0, 1, 0], [0, -1, 1]], True),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 3]], False),
        ([[1, 0, 0], [0, 1, 0], [-1, -1, 3]], True),
        ([[1, 0, 0], [0, 1, 0], [-1, 0, 1], [-1, 1, 5]], False),
        ([[1, -1, 0], [-1, 1, 1], [1, 1, 0], [-2, -2, 5]], True),
    ],
)
def test_boundedness(rows: list[list[int]], bounded: bool) -> None:
    assert is_bounded([Halfspace(tuple(row)) for row in rows], 2) is bounded


def test_boundedness_in_many_dimensions() -> None:
    assert is_bounded([Halfspace(tuple(row)) for row in cube(30)], 30)
    assert not is_bounded([Halfspace(tuple(row)) for row in cube(30)[1:]], 30)
    assert is_bounded([Halfspace((1, 0)), Halfspace((-1, 5))], 1) and not is_bounded(
        [Halfspace((1, 0))], 1
    )


# ---- partitions


@pytest.mark.parametrize(
    ("network", "domain", "volume"),
    [
        pytest.param(random_network(1, 1, (4, 3)), Box([-2], ["7/3"]), Fraction(13, 3), id="line"),
        pytest.param(
            random_network(2, 2, (5, 4)), Box([-1, 0], ["1/2", 3]), Fraction(9, 2), id="plane"
        ),
        pytest.param(
            random_network(3, 3, (4,), activation=HardTanh()),
            Box(-1, 1, dim=3),
            Fraction(8),
            id="space",
        ),
        pytest.param(
            random_network(4, 4, (4,)), Box(-1, 0.5, dim=4), Fraction(81, 16), id="four dimensions"
        ),
        pytest.param(
            random_network(5, 3, (5,)),
            Plane([0, 1, 0], ["1/2", 1, 2], [0, 0, 1], s=(-3, 3), t=(-2, 2)),
            Fraction(24),
            id="slice",
        ),
    ],
)
def test_volumes_sum_to_the_domain(network: Network, domain: Box | Plane, volume: Fraction) -> None:
    """The volume of the box; facets measure the same from both sides; the domain's facets add up to
    its surface.
    """
    found = flat(network, domain)
    assert len(found) > 4
    assert found.volume == sum(region.volume for region in found.regions) == volume
    other = listed(found)
    sides = dict[tuple[int, int], object]()
    for mine, theirs in zip(other.regions, found.regions, strict=True):
        assert (mine.volume, mine.facet_measures, mine.surface) == (
            theirs.volume,
            theirs.facet_measures,
            theirs.surface,
        )
        assert mine.vertices == theirs.vertices and mine.volume > 0 and mine.is_bounded
        for facet, measure in zip(mine.facets, mine.facet_measures, strict=True):
            assert measure.sign() > 0
            if facet.neighbour is not None:
                ends = min(mine.index, facet.neighbour), max(mine.index, facet.neighbour)
                assert sides.setdefault(ends, measure) == measure
    for wall in found.flat.walls:
        held = [
            m
            for r in other.regions
            for f, m in zip(r.facets, r.facet_measures, strict=True)
            if f.hyperplane == wall.coefficients
        ]
        assert sum(float(m) for m in held) == pytest.approx(float(cross_section(found, wall)))


def cross_section(found: FlatPartition, wall: Halfspace) -> Fraction:
    """The measure of a facet of the box-shaped domain."""
    domain = found.domain.bounds if isinstance(found.domain, Plane) else found.domain
    assert isinstance(domain, Box)
    sides = [
        fraction(b - a) for a, b, n in zip(domain.lo, domain.hi, wall.normal, strict=True) if n == 0
    ]
    return Fraction(np.prod([1, *sides]))


@pytest.mark.parametrize(
    ("network", "domain"),
    [
        pytest.param(random_network(1, 1, (4, 3)), RealSpace(1), id="line"),
        pytest.param(random_network(2, 2, (5, 4)), RealSpace(2), id="plane"),
        pytest.param(random_network(3, 3, (4, 3)), Box(-1, 1, dim=3), id="cube"),
        pytest.param(random_network(3, 3, (4,)), RealSpace(3), id="space"),
    ],
)
def test_the_complex_of_an_engine_says_the_same(network: Network, domain: Box | RealSpace) -> None:
    """Facets, vertices, volumes and measures from the faces that subdivision builds are those found
    by LPs.
    """
    found, other = partition(network, domain, engine="subdivision"), flat(network, domain)
    assert isinstance(found, FlatPartition) and found.faces is not None and len(found) > 4
    for mine, theirs in zip(found.regions, other.regions, strict=True):
        assert (mine.facets, mine.vertices, mine.is_bounded) == (
            theirs.facets,
            theirs.vertices,
            theirs.is_bounded,
        )
        if mine.is_bounded:
            assert (mine.volume, mine.facet_measures) == (theirs.volume, theirs.facet_measures)


def test_a_deep_partition_fills_its_box() -> None:
    found = partition(
        random_network(8, 2, (16, 16, 16)), Box([-1, -2], [1, "3/2"]), engine="subdivision"
    )
    assert isinstance(found, FlatPartition) and len(found) > 100
    assert found.volume == 7


def test_polygons_of_a_complex_are_the_same() -> None:
    found = flat(random_network(2, 2, (5, 4)), Box(-1, 1, dim=2))
    for mine, theirs in zip(listed(found).polygons(), found.polygons(), strict=True):
        assert mine.equals(theirs)
    clip = Box([-0.5, -0.25], [0.5, 1])
    for mine, theirs in zip(listed(found).polygons(clip), found.polygons(clip), strict=True):
        assert mine.is_empty == theirs.is_empty and mine.symmetric_difference(theirs).area < 1e-12


def test_unbounded_regions_are_refused_by_name() -> None:
    found = flat(
        tensors.mlp([([[1, 0], [0, 1], [-1, -1]], [0, 0, 1]), ([[1, 1, 1]], [0])]), RealSpace(2)
    )
    bounded = [region for region in found.regions if region.is_bounded]
    assert [(str(r.code), r.volume, r.surface) for r in bounded] == [
        ("111", Fraction(1, 2), 2 + sympy.sqrt(2))
    ]
    open_ended = next(region for region in found.regions if not region.is_bounded)
    for attempt in (
        lambda: open_ended.volume,
        lambda: open_ended.facet_measures,
        lambda: found.volume,
    ):
        with pytest.raises(InvalidInput, match="unbounded, so it has no volume"):
            attempt()
    assert found.regions[found.locate([5, 5])].vertices == ((0, 1), (1, 0))


# ---- complexes with vertices at infinity, by hand


def test_a_line_cut_once() -> None:
    """R with a kink at 1/2: vertices -K, 1/2, K."""
    network = tensors.mlp([([[2]], [-1]), ([[1]], [0])])
    points = [
        SymbolicPoint((0, 1), (-1,)),
        SymbolicPoint((1, 2), (0,)),
        SymbolicPoint((0, 1), (1,)),
    ]
    ends = incidence([[1, 2], [0, 1]])
    faces = FaceComplex(1, {1: ends}, ends, 3, points.__getitem__)
    codes = np.array([[128], [0]], dtype=np.uint8)
    cells = FlatCells(
        codes, 1, [(1, 1), (0, 1)].__getitem__, Outcome.COMPLETE, "by hand", {}, faces=faces
    )
    found = FlatPartition(Problem(network, RealSpace(1)), "by hand", cells)
    assert found.faces is not None and found.faces.boundary[1].row(0).tolist() == [0, 1]
    assert [region.facets for region in found.regions] == [
        region.facets for region in flat(network, RealSpace(1)).regions
    ]
    assert [(region.vertices, region.is_bounded) for region in found.regions] == [
        (((Fraction(1, 2),),), False)
    ] * 2
    assert found.adjacency.pairs().tolist() == [[0, 1]]
    assert found.locate(["3/4"]) == 1


def test_a_half_plane_cut_once() -> None:
    """The plane with a kink along x = 0, as the square [-K, K]^2: every facet but one is at
    infinity.
    """
    network = tensors.mlp([([[1, 0]], [0]), ([[1]], [0])])
    spots = [(-1, -1), (0, -1), (1, -1), (-1, 1), (0, 1), (1, 1)]
    edges = incidence([[0, 1], [1, 2], [3, 4], [4, 5], [0, 3], [1, 4], [2, 5]])
    cells_of = incidence([[0, 5, 2, 4], [1, 6, 3, 5]])
    corners_of = incidence([[0, 1, 3, 4], [1, 2, 4, 5]])
    faces = FaceComplex(
        2, {1: edges, 2: cells_of}, corners_of, 6, lambda i: SymbolicPoint((0, 0, 1), spots[i])
    )
    codes, at = np.array([[0], [128]], dtype=np.uint8), [(-1, 0, 1), (1, 0, 1)]
    cells = FlatCells(codes, 1, at.__getitem__, Outcome.COMPLETE, "by hand", {}, faces=faces)
    found = FlatPartition(Problem(network, RealSpace(2)), "by hand", cells)
    assert [region.facets for region in found.regions] == [
        region.facets for region in flat(network, RealSpace(2)).regions
    ]
    assert [region.vertices for region in found.regions] == [(), ()]
    with pytest.raises(InvalidInput, match="unbounded"):
        _ = found.regions[0].volume
    areas = [polygon.area for polygon in found.polygons(clip=Box([-1, 0], [3, 2]))]
    assert areas == [2, 6]
