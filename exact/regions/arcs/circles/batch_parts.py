"""Circles of a batch, some at a time: what the filter proves, and exact algebra for the rest.

The filter is :mod:`exact.propagation.circle_filters`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, rational
from exact.errors import InvalidInput
from exact.geometry.domains.base import Curve
from exact.geometry.domains.round import GreatCircle
from exact.geometry.pencils.pencil import dyadic_direction, value_sign
from exact.networks.network import Network
from exact.propagation.circle_filters import (
    Bases,
    CircleEvents,
    ReadOut,
    bases,
    circle_events,
    circle_zeros,
    function_errors,
)
from exact.propagation.pencil_charts import curve_frame
from exact.regions.arcs.cells import CurveCells
from exact.regions.arcs.engines.circle import Arc, Circle, layer_functions, only_arc
from exact.regions.arcs.engines.curve_cells import Run, collected
from exact.regions.arcs.engines.edges import Tally, between
from exact.regions.arcs.engines.isolation import Isolated, LayerFunctions, Proposed, arranged
from exact.regions.engine import Job, Problem

RowArray = np.ndarray[Any, np.dtype[np.int32]]
# functions that the filter treats together: on a CPU they fit its cache
_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 24}
_PRODUCTS = 256  # circles, about, whose pre-activations are kept at a time


@dataclass(frozen=True)
class CircleChart:
    """One circle in exact numbers: its basis, and the functions of the layer along it."""

    network: Network
    curve: Curve
    arc: Arc
    functions: LayerFunctions

    @classmethod
    def of(cls, network: Network, circle: GreatCircle, share: float, scale: float) -> CircleChart:
        """In the basis u, scale (v - share u)."""
        a, b = rational(scale), rational(share)
        across = tuple(a * (y - b * x) for x, y in zip(circle.u, circle.v, strict=True))
        curve = replace(circle.curve(), v=across)
        arc = only_arc(network, curve)
        assert arc.cursor is not None, "the network has a hidden layer"
        return cls(network, curve, arc, layer_functions(arc.cursor, "cpu"))

    def collected(self, zeros: Isolated, bits: BitArray, tally: Tally) -> CurveCells:
        """The cells between zeros, the first of which, at (1, 0), has the given bits."""
        run = Run(self.arc.start, self.arc.end, zeros, bits, 0)
        return collected(
            self.network, self.curve, curve_frame(self.curve, self.network), [run], tally, 0
        )


class Part(NamedTuple):
    """Circles begin, begin + 1, ... as the filter leaves them."""

    begin: int
    share: FloatArray
    scale: FloatArray
    usable: BitArray
    events: CircleEvents

    @property
    def left(self) -> list[int]:
        """The circles, counted from `begin`, that exact algebra has to settle."""
        found: list[int] = np.flatnonzero(~(self.events.proved & self.usable)).tolist()
        return found


class Events(NamedTuple):
    """The arrays of events in CircleBatch."""

    rows: RowArray
    low: FloatArray
    high: FloatArray
    opens: BitArray

    @classmethod
    def of_cells(cls, cells: CurveCells) -> Events:
        """Those of one circle that was settled by exact algebra."""
        assert cells.enclosures is not None, "the engine encloses every cut"
        codes, sizes = cells.codes, np.diff(cells.codes.starts)[: len(cells.cuts)]
        opens = np.zeros(len(codes.rows), dtype=bool)
        opens[codes.starts[: len(sizes)]] = True
        low, high = (np.repeat(bounds, sizes) for bounds in cells.enclosures.T)
        return cls(codes.rows.astype(np.int32), low, high, opens)

    def replaced(self, start: int, stop: int, other: Events) -> Events:
        """With other events in the place of some."""
        pairs: zip[tuple[Any, Any]] = zip(self, other, strict=True)
        return Events(*(np.concatenate([old[:start], new, old[stop:]]) for old, new in pairs))


class Piece(NamedTuple):
    """What CircleBatch holds of some circles in a row, with the number of events of each circle."""

    share: FloatArray
    scale: FloatArray
    counts: IndexArray
    events: Events
    first_codes: ByteArray


def filtered(
    read: ReadOut, u: RationalMatrix, v: RationalMatrix, device: str
) -> Generator[Part, None, None]:
    """The circles in parts: one matrix product for a group of them, one sort for a few.

    All of torch's threads share the product; then each works alone on its own few circles, which
    fit its cache. Many small operations shared by threads that wait for each other would take
    several times as long beside other processes.
    """
    few = max(1, _AT_ONCE[device.split(":")[0]] // max(1, len(read.offsets)))
    group, is_zero, threads = few * -(-_PRODUCTS // few), read.is_zero, torch.get_num_threads()
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        for begin in range(0, u.shape[0], group):
            (first, first_error), (second, second_error) = (
                _rows(x, begin, begin + group, device) for x in (u, v)
            )
            frames = bases(read, first, second, first_error, second_error)
            products = _product(frames.inner, read.weight, threads).reshape(
                -1, 2, read.weight.shape[0]
            )

            def part(
                start: int,
                begin: int = begin,
                frames: Bases = frames,
                products: torch.Tensor = products,
            ) -> Part:
                here = slice(start, start + few)
                errors = function_errors(read, frames.errors[here])
                p, q = (read.for_bends(products[here, k]) for k in (0, 1))
                events = circle_events(
                    circle_zeros(p, q, read.offsets, errors), read.offsets, is_zero
                )
                share, scale, usable = (
                    x[here].cpu().numpy() for x in (frames.share, frames.scale, frames.usable)
                )
                return Part(begin + start, share, scale, usable, events)

            yield from pool.map(part, range(0, len(products), few))


def _product(inner: torch.Tensor, weight: torch.Tensor, threads: int) -> torch.Tensor:
    torch.set_num_threads(threads)
    product = inner @ weight.T
    torch.set_num_threads(1)
    return product


def _rows(
    vectors: RationalMatrix, start: int, stop: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Some rows in float64, and the 2-norms of their rounding errors."""
    rows = torch.from_numpy(vectors.float64()[start:stop].copy()).to(device)
    if vectors.is_float:
        return rows, torch.zeros(len(rows), dtype=rows.dtype, device=device)
    return rows, row_norms(torch.from_numpy(vectors.float64_error()[start:stop]).to(device))


