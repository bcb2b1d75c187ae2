"""E8, Monte-Carlo volume: the share of random points that have the code of a region.

[definition as in common use; the interval is Wilson's, 1927.]
"""

from __future__ import annotations

import numpy as np

from exact import Box, Domain, Network
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import box_bounds, codes_float, not_for, points_float
from studies.statistics import wilson


@method(
    "region_volume",
    unit="points",
    budgets=(100, 1_000, 10_000, 100_000),
    number="E8",
    source="common use: share of uniform points in the region, Wilson's interval",
)
def monte_carlo_volume(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The share of uniform points of a Box that have the code of its centre."""
    if not isinstance(domain, Box):
        raise not_for(domain, "Box")
    centre = codes_float(network, sum(box_bounds(domain)) / 2)
    codes = codes_float(network, points_float(network, domain, budget, rng))
    found = wilson(int((codes == centre).all(axis=1).sum()), budget, unit="points")
    return MethodEstimate(found.value, found.interval, budget + 1)
