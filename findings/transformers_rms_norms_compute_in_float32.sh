#!/usr/bin/env bash
# Guess: model.double() makes a transformers model compute in float64, as it makes any torch module.
# Seen (transformers 5.23.0, torch 2.13.0): LayerNorm models do; the RMSNorms of LLaMA, Qwen, Mistral and Gemma cast to float32 inside, so
# that a float64 model is off by float32's rounding, and two float64 inputs that differ in the ninth digit are normalised alike.
# So: sources.transformers compares a live model with the network read by running it with every cast made one to float64.
"$(dirname "$0")/with" numpy==2.4.6 torch==2.13.0 transformers==5.23.0 <<'PY'
import torch
import transformers
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.mistral.modeling_mistral import MistralRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

torch.manual_seed(0)
x = torch.randn(5, 64, dtype=torch.float64)
exact = x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
found = {}
for kind in (LlamaRMSNorm, Qwen3RMSNorm, MistralRMSNorm, GemmaRMSNorm):
    norm = kind(64, eps=1e-6).double()
    with torch.no_grad():
        y, near = norm(x), norm(x * (1 + 1e-10 * torch.randn_like(x)))
    off = float((y - exact).abs().max())
    assert y.dtype == torch.float64 and 1e-9 < off < 1e-6, (kind, off)
    assert float((y - near).abs().max()) < 1e-6
    found[kind.__name__] = off
plain = torch.nn.RMSNorm(64, eps=1e-6, dtype=torch.float64)
assert float((plain(x) - exact).abs().max()) < 1e-14
print(f"transformers {transformers.__version__}: float64 norms are off by", {k: f"{v:.1e}" for k, v in found.items()})
PY
