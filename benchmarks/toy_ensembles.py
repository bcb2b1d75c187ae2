"""How many toys trained one by one the ensemble of many costs:
`python -m benchmarks.toy_ensembles [--toys 100] [--steps 1000] [--repeats 3]`.

Each shape is trained alone in turn with the ensemble, so that both sides see the same machine; the
median counts. Beside other work the ratio of CPU seconds, shared by the cores, is the steadier
one. One product of matrices of this size at the speed of the machine's own (`floor`) is what no
ensemble gets below.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import torch

from toy_models import ModelConfig, TrainConfig, fit, fit_many
from toy_models.models import NormName

NORMS: tuple[NormName, ...] = ("none", "layernorm", "rms")
WIDTHS = ((16,), (64,), (16, 16), (32, 32), (64, 64))


class Seconds(NamedTuple):
    wall: float
    cpu: float


def spent(work: Callable[[], object]) -> Seconds:
    """What a piece of work takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def products(config: TrainConfig, toys: int, rate: float) -> float:
    """The CPU seconds of all products of matrices, forward and backward, at so many multiplications
    with addition a second.
    """
    sizes = [2, *config.model.widths, 2]
    ways = [2, *[3] * len(config.model.widths)]  # nothing flows back to the inputs
    each = sum(w * a * b for w, (a, b) in zip(ways, pairwise(sizes), strict=True))
    return toys * config.steps * config.batch_size * each / rate


def rate() -> float:
    """Multiplications with addition a second in a large product on one core."""
    size = 1024
    matrix = torch.rand(size, size)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = min(spent(lambda: matrix @ matrix).cpu for _ in range(5))
    torch.set_num_threads(threads)
    return float(size**3 / found)


def lines(toys: int, steps: int, repeats: int) -> Iterator[str]:
    """The table, one shape a line."""
    fit(TrainConfig(steps=2), progress=False)  # what torch does once
    fit_many(TrainConfig(steps=2), range(16), progress=False)
    fastest = rate()
    yield "norm       widths    one: wall  cpu   all: wall  cpu   wall ratio  cpu ratio  floor"
    for norm in NORMS:
        for widths in WIDTHS:
            config = TrainConfig(steps=steps, model=ModelConfig(widths, norm))
            one, many = list[Seconds](), list[Seconds]()
            for _ in range(repeats):
                one.append(spent(lambda config=config: fit(config, progress=False)))
                many.append(
                    spent(lambda config=config: fit_many(config, range(toys), progress=False))
                )
            alone, all_ = (Seconds(*map(median, zip(*x, strict=True))) for x in (one, many))
            floor = products(config, toys, fastest) / alone.cpu
            yield (
                f"{norm:10} {'-'.join(map(str, widths)):8} {alone.wall:9.2f} {alone.cpu:5.2f} "
                f"{all_.wall:9.2f} {all_.cpu:6.2f} {all_.wall / alone.wall:11.1f} "
                f"{all_.cpu / alone.cpu:9.1f} {floor:7.1f}"
            )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toy_ensembles", description=__doc__)
    parser.add_argument("--toys", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args(arguments)
    for line in lines(chosen.toys, chosen.steps, chosen.repeats):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
