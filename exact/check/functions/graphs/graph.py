"""The graph of a certificate: steps in order, each a layer, a sum or a maximum of values before it,
with operators as they are written, and the sha256 by which the graph is known.

Value 0 is the input, and step k writes value k + 1. Operators become lists of terms, one for each
output: the places that it reads and integers over one denominator.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import lcm, prod
from typing import Any, NamedTuple

from exact.check.network import Activation, matrix_digest
from exact.check.records import Integers, Rejected, entries, get, integers, only, scaled

MOST_NUMBERS, MOST_TERMS = 1 << 20, 1 << 23
"""All values of a graph have no more numbers, and all operators no more terms: some hundred
megabytes. Sizes in a header allocate no more before they are found to be wrong.
"""

Terms = list[tuple[int, int]]  # (place that is read, factor)


class Operator(NamedTuple):
    """For each output its terms, over `denominator`; `content` is what the graph is known by."""

    rows: list[Terms]
    denominator: int
    content: bytes


@dataclass(frozen=True)
class Layer:
    """`activation(operator x + bias)`, the bias over its own denominator."""

    source: int
    operator: Operator
    bias: Integers
    bias_denominator: int
    activation: Activation

    @property
    def bits(self) -> int:
        return len(self.bias) * len(self.activation.bends)

    @property
    def terms(self) -> int:
        return sum(map(len, self.operator.rows))


@dataclass(frozen=True)
class Sum:
    """The sum of the values `sources`."""

    sources: Integers
    terms = 0


@dataclass(frozen=True)
class Maximum:
    """The largest of the numbers at the places of each window."""

    source: int
    windows: list[Integers]

    @cached_property
    def widths(self) -> Integers:
        """The bits of each window's symbol, of which there is one more than places."""
        return [len(window).bit_length() for window in self.windows]

    @property
    def bits(self) -> int:
        return sum(self.widths)

    @property
    def terms(self) -> int:
        return sum(map(len, self.windows))


Step = Layer | Sum | Maximum


@dataclass(frozen=True)
class Graph:
    """Steps in order, and how many numbers every value has."""

    steps: list[Step]
    sizes: Integers
    sha256: str

    @classmethod
    def read(cls, record: Any) -> Graph:
        only(record, {"input_dim", "steps"}, "network")
        sizes = [get(record, "input_dim", int, "network")]
        if not 1 <= sizes[0] <= MOST_NUMBERS:
            raise Rejected("network: no input, or too large a one")
        digest = hashlib.sha256(f"exactlens graph 1:{sizes[0]}".encode())
        steps, terms = list[Step](), 0
        for number, entry in enumerate(get(record, "steps", list, "network")):
            place = f"step {number}"
            sources = get(entry, "inputs", list, place)
            if not sources or not all(type(i) is int and 0 <= i <= number for i in sources):
                raise Rejected(f"{place}: reads a value that is not there")
            step, size, content = _step(entry, sources, sizes, place)
            steps.append(step)
            sizes.append(size)
            terms += step.terms
            if sum(sizes) > MOST_NUMBERS or terms > MOST_TERMS:
                raise Rejected(f"{place}: the graph has more numbers than this check takes")
            digest.update(f"{type(step).__name__}:{sources}".encode() + content)
        if not steps:
            raise Rejected("network: no step")
        return cls(steps, sizes, digest.hexdigest())

    @property
    def input_dim(self) -> int:
        return self.sizes[0]

    @property
    def hinges(self) -> int:
        """How many bits a code has."""
        return sum(step.bits for step in self.steps if not isinstance(step, Sum))


