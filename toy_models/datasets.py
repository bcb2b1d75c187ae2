"""Data sets: those of the tasks, and your own from arrays or a file."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from exact.errors import InvalidInput, TooLarge
from exact.geometry.budgets import available_bytes, readable_bytes
from toy_models.draws import order
from toy_models.validation import at_least, number

Kind = Literal["classification", "regression"]
ARRAYS = ("inputs", "targets", "classes", "parents")
_SUFFIX = ".npz"
_COPIES = 3  # as the data are read, checked and trained on
_DAMAGED = (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)
_CLASSES = "give whole class numbers from 0, shape (samples,), or for a regression floats of shape "
_CLASSES += "(samples, outputs)"


@dataclass(frozen=True)
class Dataset:
    """Inputs and targets of one task.

    `inputs` is a float64 tensor (samples, input_dim). `targets` is an int64 tensor (samples,) of
    class numbers below `output_dim` for a classification, and a float64 tensor (samples,
    output_dim) for a regression. Rows stand in random order: any prefix is itself a fair sample.
    Where classes belong to larger ones, `parents` is an int64 tensor (output_dim,), the number of
    the parent of each class. Raises InvalidInput when the shapes disagree with each other or with
    the dimensions. `Dataset.of` makes one of any arrays.
    """

    inputs: Tensor
    targets: Tensor
    kind: Kind
    input_dim: int
    output_dim: int
    name: str
    parents: Tensor | None = None

    def __post_init__(self) -> None:
        shapes = f"inputs {tuple(self.inputs.shape)}, targets {tuple(self.targets.shape)}"
        samples = len(self.inputs)
        targets = (samples,) if self.kind == "classification" else (samples, self.output_dim)
        if (
            tuple(self.inputs.shape) != (samples, self.input_dim)
            or tuple(self.targets.shape) != targets
        ):
            remedy = f"give inputs ({samples}, {self.input_dim}) and targets {targets}"
            raise InvalidInput(
                f"the shapes of the data set {self.name!r} disagree", value=shapes, remedy=remedy
            )

    @classmethod
    def of(
        cls,
        inputs: Any,
        targets: Any,
        *,
        name: str = "own data",
        classes: int | None = None,
        parents: Any = None,
    ) -> Dataset:
        """The data set of your own arrays, tensors or nested lists, checked row by row.

        `inputs` are (samples, input_dim). Targets of shape (samples,) are class numbers from 0, in
        integers or in floats that are whole; targets of shape (samples, outputs) are floats to be
        regressed on. There are as many classes as `classes` says, else as the targets have.
        `parents` gives the number of the parent of each class. Raises InvalidInput, with the row,
        for numbers that are not finite or that float64 cannot hold, shapes that disagree, floats
        that are no classes, a class without rows where `classes` is not said, and for one class
        only.

        >>> data = Dataset.of([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1])
        >>> data.kind, data.input_dim, data.output_dim, len(data)
        ('classification', 2, 2, 3)
        """
        points = _numbers("inputs", inputs)
        if points.ndim != 2 or not points.size:
            raise InvalidInput(
                "inputs is not a matrix with rows",
                value=f"shape {points.shape}",
                remedy="give a row of numbers for every sample: (samples, input_dim)",
            )
        goals = _array("targets", targets)
        if goals.ndim == 0 or len(goals) != len(points):
            raise InvalidInput(
                "inputs and targets have different numbers of rows",
                value=f"inputs {points.shape}, targets {goals.shape}",
                remedy="give a target for every row",
            )
        if goals.ndim == 1:
            labels = _labels(goals)
            count = _class_count(labels, classes)
            family = None if parents is None else _parents(parents, count)
            kind, rows = "classification", torch.from_numpy(labels)
            return cls(torch.from_numpy(points), rows, kind, points.shape[1], count, name, family)
        values = _outputs(goals, classes, parents)
        rows = torch.from_numpy(values)
        return cls(
            torch.from_numpy(points), rows, "regression", points.shape[1], rows.shape[1], name
        )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def sha256(self) -> str:
        """The sha256 of the file that `to_bytes` makes: equal for equal rows in one order."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def split(self, held_out: float) -> tuple[Dataset, Dataset]:
        """Cut the rows in two: the first (1 - held_out) share, and the rest, which training does
        not see.

        Raises InvalidInput unless 0 <= held_out < 1. With a share of 0 the second data set has no
        rows.
        """
        number("held_out", held_out, below=1)
        cut = len(self) - int(len(self) * held_out)
        return self._rows(slice(None, cut)), self._rows(slice(cut, None))

    def shuffled(self, seed: int) -> Dataset:
        """The same rows in a random order that depends on `seed` and on their number alone."""
        return self._rows(order(len(self), seed))

    def joined(self, other: Dataset) -> Dataset:
        """These rows, then those of `other`: what `split` cut."""
        inputs, targets = (
            torch.cat([getattr(self, name), getattr(other, name)]) for name in ("inputs", "targets")
        )
        return replace(self, inputs=inputs, targets=targets)

    def _rows(self, rows: slice | Tensor) -> Dataset:
        return replace(self, inputs=self.inputs[rows], targets=self.targets[rows])

    def to_bytes(self) -> bytes:
        """The content of the .npz file from which `read` makes an equal data set; the same bytes
        for the same rows.
        """
        arrays = {"inputs": self.inputs.double(), "targets": self.targets}
        if self.kind == "classification":
            arrays["classes"] = torch.tensor(self.output_dim)
        if self.parents is not None:
            arrays["parents"] = self.parents
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:  # numpy.savez would put the time into it
            for name, tensor in arrays.items():
                content = io.BytesIO()
                np.save(content, tensor.detach().cpu().numpy(), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
        return file.getvalue()


def read(path: str | Path, *, name: str | None = None) -> Dataset:
    """The data set in a .npz file: arrays `inputs` and `targets` as `Dataset.of` takes them, and
    where wanted `classes` (how many) and `parents`; other arrays are passed over.

    `name` is by default the file's without its suffix. No pickle is read. Raises InvalidInput for a
    file that is missing, damaged or another, an array that is missing, and what `Dataset.of`
    refuses, with the file's name.
    """
    path = Path(path)
    if path.suffix.lower() != _SUFFIX or not path.is_file():
        raise InvalidInput(
            "the file of data is missing, or is no .npz",
            value=path,
            remedy="write it with numpy.savez(FILE, inputs=..., targets=...)",
        )
    return of_bytes(path.read_bytes(), str(path), path.stem if name is None else name)


def of_bytes(content: bytes, where: str, name: str) -> Dataset:
    """The data set in the content of a .npz file, as `read` reads it; messages name `where`."""
    given = _unpacked(content, where)
    for array in ARRAYS[:2]:
        if array not in given:
            raise InvalidInput(
                f"the data have no array {array!r}",
                value=f"{where} with {', '.join(sorted(given)) or 'no array'}",
                remedy="write numpy.savez(FILE, inputs=..., targets=...)",
            )
    try:
        classes = None if "classes" not in given else _count(given["classes"])
        return Dataset.of(
            given["inputs"],
            given["targets"],
            name=name,
            classes=classes,
            parents=given.get("parents"),
        )
    except InvalidInput as error:
        raise InvalidInput(
            error.wrong, value=f"{error.value} in {where}", remedy=error.remedy
        ) from error


def require_sound(data: object, what: str) -> Dataset:
    """`data` itself, where it is a data set that a network can be trained on.

    Raises InvalidInput for anything else, no rows, numbers that are not finite and class numbers
    beyond the last; `what` begins the message.
    """
    if not isinstance(data, Dataset):
        raise InvalidInput(
            f"{what} is not a Dataset",
            value=type(data).__name__,
            remedy="give Dataset.of(inputs, targets)",
        )
    if not len(data):
        raise InvalidInput(f"{what} has no rows", value=data.name, remedy="give some")
    _refuse_non_finite("inputs", data.inputs.detach().cpu().numpy())
    targets = data.targets.detach().cpu()
    if data.kind == "regression":
        _refuse_non_finite("targets", targets.numpy())
        return data
    if targets.is_floating_point():
        raise InvalidInput(f"{what} has floats for classes", value=targets.dtype, remedy=_CLASSES)
    wrong = ((targets < 0) | (targets >= data.output_dim)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInput(
            f"{what} has a class that is not there",
            value=f"targets[{row}] = {targets[row].item()}",
            remedy=f"give 0 .. {data.output_dim - 1}",
        )
    return data


# ---- what arrays may be


def _array(name: str, given: Any) -> np.ndarray:
    """The array itself; text and objects are refused."""
    tensor = given.detach().cpu() if isinstance(given, Tensor) else given
    if isinstance(tensor, Tensor) and tensor.dtype == torch.bfloat16:
        tensor = tensor.double()
    try:
        found = np.asarray(tensor)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{name} is not an array",
            value=f"{type(given).__name__}: {error}",
            remedy="give numbers, with rows of one length",
        ) from error
    if found.dtype.kind not in "biuf":
        raise InvalidInput(
            f"{name} does not hold real numbers",
            value=f"dtype {found.dtype}",
            remedy="give integers or floats; classes by number, from 0",
        )
    return found


def _numbers(name: str, given: Any) -> np.ndarray:
    """A float64 array of the same numbers, every one finite."""
    found = _array(name, given)
    _refuse_non_finite(name, found)
    with np.errstate(over="ignore", invalid="ignore"):
        doubles = found.astype(np.float64)
        same = doubles.astype(found.dtype) == found
    wrong = np.argwhere(~(same & np.isfinite(doubles)))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise InvalidInput(
            f"{name} has a number that float64 cannot hold",
            value=f"{name}{list(place)} = {found[place]}",
            remedy="scale or round the column",
        )
    return doubles


def _refuse_non_finite(name: str, found: np.ndarray) -> None:
    wrong = np.argwhere(~np.isfinite(found)) if found.dtype.kind == "f" else []
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise InvalidInput(
            f"{name} has a number that is not finite",
            value=f"{name}{list(place)} = {found[place]}",
            remedy=f"mend or remove row {place[0]}",
        )


def _labels(given: np.ndarray) -> np.ndarray:
    """Class numbers in int64."""
    _refuse_non_finite("targets", given)
    given = given.astype(np.int64) if given.dtype.kind == "b" else given
    wrong = np.argwhere((given < 0) | (np.floor(given) != given) | (given >= 2**31))
    if len(wrong):
        row = int(wrong[0, 0])
        raise InvalidInput(
            "targets has a number that is no class",
            value=f"targets[{row}] = {given[row]}",
            remedy=_CLASSES,
        )
    return given.astype(np.int64)


def _class_count(labels: np.ndarray, said: int | None) -> int:
    there = np.unique(labels)
    if len(there) < 2:
        raise InvalidInput(
            "the targets have one class only",
            value=f"class {there[0]} in all {len(labels)} rows",
            remedy="give rows of at least two classes",
        )
    if said is None:
        missing = np.setdiff1d(np.arange(min(len(there) + 1, int(there[-1]) + 1)), there)
        if len(missing):
            raise InvalidInput(
                "a class has no rows",
                value=f"class {missing[0]} of 0 .. {there[-1]}",
                remedy="number the classes from 0 without gaps, or say how many there are: classes",
            )
        return len(there)
    at_least("classes", said, 2)
    if there[-1] >= said:
        row = int(np.argmax(labels))
        raise InvalidInput(
            "targets has a class that is not there",
            value=f"targets[{row}] = {labels[row]} of {said} classes",
            remedy=f"give 0 .. {said - 1}, or more classes",
        )
    return said


def _count(given: np.ndarray) -> int:
    if given.ndim or given.dtype.kind not in "iu":
        raise InvalidInput(
            "classes is not one whole number",
            value=f"shape {given.shape}, dtype {given.dtype}",
            remedy="write classes=3 for three",
        )
    return int(given)


def _parents(given: Any, count: int) -> Tensor:
    found = _array("parents", given)
    if found.shape != (count,) or found.dtype.kind not in "iu" or found.min() < 0:
        raise InvalidInput(
            "parents does not give a number to every class",
            value=f"shape {found.shape}, dtype {found.dtype}",
            remedy=f"give {count} whole numbers from 0, that of the parent of each class",
        )
    return torch.from_numpy(found.astype(np.int64))


def _outputs(given: np.ndarray, classes: int | None, parents: Any) -> np.ndarray:
    """Targets of a regression in float64."""
    if given.ndim > 2 or not given.size or given.dtype.kind != "f":
        raise InvalidInput(
            "targets are neither classes nor a regression's",
            value=f"shape {given.shape}, dtype {given.dtype}",
            remedy=_CLASSES,
        )
    if classes is not None or parents is not None:
        raise InvalidInput(
            "a regression has no classes",
            value=f"targets {given.shape}",
            remedy="leave out classes and parents, or give targets of shape (samples,)",
        )
    return _numbers("targets", given)


def _unpacked(content: bytes, where: str) -> Mapping[str, np.ndarray]:
    """The arrays of a .npz file, without any that is a pickle."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _require_room(sum(entry.file_size for entry in archive.infolist()), where)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files if name in ARRAYS}
    except _DAMAGED as error:
        raise InvalidInput(
            "the file of data cannot be read",
            value=f"{where}: {error}",
            remedy="write it with numpy.savez(FILE, inputs=..., targets=...), without objects",
        ) from error


def _require_room(needed: int, where: str) -> None:
    room = available_bytes()
    if room is not None and _COPIES * needed > room:
        raise TooLarge(
            "the data do not fit into memory",
            value=f"{where} of {readable_bytes(needed)}",
            remedy="give a file of fewer rows",
        )
