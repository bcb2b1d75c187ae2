"""Some of the spheres that `make fuzz` tries by the thousand; and a wrong engine is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from unittest import mock

import numpy as np
import pytest

from exact.partition import partition
from exact.regions.cells import Outcome
from exact.regions.engine import Engine, Job, Problem
from exact.regions.spheres.cells import SphereCells, SphereCodes
from exact.regions.spheres.engines.small_circles import SmallCircles
from exact.regions.spheres.engines.sphere_polytopes import SpherePolytopes
from tests.laws import fuzz_spheres
from tests.truths import engines

FIRST, BLOCKS, BLOCK = 1_000_000, 4, 10
"""Seeds that `make fuzz` does not try."""


@cache
def jobs() -> list[fuzz_spheres.SphereSpec]:
    return [fuzz_spheres.job(seed) for seed in range(FIRST, FIRST + BLOCKS * BLOCK)]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_engines_agree_with_the_oracle(block: int) -> None:
    seeds = range(FIRST + block * BLOCK, FIRST + (block + 1) * BLOCK)
    assert [found for found in map(fuzz_spheres.verdict, seeds) if found[1]] == []


@pytest.mark.parametrize("seed", [20_336, 20_481])
def test_planes_that_touch_where_a_bare_circle_is_read(seed: int) -> None:
    """A plane touches the sphere at the point of another circle from which angles are counted."""
    assert fuzz_spheres.verdict(seed)[1] == []


def test_every_kind_of_sphere_is_tried() -> None:
    assert min(Counter(job.truth.norm for job in jobs()).values()) >= 8
    assert {job.truth.sphere_dim for job in jobs()} == {2, 3}
    assert {len(job.span or ()) for job in jobs()} == {0, 3}
    assert {len(job.truth.layers) for job in jobs()} == {1, 2, 3}
    assert {job.truth.gain is None for job in jobs()} == {True, False}
    sizes = [job.opinion.counts for job in jobs()[:20] if job.opinion.counts is not None]
    assert max(size["components"] for size in sizes) > 1
    assert max(size["cells"] - size["codes"] for size in sizes) > 0


@pytest.mark.parametrize("engine", engines.ON_SPHERES)
def test_every_engine_is_tried(engine: str) -> None:
    assert sum(engines.takes(engine, job.network, job.domain) for job in jobs()) >= 10


@cache
def job_for(engine: Engine) -> fuzz_spheres.SphereSpec:
    """A job of one layer on a 2-sphere with several circles that meet."""
    for job in jobs():
        if (
            engine.refusal(Problem(job.network, job.domain)) is None
            and (job.opinion.counts or {}).get("vertices", 0) > 4
        ):
            return job
    raise AssertionError(engine.name)


def wrong_root(cells: SphereCells) -> SphereCells:
    return replace(cells, root=~cells.root)


def swapped_sides(cells: SphereCells) -> SphereCells:
    sides = cells.complex.arc_sides.copy()
    sides[0], sides[-1] = sides[-1].copy(), sides[0].copy()
    return replace(cells, complex=replace(cells.complex, arc_sides=sides))


def one_vertex_less(cells: SphereCells) -> SphereCells:
    return replace(
        cells, complex=replace(cells.complex, vertex_count=cells.complex.vertex_count - 1)
    )


def one_component_more(cells: SphereCells) -> SphereCells:
    return replace(cells, complex=replace(cells.complex, components=cells.complex.components + 1))


def unfinished(cells: SphereCells) -> SphereCells:
    return replace(cells, outcome=Outcome.BUDGET_REACHED)


def code_less(cells: SphereCodes) -> SphereCodes:
    return replace(
        cells,
        codes=cells.codes[:-1],
        pairs=lambda: cells.pairs()[(cells.pairs() < len(cells) - 1).all(axis=1)],
    )


def no_pairs(cells: SphereCodes) -> SphereCodes:
    return replace(cells, pairs=lambda: np.empty((0, 2), dtype=np.int64))


def one_piece_more(cells: SphereCodes) -> SphereCodes:
    return replace(cells, components=lambda i: (cells.components(i) or 0) + (i == 0))


WRONG = [
    (SmallCircles(), wrong)
    for wrong in (wrong_root, swapped_sides, one_vertex_less, one_component_more, unfinished)
]
WRONG += [(SpherePolytopes(), wrong) for wrong in (code_less, no_pairs, one_piece_more)]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("engine", "wrong"),
    WRONG,
    ids=lambda value: getattr(value, "__name__", getattr(value, "name", None)),
)
def test_a_wrong_engine_is_noticed(
    engine: Engine, wrong: Callable[..., SphereCells | SphereCodes]
) -> None:
    true, one = type(engine).run, job_for(engine)

    def run(self: Engine, job: Job) -> SphereCells | SphereCodes:
        return wrong(true(self, job))

    assert complaints(one, engine) == []
    with mock.patch.object(type(engine), "run", run):
        assert complaints(one, engine) != []


def complaints(one: fuzz_spheres.SphereSpec, engine: Engine) -> list[str]:
    try:
        return list(
            fuzz_spheres.wrongs(one, partition(one.network, one.domain, engine=engine.name))
        )
    except Exception as error:
        return [str(error)]


def test_the_same_seed_is_the_same_job() -> None:
    for seed in range(30):
        assert fuzz_spheres.job(seed) == fuzz_spheres.job(seed)
