"""Upper bounds on numbers of regions before any work starts, and exact counts that need no
enumeration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.late import networkx as nx
from exact.arithmetic.linear_algebra import (
    Vector,
    apply,
    dot,
    identity,
    matrix,
    rank,
    rows_of,
    solve,
)
from exact.arithmetic.numbers import Rational, RationalArray, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, Unsupported, certain
from exact.geometry.arrangements.arrangement import arrangement
from exact.geometry.domains.base import FlatDomain
from exact.geometry.domains.ellipsoids import quadric_of
from exact.geometry.domains.flat import Ball
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network
from exact.propagation.bounds import _Body
from exact.propagation.cursor import begin, first_layer, layer_halfspaces


@short_repr
@dataclass(frozen=True)
class SphereCount:
    """A simple arrangement of small circles on S^2: `cells = 1 + components + crossings` (Euler's
    relation).
    """

    circles: int
    crossings: int
    components: int
    cells: int


@in_ieee_floats
def sphere_cell_count(network: Network, radius_squared: object = None) -> SphereCount:
    """Count the cells (connected components) of a one-hidden-layer network on a 2-sphere, without
    listing them.

    LayerNorm in R^4 and RMSNorm in R^3 leave a 2-sphere; without a norm in R^3, `radius_squared`
    gives one. Every hinge whose plane meets the sphere in a circle counts; the circles that meet do
    so in two points each. Exact: all tests are on rationals. Raises Unsupported when the
    arrangement is not simple (circles that touch, coincide, or three through a point), when hidden
    layers follow, or the sphere has another dimension. Cost: m^3 small solves for m circles.
    """
    require_network(network)
    planes, gram, square = _sphere_planes(network, radius_squared)
    inverse = gram.inv()
    circles = [plane for plane in planes if _distance_squared([plane], inverse) < square]
    if any(_distance_squared([plane], inverse) == square for plane in planes):
        raise _not_simple("a plane touches the sphere")
    pairs = [
        (i, j)
        for i, j in combinations(range(len(circles)), 2)
        if _meet(circles[i], circles[j], inverse, square)
    ]
    _refuse_triple_points(circles, pairs, gram, square)
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(circles)))
    graph.add_edges_from(pairs)
    components, crossings = int(nx.number_connected_components(graph)), 2 * len(pairs)
    return SphereCount(
        len(circles), crossings, components, 1 + components + crossings if circles else 1
    )


Plane = tuple[Vector, Rational]


def _sphere_planes(
    network: Network, radius_squared: object
) -> tuple[list[Plane], RationalArray, Rational]:
    """The distinct hinge planes `a . s + c = 0` in a rational basis of the sphere's space, its Gram
    matrix, radius^2.
    """
    norm = network.blocks[0].norm
    if len(network.hidden_layers) != 1 or (norm is None and network.has_norm):
        raise Unsupported(
            "cells are counted for one hidden layer behind the norm",
            value=network.widths,
            remedy="take a network with one hidden layer",
        )
    if (norm is None) != (radius_squared is not None):
        raise InvalidInput(
            "a sphere needs a norm or a radius, not both",
            value=radius_squared,
            remedy="give radius_squared= exactly when the network has no norm",
        )
    n = network.input_dim
    basis = norm.sphere_basis() if norm is not None else rows_of(identity(n))
    if len(basis) != 3:
        raise Unsupported(
            "the sphere is not two-dimensional",
            value=f"dimension {len(basis) - 1}",
            remedy="use LayerNorm in R^4, RMSNorm in R^3, or a radius in R^3",
        )
    body = network.folded() if norm is not None else network
    frame = matrix(basis, n)
    cursor = begin(body, _frame_state(frame), [Rational(0)] * 3 + [Rational(1)])
    assert cursor is not None
    halfspaces = layer_halfspaces(cursor, cursor.current.pre_activations(cursor.inner, cursor.one))
    square = Rational(n) if norm is not None else rational(radius_squared, "radius_squared")
    return _distinct_planes(halfspaces), frame * frame.transpose(), square


def _frame_state(frame: RationalArray) -> RationalArray:
    """Points `sum_k s_k frame[k]` as coefficients over (s_1, ..., s_d, 1)."""
    columns = rows_of(frame.transpose())
    return RationalArray(
        len(columns), frame.nrows() + 1, [x for row in columns for x in (*row, Rational(0))]
    )


def _distinct_planes(halfspaces: Sequence[Halfspace]) -> list[Plane]:
    kept: dict[Halfspace, None] = {}
    for halfspace in halfspaces:
        if not halfspace.is_constant and halfspace.opposite not in kept:
            kept.setdefault(halfspace)
    return [([Rational(x) for x in h.normal], Rational(h.offset)) for h in kept]


def _distance_squared(planes: Sequence[Plane], inverse: RationalArray) -> Rational:
    """The squared distance from the centre to the flat where independent planes meet."""
    normals, offsets = matrix([a for a, _ in planes], 3), [c for _, c in planes]
    solution = solve(normals * inverse * normals.transpose(), offsets)
    solution = certain(solution, "the planes are independent")
    return dot(offsets, solution)


def _meet(first: Plane, second: Plane, inverse: RationalArray, square: Rational) -> bool:
    """Whether two circles cross in two points; Unsupported when they touch."""
    if rank([first[0], second[0]]) < 2:
        return False
    distance = _distance_squared([first, second], inverse)
    if distance == square:
        raise _not_simple("two circles touch")
    return distance < square


def _refuse_triple_points(
    circles: Sequence[Plane],
    pairs: Sequence[tuple[int, int]],
    gram: RationalArray,
    square: Rational,
) -> None:
    crossing = set(pairs)
    for i, j in pairs:
        for k in range(j + 1, len(circles)):
            if (
                (i, k) in crossing
                and (j, k) in crossing
                and _share_a_point([circles[x] for x in (i, j, k)], gram, square)
            ):
                raise _not_simple("three circles meet in a point")


def _share_a_point(planes: Sequence[Plane], gram: RationalArray, square: Rational) -> bool:
    normals = matrix([a for a, _ in planes], 3)
    point = solve(normals, [-c for _, c in planes])
    if point is not None:
        return dot(point, apply(gram, point)) == square
    # a pencil of planes through one line that meets the sphere
    return rank([[*a, c] for a, c in planes]) == 2


def _not_simple(what: str) -> Unsupported:
    return Unsupported(
        "the circles are not in simple position, so Euler's count by pairs does not hold",
        value=what,
        remedy="perturb the network, or enumerate arcs on great circles instead",
    )


@in_ieee_floats
def region_count(network: Network, domain: FlatDomain) -> int:
    """The exact number of regions of a network with one hidden layer in a flat domain, none of them
    listed.

    Deletion and restriction: `cells(H_1 .. H_k) = cells(H_1 .. H_k-1) + cells of H_1 .. H_k-1 on
    H_k`, on every flat once: a flat is the set of hyperplanes that contain it, and what was counted
    on it is kept. Domains: RealSpace, Box, HPolytope, Plane, Segment, Ray, Line, Ball; a flat
    counts when it meets the open domain (one exact LP, or one distance). Raises Unsupported for
    several hidden layers or a norm. Cost: the number of flats times the hyperplanes; one per line
    at the end. Source: Zaslavsky 1975; for convex domains the same recursion.

    >>> from exact import RealSpace
    >>> from exact.sources import tensors
    >>> lines = tensors.mlp([([[1, 0], [0, 1], [1, 1]], [0, 0, 0]), ([[1, 1, 1]], [0])])
    >>> region_count(lines, RealSpace(2))
    6
    """
    require_network(network)
    if not isinstance(domain, FlatDomain):
        raise Unsupported(
            "regions are counted in flat domains",
            value=domain,
            remedy="partition the network on it: len(partition(network, domain))",
        )
    domain.check(network.input_dim)
    if network.has_norm or len(network.hidden_layers) > 1:
        raise Unsupported(
            "regions are counted for one hidden layer without a norm",
            value=network.widths,
            remedy="take a network with one hidden layer, or partition it",
        )
    flat = domain.flat()
    given = arrangement(first_layer(network, flat), flat.walls, flat.dim)
    body = _Body(
        tuple(flat.walls), quadric_of(domain) if isinstance(domain, Ball) else None, flat.dim
    )
    if body.is_open():
        return _Counter(len(given.planes)).cells(_Section(given.planes, body), len(given.planes))
    return 0


@dataclass(frozen=True)
class _Section:
    """The hyperplanes and the domain restricted to a flat."""

    planes: tuple[Halfspace, ...]
    body: _Body

    def within(self, wall: Halfspace) -> _Section:
        """Both inside the hyperplane of `wall`."""
        return _Section(
            tuple(plane.restrict(wall) for plane in self.planes), self.body.within(wall)
        )

    @cached_property
    def containing(self) -> frozenset[int]:
        """The hyperplanes that contain the flat, which name it."""
        return frozenset(k for k, plane in enumerate(self.planes) if not any(plane.coefficients))


@dataclass
class _Counter:
    """Counts on flats met before, by name and number of hyperplanes; flats that miss the domain."""

    planes: int
    known: dict[tuple[frozenset[int], int], int] = field(default_factory=dict)
    sections: dict[frozenset[int], _Section | None] = field(default_factory=dict)

    def cells(self, section: _Section, first: int) -> int:
        """The cells of the first hyperplanes on a flat that meets the domain."""
        key = (section.containing, first)
        if key not in self.known:
            self.known[key] = 1 + sum(self.cells(part, k) for k, part in self._cuts(section, first))
        return self.known[key]

    def _cuts(self, section: _Section, first: int) -> Iterator[tuple[int, _Section]]:
        """The flats that the first hyperplanes cut out of this one inside the domain, each for the
        first that does.
        """
        seen = set[Halfspace]()
        for k in range(first):
            plane = section.planes[k]
            if plane.is_constant or plane in seen or plane.opposite in seen:
                continue
            seen.add(plane)
            part = self._open_section(section.within(plane))
            if part is not None:
                yield k, part

    def _open_section(self, section: _Section) -> _Section | None:
        """The section of the same flat made first, so that the domain is asked once; None when they
        do not meet.
        """
        name = section.containing
        if name not in self.sections:
            self.sections[name] = section if section.body.is_open() else None
        return self.sections[name]
