"""Forms of neurons on regions: every row is within its error bounds of the exact form, and the
bounds are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from exact import (
    AbsoluteValue,
    Activation,
    Box,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    Network,
    Plane,
    RealSpace,
    ReLU,
)
from exact.arithmetic.numbers import fraction
from exact.geometry.domains.base import Flat, FlatDomain
from exact.networks.layers import Block
from exact.propagation.enclosures import stages
from exact.propagation.region_maps import MapWalk
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.engines.lp_tree import LPTree
from exact.sources import tensors
from tests.exact.reference import dot, integers

Form = list[Fraction]  # over the parameters, then 1
Array = np.ndarray[Any, Any]
PIECES = {ReLU: (0, 1), AbsoluteValue: (-1, 1), Identity: (1,)}


def piece(activation: Activation, number: int) -> tuple[Fraction, Fraction]:
    """Slope and intercept of a piece, from the left."""
    if isinstance(activation, HardTanh):
        lo, hi = fraction(activation.lo), fraction(activation.hi)
        return [(Fraction(0), lo), (Fraction(1), Fraction(0)), (Fraction(0), hi)][number]
    slopes = (
        (fraction(activation.slope), 1)
        if isinstance(activation, LeakyReLU)
        else PIECES[type(activation)]
    )
    return Fraction(slopes[number]), Fraction(0)


def levels(activation: Activation) -> list[Fraction]:
    if isinstance(activation, HardTanh):
        return [fraction(activation.lo), fraction(activation.hi)]
    return [] if isinstance(activation, Identity) else [Fraction(0)]


def product(
    weight: Sequence[Sequence[Fraction]], bias: Sequence[Sequence[Fraction]], state: Sequence[Form]
) -> list[Form]:
    columns = list(zip(*state, strict=True))
    rows = [[dot(row, column) for column in columns] for row in weight]
    return [[*row[:-1], row[-1] + b[0]] for row, b in zip(rows, bias, strict=True)]


def exact_forms(network: Network, flat: Flat, bits: Sequence[bool]) -> list[list[Form]]:
    """The form of every hinge of every hidden layer, on the region with these bits, in
    fractions.
    """
    state = [
        [*(fraction(v[i]) for v in flat.directions), fraction(x)] for i, x in enumerate(flat.origin)
    ]
    found, start = [], 0
    for block in network.blocks:
        inner = state
        for layer in block.layers:
            z, bends = (
                product(layer.weight.tolist(), layer.bias.tolist(), inner),
                levels(layer.activation),
            )
            if bends:
                found.append([[*form[:-1], form[-1] - level] for form in z for level in bends])
            own = bits[start : start + layer.bits]
            start += layer.bits
            numbers = [sum(own[j * len(bends) : (j + 1) * len(bends)]) for j in range(len(z))]
            affine = [piece(layer.activation, number) for number in numbers]
            inner = [
                [*(a * x for x in form[:-1]), a * form[-1] + b]
                for form, (a, b) in zip(z, affine, strict=True)
            ]
        both = zip(state, inner, strict=True)
        state = (
            [[x + y for x, y in zip(a, b, strict=True)] for a, b in both]
            if block.residual
            else inner
        )
    return found


def prefixes(bits: Array, sizes: Sequence[int]) -> list[tuple[Array, Array]]:
    """The regions in front of every hidden layer: their codes, and the region of the layer before
    that each is in.
    """
    ends, found = np.cumsum([0, *sizes]), []
    before = np.zeros((1, 0), bool)
    for end in ends[:-1]:
        codes = np.unique(bits[:, :end], axis=0) if end else before
        width = before.shape[1]
        parents = [int(np.flatnonzero((before == code[:width]).all(axis=1))[0]) for code in codes]
        found.append((codes, np.array(parents)))
        before = codes
    return found


def check(network: Network, domain: FlatDomain, seed: int, tight: float | None = None) -> None:
    """Rows of random (region, hinge) pairs of every layer against fractions."""
    flat, generator = domain.flat(), np.random.default_rng(seed)
    sizes = network.bits_per_layer
    walk, ends = MapWalk(stages(network, flat), flat.dim), np.cumsum([0, *sizes])
    bits = LPTree().run(Job(Problem(network, domain))).bits
    for layer, (codes, parents) in enumerate(prefixes(bits, sizes)):
        if layer:
            walk.enter(parents, codes[:, ends[layer - 1] :])
        chosen = generator.random((len(codes), sizes[layer])) < 0.7
        regions, hinges = np.nonzero(chosen)
        with np.errstate(all="ignore"):
            rows, a_err, b_err = walk.rows(layer, regions.astype(np.int64), hinges.astype(np.int64))
        assert rows.shape == (len(regions), flat.dim + 1)
        for region in sorted(set(regions.tolist()))[:12]:
            full = [*codes[region].tolist(), *[False] * (network.hinge_count - len(codes[region]))]
            forms = exact_forms(network, flat, full)[layer]
            for i in np.flatnonzero(regions == region):
                within(forms[hinges[i]], rows[i], float(a_err[i]), float(b_err[i]), tight)


def within(form: Form, row: Array, a_err: float, b_err: float, tight: float | None) -> None:
    if not np.isfinite(row).all():
        assert not max(a_err, b_err) < np.inf
        return
    gaps = [Fraction(x) - y for x, y in zip(row.tolist(), form, strict=True)]
    assert not a_err < np.inf or sum(gap**2 for gap in gaps[:-1]) <= Fraction(a_err) ** 2
    assert not b_err < np.inf or abs(gaps[-1]) <= Fraction(b_err)
    if tight is not None:
        assert max(a_err, b_err) < tight


def generic(widths: Sequence[int], seed: int, activation: Activation | None = None) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [(generator.normal(size=(b, a)), generator.normal(size=b)) for a, b in pairwise(widths)],
        activation,
        activation or ReLU(),
    )


@pytest.mark.parametrize("widths", [(1, 4, 4), (2, 5, 4, 3), (3, 4, 3, 3), (4, 3, 3)])
@pytest.mark.parametrize(
    "activation", [ReLU(), LeakyReLU(), AbsoluteValue(), HardTanh(-2, "1/3")], ids=lambda a: a.name
)
def test_rows_are_within_small_bounds(widths: tuple[int, ...], activation: Activation) -> None:
    check(generic(widths, 1, activation), Box(-1, 1, dim=widths[0]), 0, 2.0**-40)


@pytest.mark.parametrize("seed", range(8))
def test_mixed_blocks(seed: int) -> None:
    """Skips around one and around several layers, affine layers in front and between, thirds for
    weights.
    """
    generator = np.random.default_rng(seed)
    bending: list[Activation] = [ReLU(), HardTanh(), LeakyReLU("1/3"), AbsoluteValue()]

    def layer(width: int, columns: int, activation: Activation) -> Layer:
        rows = [[Fraction(x, 3) for x in row] for row in integers(generator, (width, columns), 5)]
        return Layer.of(rows, [Fraction(x, 3) for x in integers(generator, width, 5)], activation)

    a, b, c = (bending[k] for k in generator.integers(0, 4, 3))
    blocks = (
        Block((layer(3, 2, Identity()),)),
        Block((layer(3, 3, a), layer(3, 3, Identity())), residual=True),
        Block(
            (layer(2, 3, b), layer(2, 2, Identity()), layer(3, 2, ReLU()), layer(3, 3, Identity())),
            residual=True,
        ),
        Block((layer(2, 3, c),)),
    )
    check(Network(blocks), RealSpace(2), seed)


def test_a_skip_that_spans_hidden_layers() -> None:
    """The skip is carried along the regions of both layers inside."""
    generator = np.random.default_rng(5)
    shapes = [(3, 2), (3, 3), (2, 3)]
    inside = [
        Layer.of(generator.normal(size=shape), generator.normal(size=shape[0]), ReLU())
        for shape in shapes
    ]
    after = Layer.of(generator.normal(size=(3, 2)), generator.normal(size=3), ReLU())
    check(
        Network((Block(tuple(inside), residual=True), Block((after,)))),
        Box(-2, 2, dim=2),
        0,
        2.0**-40,
    )


@pytest.mark.parametrize("activation", [ReLU(), HardTanh()], ids=lambda a: a.name)
def test_a_slice_in_thirds(activation: Activation) -> None:
    plane = Plane(
        [Fraction(1, 3), 0, 1],
        [1, Fraction(2, 7), 0],
        [0, 1, Fraction(-5, 3)],
        s=(-1, 1),
        t=(-1, 1),
    )
    check(generic((3, 4, 3), 2, activation), plane, 0, 2.0**-40)


@pytest.mark.parametrize("power", [-900, -300, 300])
@pytest.mark.parametrize("activation", [ReLU(), HardTanh()], ids=lambda a: a.name)
def test_rows_of_tiny_and_huge_weights(power: int, activation: Activation) -> None:
    """Products below the range of floats are within their bounds too; above it, bounds claim
    nothing.
    """
    generator = np.random.default_rng(3)
    layers = [
        Layer.of(
            np.ldexp(generator.normal(size=(b, a)), power), generator.normal(size=b), activation
        )
        for a, b in pairwise((2, 4, 3, 2))
    ]
    check(Network((Block(tuple(layers)),)), Box(-1, 1, dim=2), 0)


def test_many_regions_of_a_wide_layer_go_in_blocks() -> None:
    """Kinks at j / n: on region k the first k neurons are on, and a row of the next layer is a
    partial sum.
    """
    n = 4096
    generator = np.random.default_rng(0)
    weight = generator.integers(-9, 10, (2, n)).astype(np.float64)
    first = Layer.of(np.ones((n, 1)), -np.arange(n) / n, ReLU())
    network = Network((Block((first, Layer.of(weight, np.array([0.5, -0.25]), ReLU()))),))
    walk = MapWalk(stages(network, RealSpace(1).flat()), 1)
    walk.enter(np.zeros(n + 1, np.int64), np.arange(n)[None] < np.arange(n + 1)[:, None])
    regions = np.sort(generator.integers(0, n + 1, 2500))
    hinges = generator.integers(0, 2, len(regions))
    rows, a_err, b_err = walk.rows(1, regions, hinges)
    slopes = np.concatenate([np.zeros((2, 1)), np.cumsum(weight, axis=1)], axis=1)
    offsets = np.concatenate(
        [np.zeros((2, 1)), np.cumsum(-weight * np.arange(n) / n, axis=1)], axis=1
    )
    assert np.array_equal(rows[:, 0], slopes[hinges, regions])
    assert np.array_equal(rows[:, 1], offsets[hinges, regions] + np.array([0.5, -0.25])[hinges])
    assert a_err.max() < 2.0**-20
    assert b_err.max() < 2.0**-20


@pytest.mark.parametrize("activation", [ReLU(), AbsoluteValue()], ids=lambda a: a.name)
def test_rounding_of_long_sums(activation: Activation) -> None:
    """Thousands of equal terms, each rounded the same way: the error of the sum outgrows that of
    its terms.
    """
    n = 8192
    first = Layer.of(np.full((n, 1), 1 / 3), np.full(n, 0.7), activation)
    network = Network((Block((first, Layer.of(np.full((1, n), 0.1), np.array([0.1]), ReLU()))),))
    walk = MapWalk(stages(network, RealSpace(1).flat()), 1)
    walk.enter(np.zeros(1, np.int64), np.ones((1, n), bool))
    rows, a_err, b_err = walk.rows(1, np.zeros(1, np.int64), np.zeros(1, np.int64))
    tenth = Fraction(0.1)
    form = [n * tenth * Fraction(1 / 3), n * tenth * Fraction(0.7) + tenth]
    within(form, rows[0], float(a_err[0]), float(b_err[0]), 2.0**-25)
    assert abs(form[0] - Fraction(float(rows[0, 0]))) > 8 * Fraction(1, 2**53) * n / 30
