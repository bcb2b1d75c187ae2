"""What the questions are asked of: toys trained on the spot, the MLP layers of a tiny (or a real)
GPT-2, or networks of one's own. What a question may be handed, and how it is made, stand in one
file.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np
import torch
from torch import nn

from exact import InvalidInput, Network
from exact.arithmetic.numbers import FloatArray
from exact.networks.norms import NAMED
from exact.sources import checkpoint_folders, torch_modules, transformers
from exact.sources import gpt2 as gpt2_source
from studies import real_models
from studies.language_layers import (
    NO_TOKEN,
    POSITIONS,
    SEQUENCES,
    SKIPPED,
    LanguageLayer,
    mlp_of,
    spread,
)
from studies.statistics.estimates import QUICK
from studies.training import Fit, Training
from studies.when_asked import WhenAsked
from toy_models import Dataset, ModelConfig, TrainConfig, TrainResult, checkpoints, fit, language
from toy_models.datasets import require_sound
from toy_models.draws import SEEDS
from toy_models.models import NormName
from toy_models.train import TrainingDiverged
from toy_models.training_cache import TrainingCache
from toy_models.validation import at_least
from toy_models.variants import MODEL_TYPES

Report = Callable[[str], None]
NORMS: tuple[NormName, ...] = get_args(NormName)
NORM_NAMES = {"none": "no norm", **{name: kind.__name__ for name, kind in NAMED.items()}}
TINY = "tiny-gpt2"
GROUPS = ("toys", "deep", "spheres", "language")
TOKENS, QUICK_TOKENS = SEQUENCES * (POSITIONS - SKIPPED), 120
STEPS, LANGUAGE_STEPS = 1000, 320
LONGEST_NAME = 60  # of a network of one's own: findings add words to it, and tables are narrow


@dataclass(frozen=True)
class Toy:
    """A network that a study examines. `block` is `network` from its first norm on; without a norm,
    from the first layer with a bend, or the first block with a skip.

    `model` is what the network was read from, or the network itself. `dataset` are rows in front of
    the network, None where there are none: questions that need them leave such a toy out.
    """

    name: str
    norm: str
    network: Network
    block: Network
    model: nn.Module | Network
    dataset: Dataset | None
    result: TrainResult | None = None

    @classmethod
    def of(
        cls,
        name: str,
        model: nn.Module | Network,
        dataset: Dataset | None = None,
        result: TrainResult | None = None,
    ) -> Toy:
        """A subject from any torch module that `exact.sources.torch_modules.read` takes, or from an
        exact network.

        Raises InvalidInput for rows that do not fit the network or cannot be used, and what the
        reader raises, which names the module that it does not know.
        """
        network = model if isinstance(model, Network) else torch_modules.read(model)
        if dataset is not None:
            _require_fit(name, network, require_sound(dataset, f"the data of {name}"))
        block = network.from_block(_start(network))
        return cls(name, _norm_name(network), network, block, model, dataset, result)

    @property
    def slug(self) -> str:
        """The name as a part of file names."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def rows(self) -> Dataset:
        """The data. Raises InvalidInput where there are none."""
        if self.dataset is None:
            raise InvalidInput(
                "there are no data for the network",
                value=self.name,
                remedy="give a Dataset: Toy.of(name, model, dataset)",
            )
        return self.dataset

    @cached_property
    def inputs(self) -> FloatArray:
        """The data, float64 (samples, input_dim)."""
        return np.asarray(self.rows.inputs.detach().cpu().double().numpy())

    @cached_property
    def residuals(self) -> FloatArray:
        """The vectors that enter `block`, float64 (samples, d_model)."""
        before = self.network.blocks[: len(self.network.blocks) - len(self.block.blocks)]
        return Network(before).forward_float(self.inputs) if before else self.inputs

    def shown(self, count: int, *, inputs: bool = False) -> dict[str, Any]:
        """What figures show of the data: `data`, the first rows in front of the block (or of the
        network, its `inputs`), and their `classes` where it is a classification.
        """
        if self.dataset is None:
            return {}
        is_classes = self.dataset.kind == "classification"
        classes = self.dataset.targets[:count].tolist() if is_classes else None
        return {"data": (self.inputs if inputs else self.residuals)[:count], "classes": classes}

    @cached_property
    def training(self) -> Training | None:
        """How it was trained, or how it does on its rows; None where neither is known."""
        if self.result is not None:
            return Training.of(self.name, self.result)
        fit = None if self.dataset is None else Fit.on(self.network, self.dataset)
        return None if fit is None else Training(self.name, None, rows=fit)

    def must_have_learned(self) -> None:
        """Degenerate for a toy that did not learn its task: it says nothing of training."""
        if self.training is not None:
            self.training.require()


