"""Exact vertices: planes by number, points by their planes, signs at infinity, and witnesses that
survive bad floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import Box, HardTanh, Layer, Network, Plane, RealSpace, ReLU
from exact.arithmetic.numbers import fractions
from exact.errors import EngineDefect
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import Flat, FlatDomain
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.geometry.polyhedra.halfspace import affine
from exact.networks.layers import Block
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.engines import exact_vertices
from exact.regions.polytopes.engines.exact_vertices import ExactVertices, Witnesses
from exact.regions.polytopes.engines.subdivision import Subdivision
from exact.regions.polytopes.walls.facets import region_halfspaces
from exact.sources import tensors
from tests.exact.reference import integers, value

Array = np.ndarray[Any, Any]
SPACE = RealSpace(2).flat()
CUBE = [((1, 0, 0), 1), ((-1, 0, 0), 1), ((0, 1, 0), 1), ((0, -1, 0), 1)]
LINE = [((1, 2, -3), 0), ((1, -1, 0), 0), ((0, 3, 7), 0)]


def plain(flat: Flat = SPACE) -> ExactVertices:
    network = tensors.mlp([([[1] * len(flat.origin)], [0]), ([[1]], [0])])
    found = ExactVertices(network, flat)
    found.add_walls([*CUBE, *LINE])
    return found


def cut(network: Network, domain: FlatDomain) -> FlatCells:
    return Subdivision().run(Job(Problem(network, domain)))


def test_meets_of_planes() -> None:
    vertices = plain()
    assert vertices.meet([vertices.form(4), vertices.form(5)]) == SymbolicPoint((1, 1, 1), (0, 0))
    assert vertices.meet([vertices.form(0), vertices.form(2)]) == SymbolicPoint((0, 0, 1), (-1, -1))
    # x + K = 0 and x + 2 y = 3: y = 3 / 2 + K / 2
    assert vertices.meet([vertices.form(0), vertices.form(4)]) == SymbolicPoint((0, 3, 2), (-2, 1))
    assert vertices.meet([vertices.form(5), vertices.form(6)]).finite == (-7, -7, 3)


def test_signs_are_lexicographic() -> None:
    """On x = -K, y = (3 + K) / 2: the planes of the cube, lines, and lines that the point lies
    on.
    """
    vertices = plain()
    vertices.planes = lambda vertex: np.array([[0, 4], [4, 5], [0, 5]][vertex])
    assert [vertices.sign(0, plane) for plane in range(7)] == [0, 1, 1, 1, 0, -1, 1]
    assert [vertices.sign(1, plane) for plane in range(7)] == [1, 1, 1, 1, 0, 0, 1]
    # (-K, -K): x - y = 0 and y + K = 0 there
    assert [vertices.sign(2, plane) for plane in range(7)] == [0, 1, 0, 1, -1, 0, -1]
    far = plain()
    far.add_walls([((1, 0, 5), 0), ((0, 1, 0), 0), ((0, -1, 2), 0)])
    far.planes = lambda vertex: np.array([1, 8])  # (K, 0)
    assert [far.sign(0, plane) for plane in (7, 8, 9)] == [1, 0, 1]


def test_floats_are_the_nearest() -> None:
    vertices = plain()
    vertices.planes = lambda vertex: np.array([[0, 4], [5, 6]][vertex])
    (finite, near), (infinite, far) = vertices.floats(0)
    assert (finite.tolist(), infinite.tolist()) == ([0.0, 1.5], [-1.0, 0.5])
    assert (near[0], min(near[1], *far) > 0) == (0.0, True)
    (finite, near), (infinite, far) = vertices.floats(1)
    assert (finite.tolist(), infinite.tolist(), far.tolist()) == (
        [-7 / 3, -7 / 3],
        [0.0, 0.0],
        [0.0, 0.0],
    )
    gaps = [abs(Fraction(x) + Fraction(7, 3)) for x in finite]
    assert all(
        0 < gap <= Fraction(e) < Fraction(1, 2**49) for gap, e in zip(gaps, near, strict=True)
    )


def test_a_coordinate_that_rounds_to_zero_has_an_error() -> None:
    vertices = plain()
    vertices.add_walls([((2**1100, 0, -1), 0), ((0, 1, 0), 0)])
    vertices.planes = lambda vertex: np.array([7, 8])
    (finite, near), (_, far) = vertices.floats(0)
    assert (finite.tolist(), near[0] > 0, near[1], far.tolist()) == (
        [0.0, 0.0],
        True,
        0.0,
        [0.0, 0.0],
    )


def test_points_need_planes() -> None:
    with pytest.raises(IndexError, match="vertex 3"):
        plain().point(3)


def deep(hard: bool = False) -> Network:
    generator = np.random.default_rng(3)
    layers = [
        Layer.of(
            integers(generator, (b, a)),
            integers(generator, b),
            HardTanh(-1, "1/3") if hard else ReLU(),
        )
        for a, b in pairwise((2, 3, 3, 2))
    ]
    skip = Block(
        (Layer.of([[1, 2], [0, 1]], [1, 0]), Layer.of([[1, 0], ["1/2", 1]], [0, -1], ReLU())),
        residual=True,
    )
    return Network((skip, Block(tuple(layers))))


@pytest.mark.parametrize("kept", [1, 2, 4096])
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(
    "domain", [RealSpace(2), Plane([0, "1/3"], [1, 1], [0, 2], s=(-1, 1), t=(0, 1))], ids=repr
)
def test_forms_of_hinges_on_regions(
    domain: FlatDomain, hard: bool, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form of every plane is the halfspace of its hinge on its region, however many states are
    kept.
    """
    monkeypatch.setattr(exact_vertices, "_KEPT", kept)
    network, flat = deep(hard), domain.flat()
    cells = cut(network, domain)
    ends = np.cumsum([0, *network.bits_per_layer])
    vertices = ExactVertices(network, flat)
    vertices.add_walls(LINE)
    plane, expected = len(LINE), list[tuple[int, tuple[int, ...]]]()
    for layer, (start, end) in enumerate(pairwise(ends.tolist())):
        fronts = np.unique(cells.bits[:, :start], axis=0)
        regions, hinges = np.nonzero(
            np.random.default_rng(layer).random((len(fronts), end - start)) < 0.8
        )
        vertices.add_hinges(plane, layer, regions, hinges, np.packbits(fronts, axis=1), start)
        for region, hinge in zip(regions.tolist(), hinges.tolist(), strict=True):
            bits = [*fronts[region].tolist(), *[False] * (network.hinge_count - start)]
            expected.append(
                (start + hinge, region_halfspaces(network, flat, bits)[start + hinge].coefficients)
            )
        plane += len(regions)
    order = np.random.default_rng(0).permutation(len(expected)).tolist()
    found = {i: (vertices.hinge(len(LINE) + i), vertices.form(len(LINE) + i)) for i in order}
    assert [found[i] for i in range(len(expected))] == [
        (hinge, (row, 0)) for hinge, row in expected
    ]
    assert [(vertices.hinge(i), vertices.form(i)) for i in range(3)] == [
        (-1, form) for form in LINE
    ]
    assert len(vertices._cursors) <= max(kept, len(network.bits_per_layer))


