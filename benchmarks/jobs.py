"""What is measured: networks by name, the domains they are cut in, and what others reached on
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from exact import Network
    from exact.geometry.domains.base import Domain

Layers = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Job:
    """One call of `partition`.

    `net` is "d: widths" (PyTorch's default initialisation in float64, seed 0; "8x10" are ten layers
    of 8), or the name of a truth in tests/truths. `domain` is "box" ([-1, 1]^d), "space" (all of
    R^d), "near 0.01" (the box of that half width around a random point of [0, 1]^d), or one of
    those in `spheres`. `engine` None lets `partition` choose.
    """

    suite: str
    net: str
    domain: str = "box"
    engine: str | None = None
    device: str = "cpu"

    @property
    def is_random(self) -> bool:
        """Whether the network is drawn at random, and not one of the truths."""
        return ":" in self.net

    @property
    def is_round(self) -> bool:
        """Whether it is cut on spheres or circles."""
        return self.domain.split()[0] not in ("box", "space", "near")


def shape(net: str) -> tuple[int, tuple[int, ...]]:
    """The input dimension and the hidden widths of a name.

    >>> shape("2: 8x3"), shape("4: 16-24")
    ((2, (8, 8, 8)), (4, (16, 24)))
    """
    dim, widths = net.split(": ")
    if "x" in widths:
        width, depth = map(int, widths.split("x"))
        return int(dim), (width,) * depth
    return int(dim), tuple(map(int, widths.split("-")))


def layers(net: str) -> Layers:
    """The weights and biases of a random network, with a readout of one output."""
    import torch

    dim, widths = shape(net)
    torch.manual_seed(0)
    sizes = [dim, *widths, 1]
    modules = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
    return [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in modules]


def problem(job: Job) -> tuple[Network, Domain, int | None]:
    """The network, the domain, and the number of regions where it is known before."""
    from exact import Box, RealSpace
    from exact.sources import tensors

    if not job.is_random:
        from tests.truths import reading

        truth = truths()[job.net]
        return (
            reading.network(truth["network"]),
            reading.domain(truth["domain"]),
            truth["counts"]["region_count"],
        )
    dim, _ = shape(job.net)
    domain: Domain = Box(-1, 1, dim=dim) if job.domain == "box" else RealSpace(dim)
    if job.domain.startswith("near"):
        centre, half = np.random.default_rng(1).uniform(size=dim), float(job.domain.split()[1])
        domain = Box(centre - half, centre + half)
    return tensors.mlp(layers(job.net)), domain, None


@cache
def truths() -> dict[str, dict]:  # type: ignore[type-arg]
    """The truths by name."""
    from tests.truths import reading

    return {case["name"]: case for case in reading.cases()}


PEERS = (
    "2: 16-16",
    "2: 32-32-32",
    "2: 64-64-64",
    "2: 256",
    "3: 16-16",
    "3: 32-32",
    "4: 24",
    "4: 16-16",
    "5: 20",
    "6: 20",
)
LARGER = (
    "2: 128-128-128",
    "2: 256-256-256",
    "2: 1024",
    "2: 8x10",
    "3: 64-64",
    "3: 64-64-64",
    "3: 256",
    "4: 32-32",
    "4: 64",
    "5: 16-16",
    "5: 64-32",
    "5: 40",
    "6: 24",
    "6: 32",
)
GROWTH = ("2: 64", "3: 24", "3: 64", "4: 24", "4: 40", "4: 64", "5: 24", "5: 40", "5: 64")
DEGENERATE = (
    "linear-threshold-functions-5",
    "resonance-5",
    "resonance-6",
    "boolean-13",
    "boolean-20",
    "braid-7",
    "braid-9",
)
ROUND = (
    ("2: 1000", "sphere"),
    ("2: 10000", "sphere"),
    ("2: 100000", "sphere"),
    ("768: 3072", "1000 geodesics"),
    ("768: 3072", "1000 segments"),
    ("16: 64x3", "1000 segments"),
    ("3: 64", "sphere"),
    ("3: 256", "sphere"),
    ("3: 1024", "sphere"),
    ("3: 3072", "sphere"),
    ("3: 256", "norm"),
    ("3: 1024", "norm"),
    ("768: 3072", "great sphere"),
    ("3: 16-16", "norm"),
    ("3: 32-32-32", "norm"),
    ("4: 24", "sphere"),
    ("4: 64", "sphere"),
    ("4: 64", "norm"),
    ("5: 24", "sphere"),
    ("5: 40", "sphere"),
    ("5: 64", "sphere"),
)
QUICK = (
    Job("quick", "2: 6-4"),
    Job("quick", "2: 6-4", "space"),
    Job("quick", "3: 8"),
    Job("quick", "braid-4", "space"),
    Job("quick", "2: 9", "norm"),
    Job("quick", "3: 9", "sphere"),
    Job("quick", "3: 4-3", "norm"),
    Job("quick", "4: 6", "sphere"),
    Job("quick", "5: 9", "great sphere"),
    Job("quick", "6: 9", "7 geodesics"),
    Job("quick", "6: 9x2", "7 segments"),
)

LIVE = (
    ("784: 100-100", "near 0.001"),
    ("784: 100-100", "near 0.002"),
    ("100: 60-60", "near 0.01"),
    ("100: 60-60", "near 0.015"),
    ("784: 6-6", "space"),
)
SUITES: dict[str, tuple[Job, ...]] = {
    "peers": tuple(Job("peers", net, domain) for net in PEERS for domain in ("box", "space")),
    "larger": tuple(Job("larger", net) for net in LARGER),
    "growth": tuple(Job("growth", net, "space") for net in GROWTH),
    "degenerate": tuple(Job("degenerate", net, "space") for net in DEGENERATE),
    "spheres": tuple(Job("spheres", net, domain) for net, domain in ROUND),
    "live": tuple(Job("live", net, domain) for net, domain in LIVE),
}
"""Jobs by name; `live` are networks of many inputs of whose neurons few can vanish in the domain;
`growth` is one layer in all of R^d, where the number of regions is the sum over i <= d of C(m, i).
"""
