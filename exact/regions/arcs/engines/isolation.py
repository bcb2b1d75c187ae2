"""Isolate and order the zeros of many functions `p alpha + q beta + c N` on one arc: floats
propose, proofs decide.

Positions are diamond angles in [0, 4): a monotone parameter whose dyadic values are directions with
exact float64 coordinates, so that comparing two of them is comparing two floats. See curves for the
functions and their zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.ball_tensors import Balls
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.nearest import exponent, in_range, scaled_by
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray
from exact.arithmetic.texts.printing import short_repr
from exact.errors import require
from exact.geometry.combinatorics.lazy import Items
from exact.geometry.pencils.filters import enclosed_zeros, pencil_values
from exact.geometry.pencils.pencil import (
    CIRCLE,
    Direction,
    Form,
    Function,
    dyadic_direction,
    value_sign,
    zeros,
)
from exact.networks.layers import Layer
from exact.regions.arcs.engines.edges import (
    FULL_TURN,
    Edge,
    Tally,
    exact_edge,
    float_bounds,
    in_one_order,
    in_order,
    is_inside,
)
from exact.regions.arcs.engines.proportional import Copies

_MIDDLE = (
    200  # floats between 2^-200 and 2^200: products of four of them neither underflow nor overflow
)
SMALL = 48  # below this many functions the exact path is faster than starting the filter


@short_repr
@dataclass
class LayerFunctions:
    """The hinges of a layer along a curve: exact coefficients on demand, balls for all of them at
    once.

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

    def balls(self, form: Form = CIRCLE) -> Balls:
        """(p, q, c) of every hinge as a (count x 3) tensor of balls, for the root that
        :func:`form_balls` makes of the form.

        Rows whose products leave the middle of float64's range are made from their exact
        coefficients, times a power of two.
        """
        balls, shift = self._products(), _root_shift(form)
        if shift:
            balls = Balls(balls.mid, torch.full_like(balls.rad, torch.inf))
        largest = balls.mid.abs().amax(dim=1)
        sound = (
            (largest > 2.0**-_MIDDLE) & (largest < 2.0**_MIDDLE) & balls.rad.isfinite().all(dim=1)
        )
        for row in torch.nonzero(~sound).flatten().tolist():
            p, q, c = self.exact(row)
            scaled = Balls.of_rationals(in_range((p, q, scaled_by(c, shift))), self.device)
            balls.mid[row], balls.rad[row] = scaled.mid, scaled.rad
        return balls

    def _products(self) -> Balls:
        """The functions as products of floats, with their errors; infinite ones beyond the
        range.
        """
        one = Balls.of_rationals(self.one, self.device)
        z = self.layer.pre_activation_balls(self.inner, self.one, self.device)
        bends = [
            z - Balls.of_rationals([t], self.device) * one
            for t in self.layer.activation.breakpoints
        ]
        mid, rad = (
            torch.stack(parts, dim=1).reshape(self.count, len(self.one))
            for parts in ([b.mid for b in bends], [b.rad for b in bends])
        )
        missing = torch.zeros(self.count, 3 - len(self.one), dtype=mid.dtype, device=mid.device)
        return Balls(torch.cat([mid, missing], 1), torch.cat([rad, missing], 1))

    def bits_at(self, sigma: Rational, form: Form, balls: Balls | None) -> BitArray:
        """The bits of the layer at a dyadic direction; the filter first, exact signs for the
        rest.
        """
        alpha, beta = dyadic_direction(sigma)
        bits, certain = np.zeros(self.count, dtype=bool), np.zeros(self.count, dtype=bool)
        if balls is not None:
            at = Balls.of_rationals([alpha, beta], self.device)
            signs, sure = pencil_values(balls, form_balls(form, self.device), at[0], at[1]).signs()
            bits, certain = (signs > 0).cpu().numpy(), sure.cpu().numpy()
        for index in np.flatnonzero(~certain):
            bits[index] = value_sign(self.exact(int(index)), form, alpha, beta) > 0
        return bits


@short_repr
@dataclass(frozen=True)
class Proposed:
    """What a filter proves: function `rows[i]` has exactly one zero in [low[i], high[i]];
    `undecided` ones are left over.

    A function that is neither listed nor undecided has no zero.
    """

    rows: IndexArray
    low: FloatArray
    high: FloatArray
    undecided: IndexArray


