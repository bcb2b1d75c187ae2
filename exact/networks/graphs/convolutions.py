"""Convolutions of one or two axes as operators: stride, padding, dilation and groups, never as a
dense matrix.

An image of shape (channels, *sizes) is a vector in C order. As in torch a convolution is a
cross-correlation: output channel o at position p is the sum over its group's input channels c and
the taps t of `weight[o, c, t] x[c, p stride + t dilation - padding]`, zeros outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, RationalMatrix
from exact.errors import InvalidInput
from exact.networks.operators import LinearOperator

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Taps:
    """Where a window stands: sizes of the image and the kernel, and for each axis the stride, the
    padding in front and behind, and the dilation.

    >>> taps = Taps((4,), (3,), (2,), ((1, 1),), (1,))
    >>> taps.positions, taps.places.tolist()
    ((2,), [[-1, 0, 1], [1, 2, 3]])
    """

    image: Sizes
    kernel: Sizes
    stride: Sizes
    padding: tuple[tuple[int, int], ...]
    dilation: Sizes
    ceil: bool = False

    def __post_init__(self) -> None:
        if min((*self.positions, *self.kernel, *self.stride, *self.dilation)) < 1:
            raise InvalidInput(
                "a window does not fit the image",
                value=f"kernel {self.kernel}, image {self.image}, padding {self.padding}",
                remedy="give a smaller kernel or dilation, or more padding",
            )

    @cached_property
    def positions(self) -> Sizes:
        """The sizes of the output: a last position that begins beyond image and front padding is
        left out where sizes are rounded up.
        """
        found = []
        axes = zip(self.image, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        for size, taps, stride, (front, back), dilation in axes:
            room = size + front + back - dilation * (taps - 1) - 1
            steps = -(-room // stride) if self.ceil else room // stride
            if self.ceil and steps * stride >= size + front:
                steps -= 1
            found.append(steps + 1 if room >= 0 else 0)
        return tuple(found)

    @cached_property
    def places(self) -> IndexArray:
        """For every position the places in one channel that its taps read (positions x taps), -1
        outside of the image.
        """
        found = np.zeros((1, 1), np.int64)
        inside = np.ones((1, 1), bool)
        axes = zip(
            self.image,
            self.positions,
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            strict=True,
        )
        for size, count, taps, stride, (front, _), dilation in axes:
            at = np.arange(count)[:, None] * stride + np.arange(taps) * dilation - front
            fits = (at >= 0) & (at < size)
            shape = (found.shape[0] * count, found.shape[1] * taps)
            found = (found[:, None, :, None] * size + at[None, :, None, :]).reshape(shape)
            inside = (inside[:, None, :, None] & fits[None, :, None, :]).reshape(shape)
        places: IndexArray = np.where(inside, found, -1)
        places.flags.writeable = False
        return places


class Convolution(LinearOperator):
    """A convolution of an image of shape (channels, *sizes); `weight` has a row for each output
    channel: the taps of each input channel of its group, in C order.

    >>> from exact.arithmetic.numbers import RationalArray, RationalMatrix
    >>> from exact.networks.graphs.convolutions import Taps
    >>> taps = Taps((3,), (2,), (1,), ((0, 0),), (1,))
    >>> blur = Convolution(RationalMatrix.read([[1, 1]]), 1, taps)
    >>> blur.apply(RationalArray(3, 1, [1, 2, 4])).entries(), str(blur.matrix)
    ([3, 6], '[[1, 1, 0], [0, 1, 1]]')
    """

    def __init__(self, weight: RationalMatrix, channels: int, taps: Taps, groups: int = 1) -> None:
        self.weight, self.channels, self.taps, self.groups = weight, channels, taps, groups
        wanted = channels // max(1, groups) * int(np.prod(taps.kernel))
        fits = groups > 0 and channels % groups == weight.shape[0] % groups == 0
        if not fits or weight.shape[1] != wanted:
            raise InvalidInput(
                "the weight of a convolution does not fit its channels",
                value=f"weight {weight.shape}, {channels} channels in {groups} groups, kernel "
                f"{taps.kernel}",
                remedy="give a row for each output channel: the taps of its group's inputs",
            )

    @property
    def shape(self) -> tuple[int, int]:
        image, positions = (int(np.prod(x)) for x in (self.taps.image, self.taps.positions))
        return self.weight.shape[0] * positions, self.channels * image

    def apply(self, columns: RationalArray) -> RationalArray:
        """One product of FLINT for each group: its rows of the weight times the windows."""
        k, entries = columns.ncols(), columns.entries()
        outputs, inputs = (x // self.groups for x in (self.weight.shape[0], self.channels))
        size = int(np.prod(self.taps.image))
        places, zero = self.taps.places.T.tolist(), [Rational(0)] * k
        found = list[Rational]()
        for group in range(self.groups):
            weight = [x for o in range(outputs) for x in self.weight.row(group * outputs + o)]
            windows = list[Rational]()
            for channel in range(group * inputs, (group + 1) * inputs):
                for tap in places:
                    for place in tap:
                        start = (channel * size + place) * k
                        windows += zero if place < 0 else entries[start : start + k]
            width = self.weight.shape[1]
            wide = RationalArray(width, len(windows) // width, windows)
            found += (RationalArray(outputs, width, weight) * wide).entries()
        return RationalArray(len(found) // k, k, found)

    def row(self, output: int) -> list[Rational]:
        positions, size = (int(np.prod(x)) for x in (self.taps.positions, self.taps.image))
        channel, position = divmod(output, positions)
        inputs = self.channels // self.groups
        first = channel // (self.weight.shape[0] // self.groups) * inputs
        found, weights = [Rational(0)] * (self.channels * size), self.weight.row(channel)
        taps = self.taps.places[position].tolist()
        for (c, place), w in zip(product(range(inputs), taps), weights, strict=True):
            if place >= 0:
                found[(first + c) * size + place] = w
        return found

    def apply_float(self, rows: FloatArray) -> FloatArray:
        return self._convolved(rows, self.weight.float64())

    def magnitude(self, rows: FloatArray) -> FloatArray:
        return self._convolved(rows, np.abs(self.weight.float64()))

    @property
    def terms(self) -> int:
        return self.weight.shape[1]

    def _convolved(self, rows: FloatArray, weight: FloatArray) -> FloatArray:
        """By torch in float64 on the CPU, which adds products of entries, in whatever order."""
        taps = self.taps
        image = torch.from_numpy(np.array(rows)).reshape(len(rows), self.channels, *taps.image)
        edges = [x for pair in reversed(self._edges) for x in pair]
        if any(edges):
            image = torch.nn.functional.pad(image, edges)
        kernel = torch.from_numpy(np.array(weight)).reshape(self.weight.shape[0], -1, *taps.kernel)
        convolve: Any = (torch.nn.functional.conv1d, torch.nn.functional.conv2d)[
            len(taps.kernel) - 1
        ]
        found = convolve(
            image, kernel, stride=taps.stride, dilation=taps.dilation, groups=self.groups
        )
        return np.asarray(found.reshape(len(rows), -1).numpy())

    @property
    def _edges(self) -> list[tuple[int, int]]:
        """The padding of each axis, behind it as much as the last position reads."""
        return [
            (front, (count - 1) * stride + dilation * (kernel - 1) + 1 - size - front)
            for size, count, stride, (front, _), dilation, kernel in zip(
                self.taps.image,
                self.taps.positions,
                self.taps.stride,
                self.taps.padding,
                self.taps.dilation,
                self.taps.kernel,
                strict=True,
            )
        ]

    @property
    def content(self) -> bytes:
        return f"{self.channels}:{self.taps}:{self.groups}:".encode() + self.weight.digest

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.weight, self.channels, self.taps, self.groups)


def taps_of(
    image: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int | tuple[int, int]] = (),
    dilation: Sequence[int] = (),
    ceil: bool = False,
) -> Taps:
    """Taps from lists, by default of stride 1, dilation 1 and without padding; one number pads both
    ends of an axis.

    >>> taps_of((5, 5), (3, 3), padding=(1, 1)).positions
    (5, 5)
    """
    axes = len(image)
    pads = tuple((p, p) if isinstance(p, int) else p for p in padding) or ((0, 0),) * axes
    ones = (1,) * axes
    return Taps(
        tuple(image), tuple(kernel), tuple(stride) or ones, pads, tuple(dilation) or ones, ceil
    )
