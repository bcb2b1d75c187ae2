"""The polygons, colours, points and decision boundary are those of the partition."""

import numpy as np
import pytest
import shapely
from matplotlib.colors import to_rgba

from exact import Box, InvalidInput, partition
from exact.instruments.decision.ties import tied
from exact.sources import tensors
from tests.viz import drawn, subjects
from viz import style
from viz.decision import pieces_in_polygon
from viz.figures.polytopes import polytopes, polytopes_figure
from viz.outlines import Outlines

WINDOW = Box(-2, 2, dim=2)
SQUARE = np.array([[0.3, 0.2], [-0.5, 0.1], [0.8, -0.9], [-0.2, -0.4]])


def draw(partition: object, **options: object) -> tuple[object, object]:
    _, ax = style.figure()
    return polytopes(partition, ax, **options), ax


@pytest.mark.parametrize(
    ("subject", "clip"),
    [(subjects.square, None), (subjects.slanted, None), (subjects.everywhere, WINDOW)],
)
def test_one_patch_per_region_and_they_tile_the_window(subject: object, clip: Box | None) -> None:
    partition = subject()
    artists, _ = draw(partition, clip=clip)
    polygons = [shapely.Polygon(path.vertices) for path in artists.regions.get_paths()]
    shapes = partition.polygons(clip=clip)
    assert artists.indices == tuple(i for i, shape in enumerate(shapes) if not shape.is_empty)
    assert len(polygons) == len(artists.indices) <= len(partition)
    assert [p.area for p in polygons] == pytest.approx([shapes[i].area for i in artists.indices])
    assert sum(p.area for p in polygons) == pytest.approx(16 if clip else 4)


def test_every_region_of_a_box_is_drawn() -> None:
    artists, _ = draw(subjects.square())
    assert artists.indices == tuple(range(subjects.square().region_count))


@pytest.mark.parametrize("colour_by", ["map", "code"])
def test_colours_tell_neighbours_apart(colour_by: str) -> None:
    partition = subjects.square()
    artists, _ = draw(partition, colour_by=colour_by)
    faces = [tuple(face) for face in artists.regions.get_facecolor()]
    keys = [r.code if colour_by == "code" else r.affine for r in partition.regions]
    assert len(faces) == len(keys)
    for a, b in touching(partition):
        assert (faces[a] == faces[b]) == (keys[a] == keys[b])


@pytest.mark.parametrize("subject", [subjects.square, subjects.slanted])
def test_areas_of_classes_are_cut_where_they_tie(subject: object) -> None:
    """Parts tile the regions, each with the exact volume of its class, in the colour of the points
    of that class.
    """
    partition = subject()
    artists, _ = draw(partition, colour_by="class")
    areas = [shapely.Polygon(path.vertices).area for path in artists.regions.get_paths()]
    assert np.bincount(artists.indices, areas) == pytest.approx(partition.volumes_float)
    colours = [tuple(face) for face in artists.regions.get_facecolor()]
    for c, volume in enumerate(partition.class_volumes):
        own = to_rgba(style.tint(style.class_colour(c), style.SOFT))
        found = sum(area for area, face in zip(areas, colours, strict=True) if face == own)
        assert found == pytest.approx(float(volume))
    assert (partition.class_ids < 0).any()
    fig = polytopes_figure(partition, colour_by="class")
    assert any(line == f"{len(partition)} regions, exact" for line in drawn.lines_of(fig))


def test_many_areas_are_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """From so many regions on; and their decision is looked for where classes change alone."""
    partition = subjects.square()
    whole, _ = draw(partition, decision=True)
    assert not whole.regions.get_rasterized()
    monkeypatch.setattr("viz.figures.polytopes._MANY", 3)
    asked = list[int]()
    own = "viz.figures.polytopes.pieces_in_polygon"
    monkeypatch.setattr(own, lambda c, m: (asked.append(1), pieces_in_polygon(c, m))[1])
    again, _ = draw(partition, decision=True)
    assert again.regions.get_rasterized()
    assert len(asked) < len(partition)
    assert len(again.decision.get_segments()) == len(whole.decision.get_segments()) == len(asked)


