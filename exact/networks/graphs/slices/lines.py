"""The lines by which a patch is cut, exactly: each by the walk along the code of the cell that it
cuts, made when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import Rational, RationalArray, coprime_integers
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.slices.open_cells import OpenCell, bits_of
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
    them was left to integers.
    """

    piece: Piece
    open: OpenCell
    by_integers: bool = False


@dataclass
class Lines:
    """The walls and cuts of a patch of a graph, over the basis of `state`, in which `one` is the
    constant 1. `walls` are the exact forms of the patch's sides in order, positive inside; `scale`
    is a form that is positive on the patch.
    """

    graph: Graph
    state: RationalArray
    one: tuple[Rational, ...]
    walls: tuple[Integers, ...]
    scale: Integers
    patch: Patch
    cuts: list[Cut | Integers] = field(init=False)

    def __post_init__(self) -> None:
        self.cuts = list(self.walls)
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
        self.cuts.append(Cut(cell.open.taken, stage, unit, bend))
        if form is not None:
            self._forms[len(self.cuts) - 1] = form
        return len(self.cuts) - 1

    def form(self, number: int) -> Integers:
        """The exact form of a wall or a cut, positive on the side of the greater code."""
        if number not in self._forms:
            cut = self.cuts[number]
            self._forms[number] = cut if isinstance(cut, tuple) else self._form_of(cut)
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
        cut = self.cuts[number]
        return self._zeros.get(cut.label) if isinstance(cut, Cut) else None

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

    def exact(self, piece: Piece) -> ExactPiece:
        """A piece by the exact forms of its sides."""
        return ExactPiece.of(piece.names, self.form, self.scale)
