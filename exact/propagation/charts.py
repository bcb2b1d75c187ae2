"""The charts of flat domains, balls and spheres, and which sphere a domain and a network mean;
those of lines and circles are in :mod:`exact.propagation.pencil_charts`.

The chart of a sphere is a rational basis of a linear space of directions and its Gram matrix G in
the metric in which the sphere is round; points are `y` with `y' G y = radius_squared`. An
orthonormal basis would bring in square roots; G does not (mathematics.md, "Rational coordinates on
spheres"). Behind a norm the metric is that of the projected directions and the radius sqrt(n); eps
plays no part, because the sphere is the limit of all rays. Gain and bias are folded into what the
first layer reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from exact.arithmetic.linear_algebra import apply, dot, identity, matrix, rows_of
from exact.arithmetic.nearest import exponent, scaled_by
from exact.arithmetic.numbers import Rational, RationalArray, fractions, nearest_floats, rational
from exact.arithmetic.surds import sign_of_surd
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.domains.base import Domain, Flat, FlatDomain
from exact.geometry.domains.flat import Ball
from exact.geometry.domains.round import GreatSphere, Sphere
from exact.geometry.polyhedra.halfspace import Halfspace, Point, homogeneous
from exact.geometry.polyhedra.minimum_norm import RoundBody
from exact.networks.network import Network
from exact.propagation.chart import (
    Chart,
    are_units,
    carried,
    chart_on,
    combination,
    flat_of,
    numbered_symbols,
    widened,
)
from exact.propagation.cursor import Cursor, advance, begin, layer_halfspaces, pass_norm

if TYPE_CHECKING:
    import sympy

_ZERO, _ONE = Rational(0), Rational(1)
_LONG = 64  # vectors longer than 2^64 or shorter than 2^-64 are scaled
# of a Gram matrix: above it the float filters lose bits, so the basis is made nearly orthogonal
_WORST_CONDITION = 100.0
Vector = tuple[Rational, ...]


@short_repr
@dataclass(frozen=True)
class AffineChart(Chart):
    """A flat domain in its own parameters; its network has no norm, or is the one behind it."""

    network: Network
    flat: Flat
    off_span = "the point does not lie in the domain's span", "give a point of the slice"

    @property
    def dim(self) -> int:
        return self.flat.dim

    def state(self) -> RationalArray:
        return self.flat.state()

    def ambient(self, y: Sequence[Rational]) -> tuple[Fraction, ...]:
        return self.flat.ambient(homogeneous(y))

    def symbols(self) -> tuple[sympy.Symbol, ...]:
        return numbered_symbols(not any(self.flat.origin) and self._is_shifted, self.dim)

    @cached_property
    def _is_shifted(self) -> bool:
        """Whether parameters are the input's coordinates, counted from the origin of the chart."""
        return self.dim == self._input_dim and are_units(self.flat.directions)

    @property
    def _input_dim(self) -> int:
        return len(self.flat.origin)

    def _solved(self, x: Sequence[Rational]) -> list[Rational] | None:
        gaps = [a - b for a, b in zip(x, self.flat.origin, strict=True)]
        if self._is_shifted:
            return gaps
        return combination(matrix(self.flat.directions, len(x)).transpose(), gaps)


@short_repr
@dataclass(frozen=True)
class BallChart(AffineChart):
    """A ball in its own parameters, and in those from its centre, in which it is a quadratic form.

    Behind a norm that is the ball of the images y, before gain and bias, and its points are no
    inputs.
    """

    ball: Ball

    @classmethod
    def of(cls, network: Network, ball: Ball) -> BallChart:
        """The chart of a ball on which a network without norm is a function."""
        return cls(network, ball.flat(), ball)

    @cached_property
    def centred(self) -> Flat:
        """The chart at the centre."""
        return Flat(self.ball.centre, self.flat.directions, ())

    @cached_property
    def body(self) -> RoundBody:
        """The ball as a form over that chart."""
        rows = matrix(self.flat.directions, len(self.flat.origin))
        return RoundBody(rows * rows.transpose(), self.ball.radius_squared)

    @cached_property
    def _shift(self) -> Vector:
        return self.ball.centre if self.ball.directions is None else (_ZERO,) * self.dim

    def from_centre(self, wall: Halfspace) -> Halfspace:
        """A halfspace of the ball's own parameters."""
        return self._moved(wall, 1)

    def own(self, wall: Halfspace) -> Halfspace:
        """The inverse of :meth:`from_centre`."""
        return self._moved(wall, -1)

    def _moved(self, wall: Halfspace, sign: int) -> Halfspace:
        normal = [Rational(x) for x in wall.normal]
        return Halfspace.of([*normal, wall.offset + sign * dot(normal, self._shift)])

    def own_point(self, point: Sequence[Rational]) -> Point:
        """A point in the ball's own parameters, homogeneous."""
        return homogeneous([x + s for x, s in zip(point, self._shift, strict=True)])


