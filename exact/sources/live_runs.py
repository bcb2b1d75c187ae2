"""Runs of live models: what a module reads, whether the MLP reads what its norm gives, and whether
its modules compute what was read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from exact.errors import InvalidInput
from exact.networks.network import Network
from exact.sources.gated import GatedMLP
from exact.sources.torch_comparison import refuse_another_function
from exact.sources.torch_views import Views, refuse_more_than_weights, unwrapped

_K = TypeVar("_K", bound=Hashable)
_IDS = ("input_ids", "decoder_input_ids")
_TOKENS = 4
_FAULTS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


@contextmanager
def listening(modules: Mapping[_K, nn.Module]) -> Iterator[dict[_K, torch.Tensor]]:
    """What each of the modules reads, after a forward.

    >>> import torch
    >>> from torch import nn
    >>> linear = nn.Linear(2, 1)
    >>> with listening({0: linear}) as heard:
    ...     out = linear(torch.ones(1, 2))
    >>> heard[0].tolist()
    [[1.0, 1.0]]
    """
    heard = dict[_K, torch.Tensor]()

    def listener(key: _K) -> Callable[..., None]:
        def listen(_: nn.Module, args: Any, kwargs: Any) -> None:
            heard[key] = (args[0] if args else next(iter(kwargs.values()))).detach()

        return listen

    with ExitStack() as stack:
        for key, module in modules.items():
            hook = module.register_forward_pre_hook(listener(key), with_kwargs=True)
            stack.callback(hook.remove)
        yield heard


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A model in evaluation mode and without gradients; afterwards its modules train as before."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def refuse_unread_norm(model: nn.Module, norm: str, mlp: str) -> None:
    """Raise InvalidInput where the module at path `mlp` reads something else than the one at `norm`
    gives, in one run of the model on four token ids.

    A model whose forward takes no `input_ids` is not run. Equal means equal bits, after the cast to
    the type that the MLP reads. Raises InvalidInput for a run that fails, too. Cost: one forward.
    """
    takes = inspect.signature(type(model).forward).parameters
    if _IDS[0] not in takes:
        return
    given = dict[str, torch.Tensor]()
    module = model.get_submodule(norm)
    hook = module.register_forward_hook(lambda _, args, out: given.update(out=out.detach()))
    try:
        with evaluating(model), listening({mlp: model.get_submodule(mlp)}) as heard:
            model(**{name: _tokens(model) for name in _IDS if name in takes})
    except _FAULTS as error:
        raise InvalidInput(
            "the model does not run on token ids, so that it cannot be seen what its MLP reads",
            value=f"{type(error).__name__}: {' '.join(str(error).split())[:120]}",
            remedy="give a model that runs, or its state dict with config=, which is not compared",
        ) from error
    finally:
        hook.remove()
    if mlp not in heard or not _equal(given.get("out"), heard[mlp]):
        raise InvalidInput(
            "the MLP does not read what the norm gives",
            value=f"{mlp} behind {norm}",
            remedy="leave family= out, or give a Family whose norm stands in front of the MLP",
        )


def _tokens(model: nn.Module) -> torch.Tensor:
    """A few ids that differ, where the weights are."""
    weight = next(model.parameters())
    embeddings = getattr(model, "get_input_embeddings", lambda: None)()
    count = getattr(embeddings, "num_embeddings", _TOKENS + 1)
    return (torch.arange(1, _TOKENS + 1, device=weight.device) % count)[None]


def _equal(given: torch.Tensor | None, read: torch.Tensor) -> bool:
    return (
        given is not None
        and given.numel() == read.numel()
        and torch.equal(given.to(read.dtype).reshape(-1), read.reshape(-1))
    )


def refuse_another_mlp(read: Network | GatedMLP, model: nn.Module, paths: list[str]) -> None:
    """Refuse where the modules at these paths, run in turn, do more than their weights say, or
    compute something else than was read.
    """
    views, found = Views(), []
    with torch.no_grad():
        for path in paths:
            module = _module(model, path)
            refuse_more_than_weights(module)
            found.append(views.of(module))
    refuse_another_function(read, nn.Sequential(*found))


def _module(model: nn.Module, path: str) -> nn.Module:
    for name in path.split("."):
        inside = unwrapped(model)._modules.get(name)
        if inside is None:
            raise InvalidInput(
                "the model has no such module",
                value=path,
                remedy="name those that compute the MLP in runs= of the Family",
            )
        model = inside
    return model
