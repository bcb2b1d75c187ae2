"""`vertices`: one-layer arrangements against the LP tree, brute force, closed formulas and the
count without listing.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import comb, factorial
from typing import Any

import numpy as np
import pytest
import torch

from exact import (
    AbsoluteValue,
    Ball,
    Box,
    Budget,
    GreatCircle,
    HardTanh,
    HPolytope,
    Layer,
    Line,
    Network,
    Outcome,
    Plane,
    RealSpace,
    ReLU,
    Segment,
    partition,
)
from exact.arithmetic.linear_algebra import matrix, solve
from exact.arithmetic.numbers import Rational, fractions, rationals
from exact.geometry.arrangements import generic_coordinates, lowest_vertices, restriction
from exact.geometry.arrangements.arrangement import Essential, arrangement, essential
from exact.geometry.arrangements.lowest_vertices import LowestVertices, NotSimple
from exact.geometry.domains.base import FlatDomain
from exact.geometry.polyhedra.halfspace import Halfspace, is_farkas, is_inside
from exact.instruments.counting import region_count
from exact.kernels import arrangement as kernel
from exact.networks.layers import Block
from exact.propagation.cursor import first_layer
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines import vertices
from exact.regions.polytopes.engines.brute_force import BruteForce
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.regions.polytopes.engines.vertices import Vertices
from exact.sources import tensors
from tests.exact.reference import exact_code

Rows = Sequence[Sequence[Any]]


def hidden(rows: Rows, activation: Any = None) -> Network:
    """One hidden layer whose pre-activations are the rows: normal, then offset."""
    weight, bias = [list(row[:-1]) for row in rows], [row[-1] for row in rows]
    return tensors.mlp([(weight, bias), ([[1] * len(rows)], [0])], activation=activation)


def run(
    network: Network, domain: FlatDomain, budget: Budget | None = None, device: str = "cpu"
) -> FlatCells:
    return Vertices().run(Job(Problem(network, domain), device, budget or Budget()))


def codes(cells: FlatCells) -> list[bytes]:
    return sorted(row.tobytes() for row in cells.codes)


def edges(cells: FlatCells) -> set[frozenset[bytes]]:
    assert cells.pairs is not None
    return {frozenset(cells.codes[int(i)].tobytes() for i in pair) for pair in cells.pairs()}


def true_edges(network: Network, domain: FlatDomain, engine: str) -> set[frozenset[bytes]]:
    """Shared facets found by LPs, from the cells of another engine."""
    result = partition(network, domain, engine=engine)
    return {frozenset(result.codes[i].tobytes() for i in edge) for edge in result.graph().edges()}


def generic(seed: int, m: int, d: int, activation: Any = None) -> Network:
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(m, d)), generator.normal(size=m)
    return tensors.mlp([first, (np.ones((1, m)), [0.0])], activation=activation)


def integral(seed: int, m: int, d: int, largest: int, activation: Any = None) -> Network:
    generator = np.random.default_rng(seed)
    return hidden(generator.integers(-largest, largest + 1, size=(m, d + 1)).tolist(), activation)


def domains(d: int) -> list[FlatDomain]:
    return [
        RealSpace(d),
        Box(-1, 1, dim=d),
        Box(0, [2] * (d - 1) + ["1/3"]),
        HPolytope([[*[1] * d, 1]]),
        HPolytope([[*[1] * d, 1], [*[-1] * d, 3], [1, *[0] * d]]),
        HPolytope([[*[-1] * d, 1], *[[*(int(i == j) for j in range(d)), 0] for i in range(d)]]),
    ]


# ---- agreement with engines that share nothing with this one


@pytest.mark.parametrize("largest", [1, 2])
@pytest.mark.parametrize("seed", range(24))
def test_degenerate_layers_agree_with_the_lp_tree(seed: int, largest: int) -> None:
    """Small integers: concurrent, parallel, duplicate, opposite and zero rows; two breakpoints in
    every other case.
    """
    generator = np.random.default_rng(100 + seed)
    d, m = int(generator.integers(1, 4)), int(generator.integers(1, 7))
    network = integral(seed, m, d, largest, HardTanh() if seed % 2 else ReLU())
    domain = domains(d)[seed // 2 % 6]
    cells = run(network, domain)
    assert cells.outcome is Outcome.COMPLETE
    assert codes(cells) == codes(LPTree().run(Job(Problem(network, domain))))
    assert len(set(codes(cells))) == len(cells) == region_count(network, domain)
    assert edges(cells) == true_edges(network, domain, "lp_tree")


@pytest.mark.parametrize("seed", range(18))
def test_generic_layers_agree_with_the_lp_tree(seed: int) -> None:
    generator = np.random.default_rng(seed)
    d, m = int(generator.integers(1, 5)), int(generator.integers(1, 7))
    network, domain = (
        generic(seed, m, d, HardTanh() if seed % 3 == 1 else None),
        domains(d)[seed % 6],
    )
    cells = run(network, domain)
    assert codes(cells) == codes(LPTree().run(Job(Problem(network, domain))))
    if d < 4:
        assert edges(cells) == true_edges(network, domain, "lp_tree")


@pytest.mark.parametrize("seed", range(10))
def test_brute_force_agrees(seed: int) -> None:
    network, domain = integral(50 + seed, 5, 2, 2, AbsoluteValue()), domains(2)[seed % 6]
    assert codes(run(network, domain)) == codes(BruteForce().run(Job(Problem(network, domain))))


@pytest.mark.parametrize("seed", range(12))
def test_float_weights_through_common_points(seed: int) -> None:
    """Long coefficients and crowded vertices: their local arrangements are enumerated on their
    own.
    """
    generator = np.random.default_rng(seed)
    d, m, kept = (
        int(generator.integers(2, 4)),
        int(generator.integers(3, 8)),
        int(generator.integers(0, 3)),
    )
    weight = [[Fraction(float(x)) for x in row] for row in generator.normal(size=(m, d))]
    point = [Fraction(int(x), 2) for x in generator.integers(-2, 3, size=d)]
    bias = [-sum(w * x for w, x in zip(row, point, strict=True)) for row in weight]
    bias[:kept] = [x + 1 for x in bias[:kept]]
    network = hidden([[*row, b] for row, b in zip(weight, bias, strict=True)])
    for domain in (RealSpace(d), Box(-1, 1, dim=d), Box(-2, 1, dim=d)):
        assert codes(run(network, domain)) == codes(LPTree().run(Job(Problem(network, domain))))


@pytest.mark.parametrize(
    ("dim", "domain"),
    [
        (3, Plane([0, 1, 0], [1, 0, 2], [1, 1, 1])),
        (3, Plane([0, 1, 0], [1, 0, 2], [1, 1, 1], s=(-1, 1), t=(0, 2))),
        (3, Segment([-3, 1, 2], [2, -1, "1/2"])),
        (3, Line([0, 0, 0], [1, 1, 1])),
    ],
    ids=repr,
)
def test_slices(dim: int, domain: FlatDomain) -> None:
    for network in (integral(1, 6, dim, 2), generic(2, 6, dim, HardTanh())):
        assert codes(run(network, domain)) == codes(LPTree().run(Job(Problem(network, domain))))


def test_an_affine_layer_before_and_a_skip_connection() -> None:
    bent = Layer.of([[1, 1], [1, -1], [2, 1]], [0, 1, "1/2"], ReLU())
    hinged = Block((Layer.of([[1, 2], [0, 1]]), bent, Layer.of([[1, 0, 1], [0, 1, 1]])))
    network = Network((Block((Layer.of([[1, 0], [3, 1]]),), residual=True), hinged))
    for domain in (RealSpace(2), Box(-1, 1, dim=2)):
        assert codes(run(network, domain)) == codes(LPTree().run(Job(Problem(network, domain))))


# ---- numbers known by formula


@pytest.mark.parametrize(("m", "d"), [(1, 1), (6, 1), (6, 2), (9, 3), (9, 4), (12, 5), (3, 5)])
def test_generic_hyperplanes(m: int, d: int) -> None:
    cells = run(generic(m, m, d), RealSpace(d))
    assert len(cells) == len(set(codes(cells))) == sum(comb(m, i) for i in range(d + 1))


@pytest.mark.parametrize(("m", "d"), [(5, 2), (7, 3), (8, 4)])
def test_central_generic_hyperplanes(m: int, d: int) -> None:
    """Without bias only the spherical half is enumerated, and every code comes with its
    opposite.
    """
    generator = np.random.default_rng(d)
    cells = run(hidden([[*row, 0] for row in generator.normal(size=(m, d)).tolist()]), RealSpace(d))
    assert len(cells) == len(set(codes(cells))) == 2 * sum(comb(m - 1, i) for i in range(d))
    opposite = np.packbits(~cells.bits, axis=1)
    assert sorted(row.tobytes() for row in opposite) == codes(cells)


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_braid(n: int) -> None:
    rows = [
        [*(int(k == i) - int(k == j) for k in range(n)), 0]
        for i in range(n)
        for j in range(i + 1, n)
    ]
    assert len(run(hidden(rows), RealSpace(n))) == factorial(n)


@pytest.mark.parametrize(("n", "count"), [(2, 14), (3, 104), (4, 1882)])
def test_linear_threshold_functions(n: int, count: int) -> None:
    assert (
        len(run(hidden([[1, *signs, 0] for signs in product((-1, 1), repeat=n)]), RealSpace(n + 1)))
        == count
    )


@pytest.mark.parametrize(("n", "count"), [(3, 32), (4, 370), (5, 11292)])
def test_resonance(n: int, count: int) -> None:
    assert (
        len(
            run(
                hidden([[*bits, 0] for bits in product((0, 1), repeat=n) if any(bits)]),
                RealSpace(n),
            )
        )
        == count
    )


def test_boolean_and_grid() -> None:
    assert (
        len(run(hidden([[*(int(i == j) for j in range(10)), 0] for i in range(10)]), RealSpace(10)))
        == 2**10
    )
    grid = [[*(int(i == j) for j in range(3)), -k] for i in range(3) for k in range(4)]
    assert len(run(hidden(grid), RealSpace(3))) == 5**3


def test_hyperplanes_nearer_than_a_float_can_tell() -> None:
    """Kinks at 0 and 2^-60, and three lines that miss a common point by 2^-60: floats abstain,
    integers decide.
    """
    tiny = Fraction(1, 2**60)
    assert len(run(hidden([[1, 0], [1, -tiny]]), RealSpace(1))) == 3
    lines = [["1", "0", "-1/3"], ["0", "1", "-1/7"]]
    missing = run(hidden([*lines, ["1", "1", Fraction(-10, 21) - tiny]]), RealSpace(2))
    assert (len(missing), len(run(hidden([*lines, ["1", "1", "-10/21"]]), RealSpace(2)))) == (7, 6)
    assert missing.decisions["exact"] >= 3
    near = hidden([[1, 0, 0], [0, 1, 0], [1, 1, -tiny], [1, -1, 0], [1, 2, 1]])
    for domain in (RealSpace(2), Box(-1, 1, dim=2)):
        assert codes(run(near, domain)) == codes(LPTree().run(Job(Problem(near, domain))))


@pytest.mark.parametrize("tiny", [Fraction(1, 2**70), Fraction(-1, 2**70)])
def test_edges_that_hardly_rise(tiny: Fraction) -> None:
    """The height is a combination of three normals with a coefficient of 2^-70: the side it decides
    is not guessed.
    """
    first, second = (
        [Fraction(1, 3), Fraction(2, 7), Fraction(-5, 11)],
        [Fraction(1, 9), Fraction(-3, 7), Fraction(4, 13)],
    )
    third = [
        Fraction(int(k == 0)) + Fraction(5, 3) * b + tiny * a
        for k, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    turn = generic_coordinates.generic_map(3)
    back = matrix([[Rational(turn[i][j]) for i in range(3)] for j in range(3)], 3)
    rows = [fractions(solve(back, rationals(row)) or ()) for row in (first, second, third)]
    network = hidden([[*row, b] for row, b in zip(rows, (1, Fraction(1, 3), -2), strict=True)])
    cells = run(network, RealSpace(3))
    assert (len(cells), len(set(codes(cells)))) == (8, 8)
    network = hidden(
        [[*row, b] for row, b in zip([*rows, rows[0]], (1, Fraction(1, 3), -2, 5), strict=True)]
    )
    cells = run(network, RealSpace(3))
    assert codes(cells) == codes(LPTree().run(Job(Problem(network, RealSpace(3)))))
    assert cells.decisions["exact"] > 1


@pytest.mark.parametrize("beyond", [0, Fraction(1, 2**70), Fraction(-1, 2**70)])
def test_a_crowded_vertex_on_or_hardly_beside_a_wall(beyond: Fraction) -> None:
    point = [1 + beyond, Fraction(1, 3)]
    normals = [
        [Fraction(float(x)) for x in row] for row in np.random.default_rng(1).normal(size=(5, 2))
    ]
    network = hidden(
        [[*row, -sum(a * x for a, x in zip(row, point, strict=True))] for row in normals]
    )
    box = Box(-1, 1, dim=2)
    assert codes(run(network, box)) == codes(LPTree().run(Job(Problem(network, box))))


# ---- empty things


def test_no_neuron_no_hinge_and_constant_rows() -> None:
    affine = Network((Block((Layer.of([[1, 2]]),)),))
    assert run(affine, RealSpace(2)).codes.shape == (1, 0)
    assert len(run(affine, Ball([0, 0], 1))) == len(run(affine, Box(-1, 1, dim=2))) == 1
    constant = hidden([[0, 0, 1], [0, 0, -1], [0, 0, 0], [1, 0, 0], [-2, 0, 0]])
    assert sorted(run(constant, RealSpace(2)).bits.astype(int).tolist()) == [
        [1, 0, 0, 0, 1],
        [1, 0, 0, 1, 0],
    ]


@pytest.mark.parametrize(
    "rows", [[[1, 0, 0], [-1, 0, -1]], [[1, 1, -1], [-1, 0, 0], [0, -1, 0]], [[0, 0, -1]]]
)
def test_an_empty_domain_has_no_region_and_a_proof(rows: Rows) -> None:
    domain = HPolytope(rows)
    cells = run(generic(0, 4, 2), domain)
    assert (len(cells), cells.outcome) == (0, Outcome.COMPLETE)
    assert cells.empty is not None
    walls = domain.flat().walls
    assert is_farkas([walls[i] for i in cells.empty.rows], cells.empty.multipliers, 2)
    with pytest.raises(IndexError):
        cells.witness(0)


def test_walls_of_the_domain_may_be_hyperplanes_of_the_layer() -> None:
    network = hidden([[1, 0, 1], [-1, 0, 1], [-1, 0, -1], [1, 0, 0], [0, 1, -1]])
    box = Box(-1, 1, dim=2)
    cells = run(network, box)
    assert codes(cells) == codes(LPTree().run(Job(Problem(network, box))))
    assert len(cells) == 2


# ---- witnesses, walls, order


@pytest.mark.parametrize(
    ("network", "domain"),
    [
        (generic(3, 7, 3), RealSpace(3)),
        (generic(4, 6, 3, HardTanh()), Box(-1, 1, dim=3)),
        (integral(5, 9, 3, 2), RealSpace(3)),
        (integral(6, 9, 3, 2), Box(-1, 1, dim=3)),
        (hidden([[1, *signs, 0, 0] for signs in product((-1, 1), repeat=3)]), RealSpace(5)),
        (hidden([[1, 0, 0, -1], [0, 1, 0, -2], [1, 1, 0, -3], [1, -1, 0, 1]]), RealSpace(3)),
        (integral(7, 8, 3, 2, HardTanh()), Ball([0, "1/2", 0], "5/3")),
    ],
)
def test_witnesses_lie_in_their_cells(network: Network, domain: FlatDomain) -> None:
    cells, flat = run(network, domain), domain.flat()
    assert len(cells) > 5
    for index in range(len(cells)):
        point = cells.witness(index)
        assert domain.contains(point)
        assert cells.walls is not None
        assert is_inside(cells.walls(index), point)
        assert "".join(str(int(b)) for b in cells.bits[index]) == exact_code(
            network, flat.ambient(point)
        ).replace("|", "")


def test_witnesses_of_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vertices, "_BLOCK", 3)
    central = [[1, *signs, 0] for signs in product((-1, 1), repeat=3)]
    for rows in (central, [[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 2, 1], [1, 1, 1]]):
        cells = run(hidden(rows), RealSpace(len(rows[0]) - 1))
        assert all(is_inside(cells.walls(i), cells.witness(i)) for i in range(len(cells)))  # type: ignore[misc]


def test_block_size_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    network, domain = generic(1, 9, 4, HardTanh()), Box(-1, 1, dim=4)
    before = run(network, domain)
    monkeypatch.setattr(lowest_vertices, "_BLOCK", {"cpu": 400})
    after = run(network, domain)
    assert codes(before) == codes(after)
    assert before.decisions == after.decisions


def test_the_filter_never_decides_what_integers_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every sign in doubt the same cells come from integers alone."""
    network = generic(2, 6, 3)
    before = run(network, RealSpace(3))
    monkeypatch.setattr(lowest_vertices, "_INFLATE", float("inf"))
    after = run(network, RealSpace(3))
    assert codes(before) == codes(after)
    assert (after.decisions["filter"], after.decisions["exact"]) == (0, len(after))