def _norm_name(network: Network) -> str:
    """What toys call the norm, or the name of its class."""
    if not network.has_norm:
        return "none"
    kind = type(network.norms[0])
    return next((name for name, known in NAMED.items() if known is kind), kind.__name__)


def _start(network: Network) -> int:
    """The block at which the questions start."""
    blocks = list(enumerate(network.blocks))
    behind = [i for i, block in blocks if block.norm is not None]
    bent = [i for i, one in blocks if one.residual or any(layer.bits for layer in one.layers)]
    return [*behind, *bent, 0][0]


def _require_fit(name: str, network: Network, dataset: Dataset) -> None:
    if dataset.input_dim != network.input_dim:
        raise InvalidInput(
            f"the data do not fit the network {name}",
            value=f"rows of {dataset.input_dim} numbers",
            remedy=f"give rows of {network.input_dim}",
        )


Subject: TypeAlias = Toy | LanguageLayer


@dataclass(frozen=True)
class Subjects:
    """Everything that a study examines; what it does not have is empty.

    `toys`: one hidden layer in R^3, the same task, data, seed and width for every norm. `deep`: two
    hidden layers on moons, behind an embedding R^2 -> R^3 where there is a norm. `spheres`:
    LayerNorm in R^4. `language`: layers of GPT-2s. `failed`: toys whose training diverged, so that
    there is nothing to examine but the report tells of them.

    `own` are subjects that a user gave: a question is asked of those that fit it, and the study
    says which do not. `seeds` is how many networks an ensemble has, where that was said, and
    `quick` asks for few of everything. Nets of ensembles are kept in the `cache`.
    """

    toys: dict[str, Toy]
    deep: dict[str, Toy]
    spheres: dict[str, Toy]
    language: Sequence[LanguageLayer]
    seed: int = 0
    device: str = "cpu"
    failed: tuple[Training, ...] = ()
    own: bool = False
    seeds: int | None = None
    quick: bool = False
    cache: TrainingCache | None = None

    def __post_init__(self) -> None:
        at_least("seed", self.seed, 0, below=SEEDS)
        if self.seeds is not None:
            at_least("seeds", self.seeds, 1)

    @classmethod
    def of(cls, *subjects: Subject, **options: Any) -> Subjects:
        """Subjects of one's own: toys of one hidden layer, deeper ones, and language layers.

        `options` are `seed`, `device`, `seeds` and `quick`. Raises InvalidInput for none, for two
        of one name (figures are called after it) and for names that are empty or too long.
        """
        _require_names(subjects)
        toys = {str(i): one for i, one in enumerate(subjects) if isinstance(one, Toy)}
        shallow = {i: toy for i, toy in toys.items() if len(toy.block.hidden_layers) == 1}
        deep = {i: toy for i, toy in toys.items() if i not in shallow}
        layers = tuple(one for one in subjects if isinstance(one, LanguageLayer))
        return cls(shallow, deep, {}, layers, own=True, **options)

    @property
    def each(self) -> tuple[Subject, ...]:
        """Every toy and every language layer."""
        return (*self.all_toys, *self.language)

    def only(self, kept: Collection[Subject]) -> Subjects:
        """These subjects without all others."""
        chosen = {id(one) for one in kept}
        groups = {
            name: {key: toy for key, toy in getattr(self, name).items() if id(toy) in chosen}
            for name in ("toys", "deep", "spheres")
        }
        layers = tuple(layer for layer in self.language if id(layer) in chosen)
        return replace(self, language=layers, **groups)

    def nets(self, usual: int) -> int:
        """How many networks an ensemble has: what was said, few if quick, else the usual number."""
        return self.seeds or (min(QUICK, usual) if self.quick else usual)

    @property
    def all_toys(self) -> tuple[Toy, ...]:
        """The toys of every kind."""
        return (*self.toys.values(), *self.deep.values(), *self.spheres.values())

    @property
    def trainings(self) -> tuple[Training, ...]:
        """How well every toy learned of which that is known, those without a network included."""
        found = (toy.training for toy in self.all_toys)
        return (*(training for training in found if training is not None), *self.failed)


