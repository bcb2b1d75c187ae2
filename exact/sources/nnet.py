"""Networks in the text format `.nnet` (Julian 2016: ACAS Xu and others), with the scaling of their
inputs and outputs.

Lines of numbers, each with a comma behind it; a line that begins with `//` is a comment. First come
the number of layers, of inputs, of outputs and the largest width; then the width of every layer,
the inputs first; a flag that is not used; the least and the greatest value of every input; the
means and the ranges of the inputs, one mean and one range of all outputs behind them; then for
every layer its rows of weights and one line for each bias. All layers but the last have a ReLU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from exact.arithmetic.numbers import fractions, rational, rationals
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.domains.flat import Box
from exact.networks.network import Network
from exact.sources import tensors

Numbers = Literal["float64", "float32", "decimal"]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST = 400  # characters of a number: more than any float64 needs
Line = tuple[int, str]


@short_repr
@dataclass(frozen=True)
class Nnet:
    """A network on normalised inputs, and the scaling between raw units and these, as fractions.

    A raw input is clipped to [`minima`, `maxima`] and normalised to `(x - means) / ranges`; a raw
    output is `y * output_range + output_mean`. Collision avoidance networks advise the output that
    is least.
    """

    network: Network
    minima: tuple[Fraction, ...]
    maxima: tuple[Fraction, ...]
    means: tuple[Fraction, ...]
    ranges: tuple[Fraction, ...]
    output_mean: Fraction
    output_range: Fraction

    def normalised(self, x: Sequence[object]) -> tuple[Fraction, ...]:
        """The input of the network for a point in raw units, clipped, exactly. Raises InvalidInput
        for a wrong length.
        """
        values = fractions(rationals(self._fitting(x, "x"), "x"))
        inside = [
            min(max(value, low), high)
            for value, low, high in zip(values, self.minima, self.maxima, strict=True)
        ]
        return tuple(
            (value - mean) / size
            for value, mean, size in zip(inside, self.means, self.ranges, strict=True)
        )

    def box(self, lo: Sequence[object], hi: Sequence[object]) -> Box:
        """The exact box of the network's inputs for a box in raw units, clipped; None stands for
        the least or greatest value.

        Bounds that coincide, also by clipping, freeze a coordinate. Raises InvalidInput for lo > hi
        and wrong lengths.
        """
        ends = [
            [
                end if value is None else value
                for value, end in zip(self._fitting(values, name), ends, strict=True)
            ]
            for values, ends, name in ((lo, self.minima, "lo"), (hi, self.maxima, "hi"))
        ]
        # names the coordinate in raw units where there is nothing between its bounds
        Box(ends[0], ends[1])
        return Box(self.normalised(ends[0]), self.normalised(ends[1]))

    def raw_input(self, x: Sequence[object]) -> tuple[Fraction, ...]:
        """The point in raw units that is normalised to x, such as a witness. Raises InvalidInput
        for a wrong length.
        """
        values = fractions(rationals(self._fitting(x, "x"), "x"))
        return tuple(
            value * size + mean
            for value, mean, size in zip(values, self.means, self.ranges, strict=True)
        )

    def raw_output(self, y: Sequence[object]) -> tuple[Fraction, ...]:
        """The outputs of the network in raw units."""
        return tuple(
            value * self.output_range + self.output_mean for value in fractions(rationals(y, "y"))
        )

    def normalised_output(self, value: object) -> Fraction:
        """The output of the network that is `value` in raw units."""
        return (fractions([rational(value, "value")])[0] - self.output_mean) / self.output_range

    def _fitting(self, values: Any, name: str) -> list[Any]:
        found = (
            list(values)
            if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
            else []
        )
        if len(found) != len(self.means):
            raise InvalidInput(
                f"{name} does not fit the network",
                value=f"{len(found)} numbers",
                remedy=f"give {len(self.means)}, in raw units or normalised as asked for",
            )
        return found


def read(path: str | Path, *, numbers: Numbers = "float64") -> Nnet:
    """Read a `.nnet` file: the network on normalised inputs, without any rounding of its own, and
    its scaling.

    `numbers` says which number a decimal in the text means, weights and scaling alike. "float64":
    the float64 nearest to it, as for every reader that parses doubles. "float32": that float64
    rounded to float32, as where a double is stored in a float32 array. "decimal": the decimal
    itself, exactly. The flag and the largest width say nothing about the network.

    Raises InvalidInput, with the number of the line, for what is missing, not a finite number, too
    much or too little, for a least value above the greatest and a range that is not positive; and
    where there is no such text file.
    """
    if numbers not in ("float64", "float32", "decimal"):
        raise InvalidInput(
            "unknown numbers", value=repr(numbers), remedy='write "float64", "float32" or "decimal"'
        )
    lines = _Lines(_text(path), numbers)
    layers, inputs, outputs, _ = lines.whole(
        "the numbers of layers, inputs, outputs, and the largest width", 4
    )
    widths = lines.whole("the widths of all layers, the inputs first", layers + 1)
    if (widths[0], widths[-1]) != (inputs, outputs):
        raise lines.wrong(f"the widths do not go from {inputs} inputs to {outputs} outputs", widths)
    lines.row("a flag", 1)
    minima, maxima = (
        lines.row("the least values of the inputs", inputs),
        lines.row("the greatest values of the inputs", inputs),
    )
    if (k := next((k for k in range(inputs) if minima[k] > maxima[k]), None)) is not None:
        raise lines.wrong(
            f"the least value of input {k} is above the greatest", f"{minima[k]} > {maxima[k]}"
        )
    means, ranges = lines.row("the means", inputs + 1), lines.row("the ranges", inputs + 1)
    if min(ranges) <= 0:
        raise lines.wrong("a range is not positive", min(ranges))
    found = []
    for k, (before, width) in enumerate(pairwise(widths), 1):
        weight = [lines.row(f"row {i} of the weights of layer {k}", before) for i in range(width)]
        bias = [lines.row(f"bias {i} of layer {k}", 1)[0] for i in range(width)]
        found.append((lines.array(weight), lines.array(bias)))
    lines.finish()
    scales = [tuple(fractions(rationals(row))) for row in (minima, maxima, means, ranges)]
    return Nnet(
        tensors.mlp(found),
        scales[0],
        scales[1],
        scales[2][:-1],
        scales[3][:-1],
        scales[2][-1],
        scales[3][-1],
    )


def _text(path: object) -> str:
    if not isinstance(path, str | PathLike):
        raise InvalidInput("not a path", value=repr(path), remedy="give the name of a .nnet file")
    place = Path(path)
    if not place.is_file():
        raise InvalidInput("no such file", value=str(place), remedy="give the name of a .nnet file")
    try:
        return place.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "not a text file", value=f"{place}, byte {error.start}", remedy="give a .nnet file"
        ) from error


class _Lines:
    """The lines of a file that are no comments, one after another."""

    def __init__(self, text: str, numbers: Numbers) -> None:
        self._numbers, self._at = numbers, 0
        self._lines = self._significant(text)

    @staticmethod
    def _significant(text: str) -> Iterator[Line]:
        lines = enumerate(text.splitlines(), 1)
        return (
            (number, line.strip())
            for number, line in lines
            if line.strip() and not line.lstrip().startswith("//")
        )

    def wrong(self, what: str, value: object) -> InvalidInput:
        """The one error about the line that was read last."""
        return InvalidInput(
            f"line {self._at}: {what}",
            value=str(value)[:60],
            remedy="see exact.sources.nnet for the format",
        )

    def row(self, what: str, count: int) -> list[Any]:
        """The numbers of the next line: floats, or fractions where decimals are meant as they
        stand.
        """
        line = next(self._lines, None)
        if line is None:
            self._at += 1
            raise self.wrong(f"the file ends where {what} should be", "nothing")
        self._at, text = line
        words = [word.strip() for word in text.removesuffix(",").split(",")]
        if len(words) != count:
            raise self.wrong(f"{what}: {count} numbers belong here", f"{len(words)} numbers")
        return [self._number(word) for word in words]

    def _number(self, word: str) -> Any:
        if len(word) > _LONGEST or not _NUMBER.fullmatch(word) or not np.isfinite(float(word)):
            raise self.wrong("not a finite number", repr(word))
        return Fraction(word) if self._numbers == "decimal" else self._rounded(float(word))

    def _rounded(self, value: float) -> float:
        if self._numbers == "float64":
            return value
        with np.errstate(over="ignore"):
            short = float(np.float32(value))
        if not np.isfinite(short):
            raise self.wrong("beyond the largest float32", value)
        return short

    def whole(self, what: str, count: int) -> list[int]:
        """A line of whole numbers from 1."""
        values = self.row(what, count)
        if not all(value >= 1 and value == int(value) for value in values):
            raise self.wrong(f"{what}: not whole numbers from 1", values)
        return [int(value) for value in values]

    def array(self, values: list[Any]) -> Any:
        """Weights as they are stored best: floats in an array."""
        return values if self._numbers == "decimal" else np.array(values)

    def finish(self) -> None:
        """Nothing may be left."""
        line = next(self._lines, None)
        if line is not None:
            self._at, text = line
            raise self.wrong("the file goes on behind the last bias", text)