def piece_of(part: Part, settled: Mapping[int, CurveCells]) -> Piece:
    """The filter's events, those of settled circles replaced."""
    found, ends = part.events, np.cumsum(part.events.counts)
    bits, starts, cut = found.bits.copy(), ends - found.counts, np.flatnonzero(found.counts)
    bits[cut, found.rows[starts[cut]]] ^= True
    codes, counts = np.packbits(bits, axis=1), found.counts.copy()
    events = Events(found.rows, found.low, found.high, np.ones(len(found.rows), dtype=bool))
    for k in sorted(settled, reverse=True):
        made = Events.of_cells(settled[k])
        events = events.replaced(int(starts[k]), int(ends[k]), made)
        codes[k], counts[k] = np.packbits(settled[k].codes.first), len(made.rows)
    return Piece(part.share, part.scale, counts, events, codes)


def settled_circle(
    network: Network,
    u: RationalMatrix,
    v: RationalMatrix,
    radius: Rational | None,
    part: Part,
    k: int,
) -> CurveCells:
    """One circle by exact algebra, from what the filter proved where its basis was good enough."""
    try:
        circle = GreatCircle(u.row(part.begin + k), v.row(part.begin + k), radius)
        if not part.usable[k]:
            with one_thread():
                found = Circle().run(Job(Problem(network, circle)))
            assert isinstance(found, CurveCells)
            return found
        chart = CircleChart.of(network, circle, float(part.share[k]), float(part.scale[k]))
        return _rearranged(chart, part.events, k)
    except InvalidInput as error:
        raise InvalidInput(
            f"circle {part.begin + k}: {error.wrong}", value=error.value, remedy=error.remedy
        ) from error


def _rearranged(chart: CircleChart, events: CircleEvents, k: int) -> CurveCells:
    """The filter's events put in order exactly, with the zeros of what it abstained on."""
    tally, proposed = Tally(), _proposed(events, k)
    zeros = arranged(
        chart.functions, chart.arc.form, proposed, chart.arc.start, chart.arc.end, tally
    )
    alpha, beta = dyadic_direction(between(chart.arc.start, zeros[0] if zeros else chart.arc.end))
    bits = events.bits[k].copy()
    for row in proposed.undecided.tolist():
        bits[row] = value_sign(chart.functions.exact(row), chart.arc.form, alpha, beta) > 0
    return chart.collected(zeros, bits, tally)


def _proposed(events: CircleEvents, k: int) -> Proposed:
    """The events of one circle, but for functions whose two enclosures meet each other or (1, 0):
    these are undecided.
    """
    stop = int(events.counts[: k + 1].sum())
    mine = slice(stop - int(events.counts[k]), stop)
    rows, low, high = events.rows[mine].astype(np.int64), events.low[mine], events.high[mine]
    pairs = np.argsort(rows, kind="stable").reshape(-1, 2)
    first, second = pairs.T
    meet = (low[first] <= high[second]) & (low[second] <= high[first])
    vague = np.zeros(events.bits.shape[1], dtype=bool)
    vague[rows[first[meet]]] = vague[rows[(low <= 0) | (high >= 4)]] = True
    kept = ~vague[rows]
    return Proposed(rows[kept], low[kept], high[kept], np.flatnonzero(vague | events.undecided[k]))
