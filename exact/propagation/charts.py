"""Spheres in rational coordinates: which sphere a domain and a network mean, and the network's
first layer on it.

A chart is a rational basis of a linear space of directions and its Gram matrix G in the metric in
which the sphere is round; points are `y` with `y' G y = radius_squared`. An orthonormal basis would
bring in square roots; G does not (MATH: "LayerNorm, exactly"). Behind a norm the metric is that of
the projected directions and the radius sqrt(n); eps plays no part, because the sphere is the limit
of all rays. Gain and bias are folded into what the first layer reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exact.arithmetic.linear_algebra import dot, matrix, rows_of
from exact.arithmetic.nearest import exponent, scaled_by
from exact.arithmetic.numbers import Rational, RationalArray, fractions, nearest_floats, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.domains.base import Domain
from exact.geometry.domains.round import GreatSphere, Sphere
from exact.networks.layers import Block
from exact.networks.network import Network
from exact.propagation.cursor import Cursor, begin, pass_norm

_ZERO, _ONE = Rational(0), Rational(1)
_LONG = 64  # vectors longer than 2^64 or shorter than 2^-64 are scaled
# of a Gram matrix: above it the float filters lose bits, so the basis is made nearly orthogonal
_WORST_CONDITION = 100.0
Vector = tuple[Rational, ...]


@short_repr
@dataclass(frozen=True)
class SphereChart:
    """The sphere `y' gram y = radius_squared` of dimension `dim`, and where the network stands on
    it.

    The point with coordinates y is reached from the input `sum_i y_i basis[i]` (behind a norm: by
    its direction). `cursor` is in front of the first hidden layer, its functions over (y_1, ...,
    y_dim+1, 1); None for a network without hinges.
    """

    basis: tuple[Vector, ...]
    gram: RationalArray
    radius_squared: Rational
    cursor: Cursor | None

    @property
    def dim(self) -> int:
        """The dimension of the sphere: one less than the number of coordinates."""
        return len(self.basis) - 1

    def ambient(self, y: Sequence[Rational]) -> tuple[Fraction, ...]:
        """The input `sum_i y_i basis[i]`."""
        columns = zip(*self.basis, strict=True)
        return fractions(dot(y, column) for column in columns)


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


def sphere_refusal(network: Network, domain: Domain) -> str | None:
    """Why a network does not live on the sphere of a domain (of any dimension), or None."""
    if not isinstance(domain, Sphere | GreatSphere):
        return f"it enumerates spheres, not {type(domain).__name__}"
    if network.jump_refusal is not None:
        return network.jump_refusal
    needed = _blocks_to_the_last_hinge(network)
    with_norm = [i for i, block in enumerate(needed) if block.norm is not None]
    if not network.has_norm:
        return None
    first = next(i for i, block in enumerate(network.blocks) if block.norm is not None)
    if isinstance(domain, Sphere) and first > 0:
        return (
            "the norm is not in front of the first block; use network.from_block(k) to start there"
        )
    if any(layer.bits for block in network.blocks[:first] for layer in block.layers):
        return "hidden layers stand in front of the norm, so directions do not determine the sphere"
    if any(
        x != 0
        for block in network.blocks[:first]
        for layer in block.layers
        for x in layer.as_affine.bias.column()
    ):
        return "a bias stands in front of the norm; use network.from_block(k) to start at the norm"
    if len(with_norm) > 1:
        return (
            f"hidden layers stand behind {len(with_norm)} norms; curves (GreatCircle, Segment, "
            f"...) can do that"
        )
    if with_norm and with_norm[0] != len(needed) - 1 and needed[with_norm[0]].residual:
        return (
            "hidden layers follow a skip connection around a norm; curves (GreatCircle, "
            "Segment, ...) can do that"
        )
    return None


def _blocks_to_the_last_hinge(network: Network) -> tuple[Block, ...]:
    last = max(
        (i for i, block in enumerate(network.blocks) if any(layer.bits for layer in block.layers)),
        default=-1,
    )
    return network.blocks[: last + 1]


def sphere_chart(network: Network, domain: Domain) -> SphereChart:
    """The chart of a sphere that :func:`sphere_refusal` accepts.

    Raises InvalidInput when the norm's projection collapses the directions of a GreatSphere.
    """
    basis = _basis(network, domain)
    gram = _gram(network, basis)
    if isinstance(domain, GreatSphere):
        if gram.det() == 0:
            raise InvalidInput(
                "u, v and w do not span a sphere of directions",
                value=domain,
                remedy="give three vectors that stay independent under the norm's projection",
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
        return SphereChart(basis, gram, Rational(norm.dim), _behind_norm(network, basis))
    assert isinstance(domain, Sphere | GreatSphere) and domain.radius_squared is not None
    state = [[*column, _ZERO] for column in zip(*basis, strict=True)]
    cursor = begin(network, matrix(state, len(basis) + 1), [_ZERO] * len(basis) + [_ONE])
    return SphereChart(basis, gram, domain.radius_squared, cursor)


def _basis(network: Network, domain: Domain) -> tuple[Vector, ...]:
    if isinstance(domain, GreatSphere):
        return (domain.u, domain.v, domain.w)
    norm, n = network.blocks[0].norm, network.input_dim
    if norm is not None:
        return tuple(map(tuple, norm.sphere_basis()))
    return tuple(tuple(Rational(int(i == j)) for j in range(n)) for i in range(n))


def _columns(basis: Sequence[Vector]) -> RationalArray:
    return matrix(list(zip(*basis, strict=True)), len(basis))


def carried(network: Network, columns: RationalArray) -> RationalArray:
    """Vectors of the input space, carried to that of the sphere: through what stands in front of
    the norm, and its projection.

    No bias stands in front of a norm there, so this is linear; without a norm the vectors stay as
    they are.
    """
    for block in network.blocks if network.has_norm else ():
        if block.norm is not None:
            return block.norm.project(columns)
        inner = columns
        for layer in block.layers:
            inner = layer.as_affine.operator.apply(inner)
        columns = columns + inner if block.residual else inner
    return columns


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
    except (
        np.linalg.LinAlgError
    ):  # too close to singular for floats: slower filters, the same answer
        return basis
    shares = matrix([[rational(float(np.float32(x))) for x in row] for row in lower], len(basis))
    return (
        tuple(map(tuple, rows_of(shares * matrix(basis, len(basis[0])))))
        if shares.det() != 0
        else basis
    )
