"""The graph on the sphere: a node in every cell, an edge through every arc, from two sides."""

from itertools import pairwise

import numpy as np
import pytest

from exact import InvalidInput
from tests.viz import drawn, subjects
from viz import style
from viz.figures.sphere_adjacency import node_colours, sphere_adjacency, sphere_adjacency_figure
from viz.sphere_arcs import SphereArcs

SPHERES = [
    subjects.caps,
    subjects.bands,
    subjects.octants,
    subjects.uncut,
    subjects.normed,
    subjects.deep_sphere,
]


@pytest.mark.parametrize("subject", SPHERES)
def test_two_sides_show_every_node_once_and_every_edge(subject: object) -> None:
    found = subject()
    _, ax = style.figure(5, 5)
    near, far = sphere_adjacency(found, ax), sphere_adjacency(found, ax, far=True)
    assert sorted([*near.indices, *far.indices]) == list(range(len(found)))
    assert len(near.nodes.get_offsets()) == len(near.indices)
    assert {*near.arcs, *far.arcs} == set(range(found.complex.arc_count))


def test_edges_stay_in_their_two_cells_of_discs() -> None:
    """On the octants an edge is two short geodesics, from the middle of a triangle to the middle of
    its side.
    """
    found = subjects.octants()
    arcs, (nodes, _) = SphereArcs.of(found), SphereArcs.of(found).deepest
    np.testing.assert_allclose(np.abs(nodes), 1 / np.sqrt(3), atol=0.04)
    _, ax = style.figure(5, 5)
    drawing = sphere_adjacency(found, ax)
    for line in drawing.edges.get_segments():
        assert max(np.hypot(*(b - a)) for a, b in pairwise(line)) < 0.2
    assert len(arcs) == 12


@pytest.mark.parametrize("colour_by", ["area", "decision"])
@pytest.mark.parametrize("subject", SPHERES)
def test_no_text_touches_another(subject: object, colour_by: str) -> None:
    assert drawn.faults(sphere_adjacency_figure(subject(), colour_by=colour_by)) == []


def test_decisions_are_those_of_the_network() -> None:
    found = subjects.normed()
    nodes = np.array(
        [found.frame_float @ [float(x) for x in cell.coordinates] for cell in found.regions]
    )
    nodes /= np.linalg.norm(nodes, axis=1, keepdims=True)
    for colour, cell in zip(node_colours(found, nodes, "decision"), found.regions, strict=True):
        outputs = found.network.forward_float(1e6 * np.array([[float(x) for x in cell.witness]]))[0]
        assert colour == style.class_colour(int(np.argmax(outputs)))
    with pytest.raises(InvalidInput, match="unknown colouring"):
        node_colours(found, nodes, "loud")


def test_counts() -> None:
    lines = drawn.lines_of(sphere_adjacency_figure(subjects.normed()))
    assert any("pairs share an arc" in line for line in lines)
    assert {"flips in layer 1", "this side", "the far side"} <= set(lines)
