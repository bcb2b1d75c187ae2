"""Circles cut by many lines: quick, in the order of the closed form, without an object per
crossing, degenerate or not.
"""

from __future__ import annotations

import time
from fractions import Fraction
from math import pi
from unittest import mock

import networkx as nx
import numpy as np
import pytest

from exact import Budget, GreatCircle, InvalidInput, Outcome, Segment, Sphere, partition
from exact.geometry.combinatorics.lazy import OnDemand
from exact.regions.arcs.engines import isolation, proportional
from exact.regions.arcs.partition import CurvePartition
from exact.sources import tensors
from tests.exact.engines.test_wide_layers import crossing_angles
from tests.exact.reference import Floats

UNIT = Sphere(radius_squared=1)


def lines(count: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(count, 3))


def cut(rows: Floats, budget: Budget | None = None) -> CurvePartition:
    network = tensors.mlp([(rows[:, :2], rows[:, 2]), (np.zeros((1, len(rows))), [0])])
    found = partition(network, UNIT, budget=budget)
    assert isinstance(found, CurvePartition)
    return found


def code_at(rows: Floats, vector: tuple[Fraction, ...]) -> list[bool]:
    """The signs of `p x + q y + c |(x, y)|` by squaring fractions."""
    square, bits = sum(x * x for x in vector), []
    for p, q, c in ([Fraction(x) for x in row] for row in rows.tolist()):
        a, b = p * vector[0] + q * vector[1], c * abs(c) * square
        bits.append(a * abs(a) + b > 0)
    return bits


def degenerate(count: int) -> Floats:
    """Copies, opposites, rescaled rows, lines that miss or touch the circle or nearly do, pencils
    through points of it.
    """
    rows, few = lines(count, 3), count // 20
    generator = np.random.default_rng(5)
    rows[:few] = -4 * rows[few : 2 * few]
    rows[2 * few : 3 * few] = rows[few : 2 * few]
    rows[3 * few : 4 * few, 2] = 2 * np.hypot(
        rows[3 * few : 4 * few, 0], rows[3 * few : 4 * few, 1]
    )
    rows[4 * few : 5 * few] = [3, 4, 5] * 2.0 ** generator.integers(-3, 4, (few, 1))
    rows[5 * few : 6 * few] = [3, 4, 5 * (1 - 2.0**-52)]
    slopes = generator.integers(-9, 10, (few, 2))
    # the seam, and a point that floats only come near
    for k, (x, y) in enumerate(((1, 0), (3 / 5, -4 / 5))):
        part = slice((6 + k) * few, (7 + k) * few)
        rows[part, :2], rows[part, 2] = slopes * 5, -(slopes @ [5 * x, 5 * y]).round()
    return rows[generator.permutation(count)]


def test_many_lines_are_cut_quickly_and_in_the_order_of_the_closed_form() -> None:
    rows = lines(20_000)
    started = time.process_time()
    found = cut(rows)
    assert time.process_time() - started < 2
    angles, neurons = crossing_angles(rows)
    assert (len(found), found.outcome) == (len(angles), Outcome.COMPLETE)
    assert found.decisions == {"filter": len(angles), "exact": 0}
    codes = found.cells.codes
    assert np.array_equal(codes.rows, neurons)
    assert np.array_equal(codes.starts, np.arange(len(angles) + 1))
    middle = angles[0] + (angles[1] - angles[0]) / 2
    values = rows @ [np.cos(middle), np.sin(middle), 1]
    assert np.array_equal(codes.first, values > 0)
    assert found.code_count == len(angles)
    assert found.cells.enclosures is not None
    assert np.quantile(np.diff(found.cells.enclosures, axis=1), 0.9) < 2.0**-44


def test_degenerate_lines_are_cut_as_without_filter_and_copies() -> None:
    rows = degenerate(300)
    fast = cut(rows)
    with (
        mock.patch.object(isolation, "SMALL", 10**9),
        mock.patch.object(proportional, "_ENOUGH", 10**9),
    ):
        slow = cut(rows)
    assert fast.digest == slow.digest
    assert [c.hinges for c in fast.crossings if not c.tangent] == [
        c.hinges for c in slow.crossings if not c.tangent
    ]
    touched = [sorted(h for c in p.crossings if c.tangent for h in c.hinges) for p in (fast, slow)]
    assert touched[0] == touched[1] != []
    assert fast.decisions["exact"] < 0.5 * slow.decisions["exact"]


