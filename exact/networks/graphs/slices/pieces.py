"""Convex pieces of a segment or a polygon, in homogeneous coordinates, and cuts of them.

A point is a vector over the basis of the parameters, scaled so that a fixed form, the `scale`, is 1
on it. In the plane side i of a polygon leads from corner i to corner i + 1; on a line end i is its
own side. A side lies on the zeros of a form, kept as floats with a bound and by a name, from which
the exact one can be had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np

from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.enclosures.roundoff import U
from exact.arithmetic.numbers import FloatArray, Rational, nearest_floats, rounding_error

Name = tuple[int, int]  # the number of a cut or a wall, and the side of it on which the piece is
Integers = tuple[int, ...]
_UP = 1.0 + 2.0**-40


@dataclass(frozen=True)
class Piece:
    """Corners (corners x basis) within `slack` of the exact ones in every coordinate, and the sides
    with their forms (sides x basis) within `off`, the sum of the coefficients' distances times
    sizes.
    """

    corners: FloatArray
    slack: FloatArray
    names: tuple[Name, ...]
    forms: FloatArray
    off: FloatArray


@dataclass(frozen=True)
class Cutting:
    """What cuts need of the parameters: bounds on the coordinates, and the scale."""

    sizes: FloatArray
    scale: FloatArray

    def signs(
        self, corners: FloatArray, slack: FloatArray, row: FloatArray, off: float
    ) -> np.ndarray[Any, np.dtype[np.int8]]:
        """The signs of a form at corners, 2 where floats leave it open."""
        values = corners @ row
        size = np.abs(row)
        doubt = (off + slack * size.sum() + 16 * U * float(size @ self.sizes)) * _UP
        found = np.where(values > doubt, 1, np.where(values < -doubt, -1, 2))
        return np.where(doubt == 0.0, 0, found).astype(np.int8)

    def split(
        self, piece: Piece, row: FloatArray, off: float, signs: Sequence[int], names: Sequence[Name]
    ) -> tuple[Piece, Piece] | None:
        """The parts of a piece where a form is positive, and negative, by its signs at the corners,
        none of which is zero; None where floats do not place a new corner.
        """
        if len(self.sizes) == 2:
            return self._split_segment(piece, row, off, signs, names)
        cuts, count = dict[int, tuple[FloatArray, float]](), len(signs)
        for i in range(count):
            if signs[i] != signs[(i + 1) % count]:
                met = self._meet(piece.forms[i], float(piece.off[i]), row, off)
                if met is None:
                    return None
                cuts[i] = met
        plus, minus = (
            self._part(piece, row, off, signs, side, name, cuts)
            for side, name in zip((1, -1), names, strict=True)
        )
        return plus, minus

    def _part(
        self,
        piece: Piece,
        row: FloatArray,
        off: float,
        signs: Sequence[int],
        side: int,
        name: Name,
        cuts: dict[int, tuple[FloatArray, float]],
    ) -> Piece:
        places = walk_around(signs, side)
        at = [(piece.corners[i], piece.slack[i]) if old else cuts[i] for i, old, _ in places]
        own = [
            (piece.names[i], piece.forms[i], piece.off[i]) if follows else (name, row, off)
            for i, _, follows in places
        ]
        return Piece(
            np.stack([x for x, _ in at]),
            np.array([x for _, x in at]),
            tuple(x for x, *_ in own),
            np.stack([x for _, x, _ in own]),
            np.array([x for *_, x in own]),
        )

    def _split_segment(
        self, piece: Piece, row: FloatArray, off: float, signs: Sequence[int], names: Sequence[Name]
    ) -> tuple[Piece, Piece] | None:
        met = self._zero(row, off)
        if met is None:
            return None
        parts = []
        for side, name in zip((1, -1), names, strict=True):
            old = 0 if signs[0] == side else 1
            corners, slack = piece.corners.copy(), piece.slack.copy()
            forms, own, all_names = piece.forms.copy(), piece.off.copy(), list(piece.names)
            corners[1 - old], slack[1 - old] = met
            forms[1 - old], own[1 - old], all_names[1 - old] = row, off, name
            parts.append(Piece(corners, slack, tuple(all_names), forms, own))
        return parts[0], parts[1]

    def _zero(self, row: FloatArray, off: float) -> tuple[FloatArray, float] | None:
        """The zero of a form of two parameters, and how far it may be off."""
        (a, b), (m, n) = row.tolist(), self.scale.tolist()
        size = abs(a) * abs(n) + abs(b) * abs(m)
        det = a * n - b * m
        lost = 4 * U * size + off * (abs(n) / self.sizes[0] + abs(m) / self.sizes[1])
        if not abs(det) > 2 * lost:
            return None
        point = np.array([-b / det, a / det])
        rest = abs(a * point[0] + b * point[1]) + 8 * U * float(np.abs(row) @ np.abs(point))
        rest += 2 * off
        # p* - p = -form*(p) (n, -m) / det*, and the scale is 1 on p up to rounding
        far = max(abs(m), abs(n)) * rest / (abs(det) - lost) + 8 * U * float(np.abs(point).max())
        return point, far * _UP

    def _meet(
        self, first: FloatArray, lost: float, second: FloatArray, off: float
    ) -> tuple[FloatArray, float] | None:
        """The common zero of two forms of three parameters, and how far it may be off."""
        p = np.array(cross(first, second))
        det = float(self.scale @ p)
        gaps = [lost / self.sizes, off / self.sizes]
        rows = [np.abs(first) + gaps[0], np.abs(second) + gaps[1]]
        scale = np.abs(self.scale)
        spread = _wide_cross(np.abs(first), gaps[1]) + _wide_cross(gaps[0], rows[1])
        doubt = float(scale @ (spread + 16 * U * _wide_cross(rows[0], rows[1])))
        if not abs(det) > 2 * doubt:
            return None
        point = p / det
        size = np.abs(point)
        rests = [
            abs(float(row @ point)) + 8 * U * float(np.abs(row) @ size) + 2 * own
            for row, own in ((first, lost), (second, off))
        ]
        # p* - p = -(rest_1 (second x scale) + rest_2 (scale x first)) / det*
        shift = rests[0] * _wide_cross(rows[1], scale) + rests[1] * _wide_cross(scale, rows[0])
        far = float(shift.max()) / (abs(det) - doubt) + 16 * U * float(size.max())
        return (point, far * _UP) if np.isfinite(far) else None


def walk_around(signs: Sequence[int], side: int) -> list[tuple[int, bool, bool]]:
    """The corners of the part of a polygon on one side of a line, in order: the number of an old
    corner, or that of the side on which a new one lies; which of both it is; and whether the side
    behind it is the old one of that number, not the new one.

    >>> walk_around([1, 1, -1, -1], 1)
    [(0, True, True), (1, True, True), (1, False, False), (3, False, True)]
    >>> walk_around([0, 1, 0, -1], 1)
    [(0, True, True), (1, True, True), (2, True, False)]
    """
    found, count = list[tuple[int, bool, bool]](), len(signs)
    for i in range(count):
        here, after = signs[i] * side, signs[(i + 1) % count] * side
        if here > 0:
            found.append((i, True, True))
            if after < 0:
                found.append((i, False, False))
        elif here == 0:
            found.append((i, True, after > 0))
        elif after > 0:
            found.append((i, False, True))
    return found


def cross(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """The cross product of two vectors of three numbers."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _wide_cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Bounds on the entries of a cross product by those of its factors."""
    return np.array(
        [a[1] * b[2] + a[2] * b[1], a[2] * b[0] + a[0] * b[2], a[0] * b[1] + a[1] * b[0]]
    )


