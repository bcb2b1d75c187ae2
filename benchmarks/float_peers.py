"""Programs in floats that cut boxes, and this one, in turn on one thread:
`python -m benchmarks.float_peers --edge-subdivision DIR --veritex DIR --syrenn BINARY`.

Nothing of them is installed or kept here. DIR of edge subdivision (Berzins 2023, torch, float32) is
the checkout with `edge_subdivision.py` and `NN.py`, that of veritex (numpy, float64) the one with
the folder `veritex`; BINARY is SyReNN (C++, float32) linked with `benchmarks/syrenn_main.cc`, which
says how. Each program is left out where its option is.

Every program has one process, on the networks "d: widths" of `python -m benchmarks` in the box
[-1, 1]^d. They take turns, network by network and round by round, after a round that is not
counted; a row is the median of the CPU time of the process. Our time is that of a network read but
not partitioned before, exact codes in canonical order and the adjacency included; reading networks
is left out for all. A program has spent enough on a network after `--seconds`.

What they give is not the same: SyReNN polygons, veritex polytopes with their vertices and facets,
edge subdivision the vertices and edges with sign vectors. Its own way to cells ends at dimension
three and loops in Python; what is timed as "listed" beside it is `cells`, the cheapest we know,
which takes every vertex to be simple. Counts are compared: a program that finds another number of
cells has it in its column.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import layers
from benchmarks.quantities import quantity, ratio
from benchmarks.tables import markdown

NETS = (
    *("2: 16-16", "2: 32-32-32", "2: 32x5", "2: 64-64-64"),
    *("2: 256", "2: 128-128-128", "2: 256-256-256"),
    *("3: 16-16", "3: 32-32", "3: 64-64", "3: 64-64-64"),
    *("4: 24", "4: 16-16", "4: 32-32", "5: 16", "5: 20", "5: 16-16"),
    *("6: 16", "6: 20", "6: 24"),
)
OURS, EDGES, VERITEX, SYRENN = "ours", "edge subdivision", "veritex", "SyReNN"
QUICK, AGAIN = 0.2, 10
"""A turn is `AGAIN` times a network where they end within about so many seconds."""
Answer = dict[str, Any]
"""`cells`, `seconds`, and for edge subdivision `listing` after them; or `failed`."""


def cells(points: NDArray[Any], edges: NDArray[Any], signs: NDArray[Any]) -> NDArray[np.uint8]:
    """Packed codes, (c, bytes), one a cell, of a skeleton of simple vertices in a bounded domain.

    `points` is (n, d), `edges` (e, 2) of their numbers, `signs` (n, m) of -1, 0 and 1, d zeros a
    row. Every cell has one lowest vertex. From a vertex one edge at most leaves each of its d
    hinges or walls to each side, and a cell there takes one side of each: the vertex is its lowest
    if the d edges of these sides rise. A bit is set where the vertex or the upper end of one of
    them is positive. Hinges may bend at the vertex, so that it can be lowest of several cells.

    >>> square = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    >>> around = np.array([[0, 1], [0, 2], [1, 3], [2, 3]])
    >>> cells(square, around, np.hstack([square, 1 - square])).tolist()
    [[240]]
    """
    count, dim = points.shape
    heights = points.astype(np.float64) @ np.random.default_rng(0).standard_normal(dim)
    rises = heights[edges[:, 0]] < heights[edges[:, 1]]
    low = np.where(rises, edges[:, 0], edges[:, 1])
    high = np.where(rises, edges[:, 1], edges[:, 0])
    zeros = np.nonzero(signs == 0)[1].reshape(count, dim)
    left = signs[high[:, None], zeros[low]]
    place = np.argmax(left != 0, axis=1)
    ends = np.full((count, dim, 2), -1)
    ends[low, place, (left[np.arange(len(low)), place] > 0).astype(int)] = high
    positive = np.packbits(signs > 0, axis=1)
    vertices, codes = np.arange(count), positive
    for hinge in range(dim):
        sides = [ends[vertices, hinge, side] for side in (0, 1)]
        kept = [end >= 0 for end in sides]
        codes = np.concatenate(
            [codes[rise] | positive[end[rise]] for rise, end in zip(kept, sides, strict=True)]
        )
        vertices = np.concatenate([vertices[rise] for rise in kept])
    return codes


def ours() -> Callable[[str], Answer]:
    """`partition` and the adjacency."""
    from exact import Box, partition
    from exact.sources import tensors

    def answer(net: str) -> Answer:
        given = tensors.mlp(layers(net))
        box, started = Box(-1, 1, dim=given.input_dim), time.process_time()
        found = partition(given, box)
        found.adjacency  # noqa: B018 it is made when asked for the first time
        return {"cells": len(found), "seconds": time.process_time() - started}

    return answer


def edge_subdivision(folder: str) -> Callable[[str], Answer]:
    """Vertices and edges in float32, then `cells`."""
    import torch

    sys.path.insert(0, folder)
    from edge_subdivision import skeletal_subdivision  # type: ignore[import-not-found]
    from NN import Net  # type: ignore[import-not-found]

    torch.set_num_threads(1)

    def answer(net: str) -> Answer:
        hidden = layers(net)[:-1]
        given = Net([hidden[0][0].shape[1], *(len(bias) for _, bias in hidden)])
        with torch.no_grad():
            for module, (weight, bias) in zip(given.fcs, hidden, strict=True):
                module.weight.copy_(torch.from_numpy(weight))
                module.bias.copy_(torch.from_numpy(bias))
            started = time.process_time()
            found = skeletal_subdivision(given, device=torch.device("cpu"), verbose=False)
            seconds = time.process_time() - started
            count = len(cells(*(part.numpy() for part in found)))
        listing = time.process_time() - started - seconds
        return {"cells": count, "seconds": seconds, "listing": listing}

    return answer


def veritex(folder: str) -> Callable[[str], Answer]:
    """Polytopes, depth first."""
    sys.path.insert(0, folder)
    from veritex.networks.funcs import relu  # type: ignore[import-not-found]
    from veritex.sets.cubedomain import CubeDomain  # type: ignore[import-not-found]

    def answer(net: str) -> Answer:
        hidden = [(weight, bias[:, None]) for weight, bias in layers(net)[:-1]]
        dim, started = hidden[0][0].shape[1], time.process_time()
        states = [(CubeDomain([-1.0] * dim, [1.0] * dim).to_FVIM(), 0, np.arange(0))]
        found = []
        while states:
            polytope, layer, neurons = states.pop()
            if len(neurons):
                parts, rest = relu.exact_reach(polytope, neurons)
                states += [(part, layer, rest) for part in parts]
            elif layer == len(hidden):
                found.append(polytope)
            else:
                polytope.affine_map(*hidden[layer])
                states.append((polytope, layer + 1, np.arange(len(hidden[layer][0]))))
        return {"cells": len(found), "seconds": time.process_time() - started}

    return answer


def syrenn_text(net: str) -> str:
    """A network of the plane as `syrenn_main.cc` reads it, on one line."""
    hidden = layers(net)[:-1]
    numbers = [
        f"{len(bias)} {weight.shape[1]} {' '.join(map(repr, np.ravel(weight).tolist()))} "
        f"{' '.join(map(repr, bias.tolist()))}"
        for weight, bias in hidden
    ]
    return f"{len(hidden)} {' '.join(numbers)}\n"


class Program:
    """One process that answers networks by a line each."""

    def __init__(self, name: str, where: str = "") -> None:
        self.name, self.where = name, where
        command = [sys.executable, "-m", "benchmarks.float_peers", "--serve", name, where]
        self.process = subprocess.Popen(
            [where] if name == SYRENN else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
            cwd=Path(__file__).parents[1],
        )

    def cuts(self, net: str) -> bool:
        """Whether the program knows the dimension."""
        return self.name != SYRENN or net.startswith("2:")

    def answer(self, net: str) -> Answer:
        """The answer of the process; `failed` where it ends instead."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the missing answer tells
            self.process.stdin.write(syrenn_text(net) if self.name == SYRENN else net + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.__init__(self.name, self.where)  # type: ignore[misc]
            return {"failed": f"exit status {status}"}
        found: Answer = json.loads(line)
        return found

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def serve(name: str, where: str) -> None:
    """Answer the networks of standard input, a line each; what a program prints goes to the error
    stream.
    """
    answers = ours() if name == OURS else {EDGES: edge_subdivision, VERITEX: veritex}[name](where)
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            found = answers(line.strip())
        print(json.dumps(found), flush=True)


def in_turn(programs: list[Program], net: str, rounds: int, seconds: float) -> dict[str, Answer]:
    """Medians by program: of the rounds, or of as many as `seconds` allow, after one that is not
    counted.
    """
    asked = {program.name: list[Answer]() for program in programs if program.cuts(net)}
    for _ in range(rounds + 1):
        for program in programs:
            before = asked.get(program.name, [])
            spent = sum(answer["seconds"] for answer in before if "failed" not in answer)
            if program.name in asked and spent < seconds and not failures(before):
                quick = before and before[0]["seconds"] < QUICK / AGAIN
                before += [program.answer(net) for _ in range(AGAIN if quick else 1)]
    return {name: median(answers) for name, answers in asked.items()}


def failures(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if "failed" in answer]


def median(answers: list[Answer]) -> Answer:
    """One answer for all: the medians of the times, without the first where there are more."""
    if failed := failures(answers):
        return failed[0]
    counted = answers[1:] or answers
    middle = {
        name: statistics.median(answer[name] for answer in counted)
        for name in ("seconds", "listing")
        if name in counted[0]
    }
    return answers[0] | middle | {"times": len(counted)}


def listed(answer: Answer | None) -> float | None:
    """The seconds that a program takes for a list of cells; None without one."""
    if answer is None or "failed" in answer:
        return None
    return float(answer["seconds"] + answer.get("listing", 0.0))


def row(net: str, found: dict[str, Answer], peers: list[str]) -> list[str]:
    """A line of the table: milliseconds, in brackets those of listing, and how many times our
    time the best of the others takes, its cells listed, in bold where that is below 1.
    """
    own = found[OURS]
    entries = [net, f"{own['cells']:,}", quantity(1e3 * own["seconds"])]
    best = None
    for name in peers:
        answer = found.get(name)
        if answer is None or "failed" in answer:
            entries.append("" if answer is None else answer["failed"])
            continue
        entry = quantity(1e3 * answer["seconds"])
        if "listing" in answer:
            entry += f" (+{quantity(1e3 * answer['listing'])})"
        if answer["cells"] != own["cells"]:
            entries.append(f"{entry}, {answer['cells']:,} cells")
            continue
        entries.append(entry)
        took = listed(answer)
        best = took if best is None else min(best, took or best)
    against = ratio(best, own["seconds"])
    return [*entries, f"**{against}**" if best and best < own["seconds"] else against]


def main(arguments: list[str] | None = None) -> int:
    """Print the table, a row as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.float_peers", description=__doc__)
    parser.add_argument("--edge-subdivision", dest=EDGES, help="the folder of its checkout")
    parser.add_argument("--veritex", dest=VERITEX, help="the folder of its checkout")
    parser.add_argument("--syrenn", dest=SYRENN, help="the program, made as syrenn_main.cc says")
    parser.add_argument("--nets", nargs="+", default=NETS, help='such as "5: 16-16"')
    parser.add_argument("--rounds", type=int, default=7, help="counted turns (default: 7)")
    parser.add_argument("--seconds", type=float, default=20.0, help="enough a network (default 20)")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        serve(*chosen.serve)
        return 0
    peers = [name for name in (SYRENN, EDGES, VERITEX) if getattr(chosen, name)]
    programs = [Program(OURS), *(Program(name, getattr(chosen, name)) for name in peers)]
    head = ["net", "regions", "ours ms", *(f"{name} ms" for name in peers), "best / ours", "load"]
    print(markdown([head]), flush=True)
    for net in chosen.nets:
        found = in_turn(programs, net, chosen.rounds, chosen.seconds)
        line = [*row(net, found, peers), f"{os.getloadavg()[0]:.1f}"]
        print(f"| {' | '.join(line)} |", flush=True)
    for program in programs:
        program.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
