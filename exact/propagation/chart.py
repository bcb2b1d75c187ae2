"""How a network stands on a domain: what every kind of domain says of its parameters.

The kinds are in :mod:`exact.propagation.charts` and `pencil_charts`. Engines read a chart, and what
users hold of their cells does; a chart knows neither, and it decides nothing by floats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache, singledispatch
from typing import TYPE_CHECKING, ClassVar

from exact.arithmetic.linear_algebra import Vector, apply, matrix, rows_of, solve
from exact.arithmetic.numbers import Rational, RationalArray, rationals
from exact.errors import InvalidInput, shown
from exact.geometry.combinatorics.codes import SplineCode
from exact.geometry.domains.base import Domain, Flat, FlatDomain
from exact.geometry.domains.round import GreatSphere, Sphere
from exact.networks.graphs.steps import Sum, walk
from exact.networks.layers import Layer, Operation
from exact.networks.network import Network
from exact.networks.norms import Norm

if TYPE_CHECKING:
    import sympy

_ZERO = Rational(0)


class Chart(ABC):
    """The parameters of a domain, and the network over them.

    `off_span` is what is wrong with a point that has no parameters, and what to give instead.
    """

    network: Network
    off_span: ClassVar[tuple[str, str]]

    @property
    @abstractmethod
    def dim(self) -> int:
        """The dimension of the domain."""

    @abstractmethod
    def state(self) -> RationalArray:
        """What the network reads, behind its norm where that is folded in, as coefficients over the
        parameters and what stands for the constant 1.
        """

    @abstractmethod
    def ambient(self, y: Sequence[Rational]) -> tuple[Fraction, ...]:
        """The input at rational parameters y; on circles and spheres a vector along it."""

    def coordinates(self, x: Sequence[object]) -> tuple[Rational, ...]:
        """The parameters of an input: the inverse of `ambient`, on circles and spheres up to a
        positive factor.

        Raises InvalidInput for a point of another dimension, or without parameters. Cost: a
        solve in as many unknowns as there are parameters.
        """
        point, size = rationals(x, "x"), self._input_dim
        if len(point) != size:
            raise InvalidInput(
                "the point does not fit the domain",
                value=f"{len(point)} coordinates",
                remedy=f"give {size}",
            )
        found = self._solved(point)
        if found is None:
            what, remedy = self.off_span
            raise InvalidInput(what, value=shown(x), remedy=remedy)
        return tuple(found)

    def functions(self) -> tuple[Network, RationalArray, tuple[Rational, ...]]:
        """What `map_columns` carries through which network: its inputs as coefficients, those of
        `state`, and the coefficients of the constant 1.
        """
        state = self.state()
        read = self.network.folded() if self.network.has_norm else self.network
        return read, state, (*(_ZERO,) * (state.ncols() - 1), Rational(1))

    def map_columns(self, code: SplineCode) -> RationalArray:
        """The network's output over the parameters, where it has this code: as coefficients like
        those of `state`.

        Raises NotPiecewiseLinear behind GELU or SiLU.
        """
        self.network.require_piecewise_linear()
        network, state, one = self.functions()
        return network.propagate_code(state, code, one)

    @abstractmethod
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The parameters in SymPy: x1, x2, ... where they are the input's own coordinates, else s1,
        s2, ...; t on a line and theta on a circle.
        """

    @property
    @abstractmethod
    def _input_dim(self) -> int: ...

    @abstractmethod
    def _solved(self, x: Vector) -> Vector | None:
        """The parameters of a point of the right size, or None."""


def chart(network: Network, domain: Domain) -> Chart:
    """How a network stands on a domain; of lines, which are flat and curves too, the flat chart.

    Raises InvalidInput for a norm's ball, which is a `Ball` behind the norm, and where a norm's
    projection collapses the directions of a domain.
    """
    return chart_on(domain, network)


@singledispatch
def chart_on(domain: Domain, network: Network) -> Chart:
    raise InvalidInput(
        "the domain has no chart of its own",
        value=domain,
        remedy="take that of a partition of it: partition(network, domain).chart",
    )


def flat_of(domain: FlatDomain) -> Flat:
    """The affine map and the walls of a flat domain, made once an object: to hash one with long
    vectors takes longer than to make its chart.
    """
    return _flat_of(_Same(domain))


class _Same:
    """A domain as a key: the same only as itself."""

    def __init__(self, domain: FlatDomain) -> None:
        self.domain = domain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.domain is other.domain

    def __hash__(self) -> int:
        return id(self.domain)


@lru_cache(maxsize=8)
def _flat_of(key: _Same) -> Flat:
    return key.domain.flat()


def sphere_dimension(network: Network, domain: Domain) -> int | None:
    """The dimension of the sphere that a domain means; None for domains that are no spheres, -1
    when there is none.
    """
    if isinstance(domain, GreatSphere):
        return 2
    if not isinstance(domain, Sphere):
        return None
    norm = network.blocks[0].norm
    return network.input_dim - 1 if norm is None else norm.sphere_dim


def combination(columns: RationalArray, x: Sequence[Rational]) -> Vector | None:
    """The y with `columns y = x`: None where there is none, or more than one."""
    back = columns.transpose()
    found = solve(back * columns, apply(back, x))
    return found if found is not None and apply(columns, found) == list(x) else None


def widened(columns: RationalArray) -> RationalArray:
    """The columns and one of zeros: linear functions as coefficients, the constant last."""
    return matrix([[*row, _ZERO] for row in rows_of(columns)], columns.ncols() + 1)


def numbered_symbols(are_own: bool, count: int) -> tuple[sympy.Symbol, ...]:
    """x1, x2, ... for the input's own coordinates, s1, s2, ... for others."""
    import sympy

    letter = "x" if are_own else "s"
    return tuple(sympy.symbols(f"{letter}1:{count + 1}", real=True))


def are_units(vectors: Sequence[Sequence[Rational]]) -> bool:
    """Whether vectors are all unit vectors of their space, in order."""
    return all(
        len(v) == len(vectors) and v[i] == 1 and sum(x != 0 for x in v) == 1
        for i, v in enumerate(vectors)
    )


def carried(network: Network, columns: RationalArray) -> RationalArray:
    """Vectors of the input space, carried to that behind the norm's projection: through what stands
    in front of it.

    No bias stands in front of a norm there, so this is linear; without a norm the vectors stay as
    they are.
    """
    end = next((k for k, step in enumerate(network.steps) if isinstance(step.does, Norm)), 0)

    def through(does: Operation, *values: RationalArray) -> RationalArray:
        if isinstance(does, Layer):
            return does.as_affine.operator.apply(values[0])
        return does.total(values) if isinstance(does, Sum) else does.project(values[0])

    return walk(network.steps[: end + 1], columns, through) if network.has_norm else columns
