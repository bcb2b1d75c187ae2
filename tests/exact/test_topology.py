"""Betti numbers and persistence of what networks decide: against sets whose shape is known, against
pixels of the same functions, and against ranks of boundary matrices over GF(2) that are made here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from exact import Box, Budget, Graph, InvalidInput, Network, RealSpace, Segment, partition
from exact.errors import EngineDefect, MissingExtra
from exact.instruments.decision.ties import boundary, tied
from exact.instruments.decision.topology import Of, betti_numbers, persistence, shape
from exact.networks.activations import AbsoluteValue, ReLU
from exact.networks.layers import Layer
from exact.networks.network import Block
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.reference import integers


def folded(*layers: tuple[Any, Any]) -> Network:
    """Absolute values in every layer but the last one."""
    last = len(layers) - 1
    made = [
        Layer.of(w, b, activation=None if k == last else AbsoluteValue())
        for k, (w, b) in enumerate(layers)
    ]
    return Network((Block(tuple(made)),))


# a network, the half width of its box, the same function for pixels, and the Betti numbers of where
# it is at most 0, of where it is positive, and of its boundary
SHAPES: dict[str, tuple[Network, int, Callable[..., Any], tuple[Any, Any, Any]]] = {
    "disc": (
        folded(([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [-1])),
        2,
        lambda x, y: abs(x) + abs(y) - 1,
        ((1, 0), (1, 1), (1, 1)),
    ),
    "annulus": (
        folded(([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [-1]), ([[1]], ["-1/2"])),
        2,
        lambda x, y: abs(abs(x) + abs(y) - 1) - 1 / 2,
        ((1, 1), (2, 1), (2, 2)),
    ),
    "four discs": (
        folded(([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1]], [-1, -1]), ([[1, 1]], ["-1/2"])),
        2,
        lambda x, y: abs(abs(x) - 1) + abs(abs(y) - 1) - 1 / 2,
        ((4, 0), (1, 4), (4, 4)),
    ),
    "four discs that touch": (
        folded(([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1]], [-1, -1]), ([[1, 1]], [-1])),
        3,
        lambda x, y: abs(abs(x) - 1) + abs(abs(y) - 1) - 1,
        # the closures of the part inside and of the part around it touch, too
        ((1, 1), (1, 4), (1, 5)),
    ),
    "shell": (
        folded((np.eye(3).tolist(), [0] * 3), ([[1, 1, 1]], [-1]), ([[1]], ["-1/2"])),
        2,
        lambda x, y, z: abs(abs(x) + abs(y) + abs(z) - 1) - 1 / 2,
        ((1, 0, 1), (2, 0, 1), (2, 0, 2)),
    ),
    "torus": (
        folded(
            (np.eye(3).tolist(), [0] * 3), ([[1, 1, 0], [0, 0, 1]], [-2, 0]), ([[1, 1]], ["-1/2"])
        ),
        3,
        lambda x, y, z: abs(abs(x) + abs(y) - 2) + abs(z) - 1 / 2,
        ((1, 1, 0), (1, 1, 1), (1, 2, 1)),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_sets_of_known_shape(name: str) -> None:
    network, half, _, expected = SHAPES[name]
    dim = network.input_dim
    found = partition(network, Box(-half, half, dim=dim))
    asked: tuple[Of, ...] = (("class", 0), ("class", 1), "boundary")
    assert tuple(betti_numbers(found, of) for of in asked) == expected
    assert betti_numbers(found, ("output", 0)) == expected[0]
    for of in asked:
        told = shape(found, of)
        signed = sum((-1) ** k * n for k, n in enumerate(told.betti_numbers))
        assert told.euler_characteristic == signed


@pytest.mark.parametrize("name", [name for name in SHAPES if "touch" not in name])
def test_pixels_have_the_same_parts_and_voids(name: str) -> None:
    """By Alexander duality the last Betti number counts the parts of what is left of R^d, less the
    one around; the middle one follows from Euler's relation on pixels.
    """
    _, half, function, (expected, _, _) = SHAPES[name]
    dim = len(expected)
    axes = np.meshgrid(*[np.linspace(-half, half, 16 * half + 2)] * dim, indexing="ij")
    inside = np.pad(function(*axes) <= 0, 1)
    full = np.ones((3,) * dim)
    assert ndimage.label(inside, full)[1] == expected[0]
    assert ndimage.label(~inside)[1] - 1 == expected[-1]
    assert euler_of_pixels(inside) == sum((-1) ** k * n for k, n in enumerate(expected))


def euler_of_pixels(inside: Any) -> int:
    """The alternating sum of the cubes, squares, edges and corners of closed pixels."""
    total = 0
    for spread in np.ndindex(*[2] * inside.ndim):  # 1: the face has no length along this axis
        faces = inside
        for axis, flat in enumerate(spread):
            if flat:
                before = [slice(None)] * inside.ndim
                after = list(before)
                before[axis], after[axis] = slice(None, -1), slice(1, None)
                faces = faces[tuple(before)] | faces[tuple(after)]
        total += (-1) ** (inside.ndim - sum(spread)) * int(faces.sum())
    return total


def random_network(seed: int, widths: tuple[int, ...]) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [(integers(generator, (b, a), 4), integers(generator, b, 4)) for a, b in pairwise(widths)]
    )


def flat(network: Network, half: int = 2) -> FlatPartition:
    found = partition(network, Box(-half, half, dim=network.input_dim))
    assert isinstance(found, FlatPartition)
    return found


def rank(rows: list[set[int]]) -> int:
    """The rank over GF(2) of a matrix with these columns of ones in each row."""
    pivots: dict[int, set[int]] = {}
    for given in rows:
        row = set(given)
        while row and (first := min(row)) in pivots:
            row ^= pivots[first]
        if row:
            pivots[min(row)] = row
    return len(pivots)


def betti_by_ranks(found: FlatPartition, facets: set[int]) -> tuple[int, ...]:
    """Betti numbers of the closure of some facets of a partition, by its engine's complex."""
    faces = found.faces
    assert faces is not None
    kept, dim = {faces.dim - 1: facets}, faces.dim - 1
    for k in range(dim, 0, -1):
        kept[k - 1] = {int(i) for face in kept[k] for i in faces.boundary[k].row(face)}
    ranks = [0] * (dim + 2)
    for k in range(1, dim + 1):
        ranks[k] = rank([set(faces.boundary[k].row(face).tolist()) for face in kept[k]])
    return tuple(len(kept[k]) - ranks[k] - ranks[k + 1] for k in range(dim + 1))


