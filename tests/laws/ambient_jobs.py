"""Small jobs for every engine and every other public function, ordinary ones and some with
subnormal weights.

A job returns an object whose public answers are compared (see `ambient.told`). Its inputs are made
where it runs, from integers and fractions.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

import exact
from exact import (
    AbsoluteValue,
    Ball,
    Block,
    Box,
    GreatCircle,
    GreatSphere,
    HardTanh,
    HPolytope,
    Layer,
    LayerNorm,
    Line,
    Network,
    NormBall,
    Plane,
    RationalMatrix,
    Ray,
    RealSpace,
    RMSNorm,
    Segment,
    Sphere,
)
from exact.geometry.domains.base import Domain
from exact.instruments import counting, critical_radii, decision, norm_geometry
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.comparisons import eps_comparison
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.rearrangements import Placement
from exact.networks.graphs.steps import Sum
from exact.partition import ENGINES, partition
from exact.propagation import bounds
from exact.regions.engine import Problem
from exact.sources import tensors, torch_modules

TINY = Fraction(1, 2**1060)
"""Integers up to 2^14 times this are subnormal floats."""
Rows = list[list[int]]


def float_bits(value: Fraction) -> int:
    """The 64 bits of a float64 that is this number, as a signed integer; ValueError where none is.

    Subnormal ones are made of integers alone, so that they are right where the processor flushes
    them.
    """
    units = value * 2**1074
    if units.denominator == 1 and abs(units) < 2**52:
        return int(units) if units >= 0 else int(-units) - 2**63
    if Fraction(float(value)) != value:
        raise ValueError(f"{value} is no float64")
    return int.from_bytes(struct.pack("<d", float(value)), "little", signed=True)


def float_array(rows: Sequence[Any], kind: str = "float64") -> Any:
    """Fractions, or rows of them, as a NumPy array ("float64") or a tensor ("tensor")."""
    bits = [
        [float_bits(x) for x in row] if isinstance(row, Sequence) else float_bits(row)
        for row in rows
    ]
    if kind == "tensor":
        return torch.tensor(bits, dtype=torch.int64, device="cpu").view(torch.float64)
    return np.array(bits, dtype=np.int64).view(np.float64)


def layer(
    rows: Rows,
    bias: list[int],
    scale: Fraction = Fraction(1),
    activation: exact.Activation | None = None,
) -> Layer:
    activation = activation or exact.ReLU()
    return Layer.of(
        [[x * scale for x in row] for row in rows], [x * scale for x in bias], activation
    )


def net(*layers: Layer, norm: exact.Norm | None = None) -> Network:
    last = layers[-1].width
    return Network((Block((*layers, Layer.of([[Fraction(1)] * last], [Fraction(0)])), norm),))


def in_plane(scale: Fraction) -> Network:
    return net(
        layer([[1, 2], [2, 1], [1, -1]], [0, 1, 0], scale),
        layer([[1, -1, 1], [2, 1, 3]], [1, -2], scale),
    )


def one_layer(dim: int, scale: Fraction) -> Network:
    rows = [
        [1, 2, -1, 3, 1][:dim],
        [2, 1, 1, -1, 2][:dim],
        [1, -1, 2, 1, 1][:dim],
        [0, 1, 1, 2, -3][:dim],
    ]
    return net(layer(rows, [0, 1, -1, 1], scale))


def behind(norm: type[exact.Norm], dim: int, scale: Fraction, eps: object = 0) -> Network:
    network = one_layer(dim, scale)
    made = norm.of(
        eps=eps,
        gain=[Fraction(k + 1, 2) for k in range(dim)],
        bias=[Fraction(k, 3) for k in range(dim)],
    )
    return Network((Block(network.layers, made),))


def two_norms(scale: Fraction) -> Network:
    first = Block(
        (layer([[1, 2, 0], [0, 1, 1], [1, -1, 1]], [0, 1, -1], scale),),
        RMSNorm.of(eps=Fraction(1, 9), dim=3),
        True,
    )
    second = Block(
        (layer([[1, -2, 1], [2, 1, 1]], [1, 0], scale),), LayerNorm.of(eps=Fraction(1, 9), dim=3)
    )
    return Network((first, second, Block((Layer.of([[1, 1]], [0]),))))


def places(scale: Fraction) -> list[tuple[Network, Domain]]:
    plane, space = in_plane(scale), one_layer(3, scale)
    mixed = net(
        layer([[1, 2], [2, 1]], [0, 1], scale, HardTanh()),
        layer([[1, -1]], [1], scale, AbsoluteValue()),
    )
    return [
        (plane, Box(-2, 2, dim=2)),
        (plane, RealSpace(2)),
        (mixed, HPolytope([[1, 1, 2], [-1, 0, 2], [0, -1, 2]])),
        (space, Plane([0, 0, 0], [1, 0, 1], [0, 1, 1])),
        (one_layer(2, scale), RealSpace(2)),
        (one_layer(2, scale), Ball([0, 0], 4)),
        (plane, Segment([-2, -1], [2, 2])),
        (plane, Ray([0, 0], [1, 2])),
        (mixed, Line([0, 1], [1, 1])),
        (plane, GreatCircle([1, 0], [0, 1], radius_squared=2)),
        (plane, Sphere(2)),
        (behind(LayerNorm, 3, scale), Sphere()),
        (two_norms(scale), GreatCircle([1, 0, 1], [0, 1, 1], radius_squared=3)),
        (space, Sphere(3)),
        (behind(LayerNorm, 4, scale), Sphere()),
        (behind(RMSNorm, 3, scale), Sphere()),
        (behind(RMSNorm, 4, scale), GreatSphere([1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0])),
        (one_layer(4, scale), Sphere(2)),
        (behind(RMSNorm, 2, scale, Fraction(1, 9)), NormBall()),
        (net(layer([[1, 2]], [1], scale), layer([[2], [-3]], [-1, 2])), RealSpace(2)),
        (pooled(scale), Box(-1, 1, dim=2)),
        (pooled(scale), Segment([-1, 2], [3, 1])),
    ]


def pooled(scale: Fraction) -> Graph:
    """Two neurons, and the maximum of each with an input beside it."""
    front, windows = layer([[1, 2], [-3, 1]], [1, -1], scale), [[0, 1], [1, 2], [2, 3]]
    places = [Layer.of(Placement(own, 4)) for own in ([0, 2], [1, 3])]
    steps: list[Any] = [(front, [0]), (places[0], [1]), (places[1], [0]), (Sum(), [2, 3])]
    return Graph([*steps, (Maximum(windows, 4), [4])], 2)


def partitions(scale: Fraction) -> dict[str, Callable[[], Any]]:
    """Every engine on every place that it takes."""
    found = dict[str, Callable[[], Any]]()
    for index, (network, domain) in enumerate(places(scale)):
        for engine in ENGINES:
            problem = Problem.of(network, domain)
            if engine.graph_refusal(problem) is None and engine.refusal(problem) is None:
                name = (
                    f"{engine.name} on {type(domain).__name__} "
                    f"{index}{' subnormal' * (scale == TINY)}"
                )

                def job(index: int = index, name: str = engine.name) -> Any:
                    return partition(*places(scale)[index], engine=name)

                found[name] = job
    return found


# ---- everything else that is public


def batch(norm: type[exact.Norm] | None, scale: Fraction) -> Any:
    network = one_layer(3, scale) if norm is None else behind(norm, 3, scale)
    rows = ([[1, 0, 2], [1, 1, 0], [0, 1, 3]], [[0, 1, 1], [2, 0, 1], [1, -1, 0]])
    found = exact.partition_circles(network, *rows, radius_squared=2 if norm is None else None)
    codes = [found.codes(i) for i in range(len(found))]
    return [
        found,
        codes,
        [found.angles_float(i) for i in range(len(found))],
        [circle.digest for circle in found],
    ]


def ties(scale: Fraction) -> Any:
    first = layer([[1, 2], [2, 1], [1, -1]], [0, 1, 0], scale)
    network = Network((Block((first, Layer.of([[1, 0, 2], [0, 1, 1], [1, -1, 0]], [0, 0, 1]))),))
    found = partition(decision.tied(network), Box(-2, 2, dim=2))
    return [decision.classes(found), decision.boundary(found), decision.boundary_measure(found)]  # type: ignore[arg-type]


def geometry(norm: type[exact.Norm], scale: Fraction) -> Any:
    made = norm.of(
        eps=scale if scale == TINY else 0, gain=[scale, 2, Fraction(1, 3)], bias=[0, scale, 1]
    )
    points = norm_geometry.image_points(made, [[1.0, 2.0, 5.0], [0.0, -1.0, 3.0]])
    return [
        norm_geometry.image(made, [1, 2, 6]),
        norm_geometry.ellipsoid(made),
        points,
        points.exact(1),
        norm_geometry.side_of(made, [0, 0, 1]),
        norm_geometry.is_image(made, [scale, 0, 1]),
    ]


def forward(scale: Fraction) -> Any:
    network = in_plane(scale)
    code = network.code([1, 2])
    return [
        code,
        network.affine_map(code),
        network.forward_float([[1.0, 2.0], [0.5, -3.0]]),
        network.sha256,
        network.layers,
    ]


def read_module(scale: Fraction) -> Any:
    with torch.random.fork_rng(devices=[]):
        module = torch.nn.Sequential(
            torch.nn.LayerNorm(3, eps=0.5, device="cpu", dtype=torch.float64),
            torch.nn.Linear(3, 4, device="cpu", dtype=torch.float64),
            torch.nn.ReLU(),
            torch.nn.Linear(4, 1, device="cpu", dtype=torch.float64),
        )
    with torch.no_grad():
        for k, parameter in enumerate(module.parameters()):
            numbers = [float((7 * i + 3 * k) % 11 - 5) for i in range(parameter.numel())]
            parameter.copy_(
                torch.tensor(numbers, dtype=torch.float64, device="cpu").reshape(parameter.shape)
            )
    network = torch_modules.read(module)
    return [network.sha256, network.forward_float([[1.0, 2.0, 4.0]])]


def float_weights(scale: Fraction) -> Any:
    """Networks read from arrays and tensors of float64, and their regions."""
    rows, bias = [[1, 2], [2, 1], [1, -1]], [0, 1, -1]
    weights = (
        [[Fraction(x) * scale for x in row] for row in rows],
        [Fraction(x) * scale for x in bias],
    )
    found: list[Any] = []
    for kind in ("float64", "tensor"):
        network = tensors.mlp([tuple(float_array(x, kind) for x in weights), ([[1, 1, 1]], [0])])  # type: ignore[list-item]
        found += [
            network.sha256,
            network.layers[0].weight,
            partition(network, Box(-2, 2, dim=2)).codes,
        ]
    return found


NARROW = {
    "float16": torch.int16,
    "bfloat16": torch.int16,
    "float32": torch.int32,
    "float64": torch.int64,
}
"""Formats of floats, and the integers that hold their bits."""


def float_formats(scale: Fraction) -> Any:
    """The least subnormals, the least normals and ones of every width, read bit for bit."""
    found: list[Any] = []
    for name, integers in NARROW.items():
        width = torch.iinfo(integers).bits
        normal = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}[name]
        patterns = [0, 1, 3, 1 - 2 ** (width - 1), 2**normal - 1, 2**normal, 5 * 2**normal]
        held = torch.tensor([patterns], dtype=integers, device="cpu")
        found.append(RationalMatrix.from_floats(held.view(getattr(torch, name))))
        if name != "bfloat16":
            found.append(RationalMatrix.from_floats(held.numpy().view(name)))
    return found


def certificate(scale: Fraction) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return (
            partition(in_plane(scale), Box(-2, 2, dim=2))
            .certificate(Path(folder) / "proof.txt")
            .read_bytes()
        )


def others(scale: Fraction) -> dict[str, Callable[[], Any]]:
    gaussian = behind(LayerNorm, 4, scale, Fraction(1, 9))
    found: dict[str, Callable[[], Any]] = {
        "batch": lambda: batch(None, scale),
        "batch behind LayerNorm": lambda: batch(LayerNorm, scale),
        "batch behind RMSNorm": lambda: batch(RMSNorm, scale),
        "neighbourhood": lambda: exact.neighbourhood(in_plane(scale), [1, 2], radius=2),
        "critical radii": lambda: critical_radii.critical_radii(gaussian, [1, 0, 2, -1]),
        "critical radii in floats": lambda: critical_radii_float(gaussian, [[1.0, 0.0, 2.0, -1.0]]),
        "flip caps": lambda: critical_radii.flip_caps(behind(RMSNorm, 3, scale, Fraction(1, 9))),
        "quiet share": lambda: critical_radii.quiet_share(
            behind(RMSNorm, 2, scale, Fraction(1, 9))
        ),
        "bounds": lambda: [
            bounds.region_bound(in_plane(scale), 2),
            bounds.arc_bound(in_plane(scale)),
        ],
        "cell count": lambda: counting.sphere_cell_count(behind(LayerNorm, 4, scale)),
        "region count": lambda: counting.region_count(one_layer(2, scale), Box(-2, 2, dim=2)),
        "eps": lambda: eps_comparison.compare_eps(
            behind(RMSNorm, 2, scale, Fraction(1, 9)), samples=20
        ),
        "ties": lambda: ties(scale),
        "geometry of LayerNorm": lambda: geometry(LayerNorm, scale),
        "geometry of RMSNorm": lambda: geometry(RMSNorm, scale),
        "forward": lambda: forward(scale),
        "module": lambda: read_module(scale),
        "tensors": lambda: tensors.mlp([([[1.5, 2.0]], [0.25]), ([[1.0]], [0.0])]).sha256,
        "float weights": lambda: float_weights(scale),
        "float formats": lambda: float_formats(scale),
        "certificate": lambda: certificate(scale),
    }
    return {f"{name}{' subnormal' * (scale == TINY)}": job for name, job in found.items()}


def jobs() -> Mapping[str, Callable[[], Any]]:
    """All of them, by name."""
    ordinary = Fraction(1)
    return {**partitions(ordinary), **partitions(TINY), **others(ordinary), **others(TINY)}
