"""Certified intervals: two reals in balls around a number."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, nextafter

from exact.arithmetic.numbers import Ball, ball_bounds, fraction, nearest_float, rational
from exact.arithmetic.texts.printing import short_repr


@short_repr
@dataclass(frozen=True)
class Interval:
    """A real number between two rationals, with certainty.

    >>> from fractions import Fraction
    >>> Interval(Fraction(1, 2), Fraction(3, 4)).contains(Fraction(2, 3))
    True
    """

    lower: Fraction
    upper: Fraction

    @classmethod
    def of(cls, ball: Ball) -> Interval:
        """The interval of a ball."""
        low, high = ball_bounds(ball)
        return cls(fraction(low), fraction(high))

    @property
    def width(self) -> Fraction:
        """The distance of the bounds."""
        return self.upper - self.lower

    def contains(self, value: Fraction | int) -> bool:
        """Whether a rational lies between the bounds."""
        return self.lower <= value <= self.upper

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.lower + other.lower, self.upper + other.upper)

    def __float__(self) -> float:
        """The float64 nearest to the middle; of certified measures within an ulp of the number."""
        return nearest_float(rational((self.lower + self.upper) / 2))

    def __str__(self) -> str:
        """The bounds in float64, rounded outwards."""
        low, high = (nearest_float(rational(x)) for x in (self.lower, self.upper))
        low = low if low <= self.lower else nextafter(low, -inf)
        high = high if high >= self.upper else nextafter(high, inf)
        return f"[{low!r}, {high!r}]"
