"""Every command does its job from a clean folder, and every mistake costs one line, exit code 2,
and no file.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pytest
import safetensors.torch
import torch
import typer

from exact import Box, InvalidInput, partition
from exact.check.conditions import check_file
from exact.regions.polytopes.engines.skeleton import Skeleton
from exact.sources import tensors, torch_modules, weight_files
from studies import arguments, asking, cli, command_line, subjects
from studies.options import domain_options, gathered
from studies.questions import QUESTIONS
from toy_models import Dataset, TrainConfig, TrainingCache, checkpoints, fit_many, tasks
from toy_models.checkpoints import load

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--steps", "20")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs moons-none, moons-layernorm and gelu; copied for every test."""
    folder = tmp_path_factory.mktemp("trained")
    root = ("--out", str(folder / "runs"))
    for words in (
        "--norm none --widths 4 3",
        "--norm layernorm --widths 6",
        "--activation gelu --widths 5 --name gelu",
    ):
        assert cli.run(["train", *words.split(), *QUICK, *root]) == 0
    (folder / "mine.npz").write_bytes(rows().to_bytes())
    return folder


def rows(count: int = 60) -> Dataset:
    """Data of one's own, class by class."""
    points = np.random.default_rng(0).standard_normal((count, 3))
    return Dataset.of(points, np.arange(count) * 3 // count)


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


def tree(folder: Path) -> dict[str, str]:
    """Every path under a folder with what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def hearing() -> None:
    """A shell has what it runs in the background ignore interrupts, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def module(*words: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "studies.cli", *words],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hearing,
    )


# ---- options that take several values


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("--widths 16 16 --seed 3", ["--widths", "16 16", "--seed", "3"]),
        ("--widths 16,16 RUN", ["--widths", "16,16", "RUN"]),
        ("--widths=16 16", ["--widths=16 16"]),
        ("--box -1 1 moons", ["--box", "-1 1", "moons"]),
        ("--box -1/2,.5 1e1,+2 ./runs", ["--box", "-1/2,.5 1e1,+2", "./runs"]),
        ("--box -1 nan", ["--box", "-1 nan"]),
        ("--box a b c", ["--box", "a b", "c"]),
        ("--box (-1,-1) (1,1)", ["--box", "(-1,-1) (1,1)"]),
        ("--box --sphere", ["--box", "", "--sphere"]),
        ("--box -1 --sphere", ["--box", "-1", "--sphere"]),
        ("--box", ["--box", ""]),
        ("--widths", ["--widths", ""]),
        ("--alphas 0 x y", ["--alphas", "0 x", "y"]),
        ("--task-option a=1 b=x --seed 1", ["--task-option", "a=1 b=x", "--seed", "1"]),
        ("--seed 1 2", ["--seed", "1", "2"]),
        ("-- --box 1 2", ["--", "--box", "1", "2"]),
        ("run-16 --plane 0,0 1,0 0,1 moons-16", ["run-16", "--plane", "0,0 1,0 0,1", "moons-16"]),
    ],
)
def test_values_behind_one_option_are_gathered(given: str, joined: list[str]) -> None:
    assert gathered(given.split()) == joined


# ---- help


def test_help_needs_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    heavy = ("torch", "transformers", "matplotlib", "numpy", "exact", "sympy")
    code = (
        f"import sys; from studies.cli import run; run(['--help']); print([m for m in {heavy} "
        f"if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "command", ["train", "partition", "holds", "graph", "draw", "gpt2", "study"]
)
def test_every_help_shows_examples(call: Call, command: str) -> None:
    result = call(f"{command} --help")
    assert (result.code, result.err) == (0, "")
    assert f"exactlens {command} " in result.out or f"exactlens {command}\n" in result.out.replace(
        " \n", "\n"
    )


@pytest.mark.parametrize("command", ["partition", "graph", "draw"])
def test_the_help_says_what_to_write_behind_an_option(call: Call, command: str) -> None:
    """Every option of a domain that takes values shows some, and the limit says what it counts."""
    words = " ".join(call(f"{command} --help").out.replace("│", " ").split())
    for option in domain_options():
        if f"--{option['name']} " in words and option["points"]:
            assert f"such as --{option['name']} {option['example']}." in words
    assert "The most regions (on circles and spheres: cells or codes)" in words


def test_the_list_of_commands_has_no_broken_line(call: Call) -> None:
    """What a command does is one line of its docstring: a second one would be broken anywhere."""
    shown = " ".join(call("--help").out.replace("│", " ").split())
    for info in command_line.app.registered_commands:
        assert info.callback is not None
        first = (info.callback.__doc__ or "").split("\n")[0]
        assert first.endswith(".")
        assert first in shown


def test_no_arguments_print_the_help(call: Call) -> None:
    result = call("")
    assert result.code == 0
    assert "partition" in result.out


def examples(*commands: str) -> list[str]:
    """The example lines in the help of these commands."""
    texts = [
        info.callback.__doc__ or ""
        for info in command_line.app.registered_commands
        if info.callback
    ]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [
        line.removeprefix("exactlens ")
        for line in lines
        if line.split()[:2] in [["exactlens", name] for name in commands]
    ]


@pytest.mark.parametrize("line", examples("train"))
def test_the_examples_of_train_run(call: Call, line: str) -> None:
    assert call(f"{line} {' '.join(QUICK)} --force").code == 0


@pytest.mark.parametrize("line", examples("partition", "holds", "graph", "draw"))
def test_the_examples_of_partition_holds_graph_and_draw_run(call: Call, line: str) -> None:
    assert call(line)[::2] == (0, "")


@pytest.mark.parametrize("line", examples("gpt2", "study"))
def test_the_examples_of_gpt2_and_study_are_understood(line: str) -> None:
    name, *words = shlex.split(line)
    command = typer.main.get_command(command_line.app).commands[name]  # type: ignore[attr-defined]
    assert command.make_context(name, words).params


