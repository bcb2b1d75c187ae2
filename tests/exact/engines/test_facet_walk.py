"""The facet walk: its regions, its pairs, its budgets; against engines that find them otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Activation,
    Box,
    Budget,
    GreatCircle,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    Network,
    Outcome,
    Plane,
    RealSpace,
    ReLU,
    Segment,
)
from exact.arithmetic.numbers import fractions
from exact.geometry.domains.base import FlatDomain
from exact.geometry.domains.flat import HPolytope
from exact.geometry.polyhedra.halfspace import Halfspace, affine
from exact.networks.layers import Block
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.brute_force import BruteForce
from exact.regions.polytopes.engines.facet_walk import FacetWalk
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.reference import dot, exact_code, integers, regions_of, value

ACTIVATIONS: tuple[Activation, ...] = (
    ReLU(),
    ReLU(),
    AbsoluteValue(),
    HardTanh(),
    LeakyReLU(),
    Identity(),
)


def walk(network: Network, domain: FlatDomain, budget: Budget | None = None) -> FlatCells:
    return FacetWalk().run(Job(Problem(network, domain), budget=budget or Budget()))


def degenerate(seed: int) -> Network:
    """Integer weights in -2 .. 2: parallel, concurrent, repeated and dead neurons."""
    generator = np.random.default_rng(seed)
    widths = [
        int(generator.integers(1, 4)),
        *generator.integers(1, 6, int(generator.integers(1, 4))).tolist(),
    ]
    layers = [
        Layer.of(
            integers(generator, (b, a), 2),
            integers(generator, b, 2),
            ACTIVATIONS[int(generator.integers(len(ACTIVATIONS)))],
        )
        for a, b in pairwise(widths)
    ]
    return Network((Block(tuple(layers)),))


def generic(widths: Sequence[int], seed: int = 0) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (generator.normal(size=(b, a)), generator.normal(size=b))
            for a, b in pairwise([*widths, 1])
        ]
    )


def codes(cells: FlatCells) -> list[bytes]:
    found = [row.tobytes() for row in cells.codes]
    assert len(set(found)) == len(found)
    return found


def pairs(cells: FlatCells) -> set[frozenset[bytes]]:
    assert cells.pairs is not None
    names, found = codes(cells), cells.pairs()
    edges = {frozenset({names[a], names[b]}) for a, b in found.tolist()}
    assert len(edges) == len(found)
    assert all(len(edge) == 2 for edge in edges)
    return edges


def pairs_by_facets(
    network: Network, domain: FlatDomain, cells: FlatCells
) -> set[frozenset[bytes]]:
    """Pairs read off the facets of every region of an engine that knows none."""
    result = FlatPartition(Problem(network, domain), "lp_tree", cells)
    return {
        frozenset({result.codes[i].tobytes(), result.codes[j].tobytes()})
        for i in range(len(result))
        for wall in result.walls_of(i)
        if (j := result.index_behind(wall)) is not None
    }


def domains(dim: int) -> list[FlatDomain]:
    found: list[FlatDomain] = [
        RealSpace(dim),
        Box(-1, 1, dim=dim),
        HPolytope([[*[1] * dim, 1], [-1, *[0] * (dim - 1), 2]]),
    ]
    if dim > 1:
        unit: list[Any] = [[int(i == j) for j in range(dim)] for i in range(dim)]
        found += [Plane([0] * dim, unit[0], unit[-1]), Segment([-2] * dim, unit[0])]
    return found


@pytest.mark.parametrize("seed", range(40))
def test_degenerate_networks(seed: int) -> None:
    """Codes against the tree and brute force, pairs against facets by rays and LPs, witnesses
    against the definition.
    """
    network = degenerate(seed)
    for domain in domains(network.input_dim)[seed % 2 :: 2]:
        cells, tree = walk(network, domain), LPTree().run(Job(Problem(network, domain)))
        assert cells.outcome is Outcome.COMPLETE
        assert sorted(codes(cells)) == sorted(codes(tree))
        if (
            BruteForce().refusal(Problem(network, domain)) is None
            and max(network.bits_per_layer, default=0) <= 6
        ):
            assert sorted(codes(cells)) == sorted(
                codes(BruteForce().run(Job(Problem(network, domain))))
            )
        if len(tree) <= 40:
            assert pairs(cells) == pairs_by_facets(network, domain, tree)
        check_regions(network, domain, cells)


def check_regions(network: Network, domain: FlatDomain, cells: FlatCells) -> None:
    flat = domain.flat()
    for bits, witness, walls in regions_of(cells)[:6]:
        parameters = fractions(affine(witness))
        assert set(flat.walls) <= set(walls)
        assert all(dot(wall.coefficients, [*parameters, 1]) > 0 for wall in walls)
        assert "".join(str(int(bit)) for bit in bits) == exact_code(
            network, flat.ambient(witness)
        ).replace("|", "")


@pytest.mark.parametrize(
    ("widths", "box"),
    [
        ((1, 6, 5), False),
        ((2, 8, 6), True),
        ((2, 8, 6), False),
        ((3, 7, 4), True),
        ((5, 6, 4), False),
        ((6, 4, 4), True),
    ],
)
def test_generic_networks(widths: tuple[int, ...], box: bool) -> None:
    network = generic(widths, len(widths))
    domain: FlatDomain = Box(-2, 2, dim=widths[0]) if box else RealSpace(widths[0])
    cells, tree = walk(network, domain), LPTree().run(Job(Problem(network, domain)))
    assert sorted(codes(cells)) == sorted(codes(tree))
    if len(tree) < 150:
        assert pairs(cells) == pairs_by_facets(network, domain, tree)
    assert f"{len(pairs(cells))} pairs" in cells.evidence
    assert cells.decisions["filter"] > 0
    check_regions(network, domain, cells)


def test_walls_are_the_facets_between_regions() -> None:
    """A region's walls are the domain's and its facets: each is needed, and they cut out the
    region.
    """
    network = generic((2, 6, 4), 3)
    cells = walk(network, Box(-2, 2, dim=2))
    count = (
        np.bincount(np.concatenate([*cells.pairs()]), minlength=len(cells)) if cells.pairs else []
    )
    for i, (_, _, walls) in enumerate(regions_of(cells)):
        assert len(walls) == 4 + count[i]


def test_coordinates_that_nothing_depends_on_are_left_out() -> None:
    """In R^40 four neurons meet in all 16 ways; a witness has all 40 coordinates."""
    network = generic((40, 4, 3), 1)
    cells = walk(network, RealSpace(40))
    assert {bits[:4].tobytes() for bits in cells.bits} == {
        np.array([k >> i & 1 for i in range(4)], dtype=bool).tobytes() for k in range(16)
    }
    check_regions(network, RealSpace(40), cells)


def test_copies_of_a_neuron_are_one_dimension() -> None:
    """Dependent rows: the rank is below the number of rows, and all neurons but the copies are kept
    apart.
    """
    rows = [[1, 2, 0, 0], [2, 4, 0, 0], [-1, -2, 0, 0], [0, 0, 1, 1]]
    network = tensors.mlp([(rows, [0, 0, 1, 0]), ([[1, 1, 1, 1]], [0])])
    cells = walk(network, RealSpace(4))
    assert sorted("".join(map(str, row)) for row in cells.bits.astype(int).tolist()) == sorted(
        ["0010", "0011", "1110", "1111", "1100", "1101"]
    )
    check_regions(network, RealSpace(4), cells)


def test_a_skip_connection_keeps_every_coordinate() -> None:
    """Behind x + layer(x) a hinge may depend on what the first layer does not read."""
    first = Block((Layer.of([[1, 0]], [0], ReLU()), Layer.of([[1], [1]])), residual=True)
    second = Block((Layer.of([[0, 1]], [-1], ReLU()),))
    network = Network((first, second))
    cells = walk(network, RealSpace(2))
    assert sorted(codes(cells)) == sorted(codes(LPTree().run(Job(Problem(network, RealSpace(2))))))
    assert len(cells) == 4


def test_no_hinge_and_dead_layers() -> None:
    assert walk(Network((Block((Layer.of([[1, 2]]),)),)), RealSpace(2)).bits.shape == (1, 0)
    dead = tensors.mlp([([[0, 0], [0, 0]], [1, -1]), ([[1, 1]], [0])])
    cells = walk(dead, RealSpace(2))
    assert cells.bits.tolist() == [[True, False]]
    assert cells.outcome is Outcome.COMPLETE


@pytest.mark.parametrize(
    "engine", [FacetWalk(), LPTree(), BruteForce()], ids=lambda engine: engine.name
)
def test_contradictory_walls_give_a_proof(engine: Any) -> None:
    """x >= 1 and x <= 0; also y >= y + 1."""
    network = generic((2, 3))
    for domain in (HPolytope([[1, 0, -1], [-1, 0, 0]]), HPolytope([[0, 0, -1]])):
        cells = engine.run(Job(Problem(network, domain)))
        assert (len(cells), cells.outcome, cells.bits.shape) == (0, Outcome.COMPLETE, (0, 3))
        walls: tuple[Halfspace, ...] = domain.flat().walls
        assert cells.empty is not None
        total = [
            sum(
                m * walls[i].coefficients[k]
                for i, m in zip(cells.empty.rows, cells.empty.multipliers, strict=True)
            )
            for k in range(3)
        ]
        assert total[:2] == [0, 0]
        assert total[2] <= 0
        assert min(cells.empty.multipliers) > 0


def test_budgets_say_what_is_missing() -> None:
    network = generic((2, 8))
    whole = walk(network, RealSpace(2))
    part = walk(network, RealSpace(2), Budget(regions=7))
    assert (part.outcome, len(part)) == (Outcome.BUDGET_REACHED, 7)
    assert set(codes(part)) < set(codes(whole))
    assert part.pairs is None
    assert "stopped early" in part.evidence
    check_regions(network, RealSpace(2), part)
    none = walk(network, RealSpace(2), Budget(seconds=0))
    assert (none.outcome, none.bits.shape) == (Outcome.BUDGET_REACHED, (0, 8))
    exactly = walk(network, RealSpace(2), Budget(regions=len(whole)))
    assert (exactly.outcome, len(exactly)) == (Outcome.COMPLETE, len(whole))
    assert pairs(exactly) == pairs(whole)


def test_facets_that_lead_out_are_counted() -> None:
    """From the middle of five intervals: two of them leave two ways out, one on each side; four
    leave one.
    """
    network = tensors.mlp([([[1]] * 4, [2, 1, -1, -2]), ([[1] * 4], [0])])
    for limit, ways in ((1, 2), (2, 2), (3, 2), (4, 1)):
        part = walk(network, RealSpace(1), Budget(regions=limit))
        assert (part.outcome, len(part)) == (Outcome.BUDGET_REACHED, limit)
        assert f"{ways} facets lead to regions left out, and 0 regions" in part.evidence


def test_progress_is_told() -> None:
    seen: list[int] = []
    network = tensors.mlp([([[1], [1]], [0, -1]), ([[1, 1]], [0])])
    FacetWalk().run(Job(Problem(network, RealSpace(1)), progress=seen.append))
    assert seen == [0, 1, 2, 3]


def test_the_start_may_lie_on_every_hinge() -> None:
    """The centre of the box is on all of them."""
    rows = [[1, 0], [0, 1], [1, 1], [1, -1], [2, 2]]
    network = tensors.mlp([(rows, [0] * 5), ([[1] * 5], [0])])
    cells = walk(network, Box(-1, 1, dim=2))
    assert len(cells) == 8
    assert len(pairs(cells)) == 8


def test_hinges_on_the_edge_of_the_domain_are_not_crossed() -> None:
    network = tensors.mlp([([[1, 0], [-1, 0], [0, 1]], [-1, -1, 0]), ([[1, 1, 1]], [0])])
    cells = walk(network, Box(-1, 1, dim=2))
    assert sorted(map(tuple, cells.bits.astype(int).tolist())) == [(0, 0, 0), (0, 0, 1)]


def test_walls_of_the_domain_that_repeat_and_that_are_hinges() -> None:
    """Each wall of a triangle twice, one of them a hinge too; a wall that is always true."""
    triangle = HPolytope([[1, 0, 0], [0, 1, 0], [2, 0, 0], [-1, -1, 4], [0, 3, 0], [0, 0, 1]])
    network = tensors.mlp(
        [
            ([[1, 0], [1, -1], [0, 1]], [0, 0, -1]),
            ([[1, 1, 1], [1, -2, 0]], [-4, 0]),
            ([[1, 1]], [0]),
        ]
    )
    cells = walk(network, triangle)
    tree = LPTree().run(Job(Problem(network, triangle)))
    assert sorted(codes(cells)) == sorted(codes(tree))
    assert pairs(cells) == pairs_by_facets(network, triangle, tree)
    check_regions(network, triangle, cells)


@pytest.mark.parametrize("kept", [0, 1, 7])
def test_layers_may_be_forgotten_on_the_way(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = degenerate(13)
    domain = RealSpace(network.input_dim)
    whole = walk(network, domain)
    monkeypatch.setattr("exact.regions.polytopes.engines.facet_walk._CACHE", kept)
    again = walk(network, domain)
    assert codes(again) == codes(whole)
    assert pairs(again) == pairs(whole)


def test_slivers_below_float_resolution() -> None:
    """Kinks 2^-60 apart, a wedge of 2^-70, and numbers beyond the range of floats."""
    tiny, huge = Fraction(1, 2**60), Fraction(10) ** 400
    kinks = tensors.mlp([([[1], [1], [1]], [0, -tiny, -2 * tiny]), ([[1, 1, 1]], [0])])
    assert (
        len(walk(kinks, RealSpace(1))) == len(LPTree().run(Job(Problem(kinks, RealSpace(1))))) == 4
    )
    wedge = tensors.mlp([([[1, 0], [1, tiny / 1024], [0, 1]], [0, 0, -1]), ([[1, 1, 1]], [0])])
    assert (
        len(walk(wedge, RealSpace(2))) == len(LPTree().run(Job(Problem(wedge, RealSpace(2))))) == 7
    )
    far = tensors.mlp([([[1, 0], [0, huge], [1, 1]], [-huge, 1, -(huge**2)]), ([[1, 1, 1]], [0])])
    cells = walk(far, RealSpace(2))
    assert sorted(codes(cells)) == sorted(codes(LPTree().run(Job(Problem(far, RealSpace(2))))))
    assert len(cells) == 7
    assert all(
        value(wall.coefficients, fractions(affine(w))) > 0
        for _, w, walls in regions_of(cells)
        for wall in walls
    )


def test_deep_hinges_that_tie_on_a_region() -> None:
    """relu(x) is zero for x < 0: the second layer's hinge is zero there, and flips with the
    first.
    """
    network = tensors.mlp([([[1]], [0]), ([[3]], [0]), ([[1]], [0])])
    cells = walk(network, RealSpace(1))
    assert sorted(map(tuple, cells.bits.astype(int).tolist())) == [(0, 0), (1, 1)]
    assert len(pairs(cells)) == 1


def test_refusals() -> None:
    normed = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="rms")
    assert "norm" in str(FacetWalk().refusal(Problem(normed, RealSpace(3))))
    assert "GreatCircle" in str(
        FacetWalk().refusal(Problem(generic((3, 2)), GreatCircle([1, 0, 0], [0, 1, 0])))
    )
