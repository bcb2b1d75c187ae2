"""Decision boundaries: ties of outputs as facets, against tie lines that are known and against
evaluated points.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy

from exact import (
    Box,
    GreatCircle,
    InvalidInput,
    Line,
    Network,
    RealSpace,
    Segment,
    Sphere,
    partition,
)
from exact.geometry.domains.base import Domain
from exact.instruments.decision.ties import (
    boundary,
    boundary_measure,
    classes,
    count_without_ties,
    tied,
)
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.reference import exact_output, integers


def flat(network: Network, domain: Box | RealSpace) -> FlatPartition:
    found = partition(network, domain, engine="lp_tree")
    assert isinstance(found, FlatPartition)
    return found


def random_network(seed: int, outputs: int) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (integers(generator, (4, 2), 3), integers(generator, 4, 3)),
            (integers(generator, (outputs, 4), 3), integers(generator, outputs, 3)),
        ]
    )


def test_hinges_are_signs_of_differences() -> None:
    network, generator = random_network(1, 3), np.random.default_rng(2)
    for pairs, expected in ((None, [(1, 0), (2, 0), (2, 1)]), ([(0, 2)], [(0, 2)])):
        both = tied(network, pairs)
        assert both.bits_per_layer == (4, len(expected))
        for _ in range(20):
            x = [Fraction(v, 7) for v in integers(generator, 2, 30)]
            out = exact_output(network, x)
            assert both.code(x, layers=(2, 2)).bits.tolist() == [
                out[a] > out[b] for a, b in expected
            ]
            assert exact_output(both, x) == tuple(abs(out[a] - out[b]) for a, b in expected)


@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
def test_classes_are_the_first_largest_output(outputs: int) -> None:
    network = random_network(7, outputs)
    found = flat(tied(network), Box(-3, 3, dim=2))
    decided = classes(found)
    assert len(set(decided.tolist())) == max(2, outputs)
    for region in found.regions:
        out = exact_output(network, region.witness)
        assert decided[region.index] == (out.index(max(out)) if outputs > 1 else int(out[0] > 0))


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_boundary_is_where_neighbours_decide_differently(outputs: int) -> None:
    network = random_network(7, outputs)
    found = flat(tied(network), Box(-3, 3, dim=2))
    pairs, decided = boundary(found), classes(found)
    assert len(pairs) > 0
    edges = {(min(e), max(e)) for e in found.graph().edges()}
    assert {tuple(p) for p in pairs.tolist()} == {
        (a, b) for a, b in edges if decided[a] != decided[b]
    }
    flipping = {tuple(p) for p in found.pairs_flipping(2).tolist()}
    assert {tuple(p) for p in pairs.tolist()} <= flipping
    for a, b in pairs.tolist():
        facet = next(f for f in found.regions[a].facets if f.neighbour == b)
        ends = [
            v
            for v in found.regions[a].vertices
            if sum(n * x for n, x in zip(facet.hyperplane, (*v, 1), strict=True)) == 0
        ]
        assert len(ends) == 2
        for part in (Fraction(1, 3), Fraction(5, 7)):
            x = [p * part + q * (1 - part) for p, q in zip(*ends, strict=True)]
            out = sorted(exact_output(network, x))
            assert out[-1] == out[-2] if outputs > 1 else out[0] == 0


def test_a_tie_line_of_known_length() -> None:
    """relu(x) = relu(y) + 1 in the square [-3, 3]^2: up from (1, -3) to (1, 0), then on the
    diagonal to (3, 2).
    """
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1]], [0, 1])])
    found = flat(tied(network), Box(-3, 3, dim=2))
    assert len(boundary(found)) == 2
    assert boundary_measure(found) == 3 + 2 * sympy.sqrt(2)


def test_three_classes_meet_in_a_point() -> None:
    """The largest of x, y and 0: three half lines from the origin, not the three whole tie
    lines.
    """
    found = flat(tied(tensors.mlp([([[1, 0], [0, 1], [0, 0]], [0, 0, 0])])), Box(-1, 1, dim=2))
    assert len(found) == 6 and len(found.pairs_flipping(1)) == 6
    assert len(boundary(found)) == 3
    assert boundary_measure(found) == 2 + sympy.sqrt(2)


def test_ties_on_open_sets_go_to_the_first() -> None:
    """relu(x) against 0: equal for x < 0, where output 0 counts as the largest."""
    for order, expected in (((0, 1), [0, 1]), ((1, 0), [0, 0])):
        rows = [[[0]], [[1]]]
        network = tensors.mlp([([[1]], [0]), ([rows[k][0] for k in order], [0, 0])])
        found = flat(tied(network), RealSpace(1))
        assert classes(found).tolist() == expected
        assert len(boundary(found)) == expected[1]


@pytest.mark.parametrize("engine", ["circle", "nested_roots"])
def test_boundaries_on_curves(engine: str) -> None:
    network, domain = random_network(7, 3), Segment([-3, 2], [3, "-5/2"])
    found, same = (
        partition(tied(network), domain, engine=engine),
        partition(tied(network), domain, engine="lp_tree"),
    )
    assert len(boundary(found)) == len(boundary(same)) > 0
    assert isinstance(same, FlatPartition) and boundary_measure(same) == len(boundary(same))
    assert sorted(classes(found).tolist()) == sorted(classes(same).tolist())


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 3)], [(-1, 0)], [], [(0, 1, 2)]])
def test_pairs_that_are_none(pairs: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidInput, match="no two outputs to tie"):
        tied(random_network(1, 3), pairs)


def test_other_networks_have_no_decision() -> None:
    some, other = ([(0, 1)], [(0, 1), (0, 2), (1, 2)])
    for network in (
        random_network(1, 3),
        *(tied(random_network(1, 3), pairs) for pairs in (some, other)),
    ):
        with pytest.raises(InvalidInput, match="ties of all its outputs"):
            classes(partition(network, Line([0, 0], [1, 1])))


def random_classifier(seed: int) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (integers(generator, (6, 2), 3), integers(generator, 6, 3)),
            (integers(generator, (3, 6), 3), integers(generator, 3, 3)),
        ]
    )


@pytest.mark.parametrize(
    "domain",
    [
        Box(-2, 2, dim=2),
        Segment([-3, -2], [3, 2]),
        Line([0, 1], [2, 1]),
        GreatCircle([1, 0], [0, 1], radius_squared=4),
    ],
)
def test_ties_cut_regions_that_are_counted_once(domain: Domain) -> None:
    pieces = 0
    for seed in range(6):
        network = random_classifier(seed)
        own, both = partition(network, domain), partition(tied(network), domain)
        assert count_without_ties(both) == len(own)
        pieces += len(both) - len(own)
    assert pieces > 0


def test_ties_cut_cells_of_spheres_that_are_counted_once() -> None:
    network = tensors.mlp(
        [([[1, 2, 0], [0, 1, -1], [2, 0, 1]], [0, 1, -1]), ([[1, 0, 1], [0, 1, -1]], [0, 1])]
    )
    own, both = partition(network, Sphere(2)), partition(tied(network), Sphere(2))
    assert count_without_ties(both) == len(own) < len(both)


def test_some_pairs_and_a_single_output_are_ties_too() -> None:
    network, domain = random_classifier(3), Box(-2, 2, dim=2)
    assert count_without_ties(partition(tied(network, [(0, 2)]), domain)) == len(
        partition(network, domain)
    )
    single = tensors.mlp([([[1, 1], [1, -1]], [0, 1]), ([[1, -2]], [0])])
    both = partition(tied(single), domain)
    assert count_without_ties(both) == len(partition(single, domain)) < len(both)


def test_a_network_that_does_not_end_in_ties_has_no_count_without_them() -> None:
    with pytest.raises(InvalidInput, match="does not end in ties"):
        count_without_ties(flat(random_classifier(1), Box(-1, 1, dim=2)))
