"""Spheres: what is measured on them, in a process of its own like every job (see `measure`), and
their table.

A job's domain is "sphere" (|x|^2 = 100 d without a norm, which nearly all planes of a default
initialisation cut, and all their intersections), "norm" (RMSNorm in front: |y|^2 = d), "great
sphere" (LayerNorm in front, the 2-sphere through three random activations), or "1000 geodesics"
(LayerNorm in front, great circles through pairs of random activations, as one batch), or "1000
segments" (between pairs of random activations, as one batch; LayerNorm with eps in front where
there is one hidden layer, none in front of more).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.clock import filter_share, peak, timed
from benchmarks.jobs import Job, layers, shape
from benchmarks.quantities import Row, quantity, ratio

if TYPE_CHECKING:
    from exact import CircleBatch, LineBatch, Network, Partition
    from exact.geometry.domains.base import Domain

WARM = 48
"""Neurons of the network on which kernels are compiled: enough that no engine takes its way for
small ones.
"""
LARGEST_CODES = 100_000_000
"""Bytes: beyond it the codes are not written out for the digest."""


def is_batch(job: Job) -> bool:
    return job.domain.endswith(("geodesics", "segments"))


def network_of(job: Job) -> Network:
    """The random network of the job, behind the norm that its domain says."""
    from exact.networks.layers import Block
    from exact.networks.network import Network
    from exact.networks.norms import LayerNorm, RMSNorm
    from exact.sources import tensors

    plain = tensors.mlp(layers(job.net))
    segments = job.domain.endswith("segments")
    if job.domain == "sphere" or (segments and len(plain.widths) > 1):
        return plain
    kind, eps = RMSNorm if job.domain == "norm" else LayerNorm, 1e-5 if segments else 0
    return Network((Block(plain.layers, kind.of(eps, dim=plain.input_dim)),))


def problem(job: Job) -> tuple[Network, Domain]:
    """The network and the sphere."""
    from exact import GreatSphere, Sphere

    network, dim = network_of(job), shape(job.net)[0]
    if job.domain == "great sphere":
        return network, GreatSphere(*np.random.default_rng(0).normal(size=(3, dim)))
    return network, Sphere(100 * dim if job.domain == "sphere" else None)


def geodesics(job: Job) -> tuple[Network, np.ndarray, np.ndarray]:
    """The network, and the vectors that span the circles of a batch, or the ends of its segments
    (float32, as activations are).
    """
    dim, count = shape(job.net)[0], int(job.domain.split()[0])
    u, v = (
        np.random.default_rng(0).normal(size=(2, count, dim)).astype(np.float32).astype(np.float64)
    )
    return network_of(job), u, v


def smaller(job: Job) -> Job:
    """A job of the same kind for compiling."""
    dim, widths = shape(job.net)
    net = f"{dim}: " + "-".join(str(min(WARM, width)) for width in widths)
    domain = f"2 {job.domain.split()[1]}" if is_batch(job) else job.domain
    return replace(job, net=net, domain=domain)


def solve(job: Job) -> Any:
    """The work that is timed, as a function without arguments: everything is read before."""
    from exact import partition, partition_circles, partition_lines

    if is_batch(job):
        network, u, v = geodesics(job)
        cut = partition_lines if job.domain.endswith("segments") else partition_circles
        return lambda: cut(network, u, v, device=job.device, limit=None)
    network, domain = problem(job)
    return lambda: partition(network, domain, engine=job.engine, device=job.device, limit=None)


def measure(job: Job) -> Row:
    """Everything about one job on a sphere, as a JSON object; `refused` says why an engine does not
    take it.
    """
    from exact import Unsupported

    try:
        compiled = timed(solve(smaller(job)))[1]
        work, before = solve(job), peak()
        found, took = timed(work)
    except Unsupported as error:
        return {"refused": str(error)}
    most = peak()
    told = of_batch(job, found) if is_batch(job) else of_partition(found)
    return {
        "seconds": took,
        "compiling": compiled,
        "peak_mb": most,
        "before_mb": before,
        "limits": None,
    } | told


def of_partition(found: Partition) -> Row:
    """What one partition says about itself."""
    from exact import Outcome

    size = len(found) * ((found.network.hinge_count + 7) // 8)
    return {
        "regions": len(found),
        "kind": "cells" if hasattr(found, "complex") or hasattr(found.cells, "cuts") else "codes",  # type: ignore[attr-defined]
        "engine": found.engine,
        "complete": found.outcome is Outcome.COMPLETE,
        "filter_share": filter_share(found),
        "abstained": found.decisions.get("exact"),
        "decisions": found.decisions,
        "digest": found.digest if size <= LARGEST_CODES else None,
    }


def of_batch(job: Job, found: CircleBatch | LineBatch) -> Row:
    """What a batch says about itself, and the bare matrix product of all pre-activations on the
    same device.
    """
    from exact import Outcome

    settled, count = len(found.settled), len(found)
    return {
        "regions": int(found.cell_counts.sum()),
        "kind": "cells",
        "engine": "line batch" if job.domain.endswith("segments") else "circle batch",
        "complete": found.outcome is Outcome.COMPLETE,
        "filter_share": 1 - settled / count,
        "abstained": settled,
        "decisions": dict(found.decisions),
        "digest": None,
        "product": product_seconds(job),
    }


def product_seconds(job: Job) -> float:
    """Seconds for the weights times two vectors a curve in float64, the best of five."""
    import torch

    _, u, v = geodesics(job)
    points, *weights = (
        torch.from_numpy(x).to(job.device)
        for x in (np.vstack([u, v]), *(weight for weight, _ in layers(job.net)[:-1]))
    )

    def work() -> None:
        last = points
        for weight in weights:
            last = last @ weight.T
        last.sum().item()  # one number, so that a device has finished when it is here

    return min(timed(work)[1] for _ in range(5))


# --- the table
# --------------------------------------------------------------------------------------------------

HEADERS = (
    "net",
    "sphere",
    "engine",
    "cells or codes",
    "seconds",
    "microseconds each",
    "by the filter",
    "left to exact",
    "x product",
    "peak MB",
    "compiling s",
)


def columns(row: Row) -> list[str]:
    """One line of the table; the ratio to the bare matrix product is of seconds, for batches."""
    job, ours = row["job"], row["ours"]
    name = [job["net"], job["domain"]]
    if "regions" not in ours:
        return [*name, job["engine"] or "", ours.get("failed", "refused")[:60], *[""] * 7]
    device = "" if job["device"] == "cpu" else f" ({job['device']})"
    share, left = ours["filter_share"], ours["abstained"]
    return [
        *name,
        ours["engine"] + device,
        f"{ours['regions']:,} {ours['kind']}{'' if ours['complete'] else ' (stopped)'}",
        quantity(ours["seconds"]),
        quantity(1e6 * ours["seconds"] / max(ours["regions"], 1)),
        "" if share is None else f"{100 * share:.4f} %",
        "" if left is None else f"{left:,}",
        ratio(ours["seconds"], ours.get("product")),
        quantity(ours["peak_mb"]),
        quantity(ours["compiling"]),
    ]


def table(rows: Iterable[Row]) -> list[list[str]]:
    """The header and one line for every job on a sphere."""
    return [list(HEADERS), *(columns(row) for row in rows if Job(**row["job"]).is_round)]
