"""Regions as rows over a box: against the vertices of small ones, and exact programmes for regions
of many dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from exact import Box, HPolytope, InvalidInput, Outcome, partition
from exact.arithmetic.numbers import Rational, fraction, fractions, rational
from exact.geometry.budgets import Budget
from exact.geometry.polyhedra.halfspace import Halfspace, affine
from exact.geometry.polyhedra.programmes.boxes import Bounds, Weights, feasible
from exact.geometry.polyhedra.programmes.optima import extremes, greatest
from exact.geometry.polyhedra.volumes import corners
from exact.kernels import boxes as kernel
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.quantities.in_boxes import InBox, winners
from exact.sources import tensors
from tests.exact.test_code_maps import dead, doubled, drawn, mlp, thirds, whole
from tests.exact.test_measures import CUT, PYRAMID, cut

SQUARE, CUBE = Box(-1, 1, dim=2), Box(-1, 1, dim=3)
SMALL: dict[str, Callable[[], FlatPartition]] = {
    "random": lambda: cut(mlp(drawn((3, 4, 4, 2), 6)), CUBE),
    "integers": lambda: cut(mlp(whole((2, 6, 5, 3), 8)), SQUARE),
    "bias-free": lambda: cut(mlp(whole((2, 5, 4, 3), 8, bias=False)), SQUARE),
    "doubled": lambda: cut(mlp(doubled(drawn((2, 5, 5, 3), 3))), CUT),
    "dead": lambda: cut(mlp(dead(drawn((3, 5, 4, 3, 3), 4))), PYRAMID),
    "thirds": lambda: cut(mlp(thirds(drawn((2, 5, 4, 3), 5))), SQUARE),
    "constant": lambda: cut(mlp([([[1, 0]], [0]), ([[0], [0], [0]], [1, 2, 2])]), SQUARE),
}
every_small = pytest.mark.parametrize("name", SMALL)
small = cache(lambda name: SMALL[name]())
N = 40


@cache
def wide() -> FlatPartition:
    """A few live neurons in 40 dimensions."""
    rng = np.random.default_rng(5)
    layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in ((N, 12), (12, 9), (9, 4))]
    at = rng.normal(size=N)
    found = partition(tensors.mlp(layers), Box(list(at - 0.12), list(at + 0.12)))
    return found.seen_as(FlatPartition)


def rows_of(result: FlatPartition) -> InBox:
    box = result._over_box()
    assert box is not None
    return box


def ends(pair: tuple[tuple[Rational, object], tuple[Rational, object]]) -> list[Fraction]:
    return [fraction(end) for end, _ in pair]


@pytest.mark.parametrize("seed", range(12))
def test_exact_extremes_are_those_at_vertices(seed: int) -> None:
    """Rows that are doubled, that meet in one point, and that touch a side, by integers."""
    rng = np.random.default_rng(seed)
    dim = int(rng.integers(2, 5))
    lo, hi = rng.integers(-3, 0, dim).tolist(), rng.integers(1, 4, dim).tolist()
    drawn_rows = rng.integers(-2, 3, (int(rng.integers(1, 6)), dim + 1)).tolist()
    rows = [Halfspace.of([*map(Rational, row)]) for row in drawn_rows if any(row[:-1])]
    bounds = Bounds(tuple(map(Rational, lo)), tuple(map(Rational, hi)))
    sides = [
        Halfspace.of([*(Rational(s * (k == j)) for k in range(dim)), Rational(-s * end)])
        for s, row in ((1, lo), (-1, hi))
        for j, end in enumerate(row)
    ]
    if isinstance(feasible(rows, bounds), Weights):
        rows = [row.opposite for row in rows[:1]]
    at = [affine(point) for point in corners([*rows, *sides], dim)]
    for function in (
        [*map(Rational, rng.integers(-2, 3, dim + 1).tolist())],
        [Rational(0)] * dim + [Rational(7)],
    ):
        values = [sum(a * x for a, x in zip(function, p, strict=False)) + function[-1] for p in at]
        low, high = extremes(function, rows, bounds)
        assert (low[0], high[0]) == (min(values), max(values))
        for value, point in (low, high):
            assert sum(a * x for a, x in zip(function, point, strict=False)) + function[-1] == value
            there = [*point, Rational(1)]
            assert all(
                sum(a * x for a, x in zip(wall.coefficients, there, strict=True)) >= 0
                for wall in (*rows, *sides)
            )


@every_small
def test_rows_say_what_vertices_say(name: str) -> None:
    result = small(name)
    box = rows_of(result)
    for i, region in enumerate(result.regions[:30]):
        assert box.exact_box(i) == [tuple(map(rational, side)) for side in region.bounding_box]
        functions = box.functions(result.maps_float[i], result.maps_bound[i])
        found, slack = box.ranges(i, functions)
        around, off = box.box(i)
        for k, side in enumerate(region.bounding_box):
            assert all(
                abs(Fraction(x) - y) <= Fraction(off) for x, y in zip(around[k], side, strict=True)
            )
        for k, own in enumerate(region.output_ranges):
            row = result.map_columns(i).entries()[k * (result.flat.dim + 1) :][
                : result.flat.dim + 1
            ]
            assert ends(box.extremes(i, row)) == [own.least, own.greatest]
            if np.isfinite(slack[k]):
                gaps = (
                    abs(Fraction(x) - y)
                    for x, y in zip(found[k], ends(box.extremes(i, row)), strict=True)
                )
                assert max(gaps) <= Fraction(slack[k])
        margin, doubt = box.margin(i)
        rounded = 2.0**-52 * margin  # of the exact one to a float
        assert not np.isfinite(doubt) or abs(margin - float(region.margin)) <= doubt + rounded
        where = box.region(i)
        if where is not None and len(functions) > 1:
            sure, never = winners(functions, where)
            assert (
                not (sure & ~result.class_sets[i]).any()
                and not (never & result.class_sets[i]).any()
            )


@every_small
def test_nearest_halfspaces_are_facets(name: str) -> None:
    result = small(name)
    for region in result.regions[:20]:
        at, lengths = region.coordinates, []
        for facet in region.facets:
            *normal, offset = map(Rational, facet.hyperplane)
            value = sum(a * x for a, x in zip(normal, at, strict=True)) + offset
            lengths.append(value * value / sum(a * a for a in normal))
        assert region.margin is not None
        assert region.margin.sympy() ** 2 == min(map(fraction, lengths))


def test_many_dimensions_have_floats_within_bounds_of_exact_ones() -> None:
    result = wide()
    assert result.engine == "live_tree" and len(result) > 20
    ranges, off = result.output_ranges_float, result.output_ranges_bound
    sides, slack = result.bounding_boxes_float, result.bounding_boxes_bound
    margins, doubt = result.margins_float, result.margins_bound
    assert (off <= 1e-7).all() and (slack <= 1e-6).all() and (doubt <= 1e-6 * margins).all()
    assert result.is_bounded_region.all() and (margins > 0).all()
    for i in range(0, len(result), 9):
        region = result.regions[i]
        for k, own in enumerate(region.output_ranges):
            for end, exact, at in zip(
                ranges[i, k],
                (own.least, own.greatest),
                (own.least_at, own.greatest_at),
                strict=True,
            ):
                assert exact is not None and at is not None
                assert abs(Fraction(end) - exact) <= Fraction(off[i, k])
                assert region.affine(list(result.flat.ambient(_homogeneous(at))))[k] == exact
        for end, exact in zip(
            sides[i].reshape(-1), np.reshape(region.bounding_box, -1), strict=True
        ):
            assert abs(Fraction(end) - exact) <= Fraction(slack[i])
        assert abs(margins[i] - float(region.margin)) <= doubt[i]
        exact_sets = [result._wins(i, c) for c in range(4)]
        assert exact_sets == result.class_sets[i].tolist()
    whole_range = result.output_range(2)
    assert whole_range.least is not None and whole_range.greatest is not None
    assert abs(float(whole_range.least) - ranges[:, 2, 0].min()) <= 2 * off[:, 2].max()
    assert abs(float(whole_range.greatest) - ranges[:, 2, 1].max()) <= 2 * off[:, 2].max()


def _homogeneous(at: tuple[Fraction, ...]) -> tuple[int, ...]:
    from exact.geometry.polyhedra.halfspace import homogeneous

    return homogeneous([rational(x) for x in at])


def test_loaded_regions_of_many_dimensions_go_by_exact_walls() -> None:
    """A partition that was pickled has no engine behind it, and rows of rounded walls."""
    import pickle

    fresh, again = wide(), pickle.loads(pickle.dumps(wide()))
    assert fresh.cells.in_box is not None and again.cells.in_box is None
    assert np.array_equal(fresh.class_ids, again.class_ids)
    gap = np.abs(fresh.output_ranges_float - again.output_ranges_float).max(axis=2)
    assert (gap <= fresh.output_ranges_bound + again.output_ranges_bound).all()
    assert (
        np.abs(fresh.margins_float - again.margins_float)
        <= fresh.margins_bound + again.margins_bound
    ).all()


def test_tables_leave_out_what_is_refused_and_say_why() -> None:
    table = wide().to_pandas()
    assert {"class_ids", "map_ids", "output_ranges_float_3_1", "bounding_boxes_float_39_0"} <= {
        *table
    }
    refused = table.attrs["refused"]
    assert refused == wide().refused_quantities and "perimeters_float" in refused
    assert "facets" in refused["perimeters_float"]
    assert not [name for name in refused if any(str(column).startswith(name) for column in table)]
    with pytest.raises(InvalidInput, match="facets"):
        wide().to_pandas(["perimeters_float"])


def test_partitions_that_ended_early_have_ranges_too() -> None:
    net = mlp(drawn((2, 8, 8, 2), 1))
    result = partition(net, SQUARE, budget=Budget(regions=9)).seen_as(FlatPartition)
    assert result.outcome is Outcome.BUDGET_REACHED
    everything = partition(net, SQUARE).seen_as(FlatPartition)
    for i, region in enumerate(result.regions):
        other = everything.regions[certain_index(everything, region.code)]
        assert region.output_ranges is not None
        for own, its in zip(region.output_ranges, other.output_ranges, strict=True):
            assert (own.least, own.greatest) == (its.least, its.greatest)
        assert region.bounding_box == other.bounding_box
        assert result.class_sets[i].tolist() == everything.class_sets[other.index].tolist()


def certain_index(result: FlatPartition, code: object) -> int:
    found = result.index_of(code)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_polytope_that_is_no_box_has_rows_for_its_other_walls() -> None:
    rng = np.random.default_rng(2)
    dim = 17
    walls = [*np.eye(dim, dim + 1), [*[-1.0] * dim, 3.0]]
    domain = HPolytope(walls)
    net = tensors.mlp(
        [(rng.normal(size=(3, dim)), rng.normal(size=3) / 4), (rng.normal(size=(2, 3)), None)]
    )
    result = partition(net, domain, engine="live_tree").seen_as(FlatPartition)
    assert result.class_ids.shape == (len(result),) and len(result) > 3
    for region, found, off in zip(
        result.regions[:3], result.bounding_boxes_float, result.bounding_boxes_bound, strict=False
    ):
        for ends_, exact in zip(found, region.bounding_box, strict=True):
            assert all(
                abs(Fraction(x) - y) <= Fraction(off) for x, y in zip(ends_, exact, strict=True)
            )
        assert region.margin is not None


def test_endless_errors_leave_everything_to_exact_arithmetic() -> None:
    """Rows beyond float64 bound nothing and hide nothing."""
    rows = np.array([[0.0, 0.0, 0.0, np.inf, 0.0], [0.5, 0.5, 0.25, 0.0, 1.0]])
    target, found = np.array([[1.0, 0.0, 0.0, 0.0, 1.0]]), np.zeros((1, 2, 2))
    kernel.ranges(rows, target, np.zeros(2), found)
    assert found[0, 1, 0] <= 0.0 and found[0, 1, 1] >= 1.0
    assert found[0, 0, 0] <= -1.0 and found[0, 0, 1] >= 0.0


def test_a_point_of_a_constant_function_lies_in_the_region() -> None:
    bounds = Bounds((Rational(0), Rational(0)), (Rational(1), Rational(1)))
    value, at = greatest([Rational(0), Rational(0), Rational(3)], [Halfspace((-2, -2, 1))], bounds)
    assert value == 3 and sum(at) <= Rational(1, 2)
    assert fractions(at) is not None
