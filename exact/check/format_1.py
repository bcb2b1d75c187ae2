"""The first format of certificates, in which activations and norms have names: how they are read,
and the sha256 of then.
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from typing import Any

from exact.check.network import (
    Activation,
    Dialect,
    Layer,
    Network,
    Norm,
    affine_of,
    checked_eps,
    decimal,
    matrix_digest,
)
from exact.check.records import Integers, Rejected, get, only, scaled


def activation_named(activation: str, place: str) -> Activation:
    """Unit, bends and pieces of an activation, by its name."""
    fixed: dict[str, tuple[Integers, list[tuple[int, int]]]] = {
        "ReLU()": ([0], [(0, 0), (1, 0)]),
        "AbsoluteValue()": ([0], [(-1, 0), (1, 0)]),
        "Identity()": ([], [(1, 0)]),
    }
    if activation in fixed:
        return Activation(1, *fixed[activation])
    if activation in ("GELU(approximate='none')", "GELU(approximate='tanh')", "SiLU()"):
        return Activation(1, [0], [], activation)
    number = r"(-?\d{1,999}(?:/[1-9]\d{0,999})?)"
    if leaky := re.fullmatch(rf"LeakyReLU\(slope={number}\)", activation, re.ASCII):
        slope = Fraction(leaky[1])
        return Activation(slope.denominator, [0], [(slope.numerator, 0), (slope.denominator, 0)])
    if tanh := re.fullmatch(rf"HardTanh\(lo={number}, hi={number}\)", activation, re.ASCII):
        low, high = Fraction(tanh[1]), Fraction(tanh[2])
        unit = low.denominator * high.denominator
        if low < high:
            bends = [int(low * unit), int(high * unit)]
            return Activation(unit, bends, [(0, bends[0]), (unit, 0), (0, bends[1])])
    raise Rejected(f"{place}: unknown activation {activation[:60]}")


def _layer(record: Any, inputs: int, place: str) -> Layer:
    only(record, {"activation", "denominator", "rows"}, place)
    return Layer.read(
        record, inputs, activation_named(get(record, "activation", str, place), place), place
    )


def _norm(record: Any, width: int, place: str) -> Norm:
    only(record, {"name", "gain", "bias", "denominator", "eps", "eps_rule"}, place)
    eps = Fraction(*scaled(get(record, "eps", str, place), 1, f"{place}, eps"))
    name, rule = get(record, "name", str, place), get(record, "eps_rule", str, place)
    if name not in ("LayerNorm", "RMSNorm") or rule not in ("var", "std") or not width:
        raise Rejected(f"{place}: neither LayerNorm nor RMSNorm, or an unknown rule for eps")
    under, beside = checked_eps(
        *((eps, Fraction(0)) if rule == "var" else (Fraction(0), eps)), place
    )
    projection, share = ("mean", width) if name == "LayerNorm" else ("identity", 1)
    return Norm(*affine_of(record, width, place), under, beside, projection, [], share)


DIALECT = Dialect(_layer, _norm)


def sha256_of(network: Network, record: Any) -> str:
    """The sha256 by which the first format knows a network, which takes in the names in its
    record.
    """
    digest = hashlib.sha256(b"exactlens network 1")
    for block, written in zip(network.blocks, record["blocks"], strict=True):
        norm = b"None" if block.norm is None else _norm_digest(block.norm, written["norm"])
        names = (layer["activation"].encode() for layer in written["layers"])
        layers = (layer.digest + name for layer, name in zip(block.layers, names, strict=True))
        digest.update(f"block:{block.residual}:".encode() + norm + b"".join(layers))
    return digest.hexdigest()


def _norm_digest(norm: Norm, record: Any) -> bytes:
    eps = norm.under + norm.beside
    shown = (
        f"{record['name']}(dim={len(norm.gain)}, eps={_shown(eps)}, "
        f"eps_rule={record['eps_rule']!r})"
    )
    shown += decimal(eps).removesuffix("/1")
    columns = [
        matrix_digest([[x] for x in column], 1, norm.denominator)
        for column in (norm.gain, norm.bias)
    ]
    return shown.encode() + b"".join(columns)


def _shown(eps: Fraction) -> str:
    """Six digits of eps, as its networks showed it: a part of their name, which decides nothing
    else.
    """
    try:
        return f"{float(eps):g}"
    except OverflowError:
        return "inf"
