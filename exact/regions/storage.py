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
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from exact.arithmetic.arrays import ByteArray, IndexArray
from exact.arithmetic.texts.number_texts import Json, integers_of_text, lines
from exact.arithmetic.texts.records import Record
from exact.atomic_files import place_to_write, write_atomically
from exact.errors import InvalidInput
from exact.geometry.combinatorics.codes import code_keys
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


def shared_fields(record: Record) -> dict[str, Any]:
    """The inverse of :func:`shared_values`, as fields of cells."""
    outcome, counts = record.text("outcome"), record.record("decisions")
    if outcome not in {one.value for one in Outcome}:
        raise InvalidInput(
            "no such outcome",
            value=repr(outcome)[:60],
            remedy=f"give {' or '.join(one.value for one in Outcome)}",
        )
    return {
        "outcome": Outcome(outcome),
        "evidence": record.text("evidence"),
        "decisions": {name: counts.number(name) for name in counts.values},
    }


def record_of(values: Json, kind: str) -> Record:
    """The JSON values of cells; InvalidInput where they are of another kind than the partition
    that is made of them.
    """
    record = Record.of(values, "the cells")
    if record.text("cells") != kind:
        raise InvalidInput(
            "the cells are of another kind",
            value=repr(record.text("cells"))[:60],
            remedy=f"give {kind}",
        )
    return record


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
    target = place_to_write(path, "partition", f"partition{SUFFIX}")
    if target.suffix != SUFFIX:
        raise InvalidInput(
            "the name of a saved partition ends otherwise",
            value=str(target),
            remedy=f"end it in {SUFFIX}",
        )
    if target.is_symlink():
        raise InvalidInput(
            "a symbolic link stands where the partition is to go",
            value=str(target),
            remedy="give another name",
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


def array_of(
    arrays: Mapping[str, Any], name: str, dtype: type[np.generic], shape: tuple[int, ...]
) -> Any:
    """The array of that name, of the dtype and the shape, in which -1 stands for any length;
    InvalidInput where there is none.
    """
    array = arrays.get(name)
    if array is None:
        raise InvalidInput("an array is missing", value=name, remedy="save the partition again")
    fits = array.dtype == dtype and array.ndim == len(shape)
    if not fits or any(k not in (-1, size) for k, size in zip(shape, array.shape, strict=True)):
        raise InvalidInput(
            f"the array {name} does not fit the others",
            value=f"{array.dtype} {array.shape}",
            remedy=f"give {np.dtype(dtype)} of shape {shape}",
        )
    return array


def hinges_of(record: Record, network: Network) -> int:
    """The length of the codes, which the network tells too."""
    hinges = record.number("hinges")
    if hinges != network.hinge_count:
        raise InvalidInput(
            "the codes are those of another number of hinges",
            value=hinges,
            remedy=f"give {network.hinge_count}",
        )
    return hinges


def codes_of(network: Network, record: Record, arrays: Mapping[str, Any]) -> tuple[ByteArray, int]:
    """The codes, each once, and their length."""
    hinges = hinges_of(record, network)
    codes = array_of(arrays, "codes", np.uint8, (-1, (hinges + 7) // 8))
    if len(np.unique(code_keys(codes))) != len(codes):
        raise InvalidInput(
            "a code stands twice among those of the regions",
            value=f"{len(codes)} codes",
            remedy="save the partition again",
        )
    return codes, hinges


def indices(
    arrays: Mapping[str, Any],
    name: str,
    shape: tuple[int, ...],
    bound: int,
    *,
    dtype: type[np.generic] = np.int64,
    least: int = 0,
) -> Any:
    """An array of whole numbers from `least`, below a bound."""
    found = array_of(arrays, name, dtype, shape)
    if found.size and not (found.min() >= least and found.max() < bound):
        raise InvalidInput(
            f"the array {name} holds an index that does not exist",
            value=f"{found.min()} to {found.max()}",
            remedy=f"give {least} to {bound - 1}",
        )
    return found


def steps_of(arrays: Mapping[str, Any], name: str, members: int) -> IndexArray:
    """Where the rows of a list of so many members start: from 0, ascending, to the end."""
    starts: IndexArray = indices(arrays, name, (-1,), members + 1)
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != members or np.any(np.diff(starts) < 0):
        raise InvalidInput(
            f"the array {name} does not ascend from 0 to the number of members",
            value=f"{len(starts)} entries",
            remedy="save the partition again",
        )
    return starts


def incidence_of(name: str, arrays: Mapping[str, Any], bound: int) -> Incidence:
    members = indices(arrays, f"{name}.members", (-1,), bound)
    return Incidence(steps_of(arrays, f"{name}.starts", len(members)), members)


def text_lines(arrays: Mapping[str, Any], name: str, count: int | None) -> list[str]:
    """The lines of an array of text, so many of them where a number is given."""
    return lines(array_of(arrays, name, np.uint8, (-1,)), count)


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
