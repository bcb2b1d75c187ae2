"""The maps of regions in the order of a tree, each from its parent's where only neurons of the last
hidden layer flip.

The output is affine in what that layer gives, with the same matrix G wherever no norm stands
behind: let neuron j go from one piece of its activation to another, by the function g of the
parameters, and the output changes by column j of G times g. So a map is made from its parent's by a
product for each of its entries, in integers over a denominator that is kept from parent to child;
where an earlier layer flips it is made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd, lcm

from exact.arithmetic.numbers import Rational, RationalArray
from exact.geometry.domains.base import Flat
from exact.networks.network import Network
from exact.propagation.cursor import Cursor, Images, outputs
from exact.regions.certificate import over_common

_Row = tuple[list[int], int]  # numerators and their denominator


@dataclass(frozen=True)
class _Place:
    """In front of the last hidden layer, on some bits of those before it; what was found of its
    neurons, by neuron and pieces.
    """

    cursor: Cursor
    z: RationalArray
    changes: dict[tuple[int, int, int], _Row] = field(default_factory=dict)


@dataclass(frozen=True)
class _Mapped:
    """The bits of a region, and its map, row by row, over a denominator."""

    bits: list[bool]
    entries: list[int]
    scale: int
    place: _Place | None


class TreeMaps:
    """The maps of the regions of a tree over the parameters of a flat domain, one after the
    other.
    """

    def __init__(self, network: Network, flat: Flat) -> None:
        self._images = Images(network, flat)
        self._first = sum(network.bits_per_layer[:-1])
        self._way, self._columns = list[_Mapped](), dict[int, _Row]()

    def next(self, back: int, flips: Sequence[int], bits: list[bool]) -> _Row:
        """The entries of the map of the region with these bits, row by row, over their least
        denominator; it differs in `flips` from the region `back` steps before the last one.

        Cost: a product for each entry and neuron that flips, where all are in the last hidden
        layer, else a product of matrices for each layer behind the first one.
        """
        del self._way[len(self._way) - back :]
        parent = self._way[-1] if self._way else None
        if parent is None or parent.place is None or min(flips, default=-1) < self._first:
            found = self._anew(bits)
        else:
            found = self._flipped(parent, parent.place, flips, bits)
        self._way.append(found)
        divisor = gcd(found.scale, *found.entries)
        return [x // divisor for x in found.entries], found.scale // divisor

    def _anew(self, bits: list[bool]) -> _Mapped:
        numbers, scale = over_common(list(self._images.at(bits).entries()))
        front = self._images.front
        return _Mapped(bits, numbers, scale, None if front is None else _Place(*front))

    def _flipped(
        self, parent: _Mapped, place: _Place, flips: Sequence[int], bits: list[bool]
    ) -> _Mapped:
        activation = place.cursor.current.activation
        count, entries, scale = len(activation.breakpoints), parent.entries, parent.scale
        for neuron in sorted({(flip - self._first) // count for flip in flips}):
            own = slice(self._first + neuron * count, self._first + (neuron + 1) * count)
            pieces = neuron, sum(parent.bits[own]), sum(bits[own])
            if pieces not in place.changes:
                place.changes[pieces] = self._change(place, *pieces)
            function, below = place.changes[pieces]
            if not any(function):
                continue
            if neuron not in self._columns:
                self._columns[neuron] = self._column(parent.bits, bits[own], own, place, pieces)
            column, beside = self._columns[neuron]
            new = lcm(scale, below * beside)
            if new != scale:
                entries, scale = [x * (new // scale) for x in entries], new
            times = scale // (below * beside)
            changed = [x * y * times for x in column for y in function]
            entries = [x + y for x, y in zip(entries, changed, strict=True)]
        return _Mapped(bits, entries, scale, place)

    def _change(self, place: _Place, neuron: int, before: int, after: int) -> _Row:
        """By what function of the parameters a neuron's value changes from one piece to another."""
        pieces = place.cursor.current.activation.pieces
        slope, intercept = (b - a for a, b in zip(pieces[before], pieces[after], strict=True))
        row = [place.z[neuron, k] for k in range(place.z.ncols())]
        one = place.cursor.one
        return over_common([slope * x + intercept * y for x, y in zip(row, one, strict=True)])

    def _column(
        self,
        bits: list[bool],
        own_bits: list[bool],
        own: slice,
        place: _Place,
        pieces: tuple[int, int, int],
    ) -> _Row:
        """The column of G of a neuron: what its going over to another piece changes, divided."""
        function, below = place.changes[pieces]
        k = next(k for k, x in enumerate(function) if x)
        layer = list(bits[self._first :])
        before = outputs(place.cursor, place.z, layer)
        layer[own.start - self._first : own.stop - self._first] = own_bits
        after = outputs(place.cursor, place.z, layer)
        by = Rational(function[k], below)
        return over_common([(after[i, k] - before[i, k]) / by for i in range(after.nrows())])
