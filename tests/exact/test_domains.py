"""Domains: charts, walls, pencils, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from exact import (
    Ball,
    Box,
    Ellipse,
    GreatCircle,
    HPolytope,
    InvalidInput,
    Line,
    Plane,
    Ray,
    RealSpace,
    Segment,
    Sphere,
)
from exact.arithmetic.numbers import RationalMatrix, fraction, fractions
from exact.geometry.domains.base import CurveDomain, Domain, FlatDomain
from exact.geometry.polyhedra.halfspace import Halfspace, homogeneous
from tests.exact.reference import q

THIRD = Fraction(1, 3)


def at(domain: FlatDomain, *parameters: object) -> tuple[Fraction, ...]:
    return domain.flat().ambient(homogeneous([q(x) for x in parameters]))


def inside(domain: FlatDomain, *parameters: object) -> bool:
    return all(
        wall.value(homogeneous([q(x) for x in parameters])) > 0 for wall in domain.flat().walls
    )


def test_box_walls() -> None:
    box = Box([0, -1], [THIRD, 2])
    assert at(box, THIRD / 2, 1) == (THIRD / 2, 1)
    assert inside(box, THIRD / 2, 0)
    assert not any(inside(box, *x) for x in ((0, 0), (THIRD, 0), (THIRD / 2, -1), (THIRD / 2, 2)))
    assert len(box.flat().walls) == 4
    assert repr(box) == "Box([0, 1/3] x [-1, 2])"
    assert Box(-1, 1, dim=2) == Box([-1, -1], [1, 1]) == Box(-1, [1, 1])
    assert Box(0.1, 1, dim=1).lo == (q(Fraction(0.1)),)


def test_real_space_has_no_walls() -> None:
    assert RealSpace(3).flat().walls == ()
    assert at(RealSpace(2), 5, THIRD) == (5, THIRD)
    assert repr(RealSpace(4)) == "RealSpace(4)"


def test_plane_chart() -> None:
    plane = Plane([1, 0, 0], [1, 2, 0], [0, 0, THIRD])
    assert [at(plane, *s) for s in ((0, 0), (1, 0), (0, 1))] == [
        (1, 0, 0),
        (1, 2, 0),
        (0, 0, THIRD),
    ]
    assert at(plane, 2, -1) == (2, 4, -THIRD)
    assert plane.flat().walls == ()
    bounded = Plane([1, 0, 0], [1, 2, 0], [0, 0, 1], s=(0, 1), t=(-1, 5))
    assert inside(bounded, THIRD, 4)
    assert not inside(bounded, THIRD, 5)
    assert not inside(bounded, 0, 4)


STRAIGHT: list[tuple[FlatDomain, list[object], list[object]]] = [
    (Segment([1, 2], [3, -2]), [THIRD, Fraction(999, 1000)], [0, 1, -1, 2]),
    (Ray([1, 2], [2, -4]), [THIRD, 10**9], [0, -1]),
    (Line([1, 2], [2, -4]), [-5, 0, 10**9], []),
]


@pytest.mark.parametrize(
    ("domain", "within", "beyond"), STRAIGHT, ids=lambda value: type(value).__name__
)
def test_straight_domains(domain: FlatDomain, within: list[object], beyond: list[object]) -> None:
    for t in [*within, *beyond]:
        assert at(domain, t) == (1 + 2 * Fraction(t), 2 - 4 * Fraction(t))  # type: ignore[arg-type]
    assert all(inside(domain, t) for t in within)
    assert not any(inside(domain, t) for t in beyond)


@pytest.mark.parametrize(
    ("domain", "within", "_beyond"), STRAIGHT, ids=lambda value: type(value).__name__
)
def test_the_pencil_of_a_straight_domain_has_the_same_points(
    domain: CurveDomain, within: list[object], _beyond: list[object]
) -> None:
    """Where `one` is 1 and `along` is t, the pencil is at p + t d, and ordered with t."""
    curve = domain.curve()
    assert curve.one is not None
    assert curve.along is not None
    (a, b), (c, d) = ([fraction(x) for x in pair] for pair in (curve.one, curve.along))
    for t in map(Fraction, within):  # type: ignore[arg-type]
        determinant = a * d - b * c
        alpha, beta = (d - b * t) / determinant, (a * t - c) / determinant
        assert (a * alpha + b * beta, c * alpha + d * beta) == (1, t)
        assert curve.ambient(q(alpha), q(beta)) == (1 + 2 * t, 2 - 4 * t)
        assert curve.ambient(q(5 * alpha), q(5 * beta)) == (1 + 2 * t, 2 - 4 * t)
    assert curve.radius_squared is None


def test_ray_from_the_origin() -> None:
    assert Ray(0, [1, THIRD]) == Ray([0, 0], [1, THIRD])
    assert at(Ray(0, [1, THIRD]), 3) == (3, 1)


def test_great_circle_is_a_pencil_without_scale() -> None:
    curve = GreatCircle([1, 0, 2], [0, 3, 1], radius_squared="5/2").curve()
    assert curve.ambient(q(2), q(-1)) == (2, -3, 3)
    assert curve.one is None
    assert curve.end is None
    assert curve.radius_squared is not None
    assert fraction(curve.radius_squared) == Fraction(5, 2)
    assert RationalMatrix.from_backend(curve.state()).tolist() == [[1, 0], [0, 3], [2, 1]]


def test_an_ellipse_has_a_third_column() -> None:
    curve = Ellipse([1, 0, 2], [0, 3, 1], [0, 0, "1/2"], cosine="3/5").curve()
    assert (curve.one, curve.end, curve.radius_squared, curve.is_of_directions) == (
        None,
        None,
        None,
        False,
    )
    rows = RationalMatrix.from_backend(curve.state()).tolist()
    assert rows == [[1, 0, 0], [0, 3, 0], [2, 1, Fraction(1, 2)]]
    assert curve.ambient(q(2), q(-1)) == (2, -3, Fraction(7, 2))
    assert Ellipse([1, 0], [0, 1]) == Ellipse([1, 0], [0, 1], 0) == Ellipse([1, 0], [0, 1], [0, 0])
    shown = "Ellipse((1, 0), (1, 1), centre (0, 1/3), cosine -1/2)"
    assert repr(Ellipse([1, 0], [1, 1], [0, THIRD], "-1/2")) == shown


def test_slerp_and_the_ellipse_through_three_points() -> None:
    assert Ellipse.slerp([3, 0], [0, -2]) == Ellipse([3, 0], [0, -2])
    assert Ellipse.slerp([3, 4], [-3, 4]).cosine == q(Fraction(7, 25))
    # |p| |q| is rational though |p| is not
    assert Ellipse.slerp([1, 1], [-3, 0, 1][:2], cosine="-2/3").cosine == q(Fraction(-2, 3))
    assert Ellipse.slerp([1, 1], [-2, -1], cosine=-0.5).cosine == q(Fraction(-1, 2))
    assert Ellipse.slerp([2, 1], [4, 2 - 4]).cosine == q(Fraction(3, 5))
    a, b, c = [1, 0, 2], [0, THIRD, 1], [5, -1, 1]
    curve = Ellipse.through(a, b, c).curve()
    for point, alpha, beta in ((a, 1, 0), (b, 0, 1), (c, -1, -1)):
        assert alpha * alpha - alpha * beta + beta * beta == 1
        assert curve.ambient(q(alpha), q(beta)) == tuple(map(Fraction, point))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ellipse([1, 2], [-2, -4]), "u and v do not span an ellipse; got u = (1, 2)"),
        (lambda: Ellipse([0, 0], [1, 0]), "give two independent vectors"),
        (lambda: Ellipse([1, 2], [0, 1, 0]), "points of one domain differ in dimension"),
        (lambda: Ellipse([1, 2], [0, 1], [1]), "points of one domain differ in dimension"),
        (lambda: Ellipse([1, 2], [0, 1], 1), "centre is not a sequence; got 1"),
        (lambda: Ellipse([1, 2], [0, 1], cosine=1), "give a rational between -1 and 1"),
        (lambda: Ellipse([1, 2], [0, 1], cosine="-5/4"), "not the cosine of an angle between"),
        (lambda: Ellipse([1, 2], [0, 1], cosine=float("nan")), "cosine is not finite"),
        (lambda: Ellipse.slerp([1, 1], [1, 0]), "irrational; got p = (1, 1), q = (1, 0)"),
        (lambda: Ellipse.slerp([1, 1], [-1, 0]), "give one near it, cosine=-0.7071067811865476"),
        (lambda: Ellipse.slerp([1, 1], [10**30 + 1, 10**30]), "cosine=0.9999999999999999"),
        (lambda: Ellipse.slerp([1, 1], [2, 2]), "give two independent vectors"),
        (lambda: Ellipse.slerp([1, 1], [2]), "points of one domain differ in dimension"),
        (lambda: Ellipse.through([0, 0], [1, 1], [3, 3]), "three points on one line"),
        (lambda: Ellipse.through([0, 0], [1, 1], [3]), "points of one domain differ in dimension"),
    ],
)
def test_what_is_no_ellipse(make: Callable[[], Ellipse], words: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(words)):
        make()


def test_sphere_radius() -> None:
    assert Sphere().radius_squared is None
    assert fractions([Sphere(radius_squared=0.1).radius_squared]) == (Fraction(0.1),)  # type: ignore[list-item]
    assert repr(Sphere()) == "Sphere()"
    assert repr(Sphere(radius_squared="3/2")) == "Sphere(radius_squared=3/2)"


DOMAINS: list[tuple[Domain, int]] = [
    (Box(0, 1, dim=3), 3),
    (RealSpace(3), 3),
    (Plane([0, 0, 0], [1, 0, 0], [0, 1, 0]), 3),
    (Segment([0, 0, 0], [1, 0, 0]), 3),
    (Ray(0, [1, 0, 0]), 3),
    (Line([0, 0, 0], [1, 0, 0]), 3),
    (GreatCircle([1, 0, 0], [0, 1, 0]), 3),
    (Ellipse([1, 0, 0], [0, 1, 0]), 3),
]


@pytest.mark.parametrize(("domain", "dim"), DOMAINS, ids=lambda value: type(value).__name__)
def test_domains_fit_their_space_only(domain: Domain, dim: int) -> None:
    domain.check(dim)
    for other in (dim - 1, dim + 1):
        with pytest.raises(InvalidInput, match=f"dimension {dim}, the network reads {other}"):
            domain.check(other)


@pytest.mark.parametrize(
    "domain", [domain for domain, _ in DOMAINS], ids=lambda value: type(value).__name__
)
def test_domains_name_their_numbers(domain: Domain) -> None:
    assert type(domain).__name__ in repr(domain)
    assert "3" in repr(domain) or "0, 1" in repr(domain) or "1, 0" in repr(domain)


def test_long_vectors_are_shown_by_their_dimension() -> None:
    assert repr(Ray(0, [1] * 768)) == "Ray(<R^768> along <R^768>)"
    assert repr(Segment([0, THIRD], [1, 1])) == "Segment((0, 1/3) to (1, 1))"


def test_numpy_and_torch_vectors_are_read_exactly() -> None:
    import numpy as np
    import torch

    u = np.array([0.1, 2.0], dtype=np.float32)
    assert GreatCircle(u, torch.tensor([1.0, 0.5])) == GreatCircle(
        [Fraction(float(u[0])), 2], [1, Fraction(1, 2)]
    )


def test_polyhedron_rows() -> None:
    triangle = HPolytope([[1, 0, 0], [0, "1/2", 0], [-1, -1, THIRD]])
    assert triangle.flat().walls == (
        Halfspace((1, 0, 0)),
        Halfspace((0, 1, 0)),
        Halfspace((-3, -3, 1)),
    )
    assert inside(triangle, THIRD / 3, THIRD / 3)
    assert not inside(triangle, THIRD / 2, THIRD / 2)
    assert triangle.contains(homogeneous([q(THIRD / 3), q(THIRD / 3)]))
    assert not triangle.contains(homogeneous([q(0), q(THIRD / 3)]))
    assert (
        HPolytope([Halfspace((2, 4, 6))])
        == HPolytope([[1, 2, 3]])
        == HPolytope(np.array([[0.5, 1.0, 1.5]]))
    )
    assert HPolytope([], dim=3).flat() == RealSpace(3).flat()
    assert (triangle.is_polyhedral, repr(triangle)) == (True, "HPolytope(3 halfspaces of R^2)")
    triangle.check(2)


@pytest.mark.parametrize(
    ("rows", "dim", "words"),
    [
        ([], None, "dimension of the polyhedron is unclear; got []; give rows of d + 1 numbers"),
        ([[1, 0, 0], [1, 0]], None, "dimension of the polyhedron is unclear; got [1, 2]"),
        ([[1, 0, 0]], 3, "dimension of the polyhedron is unclear; got [2, 3]"),
        ([[1]], None, "dimension of the polyhedron is unclear; got [0]"),
        ([1, 2], None, "rows[0] is not a row; got 1; give the normal"),
        ([[1, float("nan"), 0]], None, "rows[0][1] is not finite"),
    ],
)
def test_unclear_polyhedra(rows: list[object], dim: int | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(words)):
        HPolytope(rows, dim=dim)
    with pytest.raises(InvalidInput, match="does not fit the network"):
        HPolytope([[1, 0, 0]]).check(3)


def test_ball() -> None:
    ball = Ball([1, "1/2"], "1/4")
    assert ball.flat() == RealSpace(2).flat()
    assert (ball.is_polyhedral, repr(ball)) == (False, "Ball(centre (1, 1/2), radius_squared 1/4)")
    inner, edge = (
        homogeneous([q(Fraction(149, 100)), q(Fraction(1, 2))]),
        homogeneous([q(Fraction(3, 2)), q(Fraction(1, 2))]),
    )
    assert (ball.contains(inner), ball.contains(edge)) == (True, False)
    ball.check(2)
    with pytest.raises(InvalidInput, match="Ball does not fit the network"):
        ball.check(3)
    wrong = [
        ([], 1, "no coordinate"),
        ([0], 0, "no positive radius; got 0"),
        ([0], -1, "give radius_squared > 0"),
    ]
    for centre, square, words in wrong:
        with pytest.raises(InvalidInput, match=words):
            Ball(centre, square)


@pytest.mark.parametrize("dim", [2.0, "2", 0, -1, True])
def test_real_space_has_a_whole_dimension(dim: object) -> None:
    with pytest.raises(InvalidInput, match="whole d"):
        RealSpace(dim)  # type: ignore[arg-type]


def test_text_and_arrays_without_axes_are_numbers() -> None:
    assert Box("1/3", np.array(1), dim=2) == Box(["1/3", "1/3"], [1, 1])
    assert Box(0, 1, dim=np.int64(2)) == Box(0, 1, dim=2)
    assert Ray(np.array(0), [1, 2]) == Ray([0, 0], [1, 2])
