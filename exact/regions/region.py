"""Light views of one region: code, exact witness, exact affine map, facets, and the same as SymPy
expressions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.combinatorics.codes import Hinge, SplineCode
from exact.networks.affine_map import AffineMap

if TYPE_CHECKING:
    import sympy


@short_repr
@dataclass(frozen=True)
class Facet:
    """A facet of a region: the hinges that flip across it and the region behind it.

    `hyperplane` is the normal and offset as coprime integers in the parameters of the domain,
    positive inside; `neighbour` is None on the edge of the domain, and when a budget ended before
    the region behind was found.
    """

    flipped: tuple[Hinge, ...]
    neighbour: int | None
    hyperplane: tuple[int, ...]


@short_repr
@dataclass(frozen=True)
class SymbolicRegion:
    """A region as SymPy: `inequalities` (all hold strictly inside) and `map`, a column of
    expressions.
    """

    inequalities: tuple[sympy.Basic, ...]
    map: sympy.Matrix


class Numbered(Protocol):
    """What has parts with numbers."""

    def numbers_alike(self, other: Any) -> bool:
        """Whether the parts of both have the same numbers."""


class View:
    """A part of a partition, known by its number there: equal to the part of that number of a
    partition that counts alike.
    """

    index: int
    _owner: Numbered

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, View)
        return self.index == other.index and (
            self._owner is other._owner or self._owner.numbers_alike(other._owner)
        )

    def __hash__(self) -> int:
        return hash((type(self), self.index))


class Region(View, ABC):
    """One region of a partition. Regions of equal partitions are equal where they are the same
    region.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        members_in_ieee_floats(cls)

    @property
    @abstractmethod
    def code(self) -> SplineCode:
        """The spline code."""

    @property
    @abstractmethod
    def witness(self) -> tuple[Fraction, ...]:
        """An exact point inside, in the network's input space."""

    @property
    @abstractmethod
    def affine(self) -> AffineMap:
        """The exact affine map on the region; NotPiecewiseLinear behind GELU or SiLU."""

    @property
    @abstractmethod
    def facets(self) -> tuple[Facet, ...]:
        """The facets, each with the hinges that flip and the neighbour."""

    @abstractmethod
    def symbolic(self) -> SymbolicRegion:
        """Inequalities and map as SymPy expressions."""

    def symbolic_closure(self) -> SymbolicRegion:
        """The same with the region's boundary, but for points at which a norm divides by zero:
        inequalities `>=` and `<=`.
        """
        found = self.symbolic()
        return SymbolicRegion(tuple(map(closed, found.inequalities)), found.map)

    def __repr__(self) -> str:
        return f"<region {self.index}: {self.code!r}>"


def closed(inequality: sympy.Basic) -> sympy.Basic:
    """An inequality, or a combination of some, with `>=` for `>` and `<=` for `<`."""
    import sympy

    weak = {sympy.StrictGreaterThan: sympy.GreaterThan, sympy.StrictLessThan: sympy.LessThan}
    return inequality.replace(
        lambda part: type(part) in weak, lambda part: weak[type(part)](*part.args)
    )
