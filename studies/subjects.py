"""What the questions are asked of: toys trained on the spot, and the MLP layers of a tiny (or a
real) GPT-2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from exact import Network
from exact.arithmetic.numbers import FloatArray
from exact.networks.norms import NAMED
from exact.sources import gpt2 as gpt2_source
from exact.sources import torch_modules
from studies.training import Training
from toy_models import Dataset, ModelConfig, TrainConfig, TrainResult, checkpoints, fit, language
from toy_models.models import NormName, ToyModel
from toy_models.train import TrainingDiverged

Report = Callable[[str], None]
NORMS: tuple[NormName, ...] = get_args(NormName)
NORM_NAMES = {"none": "no norm", **{name: kind.__name__ for name, kind in NAMED.items()}}
POSITIONS, SEQUENCES, TOKENS = 64, 48, 480
STEPS, LANGUAGE_STEPS = 1000, 320


@dataclass(frozen=True)
class Toy:
    """A trained toy. `block` is `network` from the norm on, or from the same place where there is
    no norm.
    """

    name: str
    norm: str
    network: Network
    block: Network
    model: ToyModel
    dataset: Dataset
    result: TrainResult | None = None

    @classmethod
    def of(
        cls, name: str, model: ToyModel, dataset: Dataset, result: TrainResult | None = None
    ) -> Toy:
        """Read a model back as an exact network."""
        network = torch_modules.read(model)
        embedded = int(not network.blocks[0].norm and len(network.blocks) > 1)
        return cls(
            name, model.config.norm, network, network.from_block(embedded), model, dataset, result
        )

    @cached_property
    def inputs(self) -> FloatArray:
        """The data, float64 (samples, input_dim)."""
        return np.asarray(self.dataset.inputs.detach().cpu().double().numpy())

    @cached_property
    def residuals(self) -> FloatArray:
        """The vectors that enter `block`, float64 (samples, d_model)."""
        before = self.network.blocks[: len(self.network.blocks) - len(self.block.blocks)]
        return Network(before).forward_float(self.inputs) if before else self.inputs

    @property
    def training(self) -> Training | None:
        """How it was trained; None for a toy that was not."""
        return None if self.result is None else Training.of(self.name, self.result)

    def must_have_learned(self) -> None:
        """Degenerate for a toy that was trained and did not learn: it says nothing of training."""
        if self.training is not None:
            self.training.require()


@dataclass(frozen=True)
class LanguageLayer:
    """The MLP of one GPT-2 layer, read from its checkpoint, and residual vectors before its `ln_2`
    on real text.

    `residuals` is (tokens, d_model); `folder` is where the checkpoint was read from.
    """

    name: str
    layer: int
    network: Network
    residuals: torch.Tensor
    folder: Path

    @cached_property
    def vectors(self) -> FloatArray:
        """The residual vectors in float64 (lossless)."""
        return np.asarray(self.residuals.detach().cpu().double().numpy())


@dataclass(frozen=True)
class Subjects:
    """Everything that a study examines.

    `toys`: one hidden layer in R^3, the same task, data, seed and width for every norm. `deep`: two
    hidden layers on moons, behind an embedding R^2 -> R^3 where there is a norm. `spheres`:
    LayerNorm in R^4. `language`: layers of GPT-2s. `failed`: toys whose training diverged, so that
    there is nothing to examine but the report tells of them.
    """

    toys: dict[str, Toy]
    deep: dict[str, Toy]
    spheres: dict[str, Toy]
    language: tuple[LanguageLayer, ...]
    seed: int = 0
    device: str = "cpu"
    failed: tuple[Training, ...] = ()

    @property
    def all_toys(self) -> tuple[Toy, ...]:
        """The toys of every kind."""
        return (*self.toys.values(), *self.deep.values(), *self.spheres.values())

    @property
    def trainings(self) -> tuple[Training, ...]:
        """How every toy was trained, those without a network included."""
        found = (toy.training for toy in self.all_toys)
        return (*(training for training in found if training is not None), *self.failed)


def prepare(
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    gpt2: str | Path | None = None,
    progress: Report | None = None,
) -> Subjects:
    """Train every toy and the tiny GPT-2, write their checkpoints under `folder`, and read all of
    them back.

    `gpt2` names a hub model or a folder with real GPT-2 weights and its tokenizer, whose first,
    middle and last layer are examined too. `progress` is called with a line before each step. Takes
    about half a minute on two cores. Raises InvalidInput for a checkpoint or device that is not
    there, MissingExtra without transformers.
    """
    report = progress or (lambda _: None)
    real = None if gpt2 is None else _checkpoint(gpt2, report)
    failed: list[Training] = []
    toys, deep, spheres = (
        {
            key: toy
            for key, config in configs.items()
            for toy in _trained(folder, f"{group}-{key}", config, report, failed)
        }
        for group, configs in _configs(seed, device).items()
    )
    layers = _tiny_layers(folder, seed, device, report)
    if gpt2 is not None and real is not None:
        layers += _real_layers(real, Path(gpt2).name, report)
    return Subjects(toys, deep, spheres, layers, seed, device, tuple(failed))


def _configs(seed: int, device: str) -> dict[str, dict[str, TrainConfig]]:
    def config(task: str, widths: tuple[int, ...], norm: NormName, embed: int) -> TrainConfig:
        model = ModelConfig(widths=widths, norm=norm, embed_dim=embed)
        return TrainConfig(task=task, model=model, steps=STEPS, seed=seed, device=device)

    return {
        "toys": {norm: config("direction3", (12,), norm, 0) for norm in NORMS},
        "deep": {
            norm: config("moons", (16, 16), norm, 0 if norm == "none" else 3) for norm in NORMS
        },
        "spheres": {
            f"layernorm-{width}": config("direction4", (width,), "layernorm", 0)
            for width in (12, 24)
        },
    }


def _trained(
    folder: Path, name: str, config: TrainConfig, report: Report, failed: list[Training]
) -> Iterator[Toy]:
    """The trained toy; one whose training diverges is written down as failed instead."""
    shape = "-".join(map(str, config.model.widths))
    label = f"{config.task} ({shape}), {NORM_NAMES[config.model.norm]}"
    report(f"training {label}")
    try:
        result = fit(config, progress=False)
    except TrainingDiverged as failure:
        failed.append(Training(label, config.seed, failure=str(failure)))
        return
    checkpoints.save(
        folder / "models", name, result.model, checkpoints.Provenance.of(result), overwrite=True
    )
    yield Toy.of(label, result.model, config.dataset(), result)


def _tiny_layers(folder: Path, seed: int, device: str, report: Report) -> tuple[LanguageLayer, ...]:
    report("training a tiny GPT-2 on the standard library's sources")
    config = language.LanguageConfig(steps=LANGUAGE_STEPS, seed=seed, device=device)
    result = language.train_language_model(config, progress=False)
    saved = language.save(result, folder / "models", "tiny-gpt2", overwrite=True)
    return _layers(saved, "tiny GPT-2", range(config.layers), report)


def _real_layers(folder: Path, name: str, report: Report) -> tuple[LanguageLayer, ...]:
    count = int(gpt2_source.config(folder)["n_layer"])
    return _layers(folder, name, sorted({0, count // 2, count - 1}), report)


def _layers(
    folder: Path, name: str, numbers: range | list[int], report: Report
) -> tuple[LanguageLayer, ...]:
    model = language.load(folder)
    tokens = language.windows(_held_out_tokens(folder), POSITIONS, SEQUENCES)
    layers = []
    for number in numbers:
        report(f"reading layer {number} of {name}")
        vectors = _spread(language.capture_residuals(model, number, tokens).flat(skip=4))
        layers.append(
            LanguageLayer(
                f"{name}, layer {number}", number, gpt2_source.read(folder, number), vectors, folder
            )
        )
    return tuple(layers)


def _held_out_tokens(folder: Path) -> torch.Tensor:
    """The last tenth of the text that the tiny model is trained on, which it does not see."""
    text = language.standard_library_text()
    return language.tokenise(text[-(len(text) // 10) :], folder)


def _spread(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors spread evenly over the sequences, in an order of which every prefix is spread as
    well.
    """
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))
    return vectors[order[:TOKENS]].clone()


def _checkpoint(name_or_folder: str | Path, report: Report) -> Path:
    """The folder of a checkpoint with its tokenizer; a hub name is downloaded once."""
    path = Path(name_or_folder)
    if path.is_dir():
        return path
    report(f"fetching {name_or_folder}")
    return gpt2_source.folder(name_or_folder, also=("tokenizer*.json", "vocab.json", "merges.txt"))
