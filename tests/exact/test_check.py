"""The checker accepts what is true and rejects what is not: honest certificates, and every way to
spoil one.
"""

from __future__ import annotations

import copy
import functools
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import exact
from exact import (
    GELU,
    AbsoluteValue,
    Block,
    Box,
    Budget,
    Domain,
    HardTanh,
    HPolytope,
    InvalidInput,
    Layer,
    LeakyReLU,
    Network,
    Plane,
    RealSpace,
    ReLU,
    check,
    partition,
)
from exact.check import Status, Verdict, verify
from exact.check.kinds.complexes.faces import _in_different_hyperplanes
from exact.check.network import DIALECT
from exact.check.network import Network as CheckedNetwork
from exact.check.records import Rejected
from exact.regions import certificate as certificates
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.face_lattices import with_faces
from tests.exact.forgeries import (
    Record,
    codes_of,
    domain_in,
    numbers,
    records_of,
    renamed,
    signed,
    verdict,
    whole_in,
    written,
)
from tests.exact.old_complexes import FORMAT, in_format_2
from tests.exact.reference import q

SIGNS = [[1, 0], [0, 1], [1, 1]]
CROSS = tensors.mlp([(SIGNS, [0, 0, -1]), ([[1, -1, 2]], [0])])
CONCURRENT = tensors.mlp(
    [([*SIGNS, [1, -1], [0, 0], [-1, 0]], [0, 0, 0, 0, 1, 0]), ([[1, 1, 1, 1, 1, 1]], [0])]
)
DEEP = tensors.mlp(
    [
        ([[1, 2], [-1, 1], [2, -1]], [0, 1, -1]),
        ([[1, -1, 1], [1, 1, -2]], [-1, 1]),
        ([[1, -1]], [0]),
    ]
)
LINE = tensors.mlp(
    [([[1], [1], [-2]], [0, -1, 1]), ([[1, -2, 1], [1, 1, 1]], ["1/2", "-1/3"]), ([[1, 1]], [0])]
)
SPACE = tensors.mlp([([[1, 0, 1], [0, 1, -1], [1, 1, 0]], [0, 0, -1]), ([[1, -1, 1]], [0])])
FLOATS = tensors.mlp(
    [
        (np.random.default_rng(3).normal(size=(4, 2)), np.full(4, 0.1)),
        (np.ones((2, 4)), np.zeros(2)),
    ]
)
MIXED = Network(
    (
        Block(
            (Layer.of([[1, 1], [1, -1]], [0, q(Fraction(1, 3))], LeakyReLU(q(Fraction(1, 4)))),),
            residual=True,
        ),
        Block(
            (
                Layer.of([[1, 2]], [0], HardTanh(q(-1), q(Fraction(1, 2)))),
                Layer.of([[1], [2]], [0, 1]),
            ),
            residual=True,
        ),
        Block((Layer.of([[2, -1]], [1], AbsoluteValue()), Layer.of([[3]], [q(Fraction(1, 7))]))),
    )
)
SMOOTH = Network(
    (
        Block(
            (
                Layer.of([[1, 1], [1, -2]], [0, 1], ReLU()),
                Layer.of([[1, 1]], [-1], GELU()),
                Layer.of([[1]]),
            )
        ),
    )
)
AFFINE = Network((Block((Layer.of([[1, 2]], [3]),)),))
SQUARE, SLICE = Box(-2, 2, dim=2), Plane([0, 0, 0], [1, 0, 1], [0, 2, "1/2"], s=(-1, 1), t=(-1, 2))
HALF = HPolytope([[1, 0, 1], [-1, -1, 3]])
NOWHERE = HPolytope([[1, 1, -1], [-1, 0, 0], [0, -1, 0]])

JOBS: dict[str, tuple[Network, Domain]] = {
    "cross": (CROSS, SQUARE),
    "concurrent": (CONCURRENT, RealSpace(2)),
    "deep": (DEEP, SQUARE),
    "deep in the plane": (DEEP, RealSpace(2)),
    "deep in a wedge": (DEEP, HALF),
    "line": (LINE, Box(-3, 3, dim=1)),
    "whole line": (LINE, RealSpace(1)),
    "space": (SPACE, Box(-1, 1, dim=3)),
    "all of space": (SPACE, RealSpace(3)),
    "slice": (SPACE, SLICE),
    "floats": (FLOATS, SQUARE),
    "mixed": (MIXED, SQUARE),
    "smooth": (SMOOTH, SQUARE),
    "affine": (AFFINE, RealSpace(2)),
}
COMPLEXES = {name: job for name, job in JOBS.items() if name != "all of space"}
ALL = [("facets", name) for name in JOBS] + [("complex", name) for name in COMPLEXES]


@functools.cache
def found(kind: str, name: str) -> FlatPartition:
    network, domain = JOBS[name]
    if kind == "complex":
        return with_faces(network, domain)
    result = partition(network, domain, engine="lp_tree")
    assert isinstance(result, FlatPartition)
    return result


@functools.cache
def lines(kind: str, name: str) -> tuple[bytes, ...]:
    return tuple(in_format_2(found(kind, name)))


def honest(kind: str, name: str) -> list[Record]:
    """The records of a certificate, free to be changed."""
    return records_of(lines(kind, name))


