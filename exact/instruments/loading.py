"""Partitions from the files that `partition.save` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from exact.arithmetic.texts.number_texts import Json
from exact.errors import InvalidInput
from exact.geometry.domains.records import domain_of_record
from exact.networks.architectures import network_of
from exact.regions.arcs.partition import CurvePartition
from exact.regions.partition import Partition
from exact.regions.polytopes.norm_ball import NormBallPartition
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.codes import CodePartition
from exact.regions.spheres.partition import SpherePartition
from exact.regions.storage import OWN, Stored, read

_KINDS: Mapping[str, type[Partition]] = {
    kind.__name__: kind
    for kind in (CodePartition, CurvePartition, FlatPartition, NormBallPartition, SpherePartition)
}
_DAMAGE = (
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    ZeroDivisionError,
    OverflowError,
)


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
    try:
        return _restored(stored, stored.manifest["partition"])
    except InvalidInput:
        raise
    except (
        _DAMAGE
    ) as error:  # parts that contradict each other in a way that no reader of theirs foresaw
        raise InvalidInput(
            "the partition in the file is damaged",
            value=f"{stored.file.path}: {type(error).__name__} {error}",
            remedy="save the partition again, or restore the file",
        ) from error


def _restored(stored: Stored, record: Mapping[str, Json]) -> Partition:
    kind = _KINDS.get(record["kind"])
    if kind is None:
        raise InvalidInput(
            "no such kind of partition",
            value=repr(record["kind"])[:60],
            remedy=f"give one of {', '.join(_KINDS)}",
        )
    network = network_of(stored.file.json("architecture"), stored.array)
    domain = domain_of_record(record["domain"])
    domain.check(network.input_dim)
    found = kind.of_parts(
        network, domain, str(record["engine"]), record["cells"], stored.arrays(OWN)
    )
    for what, own, said in (
        ("network", network.sha256, record["network_sha256"]),
        ("codes", found.digest, record["digest"]),
    ):
        if own != said:
            raise InvalidInput(
                f"the {what} in the file are not those that were saved",
                value=f"{said} in {stored.file.path}",
                remedy="save the partition again, or restore the file",
            )
    return found
