"""Subdivision: its regions on generic and degenerate networks and every kind of domain, its
budgets, and exact signs alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise, product
from math import comb
from typing import Any

import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Activation,
    Ball,
    Box,
    Budget,
    HardTanh,
    HPolytope,
    Identity,
    Layer,
    LeakyReLU,
    Line,
    Network,
    Outcome,
    Plane,
    Ray,
    RealSpace,
    ReLU,
    Segment,
)
from exact.arithmetic.numbers import fractions
from exact.geometry.domains.base import FlatDomain
from exact.geometry.polyhedra.halfspace import affine
from exact.networks.layers import Block
from exact.propagation.enclosures import UNKNOWN, PointWalk
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines import cutting, subdivision
from exact.regions.polytopes.engines.brute_force import BruteForce
from exact.regions.polytopes.engines.cutting import Cutter
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.engines.subdivision import MAX_DIM, Subdivision
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.reference import exact_code, integers, regions_of, value

TINY = Fraction(1, 2**1100)  # rounds to zero
ACTIVATIONS: tuple[Activation, ...] = (
    ReLU(),
    ReLU(),
    AbsoluteValue(),
    HardTanh(),
    LeakyReLU(),
    Identity(),
)


def cut(
    network: Network, domain: FlatDomain, budget: Budget | None = None, **options: Any
) -> FlatCells:
    return Subdivision().run(Job(Problem(network, domain), budget=budget or Budget(), **options))


def codes(cells: FlatCells) -> list[bytes]:
    found = sorted(row.tobytes() for row in cells.codes)
    assert len(set(found)) == len(found)
    return found


def partition_of(network: Network, domain: FlatDomain, cells: FlatCells) -> FlatPartition:
    return FlatPartition(Problem(network, domain), "subdivision", cells)


def edges(found: FlatPartition) -> set[tuple[int, int, tuple[Any, ...]]]:
    return {
        (min(a, b), max(a, b), data["flipped"]) for a, b, data in found.graph().edges(data=True)
    }


def check(network: Network, domain: FlatDomain, *, walls: bool = True) -> FlatCells:
    """The regions of the LP tree, each with a witness strictly inside, and between them the facets
    that LPs find.
    """
    cells, tree = cut(network, domain), LPTree().run(Job(Problem(network, domain)))
    assert cells.outcome is Outcome.COMPLETE
    assert codes(cells) == codes(tree)
    check_regions(network, domain, cells)
    if walls:
        assert edges(partition_of(network, domain, cells)) == edges(
            partition_of(network, domain, tree)
        )
    return cells


def check_regions(network: Network, domain: FlatDomain, cells: FlatCells) -> None:
    """The witness of every region is strictly inside its walls and the domain and has the region's
    code, in fractions.
    """
    flat = domain.flat()
    for bits, witness, walls in regions_of(cells):
        at = fractions(affine(witness))
        assert all(value(wall.coefficients, at) > 0 for wall in [*walls, *flat.walls])
        assert "".join(str(int(bit)) for bit in bits) == exact_code(
            network, flat.ambient(witness)
        ).replace("|", "")


def generic(widths: Sequence[int], seed: int = 0, activation: Activation | None = None) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (generator.normal(size=(b, a)), generator.normal(size=b))
            for a, b in pairwise([*widths, 1])
        ],
        activation,
    )


def degenerate(seed: int, dim: int) -> Network:
    """Integers in -2 .. 2: parallel, concurrent, repeated and dead neurons, layers that vanish on
    open sets.
    """
    generator = np.random.default_rng(seed)
    widths = [dim, *generator.integers(1, 5, int(generator.integers(1, 4))).tolist()]
    layers = [
        Layer.of(
            integers(generator, (b, a), 2),
            integers(generator, b, 2),
            ACTIVATIONS[int(generator.integers(len(ACTIVATIONS)))],
        )
        for a, b in pairwise(widths)
    ]
    return Network((Block(tuple(layers)),))


def hidden(rows: Sequence[Sequence[Any]]) -> Network:
    return tensors.mlp(
        [([row[:-1] for row in rows], [row[-1] for row in rows]), ([[1] * len(rows)], [0])]
    )


def unit(dim: int, index: int) -> list[int]:
    return [int(i == index) for i in range(dim)]


def domains(dim: int) -> list[FlatDomain]:
    """Boxes, all of R^d, polyhedra with and without ends, with walls twice and walls for nothing,
    planes, lines.
    """
    simplex = [[*unit(dim, i), 1] for i in range(dim)] + [[-1] * dim + [2]]
    idle = [
        simplex[0],
        [2 * x for x in simplex[1 % dim]],
        [0] * dim + [1],
        [0] * dim + [3],
        [*unit(dim, 0), 9],
    ]
    wedge = [[*[1] * dim, 1], [-1, *[0] * (dim - 1), 2]]
    found: list[FlatDomain] = [
        RealSpace(dim),
        Box(-1, 1, dim=dim),
        Box([Fraction(-1, 3)] * dim, [2] * dim),
    ]
    found += [HPolytope(simplex), HPolytope(wedge), HPolytope([*simplex, *idle])]
    if dim > 1:
        found += [
            Segment([-2] * dim, [Fraction(1, 3)] * dim),
            Line([1] * dim, unit(dim, 0)),
            Ray([0] * dim, [2] * dim),
        ]
        third = [Fraction(1, 3)] * dim
        found += [Plane([0] * dim, unit(dim, 0), unit(dim, dim - 1))]
        found += [Plane(third, unit(dim, 0), unit(dim, 1), s=(-1, 2), t=(0, 1))]
    return found


# ---- agreement


@pytest.mark.parametrize(
    ("widths", "box"),
    [
        ((1, 8, 6), False),
        ((2, 8, 6), False),
        ((2, 6, 5, 4), True),
        ((3, 6, 4), True),
        ((3, 5), False),
        ((4, 6), True),
        ((5, 4), True),
        ((6, 3), False),
    ],
)
def test_generic_networks(widths: tuple[int, ...], box: bool) -> None:
    domain: FlatDomain = Box(-1, 1, dim=widths[0]) if box else RealSpace(widths[0])
    cells = check(generic(widths, len(widths)), domain, walls=widths[0] < 4)
    assert cells.decisions["exact"] < 0.01 * cells.decisions["filter"]


@pytest.mark.parametrize("seed", range(24))
def test_degenerate_networks(seed: int) -> None:
    dim = 1 + seed % 3
    network, every = degenerate(seed, dim), domains(1 + seed % 3)
    check(network, every[seed // 3 % len(every)])
    check(network, every[(seed // 3 + 5) % len(every)])


@pytest.mark.parametrize("seed", range(30, 40))
def test_every_domain_against_brute_force(seed: int) -> None:
    dim = 1 + seed % 3
    network = degenerate(seed, dim)
    if network.hinge_count > 9:
        network = degenerate(seed + 100, dim)
    for domain in domains(dim):
        assert codes(cut(network, domain)) == codes(BruteForce().run(Job(Problem(network, domain))))


@pytest.mark.parametrize(
    "activation",
    [HardTanh(-1, "1/3"), HardTanh("1/3", 2), LeakyReLU("1/7"), AbsoluteValue()],
    ids=lambda a: a.name,
)
def test_other_activations(activation: Activation) -> None:
    check(generic((2, 4, 3), 1, activation), RealSpace(2))
    check(generic((3, 3, 2), 1, activation), Box(-1, 1, dim=3), walls=False)


def test_skips_affine_layers_and_thirds() -> None:
    thirds = [[Fraction(1, 3), 1], [-1, Fraction(2, 3)]]
    inside = (
        Layer.of([[1, 1], [2, -1], [0, 1]], [0, 1, -1], ReLU()),
        Layer.of([[1, 0, 1], [0, 1, -1]]),
    )
    blocks = (
        Block((Layer.of(thirds, [0, Fraction(1, 7)]),)),
        Block(inside, residual=True),
        Block(
            (
                Layer.of(thirds, [1, -1], HardTanh()),
                Layer.of(thirds, None, ReLU()),
                Layer.of([[1, 1]]),
            )
        ),
    )
    for domain in (RealSpace(2), Box(-2, 2, dim=2), HPolytope([[1, 1, 1]])):
        check(Network(blocks), domain)


def test_volumes_fill_the_box() -> None:
    """A second proof that no region is missing."""
    for network in (
        generic((2, 6, 5, 4), 3),
        generic((3, 5, 4), 3),
        degenerate(5, 3),
        degenerate(7, 2),
    ):
        dim = network.input_dim
        domain = Box(Fraction(-1, 2), 1, dim=dim)
        assert partition_of(network, domain, cut(network, domain)).volume == Fraction(3, 2) ** dim


# ---- zeros


@pytest.mark.parametrize(
    ("rows", "dim", "count"),
    [
        ([[1, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0]], 2, 4),  # twice the same, opposite
        ([[0, 0, 1], [0, 0, -1], [0, 0, 0], [1, 0, 0]], 2, 2),  # constants
        # through a corner of [-1, 1]^2, one point
        ([[1, 0, -1], [0, 1, -1], [1, 1, -2], [1, -1, 0]], 2, 8),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0]], 2, 8),
        ([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 0]], 3, 14),
        ([[1, -1, 0, 0], [0, 1, -1, 0], [1, 0, -1, 0]], 3, 6),  # braid
        ([[1, k] for k in range(-3, 4)], 1, 8),
    ],
)
def test_arrangements_with_known_counts(rows: list[list[int]], dim: int, count: int) -> None:
    assert len(check(hidden(rows), RealSpace(dim))) == count
    check(hidden(rows), Box(-1, 1, dim=dim))


@pytest.mark.parametrize(("n", "dim"), [(6, 1), (6, 2), (5, 3), (5, 4), (4, 5)])
def test_generic_arrangements_fill_real_space(n: int, dim: int) -> None:
    assert len(
        cut(hidden(np.random.default_rng(n).normal(size=(n, dim + 1)).tolist()), RealSpace(dim))
    ) == sum(comb(n, i) for i in range(dim + 1))


def test_neurons_that_vanish_on_a_region() -> None:
    """relu(x): the second layer's neurons are zero for x < 0, so off; the third's are constant
    there.
    """
    second, third = ([[1, 0], [-1, 0], [1, -1]], [0, 0, 0]), ([[1, 1, 1], [0, 1, 0]], [0, -1])
    deep = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), second, third, ([[1, 1]], [0])])
    for domain in (RealSpace(2), Box(-1, 1, dim=2), HPolytope([[1, 1, 0]])):
        check(deep, domain)


def test_boundaries_of_later_layers_on_those_of_earlier_ones() -> None:
    """relu(x) - relu(y) bends along x = y, which the first layer bends along too; relu(x) + relu(y)
    along its own boundary.
    """
    second = [[1, -1, 0], [1, 1, 0], [0, 0, 1], [1, 0, -1]]
    network = tensors.mlp(
        [([[1, 0], [0, 1], [1, -1]], [0] * 3), (second, [0] * 4), ([[1] * 4], [0])]
    )
    for domain in (RealSpace(2), Box(-1, 1, dim=2), Box(0, 1, dim=2)):
        check(network, domain)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_networks_without_a_hinge_and_dead_layers(dim: int) -> None:
    plain = Network((Block((Layer.of([[1] * dim]),)),))
    dead = tensors.mlp([([[1] * dim], [-9]), ([[1], [0]], [0, 1]), ([[1, 1]], [0])])
    for domain in domains(dim):
        cells = cut(plain, domain)
        assert cells.bits.shape == (1, 0)
        assert value([1] * dim + [0], domain.flat().ambient(cells.witness(0))) is not None
        check(dead, domain)
    assert len(cut(dead, Box(-1, 1, dim=dim))) == 1


def test_slivers_below_float_resolution() -> None:
    small = Fraction(1, 2**60)
    assert len(check(hidden([[1, 0], [1, -small], [1, -2 * small]]), RealSpace(1))) == 4
    assert len(check(hidden([[1, 0, 0], [1, small / 1024, 0], [0, 1, -1]]), RealSpace(2))) == 7
    assert len(check(hidden([[1, 0, 0], [0, 1, 0], [1, 1, -small]]), RealSpace(2))) == 7


def test_coordinates_that_round_to_zero() -> None:
    """A corner at 2^-1100 is no zero."""
    assert len(check(hidden([[1, 0]]), Box(-1, TINY, dim=1))) == 2
    rows = [[1, 0, 0], [0, 1, 0], [1, 1, -1]]
    for domain in (
        Box([-1, -1], [TINY, TINY]),
        Box([-1, -1], [TINY, 1]),
        HPolytope([[-1, 0, TINY], [0, -1, TINY], [1, 1, 4]]),
    ):
        check(hidden(rows), domain)
    deep = tensors.mlp(
        [([[0, 1], [0, 1]], [-TINY, 0]), ([[-1, 1], [0, 1]], [0, -TINY]), ([[1, 1]], [0])]
    )
    for whole in (RealSpace(2), Box(-1, 1, dim=2)):
        check(deep, whole)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_beyond_floats() -> None:
    huge = Fraction(10) ** 400
    check(hidden([[1, 0, -huge], [0, huge, 1], [1, 1, -(huge**2)]]), RealSpace(2))
    check(hidden([[1, 0, -1], [1 / huge, 1, 0], [1, 1, 0]]), Box([-huge, -huge], [huge, 1 / huge]))
    rows = np.ldexp(np.random.default_rng(0).normal(size=(4, 3)), -600).tolist()
    assert len(check(hidden(rows), RealSpace(2))) == 11
    for power in (-600, -400, 600):
        generator = np.random.default_rng(1)
        layers = [
            (np.ldexp(generator.normal(size=(b, a)), power), None)
            for a, b in pairwise((2, 3, 3, 2, 1))
        ]
        check(tensors.mlp(layers), Box(Fraction(-1, 2), 1, dim=2), walls=False)


# ---- domains without a region


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 0, -1], [-1, 0, 1], [1, 1, -3], [0, -1, 1]],  # beside a line
        [[1, 0, -1], [-1, 0, 0]],
        [[0, 0, -1]],
        [[1, 0, 0], [0, 1, 0], [-1, -1, 0], [1, 2, -1]],  # beside a point
        [[1, 0, 0], [-1, 0, -1], [0, 1, 0], [0, -1, 1]],  # written like a box
        [[1, 1, -1], [1, -1, -1], [-2, 0, 1]],
    ],
)
@pytest.mark.parametrize(
    "network",
    [generic((2, 3, 2)), Network((Block((Layer.of([[1, 2]]),)),))],
    ids=["hinges", "none"],
)
def test_empty_domains_come_with_a_proof(rows: list[list[int]], network: Network) -> None:
    domain = HPolytope(rows)
    cells, walls = cut(network, domain), domain.flat().walls
    assert (len(cells), cells.outcome, cells.bits.shape) == (
        0,
        Outcome.COMPLETE,
        (0, network.hinge_count),
    )
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
    assert len(partition_of(network, domain, cells)) == 0


# ---- the exact path alone


@contextmanager
def without_floats(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is certain in floats: signs of points are unknown, and so is how far every plane is
    from its float row.
    """
    with monkeypatch.context() as patch:
        patch.setattr(subdivision, "cells_by_one_call", lambda job: None)
        patch.setattr(PointWalk, "signs", _unknown)
        for name in ("_enter_rows", "_set_planes"):
            patch.setattr(Cutter, name, _with_infinite_errors(getattr(Cutter, name)))
        yield


