"""What the instruments of batches take for rows, and what they refuse in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exact import (
    GELU,
    Block,
    HardTanh,
    InvalidInput,
    Layer,
    Network,
    codes_in_precision,
    hamming,
    map_change,
    nearest_boundaries,
    neuron_status,
    soft_codes,
    steering,
)
from exact.sources import tensors

NET = tensors.mlp([(np.eye(2), [0, 0]), (np.ones((1, 2)), [0])])
WIDER = tensors.mlp([(np.eye(3), [0, 0, 0]), (np.ones((1, 3)), [0])])
DEEP = tensors.mlp([(np.eye(2), [0, 0]), (np.eye(2), [0, 0]), (np.ones((1, 2)), [0])])
STRAIGHT = tensors.mlp([([[1, 2]], [0])])


def test_codes_of_other_networks_have_no_map() -> None:
    with pytest.raises(InvalidInput, match="not a code of all hidden layers"):
        NET.affine_map(WIDER.code([1, -1, 1]))
    with pytest.raises(InvalidInput, match="not a code of all hidden layers"):
        map_change(NET, WIDER.code([1, 1, 1]), WIDER.code([1, -1, 1]))
    with pytest.raises(InvalidInput, match="not a code of all hidden layers"):
        map_change(DEEP, DEEP.code([1, 1], (2, 2)), DEEP.code([1, -1], (2, 2)))
    with pytest.raises(InvalidInput, match="hidden layers of this network; got '11'"):
        map_change(NET, "11", "10")  # type: ignore[arg-type]


def test_soft_codes_stand_in_the_order_of_hinges() -> None:
    layer = Layer.of([[1], [1]], [0, 10], HardTanh())
    found = soft_codes(Network((Block((layer, Layer.of([[1, 1]]))),)), [[0.0]])
    assert found.gates_float.tolist() == [[1, 0, 1, 1]]
    assert found.pre_activations_float.tolist() == [[1, -1, 11, 9]]


@pytest.mark.parametrize("z", [5e-324, -5e-324, 1e-200, 0.0])
def test_tiny_gates_are_half_open(z: float) -> None:
    net = Network((Block((Layer.of([[1]], [0], GELU()), Layer.of([[1]]))),))
    found = soft_codes(net, [[z]])
    assert found.gates_float.tolist() == [[0.5]] and found.entropy_float.tolist() == [1.0]


def test_a_hull_beyond_the_floats_is_decided_exactly() -> None:
    net = tensors.mlp([([[1e300, 1e300], [-1, 0]], [0, 1]), (np.ones((1, 2)), [0])])
    found = neuron_status(net, np.array([[1e10, 1e10], [0, 0]])).to_pandas()
    assert len(found) == 2 and found["status"].tolist()[1] == "sometimes"


@pytest.mark.parametrize(
    "x",
    [
        [1, -1],
        ["1/3", "-1/3"],
        [[1, -1]],
        np.array([1.0, -1.0]),
        np.array([[True, False]]),
        torch.tensor([[1.0, -1.0]], dtype=torch.bfloat16),
        torch.tensor([[1.0, -1.0]], requires_grad=True),
    ],
)
def test_one_vector_is_one_row_of_any_kind(x: object) -> None:
    assert [str(NET.codes(x)[0]), len(NET.codes(x))] == ["10", 1]
    assert nearest_boundaries(NET, x).neurons.shape == (1, 1)
    assert np.atleast_2d(NET.hidden_float(x)[0]).shape == (1, 2)
    assert codes_in_precision(NET, x, "bf16").wrong_codes.tolist() == [0]


def test_columns_are_no_rows() -> None:
    with pytest.raises(InvalidInput, match="does not fit"):
        nearest_boundaries(WIDER, np.array([[1.0], [2.0], [3.0]]))


def test_bad_rows_of_nested_lists_are_kept_where_asked() -> None:
    nan = float("nan")
    found = NET.codes([[1, nan], [1, 2]], errors="keep")
    assert sorted(found.failures) == [0] and str(found[1]) == "11"
    assert len(nearest_boundaries(NET, [[1, nan], [1, 2]], errors="keep")) == 2
    for call in (NET.codes, lambda x: nearest_boundaries(NET, x)):
        with pytest.raises(InvalidInput, match=r"(X\[0\]|row 0)"):
            call([[1, nan], [1, 2]])


def test_networks_without_hinges_have_empty_codes() -> None:
    assert STRAIGHT.codes([[1, 2], [3, 4]]).packed.shape == (2, 0)
    for call in (nearest_boundaries, soft_codes, lambda n, x: codes_in_precision(n, x, "bf16")):
        with pytest.raises(InvalidInput, match="no hidden layer"):
            call(STRAIGHT, [[1, 2]])
    assert len(steering(STRAIGHT, [[1, 2]], [1, 0])) == 0


@pytest.mark.parametrize("alphas", [(1,), (0, 1, 2), None, 3, "01"])
def test_alphas_are_two(alphas: object) -> None:
    with pytest.raises(InvalidInput, match="alphas is no range"):
        steering(NET, [[1, 2]], [1, 0], alphas=alphas)  # type: ignore[arg-type]


def test_directions_are_vectors() -> None:
    with pytest.raises(InvalidInput, match="d has no vector"):
        steering(NET, [[1, 2]], [])
    assert len(steering(NET, [[-1, 2]], ["3", 0])) == 1


def test_what_is_no_codes_has_no_distance() -> None:
    with pytest.raises(InvalidInput, match="no codes; got list"):
        hamming(NET.codes([[1, 2]]), [[1, 2]])  # type: ignore[arg-type]
    assert NET.code([1, 2], (np.int64(1), np.int64(1))) == NET.code([1, 2])  # type: ignore[arg-type]
