"""Isolate and order the zeros of many functions `p alpha + q beta + c N` on one arc: floats propose, proofs decide.

Positions are diamond angles in [0, 4): a monotone parameter whose dyadic values are directions with exact float64
coordinates, so that comparing two of them is comparing two floats. See curves for the functions and their zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cmp_to_key

import numpy as np
import torch

from exact.curves import Direction, Form, Function, dyadic_direction, value_sign, zeros
from exact.errors import Undecided
from exact.filters import Balls, enclosed_zeros, pencil_values
from exact.network import Layer
from exact.numbers import Rational, RationalArray
from exact.spline_code import BitArray

_FULL_TURN = Rational(4)
SMALL = 48  # below this many functions the exact path is faster than starting the filter


@dataclass(frozen=True)
class Edge:
    """A point of a curve enclosed by diamond angles `lo <= hi`; `find` gives the exact direction.

    `rows` are the functions that change sign here, `touching` those that touch zero without changing it. `undefined`
    marks a point where a norm divides by zero, `seam` the place where a circle was cut open.
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
    """The edge at (1, 0), where a circle is cut open, seen from either side (diamond angle 0 or 4)."""
    return Edge(sigma, sigma, lambda: Direction.rational(Rational(1), Rational(0)), seam=True)


@dataclass
class Tally:
    """How zeros were settled, and where hinges touch zero without changing sign (direction, hinge)."""

    filtered: int = 0
    exact: int = 0
    tangent: list[tuple[Direction, int]] = field(default_factory=list)