def test_radii_cover_the_error() -> None:
    """Tableau entries against rational elimination, on rows that nearly cancel."""
    generator = np.random.default_rng(0)
    base = generator.normal(size=(1, 4))
    rows = base + generator.normal(size=(7, 4)) * 2.0**-20
    network = hidden(rows.tolist())
    given = essential(arrangement(first_layer(network, RealSpace(3).flat()), (), 3))
    engine = LowestVertices(given, "cpu")
    for tableau, _ in engine._lines(3):
        for b, (i, j) in enumerate(tableau.chosen.tolist()):
            for k in range(7):
                if k in (i, j):
                    continue
                alpha, beta = _eliminated(engine.rows, (i, j), k)
                scale = [
                    Fraction(1, 1 << max(map(abs, engine.rows[r])).bit_length()) for r in (i, j, k)
                ]
                for entry, exact in ((0, alpha * scale[2]), (1, beta * scale[2])):
                    error = abs(Fraction(float(tableau.mid[b, k, entry])) - exact)
                    assert error <= Fraction(float(tableau.rad[b, k, entry]))


def _eliminated(rows: Rows, chosen: tuple[int, int], k: int) -> tuple[Fraction, Fraction]:
    """Coefficients of row k over (height, 1) on the line of two others: row layout is (offset,
    height, rest).
    """
    table = [[Fraction(int(x)) for x in rows[r]] for r in (*chosen, k)]
    for step, column in enumerate((2, 3)):
        if table[step][column] == 0:
            table[step], table[1] = table[1], table[step]
        for r in range(step + 1, 3):
            factor = table[r][column] / table[step][column]
            table[r] = [x - factor * y for x, y in zip(table[r], table[step], strict=True)]
    return table[2][1], table[2][0]


