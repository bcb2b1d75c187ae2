"""The drawn graph is the exact one: every edge, in the colour of its layer, through its facet."""

import math

import numpy as np
import pytest
import shapely
from matplotlib.colors import to_rgba

from exact import Box, InvalidInput, Sphere, partition
from exact.sources import tensors
from tests.viz import drawn, subjects
from viz import style
from viz.figures.adjacency import adjacency, adjacency_figure, adjacency_ring


def edges(graph: object) -> list[tuple[int, int]]:
    return sorted(tuple(sorted(edge[:2])) for edge in graph.edges())


@pytest.mark.parametrize("subject", [subjects.square, subjects.slanted])
def test_every_edge_of_the_graph_is_drawn_through_its_facet(subject: object) -> None:
    found = subject()
    _, ax = style.figure()
    artists = adjacency(found, ax)
    assert sorted(artists.pairs) == edges(found.graph())
    shapes = found.polygons()
    for (a, b), line in zip(artists.pairs, artists.edges.get_segments(), strict=True):
        start, middle, end = (shapely.Point(p) for p in line)
        assert shapes[a].contains(start)
        assert shapes[b].contains(end)
        assert max(shapes[a].distance(middle), shapes[b].distance(middle)) < 1e-9
        inside = shapely.LineString(line).intersection(
            shapely.union(shapes[a].buffer(1e-9), shapes[b].buffer(1e-9))
        )
        assert inside.length == pytest.approx(shapely.LineString(line).length)


def test_edges_have_the_colour_of_the_layer_that_flips() -> None:
    found = subjects.square()
    _, ax = style.figure()
    artists = adjacency(found, ax)
    graph = found.graph()
    assert set(artists.layers) == {1, 2}
    for (a, b), layer, colour in zip(
        artists.pairs, artists.layers, artists.edges.get_colors(), strict=True
    ):
        assert {hinge.layer for hinge in graph.edges[a, b]["flipped"]} == {layer}
        assert tuple(colour) == to_rgba(style.layer_colour(layer))


def test_facets_that_flip_several_layers_have_a_colour_of_their_own() -> None:
    # layer 2 is relu of relu(x1)
    both = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 0]], [0]), ([[1]], [0])])
    _, ax = style.figure()
    artists = adjacency(partition(both, Box(-1, 1, dim=2)), ax)
    assert sorted(artists.layers) == [0, 0, 1, 1]


def test_one_node_per_region_inside_it() -> None:
    found = subjects.square()
    _, ax = style.figure()
    artists = adjacency(found, ax)
    assert artists.indices == tuple(range(len(found)))
    shapes = found.polygons()
    assert all(
        shapes[i].contains(shapely.Point(p))
        for i, p in zip(artists.indices, artists.nodes.get_offsets(), strict=True)
    )


def test_a_window_keeps_the_facets_that_it_shows() -> None:
    found, window = subjects.everywhere(), Box(-2, 2, dim=2)
    _, ax = style.figure()
    artists = adjacency(found, ax, clip=window, graph=found.graph())
    shapes = found.polygons(clip=window)
    shared = [
        (a, b) for a, b in edges(found.graph()) if shapes[a].intersection(shapes[b]).length > 1e-9
    ]
    assert sorted(artists.pairs) == shared
    assert len(shared) < found.graph().number_of_edges()


@pytest.mark.parametrize("subject", [subjects.five_arcs, subjects.arcs, subjects.geodesic])
def test_a_ring_joins_neighbouring_arcs_through_their_crossing(subject: object) -> None:
    found = subject()
    _, ax = style.figure()
    artists = adjacency_ring(found, ax)
    assert sorted(tuple(sorted(p)) for p in artists.pairs) == edges(found.graph())
    middles = [sum(region.parameters_float) / 2 for region in found.regions]
    positions = [data["position"] for *_, data in found.graph().edges(data=True)]
    for (a, b), position, line in zip(
        artists.pairs, positions, artists.edges.get_segments(), strict=True
    ):
        ends = {round(math.atan2(y, x) % (2 * math.pi), 9) for x, y in line[[0, -1]]}
        assert ends == {round(middles[i] % (2 * math.pi), 9) for i in (a, b)}
        angles = np.unwrap(np.arctan2(line[:, 1], line[:, 0]))
        assert any(
            angles.min() <= position + turn <= angles.max()
            for turn in (-2 * math.pi, 0, 2 * math.pi)
        )
    length = sum(
        np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in artists.edges.get_segments()
    )
    assert length == pytest.approx(
        2 * math.pi * np.linalg.norm(artists.nodes.get_offsets()[0]), rel=0.01
    )


def test_two_arcs_meet_twice() -> None:
    found = partition(tensors.mlp([([[1, 0]], [0]), ([[1]], [0])]), Sphere(radius_squared=1))
    _, ax = style.figure()
    first, second = adjacency_ring(found, ax).edges.get_segments()
    assert {round(float(line[len(line) // 2][1]), 2) for line in (first, second)} == {1.0, -1.0}


def test_chords_join_arcs_of_one_code() -> None:
    _, ax = style.figure()
    adjacency_ring(subjects.five_arcs(), ax)
    assert len(ax.collections[0].get_segments()) == 1
    assert "same code" in drawn.lines_of(adjacency_figure(subjects.five_arcs()))
    assert "same code" not in drawn.lines_of(adjacency_figure(subjects.arcs()))


@pytest.mark.parametrize(
    ("subject", "clip", "says"),
    [
        (subjects.square, None, "40 regions, exact; "),
        (subjects.everywhere, Box(-2, 2, dim=2), "22 regions, exact; "),
        (subjects.arcs, None, "8 arcs, exact; 8 edges drawn"),
    ],
)
def test_the_whole_figure(subject: object, clip: Box | None, says: str) -> None:
    fig = adjacency_figure(subject(), clip=clip)
    lines = drawn.lines_of(fig)
    assert any(line.startswith(says) for line in lines)
    assert "flips in layer 1" in lines
    assert drawn.faults(fig) == []


def test_bad_input() -> None:
    with pytest.raises(InvalidInput, match="draws polygons"):
        adjacency(subjects.arcs(), style.figure()[1])
    with pytest.raises(InvalidInput, match="draws circles"):
        adjacency_ring(subjects.square(), style.figure()[1])