@short_repr
@dataclass(frozen=True)
class SphereChart(Chart):
    """The sphere `y' gram y = radius_squared` of dimension `dim`, and where the network stands on
    it.

    The point with coordinates y is reached from the input `sum_i y_i basis[i]` (behind a norm: by
    its direction). `cursor` is in front of the first hidden layer, its functions over (y_1, ...,
    y_dim+1, 1); None for a network without hinges.
    """

    network: Network
    basis: tuple[Vector, ...]
    gram: RationalArray
    radius_squared: Rational
    cursor: Cursor | None
    off_span = (
        "the point has no direction on the sphere",
        "give a nonzero combination of the vectors that span it",
    )

    @property
    def dim(self) -> int:
        """The dimension of the sphere: one less than the number of coordinates."""
        return len(self.basis) - 1

    @cached_property
    def image(self) -> RationalArray:
        """The basis in the space of the sphere (n x (dim + 1)): behind a norm, what its projection
        leaves of it.
        """
        return carried(self.network, _columns(self.basis))

    def state(self) -> RationalArray:
        return widened(self.image)

    def ambient(self, y: Sequence[Rational]) -> tuple[Fraction, ...]:
        """The input `sum_i y_i basis[i]`."""
        columns = zip(*self.basis, strict=True)
        return fractions(dot(y, column) for column in columns)

    def symbols(self) -> tuple[sympy.Symbol, ...]:
        return numbered_symbols(
            not self.network.has_norm and are_units(self.basis), len(self.basis)
        )

    @property
    def _input_dim(self) -> int:
        return len(self.basis[0])

    def _solved(self, x: Sequence[Rational]) -> list[Rational] | None:
        point = carried(self.network, matrix([[v] for v in x], 1)).entries()
        return combination(self.image, point) if any(point) else None

    def bits_at(self, y: Sequence[Rational]) -> list[bool] | None:
        """The spline code in the direction y; None where a hinge is zero that is not zero all
        around.
        """
        square = self.radius_squared / dot(y, apply(self.gram, y))
        bits, cursor = list[bool](), self.cursor
        while cursor is not None:
            z = cursor.current.pre_activations(cursor.inner, cursor.one)
            sides = [_side(halfspace, y, square) for halfspace in layer_halfspaces(cursor, z)]
            if None in sides:
                return None
            own = [side == 1 for side in sides]
            bits, cursor = [*bits, *own], advance(cursor, z, own)
        return bits


def _side(halfspace: Halfspace, y: Sequence[Rational], square: Rational) -> int | None:
    """The side of a hyperplane on which `sqrt(square) y` lies, None on it; a constant is on its own
    side everywhere.
    """
    offset = Rational(halfspace.offset)
    if halfspace.is_constant:
        return 1 if offset > 0 else -1
    return sign_of_surd(offset, dot([Rational(x) for x in halfspace.normal], y), square) or None


@chart_on.register
def _on_flat(domain: FlatDomain, network: Network) -> AffineChart:
    return AffineChart(network, flat_of(domain))


@chart_on.register
def _on_ball(domain: Ball, network: Network) -> BallChart:
    return BallChart.of(network, domain)


