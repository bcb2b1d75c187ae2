"""Vectors of the residual stream in front of each MLP's norm, of live `transformers` models.

What is captured is what the norm in front of the MLP reads, by a hook on that module: with a
parallel residual (GPT-NeoX, Phi) the block's input, in post-norm models (BERT) the sum behind
attention. Numbers are stored in the type in which the model computes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import whole_number
from exact.arithmetic.stored_numbers import is_array, plain_array
from exact.atomic_files import holding, left_behind, write_atomically
from exact.errors import InvalidInput, TooLarge, Unsupported
from exact.geometry.budgets import available_bytes, readable_bytes
from exact.sources import stream_shards
from exact.sources.live_runs import evaluating, listening
from exact.sources.torch_views import refuse_hooks, unwrapped
from exact.sources.transformers import norm_path

_MANIFEST, _SHARD, _LOCK = "streams.json", "shard-{:05d}.safetensors", ".streams.lock"
_SHARE = 0.5  # of the free memory that vectors without a folder may take
_ELSEWHERE = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
_INDICES = ("tokens", "positions", "sequences")


@dataclass(frozen=True, eq=False)
class ResidualStreams:
    """The captured rows: token `tokens[i]` at place `positions[i]` of text `sequences[i]`.

    `vectors(layer)` (N x d, a tensor of the model's type) is what the norm in front of that layer's
    MLP read; instruments take it as it is.
    """

    layers: tuple[int, ...]
    tokens: IndexArray
    positions: IndexArray
    sequences: IndexArray
    _read: Callable[[int], torch.Tensor]

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        texts = len(np.unique(self.sequences))
        return f"<{len(self):,} vectors of {texts:,} texts in front of layers {self.layers}>"

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise InvalidInput(
            "captured vectors are asked for layer by layer",
            value=self,
            remedy=f"give .vectors(layer) with one of {self.layers}",
        )

    def vectors(self, layer: int) -> torch.Tensor:
        """The vectors in front of one of the layers, as the model counts them (from 0).

        Raises InvalidInput for a layer that was not captured.
        """
        if layer not in self.layers:
            raise InvalidInput(
                "the layer was not captured", value=layer, remedy=f"give one of {self.layers}"
            )
        return self._read(layer)


def capture(
    model: nn.Module,
    texts: Any,
    layers: int | Sequence[int],
    tokenizer: Any = None,
    *,
    norms: Mapping[int, str] | None = None,
    folder: str | Path | None = None,
    batch_size: int = 8,
    length: int | None = None,
    shard_rows: int = 1 << 16,
) -> ResidualStreams:
    """Run a model on texts and keep the vectors in front of the MLP norms of `layers` (from 0).

    `texts` are strings (or the Path of a file, a text a line), which `tokenizer` turns into ids, or
    token ids: sequences of them, or an array or tensor with a text a row. Texts longer than
    `length` (the most that the model takes) are run in pieces, and a position counts from the start
    of its text. Rows of padding are left out. The model runs where its weights are, in evaluation
    mode. `norms` gives the path of the module to listen at for each layer, of a model whose family
    is not known.

    With a `folder` the rows go to shards of about `shard_rows` rows there, each of which appears
    whole or not at all, with digests of what it holds. The same call (weights, config, texts and
    options) goes on: shards that are there are read once, and those that are missing or damaged are
    made. Raises InvalidInput for texts, layers and ids that are not there and a folder of another
    call, TooLarge for what does not fit into memory without a folder, Unsupported for an unknown
    family without `norms`, and with a folder for hooks of forward passes, which leave no trace in
    weights and config.
    """
    for name, size in (("batch_size", batch_size), ("shard_rows", shard_rows)):
        if whole_number(size, name) < 1:
            raise InvalidInput(f"{name} is not positive", value=size, remedy="give 1 or more")
    pieces = _pieces(_token_ids(model, texts, tokenizer), _most(model, length))
    layers = [layers] if isinstance(layers, int) else list(layers)
    modules = _modules(model, layers, norms)
    shards = list(_shards(pieces, batch_size, shard_rows))
    if folder is None:
        _require_room(model, pieces, len(modules))
        rows = _joined([_run_shard(model, modules, shard) for shard in shards], tuple(modules))
        return _streams(tuple(modules), rows, lambda layer: rows[f"layer.{layer}"])
    refuse_hooks(model)
    place, names = _made(folder), _names(tuple(modules))
    with holding(place / _LOCK, "the folder", "wait for it, or give another folder"):
        _begin(place, _manifest(model, pieces, layers, norms, batch_size, shard_rows))
        for number, shard in enumerate(shards):
            target = place / _SHARD.format(number)
            for rest in left_behind(target):
                rest.unlink()
            if not stream_shards.is_sound(target, names):
                write_atomically(target, stream_shards.packed(_run_shard(model, modules, shard)))
    return _stored(place, tuple(modules), len(shards))


@dataclass(frozen=True)
class _Piece:
    """Token ids that are run together: those of one text from `begin` on."""

    text: int
    begin: int
    ids: tuple[int, ...]


# ---- texts


def _token_ids(model: nn.Module, texts: Any, tokenizer: Any) -> list[list[int]]:
    if isinstance(texts, Path):
        if not texts.is_file():
            raise InvalidInput("no such text file", value=str(texts), remedy="give a file of text")
        texts = [line for line in texts.read_text("utf-8").splitlines() if line.strip()]
    if not hasattr(texts, "__iter__"):
        raise InvalidInput("no texts", value=texts, remedy="give strings, or lists of token ids")
    if is_array(texts):
        texts = _ids_of(texts)
    texts = [texts] if isinstance(texts, str) else list(texts)
    if any(isinstance(text, str) for text in texts):
        if tokenizer is None:
            raise InvalidInput(
                "texts need a tokenizer",
                value=texts[0],
                remedy="give the model's tokenizer, or sequences of token ids",
            )
        texts = [tokenizer(text)["input_ids"] for text in texts]
    texts = [_ids_of(text) if is_array(text) else text for text in texts]
    for number, text in enumerate(texts):
        if not hasattr(text, "__len__"):
            raise InvalidInput(
                f"text {number} is no sequence of token ids",
                value=text,
                remedy="give a list of lists, one for each text",
            )
    found = [[whole_number(token, "a token id") for token in text] for text in texts]
    vocabulary = model.get_input_embeddings().num_embeddings  # type: ignore[operator]
    for number, ids in enumerate(found):
        bad = next((token for token in ids if not 0 <= token < vocabulary), None)
        if bad is not None or not ids:
            raise InvalidInput(
                f"text {number} has {'no token' if bad is None else 'a token that is not there'}",
                value=len(ids) if bad is None else bad,
                remedy=f"give ids 0 .. {vocabulary - 1}",
            )
    if not found:
        raise InvalidInput("there is no text", value=texts, remedy="give at least one")
    return found


def _ids_of(array: Any) -> list[Any]:
    """Token ids that an array or a tensor holds."""
    ids = plain_array(array, "token ids")
    if ids.dtype.kind not in "iu" or not ids.ndim:
        raise InvalidInput(
            "token ids are no whole numbers",
            value=f"{ids.dtype} of shape {ids.shape}",
            remedy="give an array of integers, a text a row",
        )
    return list(ids.tolist())


def _most(model: nn.Module, length: int | None) -> int:
    """The number of tokens of the longest piece."""
    most = getattr(model.config, "max_position_embeddings", None)
    if length is not None and not 1 <= length <= (most or length):
        raise InvalidInput(
            "no such length of pieces", value=length, remedy=f"give 1 .. {most or 'more'}"
        )
    return length or most or 1 << 20


def _pieces(texts: Sequence[Sequence[int]], most: int) -> list[_Piece]:
    return [
        _Piece(number, begin, tuple(ids[begin : begin + most]))
        for number, ids in enumerate(texts)
        for begin in range(0, len(ids), most)
    ]


def _shards(
    pieces: Sequence[_Piece], batch_size: int, shard_rows: int
) -> Iterator[list[list[_Piece]]]:
    """Batches of pieces, as many together as make `shard_rows` rows."""
    shard, rows = list[list[_Piece]](), 0
    for begin in range(0, len(pieces), batch_size):
        shard.append(list(pieces[begin : begin + batch_size]))
        rows += sum(len(piece.ids) for piece in shard[-1])
        if rows >= shard_rows:
            yield shard
            shard, rows = [], 0
    if shard:
        yield shard


# ---- the model


def _modules(
    model: nn.Module, layers: Sequence[int], norms: Mapping[int, str] | None
) -> dict[int, nn.Module]:
    """The modules to listen at: those that stand in front of what `transformers.mlp` reads."""
    known = dict(unwrapped(model).named_modules())
    found = dict[int, nn.Module]()
    for layer in layers:
        path = _norm_path(model, layer) if norms is None else norms.get(layer, "")
        if not path or path not in known:
            raise InvalidInput(
                "the model has no such module",
                value=f"layer {layer}: {path!r}",
                remedy="give norms={layer: the path of the norm in front of its MLP}",
            )
        found[layer] = known[path]
    if not found:
        raise InvalidInput("no layer is asked for", value=layers, remedy="give at least one")
    return found


def _norm_path(model: nn.Module, layer: int) -> str:
    try:
        return norm_path(model, layer)
    except Unsupported as error:
        raise Unsupported(
            error.wrong,
            value=error.value,
            remedy="give norms={layer: the path of the norm in front of its MLP}",
        ) from error


def _run_shard(
    model: nn.Module, modules: Mapping[int, nn.Module], shard: Sequence[Sequence[_Piece]]
) -> dict[str, torch.Tensor]:
    with evaluating(model):
        return _joined([_run(model, modules, batch) for batch in shard], tuple(modules))


def _run(
    model: nn.Module, modules: Mapping[int, nn.Module], batch: Sequence[_Piece]
) -> dict[str, torch.Tensor]:
    """One batch, padded on the right; the rows of its tokens alone."""
    longest = max(len(piece.ids) for piece in batch)
    ids = torch.zeros((len(batch), longest), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for i, piece in enumerate(batch):
        ids[i, : len(piece.ids)] = torch.tensor(piece.ids)
        mask[i, : len(piece.ids)] = 1
    device = next(model.parameters()).device
    with listening(modules) as heard:
        run = getattr(model, "base_model", model)
        run(input_ids=ids.to(device), attention_mask=mask.to(device))
    kept = mask.bool()
    rows = {
        "tokens": ids[kept],
        "positions": torch.cat([p.begin + torch.arange(len(p.ids)) for p in batch]),
        "sequences": torch.cat([torch.full((len(p.ids),), p.text) for p in batch]),
    }
    for layer in modules:
        if layer not in heard:
            raise InvalidInput(
                "the module did not run", value=f"layer {layer}", remedy="give another in norms="
            )
        whole = heard[layer].reshape(len(batch), longest, -1).cpu()
        rows[f"layer.{layer}"] = whole[kept].contiguous()
    return rows


def _joined(parts: Sequence[dict[str, torch.Tensor]], layers: Sequence[int]) -> dict[str, Any]:
    return {name: torch.cat([part[name] for part in parts]) for name in _names(layers)}


def _names(layers: Sequence[int]) -> list[str]:
    return [*_INDICES, *(f"layer.{layer}" for layer in layers)]


def _require_room(model: nn.Module, pieces: Sequence[_Piece], layers: int) -> None:
    weight = model.get_input_embeddings().weight  # type: ignore[operator]
    width = getattr(model.config, "hidden_size", weight.shape[1])
    needed = sum(len(piece.ids) for piece in pieces) * width * weight.element_size() * layers
    room = available_bytes()
    if room is not None and needed > _SHARE * room:
        raise TooLarge(
            "the vectors do not fit into memory",
            value=readable_bytes(needed),
            remedy="give folder=, where they are streamed to shards, or fewer layers",
        )


# ---- folders


def _made(folder: str | Path) -> Path:
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(
            "a file stands where the folder of the streams is to be",
            value=error.filename,
            remedy="give another folder",
        ) from error
    return place


def _manifest(
    model: nn.Module,
    pieces: Sequence[_Piece],
    layers: Sequence[int],
    norms: Mapping[int, str] | None,
    batch_size: int,
    shard_rows: int,
) -> dict[str, Any]:
    texts, weights = hashlib.sha256(), hashlib.sha256()
    for piece in pieces:
        texts.update(f"{piece.text}:{piece.begin}:{piece.ids};".encode())
    for name, weight in model.named_parameters():
        weights.update(f"{name}:{weight.dtype}:{tuple(weight.shape)};".encode())
        stored = weight.detach().cpu().reshape(-1).view(torch.uint8)
        weights.update(stored.numpy().tobytes())
    return {
        "format": 2,
        "model": weights.hexdigest(),
        "config": _config_digest(model.config),
        "texts": texts.hexdigest(),
        "layers": list(layers),
        "norms": {str(layer): path for layer, path in (norms or {}).items()},
        "batch_size": batch_size,
        "shard_rows": shard_rows,
    }


def _config_digest(config: Any) -> str:
    """Of all that the config says but where it came from, and the type, which the weights have."""
    said = config.to_dict() if hasattr(config, "to_dict") else vars(config)
    text = json.dumps(_said(said), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _said(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {key: _said(value) for key, value in values.items() if key not in _ELSEWHERE}


def _begin(place: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, or check that the one that is there is that of the same call."""
    path = place / _MANIFEST
    if not path.exists():
        write_atomically(path, json.dumps(manifest, indent=1).encode())
        return
    try:
        there = json.loads(path.read_text("utf-8"))
    except ValueError:
        there = {}
    other = [key for key in manifest if there.get(key) != manifest[key]]
    if other:
        raise InvalidInput(
            "the folder holds streams of another call",
            value=f"{place}: another {', '.join(other)}",
            remedy="give another folder, or the same model, texts and options to go on",
        )


def _stored(place: Path, layers: tuple[int, ...], shards: int) -> ResidualStreams:
    paths = [place / _SHARD.format(number) for number in range(shards)]

    def read(name: str) -> torch.Tensor:
        parts = list[torch.Tensor]()
        for path in paths:
            parts += stream_shards.tensors(path, [name])
        return torch.cat(parts)

    return _streams(
        layers, {name: read(name) for name in _INDICES}, lambda layer: read(f"layer.{layer}")
    )


def _streams(
    layers: tuple[int, ...], rows: Mapping[str, torch.Tensor], read: Callable[[int], torch.Tensor]
) -> ResidualStreams:
    tokens, positions, sequences = (rows[name].numpy() for name in _INDICES)
    return ResidualStreams(layers, tokens, positions, sequences, read)
