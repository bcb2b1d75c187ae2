"""Every crossing of `x + alpha d`: which neurons flip, on or off, and at which strength, when a
vector is steered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.roundoff import LEAST, U
from exact.arithmetic.linear_algebra import matrix
from exact.arithmetic.nearest import nearest_of
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_float,
    rational,
)
from exact.arithmetic.stored_numbers import is_array, plain_array
from exact.arithmetic.surds import Surd
from exact.errors import InvalidInput, certain, shown
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.geometry.pencils.pencil import Direction, Frame
from exact.geometry.pencils.positions import CurvePoint, parameter_ball
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network
from exact.regions.arcs.crossings import exact_parameter, sympy_rational
from exact.regions.arcs.lines.batches import LineBatch, partition_lines
from exact.regions.arcs.partition import CurvePartition

if TYPE_CHECKING:
    import sympy

Errors = Literal["raise", "keep"]
# what is no smaller beside a direction is not zero; what is, is looked at exactly
_SMALL = 2.0**-30
_POOR = 2.0**-10  # strengths with fewer than three digits are read off exact points, at 3 ms
_LEAST = 2.0**-1074  # the nearest float of a smaller number is zero


@dataclass(frozen=True, eq=False)
class Steering(Tabular):
    """The crossings of many steered vectors, one vector after another, in the order of alpha.

    Crossing k is that of vector `rows[k]` in direction `directions[k]`, at alpha within
    `alphas_bound[k]` of `alphas_float[k]`: breakpoint `breakpoints[k]` of neuron `neurons[k]` in
    hidden layer `layers[k]` (from 1, as Hinge counts) of block `blocks[k]`, which `on[k]` turns on
    for larger alpha. `failures` names the vectors that were refused (row and direction), with why.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [1, 1]], [0, -1]), ([[1, 1]], None)])
    >>> found = steering(net, [[-1, 0]], [[1, 0]], alphas=(0, 4))
    >>> found.alphas_float.tolist(), found.neurons.tolist(), found.on.tolist()
    ([1.0, 2.0], [0, 1], [True, True])
    """

    lines: LineBatch
    alphas: tuple[Rational, Rational]
    rows: IndexArray
    directions: IndexArray
    alphas_float: FloatArray
    alphas_bound: FloatArray
    blocks: IndexArray
    layers: IndexArray
    neurons: IndexArray
    breakpoints: IndexArray
    on: BitArray
    product: bool
    failures: Mapping[tuple[int, int], InvalidInput]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        steered = len(self.lines) + len(self.failures)
        return f"<{len(self):,} crossings of {steered:,} steered vectors>"

    def columns(self) -> Columns:
        """The columns of the table: row, (direction,) alpha, alpha_bound, block, layer, neuron, on;
        breakpoint where neurons have several.

        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, 0], [0, 2]], [0, 1]), ([[1, -1]], [0])])
        >>> table = steering(net, [[-1, 1]], [1, 0], alphas=(0, 2)).columns()
        >>> {name: column.tolist() for name, column in table.items() if name[:5] != "alpha"}
        {'row': [0], 'block': [0], 'layer': [1], 'neuron': [0], 'on': [True]}
        """
        columns = {
            "row": self.rows,
            "direction": self.directions,
            "alpha": self.alphas_float,
            "alpha_bound": self.alphas_bound,
            "block": self.blocks,
            "layer": self.layers,
            "neuron": self.neurons,
            "breakpoint": self.breakpoints,
            "on": self.on,
        }
        left_out = set() if self.product else {"direction"}
        left_out |= set() if self.breakpoints.any() else {"breakpoint"}
        return {name: column for name, column in columns.items() if name not in left_out}

    def exact(self, index: int) -> sympy.Expr:
        """The exact alpha of one crossing.

        Raises Undecided behind several norms where it has too high a degree.
        """
        place = range(len(self))[index]
        line = int(np.searchsorted(self.lines.starts, place, side="right")) - 1
        found = self.lines[line]
        t = exact_parameter(found.frame, _point(found, place - int(self.lines.starts[line])))
        low, high = (sympy_rational(x) for x in self.alphas)
        return low + (high - low) * t


def _point(line: CurvePartition, event: int) -> CurvePoint:
    """Where an event of a line lies, exactly."""
    step = int(np.searchsorted(line.cells.codes.starts, event, side="right")) - 1
    return line.cells.cuts[step].direction


@in_ieee_floats
def steering(
    network: Network,
    x: Any,
    d: Any,
    *,
    alphas: tuple[Any, Any] = (0, 1),
    product: bool = False,
    errors: Errors = "raise",
    first_block: int = 0,
    device: str = "cpu",
    limit: int | None = 10**9,
) -> Steering:
    """Every crossing of `x[i] + alpha d`, lo < alpha < hi, exactly, through any depth, eps
    included.

    `d` is one direction, or one a row of x, or with `product` any number of directions, each for
    every row. `alphas` are lo and hi. `first_block` is how the model counts the network's first
    block. With `errors="keep"` vectors that make no sense are left out and named in `failures`,
    else the first one raises.

    Raises InvalidInput (another width, NaN in row i, direction zero or, in front of a norm, one
    that its projection takes to zero, an empty range), TooLarge, Undecided. Along a direction that
    the norm does not see nothing flips at any strength: `partition_lines` has one cell there, but
    here it is a mistake in d.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, 0], [0, 2]], [0, 1]), ([[1, -1]], [0]), ([[1]], [0])])
    >>> found = steering(net, [[-1, 1], [2, -4]], [1, 1], alphas=(0, 10))
    >>> found.rows.tolist(), found.layers.tolist(), found.neurons.tolist(), found.on.tolist()
    ([0, 1, 1], [1, 1, 2], [0, 1, 0], [True, True, False])
    >>> [str(found.exact(k)) for k in range(3)]
    ['1', '7/2', '9']
    """
    require_network(network)
    if errors not in ("raise", "keep"):
        raise InvalidInput(
            "errors is neither raise nor keep", value=repr(errors), remedy='write errors="keep"'
        )
    if not isinstance(alphas, Sequence) or len(alphas) != 2 or isinstance(alphas, str):
        raise InvalidInput("alphas is no range", value=repr(alphas), remedy="give (lo, hi)")
    low, high = (rational(bound, "alphas") for bound in alphas)
    if low >= high:
        raise InvalidInput(
            "the range of alpha is empty",
            value=f"{nearest_float(low)} to {nearest_float(high)}",
            remedy="give alphas=(lo, hi) with lo < hi",
        )
    vectors, directions = _vectors(network, x, "x"), _vectors(network, d, "d")
    rows, places = _pairs(vectors.rows, directions.rows, product)
    unseen = dict.fromkeys(range(directions.rows)) | {
        j: _fault(network, directions.matrix, j) for j in _hardly_seen(network, directions.matrix)
    }
    faults = unseen | dict(directions.faults)
    found = [
        vectors.faults.get(i) or faults[j]
        for i, j in zip(rows.tolist(), places.tolist(), strict=True)
    ]
    for fault in found:
        if fault is not None and errors == "raise":
            raise fault
    failures = {
        (int(rows[k]), int(places[k])): fault for k, fault in enumerate(found) if fault is not None
    }
    sound = np.array([fault is None for fault in found], dtype=bool)
    rows, places = rows[sound], places[sound]
    ends = [_moved(vectors.matrix, directions.matrix, rows, places, at) for at in (low, high)]
    lines = partition_lines(network, *ends, device=device, limit=limit)
    return _read(lines, (low, high), rows, places, product, failures, first_block)


class _Rows(NamedTuple):
    """Vectors, those that are not finite replaced by 0, and what is wrong with them."""

    matrix: RationalMatrix
    faults: Mapping[int, InvalidInput]

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.matrix.shape[0]


def _vectors(network: Network, values: Any, name: str) -> _Rows:
    """Rows of the network's width; one vector is one row."""
    values = plain_array(values, name) if is_array(values) else values
    faults, array = dict[int, InvalidInput](), _float_rows(values, name)
    if array is not None:
        for row in np.flatnonzero(~np.isfinite(array).all(axis=1)).tolist():
            column = int(np.flatnonzero(~np.isfinite(array[row]))[0])
            faults[row] = InvalidInput(
                f"row {row} of {name} is not finite",
                value=f"{array[row, column]} in column {column}",
                remedy='leave it out, or write errors="keep"',
            )
            array[row] = 0.0
    if array is None and not len(values):
        raise InvalidInput(f"{name} has no vector", value=values, remedy="give at least one row")
    found = RationalMatrix.read(values if array is None else array, name)
    if array is None and (not hasattr(values[0], "__len__") or isinstance(values[0], str)):
        found = RationalMatrix.from_backend(found.exact.transpose())
    if found.shape[1] != network.input_dim:
        raise InvalidInput(
            f"{name} has another width than the network",
            value=found.shape,
            remedy=f"give vectors of length {network.input_dim}",
        )
    return _Rows(found, faults)


