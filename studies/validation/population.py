"""The networks that methods are judged on: seeds of a few kinds, each trained and untrained.

Two families. "box": no norm, data in R^d, asked on a box of R^d. "sphere": no norm, LayerNorm or
RMSNorm in front, asked on the d-sphere that the norm leaves, or on the sphere of its radius: so
that the three can be compared, widths and dimension d agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from exact import Network
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.sources import torch_modules
from toy_models import ModelConfig, TrainConfig, TrainResult, fit_ensemble
from toy_models.models import NormName, ToyModel

Family = Literal["box", "sphere"]
NORMS: tuple[NormName, ...] = ("none", "layernorm", "rms")
SAMPLES, CLASSES, STEPS = 600, 4, 300
WIDTHS = {
    "box": {1: (12, 12), 2: (12, 12), 3: (10, 10), 4: (8, 8)},
    "sphere": {1: (12, 12), 2: (8, 8), 3: (7, 7), 4: (6, 6)},
}


@dataclass(frozen=True)
class NetKind:
    """What nets of all seeds share: family, norm, and the dimension of what they are asked on."""

    family: Family
    norm: NormName
    dimension: int

    @property
    def name(self) -> str:
        """A name for files and people."""
        return f"{self.family}-{self.norm}-{self.dimension}"

    def config(self, seed: int, steps: int = STEPS) -> TrainConfig:
        """How the net of a seed is trained: blobs in R^d, or classes by direction."""
        if self.family == "box":
            classes = CLASSES if self.dimension > 1 else 2
            task, options = "blobs", {"dimension": self.dimension, "classes": classes}
        else:
            centred = self.norm == "layernorm"
            size = self.dimension + 1 + centred
            task, options = (
                "direction",
                {"dimension": size, "classes": CLASSES, "centred": centred},
            )
        return TrainConfig(
            task=task,
            task_options=options,
            samples=SAMPLES,
            model=ModelConfig(
                widths=WIDTHS[self.family][self.dimension], norm=self.norm, embed_dim=0
            ),
            steps=steps,
            seed=seed,
        )


@dataclass(frozen=True, eq=False)
class Net:
    """A network of a kind and seed, with its data; without a network, `failure` says why.

    `accuracy` is that on held-out rows, NaN for an untrained net.
    """

    kind: NetKind
    seed: int
    trained: bool
    network: Network | None
    inputs: FloatArray
    labels: IndexArray
    accuracy: float = float("nan")
    failure: str = ""

    def rng(self, stream: int) -> np.random.Generator:
        """A generator for this seed and a stream: the same for trained and untrained, so that both
        are asked the same.
        """
        return np.random.default_rng([self.seed, self.kind.dimension, stream])


@dataclass(frozen=True)
class Scope:
    """Which nets a validation has."""

    seeds: tuple[int, ...]
    dimensions: tuple[int, ...]
    steps: int = STEPS

    @classmethod
    def full(cls) -> Scope:
        """Thirty seeds, dimensions 1 to 4."""
        return cls(tuple(range(30)), (1, 2, 3, 4))

    @classmethod
    def quick(cls) -> Scope:
        """Five seeds, dimensions 1 to 3."""
        return cls(tuple(range(5)), (1, 2, 3))

    @property
    def kinds(self) -> tuple[NetKind, ...]:
        """The kinds of these dimensions."""
        return tuple(kind for kind in KINDS if kind.dimension in self.dimensions)


KINDS = tuple(
    NetKind(family, norm, dimension)
    for dimension in (1, 2, 3, 4)
    for family, norm in (("box", "none"), *(("sphere", norm) for norm in NORMS))
)


def population(kind: NetKind, seeds: Sequence[int], steps: int = STEPS) -> Iterator[Net]:
    """The nets of a kind, two for each seed: untrained, and the same after training. A training
    that diverges leaves a Net without a network.
    """
    for seed, result in zip(
        seeds, trained([kind.config(seed, steps) for seed in seeds]), strict=True
    ):
        data = kind.config(seed, steps).dataset()
        inputs = np.asarray(data.inputs.double().numpy())
        labels = np.asarray(data.targets.numpy())
        if isinstance(result, str):
            for after in (False, True):
                yield Net(kind, seed, after, None, inputs, labels, failure=result)
            continue
        score = result.held_out_score
        accuracy = score.accuracy if score is not None and score.accuracy is not None else np.nan
        before = _read(result.model_at(0))
        yield Net(kind, seed, False, before, inputs, labels)
        yield Net(kind, seed, True, _read(result.model), inputs, labels, accuracy)


def trained(configs: Sequence[TrainConfig]) -> list[TrainResult | str]:
    """The results of all configs, or why one failed. The one place where nets are trained."""
    return [
        result
        if result.diverged_at is None
        else f"the training diverged: no finite loss at step {result.diverged_at}"
        for result in fit_ensemble(configs, progress=False)
    ]


def _read(model: ToyModel) -> Network:
    return torch_modules.read(model)
