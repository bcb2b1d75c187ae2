"""What a region says about itself is true: witness, code, map, facets, neighbours."""

from __future__ import annotations

from fractions import Fraction

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exact import Box, Facet, Partition, RealSpace, partition
from tests.laws.random_networks import Spec, codes, specs, vectors
from tests.truths import oracle

DIMS = st.integers(1, 3)
ANYWHERE = st.builds(Fraction, st.integers(-9999, 9999), st.just(5003))


def both(spec: Spec) -> list[Partition]:
    return [
        partition(spec.network, space)
        for space in (RealSpace(spec.input_dim), Box(-2, 2, dim=spec.input_dim))
    ]


@given(specs(DIMS))
def test_witness_has_the_code(spec: Spec) -> None:
    for found in both(spec):
        assert [spec.code(region.witness) for region in found.regions] == codes(found)
        assert len(set(codes(found))) == len(found.regions) == found.region_count


@given(specs(DIMS))
def test_map_is_the_forward_pass(spec: Spec) -> None:
    for found in both(spec):
        for region in found.regions:
            image = spec.forward(region.witness)
            assert region.affine(region.witness) == image
            assert (
                found.affine_at(region.witness)
                == region.affine
                == spec.network.affine_at(region.witness)
            )


@given(specs(DIMS), st.data())
def test_points_lie_in_listed_regions(spec: Spec, data: st.DataObject) -> None:
    point = data.draw(vectors(spec.input_dim, ANYWHERE))
    found = partition(spec.network, Box(-2, 2, dim=spec.input_dim))
    assert tuple(found.code(point).bits) == spec.code(point) == tuple(spec.network.code(point).bits)
    closed = [
        region
        for region in found.regions
        if all(value_at(facet, point) >= 0 for facet in region.facets)
    ]
    assert closed
    assert all(region.affine(point) == spec.forward(point) for region in closed)
    if all(value_at(facet, point) > 0 for facet in closed[0].facets):
        assert [region.index for region in closed] == [found.locate(point)]
        assert codes(found)[closed[0].index] == spec.code(point)
        assert found.affine_at(point) == closed[0].affine


def value_at(facet: Facet, point: tuple[Fraction, ...]) -> Fraction:
    return oracle.value(tuple(map(Fraction, facet.hyperplane)), point)


@given(specs(DIMS))
def test_facets_separate_neighbours(spec: Spec) -> None:
    for found in both(spec):
        for region in found.regions:
            for facet in region.facets:
                assert value_at(facet, region.witness) > 0
                if facet.neighbour is not None:
                    assert_neighbours(found, region.index, facet)


def assert_neighbours(found: Partition, index: int, facet: Facet) -> None:
    region, other = found.regions[index], found.regions[facet.neighbour or 0]
    differing = np.flatnonzero(region.code.bits != other.code.bits)
    assert facet.flipped == tuple(found.network.hinges[i] for i in differing) != ()
    mirrored = tuple(-x for x in facet.hyperplane)
    assert [back.neighbour for back in other.facets if back.hyperplane == mirrored] == [index]
    assert agree_on(region.affine, other.affine, facet.hyperplane)


def agree_on(first: object, second: object, hyperplane: tuple[int, ...]) -> bool:
    """Whether the difference of two affine maps is a multiple of the hyperplane's equation in every
    output.
    """
    rows = [[*a, c] for a, c in zip(*difference(first, second), strict=True)]
    return all(
        row[i] * hyperplane[j] == row[j] * hyperplane[i]
        for row in rows
        for i in range(len(row))
        for j in range(i)
    )


def difference(first: object, second: object) -> tuple[list[list[Fraction]], list[Fraction]]:
    matrices = [map_.matrix.tolist() for map_ in (first, second)]  # type: ignore[attr-defined]
    offsets = [[row[0] for row in map_.offset.tolist()] for map_ in (first, second)]  # type: ignore[attr-defined]
    matrix = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
    return matrix, [a - b for a, b in zip(*offsets, strict=True)]


@given(specs(DIMS))
def test_graph_is_connected_and_matches_the_facets(spec: Spec) -> None:
    for found in both(spec):
        graph = found.graph()
        assert nx.is_connected(graph)
        assert set(graph.nodes) == set(range(len(found.regions)))
        ends = sorted(
            (region.index, facet.neighbour)
            for region in found.regions
            for facet in region.facets
            if facet.neighbour is not None
        )
        assert ends == sorted(pair for a, b in graph.edges() for pair in ((a, b), (b, a)))
        assert all(graph.nodes[i]["code"] == found.regions[i].code for i in graph)


@given(specs(DIMS))
def test_counts_are_ordered(spec: Spec) -> None:
    for found in both(spec):
        assert found.region_count == found.code_count == found.cell_count
        assert 1 <= found.distinct_map_count <= found.linear_piece_count <= found.region_count


@given(specs(2))
def test_polygons_tile_the_box(spec: Spec) -> None:
    found = partition(spec.network, Box(-2, 2, dim=2))
    polygons = found.polygons()
    assert len(polygons) == len(found.regions)
    assert abs(sum(polygon.area for polygon in polygons) - 16) < 1e-9


@given(specs(DIMS))
def test_layer_range_is_a_part_of_the_code(spec: Spec) -> None:
    found = partition(spec.network, Box(-1, 1, dim=spec.input_dim))
    sizes = spec.network.bits_per_layer
    for region in found.regions[:3]:
        for k in range(1, len(sizes) + 1):
            part = found.code(region.witness, layers=(k, k))
            start = sum(sizes[: k - 1])
            assert list(part.bits) == list(region.code.bits[start : start + sizes[k - 1]])
