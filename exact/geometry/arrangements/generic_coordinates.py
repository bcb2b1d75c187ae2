"""Rows of an arrangement in coordinates without structure, and which of them are parallel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.linear_algebra import independent_rows
from exact.arithmetic.numbers import Rational
from exact.geometry.arrangements.arrangement import Essential
from exact.geometry.budgets import Watch
from exact.geometry.polyhedra.halfspace import Halfspace

_SEED = 20_240_229
Bounds = list[tuple[Rational, Rational]]


@dataclass(frozen=True)
class Parallels:
    """Classes of parallel rows: `mask[j, k]` (k meets j nowhere, or k = j), `side[j, k]` the side
    of k on j.
    """

    mask: torch.Tensor
    side: torch.Tensor
    some: bool


def generic_map(dim: int) -> list[list[int]]:
    """A fixed invertible integer matrix without structure (dim x dim)."""
    generator = np.random.default_rng(_SEED)
    while True:
        rows = [[int(x) for x in generator.integers(-999, 1000, size=dim)] for _ in range(dim)]
        if len(independent_rows([[Rational(x) for x in row] for row in rows], dim)) == dim:
            return rows


def bounds_of(given: Essential) -> Bounds | None:
    """The sides of the box that the walls put around everything, when they do: walls with one
    coefficient, both ways.
    """
    found: list[dict[bool, Rational]] = [{} for _ in range(given.dim)]
    for row in given.rows[given.planes :]:
        axes = [j for j, x in enumerate(row[:-1]) if x]
        if len(axes) == 1:
            j, rising = axes[0], row[axes[0]] > 0
            limit = Rational(-row[-1], row[j])
            known = found[j].get(rising, limit)
            found[j][rising] = max(known, limit) if rising else min(known, limit)
    boxed = given.dim > 0 and all(len(ends) == 2 and ends[True] < ends[False] for ends in found)
    return [(ends[True], ends[False]) for ends in found] if boxed else None


def turned(given: Essential) -> list[list[int]]:
    """The rows in generic coordinates: offset, then the coefficients of y."""
    turn = generic_map(given.dim)
    return [
        [
            row[-1],
            *(sum(x * t[j] for x, t in zip(row[:-1], turn, strict=True)) for j in range(given.dim)),
        ]
        for row in given.rows
    ]


def in_unit_cube(given: Essential, bounds: Bounds, watch: Watch) -> list[list[int]]:
    """The rows in coordinates t, y_2, ..., y_d that lie in [-1, 1] in the box: y from the box
    itself, t a generic height.

    With x_k = m_k + h_k y_k and t = sum_k g_k y_k / sum_k |g_k|, g_1 = 1024, the first y is
    eliminated. All exact.
    """
    generator = np.random.default_rng(_SEED)
    g = [1024, *(int(x) for x in generator.integers(1, 1024, size=given.dim - 1))]
    total, rows = sum(g), []
    for row in given.rows:
        watch.check()
        scaled = [x * (hi - lo) / 2 for x, (lo, hi) in zip(row[:-1], bounds, strict=True)]
        offset = sum(
            (x * (hi + lo) / 2 for x, (lo, hi) in zip(row[:-1], bounds, strict=True)),
            Rational(row[-1]),
        )
        others = [x - scaled[0] * Rational(k, g[0]) for x, k in zip(scaled[1:], g[1:], strict=True)]
        rows.append(
            list(Halfspace.of([offset, scaled[0] * Rational(total, g[0]), *others]).coefficients)
        )
    return rows


def parallels_of(rows: Sequence[Sequence[int]], device: str, watch: Watch) -> Parallels:
    """Which rows have proportional normals, and on which side of k the hyperplane j lies then."""
    count = len(rows)
    mask, side = np.eye(count, dtype=bool), np.zeros((count, count), dtype=bool)
    classes: dict[tuple[int, ...], list[tuple[int, Rational, int]]] = {}
    for k, row in enumerate(rows):
        watch.check()
        normal = Halfspace.of([Rational(x) for x in (*row[:-1], 0)]).normal
        lead = next(x for x in normal if x)
        unit = normal if lead > 0 else tuple(-x for x in normal)
        pivot = next(j for j, x in enumerate(normal) if x)
        classes.setdefault(unit, []).append(
            (k, Rational(row[-1] * unit[pivot], row[pivot]), 1 if lead > 0 else -1)
        )
    for members in classes.values():
        for j, level, _ in members:
            for k, other, sign in members:
                mask[j, k], side[j, k] = True, sign * (other - level) > 0
    some = any(len(members) > 1 for members in classes.values())
    return Parallels(torch.from_numpy(mask).to(device), torch.from_numpy(side).to(device), some)