def _unknown(self: PointWalk, layer: int, p: Any, *rest: Any) -> Any:
    return np.full((len(p), self._stages[layer].bits), UNKNOWN, np.int8)


def _with_infinite_errors(method: Any) -> Any:
    def enter(self: Cutter, first: int, *rest: Any) -> None:
        method(self, first, *rest)
        self._c.planes.normal_error[:], self._c.planes.offset_error[:] = np.inf, np.inf

    return enter


def faces_of(cells: FlatCells) -> list[set[frozenset[Any]]]:
    """All faces by dimension, each as the exact points it is spanned by."""
    assert cells.faces is not None
    faces, found = cells.faces, list[list[frozenset[Any]]]()
    found.append([frozenset([faces.vertex(i)]) for i in range(faces.vertex_count)])
    for k in range(1, faces.dim + 1):
        rows = faces.boundary[k]
        found.append(
            [frozenset().union(*(found[-1][int(i)] for i in rows.row(f))) for f in range(len(rows))]
        )
    assert all(len(set(level)) == len(level) for level in found)
    return [set(level) for level in found]


@pytest.mark.parametrize("seed", range(12))
def test_floats_change_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dim = 1 + seed % 3
    network = degenerate(seed + 40, dim) if seed % 2 else generic((dim, 4, 3), seed)
    for domain in domains(dim)[seed % 2 :: 3]:
        found = cut(network, domain)
        with without_floats(monkeypatch):
            slow = cut(network, domain)
        assert slow.decisions["filter"] == 0
        assert codes(slow) == codes(found)
        assert faces_of(slow) == faces_of(found)
        check_regions(network, domain, slow)
        both = [partition_of(network, domain, cells) for cells in (found, slow)]
        assert both[0].digest == both[1].digest
        assert edges(both[0]) == edges(both[1])


