"""The number of spline codes: of regions with an interior, by exact enumeration."""

from __future__ import annotations

from exact import Domain, Network
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantity import Quantity


def code_count(network: Network, domain: Domain) -> int:
    """How many different codes the regions have."""
    return whole_partition(network, domain).code_count


QUANTITY = Quantity(
    "code_count", "number of codes", "Box without a norm; Sphere with or without one", code_count
)
