"""The lines by which a patch is cut, exactly: each by the walk along the code of the cell that it
cuts, made when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import Rational, RationalArray, coprime_integers
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.slices.open_cells import OpenCell, bits_of
from exact.networks.graphs.slices.parts import Parts
from exact.networks.graphs.slices.patches import Bend, Choice, Patch
from exact.networks.graphs.slices.pieces import ExactPiece, Integers, Piece
from exact.networks.graphs.stops import Stop, begin

_KEPT = 512  # exact walks


@dataclass(frozen=True)
class Cut:
    """A line: where neuron `unit` of a stage is at bend `bend`, or in window `unit` the candidates
    `bend` are equal (as places in the stage's list), on the cell of the codes `taken`.
    """

    taken: tuple[IndexArray, ...]
    stage: int
    unit: int
    bend: int | tuple[int, int]

    @property
    def label(self) -> tuple[Any, ...]:
        """What changes across the line."""
        return self.stage, self.unit, self.bend


@dataclass(frozen=True)
class Cell:
    """A piece of the patch and what the stages so far do on it; `by_integers` says whether one of
    them was left to integers. `known` is what is decided of every stage beforehand: bits, and the
    candidates that win, -1 and -2 where nothing is.
    """

    piece: Piece
    open: OpenCell
    by_integers: bool = False
    known: tuple[IndexArray, ...] | None = None

    def is_open(self, number: int, stage: Bend) -> BitArray:
        """Which bits of a stage are (neurons x bends)."""
        return stage.open if self.known is None else stage.open & (self.known[number] < 0)

    def bits(self, number: int, stage: Bend) -> IndexArray:
        """Those of the open neurons of a stage, as far as they are decided (neurons x bends)."""
        bits = stage.bits.reshape(-1, stage.open.shape[1])[stage.places].astype(np.int64)
        if self.known is None:
            return bits
        known = self.known[number]
        return np.where(known < 0, bits, known)


@dataclass
class Lines:
    """The walls and cuts of a patch of a graph, over the basis of `state`, in which `one` is the
    constant 1. `walls` are the exact forms of the patch's sides in order, positive inside; `scale`
    is a form that is positive on the patch. Lines of `parts`, which compiled loops cut, come behind
    the walls, others behind them.
    """

    graph: Graph
    state: RationalArray
    one: tuple[Rational, ...]
    walls: tuple[Integers, ...]
    scale: Integers
    patch: Patch
    parts: Parts | None = None

    def __post_init__(self) -> None:
        self._cuts = list[Cut]()
        self._stops: OrderedDict[tuple[bytes, ...], Stop] = OrderedDict()
        self._forms: dict[int, Integers] = {}

    def add(
        self,
        cell: Cell,
        stage: int,
        unit: int,
        bend: int | tuple[int, int],
        form: Integers | None = None,
    ) -> int:
        """The number of a new cut of a cell, with its exact form where that is known."""
        self._cuts.append(Cut(cell.open.taken, stage, unit, bend))
        number = self._first + len(self._cuts) - 1
        if form is not None:
            self._forms[number] = form
        return number

    @property
    def _first(self) -> int:
        """The number of the first line that no compiled loop cut."""
        return len(self.walls) if self.parts is None else self.parts.lines

    def cut(self, number: int, taken: tuple[IndexArray, ...] | None = None) -> Cut | None:
        """A cut by its number, None for a wall. `taken` is what was decided on a cell beside it; by
        that its form is the same, and one walk does for all sides of the cell.
        """
        if number < len(self.walls):
            return None
        if number >= self._first:
            return self._cuts[number - self._first]
        assert self.parts is not None, "else there are no lines of it"
        own, stage, unit, bend = self.parts.cut(number)
        return Cut((own if taken is None else taken)[:stage], stage, unit, bend)

    def form(self, number: int, taken: tuple[IndexArray, ...] | None = None) -> Integers:
        """The exact form of a wall or a cut, positive on the side of the greater code; `taken` as
        :meth:`cut` has it.
        """
        if number not in self._forms:
            cut = self.cut(number, taken)
            self._forms[number] = self.walls[number] if cut is None else self._form_of(cut)
        return self._forms[number]

    def _form_of(self, cut: Cut) -> Integers:
        stage, stop = self.patch.stages[cut.stage], self.stop(cut.taken)
        if isinstance(stage, Bend):
            assert isinstance(cut.bend, int)
            bend = stage.layer.activation.breakpoints[cut.bend]
            return self.less(stop.row(int(stage.places[cut.unit])), bend)
        assert isinstance(cut.bend, tuple)
        first, second = (stop.row(self.place(stage, cut.unit, j)) for j in cut.bend)
        return coprime_integers([x - y for x, y in zip(first, second, strict=True)])

    def less(self, row: Sequence[Rational], bend: Rational) -> Integers:
        """A pre-activation less a bend."""
        return coprime_integers([x - bend * y for x, y in zip(row, self.one, strict=True)])

    def unit_of(self, number: int) -> int | None:
        """The unit whose output is zero on a cut, where there is one."""
        cut = self.cut(number)
        return None if cut is None else self._zeros.get(cut.label)

    @cached_property
    def _zeros(self) -> dict[tuple[Any, ...], int]:
        """The neurons whose output is zero where their pre-activation is, by the label of the cuts
        there.
        """
        found = dict[tuple[Any, ...], int]()
        for number, stage in enumerate(self.patch.stages):
            if not isinstance(stage, Bend):
                continue
            bends, pieces = stage.layer.activation.breakpoints, stage.layer.activation.pieces
            for k, bend in enumerate(bends):
                if bend == 0 and pieces[k][1] == 0 == pieces[k + 1][1]:
                    for unit in range(len(stage.places)):
                        found[number, unit, k] = stage.first_unit + unit
        return found

    @staticmethod
    def place(stage: Choice, window: int, candidate: int) -> int:
        """What a candidate reads."""
        number = int(stage.candidates[window, candidate]) - 1
        return stage.does.candidates[int(stage.places[window])][number]

    def stop(self, taken: Sequence[IndexArray]) -> Stop:
        """The exact walk along the code of a cell, in front of its next stage."""
        key = tuple(part.tobytes() for part in taken)
        found = self._stops.get(key)
        if found is None:
            if taken:
                bits = bits_of(self.patch.stages[len(taken) - 1], taken[-1])
                found = self.stop(taken[:-1]).advance(bits)
            else:
                found = begin(self.graph.steps, self.state, self.one)
            self._stops[key] = found
            if len(self._stops) > _KEPT:
                self._stops.popitem(last=False)
        return found

    def exact(self, piece: Piece, taken: tuple[IndexArray, ...] | None = None) -> ExactPiece:
        """A piece by the exact forms of its sides; `taken` as :meth:`cut` has it."""
        return ExactPiece.of(piece.names, lambda number: self.form(number, taken), self.scale)
