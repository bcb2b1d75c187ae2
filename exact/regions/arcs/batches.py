"""Many circles at once through the first hidden layer: one matrix product, one sort per circle,
exact outcome for each.

A layer of the width of GPT-2 small has some five thousand crossings on a circle, and float64 proves
almost all of them in order from error bounds alone (see circle_filters). Circles on which the
filter abstains anywhere are settled by exact algebra at once; the partition of any circle, with
exact points, is made from the same arrays when asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, overload

import numpy as np
import torch

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, rational
from exact.errors import InvalidInput, TooLarge, Unsupported
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve
from exact.geometry.domains.round import GreatCircle
from exact.geometry.pencils.pencil import diamond_directions_float, dyadic_direction, value_sign
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
from exact.propagation.enclosures import row_norms
from exact.propagation.pencil_charts import curve_frame
from exact.regions.arcs.cells import CurveCells
from exact.regions.arcs.engines.circle import Arc, Circle, layer_functions, only_arc
from exact.regions.arcs.engines.curve_cells import Run, collected
from exact.regions.arcs.engines.isolation import (
    Isolated,
    LayerFunctions,
    Proposed,
    Tally,
    arranged,
    between,
)
from exact.regions.arcs.partition import CurvePartition
from exact.regions.arcs.records import curve_cells, curve_parts
from exact.regions.cells import Outcome
from exact.regions.engine import Job, Problem

RowArray = np.ndarray[Any, np.dtype[np.int32]]
# functions that the filter treats together: on a CPU they fit its cache
_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 24}
_PRODUCTS = 256  # circles, about, whose pre-activations are kept at a time
DEFAULT_LIMIT = 10**9


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class CircleBatch(Sequence[CurvePartition]):
    """The great circles through rows of u and v, cut by one hidden layer; `batch[i]` is the
    partition of circle i.

    Event k of circle i, counter-clockwise from u_i towards v_i, is number `starts[i] + k` of these
    arrays: hinge `rows[...]` changes sign at a point enclosed by the diamond angles `low[...]` and
    `high[...]` (float64, see curves) in the basis `u_i, scale[i] (v_i - share[i] u_i)`, orthonormal
    up to rounding and a factor. `opens` marks the first event of every point. `first_codes` are the
    packed codes (B x bytes) of the cells that start at the first events; on a circle that nothing
    cuts, that of the circle. `settled` holds the circles on which the filter abstained and exact
    algebra decided; their angles are those of `settled[i].curve`.
    """

    network: Network
    u: RationalMatrix
    v: RationalMatrix
    radius_squared: Rational | None
    share: FloatArray
    scale: FloatArray
    starts: IndexArray
    rows: RowArray
    low: FloatArray
    high: FloatArray
    opens: BitArray
    first_codes: ByteArray
    settled: Mapping[int, CurveCells]

    def __eq__(self, other: object) -> bool:
        """Whether networks and circles are equal, and on each the same hinges change sign in the
        same order.
        """
        if not isinstance(other, CircleBatch):
            return NotImplemented
        given = ("network", "u", "v", "radius_squared")
        found = ("starts", "rows", "opens", "first_codes")
        return all(getattr(self, name) == getattr(other, name) for name in given) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in found
        )

    def __hash__(self) -> int:
        return hash((self.network, self.u, self.v, self.radius_squared))

    def __reduce__(self) -> tuple[object, ...]:
        """The arrays as they are, and the circles that exact algebra settled by their cells as
        plain arrays.
        """
        settled = {place: curve_parts(cells) for place, cells in self.settled.items()}
        return _restored, (
            {entry.name: getattr(self, entry.name) for entry in fields(self)}
            | {"settled": settled},
        )

    def _circle(self, place: int) -> GreatCircle:
        return GreatCircle(self.u.row(place), self.v.row(place), self.radius_squared)

    def __repr__(self) -> str:
        arcs = int(self.cell_counts.sum())
        return (
            f"<{len(self):,} circle{'s' * (len(self) != 1)}, {arcs:,} arc{'s' * (arcs != 1)}, "
            f"{self.outcome.value}>"
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> CurvePartition: ...

    @overload
    def __getitem__(self, index: slice) -> list[CurvePartition]: ...

    def __getitem__(self, index: int | slice) -> CurvePartition | list[CurvePartition]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        circle = self._circle(place)
        cells = self.settled[place] if place in self.settled else self._cells(place, circle)
        return CurvePartition(Problem(self.network, circle), Circle.name, cells)

    @property
    def outcome(self) -> Outcome:
        """COMPLETE: a batch knows every circle, or its making raised Undecided."""
        return Outcome.COMPLETE

    @property
    def point_counts(self) -> IndexArray:
        """The number of different points at which each circle is cut, exactly."""
        before = np.concatenate([[0], np.cumsum(self.opens)])
        counts: IndexArray = before[self.starts[1:]] - before[self.starts[:-1]]
        return counts

    @property
    def cell_counts(self) -> IndexArray:
        """The number of cells of each circle: one for each point, and one for a circle without a
        point.
        """
        return np.maximum(1, self.point_counts)

    @property
    def decisions(self) -> dict[str, int]:
        """Events that the float64 filter proved, zeros that exact algebra settled, and the circles
        where it had to.
        """
        settled = sum(int(self.starts[i + 1] - self.starts[i]) for i in self.settled)
        return {
            "filter": len(self.rows)
            - settled
            + sum(cells.decisions["filter"] for cells in self.settled.values()),
            "exact": sum(cells.decisions["exact"] for cells in self.settled.values()),
            "settled circles": len(self.settled),
        }

    def codes(self, index: int) -> RunningCodes:
        """The codes of the cells of one circle, the first of which starts at the first event."""
        events = self._events(index)
        first = np.unpackbits(self.first_codes[index], count=self.network.hinge_count).astype(bool)
        starts = np.flatnonzero(self.opens[events])
        if len(starts) == 0:
            return RunningCodes(first, np.zeros(2, dtype=np.int64), starts)
        return RunningCodes(
            first, np.append(starts, events.stop - events.start), self.rows[events].astype(np.int64)
        )

    def angles_float(self, index: int) -> FloatArray:
        """The angles of the events of one circle from u towards v in [0, 2 pi), float64: as good as
        their enclosures.

        The bases are orthonormal within 2^-20 at worst, as a rule within 2^-36; the exact angles
        are those of `batch[index]`.
        """
        events, place = self._events(index), range(len(self))[index]
        near = (self.low[events] + self.high[events]) / 2
        if place in self.settled:
            return self.settled[place].frame.angles_float(near)
        alpha, beta = diamond_directions_float(near)
        angles: FloatArray = np.arctan2(beta, alpha) % (2 * math.pi)
        return angles

    def _events(self, index: int) -> slice:
        place = range(len(self))[index]
        return slice(int(self.starts[place]), int(self.starts[place + 1]))

    def _cells(self, index: int, circle: GreatCircle) -> CurveCells:
        """The cells of a circle that the filter proved."""
        events = self._events(index)
        rows = self.rows[events].astype(np.int64)
        bits = np.unpackbits(self.first_codes[index], count=self.network.hinge_count).astype(bool)
        bits[rows[:1]] ^= True
        chart = _Chart.of(self.network, circle, float(self.share[index]), float(self.scale[index]))
        zeros = Isolated(
            chart.functions,
            chart.arc.form,
            self.low[events],
            self.high[events],
            np.arange(len(rows) + 1),
            rows,
            {},
        )
        return chart.collected(zeros, bits, Tally(filtered=len(rows)))


def _restored(parts: dict[str, Any]) -> CircleBatch:
    """A batch from what its `__reduce__` gave."""
    batch, settled = CircleBatch(**{**parts, "settled": {}}), dict[int, CurveCells]()
    for place, (values, arrays) in parts["settled"].items():
        found = curve_cells(values, arrays)
        assert isinstance(found, CurveCells)
        settled[place] = found
    return replace(batch, settled=settled)


@dataclass(frozen=True)
class _Chart:
    """One circle in exact numbers: its basis, and the functions of the layer along it."""

    network: Network
    curve: Curve
    arc: Arc
    functions: LayerFunctions

    @classmethod
    def of(cls, network: Network, circle: GreatCircle, share: float, scale: float) -> _Chart:
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


class _Part(NamedTuple):
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


class _Events(NamedTuple):
    """The arrays of events in CircleBatch."""

    rows: RowArray
    low: FloatArray
    high: FloatArray
    opens: BitArray

    @classmethod
    def of_cells(cls, cells: CurveCells) -> _Events:
        """Those of one circle that was settled by exact algebra."""
        assert cells.enclosures is not None, "the engine encloses every cut"
        codes, sizes = cells.codes, np.diff(cells.codes.starts)[: len(cells.cuts)]
        opens = np.zeros(len(codes.rows), dtype=bool)
        opens[codes.starts[: len(sizes)]] = True
        low, high = (np.repeat(bounds, sizes) for bounds in cells.enclosures.T)
        return cls(codes.rows.astype(np.int32), low, high, opens)

    def replaced(self, start: int, stop: int, other: _Events) -> _Events:
        """With other events in the place of some."""
        pairs: zip[tuple[Any, Any]] = zip(self, other, strict=True)
        return _Events(*(np.concatenate([old[:start], new, old[stop:]]) for old, new in pairs))


class _Piece(NamedTuple):
    """What CircleBatch holds of some circles in a row, with the number of events of each circle."""

    share: FloatArray
    scale: FloatArray
    counts: IndexArray
    events: _Events
    first_codes: ByteArray


@in_ieee_floats
def partition_circles(
    network: Network,
    u: Any,
    v: Any,
    *,
    radius_squared: Any = None,
    device: str = "cpu",
    limit: int | None = DEFAULT_LIMIT,
) -> CircleBatch:
    """Cut the great circles through rows of u and v (B x n: floats or rationals) by the only hidden
    layer, exactly.

    Behind a norm in front of that layer the circles are those of its sphere, else `radius_squared`
    gives their radius. Every circle has the outcome of `partition(network, GreatCircle(u[i],
    v[i]))`. `device` is where the filter runs; on a CPU it takes all threads that torch has.
    `limit` bounds the number of crossings that may have to be stored (25 bytes each). Cost: a
    product of a (2 B x n) with the (n x m) weight, and about ten times as long on two cores.

    Raises InvalidInput (shapes, radius, vectors that span no circle), Unsupported (several hidden
    layers, or one that is not first), TooLarge, Undecided.

    >>> from exact.sources import tensors
    >>> square = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> batch = partition_circles(square, [[1, 2], [3, 1]], [[0, 1], [1, 1]], radius_squared=1)
    >>> batch.cell_counts.tolist(), [str(region.code) for region in batch[1].regions]
    ([4, 4], ['01', '00', '10', '11'])
    """
    if not isinstance(network, Network):
        raise InvalidInput(
            "not a network", value=type(network).__name__, remedy="read it first, see exact.sources"
        )
    if limit is not None and not (isinstance(limit, int) and limit >= 0):
        raise InvalidInput(
            "not a limit", value=repr(limit), remedy="give a whole number of crossings, or None"
        )
    first, second = RationalMatrix.read(u, "u"), RationalMatrix.read(v, "v")
    radius = None if radius_squared is None else rational(radius_squared, "radius_squared")
    _check(network, first, second, radius, device)
    width, count = network.hinge_count, first.shape[0]
    if limit is not None and 2 * width * count > limit:
        raise TooLarge(
            "the batch may be too large",
            value=f"up to {2 * width * count:,} crossings",
            remedy=f"give limit=None to go on, or fewer circles; the limit is {limit:,}",
        )
    square = rational(network.input_dim) if radius is None else radius
    read = ReadOut.of(network.blocks[0].layers[0], network.blocks[0].norm, square, device)
    pieces, settled = list[_Piece](), dict[int, CurveCells]()
    with closing(_filtered(read, first, second, device)) as parts:
        for part in parts:
            found = {k: _settled(network, first, second, radius, part, k) for k in part.left}
            settled.update({part.begin + k: cells for k, cells in found.items()})
            pieces.append(_piece(part, found))
    return _joined(network, (first, second, radius), pieces, settled)


def _joined(
    network: Network,
    given: tuple[RationalMatrix, RationalMatrix, Rational | None],
    pieces: Sequence[_Piece],
    settled: Mapping[int, CurveCells],
) -> CircleBatch:
    none = np.zeros(0)
    share = np.concatenate([none, *(piece.share for piece in pieces)])
    scale = np.concatenate([none, *(piece.scale for piece in pieces)])
    starts = np.cumsum(np.concatenate([[0], *(piece.counts for piece in pieces)])).astype(np.int64)
    low, high = (np.concatenate([none, *(piece.events[k] for piece in pieces)]) for k in (1, 2))
    rows = np.concatenate([none.astype(np.int32), *(piece.events.rows for piece in pieces)])
    opens = np.concatenate([none.astype(bool), *(piece.events.opens for piece in pieces)])
    codes = np.zeros((0, (network.hinge_count + 7) // 8), dtype=np.uint8)
    first_codes = np.concatenate([codes, *(piece.first_codes for piece in pieces)])
    return CircleBatch(
        network, *given, share, scale, starts, rows, low, high, opens, first_codes, settled
    )


def _check(
    network: Network, u: RationalMatrix, v: RationalMatrix, radius: Rational | None, device: str
) -> None:
    if len(network.hidden_layers) != 1 or not network.blocks[0].layers[0].bits:
        raise Unsupported(
            "a batch of circles is cut by one hidden layer that stands first",
            value=network.bits_per_layer,
            remedy="write partition(network, GreatCircle(u, v)) for each circle",
        )
    if u.shape != v.shape or (u.shape[0] and u.shape[1] != network.input_dim):
        raise InvalidInput(
            "u and v do not fit the network",
            value=f"{u.shape} and {v.shape}",
            remedy=f"give two arrays of shape (B, {network.input_dim})",
        )
    if (network.blocks[0].norm is None) != (radius is not None):
        raise InvalidInput(
            "circles have the radius of the norm in front, or one that is given",
            value=f"radius_squared={radius}",
            remedy="give radius_squared= to a network without norm, and only there",
        )
    if radius is not None and radius <= 0:
        raise InvalidInput(
            "a circle has no positive radius", value=radius, remedy="give radius_squared > 0"
        )
    known = isinstance(device, str) and re.fullmatch(r"(cpu|cuda)(:\d+)?", device) is not None
    if not known or (device.startswith("cuda") and not torch.cuda.is_available()):
        raise InvalidInput(
            "no such device is available", value=repr(device), remedy='write device="cpu"'
        )


def _filtered(
    read: ReadOut, u: RationalMatrix, v: RationalMatrix, device: str
) -> Generator[_Part, None, None]:
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
            ) -> _Part:
                here = slice(start, start + few)
                errors = function_errors(read, frames.errors[here])
                p, q = (read.for_bends(products[here, k]) for k in (0, 1))
                events = circle_events(
                    circle_zeros(p, q, read.offsets, errors), read.offsets, is_zero
                )
                share, scale, usable = (
                    x[here].cpu().numpy() for x in (frames.share, frames.scale, frames.usable)
                )
                return _Part(begin + start, share, scale, usable, events)

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


def _piece(part: _Part, settled: Mapping[int, CurveCells]) -> _Piece:
    """The filter's events, those of settled circles replaced."""
    found, ends = part.events, np.cumsum(part.events.counts)
    bits, starts, cut = found.bits.copy(), ends - found.counts, np.flatnonzero(found.counts)
    bits[cut, found.rows[starts[cut]]] ^= True
    codes, counts = np.packbits(bits, axis=1), found.counts.copy()
    events = _Events(found.rows, found.low, found.high, np.ones(len(found.rows), dtype=bool))
    for k in sorted(settled, reverse=True):
        made = _Events.of_cells(settled[k])
        events = events.replaced(int(starts[k]), int(ends[k]), made)
        codes[k], counts[k] = np.packbits(settled[k].codes.first), len(made.rows)
    return _Piece(part.share, part.scale, counts, events, codes)


def _settled(
    network: Network,
    u: RationalMatrix,
    v: RationalMatrix,
    radius: Rational | None,
    part: _Part,
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
        return _rearranged(
            _Chart.of(network, circle, float(part.share[k]), float(part.scale[k])), part.events, k
        )
    except InvalidInput as error:
        raise InvalidInput(
            f"circle {part.begin + k}: {error.wrong}", value=error.value, remedy=error.remedy
        ) from error


def _rearranged(chart: _Chart, events: CircleEvents, k: int) -> CurveCells:
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
