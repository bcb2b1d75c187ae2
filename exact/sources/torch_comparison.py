"""The network read against the module itself, run in float64, within a proved bound on the rounding
of both.

The bound is a running error analysis. It holds for any order of summation, with or without fused
operations (Higham 2002, section 3.1), for a variance by two passes, by Welford's updates or as
`E[x^2] - E[x]^2` (Chan, Golub, LeVeque 1983), and for elementary functions within 4 units in the
last place; what it cannot bound (an overflow, a variance lost in rounding) is not compared.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray, nearest_float
from exact.arithmetic.stored_numbers import plain_array
from exact.errors import InvalidInput, Unsupported
from exact.networks.activations import Activation
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.steps import walk
from exact.networks.layers import Layer, Operation
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.sources.gated import GatedMLP

POINTS = 12
_SEED = 20
# what an operation loses where the processor flushes subnormals, as operands or as results
_TINY = 2.0**-1021
_UP = 1.0 + 2.0**-20  # for the rounding of the bound, a sum of at most 2^30 positive terms


def refuse_another_function(network: Network | GatedMLP, module: nn.Module) -> None:
    """Raise InvalidInput where `module(x)` in float64 is not the network (or gated MLP) read,
    beyond the rounding of both.

    The points are seeded: 12 of R^n, at scales from 1/8 to 64, and the origin. The module runs as
    it is, on the CPU, every float tensor widened to float64 on the way into every operation. Cost:
    13 points through the module, and a float64 copy of the weights at hand.
    """
    x = _points(network.input_dim)
    found = _outputs(module, x, network.output_dim)
    values, errors = _forward(network, x)
    with np.errstate(all="ignore"):
        bound = 2 * errors * _UP
        wrong = np.isfinite(values) & np.isfinite(bound) & ~(np.abs(found - values) <= bound)
    for i, j in np.argwhere(wrong)[:1]:
        raise InvalidInput(
            "the module computes something else than the network read from it",
            value=f"output {j} {found[i, j]:.6g}, read {values[i, j]:.6g}, rounding "
            f"{bound[i, j]:.1g}",
            remedy="give a module whose forward is what its layers (or exactlens_blocks) say",
        )


def float64_outputs(module: nn.Module, x: FloatArray, output_dim: int) -> FloatArray:
    """The module at the rows of x, on the CPU, every float tensor widened to float64 on the way
    into every operation: (points x output_dim). Raises Unsupported where it gives anything else.
    """
    return _outputs(module, x, output_dim)


def float64_rows(network: Network | GatedMLP, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The network at the rows of x in float64, and what any float64 evaluation of it may be off by
    (see above): two arrays (points x output_dim), the second not finite where there is no bound.

    >>> import numpy as np
    >>> from exact.sources import tensors
    >>> values, errors = float64_rows(tensors.mlp([([[3]], [1]), ([[2]], [0])]), np.array([[5.0]]))
    >>> values.tolist(), bool(0 < errors[0, 0] < 1e-13)
    ([[32.0]], True)
    """
    return _forward(network, x)


def _points(dim: int) -> FloatArray:
    drawn = np.random.default_rng(_SEED).normal(size=(POINTS, dim))
    scales = np.resize([0.125, 1.0, 8.0, 64.0], POINTS)
    return np.vstack([drawn * scales[:, None], np.zeros(dim)])


# ---- the module


