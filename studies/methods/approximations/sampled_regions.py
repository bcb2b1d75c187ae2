"""E1, sampled regions: the different codes of many points.

The practice has many authors; a paper that counts activation patterns of sampled points this way is
Raghu et al. 2017 (arXiv 1606.05336) along trajectories. Chao1 is Chao 1984 and 1987. [definition as
in common use: N uniform points, or a grid of k^d points.]
"""

from __future__ import annotations

import numpy as np

from exact import Box, Domain, Network
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import (
    box_bounds,
    codes_float,
    not_for,
    occurrences,
    points_float,
    unpacked,
)
from studies.methods.richness import chao1

POINTS = (100, 1_000, 10_000, 100_000)
NUMBER = "E1"


@method(
    "code_count",
    unit="points",
    budgets=POINTS,
    number=NUMBER,
    source="common use: distinct codes of uniform random points",
)
def sampled_codes(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The number of different codes of uniform random points of a Box or a Sphere."""
    met = occurrences(codes_float(network, points_float(network, domain, budget, rng)))
    codes = unpacked(met, network.hinge_count)
    return MethodEstimate(float(len(met)), None, budget, codes)


@method(
    "code_count",
    unit="points",
    budgets=POINTS,
    number=NUMBER,
    source="Chao 1984, 1987 on the codes of uniform random points",
)
def sampled_codes_chao1(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """Chao's estimate of the number of codes from how often each was met, with its interval."""
    met = occurrences(codes_float(network, points_float(network, domain, budget, rng)))
    return MethodEstimate(*chao1(met.values()), budget)


@method(
    "code_count",
    unit="grid points",
    budgets=POINTS,
    number=NUMBER,
    source="common use: distinct codes of a regular grid",
)
def grid_codes(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The number of different codes of the centres of k^d equal boxes, k^d at most the budget; in a
    Box only.
    """
    if not isinstance(domain, Box):
        raise not_for(domain, "Box")
    points = grid(domain, budget)
    met = occurrences(codes_float(network, points))
    codes = unpacked(met, network.hinge_count)
    return MethodEstimate(float(len(met)), None, len(points), codes)


def grid(box: Box, budget: int) -> np.ndarray:
    """The centres of k^d equal boxes that tile a box, k the largest with k^d <= budget.

    >>> grid(Box(0, 1, dim=2), 5).tolist()
    [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]]
    """
    lower, upper = box_bounds(box)
    side = next(k for k in range(1, budget + 2) if (k + 1) ** len(lower) > budget)
    ticks = (np.arange(side) + 0.5) / side
    unit = np.stack(np.meshgrid(*[ticks] * len(lower), indexing="ij"), axis=-1)
    return np.asarray(lower + (upper - lower) * unit.reshape(-1, len(lower)))
