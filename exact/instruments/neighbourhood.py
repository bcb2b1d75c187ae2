"""The regions around a point, out to a number of facets: local exploration where no whole partition
is within reach.
"""

from __future__ import annotations

from collections.abc import Sequence

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.numbers import Rational
from exact.errors import InvalidInput, Unsupported, shown
from exact.geometry.budgets import Budget
from exact.geometry.domains.base import Flat, FlatDomain
from exact.geometry.domains.flat import RealSpace
from exact.geometry.polyhedra.halfspace import Point, homogeneous, is_inside, side
from exact.networks.evaluation.required import require_network
from exact.networks.network import Network
from exact.propagation.chart import chart
from exact.propagation.charts import AffineChart
from exact.regions.engine import Job, Problem, Progress
from exact.regions.polytopes.engines.facet_walk import FacetWalk
from exact.regions.polytopes.engines.points import point_cells
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.walls.facets import region_halfspaces


@in_ieee_floats
def neighbourhood(
    network: Network,
    x: Sequence[object],
    radius: int = 1,
    domain: FlatDomain | None = None,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> FlatPartition:
    """The region of x and all regions at most `radius` facets away from it, exactly.

    The distance of two regions is the least number of facets that a path between them crosses.
    `domain` is any flat domain with x strictly inside, relative to its affine hull; None stands for
    all of the input space. Regions, facets, maps and proofs are those of `partition`. The outcome
    is COMPLETE when there is nothing beyond, else BUDGET_REACHED, and `evidence` says what was
    looked behind. Works in hundreds of dimensions: coordinates that no neuron depends on are left
    out, and no vertex is ever computed.

    Cost: per region at most radius - 1 facets away, one LP per wall that no ray proves a facet; per
    other region one LP. Raises InvalidInput for an x outside the domain or on a boundary of its
    region (naming the hinge), Unsupported for networks with a norm. Source: breadth-first search
    over facets, as in Avis and Fukuda 1996 on arrangements.

    >>> from exact import RealSpace
    >>> from exact.sources import tensors
    >>> hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
    >>> [str(region.code) for region in neighbourhood(hat, ["1/2"], radius=1).regions]
    ['000', '100', '110']
    """
    require_network(network)
    space = RealSpace(network.input_dim) if domain is None else domain
    problem = Problem(network, space)
    _check(problem, radius)
    found = chart(network, space)
    assert isinstance(found, AffineChart), "flat domains have affine charts"
    flat, start = found.flat, homogeneous(found.coordinates(x))
    _check_start(network, flat, x, start)
    job = Job(problem, budget=budget or Budget(), progress=progress)
    cells = FacetWalk().explore(job, start, radius) if flat.dim else point_cells(job)
    return FlatPartition(problem, FacetWalk.name, cells)


def _check(problem: Problem, radius: int) -> None:
    if isinstance(radius, bool) or not isinstance(radius, int) or radius < 0:
        raise InvalidInput(
            "the radius is not a number of facets", value=repr(radius), remedy="give 0, 1, 2, ..."
        )
    problem.domain.check(problem.network.input_dim)
    problem.network.require_piecewise_linear()
    reason = FacetWalk().refusal(problem)
    if reason is not None:
        raise Unsupported(
            "no neighbourhood in facets here", value=repr(problem.domain), remedy=str(reason)
        )


def _check_start(network: Network, flat: Flat, x: Sequence[object], start: Point) -> None:
    """Refuse an x outside the domain or on the boundary of its region."""
    if not is_inside(flat.walls, start):
        raise InvalidInput(
            "x is not strictly inside the domain", value=shown(x), remedy="give an inner point"
        )
    bits = [
        bool(bit)
        for bit in network.code([Rational(v) if isinstance(v, int) else v for v in x]).bits
    ]
    for hinge, halfspace in zip(
        network.hinges, region_halfspaces(network, flat, bits), strict=True
    ):
        if not halfspace.is_constant and side(halfspace, start) == 0:
            raise InvalidInput(
                "x lies on a boundary",
                value=f"{shown(x)}, where hinge {hinge} is zero",
                remedy="move x off the boundary, then its region is unique",
            )