# ---- simple or not


def test_a_degenerate_arrangement_is_recognised() -> None:
    concurrent = hidden([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, -5]])
    given = essential(arrangement(first_layer(concurrent, RealSpace(2).flat()), (), 2))
    with pytest.raises(NotSimple):
        list(LowestVertices(given, "cpu").blocks())
    assert "deletion and restriction" in run(concurrent, RealSpace(2)).evidence


def test_parallel_families_count_as_simple() -> None:
    cells = run(generic(3, 5, 3, HardTanh()), RealSpace(3))
    assert "lowest point" in cells.evidence
    assert len(cells) == sum(comb(5, i) * 2**i for i in range(4))


def test_what_a_kernel_cannot_certify_is_done_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    network = integral(3, 7, 3, 1)
    expected = codes(run(network, RealSpace(3)))

    def refuse(*_: object) -> None:
        raise restriction.NotCertified

    monkeypatch.setattr(vertices, "swept", refuse)
    assert codes(run(network, RealSpace(3))) == expected
    assert codes(run(network, Box(-1, 1, dim=3))) == codes(
        LPTree().run(Job(Problem(network, Box(-1, 1, dim=3))))
    )


def test_coefficients_that_outgrow_64_bits() -> None:
    """Concurrent planes with coefficients near 2^30: restriction overflows, and something else
    answers.
    """
    generator = np.random.default_rng(5)
    concurrent = [[*row, 0] for row in generator.integers(-(2**30), 2**30, size=(5, 3)).tolist()]
    network = hidden([*concurrent, [1, 0, 0, 5], [1, 1, 0, 5]])
    assert codes(run(network, RealSpace(3))) == codes(
        LPTree().run(Job(Problem(network, RealSpace(3))))
    )


