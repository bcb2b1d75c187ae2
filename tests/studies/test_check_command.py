"""`exactlens check` and `exactlens partition --certificate`: proofs from run to verdict, and their
exit codes.
"""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from studies import cli
from tests.exact.forgeries import records_of, signed


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs moons and xor, and normed, which has a norm behind an embedding."""
    folder = tmp_path_factory.mktemp("trained")
    for task in ("moons", "xor"):
        words = (
            f"train --task {task} --norm none --widths 4 3 --steps 20 --name {task} --out "
            f"{folder / 'runs'}"
        )
        assert cli.run(words.split()) == 0
    words = (
        f"train --task moons --norm layernorm --widths 4 --steps 20 --name normed --out "
        f"{folder / 'runs'}"
    )
    assert cli.run(words.split()) == 0
    return folder


@pytest.fixture
def call(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Call]:
    """Run a command line in a fresh folder that holds the trained runs."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> Outcome:
        capfd.readouterr()
        return Outcome(cli.run(shlex.split(line)), *capfd.readouterr())

    yield run


@pytest.mark.parametrize("name", ["moons.jsonl", "moons.jsonl.gz"])
def test_from_run_to_verdict(call: Call, name: str) -> None:
    written = call(f"partition moons --box -1 1 --certificate {name}")
    assert written.code == 0
    assert f"certificate written to {name}; verify it with exactlens check {name}" in written.out
    found = call(f"check {name} --run moons")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith(f"{name}: verified, complete\n  regions ")
    digest = next(
        line.split()[1] for line in written.out.splitlines() if line.startswith("  digest")
    )
    assert f"  digest   {digest}\n" in found.out
    assert call(f"check {name}").out == found.out


@pytest.mark.parametrize(
    ("line", "kind", "proof"),
    [
        (
            "partition moons --segment 0,0 1,1",
            "curve",
            "cuts, in which no hinge of any layer changes its sign",
        ),
        (
            "partition normed --sphere",
            "curve",
            "; the network is that of the run from its norm on, --from-block 1",
        ),
        ("partition moons --sphere --radius-squared 1", "curve", "cuts, in which no hinge"),
    ],
)
def test_lines_and_circles(call: Call, line: str, kind: str, proof: str) -> None:
    written = call(f"{line} --certificate a.jsonl.gz")
    assert (written.code, written.err) == (0, "")
    found = call(f"check a.jsonl.gz --run {line.split()[1]}")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("a.jsonl.gz: verified, complete\n  regions ")
    assert proof in found.out
    assert (
        json.loads(gzip.decompress(Path("a.jsonl.gz").read_bytes()).split(b"\n")[0])["kind"] == kind
    )


def test_the_header_says_what_made_it(call: Call) -> None:
    call("partition moons --box -1 1 --engine lp_tree --codes-only --certificate a.jsonl")
    header = json.loads(Path("a.jsonl").read_bytes().split(b"\n")[0])
    assert (header["kind"], header["maps"], header["made_by"]["engine"]) == (
        "facets",
        False,
        "lp_tree",
    )
    assert {"version", "command", "weights_sha256"} <= header["made_by"].keys()
    assert "without maps" in call("check a.jsonl").out


def test_the_certificate_of_another_run(call: Call) -> None:
    call("partition moons --box -1 1 --certificate moons.jsonl")
    found = call("check moons.jsonl --run xor")
    assert found.code == 4
    assert (
        "moons.jsonl: rejected\n  reason   the certificate speaks of another network than xor"
        in found.out
    )


def test_a_partial_result(call: Call) -> None:
    assert (
        call(
            "partition moons --box -1 1 --engine lp_tree --budget-regions 2 --certificate "
            "part.jsonl"
        ).code
        == 3
    )
    found = call("check part.jsonl")
    assert found.code == 3
    assert found.out.startswith("part.jsonl: verified, but not complete\n  regions  at least 2")


def test_a_forged_file_is_rejected_in_one_line(call: Call) -> None:
    call("partition moons --box -1 1 --engine lp_tree --certificate a.jsonl")
    records = records_of(Path("a.jsonl").read_bytes().splitlines(keepends=True))
    records[1]["witness"] = "7f 7f 1"
    Path("a.jsonl").write_bytes(b"".join(signed(records)))
    found = call("check a.jsonl")
    assert (found.code, found.err) == (4, "")
    assert found.out.splitlines()[0] == "a.jsonl: rejected"
    assert found.out.splitlines()[1].startswith(
        "  reason   region 0: the witness is not strictly inside wall "
    )
    assert len(found.out.splitlines()) == 2


def test_a_truncated_file_is_rejected(call: Call) -> None:
    call("partition moons --box -1 1 --certificate a.jsonl.gz")
    content = Path("a.jsonl.gz").read_bytes()
    Path("a.jsonl.gz").write_bytes(content[:-20])
    Path("b.jsonl").write_bytes(gzip.decompress(content)[:-20])
    for name in ("a.jsonl.gz", "b.jsonl"):
        found = call(f"check {name}")
        assert found.code == 4
        assert "truncated" in found.out


def test_a_bomb_is_rejected_in_one_line(call: Call) -> None:
    """What unpacks to a multiple of its size that no certificate has is not read to its end."""
    for number, body in enumerate(
        (bytes(10**8), b'{"format":"exactlens-certificate-2","made_by":"' + b"a" * 10**8)
    ):
        Path(f"{number}.jsonl.gz").write_bytes(gzip.compress(body))
        found = call(f"check {number}.jsonl.gz")
        assert (found.code, found.err, len(found.out.splitlines())) == (4, "", 2)
        assert (
            "times its size" in found.out
            if number
            else "neither a line nor the start of a certificate" in found.out
        )


def test_a_certificate_of_the_first_format(call: Call) -> None:
    old = Path(__file__).parents[1] / "exact" / "certificates_of_format_1" / "circle.jsonl"
    shutil.copy(old, "old.jsonl")
    found = call("check old.jsonl")
    assert (found.code, found.err) == (0, "")
    assert (
        ", in the file c5320a8e5dcd8fe74f3412dc2cf8208a74947a975f3ab5088e1602f7ed7492d6\n"
        in found.out
    )
    shutil.copy(old, b"\xff.jsonl")
    assert cli.run(["check", os.fsdecode(b"\xff.jsonl")]) == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("check absent.jsonl", "no such file; got absent.jsonl"),
        ("check runs", "a folder, not a file; got runs"),
        ("check other.json", "the file is not a certificate; got another format"),
        ("check", "missing argument 'FILE'"),
        ("check a.jsonl --run absent", "there is no run or checkpoint of that name"),
        ("partition moons --box -1 1 --certificate a.txt", "the output file has an unknown suffix"),
        (
            "partition moons --box -1 1 --certificate no/a.jsonl",
            "the folder of the output does not exist",
        ),
        ("partition normed --norm-ball --certificate b.jsonl", "a ball has no certificate"),
    ],
)
def test_mistakes_cost_one_line(call: Call, line: str, said: str) -> None:
    call("partition moons --box -1 1 --certificate a.jsonl")
    Path("other.json").write_text('{"format": "exactlens-partition-1"}\n')
    before = sorted(Path().rglob("*"))
    found = call(line)
    assert found.code == 2
    assert len(found.err.splitlines()) == 1
    assert said in found.err
    assert sorted(Path().rglob("*")) == before
