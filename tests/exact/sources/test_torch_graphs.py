"""Graphs from traced torch modules: equal to the module, exactly at rational points, and every
operation against torch's own float64; what is no piecewise affine graph is refused by its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from exact import InvalidInput, Plane, Unsupported, partition
from exact.check import Status
from exact.networks.graphs.graph import Graph
from exact.sources import torch_modules


class Applied(nn.Module):
    """A function of one tensor as a module."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x, *self.parts)


class Residual(nn.Module):
    """A block of the usual kind, in a class of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(channels),
            nn.Dropout(),
            nn.Conv2d(channels, channels, 1, groups=channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu_(self.body(x) + x)


class Small(nn.Module):
    """Convolution, residual block, both pools, concatenation and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, stride=2, dilation=1)
        self.block, self.pool = Residual(2), nn.MaxPool2d(2, ceil_mode=True)
        self.average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(torch.relu(self.stem(x)))
        x = torch.cat([self.pool(x), self.pool(self.average(x))], dim=1)
        x = torch.maximum(x[:, :2], x[:, 2:])
        return self.head(F.hardtanh(x.flatten(1)))


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    """A module in evaluation mode with random weights and statistics."""
    torch.manual_seed(0)
    module = make().eval()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_()  # type: ignore[operator]
                part.running_var.uniform_(0.5, 2.0)  # type: ignore[operator]
                part.weight.normal_()
                part.bias.normal_()
    return module


SHAPE = (2, 6, 5)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "pools": lambda x: (
        F.max_pool2d(x, (3, 2), stride=2, padding=1, dilation=1)
        + F.avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=False)
    ),
    "rounded up": lambda x: torch.cat(
        [
            F.avg_pool2d(x, 2, stride=3, padding=1, ceil_mode=True).flatten(1),
            F.avg_pool2d(x, 3, stride=2, ceil_mode=True).flatten(1),
            F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False).flatten(1),
            F.max_pool2d(x, 3, stride=2, ceil_mode=True).flatten(1),
        ],
        1,
    ),
    "divided": lambda x: F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=3),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (4, 2)) + F.adaptive_max_pool2d(x, (4, 2)),
    "moved": lambda x: torch.stack(
        [x.permute(0, 2, 3, 1).reshape(len(x), -1), x.transpose(1, 2).flatten(1)], 1
    ),
    "padded": lambda x: F.pad(F.pad(x, (1, 0, 2, 1), value=-1.5), (1, 1, 0, 0), mode="reflect"),
    "split": lambda x: torch.cat(
        [*reversed(x.split(1, dim=1)), x[:, :1, ::2, 1:].repeat(1, 1, 2, 1).roll(1, 3)], 3
    ),
    "arithmetic": lambda x: 2 - (x * torch.tensor([[[[1.0]], [[-3.0]]]]) - 0.1) / 3 + x.neg(),
    "clamps": lambda x: x.clamp(min=-0.5) + x.clamp(max=0.25) + x.clamp(-1, 0.5) + F.relu6(x),
    "bends": lambda x: x.abs() + F.leaky_relu(x, 0.2) + F.hardsigmoid(x),
    "maxima": lambda x: torch.minimum(x[:, 0], x[:, 1]) + x.amax(1) + x.max(2, True).values[:, 0],
    "means": lambda x: torch.cat([x.mean((2, 3)), x.sum(2).mean(2, keepdim=True)[:, :, 0]], 1),
    "nearest": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "in place": lambda x: F.relu(x).add_(1).mul_(-2).relu_() + x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_operation_is_torchs(name: str) -> None:
    module = Applied(FUNCTIONS[name]).eval()
    graph = torch_modules.read(module, SHAPE)
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(7, *SHAPE)))
    expected = torch.stack([module(row[None])[0].reshape(-1) for row in x])
    assert np.abs(graph.forward_float(x.reshape(7, -1).numpy()) - expected.numpy()).max() < 1e-13


