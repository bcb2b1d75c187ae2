"""The batched instruments: on toys against full enumeration, and at GPT-2's shape beside the bare
product: `python -m benchmarks instruments`.

Each instrument answers for every toy of `studies/enumerated_toys.py`, and every answer is
compared. Then it runs on one layer 768 -> 3072 behind LayerNorm with eps, in turn with the float64
product of the same batch with the weight; the least of all times of each side counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import peak, setting, timed
from benchmarks.codes import layer
from benchmarks.tables import markdown, plain
from exact import (
    Network,
    NormBall,
    codes_in_precision,
    expected_crossings,
    firing_shares,
    joint_counts,
    nearest_boundaries,
    neuron_status,
    pair_logic,
    partition_circles,
    partition_lines,
    rotations,
    soft_codes,
    steering,
)
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from studies.enumerated_toys import toys
from studies.instruments_on_toys import INSTRUMENTS, judged

PAGE = Path(__file__).parents[1] / "docs" / "instruments.md"
Run = Callable[[Network, Any, str], object]


@dataclass(frozen=True)
class Load:
    """How an instrument is called, and its batch: `rows` vectors, `each` of them for one of
    `what`; without rows it asks about the layer alone, and the bare product is the weight's Gram
    matrix.
    """

    call: Run
    rows: int
    what: str
    each: int = 1


def ends(x: Any) -> tuple[Any, Any]:
    return x[0::2], x[1::2]


LOADS = {
    "network.codes": Load(lambda net, x, on: net.codes(x, device=on), 100_000, "vectors"),
    "partition_lines": Load(
        lambda net, x, on: partition_lines(net, *ends(x), device=on), 2_000, "segments", 2
    ),
    "steering": Load(
        lambda net, x, on: steering(net, *ends(x), alphas=(-1, 1), device=on),
        2_000,
        "vectors, a direction each",
        2,
    ),
    "partition_circles": Load(
        lambda net, x, on: partition_circles(net, *ends(x), device=on), 2_000, "geodesics", 2
    ),
    "rotations": Load(
        lambda net, x, on: rotations(net, *ends(x), device=on), 2_000, "geodesics", 2
    ),
    "nearest_boundaries": Load(
        lambda net, x, on: nearest_boundaries(net, x, device=on), 10_000, "vectors"
    ),
    "neuron_status": Load(lambda net, x, on: neuron_status(net, NormBall()), 0, "all neurons"),
    "pair_logic": Load(lambda net, x, on: pair_logic(net, on), 0, "all pairs"),
    "joint_counts": Load(lambda net, x, on: joint_counts(net, x, on), 10_000, "vectors"),
    "firing_shares": Load(lambda net, x, on: firing_shares(net), 0, "all neurons"),
    "expected_crossings": Load(lambda net, x, on: expected_crossings(net), 0, "all neurons"),
    "critical_radii_float": Load(
        lambda net, x, on: critical_radii_float(net, x, on), 10, "vectors"
    ),
    "soft_codes": Load(lambda net, x, on: soft_codes(net, x), 10_000, "vectors"),
    "codes_in_precision": Load(
        lambda net, x, on: codes_in_precision(net, x, "bfloat16", device=on),
        10_000,
        "vectors in bfloat16",
    ),
}


def beside(load: Load, network: Network, rows: int, rounds: int, device: str) -> list[str]:
    """The batch, the least seconds of the bare product and of the instrument in turn, the ratio."""
    count = max(load.each, min(rows, load.rows)) if load.rows else 0
    x = np.random.default_rng(1).normal(size=(count, network.input_dim))
    weight = torch.from_numpy(np.array(network.layers[0].weight.float64())).to(device)
    left = torch.from_numpy(x).to(device) if count else weight

    def product() -> None:
        for part in left.split(4096):
            torch.matmul(part, weight.T)
        if device != "cpu":
            torch.cuda.synchronize()

    load.call(network, x[: min(count, 20)], device)
    times = [
        (timed(product)[1], timed(lambda: load.call(network, x, device))[1]) for _ in range(rounds)
    ]
    bare, own = (min(side) for side in zip(*times, strict=True))
    batch = f"{count // load.each:,} {load.what}" if count else load.what
    return [batch, f"{bare:.3g}", f"{own:.3g}", f"{own / bare:.1f}"]


def page(lines: list[list[str]], shape: str, facts: Sequence[str]) -> str:
    """The page of the documentation."""
    lead = (
        "# Batched instruments, judged on toys and timed beside the bare product\n\n"
        "Made by `python -m benchmarks instruments`. The toys are random and trained networks "
        "without norm, behind LayerNorm and\nbehind RMSNorm, with eps = 0 and eps > 0, one to "
        "three hidden layers deep (`studies/enumerated_toys.py`); each answer is\ncompared "
        "with the partition of the whole space, sphere, ball or line. The times are those of one "
        f"layer {shape} behind LayerNorm\nwith gain, bias and eps, beside the float64 product of "
        "the same batch with the weight (of the weight with itself where no vectors\nare given), "
        "measured in turn."
    )
    return "\n\n".join([lead, markdown(lines), "\n".join(f"- {fact}" for fact in facts)]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Judge, measure, print, write; 1 where an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks instruments", description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(INSTRUMENTS), choices=INSTRUMENTS)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each side (default: 2)")
    parser.add_argument("--rows", type=int, default=1 << 20, help="no batch has more rows")
    parser.add_argument("--width", type=int, nargs=2, default=(768, 3072), metavar="N")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--page", type=Path, default=PAGE, help="what is written")
    chosen = parser.parse_args(arguments)
    if not chosen.page.parent.is_dir():
        parser.error(f"no folder for the page: {chosen.page.parent}; give --page another")
    head = ["instrument", "toys", "answers compared", "differences", "batch", "product s", "s", "x"]
    lines, wrong, every = [head], 0, toys()
    network = layer(*chosen.width)
    for name in chosen.only:
        compared = judged(name, every)
        wrong += compared.differences
        counts = len(compared.toys), compared.answers, compared.differences
        row = [name, *(f"{count:,}" for count in counts), *[""] * 4]
        if name in LOADS:
            row[4:] = beside(LOADS[name], network, chosen.rows, chosen.rounds, chosen.device)
        lines.append(row)
        print("  ".join(row), flush=True)
    cuda = torch.cuda.is_available()
    facts = [
        setting(torch.get_num_threads()),
        f"device {chosen.device}; peak of memory {peak() / 1024:.1f} GB",
        "a CUDA device was at hand: `make gpu` runs the same comparison there"
        if cuda
        else "no CUDA device was at hand: nothing here says how fast or whether the same calls run "
        "there; `make gpu` tests that",
    ]
    print("\n" + plain(lines), *facts, sep="\n")
    chosen.page.write_text(page(lines, " -> ".join(map(str, chosen.width)), facts))
    return int(wrong > 0)