def test_a_condition_is_decided_and_certified(call: Call) -> None:
    """The verdict is the exit code, and the proof in the file is one."""
    held = call('holds moons-none "y0 < 100" --box -1 1 --certificate proof.json.gz')
    assert (held.code, held.err) == (0, "")
    assert "verdict   holds" in held.out
    assert check_file("proof.json.gz") == "holds"
    failed = call('holds moons-none "y0 > 100" --box -1 1 --certificate proof.json')
    assert (failed.code, failed.err) == (7, "")
    assert "witness   " in failed.out
    assert re.search(r"outputs +-?\d+/\d+ \(about -?\d", failed.out)
    assert check_file("proof.json") == "fails"
    assert call('holds moons-none "y0 < 0 or y0 > 0" --space --budget-regions 1').code in (3, 7)
    for line, text in (
        ('holds moons-none "y0 == 1" --box -1 1', "cannot be read"),
        ('holds moons-none "y0 < 1"', "no option says which part"),
        ('holds moons-layernorm "y0 < 1" --box -1 1', "norm"),
        ('holds moons-none "y0 < 1" --box -1 1 --certificate proof.txt', "proof.txt"),
    ):
        told = call(line)
        assert told.code == 2
        assert text in told.err


def test_the_help_of_train_names_every_task(call: Call) -> None:
    shown = " ".join(call("train --help").out.replace("│", " ").split())
    for name in tasks.TASKS:
        assert name in shown, name


def test_the_cache_of_toys_is_told_and_cleared(call: Call) -> None:
    config = TrainConfig(steps=1, samples=10, batch_size=4, snapshot_every=1)
    kept = TrainingCache.under("runs")
    fit_many(config, range(2), cache=kept, progress=False, report=lambda line: None)
    told = [
        f"{kept.folder}: 2 toys, {kept.size / 1e6:.1f} MB",
        f"{kept.folder}: 2 files deleted, {kept.size / 1e6:.1f} MB",
    ]
    for line, expected in zip(examples("cache"), told, strict=True):
        assert call(line) == (0, f"{expected}\n", "")
    assert call("cache").out == f"{kept.folder}: 0 toys, 0.0 MB\n"


def test_there_are_examples_for_every_command() -> None:
    assert all(
        examples(info.callback.__name__)
        for info in command_line.app.registered_commands
        if info.callback
    )


# ---- train


def test_train_saves_a_checkpoint_and_its_loss_curve(call: Call) -> None:
    result = call(
        "train --task moons --norm layernorm --widths 5 4 --steps 20 --seed 3 --dtype float64 "
        "--name mine"
    )
    assert result.code == 0
    assert "saved in runs/mine" in result.out
    assert "accuracy" in result.out
    read = load("runs/mine")
    assert read.model.config.widths == (5, 4)
    assert (read.model.config.norm, read.provenance.seed, read.provenance.training.dtype) == (
        "layernorm",
        3,
        "float64",
    )
    losses = json.loads(Path("runs/mine/loss.json").read_text())
    assert len(losses["losses_float"]) == 20
    assert f"accuracy {losses['held_out_score']['accuracy_float']:.1%}" in result.out
    assert Path("runs/mine/loss.svg").read_text().startswith("<?xml")
    assert Path("runs/mine/loss.png").read_bytes().startswith(b"\x89PNG")
    assert [path for path in Path("runs").iterdir() if path.name.startswith(".")] == []


def test_a_run_is_replaced_with_force_only(call: Call) -> None:
    before = tree(Path("runs"))
    refused = call("train --norm none --widths 2 --steps 20")
    assert refused.code == 2
    assert "--force" in refused.err
    assert tree(Path("runs")) == before
    assert call("train --norm none --widths 2 --steps 20 --force").code == 0
    assert load("runs/moons-none").model.config.widths == (2,)
    assert (
        tree(Path("runs")).keys() - before.keys()
        == {p for p in tree(Path("runs")) if "weights" in p} - before.keys()
    )


def test_force_does_not_replace_what_is_no_run(call: Call) -> None:
    Path("runs/photos").mkdir()
    Path("runs/photos/holiday.jpg").write_text("precious")
    assert call("train --name photos --steps 20 --force").code == 2
    assert Path("runs/photos/holiday.jpg").read_text() == "precious"


def test_an_interrupted_training_leaves_nothing(tmp_path: Path) -> None:
    process = module("train", "--steps", "1000000", "--name", "long", cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/.long.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_data_of_ones_own_are_trained_on_and_kept(call: Call) -> None:
    result = call("train --data mine.npz --norm layernorm --widths 6 --steps 20 --seed 3")
    assert (result.code, result.err) == (0, "")
    assert "mine.npz: 60 rows of 3 inputs, 3 classes" in result.out
    read = load("runs/mine-layernorm")
    assert (read.provenance.task, read.provenance.training.task) == ("mine", None)
    assert read.provenance.training.samples == 60
    assert read.dataset is not None and read.dataset.sha256 == rows().shuffled(3).sha256
    drawn = call("draw mine-layernorm --out figures")
    assert (drawn.code, drawn.err) == (0, "")
    assert {path.stem for path in Path("figures").glob("*.svg")} == {
        "circle",
        "adjacency",
        "ellipsoid",
        "profile",
    }
    again = call("train --data mine.npz --norm layernorm --widths 6 --steps 20 --seed 3 --force")
    assert again.code == 0
    assert load("runs/mine-layernorm").sha256 == read.sha256


def test_a_regression_of_ones_own_is_trained_on(call: Call) -> None:
    x = np.linspace(-1, 1, 40)[:, None]
    np.savez("goals.npz", inputs=np.hstack([x, -x]), targets=np.abs(x))
    result = call("train --data goals.npz --widths 4 --steps 20")
    assert (result.code, result.err) == (0, "")
    assert "a regression on 1 numbers" in result.out
    assert call("draw goals-none --out figures").code == 0


@pytest.fixture
def own_tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules and tasks that a test imports are forgotten again."""
    known, there = dict(tasks._KNOWN), set(sys.modules)
    monkeypatch.setattr(tasks, "_KNOWN", known)
    monkeypatch.setattr(tasks, "TASKS", known)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in set(sys.modules) - there:
        if name.startswith("users_"):
            del sys.modules[name]


OWN_TASK = """
import torch
from toy_models import Dataset

three = 3

def halves(count, seed=0, shift=0.0):
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) - 0.5
    return Dataset.of(points + shift, points[:, 0] > 0)

def nothing(count, seed=0):
    return None
