"""Every engine for spheres reproduces every truth about spheres, and no truth rests on one
source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import pi, sqrt
from typing import Any

import pytest

from exact import Outcome, partition
from tests.truths import engines, generate, sphere_files, sphere_oracle, sphere_problems
from tests.truths.sphere_files import SphereTruth

TRUTHS = list(sphere_files.truths())
BY_NAME = {truth.name: truth for truth in TRUTHS}
SLOW_CODES = 100
"""Codes beyond which the recursion of the oracle takes more than a second."""


def jobs() -> Iterator[tuple[SphereTruth, str]]:
    for truth in TRUTHS:
        network, domain = sphere_problems.network(truth), sphere_problems.domain(truth)
        for engine in engines.ON_CURVES + engines.ON_SPHERES:
            if engines.takes(engine, network, domain) and truth.counts["cells"] <= most(engine):
                yield truth, engine


def most(engine: str) -> int:
    limit = engines.reach(engine)
    return max(limit.regions, limit.slow)


def is_slow(truth: SphereTruth, engine: str) -> bool:
    limit = engines.reach(engine)
    return truth.counts["cells"] > limit.regions or truth.dim > limit.dim


def slow(condition: bool) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] * condition


def name_of(value: Any) -> str:
    return value.name if isinstance(value, SphereTruth) else str(value)


JOBS = list(jobs())
RUNS = [pytest.param(*job, marks=slow(is_slow(*job))) for job in JOBS]


@pytest.mark.parametrize(("truth", "engine"), RUNS, ids=name_of)
def test_engine_reproduces_the_counts(truth: SphereTruth, engine: str) -> None:
    found = partition(
        sphere_problems.network(truth), sphere_problems.domain(truth), engine=engine, limit=None
    )
    counts = sphere_problems.counted(found, truth)
    assert counts == {name: truth.counts[name] for name in counts}
    assert (found.outcome, found.engine) == (Outcome.COMPLETE, engine)
    if truth.sphere_dim == 2:
        assert code_pairs(found) == seen(truth.name).pairs


@cache
def seen(name: str) -> sphere_oracle.Seen:
    """What the oracle sees of a two-sphere."""
    return sphere_oracle.seen(BY_NAME[name])


def code_pairs(found: Any) -> set[frozenset[tuple[int, ...]]]:
    """The pairs of codes on both sides of an arc."""
    codes = [tuple(int(bit) for bit in region.code.bits) for region in found.regions]
    return {frozenset({codes[a], codes[b]}) for a, b in found.neighbours().tolist()}


def test_every_truth_is_tried_on_an_engine() -> None:
    tried = {truth.name for truth, _ in JOBS}
    assert [truth.name for truth in TRUTHS if truth.name not in tried] == []


@pytest.mark.parametrize("engine", engines.ON_SPHERES)
def test_every_engine_is_tried(engine: str) -> None:
    """An engine that refused more and more would be tried on less and less."""
    tried = [truth for truth, name in JOBS if name == engine and not is_slow(truth, name)]
    assert len(tried) >= 220
    for dim in [2] * (engine in engines.ON_TWO_SPHERES) + [3, 4] * (
        engine in engines.ON_THREE_SPHERES
    ):
        assert sum(truth.sphere_dim == dim for truth in tried) >= 20, dim


def test_every_count_is_tried() -> None:
    """Vertices and edges of every two-sphere are compared, not only codes."""
    by_dim = Counter(truth.sphere_dim for truth in TRUTHS)
    assert by_dim[2] > 250
    assert min(by_dim[dim] for dim in (1, 2, 3, 4, 5, 6)) >= 7
    assert all(
        set(truth.counts) == set(sphere_files.COUNTS) for truth in TRUTHS if truth.sphere_dim == 2
    )


# --- a second opinion
# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truth", [truth for truth in TRUTHS if truth.sphere_dim == 2], ids=name_of)
def test_oracle_counts_the_cells(truth: SphereTruth) -> None:
    assert seen(truth.name).counts == truth.counts


def is_quick(truth: SphereTruth) -> bool:
    """On a two-sphere the cells of `counts` give the codes as well: the recursion is tried on
    some.
    """
    few = truth.counts["codes"] <= SLOW_CODES and sum(map(len, truth.layers)) <= 16
    return few and (truth.sphere_dim != 2 or truth.name.endswith(("-3", "-4", "touching")))


@pytest.mark.parametrize(
    "truth", [pytest.param(truth, marks=slow(not is_quick(truth))) for truth in TRUTHS], ids=name_of
)
def test_oracle_counts_the_codes(truth: SphereTruth) -> None:
    assert len(sphere_oracle.codes(truth)) == truth.counts["codes"]


@pytest.mark.parametrize(
    "name",
    ["cube-3-at-3", "pole-grid-3-2", "apollonian-8-touching", "layer-norm-braid-4", "orders-4"],
)
def test_oracle_notices_a_missing_neuron(name: str) -> None:
    truth = BY_NAME[name]
    *before, last = truth.layers
    assert sphere_oracle.counts(replace(truth, layers=(*before, last[:-1]))) != truth.counts


@pytest.mark.parametrize(
    "name",
    [
        "cube-3-at-2",
        "lattice-3-3-touching",
        "corner-at-3",
        "two-circles-inside-touching",
        "octahedron-2-at-2",
        "caps-4-at-1",
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_oracle_notices_a_touching_plane_that_moves(name: str, side: int) -> None:
    truth = BY_NAME[name]
    *before, last = truth.layers
    moved = tuple((*row[:-1], row[-1] + Fraction(side, 2**50)) for row in last)
    assert sphere_oracle.counts(replace(truth, layers=(*before, moved))) != truth.counts


# --- a third opinion
# --------------------------------------------------------------------------------------------------

POINTS = 2_000
FEW = [
    truth for truth in TRUTHS if truth.counts["codes"] <= 60 and sum(map(len, truth.layers)) <= 12
]
SAMPLED = [truth for truth in FEW if truth.sphere_dim in (2, 3)][::9]


@pytest.mark.parametrize("truth", SAMPLED, ids=name_of)
def test_sampled_codes_are_known(truth: SphereTruth) -> None:
    """Random points find no code that the oracle does not know; in floats, so an opinion and no
    proof.
    """
    known = sphere_oracle.codes(truth)
    assert set(sphere_oracle.sampled(truth, POINTS, seed=1)) <= known


@pytest.mark.parametrize(
    "name",
    [
        "cube-3-at-3",
        "cube-3-at-5-over-2",
        "caps-4-at-1",
        "lattice-2-2-touching-idle-planes",
        "islands-8",
        "bands-3-5",
        "venn-3-idle-planes",
        "pole-grid-3-2-copies",
        "ring-around-an-octant",
        "octahedron-1-at-5-over-4",
        "earring-2-gain-and-bias",
        "lattice-6-1-touching-great-sphere",
    ],
)
def test_areas_are_the_shares_of_random_points(name: str) -> None:
    """The area of every code within six standard deviations of its share of the points, and one
    point.

    A code whose area is right exceeds that with a probability below 1e-8, and the seed is fixed.
    """
    truth = BY_NAME[name]
    found: Any = partition(sphere_problems.network(truth), sphere_problems.domain(truth))
    areas: dict[tuple[int, ...], float] = {}
    for region in found.regions:
        code = tuple(int(bit) for bit in region.code.bits)
        areas[code] = areas.get(code, 0.0) + region.area_float
    total, seen = (
        4 * pi * float(truth.squared),
        Counter(sphere_oracle.sampled(truth, POINTS, seed=2)),
    )
    assert abs(sum(areas.values()) - total) <= 1e-9 * total
    assert set(seen) <= set(areas)
    for code, area in areas.items():
        share = area / total
        assert abs(seen[code] - POINTS * share) <= 6 * sqrt(POINTS * share * (1 - share)) + 1, code


# --- the files
# --------------------------------------------------------------------------------------------------


def test_files_are_what_the_script_writes() -> None:
    assert {
        path.name: path.read_text() for path in sphere_files.FOLDER.iterdir()
    } == generate.sphere_texts()


GOOD = """name: one-circle
source: a plane
dim: 3
radius_squared: 2
planes:
  1 0 0 | -1/2
codes: 2
cells: 2
vertices: 0
edges: 1
components: 1
"""


def test_a_file_is_read_as_it_is_written() -> None:
    truth = sphere_files.read(GOOD)
    assert (truth.layers, truth.squared) == ((((1, 0, 0, Fraction(-1, 2)),),), 2)
    assert sphere_files.write(truth) == GOOD


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("codes: 2\n", "codes: 2\ncodes: 3\n"),
        ("codes: 2\n", "code: 2\n"),
        ("codes: 2", "codes: two"),
        ("dim: 3\n", ""),
        ("| -1/2", "-1/2"),
        ("| -1/2", "| -2/4"),
        ("  1 0", " 1 0"),
        ("radius_squared: 2\n", "eps: 1\nradius_squared: 2\n"),
        ("dim: 3\nradius_squared: 2\n", "radius_squared: 2\ndim: 3\n"),
        ("components: 1\n", "components: 1"),
        ("| -1/2", "| 1/0"),
        ("planes:", "plane:"),
    ],
)
def test_a_careless_file_is_refused(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises((ValueError, KeyError, ZeroDivisionError)):
        sphere_files.read(GOOD.replace(old, new))
