"""Where networks come from: arrays (`tensors`), torch modules (`torch_modules`), language models
(`transformers`, `gpt2`), `.nnet` files (`nnet`).
"""

from __future__ import annotations

from exact.sources import gpt2, nnet, tensors, torch_modules, transformers

__all__ = ["gpt2", "nnet", "tensors", "torch_modules", "transformers"]
