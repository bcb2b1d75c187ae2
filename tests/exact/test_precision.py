"""Codes in low precision, against codes of the same rounded numbers and against torch's modules."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from exact import (
    GELU,
    GatedMLP,
    HardTanh,
    InvalidInput,
    LayerNorm,
    LeakyReLU,
    Network,
    ReLU,
    Unsupported,
    codes_in_precision,
)
from exact.sources import tensors, torch_modules
from exact.sources import transformers as readers


def network(kind: str | None, activation: Any = None, eps: Any = 1e-5) -> Network:
    draw = np.random.default_rng(0)
    gain, bias = (None, None) if kind is None else (draw.uniform(0.5, 2, 16), draw.normal(size=16))
    args = (
        draw.normal(size=(64, 16)),
        draw.normal(size=64),
        draw.normal(size=(16, 64)),
        np.zeros(16),
    )
    block = tensors.block(*args, kind, gain, bias, eps, activation, residual=True)
    return Network(block.blocks * 2)


ROWS = np.random.default_rng(1).normal(size=(400, 16))


@pytest.mark.parametrize("kind", [None, "layernorm", "rms"])
@pytest.mark.parametrize("activation", [ReLU(), HardTanh(), LeakyReLU(), GELU("tanh"), GELU()])
def test_fewer_digits_more_wrong_bits(kind: str | None, activation: Any) -> None:
    net = network(kind, activation)
    counts = []
    for name in ("float64", "fp32", "fp16", torch.bfloat16):
        found = codes_in_precision(net, ROWS, name)
        assert found.exact == net.codes(ROWS)
        assert (
            found.wrong_bits.sum()
            == len(found.rows)
            == (found.exact.bits != found.computed.bits).sum()
        )
        counts.append(int(found.wrong_bits.sum()))
    assert counts[0] == 0
    assert counts[0] <= counts[1] < counts[2] < counts[3]
    assert (found.wrong_code_shares_float > 0.02).all()
    assert (found.wrong_bit_shares_float > 0).all()
    assert (found.wrong_bit_shares_float < 0.02).all()
    assert (found.largest_margins_float < 0.1).all()


def test_the_bits_are_those_of_the_module() -> None:
    module = nn.Sequential(
        nn.LayerNorm(16), nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 3)
    ).double()
    net = torch_modules.read(module)
    found = codes_in_precision(net, ROWS, "bf16")
    low = module.bfloat16()
    z = low[1](low[0](torch.from_numpy(ROWS).bfloat16()))
    assert np.array_equal(found.computed.bits, (z > 0).numpy())


def random_llm(model_type: str) -> Any:
    small = {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 9}
    small |= {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    config = transformers.AutoConfig.for_model(model_type, **small, pad_token_id=0)
    torch.manual_seed(3)
    model = transformers.AutoModel.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model.bfloat16()


@pytest.mark.parametrize("model_type", ["llama", "gemma3_text"])
def test_the_bits_are_those_of_a_model_whose_norm_is_its_own(model_type: str) -> None:
    """In bfloat16 torch's rms_norm rounds elsewhere than the norms of Hugging Face."""
    model = random_llm(model_type)
    gated = readers.mlp(model, 0)
    assert isinstance(gated, GatedMLP)
    norm = model.get_submodule(readers.norm_path(model, 0))
    with torch.no_grad():
        z = model.layers[0].mlp.gate_proj(norm(torch.from_numpy(ROWS).bfloat16()))
    bits = (z > 0).numpy()
    before = {name: value.dtype for name, value in norm.state_dict().items()}
    for own in (norm, copy.deepcopy(norm).float(), lambda x: norm(x)):
        found = codes_in_precision(gated.gate, ROWS, "bf16", norm=own)
        assert np.array_equal(found.computed.bits, bits)
    assert {name: value.dtype for name, value in norm.state_dict().items()} == before
    named = codes_in_precision(gated.gate, ROWS, "bf16", norm=norm)
    assert named.norm == type(norm).__name__ and named.exact == found.exact
    torchs = codes_in_precision(gated.gate, ROWS, "bf16")
    assert torchs.norm == "torch" and (torchs.computed.bits != bits).any()


def test_the_second_norm_stays_torchs() -> None:
    net = network("layernorm")
    own = nn.LayerNorm(16, dtype=torch.float64)
    with torch.no_grad():
        own.weight.copy_(torch.tensor(net.norms[0].gain.float64()[:, 0]))
        own.bias.copy_(torch.tensor(net.norms[0].bias.float64()[:, 0]))
    found, torchs = (codes_in_precision(net, ROWS, "bf16", norm=norm) for norm in (own, None))
    assert found.computed == torchs.computed
    other = codes_in_precision(net, ROWS, "bf16", norm=lambda x: torch.zeros_like(x))
    assert (other.computed.bits[:, :64] == (net.layers[0].bias.float64()[:, 0] > 0)).all()


