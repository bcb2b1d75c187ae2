"""MLPs of transformers models: every family against the model's own forward, and what is refused.

Models are small, and every parameter and eps is random, so that a gain, bias, eps or `1 +` that is
dropped turns a parity test red.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from exact import GELU, ExactlensError, GatedMLP, InvalidInput, Network, ReLU, SiLU, Unsupported
from exact.arithmetic.numbers import fraction
from exact.sources import gpt2, torch_comparison
from exact.sources.families import FAMILIES, Family
from exact.sources.live_runs import refuse_another_mlp
from exact.sources.transformers import mlp, norm_path

N, M, LAYERS = 16, 24, 2
EPS = 11.37  # beside the large vectors of a random model
SMALL = {"hidden_size": N, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "vocab_size": 40}
LLAMA = SMALL | {
    "intermediate_size": M,
    "num_key_value_heads": 2,
    "rms_norm_eps": EPS,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
}
NEOX = SMALL | {"intermediate_size": M, "layer_norm_eps": EPS, "max_position_embeddings": 16}
OPT = SMALL | {"ffn_dim": M, "max_position_embeddings": 16, "word_embed_proj_dim": N}
GEMMA = LLAMA | {"head_dim": 8}
CASES: dict[str, tuple[str, dict[str, Any], str]] = {  # model type, config, where blocks stand
    "gpt2": (
        "gpt2",
        {
            "n_embd": N,
            "n_inner": M,
            "n_layer": LAYERS,
            "n_head": 2,
            "vocab_size": 40,
            "n_positions": 16,
            "layer_norm_epsilon": EPS,
        },
        "transformer.h",
    ),
    "gpt_neox": ("gpt_neox", NEOX, "gpt_neox.layers"),
    "gpt_neox, serial": ("gpt_neox", NEOX | {"use_parallel_residual": False}, "gpt_neox.layers"),
    "phi": ("phi", NEOX, "model.layers"),
    "opt": ("opt", OPT, "model.decoder.layers"),
    "opt, norm behind": ("opt", OPT | {"do_layer_norm_before": False}, "model.decoder.layers"),
    "opt, no bias": (
        "opt",
        OPT | {"enable_bias": False, "layer_norm_elementwise_affine": False},
        "model.decoder.layers",
    ),
    "llama": ("llama", LLAMA, "model.layers"),
    "llama, bias and relu": (
        "llama",
        LLAMA | {"mlp_bias": True, "hidden_act": "relu"},
        "model.layers",
    ),
    "qwen2": ("qwen2", LLAMA, "model.layers"),
    "qwen3": ("qwen3", LLAMA | {"head_dim": 8}, "model.layers"),
    "mistral": ("mistral", LLAMA | {"head_dim": 8}, "model.layers"),
    "gemma": ("gemma", GEMMA, "model.layers"),
    "gemma2": ("gemma2", GEMMA, "model.layers"),
    "gemma3": ("gemma3_text", GEMMA, "model.layers"),
    "bert": ("bert", NEOX, "bert.encoder.layer"),
}


def random_model(case: str) -> Any:
    """Every parameter random, gains and biases too."""
    transformers.utils.logging.disable_progress_bar()
    model_type, settings, _ = CASES[case]
    config = transformers.AutoConfig.for_model(model_type, **settings)
    auto = (
        transformers.AutoModelForMaskedLM
        if model_type == "bert"
        else transformers.AutoModelForCausalLM
    )
    torch.manual_seed(sum(map(ord, case)))
    model = auto.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {case: random_model(case) for case in CASES}


def own_forward(
    model: Any, case: str, layer: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What the norm in front of the MLP reads, and what the MLP writes, in a run of the whole
    model.
    """
    path = norm_path(model, layer)
    block = model.get_submodule(f"{CASES[case][2]}.{layer}")
    row = FAMILIES[CASES[case][0]]
    down = block.get_submodule(row.down)
    seen: dict[str, Any] = {}
    hooks = [
        model.get_submodule(path).register_forward_pre_hook(lambda m, x: seen.update(x=x[0])),
        down.register_forward_hook(lambda m, x, y: seen.update(y=y)),
    ]
    with torch.no_grad():
        model(torch.tensor([[1, 5, 2, 7, 3, 3, 9]]))
    for hook in hooks:
        hook.remove()
    return tuple(seen[k].double().reshape(-1, N).numpy() for k in "xy")  # type: ignore[return-value]


