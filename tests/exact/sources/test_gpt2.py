"""GPT-2 checkpoints in the Hugging Face layout: parity with transformers, and what a damaged folder
says.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.activations import ACT2FN

from exact import (
    GELU,
    ExactlensError,
    HardTanh,
    InvalidInput,
    LayerNorm,
    LeakyReLU,
    ReLU,
    SiLU,
    Unsupported,
)
from exact.arithmetic.numbers import fraction
from exact.sources import gpt2

LAYERS, D_MODEL = 2, 16


def random_model(**settings: Any) -> Any:
    """A GPT2LMHeadModel whose every parameter is random, so that no gain is one and no bias
    zero.
    """
    transformers.utils.logging.disable_progress_bar()
    config = transformers.GPT2Config(
        n_embd=D_MODEL,
        n_layer=LAYERS,
        n_head=2,
        vocab_size=40,
        n_positions=8,
        bos_token_id=0,
        eos_token_id=0,
        **settings,
    )
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def model() -> Any:
    return random_model()


@pytest.fixture(scope="module")
def folders(model: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same weights with both key prefixes, in one file and in shards."""
    root = tmp_path_factory.mktemp("gpt2")
    found = {
        name: root / name for name in ("language model", "base model", "shards", "base shards")
    }
    model.save_pretrained(found["language model"])
    model.transformer.save_pretrained(found["base model"])
    model.save_pretrained(found["shards"], max_shard_size="5KB")
    model.transformer.save_pretrained(found["base shards"], max_shard_size="5KB")
    return found


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folders["language model"], tmp_path / "checkpoint"))


LAYOUTS = ["language model", "base model", "shards", "base shards"]


def residuals(count: int = 20) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(np.random.default_rng(4).normal(size=(count, D_MODEL)) * 3)


def test_the_layouts_differ(folders: dict[str, Path]) -> None:
    keys = {
        name: set(load_file(folders[name] / "model.safetensors"))
        for name in ("language model", "base model")
    }
    assert "transformer.h.0.ln_2.weight" in keys["language model"]
    assert "h.0.ln_2.weight" in keys["base model"]
    for name in ("shards", "base shards"):
        assert not (folders[name] / "model.safetensors").exists()
        assert len(list(folders[name].glob("model-*.safetensors"))) > 3


@pytest.mark.parametrize("layer", range(LAYERS))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_forward_is_that_of_the_block(
    model: Any, folders: dict[str, Path], layout: str, layer: int
) -> None:
    block = model.transformer.h[layer]
    network = gpt2.read(folders[layout], layer)
    x = residuals()
    with torch.no_grad():
        expected = block.double().mlp(block.ln_2(torch.from_numpy(x))).numpy()
    found = network.forward_float(x)
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("layer", range(LAYERS))
def test_codes_are_the_signs_of_the_pre_activations(
    model: Any, folders: dict[str, Path], layer: int
) -> None:
    block = model.transformer.h[layer].double()
    network = gpt2.read(folders["base model"], layer)
    for x in residuals(6):
        with torch.no_grad():
            z = block.mlp.c_fc(block.ln_2(torch.from_numpy(x))).numpy()
        assert np.abs(z).min() > 1e-9
        assert network.code(x.tolist()).bits.tolist() == (z > 0).tolist()


def test_the_network_is_the_block(model: Any, folders: dict[str, Path]) -> None:
    """Every number is the float of the checkpoint; Conv1D is stored transposed."""
    block = model.transformer.h[1]
    network = gpt2.read(str(folders["language model"]), 1)
    (only,) = network.blocks
    assert (only.residual, network.widths, network.input_dim, network.output_dim) == (
        False,
        (4 * D_MODEL,),
        D_MODEL,
        D_MODEL,
    )
    assert network.layers[0].activation == GELU("tanh")
    assert isinstance(only.norm, LayerNorm)
    assert (fraction(only.norm.eps), only.norm.eps_rule) == (Fraction(1e-5), "var")
    read = [
        network.layers[0].weight,
        network.layers[0].bias,
        network.layers[1].weight,
        network.layers[1].bias,
        only.norm.gain,
        only.norm.bias,
    ]
    given = [
        block.mlp.c_fc.weight.T,
        block.mlp.c_fc.bias,
        block.mlp.c_proj.weight.T,
        block.mlp.c_proj.bias,
        block.ln_2.weight,
        block.ln_2.bias,
    ]
    for matrix, tensor in zip(read, given, strict=True):
        values = tensor.detach().double().reshape(matrix.shape).tolist()
        assert matrix.tolist() == [[Fraction(x) for x in row] for row in values]