@pytest.mark.parametrize(
    ("net", "norm", "told"),
    [
        (network("rms"), 3, "norm= is no module or function.* got 3"),
        (network(None), nn.Identity(), "the network does not begin with a norm"),
        (network("rms"), lambda x: x[:, :3], r"the shape that it reads; got \(400, 3\)"),
        (network("rms"), lambda x: None, "no tensor of the shape that it reads; got NoneType"),
    ],
)
def test_norms_that_do_not_fit(net: Network, norm: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        codes_in_precision(net, ROWS, "bf16", norm=norm)


def test_wrong_bits_are_named_one_by_one() -> None:
    net = network("layernorm", HardTanh())
    found = codes_in_precision(net, ROWS, "bf16")
    z = net.hidden_float(ROWS)
    wrong = np.argwhere(found.exact.bits != found.computed.bits)
    sizes = [
        net.hinges.index(h)
        for h in zip(found.layers, found.neurons, found.breakpoints, strict=True)
    ]
    assert np.array_equal(np.stack([found.rows, sizes], axis=1), wrong)
    bends = np.where(found.breakpoints == 0, -1.0, 1.0)
    for e in range(len(found.rows)):
        gap = z[found.layers[e] - 1][found.rows[e], found.neurons[e]] - bends[e]
        assert (gap > 0) == found.on[e]
        assert 0 < found.margins_float[e] <= abs(gap)
    table = found.to_pandas()
    assert list(table.columns) == ["row", "layer", "neuron", "breakpoint", "on", "margin"]
    assert len(table) == len(wrong)
    per_row = [set(found.rows[found.layers == k]) for k in (1, 2)]
    assert found.wrong_codes.tolist() == [len(rows) for rows in per_row]
    assert repr(found).startswith(f"<codes of 400 points in bfloat16, {len(wrong)} wrong bits")


def test_margins_of_one_neuron() -> None:
    net = tensors.mlp([([[1, -1]], [0]), ([[1]], [0])])
    found = codes_in_precision(net, [[257, 256]], "bf16")  # both are 256 there
    assert found.on.tolist() == [True]
    assert found.margins_float[0] == pytest.approx(1 / (2 * (257**2 + 256**2)) ** 0.5)


def test_rows_beyond_the_range() -> None:
    net = network(None)
    x = ROWS[:4].copy()
    x[1] *= 1e5
    x[2] *= 3e3
    with pytest.raises(Unsupported, match=r"row 1 of X leaves the range of float16; got the input"):
        codes_in_precision(net, x, "fp16")
    with pytest.raises(Unsupported, match=r"row 0 of X .* got hidden layer 1"):
        codes_in_precision(net, x[2:3] * 5, "fp16")
    found = codes_in_precision(net, x, "fp16", errors="keep")
    assert found.overflowed.tolist()[:2] == [False, True]
    assert 1 not in found.rows
    assert codes_in_precision(net, x, "bf16").overflowed.sum() == 0


def test_of_no_row_there_are_no_shares() -> None:
    net, x = network(None), ROWS[:3] * 1e6
    found = codes_in_precision(net, x, "fp16", errors="keep")
    assert found.overflowed.all() and len(found.rows) == 0
    assert np.isnan(found.wrong_bit_shares_float).all()
    assert np.isnan(found.wrong_code_shares_float).all()
    assert repr(found).endswith("wrong codes of the worst layer, 3 rows have none>")
    x[1] = ROWS[0]
    some = codes_in_precision(net, x, "fp16", errors="keep")
    assert np.isfinite(some.wrong_bit_shares_float).all()
    assert "2 rows have none" in repr(some)


@pytest.mark.parametrize(
    ("net", "dtype", "told"),
    [
        (network(None), "tf32", "TF32 is a mode of matrix products on CUDA devices"),
        (network(None), "int8", "not a type of floats"),
        (
            tensors.mlp([([[1e5]], [0]), ([[1]], [0])]),
            "fp16",
            "a weight of a layer leaves the range",
        ),
        (network("rms"), "bf16", ""),
    ],
)
def test_what_cannot_be_said(net: Network, dtype: str, told: str) -> None:
    x = np.ones((1, net.input_dim))
    if told:
        with pytest.raises((Unsupported, InvalidInput), match=told):
            codes_in_precision(net, x, dtype)
    else:
        assert len(codes_in_precision(net, x, dtype).exact) == 1


def test_a_norm_that_torch_has_not() -> None:
    norm = LayerNorm.of(dim=16, eps_rule="std")
    blocks = tuple(type(b)(b.layers, norm) for b in network(None).blocks)
    with pytest.raises(Unsupported, match="no function for this norm"):
        codes_in_precision(Network(blocks), ROWS, "bf16")


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "tf32", "bfloat16", "float16"])
def test_on_a_device(dtype: str) -> None:
    found = codes_in_precision(network("layernorm"), ROWS, dtype, device="cuda")
    assert found.exact == network("layernorm").codes(ROWS)
    assert (found.largest_margins_float < 0.1).all()
