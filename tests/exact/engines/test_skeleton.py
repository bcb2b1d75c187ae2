"""The skeleton: its regions, facets and vertices are those of the complex of all faces, on every
kind of domain; where more than d hinges meet, too, and then says so.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import comb
from typing import Any

import numpy as np
import pytest

from exact import (
    Box,
    Budget,
    HardTanh,
    HPolytope,
    Layer,
    LeakyReLU,
    Line,
    Network,
    Outcome,
    Plane,
    RealSpace,
    ReLU,
    partition,
)
from exact.check import Status
from exact.errors import EngineDefect
from exact.geometry.domains.base import FlatDomain
from exact.geometry.polyhedra.faces import SymbolicPoint
from exact.geometry.polyhedra.halfspace import is_inside
from exact.kernels import skeleton as kernel
from exact.networks.layers import Block
from exact.propagation.enclosures import UNKNOWN, PointWalk, Stage, stages
from exact.propagation.region_maps import MapWalk
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines import edge_cutting, skeleton
from exact.regions.polytopes.engines.edge_cutting import EdgeCutter
from exact.regions.polytopes.engines.exact_vertices import ExactVertices
from exact.regions.polytopes.engines.skeleton import COSTS, LEFT, Skeleton
from exact.regions.polytopes.engines.slivers import FANS
from exact.regions.polytopes.engines.subdivision import MAX_DIM, Subdivision
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors

SIMPLEX = HPolytope([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [-1, -2, -3, 4]])
WEDGE = HPolytope([[1, 2, 3, 1], [2, -1, 1, 2]])


def generic(*widths: int, seed: int = 0) -> Network:
    """Hidden layers of random floats."""
    generator = np.random.default_rng(seed)
    layers = [
        (generator.normal(size=(m, n)), generator.normal(size=m) / 2) for n, m in pairwise(widths)
    ]
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), None)])


def hidden(rows: Sequence[Sequence[Any]]) -> Network:
    """One hidden layer whose rows end with the bias."""
    return tensors.mlp(
        [([row[:-1] for row in rows], [row[-1] for row in rows]), ([[1] * len(rows)], [0])]
    )


def run(network: Network, domain: FlatDomain, budget: Budget | None = None) -> FlatCells:
    return Skeleton().run(Job(Problem(network, domain), budget=budget or Budget()))


def compare(network: Network, domain: FlatDomain) -> FlatCells:
    """The cells, seen to be those of subdivision with the same facets."""
    problem = Problem(network, domain)
    cells, other = run(network, domain), Subdivision().run(Job(problem))
    own, its = FlatPartition(problem, "own", cells), FlatPartition(problem, "its", other)
    assert own.outcome is its.outcome is Outcome.COMPLETE
    assert own.digest == its.digest
    assert np.array_equal(own.codes, its.codes)
    assert np.array_equal(own.adjacency.indptr, its.adjacency.indptr)
    assert np.array_equal(own.adjacency.indices, its.adjacency.indices)
    assert np.array_equal(own.adjacency.flipped.members, its.adjacency.flipped.members)
    for index in range(0, len(own), 1 + len(own) // 5):
        region = own.regions[index]
        assert network.code(region.witness) == region.code
        walls, others = own.walls_known(index), its.walls_known(index)
        own_walls, its_walls = ({w.coefficients for w in some} for some in (walls, others))
        # of cones in a box nobody knows which of its walls they reach
        assert its_walls <= own_walls if "cones" in cells.evidence else its_walls == own_walls
    return cells


def test_what_is_kept_is_codes_and_facets() -> None:
    """60 bytes a region beyond its code, and 20 a facet: the vertices are gone."""
    network, box = generic(4, 20, 16), Box(-1, 1, dim=4)
    partition(network, box, engine="skeleton").neighbours()  # what compiles, compiles now
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        found = partition(network, box, engine="skeleton")
        assert isinstance(found, FlatPartition)
        facets = found.adjacency.edge_count
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(found) > 10_000 and facets > 3 * len(found)
    assert kept < len(found) * (found.codes.shape[1] + 60) + 20 * facets
    assert network.code(found.regions[-1].witness) == found.regions[-1].code


def is_simple(cells: FlatCells) -> bool:
    """Whether all vertices are, which both evidence and decisions must say; and nothing was left to
    the complex of all faces.
    """
    assert LEFT not in cells.decisions and "all faces" not in cells.evidence
    assert ("not simple" in cells.evidence) == (FANS in cells.decisions)
    return FANS not in cells.decisions


@pytest.mark.parametrize(
    "widths",
    [(1, 5, 5), (2, 9), (2, 6, 6, 6), (3, 12), (3, 8, 8), (3, 5, 5, 5), (4, 7, 7), (5, 9), (6, 8)],
    ids=repr,
)
def test_boxes(widths: tuple[int, ...]) -> None:
    assert is_simple(compare(generic(*widths), Box(-1, Fraction(3, 2), dim=widths[0])))


@pytest.mark.parametrize("widths", [(1, 4, 4), (2, 6, 6), (3, 9), (3, 5, 5), (4, 5, 5)], ids=repr)
def test_whole_space(widths: tuple[int, ...]) -> None:
    assert is_simple(compare(generic(*widths, seed=1), RealSpace(widths[0])))


@pytest.mark.parametrize(
    "domain", [SIMPLEX, WEDGE, Plane([0, 0, 0], [1, 0, 1], [0, 1, 3])], ids=repr
)
def test_polyhedra_and_planes(domain: FlatDomain) -> None:
    assert is_simple(compare(generic(3, 6, 5, seed=2), domain))


def test_a_line() -> None:
    assert is_simple(compare(generic(3, 6, 5), Line([0, 1, 0], [1, 1, 2])))


def test_more_hinges_than_bits_in_a_word() -> None:
    assert is_simple(compare(generic(2, 70, 9, seed=3), Box(0, Fraction(1, 2), dim=2)))


def test_activations_and_skips() -> None:
    generator = np.random.default_rng(5)
    first, second = (
        Layer.of(generator.normal(size=(3, 3)), generator.normal(size=3), activation)
        for activation in (HardTanh(), ReLU())
    )
    network = Network((Block((first, second), residual=True), Block((second,))))
    assert is_simple(compare(network, Box(-3, Fraction(7, 2), dim=3)))


def test_counts_of_generic_hyperplanes() -> None:
    """Zaslavsky, in R^d."""
    for dim, planes in ((1, 7), (2, 8), (3, 8), (4, 7), (7, 3)):
        cells = run(generic(dim, planes), RealSpace(dim))
        assert len(cells) == sum(comb(planes, i) for i in range(dim + 1))
        assert is_simple(cells)


def test_vertices_and_edges_are_those_of_the_complex() -> None:
    """And every half-edge is the twin of its twin."""
    network, domain = generic(3, 7, 6), Box(-1, 1, dim=3)
    job = Job(Problem(network, domain))
    exact = ExactVertices(network, job.problem.flat)
    cutter = EdgeCutter(job.problem.flat, network.bits_per_layer, exact, job.watch)
    each, points, maps = walks(network, job)
    for number, layer in enumerate(network.hidden_layers):
        cutter.cut_layer(number, layer, each[number], points, maps)
    faces = Subdivision().run(job).faces
    assert faces is not None
    twin = cutter.c.twin[: cutter.cell_count << 3]
    there = np.flatnonzero(twin >= 0)
    assert np.array_equal(twin[twin[there]], there)
    assert (cutter.cell_count, len(there)) == (faces.vertex_count, 2 * len(faces.boundary[1]))
    points = {exact.point(v) for v in range(cutter.cell_count)}
    assert points == {faces.vertex(v) for v in range(faces.vertex_count)}


def walks(network: Network, job: Job) -> tuple[list[Stage], PointWalk, MapWalk]:
    walk = stages(network, job.problem.flat)
    return walk, PointWalk(walk, "cpu"), MapWalk(walk, job.problem.flat.dim)


# ---- what is not generic


def test_multiples_of_neurons_count_once() -> None:
    """In both layers: copies, opposites, multiples, and neurons that are zero everywhere."""
    first = [[1, 2, "1/3"], [-2, -4, "-2/3"], [3, -1, "1/5"], ["1/2", 1, "1/6"], [0, 0, 0]]
    second = [[1, 1, -1, 2, 5, "1/7"], [2, 2, -2, 4, 10, "2/7"], [-1, -1, 1, -2, -5, "-1/7"]]
    layers = [first, second]
    network = tensors.mlp(
        [
            *(([row[:-1] for row in rows], [row[-1] for row in rows]) for rows in layers),
            ([[1, 1, 1]], [0]),
        ]
    )
    for domain in (Box(-1, 1, dim=2), RealSpace(2)):
        assert is_simple(compare(network, domain))


def test_multiples_of_what_is_zero_everywhere_are_off() -> None:
    """Behind a layer that is dead on the domain: a neuron, its copy and its opposite."""
    second = ([[1, 1], [-1, -1], [2, 2]], [0, 0, 0])
    network = tensors.mlp([([[1, 0], [0, 1]], [-9, -9]), second, ([[1, 1, 1]], [0])])
    cells = compare(network, Box(-1, 1, dim=2))
    assert (cells.bits.any(), is_simple(cells)) == (False, True)


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 0, 0], [0, 1, 0], [1, 1, 0]],  # three lines through a point
        [[1, 0, -1], [0, 1, 0]],  # on a wall
        [[1, 1, 0], [2, 1, 3]],  # through corners
        [[1, 1, -2], [1, 0, 0]],  # at one corner only
    ],
    ids=repr,
)
def test_fans_in_the_plane(rows: list[list[int]]) -> None:
    cells = compare(hidden([*rows, [3, 7, 1]]), Box(-1, 1, dim=2))
    assert not is_simple(cells)
    assert 0 < cells.decisions[FANS] <= len(cells)


@pytest.mark.parametrize(
    "domain",
    [RealSpace(3), Box(-1, 2, dim=3), Box(0, 1, dim=3), HPolytope([[1, 2, 3, 0], [2, -1, 1, 2]])],
    ids=repr,
)
def test_cones(domain: FlatDomain) -> None:
    """Without biases: from sections, all in the fan of 0."""
    cells = compare(without_biases(3, 4, 4), domain)
    assert not is_simple(cells)
    assert "cones" in cells.evidence
    assert cells.decisions[FANS] == len(cells)
    assert all(is_inside(domain.flat().walls, cells.witness(i)) for i in range(len(cells)))


def without_biases(*widths: int) -> Network:
    generator = np.random.default_rng(0)
    layers = [(generator.normal(size=(m, n)), None) for n, m in pairwise(widths)]
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), None)])


def test_cones_whose_facets_lie_in_the_plane_of_one_coordinate() -> None:
    """Which are found from the planes of the other."""
    rows = [[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 2, 3], [1, -1, 0]]
    for network in (tensors.mlp([(rows, None), ([[1] * 5], None)]), without_biases(3, 5)):
        for domain in (RealSpace(3), Box(-1, 1, dim=3)):
            assert "cones" in compare(network, domain).evidence
    assert len(run(tensors.mlp([([[0, 0]], None), ([[1]], None)]), RealSpace(2))) == 1


def test_what_is_no_cone() -> None:
    """Where 0 lies outside, where a hinge does not go through 0, behind a step, in a line."""
    network, apart = without_biases(3, 4, 4), Box(1, 2, dim=3)
    hard = tensors.mlp([(np.eye(3), None), (np.ones((1, 3)), None)], HardTanh())
    for cells in (
        compare(network, apart),
        compare(network, Plane([0, 0, 1], [1, 0, 1], [0, 1, 3])),
        compare(network, Line([0, 0, 0], [1, 1, 2])),
        compare(hard, RealSpace(3)),
        compare(generic(3, 4), RealSpace(3)),
    ):
        assert "cones" not in cells.evidence


def integral(*widths: int, most: int = 1, seed: int = 0) -> Network:
    """Small integers, biases too."""
    generator = np.random.default_rng(seed)
    layers = [
        (generator.integers(-most, most + 1, (m, n)), generator.integers(-most, most + 1, m))
        for n, m in pairwise(widths)
    ]
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), None)])


@pytest.mark.parametrize(
    "widths",
    [(1, 5, 5, 4), (2, 12), (2, 6, 6, 6), (3, 14), (3, 7, 7), (3, 5, 5, 5), (4, 7, 6), (5, 6, 5)],
    ids=repr,
)
@pytest.mark.parametrize("most", [1, 2])
def test_integers(widths: tuple[int, ...], most: int) -> None:
    """Nothing but denominators and floats decides, in the box and next to nothing else in R^d;
    cells that vanish are many.
    """
    for seed in range(2):
        network = integral(*widths, most=most, seed=seed)
        box = compare(network, Box(-1, 1, dim=widths[0]))
        space = compare(network, RealSpace(widths[0]))
        assert box.decisions["exact"] == 0
        assert 100 * space.decisions["exact"] < space.decisions["filter"]


@pytest.mark.parametrize("widths", [(2, 9), (3, 10), (3, 6, 6), (4, 6, 5)], ids=repr)
def test_thirds(widths: tuple[int, ...]) -> None:
    """The same without denominators that floats can hold: exact coordinates find the zeros."""
    for seed in range(2):
        whole = integral(*widths, seed=seed)
        layers = [
            Layer.of(
                [[x / 3 for x in row] for row in layer.weight.tolist()],
                [row[0] / 3**k for row in layer.bias.tolist()],
                layer.activation,
            )
            for k, layer in enumerate(whole.layers, 1)
        ]
        thirds, domain = Network((Block(tuple(layers)),)), Box(-1, 1, dim=widths[0])
        cells = compare(thirds, domain)
        assert cells.decisions["exact"] > 0
        assert np.array_equal(
            np.unique(cells.codes, axis=0), np.unique(run(whole, domain).codes, axis=0)
        )


def test_grids() -> None:
    rows = [[int(i == k % 3) for i in range(3)] + [k // 3 - 1] for k in range(9)]
    behind = [[1, 0, 0, -1, 0, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1, 1, -4]]
    layers = [([row[:-1] for row in some], [row[-1] for row in some]) for some in (rows, behind)]
    network = tensors.mlp([*layers, ([[1, 1]], [0])])
    for domain in (Box(-1, 1, dim=3), Box(-2, 2, dim=3), RealSpace(3)):
        compare(network, domain)
    assert len(run(hidden(rows), RealSpace(3))) == 4**3


def deep(*layers: Sequence[Sequence[Any]]) -> Network:
    """Hidden layers whose rows end with the bias."""
    parts = [([row[:-1] for row in rows], [row[-1] for row in rows]) for rows in layers]
    return tensors.mlp([*parts, ([[1] * len(layers[-1])], [0])])


def test_hinges_that_coincide_on_some_cells_only() -> None:
    """Where y < 0 three hinges are one, and a fourth, turned round, too: what vanishes between them
    has two neighbours in a row.
    """
    first = [[1, 0, 0], [0, 1, 0]]
    second = [[1, 0, "-1/2"], [1, 1, "-1/2"], [2, 3, -1], [-1, 1, "1/2"]]
    cells = compare(deep(first, second), Box(-1, 1, dim=2))
    assert not is_simple(cells)
    assert cells.pairs is not None
    bits = cells.bits
    flips = [int((bits[a] ^ bits[b]).sum()) for a, b in cells.pairs()]
    assert max(flips) == 4
    compare(deep(first, second), RealSpace(2))


@pytest.mark.parametrize("rows", [[[1, 1, 0], [-1, -1, 0]], [[-1, -1, 0], [2, 2, 0]]], ids=repr)
def test_opposites_of_what_vanishes_on_some_cells_are_off_there(rows: list[list[int]]) -> None:
    """Where both neurons in front are dead, a hinge and its opposite vanish."""
    first = [[1, 0, "-1/2"], [0, 1, "-1/2"]]
    for domain in (Box(-1, 1, dim=2), RealSpace(2)):
        cells = compare(deep(first, [*rows, [1, 2, -1]]), domain)
        assert not is_simple(cells)
        assert any(not row.any() for row in cells.bits)


def test_a_hinge_that_vanishes_on_a_cell_is_off_there() -> None:
    """Though fewer edges were cut if it were on, where it is zero."""
    first = [[1, 0, 0], [0, 1, 0], [-1, -1, 0]]
    for rows in ([[1, 1, 0, 0]], [[1, 0, 0, 0], [1, 1, 1, 0]], [[1, 1, 0, 0], [-1, 3, 1, 0]]):
        for domain in (Box(-1, 1, dim=2), Box(-3, 1, dim=2), Box([-1, 0], [1, 2])):
            compare(deep(first, rows), domain)
            compare(deep(first, [[*rows[0][:-1], "1/9"], *rows]), domain)


def test_a_hinge_moves_to_the_side_that_cuts_less() -> None:
    """Out of the domain, where it lies on a wall or touches a vertex; none vanishes then."""
    for sign in (1, -1):
        rows = [[sign, 0, sign], [-sign, -sign, 2 * sign], [1, 2, "1/7"]]
        cells = compare(hidden(rows), Box(-1, 1, dim=2))
        assert not is_simple(cells)
        assert "; 0 cells that vanish" in cells.evidence


@pytest.mark.parametrize("scales", [(1e150, 1e-150), (1e-150, 1e-150), (1e150, 1e100)], ids=repr)
def test_scales_beyond_the_squares_of_floats(scales: tuple[float, float]) -> None:
    """The same regions, by floats alone."""
    generator, power, layers = np.random.default_rng(1), 1.0, []
    for scale, (n, m) in zip(scales, ((3, 6), (6, 6)), strict=True):
        power *= scale
        layers.append((generator.normal(size=(m, n)) * scale, generator.normal(size=m) * power))
    cells = compare(tensors.mlp([*layers, (np.ones((1, 6)), None)]), Box(-1, 1, dim=3))
    assert cells.decisions["exact"] == 0


def test_walls_that_hinges_touch() -> None:
    """On the domain's facets, edges and vertices, of polyhedra too."""
    rows = [[1, 0, 0, 1], [0, 1, 0, -1], [1, 1, 1, -3], [1, 1, 0, -2], [1, -1, 0, 0], [0, 1, 1, 2]]
    for domain in (Box(-1, 1, dim=3), SIMPLEX, HPolytope([[1, 1, 0, 2], [-1, 1, 0, 2]])):
        compare(hidden(rows), domain)
    twice = HPolytope([[1, 0, 1], [0, 1, 1], [1, 1, 2], [-1, -1, 2], [1, 2, 3]])
    compare(hidden([[1, 0, 0], [1, -1, 0]]), twice)