def test_equal_maps_have_one_colour() -> None:
    from exact import partition
    from exact.sources import tensors

    # the second neuron reaches nothing
    dead = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 0]], [0])])
    found = partition(dead, Box(-1, 1, dim=2))
    by_map, by_code = (draw(found, colour_by=c)[0].regions.get_facecolor() for c in ("map", "code"))
    assert (len({tuple(c) for c in by_map}), len({tuple(c) for c in by_code})) == (2, 4)


def touching(found: object, clip: Box | None = None) -> list[tuple[int, int]]:
    """Pairs of polygons that meet, if only in a corner, by shapely."""
    shapes = [shape for shape in found.polygons(clip=clip) if not shape.is_empty]
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    return [(int(a), int(b)) for a, b in zip(first, second, strict=True) if a < b]


@pytest.mark.parametrize("clip", [None, Box([-0.3, -0.4], [0.5, 0.7])])
def test_touching_regions_are_found(clip: Box | None) -> None:
    """Those that share a facet, and those that share a corner; in a window too."""
    partition = subjects.square()
    found = Outlines.of(partition, clip).touching
    assert set(touching(partition, clip)) <= set(found)
    if clip is None:
        assert set(found) >= {tuple(sorted(edge)) for edge in partition.graph().edges()}
    near = [shape.buffer(1e-9) for shape in partition.polygons(clip=clip) if not shape.is_empty]
    assert all(near[a].intersects(near[b]) for a, b in found)


@pytest.mark.parametrize("scale", [1.0, 2.0**400, 2.0**-400])
def test_centres_are_centroids(scale: float) -> None:
    """Of outlines of any size, and of one without area its mean."""
    seen = Outlines.of(subjects.square(), None)
    shapes = [shapely.Polygon(corners) for corners in seen.corners]
    expected = shapely.get_coordinates(shapely.centroid(shapes))
    scaled = Outlines(seen.indices, tuple(corners * scale for corners in seen.corners))
    assert scaled.centres / scale == pytest.approx(expected)
    flat = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    assert Outlines((0, 1), (flat, flat[[1, 1, 1]])).centres.tolist() == [[1, 1], [1, 1]]


def test_values_are_on_hinges_and_slopes() -> None:
    partition = subjects.slanted()
    on = draw(partition, colour_by="active")[0].regions.get_array()
    assert on.tolist() == [int(r.code.bits.sum()) for r in partition.regions]
    slope = draw(partition, colour_by="slope")[0].regions.get_array()
    chart = np.array([[1, 1, 0], [0, 1, 2]]).T
    np.testing.assert_allclose(
        slope, [np.linalg.norm(r.affine.float64()[0] @ chart) for r in partition.regions]
    )


def test_points_carry_their_class() -> None:
    artists, _ = draw(subjects.square(), data=SQUARE, classes=[1, 0, 1, 1])
    assert [len(points.get_offsets()) for points in artists.points] == [1, 3]
    np.testing.assert_array_equal(artists.points[1].get_offsets(), SQUARE[[0, 2, 3]])
    assert [tuple(p.get_facecolor()[0]) for p in artists.points] == [
        to_rgba(style.class_colour(c)) for c in (0, 1)
    ]


@pytest.mark.parametrize("subject", [subjects.square, subjects.slanted])
def test_the_decision_boundary_is_a_zero_or_a_tie(subject: object) -> None:
    partition = subject()
    artists, _ = draw(partition, decision=True)
    pieces = artists.decision.get_segments()
    assert len(pieces) > 2
    p0, u, v = (np.array(x, dtype=float) for x in ([0, 0, 0], [1, 1, 0], [0, 1, 2]))
    for piece in pieces:
        s, t = piece.mean(axis=0)
        point = (s, t) if subject is subjects.square else p0 + s * u + t * v
        values = partition.network.forward_float(point)
        assert (values[0] if len(values) == 1 else np.ptp(np.sort(values)[-2:])) == pytest.approx(
            0, abs=1e-9
        )


