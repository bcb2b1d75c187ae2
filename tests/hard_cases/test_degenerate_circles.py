"""Degenerate circles: touching, coincident, nearly coincident and absent planes."""

from __future__ import annotations

from fractions import Fraction
from math import isclose, isqrt, pi

import pytest
import sympy

from exact import GreatCircle, Line, Partition, Segment, Sphere, partition
from exact.regions.arcs.crossings import Crossing
from exact.sources import tensors
from tests.hard_cases.test_degenerate import planes


def codes(found: Partition) -> list[str]:
    return [str(region.code) for region in found.regions]


def cuts(found: Partition) -> list[Crossing]:
    """The crossings that separate two cells."""
    return [crossing for crossing in found.crossings if not crossing.tangent]


def touched(found: Partition) -> list[int]:
    """The neurons that touch zero without changing sign, in order."""
    return sorted(
        hinge.neuron
        for crossing in found.crossings
        if crossing.tangent
        for hinge in crossing.hinges
    )


def circle(rows: list[list[object]], squared: object) -> Partition:
    return partition(planes(rows), Sphere(radius_squared=squared))


def test_no_neuron_no_plane_one_cell() -> None:
    found = circle([[1, 0, -2], [0, 0, 1], [0, 0, 0], [1, 1, 5]], 3)
    assert codes(found) == ["0101"]
    assert (found.code_count, found.cell_count, found.crossings) == (1, 1, ())
    assert found.graph().number_of_edges() == 0
    assert sympy.simplify(found.regions[0].length - 2 * sympy.pi * sympy.sqrt(3)) == 0
    assert isclose(found.regions[0].length_float, 2 * pi * 3**0.5)


def test_touching_planes_from_both_sides() -> None:
    found = circle([[1, 0, -1], [-1, 0, 1], [1, 0, 1], [-1, 0, -1]], 1)
    assert codes(found) == ["0110"]
    assert (found.cell_count, cuts(found), touched(found)) == (1, [], [0, 1, 2, 3])


def test_touching_and_crossing_at_one_point() -> None:
    """x = 1 touches the unit circle at (1, 0), where y = 0, x + y = 1 and x - y = 1 cross it."""
    found = circle([[1, 0, -1], [0, 1, 0], [1, 1, -1], [1, -1, -1]], 1)
    assert found.cell_count == found.code_count == 4
    assert touched(found) == [0]
    at_one = [crossing for crossing in cuts(found) if crossing.point[0] == 1]
    assert [[hinge.neuron for hinge in crossing.hinges] for crossing in at_one] == [[1, 2, 3]]


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_many_planes_through_two_points(count: int) -> None:
    rows: list[list[object]] = [[k, 1, 0] for k in range(count)]
    copies = [[3 * x for x in row] for row in rows] + [[-x for x in row] for row in rows]  # type: ignore[operator]
    found = circle(rows + copies, 5)
    assert found.cell_count == 2 * count
    assert {len(crossing.hinges) for crossing in cuts(found)} == {3}


def test_all_planes_through_one_point() -> None:
    """Lines through (1, 2) on |x|^2 = 5; the tangent x + 2y = 5 among them cuts nothing."""
    slopes = range(-3, 4)
    found = circle([[k, 1, -k - 2] for k in slopes] + [[1, 2, -5]], 5)
    assert found.cell_count == 8
    assert touched(found) == [7]
    assert sorted(len(crossing.hinges) for crossing in cuts(found)) == [1] * 7 + [7]


