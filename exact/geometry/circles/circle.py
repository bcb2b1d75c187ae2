"""One circle on a sphere: its plane, positions on it, and how far one point turns to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exact.arithmetic.linear_algebra import Vector, apply, dot
from exact.arithmetic.nearest import exponent, nearest_root, scaled_by
from exact.arithmetic.numbers import Ball, FloatArray, Rational, RationalArray, nearest_floats
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.circles.complex import SurdPoint
from exact.geometry.polyhedra.halfspace import Halfspace


@short_repr
@dataclass(frozen=True)
class Circle:
    """A circle in its plane: rational centre, and two vectors of the plane, orthogonal in the
    metric of the sphere.

    `across` is a positive multiple of the quarter turn of `along` counter-clockwise as seen from
    the positive side, which is then on the left of who walks that way; `stretch` is |across|^2 /
    |along|^2.
    """

    centre: Vector
    along: Vector
    across: Vector
    stretch: Rational
    gram: RationalArray

    @classmethod
    def of(cls, plane: Halfspace, gram: RationalArray, inverse: RationalArray) -> Circle:
        """The circle in which a plane cuts a sphere around the origin."""
        power = max(exponent(Rational(x)) for x in plane.normal)
        *normal, offset = (scaled_by(Rational(x), -power) for x in plane.coefficients)
        pole = apply(inverse, normal)
        centre = [-offset * x / dot(normal, pole) for x in pole]
        place = min(range(3), key=lambda i: abs(plane.normal[i]))
        along = cross([Rational(int(i == place)) for i in range(3)], normal)
        lowered = apply(gram, along)
        across = cross(normal, lowered)
        return cls(
            centre, along, across, dot(across, apply(gram, across)) / dot(along, lowered), gram
        )

    @cached_property
    def lowered(self) -> tuple[Vector, Vector]:
        """`along` and `across` as linear forms: their products with the Gram matrix."""
        return apply(self.gram, self.along), apply(self.gram, self.across)

    def position(self, point: SurdPoint) -> tuple[Ball, Ball]:
        """A vector at the angle of the point in the orthonormal frame of the circle, at the working
        precision.
        """
        return self.position_of([x.ball() for x in point])

    def position_of(self, point: Sequence[Ball]) -> tuple[Ball, Ball]:
        """The same for a point that is itself enclosed in balls."""
        offsets = [x - Ball(c) for x, c in zip(point, self.centre, strict=True)]
        x, y = (
            sum((Ball(a) * b for a, b in zip(row, offsets, strict=True)), Ball(0))
            for row in self.lowered
        )
        return x, y / Ball(self.stretch).sqrt()

    def square(self, sphere_radius_squared: Rational) -> list[list[Ball]]:
        """The corners of a square in the plane around the circle, at the working precision."""
        radius = Ball(
            sphere_radius_squared - dot(self.centre, apply(self.gram, self.centre))
        ).sqrt()
        along, across = (
            radius / Ball(dot(v, form)).sqrt()
            for v, form in zip((self.along, self.across), self.lowered, strict=True)
        )
        return [
            [
                Ball(c) + i * along * Ball(u) + j * across * Ball(v)
                for c, u, v in zip(self.centre, self.along, self.across, strict=True)
            ]
            for i in (-1, 1)
            for j in (-1, 1)
        ]

    @cached_property
    def frame_float(self) -> FloatArray:
        """The centre, and the two linear forms that give the position relative to it in an
        orthonormal frame (3 x 3).
        """
        size = nearest_root(dot(self.along, self.lowered[0]))
        forms = nearest_floats(self.lowered[0]) / size, nearest_floats(self.lowered[1]) / size
        return np.array(
            [nearest_floats(self.centre), forms[0], forms[1] / nearest_root(self.stretch)]
        )

    def positions_float(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The positions of points (V x 3) in the orthonormal frame, in float64."""
        centre, along, across = self.frame_float
        return (points - centre) @ along, (points - centre) @ across


def cross(a: Sequence[Rational], b: Sequence[Rational]) -> Vector:
    """The vector product in coordinates."""
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
