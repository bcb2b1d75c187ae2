"""E6, grid heat map: Hamming distances of neighbouring points of a grid, blurred, as a density.

[definition as in common use: a k x k grid; every pixel has the Hamming distances to its right and
upper neighbour; a Gaussian blur.] Two directions see a line of slope phi as |cos| + |sin| of its
length, on average 4 / pi of it, which is taken out.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from exact import Box, Domain, Network
from exact.arithmetic.numbers import FloatArray
from studies.methods.approximations.sampled_regions import grid
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import box_bounds, codes_float, not_for
from studies.methods.quantities.edge_lengths import PIXELS

NUMBER, GRIDS = "E6", (256, 1_024, 4_096, 16_384)
BLUR = 2.0  # pixels of the grid
USE = "common use: Hamming distances of neighbouring pixels"


@method("edge_length_map", unit="grid points", budgets=GRIDS, number=NUMBER, source=USE)
def grid_heat_map(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The lengths of edges in the pixels of a map, from a grid without blur."""
    return _map(network, domain, budget, 0.0)


@method(
    "edge_length_map", unit="grid points", budgets=GRIDS, number=NUMBER, source=f"{USE}, blurred"
)
def blurred_heat_map(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The same behind a Gaussian blur of two grid points."""
    return _map(network, domain, budget, BLUR)


def _map(network: Network, domain: Domain, budget: int, sigma: float) -> MethodEstimate:
    heat = heat_of(network, domain, budget)
    return MethodEstimate(edge_lengths(heat, domain, sigma), None, heat.size)


def heat_of(network: Network, domain: Domain, budget: int) -> FloatArray:
    """The Hamming distances of every grid point to its right and its upper neighbour (k x k).

    Raises Unsupported for other domains than a Box in the plane.
    """
    if not isinstance(domain, Box) or len(domain.lo) != 2:
        raise not_for(domain, "Box in the plane")
    points = grid(domain, budget)
    side = math.isqrt(len(points))
    codes = codes_float(network, points).reshape(side, side, -1)
    heat = np.zeros((side, side))
    heat[:-1] += (codes[1:] != codes[:-1]).sum(axis=2)
    heat[:, :-1] += (codes[:, 1:] != codes[:, :-1]).sum(axis=2)
    return heat


def edge_lengths(heat: FloatArray, domain: Domain, sigma: float) -> FloatArray:
    """The lengths of edges in the pixels of the map that a heat stands for, blurred by `sigma` grid
    points (0: not at all).
    """
    if not isinstance(domain, Box):
        raise not_for(domain, "Box in the plane")
    blurred = gaussian_filter(heat, sigma, mode="nearest") if sigma else heat
    lower, upper = box_bounds(domain)
    step = float(np.mean((upper - lower) / len(heat)))
    return math.pi / 4 * step * _read_out(blurred)


def _read_out(heat: FloatArray) -> FloatArray:
    """The sums over the pixels of the map, a grid point in the one that holds it."""
    side = len(heat)
    places = (np.arange(side) * PIXELS) // side
    found = np.zeros((PIXELS, PIXELS))
    np.add.at(found, (places[:, None], places[None]), heat)
    return found
