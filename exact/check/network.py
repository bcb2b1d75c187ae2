"""The network of a certificate: its weights as integers, and the sha256 by which it is known."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import gcd
from operator import mul
from typing import Any, NamedTuple

from exact.check.records import Integers, Rejected, Values, entries, get, integers, only, scaled


class Activation(NamedTuple):
    """Where a function bends, and its pieces, all over `unit`: piece k, between bends k - 1 and k,
    is `slope z + intercept`.

    A smooth one has no pieces but a name, and is known by the signs of `z - bend` alone.
    """

    unit: int
    bends: Integers
    pieces: list[tuple[int, int]]
    name: str = ""

    @classmethod
    def read(cls, record: Any, place: str) -> Activation:
        """Bends ascend, and two pieces agree where they meet: functions are continuous."""
        unit = scaled(get(record, "unit", str, place), 0, f"{place}, unit")[0]
        words = get(record, "bends", str, place)
        bends = integers(words, len(words.split()), f"{place}, bends")
        if any(low >= high for low, high in pairwise(bends)):
            raise Rejected(f"{place}: bends that do not ascend")
        if "smooth" in record:
            only(record, {"unit", "bends", "smooth"}, place)
            if not bends or not record["smooth"] or type(record["smooth"]) is not str:
                raise Rejected(f"{place}: a smooth activation without a bend or a name")
            return cls(unit, bends, [], record["smooth"])
        only(record, {"unit", "bends", "pieces"}, place)
        listed = entries(record.get("pieces"), len(bends) + 1, f"{place}, pieces")
        pieces = [
            (row[0], row[1]) for row in (integers(piece, 2, f"{place}, pieces") for piece in listed)
        ]
        for bend, (left, right) in zip(bends, pairwise(pieces), strict=True):
            if left[0] * bend + left[1] * unit != right[0] * bend + right[1] * unit:
                raise Rejected(f"{place}: two pieces do not meet at the bend between them")
        return cls(unit, bends, pieces)

    @property
    def is_identity(self) -> bool:
        return not self.bends and self.pieces == [(self.unit, 0)]

    @property
    def digest(self) -> bytes:
        """The sha256 of bends and pieces as fractions, and of the name of a smooth one."""
        bends = ",".join(written(Fraction(x, self.unit)) for x in self.bends)
        pieces = ",".join(
            " ".join(written(Fraction(x, self.unit)) for x in piece) for piece in self.pieces
        )
        return hashlib.sha256(
            f"{bends};{pieces};{self.name}".encode("utf-8", "surrogatepass")
        ).digest()


@dataclass(frozen=True)
class Layer:
    """`activation(weight x + bias)` in integers: weight and bias over `denominator`, bends and
    pieces over `unit`.
    """

    weight: list[Integers]
    bias: Integers
    denominator: int
    inputs: int
    activation: Activation

    @classmethod
    def read(cls, record: Any, inputs: int, activation: Activation, place: str) -> Layer:
        rows = [
            integers(row, inputs + 1, f"{place}, row {i}")
            for i, row in enumerate(get(record, "rows", list, place))
        ]
        denominator = scaled(get(record, "denominator", str, place), 0, f"{place}, denominator")[0]
        return cls(
            [row[:-1] for row in rows], [row[-1] for row in rows], denominator, inputs, activation
        )

    @classmethod
    def chart(cls, record: Any, inputs: int, dim: int) -> Layer:
        """The chart of a domain: an affine map from `dim` parameters to the input of the
        network.
        """
        given = record.get("chart")
        only(given, {"denominator", "rows"}, "domain, chart")
        found = cls.read(given, dim, IDENTITY, "domain, chart")
        if len(found.weight) != inputs:
            raise Rejected("domain: the chart does not lead into the network")
        return found

    @property
    def unit(self) -> int:
        return self.activation.unit

    @property
    def bends(self) -> Integers:
        return self.activation.bends

    @property
    def pieces(self) -> list[tuple[int, int]]:
        return self.activation.pieces

    def image(self, column: Integers, one: int) -> Integers:
        """`weight column + one bias`; of a column that is nearly all zero by its other entries."""
        weight = self.weight
        if column.count(0) * 8 > len(column) * 7:
            there = [(i, x) for i, x in enumerate(column) if x]
            found = [0] * len(weight)
            for i, x in there[:1]:
                found = [row[i] * x for row in weight]
            for i, x in there[1:]:
                found = [y + row[i] * x for y, row in zip(found, weight, strict=True)]
        else:
            found = [sum_of_products(row, column) for row in weight]
        return [x + b * one for x, b in zip(found, self.bias, strict=True)] if one else found

    @property
    def digest(self) -> bytes:
        """The sha256 of weight and of bias, by which networks are known."""
        return matrix_digest(self.weight, self.inputs, self.denominator) + matrix_digest(
            [[b] for b in self.bias], 1, self.denominator
        )


IDENTITY = Activation(1, [], [(1, 0)])


_LEAST_NORMAL = Fraction(1, 2**1022)


def matrix_digest(rows: list[Integers], width: int, denominator: int) -> bytes:
    """The sha256 of a matrix: of its float64 bytes where they hold it without loss, else of its
    fractions.
    """
    numbers = [x for row in rows for x in row]
    body = _float_bytes(numbers, denominator)
    lossless = body is not None
    if body is None:
        entries = [Fraction(x, denominator) for x in numbers]
        floats = [float_of(x) for x in entries]
        lossless = all(y is not None for y in floats)
        if lossless:
            body = struct.pack(f"<{len(floats)}d", *floats)
        else:
            body = ",".join(map(decimal, entries)).encode()
    return hashlib.sha256(f"{(len(rows), width)}:{lossless}:".encode() + body).digest()


def _float_bytes(numbers: Integers, denominator: int) -> bytes | None:
    """The float64 bytes of numbers over a power of two below 2^1000, where every one of them is a
    float64, as of nearly all networks; else None.
    """
    power = denominator.bit_length() - 1
    if denominator != 1 << power or power > 1000:
        return None
    try:
        floats = list(map(float, numbers))
    except OverflowError:
        return None
    if floats != numbers:
        return None
    unit = 1.0 / denominator  # no product with a nonzero integer is subnormal
    return struct.pack(f"<{len(floats)}d", *[x * unit for x in floats])


def float_of(value: Fraction) -> float | None:
    """The float64 that equals a fraction, or None; a subnormal from its bits, since some processors
    make 0 of them.
    """
    if 0 < abs(value) < _LEAST_NORMAL:
        units = value * 2**1074
        if units.denominator != 1:
            return None
        own: float = struct.unpack(
            "<d", struct.pack("<Q", abs(units.numerator) | (value < 0) << 63)
        )[0]
        return own
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if Fraction(found) == value else None


def decimal(value: Fraction) -> str:
    """`p/q` in base 10, however long: Python itself refuses to write more than some thousand
    digits.
    """
    return "/".join(
        str(x) if x.bit_length() < 2000 else f"{Decimal(x):f}"
        for x in (value.numerator, value.denominator)
    )


def written(value: Fraction) -> str:
    """`p/q` in base 16."""
    return f"{value.numerator:x}/{value.denominator:x}"


@dataclass(frozen=True)
class Norm:
    """`gain P x / (scale + beside) + bias` in integers, gain and bias over `denominator`.

    P is the `matrix` over `share`, or subtracts the mean (`projection` "mean") or nothing
    ("identity"). The scale is the root of `under` plus the mean square of P x.
    """

    gain: Integers
    bias: Integers
    denominator: int
    under: Fraction
    beside: Fraction
    projection: str
    matrix: list[Integers]
    share: int

    @classmethod
    def read(cls, record: Any, width: int, place: str) -> Norm:
        only(
            record,
            {"projection", "gain", "bias", "denominator", "eps_under_root", "eps_beside_root"},
            place,
        )
        under, beside = (
            Fraction(*scaled(get(record, key, str, place), 1, f"{place}, {key}"))
            for key in ("eps_under_root", "eps_beside_root")
        )
        projection, matrix, share = _projection(record, width, place)
        return cls(
            *affine_of(record, width, place),
            *checked_eps(under, beside, place),
            projection,
            matrix,
            share,
        )

    def project(self, columns: list[Integers]) -> list[Integers]:
        """P times `share` of every column."""
        if self.projection == "mean":
            return [[self.share * x - sum(column) for x in column] for column in columns]
        if self.projection == "identity":
            return columns
        return [[dot(row, column) for row in self.matrix] for column in columns]

    @property
    def digest(self) -> bytes:
        """The sha256 of all of it."""
        if self.matrix:
            named = matrix_digest(self.matrix, len(self.gain), self.share)
        else:
            named = self.projection.encode()
        columns = [
            matrix_digest([[x] for x in column], 1, self.denominator)
            for column in (self.gain, self.bias)
        ]
        eps = f";{written(self.under)};{written(self.beside)};".encode()
        return hashlib.sha256(named + eps + b"".join(columns)).digest()


def affine_of(record: Any, width: int, place: str) -> tuple[Integers, Integers, int]:
    """Gain and bias of a norm, and their denominator."""
    gain, bias = (
        integers(get(record, key, str, place), width, f"{place}, {key}") for key in ("gain", "bias")
    )
    return gain, bias, scaled(get(record, "denominator", str, place), 0, f"{place}, denominator")[0]


def checked_eps(under: Fraction, beside: Fraction, place: str) -> tuple[Fraction, Fraction]:
    if under < 0 or beside < 0:
        raise Rejected(f"{place}: eps < 0")
    return under, beside


def _projection(record: Any, width: int, place: str) -> tuple[str, list[Integers], int]:
    found = record.get("projection")
    if width and found in ("mean", "identity"):
        return found, [], width if found == "mean" else 1
    if not width or type(found) is not dict:
        raise Rejected(
            f"{place}: a norm of nothing, or a projection that is neither mean, identity nor a "
            f"matrix"
        )
    only(found, {"denominator", "rows"}, f"{place}, projection")
    listed = entries(found.get("rows"), width, f"{place}, projection")
    rows = [integers(row, width, f"{place}, projection") for row in listed]
    return (
        "matrix",
        rows,
        scaled(get(found, "denominator", str, place), 0, f"{place}, projection")[0],
    )


class Dialect(NamedTuple):
    """How a format writes what differs between formats."""

    layer: Callable[[Any, int, str], Layer]
    norm: Callable[[Any, int, str], Norm]


def _layer(record: Any, inputs: int, place: str) -> Layer:
    only(record, {"activation", "denominator", "rows"}, place)
    return Layer.read(
        record,
        inputs,
        Activation.read(get(record, "activation", dict, place), f"{place}, activation"),
        place,
    )


DIALECT = Dialect(_layer, Norm.read)


@dataclass(frozen=True)
class Block:
    layers: list[Layer]
    residual: bool
    norm: Norm | None

    @classmethod
    def read(cls, record: Any, inputs: int, dialect: Dialect, place: str) -> Block:
        only(record, {"residual", "layers", "norm"}, place)
        residual = get(record, "residual", bool, place)
        listed = get(record, "layers", list, place)
        width = inputs
        if record.get("norm") is None:
            norm = None
        else:
            norm = dialect.norm(get(record, "norm", dict, place), inputs, f"{place}, norm")
        layers = list[Layer]()
        for k, layer in enumerate(listed):
            layers.append(dialect.layer(layer, width, f"{place}, layer {k}"))
            width = len(layers[-1].weight)
        if not layers or (residual and width != inputs):
            raise Rejected(f"{place}: no layer, or a skip connection that does not fit")
        return cls(layers, residual, norm)


@dataclass(frozen=True)
class Network:
    """Blocks in order; `hinges` is the number of bits of a code."""

    blocks: list[Block]
    input_dim: int
    sha256: str

    @classmethod
    def read(cls, record: Any, dialect: Dialect) -> Network:
        only(record, {"input_dim", "blocks"}, "network")
        inputs = width = get(record, "input_dim", int, "network")
        if inputs < 1:
            raise Rejected("network: no input")
        blocks = list[Block]()
        for b, entry in enumerate(get(record, "blocks", list, "network")):
            blocks.append(Block.read(entry, width, dialect, f"block {b}"))
            width = len(blocks[-1].layers[-1].weight)
        if not blocks:
            raise Rejected("network: no block")
        network = cls(blocks, inputs, network_digest(blocks))
        if any(not layer.pieces for layer in network.bent[:-1]):
            raise Rejected("network: a hidden layer stands behind a smooth activation")
        return network

    @property
    def bent(self) -> list[Layer]:
        """The layers that add bits to the code."""
        return [layer for block in self.blocks for layer in block.layers if layer.bends]

    @property
    def hinges(self) -> int:
        return sum(len(layer.bends) * len(layer.weight) for layer in self.bent)

    @property
    def is_smooth(self) -> bool:
        return any(not layer.pieces for layer in self.bent)


def network_digest(blocks: list[Block]) -> str:
    """The sha256 by which a network is known: of the values of its weights, norms, bends and
    pieces, under no name.
    """
    digest = hashlib.sha256(b"exactlens network 2")
    for block in blocks:
        norm = b"" if block.norm is None else block.norm.digest
        digest.update(f"block:{block.residual}:{len(block.layers)}:{len(norm)}:".encode() + norm)
        for layer in block.layers:
            digest.update(layer.digest + layer.activation.digest)
    return digest.hexdigest()


def dot(row: Sequence[int], column: Sequence[int]) -> int:
    """The sum of products, over the shorter length: of a wall and a homogeneous point a multiple of
    the wall's value there.
    """
    return sum(map(mul, row, column))


sum_of_products: Callable[[Sequence[int], Sequence[int]], int] = getattr(math, "sumprod", dot)
"""Of rows of one length: Python's own where it has one (3.12), which is faster."""


def coprime(row: Sequence[int]) -> Values:
    """A row of integers divided by their greatest common divisor."""
    divisor = gcd(*row) or 1
    return tuple(x // divisor for x in row)
