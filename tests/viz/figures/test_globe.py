"""The globe figure: cells, arcs and labels are the partition's, and no text touches another."""

from fractions import Fraction

import numpy as np
import pytest

from exact import InvalidInput
from tests.viz import drawn, subjects
from viz import style
from viz.figures.globe import cell_colours, globe, globe_figure
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
def test_one_path_per_visible_cell_and_all_cells_from_two_sides(subject: object) -> None:
    found, seen = subject(), set()
    chart = np.array([1.0, -2.0, 0.5])
    for sign in (1, -1):
        _, ax = style.figure(5, 5)
        view = [
            sum(
                sign * float(c) * float(row[k])
                for c, row in zip(chart, found.chart.basis, strict=True)
            )
            for k in range(len(found.chart.basis[0]))
        ]
        artists = globe(found, ax, view=view)
        assert len(artists.cells.get_paths()) == len(artists.indices) == len(set(artists.indices))
        assert set(artists.front_arcs) | set(artists.back_arcs) == set(
            range(found.complex.arc_count)
        )
        seen |= set(artists.indices)
    assert seen == set(range(len(found)))


@pytest.mark.parametrize("subject", SPHERES)
def test_curves_of_the_front_are_on_the_sphere_and_on_their_planes(subject: object) -> None:
    found = subject()
    _, ax = style.figure(5, 5)
    artists, arcs = globe(found, ax), SphereArcs.of(found)
    for path, arc in zip(artists.front.get_paths(), artists.front_arcs, strict=True):
        assert np.hypot(*path.vertices[::3].T).max() <= 1 + 1e-9
        assert arcs.circle[arc] == found.complex.arc_circle[arc]


@pytest.mark.parametrize("subject", SPHERES)
def test_codes_decide_colours(subject: object) -> None:
    found = subject()
    colours, meaning = cell_colours(found, "code")
    assert meaning.startswith("colour: spline code")
    codes = [str(r.code) for r in found.regions]
    for a, b in found.neighbours():
        assert (colours[a] == colours[b]) == (codes[a] == codes[b])
    assert "recur" in cell_colours(subjects.normed(), "code")[1]
    with pytest.raises(InvalidInput, match="unknown colouring"):
        cell_colours(found, "loud")


def test_cells_of_one_code_have_one_colour() -> None:
    """The octahedron's faces between six caps that overlap: eight cells of the code 000000, among
    26 of 19 codes.
    """
    rows = ([s * int(i == j) for j in range(3)] + [-1] for i in range(3) for s in (1, -1))
    found = subjects.planes_on_unit_sphere(*rows, radius_squared=Fraction(5, 2))
    colours = cell_colours(found, "code")[0]
    codes = [str(cell.code) for cell in found.regions]
    assert (len(codes), len(set(codes)), len(set(colours))) == (26, 19, 19)
    assert len(set(zip(codes, colours, strict=True))) == 19


@pytest.mark.parametrize("labels", ["auto", "codes", "numbers", "none"])
@pytest.mark.parametrize("subject", SPHERES)
def test_no_text_touches_another(subject: object, labels: str) -> None:
    fig = globe_figure(subject(), labels=labels)
    assert drawn.faults(fig) == []


def test_labels_are_codes_of_visible_cells() -> None:
    found = subjects.bands()
    _, ax = style.figure(6, 6)
    artists = globe(found, ax)
    assert sorted(t.get_text() for t in artists.labels) == ["00", "01", "11"]
    for text in artists.labels:
        (index,) = (i for i in artists.indices if str(found.regions[i].code) == text.get_text())
        path = artists.cells.get_paths()[artists.indices.index(index)]
        assert drawn.inside(path, np.array([text.get_position()]))[0]


def test_counts_titles_and_keys() -> None:
    lines = drawn.lines_of(globe_figure(subjects.bands()))
    assert "3 cells, 3 spline codes, 2 arcs, 0 vertices; exact" in lines
    assert {"A 2-sphere cut by circles", "a neuron changes sign", "on the far side"} <= set(lines)
    assert "LayerNorm's 2-sphere, cut by its neurons" in drawn.lines_of(
        globe_figure(subjects.normed())
    )
    deep = drawn.lines_of(globe_figure(subjects.deep_sphere()))
    assert {"flips in layer 1", "flips in layer 2"} <= set(deep)
    assert "1 cell, 1 spline code, 0 arcs, 0 vertices; exact" in drawn.lines_of(
        globe_figure(subjects.uncut())
    )


def test_areas_have_a_bar() -> None:
    fig = globe_figure(subjects.normed(), colour_by="area")
    assert "area of a cell" in drawn.lines_of(fig)
    assert drawn.faults(fig) == []


def test_data_are_directions_in_front() -> None:
    found = subjects.normed()
    witnesses = np.array([[float(x) for x in region.witness] for region in found.regions])
    _, ax = style.figure(5, 5)
    artists = globe(
        found, ax, data=3 * witnesses + 7, classes=[k % 2 for k in range(len(witnesses))]
    )
    shown = np.concatenate([p.get_offsets() for p in artists.points])
    assert 0 < len(shown) < len(witnesses)
    paths = artists.cells.get_paths()
    hits = np.array([drawn.inside(path, shown) for path in paths])
    assert (hits.sum(axis=0) == 1).all()
    assert len(set(hits.argmax(axis=0).tolist())) == len(shown), "one witness a cell"


def test_bad_input() -> None:
    _, ax = style.figure()
    with pytest.raises(InvalidInput, match="2-spheres"):
        globe(subjects.five_arcs(), ax)
    with pytest.raises(InvalidInput, match="unknown labels"):
        globe(subjects.bands(), ax, labels="loud")
