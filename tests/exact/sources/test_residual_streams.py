"""Captured vectors of small random models, against the models' own MLPs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    Qwen3Config,
)

from exact import InvalidInput, TooLarge, Unsupported, nearest_boundaries
from exact.sources import gpt2, residual_streams, stream_shards, transformers
from exact.sources.families import FAMILIES
from exact.sources.residual_streams import capture

SMALL: dict[str, Any] = {"vocab_size": 50, "max_position_embeddings": 12}
DEEP: dict[str, Any] = SMALL | {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIGS = [
    GPT2Config(vocab_size=50, n_positions=12, n_embd=8, n_layer=2, n_head=2),
    LlamaConfig(**DEEP, intermediate_size=16, num_key_value_heads=2),
    GPTNeoXConfig(**DEEP, intermediate_size=16, use_parallel_residual=True),
    PhiConfig(**DEEP, intermediate_size=16),
    OPTConfig(**DEEP, ffn_dim=16, word_embed_proj_dim=8),
    Qwen3Config(**DEEP, intermediate_size=16, num_key_value_heads=2, head_dim=4),
    MistralConfig(**DEEP, intermediate_size=16, num_key_value_heads=2),
    Gemma2Config(**DEEP, intermediate_size=16, num_key_value_heads=2, head_dim=4),
]
READS = {  # the module in front of the MLP, as each family's own forward has it
    "gpt2": "h.{}.ln_2",
    "llama": "layers.{}.post_attention_layernorm",
    "gpt_neox": "layers.{}.post_attention_layernorm",
    "phi": "layers.{}.input_layernorm",
    "opt": "decoder.layers.{}.final_layer_norm",
    "qwen3": "layers.{}.post_attention_layernorm",
    "mistral": "layers.{}.post_attention_layernorm",
    "gemma2": "layers.{}.pre_feedforward_layernorm",
}
TEXTS = [[1, 2, 3], [4, 5, 6, 7, 8], [9], list(range(10, 40))]


def model_of(config: Any) -> Any:
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(config).double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return made.train()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_every_row_is_what_the_norm_reads_alone(config: Any) -> None:
    """Each text run by itself, in pieces of twelve, gives the same vectors: no padding, no mask."""
    model = model_of(config)
    found = capture(model, TEXTS, [0, 1], batch_size=3)
    assert model.training
    assert len(found) == 39 == len(found.vectors(0))
    assert found.tokens.tolist() == [token for text in TEXTS for token in text]
    assert found.positions.tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 0, *range(30)]
    assert found.sequences.tolist() == [0] * 3 + [1] * 5 + [2] + [3] * 30
    for layer in (0, 1):
        path = READS[config.model_type].format(layer)
        alone = []
        model.eval()
        hook = model.base_model.get_submodule(path).register_forward_pre_hook(
            lambda _, args, alone=alone: alone.append(args[0].reshape(-1, 8))
        )
        for piece in (*TEXTS[:3], TEXTS[3][:12], TEXTS[3][12:24], TEXTS[3][24:]):
            model(torch.tensor([piece]))
        hook.remove()
        model.train()
        assert found.vectors(layer).dtype == torch.float64
        near = (
            {"rtol": 1e-5, "atol": 1e-5} if config.model_type == "gemma2" else {}
        )  # float32 norms
        torch.testing.assert_close(found.vectors(layer), torch.cat(alone).detach(), **near)


def test_the_network_read_makes_the_output_of_the_mlp(tmp_path: Path) -> None:
    model = model_of(CONFIGS[0])
    model.save_pretrained(tmp_path)
    found = capture(model, TEXTS, [1])
    outputs: list[torch.Tensor] = []
    block = model.transformer.h[1]
    hook = block.mlp.register_forward_hook(lambda *args: outputs.append(args[2].detach()))
    again = capture(model, TEXTS, [1], batch_size=1)
    hook.remove()
    expected = torch.cat([y.reshape(-1, 8) for y in outputs]).numpy()
    network = gpt2.read(tmp_path, 1)
    np.testing.assert_allclose(
        network.forward_float(found.vectors(1).numpy()), expected, 1e-9, 1e-12
    )
    assert again.tokens.tolist() == found.tokens.tolist()
    codes = network.codes(found.vectors(1))
    assert codes[7] == network.code(found.vectors(1)[7].tolist())


def test_post_norm_models_give_the_sum_behind_attention() -> None:
    model = BertModel(BertConfig(**DEEP, intermediate_size=16)).double().eval()
    found = capture(model, [[1, 2, 3]], [0])
    sums: list[torch.Tensor] = []
    norm = model.encoder.layer[0].attention.output.LayerNorm
    hook = norm.register_forward_pre_hook(lambda _, args: sums.append(args[0][0].detach()))
    model(torch.tensor([[1, 2, 3]]))
    hook.remove()
    torch.testing.assert_close(found.vectors(0), sums[0])


def test_a_norm_behind_the_sum_is_the_one_in_front_of_the_mlp() -> None:
    """OPT-350m's order: the norm behind attention feeds the MLP, the last one stands behind it."""
    model = model_of(
        OPTConfig(**DEEP, ffn_dim=16, word_embed_proj_dim=8, do_layer_norm_before=False)
    )
    found = capture(model, TEXTS[:3], [0, 1], batch_size=1)
    for layer in (0, 1):
        outputs: list[torch.Tensor] = []
        block = model.model.decoder.layers[layer]
        hook = block.fc2.register_forward_hook(lambda *args, to=outputs: to.append(args[2]))
        model.eval()
        for text in TEXTS[:3]:
            model(torch.tensor([text]))
        hook.remove()
        expected = torch.cat([y.reshape(-1, 8) for y in outputs]).detach().numpy()
        network = transformers.mlp(model, layer)
        got = network.forward_float(found.vectors(layer).numpy())
        np.testing.assert_allclose(got, expected, 1e-9, 1e-12)


