"""E2, line counts: breakpoints on lines, computed from the floats of the network.

Hanin and Rolnick 2019, "Complexity of Linear Regions in Deep Networks" (arXiv 1901.09021) and "Deep
ReLU Networks Have Surprisingly Few Activation Patterns" (arXiv 1906.00904). [definition as in their
experiments: a piecewise linear function on a line is followed layer by layer; the bound (T N)^d /
d! per volume is theirs, with the density of breakpoints measured here in place of T N.]
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from exact import Box, Domain, Network, Unsupported
from exact.arithmetic.numbers import FloatArray
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method
from studies.methods.passes import Path, box_bounds, not_for, path_of, random_path

NUMBER = "E2"
LINES = (10, 30, 100, 300)
SHORT = 1e-4  # half of an arc below which it is taken for straight
DENSITY = "Hanin and Rolnick 2019, arXiv 1901.09021: mean breakpoints per length on random lines"


@method(
    "flips_per_length",
    unit="lines",
    budgets=(1,),
    number=NUMBER,
    source="Hanin and Rolnick 2019, arXiv 1901.09021: the breakpoints of one line, layer by layer",
)
def line_flips(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The sign changes on a Segment, layer by layer, over its length; needs a network without a
    norm.
    """
    path = path_of(network, domain)
    _, flips, passes = broken(network, path)
    return MethodEstimate(flips / path.length, None, passes)


@method("boundary_density", unit="lines", budgets=LINES, number=NUMBER, source=DENSITY)
def line_density(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The mean number of breakpoints per length on random chords of a Box, or great circles of a
    Sphere, with a t interval over the lines.
    """
    value, half, passes = density(network, domain, budget, rng)
    if half is None:
        return MethodEstimate(value, None, passes)
    return MethodEstimate(value, (max(0.0, value - half), value + half), passes)


@method(
    "code_count",
    unit="lines",
    budgets=LINES,
    number=NUMBER,
    source="Hanin and Rolnick 2019, arXiv 1906.00904: (T N)^d / d! per volume, T N from lines",
)
def line_extrapolation(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The density of breakpoints on chords of a Box, to the power d, times its volume over d!."""
    if not isinstance(domain, Box):
        raise not_for(domain, "Box")
    value, _, passes = density(network, domain, budget, rng)
    lower, upper = box_bounds(domain)
    volume = float(np.prod(upper - lower))
    return MethodEstimate(value ** len(lower) * volume / math.factorial(len(lower)), None, passes)


def density(
    network: Network, domain: Domain, lines: int, rng: np.random.Generator
) -> tuple[float, float | None, int]:
    """Mean breakpoints per length over random lines, half of its 95% interval, forward passes."""
    found, passes = [], 0
    for _ in range(lines):
        path = random_path(network, domain, rng)
        nodes, _, used = broken(network, path)
        passes += used
        # where the circle is closed its first node is no breakpoint
        found.append((len(nodes) - 2) / path.length)
    mean = float(np.mean(found))
    if lines < 2:
        return mean, None, passes
    half = stats.t.ppf(0.975, lines - 1) * np.std(found, ddof=1) / math.sqrt(lines)
    return mean, float(half), passes


def broken(network: Network, path: Path) -> tuple[FloatArray, int, int]:
    """The ends and breakpoints of a path, the number of sign changes, and the forward passes.

    Between two nodes of the layers before, a pre-activation is linear in t, or a sinusoid on a
    circle, so that two or three forward passes give its zeros. Raises Unsupported for straight
    lines in front of a norm.
    """
    if path.kind == "straight" and network.has_norm:
        raise Unsupported(
            "breakpoints of a straight line behind a norm are no zeros of linear functions",
            value="a norm",
            remedy="take a network without a norm, or a circle on the norm's sphere",
        )
    nodes, flips, passes = np.array([0.0, path.end]), 0, 0
    for layer in range(len(network.hidden_layers)):
        if path.kind == "round" and layer == 0:
            zeros, used = _zeros_of_arcs(network, path, np.linspace(0, path.end, 5), layer)
        elif path.kind == "round":
            zeros, used = _zeros_of_arcs(network, path, _quartered(nodes), layer)
        else:
            zeros, used = _zeros_of_pieces(network, path, nodes, layer)
        passes, flips = passes + used, flips + len(zeros)
        nodes = np.unique(np.concatenate([nodes, zeros]))
    return nodes, flips, passes


def _zeros_of_pieces(
    network: Network, path: Path, nodes: FloatArray, layer: int
) -> tuple[FloatArray, int]:
    z = network.hidden_float(path(nodes))[layer]
    start, end = z[:-1], z[1:]
    piece, neuron = np.nonzero((start > 0) != (end > 0))
    a, b = start[piece, neuron], end[piece, neuron]
    return nodes[piece] + (nodes[piece + 1] - nodes[piece]) * (a / (a - b)), len(nodes)


def _quartered(nodes: FloatArray) -> FloatArray:
    """The nodes, and the quarters of the circle, so that no arc is longer."""
    return np.unique(np.concatenate([nodes, np.linspace(0, 2 * math.pi, 5)]))


def _zeros_of_arcs(
    network: Network, path: Path, nodes: FloatArray, layer: int
) -> tuple[FloatArray, int]:
    """Zeros of `a + b cos + c sin` on each arc, from its values at both ends and in the middle."""
    middles, halves = (nodes[:-1] + nodes[1:]) / 2, np.diff(nodes) / 2
    z = network.hidden_float(path(np.concatenate([nodes, middles])))[layer]
    ends, middle = z[: len(nodes)], z[len(nodes) :]
    mean, half_gap = (ends[:-1] + ends[1:]) / 2, (ends[1:] - ends[:-1]) / 2
    h = halves[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        b, c = (middle - mean) / (1 - np.cos(h)), half_gap / np.sin(h)
        a = middle - b
        size, turn = np.hypot(b, c), np.arctan2(c, b)
        swing = np.arccos(-a / size)
        straight = -h * (ends[:-1] + ends[1:]) / (ends[1:] - ends[:-1])
    found = [
        np.where(h < SHORT, straight, _wrapped(turn + swing)),
        np.where(h < SHORT, np.nan, _wrapped(turn - swing)),
    ]
    zeros = [
        (middles[:, None] + offset)[np.isfinite(offset) & (np.abs(offset) < h)] for offset in found
    ]
    return np.concatenate(zeros), len(nodes) + len(middles)


def _wrapped(angle: FloatArray) -> FloatArray:
    """The angle in (-pi, pi]."""
    return math.pi - (math.pi - angle) % (2 * math.pi)
