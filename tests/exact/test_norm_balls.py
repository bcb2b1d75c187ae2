"""The open ball behind a norm with eps > 0: cells, witnesses, radii; against counts, samples,
closed forms and the sphere.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, inf
from typing import Any

import numpy as np
import pytest

from exact import (
    Ball,
    InvalidInput,
    LayerNorm,
    Network,
    NormBall,
    Outcome,
    RMSNorm,
    Sphere,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import fraction, rational
from exact.instruments.counting import region_count
from exact.networks.layers import Block
from exact.regions.engine import behind_norm
from exact.regions.polytopes.norm_ball import (
    CellsByRadius,
    NormBallPartition,
    RadiusRange,
    input_radius_squared,
)
from exact.sources import tensors

TINY = Fraction(1, 2**50)
AFFINE = tensors.mlp([([[1, 0], [0, 1]], [1, 1])])
KINDS = [
    ("layernorm", 3, "var"),
    ("layernorm", 3, "std"),
    ("layernorm", 4, "std"),
    ("rms", 2, "std"),
    ("rms", 3, "var"),
]


def block(seed: int, norm: Any, n: int, rule: Any, width: int = 6, eps: object = 0.25) -> Network:
    """Small integers, so that degeneracies occur, with a gain and a bias of the norm."""
    g = np.random.default_rng(seed)
    weights, biases = g.integers(-4, 5, size=(width, n)), g.integers(-3, 4, size=width)
    return tensors.block(
        weights,
        biases,
        np.ones((1, width)),
        [0],
        norm=norm,
        gain=g.integers(1, 4, size=n),
        bias=g.integers(-1, 2, size=n),
        eps=eps,
        eps_rule=rule,
    )


def deep(seed: int, norm: Any, n: int, rule: Any) -> Network:
    g = np.random.default_rng(seed)
    body = tensors.mlp(
        [
            (g.integers(-4, 5, size=(w, k)), g.integers(-3, 4, size=w))
            for k, w in ((n, 5), (5, 4), (4, 1))
        ]
    )
    return Network((Block(body.blocks[0].layers, block(seed, norm, n, rule).norms[0]),))


def ball_of(network: Network) -> NormBallPartition:
    found = partition(network, NormBall())
    assert isinstance(found, NormBallPartition)
    assert found.outcome is Outcome.COMPLETE
    return found


def planes_at(c: Fraction, n: int, *, rms: bool = False) -> Network:
    """One neuron `y_i - c` per coordinate."""
    rows = [[int(i == j) for j in range(n)] for i in range(n)]
    return tensors.block(rows, [-c] * n, [[1] * n], [0], norm="rms" if rms else "layernorm", eps=1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_cells_are_counted_by_flats(norm: str, n: int, rule: str, seed: int) -> None:
    network = block(seed, norm, n, rule)
    assert len(ball_of(network)) == region_count(*behind_norm(network))


@pytest.mark.parametrize("make", [block, deep])
@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_witnesses_are_inputs_of_their_cell(make: Any, norm: str, n: int, rule: str) -> None:
    network = make(1, norm, n, rule)
    found = ball_of(network)
    assert found.network is network
    assert repr(found.domain) == "NormBall()"
    for cell in found.regions:
        assert network.code(cell.witness) == cell.code
        assert found.locate(cell.witness) == cell.index
        assert sum(x * x for x in cell.image_point) < n
        assert found.folded.code(cell.image_point) == cell.code


@pytest.mark.parametrize("make", [block, deep])
@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_every_sampled_input_lies_in_a_cell(make: Any, norm: str, n: int, rule: str) -> None:
    network = make(2, norm, n, rule)
    codes = {str(cell.code) for cell in ball_of(network).regions}
    g = np.random.default_rng(0)
    inputs = g.normal(size=(300, n)) * np.exp(g.normal(size=(300, 1)) * 2)
    assert {str(network.code(x)) for x in inputs.tolist()} <= codes


def test_gain_zero_and_bias_leave_constants() -> None:
    network = tensors.block(
        [[1, 1], [2, -1]], [0, 0], [[1, 1]], [0], norm="layernorm", gain=[0, 0], bias=[1, -2], eps=1
    )
    found = ball_of(network)
    assert [str(cell.code) for cell in found.regions] == ["01"]
    assert found.regions[0].radii == RadiusRange(Fraction(0), Fraction(2), True, True)


@pytest.mark.parametrize(("shift", "cells"), [(-TINY, 6), (0, 1), (TINY, 1)])
def test_tangent_planes_do_not_cut_the_ball(shift: Fraction, cells: int) -> None:
    """y_i = 2 touches |y|^2 = 5 in the hyperplane of sum zero; a hair below it cuts off a cap, and
    five caps are disjoint.
    """
    assert len(ball_of(planes_at(2 + shift, 5))) == cells


@pytest.mark.parametrize("n", [2, 3])
def test_cells_by_radius_of_a_cube_in_a_ball(n: int) -> None:
    """Planes x_i = +-1 in |x|^2 < n: a cell with k coordinates beyond starts at |x|^2 = k; the cube
    only touches the sphere.
    """
    rows = [[s * int(i == j) for j in range(n)] for i in range(n) for s in (1, -1)]
    network = tensors.block(rows, [-1] * len(rows), [[1] * len(rows)], [0], norm="rms", eps=1)
    found = ball_of(network)
    assert len(found) == 3**n - 2**n
    steps = found.cells_by_radius
    upto = [sum(2**k * comb(n, k) for k in range(j + 1)) for j in range(n)]
    assert steps.breaks == tuple(map(Fraction, range(n + 1)))
    assert steps.counts == tuple(upto)
    assert [steps.at(j) for j in range(n)] == [1, *upto[:-1]]
    cube = found.regions[found.locate([0] * n)].radii
    assert cube == RadiusRange(Fraction(0), Fraction(n), True, False)
    assert sum(not one.on_sphere for one in steps.ranges) == 1
    np.testing.assert_allclose(
        steps.radii_float, [(n * j / (n - j)) ** 0.5 for j in range(n)] + [inf]
    )


def test_a_neuron_that_is_zero_at_one_of_two_points_is_off_there() -> None:
    """A sphere of dimension 0 has open points, so a plane through one of them separates nothing."""
    network = tensors.block([[1], [-1]], [-1, -1], [[1, 1]], [0], norm="rms", eps=1)
    assert ball_of(network).regions[0].radii == RadiusRange(Fraction(0), Fraction(1), True, True)
    assert [str(region.code) for region in partition(network, Sphere()).regions] == ["00", "00"]


def test_no_point_of_the_ball_has_the_radius_of_the_sphere() -> None:
    steps = ball_of(planes_at(Fraction(1), 3)).cells_by_radius
    assert isinstance(steps, CellsByRadius)
    for square in (-1, 3, 4):
        with pytest.raises(InvalidInput, match="0 <= "):
            steps.at(square)


@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_radii_hold_every_sampled_input(norm: str, n: int, rule: str) -> None:
    """|y|^2 of sampled inputs lies within its cell's interval, and the ends are approached."""
    network = block(3, norm, n, rule)
    found = ball_of(network)
    g = np.random.default_rng(1)
    directions = g.normal(size=(20_000, n - (norm == "layernorm")))
    radii = n**0.5 * g.random((20_000, 1)) ** (1 / directions.shape[1])
    lower = np.linalg.cholesky(np.array([[float(x) for x in row] for row in _gram(found)]))
    y = directions / np.linalg.norm(directions, axis=1)[:, None] * radii @ np.linalg.inv(lower)
    basis = np.array([[float(fraction(x)) for x in row] for row in found.flat.directions])
    points = y @ basis
    layer = found.folded.blocks[0].layers[0]
    z = points @ layer.weight.float64().T + layer.bias.float64().T
    keys = {row.tobytes(): i for i, row in enumerate(found.codes)}
    squares = (points**2).sum(axis=1)
    seen = np.array([keys[np.packbits(row > 0).tobytes()] for row in z])
    for index, one in enumerate(found.cells_by_radius.ranges):
        own = squares[seen == index]
        if len(own) > 200:
            assert float(one.inner) < own.min() < float(one.inner) + 0.15 * n
            assert float(one.outer) > own.max() > float(one.outer) - 0.15 * n


