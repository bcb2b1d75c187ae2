"""Partitions in files: one .safetensors file with the network's weights, the cells as arrays, and
one manifest; no pickle.

The metadata of the file has two entries of JSON text, and the `sha256` of both. `architecture` says
how the weights make the network (see :mod:`exact.networks.architectures`): the file is a network to
whoever wants no more. `exactlens` is the manifest:

    {"format": "exactlens-store", "version": 1,
     "parts": {"codes": {"shape": [4, 1], "dtype": "uint8", "sha256": "..."}, ...},
     "made_by": {"exactlens": "0.1.0"},
     "partition": {"kind": "FlatPartition", "network_sha256": "...", "domain": {...},
                   "engine": "subdivision",
                   "digest": "...",
                   "cells": {"cells": "flat", "outcome": "complete", "evidence": "...", ...}}}

Every array of the file is a part; those of the partition are called `partition/NAME`, those of the
network as its architecture says. What else a later version stores stands beside `partition`, its
arrays under a name of its own; a reader passes over what it does not know, and refuses a higher
version. Arrays of text (uint8) hold exact numbers in base 16.

Engines leave behind what makes points when they are asked for; that stays where it is. Codes,
neighbours, arcs and crossings travel as they are (`records` of each wing). Witnesses, and the
vertices and faces of polytopes, travel where there are at most 10,000 regions and wherever only the
engine can tell them (balls, incomplete complexes); else they are made again when they are asked
for, from the network, the domain and the code: another point of the same open region, and the same
vertices.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.texts.number_texts import Json, integers_of_text
from exact.atomic_files import write_atomically
from exact.errors import InvalidInput
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.domains.base import Domain
from exact.geometry.domains.records import domain_record
from exact.networks.architectures import architecture
from exact.networks.network import Network
from exact.regions.cells import Cells, Outcome

FORMAT, VERSION = "exactlens-store", 1
SUFFIX = ".safetensors"
OWN = "partition/"
Arrays = dict[str, np.ndarray[Any, Any]]
Parts = tuple[dict[str, Json], Arrays]

MOST_POINTS = 10_000
"""Up to so many regions their points travel unless they are asked to stay."""


class Stores(Protocol):
    """What is written of a partition, of whatever kind."""

    network: Network
    domain: Domain
    engine: str

    @property
    def digest(self) -> str:
        """sha256 of the number of cells and the sorted codes."""

    def parts(self, points: bool | None = None) -> Parts:
        """The cells as JSON values and arrays."""


def travels(count: int, points: bool | None) -> bool:
    """Whether points that can be made again are among the parts of so many regions."""
    return count <= MOST_POINTS if points is None else points


def shared_values(cells: Cells) -> dict[str, Json]:
    """What cells of every kind say: how the enumeration ended, and what settled its questions."""
    decisions = {str(name): int(count) for name, count in cells.decisions.items()}
    return {"outcome": cells.outcome.value, "evidence": cells.evidence, "decisions": decisions}


def shared_fields(values: Mapping[str, Json]) -> dict[str, Any]:
    """The inverse of :func:`shared_values`, as fields of cells."""
    return {
        "outcome": Outcome(values["outcome"]),
        "evidence": str(values["evidence"]),
        "decisions": {str(name): int(count) for name, count in values["decisions"].items()},
    }


def require_kind(values: Mapping[str, Json], kind: str) -> None:
    """InvalidInput where stored cells are of another kind than the partition that is made of
    them.
    """
    if values.get("cells") != kind:
        raise InvalidInput(
            "the cells are of another kind",
            value=repr(values.get("cells"))[:60],
            remedy=f"give {kind}",
        )


def save(partition: Stores, path: str | Path, *, points: bool | None = None) -> Path:
    """Write a partition to a file that is whole or absent; see :meth:`exact.Partition.save`."""
    from safetensors.numpy import save as packed

    target = _target(path)
    line, arrays = architecture(partition.network)
    values, own = partition.parts(points)
    arrays |= {f"{OWN}{name}": array for name, array in own.items()}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    record = {
        "kind": type(partition).__name__,
        "network_sha256": partition.network.sha256,
        "domain": domain_record(partition.domain),
        "engine": partition.engine,
        "digest": partition.digest,
        "cells": values,
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "parts": {name: part_of(arrays[name]) for name in sorted(arrays)},
        "made_by": {"exactlens": _version()},
        "partition": record,
    }
    texts = {"architecture": json.dumps(line), "exactlens": json.dumps(manifest)}
    write_atomically(target, packed(arrays, {**texts, "sha256": seal(texts)}))
    return target


def seal(texts: Mapping[str, str]) -> str:
    """The sha256 of the two texts of the metadata."""
    return hashlib.sha256(f"{texts['architecture']}\n{texts['exactlens']}".encode()).hexdigest()


def _target(path: object) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(
            "not a path", value=repr(path)[:60], remedy="give the name of a file to write"
        )
    target = Path(path)
    if target.suffix != SUFFIX:
        raise InvalidInput(
            "the name of a saved partition ends otherwise",
            value=str(target),
            remedy=f"end it in {SUFFIX}",
        )
    if target.is_dir() or target.is_symlink():
        kind = "folder" if target.is_dir() else "symbolic link"
        raise InvalidInput(
            f"a {kind} stands where the partition is to go",
            value=str(target),
            remedy="give another name",
        )
    if not target.parent.is_dir():
        raise InvalidInput(
            "no such folder",
            value=str(target.parent),
            remedy=f"make it before {target.name} is written there",
        )
    return target


def part_of(array: np.ndarray[Any, Any]) -> Json:
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sha256": hashlib.sha256(array.data).hexdigest(),
    }


def _version() -> str:
    try:
        return version("exactlens")
    except PackageNotFoundError:
        return "not installed"


# ---- what the records of the wings share


def incidence_arrays(name: str, incidence: Incidence) -> Arrays:
    return {
        f"{name}.starts": np.asarray(incidence.starts, dtype=np.int64),
        f"{name}.members": np.asarray(incidence.members, dtype=np.int64),
    }


def codes_of(values: Mapping[str, Json], arrays: Mapping[str, Any]) -> tuple[ByteArray, int]:
    codes, hinges = arrays["codes"], int(values["hinges"])
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != (hinges + 7) // 8:
        raise InvalidInput(
            "the codes do not fit the number of hinges",
            value=f"{codes.dtype} {codes.shape}",
            remedy=f"give uint8 rows of {(hinges + 7) // 8} bytes",
        )
    return codes, hinges


def indices(array: Any, shape: tuple[int, ...], bound: int) -> IndexArray:
    """An array of indices below a bound, checked."""
    fits = array.dtype == np.int64 and array.ndim == len(shape)
    fits = fits and all(
        wanted in (-1, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or (array.size and not (array.min() >= 0 and array.max() < bound)):
        raise InvalidInput(
            "an array of indices is damaged",
            value=f"{array.dtype} {array.shape}",
            remedy=f"give int64 of shape {shape}, each from 0 to {bound - 1}",
        )
    found: IndexArray = array
    return found


def incidence_of(name: str, arrays: Mapping[str, Any], bound: int) -> Incidence:
    members = indices(arrays[f"{name}.members"], (-1,), bound)
    starts = indices(arrays[f"{name}.starts"], (-1,), len(members) + 1)
    if (
        len(starts) == 0
        or starts[0] != 0
        or starts[-1] != len(members)
        or np.any(np.diff(starts) < 0)
    ):
        raise InvalidInput(
            "an array of rows is damaged", value=name, remedy="save the partition again"
        )
    return Incidence(starts, members)


@dataclass(frozen=True)
class Listed:
    """Integer vectors of one width that stand in lines of text, read when they are asked for."""

    rows: list[str]
    width: int

    def __call__(self, index: int) -> tuple[int, ...]:
        return integers_of_text(self.rows[index], self.width)


@dataclass(frozen=True)
class Kept:
    """What was computed before."""

    array: IndexArray

    def __call__(self) -> IndexArray:
        return self.array
