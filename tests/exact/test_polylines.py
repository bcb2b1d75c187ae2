"""Polylines: what changes where, against the segments and the corners by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from exact import Budget, InvalidInput, Outcome, Segment, partition
from exact.instruments.batches.polylines import partition_polyline
from exact.sources import tensors
from tests.laws.random_graphs import random_graph

NET = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])


def test_a_corner_on_a_hinge_is_one_crossing() -> None:
    path = partition_polyline(NET, [[1, 1], [0, 1], [-1, 2], [0, 1], [1, 3]])
    found = [(one.segment, one.crossing is None, one.position_float) for one in path.crossings]
    assert found == [(1, True, 1.0), (3, True, 3.0)]
    assert [str(h) for one in path.crossings for h in one.hinges] == ["(1, 0)"] * 2
    assert path.cell_count == len(path) == 3 and path.outcome is Outcome.COMPLETE


def test_a_closed_square_comes_back() -> None:
    path = partition_polyline(NET, [[1, 1], [-1, 1], [-1, -1], [1, -1]], closed=True)
    assert path.positions_float.tolist() == [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize("seed", range(8))
def test_segments_of_a_graph_are_those_of_partition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 3, seed % 2 == 0).graph
    if not graph.hidden_layers:
        return
    points = rng.normal(size=(4, 3)).round(3).tolist()
    path = partition_polyline(graph, points)
    whole = [partition(graph, Segment(a, b)) for a, b in pairwise(points)]
    assert list(path.parts) == whole
    inner = [one for one in path.crossings if one.crossing is not None]
    assert len(inner) == sum(len(part) - 1 for part in whole)


def test_what_is_no_polyline_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no segment; got 1 points"):
        partition_polyline(NET, [[1, 1]])
    with pytest.raises(InvalidInput, match=r"no length; got points\[1\] and the next one"):
        partition_polyline(NET, [[1, 1], [0, 1], [0, 1]])
    ended = partition_polyline(NET, [[1, 1], [-1, -2]], budget=Budget(regions=1))
    assert ended.outcome is Outcome.BUDGET_REACHED
