"""Polyhedra and balls: against boxes, all of R^d, segments and polygons; what is empty is proved
empty.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exact import Ball, Box, HPolytope, Outcome, RealSpace, Segment, Unsupported, partition
from exact.geometry.polyhedra.halfspace import is_farkas
from exact.regions.engine import Job, Problem
from exact.regions.polytopes.cells import FlatCells
from tests.laws.random_networks import POSITIVE, Spec, codes, edges, specs, vectors
from tests.truths import engines, oracle
from tests.truths.oracle import Point, Polygon

DIMS = st.integers(1, 3)
SQUARES = st.sampled_from([Fraction(1, 4), Fraction(1), Fraction(2), Fraction(9, 2), Fraction(5)])
ENGINES = [name for name in engines.ONE_LAYER if name != "brute_force"]
FAR = Fraction(100)


def specs_for(engine: str, dim: int | st.SearchStrategy[int]) -> st.SearchStrategy[Spec]:
    return specs(dim, depth=2 if engine in engines.FLAT else 1)


def run(engine: str, spec: Spec, domain: Any) -> Any:
    assume(engines.takes(engine, spec.network, domain))
    return partition(spec.network, domain, engine=engine)


def box_rows(lo: Fraction, hi: Fraction, dim: int) -> list[list[Fraction]]:
    units = [[Fraction(int(i == j)) for j in range(dim)] for i in range(dim)]
    return [[*unit, -lo] for unit in units] + [[*(-x for x in unit), hi] for unit in units]


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
def test_a_box_is_a_polyhedron(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine, DIMS))
    lo, hi = Fraction(-3, 2), Fraction(2)
    rows = data.draw(st.permutations(box_rows(lo, hi, spec.input_dim)))
    scales = data.draw(vectors(len(rows), POSITIVE))
    redundant = [
        [*data.draw(vectors(spec.input_dim)), FAR],
        rows[0],
        [Fraction(0)] * spec.input_dim + [Fraction(1)],
    ]
    scaled = [[s * x for x in row] for s, row in zip(scales, rows, strict=True)]
    box = run(engine, spec, Box(lo, hi, dim=spec.input_dim))
    for polyhedron in (HPolytope(scaled), HPolytope([*redundant, *rows])):
        found = run(engine, spec, polyhedron)
        assert (found.digest, edges(found)) == (box.digest, edges(box))


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
def test_without_rows_it_is_the_space(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine, DIMS))
    space, found = (
        run(engine, spec, RealSpace(spec.input_dim)),
        run(engine, spec, HPolytope([], dim=spec.input_dim)),
    )
    assert (found.digest, edges(found)) == (space.digest, edges(space))


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
def test_halves_of_a_polyhedron_glue(engine: str, data: st.DataObject) -> None:
    spec = data.draw(specs_for(engine, DIMS))
    rows = data.draw(st.lists(vectors(spec.input_dim + 1), max_size=3))
    cut = data.draw(vectors(spec.input_dim + 1))
    assume(any(cut[:-1]))
    whole = HPolytope(rows, dim=spec.input_dim)
    halves = [HPolytope([*rows, [sign * x for x in cut]]) for sign in (1, -1)]
    solid = [half for half in halves if half.empty is None and half.flat().dim == whole.flat().dim]
    expected = set(codes(run(engine, spec, whole)))
    assert set().union(*(codes(run(engine, spec, half)) for half in solid)) == expected
    assert len(solid) > 0 or not expected


CONTRADICTORY = {
    "two halfspaces": [[1, 0, -1], [-1, 0, 0]],
    "beside a line": [[1, 1, 0], [-1, -1, 0], [1, 0, -1], [0, 1, 0]],
    "beside a point": [[1, 0, 0], [0, 1, 0], [-1, -1, 0], [1, 2, -1]],
    "a negative row": [[1, 0, 0], [0, 0, -1]],
    "a triangle turned inside out": [[1, 0, 0], [0, 1, 0], [-1, -1, -1]],
    "by 2^-80": [[1, 0, Fraction(-1, 2**80)], [-1, 0, 0]],
}


@pytest.mark.parametrize("engine", engines.ONE_LAYER)
@pytest.mark.parametrize("rows", CONTRADICTORY.values(), ids=CONTRADICTORY.keys())
def test_contradictory_domains_have_no_region_and_a_proof(
    engine: str, rows: list[list[Any]]
) -> None:
    domain = HPolytope(rows)
    found = partition(engines.SHALLOW, domain, engine=engine)
    assert (found.region_count, found.outcome, found.graph().number_of_nodes()) == (
        0,
        Outcome.COMPLETE,
        0,
    )
    assert (found.code_count, found.linear_piece_count, found.distinct_map_count) == (0, 0, 0)
    cells = engines.BY_NAME[engine].run(Job(Problem(engines.SHALLOW, domain)))
    assert isinstance(cells, FlatCells)
    assert cells.empty is not None
    assert is_farkas(
        [domain.flat().walls[row] for row in cells.empty.rows], cells.empty.multipliers, 2
    )


@pytest.mark.parametrize("engine", engines.ONE_LAYER)
def test_what_is_open_has_no_proof_of_emptiness(engine: str) -> None:
    cells = engines.BY_NAME[engine].run(
        Job(
            Problem(
                engines.SHALLOW, HPolytope([[1, 0, 0], [0, 1, 0], [-1, -1, Fraction(1, 2**80)]])
            )
        )
    )
    assert isinstance(cells, FlatCells)
    assert len(cells) > 0
    assert cells.empty is None


# ---- balls


def squared_distance(point: Point, p: Point, q: Point) -> Fraction:
    """From a point to the segment between p and q."""
    side, gap = ([b - a for a, b in zip(p, end, strict=True)] for end in (q, point))
    t = min(max(oracle.dot(side, gap) / oracle.dot(side, side), Fraction(0)), Fraction(1))
    rest = [g - t * s for g, s in zip(gap, side, strict=True)]
    return oracle.dot(rest, rest)


def meets(polygon: Polygon, centre: Point, squared: Fraction) -> bool:
    """Whether the interior of a convex polygon with counter-clockwise corners meets the open
    disc.
    """
    turns = [
        (q[0] - p[0]) * (centre[1] - p[1]) - (q[1] - p[1]) * (centre[0] - p[0])
        for p, q in oracle.sides(polygon)
    ]
    within = all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns)
    return within or any(squared_distance(centre, p, q) < squared for p, q in oracle.sides(polygon))


def joined(first: Polygon, second: Polygon, centre: Point, squared: Fraction) -> bool:
    """Whether two polygons share a segment that meets the open disc."""
    for p, q in oracle.sides(first):
        for r, s in oracle.sides(second):
            if oracle.overlap(p, q, r, s):
                _, low, high, _ = sorted((p, q, r, s))
                return squared_distance(centre, low, high) < squared
    return False


@given(specs(2, depth=1), vectors(2), SQUARES)
def test_disc_like_polygons(spec: Spec, centre: Point, squared: Fraction) -> None:
    corners = tuple((Fraction(x), Fraction(y)) for x, y in ((-9, -9), (9, -9), (9, 9), (-9, 9)))
    pieces = oracle.all_pieces(corners, 2, *spec.for_oracle, oracle.split_polygon)
    inside = [piece for piece in pieces if meets(piece.shape, centre, squared)]  # type: ignore[arg-type]
    found = run("vertices", spec, Ball(centre, squared))
    assert Counter(codes(found)) == Counter(piece.code for piece in inside)
    expected = {
        frozenset({a.code, b.code})
        for a, b in combinations(inside, 2)
        if joined(a.shape, b.shape, centre, squared)
    }  # type: ignore[arg-type]
    assert {pair for pair, _ in edges(found)} == expected


@given(specs(1, depth=1), vectors(1), st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(3)]))
def test_ball_of_one_dimension_is_a_segment(spec: Spec, centre: Point, radius: Fraction) -> None:
    ends = [[centre[0] - radius], [centre[0] + radius]]
    ball, segment = (
        run("vertices", spec, Ball(centre, radius**2)),
        run("lp_tree", spec, Segment(*ends)),
    )
    assert (ball.digest, edges(ball)) == (segment.digest, edges(segment))


@given(specs(DIMS, depth=1), SQUARES, st.data())
def test_larger_balls_hold_more(spec: Spec, squared: Fraction, data: st.DataObject) -> None:
    centre = data.draw(vectors(spec.input_dim))
    small, large, all_of_it = (
        set(codes(run("vertices", spec, domain)))
        for domain in (Ball(centre, squared), Ball(centre, 4 * squared), RealSpace(spec.input_dim))
    )
    assert small <= large <= all_of_it
    assert spec.code(centre) in small or is_on_a_breakpoint(spec, centre)


def is_on_a_breakpoint(spec: Spec, point: Point) -> bool:
    """Whether a neuron of the hidden layer is at a breakpoint."""
    ((rows, activation), *_), _ = spec.for_oracle
    return any(
        oracle.value(row, point) == level for row in rows for level in activation.breakpoints
    )


@given(specs(DIMS, depth=1), st.data())
def test_witnesses_lie_in_the_ball(spec: Spec, data: st.DataObject) -> None:
    centre, squared = data.draw(vectors(spec.input_dim)), data.draw(SQUARES)
    found = run("vertices", spec, Ball(centre, squared))
    for region, code in zip(found.regions, codes(found), strict=True):
        gap = [a - b for a, b in zip(region.witness, centre, strict=True)]
        assert oracle.dot(gap, gap) < squared
        assert spec.code(region.witness) == code


@given(specs(DIMS, depth=1))
def test_a_huge_ball_holds_every_region(spec: Spec) -> None:
    ball, space = (
        run("vertices", spec, d)
        for d in (Ball([0] * spec.input_dim, 10**60), RealSpace(spec.input_dim))
    )
    assert (ball.digest, edges(ball)) == (space.digest, edges(space))


@pytest.mark.parametrize("engine", [name for name in engines.ONE_LAYER if name != "vertices"])
def test_other_engines_refuse_balls_by_name(engine: str) -> None:
    with pytest.raises(Unsupported, match=engine):
        partition(engines.SHALLOW, Ball([0, 0], 1), engine=engine)
