"""The forward passes against formulas written out by hand, and the blocks a model says it is made
of.
"""

import dataclasses
import itertools
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from exact.errors import InvalidInput
from exact.sources import torch_modules
from toy_models.models import ACTIVATIONS, ModelConfig, ToyModel, initialised
from toy_models.tasks import make

NORMS = ("none", "layernorm", "rms")
ORDINARY = (nn.Linear, nn.ReLU, nn.LeakyReLU, nn.Hardtanh, nn.GELU, nn.SiLU, nn.Identity)
SHAPES = [
    {
        "architecture": architecture,
        "norm": norm,
        "norm_between": between,
        "embed_dim": embed_dim,
        "bias": bias,
    }
    for architecture, norm, between, embed_dim, bias in itertools.product(
        ("mlp", "residual"), NORMS, (False, True), (None, 0, 4), (True, False)
    )
    if not between or (architecture == "mlp" and norm != "none")
]


def model_of(seed: int = 0, **settings: Any) -> ToyModel:
    """A float64 model from R^3 to R^2 whose every parameter is random, the gains and biases of the
    norms too.
    """
    config = ModelConfig(**{"widths": (5, 4), "input_dim": 3, "output_dim": 2, **settings})
    model, generator = initialised(config, seed).double(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model


def inputs(dimension: int = 3) -> Tensor:
    return torch.randn(
        50, dimension, generator=torch.Generator().manual_seed(9), dtype=torch.float64
    )


def layer_norm(x: Tensor, norm: nn.Module, eps: float = 0.3) -> Tensor:
    centred = x - x.mean(dim=1, keepdim=True)
    return (
        centred / (centred.pow(2).mean(dim=1, keepdim=True) + eps).sqrt() * norm.weight + norm.bias
    )


def rms_norm(x: Tensor, norm: nn.Module, eps: float = 0.3) -> Tensor:
    return x / (x.pow(2).mean(dim=1, keepdim=True) + eps).sqrt() * norm.weight


def linear(x: Tensor, layer: nn.Module) -> Tensor:
    return x @ layer.weight.T + layer.bias


def test_an_mlp_is_its_formula() -> None:
    model = model_of(norm="layernorm", norm_eps=0.3)
    [(norm, (first, _, second, _, readout), residual)] = model.exactlens_blocks()
    x = inputs()
    hidden = linear(layer_norm(x, norm), first).clamp(min=0)
    hidden = linear(hidden, second).clamp(min=0)
    torch.testing.assert_close(model(x), linear(hidden, readout))
    assert residual is False
    assert (first.out_features, second.out_features) == (5, 4)


def test_norms_between_stand_in_front_of_every_hidden_layer() -> None:
    model = model_of(norm="layernorm", norm_between=True, norm_eps=0.3)
    (norm, (first, _), _), (between, (second, _, readout), _) = model.exactlens_blocks()
    x = inputs()
    hidden = linear(layer_norm(x, norm), first).clamp(min=0)
    hidden = linear(layer_norm(hidden, between), second).clamp(min=0)
    torch.testing.assert_close(model(x), linear(hidden, readout))


def test_a_residual_network_is_its_formula() -> None:
    model = model_of(architecture="residual", norm="rms", norm_eps=0.3, widths=(7, 6), embed_dim=4)
    (_, (embedding,), _), *blocks, (_, (readout,), _) = model.exactlens_blocks()
    x = stream = linear(inputs(), embedding)
    for norm, (inside, _, outside), residual in blocks:
        assert residual is True
        stream = stream + linear(linear(rms_norm(stream, norm), inside).clamp(min=0), outside)
    torch.testing.assert_close(model(inputs()), linear(stream, readout))
    assert len(blocks) == 2
    assert stream.shape == x.shape


@pytest.mark.parametrize("settings", SHAPES, ids=str)
def test_the_blocks_are_ordinary_modules_that_make_up_the_model(settings: dict[str, Any]) -> None:
    model, x = model_of(**settings), inputs()
    expected, own = model(x), set()
    for norm, modules, residual in model.exactlens_blocks():
        assert isinstance(norm, nn.LayerNorm | nn.RMSNorm | None)
        assert all(type(module) in ORDINARY for module in modules)
        y = x if norm is None else norm(x)
        for module in modules:
            y = module(y)
        x = x + y if residual else y
        own |= {id(p) for part in (norm, *modules) if part is not None for p in part.parameters()}
    assert torch.equal(x, expected)
    assert own == {id(parameter) for parameter in model.parameters()}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_activation_is_the_one_that_was_named(activation: str) -> None:
    formulas = {
        "relu": lambda z: z.clamp(min=0),
        "leaky_relu": lambda z: torch.where(z > 0, z, 0.01 * z),
        "hardtanh": lambda z: z.clamp(-1, 1),
        "gelu": lambda z: z * torch.special.ndtr(z),
        "gelu_tanh": lambda z: z * torch.sigmoid(2 * (2 / torch.pi) ** 0.5 * (z + 0.044715 * z**3)),
        "silu": lambda z: z * torch.sigmoid(z),
        "identity": lambda z: z,
    }
    model, z = model_of(activation=activation), inputs()
    _, modules, _ = model.exactlens_blocks()[0]
    torch.testing.assert_close(modules[1](z), formulas[activation](z))
    assert type(modules[1]) is type(modules[3])


@pytest.mark.parametrize(
    ("input_dim", "norm", "embed_dim", "width"),
    [
        (2, "layernorm", None, 3),
        (1, "rms", None, 3),
        (2, "none", None, None),
        (3, "layernorm", None, None),
        (2, "layernorm", 0, None),
        (2, "none", 4, 4),
        (5, "rms", 6, 6),
    ],
)
def test_the_embedding_is_there_when_it_should_be(
    input_dim: int, norm: str, embed_dim: int | None, width: int | None
) -> None:
    model = model_of(norm=norm, input_dim=input_dim, embed_dim=embed_dim)
    blocks = model.exactlens_blocks()
    assert len(blocks) == (1 if width is None else 2)
    if width is not None:
        assert blocks[0][0] is None
        assert [(m.in_features, m.out_features) for m in blocks[0][1]] == [(input_dim, width)]
    assert model(inputs(input_dim)).shape == (50, 2)


@pytest.mark.parametrize("architecture", ["mlp", "residual"])
@pytest.mark.parametrize("norm_between", [False, True])
def test_a_network_without_hidden_layers_is_affine(architecture: str, norm_between: bool) -> None:
    norm = "layernorm" if norm_between and architecture == "mlp" else "none"
    model = model_of(widths=(), architecture=architecture, norm=norm, norm_between=norm != "none")
    *_, (_, modules, _) = model.exactlens_blocks()
    assert [type(module) for module in modules] == [nn.Linear]


@pytest.mark.parametrize("settings", SHAPES, ids=str)
def test_the_exact_network_computes_the_same(settings: dict[str, Any]) -> None:
    model, x = model_of(**settings), inputs()
    network = torch_modules.read(model)
    difference = torch.from_numpy(network.forward_float(x.numpy())) - model(x)
    assert difference.abs().max() < 1e-12 * model(x).abs().max()
    assert len(network.norms) == sum(norm is not None for norm, _, _ in model.exactlens_blocks())
    assert network.widths == (5, 4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_the_exact_network_of_float32_weights_is_that_of_their_exact_values(
    activation: str, norm: str
) -> None:
    model = model_of(activation=activation, norm=norm).float()
    network, x = torch_modules.read(model), inputs()
    expected = model.double()(x)
    assert (
        torch.from_numpy(network.forward_float(x.numpy())) - expected
    ).abs().max() < 1e-12 * expected.abs().max()
    assert network.is_piecewise_linear == (activation not in ("gelu", "gelu_tanh", "silu"))


def test_no_bias_means_none_anywhere() -> None:
    for norm, architecture in itertools.product(NORMS, ("mlp", "residual")):
        model = model_of(norm=norm, architecture=architecture, bias=False, embed_dim=4)
        assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]


def test_a_norm_without_gain_has_no_parameters() -> None:
    for norm in ("layernorm", "rms"):
        model = model_of(norm=norm, norm_affine=False)
        assert not list(model.exactlens_blocks()[0][0].parameters())


def test_the_seed_decides_the_weights_and_the_global_state_nothing() -> None:
    config = ModelConfig(input_dim=2, output_dim=2, norm="layernorm")
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = initialised(config, 4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    again, other = initialised(config, 4), initialised(config, 5)
    weights = [m.blocks[0].layers[0].weight for m in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_config_survives_json() -> None:
    changed = ModelConfig(
        widths=(4, 9),
        norm="rms",
        activation="silu",
        embed_dim=5,
        norm_between=True,
        norm_eps=0.1,
        norm_affine=False,
        bias=False,
        input_dim=6,
        output_dim=7,
    )
    default = ModelConfig()
    left_alone = {
        f.name
        for f in dataclasses.fields(default)
        if getattr(default, f.name) == getattr(changed, f.name)
    }
    assert left_alone == {"architecture"}
    for config in (default, changed, ModelConfig(architecture="residual")):
        again = ModelConfig.from_json(json.loads(json.dumps(config.to_json())))
        assert again == config
        assert hash(again) == hash(config)


def test_a_config_takes_its_dimensions_from_the_data() -> None:
    config = ModelConfig(widths=(8,)).fitted_to(make("direction4", count=20, classes=5))
    assert (config.input_dim, config.output_dim, config.widths) == (4, 5, (8,))
    assert config.fitted_to(make("direction4", count=20, classes=5)) == config
    with pytest.raises(
        InvalidInput, match="input_dim does not fit the task moons; got 4; write input_dim=2"
    ):
        config.fitted_to(make("moons", count=20))


BAD = [
    ({"widths": (4, 0)}, r"widths\[1\] .* got 0"),
    ({"widths": (4, 2**24)}, r"widths\[1\] .* got 16777216"),
    ({"widths": "16"}, "widths is not a list of integers; got '16'"),
    ({"widths": 16}, "widths is not a list of integers; got 16"),
    ({"norm": "batchnorm"}, "unknown norm; got 'batchnorm'; write one of none, layernorm, rms"),
    ({"architecture": "cnn"}, "unknown architecture; got 'cnn'"),
    ({"activation": "sigmoid"}, "unknown activation; got 'sigmoid'; write one of relu"),
    ({"activation": ["relu"]}, "unknown activation"),
    ({"norm_eps": -1e-5}, "norm_eps .* got -1e-05"),
    ({"bias": 1}, "bias .* got 1"),
    ({"embed_dim": -1}, "embed_dim .* got -1"),
    ({"embed_dim": True}, "embed_dim .* got True"),
    ({"norm": "none", "norm_between": True}, "norm_between has no norm to repeat"),
    (
        {"norm": "rms", "architecture": "residual", "norm_between": True},
        "norm_between has no norm to repeat",
    ),
    ({"input_dim": None}, "does not know its dimensions; got input_dim=None, output_dim=2"),
    (
        {"norm": "layernorm", "input_dim": 1, "embed_dim": 0},
        "LayerNorm sends every single number to zero",
    ),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_a_bad_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        model_of(**settings)


@pytest.mark.parametrize("values", [{"width": [4]}, {1: 2}, [("widths", (4,))]])
def test_a_bad_json_is_named(values: Any) -> None:
    with pytest.raises(InvalidInput, match="model config"):
        ModelConfig.from_json(values)
