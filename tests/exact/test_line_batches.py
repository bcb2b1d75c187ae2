"""Batches of lines: each is what `partition` makes of it, ties included, to the last crossing."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exact import (
    GELU,
    AbsoluteValue,
    Block,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Line,
    Network,
    Norm,
    NotPiecewiseLinear,
    Ray,
    ReLU,
    RMSNorm,
    Segment,
    TooLarge,
    partition,
    partition_lines,
)
from exact.check import Status
from exact.geometry.pencils.positions import position_float
from exact.regions.arcs.lines import batches, columns
from exact.sources import tensors
from tests.exact.own_parts import Contrast

RULES: tuple[Any, ...] = ("var", "std")
DOMAINS: dict[str, Any] = {"segment": Segment, "ray": Ray, "line": Line}
ACTIVATIONS = (ReLU(), HardTanh("-1/3", 2), LeakyReLU("1/4"), AbsoluteValue())


def network(seed: int, widths: list[int], norm: Norm | None = None, **parts: Any) -> Network:
    """Small integers (ties, copies, dead neurons) or float32 weights."""
    generator = np.random.default_rng(seed)
    layers = []
    for before, width in itertools.pairwise(widths):
        if parts.get("integers"):
            weight: Any = generator.integers(-2, 3, (width, before))
            bias: Any = generator.integers(-2, 3, width)
        else:
            weight = generator.normal(size=(width, before)).astype(np.float32)
            bias = generator.normal(size=width).astype(np.float32)
        layers.append(Layer.of(weight, bias, parts.get("activation", ReLU())))
    last = Layer.of(np.ones((parts.get("out", 1), widths[-1])))
    return Network((Block((*layers, last), norm),))


def agrees(net: Network, p: Any, q: Any, kind: Any) -> batches.LineBatch:
    """The batch, every line of which is compared with its partition."""
    batch = partition_lines(net, p, q, kind=kind)
    for i in range(len(p)):
        alone = partition(net, DOMAINS[kind](list(p[i]), list(q[i])))
        made = batch[i]
        assert made.digest == alone.digest == batch.codes(i).digest()
        assert batch.cell_counts[i] == len(alone) == len(made)
        expected = [(c.hinges, c.undefined) for c in alone.crossings if not c.tangent]
        assert [(c.hinges, c.undefined) for c in made.crossings if not c.tangent] == expected
        points = [position_float(alone.frame, cut.direction) for cut in alone.cells.cuts[1:-1]]
        assert [position_float(made.frame, c.direction) for c in made.cells.cuts[1:-1]] == points
        sizes = [len(hinges) for hinges, _ in expected]
        near, bound = batch.alphas_float(i), batch.alphas_bound(i)
        assert np.all(np.abs(near - np.repeat(points, sizes)) <= bound)
    return batch


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_small_integers_to_the_last_crossing(data: st.DataObject) -> None:
    norms = (None, LayerNorm, RMSNorm, Contrast)
    kind = data.draw(st.sampled_from(sorted(DOMAINS)))
    cls, eps = data.draw(st.sampled_from(norms)), data.draw(st.sampled_from([0, "1/10", 1e-5]))
    rule, activation = (data.draw(st.sampled_from(RULES)), data.draw(st.sampled_from(ACTIVATIONS)))
    norm = None
    if cls is not None:
        norm = cls.of(eps, gain=[1, -2, "1/3"], bias=[0, 1, "1/3"], eps_rule=rule)
    widths = data.draw(st.sampled_from([[3, 7], [3, 4, 4], [3, 4, 3, 3]]))
    seed = data.draw(st.integers(0, 10**6))
    net = network(seed, widths, norm, integers=True, activation=activation)
    generator = np.random.default_rng(seed)
    p, q = generator.integers(-3, 4, (2, 2, 3)).tolist()
    for start, end in zip(p, q, strict=True):
        end[0] += 7 * (end == (start if kind == "segment" else [0, 0, 0]))
    if norm is not None and eps == 0:
        p, q = [[5, 0, 1], [1, 2, 4]], [[1, 3, 9], [2, 7, 1]]
    agrees(net, p, q, kind)


@pytest.mark.parametrize("kind", DOMAINS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("norm", ["none", "var", "std", "zero", "rms"])
def test_floats_are_proved_by_the_filter(norm: str, kind: str, activation: Any) -> None:
    generator = np.random.default_rng(3)
    parts: dict[str, Any] = {"gain": generator.normal(size=5), "bias": generator.normal(size=5)}
    made = {
        "none": None,
        "var": LayerNorm.of("1/10", **parts),
        "std": LayerNorm.of("1/10", eps_rule="std", **parts),
        "zero": LayerNorm.of(0, **parts),
        "rms": RMSNorm.of(1e-5, **parts),
    }[norm]
    for widths in ([5, 20], [5, 8, 7, 6]):
        net = network(5, widths, made, activation=activation)
        if norm == "zero" and len(widths) > 2:
            continue
        batch = agrees(net, generator.normal(size=(3, 5)), generator.normal(size=(3, 5)), kind)
        assert batch.decisions["filter"] > 0
        saturates = isinstance(activation, HardTanh) and len(widths) > 2 and made is None
        if kind == "segment" or not saturates:  # else hinges are constant towards infinity
            assert batch.decisions["settled lines"] == 0


@pytest.mark.parametrize("norm", ["none", "var"])
@pytest.mark.parametrize("kind", sorted(DOMAINS))
def test_every_partition_of_a_batch_passes_its_check(norm: str, kind: str) -> None:
    placed = None if norm == "none" else LayerNorm.of("1e-5", dim=4)
    net = network(7, [4, 9, 7], placed)
    generator = np.random.default_rng(3)
    p, q = generator.normal(size=(2, 6, 4))
    batch = partition_lines(net, p, q, kind=kind)  # type: ignore[arg-type]
    for made in batch:
        assert made.check().status is Status.COMPLETE


def test_hinges_that_a_line_crosses_twice() -> None:
    """Behind a norm a hinge that is on at both ends may be off between: nearly all here are."""
    weight = [[1, 0, 0, 0], [1, 0, 0, 0.25], [-1, 0, 0, 0]]
    net = tensors.block(weight, [0, 0, 0.9], [[1, 1, 1]], [0], norm="rms", eps=1e-3)
    found = partition_lines(net, [[3, -9, 1, 0]], [[3, 9, 1, 0]])
    assert found.rows.tolist() == [2, 2]
    assert found.decisions == {"filter": 2, "exact": 0, "settled lines": 0}
    agrees(net, [[3, -9, 1, 0], [3, -9, 1, 1]], [[3, 9, 1, 0], [3, 9, 1, 2]], "segment")


def test_skips_and_blocks() -> None:
    generator = np.random.default_rng(4)
    hidden = Layer.of(generator.normal(size=(6, 4)), generator.normal(size=6), ReLU())
    out = Layer.of(generator.normal(size=(4, 6)), generator.normal(size=4))
    block = Block((hidden, out), residual=True)
    whole = Network((block, block, block))
    assert columns.is_filtered(whole)
    batch = agrees(whole, generator.normal(size=(3, 4)), generator.normal(size=(3, 4)), "segment")
    assert batch.decisions["settled lines"] == 0
    behind = Network((Block((hidden, out), LayerNorm.of(dim=4)),) * 2)
    assert not columns.is_filtered(behind)
    ends = generator.normal(size=(2, 2, 4))
    assert agrees(behind, ends[0], ends[1], "segment").decisions["filter"] > 0


def test_ties_are_left_to_exact_algebra() -> None:
    net = tensors.mlp([([[1, 1], [1, 1], [2, 1]], [0, 0, 0]), ([[1, 1, -1]], [0]), ([[1]], [0])])
    batch = agrees(net, [[-1, -2], [-1, 1]], [[2, 3], [1, 1]], "segment")
    assert batch.decisions["settled lines"] == 2
    assert pickle.loads(pickle.dumps(batch)) == batch
    agrees(net, [["1/3", "-1/7"]], [["1/3", 2]], "ray")


def test_a_sign_that_floats_lose_is_no_sign() -> None:
    """At its start the hinge is 2^-60, and 0 in any float sum of 1, 2^-60 and -1 in that order."""
    net = tensors.mlp([([[1, 1, -1]], [0]), ([[1]], [0])])
    agrees(net, [[1, 2.0**-60, 1]], [[0, 0, 1]], "segment")


def test_chunks_and_splits_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(1, [4, 16, 16])
    p, q = np.random.default_rng(2).normal(size=(2, 40, 4))
    whole = partition_lines(net, p, q)
    monkeypatch.setattr(batches, "_AT_ONCE", {"cpu": 160})
    monkeypatch.setattr(batches, "_MOST", {"cpu": 300})
    assert partition_lines(net, p, q) == whole
    assert repr(whole).startswith("<40 segments, ")
    assert pickle.loads(pickle.dumps(whole)) == whole


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"kind": "arc"}, "arc"),
        ({"q": [[1, 2, 3]]}, "(2, 2) and (1, 3)"),
        ({"q": [[0, 1], [1, 2]]}, "direction 0"),
        ({"q": [[0, 0], [1, 2]], "kind": "ray"}, "direction 0"),
        ({"device": "tpu"}, "tpu"),
        ({"limit": -1}, "-1"),
        ({"q": [[0, float("nan")], [1, 2]]}, "nan"),
    ],
)
def test_bad_input(given: dict[str, Any], value: str) -> None:
    net = network(1, [2, 3])
    with pytest.raises(InvalidInput) as caught:
        partition_lines(net, **{"p": [[0, 1], [2, 3]], "q": [[1, 1], [4, 4]], **given})
    assert value in str(caught.value)


def test_more_than_there_is_room_for_and_smooth_activations() -> None:
    net = network(1, [2, 30])
    with pytest.raises(TooLarge):
        partition_lines(net, [[-9, -9]], [[9, 8]], limit=2)
    smooth = tensors.block(np.eye(2), [0, 0.5], np.eye(2), [0, 0], activation=GELU())
    assert partition_lines(smooth, [[-1, -1]], [[1, 2]]).rows.tolist() == [1, 0]
    with pytest.raises(NotPiecewiseLinear):
        partition_lines(Network(smooth.blocks * 2), [[-1, -1]], [[1, 2]])


@pytest.mark.gpu
def test_on_a_gpu_as_on_a_cpu() -> None:
    net = network(1, [6, 32, 32], LayerNorm.of("1/100", dim=6))
    p, q = np.random.default_rng(2).normal(size=(2, 20, 6))
    assert partition_lines(net, p, q, device="cuda") == partition_lines(net, p, q)


@pytest.mark.parametrize("kind", DOMAINS)
def test_lines_through_a_point_that_the_norm_does_not_see(kind: Any) -> None:
    """At eps = 0 the code jumps there: an undefined crossing, and cells on both sides."""
    net = tensors.block(
        [[1, -2, 0, 1], [0, 3, 1, -1], [2, 2, 2, 2]], [1, 0, 0], [[1] * 3], [0], "layernorm", eps=0
    )
    p = np.array([[1.0, 2, -1, 0], [3.0, 0, 0, 5]])
    batch = agrees(net, p, -3 * p, kind)
    assert all(sum(c.undefined for c in part.crossings) == 1 for part in batch)
    assert batch.cell_counts.tolist() == [2, 2] or (batch.cell_counts > 2).any()
    with pytest.raises(InvalidInput, match="undefined along"):
        partition_lines(net, np.ones((1, 4)), -3 * np.ones((1, 4)), kind=kind)
