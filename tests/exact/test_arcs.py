"""Arcs and intervals: end points, angles and lengths with SymPy, at 60 digits and in floats."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath
import networkx as nx
import numpy as np
import pytest
import sympy

from exact import (
    GreatCircle,
    HardTanh,
    InvalidInput,
    Line,
    Network,
    Ray,
    Segment,
    Sphere,
    Unsupported,
    partition,
)
from exact.geometry.domains.base import Domain
from exact.regions.arcs.partition import Arc, CurvePartition
from exact.sources import tensors
from tests.exact.reference import exact_code, exact_output, float_gaps, integers, real


def curve(network: Network, domain: Domain) -> CurvePartition:
    found = partition(network, domain)
    assert isinstance(found, CurvePartition)
    return found


def arcs(found: CurvePartition) -> list[Arc]:
    return [region for region in found.regions if isinstance(region, Arc)]


def hidden(rows: list[list[Any]]) -> Network:
    return tensors.mlp(
        [([row[:-1] for row in rows], [row[-1] for row in rows]), ([[1] * len(rows)], [0])]
    )


def exactly(vector: Any) -> list[sympy.Expr]:
    return [sympy.Rational(x.numerator, x.denominator) for x in map(Fraction, vector)]


ROWS = [[1, 0, -1], [0, 1, 0], [1, 2, 3], [2, -1, "1/2"], [1, 1, -5]]
PLAIN = curve(hidden(ROWS), Sphere(radius_squared=4))
W, B = (
    [[1, 2, -1], [0, 1, 1], [2, -1, 0], [1, 1, -2]],
    [Fraction(1, 2), Fraction(-1, 4), Fraction(1), Fraction(-1)],
)
GAIN, SHIFT = (
    [Fraction(1), Fraction(2), Fraction(-1, 2)],
    [Fraction(0), Fraction(1, 3), Fraction(1)],
)
NORMED = curve(
    tensors.block(W, B, [[1, -1, 2, 1]], [3], norm="layernorm", gain=GAIN, bias=SHIFT), Sphere()
)
TILTED = curve(NORMED.network, GreatCircle([2, 1, 0], [1, "1/2", 3]))
SLICE = curve(
    hidden([[1, 2, 0, 1, -1], [0, 1, 1, -1, 2], [3, 0, 0, 1, 0]]),
    GreatCircle([1, 0, 2, 0], [1, 1, 0, -1], radius_squared="5/3"),
)


def planes(found: CurvePartition) -> list[list[Fraction]]:
    """The planes normal . y + offset = 0 of one hidden layer; behind the norm in y = sqrt(n) P x /
    |P x|.
    """
    if not found.network.has_norm:
        layer = found.network.layers[0]
        return [
            [*row, b[0]] for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]
    return [
        [
            *(w * g for w, g in zip(row, GAIN, strict=True)),
            b + sum(w * h for w, h in zip(row, SHIFT, strict=True)),
        ]
        for row, b in zip(W, B, strict=True)
    ]


RADII = [
    pytest.param(PLAIN, 4, id="plain"),
    pytest.param(NORMED, 3, id="norm"),
    pytest.param(TILTED, 3, id="tilted"),
    pytest.param(SLICE, sympy.Rational(5, 3), id="slice"),
]


@pytest.mark.parametrize(("found", "square"), RADII)
def test_end_points_lie_on_their_hyperplane_and_on_the_sphere(
    found: CurvePartition, square: Any
) -> None:
    for crossing in found.crossings:
        point = crossing.point
        assert sympy.simplify(point.dot(point) - square) == 0
        if found.network.has_norm:
            assert sympy.simplify(sum(point)) == 0
        for hinge in crossing.hinges:
            *normal, offset = exactly(planes(found)[hinge.neuron])
            assert sympy.simplify(point.dot(sympy.Matrix(normal)) + offset) == 0


@pytest.mark.parametrize(
    "found", [PLAIN, NORMED, TILTED, SLICE], ids=["plain", "norm", "tilted", "slice"]
)
def test_end_points_angles_and_floats_agree(found: CurvePartition) -> None:
    """The angle of a crossing is that of its point against the first axis of the curve, at 40
    digits and in floats.
    """
    u, v = (
        sympy.Matrix(exactly(Fraction(str(x)) for x in w)) for w in (found.curve.u, found.curve.v)
    )
    if found.network.has_norm:
        u, v = (w - sympy.ones(3, 1) * sum(w) / 3 for w in (u, v))
    across = v - u * u.dot(v) / u.dot(u)
    for crossing in found.crossings:
        point = crossing.point
        known = sympy.N(sympy.atan2(point.dot(across) / across.norm(), point.dot(u) / u.norm()), 40)
        known = known + 2 * sympy.pi.evalf(40) if known < 0 else known
        assert abs(sympy.N(crossing.angle, 40) - known) < sympy.Float("1e-35")
        assert math.isclose(crossing.angle_float, float(known), rel_tol=1e-15, abs_tol=1e-15)
    for region in arcs(found):
        ends, floats = region.endpoints, region.endpoints_float
        assert ends is not None
        assert floats is not None
        for exact, approximate in zip(ends, floats, strict=True):
            np.testing.assert_allclose(
                approximate, [float(x) for x in exact], rtol=1e-13, atol=1e-13
            )


@pytest.mark.parametrize(("found", "square"), RADII)
def test_lengths_sum_to_the_circumference(found: CurvePartition, square: Any) -> None:
    radius, lengths = sympy.sqrt(square), [region.length for region in arcs(found)]
    assert sympy.expand(sum(lengths) - 2 * sympy.pi * radius) == 0
    for region, length in zip(arcs(found), lengths, strict=True):
        start, end = region.parameters_float
        assert 0 < region.length_float == pytest.approx(float(length), rel=1e-14)
        assert region.length_float == pytest.approx((end - start) * float(radius), rel=1e-12)
    assert len(found) >= 4


def test_lengths_of_known_arcs() -> None:
    """x > 1 on the circle of radius 2 spans 120 degrees; y > 0 a half."""
    found = curve(hidden([[1, 0, -1], [0, 1, 0]]), Sphere(radius_squared=4))
    lengths = {str(region.code): sympy.simplify(region.length / sympy.pi) for region in arcs(found)}
    assert lengths == {
        code: sympy.Rational(*x)
        for code, x in {"11": (2, 3), "01": (4, 3), "00": (4, 3), "10": (2, 3)}.items()
    }
    angles = [sympy.simplify(crossing.angle) for crossing in found.crossings]
    assert sorted(angles, key=float) == [0, sympy.pi / 3, sympy.pi, 5 * sympy.pi / 3]


def test_a_circle_without_cut() -> None:
    found = curve(hidden([[1, 0, -5]]), Sphere(radius_squared=7))
    (region,) = arcs(found)
    assert (region.endpoints, region.endpoints_float, region.facets) == (None, None, ())
    assert region.length == 2 * sympy.pi * sympy.sqrt(7)
    assert region.length_float == pytest.approx(2 * math.pi * 7**0.5)
    assert region.parameters_float == (0.0, 2 * math.pi)
    assert region.symbolic().inequalities == ()
    assert found.locate([3, 4]) == 0


def test_tiny_arcs_have_their_length() -> None:
    """Tangent but for 2^-80: x = 1 - 2^-80 cuts off an arc of length about 2 sqrt(2) 2^-40 from the
    unit circle.
    """
    found = curve(hidden([[1, 0, Fraction(1, 2**80) - 1]]), Sphere(radius_squared=1))
    tiny = min(arcs(found), key=lambda region: region.length_float)
    with mpmath.workdps(80):
        known = 2 * mpmath.acos(1 - mpmath.mpf(2) ** -80)
        assert abs(tiny.length_float / known - 1) < 2.0**-50
        assert abs(mpmath.mpf(str(sympy.N(tiny.length, 60))) / known - 1) < mpmath.mpf("1e-30")


# ---- symbols, maps, neighbours


@pytest.mark.parametrize("found", [PLAIN, NORMED, SLICE], ids=["plain", "norm", "slice"])
def test_inequalities_hold_at_the_angle_of_the_witness_only(found: CurvePartition) -> None:
    theta = sympy.Symbol("theta", real=True)
    middles = [sum(region.parameters_float) / 2 % (2 * math.pi) for region in found.regions]
    for region in found.regions:
        holds = [
            all(
                condition.subs(theta, sympy.Float(middle)) == sympy.true
                for condition in region.symbolic().inequalities
            )
            for middle in middles
        ]
        assert holds == [k == region.index for k in range(len(found))]


def test_maps_behind_a_norm_are_maps_of_the_normalised_point() -> None:
    """At the witness x the output is the map at y = sqrt(3) P x / |P x|, also as SymPy
    expressions.
    """
    names = sympy.symbols("y1:4", real=True)
    for region in NORMED.regions:
        x = [float(v) for v in region.witness]
        y = (np.array(x) - np.mean(x)) / np.std(x)
        matrix, offset = region.affine.float64()
        far = NORMED.network.forward_float(np.array(x) * 1e6)
        np.testing.assert_allclose(matrix @ y + offset, far, rtol=1e-9)
        at = {name: sympy.Float(v, 30) for name, v in zip(names, y.tolist(), strict=True)}
        np.testing.assert_allclose(
            [float(v) for v in region.symbolic().map.subs(at)], far, rtol=1e-9
        )
        assert (region.affine.of, region.affine.skip) == ("norm(x)", False)


def test_the_graph_is_a_cycle_with_one_edge_per_crossing() -> None:
    for found in (PLAIN, NORMED):
        graph = found.graph()
        assert isinstance(graph, nx.MultiGraph)
        assert sorted(dict(graph.degree()).values()) == [2] * len(found)
        assert nx.is_connected(graph)
        crossings = {
            round(crossing.angle_float, 12): crossing
            for crossing in found.crossings
            if not crossing.tangent
        }
        for a, b, data in graph.edges(data=True):
            crossing = crossings[round(data["position"], 12)]
            assert data["flipped"] == crossing.hinges == found.hinges_between(a, b)
        assert all(graph.nodes[k]["witness"] == found.regions[k].witness for k in graph)


def test_two_arcs_meet_twice() -> None:
    graph = curve(hidden([[1, 0, 0]]), Sphere(radius_squared=1)).graph()
    assert graph.number_of_edges(0, 1) == 2
    assert sorted(data["position"] for _, _, data in graph.edges(data=True)) == pytest.approx(
        [math.pi / 2, 3 * math.pi / 2]
    )


def test_facets_are_the_ends() -> None:
    count = len(PLAIN)
    for region in PLAIN.regions:
        before, after = region.facets
        assert (before.neighbour, after.neighbour) == (
            (region.index - 1) % count,
            (region.index + 1) % count,
        )
        assert after.flipped == PLAIN.hinges_between(region.index, (region.index + 1) % count)


def test_facets_at_rational_directions_have_integer_lines() -> None:
    """y = 0 and x = y: positive inside, over (alpha, beta)."""
    found = curve(hidden([[0, 1, 0], [1, -1, 0]]), Sphere(radius_squared=1))
    for region in arcs(found):
        alpha, beta = (Fraction(str(x)) for x in found.cells.witnesses[region.index])
        for facet in region.facets:
            a, b, c = facet.hyperplane
            assert c == 0
            assert math.gcd(a, b) == 1
            assert a * alpha + b * beta > 0
    irrational = curve(hidden([[1, 1, "-1/2"]]), Sphere(radius_squared=1))
    assert [facet.hyperplane for region in irrational.regions for facet in region.facets] == [
        ()
    ] * 4


# ---- finding points


def test_locate_on_circles() -> None:
    for found in (PLAIN, NORMED, SLICE):
        u, v = (
            np.array([Fraction(str(x)) for x in w], dtype=object)
            for w in (found.curve.u, found.curve.v)
        )
        generator = np.random.default_rng(4)
        starts = [region.parameters_float[0] for region in found.regions]
        for alpha, beta in integers(generator, (30, 2), 50):
            x = (alpha * u + (beta or Fraction(1, 9)) * v).tolist()
            index = found.locate(x)
            assert index == found.locate([7 * value for value in x])
            if found is NORMED:
                assert index == found.locate([value + Fraction(5, 3) for value in x])
                gaps = float_gaps(found.network, 1e6 * np.array([[float(value) for value in x]]))
            else:
                length = math.sqrt(float(sum(value * value for value in x)))
                radius = math.sqrt(4 if found is PLAIN else 5 / 3)
                gaps = float_gaps(
                    found.network, radius / length * np.array([[float(value) for value in x]])
                )
            assert (np.abs(gaps) > 1e-9).all()
            assert ((gaps[0] > 0) == found.regions[index].code.bits).all()
        assert starts == sorted(starts)


def test_locate_refuses_crossings_and_strangers() -> None:
    found = curve(hidden([[0, 1, 0, 0]]), GreatCircle([1, 0, 1], [0, 1, 0], radius_squared=2))
    for x in ([1, 0, 1], [-2, 0, -2], [0, 0, 0]):
        with pytest.raises(InvalidInput):
            found.locate(x)
    with pytest.raises(InvalidInput, match="does not lie on the curve"):
        found.locate([1, 1, 2])
    with pytest.raises(InvalidInput, match="2 coordinates"):
        found.locate([1, 1])


STRAIGHT = hidden([[1, 0, 0], [0, 1, 0], [1, 1, -1]])


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (
            Segment([1, -1], [-1, 2]),
            [["9/10", "-17/20"], [0.25, 0.125]],
            [[5, 5], [10, -10], [-3, 5], [3, -4], [2, 7]],
        ),
        (Ray([1, 0], [1, 1]), [[2, 1], [100, 99]], [[0, -1], [1, 1], [4, 4]]),
        (Ray(0, [1, 2]), [[1, 2], [10**9, 2 * 10**9]], [[-1, -2], [1, 1]]),
        (Line([0, 1], [1, 1]), [[-5, -4], [-0.5, 0.5], [7, 8]], [[2, 7], [5, 5]]),
        (Line([1, 1], [2, 2]), [[-3, -3], [0.25, 0.25], [9, 9]], [[1, 2], [-1, 1]]),
    ],
)
def test_locate_on_straight_lines(
    domain: Domain, inside: list[list[Any]], outside: list[list[Any]]
) -> None:
    found = curve(STRAIGHT, domain)
    for x in inside:
        assert str(found.regions[found.locate(x)].code) == exact_code(
            STRAIGHT, list(map(Fraction, x))
        )
    for x in outside:
        with pytest.raises(InvalidInput):
            found.locate(x)


# ---- straight lines


def test_intervals_of_a_segment() -> None:
    found = curve(STRAIGHT, Segment([1, -1], [-1, 2]))
    assert [crossing.parameter for crossing in found.crossings] == [
        sympy.Rational(1, 3),
        sympy.Rational(1, 2),
    ]
    assert [crossing.parameter_float for crossing in found.crossings] == [1 / 3, 0.5]
    assert sum(region.length for region in arcs(found)) == sympy.sqrt(13)
    assert [region.length for region in arcs(found)] == [
        sympy.sqrt(13) * sympy.Rational(1, k) for k in (3, 6, 2)
    ]
    ends = [region.endpoints for region in arcs(found)]
    assert [tuple(end[1]) for end in ends if end] == [
        (sympy.Rational(1, 3), 0),
        (0, sympy.Rational(1, 2)),
        (-1, 2),
    ]
    assert tuple(ends[0][0]) == (1, -1) if ends[0] else False
    assert found.region_count == found.cell_count == 3


def test_intervals_of_lines_and_rays_are_infinite() -> None:
    line, ray = curve(STRAIGHT, Line([0, 1], [1, 1])), curve(STRAIGHT, Ray([1, 2], [0, 5]))
    first, last = arcs(line)[0], arcs(line)[-1]
    assert (first.length, first.length_float, last.length) == (sympy.oo, math.inf, sympy.oo)
    assert first.parameters_float == (-math.inf, -1.0)
    assert last.parameters_float == (0.0, math.inf)
    assert [region.parameters_float for region in arcs(ray)] == [(0.0, math.inf)]
    assert all(len(region.symbolic().inequalities) <= 2 for region in arcs(line))


def test_end_points_at_infinity() -> None:
    """Only the coordinates along which the line runs are infinite."""
    first, last = arcs(curve(hidden([[1, 0, 0]]), Line([0, 1], [2, 0])))
    assert first.endpoints_float is not None
    assert last.endpoints_float is not None
    assert first.endpoints_float[0].tolist() == [-math.inf, 1]
    assert last.endpoints_float[1].tolist() == [math.inf, 1]
    assert first.endpoints is not None
    assert tuple(first.endpoints[0]) == (-sympy.oo, 1)


def test_maps_along_a_line() -> None:
    """t > 0 ... the map in t is the network at p + t d; `affine` is the map of x."""
    t = sympy.Symbol("t", real=True)
    for domain in (Segment([1, -1], [-1, 2]), Line([0, 1], [1, 1]), Ray([2, -3], [-1, 2])):
        found = curve(STRAIGHT, domain)
        origin, direction = (
            [Fraction(str(x)) for x in w]
            for w in (found.domain.flat().origin, found.domain.flat().directions[0])
        )  # type: ignore[attr-defined]
        for region in found.regions:
            x = region.witness
            at = next((a - o) / d for a, o, d in zip(x, origin, direction, strict=True) if d)
            assert [a == o + at * d for a, o, d in zip(x, origin, direction, strict=True)] == [
                True,
                True,
            ]
            symbolic = region.symbolic()
            here = sympy.Rational(at.numerator, at.denominator)
            assert all(
                condition == sympy.true or condition.subs(t, here) == sympy.true
                for condition in symbolic.inequalities
            )
            value = symbolic.map.subs(t, here)[0]
            assert (
                Fraction(int(value.p), int(value.q))
                == exact_output(STRAIGHT, x)[0]
                == region.affine(x)[0]
            )


def test_angles_and_parameters_are_not_mixed() -> None:
    on_circle, on_line = PLAIN.crossings[0], curve(STRAIGHT, Segment([1, -1], [-1, 2])).crossings[0]
    for crossing, name in ((on_circle, "parameter"), (on_line, "angle")):
        for attribute in (name, f"{name}_float"):
            with pytest.raises(InvalidInput):
                getattr(crossing, attribute)


@pytest.mark.parametrize("rule", ["var", "std"])
@pytest.mark.parametrize("norm", ["layernorm", "rms"])
def test_critical_radii_of_rays(norm: Any, rule: Any) -> None:
    """mathematics.md, "Critical radii": neuron j flips on the ray of u where s = -c_j / a_j and r =
    f(s), for every eps.
    """
    n, eps, offsets = 3, Fraction(1, 10), [Fraction(1, 4), Fraction(-1, 2), Fraction(1)]
    weight, u = [[1, 2, -1], [3, -1, 1], [-1, 0, 2]], [Fraction(1), Fraction(-2), Fraction(4)]
    found = curve(
        tensors.block(weight, offsets, [[1] * 3], [0], norm=norm, eps=eps, eps_rule=rule), Ray(0, u)
    )
    with mpmath.workdps(60):
        centred = [x - sum(u) / n if norm == "layernorm" else x for x in u]
        length = mpmath.sqrt(real(sum(x * x for x in centred)))
        known = {}
        for j, (row, offset) in enumerate(zip(weight, offsets, strict=True)):
            a = (
                mpmath.sqrt(n)
                * sum(w * real(x) for w, x in zip(row, centred, strict=True))
                / length
            )
            s = -real(offset) / a
            if 0 < s < 1:
                under, beside = (
                    mpmath.sqrt(n * real(eps) / (1 - s * s)),
                    real(eps) * mpmath.sqrt(n) / (1 - s),
                )
                known[j] = s * (under if rule == "var" else beside) / length
        crossings = {
            c.hinges[0].neuron: mpmath.mpf(str(sympy.N(c.parameter, 40))) for c in found.crossings
        }
        assert crossings.keys() == known.keys() != set()
        assert all(abs(crossings[j] / t - 1) < mpmath.mpf("1e-30") for j, t in known.items())


# ---- what arcs do not offer


def test_region_count_is_refused_where_it_has_two_meanings() -> None:
    behind = curve(tensors.block([[1, 0]], [0], [[1]], [0], norm="rms"), Segment([1, 1], [-1, 2]))
    for found in (PLAIN, NORMED, behind):
        with pytest.raises(InvalidInput, match="code_count or cell_count"):
            _ = found.region_count
        assert found.cell_count == len(found)


def test_one_code_two_cells() -> None:
    found = curve(hidden([[0, 1, -1], [0, 1, 1]]), Sphere(radius_squared=4))
    assert (found.code_count, found.cell_count) == (3, 4)
    assert found.linear_piece_count == 4
    assert found.distinct_map_count == 3


def test_maps_behind_a_later_norm_are_refused_by_name() -> None:
    head = tensors.mlp([([[1, 1], [1, -1]], [0, 1]), ([[1, 2], [0, 1]], [1, 0])])
    tail = tensors.block([[1, 0]], [0], [[1]], [0], norm="rms")
    found = curve(Network((*head.blocks, *tail.blocks)), Segment([1, -1], [-1, 2]))
    assert found.cell_count >= 2
    with pytest.raises(Unsupported, match="from_block"):
        _ = found.distinct_map_count


def test_two_hinges_of_one_neuron() -> None:
    found = curve(
        tensors.mlp([([[1, 0]], [0]), ([[1]], [0])], activation=HardTanh()),
        Sphere(radius_squared=4),
    )
    assert sorted(str(region.code) for region in found.regions) == ["00", "10", "10", "11"]
    assert {str(hinge) for crossing in found.crossings for hinge in crossing.hinges} == {
        "(1, 0)",
        "(1, 0)#1",
    }


def test_long_points_are_named_by_their_dimension() -> None:
    found = curve(
        hidden([[0, 1, *[0] * 62, 0]]),
        GreatCircle([1, *[0] * 63], [0, 1, *[0] * 62], radius_squared=2),
    )
    for x in ([1, *[0] * 63], [1, 1, 1, *[0] * 61]):
        with pytest.raises(InvalidInput, match=r"\.\.\. 64 in all") as refused:
            found.locate(x)
        assert len(str(refused.value)) < 200
