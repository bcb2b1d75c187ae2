"""Distinct hyperplanes of a layer, and the coordinates in which they are fewer."""

from __future__ import annotations

from typing import Any

import numpy as np

from exact import Box, HardTanh, Plane, RealSpace
from exact.arithmetic.numbers import Rational
from exact.geometry.arrangements.arrangement import Arrangement, arrangement, essential
from exact.geometry.polyhedra.halfspace import Halfspace, side
from exact.propagation.cursor import first_layer
from exact.sources import tensors


def given(rows: list[list[int]], walls: list[list[int]] | None = None) -> Arrangement:
    """Rows and walls as integer forms, not reduced by hand."""
    planes, edges = (
        [Halfspace.of([Rational(x) for x in row]) for row in part] for part in (rows, walls or [])
    )
    return arrangement(planes, edges, len(rows[0]) - 1)


def test_zero_duplicate_opposite_and_proportional_rows() -> None:
    found = given(
        [[1, 2, 3], [0, 0, 5], [2, 4, 6], [-3, -6, -9], [0, 0, 0], [1, 0, 0], [0, 0, -1], [1, 2, 4]]
    )
    assert found.planes == (Halfspace((1, 2, 3)), Halfspace((1, 0, 0)), Halfspace((1, 2, 4)))
    assert found.plane.tolist() == [0, -1, 0, 0, -1, 1, -1, 2]
    assert found.flip.tolist() == [False, True, False, True, False, False, False, False]
    sides = np.array([[True, False, True], [False, True, True]])
    bits = found.hinge_bits(sides)
    assert bits.astype(int).tolist() == [[1, 1, 1, 0, 0, 0, 0, 1], [0, 1, 0, 1, 0, 1, 0, 1]]
    assert (found.plane_sides(bits) == sides).all()
    assert found.hinges == 8


def test_bits_pass_through_when_every_hinge_has_a_hyperplane() -> None:
    found, sides = given([[1, 0, 0], [0, 1, 0]]), np.array([[True, False]])
    assert found.hinge_bits(sides) is sides


def test_hinges_on_walls_are_constant() -> None:
    found = given(
        [[1, 0, 1], [-1, 0, -1], [0, 1, 0], [-2, 0, -2], [3, 0, 3]],
        [[1, 0, 1], [0, 0, 7], [1, 0, 1]],
    )
    assert found.planes == (Halfspace((0, 1, 0)),)
    assert found.walls == (Halfspace((1, 0, 1)),)
    assert (found.plane.tolist(), found.flip.tolist()) == (
        [-1, -1, 0, -1, -1],
        [True, False, False, False, True],
    )


def test_first_layer_in_the_parameters_of_the_domain() -> None:
    network = tensors.mlp([([[1, 0, 2]], ["1/2"]), ([[1]], [0])], activation=HardTanh())
    plane = Plane([0, 0, 1], [1, 0, 1], [0, 0, 2])
    assert first_layer(network, plane.flat()) == (Halfspace((2, 4, 7)), Halfspace((2, 4, 3)))
    assert first_layer(tensors.mlp([([[1, 2]], [0])]), RealSpace(2).flat()) == ()


def sides_of(rows: Any, point: list[Rational]) -> list[int]:
    values = [
        sum((a * x for a, x in zip(row, point, strict=False)), Rational(0)) + row[-1]
        for row in rows
    ]
    return [(v > 0) - (v < 0) for v in values]


def test_lift_keeps_sides() -> None:
    """Points of the reduced coordinates and their lifts lie on the same sides; opposite cells on
    opposite ones.
    """
    generator = np.random.default_rng(0)
    families = [
        given([[1, 2, 0, 3], [2, 4, 0, 1], [1, -1, 0, 2]]),
        given([[1, 2, 3, -6], [0, 1, 1, -2], [4, 0, 1, -5], [1, 1, 1, -3]]),
        given([[1, 2, 0, 3]], [[0, 0, 1, 0]]),
        given([[0, 3, 0, -1]]),
    ]
    for found in families:
        reduced = essential(found)
        planes = (*found.planes, *found.walls)
        for _ in range(20):
            point = [Rational(int(x), 7) for x in generator.integers(-40, 40, size=reduced.dim)]
            for opposite in (False, True) if reduced.mirrored else (False,):
                lifted = reduced.lift(point, opposite)
                expected = [1] * reduced.mirrored + sides_of(reduced.rows, point)
                assert [side(plane, lifted) for plane in planes] == [
                    -x if opposite else x for x in expected
                ]


def test_essential_dimensions() -> None:
    assert [
        (e.dim, e.planes, e.mirrored)
        for e in (
            essential(given([[1, 2, 0, 3], [2, 4, 0, 1]])),
            essential(given([[1, 2, 3, -6], [0, 1, 1, -2], [1, 1, 1, -3], [4, 0, 1, -5]])),
            essential(given([[1, 0, 0], [0, 1, 0]], [[1, 1, 1]])),
            essential(given([[0, 0, 1]])),
        )
    ] == [(1, 2, False), (2, 3, True), (2, 2, False), (0, 0, False)]


def test_walls_come_after_the_hyperplanes() -> None:
    network = tensors.mlp([([[1, 1]], [0]), ([[1]], [0])])
    box = Box(-1, 1, dim=2).flat()
    reduced = essential(arrangement(first_layer(network, box), box.walls, 2))
    assert reduced.rows == ((1, 1, 0), *(wall.coefficients for wall in box.walls))
    assert reduced.planes == 1
