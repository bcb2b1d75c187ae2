"""Bad input ends in one typed error that says what was wrong, what was received and what to write
instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exact import (
    Ball,
    Box,
    ExactlensError,
    GreatCircle,
    GreatSphere,
    HPolytope,
    InvalidInput,
    Line,
    Network,
    NotPiecewiseLinear,
    Plane,
    Ray,
    RealSpace,
    Segment,
    Sphere,
    TooLarge,
    Unsupported,
    check,
    partition,
)
from exact.arithmetic.numbers import RationalMatrix
from exact.instruments import norm_geometry
from exact.instruments.critical_radii import critical_radii
from exact.networks.activations import GELU, HardTanh, LeakyReLU, SiLU
from exact.networks.layers import Block, Layer
from exact.networks.norms import LayerNorm, RMSNorm
from exact.regions.arcs.circles.batches import partition_circles
from exact.sources import tensors

NAN, INF = math.nan, math.inf
EYE = [[1.0, 0.0], [0.0, 1.0]]
PLANE = tensors.mlp([(EYE, [0.0, 0.0]), ([[1.0, 1.0]], [0.0])])
NORMED = tensors.block(EYE, [0.0, 0.0], [[1.0, 1.0]], [0.0], norm="rms", eps=0)
SOFT = tensors.block(EYE, [0.0, 0.0], [[1.0, 1.0]], [0.0], norm="rms", eps=1)
SMOOTH = tensors.mlp(
    [(EYE, [0.0, 0.0]), (EYE, [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], activation=GELU()
)
SHALLOW = tensors.mlp([(EYE, [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], activation=GELU())
WIDE = tensors.mlp([(np.eye(40), np.zeros(40)), (np.ones((1, 40)), np.zeros(1))])
FIVE = tensors.block(np.eye(5), np.zeros(5), np.ones((1, 5)), [0.0], norm="layernorm", eps=0)

Attempt = Callable[[], Any]


def mlp(weight: Any, bias: Any) -> Network:
    return tensors.mlp([(weight, bias), ([[1.0] * len(weight)], [0.0])])


def circles(**options: Any) -> Any:
    return partition_circles(PLANE, [[1, 0]], [[0, 1]], radius_squared=1, **options)


def certificate(path: Any) -> Path:
    return partition(PLANE, RealSpace(2)).certificate(path)


NON_FINITE: dict[str, tuple[Attempt, str]] = {
    "nan weight": (lambda: mlp([[1.0, 2.0], [3.0, NAN]], [0.0, 0.0]), "nan"),
    "nan numpy weight": (lambda: mlp(np.array([[1.0, 2.0], [3.0, NAN]]), [0.0, 0.0]), "[1, 1]"),
    "nan tensor weight": (
        lambda: mlp(torch.tensor([[1.0, 2.0], [3.0, NAN]]), [0.0, 0.0]),
        "[1, 1]",
    ),
    "nan bfloat16 weight": (
        lambda: mlp(torch.tensor([[1.0, NAN]], dtype=torch.bfloat16), [0.0]),
        "[0, 1]",
    ),
    "inf bias": (lambda: mlp(EYE, np.array([0.0, INF])), "inf"),
    "minus inf": (lambda: RationalMatrix.from_floats([[0.0, -INF]], name="W_out"), "W_out"),
    "nan gain": (lambda: LayerNorm.of(0, [1.0, NAN]), "nan"),
    "nan eps": (lambda: LayerNorm.of(NAN, dim=3), "nan"),
    "nan slope": (lambda: LeakyReLU(NAN), "nan"),
    "inf bound": (lambda: HardTanh(0, INF), "inf"),
    "nan box": (lambda: Box([0, NAN], [1, 1]), "nan"),
    "inf box": (lambda: Box(0, INF, dim=2), "inf"),
    "nan ray": (lambda: Ray([0, 0], [1, NAN]), "nan"),
    "nan point": (lambda: PLANE.code([0.0, NAN]), "nan"),
    "inf radius": (lambda: Sphere(radius_squared=INF), "inf"),
}

INVALID: dict[str, tuple[Attempt, str]] = {
    "layers do not chain": (
        lambda: tensors.mlp([(EYE, [0.0, 0.0]), ([[1.0, 1.0, 1.0]], [0.0])]),
        "(1, 3)",
    ),
    "bias too long": (lambda: mlp(EYE, [0.0, 0.0, 0.0]), "3"),
    "ragged weight": (lambda: Layer.of([[1, 2], [3]]), "1 entries"),
    "three axes": (lambda: mlp(np.zeros((2, 2, 2)), [0.0, 0.0]), "(2, 2, 2)"),
    "text weight": (lambda: Layer.of([["one"]]), "one"),
    "complex weight": (lambda: mlp(np.array([[1j]]), [0.0]), "complex"),
    "zero denominator": (lambda: Layer.of([["1/0"]]), "1/0"),
    "layer without neurons": (lambda: mlp(np.zeros((0, 2)), []), "(0, 2)"),
    "layer without inputs": (lambda: Layer.of(np.zeros((2, 0)), [0, 0]), "(2, 0)"),
    "no layer": (lambda: Block(()), "()"),
    "no block": (lambda: Network(()), "()"),
    "residual changes dimension": (lambda: Block(PLANE.blocks[0].layers, residual=True), "2 to 1"),
    "norm of another dimension": (
        lambda: Block(PLANE.blocks[0].layers, LayerNorm.of(0, dim=3)),
        "3",
    ),
    "gain too short": (lambda: RMSNorm.of(0, [1, 2], dim=3), "(2, 1)"),
    "negative eps": (lambda: LayerNorm.of(-1e-5, dim=3), "-1e-05"),
    "hard tanh upside down": (lambda: HardTanh(1, -1), "1"),
    "empty box": (lambda: Box([0, 2], [1, 1]), "lo[1] = 2, hi[1] = 1"),
    "box of unclear size": (lambda: Box(0, 1), "[]"),
    "box of two sizes": (lambda: Box([0, 0], [1, 1, 1]), "[2, 3]"),
    "no dimension": (lambda: RealSpace(0), "0"),
    "collinear plane": (lambda: Plane([0, 0, 0], [1, 2, 3], [2, 4, 6]), "(2, 4, 6)"),
    "plane through one point": (lambda: Plane([1, 1], [1, 1], [1, 1]), "(1, 1)"),
    "plane of two dimensions": (lambda: Plane([0, 0], [1, 0, 0], [0, 1]), "[2, 3, 2]"),
    "plane bounded halfway": (lambda: Plane([0, 0], [1, 0], [0, 1], s=(0, 1)), "(0, 1)"),
    "segment without length": (lambda: Segment([1, 2], [1, 2]), "0"),
    "ray without direction": (lambda: Ray([1, 2], [0, 0]), "0"),
    "line without direction": (lambda: Line([1, 2], [0, 0]), "0"),
    "segment of two dimensions": (lambda: Segment([1], [1, 2]), "[1, 2]"),
    "negative radius": (lambda: Sphere(radius_squared=-1), "-1"),
    "zero radius": (lambda: GreatCircle([1, 0], [0, 1], radius_squared=0), "0"),
    "box does not fit": (lambda: partition(PLANE, Box(0, 1, dim=3)), "3"),
    "ray does not fit": (lambda: partition(PLANE, Ray([0], [1])), "1"),
    "circle does not fit": (lambda: partition(NORMED, GreatCircle([1, 0, 0], [0, 1, 0])), "3"),
    "dependent directions": (
        lambda: partition(NORMED, GreatCircle([1, 2], [2, 4])),
        "u = (1, 2), v = (2, 4)",
    ),
    "opposite directions": (
        lambda: partition(NORMED, GreatCircle([1, 2], [-1, -2])),
        "v = (-1, -2)",
    ),
    "directions equal up to the mean": (
        lambda: partition(FIVE, GreatCircle([1, 2, 0, 0, 0], [3, 4, 2, 2, 2])),
        "R^5",
    ),
    "direction that the norm removes": (
        lambda: partition(FIVE, GreatCircle([1, 1, 1, 1, 1], [1, 2, 3, 4, 5])),
        "R^5",
    ),
    "zero direction": (
        lambda: partition(PLANE, GreatCircle([0, 0], [0, 1], radius_squared=1)),
        "u = (0, 0)",
    ),
    "unknown engine": (lambda: partition(PLANE, RealSpace(2), engine="magic"), "magic"),
    "point of another dimension": (lambda: PLANE.code([1, 2, 3]), "3"),
    "affine map of another dimension": (lambda: PLANE.affine_at([1, 2, 3]), "3"),
    "layer range upside down": (lambda: PLANE.code([1, 2], layers=(2, 1)), "(2, 1)"),
    "layer zero": (lambda: PLANE.code([1, 2], layers=(0, 1)), "(0, 1)"),
    "point outside the domain": (lambda: partition(PLANE, Box(0, 1, dim=2)).locate([3, 3]), "3"),
    "unbounded polygons": (lambda: partition(PLANE, RealSpace(2)).polygons(), "clip"),
    "polygons in space": (
        lambda: partition(mlp(np.eye(3), np.zeros(3)), Box(0, 1, dim=3)).polygons(),
        "3",
    ),
    "regions of a sphere": (lambda: partition(NORMED, Sphere()).region_count, "region_count"),
    "sphere without radius": (lambda: partition(PLANE, Sphere()), "Sphere"),
    "circle without radius": (lambda: partition(PLANE, GreatCircle([1, 0], [0, 1])), "GreatCircle"),
    "no norm to fold": (lambda: PLANE.folded(), "no norm"),
    "curve that the norm collapses": (lambda: partition(FIVE, Segment([0] * 5, [1] * 5)), "0 / 0"),
    "integers beyond float64": (lambda: Layer.of(np.array([[2**60]])), "int64"),
    "unknown device": (lambda: partition(PLANE, RealSpace(2), device="abacus"), "abacus"),
    "unknown norm": (lambda: tensors.block(EYE, [0, 0], [[1, 1]], [0], norm="batch"), "batch"),  # type: ignore[arg-type]
    "gain without norm": (
        lambda: tensors.block(EYE, [0, 0], [[1, 1]], [0], gain=[1, 1]),
        "norm=None",
    ),
    "no layers": (lambda: tensors.mlp([]), "[]"),
    "a number for layers": (lambda: tensors.mlp(3), "got 3"),  # type: ignore[arg-type]
    "numbers for layers": (lambda: tensors.mlp([3]), "got [3]"),  # type: ignore[list-item]
    "map at a point of another dimension": (lambda: PLANE.affine_at([1, 2])([1, 2, 3]), "3"),
    "no such block": (lambda: PLANE.from_block(1), "1"),
    "norm at its centre": (lambda: NORMED.code([0, 0]), "0"),
}

NOT_A_VECTOR: dict[str, tuple[Attempt, str]] = {
    "circle": (lambda: GreatCircle(1, 2), "u is not a sequence; got 1"),
    "circle through None": (lambda: GreatCircle(None, [1]), "u is not a sequence; got None"),
    "circle through an array without axes": (lambda: GreatCircle(np.array(1.0), [1]), "array(1.)"),
    "circle through a tensor without axes": (
        lambda: GreatCircle([1.0], torch.tensor(1.0)),
        "v is not a sequence",
    ),
    "circle through text": (lambda: GreatCircle("12", "13"), "'12'"),
    "sphere": (lambda: GreatSphere(1, 2, 3), "u is not"),
    "ray": (lambda: Ray(0, 5), "direction is not a sequence; got 5"),
    "ray from a number": (lambda: Ray(3, [1, 2]), "origin is not a sequence; got 3"),
    "ray from None": (lambda: Ray(None, [1, 2]), "origin is not a sequence; got None"),
    "segment": (lambda: Segment(0, 1), "p is not a sequence; got 0"),
    "segment between sets": (lambda: Segment({0, 1}, {1, 2}), "{0, 1}"),
    "line": (lambda: Line(0, [1]), "point is not a sequence"),
    "plane": (lambda: Plane([0, 0], 1, 2), "p1 is not a sequence"),
    "bounds of a plane": (
        lambda: Plane([0, 0], [1, 0], [0, 1], s=3, t=(0, 1)),
        "s is not a sequence",
    ),
    "three bounds of a plane": (
        lambda: Plane([0, 0], [1, 0], [0, 1], s=(0, 1), t=(0, 1, 2)),
        "t is not a pair of bounds",
    ),
    "ball": (lambda: Ball(0, 1), "centre is not"),
    "directions of a ball": (lambda: Ball([0, 0], 1, 3), "directions is not"),
    "direction of a ball": (lambda: Ball([0, 0], 1, [3, 4]), "directions[0] is not"),
    "polytope": (lambda: HPolytope(3), "rows is not"),  # type: ignore[arg-type]
    "box from a set": (lambda: Box({0}, {1}), "lo is not a sequence; got {0}"),
    "point of a code": (lambda: PLANE.code(3), "x is not"),  # type: ignore[arg-type]
    "no point of a code": (lambda: PLANE.code(None), "got None"),  # type: ignore[arg-type]
    "point of a map": (lambda: PLANE.affine_at(3), "x is not"),  # type: ignore[arg-type]
    "point of a partition": (lambda: partition(PLANE, RealSpace(2)).locate(3), "x is not"),  # type: ignore[arg-type]
    "direction of flips": (lambda: critical_radii(SOFT, 3), "x is not"),  # type: ignore[arg-type]
    "image": (lambda: norm_geometry.image(LayerNorm.of(dim=3), 3), "x is not"),  # type: ignore[arg-type]
    "side": (lambda: norm_geometry.side_of(LayerNorm.of(dim=3), 3), "z is not"),  # type: ignore[arg-type]
    "inputs of a norm": (lambda: norm_geometry.image_points(LayerNorm.of(dim=3), "abc"), "'abc'"),
    "circles": (lambda: partition_circles(PLANE, None, None), "u is not a sequence; got None"),
    "circles through numbers": (
        lambda: partition_circles(PLANE, [[1, 0]], 3),
        "v is not a sequence; got 3",
    ),
    "weight": (lambda: tensors.mlp([(3, [0])]), "layers.0.weight is not"),
    "bias": (lambda: tensors.mlp([([[1]], 3)]), "layers.0.bias is not"),
    "matrix": (lambda: RationalMatrix.from_rationals(None, "W"), "W is not"),  # type: ignore[arg-type]
    "gain of a block": (
        lambda: tensors.block(EYE, [0, 0], [[1, 1]], [0], norm="layernorm", gain=2.0),
        "gain is not",
    ),
    "gain": (lambda: LayerNorm.of(gain=2.0), "norm gain is not a sequence; got 2.0"),
    "gain with a dimension": (
        lambda: LayerNorm.of(gain=2.0, dim=3),
        "norm gain is not a sequence; got 2.0",
    ),
    "bias of a norm": (lambda: RMSNorm.of(bias=1), "norm bias is not a sequence; got 1"),
}

WRONG_KIND: dict[str, tuple[Attempt, str]] = {
    "half a dimension of a norm": (
        lambda: LayerNorm.of(dim=2.5),
        "dim is not a whole number; got 2.5",
    ),  # type: ignore[arg-type]
    "text for a dimension of a norm": (lambda: LayerNorm.of(dim="3"), "got '3'"),  # type: ignore[arg-type]
    "truth for a dimension of a norm": (lambda: LayerNorm.of(dim=True), "got True"),
    "half a dimension of a box": (lambda: Box(0, 1, dim=2.5), "got 2.5"),  # type: ignore[arg-type]
    "text for a dimension of a box": (lambda: Box(0, 1, dim="2"), "got '2'"),  # type: ignore[arg-type]
    "half a dimension of a polytope": (lambda: HPolytope([], dim=2.5), "got 2.5"),  # type: ignore[arg-type]
    "device": (lambda: partition(PLANE, RealSpace(2), device=3), "unknown device; got 3"),  # type: ignore[arg-type]
    "no device": (lambda: partition(PLANE, RealSpace(2), device=None), "got None"),  # type: ignore[arg-type]
    "number of a device": (
        lambda: partition(PLANE, RealSpace(2), device="cuda:x"),
        "unknown device; got 'cuda:x'",
    ),
    "device for circles": (lambda: circles(device=3), "got 3"),
    "number of a device for circles": (lambda: circles(device="cpu:x"), "got 'cpu:x'"),
    "limit of circles": (lambda: circles(limit="x"), "not a limit; got 'x'"),
    "progress": (lambda: partition(PLANE, RealSpace(2), progress=3), "got 3"),  # type: ignore[arg-type]
    "engine": (lambda: partition(PLANE, RealSpace(2), engine=["circle"]), "['circle']"),  # type: ignore[arg-type]
    "network of circles": (
        lambda: partition_circles(3, [[1, 0]], [[0, 1]]),
        "not a network; got int",
    ),  # type: ignore[arg-type]
    "a module for circles": (
        lambda: partition_circles(torch.nn.Sequential(torch.nn.ReLU()), [], []),  # type: ignore[arg-type]
        "got Sequential",
    ),
    "norm of an ellipsoid": (lambda: norm_geometry.ellipsoid(3), "not a norm; got int"),  # type: ignore[arg-type]
    "norm of an image": (lambda: norm_geometry.image(3, [1, 2]), "not a norm; got int"),  # type: ignore[arg-type]
    "norm of images": (lambda: norm_geometry.image_points(3, [[1]]), "not a norm; got int"),  # type: ignore[arg-type]
    "norm of a side": (lambda: norm_geometry.is_image(3, [1]), "not a norm; got int"),  # type: ignore[arg-type]
}

HERE = Path(__file__).resolve().parent
ABSENT, FILE = HERE / "absent", Path(__file__).resolve()
FILES: dict[str, tuple[Attempt, str]] = {
    "missing folder": (lambda: certificate(ABSENT / "x.gz"), f"no such folder; got {ABSENT}; "),
    "file for a folder": (lambda: certificate(FILE / "x.gz"), f"no such folder; got {FILE}; "),
    "folder for a file": (lambda: certificate(HERE), f"got {HERE}; "),
    "empty path": (lambda: certificate(""), "a folder stands"),
    "number for a path": (lambda: certificate(3), "not a path; got 3"),
    "missing certificate": (lambda: check.verify_file(ABSENT), f"no such file; got {ABSENT}; "),
    "missing packed certificate": (
        lambda: check.verify_file("absent.gz"),
        "no such file; got absent.gz; ",
    ),
    "folder for a certificate": (lambda: check.verify_file(HERE), f"got {HERE}; "),
    "number for a certificate": (lambda: check.verify_file(3), "not a path; got 3"),  # type: ignore[arg-type]
}

UNSUPPORTED: dict[str, tuple[Attempt, str]] = {
    "circle engine on a higher sphere": (
        lambda: partition(FIVE, Sphere(), engine="circle"),
        "Sphere",
    ),
    "flats of dimension 39": (
        lambda: partition(WIDE, Sphere(radius_squared=1), engine="sphere_flats"),
        "not 39",
    ),
    "sphere of two points without norm": (
        lambda: partition(mlp([[1.0]], [0.0]), Sphere(radius_squared=2)),
        "dimension 0",
    ),
    "box behind a norm": (lambda: partition(NORMED, Box(0, 1, dim=2)), "norm"),
    "brute force on a wide layer": (
        lambda: partition(WIDE, RealSpace(40), engine="brute_force", limit=None),
        "40 bits",
    ),
    "tree on a circle": (lambda: partition(NORMED, Sphere(), engine="lp_tree"), "lp_tree"),
    "circle in the plane": (lambda: partition(PLANE, RealSpace(2), engine="circle"), "circle"),
}

NOT_PIECEWISE_LINEAR: dict[str, tuple[Attempt, str]] = {
    "affine map of GELU": (lambda: partition(SHALLOW, Box(-1, 1, dim=2)).regions[0].affine, "GELU"),
    "affine map at a point": (lambda: SHALLOW.affine_at([1, 2]), "GELU"),
    "regions behind GELU": (lambda: partition(SMOOTH, Box(-1, 1, dim=2)), "GELU"),
    "pieces of GELU": (lambda: partition(SHALLOW, Box(-1, 1, dim=2)).linear_piece_count, "GELU"),
    "pieces of SiLU": (lambda: SiLU().pieces, "SiLU"),
}

TOO_LARGE: dict[str, tuple[Attempt, str]] = {
    "cube of dimension 40": (lambda: partition(WIDE, RealSpace(40)), "the limit is 10,000,000,000"),
    "a small limit": (lambda: partition(PLANE, RealSpace(2), limit=3), "4"),
}

GROUPS = (
    (InvalidInput, NON_FINITE),
    (InvalidInput, INVALID),
    (InvalidInput, NOT_A_VECTOR),
    (InvalidInput, WRONG_KIND),
    (InvalidInput, FILES),
    (Unsupported, UNSUPPORTED),
    (NotPiecewiseLinear, NOT_PIECEWISE_LINEAR),
    (TooLarge, TOO_LARGE),
)
ATTEMPTS = [
    pytest.param(kind, *attempt, id=name)
    for kind, group in GROUPS
    for name, attempt in group.items()
]


@pytest.mark.parametrize(("kind", "attempt", "shown"), ATTEMPTS)
def test_one_typed_error_in_three_parts(
    kind: type[ExactlensError], attempt: Attempt, shown: str
) -> None:
    with pytest.raises(ExactlensError) as caught:
        attempt()
    error = caught.value
    assert type(error) is kind
    assert error.wrong
    assert error.remedy
    assert str(error.value) != ""
    message = str(error)
    assert shown in message
    assert message == f"{error.wrong}; got {error.value}; {error.remedy}"
    assert "\n" not in message


def test_gelu_codes_of_the_first_layer_are_exact() -> None:
    found = partition(SHALLOW, Box(-1, 1, dim=2))
    assert found.region_count == 4
    assert partition(SMOOTH.relu_ised(), Box(-1, 1, dim=2)).region_count >= 4


def test_truth_values_are_refused() -> None:
    found = partition(PLANE, RealSpace(2))
    for value in (found, found.outcome):
        with pytest.raises(TypeError):
            bool(value)


def test_the_number_that_refuses_a_job_is_no_more_than_there_is() -> None:
    """40 hyperplanes of coordinates have 2^40 regions."""
    with pytest.raises(TooLarge) as caught:
        partition(WIDE, RealSpace(40), limit=10**6)
    least = re.search(r"at least ([\d,]+) regions", str(caught.value))
    assert least is not None
    assert 10**6 < int(least[1].replace(",", "")) <= 2**40


def test_large_job_runs_with_a_higher_limit() -> None:
    with pytest.raises(TooLarge):
        partition(PLANE, RealSpace(2), limit=3)
    assert partition(PLANE, RealSpace(2), limit=4).region_count == 4


def test_rationals_are_read_without_loss() -> None:
    third = Layer.of([["1/3", Fraction(1, 7), 0.1]])
    assert third.weight.tolist() == [[Fraction(1, 3), Fraction(1, 7), Fraction(0.1)]]
