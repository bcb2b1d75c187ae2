"""E7, local complexity: neurons whose sign differs among the vertices of a small cross-polytope.

Humayun, Balestriero and Baraniuk 2024, "Deep Networks Always Grok and Here is Why" (arXiv
2402.15555). [definition as in their code: V random orthonormal directions v, the vertices x +- r v
are sent through, and in every layer the neurons count whose sign is not the same at all 2 V of
them.] Deeper layers bend between the vertices, which nothing sees.
"""

from __future__ import annotations

import numpy as np

from exact import Ball, Domain, Network
from exact.arithmetic.numbers import FloatArray, nearest_float
from studies.methods.domains import CrossPolytope
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import not_for

NUMBER, DIRECTIONS = "E7", (1, 2, 3, 4)
PAPER = "Humayun et al. 2024, arXiv 2402.15555"


@method(
    "local_complexity",
    unit="directions",
    budgets=DIRECTIONS,
    number=NUMBER,
    source=f"{PAPER}: signs at the vertices of a cross-polytope",
)
def vertex_signs(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The neurons whose sign differs among the vertices along the first directions of a
    CrossPolytope.
    """
    if not isinstance(domain, CrossPolytope):
        raise not_for(domain, "CrossPolytope")
    return _count(network, domain.vertices_float(min(budget, domain.dim)))


@method(
    "local_complexity_of_ball",
    unit="directions",
    budgets=DIRECTIONS,
    number=NUMBER,
    source=f"{PAPER}, taken for the ball of the same radius",
)
def vertex_signs_in_ball(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The same for a Ball: at `centre +- radius v` for random orthonormal v."""
    if not isinstance(domain, Ball):
        raise not_for(domain, "Ball")
    centre = np.array([nearest_float(x) for x in domain.centre])
    radius = float(np.sqrt(nearest_float(domain.radius_squared)))
    directions = orthonormal(len(centre), rng)[:budget]
    steps = radius * directions
    return _count(network, np.concatenate([centre + steps, centre - steps]))


def orthonormal(dim: int, rng: np.random.Generator) -> FloatArray:
    """Random orthonormal directions (dim, dim), one a row."""
    return np.asarray(np.linalg.qr(rng.standard_normal((dim, dim)))[0])


def _count(network: Network, vertices: FloatArray) -> MethodEstimate:
    signs = [z > 0 for z in network.hidden_float(vertices)]
    crossing = sum(int((on.any(axis=0) & ~on.all(axis=0)).sum()) for on in signs)
    return MethodEstimate(float(crossing), None, len(vertices))
