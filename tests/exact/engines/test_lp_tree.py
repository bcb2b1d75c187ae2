"""The LP tree: its cells, its proofs, its budget; against arrangements whose numbers are known by
formula.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial
from typing import Any

import numpy as np
import pytest

from exact import (
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
from exact.arithmetic.numbers import fractions
from exact.geometry.domains.base import FlatDomain
from exact.geometry.polyhedra.halfspace import affine
from exact.networks.layers import Block
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines import lp_tree
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.sources import tensors
from tests.exact.reference import dot, exact_code, integers, regions_of


def run(network: Network, domain: FlatDomain, budget: Budget | None = None) -> FlatCells:
    return LPTree().run(Job(Problem(network, domain), budget=budget or Budget()))


def hidden(rows: list[list[object]]) -> Network:
    return tensors.mlp(
        [([row[:-1] for row in rows], [row[-1] for row in rows]), ([[1] * len(rows)], [0])]
    )


def deep(seed: int, dim: int, hard: bool = False) -> Network:
    generator = np.random.default_rng(seed)
    widths = [dim, 4, 3, 2]
    layers = [
        Layer.of(
            integers(generator, (b, a)), integers(generator, b), HardTanh() if hard else ReLU()
        )
        for a, b in pairwise(widths)
    ]
    return Network((Block(tuple(layers)),))


DOMAINS: list[tuple[int, FlatDomain]] = [
    (1, RealSpace(1)),
    (2, RealSpace(2)),
    (2, Box(-1, [2, "1/3"])),
    (3, Plane([0, 1, 0], [1, 0, 2], [1, 1, 1])),
    (3, Plane([0, 1, 0], [1, 0, 2], [1, 1, 1], s=(-1, 1), t=(0, 2))),
    (3, Segment([-3, 1, 2], [2, -1, "1/2"])),
    (3, Box(-1, 1, dim=3)),
]


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(("dim", "domain"), DOMAINS, ids=lambda value: repr(value))
def test_cells_are_nonempty_different_and_true(dim: int, domain: FlatDomain, hard: bool) -> None:
    """Each witness lies strictly inside its own walls and the domain, and has the code of its
    cell.
    """
    network, flat = deep(dim + 10 * hard, dim, hard), domain.flat()
    cells = run(network, domain)
    assert cells.outcome is Outcome.COMPLETE
    assert len({row.tobytes() for row in cells.bits}) == len(cells.bits) > 3
    for bits, witness, walls in regions_of(cells):
        parameters = fractions(affine(witness))
        assert set(flat.walls) <= set(walls)
        assert all(dot(wall.coefficients, [*parameters, 1]) > 0 for wall in walls)
        code = exact_code(network, flat.ambient(witness)).replace("|", "")
        assert "".join(str(int(bit)) for bit in bits) == code


@pytest.mark.parametrize(("dim", "domain"), DOMAINS, ids=lambda value: repr(value))
def test_no_code_is_missing(dim: int, domain: FlatDomain) -> None:
    """The codes at many random points of the domain, ties left out."""
    network, flat = deep(dim, dim), domain.flat()
    known = {"".join(str(int(bit)) for bit in bits) for bits in run(network, domain).bits}
    generator = np.random.default_rng(0)
    seen = 0
    for _ in range(300):
        parameters = [Fraction(x, 9973) for x in integers(generator, flat.dim, 40_000)]
        if all(dot(wall.coefficients, [*parameters, 1]) > 0 for wall in flat.walls):
            seen += 1
            columns = zip(*map(fractions, flat.directions), strict=True)
            x = [
                o + dot(parameters, column)
                for o, column in zip(fractions(flat.origin), columns, strict=True)
            ]
            assert exact_code(network, x).replace("|", "") in known
    assert seen > 5


@pytest.mark.parametrize(("m", "d"), [(1, 1), (5, 1), (4, 2), (7, 2), (5, 3), (6, 4), (3, 5)])
def test_generic_planes_have_the_generic_number_of_cells(m: int, d: int) -> None:
    """Rows (1, t, t^2, ..., t^d) are in general position."""
    rows = [[Fraction(t) ** k for k in range(d + 1)] for t in range(1, m + 1)]
    assert len(run(hidden(rows), RealSpace(d)).bits) == sum(comb(m, i) for i in range(d + 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_braid_planes_have_the_orders_of_n_numbers(n: int) -> None:
    rows = [
        [*(int(k == i) - int(k == j) for k in range(n)), 0]
        for i in range(n)
        for j in range(i + 1, n)
    ]
    assert len(run(hidden(rows), RealSpace(n)).bits) == factorial(n)  # type: ignore[arg-type]


def test_evidence_counts_the_branches() -> None:
    """Each split adds one cell; a split is decided by a point on the hyperplane or by a point
    beyond it.
    """
    cells = run(hidden([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, -5], [0, 0, -1]]), RealSpace(2))
    on, beyond, closed = (
        int(re.findall(rf"(\d+) {words}", cells.evidence)[0])
        for words in ("by a point", "open", "closed")
    )
    assert len(cells.bits) == 9 == 1 + on + beyond
    assert (on > 0, closed > 0, "Farkas" in cells.evidence) == (True, True, True)


def test_parallel_lines_and_their_opposites() -> None:
    """What lies beyond x = 2 lies beyond x = 1, in every strip of y; three lines come twice."""
    rows = (
        [[1, 0, -k] for k in range(4)]
        + [[0, 1, -k] for k in range(4)]
        + [[-1, 0, k] for k in range(1, 4)]
    )
    cells = run(hidden(rows), RealSpace(2))  # type: ignore[arg-type]
    assert len(cells.bits) == 25
    assert len({row.tobytes() for row in cells.bits}) == 25


def test_a_budget_leaves_branches() -> None:
    network = hidden([[1, 0, 0], [0, 1, 0], [1, 1, -1]])
    part = run(network, RealSpace(2), Budget(regions=4))
    assert (part.outcome, len(part.bits)) == (Outcome.BUDGET_REACHED, 4)
    assert "unexplored" in part.evidence
    none = run(network, RealSpace(2), Budget(seconds=0))
    assert (none.outcome, none.bits.shape) == (Outcome.BUDGET_REACHED, (0, 3))


def test_progress_is_told() -> None:
    seen: list[int] = []
    partition(hidden([[1, 0], [1, -1]]), RealSpace(1), engine="lp_tree", progress=seen.append)
    assert seen == [0, 1, 2]


def test_layers_without_hinges_and_contradictory_walls() -> None:
    assert run(Network((Block((Layer.of([[1, 2]]),)),)), RealSpace(2)).bits.shape == (1, 0)


def test_refusals() -> None:
    normed = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="rms")
    assert "norm" in str(LPTree().refusal(Problem(normed, RealSpace(3))))
    assert "GreatCircle" in str(
        LPTree().refusal(Problem(deep(0, 3), GreatCircle([1, 0, 0], [0, 1, 0])))
    )
    assert LPTree().refusal(Problem(deep(0, 3), Line([0, 0, 0], [1, 1, 1]))) is None


def test_copies_and_opposites_need_no_programme() -> None:
    """Each of two lines four times: every bit follows from the first, in the layer and in the next
    one.
    """
    rows = [
        [1, 2, -1],
        [0, 1, 0],
        [2, 4, -2],
        [-1, -2, 1],
        [0, -3, 0],
        [0, 2, 0],
        [3, 6, -3],
        [0, 0, 1],
    ]
    second = [
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
        [-1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 3],
    ]
    network = tensors.mlp(
        [
            ([r[:2] for r in rows], [r[2] for r in rows]),
            ([r[:8] for r in second], [r[8] for r in second]),
            ([[1, 1, 1]], [0]),
        ]
    )
    cells = run(network, RealSpace(2))
    assert sorted("".join(map(str, row)) for row in cells.bits.astype(int).tolist()) == sorted(
        [f"{a}{b}{a}{1 - a}{1 - b}{b}{a}1{a}01" for a in (0, 1) for b in (0, 1)]
    )
    assert cells.decisions["exact"] == 0
    assert cells.decisions["interiors"] + cells.decisions["points"] == 3


def test_what_floats_cannot_tell_is_decided_in_rationals() -> None:
    """Kinks 2^-60 apart, a wedge of 2^-70, numbers beyond the range of floats; a sliver that no
    float point is in.
    """
    tiny, huge = Fraction(1, 2**60), Fraction(10) ** 400
    assert len(run(hidden([[1, 0], [1, -tiny], [1, -2 * tiny]]), RealSpace(1))) == 4
    assert len(run(hidden([[1, 0, 0], [1, tiny / 1024, 0], [0, 1, -1]]), RealSpace(2))) == 7
    assert len(run(hidden([[1, 0, -huge], [0, huge, 1], [1, 1, -(huge**2)]]), RealSpace(2))) == 7
    third = Fraction(1, 3)
    sliver = run(hidden([[1, -third], [1, -third - tiny / 2**20], [1, -1]]), RealSpace(1))
    assert len(sliver) == 4
    assert sliver.decisions["exact"] > 0
    for _, witness, walls in regions_of(sliver):
        assert all(dot(wall.coefficients, [*fractions(affine(witness)), 1]) > 0 for wall in walls)


def test_most_programmes_are_decided_in_floats() -> None:
    generator = np.random.default_rng(0)
    network = tensors.mlp(
        [
            (generator.normal(size=(b, a)), generator.normal(size=b))
            for a, b in ((4, 8), (8, 6), (6, 1))
        ]
    )
    cells = run(network, Box(-1, 1, dim=4))
    assert cells.decisions["filter"] > 20 * cells.decisions["exact"]
    assert (
        cells.decisions["filter"] + cells.decisions["exact"]
        == cells.decisions["interiors"] + cells.decisions["farkas"]
    )


def test_the_reach_of_a_domain_bounds_every_point_of_it() -> None:
    third = Fraction(1, 3)
    low, high = [-third, -7, Fraction(1, 10)], [Fraction(1, 7), 2, Fraction(3, 10)]
    found = lp_tree._reach(Box(low, high).flat())
    for bound, ends in zip(found, zip(low, high, strict=True), strict=True):
        most = max(abs(Fraction(end)) for end in ends)
        assert most <= Fraction(float(bound)) <= most * (1 + Fraction(1, 2**50))
    assert np.isinf(lp_tree._reach(RealSpace(2).flat())).all()
    assert np.isinf(lp_tree._reach(HPolytope([[1, 0, 1], [-1, 0, 1], [1, 1, 1]], 2).flat())[1])


@pytest.mark.parametrize("seed", range(3))
def test_pauses_between_hinges_change_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of the loop ends after one programme, in the middle of nodes as a rule."""
    network, box = deep(seed, 3), Box(-2, 2, dim=3)
    at_once, calls = run(network, box), list[int]()
    grow = lp_tree._Tree._subtree

    def noted(tree: lp_tree._Tree, *given: Any) -> Any:
        found = grow(tree, *given)
        calls.append(found.branches + found.closed)
        return found

    monkeypatch.setattr(lp_tree, "_WORK", 1e-9)
    monkeypatch.setattr(lp_tree._Tree, "_subtree", noted)
    paused = run(network, box)
    assert max(calls) == 1 and len(calls) > 2 * len(at_once.codes)
    assert paused.decisions == at_once.decisions

    def listed(cells: FlatCells) -> dict[bytes, Any]:
        return {code.tobytes(): cells.witness(i) for i, code in enumerate(cells.codes)}

    assert listed(paused) == listed(at_once)
