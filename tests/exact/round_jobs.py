"""Networks on lines, circles and spheres whose certificates are tested, degenerate ones among
them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from exact import (
    Block,
    Domain,
    Ellipse,
    GreatCircle,
    GreatSphere,
    Layer,
    Line,
    Network,
    Partition,
    Ray,
    Segment,
    Sphere,
    partition,
)
from exact.arithmetic.numbers import Rational
from exact.regions import certificate as certificates
from exact.sources import tensors
from tests.exact.forgeries import Record, records_of
from tests.truths import engines

EIGHTHS = [["1/8", 1, 0, 2, "-3/8"], [0, "5/8", 1, -1, 1], [1, 0, "-7/8", 1, 2]]
UNITS = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
SIX = [*UNITS, *([-x for x in row] for row in UNITS)]


def layers(*given: Any) -> Network:
    """An MLP with these hidden layers and a last one that adds up."""
    return tensors.mlp([*given, ([[1] * len(given[-1][0])], [0])])


def block(
    rows: int, dim: int, seed: int, norm: str = "layernorm", eps: object = "1/100000"
) -> Network:
    """A block behind a norm with random float weights, gain and bias."""
    rng = np.random.default_rng(seed)
    return tensors.block(
        rng.normal(size=(rows, dim)),
        rng.normal(size=rows) * 0.7,
        rng.normal(size=(dim, rows)),
        rng.normal(size=dim),
        norm=norm,
        gain=rng.normal(size=dim),
        bias=rng.normal(size=dim),
        eps=eps,
    )


def random_mlp(seed: int, *widths: int) -> Network:
    rng = np.random.default_rng(seed)
    shapes = list(zip(widths[1:], widths, strict=False))
    return tensors.mlp(
        [(rng.normal(size=shape), rng.normal(size=shape[0]) * 0.5) for shape in shapes]
    )


def embedded(rows: int, dim: int, seed: int, norm: str, *, residual: bool) -> Network:
    """A block behind a linear map with thirds and sevenths, so that nothing is a whole number."""
    rng = np.random.default_rng(seed)
    weight = [[Rational(int(x), 21) for x in row] for row in rng.integers(-9, 10, size=(dim, dim))]
    return Network(
        (Block((Layer.of(weight),), residual=residual), *block(rows, dim, seed, norm).blocks)
    )


OCTAHEDRON = layers((SIX, [-1] * 6))
CAPS = layers(
    (
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [1, 0, 0]],
        ["-9/10", "-9/10", "-9/10", "-9/10", "-19/20"],
    )
)
BELTS = layers(([[0, 0, 1], [0, 0, 1], [0, 0, -2], [1, 0, 0]], [0, "1/2", "-1", 2]))
STRIPS = layers(
    ([[0, 4, 0], [0, -4, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1]], [1, 1, "-9/10", "-9/10", "-99/100"])
)
# one layer that is all on, caps behind it
HIDDEN = layers((UNITS, [2, 2, 2]), ([[1, 1, 1], [1, 0, 0]], ["-15/2", "-59/20"]))
FOLDED = layers(
    ([[1, 0, 0], [0, 1, 0], [1, 1, 1]], [0, "-1/2", "1/3"]),
    ([[1, -1, 1], [-1, 2, -1]], ["-1/4", "1/5"]),
)
FREE = layers(
    ([[1, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 0]], [0, 0, 0, 0]),
    ([[1, 1, 1, 1], [1, -1, 0, 2]], [0, 0]),
)

CURVES: dict[str, tuple[Network, Domain]] = {
    "norm, n = 3": (block(7, 3, 0), Sphere()),
    "geodesic": (block(9, 6, 1), GreatCircle([1, 2, 0, 1, 0, 1], [0, 1, 0, 3, -1, 2])),
    "root mean square": (block(5, 2, 2, "rms"), Sphere()),
    "segment through a norm": (block(9, 3, 3), Segment([-4, 1, 2], [3, -2, "1/2"])),
    "line through a norm": (block(9, 3, 4, eps=0), Line([1, 0, 0], [1, 2, -1])),
    "undefined": (block(6, 3, 5, eps=0), Line([0, 0, 0], [1, 2, -1])),
    "deep circle": (random_mlp(6, 3, 4, 4, 1), GreatCircle([1, 0, 1], [0, 1, 0], radius_squared=3)),
    "deep line": (random_mlp(7, 2, 4, 4, 1), Line([0, 1], [2, 1])),
    "ray": (random_mlp(8, 2, 3, 3, 1), Ray([1, -1], [-2, 3])),
    "tangent": (OCTAHEDRON, GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=1)),
    "corners": (OCTAHEDRON, GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=2)),
    "never cut": (OCTAHEDRON, GreatCircle([1, 0, 0], [0, 1, 0], radius_squared="1/2")),
    "without bias": (FREE, GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=1)),
    "embedded": (
        embedded(7, 4, 1, "rms", residual=True),
        GreatCircle(["1/3", 1, 0, 2], [0, "-2/7", 1, 1]),
    ),
    "of thirds": (
        random_mlp(6, 3, 4, 1),
        GreatCircle(["1/3", 0, 1], [0, "1/7", 1], radius_squared="5/3"),
    ),
    "ellipse": (random_mlp(6, 3, 4, 4, 1), Ellipse([1, 0, 1], [0, 2, 1], ["1/3", 0, -1], "3/5")),
    "ellipse of corners": (OCTAHEDRON, Ellipse([1, 0, 0], [0, 2, 0], [0, 0, 1])),
    "ellipse behind a norm": (block(6, 3, 5), Ellipse([1, 2, -1], [3, 0, 1], [1, 1, 1])),
    "ellipse beside the origin": (block(6, 3, 5, "rms"), Ellipse.through(*UNITS)),
    "undefined on an ellipse": (block(6, 3, 5, eps=0), Ellipse([1, 1, 1], [1, 2, -1])),
    "undefined where it starts": (
        tensors.block([[1, 0, -2], [0, 1, 1]], [1, 0], [[1, 1]], [0], "layernorm", eps=0),
        Ellipse([1, 0, 0], [0, 1, 0], [0, 1, 1]),
    ),
}
SPHERES: dict[str, tuple[Network, Domain]] = {
    "general": (random_mlp(0, 3, 4, 1), Sphere(1)),
    "norm, n = 4": (block(5, 4, 3), Sphere()),
    "three activations": (
        block(5, 6, 7),
        GreatSphere([1, 2, 0, 1, 0, 1], [0, 1, 0, 3, -1, 2], [2, 0, 1, 1, 1, -1]),
    ),
    "touching": (OCTAHEDRON, Sphere(2)),
    "three through a point": (OCTAHEDRON, Sphere(3)),
    "apart": (OCTAHEDRON, Sphere("3/2")),
    "tangent planes": (OCTAHEDRON, Sphere(1)),
    "caps": (CAPS, Sphere(1)),
    "belts": (BELTS, Sphere(1)),
    "strips": (STRIPS, Sphere(1)),
    "hidden caps": (HIDDEN, Sphere(1)),
    "folded": (FOLDED, Sphere(1)),
    "without bias": (FREE, Sphere(1)),
    "deep": (random_mlp(5, 3, 3, 2, 1), Sphere(1)),
    "embedded": (embedded(4, 5, 9, "layernorm", residual=False), GreatSphere(*EIGHTHS)),
    "embedded with a skip": (embedded(4, 5, 5, "rms", residual=True), GreatSphere(*EIGHTHS)),
    "of thirds": (random_mlp(6, 5, 4, 1), GreatSphere(*EIGHTHS, radius_squared="5/3")),
}
CODES: dict[str, tuple[Network, Domain]] = {
    "general": (random_mlp(0, 3, 5, 1), Sphere(1)),
    "on S^3": (random_mlp(1, 4, 5, 1), Sphere(1)),
    "norm, n = 5": (block(4, 5, 2), Sphere()),
    "octahedron, 18": (OCTAHEDRON, Sphere(3)),
    "octahedron, 19": (OCTAHEDRON, Sphere("5/2")),
    "octahedron, 7": (OCTAHEDRON, Sphere(2)),
    "tangent planes": (OCTAHEDRON, Sphere(1)),
    "belts": (BELTS, Sphere(1)),
    "without bias": (FREE, Sphere(1)),
    "folded": (FOLDED, Sphere(1)),
    "deep on S^3": (random_mlp(3, 4, 4, 2, 1), Sphere(1)),
    "embedded": (embedded(4, 5, 9, "layernorm", residual=False), GreatSphere(*EIGHTHS)),
    "of thirds": (random_mlp(6, 5, 4, 1), GreatSphere(*EIGHTHS, radius_squared="5/3")),
}
JOBS = {"curve": CURVES, "sphere": SPHERES, "codes": CODES}
ALL = [(kind, name) for kind, jobs in JOBS.items() for name in jobs]


@functools.cache
def found(kind: str, name: str) -> Partition:
    network, domain = JOBS[kind][name]
    engine = {"curve": "circle", "codes": "sphere_polytopes"}.get(kind)
    if engine == "circle" and not engines.takes(engine, network, domain):
        engine = "nested_roots"
    return partition(network, domain, engine=engine)


@functools.cache
def lines(kind: str, name: str) -> tuple[bytes, ...]:
    return tuple(certificates.of(found(kind, name)))


def honest(kind: str, name: str) -> list[Record]:
    """The records of a certificate, free to be changed."""
    return records_of(lines(kind, name))
