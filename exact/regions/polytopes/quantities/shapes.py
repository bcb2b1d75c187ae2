"""The shapes that classes have in the plane, as polygons with exact corners: read off the exact
complex of a partition, cut along ties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.numbers import Rational, fraction, fractions, nearest_float, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import EngineDefect, InvalidInput
from exact.regions.polytopes.quantities.valued_complexes import Valued, ValuedComplex, largest

if TYPE_CHECKING:
    from shapely import MultiPolygon

Ring = tuple[tuple[Fraction, Fraction], ...]


@short_repr
@dataclass(frozen=True)
class ExactPolygon:
    """A polygon with exact corners: its outline counter-clockwise, and holes clockwise, each from
    its least corner on; the last corner is joined to the first. Rings meet in points at most.
    """

    shell: Ring
    holes: tuple[Ring, ...]

    @property
    def area(self) -> Fraction:
        """The area without the holes."""
        rings = (self.shell, *self.holes)
        return fraction(sum((_area([_point(p) for p in ring]) for ring in rings), Rational(0)))


@members_in_ieee_floats
class Shaped(Valued):
    """The shapes of what outputs decide, in the parameters of a bounded flat domain."""

    @cached_property
    def exact_class_polygons(self) -> tuple[tuple[ExactPolygon, ...], ...]:
        """The part of a bounded domain of two dimensions in which each class wins, as polygons with
        exact corners: regions in which several classes win are cut where outputs tie, and parts
        that share an edge are one polygon.

        Corners are in the parameters of the domain; on the boundary between three classes one is
        kept even where the side goes straight on. Cost: that of `valued_complex`, and one pass over
        all faces for each class.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> diamond = tensors.mlp(
        ...     [([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4), ([[1] * 4], [-1])]
        ... )
        >>> inside, outside = partition(diamond, Box(-2, 2, dim=2)).exact_class_polygons
        >>> [[str(x) for x in corner] for corner in inside[0].shell]
        [['-1', '0'], ['0', '-1'], ['1', '0'], ['0', '1']]
        >>> len(outside), len(outside[0].shell), len(outside[0].holes), outside[0].area
        (1, 4, 1, Fraction(14, 1))
        """
        if self.flat.dim != 2:
            raise InvalidInput(
                "polygons need a two-dimensional domain",
                value=f"dimension {self.flat.dim}",
                remedy="partition a Plane through three points",
            )
        whole = self.valued_complex
        found, winners = largest(whole, range(len(whole.values)))
        outlines = _Outlines(found, winners)
        return tuple(tuple(outlines.polygons(c)) for c in range(len(whole.values)))

    def class_polygons(self) -> list[MultiPolygon]:
        """`exact_class_polygons` as shapely multi-polygons, one for each class, with the nearest
        floats as corners; rounding can make rings touch or cross that do not.

        >>> from exact import Box, partition
        >>> from exact.sources import tensors
        >>> steps = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])
        >>> [round(part.area, 6) for part in partition(steps, Box(-1, 1, dim=2)).class_polygons()]
        [2.5, 1.5]
        """
        from shapely import MultiPolygon, Polygon

        return [
            MultiPolygon(
                [Polygon(_floats(one.shell), [_floats(hole) for hole in one.holes]) for one in own]
            )
            for own in self.exact_class_polygons
        ]


class _Outlines:
    """The outlines of unions of cells of a complex in the plane."""

    def __init__(self, of: ValuedComplex, winners: Sequence[int]) -> None:
        self._of, self._winners = of, winners
        self._beside = dict[int, list[int]]()
        for cell, edges in enumerate(of.below[2]):
            for edge in edges:
                self._beside.setdefault(edge, []).append(cell)
        self._around = [_cycle(of, edges) for edges in of.below[2]]
        meeting = dict[int, int]()
        for edge, cells in self._beside.items():
            if len({winners[cell] for cell in cells}) != 1 or len(cells) == 1:
                for end in of.below[1][edge]:
                    meeting[end] = meeting.get(end, 0) + 1
        self._meeting: Mapping[int, int] = meeting

    def polygons(self, c: int) -> list[ExactPolygon]:
        """The polygons of one class, by their outlines."""
        shells, holes = dict[int, Ring](), dict[int, list[Ring]]()
        for part, ring in self._rings(c):
            points = [self._of.points[v] for v in ring]
            kept = self._corners(ring)
            if _area(points) > 0:
                if part in shells:
                    raise EngineDefect("a connected part has two outlines", value=f"class {c}")
                shells[part] = kept
            else:
                holes.setdefault(part, []).append(kept)
        return sorted(
            (ExactPolygon(own, tuple(sorted(holes.get(part, [])))) for part, own in shells.items()),
            key=lambda one: one.shell,
        )

    def _rings(self, c: int) -> Iterator[tuple[int, list[int]]]:
        """Every ring of vertices around the cells of a class, with these on the left, and a number
        for the part, connected across edges, that it bounds.
        """
        own = {cell for cell, winner in enumerate(self._winners) if winner == c}
        part_of = self._parts(own)
        todo = {
            edge: cell
            for cell in sorted(own)
            for edge in self._of.below[2][cell]
            if self._across(edge, cell) not in own
        }
        while todo:
            edge, cell = next(iter(todo.items()))
            walk, part = list[int](), part_of[cell]
            while edge in todo:
                del todo[edge]
                walk.append(self._around[cell][edge][0])
                edge = self._around[cell][edge][1]
                # around the vertex through cells of the class, up to the next edge of the outline
                while (other := self._across(edge, cell)) in own:
                    cell = other
                    edge = self._around[cell][edge][1]
            yield from ((part, ring) for ring in _simple(walk))

    def _across(self, edge: int, cell: int) -> int:
        """The cell on the other side of an edge, -1 on the edge of the domain."""
        return next((one for one in self._beside[edge] if one != cell), -1)

    def _parts(self, own: set[int]) -> dict[int, int]:
        found = dict[int, int]()
        for first in sorted(own):
            waiting = [first]
            while waiting:
                cell = waiting.pop()
                if cell in found:
                    continue
                found[cell] = first
                beside = (self._across(edge, cell) for edge in self._of.below[2][cell])
                waiting += [one for one in beside if one in own]
        return found

    def _corners(self, ring: Sequence[int]) -> Ring:
        """The corners of a ring: where it turns, or more than two edges of outlines meet."""
        kept = list[tuple[Fraction, Fraction]]()
        for before, v, after in zip(
            [ring[-1], *ring[:-1]], ring, [*ring[1:], ring[0]], strict=True
        ):
            corners = [self._of.points[i] for i in (before, v, after)]
            if self._meeting[v] > 2 or _area(corners):
                x, y = fractions(self._of.points[v])
                kept.append((x, y))
        first = kept.index(min(kept))
        return (*kept[first:], *kept[:first])


def _cycle(of: ValuedComplex, edges: Sequence[int]) -> dict[int, tuple[int, int]]:
    """For every edge of a cell the vertex that it leaves and the edge that follows,
    counter-clockwise.
    """
    at = dict[int, list[int]]()
    for edge in edges:
        for end in of.below[1][edge]:
            at.setdefault(end, []).append(edge)
    start, edge = of.below[1][edges[0]][0], edges[0]
    way = list[tuple[int, int]]()
    while len(way) < len(edges):
        way.append((start, edge))
        start = next(end for end in of.below[1][edge] if end != start)
        edge = next(one for one in at[start] if one != edge)
    if _area([of.points[v] for v, _ in way]) < 0:
        ends = [v for v, _ in way]
        # the edge behind a vertex leaves the next one when the way is turned around
        way = [(v, edge) for v, (_, edge) in zip([*ends[1:], ends[0]], way, strict=True)][::-1]
    following = [*way[1:], way[0]]
    return {edge: (v, after) for (v, edge), (_, after) in zip(way, following, strict=True)}


def _simple(walk: Sequence[int]) -> Iterator[list[int]]:
    """The simple rings that a closed walk falls into where it comes back to a vertex."""
    stack, places = list[int](), dict[int, int]()
    for v in walk:
        if v in places:
            ring = stack[places[v] :]
            del stack[places[v] :]
            for one in ring:
                del places[one]
            yield ring
        places[v] = len(stack)
        stack.append(v)
    yield stack


def _area(points: Sequence[Sequence[Rational]]) -> Rational:
    """The signed area of a ring, positive counter-clockwise."""
    turns = zip(points, [*points[1:], points[0]], strict=True)
    return sum((p[0] * q[1] - p[1] * q[0] for p, q in turns), Rational(0)) / 2


def _point(corner: tuple[Fraction, Fraction]) -> tuple[Rational, Rational]:
    return rational(corner[0]), rational(corner[1])


def _floats(ring: Ring) -> list[tuple[float, float]]:
    return [(nearest_float(x), nearest_float(y)) for x, y in map(_point, ring)]
