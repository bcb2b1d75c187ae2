"""Graphs put together step by step, as readers of traced models do: values with shapes, operations
on them, and constants at their exact values.

A value has the shape of the model's own tensor; its numbers stand in C order. What only moves
numbers is told by what it does to an array of their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.nearest import nearest_root
from exact.arithmetic.numbers import FloatArray, Rational, RationalMatrix, rational
from exact.errors import InvalidInput
from exact.networks.activations import Activation, HardTanh, ReLU
from exact.networks.graphs.convolutions import Convolution, Taps
from exact.networks.graphs.graph import Graph, identity_layer
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.graphs.steps import Sum
from exact.networks.layers import Layer
from exact.networks.operators import LinearOperator

Shape = tuple[int, ...]
Pads = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Value:
    """A value of the graph that is built: its number, and its shape in the model."""

    number: int
    shape: Shape

    @property
    def places(self) -> IndexArray:
        """The place of each of its numbers."""
        return np.arange(prod(self.shape)).reshape(self.shape)


@dataclass(frozen=True)
class Window:
    """A window that moves over the last axes of a value; `ceil` rounds the number of places up."""

    kernel: Shape
    stride: Shape
    pads: tuple[tuple[int, int], ...]
    dilation: Shape
    ceil: bool = False

    def taps(self, image: Shape) -> Taps:
        """Where it stands on an image."""
        return Taps(image, self.kernel, self.stride, self.pads, self.dilation, self.ceil)


class GraphBuilder:
    """The steps so far.

    >>> import numpy as np
    >>> builder = GraphBuilder((1, 3))
    >>> x = builder.input
    >>> bent = builder.activated(builder.matrix(x, np.eye(3), np.array([0, 0, 1.0])), ReLU())
    >>> builder.graph(builder.added([x, bent])).forward_float([1.0, -2.0, 3.0]).tolist()
    [2.0, -2.0, 7.0]
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.input = Value(0, tuple(shape))
        self._steps = list[tuple[Any, tuple[int, ...]]]()

    def _step(self, does: Any, inputs: Sequence[Value], shape: Sequence[int]) -> Value:
        self._steps.append((does, tuple(value.number for value in inputs)))
        return Value(len(self._steps), tuple(int(size) for size in shape))

    def _affine(
        self, value: Value, operator: LinearOperator, shape: Sequence[int], bias: Any = None
    ) -> Value:
        return self._step(Layer.of(operator, bias), [value], shape)

    def graph(self, output: Value) -> Graph:
        """The graph of the steps that an output needs. Raises InvalidInput where it needs none."""
        needed, waiting = set[int](), [output.number]
        while waiting:
            number = waiting.pop()
            if number and number not in needed:
                needed.add(number)
                waiting += self._steps[number - 1][1]
        if not needed:
            raise InvalidInput(
                "the model computes nothing", value=output.shape, remedy="give one with layers"
            )
        place = {0: 0} | {number: k for k, number in enumerate(sorted(needed), 1)}
        steps = [self._steps[number - 1] for number in sorted(needed)]
        return Graph(
            ((does, [place[i] for i in inputs]) for does, inputs in steps), prod(self.input.shape)
        )

    # ---- moving numbers

    def moved(self, value: Value, move: Callable[[IndexArray], Any], fill: object = 0) -> Value:
        """What a function of places does to a value; -1 stands for `fill`, which no place is."""
        places = np.asarray(move(value.places))
        flat = places.reshape(-1)
        if np.array_equal(flat, value.places.reshape(-1)):
            return Value(value.number, places.shape)
        if not (flat < 0).any():
            return self._affine(value, Selection(flat, value.places.size), places.shape)
        there = np.flatnonzero(flat >= 0)
        kept = self._affine(value, Selection(flat[there], value.places.size), there.shape)
        bias = [rational(fill) if x < 0 else Rational(0) for x in flat.tolist()]
        column = RationalMatrix.from_rationals(bias) if any(bias) else None
        return self._affine(kept, Placement(there, flat.size), places.shape, column)

    def concatenated(self, values: Sequence[Value], axis: int) -> Value:
        """Values one behind another along an axis."""
        sizes = np.cumsum([0, *(value.places.size for value in values)])
        whole = np.concatenate(
            [v.places + start for v, start in zip(values, sizes, strict=False)], axis=axis
        )
        total = int(sizes[-1])
        parts = [
            self._affine(
                value, Placement(np.arange(start, start + value.places.size), total), [total]
            )
            for value, start in zip(values, sizes, strict=False)
        ]
        joined = self._step(Sum(), parts, [total]) if len(parts) > 1 else parts[0]
        return self.moved(joined, lambda _: whole)

    def broadcast(self, value: Value, shape: Sequence[int]) -> Value:
        """A value repeated to a shape, as numpy does."""
        return self.moved(value, lambda places: np.broadcast_to(places, tuple(shape)))

    # ---- sums and constants

    def added(self, values: Sequence[Value]) -> Value:
        """The sum of values, broadcast to one shape."""
        shape = np.broadcast_shapes(*(value.shape for value in values))
        return self._step(Sum(), [self.broadcast(value, shape) for value in values], shape)

    def scaled(self, value: Value, factors: Any, shift: Any = 0) -> Value:
        """A value times constants, plus constants, broadcast to one shape: floats or rationals."""
        shapes = (np.shape(factors), np.shape(shift), value.shape)
        shape = np.broadcast_shapes(*shapes)
        wide = self.broadcast(value, shape)
        one, zero = (np.broadcast_to(x, shape).reshape(-1) for x in (factors, shift))
        same = all(x == 1 for x in one.tolist())
        operator: LinearOperator = (
            Selection(np.arange(one.size), one.size) if same else Scaling(_column(one, "factors"))
        )
        if same and not any(x != 0 for x in zero.tolist()):
            return wide
        return self._affine(wide, operator, shape, _column(zero, "shift"))

    def constant(self, like: Value, values: Any) -> Value:
        """Constants of the shape of a value."""
        return self.scaled(like, 0, values)

    # ---- weights

    def matrix(self, value: Value, weight: FloatArray, bias: FloatArray | None = None) -> Value:
        """`weight` (out x in) times the last axis, plus a bias."""
        outputs, inputs = weight.shape
        if value.shape[-1] != inputs:
            raise InvalidInput(
                "a weight does not fit what it reads",
                value=f"weight {weight.shape}, a value of shape {value.shape}",
                remedy="give the model inputs of its own shape",
            )
        shape = (*value.shape[:-1], outputs)
        count = prod(value.shape[:-1])
        if count == 1:
            return self._step(Layer.of(weight, bias, None, "matrix"), [value], shape)
        columns = self.moved(value, lambda places: places.reshape(count, inputs).T)
        taps = Taps((count,), (1,), (1,), ((0, 0),), (1,))
        wide = Convolution(RationalMatrix.from_floats(weight, "weight"), inputs, taps)
        own = None if bias is None else np.repeat(bias, count)
        found = self._affine(columns, wide, (outputs, count), own)
        return self.moved(found, lambda places: places.T.reshape(shape))

    def convolution(
        self, value: Value, weight: FloatArray, bias: FloatArray | None, window: Window, groups: int
    ) -> Value:
        """A convolution of a value of shape (1, channels, *sizes)."""
        _, channels, *image = self._one_image(value, len(window.kernel))
        taps = window.taps(tuple(image))
        rows = RationalMatrix.from_floats(weight.reshape(len(weight), -1), "weight")
        operator = Convolution(rows, channels, taps, groups)
        own = None if bias is None else np.repeat(bias, prod(taps.positions))
        return self._affine(value, operator, (1, len(weight), *taps.positions), own)

    def batch_norm(
        self,
        value: Value,
        parts: tuple[FloatArray | None, FloatArray | None, FloatArray, FloatArray],
        eps: object,
    ) -> Value:
        """Gain, shift, mean and variance of each channel (axis 1), as in evaluation.

        The factor gain / sqrt(variance + eps) is irrational as a rule; the network has the float64
        nearest to it, and `shift - mean factor` exactly.
        """
        gain, shift, mean, variance = parts
        factors, shifts = list[Rational](), list[Rational]()
        for c in range(len(mean)):
            below = rational(float(variance[c]), "running_var") + rational(eps, "eps")
            if below <= 0:
                raise InvalidInput(
                    "a batch norm divides by no positive number",
                    value=f"running_var[{c}] + eps = {below}",
                    remedy="give a variance and an eps whose sum is positive",
                )
            own = Rational(1) if gain is None else rational(float(gain[c]), "weight")
            root = rational(nearest_root(own * own / below))
            factors.append(root if own >= 0 else -root)
            start = Rational(0) if shift is None else rational(float(shift[c]), "bias")
            shifts.append(start - rational(float(mean[c]), "running_mean") * factors[-1])
        axes = (1, len(mean), *(1,) * (len(value.shape) - 2))
        tables = [np.array(x, dtype=object).reshape(axes) for x in (factors, shifts)]
        return self.scaled(value, *tables)

    # ---- bends

    def activated(self, value: Value, activation: Activation) -> Value:
        """An activation of every number."""
        return self._step(identity_layer(value.places.size, activation), [value], value.shape)

    def leaky(self, value: Value, slopes: Any) -> Value:
        """`z` where it is positive, else `slope z`, a slope for each number: (1 - slope) relu(z) +
        slope z.
        """
        exact = np.array([rational(float(x)) for x in np.reshape(slopes, -1)], dtype=object)
        table = exact.reshape(np.shape(slopes))
        bent = self.scaled(self.activated(value, ReLU()), 1 - table)
        return self.added([bent, self.scaled(value, table)])

    def clamped(self, value: Value, low: Any, high: Any) -> Value:
        """A value between two bounds, either of which may be None.

        Raises InvalidInput unless the lower bound is below the upper one.
        """
        if low is None and high is None:
            return value
        if high is None:
            bent = self.activated(self.scaled(value, 1, -low), ReLU())
            return self.scaled(bent, 1, low)
        if low is None:
            bent = self.activated(self.scaled(value, -1, high), ReLU())
            return self.scaled(bent, -1, high)
        return self.activated(value, HardTanh(low, high))

    def windows(self, value: Value, windows: IndexArray, shape: Sequence[int]) -> Value:
        """The maxima of windows of places, -1 for none."""
        return self._step(Maximum(windows, value.places.size), [value], shape)

    def maximum(self, values: Sequence[Value]) -> Value:
        """The elementwise maximum of values, broadcast to one shape."""
        shape = np.broadcast_shapes(*(value.shape for value in values))
        rows = [
            self.moved(self.broadcast(v, shape), lambda places: places.reshape(1, -1))
            for v in values
        ]
        joined = self.concatenated(rows, 0)
        return self.windows(joined, joined.places.T, shape)

    def max_over(self, value: Value, axes: Sequence[int], keep: bool) -> Value:
        """The maximum over axes."""
        rows, shape = _grouped(value, axes, keep)
        return self.windows(value, rows, shape)

    def max_pool(self, value: Value, window: Window) -> Value:
        """The maxima of a window on each channel of a value of shape (1, channels, *sizes); padding
        is no candidate.
        """
        _, channels, *image = self._one_image(value, len(window.kernel))
        taps, size = window.taps(tuple(image)), prod(image)
        every = [np.where(taps.places < 0, -1, taps.places + c * size) for c in range(channels)]
        return self.windows(value, np.concatenate(every), (1, channels, *taps.positions))

    # ---- averages

    def mean_over(self, value: Value, axes: Sequence[int], keep: bool) -> Value:
        """The mean over axes."""
        return self.means(value, *_grouped(value, axes, keep))

    def sum_over(self, value: Value, axes: Sequence[int], keep: bool) -> Value:
        """The sum over axes."""
        rows, shape = _grouped(value, axes, keep)
        return self._sums(value, rows, shape)

    def means(self, value: Value, rows: IndexArray, shape: Sequence[int]) -> Value:
        """The means of rows of places, -1 for none."""
        shares = [Rational(1, int(count)) for count in (rows >= 0).sum(axis=1)]
        table = np.array(shares, dtype=object).reshape(tuple(shape))
        return self.scaled(self._sums(value, rows, shape), table)

    def _sums(self, value: Value, rows: IndexArray, shape: Sequence[int]) -> Value:
        count, size = rows.shape
        flat = self.moved(value, lambda _: rows.reshape(-1))
        taps = Taps((count * size,), (size,), (size,), ((0, 0),), (1,))
        ones = RationalMatrix.from_floats(np.ones((1, size)))
        return self._affine(flat, Convolution(ones, 1, taps), shape)

    def average_pool(
        self, value: Value, window: Window, with_padding: bool, divisor: int | None
    ) -> Value:
        """The averages of a window on each channel of a value of shape (1, channels, *sizes): over
        the numbers under it, or with the padding that it covers, or by a divisor.
        """
        _, channels, *image = self._one_image(value, len(window.kernel))
        taps = window.taps(tuple(image))
        ones = RationalMatrix.from_floats(np.ones((channels, prod(window.kernel))))
        shape = (1, channels, *taps.positions)
        total = self._affine(value, Convolution(ones, channels, taps, channels), shape)
        counts = (
            _counts(taps, with_padding)
            if divisor is None
            else np.full(prod(taps.positions), divisor)
        )
        shares = np.array([Rational(1, int(x)) for x in counts], dtype=object)
        return self.scaled(total, np.broadcast_to(shares.reshape(taps.positions), shape))

    def bins(self, value: Value, sizes: Sequence[int]) -> tuple[IndexArray, Shape]:
        """The places of adaptive windows on each channel, -1 for none, and the shape of the output:
        window i of n on an axis of s reads from floor(i s / n) to ceil((i + 1) s / n).
        """
        _, channels, *image = self._one_image(value, len(sizes))
        rows = [[0]]
        for size, count in zip(image, sizes, strict=True):
            ends = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
            rows = [
                [place * size + k for place in row for k in range(*end)]
                for row in rows
                for end in ends
            ]
        every = [[c * prod(image) + k for k in row] for c in range(channels) for row in rows]
        most = max(map(len, every))
        table = np.array([[*row, *[-1] * (most - len(row))] for row in every], dtype=np.int64)
        return table, (1, channels, *sizes)

    @staticmethod
    def _one_image(value: Value, axes: int) -> Shape:
        """The shape of a value with one image. Raises InvalidInput for another."""
        if len(value.shape) != axes + 2 or value.shape[0] != 1:
            raise InvalidInput(
                "a window reads a value that is no image",
                value=f"shape {value.shape}",
                remedy=f"give input_shape= of channels and {axes} sizes, without the batch",
            )
        return value.shape


