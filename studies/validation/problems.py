"""Where each quantity is asked of a net: domains that depend on kind and seed only, and on the
data.

A net and its untrained twin are asked on the same domains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from exact import Ball, Box, Domain, Ellipse, GreatCircle, Segment, Sphere
from exact.arithmetic.numbers import FloatArray
from studies.methods.domains import Cloud, CrossPolytope
from studies.validation.population import Net

PAIRS, PLACES, CURVES = 4, 2, 2
CLOUD, POINTS = 200, 256
RADIUS = 0.5
STREAMS = {"box": 0, "segments": 1, "places": 2, "curves": 3}


@dataclass(frozen=True)
class Problem:
    """A domain, and what kind it is where there are several: pairs of data points of the "same"
    class or of "different" ones; curves that are a "circle" or an "ellipse".
    """

    domain: Domain
    label: str = ""


def box_of(net: Net) -> Box:
    """A box of side 2 around a point near the origin, in multiples of 1/64."""
    centre = np.rint(16 * net.rng(STREAMS["box"]).uniform(-1, 1, net.kind.dimension)) / 64
    return Box((centre - 1).tolist(), (centre + 1).tolist())


def sphere_of(net: Net) -> Sphere:
    """The sphere of the norm; without one that of the radius RMSNorm would have."""
    return Sphere() if net.kind.norm != "none" else Sphere(net.inputs.shape[1])


def _regions(net: Net) -> Sequence[Problem]:
    return [Problem(box_of(net) if net.kind.family == "box" else sphere_of(net))]


def _lines(net: Net) -> Sequence[Problem]:
    """Spheres of dimension 3 and more have cells without a known area."""
    return _regions(net) if net.kind.family == "box" or net.kind.dimension <= 2 else []


def _boxes(net: Net) -> Sequence[Problem]:
    return [Problem(box_of(net))] if net.kind.family == "box" else []


def _rectangles(net: Net) -> Sequence[Problem]:
    return _boxes(net) if net.kind.dimension == 2 else []


def _segments(net: Net) -> Sequence[Problem]:
    """Segments between data points of one class, and of two."""
    rng, found = net.rng(STREAMS["segments"]), {"same": [], "different": []}
    while min(map(len, found.values())) < PAIRS:
        i, j = rng.integers(0, len(net.inputs), 2)
        label = "same" if net.labels[i] == net.labels[j] else "different"
        if i != j and len(found[label]) < PAIRS:
            segment = Segment(net.inputs[i].tolist(), net.inputs[j].tolist())
            found[label].append(Problem(segment, label))
    return [problem for problems in found.values() for problem in problems]


def _curves(net: Net) -> Sequence[Problem]:
    """Ellipses through three data points, and great circles through two of different classes where
    there is a sphere.
    """
    rng, found = net.rng(STREAMS["curves"]), list[Problem]()
    radius = net.inputs.shape[1] if net.kind.norm == "none" else None
    while net.kind.family == "sphere" and len(found) < CURVES:
        i, j = rng.integers(0, len(net.inputs), 2)
        if net.labels[i] != net.labels[j]:
            u, v = net.inputs[[i, j]].tolist()
            found.append(Problem(GreatCircle(u, v, radius), "circle"))
    if net.inputs.shape[1] > 1:
        for _ in range(CURVES):
            a, b, c = net.inputs[rng.choice(len(net.inputs), 3, replace=False)].tolist()
            found.append(Problem(Ellipse.through(a, b, c), "ellipse"))
    return found


def _places(net: Net) -> list[FloatArray]:
    rng = net.rng(STREAMS["places"])
    return [net.inputs[i] for i in rng.integers(0, len(net.inputs), PLACES)]


def _cross_polytopes(net: Net) -> Sequence[Problem]:
    if net.kind.family != "box":
        return []
    rng = net.rng(STREAMS["places"] + len(STREAMS))
    size = net.kind.dimension
    return [
        Problem(
            CrossPolytope(
                place.tolist(), np.linalg.qr(rng.standard_normal((size, size)))[0], RADIUS
            )
        )
        for place in _places(net)
    ]


def _balls(net: Net) -> Sequence[Problem]:
    if net.kind.family != "box":
        return []
    return [Problem(Ball(place.tolist(), RADIUS**2)) for place in _places(net)]


def _occupied(net: Net) -> Sequence[Problem]:
    """The data in the box."""
    if net.kind.family != "box":
        return []
    box = box_of(net)
    lower, upper = (np.array([float(x) for x in end]) for end in (box.lo, box.hi))
    inside = ((net.inputs > lower) & (net.inputs < upper)).all(axis=1)
    return [Problem(Cloud(net.inputs[inside][:CLOUD], box))]


def _points(net: Net) -> Sequence[Problem]:
    return [Problem(Cloud(net.inputs[:POINTS]))]


PROBLEMS: Mapping[str, Callable[[Net], Sequence[Problem]]] = MappingProxyType(
    {
        "code_count": _regions,
        "boundary_density": _lines,
        "region_volume": _boxes,
        "edge_length_map": _rectangles,
        "occupied_components": _occupied,
        "local_complexity": _cross_polytopes,
        "local_complexity_of_ball": _balls,
        "flips_per_length": _segments,
        "flips_around_curve": _curves,
        "codes_at_points": _points,
    }
)
"""Of each quantity what is asked, in the order in which it is asked: those that share the partition
of a box stand together.
"""
