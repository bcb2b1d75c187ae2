"""Batches of segments, rays or lines through a whole network: one product a layer with two columns
a piece, exact outcome for each.

Float64 proves almost all crossings from error bounds alone (see filters). Lines on which the filter
abstains anywhere are settled by exact algebra at once; the partition of any line, with exact
points, is made from the same arrays when asked for.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray, RationalMatrix
from exact.errors import ExactlensError, InvalidInput, TooLarge, Undecided
from exact.geometry.combinatorics.lazy import Items
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.combinatorics.tables import Columns, Tabular, hinge_columns
from exact.geometry.domains.base import CurveDomain
from exact.geometry.domains.straight import Line, Ray, Segment
from exact.kernels.flips import turned_on
from exact.networks.evaluation.batches import require_device
from exact.networks.network import Network
from exact.regions.arcs.cells import CurveCells
from exact.regions.arcs.engines.circle import Circle
from exact.regions.arcs.engines.nested_roots import NestedRoots
from exact.regions.arcs.lines.cells import ProvedLine, float_events
from exact.regions.arcs.lines.columns import LinePlan, is_filtered
from exact.regions.arcs.lines.filters import LineEvents, line_events
from exact.regions.arcs.partition import CurvePartition
from exact.regions.arcs.records import batch_of_parts, batch_parts
from exact.regions.arcs.refusals import require_batch
from exact.regions.cells import Outcome
from exact.regions.engine import Job, Problem

Kind = Literal["segment", "ray", "line"]
RowArray = np.ndarray[Any, np.dtype[np.int32]]
_DOMAINS: Mapping[str, type[Segment] | type[Ray] | type[Line]] = {
    "segment": Segment,
    "ray": Ray,
    "line": Line,
}
_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 24}  # functions that are treated together, about
_PIECES = 64  # pieces that are expected on a line in front of the last layer
_MOST = {"cpu": 1 << 22, "cuda": 1 << 26}  # numbers of a column that are kept at a time
_ENGINES = (Circle(), NestedRoots())
DEFAULT_LIMIT = 10**9


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class LineBatch(Items[CurvePartition], Tabular):
    """Segments from rows of p to rows of q, or rays or lines from p along q, cut by a network;
    `batch[i]` is the partition of line i.

    Event k of line i, in the order of its parameter t, is number `starts[i] + k` of these arrays:
    hinge `rows[...]` changes sign at a t between `low[...]` and `high[...]`. `first_codes` are the
    packed codes (B x bytes) of the cells where the lines start, `cell_counts` the numbers of their
    cells. `settled` holds the lines on which the filter abstained and exact algebra decided.

    >>> from exact import partition_lines
    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 1], [1, -1]], [0, 1]), ([[1, -2]], [0]), ([[1]], [0])])
    >>> batch = partition_lines(net, [[-1, -2], [3, 1]], [[2, 2], [1, 2]], kind="ray")
    >>> len(batch), batch.cell_counts.tolist(), batch.rows.tolist()
    (2, [3, 3], [0, 2, 2, 1])
    >>> [str(crossing.parameter) for crossing in batch[1].crossings]
    ['2/5', '3']
    """

    _what: ClassVar[str] = "line"

    network: Network
    p: RationalMatrix
    q: RationalMatrix
    kind: Kind
    starts: IndexArray
    rows: RowArray
    low: FloatArray
    high: FloatArray
    first_codes: ByteArray
    cell_counts: IndexArray
    settled: Mapping[int, CurveCells]

    def __eq__(self, other: object) -> bool:
        """Whether networks and lines are equal, and on each the same hinges change sign in the same
        order.
        """
        if not isinstance(other, LineBatch):
            return NotImplemented
        given, found = ("network", "p", "q", "kind"), ("starts", "rows", "first_codes")
        return all(getattr(self, name) == getattr(other, name) for name in given) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in found
        )

    def __hash__(self) -> int:
        return hash((self.network, self.p, self.q, self.kind))

    def __reduce__(self) -> tuple[object, ...]:
        return batch_of_parts, (LineBatch, batch_parts(self))

    def __repr__(self) -> str:
        cells, name = int(self.cell_counts.sum()), self.kind
        return (
            f"<{len(self):,} {name}{'s' * (len(self) != 1)}, {cells:,} cell{'s' * (cells != 1)}, "
            f"{self.outcome.value}>"
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def domain(self, index: int) -> Segment | Ray | Line:
        """Line `index` as a domain of `partition`."""
        place = range(len(self))[index]
        return _DOMAINS[self.kind](self.p.row(place), self.q.row(place))

    def _item(self, place: int) -> CurvePartition:
        domain = self.domain(place)
        cells = self.settled.get(place) or self._proved(place, domain).cells()
        return CurvePartition(Problem(self.network, domain), Circle.name, cells)

    @property
    def outcome(self) -> Outcome:
        """COMPLETE: a batch knows every line, or its making raised Undecided."""
        return Outcome.COMPLETE

    @property
    def decisions(self) -> dict[str, int]:
        """Events that the float64 filter proved, zeros that exact algebra settled, and the lines
        where it had to.
        """
        cells = self.settled.values()
        settled = sum(int(self.starts[i + 1] - self.starts[i]) for i in self.settled)
        return {
            "filter": len(self.rows) - settled + sum(one.decisions["filter"] for one in cells),
            "exact": sum(one.decisions["exact"] for one in cells),
            "settled lines": len(self.settled),
        }

    @property
    def turns_on(self) -> BitArray:
        """Whether each event turns its hinge on, for larger t."""
        on = np.empty(len(self.rows), dtype=bool)
        turned_on(self.starts, self.rows, self.first_codes.copy(), on)
        return on

    def columns(self) -> Columns:
        """The columns of the table of all crossings: row, alpha (the parameter t), alpha_bound,
        layer, neuron, on; breakpoint where neurons have several.

        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, 1], [1, -1]], [0, 1]), ([[1, -2]], [0])])
        >>> table = partition_lines(net, [[-1, -2], [3, 1]], [[2, 2], [1, 2]], kind="ray").columns()
        >>> {name: table[name].tolist() for name in ("row", "neuron", "on")}
        {'row': [0, 1], 'neuron': [0, 1], 'on': [True, False]}
        """
        every = slice(0, len(self.rows))
        return {
            "row": np.repeat(np.arange(len(self)), np.diff(self.starts)),
            "alpha": (self.low + self.high) / 2,
            "alpha_bound": self._bounds(every),
            **hinge_columns(self.network.hinges, self.rows),
            "on": self.turns_on,
        }

    def codes(self, index: int) -> RunningCodes:
        """The codes of the cells of one line, from its start."""
        place = range(len(self))[index]
        if place in self.settled:
            return self.settled[place].codes
        return self._proved(place, self.domain(place)).codes

    def alphas_float(self, index: int) -> FloatArray:
        """The parameters t of the events of one line in float64: within `alphas_bound` of the exact
        ones.
        """
        events = self._events(index)
        near: FloatArray = (self.low[events] + self.high[events]) / 2
        return near

    def alphas_bound(self, index: int) -> FloatArray:
        """Proved bounds on the errors of `alphas_float`."""
        return self._bounds(self._events(index))

    def _bounds(self, events: slice) -> FloatArray:
        size = np.maximum(np.abs(self.low[events]), np.abs(self.high[events]))
        bound: FloatArray = (self.high[events] - self.low[events]) / 2 + 4 * U * size
        return bound

    def _events(self, index: int) -> slice:
        place = range(len(self))[index]
        return slice(int(self.starts[place]), int(self.starts[place + 1]))

    def _proved(self, place: int, domain: Segment | Ray | Line) -> ProvedLine:
        events = self._events(place)
        first = np.unpackbits(self.first_codes[place], count=self.network.hinge_count)
        return ProvedLine(
            self.network,
            domain,
            self.rows[events].astype(np.int64),
            (self.low[events], self.high[events]),
            first.astype(bool),
        )


@in_ieee_floats
def partition_lines(
    network: Network,
    p: Any,
    q: Any,
    *,
    kind: Kind = "segment",
    device: str = "cpu",
    limit: int | None = DEFAULT_LIMIT,
) -> LineBatch:
    """Cut the segments from rows of p to rows of q (B x n: floats or rationals), or the rays or
    lines from rows of p along rows of q, by all hidden layers of a network, exactly.

    Every line has the outcome of `partition(network, Segment(p[i], q[i]))`. The filter knows any
    depth, with one norm at most, in front of all hidden layers, with eps or without; other networks
    are left to exact algebra line by line. `device` is where the filter runs; on a CPU it takes all
    threads that torch has. `limit` bounds the number of crossings that are stored (20 bytes each).
    Cost: a product of (2 x pieces) rows with each weight, and a few passes over its result.

    A line that the norm in front sees as one point (LayerNorm: along the ones) is one cell, as
    nothing flips on it; `steering` refuses such a direction, which nobody steers in on purpose.

    Where eps = 0 a line may pass through a point with P x = 0: the code jumps there, and that
    crossing of `batch[i]` is `undefined`. Raises InvalidInput (shapes, lines without length, lines
    along which P x = 0 where eps = 0), TooLarge, NotPiecewiseLinear (hidden layers behind GELU or
    SiLU), Undecided.

    >>> from exact.sources import tensors
    >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
    >>> batch = partition_lines(hat, [[-1], [1.5]], [[3], [0.5]])
    >>> batch.cell_counts.tolist(), [str(region.code) for region in batch[0].regions]
    ([4, 2], ['000', '100', '110', '111'])
    """
    require_batch(network, limit)
    first, second = RationalMatrix.read(p, "p"), RationalMatrix.read(q, "q")
    _check(network, first, second, kind, device)
    network.require_bits("batches of lines")
    pieces, settled, stored = list[_Part](), dict[int, CurveCells](), 0
    with closing(_parts(network, first, second, kind, device)) as parts:
        for begin, part in parts:
            own = {
                k: _settled(network, first, second, kind, begin + k)
                for k in np.flatnonzero(~part.proved).tolist()
            }
            settled.update({begin + k: cells for k, cells in own.items()})
            pieces.append(part.with_cells(own))
            stored += len(pieces[-1].rows)
            if limit is not None and stored > limit:
                raise TooLarge(
                    "the batch is too large",
                    value=f"{stored:,} crossings on {begin + len(part.proved):,} lines",
                    remedy=f"give limit=None to go on, or fewer lines; the limit is {limit:,}",
                )
    return _joined(network, (first, second, kind), pieces, settled)


def _settled(
    network: Network, p: RationalMatrix, q: RationalMatrix, kind: str, place: int
) -> CurveCells:
    try:
        return _settled_line(network, _DOMAINS[kind](p.row(place), q.row(place)))
    except ExactlensError as error:
        error.args = (f"line {place}: {error}",)
        raise


def _settled_line(network: Network, domain: CurveDomain) -> CurveCells:
    """One line by exact algebra. Raises Undecided where that cannot decide all of it."""
    problem = Problem.of(network, domain)
    able = [engine for engine in _ENGINES if engine.refusal(problem) is None]
    engine = min(able, key=lambda one: one.cost(problem))
    with one_thread():
        cells = engine.run(Job(problem))
    assert isinstance(cells, CurveCells)
    if cells.outcome is not Outcome.COMPLETE:
        raise Undecided(
            "a line is not cut to its end",
            value=repr(domain),
            remedy=f"{cells.evidence}: leave it out of the batch",
        )
    return cells


class _Part(NamedTuple):
    """Some lines in a row: the number of events of each, these with their parameters, first bits,
    and what is proved.
    """

    counts: IndexArray
    rows: RowArray
    low: FloatArray
    high: FloatArray
    first_codes: ByteArray
    cell_counts: IndexArray
    proved: np.ndarray[Any, np.dtype[np.bool_]]

    def with_cells(self, settled: Mapping[int, CurveCells]) -> _Part:
        """With the events of lines that exact algebra settled, which have none so far."""
        if not settled:
            return self
        counts, codes, cell_counts = (
            self.counts.copy(),
            self.first_codes.copy(),
            self.cell_counts.copy(),
        )
        starts, parts, at = np.cumsum(self.counts) - self.counts, [], 0
        for k in sorted(settled):
            flips, bounds = float_events(settled[k])
            parts += [
                (self.rows[at : starts[k]], self.low[at : starts[k]], self.high[at : starts[k]]),
                (flips.astype(np.int32), bounds[:, 0], bounds[:, 1]),
            ]
            counts[k], cell_counts[k], at = len(flips), len(settled[k]), int(starts[k])
            codes[k] = np.packbits(settled[k].codes.first)
        parts.append((self.rows[at:], self.low[at:], self.high[at:]))
        rows, low, high = (np.concatenate(x) for x in zip(*parts, strict=True))
        return _Part(counts, rows, low, high, codes, cell_counts, self.proved)


def _parts(
    network: Network, p: RationalMatrix, q: RationalMatrix, kind: Kind, device: str
) -> Generator[tuple[int, _Part], None, None]:
    """The lines in parts, by the filter where it knows the network."""
    count, where = p.shape[0], device.split(":")[0]
    if not is_filtered(network):
        yield 0, _unproved(network, count)
        return
    plan = LinePlan.of(network, device)
    cuts = network.hinge_count - network.bits_per_layer[-1]
    few = max(1, _AT_ONCE[where] // (plan.widest * min(1 + cuts, _PIECES)))

    def solved(begin: int, end: int) -> list[tuple[int, _Part]]:
        ends, errors, one = _ends(p, q, slice(begin, end), kind, device)
        found = line_events(plan, ends, errors, one, _MOST[where])
        if found is not None:
            return [(begin, _part(found, kind))]
        middle = (begin + end) // 2
        return solved(begin, middle) + solved(middle, end)

    threads = torch.get_num_threads()
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        begins = range(0, count, few)
        for parts in pool.map(lambda begin: solved(begin, min(begin + few, count)), begins):
            yield from parts


def _unproved(network: Network, count: int) -> _Part:
    none = np.zeros(0)
    codes = np.zeros((count, (network.hinge_count + 7) // 8), dtype=np.uint8)
    counts = np.zeros(count, dtype=np.int64)
    return _Part(counts, none.astype(np.int32), none, none, codes, counts + 1, counts > 0)


def _ends(
    p: RationalMatrix, q: RationalMatrix, those: slice, kind: Kind, device: str
) -> tuple[torch.Tensor, torch.Tensor, tuple[float, float]]:
    """Both ends of some lines; a whole line is two rays, the first of them backwards."""
    (first, first_error), (second, second_error) = (_rows(x, those, device) for x in (p, q))
    errors = torch.maximum(first_error, second_error)
    if kind != "line":
        one = (1.0, 1.0 if kind == "segment" else 0.0)
        return torch.stack([first, second], dim=1), errors, one
    both = torch.stack([first, -second, first, second], dim=1)
    return both.reshape(-1, 2, first.shape[1]), errors.repeat_interleave(2), (1.0, 0.0)


def _rows(vectors: RationalMatrix, those: slice, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Some rows in float64, and the 2-norms of their rounding errors."""
    rows = torch.from_numpy(vectors.float64()[those].copy()).to(device)
    if vectors.is_float:
        return rows, torch.zeros(len(rows), dtype=rows.dtype, device=device)
    return rows, row_norms(torch.from_numpy(vectors.float64_error()[those]).to(device))


