"""Isolation of zeros: enclosures hold, stay apart and do not depend on the filter."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import isqrt
from unittest import mock

import mpmath
import numpy as np
import pytest
import torch

from exact import HardTanh, Layer, ReLU, Undecided
from exact.arithmetic.enclosures.ball_tensors import Balls
from exact.arithmetic.numbers import Rational, RationalArray, fraction
from exact.arithmetic.surds import Surd
from exact.geometry.pencils import filters
from exact.geometry.pencils.filters import enclosed_zeros
from exact.geometry.pencils.pencil import CIRCLE, Direction, Form, dyadic_direction
from exact.regions.arcs.engines import isolation
from exact.regions.arcs.engines.edges import (
    Edge,
    Tally,
    between,
    edge_at,
    float_bounds,
    seam_edge,
    separated,
    sorted_edges,
)
from exact.regions.arcs.engines.isolation import LayerFunctions, isolate
from tests.exact.reference import dot, integers, q, real, sign

FULL = (seam_edge(q(0)), seam_edge(q(4)))
SKEW = Form(q(3), q(Fraction(1, 2)), q(2))
UNIT = RationalArray(2, 3, [q(x) for x in (1, 0, 0, 0, 1, 0)])


def functions(rows: Sequence[Sequence[object]], activation: object = None) -> LayerFunctions:
    """p alpha + q beta + c N for rows (p, q, c)."""
    layer = Layer.of([row[:2] for row in rows], [row[2] for row in rows], activation or ReLU())  # type: ignore[arg-type]
    return LayerFunctions(layer, UNIT, (q(0), q(0), q(1)), "cpu", 0)


def random_rows(seed: int, count: int, form: Form = CIRCLE) -> list[list[float]]:
    """Lines that cut the conic N = 1, pass it, touch it nearly or up to rounding; copies and
    opposites among them.
    """
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, 3))
    a, b, c = (float(fraction(x)) for x in (form.a, form.b, form.c))
    touching = np.sqrt(
        (c * rows[:, 0] ** 2 - 2 * b * rows[:, 0] * rows[:, 1] + a * rows[:, 1] ** 2)
        / (a * c - b * b)
    )
    rows[:8, 2] = touching[:8] * (1 + generator.integers(-2, 3, 8) * 2.0**-52)
    rows[20:32, 2] = touching[20:32] * (1 - 10.0 ** -np.arange(4, 16))
    rows[8:12] = -rows[12:16]
    rows[16:18] = 3 * rows[18:20]
    return [[float(x) for x in row] for row in rows]


def isolated(
    made: LayerFunctions, form: Form, threshold: int, ends: tuple[Edge, Edge] = FULL
) -> tuple[list[Edge], Tally]:
    tally = Tally()
    with mock.patch.object(isolation, "SMALL", threshold):
        edges, _ = isolate(made, form, *ends, tally)
    return edges, tally


def diamond(direction: Direction) -> mpmath.mpf:
    x, y = (
        real(s.a) + real(s.b) * mpmath.sqrt(real(s.d)) for s in (direction.alpha, direction.beta)
    )
    share = y / (abs(x) + abs(y))
    return (share if y >= 0 else 4 + share) if x >= 0 else 2 - share


@pytest.mark.parametrize("form", [CIRCLE, SKEW])
@pytest.mark.parametrize("seed", range(4))
def test_the_filter_changes_nothing(seed: int, form: Form) -> None:
    rows = random_rows(seed, 60, form)
    (fast, filtered), (slow, exact) = (
        isolated(functions(rows), form, threshold) for threshold in (0, 10**9)
    )
    assert [(sorted(a.rows), sorted(a.touching)) for a in fast] == [
        (sorted(b.rows), sorted(b.touching)) for b in slow
    ]
    assert all(a.find().compare(b.find()) == 0 for a, b in zip(fast, slow, strict=True))
    assert filtered.filtered > 25
    assert exact.filtered == 0
    assert filtered.exact < exact.exact


@pytest.mark.parametrize("threshold", [0, 10**9])
@pytest.mark.parametrize("seed", range(4))
def test_enclosures_hold_their_point_and_stay_apart(seed: int, threshold: int) -> None:
    edges, _ = isolated(functions(random_rows(seed, 60, SKEW)), SKEW, threshold)
    with mpmath.workprec(900):
        for edge in edges:
            sigma = diamond(edge.find())
            assert (
                real(edge.lo) - mpmath.mpf(2) ** -800
                <= sigma
                <= real(edge.hi) + mpmath.mpf(2) ** -800
            )
            assert edge.hi - edge.lo < q(Fraction(1, 2**25))
    assert all(first.hi < second.lo for first, second in pairwise(edges))


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_every_zero_of_a_wide_layer_is_found(threshold: int) -> None:
    """By the closed form on the unit circle: phase +- arccos(-c / R), for all lines that are not
    nearly tangent.
    """
    rows = np.array(random_rows(9, 200))[32:]
    radius, phase = np.hypot(rows[:, 0], rows[:, 1]), np.arctan2(rows[:, 1], rows[:, 0])
    meets = np.abs(rows[:, 2]) < radius
    spread = np.arccos(-rows[meets, 2] / radius[meets])
    angles = np.sort(np.concatenate([phase[meets] - spread, phase[meets] + spread]) % (2 * np.pi))
    edges, _ = isolated(functions(rows.tolist()), CIRCLE, threshold)
    with mpmath.workprec(200):
        found = [
            mpmath.atan2(
                *(real(s.a) + real(s.b) * mpmath.sqrt(real(s.d)) for s in (d.beta, d.alpha))
            )
            for d in (edge.find() for edge in edges)
        ]
        np.testing.assert_allclose([float(x % (2 * mpmath.pi)) for x in found], angles, atol=1e-9)


def test_equal_points_become_one_edge() -> None:
    """x + y = 1, its multiple, and the lines x = 1, y = 1 through its two points; 3 x + 4 y = 5
    touches.
    """
    rows = [[1, 1, -1], [-2, -2, 2], [0, 1, -1], [1, 0, -1], [3, 4, -5], [1, -1, 1]]
    for threshold in (0, 10**9):
        edges, tally = isolated(functions(rows), CIRCLE, threshold)
        assert [(sorted(edge.rows), sorted(edge.touching)) for edge in edges] == [
            ([], [4]),
            ([0, 1, 5], [2]),
            ([5], []),
        ]
        assert sorted(row for _, row in tally.tangent) == [2, 3, 4]


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_a_line_that_touches_where_the_circle_is_cut_open(threshold: int) -> None:
    """x = 1 touches at (1, 0): no edge inside, but a tangency, of its copies too."""
    for rows in ([[1, 0, -1]], [[1, 0, -1], [1, 2, 0], *([[-2, 0, 2]] * 20)]):
        edges, tally = isolated(functions(rows), CIRCLE, threshold)
        assert [edge.rows for edge in edges] == [(1,), (1,)][: 2 * len(rows) - 2]
        assert sorted(row for _, row in tally.tangent) == [0, *range(2, len(rows))]
        assert all(
            direction.compare(Direction.rational(q(1), q(0))) == 0 for direction, _ in tally.tangent
        )


@pytest.mark.parametrize(
    "lo", [Fraction(1, 3), Fraction(2, 3), Fraction(1, 2), Fraction(2**60 + 1, 2**60)]
)
def test_float_bounds_are_rounded_outwards(lo: Fraction) -> None:
    for hi in (lo, lo + Fraction(1, 2**70), lo + Fraction(1, 7)):
        low, high = (
            Fraction(x)
            for x in float_bounds(Edge(q(lo), q(hi), lambda: Direction.rational(q(1), q(0))))
        )
        assert lo - Fraction(1, 2**51) < low <= lo
        assert hi <= high < hi + Fraction(1, 2**51)
        assert low < lo or lo.denominator == 2
        assert high > hi or Fraction(float(hi)) == hi


def test_the_part_between_two_edges_only() -> None:
    rows = [[0, 1, 0], [1, 0, 0], [1, 1, 0], [1, -1, 0]]
    ends = edge_at(q(1), q(1), False), edge_at(q(-1), q(-1), False)
    edges, _ = isolated(functions(rows), CIRCLE, 0, ends)
    assert [edge.rows for edge in edges] == [(1,), (2,), (0,)]
    assert [edge.find().half() for edge in edges] == [0, 0, 1]


@pytest.mark.parametrize("activation", [ReLU(), HardTanh("-1/3", 2)])  # type: ignore[arg-type]
@pytest.mark.parametrize(
    "ones", [(0, 1), (Fraction(1, 3), Fraction(-2, 7)), (0, 0, 1), (Fraction(1, 3), 5, 1)]
)
def test_balls_hold_the_exact_functions(ones: tuple[Fraction, ...], activation: object) -> None:
    """p, q and c are the rows of weight times state plus bias times one, minus the breakpoint times
    one.
    """
    generator = np.random.default_rng(3)
    weight, bias = generator.normal(size=(5, 4)), generator.normal(size=5)
    state = [[Fraction(x, 7) for x in row] for row in integers(generator, (4, len(ones)), 30)]
    layer = Layer.of(weight, bias, activation)  # type: ignore[arg-type]
    backend = RationalArray(4, len(ones), [q(x) for row in state for x in row])
    made = LayerFunctions(layer, backend, tuple(q(x) for x in ones), "cpu", 0)
    bends = [fraction(bend) for bend in layer.activation.breakpoints]
    balls = made.balls()
    assert made.count == 5 * len(bends) == len(balls.mid)
    for index in range(made.count):
        neuron, k = divmod(index, len(bends))
        row, constant = (
            [Fraction(x) for x in weight[neuron].tolist()],
            Fraction(float(bias[neuron])) - bends[k],
        )
        columns = zip(zip(*state, strict=True), map(Fraction, ones), strict=True)
        known = [dot(row, column) + constant * one for column, one in columns]
        known += [Fraction(0)] * (3 - len(known))
        assert [fraction(x) for x in made.exact(index)] == known
        for j, value in enumerate(known):
            assert abs(Fraction(float(balls.mid[index, j])) - value) <= Fraction(
                float(balls.rad[index, j])
            )


@pytest.mark.parametrize("sigma", [Fraction(k, 1024) for k in (0, 512, 1001, 1536, 1792, 3072)])
def test_bits_are_signs_and_ties_are_off(sigma: Fraction) -> None:
    alpha, beta = (fraction(x) for x in dyadic_direction(q(sigma)))
    rows: list[list[object]] = [
        [beta, -alpha, 0],
        [-beta, alpha, 0],
        [1, 2, 0],
        [0, 0, 1],
        [0, 0, 0],
        [1, 1, -3],
        [1, -1, 2],
    ]
    tiny = Fraction(1, 2**200)
    rows += [
        [beta + tiny, -alpha, 0],
        [beta - tiny, -alpha, 0],
        [beta, -alpha, tiny],
        [beta, -alpha, -tiny],
    ]
    made = functions(rows)
    with mpmath.workprec(600):
        root = mpmath.sqrt(real(alpha) ** 2 * 3 + real(alpha * beta) + 2 * real(beta) ** 2)
        values = [
            real(Fraction(p)) * real(alpha)
            + real(Fraction(r)) * real(beta)
            + real(Fraction(c)) * root
            for p, r, c in rows
        ]  # type: ignore[arg-type]
    for balls in (None, made.balls()):
        assert made.bits_at(q(sigma), SKEW, balls).tolist() == [sign(value) > 0 for value in values]


def test_proved_enclosures_have_one_zero_each() -> None:
    """Every listed interval has opposite exact signs at its ends; what is not undecided has two
    zeros or none.
    """
    rows = random_rows(5, 80, SKEW)
    made = functions(rows)
    g = Balls.of_rationals([SKEW.a, SKEW.b, SKEW.c, SKEW.determinant], "cpu")
    found = enclosed_zeros(made.balls(), g)
    for row, low, high in zip(
        found.rows.tolist(), found.low.tolist(), found.high.tolist(), strict=True
    ):
        ends = [made.bits_at(Rational(*x.as_integer_ratio()), SKEW, None)[row] for x in (low, high)]
        assert ends[0] != ends[1]
    listed = np.bincount(found.rows.numpy(), minlength=80)
    undecided = found.undecided.numpy()
    determinant = 3 * 2 - 0.25
    squares = np.array([2 * p * p - p * r + 3 * r * r - c * c * determinant for p, r, c in rows])
    assert set(listed.tolist()) <= {0, 2}
    assert (listed[~undecided] == np.where(squares[~undecided] > 0, 2, 0)).all()
    assert undecided.sum() < 25


def test_proposals_away_from_a_zero_are_not_taken() -> None:
    """y = 0 proposed where it is zero, a little beside, on the other side of the circle, and at x =
    y.
    """
    f = Balls.exactly(torch.tensor([[0.0, 1.0, 0.0]] * 4, dtype=torch.float64))
    g = Balls.of_rationals([CIRCLE.a, CIRCLE.b, CIRCLE.c, CIRCLE.determinant], "cpu")
    x, y = torch.tensor([[-1, -1, 1, 1], [0, 2.0**-20, 2.0**-60, 1]], dtype=torch.float64)
    assert filters._enclose(f, g, x, y, torch.ones(4, dtype=torch.bool))[2].tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_intervals_are_as_wide_as_the_errors_ask_for() -> None:
    """Functions known to 2^-40 only, and widths proposed as if they were exact: zeros of all they
    may be are inside.
    """
    rows = torch.tensor(random_rows(4, 60), dtype=torch.float64)[32:]
    f, slack = (
        Balls(rows, torch.full_like(rows, 2.0**-40)),
        torch.tensor(2.0**-40, dtype=torch.float64),
    )
    g = Balls.of_rationals([CIRCLE.a, CIRCLE.b, CIRCLE.c, CIRCLE.determinant], "cpu")
    with mock.patch.object(
        filters, "_proposed_widths", lambda f, g, sigma: torch.full_like(sigma, 2.0**-48)
    ):
        found = enclosed_zeros(f, g)
    assert len(found.rows) > 20
    for row, low, high in zip(
        found.rows.tolist(), found.low.tolist(), found.high.tolist(), strict=True
    ):
        for shift in (-slack, slack):
            moved = functions([(rows[row] + shift * torch.tensor([0, 0, 1])).tolist()])
            ends = [
                moved.bits_at(Rational(*x.as_integer_ratio()), CIRCLE, None)[0] for x in (low, high)
            ]
            assert ends[0] != ends[1]


def surd_edge(root: int, wide: bool = False) -> Edge:
    """The direction (1, sqrt(root)) in a loose enclosure."""
    direction = Direction(Surd(q(1), q(0), q(root)), Surd(q(0), q(1), q(root)))
    lo, hi = direction.diamond(40)
    return Edge(q(0) if wide else lo, q(1) if wide else hi, lambda: direction)


def near_edge(root: int, bits: int) -> Edge:
    """The rational direction (1, sqrt(root) rounded up to 2^-bits) in the enclosure of the surd."""
    above = Fraction(isqrt(root * 4**bits) + 1, 2**bits)
    direction = Direction.rational(q(1), q(above))
    return Edge(surd_edge(root).lo, surd_edge(root).hi, lambda: direction)


@pytest.mark.parametrize("bits", [50, 500, 5000])
def test_close_points_are_separated(bits: int) -> None:
    first, second = separated(surd_edge(2), near_edge(2, bits))
    assert first.hi < second.lo
    sigma = fraction(between(surd_edge(2), near_edge(2, bits)))
    with mpmath.workprec(11000):
        assert diamond(first.find()) < real(sigma) < diamond(second.find())
    assert sigma.denominator & (sigma.denominator - 1) == 0
    assert sigma.denominator.bit_length() < bits + 20


def test_points_closer_than_the_last_precision_are_undecided() -> None:
    with pytest.raises(Undecided, match="2\\^-16384"):
        separated(surd_edge(2), near_edge(2, 16500))


def test_between_is_short() -> None:
    assert fraction(between(seam_edge(q(0)), seam_edge(q(4)))) == 2
    assert fraction(between(edge_at(q(0), q(1), False), edge_at(q(-1), q(0), False))) == Fraction(
        3, 2
    )
    first, second = edge_at(q(100), q(1), False), edge_at(q(99), q(1), False)
    sigma = fraction(between(first, second))
    assert Fraction(1, 101) < sigma < Fraction(1, 100)
    assert sigma.denominator <= 2**16


def test_refined_enclosures_shrink_and_exact_ones_stay() -> None:
    exact = seam_edge(q(0))
    assert exact.refined(1000) is exact
    refined = surd_edge(3, wide=True).refined(300)
    assert 0 < refined.hi - refined.lo < q(Fraction(1, 2**280))


def test_sorted_edges_are_those_inside_in_order() -> None:
    edges = [edge_at(q(x), q(y), False) for x, y in ((-1, 1), (1, 1), (0, 1), (-1, -1), (1, 2))]
    found = sorted_edges(edges, edge_at(q(2), q(1), False), edge_at(q(-1), q(0), False), Tally())
    assert [edge.find() for edge in found] == [edges[i].find() for i in (1, 4, 2, 0)]
