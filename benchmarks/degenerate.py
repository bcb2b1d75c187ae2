"""Networks that are not generic, beside generic ones: `python -m benchmarks.degenerate [OLD]`.

Without biases, with neurons that are parallel to others or their multiples, with small integers,
behind a grid, with a layer half of which is off everywhere: each is cut by `skeleton`, its facets
included, and so are generic networks of several widths; a line tells the CPU time a region beside
that of the generic one, in the same dimension and kind of domain, with the nearest number of
regions. With OLD, a folder that holds another state of the repository, each round runs that tree
and then this one, the least of a tree's rounds counts, and digests and facets are compared: exit
code 1 where an answer differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.many_networks import domain_of
from benchmarks.quantities import quantity, ratio
from benchmarks.tables import markdown

HERE = Path(__file__).resolve()
GENERIC = "generic"
WIDTHS: dict[str, dict[int, tuple[tuple[int, ...], ...]]] = {
    GENERIC: {
        3: ((16, 16), (24, 24), (32, 32)),
        4: ((10, 10), (14, 14), (18, 18)),
        5: ((8, 8), (10, 10), (14, 14)),
    },
    "no biases": {3: ((48, 48),), 4: ((18, 18),), 5: ((12, 12),)},
    "parallels": {3: ((24, 24),), 4: ((16, 16),), 5: ((10, 10), (14, 14))},
    "multiples": {3: ((48, 48),), 4: ((28, 28),), 5: ((20, 20),)},
    "integers": {3: ((24, 24),), 4: ((14, 14),), 5: ((10, 10),)},
    "grid": {3: ((24, 24),), 4: ((16, 16),), 5: ((12, 12),)},
    "dead layer": {3: ((32, 32, 32),), 4: ((18, 18, 18),), 5: ((12, 12, 12),)},
}
"""Widths of the hidden layers by kind and dimension."""


def network(kind: str, dim: int, widths: tuple[int, ...]) -> Any:
    """A network of a kind; uniform weights and biases, as torch draws them, are changed."""
    from exact.sources import tensors

    draw, layers = np.random.default_rng(0), []
    for number, (a, b) in enumerate(pairwise([dim, *widths])):
        bound, half = a**-0.5, b // 2
        weight, bias = draw.uniform(-bound, bound, (b, a)), draw.uniform(-bound, bound, b)
        if kind == "no biases":
            bias[:] = 0
        elif kind == "parallels":
            weight[half:] = weight[: b - half]
        elif kind == "multiples":
            weight[half:], bias[half:] = 2 * weight[: b - half], 2 * bias[: b - half]
        elif kind == "integers":
            weight, bias = draw.integers(-2, 3, (b, a)), draw.integers(-2, 3, b)
        elif kind == "grid" and number == 0:
            weight, bias = np.eye(a)[np.arange(b) % a], np.round(8 * draw.uniform(-1, 1, b)) / 8
        elif kind == "dead layer" and number == 1:
            weight[half:], bias[half:] = -np.abs(weight[half:]), -np.abs(bias[half:])
        layers.append((weight, bias))
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), None)])


def work(only: str) -> None:
    """Run all networks in this process's own tree; a line of JSON each."""
    from exact import partition

    for where in ("box", "space"):
        for kind, by_dim in WIDTHS.items():
            for dim, sizes in by_dim.items():
                for widths in sizes:
                    name = f"{dim}: {'-'.join(map(str, widths))} {where}"
                    if only not in f"{kind} {name}":
                        continue
                    net, domain = network(kind, dim, widths), domain_of(where, dim)
                    best = np.inf
                    for _ in range(3):
                        started = time.process_time()
                        found = partition(net, domain, engine="skeleton", limit=None)
                        graph = found.adjacency
                        best = min(best, time.process_time() - started)
                    answer = hashlib.sha256(found.digest.encode())
                    answer.update(
                        graph.indices.astype(np.int64).tobytes()
                    )  # the trees' widths differ
                    row = {
                        "kind": kind,
                        "net": name,
                        "like": f"{dim} {where}",
                        "regions": len(found),
                        "us": 1e6 * best / len(found),
                        "exact": found.decisions["exact"],
                        "answer": answer.hexdigest()[:12],
                    }
                    print(json.dumps(row), flush=True)


def in_tree(tree: Path, only: str) -> list[dict[str, Any]]:
    """What the networks say in a fresh process of a tree."""
    paths = os.pathsep.join([str(tree), str(HERE.parents[1])])  # benchmarks of this tree in any
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE), "--work", "--only", only]
    run = subprocess.run(
        command, cwd=tree, env=environment, check=True, capture_output=True, text=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def table(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[list[str]]:
    """Microseconds a region, and how many times those of a generic network."""
    head = ["kind", "net", "regions", "exact signs", "us a region", "x generic"]
    lines = [[*head, "old exact", "old us", "old x generic", "answers"] if old else head]
    for i, row in enumerate(new):
        here = [
            k
            for k, each in enumerate(new)
            if each["kind"] == GENERIC and each["like"] == row["like"]
        ]
        if not here:
            continue
        size = log(row["regions"])
        at = min(here, key=lambda k: abs(log(new[k]["regions"]) - size))
        cells = [row["kind"], row["net"], f"{row['regions']:,}"]
        for rows in (new, old) if old else (new,):
            of_kind = rows[i]
            cells += [f"{of_kind['exact']:,}", quantity(of_kind["us"])]
            cells.append(ratio(of_kind["us"], rows[at]["us"]))
        if old:
            cells.append("the same" if old[i]["answer"] == row["answer"] else "DIFFER")
        lines.append(cells)
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.degenerate", description=__doc__)
    parser.add_argument("old", type=Path, nargs="?", help="a folder with another state")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each tree (default: 3)")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.work:
        work(chosen.only)
        return 0
    rounds: tuple[list[Any], list[Any]] = [], []
    trees = [(1, HERE.parents[1])]
    trees = [*([(0, chosen.old.resolve())] if chosen.old else []), *trees]
    for _ in range(chosen.rounds):
        for side, tree in trees:
            rounds[side].append(in_tree(tree, chosen.only))
    best = [
        [min(each, key=lambda row: row["us"]) for each in zip(*turns, strict=True)]
        for turns in rounds
    ]
    lines = table(*best)
    print(markdown(lines))
    return int(any("DIFFER" in line for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