def _float_rows(values: Any, name: str) -> FloatArray | None:
    """Floats as rows, copied; None for whatever else is given."""
    array = plain_array(values, name) if is_array(values) else np.array(values, dtype=object)
    kinds = {type(value) for value in array.flat} if array.dtype.kind == "O" else set()
    if array.dtype.kind != "f" and not (float in kinds and kinds <= {float, int}):
        return None
    rows: FloatArray = np.array(array, dtype=np.float64)
    return rows.reshape(1, -1) if rows.ndim == 1 else rows if rows.ndim == 2 else None


def _pairs(vectors: int, directions: int, product: bool) -> tuple[IndexArray, IndexArray]:
    """Row and direction of every steered vector."""
    if product:
        return np.repeat(np.arange(vectors), directions), np.tile(np.arange(directions), vectors)
    if directions not in (1, vectors):
        raise InvalidInput(
            "d is neither one direction nor one a row of x",
            value=f"{directions} directions, {vectors} rows",
            remedy="write product=True to steer every row in every direction",
        )
    return np.arange(vectors), np.arange(vectors) % max(1, directions)


def _hardly_seen(network: Network, directions: RationalMatrix) -> list[int]:
    """The directions of which floats do not tell that the norm in front sees them."""
    floats, norm = directions.float64(), network.blocks[0].norm
    seen = floats if norm is None else norm.project_float(floats)
    largest, left = (np.abs(x).max(axis=1, initial=0.0) for x in (floats, seen))
    found: list[int] = np.flatnonzero(~(left > largest * _SMALL)).tolist()
    return found


