"""Torch modules as they compute in evaluation mode, and the refusal of those that compute more than
their weights say.

A forward hook, a `forward` put on one instance or an overridden `__call__` changes what runs and
leaves no trace in the weights. The older `weight_norm`, `spectral_norm` and pruning are such hooks:
they write `.weight` anew at every forward pass, so that after a step or a load the one that is
stored is stale. Backward hooks and the newer parametrizations are harmless.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from exact.errors import InvalidInput, Unsupported

_CALLS = ("__call__", "_wrapped_call_impl", "_call_impl")
_BACKWARD = ("_backward_hooks", "_backward_pre_hooks")
_LENS = "transformer_lens."
_WATCH = "__nnsight__"  # where nnsight keeps what it knows of a module


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside `torch.compile`, DataParallel, DistributedDataParallel, AveragedModel and
    the components of TransformerLens' bridge, which compute as it does.
    """
    while (inside := _name_inside(module)) is not None:
        module = vars(module)["_modules"][inside]
    return module


def _name_inside(module: nn.Module) -> str | None:
    """What a wrapper calls the module that it wraps; None for other modules."""
    if _is_compiled(module):
        return "_orig_mod"
    known = (
        nn.DataParallel,
        nn.parallel.DistributedDataParallel,
        torch.optim.swa_utils.AveragedModel,
    )
    if type(module) in known:
        return "module"
    inside = "_original_component"
    held = vars(module)["_modules"].get(inside) if _is_of_lens(module) else None
    return None if held is None else inside


def _is_compiled(module: nn.Module) -> bool:
    # not imported here: without it nothing is compiled
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    return dynamo is not None and type(module) is dynamo.OptimizedModule


def refuse_more_than_weights(module: nn.Module) -> None:
    """Raise Unsupported for a hook, an own `forward` or an own `__call__` on the module or within,
    and for global hooks.

    Raises InvalidInput for a lazy module that has not run. Cost: one look at every submodule.
    """
    _refuse_global_hooks()
    for path, part in module.named_modules():
        where = _where(path, part)
        if isinstance(part, torch.jit.ScriptModule | torch.fx.GraphModule):
            raise Unsupported(
                "a scripted, traced or exported module has a graph in the place of its layers",
                value=where,
                remedy="give the nn.Module that it was made from",
            )
        _refuse_lazy(part, where)
        _refuse_hooks_of(part, where)
        if not _is_compiled(part) and not _is_of_lens(part):
            _refuse_own_calls(part, where)


def refuse_hooks(module: nn.Module) -> None:
    """Raise Unsupported for a hook of forward passes on the module or within, and for global hooks.

    Cost: one look at every submodule.

    >>> from torch import nn
    >>> refuse_hooks(nn.Linear(2, 1))
    """
    _refuse_global_hooks()
    for path, part in module.named_modules():
        _refuse_hooks_of(part, _where(path, part))


def _refuse_global_hooks() -> None:
    for name, hook in _hooks(torch_module, ("_global_forward_pre_hooks", "_global_forward_hooks")):
        raise Unsupported(
            "a global hook runs at every forward pass of every module",
            value=f"{name}: {_shown(hook)}",
            remedy="remove it: handle.remove()",
        )


def _where(path: str, part: nn.Module) -> str:
    return f"{path or 'the module'}: {type(part).__name__}"


def _refuse_hooks_of(part: nn.Module, where: str) -> None:
    for _, hook in _hooks(part, ("_forward_pre_hooks", "_forward_hooks")):
        if not _is_wiring(part):
            _refuse_hook(hook, where)


def _hooks(owner: Any, names: tuple[str, ...]) -> list[tuple[str, Any]]:
    return [
        (name.removeprefix("_global_"), hook)
        for name in names
        for hook in getattr(owner, name).values()
    ]


def _shown(hook: Any) -> str:
    return str(getattr(hook, "__qualname__", type(hook).__name__))


def _refuse_lazy(part: nn.Module, where: str) -> None:
    for name, tensor in [*part._parameters.items(), *part._buffers.items()]:
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            raise InvalidInput(
                "a lazy module has no weights yet",
                value=f"{where}, {name}",
                remedy="run the module once on an input, so that it makes them",
            )


