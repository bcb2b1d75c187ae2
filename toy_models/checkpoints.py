"""Networks on disk: one folder each, with weights in safetensors, data in .npz where there are, and
everything else in JSON.

    <root>/<name>/weights-<first 16 digits of their sha256>.safetensors
    <root>/<name>/data-<first 16 digits of their sha256>.npz
    <root>/<name>/checkpoint.json

A checkpoint holds a toy model, or any `exact.Network`, whose weights file says its architecture
(`exact.sources.weight_files`). The JSON names its files, and is written last: until it is renamed
into place the old checkpoint is whole, afterwards the new one is. Pickles are refused by name,
symbolic links are not followed, nothing is allocated for a model before the shapes in the file
agree with its config, and no task that the JSON names is run to read it.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from exact.atomic_files import holding, left_behind, made_folder, write_atomically
from exact.errors import InvalidInput
from exact.networks.architectures import activation_line, number_line
from exact.networks.network import Network
from exact.sources import torch_modules, weight_files
from exact.sources.checkpoint_names import stored_names
from exact.sources.torch_views import refuse_more_than_weights, unwrapped
from toy_models import datasets, tasks
from toy_models.datasets import Dataset
from toy_models.models import ModelConfig, ToyModel
from toy_models.stored_files import (
    content_of,
    entry_of,
    refuse,
    refuse_links,
    refuse_pickle,
    require_keys,
    valid_name,
)
from toy_models.train import DTYPES, TrainConfig, TrainResult
from toy_models.validation import one_of

FORMAT = "exactlens-toy-checkpoint-1"
MANIFEST = "checkpoint.json"
MANIFEST_BYTES = 2**20
NETWORK = "network"  # in the place of a config: the weights say what they make
ENTRY = {"file", "bytes", "sha256"}


@dataclass(frozen=True)
class Provenance:
    """Where weights come from: the training that made them, what it reached, and the versions that
    ran it.

    `training` is None for a model that this package did not train. `task` is the name of the task
    or of the data; a task that this process does not know is None in `training`.
    """

    training: TrainConfig | None
    task: str | None
    seed: int | None
    step: int | None
    loss: float | None
    accuracy: float | None
    versions: Mapping[str, str]

    @classmethod
    def of(cls, result: TrainResult) -> "Provenance":
        """The provenance of the trained model of `result`."""
        config, reached = result.config, result.training_score
        return cls(
            config,
            result.training.name,
            config.seed,
            result.steps,
            reached.loss,
            reached.accuracy,
            versions(),
        )

    @classmethod
    def untrained(cls, seed: int | None = None) -> "Provenance":
        """The provenance of a model as it was initialised, or of one from elsewhere."""
        return cls(None, None, seed, None, None, None, versions())

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values from which `from_json` makes an equal provenance."""
        training = None if self.training is None else self.training.to_json()
        own = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**own, "training": training, "versions": dict(self.versions)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Provenance":
        """The provenance that `to_json` wrote. Raises InvalidInput for keys that are missing or
        unknown.
        """
        require_keys("provenance", values, {entry.name for entry in fields(cls)})
        training = values["training"]
        return cls(**{**values, "training": None if training is None else _config_of(training)})


@dataclass(frozen=True)
class Checkpoint:
    """A model read from disk, in evaluation mode on the CPU, with its provenance and the sha256 of
    its weights file.

    `model` is a toy model, or the exact network that was saved. `dataset` are the rows that were
    saved with it.
    """

    model: ToyModel | Network
    provenance: Provenance
    sha256: str
    dataset: Dataset | None = None

    @cached_property
    def network(self) -> Network:
        """The exact network of the model."""
        return self.model if isinstance(self.model, Network) else torch_modules.read(self.model)

    @cached_property
    def data(self) -> Dataset | None:
        """The rows that were saved with the model, else those of the task it was trained on, made
        again; None where neither is known.
        """
        training = self.provenance.training
        if self.dataset is not None or training is None or training.task is None:
            return self.dataset
        return training.dataset()


