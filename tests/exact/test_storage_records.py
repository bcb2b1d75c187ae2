"""What a file says wrongly is refused as such, entry by entry; a failure of ours is not."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from exact import InvalidInput, Network, Partition
from exact.arithmetic.texts.number_texts import text_array
from exact.arithmetic.texts.records import Record
from exact.geometry.domains.records import domain_of_record, domain_record
from exact.instruments import loading
from exact.instruments.loading import load
from exact.networks.architectures import architecture, network_of
from tests.exact.portable_jobs import JOBS

NAMES = (
    "bent",
    "plane",
    "no interior",
    "ball, vertices",
    "norm ball",
    "stopped curve",
    "circle of a norm",
    "2-sphere",
    "3-sphere",
)
ODD: tuple[Any, ...] = (None, True, -1, 10**6, 2.5, "x", "-1/3", "0", [], {}, ["1"], "Sphere")
GONE = object()


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, of lists the first two."""
    yield at
    if isinstance(value, dict):
        for name in value:
            yield from _places(value[name], (*at, name))
    elif isinstance(value, list):
        for i in range(min(2, len(value))):
            yield from _places(value[i], (*at, i))


def _changed(value: Any) -> Iterator[tuple[str, Any]]:
    """The value with one place in it replaced or taken out, and what was done."""
    for at in _places(value):
        for odd in (*ODD, *([GONE] if at else [])):
            again = copy.deepcopy(value)
            inner = again
            for step in at[:-1]:
                inner = inner[step]
            if odd is GONE:
                del inner[at[-1]]
            elif at:
                inner[at[-1]] = odd
            else:
                again = odd
            yield f"{at} {'gone' if odd is GONE else repr(odd)}", again