def words(text: str) -> dict[str, list[int]]:
    return {"input_ids": [ord(letter) % 50 for letter in text]}


def test_texts_are_strings_or_a_file(tmp_path: Path) -> None:
    model = model_of(CONFIGS[0])
    file = tmp_path / "two.txt"
    file.write_text("ab\n\ncde\n", "utf-8")
    by_file = capture(model, file, [0], words)
    by_list = capture(model, ["ab", "cde"], [0], words)
    assert by_file.sequences.tolist() == by_list.sequences.tolist() == [0, 0, 1, 1, 1]
    assert torch.equal(by_file.vectors(0), by_list.vectors(0))
    assert repr(by_list) == "<5 vectors of 2 texts in front of layers (0,)>"
    assert len(capture(model, "ab", [0], words)) == 2


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(CONFIGS[1]).bfloat16()
    options: dict[str, Any] = {"folder": tmp_path / "run", "batch_size": 1, "shard_rows": 5}
    run, ran = residual_streams._run, list[int]()

    def failing(*args: Any) -> Any:
        ran.append(args[2][0].text)
        if len(ran) == 3:
            raise RuntimeError("power cut")
        return run(*args)

    monkeypatch.setattr(residual_streams, "_run", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        capture(model, TEXTS, [0, 1], **options)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "shard-00000.safetensors",
        "streams.json",
    ]
    whole = capture(model, TEXTS, [0, 1], **options)
    assert ran == [0, 1, 2, 2, 3, 3, 3]
    monkeypatch.setattr(residual_streams, "_run", run)
    direct = capture(model, TEXTS, [0, 1], batch_size=1)
    for layer in (0, 1):
        assert whole.vectors(layer).dtype == torch.bfloat16
        assert torch.equal(whole.vectors(layer), direct.vectors(layer))
    assert whole.positions.tolist() == direct.positions.tolist()
    for texts, layers in ((TEXTS[:2], [0, 1]), (TEXTS, [0])):
        with pytest.raises(InvalidInput, match="streams of another call"):
            capture(model, texts, layers, **options)
    with torch.no_grad():
        next(model.parameters())[-1, -1] += 1
    with pytest.raises(InvalidInput, match="another model"):
        capture(model, TEXTS, [0, 1], **options)