@dataclass(frozen=True)
class Polygons:
    """Convex polygons of the plane as arrays: corners `begin[i] : begin[i + 1]` of polygon i, each
    with its coordinates and how far they may be off (corners x 3), the side from there on as 2
    number + (1 where the form of the line is negative), and that form (corners x 3) within `off`.
    """

    begin: IndexArray
    corner: FloatArray
    side: IndexArray
    form: FloatArray
    off: FloatArray

    def __len__(self) -> int:
        return len(self.begin) - 1

    def piece(self, index: int) -> Piece:
        """One of them."""
        own = slice(int(self.begin[index]), int(self.begin[index + 1]))
        at = self.corner[own]
        names = tuple((side >> 1, -1 if side & 1 else 1) for side in self.side[own].tolist())
        corners = np.column_stack([at[:, :2], np.ones(len(at))])
        return Piece(corners, at[:, 2], names, self.form[own], self.off[own])

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Polygons:
        """Some pieces of a plane, on whose corners the last coordinate is 1."""
        empty = np.zeros((0, 3))
        names = [2 * number + (side < 0) for piece in pieces for number, side in piece.names]
        corners = [np.column_stack([piece.corners[:, :2], piece.slack]) for piece in pieces]
        return cls(
            np.cumsum([0, *(len(piece.names) for piece in pieces)]),
            np.concatenate([empty, *corners]),
            np.array(names, dtype=np.int64),
            np.concatenate([empty, *(piece.forms for piece in pieces)]),
            np.concatenate([empty[:, 0], *(piece.off for piece in pieces)]),
        )

    def with_more(self, other: Polygons) -> Polygons:
        """These, and others behind them."""
        return Polygons(
            np.concatenate([self.begin, other.begin[1:] + self.begin[-1]]),
            np.concatenate([self.corner, other.corner]),
            np.concatenate([self.side, other.side]),
            np.concatenate([self.form, other.form]),
            np.concatenate([self.off, other.off]),
        )

    @cached_property
    def owner(self) -> IndexArray:
        """The polygon of every side."""
        return np.repeat(np.arange(len(self)), np.diff(self.begin))

    @cached_property
    def next(self) -> IndexArray:
        """The side behind every side around its polygon."""
        found = np.arange(1, len(self.side) + 1)
        found[self.begin[1:] - 1] = self.begin[:-1]
        return found


