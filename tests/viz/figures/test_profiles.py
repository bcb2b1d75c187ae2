"""Profiles follow the curve: cells in order, steps at crossings, outputs of the network."""

import math
from itertools import pairwise

import numpy as np
import pytest

from exact import InvalidInput, Line, Ray, Segment, partition
from tests.viz import drawn, subjects
from viz import style
from viz.figures.profiles import cells_along, profile, profile_figure
from viz.projections import outputs_on_circle

NETWORK = subjects.mlp(2, 6, 5, 2, seed=3)
CURVES = {
    "segment": lambda: partition(NETWORK, Segment([-2, -1], [2, 1])),
    "line": lambda: partition(NETWORK, Line([0, 0], [2, 1])),
    "ray": lambda: partition(subjects.block(6, shift=1.0), Ray(0, [1, 2, 4])),
    "circle": subjects.arcs,
    "geodesic": subjects.geodesic,
    "ellipse": subjects.ellipse,
}


def draw(found: object, **options: object) -> object:
    _, axes = style.figure(7, 5, 3, 1, sharex=True)
    return profile(found, axes, **options)


@pytest.mark.parametrize("name", CURVES)
def test_cells_tile_the_axis_in_order(name: str) -> None:
    found = CURVES[name]()
    cells = cells_along(found)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(cells))
    assert {cell.index for cell in cells} == set(range(len(found)))
    for cell in cells:
        start, end = found.regions[cell.index].parameters_float
        middle = (cell.start + cell.end) / 2
        assert start < middle < end or start < middle + 2 * math.pi < end
    if not found.frame.is_straight:
        assert (cells[0].start, cells[-1].end) == pytest.approx((0, 2 * math.pi))
        assert len(cells) == len(found) + (cells[0].index == cells[-1].index)


def test_windows() -> None:
    segment = cells_along(CURVES["segment"]())
    assert (segment[0].start, segment[-1].end) == (0, 1)
    line, positions = (
        cells_along(CURVES["line"]()),
        [c.parameter_float for c in CURVES["line"]().crossings if not c.tangent],
    )
    assert line[0].start < min(positions) < max(positions) < line[-1].end < math.inf
    ray = CURVES["ray"]()
    positions = [c.parameter_float for c in ray.crossings if not c.tangent]
    assert cells_along(ray)[0].start == 0
    logarithmic = cells_along(ray, log=True)
    assert (logarithmic[0].start, logarithmic[-1].end) == pytest.approx(
        (min(positions) / 4, max(positions) * 4)
    )


@pytest.mark.parametrize("name", CURVES)
def test_steps_count_flipped_bits(name: str) -> None:
    found = CURVES[name]()
    artists = draw(found)
    so_far, distance = (line.get_ydata()[:-1] for line in artists.code)
    codes = [found.regions[cell.index].code for cell in artists.cells]
    assert distance.tolist() == [codes[0].hamming(code) for code in codes]
    jumps = [a.hamming(b) for a, b in pairwise(codes)]
    assert np.diff(so_far).tolist() == jumps
    assert artists.code[0].get_xdata()[1:-1].tolist() == [cell.start for cell in artists.cells[1:]]
    changing = [c for c in found.crossings if not c.tangent]
    assert sum(jumps) == sum(len(c.hinges) for c in changing)


@pytest.mark.parametrize("name", ["segment", "ray", "geodesic"])
def test_outputs_are_those_of_the_network(name: str) -> None:
    found = CURVES[name]()
    artists = draw(found, outputs=[1, 0])
    for line, dots, k in zip(artists.outputs, artists.kinks, (1, 0), strict=True):
        at, values = line.get_data()
        if name == "geodesic":
            expected = outputs_on_circle(found, at)
        elif name == "segment":
            expected = NETWORK.forward_float(np.array([-2, -1]) + at[:, None] * np.array([4, 2]))
        else:
            expected = found.network.forward_float(at[:, None] * np.array([1, 2, 4]))
        np.testing.assert_allclose(values, expected[:, k], atol=1e-9)
        assert dots.get_xdata().tolist() == [cell.start for cell in artists.cells[1:]]
        np.testing.assert_allclose(
            np.interp(*[dots.get_xdata(), at, values]), dots.get_ydata(), atol=1e-9
        )


def test_between_kinks_a_segment_is_straight() -> None:
    artists = draw(CURVES["segment"]())
    at, values = artists.outputs[0].get_data()
    for cell in artists.cells:
        inside = (at >= cell.start) & (at <= cell.end)
        if inside.sum() > 3:
            slopes = np.diff(values[inside]) / np.diff(at[inside])
            assert np.ptp(slopes) < 1e-6 * max(1, np.abs(slopes).max())


def test_the_strip_shows_every_cell_in_its_code_colour() -> None:
    found = subjects.five_arcs()
    artists = draw(found)
    paths, colours = artists.strip.get_paths(), artists.strip.get_facecolor()
    assert len(paths) == len(artists.cells)
    spans = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in paths]
    assert spans == [(cell.start, cell.end) for cell in artists.cells]
    codes = [str(found.regions[cell.index].code) for cell in artists.cells]
    pairs = [
        (codes[i] == codes[j], tuple(colours[i]) == tuple(colours[j]))
        for i in range(len(codes))
        for j in range(i)
    ]
    assert all(same == alike for same, alike in pairs)


def test_many_outputs_are_reduced_to_those_that_vary() -> None:
    found = subjects.geodesic()
    artists = draw(found)
    every = outputs_on_circle(found, np.linspace(0, 2 * math.pi, 500))
    chosen = {int(line.get_label().split()[1]) for line in artists.outputs}
    assert chosen == set(np.argsort(np.ptp(every, axis=0))[-4:].tolist())


@pytest.mark.parametrize("name", CURVES)
def test_the_whole_figure(name: str) -> None:
    found, log = CURVES[name](), name == "ray"
    fig = profile_figure(found, log=log)
    lines = drawn.lines_of(fig)
    assert any(
        line.startswith(f"{len(found)} cells with {found.code_count} spline codes, exact")
        for line in lines
    )
    assert {"bits flipped so far", "cells", "output"} <= set(lines)
    assert {"parameter t (logarithmic)", "parameter t", "angle θ (radians)"} & set(lines)
    assert fig.axes[2].get_xscale() == ("log" if log else "linear")
    assert drawn.faults(fig) == []


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (subjects.square, {}, "profiles follow curves"),
        (subjects.arcs, {"log": True}, "no logarithmic axis"),
        (subjects.arcs, {"outputs": [7]}, "no such output"),
        (lambda: partition(NETWORK, Segment([-2, -1], [2, 1])), {"outputs": []}, "no such output"),
    ],
)
def test_bad_input(found: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        draw(found(), **options)
