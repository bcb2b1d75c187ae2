"""Complexes on spheres that the tests of spheres share: octahedron, caps, bands, touching
circles.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from exact import Network
from exact.arithmetic.linear_algebra import identity, matrix
from exact.arithmetic.numbers import RationalArray, rational, rationals
from exact.geometry.circles.arrangement import arrange
from exact.geometry.circles.complex import SphereComplex
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.sources import tensors

AXES = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
SIX = [[s * int(i == j) for j in range(3)] + [-1] for i in range(3) for s in (1, -1)]
BANDS = [[0, 0, 2, -1], [0, 0, 2, 1]]


def planes(rows: Sequence[Sequence[Any]]) -> list[Halfspace]:
    return [Halfspace.of(rationals(row)) for row in rows]


def cut(
    rows: Sequence[Sequence[Any]], radius_squared: Any = 1, gram: RationalArray | None = None
) -> SphereComplex:
    return arrange(planes(rows), gram or identity(3), rational(radius_squared)).complex


def hidden(rows: Sequence[Sequence[Any]]) -> Network:
    return tensors.mlp(
        [([list(row[:-1]) for row in rows], [row[-1] for row in rows]), ([[1] * len(rows)], [0])]
    )


def chain(generator: Any, sizes: Sequence[int], top: int = 3, bias: bool = True) -> Network:
    """Small whole weights: circles through common points, that touch, coincide or vanish are the
    rule.
    """
    layers = [
        (
            generator.integers(-top, top + 1, size=(b, a)).tolist(),
            generator.integers(-top, top + 1, size=b).tolist() if bias else [0] * b,
        )
        for a, b in pairwise(sizes)
    ]
    return tensors.mlp(layers)


def on_unit_sphere(s: int, t: int, scale: int = 1) -> list[Fraction]:
    """A rational point of the unit sphere: (s, t) / scale seen from the north pole."""
    square = s * s + t * t
    rest = square + scale * scale
    return [
        Fraction(2 * s * scale, rest),
        Fraction(2 * t * scale, rest),
        Fraction(square - scale * scale, rest),
    ]


def skewed() -> tuple[list[list[int]], RationalArray]:
    """A matrix A and A'A: the plane n in A y is the plane A'n in y, on the sphere with this Gram
    matrix.
    """
    a = [[1, 2, 0], [0, 1, -1], [1, 0, 1]]
    columns = matrix([[rational(x) for x in row] for row in a], 3)
    return a, columns.transpose() * columns
