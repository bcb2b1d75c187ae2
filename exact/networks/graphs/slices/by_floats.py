"""Cells cut by floats with proved bounds at a stage, as long as these settle every sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray, Rational, nearest_float, rational, rounding_error
from exact.networks.graphs.slices.lines import Cell, Lines
from exact.networks.graphs.slices.open_cells import ALIVE, DEAD, UNKNOWN
from exact.networks.graphs.slices.patches import Bend, Choice
from exact.networks.graphs.slices.pieces import Cutting, Name, Piece

Part = tuple[Piece, IndexArray]
Signs = np.ndarray[Any, np.dtype[np.int8]]
_OPEN = -2  # a window in which several candidates win


class Uncertain(Exception):
    """Floats leave a sign or a corner open."""


@dataclass(frozen=True)
class _Crossing:
    """Lines that cross a cell: their forms within `lost`, and their units and cuts."""

    rows: FloatArray
    lost: FloatArray
    units: IndexArray
    cuts: list[int]


@dataclass
class FloatCuts:
    """Cuts of cells by floats; `signs` counts those that were settled.

    Both methods give the parts of a cell, with the bits of its open neurons or the winners of its
    open windows, -1 for none. They raise Uncertain.
    """

    lines: Lines
    cutting: Cutting
    signs: int = 0

    def bends(
        self, number: int, stage: Bend, cell: Cell, rows: FloatArray, off: FloatArray
    ) -> list[Part]:
        bends, piece = stage.layer.activation.breakpoints, cell.piece
        bits, is_open = cell.bits(number, stage), cell.is_open(number, stage)
        parts = [(piece, bits)]
        for k, bend in enumerate(bends):
            shifted, lost = self._minus(rows, off, bend)
            values, doubt = self._values(piece, shifted, lost)
            doubtful = np.asarray(~(np.abs(values) > doubt) & ~(doubt == 0.0))
            if bool(doubtful[is_open[:, k]].any()):
                raise Uncertain
            on, below = (np.asarray(x.any(axis=1)) for x in (values > 0, values < 0))
            self.signs += int(is_open[:, k].sum()) * values.shape[1]
            fixed = is_open[:, k] & ~(on & below)
            for _, own in parts:
                own[fixed, k] = on[fixed]
            crossing = np.flatnonzero(is_open[:, k] & on & below)
            cuts = [self.lines.add(cell, number, unit, k) for unit in crossing.tolist()]
            lines = _Crossing(shifted[crossing], lost[crossing], crossing, cuts)
            parts = [half for part in parts for half in self._cut_all(*part, k, lines)]
        return parts

    def _cut_all(self, piece: Piece, bits: IndexArray, k: int, lines: _Crossing) -> list[Part]:
        """The parts of a piece between the lines that cross it, with bit k of each line's unit."""
        found, waiting = list[Part](), [(piece, bits, np.arange(len(lines.units)))]
        while waiting:
            piece, bits, left = waiting.pop()
            values, doubt = self._values(piece, lines.rows[left], lines.lost[left])
            if not bool((np.abs(values) > doubt).all()):
                raise Uncertain
            above = values > 0
            on, some = above.all(axis=1), above.any(axis=1)
            bits[lines.units[left], k] = on
            mixed = np.flatnonzero(some & ~on)
            if not len(mixed):
                found.append((piece, bits))
                continue
            first, signs = int(left[mixed[0]]), np.where(above[mixed[0]], 1, -1).tolist()
            cut, row, off = lines.cuts[first], lines.rows[first], float(lines.lost[first])
            halves = self.cutting.split(piece, row, off, signs, [(cut, 1), (cut, -1)])
            if halves is None:
                raise Uncertain
            for half, side in zip(halves, (1, 0), strict=True):
                own = bits.copy()
                own[lines.units[first], k] = side
                waiting.append((half, own, left[mixed[1:]]))
        return found

    def _minus(
        self, rows: FloatArray, off: FloatArray, bend: Rational
    ) -> tuple[FloatArray, FloatArray]:
        """Pre-activations less a bend."""
        if bend == 0:
            return rows, off
        near = nearest_float(bend)
        lost = 0.0 if rational(near) == bend else float(rounding_error(np.array(near)))
        unit = float(np.abs(self.lines.patch.one) @ self.lines.patch.sizes)
        size = np.abs(rows) @ self.lines.patch.sizes + abs(near) * unit
        return rows - near * self.lines.patch.one, (off + 4 * U * size + lost * unit) * (1 + 16 * U)

    def _values(
        self, piece: Piece, rows: FloatArray, off: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Forms at the corners of a piece, and by how much they may be off."""
        size = np.abs(rows)
        doubt = off + 16 * U * (size @ self.lines.patch.sizes)
        return rows @ piece.corners.T, (
            doubt[..., None] + size.sum(axis=-1)[..., None] * piece.slack
        ) * (1 + 64 * U)

    def windows(
        self, number: int, stage: Choice, cell: Cell, rows: FloatArray, off: FloatArray, life: Signs
    ) -> list[Part]:
        winners = self._clear_winners(stage, cell.piece, rows, off, life)
        if cell.known is not None:
            winners = np.where(cell.known[number] == _OPEN, winners, cell.known[number])
        parts = [(cell.piece, winners)]
        for window in np.flatnonzero(winners == _OPEN).tolist():
            there = np.flatnonzero(stage.candidates[window] >= 0).tolist()
            names = dict[tuple[int, int], int]()

            def named(
                i: int, j: int, window: int = window, names: dict[tuple[int, int], int] = names
            ) -> Name:
                pair = (min(i, j), max(i, j))
                if pair not in names:
                    names[pair] = self.lines.add(cell, number, window, pair)
                return names[pair], 1 if i < j else -1

            found = []
            for piece, own in parts:
                names.clear()
                for i in there:
                    source, kinds = stage.source[window], life[window]
                    part = self._where_first(
                        piece, rows[window], off[window], i, there, source, named
                    )
                    if part is not None:
                        taken = own.copy()
                        taken[window] = self._symbol(part, rows[window], off[window], kinds, i)
                        found.append((part[0], taken))
            parts = found
        return parts

    def _clear_winners(
        self, stage: Choice, piece: Piece, rows: FloatArray, off: FloatArray, life: Signs
    ) -> IndexArray:
        """The candidate of each window that wins all over a piece for certain, -1 where that is
        none, else a mark.
        """
        values, doubt = self._values(piece, rows, off)  # windows x candidates x corners
        for unit, corners in self._zeros(piece).items():
            at = (stage.source == unit)[..., None] & corners
            values[at], doubt[at] = 0.0, 0.0
        self.signs += values.size
        there = stage.candidates >= 0
        lows = np.where(there[..., None], values - doubt, -np.inf)
        highs = np.where(there[..., None], values + doubt, -np.inf)
        every = np.arange(len(values))
        best = lows.sum(axis=2).argmax(axis=1)
        least = lows[every, best]
        others = highs.copy()
        others[every, best] = -np.inf
        dead = life == DEAD
        # other constant zeros are the same function as the best, where that is one
        same = dead[every, best][:, None] & dead
        others[same] = -np.inf
        # nowhere below another one, and above it somewhere: so above it all over the inside
        wins = (least[:, None, :] >= others).all(axis=(1, 2))
        wins &= (least[:, None, :] > others).any(axis=2).all(axis=1)
        kind = life[every, best]
        wins &= (kind != UNKNOWN) | (least > 0).any(axis=1)
        return np.where(wins, np.where(kind == DEAD, -1, best), _OPEN)

    def _zeros(self, piece: Piece) -> dict[int, BitArray]:
        """The units that are zero at corners of a piece because it was cut there where they are."""
        found, count = dict[int, BitArray](), len(piece.names)
        for side, (number, _) in enumerate(piece.names):
            unit = self.lines.unit_of(number)
            if unit is not None:
                corners = found.setdefault(unit, np.zeros(count, bool))
                corners[side] = True
                corners[(side + 1) % count] |= len(self.cutting.sizes) > 2
        return found

    def _where_first(
        self,
        piece: Piece,
        rows: FloatArray,
        off: FloatArray,
        i: int,
        there: list[int],
        source: IndexArray,
        named: Any,
    ) -> tuple[Piece, list[int]] | None:
        """The part of a piece where candidate i is the first that is at least all others, and those
        that are the same function; None where it has no inner point.
        """
        equal = list[int]()
        for j in there:
            if j == i:
                continue
            gap, size = rows[i] - rows[j], np.abs(rows[i]) + np.abs(rows[j])
            lost = float((off[i] + off[j] + 2 * U * (size @ self.lines.patch.sizes)) * (1 + 16 * U))
            lost = 0.0 if off[i] == off[j] == 0.0 and not size.any() else lost
            found = self.cutting.signs(piece.corners, piece.slack, gap, lost)
            zeros = self._zeros(piece)
            pair = [
                zeros.get(int(source[k]), none) | (off[k] == 0.0 and not rows[k].any())
                for none in [np.zeros(len(found), bool)]
                for k in (i, j)
            ]
            signs = np.where(pair[0] & pair[1], 0, found).tolist()
            if 2 in signs:
                raise Uncertain
            if not any(signs):  # the same function: the first candidate has it
                if j < i:
                    return None
                equal.append(j)
                continue
            if max(signs) <= 0:
                return None
            if min(signs) < 0:
                if 0 in signs:
                    raise Uncertain
                name, back = named(i, j), named(j, i)
                halves = self.cutting.split(piece, gap, lost, signs, [name, back])
                if halves is None:
                    raise Uncertain
                piece = halves[0]
        return piece, equal

    def _symbol(
        self, part: tuple[Piece, list[int]], rows: FloatArray, off: FloatArray, life: Signs, i: int
    ) -> int:
        """Candidate i, or -1 where it and all that equal it are constant zeros."""
        kinds = [int(life[j]) for j in (i, *part[1])]
        if ALIVE in kinds:
            return i
        if UNKNOWN in kinds:
            values, doubt = self._values(part[0], rows[i], off[i])
            if not bool((np.abs(values) > doubt).any()):
                raise Uncertain
            return i
        return -1