@pytest.mark.parametrize("layer", range(LAYERS))
@pytest.mark.parametrize("case", CASES)
def test_float32_forward_of_the_model(case: str, layer: int, models: dict[str, Any]) -> None:
    """A rounding of float32 is 2^-24; sums of 24 products in two layers are off by far less than
    2^-15 of the largest.
    """
    x, y = own_forward(models[case], case, layer)
    found = mlp(models[case], layer).forward_float(x)
    assert np.abs(found - y).max() <= 2.0**-15 * np.abs(y).max()


@pytest.mark.parametrize("case", CASES)
def test_float64_forward_of_the_model(case: str, models: dict[str, Any]) -> None:
    """Behind LayerNorm to the proved bound; norms of LLaMA and Gemma compute in float32 even
    there.
    """
    model = random_model(case).double()
    x, y = own_forward(model, case, 1)
    read = mlp(model, 1)
    values, errors = torch_comparison._forward(read, x)
    rms = isinstance(read, GatedMLP)
    bound = 2.0**-17 * np.abs(y).max() if rms else 2 * errors
    assert (np.abs(values - y) <= bound).all()
    assert (errors < 1e-9 * (1 + np.abs(values).max())).all()


@pytest.mark.parametrize("case", CASES)
def test_the_models_own_modules_in_float64(case: str, models: dict[str, Any]) -> None:
    """Reading compares; here what is compared is another layer, and seen to differ."""
    model = models[case]
    other, where = mlp(model, 1), f"{CASES[case][2]}.0"
    row = FAMILIES[CASES[case][0]].said_in(model.config.to_dict())
    paths = [f"{where}.{name}" for name in row.modules]
    refuse_another_mlp(mlp(model, 0), model, paths)
    with pytest.raises(InvalidInput, match="computes something else than the network read"):
        refuse_another_mlp(other, model, paths)


@pytest.mark.parametrize("case", CASES)
def test_object_folder_and_tensors_agree(case: str, models: dict[str, Any], tmp_path: Path) -> None:
    model, where = models[case], CASES[case][2]
    model.save_pretrained(tmp_path / "one")
    model.base_model.save_pretrained(tmp_path / "shards", max_shard_size="5KB")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 3
    config = model.config.to_dict()
    read = [
        mlp(model, 1),
        mlp(model, f"{where}.1"),
        mlp(model.base_model, 1),
        mlp(nn.DataParallel(model), 1),
        mlp(tmp_path / "one", 1),
        mlp(str(tmp_path / "shards"), np.int64(1)),  # type: ignore[arg-type]
        mlp(model.state_dict(), 1, config=config),
        mlp(model.state_dict(), f"{where}.1", config=model.config),
        mlp(load_file(tmp_path / "one" / "model.safetensors"), 1, config=config),
    ]
    assert len({one.sha256 for one in read}) == 1
    assert read[0].sha256 != mlp(model, 0).sha256
    if case == "gpt2":
        assert gpt2.read(tmp_path / "one", 1).sha256 == read[0].sha256


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", ["gpt2", "gemma2", "opt"])
def test_half_precision_is_read_as_it_is(case: str, dtype: torch.dtype, tmp_path: Path) -> None:
    model = random_model(case).to(dtype)
    model.save_pretrained(tmp_path)
    live, wide = mlp(model, 0), mlp(random_model(case).to(dtype).double(), 0)
    assert live.sha256 == mlp(tmp_path, 0).sha256 == wide.sha256
    assert live.sha256 != mlp(random_model(case), 0).sha256


def _differs(change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None], case: str) -> bool:
    """Whether the forward of what is read changes by more than rounding."""
    model = random_model(case)
    state, config = dict(model.state_dict()), model.config.to_dict()
    x, y = own_forward(model, case, 0)
    change(state, config)
    found = mlp(state, 0, config=config).forward_float(x)
    return bool(np.abs(found - y).max() > 1e-3 * np.abs(y).max())


@pytest.mark.parametrize("case", [case for case in CASES if case != "opt, no bias"])
def test_weights_and_eps_of_the_test_models_matter(case: str) -> None:
    """Each tensor of the layer, put to what dropping it would mean, is seen by the parity tests."""
    model = random_model(case)
    start = f"{CASES[case][2]}.0."
    row = FAMILIES[CASES[case][0]].said_in(model.config.to_dict())
    assert row.norm is not None
    names = [
        name
        for name in model.state_dict()
        if name.startswith(tuple(f"{start}{part}." for part in (row.norm, *row.layers.values())))
    ]
    assert len(names) == (2 if row.norm_kind == "layernorm" else 1) + len(row.layers) * (
        2 if f"{start}{row.up}.bias" in names else 1
    )
    for name in names:
        is_gain = name == f"{start}{row.norm}.weight"

        def change(
            state: dict[str, torch.Tensor], _: Any, name: str = name, one: bool = is_gain
        ) -> None:
            fill = 1.0 - row.gain_plus if one else 0.0
            state[name] = torch.full_like(state[name], fill)

        assert _differs(change, case), name
    if isinstance(row.eps, tuple):
        key = row.eps[0]
        assert _differs(lambda _, config: config.update({key: 1e-5}), case)


