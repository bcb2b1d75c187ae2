"""Where the decision of a classifier changes: output 0 for one output, a tie of the two largest for
several.

On one region the outputs are affine functions, so the decision boundary there is a straight piece.
Everything is float64: it is computed from the exact map of each region to be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Contest:
    """The boundary `value = 0` between two classes, valid where all of `others` are >= 0.

    Each is an affine function as a row: coefficients of the coordinates, then the constant.
    """

    value: np.ndarray
    others: np.ndarray


def contests(rows: np.ndarray) -> Iterator[Contest]:
    """The contests among outputs given as rows (outputs x (d + 1)), the constant last."""
    if len(rows) == 1:
        yield Contest(rows[0], np.empty((0, rows.shape[1])))
    for i, j in combinations(range(len(rows)), 2):
        rest = [k for k in range(len(rows)) if k not in (i, j)]
        yield Contest(rows[i] - rows[j], (rows[i] - rows[rest]).reshape(-1, rows.shape[1]))


def pieces_in_polygon(corners: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """The straight pieces (2 x 2 arrays) of the decision boundary inside a convex polygon (corners
    in order, k x 2).
    """
    found = (_clip(_chord(corners, contest.value), contest.others) for contest in contests(rows))
    return [piece for piece in found if piece is not None]


def _chord(corners: np.ndarray, row: np.ndarray) -> np.ndarray | None:
    values = corners @ row[:2] + row[2]
    ends = []
    for a, b, start, end in zip(
        corners, np.roll(corners, -1, 0), values, np.roll(values, -1), strict=True
    ):
        if (start > 0) != (end > 0):
            ends.append(a + (b - a) * start / (start - end))
    return np.array(ends) if len(ends) == 2 else None


def _clip(piece: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """The part of a piece where every row is >= 0."""
    if piece is None:
        return None
    low, high = 0.0, 1.0
    for start, end in rows[:, :2] @ piece.T + rows[:, 2:]:
        if start < 0 and end < 0:
            return None
        if (start < 0) != (end < 0):
            at = start / (start - end)
            low, high = (max(low, at), high) if start < 0 else (low, min(high, at))
    return None if low >= high else piece[0] + np.array([[low], [high]]) * (piece[1] - piece[0])


def angles_on_arc(start: float, end: float, radius: float, rows: np.ndarray) -> list[float]:
    """The angles in (start, end) at which the decision changes, outputs being rows over the plane
    of a circle.
    """
    found = []
    for contest in contests(rows):
        for angle in _zeros(contest.value, radius):
            turned = start + (angle - start) % (2 * math.pi)
            point = np.array([radius * math.cos(angle), radius * math.sin(angle), 1.0])
            if turned < end and (contest.others @ point >= 0).all():
                found.append(turned)
    return sorted(found)


def _zeros(row: np.ndarray, radius: float) -> list[float]:
    """The angles at which `row` vanishes on the circle around the origin."""
    steepest = radius * math.hypot(row[0], row[1])
    if steepest <= abs(row[2]):
        return []
    middle, half = math.atan2(row[1], row[0]), math.acos(-row[2] / steepest)
    return [middle - half, middle + half]
