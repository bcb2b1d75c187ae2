"""Local complexity: the neurons that take both signs around a point, by exact enumeration."""

from __future__ import annotations

from exact import Domain, Network
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantity import Quantity


def local_complexity(network: Network, domain: Domain) -> int:
    """How many hinges of all layers are on in some region of the domain and off in another."""
    bits = whole_partition(network, domain).bits
    return int((bits.any(axis=0) & ~bits.all(axis=0)).sum())


IN_CROSS_POLYTOPE = Quantity(
    "local_complexity",
    "flips in a cross-polytope",
    "CrossPolytope around a data point, without a norm",
    local_complexity,
    (1, 2, 3, 4),
)
IN_BALL = Quantity(
    "local_complexity_of_ball",
    "flips in a ball",
    "Ball around a data point, without a norm",
    local_complexity,
    (1, 2, 3, 4),
)
