"""Why engines for flat domains cannot do a problem."""

from __future__ import annotations

from exact.geometry.domains.base import FlatDomain
from exact.regions.engine import Problem, Refusal


def flat_refusal(problem: Problem) -> Refusal | None:
    """The refusal shared by engines for flat domains with walls."""
    domain = problem.domain
    if isinstance(domain, FlatDomain) and not domain.is_polyhedral:
        return Refusal(
            f"it knows domains by their walls, and a {type(domain).__name__} is round",
            advice="round_layers cuts it",
            needs="domains with walls",
        )
    return affine_refusal(problem)


def affine_refusal(problem: Problem) -> Refusal | None:
    """That of engines for all flat domains: others, norms, and jumps."""
    if not isinstance(problem.domain, FlatDomain):
        return Refusal.elsewhere("flat domains", problem.domain)
    if problem.network.has_norm:
        return Refusal(
            "the network has a norm",
            "so its regions in a flat domain are not polytopes",
            "use Sphere, GreatCircle, Segment, Ray or Line, or network.folded() for the layers "
            "behind it",
        )
    return problem.jump_refusal
