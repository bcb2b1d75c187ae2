"""Steering: every crossing of x + alpha d, judged by the partition of the same segment."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from exact import (
    Block,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    MissingExtra,
    Network,
    Norm,
    ReLU,
    RMSNorm,
    Segment,
    partition,
    partition_lines,
    rational,
    steering,
)
from exact.instruments.batches.steering import Steering
from exact.regions.arcs.crossings import exact_parameter, sympy_rational
from exact.sources import tensors
from tests.exact.own_parts import Contrast

NORMS: tuple[Any, ...] = (None, LayerNorm, RMSNorm, Contrast)


def net_of(seed: int, hidden: list[int], norm: Norm | None, activation: Any) -> Network:
    generator, layers, before = np.random.default_rng(seed), list[Layer](), 3
    for width in hidden:
        weight = generator.integers(-2, 3, (width, before))
        layers.append(Layer.of(weight, generator.integers(-2, 3, width), activation))
        before = width
    return Network((Block((*layers, Layer.of(np.ones((1, before)))), norm),))


def enumerated(net: Network, x: list[int], d: list[int], low: Any, high: Any) -> list[Any]:
    """(exact alpha, layer, neuron, breakpoint, on) of all crossings, by `partition`."""
    ends = [[a + rational(at) * b for a, b in zip(x, d, strict=True)] for at in (low, high)]
    whole = partition(net, Segment(*ends))
    start, found = sympy_rational(rational(low)), list[Any]()
    span = sympy_rational(rational(high) - rational(low))
    for k, crossing in enumerate(c for c in whole.crossings if not c.tangent):
        alpha = start + span * exact_parameter(whole.frame, whole.cells.cuts[k + 1].direction)
        after = whole.regions[k + 1].code.bits
        bits = [bool(after[net.hinges.index(hinge)]) for hinge in crossing.hinges]
        pairs = zip(crossing.hinges, bits, strict=True)
        found += [(str(alpha), *hinge, bit) for hinge, bit in pairs]
    return found


def listed(found: Steering, row: int) -> list[Any]:
    return [
        (
            str(found.exact(k)),
            int(found.layers[k]),
            int(found.neurons[k]),
            int(found.breakpoints[k]),
            bool(found.on[k]),
        )
        for k in range(len(found))
        if found.rows[k] == row
    ]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_crossing_is_that_of_the_partition(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(NORMS))
    rule: Any = data.draw(st.sampled_from(["var", "std"]))
    eps = data.draw(st.sampled_from(["1/10", 1e-5]))
    activation = data.draw(st.sampled_from([ReLU(), HardTanh("-1/3", 2)]))
    norm = None
    if cls is not None:
        norm = cls.of(eps, gain=[1, -2, "1/3"], bias=[0, 1, "1/3"], eps_rule=rule)
    seed = data.draw(st.integers(0, 10**6))
    net = net_of(seed, data.draw(st.sampled_from([[6], [4, 4], [3, 3, 3]])), norm, activation)
    generator = np.random.default_rng(seed)
    x = generator.integers(-3, 4, (2, 3)).tolist()
    d = [[1, -1, 2], [2, 1, 0]]
    found = steering(net, x, d, alphas=("-7/3", 4))
    for row in range(2):
        assert listed(found, row) == enumerated(net, x[row], d[row], "-7/3", 4)
    assert np.all(found.alphas_bound < 1e-9)


def test_one_direction_all_pairs_and_blocks() -> None:
    net = net_of(3, [6], LayerNorm.of("1/10", dim=3), ReLU())
    x, d = [[1.0, -2.0, 0.5], [0.25, 1.0, 3.0]], [[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]]
    one = steering(net, x, d[0], alphas=(-9, 9))
    pairs = steering(net, x, d, alphas=(-9, 9), product=True, first_block=7)
    mine = pairs.directions == 0
    apart = np.abs(one.alphas_float - pairs.alphas_float[mine])  # sums in another order
    assert np.all(apart <= one.alphas_bound + pairs.alphas_bound[mine])
    assert set(pairs.blocks.tolist()) == {7}
    assert set(pairs.directions.tolist()) == {0, 1}
    two = Network(
        (*net_of(3, [6], None, ReLU()).blocks, *tensors.mlp([([[1]], [0]), ([[1]], [0])]).blocks)
    )
    found = steering(two, x, d, alphas=(-9, 9))
    assert np.array_equal(found.blocks, found.layers - 1)


def test_a_table() -> None:
    found = steering(net_of(3, [6], None, ReLU()), [[1, 2, 3]], [1, 0, -1], alphas=(-9, 9))
    table = found.to_pandas()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["row", "alpha", "alpha_bound", "block", "layer", "neuron", "on"]
    assert len(table) == len(found) > 0
    x, d = [[1, 2, 3]], [1, 0, -1]
    bent = net_of(3, [9], None, HardTanh(0, 1))
    both = steering(bent, x, d, alphas=(-9, 9), product=True).to_pandas()
    assert {"direction", "breakpoint"} <= {*both.columns}


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = steering(net_of(3, [6], None, ReLU()), [[1, 2, 3]], [1, 0, -1])
    with pytest.raises(MissingExtra, match="results"):
        found.to_pandas()


NAN = float("nan")


@pytest.mark.parametrize(
    ("x", "d", "parts", "wrong"),
    [
        ([[1.0, 2.0, 3.0]], [2.0, 2.0, 2.0], {}, "LayerNorm does not see direction 0"),
        ([[1.0, 2.0, 3.0]], [0.0, 0.0, 0.0], {}, "direction 0 of d is zero"),
        ([[1.0, 2.0, 3.0], [1.0, NAN, 0.0]], [1.0, 0.0, 0.0], {}, "row 1 of x is not finite"),
        ([[1.0, 2.0, 3.0]], [1.0, NAN, 0.0], {}, "row 0 of d is not finite"),
        ([[1.0, 2.0]], [1.0, 0.0, 0.0], {}, "x has another width"),
        ([[1, 2, 3]], [[1], [0]], {}, "d has another width"),
        ([[1, 2, 3]] * 3, [[1, 0, 0]] * 2, {}, "neither one direction nor one a row"),
        ([[1, 2, 3]], [1, 0, 0], {"alphas": (1, 1)}, "the range of alpha is empty"),
        ([[1, 2, 3]], [1, 0, 0], {"errors": "hush"}, "errors is neither"),
    ],
)
def test_bad_input(x: Any, d: Any, parts: dict[str, Any], wrong: str) -> None:
    net = net_of(3, [6], LayerNorm.of("1/10", dim=3), ReLU())
    with pytest.raises(InvalidInput, match=wrong):
        steering(net, x, d, **parts)


def test_bad_rows_are_kept_where_asked() -> None:
    net = net_of(3, [6], LayerNorm.of("1/10", dim=3), ReLU())
    x = [[1.0, 2.0, 3.0], [1.0, NAN, 0.0], [4.0, -2.0, 0.0]]
    d = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    found = steering(net, x, d, alphas=(-9, 9), errors="keep")
    assert {*found.failures} == {(1, 1), (2, 2)}
    assert found.failures[1, 1].wrong == "row 1 of x is not finite"
    assert set(found.rows.tolist()) == {0}
    assert listed(found, 0) == listed(steering(net, x[:1], d[:1], alphas=(-9, 9)), 0)


@pytest.mark.parametrize("eps", [0, 1])
def test_what_the_norm_does_not_see_is_one_cell_and_no_direction_to_steer_in(eps: int) -> None:
    """Far along the ones, whatever the start; twenty across them, neurons flip."""
    network = tensors.block([[1, 0, 2], [0, 1, 0]], [0, 0], [[1, 1]], [0], "layernorm", eps=eps)
    x, ones, across = np.array([[1.0, 4, 2], [-3, 0, 1]]), [1, 1, 1], [1, -1, 0]
    for step, crossed in ((100 * np.ones(3), False), (np.array([20.0, -20, 0]), True)):
        batch = partition_lines(network, x, x + step)
        assert ((batch.cell_counts > 1) == crossed).all()
        for i in range(2):
            assert batch[i].digest == partition(network, Segment(x[i], x[i] + step)).digest
    assert network.codes(x) == network.codes(x + 100)
    with pytest.raises(InvalidInput, match="LayerNorm does not see direction 0 of d"):
        steering(network, x, ones, alphas=(0, 100))
    kept = steering(network, x, [ones, across], alphas=(0, 20), product=True, errors="keep")
    assert kept.failures.keys() == {(0, 0), (1, 0)} and len(kept) > 0
    assert set(kept.directions.tolist()) == {1}
    if eps == 0:
        with pytest.raises(InvalidInput, match=r"line 0: the norm is undefined"):
            partition_lines(network, [ones], [[2, 2, 2]])
    else:
        assert partition_lines(network, [ones], [[2, 2, 2]]).cell_counts.tolist() == [1]


@pytest.mark.parametrize(
    "alphas",
    [(-1e308, 1e308), ("-1e400", "1e400"), (0, 1e300), (-1e15, 1e15), ("-1e-400", 2), (-3, 3)],
)
@pytest.mark.parametrize("norm", [None, "rms", "layernorm"])
def test_strengths_are_no_worse_in_a_range_that_is_much_wider(norm: Any, alphas: Any) -> None:
    """One zero of 2 (x + alpha) = 3 behind no norm; behind one it depends on eps."""
    net = tensors.block([[2, 0, 0], [1, 2, -3]], [-3, 0], [[1, 1]], [0], norm, eps=2)
    x = [[0, 1, -1], [0, 0, 0]]
    found = steering(net, x, [1, 0, 0], alphas=alphas)
    assert len(found) > 0 or alphas[0] == 0
    for k in range(len(found)):
        error = abs(sympy.N(found.exact(k) - sympy.Rational(found.alphas_float[k]), 60))
        assert error <= found.alphas_bound[k] <= 2.0**-10 * abs(found.alphas_float[k]) + 5e-324
    if norm is None:
        assert 1.5 in found.alphas_float[found.neurons == 0].tolist()


def test_a_strength_beyond_the_floats_is_infinite() -> None:
    net = tensors.mlp([([[1]], [0]), ([[1]], [0])])
    found = steering(net, [["-1e350"]], [1], alphas=(0, "1e400"))
    assert found.alphas_float.tolist() == [np.inf] and str(found.exact(0)) == "1" + 350 * "0"
    here = steering(net, [[0]], [1], alphas=("-1e400", "1e400"))
    assert here.alphas_float.tolist() == [0.0] and here.alphas_bound.tolist() == [5e-324]


def test_moved_rows_are_those_of_any_other_matrix() -> None:
    """Batches are compared by their ends, and pickled with them."""
    net, x, d = net_of(3, [6], None, ReLU()), np.array([[1.0, -2.0, 0.5]]), [0.25, 1.0, 3.0]
    found = steering(net, x, d, alphas=(0, 2)).lines
    same = partition_lines(net, x, x + 2 * np.array(d))
    assert found == same and hash(found) == hash(same)
    assert pickle.loads(pickle.dumps(found)) == same
    third = steering(net, x, d, alphas=("1/3", 1)).lines
    assert third.p.row(0) == [rational(a) + rational(b) / 3 for a, b in zip(x[0], d, strict=True)]
    assert pickle.loads(pickle.dumps(third)) == third != same
    low, error = third.p.float64(), third.p.float64_error()
    exact = np.array([[float(value) for value in third.p.tolist()[0]]])
    assert (np.abs(low - exact) <= error).all() and (error < 1e-14).all()