def _step(record: Any, sources: Integers, sizes: Integers, place: str) -> tuple[Step, int, bytes]:
    """A step, how many numbers it writes, and what the graph knows it by."""
    does, width = get(record, "does", str, place), sizes[sources[0]]
    if does == "sum":
        only(record, {"does", "inputs"}, place)
        if any(sizes[i] != width for i in sources):
            raise Rejected(f"{place}: adds values of different sizes")
        return Sum(sources), width, b""
    if len(sources) != 1:
        raise Rejected(f"{place}: reads several values")
    if does == "maximum":
        only(record, {"does", "inputs", "windows"}, place)
        return _maximum(record, sources[0], width, place)
    if does != "layer":
        raise Rejected(f"{place}: neither a layer, a sum nor a maximum")
    only(record, {"does", "inputs", "operator", "bias", "bias_denominator", "activation"}, place)
    operator = _operator(get(record, "operator", dict, place), width, f"{place}, operator")
    count = len(operator.rows)
    if not count:
        raise Rejected(f"{place}: a layer without a neuron")
    bias = integers(get(record, "bias", str, place), count, f"{place}, bias")
    denominator = _denominator(record, "bias_denominator", place)
    activation = Activation.read(get(record, "activation", dict, place), f"{place}, activation")
    if not activation.pieces:
        raise Rejected(f"{place}: a smooth activation in a graph")
    content = operator.content + matrix_digest([[x] for x in bias], 1, denominator)
    layer = Layer(sources[0], operator, bias, denominator, activation)
    return layer, count, content + activation.digest


def _denominator(record: Any, key: str, place: str) -> int:
    return scaled(get(record, key, str, place), 0, f"{place}, {key}")[0]


def _maximum(record: Any, source: int, width: int, place: str) -> tuple[Step, int, bytes]:
    listed = get(record, "windows", list, place)
    if not listed:
        raise Rejected(f"{place}: no window")
    length = len(listed[0].split()) if type(listed[0]) is str else 0
    rows = [integers(row, length, f"{place}, windows") for row in listed]
    windows = [[i for i in row if i >= 0] for row in rows]
    if not all(windows) or any(not -1 <= i < width for row in rows for i in row):
        raise Rejected(f"{place}: a window reads nothing, or what is not there")
    flat = [i for row in rows for i in row]
    shape = f"Maximum:{width}:{(len(rows), length)}:".encode()
    return Maximum(source, windows), len(rows), shape + struct.pack(f"<{len(flat)}q", *flat)


# ---- operators


def _operator(record: Any, width: int, place: str) -> Operator:
    kind = get(record, "kind", str, place)
    read = _KINDS.get(kind)
    if read is None:
        raise Rejected(f"{place}: of no kind that is known")
    found: Operator = read(record, width, place)
    return found


def _dense(record: Any, width: int, place: str) -> Operator:
    only(record, {"kind", "rows", "denominator"}, place)
    rows, denominator = _rows(record, width, place)
    terms = [[(i, x) for i, x in enumerate(row) if x] for row in rows]
    return Operator(terms, denominator, matrix_digest(rows, width, denominator))


def _rows(record: Any, width: int, place: str) -> tuple[list[Integers], int]:
    listed = get(record, "rows", list, place)
    rows = [integers(row, width, f"{place}, row {i}") for i, row in enumerate(listed)]
    return rows, _denominator(record, "denominator", place)


def _selection(record: Any, width: int, place: str) -> Operator:
    only(record, {"kind", "places"}, place)
    places = _places(record, width, place)
    content = f"Selection:{width}:".encode() + struct.pack(f"<{len(places)}q", *places)
    return Operator([[(i, 1)] for i in places], 1, content)


def _placement(record: Any, width: int, place: str) -> Operator:
    only(record, {"kind", "places", "outputs"}, place)
    outputs = get(record, "outputs", int, place)
    if not 0 <= outputs <= MOST_NUMBERS:
        raise Rejected(f"{place}: too many outputs")
    places = _places(record, outputs, place)
    if len(places) != width or len(set(places)) != width:
        raise Rejected(f"{place}: not each input is written to a place of its own")
    rows: list[Terms] = [[] for _ in range(outputs)]
    for i, j in enumerate(places):
        rows[j].append((i, 1))
    content = f"Placement:{outputs}:".encode() + struct.pack(f"<{width}q", *places)
    return Operator(rows, 1, content)


def _places(record: Any, bound: int, place: str) -> Integers:
    text = get(record, "places", str, place)
    places = integers(text, len(text.split()), f"{place}, places")
    if any(not 0 <= i < bound for i in places):
        raise Rejected(f"{place}: a place that is not there")
    return places


