"""What one neuron says about another on the norm's sphere, for all pairs of a layer, from one Gram
matrix.

Behind a norm a hinge is on in a cap around w_j, within theta_j. With phi the angle between w_i and
w_j: i implies j iff phi + theta_i <= theta_j, both exclude each other iff phi >= theta_i + theta_j,
both cover the sphere iff phi >= 2 pi - theta_i - theta_j (mathematics.md, "Nearest boundaries"). In
cosines, with C, S those of theta: `cos phi - C_i C_j -+ S_i S_j` has the sign asked for, and the
order of C_i and C_j, or the sign of C_i + C_j, says which. Floats with a bound leave few pairs, and
these are decided in surds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats, members_in_ieee_floats
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.linear_algebra import dot
from exact.arithmetic.numbers import Rational
from exact.arithmetic.surds import sign, sign_of_surd
from exact.errors import InvalidInput
from exact.geometry.combinatorics.tables import Columns, Tabular, frame, write_parquet
from exact.instruments.batches.hinges.exact_points import defined
from exact.instruments.batches.hinges.first_layer_bits import first_layer_bits
from exact.instruments.batches.hinges.hinge_rows import ROOM, Caps, HingeRows, UnitHinges
from exact.instruments.batches.points import read_rows
from exact.networks.network import Network

if TYPE_CHECKING:
    from torch import Tensor
_BLOCK = 1 << 21  # entries of a block of the Gram matrix
_COUNTED = 1 << 22  # rows of bits that are multiplied at once: float32 counts them exactly


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class PairLogic(Tabular):
    """The related pairs of hinges of the first layer that cut the sphere (P x 2 each, ascending).

    `implies[k] = (i, j)`: where i is on, j is; equal caps imply each other. `exclusive` pairs are
    never on together, `covering` ones never off together but for a point (i < j). `constant` is 1
    for hinges that are on everywhere, -1 for those on nowhere, 0 for those compared here. Numbers
    are those of the hinges in the code.
    """

    network: Network
    implies: IndexArray
    exclusive: IndexArray
    covering: IndexArray
    constant: np.ndarray[Any, np.dtype[np.int8]]
    decisions: Mapping[str, int]

    def __repr__(self) -> str:
        return (
            f"<{len(self.implies)} implications, {len(self.exclusive)} exclusive, "
            f"{len(self.covering)} covering pairs of {len(self.constant):,} hinges>"
        )

    def _kinds(self) -> Iterator[tuple[str, IndexArray]]:
        for name in ("implies", "exclusive", "covering"):
            yield name, getattr(self, name)

    def columns(self, X: Any = None) -> Columns:
        """A line for each related pair: relation, i, j; with data X (N x n) also how often both are
        off, only j, only i, and both are on.
        """
        pairs = np.vstack([pairs for _, pairs in self._kinds()])
        kinds, sizes = zip(*((name, len(found)) for name, found in self._kinds()), strict=True)
        columns = {"relation": np.repeat(kinds, sizes), "i": pairs[:, 0], "j": pairs[:, 1]}
        if X is not None:
            counts = joint_counts(self.network, X)
            for name, table in counts.items():
                columns[name] = table[pairs[:, 0], pairs[:, 1]]
        return columns

    def to_pandas(self, X: Any = None) -> Any:
        """The table as a pandas DataFrame, with what data X shows."""
        return frame(self.columns(X))

    def to_parquet(self, path: str | Path, X: Any = None) -> Path:
        """Write the table to a Parquet file, with what data X shows."""
        return write_parquet(path, self.columns(X))


@in_ieee_floats
def pair_logic(network: Network, device: str = "cpu") -> PairLogic:
    """Implications, exclusions and covers between all hinges of the first layer that cut the
    sphere of its norm.

    Hinges that are on everywhere or nowhere are left out: they imply, or exclude, all others, and
    stand in `constant` (1 and -1).
    For eps > 0 these are statements about directions, that is about inputs far from the centre.
    Raises InvalidInput without a norm, Unsupported where the first layer is not right behind it.
    Cost: a Gram matrix and ten operations for each pair.

    >>> from exact.sources import tensors
    >>> net = tensors.block(
    ...     [[1, 0], [1, 0], [-1, 0]], [0, -1, -1], [[1, 1, 1]], [0], norm="rms", eps=0
    ... )
    >>> found = pair_logic(net)
    >>> found.implies.tolist(), found.exclusive.tolist(), found.covering.tolist()
    ([[1, 0]], [[0, 2], [1, 2]], [])
    """
    rows = HingeRows.of(network, "pair_logic")
    if rows.norm is None:
        raise InvalidInput(
            "without a norm there is no sphere", value="no norm", remedy="give a network with one"
        )
    signs = rows.signs
    alive = np.flatnonzero(signs == 0)
    search = _Pairs(rows, alive, device)
    search.run()
    implies, exclusive, covering = map(_sorted, (search.implies, search.exclusive, search.covering))
    return PairLogic(network, implies, exclusive, covering, signs, search.decisions)


def _sorted(pairs: list[tuple[int, int]]) -> IndexArray:
    return np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 2)


class _Pairs:
    """One run over the Gram matrix in blocks of rows."""

    def __init__(self, rows: HingeRows, alive: IndexArray, device: str) -> None:
        self.rows, self.alive = rows, alive
        index = torch.from_numpy(alive).to(device)
        unit = rows.floats(device)
        self.unit, self.cap, self.index = unit, unit.cap(rows.dim), index
        self.implies, self.exclusive = list[tuple[int, int]](), list[tuple[int, int]]()
        self.covering = list[tuple[int, int]]()
        self.decisions = {"filter": len(alive) * (len(alive) - 1) // 2, "exact": 0}

    def run(self) -> None:
        """All pairs i < j of the hinges that cut the sphere."""
        count = len(self.alive)
        size = max(1, _BLOCK // max(1, count))
        for start in range(0, count, size):
            self._block(start, min(count, start + size))

    def _block(self, start: int, stop: int) -> None:
        """Pairs (i, j), i in start .. stop, j > i. Shapes: (stop - start) x (m - start)."""
        first, rest = self.index[start:stop], self.index[start:]
        gram = self.unit.normals[first] @ self.unit.normals[rest].T
        product, across, error = _angles(self.unit, self.cap, first, rest)
        inside, apart = gram - product - across, gram - product + across
        later = torch.ones_like(gram, dtype=torch.bool).triu(1)
        # not(...) keeps NaN, which proves nothing, among the candidates
        near = later & (~(inside < -error) | ~(apart > error))
        for a, b in torch.nonzero(near).tolist():
            self._decide(int(self.alive[start + a]), int(self.alive[start + b]))

    def _decide(self, i: int, j: int) -> None:
        """The relation of one pair in surds; what the filter leaves is nearly always related."""
        one, other, n = self.rows.exact(i), self.rows.exact(j), self.rows.dim
        self.decisions["filter"] -= 1
        self.decisions["exact"] += 1
        constant = n * dot(one.normal, other.normal) - one.offset * other.offset
        radicand = (n * one.square - one.offset**2) * (n * other.square - other.offset**2)
        # cos theta is -offset / (sqrt(n) |w|); the wider cap has the smaller cosine
        wider = _order(one.offset, one.square, other.offset, other.square)
        if sign_of_surd(constant, Rational(-1), radicand) >= 0:
            self.implies += [(i, j)] if wider <= 0 else []
            self.implies += [(j, i)] if wider >= 0 else []
        if sign_of_surd(constant, Rational(1), radicand) <= 0:
            both = _order(one.offset, one.square, -other.offset, other.square)
            self.exclusive += [(i, j)] if both <= 0 else []
            self.covering += [(i, j)] if both >= 0 else []


def _angles(
    unit: UnitHinges, cap: Caps, first: Tensor, rest: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """C_i C_j, S_i S_j, and a bound on the error of cos phi - C_i C_j -+ S_i S_j."""
    product = cap.cosine[first][:, None] * cap.cosine[rest]
    across = cap.sine[first][:, None] * cap.sine[rest]
    each = (cap.cosine_error + cap.sine_error) * ROOM
    plain = (2 * unit.normal_error + (unit.dim + 16) * U) * ROOM
    unknown = torch.where(unit.known, 0.0, torch.inf)
    wide = (each + unknown).nan_to_num(nan=torch.inf) * ROOM
    return product, across, plain + wide[first][:, None] + wide[rest]


def _order(a: Rational, a_square: Rational, b: Rational, b_square: Rational) -> int:
    """The sign of a / sqrt(a_square) - b / sqrt(b_square)."""
    return sign(sign(a) * a * a * b_square - sign(b) * b * b * a_square)


@in_ieee_floats
def joint_counts(network: Network, X: Any, device: str = "cpu") -> dict[str, IndexArray]:
    """How often the data X (N x n) shows each of the four combinations, for all pairs of hinges of
    the first layer (m x m each): `both_off`, `only_j`, `only_i`, `both_on`.

    The bits are proved. Cost: one product with the layer and one of the bits with themselves.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1], [-1]], [0, 1]), ([[1, 1]], [0])])
    >>> {name: int(table[0, 1]) for name, table in joint_counts(net, [[-1], [0.5], [2]]).items()}
    {'both_off': 0, 'only_j': 1, 'only_i': 1, 'both_on': 1}
    """
    hinges = HingeRows.of(network, "joint_counts")
    rows = defined(hinges.norm, read_rows(X, network.input_dim), "raise")
    bits = first_layer_bits(rows, hinges, device)
    both = _products(bits)
    alone, count = np.diag(both), len(bits)
    only_i, only_j = alone[:, None] - both, alone[None, :] - both
    return {
        "both_off": count - both - only_i - only_j,
        "only_j": only_j,
        "only_i": only_i,
        "both_on": both,
    }


def _products(bits: BitArray) -> IndexArray:
    """How often every two columns are both set."""
    total = np.zeros((bits.shape[1], bits.shape[1]), dtype=np.int64)
    for start in range(0, len(bits), _COUNTED):
        part = torch.from_numpy(bits[start : start + _COUNTED]).to(torch.float32)
        total += (part.T @ part).numpy().astype(np.int64)
    return total