def _other_arrays(name: str, arrays: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    array = arrays[name]
    for what, other in {
        "floats": array.astype(float),
        "int64": array.astype(np.int64),
        "bytes": array.astype(np.uint8),
        "flat": array.reshape(-1),
        "one": np.array(1, dtype=array.dtype),
        "empty": array[:0],
        "ones": np.ones_like(array),
        "large": np.full_like(array, 120),
        "twice": np.concatenate([array, array]),
        "reversed": array[::-1].copy(),
        "text": np.frombuffer(b"1 2\n", np.uint8),
        "words": np.array(["a"]),
    }.items():
        yield f"{name} {what}", {**arrays, name: other}
    yield f"{name} gone", {other: arrays[other] for other in arrays if other != name}


def _variants(record: Any, arrays: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for what, other in _changed(record):
        yield what, other, arrays
    for name in arrays:
        for what, others in _other_arrays(name, arrays):
            yield what, record, others
    if "points" in arrays:
        for what, points in _changed(json.loads(arrays["points"].tobytes())):
            yield f"points {what}", record, {**arrays, "points": text_array([json.dumps(points)])}


class _Stored:
    """A file that was read, as its contents."""

    def __init__(self, network: Network, arrays: dict[str, Any]) -> None:
        self.line, self._weights = architecture(network)
        self._arrays, self.path, self.file = arrays, "changed", self
        self.array = self._weights.__getitem__

    def json(self, entry: str) -> Any:
        return self.line

    def arrays(self, prefix: str) -> dict[str, Any]:
        return self._arrays


def _record(found: Partition) -> tuple[Any, dict[str, Any]]:
    """What the manifest says of a partition, and its arrays."""
    cells, arrays = found.parts()
    record = {
        "kind": type(found).__name__,
        "network_sha256": found.network.sha256,
        "domain": domain_record(found.domain),
        "engine": found.engine,
        "digest": found.digest,
        "cells": cells,
    }
    return json.loads(json.dumps(record)), arrays


def _restored(network: Network, record: Any, arrays: dict[str, Any]) -> Partition:
    stored: Any = _Stored(network, arrays)
    return loading._restored(stored, Record.of(record, "the partition"))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_record_says_wrongly_is_refused_as_such(name: str) -> None:
    """No other failure than InvalidInput; and what is read is the partition."""
    found, refused = JOBS[name](), 0
    for what, other, others in _variants(*_record(found)):
        try:
            _restored(found.network, other, others)
        except InvalidInput:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__} {error}") from error
    assert refused > 100
    assert _restored(found.network, *_record(found)) == found


def _halve_a_walk(arrays: dict[str, Any]) -> None:
    """Two half-edges of the first walk change what follows them."""
    a, b = np.flatnonzero(arrays["walk_of"] == 0)[:2]
    following = arrays["following"].copy()
    following[[a, b]] = following[[b, a]]
    arrays["following"] = following


CONTRADICTIONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "a view of another kind of domain": ("norm ball", lambda r, a: r.update(kind="FlatPartition")),
    "hinges that the network has not": ("bent", lambda r, a: r["cells"].update(hinges=7)),
    "a ball without witnesses": ("ball, vertices", lambda r, a: a.pop("witnesses")),
    "a line with another metric": (
        "segment",
        lambda r, a: r["cells"]["frame"].update(one=["1", "2"]),
    ),
    "a line without a functional": (
        "segment",
        lambda r, a: [r["cells"][name].update(along=None) for name in ("curve", "frame")],
    ),
    "sides that the walks do not have": (
        "2-sphere",
        lambda r, a: a.update(arc_sides=a["arc_sides"][:, ::-1].copy()),
    ),
    "a walk in two rings": ("2-sphere", lambda r, a: _halve_a_walk(a)),
    "flips of fewer circles": (
        "2-sphere",
        lambda r, a: a.update({"flips.starts": a["flips.starts"][[0, -1]]}),
    ),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_parts_that_contradict_each_other_are_refused(what: str) -> None:
    name, change = CONTRADICTIONS[what]
    found = JOBS[name]()
    record, arrays = _record(found)
    change(record, arrays)
    with pytest.raises(InvalidInput):
        _restored(found.network, record, arrays)


@pytest.mark.parametrize("name", ["bent", "circle of a norm"])
def test_whatever_an_architecture_says_wrongly_is_refused_as_such(name: str) -> None:
    line, arrays = architecture(JOBS[name]().network)

    def find(name: str) -> Any:
        if name not in arrays:
            raise InvalidInput("no such array", value=name, remedy="name another")
        return arrays[name]

    for what, other in _changed(json.loads(json.dumps(line))):
        try:
            network_of(other, find)
        except InvalidInput:
            pass
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__} {error}") from error


@pytest.mark.parametrize("name", ["bent", "plane", "ball, vertices", "no interior", "great sphere"])
def test_whatever_a_domain_says_wrongly_is_refused_as_such(name: str) -> None:
    for what, other in _changed(domain_record(JOBS[name]().domain)):
        try:
            domain_of_record(other)
        except InvalidInput:
            pass
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__} {error}") from error


@pytest.mark.parametrize("failure", [TypeError, KeyError, AssertionError, ZeroDivisionError])
def test_a_failure_of_ours_is_not_called_damage(
    failure: type[Exception], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = JOBS["bent"]()
    path = found.save(tmp_path / "bent.safetensors")

    def broken(*given: Any) -> None:
        raise failure("ours")

    monkeypatch.setattr(type(found), "read_cells", staticmethod(broken))
    with pytest.raises(failure, match="ours"):
        load(path)
    monkeypatch.undo()
    assert load(path) == found


@pytest.mark.parametrize("failure", [TypeError, KeyError, ValueError, AttributeError])
def test_a_failure_while_a_tensor_is_read_is_not_taken_for_another_dtype(
    failure: type[Exception], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exact.sources import weight_files

    path = JOBS["bent"]().save(tmp_path / "bent.safetensors")
    file = weight_files.read_file(path)

    class Broken:
        def get_slice(self, name: str) -> Any:
            raise failure("ours")

        get_tensor = get_slice

    object.__setattr__(file, "_open", lambda framework: Broken())
    with pytest.raises(failure, match="ours"):
        file.tensor(file.names[0])
