"""One small partition of every kind, by every engine, complete and stopped early; and what all of
them answer.
"""

import itertools
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np

from exact import (
    AbsoluteValue,
    Ball,
    Block,
    Box,
    Budget,
    Ellipse,
    ExactlensError,
    GreatCircle,
    GreatSphere,
    HardTanh,
    HPolytope,
    Layer,
    LayerNorm,
    Line,
    Network,
    NormBall,
    Partition,
    Plane,
    Ray,
    RealSpace,
    RMSNorm,
    Segment,
    Sphere,
    partition,
)
from exact.networks.activations import ReLU
from exact.regions import certificate as certificates

Job = Callable[[], Partition]


def network(
    *widths: int, norms: int = 0, kind: type[LayerNorm] | type[RMSNorm] = LayerNorm, seed: int = 0
) -> Network:
    """A ReLU network with small integer weights, its first `norms` layers each behind a norm of its
    own.
    """
    rng = np.random.default_rng(seed)
    blocks = []
    for number, (before, after) in enumerate(itertools.pairwise(widths)):
        last = number == len(widths) - 2
        weight, bias = rng.integers(-3, 4, (after, before)), rng.integers(-2, 3, after)
        norm = kind.of("1/8", dim=before) if number < norms else None
        blocks.append(
            Block((Layer.of(weight.tolist(), bias.tolist(), None if last else ReLU()),), norm)
        )
    return Network(tuple(blocks))


def _bent() -> Network:
    """Hinges of other activations, a third as weight, and a skip connection."""
    first = Layer.of([["1/3", -1], [1, 2]], [0, "1/7"], HardTanh())
    second = Layer.of([[1, -1], [2, "1/3"]], [0, -1], AbsoluteValue())
    return Network((Block((first, second), residual=True),))


def _touching() -> Network:
    """On the circle of radius 5 one neuron touches zero, two cross at one point, one is a copy."""
    layer = Layer.of([[3, 4], [1, 0], [1, 0], [0, 1], [1, 1]], [-25, -3, -3, -4, -7], ReLU())
    return Network((Block((layer, Layer.of([[1, 1, 1, 1, 1]]))),))


_FLAT = ("brute_force", "subdivision", "skeleton", "vertices", "lp_tree", "facet_walk")
_THREE = HPolytope([[1, 0, 0, 1], [-1, -1, -1, 2], [0, 1, 0, 1], [0, 0, 1, 1]])
_LINE = Line([0, 1, 0, 0], [1, 1, 0, 2])