def root(square: Fraction, bits: int) -> Fraction:
    """The square root, rounded down to a multiple of 2^-bits."""
    return Fraction(isqrt(square.numerator * 4**bits // square.denominator), 2**bits)


@pytest.mark.parametrize("bits", [20, 60, 200, 1000])
def test_surds_that_agree_beyond_floats(bits: int) -> None:
    """x = 1/2 meets |x|^2 = 2 at y = sqrt(7)/2; the line y = s comes within 2^-bits of that point,
    on either side.
    """
    below = root(Fraction(7, 4), bits)
    for s, between in ((below, "11"), (below + Fraction(1, 2**bits), "00")):
        found = circle([[1, 0, Fraction(-1, 2)], [0, 1, -s]], 2)
        assert (found.cell_count, found.code_count) == (4, 4 if between == "11" else 3)
        assert sorted(codes(found)) == sorted(["10", between, "01", "00"])
        tiny = min(found.regions, key=lambda region: region.length_float)
        assert str(tiny.code) == between
        assert 0 < tiny.length_float < 2.0 ** (2 - bits)


def test_coincident_surds_of_different_radicands() -> None:
    """x = 1 and y = 1 on |x|^2 = 2 share the point (1, 1); 3x + y = 4 passes through it as well."""
    found = circle([[1, 0, -1], [0, 1, -1], [3, 1, -4]], 2)
    assert sorted(len(crossing.hinges) for crossing in cuts(found)) == [1, 1, 1, 3]
    assert found.cell_count == 4


@pytest.mark.parametrize(
    "offset", [Fraction(2), Fraction(2) - Fraction(1, 2**50), Fraction(2) + Fraction(1, 2**50)]
)
def test_tangent_cap_in_higher_dimension(offset: Fraction) -> None:
    network = tensors.block([[1, 0, 0, 0, 0]], [-offset], [[1]], [0], norm="layernorm", eps=0)
    found = partition(network, GreatCircle([4, -1, -1, -1, -1], [0, 1, 0, 0, -1]))
    assert found.cell_count == (2 if offset < 2 else 1)
    if offset < 2:
        assert min(region.length_float for region in found.regions) < 1e-6


def test_cap_that_misses_the_circle_but_meets_the_sphere() -> None:
    network = tensors.block([[1, 0, 0, 0, 0]], [-1.5], [[1]], [0], norm="layernorm", eps=0)
    assert partition(network, GreatCircle([0, 1, -1, 0, 0], [0, 0, 0, 1, -1])).cell_count == 1


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324])
def test_scale_of_weights_and_directions(scale: float) -> None:
    rows = [[scale, 0.0], [0.0, -scale], [scale, scale]]
    network = tensors.mlp([(rows, [0.0, 0.0, scale]), ([[1.0] * 3], [0.0])])
    reference = tensors.mlp([([[1, 0], [0, -1], [1, 1]], [0, 0, 1]), ([[1] * 3], [0])])
    for domain in (Sphere(radius_squared=2), GreatCircle([scale, 0], [0, 1], radius_squared=2)):
        assert codes(partition(network, domain)) == codes(partition(reference, domain))


@pytest.mark.parametrize("squared", [Fraction(1, 10**600), Fraction(10**600), 5e-324])
def test_extreme_radius(squared: object) -> None:
    found = circle([[1, 0, 0], [1, 1, 0]], squared)
    assert sorted(codes(found)) == ["00", "01", "10", "11"]


def test_nearly_parallel_directions() -> None:
    tiny = Fraction(1, 2**80)
    found = partition(
        planes([[1, 0, 0], [0, 1, 0]]), GreatCircle([1, 1], [1, 1 + tiny], radius_squared=1)
    )
    assert sorted(codes(found)) == ["00", "01", "10", "11"]


def test_circle_inside_a_plane() -> None:
    """A plane that contains the circle is zero on an open set: off."""
    found = partition(
        planes([[0, 0, 1, 0], [0, 0, -1, 0], [1, 0, 1, 0]]),
        GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=1),
    )
    assert sorted(codes(found)) == ["000", "001"]


def test_one_code_owns_two_arcs() -> None:
    found = circle([[0, 1, -1], [0, -1, -1]], 4)
    assert (found.code_count, found.cell_count) == (3, 4)
    assert sorted(codes(found)) == ["00", "00", "01", "10"]


def test_endpoints_are_exact() -> None:
    found = circle([[1, 0, -1], [0, 1, 0]], 4)
    points = {tuple(crossing.point) for crossing in found.crossings}
    root_three = sympy.sqrt(3)
    assert points == {(1, root_three), (1, -root_three), (2, 0), (-2, 0)}
    assert sympy.simplify(sum(region.length for region in found.regions) - 4 * sympy.pi) == 0


