"""Checkpoint folders of Hugging Face: config.json and safetensors, one file or shards, from disk or
from the hub.

Tensors are read one by one, and no model code is run. Names may carry what `torch.compile`,
DataParallel and adapters write in front of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from exact.errors import InvalidInput, MissingExtra, Unsupported

Tensors = Mapping[str, Callable[[], Any]]
"""Names, and what gives the tensor of each."""

_PINNED = {
    name: "607a30d783dfa663caf39e06633721c8d4cfcd7e" for name in ("gpt2", "openai-community/gpt2")
}
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
_PICKLES = (".bin", ".pt", ".pth", ".pkl")


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
    if path.suffix in _PICKLES:
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
    wanted = ["config.json", _ADAPTER, _WEIGHTS, _INDEX, "model-*.safetensors", *also]
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


def config(folder: Path) -> dict[str, Any]:
    """The folder's config.json. Raises InvalidInput where there is none, Unsupported where it
    is no object, and for a folder with an adapter.
    """
    _refuse_adapter(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise InvalidInput(
            "the checkpoint has no config.json",
            value=str(folder),
            remedy="give a Hugging Face folder",
        )
    loaded = _json(path)
    if not isinstance(loaded, dict):
        raise Unsupported(
            "config.json is no object",
            value=type(loaded).__name__,
            remedy="save the checkpoint again",
        )
    return loaded


def tensors(folder: Path) -> Tensors:
    """The tensors that are stored, by their stored names.

    Raises InvalidInput for missing, damaged and pickled weights, Unsupported for an adapter.
    """
    _refuse_adapter(folder)
    files = _files(folder)
    if isinstance(files, Path):
        with _opened(files) as archive:
            files = dict.fromkeys(archive.keys(), files)
    return {name: partial(_tensor, file, name) for name, file in files.items()}


def _refuse_adapter(folder: Path) -> None:
    """Refuse what peft saves: weights that are added to those of a base model."""
    path = folder / _ADAPTER
    if not path.is_file():
        return
    said = _json(path)
    kind = said.get("peft_type") if isinstance(said, dict) else None
    raise Unsupported(
        "the folder has an adapter",
        value=f"{kind}, {path}" if isinstance(kind, str) else f"{_ADAPTER} in {folder}",
        remedy="save the merged model: model.merge_and_unload().save_pretrained(...)",
    )


def _tensor(path: Path, name: str) -> Any:
    with _opened(path) as archive:
        return archive.get_tensor(name)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{path.name} is not JSON", value=str(path), remedy="save the checkpoint again"
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
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES)
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
