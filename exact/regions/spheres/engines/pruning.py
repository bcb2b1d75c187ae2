"""Which planes miss a cell of a sphere: certified floats, that leave out what need not be arranged.

Every arc around a cell is enclosed in a polygon: a triangle of its ends and the meeting point of
its tangents, or a square around its whole circle when it is long. An affine function that has one
sign at all corners of these polygons has it on the whole boundary of the cell. Its circle then lies
inside the cell, together with the disc that it bounds on the other side, or misses it: it misses it
when the plane misses the sphere, or when the middle of that disc lies outside one of the circles
around the cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray
from exact.arithmetic.linear_algebra import Vector, matrix
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    ball_precision,
    nearest_float,
    nearest_floats,
)
from exact.propagation.charts import SphereChart
from exact.regions.spheres.engines.tilings import Places, Stretch

_BITS = 128
# above the relative error of a sum of four float products and of the rounding of what enters it
_ROUND = 2.0**-48
_MIDDLE = 2.0**-36  # above that of the middle of a disc, where the squared norm keeps ten bits
_KEPT = 2.0**-10
_Hull = tuple[FloatArray, FloatArray]
SignArray = np.ndarray[Any, np.dtype[np.int8]]


class Hulls:
    """Polygons around the arcs of a tiling, made when first asked for."""

    def __init__(self, places: Places, chart: SphereChart) -> None:
        self._places = places
        self._inverse = nearest_floats(chart.gram.inv().entries()).reshape(3, 3)
        self._radius = nearest_float(chart.radius_squared) ** 0.5
        self._hulls: dict[tuple[int, int, int], _Hull] = {}
        self._rows: dict[int, FloatArray] = {}
        self._chart = chart

    def signs(
        self, walks: Sequence[Sequence[Stretch]], forms: Sequence[Vector], rows: FloatArray
    ) -> SignArray:
        """The sign of every form on a cell, 0 where its circle may meet the cell (or no sign is
        certain).

        `rows` are the forms in float64 (see :func:`float_rows`). A constant form has the sign of
        its constant, zero counting as negative.
        """
        found = np.zeros(len(forms), dtype=np.int8)
        stretches = [s for walk in walks for s in walk]
        if stretches and len(forms):
            found = self._signs_at(rows, *self._corners(stretches))
            around = np.array(
                [
                    self._row(circle, forward)
                    for circle, forward in {(s.circle, s.forward) for s in stretches}
                ]
            )
            found[~self._middle_is_outside(rows, found, around)] = 0
        for i in np.flatnonzero(~rows[:, :3].any(axis=1)).tolist():
            if all(x == 0 for x in forms[i][:3]):
                found[i] = 1 if forms[i][3] > 0 else -1
        return found

    def _row(self, circle: int, forward: bool) -> FloatArray:
        """The plane of a circle in float64, positive on its left or on its right."""
        if circle not in self._rows:
            self._rows[circle] = float_rows(
                [[Rational(x) for x in self._places.circles[circle].coefficients]]
            )[0]
        return self._rows[circle] if forward else -self._rows[circle]

    def _corners(self, stretches: Sequence[Stretch]) -> _Hull:
        hulls = [self._hull(s) for s in stretches]
        return np.concatenate([points for points, _ in hulls]), np.concatenate(
            [errors for _, errors in hulls]
        )

    @staticmethod
    def _signs_at(rows: FloatArray, points: FloatArray, errors: FloatArray) -> SignArray:
        """The sign that every row has at all points, with certainty; else 0."""
        size = np.abs(rows[:, :3])
        values = rows[:, :3] @ points.T + rows[:, 3:]
        bound = (size @ np.abs(points).T + np.abs(rows[:, 3:])) * _ROUND + size @ errors.T
        return np.asarray(
            (values > bound).all(axis=1).astype(np.int8)
            - (values < -bound).all(axis=1).astype(np.int8)
        )

    def _middle_is_outside(
        self, rows: FloatArray, signs: SignArray, around: FloatArray
    ) -> BitArray:
        """Whether the disc on the other side of each row is empty, or its middle certainly outside
        a circle around.
        """
        normals = rows[:, :3]
        size = np.abs(normals) @ np.abs(self._inverse)
        square = np.einsum("ij,ij->i", normals @ self._inverse, normals)
        scale = np.einsum("ij,ij->i", size, np.abs(normals))
        sound = square > _KEPT * scale
        norm = np.sqrt(np.where(sound, square, 1.0))[:, None]
        middle = -signs[:, None] * self._radius * (normals @ self._inverse) / norm
        slack = _MIDDLE * self._radius * size / norm
        values = middle @ around[:, :3].T + around[:, 3]
        bound = (
            np.abs(middle) @ np.abs(around[:, :3]).T + np.abs(around[:, 3])
        ) * _ROUND + slack @ np.abs(around[:, :3]).T
        empty = np.abs(rows[:, 3]) > self._radius * norm[:, 0] * (1 + 2 * _MIDDLE)
        return np.asarray(sound & (empty | (values < -bound).any(axis=1)))

    def _hull(self, stretch: Stretch) -> _Hull:
        key = stretch.circle, stretch.start, stretch.end
        if key not in self._hulls:
            with ball_precision(_BITS):
                self._hulls[key] = _floats(self._enclosing(stretch))
        return self._hulls[key]

    def _enclosing(self, stretch: Stretch) -> list[list[Ball]]:
        """Corners of a polygon in the plane of an arc that contains it."""
        places = self._places
        circle, centre = (
            places.frame(stretch.circle),
            [Ball(x) for x in places.frame(stretch.circle).centre],
        )
        if stretch.start >= 0:
            first, last = (places.at(stretch.circle, v) for v in (stretch.start, stretch.end))
            sine = first[0] * last[1] - first[1] * last[0]
            cosine = first[0] * last[0] + first[1] * last[1]
            square = first[0] * first[0] + first[1] * first[1]
            if sine > 0 and cosine > -square / 2:
                a, b = ([x.ball() for x in places.points[v]] for v in (stretch.start, stretch.end))
                share = square / (square + cosine)
                return [
                    a,
                    b,
                    [c + (x + y - 2 * c) * share for x, y, c in zip(a, b, centre, strict=True)],
                ]
        return circle.square(self._chart.radius_squared)


def float_rows(forms: Sequence[Vector]) -> FloatArray:
    """Rational forms over (y, 1) in float64, each divided by its largest coefficient: every entry
    correctly rounded.
    """
    integers = [int(x) for x in matrix(forms, 4).numer_denom()[0].entries()]
    rows = [integers[i : i + 4] for i in range(0, len(integers), 4)]
    scaled = [[x / largest for x in row] for row in rows for largest in (max(map(abs, row)) or 1,)]
    return np.array(scaled, dtype=np.float64).reshape(len(rows), 4)


def _floats(points: list[list[Ball]]) -> _Hull:
    """Floats of points, and bounds on their distance from the true ones, coordinate by
    coordinate.
    """
    middles = np.array([[float(x.mid()) for x in point] for point in points])
    errors = np.array([[float(x.rad()) for x in point] for point in points])
    return middles, errors * 2 + np.abs(middles) * 2.0**-52 + np.nextafter(0.0, 1.0)
