"""The points of a curve in order, and where functions along it change sign: those of pencils and of
ellipses, asked alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from exact.check.functions.pencils import (
    NO_ROOT,
    Direction,
    Form,
    compare,
    rational,
    sign_changes,
    value_sign,
)
from exact.check.kinds.ellipses import Conic, Place
from exact.check.kinds.ellipses import at as place_at
from exact.check.kinds.ellipses import compare as compare_places
from exact.check.records import Integers, Rejected, Values

Point = TypeVar("Point")


class Points(ABC, Generic[Point]):
    """The points of a curve in order from its seam, and the functions along it."""

    @abstractmethod
    def compare(self, one: Point, other: Point) -> int:
        """The sign of the difference of their places, from the seam on."""

    @abstractmethod
    def at(self, witness: Integers, place: str) -> Point:
        """The point that a file names by two integers."""

    @abstractmethod
    def value_sign(self, function: Values, form: Form | None, witness: Integers) -> int:
        """The sign of a function there."""

    @abstractmethod
    def sign_changes(self, function: Values, form: Form | None) -> list[tuple[Point, bool]]:
        """Where a function becomes positive (True), and where it is so no more."""

    @abstractmethod
    def zeros(self, form: Form) -> list[Point]:
        """Where a form is zero; Rejected where it is so everywhere."""


class OfPencil(Points[Direction]):
    """The directions of a line or a circle."""

    def compare(self, one: Direction, other: Direction) -> int:
        return compare(one, other)

    def at(self, witness: Integers, place: str) -> Direction:
        if not any(witness):
            raise Rejected(f"{place}: the witness is not inside the cell")
        return rational(*witness)

    def value_sign(self, function: Values, form: Form | None, witness: Integers) -> int:
        return value_sign(function, form or NO_ROOT, *witness)

    def sign_changes(self, function: Values, form: Form | None) -> list[tuple[Direction, bool]]:
        pair = sign_changes(function, form or NO_ROOT)
        return [(pair[0], True), (pair[1], False)] if pair else []

    def zeros(self, form: Form) -> list[Direction]:
        if form.matrix == NO_ROOT.matrix:
            raise Rejected("the norm is undefined inside every cell of the curve")
        kernel = form.kernel
        return [rational(k * kernel[0], k * kernel[1]) for k in (1, -1)] if kernel else []


@dataclass(frozen=True)
class OfEllipse(Points[Place]):
    """The places around an ellipse."""

    conic: Conic

    def compare(self, one: Place, other: Place) -> int:
        return compare_places(one, other)

    def at(self, witness: Integers, place: str) -> Place:
        if witness[1] <= 0:
            raise Rejected(f"{place}: the witness does not lie between (1, 0) and (-1, 0)")
        return place_at(Fraction(-witness[0], witness[1]))

    def value_sign(self, function: Values, form: Form | None, witness: Integers) -> int:
        return self.conic.value_sign(function, form, *witness)

    def sign_changes(self, function: Values, form: Form | None) -> list[tuple[Place, bool]]:
        return self.conic.sign_changes(function, form)

    def zeros(self, form: Form) -> list[Place]:
        return self.conic.zeros(form)
