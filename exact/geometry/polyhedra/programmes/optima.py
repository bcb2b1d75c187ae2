"""The least and the greatest value of an affine function on a region of a box in many dimensions,
exactly.

With weights l >= 0 on the rows `n_i . x + b_i >= 0`, no value of `c . x + c_0` on the region is
above the most that `c . x + c_0 + sum_i l_i (n_i . x + b_i)` reaches in the box, which has a closed
form. The dual simplex of :mod:`exact.geometry.polyhedra.programmes.boxes`, in which t stands below
the function alone and not below the rows, ends with a point of that value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exact.arithmetic.linear_algebra import Vector, dot
from exact.arithmetic.numbers import Rational
from exact.errors import EngineDefect
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.boxes import Bounds, Programme, Weights

_ZERO, _ONE = Rational(0), Rational(1)


def extremes(
    function: Sequence[Rational], rows: Sequence[Halfspace], bounds: Bounds
) -> tuple[tuple[Rational, Vector], tuple[Rational, Vector]]:
    """The least and the greatest value of `c . x + c_0`, `function` being (c, c_0), on the closure
    of a region that has inner points, with a point at each.

    Cost: two float programmes and an exact solve of the size of the rows that meet there; where
    floats end elsewhere, exact steps from there.

    >>> from exact.arithmetic.numbers import Rational
    >>> from exact.geometry.polyhedra.halfspace import Halfspace
    >>> from exact.geometry.polyhedra.programmes.boxes import Bounds
    >>> square = Bounds((Rational(0), Rational(0)), (Rational(1), Rational(1)))
    >>> function = [Rational(1), Rational(2), Rational(0)]
    >>> extremes(function, [Halfspace((-1, -1, 1))], square)
    ((0, [0, 0]), (2, [0, 1]))
    """
    turned, top = greatest([-x for x in function], rows, bounds), greatest(function, rows, bounds)
    return (-turned[0], turned[1]), top


def greatest(
    function: Sequence[Rational], rows: Sequence[Halfspace], bounds: Bounds
) -> tuple[Rational, Vector]:
    """The greatest value alone, with a point."""
    if not any(function[:-1]):
        return function[-1], _point(rows, bounds)
    at = _Greatest(Halfspace.of(function), rows, bounds).found()
    return dot(function[:-1], at) + function[-1], at


def _point(rows: Sequence[Halfspace], bounds: Bounds) -> Vector:
    """Any vertex of the region."""
    first = [_ONE, *[_ZERO] * len(bounds.lo)]
    return greatest(first, rows, bounds)[1]


class _Greatest(Programme):
    """`max t : f(u) >= t, a_i . u + b_i >= 0, |u_j| <= 1`, the function as row 0."""

    def __init__(self, function: Halfspace, rows: Sequence[Halfspace], bounds: Bounds) -> None:
        super().__init__([function, *rows], bounds)
        self.levels = [_ONE, *[_ZERO] * len(rows)]

    def found(self) -> Vector:
        """A point of the greatest value, after weights have proved that it is."""
        u, level = self._settled(*self._proposed())
        if min([*self._values(u)[1:], _ONE - max(map(abs, u))]) < 0 or self._values(u)[0] != level:
            raise EngineDefect("the optimum of a programme lies outside", value=level)
        return self.bounds.place(u)

    def _proposed(self) -> tuple[list[int], list[int]]:
        from exact.kernels import boxes as kernel

        table, size = self._floats(), len(self.rows) + 1
        basis = kernel.Basis(
            np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(1, np.int64)
        )
        ends, u = np.empty(2), np.empty(self.dim)
        inside = np.zeros(self.dim)  # for an enclosure that is not asked for
        kernel.most(table[1:], len(table) - 1, table[0], inside, basis, ends, u)
        count = int(basis.size[0])
        return [0, *(int(i) + 1 for i in basis.tight[:count])], [
            int(j) for j in basis.basic[:count]
        ]

    def _settled(self, tight: list[int], basic: list[int]) -> tuple[Vector, Rational]:
        found = self.optimum(tight, basic, None)
        if isinstance(found, Weights):
            raise EngineDefect("a region has no point", value=found)
        return found

    def _closed(self, tight: Sequence[int], weights: Sequence[Rational]) -> None:
        """Weights bound the function and prove no emptiness."""
