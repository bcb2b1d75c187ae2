"""Trained torch modules: parity in float64, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from exact import (
    InvalidInput,
    LayerNorm,
    Network,
    Outcome,
    RMSNorm,
    Segment,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import fraction
from exact.networks.norms import Norm
from exact.sources import torch_modules

S = nn.Sequential
MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(3, 2),
    "relu": lambda: S(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)),
    "leaky": lambda: S(nn.Linear(3, 5), nn.LeakyReLU(0.2), nn.Linear(5, 2)),
    "hardtanh": lambda: S(nn.Linear(3, 5), nn.Hardtanh(-0.5, 2.0), nn.Linear(5, 2)),
    "relu6": lambda: S(nn.Linear(3, 5), nn.ReLU6(), nn.Linear(5, 2)),
    "gelu": lambda: S(nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 2)),
    "gelu tanh": lambda: S(nn.Linear(3, 5), nn.GELU(approximate="tanh"), nn.Linear(5, 2)),
    "silu": lambda: S(nn.Linear(3, 5), nn.SiLU(), nn.Linear(5, 2)),
    "passed over": lambda: S(
        nn.Flatten(), nn.Linear(3, 5), nn.Identity(), nn.Dropout(0.5), nn.ReLU(), nn.Linear(5, 2)
    ),
    "nested": lambda: S(
        S(nn.Linear(3, 5), S(nn.ReLU())), S(), S(nn.Linear(5, 4), nn.ReLU(), S(nn.Linear(4, 2)))
    ),
    "no bias": lambda: S(nn.Linear(3, 5, bias=False), nn.ReLU(), nn.Linear(5, 2, bias=False)),
    "linear after linear": lambda: S(nn.Linear(3, 5), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)),
    "two activations": lambda: S(
        nn.Linear(3, 5), nn.LeakyReLU(0.5), nn.Hardtanh(), nn.ReLU(), nn.Linear(5, 2)
    ),
    "activation last": lambda: S(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), nn.LeakyReLU()),
    "layer norm in front": lambda: S(nn.LayerNorm(3), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)),
    "rms norm in front": lambda: S(nn.RMSNorm(3), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)),
    "norms between": lambda: S(
        nn.Linear(3, 5),
        nn.ReLU(),
        nn.LayerNorm(5, eps=0.1),
        nn.Linear(5, 4),
        nn.ReLU(),
        S(nn.RMSNorm(4, eps=0.2), nn.Linear(4, 2)),
    ),
    "norm without parameters": lambda: S(
        nn.LayerNorm(3, elementwise_affine=False), nn.Linear(3, 2)
    ),
    "norm without bias": lambda: S(nn.LayerNorm(3, bias=False), nn.Linear(3, 2)),
    "activation behind a norm": lambda: S(
        nn.Linear(3, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 2)
    ),
    "activation behind an rms norm": lambda: S(
        nn.Linear(3, 6), nn.RMSNorm(6, eps=0.1), S(nn.LeakyReLU()), nn.Linear(6, 2)
    ),
    "norm and activation in front": lambda: S(nn.LayerNorm(3), nn.ReLU(), nn.Linear(3, 2)),
    "norm and two activations": lambda: S(
        nn.RMSNorm(3), nn.LeakyReLU(0.5), nn.Hardtanh(), nn.Linear(3, 2)
    ),
    "norm and activation at the end": lambda: S(
        nn.Linear(3, 5), nn.ReLU(), nn.LayerNorm(5), nn.Dropout(), nn.ReLU()
    ),
}


def random_module(name: str) -> nn.Module:
    torch.manual_seed(3)
    module = MODULES[name]().double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return module


def inputs() -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(40, 3)))


def outputs(module: nn.Module, x: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    with torch.no_grad():
        return np.asarray(module.eval()(x).numpy())


@pytest.mark.parametrize("name", MODULES)
def test_parity_in_float64(name: str) -> None:
    module = random_module(name)
    network = torch_modules.read(module)
    np.testing.assert_allclose(
        network.forward_float(inputs().numpy()), outputs(module, inputs()), rtol=1e-12, atol=1e-13
    )


ONE_BEND = [
    name
    for name in MODULES
    if name not in ("hardtanh", "relu6", "two activations", "norm and two activations")
]


@pytest.mark.parametrize("name", ONE_BEND)
def test_exact_codes_are_the_signs_that_torch_sees(name: str) -> None:
    """Pre-activations by hooks on the inputs of the activations, where they are not within rounding
    of a bend.
    """
    module = random_module(name).eval()
    network = torch_modules.read(module)
    seen: list[Tensor] = []
    bent = [
        m for m in module.modules() if isinstance(m, nn.ReLU | nn.LeakyReLU | nn.GELU | nn.SiLU)
    ]
    hooks = [m.register_forward_pre_hook(lambda _, args: seen.append(args[0][0])) for m in bent]
    x = inputs()[:1]
    outputs(module, x)
    for hook in hooks:
        hook.remove()
    assert len(seen) == len(network.hidden_layers)
    values = torch.cat(seen).tolist() if seen else []
    assert min(map(abs, values), default=1.0) > 1e-9
    assert network.code(x[0].tolist()).bits.tolist() == [value > 0 for value in values]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_parameters_are_read_at_their_exact_values(dtype: torch.dtype) -> None:
    module = S(nn.LayerNorm(3), nn.Linear(3, 2)).to(dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter))
    network = torch_modules.read(module)
    assert network.layers[0].weight.tolist() == [
        [Fraction(x) for x in row] for row in module[1].weight.double().tolist()
    ]
    assert [row[0] for row in network.norms[0].gain.tolist()] == [
        Fraction(x) for x in module[0].weight.double().tolist()
    ]


def test_parameters_of_activations_and_norms() -> None:
    network = torch_modules.read(S(nn.LayerNorm(3, eps=1e-3), nn.Linear(3, 2), nn.LeakyReLU(0.3)))
    assert fraction(network.norms[0].eps) == Fraction(1e-3)
    assert fraction(network.layers[0].activation.slope) == Fraction(0.3)  # type: ignore[attr-defined]
    assert [type(norm) for norm in torch_modules.read(S(nn.RMSNorm(3), nn.Linear(3, 2))).norms] == [
        RMSNorm
    ]
    single, double = (
        torch_modules.read(S(nn.RMSNorm(3), nn.Linear(3, 2)).to(t))
        for t in (torch.float32, torch.float64)
    )
    assert [fraction(network.norms[0].eps) for network in (single, double)] == [
        Fraction(1, 2**23),
        Fraction(1, 2**52),
    ]


HALVES = [torch.float16, torch.bfloat16, torch.float32]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [*HALVES, torch.float64], ids=str)
def test_the_eps_of_an_rms_norm_without_one_is_what_torch_adds(
    dtype: torch.dtype, affine: bool
) -> None:
    """At s = 2^-12 the norm of (s, -s) is s / sqrt(s^2 + eps), from which the eps that torch used
    is seen.
    """
    norm, s = nn.RMSNorm(2, elementwise_affine=affine, dtype=dtype), 2.0**-12
    with torch.no_grad():
        seen = (s / norm(torch.tensor([s, -s], dtype=dtype))[0].double().item()) ** 2 - s**2
    networks = [
        torch_modules.read(m)
        for m in (
            S(norm, nn.Linear(2, 2, dtype=dtype)),
            S(nn.Linear(2, 2, dtype=dtype), norm, nn.ReLU()),
            S(norm, nn.ReLU(), nn.Linear(2, 2, dtype=dtype)),
        )
    ]
    for network in networks:
        eps = fraction(network.norms[0].eps)
        assert eps == Fraction(1, 2**52 if dtype == torch.float64 else 2**23)
        assert abs(seen / float(eps) - 1) < 0.02  # the output is rounded to the dtype
    assert norm.eps is None


def test_the_dtype_of_the_linears_decides_the_eps_not_that_of_the_gain() -> None:
    single, double = (
        partial(nn.Linear, 3, 3, dtype=dtype) for dtype in (torch.float32, torch.float64)
    )
    mixed = torch_modules.read(S(nn.RMSNorm(3, dtype=torch.float32), double()))
    alone = torch_modules.read(S(nn.RMSNorm(3, dtype=torch.float64), nn.ReLU()))
    assert [fraction(network.norms[0].eps) for network in (mixed, alone)] == [
        Fraction(1, 2**52)
    ] * 2
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        bare = torch_modules.read(S(nn.RMSNorm(3, elementwise_affine=False), single()))
        assert fraction(bare.norms[0].eps) == Fraction(1, 2**23)
    finally:
        torch.set_default_dtype(default)
    for unclear in (
        S(nn.RMSNorm(3, elementwise_affine=False), nn.ReLU()),
        S(single(), nn.RMSNorm(3), double()),
    ):
        with pytest.raises(
            InvalidInput, match=r"which is not clear here; got [01]; write nn\.RMSNorm\(n, eps="
        ):
            torch_modules.read(unclear)


class Transformer(nn.Module):
    """Two residual blocks behind norms and a head, described for the reader."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(4), nn.RMSNorm(4, eps=0.01)])
        bodies = (
            S(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4)),
            S(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 4)),
        )
        self.bodies = nn.ModuleList(bodies)
        self.embed, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for norm, body in zip(self.norms, self.bodies, strict=True):
            x = x + body(norm(x))
        return self.head(x)  # type: ignore[no-any-return]

    def exactlens_blocks(self) -> list[tuple[nn.Module | None, list[nn.Module], bool]]:
        middle = [
            (norm, list(body), True) for norm, body in zip(self.norms, self.bodies, strict=True)
        ]  # type: ignore[arg-type]
        return [(None, [self.embed], False), *middle, (None, [self.head], False)]