def _column(values: IndexArray | FloatArray, name: str) -> RationalMatrix:
    if values.dtype == object:
        return RationalMatrix.from_rationals([rational(x) for x in values.tolist()], name)
    return RationalMatrix.from_floats(np.ascontiguousarray(values), name)


def _grouped(value: Value, axes: Sequence[int], keep: bool) -> tuple[IndexArray, Shape]:
    """The places of a value in rows, one for what is left without some axes, and its shape."""
    count = len(value.shape)
    gone = sorted(axis % count for axis in axes) or list(range(count))
    left = [axis for axis in range(count) if axis not in gone]
    rows = value.places.transpose([*left, *gone]).reshape(
        prod(value.shape[axis] for axis in left), -1
    )
    if keep:
        return rows, tuple(1 if axis in gone else n for axis, n in enumerate(value.shape))
    return rows, tuple(value.shape[axis] for axis in left)


def _counts(taps: Taps, with_padding: bool) -> IndexArray:
    """How many numbers an average takes at each position: those inside of the image, or also those
    of the padding in front and behind, but for what rounding up adds.
    """
    if not with_padding:
        return np.asarray((taps.places >= 0).sum(axis=1))
    found = np.ones(1, np.int64)
    axes = zip(taps.image, taps.positions, taps.kernel, taps.stride, taps.padding, strict=True)
    for size, count, kernel, stride, (front, back) in axes:
        start = np.arange(count) * stride - front
        own = np.minimum(start + kernel, size + back) - start
        found = np.multiply.outer(found, own).reshape(-1)
    return found