def test_opt_has_torchs_eps() -> None:
    """Which no config says."""
    model = random_model("opt")
    norm = model.get_submodule(norm_path(model, 0))
    network = mlp(model, 0)
    assert isinstance(network, Network)
    assert fraction(network.norms[0].eps) == Fraction(norm.eps) == Fraction(1e-5)
    assert network.layers[0].activation == ReLU()


@pytest.mark.parametrize("case", CASES)
def test_defaults_are_those_of_the_configs(case: str) -> None:
    model_type, _, _ = CASES[case]
    row = FAMILIES[model_type]
    said = transformers.AutoConfig.for_model(model_type).to_dict()
    for entry in (row.eps, row.activation, row.bias, row.affine):
        if isinstance(entry, tuple):
            assert said[entry[0]] == entry[1]
    assert row.depth in said and row.sizes is not None and {*row.sizes} <= said.keys()


def test_gemma_means_the_tanh_form_where_old_configs_say_gelu() -> None:
    model = random_model("gemma")
    config = model.config.to_dict() | {"hidden_act": "gelu"}
    assert transformers.GemmaConfig(hidden_act="gelu").hidden_act == "gelu_pytorch_tanh"
    read = mlp(model.state_dict(), 0, config=config)
    assert isinstance(read, GatedMLP)
    assert read.gate.layers[0].activation == GELU("tanh")


def test_gains_of_gemma_are_exact() -> None:
    """1 + w is a rational, also where no float64 holds it."""
    model = random_model("gemma3")
    with torch.no_grad():
        model.model.layers[0].pre_feedforward_layernorm.weight[0] = 2.0**-80
    read = mlp(model, 0)
    assert isinstance(read, GatedMLP)
    assert read.gate.norms[0].gain[0, 0] == 1 + Fraction(1, 2**80)


def test_a_model_that_sees_has_a_text_config() -> None:
    model = random_model("gemma3")
    config = {"model_type": "gemma3", "text_config": model.config.to_dict()}
    state = {
        f"model.language_model.{k.removeprefix('model.')}": v for k, v in model.state_dict().items()
    }
    state["vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight"] = torch.ones(2, 2)
    assert mlp(state, 0, config=config).sha256 == mlp(model, 0).sha256
    with pytest.raises(Unsupported, match="quantised; got awq"):
        mlp(state, 0, config=config | {"quantization_config": {"quant_method": "awq"}})


def test_old_names_of_bert() -> None:
    model = random_model("bert")
    state = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): v
        for k, v in model.state_dict().items()
    }
    assert mlp(state, 0, config=model.config).sha256 == mlp(model, 0).sha256


# ---- the skip


SKIPS = {
    "gpt2": "input",
    "gpt_neox, serial": "input",
    "opt": "input",
    "bert": "normed",
    "opt, norm behind": "normed",
}


@pytest.mark.parametrize("case", SKIPS)
def test_residual_is_what_the_block_adds(case: str, models: dict[str, Any]) -> None:
    """Seen at the block's output, or at the norm behind, which reads the sum."""
    model, where = models[case], CASES[case][2]
    block = model.get_submodule(f"{where}.0")
    behind = {"bert": "output.LayerNorm", "opt, norm behind": "final_layer_norm"}.get(case)
    seen: dict[str, Any] = {}
    hooks = [
        model.get_submodule(norm_path(model, 0)).register_forward_pre_hook(
            lambda m, x: seen.update(x=x[0])
        ),
        block.get_submodule(behind).register_forward_pre_hook(lambda m, x: seen.update(y=x[0]))
        if behind
        else block.register_forward_hook(lambda m, x, y: seen.update(y=y)),
    ]
    with torch.no_grad():
        model(torch.tensor([[1, 5, 2, 7]]))
    for hook in hooks:
        hook.remove()
    x, y = (seen[k].double().reshape(-1, N).numpy() for k in "xy")
    found = mlp(model, 0, residual=True).forward_float(x)
    assert np.abs(found - y).max() <= 2.0**-15 * np.abs(y).max()
    assert FAMILIES[CASES[case][0]].said_in(model.config.to_dict()).skip == SKIPS[case]


