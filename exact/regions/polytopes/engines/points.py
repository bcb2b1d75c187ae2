"""The region of a domain that is a single point: no engine has anything to cut there."""

from __future__ import annotations

import numpy as np

from exact.arithmetic.numbers import Rational
from exact.geometry.polyhedra.halfspace import Halfspace, Point
from exact.propagation.cursor import advance, begin, layer_halfspaces
from exact.regions.cells import Outcome, packed
from exact.regions.engine import Job
from exact.regions.polytopes.cells import FlatCells


def point_cells(job: Job) -> FlatCells:
    """The one region, of dimension 0, of a flat domain without parameters; none where the budget
    allows none.
    """
    flat, bits, one = job.problem.flat, list[bool](), [Rational(1)]
    cursor = begin(job.network, flat.state(), one)
    while cursor is not None:
        z = cursor.current.pre_activations(cursor.inner, cursor.one)
        here = [halfspace.offset > 0 for halfspace in layer_halfspaces(cursor, z)]
        bits += here
        cursor = advance(cursor, z, here)
    hinges, stopped = job.network.hinge_count, job.out_of_budget(0)
    if stopped:
        evidence = "stopped before the point was reached"
    else:
        evidence = f"at the point all {hinges} hinges were evaluated exactly"
    outcome = Outcome.BUDGET_REACHED if stopped else Outcome.COMPLETE
    codes = packed([] if stopped else [bits], hinges)
    return FlatCells(
        codes, hinges, _origin, outcome, evidence, {"exact": hinges}, _no_walls, _no_pairs
    )


def _origin(_: int) -> Point:
    """The only point of R^0."""
    return (1,)


def _no_walls(_: int) -> tuple[Halfspace, ...]:
    return ()


def _no_pairs() -> np.ndarray:
    return np.empty((0, 2), dtype=np.int64)