class _Widened(TorchFunctionMode):
    """Gives every torch function float64 tensors for float ones, as Python sees it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*tree_map(_shown_wide, args), **tree_map(_shown_wide, kwargs or {}))


class _InFloat64(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives every operation float64 tensors on the CPU, and makes every cast one to float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return tree_map(_wide, func(*tree_map(_widest, args), **tree_map(_widest, kwargs or {})))


def _shown_wide(value: Any) -> Any:
    """The cast is an operation too, so that its argument is widened exactly on the way."""
    narrow = (
        isinstance(value, torch.Tensor)
        and value.is_floating_point()
        and value.dtype != torch.float64
    )
    return value.to(torch.float64) if narrow else value


def _wide(value: Any) -> Any:
    """A float tensor in float64 on the CPU; anything else as it is."""
    if not isinstance(value, torch.Tensor) or (value.dtype == torch.float64 and value.is_cpu):
        return value
    return (
        torch.from_numpy(plain_array(value, "a tensor"))
        if value.is_floating_point()
        else value.cpu()
    )


def _widest(value: Any) -> Any:
    if isinstance(value, torch.dtype):
        return torch.float64 if value.is_floating_point else value
    return torch.device("cpu") if isinstance(value, torch.device) else _wide(value)


def _outputs(module: nn.Module, x: FloatArray, output_dim: int) -> FloatArray:
    """The module on all points at once or, where it takes single vectors only, on each."""
    faults = list[str]()
    for batches in ([x], list(x)):
        try:
            rows = [_run(module, batch) for batch in batches]
        except Exception as error:  # whatever a module of one's own raises
            faults.append(f"{type(error).__name__}: {' '.join(str(error).split())[:120]}")
            continue
        if any(not isinstance(row, torch.Tensor) for row in rows):
            raise Unsupported(
                "the module's forward returns no tensor",
                value=type(rows[0]).__name__,
                remedy="wrap it in a module whose forward returns the output alone",
            )
        found = [np.asarray(row.numpy(), dtype=np.float64).reshape(-1) for row in rows]
        if sum(row.size for row in found) == len(x) * output_dim:
            return np.concatenate(found).reshape(len(x), output_dim)
        faults.append(f"an output of shape {tuple(rows[0].shape)}")
    raise Unsupported(
        f"the module does not map R^{x.shape[1]} to R^{output_dim} as its layers do",
        value=faults[0],
        remedy="give a module whose forward takes points, or one with exactlens_blocks alone",
    )


def _run(module: nn.Module, batch: FloatArray) -> Any:
    with torch.random.fork_rng(devices=[]), torch.no_grad(), _Widened(), _InFloat64():  # type: ignore[no-untyped-call]
        return module(torch.from_numpy(np.array(batch)))


# ---- the network, and the bound


class _Rows(NamedTuple):
    """Float64 values (points x n), and what any float64 evaluation of them may be off by."""

    values: FloatArray
    errors: FloatArray

    @property
    def sizes(self) -> FloatArray:
        """A bound on the exact numbers and on every evaluation."""
        sizes: FloatArray = np.abs(self.values) + 2 * self.errors
        return sizes


def _forward(network: Network | GatedMLP, x: FloatArray) -> _Rows:
    rows = _Rows(x, np.zeros_like(x))
    with np.errstate(all="ignore"):
        if isinstance(network, Network):
            return walk(network.steps, rows, _applied)
        gate, up = (walk(part.steps, rows, _applied) for part in (network.gate, network.ups))
        return _linear(network.down, _multiplied(gate, up))


def _applied(does: Operation, x: _Rows, *others: _Rows) -> _Rows:
    if isinstance(does, Norm):
        return _norm(does, x)
    if isinstance(does, Maximum):
        errors = np.where(does.windows >= 0, x.errors[:, does.windows], 0.0).max(axis=2)
        return _Rows(does.forward_float(x.values), errors)
    return (
        _activated(does.activation, _linear(does, x))
        if isinstance(does, Layer)
        else reduce(_added, others, x)
    )


def _added(x: _Rows, y: _Rows) -> _Rows:
    return _Rows(x.values + y.values, (x.errors + y.errors + U * (x.sizes + y.sizes)) * _UP + _TINY)


def _multiplied(x: _Rows, y: _Rows) -> _Rows:
    """|fl(x y) - X Y| <= |X| dy + |Y| dx + dx dy + u |x| |y|; sizes bound all four."""
    errors = x.errors * y.sizes + y.errors * x.sizes + U * x.sizes * y.sizes
    return _Rows(x.values * y.values, errors * _UP + _TINY * (1 + x.sizes + y.sizes))


def _linear(layer: Layer, x: _Rows) -> _Rows:
    """|fl(W x + b) - (W X + B)| <= |W| dX + g (|W| |x| + |b|), g = (n + 2) u / (1 - (n + 2) u), for
    sums of n products.
    """
    operator, b = layer.operator, layer.bias.float64().T
    n = operator.terms
    g = (n + 2) * U / (1 - (n + 2) * U)
    found, (sizes, errors) = operator.apply_float(x.values), (x.sizes, x.errors)
    if n == 0 and not b.any():
        return _Rows(found, operator.magnitude(errors))
    weighed, off = operator.magnitude(sizes), operator.magnitude(errors)
    ones = operator.magnitude(np.ones((1, operator.shape[1])))
    lost = _TINY * (n + 1 + sizes.sum(axis=1, keepdims=True) + ones)
    return _Rows(found + b, (off + g * (weighed + np.abs(b))) * _UP + lost)


def _norm(norm: Norm, x: _Rows) -> _Rows:
    """The scale 1 / sqrt(v + eps) is off by the share of v + eps that v is off by, where that is at
    most a half.
    """
    n = norm.dim
    g = 8 * (n + 8) * U
    projector = norm.projector()
    if isinstance(projector, str):
        centred = projector == "mean"
        mean = x.values.mean(axis=1, keepdims=True) if centred else np.zeros((len(x.values), 1))
        spread = x.sizes + (x.sizes.mean(axis=1, keepdims=True) if centred else 0.0)
        around = x.errors + (x.errors.mean(axis=1, keepdims=True) if centred else 0.0)
        c = x.values - mean
    else:  # however the module projects: entries of P are off by a rounding, as of the mean's 1/n
        size = np.abs(projector.float64())
        spread, around = x.sizes + x.sizes @ size, x.errors @ size
        c = norm.project_float(x.values)
    dc = around + g * spread + _TINY
    below = np.mean(c**2, axis=1, keepdims=True) + nearest_float(norm.eps_under_root)
    off = (
        np.mean(2 * np.abs(c) * dc + dc**2, axis=1, keepdims=True)
        + g * np.mean(spread**2, axis=1, keepdims=True)
        + _TINY
    )
    share = off / below + g
    share = np.where(share <= 0.5, share, np.inf)
    scale = np.abs(norm.gain.float64().T) / np.sqrt(below)
    error = scale * (1 + 2 * share) * (dc + 2 * share * (np.abs(c) + dc) + g * spread) + g * np.abs(
        norm.bias.float64().T
    )
    values = c / np.sqrt(below) * norm.gain.float64().T + norm.bias.float64().T
    return _Rows(values, error * _UP + _TINY * (1 + scale + np.abs(norm.gain.float64().T)))


def _activated(activation: Activation, z: _Rows) -> _Rows:
    steepest, own = activation.float_bounds
    error = (steepest * z.errors + own * U * z.sizes) * _UP
    return _Rows(
        activation.forward_float(z.values), error + (_TINY * (1 + steepest) if own else 0.0)
    )
