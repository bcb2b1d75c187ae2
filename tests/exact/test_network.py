"""Networks as data: shapes, codes, maps, folding and digests, against fractions, 100 digits and
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from exact import (
    GELU,
    AbsoluteValue,
    Block,
    HardTanh,
    Identity,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Network,
    Norm,
    NotPiecewiseLinear,
    RationalMatrix,
    ReLU,
    RMSNorm,
    SiLU,
    SplineCode,
    Unsupported,
)
from exact.arithmetic.numbers import fractions
from exact.networks.activations import Activation
from exact.networks.network import Hinge
from exact.sources import tensors
from tests.exact.reference import Floats, exact_code, exact_output, integers, q


def dense(seed: int, widths: Sequence[int], activations: Sequence[Activation]) -> tuple[Layer, ...]:
    """Layers of small random integers, widths[0] the input dimension."""
    generator = np.random.default_rng(seed)
    return tuple(
        Layer.of(integers(generator, (after, before)), integers(generator, after), activation)
        for before, after, activation in zip(widths, widths[1:], activations, strict=False)
    )


MIXED = Network(
    (
        Block(dense(1, [3, 4, 2, 3, 3], [ReLU(), Identity(), HardTanh(), LeakyReLU("1/4")])),  # type: ignore[arg-type]
        Block(dense(2, [3, 5, 3], [AbsoluteValue(), Identity()]), residual=True),
    )
)
POINTS = [
    tuple(Fraction(x, 7) for x in integers(np.random.default_rng(seed), 3, 20))
    for seed in range(12)
]


# ---- shapes


def test_dimensions_and_hidden_layers() -> None:
    assert (MIXED.input_dim, MIXED.output_dim) == (3, 3)
    assert MIXED.widths == (4, 3, 3, 5)
    assert MIXED.bits_per_layer == (4, 6, 3, 5)
    assert MIXED.hinge_count == len(MIXED.hinges) == 18
    assert not MIXED.has_norm
    assert MIXED.is_piecewise_linear


def test_hinges_are_layer_major() -> None:
    assert MIXED.hinges[:4] == tuple(Hinge(1, j) for j in range(4))
    assert MIXED.hinges[4:10] == tuple(Hinge(2, j, k) for j in range(3) for k in range(2))
    assert MIXED.hinges[10:13] == tuple(Hinge(3, j) for j in range(3))
    assert MIXED.hinges[-1] == Hinge(4, 4)


def test_layer_defaults() -> None:
    layer = Layer.of([[1.0, 2.0]])
    assert (layer.activation, layer.bias.tolist(), layer.bits) == (Identity(), [[0]], 0)
    with pytest.raises(InvalidInput, match=r"h\.weight\[0, 1\]"):
        Layer.of(np.array([[1.0, np.nan]]), name="h")
    with pytest.raises(InvalidInput, match="give a bias of length 1"):
        Layer.of([[1.0]], [1.0, 2.0])


# ---- codes and values


@pytest.mark.parametrize("point", POINTS)
def test_code_is_the_sign_of_every_gap(point: tuple[Fraction, ...]) -> None:
    code = MIXED.code(point)
    assert str(code) == exact_code(MIXED, point)
    text = str(code).split("|")
    for first in range(1, 5):
        for last in range(first, 5):
            assert str(MIXED.code(point, layers=(first, last))) == "|".join(text[first - 1 : last])


@pytest.mark.parametrize("layers", [(0, 1), (1, 5), (3, 2), (-1, 1)])
def test_code_of_layers_that_are_not_there(layers: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match="1 <= K <= L <= 4"):
        MIXED.code(POINTS[0], layers)


def test_a_network_without_hidden_layer_has_an_empty_code() -> None:
    affine = Network((Block((Layer.of([[2, 3]], [1]),)),))
    assert (str(affine.code([1, 1])), affine.hinge_count) == ("", 0)
    assert affine.affine_at([5, 5])((1, 1)) == (6,)


@pytest.mark.parametrize("point", POINTS)
def test_affine_map_is_the_forward_pass(point: tuple[Fraction, ...]) -> None:
    found = MIXED.affine_at(point)
    assert found(point) == exact_output(MIXED, point)
    assert found == MIXED.affine_map(MIXED.code(point))
    assert (found.of, found.skip) == ("x", False)


def test_affine_map_has_the_slopes_of_the_forward_pass() -> None:
    """Differences over a step so small that the code stays."""
    point, step = POINTS[3], Fraction(1, 2**200)
    found = MIXED.affine_at(point).matrix.tolist()
    base = exact_output(MIXED, point)
    for j in range(3):
        moved = tuple(x + step * (i == j) for i, x in enumerate(point))
        assert MIXED.code(moved) == MIXED.code(point)
        assert [(a - b) / step for a, b in zip(exact_output(MIXED, moved), base, strict=True)] == [
            row[j] for row in found
        ]


@pytest.mark.parametrize("point", POINTS[:6])
def test_forward_float_is_close_to_the_exact_value(point: tuple[Fraction, ...]) -> None:
    x = np.array([float(v) for v in point])
    expected = [float(v) for v in exact_output(MIXED, point)]
    np.testing.assert_allclose(MIXED.forward_float(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        MIXED.forward_float(np.stack([x, 2 * x]))[0], expected, rtol=1e-12, atol=1e-12
    )


def test_forward_float_checks_the_input() -> None:
    with pytest.raises(InvalidInput, match="give 3 columns"):
        MIXED.forward_float(np.zeros((2, 4)))


def test_pre_activations_agree_with_single_rows() -> None:
    layer = MIXED.blocks[0].layers[0]
    state = RationalMatrix.from_rationals([[1, "1/2"], [0, 3], ["-2/3", 1]]).exact
    one = [q(0), q(1)]
    found = RationalMatrix.from_backend(layer.pre_activations(state, one)).tolist()
    rows, bias = layer.weight.tolist(), [b[0] for b in layer.bias.tolist()]
    known = [
        [Fraction(1), Fraction(1, 2)],
        [Fraction(0), Fraction(3)],
        [Fraction(-2, 3), Fraction(1)],
    ]
    assert found == [
        [sum(w * known[i][k] for i, w in enumerate(row)) + b * k for k in range(2)]
        for row, b in zip(rows, bias, strict=True)
    ]
    assert [
        list(fractions(layer.pre_activation(j, state, one))) for j in range(layer.width)
    ] == found
    balls = layer.pre_activation_balls(state, one, "cpu")
    errors = [
        [
            abs(Fraction(float(balls.mid[i, k])) - z) - Fraction(float(balls.rad[i, k]))
            for k, z in enumerate(row)
        ]
        for i, row in enumerate(found)
    ]
    assert max(map(max, errors)) <= 0


# ---- parts of networks


def test_from_block_is_the_later_part() -> None:
    later = MIXED.from_block(1)
    head = Network(MIXED.blocks[:1])
    for point in POINTS[:4]:
        assert exact_output(later, exact_output(head, point)) == exact_output(MIXED, point)
    assert later.widths == (5,)
    for index in (2, -1):
        with pytest.raises(InvalidInput, match=r"give 0 \.\. 1"):
            MIXED.from_block(index)


def test_relu_ised_changes_smooth_layers_only() -> None:
    layers = dense(3, [2, 3, 3, 1], [GELU("tanh"), SiLU(), Identity()])
    smooth = Network((Block(layers, LayerNorm.of(dim=2)),))
    changed = smooth.relu_ised()
    assert not smooth.is_piecewise_linear
    assert changed.is_piecewise_linear
    assert [layer.activation for layer in changed.layers] == [ReLU(), ReLU(), Identity()]
    assert all(
        a.weight is b.weight and a.bias is b.bias
        for a, b in zip(smooth.layers, changed.layers, strict=True)
    )
    assert changed.blocks[0].norm == smooth.blocks[0].norm
    assert MIXED.relu_ised() == MIXED
    with pytest.raises(NotPiecewiseLinear):
        smooth.affine_map(SplineCode.of([1] * 6, [3, 3]))


# ---- folding


def torch_net(
    seed: int, kind: str, dim: int, widths: Sequence[int]
) -> tuple[nn.Module, nn.Sequential]:
    torch.manual_seed(seed)
    norm: Any = nn.LayerNorm(dim, eps=0.01) if kind == "layernorm" else nn.RMSNorm(dim, eps=0.01)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(dim))
    sizes = [dim, *widths]
    layers: list[nn.Module] = []
    for before, after in zip(sizes, widths, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return norm.double(), nn.Sequential(*layers[:-1]).double()


def read(norm: Any, body: nn.Sequential, kind: str, residual: bool = False) -> Network:
    linear = [module for module in body if isinstance(module, nn.Linear)]
    activations = [ReLU()] * (len(linear) - 1) + [Identity()]
    layers = tuple(Layer.of(m.weight, m.bias, a) for m, a in zip(linear, activations, strict=True))
    made: type[Norm] = LayerNorm if kind == "layernorm" else RMSNorm
    return Network(
        (Block(layers, made.of(norm.eps, norm.weight, getattr(norm, "bias", None)), residual),)
    )


def normalised(x: Floats, kind: str, eps: float) -> Floats:
    centred = x - x.mean(1, keepdims=True) if kind == "layernorm" else x
    found: Floats = centred / np.sqrt((centred**2).mean(1, keepdims=True) + eps)
    return found


FOLDS = [
    (kind, seed, widths)
    for kind in ("layernorm", "rms")
    for seed, widths in enumerate([[5, 2], [6, 6, 3], [4, 3, 4, 2]])
]


@pytest.mark.parametrize(("kind", "seed", "widths"), FOLDS)
def test_folding_keeps_the_values_of_torch(kind: str, seed: int, widths: list[int]) -> None:
    """torch(x) = folded(P x / scale) for any eps; gain and bias are random."""
    norm, body = torch_net(seed, kind, 4, widths)
    x = np.random.default_rng(seed).normal(size=(32, 4)) * 3
    network = read(norm, body, kind)
    with torch.no_grad():
        expected = body(norm(torch.from_numpy(x))).numpy()
    np.testing.assert_allclose(network.forward_float(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        network.folded().forward_float(normalised(x, kind, 0.01)), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("kind", "seed", "widths"), FOLDS)
def test_folded_weights(kind: str, seed: int, widths: list[int]) -> None:
    """The first weight is W diag(gain) minus its row means (LayerNorm), exactly; the bias b + W
    beta; the rest as before.
    """
    network = read(*torch_net(seed, kind, 4, widths), kind)
    folded, norm, first = network.folded(), network.norms[0], network.layers[0]
    gain, beta = ([row[0] for row in column.tolist()] for column in (norm.gain, norm.bias))
    for row, old, b, new_b in zip(
        folded.layers[0].weight.tolist(),
        first.weight.tolist(),
        first.bias.tolist(),
        folded.layers[0].bias.tolist(),
        strict=True,
    ):
        scaled = [w * g for w, g in zip(old, gain, strict=True)]
        mean = sum(scaled) / 4 if kind == "layernorm" else 0
        assert row == [w - mean for w in scaled]
        assert kind == "rms" or sum(row) == 0
        assert new_b[0] == b[0] + sum(w * g for w, g in zip(old, beta, strict=True))
    assert folded.layers[1:] == network.layers[1:]
    assert not folded.has_norm


def test_folding_ignores_what_the_projection_kills() -> None:
    """Adding a constant to a row of W diag(gain) changes no fold behind LayerNorm."""
    weight, moved = [[1, -2, "1/3"], [0, 4, 1]], [[6, 3, "16/3"], [-1, 3, 0]]
    networks = [
        tensors.block(w, [1, 2], [[1, 1]], [0], norm="layernorm", eps=0) for w in (weight, moved)
    ]
    assert networks[0].folded() == networks[1].folded()


def test_folding_drops_blocks_in_front_and_the_skip() -> None:
    norm, body = torch_net(5, "rms", 4, [6, 4])
    plain, skipping = read(norm, body, "rms"), read(norm, body, "rms", residual=True)
    front = Block(dense(8, [2, 4], [Identity()]))
    assert Network((front, *skipping.blocks)).folded() == plain.folded()
    point = [Fraction(1), Fraction(-2), Fraction(3), Fraction(1, 2)]
    maps = [network.affine_at(point) for network in (plain, skipping)]
    assert [m.skip for m in maps] == [False, True]
    assert maps[0].matrix == maps[1].matrix
    assert maps[0].of == maps[1].of == "norm(x)"


@pytest.mark.parametrize("kind", ["layernorm", "rms"])
def test_affine_map_behind_a_norm_is_the_map_of_the_normalised_vector(kind: str) -> None:
    norm, body = torch_net(6, kind, 5, [7, 7, 3])
    network = read(norm, body, kind)
    for x in np.random.default_rng(6).normal(size=(8, 5)):
        matrix, offset = network.affine_at(x.tolist()).float64()
        with torch.no_grad():
            expected = body(norm(torch.from_numpy(x))).numpy()
        np.testing.assert_allclose(
            matrix @ normalised(x[None], kind, 0.01)[0] + offset, expected, rtol=1e-11, atol=1e-11
        )


def test_what_cannot_be_folded() -> None:
    norm, body = torch_net(7, "rms", 4, [4, 4])
    once, skipping = read(norm, body, "rms"), read(norm, body, "rms", residual=True)
    with pytest.raises(Unsupported, match="2 norms"):
        Network((*once.blocks, *once.blocks)).folded()
    later = Block(dense(9, [4, 3], [ReLU()]))
    with pytest.raises(Unsupported):
        Network((*skipping.blocks, later)).folded()
    with pytest.raises(InvalidInput, match="no norm"):
        MIXED.folded()


# ---- digests

BASE = tensors.block(
    [[1, 2], [3, 4]],
    [0.5, 0.25],
    [[1, -1], [2, 0]],
    [0, 1],
    norm="layernorm",
    gain=[1, 2],
    bias=[0, 1],
)


def with_block(**changes: Any) -> Network:
    return Network((replace(BASE.blocks[0], **changes),))


def with_layer(index: int, **changes: Any) -> Network:
    layers = list(BASE.blocks[0].layers)
    layers[index] = replace(layers[index], **changes)
    return with_block(layers=tuple(layers))


def with_norm(**changes: Any) -> Network:
    return with_block(norm=replace(BASE.norms[0], **changes))


def weight(*rows: list[object]) -> Network:
    return with_layer(0, weight=RationalMatrix.from_rationals(rows))


CHANGES: dict[str, Callable[[], Network]] = {
    "weight": lambda: weight([1, 2], [3, 5]),
    "weight beyond float64": lambda: weight([1, 2], [3, 4 + Fraction(1, 10**30)]),
    "bias": lambda: with_layer(1, bias=RationalMatrix.from_rationals([0, 2])),
    "activation": lambda: with_layer(0, activation=AbsoluteValue()),
    "leaky": lambda: with_layer(0, activation=LeakyReLU()),
    "other slope": lambda: with_layer(0, activation=LeakyReLU("1/100")),  # type: ignore[arg-type]
    "hard tanh": lambda: with_layer(0, activation=HardTanh()),
    "other bounds": lambda: with_layer(0, activation=HardTanh(hi=q(2))),
    "gelu": lambda: with_layer(0, activation=GELU()),
    "gelu tanh": lambda: with_layer(0, activation=GELU("tanh")),
    "last activation": lambda: with_layer(1, activation=ReLU()),
    "residual": lambda: with_block(residual=True),
    "no norm": lambda: with_block(norm=None),
    "rms": lambda: with_block(norm=RMSNorm.of(1e-5, [1, 2], [0, 1])),
    "eps": lambda: with_norm(eps=q(Fraction(1, 100000))),
    "eps rule": lambda: with_norm(eps_rule="std"),
    "gain": lambda: with_norm(gain=RationalMatrix.from_rationals([1, 3])),
    "norm bias": lambda: with_norm(bias=RationalMatrix.from_rationals([1, 1])),
    "two blocks": lambda: Network(
        (replace(BASE.blocks[0], layers=BASE.layers[:1]), Block(BASE.layers[1:]))
    ),
    "rows swapped": lambda: weight([3, 4], [1, 2]),
}


def test_every_change_changes_the_digest() -> None:
    digests = {name: change().sha256 for name, change in CHANGES.items()} | {"base": BASE.sha256}
    assert len(set(digests.values())) == len(digests)


def test_equal_networks_have_equal_digests_whatever_their_storage() -> None:
    first = torch.tensor([[1, 2], [3, 4]], dtype=torch.bfloat16), np.array([0.5, 0.25], np.float32)
    second = [[1, -1], [2, 0]], ["0", "1"]
    same = tensors.block(
        *first, *second, norm="layernorm", gain=[Fraction(1), 2], bias=np.array([0, 1]), eps=1e-5
    )
    assert same.sha256 == BASE.sha256
    assert same == BASE
    assert len(BASE.sha256) == 64