def _fault(network: Network, directions: RationalMatrix, place: int) -> InvalidInput | None:
    """What is wrong with a direction: it is zero, or the norm in front does not see it."""
    norm = network.blocks[0].norm
    exact = directions.row(place)
    if not any(exact):
        return InvalidInput(
            f"direction {place} of d is zero", value=0, remedy='leave it out, or errors="keep"'
        )
    if norm is None or any(norm.project(matrix([[v] for v in exact], 1)).entries()):
        return None
    return InvalidInput(
        f"{type(norm).__name__} does not see direction {place} of d",
        value=shown(exact),
        remedy="give one that its projection does not take to 0 (LayerNorm: not along the ones)",
    )


def _moved(
    x: RationalMatrix, d: RationalMatrix, rows: IndexArray, places: IndexArray, alpha: Rational
) -> RationalMatrix:
    """x[rows] + alpha d[places]."""
    if alpha == 0 and x.is_float:
        return RationalMatrix.from_floats(x.float64()[rows])
    return _Moved(x, d, rows, places, alpha)


class _Moved(RationalMatrix):
    """x[rows] + alpha d[places]: floats with a bound for all, rationals of the rows that are asked
    for.
    """

    def __init__(
        self,
        x: RationalMatrix,
        d: RationalMatrix,
        rows: IndexArray,
        places: IndexArray,
        alpha: Rational,
    ) -> None:
        super().__init__(None, None, (len(rows), x.shape[1]))
        self._given = x, d, rows, places, alpha

    @cached_property
    def exact(self) -> RationalArray:
        """All of them in the backend."""
        return matrix([self.row(index) for index in range(self.shape[0])], self.shape[1])

    def row(self, index: int) -> list[Rational]:
        """One row as backend rationals, making no other row."""
        x, d, rows, places, alpha = self._given
        pairs = zip(x.row(int(rows[index])), d.row(int(places[index])), strict=True)
        return [start + alpha * step for start, step in pairs]

    def float64(self) -> FloatArray:
        """Near the rows: within `float64_error`."""
        return self._floats_with_errors[0]

    def float64_error(self) -> FloatArray:
        """A bound on |float64() - exact|, entry by entry."""
        return self._floats_with_errors[1]

    @cached_property
    def _floats_with_errors(self) -> tuple[FloatArray, FloatArray]:
        """Three operations are rounded: alpha, the product, the sum."""
        x, d, rows, places, alpha = self._given
        near = nearest_float(alpha)
        with np.errstate(all="ignore"):
            start, step = x.float64()[rows], near * d.float64()[places]
            error = 4 * U * (np.abs(start) + np.abs(step)) + LEAST
            for known, those, scale in ((x, rows, 1.0), (d, places, abs(near))):
                if not known.is_float:
                    error += 2 * scale * known.float64_error()[those]
            return start + step, error

    @property
    def is_float(self) -> bool:
        """Whether the floats are known to be the rows."""
        return False

    @cached_property
    def digest(self) -> bytes:
        """That of the same rows in any other matrix."""
        return RationalMatrix.from_backend(self.exact).digest

    def __reduce__(self) -> tuple[object, ...]:
        return _Moved, self._given