def test_weights_stand_where_torch_has_them() -> None:
    module = seeded(Small)
    graph = torch_modules.read(module, (1, 7, 7))
    assert isinstance(graph, Graph) and (graph.input_dim, graph.output_dim) == (49, 2)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 1, 7, 7)))
    expected = module.double()(x).detach().numpy()
    assert np.abs(graph.forward_float(x.reshape(5, -1).numpy()) - expected).max() < 1e-13


def test_lines_of_channels_and_matrices_on_rows_are_read() -> None:
    parts = [nn.Conv1d(3, 4, 2, padding="same"), nn.Linear(5, 2), nn.MaxPool1d(2)]
    module = seeded(lambda: Applied(lambda x, a, b, c: c(b(torch.relu(a(x)))), *parts))
    graph = torch_modules.read(module, (3, 5))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 5)))
    expected = module.double()(x).detach().reshape(4, -1).numpy()
    assert np.abs(graph.forward_float(x.reshape(4, -1).numpy()) - expected).max() < 1e-13


def test_a_traced_module_is_cut_and_proved() -> None:
    graph = torch_modules.read(seeded(Small), (1, 7, 7))
    corners = np.random.default_rng(3).integers(-2, 3, size=(3, 49))
    found = partition(graph, Plane(*corners, s=(0, "1/8"), t=(0, "1/8")))
    assert len(found) > 5 and found.check().status is Status.COMPLETE


def test_a_chain_of_dense_layers_is_one() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    whole = torch_modules.read(module, (2, 2)).chain()
    assert whole.blocks == torch_modules.read(module).blocks


def broken(module: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        module.stem.weight[1, 0, 2, 1] = value  # type: ignore[index, union-attr]
    return module


def product(x: torch.Tensor) -> torch.Tensor:
    return x * torch.relu(x)


REFUSED: dict[str, tuple[Callable[[], nn.Module], type[Exception], str]] = {
    "softmax": (
        lambda: nn.Sequential(nn.ReLU(), nn.Softmax(1)).eval(),
        Unsupported,
        r"no piecewise affine graph does; got .*softmax.* in 1",
    ),
    "product": (
        lambda: Applied(product).eval(),
        Unsupported,
        r"a product of two values .* at mul .*test_torch_graphs.py line \d+",
    ),
    "batch norm": (
        lambda: Small().train(),
        InvalidInput,
        r"block.body.1 \(BatchNorm2d\) in training mode; call model.eval\(\)",
    ),
    "dropout": (
        lambda: nn.Sequential(nn.Dropout()),
        InvalidInput,
        r"0 \(Dropout\) in training mode",
    ),
    "functional dropout": (
        lambda: Applied(lambda x: F.dropout(x)).eval(),
        InvalidInput,
        "draws random numbers",
    ),
    "control flow": (
        lambda: Applied(lambda x: x if x.sum() > 0 else -x).eval(),
        Unsupported,
        "cannot be traced for one input of this shape",
    ),
    "NaN": (
        lambda: broken(seeded(Small), float("nan")),
        InvalidInput,
        r"non-finite entry; got stem.weight\[1, 0, 2, 1\] = nan",
    ),
    "two outputs": (
        lambda: Applied(lambda x: (x, torch.relu(x))).eval(),
        Unsupported,
        "does not return one tensor",
    ),
    "integers": (
        lambda: Applied(lambda x: x.to(torch.int64) + x).eval(),
        Unsupported,
        "a cast is no piecewise affine map",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_graph_is_refused_by_its_place(name: str) -> None:
    make, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said):
        torch_modules.read(make(), (1, 7, 7))


def test_another_shape_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"this shape; got \(1, 9\)"):
        torch_modules.read(seeded(Small), (1, 9))
    with pytest.raises(InvalidInput, match="input_shape is not a whole number"):
        torch_modules.read(seeded(Small), (1, 7.0, 7))  # type: ignore[arg-type]


def test_a_shape_is_asked_for_where_it_is_missing_or_none() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval()
    with pytest.raises(Unsupported, match=r"unknown module; got 0: Conv2d; .* give input_shape="):
        torch_modules.read(module)
    with pytest.raises(InvalidInput, match="input_shape is no shape; got 4"):
        torch_modules.read(module, 4)  # type: ignore[arg-type]
