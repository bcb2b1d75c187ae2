"""Which cells of a cut patch lie side by side.

Both sides of a cut are tiled by cells. Where all activations are continuous they are tiled alike:
let two cells c, d on one side, with a point between them inside a side of cell e on the other. The
first unit whose code differs on c and d is one affine function on both, or a maximum of the same
ones; along the cut it changes its sign at that point, or its winner, else c and d would agree on
their side. It is continuous, so that it does so along the side of e too, whose code is one: a
contradiction. So the k-th side from one end of a cut on one side is the k-th one on the other, and
floats only have to tell the order of sides by their middles. What they leave open, and cuts of
networks that jump or of lists that are not complete, are compared end by end, in integers where
floats do not tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cmp_to_key

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.errors import EngineDefect
from exact.networks.graphs.slices.lines import Lines
from exact.networks.graphs.slices.patches import Bend
from exact.networks.graphs.slices.pieces import Integers, Polygons, cross, meet, value

_ROUNDING = 2.0**-48  # of a product of three terms, many times over
_TINY = 2.0**-1000


def neighbours(lines: Lines, cells: Polygons, complete: bool = True) -> IndexArray:
    """Every two cells that share more than a point of a side, as numbers (E x 2); the first lies
    where the form of the cut is positive. Of cells that are not `complete` every two on a cut are
    compared. Cost: the sides are sorted.
    """
    inner = np.flatnonzero(cells.side >= 2 * len(lines.walls))
    stages = [stage for stage in lines.patch.stages if isinstance(stage, Bend)]
    tiled_alike = complete and all(stage.layer.activation.is_continuous for stage in stages)
    found, left = [np.zeros((0, 2), np.int64)], inner
    if tiled_alike and len(inner):
        pairs, left = _matched(cells, inner)
        found.append(pairs)
    if len(left):
        order = left[np.argsort(cells.side[left] >> 1, kind="stable")]
        starts = np.flatnonzero(np.diff(cells.side[order] >> 1, prepend=-1))
        for own in np.split(order, starts[1:]):
            plus, minus = (own[cells.side[own] & 1 == k].tolist() for k in (0, 1))
            if plus and minus:
                number = int(cells.side[own[0]]) >> 1
                line = _Line(lines, cells, number, plus[0])
                found.append(np.array(line.pairs(plus, minus, complete)).reshape(-1, 2))
    return np.concatenate(found)


def _along(cells: Polygons, sides: IndexArray) -> tuple[FloatArray, FloatArray]:
    """The middle of every side along its line, and how far it may be off; sides on one line go by
    the direction of the first of them.
    """
    _, first, line = np.unique(cells.side[sides] >> 1, return_index=True, return_inverse=True)
    forms = cells.form[sides[first]][line.reshape(-1)]
    size = np.maximum(np.abs(forms[:, :2]).max(axis=1), _TINY)
    x, y = forms[:, 1] / size, -forms[:, 0] / size
    wide, total, doubt = np.abs(x) + np.abs(y), np.zeros(len(sides)), np.zeros(len(sides))
    for corners in (sides, cells.next[sides]):
        at = cells.corner[corners]
        total += x * at[:, 0] + y * at[:, 1]
        far = np.abs(at[:, :2]).max(axis=1)
        doubt += wide * (at[:, 2] + _ROUNDING * far)
    return total, doubt


def _matched(cells: Polygons, sides: IndexArray) -> tuple[IndexArray, IndexArray]:
    """The pairs of cells on lines both of whose sides are tiled alike, in an order that floats can
    tell; and the sides on other lines.
    """
    middle, doubt = _along(cells, sides)
    names = cells.side[sides]
    order = np.lexsort((middle, names))
    sides, middle, doubt, names = sides[order], middle[order], doubt[order], names[order]
    number = names >> 1
    same = names[1:] == names[:-1]
    unclear = same & ~(middle[1:] - middle[:-1] > doubt[1:] + doubt[:-1])
    lines, place, counts = np.unique(number, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    on_plus = np.bincount(place, weights=names & 1 == 0, minlength=len(lines))
    fine = 2 * on_plus == counts
    fine[place[1:][unclear]] = False
    kept = fine[place]
    plus, minus = (kept & (names & 1 == k) for k in (0, 1))
    apart = np.abs(middle[plus] - middle[minus]) > doubt[plus] + doubt[minus]
    if bool(apart.any()):
        raise EngineDefect(
            "cells do not meet side by side", value=f"line {int(number[plus][apart][0])}"
        )
    pairs = np.stack([cells.owner[sides[plus]], cells.owner[sides[minus]]], axis=1)
    return pairs, sides[~kept]


@dataclass(frozen=True)
class End:
    """An end of a side: its place along the cut within `slack`, and the line that ends it there."""

    at: float
    slack: float
    line: int


@dataclass(frozen=True)
class Side:
    """A side of a cell on a cut, from its lower to its higher end."""

    cell: int
    low: End
    high: End


class _Line:
    """The cells on both sides of one cut, along one direction."""

    def __init__(self, lines: Lines, cells: Polygons, number: int, side: int) -> None:
        self._lines, self._cells, self._number = lines, cells, number
        along = np.cross(cells.form[side], np.array(lines.scale, dtype=np.float64))
        self._along = along / max(float(np.abs(along).max()), _TINY)

    def _side(self, place: int) -> Side:
        cells, size = self._cells, float(np.abs(self._along).sum())
        index, after = int(cells.owner[place]), int(cells.next[place])
        first, last = int(cells.begin[index]), int(cells.begin[index + 1])
        before = place - 1 if place > first else last - 1
        ends = []
        for corner, other in ((place, before), (after, after)):
            x, y, slack = cells.corner[corner].tolist()
            at = float(self._along @ np.array([x, y, 1.0]))
            far = _ROUNDING * (x * x + y * y + 1.0) ** 0.5
            ends.append(End(at, (slack + far) * size, int(cells.side[other]) >> 1))
        low, high = ends if self._compare(*ends) < 0 else ends[::-1]
        return Side(index, low, high)

    def pairs(
        self, plus: Sequence[int], minus: Sequence[int], complete: bool
    ) -> list[tuple[int, int]]:
        """The cells that share more than a point of the line, by the places of their sides."""
        sides = [[self._side(place) for place in own] for own in (plus, minus)]
        if not complete:
            return [
                (a.cell, b.cell)
                for a in sides[0]
                for b in sides[1]
                if self._compare(a.low, b.high) < 0 > self._compare(b.low, a.high)
            ]
        rows: list[list[Side]] = [self._sorted(own) for own in sides]
        found, i, j = list[tuple[int, int]](), 0, 0
        while i < len(rows[0]) and j < len(rows[1]):
            found.append((rows[0][i].cell, rows[1][j].cell))
            if i == len(rows[0]) - 1 and j == len(rows[1]) - 1:
                break
            order = self._compare(rows[0][i].high, rows[1][j].high)
            i, j = i + (order <= 0), j + (order >= 0)
        return found

    def _sorted(self, sides: list[Side]) -> list[Side]:
        def order(a: Side, b: Side) -> int:
            return self._compare(a.high, b.high)

        return sorted(sides, key=cmp_to_key(order))

    def _compare(self, first: End, second: End) -> int:
        gap, doubt = first.at - second.at, first.slack + second.slack
        if abs(gap) > doubt:
            return 1 if gap > 0 else -1
        if first.line == second.line:
            return 0
        return self._exactly(first, second)

    def _exactly(self, first: End, second: End) -> int:
        """The order along the direction by which floats go."""
        lines = self._lines
        form = lines.form(self._number)
        points = [meet([form, lines.form(end.line)], lines.scale) for end in (first, second)]
        along = cross(form, lines.scale)
        turn = 1 if float(np.array(_short(along)) @ self._along) > 0 else -1
        places = [(turn * value(along, p), value(lines.scale, p)) for p in points]
        gap = places[0][0] * places[1][1] - places[1][0] * places[0][1]
        return (gap > 0) - (gap < 0)


def _short(numbers: Integers) -> list[float]:
    """A multiple of integers as floats."""
    largest = max(map(abs, numbers)) or 1
    return [x / largest for x in numbers]