def save(
    root: str | Path,
    name: str,
    model: nn.Module | Network,
    provenance: Provenance | None = None,
    *,
    dataset: Dataset | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a toy model or an exact network as the checkpoint `name` under `root`, and return its
    folder.

    A wrapper (`torch.compile`, DataParallel) is taken off a model first. A network comes back
    equal: numbers that no float64 is are stored as fractions, in text. `dataset` are rows to keep
    with it, for runs on data of your own; `provenance` is by default that of a model from
    elsewhere. Raises InvalidInput for a name that could leave the root, a folder that exists
    already (unless `overwrite`) or that another process is writing, rows that do not fit, weights
    that are not finite and what `load` would refuse; Unsupported for hooks and the like, which no
    weights hold, and for norms and activations of your own that have no name. Nothing is written
    then.
    """
    folder = Path(root) / valid_name(name)
    refuse_links(folder, folder / MANIFEST)
    if folder.exists() and not (overwrite and folder.is_dir()):
        remedy = "choose another name, or say overwrite=True to replace a checkpoint"
        raise InvalidInput(
            "the folder of the checkpoint exists already", value=folder, remedy=remedy
        )
    found = model if isinstance(model, Network) else _plain(model)
    files = {"weights": (_packed(found), ".safetensors")}
    if dataset is not None:
        files["data"] = (_rows_for(found, dataset).to_bytes(), ".npz")
    entries = {what: entry_of(content, what, suffix) for what, (content, suffix) in files.items()}
    own = {
        "format": FORMAT,
        "model": NETWORK if isinstance(found, Network) else found.config.to_json(),
        **entries,
        "provenance": (provenance or Provenance.untrained()).to_json(),
    }
    manifest = json.dumps(own, indent=2, allow_nan=False) + "\n"
    lock = folder.with_name(f".{name}.lock")
    with (
        made_folder(folder.parent),
        holding(lock, f"the checkpoint {name}", "wait for it, or choose another name"),
    ):
        with made_folder(folder):
            for what, (content, _) in files.items():
                write_atomically(folder / entries[what]["file"], content)
            write_atomically(folder / MANIFEST, manifest.encode())
        _clear(folder, {entry["file"] for entry in entries.values()})
    return folder


def _clear(folder: Path, kept: set[str]) -> None:
    """Remove the files of the checkpoint before, and what killed processes left."""
    for path in [
        *folder.glob("weights-*"),
        *folder.glob(".weights-*.tmp"),
        *folder.glob(f"data-{'[0-9a-f]' * 16}.npz"),
        *folder.glob(".data-*.tmp"),
        *left_behind(folder / MANIFEST),
    ]:
        if path.name not in kept:
            path.unlink()


def load(path: str | Path) -> Checkpoint:
    """Read the checkpoint in the folder `path` (or whose checkpoint.json it is); the weights come
    back bit for bit.

    Raises InvalidInput for a pickle, a missing, truncated or altered file, a JSON that is not a
    checkpoint's, weights whose names, shapes or dtype do not fit the config, and weights that are
    not finite.
    """
    path = Path(path)
    refuse_pickle(path)
    folder = path.parent if path.name == MANIFEST else path
    manifest = _manifest(folder)
    provenance = Provenance.from_json(manifest["provenance"])
    weights, rows = manifest["weights"], manifest.get("data")
    content = content_of(folder, "weights", weights)
    if manifest["model"] == NETWORK:
        model: ToyModel | Network = weight_files.read(folder / weights["file"])
    else:
        model = _filled(ModelConfig.from_json(manifest["model"]), content, folder)
    dataset = None
    if rows is not None:
        where = str(folder / rows["file"])
        name = provenance.task or folder.name
        dataset = datasets.of_bytes(content_of(folder, "data", rows), where, name)
    return Checkpoint(model, provenance, weights["sha256"], dataset)


def _filled(config: ModelConfig, content: bytes, folder: Path) -> ToyModel:
    """The toy model of a config with the weights of a file."""
    stored = _tensors(content, folder)
    tensors = {own: stored[name] for own, name in stored_names(stored).items()}
    model = _empty(config)
    _refuse_other_shapes(tensors, model.state_dict(), str(folder))
    _refuse_non_finite(tensors, str(folder))
    model.load_state_dict(tensors, assign=True)
    return model.eval()


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that training depends on."""
    try:
        own = version("exactlens")
    except PackageNotFoundError:
        own = "not installed"
    return {"exactlens": own, "python": platform.python_version(), "torch": torch.__version__}


def _architecture(model: ToyModel) -> str:
    """Which tensors make which layer, as `exact.networks.architectures` says it, so that the
    weights are a network by themselves.
    """
    network, blocks = torch_modules.read(model), []
    for i, (block, (norm, modules, residual)) in enumerate(
        zip(network.blocks, model.exactlens_blocks(), strict=True)
    ):
        linear = [j for j, module in enumerate(modules) if isinstance(module, nn.Linear)]
        layers = [
            {
                "weight": f"blocks.{i}.layers.{j}.weight",
                "activation": activation_line(layer.activation),
                **_named(modules[j], f"blocks.{i}.layers.{j}", {"bias": "bias"}),
            }
            for j, layer in zip(linear, block.layers, strict=True)
        ]
        line = {"layers": layers, "residual": residual}
        if norm is not None and block.norm is not None:
            own = _named(norm, f"blocks.{i}.norm", {"gain": "weight", "bias": "bias"})
            line["norm"] = {
                "kind": type(block.norm).__name__,
                "dim": block.norm.dim,
                "eps": number_line(block.norm.eps),
                "eps_rule": block.norm.eps_rule,
                **own,
            }
        blocks.append(line)
    return json.dumps({"blocks": blocks})


def _named(module: nn.Module, place: str, names: Mapping[str, str]) -> dict[str, str]:
    """The tensors that a module has, by their names in an architecture."""
    return {
        own: f"{place}.{name}"
        for own, name in names.items()
        if getattr(module, name, None) is not None
    }


def _plain(model: object) -> ToyModel:
    """The model inside its wrappers, if its weights are all that it is."""
    inner = model
    if isinstance(model, nn.Module):
        refuse_more_than_weights(model)
        inner = unwrapped(model)
    if not isinstance(inner, ToyModel):
        raise InvalidInput(
            "not a toy model",
            value=type(inner).__name__,
            remedy="give a ToyModel, or an exact network: exact.sources.torch_modules.read(module)",
        )
    _refuse_other_shapes(inner.state_dict(), _empty(inner.config).state_dict(), "the model")
    return inner


def _empty(config: ModelConfig) -> ToyModel:
    with torch.device("meta"):
        return ToyModel(config)


def _packed(model: ToyModel | Network) -> bytes:
    """The weights in the safetensors format, with their architecture."""
    if isinstance(model, Network):
        return weight_files.packed(model)
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    _refuse_non_finite(tensors, "the model")
    return safetensors.torch.save(tensors, {"architecture": _architecture(model)})


def _rows_for(model: ToyModel | Network, dataset: Dataset) -> Dataset:
    """The rows, if the model can read them."""
    found = datasets.require_sound(dataset, "the data set")
    width = model.input_dim if isinstance(model, Network) else model.config.input_dim
    if found.input_dim != width:
        raise InvalidInput(
            "the data set does not fit the network",
            value=f"{found.input_dim} inputs in {found.name}",
            remedy=f"give rows of {width} numbers",
        )
    return found


def _config_of(values: Any) -> TrainConfig:
    """The training of a checkpoint; a task that is not known here is left out, since the weights
    are what they are without it.
    """
    known = not isinstance(values, Mapping) or values.get("task") in tasks.TASKS
    return TrainConfig.from_json(values if known else {**values, "task": None, "task_options": {}})


def _manifest(folder: Path) -> dict[str, Any]:
    refuse_links(folder, folder / MANIFEST)
    path = folder / MANIFEST
    if not path.is_file():
        remedy = f"give the folder that toy_models.checkpoints.save returned; it holds a {MANIFEST}"
        raise InvalidInput("there is no checkpoint", value=folder, remedy=remedy)
    if path.stat().st_size > MANIFEST_BYTES:
        refuse(f"the file is larger than {MANIFEST_BYTES} bytes", path)
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "the file is not JSON", value=f"{path}: {error}", remedy="save the model again"
        ) from error
    keys = {"format", "model", "weights", "provenance"}
    require_keys(f"manifest {path}", manifest, keys, ("data",))
    one_of(f"format in {path}", manifest["format"], [FORMAT])
    for what in ("weights", "data"):
        if what in manifest:
            require_keys(f"{what} entry in {path}", manifest[what], ENTRY)
    return dict(manifest)


def _tensors(content: bytes, folder: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        wrong = "the weights file is not in the safetensors format"
        raise InvalidInput(
            wrong, value=f"{folder}: {error}", remedy="save the model again"
        ) from error


def _refuse_other_shapes(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str
) -> None:
    dtypes = {tensor.dtype for tensor in tensors.values()}
    if len(dtypes) > 1 or not dtypes <= set(DTYPES.values()):
        refuse(
            f"the weights are not all of one dtype among {', '.join(DTYPES)}",
            f"{dtypes} in {where}",
        )
    for name in sorted(tensors.keys() | expected.keys()):
        own, wanted = (
            tuple(side[name].shape) if name in side else "absent" for side in (tensors, expected)
        )
        if own != wanted:
            refuse(
                f"the weights do not fit the config: {name} should be {wanted}", f"{own} in {where}"
            )


def _refuse_non_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    for name, tensor in tensors.items():
        wrong = (~tensor.isfinite()).nonzero()
        if len(wrong):
            index = wrong[0].tolist()
            value = f"{name}{index} = {tensor[tuple(index)].item()} in {where}"
            raise InvalidInput(
                "a weight is not finite",
                value=value,
                remedy="train again with a smaller learning_rate",
            )
