"""Cutting a polygon by all layers in one call: what it finds is what the general engine finds,
its complex is exact, and it hands back whatever floats leave open.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import inf, nextafter
from typing import Any

import numpy as np
import pytest

from exact import (
    Box,
    Budget,
    HPolytope,
    Layer,
    LeakyReLU,
    Line,
    Network,
    Outcome,
    Plane,
    RealSpace,
    ReLU,
    SplineCode,
    partition,
)
from exact.check import Status
from exact.errors import EngineDefect
from exact.geometry.domains.base import FlatDomain
from exact.kernels import plane_regions
from exact.networks.layers import Block
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines import plane, subdivision
from exact.regions.polytopes.engines.plane import cells_by_one_call
from exact.regions.polytopes.engines.subdivision import Subdivision
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors

Layers = list[tuple[Any, Any]]
UNIT = Box(-1, 1, dim=2)
WIDTHS = ((1,), (5,), (40,), (3, 3), (16, 16), (7, 1, 6), (8,) * 5, (70, 20), (2, 30, 2))


def net(widths: tuple[int, ...], seed: int, inputs: int = 2, scale: float = 1.0) -> Network:
    """Uniform weights as torch draws them."""
    draw, sizes = np.random.default_rng(seed), [inputs, *widths, 1]
    layers = []
    for a, b in pairwise(sizes):
        bound = scale / a**0.5
        layers.append((draw.uniform(-bound, bound, (b, a)), draw.uniform(-bound, bound, b)))
    return tensors.mlp(layers)


def at_once(network: Network, domain: FlatDomain = UNIT, **options: Any) -> FlatCells | None:
    return cells_by_one_call(Job(Problem.of(network, domain), **options))


def by_hinges(network: Network, domain: FlatDomain, monkeypatch: pytest.MonkeyPatch) -> FlatCells:
    with monkeypatch.context() as patch:
        patch.setattr(subdivision, "cells_by_one_call", lambda job: None)
        return Subdivision().run(Job(Problem.of(network, domain)))


def seen(network: Network, domain: FlatDomain, cells: FlatCells) -> FlatPartition:
    return FlatPartition(Problem.of(network, domain), "subdivision", cells)


def graph(found: FlatPartition) -> list[Any]:
    flipped = found.adjacency.flipped
    rows = found.adjacency.indptr, found.adjacency.indices, flipped.starts, flipped.members
    return [x.tolist() for x in rows]


def edges(found: FlatPartition) -> set[tuple[frozenset[Any], frozenset[int]]]:
    """Every edge by its exact ends, and the regions on its sides."""
    faces = found.faces
    assert faces is not None
    sides = dict[int, set[int]]()
    for cell in range(len(found)):
        for edge in faces.boundary[2].row(cell):
            sides.setdefault(int(edge), set()).add(cell)
    return {
        (frozenset(faces.vertex(int(v)) for v in faces.boundary[1].row(edge)), frozenset(cells))
        for edge, cells in sides.items()
    }


DOMAINS: tuple[tuple[FlatDomain, int], ...] = (
    (UNIT, 2),
    (Box([-3, Fraction(1, 3)], [Fraction(-1, 7), 2]), 2),
    (HPolytope([[1, 0, 1], [0, 1, 1], [-3, -1, 2]]), 2),
    (Box([-1, Fraction(1, 3), -2], [1, Fraction(1, 3), 2]), 3),
)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_what_one_call_finds_is_what_hinges_find(
    widths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = 0
    for seed, (domain, inputs) in enumerate(DOMAINS * 2):
        network = net(widths, seed, inputs)
        cells = at_once(network, domain)
        general = seen(network, domain, by_hinges(network, domain, monkeypatch))
        if cells is None:
            continue
        some += 1
        found = seen(network, domain, cells)
        assert found.order.tolist() == list(range(len(found)))  # canonical as it is
        assert found.codes.tolist() == general.codes.tolist()
        assert graph(found) == graph(general)
        assert found.cells.pairs is not None
        assert {frozenset(pair) for pair in found.cells.pairs().tolist()} == {
            frozenset(pair) for pair in found.neighbours().tolist()
        }
        assert sum(general.decisions.values()) > 0 == found.decisions["exact"]
    assert some >= 6


@pytest.mark.parametrize("seed", range(4))
def test_the_complex_is_exact(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    domain, inputs = DOMAINS[seed]
    network = net((6, 5), seed + 20, inputs)
    cells = at_once(network, domain)
    assert cells is not None and "in one pass by floats alone" in cells.evidence
    found = seen(network, domain, cells)
    general = seen(network, domain, by_hinges(network, domain, monkeypatch))
    assert edges(found) == edges(general)
    assert found.check(maps=False).status is Status.COMPLETE
    for index in range(len(found)):
        assert found.regions[index].facets == general.regions[index].facets
        assert domain.contains(found.witness_of(index))
        code = network.code(found.regions[index].witness)
        assert code == found.code_of(index) and isinstance(code, SplineCode)
    assert found.volume == general.volume


def test_vertices_lie_where_their_bounds_say() -> None:
    for seed in range(6):
        cells = at_once(net((12, 9, 7), seed))
        assert cells is not None and cells.faces is not None
        enclosed = cells.faces.enclosed()
        assert enclosed is not None
        for place, (at, radius) in enumerate(zip(*enclosed, strict=True)):
            x, y, one = cells.faces.vertex(place).finite
            gaps = [Fraction(a, one) - Fraction(float(b)) for a, b in zip((x, y), at, strict=True)]
            assert sum(gap**2 for gap in gaps) <= Fraction(float(radius)) ** 2
            assert radius < 1e-9


def rows(weight: Any, bias: Any) -> Network:
    return tensors.mlp(
        [(np.array(weight, float), np.array(bias, float)), ([[1.0] * len(bias)], None)]
    )


@pytest.mark.parametrize(
    "network",
    [
        rows([[1, 0], [0, 1], [1, 1]], [0, 0, 0]),  # three lines in a point
        rows([[1, 0], [2, 0]], [0.5, 1]),  # two lines that coincide
        rows([[1, 0], [-1, 0]], [0.5, -0.5]),  # and opposite ones
        rows([[1, 1]], [0]),  # through two corners
        rows([[1, 0]], [1]),  # along a side
        rows([[0, 0], [1, 2]], [0, 0.1]),  # a neuron that is zero everywhere
        tensors.mlp([([[1.0, 0.0]], [0.0]), ([[1.0]], [0.0]), ([[1.0]], [0.0])]),  # zero half way
    ],
)
def test_what_is_not_in_general_position_is_handed_back(network: Network) -> None:
    assert at_once(network) is None
    found = partition(network, UNIT)
    assert found.outcome is Outcome.COMPLETE and "floats alone" not in found.evidence


@pytest.mark.parametrize("ulps", [-2, -1, 0, 1, 2])
def test_lines_that_miss_a_point_by_an_ulp(ulps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = 0.1
    for _ in range(abs(ulps)):
        offset = nextafter(offset, inf if ulps > 0 else -inf)
    network = rows([[1, 0], [0, 1], [1, 1]], [0.05, 0.05, offset])
    cells = at_once(network)
    general = seen(network, UNIT, by_hinges(network, UNIT, monkeypatch))
    assert cells is None or len(cells.codes) == len(general) == 7
    assert partition(network, UNIT).digest == general.digest
    assert len(general) == (6 if Fraction(offset) == 2 * Fraction(0.05) else 7)


def test_a_gap_of_a_few_hundred_ulps_is_seen() -> None:
    cells = at_once(rows([[1, 0], [0, 1], [1, 1]], [0.05, 0.05, 0.1 + 2.0**-44]))
    assert cells is not None and len(cells.codes) == 7


@pytest.mark.parametrize("power", [-900, -300, -60, 60, 300, 900])
def test_scaled_rows_change_nothing(power: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = net((6, 4), 3)
    layers = [(x.weight.float64(), x.bias.float64()) for x in plain.layers]
    (w, b), *rest = layers
    scaled = tensors.mlp([(np.ldexp(w, power), np.ldexp(b, power)), *rest])
    cells = at_once(scaled)
    general = by_hinges(scaled, UNIT, monkeypatch)
    assert cells is None or sorted(cells.codes.tolist()) == sorted(general.codes.tolist())
    assert (cells is None) == (abs(power) > 300)


@pytest.mark.parametrize(
    "network, domain",
    [
        (tensors.mlp([([[1.0, 0.3]], [0.1]), ([[1.0]], [0.0])], LeakyReLU()), UNIT),
        (tensors.mlp([([["1/3", 1]], [0]), ([[1]], [0])]), UNIT),  # no floats
        (net((3,), 0), RealSpace(2)),
        (net((3,), 0), Line([0, 0], [1, 2])),
        (net((3,), 0, 3), Box(-1, 1, dim=3)),
        (net((3,), 0, 3), Plane([0, 0, 0], [1, 0, 0], [0, 1, 1])),  # unbounded
        (Network((Block((Layer.of(np.eye(2) * 0.7, [0.1, 0.2], ReLU()),), None, True),)), UNIT),
        (tensors.mlp([([[1.0, 0.3]], [0.1])]), UNIT),  # no hidden layer
    ],
)
def test_other_jobs_are_not_taken(network: Network, domain: FlatDomain) -> None:
    assert at_once(network, domain) is None
    assert partition(network, domain).outcome is Outcome.COMPLETE


@pytest.mark.parametrize("domain", [RealSpace(2), HPolytope([[1, 0, 0], [0, 1, 0]])], ids=str)
def test_weights_are_read_only_where_there_is_a_polygon(
    domain: FlatDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[Network]()
    monkeypatch.setattr(plane, "_values", read.append)
    assert at_once(net((3,), 0), domain) is None and not read
    assert at_once(net((3,), 0)) is None and len(read) == 1


def test_a_cut_that_does_not_close_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    polygon = UNIT.flat().polygon
    assert polygon is not None
    mesh = plane_regions._begin(polygon.corners, polygon.rows)
    mesh = plane_regions._with_lines(plane_regions._with_room(mesh, 4, 6), 5)
    mesh.line[4], mesh.hinge[4] = polygon.rows[1], 0
    mesh.line[4, 2] -= 0.5
    # a line that, if its signs at the corners were true, never comes out of the square
    signs = np.full((4, 1), plane_regions.MINUS, np.uint8)
    assert plane_regions._cut(mesh, signs, 0, 0, 1, 4) == plane_regions.BROKEN
    whole = plane_regions.cut_by_layers

    def broken(*given: Any) -> Any:
        return plane_regions.BROKEN, *whole(*given)[1:]

    monkeypatch.setattr(plane_regions, "cut_by_layers", broken)
    with pytest.raises(EngineDefect, match="a cut through a cell does not close"):
        partition(net((3,), 0), UNIT)


def test_linear_layers_in_front_of_the_last_hinge_are_not_taken() -> None:
    linear = Layer.of(np.array([[1.0, 0.5], [0.2, 1.0]]), [0.1, 0.0])
    hidden = Layer.of(np.array([[1.0, 0.3], [0.4, -1.0]]), [0.1, 0.2], ReLU())
    assert at_once(Network((Block((linear, hidden)),))) is None
    behind = at_once(Network((Block((hidden, linear)),)))
    assert behind is not None and len(behind.codes) == 4


def test_limits_and_budgets_are_kept() -> None:
    network = net((16, 16), 0)
    whole = at_once(network)
    assert whole is not None
    assert at_once(network, limit=5) is None
    assert at_once(network, budget=Budget(regions=10)) is None
    assert at_once(network, budget=Budget(seconds=1e-6)) is None
    assert at_once(network, budget=Budget(bytes=10_000)) is None
    assert at_once(network, progress=lambda found: None) is None
    for most in (Budget(regions=10**6), Budget(seconds=60), Budget(seconds=inf), Budget(bytes=1e9)):
        again = at_once(network, budget=most)
        assert again is not None and again.codes.tolist() == whole.codes.tolist()
    assert len(partition(network, UNIT, budget=Budget(regions=10))) == 10


def test_more_cells_than_a_first_call_may_make_take_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = net((12, 12), 1)
    whole = at_once(network)
    monkeypatch.setattr(plane, "_SMALL", 4)
    again = at_once(network)
    assert whole is not None and again is not None
    assert again.codes.tolist() == whole.codes.tolist()
    monkeypatch.setattr(plane, "_FEW_HINGES", 3)
    assert at_once(network, limit=3) is None


def test_cells_too_many_for_the_forms_of_a_layer_are_handed_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, widths = plane._values(net((9, 9, 9), 2)) or pytest.fail("a plain network")
    flat = UNIT.flat()
    assert flat.polygon is not None
    given = (*flat.float_state, flat.polygon.corners, flat.polygon.rows)
    assert plane_regions.cut_by_layers(values, widths, *given, 10**5)[0] == plane_regions.DONE
    assert plane_regions.cut_by_layers(values, widths, *given, 40)[0] == plane_regions.FULL
    nothing = np.full(4, np.inf)
    wide = (given[0], nothing, *given[2:])
    assert plane_regions.cut_by_layers(values, widths, *wide, 10**5)[0] == plane_regions.OPEN


def test_saved_partitions_are_the_same(tmp_path: Any) -> None:
    from exact import load

    found = partition(net((8, 8), 5), UNIT)
    again = load(found.save(tmp_path / "plane.safetensors"))
    assert again == found and again.digest == found.digest
    assert again.neighbours().tolist() == found.neighbours().tolist()


def cancelling(seed: int, rows: int, at: tuple[Fraction, Fraction], shift: float) -> Layers:
    """A layer that is on all over the positive quadrant, with biases about as large as `shift`, and
    `rows` forms over it that vanish at a point, exactly: of moderate size, with terms near 2^20
    that cancel, so that floats know them to 2^-33 times 1 + `shift` or so. Form 2 is the sum of
    forms 0 and 1.
    """
    draw = np.random.default_rng(seed)
    inner = np.rint(draw.uniform(0.5, 1, (5, 2)) * 2**26) / 2**26
    start = np.rint(draw.uniform(0.5, 1, 5) * shift * 2**14) / 2**14
    known = np.column_stack([inner, start if shift else draw.uniform(0.5, 1, 5)])
    outer = np.empty((3, 5))
    outer[:2, 3:] = draw.integers(-(2**20), 2**20, (2, 2))
    sizes = np.array([[1.0, -0.7, 0.0], [0.4, 1.2, 0.0]]) - outer[:2, 3:] @ known[3:]
    outer[:2, :3] = np.rint(np.linalg.solve(known[:3].T, sizes.T).T * 2**10) / 2**10
    outer[2] = outer[0] + outer[1]
    hidden = [
        sum(Fraction(w) * x for w, x in zip(row, at, strict=True)) + Fraction(b)
        for row, b in zip(inner, start, strict=True)
    ]
    values = [sum(Fraction(u) * h for u, h in zip(row, hidden, strict=True)) for row in outer]
    bias = np.array([-float(value) for value in values])
    assert [-Fraction(b) for b in bias] == values
    return [(inner, start), (outer[:rows], bias[:rows])]


def readout(layers: Layers, deep: bool) -> Network:
    """The network; a deep one lifts the forms above zero and takes them down in one layer more."""
    rows = len(layers[-1][1])
    if deep:
        weight, bias = layers[-1]
        layers = [layers[0], (weight, bias + 2.0**6), (np.eye(rows), np.full(rows, -(2.0**6)))]
    return tensors.mlp([*layers, (np.ones((1, rows)), None)])


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("shift", [0.0, 2.0**12])
@pytest.mark.parametrize("seed", range(4))
def test_errors_of_forms_are_carried_to_the_lines(seed: int, shift: float, deep: bool) -> None:
    domain, at = Box(Fraction(1, 4), 2, dim=2), (Fraction(3, 4), Fraction(5, 4))
    two = at_once(readout(cancelling(seed, 2, at, shift), deep), domain)
    assert two is not None and len(two.codes) == 4
    meeting = readout(cancelling(seed, 3, at, shift), deep)
    assert at_once(meeting, domain) is None  # three lines in a point, which floats miss
    assert len(partition(meeting, domain)) == 6


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("shift", [0.0, 2.0**12])
@pytest.mark.parametrize("seed", range(4))
def test_errors_of_forms_are_carried_to_corners(seed: int, shift: float, deep: bool) -> None:
    network = readout(cancelling(seed, 1, (Fraction(1), Fraction(1)), shift), deep)
    domain = Box(1, 2, dim=2)
    assert at_once(network, domain) is None  # through a corner, which floats miss
    assert len(partition(network, domain)) == 2


@pytest.mark.parametrize("error, meets", [(2.0**-40, True), (2.0**-31, False)])
def test_lines_that_may_be_parallel_meet_nowhere(error: float, meets: bool) -> None:
    line = np.array([[1.0, 0.0, -0.25, 0.0, 0.0, 1.0], [1.0, 2.0**-30, -0.25, error, 0.0, 1.0]])
    none = np.zeros(0, np.int32)
    at, through = np.zeros((1, 3)), np.array([[0, 1]], np.int32)
    mesh = plane_regions.Mesh(
        np.zeros(5, np.int64), at, through, none.reshape(0, 4), none, line, np.zeros(2, np.int32)
    )
    assert plane_regions._place(mesh, 0) == meets
    if meets:
        assert at[0, :2].tolist() == [0.25, 0.0] and at[0, 2] >= error * 2.0**28