def _gram(found: NormBallPartition) -> list[list[Fraction]]:
    rows = [[fraction(x) for x in row] for row in found.flat.directions]
    return [
        [sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0)) for v in rows] for u in rows
    ]


@pytest.mark.parametrize("make", [block, deep])
@pytest.mark.parametrize(("norm", "n", "rule"), KINDS)
def test_cells_that_reach_the_sphere_are_its_codes(make: Any, norm: str, n: int, rule: str) -> None:
    """Two enumerations by different engines: the ball, and the sphere that is its boundary."""
    network = make(5, norm, n, rule)
    found, sphere = ball_of(network), partition(network, Sphere())
    reaching = {str(cell.code) for cell in found.regions if cell.radii.on_sphere}
    assert reaching == {str(sphere.code_of(i)) for i in range(len(sphere))}
    assert len(reaching) == found.cells_by_radius.counts[-1] or any(
        one.outer == n and not one.on_sphere for one in found.cells_by_radius.ranges
    )


@pytest.mark.parametrize("make", [block, deep])
@pytest.mark.parametrize("seed", range(3))
def test_a_ball_is_a_hemisphere_one_dimension_up(make: Any, seed: int) -> None:
    """Appending a coordinate that no neuron reads turns |y|^2 < n into half a sphere
    (mathematics.md, "LayerNorm and RMSNorm").
    """
    network = make(seed, "rms", 2, "var")
    first, *rest = network.folded().layers
    padded = tensors.mlp(
        [
            ([[*row, 0] for row in first.weight.tolist()], first.bias.column()),
            *((layer.weight.tolist(), layer.bias.column()) for layer in rest),
        ]
    )
    sphere = partition(padded, Sphere(radius_squared=2))
    assert {str(cell.code) for cell in ball_of(network).regions} == {
        str(sphere.code_of(i)) for i in range(len(sphere))
    }


