"""Soft codes and changes of maps against what torch and exact maps say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, ndtr

from exact import (
    GELU,
    Block,
    InvalidInput,
    Layer,
    LayerNorm,
    Network,
    ReLU,
    SiLU,
    map_change,
    soft_codes,
)
from exact.sources import tensors

DRAW = np.random.default_rng(0)
W, B, V = DRAW.normal(size=(5, 4)), DRAW.normal(size=5), DRAW.normal(size=(4, 5))
GAIN, SHIFT = DRAW.normal(size=4) + 1, DRAW.normal(size=4)


def network(activation: object) -> Network:
    return Network(
        (Block((Layer.of(W, B, activation), Layer.of(V)), LayerNorm.of(0.01, GAIN, SHIFT)),)
    )


@pytest.mark.parametrize(("activation", "gate"), [(GELU(), ndtr), (SiLU(), expit)])
def test_gates_and_gap_against_torch(activation: object, gate: object) -> None:
    x = DRAW.normal(size=(20, 4))
    found = soft_codes(network(activation), x)
    y = torch.nn.functional.layer_norm(
        torch.from_numpy(x), (4,), torch.from_numpy(GAIN), torch.from_numpy(SHIFT), 0.01
    )
    z = (y @ torch.from_numpy(W).T + torch.from_numpy(B)).numpy()
    assert np.abs(found.gates_float - gate(z)).max() < 1e-12
    gap = (z * gate(z) - np.maximum(z, 0)) @ V.T
    assert np.abs(found.relu_gap_float - np.linalg.norm(gap, axis=1)).max() < 1e-12
    assert found.band_float(0.5) == pytest.approx((np.abs(z) < 0.5).mean(axis=1))
    g = gate(z)
    entropy = -(g * np.log2(g) + (1 - g) * np.log2(1 - g)).mean(axis=1)
    assert found.entropy_float == pytest.approx(entropy)
    assert len(found.to_pandas()) == 20


def test_hard_codes_have_no_entropy_and_no_gap() -> None:
    found = soft_codes(network(ReLU()), DRAW.normal(size=(7, 4)))
    assert not found.entropy_float.any() and not found.relu_gap_float.any()
    with pytest.raises(InvalidInput, match="band"):
        found.band_float(-1)


def test_one_flip_is_one_outer_product_whatever_the_gauge() -> None:
    net = network(ReLU())
    a, b = net.code([1, 2, -1, 0.5]), net.code([-1, 0.25, 2, 0])
    found = map_change(net, a, b)
    flips = [h.neuron for h in found.flipped]
    sign = np.array([1.0 if b.bits[j] else -1.0 for j in flips])
    p = np.eye(4) - 0.25
    wanted = (V[:, flips] * sign) @ (W[flips] * GAIN) @ p
    assert np.abs(found.matrix.float64() - wanted).max() < 1e-12
    assert found.rank == np.linalg.matrix_rank(wanted)
    assert found.singular_values_float == pytest.approx(
        np.linalg.svd(wanted, compute_uv=False), abs=1e-12
    )
    # a part of W that P kills changes nothing
    shifted = Network(
        (
            Block(
                (Layer.of(W + np.ones(4) / GAIN, B - (SHIFT / GAIN).sum(), ReLU()), Layer.of(V)),
                net.norms[0],
            ),
        )
    )
    moved = map_change(shifted, a, b)
    assert np.abs(moved.matrix.float64() - found.matrix.float64()).max() < 1e-12


def test_equal_codes_change_nothing() -> None:
    net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 2]], [0])])
    found = map_change(net, net.code([1, 1]), net.code([2, 3]))
    assert found.rank == 0 and found.flipped == () and not found.singular_values_float.any()