# ---- witnesses


def square(corners: Sequence[SymbolicPoint]) -> FaceComplex:
    edges = Incidence(np.arange(0, 10, 2), np.array([0, 1, 1, 2, 2, 3, 3, 0]))
    cell = Incidence(np.array([0, 4]), np.arange(4))
    return FaceComplex(2, {1: edges, 2: cell}, cell, 4, corners.__getitem__)


class Floats:
    """Planes in order, and positions as given."""

    def __init__(self, positions: Array) -> None:
        self._positions = positions

    def facet_planes(self) -> Array:
        return np.arange(4)

    def positions(self) -> Array:
        return self._positions


def boxed(lo: Fraction, hi: Fraction, positions: Array) -> tuple[Witnesses, list[SymbolicPoint]]:
    """The witness of the square between lo and hi."""
    forms = [
        ((lo.denominator, 0, -lo.numerator), 0),
        ((-hi.denominator, 0, hi.numerator), 0),
        ((0, lo.denominator, -lo.numerator), 0),
        ((0, -hi.denominator, hi.numerator), 0),
    ]
    vertices = ExactVertices(tensors.mlp([([[1, 1]], [0]), ([[1]], [0])]), SPACE)
    vertices.add_walls(forms)
    corners = [vertices.meet([forms[i], forms[j]]) for i, j in ((0, 2), (1, 2), (1, 3), (0, 3))]
    return Witnesses(
        vertices, square(corners), Floats(positions), np.zeros((1, 1), np.uint8)
    ), corners


