"""Norms along straight lines: the closed form of the critical radius, and exact codes at points
between crossings.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isclose, sqrt
from typing import Any

import mpmath
from hypothesis import assume, given
from hypothesis import strategies as st

from exact import (
    Block,
    Layer,
    LayerNorm,
    Line,
    Network,
    Norm,
    Ray,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    partition,
)
from tests.laws.random_networks import (
    POSITIVE,
    SMALL_INTEGERS,
    Rows,
    Spec,
    codes,
    matrices,
    specs,
    vectors,
)
from tests.laws.test_circles import normed
from tests.truths import oracle
from tests.truths.cases import layer_norm

Vector = tuple[Fraction, ...]
EPS = st.sampled_from([Fraction(0), Fraction(1, 100000), Fraction(1, 3), Fraction(2)])
RULES = st.sampled_from(["var", "std"])
KINDS = st.sampled_from([LayerNorm, RMSNorm])


def one_layer(norm: Norm, weight: Rows, bias: Vector) -> Network:
    count = len(bias)
    readout = Layer.of([[int(i == j) for j in range(count)] for i in range(count)])
    return Network((Block((Layer.of(weight, bias, ReLU()), readout), norm),))


def centred(kind: type[Norm], x: Vector) -> Vector:
    mean = sum(x, Fraction(0)) / len(x) if kind is LayerNorm else Fraction(0)
    return tuple(value - mean for value in x)


@given(KINDS, matrices(4, 3), vectors(4), vectors(3), EPS.filter(bool), RULES)
def test_critical_radii(
    kind: type[Norm], weight: Rows, bias: Vector, x: Vector, eps: Fraction, rule: Any
) -> None:
    """mathematics.md, "Critical radii": neuron j flips along the ray iff c (a + c) < 0, where s =
    -c / a.
    """
    direction = centred(kind, x)
    assume(any(direction))
    network = one_layer(kind.of(eps, dim=3, eps_rule=rule), weight, bias)
    radius = mpmath.sqrt(mpmath.mpf(float(oracle.dot(direction, direction))))
    expected = set()
    for row, c in zip(weight, bias, strict=True):
        inner = oracle.dot(centred(kind, row), direction)
        square = 3 * inner * inner / oracle.dot(direction, direction)
        if c * inner < 0 and c * c < square:
            s2 = c * c / square
            expected.add((s2, eps, rule))
    found = partition(network, Ray([0, 0, 0], x))
    positions = sorted(
        crossing.parameter_float for crossing in found.crossings if not crossing.tangent
    )
    assert len(positions) == len(expected) == found.cell_count - 1
    for t, r in zip(
        positions, sorted(critical_radius(s2, eps, rule) for s2, *_ in expected), strict=True
    ):
        assert isclose(t * float(radius), r, rel_tol=1e-9)


def critical_radius(s_squared: Fraction, eps: Fraction, rule: str) -> float:
    """r with r / sqrt(r^2 + 3 eps) = s ("var") or r / (r + sqrt(3) eps) = s ("std")."""
    if rule == "var":
        return sqrt(3 * eps * s_squared / (1 - s_squared))
    s = sqrt(s_squared)
    return float(eps) * sqrt(3) * s / (1 - s)


@given(KINDS, matrices(4, 3), vectors(4), vectors(3), EPS.filter(bool))
def test_far_out_only_the_direction_counts(
    kind: type[Norm], weight: Rows, bias: Vector, x: Vector, eps: Fraction
) -> None:
    """Beyond the critical radius LN(k x) has the code of the sphere, unless the limit lies on a
    boundary.
    """
    assume(any(centred(kind, x)))
    limit = one_layer(kind.of(0, dim=3), weight, bias)
    signs = [3 * oracle.dot(centred(kind, row), centred(kind, x)) ** 2 for row in weight]
    assume(
        all(
            s != c * c * oracle.dot(centred(kind, x), centred(kind, x))
            for s, c in zip(signs, bias, strict=True)
        )
    )
    found = partition(one_layer(kind.of(eps, dim=3), weight, bias), Ray([0, 0, 0], x))
    assert (
        str(found.regions[-1].code)
        == str(limit.code(x))
        == str(limit.code([7 * value for value in x]))
    )


@given(matrices(3, 3), vectors(3), EPS, vectors(3, POSITIVE), vectors(3))
def test_sphere_is_the_limit_of_every_eps(
    weight: Rows, bias: Vector, eps: Fraction, gain: Vector, shift: Vector
) -> None:
    norms = [LayerNorm.of(each, gain, shift) for each in (Fraction(0), eps)]
    limit, found = (partition(one_layer(norm, weight, bias), Sphere()) for norm in norms)
    assert codes(limit) == codes(found)


@given(normed())
def test_maps_behind_a_norm_read_the_unit_vector(spec: Spec) -> None:
    """region.affine acts on y = sqrt(n) P x / |P x|, before gain and bias; compared with the
    forward pass at 60 digits.
    """
    found = partition(spec.network, Sphere())
    norm = spec.network.norms[0]
    hidden, output = spec.for_oracle
    with mpmath.workdps(60):
        for region in found.regions:
            x = [oracle.real(value) for value in centred(type(norm), region.witness)]
            y = [value * mpmath.sqrt(len(x) / mpmath.fsum(v * v for v in x)) for value in x]
            image = y
            for layer in hidden:
                image = [activated(layer.activation, apply(row, image)) for row in layer.rows]
            matrix, offset = region.affine.matrix.tolist(), region.affine.offset.tolist()
            mapped = [
                apply((*row, constant), y) for row, (constant,) in zip(matrix, offset, strict=True)
            ]
            assert all(
                abs(a - apply(row, image)) < 1e-40 for a, row in zip(mapped, output, strict=True)
            )


def apply(row: oracle.Row, x: list[mpmath.mpf]) -> mpmath.mpf:
    return mpmath.fsum(
        [*(oracle.real(w) * v for w, v in zip(row[:-1], x, strict=True)), oracle.real(row[-1])]
    )


def activated(activation: oracle.Activation, z: mpmath.mpf) -> mpmath.mpf:
    level = sum(z > oracle.real(b) for b in activation.breakpoints)
    return oracle.real(activation.slopes[level]) * z + oracle.real(activation.constants[level])


@given(specs(3, depth=2, norm=layer_norm(3)), vectors(4))
def test_what_layer_norm_removes_is_invisible(spec: Spec, shifts: Vector) -> None:
    """Adding a multiple of (1, 1, 1) to a row of the first weight changes neither code nor map
    behind LayerNorm.
    """
    first = spec.layers[0]
    weight = tuple(
        tuple(x + shift for x in row) for row, shift in zip(first.weight, shifts, strict=False)
    )
    moved = spec.with_layer(0, replace(first, weight=weight))
    before, after = partition(spec.network, Sphere()), partition(moved.network, Sphere())
    assert codes(before) == codes(after)
    assert [region.affine for region in before.regions] == [
        region.affine for region in after.regions
    ]


def code_in_balls(norm: Norm, spec: Spec, point: Vector) -> tuple[int, ...] | None:
    """The code behind the norm with 60 digits; None where a pre-activation is too close to a
    breakpoint.
    """
    hidden, _ = spec.for_oracle
    with mpmath.workdps(60):
        x = [oracle.real(value) for value in centred(type(norm), point)]
        square = mpmath.fsum(value * value for value in x) / len(x)
        eps = oracle.real(Fraction(str(norm.eps)))
        scale = mpmath.sqrt(square + eps) if norm.eps_rule == "var" else mpmath.sqrt(square) + eps
        y, bits = [value / scale for value in x], list[int]()
        for layer in hidden:
            z = [apply(row, y) for row in layer.rows]
            gaps = [[value - oracle.real(b) for b in layer.activation.breakpoints] for value in z]
            if any(abs(gap) < 1e-40 for row in gaps for gap in row):
                return None
            bits += [int(gap > 0) for row in gaps for gap in row]
            y = [activated(layer.activation, value) for value in z]
    return tuple(bits)


@given(specs(3, depth=2), KINDS, EPS, RULES, st.sampled_from([Segment, Ray, Line]), st.data())
def test_codes_between_crossings(
    spec: Spec, kind: type[Norm], eps: Fraction, rule: Any, domain: Any, data: st.DataObject
) -> None:
    p, q = data.draw(vectors(3)), data.draw(vectors(3))
    norm = kind.of(eps, dim=3, eps_rule=rule)
    assume(
        any(q)
        and p != q
        and any(
            a * d != b * c
            for a, b in zip(centred(kind, p), centred(kind, q), strict=True)
            for c, d in zip(centred(kind, p), centred(kind, q), strict=True)
        )
    )
    layers = Network((Block(spec.network.blocks[0].layers, norm),))
    found = partition(layers, domain(p, q))
    visited = []
    for k in range(1, 24):
        t = Fraction(k, 24) + Fraction(1, 9973)
        step = tuple(b - a for a, b in zip(p, q, strict=True)) if domain is Segment else q
        t = (
            t
            if domain is Segment
            else t / (1 - t)
            if domain is Ray
            else (2 * t - 1) / (t * (1 - t))
        )
        point = tuple(a + t * b for a, b in zip(p, step, strict=True))
        expected = code_in_balls(norm, spec, point)
        if expected is not None:
            visited.append(found.locate(point))
            assert (
                codes(found)[visited[-1]]
                == expected
                == tuple(int(bit) for bit in layers.code(point).bits)
            )
    assert visited == sorted(visited)


@given(specs(3, depth=2), KINDS, EPS, vectors(3), vectors(3, SMALL_INTEGERS))
def test_witnesses_on_normed_segments(
    spec: Spec, kind: type[Norm], eps: Fraction, p: Vector, q: Vector
) -> None:
    assume(
        any(
            a * d != b * c
            for a, b in zip(centred(kind, p), centred(kind, q), strict=True)
            for c, d in zip(centred(kind, p), centred(kind, q), strict=True)
        )
    )
    network = Network((Block(spec.network.blocks[0].layers, kind.of(eps, dim=3)),))
    found = partition(network, Segment(p, q))
    assert [
        tuple(int(bit) for bit in network.code(region.witness).bits) for region in found.regions
    ] == codes(found)
    assert [found.locate(region.witness) for region in found.regions] == list(
        range(found.cell_count)
    )
