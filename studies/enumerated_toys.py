"""Toys small enough for `partition`: random or trained, flat, behind LayerNorm or RMSNorm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from exact import (
    Block,
    Layer,
    LayerNorm,
    Network,
    Norm,
    NormBall,
    Partition,
    RealSpace,
    ReLU,
    RMSNorm,
    Sphere,
    partition,
)
from exact.sources import torch_modules
from toy_models import ModelConfig, TrainConfig, fit

Float = np.ndarray[Any, np.dtype[np.float64]]
POINTS = 40


@dataclass(frozen=True, eq=False)
class Toy:
    """A network with points of its input, and its partitions."""

    name: str
    network: Network

    @property
    def norm(self) -> Norm | None:
        return self.network.norms[0] if self.network.norms else None

    @property
    def is_shallow(self) -> bool:
        return len(self.network.hidden_layers) == 1

    @cached_property
    def whole(self) -> Partition:
        """All codes: in the space, on the sphere of the norm, or in its ball where eps > 0."""
        if self.norm is None:
            return partition(self.network, RealSpace(self.network.input_dim))
        return self.sphere if self.norm.eps == 0 else partition(self.network, NormBall())

    @cached_property
    def sphere(self) -> Partition:
        return partition(self.network, Sphere())

    @cached_property
    def x(self) -> Float:
        draw = np.random.default_rng(len(self.name))
        return draw.normal(size=(POINTS, self.network.input_dim)) * 2

    @cached_property
    def places(self) -> list[int]:
        return [self.whole.locate(row) for row in self.x]

    @cached_property
    def bits(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """The codes of the enumerated regions in which the points lie."""
        return np.array([self.whole.regions[place].code.bits for place in self.places])


def random_toy(kind: str, eps: str, widths: tuple[int, ...], seed: int) -> Toy:
    """Normal weights; gain and bias of the norm are not trivial. In a layer of six, neuron 1
    implies neuron 0, neuron 2 excludes it, and neuron 3 covers with it.
    """
    draw = np.random.default_rng(seed)
    dim = 4 if kind == "layernorm" else 3
    sizes = [dim, *widths]
    parts_of = [(draw.normal(size=(b, a)), draw.normal(size=b) / 2) for a, b in pairwise(sizes)]
    weight, bias = parts_of[0]
    if len(bias) >= 6:
        weight[1:4] = weight[0] * np.array([[2], [-1], [-1]])
        bias[1:4] = 2 * bias[0] - 0.5, -bias[0] - 0.25, -bias[0] + 0.5
    layers = [Layer.of(weight, bias, ReLU()) for weight, bias in parts_of]
    parts = draw.uniform(0.5, 2, dim), draw.normal(size=dim) / 4
    norms: dict[str, Callable[[], Norm | None]] = {
        "none": lambda: None,
        "layernorm": lambda: LayerNorm.of(eps, *parts),
        "rms": lambda: RMSNorm.of(eps, *parts),
    }
    last = Layer.of(draw.normal(size=(2, sizes[-1])))
    name = f"{kind}, eps {eps}, {'-'.join(map(str, widths))}"
    return Toy(name, Network((Block((*layers, last), norms[kind]()),)))


def trained_toy(kind: Any) -> Toy:
    """A net that separates two moons, embedded in front of its norm; read from its embedding on."""
    widths = {"none": 0, "layernorm": 4, "rms": 3}
    model = ModelConfig((7,), kind, embed_dim=widths[kind], norm_eps=1e-3)
    config = TrainConfig(model=model, steps=200, samples=200, dtype="float64")
    read = torch_modules.read(fit(config, progress=False).model)
    return Toy(f"trained, {kind}", read if kind == "none" else Network(read.blocks[1:]))


def random_toys() -> list[Toy]:
    """Those that nobody trained."""
    found = [random_toy("none", "0", widths, 1) for widths in ((6,), (5, 4), (4, 4, 3))]
    for kind in ("layernorm", "rms"):
        found += [random_toy(kind, eps, (6,), 2) for eps in ("0", "1/10", "1e-5")]
        found += [random_toy(kind, eps, (5, 4), 3) for eps in ("0", "1/10")]
        found.append(random_toy(kind, "1/10", (4, 3, 3), 4))
    return found


def toys() -> list[Toy]:
    """All of them."""
    return random_toys() + [trained_toy(kind) for kind in ("none", "layernorm", "rms")]
