"""Toy models on disk: one folder each, with weights in safetensors and everything else in JSON.

    <root>/<name>/weights-<first 16 digits of their sha256>.safetensors
    <root>/<name>/checkpoint.json

The JSON names its weights file, and is written last: until it is renamed into place the old
checkpoint is whole, afterwards the new one is. Pickles are refused by name, symbolic links are not
followed, and nothing is allocated for a model before the shapes in the file agree with its config.
"""

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from exact.atomic_files import holding, left_behind, made_folder, write_atomically
from exact.errors import InvalidInput
from exact.networks.architectures import activation_line, number_line
from exact.sources import torch_modules
from exact.sources.checkpoint_names import stored_names
from exact.sources.torch_views import refuse_more_than_weights, unwrapped
from toy_models.models import ModelConfig, ToyModel
from toy_models.train import DTYPES, TrainConfig, TrainResult
from toy_models.validation import mapping, one_of

FORMAT = "exactlens-toy-checkpoint-1"
MANIFEST = "checkpoint.json"
MANIFEST_BYTES = 2**20
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Provenance:
    """Where weights come from: the training that made them, what it reached, and the versions that
    ran it.

    `training` is None for a model that this package did not train.
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
            config.task,
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
        _exact_keys("provenance", values, {entry.name for entry in fields(cls)})
        training = values["training"]
        return cls(
            **{**values, "training": None if training is None else TrainConfig.from_json(training)}
        )


@dataclass(frozen=True)
class Checkpoint:
    """A model read from disk, in evaluation mode on the CPU, with its provenance and the sha256 of
    its weights file.
    """

    model: ToyModel
    provenance: Provenance
    sha256: str


def save(
    root: str | Path, name: str, model: ToyModel, provenance: Provenance, *, overwrite: bool = False
) -> Path:
    """Write `model` as the checkpoint `name` under `root`, and return its folder.

    A wrapper (`torch.compile`, DataParallel) is taken off first. Raises InvalidInput for a name
    that could leave the root, a folder that exists already (unless `overwrite`) or that another
    process is writing, weights that are not finite and what `load` would refuse; Unsupported for
    hooks and the like, which no weights hold. Nothing is written then.
    """
    model = _plain(model)
    folder = Path(root) / valid_name(name)
    _refuse_links(folder, folder / MANIFEST)
    if folder.exists() and not (overwrite and folder.is_dir()):
        remedy = "choose another name, or say overwrite=True to replace a checkpoint"
        raise InvalidInput(
            "the folder of the checkpoint exists already", value=folder, remedy=remedy
        )
    weights, entry = _packed(model)
    own = {
        "format": FORMAT,
        "model": model.config.to_json(),
        "weights": entry,
        "provenance": provenance.to_json(),
    }
    manifest = json.dumps(own, indent=2, allow_nan=False) + "\n"
    lock = folder.with_name(f".{name}.lock")
    with (
        made_folder(folder.parent),
        holding(lock, f"the checkpoint {name}", "wait for it, or choose another name"),
    ):
        with made_folder(folder):
            write_atomically(folder / entry["file"], weights)
            write_atomically(folder / MANIFEST, manifest.encode())
        for superseded in [
            *folder.glob("weights-*"),
            *folder.glob(".weights-*.tmp"),
            *left_behind(folder / MANIFEST),
        ]:
            if superseded.name != entry["file"]:
                superseded.unlink()
    return folder


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
    config = ModelConfig.from_json(manifest["model"])
    weights = manifest["weights"]
    stored = _tensors(_weights(folder, weights), folder)
    tensors = {own: stored[name] for own, name in stored_names(stored).items()}
    model = _empty(config)
    _refuse_other_shapes(tensors, model.state_dict(), str(folder))
    _refuse_non_finite(tensors, str(folder))
    model.load_state_dict(tensors, assign=True)
    return Checkpoint(model.eval(), Provenance.from_json(manifest["provenance"]), weights["sha256"])


def valid_name(name: str) -> str:
    """`name` itself, if it can name a run or checkpoint without leaving its root.

    Raises InvalidInput unless it has 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or
    digit.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        remedy = (
            "write 1 to 64 letters, digits, dots, dashes or underscores, the first a letter "
            "or digit"
        )
        raise InvalidInput("the name could leave its folder", value=repr(name), remedy=remedy)
    return name


