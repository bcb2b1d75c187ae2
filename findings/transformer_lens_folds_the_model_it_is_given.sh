#!/usr/bin/env bash
# Guess: TransformerBridge.boot_transformers(hf_model=model) and enable_compatibility_mode() work on a copy; or, as the bridge computes the
# same logits, each MLP computes the same function before and after.
# Seen (transformer-lens 4.3.0, transformers 5.23.0): the modules of the model that was passed are replaced by components of the bridge, its
# state dict has other names, and compatibility mode folds and centres its very weights: ln_2 becomes ones and zeros, and the MLP's output
# loses its mean. log-softmax of the logits agrees to float32's rounding. Post-norm models (OPT with do_layer_norm_before false) are left.
# So: sources.transformers reads through the components and never folds; docs/sources.md says to read before, or to pass a copy.
"$(dirname "$0")/with" numpy==2.4.6 torch==2.13.0 transformers==5.23.0 transformer-lens==4.3.0 <<'PY'
import copy
import os

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformer_lens.model_bridge import TransformerBridge

words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(40)}, unk_token="w39"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
special = {"bos_token": "w0", "eos_token": "w0", "pad_token": "w0", "unk_token": "w39"}
transformers.PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained("tiny")
sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 40, "n_positions": 8, "bos_token_id": 0, "eos_token_id": 0}
torch.manual_seed(0)
model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).eval()
with torch.no_grad():
    for parameter in model.parameters():
        parameter.copy_(torch.randn_like(parameter))
model.save_pretrained("tiny")
kept, name, ids = copy.deepcopy(model), "transformer.h.0.ln_2.weight", torch.tensor([[1, 2, 3]])
bridge = TransformerBridge.boot_transformers(
    "tiny", hf_model=model, tokenizer=transformers.AutoTokenizer.from_pretrained("tiny"), dtype=torch.float32
)
assert name in kept.state_dict() and name not in model.state_dict()
bridge.enable_compatibility_mode()
with torch.no_grad():
    logits = [torch.log_softmax(part, -1) for part in (kept(ids).logits, bridge(ids))]
    x = torch.randn(5, 1, 16)
    before = kept.transformer.h[0].mlp(kept.transformer.h[0].ln_2(x))
    after = bridge.blocks[0].mlp(bridge.blocks[0].ln2(x))
assert float((logits[0] - logits[1]).abs().max()) < 1e-3
assert torch.equal(model.transformer.h[0].ln_2.weight, torch.ones(16))
centred = before - before.mean(-1, keepdim=True)
off = [float((after - y).abs().max() / before.abs().max()) for y in (before, centred)]
assert off[0] > 1e-2 and off[1] < 1e-5, off
print(f"transformer-lens 4.3.0: the model passed is folded; its MLP is off by {off[0]:.2f}, and by {off[1]:.0e} without the mean")
PY
