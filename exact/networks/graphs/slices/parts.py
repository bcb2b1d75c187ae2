"""The parts into which compiled loops cut a patch, as arrays: cells, with their corners, sides and
codes, and parts on which floats leave a sign open.

What the loops read is the patch's reduced network with its rows sparse; see
:mod:`exact.kernels.patch_cells`. This module is longer than others: what loops read and what they
write are arrays that only make sense beside each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.numbers import nearest_float, rational, rounding_error
from exact.geometry.budgets import Alarm
from exact.geometry.combinatorics.varying_codes import Varying
from exact.kernels import patch_cells as kernel
from exact.kernels.patch_cells import Blocks, Found, Plan, Scratch, Stack
from exact.networks.graphs.slices.patches import Bend, Choice, Patch
from exact.networks.graphs.slices.pieces import Piece, Polygons

_UP = 1.0 + 2.0**-30
Arrays = dict[str, np.ndarray[Any, Any]]


def _plan(patch: Patch) -> Plan:
    count = patch.units
    window, sure = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    activation, twin = np.zeros(count, np.int32), np.arange(count, dtype=np.int32)
    first, tables = [0], list[tuple[Any, ...]]()
    bends, lost, zero = list[float](), list[float](), list[bool]()
    for stage in patch.stages:
        own = slice(stage.first_unit, stage.first_unit + len(stage.places))
        if isinstance(stage, Choice):
            window[own] = 1
            continue
        sure[own], activation[own] = stage.sure, len(tables)
        _, place, back = np.unique(stage.same, return_index=True, return_inverse=True)
        twin[own] = stage.first_unit + place[back.reshape(-1)]
        pieces = stage.layer.activation.pieces
        for k, bend in enumerate(stage.layer.activation.breakpoints):
            near = nearest_float(bend)
            bends.append(near)
            is_near = rational(near) == bend
            lost.append(0.0 if is_near else float(rounding_error(np.array(near))))
            zero.append(bend == 0 and pieces[k][1] == 0 == pieces[k + 1][1])
        first.append(len(bends))
        tables.append(stage.tables)
    slope, shift, flat, same, shifted = (
        np.concatenate([table[k] for table in tables]) if tables else np.zeros(0) for k in range(5)
    )
    return Plan(
        np.ascontiguousarray(patch.sizes),
        window,
        activation,
        twin,
        sure,
        np.array(first, dtype=np.int32),
        np.array(bends, dtype=np.float64),
        np.array(lost, dtype=np.float64),
        np.array(zero, dtype=np.uint8),
        slope.astype(np.float64),
        shift.astype(np.float64),
        *(x.astype(np.uint8) for x in (flat, same, shifted)),
    )


@dataclass
class _Rows:
    """The rows of all units, sparse, with what stands beside them."""

    patch: Patch

    def blocks(self, twin: IndexArray) -> tuple[Arrays, int, int]:
        """The first block, of all units; how many rows it has, and the candidates of a window at
        most.
        """
        patch, k = self.patch, self.patch.basis
        unit_of = np.zeros(patch.variables, np.int32)
        for stage in patch.stages:
            if isinstance(stage, Bend):
                count = len(stage.places)
                unit_of[stage.first_variable + np.arange(count)] = stage.first_unit + np.arange(
                    count
                )
            else:
                many = stage.variables >= 0
                unit_of[stage.variables[many]] = stage.first_unit + np.flatnonzero(many)
        parts: dict[str, list[np.ndarray[Any, Any]]] = {}

        def add(**columns: np.ndarray[Any, Any]) -> None:
            for name, column in columns.items():
                parts.setdefault(name, []).append(column)

        nothing = np.zeros(0, np.int64)
        add(
            **dict.fromkeys(
                (*_OF_UNITS[2:], "count", "life", "source", "local", "candidate"), nothing
            )
        )
        add(**dict.fromkeys((*_OF_ENTRIES, "entries"), nothing), form=np.zeros((0, k + 1)))
        row, key, most = 0, patch.units, 1
        for stage in patch.stages:
            count = len(stage.places)
            if isinstance(stage, Bend):
                kept, rows, heft = np.ones((count, 1), bool), stage.rows, stage.heft
                add(
                    low=(
                        ~stage.open & stage.bits.reshape(-1, stage.open.shape[1])[stage.places]
                    ).sum(axis=1)
                )
                add(high=parts["low"][-1] + stage.open.sum(axis=1), base=np.full(count, -1))
                nothing = np.zeros(count, np.int64)
                add(life=nothing, source=nothing - 1, local=nothing - 1, candidate=nothing)
                errors = stage.share * heft[:, k:]
            else:
                kept = stage.candidates >= 0
                rows, heft = stage.rows[kept], stage.heft[kept]
                add(low=np.full(count, kernel.UNSETTLED), high=np.full(count, kernel.UNSETTLED))
                column = np.cumsum(kept, axis=1) - 1
                begins = row + np.cumsum(kept.sum(axis=1)) - kept.sum(axis=1)
                add(base=begins + column[np.arange(count), stage.base])
                life = np.where(
                    stage.sure, kernel.ALIVE, np.where(stage.alive, kernel.UNKNOWN, kernel.DEAD)
                )[kept]
                source = stage.source[kept].astype(np.int64)
                add(life=life, local=source, candidate=np.nonzero(kept)[1])
                places = _read(stage)[kept]
                neuron = np.zeros(len(source), bool)
                neuron[source >= 0] = ~_is_window(patch)[source[source >= 0]]
                named = np.where(source >= 0, twin[np.maximum(source, 0)], key + places)
                add(source=named)
                key += stage.does.input_dim
                # what is a neuron's output and nothing else is that exactly
                errors = np.where(neuron[:, None], 0.0, stage.share * heft[:, k:])
            add(count=kept.sum(axis=1))
            off = stage.share * (heft[:, :k] @ patch.sizes) * _UP
            add(form=np.column_stack([rows[:, :k], off]))
            at, columns = np.nonzero((rows[:, k:] != 0) | (errors != 0))
            add(entries=np.bincount(at, minlength=len(rows)), column=unit_of[columns])
            add(value=rows[at, k + columns], error=errors[at, columns] * _UP)
            row, most = row + len(rows), max(most, int(kept.sum(axis=1).max(initial=1)))
        found = {name: np.concatenate(own) for name, own in parts.items()}
        found["rows"] = np.concatenate([[0], np.cumsum(found.pop("count"))])
        found["start"] = np.concatenate([[0], np.cumsum(found.pop("entries"))])
        found["unit"] = np.arange(patch.units)
        found["live"] = np.ones(row)
        return found, row, most


def _read(stage: Choice) -> IndexArray:
    """The places that candidates read (windows x most)."""
    windows = stage.does.windows[stage.places]
    order = np.argsort(windows < 0, axis=1, kind="stable")
    packed = np.take_along_axis(windows, order, axis=1)
    found: IndexArray = np.take_along_axis(packed, np.maximum(stage.candidates - 1, 0), axis=1)
    return found


def _is_window(patch: Patch) -> BitArray:
    found = np.zeros(patch.units, bool)
    for stage in patch.stages:
        if isinstance(stage, Choice):
            found[stage.first_unit : stage.first_unit + len(stage.places)] = True
    return found


_KINDS: dict[str, Any] = {
    **dict.fromkeys(("unit", "low", "high", "source", "local", "candidate", "column"), np.int32),
    **dict.fromkeys(("rows", "base", "start"), np.int64),
    **dict.fromkeys(("form", "value", "error"), np.float64),
    "life": np.int8,
    "live": np.uint8,
}
_OF_UNITS = ("unit", "rows", "base", "low", "high")
_OF_ENTRIES = ("column", "value", "error")


def _blocks(first: Arrays, units: int, rows: int) -> Blocks:
    """Room for blocks, with the first one in it."""
    made: Arrays = {"head": np.zeros((64, 3), np.int64), "size": np.zeros((64, 2), np.int64)}
    made["size"][0] = units, rows
    for name in Blocks._fields[2:]:
        given = first[name]
        if name in _OF_UNITS:
            room = 3 * units + 4096
        elif name in _OF_ENTRIES:
            room = 3 * len(given) + 65536
        else:
            room = 3 * rows + 8192
        made[name] = np.zeros((room, *given.shape[1:]), _KINDS[name])
        made[name][: len(given)] = given
    return Blocks(**made)


def _grown(arrays: Any) -> Any:
    """The same arrays with twice the room; rows are kept."""
    made = []
    for array in arrays:
        wide = np.zeros((2 * len(array), *array.shape[1:]), array.dtype)
        wide[: len(array)] = array
        made.append(wide)
    return type(arrays)(*made)


def _scratch(units: int, rows: int, most: int) -> Scratch:
    n, r, c = units + 1, rows + 1, kernel.CORNERS
    of_units = {**dict.fromkeys(("form",), (n, 3)), **dict.fromkeys(("own_form",), (n, 4))}
    kinds = {
        **dict.fromkeys(("known", "doubtful", "needed", "is_touched"), np.uint8),
        **dict.fromkeys(("low", "high", "place", "touched"), np.int32),
        **dict.fromkeys(("own_start", "own_end"), np.int64),
    }
    others: dict[str, tuple[tuple[int, ...], Any]] = {
        "row": ((r, 5), np.float64),
        "ready": ((r,), np.uint8),
        "live": ((r,), np.uint8),
        "life": ((r,), np.int8),
        "points": ((3, c, 3), np.float64),
        "sides": ((3, c), np.int32),
        "signs": ((c,), np.int8),
        "pair": ((most + 1, most + 1), np.int32),
        "met": ((3,), np.float64),
    }
    made = dict[str, np.ndarray[Any, Any]]()
    for name in Scratch._fields:
        shape, kind = others.get(name, (of_units.get(name, (n,)), kinds.get(name, np.float64)))
        made[name] = np.zeros(shape, kind)
    return Scratch(**made)


class Parts:
    """The parts of a patch between walls, from `start` on, which is all of it."""

    def __init__(self, patch: Patch, start: Piece) -> None:
        self.patch, self._plan = patch, _plan(patch)
        self.walls = len(start.names)
        given, rows, self._most = _Rows(patch).blocks(self._plan.twin)
        self._blocks = _blocks(given, patch.units, rows)
        self._scratch = _scratch(patch.units, rows, self._most)
        self._t = np.zeros(kernel.COUNTERS, np.int64)
        self._t[[kernel.BLOCKS, kernel.UNITS, kernel.ROWS]] = 1, patch.units + 1, rows + 1
        self._t[kernel.ENTRIES] = len(given["value"])
        self._begin(given, rows, start)

    def _begin(self, given: Arrays, rows: int, start: Piece) -> None:
        units, n, parts = self.patch.units, len(start.names), self._most + 3
        corners = parts * kernel.CORNERS
        self._stack = Stack(
            np.zeros((4 * parts + 64, 6), np.int64),
            np.zeros((2 * corners + 4096, 3)),
            np.zeros(2 * corners + 4096, np.int32),
            np.zeros((parts + 2) * units + 4096, np.int32),
            np.zeros((parts + 2) * units + 4096, np.int32),
            np.zeros((parts + 2) * rows + 4096, np.uint8),
        )
        self._stack.head[0] = 0, -1, 0, 0, 0, n
        self._stack.corner[:n, :2], self._stack.corner[:n, 2] = start.corners[:, :2], start.slack
        self._stack.side[:n] = [2 * number + (side < 0) for number, side in start.names]
        self._stack.low[:units], self._stack.high[:units] = given["low"], given["high"]
        self._stack.live[:rows] = 1
        own = [kernel.DEPTH, kernel.HELD_CORNERS, kernel.HELD_UNITS, kernel.HELD_ROWS]
        self._t[own] = 1, n, units, rows
        size = parts * parts + 4096
        self.found = Found(
            np.zeros(size, np.int32),
            np.zeros(size + 1, np.int64),
            np.zeros(4 * units + size, np.int32),
            np.zeros(4 * units + size, np.int32),
            np.zeros((size, 4)),
            np.full((size, 4), -1, np.int32),
            np.full((size, 2), -1, np.int32),
            np.zeros(size, np.uint8),
            np.zeros(size, np.int32),
            np.zeros(size + 1, np.int64),
            np.zeros((8 * size, 3)),
            np.zeros(8 * size, np.int32),
        )
        self.found.line[:n, :3], self.found.line[:n, 3] = start.forms, start.off
        self._t[kernel.CUTS] = n

    def run(self, most: int, alarm: Alarm) -> bool:
        """Cut until there are `most` cells or the alarm rings; whether no part is left."""
        sums = np.zeros(6)
        while True:
            why = kernel.cut(
                self._plan,
                self._blocks,
                self._stack,
                self.found,
                self._scratch,
                self._t,
                sums,
                self._most,
                most,
                alarm,
            )
            if why == kernel.ROOM_BLOCKS:
                self._blocks = _grown(self._blocks)
            elif why == kernel.ROOM_STACK:
                self._stack = _grown(self._stack)
            elif why == kernel.ROOM_FOUND:
                self.found = _grown(self.found)
            else:
                return bool(why == kernel.DONE)

    @property
    def signs(self) -> int:
        """The decisions that floats made: of units on parts, and at corners."""
        return int(self._t[kernel.SIGNS] + self._t[kernel.DECISIONS])

    @property
    def lines(self) -> int:
        """The number of walls and lines."""
        return int(self._t[kernel.CUTS])

    @property
    def count(self) -> int:
        """The number of parts."""
        return int(self._t[kernel.PARTS])

    @property
    def cell_count(self) -> int:
        """The number of cells."""
        return int(self._t[kernel.FOUND_CELLS])

    @property
    def cells(self) -> IndexArray:
        """The parts on which nothing is open."""
        return np.flatnonzero(self.found.kind[: self.count] == kernel.CELL)

    @property
    def open(self) -> IndexArray:
        """Those on which a sign is."""
        return np.flatnonzero(self.found.kind[: self.count] == kernel.OPEN)

    def polygons_of(self, parts: IndexArray) -> Polygons:
        """Some parts, ascending, as polygons."""
        begin, end = self.found.begin[parts], self.found.begin[parts + 1]
        starts = np.concatenate([[0], np.cumsum(end - begin)])
        at = np.arange(starts[-1]) + np.repeat(begin - starts[:-1], end - begin)
        side = self.found.side[at]
        line = self.found.line[side >> 1]
        return Polygons(
            starts, self.found.corner[at], side.astype(np.int64), line[:, :3], line[:, 3]
        )

    @property
    def polygons(self) -> Polygons:
        """The cells."""
        return self.polygons_of(self.cells)

    def piece(self, part: int) -> Piece:
        """A part as a polygon."""
        return self.polygons_of(np.array([part])).piece(0)

    def known_on(self, part: int) -> tuple[IndexArray, ...]:
        """What is decided on a part; see :meth:`known`."""
        return self.known(int(self.found.node[part]))

    def taken_on(self, part: int) -> tuple[IndexArray, ...]:
        """What is taken on a part; see :meth:`taken`."""
        return self.taken(int(self.found.node[part]))

    def decided(self, node: int) -> IndexArray:
        """What is decided of every unit: a neuron's piece, a window's candidate or NONE, UNSETTLED
        where nothing is.
        """
        found, parent = np.full(self.patch.units, kernel.UNSETTLED, np.int64), self.found.parent
        while node >= 0:
            own = slice(int(self.found.decided[node]), int(self.found.decided[node + 1]))
            found[self.found.unit[own]] = self.found.taken[own]
            node = int(parent[node])
        return found

    def known(self, node: int) -> tuple[IndexArray, ...]:
        """What is decided of every stage: bits of neurons (neurons x bends), candidates of windows;
        -1 and UNSETTLED where nothing is.
        """
        found, decided = list[IndexArray](), self.decided(node)
        for stage in self.patch.stages:
            own = decided[stage.first_unit : stage.first_unit + len(stage.places)]
            if isinstance(stage, Bend):
                bits = (own[:, None] > np.arange(stage.open.shape[1])).astype(np.int64)
                bits[own == kernel.UNSETTLED] = -1
                own = bits
            found.append(own)
        return tuple(found)

    def taken(self, node: int) -> tuple[IndexArray, ...]:
        """The bits or symbols of every stage; off and none where nothing is decided."""
        found = list[IndexArray]()
        for stage, own in zip(self.patch.stages, self.known(node), strict=True):
            if isinstance(stage, Bend):
                found.append(np.maximum(own, 0))
            else:
                every = np.arange(len(own))
                found.append(np.where(own < 0, 0, stage.candidates[every, np.maximum(own, 0)]))
        return tuple(found)

    def cut(self, line: int) -> tuple[tuple[IndexArray, ...], int, int, int | tuple[int, int]]:
        """A line that is no wall: what was taken where it cuts, its stage, the unit of it, and the
        bend or the two candidates.
        """
        node, number, first, second = self.found.cut[line].tolist()
        begins = [stage.first_unit for stage in self.patch.stages]
        stage = int(np.searchsorted(begins, number, side="right")) - 1
        bend = first if second < 0 else (first, second)
        return self.taken(node), stage, number - begins[stage], bend

    def codes(self, hinges: int) -> tuple[ByteArray, Varying]:
        """The bits of the codes of all cells, in order, that the patch leaves open, and what the
        others are.
        """
        first_bit, first_symbol = (np.full(self.patch.units, -1, np.int64) for _ in range(2))
        symbols, begin, own = list[int](), 0, [np.zeros(0, bool)]
        is_open = np.zeros(hinges, bool)
        for stage in self.patch.stages:
            units = stage.first_unit + np.arange(len(stage.places))
            bits = stage.template.copy()
            if isinstance(stage, Bend):
                wide = stage.open.shape[1]
                first_bit[units] = begin + stage.places * wide
                bits.reshape(-1, wide)[stage.places] = False
                is_open[first_bit[units][:, None] + np.arange(wide)] = True
            else:
                ends, widths = stage.does.ends[stage.places], stage.does.widths[stage.places]
                first_bit[units] = begin + ends - widths
                for first, wide in zip(first_bit[units].tolist(), widths.tolist(), strict=True):
                    is_open[first : first + wide] = True
                table = np.column_stack([widths, 0 * widths, stage.candidates])
                first_symbol[units] = len(symbols) + 1 + np.arange(len(units)) * table.shape[1]
                symbols += table.reshape(-1).tolist()
            begin += len(bits)
            own.append(bits)
        cells, columns = self.cells, np.flatnonzero(is_open)
        found = np.zeros((len(cells), (len(columns) + 7) // 8), np.uint8)
        place = np.cumsum(is_open) - 1
        first_bit[first_bit >= 0] = place[first_bit[first_bit >= 0]]
        nodes = int(self._t[kernel.NODES])
        kernel.expand(
            self.found,
            self.found.node[cells].astype(np.int64),
            first_bit,
            np.array(symbols, dtype=np.int64),
            first_symbol,
            np.zeros(nodes + 1, np.int64),
            np.zeros(nodes + 1, np.uint8),
            np.zeros(found.shape[1], np.uint8),
            found,
        )
        return found, Varying(columns, np.packbits(np.concatenate(own)))
