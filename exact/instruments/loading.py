"""Partitions from the files that `partition.save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exact.arithmetic.texts.number_texts import Json
from exact.arithmetic.texts.records import Record
from exact.errors import InvalidInput
from exact.geometry.domains.records import domain_of_record
from exact.networks.architectures import network_of
from exact.partition import VIEWS
from exact.regions.partition import Partition
from exact.regions.storage import FORMAT, OWN, VERSION, Arrays, part_of, seal
from exact.sources.weight_files import WeightFile, read_file

_KINDS: Mapping[str, type[Partition]] = {kind.__name__: kind for kind in VIEWS.values()}


def load(path: str | Path) -> Partition:
    """Read a partition that `partition.save(path)` wrote; it answers what the saved one did.

    The file's arrays have the sha256 that its manifest says, its network the sha256 and its codes
    the digest that the saved partition had: a file that was damaged is refused. That nobody wrote a
    false one on purpose, `check()` proves from the codes, as for any partition. Raises InvalidInput
    for a file that is missing, damaged, truncated or something else, and for a version that this
    one does not read. Nothing is executed. Cost: one pass over the file.

    >>> from tempfile import TemporaryDirectory
    >>> from exact import RealSpace, partition
    >>> from exact.sources import tensors
    >>> result = partition(tensors.mlp([([[1], [2]], [0, -1]), ([[1, 1]], [0])]), RealSpace(1))
    >>> with TemporaryDirectory() as folder:
    ...     file = result.save(f"{folder}/three.safetensors")
    ...     load(file) == result
    True
    """
    stored = read(path)
    if not isinstance(stored.manifest.get("partition"), dict):
        raise InvalidInput(
            "the file holds no partition",
            value=str(stored.file.path),
            remedy="write one with partition.save",
        )
    return _restored(stored, Record.of(stored.manifest["partition"], "the partition"))


def _restored(stored: Stored, record: Record) -> Partition:
    kind = _KINDS.get(record.text("kind"))
    if kind is None:
        raise InvalidInput(
            "no such kind of partition",
            value=repr(record.text("kind"))[:60],
            remedy=f"give one of {', '.join(_KINDS)}",
        )
    network = network_of(stored.file.json("architecture"), stored.array)
    domain = domain_of_record(record.values.get("domain"))
    found = kind.of_parts(
        network, domain, record.text("engine"), record.values.get("cells"), stored.arrays(OWN)
    )
    for what, own, said in (
        ("network", network.sha256, record.text("network_sha256")),
        ("codes", found.digest, record.text("digest")),
    ):
        if own != said:
            raise InvalidInput(
                f"the {what} in the file are not those that were saved",
                value=f"{said} in {stored.file.path}",
                remedy="save the partition again, or restore the file",
            )
    return found


@dataclass(frozen=True)
class Stored:
    """A store that was read: its manifest, and the file whose arrays it lists."""

    manifest: Mapping[str, Json]
    file: WeightFile

    def arrays(self, prefix: str) -> Arrays:
        """The arrays whose names begin so, without that beginning, each with the sha256 of the
        manifest.
        """
        found = {}
        for name in self.manifest["parts"]:
            if name.startswith(prefix):
                found[name[len(prefix) :]] = self.array(name)
        return found

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """One array. Raises InvalidInput where it is not what the manifest says."""
        array, part = np.asarray(self.file.tensor(name)), self.manifest["parts"].get(name)
        if not isinstance(part, dict) or part_of(np.ascontiguousarray(array)) != {
            k: part.get(k) for k in _PART
        }:
            raise InvalidInput(
                "a part of the file was altered",
                value=f"{name} in {self.file.path}",
                remedy="save the partition again, or restore the file",
            )
        return array


_PART = ("shape", "dtype", "sha256")


def read(path: str | Path) -> Stored:
    """Read the manifest of a store. Raises InvalidInput for any file that is none, and for a higher
    version.
    """
    file = read_file(path)
    text = file.metadata.get("exactlens")
    if text is None:
        raise InvalidInput(
            "the file holds no partition",
            value=str(file.path),
            remedy="write one with partition.save(path); exact.sources.weight_files reads networks",
        )
    if "architecture" not in file.metadata or file.metadata.get("sha256") != seal(file.metadata):
        raise InvalidInput(
            "the file's metadata was altered: its sha256 differs",
            value=str(file.path),
            remedy="save the partition again, or restore the file",
        )
    manifest = file.json("exactlens")
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or not isinstance(manifest.get("parts"), dict)
    ):
        raise InvalidInput(
            "the file's manifest is not Exactlens'",
            value=str(file.path),
            remedy="save the partition again",
        )
    number = manifest.get("version")
    if type(number) is not int or not 1 <= number <= VERSION:
        raise InvalidInput(
            "the file has a version that this Exactlens does not read",
            value=repr(number)[:20],
            remedy=f"use a newer Exactlens; this one reads 1 .. {VERSION}",
        )
    if set(manifest["parts"]) != set(file.names):
        odd = sorted(set(manifest["parts"]) ^ set(file.names))[0]
        raise InvalidInput(
            "the file and its manifest list different parts",
            value=f"{odd!r} in {file.path}",
            remedy="save the partition again, or restore the file",
        )
    return Stored(manifest, file)
