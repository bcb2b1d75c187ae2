"""Random graphs of every operator, and what they compute by hand: each operator as nested lists of
fractions, the code by its definition, in Python's fractions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from exact import AbsoluteValue, HardTanh, Layer, LeakyReLU, RationalMatrix, ReLU
from exact.networks.graphs.convolutions import Convolution, taps_of
from exact.networks.graphs.graph import Graph, identity_layer
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Placement, Scaling, Selection
from exact.networks.graphs.steps import Sum

Rows = list[list[Fraction]]
Piece = tuple[Fraction, Fraction]
ACTIVATIONS: list[tuple[Any, list[Fraction], list[Piece]]] = [
    (ReLU(), [Fraction(0)], [(Fraction(0), Fraction(0)), (Fraction(1), Fraction(0))]),
    (LeakyReLU("1/4"), [Fraction(0)], [(Fraction(1, 4), Fraction(0)), (Fraction(1), Fraction(0))]),  # type: ignore[arg-type]
    (AbsoluteValue(), [Fraction(0)], [(Fraction(-1), Fraction(0)), (Fraction(1), Fraction(0))]),
    (
        HardTanh(),
        [Fraction(-1), Fraction(1)],
        [(Fraction(0), Fraction(-1)), (Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))],
    ),
]


@dataclass(repr=False)
class Made:
    """A graph with what each step does: "affine" with rows and shifts, "bend" with bends and
    pieces, "max" with windows, "sum"; and the steps that it reads.
    """

    steps: list[tuple[Any, list[int]]] = field(default_factory=list)
    plain: list[tuple[str, Any, list[int]]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, does: Any, inputs: list[int], plain: list[tuple[str, Any, list[int]]]) -> int:
        """A step of the graph; all but its last plain step read nothing but each other."""
        self.steps.append((does, inputs))
        kind, value, _ = plain[-1]
        self.plain.append((kind, (value, plain[:-1]), inputs))
        self.sizes.append(_size(plain, self.sizes[inputs[0]]))
        return len(self.sizes) - 1

    @property
    def graph(self) -> Graph:
        return Graph(self.steps, self.sizes[0])

    def by_hand(self, x: Sequence[Fraction]) -> tuple[list[int], list[Fraction]]:
        """The symbols of all steps in order, and the output."""
        values, alive, symbols = [list(x)], [[True] * len(x)], list[int]()
        for kind, (value, before), inputs in self.plain:
            y, live = values[inputs[0]], alive[inputs[0]]
            for name, rows, _ in before:
                assert name == "affine"
                y, live = _affine(rows, y, live)
            if kind == "affine":
                y, live = _affine(value, y, live)
            elif kind == "sum":
                y = [sum(z, Fraction(0)) for z in zip(*(values[i] for i in inputs), strict=True)]
                live = [any(z) for z in zip(*(alive[i] for i in inputs), strict=True)]
            elif kind == "bend":
                y, live, own = _bend(value, y, live)
                symbols += own
            else:
                y, live, own = _max(value, y, live)
                symbols += own
            values.append(y)
            alive.append(live)
        return symbols, values[-1]


def _size(plain: list[tuple[str, Any, list[int]]], size: int) -> int:
    for kind, value, _ in plain:
        if kind in ("affine", "max"):
            size = len(value[0]) if kind == "affine" else len(value)
    return size


def _affine(
    parts: tuple[Rows, list[Fraction]], y: list[Fraction], live: list[bool]
) -> tuple[list[Fraction], list[bool]]:
    rows, shift = parts
    found = [
        sum((a * b for a, b in zip(row, y, strict=True)), s)
        for row, s in zip(rows, shift, strict=True)
    ]
    lives = [
        s != 0 or any(a != 0 and x for a, x in zip(row, live, strict=True))
        for row, s in zip(rows, shift, strict=True)
    ]
    return found, lives


def _bend(
    parts: Any, y: list[Fraction], live: list[bool]
) -> tuple[list[Fraction], list[bool], list[int]]:
    bends, pieces = parts
    symbols = [int(z > t) for z in y for t in bends]
    taken = [pieces[sum(z > t for t in bends)] for z in y]
    found = [slope * z + shift for (slope, shift), z in zip(taken, y, strict=True)]
    lives = [
        shift != 0 or (slope != 0 and x) for (slope, shift), x in zip(taken, live, strict=True)
    ]
    return found, lives, symbols


def _max(
    windows: list[list[int]], y: list[Fraction], live: list[bool]
) -> tuple[list[Fraction], list[bool], list[int]]:
    found, lives, symbols = list[Fraction](), list[bool](), list[int]()
    for window in windows:
        read = [i for i in window if i >= 0]
        most = max(y[i] for i in read)
        winners = [j for j, i in enumerate(read) if y[i] == most]
        none = most == 0 and not any(live[read[j]] for j in winners)
        found.append(most)
        lives.append(not none)
        symbols.append(0 if none else winners[0] + 1)
    return found, lives, symbols


def dense(matrix: Any, shift: Any = None) -> tuple[str, Any, list[int]]:
    rows = [[Fraction(x) for x in row] for row in np.asarray(matrix).tolist()]
    own = (
        [Fraction(0)] * len(rows)
        if shift is None
        else [Fraction(x) for x in np.asarray(shift).tolist()]
    )
    return "affine", (rows, own), []


def random_graph(rng: np.random.Generator, inputs: int, integral: bool) -> Made:
    """Two to five random parts: dense layers, convolutions, pools, sums, concatenations; integral
    ones with many zeros, ties and dead neurons.
    """

    def numbers(*shape: int) -> Any:
        if integral:
            return rng.integers(-2, 3, size=shape).astype(float)
        return rng.normal(size=shape)

    made = Made(sizes=[inputs])
    for part in range(int(rng.integers(2, 6))):
        source = int(rng.integers(max(0, len(made.sizes) - 3), len(made.sizes)))
        _PARTS[int(rng.integers(len(_PARTS))) if part else 0](made, rng, numbers, source)
    last = len(made.sizes) - 1
    matrix = numbers(1, made.sizes[last])
    made.add(Layer.of(matrix), [last], [dense(matrix)])
    return made


def _bent(made: Made, rng: Any, numbers: Any, source: int) -> None:
    width, size = int(rng.integers(2, 5)), made.sizes[source]
    kind = int(rng.integers(4)) if rng.integers(3) == 0 else 0
    activation, bends, pieces = ACTIVATIONS[kind]
    matrix, shift = numbers(width, size), numbers(width) * int(rng.integers(2))
    plain = [dense(matrix, shift), ("bend", (bends, pieces), [])]
    made.add(Layer.of(matrix, shift, activation), [source], plain)


def _convolved(made: Made, rng: Any, numbers: Any, source: int) -> None:
    size = made.sizes[source]
    if size < 2:
        return _bent(made, rng, numbers, source)
    channels = 2 if size % 2 == 0 and size > 3 and rng.integers(2) else 1
    groups = channels if rng.integers(2) else 1
    image, outputs = (size // channels,), groups * int(rng.integers(1, 3))
    pads = [(int(rng.integers(2)), int(rng.integers(2)))]
    stride, dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    if image[0] + sum(pads[0]) <= dilation:
        dilation = 1
    if image[0] + sum(pads[0]) < 2:
        pads = [(1, 1)]
    taps = taps_of(image, (2,), (stride,), pads, (dilation,))
    weight = numbers(outputs, channels // groups * 2)
    matrix = _unrolled(weight, channels, groups, taps.places.tolist(), image[0])
    operator = Convolution(RationalMatrix.read(weight), channels, taps, groups)
    front = made.add(Layer.of(operator), [source], [dense(matrix)])
    made.add(identity_layer(len(matrix), ReLU()), [front], [("bend", (ACTIVATIONS[0][1:]), [])])


def _unrolled(weight: Any, channels: int, groups: int, places: list[list[int]], size: int) -> Any:
    """The matrix of a convolution, tap by tap."""
    outputs, inputs = len(weight), channels // groups
    found = np.zeros((outputs * len(places), channels * size))
    for o in range(outputs):
        for p, taps in enumerate(places):
            for c in range(inputs):
                for t, place in enumerate(taps):
                    if place >= 0:
                        channel = o // (outputs // groups) * inputs + c
                        found[o * len(places) + p, channel * size + place] += weight[
                            o, c * len(taps) + t
                        ]
    return found


def _pooled(made: Made, rng: Any, numbers: Any, source: int) -> None:
    size = made.sizes[source]
    front = source
    if rng.integers(2):
        bend = ("bend", ACTIVATIONS[0][1:], [])
        front = made.add(identity_layer(size, ReLU()), [source], [bend])
    width = min(size, int(rng.integers(1, 4)))
    windows = [rng.permutation(size)[:width].tolist() for _ in range(int(rng.integers(1, 4)))]
    if width > 1 and rng.integers(2):
        windows[0][int(rng.integers(width))] = -1
    made.add(Maximum(windows, size), [front], [("max", windows, [])])


def _summed(made: Made, rng: Any, numbers: Any, source: int) -> None:
    same = [i for i, size in enumerate(made.sizes) if size == made.sizes[source]]
    inputs = [source, same[int(rng.integers(len(same)))]]
    made.add(Sum(), inputs, [("sum", None, [])])


def _joined(made: Made, rng: Any, numbers: Any, source: int) -> None:
    other = int(rng.integers(len(made.sizes)))
    sizes = made.sizes[source], made.sizes[other]
    ends = np.split(np.eye(sum(sizes)), [sizes[0]])
    places = np.split(np.arange(sum(sizes)), [sizes[0]])
    parts = [
        made.add(Layer.of(Placement(own, sum(sizes))), [value], [dense(unit.T)])
        for own, unit, value in zip(places, ends, (source, other), strict=True)
    ]
    made.add(Sum(), parts, [("sum", None, [])])


def _moved(made: Made, rng: Any, numbers: Any, source: int) -> None:
    size = made.sizes[source]
    places = rng.integers(size, size=int(rng.integers(1, 5)))
    front = made.add(Layer.of(Selection(places, size)), [source], [dense(np.eye(size)[places])])
    shares = [Fraction(int(x), 3) for x in rng.integers(-2, 4, size=len(places))]
    table = [
        [x if i == j else Fraction(0) for j in range(len(places))] for i, x in enumerate(shares)
    ]
    plain = ("affine", (table, [Fraction(0)] * len(places)), [])
    made.add(Layer.of(Scaling(RationalMatrix.from_rationals(shares))), [front], [plain])


_PARTS = [_bent, _convolved, _pooled, _pooled, _summed, _joined, _moved, _bent]
