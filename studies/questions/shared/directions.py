"""Directions that meet a boundary: for one hidden layer their share of all directions, from exact
cells.

A hinge z = w . x + b flips along the ray t u, t > 0, iff it has one sign at the origin and another
far out. Without a norm that is sign b against sign w . u; behind a norm with eps > 0 the sign at
its centre against that at the point of the sphere where the ray ends. A hinge that vanishes at the
origin flips nowhere. So the directions that meet no boundary are those of some cells of a sphere:
of the norm's, or of the layer without biases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import sympy

from exact import Network, Partition, ReLU, Sphere, partition
from exact.arithmetic.enclosures.intervals import Interval
from exact.instruments.critical_radii import flip_caps
from exact.regions.arcs.partition import CurvePartition
from exact.regions.spheres.partition import SpherePartition
from studies.questions.shared.rays import changes_along, without_biases


@dataclass(frozen=True)
class Directions:
    """The cells of the sphere of directions, and how many of them are crossed on the way from the
    origin.

    `share` of all directions is in crossed cells: an exact expression on a circle, an enclosure on
    a 2-sphere. `mean_float` is the mean number of crossings of a ray, over all directions.
    """

    cells: int
    crossed: int
    share: sympy.Expr | Interval
    mean_float: float

    @property
    def share_float(self) -> float:
        """The share in float64."""
        return float(self.share)


def is_exact(network: Network) -> bool:
    """Whether the share is known exactly: one hidden layer in front, a circle or a 2-sphere of
    directions.
    """
    first = network.blocks[0]
    if len(network.hidden_layers) != 1 or first.layers[0] is not network.hidden_layers[0]:
        return False
    return _dimension(network) in (1, 2)


def _dimension(network: Network) -> int:
    """Of the sphere of directions that the first layer sees."""
    norm = network.blocks[0].norm
    return network.input_dim - 1 if norm is None else norm.sphere_dim


def directions(network: Network) -> Directions:
    """The directions that meet a boundary; without a norm, or behind one with eps > 0."""
    found, sides = far_out(network), _sides(network)
    places = [place for place, _ in sides]
    near = np.array([side for _, side in sides], dtype=bool)
    quiet = [i for i, cell in enumerate(found.regions) if (cell.code.bits[places] == near).all()]
    mean = len(sides) / 2
    if network.has_norm:
        mean = sum(cap.share_float for cap in flip_caps(network))
    crossed = len(found) - len(quiet)
    return Directions(len(found), crossed, _share_of_others(network, found, quiet), mean)


@lru_cache(maxsize=16)
def far_out(network: Network) -> Partition:
    """The sphere of directions, cut by the hinges as they are far from the origin; without a norm
    a bit stands for a neuron.
    """
    if network.has_norm:
        return partition(network, Sphere())
    first, *rest = without_biases(network).blocks
    head = replace(first.layers[0], activation=ReLU())
    bare = Network((replace(first, layers=(head, *first.layers[1:])), *rest))
    return partition(bare, Sphere(radius_squared=1))


def crossed_witnesses(network: Network) -> tuple[int, int]:
    """How many cells of the sphere of directions have a witness whose ray is crossed, by exact
    rays, and how many cells there are.
    """
    found = far_out(network)
    return sum(changes_along(network, cell.witness).crossed for cell in found.regions), len(found)


def _sides(network: Network) -> list[tuple[int, bool]]:
    """The bit far out of each hinge that can flip, and its side at the origin."""
    layer = (network.folded() if network.has_norm else network).hidden_layers[0]
    offsets, breakpoints = layer.bias.column(), layer.activation.breakpoints
    found = []
    for bit, hinge in enumerate(network.hinges):
        above = offsets[hinge.neuron] - breakpoints[hinge.breakpoint]
        if above != 0 and any(layer.operator.row(hinge.neuron)):
            found.append((bit if network.has_norm else hinge.neuron, bool(above > 0)))
    return found


def _share_of_others(
    network: Network, found: Partition, chosen: list[int]
) -> sympy.Expr | Interval:
    """The share of all cells but some."""
    if len(chosen) in (0, len(found)):
        return sympy.Integer(not chosen)
    if _dimension(network) == 1:
        arcs, norm = found.seen_as(CurvePartition), network.blocks[0].norm
        whole = 2 * sympy.pi * sympy.sqrt(1 if norm is None else norm.dim)
        return 1 - sympy.expand(sympy.Add(*(arcs.regions[i].length for i in chosen)) / whole)
    sphere = found.seen_as(SpherePartition)
    parts = [sphere.regions[i].area for i in chosen]
    low = sum(part.lower for part in parts) / sphere.area.upper
    high = sum(part.upper for part in parts) / sphere.area.lower
    return Interval(1 - high, 1 - low)
