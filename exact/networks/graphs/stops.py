"""Walks of exact functions through a graph that stop at every hidden step.

Functions are rows of coefficients over a basis; at a point the basis is 1. Beside each value stands
which of its entries are alive: a rectifier that is off, a maximum of none and a constant zero are
dead, and so is what is made of dead entries alone. By that the code of a maximum tells a winner
from none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import Rational, RationalArray
from exact.arithmetic.texts.printing import short_repr
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.steps import Step, Sum
from exact.networks.layers import Layer

Value = tuple[RationalArray, BitArray]


@short_repr
@dataclass(frozen=True)
class Stop:
    """In front of step `at`, which bends; or behind the last step, where `at` is their number."""

    steps: Sequence[Step]
    values: Mapping[int, Value]
    one: tuple[Rational, ...]
    at: int = 0
    hidden: int = 0

    @property
    def does(self) -> Any:
        """The layer or maximum in front; None behind the last step."""
        return self.steps[self.at].does if self.at < len(self.steps) else None

    @cached_property
    def value(self) -> Value:
        """The pre-activations of the layer in front, what the maximum in front reads, or the
        output.
        """
        if self.at == len(self.steps):
            return self.values[self.at]
        does, inputs, _ = self.steps[self.at]
        return _read(does, [self.values[i] for i in inputs], self.one)

    def rows(self) -> list[list[Rational]]:
        """The functions of :attr:`value`, each as its coefficients."""
        z = self.value[0]
        k, entries = z.ncols(), z.entries()
        return [entries[i * k : (i + 1) * k] for i in range(z.nrows())]

    def row(self, index: int) -> list[Rational]:
        """One of them."""
        z = self.value[0]
        return [z[index, k] for k in range(z.ncols())]

    def advance(self, bits: BitArray) -> Stop:
        """Behind the step in front on the pieces that bits choose, at the next stop."""
        found = _passed(self.does, self.value, bits, self.one)
        return _settled(self._behind(found, self.hidden + 1))

    def _behind(self, value: Value, hidden: int) -> Stop:
        forgets = self.steps[self.at].forgets
        kept = {i: x for i, x in self.values.items() if i not in forgets}
        return Stop(self.steps, {**kept, self.at + 1: value}, self.one, self.at + 1, hidden)


def begin(steps: Sequence[Step], state: RationalArray, one: Sequence[Rational]) -> Stop:
    """At the first step that bends; `one` are the coefficients of the constant 1."""
    return _settled(Stop(steps, {0: (state, np.ones(state.nrows(), bool))}, tuple(one)))


def bits_at_point(stop: Stop) -> BitArray:
    """The bits of the step in front, where the basis is the constant 1."""
    does, z = stop.does, stop.value[0].entries()
    if isinstance(does, Maximum):
        return does.coded([_symbol(own, z, stop.value[1]) for own in does.candidates])
    return np.array([x > t for x in z for t in does.activation.breakpoints], dtype=bool)


def _symbol(candidates: Sequence[int], z: Sequence[Rational], alive: BitArray) -> int:
    values = [z[i] for i in candidates]
    most = max(values)
    winners = [j for j, x in enumerate(values) if x == most]
    if most == 0 and not any(alive[candidates[j]] for j in winners):
        return 0
    return winners[0] + 1


def _settled(stop: Stop) -> Stop:
    while stop.at < len(stop.steps) and not getattr(stop.does, "bits", 0):
        does, inputs, _ = stop.steps[stop.at]
        if isinstance(does, Sum):
            read = [stop.values[i] for i in inputs]
            alive: BitArray = np.logical_or.reduce([x[1] for x in read])
            found = does.total(x[0] for x in read), alive
        else:
            found = _passed(does, stop.value, np.zeros(0, bool), stop.one)
        stop = stop._behind(found, stop.hidden)
    return stop


def _read(does: Any, values: list[Value], one: Sequence[Rational]) -> Value:
    ((state, alive),) = values
    if isinstance(does, Maximum):
        return state, alive
    return does.pre_activations(state, one), reached(does, alive)


def reached(layer: Layer, alive: BitArray) -> BitArray:
    """Which pre-activations have a bias, or a weight on an input that is alive."""
    weights = layer.operator.magnitude(alive.astype(np.float64)[None])[0]
    found: BitArray = (weights > 0) | (layer.bias.float64()[:, 0] != 0)
    return found


def _passed(does: Any, value: Value, bits: BitArray, one: Sequence[Rational]) -> Value:
    z, alive = value
    if isinstance(does, Maximum):
        return does.activate(z, one, bits.tolist()), does.decoded(bits) > 0
    return does.activate(z, one, bits.tolist()), alive & kept(does, bits) | shifted(does, bits)


def _chosen(layer: Layer, bits: BitArray) -> IndexArray:
    """The number of the piece that each neuron is on."""
    found: IndexArray = bits.reshape(layer.width, len(layer.activation.breakpoints)).sum(axis=1)
    return found


def kept(layer: Layer, bits: BitArray) -> BitArray:
    """Where the piece has a slope."""
    slopes = np.array([slope != 0 for slope, _ in layer.activation.pieces])
    found: BitArray = slopes[_chosen(layer, bits)]
    return found


def shifted(layer: Layer, bits: BitArray) -> BitArray:
    """Where the piece has an intercept."""
    shifts = np.array([intercept != 0 for _, intercept in layer.activation.pieces])
    found: BitArray = shifts[_chosen(layer, bits)]
    return found
