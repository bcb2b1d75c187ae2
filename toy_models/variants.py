"""GPT-2 with other norms and activations: what `LanguageConfig` asks for and transformers does not
have.

The layers are those of transformers' GPT2LMHeadModel, with modules exchanged. A checkpoint says in
its config.json what was exchanged: another norm has a `model_type` of its own, so that no reader
takes it for LayerNorm, and the activation "solu" is one that transformers does not know.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from exact.errors import MissingExtra

MODEL_TYPES = {"layernorm": "gpt2", "rmsnorm": "gpt2_rmsnorm", "none": "gpt2_without_norm"}
SOLU = "solu"
ACTIVATIONS = ("gelu_new", "gelu", "relu", "silu", SOLU)
BEHIND = "norm_behind_activation"


class SoLU(nn.Module):
    """z * softmax(z) over the last axis, and a LayerNorm behind it where one is given.

    Every output depends on all of z, so that it has no spline code and is not piecewise affine.

    >>> SoLU()(torch.tensor([0.0, 0.0, 3.0])).round(decimals=3)
    tensor([0.0000, 0.0000, 2.7280])
    """

    def __init__(self, norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, z: Tensor) -> Tensor:
        found = z * torch.softmax(z, dim=-1)
        return found if self.norm is None else self.norm(found)


def shape_of(norm: str, activation: str, behind: bool, **sizes: Any) -> Any:
    """The config of a model: transformers' own GPT2Config where it has all of it."""
    kind = MODEL_TYPES[norm]
    more = {BEHIND: True} if behind else {}
    return _config_class(kind)(activation_function=activation, **more, **sizes)


def class_of(model_type: str, activation: str) -> Any:
    """The class of models with this config: transformers' own where it can be."""
    if model_type == MODEL_TYPES["layernorm"] and activation != SOLU:
        return transformers().GPT2LMHeadModel
    return _model_class(model_type)


@cache
def _config_class(model_type: str) -> Any:
    own = transformers().GPT2Config
    if model_type == own.model_type:
        return own
    return type("VariantConfig", (own,), {"model_type": model_type})


@cache
def _model_class(kind: str) -> Any:
    class Variant(transformers().GPT2LMHeadModel):  # type: ignore[misc]
        config_class = _config_class(kind)

        def __init__(self, config: Any) -> None:
            said = config.activation_function
            config.activation_function = "relu" if said == SOLU else said  # exchanged below
            super().__init__(config)
            config.activation_function = said
            _exchange(self, config)

    return Variant


def _exchange(model: Any, config: Any) -> None:
    """Put the norms and activations of the config into a GPT-2."""
    body, width, eps = model.transformer, config.n_embd, config.layer_norm_epsilon
    norms = {"gpt2_rmsnorm": lambda: nn.RMSNorm(width, eps=eps), "gpt2_without_norm": nn.Identity}
    make = norms.get(config.model_type)
    if make is not None:
        body.ln_f = make()
    for block in body.h:
        if make is not None:
            block.ln_1, block.ln_2 = make(), make()
        if config.activation_function == SOLU:
            inner = block.mlp.c_proj.weight.shape[0]
            behind = getattr(config, BEHIND, False)
            block.mlp.act = SoLU(nn.LayerNorm(inner, eps=eps) if behind else None)


def transformers() -> ModuleType:
    """The package. Raises MissingExtra where it is not installed."""
    try:
        import transformers as found
    except ImportError as error:
        remedy = 'install the extra: pip install "exactlens[gpt2]"'
        raise MissingExtra(
            "language models need transformers", value=str(error), remedy=remedy
        ) from error
    return found
