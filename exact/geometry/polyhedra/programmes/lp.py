"""Strict feasibility of linear inequalities, with a proof either way.

Question: is there x with `normal_i . x + offset_i > 0` for every i? The linear programme is `max t`
subject to `normal_i . x + offset_i >= t` and `t <= 1`. A float simplex (a small dense one, HiGHS in
high dimensions) proposes a point or a basis. The point is rounded to short dyadics and tested
exactly. The multipliers of the basis are solved for exactly; where they prove nothing, an exact
simplex (Bland's rule, so no cycling) goes on from it. A wrong float answer costs time, never truth.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exact.arithmetic.linear_algebra import dot, independent_rows, matrix, null_space, solve
from exact.arithmetic.numbers import FloatArray, Rational
from exact.errors import EngineDefect, certain
from exact.geometry.budgets import Watch
from exact.geometry.polyhedra.constructions import shortened
from exact.geometry.polyhedra.halfspace import Halfspace, Point, homogeneous, is_farkas, is_inside
from exact.geometry.polyhedra.programmes import boxes

if TYPE_CHECKING:
    import highspy

_ZERO, _ONE = Rational(0), Rational(1)
_CAP = -1  # stands for the bound t <= 1 in a basis
_UNLIMITED = Watch(most_bytes=float("inf"))
_FEW = 16  # dimensions beyond which bounds are not counted among the rows
_DENSE = (
    128  # the highest dimension in which the dense simplex proposes: its work grows with the cube
)


@dataclass(frozen=True)
class Interior:
    """Proof of feasibility: a rational point strictly inside every halfspace."""

    point: Point


@dataclass(frozen=True)
class Farkas:
    """Proof of infeasibility: `multipliers[k] > 0` on halfspace `rows[k]` cancel the normals,
    offsets sum to <= 0.
    """

    rows: tuple[int, ...]
    multipliers: tuple[Rational, ...]


def strict_feasibility(
    halfspaces: Sequence[Halfspace], dim: int, watch: Watch = _UNLIMITED
) -> Interior | Farkas:
    """Decide whether the open halfspaces of R^dim have a common point, and prove it; raises Stopped
    when `watch` is up.

    Cost: one float LP and one exact test as a rule; one exact solve of size dim + 1 for a proof of
    infeasibility. Source: Motzkin's transposition theorem; the exact confirmation of float bases
    follows Dhiflaoui et al. 2003.
    """
    constant = next((i for i, h in enumerate(halfspaces) if h.is_constant and h.offset <= 0), None)
    if constant is not None:
        return Farkas((constant,), (_ONE,))
    if dim > _FEW and (parts := boxes.split(halfspaces, dim)) is not None:
        return _in_box(halfspaces, parts, watch)
    active = [i for i, h in enumerate(halfspaces) if not h.is_constant]
    if not active:
        return Interior((0,) * dim + (1,))
    rows = [halfspaces[i] for i in active]
    result = _decide(rows, dim, watch)
    if isinstance(result, Interior):
        return result
    return Farkas(tuple(active[k] for k in result.rows), result.multipliers)


def _in_box(halfspaces: Sequence[Halfspace], parts: boxes.Split, watch: Watch) -> Interior | Farkas:
    """The answer where every coordinate has two bounds: of the others alone, in their box."""
    found = boxes.feasible([halfspaces[i] for i in parts.others], parts.bounds, watch)
    if not isinstance(found, boxes.Weights):
        return Interior(found)
    pairs = [(i, x) for i, x in zip(parts.others, found.of_rows, strict=True) if x != 0]
    for j, x in enumerate(found.normal):
        if x != 0:
            place = (parts.upper if x > 0 else parts.lower)[j]
            pairs.append((place, abs(x / halfspaces[place].coefficients[j])))
    return Farkas(tuple(i for i, _ in pairs), tuple(x for _, x in pairs))


def _checked(result: Interior | Farkas, rows: Sequence[Halfspace], dim: int) -> Interior | Farkas:
    """The result, a point with few digits, after its proof was verified by predicates that share
    nothing with the simplex.
    """
    if isinstance(result, Interior):
        proved = is_inside(rows, result.point)
    else:
        proved = is_farkas([rows[i] for i in result.rows], result.multipliers, dim)
    if not proved:
        raise EngineDefect("a linear programme ended without a proof", value=result)
    return Interior(shortened(result.point, rows)) if isinstance(result, Interior) else result


def _decide(rows: Sequence[Halfspace], dim: int, watch: Watch) -> Interior | Farkas:
    table = np.stack([row.float_row for row in rows])
    watch.check()
    proposal = _propose(table, dim, watch)
    watch.check()
    if proposal is None:
        return _checked(exact_simplex(rows, dim, watch=watch), rows, dim)
    point, radius, basis = proposal
    if radius > 0 and (short := short_point(point, radius)) is not None and is_inside(rows, short):
        return Interior(short)
    return _checked(
        _farkas_on(rows, dim, basis, watch) or exact_simplex(rows, dim, basis, watch), rows, dim
    )


def _farkas_on(
    rows: Sequence[Halfspace], dim: int, basis: Sequence[int], watch: Watch
) -> Farkas | None:
    """The Farkas vector on the rows of a basis, if their normals have one dependency and it is
    one.
    """
    if (
        not basis
        or not all(0 <= i < len(rows) for i in basis)
        or len({*basis}) < len(basis)
        or len(basis) > dim + 1
    ):
        return None
    weights = _only_dependency([rows[i].normal for i in basis], dim, watch)
    if weights is None:
        return None
    if min(weights) < 0 or dot(weights, [Rational(rows[i].offset) for i in basis]) > 0:
        return None
    kept = [(i, x) for i, x in zip(basis, weights, strict=True) if x > 0]
    return Farkas(tuple(i for i, _ in kept), tuple(x for _, x in kept))


def _only_dependency(
    normals: Sequence[tuple[int, ...]], dim: int, watch: Watch
) -> list[Rational] | None:
    """The weights whose sum of these vectors is zero, when they are one line, with a positive
    entry; else None.

    A vector along an axis has the weight that cancels the others there, so it and its coordinate
    are left out at first.
    """
    axis: dict[int, int] = {}
    for i, normal in enumerate(normals):
        support = [j for j, x in enumerate(normal) if x]
        if len(support) == 1:
            axis.setdefault(support[0], i)
    along = set(axis.values())
    others = [i for i in range(len(normals)) if i not in along]
    coordinates = [j for j in range(dim) if j not in axis]
    watch.affords(_seconds_of_a_solve(min(len(others), len(coordinates))))
    found = null_space(
        [[Rational(normals[i][j]) for i in others] for j in coordinates], len(others)
    )
    if len(found) != 1:
        return None
    weights = dict(zip(others, found[0], strict=True))
    for j, i in axis.items():
        weights[i] = -sum((weights[k] * normals[k][j] for k in others), _ZERO) / normals[i][j]
    every = [weights[i] for i in range(len(normals))]
    return every if max(every) > 0 else [-x for x in every]


def _seconds_of_a_solve(size: int) -> float:
    """About how long a rational system of so many equations takes: it cannot be interrupted."""
    return 0.4 * (size / 200.0) ** 3


def short_point(point: FloatArray, radius: float) -> Point | None:
    """The float point rounded to the coarsest dyadic grid whose rounding error is below the radius
    of the cell.
    """
    if not np.all(np.isfinite(point)) or np.abs(point).max(initial=0.0) > 2.0**500:
        return None
    if not 2.0**-500 < radius < 2.0**500:
        return None
    bits = int(np.ceil(-np.log2(radius / (len(point) ** 0.5)))) + 1
    scaled = [int(x) for x in np.rint(np.ldexp(point, bits))]
    power = 1 << abs(bits)
    return homogeneous([Rational(x, power) if bits >= 0 else Rational(x * power) for x in scaled])


_STATE = threading.local()


def _solver() -> highspy.Highs:
    import highspy

    if not hasattr(_STATE, "solver"):
        _STATE.solver = highspy.Highs()
        for option, value in {
            "output_flag": False,
            "presolve": "off",
            "threads": 1,
            "solver": "simplex",
        }.items():
            _STATE.solver.setOptionValue(option, value)
    solver: highspy.Highs = _STATE.solver
    return solver


def _propose(
    table: FloatArray, dim: int, watch: Watch
) -> tuple[FloatArray, float, tuple[int, ...]] | None:
    """The float optimum (or a basis with t < 0): a point, its margin t and the basis, or None when
    there is none.
    """
    return _dense(table, dim) if dim <= _DENSE else _highs(table, dim, watch)


def _dense(table: FloatArray, dim: int) -> tuple[FloatArray, float, tuple[int, ...]] | None:
    from exact.kernels.feasibility import CAP, FIXED, propose

    basis = np.full(dim + 1, FIXED - dim - 1)
    inverse = np.empty((dim + 1, dim + 1))
    point = np.empty(dim)
    t = propose(np.ascontiguousarray(table), len(table), basis, inverse, point, _UNLIMITED.alarm)
    if not np.isfinite(t):
        return None
    return point, float(t), tuple(_CAP if i == CAP else int(i) for i in basis if i >= CAP)


def _highs(
    table: FloatArray, dim: int, watch: Watch
) -> tuple[FloatArray, float, tuple[int, ...]] | None:
    import highspy

    solver = _solver()
    solver.setOptionValue("time_limit", solver.getRunTime() + watch.seconds_left)
    solver.passModel(_model(table, dim))
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    values, basis = np.array(solver.getSolution().col_value), solver.getBasis()
    basic = highspy.HighsBasisStatus.kBasic
    tight = [i for i, status in enumerate(basis.row_status) if status != basic]
    if basis.col_status[dim] != basic:
        tight.append(_CAP)
    return values[:dim], float(values[dim]), tuple(tight)


def _model(table: FloatArray, dim: int) -> highspy.HighsLp:
    import highspy

    count, infinity = len(table), highspy.kHighsInf
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = dim + 1, count
    lp.col_cost_ = np.append(np.zeros(dim), -1.0)
    lp.col_lower_ = np.full(dim + 1, -infinity)
    lp.col_upper_ = np.append(np.full(dim, infinity), 1.0)
    lp.row_lower_, lp.row_upper_ = -table[:, dim], np.full(count, infinity)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.arange(0, (count + 1) * (dim + 1), dim + 1)
    lp.a_matrix_.index_ = np.tile(np.arange(dim + 1), count)
    lp.a_matrix_.value_ = np.hstack([table[:, :dim], -np.ones((count, 1))]).ravel()
    return lp


def exact_simplex(
    rows: Sequence[Halfspace], dim: int, basis: Sequence[int] = (), watch: Watch = _UNLIMITED
) -> Interior | Farkas:
    """Decide strict feasibility in rationals by the simplex method on the dual, with Bland's rule.

    The dual is `min sum_i l_i offset_i + m` over `l, m >= 0` with `sum_i l_i normal_i = 0` and
    `sum_i l_i + m = 1`. A start basis that is singular or infeasible is replaced by independent
    normals with m = 1. Finite by Bland 1977.
    """
    watch.affords(_seconds_of_a_solve(dim))
    return _DualSimplex(rows, dim, watch).run(basis)


class _DualSimplex:
    """State of one exact simplex run; columns are the halfspaces by index, and `_CAP` for the bound
    t <= 1.
    """

    def __init__(self, rows: Sequence[Halfspace], dim: int, watch: Watch) -> None:
        self.rows, self.watch = rows, watch
        normals = [[Rational(x) for x in row.normal] for row in rows]
        columns = [[row[j] for row in normals] for j in range(dim)]
        self.coordinates = independent_rows(columns, len(rows))
        self.dim = dim
        self.normals = [[row[j] for j in self.coordinates] for row in normals]

    def column(self, index: int) -> list[Rational]:
        return [*([_ZERO] * len(self.coordinates) if index == _CAP else self.normals[index]), _ONE]

    def cost(self, index: int) -> Rational:
        return _ONE if index == _CAP else Rational(self.rows[index].offset)

    def run(self, basis: Sequence[int]) -> Interior | Farkas:
        chosen = list(basis)
        if len(chosen) != len(self.coordinates) + 1 or not self._is_feasible(chosen):
            chosen = [*independent_rows(self.normals, len(self.coordinates)), _CAP]
        while True:
            self.watch.affords(2 * _seconds_of_a_solve(len(chosen)))
            weights, prices = self._solve(chosen)
            if dot(weights, [self.cost(i) for i in chosen]) <= 0:
                return self._farkas(chosen, weights)
            entering = self._entering(prices)
            if entering is None:
                return Interior(self._point(prices))
            self._pivot(chosen, weights, entering)

    def _is_feasible(self, chosen: Sequence[int]) -> bool:
        right = [_ZERO] * len(self.coordinates) + [_ONE]
        weights = solve(matrix([self.column(i) for i in chosen], len(chosen)).transpose(), right)
        return weights is not None and all(w >= 0 for w in weights)

    def _solve(self, chosen: Sequence[int]) -> tuple[list[Rational], list[Rational]]:
        columns = matrix([self.column(i) for i in chosen], len(chosen))
        weights = solve(columns.transpose(), [_ZERO] * len(self.coordinates) + [_ONE])
        prices = solve(columns, [self.cost(i) for i in chosen])
        regular = "a basis stays regular under pivots"
        return certain(weights, regular), certain(prices, regular)

    def _entering(self, prices: Sequence[Rational]) -> int | None:
        """Bland: the first column of negative reduced cost, the cap first."""
        candidates: list[int] = [_CAP, *range(len(self.rows))]
        for index in candidates:
            if self.cost(index) < dot(prices, self.column(index)):
                return index
        return None

    def _pivot(self, chosen: list[int], weights: Sequence[Rational], entering: int) -> None:
        columns = matrix([self.column(i) for i in chosen], len(chosen)).transpose()
        change = solve(columns, self.column(entering))
        change = certain(change, "a basis stays regular under pivots")
        ratios = [
            (w / c, index, k)
            for k, (w, c, index) in enumerate(zip(weights, change, chosen, strict=True))
            if c > 0
        ]
        _, _, leaving = min(ratios)
        chosen[leaving] = entering

    def _point(self, prices: Sequence[Rational]) -> Point:
        """The primal point: prices are (-x, t) in the independent coordinates; the others are
        zero.
        """
        coordinates = [_ZERO] * self.dim
        for j, price in zip(self.coordinates, prices, strict=False):
            coordinates[j] = -price
        return homogeneous(coordinates)

    def _farkas(self, chosen: Sequence[int], weights: Sequence[Rational]) -> Farkas:
        pairs = [(i, w) for i, w in zip(chosen, weights, strict=True) if i != _CAP and w > 0]
        return Farkas(tuple(i for i, _ in pairs), tuple(w for _, w in pairs))
