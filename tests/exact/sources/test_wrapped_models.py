"""Models inside TransformerLens and nnsight: the packages themselves where they are installed, and
light stand-ins with the attributes that are read everywhere.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from exact import GatedMLP, InvalidInput, Network, Unsupported
from exact.sources.transformers import mlp, norm_path
from tests.exact.sources.test_transformers import CASES, N, random_model

# ---- nnsight


def watched(model: nn.Module) -> Any:
    """As nnsight leaves a model: every module has a forward of its own that runs the class's."""
    for part in model.modules():
        state = SimpleNamespace(original=type(part).forward)
        vars(part)["__nnsight__"] = state
        vars(part)["forward"] = lambda *x, s=state, m=part, **more: s.original(m, *x, **more)
    return SimpleNamespace(_module=model)


def really_watched(model: nn.Module) -> Any:
    import nnsight

    return nnsight.NNsight(model)


WATCHED = [watched, pytest.param(really_watched, marks=pytest.mark.needs("nnsight"))]


@pytest.mark.parametrize("wrap", WATCHED)
@pytest.mark.parametrize("case", CASES)
def test_nnsight(case: str, wrap: Any) -> None:
    plain, model = mlp(random_model(case), 1).sha256, random_model(case)
    around = wrap(model)
    names = {name: set(vars(part)) for name, part in model.named_modules()}
    assert mlp(around, 1).sha256 == mlp(model, 1).sha256 == plain
    assert norm_path(around, 1) == norm_path(model, 1)
    assert names == {name: set(vars(part)) for name, part in model.named_modules()}


@pytest.mark.parametrize("wrap", WATCHED)
def test_an_own_forward_inside_nnsight_is_still_refused(wrap: Any) -> None:
    model = random_model("gpt2")
    part = model.transformer.h[1].mlp
    part.forward = lambda x: 2 * type(part).forward(part, x)
    around = wrap(model)
    if wrap is watched:
        vars(part)["__nnsight__"].original = part.forward
    with pytest.raises(Unsupported, match="forward of its own"):
        mlp(around, 1)
    assert mlp(around, 0).input_dim == N


# ---- TransformerLens


class HookPoint(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fwd_hooks: list[Any] = []

    def forward(self, x: Any) -> Any:
        return x

    def add_hook(self, hook: Any) -> None:
        self.register_forward_hook(lambda m, x, y: hook(y))
        self.fwd_hooks.append(SimpleNamespace(user_hook=hook))


class Component(nn.Module):
    """A component of a bridge: the module that it wraps, and hook points."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.hook_in, self.hook_out = HookPoint(), HookPoint()
        self.add_module("_original_component", original)

    def __call__(self, *x: Any, **more: Any) -> Any:
        return super().__call__(*x, **more)

    def forward(self, *x: Any, **more: Any) -> Any:
        return self._original_component(*x, **more)  # type: ignore[operator]


class Bridge(nn.Module):
    def __init__(self, original_model: nn.Module) -> None:
        super().__init__()
        vars(self)["original_model"] = original_model
        self.blocks = nn.ModuleList(original_model.transformer.h)  # type: ignore[union-attr,arg-type]


for kind in (HookPoint, Component, Bridge):
    kind.__module__ = "transformer_lens.stand_in"


def bridged(model: Any) -> Any:
    """As TransformerLens leaves the GPT-2 that it was given."""
    for i, block in enumerate(model.transformer.h):
        block.mlp.c_fc, block.mlp.c_proj = Component(block.mlp.c_fc), Component(block.mlp.c_proj)
        block.mlp, block.ln_2 = Component(block.mlp), Component(block.ln_2)
        block.mlp.add_module("in", block.mlp._original_component.c_fc)
        model.transformer.h[i] = Component(block)
    return Bridge(model)


def test_a_bridge_is_read_through() -> None:
    plain, model = mlp(random_model("gpt2"), 1), random_model("gpt2")
    bridge = bridged(model)
    assert "transformer.h.1.mlp._original_component.c_fc.weight" not in model.state_dict()
    for given in (bridge, model):
        assert mlp(given, 1).sha256 == plain.sha256
    assert mlp(bridge, "blocks.1").sha256 == mlp(bridge, "blocks.1.mlp").sha256 == plain.sha256
    assert norm_path(bridge, 1) == "transformer.h.1.ln_2"
    with pytest.raises(InvalidInput, match=r"give 0 \.\. 1"):
        mlp(bridge, "blocks.2")


def test_hooks_on_a_bridge_are_refused_but_for_its_own_wiring() -> None:
    model = random_model("gpt2")
    bridge = bridged(model)

    def wiring(x: Any) -> Any:
        return x

    wiring.__module__ = "transformer_lens.model_bridge.component_setup"
    bridge.blocks[1]._original_component.mlp.hook_in.add_hook(wiring)
    plain = mlp(random_model("gpt2"), 1).sha256
    assert mlp(bridge, 1).sha256 == plain
    bridge.blocks[1]._original_component.mlp.hook_in.add_hook(lambda x: 2 * x)
    with pytest.raises(Unsupported, match="forward hook may change"):
        mlp(bridge, 1)


@pytest.fixture
def real_bridge(tmp_path: Path) -> Any:
    """TransformerLens' bridge around a model, with a tokenizer of forty words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(40)}, unk_token="w39"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"bos_token": "w0", "eos_token": "w0", "pad_token": "w0", "unk_token": "w39"}

    def boot(model: Any) -> Any:
        model.save_pretrained(tmp_path)
        PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(tmp_path)
        return TransformerBridge.boot_transformers(
            str(tmp_path),
            hf_model=model,
            tokenizer=AutoTokenizer.from_pretrained(tmp_path),
            dtype=torch.float32,
        )

    return boot


@pytest.mark.needs("transformer_lens")
@pytest.mark.parametrize("case", CASES)
def test_transformer_lens(case: str, real_bridge: Any) -> None:
    """Before compatibility mode the network is the model's; behind it another: gains are one, and
    outputs centred where the model centres.
    """
    plain, model = mlp(random_model(case), 1), random_model(case)
    bridge = real_bridge(model)
    assert mlp(bridge, 1).sha256 == mlp(model, 1).sha256 == plain.sha256
    assert mlp(bridge, "blocks.1").sha256 == plain.sha256
    bridge.blocks[1].mlp.hook_out.add_hook(lambda x, hook: 2 * x)
    with pytest.raises(Unsupported, match="hook"):
        mlp(bridge, 1)
    bridge.reset_hooks()
    bridge.enable_compatibility_mode()
    folded = mlp(bridge, 1)
    assert folded.sha256 == mlp(model, 1).sha256  # the model passed is folded
    assert (folded.sha256 == plain.sha256) == (case == "opt, norm behind")  # which it leaves alone
    x = np.random.default_rng(0).normal(size=(6, N))
    before, after = plain.forward_float(x), folded.forward_float(x)
    left = isinstance(plain, GatedMLP) or case == "opt, norm behind"
    kept = before if left else before - before.mean(axis=1, keepdims=True)
    assert np.abs(after - kept).max() <= 2.0**-15 * np.abs(before).max()
    network = folded.gate if isinstance(folded, GatedMLP) else folded
    assert isinstance(network, Network)
    if case not in ("bert", "opt, norm behind"):  # whose norm serves the skip, too
        assert set(network.norms[0].gain.float64().ravel()) == {1.0}
