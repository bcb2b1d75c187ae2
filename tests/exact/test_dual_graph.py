"""The dual graph as arrays: symmetric, sorted, with the hinges that differ; a million regions in
little memory.
"""

from __future__ import annotations

import time
import tracemalloc
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse

from exact import (
    AbsoluteValue,
    Box,
    EngineDefect,
    HardTanh,
    InvalidInput,
    Network,
    Outcome,
    RealSpace,
    partition,
)
from exact.geometry.combinatorics.dual_graph import Adjacency
from exact.geometry.combinatorics.incidence import reordered
from exact.regions.engine import Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.complexes import incidence, listed
from tests.exact.reference import integers


def flat(network: Network, domain: Box | RealSpace) -> FlatPartition:
    found = partition(network, domain, engine="lp_tree")
    assert isinstance(found, FlatPartition)
    return found


def small(seed: int, dim: int, widths: tuple[int, ...], **keywords: object) -> Network:
    generator, sizes = np.random.default_rng(seed), (dim, *widths, 2)
    layers = [
        (integers(generator, (b, a), 2), integers(generator, b, 2)) for a, b in pairwise(sizes)
    ]
    return tensors.mlp(layers, **keywords)  # type: ignore[arg-type]


DOUBLE = tensors.mlp([([[1, 0], [2, 0], [0, 1], [-1, 0]], [0, 0, 0, 0]), ([[1, 1, 1, 1]], [0])])
FOUND = [
    pytest.param(flat(small(1, 2, (4, 3)), Box(-2, 2, dim=2)), id="plane"),
    pytest.param(flat(small(2, 3, (4,), activation=HardTanh()), Box(-2, 3, dim=3)), id="space"),
    pytest.param(flat(small(3, 1, (4, 4)), Box(-5, 5, dim=1)), id="line"),
    pytest.param(flat(DOUBLE, Box(-1, 1, dim=2)), id="several hinges flip"),
    pytest.param(
        flat(small(5, 2, (3, 3), activation=AbsoluteValue()), Box(-2, 2, dim=2)),
        id="absolute value",
    ),
]


@pytest.mark.parametrize("found", FOUND)
def test_the_arrays_are_the_graph(found: FlatPartition) -> None:
    adjacency, graph = found.adjacency, found.graph()
    assert len(found) > 3
    assert len(adjacency) == len(found) and adjacency.edge_count == graph.number_of_edges()
    assert {tuple(pair) for pair in adjacency.pairs().tolist()} == {
        (min(e), max(e)) for e in graph.edges()
    }
    for index in range(len(found)):
        row = list(adjacency.row(index))
        assert [neighbour for neighbour, _ in row] == sorted(graph.neighbors(index))
        for neighbour, flipped in row:
            differing = np.flatnonzero(found.bits[index] != found.bits[neighbour])
            assert flipped.tolist() == differing.tolist()
            assert graph.edges[index, neighbour]["flipped"] == tuple(
                found.network.hinges[int(i)] for i in differing
            )
    entries = (np.ones(len(adjacency.indices)), adjacency.indices, adjacency.indptr)
    matrix = scipy.sparse.csr_array(entries, shape=(len(found), len(found)))
    assert (
        (matrix != matrix.T).nnz == 0
        and matrix.has_canonical_format
        and matrix.diagonal().sum() == 0
    )
    assert adjacency.degrees.tolist() == [graph.degree(i) for i in range(len(found))]


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize(("pairs", "faces"), [(True, False), (False, True), (True, True)])
def test_what_an_engine_lists_is_what_lps_find(
    found: FlatPartition, pairs: bool, faces: bool
) -> None:
    """Adjacency, facets, neighbours and the digest do not depend on how facets are known, nor on
    the engine's order.
    """
    other = listed(found, pairs=pairs, faces=faces, seed=len(found))
    assert other.order.tolist() != list(range(len(found)))
    assert other.digest == found.digest and (other.codes == found.codes).all()
    for name in ("indptr", "indices"):
        assert (getattr(other.adjacency, name) == getattr(found.adjacency, name)).all()
    assert (other.adjacency.flipped.starts == found.adjacency.flipped.starts).all()
    assert (other.adjacency.flipped.members == found.adjacency.flipped.members).all()
    for mine, theirs in zip(other.regions, found.regions, strict=True):
        assert mine.facets == theirs.facets
        assert mine.witness == theirs.witness
        assert mine.symbolic() == theirs.symbolic()
    assert other.linear_piece_count == found.linear_piece_count


def test_facets_without_walls_of_the_domain() -> None:
    found = flat(small(4, 2, (4, 2)), RealSpace(2))
    other = listed(found, faces=False)
    assert [region.facets for region in other.regions] == [
        region.facets for region in found.regions
    ]


