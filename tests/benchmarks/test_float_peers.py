"""The table against programs in floats: its list of cells, its turns, and stand-ins for them."""

from __future__ import annotations

import sys
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import float_peers
from benchmarks.float_peers import EDGES, OURS, SYRENN, VERITEX, Program
from benchmarks.jobs import Job, layers, problem
from exact import partition

EDGES_BY_HAND = """
import numpy, torch
def skeletal_subdivision(given, device, verbose):
    (module,) = given.fcs
    roots = (-module.bias / module.weight[:, 0]).tolist()
    ends = sorted([-1.0, 1.0, *(x for x in roots if abs(x) < 1)])
    points = torch.tensor(ends)[:, None]
    values = torch.hstack([points + 1, 1 - points, module(points)])
    values[values.abs() < 1e-6] = 0
    edges = torch.tensor([[i, i + 1] for i in range(len(ends) - 1)])
    print("Layer 1: said on the way")
    return points, edges, values.sign().to(torch.int8)
"""
NET_BY_HAND = """
from torch import nn
class Net(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.fcs = nn.ModuleList([nn.Linear(*pair) for pair in zip(sizes, sizes[1:])])
"""
RELU_BY_HAND = """
def exact_reach(interval, neurons):
    return interval.cut(neurons[0]), neurons[1:]
"""
CUBE_BY_HAND = """
import numpy as np
class Interval:
    def __init__(self, ends, M, b):
        self.ends, self.M, self.b = ends, M, b
    def affine_map(self, W, b):
        self.M, self.b = W @ self.M, W @ self.b + b
    def half(self, ends, row, on):
        keep = np.ones(len(self.M), bool)
        keep[row] = on
        return Interval(ends, self.M * keep[:, None], self.b * keep[:, None])
    def cut(self, row):
        slope, value = self.M[row, 0], self.b[row, 0]
        first, last = (slope * x + value > 0 for x in self.ends)
        if first == last:
            return [self.half(self.ends, row, first)]
        root = -value / slope
        return [self.half((self.ends[0], root), row, first),
                self.half((root, self.ends[1]), row, last)]
class CubeDomain:
    def __init__(self, low, high):
        self.ends = low[0], high[0]
    def to_FVIM(self):
        return Interval(self.ends, np.eye(1), np.zeros((1, 1)))
"""


def skeleton(net: str) -> tuple[Any, Any, Any, Any]:
    """Points, edges and signs of all vertices of a network's regions, exactly, and its codes."""
    found = partition(*problem(Job("peers", net))[:2])
    weights = [
        (np.vectorize(Fraction)(weight), np.vectorize(Fraction)(bias))
        for weight, bias in layers(net)[:-1]
    ]

    def signs(point: tuple[Fraction, ...]) -> list[int]:
        x = np.array(point)
        values = [*(1 + x), *(1 - x)]
        for weight, bias in weights:
            before = weight @ x + bias
            values += before.tolist()
            x = np.array([max(value, Fraction(0)) for value in before])
        return [(value > 0) - (value < 0) for value in values]

    corners = [region.vertices for region in found.regions]
    points = sorted({point for region in corners for point in region})
    number = {point: i for i, point in enumerate(points)}
    told = np.array([signs(point) for point in points], dtype=np.int8)
    dim, edges = len(points[0]), set[tuple[int, int]]()
    for region in corners:
        for pair in combinations(sorted(number[point] for point in region), 2):
            if ((told[list(pair)] == 0).all(axis=0)).sum() >= dim - 1:
                edges.add(pair)
    return np.array(points, dtype=float), np.array(sorted(edges)), told, found.codes