def test_modules_that_describe_their_blocks() -> None:
    torch.manual_seed(0)
    module = Transformer().double()
    network = torch_modules.read(module)
    assert [block.residual for block in network.blocks] == [False, True, True, False]
    assert [type(block.norm) for block in network.blocks] == [
        type(None),
        LayerNorm,
        RMSNorm,
        type(None),
    ]
    np.testing.assert_allclose(
        network.forward_float(inputs().numpy()), outputs(module, inputs()), rtol=1e-12
    )


NORMS_THEN_RELU: list[tuple[Callable[[], nn.Module], Any]] = [
    (lambda: S(nn.Linear(2, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 2)), LayerNorm),
    (lambda: S(nn.Linear(2, 6), nn.RMSNorm(6), nn.ReLU(), nn.Linear(6, 2)), RMSNorm),
    (lambda: S(nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)), LayerNorm),
]


@pytest.mark.parametrize(("make", "kind"), NORMS_THEN_RELU)
def test_an_activation_behind_a_norm_reads_the_norm_itself(
    make: Callable[[], nn.Module], kind: type[Norm]
) -> None:
    """The identity in between is exact, and along a segment the regions are those that torch
    sees.
    """
    torch.manual_seed(1)
    module = make().double()
    relu = next(m for m in module.modules() if isinstance(m, nn.ReLU))
    network = torch_modules.read(module)
    behind = network.blocks[-1]
    n = behind.input_dim
    assert isinstance(behind.norm, kind)
    assert behind.layers[0].weight.tolist() == [
        [Fraction(int(i == j)) for j in range(n)] for i in range(n)
    ]
    assert behind.layers[0].bias.tolist() == [[Fraction(0)]] * n
    p, q = np.random.default_rng(7).normal(size=(2, network.input_dim)) * 2
    found = partition(network, Segment(p, q))
    t = np.linspace(0, 1, 1001)[:, None]
    seen: list[Tensor] = []
    hook = relu.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    outputs(module, torch.from_numpy(p + t * (q - p)))
    hook.remove()
    codes = {tuple(row) for row in (seen[0] > 0).tolist()}
    assert found.outcome is Outcome.COMPLETE
    assert len(found) > 2
    assert codes <= {tuple(row[:n]) for row in found.bits.tolist()}
    middles = np.array([[float(x) for x in region.witness] for region in found.regions])
    assert [network.code(x).bits.tolist() for x in middles.tolist()] == found.bits.tolist()
    seen.clear()
    hook = relu.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    outputs(module, torch.from_numpy(middles))
    hook.remove()
    assert (seen[0] > 0).tolist() == found.bits[:, :n].tolist()


