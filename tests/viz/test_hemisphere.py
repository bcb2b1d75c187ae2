"""What is in front: decided as the exact vertices say, and every point of the disc in the one cell
that it belongs to.
"""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from exact.arithmetic.linear_algebra import apply
from exact.arithmetic.numbers import rational
from exact.arithmetic.surds import Surd
from exact.regions.spheres.partition import SpherePartition
from tests.viz import drawn, subjects
from viz.hemisphere import Hemisphere
from viz.sphere_arcs import SphereArcs

SPHERES = [
    subjects.caps,
    subjects.bands,
    subjects.octants,
    subjects.uncut,
    subjects.normed,
    subjects.deep_sphere,
]
VIEWS = [(3, 1, 2), (-1, 4, 1), (1, -1, -5)]


def ambient(arcs: SphereArcs, points: np.ndarray) -> list[tuple[Fraction, ...]]:
    """Input vectors in the directions of points of the unit sphere."""
    columns = np.linalg.solve(arcs.partition.frame_float, points.T).T
    return [
        arcs.partition.chart.ambient([rational(Fraction(float(x))) for x in y]) for y in columns
    ]


def seen(found: SpherePartition, view: tuple[int, ...]) -> Hemisphere:
    """The sphere from the direction of chart coordinates."""
    return Hemisphere.seen_from(
        SphereArcs.of(found), found.frame_float @ np.array(view, dtype=float)
    )


@pytest.mark.parametrize("subject", SPHERES)
def test_arcs_pass_through_exact_vertices(subject: object) -> None:
    found = subject()
    arcs = SphereArcs.of(found)
    for arc, (a, b) in enumerate(found.complex.arc_ends):
        ends = arcs.points(arc, [0, 0.5, 1])
        np.testing.assert_allclose(np.linalg.norm(ends, axis=1), 1, atol=1e-12)
        np.testing.assert_allclose(
            ends @ arcs.axis[arcs.circle[arc]], arcs.height[arcs.circle[arc]], atol=1e-12
        )
        for point, vertex in ((ends[0], a), (ends[2], b)):
            if vertex >= 0:
                exact = [float(x.ball()) for x in found.complex.vertex(int(vertex))]
                np.testing.assert_allclose(
                    point, found.frame_float @ exact / arcs.radius, atol=1e-12
                )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("subject", [subjects.octants, subjects.normed, subjects.deep_sphere])
def test_vertices_are_in_front_where_their_exact_view_coordinate_is_positive(
    subject: object, view: tuple[int, ...]
) -> None:
    found = subject()
    half, form = seen(found, view), apply(found.chart.gram, [rational(x) for x in view])
    ends = found.complex.arc_ends
    for arc, parts in enumerate(half.pieces):
        for vertex, (side, _) in ((int(ends[arc, 0]), parts[0]), (int(ends[arc, 1]), parts[-1])):
            if vertex >= 0:
                coordinate = [
                    x * Surd(c) for x, c in zip(found.complex.vertex(vertex), form, strict=True)
                ]
                assert side == (sum(coordinate[1:], coordinate[0]).sign() > 0)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("subject", SPHERES)
def test_every_visible_point_is_in_its_cell_and_in_no_other(
    subject: object, view: tuple[int, ...]
) -> None:
    found = subject()
    half, cells = seen(found, view), dict(seen(found, view).cells)
    spiral = np.arange(60)
    radius, angle = np.sqrt((spiral + 0.5) / 60) * 0.99, 2.399963 * spiral
    flat = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    depth = np.sqrt(1 - radius**2)[:, None]
    points = flat @ np.array([half.right, half.up]) + depth * half.towards
    hits = {i: drawn.inside(path, flat) for i, path in cells.items()}
    for place, vector in enumerate(ambient(half.arcs, points)):
        assert [i for i, inside in hits.items() if inside[place]] == [found.locate(vector)]


@pytest.mark.parametrize("plane", [[0, 0, 10, -9], [0, 0, -10, 9]])
@pytest.mark.parametrize("view", [(0, 1, 9), (1, 0, -9)])
def test_a_limb_that_nothing_cuts_belongs_to_the_cell_around(
    plane: list[int], view: tuple[int, ...]
) -> None:
    found = subjects.planes_on_unit_sphere(plane)
    half = seen(found, view)
    middle, edge = half.towards, 0.999 * half.right + 0.01 * half.towards
    cells = [found.locate(vector) for vector in ambient(half.arcs, np.array([middle, edge]))]
    assert {i for i, _ in half.cells} == set(cells)
    for index, path in half.cells:
        assert drawn.inside(path, half.project(np.array([middle, edge]))).tolist() == [
            cell == index for cell in cells
        ]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("subject", SPHERES)
def test_front_and_back_make_up_every_arc(subject: object, view: tuple[int, ...]) -> None:
    found = subject()
    half = seen(found, view)
    for arc, parts in enumerate(half.pieces):
        assert sum(piece.end - piece.begin for _, piece in parts) == pytest.approx(
            half.arcs.turn[arc]
        )
        for side, piece in parts:
            share = ((piece.begin + piece.end) / 2 - half.arcs.start[arc]) / half.arcs.turn[arc]
            assert bool(half.is_front(half.arcs.points(arc, [share]))[0]) == side
    assert len(half.lines(True)) + len(half.lines(False)) == sum(map(len, half.pieces))


def test_a_circle_through_the_limb_vertices_keeps_its_parity() -> None:
    """Seen along an axis, the octants have their vertices exactly on the limb: loops close all the
    same.
    """
    for view in ((1, 0, 0), (0, 1, 0), (1, 1, 0)):
        half = seen(subjects.octants(), view)
        assert len(half.cells) >= 4
        assert all(a != b for parts in half.pieces for (a, _), (b, _) in pairwise(parts))
        sides = [[side for side, _ in parts] for parts in half.pieces]
        ends = half.arcs.partition.complex.arc_ends
        at = {
            pair
            for row, own in zip(ends.tolist(), sides, strict=True)
            for pair in ((row[0], own[0]), (row[1], own[-1]))
        }
        assert len(at) == 6, "every vertex is on one side for all arcs that end there"


@pytest.mark.parametrize("subject", SPHERES)
def test_deep_points_are_inside_and_as_deep_as_they_say(subject: object) -> None:
    found = subject()
    arcs = SphereArcs.of(found)
    points, depths = arcs.deepest
    assert [found.locate(vector) for vector in ambient(arcs, points)] == list(range(len(found)))
    for index, (point, depth) in enumerate(zip(points, depths, strict=True)):
        border = [
            arcs.points(h >> 1, np.linspace(0, 1, 200)) for walk in arcs.walks[index] for h in walk
        ]
        nearest = (
            np.arccos(np.clip(np.concatenate(border) @ point, -1, 1)).min() if border else math.pi
        )
        assert depth <= nearest + 1e-6
    half = seen(found, VIEWS[0])
    inside = list(half.deepest)
    visible = np.array([half.deepest[i][0] for i in inside])
    assert half.is_front(visible).all()
    assert [found.locate(vector) for vector in ambient(arcs, visible)] == inside