@pytest.mark.parametrize("case", ["gpt_neox", "phi", "llama", "gemma2"])
def test_what_is_no_skip_is_refused(case: str, models: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="not what the residual stream adds"):
        mlp(models[case], 0, residual=True)


@pytest.mark.parametrize("case", ["gpt_neox", "phi"])
def test_parallel_norms_read_the_blocks_input(case: str, models: dict[str, Any]) -> None:
    model, seen = models[case], dict[str, Any]()
    block = model.get_submodule(f"{CASES[case][2]}.1")
    hooks = [
        block.register_forward_pre_hook(lambda m, x: seen.update(x=x[0])),
        model.get_submodule(norm_path(model, 1)).register_forward_pre_hook(
            lambda m, x: seen.update(y=x[0])
        ),
    ]
    with torch.no_grad():
        model(torch.tensor([[1, 5, 2, 7]]))
    for hook in hooks:
        hook.remove()
    assert torch.equal(seen["x"], seen["y"])


# ---- an MLP named by hand


class OwnBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before = nn.LayerNorm(N, eps=EPS)
        self.ffn = nn.Sequential(nn.Linear(N, M), nn.ReLU(), nn.Linear(M, N, bias=False))


class OwnModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.trunk = nn.ModuleList([OwnBlock(), OwnBlock()])
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn_like(parameter))


OWN = Family(
    "before", "ffn.0", "ffn.2", blocks="trunk", eps=EPS, activation=ReLU(), bias=None, sizes=None
)


@pytest.mark.parametrize("layer", [1, "trunk.1", "trunk.1.ffn"])
def test_an_mlp_named_by_hand(layer: Any) -> None:
    model = OwnModel()
    read, x = mlp(model, layer, family=OWN), np.random.default_rng(0).normal(size=(5, N))
    with torch.no_grad():
        block = model.double().trunk[1]
        expected = block.ffn(block.before(torch.from_numpy(x))).numpy()  # type: ignore[operator,union-attr]
    assert np.abs(read.forward_float(x) - expected).max() < 1e-12 * np.abs(expected).max()
    assert norm_path(model, layer, family=OWN) == "trunk.1.before"


@pytest.mark.parametrize(
    "wrong",
    [
        {"eps": 1e-5},
        {"activation": GELU()},
        {"activation": "leaky_relu"},
        {"norm_kind": "rms", "affine": None},
        {"gain_plus": 1},
    ],
)
def test_a_wrong_description_is_seen_by_running_the_model(wrong: dict[str, Any]) -> None:
    with pytest.raises(ExactlensError, match=r"computes something else|beside its weights"):
        mlp(OwnModel(), 1, family=replace(OWN, **wrong))


def test_a_layer_by_hand_that_is_not_there() -> None:
    with pytest.raises(InvalidInput, match=r"give 0 \.\. 1"):
        mlp(OwnModel(), 2, family=OWN)
    with pytest.raises(InvalidInput, match=r"got trunk\.2; give one of trunk\.0, trunk\.1"):
        mlp(OwnModel(), "trunk.2", family=OWN)


def test_another_familys_row_by_name(models: dict[str, Any]) -> None:
    config = models["llama"].config.to_dict() | {"model_type": "mine"}
    state = models["llama"].state_dict()
    assert mlp(state, 0, config=config, family="llama").sha256 == mlp(models["llama"], 0).sha256
    with pytest.raises(
        Unsupported, match="not known; got mine; write family= one of gpt2, gpt_neox"
    ):
        mlp(state, 0, config=config)


def small(model_type: str, **more: Any) -> Any:
    torch.manual_seed(2)
    config = transformers.AutoConfig.for_model(model_type, **LLAMA | more)
    return transformers.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(
    ("model_type", "family"), [("olmo2", "llama"), ("gemma2", "gemma"), ("gemma3_text", "gemma")]
)
def test_another_familys_norm_is_seen_not_to_feed_the_mlp(model_type: str, family: str) -> None:
    """The norm that is read stands behind attention, and its output is added to the stream: norm
    and MLP run one behind the other agree with what was read, and are not what the model runs.
    """
    model = small(model_type).train()
    with pytest.raises(InvalidInput, match=r"does not read what the norm gives; got model\.layers"):
        mlp(model, 0, family=family)
    assert model.training and not model.model.layers[0].post_attention_layernorm._forward_hooks
    assert isinstance(mlp(model.state_dict(), 0, config=model.config, family=family), GatedMLP)