# ---- exact


def meet(forms: Sequence[Integers], scale: Integers) -> Integers:
    """The common zero of one form of two parameters, or two of three, as coprime integers on which
    the scale is positive.

    >>> meet([(2, -1)], (0, 1)), meet([(1, 0, -3), (0, 2, 1)], (0, 0, 1))
    ((1, 2), (6, -1, 2))
    """
    if len(forms) == 1:
        ((a, b),) = forms
        point: Integers = (-b, a)
    else:
        point = cross(*forms)
    turn = 1 if value(scale, point) > 0 else -1
    divisor = gcd(*point) or 1
    return tuple(turn * (x // divisor) for x in point)


def value(form: Integers, point: Integers) -> int:
    """A form at a point."""
    return sum(a * x for a, x in zip(form, point, strict=True))


def sign(form: Integers, point: Integers) -> int:
    """The sign of a form at a point."""
    found = value(form, point)
    return (found > 0) - (found < 0)


@dataclass(frozen=True)
class ExactPiece:
    """A piece by the exact forms of its sides."""

    names: tuple[Name, ...]
    forms: tuple[Integers, ...]
    corners: tuple[Integers, ...]

    @classmethod
    def of(
        cls, names: Sequence[Name], form: Callable[[int], Integers], scale: Integers
    ) -> ExactPiece:
        """The piece with these sides in order."""
        forms = tuple(form(number) for number, _ in names)
        if len(scale) == 2:
            corners = tuple(meet([one], scale) for one in forms)
        else:
            corners = tuple(
                meet([before, after], scale)
                for before, after in zip((forms[-1], *forms[:-1]), forms, strict=True)
            )
        return cls(tuple(names), forms, corners)

    def signs(self, form: Integers) -> list[int]:
        """The signs of a form at the corners."""
        return [sign(form, corner) for corner in self.corners]

    def part(
        self, form: Integers, signs: Sequence[int], side: int, name: Name, scale: Integers
    ) -> ExactPiece:
        """The part where the form has the sign `side`; both signs occur."""
        if len(scale) == 2:
            old = 0 if signs[0] == side else 1
            new = meet([form], scale)
            pairs = [(self.names[i], self.forms[i], self.corners[i]) for i in range(2)]
            pairs[1 - old] = (name, form, new)
        else:
            pairs = []
            for i, is_old, follows in walk_around(signs, side):
                corner = self.corners[i] if is_old else meet([self.forms[i], form], scale)
                own = (self.names[i], self.forms[i]) if follows else (name, form)
                pairs.append((*own, corner))
        names, forms, corners = zip(*pairs, strict=True)
        return ExactPiece(names, forms, corners)

    def floats(self, scale: Integers, sizes: FloatArray) -> Piece:
        """The same piece as floats with bounds."""
        at = [_nearest(corner, value(scale, corner)) for corner in self.corners]
        rows = [_nearest(form, max(map(abs, form)) or 1) for form in self.forms]
        return Piece(
            np.stack([x for x, _ in at]),
            np.array([float(x.max()) for _, x in at]),
            self.names,
            np.stack([x for x, _ in rows]),
            np.array([float(x @ sizes) * _UP for _, x in rows]),
        )


def wall_piece(walls: Sequence[Integers], scale: Integers) -> ExactPiece:
    """The whole patch between walls in order, which are named by their numbers."""
    return ExactPiece.of([(i, 1) for i in range(len(walls))], lambda i: walls[i], scale)


def _nearest(numbers: Integers, unit: int) -> tuple[FloatArray, FloatArray]:
    floats = nearest_floats([Rational(x, unit) for x in numbers])
    exact = np.array([x == 0 or abs(x) == unit for x in numbers])
    return floats, np.where(exact, 0.0, rounding_error(floats))
