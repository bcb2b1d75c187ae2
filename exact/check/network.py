"""The network of a certificate: its weights as integers, and the sha256 by which it is known."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from operator import mul
from typing import Any

from exact.check.records import Integers, Rejected, Values, get, integers, scaled


@dataclass(frozen=True)
class Layer:
    """`activation(weight x + bias)` in integers: weight and bias over `denominator`, bends and pieces over `unit`.

    Piece k, between bends k - 1 and k, is `slope z + intercept`; a smooth activation has none.
    """

    weight: list[Integers]
    bias: Integers
    denominator: int
    activation: str
    unit: int
    bends: Integers
    pieces: list[tuple[int, int]]

    @classmethod
    def read(cls, record: Any, inputs: int, place: str) -> Layer:
        rows = [integers(row, inputs + 1, f"{place}, row {i}") for i, row in enumerate(get(record, "rows", list, place))]
        denominator = scaled(get(record, "denominator", str, place), 0, f"{place}, denominator")[0]
        activation = get(record, "activation", str, place)
        return cls([row[:-1] for row in rows], [row[-1] for row in rows], denominator, activation, *shape(activation, place))

    @property
    def digest(self) -> bytes:
        """The sha256 of weight and bias by which networks are known, and the name of the activation."""
        parts = [matrix_digest(self.weight, len(self.weight[0]), self.denominator),
                 matrix_digest([[b] for b in self.bias], 1, self.denominator)]  # fmt: skip
        return b"".join(parts) + self.activation.encode()


def shape(activation: str, place: str) -> tuple[int, Integers, list[tuple[int, int]]]:
    """Unit, bends and pieces of an activation, by its name."""
    fixed: dict[str, tuple[Integers, list[tuple[int, int]]]] = {
        "ReLU()": ([0], [(0, 0), (1, 0)]), "AbsoluteValue()": ([0], [(-1, 0), (1, 0)]), "Identity()": ([], [(1, 0)]),
        "GELU(approximate='none')": ([0], []), "GELU(approximate='tanh')": ([0], []), "SiLU()": ([0], [])}  # fmt: skip
    if activation in fixed:
        return 1, *fixed[activation]
    number = r"(-?\d{1,999}(?:/[1-9]\d{0,999})?)"
    if leaky := re.fullmatch(rf"LeakyReLU\(slope={number}\)", activation, re.ASCII):
        slope = Fraction(leaky[1])
        return slope.denominator, [0], [(slope.numerator, 0), (slope.denominator, 0)]
    if tanh := re.fullmatch(rf"HardTanh\(lo={number}, hi={number}\)", activation, re.ASCII):
        low, high = Fraction(tanh[1]), Fraction(tanh[2])
        unit = low.denominator * high.denominator
        if low < high:
            return unit, [int(low * unit), int(high * unit)], [(0, int(low * unit)), (unit, 0), (0, int(high * unit))]
    raise Rejected(f"{place}: unknown activation {activation[:60]}")


_LEAST_NORMAL = Fraction(1, 2**1022)


def matrix_digest(rows: list[Integers], width: int, denominator: int) -> bytes:
    """The sha256 of a matrix: of its float64 bytes where they hold it without loss, else of its fractions."""
    entries = [Fraction(x, denominator) for row in rows for x in row]
    floats = [float_of(x) for x in entries]
    lossless = all(y is not None for y in floats)
    texts = ",".join(f"{x.numerator}/{x.denominator}" for x in entries)
    body = struct.pack(f"<{len(floats)}d", *floats) if lossless else texts.encode()
    return hashlib.sha256(f"{(len(rows), width)}:{lossless}:".encode() + body).digest()


def float_of(value: Fraction) -> float | None:
    """The float64 that equals a fraction, or None; a subnormal from its bits, since some processors make 0 of them."""
    if 0 < abs(value) < _LEAST_NORMAL:
        units = value * 2**1074
        if units.denominator != 1:
            return None
        own: float = struct.unpack("<d", struct.pack("<Q", abs(units.numerator) | (value < 0) << 63))[0]
        return own
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if Fraction(found) == value else None


@dataclass(frozen=True)
class Norm:
    """`gain P x / (scale + eps) + bias` in integers, gain and bias over `denominator`.

    P subtracts the mean if `centred`; scale is the root of the mean square of P x, to which eps is added before the root (rule
    "var") or behind it ("std").
    """

    gain: Integers
    bias: Integers
    denominator: int
    eps: Fraction
    eps_rule: str
    centred: bool

    @classmethod
    def read(cls, record: Any, width: int, place: str) -> Norm:
        gain, bias = (integers(get(record, key, str, place), width, f"{place}, {key}") for key in ("gain", "bias"))
        denominator = scaled(get(record, "denominator", str, place), 0, f"{place}, denominator")[0]
        top, bottom = scaled(get(record, "eps", str, place), 1, f"{place}, eps")
        name, rule = get(record, "name", str, place), get(record, "eps_rule", str, place)
        if name not in ("LayerNorm", "RMSNorm") or rule not in ("var", "std") or top < 0:
            raise Rejected(f"{place}: neither LayerNorm nor RMSNorm, or an unknown rule for eps, or eps < 0")
        return cls(gain, bias, denominator, Fraction(top, bottom), rule, name == "LayerNorm")

    @property
    def digest(self) -> bytes:
        """What the sha256 of the network reads behind the skip of the block."""
        name, width = "LayerNorm" if self.centred else "RMSNorm", len(self.gain)
        shown = f"{name}(dim={width}, eps={_shown(self.eps)}, eps_rule={self.eps_rule!r}){self.eps}"
        columns = [matrix_digest([[x] for x in column], 1, self.denominator) for column in (self.gain, self.bias)]
        return shown.encode() + b"".join(columns)


def _shown(eps: Fraction) -> str:
    """Six digits of eps, as its networks show it: a part of their name, which decides nothing else."""
    try:
        return f"{float(eps):g}"
    except OverflowError:
        return "inf"


@dataclass(frozen=True)
class Block:
    layers: list[Layer]
    residual: bool
    norm: Norm | None = None


@dataclass(frozen=True)
class Network:
    """Blocks in order; `hinges` is the number of bits of a code."""

    blocks: list[Block]
    input_dim: int
    sha256: str

    @classmethod
    def read(cls, record: Any) -> Network:
        inputs = width = get(record, "input_dim", int, "network")
        blocks = list[Block]()
        for b, block in enumerate(get(record, "blocks", list, "network")):
            layers, before = list[Layer](), width
            record_of_norm = block.get("norm") if isinstance(block, dict) else None
            norm = None if record_of_norm is None else Norm.read(record_of_norm, width, f"block {b}, norm")
            for k, layer in enumerate(get(block, "layers", list, f"block {b}")):
                layers.append(Layer.read(layer, width, f"block {b}, layer {k}"))
                width = len(layers[-1].weight)
                if not width:
                    raise Rejected(f"block {b}, layer {k}: no row")
            blocks.append(Block(layers, get(block, "residual", bool, f"block {b}"), norm))
            if not layers or (blocks[-1].residual and width != before):
                raise Rejected(f"block {b}: no layer, or a skip connection that does not fit")
        if not blocks or inputs < 1:
            raise Rejected("network: no block, or no input")
        network = cls(blocks, inputs, network_digest(blocks))
        if any(layer.bends and not layer.pieces for layer in network.bent[:-1]):
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
    digest = hashlib.sha256(b"exactlens network 1")
    for block in blocks:
        norm = b"None" if block.norm is None else block.norm.digest
        digest.update(f"block:{block.residual}:".encode() + norm + b"".join(layer.digest for layer in block.layers))
    return digest.hexdigest()


def dot(row: Sequence[int], column: Sequence[int]) -> int:
    """The sum of products, over the shorter length: of a wall and a homogeneous point a multiple of the wall's value there."""
    return sum(map(mul, row, column))


def coprime(row: Sequence[int]) -> Values:
    """A row of integers divided by their greatest common divisor."""
    divisor = gcd(*row) or 1
    return tuple(x // divisor for x in row)