def _scaling(record: Any, width: int, place: str) -> Operator:
    only(record, {"kind", "factors", "denominator"}, place)
    factors = integers(get(record, "factors", str, place), width, f"{place}, factors")
    denominator = _denominator(record, "denominator", place)
    content = b"Scaling:" + matrix_digest([[x] for x in factors], 1, denominator)
    return Operator([[(i, x)] if x else [] for i, x in enumerate(factors)], denominator, content)


def _convolution(record: Any, width: int, place: str) -> Operator:
    names = ("image", "kernel", "stride", "dilation")
    only(
        record,
        {"kind", "rows", "denominator", "channels", "groups", "padding", "ceil", *names},
        place,
    )
    channels, groups = (get(record, key, int, place) for key in ("channels", "groups"))
    axes = len(get(record, "image", list, place))
    image, kernel, stride, dilation = (
        _sizes(entries(record.get(key), axes, f"{place}, {key}"), 1, place) for key in names
    )
    padding = tuple(
        _sizes(entries(pair, 2, f"{place}, padding"), 0, place)
        for pair in entries(record.get("padding"), axes, f"{place}, padding")
    )
    ceil = get(record, "ceil", bool, place)
    positions = _positions(image, kernel, stride, padding, dilation, ceil)
    listed = len(get(record, "rows", list, place))
    fits = channels > 0 and groups > 0 and channels % groups == listed % groups == 0
    if not fits or channels * prod(image) != width or min(positions, default=0) < 1:
        raise Rejected(f"{place}: the weight of a convolution does not fit, or its window")
    taps = channels // groups * prod(kernel)
    if listed * prod(positions) > MOST_NUMBERS or listed * prod(positions) * taps > MOST_TERMS:
        raise Rejected(f"{place}: a convolution too large for this check")
    weight, denominator = _rows(record, taps, place)
    named = (
        f"Taps(image={image}, kernel={kernel}, stride={stride}, padding={padding}, "
        f"dilation={dilation}, ceil={ceil})"
    )
    content = f"{channels}:{named}:{groups}:".encode() + matrix_digest(weight, taps, denominator)
    reach = _reach(image, kernel, stride, padding, dilation, positions)
    rows, inside = list[Terms](), prod(image)
    for o, own in enumerate(weight):
        first = o // (listed // groups) * (channels // groups)
        for places in reach:
            read = product(range(first, first + channels // groups), places)
            rows.append(
                [(c * inside + i, x) for (c, i), x in zip(read, own, strict=True) if x and i >= 0]
            )
    return Operator(rows, denominator, content)


def _sizes(values: list[Any], least: int, place: str) -> tuple[int, ...]:
    if not all(type(x) is int and least <= x <= MOST_NUMBERS for x in values):
        raise Rejected(f"{place}: sizes that are none")
    return tuple(values)


def _positions(
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, ...], ...],
    dilation: tuple[int, ...],
    ceil: bool,
) -> Integers:
    """How often the window stands along each axis: where sizes are rounded up, but for a last
    position that begins beyond the image and the padding in front.
    """
    found = []
    for size, taps, step, (front, back), gap in zip(
        image, kernel, stride, padding, dilation, strict=True
    ):
        room = size + front + back - gap * (taps - 1) - 1
        steps = -(-room // step) if ceil else room // step
        if ceil and steps * step >= size + front:
            steps -= 1
        found.append(steps + 1 if room >= 0 else 0)
    return found


def _reach(
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, ...], ...],
    dilation: tuple[int, ...],
    positions: Integers,
) -> list[Integers]:
    """For every position the places in one channel that its taps read, -1 outside of the image."""
    found = []
    for at in product(*map(range, positions)):
        places = list[int]()
        for tap in product(*map(range, kernel)):
            place, inside = 0, True
            for size, p, t, step, (front, _), gap in zip(
                image, at, tap, stride, padding, dilation, strict=True
            ):
                x = p * step + t * gap - front
                inside &= 0 <= x < size
                place = place * size + x
            places.append(place if inside else -1)
        found.append(places)
    return found


_KINDS = {
    "dense": _dense,
    "selection": _selection,
    "placement": _placement,
    "scaling": _scaling,
    "convolution": _convolution,
}


def common(layer: Layer) -> int:
    """The least denominator of weights and bias."""
    return lcm(layer.operator.denominator, layer.bias_denominator)