"""


@pytest.mark.usefixtures("own_tasks")
def test_a_task_of_ones_own_is_trained_on_and_its_rows_are_kept(call: Call) -> None:
    Path("users_task.py").write_text(OWN_TASK)
    line = "train --task users_task:halves --task-option shift=2 --samples 50 --widths 4 --steps 9"
    result = call(line)
    assert (result.code, result.err) == (0, "")
    assert "users_task:halves, norm none, widths 4" in result.out
    read = load("runs/halves-none")
    assert read.provenance.task == read.provenance.training.task == "users_task:halves"
    assert read.dataset is not None and len(read.dataset) == 50
    assert float(read.dataset.inputs.min()) > 1
    del tasks._KNOWN["users_task:halves"]  # what another process knows of it
    Path("users_task.py").unlink()
    assert load("runs/halves-none").provenance.training.task is None
    drawn = call("draw halves-none --box 1,1 3,3 --out figures")
    assert (drawn.code, drawn.err) == (0, "")
    assert str(Path.cwd()) not in sys.path


# ---- networks of one's own


def test_every_command_takes_a_network_of_ones_own(call: Call) -> None:
    """Fractions that no float is come from a file and from a checkpoint alike."""
    network = tensors.mlp(
        [([["1/3", 1], [0, "1/7"], [1, 1]], [0, "1/9", -1]), ([[1, 1, 1], [0, 1, 2]], [0, 0])]
    )
    weight_files.write("mine.safetensors", network)
    data = Dataset.of(np.random.default_rng(0).standard_normal((30, 2)), np.arange(30) % 2)
    checkpoints.save("runs", "mine", network, dataset=data)
    found = []
    for target in ("mine", "mine.safetensors"):
        done = call(f"partition {target} --box -1 1 --out p.json --certificate c.jsonl")
        assert (done.code, done.err) == (0, "")
        result = json.loads(Path("p.json").read_text())["result"]
        assert result["network"]["sha256"] == network.sha256
        assert any("/" in entry for region in result["regions"] for entry in region["witness"])
        found.append(result["digest"])
        assert call(f"check c.jsonl --run {target}").code == 0
        assert call(f"graph {target} --box -1 1 --out g.json").code == 0
        drawn = call(f"draw {target} --out figures")
        assert (drawn.code, drawn.err) == (0, "")
        np.save("x.npy", np.eye(2))
        assert call(f"codes {target} --vectors x.npy").code == 0
    assert found[0] == found[1] == partition(network, Box(-1, 1, dim=2)).digest


# ---- studies


def test_a_question_is_asked_of_runs_and_files(call: Call) -> None:
    weight_files.write("mine.safetensors", tensors.mlp([([[1, 2, 3]], [1]), ([[1]], [0])]))
    result = call("study --only 0.1,0.5 --on moons-layernorm --on mine.safetensors --quick")
    assert (result.code, result.err) == (0, "")
    values = json.loads(Path("runs/study-part/results.json").read_text())
    assert [question["claim"] for question in values["questions"]] == ["0.1", "0.5"]
    told = {(f["claim"], f["subject"]): f for q in values["questions"] for f in q["findings"]}
    assert told["0.1", "moons-layernorm, eps = 0"]["verdict"] == "supported"
    assert told["0.1", "mine.safetensors"]["data"]["cells"] > 0
    left = told["0.5", "mine.safetensors"]
    assert (left["value"], left["verdict"]) == ("not asked", "undecided")
    assert left["why"] == "needs one norm, in front of layers"
    made_by = values["provenance"]
    assert (made_by["only"], made_by["on"]) == ("0.1,0.5", "moons-layernorm, mine.safetensors")
    assert made_by["quick"] is True and "data" not in made_by
    network = torch_modules.read(load("runs/moons-layernorm").model)
    assert made_by["networks"]["moons-layernorm"] == network.sha256
    assert (
        "not asked" in result.out
        and "not asked" in Path("runs/study-part/report/index.html").read_text()
    )


def test_rows_are_given_to_a_network_without_any(call: Call) -> None:
    norm = tensors.block(np.eye(3), [1, 0, 0], np.eye(3), None, norm="layernorm", eps=1e-5)
    weight_files.write("mine.safetensors", norm)
    line = "study --only 0.4 --on mine.safetensors --name mine"
    assert call(line).code == 0
    [finding] = json.loads(Path("runs/mine/results.json").read_text())["questions"][0]["findings"]
    assert finding["why"] == "needs a norm with eps > 0, and data before it"
    rows = np.random.default_rng(0).standard_normal((60, 3))
    np.savez("rows.npz", inputs=rows, targets=norm.forward_float(rows))
    assert call(f"{line} --data rows.npz --force").code == 0
    found = json.loads(Path("runs/mine/results.json").read_text())["questions"][0]["findings"]
    assert [finding["data"]["residuals"] for finding in found] == [60, 60]


def test_a_language_model_of_ones_own_is_asked(call: Call, tiny: Path) -> None:
    result = call(f"study --only 0.5 --on gpt2:{tiny} --quick")
    assert (result.code, result.err) == (0, "")
    values = json.loads(Path("runs/study-part/results.json").read_text())
    told = [f["subject"] for f in values["questions"][0]["findings"]]
    assert told == [f"gpt2, layer {k}" for k in (0, 1, 2)]


def test_a_part_of_a_study_has_a_name_of_its_own_and_trains_no_more_than_it_needs() -> None:
    from studies import study
    from studies.commands.study import StudyOptions, _prepare, _told

    def named(**options: Any) -> str:
        return StudyOptions(None, Path("runs"), **options).chosen_name

    assert named() == named(seed=3, gpt2="x") == study.DEFAULT_NAME
    assert {named(only="0.1"), named(on=("x",)), named(quick=True), named(seeds=9)} == {
        study.PART_NAME
    }
    assert StudyOptions("mine", Path("runs"), quick=True).chosen_name == "mine"
    options = StudyOptions(None, Path("runs"), only="0.2", seeds=7, quick=True)
    prepare: Any = _prepare(options, asking.chosen(QUESTIONS, "0.2"))
    assert prepare.func is subjects.prepare
    assert prepare.keywords == {
        "groups": {"toys", "deep"},
        "seeds": 7,
        "quick": True,
        "earlier": Path("runs/study-part"),
    }
    assert _told(options) == {"only": "0.2", "seeds": 7, "quick": True}
    assert _told(StudyOptions(None, Path("runs"))) == {}


# ---- partition


def fractions(values: list[str]) -> list[Fraction]:
    return [Fraction(value) for value in values]


def outputs(values: dict[str, Any], argument: list[Fraction]) -> list[float]:
    """The map of a region in the file at an argument, in rationals until the end."""
    rows = [fractions(row) for row in values["map"]["matrix"]]
    offsets = fractions(values["map"]["offset"])
    return [
        float(sum(a * x for a, x in zip(row, argument, strict=True)) + b)
        for row, b in zip(rows, offsets, strict=True)
    ]


def test_partition_writes_what_the_network_computes(call: Call) -> None:
    result = call("partition moons-none --box -1 1 --out p.json")
    assert (result.code, result.err) == (0, "")
    values = json.loads(Path("p.json").read_text())
    model = load("runs/moons-none").model.double()
    regions = values["result"]["regions"]
    assert len(regions) == values["counts"]["regions"] > 4
    for region in regions:
        witness = fractions(region["witness"])
        wanted = model(torch.tensor([float(x) for x in witness], dtype=torch.float64)).tolist()
        assert outputs(region, witness) == pytest.approx(wanted, abs=1e-9)
    assert f"regions {len(regions)}" in result.out
    assert values["result"]["digest"] in result.out


def test_the_digest_does_not_depend_on_the_engine(call: Call) -> None:
    call("partition moons-none --box -1 1 --out tree.json")
    call("partition moons-none --box -1 1 --engine brute_force --out force.json")
    first, second = (json.loads(Path(name).read_text()) for name in ("tree.json", "force.json"))
    same = partition(torch_modules.read(load("runs/moons-none").model), Box(-1, 1, dim=2)).digest
    assert first["result"]["digest"] == second["result"]["digest"] == same
    assert [first["how"]["engine"], second["how"]["engine"]] == ["subdivision", "brute_force"]


def test_a_partition_carries_its_provenance(call: Call) -> None:
    call("partition moons-none --box -1 1/3 --out p.json")
    values = json.loads(Path("p.json").read_text())
    made_by = values["provenance"]
    assert made_by["weights_sha256"] == load("runs/moons-none").sha256
    assert (made_by["seed"], made_by["device"]) == (0, "cpu")
    assert {"torch", "python-flint", "numpy"} <= made_by["libraries"].keys()
    assert made_by["version"]
    assert made_by["command"]
    assert values["result"]["domain"] == {
        "kind": "Box",
        "text": "Box([-1, 1/3] x [-1, 1/3])",
        "lo": ["-1", "-1"],
        "hi": ["1/3", "1/3"],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", values["written_at"])
    canonical = json.dumps(values["result"], sort_keys=True, separators=(",", ":"))
    assert values["result_sha256"] == hashlib.sha256(canonical.encode()).hexdigest()


def test_the_sphere_starts_at_the_norm_and_its_arcs_fill_the_circle(call: Call) -> None:
    result = call("partition moons-layernorm --sphere --out p.json")
    assert result.code == 0
    assert "from block 1 on" in result.out
    values = json.loads(Path("p.json").read_text())["result"]
    lengths = [region["length_float"] for region in values["regions"]]
    assert sum(lengths) == pytest.approx(2 * np.pi * np.sqrt(3))
    assert len(values["crossings"]) == len(lengths)
    assert all(
        "sqrt" in crossing["alpha"] + crossing["beta"] or crossing["flipped"]
        for crossing in values["crossings"]
    )


DOMAINS = {
    "--segment -1,-1 1,1/2": "Segment",
    "--ray 0 1,2": "Ray",
    "--line 0,0 1,2": "Line",
    "--plane 0,0 1,0 0,1": "Plane",
    "--space": "RealSpace",
    "--box -1,-2 1,2": "Box",
    "--great-circle 1,0 0,1 --radius-squared 1/2": "GreatCircle",
    "--ellipse 0 2,0 1,1": "Ellipse",
    "--ellipse 1/2,-1 2,0 1,1": "Ellipse",
    "--sphere --radius-squared 2": "Sphere",
}


@pytest.mark.parametrize(("words", "kind"), DOMAINS.items())
def test_every_domain_can_be_asked_for(call: Call, words: str, kind: str) -> None:
    result = call(f"partition moons-none {words} --out p.json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(Path("p.json").read_text())["result"]["domain"]["kind"] == kind
    assert "outcome  complete" in result.out


def test_threads_reach_the_job_and_change_nothing(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, run = list[int](), Skeleton.run
    monkeypatch.setattr(
        Skeleton, "run", lambda engine, job: given.append(job.threads) or run(engine, job)
    )
    words = "partition moons-none --box -1 1 --engine skeleton"
    shown = [call(f"{words} {more}") for more in ("", "--threads 1", "--threads 3")]
    assert given == [1, 1, 3] and all((x.code, x.err) == (0, "") for x in shown)
    digests = {line for x in shown for line in x.out.splitlines() if "digest" in line}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "words", ["--box -1 1 --budget-regions 2", "--space --engine lp_tree --budget-seconds 0"]
)
def test_a_budget_that_ends_early_is_told_and_has_its_own_code(call: Call, words: str) -> None:
    result = call(f"partition moons-none {words} --out p.json")
    assert (result.code, result.err) == (3, "")
    assert "outcome  budget reached" in result.out
    assert "at least" in result.out
    assert json.loads(Path("p.json").read_text())["result"]["outcome"] == "budget reached"


@pytest.mark.parametrize(
    "command",
    [
        "partition moons-none --space --engine lp_tree --out p.json",
        "graph moons-none --space --engine lp_tree --out p.json",
    ],
)
def test_a_budget_of_memory_speaks_of_its_option(
    call: Call, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A process that grows by 1 MB whenever it is asked."""
    sizes = itertools.count(0, 10**6)
    monkeypatch.setattr("exact.geometry.budgets.resident_bytes", lambda: next(sizes))
    result = call(f"{command} --budget-bytes 0.5MB")
    assert (result.code, result.err) == (3, "")
    assert (
        "the memory is used up (500 kB, the budget): give a larger --budget-bytes for more, a "
        "smaller domain" in result.out
    )
    assert call(f"{command} --budget-bytes 5TB").code == 0
    assert call(f"{command} --budget-bytes none").code == 0


