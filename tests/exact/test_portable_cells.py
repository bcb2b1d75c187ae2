"""What was computed travels: everything pickles, copies and compares, before it is used and
after.
"""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import exact
from exact import (
    GELU,
    AffineMap,
    Box,
    Facet,
    GreatCircle,
    HardTanh,
    InvalidInput,
    LayerNorm,
    LeakyReLU,
    Network,
    Partition,
    RationalMatrix,
    RMSNorm,
    Sphere,
    Undecided,
    partition,
    partition_circles,
)
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from tests.exact.portable_jobs import JOBS, answers, network

WAYS = [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy]


def _used(matrix: RationalMatrix) -> RationalMatrix:
    _ = matrix.exact, matrix.digest, matrix.is_float, matrix.float64()
    return matrix


def _called(net: Network) -> Network:
    _ = (
        net.sha256,
        net.hinges,
        net.layers,
        net.forward_float(np.ones(net.input_dim)),
        net.code([1, 2, 4]),
    )
    return net


VALUES: dict[str, Callable[[], Any]] = {
    "float matrix": lambda: RationalMatrix.from_floats([[0.5, -2.0]]),
    "float matrix, used": lambda: _used(RationalMatrix.from_floats([[0.5, -2.0]])),
    "rational matrix": lambda: RationalMatrix.from_rationals([["1/3", 2]]),
    "rational matrix, used": lambda: _used(RationalMatrix.from_rationals([["1/3", 2]])),
    "empty matrix": lambda: RationalMatrix.from_floats(np.zeros((0, 3))),
    "network": lambda: network(3, 4, 1, norms=1),
    "network, used": lambda: _called(network(3, 4, 1, norms=1)),
    "block": lambda: network(3, 4, 1, norms=1).blocks[0],
    "layer": lambda: network(3, 4, 1).layers[0],
    "layer norm": lambda: LayerNorm.of("1/3", gain=[1, "1/3"]),
    "rms norm": lambda: RMSNorm.of(1e-5, dim=3, eps_rule="std"),
    "leaky": lambda: LeakyReLU(0.01),
    "hard tanh": lambda: HardTanh("-1/3", 2),
    "gelu": lambda: GELU("tanh"),
    "affine map": lambda: _mapped(),
    "facet": lambda: JOBS["box, subdivision"]().regions[0].facets[0],
    "code": lambda: JOBS["box, subdivision"]().code_of(1),
    "crossing": lambda: JOBS["segment"]().crossings[0],
    "irrational crossing": lambda: JOBS["circle of a norm"]().crossings[0],
    "algebraic crossing": lambda: JOBS["line behind two norms"]().crossings[3],
    "algebraic crossing, used": lambda: _refined(JOBS["line behind two norms"]().crossings[3]),
}


def _mapped() -> AffineMap:
    found = JOBS["bent"]().regions[0].affine
    _ = found([1, "1/3"]), hash(found), found.float64()
    return found


def _refined(crossing: Any) -> Any:
    assert isinstance(crossing.direction, IsolatedDirection)
    _ = crossing.position_bounds(300), crossing.parameter_float, crossing.direction.polynomial
    return crossing


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy", "copy"])
def test_values_travel(name: str, way: Callable[[Any], Any]) -> None:
    value = VALUES[name]()
    again = way(value)
    assert again == value
    assert type(again) is type(value)
    assert hash(again) == hash(value)
    assert again == VALUES[name]()


def test_a_travelled_matrix_stays_immutable_and_lossless() -> None:
    again = pickle.loads(pickle.dumps(_used(RationalMatrix.from_floats([[0.1, 5e-324]]))))
    assert again.exact == RationalMatrix.from_floats([[0.1, 5e-324]]).exact
    with pytest.raises(ValueError, match="read-only"):
        again.float64()[0, 0] = 1


def test_a_travelled_matrix_leaves_behind_what_was_computed() -> None:
    matrix = RationalMatrix.from_floats(np.ones((100, 100)))
    before = len(pickle.dumps(matrix))
    _used(matrix)
    assert len(pickle.dumps(matrix)) == before


@pytest.mark.parametrize("name", JOBS)
def test_partitions_travel_and_answer_alike(name: str) -> None:
    found = JOBS[name]()
    fresh = pickle.loads(pickle.dumps(found))
    said = answers(found)
    again = copy.deepcopy(pickle.loads(pickle.dumps(found)))
    assert found == fresh == again == JOBS[name]()
    assert hash(found) == hash(fresh)
    assert type(again) is type(found)
    assert answers(again) == said


@pytest.mark.parametrize(
    "name", ["box, subdivision", "circle of a norm", "2-sphere", "3-sphere", "norm ball"]
)
def test_regions_travel_with_their_partition(name: str) -> None:
    region = JOBS[name]().regions[2]
    for again in (pickle.loads(pickle.dumps(region)), copy.deepcopy(region)):
        assert again == region
        assert hash(again) == hash(region)
        assert (again.index, again.code, again.witness) == (
            region.index,
            region.code,
            region.witness,
        )
        assert again != JOBS[name]().regions[1]


def test_sequences_of_regions_travel() -> None:
    regions = JOBS["2-sphere"]().regions
    assert list(pickle.loads(pickle.dumps(regions))) == list(regions)


