"""A second opinion on cell complexes of spheres: codes beside every arc, in floats, and the laws of
half-edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, nearest_floats
from exact.geometry.circles.arrangement import CircleArrangement
from exact.geometry.circles.complex import SphereComplex
from exact.geometry.polyhedra.halfspace import Halfspace

STEP = 2.0**-23  # beside an arc, in radii; planes nearer than a few of these are not looked at


def cell_codes(made: CircleArrangement) -> BitArray:
    """The codes of all cells, carried from the root across arcs; asserts that every way around
    gives the same.
    """
    complex_, width = made.complex, len(made.root)
    codes = np.zeros((complex_.cell_count, width), dtype=bool)
    codes[0], known, todo = made.root, {0}, [0]
    across: dict[int, list[tuple[int, int]]] = {}
    for e, (a, b) in enumerate(complex_.arc_sides.tolist()):
        across.setdefault(a, []).append((b, e))
        across.setdefault(b, []).append((a, e))
    while todo:
        here = todo.pop()
        for there, e in across.get(here, []):
            code = codes[here].copy()
            code[complex_.flips.row(complex_.arc_circle[e])] ^= True
            if there in known:
                assert np.array_equal(codes[there], code)
            else:
                codes[there] = code
                known.add(there)
                todo.append(there)
    assert len(known) == complex_.cell_count
    return codes


def check_half_edges(complex_: SphereComplex) -> None:
    """Walks close and hang together, ends fit, sides are cells, Euler's relation holds."""
    following, ends = complex_.following, complex_.arc_ends
    assert sorted(following.tolist()) == list(range(2 * complex_.arc_count))
    for h, after in enumerate(following.tolist()):
        assert ends[h >> 1, 1 - (h & 1)] == ends[after >> 1, after & 1]
        assert complex_.walk_of[h] == complex_.walk_of[after]
        assert complex_.cell_of_walk[complex_.walk_of[h]] == complex_.arc_sides[h >> 1, h & 1]
    assert sorted(set(complex_.walk_of.tolist())) == list(range(complex_.walk_count))
    assert (
        len(set(complex_.cell_of_walk.tolist())) == complex_.cell_count or complex_.arc_count == 0
    )
    assert complex_.euler_characteristic == 1 + complex_.components


def check_complex(
    planes: Sequence[Halfspace], gram: RationalArray, square: Rational, made: CircleArrangement
) -> BitArray:
    """Compare the codes of the cells with those of float points beside the middle of every arc;
    returns the codes.
    """
    complex_ = made.complex
    check_half_edges(complex_)
    codes = cell_codes(made)
    lower = np.linalg.cholesky(nearest_floats(gram.entries()).reshape(3, 3))
    radius = math.sqrt(float(nearest_floats([square])[0]))
    rows = np.array([plane.coefficients for plane in planes], dtype=float).reshape(len(planes), 4)
    normals, offsets = np.linalg.solve(lower, rows[:, :3].T).T, rows[:, 3]
    room = np.abs(normals).sum(axis=1) * radius * 8 * STEP
    for e in range(complex_.arc_count):
        carrier = complex_.circles[complex_.arc_circle[e]]
        normal = np.linalg.solve(lower, np.array(carrier.normal, dtype=float))
        length = float(np.linalg.norm(normal))
        middle = _middle(complex_, e, lower, normal / length, -carrier.offset / length, radius)
        out = middle / np.linalg.norm(middle)
        left = normal - (normal @ out) * out
        if not left.any():  # a cap smaller than rounding: only the laws of half-edges look at it
            continue
        for side, way in enumerate((1.0, -1.0)):
            place = middle + way * STEP * radius * left / np.linalg.norm(left)
            values = normals @ (place * radius / np.linalg.norm(place)) + offsets
            sure = np.abs(values) > room
            assert np.array_equal(values[sure] > 0, codes[complex_.arc_sides[e, side], sure]), (
                e,
                side,
            )
    return codes


def _middle(
    complex_: SphereComplex,
    e: int,
    lower: FloatArray,
    normal: FloatArray,
    height: float,
    radius: float,
) -> FloatArray:
    """The middle of an arc, on the round sphere."""
    reach, (start, end) = math.sqrt(radius**2 - height**2), complex_.arc_ends[e].tolist()
    if start < 0:
        across = np.cross(normal, [0.3, 0.5, 0.8])
        return np.asarray(height * normal + reach * across / np.linalg.norm(across))
    first, last = (
        (lower.T @ complex_.vertex_floats[v] - height * normal) / reach for v in (start, end)
    )
    beside = np.cross(normal, first)
    angle = math.atan2(float(last @ beside), float(last @ first)) % (2 * math.pi)
    angle = 2 * math.pi if start == end else angle
    return np.asarray(
        height * normal + reach * (math.cos(angle / 2) * first + math.sin(angle / 2) * beside)
    )
