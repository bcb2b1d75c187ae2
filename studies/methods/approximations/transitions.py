"""E3, transitions: how often codes change around a closed curve.

Novak et al. 2018, "Sensitivity and Generalization in Neural Networks" (arXiv 1802.08760).
[definition as in their section on transitions: the l1 distances of consecutive codes at k
equidistant points of a closed curve are summed; theirs is an ellipse through three training points,
here that of Steiner, and great circles.] Points are equidistant in the parameter of the curve.
"""

from __future__ import annotations

import numpy as np

from exact import Domain, Network
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import codes_float, flips_between, path_of


@method(
    "flips_around_curve",
    unit="points",
    budgets=(10, 100, 1_000, 10_000),
    number="E3",
    source="Novak et al. 2018, arXiv 1802.08760: transitions at k equidistant points",
)
def transitions(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The Hamming distances between neighbouring points of k on a closed curve, summed."""
    path = path_of(network, domain)
    codes = codes_float(network, path(path.end * np.arange(budget) / budget))
    flips = flips_between(np.concatenate([codes, codes[:1]]))
    return MethodEstimate(float(flips), None, budget)
