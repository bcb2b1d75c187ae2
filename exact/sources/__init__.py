"""Where networks come from: arrays (`tensors`), torch modules (`torch_modules`), language models
(`transformers`, `gpt2`), `.nnet` files (`nnet`), weights with their architecture (`weight_files`);
and the vectors that they read in a model (`residual_streams`).

A new source is a file here with a function that returns a `Network`, and its name twice below. The
command line reads runs and `weight_files`. Each is imported when it is first asked for: arrays need
no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exact.sources import (
        gpt2,
        nnet,
        residual_streams,
        tensors,
        torch_modules,
        transformers,
        weight_files,
    )

__all__ = [
    "gpt2",
    "nnet",
    "residual_streams",
    "tensors",
    "torch_modules",
    "transformers",
    "weight_files",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'exact.sources' has no attribute {name!r}")
    return import_module(f"exact.sources.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
