"""Arcs of ellipses as cubic Bézier curves: circles of a sphere stay curves in a vector file, in few
points.

A piece is `centre + cos t first + sin t second` for t from `begin` to `end`, which may be the
smaller one. Eighth turns are off by less than 5e-6 of the radius.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.path import Path

_LARGEST = math.pi / 4


@dataclass(frozen=True)
class Piece:
    """A part of an ellipse in the plane."""

    centre: np.ndarray
    first: np.ndarray
    second: np.ndarray
    begin: float
    end: float

    @property
    def reverse(self) -> Piece:
        """The same points, from the end to the beginning."""
        return replace(self, begin=self.end, end=self.begin)

    def point(self, t: float) -> np.ndarray:
        """The point at angle t."""
        return self.centre + math.cos(t) * self.first + math.sin(t) * self.second

    @property
    def enclosed(self) -> float:
        """Its part of the area on the left of a closed curve: half the integral of x dy - y dx."""
        moved = self.point(self.end) - self.point(self.begin)
        return 0.5 * (
            _cross(self.centre, moved) + _cross(self.first, self.second) * (self.end - self.begin)
        )

    def control_points(self) -> np.ndarray:
        """The control points behind the first one, three per Bézier curve."""
        (x, y), (ax, ay), (bx, by) = (v.tolist() for v in (self.centre, self.first, self.second))
        count = max(1, math.ceil(abs(self.end - self.begin) / _LARGEST - 1e-9))
        step, found = (self.end - self.begin) / count, list[tuple[float, float]]()
        slope, last = 4 / 3 * math.tan(step / 4), (0.0, 0.0)
        for k in range(count + 1):  # in plain floats: most pieces have two points
            t = self.begin + (self.end - self.begin) * k / count
            c, s = math.cos(t), math.sin(t)
            at = x + c * ax + s * bx, y + c * ay + s * by
            along = slope * (c * bx - s * ax), slope * (c * by - s * ay)
            if k:
                found += [last, (at[0] - along[0], at[1] - along[1]), at]
            last = at[0] + along[0], at[1] + along[1]
        return np.array(found)


def circle(radius: float, begin: float = 0.0, end: float = 2 * math.pi) -> Piece:
    """A circle around the origin, counter-clockwise, or a part of it."""
    return Piece(np.zeros(2), np.array([radius, 0.0]), np.array([0.0, radius]), begin, end)


def open_path(pieces: Sequence[Piece]) -> Path:
    """The curve along pieces that follow each other."""
    vertices = np.concatenate(
        [pieces[0].point(pieces[0].begin)[None], *(piece.control_points() for piece in pieces)]
    )
    return Path(vertices, [Path.MOVETO] + [Path.CURVE4] * (len(vertices) - 1))


def closed_path(loops: Iterable[Sequence[Piece]]) -> Path:
    """The area on the left of closed loops: outer boundaries counter-clockwise, holes clockwise."""
    vertices, codes = [], list[int]()
    for loop in loops:
        part = open_path(loop)
        vertices += [part.vertices, part.vertices[:1]]
        codes += [*part.codes, Path.CLOSEPOLY]
    return Path(np.concatenate(vertices), codes)


def _cross(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0])
