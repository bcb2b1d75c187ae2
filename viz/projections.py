"""Float bases for drawing: the plane of a circle in two dimensions, the image of a norm, and views
of R^3.

`exact` never leaves the rationals, so its bases are not orthonormal; a picture needs them to be.
This is where the change is made: everything returned here is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exact import Ellipse, InvalidInput, Network, Norm, RationalMatrix
from exact.arithmetic.nearest import nearest_root
from exact.arithmetic.numbers import nearest_floats
from exact.regions.arcs.partition import CurvePartition


def orthonormal(vectors: np.ndarray) -> np.ndarray:
    """Orthonormal rows with the span of the rows of `vectors`, in order: the first keeps its
    direction (Gram-Schmidt).
    """
    q, r = np.linalg.qr(np.asarray(vectors, dtype=np.float64).T)
    return (q * np.where(np.diag(r) < 0, -1.0, 1.0)).T


def image_basis(norm: Norm) -> np.ndarray:
    """Orthonormal rows spanning the image of the norm's P: the plane 1^perp for LayerNorm in R^3,
    R^n for RMSNorm.
    """
    return orthonormal(np.array([nearest_floats(row) for row in norm.sphere_basis()]))


def without_gain_and_bias(norm: Norm) -> Norm:
    """The same norm with gain 1 and bias 0: the step g alone."""
    ones = RationalMatrix.from_floats(np.ones(norm.dim))
    return replace(norm, gain=ones, bias=RationalMatrix.from_floats(np.zeros(norm.dim)))


_LARGE = 1e6  # a radius beyond is not written as a root


@dataclass(frozen=True)
class CirclePlane:
    """The plane of a circle with an orthonormal basis: angles run from the first axis towards the
    second.

    `axes` is (2, n): behind a norm it spans a plane in the image of P; `radius` is that of the
    circle. Of an ellipse it is the plane of (cos t, sin t), where it is the unit circle: `axes` are
    the vectors behind them, and `centre` is its own.
    """

    axes: np.ndarray
    radius: float
    centre: np.ndarray | float = 0.0
    names: tuple[str, str] = ("e₁ (angle 0°)", "e₂ (angle 90°)")

    @classmethod
    def of(cls, partition: CurvePartition) -> CirclePlane:
        """The plane of a partitioned Sphere, GreatCircle or Ellipse; InvalidInput for straight
        lines and pairs of points.
        """
        wrong, remedy = "this figure draws circles", "partition a Sphere, GreatCircle or Ellipse"
        if partition.seen_as(CurvePartition, wrong, remedy).frame.is_straight:
            raise InvalidInput(wrong, value=partition.domain, remedy=remedy)
        if isinstance(partition.domain, Ellipse):
            return cls._of_ellipse(partition.domain)
        norm, state = partition.network.blocks[0].norm, partition.curve.state()
        projected = state if norm is None else norm.project(state)
        pencil = nearest_floats(projected.entries()).reshape(-1, 2).T
        if not pencil[1].any():
            raise InvalidInput(
                "this sphere is a pair of points",
                value=partition.domain,
                remedy="draw networks of more inputs",
            )
        return cls(orthonormal(pencil), nearest_root(partition.frame.radius_squared))

    @classmethod
    def _of_ellipse(cls, domain: Ellipse) -> CirclePlane:
        u, v, centre = (nearest_floats(vector) for vector in (domain.u, domain.v, domain.centre))
        cosine = nearest_floats([domain.cosine])[0]
        across = (v - cosine * u) / nearest_root(1 - domain.cosine * domain.cosine)
        return cls(np.array([u, across]), 1.0, centre, ("cos t", "sin t"))

    @property
    def radius_name(self) -> str:
        """The radius as text: the square root of a whole number stays one."""
        if not self.radius < _LARGE:
            return f"{self.radius:.3g}"
        square = math.floor(self.radius**2 + 0.5)
        if abs(self.radius**2 - square) > 1e-9 or math.isqrt(square) ** 2 == square:
            return f"{self.radius:.3g}"
        return f"√{square}"

    def points(self, angles: Sequence[float] | np.ndarray) -> np.ndarray:
        """Points of the circle in R^n, (k, n)."""
        return self.flat_points(angles) @ self.axes + self.centre

    def seen(self, points: np.ndarray) -> np.ndarray:
        """The coordinates in the plane of points of R^n (k, n), projected on it: (k, 2)."""
        return (np.asarray(points, dtype=np.float64) - self.centre) @ np.linalg.pinv(self.axes)

    def flat_points(self, angles: Sequence[float] | np.ndarray) -> np.ndarray:
        """Points of the circle in the two coordinates of the plane, (k, 2)."""
        angles = np.asarray(angles, dtype=np.float64)
        return self.radius * np.column_stack([np.cos(angles), np.sin(angles)])

    def first_layer(self, network: Network) -> tuple[np.ndarray, np.ndarray]:
        """The hinges of the first layer as functions `normal . q + offset` of plane coordinates q:
        (k, 2) and (k,).

        Each is times a positive number, so that the largest weight of its neuron, whatever its
        size, becomes about one. Gain and bias are folded in; P needs no folding, since the plane
        lies in its image. Empty when the first layer does not bend.
        """
        layer, (gain, bias) = network.blocks[0].layers[0], gain_and_bias(network.blocks[0].norm)
        weight, breakpoints = layer.weight.float64(), nearest_floats(layer.activation.breakpoints)
        powers = -np.frexp(np.abs(weight).max(axis=1, initial=0.0, keepdims=True))[1]
        weight = np.ldexp(weight, powers)
        normals = np.repeat((weight * gain) @ self.axes.T, len(breakpoints), axis=0)
        shifts = (weight @ np.broadcast_to(bias + self.centre, weight.shape[1]))[:, None]
        offsets = np.ldexp(layer.bias.float64() - breakpoints, powers) + shifts
        return normals, offsets.reshape(-1)


def gain_and_bias(norm: Norm | None) -> tuple[np.ndarray, np.ndarray]:
    """Gain and bias of a norm as rows; 1 and 0 where there is none."""
    if norm is None:
        return np.ones(1), np.zeros(1)
    return norm.gain.float64()[:, 0], norm.bias.float64()[:, 0]


def outputs_on_circle(
    partition: CurvePartition, angles: Sequence[float] | np.ndarray
) -> np.ndarray:
    """The network's outputs at points of the circle, (k, outputs); behind a norm at eps = 0, its
    limit far out, but on an ellipse at its points.

    A skip connection around the norm is left out, as in `Network.folded`: it adds the input, not
    its direction. Raises InvalidInput when more blocks read that sum.
    """
    points = CirclePlane.of(partition).points(angles)
    if isinstance(partition.domain, Ellipse):
        return partition.network.forward_float(points)
    return outputs_on_sphere(partition.network, points)


def outputs_on_sphere(network: Network, points: np.ndarray) -> np.ndarray:
    """The outputs, (k, outputs), at points (k, n) of the sphere that a network's domain is: behind
    a norm, of its image.

    As :func:`outputs_on_circle`, of which this is the general case.
    """
    first, *rest = network.blocks
    if first.norm is None:
        return network.forward_float(points)
    if first.residual and rest:
        raise InvalidInput(
            "later blocks depend on more than the direction",
            value=f"{len(rest) + 1} blocks",
            remedy="draw the first block alone: Network((network.blocks[0],))",
        )
    gain, bias = gain_and_bias(first.norm)
    return Network((replace(first, norm=None, residual=False), *rest)).forward_float(
        gain * points + bias
    )


def outputs_on_line(
    partition: CurvePartition, parameters: Sequence[float] | np.ndarray
) -> np.ndarray:
    """The network's outputs at parameters t of a Segment, Ray or Line, (k, outputs); eps of a norm
    included.
    """
    origin, step = line_in_space(partition)
    t = np.asarray(parameters, dtype=np.float64)[:, None]
    return partition.network.forward_float(origin + t * step)


def line_in_space(partition: CurvePartition) -> tuple[np.ndarray, np.ndarray]:
    """The point at t = 0 and the step per unit of t."""
    one, along = partition.curve.one, partition.curve.along
    if one is None or along is None:
        raise InvalidInput(
            "a circle has no parameter t", value=partition.domain, remedy="use outputs_on_circle"
        )
    pencil = nearest_floats(partition.curve.state().entries()).reshape(-1, 2)
    system = np.array([nearest_floats(one), nearest_floats(along)])
    return tuple(pencil @ np.linalg.solve(system, target) for target in ((1.0, 0.0), (0.0, 1.0)))


def view_beside(
    direction: Sequence[float], turn: float = 64.0, elevation: float = 22.0
) -> tuple[float, float]:
    """(elevation, azimuth) in degrees of a view in R^3 that sees `direction` turned by `turn`
    degrees to the side.
    """
    return elevation, math.degrees(math.atan2(direction[1], direction[0])) - turn