@short_repr
@dataclass(frozen=True, eq=False)
class Isolated(Items[Edge]):
    """The zeros of the functions of a layer on an arc, in order, as arrays; edges are made when
    asked for.

    Zero i is enclosed by the diamond angles `low[i]` and `high[i]` (float64, never decreasing), and
    the functions `rows[starts[i]:starts[i + 1]]`, ascending, change sign there (none where
    functions only touch zero). `settled` holds the edges that exact algebra found or put in order;
    the enclosures of all others are disjoint from every other.
    """

    functions: LayerFunctions
    form: Form
    low: FloatArray
    high: FloatArray
    starts: IndexArray
    rows: IndexArray
    settled: Mapping[int, Edge]

    @classmethod
    def of_edges(cls, functions: LayerFunctions, form: Form, edges: Sequence[Edge]) -> Isolated:
        """From edges in order."""
        bounds = np.array([float_bounds(edge) for edge in edges], dtype=np.float64).reshape(-1, 2)
        starts = np.cumsum([0, *(len(edge.rows) for edge in edges)])
        rows = np.array([row for edge in edges for row in sorted(edge.rows)], dtype=np.int64)
        return cls(
            functions, form, bounds[:, 0], bounds[:, 1], starts, rows, dict(enumerate(edges))
        )

    def __len__(self) -> int:
        return len(self.low)

    def _item(self, place: int) -> Edge:
        if place in self.settled:
            return self.settled[place]
        rows = self.rows[self.starts[place] : self.starts[place + 1]].tolist()
        edge = _edge_of_row(
            self.functions, self.form, rows[0], float(self.low[place]), float(self.high[place])
        )
        return replace(edge, rows=tuple(rows))

    def up_to(self, count: int) -> Isolated:
        """The first `count` zeros only."""
        starts = self.starts[: count + 1]
        settled = {place: edge for place, edge in self.settled.items() if place < count}
        return replace(
            self,
            low=self.low[:count],
            high=self.high[:count],
            starts=starts,
            rows=self.rows[: starts[-1]],
            settled=settled,
        )


def isolate(
    functions: LayerFunctions, form: Form, start: Edge, end: Edge, tally: Tally
) -> tuple[Isolated, Balls | None]:
    """The zeros strictly between two edges in order, with disjoint enclosures; also the balls for
    reuse.

    Points that are only touched are edges too: no witness may lie on them.
    """
    if functions.count < SMALL:
        edges = [
            edge for row in range(functions.count) for edge in _exactly(functions, row, form, tally)
        ]
        ordered = in_order([edge for edge in edges if is_inside(edge, start, end)], tally)
        _note_tangents(functions, [*_at_seam(edges, start), *ordered], tally)
        return Isolated.of_edges(functions, form, ordered), None
    balls = functions.balls(form)
    found = enclosed_zeros(balls, form_balls(form, functions.device))
    rows, low, high, undecided = (
        x.cpu().numpy() for x in (found.rows, found.low, found.high, found.undecided)
    )
    proposed = Proposed(rows, low, high, np.flatnonzero(undecided))
    return arranged(functions, form, proposed, start, end, tally), balls


def form_balls(form: Form, device: str) -> Balls:
    """The coefficients and the determinant of a form, times an even power of two where floats would
    lose them.
    """
    k = -2 * _root_shift(form)
    a, b, c = (scaled_by(x, k) for x in (form.a, form.b, form.c))
    return Balls.of_rationals([a, b, c, a * c - b * b], device)


def _root_shift(form: Form) -> int:
    """The k for which N 2^-k has a square in the middle of float64's range: 0 for a form that is
    there.
    """
    size = exponent(max(form.a, form.c))
    return 0 if abs(size) < _MIDDLE else size // 2


def arranged(
    functions: LayerFunctions, form: Form, proposed: Proposed, start: Edge, end: Edge, tally: Tally
) -> Isolated:
    """What a filter proposed, in order; exact algebra settles what it left open. Of multiples of a
    function one is treated.

    Raises Undecided for different zeros closer than 2^-16384 of a turn.
    """
    tally.filtered += len(proposed.rows)
    suspects = np.union1d(proposed.undecided, proposed.rows[_is_crowded(proposed)])
    copies = Copies.among(functions.layer, suspects)
    heard = copies.leads[proposed.rows]
    proposed = Proposed(
        proposed.rows[heard],
        proposed.low[heard],
        proposed.high[heard],
        proposed.undecided[copies.leads[proposed.undecided]],
    )
    certain, doubtful = _sorted_out(proposed, start, end)
    edges = [
        edge
        for row in proposed.undecided.tolist()
        for edge in _exactly(functions, row, form, tally)
    ]
    edges += [
        _edge_of_row(
            functions, form, int(proposed.rows[i]), float(proposed.low[i]), float(proposed.high[i])
        )
        for i in doubtful.tolist()
    ]
    inside = [edge for edge in edges if is_inside(edge, start, end)]
    low, high = (x[certain] for x in (proposed.low, proposed.high))
    made = _merged(functions, form, proposed.rows[certain], low, high, inside, copies, tally)
    seam = [_with_all(copies, edge) for edge in _at_seam(edges, start)]
    _note_tangents(
        functions, [*seam, *(made.settled[place] for place in sorted(made.settled))], tally
    )
    return made


def _at_seam(edges: list[Edge], start: Edge) -> list[Edge]:
    """Those that touch zero exactly where the circle was cut open."""
    return [
        edge
        for edge in edges
        if start.seam and edge.touching and edge.find().compare(start.find()) == 0
    ]


def _note_tangents(functions: LayerFunctions, edges: list[Edge], tally: Tally) -> None:
    tally.tangent += [
        (edge.find(), functions.offset + row) for edge in edges for row in edge.touching
    ]


