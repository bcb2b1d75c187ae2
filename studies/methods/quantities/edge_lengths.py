"""Edge lengths: how much boundary lies in each pixel of a map of a rectangle, from exact edges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from exact import Box, Domain, Network, Unsupported
from exact.arithmetic.numbers import FloatArray, nearest_float
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.regions.polytopes.partition import FlatPartition
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantity import MapQuantity

PIXELS = 16
"""Pixels along each side of the map."""


def edge_length_map(network: Network, domain: Domain) -> FloatArray:
    """The length of the edges between regions in each of 16 x 16 pixels of a Box in the plane,
    [row, column] along the first and second coordinate.

    The ends of edges are exact; floats clip them at the borders of pixels. Raises Unsupported for
    other domains.
    """
    if not isinstance(domain, Box) or len(domain.lo) != 2 or domain.is_lower_dimensional:
        raise Unsupported(
            "a map of edge lengths needs a rectangle",
            value=domain,
            remedy="give Box(lo, hi, dim=2)",
        )
    found = whole_partition(network, domain).seen_as(FlatPartition)
    lower, upper = (np.array([nearest_float(x) for x in end]) for end in (domain.lo, domain.hi))
    lengths = np.zeros((PIXELS, PIXELS))
    for p, q in inner_edges(found):
        _add(lengths, (p - lower) / (upper - lower), (q - lower) / (upper - lower), q - p)
    return lengths


def inner_edges(found: FlatPartition) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The edges between two regions of a partition in the plane, each once, by their ends."""
    for region in found.regions:
        for facet in region.facets:
            if facet.neighbour is not None and facet.neighbour > region.index:
                wall = Halfspace(facet.hyperplane)
                ends = [v for v in region.vertices if _is_on(wall, v)]
                yield tuple(np.array(end, dtype=np.float64) for end in ends)


def _is_on(wall: Halfspace, point: tuple[object, ...]) -> bool:
    return sum(a * x for a, x in zip(wall.normal, point, strict=True)) + wall.offset == 0


def _add(lengths: FloatArray, p: FloatArray, q: FloatArray, step: FloatArray) -> None:
    """Share out the edge from p to q, both in [0, 1]^2, among the pixels it passes."""
    ticks = np.arange(1, PIXELS) / PIXELS
    with np.errstate(divide="ignore", invalid="ignore"):
        cuts = np.concatenate([(ticks - p[k]) / (q[k] - p[k]) for k in (0, 1)])
    t = np.unique(np.concatenate([[0.0, 1.0], cuts[(cuts > 0) & (cuts < 1)]]))
    middles = p + ((t[:-1] + t[1:]) / 2)[:, None] * (q - p)
    places = np.clip((middles * PIXELS).astype(int), 0, PIXELS - 1)
    np.add.at(lengths, (places[:, 0], places[:, 1]), np.diff(t) * np.linalg.norm(step))


QUANTITY = MapQuantity(
    "edge_length_map",
    "edge lengths in a map",
    "Box in the plane, without a norm",
    edge_length_map,
    (256, 1_024, 4_096),
)
