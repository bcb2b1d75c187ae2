"""Engines agree with each other, and with the oracle that shares no code with them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exact import (
    Box,
    HPolytope,
    Line,
    Partition,
    Plane,
    Ray,
    RealSpace,
    Segment,
    Unsupported,
    partition,
)
from exact.geometry.domains.base import Domain
from exact.sources import tensors
from tests.laws.random_networks import Spec, codes, edges, layers, matrices, specs, vectors
from tests.truths import engines, oracle

DIMS = st.integers(1, 3)
STRAIGHT = st.sampled_from([Segment, Ray, Line])


def assert_same(first: Partition, second: Partition) -> None:
    assert Counter(codes(first)) == Counter(codes(second))
    assert edges(first) == edges(second)
    assert first.digest == second.digest
    for name in (
        "region_count",
        "code_count",
        "cell_count",
        "linear_piece_count",
        "distinct_map_count",
    ):
        assert getattr(first, name) == getattr(second, name), name


def specs_for(
    engine: str, dim: int | st.SearchStrategy[int], hinges: int = 6
) -> st.SearchStrategy[Spec]:
    """Networks as deep as the engine takes them."""
    return specs(dim, hinges=hinges, depth=3 if engine in engines.FLAT else 1)


def compare(spec: Spec, domain: Domain, engine: str, reference: str) -> None:
    assume(all(engines.takes(name, spec.network, domain) for name in (engine, reference)))
    assert_same(*(partition(spec.network, domain, engine=name) for name in (engine, reference)))


OTHERS = [name for name in engines.ONE_LAYER if name != "brute_force"]


@pytest.mark.parametrize("engine", OTHERS)
@given(data=st.data())
def test_like_brute_force_in_space(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine, DIMS, hinges=5))
    for space in (RealSpace(spec.input_dim), Box(-1, Fraction(3, 2), dim=spec.input_dim)):
        compare(spec, space, engine, "brute_force")


@pytest.mark.parametrize("engine", OTHERS)
@given(data=st.data())
def test_like_brute_force_in_polyhedra(engine: str, data: st.DataObject) -> None:
    """Few halfspaces leave them unbounded, many empty or flat; zero rows are everything or
    nothing.
    """
    spec = data.draw(specs_for(engine, DIMS, hinges=5))
    rows = data.draw(st.lists(vectors(spec.input_dim + 1), max_size=5))
    compare(spec, HPolytope(rows, dim=spec.input_dim), engine, "brute_force")


@pytest.mark.parametrize("engine", OTHERS)
@given(data=st.data())
def test_like_brute_force_on_planes(engine: str, data: st.DataObject) -> None:
    spec, points = data.draw(specs_for(engine, 3, hinges=5)), data.draw(matrices(3, 3))
    bounds = data.draw(st.sampled_from([{}, {"s": (-1, 2), "t": (0, 1)}]))
    u, v = ([a - b for a, b in zip(point, points[0], strict=True)] for point in points[1:])
    assume(any(u[i] * v[j] != u[j] * v[i] for i in range(3) for j in range(i)))
    compare(spec, Plane(*points, **bounds), engine, "brute_force")


@pytest.mark.parametrize("engine", engines.ONE_LAYER)
@given(kind=STRAIGHT, data=st.data())
def test_like_circle_on_lines(engine: str, kind: Any, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine, DIMS, hinges=5))
    p, q = (data.draw(vectors(spec.input_dim)) for _ in range(2))
    assume(any(q) and p != q)
    compare(spec, kind(p, q), engine, "circle")


def oracle_edges(
    pieces: list[oracle.Piece], pairs: list[tuple[int, int]]
) -> set[frozenset[tuple[int, ...]]]:
    return {frozenset({pieces[i].code, pieces[j].code}) for i, j in pairs}


@pytest.mark.parametrize("engine", OTHERS)
@given(data=st.data())
def test_like_polygons(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine, 2))
    corners = tuple((Fraction(x), Fraction(y)) for x, y in ((-1, -1), (2, -1), (2, 2), (-1, 2)))
    pieces = oracle.all_pieces(corners, 2, *spec.for_oracle, oracle.split_polygon)
    pairs = oracle.adjacent_polygons(pieces)
    found = partition(spec.network, Box(-1, 2, dim=2), engine=engine)
    assert Counter(codes(found)) == Counter(piece.code for piece in pieces)
    assert {pair for pair, _ in edges(found)} == oracle_edges(pieces, pairs)
    counts = oracle.count_pieces(pieces, pairs)
    assert (found.linear_piece_count, found.distinct_map_count) == (
        counts.linear_piece_count,
        counts.distinct_map_count,
    )


@pytest.mark.parametrize("engine", [*OTHERS, *engines.ON_CURVES])
@given(data=st.data())
def test_like_intervals(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs(1) if engine in engines.ON_CURVES else specs_for(engine, 1))
    assume(engines.takes(engine, spec.network, Line([0], [1])))
    for space, lo, hi in (
        (Line([0], [1]), None, None),
        (Segment([-1], [2]), Fraction(-1), Fraction(2)),
    ):
        pieces = oracle.all_pieces((lo, hi), 1, *spec.for_oracle, oracle.split_interval)
        pieces.sort(key=lambda piece: (piece.shape[0] is not None, piece.shape[0]))  # type: ignore[index]
        found = partition(spec.network, space, engine=engine)
        assert Counter(codes(found)) == Counter(piece.code for piece in pieces)
        assert {pair for pair, _ in edges(found)} == oracle_edges(
            pieces, list(pairwise(range(len(pieces))))
        )


@st.composite
def arrangements(draw: st.DrawFn, planes: int = 9) -> Spec:
    """Planes of R^1 to R^4 with entries -1, 0, 1: parallel, concurrent and repeated as a rule."""
    dim, count = draw(st.integers(1, 4)), draw(st.integers(1, planes))
    entries = st.integers(-1, 1).map(Fraction)
    return Spec(
        (draw(layers(count, dim, "relu", entries)), draw(layers(1, count, "identity", entries)))
    )


@pytest.mark.parametrize("engine", OTHERS)
@given(spec=arrangements())
def test_like_deletion_restriction(engine: str, spec: Spec) -> None:
    regions, walls = oracle.arrangement(spec.for_oracle[0][0].rows)
    found = partition(spec.network, RealSpace(spec.input_dim), engine=engine)
    assert (found.region_count, found.graph().number_of_edges()) == (regions, walls)


@pytest.mark.parametrize("engine", engines.ONE_LAYER)
@given(data=st.data())
def test_engines_say_what_they_are(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine, DIMS))
    found = partition(spec.network, Box(0, 1, dim=spec.input_dim), engine=engine)
    assert found.engine == engine
    assert found.evidence


@pytest.mark.parametrize("engine", engines.ALL)
def test_engine_refuses_by_name(engine: str) -> None:
    plane = tensors.mlp([([[1.0, 1.0]], [0.0]), ([[1.0]], [0.0])])
    behind_norm = tensors.block([[1.0, 1.0]], [0.0], [[1.0]], [0.0], norm="rms")
    network, domain = (
        (plane, RealSpace(2)) if engine in engines.ON_CURVES else (behind_norm, Box(0, 1, dim=2))
    )
    with pytest.raises(Unsupported, match=engine):
        partition(network, domain, engine=engine)