def _require_names(subjects: Sequence[Subject]) -> None:
    if not subjects:
        remedy = "give toys (Toy.of) or language layers"
        raise InvalidInput("there is nothing to ask", value="no subject", remedy=remedy)
    taken = set[str]()
    for one in subjects:
        name = one.slug if isinstance(one, Toy) else one.name
        if not 0 < len(one.name) <= LONGEST_NAME or not name:
            remedy = f"write 1 to {LONGEST_NAME} characters, with letters or digits"
            raise InvalidInput("a subject cannot be called so", value=one.name, remedy=remedy)
        if name in taken:
            remedy = "give each a name of its own"
            raise InvalidInput("two subjects have one name", value=one.name, remedy=remedy)
        taken.add(name)


def prepare(
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    gpt2: str | Path | None = None,
    progress: Report | None = None,
    groups: Collection[str] = GROUPS,
    seeds: int | None = None,
    quick: bool = False,
    earlier: Path | None = None,
) -> Subjects:
    """Train every toy and, when its layers are first asked for, the tiny GPT-2, write their
    checkpoints under `folder`, and read all of them back.

    `gpt2` names a folder of a trained model of any family, or a GPT-2 on the hub, whose first,
    middle and last layer are examined too. `progress` is called with a line before each step. Only
    the `groups` that are asked for are trained. The tiny GPT-2 of an `earlier` study is taken over
    where it was trained alike, or else the one that is kept beside it, as the nets of ensembles
    are. Takes about half a
    minute on two cores. Raises InvalidInput for a checkpoint or device that is not there,
    MissingExtra without transformers.
    """
    report = progress or (lambda _: None)
    real = None if gpt2 is None else _checkpoint(gpt2, report)
    failed: list[Training] = []
    cache = None if earlier is None else TrainingCache.under(earlier.parent)
    toys, deep, spheres = (
        {
            key: toy
            for key, config in (configs.items() if group in groups else ())
            for toy in _trained(folder, f"{group}-{key}", config, report, failed, cache)
        }
        for group, configs in _configs(seed, device).items()
    )
    tokens = QUICK_TOKENS if quick else TOKENS

    def language_layers() -> tuple[LanguageLayer, ...]:
        layers: list[LanguageLayer] = []
        if "language" in groups:
            layers += _tiny_layers(folder, seed, device, report, tokens, earlier)
        if gpt2 is not None and real is not None:
            theirs = real_layers(real, _model_name(Path(gpt2)), report, tokens)
            layers += [replace(layer, is_given=True) for layer in theirs]
        return tuple(layers)

    layers = WhenAsked(language_layers)
    found = (toys, deep, spheres, layers, seed, device, tuple(failed))
    return Subjects(*found, seeds=seeds, quick=quick, cache=cache)


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
    folder: Path,
    name: str,
    config: TrainConfig,
    report: Report,
    failed: list[Training],
    cache: TrainingCache | None,
) -> Iterator[Toy]:
    """The trained toy, from the cache where it is there; one whose training diverges is written
    down as failed instead.
    """
    shape = "-".join(map(str, config.model.widths))
    label = f"{config.task} ({shape}), {NORM_NAMES[config.model.norm]}"
    report(f"training {label}")
    try:
        result = fit(config, progress=False) if cache is None else cache.fit(config, report)
    except TrainingDiverged as failure:
        failed.append(Training(label, config.seed, failure=str(failure)))
        return
    checkpoints.save(
        folder / "models", name, result.model, checkpoints.Provenance.of(result), overwrite=True
    )
    yield Toy.of(label, result.model, config.dataset(), result)


def _model_name(folder: Path) -> str:
    """The last name in its path that says more than that it is a model."""
    return folder.parent.name if folder.name == "model" and folder.parent.name else folder.name


