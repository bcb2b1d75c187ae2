"""Which functions of a layer are multiples of each other: copies, opposites and rescaled rows have
the same zeros.

A layer with a thousand copies of a neuron makes a thousand zeros coincide. Comparing rows of
weights is cheaper than comparing those zeros, and as exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray, coprime_integers
from exact.networks.layers import Layer

_ENOUGH = 16  # below this many suspects, comparing their zeros is cheaper than looking for copies


@dataclass(frozen=True)
class Copies:
    """Functions in groups of multiples: `leader[k]` is the first of the group of function k, itself
    when it is alone.

    `members[starts[k]:starts[k + 1]]` are the functions whose leader is k, ascending.
    """

    leader: IndexArray
    starts: IndexArray
    members: IndexArray

    @classmethod
    def of(cls, leader: IndexArray) -> Copies:
        """The groups in which function k follows `leader[k]`."""
        members = np.argsort(leader, kind="stable")
        return cls(leader, np.searchsorted(leader[members], np.arange(len(leader) + 1)), members)

    @classmethod
    def among(cls, layer: Layer, suspects: IndexArray) -> Copies:
        """Groups among some functions of a layer, numbered neuron by neuron and bend by bend; the
        others stand alone.

        Exact: float rows are compared after scaling by powers of two, rational ones as coprime
        integers. A multiple of a row of floats by another factor is not found. Cost: one pass over
        the rows of the suspects.
        """
        leader = np.arange(layer.bits)
        if len(suspects) >= _ENOUGH:
            are_floats = layer.weight.is_float and layer.bias.is_float
            keys: list[Any] = _float_keys(layer, suspects) if are_floats else _keys(layer, suspects)
            first = dict[Any, int]()
            leader[suspects] = [
                first.setdefault(key, row) for key, row in zip(keys, suspects.tolist(), strict=True)
            ]
        return cls.of(leader)

    @property
    def leads(self) -> BitArray:
        """Which functions are the first of their group."""
        first: BitArray = self.leader == np.arange(len(self.leader))
        return first

    def with_all(self, rows: Iterable[int]) -> tuple[int, ...]:
        """The functions in the groups of some leaders, ascending."""
        return tuple(
            sorted(
                int(k)
                for row in rows
                for k in self.members[self.starts[row] : self.starts[row + 1]]
            )
        )

    def steps(
        self, places: IndexArray, leaders: IndexArray, count: int
    ) -> tuple[IndexArray, IndexArray]:
        """Pairs (place, leader) as rows of all functions: those of place i are
        rows[starts[i]:starts[i + 1]], ascending.
        """
        sizes = np.diff(self.starts)[leaders]
        if bool((sizes == 1).all() and (places[1:] > places[:-1]).all()):
            return np.searchsorted(places, np.arange(count + 1)), leaders
        places, first = np.repeat(places, sizes), np.repeat(self.starts[leaders], sizes)
        inside = np.arange(len(places)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = self.members[first + inside]
        order = np.lexsort((rows, places))
        return np.searchsorted(places[order], np.arange(count + 1)), rows[order]


def _float_keys(layer: Layer, suspects: IndexArray) -> list[bytes]:
    """Bytes that are equal only for multiples: row and bias over the leading power of two and its
    sign, and the bend.
    """
    neurons, bends = np.divmod(suspects, len(layer.activation.breakpoints))
    values = np.concatenate(
        [layer.weight.float64()[neurons], layer.bias.float64()[neurons]], axis=1
    )
    at_zero = np.array([t == 0 for t in layer.activation.breakpoints])[bends]
    # adding zero turns -0.0 into 0.0
    values = np.where(at_zero[:, None], _scaled(values), values) + 0.0
    return [row.tobytes() + bytes([bend]) for row, bend in zip(values, bends.tolist(), strict=True)]


def _scaled(values: FloatArray) -> FloatArray:
    """Rows over the sign and the power of two of their first entry that is not zero; unchanged
    where that would round.
    """
    leading = values[np.arange(len(values)), (values != 0).argmax(axis=1)]
    exponent = np.frexp(leading)[1][:, None]
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.ldexp(values, -exponent)
        safe = (np.ldexp(scaled, exponent) == values).all(axis=1) & np.isfinite(scaled).all(axis=1)
    flipped: FloatArray = (
        np.where(safe[:, None], scaled, values) * np.where(leading < 0, -1.0, 1.0)[:, None]
    )
    return flipped


def _keys(layer: Layer, suspects: IndexArray) -> list[tuple[int, ...]]:
    """Coprime integers of which the first that is not zero is positive."""
    keys = []
    for neuron, bend in (divmod(k, len(layer.activation.breakpoints)) for k in suspects.tolist()):
        offset = layer.bias.row(neuron)[0] - layer.activation.breakpoints[bend]
        row = coprime_integers([*layer.operator.row(neuron), offset])
        sign = -1 if next((x for x in row if x != 0), 0) < 0 else 1
        keys.append(tuple(sign * x for x in row))
    return keys
