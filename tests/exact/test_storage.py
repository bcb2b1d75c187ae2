"""What is saved is read back as it was; what was damaged, cut short or is something else is refused
in one way.
"""

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import exact
from exact import Activation, Box, InvalidInput, Layer, Network, Unsupported, load, partition
from exact.instruments.loading import read
from exact.networks.architectures import architecture
from exact.regions.storage import FORMAT
from exact.sources import tensors, weight_files
from tests.exact.portable_jobs import JOBS, answers, network

ASKED = (
    "codes",
    "digest",
    "said",
    "witnesses",
    "facets",
    "neighbours",
    "crossings",
    "cells",
    "verdict",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return JOBS["bent"]().save(tmp_path_factory.mktemp("stores") / "bent.safetensors")


@pytest.mark.parametrize("name", JOBS)
def test_a_loaded_partition_answers_what_the_saved_one_did(name: str, tmp_path: Path) -> None:
    found = JOBS[name]()
    path = found.save(tmp_path / "found.safetensors")
    again = load(str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["found.safetensors"]
    assert again == found
    assert type(again) is type(found)
    assert (again.network.sha256, again.domain) == (found.network.sha256, found.domain)
    assert answers(again, ASKED) == answers(found, ASKED)
    assert answers(load(again.save(path)), ASKED) == answers(found, ASKED)


def test_points_are_written_on_request_only_beyond_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = JOBS["simplex, lp_tree"]()
    sizes = [
        found.save(tmp_path / "found.safetensors", points=points).stat().st_size
        for points in (True, None, False)
    ]
    assert sizes[0] == sizes[1] > sizes[2]
    monkeypatch.setattr("exact.regions.storage.MOST_POINTS", len(found) - 1)
    assert found.save(tmp_path / "found.safetensors").stat().st_size == sizes[2]
    assert load(tmp_path / "found.safetensors").regions[3].code == found.regions[3].code


def test_the_manifest_lists_every_part(saved: Path) -> None:
    """With the standard library and numpy alone: the format is what the docstring says."""
    content = saved.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    manifest = json.loads(header["__metadata__"]["exactlens"])
    assert (manifest["format"], manifest["version"]) == (FORMAT, 1)
    assert manifest["parts"].keys() == header.keys() - {"__metadata__"}
    for name, part in manifest["parts"].items():
        start, end = header[name]["data_offsets"]
        assert part["sha256"] == hashlib.sha256(body[start:end]).hexdigest()
        assert part["shape"] == header[name]["shape"]
        assert np.dtype(part["dtype"]).itemsize * int(np.prod(part["shape"])) == end - start
    assert manifest["partition"]["network_sha256"] == JOBS["bent"]().network.sha256
    assert manifest["partition"]["digest"] == JOBS["bent"]().digest


def test_a_saved_partition_is_a_network_too(saved: Path) -> None:
    assert weight_files.read(saved) == JOBS["bent"]().network


def test_a_later_store_is_read_as_far_as_it_is_known(saved: Path, tmp_path: Path) -> None:
    """Further parts beside the partition, and further entries of the manifest."""
    again = _rewritten(
        saved,
        tmp_path,
        lambda manifest, arrays: (
            manifest.update(notes=["of a later version"]),
            arrays.update({"extra/sums": np.ones(3)}),
        ),
    )
    assert load(again) == JOBS["bent"]()


def _rewritten(saved: Path, folder: Path, change: Callable[[Any, Any], Any]) -> Path:
    """A store whose manifest and arrays were changed, with all digests made right again."""
    from exact.regions import storage

    stored = read(saved)
    arrays = {name: np.array(stored.file.tensor(name)) for name in stored.file.names}
    manifest = json.loads(json.dumps(stored.manifest))
    change(manifest, arrays)
    if isinstance(manifest.get("parts"), dict):
        manifest["parts"] = {
            name: storage.part_of(np.ascontiguousarray(array)) for name, array in arrays.items()
        }
    texts = {
        "architecture": stored.file.metadata["architecture"],
        "exactlens": json.dumps(manifest),
    }
    path = folder / "changed.safetensors"
    safetensors.numpy.save_file(arrays, path, {**texts, "sha256": storage.seal(texts)})
    return path


# ---- refused


@pytest.mark.parametrize("fraction", [0, 1, 7, 8, 9, 100, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(saved: Path, tmp_path: Path, fraction: float) -> None:
    content, cut = saved.read_bytes(), tmp_path / "cut.safetensors"
    size = fraction if isinstance(fraction, int) else int(len(content) * fraction)
    cut.write_bytes(content[:size])
    with pytest.raises(InvalidInput):
        load(cut)


def test_a_damaged_file_is_refused_wherever_the_damage_is(saved: Path, tmp_path: Path) -> None:
    content, damaged = saved.read_bytes(), tmp_path / "damaged.safetensors"
    rng = np.random.default_rng(0)
    for place in [*range(0, 16), *rng.integers(16, len(content), 150).tolist()]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(changed)
        with pytest.raises(InvalidInput):
            load(damaged)


def test_a_length_that_the_file_does_not_have_is_refused_before_anything_is_allocated(
    saved: Path, tmp_path: Path
) -> None:
    content, path = saved.read_bytes(), tmp_path / "long.safetensors"
    path.write_bytes(struct.pack("<Q", 90_000_000) + content[8:])
    with pytest.raises(InvalidInput, match="truncated"):
        load(path)
    header = json.dumps(
        {"w": {"dtype": "F64", "shape": [1 << 40], "data_offsets": [0, 1 << 43]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InvalidInput, match="damaged, or not in the safetensors format"):
        load(path)


FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello, this is no partition\n" * 10,
    "json": b'{"format": "exactlens-partition-1"}',
    "zip": b"PK\x03\x04" + bytes(100),
    "pickle": b"\x80\x04\x95" + bytes(60),
    "zeros": bytes(64),
    "weights": safetensors.numpy.save({"w": np.eye(2)}),
    "another store": safetensors.numpy.save({"w": np.eye(2)}, {"exactlens": "{}"}),
    "a deep store": safetensors.numpy.save(
        {"w": np.eye(2)}, {"exactlens": "[" * 100_000, "architecture": "", "sha256": ""}
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(InvalidInput) as raised:
        load(path)
    assert raised.value.remedy
    assert len(str(raised.value)) < 500


def test_what_is_no_file_is_refused(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "link.safetensors").symlink_to(saved)
    for path in (tmp_path / "missing.safetensors", tmp_path, tmp_path / "link.safetensors"):
        with pytest.raises(InvalidInput):
            load(path)


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "a newer version": lambda m, a: m.update(version=2),
    "no version": lambda m, a: m.pop("version"),
    "another format": lambda m, a: m.update(format="exactlens-toy"),
    "no parts": lambda m, a: m.pop("parts"),
    "no partition": lambda m, a: m.pop("partition"),
    "another kind": lambda m, a: m["partition"].update(kind="Network"),
    "a kind that does not fit": lambda m, a: m["partition"].update(kind="SpherePartition"),
    "another domain": lambda m, a: m["partition"]["domain"].update(kind="Sphere"),
    "a domain of another dimension": lambda m, a: m["partition"].update(
        domain={"kind": "RealSpace", "dim": 5}
    ),
    "a fraction over 0": lambda m, a: m["partition"]["domain"].update(lo=["1/0", "0"]),
    "another digest": lambda m, a: m["partition"].update(digest="0" * 64),
    "another network": lambda m, a: m["partition"].update(network_sha256="0" * 64),
    "no outcome": lambda m, a: m["partition"]["cells"].pop("outcome"),
    "an outcome of one's own": lambda m, a: m["partition"]["cells"].update(outcome="excellent"),
    "no codes": lambda m, a: a.pop("partition/codes"),
    "other codes": lambda m, a: a.update({"partition/codes": a["partition/codes"] ^ 1}),
    "codes of another width": lambda m, a: a.update(
        {"partition/codes": a["partition/codes"][:, :0]}
    ),
    "neighbours that are not there": lambda m, a: a.update(
        {"partition/pairs": a["partition/pairs"] + 1000}
    ),
    "negative neighbours": lambda m, a: a.update({"partition/pairs": a["partition/pairs"] - 1000}),
    "neighbours in floats": lambda m, a: a.update(
        {"partition/pairs": a["partition/pairs"].astype(float)}
    ),
    "fewer witnesses": lambda m, a: a.update(
        {"partition/witnesses": np.frombuffer(b"1 2 3\n", np.uint8)}
    ),
    "fewer vertices": lambda m, a: m["partition"]["cells"]["faces"].update(vertices=1),
    "faces that decrease": lambda m, a: a.update(
        {"partition/faces.1.starts": a["partition/faces.1.starts"][::-1].copy()}
    ),
    "weights of another shape": lambda m, a: a.update({"blocks.0.layers.0.bias": np.zeros((5, 1))}),
    "weights that are not finite": lambda m, a: a.update(
        {"blocks.0.layers.1.bias": np.full((2, 1), np.nan)}
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_store_that_contradicts_itself_is_refused(what: str, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        load(_rewritten(saved, tmp_path, CHANGES[what]))


@pytest.mark.parametrize("name", ["circle behind two norms", "2-sphere", "3-sphere"])
def test_arrays_of_other_kinds_are_checked_too(name: str, tmp_path: Path) -> None:
    path = JOBS[name]().save(tmp_path / "found.safetensors")
    for part in [part for part in read(path).file.names if part.startswith("partition/")]:
        with pytest.raises(InvalidInput):
            load(
                _rewritten(
                    path,
                    tmp_path,
                    lambda m, a, part=part: a.update({part: a[part].reshape(-1)[:-1].copy()}),
                )
            )


@pytest.mark.parametrize(
    "path", ["found.json", "found.pt", "missing/found.safetensors", "folder.safetensors"]
)
def test_a_target_that_cannot_be_is_refused_before_anything_is_written(
    path: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InvalidInput):
        JOBS["bent"]().save(tmp_path / path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.safetensors"]


class Step(Activation):
    """An activation of one's own."""

    @property
    def breakpoints(self) -> Any:
        return (exact.arithmetic.numbers.Rational(0),)  # type: ignore[attr-defined]

    @property
    def pieces(self) -> Any:
        zero, one = exact.arithmetic.numbers.Rational(0), exact.arithmetic.numbers.Rational(1)  # type: ignore[attr-defined]
        return (zero, zero), (one, zero)

    def forward_float(self, z: Any) -> Any:
        return np.maximum(z, 0)


def test_what_a_file_cannot_say_is_refused(tmp_path: Path) -> None:
    own = Network((exact.Block((Layer.of([[1, 2]], [0], Step()), Layer.of([[1]]))),))
    found = partition(own, Box(-1, 1, dim=2))
    with pytest.raises(Unsupported, match="an activation of one's own has no record; got Step"):
        found.save(tmp_path / "own.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_no_float_holds_are_written_without_loss() -> None:
    third = tensors.mlp([([["1/3", 1]], ["2/7"]), ([[1e300]], [5e-324])])
    line, arrays = architecture(third)
    assert arrays["blocks.0.layers.0.weight"].dtype == np.uint8
    assert arrays["blocks.0.layers.1.weight"].dtype == np.float64
    assert (
        exact.networks.architectures.network_of(json.loads(json.dumps(line)), arrays.__getitem__)
        == third
    )  # type: ignore[attr-defined]


def test_an_interrupted_save_leaves_the_old_file(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bent.safetensors"
    path.write_bytes(saved.read_bytes())
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(OSError, match="No space left on device") as raised:
        partition(network(2, 3, 1), Box(-1, 1, dim=2)).save(path)
    assert raised.value.filename == str(path)
    monkeypatch.undo()
    assert load(path) == JOBS["bent"]()
    assert [entry.name for entry in tmp_path.iterdir()] == ["bent.safetensors"]


def _no_space(descriptor: int) -> None:
    raise OSError(28, "No space left on device")
