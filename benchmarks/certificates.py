"""`python -m benchmarks certificates`: what a certificate costs to write and to check, and what
starting costs, by this tree and by an older one in turn, in seconds of CPU time.

Each tree works in processes of its own, with one thread, best of several; what is imported and
compiled before is not counted, but for the rows of programs that start.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

TREE = Path(__file__).resolve().parents[1]
SMALL = TREE / "tests/exact/certificates_of_format_1/complex.jsonl"
JOBS = {
    "2: 64-64-64, box": ([2, 64, 64, 64, 3], "box"),
    "2: 64-64-64, all of R^2": ([2, 64, 64, 64, 3], "space"),
    "3: 32-32, box": ([3, 32, 32, 3], "box"),
    "5: 10-10, box": ([5, 10, 10, 3], "box"),
    "1536: 128-128, a plane": ([1536, 128, 128, 1], "plane"),
    "784: 16-16, a small box": ([784, 16, 16, 1], "small box"),
}
"""Widths, and the domain."""
STARTS = {
    "import exact": ["-c", "import exact"],
    "a first answer": [
        "-c",
        "from exact import Box, partition\n"
        "from exact.sources import tensors\n"
        "net = tensors.mlp([([[1, 2], [2, -1]], [0.3, 0.7]), ([[1, 1]], [0])])\n"
        "partition(net, Box(-1, 1, dim=2)).region_count",
    ],
    "exactlens check, a small file": ["-m", "studies.cli", "check", str(SMALL)],
}
Row = dict[str, Any]


def answer(name: str) -> dict[str, float]:
    """Seconds to write and to check a certificate, and its size, by the tree that `exact` is
    imported from.
    """
    from exact import check, partition

    found: dict[str, float] = {}
    network, domain = _job(*JOBS[name])
    partition(network, domain)  # compiles, and loads what is compiled
    check.verify_file(SMALL)
    with tempfile.TemporaryDirectory() as folder:
        for maps in (False, True):
            regions = partition(network, domain)
            regions.neighbours()
            path, words = Path(folder) / "proof.jsonl", " with maps" if maps else ""
            gc.collect()
            gc.freeze()  # else the collector walks all modules in the middle of it
            start = time.process_time()
            regions.certificate(path, maps=maps)
            middle = time.process_time()
            verdict = check.verify_file(path)
            found[f"check{words}"] = time.process_time() - middle
            found[f"write{words}"] = middle - start
            found[f"MB{words}"] = path.stat().st_size / 1e6
            found[f"MB packed{words}"] = len(gzip.compress(path.read_bytes())) / 1e6
            if verdict.status is not check.Status.COMPLETE:
                raise SystemExit(f"{name}: {verdict}")
    return {"regions": float(len(regions)), **found}


def _job(widths: list[int], domain: str) -> tuple[Any, Any]:
    """A network with PyTorch's default initialisation, seed 0, and a domain of it."""
    import numpy as np
    import torch

    from exact import Box, Plane, RealSpace
    from exact.sources import tensors

    torch.manual_seed(0)
    modules = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(widths)]
    net = tensors.mlp([(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in modules])
    dim, draw = widths[0], np.random.default_rng(0)
    middle, *spans = (draw.normal(size=dim).tolist() for _ in range(3))
    if domain == "plane":
        return net, Plane(middle, *spans, s=("-1/7", "1/7"), t=("-1/7", "1/7"))
    if domain == "small box":
        size = 1 / 64
        return net, Box([x - size for x in middle], [x + size for x in middle])
    return net, Box(-1, 1, dim=dim) if domain == "box" else RealSpace(dim)


def started(tree: Path, name: str) -> float:
    """Seconds of CPU time of a program that starts, in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(tree, STARTS[name])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(tree: Path, name: str) -> dict[str, float]:
    """One answer of a tree, in a process of its own with one thread."""
    out = _run(tree, ["-P", str(Path(__file__).resolve()), "--answer", name])
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def _run(tree: Path, words: list[str]) -> str:
    from benchmarks.region_quantities import one_thread

    done = subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        env={**one_thread(), "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def lines(rows: Iterable[Row]) -> list[str]:
    """The table: a row for each job and quantity, with the older tree's where there is one."""
    from benchmarks.quantities import quantity, ratio

    found = ["| job | regions | | before | now | ratio |", "|---|---|---|---|---|---|"]
    for row in rows:
        new, old = row["new"], row.get("old", {})
        regions = f"{int(new['regions']):,}" if "regions" in new else ""
        found += [
            f"| {row['job']} | {regions} | {_unit(name)} | {quantity(old.get(name))} | "
            f"{quantity(new[name])} | {ratio(old.get(name), new[name])} |"
            for name in new
            if name != "regions"
        ]
    return found


def _unit(name: str) -> str:
    return name if name.startswith("MB") else f"{name}, s"


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks certificates", description=__doc__)
    parser.add_argument("--old", type=Path, help="the older tree, a checkout of another commit")
    parser.add_argument("--jobs", nargs="*", default=[*STARTS, *JOBS], help="of those listed")
    parser.add_argument("--repeats", type=int, default=3, help="processes, best of them")
    parser.add_argument("--answer", metavar="JOB", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.answer:
        print(json.dumps(answer(chosen.answer)))
        return 0
    if unknown := sorted({*chosen.jobs} - {*STARTS, *JOBS}):
        parser.error(f"no such job: {unknown[0]}; choose of {', '.join([*STARTS, *JOBS])}")
    trees = {"new": TREE}
    if chosen.old is not None:
        if not (chosen.old / "exact").is_dir():
            parser.error(f"no tree: {chosen.old} has no folder exact")
        trees["old"] = chosen.old.resolve()
    from benchmarks.region_quantities import best

    rows = list[Row]()
    for job in chosen.jobs:
        several: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
        for _ in range(chosen.repeats):  # in turn, so that both meet the same load
            for name, tree in trees.items():
                several[name].append(
                    {"start": started(tree, job)} if job in STARTS else measured(tree, job)
                )
        rows.append({"job": job, **{name: best(found) for name, found in several.items()}})
        print(*lines(rows[-1:])[2:], sep="\n", flush=True)
    print(*lines(rows), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
