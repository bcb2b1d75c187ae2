"""Partitions in files: one .safetensors file with the network's weights, the cells as arrays, and one manifest; no pickle.

The metadata of the file has two entries of JSON text, and the `sha256` of both. `architecture` says how the weights make the
network (see :mod:`exact.architectures`): the file is a network to whoever wants no more. `exactlens` is the manifest:

    {"format": "exactlens-store", "version": 1,
     "parts": {"codes": {"shape": [4, 1], "dtype": "uint8", "sha256": "..."}, ...},
     "made_by": {"exactlens": "0.1.0"},
     "partition": {"kind": "FlatPartition", "network_sha256": "...", "domain": {...}, "engine": "subdivision",
                   "digest": "...", "cells": {"cells": "flat", "outcome": "complete", "evidence": "...", ...}}}

Every array of the file is a part; those of the partition are called `partition/NAME`, those of the network as its
architecture says. What else a later version stores stands beside `partition`, its arrays under a name of its own; a reader
passes over what it does not know, and refuses a higher version. Arrays of text (uint8) hold exact numbers in base 16.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.architectures import architecture
from exact.atomic_files import write_atomically
from exact.domain_records import domain_record
from exact.errors import InvalidInput
from exact.number_texts import Json
from exact.portable_cells import parts_of
from exact.sources.weight_files import WeightFile, read_file

if TYPE_CHECKING:
    from exact.results import Partition

FORMAT, VERSION = "exactlens-store", 1
SUFFIX = ".safetensors"
OWN = "partition/"
Arrays = dict[str, np.ndarray[Any, Any]]


def save(partition: Partition, path: str | Path, *, points: bool | None = None) -> Path:
    """Write a partition to a file that is whole or absent; see :meth:`exact.Partition.save`."""
    from safetensors.numpy import save as packed

    target = _target(path)
    line, arrays = architecture(partition.network)
    values, own = parts_of(partition.domain, partition.cells_found, points)
    arrays |= {f"{OWN}{name}": array for name, array in own.items()}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    record = {"kind": type(partition).__name__, "network_sha256": partition.network.sha256,
              "domain": domain_record(partition.domain), "engine": partition.engine, "digest": partition.digest,
              "cells": values}  # fmt: skip
    manifest = {"format": FORMAT, "version": VERSION, "parts": {name: _part(arrays[name]) for name in sorted(arrays)},
                "made_by": {"exactlens": _version()}, "partition": record}  # fmt: skip
    texts = {"architecture": json.dumps(line), "exactlens": json.dumps(manifest)}
    write_atomically(target, packed(arrays, {**texts, "sha256": _seal(texts)}))
    return target


def _seal(texts: Mapping[str, str]) -> str:
    """The sha256 of the two texts of the metadata."""
    return hashlib.sha256(f"{texts['architecture']}\n{texts['exactlens']}".encode()).hexdigest()


def _target(path: object) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput("not a path", value=repr(path)[:60], remedy="give the name of a file to write")
    target = Path(path)
    if target.suffix != SUFFIX:
        raise InvalidInput("the name of a saved partition ends otherwise", value=str(target), remedy=f"end it in {SUFFIX}")
    if target.is_dir() or target.is_symlink():
        kind = "folder" if target.is_dir() else "symbolic link"
        raise InvalidInput(f"a {kind} stands where the partition is to go", value=str(target), remedy="give another name")
    if not target.parent.is_dir():
        raise InvalidInput("no such folder", value=str(target.parent), remedy=f"make it before {target.name} is written there")
    return target


def _part(array: np.ndarray[Any, Any]) -> Json:
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": hashlib.sha256(array.data).hexdigest()}


def _version() -> str:
    try:
        return version("exactlens")
    except PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True)
class Stored:
    """A store that was read: its manifest, and the file whose arrays it lists."""

    manifest: Mapping[str, Json]
    file: WeightFile

    def arrays(self, prefix: str) -> Arrays:
        """The arrays whose names begin so, without that beginning, each with the sha256 of the manifest."""
        found = {}
        for name in self.manifest["parts"]:
            if name.startswith(prefix):
                found[name[len(prefix) :]] = self.array(name)
        return found

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """One array. Raises InvalidInput where it is not what the manifest says."""
        array, part = np.asarray(self.file.tensor(name)), self.manifest["parts"].get(name)
        if not isinstance(part, dict) or _part(np.ascontiguousarray(array)) != {k: part.get(k) for k in _PART}:
            raise InvalidInput("a part of the file was altered", value=f"{name} in {self.file.path}",
                               remedy="save the partition again, or restore the file")  # fmt: skip
        return array


_PART = ("shape", "dtype", "sha256")


def read(path: str | Path) -> Stored:
    """Read the manifest of a store. Raises InvalidInput for any file that is none, and for a higher version."""
    file = read_file(path)
    text = file.metadata.get("exactlens")
    if text is None:
        raise InvalidInput("the file holds no partition", value=str(file.path),
                           remedy="write one with partition.save(path); exact.sources.weight_files reads networks")  # fmt: skip
    if "architecture" not in file.metadata or file.metadata.get("sha256") != _seal(file.metadata):
        raise InvalidInput("the file's metadata was altered: its sha256 differs", value=str(file.path),
                           remedy="save the partition again, or restore the file")  # fmt: skip
    manifest = file.json("exactlens")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not isinstance(manifest.get("parts"), dict):
        raise InvalidInput("the file's manifest is not Exactlens'", value=str(file.path), remedy="save the partition again")
    number = manifest.get("version")
    if type(number) is not int or not 1 <= number <= VERSION:
        raise InvalidInput("the file has a version that this Exactlens does not read", value=repr(number)[:20],
                           remedy=f"use a newer Exactlens; this one reads 1 .. {VERSION}")  # fmt: skip
    if set(manifest["parts"]) != set(file.names):
        odd = sorted(set(manifest["parts"]) ^ set(file.names))[0]
        raise InvalidInput("the file and its manifest list different parts", value=f"{odd!r} in {file.path}",
                           remedy="save the partition again, or restore the file")  # fmt: skip
    return Stored(manifest, file)