@dataclass
class LayerFunctions:
    """The hinges of a layer along a curve: exact coefficients on demand, balls for all of them at once.

    `offset` is the number of hinges in the layers before.
    """

    layer: Layer
    inner: RationalArray
    one: tuple[Rational, ...]
    device: str
    offset: int
    _known: dict[int, Function] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of functions: one per bit of the layer."""
        return self.layer.bits

    def exact(self, index: int) -> Function:
        """(p, q, c) of one hinge in rationals."""
        if index not in self._known:
            neuron, bend = divmod(index, len(self.layer.activation.breakpoints))
            threshold = self.layer.activation.breakpoints[bend]
            row = self.layer.pre_activation(neuron, self.inner, self.one)
            p, q, *c = (x - threshold * y for x, y in zip(row, self.one, strict=True))
            self._known[index] = (p, q, c[0] if c else Rational(0))
        return self._known[index]

    def balls(self) -> Balls:
        """(p, q, c) of every hinge as a (count x 3) tensor of balls."""
        one = Balls.of_rationals(self.one, self.device)
        z = self.layer.pre_activation_balls(self.inner, self.one, self.device)
        bends = [z - Balls.of_rationals([t], self.device) * one for t in self.layer.activation.breakpoints]
        mid, rad = (torch.stack(parts, dim=1).reshape(self.count, len(self.one)) for parts in
                    ([b.mid for b in bends], [b.rad for b in bends]))  # fmt: skip
        missing = torch.zeros(self.count, 3 - len(self.one), dtype=mid.dtype, device=mid.device)
        return Balls(torch.cat([mid, missing], 1), torch.cat([rad, missing], 1))

    def bits_at(self, sigma: Rational, form: Form, balls: Balls | None) -> BitArray:
        """The bits of the layer at a dyadic direction; the filter first, exact signs for the rest."""
        alpha, beta = dyadic_direction(sigma)
        bits, certain = np.zeros(self.count, dtype=bool), np.zeros(self.count, dtype=bool)
        if balls is not None:
            at = Balls.of_rationals([alpha, beta], self.device)
            signs, sure = pencil_values(balls, _form_balls(form, self.device), at[0], at[1]).signs()
            bits, certain = (signs > 0).cpu().numpy(), sure.cpu().numpy()
        for index in np.flatnonzero(~certain):
            bits[index] = value_sign(self.exact(int(index)), form, alpha, beta) > 0
        return bits


def isolate(functions: LayerFunctions, form: Form, start: Edge, end: Edge, tally: Tally) -> tuple[list[Edge], Balls | None]:
    """The zeros strictly between two edges in order, with disjoint enclosures; also the balls for reuse.

    Points that are only touched are edges too: no witness may lie on them.
    """
    found, balls, left = list[Edge](), None, np.arange(functions.count)
    if functions.count >= SMALL:
        balls = functions.balls()
        found, left = _filtered(functions, balls, form)
        tally.filtered += len(found)
    for index in left:
        found += _exactly(functions, int(index), form, tally)
    inside = [edge for edge in found if _is_inside(edge, start, end)]
    seam = [edge for edge in found if start.seam and edge.touching and edge.find().compare(start.find()) == 0]
    ordered = _ordered(inside, tally)
    tally.tangent += [(edge.find(), functions.offset + row) for edge in (*seam, *ordered) for row in edge.touching]
    return ordered, balls


def _form_balls(form: Form, device: str) -> Balls:
    return Balls.of_rationals([form.a, form.b, form.c, form.determinant], device)


def _filtered(functions: LayerFunctions, f: Balls, form: Form) -> tuple[list[Edge], np.ndarray]:
    """Edges that the filter proves, and the functions it abstains on."""
    found = enclosed_zeros(f, _form_balls(form, functions.device))
    edges = [
        _edge_of_row(functions, form, row, Rational(*low.as_integer_ratio()), Rational(*high.as_integer_ratio()))
        for row, low, high in zip(found.rows.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    ]
    return edges, np.flatnonzero(found.undecided.cpu().numpy())


def _edge_of_row(functions: LayerFunctions, form: Form, row: int, lo: Rational, hi: Rational) -> Edge:
    def find() -> Direction:
        inside = [z for z in zeros(functions.exact(row), form).simple if _lies_between(z, lo, hi)]
        assert len(inside) == 1, "a proved enclosure holds exactly one zero"
        return inside[0]

    return Edge(lo, hi, find, (row,))


def _lies_between(direction: Direction, lo: Rational, hi: Rational) -> bool:
    return (
        direction.compare(Direction.rational(*dyadic_direction(lo))) >= 0
        and direction.compare(Direction.rational(*dyadic_direction(hi))) <= 0
    )


def _exactly(functions: LayerFunctions, row: int, form: Form, tally: Tally) -> list[Edge]:
    """The zeros of one function by exact algebra, each in a narrow enclosure."""
    found = zeros(functions.exact(row), form)
    tally.exact += 1
    crossing = [replace(_exact_edge(direction), rows=(row,)) for direction in found.simple]
    return crossing + [replace(_exact_edge(direction), touching=(row,)) for direction in found.tangent]


def _exact_edge(direction: Direction) -> Edge:
    lo, hi = direction.diamond(96)
    return Edge(max(Rational(0), lo), min(_FULL_TURN, hi), lambda: direction)


def edge_at(alpha: Rational, beta: Rational, undefined: bool) -> Edge:
    """An edge at a rational direction whose diamond angle is computed."""
    return replace(_exact_edge(Direction.rational(alpha, beta)), undefined=undefined)


def _is_inside(edge: Edge, start: Edge, end: Edge) -> bool:
    """Whether a point lies strictly between two edges (an end at a full turn lies beyond every direction)."""
    if edge.hi < start.lo or edge.lo > end.hi:
        return False
    after = edge.lo > start.hi or edge.find().compare(start.find()) > 0
    return after and (edge.hi < end.lo or end.lo >= _FULL_TURN or edge.find().compare(end.find()) < 0)


def _ordered(edges: list[Edge], tally: Tally) -> list[Edge]:
    """Sort edges, merge those at the same point, and make all enclosures disjoint."""
    ordered, cluster = list[Edge](), list[Edge]()
    reach = Rational(-1)
    for edge in sorted(edges, key=lambda e: (e.lo, e.hi)):
        if edge.lo > reach and cluster:
            ordered += _settle(cluster, tally)
            cluster = []
        cluster.append(edge)
        reach = max(reach, edge.hi)
    return ordered + _settle(cluster, tally)


def _settle(cluster: list[Edge], tally: Tally) -> list[Edge]:
    """Order edges with overlapping enclosures by exact comparison; equal points become one edge."""
    if len(cluster) <= 1:
        return cluster
    tally.exact += len(cluster)
    exact = sorted(cluster, key=cmp_to_key(_compare))
    merged = [exact[0]]
    for edge in exact[1:]:
        last = merged[-1]
        if edge.find().compare(last.find()) == 0:
            merged[-1] = replace(last, rows=last.rows + edge.rows, touching=last.touching + edge.touching,
                                 lo=max(last.lo, edge.lo), hi=min(last.hi, edge.hi))  # fmt: skip
        else:
            merged.append(edge)
    for k in range(len(merged) - 1):
        merged[k], merged[k + 1] = separated(merged[k], merged[k + 1])
    return merged


def _compare(a: Edge, b: Edge) -> int:
    return a.find().compare(b.find())


def separated(first: Edge, second: Edge) -> tuple[Edge, Edge]:
    """Two different points in order, with enclosures refined until the first lies entirely before the second."""
    for bits in (128, 256, 512, 1024, 2048, 4096, 8192, 16384):
        if first.hi < second.lo:
            return first, second
        first, second = first.refined(bits), second.refined(bits)
    raise Undecided("two crossings on a curve are closer than 2^-16384 of a turn", value=(first.rows, second.rows),
                    remedy="scale the weights; the points differ but no short rational separates them")  # fmt: skip


def between(first: Edge, second: Edge) -> Rational:
    """A short dyadic diamond angle strictly between two edges."""
    first, second = separated(first, second)
    gap = second.lo - first.hi
    power = 1 << max(0, (int(gap.q) // max(1, int(gap.p))).bit_length() + 1)
    return Rational(int(((first.hi + second.lo) / 2 * power).floor()), power)


def sorted_edges(edges: Sequence[Edge], start: Edge, end: Edge, tally: Tally) -> list[Edge]:
    """Those of the edges that lie strictly between start and end, in order, with disjoint enclosures."""
    return _ordered([edge for edge in edges if _is_inside(edge, start, end)], tally)