def test_all_layouts_are_one_network(folders: dict[str, Path]) -> None:
    assert len({gpt2.read(folders[layout], 0).sha256 for layout in LAYOUTS}) == 1
    assert gpt2.read(folders["shards"], 0).sha256 != gpt2.read(folders["shards"], 1).sha256


ACTIVATIONS = {
    "gelu_new": GELU("tanh"),
    "gelu_pytorch_tanh": GELU("tanh"),
    "gelu": GELU(),
    "relu": ReLU(),
    "silu": SiLU(),
    "swish": SiLU(),
    "gelu_python": GELU(),
    "gelu_accurate": GELU("tanh"),
    "gelu_python_tanh": GELU("tanh"),
    "relu6": HardTanh(0, 6),
    "leaky_relu": LeakyReLU(0.01),
}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(ACT2FN))
def test_every_activation_of_transformers_is_read_as_it_is_or_refused_by_name(
    name: str, folder: Path
) -> None:
    change_config(activation_function=name)(folder)
    if name not in ACTIVATIONS and name != "linear":
        with pytest.raises(Unsupported, match=f"unknown activation; got {name}; one of .*gelu_new"):
            gpt2.read(folder, 0)
        return
    z = torch.from_numpy(np.random.default_rng(0).normal(size=500) * 4)
    found = gpt2.read(folder, 0).layers[0].activation.forward_float(z.numpy())
    # a truncated constant is off by 1e-12
    np.testing.assert_allclose(found, ACT2FN[name](z).numpy(), rtol=0, atol=4e-15)


@pytest.mark.parametrize(("name", "activation"), ACTIVATIONS.items())
def test_other_activations_widths_and_eps(name: str, activation: Any, tmp_path: Path) -> None:
    model = random_model(activation_function=name, n_inner=24, layer_norm_epsilon=0.25)
    model.save_pretrained(tmp_path)
    network, block = gpt2.read(tmp_path, 0), model.transformer.h[0].double()
    assert (network.layers[0].activation, network.widths, fraction(network.norms[0].eps)) == (
        activation,
        (24,),
        Fraction(1, 4),
    )
    x = residuals(5)
    with torch.no_grad():
        expected = block.mlp(block.ln_2(torch.from_numpy(x))).numpy()
    np.testing.assert_allclose(network.forward_float(x), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_checkpoints(model: Any, folder: Path, dtype: torch.dtype) -> None:
    halves = {
        key: value.to(dtype) for key, value in load_file(folder / "model.safetensors").items()
    }
    save_file(halves, folder / "model.safetensors")
    weight = gpt2.read(folder, 0).layers[0].weight
    stored = halves["transformer.h.0.mlp.c_fc.weight"].double()
    assert weight.tolist() == [[Fraction(x) for x in row] for row in stored.T.tolist()]


def renamed(rename: Callable[[str], str]) -> Damage:
    def change(folder: Path) -> None:
        stored = load_file(folder / "model.safetensors")
        save_file(
            {rename(name): tensor for name, tensor in stored.items()}, folder / "model.safetensors"
        )

    return change


def test_saved_wrappers_have_their_own_names(model: Any) -> None:
    """What torch writes in front of the names, by torch."""
    layer = torch.nn.Sequential(torch.nn.Linear(1, 1))
    assert "_orig_mod.0.weight" in torch.compile(layer).state_dict()  # type: ignore[attr-defined]
    assert "module.0.weight" in torch.nn.DataParallel(layer).state_dict()
    assert "module.0.weight" in torch.optim.swa_utils.AveragedModel(layer).state_dict()


@pytest.mark.parametrize(
    "prefix",
    [
        "_orig_mod.",
        "module.",
        "base_model.model.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "base_model.model._orig_mod.",
    ],
)
@pytest.mark.parametrize("layout", ["language model", "base model"])
def test_names_of_wrapped_models(
    prefix: str, layout: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folders[layout], tmp_path / "copy"))
    renamed(lambda name: prefix + name)(copy)
    assert gpt2.read(copy, 1).sha256 == gpt2.read(folders["shards"], 1).sha256


def test_names_of_models_with_compiled_parts(folder: Path, folders: dict[str, Path]) -> None:
    renamed(lambda name: name.replace("h.1.mlp", "h.1._orig_mod.mlp._orig_mod"))(folder)
    assert gpt2.read(folder, 1).sha256 == gpt2.read(folders["shards"], 1).sha256


def test_two_tensors_of_one_name_are_refused(folder: Path) -> None:
    change_tensors(lambda tensors: tensors.update({f"module.{KEY}": tensors[KEY].clone()}))(folder)
    with pytest.raises(InvalidInput, match=f"one name behind their prefixes; got .*{KEY}"):
        gpt2.read(folder, 0)


