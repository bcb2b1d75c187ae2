"""Exact programmes in boxes against the exact simplex on all halfspaces, bounds among them."""

from __future__ import annotations

import numpy as np
import pytest

from exact.arithmetic.numbers import Rational
from exact.errors import EngineDefect
from exact.geometry.polyhedra.halfspace import Halfspace, is_farkas, is_inside
from exact.geometry.polyhedra.programmes import boxes, lp
from exact.geometry.polyhedra.programmes.boxes import Bounds, Weights, enclosing, feasible, split
from exact.geometry.polyhedra.programmes.lp import (
    Farkas,
    Interior,
    exact_simplex,
    strict_feasibility,
)


def drawn(rng: np.random.Generator) -> tuple[list[Halfspace], Bounds, list[Halfspace]]:
    """Rows with small integers, a box, and its walls."""
    dim, count, most = (int(rng.integers(1, n)) for n in (5, 8, 4))
    rows = [
        Halfspace.of([Rational(int(x)) for x in row])
        for row in rng.integers(-most, most + 1, (count, dim + 1))
    ]
    lo, hi = rng.integers(-3, 1, dim).tolist(), rng.integers(1, 4, dim).tolist()
    bounds = Bounds(tuple(map(Rational, lo)), tuple(map(Rational, hi)))
    units = [[int(i == j) for i in range(dim)] for j in range(dim)]
    walls = [Halfspace((*units[j], -lo[j])) for j in range(dim)]
    walls += [Halfspace((*(-x for x in units[j]), hi[j])) for j in range(dim)]
    return [row for row in rows if not row.is_constant], bounds, walls


@pytest.mark.parametrize("seed", range(8))
def test_feasibility_is_that_of_the_exact_simplex(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = set()
    for _ in range(40):
        rows, bounds, walls = drawn(rng)
        answer = feasible(rows, bounds)
        there = isinstance(exact_simplex([*rows, *walls], len(bounds.lo)), Interior)
        assert isinstance(answer, Weights) != there
        assert not there or is_inside([*rows, *walls], answer)
        if rows:
            alone = boxes.Programme(rows, bounds)._exactly([0], [], None)
            assert isinstance(alone, Weights) != there
        found.add(there)
    assert found == {True, False}


@pytest.mark.parametrize("seed", range(4))
def test_bounds_are_no_rows_in_many_dimensions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer on a list in any order, with the multipliers of its bounds."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(lp, "_FEW", 0)
    for _ in range(30):
        rows, bounds, walls = drawn(rng)
        given = [*rows, *walls, *walls[:1]]
        given = [given[i] for i in rng.permutation(len(given))]
        answer = strict_feasibility(given, len(bounds.lo))
        if isinstance(answer, Farkas):
            assert is_farkas([given[i] for i in answer.rows], answer.multipliers, len(bounds.lo))
        else:
            assert is_inside(given, answer.point)


def test_a_proof_is_tested_whatever_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = Bounds((Rational(0),), (Rational(1),))
    monkeypatch.setattr(boxes.Programme, "run", lambda *_: (5, 1))
    with pytest.raises(EngineDefect, match="without a proof"):
        feasible([Halfspace((1, 0))], bounds)
    wrong = Weights([Rational(1)], [Rational(1)])
    monkeypatch.setattr(boxes.Programme, "run", lambda *_: wrong)
    with pytest.raises(EngineDefect, match="without a proof"):
        feasible([Halfspace((1, 0))], bounds)


def test_split_takes_the_tightest_bounds() -> None:
    halfspaces = [Halfspace(x) for x in ((1, 0, 1), (0, 2, 3), (1, 1, 0), (-1, 0, 1), (1, 0, 0))]
    assert split(halfspaces, 2) is None
    parts = split([*halfspaces, Halfspace((0, -1, 5)), Halfspace((0, -1, 6))], 2)
    assert parts is not None and parts.others == (2,)
    assert (parts.lower, parts.upper) == ((4, 1), (3, 5))
    assert parts.bounds == Bounds((Rational(0), Rational(-3, 2)), (Rational(1), Rational(5)))
    assert split([*halfspaces, Halfspace((0, -1, -5))], 2) is None


def test_enclosing_boxes() -> None:
    corner = [Halfspace((1, 0, 0)), Halfspace((0, 1, 0))]
    assert enclosing(corner, 2) is None
    simplex = enclosing([*corner, Halfspace((-1, -2, 4))], 2)
    assert simplex == Bounds((Rational(0),) * 2, (Rational(4), Rational(2)))
    assert enclosing([*corner, Halfspace((-1, -2, -1))], 2) is None
    assert simplex is not None and simplex.implies(Halfspace((-1, -1, 6)))
    assert not simplex.implies(Halfspace((-1, -1, 5))) and simplex.implies(Halfspace((1, 0, 0)))
