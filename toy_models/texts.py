"""Text that every machine has, and what makes tokens of it."""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from exact.errors import InvalidInput
from toy_models.stored_files import json_object
from toy_models.validation import at_least
from toy_models.variants import transformers

SEPARATOR = b"\0"
OWN_FILE = "exactlens.json"
TOKENIZERS = ("tokenizer.json", "vocab.json")


def standard_library_text(limit: int = 1_000_000) -> bytes:
    """The first `limit` bytes of the standard library's top-level modules, a zero byte after each.

    The order is that of the sha256 of the module names: the same everywhere, and not alphabetical.
    The text itself differs between versions of Python. Raises InvalidInput where Python comes
    without its sources.
    """
    at_least("limit", limit, 1)
    folder = Path(sysconfig.get_path("stdlib"))
    text = bytearray()
    for path in sorted(
        folder.glob("*.py"), key=lambda path: hashlib.sha256(path.name.encode()).digest()
    ):
        text += path.read_bytes() + SEPARATOR
        if len(text) >= limit:
            break
    if not text:
        remedy = "pass a text of your own"
        raise InvalidInput(
            "the standard library has no source files here", value=folder, remedy=remedy
        )
    return bytes(text[:limit])


def tokenise(text: bytes | str, folder: str | Path | None = None) -> Tensor:
    """The tokens of `text` as an int64 tensor (tokens,); InvalidInput for an empty text, and what
    `tokenizer` raises.
    """
    raw = text.encode() if isinstance(text, str) else text
    if not raw:
        raise InvalidInput("the text is empty", value=repr(text), remedy="give a character")
    return torch.tensor(tokenizer(folder)(raw))


def tokenizer(folder: str | Path | None) -> Callable[[bytes], list[int]]:
    """What makes tokens of UTF-8 text: the tokenizer in `folder`, or (no folder, or one that `save`
    wrote) its bytes. InvalidInput where there is neither, MissingExtra without transformers.
    """
    if folder is None or json_object(Path(folder) / OWN_FILE).get("tokens") == "bytes":
        return list
    if not any((Path(folder) / file).is_file() for file in TOKENIZERS):
        remedy = "put tokenizer.json (or vocab.json and merges.txt) beside the weights"
        raise InvalidInput("the folder has no tokenizer", value=folder, remedy=remedy)
    found = transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return lambda raw: list(found(raw.decode(errors="replace"))["input_ids"])


def windows(tokens: Tensor, positions: int, count: int | None = None) -> Tensor:
    """Consecutive windows (sequences, positions) of a row of tokens, at most `count`, spread evenly
    over the row.

    Raises InvalidInput when the row is shorter than one window.
    """
    at_least("positions", positions, 1)
    available = len(tokens) // positions
    if not available:
        remedy = "give a longer text, or write smaller positions"
        raise InvalidInput(
            "the text is shorter than one window", value=f"{len(tokens)} tokens", remedy=remedy
        )
    rows = tokens[: available * positions].reshape(available, positions)
    if count is None or count >= available:
        return rows
    at_least("count", count, 1)
    return rows[torch.arange(count) * available // count]
