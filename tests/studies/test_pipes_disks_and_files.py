"""What goes on around a command: readers that go away, disks that are full, others that write the
same, files for runs.
"""

from __future__ import annotations

import ast
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import safetensors.numpy
import typer

from exact import Box, load, partition
from exact.sources import torch_modules, weight_files
from studies import cli, command_line
from studies.runs import building
from studies.study import run as run_study
from tests.exact.portable_jobs import network
from toy_models.checkpoints import Provenance, save
from toy_models.checkpoints import load as load_checkpoint
from toy_models.models import ModelConfig, initialised

ROOT = Path(__file__).resolve().parents[2]
TOO_LARGE = r"error: File too large; got \S+; raise the limit on the size of files \(ulimit -f\)\n"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    for words in ("--norm none --widths 4", "--norm layernorm --widths 5"):
        assert (
            cli.run(["train", *words.split(), "--steps", "5", "--out", str(folder / "runs")]) == 0
        )
    return folder


@pytest.fixture
def call(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Call:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> Outcome:
        capfd.readouterr()
        return Outcome(cli.run(shlex.split(line)), *capfd.readouterr())

    return run


def started(line: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "studies.cli", *line.split()],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


# ---- readers that go away


def test_a_pipe_that_closes_loses_no_file(call: Call, tmp_path: Path) -> None:
    """As `| head -1` does it: the reader is gone before anything is printed."""
    process = started(
        "partition moons-none --box -1 1 --certificate F.jsonl --out G.json", tmp_path
    )
    process.stdout.close()
    assert process.wait(120) == 141
    assert process.stderr.read() == ""
    assert call("check F.jsonl --run moons-none").code == 0
    assert json.loads(Path("G.json").read_text())["result"]["outcome"] == "complete"


def ended(line: str, stream: str | int, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of the program, its output going to a file or a descriptor."""
    with open(stream, "w") as output, pytest.raises(SystemExit) as raised:
        monkeypatch.setattr(sys, "argv", ["exactlens", *shlex.split(line)])
        monkeypatch.setattr(sys, "stdout", output)
        cli.main()
    return raised.value.code


def test_an_output_that_is_full_loses_no_file_and_is_told(
    call: Call, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ended("graph moons-none --box -1 1 --out g.json", "/dev/full", monkeypatch) == 2
    wanted = (
        "error: No space left on device; got standard output; free some space, or write to "
        "another disk\n"
    )
    assert capfd.readouterr().err == wanted
    assert json.loads(Path("g.json").read_text())["nodes"]


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "train --steps 5 --name new",
        "graph moons-none --box -1 1 --out g.json",
        "draw moons-none",
        "partition moons-none --box -1 1 --budget-regions 2",
    ],
)
def test_every_command_ends_well_without_a_reader(
    line: str, call: Call, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert ended(line, writer, monkeypatch) == 141
    assert capfd.readouterr().err == ""


def test_whoever_prints_goes_on_when_nobody_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        outlet = cli.Outlet(stream)
        for _ in range(3):
            assert outlet.write("a line\n") == 7
            outlet.flush()
    assert isinstance(outlet.failure, BrokenPipeError)
    assert outlet.encoding == stream.encoding


# ---- disks that are full


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITERS = [
    "train --steps 5 --widths 3 --name fresh",
    "train --steps 5 --widths 3 --name fresh --out new/root",
    "train --steps 5 --widths 3 --name moons-none --force",
    "partition moons-none --box -1 1 --out p.json",
    "partition moons-none --box -1 1 --certificate c.jsonl",
    "partition moons-layernorm --sphere --out p.json --show 0",
    "graph moons-none --box -1 1 --out g.json",
    "graph moons-none --box -1 1 --out g.graphml",
    "draw moons-none",
    "draw moons-none --out new/figures",
]


@pytest.mark.parametrize("line", WRITERS)
def test_a_full_disk_costs_one_line_and_leaves_nothing(
    line: str, call: Call, tmp_path: Path
) -> None:
    """By the limit on the size of files, which needs no disk to be full and no privilege."""
    before = tree(tmp_path)
    with files_of_at_most(1500):
        result = call(line)
    assert result.code == 2
    assert re.fullmatch(TOO_LARGE, result.err)
    assert tree(tmp_path) == before


def test_a_full_disk_leaves_no_study(call: Call, tmp_path: Path) -> None:
    before = tree(tmp_path)
    with pytest.raises(OSError, match="File too large"), files_of_at_most(1500):
        run_study(
            "mine", root=tmp_path / "runs", questions=[], prepare=lambda folder, **_: _nothing()
        )
    assert tree(tmp_path) == before


def _nothing() -> object:
    class Nothing:
        all_toys = ()
        language = ()
        trainings = ()

    return Nothing()


def test_a_folder_that_may_not_be_written_costs_one_line(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so that the refusal is made here."""

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", "locked")

    monkeypatch.setattr("studies.storage.write_atomically", refuse)
    result = call("partition moons-none --box -1 1 --out p.json --show 0")
    assert (result.code, result.err) == (
        2,
        "error: Permission denied; got locked; check the path and its permissions\n",
    )


# ---- others that write the same


def test_two_trainings_of_one_name_do_not_destroy_each_other(call: Call, tmp_path: Path) -> None:
    """This process makes a run; another one that wants to is told at once, and the run is whole at
    the end.
    """
    with building(Path("runs"), "same", replace=False) as folder:
        save(
            folder.parent,
            "same",
            initialised(ModelConfig(widths=(4,), input_dim=2, output_dim=2), 0),
            Provenance.untrained(),
            overwrite=True,
        )
        second = started("train --steps 5 --name same", tmp_path)
        _, err = second.communicate(timeout=120)
    assert second.returncode == 2
    told = (
        rf"error: the run runs/same is being written by another process; got process "
        rf"{os.getpid()} on \S+, since \S+; "
    )
    assert re.fullmatch(told + r"wait for it, or choose --name\n", err)
    assert load_checkpoint("runs/same").model.config.widths == (4,)
    assert sorted(os.listdir("runs")) == ["moons-layernorm", "moons-none", "same"]


# ---- files for runs


def test_a_saved_partition_is_a_network_for_every_command(call: Call, tmp_path: Path) -> None:
    found = partition(network(2, 4, 1), Box(-1, 1, dim=2))
    found.save(tmp_path / "net.safetensors")
    result = call("partition net.safetensors --box -1 1 --certificate c.jsonl --show 0")
    assert result.code == 0
    assert found.digest in result.out
    assert call("check c.jsonl --run net.safetensors").code == 0
    assert call("graph net.safetensors --box -1 1 --out g.json").code == 0
    assert call("draw net.safetensors").code == 0
    assert Path("net-figures/polytopes.svg").is_file()
    assert load(tmp_path / "net.safetensors").check().reason


def test_the_weights_of_a_run_stand_for_it_or_for_themselves(call: Call, tmp_path: Path) -> None:
    (weights,) = Path("runs/moons-layernorm").glob("*.safetensors")
    shutil.copy(weights, "alone.safetensors")
    assert weight_files.read("alone.safetensors") == torch_modules.read(
        load_checkpoint("runs/moons-layernorm").model
    )
    said = [
        call(f"partition {target} --sphere --show 0 --out {number}.json").out.splitlines()
        for number, target in enumerate(["moons-layernorm", str(weights), "alone.safetensors"])
    ]
    assert said[0][0] == said[1][0] == said[2][0].replace("alone.safetensors", "moons-layernorm")
    results = [json.loads(Path(f"{number}.json").read_text()) for number in range(3)]
    assert results[0]["result"] == results[1]["result"] == results[2]["result"]
    sums = [made["provenance"]["weights_sha256"] for made in results]
    assert sums[0] == sums[1] == sums[2]
    assert [made["provenance"]["training"] is None for made in results] == [False, False, True]


def test_a_file_that_says_no_architecture_is_told_how(call: Call) -> None:
    safetensors.numpy.save_file({"w": np.eye(2)}, "plain.safetensors")
    result = call("partition plain.safetensors --box -1 1")
    assert result.code == 2
    assert (
        "does not say its architecture; got plain.safetensors with w; save it with metadata="
        in result.err
    )


# ---- flags that messages name

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def options() -> dict[str, set[str]]:
    """The options of every command."""
    commands = typer.main.get_command(command_line.app).commands  # type: ignore[attr-defined]
    return {
        name: {flag for parameter in command.params for flag in parameter.opts}
        for name, command in commands.items()
    }


def named_flags(text: str, known: dict[str, set[str]]) -> list[str]:
    """The flags in a text that no command has; behind `exactlens COMMAND`, that this command has
    not.
    """
    everywhere = set().union(*known.values()) | {"--help"}
    missing = [flag for flag in FLAG.findall(text) if flag not in everywhere]
    for command, rest in re.findall(r"exactlens ([a-z0-9]+)([^\n;]*)", text):
        missing += [
            flag
            for flag in FLAG.findall(rest)
            if command in known and flag not in known[command] | {"--help"}
        ]
    return missing


def test_every_flag_that_a_message_names_exists() -> None:
    known, faults = options(), []
    for package in ("exact", "toy_models", "viz", "studies"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    faults += [
                        f"{path}:{node.lineno} {flag}" for flag in named_flags(node.value, known)
                    ]
    assert faults == []


def test_a_flag_that_does_not_exist_is_found() -> None:
    known = options()
    assert named_flags("add --nosuch, or --limit none", known) == ["--nosuch"]
    assert named_flags(
        "write it with exactlens draw --out, not exactlens draw --certificate F", known
    ) == ["--certificate"]


PYTHON_WORDS = re.compile(r"\w+=(?!\w*=)|network\.|\bPartition\b|\w+\(")
MISTAKES = [
    "partition moons-none --sphere",
    "partition moons-none --great-circle 1,0 0,1",
    "graph moons-none --sphere --out g.json",
    "draw moons-none --sphere",
    "draw moons-none --great-circle 1,0 0,1",
    "partition moons-layernorm --great-circle 1,0,1 0,1,1 --radius-squared 2 --from-block 0",
    "partition moons-none --box -1 1 --device cuda:x",
    "partition moons-none --box -1 1 --limit 1",
    "partition moons-none --norm-ball",
]


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_on_the_command_line_is_told_in_its_words(line: str, call: Call) -> None:
    result = call(line)
    assert result.code == 2
    remedy = result.err.split("; ", 2)[2]
    command = line.split()[0]
    assert not PYTHON_WORDS.search(remedy)
    assert {flag for flag in FLAG.findall(remedy)} <= options()[command]


@pytest.mark.parametrize(
    "line",
    [
        "partition moons-none --sphere --radius-squared 1 --show 0",
        "draw moons-none --great-circle 1,0 0,1 --radius-squared 2",
    ],
)
def test_the_remedy_helps(line: str, call: Call) -> None:
    assert call(line).code == 0