def partial() -> list[Record]:
    return records_of(
        certificates.of(partition(DEEP, SQUARE, engine="lp_tree", budget=Budget(regions=4)))
    )


def empty() -> list[Record]:
    return records_of(certificates.of(partition(DEEP, NOWHERE, engine="lp_tree")))


def without_maps(records: list[Record]) -> list[Record]:
    """The same proof of the same codes, without maps."""
    found = [
        {key: value for key, value in record.items() if key != "map"}
        if isinstance(record, dict)
        else record
        for record in records
    ]
    found[0]["maps"] = False
    return found


def reason(records: list[Record]) -> str:
    """Why the checker rejects these records, which it must."""
    answer = verdict(records)
    assert answer.status is Status.REJECTED, answer
    assert (answer.network_sha256, answer.digest, answer.regions) == ("", "", 0)
    return answer.reason


# ---- honest certificates


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_what_is_true_is_verified(kind: str, name: str) -> None:
    own, answer = found(kind, name), verify(lines(kind, name))
    assert answer.status is Status.COMPLETE, answer.reason
    assert json.loads(lines(kind, name)[0])["kind"] == kind
    assert (answer.digest, answer.network_sha256, answer.regions) == (
        own.digest,
        own.network.sha256,
        len(own),
    )
    assert answer.maps == (name != "smooth")


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_without_maps(kind: str, name: str) -> None:
    answer = verify(certificates.of(found(kind, name), maps=False))
    assert (answer.status, answer.maps) == (Status.COMPLETE, False)


def test_an_incomplete_list_is_verified_as_such() -> None:
    answer = verdict(partial())
    assert (answer.status, answer.regions) == (Status.INCOMPLETE, 4)
    assert not answer.reason.endswith(" 0 of them to regions that are not listed")


def test_a_domain_without_interior() -> None:
    answer = verdict(empty())
    assert (answer.status, answer.regions) == (Status.COMPLETE, 0)
    assert answer.digest == partition(DEEP, NOWHERE, engine="lp_tree").digest


def test_domains_of_lower_dimension_are_proved_on_their_hull() -> None:
    """The line x + y = 1 of the plane by both kinds, and a point; a flat polyhedron cannot pass as
    empty.
    """
    line = HPolytope([[1, 1, -1], [-1, -1, 1], [1, 0, 2]])
    for engine in ("subdivision", "lp_tree"):
        answer = verify(certificates.of(partition(DEEP, line, engine=engine)))
        assert (answer.status, answer.regions) == (
            Status.COMPLETE,
            partition(DEEP, line, engine="brute_force").region_count,
        )
        assert answer.domain == "R^1 where (1).x + 2 > 0, mapped into R^2 by the chart in the file"
    point = verify(certificates.of(partition(LINE, Box(0, 0, dim=1))))
    assert (point.status, point.regions) == (Status.COMPLETE, 1)
    assert point.domain == "R^0, mapped into R^1 by the chart in the file"
    records = empty()
    records[0]["domain"]["walls"] = ["1 1 0", "-1 0 0", "0 -1 0"]
    assert (
        reason(records)
        == "header, empty: the multipliers do not prove that the domain has no point"
    )


def test_a_forged_point() -> None:
    """Of dimension 0: another code, another map, a code too many, and a complex, which needs
    edges.
    """
    honest = records_of(certificates.of(partition(LINE, Box(0, 0, dim=1))))
    flipped, wrong = (
        f"{int(honest[1]['code'], 16) ^ 0x80:02x}",
        ["1", *["7"] * (len(honest[1]["map"]) - 1)],
    )
    for key, value in (("code", flipped), ("map", wrong)):
        records = copy.deepcopy(honest)
        records[1][key] = value
        assert reason(records).startswith("region 0")
    records = copy.deepcopy(honest)
    records[0]["kind"] = "complex"
    assert (
        reason(records) == "header: a complex that is not complete, of a point, or without a cell"
    )
    records[0] |= {"kind": "facets", "regions": 2}
    assert reason([*records[:2], records[1], *records[2:]]).startswith("region 1")


def test_the_verdict_names_the_domain() -> None:
    assert (
        verify(lines("facets", "deep in a wedge")).domain
        == "R^2 where (1 0).x + 1 > 0, (-1 -1).x + 3 > 0"
    )
    assert verify(lines("facets", "concurrent")).domain == "R^2"
    assert verify(lines("facets", "slice")).domain.endswith(
        "mapped into R^3 by the chart in the file"
    )
    far = partition(LINE, HPolytope([[1, 16**4000]]), engine="lp_tree")
    assert verify(certificates.of(far)).domain == "R^1 where the 1 inequalities in the file hold"


def test_verdicts_have_no_truth_value() -> None:
    answer = verify(lines("facets", "line"))
    with pytest.raises(TypeError, match=r"verdict\.status is Status\.COMPLETE"):
        bool(answer)
    with pytest.raises(TypeError, match="no truth value"):
        bool(answer.status)


