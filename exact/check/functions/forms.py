"""The affine functions that hinges and outputs are on the region of a code, in integers over one
denominator, and how they change from one code to another.

A function of d parameters is d + 1 integers, its coefficients and its constant; the functions of a
layer are kept column by column. Let a neuron be on another piece of its activation: what changes
behind it is a multiple of its own function f, so that in every later layer whose pieces stay the
same each function changes by a multiple of f. That is a step of rank one: the multiples take one
product of a matrix and a vector for each layer, whatever d is. Where more neurons change than there
are coefficients, the layers behind them are computed anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exact.check.functions.flat_domains import Domain
from exact.check.network import Layer, Network
from exact.check.records import Integers

Columns = list[Integers]


class _Place(NamedTuple):
    """A layer on its way: the constant 1 `before` it and in front of its activation, `one`; its
    first hinge; the place in front of its block, and what the input of the block is multiplied by
    where it is added here, else 0.
    """

    layer: Layer
    bends: Integers
    before: int
    one: int
    first: int
    outside: int
    factor: int


class _Change(NamedTuple):
    """Functions that change by multiples of one: `along` at the present place, `outside` at the
    input of the block, empty where nothing changes there.
    """

    function: Sequence[int]
    along: Integers
    outside: Integers


@dataclass(frozen=True)
class Forms:
    """The functions on one region: those in front of every activation, with the pieces that the
    neurons are on, and the outputs.
    """

    inputs: list[Columns]
    pieces: list[Integers]
    outputs: Columns


class Layered(NamedTuple):
    """The functions of the hinges of one layer, by columns, the functions of its neurons that they
    are made from, and the number of the first one.
    """

    inputs: Columns
    columns: Columns
    first: int


class Walk:
    """A network over the parameters of a flat domain, from one region to the next; `one` is the
    constant 1 among its outputs, `last` the first hinge of the last hidden layer: the bits from
    there on change no hinge.
    """

    def __init__(self, network: Network, domain: Domain, outputs: bool = True) -> None:
        self.hinges, self.dim = network.hinges, domain.dim
        self._units = [[int(i == k) for i in range(self.dim)] for k in range(self.dim + 1)]
        self._places, one, first = list[_Place](), 1, 0
        for block in (domain.chart, *network.blocks):
            outside, factor = len(self._places) - 1, 1
            for k, layer in enumerate(block.layers):
                before, one = one, one * layer.denominator
                unit = 1 if layer.activation.is_identity else layer.unit
                factor *= layer.denominator * unit
                added = factor if block.residual and k == len(block.layers) - 1 else 0
                self._places.append(_Place(layer, layer.bends, before, one, first, outside, added))
                first += len(layer.bends) * len(layer.weight)
                one *= unit
        self.one = one
        self._bent = [k for k, place in enumerate(self._places) if place.bends]
        self.last = self._places[self._bent[-1]].first if self._bent else 0
        self._has_outputs = outputs and not network.is_smooth
        if not self._has_outputs:  # of a smooth layer, the last one, only signs are known
            del self._places[max(self._bent, default=-1) + 1 :]

    def begin(self, code: int) -> Forms:
        """The functions of a code, from the first layer on."""
        return self._anew([], self._pieces_of(code))

    def step(self, forms: Forms, code: int, flips: Integers) -> Forms:
        """The functions of another code, from those of one that differs from it in `flips`."""
        pieces, first = self._pieces_after(forms.pieces, code, flips)
        inputs, changes = forms.inputs[:first], list[_Change]()
        for k in range(first, len(self._places)):
            place, old = self._places[k], forms.inputs[k]
            if changes:
                if place.outside == k - 1:
                    changes = [c._replace(outside=c.along) for c in changes]
                changes = [_through(place.layer, c) for c in changes]
            inputs.append(_changed(old, changes))
            if changes and place.layer.pieces and not place.layer.activation.is_identity:
                changes = [_bent(place.layer, c, pieces[k]) for c in changes]
            if pieces[k] is not forms.pieces[k]:
                changes += _new_changes(place, old, forms.pieces[k], pieces[k])
                if len(changes) > self.dim + 1:
                    return self._anew(inputs, pieces)
            if place.factor:
                changes = [_with_outside(c, place.factor) for c in changes]
        outputs = _changed(forms.outputs, changes) if self._has_outputs else []
        return Forms(inputs, pieces, outputs)

    def _pieces_after(
        self, pieces: list[Integers], code: int, flips: Integers
    ) -> tuple[list[Integers], int]:
        """The pieces of a code, from those of one that differs from it in `flips`, and the first
        layer in which one is another.
        """
        found, first = list(pieces), len(self._places)
        for hinge in flips:
            k = next(k for k in reversed(self._bent) if self._places[k].first <= hinge)
            begin, count = self._places[k].first, len(self._places[k].bends)
            j = (hinge - begin) // count
            if found[k] is pieces[k]:
                found[k], first = list(pieces[k]), min(first, k)
            own = code >> (self.hinges - begin - count * (j + 1)) & ((1 << count) - 1)
            found[k][j] = own.bit_count()
        return found, first

    def hinge_columns(self, forms: Forms) -> list[Columns]:
        """The functions of the hinges, layer by layer."""
        return [_hinges(self._places[k], forms.inputs[k]) for k in self._bent]

    def layers(self, forms: Forms, before: Sequence[Layered]) -> list[Layered]:
        """The functions of the hinges layer by layer; layers that have not changed are taken over,
        as the same objects.
        """
        found = list[Layered]()
        for n, k in enumerate(self._bent):
            inputs, place = forms.inputs[k], self._places[k]
            if n < len(before) and before[n].inputs is inputs:
                found.append(before[n])
            else:
                found.append(Layered(inputs, _hinges(place, inputs), place.first))
        return found

    def hinge(self, forms: Forms, number: int) -> Integers:
        """The function of one hinge."""
        k = next(k for k in reversed(self._bent) if self._places[k].first <= number)
        place, columns, bends = self._places[k], forms.inputs[k], self._places[k].bends
        j, b = divmod(number - place.first, len(bends))
        found = [place.layer.unit * column[j] for column in columns]
        found[-1] -= bends[b] * place.one
        return found

    def _pieces_of(self, code: int) -> list[Integers]:
        """On which piece every neuron is, by the bits of a code, its first hinge the highest."""
        bits, found = f"{code:0{self.hinges}b}", list[Integers]()
        for place in self._places:
            count, first, width = len(place.bends), place.first, len(place.layer.weight)
            if count == 1:
                found.append(list(map(int, bits[first : first + width])))
            else:
                ends = (first + count * j for j in range(width))
                found.append([bits.count("1", k, k + count) for k in ends])
        return found

    def _anew(self, inputs: list[Columns], pieces: list[Integers]) -> Forms:
        """The functions of all layers, of which the first ones are known."""
        for place in self._places[len(inputs) :]:
            state = self._behind(inputs, pieces, len(inputs) - 1)
            ones = [0] * self.dim + [place.before]
            inputs.append([place.layer.image(c, o) for c, o in zip(state, ones, strict=True)])
        last = len(inputs) - 1
        return Forms(
            inputs, pieces, self._behind(inputs, pieces, last) if self._has_outputs else []
        )

    def _behind(self, inputs: list[Columns], pieces: list[Integers], k: int) -> Columns:
        """The functions behind a layer; behind the last one of a block with its input, where it is
        added.
        """
        if k < 0:
            return self._units
        place, found = self._places[k], inputs[k]
        layer = place.layer
        if not layer.activation.is_identity:
            chosen = [layer.pieces[p] for p in pieces[k]]
            found = [[s and s * x for (s, _), x in zip(chosen, c, strict=True)] for c in found]
            found[-1] = [x + i * place.one for (_, i), x in zip(chosen, found[-1], strict=True)]
        if place.factor:
            outside = self._behind(inputs, pieces, place.outside)
            found = [
                [place.factor * x + y for x, y in zip(a, b, strict=True)]
                for a, b in zip(outside, found, strict=True)
            ]
        return found


def _hinges(place: _Place, columns: Columns) -> Columns:
    """Of every neuron, then bend: the function of `z - bend`."""
    unit, bends = place.layer.unit, place.bends
    if unit == 1 and bends == [0]:
        return columns
    found = [[unit * x for x in column for _ in bends] for column in columns]
    offsets = [bend * place.one for bend in bends] * len(columns[0])
    found[-1] = [x - offset for x, offset in zip(found[-1], offsets, strict=True)]
    return found


def _through(layer: Layer, change: _Change) -> _Change:
    """A change behind the weights."""
    return change._replace(along=layer.image(change.along, 0))


def _bent(layer: Layer, change: _Change, pieces: Integers) -> _Change:
    """A change behind an activation, where all neurons are on these pieces before and after."""
    slopes = [slope for slope, _ in layer.pieces]
    along = zip(pieces, change.along, strict=True)
    return change._replace(along=[x and slopes[p] * x for p, x in along])


def _new_changes(place: _Place, old: Columns, before: Integers, after: Integers) -> list[_Change]:
    """What changes behind the neurons that go to other pieces, with functions that were `old`."""
    found, pieces = list[_Change](), place.layer.pieces
    for j, (p, q) in enumerate(zip(before, after, strict=True)):
        if p != q and pieces:
            slope, intercept = (b - a for a, b in zip(pieces[p], pieces[q], strict=True))
            function = [slope * column[j] for column in old]
            function[-1] += intercept * place.one
            along = [0] * len(before)
            along[j] = 1
            found.append(_Change(function, along, []))
    return found


def _with_outside(change: _Change, factor: int) -> _Change:
    """A change at the end of a block that adds its input."""
    if not change.outside:
        return change
    both = zip(change.outside, change.along, strict=True)
    return change._replace(along=[factor * x + y for x, y in both])


def _changed(columns: Columns, changes: list[_Change]) -> Columns:
    """The functions after all changes; the same object where there is none."""
    for change in changes:
        if any(change.along):
            columns = [
                [x + m * f for x, m in zip(column, change.along, strict=True)] if f else column
                for column, f in zip(columns, change.function, strict=True)
            ]
    return columns