@pytest.mark.parametrize(("model_type", "family"), [("granite", "llama"), ("gemma", "gemma")])
def test_another_familys_row_that_fits(model_type: str, family: str) -> None:
    model = small(model_type)
    assert isinstance(mlp(model, 1, family=family), GatedMLP)
    own = replace(FAMILIES[family], depth="n")
    assert mlp(model.bfloat16(), 1, family=own).sha256 == mlp(model, 1, family=family).sha256


def test_a_model_that_does_not_run_on_ids() -> None:
    model = small("granite")
    del model.model.layers[1].self_attn.q_proj
    with pytest.raises(InvalidInput, match=r"does not run on token ids.*AttributeError.*q_proj"):
        mlp(model, 0, family="llama")


# ---- what is refused


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layer", [-1, LAYERS])
def test_layers_that_are_not_there(case: str, layer: int, models: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"no such layer; got -?\d; give 0 \.\. 1"):
        mlp(models[case], layer)
    where = CASES[case][2]
    with pytest.raises(InvalidInput, match=rf"give one of {where}\.0, {where}\.1"):
        mlp(models[case], f"{where}.7")


def test_layers_are_numbers_or_paths(models: dict[str, Any]) -> None:
    for layer in (True, 1.0, None):
        with pytest.raises(InvalidInput, match="layer is not a whole number"):
            mlp(models["llama"], layer)  # type: ignore[arg-type]


@pytest.mark.parametrize("model_type", ["phi3", "gpt_oss", "mixtral", "t5"])
def test_other_families(model_type: str) -> None:
    small = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    if model_type == "t5":
        small = {
            "vocab_size": 40,
            "d_model": 16,
            "d_ff": 8,
            "num_layers": 1,
            "num_heads": 2,
            "d_kv": 8,
        }
    else:
        small |= {
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "pad_token_id": 0,
            "head_dim": 8,
        }
    if model_type in ("gpt_oss", "mixtral"):
        small |= {"num_local_experts": 2, "num_experts_per_tok": 1}
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(
            transformers.AutoConfig.for_model(model_type, **small)
        )
    wrong = {
        "phi3": "fused in one matrix; got phi3: layers.0.mlp.gate_up_proj.weight; split",
        "gpt_oss": "mixture of experts, which no one MLP is; got gpt_oss",
        "mixtral": "mixture of experts, which no one MLP is; got mixtral: layers.0.mlp.experts",
        "t5": "family of the model is not known; got t5",
    }
    with pytest.raises(Unsupported, match=wrong[model_type]):
        mlp(model.state_dict(), 0, config=model.config)
    if model_type == "mixtral":
        with pytest.raises(Unsupported, match=r"mixture of experts.*layers.0.mlp.experts"):
            mlp(model.state_dict(), 0, config=model.config, family="llama")


