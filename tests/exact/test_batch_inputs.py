"""What the instruments of batches take for rows, and what they refuse in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from exact import (
    GELU,
    Block,
    Box,
    HardTanh,
    InvalidInput,
    Layer,
    Network,
    ReLU,
    Sphere,
    codes_in_precision,
    expected_crossings,
    firing_shares,
    hamming,
    joint_counts,
    map_change,
    nearest_boundaries,
    neighbourhood,
    neuron_status,
    pair_logic,
    partition,
    partition_circles,
    partition_lines,
    region_events,
    rotations,
    soft_codes,
    steering,
)
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.comparisons.eps_comparison import compare_eps
from exact.instruments.comparisons.side_by_side import side_by_side
from exact.instruments.counting import region_count, sphere_cell_count
from exact.instruments.critical_radii import critical_radii, flip_caps
from exact.instruments.decision.ties import tied
from exact.sources import tensors

NET = tensors.mlp([(np.eye(2), [0, 0]), (np.ones((1, 2)), [0])])
WIDER = tensors.mlp([(np.eye(3), [0, 0, 0]), (np.ones((1, 3)), [0])])
DEEP = tensors.mlp([(np.eye(2), [0, 0]), (np.eye(2), [0, 0]), (np.ones((1, 2)), [0])])
GATED = tensors.gated_mlp(
    np.eye(2), np.eye(2), np.ones((1, 2)), activation=ReLU(), norm="rms", eps=1
)
ROW = np.array([[1.0, 2.0]])
ASKED: dict[str, Any] = {
    "codes_in_precision": lambda net: codes_in_precision(net, ROW, "bf16"),
    "compare_eps": compare_eps,
    "critical_radii": lambda net: critical_radii(net, [1, 2]),
    "critical_radii_float": lambda net: critical_radii_float(net, ROW),
    "expected_crossings": expected_crossings,
    "firing_shares": firing_shares,
    "flip_caps": flip_caps,
    "joint_counts": lambda net: joint_counts(net, ROW),
    "nearest_boundaries": lambda net: nearest_boundaries(net, ROW),
    "neighbourhood": lambda net: neighbourhood(net, [1, 2]),
    "neuron_status": lambda net: neuron_status(net, Sphere()),
    "pair_logic": pair_logic,
    "partition": lambda net: partition(net, Sphere()),
    "partition_circles": lambda net: partition_circles(net, ROW, ROW[:, ::-1]),
    "partition_lines": lambda net: partition_lines(net, ROW, -ROW),
    "region_count": lambda net: region_count(net, Box(-1, 1, dim=2)),
    "region_events": lambda net: region_events(net, net, Box(-1, 1, dim=2)),
    "rotations": lambda net: rotations(net, ROW, ROW[:, ::-1]),
    "side_by_side": lambda net: side_by_side(net, net),
    "soft_codes": lambda net: soft_codes(net, ROW),
    "sphere_cell_count": sphere_cell_count,
    "steering": lambda net: steering(net, ROW, -ROW, alphas=(0, 1)),
    "tied": tied,
}
STRAIGHT = tensors.mlp([([[1, 2]], [0])])


@pytest.mark.parametrize("name", ASKED)
def test_a_gated_mlp_is_told_to_give_its_gate(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"not a network; got GatedMLP; take its \.gate: codes"):
        ASKED[name](GATED)
    with pytest.raises(InvalidInput, match=r"not a network; got str; read it first, see exact.sou"):
        ASKED[name]("gpt2")


PLAIN = tensors.mlp([([[1, 2], [1, -1]], [0, 1]), ([[1, 1]], [0])])
OTHER = np.array([[5.0, 0.0], [3.0, 1.0]])
READERS: dict[str, Any] = {
    "codes": lambda x: PLAIN.codes(x).bits.tolist(),
    "codes_in_precision": lambda x: codes_in_precision(PLAIN, x, "fp32").exact.bits.tolist(),
    "forward_float": lambda x: PLAIN.forward_float(x).tolist(),
    "hidden_float": lambda x: PLAIN.hidden_float(x)[0].tolist(),
    "joint_counts": lambda x: joint_counts(PLAIN, x)["both_on"].tolist(),
    "nearest_boundaries": lambda x: nearest_boundaries(PLAIN, x).distances_float.tolist(),
    "neuron_status": lambda x: repr(neuron_status(PLAIN, x)),
    "partition_lines": lambda x: partition_lines(PLAIN, x, OTHER).rows.tolist(),
    "rotations": lambda x: rotations(PLAIN, x, OTHER, radius_squared=1).angles_float.tolist(),
    "soft_codes": lambda x: soft_codes(PLAIN, x).pre_activations_float.tolist(),
    "steering": lambda x: steering(PLAIN, x, OTHER).alphas_float.tolist(),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reader", READERS)
def test_data_frames_and_arrays_of_text_are_read_as_their_numbers(reader: str) -> None:
    ask, whole = READERS[reader], [[1, 3], [2, -4]]
    expected = ask(np.array(whole, dtype=np.float64))
    table = pd.DataFrame(whole)
    locked = np.array(whole, dtype=np.float64)
    locked.flags.writeable = False
    for given in (table, table.astype("Float64"), table.astype("Int8"), table.astype(str), locked):
        assert ask(given) == expected
    assert ask(table.astype({0: "float32"})) == ask(np.array(whole)) == expected
    assert ask(np.array([["1", "3"], ["4/2", "-4"]])) == expected
    thirds = pd.DataFrame({"a": ["1/3", "2"], "b": ["0.1", "-4"]})
    assert ask(thirds) == ask([["1/3", "1/10"], [2, -4]])
    gaps = table.astype("Float64")
    gaps.iloc[1, 0] = None
    with pytest.raises(InvalidInput, match=r"\[1, 0\] is not a rational number; got <NA>"):
        ask(gaps)


def test_rows_that_are_kept_say_why_in_one_way() -> None:
    """Errors as they would have been raised, by row, or row and direction."""
    net = tensors.block(np.eye(3), [0, 1, 2], [[1] * 3], [0], norm="layernorm", eps=0)
    rows = np.array([[1.0, 2, 4], [np.nan, 0, 0], [2.0, 2, 2], [1.0, np.inf, 0]])
    near = nearest_boundaries(net, rows, errors="keep")
    turned = rotations(net, rows, [[1, -1, 0]] * 4, errors="keep")
    moved = steering(net, rows, rows, errors="keep")
    codes = net.codes(rows, errors="keep")
    assert list(near.failures) == list(turned.failures) == list(codes.failures) == [1, 2, 3]
    assert list(moved.failures) == [(1, 1), (2, 2), (3, 3)]
    for found in (near, turned, moved, codes):
        for key, why in found.failures.items():
            row = key if isinstance(key, int) else key[0]
            assert isinstance(why, InvalidInput) and f" {row} of " in f"{why} "
            assert ("not finite" in str(why)) == (row != 2) and why.remedy
    assert near.neurons[0, 0] >= 0 and set(near.neurons[1:, 0].tolist()) == {-1}
    assert repr(near).endswith("k = 1, 3 refused>")
    assert nearest_boundaries(net, rows[:1]).failures == {}


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
