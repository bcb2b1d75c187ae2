"""What the regions of a domain in a box hold between, where they have too many vertices to look at:
ranges of functions and of parameters, distances from walls, and which functions win.

A region is the box and a few rows over it, the domain's other walls and the hinges that cut; every
answer is a programme of that many rows, whose float answer carries its proof
(:mod:`exact.kernels.boxes`). Cost: for each function twice some 10 to 100 passes over rows times
dimensions; for each parameter as much as for a function where a hinge keeps the region from a side
of the box along its axis, and one pass where not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.enclosures.roundoff import LEAST, LEAST_ROOT, U, inflation
from exact.arithmetic.linear_algebra import Vector
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats, rounding_error
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine
from exact.geometry.polyhedra.programmes.box_rows import UP, halfspace_rows, kernel_rows
from exact.geometry.polyhedra.programmes.boxes import Bounds
from exact.geometry.polyhedra.programmes.optima import extremes

_UP = inflation(4096)
_FINE = 2.0**-12  # a bound above this part of a range is too large for it
_KEPT = 2**14  # halfspaces whose rows are kept for other regions
Enclosed = tuple[FloatArray, FloatArray]


class InBox:
    """The regions of a partition as rows over a box with the given bounds around its domain.

    `walls_of` and `witness_of` tell a region's halfspaces and a point inside by its number;
    `given`, where an engine has kept it, a region's rows and such a point as floats.
    """

    def __init__(
        self,
        bounds: Bounds,
        walls_of: Callable[[int], Sequence[Halfspace]],
        witness_of: Callable[[int], Point],
        given: Callable[[int], tuple[FloatArray, FloatArray]] | None = None,
    ) -> None:
        self.bounds, self.dim = bounds, len(bounds.middle)
        self._walls_of, self._witness_of, self._given = walls_of, witness_of, given
        self._rows: dict[Halfspace, FloatArray] = {}

    @cached_property
    def _middle(self) -> Enclosed:
        """The centre of the box, and bounds on the errors."""
        found = nearest_floats(self.bounds.middle)
        return found, rounding_error(found)

    @cached_property
    def _half(self) -> Enclosed:
        found = nearest_floats(self.bounds.half)
        return found, rounding_error(found)

    # ---- regions

    def walls(self, index: int) -> list[Halfspace]:
        """The halfspaces of a region that are no sides of the box."""
        return [w for w in self._walls_of(index) if not self._implies(w)]

    def _implies(self, wall: Halfspace) -> bool:
        return wall.axis is not None and self.bounds.implies(wall)

    def region(self, index: int) -> tuple[FloatArray, FloatArray] | None:
        """The rows of a region and a point certainly inside; None where floats have none."""
        from exact.kernels import boxes as kernel

        if self._given is not None:
            rows, inside = self._given(index)
        else:
            rows, inside = self.table(self.walls(index)), self.witness(index)
        return (rows, inside) if kernel.all_inside(rows, len(rows), inside) else None

    def table(self, walls: Sequence[Halfspace]) -> FloatArray:
        """The rows of walls, kept for other regions."""
        new = [wall for wall in walls if wall not in self._rows]
        if len(self._rows) + len(new) > _KEPT:
            self._rows, new = {}, list(walls)
        self._rows.update(zip(new, halfspace_rows(new, self.bounds), strict=True))
        found = [self._rows[wall] for wall in walls]
        return np.array(found).reshape(len(walls), self.dim + 3)

    def witness(self, index: int) -> FloatArray:
        """The floats nearest to a region's witness."""
        at = affine(self._witness_of(index))
        ends = zip(at, self.bounds.middle, self.bounds.half, strict=True)
        return nearest_floats([(x - c) / h for x, c, h in ends])

    # ---- functions

    def functions(self, maps: FloatArray, slack: FloatArray) -> FloatArray:
        """Functions of the parameters (n x (d + 1), with bounds on their errors) as rows of their
        own size.
        """
        (middle, off), (half, half_off) = self._middle, self._half
        far = (np.abs(middle) + off + half + half_off) * _UP  # of points of the box
        a, b = maps[:, :-1] * half, maps[:, :-1] @ middle + maps[:, -1]
        sizes = np.abs(maps[:, :-1])
        e = slack[:, :-1] @ far + slack[:, -1] + sizes @ (off + half_off)
        e += (len(middle) + 8) * 2 * U * (sizes @ far + np.abs(maps[:, -1]))
        table = np.column_stack([a, b, e * UP + LEAST_ROOT, np.abs(a).sum(axis=1) * UP])
        return np.ascontiguousarray(table)

    def ranges(self, index: int, functions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The least and the greatest values of functions on a region (n x 2), and bounds on the
        errors of both (n): inf where these are too large for the range.
        """
        from exact.kernels import boxes as kernel

        found, region = np.zeros((len(functions), 2, 2)), self.region(index)
        if region is None:
            return np.zeros((len(functions), 2)), np.full(len(functions), inf)
        kernel.ranges(region[0], functions, region[1], found)
        ends, errors = _middles(found)
        wide = np.abs(ends[:, 1] - ends[:, 0]) * _FINE + np.abs(ends).max(axis=1) * 2.0**-40
        return ends, np.where(errors <= wide, errors, inf)

    def extremes(
        self, index: int, function: Sequence[Rational]
    ) -> tuple[tuple[Rational, Vector], tuple[Rational, Vector]]:
        """The exact ends of a function on a region, each with a point."""
        return extremes(function, self.walls(index), self.bounds)

    # ---- boxes

    def box(self, index: int) -> tuple[FloatArray, float]:
        """The least and the greatest value of every parameter on a region (d x 2), and a bound on
        the errors of all; exact ones, rounded, where floats say too little.
        """
        enclosed = self._enclosed_sides(index)
        ends, errors = _middles(enclosed)
        (middle, off), (half, half_off) = self._middle, self._half
        found = middle[:, None] + half[:, None] * ends
        slack = errors * half + off + half_off * (1 + errors) + 4 * U * (np.abs(middle) + half)
        for k, side in enumerate((self.bounds.lo, self.bounds.hi)):
            reached = _reached(enclosed)[:, k]
            found[reached, k] = nearest_floats(side)[reached]
        for j in np.flatnonzero(~(errors <= (ends[:, 1] - ends[:, 0]) * _FINE)).tolist():
            found[j] = nearest_floats(self._axis(index, j))
            slack[j] = rounding_error(found[j]).max()
        return found, float((slack * _UP).max(initial=0.0))

    def _enclosed_sides(self, index: int) -> FloatArray:
        from exact.kernels import boxes as kernel

        region, found = self.region(index), np.zeros((self.dim, 2, 2))
        if region is None:
            found[:, 1, 1] = inf
        else:
            kernel.sides(*region, found)
        return found

    def exact_box(self, index: int) -> list[tuple[Rational, Rational]]:
        """The exact ends of all parameters on a region. Cost: that of `box`, and two exact
        programmes for each parameter that does not reach from side to side.
        """
        whole = [all(row) for row in _reached(self._enclosed_sides(index)).tolist()]
        sides = list(zip(self.bounds.lo, self.bounds.hi, strict=True))
        return [ends if whole[j] else self._axis(index, j) for j, ends in enumerate(sides)]

    def _axis(self, index: int, j: int) -> tuple[Rational, Rational]:
        """The exact ends of one parameter."""
        axis = [Rational(int(k == j)) for k in range(self.dim + 1)]
        (low, _), (high, _) = self.extremes(index, axis)
        return low, high

    # ---- distances

    def margin(self, index: int) -> tuple[float, float]:
        """The distance from a region's point in floats to the nearest of its walls, and a bound on
        its error; inf where it is too large.

        The nearest of all halfspaces that contain a convex set is that of a facet: the ball around
        a point inside that reaches the nearest hyperplane lies in the set, so that no other
        hyperplane than this one supports the set where they meet.
        """
        region = self.region(index)
        if region is None:
            return 0.0, inf
        rows, inside = region
        half, half_off = self._half
        least = float((half - half_off).min())
        a, b, e, s = rows[:, :-3], rows[:, -3], rows[:, -2], rows[:, -1]
        with np.errstate(all="ignore"):
            heights = a @ inside + b
            lifted = e + (len(half) + 9) * 2 * U * (s + np.abs(b)) + LEAST
            steep = np.sqrt(((a / half) ** 2).sum(axis=1))
            tilted = (e + s * (half_off / half).max()) / least + (len(half) + 9) * 2 * U * steep
            gaps = np.concatenate([heights / steep, (1 - np.abs(inside)) * half])
            sides = half_off + 4 * U * half
            doubt = np.concatenate([(lifted + tilted * heights / steep) / (steep - tilted), sides])
            doubt = doubt + 4 * U * np.abs(gaps)
        certain = np.concatenate([steep > 2 * tilted, np.ones(len(half), bool)])
        slack = float((doubt * _UP).max(initial=0.0))
        nearest = float(gaps.min())
        close = gaps - doubt * _UP <= nearest + slack
        if not certain.all():
            return nearest, inf
        return nearest, float((doubt[close] * _UP).max())


def _reached(enclosed: FloatArray) -> BitArray:
    """Which sides of the box a region is proved to reach (d x 2)."""
    found: BitArray = (enclosed == np.array([-1.0, 1.0])[:, None]).all(axis=2)
    return found


def _middles(ends: FloatArray) -> Enclosed:
    """The middles of enclosures (n x 2 x 2), and the greater of the two half widths of each n; inf
    where one is endless.
    """
    with np.errstate(all="ignore"):
        middle = (ends[:, :, 0] + ends[:, :, 1]) / 2
        error = np.maximum(ends[:, :, 1] - middle, middle - ends[:, :, 0]).max(axis=1)
        error = (error + 4 * U * np.abs(middle).max(axis=1)) * _UP
    known = np.isfinite(error) & np.isfinite(middle).all(axis=1)
    return np.where(known[:, None], middle, 0.0), np.where(known, error, inf)


def winners(
    functions: FloatArray, region: tuple[FloatArray, FloatArray]
) -> tuple[BitArray, BitArray]:
    """Which of some functions win on an open part of a region, and which certainly on none: what is
    in neither is open. A function wins where it is the first largest.
    """
    from exact.kernels import boxes as kernel

    rows, inside = region
    best = int((functions[:, :-3] @ inside + functions[:, -3]).argmax())
    every = np.arange(len(functions))
    below = _gaps(functions, best, every)
    below[best] = 0.0
    with np.errstate(all="ignore"):
        never = below[:, -3] > (below[:, -2] + below[:, -1]) * UP
    found, alarm = np.zeros(len(functions), bool), np.zeros(1, np.int64)
    for c in np.flatnonzero(~never).tolist():
        gaps = _gaps(functions, c, np.delete(every, c))
        if kernel.all_inside(gaps, len(gaps), inside):
            found[c] = True
            continue
        answer = _decided(kernel, np.concatenate([rows, gaps]), alarm)
        found[c], never[c] = answer == kernel.OPEN, answer == kernel.CLOSED
    return found, never


def _gaps(functions: FloatArray, c: int, others: Any) -> FloatArray:
    """The rows `function c - another`."""
    a, b = (functions[c, s] - functions[others, s] for s in (slice(None, -3), -3))
    size = functions[c, -1] + functions[others, -1] + np.abs(functions[c, -3])
    size = size + np.abs(functions[others, -3])
    e = functions[c, -2] + functions[others, -2] + 4 * U * size
    return kernel_rows(a, b, e * UP + LEAST_ROOT)


def _decided(kernel: Any, rows: FloatArray, alarm: Any) -> int:
    count, dim = len(rows), rows.shape[1] - 3
    most = min(count, dim + 1) + 1
    basis = kernel.Basis(np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(1, np.int64))
    answer = kernel.decide(rows, count, basis, np.zeros(most), np.zeros(dim), alarm)
    return int(answer)
