"""Open halfspaces with coprime integer coefficients, and the points that are tested against them.

One sign convention everywhere: `normal . x + offset > 0` is inside, which for a neuron means on. Because the
coefficients are coprime and the sign is kept, two halfspaces are the same set iff they compare equal.

A point of R^d is homogeneous: `d + 1` integers `(x_1, ..., x_d, x_0)` with `x_0 > 0`, standing for `x_i / x_0`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from exact.numbers import FloatArray, Rational, coprime_integers
from exact.printing import short_repr

Point = tuple[int, ...]


@short_repr
@dataclass(frozen=True)
class Halfspace:
    """The open halfspace `normal . x + offset > 0`; `coefficients` are the normal, then the offset."""

    coefficients: tuple[int, ...]

    @classmethod
    def of(cls, values: Sequence[Rational]) -> Halfspace:
        """The halfspace with rational coefficients, scaled by a positive number to coprime integers."""
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
        """Whether the normal is zero: the set is then everything or nothing, by the sign of the offset."""
        return not any(self.normal)

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
        """The coefficients as float64 with a normal of length near one (approximate; for proposals only)."""
        largest = max((abs(x) for x in self.normal), default=0) or 1
        row = np.array([_ratio(x, largest) for x in self.coefficients])
        with np.errstate(all="ignore"):  # squares underflow beside an entry of size one
            return np.asarray(row / max(float(np.linalg.norm(row[:-1])), 0.5), dtype=np.float64)

    def restrict(self, wall: Halfspace) -> Halfspace:
        """This halfspace inside the hyperplane of `wall`, in the coordinates left after dropping its pivot."""
        k = pivot(wall)
        scale, own = wall.coefficients[k], self.coefficients[k]
        values = [(x * scale - own * w) * (1 if scale > 0 else -1)
                  for j, (x, w) in enumerate(zip(self.coefficients, wall.coefficients, strict=True)) if j != k]  # fmt: skip
        divisor = gcd(*values) or 1
        return Halfspace(tuple(x // divisor for x in values))


def _ratio(numerator: int, denominator: int) -> float:
    """`numerator / denominator` as a float, saturating: a proposal may be poor, never an exception."""
    try:
        return numerator / denominator
    except OverflowError:
        return 1e300 if (numerator > 0) == (denominator > 0) else -1e300


def pivot(wall: Halfspace) -> int:
    """The coordinate with the largest coefficient of the normal: the one eliminated inside the wall."""
    return max(range(len(wall.normal)), key=lambda j: abs(wall.coefficients[j]))


def lift(point: Point, wall: Halfspace) -> Point:
    """The point of the hyperplane of `wall` whose other coordinates are `point` (inverse of dropping the pivot)."""
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
