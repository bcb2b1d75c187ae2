"""Packed exact codes beside the bare float64 product of the same batch, in turn, in one run:
`python -m benchmarks.codes`.

The layer has the shape of GPT-2 small's, 768 -> 3072 behind LayerNorm. Each round computes
`X @ W.T` in chunks of a size that suits it, and then the codes; what is compared is the least of
all times.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch

from exact import Network
from exact.sources import tensors


def layer(d_model: int, d_mlp: int) -> Network:
    """A random MLP with gain, bias and eps."""
    draw = np.random.default_rng(0)
    return tensors.block(
        draw.normal(size=(d_mlp, d_model)),
        draw.normal(size=d_mlp),
        draw.normal(size=(d_model, d_mlp)),
        draw.normal(size=d_model),
        norm="layernorm",
        gain=draw.uniform(0.5, 2, d_model),
        bias=draw.normal(size=d_model),
    )


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codes", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="vectors (default: 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default: 3)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    chosen = parser.parse_args(arguments)
    network = layer(768, 3072)
    x = np.random.default_rng(1).normal(size=(chosen.rows, 768))
    on_device = torch.from_numpy(x).to(chosen.device)
    weight = torch.from_numpy(np.array(network.layers[0].weight.float64())).to(chosen.device)

    def product() -> None:
        for part in on_device.split(4096):
            torch.matmul(part, weight.T)
        if chosen.device != "cpu":
            torch.cuda.synchronize()

    codes = network.codes(x[:100], device=chosen.device)
    times = list[float](), list[float]()
    for _ in range(chosen.rounds):
        times[0].append(seconds(product))
        started = time.perf_counter()
        codes = network.codes(x, device=chosen.device)
        times[1].append(time.perf_counter() - started)
    bare, own = (min(side) for side in times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{chosen.rows:,} rows on {chosen.device}, {torch.get_num_threads()} threads")
    print(f"product {bare:.2f} s, codes {own:.2f} s, ratio {own / bare:.2f}")
    print(f"decisions {dict(codes.decisions)}, peak {peak:.2f} GB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
