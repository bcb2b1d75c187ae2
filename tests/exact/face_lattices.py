"""A second opinion on polyhedral complexes: all faces of all regions from their halfspaces, by
brute force in fractions.

Every d constraints are met, the points that violate none are the vertices, and faces are
intersections of facets. Unbounded domains are cut at the cube [-K, K]^d, whose vertices are pairs
(p, q) that stand for p + K q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import lcm

import numpy as np
import sympy

from exact import Domain, Network, partition
from exact.geometry.combinatorics.incidence import Incidence
from exact.geometry.polyhedra.faces import FaceComplex, SymbolicPoint
from exact.regions.engine import Problem
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.walls.facets import region_walls

Pair = tuple[Fraction, Fraction]
Constraint = tuple[tuple[int, ...], int, int]  # normal, finite offset, infinite offset
Vertex = tuple[Pair, ...]
Face = frozenset[Vertex]


def with_faces(network: Network, domain: Domain) -> FlatPartition:
    """The partition by lp_tree, with the complex of its faces beside it; in a cube unless the
    domain has 2d walls.
    """
    found = partition(network, domain, engine="lp_tree")
    assert isinstance(found, FlatPartition)
    dim, cells = found.flat.dim, found.cells
    sides = cube_sides(dim) if len(found.flat.walls) < 2 * dim else []
    walls = [region_walls(network, found.flat, bits.tolist()) for bits in cells.bits]
    faces = complex_of(
        [[*((w.normal, w.offset, 0) for w in region), *sides] for region in walls], dim
    )
    return FlatPartition(Problem(network, domain), found.engine, replace(cells, faces=faces))  # type: ignore[arg-type]


def cube_sides(dim: int) -> list[Constraint]:
    units = [tuple(int(i == j) for j in range(dim)) for i in range(dim)]
    return [(tuple(sign * x for x in unit), 0, 1) for unit in units for sign in (1, -1)]


def complex_of(regions: Sequence[Sequence[Constraint]], dim: int) -> FaceComplex:
    """The complex of polytopes that meet face to face, each given by its constraints."""
    lattices = [lattice(rows, dim) for rows in regions]
    faces = [
        list(dict.fromkeys(face for levels in lattices for face in levels[k])) for k in range(dim)
    ]
    faces.append([levels[dim][0] for levels in lattices])
    numbers = [{face: i for i, face in enumerate(level)} for level in faces]
    boundary = {
        k: incidence(
            [[numbers[k - 1][part] for part in faces[k - 1] if part < face] for face in faces[k]]
        )
        for k in range(1, dim + 1)
    }
    vertices = [next(iter(face)) for face in faces[0]]
    place = {vertex: i for i, vertex in enumerate(vertices)}
    corners = incidence([sorted(place[v] for v in cell) for cell in faces[dim]])
    return FaceComplex(dim, boundary, corners, len(vertices), lambda i: symbolic(vertices[i]))


def incidence(rows: Sequence[Sequence[int]]) -> Incidence:
    starts = np.cumsum([0, *map(len, rows)])
    return Incidence(
        starts.astype(np.int64), np.array([x for row in rows for x in row], dtype=np.int64)
    )


def symbolic(vertex: Vertex) -> SymbolicPoint:
    scale = lcm(*(x.denominator for pair in vertex for x in pair))
    finite, infinite = ([int(pair[k] * scale) for pair in vertex] for k in (0, 1))
    return SymbolicPoint((*finite, scale), tuple(infinite))


def lattice(rows: Sequence[Constraint], dim: int) -> list[list[Face]]:
    """The faces of one polytope by dimension, each as its set of vertices."""
    corners = vertices_of(rows, dim)
    everything = frozenset(corners)
    facets = [frozenset(v for v in corners if not any(value(row, v))) for row in rows]
    found = {everything} | {facet for facet in facets if facet}
    fresh = set(found)
    while fresh:
        fresh = {a & b for a in fresh for b in facets if a & b} - found
        found |= fresh
    levels: list[list[Face]] = [[] for _ in range(dim + 1)]
    for face in sorted(found, key=sorted):
        levels[dimension(face)].append(face)
    return levels


def vertices_of(rows: Sequence[Constraint], dim: int) -> list[Vertex]:
    found = dict[Vertex, None]()
    for subset in combinations(rows, dim):
        matrix = sympy.Matrix([row[0] for row in subset])
        if matrix.det() != 0:
            parts = [matrix.LUsolve(-sympy.Matrix([row[k] for row in subset])) for k in (1, 2)]
            vertex = tuple(
                zip(*([Fraction(int(x.p), int(x.q)) for x in part] for part in parts), strict=True)
            )
            if all(lexicographic(value(row, vertex)) >= 0 for row in rows):
                found[vertex] = None
    return list(found)


def value(row: Constraint, vertex: Vertex) -> Pair:
    normal, finite, infinite = row
    return (
        sum((a * p for a, (p, _) in zip(normal, vertex, strict=True)), Fraction(finite)),
        sum((a * q for a, (_, q) in zip(normal, vertex, strict=True)), Fraction(infinite)),
    )


def lexicographic(pair: Pair) -> int:
    deciding = pair[1] or pair[0]
    return (deciding > 0) - (deciding < 0)


def dimension(face: Face) -> int:
    """The dimension of the hull, at a K larger than what these small tests can tell from
    infinity.
    """
    points = [[p + 10**60 * q for p, q in vertex] for vertex in face]
    differences = [[a - b for a, b in zip(point, points[0], strict=True)] for point in points[1:]]
    return int(sympy.Matrix(differences).rank()) if differences else 0
