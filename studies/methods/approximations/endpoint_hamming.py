"""E4, endpoint Hamming distance: bits in which the codes of two points differ, over their distance.

[definition as in the study of boundaries between classes: H(c(p), c(q)) / |p - q|.]
"""

from __future__ import annotations

import numpy as np

from exact import Domain, Network
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import codes_float, flips_between, path_of


@method(
    "flips_per_length",
    unit="points",
    budgets=(2,),
    number="E4",
    source="common use: Hamming distance of two codes over the distance of the points",
)
def endpoint_hamming(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The Hamming distance of the codes at both ends of a Segment, over its length."""
    path = path_of(network, domain)
    codes = codes_float(network, path(np.array([0.0, path.end])))
    return MethodEstimate(flips_between(codes) / path.length, None, 2)
