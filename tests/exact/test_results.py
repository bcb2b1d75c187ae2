"""What every partition offers: codes, counts, digests, the Piecewise."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
import sympy

from exact import (
    GELU,
    Ball,
    Box,
    GreatCircle,
    Hinge,
    InvalidInput,
    Line,
    NormBall,
    NotPiecewiseLinear,
    Outcome,
    Partition,
    RealSpace,
    ReLU,
    Segment,
    Sphere,
    partition,
)
from exact.arithmetic.numbers import Rational
from exact.sources import tensors
from tests.exact.reference import exact_output, integers

DEEP = tensors.mlp(
    [
        ([[1, 2], [0, -1], [1, -1]], [0, "1/2", -1]),
        ([[1, -1, 2], [0, 1, -3]], [-1, 1]),
        ([[1, -2], [3, 1]], [0, 1]),
    ]
)
FLAT = partition(DEEP, Box(-2, 2, dim=2))
CURVE = partition(DEEP, Segment([-2, 1], [2, "-3/2"]))
RING = partition(
    tensors.mlp([([[0, 1], [0, -1]], [-1, -1]), ([[1, 1]], [0])]), Sphere(radius_squared=4)
)
ALL = [
    pytest.param(FLAT, id="flat"),
    pytest.param(CURVE, id="curve"),
    pytest.param(RING, id="ring"),
]
AXES = tensors.mlp([([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, "1/2"]), ([[1, 1, 1]], [0])])
NORMED = tensors.block([[1, 0, 0], [0, 1, 0]], [0, 0], [[1, 1]], [0], norm="layernorm", eps=1)
EVERY = [
    *ALL,
    pytest.param(partition(AXES, Sphere(1), engine="small_circles"), id="cells"),
    pytest.param(partition(AXES, Sphere(1), engine="sphere_flats"), id="codes"),
    pytest.param(partition(AXES, Ball([0, 0, 0], 1)), id="ball"),
    pytest.param(partition(NORMED, NormBall()), id="norm ball"),
    pytest.param(partition(NORMED, GreatCircle([1, 0, 0], [0, 1, 0])), id="circle"),
]


@pytest.mark.parametrize("found", ALL)
def test_codes_are_the_packed_bits(found: Partition) -> None:
    assert found.bits.dtype == bool
    assert found.bits.shape == (len(found), found.network.hinge_count)
    assert np.array_equal(found.codes, np.packbits(found.bits, axis=1))
    assert found.codes.dtype == np.uint8
    for k, region in enumerate(found.regions):
        assert region.code.bits.tolist() == found.bits[k].tolist()
        assert region.code == found.code_of(k)
        assert region.code.layer_sizes == found.network.bits_per_layer
        assert repr(region) == f"<region {k}: SplineCode({region.code})>"


@pytest.mark.parametrize("found", ALL)
def test_a_partition_is_a_sequence_of_regions_without_truth_value(found: Partition) -> None:
    assert len(found) == len(found.regions) == found.cell_count >= 4
    assert found.regions[-1].index == len(found) - 1
    assert [region.index for region in found.regions[1:4]] == [1, 2, 3]
    assert [region.index for region in found.regions] == list(range(len(found)))
    for index in (len(found), -len(found) - 1):
        with pytest.raises(IndexError):
            _ = found.regions[index]
    for value in (found, found.outcome):
        with pytest.raises(TypeError, match="no truth value"):
            bool(value)
    assert repr(found) == f"<{len(found)} regions of {found.domain!r} by {found.engine}, complete>"


def test_digest_is_the_sorted_codes() -> None:
    rows = sorted(np.packbits(row).tobytes() for row in FLAT.bits)
    expected = hashlib.sha256(f"{len(rows)}:5:".encode() + b"".join(rows)).hexdigest()
    assert FLAT.digest == expected


def test_digest_does_not_depend_on_engine_or_order() -> None:
    domain = Segment([-2, 1], [2, "-3/2"])
    engines = [
        partition(DEEP, domain, engine=engine) for engine in ("circle", "lp_tree", "brute_force")
    ]
    assert {found.digest for found in engines} == {CURVE.digest}
    assert partition(DEEP, Segment([2, "-3/2"], [-2, 1])).digest == CURVE.digest
    assert CURVE.digest != FLAT.digest
    assert partition(DEEP, Segment([-2, 1], [1, "-1/2"])).digest != CURVE.digest


def test_digest_counts_cells_of_one_code() -> None:
    """The ring has a code that owns two arcs, listed twice."""
    assert (RING.code_count, RING.cell_count) == (3, 4)
    rows = sorted(bytes(np.packbits([b == "1" for b in code])) for code in ("00", "00", "01", "10"))
    assert RING.digest == hashlib.sha256(b"4:2:" + b"".join(rows)).hexdigest()


def test_hinges_between() -> None:
    first, second = FLAT.bits[0], FLAT.bits[3]
    names = [Hinge(1, 0), Hinge(1, 1), Hinge(1, 2), Hinge(2, 0), Hinge(2, 1)]
    assert FLAT.hinges_between(0, 3) == tuple(names[i] for i in range(5) if first[i] != second[i])
    assert FLAT.hinges_between(2, 2) == ()


@pytest.mark.parametrize("found", [FLAT, CURVE], ids=["flat", "curve"])
def test_counts_recomputed_from_maps_and_edges(found: Partition) -> None:
    """Distinct maps by (matrix, offset) on the domain, pieces by merging neighbours with equal
    maps.
    """
    keys = [region_key(found, k) for k in range(len(found))]
    assert found.distinct_map_count == len(set(keys))
    graph = nx.Graph()
    graph.add_nodes_from(range(len(found)))
    graph.add_edges_from((a, b) for a, b in found.graph().edges() if keys[a] == keys[b])
    assert found.linear_piece_count == nx.number_connected_components(graph)
    assert found.region_count == found.code_count == len(found)


def region_key(found: Partition, index: int) -> Any:
    """The values at three points that span the domain, by the region's own map."""
    affine = found.regions[index].affine
    span = [(0, 0), (1, 0), (0, 1)] if found is FLAT else [(-2, 1), (2, Fraction(-3, 2))]
    return tuple(affine(point) for point in span)


