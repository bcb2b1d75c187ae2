"""Why engines for curves cannot do a problem, and batches of curves cannot begin."""

from __future__ import annotations

from typing import Any

from exact.errors import InvalidInput
from exact.geometry.domains.base import CurveDomain
from exact.geometry.domains.round import Sphere
from exact.networks.evaluation.required import require_network
from exact.regions.engine import NORM_IS_NOT_FIRST, Problem, Refusal


def curve_refusal(problem: Problem) -> Refusal | None:
    """That of engines for curves: other domains, and spheres of other dimensions than 1."""
    network, domain, dim = problem.network, problem.domain, problem.sphere_dim
    if not isinstance(domain, CurveDomain | Sphere):
        return Refusal.elsewhere("one-dimensional domains", domain)
    if not isinstance(domain, Sphere):
        return None
    if network.has_norm and network.blocks[0].norm is None and domain.radius_squared is None:
        return NORM_IS_NOT_FIRST
    advice = "use GreatCircle(u, v) for a geodesic on it" if dim is not None and dim > 1 else ""
    found = Refusal(f"the sphere has dimension {dim}, not 1", advice=advice, of_size=True)
    return None if dim == 1 else found


def require_batch(network: Any, limit: Any) -> None:
    """InvalidInput unless a batch can begin: with a network, and a limit of crossings or None."""
    require_network(network)
    if limit is not None and not (isinstance(limit, int) and limit >= 0):
        raise InvalidInput(
            "not a limit", value=repr(limit), remedy="give a whole number of crossings, or None"
        )