def _tiny_layers(
    folder: Path,
    seed: int,
    device: str,
    report: Report,
    tokens: int = TOKENS,
    earlier: Path | None = None,
) -> tuple[LanguageLayer, ...]:
    config = language.LanguageConfig(steps=LANGUAGE_STEPS, seed=seed, device=device)
    place = folder / "models" / TINY
    cache = None if earlier is None else TrainingCache.under(earlier.parent).language_models
    kept = None if cache is None else cache / f"{TINY}-{seed}"
    known = () if earlier is None or kept is None else (earlier / "models" / TINY, kept)
    there = next((one for one in known if language.was_trained_so(one, config)), None)
    if there is not None:
        report(f"taking over the tiny GPT-2 {'kept' if there == kept else 'of the study before'}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(there, place)
    else:
        report("training a tiny GPT-2 on the standard library's sources")
        result = language.train_language_model(config, progress=False)
        language.save(result, place.parent, place.name, overwrite=True)
        if kept is not None:
            _keep(result, kept, report)
    before = language.untrained(config).eval()
    return _layers(place, "tiny GPT-2", range(config.layers), report, tokens, before)


def _keep(result: language.LanguageResult, place: Path, report: Report) -> None:
    """Keep a model that was trained beside the toys, where the disk takes it: a study that is cut
    off does not lose it.
    """
    try:
        language.save(result, place.parent, place.name, overwrite=True)
    except (OSError, InvalidInput) as error:
        report(f"the tiny GPT-2 cannot be kept in {place}: {error}")


def real_layers(
    folder: Path, name: str, report: Report, tokens: int = TOKENS
) -> tuple[LanguageLayer, ...]:
    """The first, middle and last layer of a language model in a folder; of a GPT-2 on the text that
    our tiny one did not see.
    """
    if checkpoint_folders.config(folder).get("model_type") not in MODEL_TYPES.values():
        return real_models.layers_of(folder, name, report, tokens)
    count = transformers.layer_count(folder)
    return _layers(folder, name, sorted({0, count // 2, count - 1}), report, tokens)


def _layers(
    folder: Path,
    name: str,
    numbers: Sequence[int],
    report: Report,
    count: int,
    before: nn.Module | None = None,
) -> tuple[LanguageLayer, ...]:
    """The layers of a checkpoint, each with that of the model `before` training where it is
    known.
    """
    model = language.load(folder)
    tokens = language.windows(held_out_tokens(folder), POSITIONS, SEQUENCES)
    layers = []
    for number in numbers:
        report(f"reading layer {number} of {name}")
        title = f"{name}, layer {number}"
        layer = _layer(folder, folder, model, title, number, tokens, count)
        if before is not None:
            bare = _layer(before, folder, before, title, number, tokens, count)
            layer = replace(layer, untrained=bare)
        layers.append(layer)
    return tuple(layers)


def _layer(
    weights: Path | nn.Module,
    folder: Path,
    model: nn.Module,
    title: str,
    number: int,
    tokens: torch.Tensor,
    count: int,
) -> LanguageLayer:
    network = mlp_of(weights, number, title)
    vectors = language.capture_residuals(model, number, tokens).flat(skip=SKIPPED)
    order = spread(vectors, count)
    places = tokens.shape[1] - SKIPPED
    standing = torch.stack([tokens[:, :-1], tokens[:, 1:]], -1)
    last = torch.stack([tokens[:, -1:], torch.full_like(tokens[:, -1:], NO_TOKEN)], -1)
    return LanguageLayer(
        title,
        number,
        network,
        vectors[order].clone(),
        folder,
        sequences=order // places,
        tokens=torch.cat([standing, last], 1)[:, SKIPPED:].flatten(0, 1)[order],
        positions=SKIPPED + order % places,
        previous=mlp_of(weights, number - 1, title) if number else None,
    )


def held_out_tokens(folder: Path) -> torch.Tensor:
    """The last tenth of the text that the tiny model is trained on, which it does not see."""
    text = language.standard_library_text()
    return language.tokenise(text[-(len(text) // 10) :], folder)


def _checkpoint(name_or_folder: str | Path, report: Report) -> Path:
    """The folder of a checkpoint with its tokenizer; a hub name is downloaded once."""
    path = Path(name_or_folder)
    if path.is_dir():
        return path
    report(f"fetching {name_or_folder}")
    return gpt2_source.folder(name_or_folder, also=("tokenizer*.json", "vocab.json", "merges.txt"))
