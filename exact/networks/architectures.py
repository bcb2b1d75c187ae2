"""Networks as arrays and one JSON value, the architecture: which arrays make which layer, behind
which norm.

    {"blocks": [{"residual": false,
                 "norm": {"kind": "LayerNorm", "dim": 4, "eps": "1/100000", "eps_rule": "var",
                          "gain": "ln.weight",
                          "bias": "ln.bias"},
                 "layers": [{"weight": "0.weight", "bias": "0.bias", "activation": "ReLU"},
                            {"weight": "2.weight",
                             "activation": {"kind": "LeakyReLU", "slope": "1/100"}}]}]}

`norm`, `bias`, `gain`, `residual` and `activation` may be left out (no norm, zeros, ones, false,
identity). `eps` and the parameters of activations are decimals or fractions as text, or JSON
numbers, which are floats. A .safetensors file with such a line under "architecture" in its metadata
is a network (see :mod:`exact.sources.weight_files`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

import numpy as np

from exact.arithmetic.numbers import (
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_float,
    rational,
)
from exact.arithmetic.texts.number_texts import rational_of_text, rational_text
from exact.errors import InvalidInput, Unsupported
from exact.networks import activations, norms
from exact.networks.activations import Activation
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.networks.norms import Norm

Json = Any
Arrays = dict[str, np.ndarray[Any, Any]]
Find = Callable[[str], Any]
_RULES = ("var", "std")


# ---- from a network


def architecture(network: Network) -> tuple[Json, Arrays]:
    """The architecture and the arrays of a network: float64 where that is lossless, else text in
    base 16 (uint8).

    Raises Unsupported for a norm or an activation that is not known by name, because a file could
    not say what it does.

    >>> from exact.sources import tensors
    >>> line, arrays = architecture(tensors.mlp([([[1, "1/3"]], [0])]))
    >>> line["blocks"][0]["layers"][0]["weight"], arrays["blocks.0.layers.0.weight"].tobytes()
    ('blocks.0.layers.0.weight', b'1 2\\n1 1/3')
    """
    arrays: Arrays = {}
    blocks = [_block_line(f"blocks.{i}", block, arrays) for i, block in enumerate(network.blocks)]
    return {"blocks": blocks}, arrays


def _block_line(name: str, block: Block, arrays: Arrays) -> Json:
    layers = []
    for i, layer in enumerate(block.layers):
        place = f"{name}.layers.{i}"
        layers.append(
            {
                "weight": _kept(arrays, f"{place}.weight", layer.weight),
                "bias": _kept(arrays, f"{place}.bias", layer.bias),
                "activation": activation_line(layer.activation),
            }
        )
    norm = None if block.norm is None else _norm_line(f"{name}.norm", block.norm, arrays)
    return {"residual": block.residual, "norm": norm, "layers": layers}


def _norm_line(name: str, norm: Norm, arrays: Arrays) -> Json:
    if norms.KINDS.get(type(norm).__name__) is not type(norm):
        raise Unsupported(
            "a norm of one's own has no record",
            value=type(norm).__name__,
            remedy=f"use {' or '.join(norms.KINDS)}, make yours known, or pickle it",
        )
    return {
        "kind": type(norm).__name__,
        "dim": norm.dim,
        "eps": number_line(norm.eps),
        "eps_rule": norm.eps_rule,
        "gain": _kept(arrays, f"{name}.gain", norm.gain),
        "bias": _kept(arrays, f"{name}.bias", norm.bias),
    }


def activation_line(activation: Activation) -> Json:
    """The name of an activation, or its kind and parameters."""
    kinds = activations.KINDS
    if kinds.get(type(activation).__name__) is not type(activation) or not is_dataclass(activation):
        raise Unsupported(
            "an activation of one's own has no record",
            value=type(activation).__name__,
            remedy=f"use one of {', '.join(sorted(kinds))}, make yours known, or pickle it",
        )
    own = {field.name: getattr(activation, field.name) for field in fields(activation)}
    texts = {
        name: value if isinstance(value, str) else number_line(value) for name, value in own.items()
    }
    return {"kind": type(activation).__name__, **texts} if texts else type(activation).__name__


def number_line(value: Rational) -> Json:
    """A JSON number where a float64 is the value, else a fraction in base 16."""
    near = nearest_float(value)
    return near if isfinite(near) and rational(near) == value else f"0x{rational_text(value)}"


def _kept(arrays: Arrays, name: str, matrix: RationalMatrix) -> str:
    """Put a matrix among the arrays and return its name."""
    if matrix.is_float:
        arrays[name] = matrix.float64()
    else:
        rows, columns = matrix.shape
        body = " ".join(rational_text(x) for x in matrix.exact.entries())
        arrays[name] = np.frombuffer(f"{rows:x} {columns:x}\n{body}".encode(), dtype=np.uint8)
    return name


# ---- to a network


def network_of(line: Json, find: Find) -> Network:
    """The network of an architecture; `find(name)` gives an array or tensor, or raises
    InvalidInput.

    Raises InvalidInput for a line that is no architecture, with the place in it.
    """
    blocks = _get(line, "blocks", list, "the architecture")
    return Network(tuple(_block(block, f"blocks[{i}]", find) for i, block in enumerate(blocks)))


def _block(line: Json, place: str, find: Find) -> Block:
    layers = _get(line, "layers", list, place)
    made = tuple(_layer(layer, f"{place}.layers[{i}]", find) for i, layer in enumerate(layers))
    residual = line.get("residual", False)
    if not isinstance(residual, bool):
        raise _refused(f"{place}.residual", residual, "write true or false")
    norm = line.get("norm")
    return Block(made, None if norm is None else _norm(norm, f"{place}.norm", find), residual)


def _layer(line: Json, place: str, find: Find) -> Layer:
    weight = _matrix(_get(line, "weight", str, place), find, axes=2)
    bias = line.get("bias")
    return Layer.of(
        weight,
        None if bias is None else _matrix(_text(bias, f"{place}.bias"), find),
        activation_of(line.get("activation", "Identity"), f"{place}.activation"),
        place,
    )


def _norm(line: Json, place: str, find: Find) -> Norm:
    kind = norms.KINDS.get(_get(line, "kind", str, place))
    if kind is None:
        raise _refused(f"{place}.kind", line["kind"], f"write {' or '.join(norms.KINDS)}")
    gain, bias = (
        None if line.get(name) is None else _matrix(_text(line[name], f"{place}.{name}"), find)
        for name in ("gain", "bias")
    )
    if "eps" not in line:
        raise _refused(f"{place}.eps", "nothing", "write the eps of the norm, such as 1e-05")
    rule = line.get("eps_rule", "var")
    if rule not in _RULES:
        raise _refused(f"{place}.eps_rule", rule, "write var or std")
    return kind.of(_number(line["eps"], f"{place}.eps"), gain, bias, line.get("dim"), rule)


def activation_of(line: Json, place: str = "activation") -> Activation:
    """The activation that a line names. Raises InvalidInput for one that is not known.

    >>> activation_of("ReLU"), activation_of({"kind": "GELU", "approximate": "tanh"})
    (ReLU(), GELU(approximate='tanh'))
    """
    values = {"kind": line} if isinstance(line, str) else line
    kinds = activations.KINDS
    kind = kinds.get(_get(values, "kind", str, place))
    if kind is None:
        raise _refused(f"{place}", values["kind"], f"write one of {', '.join(sorted(kinds))}")
    own = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    given = {name: value for name, value in values.items() if name != "kind"}
    if not given.keys() <= own.keys():
        raise _refused(
            place, values, f"a {kind.__name__} has {', '.join(sorted(own)) or 'no parameter'}"
        )
    return kind(
        **{
            name: value if isinstance(own[name].default, str) else _number(value, f"{place}.{name}")
            for name, value in given.items()
        }
    )


def _matrix(name: str, find: Find, axes: int | None = None) -> RationalMatrix:
    array = find(name)
    if isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 1:
        return _matrix_of_text(bytes(array), name)
    if not (
        array.is_floating_point()
        if hasattr(array, "is_floating_point")
        else array.dtype.kind == "f"
    ):
        raise InvalidInput(
            "a weight is stored in whole numbers",
            value=f"{name} of dtype {array.dtype}",
            remedy="scale quantised weights back, and store floats",
        )
    if axes not in (None, array.ndim):
        raise _refused(name, f"{array.ndim} axes", "give a weight of the shape (out x in)")
    return RationalMatrix.from_floats(array, name)


def _matrix_of_text(content: bytes, name: str) -> RationalMatrix:
    """A matrix written by `_kept` as text: its shape on one line, its entries on the next."""
    head, _, body = content.decode("ascii", errors="replace").partition("\n")
    shape = [int(x.p) for x in map(rational_of_text, head.split(" "))]
    entries = [rational_of_text(word) for word in body.split(" ") if word]
    if len(shape) != 2 or min(shape) < 0 or shape[0] * shape[1] != len(entries):
        raise _refused(
            name,
            f"{len(entries)} entries for the shape {shape}",
            "write rows, columns, then the entries",
        )
    return RationalMatrix.from_backend(RationalArray(shape[0], shape[1], entries))


def _number(value: Json, place: str) -> Rational:
    if isinstance(value, str) and value.startswith("0x"):
        return rational_of_text(value[2:])
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _refused(place, value, 'write a number or text such as "1/3"')
    return rational(value, place)


def _get(line: Json, name: str, kind: type, place: str) -> Any:
    if not isinstance(line, dict):
        raise _refused(place, line, "write a JSON object")
    if not isinstance(line.get(name), kind):
        raise _refused(
            f"{place}: {name}", line.get(name), f"give {'a list' if kind is list else 'text'}"
        )
    return line[name]


def _text(value: Json, place: str) -> str:
    if not isinstance(value, str):
        raise _refused(place, value, "write the name of a tensor")
    return value


def _refused(place: str, value: object, remedy: str) -> InvalidInput:
    shown = repr(value)
    return InvalidInput(
        f"{place} is not what an architecture says there",
        remedy=remedy,
        value=shown if len(shown) <= 80 else f"{shown[:77]}...",
    )