def test_the_kernel_says_when_coefficients_grow_too_long() -> None:
    rows = np.array([[2**30, 1, 3], [1, 2**30, 5], [7, 2**30, 5]], dtype=np.int64)
    assert kernel.restricted(rows, 2, rows[2], 1)[1] == kernel.OVERFLOW
    short, status = kernel.restricted(rows // 2**15, 2, rows[2] // 2**15, 1)
    assert (short.tolist(), status) == ([[1, 0], [0, 0]], kernel.OK)


def test_the_kernel_says_when_a_witness_lies_on_the_hyperplane_of_an_uncut_cell() -> None:
    rows, nothing = np.array([[2, 0, -1]], dtype=np.int64), np.zeros(0, dtype=np.int64)
    facets = np.zeros((0, 1), dtype=np.uint64), np.zeros((0, 1))
    for x, status in ((0.5, kernel.UNCERTAIN), (0.75, kernel.OK)):
        cells = np.zeros((2, 1), dtype=np.uint64), np.array([[x, 0.0], [0.0, 0.0]])
        assert (
            kernel.insert(rows, nothing, 0, False, *cells, 1, *facets, 0, np.zeros(1, np.int64))[1]
            == status
        )


def test_more_hyperplanes_than_fit_in_a_word() -> None:
    """Over 64 distinct lines, many of them concurrent: several words per code, in the sweep and in
    the pairs.
    """
    network = integral(9, 110, 2, 4)
    cells = run(network, RealSpace(2))
    given = arrangement(first_layer(network, RealSpace(2).flat()), (), 2)
    assert len(given.planes) > 64
    assert "deletion and restriction" in cells.evidence
    assert len(cells) == len(set(codes(cells))) == region_count(network, RealSpace(2))
    assert cells.pairs is not None
    pairs = cells.pairs()
    changed = cells.bits[pairs[:, 0]] ^ cells.bits[pairs[:, 1]]
    lines = {tuple(given.plane == k) for k in range(len(given.planes))}
    assert {tuple(row) for row in changed.tolist()} == {
        tuple(bool(x) for x in line) for line in lines
    }
    assert len(pairs) == sum(_pieces(given.planes, k) for k in range(len(given.planes)))


def _pieces(planes: Sequence[Halfspace], k: int) -> int:
    """Into how many pieces the other lines cut line k."""
    cuts = {other.restrict(planes[k]) for i, other in enumerate(planes) if i != k}
    return 1 + len({Fraction(-cut.offset, cut.normal[0]) for cut in cuts if not cut.is_constant})


# ---- budgets, refusals


CENTRAL = hidden([[*row, 0] for row in product((-1, 1), repeat=3)])


@pytest.mark.parametrize("network", [generic(0, 9, 3), integral(0, 9, 3, 2), CENTRAL])
@pytest.mark.parametrize(
    "domain", [RealSpace(3), Box(-1, 1, dim=3), Ball([0, "1/3", 0], 1)], ids=repr
)
def test_budgets(network: Network, domain: FlatDomain) -> None:
    whole = run(network, domain)
    part = run(network, domain, Budget(regions=5))
    assert (part.outcome, len(part), len(set(codes(part)))) == (Outcome.BUDGET_REACHED, 5, 5)
    assert set(codes(part)) <= set(codes(whole))
    assert "stopped early" in part.evidence
    assert all(is_inside(part.walls(i), part.witness(i)) for i in range(5))  # type: ignore[misc]
    none = run(network, domain, Budget(seconds=0))
    assert none.outcome is Outcome.BUDGET_REACHED
    assert set(codes(none)) <= set(codes(whole))
    assert len(none) <= 1
    exactly = run(network, domain, Budget(regions=len(whole)))
    assert (exactly.outcome, codes(exactly)) == (Outcome.COMPLETE, codes(whole))


def test_progress_is_told() -> None:
    """From zero on, and again when a degenerate layer makes the engine change its method."""
    for network, restarts in ((generic(0, 8, 3), 0), (integral(0, 8, 3, 2), 1)):
        seen: list[int] = []
        found = len(Vertices().run(Job(Problem(network, RealSpace(3)), progress=seen.append)))
        assert sum(b < a for a, b in pairwise(seen)) <= restarts
        assert seen[0] == 0 < max(seen) <= found


def test_refusals() -> None:
    engine, deep = Vertices(), tensors.mlp([([[1, 2]], [0]), ([[1]], [0]), ([[1]], [0])])
    assert "2" in str(engine.refusal(Problem(deep, RealSpace(2))))
    normed = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="rms")
    assert "norm" in str(engine.refusal(Problem(normed, RealSpace(3))))
    assert "norm" in str(engine.refusal(Problem(normed, Ball([0, 0, 0], 1))))
    assert "flat domains" in str(
        engine.refusal(Problem(generic(0, 2, 3), GreatCircle([1, 0, 0], [0, 1, 0])))
    )
    assert engine.refusal(Problem(generic(0, 2, 3), Ball([0, 0, 0], 1))) is None
    assert "round" in str(LPTree().refusal(Problem(generic(0, 2, 3), Ball([0, 0, 0], 1))))


