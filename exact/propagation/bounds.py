"""Bounds on numbers of regions before any work starts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, inf, log

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.linear_algebra import Vector, apply, matrix, solve
from exact.arithmetic.numbers import Rational, RationalArray
from exact.geometry.arrangements.arrangement import arrangement
from exact.geometry.domains.base import FlatDomain
from exact.geometry.domains.ellipsoids import Quadric, centre, inside_wall, quadric_of, value
from exact.geometry.domains.flat import Ball
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous, is_inside
from exact.geometry.polyhedra.programmes.lp import Interior, strict_feasibility
from exact.networks.network import Network
from exact.propagation.cursor import first_layer


def arrangement_bound(hyperplanes: int, dim: int) -> int:
    """The most cells that so many hyperplanes cut R^dim into: sum over i <= dim of C(m, i)
    (Schlaefli).

    >>> arrangement_bound(64, 4)
    679121
    """
    return sum(comb(hyperplanes, i) for i in range(dim + 1))


@in_ieee_floats
def region_bound(network: Network, dim: int) -> int:
    """An upper bound on the activation regions of a network without norm on a d-dimensional domain.

    The product over hidden layers of the arrangement bound in min(d, the layer's input width)
    dimensions (Raghu et al. 2017, Montufar 2017). Loose for deep networks.
    """
    bound, rank = 1, dim
    for layer in network.hidden_layers:
        rank = min(rank, layer.input_dim)
        bound *= arrangement_bound(layer.bits, rank)
    return bound


@in_ieee_floats
def arc_bound(network: Network) -> int:
    """An upper bound on the cells of a one-dimensional domain: every hinge has at most two zeros in
    each earlier cell.
    """
    bound = 1
    for layer in network.hidden_layers:
        bound *= 2 * layer.bits + 2
    return bound


@in_ieee_floats
def sphere_bound(network: Network, dim: int) -> int:
    """An upper bound on the spline codes on a sphere of dimension `dim` >= 1: a product over hidden
    layers.

    `m` planes leave at most `2 sum over i <= dim of C(m - 1, i)` cells of a sphere; on every code
    of the layers before, the next layer is again an arrangement of planes. For one hidden layer it
    bounds the connected cells too.

    >>> from exact.sources import tensors
    >>> sphere_bound(tensors.mlp([([[1, 0, 0]] * 5, [1] * 5), ([[1] * 5], [0])]), 2)
    22
    """
    bound = 1
    for layer in network.hidden_layers:
        bound *= 2 * arrangement_bound(layer.bits - 1, dim)
    return bound


def least_regions(network: Network, domain: FlatDomain, *, enough: float = inf) -> int:
    """A number of regions that a network without norm has at least in a flat domain, by the flats
    of its first hidden layer.

    The regions of hyperplanes in an open convex domain are the sum of |mu(F)| over the flats F that
    meet it (Zaslavsky 1975), and |mu(F)| is 1 for a flat in which i independent hyperplanes meet
    and no other lies; deeper layers only refine. Such flats are sought at the point of each that is
    nearest to an inner point of the domain, in rationals. Where there are more than 64 sets of i
    hyperplanes, a sample of them stands for all, less a margin by which it errs once in 10^4 times
    (Hoeffding 1963), for the three i with the most sets alone; of more than 256 hyperplanes a
    sample is counted. Stops once more than `enough` are found. Cost: up to some hundred small
    systems of equations.

    >>> from exact import Box, RealSpace
    >>> from exact.sources import tensors
    >>> cross = tensors.mlp([([[1, 0], [0, 1], [1, 1]], [0, 0, 9]), ([[1, 1, 1]], [0])])
    >>> least_regions(cross, RealSpace(2)), least_regions(cross, Box(-1, 1, dim=2))
    (7, 4)
    """
    flat = domain.flat()
    body = _Body(
        tuple(flat.walls), quadric_of(domain) if isinstance(domain, Ball) else None, flat.dim
    )
    inside = body.inner_point()
    planes = arrangement(first_layer(network, flat), flat.walls, flat.dim).planes
    if inside is None:
        return 0
    chosen = random.Random(0)
    kept = chosen.sample(planes, _MOST_PLANES) if len(planes) > _MOST_PLANES else planes
    rows = matrix([[Rational(x) for x in h.coefficients] for h in kept], flat.dim + 1)
    flats = _Flats(rows, _off_centre(body, affine(inside)), body)
    sizes = sorted(
        range(1, min(flat.dim, len(kept), _DEEPEST) + 1), key=lambda size: -comb(len(kept), size)
    )
    found = 1
    for place, size in enumerate(sizes):
        if found <= enough and (place < _LEVELS or comb(len(kept), size) <= _SAMPLE):
            found += _simple_flats(flats, size, chosen)
    return found


_MOST_PLANES, _DEEPEST, _LEVELS = 256, 16, 3


# in more than _WIDE dimensions, where a system of equations takes long, fewer
_SAMPLE, _SAMPLE_WIDE, _WIDE = (64, 24, 64)


def _off_centre(body: _Body, inside: Vector) -> Vector:
    """A point of an open domain next to a given one: hyperplanes often meet in its centre, and
    seldom there.
    """
    for shift in (Rational(1, 8), Rational(1, 2**20), Rational(1, 2**60)):
        moved = [x + shift / (j + 2) for j, x in enumerate(inside)]
        if body.contains(homogeneous(moved)):
            return moved
    return inside


def _simple_flats(flats: _Flats, size: int, chosen: random.Random) -> int:
    """How many sets of `size` hyperplanes meet in a simple flat that meets the domain; at least,
    where they are too many.
    """
    count = len(flats)
    if (total := comb(count, size)) <= _SAMPLE:
        return sum(flats.is_simple(tight) for tight in combinations(range(count), size))
    tries = _SAMPLE if flats.body.dim <= _WIDE else _SAMPLE_WIDE
    hits = sum(flats.is_simple(chosen.sample(range(count), size)) for _ in range(tries))
    margin = (log(10**4) / (2 * tries)) ** 0.5
    return int(total * max(0.0, hits / tries - margin))


@dataclass(frozen=True)
class _Flats:
    """Hyperplanes as rows (normal, offset), a point of the open domain, and the domain."""

    rows: RationalArray
    inside: list[Rational]
    body: _Body

    def __len__(self) -> int:
        return int(self.rows.nrows())

    def is_simple(self, tight: Sequence[int]) -> bool:
        """Whether these hyperplanes are independent, no other one holds their flat, and its nearest
        point is in the domain.
        """
        width = int(self.rows.ncols()) - 1
        normals = matrix([[self.rows[k, j] for j in range(width)] for k in tight], width)
        values = [
            x + self.rows[k, width] for x, k in zip(apply(normals, self.inside), tight, strict=True)
        ]
        weights = solve(normals * normals.transpose(), values)
        if weights is None:
            return False
        point = [
            x - y for x, y in zip(self.inside, apply(normals.transpose(), weights), strict=True)
        ]
        others = apply(self.rows, [*point, Rational(1)])
        return sum(x == 0 for x in others) == len(tight) and self.body.contains(homogeneous(point))


@dataclass(frozen=True)
class _Body:
    """An open convex set in the coordinates of a flat: walls, or a quadric, or neither."""

    walls: tuple[Halfspace, ...]
    quadric: Quadric | None
    dim: int

    def is_open(self) -> bool:
        """Whether it has a point."""
        return self.inner_point() is not None

    def inner_point(self) -> Point | None:
        """A point of it."""
        if self.quadric is not None:
            return centre(self.quadric)
        found = strict_feasibility(self.walls, self.dim)
        return found.point if isinstance(found, Interior) else None

    def contains(self, point: Point) -> bool:
        """Whether a point lies in it."""
        return (
            is_inside(self.walls, point) if self.quadric is None else value(self.quadric, point) < 0
        )

    def within(self, wall: Halfspace) -> _Body:
        """Its part in the hyperplane of `wall`."""
        quadric = None if self.quadric is None else inside_wall(self.quadric, wall)
        return _Body(tuple(other.restrict(wall) for other in self.walls), quadric, self.dim - 1)
