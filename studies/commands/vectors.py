"""Vectors that users bring: a .npy, .safetensors or .csv file, one vector a row. No pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from exact import InvalidInput, TooLarge
from exact.arithmetic.stored_numbers import plain_array
from exact.geometry.budgets import available_bytes, readable_bytes
from toy_models.stored_files import refuse_pickle

SUFFIXES = (".npy", ".safetensors", ".csv")
_SHARE = 0.5  # of the free memory that vectors may take
_COPIES = 3  # as they are read, in float64, and scaled


def read_vectors(path: Path) -> np.ndarray:
    """The array of a .npy file; the nearest floats of the decimals of a .csv; the only matrix of a
    safetensors file, or the one called "vectors". Raises TooLarge for what does not fit into
    memory, before it is read.
    """
    refuse_pickle(path)
    known = f"give a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file"
    if not path.is_file():
        raise InvalidInput("the file of vectors is missing", value=path, remedy=known)
    if path.suffix not in SUFFIXES:
        raise InvalidInput("the file of vectors is of another kind", value=path, remedy=known)
    require_room(_COPIES * path.stat().st_size, "give a file of fewer vectors")
    arrays = _held(path)
    if len(arrays) != 1 and "vectors" not in arrays:
        raise InvalidInput(
            "the file has no tensor, or several",
            value=", ".join(sorted(arrays)) or "none",
            remedy='call one of them "vectors"',
        )
    found = arrays["vectors"] if "vectors" in arrays else next(iter(arrays.values()))
    return np.asarray(plain_array(found, "vectors"))


def _held(path: Path) -> Mapping[str, Any]:
    """The arrays of a file by their names; those of .npy and .csv files have none."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npy":
            found = np.asarray(np.load(path, allow_pickle=False))
        else:
            lines = path.read_text("utf-8").splitlines()
            has_some = any(line.partition("#")[0].strip() for line in lines)
            found = np.loadtxt(lines, delimiter=",", ndmin=2) if has_some else np.zeros(0)
    except (ValueError, SafetensorError) as error:
        raise InvalidInput(
            "the file of vectors cannot be read",
            value=f"{path}: {error}",
            remedy="write it with numpy.save or safetensors.numpy.save_file, or as decimals and "
            "commas alone",
        ) from error
    if found.dtype.kind not in "fiu" or not found.size:
        raise InvalidInput(
            "the file of vectors has no numbers",
            value=f"{path}: {found.dtype} array of shape {found.shape}",
            remedy="give floats or integers, a vector a row",
        )
    return {"": found}


def read_rows(path: Path, width: int, option: str) -> np.ndarray:
    """The vectors of an option as a matrix (rows x width); one vector is one row."""
    found = np.atleast_2d(read_vectors(path))
    if found.ndim != 2 or found.shape[1] != width or not len(found):
        raise InvalidInput(
            f"{option} does not fit the network",
            value=f"{path} {found.shape}",
            remedy=f"give rows of {width} numbers",
        )
    return found


def require_room(needed: int, remedy: str) -> None:
    """Raise TooLarge for vectors that take more than half of the free memory."""
    room = available_bytes()
    if room is not None and needed > _SHARE * room:
        raise TooLarge(
            "the vectors do not fit into memory", value=readable_bytes(needed), remedy=remedy
        )