def _read(
    lines: LineBatch,
    alphas: tuple[Rational, Rational],
    rows: IndexArray,
    places: IndexArray,
    product: bool,
    failures: Mapping[tuple[int, int], InvalidInput],
    first_block: int,
) -> Steering:
    """The events of segments as crossings."""
    network = lines.network
    counts = np.diff(lines.starts)
    owner, hinge = np.repeat(np.arange(len(lines)), counts), lines.rows.astype(np.int64)
    names = np.array(network.hinges, dtype=np.int64).reshape(-1, 3)
    of_layer = [b for b, block in enumerate(network.blocks) for layer in block.layers if layer.bits]
    block = np.array(of_layer, dtype=np.int64) + first_block
    at, bound = _alphas(lines, alphas)
    layer, neuron, bend = names[hinge].T if len(hinge) else np.zeros((3, 0), dtype=np.int64)
    return Steering(
        lines,
        alphas,
        rows[owner],
        places[owner],
        at,
        bound,
        block[layer - 1],
        layer,
        neuron,
        bend,
        lines.turns_on,
        product,
        failures,
    )


def _alphas(lines: LineBatch, alphas: tuple[Rational, Rational]) -> tuple[FloatArray, FloatArray]:
    """The strengths of all events and bounds on their errors; the nearest floats of the exact ones
    where a range that is much wider than they are leaves less than three digits.
    """
    low, high = nearest_float(alphas[0]), nearest_float(alphas[1])
    with np.errstate(all="ignore"):
        span = np.float64(high) - low
        found = low + span * ((lines.low + lines.high) / 2)
        bound = span * (lines.high - lines.low) / 2 + 8 * U * (abs(low) + abs(high))
        bound *= 1 + 8 * U
        poor = ~(bound <= np.abs(found) * _POOR) | ~np.isfinite(bound)
    events = np.flatnonzero(poor)
    owners = np.searchsorted(lines.starts, events, side="right") - 1
    for owner in np.unique(owners).tolist():
        line, start = lines[owner], int(lines.starts[owner])
        for event in events[owners == owner].tolist():
            found[event] = _alpha(line.frame, _point(line, event - start), alphas)
            bound[event] = 2 * U * abs(found[event]) + _LEAST
    return found, bound


def _alpha(frame: Frame, point: CurvePoint, alphas: tuple[Rational, Rational]) -> float:
    """low + (high - low) t: the nearest float64."""
    low, span = alphas[0], alphas[1] - alphas[0]
    if isinstance(point, Direction):
        t = certain(frame.parameter(point), "no crossing lies beyond the ends of a segment")
        return float(Surd(low + span * t.a, span * t.b, t.d))
    return nearest_of(lambda bits: Ball(low) + Ball(span) * parameter_ball(frame, point, bits))