@pytest.mark.parametrize("net", ["2: 6", "2: 6-5", "2: 4-4-4", "3: 4-3"])
def test_cells_of_a_skeleton_are_those_of_the_partition(net: str) -> None:
    points, edges, signs, codes = skeleton(net)
    listed = float_peers.cells(points, edges, signs)
    bits = np.unpackbits(listed, axis=1, count=signs.shape[1])
    dim = points.shape[1]
    assert bits[:, : 2 * dim].all()
    listed = np.packbits(bits[:, 2 * dim :], axis=1)
    assert sorted(map(bytes, listed)) == sorted(map(bytes, codes))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for two programs, on intervals."""
    funcs, sets = tmp_path / "veritex/networks/funcs", tmp_path / "veritex/sets"
    funcs.mkdir(parents=True)
    sets.mkdir()
    for path, text in (
        (funcs / "relu.py", RELU_BY_HAND),
        (sets / "cubedomain.py", CUBE_BY_HAND),
        (tmp_path / "edge_subdivision.py", EDGES_BY_HAND),
        (tmp_path / "NN.py", NET_BY_HAND),
    ):
        path.write_text(text)
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("veritex", "edge_subdivision", "NN"):
            del sys.modules[name]


def test_programs_of_a_folder_are_asked_for_cells(folder: Path) -> None:
    for net, programs in (
        ("1: 5", [float_peers.veritex, float_peers.edge_subdivision]),
        ("1: 6-5", [float_peers.veritex]),
    ):
        expected = float_peers.ours()(net)["cells"]
        for program in programs:
            answer = program(str(folder))(net)
            assert answer["cells"] == expected > 2
            assert answer["seconds"] >= 0 and answer.get("listing", 0) >= 0


def test_a_process_answers_by_lines_and_starts_again(tmp_path: Path) -> None:
    program = tmp_path / "plane"
    program.write_text('#!/bin/sh\nread net\necho \'{"cells": 7, "seconds": 0.5}\'\nexit 3\n')
    program.chmod(0o755)
    asked = Program(SYRENN, str(program))
    assert asked.cuts("2: 3") and not asked.cuts("3: 3")
    assert asked.answer("2: 3") == {"cells": 7, "seconds": 0.5}
    assert asked.answer("2: 3") == {"failed": "exit status 3"}
    assert asked.answer("2: 3")["cells"] == 7
    asked.close()
    numbers = [float(x) for x in float_peers.syrenn_text("2: 3-2").split()]
    (first, bias), (second, last), _ = layers("2: 3-2")
    assert numbers == [2, 3, 2, *first.ravel(), *bias, 2, 3, *second.ravel(), *last]


class Told(Program):
    """A program that takes what it is told."""

    def __init__(self, name: str, seconds: float, found: int = 9) -> None:
        self.name, self.told, self.asked = name, {"cells": found, "seconds": seconds}, 0

    def answer(self, net: str) -> dict[str, Any]:
        self.asked += 1
        return dict(self.told)

    def close(self) -> None:
        self.told = {}


def test_turns_end_where_enough_is_spent() -> None:
    slow, quick, plane = Told(EDGES, 30.0), Told(OURS, 0.001), Told(SYRENN, 1.0)
    found = float_peers.in_turn([slow, quick, plane], "3: 3", 4, 20.0)
    assert (slow.asked, quick.asked, plane.asked) == (1, 1 + 4 * float_peers.AGAIN, 0)
    assert found.keys() == {EDGES, OURS} and found[EDGES]["times"] == 1
    assert found[OURS] == {"cells": 9, "seconds": 0.001, "times": 4 * float_peers.AGAIN}
    assert float_peers.median(
        [{"cells": 1, "seconds": s, "listing": 2 * s} for s in (9.0, 1.0, 2.0, 4.0)]
    ) == {"cells": 1, "seconds": 2.0, "listing": 4.0, "times": 3}


def test_rows_say_who_is_ahead_and_who_counts_otherwise() -> None:
    own = {"cells": 9, "seconds": 0.004}
    listed = {"cells": 9, "seconds": 0.006, "listing": 0.002}
    peers = [SYRENN, EDGES, VERITEX]
    found = {OURS: own, EDGES: listed, VERITEX: {"cells": 9, "seconds": 0.04}}
    assert float_peers.row("3: 3", found, peers) == [
        *("3: 3", "9", "4.0", "", "6.0 (+2.0)", "40.0", "2.0")
    ]
    found[SYRENN] = {"cells": 9, "seconds": 0.001}
    assert float_peers.row("2: 3", found, peers)[-1] == "**0.25**"
    found[SYRENN] = {"cells": 8, "seconds": 0.001}
    found[VERITEX] = {"failed": "exit status 1"}
    assert float_peers.row("2: 3", found, peers)[3:] == [
        *("1.0, 8 cells", "6.0 (+2.0)", "exit status 1", "2.0")
    ]


def test_the_table_has_a_row_a_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(float_peers, "Program", lambda name, where="": Told(name, 0.03))
    assert float_peers.main(["--syrenn", "here", "--nets", "2: 3", "3: 3", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"| net | regions | ours ms | {SYRENN} ms | best / ours | load")
    assert [line.split(" | ")[1:5] for line in lines[2:]] == [
        ["9", "30.0", "30.0", "1.0"],
        ["9", "30.0", "", ""],
    ]
