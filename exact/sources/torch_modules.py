"""Networks from trained torch modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from exact.arithmetic.numbers import RationalMatrix
from exact.errors import InvalidInput, Unsupported
from exact.networks import activations, norms
from exact.networks.activations import Identity
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.networks.norms import Norm
from exact.sources.tensors import Residual, blocks_of, residual_name
from exact.sources.torch_comparison import refuse_another_function
from exact.sources.torch_graphs import read_traced
from exact.sources.torch_views import Views, computes_as, refuse_more_than_weights

Spec = tuple[nn.Module | None, list[nn.Module], Residual]

_PASSED_OVER = (nn.Identity, nn.Dropout, nn.Flatten)


def read(module: nn.Module, input_shape: Sequence[int] | None = None) -> Network:
    """Read a torch module as an exact network: what it computes in evaluation mode, with its
    weights at their float values.

    Understands `nn.Sequential` (nested) of Linear, ReLU, LeakyReLU, Hardtanh, ReLU6, GELU, SiLU,
    LayerNorm, RMSNorm, and Identity, Dropout, Flatten (passed over, as in evaluation mode); also
    any module with a method `exactlens_blocks()` that returns a list of (norm module or None, list
    of modules, residual), where residual is False, True or "input" (the block's input is added:
    GPT-2, LLaMA) or "normed" (the norm's output is: BERT's post-norm). An activation that directly
    follows another or a norm gets an identity Linear in front. `torch.compile` and DataParallel are
    looked through, parametrized weights are taken as they are used now, and an RMSNorm without eps
    has the one that torch gives it for the dtype of the Linears beside it.

    A module that does more than its weights say is refused by name: forward hooks, an instance's
    own forward, the older weight_norm, spectral_norm and pruning. Then the network is compared with
    `module(x)` in float64 on seeded points, so that a description other than the module's own
    forward is refused too (a class with blocks and no forward has none to compare; what a forward
    does only far from the points, which reach to about 200, is not seen). Raises Unsupported with
    the module's name for anything else, InvalidInput for NaN or infinite parameters. The module is
    left as it was. Cost: 13 points through the module and through the network.

    With `input_shape`, the shape of one input without the batch, any module is traced into a
    :class:`Graph` of convolutions, pools, sums and rectifiers: see
    :func:`exact.sources.torch_graphs.read_traced`.
    """
    if not isinstance(module, nn.Module):
        raise InvalidInput(
            "not a torch module", value=type(module).__name__, remedy="give an nn.Module"
        )
    if input_shape is not None:
        return read_traced(module, input_shape)
    refuse_more_than_weights(module)
    with torch.no_grad():
        view, specs = _described(module)
        blocks = [block for spec in specs for block in _read_block(*spec)]
    if not blocks:
        raise InvalidInput(
            "the module has no Linear layer", value=type(module).__name__, remedy="give a network"
        )
    network = Network(tuple(blocks))
    if type(view).forward is not nn.Module.forward:
        refuse_another_function(network, view)
    return network


@dataclass(frozen=True)
class _Named:
    """A module of a block, the name it goes by, and the Linears next to it, whose dtype is that of
    what it reads.
    """

    name: str
    module: nn.Module
    beside: tuple[nn.Linear, ...]


def _described(
    module: nn.Module,
) -> tuple[nn.Module, list[tuple[_Named | None, list[_Named], Residual]]]:
    """The view of a module, and its blocks: norm, the modules behind it, and the residual."""
    views = Views()
    view = views.of(module)
    own = getattr(view, "exactlens_blocks", None)
    named: list[tuple[list[tuple[str, nn.Module]], bool, Residual]] = []
    for index, (norm, modules, residual) in enumerate(_specs(view)):
        for part in ([] if norm is None else [norm], modules):
            for found in part:
                refuse_more_than_weights(found)
        front = [] if norm is None else [(f"block {index} norm", views.of(norm))]
        inside = _flatten([views.of(m) for m in modules], "" if own is None else f"block {index}.")
        named.append(([*front, *inside], norm is not None, residual))
    beside = iter(_linears_beside([m for parts, *_ in named for _, m in parts]))
    specs = []
    for parts, has_norm, residual in named:
        whole = [_Named(name, m, next(beside)) for name, m in parts]
        specs.append((whole[0] if has_norm else None, whole[has_norm:], residual))
    return view, specs


def _specs(view: nn.Module) -> list[Spec]:
    described = getattr(view, "exactlens_blocks", None)
    if described is None:
        return [
            (
                None,
                list(view)
                if isinstance(view, nn.Sequential) and computes_as(view, nn.Sequential)
                else [view],
                False,
            )
        ]
    specs = list(described())
    for index, spec in enumerate(specs):
        fits = (
            isinstance(spec, Sequence)
            and len(spec) == 3
            and isinstance(spec[1], Sequence | nn.Sequential | nn.ModuleList)
        )
        if (
            not fits
            or not all(isinstance(m, nn.Module) for m in spec[1])
            or not isinstance(spec[0], nn.Module | None)
        ):
            raise InvalidInput(
                f"block {index} of exactlens_blocks() is not described",
                value=type(spec).__name__,
                remedy="give (norm module or None, list of modules, residual)",
            )
        residual_name(spec[2])
    return [(norm, list(modules), residual) for norm, modules, residual in specs]


def _linears_beside(modules: list[nn.Module]) -> list[tuple[nn.Linear, ...]]:
    """For every module the nearest Linear in front of it and the nearest behind, where there
    are.
    """
    linears = [i for i, m in enumerate(modules) if isinstance(m, nn.Linear)]
    beside: list[tuple[nn.Linear, ...]] = []
    for position in range(len(modules)):
        front, behind = (
            [i for i in linears if i < position][-1:],
            [i for i in linears if i > position][:1],
        )
        beside.append(tuple(m for i in front + behind if isinstance(m := modules[i], nn.Linear)))
    return beside


def _flatten(modules: list[nn.Module], where: str) -> Iterator[tuple[str, nn.Module]]:
    for position, module in enumerate(modules):
        name = f"{where}{position}"
        if computes_as(module, nn.Sequential):
            assert isinstance(module, nn.Sequential)
            yield from _flatten(list(module), f"{name}.")
        elif not computes_as(module, *_PASSED_OVER):
            yield name, module


def _read_block(norm: _Named | None, named: list[_Named], residual: Residual) -> list[Block]:
    """Split at norms inside; a residual block must not contain one, since its skip spans the whole
    block.
    """
    blocks, layers, current = list[Block](), list[Layer](), norm
    for part in named:
        if computes_as(part.module, *norms.TORCH):
            if residual:
                raise Unsupported(
                    "a norm stands inside a residual block",
                    value=part.name,
                    remedy="describe the block as (norm, modules, residual)",
                )
            if current is not None and not layers:
                raise Unsupported(
                    "two norms stand in a row", value=part.name, remedy="keep one of them"
                )
            blocks += blocks_of(layers, _norm(current)) if layers else []
            current, layers = part, []
        else:
            _append(layers, part, None if layers else _norm(current))
    if current is not None and not layers:
        raise Unsupported(
            "a norm at the end has no layer behind it",
            value=type(current.module).__name__,
            remedy="leave out the last norm, or append a Linear",
        )
    return blocks + (blocks_of(layers, _norm(current), residual) if layers else [])


def _append(layers: list[Layer], part: _Named, norm: Norm | None) -> None:
    """Add a module to the layers of a block, the first of which stands behind `norm`."""
    module, name = part.module, part.name
    if computes_as(module, nn.Linear):
        assert isinstance(module, nn.Linear)
        _refuse_integers(f"{name}.weight", module.weight)
        layers.append(Layer.of(module.weight, module.bias, Identity(), name))
        return
    make = activations.TORCH.get(type(module))
    if make is None:
        known = ", ".join(kind.__name__ for kind in [*norms.TORCH, *activations.TORCH])
        raise Unsupported(
            "unknown module",
            value=f"{name}: {type(module).__name__}",
            remedy=f"use Linear, {known}; or give input_shape=, the shape of one input without the "
            "batch, to have the module traced: convolutions, pools, sums and any forward",
        )
    if not layers or layers[-1].activation != Identity():
        if not layers and norm is None:
            raise Unsupported(
                "an activation stands in front of the first Linear",
                value=name,
                remedy="put a Linear first",
            )
        size = layers[-1].width if norm is None else norm.dim
        layers.append(Layer.of(torch.eye(size, device="cpu"), None, Identity(), name))
    layers[-1] = Layer(layers[-1].operator, layers[-1].bias, make(module))


def _refuse_integers(name: str, weight: torch.Tensor) -> None:
    """Integer weights stand for others (by scales that are kept elsewhere); a Linear computes with
    floats only.
    """
    if not weight.is_floating_point() and not weight.is_quantized and not weight.is_complex():
        raise InvalidInput(
            f"{name} has integers",
            value=weight.dtype,
            remedy="give the float weights that they stand for",
        )


def _norm(part: _Named | None) -> Norm | None:
    if part is None:
        return None
    module: Any = part.module
    kind = next((norm for own, norm in norms.TORCH.items() if computes_as(module, own)), None)
    if kind is None or len(module.normalized_shape) != 1:
        raise Unsupported(
            "unknown norm",
            value=repr(module),
            remedy=f"use {' or '.join(f'{own.__name__}(n)' for own in norms.TORCH)}",
        )
    if module.eps is None:
        # of our view: the comparison runs it in float64, where torch takes another
        module.eps = _default_rms_eps(part)
    gain, shift = (
        None if t is None else RationalMatrix.from_floats(t, f"{part.name} {name}")
        for name, t in (("weight", module.weight), ("bias", getattr(module, "bias", None)))
    )
    return kind.of(module.eps, gain, shift, module.normalized_shape[0])


def _default_rms_eps(part: _Named) -> float:
    """What nn.RMSNorm(eps=None) takes: float64's epsilon for an input in float64, else float32's,
    for half precision too.

    The input has the dtype of the Linears beside the norm; without any, that of the gain.
    """
    weights: list[Any] = [linear.weight for linear in part.beside] or [part.module.weight]
    dtypes = {
        weight.dtype == torch.float64 for weight in weights if isinstance(weight, torch.Tensor)
    }
    if len(dtypes) != 1:
        raise InvalidInput(
            "the eps of an RMSNorm depends on the dtype of its input, which is not clear here",
            value=part.name,
            remedy="write nn.RMSNorm(n, eps=torch.finfo(dtype).eps)",
        )
    return float(torch.finfo(torch.float64 if dtypes.pop() else torch.float32).eps)
