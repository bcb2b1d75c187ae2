"""Where networks come from: arrays (`tensors`), torch modules (`torch_modules`), language models
(`transformers`, `gpt2`), `.nnet` files (`nnet`), weights with their architecture (`weight_files`);
and the vectors that they read in a model (`residual_streams`).

A new source is a file here with a function that returns a `Network`, and its name twice below. The
command line reads runs and `weight_files`.
"""

from __future__ import annotations

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
