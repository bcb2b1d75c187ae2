"""Files that are no certificates but traps: bombs, counts of nothing, and JSON that other readers
stumble over.
"""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exact import Box, Layer, Network, check, partition
from exact.arithmetic.numbers import Rational
from exact.check import Status, records
from exact.networks.layers import Block
from tests.exact import round_jobs
from tests.exact.forgeries import Record, signed, verdict
from tests.exact.test_check import honest, lines

MEGABYTE = 1 << 20
START = b'{"format":"exactlens-certificate-2","made_by":"'


def peak(act: Callable[[], check.Verdict]) -> tuple[check.Verdict, int]:
    """What is found, and how many bytes Python held at most on the way."""
    tracemalloc.start()
    try:
        return act(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [bytes(100 * MEGABYTE), START + b"a" * (100 * MEGABYTE), b"[" * (100 * MEGABYTE)],
    ids=["zeros", "a header without end", "brackets"],
)
def test_a_file_that_unpacks_to_a_huge_one(body: bytes, tmp_path: Path) -> None:
    place = tmp_path / "bomb.jsonl.gz"
    place.write_bytes(gzip.compress(body, 6))
    body_is_ours = body.startswith(START)
    del body
    answer, held = peak(lambda: check.verify_file(place))
    assert answer.status is Status.REJECTED
    assert (
        "unpacks to more than 64 times its size"
        if body_is_ours
        else "nor the start of a certificate"
    ) in answer.reason
    assert held < 50 * MEGABYTE


def test_a_header_beyond_all_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is not packed is read as far as a header may go, in memory in proportion to what
    is there.
    """
    place = tmp_path / "long.jsonl"
    monkeypatch.setattr(records, "ROOM", 1000)
    for start, said in (
        (START, "header: line 1 is longer than 5000 bytes"),
        (b"{", "neither a line nor the start"),
    ):
        place.write_bytes(start + b"a" * 20_000)
        monkeypatch.setattr(records, "LONGEST_LINE", 5000)
        answer = check.verify_file(place)
        assert answer.status is Status.REJECTED
        assert said in answer.reason
    place.write_bytes(b"".join(lines("facets", "deep")))
    monkeypatch.setattr(records, "ROOM", 100)
    monkeypatch.setattr(records, "LONGEST_LINE", 10**6)
    assert check.verify_file(place).status is Status.COMPLETE


def test_lines_that_repeat_themselves(tmp_path: Path) -> None:
    """What packs to nothing: the same vertex, edge, code or circle over and over; the second one
    ends it.
    """
    place = tmp_path / "bomb.jsonl.gz"
    vertices = honest("complex", "cross")[0]["faces"][0]
    for kind, changes, kept in (
        ("complex", {"faces": [10**7, 1]}, 1),
        ("complex", {"faces": [vertices, 10**7]}, 1 + vertices),
        ("facets", {"regions": 10**7}, 1),
    ):
        found = honest(kind, "cross")
        head = [
            json.dumps(record).encode() + b"\n"
            for record in [found[0] | changes, *found[1 : kept + 1]]
        ]
        place.write_bytes(gzip.compress(b"".join(head) + head[-1] * 200_000))
        answer, held = peak(lambda: check.verify_file(place))
        assert answer.status is Status.REJECTED
        assert "twice" in answer.reason or "the code is that of region 0" in answer.reason
        assert held < 8 * MEGABYTE


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("complex", {"faces": [10**12, 17]}, "vertex 13"),
        ("complex", {"faces": [13, 10**12]}, "1-face 19"),
        ("complex", {"regions": 10**12}, ""),
        ("facets", {"regions": 10**12}, "region 7"),
        ("curve", {"regions": 10**12}, ""),
        ("codes", {"regions": 10**12}, ""),
        ("sphere", {"regions": 10**12}, "more vertices or cells than so many circles make"),
        ("sphere", {"regions": 10**12, "circles": 10**12, "vertices": 10**12}, ""),
        ("sphere", {"bridges": 10**12}, "bridge"),
        ("sphere", {"vertices": 10**12}, "more vertices or cells"),
        ("facets", {"network": {"input_dim": 10**12}}, ""),
        ("facets", {"domain": {"dim": 10**12}}, ""),
    ],
)
def test_counts_of_what_is_not_there(kind: str, changes: dict[str, Any], said: str) -> None:
    if kind in ("complex", "facets"):
        found = honest(kind, "cross")
    else:
        found = round_jobs.honest(
            kind, {"curve": "corners", "sphere": "caps", "codes": "octahedron, 7"}[kind]
        )
    for key, value in changes.items():
        found[0][key] = {**found[0][key], **value} if isinstance(value, dict) else value
    if "network" in changes:
        found[0]["network_sha256"] = ""
    whole = signed(found)
    answer, held = peak(lambda: check.verify(whole))
    assert answer.status is Status.REJECTED
    assert said in answer.reason
    assert held < 4 * MEGABYTE


def test_a_line_that_is_too_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The header may be as long as a network is large, what follows as long as numbers made of
    it.
    """
    whole = list(lines("facets", "deep"))
    monkeypatch.setattr(records, "LONGEST_LINE", len(whole[0]) - 1)
    assert check.verify(whole).reason == f"header: line 1 is longer than {len(whole[0]) - 1} bytes"
    monkeypatch.setattr(records, "LONGEST_LINE", 10**6)
    monkeypatch.setattr(records, "ROOM", 100)
    assert check.verify(whole).status is Status.COMPLETE
    limit = 100 + 64 * 3 * len(whole[0])
    padded = [whole[0], whole[1][:-1] + b" " * limit + b"\n", *whole[2:]]
    assert check.verify(padded).reason == f"region 0: line 2 is longer than {limit} bytes"
    (tmp_path / "long.jsonl").write_bytes(b"".join(padded))
    assert (
        check.verify_file(tmp_path / "long.jsonl").reason
        == f"region 0: line 2 is longer than {limit} bytes"
    )


