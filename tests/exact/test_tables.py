"""Tables: equal columns, files that appear whole, and the extra by name where it is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from exact import (
    Box,
    HardTanh,
    InvalidInput,
    MissingExtra,
    codes_in_precision,
    critical_radii_float,
    expected_crossings,
    map_change,
    nearest_boundaries,
    neuron_status,
    pair_logic,
    partition_circles,
    partition_lines,
    rotations,
    soft_codes,
    steering,
)
from exact.geometry.combinatorics.tables import Tabular, frame, write_parquet
from exact.sources import tensors

COLUMNS = {"row": np.arange(3), "angle": np.array([0.5, np.nan, np.inf]), "on": [True, False, True]}


def test_a_parquet_file_gives_back_what_was_written(tmp_path: Path) -> None:
    import pandas

    path = write_parquet(tmp_path / "table.parquet", COLUMNS)
    read = pandas.read_parquet(path)
    pandas.testing.assert_frame_equal(read, frame(COLUMNS))
    assert read["row"].dtype == np.int64
    assert [file.name for file in tmp_path.iterdir()] == ["table.parquet"]


@pytest.mark.parametrize("columns", [{"a": [1], "b": [1, 2]}, {"a": np.zeros((2, 2))}])
def test_unequal_columns_are_refused(columns: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not equally long"):
        frame(columns)
    with pytest.raises(InvalidInput, match="not equally long"):
        write_parquet(tmp_path / "table.parquet", columns)
    assert not list(tmp_path.iterdir())


def test_a_table_needs_a_folder_and_a_name(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"no such folder; got .*absent; make it before t\.parquet"
    ):
        write_parquet(tmp_path / "absent" / "t.parquet", COLUMNS)
    with pytest.raises(InvalidInput, match=r"a folder stands where the table is to go"):
        FLAT.codes(X).to_parquet(tmp_path)
    with pytest.raises(InvalidInput, match="not a path"):
        write_parquet(3, COLUMNS)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("pandas", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (lambda: frame(COLUMNS), lambda: write_parquet(tmp_path / "t", COLUMNS)):
        with pytest.raises(MissingExtra, match=r"pip install 'exactlens\[results\]'"):
            call()


X = [[257, 256], [3, 1], [-1, 2]]
FLAT = tensors.mlp([([[1, -1], [1, 1], [0, 1]], [0, 0, -1]), ([[1, 1, 2]], [0])])
ROUND = tensors.block([[1, 0], [1, 0], [-1, 0]], [0, -1, -1], [[1] * 3], [0], "rms", eps=0)
BENT = tensors.block([[1, -1], [1, 1]], [0, 0], [[1, 2]], [0], None, activation=HardTanh(-1, 250))
RESULTS: dict[str, Callable[[], Tabular]] = {
    "codes": lambda: FLAT.codes(X),
    "codes with a failure": lambda: FLAT.codes(
        np.array([[np.nan, 1.0], [1.0, 2.0]]), errors="keep"
    ),
    "steering": lambda: steering(FLAT, X, [1, 0], alphas=(-9, 9)),
    "steering in several directions": lambda: steering(
        FLAT, X, np.eye(2), alphas=(-9, 9), product=True
    ),
    "rotations": lambda: rotations(ROUND, [[1, 2]], [[-3, 1]], whole=True),
    "nearest boundaries": lambda: nearest_boundaries(FLAT, X, k=2),
    "neuron status": lambda: neuron_status(FLAT, Box(-1, 1, dim=2)),
    "neuron status on data": lambda: neuron_status(FLAT, Box(-1, 1, dim=2)).with_data(X),
    "pair logic": lambda: pair_logic(ROUND),
    "no related pairs": lambda: pair_logic(
        tensors.block([[1, 0], [0, 1]], [0, 0], [[1, 1]], [0], "rms", eps=0)
    ),
    "wrong bits": lambda: codes_in_precision(FLAT, X, "bf16"),
    "no wrong bits": lambda: codes_in_precision(FLAT, X, "float64"),
    "soft codes": lambda: soft_codes(FLAT, X),
    "lines": lambda: partition_lines(FLAT, X, [[-1, 1], [2, -9], [3, 3]], kind="line"),
    "lines of several bends": lambda: partition_lines(BENT, X, [[-1, 1], [2, -9], [3, 3]]),
    "circles": lambda: partition_circles(ROUND, [[1, 2], [1, 0]], [[-3, 1], [0, 1]]),
    "expected crossings": lambda: expected_crossings(ROUND),
    "radii": lambda: critical_radii_float(
        tensors.block([[3, 0]], [-1], [[1]], [0], norm="rms", eps=1), X
    ),
    "map change": lambda: map_change(FLAT, FLAT.code([3, 1]), FLAT.code([-1, 2])),
}
NO_LINES = {"no related pairs", "no wrong bits"}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_a_table_and_a_file(name: str, tmp_path: Path) -> None:
    import pandas

    found = RESULTS[name]()
    table, path = found.to_pandas(), tmp_path / "table.parquet"
    assert found.to_parquet(path) == path and [*tmp_path.iterdir()] == [path]
    read = pandas.read_parquet(path)
    assert (len(table) == 0) == (name in NO_LINES) and list(read) == list(found.columns())
    for column, values in found.columns().items():
        for held in (read, table):
            np.testing.assert_array_equal(held[column].to_numpy(), values)
        kinds = {str if isinstance(value, str) else type(value) for value in values.tolist()}
        assert len(kinds) == (name not in NO_LINES) and kinds <= {int, float, bool, str, bytes}
        if values.dtype.kind in "ifb":
            assert read[column].dtype == table[column].dtype == values.dtype


@pytest.mark.parametrize("kind", ["segment", "ray", "line"])
def test_the_crossings_of_lines_are_those_of_their_partitions(kind: Literal["line"]) -> None:
    for net in (FLAT, BENT):
        batch = partition_lines(net, X, [[-1, 1], [2, -9], [3, 3]], kind=kind)
        _agree(batch, "parameter_float", "alpha")
        table = batch.columns()
        near = [c.parameter_float for part in batch for c in part.crossings for _ in c.hinges]
        assert (np.abs(table["alpha"] - near) <= table["alpha_bound"]).all()


def test_the_crossings_of_circles_are_those_of_their_partitions() -> None:
    for net in (ROUND, tensors.block([[1, 0], [-1, 0]], [0, 0], [[1] * 2], [0], "rms", eps=0)):
        batch = partition_circles(net, [[1, 2], [1, 0], [-1, -1]], [[-3, 1], [0, 1], [2, -1]])
        _agree(batch, "angle_float", "angle")


def _agree(batch: Any, position: str, column: str) -> None:
    """Each crossing of `batch[i]` with the code behind it, in order."""
    expected, table = [], batch.columns()
    for row, part in enumerate(batch):
        for k, crossing in enumerate(part.crossings):
            behind = part.regions[k if column == "angle" else k + 1].code.bits
            for hinge in crossing.hinges:
                on = bool(behind[batch.network.hinges.index(hinge)])
                expected.append((row, getattr(crossing, position), hinge, on))
    bends = table.get("breakpoint", np.zeros(len(table["row"]), dtype=int))
    named = zip(table["layer"], table["neuron"], bends, strict=True)
    assert table["row"].tolist() == [row for row, *_ in expected]
    np.testing.assert_allclose(table[column], [at for _, at, *_ in expected], 1e-12, 1e-12)
    assert [tuple(map(int, one)) for one in named] == [tuple(one[2]) for one in expected]
    assert table["on"].tolist() == [on for *_, on in expected]


def test_what_a_table_may_be_asked_for_is_in_the_file_too(tmp_path: Path) -> None:
    import pandas

    soft, pairs = soft_codes(FLAT, X), pair_logic(ROUND)
    soft.to_parquet(tmp_path / "soft", tau=300), pairs.to_parquet(tmp_path / "pairs", X)
    assert pandas.read_parquet(tmp_path / "soft").band.tolist() == [2 / 3, 1.0, 1.0]
    read = pandas.read_parquet(tmp_path / "pairs")
    pandas.testing.assert_frame_equal(read, pairs.to_pandas(X), check_dtype=False)
    found = rotations(ROUND, X[:2], X[1:])
    found.lengths_to_parquet(tmp_path / "lengths")
    read = pandas.read_parquet(tmp_path / "lengths")
    pandas.testing.assert_frame_equal(read, found.lengths_to_pandas())


def test_a_result_without_the_library_names_the_extra_and_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("pandas", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    found = FLAT.codes(X)
    for call in (found.to_pandas, lambda: found.to_parquet(tmp_path / "t.parquet")):
        with pytest.raises(MissingExtra, match=r"pip install 'exactlens\[results\]'"):
            call()
    assert not list(tmp_path.iterdir())
