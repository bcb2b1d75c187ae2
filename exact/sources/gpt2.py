"""MLP layers of GPT-2 checkpoints in the Hugging Face layout, read straight from safetensors.

The block is `ln_2 -> c_fc -> gelu_new -> c_proj`. Hugging Face stores c_fc and c_proj as Conv1D,
that is transposed: weight (in x out). Only the tensors of one layer are read, and no model code is
run. Names may carry what `torch.compile`, DataParallel and adapters write in front of them. A layer
with further tensors (adapters that are not merged, masks, scales) is not what its weights say, and
is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from exact.arithmetic.numbers import FloatArray, whole_number
from exact.arithmetic.stored_numbers import plain_array
from exact.errors import InvalidInput, MissingExtra, Unsupported
from exact.networks.activations import NAMED
from exact.networks.network import Network
from exact.sources import tensors
from exact.sources.checkpoint_names import stored_names

_PINNED = {
    name: "607a30d783dfa663caf39e06633721c8d4cfcd7e" for name in ("gpt2", "openai-community/gpt2")
}
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"


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
    where = folder(name_or_folder, revision)
    entries = _config(where)
    return _assemble(_tensors(where, entries, layer), entries)


def config(name_or_folder: str | Path, revision: str | None = None) -> dict[str, Any]:
    """The checkpoint's config.json."""
    return _config(folder(name_or_folder, revision))


def folder(
    name_or_folder: str | Path, revision: str | None = None, also: Sequence[str] = ()
) -> Path:
    """The folder of a checkpoint; a hub name is downloaded once, with the files that match the
    patterns `also`.

    Raises InvalidInput for a path that is no folder, a pickle, or a hub that does not answer;
    MissingExtra without huggingface_hub.
    """
    path = Path(name_or_folder)
    if path.is_dir():
        return path
    if path.suffix in (".bin", ".pt", ".pth", ".pkl"):
        raise InvalidInput(
            "pickled weights are not read, because unpickling runs code",
            value=str(path),
            remedy="save the model with save_pretrained(..., safe_serialization=True)",
        )
    if path.exists() or path.is_absolute() or str(name_or_folder).startswith((".", "~")):
        raise InvalidInput(
            "not a checkpoint folder", value=str(path), remedy="give a folder with config.json"
        )
    return _from_hub(str(name_or_folder), revision, also)


def _from_hub(name: str, revision: str | None, also: Sequence[str]) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise MissingExtra(
            "hub names need huggingface_hub", value=name, remedy="pip install 'exactlens[gpt2]'"
        ) from error
    wanted = ["config.json", _WEIGHTS, _INDEX, "model-*.safetensors", *also]
    try:
        return Path(
            snapshot_download(name, revision=revision or _PINNED.get(name), allow_patterns=wanted)
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise InvalidInput(
            "no such folder, and the hub could not be asked",
            value=f"{name} ({type(error).__name__})",
            remedy="give a folder with config.json and model.safetensors, or go online",
        ) from error


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise InvalidInput(
            "the checkpoint has no config.json",
            value=str(folder),
            remedy="give a Hugging Face GPT-2 folder",
        )
    loaded = _json(path)
    if not isinstance(loaded, dict) or loaded.get("model_type") != "gpt2":
        kind = loaded.get("model_type") if isinstance(loaded, dict) else type(loaded).__name__
        raise Unsupported(
            "the checkpoint is not a GPT-2",
            value=kind,
            remedy='give a checkpoint with model_type "gpt2"',
        )
    quantised = loaded.get("quantization_config")
    if quantised is not None:
        method = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
        raise Unsupported(
            "the checkpoint is quantised",
            value=method,
            remedy="save the dequantised model, and read that",
        )
    return loaded


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path.name} is not JSON", value=str(path), remedy="save the checkpoint again"
        ) from error


def _number(
    config: dict[str, Any], key: str, kind: type[int] | type[float], default: float | None = None
) -> Any:
    """An entry of config.json as a number; a missing key means the default, if there is one."""
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | kind):
        raise InvalidInput(
            f"config.json has no usable {key}",
            value=repr(config.get(key)),
            remedy=f"give {key} as a number",
        )
    try:
        return kind(value)
    except OverflowError as error:
        raise InvalidInput(
            f"{key} in config.json is too large", value=f"{str(value)[:20]}...", remedy="correct it"
        ) from error