def test_pieces_maps_and_regions_are_different_counts() -> None:
    """Hat with kinks 0, 1, 2: four regions and pieces, three maps. relu(x) - relu(-x): two regions,
    one piece, one map.
    """
    hat = partition(
        tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])]), RealSpace(1)
    )
    assert (hat.region_count, hat.linear_piece_count, hat.distinct_map_count) == (4, 4, 3)
    line = partition(tensors.mlp([([[1], [-1]], [0, 0]), ([[1, -1]], [0])]), Line([0], [1]))
    assert (line.region_count, line.linear_piece_count, line.distinct_map_count) == (2, 1, 1)


# ---- the whole network as a Piecewise


def test_piecewise_evaluates_to_the_forward_pass() -> None:
    pieces = FLAT.piecewise()
    names = sympy.symbols("x1:3", real=True)
    generator = np.random.default_rng(0)
    for _ in range(5):
        x = [Fraction(v, 997) for v in integers(generator, 2, 1990)]
        at = {
            name: sympy.Rational(v.numerator, v.denominator)
            for name, v in zip(names, x, strict=True)
        }
        values = [piece.subs(at) for piece in pieces]
        assert tuple(Fraction(int(v.p), int(v.q)) for v in values) == exact_output(DEEP, x)


def test_piecewise_along_a_line() -> None:
    t, pieces = sympy.Symbol("t", real=True), CURVE.piecewise()
    for k in range(1, 12):
        s = Fraction(k, 12)
        x = [-2 + 4 * s, 1 - Fraction(5, 2) * s]
        values = [piece.subs(t, sympy.Rational(k, 12)) for piece in pieces]
        assert tuple(Fraction(int(v.p), int(v.q)) for v in values) == exact_output(DEEP, x)


def values_at(
    pieces: list[sympy.Piecewise], at: dict[sympy.Symbol, object]
) -> tuple[Fraction, ...]:
    values = [sympy.nsimplify(piece.subs(at)) for piece in pieces]
    return tuple(Fraction(int(v.p), int(v.q)) for v in values)


def test_piecewise_holds_at_hinges_corners_and_borders() -> None:
    """Every vertex of every region, the middles of their sides, and the corners of the box."""
    found = partition(DEEP, Box(-2, 2, dim=2))
    pieces, names = found.piecewise(), sympy.symbols("x1:3", real=True)
    vertices = {v for region in found.regions for v in region.vertices}  # type: ignore[attr-defined]
    middles = {
        tuple((a + b) / 2 for a, b in zip(v, w, strict=True)) for v, w in pairwise(sorted(vertices))
    }
    assert len(vertices) > 10 and (Fraction(2), Fraction(-2)) in vertices
    for x in vertices | middles:
        at = {
            name: sympy.Rational(v.numerator, v.denominator)
            for name, v in zip(names, x, strict=True)
        }
        assert values_at(pieces, at) == exact_output(DEEP, list(x))
    assert all(piece.subs(dict(zip(names, (3, 0), strict=True))) is sympy.nan for piece in pieces)


def test_piecewise_along_a_line_holds_at_hinges_and_ends() -> None:
    t, pieces = sympy.Symbol("t", real=True), CURVE.piecewise()
    for place in (*(c.parameter for c in CURVE.crossings), sympy.Integer(0), sympy.Integer(1)):
        s = Fraction(int(place.p), int(place.q))
        assert values_at(pieces, {t: place}) == exact_output(
            DEEP, [-2 + 4 * s, 1 - Fraction(5, 2) * s]
        )
    assert all(piece.subs(t, sympy.Rational(-1, 100)) is sympy.nan for piece in pieces)


