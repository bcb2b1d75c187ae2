"""A network over the box around a domain as the chain of affine maps that linear bounds are taken
of (:mod:`exact.kernels.linear_bounds`).

The parameters t run through the box from -1 to 1, so that every box which halvings leave has ends
that are floats. Weights and constants are the nearest floats of exact ones, with what they err by.
A network has a chain where its steps follow each other, without skip connections, and every
function in it bends once, with slopes that are floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import numpy as np

from exact.arithmetic.linear_algebra import diagonal, matrix
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_float,
    nearest_floats,
    rational,
)
from exact.geometry.domains.base import Flat
from exact.geometry.polyhedra.programmes.boxes import Bounds
from exact.instruments.output_sets.conditions import Inequality
from exact.kernels.linear_bounds import Chain
from exact.networks.activations import Activation
from exact.networks.layers import Layer
from exact.networks.network import Network

_ZERO = Rational(0)
Map = tuple[RationalMatrix, RationalMatrix]


@dataclass(frozen=True)
class Bend:
    """A function `value + (below min(z - place, 0) + above max(z - place, 0))`."""

    place: Rational
    value: Rational
    below: Rational
    above: Rational

    @classmethod
    def of(cls, activation: Activation) -> Bend | None:
        """That of an activation which bends once, None of others."""
        if len(activation.breakpoints) != 1:
            return None
        (below, intercept), (above, _) = activation.pieces
        if not all(_is_float(x) for x in (below, above)):
            return None
        place = activation.breakpoints[0]
        return cls(place, below * place + intercept, below, above)


@dataclass(frozen=True)
class ExactChain:
    """Affine maps `matrix z + column`, one more than the `slopes` below and above zero of the
    functions between them.
    """

    maps: tuple[Map, ...]
    slopes: tuple[tuple[Rational, Rational], ...]

    @classmethod
    def of(
        cls, network: Network, flat: Flat, bounds: Bounds, rows: Sequence[Inequality]
    ) -> ExactChain | None:
        """The chain from the box to `factors . y - bound` of every row; None where there is
        none.
        """
        if not is_chain(network):
            return None
        maps, slopes = list[Map](), list[tuple[Rational, Rational]]()
        start: Map | None = _start(flat, bounds)
        shift = _column(network.input_dim, _ZERO)
        for layer in network.layers:
            if not layer.bits:
                start, shift = _behind(layer.as_affine, start, shift), _column(layer.width, _ZERO)
                continue
            bend = Bend.of(layer.activation)
            if bend is None:
                return None
            maps.append(_behind(layer, start, shift, bend.place))
            slopes.append((bend.below, bend.above))
            start, shift = None, _column(layer.width, bend.value)
        values = Layer.of(
            [row.factors for row in rows], [-row.bound for row in rows], name="condition"
        )
        return cls((*maps, _behind(values, start, shift)), tuple(slopes))

    def floats(self) -> Chain:
        """The chain as kernels read it."""
        widths = [self.maps[0][0].shape[1], *(weight.shape[0] for weight, _ in self.maps)]
        sizes = [a * b for a, b in pairwise(widths)]
        weights, errors = _joined([weight for weight, _ in self.maps])
        biases, bias_errors = _joined([column for _, column in self.maps])
        return Chain(
            np.array(widths),
            np.cumsum([0, *sizes[:-1]]),
            weights,
            errors,
            np.cumsum([0, *widths[1:-1]]),
            biases,
            bias_errors,
            nearest_floats([x for pair in self.slopes for x in pair]).reshape(-1, 2),
        )


def is_chain(network: Network) -> bool:
    """Whether every step is a layer that reads the one before."""
    return all(
        isinstance(step.does, Layer) and step.inputs == (k,) for k, step in enumerate(network.steps)
    )


def _start(flat: Flat, bounds: Bounds) -> Map:
    """The inputs as an affine map of t."""
    columns = matrix([*flat.directions], len(flat.origin)).transpose()
    origin = RationalArray(len(flat.origin), 1, [*flat.origin])
    middle = RationalArray(flat.dim, 1, bounds.middle)
    return _map(columns * diagonal(bounds.half), columns * middle + origin)


def _behind(
    layer: Layer, before: Map | None, shift: RationalArray, place: Rational | None = None
) -> Map:
    """`weight (before + shift) + bias - place`, where no map before is the identity."""
    moved = layer.operator.apply(shift)
    weight = layer.weight
    if before is not None:
        moved = moved + layer.operator.apply(before[1].exact)
        weight = RationalMatrix.from_backend(layer.operator.apply(before[0].exact))
    elif not place and not any(moved.entries()):
        return weight, layer.bias
    column = moved + layer.bias.exact - _column(layer.width, place or _ZERO)
    return weight, RationalMatrix.from_backend(column)


def _map(weight: RationalArray, column: RationalArray) -> Map:
    return RationalMatrix.from_backend(weight), RationalMatrix.from_backend(column)


def _is_float(value: Rational) -> bool:
    near = nearest_float(value)
    return isfinite(near) and rational(near) == value


def _column(size: int, entry: Rational) -> RationalArray:
    return RationalArray(size, 1, [entry] * size)


def _joined(matrices: Sequence[RationalMatrix]) -> tuple[FloatArray, FloatArray]:
    """The nearest floats of all entries in one row, and what they err by."""
    floats = np.concatenate([each.float64().ravel() for each in matrices])
    return floats, np.concatenate([each.float64_error().ravel() for each in matrices])
