"""The cells of one straight line, from the enclosures that a filter proved: exact points when they
are asked for.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray, Rational
from exact.geometry.combinatorics.lazy import OnDemand
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import CurveDomain
from exact.geometry.pencils.pencil import dyadic_direction
from exact.geometry.pencils.positions import position_float
from exact.networks.network import Network
from exact.propagation.cursor import Cursor, advance
from exact.propagation.pencil_charts import curve_frame
from exact.regions.arcs.cells import CurveCells, Cut
from exact.regions.arcs.engines.circle import Arc, layer_functions, only_arc
from exact.regions.arcs.engines.edges import Edge, between, float_bounds
from exact.regions.arcs.engines.isolation import Isolated
from exact.regions.cells import Outcome

_OUT = 8 * U  # what a handful of roundings change, relatively


class ProvedLine:
    """A line with its events: hinge `rows[k]` flips at the parameter t between `low[k]` and
    `high[k]`, and `first` are the bits where the line starts.
    """

    def __init__(
        self,
        network: Network,
        domain: CurveDomain,
        rows: IndexArray,
        bounds: tuple[FloatArray, FloatArray],
        first: BitArray,
    ) -> None:
        self.network, self.curve = network, domain.curve()
        self.rows, (self.low, self.high) = rows, diamond_angles(*bounds, self.is_whole)
        starts = np.maximum(np.arange(len(rows) + 2) - 1, 0)
        self.codes = RunningCodes(first, starts, rows)

    @property
    def is_whole(self) -> bool:
        """Whether the line has no end: parameters below 0 come first then."""
        assert self.curve.end is not None, "a straight line is no circle"
        return self.curve.end[0] < 0

    @cached_property
    def arc(self) -> Arc:
        """The whole line behind the norm in front, if there is one."""
        return only_arc(self.network, self.curve)

    def edge(self, index: int) -> Edge:
        """The start, the events in order, and the end."""
        if index in (0, len(self.rows) + 1):
            return self.arc.end if index else self.arc.start
        k = index - 1
        cursor = self._cursor(k)
        functions = layer_functions(cursor, "cpu")
        row, one = self.rows[k : k + 1] - functions.offset, np.arange(2)
        low, high = self.low[k : k + 1], self.high[k : k + 1]
        return Isolated(functions, self.arc.form, low, high, one, row, {})[0]

    def _cursor(self, k: int) -> Cursor:
        """In front of the layer of event k, with the bits of the cell before it."""
        row, cursor = int(self.rows[k]), self.arc.cursor
        bits = np.unpackbits(self.codes.row(k), count=self.codes.hinges).astype(bool).tolist()
        for size in self.network.bits_per_layer:
            assert cursor is not None, "an event belongs to a hidden layer"
            if row < size:
                return cursor
            z = cursor.current.pre_activations(cursor.inner, cursor.one)
            cursor, row, bits = advance(cursor, z, bits[:size]), row - size, bits[size:]
        raise AssertionError("a hinge has a number below their count")

    def cells(self) -> CurveCells:
        """The cells of the line."""

        def cut(index: int) -> Cut:
            found = self.edge(index)
            return Cut(found.find, found.near)

        def witness(index: int) -> tuple[Rational, Rational]:
            return dyadic_direction(between(self.edge(index), self.edge(index + 1)))

        ends = [float_bounds(self.edge(index)) for index in (0, len(self.rows) + 1)]
        inner = np.stack([self.low, self.high], axis=1)
        return CurveCells(
            self.curve,
            curve_frame(self.curve, self.network),
            OnDemand(cut, len(self.rows) + 2, keep=True),
            self.codes,
            OnDemand(witness, len(self.codes), keep=True),
            (),
            Outcome.COMPLETE,
            f"every zero of every pre-activation is isolated and in order: {len(self.rows)} by "
            f"the float64 filter",
            {"filter": len(self.rows), "exact": 0},
            closed=False,
            enclosures=np.concatenate([ends[:1], inner, ends[1:]]),
            breaks=frozenset(),
        )


def diamond_angles(
    low: FloatArray, high: FloatArray, is_whole: bool
) -> tuple[FloatArray, FloatArray]:
    """Enclosures of parameters as diamond angles of the line's pencil, rounded outwards."""
    if not is_whole:
        found = low / (1.0 + low) * (1.0 - _OUT), high / (1.0 + high) * (1.0 + _OUT)
        return found[0], np.minimum(found[1], 1.0)
    angles = [
        np.where(t < 0, 1.0 / (1.0 - np.minimum(t, 0)), 1.0 + np.maximum(t, 0) / (1.0 + np.abs(t)))
        for t in (low, high)
    ]
    return angles[0] * (1.0 - _OUT), np.minimum(angles[1] * (1.0 + _OUT), 2.0)


def float_events(cells: CurveCells) -> tuple[IndexArray, FloatArray]:
    """The hinges that flip along a line, and enclosures of the parameters (events x 2)."""
    sizes = np.diff(cells.codes.starts)[1:]
    near = np.array(
        [position_float(cells.frame, cells.cuts[k + 1].direction) for k in range(len(sizes))]
    )
    bounds = np.stack([np.nextafter(near, -np.inf), np.nextafter(near, np.inf)], axis=1)
    return cells.codes.rows, np.repeat(bounds.reshape(-1, 2), sizes, axis=0)
