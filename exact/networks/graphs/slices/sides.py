"""Which cells of a cut patch lie side by side: both sides of a cut are tiled by cells, and two that
share more than a point of it are neighbours.

Ends of sides are compared as floats with bounds. What these leave open is the same point where both
sides list the same changes equally often, each in order: a pre-activation is one continuous
function on the cut, whose zeros both sides see. Where a cell was cut in integers, so that more than
two lines may meet, integers compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

import numpy as np

from exact.networks.graphs.slices.lines import Cell, Cut, Lines
from exact.networks.graphs.slices.pieces import Integers, cross, meet, value


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


Place = tuple[int, int]  # a cell, and the number of its side


def neighbours(
    lines: Lines, cells: Sequence[Cell], complete: bool = True
) -> list[tuple[int, int, int]]:
    """Every two cells that share a facet, as numbers, and the cut that it lies on; the first lies
    where the form of the cut is positive. On a line cells share a point. Of cells that are not
    `complete` every two on a cut are compared.
    """
    walls = len(lines.walls)
    sides: dict[int, tuple[list[Place], list[Place]]] = {}
    for index, cell in enumerate(cells):
        for place, (number, side) in enumerate(cell.piece.names):
            if number >= walls:
                sides.setdefault(number, ([], []))[side < 0].append((index, place))
    if len(lines.scale) == 2:
        return [
            (a, b, number)
            for number, (plus, minus) in sides.items()
            for a, _ in plus
            for b, _ in minus
        ]
    return [
        pair
        for number, (plus, minus) in sides.items()
        if plus and minus
        for pair in _Line(lines, cells, number, (*plus, *minus)).pairs(plus, minus, complete)
    ]


class _Line:
    """The cells on both sides of one cut, along one direction."""

    def __init__(
        self, lines: Lines, cells: Sequence[Cell], number: int, places: Sequence[Place]
    ) -> None:
        self._lines, self._cells, self._number = lines, cells, number
        self._by_integers = any(cells[index].by_integers for index, _ in places)
        index, place = places[0]
        along = np.cross(cells[index].piece.forms[place], np.array(lines.scale, dtype=np.float64))
        self._along = along / max(float(np.abs(along).max()), _TINY)

    def _side(self, index: int, place: int) -> Side:
        piece, size = self._cells[index].piece, float(np.abs(self._along).sum())
        after = (place + 1) % len(piece.names)
        ends = [
            End(
                float(self._along @ piece.corners[corner]),
                (
                    float(piece.slack[corner])
                    + _ROUNDING * float(piece.corners[corner] @ piece.corners[corner]) ** 0.5
                )
                * size,
                piece.names[other][0],
            )
            for corner, other in ((place, place - 1), (after, after))
        ]
        low, high = sorted(ends, key=lambda end: end.at)
        return Side(index, low, high)

    def pairs(
        self, plus: Sequence[Place], minus: Sequence[Place], complete: bool
    ) -> list[tuple[int, int, int]]:
        """The cells that share more than a point of the line."""
        sides = [[self._side(*place) for place in own] for own in (plus, minus)]
        if not complete:
            return [
                (a.cell, b.cell, self._number)
                for a in sides[0]
                for b in sides[1]
                if self._compare(a.low, b.high, False) < 0 > self._compare(b.low, a.high, False)
            ]
        rows: list[list[Side]] = [self._sorted(own) for own in sides]
        marks = [self._marks(own) for own in rows]
        known = not self._by_integers and Counter(marks[0][:-1]) == Counter(marks[1][:-1])
        found, i, j = list[tuple[int, int, int]](), 0, 0
        while i < len(rows[0]) and j < len(rows[1]):
            found.append((rows[0][i].cell, rows[1][j].cell, self._number))
            if i == len(rows[0]) - 1 and j == len(rows[1]) - 1:
                break
            first, second = rows[0][i].high, rows[1][j].high
            order = self._compare(first, second, known and marks[0][i] == marks[1][j])
            i, j = i + (order <= 0), j + (order >= 0)
        return found

    def _marks(self, sides: list[Side]) -> list[tuple[Any, int]]:
        """What changes at the higher end of every side, and for how many times so far."""
        seen, found = Counter[Any](), list[tuple[Any, int]]()
        for side in sides:
            cut = self._lines.cuts[side.high.line]
            label = cut.label if isinstance(cut, Cut) else side.high.line
            found.append((label, seen[label]))
            seen[label] += 1
        return found

    def _sorted(self, sides: list[Side]) -> list[Side]:
        def order(a: Side, b: Side) -> int:
            return self._compare(a.high, b.high, False)

        return sorted(sides, key=cmp_to_key(order))

    def _compare(self, first: End, second: End, same: bool) -> int:
        gap, doubt = first.at - second.at, first.slack + second.slack
        if abs(gap) > doubt:
            return 1 if gap > 0 else -1
        if same or first.line == second.line:
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


_ROUNDING = 2.0**-48  # of a product of three terms, many times over
_TINY = 2.0**-1000


def _short(numbers: Integers) -> list[float]:
    """A multiple of integers as floats."""
    largest = max(map(abs, numbers)) or 1
    return [x / largest for x in numbers]
