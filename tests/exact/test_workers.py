"""Threads that share a job: what they find is the same to the last bit for any number of them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from exact import Box, Budget, InvalidInput, Network, Outcome, RealSpace, partition
from exact.arithmetic.enclosures.float_environment import flushes_subnormals
from exact.geometry.combinatorics import codes, dual_graph
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.domains.base import FlatDomain
from exact.geometry.workers import NAME, Workers
from exact.regions.polytopes.engines import edge_cutting, lp_tree
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors


def floats(*widths: int, seed: int = 0, bias: float = 0.5) -> Network:
    draw = np.random.default_rng(seed)
    layers = [(draw.normal(size=(m, n)), draw.normal(size=m) * bias) for n, m in pairwise(widths)]
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), None)])


def integers(*widths: int, seed: int = 0) -> Network:
    draw = np.random.default_rng(seed)
    layers = [
        (draw.integers(-2, 3, (m, n)).tolist(), draw.integers(-1, 2, m).tolist())
        for n, m in pairwise(widths)
    ]
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), None)])


def grid(dim: int, many: int) -> Network:
    """A layer of axis-parallel hinges, each twice, and one that all of them bend."""
    rows = [
        ([int(i == k) for i in range(dim)], Fraction(2 * j - many + 1, many))
        for k in range(dim)
        for j in range(many)
    ]
    rows += [([-2 * x for x in row], -2 * bias) for row, bias in rows]
    first = [row for row, _ in rows], [bias for _, bias in rows]
    second = [[1] * len(rows), [1, -1] * (len(rows) // 2)], [-1, 0]
    return tensors.mlp([first, second, ([[1, 1]], [0])])


JOBS: dict[str, tuple[Network, FlatDomain]] = {
    "generic": (floats(3, 9, 8), Box(-1, 1, dim=3)),
    "four dimensions": (floats(4, 7, 6), Box(-1, 1, dim=4)),
    "whole space": (floats(3, 6, 6), RealSpace(3)),
    "no bias": (floats(4, 7, bias=0.0), RealSpace(4)),
    "integers": (integers(3, 7, 6), Box(-2, 2, dim=3)),
    "integers in space": (integers(3, 6, 5, seed=4), RealSpace(3)),
    "grid": (grid(3, 3), Box(-1, 1, dim=3)),
}


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Ranges so small that small networks have many; yields the threads that cut some."""
    seen, cut = list[int](), edge_cutting.EdgeCutter._new_vertices

    def noted(cutter: Any, *given: Any) -> Any:
        seen.append(threading.get_ident())
        return cut(cutter, *given)

    monkeypatch.setattr(edge_cutting, "_RANGE", 6)
    monkeypatch.setattr(dual_graph, "_ROWS", 5)
    monkeypatch.setattr(codes, "_ROWS", 5)
    monkeypatch.setattr(codes, "_FEW", 10)
    monkeypatch.setattr(edge_cutting, "_BLOCK", 64)
    monkeypatch.setattr(edge_cutting.EdgeCutter, "_new_vertices", noted)
    yield seen


def listed(found: FlatPartition) -> dict[str, Any]:
    """The regions, bit for bit."""
    return {
        "digest": found.digest,
        "evidence": found.evidence,
        "decisions": found.decisions,
        "order": found.cells.codes.tolist(),
        "witnesses": [found.witness_of(i) for i in range(0, len(found), 7)],
    }


def told(found: FlatPartition) -> dict[str, Any]:
    """All that was found, bit for bit."""
    graph, cells = found.adjacency, found.cells
    return {
        **listed(found),
        "pairs": cells.pairs().tolist() if cells.pairs else None,
        "graph": [x.tolist() for x in (graph.indptr, graph.indices, graph.flipped.members)],
    }


@pytest.mark.parametrize("name", JOBS)
def test_any_number_of_threads_finds_the_same(name: str, small_ranges: list[int]) -> None:
    def by(threads: int) -> FlatPartition:
        found = partition(*JOBS[name], engine="skeleton", threads=threads)
        assert isinstance(found, FlatPartition) and found.outcome is Outcome.COMPLETE
        return found

    alone = told(by(1))
    assert set(small_ranges) == {threading.get_ident()}
    for threads in (2, 3, 8):
        small_ranges.clear()
        assert told(by(threads)) == alone
        assert threading.get_ident() not in small_ranges and len(set(small_ranges)) <= threads
    other = partition(*JOBS[name], engine="subdivision")
    assert other.digest == alone["digest"]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("width", "varying"), [(1, 1), (3, 2), (8, 8), (17, 9)])
