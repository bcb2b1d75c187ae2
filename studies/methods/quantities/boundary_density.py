"""Boundary density: what a random line meets per length, from the exact area of all boundaries.

By Crofton's formula uniform random lines through a body meet a hypersurface of area S on average
c_d S / V times per length, c_d = Gamma(d/2) / (sqrt(pi) Gamma((d+1)/2)) the mean of |cos| of a
direction to a normal; great circles of a d-sphere likewise. So no line is drawn here.
"""

from __future__ import annotations

from math import gamma, pi, sqrt

from exact import Box, Domain, Network, Sphere, Unsupported
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.spheres.partition import SpherePartition
from studies.methods.passes import radius_float, sphere_dimension
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantity import Quantity


def boundary_density(network: Network, domain: Domain) -> float:
    """c_d S / V: S from exact facets in a Box, from exact arcs on a 2-sphere, from the number of
    crossings on a circle. Facets count once, however many hinges flip.

    Raises Unsupported for spheres of dimension 3 and more, and other domains.
    """
    found = whole_partition(network, domain)
    if isinstance(domain, Box):
        flat = found.seen_as(FlatPartition)
        return crofton(flat.flat.dim) * inner_area(flat) / float(flat.volume)
    dim = sphere_dimension(network, domain) if isinstance(domain, Sphere) else 0
    if isinstance(domain, Sphere) and dim == 1:
        count = sum(not crossing.tangent for crossing in found.crossings)
        return count / (2 * pi * radius_float(network, domain))
    if isinstance(domain, Sphere) and dim == 2:
        length = float(found.seen_as(SpherePartition).lengths_float().sum())
        return crofton(2) * length / (4 * pi * radius_float(network, domain) ** 2)
    raise Unsupported(
        "boundaries have no exact area here",
        value=domain,
        remedy="give a Box, or the Sphere of a norm of dimension 1 or 2",
    )


def inner_area(found: FlatPartition) -> float:
    """The area of the boundaries between regions: exact facets, of which each has two sides."""
    total = 0.0
    for region in found.regions:
        for facet, measure in zip(region.facets, region.facet_measures, strict=True):
            if facet.neighbour is not None:
                total += float(measure) / 2
    return total


def crofton(dim: int) -> float:
    """The mean of |cos| of the angle between a fixed and a uniform direction of R^dim.

    >>> [round(crofton(dim), 6) for dim in (1, 2, 3)]
    [1.0, 0.63662, 0.5]
    """
    return gamma(dim / 2) / (sqrt(pi) * gamma((dim + 1) / 2))


QUANTITY = Quantity(
    "boundary_density",
    "breakpoints per length",
    "Box without a norm; Sphere of dimension 1 or 2",
    boundary_density,
    (10, 30, 100, 300),
)
