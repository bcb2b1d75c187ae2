"""One large job by one thread and by several, in turn: `python -m benchmarks.cores "5: 40-32"`.

Networks are those of `python -m benchmarks`, "d: widths", cut in the box [-1, 1]^d by `skeleton`;
every job has a process of its own, after a small one that loads the kernels. "CPU" is that of all
threads, "serial" that of the first one alone, while the others wait; "bound" is how many times
sooner it would end on so many cores with nothing else to do, CPU / (serial + rest / threads).
Bytes are those that the process grew by at its largest. Exit code 1 where digests differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from benchmarks.clock import peak, setting
from benchmarks.jobs import layers
from exact import Box, partition
from exact.sources import tensors

HEAD = "| net | threads | regions | seconds | CPU | serial | bound | bytes a region | load |"


def measured(name: str, threads: int) -> dict[str, Any]:
    """One job in this process."""
    small = tensors.mlp(layers("3: 8-8"))
    partition(small, Box(-1, 1, dim=3), engine="skeleton", threads=threads)
    given = tensors.mlp(layers(name))
    box, before = Box(-1, 1, dim=given.input_dim), peak()
    clocks = (time.perf_counter, time.process_time, time.thread_time)
    started = [clock() for clock in clocks]
    found = partition(given, box, engine="skeleton", limit=None, threads=threads)
    seconds, cpu, own = (clock() - at for clock, at in zip(clocks, started, strict=True))
    serial = own if threads > 1 else 0.0
    return {
        "regions": len(found),
        "digest": found.digest,
        "seconds": seconds,
        "cpu": cpu,
        "serial": serial,
        "bound": cpu / (serial + (cpu - serial) / threads) if threads > 1 else 1.0,
        "bytes": (peak() - before) * 2**20 / len(found),
        "load": os.getloadavg()[0],
    }


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
                f"{row['bytes']:.0f} | {row['load']:.1f} |",
                flush=True,
            )
    return int(len(digests) > len(set(chosen.jobs)))


if __name__ == "__main__":
    sys.exit(main())
