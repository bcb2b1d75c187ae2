"""Degenerate networks on flat domains: zero, repeated, opposite and dead neurons, ties, one or no
neuron.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from exact import Box, Line, Network, Partition, Plane, Ray, RealSpace, Segment, partition
from exact.networks.activations import AbsoluteValue, Activation, HardTanh, LeakyReLU, ReLU
from exact.networks.layers import Block, Layer
from exact.sources import tensors
from tests.truths.engines import FLAT, ONE_LAYER

Rows = Sequence[Sequence[object]]
ON_LINES = [*ONE_LAYER, "circle"]


def planes(rows: Rows, activation: Activation | None = None) -> Network:
    """One hidden layer whose rows are (normal, then offset); every neuron is an output."""
    count = len(rows)
    hidden = Layer.of([row[:-1] for row in rows], [row[-1] for row in rows], activation or ReLU())
    return Network(
        (Block((hidden, Layer.of([[int(i == j) for j in range(count)] for i in range(count)]))),)
    )


def line_for(engine: str) -> RealSpace | Line:
    """R as a flat domain, or as a curve for the engine of curves."""
    return Line([0], [1]) if engine == "circle" else RealSpace(1)


def codes(found: Partition) -> set[str]:
    return {str(region.code) for region in found.regions}


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_copies_flip_together(engine: str) -> None:
    rows = [
        [1, 0, 0],
        [1, 0, 0],
        [-1, 0, 0],
        [Fraction(1, 3), 0, 0],
        [-7, 0, 0],
        [0, 0, 1],
        [0, 0, -1],
        [0, 0, 0],
    ]
    found = partition(planes(rows), RealSpace(2), engine=engine)
    assert codes(found) == {"11010100", "00101100"}
    facets = [facet for region in found.regions for facet in region.facets]
    assert [[hinge.neuron for hinge in facet.flipped] for facet in facets] == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize("engine", ON_LINES)
@pytest.mark.parametrize(("bias", "code"), [(1, "1"), (0, "0"), (-1, "0")])
def test_one_constant_neuron(engine: str, bias: int, code: str) -> None:
    found = partition(planes([[0, bias]]), line_for(engine), engine=engine)
    assert codes(found) == {code}
    assert all(facet.neighbour is None for facet in found.regions[0].facets)
    assert found.graph().number_of_edges() == 0


@pytest.mark.parametrize("engine", ON_LINES)
def test_one_neuron_on_a_line(engine: str) -> None:
    found = partition(planes([[3, -1]]), line_for(engine), engine=engine)
    assert codes(found) == {"0", "1"}
    assert sorted(
        facet.neighbour for region in found.regions for facet in region.facets if facet.flipped
    ) == [0, 1]


@pytest.mark.parametrize("engine", FLAT)
@pytest.mark.parametrize("domain", [RealSpace(3), Box(0, 1, dim=3)])
def test_no_neuron(engine: str, domain: RealSpace | Box) -> None:
    network = Network((Block((Layer.of([[1, 2, 3]], [4]),)),))
    found = partition(network, domain, engine=engine)
    assert (found.region_count, found.linear_piece_count, found.bits.shape) == (1, 1, (1, 0))
    assert found.regions[0].affine.matrix.tolist() == [[1, 2, 3]]
    assert len(found.regions[0].facets) == (0 if isinstance(domain, RealSpace) else 6)


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_bias_free_cone(engine: str) -> None:
    found = partition(
        planes([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0]]), RealSpace(2), engine=engine
    )
    assert found.region_count == 8
    assert all(len(region.facets) == 2 for region in found.regions)


@pytest.mark.parametrize("engine", FLAT)
def test_dead_layer_everywhere(engine: str) -> None:
    dead = Layer.of([[0, 0], [0, 0]], [-1, 0], ReLU())
    alive = Layer.of([[1, 0], [0, 1], [1, 1]], [0, 5, -1], ReLU())
    network = Network((Block((dead, alive, Layer.of([[1, 1, 1]]))),))
    found = partition(network, RealSpace(2), engine=engine)
    assert codes(found) == {"00|010"}
    assert found.regions[0].affine.matrix.tolist() == [[0, 0]]
    assert found.regions[0].affine((9, 9)) == (5,)


@pytest.mark.parametrize("engine", FLAT)
def test_zero_on_an_open_set_is_off(engine: str) -> None:
    first = Layer.of([[1, 0], [1, 0]], [0, -1], ReLU())
    # a clamp of x to [0, 1]: zero for x < 0, and 1 - clamp for x > 1
    ramp = Layer.of([[1, -1], [-1, 1]], [0, 1], ReLU())
    network = Network((Block((first, ramp, Layer.of([[1, 1]]))),))
    found = partition(network, RealSpace(2), engine=engine)
    assert codes(found) == {"00|01", "10|11", "11|10"}
    assert (found.linear_piece_count, found.distinct_map_count) == (1, 1)


@pytest.mark.parametrize("engine", FLAT)
def test_facet_that_a_deeper_tie_shares(engine: str) -> None:
    """relu(x) > 0 repeats the bit of x, so one facet flips hinges of two layers."""
    network = tensors.mlp(
        [([[1.0, 0.0]], [0.0]), ([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])]
    )
    found = partition(network, RealSpace(2), engine=engine)
    assert codes(found) == {"0|00", "1|10"}
    assert [(hinge.layer, hinge.neuron) for hinge in found.regions[0].facets[0].flipped] == [
        (1, 0),
        (2, 0),
    ]


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_parallel_and_concurrent_planes(engine: str) -> None:
    rows = [[1, 0, 0, 0], [1, 0, 0, -1], [2, 0, 0, -2], [0, 1, 0, 0], [1, 1, 0, 0], [1, -1, 0, 0]]
    found = partition(planes(rows), RealSpace(3), engine=engine)
    assert found.region_count == 12
    assert found.graph().number_of_edges() == 2 + 3 + 3 + 3 + 4


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_tangent_planes_do_not_cut_a_box(engine: str) -> None:
    rows = [[1, 1, -2], [1, 1, 2], [1, 0, -1], [0, 1, 1], [1, -1, 0]]
    found = partition(planes(rows), Box(-1, 1, dim=2), engine=engine)
    assert codes(found) == {"01010", "01011"}


@pytest.mark.parametrize("engine", ON_LINES)
@pytest.mark.parametrize("gap", [Fraction(1, 2**60), Fraction(1, 2**1074), Fraction(1, 10**400)])
def test_kinks_closer_than_floats(engine: str, gap: Fraction) -> None:
    for domain in (line_for(engine), Ray([-1], [1]), Segment([-1], [1])):
        found = partition(planes([[1, 0], [1, -gap]]), domain, engine=engine)
        assert codes(found) == {"00", "10", "11"}
        assert 0 < next(r.witness[0] for r in found.regions if str(r.code) == "10") < gap


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_sliver_between_lines(engine: str) -> None:
    tiny = Fraction(1, 2**70)
    rows = [[1, 1, 0], [1, 1 + tiny, -tiny], [1, -1, 0]]
    found = partition(planes(rows), RealSpace(2), engine=engine)
    assert found.region_count == 7


@pytest.mark.parametrize("engine", ON_LINES)
def test_huge_and_subnormal_weights(engine: str) -> None:
    least = 5e-324
    weight, bias = [[1e300], [least], [-1e-300], [1.7e308]], [-1e300, -3 * least, 2e-300, 1.7e308]
    network = tensors.mlp([(weight, bias), ([[1.0] * 4], [0.0])])
    found = partition(network, line_for(engine), engine=engine)
    assert codes(found) == {"0010", "0011", "1011", "1001", "1101"}


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_huge_and_tiny_weights_in_the_plane(engine: str) -> None:
    weight = [[1e300, 1e-300], [1e-300, 1e300], [5e-324, 5e-324], [1e308, -1e308]]
    network = tensors.mlp([(weight, [0.0, 0.0, -5e-324, 0.0]), ([[1.0] * 4], [0.0])])
    found = partition(network, RealSpace(2), engine=engine)
    assert found.region_count == 10
    for region in found.regions:
        assert network.code(region.witness) == region.code


@pytest.mark.parametrize("engine", ON_LINES)
@pytest.mark.parametrize("inside", [Fraction(0), Fraction(1)])
def test_segment_ends_on_boundaries(engine: str, inside: Fraction) -> None:
    network = planes([[1, 0, 0], [1, 0, -1], [0, 1, -inside]])
    found = partition(network, Segment([0, inside], [1, inside]), engine=engine)
    assert codes(found) == {"100"}
    assert 0 < found.regions[0].witness[0] < 1


@pytest.mark.parametrize("engine", ON_LINES)
@pytest.mark.parametrize(
    "domain", [Segment([0, -1], [0, 1]), Line([0, 5], [0, 2]), Ray([0, -1], [0, 1])]
)
def test_domain_inside_a_boundary(engine: str, domain: Segment | Line | Ray) -> None:
    found = partition(planes([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [1, 1, 0]]), domain, engine=engine)
    assert codes(found) == {"0000", "0011"}
    assert found.graph().number_of_edges() == 1


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_plane_inside_a_boundary(engine: str) -> None:
    network = planes([[0, 0, 1, -2], [0, 0, -1, 2], [1, 0, 1, -2]])
    found = partition(network, Plane([0, 0, 2], [1, 0, 2], [0, 1, 2]), engine=engine)
    assert codes(found) == {"000", "001"}
    assert all(region.witness[2] == 2 for region in found.regions)


@pytest.mark.parametrize("engine", ON_LINES)
def test_ray_that_starts_on_a_boundary(engine: str) -> None:
    network = planes([[1, 0], [1, -1]])
    assert codes(partition(network, Ray([0], [-2]), engine=engine)) == {"00"}
    assert codes(partition(network, Ray([1], [1]), engine=engine)) == {"11"}
    assert codes(partition(network, Ray(0, [1]), engine=engine)) == {"10", "11"}


@pytest.mark.parametrize("engine", ONE_LAYER)
@pytest.mark.parametrize("activation", [ReLU(), LeakyReLU(-1), AbsoluteValue()])
def test_folds_keep_the_sign_bit(engine: str, activation: Activation) -> None:
    found = partition(planes([[1, 0], [-1, -1]], activation), RealSpace(1), engine=engine)
    assert codes(found) == {"01", "00", "10"}


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_breakpoints_that_coincide(engine: str) -> None:
    """x and x + 1: the lower kink of hard tanh on the one is the upper kink on the other."""
    found = partition(planes([[1, 0], [1, 1]], HardTanh(0, 1)), RealSpace(1), engine=engine)
    assert codes(found) == {"0000", "0010", "1011", "1111"}


@pytest.mark.parametrize("engine", ONE_LAYER)
def test_flat_leaky_relu_merges_pieces(engine: str) -> None:
    found = partition(planes([[1, 0], [2, -1]], LeakyReLU(1)), RealSpace(1), engine=engine)
    assert (found.region_count, found.linear_piece_count, found.distinct_map_count) == (3, 1, 1)


def test_copied_map_far_away_is_one_map_and_two_pieces() -> None:
    bump = tensors.mlp([([[1.0, 0.0]] * 3, [0.0, -1.0, -2.0]), ([[1.0, -2.0, 1.0]], [0.0])])
    found = partition(bump, RealSpace(2))
    assert (found.region_count, found.linear_piece_count, found.distinct_map_count) == (4, 4, 3)


@pytest.mark.parametrize("engine", [name for name in ONE_LAYER if name != "brute_force"])
def test_wide_coincident_layer(engine: str) -> None:
    """Sixty neurons on three lines."""
    rows = [
        [a * f, b * f, 0]
        for a, b in ((1, 0), (0, 1), (1, 1))
        for f in (*range(1, 11), *range(-10, 0))
    ]
    found = partition(planes(rows), RealSpace(2), engine=engine)
    assert found.region_count == 6
    assert {len(facet.flipped) for region in found.regions for facet in region.facets} == {20}