def test_part_of_a_partition_finds_its_facets_itself() -> None:
    """An engine that stopped early lists only pairs of the regions it has; the other facets are
    there all the same.
    """
    whole = flat(small(1, 2, (4, 3)), Box(-2, 2, dim=2))
    kept = len(whole) // 2
    pairs = np.array([pair for pair in whole.adjacency.pairs().tolist() if max(pair) < kept])
    cells = FlatCells(
        whole.codes[:kept],
        7,
        whole.witness_of,
        Outcome.BUDGET_REACHED,
        "part",
        {},
        pairs=lambda: pairs,
    )
    part = FlatPartition(Problem(whole.network, Box(-2, 2, dim=2)), "part", cells)
    assert part.adjacency.pairs().tolist() == pairs.tolist()
    for mine, theirs in zip(part.regions, whole.regions[:kept], strict=True):
        assert [f.hyperplane for f in mine.facets] == [f.hyperplane for f in theirs.facets]
        beyond = [
            f.neighbour if f.neighbour is not None and f.neighbour < kept else None
            for f in theirs.facets
        ]
        assert [f.neighbour for f in mine.facets] == beyond


def test_pairs_that_flip_a_layer() -> None:
    found = flat(small(1, 2, (4, 3)), Box(-2, 2, dim=2))
    first, last = (
        {tuple(pair) for pair in found.pairs_flipping(layer).tolist()} for layer in (1, 2)
    )
    assert (
        first
        and last
        and first | last == {tuple(pair) for pair in found.adjacency.pairs().tolist()}
    )
    for layer, pairs in ((1, first), (2, last)):
        edges = found.graph().edges(data="flipped")
        assert pairs == {
            (min(a, b), max(a, b))
            for a, b, flipped in edges
            if any(h.layer == layer for h in flipped)
        }
    with pytest.raises(InvalidInput, match="no such range"):
        found.pairs_flipping(3)


def test_a_region_given_twice_is_refused() -> None:
    found = flat(small(1, 2, (4, 3)), Box(-2, 2, dim=2))
    cells = FlatCells(found.codes[[0, 1, 0]], 7, found.witness_of, Outcome.COMPLETE, "twice", {})
    with pytest.raises(EngineDefect, match="returned a region twice"):
        FlatPartition(Problem(found.network, Box(-2, 2, dim=2)), "twice", cells)


def test_witnesses_of_the_graph_are_made_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    found = flat(DOUBLE, Box(-1, 1, dim=2))
    assert all("witness" in data for _, data in found.graph().nodes(data=True))
    bare = found.graph(witnesses=False)
    assert all(set(data) == {"code"} for _, data in bare.nodes(data=True))
    assert set(bare.edges) == set(found.graph().edges)
    monkeypatch.setattr("exact.regions.partition.GRAPH_WITNESSES", len(found) - 1)
    assert not any("witness" in data for _, data in found.graph().nodes(data=True))
    assert found.graph(witnesses=True).nodes[0]["witness"] == found.regions[0].witness


def test_rows_in_another_order() -> None:
    rows = [[3, 1], [], [2], [5, 6, 7]]
    order = [3, 1, 0, 2]
    moved = reordered(incidence(rows), np.array(order))
    assert [moved.row(k).tolist() for k in range(4)] == [rows[i] for i in order]
    nothing = reordered(incidence([]), np.zeros(0, dtype=np.int64))
    assert len(nothing) == 0 and len(nothing.members) == 0


def test_no_edges() -> None:
    lonely = Adjacency.of_pairs(np.zeros((0, 2), dtype=np.int64), np.zeros((3, 1), dtype=np.uint8))
    assert (len(lonely), lonely.edge_count, lonely.degrees.tolist(), lonely.pairs().shape) == (
        3,
        0,
        [0, 0, 0],
        (0, 2),
    )
    assert lonely.pairs_flipping(0, 8).shape == (0, 2)


def test_a_million_regions_fit() -> None:
    """The 2^20 orthants of R^20 with their neighbours along `axes` axes: arrays only, no object per
    region.
    """
    dim, axes = 20, 4
    numbers = np.random.default_rng(0).permutation(1 << dim).astype(">u4")
    shifted = (numbers.astype(np.uint32) << 12).astype(">u4")
    codes = shifted.view(np.uint8).reshape(-1, 4)[:, :3].copy()
    place = np.argsort(numbers).astype(np.int64)

    def pairs() -> np.ndarray:
        every = np.arange(1 << dim, dtype=np.int64)
        sides = [every[(every >> k) & 1 == 0] for k in range(axes)]
        return np.concatenate(
            [np.stack([place[side], place[side | 1 << k]], axis=1) for k, side in enumerate(sides)]
        )

    network = tensors.mlp([(np.eye(dim), np.zeros(dim)), (np.ones((1, dim)), [0])])
    cells = FlatCells(
        codes,
        dim,
        lambda i: (*(1 if b else -1 for b in np.unpackbits(codes[i])[:dim]), 1),
        Outcome.COMPLETE,
        "orthants",
        {},
        pairs=pairs,
    )
    tracemalloc.start()
    started = time.process_time()
    found = FlatPartition(Problem(network, RealSpace(dim)), "orthants", cells)
    assert found.region_count == found.code_count == 1 << dim and len(found.digest) == 64
    assert found.adjacency.edge_count == axes << dim - 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * 2**20
    assert time.process_time() - started < 60
    region = found.regions[0b1011 << 16]
    assert str(region.code) == "1011" + "0" * 16
    assert region.witness == tuple(Fraction(1 if bit == "1" else -1) for bit in str(region.code))
    assert found.locate(region.witness) == region.index
    assert [flipped.tolist() for _, flipped in found.adjacency.row(5)] == [[17], [19], [18], [16]]