def refuse_pickle(path: Path) -> None:
    """Raise InvalidInput for a file whose suffix is that of a pickle, whether or not it exists."""
    if path.suffix.lower() in PICKLES:
        remedy = "save the weights as safetensors (safetensors.torch.save_file) and read those"
        raise InvalidInput(
            "a pickle can run any code when it is read, so it is refused", value=path, remedy=remedy
        )


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


def _plain(model: torch.nn.Module) -> ToyModel:
    """The model inside its wrappers, if its weights are all that it is."""
    refuse_more_than_weights(model)
    inner = unwrapped(model)
    if not isinstance(inner, ToyModel):
        raise InvalidInput(
            "not a toy model",
            value=type(inner).__name__,
            remedy="give a toy_models.models.ToyModel",
        )
    _refuse_other_shapes(inner.state_dict(), _empty(inner.config).state_dict(), "the model")
    return inner


def _empty(config: ModelConfig) -> ToyModel:
    with torch.device("meta"):
        return ToyModel(config)


def _packed(model: ToyModel) -> tuple[bytes, dict[str, Any]]:
    """The weights in the safetensors format, and their entry in the manifest."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    _refuse_non_finite(tensors, "the model")
    content = safetensors.torch.save(tensors, {"architecture": _architecture(model)})
    digest = hashlib.sha256(content).hexdigest()
    return content, {
        "file": f"weights-{digest[:16]}.safetensors",
        "bytes": len(content),
        "sha256": digest,
    }


def _manifest(folder: Path) -> dict[str, Any]:
    _refuse_links(folder, folder / MANIFEST)
    path = folder / MANIFEST
    if not path.is_file():
        remedy = f"give the folder that toy_models.checkpoints.save returned; it holds a {MANIFEST}"
        raise InvalidInput("there is no checkpoint", value=folder, remedy=remedy)
    if path.stat().st_size > MANIFEST_BYTES:
        _refuse(f"the file is larger than {MANIFEST_BYTES} bytes", path)
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "the file is not JSON", value=f"{path}: {error}", remedy="save the model again"
        ) from error
    _exact_keys(f"manifest {path}", manifest, {"format", "model", "weights", "provenance"})
    one_of(f"format in {path}", manifest["format"], [FORMAT])
    _exact_keys(f"weights entry in {path}", manifest["weights"], {"file", "bytes", "sha256"})
    return dict(manifest)


def _weights(folder: Path, entry: Mapping[str, Any]) -> bytes:
    """The content of the weights file, once its size and hash are those of the manifest."""
    path = folder / valid_name(entry["file"])
    _refuse_links(path)
    if not path.is_file():
        _refuse("the weights file is missing", path)
    if path.stat().st_size != entry["bytes"]:
        _refuse(
            f"the weights file is truncated or altered: {entry['bytes']} bytes were written", path
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        _refuse("the weights file is altered: its sha256 is not that of the manifest", path)
    return content


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
        _refuse(
            f"the weights are not all of one dtype among {', '.join(DTYPES)}",
            f"{dtypes} in {where}",
        )
    for name in sorted(tensors.keys() | expected.keys()):
        own, wanted = (
            tuple(side[name].shape) if name in side else "absent" for side in (tensors, expected)
        )
        if own != wanted:
            _refuse(
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


def _exact_keys(what: str, values: object, keys: set[str]) -> None:
    mapping(what, values)
    if isinstance(values, Mapping) and set(values) != keys:
        wrong = ", ".join(sorted(set(values) ^ keys))
        raise InvalidInput(
            f"the {what} has missing or unknown keys", value=wrong, remedy="save the model again"
        )


def _refuse_links(*paths: Path) -> None:
    for path in paths:
        if path.is_symlink():
            raise InvalidInput(
                "symbolic links are not followed",
                value=path,
                remedy=f"give {path.resolve()} itself",
            )


def _refuse(wrong: str, value: object) -> NoReturn:
    raise InvalidInput(wrong, value=value, remedy="save the model again, or restore the file")
