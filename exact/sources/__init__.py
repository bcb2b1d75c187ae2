"""Where networks come from: plain arrays (`tensors`), torch modules (`torch_modules`), GPT-2 checkpoints (`gpt2`)."""

from __future__ import annotations

from exact.sources import gpt2, tensors, torch_modules

__all__ = ["gpt2", "tensors", "torch_modules"]
