"""Every method on networks whose value is known by hand."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

from exact import (
    Ball,
    Box,
    Domain,
    Ellipse,
    GreatCircle,
    HardTanh,
    MissingExtra,
    Network,
    Segment,
    Sphere,
    Unsupported,
    partition,
)
from exact.sources import tensors
from studies.methods import METHODS, QUANTITIES, Method, MethodEstimate
from studies.methods.approximations.code_clusters import hdbscan_clusters
from studies.methods.approximations.endpoint_hamming import endpoint_hamming
from studies.methods.approximations.heat_map import blurred_heat_map, grid_heat_map
from studies.methods.approximations.line_counts import line_density, line_extrapolation, line_flips
from studies.methods.approximations.local_complexity import (
    orthonormal,
    vertex_signs,
    vertex_signs_in_ball,
)
from studies.methods.approximations.low_precision import low_precision_codes
from studies.methods.approximations.monte_carlo_volume import monte_carlo_volume
from studies.methods.approximations.random_walk import random_walk, random_walk_chao1
from studies.methods.approximations.sampled_regions import (
    grid_codes,
    sampled_codes,
    sampled_codes_chao1,
)
from studies.methods.approximations.soft_codes import thresholded_soft_codes
from studies.methods.approximations.stepped_hamming import stepped_hamming
from studies.methods.approximations.transitions import transitions
from studies.methods.approximations.upper_bounds import montufar, montufar_bound, serra, serra_bound
from studies.methods.domains import Cloud, CrossPolytope
from studies.methods.passes import path_of

SQUARE = Box(-1, 1, dim=2)
QUADRANTS = tensors.mlp([(np.eye(2), [0, 0]), ([[1, 1]], [0])])
CIRCLE = tensors.block(np.eye(3), np.zeros(3), np.eye(3), np.zeros(3), norm="layernorm")
SLAB = tensors.mlp([([[1, 0]], [-0.5]), ([[1]], [0])])
TENT = tensors.mlp([([[1], [1]], [1, 0]), ([[1, -2]], [-0.5]), ([[1]], [0])])
"""On [-1, 1] the second layer has the tent 1/2 - |x| as its pre-activation: it flips at +-1/2, the
first layer at 0 (and at -1, where the box ends).
"""


def run(method: Method, network: Network, domain: Domain, budget: int) -> MethodEstimate:
    return method(network, domain, budget, np.random.default_rng(0))


def test_the_tent_is_one() -> None:
    assert TENT.hidden_float([[-0.6], [-0.4], [0.4], [0.6]])[1][:, 0].tolist() == pytest.approx(
        [-0.1, 0.1, 0.1, -0.1]
    )


@pytest.mark.parametrize(
    "method",
    [sampled_codes, sampled_codes_chao1, grid_codes, random_walk, random_walk_chao1],
    ids=lambda m: m.name,
)
def test_four_quadrants_are_counted(method: Method) -> None:
    found = run(method, QUADRANTS, SQUARE, 400)
    assert found.value == 4
    assert found.interval is None or found.interval == pytest.approx((4, 4), abs=0.2)
    if found.codes is not None:
        assert sorted(map(tuple, found.codes.astype(int))) == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    "method", [sampled_codes, sampled_codes_chao1, random_walk, random_walk_chao1]
)
def test_six_sixths_of_the_circle_of_layernorm_are_counted(method: Method) -> None:
    """Signs of three numbers of mean zero: neither three pluses nor three minuses."""
    assert run(method, CIRCLE, Sphere(), 400).value == 6


def test_a_walk_stays_on_a_sphere_however_long_it_is() -> None:
    """Rounding off the plane of mean zero must not grow from step to step."""
    assert run(random_walk, CIRCLE, Sphere(), 40_000).value == 6


def test_walks_enter_regions_that_points_miss() -> None:
    sliver = tensors.mlp([([[1, 0], [1, 0]], [0, -1e-6]), ([[1, 1]], [0])])
    assert run(sampled_codes, sliver, SQUARE, 1_000).value == 2
    assert run(random_walk, sliver, SQUARE, 1_000).value == 3


def test_forward_passes_are_told() -> None:
    assert run(sampled_codes, QUADRANTS, SQUARE, 400).forward_passes == 400
    assert run(grid_codes, QUADRANTS, SQUARE, 10).forward_passes == 9
    assert run(random_walk, QUADRANTS, SQUARE, 40).forward_passes == 2 * 2 * 40
    assert run(montufar_bound, QUADRANTS, SQUARE, 1).forward_passes == 0


def test_line_flips_are_those_of_every_layer() -> None:
    found = run(line_flips, TENT, Segment([-0.75], [0.75]), 1)
    assert found.value == pytest.approx(3 / 1.5) and found.interval is None
    with pytest.raises(Unsupported, match="behind a norm"):
        run(line_flips, CIRCLE, Segment([1, 0, 0], [0, 1, 0]), 1)


def test_the_density_of_a_cross_is_croftons() -> None:
    """Edges of length 4 in an area of 4: 2 / pi a length; one line is no interval."""
    found = run(line_density, QUADRANTS, SQUARE, 400)
    low, high = found.interval or (0, 0)
    assert low < 2 / math.pi < high and high - low < 0.15
    assert run(line_density, QUADRANTS, SQUARE, 1).interval is None


def test_the_density_on_a_circle_is_certain() -> None:
    assert run(line_density, CIRCLE, Sphere(), 5).value == pytest.approx(
        6 / (2 * math.pi * math.sqrt(3))
    )


def test_the_extrapolation_is_a_power_over_a_factorial() -> None:
    assert run(line_extrapolation, TENT, Box(-0.75, 0.75, dim=1), 3).value == pytest.approx(3)
    square = run(line_extrapolation, QUADRANTS, SQUARE, 400).value
    density = run(line_density, QUADRANTS, SQUARE, 400).value
    assert square == pytest.approx(density**2 * 4 / 2)


def test_both_ends_of_a_tent_have_one_code_and_steps_see_it() -> None:
    segment = Segment([-0.75], [0.75])
    assert run(endpoint_hamming, TENT, segment, 2).value == pytest.approx(1 / 1.5)
    assert run(stepped_hamming, TENT, segment, 2).value == pytest.approx(1 / 1.5)
    assert run(stepped_hamming, TENT, segment, 50).value == pytest.approx(3 / 1.5)


@pytest.mark.parametrize(("budget", "seen"), [(1, 0), (2, 4), (100, 4)])
def test_transitions_close_the_curve(budget: int, seen: int) -> None:
    """A circle around the cross has four flips; two opposite points see each of them."""
    circle = GreatCircle([1, 0.5], [-0.5, 1], radius_squared=1)
    assert run(transitions, QUADRANTS, circle, budget).value == seen


@pytest.mark.parametrize("cosine", [0, "3/5", "-1/2"])
def test_transitions_around_an_ellipse_are_its_exact_flips(cosine: object) -> None:
    ellipse = Ellipse([2, 0.5], [-0.5, 1], centre=[0.25, 0.125], cosine=cosine)
    exact = QUANTITIES["flips_around_curve"].referee(QUADRANTS, ellipse)
    assert run(transitions, QUADRANTS, ellipse, 500).value == exact == 4


def test_the_path_of_an_ellipse_goes_through_its_points_and_has_its_length() -> None:
    corners = np.array([[3.0, 0], [0, 3], [0.5, 0.25]])
    path = path_of(QUADRANTS, Ellipse.through(*corners.tolist()))
    thirds = path(np.array([0, 2 * math.pi / 3, 4 * math.pi / 3]))
    assert thirds == pytest.approx(corners)
    steps = np.diff(path(np.linspace(0, path.end, 20_001)), axis=0)
    assert path.length == pytest.approx(np.linalg.norm(steps, axis=1).sum(), rel=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_heat_map_sees_a_line_along_an_axis_by_one_direction(axis: int) -> None:
    line = tensors.mlp([(np.eye(2)[axis : axis + 1], [-0.3]), ([[1]], [0])])
    found = run(grid_heat_map, line, SQUARE, 32**2).value
    assert found.shape == (16, 16) and found.sum() == pytest.approx(2 * math.pi / 4)
    # 0.3 of -1 .. 1 in 16 pixels
    assert np.flatnonzero(found.sum(axis=1 - axis)).tolist() == [10]
    blurred = run(blurred_heat_map, line, SQUARE, 32**2).value
    assert blurred.sum() == pytest.approx(found.sum())
    assert (blurred.sum(axis=1 - axis) > 0).sum() > 3
    with pytest.raises(Unsupported, match="no meaning"):
        run(grid_heat_map, TENT, Box(-1, 1, dim=1), 100)


def test_vertices_see_the_first_layer_and_miss_a_tent_between_them() -> None:
    around = CrossPolytope([0.0], [[1.0]], 0.75)
    assert run(vertex_signs, TENT, around, 4).value == 1  # the tent is down at both vertices
    assert partition(TENT, around).code_count == 4
    assert run(vertex_signs, TENT, CrossPolytope([0.5], [[1.0]], 0.25), 4).value == 1
    assert run(vertex_signs_in_ball, TENT, Ball([0.0], 0.75**2), 4).value == 1


def test_directions_are_orthonormal_and_the_budget_counts_them() -> None:
    frame = orthonormal(3, np.random.default_rng(1))
    assert frame @ frame.T == pytest.approx(np.eye(3))
    square = CrossPolytope([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], 1)
    assert [run(vertex_signs, QUADRANTS, square, k).value for k in (1, 2, 9)] == [1, 2, 2]
    disc = Ball([0.0, 0.0], 1)
    for method, domain in ((vertex_signs, square), (vertex_signs_in_ball, disc)):
        passes = [run(method, QUADRANTS, domain, k).forward_passes for k in (1, 2, 9)]
        assert passes == [2, 4, 4]


def test_monte_carlo_volume_is_a_share_of_points_with_its_interval() -> None:
    found = run(monte_carlo_volume, SLAB, SQUARE, 10_000)
    low, high = found.interval or (0, 0)
    assert low < 0.75 < high and high - low < 0.02 and found.value == pytest.approx(0.75, abs=0.02)


def two_clusters() -> tuple[Network, Cloud]:
    rng = np.random.default_rng(0)
    signs = np.repeat([[1.0] * 8, [-1.0] * 8], 20, axis=0)
    wide = tensors.mlp([(np.eye(8), np.zeros(8)), (np.ones((1, 8)), [0])])
    return wide, Cloud(signs * rng.uniform(0.5, 1, (40, 8)))


@pytest.mark.needs("sklearn")
def test_clusters_are_those_of_the_codes() -> None:
    assert run(hdbscan_clusters, *two_clusters(), 40).value == 2


def test_clustering_names_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingExtra, match=r"exactlens\[cluster\]"):
        run(hdbscan_clusters, *two_clusters(), 40)


def test_upper_bounds_of_one_layer_are_zaslavskys() -> None:
    assert montufar(3, (5,)) == serra(3, (5,)) == 1 + 5 + 10 + 10
    # behind two neurons on, nothing is more than two-dimensional: (j1, j2) of Serra's sum
    assert montufar(2, (2, 2)) == 16 and serra(2, (2, 2)) == 4 + 2 * 3 + 1


@pytest.mark.parametrize("bound", [montufar_bound, serra_bound])
def test_upper_bounds_hold(bound: Method) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        layers = [(rng.standard_normal((4, 2)), rng.standard_normal(4)) for _ in range(1)]
        layers += [(rng.standard_normal((3, 4)), rng.standard_normal(3)), (np.ones((1, 3)), [0])]
        network = tensors.mlp(layers)
        exact = partition(network, Box(-9, 9, dim=2)).code_count
        assert run(bound, network, Box(-9, 9, dim=2), 1).value >= exact
    assert run(bound, CIRCLE, Sphere(), 1).value == montufar(2, (3,)) == 7


def test_soft_codes_are_hard_in_the_first_layer_and_sharpen_in_the_second() -> None:
    points = np.linspace(-0.9, 0.9, 37)[:, None] + 0.01
    exact = np.array([TENT.code(x.tolist()).bits for x in points], dtype=bool)
    blunt, sharp = (run(thresholded_soft_codes, TENT, Cloud(points), k).value for k in (1, 10_000))
    assert (blunt[:, :2] == exact[:, :2]).all() and (blunt[:, 2] != exact[:, 2]).any()
    assert (sharp == exact).all()


def test_low_precision_has_a_known_wrong_bit() -> None:
    """257 is no bfloat16: it becomes 256, and 257 - 256 is 0."""
    network = tensors.mlp([([[1, -1], [1, 1]], [0, 0]), ([[1, 1]], [0])])
    cloud = Cloud(np.array([[257.0, 256.0], [3.0, 1.0]]))
    bits = {k: run(low_precision_codes, network, cloud, k).value.tolist() for k in (8, 11, 24, 99)}
    assert bits[8] == [[False, True], [True, True]]
    assert bits[11] == bits[24] == bits[99] == [[True, True], [True, True]]


@pytest.mark.parametrize("norm", ["layernorm", "rms"])
def test_low_precision_knows_the_norms_of_torch(norm: str) -> None:
    rng = np.random.default_rng(2)
    network = tensors.block(
        *(rng.standard_normal(s) for s in ((5, 4), 5, (4, 5), 4)),
        norm=norm,
        gain=rng.uniform(0.5, 2, 4),
        bias=rng.standard_normal(4),
        residual=True,
    )
    cloud = Cloud(rng.standard_normal((30, 4)))
    exact = np.array([network.code(x.tolist()).bits for x in cloud.points], dtype=bool)
    assert (run(low_precision_codes, network, cloud, 24).value == exact).all()


def test_methods_for_relus_refuse_other_activations() -> None:
    other = tensors.mlp([([[1]], [0]), ([[1]], [0])], activation=HardTanh(-1, 1))
    for method, domain in (
        (random_walk, Box(-1, 1, dim=1)),
        (thresholded_soft_codes, Cloud(np.zeros((2, 1)))),
        (low_precision_codes, Cloud(np.zeros((2, 1)))),
    ):
        with pytest.raises(Unsupported):
            run(method, other, domain, 10)


class Elsewhere(Domain):
    """A domain that no method knows."""

    def check(self, input_dim: int) -> None:
        return


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_method_refuses_domains_it_has_no_meaning_on(method: Method) -> None:
    with pytest.raises(Unsupported, match="no meaning on this domain; got Elsewhere; give a"):
        run(method, QUADRANTS, Elsewhere(), 10)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_method_says_what_it_is(method: Method) -> None:
    assert method.source and method.number.startswith("E") and method.budgets
    assert list(method.budgets) == sorted(set(method.budgets))
    assert (method.function.__doc__ or "").strip()


def test_the_methods_are_those_of_the_list() -> None:
    names: list[Any] = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    assert {method.number for method in METHODS} == {f"E{k}" for k in range(1, 14)}
