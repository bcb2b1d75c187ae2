"""A very small GPT-2, trained for a second: its loss, its checkpoint, and the residual vectors that
come out of it.
"""

import copy
import dataclasses
import hashlib
import json
import math
import socket
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from exact.errors import InvalidInput, MissingExtra, Unsupported
from exact.sources import gpt2, transformers
from toy_models import language
from toy_models.language import (
    LanguageConfig,
    LanguageResult,
    capture_residuals,
    tokenise,
    train_language_model,
    windows,
)

TINY = LanguageConfig(
    layers=2,
    width=16,
    heads=2,
    context=16,
    steps=300,
    batch_size=16,
    learning_rate=1e-2,
    text_bytes=20_000,
    seed=5,
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing here may open a connection, even where the hub is said to be in reach."""

    def refuse(*arguments: Any) -> None:
        raise AssertionError(f"a connection was opened: {arguments}")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield


@pytest.fixture(scope="module")
def trained() -> LanguageResult:
    return train_language_model(TINY, progress=False)


@pytest.fixture
def folder(trained: LanguageResult, tmp_path: Path) -> Path:
    return language.save(trained, tmp_path, "tiny")


def sample(positions: int = 16, count: int = 5) -> Tensor:
    return windows(tokenise(language.standard_library_text(2000)), positions, count)


def test_training_beats_the_frequencies_of_bytes(trained: LanguageResult) -> None:
    text = language.standard_library_text(TINY.text_bytes)
    share = torch.tensor(list(text)).bincount() / len(text)
    entropy = -(share[share > 0] * share[share > 0].log()).sum()
    assert len(trained.losses) == TINY.steps
    assert abs(trained.losses[0] - math.log(256)) < 0.3
    assert sum(trained.losses[-20:]) / 20 < entropy
    assert trained.held_out_loss < math.log(256) - 1.5
    assert trained.text_sha256 == hashlib.sha256(text).hexdigest()
    assert not trained.model.training


def test_the_held_out_loss_is_that_of_transformers_on_the_last_tenth(
    trained: LanguageResult,
) -> None:
    tokens = torch.tensor(list(language.standard_library_text(TINY.text_bytes)[-2000:])).reshape(
        125, 16
    )
    with torch.no_grad():
        loss = trained.model(input_ids=tokens, labels=tokens).loss.item()
    assert trained.held_out_loss == pytest.approx(loss, rel=1e-5)


def test_the_seed_decides_everything_and_the_global_state_nothing(
    trained: LanguageResult, folder: Path
) -> None:
    short = dataclasses.replace(TINY, steps=3)
    torch.manual_seed(0)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first = train_language_model(short, progress=False)
    language.load(folder)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(1)
    again = train_language_model(short, progress=False)
    other = train_language_model(dataclasses.replace(short, seed=6), progress=False)
    assert first.losses == again.losses != other.losses
    assert first.losses[0] == trained.losses[0]


def test_training_runs_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def finite(loss: float, *context: object) -> float:
        threads.append(torch.get_num_threads())
        return loss

    monkeypatch.setattr(language, "finite", finite)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    train_language_model(dataclasses.replace(TINY, steps=2), progress=False)
    assert threads == [1, 1]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_the_shape_is_that_of_the_config(trained: LanguageResult) -> None:
    config = trained.model.config
    assert (config.n_layer, config.n_embd, config.n_head, config.n_positions) == (2, 16, 2, 16)
    assert config.activation_function == "gelu_new"
    assert trained.model.transformer.h[0].mlp.c_fc.weight.shape == (16, 64)


def test_the_checkpoint_is_an_ordinary_one(trained: LanguageResult, folder: Path) -> None:
    from transformers import GPT2LMHeadModel

    tokens = sample()
    expected = trained.model(input_ids=tokens).logits
    assert torch.equal(
        GPT2LMHeadModel.from_pretrained(folder, local_files_only=True)(input_ids=tokens).logits,
        expected,
    )
    assert torch.equal(language.load(folder)(input_ids=tokens).logits, expected)
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors", "exactlens.json"}
    assert "transformer.h.1.ln_2.weight" in safetensors.torch.load_file(
        folder / "model.safetensors"
    )
    assert list(folder.parent.iterdir()) == [folder]


def test_the_checkpoint_tells_where_it_comes_from(trained: LanguageResult, folder: Path) -> None:
    own = json.loads((folder / "exactlens.json").read_text())
    assert LanguageConfig(**own["training"]) == TINY
    assert own["held_out_loss"] == trained.held_out_loss
    assert own["text_sha256"] == trained.text_sha256
    assert set(own["versions"]) == {"exactlens", "python", "torch", "transformers"}


def test_saving_and_loading_draw_no_bars(
    trained: LanguageResult, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    logging.enable_progress_bar()  # another test of the same process may have switched them off
    language.load(language.save(trained, tmp_path, "tiny"))
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()


def test_a_model_is_replaced_only_when_asked(trained: LanguageResult, folder: Path) -> None:
    with pytest.raises(InvalidInput, match="the folder of the model exists already"):
        language.save(trained, folder.parent, "tiny")
    (folder / "generation_config.json").unlink()
    language.save(trained, folder.parent, "tiny", overwrite=True)
    assert (folder / "generation_config.json").is_file()
    foreign = folder.parent / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years")
    with pytest.raises(InvalidInput, match="choose another name"):
        language.save(trained, folder.parent, "foreign", overwrite=True)
    assert (foreign / "thesis.tex").read_text() == "years"


def test_a_save_that_fails_leaves_the_old_model_and_nothing_else(
    trained: LanguageResult, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(language, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        language.save(trained, folder.parent, "tiny", overwrite=True)
    assert list(folder.parent.iterdir()) == [folder]
    language.load(folder)


@pytest.mark.parametrize("layer", [0, 1])
def test_residuals_are_what_the_mlp_reads(trained: LanguageResult, layer: int) -> None:
    tokens, block = sample(), trained.model.transformer.h[layer]
    outputs = []
    hook = block.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    trained.model(input_ids=tokens)
    hook.remove()
    [after] = outputs
    captured = capture_residuals(trained.model, layer, tokens, batch_size=2)
    assert captured.vectors.shape == (5, 16, 16)
    assert captured.vectors.dtype == torch.float32
    assert captured.layer == layer
    assert torch.equal(captured.tokens, tokens)
    x = captured.vectors
    torch.testing.assert_close(
        x + block.mlp(block.ln_2(x)), after if isinstance(after, Tensor) else after[0]
    )


@pytest.mark.parametrize("layer", [0, 1])
def test_the_exact_reader_reads_the_same_mlp(
    trained: LanguageResult, folder: Path, layer: int
) -> None:
    x = capture_residuals(trained.model, layer, sample()).flat().double()
    block = copy.deepcopy(trained.model.transformer.h[layer]).double()
    exact = torch.from_numpy(gpt2.read(folder, layer).forward_float(x.numpy()))
    torch.testing.assert_close(exact, block.mlp(block.ln_2(x)).detach(), rtol=0, atol=1e-12)


def test_capturing_leaves_the_model_as_it_was(trained: LanguageResult) -> None:
    before = trained.model(input_ids=sample()).logits
    first, second = (
        capture_residuals(trained.model, 1, sample(), batch_size=size) for size in (1, 100)
    )
    torch.testing.assert_close(first.vectors, second.vectors)
    assert not first.vectors.requires_grad
    assert all(not block.ln_2._forward_pre_hooks for block in trained.model.transformer.h)
    assert torch.equal(trained.model(input_ids=sample()).logits, before)


def test_a_run_that_fails_leaves_no_hook(
    trained: LanguageResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(trained.model), "forward", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        capture_residuals(trained.model, 0, sample())
    assert not trained.model.transformer.h[0].ln_2._forward_pre_hooks


def test_flat_residuals_leave_the_first_positions_out() -> None:
    vectors = torch.arange(2 * 4 * 3.0).reshape(2, 4, 3)
    residuals = language.Residuals(0, vectors, torch.zeros(2, 4, dtype=torch.int64))
    assert torch.equal(residuals.flat(), vectors.reshape(8, 3))
    assert torch.equal(residuals.flat(skip=3), vectors[:, 3])


def test_the_text_is_python_in_a_fixed_order() -> None:
    text = language.standard_library_text(300_000)
    assert len(text) == 300_000
    assert text.startswith(language.standard_library_text(1000))
    assert text.count(b"\0") > 3
    modules = {
        path.name: path.read_bytes() for path in Path(sysconfig.get_path("stdlib")).glob("*.py")
    }
    order = sorted(modules, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert text.split(b"\0")[:3] == [modules[name] for name in order[:3]]


def test_tokens_are_bytes(folder: Path) -> None:
    for place in (None, folder, str(folder)):
        assert bytes(tokenise("naïve\n", place).tolist()).decode() == "naïve\n"
    assert tokenise(b"\xff\x00").tolist() == [255, 0]
    assert tokenise("a").dtype == torch.int64


def test_tokens_are_those_of_the_tokenizer_in_the_folder(tmp_path: Path) -> None:
    vocabulary = {"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    assert tokenise("abbab", tmp_path).tolist() == [2, 1, 2]


def test_windows_are_consecutive_and_spread_evenly() -> None:
    row = torch.arange(103)
    assert torch.equal(windows(row, 10), torch.arange(100).reshape(10, 10))
    assert windows(row, 10, 4)[:, 0].tolist() == [0, 20, 50, 70]
    assert torch.equal(windows(row, 10, 99), windows(row, 10))


def test_a_text_of_ones_own_is_learned() -> None:
    config = dataclasses.replace(TINY, steps=40, text_bytes=4000)
    result = train_language_model(config, text=b"ab" * 4000, progress=False)
    assert result.held_out_loss < 0.7
    assert result.text_sha256 == hashlib.sha256(b"ab" * 2000).hexdigest()


BAD_CONFIGS = [
    ({"layers": 0}, "layers .* got 0"),
    ({"heads": 3}, "the heads do not divide the width; got width=16, heads=3"),
    ({"context": 1}, "context .* got 1"),
    ({"text_bytes": 100}, "text_bytes .* got 100"),
    ({"steps": 0}, "steps .* got 0"),
    ({"seed": -1}, "seed .* got -1"),
    ({"learning_rate": 0.0}, "learning_rate .* got 0.0"),
    ({"weight_decay": math.nan}, "weight_decay .* got nan"),
    ({"device": "cuda:99"}, "unknown or absent device; got 'cuda:99'"),
    ({"norm": "rms"}, "unknown norm; got 'rms'; write one of layernorm, rmsnorm, none"),
    ({"activation": "tanh"}, "unknown activation; got 'tanh'; write one of gelu_new, gelu, relu"),
    ({"norm_behind_activation": 1}, "norm_behind_activation is neither true nor false"),
    ({"norm_behind_activation": True}, "behind the activation is SoLU's; got gelu_new; write act"),
    ({"learning_rate": 1e30}, "its loss is not finite; got loss = nan at step"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_CONFIGS)
def test_a_bad_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        train_language_model(dataclasses.replace(TINY, **settings), progress=False)


def test_a_text_too_short_is_named() -> None:
    with pytest.raises(
        InvalidInput, match="the text is too short; got 10 bytes; give at least 320 bytes"
    ):
        train_language_model(TINY, text=b"0123456789", progress=False)
    with pytest.raises(InvalidInput, match="the text is empty"):
        tokenise("")
    with pytest.raises(InvalidInput, match="shorter than one window; got 3 tokens"):
        windows(tokenise("abc"), 4)
    with pytest.raises(InvalidInput, match=r"count .* got 0"):
        windows(tokenise("abc"), 1, 0)


def test_a_python_without_sources_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(InvalidInput, match=f"no source files here; got {tmp_path}"):
        language.standard_library_text()


def test_bad_tokens_and_layers_are_named(trained: LanguageResult) -> None:
    for layer in (-1, 2):
        with pytest.raises(InvalidInput, match=f"layer .* got {layer}"):
            capture_residuals(trained.model, layer, sample())
    for tokens in (sample()[0], sample(17), sample()[:, :0], sample()[:0]):
        with pytest.raises(InvalidInput, match="wrong shape"):
            capture_residuals(trained.model, 0, tokens)
    with pytest.raises(InvalidInput, match="does not know the tokens; got 0 to 256"):
        capture_residuals(trained.model, 0, torch.tensor([[0, 256]]))
    with pytest.raises(InvalidInput, match="does not know the tokens; got -1 to 3"):
        capture_residuals(trained.model, 0, torch.tensor([[3, -1]]))
    with pytest.raises(InvalidInput, match=r"got 0\.0 to 1\.0, torch\.float32"):
        capture_residuals(trained.model, 0, torch.tensor([[0.0, 1.0]]))


@pytest.mark.parametrize("name", ["../tiny", ".tiny", "a/b", ""])
def test_a_name_that_could_leave_the_root_is_refused(
    trained: LanguageResult, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidInput, match="the name could leave its folder"):
        language.save(trained, tmp_path, name)


def test_a_folder_without_a_model_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no language model"):
        language.load(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="a pickle can run any code"):
        language.load(folder / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match="the folder has no tokenizer"):
        tokenise("text", tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match="the folder has no safetensors"):
        language.load(folder)


def test_weights_that_are_missing_or_truncated_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    with pytest.raises(InvalidInput, match="the language model cannot be read"):
        language.load(folder)
    path.write_bytes(content)
    tensors = safetensors.torch.load_file(path)
    del tensors["transformer.h.1.ln_2.bias"]
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(
        InvalidInput, match=r"weights are missing in .* got transformer\.h\.1\.ln_2\.bias"
    ):
        language.load(folder)
    tensors["transformer.h.1.ln_2.bias"] = torch.zeros(17)
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(InvalidInput, match="the language model cannot be read"):
        language.load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the file is not JSON"),
        ("[]", "not a JSON object"),
        ('{"model_type": "bert"}', "the model is not a GPT-2"),
    ],
)
def test_a_config_of_something_else_is_named(folder: Path, content: str, message: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(InvalidInput, match=message):
        language.load(folder)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r'pip install "exactlens\[gpt2\]"'):
        train_language_model(TINY, progress=False)


# ---- other norms and activations


VARIANTS = [
    ("layernorm", "relu", False),
    ("layernorm", "solu", True),
    ("rmsnorm", "relu", False),
    ("rmsnorm", "solu", False),
    ("none", "relu", False),
    ("none", "gelu_new", False),
    ("none", "solu", True),
]
SMALL = dataclasses.replace(TINY, layers=1, steps=3)


def variant(norm: str, activation: str, behind: bool, **more: Any) -> LanguageResult:
    config = dataclasses.replace(
        SMALL, norm=norm, activation=activation, norm_behind_activation=behind, **more
    )
    return train_language_model(config, progress=False)


@pytest.mark.parametrize(("norm", "activation", "behind"), VARIANTS)
def test_a_variant_is_what_it_says_and_comes_back(
    norm: str, activation: str, behind: bool, tmp_path: Path
) -> None:
    result = variant(norm, activation, behind)
    body = result.model.transformer
    kinds = {
        "layernorm": torch.nn.LayerNorm,
        "rmsnorm": torch.nn.RMSNorm,
        "none": torch.nn.Identity,
    }
    for module in (body.ln_f, body.h[0].ln_1, body.h[0].ln_2):
        assert type(module) is kinds[norm]
    act = body.h[0].mlp.act
    z = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    wanted = {
        "relu": z.relu(),
        "gelu_new": torch.nn.functional.gelu(z, approximate="tanh"),
        "solu": z * z.softmax(dim=-1),
    }[activation]
    if behind:
        wanted = torch.nn.functional.layer_norm(wanted, (64,), act.norm.weight, act.norm.bias)
    torch.testing.assert_close(act(z), wanted)
    folder = language.save(result, tmp_path, "variant")
    loaded, tokens = language.load(folder), sample()
    assert torch.equal(loaded(input_ids=tokens).logits, result.model(input_ids=tokens).logits)
    assert LanguageConfig(**json.loads((folder / "exactlens.json").read_text())["training"]) == (
        result.config
    )
    assert language.language_loss(loaded, tokens) == pytest.approx(
        language.language_loss(result.model, tokens)
    )


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm", "none"])
def test_variants_with_relu_are_exact_networks(norm: str, tmp_path: Path) -> None:
    result = variant(norm, "relu", False)
    folder = language.save(result, tmp_path, "variant")
    x = capture_residuals(result.model, 0, sample()).flat().double()
    block = copy.deepcopy(result.model.transformer.h[0]).double()
    expected = block.mlp(block.ln_2(x)).detach()
    for source in (folder, result.model):
        read = transformers.mlp(source, 0)
        torch.testing.assert_close(
            torch.from_numpy(read.forward_float(x.numpy())), expected, rtol=0, atol=1e-12
        )
        assert read.is_piecewise_linear
        assert [type(n).__name__ for n in read.norms] == {
            "layernorm": ["LayerNorm"],
            "rmsnorm": ["RMSNorm"],
            "none": [],
        }[norm]


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("norm", ["layernorm", "none"])
def test_solu_has_no_codes_and_is_refused_by_name(norm: str, behind: bool, tmp_path: Path) -> None:
    result = variant(norm, "solu", behind, steps=1)
    folder = language.save(result, tmp_path, "variant")
    for source in (folder, result.model):
        with pytest.raises(Unsupported, match=r"SoLU, z softmax\(z\), mixes all neurons"):
            transformers.mlp(source, 0)


@pytest.mark.parametrize(("norm", "activation", "behind"), VARIANTS)
def test_activations_are_what_the_neurons_do(norm: str, activation: str, behind: bool) -> None:
    model, tokens = variant(norm, activation, behind, steps=1).model, sample()
    found = language.capture_activations(model, 0, tokens, batch_size=2)
    block = model.transformer.h[0]
    x = capture_residuals(model, 0, tokens).vectors
    with torch.no_grad():
        z = block.mlp.c_fc(block.ln_2(x))
        torch.testing.assert_close(found.pre_activations, z)
        torch.testing.assert_close(found.outputs, block.mlp.act(z))
        if behind:
            torch.testing.assert_close(found.activations, z * z.softmax(dim=-1))
            torch.testing.assert_close(found.outputs, block.mlp.act.norm(found.activations))
        else:
            assert torch.equal(found.activations, found.outputs)
    assert found.layer == 0 and torch.equal(found.tokens, tokens)
    assert not any(module._forward_pre_hooks for module in block.modules())
    with pytest.raises(InvalidInput, match=r"layer .* got 1"):
        language.capture_activations(model, 1, tokens)


def test_variants_share_data_and_weights() -> None:
    first, second = (variant(norm, "relu", False, steps=1) for norm in ("layernorm", "rmsnorm"))
    assert first.text_sha256 == second.text_sha256
    assert abs(first.losses[0] - second.losses[0]) < 0.1


def test_a_model_that_was_trained_alike_is_known(folder: Path, tmp_path: Path) -> None:
    assert language.was_trained_so(folder, TINY)
    assert not language.was_trained_so(folder, dataclasses.replace(TINY, seed=6))
    assert not language.was_trained_so(tmp_path / "nothing", TINY)
    own = folder / "exactlens.json"
    own.write_text(own.read_text().replace('"torch": "', '"torch": "0.'))
    assert not language.was_trained_so(folder, TINY)


def test_other_readers_do_not_take_a_variant_for_gpt2(tmp_path: Path) -> None:
    folder = language.save(variant("rmsnorm", "relu", False, steps=1), tmp_path, "variant")
    with pytest.raises(Unsupported, match="the checkpoint is not a GPT-2; got gpt2_rmsnorm"):
        gpt2.read(folder, 0)
    path = transformers.norm_path(folder, 0)
    assert path == "transformer.h.0.ln_2"
    bare = language.save(variant("none", "relu", False, steps=1), tmp_path, "bare")
    with pytest.raises(InvalidInput, match="no norm stands in front of the MLP"):
        transformers.norm_path(bare, 0)
