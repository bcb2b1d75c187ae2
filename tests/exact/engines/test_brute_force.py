"""The oracle itself: against float LPs over all sign vectors, and where it refuses."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from exact import (
    Box,
    Budget,
    GreatCircle,
    HardTanh,
    Layer,
    Network,
    Outcome,
    RealSpace,
    ReLU,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import fractions
from exact.geometry.domains.base import FlatDomain
from exact.geometry.polyhedra.halfspace import affine
from exact.networks.layers import Block
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.engines.brute_force import MAX_BITS, BruteForce
from exact.sources import tensors
from tests.exact.reference import exact_code, integers, regions_of


def hidden(rows: Any) -> Network:
    return tensors.mlp(
        [([row[:-1] for row in rows], [row[-1] for row in rows]), ([[1] * len(rows)], [0])]
    )


def codes(network: Network, domain: FlatDomain) -> set[str]:
    cells = BruteForce().run(Job(Problem(network, domain)))
    assert cells.outcome is Outcome.COMPLETE
    return {"".join(str(int(bit)) for bit in bits) for bits in cells.bits}


def by_float_lps(rows: list[list[int]], bound: float | None) -> set[str]:
    """Sign vectors whose open cell has an inner radius above 1e-7 (small integer rows have no
    thinner cells).
    """
    found, table = set(), np.array(rows, dtype=float)
    dim = table.shape[1] - 1
    lengths = np.linalg.norm(table[:, :-1], axis=1)
    for signs in product((-1, 1), repeat=len(rows)):
        s = np.array(signs)
        a = np.hstack([-s[:, None] * table[:, :-1], lengths[:, None]])
        span = (None, None) if bound is None else (-bound, bound)
        result = linprog(
            [0] * dim + [-1], A_ub=a, b_ub=s * table[:, -1], bounds=[span] * dim + [(None, 1)]
        )
        if result.status == 0 and result.x[-1] > 1e-7:
            found.add("".join("1" if x > 0 else "0" for x in signs))
    return found


@pytest.mark.parametrize("bound", [None, 1.0])
@pytest.mark.parametrize(("dim", "seed"), [(1, 0), (2, 1), (2, 2), (3, 3)])
def test_against_float_programmes(dim: int, seed: int, bound: float | None) -> None:
    rows = [row for row in integers(np.random.default_rng(seed), (7, dim + 1), 3) if any(row[:-1])][
        :6
    ]
    domain: FlatDomain = RealSpace(dim) if bound is None else Box(-1, 1, dim=dim)
    assert codes(hidden(rows), domain) == by_float_lps(rows, bound)


@pytest.mark.parametrize("hard", [False, True])
def test_deep_cells_are_true(hard: bool) -> None:
    generator = np.random.default_rng(5)
    layers = [
        Layer.of(
            integers(generator, (3, 2)), integers(generator, 3), HardTanh() if hard else ReLU()
        ),
        Layer.of(integers(generator, (3, 3)), integers(generator, 3), ReLU()),
    ]
    network = Network((Block(tuple(layers)),))
    cells = BruteForce().run(Job(Problem(network, Box(-2, 3, dim=2))))
    for bits, witness, walls in regions_of(cells):
        x = fractions(affine(witness))
        assert exact_code(network, x).replace("|", "") == "".join(str(int(bit)) for bit in bits)
        assert all(-2 < v < 3 for v in x)
        assert all(
            sum(a * b for a, b in zip(wall.coefficients, (*x, 1), strict=True)) > 0
            for wall in walls
        )
    assert len({row.tobytes() for row in cells.bits}) == len(cells.bits) > 5


def test_ties_and_constants() -> None:
    assert codes(
        hidden([[0, 0, 1], [0, 0, 0], [0, 0, -1], [1, 0, 0], [-2, 0, 0]]), RealSpace(2)
    ) == {"10010", "10001"}
    assert codes(hidden([[1, Fraction(-1, 2**200)], [1, 0]]), RealSpace(1)) == {"00", "01", "11"}


def test_it_refuses_large_jobs_by_their_numbers() -> None:
    wide = hidden([[1, k] for k in range(MAX_BITS + 1)])
    assert "15 bits, more than 14" in str(BruteForce().refusal(Problem(wide, RealSpace(1))))
    with pytest.raises(Unsupported, match="15 bits"):
        partition(wide, RealSpace(1), engine="brute_force")
    many = hidden([[int(i == j) for j in range(9)] + [0] for i in range(9)])
    assert f"{comb(18 + 9 + 1, 9)} subsets" in str(
        BruteForce().refusal(Problem(many, Box(-1, 1, dim=9)))
    )
    assert (
        BruteForce().refusal(Problem(hidden([[1, k] for k in range(MAX_BITS)]), RealSpace(1)))
        is None
    )


def test_it_refuses_norms_and_curves() -> None:
    normed = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="rms")
    assert "norm" in str(BruteForce().refusal(Problem(normed, RealSpace(3))))
    assert "GreatCircle" in str(
        BruteForce().refusal(Problem(hidden([[1, 0, 0]]), GreatCircle([1, 0], [0, 1])))
    )


def test_it_runs_only_on_request() -> None:
    assert partition(hidden([[1, 0]]), RealSpace(1)).engine != "brute_force"
    assert partition(hidden([[1, 0]]), RealSpace(1), engine="brute_force").engine == "brute_force"


@pytest.mark.parametrize("budget", [Budget(regions=3), Budget(seconds=0)])
def test_a_budget_ends_it(budget: Budget) -> None:
    network = hidden([[1, 0, 0], [0, 1, 0], [1, 1, -1]])
    cells = BruteForce().run(Job(Problem(network, RealSpace(2)), budget=budget))
    assert cells.outcome is Outcome.BUDGET_REACHED
    assert len(cells) == (budget.regions or 0)
    assert (
        BruteForce().run(Job(Problem(network, RealSpace(2)), budget=Budget(regions=8))).outcome
        is Outcome.COMPLETE
    )