def sphere_chart(network: Network, domain: Domain) -> SphereChart:
    """The chart of a sphere on which a network lives.

    Raises InvalidInput when the norm's projection collapses the directions of a GreatSphere.
    """
    basis = _basis(network, domain)
    gram = _gram(network, basis)
    if isinstance(domain, GreatSphere):
        if gram.det() == 0:
            left = network.norms[0].sphere_dim if network.has_norm else network.input_dim - 1
            way = "give three vectors that stay independent under the norm's projection"
            raise InvalidInput(
                "u, v and w do not span a sphere of directions",
                value=domain,
                remedy=way if left >= 2 else f"no three do on a sphere of dimension {left}",
            )
        basis = _of_middle_size(basis, gram)
        basis = _nearly_orthogonal(basis, _gram(network, basis))
    return chart_over(network, domain, basis)


def chart_over(network: Network, domain: Domain, basis: tuple[Vector, ...]) -> SphereChart:
    """The chart of a sphere in a given basis: coordinates mean something in their own basis only,
    and floats chose it.
    """
    gram = _gram(network, basis)
    norm = network.norms[0] if network.norms else None
    if norm is not None:
        return SphereChart(network, basis, gram, Rational(norm.dim), _behind_norm(network, basis))
    assert isinstance(domain, Sphere | GreatSphere) and domain.radius_squared is not None
    state = [[*column, _ZERO] for column in zip(*basis, strict=True)]
    cursor = begin(network, matrix(state, len(basis) + 1), [_ZERO] * len(basis) + [_ONE])
    return SphereChart(network, basis, gram, domain.radius_squared, cursor)


def whole_basis(network: Network) -> tuple[Vector, ...]:
    """A basis of the space of a whole sphere: the image of the norm in front, or all inputs."""
    norm = network.blocks[0].norm
    vectors = rows_of(identity(network.input_dim)) if norm is None else norm.sphere_basis()
    return tuple(map(tuple, vectors))


def _basis(network: Network, domain: Domain) -> tuple[Vector, ...]:
    if isinstance(domain, GreatSphere):
        return (domain.u, domain.v, domain.w)
    return whole_basis(network)


def _columns(basis: Sequence[Vector]) -> RationalArray:
    return matrix(list(zip(*basis, strict=True)), len(basis))


def _gram(network: Network, basis: Sequence[Vector]) -> RationalArray:
    """The inner products of the basis in the metric of the sphere."""
    columns = carried(network, _columns(basis))
    return columns.transpose() * columns


def _behind_norm(network: Network, basis: Sequence[Vector]) -> Cursor | None:
    """The cursor behind the norm, whose value is `gain P sum_i y_i basis[i] + bias` on the
    sphere.
    """
    k = len(basis)
    cursor = begin(network, _columns(basis), [_ZERO] * k)
    if cursor is None:
        return None
    norm, centred = network.norms[0], carried(network, _columns(basis))
    rows = [
        [*(g * x for x in row), b]
        for row, g, b in zip(rows_of(centred), norm.gain.column(), norm.bias.column(), strict=True)
    ]
    return pass_norm(cursor, matrix(rows, k + 1), [_ZERO] * k + [_ONE])


def _of_middle_size(basis: tuple[Vector, ...], gram: RationalArray) -> tuple[Vector, ...]:
    """The basis, very long and very short vectors times powers of two: floats of the Gram matrix
    stay in their range.
    """
    powers = [exponent(gram[i, i]) // 2 for i in range(len(basis))]
    if max(map(abs, powers)) < _LONG:
        return basis
    return tuple(
        tuple(scaled_by(x, -power) for x in vector)
        for power, vector in zip(powers, basis, strict=True)
    )


def _nearly_orthogonal(basis: tuple[Vector, ...], gram: RationalArray) -> tuple[Vector, ...]:
    """A basis of the same space with a well-conditioned Gram matrix; floats propose it, and any
    invertible one will do.
    """
    entries = nearest_floats(gram.entries()).reshape(len(basis), len(basis))
    if not np.isfinite(entries).all() or np.linalg.cond(entries) < _WORST_CONDITION:
        return basis
    try:
        lower = np.linalg.inv(np.linalg.cholesky(entries / np.trace(entries)))
    # too close to singular for floats: slower filters, the same answer
    except np.linalg.LinAlgError:
        return basis
    shares = matrix([[rational(float(np.float32(x))) for x in row] for row in lower], len(basis))
    if shares.det() != 0:
        return tuple(map(tuple, rows_of(shares * matrix(basis, len(basis[0])))))
    return basis
