"""Bézier curves for arcs of ellipses: they stay on the curve, close, and enclose the right area."""

import math

import numpy as np
import pytest

from tests.viz import drawn
from viz.curves_in_plane import Piece, circle, closed_path, open_path

SLANTED = Piece(np.array([3.0, -1.0]), np.array([2.0, 1.0]), np.array([-0.5, 0.7]), 0.3, 4.9)


def sampled(path: object, per_curve: int = 40) -> np.ndarray:
    """Points of the cubic curves of a path."""
    v, t = path.vertices, np.linspace(0, 1, per_curve)[:, None]
    curves = [v[k : k + 4] for k in range(0, len(v) - 3, 3)]
    return np.concatenate(
        [
            (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
            for a, b, c, d in curves
        ]
    )


@pytest.mark.parametrize("piece", [circle(1.0), SLANTED, SLANTED.reverse])
def test_curves_stay_on_the_ellipse(piece: Piece) -> None:
    points = sampled(open_path([piece])) - piece.centre
    x, y = np.linalg.solve(np.column_stack([piece.first, piece.second]), points.T)
    assert np.abs(np.hypot(x, y) - 1).max() < 5e-6
    np.testing.assert_allclose(
        points[[0, -1]] + piece.centre,
        [piece.point(piece.begin), piece.point(piece.end)],
        atol=1e-12,
    )


def test_enclosed_areas_add_up() -> None:
    assert circle(2.0).enclosed == pytest.approx(4 * math.pi)
    whole = Piece(SLANTED.centre, SLANTED.first, SLANTED.second, 0.3, 0.3 + 2 * math.pi)
    rest = Piece(SLANTED.centre, SLANTED.first, SLANTED.second, 4.9, 0.3 + 2 * math.pi)
    assert (
        SLANTED.enclosed + rest.enclosed
        == pytest.approx(whole.enclosed)
        == pytest.approx(math.pi * 1.9)
    )
    assert SLANTED.reverse.enclosed == pytest.approx(-SLANTED.enclosed)


def test_holes_run_clockwise() -> None:
    ring = closed_path([[circle(2.0)], [circle(1.0).reverse]])
    assert drawn.inside(ring, np.array([[1.5, 0.1], [0.2, 0.1], [2.5, 0.0]])).tolist() == [
        True,
        False,
        False,
    ]
    assert [piece.enclosed < 0 for piece in (circle(2.0), circle(1.0).reverse)] == [False, True]
