"""Tables: equal columns, files that appear whole, and the extra by name where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from exact import InvalidInput, MissingExtra
from exact.instruments.batches.tables import frame, write_parquet

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


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("pandas", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (lambda: frame(COLUMNS), lambda: write_parquet(tmp_path / "t", COLUMNS)):
        with pytest.raises(MissingExtra, match=r"pip install 'exactlens\[results\]'"):
            call()
