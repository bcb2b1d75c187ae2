"""Trained language models of any family that the readers take: the model itself, and its MLP layers
as subjects of a study, with what stands in front of them on a text that every machine has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exact.errors import InvalidInput, MissingExtra
from exact.sources import checkpoint_folders, transformers
from exact.sources.residual_streams import capture
from studies.language_layers import (
    NO_TOKEN,
    POSITIONS,
    SEQUENCES,
    SKIPPED,
    LanguageLayer,
    mlp_of,
    spread,
)
from toy_models import language, texts
from toy_models.variants import MODEL_TYPES

VARIANTS = frozenset(MODEL_TYPES.values()) - {"gpt2"}
TEXT_BYTES = 200_000


def model_of(folder: Path, device: str = "cpu") -> Any:
    """The model without its head, with the types of its weights, in evaluation mode; one of our
    variants of GPT-2 with its head, as it was trained.

    Raises InvalidInput for what cannot be read, MissingExtra without transformers.
    """
    if checkpoint_folders.config(folder).get("model_type") in VARIANTS:
        return language.load(folder).to(device)
    try:
        from transformers import AutoModel
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra(
            "language models need transformers",
            value=str(error),
            remedy="pip install 'exactlens[gpt2]'",
        ) from error
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        model = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype="auto"
        )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise InvalidInput(
            "the language model cannot be read",
            value=f"{folder}: {error}",
            remedy="restore the files, or save the model again",
        ) from error
    return model.eval().to(device)


def layers_of(
    folder: Path, name: str, report: Callable[[str], None], count: int
) -> tuple[LanguageLayer, ...]:
    """The first, middle and last layer of the model in a folder, with `count` of the vectors in
    front of their norms on sources of the standard library, spread evenly over its sequences.

    Raises Unsupported for a gated MLP, InvalidInput for a model or tokenizer that cannot be read.
    """
    depth = transformers.layer_count(folder)
    numbers = sorted({0, depth // 2, depth - 1})
    networks = {number: mlp_of(folder, number, f"{name}, layer {number}") for number in numbers}
    model = model_of(folder)
    ids = _windows(texts.tokenizer(folder)(texts.standard_library_text(TEXT_BYTES)), model)
    report(f"running {name} on {len(ids)} sequences")
    streams = capture(model, ids, numbers)
    kept = np.flatnonzero(streams.positions >= SKIPPED)
    places = kept[spread(kept, count).numpy()]
    following = np.append(streams.tokens[1:], NO_TOKEN)
    following[np.append(streams.sequences[1:] != streams.sequences[:-1], True)] = NO_TOKEN
    layers = []
    for number, network in networks.items():
        report(f"reading layer {number} of {name}")
        layers.append(
            LanguageLayer(
                f"{name}, layer {number}",
                number,
                network,
                streams.vectors(number)[torch.from_numpy(places)].clone(),
                folder,
                sequences=torch.from_numpy(streams.sequences[places]),
                tokens=torch.from_numpy(np.stack([streams.tokens, following], 1)[places]),
                positions=torch.from_numpy(streams.positions[places]),
                previous=mlp_of(folder, number - 1, name) if number else None,
            )
        )
    return tuple(layers)


def _windows(tokens: Sequence[int], model: Any) -> list[list[int]]:
    """Token ids in sequences of the length that the tiny model has, or shorter where the model
    takes no more.
    """
    most = int(getattr(model.config, "max_position_embeddings", POSITIONS))
    length = min(POSITIONS, most)
    whole = [list(tokens[k : k + length]) for k in range(0, len(tokens) - length + 1, length)]
    if not whole:
        raise InvalidInput(
            "the text is shorter than a sequence", value=len(tokens), remedy="take another model"
        )
    return whole[:SEQUENCES]
