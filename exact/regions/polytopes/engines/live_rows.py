"""Hinges as affine functions over the box around a domain: in floats with one error bound a row,
and exactly, row by row, where an answer needs it.

A value is known as `a . u + b` within `e` for every u with |u_j| <= 1, the coordinates of the
parameters from the centre of the box in units of its half widths. A layer moves all three: a matrix
product, and a product with |W| for the errors. So whether a hinge can vanish in the box is a
comparison, |b| > sum_j |a_j| + e; the rows of the others alone are ever written in rationals, by
pulling one form back through the layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST_ROOT, U
from exact.arithmetic.linear_algebra import Vector, dot
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_floats,
    rounding_error,
)
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.boxes import Bounds
from exact.networks.graphs.steps import Sum
from exact.networks.layers import Layer
from exact.networks.network import Network
from exact.propagation.enclosures import Bends

_UP = 1 + 2.0**-30  # above the rounding of bounds, which are sums of at most 2^20 terms


@dataclass(frozen=True)
class Rows:
    """Functions `a . u + b` within `e` over the box: (n x d), (n,), (n,)."""

    a: FloatArray
    b: FloatArray
    e: FloatArray

    @cached_property
    def sizes(self) -> FloatArray:
        """At least the sum of |a_j| of each row."""
        return np.asarray(np.abs(self.a).sum(axis=1) * _UP)

    def __add__(self, other: Rows) -> Rows:
        a, b = self.a + other.a, self.b + other.b
        moved = 4 * U * (self.sizes + other.sizes + np.abs(self.b) + np.abs(other.b))
        return Rows(a, b, (self.e + other.e + moved) * _UP + LEAST_ROOT)


class Sheet:
    """A network over the parameters of a domain with a box around it."""

    def __init__(self, network: Network, flat: Flat, bounds: Bounds) -> None:
        self.network, self.flat, self.bounds = network, flat, bounds
        self.steps = network.steps_to_last_hinge
        self.hidden = [
            k
            for k, step in enumerate(self.steps)
            if isinstance(step.does, Layer) and step.does.bits
        ]
        self.bends = {k: Bends(self.steps[k].does.activation) for k in self.hidden}

    @cached_property
    def _only(self) -> tuple[list[int], Vector] | None:
        """Where directions have one entry each: its place, and the entry."""
        places, entries = list[int](), list[Rational]()
        for direction in self.flat.directions:
            there = [i for i, x in enumerate(direction) if x]
            if len(there) != 1:
                return None
            places.append(there[0])
            entries.append(direction[there[0]])
        return places, entries

    @cached_property
    def inputs(self) -> Rows:
        """The inputs of the network."""
        flat, bounds = self.flat, self.bounds
        n, d = len(flat.origin), flat.dim
        middle = list(flat.origin)
        a, e = np.zeros((n, d)), np.zeros(n)
        if self._only is not None:
            for k, (i, x) in enumerate(zip(*self._only, strict=True)):
                middle[i] += x * bounds.middle[k]
                a[i, k] = float(nearest_floats([x * bounds.half[k]])[0])
        else:
            columns = zip(*flat.directions, strict=True)
            for i, row in enumerate(columns):
                middle[i] += dot(row, bounds.middle)
                a[i] = nearest_floats([x * h for x, h in zip(row, bounds.half, strict=True)])
        b = nearest_floats(middle)
        e = rounding_error(a).sum(axis=1) * (a != 0).any(axis=1) + rounding_error(b)
        return Rows(a, b, e * _UP + LEAST_ROOT)

    def moved(self, layer: Layer, value: Rows) -> Rows:
        """The functions of a layer in front of its bends."""
        matrix, shift = layer.weight, layer.bias
        weight, bias = matrix.float64(), shift.float64()[:, 0]
        if value is self.inputs and self._only is not None:
            places = self._only[0]
            a = weight[:, places] * value.a[places, range(len(places))]
        else:
            a = weight @ value.a
        b = weight @ value.b + bias
        size = value.sizes + np.abs(value.b)
        rounded = (value.a.shape[0] + 8) * 2 * U
        e = np.abs(weight) @ (value.e + rounded * size) + rounded * np.abs(bias)
        if not _is_plain(matrix):
            e = e + matrix.float64_error() @ (size + value.e)
        if not _is_plain(shift):
            e = e + shift.float64_error()[:, 0]
        return Rows(a, b, e * _UP + LEAST_ROOT)

    def bent(self, step: int, value: Rows, bits: BitArray) -> Rows:
        """The output of hidden step `step` on the pieces that bits select."""
        bends, layer = self.bends[step], self.steps[step].does
        piece = bits.reshape(layer.width, -1).sum(axis=1)
        slope, shift = bends.slopes[piece], bends.intercepts[piece]
        a, b = slope[:, None] * value.a, slope * value.b + shift
        e = np.abs(slope) * value.e
        if not bends.is_relu:
            size = value.sizes + np.abs(value.b) + value.e
            e = e + (bends.slope_slack + 4 * U * np.abs(slope)) * size
            e = e + bends.intercept_slack + 4 * U * np.abs(shift)
        return Rows(a, b, e * _UP + LEAST_ROOT * (slope != 0))

    def hinges(self, step: int, value: Rows) -> Rows:
        """`z - bend` for every hinge of hidden step `step`, z the functions in front of it."""
        bends = self.bends[step]
        count = len(bends.breakpoints)
        a, b, e = (np.repeat(x, count, axis=0) for x in (value.a, value.b, value.e))
        bend, slack = (
            np.tile(x, len(value.b)) for x in (bends.breakpoints, bends.breakpoint_errors)
        )
        size = np.abs(b) + np.abs(bend)
        return Rows(a, b - bend, (e + slack + 2 * U * size) * _UP + LEAST_ROOT)

    # ---- exact rows

    def exact_hinge(self, layer: int, hinge: int, bits: Sequence[bool]) -> Halfspace:
        """`breakpoint exceeded` of one hinge of hidden layer number `layer` (from 0), over the
        parameters, where the layers before have these bits.
        """
        step = self.hidden[layer]
        bends = self.steps[step].does.activation.breakpoints
        neuron, bend = divmod(hinge, len(bends))
        does, (source,), _ = self.steps[step]
        forms = {source: RationalArray(1, does.input_dim, does.operator.row(neuron))}
        total = does.bias.row(neuron)[0] - bends[bend]
        ends = np.cumsum([0, *(self.steps[k].does.bits for k in self.hidden)])
        pieces = {k: bits[ends[i] : ends[i + 1]] for i, k in enumerate(self.hidden[:layer])}
        for k in reversed(range(step)):
            form = forms.pop(k + 1, None)
            if form is not None:
                total += self._pulled_back(k, form, forms, pieces)
        row, constant = self._over_parameters(forms[0])
        return Halfspace.of([*row, constant + total])

    def _pulled_back(
        self,
        k: int,
        form: RationalArray,
        forms: dict[int, RationalArray],
        pieces: Mapping[int, Sequence[bool]],
    ) -> Rational:
        """A form over the output of a step, added to those over its inputs; the constant of it."""
        does, inputs, _ = self.steps[k]
        total = Rational(0)
        if isinstance(does, Layer):
            count, entries = len(does.activation.breakpoints), form.entries()
            chosen = [
                does.activation.pieces[sum(pieces[k][j * count : (j + 1) * count]) if count else 0]
                for j in range(does.width)
            ]
            bent = [x * slope for x, (slope, _) in zip(entries, chosen, strict=True)]
            total += sum((x * s for x, (_, s) in zip(entries, chosen, strict=True)), Rational(0))
            total += dot(bent, does.bias.column())
            form = does.operator.pull_back(RationalArray(1, does.width, bent))
        for i in inputs:
            forms[i] = forms[i] + form if i in forms else form
        return total

    def _over_parameters(self, form: RationalArray) -> tuple[Vector, Rational]:
        entries = form.entries()
        constant = dot(entries, self.flat.origin)
        if self._only is not None:
            return [entries[i] * x for i, x in zip(*self._only, strict=True)], constant
        return [dot(entries, direction) for direction in self.flat.directions], constant


def _is_plain(matrix: RationalMatrix) -> bool:
    return matrix.stores_floats or matrix.is_float


@dataclass(frozen=True)
class Place:
    """In front of step `at`: the functions that it and later steps read, by number."""

    values: Mapping[int, Rows]
    at: int

    @classmethod
    def start(cls, sheet: Sheet) -> Place:
        """In front of the first hidden layer."""
        return cls({0: sheet.inputs}, 0).settled(sheet)

    def functions(self, sheet: Sheet) -> Rows:
        """Those of the hidden layer in front, before its bends."""
        does, inputs, _ = sheet.steps[self.at]
        return sheet.moved(does, self.values[inputs[0]])

    def behind(self, sheet: Sheet, z: Rows, bits: BitArray) -> Place:
        """In front of the next hidden layer, behind that with functions z on these pieces."""
        return self._passed(sheet, sheet.bent(self.at, z, bits)).settled(sheet)

    def settled(self, sheet: Sheet) -> Place:
        """Behind sums and layers without bends."""
        place = self
        while True:
            does, inputs, _ = sheet.steps[place.at]
            if isinstance(does, Sum):
                value = does.total(place.values[i] for i in inputs)
            elif does.bits:
                return place
            else:
                value = sheet.moved(does.as_affine, place.values[inputs[0]])
            place = place._passed(sheet, value)

    def _passed(self, sheet: Sheet, value: Rows) -> Place:
        forgets = sheet.steps[self.at].forgets
        kept = {i: x for i, x in self.values.items() if i not in forgets}
        return replace(self, values={**kept, self.at + 1: value}, at=self.at + 1)


def open_hinges(rows: Rows) -> tuple[BitArray, IndexArray]:
    """The bits of hinges that certainly keep their sign all over the box (False for others), and
    the places of the others.
    """
    with np.errstate(all="ignore"):
        fixed: Any = np.abs(rows.b) > (rows.sizes + rows.e) * _UP
    return fixed & (rows.b > 0), np.flatnonzero(~fixed)
