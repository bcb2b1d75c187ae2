"""A language model as tensors by name and its config, whatever it is given as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from exact.errors import InvalidInput
from exact.sources import checkpoint_folders
from exact.sources.checkpoint_folders import Tensors
from exact.sources.checkpoint_names import stored_names
from exact.sources.torch_views import Views, refuse_more_than_weights, unwrapped

# what older checkpoints call the norms of BERT
_OLD = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


@dataclass(frozen=True)
class ModelTensors:
    """Tensors by their bare names, what the config says (of the text part, where there are
    others), the names that are stored; the model where it lives.
    """

    tensors: Tensors
    config: Mapping[str, Any]
    stored: Mapping[str, str]
    model: nn.Module | None = None


def model_tensors(model: Any, config: Any = None) -> ModelTensors:
    """Read a live model, a checkpoint folder (or hub name), or a state dict with its config.

    A live model is copied shallowly, in evaluation mode and without its wrappers; a bridge of
    TransformerLens with a hook of the user's is refused. Raises InvalidInput for other objects and
    for two tensors of one name.

    >>> model_tensors({"module.w": 3}, {"model_type": "gpt2"}).stored
    {'w': 'module.w'}
    """
    if config is not None and not isinstance(model, Mapping):
        raise InvalidInput(
            "a config is for state dicts",
            value=type(model).__name__,
            remedy="leave it out: models and folders have their own",
        )
    if isinstance(model, str | Path):
        where = checkpoint_folders.folder(model)
        return _named(checkpoint_folders.tensors(where), checkpoint_folders.config(where))
    if isinstance(model, Mapping):
        return _named(_held(model), _dictionary(config))
    found = _live(model)
    held = _held(Views().of(found).state_dict())
    return _named(held, _dictionary(getattr(found, "config", None)), found)


def _held(state: Mapping[str, Any]) -> Tensors:
    return {str(name): partial(_itself, tensor) for name, tensor in state.items()}


def _itself(tensor: Any) -> Any:
    return tensor


def _live(model: Any) -> nn.Module:
    """The transformers model inside its wrappers: nnsight's keep it in `_module`, TransformerLens'
    bridge in `original_model`.
    """
    inside = getattr(model, "_module", model) if not isinstance(model, nn.Module) else model
    if not isinstance(inside, nn.Module):
        raise InvalidInput(
            "not a model",
            value=type(model).__name__,
            remedy="give a transformers model, a checkpoint folder, or a state dict with config=",
        )
    inside = unwrapped(inside)
    original = getattr(inside, "original_model", None)
    if not isinstance(original, nn.Module):
        return inside
    refuse_more_than_weights(inside)  # hooks stand at points beside the model, too
    return original


def _dictionary(config: Any) -> Mapping[str, Any]:
    found = config.to_dict() if hasattr(config, "to_dict") else config
    return found if isinstance(found, Mapping) else {}


def _named(
    tensors: Tensors, config: Mapping[str, Any], model: nn.Module | None = None
) -> ModelTensors:
    text = config.get("text_config")  # of models that see, too
    if isinstance(text, Mapping):
        quantised = "quantization_config"
        config = {**text, quantised: config.get(quantised) or text.get(quantised)}
    stored = {}
    for name, kept in stored_names(tensors).items():
        old = next((end for end in _OLD if name.endswith(end)), None)
        stored[name if old is None else name.removesuffix(old) + _OLD[old]] = kept
    held = {name: tensors[kept] for name, kept in stored.items()}
    return ModelTensors(held, config, stored, model)
