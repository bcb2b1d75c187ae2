"""A few hundred of the networks that `make fuzz` tries by the ten thousand; and a wrong engine is
noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from exact import partition
from exact.arithmetic.numbers import Rational
from exact.geometry.polyhedra.halfspace import homogeneous
from exact.regions.cells import Outcome
from exact.regions.engine import Job
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines.lp_tree import LPTree
from tests.laws import fuzz
from tests.laws.random_networks import HINGES
from tests.truths import engines

FIRST, BLOCKS, BLOCK = 1_000_000, 20, 20
"""Seeds that `make fuzz` does not try."""
CUBE = 1_000_010
"""A seed with several regions on a flat domain of dimension at least two."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_engines_agree_with_brute_force(block: int) -> None:
    seeds = range(FIRST + block * BLOCK, FIRST + (block + 1) * BLOCK)
    assert [found for found in map(fuzz.verdict, seeds) if found[1]] == []


def test_every_kind_of_job_is_tried() -> None:
    jobs = [fuzz.job(seed) for seed in range(FIRST, FIRST + BLOCKS * BLOCK)]
    kinds = {(type(domain).__name__, spec.input_dim) for spec, domain in jobs}
    assert {name for name, _ in kinds} == {
        "Box",
        "HPolytope",
        "RealSpace",
        "Plane",
        "Segment",
        "Ray",
        "Line",
    }
    assert {dim for name, dim in kinds if name == "HPolytope"} == {1, 2, 3}
    assert {len(spec.layers) for spec, _ in jobs} == {2, 3, 4}
    assert {layer.activation for spec, _ in jobs for layer in spec.layers} == set(HINGES)
    sizes = [
        len(partition(spec.network, domain, engine=fuzz.REFERENCE)) for spec, domain in jobs[:100]
    ]
    assert 0 in sizes  # a polyhedron without interior
    assert max(sizes) > 20


@pytest.mark.parametrize("engine", engines.ONE_LAYER)
def test_every_engine_is_tried(engine: str) -> None:
    jobs = (fuzz.job(seed) for seed in range(FIRST, FIRST + BLOCKS * BLOCK))
    assert sum(engines.takes(engine, spec.network, domain) for spec, domain in jobs) >= 60


def less_one(cells: FlatCells) -> FlatCells:
    return replace(cells, codes=cells.codes[:-1])


def flipped_bit(cells: FlatCells) -> FlatCells:
    codes = cells.codes.copy()
    codes[0, 0] ^= 128
    return replace(cells, codes=codes)


def far_witness(cells: FlatCells) -> FlatCells:
    dim = len(cells.witness(0)) - 1
    return replace(
        cells,
        witness=lambda i: homogeneous([Rational(10**9)] * dim) if i == 0 else cells.witness(i),
    )


def no_pairs(cells: FlatCells) -> FlatCells:
    return replace(cells, pairs=lambda: np.empty((0, 2), dtype=np.int64))


def unfinished(cells: FlatCells) -> FlatCells:
    return replace(cells, outcome=Outcome.BUDGET_REACHED)


@pytest.mark.parametrize("wrong", [less_one, flipped_bit, far_witness, no_pairs, unfinished])
def test_a_wrong_engine_is_noticed(wrong: Callable[[FlatCells], FlatCells]) -> None:
    true = LPTree.run

    def run(self: LPTree, job: Job) -> FlatCells:
        return wrong(true(self, job))

    assert fuzz.verdict(CUBE) == (CUBE, [])
    with mock.patch.object(LPTree, "run", run):
        assert fuzz.verdict(CUBE)[1] != []


def test_the_same_seed_is_the_same_job() -> None:
    for seed in range(50):
        first, second = fuzz.job(seed), fuzz.job(seed)
        assert (first[0], repr(first[1])) == (second[0], repr(second[1]))
