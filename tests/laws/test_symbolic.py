"""What users read - SymPy inequalities, maps, lengths, end points - says what the exact objects
say.
"""

from __future__ import annotations

from fractions import Fraction
from math import atan2, cos, hypot, isclose, pi, sin, sqrt

import sympy
from hypothesis import given
from hypothesis import strategies as st

from exact import Box, GreatCircle, Line, Partition, RealSpace, Segment, Sphere, partition
from tests.laws.random_networks import Spec, specs
from tests.laws.test_circles import SQUARES, circles, normed
from tests.laws.test_touching import touching
from tests.truths.oracle import Point

X = sympy.symbols("x1:4", real=True)
T = sympy.Symbol("t", real=True)
THETA = sympy.Symbol("theta", real=True)


def rational(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)


def at(point: Point) -> dict[sympy.Symbol, sympy.Rational]:
    return {symbol: rational(value) for symbol, value in zip(X, point, strict=False)}


@given(specs(st.integers(1, 3), hinges=5))
def test_inequalities_hold_in_their_region_only(spec: Spec) -> None:
    found = partition(spec.network, RealSpace(spec.input_dim))
    symbolic = [region.symbolic() for region in found.regions]
    for region in found.regions:
        inside = [
            all(bool(i.subs(at(region.witness))) for i in each.inequalities) for each in symbolic
        ]
        assert [k for k, holds in enumerate(inside) if holds] == [region.index]
        image = symbolic[region.index].map.subs(at(region.witness))
        assert list(image) == [rational(value) for value in spec.forward(region.witness)]


@given(specs(2, hinges=4))
def test_piecewise_is_the_network(spec: Spec) -> None:
    found = partition(spec.network, Box(-1, 1, dim=2))
    outputs = found.piecewise()
    for region in found.regions:
        values = [output.subs(at(region.witness)) for output in outputs]
        assert values == [rational(value) for value in spec.forward(region.witness)]


@given(specs(2, hinges=5))
def test_intervals_in_t(spec: Spec) -> None:
    found = partition(spec.network, Line([Fraction(1, 2), 0], [1, -2]))
    for region in found.regions:
        t = rational(region.witness[0] - Fraction(1, 2))
        symbolic = region.symbolic()
        assert all(bool(inequality.subs(T, t)) for inequality in symbolic.inequalities)
        assert list(symbolic.map.subs(T, t)) == [
            rational(value) for value in spec.forward(region.witness)
        ]


@given(specs(2, hinges=3, depth=1), SQUARES)
def test_inequalities_in_theta(spec: Spec, squared: Fraction) -> None:
    """On the circle of the plane theta is the ordinary angle; each witness satisfies the
    inequalities of its arc only.
    """
    found = partition(spec.network, Sphere(radius_squared=squared))
    symbolic = [region.symbolic() for region in found.regions]
    for region in found.regions:
        theta = sympy.Float(atan2(*map(float, region.witness[::-1])) % (2 * pi))
        inside = [all(bool(i.subs(THETA, theta)) for i in each.inequalities) for each in symbolic]
        assert [k for k, holds in enumerate(inside) if holds] == [region.index]


def assert_lengths(found: Partition, circumference: sympy.Expr) -> None:
    lengths = [region.length for region in found.regions]
    assert abs(sympy.N(sum(lengths) - circumference, 40)) < 1e-30
    for length, region in zip(lengths, found.regions, strict=True):
        assert isclose(float(sympy.N(length, 30)), region.length_float, rel_tol=1e-9)


@given(specs(4, hinges=4, depth=2), circles(), SQUARES)
def test_exact_lengths_on_great_circles(
    spec: Spec, pair: tuple[Point, Point], squared: Fraction
) -> None:
    found = partition(spec.network, GreatCircle(*pair, radius_squared=squared))
    assert_lengths(found, 2 * sympy.pi * sympy.sqrt(rational(squared)))


@given(touching())
def test_exact_lengths_on_the_unit_circle(spec: Spec) -> None:
    assert_lengths(partition(spec.network, Sphere(radius_squared=1)), 2 * sympy.pi)


@given(normed())
def test_end_points_lie_on_the_sphere_and_meet(spec: Spec) -> None:
    found = partition(spec.network, Sphere())
    ends = [region.endpoints_float for region in found.regions]
    if ends[0] is None:
        assert len(ends) == 1
        return
    assert all(
        isclose(hypot(*point), sqrt(spec.input_dim), rel_tol=1e-9)
        for pair in ends
        for point in pair or ()
    )
    for before, after in zip([ends[-1], *ends[:-1]], ends, strict=True):
        assert before is not None
        assert after is not None
        assert abs(before[1] - after[0]).max() < 1e-9


@given(specs(2, hinges=5), SQUARES)
def test_angles_follow_the_circle(spec: Spec, squared: Fraction) -> None:
    found = partition(spec.network, Sphere(radius_squared=squared))
    angles = [region.parameters_float for region in found.regions]
    assert all(start < end <= start + 2 * pi for start, end in angles)
    assert isclose(sum(end - start for start, end in angles), 2 * pi)
    cuts = [crossing for crossing in found.crossings if not crossing.tangent]
    for crossing, (start, _) in zip(cuts, angles, strict=bool(cuts)):
        assert isclose(crossing.angle_float, start, abs_tol=1e-12)
        radius = sqrt(squared)
        expected = (radius * cos(crossing.angle_float), radius * sin(crossing.angle_float))
        assert all(
            isclose(float(x), y, abs_tol=1e-9)
            for x, y in zip(crossing.point, expected, strict=True)
        )
        assert isclose(float(sympy.N(crossing.angle, 20)), crossing.angle_float, abs_tol=1e-12)


@given(specs(3, hinges=5))
def test_lengths_on_a_segment(spec: Spec) -> None:
    found = partition(spec.network, Segment([0, 0, 0], [1, 2, 2]))
    assert sum(region.length for region in found.regions) == 3
    parameters = [crossing.parameter for crossing in found.crossings if not crossing.tangent]
    assert parameters == sorted(parameters)
    assert all(0 < parameter < 1 for parameter in parameters)
