"""The affine hull of a closed polyhedron: equalities, chart and proofs, against elimination by hand
(Fourier and Motzkin).
"""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import product
from random import Random

import pytest

from exact.geometry.polyhedra.affine_hulls import AffineHull, affine_hull
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.geometry.polyhedra.programmes.lp import Farkas

# (normal, offset), and whether it must be positive, not only >= 0
Row = tuple[tuple[Fraction, ...], bool]


def solvable(rows: list[Row], dim: int) -> bool:
    """Whether some x has `n . x + b >= 0` (or > 0) in all rows: coordinates are eliminated one by
    one.
    """
    for k in range(dim):
        rising, falling = ([row for row in rows if sign * row[0][k] > 0] for sign in (1, -1))
        kept = [row for row in rows if row[0][k] == 0]
        for (a, strict), (b, also) in product(rising, falling):
            kept.append(
                (tuple(x * -b[k] + y * a[k] for x, y in zip(a, b, strict=True)), strict or also)
            )
        rows = list(dict.fromkeys(kept))
    return all(row[-1] > 0 or (row[-1] == 0 and not strict) for row, strict in rows)


def expected(rows: list[tuple[int, ...]], dim: int) -> set[int] | None:
    """The rows that vanish on the whole polyhedron; None where it has no point."""
    closed = [(tuple(map(Fraction, row)), False) for row in rows]
    if not solvable(closed, dim):
        return None
    return {i for i in range(len(rows)) if not solvable([*closed, (closed[i][0], True)], dim)}


def sums(rows: list[tuple[int, ...]], proof: Farkas) -> list[Fraction]:
    """The combination of the rows; multipliers must be positive."""
    weights = [Fraction(int(m.p), int(m.q)) for m in proof.multipliers]
    assert min(weights, default=1) > 0
    return [
        sum((w * rows[i][k] for i, w in zip(proof.rows, weights, strict=True)), Fraction(0))
        for k in range(len(rows[0]))
    ]


@pytest.mark.parametrize("seed", range(400))
def test_random_polyhedra(seed: int) -> None:
    random = Random(seed)
    dim = random.randint(1, 3)
    rows = [
        tuple(random.randint(-2, 2) for _ in range(dim + 1)) for _ in range(random.randint(1, 6))
    ]
    if seed % 3 == 0:  # flat ones are rare by chance
        rows += [tuple(-x for x in random.choice(rows)) for _ in range(2)]
    found, tight = affine_hull([Halfspace(row) for row in rows], dim), expected(rows, dim)
    if tight is None:
        assert isinstance(found, Farkas)
        total = sums(rows, found)
        assert not any(total[:-1])
        assert total[-1] < 0
        return
    assert isinstance(found, AffineHull)
    said = {i for i in tight if any(rows[i])}
    assert set(found.proof.rows) <= tight
    assert not any(sums(rows, found.proof))
    directions = [[Fraction(int(x.p), int(x.q)) for x in v] for v in found.directions]
    origin = [Fraction(int(x.p), int(x.q)) for x in found.origin]
    parameters = [Fraction(x, found.interior[-1]) for x in found.interior[:-1]]
    inside = [
        x + sum(s * v[i] for s, v in zip(parameters, directions, strict=True))
        for i, x in enumerate(origin)
    ]
    values = [sum(a * x for a, x in zip(row, [*inside, 1], strict=True)) for row in rows]
    assert [i for i, value in enumerate(values) if value == 0] == sorted(tight)
    assert min(values) >= 0
    assert all(
        sum(a * x for a, x in zip(rows[i], v, strict=False)) == 0 for i in said for v in directions
    )
    assert len(directions) == dim - rank([[Fraction(x) for x in rows[i][:-1]] for i in said])


def rank(rows: list[list[Fraction]]) -> int:
    """By elimination."""
    done = 0
    for k in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(done, len(rows)) if rows[i][k]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        for i in range(done + 1, len(rows)):
            factor = rows[i][k] / rows[done][k]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[done], strict=True)]
        done += 1
    return done


def test_the_walls_on_the_hull_are_those_of_the_polyhedron() -> None:
    """The triangle x, y, z >= 0 in the plane x + y + z = 1 (written twice over), in the coordinates
    x and y.
    """
    rows = [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (2, 2, 2, -2), (-1, -1, -1, 1), (0, 0, 0, 5)]
    hull = affine_hull([Halfspace(row) for row in rows], 3)
    assert isinstance(hull, AffineHull)
    assert (hull.origin, hull.directions) == ((0, 0, 1), ((1, 0, -1), (0, 1, -1)))
    assert set(hull.walls) == {Halfspace((1, 0, 0)), Halfspace((0, 1, 0)), Halfspace((-1, -1, 1))}
    assert set(hull.proof.rows) == {3, 4}


def test_equalities_that_appear_one_after_another() -> None:
    """x_1 = 0 makes x_2 <= 0 an equality, and so on: each is seen only on the hull of those
    before.
    """
    dim = 6
    rows = [tuple([*(int(k == i) for k in range(dim)), 0]) for i in range(dim)]
    rows += [
        tuple([*(-int(k == i) + 7 * int(k == i - 1) for k in range(dim)), 0]) for i in range(dim)
    ]
    hull = affine_hull([Halfspace(row) for row in rows], dim)
    assert isinstance(hull, AffineHull)
    assert (hull.directions, hull.walls, set(hull.proof.rows)) == ((), (), set(range(2 * dim)))
    assert not any(sums(rows, hull.proof))
    assert isinstance(
        affine_hull([Halfspace(row) for row in [*rows, (1, 0, 0, 0, 0, 1, -1)]], dim), Farkas
    )


def test_many_frozen_coordinates_cost_no_programme_each() -> None:
    dim, start = 200, time.process_time()
    rows = [
        tuple([*(s * int(k == i) for k in range(dim)), -s]) for i in range(dim) for s in (1, -1)
    ]
    hull = affine_hull([Halfspace(row) for row in rows], dim)
    assert isinstance(hull, AffineHull)
    assert hull.origin == (1,) * dim
    assert time.process_time() - start < 3
