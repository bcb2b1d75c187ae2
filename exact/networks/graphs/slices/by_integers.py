"""Cells cut in integers at a stage: where floats leave a sign open.

A neuron that is zero on corners and has one sign elsewhere cuts nothing, nor does one that is zero
all over. Of candidates that are one function the first stands for all.
"""

from __future__ import annotations

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import Rational, coprime_integers
from exact.networks.graphs.slices.lines import Cell, Lines
from exact.networks.graphs.slices.patches import Bend, Choice
from exact.networks.graphs.slices.pieces import ExactPiece

Part = tuple[ExactPiece, IndexArray]
_OPEN = -2  # a window whose winner is not known


def cut_exactly(lines: Lines, number: int, stage: Bend | Choice, cell: Cell) -> list[Part]:
    """The parts of a cell behind a stage, with the bits of its open neurons or the winners of its
    open windows, -1 for none.
    """
    if isinstance(stage, Bend):
        return _bends(lines, number, stage, cell)
    return _windows(lines, number, stage, cell)


def _bends(lines: Lines, number: int, stage: Bend, cell: Cell) -> list[Part]:
    bends, stop = stage.layer.activation.breakpoints, lines.stop(cell.open.taken)
    whole = lines.exact(cell.piece)
    parts: list[Part] = [(whole, cell.bits(number, stage))]
    for unit, k in np.argwhere(cell.is_open(number, stage)).tolist():
        form = lines.less(stop.row(int(stage.places[unit])), bends[k])
        signs = whole.signs(form)
        if min(signs) >= 0 or max(signs) <= 0:
            for _, own in parts:
                own[unit, k] = max(signs) > 0
            continue
        cut = lines.add(cell, number, unit, k, form)
        parts = [
            (half, _with(own, (unit, k), side > 0))
            for piece, own in parts
            for half, side in _halves(lines, piece, form, cut)
        ]
    return parts


def _with(bits: IndexArray, place: tuple[int, int], bit: bool) -> IndexArray:
    found = bits.copy()
    found[place] = bit
    return found


def _halves(
    lines: Lines, piece: ExactPiece, form: tuple[int, ...], cut: int
) -> list[tuple[ExactPiece, int]]:
    """The parts of a piece on both sides of a line, each with its side."""
    signs = piece.signs(form)
    sides = [side for side in (1, -1) if side in signs]
    if len(sides) == 1:
        return [(piece, sides[0])]
    return [(piece.part(form, signs, side, (cut, side), lines.scale), side) for side in sides]


def _windows(lines: Lines, number: int, stage: Choice, cell: Cell) -> list[Part]:
    known = np.full(len(stage.places), _OPEN) if cell.known is None else cell.known[number]
    parts: list[Part] = [(lines.exact(cell.piece), known)]
    for window in np.flatnonzero(known == _OPEN).tolist():
        symbols, rows = _functions(lines, stage, cell, window)
        found = list[Part]()
        for piece, own in parts:
            pairs = _Pairs(lines, number, cell, window, rows)
            for i, symbol in symbols.items():
                part = pairs.where_first(piece, i)
                if part is not None:
                    taken = own.copy()
                    taken[window] = symbol
                    found.append((part, taken))
        parts = found
    return parts


def _functions(
    lines: Lines, stage: Choice, cell: Cell, window: int
) -> tuple[dict[int, int], dict[int, list[Rational]]]:
    """The candidates of a window that are the first of their functions, with what is said where
    they win, and their functions.
    """
    stop = lines.stop(cell.open.taken)
    alive = stop.value[1]
    first, lives = dict[tuple[Rational, ...], int](), set[tuple[Rational, ...]]()
    for j in np.flatnonzero(stage.candidates[window] >= 0).tolist():
        place = lines.place(stage, window, j)
        key = tuple(stop.row(place))
        first.setdefault(key, j)
        lives |= {key} if alive[place] else set()
    # a constant zero that nothing alive equals is none
    symbols = {j: j if any(key) or key in lives else -1 for key, j in first.items()}
    return symbols, {j: list(key) for key, j in first.items()}


class _Pairs:
    """The candidates of a window on one part of a cell: each two of them cut it by one line."""

    def __init__(
        self, lines: Lines, number: int, cell: Cell, window: int, rows: dict[int, list[Rational]]
    ) -> None:
        self._lines, self._number, self._cell = lines, number, cell
        self._window, self._rows = window, rows
        self._cuts = dict[tuple[int, int], int]()

    def where_first(self, piece: ExactPiece, i: int) -> ExactPiece | None:
        """Where candidate i is at least all others; None where that has no inner point."""
        for j in self._rows:
            if j == i:
                continue
            pair, side = (min(i, j), max(i, j)), 1 if i < j else -1
            both = zip(self._rows[pair[0]], self._rows[pair[1]], strict=True)
            form = coprime_integers([x - y for x, y in both])
            signs = piece.signs(form)
            if all(x * side <= 0 for x in signs):
                return None
            if any(x * side < 0 for x in signs):
                if pair not in self._cuts:
                    self._cuts[pair] = self._lines.add(
                        self._cell, self._number, self._window, pair, form
                    )
                name = self._cuts[pair], side
                piece = piece.part(form, signs, side, name, self._lines.scale)
        return piece