def test_both_rules_fill_the_same_ball() -> None:
    var, std = (block(7, "layernorm", 4, rule) for rule in ("var", "std"))
    assert ball_of(var).digest == ball_of(std).digest
    assert ball_of(var).neighbours().tolist() == ball_of(std).neighbours().tolist()


def test_eps_moves_inputs_not_cells() -> None:
    small, large = (ball_of(block(7, "layernorm", 3, "var", eps=eps)) for eps in ("1/1000000", 100))
    assert small.digest == large.digest
    assert small.cells_by_radius.breaks == large.cells_by_radius.breaks
    scale = large.cells_by_radius.radii_float[1:-1] / small.cells_by_radius.radii_float[1:-1]
    np.testing.assert_allclose(scale, 10_000)


@pytest.mark.parametrize("rule", ["var", "std"])
def test_input_radii_invert_the_norm(rule: Any) -> None:
    norm = LayerNorm.of(eps="1/3", dim=3, eps_rule=rule)
    for x in ([1, 2, 4], [Fraction(1, 100), 0, 0]):
        centred = np.array([float(v) for v in x]) - float(sum(x)) / 3
        y = norm.forward_float(np.array([[float(v) for v in x]]))
        found = float(input_radius_squared(norm, rational(float((y**2).sum() / 3))))
        np.testing.assert_allclose(found, (centred**2).sum(), rtol=1e-12)


def test_two_directions_are_a_segment() -> None:
    """LayerNorm of two coordinates: the ball is an open segment, |y|^2 < 2 along (1, -1)."""
    network = tensors.block([[1, 0], [0, 1]], ["-1/2", -2], [[1, 1]], [0], norm="layernorm", eps=1)
    found = ball_of(network)
    assert [str(cell.code) for cell in found.regions] == ["00", "10"]
    assert found.cells_by_radius.breaks == (0, Fraction(1, 2), 2)
    assert found.cells_by_radius.counts == (1, 2)


@pytest.mark.parametrize(
    ("network", "error", "word"),
    [
        (tensors.mlp([([[1, 2]], [0]), ([[1]], [0])]), InvalidInput, "no norm"),
        (block(0, "rms", 2, "var", eps=0), InvalidInput, "eps is 0"),
        (tensors.block([[1]], [0], [[1]], [0], norm="layernorm", eps=1), InvalidInput, "one point"),
        (Network((*AFFINE.blocks, *block(0, "rms", 2, "var").blocks)), Unsupported, "first block"),
    ],
)
def test_refusals(network: Network, error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        partition(network, NormBall())


def test_planes_through_the_centre_leave_it_in_no_cell() -> None:
    found = ball_of(planes_at(Fraction(0), 2, rms=True))
    assert [cell.radii for cell in found.regions] == [
        RadiusRange(Fraction(0), Fraction(2), False, True)
    ] * 4
    assert (found.cells_by_radius.at(0), found.cells_by_radius.at("1/1000")) == (0, 4)


def test_inputs_off_every_cell_are_refused() -> None:
    found = ball_of(planes_at(Fraction(0), 2, rms=True))
    with pytest.raises(InvalidInput, match="2"):
        found.locate([1, 2, 3])
    assert len(found) == 4


def test_balls_in_a_flat_are_slices_of_balls() -> None:
    """In the plane spanned by two directions a ball is an ellipse over them; its cells are those of
    the same ball there.
    """
    network = tensors.mlp([([[1, 0, 0], [0, 1, 0], [1, 1, -1]], [0, -1, 2]), ([[1, 1, 1]], [0])])
    slanted = partition(network, Ball([0, 0, 0], 3, [[1, 1, 0], [1, 0, 0]]))
    plain = tensors.mlp([([[1, 0], [0, 1], [1, 1]], [0, -1, 2]), ([[1, 1, 1]], [0])])
    straight = partition(plain, Ball([0, 0], 3))
    assert slanted.digest == straight.digest
    assert all(
        sum(x * x for x in cell.witness) < 3 and cell.witness[2] == 0 for cell in slanted.regions
    )
    moved = partition(network, Ball([0, 0, 1], 3, [[1, 1, 0], [1, 0, 0]]))
    assert all(cell.witness[2] == 1 for cell in moved.regions)
    for directions in ([], [[1, 0, 0], [2, 0, 0]]):
        with pytest.raises(InvalidInput, match="dependent"):
            Ball([0, 0, 0], 3, directions)


def test_rms_norms_ball_is_a_ball() -> None:
    network = block(9, "rms", 3, "var")
    assert ball_of(network).digest == partition(network.folded(), Ball([0, 0, 0], 3)).digest
    assert RMSNorm.of(eps=1, dim=3).sphere_dim == 2
