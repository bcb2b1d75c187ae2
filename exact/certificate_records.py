"""The parts that all kinds of certificates share: numbers in base 16, matrices, networks."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Any

from exact.network import Layer, Network
from exact.norms import Norm
from exact.numbers import Rational

Json = Any


def hexadecimal(values: Sequence[Any]) -> str:
    """Integers in base 16, separated by spaces."""
    return " ".join(f"{int(x):x}" for x in values)


def over_common(values: Sequence[Rational]) -> tuple[list[int], int]:
    """Numerators over the least common denominator, and the denominator."""
    denominator = lcm(*(int(x.q) for x in values))
    return [int(x.p) * (denominator // int(x.q)) for x in values], denominator


def matrix_rows(entries: Sequence[Rational], width: int) -> tuple[list[str], str]:
    """The rows of a matrix given by its entries, over one denominator."""
    numbers, denominator = over_common(entries)
    return [hexadecimal(numbers[i : i + width]) for i in range(0, len(numbers), width)], hexadecimal([denominator])


def _layer_record(layer: Layer) -> Json:
    bias = layer.bias.column()
    entries = [x for j in range(layer.width) for x in (*layer.weight.row(j), bias[j])]
    rows, denominator = matrix_rows(entries, layer.weight.shape[1] + 1)
    return {"activation": layer.activation.name, "denominator": denominator, "rows": rows}


def network_record(network: Network) -> Json:
    """Weights, activations, norms and skips of a network."""
    blocks = [{"residual": block.residual, "layers": [_layer_record(layer) for layer in block.layers],
               **({} if block.norm is None else {"norm": _norm_record(block.norm)})} for block in network.blocks]  # fmt: skip
    return {"input_dim": network.input_dim, "blocks": blocks}


def _norm_record(norm: Norm) -> Json:
    (gain, bias), denominator = matrix_rows([*norm.gain.column(), *norm.bias.column()], norm.dim)
    return {"name": type(norm).__name__, "gain": gain, "bias": bias, "denominator": denominator,
            "eps": hexadecimal([norm.eps.p, norm.eps.q]), "eps_rule": norm.eps_rule}  # fmt: skip
