"""The parts that all kinds of certificates share: numbers in base 16, matrices, networks."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Any

from exact.activations import Activation
from exact.errors import Unsupported
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
    return {"activation": _activation_record(layer.activation), "denominator": denominator, "rows": rows}


def _activation_record(activation: Activation) -> Json:
    """Bends and pieces over one unit; of a smooth activation its name in place of pieces."""
    if not activation.is_continuous:
        raise Unsupported("such an activation has no certificate", value=activation.name,
                          remedy="give bends that ascend, and pieces that meet at the bends between them")  # fmt: skip
    pieces = activation.pieces if activation.is_piecewise_linear else ()
    numbers, unit = over_common([*activation.breakpoints, *(x for piece in pieces for x in piece)])
    count = len(activation.breakpoints)
    written = {"unit": hexadecimal([unit]), "bends": hexadecimal(numbers[:count])}
    if not activation.is_piecewise_linear:
        return written | {"smooth": activation.name}
    return written | {"pieces": [hexadecimal(numbers[i : i + 2]) for i in range(count, len(numbers), 2)]}


def network_record(network: Network) -> Json:
    """Weights, bends and pieces, norms and skips of a network.

    Raises Unsupported where an activation jumps or its bends do not ascend, or a norm's P is no orthogonal projection.
    """
    blocks = [{"residual": block.residual, "layers": [_layer_record(layer) for layer in block.layers],
               **({} if block.norm is None else {"norm": _norm_record(block.norm)})} for block in network.blocks]  # fmt: skip
    return {"input_dim": network.input_dim, "blocks": blocks}


def _norm_record(norm: Norm) -> Json:
    (gain, bias), denominator = matrix_rows([*norm.gain.column(), *norm.bias.column()], norm.dim)
    eps = {f"eps_{place}_root": hexadecimal([x.p, x.q]) for place, x in (("under", norm.eps_under_root),
                                                                        ("beside", norm.eps_beside_root))}  # fmt: skip
    return {"projection": _projection_record(norm), "gain": gain, "bias": bias, "denominator": denominator, **eps}


def _projection_record(norm: Norm) -> Json:
    """The name or the matrix of P, an orthogonal projection; eps and the mean square are the same for all norms."""
    projection = norm.projector()
    if isinstance(projection, str):
        return projection
    rows, denominator = matrix_rows(list(projection.exact.entries()), norm.dim)
    return {"denominator": denominator, "rows": rows}
