"""MLP layers of GPT-2 checkpoints in the Hugging Face layout, read straight from safetensors.

The block is `ln_2 -> c_fc -> gelu_new -> c_proj`. Hugging Face stores c_fc and c_proj as Conv1D,
that is transposed: weight (in x out). Only the tensors of one layer are read, and no model code is
run. Names may carry what `torch.compile`, DataParallel and adapters write in front of them. A layer
with further tensors (adapters that are not merged, masks, scales) is not what its weights say, and
is refused. Live models and other families: :mod:`exact.sources.transformers`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exact.arithmetic.numbers import whole_number
from exact.errors import Unsupported
from exact.networks.network import Network
from exact.sources import checkpoint_folders, transformers
from exact.sources.checkpoint_folders import folder

__all__ = ["config", "folder", "read"]


def read(name_or_folder: str | Path, layer: int, revision: str | None = None) -> Network:
    """The MLP of one GPT-2 layer as a network: LayerNorm `ln_2`, then d_model -> d_mlp -> d_model,
    without the skip.

    `name_or_folder` is a folder with config.json and model.safetensors (one file or shards), or a
    hub name such as "gpt2", which needs a network (or a filled cache) and the extra `gpt2`;
    `revision` names a hub commit ("gpt2" itself is pinned). `layer` counts from 0. Raises
    InvalidInput for a missing file, a pickle instead of safetensors, a layer that is not there,
    tensors whose shapes disagree with config.json, that are no floats or not finite; Unsupported
    for another model, an activation that is not known, a quantised checkpoint, adapters and masks
    beside the weights.
    """
    layer = whole_number(layer, "layer")
    config(name_or_folder, revision)
    found = transformers.mlp(folder(name_or_folder, revision), layer)
    assert isinstance(found, Network)  # no GPT-2 is gated
    return found


def config(name_or_folder: str | Path, revision: str | None = None) -> dict[str, Any]:
    """The checkpoint's config.json. Raises Unsupported where it is not a GPT-2's."""
    found = checkpoint_folders.config(folder(name_or_folder, revision))
    if found.get("model_type") != "gpt2":
        raise Unsupported(
            "the checkpoint is not a GPT-2",
            value=found.get("model_type"),
            remedy='give a checkpoint with model_type "gpt2", or use exact.sources.transformers',
        )
    return found
