"""Points that lie in no region, on every kind of domain and by every engine: refused by what is the
matter with them.
"""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from exact import (
    Activation,
    Box,
    Budget,
    Domain,
    GreatCircle,
    GreatSphere,
    InvalidInput,
    Line,
    Network,
    Outcome,
    Segment,
    Sphere,
    choose,
    partition,
    rational,
)
from exact.arithmetic.numbers import rationals
from exact.partition import ENGINES
from exact.regions.engine import Problem
from exact.sources import tensors


def _shifted(dim: int) -> Network:
    """Every coordinate minus 1/2, and their sum."""
    rows = [[int(i == j) for j in range(dim)] for i in range(dim)] + [[1] * dim]
    return tensors.mlp([(rows, ["-1/2"] * dim + ["-1/3"]), ([[1] * (dim + 1)], None)])


HINGE = tensors.mlp([([[1]], [0]), ([[1]], None)])
KINK = tensors.mlp([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], None)])
FAR = tensors.mlp([([[1, 0], [0, 1]], [-5, -5]), ([[1, 1]], None)])


def able(network: Network, domain: object) -> list[str]:
    problem = Problem.of(network, domain)  # type: ignore[arg-type]
    return [one.name for one in ENGINES if one.refusal(problem) is None]


@pytest.mark.parametrize("domain", [Segment([-1], [1]), Line([0], [1]), Box(-1, 1, dim=1)])
def test_a_point_on_a_hinge_is_refused_by_every_engine(domain: Segment | Line | Box) -> None:
    names = able(HINGE, domain)
    assert len(names) >= 4
    for name in names:
        found = partition(HINGE, domain, engine=name)
        with pytest.raises(InvalidInput, match=r"lies on a (boundary|crossing)"):
            found.locate([0])
        assert (found.locate(["-1/9"]), found.locate(["1/9"])) == (0, 1)


@pytest.mark.parametrize(
    "name", ["subdivision", "lp_tree", "facet_walk", "brute_force", "vertices"]
)
def test_a_point_on_a_hinge_of_a_box_is_refused(name: str) -> None:
    found = partition(KINK, Box(-1, 1, dim=2), engine=name)
    for x in ([0, 0], ["1/3", "1/3"], ["1/3", "-1/3"]):
        with pytest.raises(InvalidInput, match="lies on a boundary"):
            found.locate(x)
    assert found.locate(["1/3", "1/4"]) == found.index_of(KINK.code([1, "1/2"]))


def test_a_vector_without_direction_is_refused() -> None:
    for network, circle in (
        (FAR, GreatCircle([1, 0], [0, 1], radius_squared=1)),  # nothing cuts it
        (KINK, GreatCircle([1, 0], [0, 1], radius_squared=1)),
    ):
        with pytest.raises(InvalidInput, match="has no direction"):
            partition(network, circle).locate([0, 0])
    block = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="layernorm")
    with pytest.raises(InvalidInput, match="has no direction"):
        partition(block, GreatCircle([1, -1, 0], [0, 1, -1])).locate([1, 1, 1])


ROUND: dict[str, tuple[Network, Domain, list[list[object]]]] = {
    "circle": (_shifted(2), Sphere(25), [[3, 4], [4, 3], [-3, 4], [0, -5], ["7/5", "24/5"]]),
    "circle through two": (
        _shifted(3),
        GreatCircle([1, 0, 0], [0, 1, 1], 9),
        [[1, 2, 2], [-1, 2, 2], ["7/3", "4/3", "4/3"]],
    ),
    "2-sphere": (_shifted(3), Sphere(9), [[1, 2, 2], [-2, 1, 2], [2, 2, -1], [0, 0, 3]]),
    "great 2-sphere": (
        _shifted(4),
        GreatSphere([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], 9),
        [[1, 2, 2, 0], [-2, 1, 2, 0]],
    ),
    "3-sphere": (_shifted(4), Sphere(4), [[1, 1, 1, 1], [-1, 1, 1, -1], [2, 0, 0, 0]]),
}


@pytest.mark.parametrize("kind", ROUND)
def test_locate_takes_a_direction_and_code_takes_the_vector(kind: str) -> None:
    """Of points on the sphere both are one; elsewhere `locate` asks for the point along x."""
    network, domain, points = ROUND[kind]
    found, apart = partition(network, domain), 0
    for point in points:
        x = rationals(point)
        place = found.locate(x)
        assert found.code_of(place) == found.code(x) == network.code(x)
        for scale in (rational("1/9"), rational(7)):
            scaled = [scale * y for y in x]
            assert found.locate(scaled) == place
            assert found.code(scaled) == network.code(scaled)
            apart += network.code(scaled) != found.code_of(place)
    assert apart, "lengths that matter are among them"


def test_the_ends_of_a_segment_are_called_ends() -> None:
    found = partition(HINGE, Segment([-1], [1]), engine="circle")
    for end in ([-1], [1]):
        with pytest.raises(InvalidInput, match="is an end of the domain"):
            found.locate(end)
    with pytest.raises(InvalidInput, match="outside the domain"):
        found.locate([2])


def test_a_partition_that_was_stopped_says_so() -> None:
    layer = [[1, i] for i in range(9)], list(range(9))
    found = partition(
        tensors.mlp([layer, ([[1] * 9], None)]),
        Box(-9, 9, dim=2),
        engine="lp_tree",
        budget=Budget(regions=2),
    )
    assert found.outcome is Outcome.BUDGET_REACHED
    lost = [
        x for x in ([8, 7], [-8, 7], [8, -7], [-8, -7]) if found.index_of(found.code(x)) is None
    ]
    assert lost
    for x in lost:
        with pytest.raises(InvalidInput, match="none of the regions found so far"):
            found.locate(x)


def test_no_great_sphere_is_left_by_a_norm_of_three() -> None:
    block = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="layernorm")
    with pytest.raises(InvalidInput, match="no three do on a sphere of dimension 1"):
        partition(block, GreatSphere([1, 0, 0], [0, 1, 0], [0, 0, 1]))


class Three(Activation):
    """An activation of one's own that is no dataclass."""

    breakpoints = rational(0), rational(1)
    pieces = tuple((rational(slope), rational(0)) for slope in (0, 1, 1))

    def forward_float(self, z: np.ndarray) -> np.ndarray:
        return np.maximum(z, 0)


def test_an_activation_of_ones_own_is_equal_by_what_it_computes() -> None:
    network = tensors.mlp([([[1]], [0]), ([[1]], None)], activation=Three())
    assert Three() == Three() and hash(Three()) == hash(Three()) and Three() != 3
    assert copy.deepcopy(network) == network and pickle.loads(pickle.dumps(network)) == network


def test_what_is_no_problem_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not a problem; got Network"):
        choose(HINGE)  # type: ignore[arg-type]
