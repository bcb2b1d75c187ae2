"""Data of one's own: what is read is what was given, and every bad array is named by its row."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exact.errors import InvalidInput, TooLarge
from toy_models import datasets
from toy_models.datasets import Dataset, read, require_sound

ROWS = np.array([[0.5, -1.0], [2.0, 3.0], [1e-300, 0.1]])


def written(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


@pytest.mark.parametrize(
    "targets",
    [[0, 1, 2], np.array([0, 1, 2], dtype=np.uint8), torch.tensor([0.0, 1.0, 2.0]), (0, 1, 2)],
)
def test_class_numbers_make_a_classification(targets: Any) -> None:
    data = Dataset.of(ROWS, targets)
    assert (data.kind, data.input_dim, data.output_dim, data.name) == (
        "classification",
        2,
        3,
        "own data",
    )
    assert torch.equal(data.inputs, torch.from_numpy(ROWS))
    assert data.targets.dtype == torch.int64 and data.targets.tolist() == [0, 1, 2]


def test_two_values_are_two_classes_and_more_may_be_said() -> None:
    assert Dataset.of(ROWS, np.array([True, False, True])).output_dim == 2
    assert Dataset.of(ROWS, [0, 2, 2], classes=4, parents=[0, 0, 1, 1]).output_dim == 4


def test_rows_of_floats_make_a_regression() -> None:
    data = Dataset.of(torch.ones(3, 2, dtype=torch.bfloat16), ROWS.astype(np.float32))
    assert (data.kind, data.output_dim) == ("regression", 2)
    assert data.inputs.dtype == data.targets.dtype == torch.float64
    assert data.targets[1].tolist() == [2.0, 3.0]


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = written(
        tmp_path, inputs=ROWS, targets=[0, 1, 1], classes=3, parents=[0, 0, 1], colour=["red"]
    )
    data = read(path)
    assert (data.name, data.output_dim, len(data)) == ("mine", 3, 3)
    assert torch.equal(data.inputs, torch.from_numpy(ROWS))
    assert data.parents is not None and data.parents.tolist() == [0, 0, 1]
    copy = tmp_path / "copy.npz"
    copy.write_bytes(data.to_bytes())
    again = read(copy, name="mine")
    assert again.sha256 == data.sha256 and again.to_bytes() == data.to_bytes()
    assert torch.equal(again.targets, data.targets) and again.output_dim == 3
    other = Dataset.of(ROWS, [1, 0, 1], classes=3)
    assert other.sha256 != data.sha256
    goals = Dataset.of(ROWS, ROWS[:, :1])
    assert torch.equal(datasets.of_bytes(goals.to_bytes(), "", "").targets, goals.targets)


def test_a_shuffle_keeps_every_row_and_its_target() -> None:
    data = Dataset.of(np.arange(40.0)[:, None], np.arange(40) // 20, parents=[0, 0])
    mixed = data.shuffled(3)
    assert torch.equal(mixed.targets, (mixed.inputs[:, 0] >= 20).long())
    assert sorted(mixed.inputs[:, 0].tolist()) == list(range(40))
    assert 5 < int(mixed.targets[:20].sum()) < 15
    assert torch.equal(mixed.inputs, data.shuffled(3).inputs)
    assert not torch.equal(mixed.inputs, data.shuffled(4).inputs)
    first, rest = mixed.split(0.25)
    assert torch.equal(first.joined(rest).inputs, mixed.inputs)


NAN, TEXT = float("nan"), np.array(["a", "b", "a"])
BAD: list[tuple[Any, Any, dict[str, Any], str]] = [
    ([[1.0, 2], [NAN, 0], [1, 1]], [0, 1, 1], {}, r"not finite; got inputs\[1, 0\] = nan; .*row 1"),
    ([[1.0], [2], [np.inf]], [0, 1, 1], {}, r"not finite; got inputs\[2, 0\] = inf"),
    ([1.0, 2, 3], [0, 1, 1], {}, r"not a matrix with rows; got shape \(3,\)"),
    (np.zeros((0, 2)), [], {}, r"not a matrix with rows; got shape \(0, 2\)"),
    ([[1.0], [2, 3]], [0, 1], {}, "inputs is not an array"),
    (ROWS, [0, 1], {}, r"different numbers of rows; got inputs \(3, 2\), targets \(2,\)"),
    (ROWS, 1, {}, r"different numbers of rows; got inputs \(3, 2\), targets \(\)"),
    (ROWS + 1j, [0, 1, 1], {}, "does not hold real numbers; got dtype complex128"),
    (ROWS, TEXT, {}, "targets does not hold real numbers; got dtype <U1"),
    (ROWS, np.array([{}, 1, 2], dtype=object), {}, "targets does not hold real .* dtype object"),
    ([[2**53 + 1], [1], [2]], [0, 1, 1], {}, r"float64 cannot hold; got inputs\[0, 0\] = 90"),
    (ROWS, [0, 0, 0], {}, "one class only; got class 0 in all 3 rows"),
    (ROWS, [1, 2, 3], {}, "a class has no rows; got class 0 of 0 .. 3; number the classes from 0"),
    (ROWS, [0, 2, 2], {}, "a class has no rows; got class 1 of 0 .. 2"),
    (ROWS, [0, 10**9, 2], {}, "a class has no rows; got class 1"),
    (ROWS, [0, 1, 0.5], {}, r"a number that is no class; got targets\[2\] = 0.5; give whole class"),
    (ROWS, [0, -1, 1], {}, r"no class; got targets\[1\] = -1"),
    (ROWS, [0, 1, NAN], {}, r"not finite; got targets\[2\] = nan; mend or remove row 2"),
    (ROWS, [0, 1, 3], {"classes": 3}, r"not there; got targets\[2\] = 3 of 3 classes"),
    (ROWS, [0, 1, 1], {"classes": 1}, "classes .* got 1"),
    (ROWS, [[0], [1], [1]], {}, r"neither classes nor a regression's; got shape \(3, 1\), dtype i"),
    (ROWS, np.zeros((3, 1, 1)), {}, r"neither classes nor a regression's; got shape \(3, 1, 1\)"),
    (ROWS, ROWS, {"classes": 2}, "a regression has no classes"),
    (ROWS, np.where(ROWS > 2, NAN, ROWS), {}, r"got targets\[1, 1\] = nan"),
    (ROWS, [0, 1, 1], {"parents": [0]}, r"parents does not give .* got shape \(1,\)"),
    (ROWS, [0, 1, 1], {"parents": [0, -1]}, "parents does not give"),
    (ROWS, [0, 1, 1], {"parents": [0.0, 1.0]}, "parents does not give .* float64"),
]


@pytest.mark.parametrize(("inputs", "targets", "more", "message"), BAD)
def test_bad_arrays_are_named(
    inputs: Any, targets: Any, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        Dataset.of(inputs, targets, **more)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return file.getvalue()


BAD_FILES: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: None, "missing, or is no .npz; got .*mine.npz; write it with numpy.savez"),
    (lambda p: p.mkdir(), "missing, or is no .npz"),
    (lambda p: p.write_bytes(b""), "cannot be read"),
    (lambda p: p.write_bytes(b"hello, world"), "cannot be read"),
    (
        lambda p: p.write_bytes(archive(inputs=b"no array", targets=b"neither")),
        r"inputs does not hold real numbers; got dtype \|S8 in .*mine.npz",
    ),
    (lambda p: written(p.parent, inputs=ROWS), r"no array 'targets'; got .*mine.npz with inputs;"),
    (lambda p: written(p.parent, x=ROWS, y=[0, 1, 1]), "no array 'inputs'; got .* with no array"),
    (lambda p: written(p.parent, inputs=ROWS, targets=[0, 1, 0.5]), r"\[2\] = 0.5 in .*mine.npz"),
    (
        lambda p: written(p.parent, inputs=ROWS, targets=[0, 1, 1], classes=2.0),
        r"classes is not one whole number; got shape \(\), dtype float64 in ",
    ),
    (
        lambda p: p.write_bytes(archive(inputs=pickle.dumps(Trap()), targets=b"")),
        "inputs does not hold real numbers",
    ),
    (lambda p: np.savez(p, inputs=np.array([Trap()], dtype=object), targets=[0]), "cannot be read"),
    (lambda p: p.write_bytes(Path(written(p.parent, inputs=ROWS)).read_bytes()[:-30]), "be read"),
]


@pytest.mark.parametrize(("prepare", "message"), BAD_FILES)
def test_bad_files_are_named_and_nothing_is_run(
    prepare: Callable[[Path], object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path / "mine.npz")
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path / "mine.npz")
    assert not Path("sprung").exists()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ROWS)
    with pytest.raises(InvalidInput, match=r"is no \.npz"):
        read(tmp_path / "x.npy")


def test_a_file_larger_than_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "mine.npz", inputs=np.zeros((1000, 9)), targets=[0] * 1000)
    monkeypatch.setattr(datasets, "available_bytes", lambda: 200_000)
    with pytest.raises(TooLarge, match=r"the data do not fit into memory; got .* of 8"):
        read(tmp_path / "mine.npz")


def test_what_a_network_cannot_be_trained_on_is_refused() -> None:
    good = Dataset.of(ROWS, [0, 1, 1])
    assert require_sound(good, "it") is good
    faults: list[tuple[Any, str]] = [
        ((ROWS, [0, 1, 1]), "it is not a Dataset; got tuple; give Dataset.of"),
        (good._rows(slice(0, 0)), "it has no rows"),
        (
            Dataset(torch.full((2, 1), NAN), torch.tensor([0, 1]), "classification", 1, 2, "n"),
            "nan",
        ),
        (
            Dataset(torch.ones(2, 1), torch.tensor([0, 5]), "classification", 1, 2, "n"),
            r"\[1\] = 5",
        ),
        (
            Dataset(torch.ones(2, 1), torch.ones(2), "classification", 1, 2, "n"),
            "floats for classes",
        ),
        (
            Dataset(torch.ones(1, 1), torch.full((1, 1), NAN), "regression", 1, 1, "n"),
            r"targets\[0",
        ),
    ]
    for data, message in faults:
        with pytest.raises(InvalidInput, match=message):
            require_sound(data, "it")
