"""Light views of one region: code, exact witness, exact affine map, facets, and the same as SymPy
expressions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.numbers import Rational
from exact.arithmetic.texts.printing import short_repr
from exact.geometry.combinatorics.codes import Hinge, SplineCode
from exact.networks.affine_map import AffineMap
from exact.networks.network import Network
from exact.propagation.chart import Chart

if TYPE_CHECKING:
    import sympy


@short_repr
@dataclass(frozen=True)
class Facet:
    """A facet of a region: the hinges that flip across it and the region behind it.

    `hyperplane` is the normal and offset as coprime integers in the parameters of the domain,
    positive inside; `neighbour` is None on the edge of the domain, and when a budget ended before
    the region behind was found.

    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])
    >>> facet = partition(net, RealSpace(2)).regions[0].facets[0]
    >>> facet.flipped, facet.neighbour, facet.hyperplane
    ((Hinge(layer=1, neuron=0, breakpoint=0),), 2, (-1, 0, 0))
    """

    flipped: tuple[Hinge, ...]
    neighbour: int | None
    hyperplane: tuple[int, ...]


@short_repr
@dataclass(frozen=True)
class SymbolicRegion:
    """A region as SymPy: `inequalities` (all hold strictly inside) and `map`, a column of
    expressions.

    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])
    >>> found = partition(net, RealSpace(2)).regions[-1].symbolic()
    >>> found.inequalities, found.map
    ((x1 > 0, x2 > 0), Matrix([[x1 - x2]]))
    """

    inequalities: tuple[sympy.Basic, ...]
    map: sympy.Matrix


class Owner(Protocol):
    """What a region asks of its partition."""

    network: Network

    @property
    def chart(self) -> Chart:
        """The parameters of the domain."""

    def code_of(self, index: int) -> SplineCode:
        """The code of a region."""

    def numbers_alike(self, other: Any) -> bool:
        """Whether the parts of both have the same numbers."""


class View:
    """A part of a partition, known by its number there: equal to the part of that number of a
    partition that counts alike.
    """

    index: int
    _owner: Owner

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

    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])
    >>> region = partition(net, RealSpace(2)).regions[3]
    >>> region.index, region.code, [str(x) for x in region.witness], str(region.affine)
    (3, SplineCode(11), ['1', '1'], 'x -> [[1, -1]] x + [[0]]')
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        members_in_ieee_floats(cls)

    def __init__(self, owner: Owner, index: int) -> None:
        self._owner, self.index = owner, index

    @property
    def code(self) -> SplineCode:
        """The spline code."""
        return self._owner.code_of(self.index)

    @property
    @abstractmethod
    def coordinates(self) -> Sequence[Rational]:
        """The parameters of an exact point inside; on circles and spheres of a vector that points
        into the region.
        """

    @property
    def witness(self) -> tuple[Fraction, ...]:
        """An exact point inside, in the network's input space; on circles and spheres a vector that
        points into the region.
        """
        return self._owner.chart.ambient(self.coordinates)

    @property
    def affine(self) -> AffineMap:
        """The exact affine map on the region; NotPiecewiseLinear behind GELU or SiLU."""
        return self._owner.network.affine_map(self.code)

    @property
    @abstractmethod
    def facets(self) -> tuple[Facet, ...]:
        """The facets, each with the hinges that flip and the neighbour."""

    def symbolic(self) -> SymbolicRegion:
        """Inequalities and map as SymPy expressions, in the parameters of the domain.

        The symbols are x1, x2, ... where those are the input's own coordinates, else s1, s2, ...; t
        on a line and theta on a circle.
        """
        names = self._owner.chart.symbols()
        return SymbolicRegion(self._inequalities(names), self._symbolic_map(names))

    def _inequalities(self, names: Sequence[sympy.Symbol]) -> tuple[sympy.Basic, ...]:
        import sympy

        values = (
            sum((c * x for c, x in zip(row, names, strict=False)), sympy.Integer(row[-1]))
            for row in self._sides()
        )
        return tuple(value > 0 for value in values)

    def _sides(self) -> Sequence[tuple[int, ...]]:
        """Halfspaces over the parameters that cut out the region: coprime integers, the offset
        last.
        """
        return [facet.hyperplane for facet in self.facets]

    def _symbolic_map(self, names: Sequence[sympy.Symbol]) -> sympy.Matrix:
        return AffineMap.of_columns(self._owner.chart.map_columns(self.code)).sympy(names)

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
