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
from exact.instruments.batches.scan_lines import Triangle
from studies.methods.approximations.sampled_regions import grid
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import box_bounds, codes_float, not_for, units_float
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


def triangle_heat(
    network: Network, triangle: Triangle, grid_side: int, sigma: float, side: int
) -> FloatArray:
    """The length of boundaries per area in `side` x `side` pixels of the square around a triangle,
    by [x, y], from the Hamming distances of neighbouring points of a grid in it, blurred; NaN in
    pixels without a point. What is blurred out of the triangle is made good by the share that the
    blur leaves of a constant.
    """
    low, width = triangle.square
    step = width / grid_side
    places = (np.arange(grid_side) + 0.5) * step
    points = low + np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)
    parameters = triangle.parameters(points)
    within = triangle.holds(parameters)
    units = units_float(network, triangle.points(parameters[within]))
    seen = np.zeros((grid_side**2, units.shape[1]), units.dtype)
    seen[within] = units
    seen, inside = seen.reshape(grid_side, grid_side, -1), within.reshape(grid_side, grid_side)
    heat, pairs = np.zeros(inside.shape), np.zeros(inside.shape)
    for axis in (0, 1):
        first, last = (
            tuple(own if k == axis else slice(None) for k in (0, 1))
            for own in (slice(-1), slice(1, None))
        )
        both = inside[first] & inside[last]
        heat[first] += np.where(both, (seen[first] != seen[last]).sum(axis=2), 0)
        pairs[first] += both
    if sigma:
        heat, pairs = (gaussian_filter(own, sigma, mode="constant") for own in (heat, pairs))
    total, weight = np.zeros((2, side, side))
    at = (np.arange(grid_side) * side) // grid_side
    for into, own in ((total, heat), (weight, pairs)):
        np.add.at(into, (at[:, None], at[None]), np.where(inside, own, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(math.pi / 2 * total / weight / step)


def _read_out(heat: FloatArray) -> FloatArray:
    """The sums over the pixels of the map, a grid point in the one that holds it."""
    side = len(heat)
    places = (np.arange(side) * PIXELS) // side
    found = np.zeros((PIXELS, PIXELS))
    np.add.at(found, (places[:, None], places[None]), heat)
    return found
