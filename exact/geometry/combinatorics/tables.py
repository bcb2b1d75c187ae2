"""Columns as a pandas table or a Parquet file; both libraries belong to the extra `results`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from exact.atomic_files import place_to_write, publishing
from exact.errors import InvalidInput, MissingExtra
from exact.geometry.combinatorics.codes import Hinge

Columns = dict[str, Any]


class Tabular(ABC):
    """A result with a table: raw numbers, arrays of equal length by the name of their column."""

    @abstractmethod
    def columns(self) -> Columns:
        """The columns of the table."""

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame; MissingExtra without pandas."""
        return frame(self.columns())

    def to_parquet(self, path: str | Path) -> Path:
        """Write the table to a Parquet file, whole or not at all; MissingExtra without pyarrow.

        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from exact.sources import tensors
        >>> net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
        >>> with TemporaryDirectory() as folder:
        ...     net.codes([[1, 1], [-1, 2]]).to_parquet(Path(folder) / "codes.parquet").name
        'codes.parquet'
        """
        return write_parquet(path, self.columns())


def frame(columns: Mapping[str, Any]) -> Any:
    """A pandas DataFrame of columns of equal length.

    Raises InvalidInput where the lengths differ, MissingExtra without pandas.

    >>> import numpy as np
    >>> frame({"row": [0, 1], "neuron": np.array([5, 7])}).to_dict("list")
    {'row': [0, 1], 'neuron': [5, 7]}
    """
    return require_library("pandas").DataFrame(_equally_long(columns))


def write_parquet(path: str | Path, columns: Mapping[str, Any]) -> Path:
    """Write columns of equal length to a Parquet file, whole or not at all; returns its path.

    Raises InvalidInput where the lengths differ, for a folder and where the folder is missing,
    MissingExtra without pyarrow.

    >>> import numpy as np
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_parquet(Path(folder) / "a.parquet", {"row": np.arange(3)}).name
    'a.parquet'
    """
    table = require_library("pyarrow").table(_equally_long(columns))
    target = place_to_write(path, "table", "table.parquet")
    with publishing(target) as file:
        require_library("pyarrow.parquet").write_table(table, file)
    return target


def _equally_long(columns: Mapping[str, Any]) -> dict[str, Any]:
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    if len({array.shape for array in arrays.values()}) > 1 or any(
        array.ndim != 1 for array in arrays.values()
    ):
        raise InvalidInput(
            "the columns of a table are not equally long",
            value={name: array.shape for name, array in arrays.items()},
            remedy="give arrays with one axis and one length",
        )
    return arrays


def hinge_columns(hinges: Sequence[Hinge], numbers: Any) -> Columns:
    """Hinges by their numbers in the code as columns layer and neuron; breakpoint where neurons
    have several.

    >>> found = hinge_columns([Hinge(1, 0, 0), Hinge(1, 1, 0)], [1, 0, 1])
    >>> {name: column.tolist() for name, column in found.items()}
    {'layer': [1, 1, 1], 'neuron': [1, 0, 1]}
    """
    places = np.asarray(numbers, dtype=np.int64)
    named = np.array(hinges, dtype=np.int64).reshape(-1, 3)
    columns = dict(zip(("layer", "neuron", "breakpoint"), named.T, strict=True))
    if not columns["breakpoint"].any():
        del columns["breakpoint"]
    return {name: np.ascontiguousarray(column)[places] for name, column in columns.items()}


def require_library(name: str) -> Any:
    """An optional library of tables; MissingExtra where it is not installed.

    >>> require_library("pandas").__name__
    'pandas'
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(
            "tables need a library that is not installed",
            value=name,
            remedy="pip install 'exactlens[results]'",
        ) from error