class Described(nn.Module):
    def __init__(self, blocks: list[Any]) -> None:
        super().__init__()
        self._described = blocks

    def exactlens_blocks(self) -> list[Any]:
        return self._described


class Skipping(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)  # type: ignore[no-any-return]


class Squaring(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) ** 2


class Shifted(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


UNSUPPORTED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "tanh": (lambda: S(nn.Linear(2, 2), S(nn.ReLU(), nn.Tanh())), "Tanh"),
    "convolution": (lambda: S(nn.Conv1d(1, 1, 1)), "Conv1d"),
    "batch norm": (lambda: S(nn.Linear(2, 2), nn.BatchNorm1d(2)), "BatchNorm1d"),
    "module list": (lambda: nn.ModuleList([nn.Linear(2, 2)]), "ModuleList"),
    "transformer layer": (lambda: nn.TransformerEncoderLayer(4, 2), "TransformerEncoderLayer"),
    "activation first": (lambda: S(nn.ReLU(), nn.Linear(2, 2)), "in front of the first Linear"),
    "norm over two axes": (lambda: S(nn.LayerNorm((2, 2)), nn.Linear(2, 2)), "LayerNorm((2, 2)"),
    "norm at the end": (lambda: S(nn.Linear(2, 2), nn.LayerNorm(2)), "norm at the end"),
    "norms in a row": (lambda: S(nn.LayerNorm(2), nn.RMSNorm(2), nn.Linear(2, 2)), "two norms"),
    "norm inside a residual block": (
        lambda: Described([(None, [nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 2)], True)]),
        "inside a residual block",
    ),
    "an activation behind another norm": (
        lambda: Described([(nn.BatchNorm1d(2), [nn.ReLU()], False)]),
        "BatchNorm1d",
    ),
    "an activation behind a norm over two axes": (
        lambda: S(nn.LayerNorm((2, 2)), nn.ReLU()),
        "LayerNorm((2, 2)",
    ),
    "another norm": (
        lambda: Described([(nn.BatchNorm1d(2), [nn.Linear(2, 2)], False)]),
        "BatchNorm1d",
    ),
    "a Sequential with its own forward": (lambda: Skipping(nn.Linear(2, 2)), "Skipping"),
    "a Linear with its own forward": (lambda: S(Squaring(2, 2)), "Squaring"),
    "a LayerNorm with its own forward": (lambda: S(Shifted(2), nn.Linear(2, 2)), "Shifted"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unknown_modules_are_named(name: str) -> None:
    make, shown = UNSUPPORTED[name]
    with pytest.raises(Unsupported) as caught:
        torch_modules.read(make())
    assert shown in str(caught.value)
    assert caught.value.remedy


INVALID: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "nothing": (lambda: S(), "no Linear"),
    "nothing but dropout": (lambda: S(nn.Dropout()), "no Linear"),
    "widths": (lambda: S(nn.Linear(2, 3), nn.ReLU(), nn.Linear(2, 2)), "(3, 2) then (2, 2)"),
    "norm width": (lambda: S(nn.LayerNorm(5), nn.Linear(2, 2)), "norm of 5, 2 inputs"),
    "residual width": (lambda: Described([(None, [nn.Linear(2, 3)], True)]), "2 to 3"),
}