def _files(folder: Path) -> dict[str, Path] | Path:
    """The one weights file, or the shard of every tensor."""
    if (folder / _WEIGHTS).is_file():
        return folder / _WEIGHTS
    if (folder / _INDEX).is_file():
        index = _json(folder / _INDEX)
        shards = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(shards, dict) or not all(
            isinstance(file, str) for file in shards.values()
        ):
            raise InvalidInput(
                f"{_INDEX} has no usable weight_map",
                value=str(folder),
                remedy="save the checkpoint again",
            )
        return {key: folder / Path(file).name for key, file in shards.items()}
    pickles = sorted(
        p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".pkl")
    )
    if pickles:
        raise InvalidInput(
            "the checkpoint has pickled weights only, and unpickling runs code",
            value=pickles[0],
            remedy="save it with save_pretrained(..., safe_serialization=True)",
        )
    raise InvalidInput(
        "the checkpoint has no model.safetensors",
        value=str(folder),
        remedy="give a complete folder",
    )


def _tensors(folder: Path, config: dict[str, Any], layer: int) -> dict[str, FloatArray]:
    count = _number(config, "n_layer", int)
    if not 0 <= layer < count:
        raise InvalidInput(
            "the checkpoint has no such layer", value=layer, remedy=f"give 0 .. {count - 1}"
        )
    places = _places(_files(folder), f"h.{layer}.")
    names = [
        f"{part}.{kind}"
        for part in ("ln_2", "mlp.c_fc", "mlp.c_proj")
        for kind in ("weight", "bias")
    ]
    for name in sorted(places.keys() - names):
        raise Unsupported(
            "the layer has tensors beside its weights",
            value=places[name][1],
            remedy="merge adapters, masks and scales into the weights, and save again",
        )
    found = {}
    for name in names:
        if name not in places:
            raise InvalidInput(
                "the checkpoint lacks a tensor",
                value=f"transformer.h.{layer}.{name}",
                remedy="give a complete GPT-2 checkpoint",
            )
        found[name] = _tensor(*places[name])
    return found


def _places(files: dict[str, Path] | Path, layer: str) -> dict[str, tuple[Path, str]]:
    """The file and the stored name of every tensor of the layer's norm and MLP, by its name within
    the layer.
    """
    if isinstance(files, Path):
        with _opened(files) as archive:
            files = dict.fromkeys(archive.keys(), files)
    within = {}
    for name, stored in stored_names(files).items():
        own = name.removeprefix("transformer.")
        if own.startswith((f"{layer}ln_2.", f"{layer}mlp.")):
            within[own.removeprefix(layer)] = (files[stored], stored)
    return within


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(str(path), framework="pt") as archive:
            yield archive
    except (SafetensorError, FileNotFoundError) as error:
        raise InvalidInput(
            "the weights file cannot be read",
            value=f"{path.name}: {error}",
            remedy="copy the checkpoint again",
        ) from error


def _tensor(path: Path, name: str) -> FloatArray:
    with _opened(path) as archive:
        stored = plain_array(archive.get_tensor(name), name)
    if stored.dtype != np.float64:
        raise InvalidInput(
            f"{name} has integers",
            value=stored.dtype,
            remedy="save the dequantised model, and read that",
        )
    for place in np.argwhere(~np.isfinite(stored))[:1].tolist():
        raise InvalidInput(
            "a tensor has a non-finite entry",
            value=f"{name}{place} = {stored[tuple(place)]}",
            remedy="every entry must be finite",
        )
    return stored


def _assemble(found: dict[str, FloatArray], config: dict[str, Any]) -> Network:
    d_model = _number(config, "n_embd", int)
    d_mlp = 4 * d_model if config.get("n_inner") is None else _number(config, "n_inner", int)
    shapes = {
        "ln_2.weight": (d_model,),
        "ln_2.bias": (d_model,),
        "mlp.c_fc.weight": (d_model, d_mlp),
        "mlp.c_fc.bias": (d_mlp,),
        "mlp.c_proj.weight": (d_mlp, d_model),
        "mlp.c_proj.bias": (d_model,),
    }
    for name, shape in shapes.items():
        if tuple(found[name].shape) != shape:
            raise InvalidInput(
                "a tensor's shape disagrees with config.json",
                value=f"{name} {tuple(found[name].shape)}",
                remedy=f"expected {shape}",
            )
    activation = NAMED.get(str(config.get("activation_function", "gelu_new")))
    if activation is None:
        raise Unsupported(
            "unknown activation",
            value=config["activation_function"],
            remedy=f"one of {list(NAMED)}",
        )
    return tensors.block(
        found["mlp.c_fc.weight"].T,
        found["mlp.c_fc.bias"],
        found["mlp.c_proj.weight"].T,
        found["mlp.c_proj.bias"],
        norm="layernorm",
        gain=found["ln_2.weight"],
        bias=found["ln_2.bias"],
        eps=_number(config, "layer_norm_epsilon", float, 1e-5),
        activation=activation,
    )
