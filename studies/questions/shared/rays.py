"""Rays from the origin: where a direction changes its spline code, exactly, and how far out the
last change is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from exact import Layer, Network, RationalMatrix, Ray, partition
from exact.arithmetic.numbers import FloatArray, rational
from exact.regions.arcs.partition import CurvePartition

Vector = tuple[object, ...]


@dataclass(frozen=True)
class RayChanges:
    """What happens along `t u`, t > 0: the number of regions, and the last parameter t at which the
    code changes, if any.
    """

    regions: int
    last_float: float

    @property
    def crossed(self) -> bool:
        """Whether the direction meets a boundary: it is not monosemantic (mathematics.md, "Critical
        radii").
        """
        return self.regions > 1


def changes_along(network: Network, direction: Sequence[object]) -> RayChanges:
    """The changes along the ray of a rational direction, by exact partition; remembered between
    questions.
    """
    return _changes_along(network, tuple(direction))


@lru_cache(maxsize=20_000)
def _changes_along(network: Network, direction: Vector) -> RayChanges:
    ray = partition(network, Ray(0, direction)).seen_as(CurvePartition)
    return RayChanges(len(ray), ray.regions[-1].parameters_float[0])


def has_the_code_of_its_direction(network: Network, x: Sequence[object]) -> bool:
    """Whether the spline code at x is that of the direction of x at eps = 0, exactly."""
    return network.code(x) == with_eps(network, 0).code(x)


@lru_cache(maxsize=64)
def with_eps(network: Network, eps: object) -> Network:
    """The same network with another eps in every norm; without a norm, the network itself."""
    return Network(
        tuple(
            b if b.norm is None else replace(b, norm=replace(b.norm, eps=rational(eps, "eps")))
            for b in network.blocks
        )
    )


def without_biases(network: Network) -> Network:
    """The network in the limit of large inputs: every bias zero."""
    return Network(
        tuple(replace(b, layers=tuple(map(_without_bias, b.layers))) for b in network.blocks)
    )


def _without_bias(layer: Layer) -> Layer:
    return replace(layer, bias=RationalMatrix.from_floats(np.zeros(layer.width)))


def random_directions(dim: int, count: int, seed: int) -> list[tuple[int, ...]]:
    """Directions with integer coordinates, uniform on the sphere up to a rounding to thousandths of
    a Gaussian.
    """
    drawn = np.random.default_rng(seed).standard_normal((count, dim))
    return [tuple(int(x) or 1 for x in row) for row in np.rint(1000 * drawn)]


def centred(network: Network, x: Sequence[float] | FloatArray) -> FloatArray:
    """P x for the norm in front of the network, x without one (float64)."""
    vector, norm = np.asarray(x, dtype=np.float64), network.blocks[0].norm
    return vector if norm is None else norm.project_float(vector[None])[0]


def affordable(network: Network, wanted: int) -> int:
    """How many rays or codes to spend on a network: `wanted` for small ones, fewer where one costs
    a second (at least 24).
    """
    cost = max(1, network.hinge_count * network.input_dim // 20_000)
    return min(wanted, max(24, wanted // cost))