def test_parallel_hinges_in_all_of_space() -> None:
    """Floats do not see that parallel hinges meet at infinity: the engine knows."""
    generator = np.random.default_rng(3)
    weight = generator.normal(size=(5, 3))
    rows = np.concatenate([weight, weight, -2 * weight, weight[:2]])
    network = tensors.mlp(
        [(rows, generator.normal(size=len(rows))), (np.ones((1, len(rows))), None)]
    )
    cells = compare(network, RealSpace(3))
    assert (is_simple(cells), cells.decisions["exact"]) == (True, 0)


def low_rank(*widths: int, seed: int, activation: Any = None, opposites: bool = False) -> Network:
    """Layers with half of the rows parallel to the others, whose biases differ, so that few
    directions are on at a time; the first with opposites of neurons, and a skip around the second.
    """
    generator, layers = np.random.default_rng(seed), list[Layer]()
    for number, (n, m) in enumerate(pairwise(widths)):
        weight, bias = generator.normal(size=(m, n)), generator.normal(size=m) - 0.5
        weight[m // 2 :] = weight[: m - m // 2]
        if opposites and number == 0:
            weight[-1], bias[-1] = -weight[0], -bias[0]
        layers.append(Layer.of(weight, bias, activation or ReLU()))
    skips = opposites and widths[1] == widths[2]
    blocks = [Block((layer,), residual=skips and k == 1) for k, layer in enumerate(layers)]
    return Network((*blocks, Block((Layer.of(np.ones((1, widths[-1]))),))))


LOW_RANK = [
    low_rank(3, 6, 6, seed=0),
    low_rank(3, 6, 6, 6, seed=1),
    low_rank(4, 5, 5, seed=2),
    low_rank(3, 4, 4, 3, seed=3, opposites=True),
    low_rank(3, 4, 5, seed=4, opposites=True),
    low_rank(3, 4, 4, seed=5, activation=LeakyReLU(0.25)),
    low_rank(2, 4, 4, seed=6, activation=HardTanh()),
]


@pytest.mark.parametrize("network", LOW_RANK)
def test_what_ranks_show_to_be_level_is_so(network: Network) -> None:
    """At every vertex, of every hinge of every layer, by exact coordinates."""
    compare(network, domain := RealSpace(network.input_dim))
    job = Job(Problem(network, domain))
    exact = ExactVertices(network, flat := job.problem.flat)
    cutter = EdgeCutter(flat, network.bits_per_layer, exact, job.watch)
    walk, points, maps = walks(network, job)
    assert cutter.inside_walls()
    shown, bit0 = 0, 0
    for number, layer in enumerate(network.hidden_layers):
        cutter.cut_layer(number, layer, walk[number], points, maps)
        c = cutter.c
        codes = cutter._full(c.on[: cutter.cell_count])
        for v in np.flatnonzero(c.q[: cutter.cell_count].any(axis=1)).tolist():
            for hinge in range(layer.bits):
                if kernel._is_level(c, v, (bit0 + hinge) ^ 7):
                    form, _ = exact.hinge_form(number, codes[v], bit0, hinge)
                    far = exact.point(v).infinite
                    assert sum(a * x for a, x in zip(form, far, strict=False)) == 0
                    shown += hinge ^ 7 not in c.hinge[v] - bit0
        bit0 += layer.bits
    assert shown > 0


@pytest.mark.parametrize("network", LOW_RANK[:3])
def test_low_ranks_leave_nothing_to_exact_arithmetic(network: Network) -> None:
    assert run(network, RealSpace(network.input_dim)).decisions["exact"] == 0


def test_a_vertex_of_the_domain_that_is_not_simple() -> None:
    pyramid = HPolytope(
        [[1, 0, -1, 1], [-1, 0, -1, 1], [0, 1, -1, 1], [0, -1, -1, 1], [0, 0, 1, 0]]
    )
    assert not is_simple(compare(generic(3, 4), pyramid))


def test_nearly_concurrent_hyperplanes() -> None:
    """Floats cannot tell whether three lines meet: exact ones do, at vertices old and new."""
    tiny = Fraction(1, 2**80)
    third, fifth = Fraction(1, 3), Fraction(1, 5)
    rows = [[1, 0, -third], [0, 1, -fifth], [1, 1, tiny - third - fifth]]
    cells = compare(hidden(rows), RealSpace(2))
    assert (len(cells), is_simple(cells)) == (7, True)
    assert cells.decisions["exact"] > 0
    assert is_simple(compare(hidden([[1, 1, -2 - tiny], [1, 1, -2 + tiny]]), Box(-1, 1, dim=2)))


def test_bounds_that_grow_from_layer_to_layer_leave_little_to_exact_arithmetic() -> None:
    """Neurons times 2^9, and the columns behind them by it, are the same regions; the product of
    the layers' norms, by which the error of a point's walk is bounded, is 10^8 times as large.
    """
    generator, layers = np.random.default_rng(0), list[tuple[Any, Any]]()
    for n, m in pairwise((3, 16, 16, 16, 16)):
        layers.append((generator.normal(size=(m, n)) / np.sqrt(n), generator.normal(size=m) / 2))
    plain = partition(tensors.mlp([*layers, (np.ones((1, 16)), None)]), Box(-1, 1, dim=3))
    for (weight, bias), (behind, _) in pairwise(layers):
        weight[0] *= 512
        bias[0] *= 512
        behind[:, 0] /= 512
    found = partition(tensors.mlp([*layers, (np.ones((1, 16)), None)]), Box(-1, 1, dim=3))
    assert found.digest == plain.digest and found.engine == "skeleton"
    assert found.decisions["exact"] * 1000 < found.decisions["filter"]


def test_exact_signs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no sign from floats at the vertices that a layer finds."""
    signs = PointWalk.signs

    def unknown(self: PointWalk, *given: Any) -> Any:
        return np.full_like(signs(self, *given), UNKNOWN)

    network, domain = generic(2, 5, 4), Box(-1, 1, dim=2)
    before = compare(network, domain)
    monkeypatch.setattr(PointWalk, "signs", unknown)
    monkeypatch.setattr(edge_cutting.kernel, "sign_by_rows", lambda *given: given[-1].fill(UNKNOWN))
    after = run(network, domain)
    assert np.array_equal(before.codes, after.codes)
    assert after.decisions["exact"] > before.decisions["exact"]


def test_a_direction_that_is_not_generic_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The edges of a box are perpendicular to the axes."""
    direction = edge_cutting._direction
    monkeypatch.setattr(
        edge_cutting, "_direction", lambda dim, k: (1, 0, 0) if k == 0 else direction(dim, k)
    )
    cells = compare(generic(3, 6, 4), Box(-1, 1, dim=3))
    assert is_simple(cells)
    monkeypatch.setattr(edge_cutting, "_direction", lambda dim, k: (1, 0, 0))
    with pytest.raises(EngineDefect, match="direction"):
        run(generic(3, 6, 4), Box(-1, 1, dim=3))


def test_equal_heights_are_seen_exactly() -> None:
    assert edge_cutting._compare((1, 2), _point(1, 1), _point(3, 0)) == 0
    assert edge_cutting._compare((1, 2), _point(1, 1), _point(3, 1)) == 1
    assert edge_cutting._compare((1, 2), _point(9, 9, (1, 0)), _point(0, 0, (0, 1))) == 1
    assert edge_cutting._compare((1, 2), _point(9, 9, (2, 0)), _point(0, 0, (0, 1))) == -1


def _point(x: int, y: int, far: tuple[int, int] = (0, 0)) -> Any:
    return SymbolicPoint((x, y, 1), far)


@pytest.mark.parametrize(
    "box",
    [
        Box(-1, 1, dim=3),
        Box([0, Fraction(1, 3), -7], [Fraction(1, 7), 5, 0]),
        Box([Fraction(1, 10**330), -1], [1, Fraction(1, 3)]),
        Box([Fraction(1, 3), 2, 0, 1, 0], [Fraction(2, 3), 2, 1, 4, 10**30]),
    ],
    ids=repr,
)
def test_corners_of_a_box_are_where_their_walls_meet(box: Box) -> None:
    network = generic(len(box.lo), 3)
    flat = Problem(network, box).flat
    watch = Job(Problem(network, box)).watch
    cutter = EdgeCutter(flat, network.bits_per_layer, ExactVertices(network, flat), watch)
    many = 2**flat.dim
    at, errors = cutter.c.p[:many].copy(), cutter.c.pe[:many].copy()
    for vertex in range(many):
        cutter._refresh(vertex)
    assert np.array_equal(at, cutter.c.p[:many]) and np.array_equal(errors, cutter.c.pe[:many])


def test_arrays_of_vertices_have_room_for_the_same_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel asks one of them, so that a shorter one would be written beyond its end."""
    monkeypatch.setattr(edge_cutting, "_LARGE", 2**14)  # between the sizes of the arrays
    network = generic(3, 20, 14)
    job = Job(Problem(network, Box(-1, 1, dim=3)))
    flat, bits = job.problem.flat, network.bits_per_layer
    cutter = EdgeCutter(flat, bits, ExactVertices(network, flat), job.watch)
    stages, points, maps = walks(network, job)
    for number, layer in enumerate(network.hidden_layers):
        cutter.cut_layer(number, layer, stages[number], points, maps)
        rooms = {name: len(getattr(cutter.c, name)) for name in edge_cutting._OF_VERTICES}
        rooms["twin"] >>= cutter._shift
        assert {rooms.pop(name) for name in ("q", "qe", "touch")} == {1}
        assert len(set(rooms.values())) == 1
    assert len(cutter.c.base) > 2**10


def test_a_face_that_does_not_close_is_a_defect() -> None:
    network, job = generic(3, 6), Job(Problem(generic(3, 6), Box(-1, 1, dim=3)))
    cutter = EdgeCutter(
        job.problem.flat,
        network.bits_per_layer,
        ExactVertices(network, job.problem.flat),
        job.watch,
    )
    cutter.c.twin[1] = -1
    stages, points, maps = walks(network, job)
    with pytest.raises(EngineDefect, match=r"close|listed"):
        cutter.cut_layer(0, network.hidden_layers[0], stages[0], points, maps)


# ---- domains without points, budgets


@pytest.mark.parametrize(
    "rows",
    [[[1, 0, -2], [-1, 0, 1]], [[0, 0, -1]], [[3, 1, 0], [-2, 3, -5], [-1, -4, 2]]],
    ids=repr,
)
def test_empty_domains(rows: list[list[int]]) -> None:
    cells = run(generic(2, 3), HPolytope(rows))
    assert (len(cells), cells.outcome) == (0, Outcome.COMPLETE)
    assert cells.empty is not None


@pytest.mark.parametrize("network", [generic(3, 8), without_biases(3, 8)], ids=repr)
def test_a_budget_of_regions(network: Network) -> None:
    """Of few regions the first ones are listed, with what is adjacent among them."""
    whole = run(network, RealSpace(3))
    cells = run(network, RealSpace(3), Budget(regions=9))
    assert (len(cells), cells.outcome) == (9, Outcome.BUDGET_REACHED)
    assert LEFT not in cells.decisions
    assert cells.pairs is not None and whole.pairs is not None
    assert cells.pairs().max() < 9
    assert {tuple(pair) for pair in cells.pairs()} <= {tuple(pair) for pair in whole.pairs()}
    enough = run(network, RealSpace(3), Budget(regions=len(whole)))
    assert (len(enough), enough.outcome) == (len(whole), Outcome.COMPLETE)


def test_a_small_part_of_many_regions_is_left_to_subdivision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(skeleton, "_SPARE", 100)
    cells = run(generic(3, 30), RealSpace(3), Budget(regions=9))
    assert (len(cells), cells.outcome) == (9, Outcome.BUDGET_REACHED)
    assert cells.decisions[LEFT] == 1 and "all faces were kept" in cells.evidence


def test_seconds_keep_what_was_found() -> None:
    network, domain = generic(4, 40, 40), Box(-1, 1, dim=4)
    run(generic(4, 6, 6), domain)
    cells = run(network, domain, Budget(seconds=0.05))
    assert cells.outcome is Outcome.BUDGET_REACHED
    assert "stopped early" in cells.evidence
    assert len(cells) == len({row.tobytes() for row in cells.codes})
    for index in range(0, len(cells), 1 + len(cells) // 3):
        point = cells.witness(index)
        code = network.code([Fraction(int(x), int(point[-1])) for x in point[:-1]])
        assert code.packed == cells.codes[index].tobytes()


def test_no_time_no_region() -> None:
    cells = run(generic(3, 5), SIMPLEX, Budget(seconds=0))
    assert (len(cells), cells.outcome) == (0, Outcome.BUDGET_REACHED)


def test_progress_ends_with_the_number_of_regions() -> None:
    told = list[int]()
    cells = Skeleton().run(Job(Problem(generic(3, 6, 4), SIMPLEX), progress=told.append))
    assert (told[0], told[-1]) == (1, len(cells))


# ---- what is made on demand


def test_faces_are_those_of_subdivision_in_this_order() -> None:
    network, domain = generic(3, 6, 4), Box(-1, 1, dim=3)
    found = partition(network, domain, engine="skeleton")
    assert found.volume == 8
    assert sum(region.volume for region in found.regions) == 8
    assert found.check().status is Status.COMPLETE
    for region in (found.regions[0], found.regions[len(found) // 2]):
        assert all(facet.neighbour != region.index for facet in region.facets)


def test_witnesses_at_any_range() -> None:
    """Weights from 2^-1074 to 2^996 in R^3."""
    generator = np.random.default_rng(0)
    weight, bias = (
        np.ldexp(generator.normal(size=size), generator.integers(-1074, 996, size=size))
        for size in ((5, 3), (5,))
    )
    network, started = tensors.mlp([(weight, bias), (np.ones((1, 5)), None)]), time.process_time()
    compare(network, RealSpace(3))
    assert time.process_time() - started < 20


# ---- the engine


def test_refusals_and_costs() -> None:
    engine, above = Skeleton(), MAX_DIM + 1
    assert engine.refusal(Problem(generic(3, 2), RealSpace(3))) is None
    assert f"above {MAX_DIM}" in str(engine.refusal(Problem(generic(above, 2), RealSpace(above))))
    assert len(COSTS) == above
    for dim in range(1, above):
        problem = Problem(generic(dim, 40), Box(-1, 1, dim=dim))
        assert (engine.cost(problem) < Subdivision().cost(problem)) == (dim >= 3)
        problem = Problem(generic(dim, 2), Box(-1, 1, dim=dim))  # which starting takes longer for
        assert (engine.cost(problem) < Subdivision().cost(problem)) == (dim >= 5)
