"""`python -m benchmarks slices`: windows of a plane through three images, cut by a convolutional
network, and planes of dense networks by `slice_graph` beside `subdivision`.

The network is LeNet's kind on 28 x 28: 9,612 ReLUs and 2,352 pool windows, trained for a few
passes on scikit-learn's digits, enlarged. Every window is cut in a process of its own, with one
thread, after a small one that loads what is compiled. Seconds are CPU time of `partition`, of which
the patch, the network reduced to what is undecided, is one part; and of its adjacency.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

WINDOWS = ("1/50", "1/20", "1/10", "1/6")
DENSE = ("2: 32-32", "2: 64-64-64", "2: 8x10", "2: 256")
_DIGITS = (3, 5, 8)
Row = dict[str, Any]


@cache
def lenet(passes: int = 6) -> tuple[Any, list[list[float]]]:
    """The trained network, and the first images of three digits."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    images = nn.functional.interpolate(images, size=(28, 28), mode="bilinear", align_corners=False)
    labels = torch.tensor(data.target)
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(784, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    descent = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(passes):
        for batch in torch.randperm(len(images)).split(64):
            loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
            descent.zero_grad()
            loss.backward()
            descent.step()
    places = [int(torch.nonzero(labels == digit)[0]) for digit in _DIGITS]
    return net.eval(), images[places].reshape(len(places), -1).double().tolist()


def window(size: str, passes: int = 6) -> Row:
    """What one window costs, `size` of the plane's unit in each direction around the middle of the
    three images.
    """
    from exact import Plane, partition
    from exact.sources import torch_modules

    net, images = lenet(passes)
    graph = torch_modules.read(net, input_shape=(1, 28, 28))

    def domain(wide: Fraction) -> Plane:
        start = Fraction(1, 3) - wide / 2
        return Plane(*images, s=(start, start + wide), t=(start, start + wide))

    partition(graph, domain(Fraction(1, 500))).neighbours()  # loads what is compiled
    start = time.process_time()
    found = partition(graph, domain(Fraction(size)))
    seconds = time.process_time() - start
    pairs = len(found.neighbours())
    return {
        "cells": len(found),
        "seconds": seconds,
        "adjacency": time.process_time() - start - seconds,
        "pairs": pairs,
        "exact": found.decisions["exact"],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def dense(net: str, repeats: int = 3) -> Row:
    """Microseconds a region of a dense network in the square, by both engines in turn."""
    from benchmarks.jobs import Job, problem
    from exact import Graph, partition

    network, domain, _ = problem(Job("slices", net))
    graph, best = Graph.of(network), {"subdivision": float("inf"), "slice_graph": float("inf")}
    found = {}
    for _ in range(repeats + 1):  # the first time loads what is compiled
        for name, asked in (("subdivision", network), ("slice_graph", graph)):
            start = time.process_time()
            found[name] = partition(asked, domain, engine=name)
            best[name] = min(best[name], time.process_time() - start)
    if found["subdivision"].codes.tobytes() != found["slice_graph"].codes.tobytes():
        raise SystemExit(f"{net}: the engines do not find the same regions")
    return {"cells": len(found["subdivision"]), **best}


def line(name: str, row: Row) -> str:
    """One row in words."""
    cells = row["cells"]
    if "subdivision" in row:
        rates = ", ".join(
            f"{e} {row[e] / cells * 1e6:.1f} us" for e in ("subdivision", "slice_graph")
        )
        return f"{name}: {cells:,} regions; {rates} a region"
    return (
        f"window {name}: {cells:,} cells in {row['seconds']:.2f} s, "
        f"{cells / row['seconds']:,.0f} a second; {row['pairs']:,} neighbours in "
        f"{row['adjacency']:.2f} s; {row['exact']} cells cut in integers; peak {row['peak']:.2f} GB"
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks slices", description=__doc__)
    parser.add_argument("--windows", nargs="*", default=list(WINDOWS), help="their sizes")
    parser.add_argument("--nets", nargs="*", default=list(DENSE), help="dense networks")
    parser.add_argument("--one", help="answer for one window or network, as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.one:
        print(json.dumps(dense(chosen.one) if ":" in chosen.one else window(chosen.one)))
        return 0
    for name in (*chosen.windows, *chosen.nets):
        command = [sys.executable, "-m", "benchmarks", "slices", "--one", name]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode:
            print(f"{name}: {told.stderr.strip().splitlines()[-1]}")
            return 1
        print(line(name, json.loads(told.stdout.splitlines()[-1])), flush=True)
    return 0
