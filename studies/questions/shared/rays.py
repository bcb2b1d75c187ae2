"""Rays from the origin: where a direction changes its spline code, exactly, and how far out the
last change is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from exact import Block, Layer, Network, Norm, RationalMatrix, Ray, partition
from exact.arithmetic.linear_algebra import rank
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, rational
from exact.networks.norms import EpsRule
from exact.regions.arcs.partition import CurvePartition
from studies.statistics import Degenerate

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


@lru_cache(maxsize=64)
def with_eps(network: Network, eps: object) -> Network:
    """The same network with another eps in every norm; without a norm, the network itself."""
    return Network(
        tuple(
            b if b.norm is None else replace(b, norm=replace(b.norm, eps=rational(eps, "eps")))
            for b in network.blocks
        )
    )


@lru_cache(maxsize=64)
def with_rule(network: Network, rule: EpsRule) -> Network:
    """The same network with eps under the root ("var") or beside it ("std") in every norm."""
    return Network(
        tuple(
            b if b.norm is None else replace(b, norm=replace(b.norm, eps_rule=rule))
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


Pair = tuple[Vector, Vector]


def directed(network: Network, rows: Sequence[Sequence[object]]) -> list[Vector]:
    """Vectors as they are. Raises Degenerate where there is none, and for those that the norm in
    front takes to zero (exactly), as a dead embedding leaves them: they have no direction.
    """
    found = [tuple(row) for row in rows]
    lost = sum(not any(_centred_exactly(network, row)) for row in found)
    if lost or not found:
        raise Degenerate(
            "vectors without a direction" if found else "no vectors",
            value=f"{lost} of {len(found)}",
            remedy="take a longer text, or a network whose embedding lives",
        )
    return found


def spanning(network: Network, rows: Sequence[Sequence[object]]) -> list[Pair]:
    """Every two rows as a pair. Raises Degenerate where there is none, and for pairs of one
    direction (exactly), between which there is no way.
    """
    found = list(zip(*(map(tuple, rows[k : len(rows) // 2 * 2 : 2]) for k in (0, 1)), strict=True))
    lost = sum(rank([_centred_exactly(network, row) for row in pair]) < 2 for pair in found)
    if lost or not found:
        raise Degenerate(
            "pairs of vectors of one direction" if found else "no pairs of vectors",
            value=f"{lost} of {len(found)}",
            remedy="take a longer text, or a network whose embedding lives",
        )
    return found


def must_live(network: Network) -> None:
    """Raises Degenerate for a network whose first layer with a bend has the same bits everywhere
    (exactly): no neuron of it depends on the direction, or behind a norm none has its boundary
    within the norm's ball. What is found of such a network is empty.
    """
    block = network.blocks[0]
    layer = _first_bend(block)
    if not any(_flips(layer, neuron, block.norm) for neuron in range(layer.width)):
        raise Degenerate(
            "the net is dead: no neuron of its first layer ever changes",
            value=f"{layer.width} neurons",
            remedy="take a network that trained",
        )


def _first_bend(block: Block) -> Layer:
    """The first layer of a block that bends, as a function of what enters the block; without any,
    the first layer.
    """
    first, *rest = block.layers
    weight, bias = first.weight, first.bias
    for layer in rest:
        if first.bits or not any(one.bits for one in block.layers):
            break
        weight, bias = (
            RationalMatrix.from_backend(layer.weight.exact * one.exact) for one in (weight, bias)
        )
        bias = RationalMatrix.from_backend(bias.exact + layer.bias.exact)
        first = Layer(weight, bias, layer.activation)
    return first


def _flips(layer: Layer, neuron: int, norm: Norm | None) -> bool:
    """Whether a neuron is on at some inputs and off at others; of a layer without bends, whether it
    is not constant.
    """
    row = layer.operator.row(neuron)
    if norm is None:
        return any(row)
    weights = RationalArray(
        len(row), 1, [a * b for a, b in zip(row, norm.gain.column(), strict=True)]
    )
    square = sum(x * x for x in norm.project(weights).entries())
    if not square or not layer.bits:
        return bool(square)
    offset = layer.bias.column()[neuron]
    offset += sum(a * b for a, b in zip(row, norm.bias.column(), strict=True))
    heights = (offset - bend for bend in layer.activation.breakpoints)
    return any(height * height < norm.dim * square for height in heights)


def _centred_exactly(network: Network, row: Vector) -> list[Rational]:
    """P x for the norm in front of the network, x without one."""
    vector, norm = [rational(x, "x") for x in row], network.blocks[0].norm
    if norm is None:
        return vector
    return list(norm.project(RationalArray(len(vector), 1, vector)).entries())


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