def test_bits_are_not_read_where_a_plane_touches() -> None:
    """x + 1 touches zero at (-1, 0), the middle of the circle cut open at (1, 0), and is on; then x
    + 1/2 cuts.
    """
    deep = tensors.mlp([([[1, 0]], [1]), ([[1]], [Fraction(-1, 2)]), ([[1]], [0])])
    found = partition(deep, Sphere(radius_squared=1))
    assert sorted(codes(found)) == ["1|0", "1|1"]


@pytest.mark.parametrize(
    "normal", [(1, 0), (-1, 0), (0, 1), (0, -1), (3, 4), (-4, 3), (5, -12), (-8, -15)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_every_touching_line_is_on_or_off_throughout(normal: tuple[int, int], sign: int) -> None:
    length = int((normal[0] ** 2 + normal[1] ** 2) ** 0.5)
    found = circle([[*normal, sign * length]], 1)
    assert codes(found) == ["1" if sign > 0 else "0"]
    assert codes(found) == [str(found.network.code(found.regions[0].witness))]


def test_deeper_layers_touch_only_where_they_are() -> None:
    """relu(x) + 1 is never zero, though x + 1, its piece for x > 0, would touch zero at (-1, 0)."""
    deep = tensors.mlp([([[1, 0]], [0]), ([[1]], [1]), ([[1]], [0])])
    found = partition(deep, Sphere(radius_squared=1))
    assert touched(found) == []
    assert sorted(codes(found)) == ["0|1", "1|1"]


def test_touching_hinge_of_a_deeper_layer_has_its_own_name() -> None:
    deep = tensors.mlp([([[1, 0], [0, 1]], [5, 5]), ([[0, 1], [1, 0]], [-9, -6]), ([[1, 1]], [0])])
    found = partition(deep, Sphere(radius_squared=1))
    names = [
        tuple(hinge)
        for crossing in found.crossings
        if crossing.tangent
        for hinge in crossing.hinges
    ]
    assert names == [(2, 1, 0)]


def test_segment_does_not_touch_beyond_its_ends() -> None:
    """The line through (1, 2) and (2, 5) has the direction (1, 1), where the plane touches, at t =
    -1/2 only.
    """
    network = tensors.block([[1, 1]], [-2], [[1]], [0], norm="rms", eps=0)
    assert touched(partition(network, Segment([1, 2], [2, 5]))) == []
    (touching,) = partition(network, Line([1, 2], [1, 3])).crossings
    assert (touching.tangent, touching.parameter) == (True, sympy.Rational(-1, 2))


def through_the_centre(eps: object, bias: list[object]) -> Partition:
    network = tensors.block(
        [[1, -1, 0], [1, 0, -1]], bias, [[1, 1]], [0], norm="layernorm", eps=eps
    )
    return partition(network, Segment([-1, 1, 0], [3, -3, 0]))


def test_segment_through_the_point_that_the_norm_cannot_scale() -> None:
    """At P x = 0 and eps = 0 the norm jumps to the opposite point of the sphere: two cells that
    nothing joins.
    """
    found = through_the_centre(0, [0, 0])
    assert codes(found) == ["00", "11"]
    assert [crossing.undefined for crossing in found.crossings] == [True]
    assert found.graph().number_of_edges() == 0


def test_jump_without_a_change_of_code_still_separates() -> None:
    found = through_the_centre(0, [9, -9])
    assert codes(found) == ["10", "10"]
    assert (found.code_count, found.cell_count) == (1, 2)


def test_segment_through_the_centre_with_eps() -> None:
    found = through_the_centre(Fraction(1, 10), [0, 0])
    assert codes(found) == ["00", "11"]
    assert [len(crossing.hinges) for crossing in found.crossings] == [2]
    assert found.graph().number_of_edges() == 1
    assert codes(through_the_centre(Fraction(1, 10), [9, -9])) == ["10"]


def test_curve_that_the_norm_collapses_with_eps() -> None:
    """Along the ones LayerNorm with eps > 0 is constant, whatever the line."""
    network = tensors.block([[1, -1, 0], [0, 0, 1]], [0, 2], [[1, 1]], [0], norm="layernorm")
    assert codes(partition(network, Segment([0, 0, 0], [5, 5, 5]))) == ["01"]