@pytest.mark.parametrize(
    ("seed", "widths"),
    [
        (seed, widths)
        for widths in ((2, 6, 3), (2, 5, 4, 2), (3, 5, 3), (2, 6, 1))
        for seed in range(6)
    ],
)
def test_boundaries_by_another_complex_and_by_ranks(seed: int, widths: tuple[int, ...]) -> None:
    network = random_network(seed, widths)
    cut = partition(tied(network), Box(-2, 2, dim=widths[0]), engine="subdivision")
    assert isinstance(cut, FlatPartition) and cut.faces is not None
    differing = {tuple(pair) for pair in boundary(cut).tolist()}
    beside: dict[int, list[int]] = {}
    for cell in range(len(cut)):
        for facet in cut.faces.boundary[cut.faces.dim].row(cell).tolist():
            beside.setdefault(facet, []).append(cell)
    facets = {facet for facet, cells in beside.items() if tuple(sorted(cells)) in differing}
    assert betti_numbers(flat(network), "boundary") == betti_by_ranks(cut, facets)


def alive(bars: Any, level: Fraction, dim: int) -> tuple[int, ...]:
    """How many bars of each dimension there are at a level."""
    held = [bar for bar in bars if bar.birth <= level and (bar.death is None or level < bar.death)]
    return tuple(sum(bar.dim == k for bar in held) for k in range(dim))


@pytest.mark.parametrize("widths", [(2, 6, 3), (2, 5, 4, 2), (3, 4, 2)])
def test_bars_that_are_alive_are_betti_numbers(widths: tuple[int, ...]) -> None:
    """Sets at a level are cut out of the complex; bars come from its vertices, without a cut."""
    for seed in range(3):
        found = flat(random_network(seed, widths))
        bars = persistence(found, ("output", 0))
        ends = sorted({bar.birth for bar in bars} | {bar.death or bar.birth for bar in bars})
        for level in (ends[0] - 1, ends[0], *((a + b) / 2 for a, b in pairwise(ends)), ends[-1]):
            betti = betti_numbers(found, ("output", 0), level)
            assert betti == alive(bars, level, widths[0])