def test_many_degenerate_lines_are_quick_too() -> None:
    rows = degenerate(10_000)
    started = time.process_time()
    found = cut(rows)
    assert time.process_time() - started < 5
    assert found.outcome is Outcome.COMPLETE
    distinct = np.unique(np.sort(found.cells.codes.starts))
    assert len(distinct) == len(found) + 1
    assert len(found) < 2 * 10_000 * 0.8


def test_no_crossing_becomes_an_object_unless_it_is_asked_for() -> None:
    with mock.patch.object(isolation, "_edge_of_row", wraps=isolation._edge_of_row) as made:
        rows = lines(2_000)
        found = cut(rows)
        assert len(found.digest) == 64
        assert found.code_count == len(found) > 2_500
        assert len(found.neighbours()) == len(found)
        assert found.code_of(1234).bits.shape == (2_000,)
        assert found.hinges_between(7, 8) == found.hinges_between(8, 7)
        assert made.call_count <= 1  # one point to read the first code at
        assert code_at(rows, found.regions[-1].witness) == found.regions[-1].code.bits.tolist()
        assert made.call_count <= 4


def test_cuts_and_codes_far_apart() -> None:
    found = cut(lines(700))
    bits = found.bits
    assert np.array_equal(np.packbits(bits, axis=1), found.codes)
    assert np.array_equal(found.cells.bits, bits)
    hinges = found.network.hinges
    for a, b in ((0, 500), (500, 0), (len(found) - 1, 0), (-1, 3), (9, 9)):
        expected = tuple(hinges[k] for k in np.flatnonzero(bits[a] != bits[b]).tolist())
        assert found.hinges_between(a, b) == expected
    assert found.code_of(-1) == found.code_of(len(found) - 1)
    with pytest.raises(IndexError):
        found.code_of(len(found))


def test_positions_in_the_graph_are_near_the_exact_angles() -> None:
    found = partition(cut(lines(60)).network, GreatCircle([1, 2], [3, 1], radius_squared=1))
    assert isinstance(found, CurvePartition)
    graph = found.graph(witnesses=False)
    positions = sorted(data["position"] for _, _, data in graph.edges(data=True))
    exact = sorted(c.angle_float for c in found.crossings if not c.tangent)
    assert np.abs(np.subtract(positions, exact)).max() < 2 * pi * 2.0**-29
    assert nx.number_connected_components(graph) == 1


def test_cells_are_located_by_bisection() -> None:
    found = cut(lines(300))
    for k in range(0, len(found), 37):
        assert found.locate(found.regions[k].witness) == k
    crossing = cut(np.array([[0.0, 1, 0], [1, 1, 0], [1, -3, 1]]))
    for point in ([1, 0], [-1, 0], [1, -1]):
        with pytest.raises(InvalidInput, match="lies on a crossing"):
            crossing.locate(point)
    segment = partition(tensors.mlp([([[1], [1]], [0, -1]), ([[1, 1]], [0])]), Segment([-1], [2]))
    assert [segment.locate([x]) for x in ("-1/2", "1/2", "3/2")] == [0, 1, 2]
    for x, wrong in ((-1, "an end of the domain"), (2, "an end of the domain"), (3, "outside")):
        with pytest.raises(InvalidInput, match=wrong):
            segment.locate([x])


@pytest.mark.parametrize("regions", [1, 2, 7, 100])
def test_a_budget_ends_in_the_middle_of_a_layer(regions: int) -> None:
    rows = lines(90)
    whole, part = cut(rows), cut(rows, Budget(regions=regions))
    assert (len(part), part.outcome) == (regions, Outcome.BUDGET_REACHED)
    assert not part.cells.closed
    assert "stopped early" in part.evidence
    # cut open, the circle starts in the cell around (1, 0)
    expected = np.roll(whole.bits, 1, axis=0)[:regions]
    assert np.array_equal(part.bits, expected)
    assert len(part.cells.cuts) == regions + 1
    assert [code_at(rows, r.witness) for r in part.regions] == [
        r.code.bits.tolist() for r in part.regions
    ]


def test_items_are_made_once_and_like_those_of_a_list() -> None:
    made: list[int] = []
    items = OnDemand(lambda i: made.append(i) or -i, 5, keep=True)  # type: ignore[func-returns-value]
    assert (len(items), items[3], items[-2], items[1:3], made) == (5, -3, -3, [-1, -2], [3, 1, 2])
    assert list(items) == [0, -1, -2, -3, -4]
    assert sorted(made) == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        items[5]
