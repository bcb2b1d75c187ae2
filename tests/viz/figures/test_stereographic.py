"""The stereographic map: circles stay circles, every point of the map is in the cell it belongs
to.
"""

import numpy as np
import pytest

from exact import InvalidInput
from tests.viz import drawn, subjects
from tests.viz.test_hemisphere import ambient
from viz import style
from viz.figures.stereographic import stereographic, stereographic_figure

SPHERES = [
    subjects.caps,
    subjects.bands,
    subjects.octants,
    subjects.uncut,
    subjects.normed,
    subjects.deep_sphere,
]


def back(projection: object, flat: np.ndarray) -> np.ndarray:
    """Points of the map on the unit sphere."""
    square = (flat**2).sum(axis=1)[:, None]
    around = flat @ np.array([projection.right, projection.up])
    return (2 * around + (square - 1) * projection.centre) / (1 + square)


@pytest.mark.parametrize("subject", SPHERES)
def test_every_point_of_the_map_is_in_its_cell_and_in_no_other(subject: object) -> None:
    found = subject()
    _, ax = style.figure(5, 5)
    artists = stereographic(found, ax, labels="none")
    assert sorted(artists.indices) == list(range(len(found)))
    spiral = np.arange(80)
    radius = 0.05 + artists.reach * spiral / 80
    flat = radius[:, None] * np.column_stack([np.cos(2.4 * spiral), np.sin(2.4 * spiral)])
    hits = np.array([drawn.inside(path, flat) for path in artists.cells.get_paths()])
    owners = [
        found.locate(v) for v in ambient(artists.projection.arcs, back(artists.projection, flat))
    ]
    assert (hits.sum(axis=0) == 1).all()
    assert [artists.indices[k] for k in hits.argmax(axis=0)] == owners


@pytest.mark.parametrize("subject", SPHERES)
def test_arcs_of_the_map_are_arcs_of_the_sphere(subject: object) -> None:
    found = subject()
    _, ax = style.figure(5, 5)
    projection = stereographic(found, ax, labels="none").projection
    arcs = projection.arcs
    for arc in range(len(arcs)):
        piece = projection.piece(arc)
        assert np.hypot(*piece.first) == pytest.approx(np.hypot(*piece.second))
        steps = piece.begin + (piece.end - piece.begin) * np.linspace(0, 1, 7)
        sphere = back(projection, np.array([piece.point(t) for t in steps]))
        c = arcs.circle[arc]
        np.testing.assert_allclose(sphere @ arcs.axis[c], arcs.height[c], atol=1e-9)
        np.testing.assert_allclose(sphere[[0, -1]], arcs.points(arc, [0, 1]), atol=1e-9)
        turned = np.arctan2(sphere @ arcs.second[c], sphere @ arcs.first[c]) - arcs.start[arc]
        assert (turned[1:-1] % (2 * np.pi) < arcs.turn[arc]).all()
        assert (np.diff(turned[1:-1] % (2 * np.pi)) > 0).all(), "the direction of the arc is kept"


def test_the_outer_cell_is_the_largest_or_the_one_asked_for() -> None:
    found = subjects.normed()
    _, ax = style.figure(5, 5)
    assert stereographic(found, ax).indices[0] == int(np.argmax(found.areas_float()))
    assert stereographic(found, ax, centre=3).indices[0] == 3
    with pytest.raises(IndexError):
        stereographic(found, ax, centre=len(found))


@pytest.mark.parametrize("labels", ["auto", "numbers"])
@pytest.mark.parametrize("subject", SPHERES)
def test_no_text_touches_another(subject: object, labels: str) -> None:
    assert drawn.faults(stereographic_figure(subject(), labels=labels)) == []


def test_the_outer_cell_is_named() -> None:
    lines = drawn.lines_of(stereographic_figure(subjects.bands()))
    assert "outside: 01" in lines
    assert any("projected from inside cell 1" in line for line in lines)
    with pytest.raises(InvalidInput, match="2-spheres"):
        stereographic_figure(subjects.five_arcs())
