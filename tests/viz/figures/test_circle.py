"""The circle figure: arcs, hyperplanes and crossings are the partition's, and no text touches
another.
"""

import math
import re

import numpy as np
import pytest
import sympy
from matplotlib.colors import to_rgb
from matplotlib.patches import Wedge

from exact import GreatCircle, InvalidInput, Segment, Sphere, partition
from exact.sources import tensors
from tests.viz import drawn, subjects
from viz import style
from viz.figures.circle import arc_colours, circle, circle_figure
from viz.labels import exact_point
from viz.projections import CirclePlane

CIRCLES = [subjects.five_arcs, subjects.arcs, subjects.sixty_arcs, subjects.geodesic]


def draw(found: object, **options: object) -> tuple[object, object]:
    fig, ax = style.figure(6, 6)
    return circle(found, ax, **options), fig


def face(wedge: Wedge) -> tuple[float, ...]:
    return tuple(wedge.get_facecolor())


@pytest.mark.parametrize(("subject", "count"), [(subjects.five_arcs, 5), (subjects.sixty_arcs, 60)])
def test_the_subjects_have_the_arcs_they_are_named_for(subject: object, count: int) -> None:
    assert subject().cell_count == count


@pytest.mark.parametrize("subject", CIRCLES)
def test_one_patch_per_arc_and_their_angles_sum_to_a_turn(subject: object) -> None:
    found = subject()
    artists, _ = draw(found)
    assert len(artists.arcs) == len(artists.ring.get_paths()) == found.cell_count
    assert sum(w.theta2 - w.theta1 for w in artists.arcs) == pytest.approx(360)
    for wedge, region in zip(artists.arcs, found.regions, strict=True):
        assert (math.radians(wedge.theta1), math.radians(wedge.theta2)) == pytest.approx(
            region.parameters_float
        )
        assert wedge.r - wedge.width < CirclePlane.of(found).radius < wedge.r


@pytest.mark.parametrize("subject", CIRCLES)
def test_equal_codes_have_equal_colours_and_neighbours_differ(subject: object) -> None:
    found = subject()
    arcs = draw(found)[0].arcs
    colours: dict[str, set[tuple[float, ...]]] = {}
    for wedge, region in zip(arcs, found.regions, strict=True):
        colours.setdefault(str(region.code), set()).add(face(wedge))
    assert all(len(of_code) == 1 for of_code in colours.values())
    assert all(face(arcs[i]) != face(arcs[i - 1]) for i in range(len(arcs)))


def test_one_code_can_own_two_arcs() -> None:
    found = subjects.five_arcs()
    arcs = draw(found)[0].arcs
    assert (len(arcs), found.code_count, len({face(w) for w in arcs})) == (5, 4, 4)


@pytest.mark.parametrize("subject", CIRCLES)
def test_crossings_lie_on_the_circle_and_on_the_lines_of_their_neurons(subject: object) -> None:
    found = subject()
    artists, _ = draw(found)
    points = np.column_stack(artists.crossings.get_data())
    assert len(points) == len([c for c in found.crossings if not c.tangent])
    np.testing.assert_allclose(np.hypot(*points.T), CirclePlane.of(found).radius)
    segments = np.array(artists.hyperplanes.get_segments())
    for point in points:
        along, to_point = segments[:, 1] - segments[:, 0], point - segments[:, 0]
        away = np.abs(along[:, 0] * to_point[:, 1] - along[:, 1] * to_point[:, 0]) / np.hypot(
            *along.T
        )
        assert away.min() < 1e-9


def test_lines_that_miss_the_drawing_are_left_out() -> None:
    found = partition(
        tensors.mlp([([[1, 0], [1, 0]], [9, 0]), ([[1, 1]], [0])]), Sphere(radius_squared=1)
    )
    artists, _ = draw(found)
    assert len(artists.hyperplanes.get_segments()) == 1
    assert "n1" in [t.get_text() for t in artists.labels]
    assert "n0" not in [t.get_text() for t in artists.labels]


def test_tangencies_have_their_own_mark() -> None:
    found = partition(
        tensors.mlp([([[1, 0], [0, 1]], [-1, 0.5]), ([[1, 1]], [0])]), Sphere(radius_squared=1)
    )
    assert [c.tangent for c in found.crossings] == [False, False, True]
    fig = circle_figure(found)
    assert "tangency" in drawn.lines_of(fig)
    (diamonds,) = (line for line in fig.axes[0].lines if line.get_marker() == "D")
    np.testing.assert_allclose(np.column_stack(diamonds.get_data()), [[1, 0]], atol=1e-12)
    (dots,) = (line for line in fig.axes[0].lines if line.get_marker() == "o")
    assert len(dots.get_xdata()) == 2
    assert "tangency" not in drawn.lines_of(circle_figure(subjects.five_arcs()))