def test_piecewise_holds_at_crossings_of_circles_and_behind_norms() -> None:
    theta = sympy.Symbol("theta", real=True)
    disc = partition(DEEP, GreatCircle([1, 0], [0, 1], Fraction(25, 16)))
    rays = partition(
        tensors.block([[1, 2], [-1, 1]], [-1, 0], [[1, -3]], [2], norm="rms", eps=0), Sphere()
    )
    for found, letter in ((disc, "x"), (rays, "y")):
        names, pieces = sympy.symbols(f"{letter}1:3", real=True), found.piecewise()
        assert len(found.crossings) > 2
        for crossing in found.crossings:
            at = dict(zip(names, crossing.point, strict=True))
            values = [
                float(sympy.N(piece.subs(theta, crossing.angle).subs(at), 20)) for piece in pieces
            ]
            known = found.network.forward_float([float(x) for x in crossing.point])
            assert np.abs(np.array(values) - known).max() < 1e-12  # false for nan


def test_piecewise_has_no_value_where_a_norm_has_none() -> None:
    t = sympy.Symbol("t", real=True)
    net = tensors.block([[1, 1]], [-1], [[1]], [0], norm="rms", eps=0)
    (piece,) = partition(net, Segment([-1, -1], [1, 1])).piecewise()
    assert piece.subs(t, sympy.Rational(1, 2)) is sympy.nan
    assert piece.subs(t, 0) is not sympy.nan and piece.subs(t, 1) is not sympy.nan


class Step(ReLU):
    """1 for z > 0, else 0."""

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        return ((Rational(0), Rational(0)), (Rational(0), Rational(1)))


def test_piecewise_of_what_jumps_keeps_to_the_open_regions() -> None:
    t = sympy.Symbol("t", real=True)
    (piece,) = partition(
        tensors.mlp([([[1]], [0]), ([[1]], [0])], activation=Step()), Segment([-1], [1])
    ).piecewise()
    assert [piece.subs(t, sympy.Rational(k, 4)) for k in (1, 2, 3)] == [0, sympy.nan, 1]


def test_piecewise_is_for_small_networks() -> None:
    with pytest.raises(InvalidInput, match="limit= above 3"):
        FLAT.piecewise(limit=3)
    smooth = tensors.mlp([([[1]], [0]), ([[1]], [0])], activation=GELU())
    found = partition(smooth, Box(-1, 1, dim=1))
    for attempt in (
        found.piecewise,
        lambda: found.regions[0].affine,
        lambda: found.regions[0].symbolic(),
        lambda: found.linear_piece_count,
    ):
        with pytest.raises(NotPiecewiseLinear):
            attempt()


# ---- points


def test_crossings_belong_to_curves() -> None:
    assert CURVE.crossings and RING.crossings
    with pytest.raises(InvalidInput, match="points of a curve"):
        _ = FLAT.crossings


UNDEFINED = partition(
    tensors.block([[1, -1]], [1], [[1], [1]], None, norm="layernorm", eps=0),
    Segment([1, -1], [-1, 1]),
)


@pytest.mark.parametrize("found", [*ALL, pytest.param(UNDEFINED, id="a norm that divides by zero")])
def test_neighbours_are_the_edges(found: Partition) -> None:
    pairs = found.neighbours()
    assert pairs.dtype == np.int64 and pairs.shape == (found.graph().number_of_edges(), 2)
    edges = sorted((min(e), max(e)) for e in found.graph().edges())
    assert sorted((min(pair), max(pair)) for pair in pairs.tolist()) == edges


def test_code_of_a_point_and_a_range_of_layers() -> None:
    x = (Fraction(1, 3), Fraction(-1, 5))
    whole = str(FLAT.code(x))
    assert str(FLAT.code(x, layers=(2, 2))) == whole.split("|")[1]
    assert str(FLAT.code(x, layers=(1, 1))) == whole.split("|")[0]
    assert FLAT.affine_at(x)(x) == exact_output(DEEP, x)


def test_outcomes_are_three_values() -> None:
    assert {outcome.value for outcome in Outcome} == {"complete", "budget reached", "undecided"}


@pytest.mark.parametrize("found", EVERY)
def test_indices_count_from_the_end_on_every_kind(found: Partition) -> None:
    count = len(found)
    for index in range(count):
        assert found.code_of(index - count) == found.code_of(index) == found.regions[index].code
        assert (
            found.hinges_between(index - count, 0)
            == found.hinges_between(index, -count)
            == found.hinges_between(index, 0)
        )
    for index in (count, -count - 1):
        for ask in (
            found.code_of,
            lambda i: found.hinges_between(i, 0),
            lambda i: found.hinges_between(0, i),
        ):
            with pytest.raises(IndexError, match=f"region {index} of {count}"):
                ask(index)


def test_many_points_are_located_one_by_one() -> None:
    draw = np.random.default_rng(0)
    net = tensors.mlp([(draw.normal(size=(5, 2)), draw.normal(size=5)), (np.ones((1, 5)), [0.0])])
    found = partition(net, Box(-1, 1, dim=2))
    x = draw.uniform(-1, 1, size=(30, 2))
    assert found.locate_all(x).tolist() == [found.locate(row) for row in x]
    assert found.locate_all([region.witness for region in found.regions]).tolist() == [
        *range(len(found))
    ]
    x[3] = 9.0
    with pytest.raises(InvalidInput, match="row 3 of x: "):
        found.locate_all(x)
    assert np.flatnonzero(found.locate_all(x, errors="keep") == -1).tolist() == [3]