def test_a_job_beyond_its_budget_of_memory_is_refused(call: Call) -> None:
    result = call("partition moons-none --space --budget-bytes 0 --out p.json")
    assert (result.code, result.out) == (2, "")
    remedy = (
        "give a larger --budget-bytes, a smaller domain, or a budget such as "
        "--budget-seconds 60; there is room for 0"
    )
    assert remedy in result.err


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1500", 1500),
        ("1.5", 1),
        ("12b", 12),
        ("1kB", 1000),
        ("500MB", 5 * 10**8),
        (" 2 gb ", 2 * 10**9),
        ("3TB", 3 * 10**12),
        ("1KiB", 1024),
        ("1.5MiB", 3 * 2**19),
        ("2GiB", 2**31),
        ("1TiB", 2**40),
        ("None", math.inf),
    ],
)
def test_sizes(text: str, size: float) -> None:
    assert arguments.memory(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MB",
        "-1",
        "+1",
        "5M",
        "1e9",
        "1/2",
        "inf",
        "nan",
        "1_000",
        "1,5GB",
        "1..5GB",
        "5 MB 6",
        "3iB",
        "\u0663MB",
        "1EB",
        "1" * 10**5,
        "5MB\n5",
    ],
)
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(
        InvalidInput, match=r"--budget-bytes is not a size; got .*; write bytes, or a"
    ) as caught:
        arguments.memory(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("command", ["partition", "graph"])
def test_the_budgets_stand_in_the_help(call: Call, command: str) -> None:
    shown = call(f"{command} --help").out
    assert all(
        option in shown for option in ("--budget-regions", "--budget-seconds", "--budget-bytes")
    )
    assert "500MB" in shown


def test_a_limit_can_be_lifted(call: Call) -> None:
    assert call("partition moons-none --box -1 1 --limit 3").code == 2
    assert call("partition moons-none --box -1 1 --limit none").code == 0
    assert call("partition moons-none --box -1 1 --limit 3 --budget-regions 1000").code == 0


def test_gelu_has_codes_but_no_maps_unless_it_is_replaced(call: Call) -> None:
    codes = call("partition gelu --box -1 1 --codes-only --out c.json")
    replaced = call("partition gelu --box -1 1 --relu-ised --out r.json")
    assert (codes.code, replaced.code) == (0, 0)
    first, second = (json.loads(Path(name).read_text())["result"] for name in ("c.json", "r.json"))
    assert first["digest"] == second["digest"]
    assert "map" not in first["regions"][0]
    assert "map" in second["regions"][0]


def test_show_prints_so_many_regions(call: Call) -> None:
    assert call("partition moons-none --box -1 1 --show 2").out.count("witness  (") == 2
    assert "witness  (" not in call("partition moons-none --box -1 1 --show 0").out


def test_a_path_names_a_checkpoint_too(call: Call) -> None:
    Path("runs/gelu").rename("elsewhere")
    for target in ("elsewhere", "./elsewhere", "elsewhere/checkpoint.json"):
        assert call(f"partition {target} --box -1 1 --codes-only --show 0").code == 0


# ---- graph


def test_the_graph_file_joins_regions_whose_codes_differ_in_the_flipped_hinges(call: Call) -> None:
    result = call("graph moons-none --box -1 1 --out g.json")
    assert (result.code, result.err) == (0, "")
    values = json.loads(Path("g.json").read_text())
    codes = {node["id"]: node["code"].replace("|", "") for node in values["nodes"]}
    offset = {1: 0, 2: 4}
    for edge in values["edges"]:
        differing = [
            i
            for i, (a, b) in enumerate(
                zip(codes[edge["source"]], codes[edge["target"]], strict=True)
            )
            if a != b
        ]
        assert differing == [offset[layer] + neuron for layer, neuron, _ in edge["flipped"]]
    assert f"nodes    {len(codes)}" in result.out
    assert f"edges    {len(values['edges'])}" in result.out
    assert nx.is_connected(nx.node_link_graph(values, edges="edges"))


def test_the_same_graph_comes_as_graphml(call: Call) -> None:
    call("graph moons-layernorm --sphere --out g.json")
    assert call("graph moons-layernorm --sphere --out g.graphml").code == 0
    listed, read = json.loads(Path("g.json").read_text()), nx.read_graphml("g.graphml")
    assert read.number_of_nodes() == len(listed["nodes"])
    assert read.number_of_edges() == len(listed["edges"])
    assert {data["code"] for _, data in read.nodes(data=True)} == {
        node["code"] for node in listed["nodes"]
    }


def test_a_graph_of_a_budget_ends_with_its_code(call: Call) -> None:
    result = call("graph moons-none --space --budget-regions 3 --out g.json")
    assert result.code == 3
    assert "budget reached" in result.out


# ---- draw


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("moons-none", {"polytopes", "adjacency"}),
        ("moons-layernorm", {"circle", "adjacency", "sectors", "ellipsoid", "profile"}),
        ("moons-layernorm --norm-ball", {"norm_ball", "ellipsoid"}),
        (
            "moons-layernorm --great-circle 1,0,-1 0,1,-1",
            {"circle", "adjacency", "sectors", "profile"},
        ),
        ("moons-layernorm --ellipse 0 1,0 1,1", {"circle", "adjacency", "profile"}),
        ("moons-layernorm --segment -1,-1 1,1", {"profile"}),
        ("moons-none --segment -1,-1 1,1", {"profile"}),
        ("moons-none --plane 0,0 2,0 0,2 --box -1 1", None),
        ("gelu --box -1 1", {"polytopes", "adjacency"}),
    ],
)
def test_draw_makes_the_figures_that_fit(call: Call, words: str, names: set[str] | None) -> None:
    before = tree(Path.cwd())
    result = call(f"draw {words} --out figures")
    if names is None:
        assert result.code == 2
        assert tree(Path.cwd()) == before
        return
    assert (result.code, result.err) == (0, "")
    assert {path.name for path in Path("figures").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")
    }


