"""Spline codes as torch computes them in low precision, against the exact ones of the same inputs.

Inputs and weights are rounded to the type; norms, layers and sums are torch's own functions on
tensors of that type, with what torch keeps wider inside (the mean square of a bfloat16 LayerNorm).
A model whose norm computes otherwise (the RMSNorms of Hugging Face, in float32 with casts of their
own) gives that norm itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from torch.nn import functional

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.numbers import FloatArray, nearest_float
from exact.arithmetic.stored_numbers import is_array, plain_array
from exact.errors import InvalidInput, Unsupported
from exact.geometry.combinatorics.code_batches import Codes, Errors
from exact.geometry.combinatorics.tables import Columns, Tabular
from exact.instruments.batches.points import require_hinges
from exact.networks.activations import (
    GELU,
    AbsoluteValue,
    Activation,
    HardTanh,
    Identity,
    LeakyReLU,
    ReLU,
    SiLU,
)
from exact.networks.evaluation.batches import float_rows, nested_rows, require_device
from exact.networks.graphs.steps import Sum, walk
from exact.networks.layers import Layer, Operation
from exact.networks.network import Network
from exact.networks.norms import LayerNorm, Norm, RMSNorm

if TYPE_CHECKING:
    from torch import Tensor
_TYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_SHORT = {"fp64": "float64", "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_ENTRIES = 1 << 22  # of the widest array of a chunk


@dataclass(frozen=True, eq=False)
class PrecisionCodes(Tabular):
    """The codes that torch computes in one type, and every bit of them that is wrong.

    Wrong bit e is that of neuron `neurons[e]` (bend `breakpoints[e]`) of hidden layer `layers[e]`
    (from 1) at row `rows[e]`; exactly it is `on[e]`. Its margin `margins_float[e]` is the distance
    |z - bend| of the pre-activation in float64 (without a bound), over |w| |y| + |b|, which bounds
    the pre-activation of that neuron: 0.01 says that the vectors w and y are within 0.6 degrees of
    a right angle where b = 0. `overflowed` marks the rows that left the range of the type; they
    count nowhere, and where all do, shares are NaN. `norm` says what computed the first norm:
    "torch", the name of the one that was given, or None where there is none.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, -1], [1, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> found = codes_in_precision(net, [[257, 256], [3, 1]], "bf16")
    >>> found.wrong_bits.tolist(), found.wrong_bit_shares_float.tolist()
    ([1], [0.25])
    """

    dtype: str
    device: str
    exact: Codes
    computed: Codes
    overflowed: BitArray
    rows: IndexArray
    layers: IndexArray
    neurons: IndexArray
    breakpoints: IndexArray
    on: BitArray
    margins_float: FloatArray
    norm: str | None = None

    def __repr__(self) -> str:
        lost = int(self.overflowed.sum())
        told = f", {lost:,} {'row has' if lost == 1 else 'rows have'} none" if lost else ""
        return (
            f"<codes of {len(self.exact):,} points in {self.dtype}, {len(self.rows):,} wrong bits, "
            f"{int(self.wrong_codes.max(initial=0)):,} wrong codes of the worst layer{told}>"
        )

    @property
    def wrong_bits(self) -> IndexArray:
        """The number of wrong bits of each hidden layer."""
        return np.bincount(self.layers - 1, minlength=len(self.exact.layer_sizes))

    @property
    def wrong_codes(self) -> IndexArray:
        """The number of rows at which the code of each hidden layer is wrong."""
        pairs = np.unique(np.stack([self.layers, self.rows]), axis=1)[0]
        return np.bincount(pairs - 1, minlength=len(self.exact.layer_sizes))

    @property
    def wrong_bit_shares_float(self) -> FloatArray:
        """The share of wrong bits of each hidden layer, among the rows that did not overflow; NaN
        where all did.
        """
        bits: FloatArray = np.array(self.exact.layer_sizes, dtype=np.float64)
        return self.wrong_bits / (bits * self._counted)

    @property
    def wrong_code_shares_float(self) -> FloatArray:
        """The share of rows at which the code of each hidden layer is wrong, among the rows that
        did not overflow; NaN where all did.
        """
        return self.wrong_codes / self._counted

    @property
    def largest_margins_float(self) -> FloatArray:
        """The largest margin of a wrong bit of each hidden layer; 0 where none is wrong."""
        found = np.zeros(len(self.exact.layer_sizes))
        np.maximum.at(found, self.layers - 1, self.margins_float)
        return found

    @property
    def _counted(self) -> float:
        """The rows that did not overflow; NaN for none, of which there are no shares."""
        return float(len(self.exact) - int(self.overflowed.sum())) or math.nan

    def columns(self) -> Columns:
        """The wrong bits: columns row, layer, neuron, breakpoint, on, margin.

        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, -1]], [0]), ([[1]], [0])])
        >>> found = codes_in_precision(net, [[257, 256], [3, 1]], "bf16").columns()
        >>> {name: found[name].tolist() for name in ("row", "layer", "neuron", "on")}
        {'row': [0], 'layer': [1], 'neuron': [0], 'on': [True]}
        """
        return {
            "row": self.rows,
            "layer": self.layers,
            "neuron": self.neurons,
            "breakpoint": self.breakpoints,
            "on": self.on,
            "margin": self.margins_float,
        }


@in_ieee_floats
def codes_in_precision(
    network: Network,
    x: Any,
    dtype: Any,
    *,
    norm: Any = None,
    device: str = "cpu",
    errors: Errors = "raise",
) -> PrecisionCodes:
    """The codes of the rows of `x` as torch computes them in a type, against the exact ones.

    `dtype` is "float32" (fp32), "tf32", "bfloat16" (bf16), "float16" (fp16), "float64", or torch's
    own name for one of them. `norm` computes the first norm in torch's place: the model's own
    module (a copy of it is cast to the type and the device), or a function of a (B x d) tensor. It
    is needed where the codes of a model itself are meant whose norm is its own: those of LLaMA and
    Gemma in `transformers` compute in float32. A row that leaves the range of the type raises with
    its number and the place, or is marked with ``errors="keep"``. Raises Unsupported for TF32
    without CUDA, and for norms and activations that torch has no function for; InvalidInput for
    what is no such type, for weights beyond its range, and for a `norm` that does not fit.

    >>> from exact.sources import tensors
    >>> net = tensors.mlp([([[1, -1], [1, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> found = codes_in_precision(net, [[257, 256], [3, 1]], "bf16")
    >>> found.rows.tolist(), found.neurons.tolist(), found.on.tolist(), found.wrong_codes.tolist()
    ([0], [0], [True], [1])
    """
    name = _type_name(dtype)
    require_device(device)
    if name == "tf32" and not device.startswith("cuda"):
        raise Unsupported(
            "TF32 is a mode of matrix products on CUDA devices",
            value=f"device={device!r}",
            remedy='give device="cuda", or "float32" or "bfloat16" on a CPU',
        )
    require_hinges(network)
    exact = network.codes(x, device=device, errors=errors)
    rows, dim = x, network.input_dim
    kind = getattr(getattr(x, "dtype", np.dtype(object)), "kind", "f")  # torch's types have none
    if not is_array(x) or np.ndim(x) != 2 or kind in "OU":
        rows = np.atleast_2d(float_rows(nested_rows(x, dim), dim))
    forward, parts = _Forward(network, name, device, _own_norm(network, norm)), list[_Part]()
    size = max(1, _ENTRIES // max(max(layer.shape) for layer in network.layers))
    for begin in range(0, len(exact), size):
        chunk = plain_array(rows[begin : begin + size], "X").astype(np.float64)
        part = forward.part(chunk)
        for place, where in part.overflows.items():
            if errors == "raise":
                raise Unsupported(
                    f"row {begin + place} of X leaves the range of {name}",
                    value=where,
                    remedy='scale it, take a wider type, or write errors="keep" to mark such rows',
                )
        parts.append(part)
    return _compared(network, exact, forward, parts, rows, size)


def _own_norm(network: Network, norm: Any) -> Any:
    if norm is None:
        return None
    if not callable(norm) or not isinstance(next(iter(network.steps)).does, Norm):
        raise InvalidInput(
            "norm= is no module or function, or the network does not begin with a norm",
            value=norm,
            remedy="give the module of the norm that the network was read with, or leave it out",
        )
    return norm


def _type_name(dtype: Any) -> str:
    name = str(dtype).removeprefix("torch.").lower()
    name = _SHORT.get(name, name)
    if name not in _TYPES:
        raise InvalidInput(
            "not a type of floats", value=repr(dtype), remedy=f"write one of {', '.join(_TYPES)}"
        )
    return name


@dataclass(frozen=True)
class _Part:
    """The bits of some rows (B x bits), and where rows overflow."""

    bits: BitArray
    overflows: dict[int, str]


class _Forward:
    """The network as torch runs it in a type."""

    def __init__(self, network: Network, name: str, device: str, norm: Any) -> None:
        self._network, self.name, self.device = network, name, device
        self._type, self._first = _TYPES[name], norm
        self.norm = ("torch" if norm is None else _called(norm)) if network.has_norm else None
        if isinstance(norm, nn.Module):
            self._first = deepcopy(norm).to(device, self._type).eval()
        self._held = {
            id(does): self._tensors(does) for does, *_ in network.steps if not isinstance(does, Sum)
        }

    def _tensors(self, does: Layer | Norm) -> tuple[Tensor, Tensor]:
        if isinstance(does, Layer):
            pair, what = (does.weight.float64(), does.bias.float64()[:, 0]), "a layer"
        else:
            pair, what = (does.gain.float64()[:, 0], does.bias.float64()[:, 0]), "a norm"
        first, second = (torch.from_numpy(np.array(a)).to(self._type) for a in pair)
        for values, given in zip((first, second), pair, strict=True):
            beyond = given[~np.isfinite(values.double().numpy())]
            if beyond.size:
                raise InvalidInput(
                    f"a weight of {what} leaves the range of {self.name}",
                    value=float(beyond[0]),
                    remedy="take a type with more exponents",
                )
        return first.to(self.device), second.to(self.device)

    def part(self, rows: FloatArray) -> _Part:
        """The bits of some rows."""
        found, overflows = list[BitArray](), dict[int, str]()
        layer_number = norm_number = 0

        def apply(does: Operation, *values: Tensor) -> Tensor:
            nonlocal layer_number, norm_number
            if isinstance(does, Sum):
                where, y = "a sum", does.total(values)
            elif isinstance(does, Norm):
                norm_number += 1
                own = self._first if norm_number == 1 else None
                y = self._norm(does, values[0]) if own is None else _given(own, values[0])
                where = f"norm {norm_number}"
            else:
                z = functional.linear(values[0], *self._held[id(does)])
                where, y = f"a linear layer behind hidden layer {layer_number}", z
                if does.bits:
                    layer_number += 1
                    where = f"hidden layer {layer_number}"
                    found.append(_bits(does.activation, z))
                    y = torch.where(z.isfinite(), _activation(does.activation)(z), torch.nan)
            self._look(y, where, overflows)
            return y

        x = torch.from_numpy(rows).to(self.device).to(self._type)
        self._look(x, "the input", overflows)
        with torch.no_grad(), _products("high" if self.name == "tf32" else "highest"):
            walk(self._network.steps_to_last_hinge, x, apply)
        return _Part(np.concatenate(found, axis=1), overflows)

    def _look(self, y: Tensor, where: str, overflows: dict[int, str]) -> None:
        for place in torch.nonzero(~y.isfinite().all(dim=1))[:, 0].tolist():
            overflows.setdefault(place, where)

    def _norm(self, norm: Norm, x: Tensor) -> Tensor:
        gain, bias = self._held[id(norm)]
        eps = nearest_float(norm.eps)
        if norm.eps_rule != "var" or type(norm) not in (LayerNorm, RMSNorm):
            raise Unsupported(
                "torch has no function for this norm",
                value=repr(norm),
                remedy='take LayerNorm or RMSNorm with eps_rule="var"',
            )
        if type(norm) is LayerNorm:
            return functional.layer_norm(x, (norm.dim,), gain, bias, eps)
        y = functional.rms_norm(x, (norm.dim,), gain, eps)
        return y + bias if bool(bias.any()) else y


def _called(norm: Any) -> str:
    kind = norm if hasattr(norm, "__name__") else type(norm)
    return str(kind.__name__)


def _given(norm: Any, x: Tensor) -> Tensor:
    """What a norm that was given makes of rows."""
    y = norm(x)
    if not isinstance(y, torch.Tensor) or y.shape != x.shape:
        raise InvalidInput(
            "norm= gives no tensor of the shape that it reads",
            value=tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__,
            remedy=f"give a function of (B x {x.shape[1]}) tensors",
        )
    return y.to(x.device, x.dtype)


@contextmanager
def _products(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _bits(activation: Activation, z: Tensor) -> BitArray:
    wide = z.double()
    bits = torch.stack([wide > nearest_float(t) for t in activation.breakpoints], dim=2)
    return bits.reshape(len(z), -1).cpu().numpy()


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if isinstance(activation, LeakyReLU):
        slope = nearest_float(activation.slope)
        return lambda z: functional.leaky_relu(z, slope)
    if isinstance(activation, HardTanh):
        low, high = nearest_float(activation.lo), nearest_float(activation.hi)
        return lambda z: functional.hardtanh(z, low, high)
    if isinstance(activation, GELU):
        form = activation.approximate
        return lambda z: functional.gelu(z, approximate=form)
    known: dict[type[Activation], Callable[[Tensor], Tensor]] = {
        ReLU: functional.relu,
        AbsoluteValue: torch.abs,
        SiLU: functional.silu,
        Identity: lambda z: z,
    }
    if type(activation) not in known:
        raise Unsupported(
            "torch has no function for this activation",
            value=activation.name,
            remedy=f"take one of {', '.join(kind.__name__ for kind in known)}, GELU, HardTanh",
        )
    return known[type(activation)]


def _compared(
    network: Network, exact: Codes, forward: _Forward, parts: Sequence[_Part], rows: Any, size: int
) -> PrecisionCodes:
    overflowed = np.zeros(len(exact), dtype=bool)
    overflowed[list(exact.failures)] = True
    packed, events = np.zeros_like(exact.packed), list[FloatArray]()
    for number, part in enumerate(parts):
        begin = number * size
        overflowed[[begin + place for place in part.overflows]] = True
        own = slice(begin, begin + len(part.bits))
        packed[own] = np.packbits(part.bits, axis=1)
        change = exact.packed[own] ^ packed[own]
        change[overflowed[own]] = 0
        places, bits = np.nonzero(np.unpackbits(change, axis=1, count=part.bits.shape[1]))
        if len(places):
            chunk = plain_array(rows[own], "X").astype(np.float64)
            margins = _margins(network, chunk, places, bits)
            events.append(np.stack([begin + places, bits, ~part.bits[places, bits], margins]))
    found = np.concatenate([np.zeros((4, 0)), *events], axis=1)
    hinges = np.array(network.hinges, dtype=np.int64).reshape(-1, 3)[found[1].astype(np.int64)]
    layers, neurons, bends = hinges.T
    return PrecisionCodes(
        forward.name,
        forward.device,
        exact,
        Codes(packed, exact.layer_sizes, exact.widths),
        overflowed,
        found[0].astype(np.int64),
        layers,
        neurons,
        bends,
        found[2].astype(bool),
        found[3],
        forward.norm,
    )


def _margins(
    network: Network, rows: FloatArray, places: IndexArray, bits: IndexArray
) -> FloatArray:
    """The relative distances from their bends of the given hinges at the given rows, in float64."""
    margins, first = np.zeros(len(places)), 0

    def apply(does: Operation, *values: FloatArray) -> FloatArray:
        nonlocal first
        if isinstance(does, Layer) and does.bits:
            bends = [nearest_float(t) for t in does.activation.breakpoints]
            own = np.flatnonzero((bits >= first) & (bits < first + does.bits))
            neurons, k = np.divmod(bits[own] - first, len(bends))
            weight, bias = does.weight.float64()[neurons], does.bias.float64()[neurons, 0]
            y = values[0][places[own]]
            z = np.einsum("ij,ij->i", weight, y) + bias
            size = np.linalg.norm(weight, axis=1) * np.linalg.norm(y, axis=1) + np.abs(bias)
            margins[own] = np.abs(z - np.array(bends)[k]) / np.where(size > 0, size, 1.0)
            first += does.bits
        return does.forward_float(*values)

    walk(network.steps_to_last_hinge, rows, apply)
    return margins