ODD = {
    "nested deeply": b"[" * 10**5 + b"]" * 10**5,
    "nested less deeply": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a huge integer": b"1" * 10**5,
    "a negative one": b"-" + b"9" * 10**5,
    "no UTF-8": b'"\xff\xfe"',
    "another encoding": '{"code": "00"}'.encode("utf-16"),
    "a mark of order": b"\xef\xbb\xbf{}",
    "not a number": b"NaN",
    "infinity": b"[Infinity, -Infinity]",
    "a key twice": b'{"code": "00", "code": "00"}',
    "half a character": b'{"code": "\\ud800", "\\udfff": 0}',
    "a newline in a name": b'{"\\n\\u2028": "\\u0000"}',
    "a huge exponent": b"[1e999, -1e999, 1e-999]",
    "nothing": b"",
    "null": b"null",
    "two values": b"{} {}",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_json_in_a_record(name: str) -> None:
    for kind, job in (("facets", "deep"), ("complex", "deep")):
        whole = list(lines(kind, job))
        for i in (1, len(whole) // 2, len(whole) - 1):
            answer = check.verify([*whole[:i], ODD[name] + b"\n", *whole[i + 1 :]])
            assert answer.status is Status.REJECTED
            assert plain(answer.reason)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    "key", ["kind", "network", "domain", "network_sha256", "regions", "faces", "\\ud800", "maps"]
)
def test_odd_json_in_the_header(name: str, key: str) -> None:
    header = json.dumps(honest("facets", "deep")[0] | {"format": check.FORMAT}).encode()
    odd = header[:-1] + b', "' + key.encode() + b'": ' + (ODD[name] or b'""') + b"}\n"
    missing = json.dumps(
        {k: v for k, v in honest("facets", "deep")[0].items() if k != key}
    ).encode()
    other = missing[:-1] + b', "' + key.encode() + b'": ' + (ODD[name] or b'""') + b"}\n"
    for line in (odd, other):
        answer = check.verify([line, *lines("facets", "deep")[1:]])
        assert answer.status is Status.REJECTED
        assert plain(answer.reason)


def plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and 0 < len(text) <= 300


@pytest.mark.parametrize(
    "text",
    ["0x1", "1_0", "+1", "A", "\u0661", "1\u00a01", "1\n1", "--1", "- 1", "-", "1.5", "\ud800"],
)
def test_numbers_are_written_in_one_way(text: str) -> None:
    found = honest("facets", "line")
    found[1]["witness"] = f"{text} 1"
    assert verdict(found).reason == "region 0, witness: not a list of integers in base 16"


def test_what_is_quoted_is_shortened() -> None:
    def changed(change: Callable[[Record], Any]) -> str:
        found = honest("facets", "deep")
        change(found)
        return verdict(found).reason

    assert plain(changed(lambda found: found[1].update({"\ud800\n" * 1000: 0})))
    assert plain(changed(lambda found: found[1]["facets"][0].__setitem__(2, 10**4000)))
    assert plain(changed(lambda found: found[0].update(kind="\ud800")))


@pytest.mark.parametrize("digits", [4301, 20000])
def test_numbers_of_many_digits(digits: int) -> None:
    """Python writes no integer of so many digits in base 10: the checker does, where a sha256 is
    over them.
    """
    long = Rational(10**digits + 1, 10**digits)
    network = Network((Block((Layer.of([[long]], [0]), Layer.of([[1]], [long]))),))
    assert partition(network, Box(-1, 1, dim=1)).check().status is Status.COMPLETE
