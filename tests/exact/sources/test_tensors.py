"""Networks from plain arrays."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
import transformers

from exact import (
    AbsoluteValue,
    Block,
    GreatCircle,
    HardTanh,
    Identity,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    Outcome,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    partition,
)
from exact.arithmetic.numbers import fraction
from exact.sources import tensors
from tests.exact import reference
from tests.exact.reference import exact_output

LAYERS = [([[1, -2], [3, 0], [0, "1/3"]], [0, -1, 2]), ([[1, 1, -1]], ["1/2"])]


def test_mlp_bends_every_layer_but_the_last() -> None:
    network = tensors.mlp([*LAYERS, ([[2]], None)])
    assert [layer.activation for layer in network.layers] == [ReLU(), ReLU(), Identity()]
    assert network.layers[2].bias.tolist() == [[0]]
    other = tensors.mlp(LAYERS, activation=AbsoluteValue(), last=HardTanh())
    assert [layer.activation for layer in other.layers] == [AbsoluteValue(), HardTanh()]


def test_mlp_is_its_formula() -> None:
    network = tensors.mlp(LAYERS)
    x, y = Fraction(2), Fraction(-1)
    hidden = [max(v, Fraction(0)) for v in (x - 2 * y, 3 * x - 1, y / 3 + 2)]
    expected = hidden[0] + hidden[1] - hidden[2] + Fraction(1, 2)
    assert exact_output(network, (x, y)) == network.affine_at((x, y))((x, y)) == (expected,)


def test_arrays_tensors_and_lists_are_the_same_network() -> None:
    weight, bias, out = [[0.5, -2.0], [3.0, 0.25]], [1.0, -1.5], [[1.0, 2.0]]
    short = partial(torch.tensor, dtype=torch.bfloat16, requires_grad=True)
    reads: tuple[Any, ...] = (list, np.array, torch.tensor, short)
    made = [tensors.mlp([(read(weight), read(bias)), (read(out), None)]) for read in reads]
    assert len({network.sha256 for network in made}) == 1


def test_errors_name_the_layer_and_the_entry() -> None:
    with pytest.raises(InvalidInput, match=r"layers\.1\.weight\[0, 2\] = nan"):
        tensors.mlp([(np.ones((3, 2)), np.ones(3)), (np.array([[1.0, 2.0, np.nan]]), [0.0])])
    with pytest.raises(InvalidInput, match=r"layers\.0\.bias\[1"):
        tensors.mlp([(np.ones((3, 2)), np.array([0.0, np.inf, 0.0])), (np.ones((1, 3)), [0.0])])
    with pytest.raises(InvalidInput, match=r"w_out\.weight\[0, 1\]"):
        tensors.block(np.ones((2, 2)), None, torch.tensor([[1.0, float("nan")]]), None)
    with pytest.raises(InvalidInput, match="at least one layer"):
        tensors.mlp([])


def test_block_without_norm() -> None:
    network = tensors.block([[1, 2], [0, 1]], [1, 0], [[1, 0], [1, 1]], [0, -1], residual=True)
    assert network.norms == ()
    assert network.blocks[0].residual
    assert network.affine_at((3, 4))((3, 4)) == (3 + 12, 4 + 12 + 4 - 1)


@pytest.mark.parametrize(("name", "kind"), [("layernorm", LayerNorm), ("rms", RMSNorm)])
@pytest.mark.parametrize("rule", ["var", "std"])
def test_block_with_norm(name: Any, kind: type, rule: Any) -> None:
    network = tensors.block(
        np.ones((3, 2)),
        None,
        np.ones((1, 3)),
        None,
        norm=name,
        gain=[1, "1/2"],
        bias=[0, 3],
        eps="1/7",
        eps_rule=rule,
    )
    (norm,) = network.norms
    assert type(norm) is kind
    assert (fraction(norm.eps), norm.eps_rule, norm.dim) == (Fraction(1, 7), rule, 2)
    assert [row[0] for row in norm.gain.tolist()] == [1, Fraction(1, 2)]
    assert [row[0] for row in norm.bias.tolist()] == [0, 3]
    assert fraction(tensors.block([[1, 2]], None, [[1]], None, norm=name).norms[0].eps) == Fraction(
        1e-5
    )


NORMED = {"norm": "layernorm", "gain": [2, 1, -1, 3], "bias": [0, 1, 0, -2]}
BODY: tuple[Any, ...] = (
    [[1, -2, 0, 1], [0, 1, 3, -1], [2, 0, 1, 1]],
    [1, 0, -1],
    [[1, 0, 2], [0, 1, -1], [3, 0, 1], [1, 1, 1]],
    [0, 0, 1, 2],
)


def after(network: Network) -> Network:
    """The network with a layer behind it, whose bits read what the block writes."""
    return Network(
        (*network.blocks, Block((Layer.of([[1, 2, 0, -1], [0, -1, 1, 1]], [1, -2], ReLU()),)))
    )


@pytest.mark.parametrize("residual", [False, True, "input", "normed"])
def test_the_skip_carries_the_input_or_the_normed_vector(residual: Any) -> None:
    """By mpmath: y = norm(x), and what is added to the layers of y."""
    x = [Fraction(1), Fraction(-2), Fraction(5), Fraction(1, 3)]
    network = tensors.block(*BODY, **NORMED, eps=0, residual=residual)
    with mpmath.workdps(50):
        y = reference.normalise(
            tensors.block(*BODY, **NORMED, eps=0).norms[0], [reference.real(v) for v in x], True
        )
        hidden = [
            max(sum((w * v for w, v in zip(row, y, strict=True)), b), 0)
            for row, b in zip(*BODY[:2], strict=True)
        ]
        out = [
            sum((w * h for w, h in zip(row, hidden, strict=True)), b)
            for row, b in zip(*BODY[2:], strict=True)
        ]
        skip = {False: [0] * 4, True: x, "input": x, "normed": y}[residual]
        expected = [
            float(v + (reference.real(s) if isinstance(s, Fraction) else s))
            for v, s in zip(out, skip, strict=True)
        ]
    assert reference.output(network, x) == pytest.approx(expected, rel=1e-14)
    assert network.forward_float([float(v) for v in x]).tolist() == pytest.approx(
        expected, rel=1e-13
    )
    assert after(network).code(x).bits.tolist() == [
        bit == "1" for bit in reference.code(after(network), x) if bit in "01"
    ]


def test_true_means_the_input() -> None:
    digests = [
        tensors.block(*BODY, **NORMED, residual=r).sha256 for r in (True, "input", "normed", False)
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    "domain",
    [Sphere(), GreatCircle([1, 0, 2, -1], [0, 1, 1, 3]), Segment([3, 1, 1, 8], [-4, 6, 3, -9])],
)
def test_layers_behind_a_normed_skip_are_partitioned_and_verified(domain: Any) -> None:
    network = after(tensors.block(*BODY, **NORMED, eps=0, residual="normed"))
    found = partition(network, domain)
    assert found.outcome is Outcome.COMPLETE
    assert found.check().status.value == "verified, complete"
    assert len(found) > 3
    if isinstance(domain, Segment):
        for region in found.regions:
            bits = [bit == "1" for bit in reference.code(network, region.witness) if bit in "01"]
            assert region.code.bits.tolist() == bits


def test_bert_is_post_norm() -> None:
    """In BERT the MLP and its skip both read the vector that the attention's LayerNorm wrote."""
    config = transformers.BertConfig(
        hidden_size=6,
        num_attention_heads=1,
        intermediate_size=9,
        hidden_act="relu",
        layer_norm_eps=1e-12,
    )
    torch.manual_seed(0)
    layer = transformers.models.bert.modeling_bert.BertLayer(config).double().eval()
    norm, first, second = (
        layer.attention.output.LayerNorm,
        layer.intermediate.dense,
        layer.output.dense,
    )
    network = tensors.block(
        first.weight,
        first.bias,
        second.weight,
        second.bias,
        norm="layernorm",
        gain=norm.weight,
        bias=norm.bias,
        eps=config.layer_norm_eps,
        residual="normed",
    )
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(5, 6)))
    with torch.no_grad():
        summed: list[torch.Tensor] = []
        hook = layer.output.LayerNorm.register_forward_pre_hook(
            lambda _, arguments: summed.append(arguments[0])
        )
        layer.feed_forward_chunk(norm(x))
        hook.remove()
    np.testing.assert_allclose(
        network.forward_float(x.numpy()), summed[0].numpy(), rtol=1e-12, atol=1e-13
    )


def test_residuals_by_other_names_are_refused() -> None:
    for wrong in ("output", 1, None, np.True_):
        with pytest.raises(InvalidInput, match="unknown residual"):
            tensors.block(*BODY, **NORMED, residual=wrong)
    with pytest.raises(InvalidInput, match='residual="normed" needs a norm'):
        tensors.block(*BODY, residual="normed")
    layers = tensors.block(*BODY).blocks[0].layers
    with pytest.raises(InvalidInput, match=r"neither true nor false; got 'normed'; .*blocks_of"):
        Block(layers, None, "normed")  # type: ignore[arg-type]


SENSELESS = [
    {"norm": "batch"},
    {"gain": [1, 1]},
    {"bias": [1, 1]},
    {"norm": "rms", "gain": [1, 1, 1]},
    {"norm": "rms", "eps": -1},
    {"norm": "rms", "eps_rule": "max"},
]


@pytest.mark.parametrize("arguments", SENSELESS)
def test_blocks_that_make_no_sense(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        tensors.block([[1, 2]], [0], [[1]], [0], **arguments)
