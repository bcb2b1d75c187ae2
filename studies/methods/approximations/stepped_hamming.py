"""E5, stepped Hamming distance: that of consecutive samples along a segment, summed; 50 in use.

[definition as in common use: 50 equidistant points, both ends among them.]
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
    budgets=(10, 50, 250, 1_000),
    number="E5",
    source="common use: Hamming distances of consecutive samples, 50 of them",
)
def stepped_hamming(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The summed Hamming distances between equidistant points of a Segment, over its length."""
    path = path_of(network, domain)
    codes = codes_float(network, path(np.linspace(0, path.end, budget)))
    return MethodEstimate(flips_between(codes) / path.length, None, budget)
