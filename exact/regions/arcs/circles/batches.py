"""Many circles at once through the first hidden layer: one matrix product, one sort per circle,
exact outcome for each.

A layer of the width of GPT-2 small has some five thousand crossings on a circle, and float64 proves
almost all of them in order from error bounds alone (see circle_filters). Circles on which the
filter abstains anywhere are settled by exact algebra at once; the partition of any circle, with
exact points, is made from the same arrays when asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, rational
from exact.errors import InvalidInput, TooLarge, Unsupported
from exact.geometry.combinatorics.lazy import Items
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.combinatorics.tables import Columns, Tabular, hinge_columns
from exact.geometry.domains.round import GreatCircle
from exact.geometry.pencils.pencil import diamond_directions_float
from exact.kernels.flips import before_first_points, turned_on
from exact.networks.evaluation.batches import require_device
from exact.networks.network import Network
from exact.propagation.circle_filters import ReadOut
from exact.regions.arcs.cells import CurveCells
from exact.regions.arcs.circles.batch_parts import (
    CircleChart,
    Piece,
    RowArray,
    filtered,
    piece_of,
    settled_circle,
)
from exact.regions.arcs.engines.circle import Circle
from exact.regions.arcs.engines.edges import Tally
from exact.regions.arcs.engines.isolation import Isolated
from exact.regions.arcs.partition import CurvePartition
from exact.regions.arcs.records import batch_of_parts, batch_parts
from exact.regions.arcs.refusals import require_batch
from exact.regions.cells import Outcome
from exact.regions.engine import Problem

DEFAULT_LIMIT = 10**9


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class CircleBatch(Items[CurvePartition], Tabular):
    """The great circles through rows of u and v, cut by one hidden layer; `batch[i]` is the
    partition of circle i.

    Event k of circle i, counter-clockwise from u_i towards v_i, is number `starts[i] + k` of these
    arrays: hinge `rows[...]` changes sign at a point enclosed by the diamond angles `low[...]` and
    `high[...]` (float64, see curves) in the basis `u_i, scale[i] (v_i - share[i] u_i)`, orthonormal
    up to rounding and a factor. `opens` marks the first event of every point. `first_codes` are the
    packed codes (B x bytes) of the cells that start at the first events; on a circle that nothing
    cuts, that of the circle. `settled` holds the circles on which the filter abstained and exact
    algebra decided; their angles are those of `settled[i].curve`.

    >>> from exact import partition_circles
    >>> from exact.sources import tensors
    >>> net = tensors.block([[1, 0, 2], [0, 1, 0]], [0, 0], [[1, 1]], [0], "layernorm", eps=0)
    >>> batch = partition_circles(net, [[1, -1, 0], [1, 1, -2]], [[0, 1, -1], [1, 0, -1]])
    >>> len(batch), batch.rows.tolist(), len(batch[0])
    (2, [0, 1, 0, 1, 1, 0, 1, 0], 4)
    """

    _what: ClassVar[str] = "circle"

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
        return batch_of_parts, (CircleBatch, batch_parts(self))

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

    def _item(self, place: int) -> CurvePartition:
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

    @cached_property
    def codes_before(self) -> ByteArray:
        """The packed codes (B x bytes) just before the first events; on a circle that nothing cuts,
        that of the circle.
        """
        codes = self.first_codes.copy()
        before_first_points(self.starts, self.rows, self.opens, codes)
        return codes

    @property
    def turns_on(self) -> BitArray:
        """Whether each event turns its hinge on, counter-clockwise."""
        on = np.empty(len(self.rows), dtype=bool)
        turned_on(self.starts, self.rows, self.codes_before.copy(), on)
        return on

    def columns(self) -> Columns:
        """The columns of the table of all crossings: row, angle (as `angles_float` gives it),
        layer, neuron, on; breakpoint where neurons have several.

        >>> from exact import partition_circles
        >>> from exact.sources import tensors
        >>> net = tensors.block([[1, 0, 2], [0, 1, 0]], [0, 0], [[1, 1]], [0], "layernorm", eps=0)
        >>> table = partition_circles(net, [[1, -1, 0]], [[0, 1, -1]]).columns()
        >>> table["neuron"].tolist(), table["on"].tolist()
        ([0, 1, 0, 1], [False, True, True, False])
        """
        angles = [self.angles_float(index) for index in range(len(self))]
        return {
            "row": np.repeat(np.arange(len(self)), np.diff(self.starts)),
            "angle": np.concatenate([np.zeros(0), *angles]),
            **hinge_columns(self.network.hinges, self.rows),
            "on": self.turns_on,
        }

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
        chart = CircleChart.of(
            self.network, circle, float(self.share[index]), float(self.scale[index])
        )
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
    require_batch(network, limit)
    first, second = RationalMatrix.read(u, "u"), RationalMatrix.read(v, "v")
    radius = None if radius_squared is None else rational(radius_squared, "radius_squared")
    require_circles(network, first, second, radius, device)
    width, count = network.hinge_count, first.shape[0]
    if limit is not None and 2 * width * count > limit:
        raise TooLarge(
            "the batch may be too large",
            value=f"up to {2 * width * count:,} crossings",
            remedy=f"give limit=None to go on, or fewer circles; the limit is {limit:,}",
        )
    square = rational(network.input_dim) if radius is None else radius
    read = ReadOut.of(network.blocks[0].layers[0], network.blocks[0].norm, square, device)
    pieces, settled = list[Piece](), dict[int, CurveCells]()
    with closing(filtered(read, first, second, device)) as parts:
        for part in parts:
            found = {k: settled_circle(network, first, second, radius, part, k) for k in part.left}
            settled.update({part.begin + k: cells for k, cells in found.items()})
            pieces.append(piece_of(part, found))
    return _joined(network, (first, second, radius), pieces, settled)


def _joined(
    network: Network,
    given: tuple[RationalMatrix, RationalMatrix, Rational | None],
    pieces: Sequence[Piece],
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


def require_circles(
    network: Network, u: RationalMatrix, v: RationalMatrix, radius: Rational | None, device: str
) -> None:
    """Refuse by name what :func:`partition_circles` cannot cut."""
    network.require_bits("batches of circles")
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
    require_device(device)
