"""Enclosures of pre-activations: a sign called certain is the one over the rationals, also at
infinity; and most are.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from exact import (
    AbsoluteValue,
    Activation,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    Network,
    Plane,
    RealSpace,
    ReLU,
)
from exact.arithmetic.enclosures.affine_maps import Affine, row_norms
from exact.arithmetic.enclosures.float_environment import ieee_floats
from exact.arithmetic.numbers import fraction
from exact.geometry.domains.base import Flat, FlatDomain
from exact.networks.layers import Block
from exact.propagation.enclosures import UNKNOWN, PointWalk, _bounds, _total, _values, stages
from exact.sources import tensors
from tests.exact.reference import dot, integers

Pair = tuple[Fraction, Fraction]  # a + K b
Floats = np.ndarray[Any, np.dtype[np.float64]]
BENDING: tuple[Activation, ...] = (
    ReLU(),
    ReLU(),
    LeakyReLU(),
    AbsoluteValue(),
    HardTanh(),
    HardTanh("1/3", "3/2"),
)
TINY = Fraction(1, 2**1100)  # rounds to zero


# ---- the second opinion: fractions over K


def sign(pair: Pair) -> int:
    deciding = pair[1] or pair[0]
    return (deciding > 0) - (deciding < 0)


def minus(z: Pair, level: Fraction) -> Pair:
    return z[0] - level, z[1]


def bends(activation: Activation) -> list[Fraction]:
    if isinstance(activation, HardTanh):
        return [fraction(activation.lo), fraction(activation.hi)]
    return [] if isinstance(activation, Identity) else [Fraction(0)]


def bent(activation: Activation, z: Pair) -> Pair:
    match activation:
        case HardTanh():
            lo, hi = bends(activation)
            return (
                (lo, Fraction(0))
                if sign(minus(z, lo)) < 0
                else (hi, Fraction(0))
                if sign(minus(z, hi)) > 0
                else z
            )
        case AbsoluteValue():
            slope = Fraction(-1)
        case LeakyReLU():
            slope = fraction(activation.slope)
        case Identity():
            slope = Fraction(1)
        case _:
            slope = Fraction(0)
    return z if sign(z) > 0 else (slope * z[0], slope * z[1])


def signs(
    network: Network, flat: Flat, s: Sequence[Fraction], t: Sequence[Fraction]
) -> list[list[int]]:
    """The exact sign of every hinge of every hidden layer at the parameters s + K t."""
    rows = [[fraction(v[i]) for v in flat.directions] for i in range(len(flat.origin))]
    state: list[Pair] = [
        (dot(row, s) + fraction(x), dot(row, t)) for row, x in zip(rows, flat.origin, strict=True)
    ]
    found = []
    for block in network.blocks:
        inner = state
        for layer in block.layers:
            z = [
                (dot(row, [a for a, _ in inner]) + b[0], dot(row, [b for _, b in inner]))
                for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            ]
            if bends(layer.activation):
                found.append(
                    [sign(minus(v, level)) for v in z for level in bends(layer.activation)]
                )
            inner = [bent(layer.activation, v) for v in z]
        state = (
            [(a + c, b + d) for (a, b), (c, d) in zip(state, inner, strict=True)]
            if block.residual
            else inner
        )
    return found


def exactly(values: Floats) -> list[list[Fraction]]:
    return [[Fraction(x) for x in row] for row in values.tolist()]


def compare(
    network: Network,
    domain: FlatDomain,
    p: Floats,
    pe: float = 0.0,
    q: Floats | None = None,
    qe: float = 0.0,
    at: Sequence[Sequence[Fraction]] | None = None,
    towards: Sequence[Sequence[Fraction]] | None = None,
) -> tuple[int, int, int]:
    """Check every certain sign; returns how many are certain, certain zeros, and all."""
    flat = domain.flat()
    walk, errors = PointWalk(stages(network, flat), "cpu"), np.full(len(p), pe)
    at = at or exactly(p)
    towards = towards or (exactly(q) if q is not None else [[Fraction(0)] * flat.dim] * len(p))
    truth = [signs(network, flat, s, t) for s, t in zip(at, towards, strict=True)]
    certain = zeros = total = 0
    for layer in range(len(network.hidden_layers)):
        found = walk.signs(layer, p, errors, q, None if q is None else np.full(len(p), qe))
        wanted = np.array([row[layer] for row in truth])
        assert found.dtype == np.int8
        assert found.shape == wanted.shape
        known = found != UNKNOWN
        assert np.array_equal(found[known], wanted[known])
        certain, zeros, total = (
            certain + int(known.sum()),
            zeros + int((found == 0).sum()),
            total + found.size,
        )
    return certain, zeros, total


# ---- networks


def weights(generator: np.random.Generator, shape: tuple[int, ...], kind: str) -> Any:
    if kind == "floats":
        return generator.normal(size=shape)
    if kind == "integers":
        return integers(generator, shape, 2)
    found = np.array(
        [Fraction(x, 7) for x in generator.integers(-9, 10, int(np.prod(shape))).tolist()],
        dtype=object,
    )
    return found.reshape(shape).tolist()


def random_network(seed: int, dim: int) -> Network:
    """Two or three blocks of one or two layers, with skips, identity layers, and one of three kinds
    of weights.
    """
    generator = np.random.default_rng(seed)
    kind, blocks = ["floats", "integers", "rationals"][seed % 3], list[Block]()
    width = dim
    for _ in range(int(generator.integers(2, 4))):
        residual = bool(generator.integers(2))
        sizes = [width, *generator.integers(1, 6, int(generator.integers(1, 3))).tolist()]
        sizes = [*sizes, width] if residual else sizes
        layers = [
            Layer.of(
                weights(generator, (b, a), kind),
                weights(generator, (b,), kind),
                Identity()
                if generator.random() < 0.2
                else BENDING[int(generator.integers(len(BENDING)))],
            )
            for a, b in pairwise(sizes)
        ]
        blocks.append(Block(tuple(layers), residual=residual))
        width = sizes[-1]
    return Network(
        (
            *blocks,
            Block(
                (
                    Layer.of(
                        weights(generator, (2, width), kind), weights(generator, (2,), kind), ReLU()
                    ),
                )
            ),
        )
    )


def generic(widths: Sequence[int], seed: int = 0, activation: Activation | None = None) -> Network:
    generator = np.random.default_rng(seed)
    return tensors.mlp(
        [
            (generator.normal(size=(b, a)) / np.sqrt(a), generator.normal(size=b))
            for a, b in pairwise(widths)
        ],
        activation,
        activation or ReLU(),
    )


def some_points(generator: np.random.Generator, dim: int, count: int = 12) -> Floats:
    """Points in general position, and points that lie on much: the origin, integers, axes."""
    small = generator.integers(-2, 3, (count, dim)).astype(np.float64)
    return np.concatenate([generator.normal(size=(count, dim)), small, np.zeros((1, dim))])


def plane_in(dim: int) -> Plane:
    first, second = [Fraction(i + 1, 3) for i in range(dim)], [(-1) ** i for i in range(dim)]
    return Plane([Fraction(1, 5)] * dim, first, second)


# ---- finite points


@pytest.mark.parametrize("seed", range(12))
def test_certain_signs_are_right(seed: int) -> None:
    dim = 1 + seed % 3
    points = some_points(np.random.default_rng(seed), dim)
    certain, _, total = compare(random_network(seed, dim), RealSpace(dim), points)
    assert 2 * certain > total


@pytest.mark.parametrize("seed", range(12))
def test_certain_signs_on_a_slice_are_right(seed: int) -> None:
    """The chart has thirds and fifths, which no float holds: points on it are never exact."""
    certain, _, total = compare(
        random_network(seed, 3), plane_in(3), some_points(np.random.default_rng(seed), 2)
    )
    assert 2 * certain > total


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("power", [-48, -30, -10, -2])
def test_points_anywhere_within_their_error(seed: int, power: int) -> None:
    """The exact points are on the edge of the ball around the float ones, in a random direction."""
    generator, dim = np.random.default_rng(seed), 1 + seed % 3
    points, error = some_points(generator, dim, 6), 2.0**power
    moves = exactly(generator.normal(size=points.shape))
    scale = [
        Fraction(error) / Fraction(float(np.linalg.norm([float(x) for x in row])) * (1 + 2.0**-40))
        for row in moves
    ]
    rows = zip(exactly(points), moves, scale, strict=True)
    at = [[x + c * m for x, m in zip(row, move, strict=True)] for row, move, c in rows]
    compare(random_network(seed, dim), RealSpace(dim), points, error, at=at)


def test_nearly_all_signs_of_a_generic_network_are_certain() -> None:
    network, generator = generic((3, 32, 32, 32)), np.random.default_rng(1)
    assert share_of_certain(network, generator.uniform(-1, 1, (500, 3)), None) > 0.999
    compare(network, RealSpace(3), generator.uniform(-1, 1, (4, 3)), 2.0**-50)


def share_of_certain(network: Network, points: Floats, towards: Floats | None) -> float:
    walk, errors = (
        PointWalk(stages(network, RealSpace(3).flat()), "cpu"),
        np.full(len(points), 2.0**-50),
    )
    found = [
        walk.signs(k, points, errors, towards, None if towards is None else errors)
        for k in range(len(network.widths))
    ]
    return float(np.mean(np.concatenate(found, axis=1) != UNKNOWN))


@pytest.mark.parametrize(
    "activation", [ReLU(), LeakyReLU(), AbsoluteValue(), HardTanh(-3, 3)], ids=lambda a: a.name
)
@pytest.mark.parametrize("gap", [2.0**-36, -(2.0**-36)])
def test_bounds_are_not_vacuous(activation: Activation, gap: float) -> None:
    """Behind three layers of sixteen a neuron 2^-36 from zero is told from zero."""
    body = generic((3, 16, 16, 16), 3, activation)
    points = np.random.default_rng(2).uniform(-1, 1, (5, 3))
    row = np.random.default_rng(4).normal(size=16) / 4
    for point in points:
        last = Layer.of([row], [-float(body.forward_float(point) @ row) + gap], ReLU())
        network = Network((Block((*body.blocks[0].layers, last)),))
        found = PointWalk(stages(network, RealSpace(3).flat()), "cpu").signs(
            3, point[None], np.zeros(1), None, None
        )
        assert found.tolist() == [[1 if gap > 0 else -1]]
        compare(network, RealSpace(3), point[None])


@pytest.mark.parametrize("power", [-1000, -600, -530, -300, 300, 500, 600, 1000])
@pytest.mark.parametrize("activation", [ReLU(), HardTanh(), LeakyReLU()], ids=lambda a: a.name)
def test_weights_at_the_ends_of_the_range(power: int, activation: Activation) -> None:
    """Products that underflow or overflow are not known; none is known wrongly."""
    generator = np.random.default_rng(abs(power))
    layers = [
        Layer.of(
            np.ldexp(generator.normal(size=(b, a)), power),
            np.ldexp(generator.normal(size=b), power // 2),
            activation,
        )
        for a, b in pairwise((2, 5, 4, 3))
    ]
    network = Network((Block(tuple(layers)),))
    points = some_points(generator, 2, 3)
    with np.errstate(all="ignore"):
        compare(network, RealSpace(2), points)
        compare(network, RealSpace(2), points, q=points[::-1].copy())
        compare(network, RealSpace(2), np.ldexp(points, -power))


def test_weights_beyond_the_range_of_floats() -> None:
    huge = Fraction(10) ** 400
    second = [[1 / huge, 1], [1, -huge]]
    network = tensors.mlp(
        [([[huge, 1], [1, 1 / huge]], [0, -1]), (second, [-1, 0]), ([[1, 1]], [0])], last=ReLU()
    )
    with ieee_floats():
        compare(network, RealSpace(2), some_points(np.random.default_rng(0), 2, 5))


# ---- zeros


def test_what_is_zero_without_rounding_is_known_to_be() -> None:
    """A dead layer puts out zeros; a zero row without bias is zero; so is any row at the origin."""
    dead = Layer.of([[0.0, 0.0], [1.0, 1.0]], [-1.0, -100.0], ReLU())
    network = Network(
        (Block((dead, Layer.of([[1.5, 2.5], [0.0, 0.0], [1.0, 1.0]], [0.0, 0.0, 1.0], ReLU()))),)
    )
    points = np.random.default_rng(0).normal(size=(4, 2))
    walk = PointWalk(stages(network, RealSpace(2).flat()), "cpu")
    assert walk.signs(0, points, np.full(4, 2.0**-40), None, None).tolist() == [[-1, -1]] * 4
    assert walk.signs(1, points, np.full(4, 2.0**-40), None, None).tolist() == [[0, 0, 1]] * 4
    rows = Network(
        (Block((Layer.of([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]], [0.0, 0.0, 2.0**-1060], ReLU()),)),)
    )
    walk = PointWalk(stages(rows, RealSpace(2).flat()), "cpu")
    assert walk.signs(0, np.zeros((1, 2)), np.zeros(1), None, None).tolist() == [[0, 0, 1]]
    assert walk.signs(0, np.zeros((1, 2)), np.full(1, 2.0**-60), None, None).tolist() == [
        [UNKNOWN, 0, 1]
    ]
    assert walk.signs(0, np.array([[2.0, -1.0]]), np.zeros(1), None, None).tolist()[0][0] in (
        UNKNOWN,
        0,
    )


@pytest.mark.parametrize(
    "activation",
    [HardTanh(-1, 1), HardTanh(0, 2), LeakyReLU(0), AbsoluteValue()],
    ids=lambda a: a.name,
)
def test_dead_layers_of_other_activations(activation: Activation) -> None:
    network = Network(
        (
            Block(
                (
                    Layer.of([[0.0], [0.0]], [0.0, 0.0], activation),
                    Layer.of([[1.0, 2.0]], [0.0], activation),
                )
            ),
        )
    )
    compare(network, RealSpace(1), np.array([[0.5], [-3.0]]), 0.25)


@pytest.mark.parametrize(
    "activation",
    [HardTanh(-TINY, 1), HardTanh(-1, TINY), LeakyReLU(TINY), LeakyReLU(-TINY)],
    ids=["lower breakpoint", "upper breakpoint", "slope", "negative slope"],
)
@pytest.mark.parametrize("q", [None, np.array([[0.0], [1.0], [-1.0]])], ids=["finite", "infinite"])
def test_numbers_that_round_to_zero_are_not_taken_for_zero(
    activation: Activation, q: Floats | None
) -> None:
    points = np.array([[0.0], [1.0], [-1.0]])
    tiny = Network(
        (Block((Layer.of([[1]], [0], activation), Layer.of([[1], [-1]], [0, 0], ReLU()))),)
    )
    behind_a_dead_layer = Network(
        (Block((Layer.of([[0]], [0], ReLU()), Layer.of([[1]], [0], activation))),)
    )
    for network in (tiny, behind_a_dead_layer):
        compare(network, RealSpace(1), points, q=q)
    for weight, bias in ((TINY, 0), (0, TINY), (-TINY, TINY)):
        network = tensors.mlp([([[weight]], [bias]), ([[1], [-1]], [0, 0])], last=ReLU())
        compare(network, RealSpace(1), points, q=q)


@pytest.mark.parametrize("power", [-300, -400, -520, -600, -1000])
@pytest.mark.parametrize("error", [0.0, 2.0**-1074, 2.0**-700])
def test_products_that_underflow_are_not_zero(power: int, error: float) -> None:
    """No bias, four layers: 2^(4 power) is no zero, however small its float and the bound on its
    error.
    """
    unit = np.ldexp(np.array([[1.0, 0.5], [-1.0, 2.0]]), power)
    network = tensors.mlp([(unit, None)] * 4, last=ReLU())
    tiny = np.ldexp(np.array([[1.0, 2.0], [0.0, 1.0]]), power)
    points = np.concatenate([np.array([[1.0, 2.0], [0.0, -1.0]]), tiny])
    compare(network, RealSpace(2), points, error)
    compare(network, RealSpace(2), points, error, points[::-1].copy(), error)


# ---- infinity


@pytest.mark.parametrize("seed", range(12))
def test_certain_signs_at_infinity_are_right(seed: int) -> None:
    """Directions in general position, along axes, and no direction at all."""
    generator, dim = np.random.default_rng(seed), 1 + seed % 3
    points = some_points(generator, dim)
    compare(random_network(seed, dim), RealSpace(dim), points, q=generator.permutation(points))
    if dim == 3:
        compare(
            random_network(seed, dim),
            plane_in(3),
            points[:, :2],
            q=generator.permutation(points[:, :2]),
        )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("power", [-45, -10, -1])
def test_directions_anywhere_within_their_error(seed: int, power: int) -> None:
    generator, dim, error = np.random.default_rng(seed), 1 + seed % 3, 2.0**power
    points, directions = some_points(generator, dim, 4), some_points(generator, dim, 4)
    half = Fraction(error) / (2 * dim)
    shift = [
        [half * int(x) for x in row] for row in generator.integers(-1, 2, points.shape).tolist()
    ]
    at, towards = (
        [
            [x + m for x, m in zip(row, move, strict=True)]
            for row, move in zip(exactly(values), shift, strict=True)
        ]
        for values in (points, directions)
    )
    compare(
        random_network(seed, dim), RealSpace(dim), points, error, directions, error, at, towards
    )


@pytest.mark.parametrize(
    "activation", [ReLU(), AbsoluteValue(), LeakyReLU(), HardTanh()], ids=lambda a: a.name
)
def test_directions_that_a_layer_does_not_see(activation: Activation) -> None:
    """(1, 1) is in the kernel of the first layer; (2, -1) in that of one row; (-1, 0) of what ReLU
    lets through.
    """
    first = Layer.of([[1.0, -1.0], [3.0, -3.0]], [0.5, 0.25], activation)
    mixed = Layer.of([[1.0, 2.0], [1.0, 0.0]], [0.0, 1.0], activation)
    second = Layer.of([[1.0, 1.0], [2.0, -1.0], [0.0, 1.0]], [0.0, 0.5, -1.0], activation)
    points = np.array([[0.5, 0.25], [-1.0, 2.0], [0.0, 0.0], [1.5, -0.5]])
    for layer in (first, mixed):
        for direction in (
            [1.0, 1.0],
            [2.0, -1.0],
            [-1.0, 0.0],
            [-1.0, -1.0],
            [0.0, 0.0],
            [0.1, 0.1],
            [-0.2, 0.1],
        ):
            network = Network((Block((layer, second, second_of(activation))),))
            compare(network, RealSpace(2), points, q=np.array([direction] * 4))


def second_of(activation: Activation) -> Layer:
    return Layer.of([[1.0, -1.0, 0.5], [-1.0, 0.0, 1.0]], [0.125, -0.5], activation)


def test_far_along_a_dead_direction_the_finite_part_decides() -> None:
    """All neurons off in the direction, or none moved by it: the sign is that of the finite part,
    for certain.
    """
    network = tensors.mlp(
        [([[1.0, 0.0], [1.0, 1.0]], [0.0, 0.5]), ([[1.0, 1.0], [-1.0, -1.0]], [-1.0, 0.25])],
        last=ReLU(),
    )
    walk = PointWalk(stages(network, RealSpace(2).flat()), "cpu")
    points, still = np.array([[1.0, 2.0], [-3.0, 2.0]]), np.zeros(2)
    off, unmoved = np.array([[-1.0, 0.0], [-1.0, -1.0]]), np.zeros((2, 2))
    assert walk.signs(0, points, still, off, still).tolist() == [[-1, -1], [-1, -1]]
    assert walk.signs(1, points, still, off, still).tolist() == [[-1, 1], [-1, 1]]
    assert walk.signs(0, points, still, unmoved, still).tolist() == [[1, 1], [-1, -1]]
    assert walk.signs(1, points, still, unmoved, still).tolist() == [[1, -1], [-1, 1]]


def test_nearly_all_signs_at_infinity_are_certain() -> None:
    network, generator = generic((3, 24, 24, 24)), np.random.default_rng(1)
    assert (
        share_of_certain(network, generator.normal(size=(500, 3)), generator.normal(size=(500, 3)))
        > 0.999
    )
    compare(
        network,
        RealSpace(3),
        generator.normal(size=(4, 3)),
        2.0**-50,
        generator.normal(size=(4, 3)),
        2.0**-50,
    )


# ---- norms


@pytest.mark.parametrize("power", [-40, 0, 40])
@pytest.mark.parametrize("rational", [False, True])
def test_pre_activations_are_within_their_bounds(power: int, rational: bool) -> None:
    """Large and small biases; weights that are floats and thirds; neuron by neuron, and all of a
    layer in the 2-norm.
    """
    generator = np.random.default_rng(abs(power))
    weight, bias = (
        exactly(generator.normal(size=(9, 30))),
        exactly(np.ldexp(generator.normal(size=(1, 9)), power))[0],
    )
    scale = Fraction(1, 3) if rational else Fraction(1)
    layer = Layer.of([[scale * x for x in row] for row in weight], [scale * x for x in bias])
    points = np.ldexp(generator.normal(size=(20, 30)), generator.integers(-20, 20, (20, 30)))
    for offset in (True, False):
        op, x, still = Affine.of(layer.weight, layer.bias), points, np.zeros(20)
        z, sizes = _values(op, x, still, offset)
        total = _total(op, still, sizes, offset)
        errors = _bounds(op, sizes).tolist()
        for row, whole, found, bounds in zip(
            exactly(points), total.tolist(), z.tolist(), errors, strict=True
        ):
            gaps = [
                Fraction(v) - scale * (dot(w, row) + offset * b)
                for v, w, b in zip(found, weight, bias, strict=True)
            ]
            assert all(abs(gap) <= bound for gap, bound in zip(gaps, bounds, strict=True))
            assert sum(gap**2 for gap in gaps) <= Fraction(whole) ** 2
            assert any(gap != 0 for gap in gaps)


def hadamard(power: int) -> Floats:
    matrix = np.ones((1, 1))
    for _ in range(power):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def affine(weight: Floats) -> Affine:
    return Affine(weight, None, np.zeros(len(weight)), None)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (9, 1), (3, 40), (40, 3), (24, 24), (64, 64), (150, 100)]
)
def test_the_spectral_bound_is_above_and_near(shape: tuple[int, int]) -> None:
    for seed in range(4):
        weight = np.random.default_rng(seed).normal(size=shape)
        top = float(np.linalg.norm(weight, 2))
        assert top < affine(weight).spectral < 1.5 * top


@pytest.mark.parametrize("power", [-1000, -600, -300, 0, 300, 500])
def test_the_spectral_bound_of_matrices_with_known_norm(power: int) -> None:
    """Hadamard: sqrt(n), a rank one matrix u v': |u| |v|, a diagonal one: its largest entry;
    checked in fractions.
    """
    scale = Fraction(2) ** power
    for k in range(5):
        assert Fraction(affine(np.ldexp(hadamard(k), power)).spectral) ** 2 >= 2**k * scale**2
    u, v = np.array([3.0, -1.0, 2.0]), np.array([1.0, 0.0, 5.0, -7.0])
    assert Fraction(affine(np.ldexp(np.outer(u, v), power)).spectral) ** 2 >= 14 * 75 * scale**2
    assert Fraction(affine(np.ldexp(np.diag([1.0, 3.0, -5.0]), power)).spectral) >= 5 * scale
    assert affine(np.zeros((3, 2))).spectral == 0.0
    assert not affine(np.full((2, 2), 2.0**1000)).spectral < 2.0**1001


@pytest.mark.parametrize("power", [-1074, -1000, -538, -530, -300, 0, 300, 500])
def test_row_norms_are_above(power: int) -> None:
    rows = np.ldexp(np.random.default_rng(1).integers(-9, 10, (20, 7)).astype(np.float64), power)
    rows[3] = 0.0
    for norms in (row_norms(torch.from_numpy(rows)), row_norms(rows), row_norms(rows.T.copy().T)):
        found = [Fraction(x) for x in norms.tolist()]
        assert all(
            norm**2 >= sum(x**2 for x in row)
            for norm, row in zip(found, exactly(rows), strict=True)
        )
        assert found[3] == 0
        assert all(norm > 0 for norm, row in zip(found, rows, strict=True) if row.any())


def test_norms_of_a_million_entries_are_above() -> None:
    """Every square but the first is lost to a sum above one."""
    size, small = 2**20, 2.0**-27 * (1 - 2.0**-30)
    values = np.full(size, small)
    values[0] = 1.0
    square = 1 + (size - 1) * Fraction(small) ** 2
    for norms in (row_norms(torch.from_numpy(values[None])), row_norms(values[None])):
        assert Fraction(norms.item()) ** 2 >= square
    assert Fraction(affine(values.reshape(1024, 1024)).frobenius) ** 2 >= square
