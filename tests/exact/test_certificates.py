"""Certificates as files: whole or absent, packed or not, for every partition into polytopes and for
no other.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from exact import Ball, Box, Budget, Line, RealSpace, Unsupported, check, partition
from exact.check import Status
from exact.partition import ENGINES
from exact.regions import certificate as certificates
from exact.regions.engine import Problem
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.face_lattices import with_faces
from tests.exact.forgeries import codes_of, domain_in, network_in, numbers, records_of
from tests.laws import fuzz

NETWORK = tensors.mlp(
    [
        ([[1, 2], [-1, 1], [2, -1]], [0, 1, -1]),
        ([[1, -1, 1], [1, 1, -2]], [-1, 1]),
        ([[1, -1]], [0]),
    ]
)
SQUARE = Box(-2, 2, dim=2)


def own(budget: Budget | None = None) -> FlatPartition:
    found = partition(NETWORK, SQUARE, engine="lp_tree", budget=budget)
    assert isinstance(found, FlatPartition)
    return found


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_file_is_what_the_lines_are(name: str, tmp_path: Path) -> None:
    found = own()
    assert (
        certificates.write(found, tmp_path / name, made_by={"program": "this test"})
        == tmp_path / name
    )
    content = (tmp_path / name).read_bytes()
    body = gzip.decompress(content) if name.endswith(".gz") else content
    assert body == b"".join(certificates.of(found, made_by={"program": "this test"}))
    assert json.loads(body.split(b"\n")[0])["made_by"] == {
        "engine": "lp_tree",
        "domain": "Box([-2, 2] x [-2, 2])",
        "program": "this test",
    }
    certificates.write(found, tmp_path / name, made_by={"program": "this test"})
    assert (tmp_path / name).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert check.verify_file(tmp_path / name).status is Status.COMPLETE


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_leaves_what_was_there(
    name: str,
    old: bytes | None,
    failure: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, asked = own(), 0

    def witness(index: int) -> tuple[int, ...]:
        nonlocal asked
        asked += 1
        if asked == 5:
            raise failure
        return whole(index)

    whole = found.cells.witness
    object.__setattr__(found.cells, "witness", witness)
    if old is not None:
        (tmp_path / name).write_bytes(old)
    with pytest.raises(failure):
        certificates.write(found, tmp_path / name)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if old is None else [old])


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        certificates.write(own(), tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.tmp").symlink_to(tmp_path / "elsewhere")
    certificates.write(own(), tmp_path / "a.jsonl")
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "a.jsonl").is_file()


def test_regions_are_numbered_as_in_the_partition() -> None:
    found = own()
    assert list(codes_of(records_of(certificates.of(found))).values()) == [
        row.tobytes().hex() for row in found.codes
    ]


def test_cells_stand_behind_a_neighbour() -> None:
    """Those of a complex in the order of a tree, whose root is the first region."""
    found = with_faces(NETWORK, SQUARE)
    records = records_of(certificates.of(found))
    codes = list(codes_of(records).values())
    place = {row.tobytes().hex(): i for i, row in enumerate(found.codes)}
    assert place.keys() == {*codes}
    assert place[codes[0]] == 0
    way, graph = list[int](), found.graph()
    for code, record in zip(codes, records[1:], strict=True):
        way = way[: len(way) - record.get("back", 0)]
        assert not way or graph.has_edge(way[-1], place[code])
        way.append(place[code])


def test_neighbours_are_those_of_the_graph() -> None:
    found = own()
    records = records_of(certificates.of(found))[1:]
    pairs = {
        frozenset((i, facet[2]))
        for i, record in enumerate(records)
        for facet in record["facets"]
        if facet[2] is not None
    }
    assert pairs == {frozenset(edge) for edge in found.graph().edges()}


def test_the_header_holds_network_and_domain() -> None:
    header = records_of(certificates.of(own()))[0]
    assert network_in(header).sha256 == NETWORK.sha256
    assert domain_in(header).flat() == SQUARE.flat()
    assert (header["complete"], header["regions"], header["faces"]) == (True, len(own()), [])
    assert [numbers(row) for row in header["domain"]["chart"]["rows"]] == [[1, 0, 0], [0, 1, 0]]


def test_a_partial_result_says_so(tmp_path: Path) -> None:
    certificates.write(own(Budget(regions=3)), tmp_path / "part.jsonl")
    header = json.loads((tmp_path / "part.jsonl").read_bytes().split(b"\n")[0])
    assert header["complete"] is False
    assert check.verify_file(tmp_path / "part.jsonl").status is Status.INCOMPLETE


def test_a_partition_verifies_itself() -> None:
    for found, status in (
        (own(), Status.COMPLETE),
        (with_faces(NETWORK, RealSpace(2)), Status.COMPLETE),
        (own(Budget(regions=3)), Status.INCOMPLETE),
    ):
        verdict = certificates.verified(found)
        assert (verdict.status, verdict.regions, verdict.digest) == (
            status,
            len(found),
            found.digest,
        )


@pytest.mark.parametrize("seed", range(16))
def test_every_engine_has_its_results_proved(seed: int) -> None:
    """Small degenerate networks in every kind of domain; the digest is that of any other engine."""
    spec, domain = fuzz.job(seed)
    digests = set()
    for engine in ENGINES:
        if engine.name != "circle" and engine.refusal(Problem(spec.network, domain)) is None:
            verdict = certificates.verified(partition(spec.network, domain, engine=engine.name))
            assert verdict.status is Status.COMPLETE, (engine.name, verdict.reason)
            digests.add(verdict.digest)
    assert len(digests) == 1


def test_lines_have_certificates_and_balls_have_none() -> None:
    ball = partition(NETWORK, Ball([0, 0], 1))
    with pytest.raises(Unsupported, match="a round domain has no certificate"):
        certificates.of(ball)
    for engine in ("circle", "lp_tree"):
        straight = partition(NETWORK, Line([0, 0], [1, 1]), engine=engine)
        assert certificates.verified(straight).status is Status.COMPLETE