# ---- balls


@pytest.mark.parametrize("seed", range(16))
def test_cells_in_a_ball(seed: int) -> None:
    """Every sampled code is found, and the number is that of the count without listing."""
    generator = np.random.default_rng(seed)
    d, m = int(generator.integers(1, 4)), int(generator.integers(1, 8))
    network = (
        integral(seed, m, d, 2, HardTanh() if seed % 2 else None)
        if seed % 4
        else generic(seed, m, d)
    )
    ball = Ball(
        [Fraction(int(x), 2) for x in generator.integers(-2, 3, size=d)],
        Fraction(int(generator.integers(1, 9)), 3),
    )
    cells = run(network, ball)
    assert len(cells) == len(set(codes(cells))) == region_count(network, ball)
    directions = generator.normal(size=(5000, d))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    radius = float(fractions([ball.radius_squared])[0]) ** 0.5
    middle = np.array([float(c) for c in fractions(ball.centre)])
    x = middle + directions * generator.random((5000, 1)) ** (1 / d) * radius
    layer = network.blocks[0].layers[0]
    z = x @ layer.weight.float64().T + layer.bias.float64().T
    bends = [float(t) for t in fractions(layer.activation.breakpoints)]
    seen = np.packbits((z[:, :, None] > np.array(bends)).reshape(len(z), -1), axis=1)
    assert {row.tobytes() for row in seen} <= set(codes(cells))


