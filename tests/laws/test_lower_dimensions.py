"""Closed domains of lower dimension: nothing is lost on their affine hull, and every engine says so
with a proof.
"""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
import sympy

from exact import (
    Box,
    Budget,
    HPolytope,
    InvalidInput,
    Network,
    Outcome,
    Plane,
    RealSpace,
    neighbourhood,
    partition,
)
from exact.check import Status
from exact.geometry.domains.base import FlatDomain
from exact.instruments.counting import region_count
from exact.instruments.decision import ties as decision
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.reference import exact_code, exact_output
from tests.laws.fuzz import job
from tests.truths import engines

RNG = np.random.default_rng(7)
READOUT = ([[1, -1] * 3, [1] * 6], [0, 1])
SHALLOW = tensors.mlp([(RNG.integers(-4, 5, size=(6, 3)), RNG.integers(-3, 4, size=6)), READOUT])
DEEP = tensors.mlp(
    [
        (RNG.integers(-4, 5, size=(5, 3)), RNG.integers(-3, 4, size=5)),
        (RNG.integers(-4, 5, size=(4, 5)), RNG.integers(-3, 4, size=4)),
        ([[1, -2, 1, 3]], [1]),
    ]
)
TRIANGLE = HPolytope([[1, 1, 1, -1], [-1, -1, -1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
DOMAINS: dict[str, tuple[FlatDomain, int]] = {
    "a frozen coordinate": (Box([-1, "1/3", -1], [1, "1/3", 1]), 2),
    "an edge": (Box([-2, 1, -1], [2, 1, -1]), 1),
    "a corner": (Box([1, 2, 3], [1, 2, 3]), 0),
    "a triangle in space": (TRIANGLE, 2),
    "a whole plane": (HPolytope([[1, 2, 0, 1], [-1, -2, 0, -1]]), 2),
    "a ray": (
        HPolytope([[1, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 1, 0], [0, -1, -1, 0], [1, 1, 0, 0]]),
        1,
    ),
    "the origin": (HPolytope([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [-1, -1, -1, 0]]), 0),
    "a side of a plane": (Plane([0, 0, 1], [1, 0, 0], [0, 1, 1], s=(-1, 2), t=("1/2", "1/2")), 1),
    "a point of a plane": (Plane([0, 0, 1], [1, 0, 0], [0, 1, 1], s=(1, 1), t=(2, 2)), 0),
}


def jobs() -> list[Any]:
    return [
        pytest.param(
            network,
            domain,
            engine,
            id=f"{name}, {engine}, {'deep' if network is DEEP else 'shallow'}",
        )
        for name, (domain, _) in DOMAINS.items()
        for network in (SHALLOW, DEEP)
        for engine in engines.ONE_LAYER
        if engines.takes(engine, network, domain)
    ]


@pytest.mark.parametrize(("network", "domain", "engine"), jobs())
def test_every_engine_partitions_the_hull_and_proves_it(
    network: Network, domain: FlatDomain, engine: str
) -> None:
    dim = next(dim for other, dim in DOMAINS.values() if other is domain)
    found = partition(network, domain, engine=engine)
    assert isinstance(found, FlatPartition)
    assert (found.outcome, found.flat.dim, found.engine) == (Outcome.COMPLETE, dim, engine)
    assert found.evidence.startswith(f"on its affine hull of dimension {dim}: ")
    assert found.region_count >= 1
    assert found.digest == partition(network, domain, engine="brute_force").digest
    verdict = found.check()
    assert (verdict.status, verdict.regions) == (Status.COMPLETE, found.region_count)
    graph = found.graph()
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (
        found.region_count,
        len(found.neighbours()),
    )
    for index, region in enumerate(found.regions):
        assert found.locate(region.witness) == index
        assert exact_code(network, region.witness) == str(region.code)
        assert tuple(region.affine(region.witness)) == exact_output(network, region.witness)
        assert {facet.neighbour for facet in region.facets} - {None} == set(graph[index])
        assert len(region.vertices) >= (1 if region.is_bounded else 0)


@pytest.mark.parametrize("engine", engines.ONE_LAYER)
def test_a_frozen_coordinate_is_a_constant(engine: str) -> None:
    """Folding the constant into the biases by hand gives the same regions in the box of the other
    coordinates.
    """
    for value in (Fraction(1, 3), Fraction(-2), Fraction(0)):
        weight, bias = SHALLOW.layers[0].weight.tolist(), SHALLOW.layers[0].bias.tolist()
        kept = [[row[0], row[2]] for row in weight]
        folded = tensors.mlp(
            [(kept, [b + value * row[1] for row, (b,) in zip(weight, bias, strict=True)]), READOUT]
        )
        frozen = partition(SHALLOW, Box([-1, value, -2], [1, value, 1]), engine=engine)
        plain = partition(folded, Box([-1, -2], [1, 1]), engine=engine)
        assert frozen.digest == plain.digest
        assert frozen.volume == plain.volume == 6
        assert frozen.neighbours().tolist() == plain.neighbours().tolist()
        assert all(region.witness[1] == value for region in frozen.regions)


@pytest.mark.parametrize("seed", range(40))
def test_codes_on_random_faces_are_those_of_their_points(seed: int) -> None:
    """Generic random points of a face of a box are inside a region of the partition of that
    face.
    """
    random, spec = Random(seed), job(seed)[0]
    network, dim = spec.network, spec.input_dim
    lo = [Fraction(random.randint(-2, 1)) for _ in range(dim)]
    frozen = random.sample(range(dim), random.randint(1, dim))
    box = Box(lo, [x if i in frozen else x + 2 for i, x in enumerate(lo)])
    found = partition(network, box)
    codes = {str(region.code) for region in found.regions}
    assert found.check().status is Status.COMPLETE
    for _ in range(20):
        x = [
            a if i in frozen else a + Fraction(random.randint(1, 10**6 - 1), 5 * 10**5)
            for i, a in enumerate(lo)
        ]
        assert exact_code(network, x) in codes


def test_a_hinge_that_vanishes_on_the_hull_is_off() -> None:
    network = tensors.mlp([([[1, 0], [0, 1], [-1, 0]], [0, 0, 0]), ([[1, 1, 1]], [0])])
    found = partition(network, HPolytope([[1, 0, 0], [-1, 0, 0]]))
    assert [str(region.code) for region in found.regions] == ["000", "010"]
    assert found.regions[0].affine.matrix.tolist() == [[0, 0]]
    assert partition(network, Box(0, 0, dim=2)).regions[0].code == network.code([0, 0])


def test_volume_is_of_the_parameters_and_measure_of_the_input_space() -> None:
    found = partition(SHALLOW, TRIANGLE)
    assert isinstance(found, FlatPartition)
    assert found.volume == Fraction(1, 2)  # the shadow on x1, x2
    assert found.measure.sympy() ** 2 == sympy.Rational(3, 4)
    assert sympy.Add(*(region.measure.sympy() for region in found.regions)) == found.measure.sympy()
    box = partition(SHALLOW, Box([0, 1, 0], [2, 1, 3]))
    assert isinstance(box, FlatPartition)
    assert (box.volume, box.measure.a, box.measure.is_rational) == (6, 6, True)
    slanted = partition(SHALLOW, Plane([0, 0, 0], [1, 1, 0], [0, 0, 2], s=(0, 1), t=(0, 1)))
    assert isinstance(slanted, FlatPartition)
    assert (slanted.volume, slanted.measure.sympy() ** 2) == (1, 8)


def test_a_point() -> None:
    found = partition(SHALLOW, Box([1, 2, 3], [1, 2, 3]))
    assert isinstance(found, FlatPartition)
    (region,) = found.regions
    assert (region.witness, region.facets, region.vertices, region.halfspaces) == (
        (1, 2, 3),
        (),
        ((),),
        (),
    )
    assert (region.is_bounded, region.volume, found.volume, found.measure.a) == (True, 1, 1, 1)
    assert (
        found.evidence
        == "on its affine hull of dimension 0: at the point all 6 hinges were evaluated exactly"
    )
    assert (found.linear_piece_count, found.distinct_map_count, len(found.neighbours())) == (
        1,
        1,
        0,
    )
    symbolic = region.symbolic()
    assert (symbolic.inequalities, [Fraction(str(y)) for y in symbolic.map]) == (
        (),
        list(exact_output(SHALLOW, [1, 2, 3])),
    )
    assert found.locate([1, 2, 3]) == 0
    with pytest.raises(InvalidInput, match="span"):
        found.locate([1, 2, 4])
    with pytest.raises(InvalidInput, match="polygons need a two-dimensional domain"):
        found.polygons()
    none = partition(SHALLOW, Box([1, 2, 3], [1, 2, 3]), budget=Budget(regions=0))
    assert (len(none), none.outcome) == (0, Outcome.BUDGET_REACHED)


def test_neighbourhoods_and_counts_on_the_hull() -> None:
    for name, (domain, dim) in DOMAINS.items():
        whole = partition(SHALLOW, domain)
        assert region_count(SHALLOW, domain) == whole.region_count, name
        around = neighbourhood(SHALLOW, whole.regions[0].witness, radius=50, domain=domain)
        assert (around.digest, around.outcome) == (whole.digest, Outcome.COMPLETE), name
        assert around.evidence.startswith(f"on its affine hull of dimension {dim}: ")
    with pytest.raises(InvalidInput, match="span"):
        neighbourhood(SHALLOW, [1, 1, 1], domain=TRIANGLE)


def test_ties_on_the_hull() -> None:
    """Outputs x + z and y tie on x + y + z = 1 where y = 1/2: between (1/2, 1/2, 0) and (0, 1/2,
    1/2).
    """
    network = decision.tied(tensors.mlp([([[1, 0, 1], [0, 1, 0]], [0, 0])]))
    found = partition(network, TRIANGLE)
    assert isinstance(found, FlatPartition)
    assert decision.classes(found).tolist() == [0, 1]
    assert decision.boundary_measure(found) == Fraction(1, 2)  # in the parameters x, y


def test_polygons_of_a_face_in_space() -> None:
    found = partition(SHALLOW, TRIANGLE)
    assert sum(polygon.area for polygon in found.polygons()) == pytest.approx(0.5)
    for clip in (Box([0, 0], [1, 0]), Box(0, 1, dim=3)):
        with pytest.raises(InvalidInput, match="the clip is no rectangle"):
            partition(tensors.mlp([([[1, 1]], [0]), ([[1]], [0])]), RealSpace(2)).polygons(
                clip=clip
            )


@pytest.mark.parametrize("engine", engines.ONE_LAYER)
def test_only_what_has_no_point_is_empty(engine: str) -> None:
    """x >= 0 and -x >= 0 are a line of the plane; with x >= 1 nothing is left, though any two of
    the three rows meet.
    """
    line = [[1, 0, 0], [-1, 0, 0]]
    assert partition(engines.SHALLOW, HPolytope(line), engine=engine).region_count > 0
    found = partition(engines.SHALLOW, HPolytope([*line, [1, 1, -1], [0, -1, 0]]), engine=engine)
    assert (found.region_count, found.outcome, found.check().status) == (
        0,
        Outcome.COMPLETE,
        Status.COMPLETE,
    )
    assert (
        found.evidence
        == "the domain has no point at all, by a Farkas vector of its halfspaces with a negative "
        "sum"
    )
