"""The hinges nearest to each of many points: whose boundary is how far, on the norm's sphere and in
the space of inputs.

The set with the code of x is the intersection of what each hinge allows, so the distance to its
complement is the least of the distances to each hinge's own boundary, in any metric. In one hidden
layer that boundary is a hyperplane, or behind a norm a circle of the sphere, everywhere. Deeper
hinges are affine inside the set of a code only and bend outside it: there the nearest one is exact,
the second nearest is not. Floats with proved bounds choose; where two hinges are too close, surds
decide (mathematics.md, "Nearest boundaries").
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.affine_maps import row_norms
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.arithmetic.numbers import FloatArray
from exact.errors import InvalidInput, Unsupported
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.instruments.batches.hinges.by_distance import by_distance
from exact.instruments.batches.hinges.cell_hinges import CellHinges, ExactRows
from exact.instruments.batches.hinges.exact_points import By, ExactBoundary, ExactPoints, defined
from exact.instruments.batches.hinges.hinge_rows import NEARLY, ROOM, HingeRows, projected
from exact.instruments.batches.hinges.read_off import NAMES, Seen
from exact.instruments.batches.hinges.selection import Measured, candidates, on_sphere, picked_of
from exact.instruments.batches.points import Errors, Rows, read_rows, require_hinges, require_k
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network
from exact.networks.norms import Norm

if TYPE_CHECKING:
    from torch import Tensor
_CHUNK = 1 << 19  # entries of the largest array of a chunk
_SMALLEST = 16  # rows of a chunk
_READ = 1 << 13  # rows whose distances are found at a time


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class NearestBoundaries(Tabular):
    """The k nearest hinges of N points, nearest first `by` angle or distance; arrays are N x k.

    `layers` and `neurons` name hinges as :class:`exact.Hinge` does (`breakpoints` too); 0 and -1
    stand where there is none: the point is bad and kept, or fewer hinges than k have a boundary.
    `on` is the side of the point. `angles_float` are NaN without a norm. Every float is within its
    `_bound` of the exact number. Equally near hinges stand in the order of the code. `failures` has
    the points that were refused and kept, and why.
    """

    network: Network
    k: int
    layer: int | None
    by: By
    rows: Rows
    layers: IndexArray
    neurons: IndexArray
    breakpoints: IndexArray
    on: BitArray
    angles_float: FloatArray
    angles_bound: FloatArray
    distances_float: FloatArray
    distances_bound: FloatArray
    decisions: Mapping[str, int]
    failures: Mapping[int, InvalidInput]

    def __len__(self) -> int:
        return len(self.neurons)

    def __repr__(self) -> str:
        told = f", {len(self.failures):,} refused" if self.failures else ""
        return f"<nearest boundaries of {len(self):,} points, k = {self.k}{told}>"

    @cached_property
    def _exactly(self) -> ExactPoints:
        return _source(self.network, self.layer, self.k).exactly(self.rows, self.by)

    def exact(self, index: int) -> tuple[ExactBoundary, ...]:
        """The hinges of one point exactly, nearest first."""
        place = range(len(self))[index]
        named = zip(self.layers[place], self.neurons[place], self.breakpoints[place], strict=True)
        wanted = [Hinge(int(a), int(b), int(c)) for a, b, c in named if a > 0]
        number = {hinge: j for j, hinge in enumerate(self._exactly.hinges)}
        return tuple(self._exactly.boundary(place, number[hinge]) for hinge in wanted)

    def columns(self) -> Columns:
        """The columns of the table: one line for each point and hinge."""
        count, k = self.neurons.shape
        named = {"row": np.repeat(np.arange(count), k), "rank": np.tile(np.arange(k), count)}
        found = ["layers", "neurons", "breakpoints", "on", "angles_float", "angles_bound"]
        found += ["distances_float", "distances_bound"]
        short = {"layers": "layer", "neurons": "neuron", "breakpoints": "breakpoint"}
        return named | {
            short.get(name, name.replace("angles", "angle").replace("distances", "distance")): (
                getattr(self, name).ravel()
            )
            for name in found
        }


@in_ieee_floats
def nearest_boundaries(
    network: Network,
    X: Any,
    k: int = 1,
    device: str = "cpu",
    layer: int | None = None,
    errors: Errors = "raise",
    by: By | None = None,
) -> NearestBoundaries:
    """The k hinges nearest to each row of X (N x n): by the distance |w . x + c| / |w|, and behind
    a norm by the angle on its sphere, or with `by="distance"` by the distance among inputs.

    Behind a norm the angle is that between the direction of P x and the hinge's circle, `|angle(u,
    w_j) - theta_j|`, the geometry of eps = 0; hinges whose circle misses or only touches the sphere
    have none. `distances_float` is the distance of x from the hinge's zero set among all inputs,
    eps included (for eps = 0 an infimum, where the nearest point is P x = 0: there all hinges more
    than a right angle away are equally far). Both orders are exact.

    `layer=1` takes the hinges of the first hidden layer alone. Deeper ones bend outside the set
    with x's code: among all hinges of a deep network k is 1, and Unsupported otherwise. Raises
    InvalidInput for other widths, for angles without a norm, and for NaN and P x = 0 with the row's
    number; `errors="keep"` keeps such rows in `failures`. Cost: one matrix product and some ten
    operations for each point and hinge, by distance some fifty on the CPU, of a deep network a
    product of weights for each point.

    >>> from exact.sources import tensors
    >>> net = tensors.block([[3, 0], [0, 1]], [-1, 0], [[1, 1]], [0], norm="rms", eps=0)
    >>> found = nearest_boundaries(net, [[1, 2], [5, -1]])
    >>> found.neurons.tolist(), found.on.tolist(), found.decisions
    ([[0], [1]], [[True], [False]], {'filter': 2, 'exact': 0})
    >>> found.exact(0)[0].squared_distance.sympy(), found.exact(1)[0].cosine()
    (7/6 - 2*sqrt(17)/9, 5*sqrt(26)/26)
    >>> net = tensors.block([[1, 0], [0, 1]], [1, 0], [[1, 1]], [0], norm="rms", eps=4)
    >>> [nearest_boundaries(net, [[-1, 1]], by=by).neurons.tolist() for by in ("angle", "distance")]
    [[[0]], [[1]]]
    """
    require_network(network)
    count = require_k(k)
    source = _source(network, layer, count)
    require_hinges(network)
    order = _order(by, source.norm)
    given = read_rows(X, network.input_dim, errors)
    rows = defined(source.norm, given, errors)
    return _Search(network, layer, order, rows, count, device).run(_failures(given, rows))


def _failures(given: Rows, rows: Rows) -> dict[int, InvalidInput]:
    """Why rows cannot be used: they are not finite, or else the norm does not see them."""
    remedy = "leave it out"
    return {
        row: InvalidInput(
            f"the norm's projection of row {row} of X is zero", value=0, remedy=remedy
        )
        if given.usable[row]
        else InvalidInput(f"row {row} of X is not finite", value="NaN or infinity", remedy=remedy)
        for row in np.flatnonzero(~rows.usable).tolist()
    }


def _order(by: object, norm: Norm | None) -> By:
    if by not in (None, "angle", "distance"):
        raise InvalidInput(
            "unknown order of hinges", value=repr(by), remedy='write by="angle" or "distance"'
        )
    if by == "angle" and norm is None:
        raise InvalidInput(
            "without a norm there are no angles", value='by="angle"', remedy='write by="distance"'
        )
    return "distance" if by == "distance" or norm is None else "angle"


def _source(network: Network, layer: int | None, k: int) -> _Source:
    """Where hinges come from: the first layer, or the code set of each point."""
    if layer is not None:
        network.layer_range((layer, layer))
    deep = len(network.hidden_layers) > 1 or not network.blocks[0].layers[0].bits
    if layer is not None and layer > 1:
        raise Unsupported(
            "hinges of a deeper layer bend outside the set with the point's code",
            value=f"layer={layer}",
            remedy="write layer=1, or layer=None and k=1",
        )
    if not deep or layer == 1:
        return _Source(HingeRows.of(network, "nearest_boundaries"))
    if k > 1:
        raise Unsupported(
            "of a deep network only the nearest hinge is known: others bend outside the cell",
            value=f"k={k}",
            remedy="write k=1, or layer=1 for hinges of the first hidden layer",
        )
    return _Source(CellHinges.of(network))


@dataclass(frozen=True)
class _Source:
    hinges: HingeRows | CellHinges

    @property
    def norm(self) -> Norm | None:
        return self.hinges.norm

    def exactly(self, rows: Rows, by: By) -> ExactPoints:
        """The same in rationals."""
        source = self.hinges
        known = source.rows(rows) if isinstance(source, CellHinges) else source
        return ExactPoints(self.norm, known, rows, by)


@dataclass(frozen=True)
class _Filtered:
    """What floats say of rows start .. stop: the hinges measured, the k that are nearest (B x k)
    and whether that is certain (B); |P x|, its relative error and the powers of two (B).
    """

    start: int
    stop: int
    measured: Measured
    picked: Tensor
    sure: Tensor
    length: Tensor
    relative: Tensor
    powers: Tensor


class _Search:
    """One run over all rows in chunks."""

    def __init__(
        self, network: Network, layer: int | None, by: By, rows: Rows, k: int, device: str
    ) -> None:
        self.network, self.layer, self.by = network, layer, by
        self.rows, self.k, self.device = rows, k, device
        source = _source(network, layer, k)
        self.norm, self.source = source.norm, source.hinges
        self.exactly = source.exactly(rows, by)
        self.hinges = self.exactly.hinges
        self.shared = None if isinstance(self.source, CellHinges) else self.source.floats(device)
        self.cap = None
        if self.norm is not None and self.shared is not None:
            self.cap = self.shared.cap(self.norm.dim)
        count = len(rows)
        self.chosen = np.full((count, k), -1, dtype=np.int64)
        self.on = np.zeros((count, k), dtype=bool)
        self.values = {
            name: np.full((count, k), np.nan)
            for name in ("angles_float", "angles_bound", "distances_float", "distances_bound")
        }
        self.decided = {"filter": 0, "exact": 0}
        self.seen = {
            name: np.zeros((count, k))
            for name in (*NAMES, "length", "relative", "powers", "unknown")
        }

    def run(self, failures: Mapping[int, InvalidInput]) -> NearestBoundaries:
        for found in self._filtered():
            self._choose(found)
        for start in range(0, len(self.rows), _READ):
            self._read_off(slice(start, start + _READ))
        place = np.array([tuple(h) for h in self.hinges] + [(0, -1, -1)], dtype=np.int64)
        named = place[self.chosen]
        self.on[self.chosen < 0] = False
        return NearestBoundaries(
            self.network,
            self.k,
            self.layer,
            self.by,
            self.rows,
            named[..., 0],
            named[..., 1],
            named[..., 2],
            self.on,
            self.values["angles_float"],
            self.values["angles_bound"],
            self.values["distances_float"],
            self.values["distances_bound"],
            self.decided,
            failures,
        )

    def _filtered(self) -> Iterator[_Filtered]:
        """The chunks in turn. Hinges that all rows share are measured in as many threads as torch
        has, each with a chunk of its own, a few chunks ahead of what is read.
        """
        if isinstance(self.source, CellHinges) or self.device != "cpu":
            yield from itertools.starmap(self._filter, self._chunks())
            return
        threads = torch.get_num_threads()
        with one_thread(), ThreadPoolExecutor(threads) as pool:
            ahead = deque[Future[_Filtered]]()
            for start, stop in self._chunks():
                ahead.append(pool.submit(self._filter, start, stop))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _chunks(self) -> Iterator[tuple[int, int]]:
        width = len(self.hinges)
        if isinstance(self.source, CellHinges):
            width = self.source.floats_a_row
        size = max(_SMALLEST, _CHUNK // max(1, width))
        for start in range(0, len(self.rows), size):
            yield start, min(len(self.rows), start + size)

    def _filter(self, start: int, stop: int) -> _Filtered:
        """The nearest by floats."""
        x, powers = self.rows.floats(start, stop, self.device)
        image, error = projected(self.norm, x, 2 * U * row_norms(x))
        measured = self._measure(start, stop, x, image, error, powers)
        length = torch.linalg.norm(image, dim=1)
        relative = error / length * ROOM + (image.shape[1] + 4) * U
        if self.by == "distance" and self.norm is not None:
            sizes = (a.cpu().numpy()[:, None] for a in (powers, length, relative))
            all_of = (getattr(measured, name).cpu().numpy() for name in NAMES)
            measured = by_distance(measured, Seen(self.norm, *sizes, *all_of), self.k)
        return _Filtered(
            start, stop, measured, *picked_of(measured, self.k), length, relative, powers
        )

    def _choose(self, found: _Filtered) -> None:
        """The nearest for certain, and what floats know of them."""
        start, stop, measured = found.start, found.stop, found.measured
        chosen, certain = found.picked.cpu().numpy(), found.sure.cpu().numpy()
        usable = self.rows.usable[start:stop]
        chosen[~usable] = -1
        for i in np.flatnonzero(usable & ~certain).tolist():
            exact = self.exactly.nearest(start + i, self._left(measured, i), self.k)
            chosen[i] = exact + [-1] * (self.k - len(exact))
        self.decided["filter"] += int((usable & certain).sum())
        self.decided["exact"] += int((usable & ~certain).sum())
        self.chosen[start:stop] = chosen
        index = torch.from_numpy(chosen).clamp(min=0).to(self.device)
        for name in NAMES:
            values = getattr(measured, name)
            if values is not None:
                self.seen[name][start:stop] = _gathered(values, index)
        self.seen["unknown"][start:stop] = _gathered(measured.unknown, index)
        for name in ("length", "relative", "powers"):
            self.seen[name][start:stop] = getattr(found, name).cpu().numpy()[:, None]

    def _left(self, measured: Measured, i: int) -> list[int]:
        """The hinges that may be among the nearest of row i of a chunk."""
        among = candidates(measured, self.k, slice(i, i + 1))[0][0]
        found: list[int] = torch.nonzero(among)[:, 0].tolist()
        return found

    def _measure(
        self, start: int, stop: int, x: Tensor, image: Tensor, error: Tensor, powers: Tensor
    ) -> Measured:
        length = torch.linalg.norm(image, dim=1)
        if self.norm is None:
            if isinstance(self.source, CellHinges):
                factor = torch.ldexp(torch.ones_like(error), -powers)
                return self._cells(start, stop, x, error, factor)
            return self._planes(x, error, powers)
        slack = (2 * error / length) * ROOM + (x.shape[1] + 4) * U * ROOM
        slack = torch.where(slack < NEARLY, slack, torch.inf)
        unit = image / length[:, None]
        if isinstance(self.source, CellHinges):
            return self._cells(start, stop, unit, slack, torch.ones_like(slack))
        assert self.shared is not None
        cap, n = self.cap, x.shape[1]
        assert cap is not None
        along = unit @ self.shared.normals.T
        loose = (slack + self.shared.normal_error + (n + 2) * U) * ROOM
        unknown = ~(cap.cuts | cap.misses)
        return on_sphere(along, loose, cap, unknown, cap.misses)

    def _planes(self, x: Tensor, error: Tensor, powers: Tensor) -> Measured:
        """Signed distances, divided by 2^powers."""
        assert self.shared is not None
        height, slack = self.shared.heights
        factor = torch.ldexp(torch.ones_like(error), -powers)
        along = torch.addmm(factor[:, None] * height, x, self.shared.normals.T)
        size, n = row_norms(x), x.shape[1]
        # |height| U for the sum; the offset's own error scales with the row
        slack = (slack + (n + 4) * U * height.abs()) * ROOM
        loose = (size * (self.shared.normal_error + (n + 4) * U) + error) * ROOM + LEAST_ROOT
        spread = (loose[:, None] + factor[:, None] * slack) if bool((factor != 1).any()) else None
        unknown = ~(self.shared.known & height.isfinite())
        none = torch.zeros_like(unknown)
        if spread is None:
            spread = loose[:, None] + slack
        zero = torch.zeros_like(loose)
        return Measured(along, spread, along.abs(), zero, spread, unknown, none)

    def _cells(self, start: int, stop: int, at: Tensor, error: Tensor, factor: Tensor) -> Measured:
        assert isinstance(self.source, CellHinges)
        assert isinstance(self.exactly.known, ExactRows)
        found = self.source.measure(self.exactly.known, start, stop, at, error, factor)
        if found.cap is None:
            zero = torch.zeros_like(error)
            return Measured(
                found.along,
                found.along_error,
                found.along.abs(),
                zero,
                found.along_error,
                found.unknown,
                found.without,
            )
        without = (found.cap.misses & ~found.unknown) | found.without
        unknown = ~(found.cap.cuts | without)
        loose = found.along_error.masked_fill(unknown | without, 0.0).amax(dim=1)
        return on_sphere(found.along, loose, found.cap, unknown, without)

    def _read_off(self, those: slice) -> None:
        """Angles, distances and sides of the chosen hinges; exact where floats know nothing."""
        chosen, start = self.chosen[those], those.start
        known = {name: values[those] for name, values in self.seen.items()}
        unknown, powers = known.pop("unknown") > 0, known.pop("powers").astype(np.int64)
        seen = Seen(self.norm, powers, **known)
        lost = seen.lost(unknown) & (chosen >= 0)
        for i, column in zip(*np.nonzero(lost), strict=True):
            seen.patch((i, column), self.exactly, start + i, int(chosen[i, column]))
        rows, columns = np.nonzero(chosen >= 0)
        for name, values in (seen.angles() | seen.distances()).items():
            self.values[name][start + rows, columns] = values[rows, columns]
        side, sure = seen.sides()
        self.on[start + rows, columns] = side[rows, columns]
        for i, column in zip(*np.nonzero(~sure & (chosen >= 0)), strict=True):
            self.on[start + i, column] = self.exactly.is_on(start + i, int(chosen[i, column]))


def _gathered(values: Tensor, index: Tensor) -> FloatArray:
    """Of each row of a chunk (or of the hinges that all share) the entries at `index`."""
    wide = values.expand(len(index), -1) if values.ndim == 1 else values
    found: FloatArray = wide.gather(1, index).to(torch.float64).cpu().numpy()
    return found