def test_short_codes_are_written_at_their_arcs() -> None:
    found = subjects.arcs()
    artists, _ = draw(found)
    written = [text.get_text() for text in artists.labels]
    assert sorted(t for t in written if not t.startswith("n")) == sorted(
        str(r.code) for r in found.regions
    )
    by_text = {text.get_text(): text.get_position() for text in artists.labels}
    for region in found.regions:
        angle = sum(region.parameters_float) / 2
        x, y = by_text[str(region.code)]
        assert (x >= 0) == (math.cos(angle) >= 0)
        assert (
            math.hypot(
                x - 1.2 * math.sqrt(3) * math.cos(angle), y - 1.2 * math.sqrt(3) * math.sin(angle)
            )
            < 1.2
        )


def test_long_codes_are_numbered_and_listed() -> None:
    found = subjects.sixty_arcs()
    fig = circle_figure(found)
    assert len(fig.axes) == 2
    rows = [
        line.split() for line in drawn.lines_of(fig) if line.split()[0].isdigit() and "°" in line
    ]
    assert [int(row[0]) for row in rows] == list(range(60))
    assert [row[2] for row in rows] == [bytes(code).hex() for code in found.codes]
    for row, region in zip(rows, found.regions, strict=True):
        (flipped,) = region.facets[0].flipped
        assert row[3] == ("+" if region.code.bits[flipped.neuron] else "−") + str(flipped.neuron)


@pytest.mark.parametrize(
    ("subject", "labels"),
    [
        (subjects.five_arcs, "codes"),
        (subjects.five_arcs, "numbers"),
        (subjects.five_arcs, "none"),
        (subjects.arcs, "auto"),
        (subjects.sixty_arcs, "numbers"),
        (subjects.sixty_arcs, "codes"),
        (subjects.geodesic, "auto"),
    ],
)
def test_no_text_touches_another(subject: object, labels: str) -> None:
    assert drawn.faults(circle_figure(subject(), labels=labels)) == []


def test_no_text_touches_another_once_saved(tmp_path: object) -> None:
    fig = circle_figure(subjects.sixty_arcs())
    style.save(fig, tmp_path, "circle")
    for dpi in (72, style.PNG_DPI):
        fig.set_dpi(dpi)
        assert drawn.faults(fig) == []


def test_the_circle_is_round() -> None:
    fig = circle_figure(subjects.arcs())
    fig.draw_without_rendering()
    transform = fig.axes[0].transData
    right, top, centre = transform.transform([(1, 0), (0, 1), (0, 0)])
    assert right[0] - centre[0] == pytest.approx(top[1] - centre[1], rel=1e-3)


def test_only_the_longest_of_many_arcs_are_numbered() -> None:
    found = partition(subjects.block(70), Sphere())
    assert found.cell_count > 96
    fig = circle_figure(found)
    lines = drawn.lines_of(fig)
    numbers = {int(t) for t in lines if t.isdigit()} - {0}  # 0 is also a tick
    longest = sorted(range(len(found)), key=lambda i: -found.regions[i].length_float)[:40]
    assert numbers <= set(longest)
    assert len(numbers) > 25
    assert len(fig.axes) == 1
    assert any("longest arcs" in line for line in lines)
    assert drawn.faults(fig) == []


def test_data_are_directions() -> None:
    found = subjects.arcs()
    plane, angles = CirclePlane.of(found), np.array([0.4, 2.0, 5.0])
    data = 7 * plane.points(angles) + 3  # neither length nor mean matters behind LayerNorm
    artists, _ = draw(found, data=data, classes=[0, 1, 0])
    offsets = np.vstack([p.get_offsets() for p in artists.points])
    np.testing.assert_allclose(
        np.arctan2(offsets[:, 1], offsets[:, 0]) % (2 * math.pi), angles[[0, 2, 1]]
    )
    assert np.hypot(*offsets.T).max() < 0.96 * plane.radius


def test_titles_and_counts() -> None:
    lines = drawn.lines_of(circle_figure(subjects.five_arcs()))
    assert "A circle cut into arcs" in lines
    assert "5 arcs with 4 spline codes, exact; 3 of 3 hinges change on the circle" in lines
    behind = drawn.lines_of(circle_figure(subjects.arcs()))
    assert {"LayerNorm's circle, cut into arcs", "√3", "−√3", "e₁ (angle 0°)"} <= set(behind)