def test_vertices_and_arcs_travel() -> None:
    found = JOBS["2-sphere"]()
    for part in (found.vertices[1], found.arcs[1]):
        again = pickle.loads(pickle.dumps(part))
        assert again == part
        assert hash(again) == hash(part)
    assert found.vertices[0] != found.vertices[1]


# ---- equality


def test_partitions_are_equal_by_network_domain_and_codes() -> None:
    first, second = JOBS["box, subdivision"](), JOBS["box, lp_tree"]()
    assert first == second
    assert first.regions[3] == second.regions[3]
    assert len({first, second}) == 1
    assert first != JOBS["plane"]()
    assert first != partition(network(2, 5, 1), Box(-2, 3, dim=2))
    assert first != partition(network(2, 5, 1, seed=1), Box(-2, 2, dim=2))
    assert first != "a partition"


def test_a_partition_that_stopped_is_not_one_that_did_not() -> None:
    whole = partition(network(2, 5, 1), Box(-2, 2, dim=2), engine="lp_tree")
    stopped = partition(
        network(2, 5, 1),
        Box(-2, 2, dim=2),
        engine="lp_tree",
        budget=exact.Budget(regions=len(whole) - 1),
    )
    assert whole != stopped
    assert stopped == pickle.loads(pickle.dumps(stopped))


def test_cells_of_a_sphere_are_equal_only_where_engines_number_alike() -> None:
    first = partition(network(3, 5, 1), Sphere(4), engine="small_circles")
    second = partition(network(3, 5, 1), Sphere(4), engine="sphere_subdivision")
    assert first == second
    same = [a == b for a, b in zip(first.regions, second.regions, strict=True)]
    assert all(same) or not any(same)
    assert not any(same) or all(
        a.code == b.code for a, b in zip(first.regions, second.regions, strict=True)
    )
    assert first.regions[0] == pickle.loads(pickle.dumps(first)).regions[0]


def test_algebraic_crossings_are_equal_by_value() -> None:
    first, second = (JOBS["line behind two norms"]().crossings for _ in range(2))
    second[2].position_bounds(400)
    assert first == second
    assert len({*first, *second}) == len(first)
    assert first[2].direction != first[3].direction


def test_facets_compare_by_value() -> None:
    facet = JOBS["box, subdivision"]().regions[0].facets[0]
    assert facet == Facet(facet.flipped, facet.neighbour, facet.hyperplane)


# ---- batches of circles


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy", "copy"])
def test_batches_travel(way: Callable[[Any], Any]) -> None:
    batch = partition_circles(
        network(3, 6, 1), [[1, 2, 0], [1, 0, 0]], [[0, 1, 1], [0, 1, 0]], radius_squared=25
    )
    assert batch.settled, "integers and double zeros need exact algebra somewhere"
    again = way(batch)
    assert again == batch
    assert hash(again) == hash(batch)
    assert again.decisions == batch.decisions
    assert [again[i] for i in range(2)] == [batch[i] for i in range(2)]
    assert [c.angle_float for c in again[0].crossings] == [
        c.angle_float for c in batch[0].crossings
    ]
    assert np.array_equal(again.angles_float(1), batch.angles_float(1))
    assert again != partition_circles(network(3, 6, 1), [[1, 2, 0]], [[0, 1, 1]], radius_squared=25)


# ---- parts


@pytest.mark.parametrize(
    "name",
    [
        "box, subdivision",
        "simplex, lp_tree",
        "bent",
        "2-sphere by codes",
        "3-sphere, deep",
        "stopped, walk",
    ],
)
def test_points_that_stay_behind_are_made_again(name: str) -> None:
    found = JOBS[name]()
    values, arrays = found.parts(points=False)
    assert not {"witnesses", "straddling", "faces.vertices"} & arrays.keys()
    cells = type(found).of_parts(found.network, found.domain, found.engine, values, arrays).cells
    again: Partition = type(found)(found.problem, found.engine, cells)  # type: ignore[call-arg,arg-type]
    assert again == found
    assert [again.locate(region.witness) for region in again.regions] == list(range(len(found)))
    assert again.check().status is found.check().status
    asked = ("facets", "neighbours", "cells", "region.vertices", "volume", "region.components")
    assert answers(again, asked) == answers(found, asked)


def test_codes_of_another_network_are_told() -> None:
    found = JOBS["simplex, lp_tree"]()
    values, arrays = found.parts(points=False)
    arrays["codes"] = arrays["codes"] ^ np.uint8(0xFE)
    cells = type(found).of_parts(found.network, found.domain, found.engine, values, arrays).cells
    with pytest.raises(Undecided, match="no interior point"):
        for index in range(len(cells)):
            cells.witness(index)  # type: ignore[union-attr,call-arg]


@pytest.mark.parametrize("way", WAYS[:2], ids=["pickle", "deepcopy"])
def test_failures_travel(way: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        partition(network(2, 3, 1), GreatCircle([1, 0], [0, 1]))
    again = way(raised.value)
    assert type(again) is InvalidInput
    assert str(again) == str(raised.value)
    assert (again.wrong, again.remedy) == (raised.value.wrong, raised.value.remedy)
