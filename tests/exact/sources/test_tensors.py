"""Networks from plain arrays."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from exact import AbsoluteValue, HardTanh, Identity, InvalidInput, LayerNorm, ReLU, RMSNorm
from exact.numbers import fraction
from exact.sources import tensors
from tests.exact.reference import exact_output

LAYERS = [([[1, -2], [3, 0], [0, "1/3"]], [0, -1, 2]), ([[1, 1, -1]], ["1/2"])]


def test_mlp_bends_every_layer_but_the_last() -> None:
    network = tensors.mlp([*LAYERS, ([[2]], None)])
    assert [layer.activation for layer in network.layers] == [ReLU(), ReLU(), Identity()]
    assert network.layers[2].bias.tolist() == [[0]]
    other = tensors.mlp(LAYERS, activation=AbsoluteValue(), last=HardTanh())
    assert [layer.activation for layer in other.layers] == [AbsoluteValue(), HardTanh()]


def test_mlp_is_its_formula() -> None:
    network = tensors.mlp(LAYERS)
    x, y = Fraction(2), Fraction(-1)
    hidden = [max(v, Fraction(0)) for v in (x - 2 * y, 3 * x - 1, y / 3 + 2)]
    expected = hidden[0] + hidden[1] - hidden[2] + Fraction(1, 2)
    assert exact_output(network, (x, y)) == network.affine_at((x, y))((x, y)) == (expected,)


def test_arrays_tensors_and_lists_are_the_same_network() -> None:
    weight, bias, out = [[0.5, -2.0], [3.0, 0.25]], [1.0, -1.5], [[1.0, 2.0]]
    short = partial(torch.tensor, dtype=torch.bfloat16, requires_grad=True)
    reads: tuple[Any, ...] = (list, np.array, torch.tensor, short)
    made = [tensors.mlp([(read(weight), read(bias)), (read(out), None)]) for read in reads]
    assert len({network.sha256 for network in made}) == 1


def test_errors_name_the_layer_and_the_entry() -> None:
    with pytest.raises(InvalidInput, match=r"layers\.1\.weight\[0, 2\] = nan"):
        tensors.mlp([(np.ones((3, 2)), np.ones(3)), (np.array([[1.0, 2.0, np.nan]]), [0.0])])
    with pytest.raises(InvalidInput, match=r"layers\.0\.bias\[1"):
        tensors.mlp([(np.ones((3, 2)), np.array([0.0, np.inf, 0.0])), (np.ones((1, 3)), [0.0])])
    with pytest.raises(InvalidInput, match=r"w_out\.weight\[0, 1\]"):
        tensors.block(np.ones((2, 2)), None, torch.tensor([[1.0, float("nan")]]), None)
    with pytest.raises(InvalidInput, match="at least one layer"):
        tensors.mlp([])


def test_block_without_norm() -> None:
    network = tensors.block([[1, 2], [0, 1]], [1, 0], [[1, 0], [1, 1]], [0, -1], residual=True)
    assert network.norms == ()
    assert network.blocks[0].residual
    assert network.affine_at((3, 4))((3, 4)) == (3 + 12, 4 + 12 + 4 - 1)


@pytest.mark.parametrize(("name", "kind"), [("layernorm", LayerNorm), ("rms", RMSNorm)])
@pytest.mark.parametrize("rule", ["var", "std"])
def test_block_with_norm(name: Any, kind: type, rule: Any) -> None:
    network = tensors.block(np.ones((3, 2)), None, np.ones((1, 3)), None, norm=name, gain=[1, "1/2"], bias=[0, 3], eps="1/7",
                            eps_rule=rule)  # fmt: skip
    (norm,) = network.norms
    assert type(norm) is kind
    assert (fraction(norm.eps), norm.eps_rule, norm.dim) == (Fraction(1, 7), rule, 2)
    assert [row[0] for row in norm.gain.tolist()] == [1, Fraction(1, 2)]
    assert [row[0] for row in norm.bias.tolist()] == [0, 3]
    assert fraction(tensors.block([[1, 2]], None, [[1]], None, norm=name).norms[0].eps) == Fraction(1e-5)


SENSELESS = [{"norm": "batch"}, {"gain": [1, 1]}, {"bias": [1, 1]}, {"norm": "rms", "gain": [1, 1, 1]},
             {"norm": "rms", "eps": -1}, {"norm": "rms", "eps_rule": "max"}]  # fmt: skip


@pytest.mark.parametrize("arguments", SENSELESS)
def test_blocks_that_make_no_sense(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        tensors.block([[1, 2]], [0], [[1]], [0], **arguments)
