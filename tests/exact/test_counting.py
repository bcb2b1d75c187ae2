"""Bounds and counts: against sampled arrangements, labelled spheres and known truths."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product
from math import comb
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from exact import (
    Ball,
    Box,
    Ellipse,
    GreatCircle,
    HardTanh,
    HPolytope,
    InvalidInput,
    Line,
    Network,
    RealSpace,
    Unsupported,
    partition,
)
from exact.instruments.counting import SphereCount, region_count, sphere_cell_count
from exact.propagation.bounds import arc_bound, arrangement_bound, least_regions, region_bound
from exact.sources import tensors
from tests.exact.reference import Floats, integers

ARRANGEMENTS = [
    (0, 3, 1),
    (1, 1, 2),
    (3, 2, 7),
    (4, 2, 11),
    (4, 3, 15),
    (5, 9, 32),
    (64, 4, 679121),
]


@pytest.mark.parametrize(("m", "d", "count"), ARRANGEMENTS)
def test_arrangement_bound(m: int, d: int, count: int) -> None:
    assert arrangement_bound(m, d) == count
    assert arrangement_bound(m, d) == sum(comb(m, i) for i in range(d + 1))


def random_network(seed: int, widths: list[int], activation: Any = None) -> Network:
    generator = np.random.default_rng(seed)
    layers = [
        (generator.normal(size=(b, a)), generator.normal(size=b)) for a, b in pairwise(widths)
    ]
    return tensors.mlp(layers, activation=activation)


@pytest.mark.parametrize("seed", range(6))
def test_least_regions_is_a_lower_bound_that_looks_at_the_domain(seed: int) -> None:
    """Random rows, and small integers with parallel, concurrent and equal lines; exact in all of
    R^d for the random ones.
    """
    network = random_network(seed, [3, 8, 1])
    for domain in (
        RealSpace(3),
        Box(-1, 1, dim=3),
        Box(0, "1/9", dim=3),
        Ball([0, 1, 0], radius_squared=2),
    ):
        assert 1 <= least_regions(network, domain) <= region_count(network, domain)
    assert least_regions(network, RealSpace(3)) == arrangement_bound(8, 3) == 93
    generator = np.random.default_rng(seed)
    rows, offsets = generator.integers(-1, 2, size=(7, 2)), generator.integers(-1, 2, size=7)
    degenerate = tensors.mlp([(rows.tolist(), offsets.tolist()), (np.ones((1, 7)), [0.0])])
    for flat in (RealSpace(2), Box(-2, 2, dim=2)):
        assert least_regions(degenerate, flat) <= region_count(degenerate, flat)


def test_least_regions_of_a_sample() -> None:
    """More sets than are tried: at least, and not by much less than is there."""
    network = random_network(0, [4, 40, 1])
    assert (
        arrangement_bound(40, 4) // 3
        < least_regions(network, RealSpace(4))
        <= arrangement_bound(40, 4)
    )
    assert least_regions(network, Box(-1e-9, 1e-9, dim=4)) == 1


@pytest.mark.parametrize(
    "widths", [[2, 5, 1], [2, 4, 4, 1], [3, 4, 3, 1], [2, 1, 5, 1], [1, 6, 3, 1]]
)
def test_region_bound_is_an_upper_bound(widths: list[int]) -> None:
    for seed in range(3):
        network = random_network(seed, widths)
        found = partition(network, RealSpace(widths[0])).region_count
        assert found <= region_bound(network, widths[0])


def test_region_bound_is_attained_by_one_generic_layer() -> None:
    network = random_network(1, [2, 7, 1])
    assert region_bound(network, 2) == partition(network, RealSpace(2)).region_count == 1 + 7 + 21
    assert region_bound(network, 1) == 8
    assert partition(network, Line([0, 0], [1, 1])).region_count <= 8


def test_region_bound_knows_narrow_layers_and_breakpoints() -> None:
    assert region_bound(random_network(0, [2, 1, 5, 1]), 2) == 2 * 6
    assert region_bound(random_network(0, [3, 2, 1], HardTanh()), 3) == arrangement_bound(4, 3)
    assert region_bound(tensors.mlp([([[1, 2]], [0])]), 2) == 1


@pytest.mark.parametrize("widths", [[3, 8, 1], [3, 4, 4, 1]])
def test_arc_bound_is_an_upper_bound(widths: list[int]) -> None:
    for seed in range(4):
        network = random_network(seed, widths)
        circle = GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=4)
        assert partition(network, circle).cell_count <= arc_bound(network)
        assert partition(network, Line([0, 0, 0], [1, 1, 1])).cell_count <= arc_bound(network)


# ---- cells of the 2-sphere


def spherical_network(rows: list[Any], norm: Any = None) -> Network:
    weight, bias = [row[:-1] for row in rows], [row[-1] for row in rows]
    return tensors.block(weight, bias, [[1] * len(rows)], [0], norm=norm, eps=0)


def labelled_cells(planes: Floats, radius: float, size: int = 700) -> int:
    """Connected components of equal codes on a latitude-longitude grid, the seam and the poles
    glued.

    Components of less than 20 points are the tips of thin wedges, cut off by the grid, and not
    counted.
    """
    polar, turn = (np.arange(size) + 0.5) * np.pi / size, (np.arange(2 * size) + 0.5) * np.pi / size
    x = np.stack(
        [
            np.outer(np.sin(polar), np.cos(turn)),
            np.outer(np.sin(polar), np.sin(turn)),
            np.outer(np.cos(polar), np.ones_like(turn)),
        ]
    )
    on = np.tensordot(planes[:, :3], radius * x, axes=1) + planes[:, 3][:, None, None] > 0
    codes = np.tensordot(2 ** np.arange(len(planes)), on, axes=1)
    labels, total = np.zeros(codes.shape, dtype=int), 0
    for code in np.unique(codes):
        part, count = ndimage.label(codes == code, structure=np.ones((3, 3)))
        labels[part > 0] = part[part > 0] + total
        total += count
    pairs = [(labels[i, 0], labels[i, -1]) for i in range(size) if codes[i, 0] == codes[i, -1]]
    pairs += [
        (labels[row, 0], labels[row, j])
        for row in (0, -1)
        for j in range(2 * size)
        if codes[row, 0] == codes[row, j]
    ]
    first, second = (np.array(side) - 1 for side in zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(total, total))
    sizes = np.bincount(connected_components(graph, directed=False)[1][labels.ravel() - 1])
    return int(np.count_nonzero(sizes >= 20))


AXES = [[*(s * int(i == k) for k in range(3)), c] for i in range(3) for s, c in ((1, -1), (1, 1))]
LABELLED: dict[str, tuple[list[list[float]], float]] = {
    "no circle": ([[1.0, 0, 0, 5]], 1.0),
    "one circle": ([[1.0, 1, 0, 0.3]], 1.0),
    "three disjoint caps": ([[1.0, 0, 0, -0.8], [0, 1, 0, -0.8], [0, 0, 1, -0.8]], 1.0),
    "an annulus": ([[0.3, 0.1, 1, -0.7], [0.3, 0.1, 1, 0.2], [0, 0, 1, 3]], 1.0),
    "nested and crossing": (
        [[0, 0, 1.0, -0.9], [0.2, 0, 1, -0.5], [1, 0.1, 0, 0.2], [-0.3, 1, 0, -0.1]],
        1.0,
    ),
    "five great circles": (
        [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 0], [1, -1, 2, 0]],
        1.0,
    ),
    "two components": (
        [[1.0, 0, 0, -0.8], [0.9, 0.3, 0, -0.8], [-1, 0.1, 0, -0.7], [-0.9, 0.4, 0.2, -0.75]],
        1.0,
    ),
}


@pytest.mark.parametrize("name", LABELLED)
def test_sphere_cells_against_a_labelled_grid(name: str) -> None:
    planes, radius = LABELLED[name]
    found = sphere_cell_count(spherical_network(planes), Fraction(radius) ** 2)
    assert found.cells == labelled_cells(np.array(planes), radius)
    assert found.cells == (1 + found.components + found.crossings if found.circles else 1)


@pytest.mark.parametrize(
    ("square", "count"),
    [
        (4, SphereCount(6, 24, 1, 26)),
        (Fraction(301, 100), SphereCount(6, 24, 1, 26)),
        (Fraction(5, 2), SphereCount(6, 24, 1, 26)),
        (Fraction(3, 2), SphereCount(6, 0, 6, 7)),
        (Fraction(1, 2), SphereCount(0, 0, 0, 1)),
    ],
)
def test_cells_of_the_cube_planes(square: Fraction, count: SphereCount) -> None:
    """Planes x_i = +-1 and |x|^2 = R^2: six caps that meet from R^2 = 2 on, whose corners show from
    R^2 = 3 on.
    """
    assert sphere_cell_count(spherical_network(AXES), square) == count
    if square != Fraction(301, 100):  # its corners are too small for a grid
        assert labelled_cells(np.array(AXES, dtype=float), float(square) ** 0.5) == count.cells


@pytest.mark.parametrize("square", [1, 2, 3])
def test_cube_planes_that_are_not_in_simple_position(square: int) -> None:
    """Tangent planes, touching circles, three circles through a corner."""
    with pytest.raises(Unsupported, match="simple position"):
        sphere_cell_count(spherical_network(AXES), square)


@pytest.mark.parametrize("m", [1, 2, 5, 9])
@pytest.mark.parametrize(("norm", "dim"), [("rms", 3), ("layernorm", 4)])
def test_generic_great_circles_of_a_norm(norm: str, dim: int, m: int) -> None:
    generator = np.random.default_rng(m)
    network = tensors.block(
        generator.normal(size=(m, dim)), np.zeros(m), np.ones((1, m)), [0.0], norm=norm, eps=0
    )  # type: ignore[arg-type]
    assert sphere_cell_count(network).cells == m * m - m + 2


def test_gain_and_bias_are_folded() -> None:
    """RMSNorm in R^3 with gain g and bias h: the planes W diag(g) y + W h + b = 0 on |y|^2 = 3."""
    rows = [[1, 2, -1, 0.5], [0.5, -1, 1, -0.25], [1, 1, 1, -2]]
    gain, shift = np.array([2.0, 0.5, 1.0]), np.array([0.25, -0.5, 0.0])
    planes = np.array(
        [[*(np.array(row[:3]) * gain), row[3] + np.array(row[:3]) @ shift] for row in rows]
    )
    network = tensors.block(
        [row[:3] for row in rows],
        [row[3] for row in rows],
        [[1, 1, 1]],
        [0],
        norm="rms",
        eps=0,
        gain=gain,
        bias=shift,
    )
    assert sphere_cell_count(network).cells == labelled_cells(planes, 3**0.5)


def test_copies_and_opposites_count_once() -> None:
    rows = [[1, 0, 0, 0], [-2, 0, 0, 0], [3, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 5]]
    assert sphere_cell_count(spherical_network(rows), 1) == SphereCount(2, 2, 1, 4)


def test_parallel_circles_do_not_meet() -> None:
    rows = [[0, 0, 1, Fraction(k, 4)] for k in range(-3, 4)]
    assert sphere_cell_count(spherical_network(rows), 1) == SphereCount(7, 0, 7, 8)


def test_a_pencil_of_circles_through_two_points_is_not_simple() -> None:
    with pytest.raises(Unsupported, match="three circles"):
        sphere_cell_count(spherical_network([[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]), 1)
    with pytest.raises(Unsupported, match="three circles"):
        sphere_cell_count(spherical_network([[1, 0, 0, 0], [0, 1, 0, 0], [3, 4, 5, -5]]), 1)


def test_the_circle_of_lower_dimension_and_deeper_networks_are_refused() -> None:
    deep = tensors.mlp([([[1, 0, 0]], [0]), ([[1]], [1]), ([[1]], [0])])
    for network, square, kind in (
        (deep, 1, Unsupported),
        (spherical_network([[1, 2, 0]]), 1, Unsupported),
        (spherical_network(AXES), None, InvalidInput),
        (spherical_network([[1, 0, 0, 0]], "rms"), 3, InvalidInput),
    ):
        with pytest.raises(kind):
            sphere_cell_count(network, square)


def test_counts_agree_with_enumeration_where_both_exist() -> None:
    """Cells of generic central planes in R^3 are cells of the sphere."""
    rows = [[*row, 0] for row in integers(np.random.default_rng(8), (5, 3), 9)]
    network = spherical_network(rows)
    assert sphere_cell_count(network, 1).cells == partition(network, RealSpace(3)).region_count
    assert partition(network, Box(-1, 1, dim=3)).region_count == sphere_cell_count(network, 1).cells


# ---- regions of one hidden layer without listing them


def layer(rows: list[list[Any]], activation: Any = None) -> Network:
    weight, bias = [row[:-1] for row in rows], [row[-1] for row in rows]
    return tensors.mlp([(weight, bias), ([[1] * len(rows)], [0])], activation=activation)


KNOWN: list[tuple[str, list[list[Any]], int]] = [
    ("concurrent lines", [[1, k, 0] for k in range(5)], 10),
    ("near-pencil", [[1, k, 0] for k in range(4)] + [[0, 0, 0], [3, 1, 7]], 13),
    ("grid", [[1, 0, -k] for k in range(3)] + [[0, 1, -k] for k in range(4)], 20),
    (
        "braid 5",
        [
            [*(int(k == i) - int(k == j) for k in range(5)), 0]
            for i in range(5)
            for j in range(i + 1, 5)
        ],
        120,
    ),
    ("resonance 4", [[*bits, 0] for bits in product((0, 1), repeat=4) if any(bits)], 370),
    ("threshold functions 3", [[1, *signs, 0] for signs in product((-1, 1), repeat=3)], 104),
    ("zero, duplicate, opposite", [[0, 0, 1], [0, 0, 0], [1, 2, 1], [2, 4, 2], [-1, -2, -1]], 2),
    (
        "Shi 3",
        [[1, -1, 0, -k] for k in (0, 1)]
        + [[1, 0, -1, -k] for k in (0, 1)]
        + [[0, 1, -1, -k] for k in (0, 1)],
        16,
    ),
]


@pytest.mark.parametrize(
    ("rows", "count"), [case[1:] for case in KNOWN], ids=[case[0] for case in KNOWN]
)
def test_region_count_of_known_arrangements(rows: list[list[Any]], count: int) -> None:
    assert region_count(layer(rows), RealSpace(len(rows[0]) - 1)) == count


@pytest.mark.parametrize(("m", "d"), [(4, 1), (9, 2), (8, 3), (7, 4)])
def test_region_count_of_generic_planes(m: int, d: int) -> None:
    assert region_count(random_network(m, [d, m, 1]), RealSpace(d)) == arrangement_bound(m, d)


@pytest.mark.parametrize("seed", range(8))
def test_region_count_agrees_with_the_lp_tree(seed: int) -> None:
    generator = np.random.default_rng(seed)
    d = 1 + seed % 3
    network = layer(integers(generator, (5, d + 1), 2), HardTanh() if seed % 2 else None)
    cuts = [[1] * d + [1], [-1] * d + [1], [1] + [0] * d]
    for domain in (RealSpace(d), Box(-1, 1, dim=d), HPolytope(cuts)):
        assert (
            region_count(network, domain)
            == partition(network, domain, engine="lp_tree").region_count
        )
    ray = Line([0] * d, [1] * d)
    assert region_count(network, ray) == partition(network, ray, engine="lp_tree").region_count


def test_region_count_in_empty_domains_and_without_hinges() -> None:
    network, flat = layer([[1, 0, 0], [0, 1, 0]]), [[1, 0, 0], [-1, 0, 0]]
    assert [
        region_count(network, HPolytope(rows)) for rows in ([[0, 0, -1]], [*flat, [1, 0, -1]], flat)
    ] == [0, 0, 2]
    assert region_count(tensors.mlp([([[1, 2]], [0])]), RealSpace(2)) == 1


def test_region_count_in_balls() -> None:
    """Planes x_i = +-1 in R^3: the ball meets flats of codimension k while its squared radius
    exceeds k.
    """
    cube = layer([[*(int(i == j) for j in range(3)), s] for i in range(3) for s in (-1, 1)])
    assert [region_count(cube, Ball([0, 0, 0], r)) for r in (1, "3/2", 2, 3, "7/2")] == [
        1,
        7,
        7,
        19,
        27,
    ]
    assert region_count(cube, Ball([1, 1, 1], "1/1000")) == 8


def test_region_count_refuses_what_it_cannot_count() -> None:
    for network in (
        random_network(0, [2, 3, 3, 1]),
        tensors.block([[1, 2]], [0], [[1]], [0], norm="rms"),
    ):
        with pytest.raises(Unsupported, match="one hidden layer"):
            region_count(network, RealSpace(2))
    for curve in (GreatCircle([1, 0], [0, 1], radius_squared=1), Ellipse([1, 0], [1, 2])):
        with pytest.raises(Unsupported, match="counted in flat domains"):
            region_count(tensors.mlp([([[1, 1]], [0]), ([[1]], None)]), curve)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="does not fit"):
        region_count(random_network(0, [2, 3, 1]), RealSpace(3))
