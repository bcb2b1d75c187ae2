"""Which engine is tried on what: read off the list of engines, so that a new one inherits every truth and every law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exact import Network, RealSpace
from exact.domains import Domain
from exact.partition import ENGINES
from exact.sources import tensors

BY_NAME = {engine.name: engine for engine in ENGINES}
SHALLOW = tensors.mlp([([[1, 2], [2, 1]], [0, 1]), ([[1, 1]], [0])])
DEEP = tensors.mlp([([[1, 2], [2, 1]], [0, 1]), ([[1, -1]], [1]), ([[1]], [0])])


def takes(engine: str, network: Network, domain: Domain) -> bool:
    """Whether the engine does not refuse."""
    return BY_NAME[engine].refusal(network, domain) is None


ONE_LAYER = tuple(name for name in BY_NAME if takes(name, SHALLOW, RealSpace(2)))
"""The engines for flat domains."""
FLAT = tuple(name for name in ONE_LAYER if takes(name, DEEP, RealSpace(2)))
"""Those that take networks of any depth."""
ALL = tuple(BY_NAME)


@dataclass(frozen=True)
class Reach:
    """The largest truth an engine is tried on: in `make test` (a few seconds each), and in `make truths` (minutes).

    `edges` is the number of regions up to which the pairs that share a facet are counted too.
    """

    regions: int = 500
    slow: int = 0
    edges: int = 50
    hinges: int = 1000
    dim: int = 100


REACH = {
    "brute_force": Reach(hinges=9),
    "circle": Reach(),
    "lp_tree": Reach(regions=4_000),
    "vertices": Reach(regions=400_000, slow=2_000_000, edges=400_000),
    "subdivision": Reach(regions=3_000, edges=3_000, dim=4),
    "facet_walk": Reach(regions=500, edges=500),
}
"""An engine that is not named here has the reach `Reach()`."""


def reach(engine: str) -> Reach:
    return REACH.get(engine, Reach())


def runs(engine: str, case: dict[str, Any], network: Network, domain: Domain) -> bool:
    """Whether the engine is tried on the truth at all."""
    limit, regions = reach(engine), case["counts"]["cell_count"]
    small = regions <= max(limit.regions, limit.slow) and network.hinge_count <= limit.hinges
    return small and network.input_dim <= limit.dim and takes(engine, network, domain)