def _part(found: LineEvents, kind: Kind) -> _Part:
    lines, low, high, hinges, bits, proved = (x.cpu().numpy() for x in found)
    rows: RowArray = hinges.astype(np.int32)
    first = bits
    counts = np.bincount(lines, minlength=len(proved))
    if kind != "segment":
        low, high = low / (1.0 - low) * (1.0 - 8 * U), high / (1.0 - high) * (1.0 + 8 * U)
    if kind == "line":
        proved = proved[0::2] & proved[1::2]
        kept = proved[lines // 2]
        lines, rows, low, high = lines[kept], rows[kept], low[kept], high[kept]
        halves = np.bincount(lines, minlength=2 * len(proved))
        ends, place, back = np.cumsum(halves), np.arange(len(lines)), lines % 2 == 0
        order = np.where(back, 2 * ends[lines] - halves[lines] - 1 - place, place)
        low, high = np.where(back, -high, low)[order], np.where(back, -low, high)[order]
        first = bits[0::2].copy()
        np.logical_xor.at(first, (lines[back] // 2, rows[back]), True)
        rows, counts = rows[order].astype(np.int32), halves[0::2] + halves[1::2]
    codes = np.packbits(first, axis=1)
    return _Part(counts, rows, low, high, codes, counts + 1, proved)


def _joined(
    network: Network,
    given: tuple[RationalMatrix, RationalMatrix, Kind],
    pieces: list[_Part],
    settled: Mapping[int, CurveCells],
) -> LineBatch:
    whole = [_unproved(network, 0), *pieces]
    counts, rows, low, high, codes, cells, _ = (np.concatenate(x) for x in zip(*whole, strict=True))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return LineBatch(network, *given, starts, rows, low, high, codes, cells, settled)


def _check(network: Network, p: RationalMatrix, q: RationalMatrix, kind: str, device: str) -> None:
    if kind not in _DOMAINS:
        raise InvalidInput(
            "no such kind of line", value=repr(kind), remedy=f"write one of {', '.join(_DOMAINS)}"
        )
    if p.shape != q.shape or (p.shape[0] and p.shape[1] != network.input_dim):
        raise InvalidInput(
            "p and q do not fit the network",
            value=f"{p.shape} and {q.shape}",
            remedy=f"give two arrays of shape (B, {network.input_dim})",
        )
    require_device(device)
    short = q.float64() == (p.float64() if kind == "segment" else 0.0)
    for place in np.flatnonzero(short.all(axis=1)).tolist():
        end = p.row(place) if kind == "segment" else [0] * q.shape[1]
        if q.row(place) == end:
            raise InvalidInput(
                f"line {place} has no length",
                value="direction 0",
                remedy="leave it out: its ends must differ, or its direction must not be zero",
            )