def test_an_uncut_circle_is_one_arc() -> None:
    found = partition(tensors.mlp([([[1, 0]], [9]), ([[1]], [0])]), Sphere(radius_squared=4))
    fig = circle_figure(found)
    lines = drawn.lines_of(fig)
    assert "1 arc with 1 spline code, exact; 0 of 1 hinges change on the circle" in lines
    assert not any("hyperplane" in line or line == "crossing" for line in lines)


def test_smooth_networks_have_circles_too() -> None:
    from exact import GELU

    rng = np.random.default_rng(0)
    network = tensors.block(
        rng.integers(-8, 9, (5, 4)),
        np.zeros(5),
        np.ones((4, 5)),
        np.zeros(4),
        norm="layernorm",
        activation=GELU("tanh"),
    )
    found = partition(network, GreatCircle([1, 0, 0, 0], [0, 1, 0, 0]))
    assert len(draw(found)[0].arcs) == found.cell_count == 10


def test_an_ellipse_is_drawn_in_its_parameter() -> None:
    free, behind = subjects.ellipse(), subjects.ellipse(behind=True)
    points = np.array([[1.0, 2, 3], [3, 2, 1]])
    for found, lines in ((free, True), (behind, False)):
        artists, _ = draw(found, data=points)
        assert len(artists.arcs) == len(found)
        assert (len(artists.hyperplanes.get_segments()) > 0) == lines
        fig = circle_figure(found)
        written = drawn.lines_of(fig)
        assert {"An ellipse cut into arcs, in its parameter t", "cos t", "sin t"} <= set(written)
        assert drawn.faults(fig) == []


def test_bad_input() -> None:
    with pytest.raises(InvalidInput, match="unknown labels"):
        draw(subjects.arcs(), labels="loud")
    with pytest.raises(InvalidInput, match="draws circles"):
        draw(partition(subjects.mlp(2, 3, 1), Segment([0, 0], [1, 1])))


def test_crossings_have_exact_points() -> None:
    rows = [[1, 0, -1], [1, -2, 1], [2, 0, 1], [1, 1, 1]]
    behind = tensors.block(rows, [0, 1, 0.5, -5], [[1, 1, 1, 1]], [0], norm="layernorm")
    for found in (subjects.five_arcs(), partition(behind, Sphere())):
        lines = drawn.lines_of(circle_figure(found, labels="codes"))
        assert drawn.faults(circle_figure(found, labels="codes")) == []
        for crossing in found.crossings:
            text = exact_point(crossing)
            (line,) = (
                x for x in lines if x.split()[0] == f"{math.degrees(crossing.angle_float):.2f}°"
            )
            assert text in line
            assert all(f"n{hinge.neuron}" in line for hinge in crossing.hinges)
            read = re.sub(r"√(\d+)", r"sqrt(\1)", text.replace("−", "-"))
            assert sympy.sympify(read) == sympy.Tuple(*crossing.point)
    assert "(3, 4)" in " ".join(drawn.lines_of(circle_figure(subjects.five_arcs())))


def test_rows_of_crossings_have_the_colour_of_the_arc_that_begins_there() -> None:
    found = subjects.five_arcs()
    fig = circle_figure(found, labels="codes")
    squares = next(
        c for c in fig.axes[1].collections if len(c.get_offsets()) == len(found.crossings)
    ).get_facecolors()
    colours = arc_colours(found)
    for crossing, square in zip(found.crossings, squares, strict=True):
        (arc,) = (
            r.index
            for r in found.regions
            if abs(r.parameters_float[0] - crossing.angle_float) % (2 * math.pi) < 1e-9
        )
        assert tuple(square[:3]) == pytest.approx(to_rgb(colours[arc]))


def test_long_expressions_are_left_out() -> None:
    crossings = partition(subjects.block(6, shift=3.0), Sphere()).crossings
    assert [exact_point(crossing) for crossing in crossings] == [None] * len(crossings)
    assert exact_point(subjects.five_arcs().crossings[0], longest=3) is None
    touching = partition(
        tensors.mlp([([[1, 0], [0, 1]], [-1, 0.5]), ([[1, 1]], [0])]), Sphere(radius_squared=1)
    )
    assert any("n0 touches" in line for line in drawn.lines_of(circle_figure(touching)))