@pytest.mark.parametrize("asked", [2, 3, 64])
def test_questions_in_small_batches(asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel asks for unknown signs a few at a time, and its table of answers grows."""
    network, domain = degenerate(44, 2), RealSpace(2)
    found = faces_of(cut(network, domain))
    monkeypatch.setattr(cutting, "_ASKED", asked)
    with without_floats(monkeypatch):
        assert faces_of(cut(network, domain)) == found


@pytest.mark.parametrize("block", [1, 2**10])
def test_points_in_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network, domain = generic((2, 24, 12), 1), RealSpace(2)
    found = codes(cut(network, domain))
    monkeypatch.setattr(cutting, "_BLOCK", block)
    assert codes(cut(network, domain)) == found


@pytest.mark.gpu
@pytest.mark.parametrize("domain", [RealSpace(2), Box(-1, 1, dim=2)], ids=repr)
def test_the_device_changes_nothing(domain: FlatDomain) -> None:
    for network in (generic((2, 24, 24), 1), degenerate(3, 2)):
        both = [
            partition_of(network, domain, cut(network, domain, device=device))
            for device in ("cpu", "cuda")
        ]
        assert both[0].digest == both[1].digest
        assert edges(both[0]) == edges(both[1])


# ---- budgets


@pytest.mark.parametrize("domain", [RealSpace(2), Box(-2, 2, dim=2)], ids=repr)
@pytest.mark.parametrize("bound", [1, 7, 60])
def test_a_budget_of_regions(domain: FlatDomain, bound: int) -> None:
    network = generic((2, 12, 10), 1)
    whole, part = cut(network, domain), cut(network, domain, Budget(regions=bound))
    assert len(whole) > 60
    assert (part.outcome, len(part)) == (Outcome.BUDGET_REACHED, bound)
    assert "stopped early" in part.evidence
    assert set(codes(part)) < set(codes(whole))
    check_regions(network, domain, part)
    assert part.pairs is not None
    index = {row.tobytes(): i for i, row in enumerate(whole.codes)}
    assert whole.pairs is not None
    true = {frozenset(pair) for pair in whole.pairs().tolist()}
    places = [index[row.tobytes()] for row in part.codes]
    found = {frozenset((places[a], places[b])) for a, b in part.pairs().tolist()}
    assert found == {pair for pair in true if pair <= set(places)}
    assert len(faces_of(part)[-1]) == bound


def test_a_budget_of_seconds_and_one_that_is_never_reached() -> None:
    network = generic((2, 12, 10), 1)
    late = cut(network, RealSpace(2), Budget(seconds=0))
    assert late.outcome is Outcome.BUDGET_REACHED
    assert 0 < len(late) < 100
    check_regions(network, RealSpace(2), late)
    whole = cut(network, RealSpace(2))
    for budget in (
        Budget(regions=len(whole)),
        Budget(seconds=3600),
        Budget(regions=10**9, seconds=3600),
    ):
        enough = cut(network, RealSpace(2), budget)
        assert enough.outcome is Outcome.COMPLETE
        assert codes(enough) == codes(whole)


def test_budgets_of_deep_networks_at_every_number() -> None:
    """Cells dropped in one layer leave none of their traces in the next."""
    network, domain = degenerate(10, 3), Box(-1, 1, dim=3)
    whole = cut(network, domain)
    assert len(whole) > 10
    for bound in range(1, len(whole)):
        part = cut(network, domain, Budget(regions=bound))
        assert (len(part), part.outcome) == (bound, Outcome.BUDGET_REACHED)
        assert set(codes(part)) < set(codes(whole))
        check_regions(network, domain, part)


def test_progress_is_told() -> None:
    seen = list[int]()
    cells = cut(generic((2, 8, 6), 1), RealSpace(2), progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) == 14
    assert seen[-1] == len(cells)


# ---- refusals and costs


def test_refusals() -> None:
    engine = Subdivision()
    assert engine.refusal(Problem(generic((2, 3)), RealSpace(2))) is None
    assert f"above {MAX_DIM}" in str(
        engine.refusal(Problem(generic((MAX_DIM + 1, 2)), RealSpace(MAX_DIM + 1)))
    )
    assert (
        engine.refusal(
            Problem(generic((MAX_DIM + 1, 2)), Line([0] * (MAX_DIM + 1), unit(MAX_DIM + 1, 0)))
        )
        is None
    )
    assert "norm" in str(
        engine.refusal(
            Problem(tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="rms"), RealSpace(3))
        )
    )
    assert "round" in str(engine.refusal(Problem(generic((2, 3)), Ball([0, 0], 1))))
    costs = [engine.cost(Problem(generic((d, 2)), RealSpace(d))) for d in range(1, MAX_DIM + 1)]
    assert costs == sorted(set(costs))


def test_the_cells_of_a_cube_of_two_to_the_d() -> None:
    """Coordinate hyperplanes: all codes, in every dimension up to the largest."""
    for dim in range(1, 7):
        rows = [[*unit(dim, i), 0] for i in range(dim)]
        assert sorted(map(tuple, cut(hidden(rows), RealSpace(dim)).bits.tolist())) == list(
            product((False, True), repeat=dim)
        )


def test_witnesses_are_short_and_quick_at_any_range() -> None:
    """Weights from 2^-1074 to 2^996 in R^4: the cube at infinity must be as large as 2^4000, and
    vertices have 5,000 digits.
    """
    generator = np.random.default_rng(0)
    sizes = [(8, 4), (8,), (1, 8)]
    weight, bias, out = (
        np.ldexp(generator.normal(size=size), generator.integers(-1074, 996, size=size))
        for size in sizes
    )
    network, started = tensors.mlp([(weight, bias), (out, None)]), time.process_time()
    found = partition_of(network, RealSpace(4), cut(network, RealSpace(4)))
    graph = found.graph()
    assert time.process_time() - started < 10
    assert len(graph) == 163
    assert {len(graph.nodes[i]["witness"]) for i in graph} == {4}
    assert all(network.code(region.witness) == region.code for region in found.regions)
    assert (
        max(
            max(x.numerator.bit_length(), x.denominator.bit_length())
            for r in found.regions
            for x in r.witness
        )
        < 2500
    )
