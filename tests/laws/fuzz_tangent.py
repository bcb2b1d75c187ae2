"""Tangent planes: first layers whose hyperplanes touch a sphere or a ball exactly, miss it by an
ulp, or cut it by one.

A plane `a.x + b = 0` touches the sphere |x|^2 = s iff b^2 = s |a|^2, so integers with a square
there touch it exactly. Behind a norm the normal is what gain and projection leave of the row. What
engines say is verified by `tests.laws.claims`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

from exact import Ball, Sphere
from tests.laws import claims, fuzz_spheres
from tests.laws.claims import Claim
from tests.laws.random_networks import HINGES, LayerSpec, Spec
from tests.laws.random_spheres import SQUARES, random_norm
from tests.truths.reading import gain_and_bias

Vector = tuple[Fraction, ...]
MOST_HINGES = {1: 9, 2: 7, 3: 5}
"""Hinges by the dimension of the sphere."""
_TRIES = 300


def root(square: Fraction) -> Fraction | None:
    """The rational root of a number, if it has one."""
    p, q = math.isqrt(square.numerator), math.isqrt(square.denominator)
    return Fraction(p, q) if p * p == square.numerator and q * q == square.denominator else None


def seen(spec: Spec, row: Sequence[Fraction]) -> tuple[Vector, Fraction]:
    """The normal of a row on the sphere, and what the norm's bias adds to its offset."""
    if spec.norm is None:
        return tuple(row), Fraction(0)
    table = gain_and_bias(spec.norm)
    normal = [w * table[i][i] for i, w in enumerate(row)]
    mean = (
        sum(normal, Fraction(0)) / len(normal) if spec.norm["name"] == "layer_norm" else Fraction(0)
    )
    return tuple(w - mean for w in normal), sum(
        (w * line[-1] for w, line in zip(row, table, strict=True)), Fraction(0)
    )


def touching(random: Random, spec: Spec, square: Fraction) -> tuple[Vector, Fraction] | None:
    """A row with integer weights and the bias with which it touches the sphere."""
    for _ in range(_TRIES):
        row = tuple(Fraction(random.randint(-3, 3)) for _ in range(spec.input_dim))
        normal, shift = seen(spec, row)
        reach = root(square * sum((a * a for a in normal), Fraction(0)))
        if reach:
            return row, random.choice([-1, 1]) * reach - shift
    return None


def nearby(random: Random, bias: Fraction) -> Fraction:
    """A bias as it is where that is a float, or the float next to it on either side, or the one
    after that.
    """
    as_float = float(bias)
    steps = random.choice([0, 0, 0, -1, 1, -1, 1, 2])
    for _ in range(abs(steps)):
        as_float = math.nextafter(as_float, math.copysign(math.inf, steps))
    return Fraction(as_float) if steps else bias


def tangent_layer(random: Random, spec: Spec, square: Fraction, layer: LayerSpec) -> LayerSpec:
    """Two rows of three touch the sphere, or nearly so."""
    rows, biases = list(layer.weight), list(layer.bias)
    for j in range(layer.width):
        found = touching(random, spec, square) if random.random() < 2 / 3 else None
        if found is not None:
            rows[j], biases[j] = found[0], nearby(random, found[1])
    return replace(layer, weight=tuple(rows), bias=tuple(biases))


def job(seed: int) -> Claim:
    """The network and the sphere or ball of a seed."""
    random = Random(seed)
    dim = random.choice([1, 2, 2, 2, 3])
    norm = random.choice([None, "layer_norm", "rms_norm"])
    n = dim + (2 if norm == "layer_norm" else 1)
    specs = iter(lambda: fuzz_spheres.network(random, n, MOST_HINGES[dim]), None)
    spec = next(
        spec
        for spec in specs
        if spec.layers[0].activation in HINGES and HINGES[spec.layers[0].activation]
    )
    spec = replace(spec, norm=None if norm is None else random_norm(random, norm, n))
    square = random.choice(SQUARES) if norm is None else Fraction(n)
    first = tangent_layer(
        random,
        spec,
        square,
        replace(spec.layers[0], activation=random.choice(["relu", "absolute_value"])),
    )
    spec = spec.with_layer(
        0, first if HINGES[spec.layers[0].activation] == 1 else replace(first, activation="relu")
    )
    if norm is None and dim < 3 and random.random() < 0.3:
        return Claim(spec.data, Ball([0] * n, square))
    return Claim(spec.data, Sphere(square if norm is None else None))


def verdict(seed: int) -> tuple[int, list[str]]:
    """What is wrong with the claims about one seed; an exception is one too."""
    try:
        return seed, list(claims.verdict(job(seed)))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]
