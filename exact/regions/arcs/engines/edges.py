"""Points of a curve in enclosures by diamond angles, and their order: proofs decide what enclosures
leave open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cmp_to_key

from exact.arithmetic.numbers import Rational, nearest_float, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import Undecided
from exact.geometry.pencils.pencil import Direction, dyadic_direction

FULL_TURN = Rational(4)
_EDGE_BITS = 96


@short_repr
@dataclass(frozen=True)
class Edge:
    """A point of a curve enclosed by diamond angles `lo <= hi`; `find` gives the exact direction.

    `rows` are the functions that change sign here, `touching` those that touch zero without
    changing it. `undefined` marks a point where a norm divides by zero, `seam` the place where a
    circle was cut open.
    """

    lo: Rational
    hi: Rational
    find: Callable[[], Direction]
    rows: tuple[int, ...] = ()
    touching: tuple[int, ...] = ()
    undefined: bool = False
    seam: bool = False

    @property
    def near(self) -> Direction:
        """A rational direction inside the enclosure."""
        return Direction.rational(*dyadic_direction((self.lo + self.hi) / 2))

    def refined(self, bits: int) -> Edge:
        """The same point in an enclosure of about `bits` bits."""
        if self.lo == self.hi:
            return self
        lo, hi = self.find().diamond(bits)
        return replace(self, lo=max(self.lo, lo), hi=min(self.hi, hi))


def seam_edge(sigma: Rational) -> Edge:
    """The edge at (1, 0), where a circle is cut open, seen from either side (diamond angle 0 or
    4).
    """
    return Edge(sigma, sigma, lambda: Direction.rational(Rational(1), Rational(0)), seam=True)


@short_repr
@dataclass
class Tally:
    """How zeros were settled, and where hinges touch zero without changing sign (direction, hinge).

    `check` is called before exact work, and may raise Stopped.
    """

    filtered: int = 0
    exact: int = 0
    tangent: list[tuple[Direction, int]] = field(default_factory=list)
    check: Callable[[], None] = lambda: None


def float_bounds(edge: Edge) -> tuple[float, float]:
    """The enclosure of an edge in float64, rounded outwards."""
    lo, hi = nearest_float(edge.lo), nearest_float(edge.hi)
    return (
        lo if rational(lo) <= edge.lo else math.nextafter(lo, -math.inf),
        hi if rational(hi) >= edge.hi else math.nextafter(hi, math.inf),
    )


def exact_edge(direction: Direction) -> Edge:
    lo, hi = direction.diamond(_EDGE_BITS)
    return Edge(max(Rational(0), lo), min(FULL_TURN, hi), lambda: direction)


def edge_at(alpha: Rational, beta: Rational, undefined: bool) -> Edge:
    """An edge at a rational direction whose diamond angle is computed."""
    return replace(exact_edge(Direction.rational(alpha, beta)), undefined=undefined)


def is_inside(edge: Edge, start: Edge, end: Edge) -> bool:
    """Whether a point lies strictly between two edges (an end at a full turn lies beyond every
    direction).
    """
    if edge.hi < start.lo or edge.lo > end.hi:
        return False
    after = edge.lo > start.hi or edge.find().compare(start.find()) > 0
    return after and (
        edge.hi < end.lo or end.lo >= FULL_TURN or edge.find().compare(end.find()) < 0
    )


def in_order(edges: list[Edge], tally: Tally) -> list[Edge]:
    """Sort edges, merge those at the same point, and make all enclosures disjoint."""
    ordered, cluster = list[Edge](), list[Edge]()
    reach = Rational(-1)
    for edge in sorted(edges, key=lambda e: (e.lo, e.hi)):
        if edge.lo > reach and cluster:
            ordered += in_one_order(cluster, tally)
            cluster = []
        cluster.append(edge)
        reach = max(reach, edge.hi)
    return ordered + in_one_order(cluster, tally)


def in_one_order(cluster: list[Edge], tally: Tally) -> list[Edge]:
    """Order edges with overlapping enclosures by exact comparison; equal points become one edge."""
    if len(cluster) <= 1:
        return cluster
    tally.check()
    tally.exact += len(cluster)
    exact = sorted(cluster, key=cmp_to_key(_compare))
    merged = [exact[0]]
    for edge in exact[1:]:
        last = merged[-1]
        if edge.find().compare(last.find()) == 0:
            merged[-1] = replace(
                last,
                rows=last.rows + edge.rows,
                touching=last.touching + edge.touching,
                lo=max(last.lo, edge.lo),
                hi=min(last.hi, edge.hi),
            )
        else:
            merged.append(edge)
    for k in range(len(merged) - 1):
        merged[k], merged[k + 1] = separated(merged[k], merged[k + 1])
    return merged


def _compare(a: Edge, b: Edge) -> int:
    return a.find().compare(b.find())


def separated(first: Edge, second: Edge) -> tuple[Edge, Edge]:
    """Two different points in order, with enclosures refined until the first lies entirely before
    the second.
    """
    for bits in (128, 256, 512, 1024, 2048, 4096, 8192, 16384):
        if first.hi < second.lo:
            return first, second
        first, second = first.refined(bits), second.refined(bits)
    raise Undecided(
        "two crossings on a curve are closer than 2^-16384 of a turn",
        value=(first.rows, second.rows),
        remedy="scale the weights; the points differ but no short rational separates them",
    )


def between(first: Edge, second: Edge) -> Rational:
    """A short dyadic diamond angle strictly between two edges."""
    first, second = separated(first, second)
    gap = second.lo - first.hi
    power = 1 << max(0, (int(gap.q) // max(1, int(gap.p))).bit_length() + 1)
    return Rational(int(((first.hi + second.lo) / 2 * power).floor()), power)


def sorted_edges(edges: Sequence[Edge], start: Edge, end: Edge, tally: Tally) -> list[Edge]:
    """Those of the edges that lie strictly between start and end, in order, with disjoint
    enclosures.
    """
    return in_order([edge for edge in edges if is_inside(edge, start, end)], tally)
