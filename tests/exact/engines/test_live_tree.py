"""`live_tree` and `slice`: few live neurons in many dimensions, against engines of few."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Box,
    Budget,
    HardTanh,
    HPolytope,
    Network,
    Outcome,
    Partition,
    RealSpace,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import Rational
from exact.check import Status, verify
from exact.errors import EngineDefect
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.boxes import Bounds
from exact.networks.layers import Block, Layer
from exact.partition import choose
from exact.regions import certificate
from exact.regions.engine import Problem
from exact.regions.polytopes.walls import bounded_facets
from exact.sources import tensors
from tests.exact.forgeries import signed

Arrays = list[tuple[Any, Any]]


def drawn(widths: tuple[int, ...], rng: np.random.Generator, kind: str = "normal") -> Arrays:
    """Layers with normal weights, or small integers; `central` ones without biases."""

    def entries(*shape: int) -> Any:
        if kind == "normal":  # short enough for exact products with small integers
            return np.round(rng.normal(size=shape) * 2**20) / 2**20
        return rng.integers(-2, 3, shape).astype(float)

    return [
        (entries(b, a), np.zeros(b) if kind == "central" else entries(b))
        for a, b in pairwise(widths)
    ]


def widened(layers: Arrays, columns: Any) -> Network:
    """The network that reads `columns x`."""
    (weight, bias), *rest = layers
    return tensors.mlp([(weight @ columns, bias), *rest])


def same(found: Partition, other: Partition) -> bool:
    return found.digest == other.digest and np.array_equal(found.neighbours(), other.neighbours())


@pytest.mark.parametrize("kind", ["normal", "integer", "central"])
@pytest.mark.parametrize("widths", [(2, 6, 1), (3, 5, 1), (2, 4, 4, 1), (3, 4, 3, 3, 1)])
def test_few_coordinates_that_matter_among_many(widths: tuple[int, ...], kind: str) -> None:
    """Columns of zeros: the regions are those of the few other coordinates."""
    rng = np.random.default_rng(sum(widths))
    layers = drawn(widths, rng, kind)
    at = rng.choice(40, widths[0], replace=False)
    columns = np.zeros((widths[0], 40))
    columns[range(widths[0]), at] = 1
    lo, hi = -rng.integers(1, 3, 40), rng.integers(1, 3, 40)
    few = partition(tensors.mlp(layers), Box(lo[at], hi[at]), engine="subdivision")
    found = partition(widened(layers, columns), Box(lo, hi))
    assert found.engine == "live_tree" and len(found) > 3 and same(found, few)
    assert all(found.locate(region.witness) == region.index for region in found.regions)


@pytest.mark.parametrize("kind", ["normal", "integer"])
@pytest.mark.parametrize("seed", range(3))
def test_boxes_whose_image_is_no_box(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = tensors.mlp(drawn((6, 4, 3, 1), rng, kind))
    found = partition(network, Box(-1, 1, dim=6), engine="live_tree")
    assert same(found, partition(network, Box(-1, 1, dim=6), engine="lp_tree"))
    assert all(found.locate(region.witness) == region.index for region in found.regions)


@pytest.mark.parametrize("seed", range(4))
def test_polyhedra_with_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = tensors.mlp(drawn((3, 4, 3, 1), rng, "integer"))
    units = np.eye(3, 4).astype(int).tolist()
    simplex = HPolytope([*units, [-1, -1, -2, 2]])
    found = partition(network, simplex, engine="live_tree")
    assert same(found, partition(network, simplex, engine="subdivision"))
    assert found.check().status is Status.COMPLETE


@pytest.mark.parametrize("activation", [AbsoluteValue(), HardTanh()])
def test_other_activations_and_skips(activation: Any) -> None:
    rng = np.random.default_rng(1)
    first, second, last = (
        Layer.of(rng.integers(-3, 4, shape) / 2, rng.integers(-2, 3, shape[0]) / 4, bend)
        for shape, bend in (((3, 3), activation), ((3, 3), activation), ((1, 3), None))
    )
    network = Network((Block((first, second), residual=True), Block((last,))))
    box = Box(-1, 1, dim=3)
    found = partition(network, box, engine="live_tree")
    assert len(found) > 5 and same(found, partition(network, box, engine="lp_tree"))


def test_rational_weights_and_slices_of_inputs() -> None:
    """Numbers that no float holds, in a flat polyhedron: the chart is no list of coordinates."""
    rows = [["1/3", "2/7", "-1/5"], ["1/7", "-1/3", "1/9"]]
    network = tensors.mlp([(rows, ["1/11", 0]), ([[1, "1/3"]], [0])])
    sides = [[s * int(i == j) for i in range(3)] + [1] for j in range(3) for s in (1, -1)]
    flat = HPolytope([*sides, [1, 1, 2, 0], [-1, -1, -2, 0]])
    found = partition(network, flat, engine="live_tree")
    assert found.cells.witness(0) and same(found, partition(network, flat, engine="subdivision"))


def test_a_hinge_that_touches_a_corner_cuts_nothing() -> None:
    ones = np.ones((1, 30))
    layers = [(np.concatenate([ones, -ones, ones, -ones]), [-30.0, 30, -30 + 2.0**-40, -30])]
    network = tensors.mlp([*layers, (np.ones((1, 4)), [0.0])])
    found = partition(network, Box(-1, 1, dim=30))
    assert [str(region.code) for region in found.regions] == ["0100", "0110"]
    assert found.neighbours().tolist() == [[0, 1]]


def test_equal_hinges_flip_together_and_vanishing_ones_are_off() -> None:
    """z, 2 z and -z in the first layer; relu(z) - relu(-z) and relu(z) - relu(2 z) / 2 behind."""
    row = np.arange(1.0, 25)[None, :]
    first = np.concatenate([row, 2 * row, -row])
    second = [[1.0, 0, -1], [1, -0.5, 0]]
    network = tensors.mlp([(first, np.zeros(3)), (second, np.zeros(2)), ([[1.0, 1]], [0])])
    found = partition(network, Box(-1, 1, dim=24))
    assert [str(region.code) for region in found.regions] == ["001|00", "110|10"]
    assert [len(f.flipped) for f in found.regions[0].facets if f.neighbour is not None] == [4]
    assert found.check().status is Status.COMPLETE


def wide(inputs: int, seed: int = 0, *widths: int) -> Network:
    rng = np.random.default_rng(seed)
    sizes = (inputs, *widths)
    return tensors.mlp(
        [
            (rng.normal(size=(b, a)) / a**0.5, rng.normal(size=b) / 4)
            for a, b in zip(sizes, widths, strict=False)
        ]
    )


def test_a_small_box_in_784_dimensions() -> None:
    network = wide(784, 0, 100, 100, 10)
    x = np.random.default_rng(1).uniform(size=784)
    box = Box(x - 2.0**-11, x + 2.0**-11)
    found = partition(network, box)
    assert (found.engine, found.outcome) == ("live_tree", Outcome.COMPLETE)
    live = int((found.bits != found.bits[:1]).any(axis=0).sum())
    assert live == 6 and found.evidence.startswith("of 200 hinges 194 are fixed, 194 by bounds")
    assert found.decisions["exact"] == 0
    for region in found.regions[:3]:
        assert network.code(region.witness) == region.code
        edge = [facet for facet in region.facets if facet.neighbour is None]
        assert found.adjacency.row(region.index), "the box is connected"
        assert len(edge) == 2 * 784


def test_fixed_by_programmes() -> None:
    """A hinge that vanishes in the box, but beyond a wall on every cell where it is not fixed."""
    first = np.zeros((2, 20))
    first[0, 0], first[1, 1] = 1, 1
    second = [[1.0, 1], [-1, 0]]
    network = tensors.mlp([(first, [0, 0]), (second, [1 / 4, -1 / 4]), ([[1.0, 1]], [0])])
    found = partition(network, Box(-1, 1, dim=20))
    assert len(found) == 4 and "2 are fixed, 0 by bounds" in found.evidence
    assert "2 by programmes on cells, and the other 2 are live" in found.evidence


@pytest.mark.parametrize("regions", [1, 7])
def test_a_budget_keeps_what_is_done(regions: int) -> None:
    network = wide(30, 3, 9, 4, 1)
    box = Box(-0.125, 0.125, dim=30)
    whole, part = partition(network, box), partition(network, box, budget=Budget(regions=regions))
    assert len(part) == regions and part.outcome is Outcome.BUDGET_REACHED
    assert {r.code.packed for r in part.regions} <= {r.code.packed for r in whole.regions}


def test_it_is_chosen_in_many_dimensions_only() -> None:
    network = wide(20, 0, 30, 1)
    told = choose(Problem.of(network, Box(-1, 1, dim=20)))
    assert told.engine.name == "live_tree"
    assert choose(Problem.of(wide(4, 0, 8, 1), Box(-1, 1, dim=4))).engine.name == "skeleton"
    assert "bounds" in str(choose(Problem.of(network, RealSpace(20))).refusals["live_tree"])
    with pytest.raises(Unsupported, match="bounds"):
        partition(network, RealSpace(20), engine="live_tree")


def test_without_hinges_and_without_room() -> None:
    line = tensors.mlp([(np.ones((1, 20)), [0.0])])
    assert len(partition(line, Box(-1, 1, dim=20), engine="live_tree")) == 1
    network = wide(20, 0, 4, 1)
    sides = np.concatenate([np.eye(20, 21), -np.eye(20, 21)]).tolist()
    empty = HPolytope([*sides, [*[1] * 20, -1]])
    found = partition(network, empty)
    assert len(found) == 0 and found.check().status is Status.COMPLETE


# ---- slices


@pytest.mark.parametrize("kind", ["normal", "integer", "central"])
@pytest.mark.parametrize("widths", [(2, 4, 3, 1), (3, 4, 3, 1)])
def test_all_of_space_by_a_slice(widths: tuple[int, ...], kind: str) -> None:
    """Orthogonal integer columns: R^24 is mapped onto R^2 or R^3."""
    rng = np.random.default_rng(3)
    layers = drawn(widths, rng, kind)
    columns = np.kron(np.eye(3), np.array([1, -2, 1, 3, 1, 1, -1, 2]))[: widths[0]]
    found = partition(widened(layers, columns), RealSpace(24))
    assert found.engine == "slice" and len(found) > 3
    assert same(found, partition(tensors.mlp(layers), RealSpace(widths[0])))
    assert all(found.locate(region.witness) == region.index for region in found.regions)
    assert found.check().status is Status.COMPLETE


def test_a_slice_of_a_wedge_and_of_nothing() -> None:
    rng = np.random.default_rng(4)
    layers = drawn((2, 3, 3, 1), rng)
    columns = np.zeros((2, 20))
    columns[0, 3], columns[1, 11] = 1, 1
    wedge = np.zeros((2, 21))
    wedge[0, [3, 20]], wedge[1, [3, 11]] = 1, (1, -1)
    found = partition(widened(layers, columns), HPolytope(wedge.tolist()), engine="slice")
    few = partition(tensors.mlp(layers), HPolytope([[1, 0, 1], [1, -1, 0]]))
    assert same(found, few)
    nothing = HPolytope([*wedge.tolist(), (-wedge[0] - np.eye(21)[20]).tolist()])
    assert len(partition(widened(layers, columns), nothing, engine="slice")) == 0
    with pytest.raises(Unsupported, match="no slice is less"):
        partition(tensors.mlp(layers), RealSpace(2), engine="slice")


# ---- certificates of kind `bounded`


@pytest.fixture(scope="module")
def records() -> list[Any]:
    found = partition(wide(18, 5, 5, 3, 1), Box(-0.25, 0.25, dim=18))
    assert len(found) > 8 and found.check().status is Status.COMPLETE
    lines = [json.loads(line) for line in certificate.of(found, maps=False)][:-1]
    assert lines[0]["kind"] == "bounded"
    return lines


def _without_a_region(lines: list[Any]) -> None:
    del lines[-1]
    lines[0]["regions"] -= 1


def _witness_outside(lines: list[Any]) -> None:
    words = lines[1]["witness"].split()
    lines[1]["witness"] = " ".join([words[-1], *words[1:]])


def _facet_left_out(lines: list[Any]) -> None:
    lines[1]["facets"] = lines[1]["facets"][1:]


def _other_neighbour(lines: list[Any]) -> None:
    lines[1]["facets"][0][2] += 1


def _point_of_another_facet(lines: list[Any]) -> None:
    facets = next(line["facets"] for line in lines[1:] if len(line["facets"]) > 1)
    facets[0][1] = facets[1][1]


def _wall_of_the_domain(lines: list[Any]) -> None:
    lines[1]["redundant"].append([0, "1"])


def _negative(lines: list[Any]) -> None:
    proof = next(p for line in lines[1:] for p in line["redundant"])
    proof[1] = " ".join(["-1", *proof[1].split()[1:]])


def _nothing(lines: list[Any]) -> None:
    proof = next(p for line in lines[1:] for p in line["redundant"])
    proof[1] = " ".join([proof[1].split()[0], *["0"] * (len(proof[1].split()) - 1)])


def _wider(lines: list[Any]) -> None:
    """Bounds between which hinges vanish that are fixed in the domain of the proof."""
    walls = lines[0]["domain"]["walls"]
    lines[0]["domain"]["walls"] = [" ".join([*w.split()[:-1], "f"]) for w in walls]


FORGED: list[Callable[[list[Any]], None]] = [
    _without_a_region,
    _witness_outside,
    _facet_left_out,
    _other_neighbour,
    _point_of_another_facet,
    _wall_of_the_domain,
    _negative,
    _nothing,
    _wider,
]


@pytest.mark.parametrize("forge", FORGED)
def test_forged_certificates_are_rejected(
    records: list[Any], forge: Callable[[list[Any]], None]
) -> None:
    def lines(change: Callable[[list[Any]], None] | None) -> Iterator[bytes]:
        own = json.loads(json.dumps(records))
        if change is not None:
            change(own)
        return iter(signed(own))

    assert verify(lines(None)).status is Status.COMPLETE
    assert verify(lines(forge)).status is Status.REJECTED


@pytest.mark.parametrize("engine", ["lp_tree", "facet_walk", "live_tree"])
def test_bounded_proofs_and_facets_are_those_of_the_complex(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(7)
    network = tensors.mlp(drawn((3, 4, 3, 1), rng, "integer"))
    sides = [[s * int(i == j) for i in range(3)] + [1] for j in range(3) for s in (1, -1)]
    domain = HPolytope([*sides, [-1, -1, -1, 2], [1, 1, 1, 3]])
    whole = partition(network, domain, engine="subdivision")
    facets = [whole.facets_of(i) for i in range(len(whole))]
    monkeypatch.setattr(bounded_facets, "_FEW", 0)
    found = partition(network, domain, engine=engine)
    assert found.check().status is Status.COMPLETE
    assert [found.facets_of(i) for i in range(len(found))] == facets


def test_a_partition_that_stopped_early_says_so() -> None:
    network, box = wide(18, 5, 5, 3, 1), Box(-0.25, 0.25, dim=18)
    part = partition(network, box, budget=Budget(regions=3))
    assert part.check().status is Status.INCOMPLETE


def test_a_wall_is_a_facet_or_redundant() -> None:
    bounds = Bounds((Rational(0),), (Rational(1),))
    with pytest.raises(EngineDefect, match="neither a facet nor redundant"):
        bounded_facets._redundancy(bounds, [], Halfspace((2, -1)))
