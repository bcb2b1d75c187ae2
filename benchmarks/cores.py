"""One large job by one thread and by several, in turn: `python -m benchmarks.cores "5: 40-32"`.

Networks are those of `python -m benchmarks`, "d: widths", cut in the box [-1, 1]^d by `skeleton`;
every job has a process of its own, after a small one that loads the kernels, and ends with its
adjacency. "CPU" is that of all threads, "serial" that of the first one alone, while the others
wait; "bound" is how many times sooner it would end on so many cores with nothing else to do, CPU /
(serial + rest / threads). "Peak" are the bytes a region that the process grew by at its largest;
"kept" what it holds beyond the codes in front of the adjacency, and "graph" with it, for so many
"facets" a region. Exit code 1 where digests of codes and adjacency differ.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import hashlib
import json
import os
import subprocess
import sys
import time
from typing import Any

from benchmarks.clock import peak, setting
from benchmarks.jobs import layers
from exact import Box, partition
from exact.geometry.budgets import resident_bytes
from exact.sources import tensors

_BYTES = "peak | kept | graph"
HEAD = f"| net | threads | regions | seconds | CPU | serial | bound | {_BYTES} | facets | load |"


def measured(name: str, threads: int) -> dict[str, Any]:
    """One job in this process."""
    small = tensors.mlp(layers("3: 8-8"))
    graph = partition(small, Box(-1, 1, dim=3), engine="skeleton", threads=threads).adjacency
    given = tensors.mlp(layers(name))
    box, before, held = Box(-1, 1, dim=given.input_dim), peak(), _held()
    clocks = (time.perf_counter, time.process_time, time.thread_time)
    started = [clock() for clock in clocks]
    found = partition(given, box, engine="skeleton", limit=None, threads=threads)
    kept = [_held() - held - found.codes.nbytes]
    graph = found.adjacency
    seconds, cpu, own = (clock() - at for clock, at in zip(clocks, started, strict=True))
    kept.append(_held() - held - found.codes.nbytes)
    serial, most = own if threads > 1 else 0.0, peak()
    digest = hashlib.sha256(found.digest.encode())
    for numbers in (graph.indptr, graph.indices, graph.flipped.members):
        digest.update(numbers.data)
    return {
        "regions": len(found),
        "digest": digest.hexdigest(),
        "seconds": seconds,
        "cpu": cpu,
        "serial": serial,
        "bound": cpu / (serial + (cpu - serial) / threads) if threads > 1 else 1.0,
        "bytes": [x / len(found) for x in ((most - before) * 2**20, *kept)],
        "facets": graph.edge_count / len(found),
        "load": os.getloadavg()[0],
    }


def _held() -> int:
    """Bytes that the process holds when nothing waits to be freed."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)
    return resident_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Print the table, a row as soon as it is there; 1 where digests differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cores", description=__doc__)
    parser.add_argument("jobs", nargs="+", help='such as "5: 40-32"')
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        print(json.dumps(measured(chosen.jobs[0], chosen.threads[0])))
        return 0
    print(setting(max(chosen.threads)), "", HEAD, "|---" * (HEAD.count("|") - 1) + "|", sep="\n")
    digests = set[tuple[str, str]]()
    for name in chosen.jobs:
        for threads in chosen.threads:
            command = [sys.executable, "-m", "benchmarks.cores", name, "--one"]
            done = subprocess.run(
                [*command, "--threads", str(threads)],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=True,
            )
            row = json.loads(done.stdout)
            digests.add((name, row["digest"]))
            print(
                f"| {name} | {threads} | {row['regions']:,} | {row['seconds']:.1f} | "
                f"{row['cpu']:.1f} | {row['serial']:.1f} | {row['bound']:.2f} | "
                f"{' | '.join(f'{x:.0f}' for x in row['bytes'])} | {row['facets']:.2f} | "
                f"{row['load']:.1f} |",
                flush=True,
            )
    return int(len(digests) > len(set(chosen.jobs)))


if __name__ == "__main__":
    sys.exit(main())
