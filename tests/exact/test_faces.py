"""Faces as data: rows of different lengths, points at infinity, and a complex built by hand."""

from __future__ import annotations

import numpy as np
import pytest

from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint


def incidence(rows: list[list[int]]) -> Incidence:
    return Incidence(
        np.cumsum([0, *map(len, rows)]), np.array([x for row in rows for x in row], dtype=np.int64)
    )


def test_rows_of_an_incidence() -> None:
    rows = [[3, 1], [], [2, 0, 5], [], [7]]
    found = incidence(rows)
    assert len(found) == 5
    assert [found.row(i).tolist() for i in range(5)] == rows
    assert len(incidence([])) == 0


@pytest.mark.parametrize(
    ("finite", "infinite", "is_finite"),
    [
        ((1, 2, 3), (0, 0), True),
        ((0, 0, 1), (0, 1), False),
        ((0, 0, 1), (-1, 1), False),
        ((5, 0, 2), (-2, 0), False),
    ],
)
def test_points_at_infinity(
    finite: tuple[int, ...], infinite: tuple[int, ...], is_finite: bool
) -> None:
    assert SymbolicPoint(finite, infinite).is_finite is is_finite


def test_points_compare_by_value() -> None:
    points = {SymbolicPoint((1, 2), (0,)), SymbolicPoint((1, 2), (0,)), SymbolicPoint((1, 2), (1,))}
    assert len(points) == 2


def test_two_triangles() -> None:
    """A square cut along its diagonal: the diagonal alone is in both."""
    at = [SymbolicPoint((x, y, 1), (0, 0)) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    edges = incidence([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]])
    cells = incidence([[0, 1, 4], [2, 3, 4]])
    faces = FaceComplex(
        2, {1: edges, 2: cells}, incidence([[0, 1, 2], [0, 2, 3]]), 4, at.__getitem__
    )
    assert faces.vertex(2).finite == (1, 1, 1)
    shared = set(cells.row(0).tolist()) & set(cells.row(1).tolist())
    assert [faces.boundary[1].row(e).tolist() for e in shared] == [[0, 2]]
    assert faces.vertex_count - len(edges) + len(cells) == 1
