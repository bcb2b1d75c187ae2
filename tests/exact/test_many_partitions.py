"""Many networks on one domain: each as alone, failures told, budgets shared, threads."""

from __future__ import annotations

import pickle
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
import pytest

from exact import (
    GELU,
    Box,
    Budget,
    GreatCircle,
    InvalidInput,
    Network,
    NotPiecewiseLinear,
    Outcome,
    RealSpace,
    Segment,
    Sphere,
    TooLarge,
    Unsupported,
    partition,
    partition_many,
)
from exact.errors import ExactlensError
from exact.geometry.domains.base import Domain
from exact.instruments.batches import many_partitions
from exact.sources import tensors

UNIT = Box(-1, 1, dim=2)


def net(seed: int, widths: tuple[int, ...] = (6, 5), inputs: int = 2) -> Network:
    draw, sizes = np.random.default_rng(seed), [inputs, *widths, 1]
    layers = [(draw.normal(size=(b, a)), draw.normal(size=b)) for a, b in pairwise(sizes)]
    return tensors.mlp(layers)


def degenerate(seed: int) -> Network:
    draw = np.random.default_rng(seed).integers
    layers = [(draw(-2, 3, (4, 2)), draw(-2, 3, 4)), (draw(-2, 3, (3, 4)), draw(-2, 3, 3))]
    return tensors.mlp([*layers, ([[1, 1, 1]], None)])


@pytest.mark.parametrize(
    "domain, inputs",
    [
        (UNIT, 2),
        (RealSpace(2), 2),
        (Box(-1, 1, dim=3), 3),
        (Segment([-1, 0], [1, 1]), 2),
        (GreatCircle([1, 0], [0, 1], radius_squared=2), 2),
        (Sphere(radius_squared=1), 3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("threads", [1, 3])
def test_each_is_its_own_partition(domain: Domain, inputs: int, threads: int) -> None:
    many = [net(seed, (5, 3), inputs) for seed in range(5)]
    if inputs == 2:
        many += [degenerate(seed) for seed in range(4)]
    batch = partition_many(iter(many), domain, threads=threads, adjacency=True)
    assert batch.complete and len(batch) == len(many) and not batch.failures
    for found, network in zip(batch, many, strict=True):
        alone = partition(network, domain)
        assert found == alone and found.engine == alone.engine
        assert found.neighbours().tolist() == alone.neighbours().tolist()
    assert batch.cell_counts.tolist() == [len(partition(one, domain)) for one in many]


def test_adjacency_is_made_when_asked_for() -> None:
    for wanted in (False, True):
        (found,) = partition_many([net(0)], UNIT, adjacency=wanted)
        assert ("adjacency" in vars(found)) == wanted


def test_a_failure_is_told_and_costs_the_others_nothing() -> None:
    smooth = tensors.mlp([([[1, 2]], [0]), ([[1]], [0]), ([[1]], [0])], GELU())
    normed = tensors.block([[1, 2], [2, 1]], [0, 1], [[1, 1]] * 2, None, norm="rms")
    given: list[Any] = [net(0), smooth, net(1, (3,), 3), 7, normed, net(2)]
    batch = partition_many(given, UNIT)
    kinds = {k: type(failure) for k, failure in batch.failures.items()}
    assert kinds == {1: NotPiecewiseLinear, 2: InvalidInput, 3: InvalidInput, 4: Unsupported}
    assert not batch.complete and batch[0] == partition(given[0], UNIT)
    assert batch[-1] == partition(given[5], UNIT)
    with pytest.raises(InvalidInput, match="network"):
        batch[3]
    with pytest.raises(IndexError, match="network 6 of 6"):
        batch[6]
    assert repr(batch).endswith("4 failed>") and batch.cell_counts[1] == 0
    table = batch.columns()
    assert table["outcome"].tolist() == ["complete", *["failed"] * 4, "complete"]
    assert table["told"][3] == str(batch.failures[3]) and table["cells"][0] == len(batch[0])


def test_a_limit_is_of_each_and_an_engine_of_all() -> None:
    batch = partition_many([net(0), net(1, (1,))], UNIT, limit=5, engine="lp_tree")
    assert isinstance(batch.failures[0], TooLarge) and batch[1].engine == "lp_tree"


def test_a_budget_bounds_all_together() -> None:
    many = [net(seed) for seed in range(4)]
    counts = [len(partition(one, UNIT)) for one in many]
    most = counts[0] + counts[1] // 2
    for threads in (1, 2):
        batch = partition_many(many, UNIT, budget=Budget(regions=most), threads=threads)
        assert batch.cell_counts.tolist() == [counts[0], counts[1] // 2, 0, 0]
        assert batch[0].outcome is Outcome.COMPLETE
        assert batch[1].outcome is Outcome.BUDGET_REACHED and not batch.complete
        assert [type(x) for x in batch.failures.values()] == [TooLarge, TooLarge]
    assert "network 2" in str(batch.failures[2])
    assert partition_many(many, UNIT, budget=Budget(regions=sum(counts) + 1)).complete
    assert list(partition_many(many, UNIT, budget=Budget(seconds=0)).failures) == [0, 1, 2, 3]
    assert partition_many(many, UNIT, budget=Budget(seconds=60, bytes=inf), threads=2).complete


def test_bytes_that_earlier_networks_took_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([0, 10, 10**9])
    monkeypatch.setattr(many_partitions, "resident_bytes", lambda: next(sizes))
    batch = partition_many([net(0), net(1)], UNIT, budget=Budget(bytes=10**8))
    assert list(batch.failures) == [1] and "budget" in str(batch.failures[1])


def test_progress_counts_networks() -> None:
    told = list[int]()
    given: list[Any] = [net(0), "none", net(1)]
    partition_many(given, UNIT, progress=told.append)
    assert told == [1, 2, 3]


def test_defects_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(many_partitions, "partition", broken)
    with pytest.raises(ZeroDivisionError):
        partition_many([net(0)], UNIT)


@pytest.mark.parametrize(
    "networks, domain, options",
    [
        (net(0), UNIT, {}),
        (None, UNIT, {}),
        ([], "box", {}),
        ([net(0)], UNIT, {"threads": 0}),
        ([net(0)], UNIT, {"threads": 1.5}),
    ],
)
def test_bad_input_is_named(networks: Any, domain: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        partition_many(networks, domain, **options)


def test_no_network_and_pickles() -> None:
    empty = partition_many([], UNIT)
    assert len(empty) == 0 and empty.complete and repr(empty) == "<0 networks, 0 cells>"
    given: list[Any] = [net(0), "none"]
    batch = partition_many(given, UNIT)
    again = pickle.loads(pickle.dumps(batch))
    assert again[0] == batch[0] and isinstance(again.failures[1], ExactlensError)