def test_codes_are_put_in_order_by_any_number_of_threads(
    threads: int, width: int, varying: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "_FEW", 100)
    monkeypatch.setattr(codes, "_ROWS", 64)
    draw = np.random.default_rng(width)
    most = 256 if width < 8 else 3  # so that many agree in all but their last bytes
    rows = np.unique(draw.integers(0, most, (2500, width), dtype=np.uint8), axis=0)
    rows[:, varying:] = 7  # bytes that all codes share
    rows = draw.permutation(np.unique(rows, axis=0))
    with Workers(threads) as workers:
        found, place = codes.in_canonical_order(rows, workers)
        numbers = draw.integers(0, len(rows), (3 * len(rows), 2), dtype=np.int32)
        before = numbers.copy()
        codes.renumber(numbers, place, workers)
    assert len(rows) > 200 and found.tolist() == sorted(rows.tolist())
    assert np.array_equal(found[place], rows) and place.dtype == np.int32
    assert np.array_equal(found[numbers], rows[before])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("together", [1, 2], ids=["one flips", "some flip together"])
def test_graphs_are_made_by_any_number_of_threads(
    threads: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dual_graph, "_ROWS", 16)
    every = np.arange(2**8)
    bits = (every[:, None] >> np.arange(8)) & 1
    rows = np.packbits(np.concatenate([bits, *[bits[:, :3]] * (together - 1)], axis=1), axis=1)
    pairs = np.array([(i, i ^ (1 << k)) for i in every for k in range(8) if i >> k & 1])
    with Workers(threads) as workers:
        graph = Adjacency.of_pairs(np.random.default_rng(0).permutation(pairs), rows, workers)
    assert [graph.indices[a:b].tolist() for a, b in pairwise(graph.indptr.tolist())] == [
        sorted(int(i) ^ (1 << k) for k in range(8)) for i in every
    ]
    for i in every:
        for other, flipped in graph.row(int(i)):
            k = (other ^ int(i)).bit_length() - 1
            assert flipped.tolist() == [k, *([8 + k] if together == 2 and k < 3 else [])]
    assert graph.pairs().tolist() == sorted(np.sort(pairs, axis=1).tolist())
    kept = graph.indices.nbytes + graph.flipped.starts.nbytes + graph.flipped.members.nbytes
    assert kept <= 20 * graph.edge_count + 4 + 2 * (len(graph.flipped.members) - 2 * len(pairs))


def test_ranges_find_what_one_loop_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    for network, domain in JOBS.values():
        whole = told(partition(network, domain, engine="skeleton"))  # type: ignore[arg-type]
        with monkeypatch.context() as patch:
            patch.setattr(edge_cutting, "_RANGE", 5)
            parts = told(partition(network, domain, engine="skeleton", threads=2))  # type: ignore[arg-type]
        assert parts == whole


