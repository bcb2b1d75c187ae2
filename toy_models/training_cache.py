"""Trained toys kept on disk, so that the same config is trained once.

    <folder>/<sha256 of what decides the result>.safetensors

What decides is the config with the dimensions of its task, its rows, the format below, the version
of torch, and the text of the modules that make models and steps: a change of one leaves the old
entries unread, so that a task that was registered anew under its name finds none of the old ones.
An entry appears whole or not at all and carries a sha256 of its content; one that is damaged is
trained again, and said to be. Processes that train the same toy write the same name, and the last
one stands. Nothing is kept unless a cache is given, and nothing is deleted but by `clear`.
"""

import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from exact.atomic_files import made_folder, write_atomically
from toy_models.datasets import Dataset
from toy_models.train import Preparation, Score, Snapshot, TrainConfig, TrainResult, fit

FORMAT = 1
DECIDING = ("draws.py", "models.py", "train.py", "ensembles.py", "stacked_modules.py")
OWN = re.compile(r"\.?[0-9a-f]{64}\.safetensors(\.[0-9a-f]{16}\.tmp)?")

Report = Callable[[str], None]


def to_standard_error(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr)


@dataclass(frozen=True)
class TrainingCache:
    """A folder of trained toys. Entries are read and written by `fit_ensemble` and `population`.

    >>> import tempfile
    >>> from toy_models import TrainConfig, fit_many
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept, lines = TrainingCache(Path(folder, "toys")), []
    ...     for _ in range(2):
    ...         found = fit_many(
    ...             TrainConfig(steps=5, samples=50), range(3), cache=kept, report=lines.append,
    ...             progress=False,
    ...         )
    ...     [line.split(" in ")[0] for line in lines], len(kept), kept.clear(), len(kept)
    (['3 toys: 0 read, 3 trained and kept', '3 toys: 3 read, 0 trained and kept'], 3, 3, 0)
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    @classmethod
    def under(cls, runs: str | Path = "runs") -> "TrainingCache":
        """The cache beside the runs of a folder, under a name that no run can have."""
        return cls(Path(runs, ".cache", "toys"))

    @property
    def language_models(self) -> Path:
        """The folder of kept language models, beside that of the toys."""
        return self.folder.with_name("language")

    def place(self, toy: Preparation | TrainResult) -> Path:
        """The file of a toy, trained or not."""
        decides = {
            "format": FORMAT,
            "config": toy.config.to_json(),
            "rows": _rows(toy.training, toy.held_out),
            "torch": torch.__version__,
            "sources": _sources(),
        }
        text = json.dumps(decides, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"

    def find(self, start: Preparation, report: Report) -> TrainResult | None:
        """The result that was kept for a config, in the model of `start`, or None. `report` is
        called with a line about an entry that is damaged.
        """
        place = self.place(start)
        try:
            content = place.read_bytes()
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            report(f"the entry {place} is damaged (it is a folder): the toy is trained again")
            return None
        try:
            return _unpacked(content, start)
        except (_Damaged, RuntimeError, safetensors.SafetensorError) as error:
            told = " ".join(str(error).split())
            report(f"the entry {place} is damaged ({told}): the toy is trained again")
            return None

    def fit(self, config: TrainConfig, report: Report = to_standard_error) -> TrainResult:
        """What `fit(config)` gives: read, or trained and kept where the disk takes it. Raises what
        `fit` raises.
        """
        found = self.find(Preparation.of(config), report)
        if found is not None and found.diverged_at is None:
            return found
        result = fit(config, progress=False)
        try:
            self.keep(result)
        except OSError as error:
            report(f"the toy cannot be kept in {self.folder}: {error.strerror}")
        return result

    def keep(self, result: TrainResult) -> None:
        """Write a result of training. Raises OSError where the disk does not take it."""
        with made_folder(self.folder):
            write_atomically(self.place(result), _packed(result))

    def __len__(self) -> int:
        return sum(not place.name.startswith(".") for place in self._files())

    @property
    def size(self) -> int:
        """The bytes of all entries, those of unfinished ones included."""
        sizes = []
        for place in self._files():
            try:
                sizes.append(place.stat().st_size)
            except FileNotFoundError:  # another process has just cleared it, or finished it
                continue
        return sum(sizes)

    def clear(self) -> int:
        """Delete all entries and what killed processes left of some; returns how many files went.
        Other files stay, and so does the folder.
        """
        gone = [*self._files()]
        for place in gone:
            place.unlink(missing_ok=True)
        return len(gone)

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            for place in self.folder.iterdir():
                if OWN.fullmatch(place.name) and not place.is_dir():
                    yield place


class _Damaged(Exception):
    pass


@cache
def _sources() -> str:
    folder = Path(__file__).parent
    texts = [place.read_bytes() for name in DECIDING if (place := folder / name).is_file()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _rows(*parts: Dataset) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for rows in (part.inputs, part.targets):
            digest.update(f"{rows.dtype} {tuple(rows.shape)}:".encode())
            digest.update(rows.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _packed(result: TrainResult) -> bytes:
    tensors = {
        "losses": torch.tensor(result.losses, dtype=torch.float64),
        "scores": torch.tensor(
            [
                [shot.score.loss, math.nan if shot.score.accuracy is None else shot.score.accuracy]
                for shot in result.snapshots
            ],
            dtype=torch.float64,
        ).reshape(-1, 2),
        **{
            f"{shot.step}/{name}": weight.contiguous()
            for shot in result.snapshots
            for name, weight in shot.weights.items()
        },
    }
    about = {
        "config": result.config.to_json(),
        "steps": [shot.step for shot in result.snapshots],
        "diverged_at": result.diverged_at,
    }
    text = json.dumps(about, sort_keys=True)
    header = json.dumps({"about": text, "sha256": _digest(tensors, text)})
    return safetensors.torch.save(tensors, {"toy": header})


def _unpacked(content: bytes, start: Preparation) -> TrainResult:
    """The result in an entry. Raises _Damaged, or what torch and safetensors raise, for anything
    else.
    """
    about, digest = _metadata(content)
    tensors = safetensors.torch.load(content)
    if digest != _digest(tensors, about):
        raise _Damaged("its sha256 is not that of its content")
    told = json.loads(about)
    if told["config"] != json.loads(json.dumps(start.config.to_json())):
        raise _Damaged("it is about another config")
    snapshots = [*_snapshots(tensors, told["steps"], start)]
    if snapshots:
        start.model.load_state_dict(dict(snapshots[-1].weights))
    return start.result(tensors["losses"].tolist(), snapshots, told["diverged_at"])


def _metadata(content: bytes) -> tuple[str, str]:
    """What an entry is about, and its sha256: from the header of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    try:
        found: Any = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["toy"])
        return str(found["about"]), str(found["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _Damaged("it has no header") from error


def _snapshots(
    tensors: dict[str, Tensor], steps: Sequence[int], start: Preparation
) -> Iterator[Snapshot]:
    for step, (loss, accuracy) in zip(steps, tensors["scores"].tolist(), strict=True):
        weights = {name: tensors[f"{step}/{name}"] for name in start.model.state_dict()}
        known = None if start.data.kind == "regression" else accuracy
        yield Snapshot(step, weights, Score(loss, known))


def _digest(tensors: dict[str, Tensor], about: str) -> str:
    return hashlib.sha256(safetensors.torch.save(tensors) + about.encode()).hexdigest()