GOOD = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    "positions", [GOOD, GOOD + 1e6, GOOD + np.inf, GOOD * np.nan, -GOOD, 0 * GOOD]
)
@pytest.mark.parametrize(
    "hi", [Fraction(1), Fraction(1, 2**70), Fraction(1, 10**400), Fraction(10) ** 400]
)
def test_witnesses_are_inside_whatever_floats_say(positions: Array, hi: Fraction) -> None:
    witness = boxed(Fraction(0), hi, positions)[0](0)
    assert all(0 < x < hi for x in fractions(affine(witness)))


def test_a_witness_between_neighbouring_numbers() -> None:
    """Lower and upper wall 10^-60 apart around 1/3, where all corners round to one float."""
    lo, hi = Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**60)
    witness = boxed(lo, hi, np.full((4, 2), 1 / 3))[0](0)
    assert all(lo < x < hi for x in fractions(affine(witness)))


def test_corners_that_span_nothing_are_undecided() -> None:
    """Walls the wrong way round: no point is inside, and none is given."""
    with pytest.raises(EngineDefect, match="not inside"):
        boxed(Fraction(1), Fraction(0), GOOD)[0](0)


def test_witnesses_of_unbounded_cells_go_far_enough() -> None:
    """Behind a wall at 10^30 the mean of the vertices is inside for large K only."""
    far = 10**30
    rows: list[list[int]] = [[1, 0, -far], [0, 1, far], [1, 1, 1], [3, -2, 5]]
    network = tensors.mlp(
        [([row[:-1] for row in rows], [row[-1] for row in rows]), ([[1] * 4], [0])]
    )
    cells = cut(network, RealSpace(2))
    assert len(cells) == 11
    for i, bits in enumerate(cells.bits):
        at = fractions(affine(cells.witness(i)))
        assert [value(row, at) > 0 for row in rows] == bits.tolist()


@pytest.mark.parametrize("domain", [RealSpace(2), Box(-1, 1, dim=2)], ids=repr)
def test_walls_are_the_facets_with_the_region_inside(domain: FlatDomain) -> None:
    """Every wall is one of the region's own or the domain's, none twice; at infinity there is
    none.
    """
    network = deep()
    cells, flat = cut(network, domain), domain.flat()
    assert cells.walls is not None
    assert cells.faces is not None
    for i, bits in enumerate(cells.bits.tolist()):
        sides = zip(region_halfspaces(network, flat, bits), bits, strict=True)
        own = {side if bit else side.opposite for side, bit in sides} | set(flat.walls)
        walls = cells.walls(i)
        assert set(walls) <= own
        assert len(set(walls)) == len(walls)
        assert domain != Box(-1, 1, dim=2) or len(walls) == len(cells.faces.boundary[2].row(i))
        corner = cells.faces.vertex(int(cells.faces.corners.row(i)[0]))
        assert not corner.is_finite or all(wall.value(corner.finite) >= 0 for wall in walls)