def llama_state(models: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    model = models["llama"]
    return dict(model.state_dict()), model.config.to_dict()


GATE = "model.layers.0.mlp.gate_proj.weight"
NORM = "model.layers.0.post_attention_layernorm.weight"
DAMAGE: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], Any], type[Exception], str]] = {
    "no norm": (lambda s, c: s.pop(NORM), InvalidInput, f"lacks a tensor; got {NORM}"),
    "no gate": (lambda s, c: s.pop(GATE), InvalidInput, f"lacks a tensor; got {GATE}"),
    "bias beside": (
        lambda s, c: s.update({GATE.replace("weight", "bias"): torch.ones(M)}),
        Unsupported,
        "tensors beside its weights; got model.layers.0.mlp.gate_proj.bias",
    ),
    "no bias": (
        lambda s, c: c.update(mlp_bias=True),
        InvalidInput,
        "lacks a tensor; got .*up_proj.bias",
    ),
    "adapter": (
        lambda s, c: s.update(
            {"model.layers.0.mlp.up_proj.lora_A.default.weight": torch.ones(2, N)}
        ),
        Unsupported,
        "beside its weights; got .*lora_A",
    ),
    "quantised": (
        lambda s, c: c.update(quantization_config={"quant_method": "gptq"}),
        Unsupported,
        "quantised; got gptq; save the dequantised model",
    ),
    "int8": (lambda s, c: s.update({GATE: s[GATE].to(torch.int8)}), InvalidInput, "has integers"),
    "nan": (
        lambda s, c: s.update({GATE: s[GATE] * float("nan")}),
        InvalidInput,
        "non-finite entry; got .*gate_proj",
    ),
    "transposed": (
        lambda s, c: s.update({GATE: s[GATE].T}),
        InvalidInput,
        r"disagrees with config.json.*expected \(24, 16\)",
    ),
    "width": (lambda s, c: c.update(hidden_size=32), InvalidInput, r"expected \(32,\)"),
    "activation": (
        lambda s, c: c.update(hidden_act="mish"),
        Unsupported,
        "unknown activation; got mish",
    ),
    "eps": (lambda s, c: c.update(rms_norm_eps=None), InvalidInput, "no usable rms_norm_eps"),
    "two stacks": (
        lambda s, c: s.update({f"other.{k}": v for k, v in list(s.items())}),
        InvalidInput,
        "several such layers; got .*other.model.layers.0.*; give the path of one: 'model.layers.0'",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str, models: dict[str, Any]) -> None:
    change, kind, wrong = DAMAGE[name]
    state, config = llama_state(models)
    change(state, config)
    with pytest.raises(ExactlensError, match=wrong) as caught:
        mlp(state, 0, config=config)
    assert type(caught.value) is kind
    assert caught.value.remedy


def test_a_config_is_for_tensors_alone(models: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="a config is for state dicts"):
        mlp(models["llama"], 0, config={})
    for thing in (3, None, [models["llama"]]):
        with pytest.raises(InvalidInput, match="not a model"):
            mlp(thing, 0)


def test_live_modules_that_do_more_than_their_weights_say() -> None:
    model = random_model("llama")
    block = model.model.layers[0]
    handle = block.mlp.down_proj.register_forward_hook(lambda m, x, y: 2 * y)
    with pytest.raises(Unsupported, match="hook"):
        mlp(model, 0)
    handle.remove()
    block.mlp.forward = lambda x: x
    with pytest.raises(Unsupported, match="forward of its own"):
        mlp(model, 0)
    del block.mlp.forward
    block.post_attention_layernorm.variance_epsilon = 2.0  # not what the config says
    with pytest.raises(InvalidInput, match="computes something else"):
        mlp(model, 0)
    assert mlp(model, 1).input_dim == N


def test_a_class_with_a_forward_of_its_own_is_seen() -> None:
    class Scaled(type(random_model("llama").model.layers[0].mlp)):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> Any:
            return 0.5 * super().forward(x)

    model = random_model("llama")
    model.model.layers[1].mlp.__class__ = Scaled
    with pytest.raises(InvalidInput, match="computes something else"):
        mlp(model, 1)
    assert isinstance(mlp(model, 0), GatedMLP)


def test_the_model_is_left_as_it_was() -> None:
    model = random_model("phi").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    names = {name: set(vars(part)) for name, part in model.named_modules()}
    mlp(model, 0)
    assert model.training and all(part.training for part in model.modules())
    assert names == {name: set(vars(part)) for name, part in model.named_modules()}
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_folders_with_an_adapter_are_refused(tmp_path: Path) -> None:
    """Base weights beside an adapter are those of another model."""
    random_model("qwen2").save_pretrained(tmp_path)
    mlp(tmp_path, 0)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    with pytest.raises(Unsupported, match=r"adapter; got LORA, .*merge_and_unload"):
        mlp(tmp_path, 0)
    (tmp_path / "config.json").unlink()
    with pytest.raises(Unsupported, match=r"adapter; got LORA, .*merge_and_unload"):
        mlp(tmp_path, 0)
    (tmp_path / "adapter_config.json").write_text("[]")
    with pytest.raises(Unsupported, match=r"adapter; got adapter_config\.json in "):
        mlp(tmp_path, 0)


def test_folders_say_what_they_are(tmp_path: Path) -> None:
    model = random_model("qwen2")
    model.save_pretrained(tmp_path)
    with pytest.raises(
        Unsupported, match=r"not a GPT-2; got qwen2; .*exact\.sources\.transformers"
    ):
        gpt2.read(tmp_path, 0)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    with pytest.raises(InvalidInput, match=r"no usable|no such layer"):
        mlp(tmp_path, 5)
    state = load_file(tmp_path / "model.safetensors")
    save_file({f"_orig_mod.{k}": v for k, v in state.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(model.config.to_dict(), default=str))
    read = mlp(tmp_path, 0)
    assert isinstance(read, GatedMLP)
    assert (read.sha256, read.gate.layers[0].activation) == (mlp(model, 0).sha256, SiLU())