@pytest.mark.parametrize("name", INVALID)
def test_modules_that_do_not_fit(name: str) -> None:
    make, shown = INVALID[name]
    with pytest.raises(InvalidInput) as caught:
        torch_modules.read(make())
    assert shown in str(caught.value)


PLACES = [(0, "weight", "[1]"), (0, "bias", "[0]"), (1, "weight", "[0, 1]"), (1, "bias", "[1]")]


@pytest.mark.parametrize(("position", "tensor", "index"), PLACES)
def test_parameters_that_are_not_finite_are_named(position: int, tensor: str, index: str) -> None:
    module = S(nn.LayerNorm(2), nn.Linear(2, 2))
    place = tuple(int(i) for i in index.strip("[]").split(","))
    with torch.no_grad():
        getattr(module[position], tensor)[place] = float("nan")
    with pytest.raises(InvalidInput) as caught:
        torch_modules.read(module)
    message = str(caught.value)
    assert index in message
    assert "nan" in message
    assert tensor in message or {"weight": "gain"}.get(tensor, "") in message


def test_reading_leaves_the_module_as_it_was() -> None:
    module = S(nn.Linear(3, 4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 1))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    network = torch_modules.read(module)
    assert module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    with torch.no_grad():
        module[0].weight.zero_()
    assert network.layers[0].weight.tolist() == [
        [Fraction(x) for x in row] for row in before["0.weight"].double().tolist()
    ]
    assert isinstance(network, Network)
