"""The search for boxes on which linear bounds settle a condition.

The box around a domain is halved again and again. A box is done where all inequalities of one case
are bounded below what they may reach, or where a wall of the domain keeps it out; it is left to
exact arithmetic where few neurons change sign on it, or halving has gone on for long. The boxes
still to be looked at are a stack, so that few are kept at a time. In any number of dimensions the
axis is one along which lines fall most, those of a box that is nearly settled counting most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats, rational
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.boxes import Bounds
from exact.kernels.linear_bounds import Boxes, Chain, Lines, bound

MOST_BOXES = 20_000  # after which boxes are left as they are
FEW = 8  # neurons that change sign, whose cells are listed
WIDE = 12  # dimensions above which cells take long, and may be two to the number of neurons
AGAIN = 32  # halvings, in all, of boxes on which so few change sign, while each gains
_GAIN = 0.75  # of what was left of a condition before, at most, is a gain
DEEPEST = 24  # halvings a dimension
_TOGETHER = 128  # boxes that are bounded in one call, at most
_AT_ONCE = 4e8  # products in one call, some tenths of a second: a budget is not looked at within
HALVED, CASE, WALL, CELLS = "halved", "case", "wall", "cells"


@dataclass(frozen=True)
class Node:
    """A box of the tree: `kind` says what was done with it, `number` along which axis it was
    halved, which case holds, or which wall keeps it out; `children` is the first of two nodes.
    `lines` are the slopes that neurons were bounded by, a bit each.
    """

    kind: str
    number: int
    children: int
    lines: bytes


@dataclass(frozen=True)
class Stack:
    """Boxes in the units of the box around the domain, by their numbers, with bounds of neurons,
    how often they were halved, and by how much the box before missed the condition.
    """

    numbers: IndexArray
    halvings: IndexArray
    missed: FloatArray
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at: Any) -> Stack:
        boxes = Boxes(*(np.ascontiguousarray(x[at]) for x in self.boxes))
        return Stack(self.numbers[at], self.halvings[at], self.missed[at], boxes)


@dataclass(frozen=True)
class OpenBox:
    """A box that is left to exact arithmetic: its number, its ends, and which neurons are nowhere
    below zero on it, and nowhere above.
    """

    number: int
    lo: FloatArray
    hi: FloatArray
    on: BitArray
    off: BitArray

    @property
    def signs(self) -> list[bool | None]:
        """A bit for every neuron, None where it changes sign."""
        pairs = zip(self.on.tolist(), self.off.tolist(), strict=True)
        return [True if on else False if off else None for on, off in pairs]

    def walls(self, bounds: Bounds, *, every: bool = False) -> list[Halfspace]:
        """Its sides as halfspaces over the parameters of the domain, lower before upper; unless
        `every` is asked for, those of the whole box are left out.
        """
        found, dim = list[Halfspace](), len(self.lo)
        for k in range(dim):
            for end, side in ((self.lo[k], 1), (self.hi[k], -1)):
                if every or abs(end) < 1:
                    place = bounds.middle[k] + bounds.half[k] * rational(float(end))
                    row = [Rational(0)] * (dim + 1)
                    row[k], row[dim] = Rational(side), -side * place
                    found.append(Halfspace.of(row))
        return found


@dataclass
class BoxSearch:
    """The tree of boxes so far, and the stack of those to be looked at."""

    chain: Chain
    cases: Sequence[Sequence[int]]
    walls: FloatArray
    nodes: dict[int, Node] = field(default_factory=dict)
    left: list[OpenBox] = field(default_factory=list)
    stack: list[Stack] = field(default_factory=list)
    made: int = 1
    again: int = 0

    @classmethod
    def start(
        cls, chain: Chain, cases: Sequence[Sequence[int]], walls: Sequence[Halfspace], box: Bounds
    ) -> BoxSearch:
        """The whole box, not looked at."""
        dim, neurons = int(chain.widths[0]), int(chain.widths[1:-1].sum())
        none = np.full((1, neurons), np.inf)
        boxes = Boxes(-np.ones((1, dim)), np.ones((1, dim)), -none, none)
        table = np.array([_in_units(wall, box) for wall in walls]).reshape(-1, dim + 1)
        search = cls(chain, cases, table)
        search.stack.append(Stack(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1), boxes))
        return search

    @property
    def dim(self) -> int:
        """The number of parameters."""
        return int(self.chain.widths[0])

    def codes_at(self, places: FloatArray) -> int:
        """About how many signs of all neurons floats see at some points."""
        chain, z, bits = self.chain, places, []
        with np.errstate(all="ignore"):
            for k, (inputs, count) in enumerate(pairwise(chain.widths[:-1].tolist())):
                start, place = chain.starts[k], chain.places[k]
                weight = chain.weights[start : start + inputs * count].reshape(count, inputs)
                z = z @ weight.T + chain.biases[place : place + count]
                bits.append(z > 0)
                z = z * np.where(z > 0, chain.slopes[k, 1], chain.slopes[k, 0])
        if not bits:
            return 1
        every = np.concatenate(bits, axis=1)
        return len(np.unique(every @ np.random.default_rng(0).uniform(size=every.shape[1])))

    def step(self) -> tuple[Boxes, Lines]:
        """Look at some boxes of the stack; the ones that bounds do not settle, with the lines
        above the values there.
        """
        some = self._popped()
        lines = self._bounded(some)
        done = np.zeros(len(some), bool)
        keeps_out = _outside(self.walls, some.boxes)
        for wall in range(len(self.walls)):
            self._settle(some, ~done & keeps_out[:, wall], WALL, wall)
            done |= keeps_out[:, wall]
        for number, case in enumerate(self.cases):
            holds = (lines.upper[:, list(case)] < 0).all(axis=1)
            self._settle(some, ~done & holds, CASE, number)
            done |= holds
        open_, over = some[~done], Lines(*(x[~done] for x in lines))
        changing = ((open_.boxes.low < 0) & (open_.boxes.high > 0)).sum(axis=1)
        many, missed = changing > self._few, self._missed(over)
        # cells of a box take as long as many boxes, so a box that gains is halved, but not without
        # end, for along a tie all boxes may gain and none be settled
        again = ~many & (missed <= _GAIN * open_.missed)
        again &= self.again + np.cumsum(again) <= AGAIN
        self.again += int(again.sum())
        halve = (many | again) & (open_.halvings < DEEPEST * self.dim) & (self.made < MOST_BOXES)
        self._leave(open_[~halve])
        self._halve(open_[halve], Lines(*(x[halve] for x in over)))
        return open_.boxes, over

    @property
    def _few(self) -> int:
        """How many neurons that change sign leave no more cells than may be listed."""
        return FEW if self.dim > WIDE else max(FEW, self.dim)

    def _missed(self, lines: Lines) -> FloatArray:
        """By how much boxes miss the case that is nearest to hold."""
        missed = np.full(len(lines.upper), np.inf)
        for case in self.cases:
            missed = np.minimum(missed, lines.upper[:, list(case)].max(axis=1, initial=-np.inf))
        return missed

    def _popped(self) -> Stack:
        last, together = self.stack.pop(), self._together
        if len(last) > together:
            self.stack.append(last[:-together])
            last = last[-together:]
        return last

    @cached_property
    def _together(self) -> int:
        """How many boxes are bounded in one call: a row of every map is substituted through all
        maps before.
        """
        sizes = (self.chain.widths[:-1] * self.chain.widths[1:]).astype(float)
        products = float((self.chain.widths[1:] * np.cumsum(sizes)).sum())
        return int(min(_TOGETHER, max(1.0, _AT_ONCE / max(products, 1.0))))

    def _bounded(self, some: Stack) -> Lines:
        count, values = len(some), int(self.chain.widths[-1])
        lines = Lines(
            np.empty((count, values, self.dim)),
            np.empty((count, values)),
            np.empty((count, values)),
        )
        bound(self.chain, some.boxes, lines)
        return lines

    def _settle(self, some: Stack, which: BitArray, kind: str, number: int) -> None:
        lines = _chosen_lines(some.boxes)
        for i in np.flatnonzero(which).tolist():
            self.nodes[int(some.numbers[i])] = Node(kind, number, -1, lines[i].tobytes())

    def _leave(self, some: Stack) -> None:
        self._settle(some, np.ones(len(some), bool), CELLS, 0)
        lo, hi, low, high = some.boxes
        for i, number in enumerate(some.numbers.tolist()):
            self.left.append(OpenBox(number, lo[i], hi[i], low[i] >= 0, high[i] <= 0))

    def _halve(self, some: Stack, lines: Lines) -> None:
        """Both halves of boxes onto the stack, along the axis in which the lines fall most as
        shares of what they miss; those on top that are farthest from settled.
        """
        count = len(some)
        if not count:
            return
        boxes, at = some.boxes, np.arange(count)
        with np.errstate(all="ignore"):
            shares = np.abs(lines.slopes) / np.maximum(lines.upper, LEAST_ROOT)[:, :, None]
            falls = shares.sum(axis=1) * (boxes.hi - boxes.lo)
        falls[~np.isfinite(falls).all(axis=1)] = 1.0
        axes = np.argmax(
            np.where(falls.max(axis=1) > 0, falls.T, (boxes.hi - boxes.lo).T).T, axis=1
        )
        chosen = _chosen_lines(boxes)
        for i, axis in enumerate(axes.tolist()):
            first = self.made + 2 * i
            self.nodes[int(some.numbers[i])] = Node(HALVED, axis, first, chosen[i].tobytes())
        middle = (boxes.lo[at, axes] + boxes.hi[at, axes]) / 2
        lower, upper = boxes.hi.copy(), boxes.lo.copy()
        lower[at, axes] = upper[at, axes] = middle
        halves = Stack(
            np.concatenate([self.made + 2 * at, self.made + 2 * at + 1]),
            np.tile(some.halvings + 1, 2),
            np.tile(self._missed(lines), 2),
            Boxes(
                np.concatenate([boxes.lo, upper]),
                np.concatenate([lower, boxes.hi]),
                np.tile(boxes.low, (2, 1)),
                np.tile(boxes.high, (2, 1)),
            ),
        )
        self.made += 2 * count
        self.stack.append(halves[np.argsort(halves.missed, kind="stable")])


def _chosen_lines(boxes: Boxes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Which line bounds each neuron that changes sign, as kernels choose it, bit-packed."""
    return np.packbits(boxes.high > -boxes.low, axis=1)


def _in_units(wall: Halfspace, box: Bounds) -> FloatArray:
    """A wall over the units of the box, scaled to a size near one: factors, then the constant,
    which is raised by what they err by.
    """
    normal = [Rational(x) for x in wall.normal]
    row = [x * h for x, h in zip(normal, box.half, strict=True)]
    row.append(dot(normal, box.middle) + wall.offset)
    scale = max(abs(x) for x in row) or Rational(1)
    table = nearest_floats([x / scale for x in row])
    table[-1] += 4 * (len(row) + 4) * U * np.abs(table).sum() + LEAST_ROOT
    return table


def _outside(walls: FloatArray, boxes: Boxes) -> BitArray:
    """Which walls certainly keep which boxes out (boxes x walls)."""
    factors = walls[:, :-1]
    least, most = np.maximum(-factors, 0), np.maximum(factors, 0)
    reached = boxes.hi @ most.T - boxes.lo @ least.T + walls[:, -1]
    outside: BitArray = reached < 0
    return outside
