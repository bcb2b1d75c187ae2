"""One job in a process of its own: `python -m benchmarks.measure '{"net": ..., ...}'` prints a JSON
object.

A fresh process, so that the peak of its memory is the job's own. Compiled kernels are called once
on a small network of the same kind before the clock starts; what that took (compiling, or loading
from the cache) is reported apart.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import spheres
from benchmarks.clock import filter_share, peak, timed
from benchmarks.jobs import Job, problem, shape
from exact import Outcome, Unsupported, partition

BLOCK = 1 << 16
"""Points that the limit evaluates at a time."""


SMALL_TRUTH = "braid-4"
"""What stands for the truths while the kernels are compiled: as degenerate as they are, and 24
regions.
"""


def warm_up(job: Job) -> None:
    """Run a network of the same kind (and dimension, if random), small enough to take no time but
    that of compiling.
    """
    if not job.is_random:
        network, domain, _ = problem(replace(job, net=SMALL_TRUTH))
    else:
        dim, widths = shape(job.net)
        network, domain, _ = problem(
            replace(job, net=f"{dim}: " + "-".join(["3"] * min(len(widths), 2)))
        )
    partition(network, domain, engine=job.engine, device=job.device)


def limits(job: Job, regions: int) -> dict[str, float]:
    """Seconds for what nobody can leave out: every neuron at as many points as regions, and the
    codes written.

    `product` is the bare matrix product (the forward pass in float64), `codes` the packing and
    writing of the signs.
    """
    network, _, _ = problem(job)
    hidden = [
        (layer.weight.float64(), layer.bias.float64().ravel()) for layer in network.hidden_layers
    ]
    points = np.random.default_rng(0).uniform(-1, 1, size=(min(regions, BLOCK), network.input_dim))
    codes = np.empty((regions, (network.hinge_count + 7) // 8), dtype=np.uint8)
    # not timed: pages that are touched for the first time
    write(codes, 0, signs_at(hidden, points))
    product = written = 0.0
    for first in range(0, regions, BLOCK):
        signs, seconds = timed(lambda first=first: signs_at(hidden, points[: regions - first]))
        product += seconds
        written += timed(lambda first=first, signs=signs: write(codes, first, signs))[1]
    return {"product": product, "codes": written}


def signs_at(hidden: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> list[np.ndarray]:
    """The signs of all pre-activations of a ReLU network at a block of points, layer by layer."""
    found = []
    for weight, bias in hidden:
        z = x @ weight.T + bias
        found.append(z > 0)
        x = np.maximum(z, 0)
    return found


def write(codes: np.ndarray, first: int, signs: list[np.ndarray]) -> None:
    """Pack a block of codes."""
    rows = np.packbits(np.hstack(signs), axis=1)
    codes[first : first + len(rows)] = rows


def measure(job: Job) -> dict[str, Any]:
    """Everything about one job, as a JSON object; `refused` says why an engine does not take it."""
    try:
        compiled = timed(lambda: warm_up(job))[1]
        before = peak()
        network, domain, expected = problem(job)
        found, took = timed(
            lambda: partition(network, domain, engine=job.engine, device=job.device, limit=None)
        )
    except Unsupported as error:
        return {"refused": str(error)}
    most = peak()
    complete = found.outcome is Outcome.COMPLETE
    if complete and expected is not None and len(found) != expected:
        raise AssertionError(
            f"{job.net}: {len(found)} regions by {found.engine}, the truth is {expected}"
        )
    floor = limits(job, len(found)) if job.is_random and len(found) else None
    return {
        "regions": len(found),
        "seconds": took,
        "engine": found.engine,
        "complete": complete,
        "compiling": compiled,
        "filter_share": filter_share(found),
        "peak_mb": most,
        "before_mb": before,
        "decisions": found.decisions,
        "limits": floor,
        "digest": found.digest,
    }


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    print(json.dumps(spheres.measure(job) if job.is_round else measure(job)))


if __name__ == "__main__":
    main()
