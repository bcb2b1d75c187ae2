"""Sectors are the preimages of the arcs: they tile the window, and a point's sector is its arc."""

import math

import numpy as np
import pytest
import shapely

from exact import Box, InvalidInput, Sphere, partition
from exact.sources import tensors
from tests.viz import drawn, subjects
from viz import style
from viz.figures.circle import arc_colours
from viz.figures.sectors import sectors, sectors_figure
from viz.projections import CirclePlane

WINDOW = Box(-2, 2, dim=2)
E = np.array([[1.0, 0.5], [-0.25, 2.0], [0.5, -1.0]])
INSIDE, OUTSIDE = np.array([0.5, 0.25, -0.5]), np.array([9.0, 0.25, -5.0])


def draw(found: object, **options: object) -> object:
    _, ax = style.figure()
    return sectors(found, ax, options.pop("embedding", (E, INSIDE)), WINDOW, **options)


def polygons(artists: object) -> list[shapely.Polygon]:
    return [shapely.Polygon(path.vertices) for path in artists.cones.get_paths()]


EMBEDDINGS = {
    "apex inside": (E, INSIDE),
    "apex outside": (E, OUTSIDE),
    "mirrored": (E[:, ::-1], INSIDE),
    "mirrored and turned": (-E[:, ::-1], INSIDE),
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_sectors_tile_the_window(name: str) -> None:
    artists = draw(subjects.arcs(), embedding=EMBEDDINGS[name])
    assert sum(p.area for p in polygons(artists)) == pytest.approx(16)
    assert shapely.union_all(polygons(artists)).area == pytest.approx(16)
    if name != "apex outside":
        assert artists.indices == tuple(range(len(subjects.arcs())))
    colours = [style.tint(colour, style.SOFT) for colour in arc_colours(subjects.arcs())]
    faces = artists.cones.get_facecolor()[:, :3].tolist()
    assert faces == [pytest.approx(colours[i]) for i in artists.indices]


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_a_point_lies_in_the_sector_of_its_arc(name: str) -> None:
    found = subjects.arcs()
    linear, offset = EMBEDDINGS[name]
    artists = draw(found, embedding=(linear, offset))
    grid = np.random.default_rng(1).uniform(-2, 2, (60, 2))
    for index, polygon in zip(artists.indices, polygons(artists), strict=True):
        for x in grid[[polygon.contains(shapely.Point(p)) for p in grid]]:
            # far out, where eps is nothing
            code = found.network.code([float(v) for v in 1e6 * (linear @ x + offset)])
            assert code == found.regions[index].code


def test_the_apex_is_where_the_norm_is_undefined() -> None:
    apex = draw(subjects.arcs()).apex
    image = E @ apex + INSIDE
    np.testing.assert_allclose(image, image.mean(), atol=1e-12)


def one_cap(bias: float) -> object:
    """The circle of a single neuron."""
    return partition(
        tensors.block(np.eye(3)[:1], [bias], [[1]] * 3, np.zeros(3), norm="layernorm"), Sphere()
    )


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_an_arc_of_more_than_half_a_turn(name: str) -> None:
    found = one_cap(-1.25)
    assert max(r.parameters_float[1] - r.parameters_float[0] for r in found.regions) > math.pi
    assert sum(p.area for p in polygons(draw(found, embedding=EMBEDDINGS[name]))) == pytest.approx(
        16
    )


def test_a_reflex_sector_shows_on_both_sides_of_a_narrow_one() -> None:
    found = one_cap(-1.25)
    narrow = min(found.regions, key=lambda r: r.length_float)
    middle = sum(narrow.parameters_float) / 2
    turn = np.array([[math.cos(middle), -math.sin(middle)], [math.sin(middle), math.cos(middle)]])
    # the apex is (-5, 0), and the narrow sector opens towards the window
    linear = CirclePlane.of(found).axes.T @ turn
    artists = draw(found, embedding=(linear, linear @ [5, 0]))
    np.testing.assert_allclose(artists.apex, [-5, 0], atol=1e-12)
    assert sorted(artists.indices) == sorted([narrow.index, 1 - narrow.index, 1 - narrow.index])
    assert sum(p.area for p in polygons(artists)) == pytest.approx(16)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_an_uncut_circle_is_the_whole_window(name: str) -> None:
    (polygon,) = polygons(draw(one_cap(9), embedding=EMBEDDINGS[name]))
    assert polygon.equals(shapely.box(-2, -2, 2, 2))


def test_rms_norm_of_the_plane_cuts_sectors_around_the_origin() -> None:
    found = partition(subjects.block(5, dim=2, norm="rms"), Sphere())
    artists = draw(found, embedding=(np.eye(2), np.zeros(2)))
    np.testing.assert_allclose(artists.apex, 0, atol=1e-12)
    for index, polygon in zip(artists.indices, polygons(artists), strict=True):
        x, y = polygon.representative_point().coords[0]
        assert found.locate([x, y]) == index


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_decision_changes_across_the_drawn_rays(outputs: int) -> None:
    found = subjects.arcs(9, outputs)
    artists = draw(found, decision=True)
    rays = artists.decision.get_segments()
    assert len(rays) >= 2
    for ray in rays:
        values = found.network.forward_float(1e6 * (E @ ray.mean(axis=0) + INSIDE))
        largest = np.sort(values)[-2:]
        assert (values[0] if outputs == 1 else np.ptp(largest)) == pytest.approx(0, abs=1e-4)


def test_equal_codes_have_equal_colours() -> None:
    slab = tensors.block(
        [[1, -1, 0], [-1, 1, 0]], [0.5, 0.5], np.ones((3, 2)), np.zeros(3), norm="layernorm"
    )
    found = partition(slab, Sphere())
    assert (found.cell_count, found.code_count) == (4, 3)
    faces = [tuple(c) for c in draw(found).cones.get_facecolor()]
    codes = [str(r.code) for r in found.regions]
    assert all((faces[i] == faces[j]) == (codes[i] == codes[j]) for i in range(4) for j in range(i))


def test_the_whole_figure() -> None:
    without = partition(subjects.mlp(2, 6, 2, seed=4), WINDOW)
    data = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    fig = sectors_figure(
        without, subjects.arcs(), (E, INSIDE), data=data, classes=[0, 1] * 10, decision=True
    )
    lines = drawn.lines_of(fig)
    assert f"{len(without)} regions, exact" in lines
    assert "8 arcs with 8 spline codes, exact" in lines
    assert {"class 0", "class 1", "decision boundary"} <= set(lines)
    assert fig.axes[0].get_xlim() == fig.axes[1].get_xlim() == (-2, 2)
    assert [
        sum(len(p.get_offsets()) for p in ax.collections if len(p.get_offsets()) > 1)
        for ax in fig.axes
    ] == [20, 20]
    assert drawn.faults(fig) == []


@pytest.mark.parametrize(
    ("found", "embedding", "message"),
    [
        (subjects.arcs, (E[:2], INSIDE), "does not fit the norm"),
        (subjects.arcs, (np.ones((3, 2)), INSIDE), "line of directions"),
        (subjects.five_arcs, (np.eye(2), np.zeros(2)), "image is no plane"),
        (subjects.geodesic, (np.ones((16, 2)), np.zeros(16)), "image is no plane"),
    ],
)
def test_bad_embeddings(found: object, embedding: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        draw(found(), embedding=embedding)


def test_residual_blocks_have_no_decision_by_direction() -> None:
    block = tensors.block(
        np.eye(3), np.zeros(3), np.eye(3), np.zeros(3), norm="layernorm", residual=True
    )
    found = partition(block, Sphere())
    assert len(draw(found).indices) == len(found)
    with pytest.raises(InvalidInput, match="more than the direction"):
        draw(found, decision=True)


def test_the_window_must_be_known() -> None:
    with pytest.raises(InvalidInput, match="window"):
        sectors_figure(subjects.everywhere(), subjects.arcs(), (E, INSIDE))
