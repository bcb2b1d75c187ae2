"""Certificates taken apart and put together again, as a forger would: with sha256 sums that fit what was changed."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from exact import (
    GELU,
    AbsoluteValue,
    Activation,
    Block,
    HardTanh,
    HPolytope,
    Identity,
    Layer,
    LeakyReLU,
    Network,
    ReLU,
    check,
)
from exact.numbers import Rational, RationalMatrix

Record = Any


def records_of(lines: Iterable[bytes]) -> list[Record]:
    """The records of a certificate without the last one, its sha256."""
    return [json.loads(line) for line in lines][:-1]


def signed(records: Iterable[Record]) -> list[bytes]:
    """The lines of a certificate with these records, and the sha256 that belongs to them."""
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    return [*lines, json.dumps({"sha256": hashlib.sha256(b"".join(lines)).hexdigest()}).encode() + b"\n"]


def verdict(records: Iterable[Record]) -> check.Verdict:
    """What the checker says about these records, signed."""
    return check.verify(signed(records))


def renamed(records: list[Record]) -> list[Record]:
    """The records with the sha256 of the network that they hold now; as they are where they hold none."""
    found = copy.deepcopy(records)
    try:
        found[0]["network_sha256"] = network_in(found[0]).sha256
    except (AttributeError, AssertionError, KeyError, TypeError, ValueError, IndexError):
        return found
    return found


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def written(values: Iterable[int]) -> str:
    return " ".join(f"{x:x}" for x in values)


def rationals(text: str, denominator: str) -> list[Rational]:
    return [Rational(x, int(denominator, 16)) for x in numbers(text)]


def network_in(header: Record) -> Network:
    """The network that a certificate is about, read without the checker."""
    return Network(tuple(Block(tuple(map(layer_in, block["layers"])), residual=block["residual"])
                         for block in header["network"]["blocks"]))  # fmt: skip


def layer_in(record: Record) -> Layer:
    rows = [rationals(row, record["denominator"]) for row in record["rows"]]
    weight = RationalMatrix.from_rationals([row[:-1] for row in rows])
    return Layer(weight, RationalMatrix.from_rationals([row[-1] for row in rows]), activation_in(record["activation"]))


def activation_in(name: str) -> Activation:
    kind, _, rest = name.partition("(")
    if kind == "GELU":
        return GELU()
    values = [Fraction(part.split("=")[1]) for part in rest.rstrip(")").split(", ") if part]
    made = {"ReLU": ReLU, "Identity": Identity, "AbsoluteValue": AbsoluteValue, "LeakyReLU": LeakyReLU, "HardTanh": HardTanh}
    return made[kind](*(Rational(x.numerator, x.denominator) for x in values))  # type: ignore[abstract, arg-type]


def domain_in(header: Record) -> HPolytope:
    """The walls of the domain, in its parameters."""
    domain = header["domain"]
    return HPolytope([[Rational(x) for x in numbers(wall)] for wall in domain["walls"]], dim=domain["dim"])


def whole_in(header: Record) -> Network:
    """The network behind the chart of the domain: a function of the parameters."""
    chart = layer_in({**header["domain"]["chart"], "activation": "Identity()"})
    return Network((Block((chart,)), *network_in(header).blocks))