def test_data_give_an_unbounded_partition_its_window() -> None:
    _, ax = draw(subjects.everywhere(), data=SQUARE)
    low, high = SQUARE.min(axis=0), SQUARE.max(axis=0)
    assert (ax.get_xlim()[0], ax.get_ylim()[1]) == pytest.approx((low[0] - 0.26, high[1] + 0.22))


def test_an_unbounded_partition_without_window_is_refused() -> None:
    with pytest.raises(InvalidInput, match="clip"):
        draw(subjects.everywhere())


@pytest.mark.parametrize(
    ("subject", "options", "message"),
    [
        (subjects.arcs, {}, "draws polygons"),
        (subjects.square, {"colour_by": "mood"}, "unknown colouring"),
        (subjects.square, {"data": [[1, 2, 3]]}, "does not fit the figure"),
        (subjects.square, {"data": SQUARE, "classes": [0, 1]}, "does not fit the figure"),
    ],
)
def test_bad_input(subject: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        draw(subject(), **options)


@pytest.mark.parametrize(
    ("subject", "clip", "colour_by"),
    [
        (subjects.square, None, "map"),
        (subjects.slanted, None, "code"),
        (subjects.everywhere, WINDOW, "active"),
        (subjects.slanted, None, "slope"),
    ],
)
def test_the_whole_figure_says_what_it_shows(
    subject: object, clip: Box | None, colour_by: str
) -> None:
    partition = subject()
    fig = polytopes_figure(
        partition,
        clip=clip,
        colour_by=colour_by,
        data=SQUARE,
        classes=[0, 1, 0, 1],
        decision=True,
        class_names=("upper", "lower"),
    )
    lines = drawn.lines_of(fig)
    assert any(line.startswith(f"{partition.region_count} regions, exact") for line in lines)
    assert any(line.startswith("colour: ") for line in lines)
    assert {"upper", "lower", "decision boundary"} <= set(lines)
    assert ("plane parameter s" if subject is subjects.slanted else "input x₁") in lines
    assert drawn.faults(fig) == []


def test_regions_outside_the_window_are_counted() -> None:
    fig = polytopes_figure(subjects.everywhere(), clip=Box([5, 5], [6, 6]))
    (line,) = (line for line in drawn.lines_of(fig) if "in this window" in line)
    visible = int(line.split("; ")[1].split()[0])
    assert 0 < visible < subjects.everywhere().region_count


def test_a_face_in_space_is_drawn_in_its_own_coordinates() -> None:
    """A frozen coordinate and the hull of a flat polyhedron: axes bear the inputs that are
    parameters.
    """
    from exact import HPolytope, partition
    from exact.sources import tensors

    network = tensors.mlp([([[1, 1, 0], [0, 1, 1], [1, 0, -1]], [0, 1, 0]), ([[1, 1, 1]], [0])])
    triangle = HPolytope([[1, 1, 1, -1], [-1, -1, -1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    cases = [
        (Box([-1, 0, -1], [1, 0, 1]), ("input x₁", "input x₃"), 4),
        (triangle, ("input x₁", "input x₂"), 0.5),
    ]
    for domain, names, area in cases:
        found = partition(network, domain)
        artists, ax = draw(found)
        assert (ax.get_xlabel(), ax.get_ylabel()) == names
        assert sum(
            shapely.Polygon(path.vertices).area for path in artists.regions.get_paths()
        ) == pytest.approx(area)
    with pytest.raises(InvalidInput, match="two-dimensional"):
        draw(partition(network, Box([-1, 0, 0], [1, 0, 0])))


def test_the_ties_of_outputs_are_not_counted_as_regions_of_the_network() -> None:
    network = tensors.mlp(
        [([[1, 2], [2, -1], [1, 1]], [0, 1, -1]), ([[1, 0, 1], [0, 1, -1], [1, 1, 0]], [0, 1, 0])]
    )
    square = Box(-2, 2, dim=2)
    own, both = partition(network, square), partition(tied(network), square)
    assert len(own) < len(both)
    lines = drawn.lines_of(polytopes_figure(both, decision=True))
    assert f"{len(both)} regions, exact; {len(own)} without the ties" in lines
    assert f"{len(own)} regions, exact" in drawn.lines_of(polytopes_figure(own))