def _refuse_hook(hook: Any, where: str) -> None:
    names: dict[type, Callable[[Any], tuple[str, str]]] = {
        WeightNorm: lambda h: (
            f"weight_norm of {h.name}",
            "torch.nn.utils.remove_weight_norm(module), or parametrizations",
        ),
        SpectralNorm: lambda h: (
            f"spectral_norm of {h.name}",
            "torch.nn.utils.remove_spectral_norm(module), or parametrizations",
        ),
        prune.BasePruningMethod: lambda h: (
            f"{type(h).__name__} pruning of {h._tensor_name}",
            f"torch.nn.utils.prune.remove(module, {h._tensor_name!r})",
        ),
    }
    for kind, describe in names.items():
        if isinstance(hook, kind):
            what, remedy = describe(hook)
            raise Unsupported(
                "a weight is computed anew at every forward pass",
                value=f"{where}, {what}",
                remedy=remedy,
            )
    raise Unsupported(
        "a forward hook may change what the module computes",
        value=f"{where}, {_shown(hook)}",
        remedy="remove it: handle.remove()",
    )


def _refuse_own_calls(part: nn.Module, where: str) -> None:
    own = [name for name in ("forward", *_CALLS) if name in vars(part)]
    if own and not (own == ["forward"] and _is_watched(part)):
        raise Unsupported(
            f"this instance has a {own[0]} of its own", value=where, remedy=f"del module.{own[0]}"
        )
    for name in _CALLS:
        if getattr(type(part), name) is not getattr(nn.Module, name):
            raise Unsupported(
                f"this class has a {name} of its own",
                value=where,
                remedy="put what it does into forward",
            )


def _is_wiring(part: nn.Module) -> bool:
    """Whether all hooks of a hook point are TransformerLens' own, which tie it to another one."""
    handles = getattr(part, "fwd_hooks", []) if _is_of_lens(part) else []
    hooks = [getattr(handle, "user_hook", None) for handle in handles]
    return bool(hooks) and all(
        str(getattr(hook, "__module__", "")).startswith(_LENS) for hook in hooks
    )


def _is_of_lens(module: nn.Module) -> bool:
    return type(module).__module__.startswith(_LENS)


def _is_watched(module: nn.Module) -> bool:
    """Whether the instance's forward is nnsight's, which runs that of the class outside of
    traces.
    """
    state = vars(module).get(_WATCH)
    return state is not None and getattr(state, "original", None) is type(module).forward


class Views:
    """Shallow copies of modules in evaluation mode, over the same tensors; the modules themselves
    are never changed.

    Wrappers are taken off, and parametrized weights stand as plain tensors with the values that
    evaluation mode gives them.
    """

    def __init__(self) -> None:
        self._views = dict[int, nn.Module]()
        self._kept = list[nn.Module]()  # ids are unique only among living objects

    def of(self, module: nn.Module) -> nn.Module:
        """The one view of a module; a view is its own."""
        module = unwrapped(module)
        if id(module) not in self._views:
            view = self._copy(module)
            self._kept += [module, view]
            self._views |= {id(module): view, id(view): view}
        return self._views[id(module)]

    def _copy(self, module: nn.Module) -> nn.Module:
        view: nn.Module = type(module).__new__(type(module))
        children = {
            name: None if child is None else self.of(child)
            for name, child in module._modules.items()
        }
        own: dict[str, Any] = {name: OrderedDict[int, Any]() for name in _BACKWARD}
        own |= {
            "training": False,
            "_modules": children,
            "_parameters": dict(module._parameters),
            "_compiled_call_impl": None,
        }
        watched = {"forward", _WATCH} if _is_watched(module) else set()
        kept = {name: value for name, value in vars(module).items() if name not in watched}
        vars(view).update(kept | own)
        return _plain(view) if parametrize.is_parametrized(view) else view


def _plain(view: Any) -> nn.Module:
    """Put the values of parametrized tensors in the place of their parametrizations."""
    values = {name: _settled(view, name) for name in view.parametrizations}
    del view._modules["parametrizations"]
    view.__class__ = type(view).__bases__[0]  # the class before `register_parametrization`
    view._parameters.update(values)
    return view  # type: ignore[no-any-return]


def _settled(view: Any, name: str) -> torch.Tensor:
    """The value of a parametrized tensor; Unsupported where it is another one each time, so that no
    network has it.
    """
    first: torch.Tensor = getattr(view, name).detach()
    if not torch.equal(first.nan_to_num(), getattr(view, name).detach().nan_to_num()):
        raise Unsupported(
            "a parametrization gives another value each time it is asked",
            value=name,
            remedy="torch.nn.utils.parametrize.remove_parametrizations(module, name) keeps one",
        )
    return first


def computes_as(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether a module is one of these and computes as they do; a subclass with a forward of its
    own is something else.
    """
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)