def test_the_checker_needs_nothing_but_python(tmp_path: Path) -> None:
    own = Path(exact.__file__).parent
    shutil.copytree(
        own / "check", tmp_path / "exact" / "check", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(own / "errors.py", tmp_path / "exact" / "errors.py")
    (tmp_path / "deep.jsonl").write_bytes(b"".join(lines("complex", "deep")))
    program = (
        "import sys; sys.path.insert(0, ''); from exact.check import verify_file; "
        "print(verify_file('deep.jsonl').status)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "Status.COMPLETE\n"


# ---- files


def test_files_whole_cut_and_damaged(tmp_path: Path) -> None:
    body = b"".join(lines("facets", "deep"))
    packed = gzip.compress(body)
    for name, content, status in (
        ("a.jsonl", body, Status.COMPLETE),
        ("a.jsonl.gz", packed, Status.COMPLETE),
        ("b.jsonl", body[:-1], Status.REJECTED),
        ("b.jsonl.gz", packed[:-9], Status.REJECTED),
        ("c.jsonl.gz", packed[:-40] + bytes(40), Status.REJECTED),
        ("d.jsonl", body + b"{}\n", Status.REJECTED),
        ("e.jsonl", body[:-70] + b"0" + body[-69:], Status.REJECTED),
    ):
        (tmp_path / name).write_bytes(content)
        assert check.verify_file(tmp_path / name).status is status, name


@pytest.mark.parametrize(
    ("kind", "name"), [("facets", "cross"), ("complex", "cross"), ("complex", "line")]
)
def test_a_file_cut_anywhere_is_rejected(kind: str, name: str) -> None:
    whole = lines(kind, name)
    for cut in range(1, len(whole)):
        assert "truncated" in verify(whole[:cut]).reason
        assert "truncated" in verify([*whole[:cut], whole[cut][: len(whole[cut]) // 2]]).reason
    for skipped in range(1, len(whole)):
        assert verify([*whole[:skipped], *whole[skipped + 1 :]]).status is Status.REJECTED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]\n",
        b"{}\n",
        b"\xff\xfe\n",
        b"no\n",
        b'{"format": "exactlens-partition-1"}\n',
        b"[" * 10**5 + b"\n",
    ],
)
def test_what_is_no_certificate_is_bad_input(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InvalidInput, match="not a certificate"):
        check.verify_file(tmp_path / "file")
    with pytest.raises(InvalidInput, match="no such file"):
        check.verify_file(tmp_path / "absent")


# ---- kind "facets": every way to lie about a region


def spoilt(kind: str, name: str, change: Callable[[list[Record]], Any]) -> str:
    """The reason for rejecting an honest certificate after a change in place."""
    records = honest(kind, name)
    change(records)
    return reason(renamed(records))


def without_region(records: list[Record], number: int) -> list[Record]:
    """A list of facets from which one region is left out, with all numbers set right."""
    found = copy.deepcopy(records)
    del found[1 + number]
    found[0]["regions"] -= 1
    for record in found[1:]:
        for facet in record["facets"]:
            if facet[2] is not None:
                facet[2] = -1 if facet[2] == number else facet[2] - (facet[2] > number)
    return found


FACETS = [name for name in JOBS if name not in ("affine", "smooth")]


@pytest.mark.parametrize("name", FACETS)
def test_a_missing_region(name: str) -> None:
    records = honest("facets", name)
    for number in range(records[0]["regions"]):
        assert "not listed" in reason(without_region(records, number))


@pytest.mark.parametrize("name", FACETS)
def test_a_region_listed_twice(name: str) -> None:
    def change(records: list[Record]) -> None:
        records[0]["regions"] += 1
        records.append(records[-1])

    assert "the code is that of region" in spoilt("facets", name, change)


@pytest.mark.parametrize("name", FACETS)
def test_a_witness_of_another_region(name: str) -> None:
    records = honest("facets", name)
    for number in range(2, len(records)):
        changed = copy.deepcopy(records)
        changed[number]["witness"] = records[number - 1]["witness"]
        assert "not strictly inside" in reason(changed)


@pytest.mark.parametrize("name", FACETS)
def test_a_witness_on_a_facet_and_a_point_off_it(name: str) -> None:
    def witness(records: list[Record]) -> None:
        records[1]["witness"] = records[1]["facets"][0][1]

    def point(records: list[Record]) -> None:
        records[1]["facets"][0][1] = records[1]["witness"]

    def other(records: list[Record]) -> None:
        records[1]["facets"][0][1] = "1" * len(records[1]["facets"][0][1].split())

    assert "not strictly inside" in spoilt("facets", name, witness)
    assert "not in the relative interior" in spoilt("facets", name, point)
    assert reason_or_true(name, other)


def reason_or_true(name: str, change: Callable[[list[Record]], Any]) -> bool:
    records = honest("facets", name)
    change(records)
    return verdict(records).status is Status.REJECTED or is_true(records)


def test_a_point_at_the_end_of_a_facet() -> None:
    records = honest("facets", "cross")
    facet = next(f for f in records[1]["facets"] if f[2] is not None)
    facet[1] = written([0, 0, 1])
    assert "not in the relative interior" in reason(records)


@pytest.mark.parametrize("name", FACETS)
def test_a_wrong_neighbour(name: str) -> None:
    records = honest("facets", name)
    for number, record in enumerate(records[1:6], 1):
        for k, (_, _, neighbour) in enumerate(record["facets"]):
            for wrong in {
                None,
                -1,
                "0",
                True,
                0,
                records[0]["regions"] - 1,
                records[0]["regions"],
            } - {neighbour}:
                changed = copy.deepcopy(records)
                changed[number]["facets"][k][2] = wrong
                assert "neighbour" in reason(changed)


@pytest.mark.parametrize("number", [True, 1.0])
def test_a_neighbour_is_an_integer(number: object) -> None:
    records = honest("facets", "cross")
    facet = next(facet for record in records[1:] for facet in record["facets"] if facet[2] == 1)
    facet[2] = number
    assert "the neighbour is not named" in reason(records)


@pytest.mark.parametrize("name", ["deep", "deep in the plane", "floats", "mixed", "all of space"])
def test_a_forged_farkas_vector(name: str) -> None:
    records, tried = honest("facets", name), 0
    for number, record in enumerate(records[1:], 1):
        for k, (_, proof) in enumerate(record["redundant"]):
            for place in range(len(proof.split())):
                values = numbers(proof)
                values[place] -= 1 if place else 2 * values[0]
                changed = copy.deepcopy(records)
                changed[number]["redundant"][k][1] = written(values)
                assert "do not prove" in reason(changed)
                tried += 1
    assert tried


@pytest.mark.parametrize(
    "proof",
    [
        "1 -1 0 0",
        "0 0 0 0",
        "-1 0 0 0",
        "1 0 0 0",
        "1 0 0 1",
        "1 0 0",
        "1 0 0 0 0",
        "",
        " ",
        None,
        [1, 0, 0, 0],
    ],
)
def test_a_facet_of_a_square_is_not_redundant(proof: object) -> None:
    """`2 - x = -(x + 2) + 4` has a negative multiplier, `0 = 0` says nothing of the wall."""
    records = records_of(certificates.of(partition(AFFINE, SQUARE, engine="lp_tree")))
    records[1]["facets"] = [facet for facet in records[1]["facets"] if facet[0] != 2]
    records[1]["redundant"] = [[2, proof]]
    assert "wall 2: " in reason(records)


def test_a_nearer_wall_is_not_redundant_behind_a_farther_one() -> None:
    """`x - 1 = (x + 3) - 4` leaves a negative rest."""
    network = tensors.mlp([([[1]], [-1]), ([[1]], [0])])
    records = records_of(certificates.of(partition(network, Box(-3, 3, dim=1), engine="lp_tree")))
    assert (records[2]["code"], records[2]["redundant"]) == ("80", [[0, "1 0 1"]])
    records[2]["facets"], records[2]["redundant"] = (
        [[0, "-3 1", None], [1, "3 1", None]],
        [[2, "1 1 0"]],
    )
    assert "wall 2: the multipliers do not prove" in reason(records)


@pytest.mark.parametrize("name", FACETS)
def test_a_facet_dropped_or_called_redundant(name: str) -> None:
    def dropped(records: list[Record]) -> None:
        del records[1]["facets"][0]

    def called_redundant(records: list[Record]) -> None:
        facets = records[1]["facets"]
        others = records[1]["redundant"]
        for proof in others:
            values = numbers(proof[1])
            proof[1] = written([values[0], *values[2:]])
        others.append([facets.pop(0)[0], written([1] + [0] * len(facets))])

    def called_a_facet(records: list[Record]) -> None:
        record = next(r for r in records[1:] if r["redundant"])
        name, _ = record["redundant"].pop()
        record["facets"].append([name, record["facets"][0][1], record["facets"][0][2]])

    assert "walls, but" in spoilt("facets", name, dropped)
    assert "do not prove" in spoilt("facets", name, called_redundant)
    if any(record["redundant"] for record in honest("facets", name)[1:]):
        assert reason_or_true(name, called_a_facet)


def test_a_region_that_is_empty() -> None:
    """A code without a region, closed by walls that contradict each other, has no witness."""
    records = without_maps(honest("facets", "concurrent"))
    records[1]["code"] = "d8"  # x > 0, y > 0, x + y < 0
    assert "region 0: the witness is not strictly inside" in reason(records)


def test_a_hinge_that_is_constant_has_its_bit() -> None:
    def change(records: list[Record]) -> None:
        records[1]["code"] = f"{int(records[1]['code'], 16) ^ 0b1000:02x}"

    assert "hinge 4 is constant there" in spoilt("facets", "concurrent", change)


def test_an_incomplete_list_called_complete() -> None:
    records = partial()
    records[0]["complete"] = True
    assert "not listed" in reason(records)
    records = empty()
    records[0]["empty"] = "0 0 0"
    assert "do not prove" in reason(records)
    records[0]["empty"] = "-1 -1 -1"
    assert "do not prove" in reason(records)
    records[0]["complete"] = False
    assert "header, empty" in reason(records)
    del records[0]["empty"]
    assert verdict(records).status is Status.INCOMPLETE


@pytest.mark.parametrize(
    "multipliers", ["1 0 0", "1 1 0", "2 1 1", "1 1", "1 1 1 1", "0 0 0", "-1 -1 -1", "1/2 1 1", ""]
)
def test_a_domain_that_is_not_proved_empty(multipliers: str) -> None:
    records = empty()
    records[0]["empty"] = multipliers
    assert "header, empty" in reason(records)
    del records[0]["empty"]
    assert "header, empty" in reason(records)


@pytest.mark.parametrize("multipliers", ["1 1 1 1", "-1 0 -1 0", "0 -1 1 0", "0 0 0 0"])
def test_no_region_of_a_domain_that_has_some(multipliers: str) -> None:
    records = honest("facets", "cross")[:1]
    records[0] |= {"regions": 0, "empty": multipliers}
    assert "do not prove" in reason(records)


# ---- kind "complex": every way to lie about faces

BENT = [name for name in COMPLEXES if name != "affine"]


def sections(records: list[Record]) -> list[list[Record]]:
    """The records of vertices, edges, ..., cells."""
    parts, start = [], 1
    for count in (*records[0]["faces"], records[0]["regions"]):
        parts.append(records[start : start + count])
        start += count
    return parts


def joined(header: Record, parts: list[list[Record]]) -> list[Record]:
    header = {**header, "faces": [len(part) for part in parts[:-1]], "regions": len(parts[-1])}
    return [header, *(record for part in parts for record in part)]


def listed(record: Record) -> list[int]:
    return record["faces"] if isinstance(record, dict) else record


def without_unused(header: Record, parts: list[list[Record]]) -> list[Record]:
    """The faces that bound something, with all numbers set right."""
    for k in reversed(range(len(parts) - 1)):
        used = sorted({i for record in parts[k + 1] for i in listed(record)})
        place = {old: new for new, old in enumerate(used)}
        for record in parts[k + 1]:
            listed(record)[:] = [place[i] for i in listed(record)]
        parts[k] = [parts[k][i] for i in used]
    return joined(header, parts)


@pytest.mark.parametrize("name", BENT)
def test_a_missing_cell(name: str) -> None:
    records = honest("complex", name)
    for number in range(records[0]["regions"]):
        parts = sections(copy.deepcopy(records))
        del parts[-1][number]
        assert "a region is missing" in reason(without_unused(records[0], parts))
    parts = sections(copy.deepcopy(records))
    del parts[-1][0]
    assert verdict(joined(records[0], parts)).status is Status.REJECTED


@pytest.mark.parametrize("name", BENT)
def test_a_cell_listed_twice(name: str) -> None:
    records = honest("complex", name)
    parts = sections(records)
    parts[-1].append(parts[-1][0])
    assert "the code is that of region 0" in reason(joined(records[0], parts))
    flips = (
        f"{int(parts[-1][0]['code'], 16) ^ 0x80 >> k:02x}"
        for k in range(found("complex", name).network.hinge_count)
    )
    unused = next(code for code in flips if all(code != cell["code"] for cell in parts[-1]))
    parts[-1][-1] = {**parts[-1][0], "code": unused}
    assert "the code is not that of its vertices" in reason(joined(records[0], parts))


@pytest.mark.parametrize("name", COMPLEXES)
def test_a_shifted_vertex(name: str) -> None:
    records = honest("complex", name)
    for number in range(records[0]["faces"][0]):
        for place in range(len(records[1].split())):
            for shift in (-1, 1):
                changed = copy.deepcopy(records)
                values = [100 * x for x in numbers(changed[1 + number])]
                values[place] += shift
                changed[1 + number] = written(values)
                assert verdict(changed).status is Status.REJECTED or is_true(changed)


@pytest.mark.parametrize("name", ["deep", "line", "space", "mixed", "slice", "floats", "cross"])
def test_a_vertex_shifted_beyond_the_domain(name: str) -> None:
    records = honest("complex", name)
    for number in range(records[0]["faces"][0]):
        values = numbers(records[1 + number])
        changed = copy.deepcopy(records)
        changed[1 + number] = written([*(1000 * x + 7 for x in values[:-1]), values[-1]])
        assert f"vertex {number}: outside the domain" in reason(changed)


@pytest.mark.parametrize(("kind", "name"), [pair for pair in ALL if pair[1] != "affine"])
def test_a_flipped_code_bit(kind: str, name: str) -> None:
    records = honest(kind, name)
    start = 1 + sum(records[0]["faces"])
    for bit in range(4 * len(records[-1]["code"])):
        changed = copy.deepcopy(records)
        size = len(changed[start]["code"])
        changed[start]["code"] = f"{int(changed[start]['code'], 16) ^ 1 << bit:0{size}x}"
        assert verdict(changed).status is Status.REJECTED


@pytest.mark.parametrize("name", COMPLEXES)
def test_a_dropped_or_repeated_lower_face(name: str) -> None:
    records = honest("complex", name)
    for number, record in enumerate(records[1:], 1):
        if isinstance(record, str):
            continue
        for place in range(len(listed(record))):
            dropped, twice = copy.deepcopy(records), copy.deepcopy(records)
            del listed(dropped[number])[place]
            listed(twice[number]).append(listed(record)[place])
            assert verdict(dropped).status is Status.REJECTED
            assert "an index is repeated" in reason(twice)


@pytest.mark.parametrize("name", COMPLEXES)
def test_faces_glued_to_the_wrong_ones(name: str) -> None:
    records = honest("complex", name)
    parts = sections(records)
    for k in range(1, len(parts)):
        below = len(parts[k - 1])
        for i, record in enumerate(parts[k]):
            for place, part in enumerate(listed(record)):
                for other in {(part + 1) % below, (part + 2) % below} - {part}:
                    changed = copy.deepcopy(parts)
                    listed(changed[k][i])[place] = other
                    assert verdict(joined(records[0], changed)).status is Status.REJECTED


def test_two_cells_in_one() -> None:
    """A square that a hinge cuts in two, passed off as one cell with either code."""
    network = tensors.mlp([([[1, 0]], [0]), ([[1]], [0])])
    whole = records_of(in_format_2(with_faces(AFFINE, SQUARE), maps=False))
    header = records_of(certificates.of(partition(network, SQUARE, engine="lp_tree"), maps=False))[
        0
    ]
    of_whole = ("format", "kind", "regions", "faces")
    forged = [header | {name: whole[0][name] for name in of_whole}, *whole[1:]]
    for code in ("80", "00"):
        forged[-1] = {**whole[-1], "code": code}
        assert reason(forged) == "cell 0: a hinge is positive at one vertex and negative at another"


@pytest.mark.parametrize("name", ["cross", "line", "space", "concurrent"])
def test_an_edge_has_two_ends(name: str) -> None:
    records = honest("complex", name)
    parts = sections(records)
    for ends in ([], [0], [0, 1, 2]):
        changed = copy.deepcopy(parts)
        listed(changed[1][0])[:] = ends
        assert "an edge without two ends" in reason(joined(records[0], changed))


def test_a_cell_without_faces() -> None:
    """No vertex contradicts the code 0, which is that of no region here."""
    records = without_maps(honest("complex", "concurrent"))
    assert all(cell["code"] != "00" for cell in sections(records)[-1])
    records[0]["regions"] += 1
    records.append({"code": "00", "faces": []})
    assert "its boundary is not closed" in reason(records)


def test_a_point_within_an_edge_is_no_vertex() -> None:
    """Two edges for one side of a square: no constraint tells the point in the middle from the
    others.
    """
    records = honest("complex", "affine")
    parts = sections(records)
    corner, other = (numbers(parts[0][i]) for i in parts[1][0])
    parts[0].append(
        written(
            [*(x + y for x, y in zip(corner[:-1], other[:-1], strict=True)), corner[-1] + other[-1]]
        )
    )
    first, second = parts[1][0]
    parts[1][0] = [first, len(parts[0]) - 1]
    parts[1].append([len(parts[0]) - 1, second])
    parts[2][0]["faces"].append(len(parts[1]) - 1)
    assert "lies on no further constraint" in reason(joined(records[0], parts))


def test_sides_listed_twice_close_no_boundary() -> None:
    """One triangle of a square whose two sides on the edge of the domain stand twice, so that the
    third one may be left out.
    """
    network = tensors.mlp([([[1, 1]], [0]), ([[1]], [0])])
    records = records_of(
        certificates.of(partition(network, Box(-1, 1, dim=2), engine="lp_tree"), maps=False)
    )
    corners, edges = ["-1 -1 1", "1 -1 1", "-1 1 1"], [[0, 1], [0, 2], [1, 0], [2, 0]]
    header = {**records[0], "format": FORMAT, "kind": "complex", "faces": [3, 4], "regions": 1}
    forged = [header, *corners, *edges, {"code": "00", "faces": [0, 1, 2, 3]}]
    assert reason(forged) == "1-face 2: is listed twice"
    with pytest.raises(Rejected, match="two 1-faces in it lie in one hyperplane"):
        _in_different_hyperplanes([0b01, 0b10, 0b01], 2, "cell 0")
    assert "not closed" in reason(
        [{**header, "faces": [3, 2]}, *corners, *edges[:2], {"code": "00", "faces": [0, 1]}]
    )
    diagonal = [
        {**header, "faces": [3, 3]},
        *corners,
        *edges[:2],
        [1, 2],
        {"code": "00", "faces": [0, 1, 2]},
    ]
    assert "1-face 2: one side is neither a cell nor outside the domain" in reason(diagonal)


def test_a_face_that_bounds_nothing() -> None:
    records = honest("complex", "space")
    for k in range(3):
        parts = sections(copy.deepcopy(records))
        parts[k].append(copy.deepcopy(parts[k][0]))
        assert f"{k}-face {len(parts[k]) - 1}: is listed twice".replace(
            "0-face", "vertex"
        ) in reason(joined(records[0], parts))
    parts = sections(copy.deepcopy(records))
    parts[0].append("1 2 4 b")
    assert (
        reason(joined(records[0], parts))
        == f"0-face {len(parts[0]) - 1}: belongs to no face above it"
    )


def test_a_face_listed_under_two_numbers() -> None:
    """Two cells that touch in a facet under two numbers are not joined by it, whatever the order of
    its edges.
    """
    records = honest("complex", "space")
    parts = sections(records)
    shared = next(
        i for i in parts[-1][0]["faces"] if sum(i in cell["faces"] for cell in parts[-1]) == 2
    )
    parts[2].append(parts[2][shared][::-1])
    parts[-1][0]["faces"][parts[-1][0]["faces"].index(shared)] = len(parts[2]) - 1
    assert "is listed twice" in reason(joined(records[0], parts))


def test_a_complex_on_one_side_of_a_wall_only() -> None:
    """Half of a square, with the hinge in its middle passed off as the edge of the domain."""
    records = honest("complex", "cross")
    parts = sections(records)
    half = [cell for cell in parts[-1] if int(cell["code"], 16) & 0x80]
    assert half
    parts[-1] = half
    assert "a region is missing" in reason(without_unused(records[0], parts))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("complete", False),
        ("kind", "cells"),
        ("maps", 1),
        ("regions", -1),
        ("faces", [1]),
        ("faces", [1, -1]),
    ],
)
def test_a_header_that_means_nothing(claim: str, value: object) -> None:
    records = honest("complex", "deep")
    records[0][claim] = value
    assert "header" in reason(records)


