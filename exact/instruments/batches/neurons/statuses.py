"""What neurons are on a domain, as proved, and beside it what data shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import members_in_ieee_floats
from exact.arithmetic.numbers import FloatArray, RationalMatrix
from exact.geometry.combinatorics.codes import Hinge
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.instruments.batches.neurons.status_behind_norms import negated
from exact.instruments.batches.points import read_rows
from exact.networks.network import Network


class Status(IntEnum):
    """What a hinge is on a domain."""

    NEVER = -1
    SOMETIMES = 0
    ALWAYS = 1
    UNDECIDED = 2


@members_in_ieee_floats
@dataclass(frozen=True, eq=False)
class NeuronStatus(Tabular):
    """The status of every hinge, in the order of the code, as integers of :class:`Status`.

    `lower_float <= z - bend <= upper_float` on the domain, proved; infinite where nothing is known.
    `proved_by` is "closed form", "bounds", "points", "regions" or "" (undecided).
    """

    network: Network
    status: np.ndarray[Any, np.dtype[np.int8]]
    lower_float: FloatArray
    upper_float: FloatArray
    proved_by: tuple[str, ...]

    def with_data(self, X: Any, device: str = "cpu") -> StatusOnData:
        """The same beside the exact codes of data X (N x n): on which share of the rows each hinge
        is on, and where a row contradicts its status, as only rows outside the domain can.

        Raises InvalidInput for rows of another width and for the first one without a code.

        >>> from exact import Box, neuron_status
        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1], [1], [1]], [0, 2, -2]), ([[1, 1, -4]], [1])])
        >>> found = neuron_status(net, Box(-1, 1, dim=1)).with_data([[-1], [0], [1], [3]])
        >>> found.data_shares_float.tolist(), found.against.tolist()
        ([0.5, 1.0, 0.25], [[3, 2]])
        >>> found.names[:3], found.columns()["data_against"][:3].tolist()
        (['sometimes', 'always', 'never'], [0, 0, 1])
        """
        rows = read_rows(X, self.network.input_dim).matrix
        bits = self.network.codes(rows, device=device).bits
        against = bits & (self.status == Status.NEVER)
        for j in np.flatnonzero((self.status == Status.ALWAYS) & ~bits.all(axis=0)).tolist():
            places = np.flatnonzero(~bits[:, j])
            hinge = self.network.hinges[j]
            against[places, j] = _negative(self.network, hinge, rows)[places]
        counts = bits.sum(axis=0, dtype=np.int64)
        found: IndexArray = np.argwhere(against)
        held = (self.network, self.status, self.lower_float, self.upper_float, self.proved_by)
        return StatusOnData(*held, len(bits), counts, found)

    @property
    def names(self) -> list[str]:
        """The status of every hinge in words: never, sometimes, always, undecided."""
        return [Status(int(s)).name.lower() for s in self.status]

    def count(self, status: Status) -> int:
        """How many hinges have a status."""
        return int((self.status == status).sum())

    def __repr__(self) -> str:
        parts = [f"{self.count(status):,} {status.name.lower()}" for status in Status]
        return f"<{', '.join(parts)}>"

    def columns(self) -> Columns:
        """A line for each hinge: layer, neuron, breakpoint, status by name, interval, proof."""
        hinges = np.array([tuple(h) for h in self.network.hinges], dtype=np.int64).reshape(-1, 3)
        return {
            "layer": hinges[:, 0],
            "neuron": hinges[:, 1],
            "breakpoint": hinges[:, 2],
            "status": np.array(self.names),
            "lower": self.lower_float,
            "upper": self.upper_float,
            "proved_by": np.array(self.proved_by),
        }


@members_in_ieee_floats
@dataclass(frozen=True, eq=False, repr=False)
class StatusOnData(NeuronStatus):
    """The status of every hinge, as proved, and on how many of `rows` rows of data it is on
    (`counts`).

    `against` (K x 2) are the rows and the numbers of the hinges at which data contradicts the
    proof: z > bend of one that is never on, or z < bend of one that always is. There are none in
    the domain, so that these rows lie outside of it.
    """

    rows: int
    counts: IndexArray
    against: IndexArray

    def __repr__(self) -> str:
        shown = f"{self.rows:,} rows of data, {len(self.against):,} times against it"
        return f"{super().__repr__()[:-1]}; {shown}>"

    @property
    def data_shares_float(self) -> FloatArray:
        """The share of rows on which each hinge is on; NaN without a row."""
        return np.asarray(self.counts / self.rows if self.rows else self.counts * np.nan)

    def columns(self) -> Columns:
        """A line for each hinge as without data, and data_share, data_against (how many rows)."""
        against = np.bincount(self.against[:, 1], minlength=len(self.counts))
        data = {"data_share": self.data_shares_float, "data_against": against}
        return super().columns() | data


def _negative(network: Network, hinge: Hinge, rows: RationalMatrix) -> BitArray:
    """Where z < bend: at the others of the rows where the hinge is off, z is the bend."""
    return negated(network, [hinge]).codes(rows, (hinge.layer, hinge.layer)).bits[:, 0]
