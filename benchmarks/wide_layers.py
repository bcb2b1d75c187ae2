"""Nearest boundaries and logic of pairs at the shape of a GPT-2 layer, beside the bare product:
`python -m benchmarks.wide_layers [--rows 10000] [--layers 12] [--threads 2]`.

Each layer is drawn anew (LayerNorm with gain, bias and eps, 768 -> 3072); its product of all rows
and weights in float64 is timed in turn with the instrument, so that both sides see the same
machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.clock import peak, timed
from exact import Block, Layer, LayerNorm, Network, ReLU, nearest_boundaries, pair_logic

DIM, WIDTH = 768, 3072


def layer(seed: int) -> Network:
    """One layer behind its norm."""
    draw = np.random.default_rng(seed)
    norm = LayerNorm.of(1e-5, 1 + 0.3 * draw.normal(size=DIM), 0.1 * draw.normal(size=DIM))
    weight, bias = 0.05 * draw.normal(size=(WIDTH, DIM)), 0.1 * draw.normal(size=WIDTH)
    return Network((Block((Layer.of(weight, bias, ReLU()),), norm),))


def lines(rows: int, layers: int, device: str) -> Iterator[str]:
    """The table, one instrument a line."""
    x = np.random.default_rng(0).normal(size=(rows, DIM)).astype(np.float32)
    points = torch.from_numpy(x.astype(np.float64)).to(device)
    product = nearest = pairs = 0.0
    exact = 0
    for seed in range(layers):
        network = layer(seed)
        weight = torch.from_numpy(np.array(network.layers[0].weight.float64())).to(device)
        product += timed(lambda weight=weight: float((points @ weight.T).sum()))[1]
        found, seconds = timed(lambda net=network: nearest_boundaries(net, x, device=device))
        nearest, exact = nearest + seconds, exact + found.decisions["exact"]
    yield f"product of {rows:,} rows x {layers} layers: {product:.2f} s"
    yield (
        f"nearest boundaries: {nearest:.2f} s, {nearest / product:.2f} x the product, "
        f"{exact} rows left to exact arithmetic"
    )
    found, pairs = timed(lambda: pair_logic(layer(0), device=device))
    count = sum(found.decisions.values())
    yield f"logic of {count:,} pairs: {pairs:.2f} s, {found.decisions['exact']} exact"
    yield f"peak memory: {peak():,.0f} MB"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide_layers", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    for line in lines(chosen.rows, chosen.layers, chosen.device):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
