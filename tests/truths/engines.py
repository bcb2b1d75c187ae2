"""Which engine is tried on what: read off the list of engines, so that a new one inherits every
truth and every law.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exact import GreatCircle, Network, RealSpace, Sphere
from exact.geometry.domains.base import Domain
from exact.partition import ENGINES
from exact.regions.engine import Problem
from exact.sources import tensors

BY_NAME = {engine.name: engine for engine in ENGINES}
SHALLOW = tensors.mlp([([[1, 2], [2, 1]], [0, 1]), ([[1, 1]], [0])])
DEEP = tensors.mlp([([[1, 2], [2, 1]], [0, 1]), ([[1, -1]], [1]), ([[1]], [0])])


def takes(engine: str, network: Network, domain: Domain) -> bool:
    """Whether the engine does not refuse."""
    problem = Problem(network, domain)
    known = BY_NAME[engine]
    return known.graph_refusal(problem) is None and known.refusal(problem) is None


def in_space(dim: int, deep: bool = False) -> Network:
    """A network of one or two hidden layers in R^dim."""
    hidden = [([[1] * dim, [2] * dim], [0, 1]), *[([[1, -1]], [1])] * deep]
    return tensors.mlp([*hidden, ([[1] * (1 if deep else 2)], [0])])


ONE_LAYER = tuple(name for name in BY_NAME if takes(name, SHALLOW, RealSpace(2)))
"""The engines for flat domains."""
FLAT = tuple(name for name in ONE_LAYER if takes(name, DEEP, RealSpace(2)))
"""Those that take networks of any depth."""
ON_CURVES = tuple(
    name for name in BY_NAME if takes(name, DEEP, GreatCircle([1, 0], [0, 1], radius_squared=1))
)
"""The engines for circles and other curves."""
ON_TWO_SPHERES = tuple(name for name in BY_NAME if takes(name, in_space(3), Sphere(1)))
"""The engines for spheres of dimension two."""
ON_THREE_SPHERES = tuple(name for name in BY_NAME if takes(name, in_space(4), Sphere(1)))
"""Those for dimension three, and more."""
DEEP_ON_SPHERES = tuple(
    name for name in ON_TWO_SPHERES if takes(name, in_space(3, deep=True), Sphere(1))
)
"""The engines for spheres that take networks of any depth."""
ON_SPHERES = tuple(dict.fromkeys(ON_TWO_SPHERES + ON_THREE_SPHERES))
ALL = tuple(BY_NAME)


@dataclass(frozen=True)
class Reach:
    """The largest truth an engine is tried on: in `make test` (a few seconds each), and in `make
    truths` (minutes).

    `edges` is the number of regions up to which the pairs that share a facet are counted too.
    Truths about spheres in more than `dim` dimensions are slow ones.
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
    "skeleton": Reach(regions=3_000, edges=3_000, dim=4),
    "facet_walk": Reach(regions=500, edges=500),
    "sphere_flats": Reach(regions=70, slow=2_000, dim=8),
    "sphere_polytopes": Reach(regions=30, slow=2_000, dim=8),
}
"""An engine that is not named here has the reach `Reach()`."""


def reach(engine: str) -> Reach:
    return REACH.get(engine, Reach())


def runs(engine: str, case: dict[str, Any], network: Network, domain: Domain) -> bool:
    """Whether the engine is tried on the truth at all."""
    limit, regions = reach(engine), case["counts"]["cell_count"]
    small = regions <= max(limit.regions, limit.slow) and network.hinge_count <= limit.hinges
    return small and network.input_dim <= limit.dim and takes(engine, network, domain)
