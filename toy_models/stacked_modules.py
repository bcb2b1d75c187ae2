"""One pass through as many copies of a model as there are rows of its stacked weights, and their
losses.

Inside, values are (toys, features, batch): products then have the long batch on their last axis,
forward and backward, and so has everything that goes over it. With the features last the backward
pass of a narrow output takes up to ten times as long.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from toy_models.models import ToyModel
from toy_models.train import LossFunction, one_hot_mse

Weights = Sequence[Tensor]
Stacked = Callable[[Weights, Tensor], Tensor]


def stacked(model: ToyModel) -> Stacked:
    """What maps stacked weights (toys, *shape), in the order of `model.parameters()`, and inputs
    (toys, input_dim, batch) to the outputs (toys, output_dim, batch) of as many copies of a model,
    each at its own inputs.
    """
    blocks = []
    for norm, modules, residual in model.exactlens_blocks():
        steps = modules if norm is None else [norm, *modules]
        blocks.append(([_stacked_module(module) for module in steps], residual))

    def forward(weights: Weights, x: Tensor) -> Tensor:
        left = iter(weights)
        for steps, residual in blocks:
            y = x
            for count, apply in steps:
                y = apply([*islice(left, count)], y)
            x = x + y if residual else y
        return x

    return forward


def _stacked_module(module: nn.Module) -> tuple[int, Stacked]:
    """How many weights a module has, and what it does to a stack."""
    names = [name for name, _ in module.named_parameters()]
    known = STACKED_MODULES.get(type(module))
    if known is not None:
        return len(names), partial(known, module)

    def mapped(weights: Weights, x: Tensor) -> Tensor:
        rows = x.transpose(1, 2)
        if not weights:  # the same for all
            return torch.transpose(module(rows), 1, 2)
        own = dict(zip(names, weights, strict=True))
        found = vmap(lambda one, its: functional_call(module, one, (its,)))(own, rows)
        return torch.transpose(found, 1, 2)

    return len(names), mapped


def _linear(module: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    weight, *bias = weights
    return torch.baddbmm(bias[0][:, :, None], weight, x) if bias else torch.bmm(weight, x)


def _layer_norm(module: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    return _rms_norm(module, weights, x - x.mean(dim=1, keepdim=True))


def _rms_norm(module: nn.Module, weights: Weights, x: Tensor) -> Tensor:
    """In simple steps over the batch: torch's own norms want the features last, and take as long
    for three of them as for sixteen.
    """
    assert isinstance(module, nn.LayerNorm | nn.RMSNorm)
    eps = torch.finfo(x.dtype).eps if module.eps is None else module.eps
    y = x * (x.square().mean(dim=1, keepdim=True) + eps).rsqrt()
    if len(weights) == 2:
        return torch.addcmul(weights[1][:, :, None], y, weights[0][:, :, None])
    return y * weights[0][:, :, None] if weights else y


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, targets, reduction="none").mean(dim=1)


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets.transpose(1, 2)).square().flatten(1).mean(dim=1)


def _one_hot_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    classes = functional.one_hot(targets, outputs.shape[1])
    return _squares(outputs, classes.to(outputs.dtype))


STACKED_MODULES: Mapping[type[nn.Module], Callable[[nn.Module, Weights, Tensor], Tensor]] = (
    MappingProxyType({nn.Linear: _linear, nn.LayerNorm: _layer_norm, nn.RMSNorm: _rms_norm})
)
"""What has a form of its own; all else goes through `torch.func`."""

STACKED_LOSSES: Mapping[LossFunction, LossFunction] = MappingProxyType(
    {
        functional.cross_entropy: _cross_entropy,
        functional.mse_loss: _squares,
        one_hot_mse: _one_hot_squares,
    }
)
"""Of every loss the one that maps outputs (toys, output_dim, batch) and targets (toys, batch, ...)
to the loss of each toy.
"""