def changed(config: Any, **changes: Any) -> Any:
    """A model of the same weights whose config says something else."""
    model = model_of(config)
    other = type(config)(**config.to_dict() | changes)
    made = AutoModelForCausalLM.from_config(other).double()
    made.load_state_dict(model.state_dict())
    return made


@pytest.mark.parametrize(
    "changes",
    [
        {"rms_norm_eps": 0.5},
        {"hidden_act": "relu"},
        {"rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}},
    ],
)
def test_a_folder_is_that_of_one_config(changes: dict[str, Any], tmp_path: Path) -> None:
    capture(model_of(CONFIGS[1]), TEXTS, [0], folder=tmp_path)
    with pytest.raises(InvalidInput, match=r"streams of another call; got .*: another config"):
        capture(changed(CONFIGS[1], **changes), TEXTS, [0], folder=tmp_path)


def test_where_a_model_came_from_is_no_part_of_it(tmp_path: Path) -> None:
    model = model_of(CONFIGS[1])
    first = capture(model, TEXTS, [0], folder=tmp_path / "run")
    model.save_pretrained(tmp_path / "saved")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float64)
    again = capture(loaded, TEXTS, [0], folder=tmp_path / "run")
    assert torch.equal(again.vectors(0), first.vectors(0))


def test_hooks_leave_no_trace_in_a_folder_and_are_refused(tmp_path: Path) -> None:
    model = model_of(CONFIGS[1])
    handle = model.model.layers[0].mlp.register_forward_hook(lambda m, x, y: 2 * y)
    with pytest.raises(
        Unsupported, match=r"forward hook may change .*layers\.0\.mlp.*handle.remove"
    ):
        capture(model, TEXTS, [1], folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    doubled = capture(model, TEXTS, [1])
    handle.remove()
    plain = capture(model, TEXTS, [1], folder=tmp_path / "run")
    assert not torch.equal(doubled.vectors(1), plain.vectors(1))


@pytest.mark.parametrize("damage", ["a bit", "the end", "all", "the digest", "another file"])
def test_damaged_shards_are_not_taken_for_data(damage: str, tmp_path: Path) -> None:
    model, options = model_of(CONFIGS[1]), {"folder": tmp_path, "batch_size": 1, "shard_rows": 5}
    found = capture(model, TEXTS, [0, 1], **options)  # type: ignore[arg-type]
    expected, shard = found.vectors(1), tmp_path / "shard-00000.safetensors"
    held = bytearray(shard.read_bytes())
    untouched = (tmp_path / "shard-00001.safetensors").stat().st_mtime_ns
    if damage == "a bit":
        held[-3] ^= 1  # of the last tensor of the file
    elif damage == "the end":
        del held[-8:]
    elif damage == "all":
        held.clear()
    elif damage == "the digest":
        held[held.index(b'"tokens":"') + 12] ^= 1
    else:
        held = bytearray(save({"tokens": torch.tensor([1])}))
    shard.write_bytes(held)
    with pytest.raises(InvalidInput, match="shard of captured vectors is damaged; got shard-00000"):
        for name in ("tokens", "layer.0", "layer.1", "positions", "sequences"):
            stream_shards.tensors(shard, [name])
    again = capture(model, TEXTS, [0, 1], **options)  # type: ignore[arg-type]
    assert torch.equal(again.vectors(1), expected)
    assert shard.read_bytes() != bytes(held)
    assert (tmp_path / "shard-00001.safetensors").stat().st_mtime_ns == untouched
    shard.unlink()
    with pytest.raises(InvalidInput, match=r"is damaged; got shard-00000.*capture again"):
        again.vectors(0)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InvalidInput, match="a file stands where the folder of the streams"):
            capture(model_of(CONFIGS[0]), TEXTS, [0], folder=folder)