def test_draw_makes_globes_of_a_two_sphere(call: Call) -> None:
    quick = " ".join(QUICK)
    assert (
        call(
            f"train --task direction --norm layernorm --widths 5 --task-option dimension=4 --name "
            f"dirs {quick}"
        ).code
        == 0
    )
    for words, names in (
        ("", {"globe", "stereographic", "adjacency", "ellipsoid"}),
        ("--great-sphere 1,0,0,-1 0,1,0,-1 0,0,1,-1", {"globe", "stereographic", "adjacency"}),
    ):
        result = call(f"draw dirs {words} --out figures{len(names)}")
        assert (result.code, result.err) == (0, "")
        assert "globe.html, to be turned in a browser" in result.out
        drawn = {path.name for path in Path(f"figures{len(names)}").iterdir()}
        assert drawn == {"globe.html"} | {
            f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")
        }


# ---- gpt2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "gpt2"
    assert cli.run(["gpt2", "--train-tiny", str(folder), "--steps", "2"]) == 0
    return folder


def test_gpt2_measures_arcs_on_random_circles(call: Call, tiny: Path) -> None:
    result = call(f"gpt2 {tiny} --layer 1 --geodesics 3 --seed 5 --out g.json")
    assert (result.code, result.err) == (0, "")
    values = json.loads(Path("g.json").read_text())
    assert len(values["result"]["circles"]) == 3
    for circle in values["result"]["circles"]:
        assert circle["arcs"] == circle["code_changes"] <= 2 * 256
        assert f"{circle['arcs']}" in result.out
        assert circle["settled_by_filter"] + circle["settled_exactly"] >= circle["arcs"]
    assert values["provenance"]["seed"] == 5
    again = call(f"gpt2 {tiny} --layer 1 --geodesics 3 --seed 5 --out again.json")
    assert again.code == 0
    assert json.loads(Path("again.json").read_text())["result"] == values["result"]
    call(f"gpt2 {tiny} --layer 1 --geodesics 3 --seed 6 --out other.json")
    assert json.loads(Path("other.json").read_text())["result"] != values["result"]


