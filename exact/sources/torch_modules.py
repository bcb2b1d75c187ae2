"""Networks from trained torch modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from exact.activations import GELU, Activation, HardTanh, Identity, LeakyReLU, ReLU, SiLU
from exact.errors import InvalidInput, Unsupported
from exact.network import Block, Layer, Network
from exact.norms import LayerNorm, Norm, RMSNorm
from exact.numbers import RationalMatrix

Spec = tuple[nn.Module | None, list[nn.Module], bool]

_ACTIVATIONS: dict[type[nn.Module], Callable[[Any], Activation]] = {
    nn.ReLU: lambda m: ReLU(),
    nn.LeakyReLU: lambda m: LeakyReLU(m.negative_slope),
    nn.Hardtanh: lambda m: HardTanh(m.min_val, m.max_val),
    nn.ReLU6: lambda m: HardTanh(0, 6),  # type: ignore[arg-type]
    nn.GELU: lambda m: GELU(m.approximate),
    nn.SiLU: lambda m: SiLU(),
    nn.Identity: lambda m: Identity(),
}
_PASSED_OVER = (nn.Identity, nn.Dropout, nn.Flatten)


def read(module: nn.Module) -> Network:
    """Read a torch module as an exact network; its parameters are taken at their exact float values.

    Understands `nn.Sequential` (nested) of Linear, ReLU, LeakyReLU, Hardtanh, ReLU6, GELU, SiLU, LayerNorm, RMSNorm,
    and Identity, Dropout, Flatten (passed over, as in evaluation mode); also any module with a method
    `exactlens_blocks()` that returns a list of (norm module or None, list of modules, residual). An activation that
    directly follows another or a norm gets an identity Linear in front. Raises Unsupported with the module's name for
    anything else, InvalidInput for NaN or infinite parameters.
    """
    blocks: list[Block] = []
    if not isinstance(module, nn.Module):
        raise InvalidInput("not a torch module", value=type(module).__name__, remedy="give an nn.Module")
    for index, (norm, modules, residual) in enumerate(_blocks(module)):
        named = list(_flatten(modules, f"block {index}." if hasattr(module, "exactlens_blocks") else ""))
        blocks += _read_block(norm, named, residual, index)
    if not blocks:
        raise InvalidInput("the module has no Linear layer", value=type(module).__name__, remedy="give a network")
    return Network(tuple(blocks))


def _blocks(module: nn.Module) -> list[Spec]:
    described = getattr(module, "exactlens_blocks", None)
    if described is not None:
        return list(described())
    return [(None, list(module) if isinstance(module, nn.Sequential) and _is(module, nn.Sequential) else [module], False)]


def _flatten(modules: list[nn.Module], where: str) -> Iterator[tuple[str, nn.Module]]:
    for position, module in enumerate(modules):
        name = f"{where}{position}"
        if _is(module, nn.Sequential):
            assert isinstance(module, nn.Sequential)
            yield from _flatten(list(module), f"{name}.")
        elif not _is(module, *_PASSED_OVER):
            yield name, module


def _is(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether a module is one of these and computes as they do; a subclass with a forward of its own is something else."""
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)


def _read_block(norm: nn.Module | None, named: list[tuple[str, nn.Module]], residual: bool, index: int) -> list[Block]:
    """Split at norms inside; a residual block must not contain one, since its skip spans the whole block."""
    blocks, layers, current = list[Block](), list[Layer](), norm
    for name, module in named:
        if _is(module, nn.LayerNorm, nn.RMSNorm):
            if residual:
                raise Unsupported("a norm stands inside a residual block", value=name,
                                  remedy="describe the block as (norm, modules, residual)")  # fmt: skip
            blocks += [Block(tuple(layers), _norm(current, index))] if layers else []
            current, layers = _only_norm(current, layers, module, name), []
        else:
            _append(layers, name, module, None if layers else _norm(current, index))
    if current is not None and not layers:
        raise Unsupported("a norm at the end has no layer behind it", value=type(current).__name__,
                          remedy="leave out the last norm, or append a Linear")  # fmt: skip
    return blocks + ([Block(tuple(layers), _norm(current, index), residual)] if layers else [])


def _only_norm(current: nn.Module | None, layers: list[Layer], module: nn.Module, name: str) -> nn.Module:
    if current is not None and not layers:
        raise Unsupported("two norms stand in a row", value=name, remedy="keep one of them")
    return module


def _append(layers: list[Layer], name: str, module: nn.Module, norm: Norm | None) -> None:
    """Add a module to the layers of a block, the first of which stands behind `norm`."""
    if _is(module, nn.Linear):
        assert isinstance(module, nn.Linear)
        bias = None if module.bias is None else module.bias
        layers.append(Layer.of(module.weight, bias, Identity(), name))
        return
    make = _ACTIVATIONS.get(type(module))
    if make is None:
        known = ", ".join(kind.__name__ for kind in _ACTIVATIONS)
        raise Unsupported("unknown module", value=f"{name}: {type(module).__name__}",
                          remedy=f"use Linear, LayerNorm, RMSNorm or {known}")  # fmt: skip
    if not layers or layers[-1].activation != Identity():
        if not layers and norm is None:
            raise Unsupported("an activation stands in front of the first Linear", value=name, remedy="put a Linear first")
        size = layers[-1].width if norm is None else norm.dim
        layers.append(Layer.of(torch.eye(size), None, Identity(), name))
    layers[-1] = Layer(layers[-1].weight, layers[-1].bias, make(module))


def _norm(module: nn.Module | None, index: int) -> Norm | None:
    if module is None:
        return None
    known = isinstance(module, nn.LayerNorm | nn.RMSNorm) and len(module.normalized_shape) == 1
    if not known or not _is(module, nn.LayerNorm, nn.RMSNorm):
        raise Unsupported("unknown norm", value=repr(module), remedy="use nn.LayerNorm(n) or nn.RMSNorm(n)")
    assert isinstance(module, nn.LayerNorm | nn.RMSNorm)
    kind = LayerNorm if isinstance(module, nn.LayerNorm) else RMSNorm
    weight, bias = module.weight, getattr(module, "bias", None)
    eps = module.eps if module.eps is not None else _default_rms_eps(weight)
    gain, shift = (None if t is None else RationalMatrix.from_floats(t, f"block {index} norm {name}")
                   for name, t in (("weight", weight), ("bias", bias)))  # fmt: skip
    return kind.of(eps, gain, shift, module.normalized_shape[0])


def _default_rms_eps(weight: torch.Tensor | None) -> float:
    """torch.nn.RMSNorm with eps=None uses the machine epsilon of its input's dtype."""
    dtype = weight.dtype if weight is not None else torch.get_default_dtype()
    return float(torch.finfo(dtype).eps)
