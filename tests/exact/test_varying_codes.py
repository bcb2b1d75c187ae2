"""Codes of which only the bits that vary are kept: the same values as of whole codes."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exact import Box, Graph, ReLU, SplineCode, partition
from exact.geometry.combinatorics.codes import code_keys
from exact.geometry.combinatorics.varying_codes import Varying
from exact.networks.graphs.maxima import Maximum
from exact.networks.layers import Layer
from exact.regions.engine import Problem
from exact.regions.polytopes.partition import FlatPartition


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 9))
def test_rows_have_the_order_and_the_values_of_codes(seed: int, hinges: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    columns = np.flatnonzero(rng.random(hinges) < rng.random())
    bits = np.repeat(rng.integers(0, 2, (1, hinges)), count, axis=0).astype(bool)
    common = bits[0].copy()
    common[columns] = False
    bits[:, columns] = rng.integers(0, 2, (count, len(columns)))
    codes, varying = np.packbits(bits, axis=1), Varying(columns, np.packbits(common))
    rows = varying.rows(codes)
    assert rows.shape == (count, (len(columns) + 7) // 8)
    assert varying.whole(rows).tolist() == codes.tolist()
    assert np.concatenate([*varying.blocks(rows)]).tolist() == codes.tolist()
    order, own = (np.argsort(code_keys(x), kind="stable") for x in (codes, rows))
    assert order.tolist() == own.tolist()
    for k in range(hinges):  # a bit more or less is another code, or none of them
        other = bits[0].copy()
        other[k] ^= True
        packed = np.packbits(other)
        assert (varying.row(packed.tobytes()) is None) == (k not in columns)
    assert varying.row(b"\0" * (len(codes[0]) + 1)) is None


def _graph() -> Graph:
    rng = np.random.default_rng(5)
    first = Layer.of(rng.normal(size=(12, 2)), rng.normal(size=12), ReLU())
    second = Layer.of(rng.normal(size=(9, 12)), rng.normal(size=9), ReLU())
    last = Layer.of(rng.normal(size=(2, 3)), rng.normal(size=2))
    windows = Maximum([[0, 1, 2], [3, 4, 5], [6, 7, 8]], 9)
    return Graph([(first, [0]), (second, [1]), (windows, [2]), (last, [3])], 2)


def test_a_partition_has_the_same_values_by_short_and_by_whole_rows() -> None:
    graph = _graph()
    for domain in (Box(["1/10", "1/10"], ["1/2", "1/2"]), Box(["1/10"] * 2, ["1001/10000"] * 2)):
        found = partition(graph, domain, engine="slice_graph")
        assert isinstance(found, FlatPartition)
        varying = found.cells.varying
        assert varying is not None and len(varying.columns) < graph.hinge_count
        problem = Problem.of(graph, domain)
        codes = found.cells.whole_codes()
        cells = replace(found.cells, codes=codes, varying=None)
        whole = FlatPartition(problem, "slice_graph", cells)
        assert (len(found), found.digest) == (len(whole), whole.digest)
        assert [found.code_of(i) for i in range(len(found))] == [r.code for r in whole.regions]
        assert found.order.tolist() == whole.order.tolist()
        again = pickle.loads(pickle.dumps(found))
        for other in (whole, again):
            assert found.codes.tolist() == other.codes.tolist()
            assert found.bits.tolist() == other.bits.tolist()
            for name in ("indptr", "indices"):
                own, its = (getattr(x.adjacency, name) for x in (found, other))
                assert own.tolist() == its.tolist()
            own, its = (x.adjacency.flipped for x in (found, other))
            assert own.starts.tolist() == its.starts.tolist()
            assert own.members.tolist() == its.members.tolist()
            assert own.members.dtype == its.members.dtype
            assert found.map_ids.tolist() == other.map_ids.tolist()
        assert found.to_pandas().equals(whole.to_pandas())
        for i, region in enumerate(found.regions):
            assert found.index_of(region.code) == found.locate(region.witness) == i
        a, b = 0, len(found) - 1
        assert found.hinges_between(a, b) == whole.hinges_between(a, b)
        common = np.unpackbits(varying.common, count=graph.hinge_count).astype(bool)
        fixed = np.setdiff1d(np.arange(graph.hinge_count), varying.columns)
        common[fixed[0]] ^= True
        elsewhere = SplineCode.of(common, graph.bits_per_layer)
        assert found.index_of(elsewhere) is None