# ---- both kinds


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_another_domain(kind: str, name: str) -> None:
    records = honest(kind, name)
    for place in range(len(records[0]["domain"]["walls"])):
        for shift in (-1, 1):
            changed = copy.deepcopy(records)
            wall = [100 * x for x in numbers(changed[0]["domain"]["walls"][place])]
            wall[-1] += shift
            changed[0]["domain"]["walls"][place] = written(wall)
            assert verdict(changed).status is Status.REJECTED
    added = copy.deepcopy(records)
    added[0]["domain"]["walls"].append(written([1] * (records[0]["domain"]["dim"] + 1)))
    assert verdict(added).status is Status.REJECTED


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_other_weights(kind: str, name: str) -> None:
    """No weight can be changed under the name of the network, and with another name no hidden one
    that matters.
    """
    records, rejected = honest(kind, name), 0
    for b, block in enumerate(records[0]["network"]["blocks"]):
        for k, layer in enumerate(block["layers"]):
            for i, row in enumerate(layer["rows"]):
                for place in range(len(row.split())):
                    changed = copy.deepcopy(records)
                    values = numbers(row)
                    values[place] += 1
                    changed[0]["network"]["blocks"][b]["layers"][k]["rows"][i] = written(values)
                    assert (
                        reason(changed)
                        == "header: network_sha256 is not that of the weights in the file"
                    )
                    answer = verdict(renamed(changed))
                    assert answer.status is Status.REJECTED or name == "smooth" or is_true(changed)
                    rejected += answer.status is Status.REJECTED
    assert rejected


