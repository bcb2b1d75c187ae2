"""Tables that commands write: .parquet or .csv, whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from exact.atomic_files import write_atomically
from exact.geometry.combinatorics.tables import require_library, write_parquet
from studies.runs import writable

SUFFIXES = (".parquet", ".csv")
Columns = Mapping[str, Any]


def require_writable(path: Path | None) -> None:
    """Refuse a file that could not be written before any work is done: MissingExtra without
    pyarrow.
    """
    if path is not None and writable(path, SUFFIXES).suffix.lower() == ".parquet":
        require_library("pyarrow")


def write_table(path: Path, columns: Columns) -> None:
    """Write columns of equal length; floats of a .csv have all their digits."""
    if path.suffix.lower() == ".parquet":
        write_parquet(path, columns)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    write_atomically(path, text.getvalue().encode())


def shown(columns: Columns, most: int) -> Table:
    """The first rows, for people."""
    table = Table(*columns, box=None)
    for column in table.columns:
        column.justify = "right"
    for row in zip(*(values[:most].tolist() for values in columns.values()), strict=True):
        table.add_row(*(f"{x:.6g}" if isinstance(x, float) else str(x) for x in row))
    return table