@pytest.mark.parametrize(
    "texts",
    [
        torch.tensor([[1, 2, 3], [4, 5, 6]]),
        torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.int32),
        np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8),
        [torch.tensor([1, 2, 3]), np.array([4, 5, 6])],
        ([1, 2, 3], torch.tensor([4, 5, 6])),
    ],
)
def test_token_ids_in_arrays_and_tensors(texts: Any) -> None:
    model = model_of(CONFIGS[0])
    expected, found = capture(model, [[1, 2, 3], [4, 5, 6]], [0]), capture(model, texts, [0])
    assert found.tokens.tolist() == [1, 2, 3, 4, 5, 6]
    assert torch.equal(found.vectors(0), expected.vectors(0))


@pytest.mark.parametrize("texts", [torch.ones(2, 2), np.array([["a"]]), [np.array(3)], np.ones(2)])
def test_arrays_of_something_else(texts: Any) -> None:
    with pytest.raises(InvalidInput, match="token ids are no whole numbers; got "):
        capture(model_of(CONFIGS[0]), texts, [0])


def test_all_layers_at_once_are_no_array() -> None:
    model = model_of(CONFIGS[0])
    found, network = capture(model, TEXTS, [0, 1]), transformers.mlp(model, 1)
    for ask in (network.codes, network.forward_float, lambda x: nearest_boundaries(network, x)):
        with pytest.raises(InvalidInput, match=r"give \.vectors\(layer\) with one of \(0, 1\)"):
            ask(found)


@pytest.mark.parametrize(
    ("texts", "layers", "told"),
    [
        (["ab"], [0], "texts need a tokenizer"),
        ([[1, 50]], [0], r"text 0 has a token that is not there; got 50; give ids 0 .. 49"),
        ([[1], []], [0], "text 1 has no token"),
        ([], [0], "there is no text"),
        ([[1]], [2], r"the checkpoint has no such layer; got 2; give 0 .. 1"),
        ([[1]], [], "no layer is asked for"),
        (Path("/nowhere.txt"), [0], "no such text file"),
    ],
)
def test_what_cannot_be_run(texts: Any, layers: list[int], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        capture(model_of(CONFIGS[0]), texts, layers)


def test_other_families_by_their_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(CONFIGS[0])
    expected = capture(model, TEXTS, [1]).vectors(1)
    known = {name: row for name, row in FAMILIES.items() if name != "gpt2"}
    monkeypatch.setattr(transformers, "FAMILIES", known)
    with pytest.raises(Unsupported, match="got gpt2; give norms="):
        capture(model, TEXTS, [1])
    found = capture(model, TEXTS, [1], norms={1: "transformer.h.1.ln_2"})
    assert torch.equal(found.vectors(1), expected)
    with pytest.raises(InvalidInput, match="was not captured"):
        found.vectors(0)
    with pytest.raises(InvalidInput, match=r"give norms=\{layer"):
        capture(model, TEXTS, [1], norms={1: "transformer.h.1.ln_9"})
    monkeypatch.setattr(residual_streams, "available_bytes", lambda: 100)
    with pytest.raises(TooLarge, match="give folder="):
        capture(model, TEXTS, [1], norms={1: "transformer.h.1.ln_2"})


def test_a_length_beyond_the_model() -> None:
    with pytest.raises(InvalidInput, match=r"got 13; give 1 .. 12"):
        capture(model_of(CONFIGS[0]), TEXTS, [0], length=13)
    for wrong in ({"batch_size": 0}, {"shard_rows": -1}):
        with pytest.raises(InvalidInput, match="is not positive"):
            capture(model_of(CONFIGS[0]), TEXTS, [0], **wrong)  # type: ignore[arg-type]