@pytest.mark.parametrize(("kind", "name"), [pair for pair in ALL if pair[1] != "smooth"])
def test_a_wrong_map(kind: str, name: str) -> None:
    records = honest(kind, name)
    for number in range(1 + sum(records[0]["faces"]), len(records)):
        for place in range(len(records[number]["map"])):
            changed = copy.deepcopy(records)
            text = numbers(changed[number]["map"][place])
            text[-1] += 1
            changed[number]["map"][place] = written(text)
            same = all(not any(numbers(row)) for row in records[number]["map"][1:])
            assert "map" in (verdict(changed).reason) or (place == 0 and same)


def test_maps_of_a_smooth_network() -> None:
    records = honest("facets", "smooth")
    records[0]["maps"] = True
    assert "smooth" in reason(records)


LAYER = ["network", "blocks", 0, "layers", 0]
UNREADABLE: list[tuple[list[Any], list[Any]]] = [
    (["network"], [[], None]),
    (["network", "input_dim"], [0, 3, "2", None]),
    (["network", "blocks"], [[], {}, [None]]),
    (["network", "blocks", 0, "layers"], [[], None]),
    (["network", "blocks", 0, "residual"], [True, 0, None]),
    ([*LAYER, "rows"], [[], None]),
    ([*LAYER, "rows", 0], ["1 2", 7, "1 2 1.5", None, ""]),
    ([*LAYER, "denominator"], ["0", "-1", "", "1 1", 1]),
    (
        [*LAYER, "activation"],
        [
            "Step()",
            "HardTanh(lo=1, hi=1)",
            "LeakyReLU(slope=1/0)",
            "GELU(approximate='none')",
            None,
        ],
    ),
    ([*LAYER, "activation"], ["LeakyReLU(slope=" + "1" * 5000 + ")"]),
    (["domain"], [None, []]),
    (["domain", "dim"], [0, 3, True]),
    (["domain", "cube"], [True, None]),
    (["domain", "walls"], ["1 0 1", None]),
    (["domain", "walls", 0], ["1 1", "1 1 1 1", None]),
    (["domain", "chart"], [None]),
    (["domain", "chart", "rows"], [["1 0 0"], [], ["1 0 0", "0 1 0", "0 0 0"]]),
    (["regions"], [True, 10**30, -1, None]),
    (["network_sha256"], [None, "0" * 64]),
    (["maps"], [None, 0]),
    (["complete"], ["yes", None]),
    (["faces"], [[1], None]),
    (["kind"], ["regions", None]),
]


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in UNREADABLE for value in values]
)
def test_headers_that_cannot_be_read(path: list[Any], value: object) -> None:
    records = honest("facets", "deep")
    place = records[0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert reason(records)


@pytest.mark.parametrize(
    "value",
    [None, 0, [], {}, "", "1", "1 1", "1 1 0", "1 1 -1", "1 1 1 1", "x y 1", 1.5, [1, 1, 1], True],
)
def test_entries_that_cannot_be_read(value: object) -> None:
    for name in ("witness", "code", "facets", "redundant", "map"):
        records = honest("facets", "deep")
        records[1][name] = value
        assert verdict(records).status is Status.REJECTED
    inner = next(
        k for k, facet in enumerate(honest("facets", "deep")[1]["facets"]) if facet[2] is not None
    )
    for place in range(3):
        records = honest("facets", "deep")
        records[1]["facets"][inner][place] = value
        assert verdict(records).status is Status.REJECTED
    for number in (1, sum(honest("complex", "deep")[0]["faces"]), -1):
        records = honest("complex", "deep")
        records[number] = value
        assert verdict(records).status is Status.REJECTED or is_true(records)


# ---- any single change: what is accepted is true


def is_true(records: list[Record]) -> bool:
    """Whether what an accepted certificate says is so, by another enumeration of what it speaks
    about.
    """
    records = renamed(records)
    answer = verdict(records)
    if answer.status is Status.REJECTED:
        return False
    own = partition(whole_in(records[0]), domain_in(records[0]), engine="lp_tree")
    if answer.status is Status.INCOMPLETE:
        codes = {row.tobytes().hex() for row in own.codes}
        return {record["code"] for record in records[1:] if isinstance(record, dict)} <= codes
    return answer.digest == own.digest and _maps_are_true(records, own)


def _maps_are_true(records: list[Record], own: Any) -> bool:
    if not records[0]["maps"]:
        return True
    maps = {own.codes[i].tobytes().hex(): own.regions[i].affine for i in range(len(own))}
    codes = codes_of(records)
    for number, record in enumerate(records):
        if number in codes:
            scale, *rows = record["map"]
            values = [[Fraction(x, int(scale, 16)) for x in numbers(row)] for row in rows]
            affine = maps[codes[number]]
            if values != [
                [*a, *b]
                for a, b in zip(affine.matrix.tolist(), affine.offset.tolist(), strict=True)
            ]:
                return False
    return True


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in nested lists and objects."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, entry in items:
        yield (*path, key)
        yield from leaves(entry, (*path, key))


def changed_value(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return draw(st.sampled_from([True, False, None, 0]))
    if isinstance(value, int):
        return value + draw(st.integers(-3, 3))
    if isinstance(value, str):
        words = value.split()
        place = draw(st.integers(0, max(0, len(words) - 1)))
        try:
            words[place] = f"{int(words[place], 16) + draw(st.integers(-2, 2)):x}"
        except (ValueError, IndexError):
            return value + "0"
        return " ".join(words).rjust(len(value) if " " not in value else 0, "0")
    if isinstance(value, list) and value:
        place, kind = (
            draw(st.integers(0, len(value) - 1)),
            draw(st.sampled_from(["drop", "repeat", "swap"])),
        )
        other = draw(st.integers(0, len(value) - 1))
        copied = list(value)
        if kind == "swap":
            copied[place], copied[other] = copied[other], copied[place]
        return {
            "drop": copied[:place] + copied[place + 1 :],
            "repeat": [*copied, copied[place]],
            "swap": copied,
        }[kind]
    return draw(st.sampled_from([[], {}, None, 0]))


@st.composite
def one_change(draw: st.DrawFn) -> list[Record]:
    """An honest certificate with one entry changed, left out or exchanged, and a fitting name of
    the network.
    """
    kind, name = draw(
        st.sampled_from([pair for pair in ALL if pair[1] not in ("smooth", "all of space")])
    )
    records = honest(kind, name)
    number = draw(st.integers(0, len(records) - 1))
    path = draw(st.sampled_from([(), *leaves(records[number])]))
    place, keys = records, [number, *path]
    for key in keys[:-1]:
        place = place[key]
    if draw(st.booleans()) and draw(st.booleans()):
        del place[keys[-1]]
    else:
        place[keys[-1]] = changed_value(draw, place[keys[-1]])
    return renamed(records)


@given(one_change())
def test_whatever_is_accepted_is_true(records: list[Record]) -> None:
    try:
        answer: Verdict = check.verify(signed(records))
    except InvalidInput:
        return
    assert answer.status is Status.REJECTED or is_true(records)


def test_networks_that_do_not_fit_together() -> None:
    """Seen before the sha256 is asked, which a forger would set right."""
    for key, value, said in (("residual", True, "does not fit"), ("layers", [], "no layer")):
        header = honest("facets", "deep")[0]
        header["network"]["blocks"][0][key] = value
        with pytest.raises(Rejected, match=said):
            CheckedNetwork.read(header["network"], DIALECT)
    header = honest("facets", "deep")[0]
    header["network"]["blocks"][0]["layers"][0]["rows"] = []
    with pytest.raises(Rejected, match="block 0, layer 1, row 0: 4 integers where 1 belong"):
        CheckedNetwork.read(header["network"], DIALECT)


def test_a_file_that_only_claims_to_be_packed(tmp_path: Path) -> None:
    place = tmp_path / "noise.jsonl.gz"
    place.write_bytes(b"no gzip at all")
    with pytest.raises(InvalidInput, match="no gzip file"):
        check.verify_file(place)