def test_a_ball_counts_only_what_it_meets() -> None:
    """Lines x = 1, y = 1 and x + y = 2 concern the disc of radius r by r^2 against 1 and 2."""
    network = hidden([[1, 0, -1], [0, 1, -1], [1, 1, -2]])
    assert [len(run(network, Ball([0, 0], square))) for square in (1, "3/2", 2, "5/2")] == [
        1,
        3,
        3,
        6,
    ]
    cube = hidden([[*(int(i == j) for j in range(3)), s] for i in range(3) for s in (-1, 1)])
    assert [len(run(cube, Ball([0, 0, 0], square))) for square in (1, 2, 3, 4)] == [1, 7, 19, 27]
    tiny = Fraction(1, 2**60)
    assert [len(run(network, Ball([0, 0], 1 + x))) for x in (-tiny, 0, tiny)] == [1, 1, 3]


@pytest.mark.gpu
def test_a_gpu_finds_the_same_cells() -> None:
    network = generic(0, 24, 4)
    assert torch.cuda.is_available()
    assert codes(run(network, RealSpace(4), device="cuda")) == codes(run(network, RealSpace(4)))


def test_generic_map_is_invertible_and_fixed() -> None:
    for dim in range(1, 7):
        rows = generic_coordinates.generic_map(dim)
        assert rows == generic_coordinates.generic_map(dim)
        assert abs(np.linalg.det(np.array(rows, dtype=float))) > 0.5


def test_a_level_below_is_dropped_when_nothing_needs_it() -> None:
    given = essential(
        arrangement(first_layer(hidden([[1, 2, 0, 3], [2, 4, 0, 1]]), RealSpace(3).flat()), (), 3)
    )
    assert isinstance(given, Essential)
    assert (given.dim, given.planes) == (1, 2)


def test_a_sweep_that_gives_up_leaves_the_layer_to_the_next_method(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three lines through a point and one beside it; without the sweep the crowded point is
    enumerated on its own.
    """

    def give_up(*_: object) -> None:
        raise vertices.NotCertified

    network, domain = hidden([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 3]]), RealSpace(2)
    expected = {row.tobytes() for row in LPTree().run(Job(Problem(network, domain))).codes}
    monkeypatch.setattr(vertices, "swept", give_up)
    cells = Vertices().run(Job(Problem(network, domain)))
    assert {row.tobytes() for row in cells.codes} == expected
    assert "enumerated there, at 1 points" in cells.evidence