JOBS: dict[str, Job] = {
    **{
        f"box, {engine}": partial(partition, network(2, 5, 1), Box(-2, 2, dim=2), engine=engine)
        for engine in _FLAT
    },
    "space, subdivision": partial(
        partition, network(2, 4, 3, 1), RealSpace(2), engine="subdivision"
    ),
    "simplex, lp_tree": partial(partition, network(3, 4, 3, 1), _THREE, engine="lp_tree"),
    "bent": partial(partition, _bent(), Box(-3, "7/2", dim=2)),
    "plane": partial(
        partition,
        network(3, 5, 1),
        Plane([0, 0, 0], [1, 0, 0], [0, 1, "1/3"], s=(-1, 1), t=(-1, 2)),
    ),
    "no interior": partial(partition, network(2, 5, 1), HPolytope([[1, 0, -2], [-1, 0, 1]])),
    "stopped, lp_tree": partial(
        partition, network(3, 6, 6, 1), RealSpace(3), engine="lp_tree", budget=Budget(regions=7)
    ),
    "stopped, walk": partial(
        partition, network(3, 6, 6, 1), RealSpace(3), engine="facet_walk", budget=Budget(regions=7)
    ),
    "stopped, subdivision": partial(
        partition, network(2, 6, 6, 1), RealSpace(2), engine="subdivision", budget=Budget(regions=9)
    ),
    "ball, round_layers": partial(partition, network(2, 4, 3, 1), Ball([0, 0], 3)),
    "ball, vertices": partial(partition, network(2, 4, 1), Ball([0, "1/2"], 3), engine="vertices"),
    "norm ball": partial(partition, network(3, 4, 1, norms=1), NormBall()),
    "segment": partial(partition, network(3, 5, 4, 1), Segment([-1, -1, -1], [1, 1, 2])),
    "ray behind a norm": partial(partition, network(3, 5, 1, norms=1), Ray([-1, -1, 0], [1, 2, 2])),
    "line behind two norms": partial(partition, network(4, 5, 4, 1, norms=2), _LINE),
    "circle of a norm": partial(partition, network(3, 6, 1, norms=1), Sphere()),
    "circle, nested_roots": partial(
        partition, network(2, 5, 1, norms=1, kind=RMSNorm), Sphere(), engine="nested_roots"
    ),
    "circle that is touched": partial(partition, _touching(), Sphere(25)),
    "circle that is touched, nested_roots": partial(
        partition, _touching(), Sphere(25), engine="nested_roots"
    ),
    "circle behind two norms": partial(
        partition, network(4, 5, 4, 1, norms=2), GreatCircle([1, 0, 0, 0], [0, 1, 0, 0], 3)
    ),
    "ellipse": partial(
        partition, network(3, 5, 4, 1), Ellipse([2, 0, 1], [0, 1, 1], [0, "1/3", 0], "1/2")
    ),
    "ellipse behind a norm": partial(
        partition, network(3, 5, 1, norms=1), Ellipse.through([2, 0, 1], [0, 1, 1], [0, -3, 0])
    ),
    "two points": partial(partition, network(2, 4, 1, norms=1), Sphere()),
    "stopped curve": partial(
        partition, network(4, 5, 4, 1, norms=2), _LINE, budget=Budget(regions=3)
    ),
    "2-sphere": partial(partition, network(3, 5, 1), Sphere(4), engine="small_circles"),
    "2-sphere, deep": partial(
        partition, network(4, 3, 3, 1, norms=1), Sphere(), engine="sphere_subdivision"
    ),
    "great sphere": partial(
        partition,
        network(5, 4, 1, norms=1),
        GreatSphere([1, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 1, 0, "1/3"]),
    ),
    "2-sphere by codes": partial(partition, network(3, 5, 1), Sphere(4), engine="sphere_polytopes"),
    "3-sphere": partial(partition, network(5, 4, 1, norms=1), Sphere()),
    "3-sphere, deep": partial(partition, network(4, 3, 2, 1), Sphere(3)),
    "stopped codes": partial(partition, network(4, 4, 3, 1), Sphere(3), budget=Budget(regions=3)),
    "stopped 2-sphere": partial(
        partition, network(3, 5, 1), Sphere(4), engine="small_circles", budget=Budget(seconds=0)
    ),
}


OF_REGIONS = (
    "vertices",
    "volume",
    "radii",
    "straddling",
    "components",
    "length_float",
    "parameters_float",
    "area",
    "holes",
)


def answers(found: Partition, names: Collection[str] | None = None) -> dict[str, Any]:
    """What a partition says, to some questions or to all; a failure is an answer too."""
    asked: dict[str, Callable[[], Any]] = {
        "codes": lambda: found.codes.tolist(),
        "digest": lambda: found.digest,
        "said": lambda: (found.engine, found.outcome, found.evidence, found.decisions, repr(found)),
        "witnesses": lambda: [region.witness for region in found.regions],
        "maps": lambda: [region.affine for region in found.regions],
        "facets": lambda: [region.facets for region in found.regions],
        "neighbours": lambda: found.neighbours().tolist(),
        "graph": lambda: [*found.graph().nodes(data=True), *found.graph().edges(data=True)],
        "certificate": lambda: b"".join(certificates.of(found)),
        "verdict": found.check,
        "counts": lambda: (found.code_count, found.linear_piece_count, found.distinct_map_count),
        "cells": lambda: found.cell_count,
        "located": lambda: [found.locate(region.witness) for region in found.regions],
        "crossings": lambda: found.crossings,
        "polygons": lambda: [polygon.wkt for polygon in found.polygons()],
    }
    for name in ("volume", "cells_by_radius"):
        asked[name] = partial(getattr, found, name)
    for name in OF_REGIONS:
        asked[f"region.{name}"] = lambda name=name: [
            getattr(region, name) for region in found.regions
        ]
    return {name: _answer(asked[name]) for name in (asked if names is None else names)}


def _answer(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (ExactlensError, AttributeError) as error:
        return type(error).__name__, str(error).replace(repr(error), "")[:40]
