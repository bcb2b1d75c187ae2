"""Open halfspaces with coprime integer coefficients, and the points that are tested against them.

One sign convention everywhere: `normal . x + offset > 0` is inside, which for a neuron means on.
Because the coefficients are coprime and the sign is kept, two halfspaces are the same set iff they
compare equal.

A point of R^d is homogeneous: `d + 1` integers `(x_1, ..., x_d, x_0)` with `x_0 > 0`, standing for
`x_i / x_0`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from exact.arithmetic.numbers import FloatArray, Rational, coprime_integers
from exact.arithmetic.texts.printing import short_repr

Point = tuple[int, ...]


@short_repr
@dataclass(frozen=True)
class Halfspace:
    """The open halfspace `normal . x + offset > 0`; `coefficients` are the normal, then the
    offset.
    """

    coefficients: tuple[int, ...]

    @classmethod
    def of(cls, values: Sequence[Rational]) -> Halfspace:
        """The halfspace with rational coefficients, scaled by a positive number to coprime
        integers.
        """
        return cls(coprime_integers(values))

    @property
    def normal(self) -> tuple[int, ...]:
        """The normal, pointing inside."""
        return self.coefficients[:-1]

    @property
    def offset(self) -> int:
        """The constant term."""
        return self.coefficients[-1]

    @property
    def is_constant(self) -> bool:
        """Whether the normal is zero: the set is then everything or nothing, by the sign of the
        offset.
        """
        return not any(self.normal)

    @cached_property
    def axis(self) -> int | None:
        """The only coordinate that it depends on, or None."""
        normal = self.coefficients[:-1]
        if normal.count(0) != len(normal) - 1:
            return None
        return next(j for j, x in enumerate(normal) if x)

    @cached_property
    def opposite(self) -> Halfspace:
        """The open halfspace on the other side of the same hyperplane."""
        return Halfspace(tuple(-x for x in self.coefficients))

    def value(self, point: Point) -> int:
        """A positive multiple of `normal . x + offset` at a homogeneous point."""
        return sum(a * x for a, x in zip(self.coefficients, point, strict=True))

    def slope(self, direction: Sequence[int]) -> int:
        """`normal . direction`."""
        return sum(a * x for a, x in zip(self.coefficients, direction, strict=False))

    @cached_property
    def float_row(self) -> FloatArray:
        """The coefficients as float64 with a normal of length near one (approximate; for proposals
        only).
        """
        largest = max((abs(x) for x in self.normal), default=0) or 1
        row = np.array([_ratio(x, largest) for x in self.coefficients])
        with np.errstate(all="ignore"):  # squares underflow beside an entry of size one
            return np.asarray(row / max(float(np.linalg.norm(row[:-1])), 0.5), dtype=np.float64)

    def restrict(self, wall: Halfspace) -> Halfspace:
        """This halfspace inside the hyperplane of `wall`, in the coordinates left after dropping
        its pivot.
        """
        k = pivot(wall)
        scale, own = wall.coefficients[k], self.coefficients[k]
        values = [
            (x * scale - own * w) * (1 if scale > 0 else -1)
            for j, (x, w) in enumerate(zip(self.coefficients, wall.coefficients, strict=True))
            if j != k
        ]
        divisor = gcd(*values) or 1
        return Halfspace(tuple(x // divisor for x in values))


def _ratio(numerator: int, denominator: int) -> float:
    """`numerator / denominator` as a float, saturating: a proposal may be poor, never an
    exception.
    """
    try:
        return numerator / denominator
    except OverflowError:
        return 1e300 if (numerator > 0) == (denominator > 0) else -1e300


def pivot(wall: Halfspace) -> int:
    """The coordinate with the largest coefficient of the normal: the one eliminated inside the
    wall.
    """
    return max(range(len(wall.normal)), key=lambda j: abs(wall.coefficients[j]))


def lift(point: Point, wall: Halfspace) -> Point:
    """The point of the hyperplane of `wall` whose other coordinates are `point` (inverse of
    dropping the pivot).
    """
    k = pivot(wall)
    rest = [w for j, w in enumerate(wall.coefficients) if j != k]
    scale = wall.coefficients[k]
    flip = 1 if scale > 0 else -1
    missing = -flip * sum(w * x for w, x in zip(rest, point, strict=True))
    scaled = [x * scale * flip for x in point]
    return primitive((*scaled[:k], missing, *scaled[k:]))


def primitive(point: Sequence[int]) -> Point:
    """The same homogeneous point with coprime coordinates."""
    divisor = gcd(*point) or 1
    return tuple(x // divisor for x in point)


def homogeneous(coordinates: Sequence[Rational]) -> Point:
    """The homogeneous integer point with the given rational coordinates."""
    return coprime_integers([*coordinates, Rational(1)])


def affine(point: Point) -> list[Rational]:
    """The rational coordinates of a homogeneous point."""
    return [Rational(x, point[-1]) for x in point[:-1]]


def side(halfspace: Halfspace, point: Point) -> int:
    """The side of the hyperplane that a point lies on: 1 inside, 0 on it, -1 outside."""
    value = halfspace.value(point)
    return (value > 0) - (value < 0)


def sides_of(halfspaces: Iterable[Halfspace], bits: Iterable[bool]) -> list[Halfspace]:
    """Of each halfspace the side that its bit says, constants left out."""
    pairs = zip(halfspaces, bits, strict=True)
    return [h if bit else h.opposite for h, bit in pairs if not h.is_constant]


def is_inside(halfspaces: Iterable[Halfspace], point: Point) -> bool:
    """Whether the point lies strictly inside every halfspace."""
    return all(halfspace.value(point) > 0 for halfspace in halfspaces)


def is_farkas(halfspaces: Iterable[Halfspace], multipliers: Iterable[Rational], dim: int) -> bool:
    """Whether the multipliers prove that no point is strictly inside every halfspace (Motzkin
    1936).

    They do iff they are non-negative, not all zero, cancel the normals and leave a sum of offsets
    that is <= 0.
    """
    total, positive = [Rational(0)] * (dim + 1), False
    for halfspace, multiplier in zip(halfspaces, multipliers, strict=True):
        if multiplier < 0:
            return False
        positive = positive or multiplier > 0
        axis = halfspace.axis
        if axis is not None:  # the other entries are zero
            total[axis] += multiplier * halfspace.coefficients[axis]
            total[-1] += multiplier * halfspace.offset
            continue
        total = [t + multiplier * c for t, c in zip(total, halfspace.coefficients, strict=True)]
    return positive and all(x == 0 for x in total[:-1]) and total[-1] <= 0


_RANGE = 2.0**400


def float_rows(halfspaces: Sequence[Halfspace], dim: int) -> FloatArray:
    """The coefficients as (halfspaces x (dim + 1)) floats, scaled to normals of length near one."""
    try:
        table = np.array([h.coefficients for h in halfspaces], dtype=np.float64).reshape(
            -1, dim + 1
        )
    except OverflowError:
        return _row_by_row(halfspaces, dim)
    largest = np.abs(table).max(axis=1, initial=0.0)
    if largest.max(initial=0.0) > _RANGE:
        return _row_by_row(halfspaces, dim)
    norms = np.linalg.norm(table[:, :-1], axis=1)
    return np.ascontiguousarray(table / np.maximum(norms, 0.5)[:, None])


def _row_by_row(halfspaces: Sequence[Halfspace], dim: int) -> FloatArray:
    """As `float_rows`, for integers beyond the range of floats."""
    table = np.array([h.float_row for h in halfspaces], dtype=np.float64).reshape(-1, dim + 1)
    table[np.abs(table).max(axis=1) > _RANGE] = np.nan
    return table


def point_of_floats(x: FloatArray) -> Point:
    """The exact homogeneous point of finite floats."""
    ratios = [value.as_integer_ratio() for value in x.tolist()]
    denominator = max((q for _, q in ratios), default=1)
    return primitive((*(p * (denominator // q) for p, q in ratios), denominator))
