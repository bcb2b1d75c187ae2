"""The boxes of the first four properties on ACAS Xu networks, each in a process of its own:
`python -m benchmarks.acasxu FOLDER [--threads 1]`, FOLDER with `.nnet` files.

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
from pathlib import Path
from typing import Any

from benchmarks.clock import filter_share, peak, setting
from exact import Box, Network, partition
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


def _small() -> Network:
    """A network on which the kernels are compiled."""
    return tensors.mlp([([[1, 2, 3, 4, 5], [3, -1, 4, -1, 5]], [0.5, 0.25]), ([[1, 1]], None)])


def main(arguments: list[str] | None = None) -> int:
    """Print the table, a row as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.acasxu", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--box", nargs=2, metavar=("FILE", "PROPERTY"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.box is not None:
        print(json.dumps(measured(Path(chosen.box[0]), chosen.box[1])))
        return 0
    files = sorted(chosen.folder.glob("*.nnet"))
    if not files:
        parser.error(f"{chosen.folder} has no .nnet file")
    print(setting(chosen.threads), "", HEAD, "|---" * (HEAD.count("|") - 1) + "|", sep="\n")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), str(chosen.threads))
    for path in files:
        for properties in BOXES:
            command = [sys.executable, "-m", "benchmarks.acasxu", str(chosen.folder)]
            done = subprocess.run(
                [*command, "--box", str(path), properties],
                env={**os.environ, **threads},
                capture_output=True,
                text=True,
                check=True,
            )
            row = json.loads(done.stdout)
            print(
                f"| {path.stem} | {properties} | {row['regions']:,} | "
                f"{row['outcome']} | {row['filter']:.4%} | "
                f"{row['seconds']:.1f} | {row['peak']:,.0f} | {row['engine']} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
