"""Shards of captured vectors: safetensors files with a digest of each tensor in their metadata, so
that what was damaged on a disk is not taken for data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from exact.errors import InvalidInput


def packed(tensors: dict[str, torch.Tensor]) -> bytes:
    """The bytes of a shard."""
    return save(tensors, {name: _digest(tensor) for name, tensor in tensors.items()})


def tensors(path: Path, names: Sequence[str]) -> list[torch.Tensor]:
    """Some tensors of a shard. Raises InvalidInput for one that is missing, truncated or holds
    something else than was written. Cost: one read, and a digest.

    >>> import torch
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from exact.sources.stream_shards import packed
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "shard"
    ...     size = path.write_bytes(packed({"tokens": torch.tensor([3, 1])}))
    ...     tensors(path, ["tokens"])
    [tensor([3, 1])]
    """
    try:
        with safe_open(str(path), framework="pt") as archive:
            digests = archive.metadata() or {}
            found = [archive.get_tensor(name) for name in names]
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    for name, tensor in zip(names, found, strict=True):
        if digests.get(name) != _digest(tensor):
            raise _damaged(path, f"{name} is not what was written")
    return found


def is_sound(path: Path, names: Sequence[str]) -> bool:
    """Whether a shard is there and holds what was written."""
    if not path.exists():
        return False
    try:
        tensors(path, names)
    except InvalidInput:
        return False
    return True


def _digest(tensor: torch.Tensor) -> str:
    found = hashlib.sha256(f"{tensor.dtype}:{tuple(tensor.shape)};".encode())
    if tensor.numel():
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _damaged(path: Path, why: object) -> InvalidInput:
    return InvalidInput(
        "a shard of captured vectors is damaged",
        value=f"{path.name}: {why}",
        remedy="capture again into the folder: such shards are made anew",
    )
