"""The boxes of the first four properties on ACAS Xu networks, each in a process of its own:
`python -m benchmarks.acasxu FOLDER [--threads 1]`, FOLDER with `.nnet` files. With `--conditions`
the properties are asked, of all regions listed and by `holds`, in turn, in one process each.

The boxes are those of docs/acasxu.md (Katz et al. 2017, appendix, in raw units). Seconds are those
of `partition`, of all threads together; the kernels were called once before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.clock import filter_share, peak, setting
from exact import Box, Condition, Network, holds, outputs, partition
from exact.instruments.output_sets import reached
from exact.sources import nnet, tensors

BOXES: dict[str, tuple[list[Any], list[Any]]] = {
    "1 and 2": ([55947.691, None, None, 1145, None], [None, None, None, None, 60]),
    "3": ([1500, -0.06, 3.10, 980, 960], [1800, 0.06, None, None, None]),
    "4": ([1500, -0.06, 0, 1000, 700], [1800, 0.06, 0, None, 800]),
}
"""Lower and upper bounds by property; None where the network's own count."""

HEAD = "| network | property | regions | outcome | by the filter | CPU seconds | peak MB | engine |"


def measured(path: Path, properties: str) -> dict[str, Any]:
    """One box of one network, in this process."""
    net = nnet.read(path)
    partition(_small(), Box(-1, 1, dim=net.network.input_dim))
    started = time.process_time()
    found = partition(net.network, net.box(*BOXES[properties]), limit=None)
    took = time.process_time() - started
    return {
        "regions": len(found),
        "outcome": found.outcome.value,
        "filter": filter_share(found),
        "seconds": took,
        "peak": peak(),
        "engine": found.engine,
    }


CONDITIONS = {1: "1 and 2", 2: "1 and 2", 3: "3", 4: "4"}
"""Properties and their boxes."""

ASKED = (
    "| network | property | verdict | regions | listed s | decided s | boxes | cells | holds s | "
    "ratio |"
)


def asked(net: nnet.Nnet, number: int) -> tuple[Condition, list[list[Any]]]:
    """A property as a condition on the outputs, and what violates it as rows >= 0."""
    y, others = outputs(net.network), range(1, 5)
    if number == 1:
        bound = net.normalised_output(1500)
        return y[0] < bound, [[1, 0, 0, 0, 0, -bound]]
    sign = 1 if number == 2 else -1
    rows = [[sign, *(-sign * (k == j) for j in others), 0] for k in others]
    return Condition.some(sign * (y[0] - y[k]) < 0 for k in others), rows


def compared(path: Path, number: int) -> dict[str, Any]:
    """A property by `holds`, and by the partition and a decision on each region."""
    net = nnet.read(path)
    condition, rows = asked(net, number)
    box = net.box(*BOXES[CONDITIONS[number]])
    partition(_small(), Box(-1, 1, dim=net.network.input_dim))
    holds(_small(), Box(-1, 1, dim=net.network.input_dim), outputs(1)[0] < 10**6)
    times = [time.process_time()]
    answer = holds(net.network, box, condition)
    times.append(time.process_time())
    found = partition(net.network, box, limit=None)
    times.append(time.process_time())
    listed = reached(found, rows)
    times.append(time.process_time())
    if (answer.witness is None) != (listed.point is None):
        raise SystemExit(f"{path.stem}, property {number}: two answers")
    spent = [after - before for before, after in pairwise(times)]
    return {
        "verdict": answer.verdict.value,
        "boxes": answer.boxes,
        "cells": answer.cells,
        "regions": len(found),
        "holds": spent[0],
        "listing": spent[1],
        "deciding": spent[1] + spent[2],
    }


def _told(path: Path, number: int, row: dict[str, Any]) -> str:
    ratio = row["deciding"] / row["holds"]
    cells = [
        *(path.stem, str(number), row["verdict"], f"{row['regions']:,}"),
        *(f"{row['listing']:.1f}", f"{row['deciding']:.1f}"),
        *(f"{row['boxes']:,}", f"{row['cells']:,}", f"{row['holds']:.3f}", f"{ratio:,.0f}"),
    ]
    return f"| {' | '.join(cells)} |"


def _small() -> Network:
    """A network on which the kernels are compiled."""
    return tensors.mlp([([[1, 2, 3, 4, 5], [3, -1, 4, -1, 5]], [0.5, 0.25]), ([[1, 1]], None)])


def main(arguments: list[str] | None = None) -> int:
    """Print the table, a row as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.acasxu", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--conditions", action="store_true", help="ask the properties")
    parser.add_argument("--box", nargs=2, metavar=("FILE", "PROPERTY"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.box is not None:
        path, name = Path(chosen.box[0]), chosen.box[1]
        print(json.dumps(compared(path, int(name)) if chosen.conditions else measured(path, name)))
        return 0
    files = sorted(chosen.folder.glob("*.nnet"))
    if not files:
        parser.error(f"{chosen.folder} has no .nnet file")
    head = ASKED if chosen.conditions else HEAD
    print(setting(chosen.threads), "", head, "|---" * (head.count("|") - 1) + "|", sep="\n")
    for path in files:
        for name in map(str, CONDITIONS if chosen.conditions else BOXES):
            row = _in_a_process(chosen, path, name)
            if chosen.conditions:
                print(_told(path, int(name), row), flush=True)
                continue
            print(
                f"| {path.stem} | {name} | {row['regions']:,} | "
                f"{row['outcome']} | {row['filter']:.4%} | "
                f"{row['seconds']:.1f} | {row['peak']:,.0f} | {row['engine']} |",
                flush=True,
            )
    return 0


def _in_a_process(chosen: argparse.Namespace, path: Path, name: str) -> dict[str, Any]:
    """What one box of one network gives, in a process of its own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), str(chosen.threads))
    command = [sys.executable, "-m", "benchmarks.acasxu", str(chosen.folder)]
    done = subprocess.run(
        [*command, *(["--conditions"] * chosen.conditions), "--box", str(path), name],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=True,
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


if __name__ == "__main__":
    sys.exit(main())
