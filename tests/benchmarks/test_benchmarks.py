"""The benchmarks run, count right, and say so when somebody counts wrong."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import (
    acasxu,
    cores,
    degenerate,
    float_tree,
    instruments,
    many_networks,
    measure,
    opponents,
    region_quantities,
    slices,
    spheres,
    tables,
    toy_ensembles,
)
from benchmarks.jobs import QUICK, SUITES, Job, layers, problem, shape, truths
from exact import Box, GreatCircle, Segment, holds, partition
from exact.sources import nnet
from studies.enumerated_toys import random_toy
from studies.instruments_on_toys import INSTRUMENTS, Compared
from tests.exact.test_output_sets import acas_like
from toy_models import ModelConfig, TrainConfig

JOBS = [job for suite in SUITES.values() for job in suite]
NOWHERE = Path("/nonexistent/python")


def test_a_quick_run_writes_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--quick",
        "--nets",
        "2: 6-4",
        "braid-4",
        "--threads",
        "1",
        "--results",
        str(tmp_path),
    ]
    with mock.patch.object(opponents, "PYTHON", NOWHERE):
        assert command.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "1 threads" in printed
    rows = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]
    assert [
        (row["job"]["net"], row["ours"]["regions"]) for row in rows if row["job"]["device"] == "cpu"
    ] == [("2: 6-4", 27), ("2: 6-4", 53), ("braid-4", 24)]
    assert all(
        row["ours"]["complete"] and row["ours"]["peak_mb"] >= row["ours"]["before_mb"] > 50
        for row in rows
    )
    assert [row["highs"]["regions"] for row in rows if "highs" in row] == [27, 53]
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| 2: 6-4 | space |" in page
    assert "| 2: 6-4 | box | highs | 27 |" in page


@pytest.mark.parametrize("net", ["1: 5", "2: 5-4", "3: 5", "2: 4x3"])
@pytest.mark.parametrize("domain", ["box", "space"])
def test_the_float_tree_counts_what_is_there(net: str, domain: str) -> None:
    network, where, _ = problem(Job("quick", net, domain))
    assert float_tree.count(layers(net), domain == "box", 60.0) == (
        len(partition(network, where)),
        True,
    )


def test_the_float_tree_keeps_its_time() -> None:
    found, complete = float_tree.count(layers("2: 64-64-64"), True, 0.2)
    assert not complete
    assert found < 4_066


def test_the_networks_are_those_of_the_names() -> None:
    assert shape("2: 8x10") == (2, (8,) * 10)
    assert shape("5: 16-24") == (5, (16, 24))
    assert [weight.shape for weight, _ in layers("3: 8-5")] == [(8, 3), (5, 8), (1, 5)]
    assert len(partition(*problem(Job("peers", "2: 16-16"))[:2])) == 101


def test_every_job_is_known() -> None:
    assert {job.net for job in JOBS if not job.is_random} <= truths().keys()
    assert len(set(JOBS)) == len(JOBS)
    assert {job.suite for job in QUICK} == {"quick"}


def test_a_wrong_count_is_an_error() -> None:
    job = Job("quick", "braid-3", "space")
    assert measure.measure(job)["regions"] == 6
    broken = truths() | {"braid-3": truths()["braid-3"] | {"counts": {"region_count": 7}}}
    with (
        mock.patch("benchmarks.jobs.truths", lambda: broken),
        pytest.raises(AssertionError, match="6 regions"),
    ):
        measure.measure(job)


def test_an_engine_that_refuses_is_a_row() -> None:
    refused = measure.measure(Job("quick", "2: 3-3", engine="circle"))
    assert "circle" in refused["refused"]
    assert (
        tables.columns({"job": vars(Job("quick", "2: 3-3", engine="circle")), "ours": refused})[3]
        == "refused"
    )


@pytest.mark.parametrize(("net", "cells"), [("2: 9", 18), ("3: 9", 74), ("4: 6", 52)])
def test_jobs_on_spheres(net: str, cells: int) -> None:
    """The wide sphere is cut by all planes and all their intersections: 2 sum over i <= k of C(m-1,
    i) cells.
    """
    job = Job("quick", net, "sphere")
    assert job.is_round
    row = spheres.measure(job)
    assert (row["regions"], row["complete"]) == (cells, True)
    assert row["digest"] == partition(*spheres.problem(job)).digest
    assert row["peak_mb"] >= row["before_mb"] > 50


def test_a_batch_of_geodesics_counts_the_cells_of_all_circles() -> None:
    job = Job("quick", "6: 9", "7 geodesics")
    network, u, v = spheres.geodesics(job)
    each = [len(partition(network, GreatCircle(a, b))) for a, b in zip(u, v, strict=True)]
    row = spheres.measure(job)
    assert (len(each), row["regions"]) == (7, sum(each))
    assert row["product"] > 0


def test_a_batch_of_segments_counts_the_cells_of_all() -> None:
    for net in ("6: 9", "6: 9x2"):
        job = Job("quick", net, "7 segments")
        network, u, v = spheres.geodesics(job)
        each = [len(partition(network, Segment(a, b))) for a, b in zip(u, v, strict=True)]
        assert network.has_norm == (net == "6: 9")
        assert spheres.measure(job)["regions"] == sum(each)


def test_spheres_have_a_table_of_their_own() -> None:
    job = vars(Job("spheres", "3: 64", "sphere"))
    ours = {
        "regions": 4000,
        "seconds": 0.01,
        "engine": "e",
        "kind": "cells",
        "complete": False,
        "filter_share": 0.5,
        "abstained": 1234,
        "peak_mb": 400.0,
        "compiling": 2.0,
        "product": 0.002,
    }
    flat = {"job": vars(Job("quick", "2: 3-3")), "ours": {"refused": "no"}}
    refused = {"job": job, "ours": {"refused": "no engine"}}
    head, line, other = spheres.table([{"job": job, "ours": ours}, flat, refused])
    assert line == [
        "3: 64",
        "sphere",
        "e",
        "4,000 cells (stopped)",
        "0.01",
        "2.5",
        "50.0000 %",
        "1,234",
        "5.0",
        "400",
        "2.0",
    ]
    assert other[3] == "refused"
    assert len(head) == len(line) == len(other)
    assert len(tables.regions([flat, refused])) == 2
    assert "## Spheres" in tables.page([refused], "")


def test_codes_are_not_written_out_when_they_are_too_large() -> None:
    found = partition(*spheres.problem(Job("quick", "3: 9", "sphere")))
    with mock.patch.object(spheres, "LARGEST_CODES", 10):
        assert spheres.of_partition(found)["digest"] is None


def test_disagreement_and_failure_are_faults() -> None:
    job = vars(Job("quick", "2: 3-3"))
    ours, same = {"regions": 5, "complete": True}, {"regions": 5, "complete": True}
    for other, count in (
        (same, 0),
        (same | {"regions": 6}, 1),
        ({"regions": 3, "complete": False}, 0),
    ):
        assert len(command.wrong([{"job": job, "ours": ours, "highs": other}])) == count
    assert command.wrong([{"job": job, "ours": {"failed": "killed"}}]) == ["2: 3-3 (box): killed"]


def test_a_program_that_fails_or_hangs_is_reported() -> None:
    python = command.sys.executable
    assert opponents.last_line([python, "-c", "print('{\"a\": 1}')"], 30.0) == {"a": 1}
    assert opponents.last_line([python, "-c", "raise ValueError('no licence')"], 30.0) == {
        "failed": "ValueError: no licence"
    }
    assert (
        "0 s" in opponents.last_line([python, "-c", "import time; time.sleep(60)"], 0.3)["failed"]
    )


def test_ratios_and_rates() -> None:
    assert tables.rate({"regions": 100, "seconds": 4.0}) == 25.0
    assert tables.rate({"failed": "killed"}) is None
    assert tables.ratio(3000.0, 2.0) == "1,500"
    assert tables.ratio(None, 2.0) == ""
    row = {
        "job": vars(Job("growth", "2: 64", "space")),
        "ours": {
            "regions": 1000,
            "seconds": 0.01,
            "engine": "e",
            "limits": {"product": 0.001, "codes": 0.001},
        },
    }
    assert tables.growth([row])[1] == ["2: 64", "e", "1,000", "0.01", "10.0", "2.0", "5.0"]


def test_instruments_are_judged_and_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "instruments.md"
    given = ["instruments", "--width", "6", "16", "--rows", "12", "--rounds", "1"]
    given += ["--page", str(page), "--only", "network.codes", "expected_crossings", "map_change"]
    toys = [random_toy("none", "0", (5,), 1), random_toy("rms", "1/10", (5,), 2)]
    with mock.patch.object(instruments, "toys", lambda: toys):
        assert command.main(given) == 0
        text = page.read_text()
        assert "one layer 6 -> 16 behind" in text
        assert "| network.codes | 2 | 400 | 0 | 12 vectors |" in text
        assert "| expected_crossings | 1 | 1 | 0 | all neurons |" in text
        assert "| map_change | 1 |" in text
        with mock.patch.dict(INSTRUMENTS, {"network.codes": lambda toy: [True, False]}):
            assert command.main(given[:-2]) == 1
    assert "| network.codes | 2 | 4 | 2 |" in page.read_text()
    assert "network.codes" in capsys.readouterr().out
    assert platform.machine() in text and f"{torch.get_num_threads()} threads" in text


def test_instruments_are_timed_in_turn_or_not_at_all(tmp_path: Path) -> None:
    """At the least size of all loads; and no time is spent where nothing could be written."""
    page = tmp_path / "instruments.md"
    given = ["--width", "6", "16", "--rows", "1", "--rounds", "1", "--page", str(page)]
    toys = [random_toy("rms", "1/10", (5,), 2)]
    with (
        mock.patch.object(instruments, "toys", lambda: toys),
        mock.patch.object(instruments, "judged", lambda *_: Compared(("one",), 1, 0)),
    ):
        assert instruments.main(given) == 0
        rows = [line.split(" | ") for line in page.read_text().splitlines() if line[:2] == "| "]
        assert [row[0][2:] for row in rows] == ["instrument", *INSTRUMENTS]
        for name, *_, batch, bare, own, ratio in rows[1:]:
            filled = [bool(x.strip(" |")) for x in (batch, bare, own, ratio)]
            assert filled == [name[2:] in instruments.LOADS] * 4
        with pytest.raises(SystemExit):
            instruments.main([*given, "--page", str(tmp_path / "no" / "page.md")])


def test_ensembles_are_timed_beside_one_toy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(toy_ensembles, "WIDTHS", ((3,), (3, 2)))
    assert toy_ensembles.main(["--toys", "2", "--steps", "2", "--repeats", "1"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["norm", "widths"]
    told = [row.split()[:2] for row in rows]
    assert told == [[norm, widths] for norm in toy_ensembles.NORMS for widths in ("3", "3-2")]
    config = TrainConfig(steps=10, batch_size=7, model=ModelConfig((3, 4)))
    each = 2 * 2 * 3 + 3 * (3 * 4 + 4 * 2)
    assert toy_ensembles.products(config, 5, 2.0) == 5 * 10 * 7 * each / 2


def test_quantities_are_timed_in_turn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """This tree against itself, in processes of their own; a folder without a tree is refused."""
    given = [
        "quantities",
        "--nets",
        "2: 4",
        "--repeats",
        "1",
        "--old",
        str(Path(__file__).resolve().parents[2]),
    ]
    assert command.main(given) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if "2: 4" in line]
    names = [row[3].strip() for row in rows[: len(region_quantities.QUANTITIES)]]
    assert names == list(region_quantities.QUANTITIES)
    assert all(cell.strip() for row in rows for cell in row[1:-1])
    with pytest.raises(SystemExit):
        command.main(["quantities", "--old", str(tmp_path)])
    assert "has no folder exact" in capsys.readouterr().err


def test_regions_are_asked_one_by_one_where_there_are_no_arrays() -> None:
    net, dim = region_quantities._network("2: 4")
    found = partition(net, Box(-1, 1, dim=dim))
    arrays, singly = region_quantities._by_arrays(), region_quantities._one_by_one()
    assert set(singly) < set(arrays) == set(region_quantities.QUANTITIES)
    for name in ("different maps", "linear pieces"):
        assert arrays[name](found, []) == singly[name](found, [])
    volumes = singly["volumes"](found, [0, 1])
    assert [float(x) for x in volumes] == pytest.approx(found.volumes_float[:2])


def test_acas_xu_boxes_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(acasxu, "BOXES", {"3": acasxu.BOXES["3"]})
    net = nnet.read(acas_like(tmp_path, 50.0))
    assert acasxu.main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [[x.strip() for x in line.split("|")[1:-1]] for line in lines if "like" in line]
    assert [row[:4] for row in rows] == [
        ["like", name, f"{len(partition(net.network, net.box(*box))):,}", "complete"]
        for name, box in acasxu.BOXES.items()
    ]


def test_acas_xu_properties_are_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ways give one answer, and the table says how much each looked at."""
    monkeypatch.setattr(acasxu, "CONDITIONS", {2: "1 and 2", 3: "3"})
    net = nnet.read(acas_like(tmp_path, 50.0))
    assert acasxu.main([str(tmp_path), "--conditions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [[x.strip() for x in line.split("|")[1:-1]] for line in lines if "like" in line]
    assert [row[1] for row in rows] == ["2", "3"]
    for row, name in zip(rows, ("1 and 2", "3"), strict=True):
        condition, _ = acasxu.asked(net, int(row[1]))
        box = net.box(*acasxu.BOXES[name])
        assert row[2] == holds(net.network, box, condition).verdict.value
        assert row[3] == f"{len(partition(net.network, box)):,}"
        assert len(row) == acasxu.ASKED.count("|") - 1


def test_threads_are_timed_in_turn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cores.main(["3: 8-8", "--threads", "1", "2"]) == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("| 3: 8-8")]
    rows = [[x.strip() for x in line.split("|")[1:-1]] for line in lines]
    found = partition(problem(Job("cores", "3: 8-8"))[0], Box(-1, 1, dim=3))
    assert [row[:3] for row in rows] == [["3: 8-8", k, f"{len(found):,}"] for k in "12"]
    assert rows[0][6] == "1.00" and 1.0 <= float(rows[1][6]) <= 2.0
    digests = iter("ab")
    told = {**cores.measured("2: 3", 1)}
    monkeypatch.setattr(
        cores.subprocess,
        "run",
        lambda *given, **more: mock.Mock(stdout=json.dumps({**told, "digest": next(digests)})),
    )
    assert cores.main(["2: 3", "--threads", "1", "2"]) == 1


def test_acas_xu_files_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        acasxu.main([str(tmp_path)])
    assert "has no .nnet file" in capsys.readouterr().err


def test_degenerate_networks_are_told_beside_generic_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {kind: {3: ((4, 4),)} for kind in degenerate.WIDTHS}
    monkeypatch.setattr(degenerate, "WIDTHS", small)

    def told(tree: Path, only: str) -> list[dict[str, Any]]:
        degenerate.work(only)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    monkeypatch.setattr(degenerate, "in_tree", told)
    assert degenerate.main([".", "--only", "space", "--rounds", "1"]) == 0
    out = capsys.readouterr().out
    assert all(f"| {kind} | 3: 4-4 space | " in out for kind in small)
    rows = told(Path(), "box")
    slow = [{**row, "us": 2 * row["us"], "answer": "another"} for row in rows]
    assert {line[-1] for line in degenerate.table(slow, rows)[1:]} == {"DIFFER"}


def test_many_networks_are_told_with_their_share_of_one_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(many_networks, "in_tree", lambda tree, only, count: told(only, count))

    def told(only: str, count: int) -> list[dict[str, Any]]:
        many_networks.work(only, count)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert many_networks.main(["--only", "8-8-8", "--nets", "2", "--rounds", "1"]) == 0
    assert "| 2: 8-8-8 integers | " in capsys.readouterr().out
    (row,) = told("16-16 triangle", 3)
    assert row["share"] == 1.0 and row["many"] > 0 and row["cells"] > 20
    old = {row["shape"]: {**row, "seconds": 3 * row["seconds"]}}
    assert many_networks.table(old, {row["shape"]: row})[1][-2:] == ["3.0", "the same"]
    old[row["shape"]]["answer"] = "another"
    assert many_networks.table(old, {row["shape"]: row})[1][-1] == "DIFFER"


def test_windows_of_a_convolutional_network_and_dense_planes_are_timed() -> None:
    row = slices.window("1/400", 0)
    assert row["cells"] > 1 and row["pairs"] >= row["cells"] - 1 and row["exact"] == 0
    assert "cells cut in integers" in slices.line("1/400", row)
    assert slices.dense("2: 6-4", 1)["cells"] == 27
    assert "slice_graph" in slices.line("2: 6-4", slices.dense("2: 6-4", 1))
