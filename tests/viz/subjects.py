"""Small partitions to draw: real ones, made by `exact`, the same in every run."""

from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np

from exact import Block, Box, Ellipse, GreatCircle, Network, Plane, RealSpace, Sphere, partition
from exact.regions.arcs.partition import CurvePartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from exact.sources import tensors


def mlp(*widths: int, seed: int = 0) -> Network:
    """A random network on a coarse grid of weights, so that exact arithmetic is fast."""
    rng = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (rng.integers(-16, 17, (b, a)) / 8, rng.integers(-8, 9, b) / 16)
            for a, b in pairwise(widths)
        ]
    )


def block(
    neurons: int, outputs: int = 2, dim: int = 3, norm: str = "layernorm", shift: float = 0.0
) -> Network:
    """One block behind a norm; with `shift` 0 every hyperplane passes near the centre and crosses
    the circle twice.
    """
    rng = np.random.default_rng(neurons)
    weight, bias = rng.integers(-64, 65, (neurons, dim)) / 16, shift * rng.normal(size=neurons)
    gain, offset = 1 + rng.integers(-4, 5, dim) / 16, rng.integers(-4, 5, dim) / 64
    return tensors.block(
        weight,
        bias,
        rng.integers(-8, 9, (outputs, neurons)) / 8,
        np.zeros(outputs),
        norm=norm,
        gain=gain,
        bias=offset,
    )


@cache
def square() -> FlatPartition:
    return partition(mlp(2, 5, 4, 1, seed=2), Box(-1, 1, dim=2))


@cache
def everywhere() -> FlatPartition:
    return partition(mlp(2, 6, 3), RealSpace(2))


@cache
def slanted() -> FlatPartition:
    return partition(mlp(3, 6, 2), Plane([0, 0, 0], [1, 1, 0], [0, 1, 2], s=(-1, 1), t=(-1, 1)))


@cache
def five_arcs() -> CurvePartition:
    """Three chords through five rational points of the circle of radius 5; two of them share an
    end.
    """
    points = {"a": (3, 4), "b": (-3, 4), "c": (5, 0), "d": (-5, 0), "e": (0, -5)}
    chords = [(points[p], points[q]) for p, q in ("ab", "bc", "de")]
    rows = [[p[1] - q[1], q[0] - p[0], p[0] * q[1] - q[0] * p[1]] for p, q in chords]
    network = tensors.mlp(
        [([r[:2] for r in rows], [r[2] for r in rows]), ([[1, 1, 1], [1, 0, -1]], [0, 0])]
    )
    return partition(network, Sphere(radius_squared=25))


@cache
def sixty_arcs() -> CurvePartition:
    return partition(block(30), Sphere())


@cache
def arcs(neurons: int = 6, outputs: int = 2) -> CurvePartition:
    """LayerNorm's circle; some hyperplanes miss it."""
    return partition(block(neurons, outputs, shift=3.0), Sphere())


@cache
def geodesic() -> CurvePartition:
    rng = np.random.default_rng(5)
    return partition(
        block(40, 5, dim=16), GreatCircle(rng.integers(-8, 9, 16), rng.integers(-8, 9, 16))
    )


@cache
def ellipse(behind: bool = False) -> CurvePartition:
    """The ellipse through three inputs, by a network without norm or behind one."""
    rng = np.random.default_rng(2)
    network = block(8, 2, dim=3) if behind else mlp(3, 6, 2)
    return partition(network, Ellipse.through(*rng.integers(-3, 4, (3, 3))))


def planes_on_unit_sphere(*rows: list[int], radius_squared: object = 1) -> SpherePartition:
    """The 2-sphere cut by planes (normal, then offset)."""
    network = tensors.mlp(
        [([row[:3] for row in rows], [row[3] for row in rows]), ([[1] * len(rows)], [0])]
    )
    return partition(network, Sphere(radius_squared=radius_squared))


@cache
def caps() -> SpherePartition:
    """Six caps that do not meet, and the sphere with six holes between them."""
    rows = ([s * int(i == j) for j in range(3)] + [-1] for i in range(3) for s in (1, -1))
    return planes_on_unit_sphere(*rows, radius_squared=Fraction(3, 2))


@cache
def bands() -> SpherePartition:
    """A cap, an annulus, a cap."""
    return planes_on_unit_sphere([0, 0, 2, -1], [0, 0, 2, 1])


@cache
def octants() -> SpherePartition:
    return planes_on_unit_sphere([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0])


@cache
def uncut() -> SpherePartition:
    return planes_on_unit_sphere([1, 0, 0, 9])


@cache
def normed(neurons: int = 7) -> SpherePartition:
    """LayerNorm's 2-sphere of R^4."""
    return partition(block(neurons, dim=4, shift=1.5), Sphere())


@cache
def deep_sphere() -> SpherePartition:
    """LayerNorm in R^4 before two hidden layers."""
    first = block(4, dim=4, shift=1.0).blocks[0]
    return partition(
        Network((Block((first.layers[0], *mlp(4, 3, 2, seed=1).blocks[0].layers), first.norm),)),
        Sphere(),
    )
