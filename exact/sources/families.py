"""Families of language models: where their blocks keep an MLP and its norm, one row a family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

from exact.networks.activations import Activation

T = TypeVar("T")
Said: TypeAlias = T | tuple[str, T]
"""A value, or the entry of config.json that holds it, with what a missing entry means."""


@dataclass(frozen=True)
class Family:
    """Where the blocks of a family keep the parts of an MLP, and what is said of them.

    `norm`, `up`, `down` and, where the MLP is gated, `gate` are modules by their path in a block;
    `norm` is None where no norm stands in front. `blocks` is the name of the list of blocks.
    `transposed` weights are (in x out), as those of Conv1D. The norm's gain is its weight plus
    `gain_plus`. `bias` and `affine` say whether the layers have biases and the norm has weights
    (None: as stored). `skip` is what the residual stream adds to the MLP: the block's "input"
    behind attention (pre-norm), the "normed" vector (post-norm), or neither: "parallel", where the
    norm reads the block's input and attention is added beside the MLP, and "norm behind", where
    the MLP's output passes another norm, which is not read. `otherwise` names an entry of
    config.json and what changes where it is false. `runs` are the modules that compute the MLP
    behind its norm, in turn; left out, it is the one module that holds up and down. Where there is
    none, a live model is not run to compare it.
    """

    norm: str | None
    up: str
    down: str
    gate: str | None = None
    blocks: str = "layers"
    runs: tuple[str, ...] = ()
    transposed: bool = False
    norm_kind: Literal["layernorm", "rms"] = "layernorm"
    gain_plus: int = 0
    eps: Said[float] = ("layer_norm_eps", 1e-5)
    activation: Said[str | Activation] = ("hidden_act", "gelu")
    renamed: Mapping[str, str] | None = None
    bias: Said[bool] | None = True
    affine: Said[bool] | None = True
    skip: Literal["input", "normed", "parallel", "norm behind"] = "input"
    otherwise: tuple[str, Mapping[str, Any]] | None = None
    depth: str = "num_hidden_layers"
    sizes: tuple[str, str] | None = ("hidden_size", "intermediate_size")

    def said_in(self, config: Mapping[str, Any]) -> Family:
        """The family as this config has it."""
        key, changes = self.otherwise or ("", {})
        return self if config.get(key, True) else replace(self, otherwise=None, **changes)

    @property
    def layers(self) -> dict[str, str]:
        """Names of the layers by what they are."""
        named = {"up": self.up, "gate": self.gate, "down": self.down}
        return {part: name for part, name in named.items() if name is not None}

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that compute the MLP with its norm, in turn; empty where it is not known."""
        heads = {name.rpartition(".")[0] for name in self.layers.values()}
        runs = self.runs or (tuple(heads) if len(heads) == 1 and heads != {""} else ())
        return runs if self.norm is None or not runs else (self.norm, *runs)


_NEOX = Family(
    "post_attention_layernorm",
    "mlp.dense_h_to_4h",
    "mlp.dense_4h_to_h",
    skip="parallel",
    otherwise=("use_parallel_residual", {"skip": "input"}),
)
_LLAMA = Family(
    "post_attention_layernorm",
    "mlp.up_proj",
    "mlp.down_proj",
    gate="mlp.gate_proj",
    norm_kind="rms",
    eps=("rms_norm_eps", 1e-6),
    activation=("hidden_act", "silu"),
    bias=False,
)
_GEMMA = replace(_LLAMA, gain_plus=1, activation=("hidden_act", "gelu_pytorch_tanh"))
_GEMMA_2 = replace(
    _GEMMA,
    norm="pre_feedforward_layernorm",
    activation=("hidden_activation", "gelu_pytorch_tanh"),
    skip="norm behind",
)
_GPT2 = Family(
    "ln_2",
    "mlp.c_fc",
    "mlp.c_proj",
    blocks="h",
    transposed=True,
    eps=("layer_norm_epsilon", 1e-5),
    activation=("activation_function", "gelu_new"),
    depth="n_layer",
    sizes=("n_embd", "n_inner"),
)
FAMILIES: dict[str, Family] = {
    "gpt2": _GPT2,
    "gpt_neox": _NEOX,
    "phi": Family(
        "input_layernorm",
        "mlp.fc1",
        "mlp.fc2",
        activation=("hidden_act", "gelu_new"),
        skip="parallel",
    ),
    "opt": Family(
        "final_layer_norm",
        "fc1",
        "fc2",
        runs=("fc1", "activation_fn", "fc2"),
        eps=1e-5,  # in no config
        activation=("activation_function", "relu"),
        bias=("enable_bias", True),
        affine=("layer_norm_elementwise_affine", True),
        otherwise=("do_layer_norm_before", {"norm": "self_attn_layer_norm", "skip": "normed"}),
        sizes=("hidden_size", "ffn_dim"),
    ),
    "llama": replace(_LLAMA, bias=("mlp_bias", False)),
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "mistral": _LLAMA,
    "gemma": replace(_GEMMA, renamed={"gelu": "gelu_pytorch_tanh"}),  # as transformers reads it
    "gemma2": _GEMMA_2,
    "gemma3": _GEMMA_2,
    "gemma3_text": _GEMMA_2,
    "bert": Family(
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        blocks="layer",
        runs=("intermediate", "output.dense"),
        eps=("layer_norm_eps", 1e-12),
        skip="normed",
    ),
    "gpt2_rmsnorm": replace(_GPT2, norm_kind="rms"),  # toys: GPT-2 with other norms
    "gpt2_without_norm": replace(_GPT2, norm=None),
}
"""Families by the `model_type` of their config."""
