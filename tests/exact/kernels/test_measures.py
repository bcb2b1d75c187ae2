"""Measures of faces: bounds on their errors, where signs are certain and where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from exact.kernels import measures

SLACK = 2.0**-12
EDGES = [(0, 1), (1, 2), (2, 3), (0, 3)]


def quadrangle(x: np.ndarray, slack: float) -> tuple[measures.Faces, measures.Faces]:
    """The edges and the face of a quadrangle whose vertices are off by `slack`."""
    off = np.full(4, slack)
    vertices = measures.points(x, off, np.zeros(4, bool))
    members = np.array(EDGES).ravel()
    edges = measures.raised(vertices, x, off, np.arange(0, 9, 2), members, 1)
    face = measures.raised(edges, x, off, np.array([0, 4]), np.arange(4), 2)
    return edges, face


def corners(bulge: float) -> np.ndarray:
    """A triangle and a fourth corner that stands out of its long side, in a slanted plane."""
    flat = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5 - bulge, 0.5 + bulge]])
    return flat @ np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.25]])


def terms(x: np.ndarray, edges: measures.Faces) -> Iterator[tuple[float, float]]:
    """The two terms of the face: their sizes, and what they err by at the least."""
    for edge in (1, 2):
        start = EDGES[edge][0]
        gap = float(np.linalg.norm(x[start] - x[0]))
        size = float(np.linalg.norm(np.cross(x[start] - x[0], x[EDGES[edge][1]] - x[start])))
        moved = 2 * SLACK * float(edges.size[edge] + edges.error[edge])
        yield size, gap * float(edges.error[edge]) + moved


@pytest.mark.parametrize("bulge, certain", [(2.0**-3, True), (2.0**-13, False), (0.0, False)])
def test_a_sign_that_is_not_certain_costs_twice_its_term(bulge: float, certain: bool) -> None:
    x = corners(bulge)
    edges, face = quadrangle(x, SLACK)
    (_, first), (size, second) = terms(x, edges)
    costs = 0.0 if certain else 2 * (size + second)
    assert (first + second + costs) / 2 <= face.error[0] <= (first + second + costs) / 2 * 1.01


@pytest.mark.parametrize("bulge", [2.0**-3, 2.0**-13])
def test_faces_within_the_slack_are_within_the_bound(bulge: float) -> None:
    """Whichever corners are meant, the area is within the bound."""
    x = corners(bulge)
    _, face = quadrangle(x, SLACK)
    directions = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.25]])
    unit = directions / np.linalg.norm(directions, axis=1)[:, None]
    for signs in product((-1, 1), repeat=4):
        moved = x + SLACK / 2 * np.array(signs)[:, None] * (unit[0] - unit[1])
        parts = [np.cross(moved[i] - moved[0], moved[j] - moved[i]) for i, j in ((1, 2), (2, 3))]
        area = float(np.linalg.norm(parts[0] + parts[1])) / 2
        assert abs(area - float(face.size[0])) <= float(face.error[0])
