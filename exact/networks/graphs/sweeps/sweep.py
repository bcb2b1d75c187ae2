"""Sweeps of a graph along a stretch of a line: every event at which a neuron passes a bend or the
winner of a window changes, in order, with bounds on its place; layer by layer.

Between two events every value is one affine function, so that the events of a layer are found from
those before it: an event adds to the few neurons behind what changes there (see
:mod:`exact.kernels.sweeps`). The order of all events is proved, as their bounds are apart; events
of neurons that are one function are one event. Where floats leave a sign or an order open, nothing
is decided: `Open` names the stretches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST, U
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    nearest_float,
    nearest_floats,
    rational,
    rounding_error,
)
from exact.kernels.sweeps import Bends, Fans, Forms, Found, Windows, arranged, bend, choose
from exact.kernels.sweeps import count_alive as alive_inputs
from exact.networks.activations import Activation, Identity
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.marks import classes, marks_behind, numbered
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Selection
from exact.networks.graphs.steps import Sum
from exact.networks.graphs.sweeps.fans import added_up, fans_of
from exact.networks.graphs.sweeps.values import Value, nothing_happens, side_by_side
from exact.networks.layers import Layer

_UP = 1.0 + 2.0**-30
_APART = 2.0**-44  # added to stretches that floats leave open
Direction = tuple[int, int]


class Open(Exception):
    """Floats leave something open on `stretches` (N x 2, within [0, 1])."""

    def __init__(self, stretches: FloatArray) -> None:
        super().__init__("floats leave a sign or an order open")
        self.stretches = stretches


@dataclass(frozen=True)
class Events:
    """What happens along a stretch: the bits at its start, and the events in order, each between
    `low` and `high`, with the bits `rows[starts[i] : starts[i + 1]]` that it flips, and the hidden
    step (from 0) whose neuron or window has it, by `labels`: the unit and its bend, or the window
    and two candidates. `signs` counts those that floats settled.
    """

    first: BitArray
    low: FloatArray
    high: FloatArray
    starts: IndexArray
    rows: IndexArray
    steps: IndexArray
    labels: IndexArray
    signs: int

    def __len__(self) -> int:
        return len(self.low)


@dataclass
class Sweep:
    """A graph along a line, over the basis of `state`, in which `one` is the constant 1."""

    graph: Graph
    state: RationalArray
    one: tuple[Rational, ...]

    def run(
        self, first: Direction, last: Direction, pause: Callable[[], object] = lambda: None
    ) -> Events:
        """The events between two directions less than half a turn apart. Raises Open."""
        # a common factor changes nothing: long integers are brought near 1
        unit = max(map(abs, (*first, *last)))
        ends = [self._at(direction, unit) for direction in (first, last)]
        walk = _Walk([self._one(direction) / unit for direction in (first, last)], pause)
        try:
            return walk.events(self.graph, ends, None)
        except Open:
            walk = _Walk(walk.one, pause)
            return walk.events(self.graph, ends, np.stack([self._marks, *map(_equal, ends)]))

    def _at(self, direction: Direction, unit: int) -> list[Rational]:
        found = self.state * RationalArray(2, 1, [Rational(x, unit) for x in direction])
        return list(found.entries())

    def _one(self, direction: Direction) -> Rational:
        return self.one[0] * direction[0] + self.one[1] * direction[1]

    @cached_property
    def _marks(self) -> IndexArray:
        """A number for every input, the same for the same function; -1 is zero."""
        k, entries = self.state.ncols(), self.state.entries()
        seen = {(Rational(0),) * k: -1}
        rows = (tuple(entries[i : i + k]) for i in range(0, len(entries), k))
        return np.array([seen.setdefault(row, len(seen)) for row in rows], dtype=np.int64)


def _equal(numbers: Sequence[Rational]) -> IndexArray:
    """A number for each of some, the same for equal ones; -1 is zero."""
    seen = {Rational(0): -1}
    return np.array([seen.setdefault(x, len(seen)) for x in numbers], dtype=np.int64)


class _Walk:
    """One walk over the steps of a graph."""

    def __init__(self, one: Sequence[Rational], pause: Callable[[], object]) -> None:
        self.one, self._pause = one, pause
        self._low, self._high = np.zeros(0), np.zeros(0)
        self._rank, self._order = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._same = np.zeros(0, np.int64)  # of each event the one that it is
        self._steps = list[IndexArray]()
        self._labels = list[IndexArray]()
        self._bits, self._flips = list[BitArray](), list[tuple[IndexArray, IndexArray]]()
        self._hidden = self._offset = 0
        self._with_marks, self._signs = False, 0

    def events(
        self, graph: Graph, ends: Sequence[Sequence[Rational]], marks: IndexArray | None
    ) -> Events:
        """All of them."""
        self._with_marks = marks is not None
        values = {0: _start(ends, marks)}
        steps, k = graph.steps_to_last_hinge, 0
        while k < len(steps):
            self._pause()
            does, inputs, forgets = steps[k]
            read = [values[i] for i in inputs]
            activation, after = getattr(does, "activation", None), k + 1
            if isinstance(does, Layer) and after < len(steps):
                activation = _only_bends(does, steps[after], after) or activation
                after += activation is not does.activation
            found = self._through(does, read, activation)
            values = {i: x for i, x in values.items() if i not in forgets}
            values[after] = found
            k = after
        return self._result()

    def _through(self, does: Any, read: list[Value], activation: Activation | None) -> Value:
        if isinstance(does, Maximum):
            return self._maximum(does, read[0])
        if isinstance(does, Sum):
            value, count = side_by_side(read, self._rank), len(read)
            size = read[0].size
            marks = _distinct(size)
            if self._with_marks:
                rows = zip(*(x.marks for x in read), strict=True)
                marks = np.stack([classes(*own) for own in rows])
            ever = np.sum([x.ever for x in read], axis=0)
            alive = np.sum([x.alive for x in read], axis=0)
            ends, off = (x.reshape(*x.shape[:-1], count, size) for x in (value.ends, value.off))
            total = np.zeros((2, size))
            for part in range(count):
                total += ends[:, part]
            heft = np.abs(ends).max(axis=0).sum(axis=0)
            lost = (off.sum(axis=0) + (count * U) * heft * (alive > 1)) * _UP
            forms = Forms(
                total[0],
                total[1],
                lost,
                alive.astype(np.int64),
                np.ones(size, np.int8),
                (ever <= 1).astype(np.int8),
            )
            return self._bent(value, added_up(count, size), forms, Identity(), marks)
        return self._layer(does, read[0], activation)

    def _layer(self, layer: Layer, value: Value, activation: Activation | None) -> Value:
        operator, fans = layer.operator, fans_of(layer.operator)
        bias = layer.bias.float64()[:, 0]
        ends, most = operator.apply_float(value.ends), np.abs(value.ends).max(axis=0)
        share = (operator.terms + 8) * U if operator.terms else 0.0
        rows = np.stack([value.off + share * most, most])
        if operator.terms:
            lost, heft = operator.magnitude(rows)
            lost = np.where(heft > 0, lost * _UP + LEAST, 0.0)
        else:
            lost = operator.magnitude(rows[:1])[0]
        biased = bias != 0
        if biased.any():
            ones = np.array([float(nearest_float(x)) for x in self.one])
            ends = ends + np.outer(ones, bias)
            size = np.abs(ends).max(axis=0) + float(np.abs(ones).max()) * np.abs(bias)
            lost = np.where(biased, (lost + 8 * U * size) * _UP, lost)
        order = fans.order
        counted = ~biased[order]
        alive = biased.astype(np.int64)[order]
        if counted.any():
            alive += alive_inputs(fans, value.alive.astype(np.int8))
        is_off = counted & (alive == 0)
        first, last = (np.where(is_off, 0.0, x[order]) for x in ends)
        single = counted if operator.terms <= 1 else np.zeros(len(order), bool)
        forms = Forms(
            first,
            last,
            np.where(is_off, 0.0, lost[order]),
            alive,
            counted.astype(np.int8),
            single.astype(np.int8),
        )
        marks = _distinct(layer.width)
        if self._with_marks:
            shifts = numbered(layer.bias)
            behind = (marks_behind(operator, own) for own in value.marks)
            marks = np.stack([classes(own, shifts) if biased.any() else own for own in behind])
        return self._bent(value, fans, forms, activation or Identity(), marks)

    def _bent(
        self, value: Value, fans: Fans, forms: Forms, activation: Activation, marks: IndexArray
    ) -> Value:
        bends = _bends(activation, self.one)
        found = bend(value.records, self._low, self._high, fans, forms, bends)
        unit, kink, *_ = found.labels.T
        self._settle(found, marks[0, unit] * max(1, len(bends.bends)) + kink)
        slopes, shifts = bends.slopes[found.start], bends.shifts[found.start]
        alive = (forms.alive > 0) | ~forms.counted.astype(bool)
        ends, off = np.zeros((2, marks.shape[1])), np.zeros(marks.shape[1])
        for row, (own, one) in enumerate(
            ((forms.first, bends.one_first), (forms.last, bends.one_last))
        ):
            ends[row, fans.order] = slopes * own + shifts * one
        size = np.maximum(np.abs(forms.first), np.abs(forms.last)) * np.abs(slopes)
        size += np.abs(shifts) * max(bends.one_first, bends.one_last)
        lost = (np.abs(slopes) * forms.off + 8 * U * size) * _UP + LEAST
        is_plain = (slopes == 1) & (shifts == 0)
        off[fans.order] = np.where(is_plain, forms.off, np.where(size == 0, 0.0, lost))
        lives = np.zeros(marks.shape[1], bool)
        lives[fans.order] = (shifts != 0) | (slopes != 0) & alive
        if len(bends.bends):
            count = len(bends.bends)
            pieces = np.zeros(marks.shape[1], np.int64)
            pieces[fans.order] = found.start
            bits = pieces[:, None] > np.arange(count)
            rows = self._offset + found.changes[:, 1] * count + found.changes[:, 2]
            self._hide(bits.reshape(-1), found.changes[:, 0], rows)
        return Value(ends, off, lives, self._joined(found), marks)

    def _maximum(self, does: Maximum, value: Value) -> Value:
        reads = does.windows
        ordered = np.argsort(reads < 0, axis=1, kind="stable")  # candidates before what is none
        reads = np.ascontiguousarray(np.take_along_axis(reads, ordered, axis=1))
        window, _ = np.nonzero(reads >= 0)
        entry = reads[reads >= 0]
        order = np.argsort(entry, kind="stable")
        starts = np.searchsorted(entry[order], np.arange(value.size + 1))
        windows = Windows(reads, starts.astype(np.int64), window[order], *value.marks)
        forms = Forms(
            value.ends[0],
            value.ends[1],
            value.off,
            value.alive.astype(np.int64),
            np.ones(value.size, np.int8),
            np.ones(value.size, np.int8),
        )
        found = choose(value.records, self._low, self._high, forms, windows)
        marks = _distinct(does.width)
        if self._with_marks:
            rows = (np.where(reads >= 0, own[reads], -2) for own in value.marks)
            marks = np.stack([classes(*own.T) for own in rows])
        window, first, second = found.labels.T
        pair = np.sort(value.marks[0, reads[window, np.stack([first, second])]], axis=0) + 2
        self._settle(found, pair[0] * (int(pair.max(initial=0)) + 1) + pair[1])
        is_none = found.start == 0
        winner = reads[np.arange(does.width), np.where(is_none, 0, found.start - 1)]
        ends = np.where(is_none, 0.0, value.ends[:, winner])
        off = np.where(is_none, 0.0, value.off[winner])
        self._hide(does.coded(found.start), *self._of_symbols(does, found.changes))
        return Value(ends, off, ~is_none, self._joined(found), marks)

    def _of_symbols(self, does: Maximum, changes: IndexArray) -> tuple[IndexArray, IndexArray]:
        """Events, and the bits that they flip, by how symbols change."""
        events, rows = list[IndexArray](), list[IndexArray]()
        differ, windows = changes[:, 2] ^ changes[:, 3], changes[:, 1]
        for place in range(int(does.widths.max(initial=0))):
            flips = (differ >> place) & 1 == 1
            events.append(changes[flips, 0])
            rows.append(self._offset + does.ends[windows[flips]] - 1 - place)
        return np.concatenate(events), np.concatenate(rows)

    def _hide(self, bits: BitArray, events: IndexArray, rows: IndexArray) -> None:
        """One more hidden step: its bits at the start, and which event flips which."""
        self._bits.append(bits)
        self._flips.append((self._same[events], rows))
        self._offset += len(bits)
        self._hidden += 1

    def _settle(self, found: Found, kinds: IndexArray) -> None:
        """Put new events among the known ones. Raises Open where bounds do not part them; new
        events of one kind that they do not part are one event.
        """
        self._signs += found.signs
        if len(found.trouble):
            raise Open(np.clip(found.trouble, 0.0, 1.0))
        if not len(found.low):
            return
        known, count = len(self._low), len(found.low)
        low, high = np.append(self._low, found.low), np.append(self._high, found.high)
        kind = np.append(-1 - np.arange(known), kinds)
        same = np.append(self._same, np.arange(known, known + count))
        order = np.append(self._order, np.arange(known, known + count))
        order = order[np.argsort(low[order], kind="stable")]
        meet = np.flatnonzero(np.maximum.accumulate(high[order])[:-1] >= low[order][1:])
        open_ones = list[tuple[float, float]]()
        dropped = np.zeros(len(order), bool)
        for i in meet.tolist():
            before = int(same[order[i]])
            after = int(order[i + 1])
            if kind[before] == kind[after] and self._with_marks:
                same[after] = before
                low[before], high[before] = (
                    min(low[before], low[after]),
                    max(high[before], high[after]),
                )
                dropped[i + 1] = True
            else:
                open_ones.append((low[order[i + 1]], high[order[: i + 1]].max()))
        order = order[~dropped]
        if not open_ones and bool((high[order][:-1] >= low[order][1:]).any()):
            at = np.flatnonzero(high[order][:-1] >= low[order][1:])
            open_ones = list(zip(low[order][at], high[order][at + 1], strict=True))
        if low[order[0]] <= 0:
            open_ones.append((0.0, float(high[order[0]])))
        if high[order[-1]] >= 1:
            open_ones.append((float(low[order[-1]]), 1.0))
        if open_ones:
            table = np.sort(np.array(open_ones, dtype=np.float64), axis=1)
            wide = 4 * (table[:, 1] - table[:, 0]) + _APART
            raise Open(np.clip(table + np.outer(wide, [-1, 1]).reshape(-1, 2), 0.0, 1.0))
        self._low, self._high, self._same, self._order = low, high, same, order
        rank = np.zeros(len(low), np.int64)
        rank[order] = np.arange(len(order))
        self._rank = rank[same]
        self._steps.append(np.full(count, self._hidden))
        labels = np.full((count, 3), -1, np.int64)
        labels[:, : found.labels.shape[1]] = found.labels
        self._labels.append(labels)

    def _joined(self, found: Found) -> Any:
        """The records of a step, new events among the known ones."""
        own, count = found.records, len(found.low)
        if not count:
            return own
        new = self._same[len(self._low) - count :]
        ids = np.append(own.events, new)
        order = np.argsort(self._rank[ids], kind="stable")
        return arranged(own, found.news, order, ids[order])

    def _result(self) -> Events:
        order, count = self._order, len(self._order)
        place = self._rank
        none = np.zeros(0, np.int64)
        events = np.concatenate([none, *(place[x] for x, _ in self._flips)])
        rows = np.concatenate([none, *(x for _, x in self._flips)])
        by_event = np.lexsort((rows, events))
        return Events(
            np.concatenate([np.zeros(0, bool), *self._bits]),
            self._low[order],
            self._high[order],
            np.searchsorted(events[by_event], np.arange(count + 1)),
            rows[by_event],
            np.concatenate([none, *self._steps])[order],
            np.concatenate([np.zeros((0, 3), np.int64), *self._labels])[order],
            self._signs,
        )


def _start(ends: Sequence[Sequence[Rational]], marks: IndexArray | None) -> Value:
    """The inputs at both ends."""
    size = len(ends[0])
    floats = np.stack([nearest_floats(list(row)) for row in ends])
    exact = np.array(
        [
            [rational(near) == x for near, x in zip(own.tolist(), row, strict=True)]
            for own, row in zip(floats, ends, strict=True)
        ]
    ).reshape(2, size)
    off = np.where(exact, 0.0, rounding_error(floats)).max(axis=0)
    own = _distinct(size) if marks is None else marks
    return Value(floats, off, np.ones(size, bool), nothing_happens(), own)


def _distinct(size: int) -> IndexArray:
    """Marks of entries of which nothing is known."""
    return np.tile(np.arange(size), (3, 1))


def _only_bends(layer: Layer, step: Any, number: int) -> Activation | None:
    """The activation of the next step, where it does nothing but bend what an affine layer gives,
    which no other step reads.
    """
    does, inputs, forgets = step
    if layer.activation.breakpoints or not isinstance(does, Layer):
        return None
    if tuple(layer.activation.pieces[0]) != (Rational(1), Rational(0)):
        return None
    moves = isinstance(does.operator, Selection) and inputs == (number,) == forgets
    if not moves or does.bias.float64().any() or does.width != layer.width:
        return None
    assert isinstance(does.operator, Selection)
    is_plain = np.array_equal(does.operator.places, np.arange(layer.width))
    return does.activation if is_plain else None


def _bends(activation: Activation, one: Sequence[Rational]) -> Bends:
    """An activation as floats."""
    breaks, pieces = activation.breakpoints, activation.pieces
    near = np.array([nearest_float(x) for x in breaks], dtype=np.float64)
    ones = [float(nearest_float(x)) for x in one]
    exact = np.array([rational(x) == y for x, y in zip(near.tolist(), breaks, strict=True)], bool)
    lost = np.where(exact, 0.0, rounding_error(near)) + 4 * U * np.abs(near)
    slopes, shifts = (nearest_floats([piece[k] for piece in pieces]) for k in (0, 1))
    zero = next((k for k, x in enumerate(breaks) if x == 0), -1)
    around = pieces[sum(x < 0 for x in breaks)]
    return Bends(
        near, lost * max(ones) * _UP, slopes, shifts, ones[0], ones[1], zero, bool(around[1] == 0)
    )
