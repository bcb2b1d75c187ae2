"""Every referee against brute force, or against a value known by hand."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from exact import (
    Ball,
    Box,
    Domain,
    GreatCircle,
    InvalidInput,
    Network,
    Outcome,
    Segment,
    Sphere,
    Undecided,
    Unsupported,
    partition,
)
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from studies.methods import QUANTITIES, MethodEstimate
from studies.methods.domains import Cloud, CrossPolytope
from studies.methods.passes import codes_float
from studies.methods.quantities import partitions
from studies.methods.quantities.boundary_density import boundary_density
from studies.methods.quantities.code_count import code_count
from studies.methods.quantities.codes_at_points import codes_at_points
from studies.methods.quantities.edge_lengths import PIXELS, edge_length_map, inner_edges
from studies.methods.quantities.flips import flips, flips_per_length
from studies.methods.quantities.local_complexity import local_complexity
from studies.methods.quantities.occupied_components import occupied_components
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantities.region_volume import covered_share, region_volume

SQUARE = Box(-1, 1, dim=2)
QUADRANTS = tensors.mlp([(np.eye(2), [0, 0]), ([[1, 1]], [0])])
CIRCLE = tensors.block(np.eye(3), np.zeros(3), np.eye(3), np.zeros(3), norm="layernorm")
SPHERE = tensors.block([[1, 0, 0]], [0], [[1]], [0], norm="rms")
SLAB = tensors.mlp([([[1, 0]], [-0.5]), ([[1]], [0])])


def drawn(seed: int, *widths: int) -> Network:
    rng = np.random.default_rng(seed)
    sizes = list(pairwise(widths))
    return tensors.mlp([(rng.standard_normal((m, n)), rng.standard_normal(m)) for n, m in sizes])


@pytest.mark.parametrize("seed", range(3))
def test_codes_are_those_of_the_engine_that_tries_all(seed: int) -> None:
    network = drawn(seed, 2, 4, 3, 1)
    brute = partition(network, SQUARE, engine="brute_force").code_count
    assert code_count(network, SQUARE) == brute
    points = np.random.default_rng(seed).uniform(-1, 1, (20_000, 2))
    assert len(np.unique(codes_float(network, points), axis=0)) <= brute


def test_codes_of_six_sixths_of_a_circle() -> None:
    assert code_count(CIRCLE, Sphere()) == 6


@pytest.mark.parametrize("seed", range(3))
def test_the_density_in_a_square_is_the_length_of_its_polygons(seed: int) -> None:
    network = drawn(seed, 2, 4, 3, 1)
    perimeter = sum(polygon.length for polygon in partition(network, SQUARE).polygons())
    expected = (perimeter - 8) / 2 / 4 * 2 / math.pi
    assert boundary_density(network, SQUARE) == pytest.approx(expected)


def test_the_density_in_a_cube_a_segment_a_circle_and_a_sphere() -> None:
    plane = tensors.mlp([([[1, 0, 0]], [0]), ([[1]], [0])])
    assert boundary_density(plane, Box(-1, 1, dim=3)) == pytest.approx(4 / 8 / 2)
    points = tensors.mlp([([[1], [2]], [0, 0.5]), ([[1, 1]], [0])])
    assert boundary_density(points, Box(-1, 1, dim=1)) == pytest.approx(2 / 2)
    assert boundary_density(CIRCLE, Sphere()) == pytest.approx(6 / (2 * math.pi * math.sqrt(3)))
    # every great circle crosses another one twice
    assert boundary_density(SPHERE, Sphere()) == pytest.approx(2 / (2 * math.pi * math.sqrt(3)))
    four = tensors.block([[1, 0, 0, 0]], [0], [[1]], [0], norm="rms")
    with pytest.raises(Unsupported, match="no exact area"):
        boundary_density(four, Sphere())


@pytest.mark.parametrize("seed", range(3))
def test_flips_are_those_of_many_samples(seed: int) -> None:
    network = drawn(seed, 2, 4, 3, 1)
    segment = Segment([-1, 0.25], [1, -0.5])
    t = np.linspace(0, 1, 20_001)[:, None]
    codes = codes_float(network, (1 - t) * [-1, 0.25] + t * [1, -0.5])
    brute = int((codes[1:] != codes[:-1]).sum())
    assert flips(network, segment) == brute
    assert flips_per_length(network, segment) == pytest.approx(brute / math.hypot(2, 0.75))


def test_hinges_that_flip_together_all_count_and_tangents_do_not() -> None:
    twins = tensors.mlp([([[1, 0], [2, 0]], [0, 0]), ([[1, 1]], [0])])
    assert flips(twins, Segment([-1, 0], [1, 0])) == 2
    touched = tensors.mlp([([[0, 1]], [-1]), ([[1]], [0])])
    assert flips(touched, GreatCircle([1, 0], [0, 1], radius_squared=1)) == 0


def test_edges_of_a_map_add_up_and_lie_where_they_are() -> None:
    line = tensors.mlp([([[1, 0]], [-0.3]), ([[1]], [0])])
    found = edge_length_map(line, SQUARE)
    assert found.sum(axis=1).tolist() == pytest.approx([2.0 if k == 10 else 0 for k in range(16)])
    diagonal = edge_length_map(tensors.mlp([([[1, -1]], [0.01]), ([[1]], [0])]), SQUARE)
    assert diagonal.sum() == pytest.approx(math.sqrt(2) * 1.99)
    assert np.abs(np.subtract(*np.nonzero(diagonal))).max() == 1
    for seed in range(3):
        network = drawn(seed, 2, 4, 3, 1)
        whole = boundary_density(network, SQUARE) * 4 * math.pi / 2
        assert edge_length_map(network, SQUARE).sum() == pytest.approx(whole)
    with pytest.raises(Unsupported, match="rectangle"):
        edge_length_map(drawn(0, 1, 2, 1), Box(-1, 1, dim=1))


def test_every_edge_is_met_once() -> None:
    found = partition(QUADRANTS, SQUARE)
    assert isinstance(found, FlatPartition) and len(list(inner_edges(found))) == 4
    assert edge_length_map(QUADRANTS, SQUARE).shape == (PIXELS, PIXELS)


@pytest.mark.parametrize("seed", range(4))
def test_first_layers_flip_where_the_vertices_differ(seed: int) -> None:
    """An affine function takes both signs on a hull iff it does at its vertices."""
    rng = np.random.default_rng(seed)
    network = drawn(seed, 3, 6, 1)
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    around = CrossPolytope([0.25, 0, -0.5], frame, 0.5)
    signs = codes_float(network, around.vertices_float(3))
    assert local_complexity(network, around) == int((signs.any(0) & ~signs.all(0)).sum())


@pytest.mark.parametrize("seed", range(3))
def test_deep_layers_flip_where_many_samples_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network, centre = drawn(seed, 2, 5, 4, 1), np.array([0.1, -0.2])
    angle, radius = rng.uniform(0, 2 * np.pi, 40_000), 0.7 * np.sqrt(rng.uniform(0, 1, 40_000))
    disc = centre + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    for domain, inside in (
        (Ball(centre.tolist(), 0.7**2), disc),
        (
            CrossPolytope(centre.tolist(), [[1, 0], [0, 1]], 0.7),
            disc[np.abs(disc - centre).sum(axis=1) < 0.7],
        ),
    ):
        codes = codes_float(network, inside)
        assert local_complexity(network, domain) == int((codes.any(0) & ~codes.all(0)).sum())


def test_a_tent_between_the_vertices_counts() -> None:
    tent = tensors.mlp([([[1], [1]], [1, 0]), ([[1, -2]], [-0.5]), ([[1]], [0])])
    assert local_complexity(tent, CrossPolytope([0.0], [[1.0]], 0.75)) == 2


def test_the_volume_of_a_slab_is_three_quarters_exactly() -> None:
    assert region_volume(SLAB, SQUARE) == Fraction(3, 4)
    assert region_volume(SLAB, Box([0.5, -1], [1.5, 1])) == 1
    assert region_volume(drawn(1, 2, 3, 1), SQUARE) <= 1


def test_covered_volume_counts_each_code_once() -> None:
    on, off = np.array([[True]]), np.array([[False]])
    assert covered_share(SLAB, SQUARE, off) == 0.75
    assert covered_share(SLAB, SQUARE, np.concatenate([on, on])) == 0.25
    assert covered_share(SLAB, SQUARE, np.concatenate([on, off])) == 1
    nowhere = np.array([[True, True]])
    pair = tensors.mlp([([[1, 0], [-1, 0]], [-0.5, -0.5]), ([[1, 1]], [0])])
    assert covered_share(pair, SQUARE, nowhere) == 0


def test_occupied_cells_hang_together_by_facets() -> None:
    for sign in (1, -1):
        opposite = np.array([[0.5, 0.5 * sign], [-0.5, -0.5 * sign]])
        assert occupied_components(QUADRANTS, Cloud(opposite, SQUARE)) == 2  # a corner is no facet
    joined = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.4, -0.4]])
    assert occupied_components(QUADRANTS, Cloud(joined, SQUARE)) == 1
    with pytest.raises(InvalidInput, match="points in a box"):
        occupied_components(QUADRANTS, Cloud(joined))


def test_codes_at_points_are_those_of_one_point_at_a_time() -> None:
    points = np.random.default_rng(0).standard_normal((25, 2))
    network = drawn(3, 2, 4, 3, 1)
    exact = [network.code(x.tolist()).bits for x in points]
    assert (codes_at_points(network, Cloud(points)) == np.array(exact)).all()


def test_an_incomplete_partition_is_no_referee(monkeypatch: pytest.MonkeyPatch) -> None:
    found = partition(QUADRANTS, SQUARE)
    found.outcome = Outcome.BUDGET_REACHED
    monkeypatch.setattr(partitions, "partition", lambda network, domain: found)
    whole_partition.cache_clear()
    with pytest.raises(Undecided, match="budget reached after 4 regions"):
        code_count(QUADRANTS, SQUARE)


# ---- domains


def test_a_cross_polytope_is_the_hull_of_its_vertices() -> None:
    frame = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    around = CrossPolytope([1, 2, 3], frame, "1/2")
    vertices = around.vertices_float(3)
    assert len(around.rows) == 8 and vertices.shape == (6, 3)
    assert np.linalg.norm(vertices - [1, 2, 3], axis=1) == pytest.approx([0.5] * 6)
    empty = tensors.mlp([([[0, 0, 0]], [1]), ([[1]], [0])])
    whole = partition(empty, around).regions[0]
    corners = np.array(whole.vertices, dtype=float)
    assert np.sort(corners, axis=0) == pytest.approx(np.sort(vertices, axis=0))
    assert float(whole.volume) == pytest.approx(4 / 3 * 0.5**3)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (([0, 0], [[1, 0], [2, 0]], 1), "do not span the space"),
        (([0, 0], [[1, 0]], 1), "do not span the space"),
        (([0, 0], [[1, 0], [0, 1]], 0), "cross-polytope is empty"),
    ],
)
def test_bad_cross_polytopes_are_refused(arguments: tuple[object, ...], wrong: str) -> None:
    with pytest.raises(InvalidInput, match=wrong):
        CrossPolytope(*arguments)


def test_a_cloud_checks_its_dimension() -> None:
    with pytest.raises(InvalidInput, match="do not fit the network"):
        Cloud(np.zeros((3, 2))).check(3)


# ---- comparing


def test_numbers_maps_and_bits_are_compared_each_in_their_way() -> None:
    number = QUANTITIES["code_count"].compare(MethodEstimate(3), Fraction(4))
    assert (number.value, number.truth, number.error) == (3, 4, -1) and math.isnan(number.within)
    truth = np.array([[0.0, 1], [2, 3]])
    twice = QUANTITIES["edge_length_map"].compare(MethodEstimate(2 * truth), truth)
    assert (twice.value, twice.error, twice.within) == (12, 6, pytest.approx(1))
    flat = QUANTITIES["edge_length_map"].compare(MethodEstimate(np.ones((2, 2))), truth)
    assert math.isnan(flat.within)
    bits = np.array([[True, False], [True, True]])
    wrong = QUANTITIES["codes_at_points"].compare(MethodEstimate(bits), ~bits | bits)
    assert (wrong.value, wrong.truth, wrong.error, wrong.within) == (0.75, 1, 0.25, 0.5)


def test_every_quantity_says_where_it_is_asked() -> None:
    for name, quantity in QUANTITIES.items():
        assert quantity.name == name and quantity.title and quantity.domains and quantity.budgets
        assert (quantity.referee.__doc__ or "").strip()


def test_domains_of_quantities_are_domains() -> None:
    assert isinstance(Cloud(np.zeros((1, 1))), Domain)