@pytest.mark.parametrize("seed", range(4))
def test_margins_at_zero_are_the_boundary_and_the_class(seed: int) -> None:
    """Weights are random enough here that outputs tie nowhere but where decisions change."""
    generator = np.random.default_rng(seed)
    network = tensors.mlp(
        [
            (integers(generator, (b, a), 10**6), integers(generator, b, 10**6))
            for a, b in pairwise((2, 5, 4))
        ]
    )
    found = flat(network)
    assert alive(persistence(found, "boundary"), Fraction(0), 2) == betti_numbers(found, "boundary")
    for c in range(4):
        zero = alive(persistence(found, ("class", c)), Fraction(0), 2)
        assert zero == betti_numbers(found, ("class", c))


def test_two_wells_meet_at_a_saddle() -> None:
    """Of ||x| - 1| + |y| / 2 on [-2, 2] x [-2, 2]: wells at (-1, 0) and (1, 0), which meet at
    the origin.
    """
    wells = folded(([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, "1/2"]], [-1, 0]), ([[1, 1]], [0]))
    bars = persistence(flat(wells), ("output", 0))
    assert [(bar.dim, bar.birth, bar.death) for bar in bars] == [(0, 0, 1), (0, 0, None)]
    # how far below zero it is: the class that wins all over, but for two points
    bars = persistence(flat(wells), ("class", 1))
    assert [(bar.dim, bar.birth, bar.death) for bar in bars] == [
        *[(0, -2, -1)] * 5,
        (0, -2, None),
        (1, -1, 0),
        (1, -1, 0),
    ]


def test_ties_all_over_a_region_are_won_by_the_first_class() -> None:
    first = Network((Block((Layer.of([[1, 0]], activation=ReLU()), Layer.of([[1], [0]]))),))
    later = Network((Block((Layer.of([[1, 0]], activation=ReLU()), Layer.of([[0], [1]]))),))
    assert betti_numbers(flat(first), "boundary") == (0, 0)
    assert betti_numbers(flat(first), ("class", 1)) == (0, 0)
    assert shape(flat(later), "boundary").faces == (2, 1, 0)


def test_a_tie_from_corner_to_corner_cuts_faces_without_cutting_an_edge() -> None:
    """relu(x) - relu(y) is zero all over a quarter, and on a diagonal of another."""
    steps = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])
    assert shape(flat(steps), ("class", 1)).faces == (5, 6, 2)
    assert shape(flat(steps), "boundary").faces == (3, 2, 0)


@pytest.mark.parametrize("seed", range(3))
def test_graphs_have_the_shapes_of_chains(seed: int) -> None:
    """A partition without an engine's faces is put together from its corners."""
    for widths in ((2, 5, 3), (3, 3, 2)):
        network = random_network(seed, widths)
        graph = partition(Graph.of(network), Box(-2, 2, dim=widths[0]))
        assert isinstance(graph, FlatPartition) and graph.faces is None
        for of in ("boundary", ("class", 1)):
            assert shape(graph, of) == shape(flat(network), of)  # type: ignore[arg-type]
        assert persistence(graph, ("output", 0)) == persistence(flat(network), ("output", 0))


def test_a_complex_that_lacks_a_face_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = partition(Graph.of(random_network(1, (2, 4, 2))), Box(-2, 2, dim=2))
    assert isinstance(found, FlatPartition)
    real = found.corners_of
    monkeypatch.setattr(found, "corners_of", lambda i: real(0 if i == 1 else i))
    with pytest.raises(EngineDefect, match="not those of a polytope in parts"):
        betti_numbers(found, "boundary")


def test_bad_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(2, (2, 4, 2))
    with pytest.raises(InvalidInput, match="unbounded"):
        betti_numbers(partition(network, RealSpace(2)), "boundary")
    with pytest.raises(InvalidInput, match="complete"):
        betti_numbers(partition(network, Box(-2, 2, dim=2), budget=Budget(regions=2)), "boundary")
    with pytest.raises(InvalidInput, match="polytopes"):
        betti_numbers(partition(network, Segment([0, 0], [1, 1])), "boundary")
    with pytest.raises(InvalidInput, match="one to three dimensions"):
        betti_numbers(flat(random_network(1, (4, 2, 2))), "boundary")
    for wrong in (("class", 2), ("output", -1), ("sublevel", 0), "boundaries"):
        with pytest.raises(InvalidInput, match="no such set"):
            betti_numbers(flat(network), wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="level"):
        betti_numbers(flat(network), ("output", 0), level=float("nan"))
    monkeypatch.setitem(sys.modules, "gudhi", None)
    with pytest.raises(MissingExtra, match="topology"):
        persistence(flat(network), "boundary")
