"""Partitions of spheres into spline codes: any dimension from 2 on, any depth behind one norm.

On every code the pre-activations are affine in the coordinates y of the sphere's chart, so a code
is an open convex polytope cut by the sphere `y' gram y = radius_squared`. It may meet the sphere in
several connected cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property, partial

from exact.arithmetic.linear_algebra import apply, dot
from exact.arithmetic.numbers import Rational, fractions
from exact.errors import EngineDefect, InvalidInput, Undecided, shown
from exact.geometry.combinatorics.codes import SplineCode
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.domains.round import GreatSphere, Sphere
from exact.geometry.polyhedra.double_description import shorter
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, sides_of
from exact.propagation.charts import SphereChart
from exact.propagation.cursor import halfspaces_along
from exact.regions.cells import Outcome
from exact.regions.certificate import Json, round_domain
from exact.regions.engine import Problem
from exact.regions.partition import CodedPartition
from exact.regions.region import Facet, Region
from exact.regions.spheres import certificate
from exact.regions.spheres.cells import SphereCodes
from exact.regions.spheres.records import code_cells, code_parts
from exact.regions.storage import Parts, travels

_ZERO, _ONE = Rational(0), Rational(1)
# a pair of the code needs the bits of the gap that its set leaves; more than these no input has
# shown
_HALVINGS = 2048


class CodePartition(CodedPartition):
    """The spline codes on a sphere of dimension k >= 2, in canonical order; code i is number
    `order[i]` of the engine.

    A code owns one connected cell or several: `components(i)` counts them, exactly. Two codes are
    neighbours iff they share a facet on the sphere, a set of dimension k - 1 there; facets are
    counted once per pair of codes.

    >>> from exact import Sphere, partition
    >>> from exact.sources import tensors
    >>> sides = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
    >>> beam = tensors.mlp([(sides, [1, 1, 1, 1]), ([[1, 1, 1, 1]], [0])])
    >>> # |x| < 1, |y| < 1 leaves the sphere at both ends
    >>> found = partition(beam, Sphere(4), engine="sphere_polytopes")
    >>> found.code_count, found.cell_count, found.components(found.locate([0, "1/9", 1]))
    (9, 10, 2)
    """

    cells: SphereCodes
    chart: SphereChart
    domains = (Sphere, GreatSphere)
    read_cells = staticmethod(code_cells)

    def __init__(self, problem: Problem, engine: str, cells: SphereCodes) -> None:
        super().__init__(problem, engine, cells.codes, cells)
        self.chart = cells.chart

    def parts(self, points: bool | None = None) -> Parts:
        return code_parts(self.cells, travels(len(self), points))

    def records(self, maps: bool) -> Iterator[Json]:
        return certificate.records_of_codes(self.network, self)

    def domain_record(self) -> Json:
        return round_domain(self.network, self.domain)

    @cached_property
    def regions(self) -> Sequence[CodeRegion]:
        return OnDemand(partial(CodeRegion, self), len(self))

    @property
    def is_convex(self) -> bool:
        """A code is convex in the chart, but may meet the sphere in several cells."""
        return False

    @cached_property
    def _components(self) -> list[int | None]:
        return [self.components(i) for i in range(len(self))]

    @property
    def cell_count(self) -> int:
        """The number of connected cells of all codes; Undecided when it was left open for some.

        Cost: that of `components` for every code, counted once and kept. It may take longer than
        the codes themselves did.
        """
        missing = sum(parts is None for parts in self._components)
        if missing:
            raise Undecided(
                "the number of cells was not decided for every code",
                value=f"{missing} codes left open",
                remedy="ask for code_count, or for components(i) of a code",
            )
        return sum(parts for parts in self._components if parts is not None)

    def components(self, index: int) -> int | None:
        """The number of connected cells of one code; None where it was not decided.

        Cost: integer products of the vertices of its polytope, some 0.1 ms on S^2 and 0.5 ms on
        S^4. An engine that does not keep polytopes (`sphere_flats`) has to cut it out of a simplex
        first, which takes about three times as long.
        """
        return self.cells.components(self.in_engine(index))

    # ---- neighbours

    @cached_property
    def adjacency(self) -> Adjacency:
        """The codes that share a facet, as compressed sparse rows, with the hinges that flip."""
        return self._reordered(self.cells.pairs())

    # ---- points

    def straddling_of(self, index: int) -> tuple[Point, Point]:
        """Two points (y, 1) of the open polytope of a code, one inside the sphere and one outside:
        it occurs between them.
        """
        return self.cells.witness(self.in_engine(index))

    def halfspaces_of(self, index: int) -> tuple[Halfspace, ...]:
        """`breakpoint exceeded` for every hinge, in the coordinates of the chart, on one code
        (constants included).
        """
        bits = [bool(bit) for bit in self.code_of(index).bits]
        return tuple(halfspaces_along(self.chart.cursor, bits))

    def direction_of(self, x: Sequence[object]) -> tuple[Rational, ...]:
        """The coordinates y of a vector of the sphere's linear space; behind a norm modulo what its
        projection removes.

        Raises InvalidInput for zero, and for vectors outside that space.
        """
        return self.chart.coordinates(x)

    def locate(self, x: Sequence[object]) -> int:
        """The code in the direction of x, whatever its length; InvalidInput where a hinge is zero
        that is not zero all around. :meth:`code` reads x itself (see `Partition.locate`).
        """
        bits = self.chart.bits_at(self.direction_of(x))
        found = None if bits is None else self.index_of(SplineCode.of(bits, *self._layout))
        if bits is None:
            raise InvalidInput(
                "the point lies on a boundary", value=shown(x), remedy="move it off the boundary"
            )
        if found is None:
            complete = self.outcome is Outcome.COMPLETE
            raise InvalidInput(
                "the point lies in no code found",
                value=shown(x),
                remedy="please report the network" if complete else "raise the budget",
            )
        return found


class CodeRegion(Region):
    """One code on a sphere: an open convex polytope of the chart, cut by the sphere."""

    _owner: CodePartition

    @property
    def straddling(self) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
        """Rational coordinates y of two points of the open polytope, inside and outside the sphere
        (the certificate).
        """
        near, far = self._owner.straddling_of(self.index)
        return fractions(affine(near)), fractions(affine(far))

    @property
    def components(self) -> int | None:
        """The number of connected cells, None where it was not decided."""
        return self._owner.components(self.index)

    @cached_property
    def coordinates(self) -> tuple[Rational, ...]:
        """Rational coordinates y whose direction lies in the code's open set: found by halving the
        straddling pair.

        EngineDefect when the pair is not one of this code, so that no halving comes to it.
        """
        owner = self._owner
        wanted = [bool(bit) for bit in self.code.bits]
        near, far = (affine(point) for point in owner.straddling_of(self.index))
        for _ in range(_HALVINGS):
            middle = [(a + b) / 2 for a, b in zip(near, far, strict=True)]
            found = shorter(middle, lambda y: any(y) and owner.chart.bits_at(y) == wanted)
            if found is not None:
                return tuple(found)
            inside = dot(middle, apply(owner.chart.gram, middle)) < owner.chart.radius_squared
            near, far = (middle, far) if inside else (near, middle)
        raise EngineDefect(
            "no direction between the straddling pair has the code", value=f"code {self.index}"
        )

    @property
    def facets(self) -> tuple[Facet, ...]:
        """The facets on the sphere by the first hinge that flips; `hyperplane` in the coordinates
        of the chart, inside > 0.
        """
        return tuple(self._owner.facets_between(self.index))

    def _sides(self) -> list[tuple[int, ...]]:
        """The halfspaces of the code, each once, without those that are constant."""
        sides = sides_of(self._owner.halfspaces_of(self.index), self.code.bits)
        return [side.coefficients for side in dict.fromkeys(sides)]
