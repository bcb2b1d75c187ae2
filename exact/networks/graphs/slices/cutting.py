"""Cut a patch by the undecided neurons and windows of a graph, stage by stage: every cell with its
code once, and by which cuts cells lie side by side.

In front of a stage every pre-activation, and every candidate of a maximum, is one affine form on a
cell. Signs at the cell's corners come from floats with proved bounds; a cell at whose corners they
leave one open is cut in integers at that stage, by the forms that an exact walk along its code
gives. A neuron that is zero on two corners and has one sign elsewhere cuts nothing, nor does one
that is zero all over. A maximum is cut into the pieces on which its winners, distinct as functions,
are at least all others. So every cut separates two codes, a code has one cell, and all cells
together fill the patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.slices.by_floats import FloatCuts, Part, Signs, Uncertain
from exact.networks.graphs.slices.by_integers import cut_exactly
from exact.networks.graphs.slices.lines import Cell, Lines
from exact.networks.graphs.slices.open_cells import OpenCell, bent, bits_of, chosen, forms_at
from exact.networks.graphs.slices.patches import Bend, Choice, reduced
from exact.networks.graphs.slices.pieces import Cutting, ExactPiece, Integers, wall_piece

_AT_ONCE = 128  # cells whose forms are computed together


class PatchCutter:
    """The cells of a graph on one patch.

    `walls` are the exact forms of the patch's sides in order, positive inside; on a line of its two
    ends. `scale` is a form that is positive on the patch.
    """

    def __init__(
        self,
        graph: Graph,
        state: RationalArray,
        one: tuple[Rational, ...],
        walls: tuple[Integers, ...],
        scale: Integers,
    ) -> None:
        whole = wall_piece(walls, scale)
        floats = whole.floats(scale, np.ones(len(scale)))
        self.patch = reduced(
            graph.steps_to_last_hinge,
            state,
            one,
            floats.corners,
            float(floats.slack.max()),
            tuple(map(Rational, scale)) == one,
        )
        self.lines = Lines(graph, state, one, walls, scale, self.patch)
        self.cutting = Cutting(self.patch.sizes, np.array(scale, dtype=np.float64))
        self.start = Cell(whole.floats(scale, self.patch.sizes), OpenCell.of(self.patch))
        self._floats, self._exactly = FloatCuts(self.lines, self.cutting), 0
        self._first = np.array(walls[0], dtype=np.float64)

    @property
    def decisions(self) -> dict[str, int]:
        """The signs that floats settled, and the cells that were cut in integers at a stage."""
        return {"filter": self._floats.signs, "exact": self._exactly}

    def exact(self, cell: Cell) -> ExactPiece:
        """A cell by the exact forms of its sides."""
        return self.lines.exact(cell.piece)

    def code(self, cell: Cell) -> BitArray:
        """The bits of all hidden steps on a cell behind the last stage."""
        parts = [
            bits_of(stage, own)
            for stage, own in zip(self.patch.stages, cell.open.taken, strict=True)
        ]
        return np.concatenate([np.zeros(0, bool), *parts])

    def cells(
        self, pause: Callable[[], object] = lambda: None, start: Cell | None = None
    ) -> Iterator[list[Cell]]:
        """The cells behind the last stage of the patch or of a part of it, some at a time; `pause`
        is called now and then.
        """
        waiting = [(0, [self.start if start is None else start])]
        while waiting:
            pause()
            number, cells = waiting.pop()
            if number == len(self.patch.stages):
                yield [replace(cell, open=cell.open.finished) for cell in cells]
                continue
            found = self._behind(number, cells, pause)
            if len(self.lines.scale) == 2:  # along the line, the first part first
                found.sort(key=lambda cell: float((cell.piece.corners @ self._first).min()))
            for first in reversed(range(0, len(found), _AT_ONCE)):
                waiting.append((number + 1, found[first : first + _AT_ONCE]))

    def _behind(
        self, number: int, cells: list[Cell], pause: Callable[[], object] = lambda: None
    ) -> list[Cell]:
        """The parts of cells behind one stage."""
        stage = self.patch.stages[number]
        if not len(stage.places):
            nothing = np.zeros((0, 1) if isinstance(stage, Bend) else 0, np.int64)
            opens = [replace(cell.open, taken=(*cell.open.taken, nothing)) for cell in cells]
            return [replace(cell, open=own) for cell, own in zip(cells, opens, strict=True)]
        forms = forms_at(self.patch, stage, [cell.open for cell in cells])
        found = list[Cell]()
        for i, cell in enumerate(cells):
            pause()
            rows, off = forms.rows[i], forms.off[i]
            life = None if forms.life is None else forms.life[i]
            parts, exactly = self._parts(number, stage, cell, rows, off, life)
            for piece, taken in parts:
                if isinstance(stage, Bend):
                    behind = bent(self.patch, stage, cell.open, rows, off, taken)
                else:
                    behind = chosen(self.patch, stage, cell.open, rows, off, taken)
                by_integers = cell.by_integers or exactly
                found.append(replace(cell, piece=piece, open=behind, by_integers=by_integers))
        return found

    def _parts(
        self,
        number: int,
        stage: Bend | Choice,
        cell: Cell,
        rows: FloatArray,
        off: FloatArray,
        life: Signs | None,
    ) -> tuple[list[Part], bool]:
        """The parts of a cell, and whether integers cut it."""
        try:
            if isinstance(stage, Bend):
                return self._floats.bends(number, stage, cell, rows, off), False
            assert life is not None, "candidates are dead, alive or unknown"
            return self._floats.windows(number, stage, cell, rows, off, life), False
        except Uncertain:
            self._exactly += 1
            parts = cut_exactly(self.lines, number, stage, cell)
            sizes, scale = self.patch.sizes, self.lines.scale
            return [(piece.floats(scale, sizes), taken) for piece, taken in parts], True
