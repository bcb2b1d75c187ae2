"""Partitions that list pairs and faces, made from partitions that do not: vertices and faces come
from their exact facets.

A region's faces are the intersections of its facets, as sets of vertices; regions are put into an
order of their own.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.linear_algebra import rank
from exact.arithmetic.numbers import Rational
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine
from exact.regions.cells import Outcome
from exact.regions.engine import Problem
from exact.regions.polytopes.cells import FlatCells
from exact.regions.polytopes.partition import FlatPartition

Face = frozenset[int]


def incidence(rows: list[list[int]]) -> Incidence:
    starts = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    return Incidence(starts, np.array([i for row in rows for i in row], dtype=np.int64))


def complex_of(found: FlatPartition, order: IndexArray) -> FaceComplex:
    """The complex of a partition of a bounded domain, cell k being region `order[k]`."""
    dim, places = found.flat.dim, dict[Point, int]()
    cells, faces = [list[Face]() for _ in order], [dict[Face, int]() for _ in range(dim + 1)]
    for k, index in enumerate(order):
        points, _ = found.corners_of(int(index))
        for point in points:
            places.setdefault(point, len(places))
        walls = [Halfspace(facet.hyperplane) for facet in found.facets_of(int(index))]
        facets = [frozenset(places[p] for p in points if wall.value(p) == 0) for wall in walls]
        whole = frozenset(places[p] for p in points)
        cells[k] = [whole, *_intersections(facets)]
    points = list(places)
    for vertex in range(len(points)):
        faces[0][frozenset((vertex,))] = vertex
    for face in (face for cell in cells for face in cell):
        level = faces[_dimension(face, points)]
        level.setdefault(face, len(level))
    boundary = {
        k: incidence([_facets(face, faces[k - 1], cells) for face in faces[k]])
        for k in range(1, dim + 1)
    }
    corners = incidence([sorted(cell[0]) for cell in cells])
    return FaceComplex(
        dim, boundary, corners, len(points), lambda i: SymbolicPoint(points[i], (0,) * dim)
    )


def _intersections(facets: list[Face]) -> set[Face]:
    found = set(facets)
    while more := {a & b for a, b in combinations(found, 2)} - found - {frozenset()}:
        found |= more
    return found


def _dimension(face: Face, points: list[Point]) -> int:
    return rank([[*affine(points[i]), Rational(1)] for i in face]) - 1


def _facets(face: Face, below: dict[Face, int], cells: list[list[Face]]) -> list[int]:
    around = next(cell for cell in cells if face in cell)
    return [below[other] for other in around if other < face and other in below]


def listed(
    found: FlatPartition,
    *,
    pairs: bool = True,
    faces: bool = True,
    seed: int = 0,
    outcome: Outcome = Outcome.COMPLETE,
) -> FlatPartition:
    """The same partition as from an engine that lists pairs or faces, and has its regions in a
    random order.
    """
    order: IndexArray = np.random.default_rng(seed).permutation(len(found)).astype(np.int64)
    place = np.argsort(order)
    edges = np.array(
        [[int(place[b]), int(place[a])] for a, b in found.graph().edges()], dtype=np.int64
    ).reshape(-1, 2)
    cells = FlatCells(
        found.codes[order],
        found.network.hinge_count,
        lambda i: found.witness_of(int(order[i])),
        outcome,
        "listed",
        {},
        pairs=(lambda: edges) if pairs else None,
        faces=complex_of(found, order) if faces else None,
    )
    return FlatPartition(Problem(found.network, found.domain), "listed", cells)  # type: ignore[arg-type]
