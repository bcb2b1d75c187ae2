"""Strict feasibility of halfspaces in a box of many dimensions: the cost follows the few halfspaces
that are no bounds, not the dimensions.

With weights l on the rows `n_i . x + b_i > 0`, the most that `sum_i l_i (n_i . x + b_i)` reaches
in the box has a closed form, v_j lo_j or v_j hi_j for every coordinate of v = sum_i l_i n_i. Where
that is <= 0, no point strictly inside the box is inside all rows, and |v_j| are the multipliers of
the bounds in the vector of Farkas. So weights prove emptiness whatever they are: float ones are
tested as they stand, and an exact dual simplex, whose basis has as many rows as meet at the
optimum, finds those that no float can (regions that touch in less than their dimension).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from exact.arithmetic.linear_algebra import Vector, apply, dot, matrix, solve
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, nearest_floats, rational
from exact.errors import EngineDefect, certain
from exact.geometry.budgets import Watch
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous, is_inside

_ZERO, _ONE = Rational(0), Rational(1)
_ROUNDS = 4  # in which bounds narrow each other
_CALM = 64  # pivots, after which Bland's rule keeps the exact simplex from going in circles


@dataclass(frozen=True)
class Bounds:
    """The open box `lo < x < hi` in R^d, of full dimension."""

    lo: tuple[Rational, ...]
    hi: tuple[Rational, ...]

    @cached_property
    def middle(self) -> Vector:
        """The centre."""
        return [(a + b) / 2 for a, b in zip(self.lo, self.hi, strict=True)]

    @cached_property
    def half(self) -> Vector:
        """Half of the width along each axis."""
        return [(b - a) / 2 for a, b in zip(self.lo, self.hi, strict=True)]

    def place(self, u: Sequence[Rational]) -> Vector:
        """The point whose coordinates from the centre are u in units of half the widths."""
        return [c + h * x for c, h, x in zip(self.middle, self.half, u, strict=True)]

    def holds(self, point: Point) -> bool:
        """Whether a point lies strictly inside."""
        ends = zip(self.lo, affine(point), self.hi, strict=True)
        return all(a < x < b for a, x, b in ends)

    def implies(self, halfspace: Halfspace) -> bool:
        """Whether the open box lies inside a halfspace."""
        axis = halfspace.axis
        if axis is None:
            return self.range_of([Rational(x) for x in halfspace.coefficients])[0] >= 0
        factor = halfspace.coefficients[axis]
        return (self.lo if factor > 0 else self.hi)[axis] * factor + halfspace.offset >= 0

    def range_of(self, row: Sequence[Rational]) -> tuple[Rational, Rational]:
        """The least and the greatest value of `n . x + b` on the closed box, b the last entry."""
        centre = dot(row[:-1], self.middle) + row[-1]
        reach = sum((abs(x * h) for x, h in zip(row[:-1], self.half, strict=True)), _ZERO)
        return centre - reach, centre + reach


class Split(NamedTuple):
    """Halfspaces as a box and the others, each by its place among all."""

    bounds: Bounds
    lower: tuple[int, ...]
    upper: tuple[int, ...]
    others: tuple[int, ...]


def split(halfspaces: Sequence[Halfspace], dim: int) -> Split | None:
    """The tightest bounds of every coordinate, and what is no bound; None where a coordinate has
    none on some side, or bounds leave no room.
    """
    lower, upper = dict[int, tuple[Rational, int]](), dict[int, tuple[Rational, int]]()
    others = list[int]()
    for place, halfspace in enumerate(halfspaces):
        axis = halfspace.axis
        if axis is None:
            others.append(place)
            continue
        factor = halfspace.coefficients[axis]
        value, side = Rational(-halfspace.offset, factor), lower if factor > 0 else upper
        before = side.get(axis)
        if before is None or (value > before[0] if factor > 0 else value < before[0]):
            side[axis] = value, place
    if len(lower) < dim or len(upper) < dim:
        return None
    if any(lower[j][0] >= upper[j][0] for j in range(dim)):
        return None
    bounds = Bounds(*(tuple(side[j][0] for j in range(dim)) for side in (lower, upper)))
    first, second = (tuple(side[j][1] for j in range(dim)) for side in (lower, upper))
    return Split(bounds, first, second, tuple(others))


def enclosing(halfspaces: Sequence[Halfspace], dim: int) -> Bounds | None:
    """A box around the points inside all halfspaces, by their bounds, and by what each other one
    leaves of a coordinate within the bounds of all others; None where no side is found so, or
    where there is no room.

    >>> from exact.geometry.polyhedra.halfspace import Halfspace
    >>> halfspaces = [Halfspace(x) for x in ((1, 0, 0), (0, 1, 0), (-2, -1, 4))]
    >>> enclosing(halfspaces, 2)
    Bounds(lo=(0, 0), hi=(2, 4))
    """
    lo, hi = list[Rational | None]([None] * dim), list[Rational | None]([None] * dim)
    others = [halfspace for halfspace in halfspaces if halfspace.axis is None]
    for halfspace in halfspaces:
        if halfspace.axis is not None:
            _tightened(halfspace, lo, hi)
    for _ in range(_ROUNDS):
        if not [halfspace for halfspace in others if _tightened(halfspace, lo, hi)]:
            break
    if any(a is None or b is None or a >= b for a, b in zip(lo, hi, strict=True)):
        return None
    return Bounds(*(tuple(x for x in side if x is not None) for side in (lo, hi)))


def _tightened(halfspace: Halfspace, lo: list[Rational | None], hi: list[Rational | None]) -> bool:
    """Whether a halfspace narrows a bound of its coordinates: `n_j x_j > -b - (the most that the
    others reach)`.
    """
    axis, normal = halfspace.axis, halfspace.coefficients[:-1]
    places = range(len(normal)) if axis is None else (axis,)
    terms = [(j, normal[j]) for j in places if normal[j]]
    most = {j: end * x for j, x in terms if (end := (hi if x > 0 else lo)[j]) is not None}
    if len(most) < len(terms) - 1:
        return False
    total, moved = sum(most.values(), Rational(halfspace.offset)), False
    for j, x in terms:
        if j in most and len(most) < len(terms):
            continue  # another one has no end
        value = -(total - most.get(j, _ZERO)) / x
        side = lo if x > 0 else hi
        before = side[j]
        if before is None or (value > before if x > 0 else value < before):
            side[j], moved = value, True
    return moved


@dataclass(frozen=True)
class Weights:
    """Proof that no point of an open box is inside all rows: weights >= 0, and by which bounds the
    weighted sum is <= 0 everywhere (`normal` is the sum of the weighted normals).
    """

    of_rows: Vector
    normal: Vector


def feasible(
    rows: Sequence[Halfspace], bounds: Bounds, watch: Watch | None = None
) -> Point | Weights:
    """A point strictly inside the box and all rows, or the proof that there is none.

    Raises Stopped when `watch` is up. Cost: a float LP and an exact test of what it says as a rule,
    of rows times dimensions; where floats say nothing, some exact steps of that size.
    """
    if not rows:
        return homogeneous(bounds.middle)
    found = Programme(rows, bounds).run(watch)
    if isinstance(found, Weights):
        _, most = bounds.range_of([*found.normal, _offset(rows, found.of_rows)])
        proved = min(found.of_rows) >= 0 and any(found.of_rows) and most <= 0
    else:
        proved = bounds.holds(found) and is_inside(rows, found)
    if not proved:
        raise EngineDefect("a linear programme in a box ended without a proof", value=found)
    return found


def _offset(rows: Sequence[Halfspace], weights: Sequence[Rational]) -> Rational:
    return dot(weights, [Rational(row.offset) for row in rows])


class Programme:
    """`max t : a_i . u + b_i >= t, |u_j| <= 1`, the rows in units of the box, each scaled by a
    power of two to a length near one.
    """

    def __init__(self, rows: Sequence[Halfspace], bounds: Bounds) -> None:
        self.rows, self.bounds, self.dim = rows, bounds, len(bounds.lo)
        table, self.offsets, self.scales = list[Vector](), list[Rational](), list[Rational]()
        for row in rows:
            normal = [Rational(x) for x in row.normal]
            stretched = [x * h for x, h in zip(normal, bounds.half, strict=True)]
            scale = _power(sum((abs(x) for x in stretched), _ZERO))
            self.scales.append(scale)
            table.append([x * scale for x in stretched])
            self.offsets.append((dot(normal, bounds.middle) + row.offset) * scale)
        self.table = matrix(table, self.dim)
        self.list = table
        self.levels = [_ONE] * len(rows)  # how often t is below each row

    def run(self, watch: Watch | None) -> Point | Weights:
        """Floats, and what they leave open by exact steps."""
        from exact.kernels import boxes as kernel

        alarm = np.zeros(1, dtype=np.int64) if watch is None else watch.alarm
        count, most = len(self.rows), min(len(self.rows), self.dim + 1) + 1
        basis = kernel.Basis(
            np.zeros(most, dtype=np.int64), np.zeros(most, dtype=np.int64), np.zeros(1, np.int64)
        )
        weights, u = np.zeros(most), np.zeros(self.dim)
        answer = kernel.decide(self._floats(), count, basis, weights, u, alarm)
        if watch is not None:
            watch.check()
        size = int(basis.size[0])
        tight = [int(i) for i in basis.tight[:size]]
        found: Point | Weights | None = None
        if answer == kernel.OPEN:
            found = self._point([rational(x) for x in u.tolist()])
        elif answer == kernel.CLOSED:
            found = self._closed(tight, [rational(x) for x in weights[:size].tolist()])
        if found is not None:
            return found
        return self._exactly(tight, [int(j) for j in basis.basic[: size - 1]], watch)

    def _floats(self) -> FloatArray:
        """The rows as the kernel reads them; what it says is tested exactly."""
        table = nearest_floats(self.table.entries()).reshape(len(self.rows), self.dim)
        offsets, sums = nearest_floats(self.offsets), np.abs(table).sum(axis=1)
        return np.column_stack([table, offsets, np.zeros(len(table)), sums])

    def _values(self, u: Sequence[Rational]) -> Vector:
        return [x + b for x, b in zip(apply(self.table, u), self.offsets, strict=True)]

    def _point(self, u: Vector) -> Point | None:
        """A point with few digits near u, if u is inside all rows and the box."""
        low = min(self._values(u))
        room = min(low, _ONE - max(map(abs, u)))
        if room <= 0:
            return None
        unit = _power(room) * 4  # 1 / unit is at most room / 2: no row moves by more
        return homogeneous(self.bounds.place([_rounded(x * unit) / unit for x in u]))

    def _closed(self, tight: Sequence[int], weights: Sequence[Rational]) -> Weights | None:
        """The proof by weights >= 0 of some rows, if it is one."""
        if min(weights) < 0 or not any(weights):
            return None
        every = [_ZERO] * len(self.rows)
        for i, weight in zip(tight, weights, strict=True):
            every[i] += weight
        sums = self._sum(tight, weights)
        if dot(every, self.offsets) + sum((abs(x) for x in sums), _ZERO) > 0:
            return None
        own = [x * scale for x, scale in zip(every, self.scales, strict=True)]
        return Weights(own, [x / h for x, h in zip(sums, self.bounds.half, strict=True)])

    def _sum(self, tight: Sequence[int], weights: Sequence[Rational]) -> Vector:
        row = RationalArray(1, len(tight), list(weights))
        return list((row * matrix([self.list[i] for i in tight], self.dim)).entries())

    # ---- exact steps

    def _exactly(self, tight: list[int], basic: list[int], watch: Watch | None) -> Point | Weights:
        found = self.optimum(tight, basic, watch)
        return found if isinstance(found, Weights) else self._inwards(*found)

    def optimum(
        self, tight: list[int], basic: list[int], watch: Watch | None
    ) -> tuple[Vector, Rational] | Weights:
        """The dual simplex in rationals, from a basis or, where it is none, from one row; ends
        early at weights that close the box.
        """
        weights = self._weights(tight, basic)
        if weights is None or min(weights) < 0:
            tight, basic = [0], []
        signs, steps = [1] * self.dim, 0
        while True:
            if watch is not None:
                watch.check()
            weights = certain(self._weights(tight, basic), "a basis stays regular under pivots")
            if (closed := self._closed(tight, weights)) is not None:
                return closed
            sums = self._sum(tight, weights)
            signs = [s if x == 0 else 1 if x > 0 else -1 for s, x in zip(signs, sums, strict=True)]
            u, t = self._primal(tight, basic, signs)
            broken = self._broken(tight, basic, u, t, steps > _CALM)
            if broken is None:
                return u, t
            self._pivot(tight, basic, signs, weights, sums, broken, u)
            steps += 1

    def _columns(self, tight: Sequence[int], basic: Sequence[int]) -> RationalArray:
        """(a over the basic columns, level) of each tight row, as columns."""
        rows = [[*(self.list[i][j] for j in basic), self.levels[i]] for i in tight]
        return matrix(rows, len(tight)).transpose()

    def _weights(self, tight: Sequence[int], basic: Sequence[int]) -> Vector | None:
        if not tight or len(basic) != len(tight) - 1:
            return None
        return solve(self._columns(tight, basic), [*[_ZERO] * len(basic), _ONE])

    def _primal(
        self, tight: Sequence[int], basic: Sequence[int], signs: Sequence[int]
    ) -> tuple[Vector, Rational]:
        """The point at which all tight rows equal their level of t, other columns at their bounds;
        and t.
        """
        u = [Rational(s) for s in signs]
        for j in basic:
            u[j] = _ZERO
        right = [-self.offsets[i] - dot(self.list[i], u) for i in tight]
        found = solve(self._columns(tight, basic).transpose(), right)
        *values, level = certain(found, "a basis stays regular under pivots")
        for j, x in zip(basic, values, strict=True):
            u[j] = x
        return u, -level

    def _broken(
        self, tight: Sequence[int], basic: Sequence[int], u: Vector, t: Rational, bland: bool
    ) -> tuple[int, int] | None:
        """What is violated most, or first: (row, -1), or (-1, place of a basic column)."""
        lacks = (level * t - x for level, x in zip(self.levels, self._values(u), strict=True))
        found = [(x, i, -1) for i, x in enumerate(lacks) if x > 0 and i not in tight]
        found += [(abs(u[j]) - 1, -1, k) for k, j in enumerate(basic) if abs(u[j]) > 1]
        if not found:
            return None
        if bland:
            # columns are numbered before rows
            order = [(basic[k], 0) if k >= 0 else (self.dim + i, 1) for _, i, k in found]
            return found[order.index(min(order))][1:]
        return max(found)[1:]

    def _pivot(
        self,
        tight: list[int],
        basic: list[int],
        signs: list[int],
        weights: Sequence[Rational],
        sums: Sequence[Rational],
        broken: tuple[int, int],
        u: Sequence[Rational],
    ) -> None:
        """One step of the dual simplex, to the first weight or sum that vanishes."""
        row, k = broken
        if row >= 0:
            right = [*(-self.list[row][j] for j in basic), -self.levels[row]]
        else:
            right = [_ZERO] * len(tight)
            right[k] = Rational(1 if u[basic[k]] > 0 else -1)
        move = certain(solve(self._columns(tight, basic), right), "a basis stays regular")
        slopes = self._sum(tight, move)
        if row >= 0:
            slopes = [x + y for x, y in zip(slopes, self.list[row], strict=True)]
        inside = set(basic)
        ends = [
            (abs(sums[j] / slopes[j]), j, -1)
            for j in range(self.dim)
            if j not in inside and slopes[j] * signs[j] < 0
        ]
        ends += [
            (-w / m, self.dim + tight[i], i)
            for i, (w, m) in enumerate(zip(weights, move, strict=True))
            if m < 0
        ]
        if not ends:
            raise EngineDefect("an edge of a bounded programme has no end", value=broken)
        _, column, leaving = min(ends)
        if k >= 0:
            signs[basic[k]] = 1 if u[basic[k]] > 0 else -1
        if row >= 0 and leaving >= 0:
            tight[leaving] = row
        elif row >= 0:
            tight.append(row)
            basic.append(column)
        elif leaving >= 0:
            del tight[leaving], basic[k]
        else:
            basic[k] = column

    def _inwards(self, u: Vector, t: Rational) -> Point:
        """A point inside from the optimum, whose level t is positive."""
        lowest = min(*self.offsets, _ZERO)
        shrink = 1 - t / (t - lowest) / 2 if lowest < 0 else Rational(1, 2)
        inner = self._point([x * shrink for x in u])
        return certain(inner, "between the centre and an optimum are points inside")


def _power(size: Rational) -> Rational:
    """The power of two that brings a positive number to between 1/2 and 2."""
    if size == 0:
        return _ONE
    shift = int(size.q).bit_length() - int(size.p).bit_length()
    return Rational(1 << shift) if shift >= 0 else Rational(1, 1 << -shift)


def _rounded(x: Rational) -> Rational:
    return Rational((2 * int(x.p) + int(x.q)) // (2 * int(x.q)))