BESIDE = [
    "mlp.c_fc.lora_A.default.weight",
    "mlp.c_fc.base_layer.weight",
    "mlp.c_proj.weight_mask",
    "mlp.c_fc.weight_scale",
    "ln_2.parametrizations.weight.original0",
]


@pytest.mark.parametrize("name", BESIDE)
def test_tensors_beside_the_weights_are_not_passed_over(name: str, folder: Path) -> None:
    """Of this layer; those of another do not matter."""
    change_tensors(lambda tensors: tensors.update({f"transformer.h.0.{name}": torch.ones(2, 2)}))(
        folder
    )
    with pytest.raises(
        Unsupported, match=f"tensors beside its weights; got transformer.h.0.{name}; merge adapters"
    ):
        gpt2.read(folder, 0)
    assert gpt2.read(folder, 1).widths == (4 * D_MODEL,)


@pytest.mark.parametrize("layer", ["1", True, 1.0, None, np.float64(1)])
def test_a_layer_is_a_whole_number(layer: Any, folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"layer is not a whole number; got .*; give an int"):
        gpt2.read(folder, layer)
    assert gpt2.read(folder, np.int64(1)).sha256 == gpt2.read(folder, 1).sha256  # type: ignore[arg-type]


def test_subnormal_weights_are_read_while_the_processor_flushes(folder: Path) -> None:
    set_entry("mlp.c_fc.weight", (0, 0), 1e-42)(folder)
    torch.set_flush_denormal(True)
    try:
        assert gpt2.read(folder, 0).layers[0].weight[0, 0] == Fraction(
            round(1e-42 * 2**149), 2**149
        )
    finally:
        torch.set_flush_denormal(False)


def test_config_is_read(folders: dict[str, Path]) -> None:
    assert gpt2.config(folders["shards"])["n_embd"] == D_MODEL


def test_the_shape_of_gpt2_small_loads_in_seconds(tmp_path: Path) -> None:
    d, m = 768, 3072
    shapes = {
        "ln_2.weight": (d,),
        "ln_2.bias": (d,),
        "mlp.c_fc.weight": (d, m),
        "mlp.c_fc.bias": (m,),
        "mlp.c_proj.weight": (m, d),
        "mlp.c_proj.bias": (d,),
    }
    torch.manual_seed(1)
    stored = {name: torch.randn(*shape) for name, shape in shapes.items()}
    save_file(
        {f"transformer.h.11.{name}": tensor for name, tensor in stored.items()},
        tmp_path / "model.safetensors",
    )
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "gpt2", "n_embd": d, "n_layer": 12})
    )
    started = time.process_time()
    network = gpt2.read(tmp_path, 11)
    assert time.process_time() - started < 3
    assert (network.widths, network.input_dim, network.hinge_count) == ((m,), d, m)
    x = np.random.default_rng(0).normal(size=d)
    normal = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    read = {name: tensor.double().numpy() for name, tensor in stored.items()}
    z = (normal * read["ln_2.weight"] + read["ln_2.bias"]) @ read["mlp.c_fc.weight"] + read[
        "mlp.c_fc.bias"
    ]
    clear = np.abs(z) > 1e-9
    assert clear.sum() > m - 3
    assert (network.code(x.tolist()).bits == (z > 0))[clear].all()


# ---- damaged folders

Damage = Callable[[Path], Any]


def change_config(**changes: Any) -> Damage:
    """Change entries of config.json; `...` removes one."""

    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text()) | changes
        kept = {key: value for key, value in config.items() if value is not ...}
        (folder / "config.json").write_text(json.dumps(kept))

    return damage