def _is_crowded(proposed: Proposed) -> BitArray:
    """Which proposed enclosures overlap another one."""
    order = np.argsort(proposed.low, kind="stable")
    crowded = np.empty(len(proposed.low), dtype=bool)
    apart = np.append(_heads(proposed.low[order], proposed.high[order]), True)
    crowded[order] = ~(apart[1:] & apart[:-1])
    return crowded


def _heads(low: FloatArray, high: FloatArray) -> BitArray:
    """Of enclosures sorted by their lower ends: which lie beyond all before, so that a new cluster
    begins.
    """
    heads = np.ones(len(low), dtype=bool)
    heads[1:] = low[1:] > np.maximum.accumulate(high)[:-1]
    return heads


def _sorted_out(proposed: Proposed, start: Edge, end: Edge) -> tuple[IndexArray, IndexArray]:
    """The proposed zeros that lie on the arc for certain, and those of which only algebra can
    tell.
    """
    first, last = float_bounds(start), float_bounds(end)
    outside = (proposed.high < first[0]) | (proposed.low > last[1])
    inside = (proposed.low > first[1]) & ((proposed.high < last[0]) | (end.lo >= FULL_TURN))
    return np.flatnonzero(inside), np.flatnonzero(~inside & ~outside)


def _with_all(copies: Copies, edge: Edge) -> Edge:
    """An edge of leaders with all functions of their groups."""
    return replace(edge, rows=copies.with_all(edge.rows), touching=copies.with_all(edge.touching))


def _merged(
    functions: LayerFunctions,
    form: Form,
    rows: IndexArray,
    low: FloatArray,
    high: FloatArray,
    edges: list[Edge],
    copies: Copies,
    tally: Tally,
) -> Isolated:
    """Certain proposals and exact edges in one order; where enclosures overlap, exact comparison
    decides.
    """
    bounds = np.array([float_bounds(edge) for edge in edges], dtype=np.float64).reshape(-1, 2)
    low, high = np.concatenate([low, bounds[:, 0]]), np.concatenate([high, bounds[:, 1]])
    order = np.argsort(low, kind="stable")
    heads = np.flatnonzero(_heads(low[order], high[order]))
    sizes = np.diff(heads, append=len(order))

    def member(i: int) -> Edge:
        if i >= len(rows):
            return edges[i - len(rows)]
        return _edge_of_row(functions, form, int(rows[i]), float(low[i]), float(high[i]))

    clusters = {
        k: in_one_order([member(i) for i in order[heads[k] : heads[k] + sizes[k]].tolist()], tally)
        for k in np.flatnonzero((sizes > 1) | (order[heads] >= len(rows))).tolist()
    }
    alone = np.ones(len(heads), dtype=bool)
    alone[list(clusters)] = False
    counts = np.ones(len(heads), dtype=np.int64)
    counts[list(clusters)] = [len(cluster) for cluster in clusters.values()]
    places = np.cumsum(counts) - counts
    settled = {
        int(places[k]) + i: edge
        for k, cluster in clusters.items()
        for i, edge in enumerate(cluster)
    }
    pairs = np.array(
        [(place, row) for place, edge in settled.items() for row in edge.rows], dtype=np.int64
    ).reshape(-1, 2)
    steps = copies.steps(
        np.append(places[alone], pairs[:, 0]),
        np.append(rows[order[heads[alone]]], pairs[:, 1]),
        counts.sum(),
    )
    low, high = np.repeat(low[order[heads]], counts), np.repeat(high[order[heads]], counts)
    for place, edge in settled.items():
        low[place], high[place] = float_bounds(edge)
    return Isolated(
        functions,
        form,
        low,
        high,
        *steps,
        {place: _with_all(copies, edge) for place, edge in settled.items()},
    )


def _edge_of_row(functions: LayerFunctions, form: Form, row: int, low: float, high: float) -> Edge:
    """The one zero of a function between two diamond angles."""
    lo, hi = Rational(*low.as_integer_ratio()), Rational(*high.as_integer_ratio())

    @cache
    def find() -> Direction:
        inside = [z for z in zeros(functions.exact(row), form).simple if _lies_between(z, lo, hi)]
        require(
            len(inside) == 1, "a proved enclosure holds exactly one zero", f"{len(inside)} zeros"
        )
        return inside[0]

    return Edge(lo, hi, find, (row,))


def _lies_between(direction: Direction, lo: Rational, hi: Rational) -> bool:
    return (
        direction.compare(Direction.rational(*dyadic_direction(lo))) >= 0
        and direction.compare(Direction.rational(*dyadic_direction(hi))) <= 0
    )


def _exactly(functions: LayerFunctions, row: int, form: Form, tally: Tally) -> list[Edge]:
    """The zeros of one function by exact algebra, each in a narrow enclosure."""
    tally.check()
    found = zeros(functions.exact(row), form)
    tally.exact += 1
    crossing = [replace(exact_edge(direction), rows=(row,)) for direction in found.simple]
    return crossing + [
        replace(exact_edge(direction), touching=(row,)) for direction in found.tangent
    ]
