"""Many small networks, each met for the first time: `python -m benchmarks.many_networks [OLD]`.

Every network is read, then partitioned once with its adjacency, so that nothing is warm but the
kernels; what is timed is the CPU time of the thread, without the reading. A line tells the median
of a shape's networks, the share of cells that one compiled call found in the plane, and what the
same networks take by `partition_many`. With OLD, a folder that holds another state of the
repository, each round runs that tree and then this one, the least of a tree's rounds counts, and
the digests of codes and adjacency are compared: exit code 1 where an answer differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
SHAPES: dict[str, tuple[tuple[int, ...], str, str]] = {
    "2: 16-16 box": ((2, 16, 16), "uniform", "box"),
    "2: 32-32-32 box": ((2, 32, 32, 32), "uniform", "box"),
    "2: 32x5 box": ((2, *(32,) * 5), "uniform", "box"),
    "2: 8x10 box": ((2, *(8,) * 10), "uniform", "box"),
    "2: 256 box": ((2, 256), "uniform", "box"),
    "2: 16-16 triangle": ((2, 16, 16), "uniform", "triangle"),
    "2: 16-16 space": ((2, 16, 16), "uniform", "space"),
    "2: 16-16 zero biases": ((2, 16, 16), "zero biases", "box"),
    "2: 8-8-8 integers": ((2, 8, 8, 8), "integers", "box"),
    "3: 8-8 box": ((3, 8, 8), "uniform", "box"),
    "3: 12 space vertices": ((3, 12), "uniform", "space"),
    "4: 12 box vertices": ((4, 12), "uniform", "box"),
}
"""Sizes, weights and domain by name; those that end in an engine ask for it."""
AT_ONCE = "in one pass by floats alone"  # what the evidence of the compiled call says
COUNTS = {"2: 32-32-32 box": 0.3, "2: 32x5 box": 0.2, "2: 256 box": 0.1}  # of the nets asked for


def networks(sizes: tuple[int, ...], kind: str, count: int, first: int) -> list[Any]:
    """Networks with weights as torch draws them, without biases, or of small integers."""
    from exact.sources import tensors

    found = []
    for seed in range(first, first + count):
        draw, layers = np.random.default_rng(seed), []
        for a, b in pairwise([*sizes, 1]):
            bound = a**-0.5
            weight, bias = draw.uniform(-bound, bound, (b, a)), draw.uniform(-bound, bound, b)
            if kind == "integers":
                weight, bias = draw.integers(-2, 3, (b, a)), draw.integers(-2, 3, b)
            layers.append((weight, bias * (kind != "zero biases")))
        found.append(tensors.mlp(layers))
    return found


def domain_of(name: str, dim: int) -> Any:
    from exact import Box, HPolytope, RealSpace

    if name == "triangle":
        return HPolytope([[1, 0, 1], [0, 1, 1], [-1, -1, 1]])
    return Box(-1, 1, dim=dim) if name == "box" else RealSpace(dim)


def work(only: str, count: int) -> None:
    """Run the shapes in this process's own tree; a line of JSON each."""
    import exact
    from exact import partition

    for name, (sizes, kind, where) in SHAPES.items():
        if only not in name:
            continue
        domain = domain_of(where, sizes[0])
        engine = "vertices" if name.endswith("vertices") else None
        nets = networks(sizes, kind, max(3, int(count * COUNTS.get(name, 1))), 0)
        for net in networks(sizes, kind, 3, 10**6):
            partition(net, domain, engine=engine).neighbours()
        seconds, digest, cells, fast = list[float](), hashlib.sha256(), 0, 0
        for net in nets:
            started = time.thread_time()
            found = partition(net, domain, engine=engine)
            graph = found.adjacency
            seconds.append(time.thread_time() - started)
            cells += len(found)
            fast += len(found) * (AT_ONCE in found.evidence)
            digest.update(found.digest.encode())
            for numbers in (graph.indices, graph.flipped.members):
                digest.update(numbers.astype(np.int64).tobytes())  # their width is the tree's own
        row = {
            "shape": name,
            "cells": cells / len(nets),
            "seconds": statistics.median(seconds),
            "share": fast / cells,
            "answer": digest.hexdigest()[:12],
        }
        if hasattr(exact, "partition_many"):
            fresh = networks(sizes, kind, len(nets), 0)
            started = time.thread_time()
            exact.partition_many(fresh, domain, engine=engine, adjacency=True)
            row["many"] = (time.thread_time() - started) / len(nets)
        print(json.dumps(row), flush=True)


def in_tree(tree: Path, only: str, count: int) -> list[dict[str, Any]]:
    """What the shapes say in a fresh process of a tree."""
    command = [sys.executable, str(HERE), "--work", "--only", only, "--nets", str(count)]
    paths = os.pathsep.join([str(tree), str(HERE.parents[1])])  # benchmarks of this tree in any
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command, cwd=tree, env=environment, check=True, capture_output=True, text=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def table(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Milliseconds a network of CPU time, and how many times less than in the old tree."""
    from benchmarks.quantities import quantity, ratio  # which an old tree at work has not

    head = ["networks", "regions each", "in one call", "ms", "ms by partition_many"]
    lines = [[*head, "old ms", "old / new", "answers"] if old else head]
    for name, row in new.items():
        before = old.get(name)
        cells = [
            name,
            f"{row['cells']:,.0f}",
            f"{row['share']:.0%}",
            quantity(1e3 * row["seconds"]),
        ]
        cells.append(quantity(1e3 * row["many"]) if "many" in row else "")
        if old and before is not None:
            same = "the same" if before["answer"] == row["answer"] else "DIFFER"
            cells += [quantity(1e3 * before["seconds"]), ratio(before["seconds"], row["seconds"])]
            cells.append(same)
        lines.append(cells)
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_networks", description=__doc__)
    parser.add_argument("old", type=Path, nargs="?", help="a folder with another state")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each tree (default: 3)")
    parser.add_argument("--nets", type=int, default=100, help="networks of a shape (default: 100)")
    parser.add_argument("--only", default="", help="shapes whose name contains this")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.work:
        work(chosen.only, chosen.nets)
        return 0
    best: tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]] = {}, {}
    trees = [(1, HERE.parents[1])]
    trees = [*([(0, chosen.old.resolve())] if chosen.old else []), *trees]
    for _ in range(chosen.rounds):
        for side, tree in trees:
            for row in in_tree(tree, chosen.only, chosen.nets):
                kept = best[side].setdefault(row["shape"], row)
                for name in ("seconds", "many"):
                    if name in row:
                        kept[name] = min(kept[name], row[name])
    from benchmarks.tables import markdown

    lines = table(*best)
    print(markdown(lines))
    return int(any("DIFFER" in line for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