def test_signs_that_floats_leave_open_in_a_thread_are_settled(
    small_ranges: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, box = floats(3, 6, 5), Box(-1, 1, dim=3)
    sure, normed = partition(network, box, engine="skeleton"), edge_cutting._normed

    def unsure(*given: Any) -> Any:
        rows, a_err, b_err, norms, grain = normed(*given)
        return rows, a_err, np.full_like(b_err, 0.1), norms, grain

    monkeypatch.setattr(edge_cutting, "_normed", unsure)
    found = [partition(network, box, engine="skeleton", threads=k) for k in (1, 2)]
    assert found[0].decisions == found[1].decisions and small_ranges
    assert found[0].decisions["exact"] > 20 + sure.decisions["exact"]
    assert sure.digest == found[0].digest == found[1].digest
    assert found[0].cells.codes.tolist() == found[1].cells.codes.tolist()


def test_no_two_ranges_share_what_they_scratch_on(
    small_ranges: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, shared = list[Any](), SimpleNamespace(**vars(edge_cutting.kernel))

    def noted(own: Any, place: int) -> int:
        seen.append(own)
        return int(kernel.new_vertices(own, place))

    kernel, shared.new_vertices = edge_cutting.kernel, noted
    monkeypatch.setattr(edge_cutting, "kernel", shared)
    partition(floats(3, 9, 8), Box(-1, 1, dim=3), engine="skeleton", threads=2)
    assert len(seen) == len(small_ranges) > 10
    for name in ("n", "scratch", "lines", "asked"):
        assert len({getattr(own, name).ctypes.data for own in seen}) == len(seen)


def test_faces_that_do_not_close_in_a_thread_are_a_defect(
    small_ranges: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_cutting.kernel, "joined", lambda *given: given[-2] == given[3])
    with pytest.raises(Exception, match="the faces of a cell close"):
        partition(floats(3, 9, 8), Box(-1, 1, dim=3), engine="skeleton", threads=2)
    assert small_ranges


def test_a_budget_ends_all_threads(small_ranges: list[int]) -> None:
    network, box = floats(5, 24, 24), Box(-1, 1, dim=5)
    found = partition(network, box, engine="skeleton", threads=3, budget=Budget(seconds=0.3))
    assert found.outcome is Outcome.BUDGET_REACHED and "0.3 seconds" in found.evidence
    for region in found.regions[:5]:
        assert network.code(region.witness) == region.code
    assert small_ranges


def test_threads_end_with_the_job() -> None:
    names, alive = list[str](), lambda: [x.name for x in threading.enumerate()]

    def noted(found: int) -> None:
        names.extend(alive())

    for budget in (None, Budget(seconds=0.05)):
        partition(
            *(floats(4, 12, 10), Box(-1, 1, dim=4)),
            engine="skeleton",
            threads=4,
            budget=budget,
            progress=noted,
        )
        assert any(name.startswith(NAME) for name in names)
        assert not any(name.startswith(NAME) for name in alive())


@pytest.mark.parametrize("threads", [0, -1, True, 1.0, "2", None, 10**9])
def test_what_is_no_number_of_threads(threads: Any) -> None:
    wanted = re.escape(f"not a number of threads; got {threads!r}; give a whole number from 1")
    with pytest.raises(InvalidInput, match=wanted):
        partition(floats(2, 3), Box(-1, 1, dim=2), threads=threads)
    with pytest.raises(InvalidInput, match=wanted):
        Workers(threads)


def test_results_come_in_the_order_of_the_tasks() -> None:
    first = threading.Event()

    def task(number: int) -> int:
        if number == 0:
            assert first.wait(20)
        first.set()
        return number

    with Workers(2) as workers:
        assert workers.map(task, [(n,) for n in range(20)]) == list(range(20))
        assert workers.ranges(7, 3) == [(0, 3), (3, 6), (6, 7)] and workers.ranges(0, 3) == []


def test_the_first_error_is_raised_and_floats_are_ieee() -> None:
    def task(number: int) -> bool:
        if number in (3, 5):
            raise ValueError(number)
        return flushes_subnormals()

    with Workers(3) as workers:
        with pytest.raises(ValueError, match="3"):
            workers.map(task, [(n,) for n in range(9)])
        assert not any(workers.map(task, [(0,), (1,)]))


@pytest.mark.parametrize("name", JOBS)
def test_any_number_of_threads_grows_the_same_tree(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subtrees cut so short that small trees have many."""
    seen, grow = list[int](), lp_tree._Tree._subtree

    def noted(tree: Any, *given: Any) -> Any:
        seen.append(threading.get_ident())
        return grow(tree, *given)

    monkeypatch.setattr(lp_tree, "_WORK", 2e4)
    monkeypatch.setattr(lp_tree, "_LEAVES", 7)
    monkeypatch.setattr(lp_tree._Tree, "_subtree", noted)

    def by(threads: int) -> FlatPartition:
        found = partition(*JOBS[name], engine="lp_tree", threads=threads)
        assert isinstance(found, FlatPartition) and found.outcome is Outcome.COMPLETE
        return found

    alone = by(1)
    for many in (2, 3, 8):
        seen.clear()
        assert listed(by(many)) == listed(alone)
        assert set(seen) - {threading.get_ident()}
    if len(alone) < 150:  # neighbours are found wall by wall
        assert told(by(3)) == told(alone)
    few = [
        partition(*JOBS[name], engine="lp_tree", threads=many, budget=Budget(regions=9))
        for many in (1, 3)
    ]
    assert [len(found) for found in few] == [9, 9] and few[0] == few[1]