def write(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


def change_tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def set_entry(name: str, place: tuple[int, ...], value: float) -> Damage:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[f"transformer.h.0.{name}"][place] = value

    return change_tensors(change)


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04N.")


def only_index(content: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(content)

    return damage


def truncate(size: int) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[:size])

    return damage


KEY = "transformer.h.0.mlp.c_fc.weight"
INVALID: dict[str, tuple[Damage, str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    "config is no JSON": (write("config.json", b"{"), "not JSON"),
    "config is no text": (write("config.json", b"\xff\xfe\x00"), "not JSON"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no model.safetensors"),
    "pickle only": (only_pickle, "pytorch_model.bin"),
    "empty weights": (truncate(0), "cannot be read"),
    "header cut": (truncate(100), "cannot be read"),
    "data cut": (truncate(20_000), "cannot be read"),
    "weights are text": (
        write("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"),
        "cannot be read",
    ),
    "tensor missing": (change_tensors(lambda tensors: tensors.pop(KEY)), KEY),
    "tensor transposed": (
        change_tensors(lambda tensors: tensors.update({KEY: tensors[KEY].T.contiguous()})),
        "(64, 16)",
    ),
    "another width": (change_config(n_embd=32), "expected (32,)"),
    "another inner width": (change_config(n_inner=48), "expected (16, 48)"),
    "nan weight": (set_entry("mlp.c_fc.weight", (1, 3), float("nan")), "c_fc.weight[1, 3]"),
    "inf projection": (set_entry("mlp.c_proj.weight", (5, 2), float("inf")), "c_proj.weight[5, 2]"),
    "nan bias": (set_entry("mlp.c_fc.bias", (7,), float("nan")), "c_fc.bias[7"),
    "nan gain": (set_entry("ln_2.weight", (4,), float("nan")), "ln_2.weight[4"),
    "integer weights": (
        change_tensors(lambda tensors: tensors.update({KEY: tensors[KEY].to(torch.int8)})),
        "has integers",
    ),
    "endless eps": (
        change_config(layer_norm_epsilon=10**400),
        "layer_norm_epsilon in config.json is too large",
    ),
    "negative eps": (change_config(layer_norm_epsilon=-1.0), "eps"),
    "eps is nothing": (change_config(layer_norm_epsilon=None), "layer_norm_epsilon"),
    "no width": (change_config(n_embd=...), "n_embd"),
    "width is text": (change_config(n_embd="wide"), "n_embd"),
    "depth is text": (change_config(n_layer="deep"), "n_layer"),
    "index is no JSON": (only_index("{"), "index"),
    "index without map": (only_index("{}"), "weight_map"),
    "index of numbers": (only_index(json.dumps({"weight_map": {KEY: 3}})), "index"),
    "shard missing": (
        only_index(
            json.dumps({"weight_map": {"transformer.h.0.ln_2.weight": "model-00001.safetensors"}})
        ),
        "model-00001.safetensors",
    ),
    "shard lacks the tensor": (only_index(json.dumps({"weight_map": {}})), "lacks a tensor"),
}


@pytest.mark.parametrize("name", INVALID)
def test_damage_is_named(name: str, folder: Path) -> None:
    damage, shown = INVALID[name]
    damage(folder)
    with pytest.raises(ExactlensError) as caught:
        gpt2.read(folder, 0)
    assert type(caught.value) is InvalidInput
    assert shown in str(caught.value)
    assert caught.value.remedy


OTHERS = [
    (change_config(model_type="llama"), "llama"),
    (write("config.json", b"[1]"), "list"),
    (change_config(activation_function="mish"), "mish"),
    (change_config(activation_function=None), "None"),
    (
        change_config(quantization_config={"quant_method": "bitsandbytes"}),
        "is quantised; got bitsandbytes",
    ),
]


@pytest.mark.parametrize(("damage", "shown"), OTHERS)
def test_other_models_are_not_read(damage: Damage, shown: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(Unsupported, match=shown):
        gpt2.read(folder, 0)


@pytest.mark.parametrize("layer", [-1, LAYERS, 99])
def test_layers_that_are_not_there(folder: Path, layer: int) -> None:
    with pytest.raises(InvalidInput, match=r"give 0 \.\. 1"):
        gpt2.read(folder, layer)


def test_places_that_are_no_checkpoint(folder: Path) -> None:
    for place in (
        folder / "absent",
        folder / "config.json",
        str(folder / "absent"),
        "./absent",
        "~/absent",
    ):
        with pytest.raises(InvalidInput, match="not a checkpoint folder"):
            gpt2.read(place, 0)
    for place in ("weights.bin", folder / "model.pt", "model.pkl"):
        with pytest.raises(InvalidInput, match="unpickling runs code"):
            gpt2.read(place, 0)


@pytest.mark.parametrize(
    "name", ["exactlens/no-such-model", "gpt2-no-such-model", "no/such/model/at/all", "a b"]
)
def test_hub_names_without_a_network(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        gpt2.read(name, 0)
    assert name in str(caught.value)
    assert "folder" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_shards_stay_in_the_folder(folder: Path, tmp_path: Path) -> None:
    """An index that points outside is read from inside the folder, where nothing lies."""
    outside = tmp_path / "outside.safetensors"
    shutil.move(folder / "model.safetensors", outside)
    keys = list(load_file(outside))
    index = {"weight_map": dict.fromkeys(keys, "../outside.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InvalidInput, match="cannot be read"):
        gpt2.read(folder, 0)


def test_no_pickle_is_opened_beside_the_weights(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    assert gpt2.read(folder, 0).widths == (4 * D_MODEL,)
