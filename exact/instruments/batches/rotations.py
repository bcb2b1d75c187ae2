"""Rotations from u to v: where neurons flip along geodesics, how sharply the output bends there,
and how long its path is.

Crossings, kinks and lengths stand in one file, longer than others, because each is read off the one
before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray, ByteArray, IndexArray
from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.elliptic_arcs import ArcLengths, elliptic_lengths
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_NORMAL
from exact.arithmetic.enclosures.roundoff import U as UNIT
from exact.arithmetic.linear_algebra import dot, matrix
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, nearest_floats, rational
from exact.errors import InvalidInput, NotPiecewiseLinear, Undecided, Unsupported, shown
from exact.geometry.combinatorics.tables import Columns, Tabular, frame, write_parquet
from exact.geometry.pencils.pencil import Direction
from exact.geometry.pencils.positions import compare_points, position_float
from exact.instruments.batches.points import Errors, Rows, read_rows, spread
from exact.kernels.circle_angles import angles_before
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network
from exact.propagation.circle_filters import ReadOut, bases
from exact.regions.arcs.circles.batches import (
    DEFAULT_LIMIT,
    CircleBatch,
    partition_circles,
    require_circles,
)
from exact.regions.arcs.partition import CurvePartition

_AT_ONCE = 1 << 22  # numbers, about, of a matrix product
_ANGLE = 64 * UNIT  # of a diamond angle as an angle in [0, 2 pi)
_START = Direction.rational(Rational(1), Rational(0))


class Frames(NamedTuple):
    """Orthonormal bases (e, f) of circles, e along u and v on the side of f, as the layer reads
    them.

    `inner` (B x 2 x n) is the radius times both, gain included, so that p and q of every neuron
    are products with its row, within `errors` (B) times the row's norm. `tilts` bound how far the
    basis of the circle's events lies from it. v lies at the angles `ends`, within `ends_bound`.
    """

    inner: FloatArray
    errors: FloatArray
    tilts: FloatArray
    ends: FloatArray
    ends_bound: FloatArray

    def __repr__(self) -> str:
        return f"<frames of {len(self.ends):,} circles>"

    def chosen(self, places: IndexArray) -> Frames:
        """Some of them."""
        return Frames(*(values[places] for values in self))


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class Rotations(Tabular):
    """Geodesics through rows of U and V, cut by one hidden layer, one after another from u on.

    Crossing k lies on geodesic `rows[k]`, counter-clockwise at an angle from u within
    `angles_bound[k]` of `angles_float[k]`: breakpoint `breakpoints[k]` of neuron `neurons[k]` in
    `layers[k]`, which `on[k]` turns on. There the velocity of the output, along the angle, jumps
    by a vector of norm `kinks_float[k]` within `kinks_bound[k]`: |slope change| |W_out,j| |z_j'|.
    `arc_counts` are exact. `first_codes` (packed) are the codes just before the first crossings, a
    row for each of `geodesics`, the rows that were not refused. v lies at `ends_float`, within
    `ends_bound`. `failures` names the rows that were refused, with why.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, -1], [0, 1]], None), ([[3, 4]], None)])
    >>> found = rotations(net, [[1, 0]], [[0, 1]], radius_squared=4)
    >>> found.neurons.tolist(), found.on.tolist(), found.arc_counts.tolist()
    ([0], [False], [2])
    >>> found.exact(0).crossings[1].angle, round(float(found.kinks_float[0]), 9)
    (pi/4, 8.485281374)
    """

    network: Network
    circles: CircleBatch
    frames: Frames
    geodesics: IndexArray
    whole: bool
    rows: IndexArray
    angles_float: FloatArray
    angles_bound: FloatArray
    layers: IndexArray
    neurons: IndexArray
    breakpoints: IndexArray
    on: BitArray
    kinks_float: FloatArray
    kinks_bound: FloatArray
    arc_counts: IndexArray
    first_codes: ByteArray
    ends_float: FloatArray
    ends_bound: FloatArray
    failures: Mapping[int, InvalidInput]

    def __len__(self) -> int:
        return len(self.arc_counts)

    def __repr__(self) -> str:
        what = "great circles" if self.whole else "geodesics"
        return f"<{len(self.rows):,} crossings of {len(self):,} {what}>"

    def columns(self) -> Columns:
        """The crossings, with the columns row, angle, angle_bound, layer, neuron, on, kink,
        kink_bound; breakpoint where neurons have several.
        """
        columns = {
            "row": self.rows,
            "angle": self.angles_float,
            "angle_bound": self.angles_bound,
            "layer": self.layers,
            "neuron": self.neurons,
            "breakpoint": self.breakpoints,
            "on": self.on,
            "kink": self.kinks_float,
            "kink_bound": self.kinks_bound,
        }
        if not self.breakpoints.any():
            del columns["breakpoint"]
        return columns

    def _length_columns(self) -> Columns:
        return {
            "row": np.arange(len(self)),
            "arcs": self.arc_counts,
            "end": self.ends_float,
            "end_bound": self.ends_bound,
            "length": self.lengths_float,
            "length_bound": self.lengths_bound,
        }

    def lengths_to_pandas(self) -> Any:
        """The geodesics, with the columns row, arcs, end, end_bound, length, length_bound."""
        return frame(self._length_columns())

    def lengths_to_parquet(self, path: str | Path) -> Path:
        """Write the table of the geodesics, as `to_parquet` writes that of the crossings."""
        return write_parquet(path, self._length_columns())

    def exact(self, index: int) -> CurvePartition:
        """The partition of the whole circle through rows `index` of U and V, with exact points.

        Raises InvalidInput for a row that was refused.
        """
        row = range(len(self))[index]
        if row in self.failures:
            raise InvalidInput(
                "this row was refused", value=row, remedy=f"see why: {self.failures[row]}"
            )
        return self.circles[int(np.searchsorted(self.geodesics, row))]

    @property
    def lengths_float(self) -> FloatArray:
        """The length of the output's path from u to v, or of the whole circle's; NaN where a row
        was refused.

        Raises NotPiecewiseLinear for a smooth activation.
        """
        return self._lengths.values

    @property
    def lengths_bound(self) -> FloatArray:
        """Bounds on the errors of `lengths_float`."""
        return self._lengths.bounds

    @cached_property
    def _lengths(self) -> ArcLengths:
        activation = self.network.layers[0].activation
        if not activation.is_piecewise_linear:
            raise NotPiecewiseLinear(
                "the output's path consists of elliptic arcs only where activations are piecewise "
                "linear",
                value=activation.name,
                remedy="read the crossings, or take network.relu_ised()",
            )
        sums, usable = _path_lengths(self), np.zeros(len(self), dtype=bool)
        usable[self.geodesics] = True
        return ArcLengths(*(spread(values, usable, np.nan) for values in sums))


@in_ieee_floats
def rotations(
    network: Network,
    u: Any,
    v: Any,
    *,
    radius_squared: Any = None,
    whole: bool = False,
    device: str = "cpu",
    errors: Errors = "raise",
    limit: int | None = DEFAULT_LIMIT,
) -> Rotations:
    """Every crossing strictly between u[i] and v[i] on the shorter geodesic through them, or with
    `whole` on their great circle, by :func:`partition_circles`, with the kinks and the length of
    the output's path.

    u and v are N x n. Behind a norm the geodesics are those of its sphere, else `radius_squared`
    gives their radius: vectors count by their directions. Between two of unequal lengths as they
    are, write `partition(network, Ellipse.slerp(u[i], v[i], cosine))` for each pair. Lengths are
    found when asked for. With `errors="keep"` rows that make no sense are left out and named in
    `failures`, else the first one raises.

    Raises InvalidInput (another width, NaN in row i, vectors that are zero, parallel, or not seen
    by the norm), Unsupported (more than one hidden layer, a skip connection, an activation that
    jumps), TooLarge, Undecided.

    >>> from exact.sources import tensors
    >>> net = tensors.block([[1, 0, 2], [0, 1, 0]], [0, 0], [[1, 1]], [0], "layernorm", eps=0)
    >>> found = rotations(net, [[1, -1, 0], [1, 1, -2]], [[0, 1, -1], [1, 0, -1]])
    >>> found.rows.tolist(), found.neurons.tolist(), found.on.tolist()
    ([0, 0], [0, 1], [False, True])
    >>> found.arc_counts.tolist(), [round(x, 6) for x in found.lengths_float.tolist()]
    ([3, 1], [2.44949, 0.707107])
    """
    _require_path(network)
    if not isinstance(whole, bool):
        raise InvalidInput("whole is neither true nor false", value=whole, remedy="write True")
    first, second = (
        read_rows(values, network.input_dim, errors, name) for values, name in ((u, "U"), (v, "V"))
    )
    radius = None if radius_squared is None else rational(radius_squared, "radius_squared")
    require_circles(network, first.matrix, second.matrix, radius, device)
    frames, faults = _frames(network, first, second, radius, device)
    if faults and errors == "raise":
        raise faults[min(faults)]
    good = np.array([i for i in range(len(first)) if i not in faults], dtype=np.int64)
    circles = partition_circles(
        network,
        first.chosen(good),
        second.chosen(good),
        radius_squared=radius,
        device=device,
        limit=limit,
    )
    failures = dict(sorted(faults.items()))
    return _read(circles, frames.chosen(good), good, whole, len(first), failures, device)


def _require_path(network: Network) -> None:
    require_network(network)
    if len(network.blocks) != 1 or network.blocks[0].residual:
        raise Unsupported(
            "the output's path is that of one block without a skip connection",
            value=f"{len(network.blocks)} blocks, residual={network.blocks[0].residual}",
            remedy="give Network((dataclasses.replace(block, residual=False),))",
        )
    activation = network.layers[0].activation
    if activation.is_piecewise_linear and not activation.is_continuous:
        raise Unsupported(
            "the output's path has gaps behind an activation that jumps",
            value=activation.name,
            remedy="write partition_circles for its crossings",
        )


# ---- bases


def _frames(
    network: Network, u: Rows, v: Rows, radius: Rational | None, device: str
) -> tuple[Frames, dict[int, InvalidInput]]:
    """The bases of all pairs, and what is wrong with some."""
    square = rational(network.input_dim) if radius is None else radius
    read = ReadOut.of(network.blocks[0].layers[0], network.blocks[0].norm, square, device)
    step = max(1, _AT_ONCE // network.input_dim)
    parts = [
        _bases(read, _cut(u.matrix, start, start + step), _cut(v.matrix, start, start + step))
        for start in range(0, max(1, len(u)), step)
    ]
    frames = Frames(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    faults = dict[int, InvalidInput]()
    for row in np.flatnonzero(~np.isfinite(frames.errors)).tolist():
        try:
            made = _bases(read, *_orthogonal(network, u, v, row))
        except InvalidInput as fault:
            faults[row] = fault
            continue
        if not np.isfinite(made.errors[0]):
            raise Undecided(
                f"geodesic {row} has no basis in float64",
                value=f"|x|^2 = {square}",
                remedy="scale the network's gain and the radius",
            )
        for into, found in zip(frames, made, strict=True):
            into[row] = found[0]
    for row in np.flatnonzero(~(u.usable & v.usable)).tolist():
        faults[row] = InvalidInput(
            f"row {row} of {'V' if u.usable[row] else 'U'} is not finite",
            value="NaN or infinity",
            remedy="leave it out",
        )
    return frames, faults


def _cut(rows: RationalMatrix, start: int, stop: int) -> tuple[FloatArray, FloatArray]:
    """Some rows in float64, and their rounding errors."""
    floats = rows.float64()[start:stop]
    if rows.is_float:
        return floats, np.zeros((len(floats), 1))
    return floats, rows.float64_error()[start:stop]


def _bases(
    read: ReadOut, u: tuple[FloatArray, FloatArray], v: tuple[FloatArray, FloatArray]
) -> Frames:
    """The bases of the filter, whose vectors are orthonormal within 2 tilts; infinite errors where
    it has none.

    With t = v - share u: its component along u is at most (skew + g + 2 loose) |t|, less than the
    tilt, and a vector is within twice its relative error of its unit vector.
    """
    device = read.weight.device
    vectors = [torch.from_numpy(x.copy()).to(device) for x in (u[0], v[0])]
    errors = [row_norms(torch.from_numpy(x.copy())).to(device) for x in (u[1], v[1])]
    found = bases(read, vectors[0], vectors[1], errors[0], errors[1])
    inner, share, scale, coefficients, usable = (
        x.cpu().numpy() for x in (found.inner, found.share, found.scale, found.errors, found.usable)
    )
    size = (1.0 if read.gain is None else float(read.gain.abs().max())) * read.radius_squared**0.5
    tilts = coefficients[:, 1]
    off = np.where(usable, (coefficients[:, 0] + 4 * tilts * size) * 1.01, np.inf)
    ends = np.arctan2(1.0, np.where(usable, share * scale, 0.0))
    shape = (len(share), 2, read.weight.shape[1])
    return Frames(inner.reshape(shape), off, tilts, ends, 5 * tilts + _ANGLE)


def _orthogonal(
    network: Network, u: Rows, v: Rows, row: int
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """P u and what of P v is orthogonal to it, exactly but for scale and a last rounding."""
    a, b = (_seen(network, rows.exact(row), row, name) for rows, name in ((u, "U"), (v, "V")))
    share = dot(a, b) / dot(a, a)
    across = [y - share * x for x, y in zip(a, b, strict=True)]
    if not any(across):
        raise InvalidInput(
            f"rows {row} of U and V span no circle",
            value=f"{shown(u.exact(row))}, {shown(v.exact(row))}",
            remedy="give vectors that are not parallel, behind a norm after its projection too",
        )
    first, second = (RationalMatrix.from_rationals([_scaled(x)]) for x in (a, across))
    return _cut(first, 0, 1), _cut(second, 0, 1)


def _seen(network: Network, vector: list[Rational], row: int, name: str) -> list[Rational]:
    """The vector as the norm sees it. Raises InvalidInput for none."""
    if not any(vector):
        raise InvalidInput(f"row {row} of {name} is zero", value=0, remedy="leave it out")
    norm = network.blocks[0].norm
    if norm is None:
        return vector
    found: list[Rational] = norm.project(matrix([[x] for x in vector], 1)).entries()
    if not any(found):
        raise InvalidInput(
            f"{type(norm).__name__} does not see row {row} of {name}",
            value=shown(vector),
            remedy="give one that its projection does not take to 0 (LayerNorm: not the ones)",
        )
    return found


def _scaled(vector: list[Rational]) -> list[Rational]:
    """Times a power of two, so that its largest entry is around 1."""
    largest = max(abs(x) for x in vector)
    power = int(largest.p).bit_length() - int(largest.q).bit_length()
    factor = Rational(1, 1 << power) if power >= 0 else Rational(1 << -power)
    return [x * factor for x in vector]


# ---- crossings


class _Events(NamedTuple):
    """The events that count: their numbers among those of the circles, circle, hinge, angle with
    its bound; and the circles and hinges of those at u, which do not count.
    """

    numbers: IndexArray
    owner: IndexArray
    hinge: IndexArray
    angles: FloatArray
    bounds: FloatArray
    at_u: tuple[IndexArray, IndexArray]


def _events(circles: CircleBatch, frames: Frames, whole: bool) -> tuple[_Events, Frames]:
    """By the filter's enclosures; by exact points where these do not tell, v's included."""
    count = len(circles.rows)
    angles, bounds, kept = np.empty(count), np.empty(count), np.empty(count, dtype=bool)
    ends, ends_bound = frames.ends.copy(), frames.ends_bound.copy()
    unclear, given = np.zeros(len(circles), dtype=bool), (circles.starts, circles.low, circles.high)
    angles_before(*given, frames.tilts, ends, ends_bound, _ANGLE, angles, bounds, kept, unclear)
    by_hand = set(circles.settled) | (set() if whole else set(np.flatnonzero(unclear).tolist()))
    for place in sorted(by_hand):
        found, mine = circles[place], slice(circles.starts[place], circles.starts[place + 1])
        v = found.direction_of(circles.v.row(place))
        points = [cut.direction for cut in found.cells.cuts]
        between = [
            compare_points(point, _START) > 0 and compare_points(point, v) < 0 for point in points
        ]
        sizes = np.diff(found.cells.codes.starts)[: len(points)]
        angles[mine] = np.repeat([position_float(found.frame, point) for point in points], sizes)
        kept[mine], bounds[mine] = np.repeat(between, sizes), 8 * UNIT
        ends[place], ends_bound[place] = position_float(found.frame, v), 8 * UNIT
    numbers = np.arange(count) if whole else np.flatnonzero(kept)
    at_u = np.zeros(0, dtype=np.int64) if whole else np.flatnonzero(~kept & (angles == 0))
    owner, first = (np.searchsorted(circles.starts, x, "right") - 1 for x in (numbers, at_u))
    hinge, before = (circles.rows[x].astype(np.int64) for x in (numbers, at_u))
    return (
        _Events(numbers, owner, hinge, angles[numbers], bounds[numbers], (first, before)),
        frames._replace(ends=ends, ends_bound=ends_bound),
    )


class _Slopes(NamedTuple):
    """What the layers behind the hinges do: slopes left of all bends and their changes (hinges of
    one neuron), the columns of W_out, upper bounds on their norms, and of the rows in front.
    """

    first: float
    changes: FloatArray
    columns: FloatArray
    column_norms: FloatArray
    row_norms: FloatArray

    @classmethod
    def of(cls, network: Network) -> _Slopes:
        hidden, *behind = network.layers
        parts = [layer.as_affine.weight for layer in behind]
        out = parts[0] if parts else RationalMatrix.from_floats(np.eye(hidden.width))
        for weight in parts[1:]:
            out = RationalMatrix.from_backend(weight.exact * out.exact)
        columns = np.ascontiguousarray(out.float64().T)
        slopes = np.zeros(len(hidden.activation.breakpoints) + 1)
        if hidden.activation.is_piecewise_linear:
            slopes = nearest_floats([slope for slope, _ in hidden.activation.pieces])
        norms = [
            row_norms(torch.from_numpy(x.copy())).numpy()
            for x in (columns, hidden.weight.float64())
        ]
        changes = np.diff(slopes)
        return cls(float(slopes[0]), changes, columns, norms[0], norms[1])


def _products(
    network: Network, frames: Frames, device: str
) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """First circle, p and q of some circles at a time (circles x neurons)."""
    weight = torch.from_numpy(network.layers[0].weight.float64().copy()).to(device)
    step = max(1, _AT_ONCE // max(weight.shape))
    for start in range(0, len(frames.errors), step):
        inner = torch.from_numpy(frames.inner[start : start + step].copy()).to(device)
        found = (inner @ weight.T).cpu().numpy()
        yield start, found[:, 0], found[:, 1]


def _read(
    circles: CircleBatch,
    frames: Frames,
    good: IndexArray,
    whole: bool,
    count: int,
    failures: Mapping[int, InvalidInput],
    device: str,
) -> Rotations:
    network, slopes = circles.network, _Slopes.of(circles.network)
    events, frames = _events(circles, frames, whole)
    neuron, bend = np.divmod(events.hinge, len(slopes.changes))
    p, q = np.zeros(len(neuron)), np.zeros(len(neuron))
    for start, *found in _products(network, frames, device):
        these = np.searchsorted(events.owner, (start, start + len(found[0])))
        mine = slice(*these.tolist())
        for into, values in zip((p, q), found, strict=True):
            into[mine] = values[events.owner[mine] - start, neuron[mine]]
    size = np.abs(slopes.changes[bend]) * slopes.column_norms[neuron]
    speed = np.abs(q * np.cos(events.angles) - p * np.sin(events.angles))
    off = frames.errors[events.owner] * slopes.row_norms[neuron]
    off = 2 * off + np.hypot(p, q) * (events.bounds + 16 * UNIT)
    rounding = (slopes.columns.shape[1] + 16) * 4 * UNIT
    kinks, bounds = size * speed, size * (off + speed * rounding) * 1.01 + LEAST_NORMAL
    bounds[np.isnan(bounds)] = np.inf
    before = np.unpackbits(circles.codes_before, axis=1, count=network.hinge_count).astype(bool)
    before[events.at_u] ^= True
    usable = np.zeros(count, dtype=bool)
    usable[good] = True
    points = np.bincount(events.owner[circles.opens[events.numbers]], minlength=len(circles))
    arc_counts = np.zeros(count, dtype=np.int64)
    arc_counts[good] = circles.cell_counts if whole else points + 1
    return Rotations(
        network,
        circles,
        frames,
        good,
        whole,
        good[events.owner],
        events.angles,
        events.bounds,
        np.ones(len(neuron), dtype=np.int64),
        neuron,
        bend,
        circles.turns_on[events.numbers],
        kinks,
        bounds,
        arc_counts,
        np.packbits(before, axis=1),
        spread(frames.ends, usable, np.nan),
        spread(frames.ends_bound, usable, np.nan),
        failures,
    )


# ---- lengths


def _path_lengths(found: Rotations) -> ArcLengths:
    """The lengths of all circles, one at a time."""
    slopes, circles, frames = _Slopes.of(found.network), found.circles, found.frames
    values, bounds, count = (
        np.zeros(len(circles)),
        np.zeros(len(circles)),
        circles.network.hinge_count,
    )
    starts = np.searchsorted(found.rows, np.append(found.geodesics, len(found)))
    for start, p, q in _products(found.network, frames, "cpu"):
        for k in range(len(p)):
            place = start + k
            mine = slice(starts[place], starts[place + 1])
            values[place], bounds[place] = _path_length(
                slopes,
                np.stack([p[k], q[k]]),
                frames.errors[place] * slopes.row_norms,
                np.unpackbits(found.first_codes[place], count=count).astype(bool),
                found.neurons[mine] * len(slopes.changes) + found.breakpoints[mine],
                found.on[mine],
                found.angles_float[mine],
                found.angles_bound[mine],
                (2 * np.pi, 8 * UNIT)
                if found.whole
                else (frames.ends[place], frames.ends_bound[place]),
            )
    return ArcLengths(values, bounds)


def _path_length(
    slopes: _Slopes,
    pq: FloatArray,
    errors: FloatArray,
    bits: BitArray,
    hinge: IndexArray,
    on: BitArray,
    angles: FloatArray,
    angles_bound: FloatArray,
    end: tuple[float, float],
) -> tuple[float, float]:
    """The length on one circle: arc by arc the output is `a cos t + b sin t + c`, where a and b are
    sums of slope times p or q times a column of W_out.

    Errors: of a and b, times the angle; of the bends and the end, times the velocity that they
    move; of the arcs (see elliptic_arcs).
    """
    bends, (width, outputs) = len(slopes.changes), slopes.columns.shape
    slope = slopes.first + bits.reshape(width, bends) @ slopes.changes
    neuron, bend = np.divmod(hinge, bends)
    change = np.where(on, 1, -1) * slopes.changes[bend]
    radius = np.hypot(*pq)
    if not (np.isfinite(radius).all() and np.isfinite(slopes.column_norms).all()):
        raise Undecided(
            "the length of a path is too large for float64",
            value=f"|z'| up to {radius.max()}",
            remedy="scale the weights, the gain or the radius",
        )
    front, behind = (int(np.frexp(x.max())[1]) for x in (radius, slopes.column_norms))
    pq, radius, errors = (np.ldexp(x, -front) for x in (pq, radius, errors))
    columns, norms = (np.ldexp(x, -behind) for x in (slopes.columns, slopes.column_norms))
    steps = (change * pq[:, neuron])[:, :, None] * columns[neuron]
    first = (slope * pq) @ columns
    a, b = np.cumsum(np.concatenate([first[:, None], steps], axis=1), axis=1)
    gram = np.stack([(a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)], axis=1)
    steep = abs(slopes.first) + 3 * np.abs(slopes.changes).sum()
    sums = (steep * radius) @ norms
    inexact = (steep * errors) @ norms + LEAST_NORMAL
    off = 2 * (inexact + 2 * (width + len(hinge) + 16) * UNIT * sums) * 1.01
    stops = np.maximum.accumulate(np.minimum(np.append(angles, end[0]), end[0]))
    arcs = elliptic_lengths(
        gram,
        2 * (outputs + 16) * UNIT * (gram[:, 0] + gram[:, 2]),
        np.append(0.0, stops[:-1]),
        stops,
    )
    moved = np.abs(change) * norms[neuron] * (radius + 2 * errors)[neuron]
    bound = arcs.bounds.sum() + off * end[0] + end[1] * (sums + inexact)
    bound += moved @ (angles_bound + end[1] + _ANGLE)
    bound += 2 * (len(hinge) + 8) * UNIT * arcs.values.sum()
    power = front + behind
    return math.ldexp(arcs.values.sum(), power), math.ldexp(bound * 1.01, power) + LEAST_NORMAL
