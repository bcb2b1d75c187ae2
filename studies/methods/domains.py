"""Domains that quantities are asked on, beyond those that are partitioned: a cloud of points in a
box, and the cross-polytope around a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from exact import Box, Domain, HPolytope, InvalidInput
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import FloatArray, RationalMatrix, nearest_float, rational, rationals


@dataclass(frozen=True, eq=False)
class Cloud(Domain):
    """Points (k x n floats), and the box they lie in where a partition is asked for.

    >>> Cloud(np.zeros((5, 2)))
    Cloud(5 points of R^2)
    """

    points: FloatArray
    box: Box | None = None

    def check(self, input_dim: int) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != input_dim:
            raise InvalidInput(
                "the points do not fit the network",
                value=self.points.shape,
                remedy=f"give rows of {input_dim} numbers",
            )

    def first(self, count: int) -> FloatArray:
        """The first points, at most as many as there are."""
        return self.points[:count]

    def __repr__(self) -> str:
        return f"Cloud({len(self.points)} points of R^{self.points.shape[1]})"


class CrossPolytope(HPolytope):
    """The convex hull of `centre +- radius v` for n independent directions v (the rows).

    Its 2^n facets are exact: row s of them is `sum_k s_k w_k (x - centre) <= radius`, with w_k the
    rows of the inverse of the matrix whose columns are the directions. Raises InvalidInput for
    dependent directions and for a radius that is not positive.

    >>> square = CrossPolytope([0, 0], [[1, 0], [0, 1]], 1)
    >>> square, square.vertices_float(1).tolist()
    (CrossPolytope(1 around [0.0, 0.0]), [[1.0, 0.0], [-1.0, 0.0]])
    """

    def __init__(self, centre: Any, directions: Any, radius: Any) -> None:
        middle, size = rationals(centre, "centre"), rational(radius, "radius")
        given = RationalMatrix.read(directions, "directions")
        if given.shape != (len(middle), len(middle)) or given.exact.det() == 0:
            raise InvalidInput(
                "the directions do not span the space",
                value=f"{given.shape[0]} directions of R^{len(middle)}",
                remedy=f"give {len(middle)} independent directions",
            )
        if size <= 0:
            raise InvalidInput(
                "the cross-polytope is empty", value=radius, remedy="give a positive radius"
            )
        # column k of the inverse takes direction k to 1, and the others to 0
        inverse = given.exact.inv().tolist()
        rows = []
        for signs in product((1, -1), repeat=len(middle)):
            normal = [-dot(list(map(rational, signs)), row) for row in inverse]
            rows.append([*normal, size - dot(normal, middle)])
        super().__init__(rows, len(middle))
        object.__setattr__(self, "centre_float", np.array([nearest_float(x) for x in middle]))
        object.__setattr__(self, "steps_float", nearest_float(size) * given.float64())

    centre_float: FloatArray
    steps_float: FloatArray

    def vertices_float(self, directions: int) -> FloatArray:
        """The vertices along the first directions, those of `centre + radius v` first."""
        steps = self.steps_float[:directions]
        return np.concatenate([self.centre_float + steps, self.centre_float - steps])

    def __repr__(self) -> str:
        radius = float(np.linalg.norm(self.steps_float[0]))
        return f"CrossPolytope({radius:.3g} around {self.centre_float.tolist()})"
