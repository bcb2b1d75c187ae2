"""Cells of any arrangement with small integer coefficients by deletion and restriction; see
exact.kernels.arrangement.

The outermost insertions are done here one by one, so that a budget can end them and progress is
told; everything below runs in compiled loops. Cost: the number of (flat, cell) pairs of the
recursion, about dim times the cells; no LP.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.geometry.arrangements.arrangement import Essential
from exact.geometry.budgets import Watch

_LARGEST = 2**31 - 1
_BLOCK = 2**16


class NotCertified(Exception):
    """A coefficient left 64-bit integers, or a cell is too thin for a float64 witness."""


@dataclass(frozen=True)
class SweptCells:
    """Cells as code words (R x words, walls first) and float64 witnesses that lie in them; whether
    all are there.
    """

    words: np.ndarray
    points: FloatArray
    walls: int
    planes: int
    complete: bool

    def sides(self, begin: int, end: int) -> BitArray:
        """The sides of the hyperplanes for cells begin .. end - 1."""
        octets = np.ascontiguousarray(self.words[begin:end]).astype("<u8").view(np.uint8)
        bits = np.unpackbits(octets, axis=1, count=self.walls + self.planes, bitorder="little")
        sides: BitArray = bits[:, self.walls :].astype(bool)
        return sides


def fits(given: Essential) -> bool:
    """Whether all coefficients are small enough to start."""
    return all(abs(x) <= _LARGEST for row in given.rows for x in row)


def swept(given: Essential, watch: Watch, is_up: Callable[[int], bool]) -> SweptCells:
    """All cells, or as many as a budget allows; raises NotCertified.

    `is_up(found)` says whether the budget ends after so many cells; compiled loops read the watch
    themselves.
    """
    from exact.kernels import arrangement as kernel

    count = len(given.rows) - given.planes
    rows = (*given.rows[given.planes :], *given.rows[: given.planes])
    if not fits(given):
        raise NotCertified
    table = np.array(rows, dtype=np.int64).reshape(len(rows), given.dim + 1)
    words = (len(rows) + 63) // 64
    if given.dim < 2:
        codes, points = _certified(kernel.cells(table, count, words, watch.alarm))
        return SweptCells(codes, points, count, given.planes, True)
    return _inserted(table, count, words, watch, is_up)


def _inserted(
    table: IndexArray, walls: int, words: int, watch: Watch, is_up: Callable[[int], bool]
) -> SweptCells:
    """The rows are distinct and not constant, so each is new where it is inserted."""
    from exact.kernels import arrangement as kernel

    codes = np.zeros((1, words), dtype=np.uint64)
    points = np.zeros((1, table.shape[1] - 1))
    count = 1
    for plane, row in enumerate(table):
        if is_up(count - 1):
            return _stopped(table, plane, codes[:count], points[:count], walls, watch)
        pivot, active, alarm = kernel.largest_normal(row), np.arange(plane), watch.alarm
        (below,) = _certified(kernel.restricted(table, plane, row, pivot))
        facet_codes, facet_points, status = kernel.cells(below, min(walls, plane), words, alarm)
        if status != kernel.LATE:
            _certified((status,))
            kernel.mask_to(facet_codes, active)
            codes, points = kernel.with_room(codes, points, count, count + len(facet_codes))
            more, status = kernel.insert(
                table,
                active,
                plane,
                plane < walls,
                codes,
                points,
                count,
                facet_codes,
                facet_points,
                pivot,
                alarm,
            )
        if status == kernel.LATE:
            return _stopped(table, plane, codes[:count], points[:count], walls, watch)
        _certified((status,))
        count = more
    return SweptCells(codes[:count], points[:count], walls, len(table) - walls, True)


def _certified(result: tuple) -> tuple:  # type: ignore[type-arg]
    """The result of a kernel without its status, when that is 0: nothing overflowed, every witness
    is certified.
    """
    if result[-1] != 0:
        raise NotCertified
    return result[:-1]


def _stopped(
    table: IndexArray, plane: int, codes: np.ndarray, points: FloatArray, walls: int, watch: Watch
) -> SweptCells:
    """The cells known at the end of a budget: each witness lies in one of the final cells, and no
    two in the same.

    Codes lack the sides of the rows from number `plane` on; as many get them as the watch's grace
    allows.
    """
    from exact.kernels import arrangement as kernel

    end, inside = watch.grace(), np.zeros(len(codes), dtype=bool)
    for start in range(0, len(codes), _BLOCK):
        part = slice(start, start + _BLOCK)
        inside[part] = kernel.complete_codes(table, plane, points[part], codes[part])
        if time.monotonic() > end:
            break
    for k in range(walls):
        inside &= (codes[:, k // 64] >> np.uint64(k % 64)) & np.uint64(1) == 1
    return SweptCells(codes[inside], points[inside], walls, len(table) - walls, False)