def test_gpt2_takes_vectors_from_files_two_by_two(call: Call, tiny: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((4, 64))
    np.save("rows.npy", rows)
    safetensors.torch.save_file(
        {"vectors": torch.from_numpy(rows), "other": torch.zeros(1)}, "rows.safetensors"
    )
    for name in ("rows.npy", "rows.safetensors"):
        assert call(f"gpt2 {tiny} --layer 0 --vectors {name} --out {name}.json").code == 0
    first, second = (
        json.loads(Path(f"{name}.json").read_text())["result"]
        for name in ("rows.npy", "rows.safetensors")
    )
    assert first == second
    assert len(first["circles"]) == 2


def test_a_tiny_model_is_not_trained_over_another_folder(call: Call, tiny: Path) -> None:
    before = tree(tiny)
    result = call(f"gpt2 --train-tiny {tiny} --steps 2")
    assert result.code == 2
    assert "--force" in result.err
    assert tree(tiny) == before


# ---- mistakes


def spoil(change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> None:
    """Rewrite the checkpoint of moons-none with other weights or another manifest, its hash
    correct.
    """
    folder = Path("runs/moons-none")
    manifest = json.loads((folder / "checkpoint.json").read_text())
    weights = folder / manifest["weights"]["file"]
    tensors = safetensors.torch.load_file(weights)
    change(manifest, tensors)
    content = safetensors.torch.save(tensors)
    weights.write_bytes(content)
    manifest["weights"] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "checkpoint.json").write_text(json.dumps(manifest))


def put_nan(manifest: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    next(iter(tensors.values())).view(-1)[1] = float("nan")


def widen(manifest: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    manifest["model"]["widths"] = [9, 3]


def write_pickled_gpt2(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt2", "n_layer": 9}')
    (folder / "pytorch_model.bin").write_bytes(b"\x80")


PREPARE: dict[str, Callable[[], Any]] = {
    "nan": lambda: spoil(put_nan),
    "shapes": lambda: spoil(widen),
    "truncated": lambda: [
        path.write_bytes(path.read_bytes()[:-8])
        for path in Path("runs/moons-none").glob("weights-*")
    ],
    "not json": lambda: Path("runs/moons-none/checkpoint.json").write_text("{"),
    "link": lambda: Path("runs/linked").symlink_to("moons-none"),
    "pickled vectors": lambda: np.save(
        "objects.npy", np.array([{}], dtype=object), allow_pickle=True
    ),
    "short vectors": lambda: np.save("short.npy", np.zeros((4, 3))),
    "odd vectors": lambda: (
        np.save("odd.npy", np.eye(64)[:5]),
        np.save("even.npy", np.eye(64)[:4]),
    ),
    "unsaid": lambda: (
        safetensors.torch.save_file({"w": torch.eye(2)}, "plain.safetensors"),
        Path("text.safetensors").write_text("hello"),
    ),
    "nan vectors": lambda: np.save("nan.npy", np.full((2, 64), np.nan)),
    "pickled gpt2": lambda: write_pickled_gpt2(Path("pickled")),
    "occupied": lambda: Path("taken").write_text("a file"),
    "bad data": lambda: (
        np.savez("nan.npz", inputs=[[1.0, 2], [np.nan, 3]], targets=[0, 1]),
        np.savez("missing.npz", inputs=[[1.0, 2], [3, 4]]),
        np.savez("lengths.npz", inputs=np.ones((3, 2)), targets=[0, 1]),
        np.savez("one.npz", inputs=np.ones((3, 2)), targets=[0, 0, 0]),
        np.savez("floats.npz", inputs=np.ones((3, 2)), targets=[0, 1, 0.5]),
        np.savez("objects.npz", inputs=np.array([{}], dtype=object), targets=[0]),
        np.savez("wide.npz", inputs=np.ones((4, 9)), targets=[0, 1, 0, 1]),
        Path("text.npz").write_text("hello"),
    ),
    "own task": lambda: (
        Path("users_module.py").write_text(OWN_TASK),
        Path("users_broken.py").write_text("import torch\n1 / 0"),
        Path("users_lacking.py").write_text("import no_such_library"),
    ),
}


def test_a_box_may_freeze_coordinates(call: Call) -> None:
    """An edge and a corner of the square are partitioned and verified; only what has two dimensions
    is drawn.
    """
    for box, dim in (("0,-1 0,1", 1), ("1 1", 0)):
        result = call(f"partition moons-none --box {box} --certificate c.jsonl.gz")
        assert (result.code, result.err) == (0, "")
        assert f"on its affine hull of dimension {dim}" in " ".join(result.out.split())
        assert call("check c.jsonl.gz --run moons-none").code == 0
        refused = call(f"draw moons-none --box {box}")
        assert (
            refused.code,
            "only two-dimensional domains are drawn" in " ".join(refused.err.split()),
        ) == (2, True)


MISTAKES = [
    # what stands before, the command line, what the message must name
    ("nan", "partition moons-none --box -1 1 --out p.json", "a weight is not finite"),
    ("shapes", "partition moons-none --box -1 1 --out p.json", "should be"),
    ("truncated", "partition moons-none --box -1 1 --out p.json", "truncated"),
    ("not json", "partition moons-none --box -1 1 --out p.json", "not JSON"),
    ("link", "partition linked --box -1 1", "symbolic links are not followed"),
    (None, "partition nosuch --box -1 1 --out p.json", "runs gelu, moons-layernorm, moons-none"),
    (None, "partition model.pt --box -1 1 --out p.json", "a pickle can run any code"),
    (None, "partition ../moons-none --box -1 1", "no run or checkpoint"),
    (None, "partition moons-none --box 1 -1 --out p.json", "box is empty"),
    (None, "partition moons-none --box 1 -1 --out p.json", r"lo\[0\] = 1, hi\[0\] = -1"),
    (None, "partition moons-none --box -1 nan --out p.json", "'nan'"),
    (None, "partition moons-none --box -1 1/0 --out p.json", "divides by zero"),
    (
        None,
        "partition moons-none --box -1,0,0 1,1,1 --out p.json",
        "of 3 entries; give one number, or 2",
    ),
    (None, "partition moons-none --box -1 --out p.json", "--box takes 2 values, LO HI; got 1: -1;"),
    (None, "partition moons-none --box --out p.json", "--box takes 2 values, LO HI; got none;"),
    (None, "partition moons-none --box -1,1 --out p.json", "2 values, LO HI; got 1: -1,1; write"),
    (None, "partition moons-none --box -1 1 2 --out p.json", "2 values, LO HI; got 3: -1 1 2;"),
    (None, "partition moons-none --box (-1,-1) (1,1) --out p.json", r"'\(-1'; .* commas alone"),
    (None, "partition moons-none --box -1 one --out p.json", "--box has an entry .* got 'one'"),
    (None, "partition moons-none --sphere --radius-squared 0", "give --radius-squared above 0"),
    (None, "partition moons-none --box -1 1 --root nowhere", "moons-none, with --root nowhere"),
    (
        None,
        "partition moons-none --box -1 1 --budget-seconds x",
        "'--budget-seconds': not a number",
    ),
    (None, "partition moons-none --plane 0,0 1,1 2,2 --out p.json", "collinear"),
    (None, "partition moons-none --plane 0,0,0 1,0,0 0,1,0 --out p.json", "dimension 3"),
    (None, "partition moons-none --segment 0,0 0,0 --out p.json", "no length"),
    (None, "partition moons-none --ray 0 0,0", "no length"),
    (None, "partition moons-none --sphere --out p.json", "give --radius-squared"),
    (None, "partition moons-none --box -1 1 --sphere", "more than one domain"),
    (None, "partition moons-none --box -1 1 --radius-squared 2", "only a sphere"),
    (
        None,
        "partition moons-none --out p.json",
        "moons-none alone; add for instance --box -1 1, or",
    ),
    (None, "partition moons-layernorm --out p.json", "alone; add for instance --sphere, or"),
    (None, "partition moons-layernorm --box -1 1 --out p.json", "not polytopes; use --sphere"),
    (None, "partition gelu --box -1 1 --out p.json", "--relu-ised"),
    (None, "partition moons-none --box -1 1 --limit 3 --out p.json", "--limit none"),
    (None, "partition moons-none --box -1 1 --limit 0", "positive integer"),
    (
        None,
        "partition moons-none --box -1 1 --engine circle --out p.json",
        "circle: it enumerates one-dimensional",
    ),
    (None, "partition moons-none --box -1 1 --engine magic", "no such engine"),
    (None, "partition moons-none --box -1 1 --device tpu", "unknown device"),
    (None, "partition moons-none --box -1 1 --threads 0", "not a number of threads; got 0"),
    (None, "partition moons-none --box -1 1 --from-block 7", "no such block"),
    (None, "partition moons-none --box -1 1 --budget-regions 0", "'--budget-regions': less than 1"),
    (
        None,
        "partition moons-none --box -1 1 --budget-bytes 5M --out p.json",
        "--budget-bytes 500MB",
    ),
    (None, "partition moons-none --box -1 1 --out nowhere/p.json", "does not exist"),
    (None, "partition moons-none --box -1 1 --out p.txt", "suffix"),
    (None, "partition moons-none --box -1 1 --out runs.json", None),
    (None, "partition", "RUN"),
    (None, "partition moons-none --unknown", "--unknown"),
    (None, "graph moons-none --box 1 -1 --out g.json", "box is empty"),
    (None, "graph moons-none --box -1 1 --budget-bytes -1 --out g.json", "is not a size"),
    (None, "graph moons-none --box -1 1 --out g.gml", "suffix"),
    (None, "graph moons-none --box -1 1", "--out"),
    (None, "draw gelu --plane 0,0 1,1 2,2", "collinear"),
    (None, "draw nosuch", "no run or checkpoint"),
    ("occupied", "draw moons-none --out taken", "is a file"),
    ("shapes", "draw moons-none", "should be"),
    (None, "train --task nosuch", "moons, circles"),
    (None, "train --norm batch", "none, layernorm, rms"),
    (None, "train --widths 16 x --name a", "x"),
    (None, "train --widths --name a", "--widths has an entry that is not an integer"),
    (None, "train --task-option --name a", "--task-option has an entry without KEY=VALUE"),
    (None, "check nosuch.jsonl", "exactlens partition --certificate wrote"),
    (None, "codes moons-none --vectors nosuch.npy", "the file of vectors is missing"),
    (None, "codes moons-none --vectors taken.txt", "the file of vectors is missing"),
    ("occupied", "codes moons-none --vectors taken", "is of another kind"),
    (None, "train --widths 0 --name a", "widths"),
    (None, "train --name ../outside", "could leave its folder"),
    (None, "train --name .hidden", "could leave its folder"),
    (None, "train --steps 0 --name a", "steps"),
    (None, "train --steps many --name a", "--steps"),
    (None, "train --device cuda:99 --name a", "cuda:99"),
    (None, "train --task-option noise --name a", "KEY=VALUE"),
    (None, "train --task-option sparkle=1 --name a", "sparkle"),
    (None, "train --learning-rate 1e30 --steps 30 --name a", "not finite"),
    ("occupied", "train --out taken --name a", "taken"),
    (None, "gpt2", "there is no model"),
    (None, "gpt2 ./nosuch", "not a checkpoint folder"),
    (None, "gpt2 weights.bin", "pickled weights are not read"),
    ("pickled gpt2", "gpt2 pickled --layer 0", "pickled weights only"),
    (None, "gpt2 {tiny} --layer 12", "give 0 .. 2"),
    (None, "gpt2 {tiny} --layer 0 --vectors nosuch.npy", "missing"),
    (None, "gpt2 {tiny} --layer 0 --vectors rows.pkl", "a pickle can run any code"),
    (
        "pickled vectors",
        "gpt2 {tiny} --layer 0 --vectors objects.npy --out g.json",
        "cannot be read",
    ),
    (
        "odd vectors",
        "gpt2 {tiny} --layer 0 --vectors odd.npy --out g.json",
        "5 rows; give two rows for each circle",
    ),
    (
        "odd vectors",
        "gpt2 {tiny} --layer 0 --vectors even.npy --geodesics 3 --out g.json",
        "fewer circles",
    ),
    ("unsaid", "partition plain.safetensors --box -1 1", "does not say its architecture"),
    ("unsaid", "partition text.safetensors --box -1 1", "not in the safetensors format"),
    ("short vectors", "gpt2 {tiny} --layer 0 --vectors short.npy --out g.json", "64 columns"),
    ("nan vectors", "gpt2 {tiny} --layer 0 --vectors nan.npy --out g.json", "finite"),
    (None, "gpt2 {tiny} --layer 0 --geodesics 0", "--geodesics"),
    (
        "bad data",
        "train --data nan.npz --name a",
        r"inputs\[1, 0\] = nan in nan.npz; mend .* row 1",
    ),
    ("bad data", "train --data missing.npz --name a", "the data have no array 'targets'"),
    ("bad data", "train --data lengths.npz --name a", r"inputs \(3, 2\), targets \(2,\) in leng"),
    ("bad data", "train --data one.npz --name a", "one class only; got class 0 in all 3 rows"),
    ("bad data", "train --data floats.npz --name a", r"no class; got targets\[2\] = 0.5 in floats"),
    ("bad data", "train --data objects.npz --name a", "cannot be read; got objects.npz"),
    ("bad data", "train --data text.npz --name a", "cannot be read; got text.npz"),
    (None, "train --data nosuch.npz --name a", "missing, or is no .npz; got nosuch.npz"),
    (None, "train --data runs --name a", "missing, or is no .npz"),
    (None, "train --data mine.npz --task moons", "--data and --task are given; got mine.npz and m"),
    (None, "train --data mine.npz --samples 9", "--data and --samples are given"),
    (None, "train --data mine.npz --task-option a=1", "--data and --task-option are given"),
    (None, "train --data mine.npz --norm none --name ../out", "could leave its folder"),
    ("own task", "train --task users_module:three", "that is no function; got users_module:three"),
    ("own task", "train --task users_module:four", "no such function; got users_module:four; def"),
    ("own task", "train --task users_module:nothing", "is not a Dataset; got NoneType"),
    ("own task", "train --task users_nosuch:task", "there is no module of that name for --task"),
    ("own task", "train --task users_broken:task", "users_broken: ZeroDivisionError: division by"),
    ("own task", "train --task users_lacking:task", "ModuleNotFoundError: No module named 'no_su"),
    ("own task", "train --task 'users module:task'", "--task does not name a function"),
    ("own task", "train --task users_module:halves --task-option up=1", "unknown option of the t"),
    (None, "study --only 9.9", "no question on the claim; got '9.9'; write .* 0.1, 0.1b, 0.2, 0.3"),
    (None, "study --only 0.1,", "no question on the claim; got ''"),
    (None, "study --only=", "no question on the claim; got ''; write .* 0.1, .* 1.3, 1.4, .* 5.3"),
    (None, "study --only 0.1 --on nosuch", "no run or checkpoint of that name"),
    (None, "study --only 0.1 --on moons-none --on moons-none", "named twice; got moons-none"),
    (None, "study --only 0.1 --on model.pt", "a pickle can run any code"),
    (None, "study --only 0.1 --on gpt2:nosuch", "nosuch"),
    (None, "study --only 0.1 --on gelu --data nosuch.npz", "missing, or is no .npz"),
    (None, "study --only 0.1 --data mine.npz", "--data are the rows of a network of your own"),
    (None, "study --seeds 0", "--seeds"),
    ("unsaid", "study --only 0.1 --on plain.safetensors", "does not say its architecture"),
    (None, "study --only 0.1 --on moons-none --name moons-none", "exists already"),
    (None, "study --name ../outside", "could leave its folder"),
    (None, "study --name moons-none", "exists already"),
    (None, "study --gpt2 ./nosuch", "nosuch"),
    (None, "nosuch", "no such command 'nosuch'"),
]


@pytest.mark.usefixtures("own_tasks")
@pytest.mark.parametrize(
    ("before", "line", "named"), MISTAKES, ids=[line for _, line, _ in MISTAKES]
)
def test_a_mistake_costs_one_line_and_no_file(
    call: Call, tiny: Path, before: str | None, line: str, named: str | None
) -> None:
    if named is None:
        Path("runs.json").mkdir()
        named = "is a folder"
    if before is not None:
        PREPARE[before]()
    there = tree(Path.cwd())
    result = call(line.format(tiny=tiny))
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert re.fullmatch(r"error: [^;]+; got .+; .+\n", result.err)
    assert re.search(named, result.err)
    assert "Traceback" not in result.err
    assert tree(Path.cwd()) == there


def test_a_message_cannot_write_to_the_terminal(call: Call) -> None:
    result = call("partition 'no\x1b[2Jsuch\n\rname' --box -1 1")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "\x1b" not in result.err
    assert "\r" not in result.err


def test_a_defect_of_the_program_is_not_hidden(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("studies.commands.partition.enumerate_regions", broken)
    with pytest.raises(ZeroDivisionError):
        call("partition moons-none --box -1 1")


def test_the_process_ends_with_the_code_and_one_line(tmp_path: Path) -> None:
    process = module("partition", "nosuch", "--sphere", cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
