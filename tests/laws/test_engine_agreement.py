"""Engines agree with each other, and with the oracle that shares no code with them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exact import Box, Line, Partition, Ray, RealSpace, Segment, Unsupported, partition
from exact.sources import tensors
from tests.laws.random_networks import Spec, codes, edges, layers, specs, vectors
from tests.truths import oracle

DIMS = st.integers(1, 3)
STRAIGHT = st.sampled_from([Segment, Ray, Line])


def assert_same(first: Partition, second: Partition) -> None:
    assert Counter(codes(first)) == Counter(codes(second))
    assert edges(first) == edges(second)
    assert first.digest == second.digest
    for name in ("region_count", "code_count", "cell_count", "linear_piece_count", "distinct_map_count"):
        assert getattr(first, name) == getattr(second, name), name


@given(specs(DIMS, hinges=5))
def test_tree_and_brute_force_in_space(spec: Spec) -> None:
    spaces = (RealSpace(spec.input_dim), Box(-1, Fraction(3, 2), dim=spec.input_dim))
    for space in spaces:
        assert_same(*(partition(spec.network, space, engine=name) for name in ("lp_tree", "brute_force")))


@given(specs(DIMS), STRAIGHT, st.data())
def test_tree_and_circle_on_lines(spec: Spec, kind: Any, data: st.DataObject) -> None:
    p, q = (data.draw(vectors(spec.input_dim)) for _ in range(2))
    assume(any(q) and p != q)
    assert_same(*(partition(spec.network, kind(p, q), engine=name) for name in ("lp_tree", "circle")))


@given(specs(DIMS, hinges=5), STRAIGHT, st.data())
def test_brute_force_and_circle_on_lines(spec: Spec, kind: Any, data: st.DataObject) -> None:
    p, q = (data.draw(vectors(spec.input_dim)) for _ in range(2))
    assume(any(q) and p != q)
    assert_same(*(partition(spec.network, kind(p, q), engine=name) for name in ("brute_force", "circle")))


def oracle_edges(pieces: list[oracle.Piece], pairs: list[tuple[int, int]]) -> set[frozenset[tuple[int, ...]]]:
    return {frozenset({pieces[i].code, pieces[j].code}) for i, j in pairs}


@given(specs(2))
def test_tree_and_polygons(spec: Spec) -> None:
    corners = tuple((Fraction(x), Fraction(y)) for x, y in ((-1, -1), (2, -1), (2, 2), (-1, 2)))
    pieces = oracle.all_pieces(corners, 2, *spec.for_oracle, oracle.split_polygon)
    pairs = oracle.adjacent_polygons(pieces)
    found = partition(spec.network, Box(-1, 2, dim=2), engine="lp_tree")
    assert Counter(codes(found)) == Counter(piece.code for piece in pieces)
    assert {pair for pair, _ in edges(found)} == oracle_edges(pieces, pairs)
    counts = oracle.count_pieces(pieces, pairs)
    assert (found.linear_piece_count, found.distinct_map_count) == (
        counts.linear_piece_count,
        counts.distinct_map_count,
    )


@given(specs(1), st.sampled_from(["lp_tree", "circle"]))
def test_intervals(spec: Spec, engine: str) -> None:
    for space, lo, hi in ((Line([0], [1]), None, None), (Segment([-1], [2]), Fraction(-1), Fraction(2))):
        pieces = oracle.all_pieces((lo, hi), 1, *spec.for_oracle, oracle.split_interval)
        pieces.sort(key=lambda piece: (piece.shape[0] is not None, piece.shape[0]))  # type: ignore[index]
        found = partition(spec.network, space, engine=engine)
        assert Counter(codes(found)) == Counter(piece.code for piece in pieces)
        assert {pair for pair, _ in edges(found)} == oracle_edges(pieces, list(pairwise(range(len(pieces)))))


@st.composite
def arrangements(draw: st.DrawFn) -> Spec:
    """Up to nine planes of R^1 to R^4 with entries -1, 0, 1: parallel, concurrent and repeated as a rule."""
    dim, count = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    entries = st.integers(-1, 1).map(Fraction)
    return Spec((draw(layers(count, dim, "relu", entries)), draw(layers(1, count, "identity", entries))))


@given(arrangements())
def test_tree_and_deletion_restriction(spec: Spec) -> None:
    regions, walls = oracle.arrangement(spec.for_oracle[0][0].rows)
    found = partition(spec.network, RealSpace(spec.input_dim), engine="lp_tree")
    assert (found.region_count, found.graph().number_of_edges()) == (regions, walls)


@given(specs(DIMS))
def test_engines_say_what_they_are(spec: Spec) -> None:
    found = partition(spec.network, Box(0, 1, dim=spec.input_dim), engine="lp_tree")
    assert found.engine == "lp_tree"
    assert found.evidence


@pytest.mark.parametrize("engine", ["lp_tree", "brute_force", "circle"])
def test_engine_refuses_by_name(engine: str) -> None:
    plane = tensors.mlp([([[1.0, 1.0]], [0.0]), ([[1.0]], [0.0])])
    behind_norm = tensors.block([[1.0, 1.0]], [0.0], [[1.0]], [0.0], norm="rms")
    network, domain = (plane, RealSpace(2)) if engine == "circle" else (behind_norm, Box(0, 1, dim=2))
    with pytest.raises(Unsupported, match=engine):
        partition(network, domain, engine=engine)
