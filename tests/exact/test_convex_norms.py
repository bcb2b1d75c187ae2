"""Norms over polytopes: Wolfe's certificates, spheres that are touched, parts of a polytope outside
a ball.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest

from exact.arithmetic.linear_algebra import identity
from exact.arithmetic.numbers import Rational, RationalArray, rational
from exact.errors import InvalidInput
from exact.geometry.polyhedra.double_description import VertexPolytope, shorter, simplex
from exact.geometry.polyhedra.halfspace import Halfspace, affine
from exact.geometry.polyhedra.minimum_norm import RoundBody, components, straddling_pair
from tests.exact.reference import q


def ball(radius_squared: object, dim: int = 3) -> RoundBody:
    return RoundBody(identity(dim), rational(radius_squared))


def cut(body: RoundBody, rows: list[list[int]]) -> VertexPolytope:
    """The part of the simplex around the ball on the positive side of all rows."""
    cell: VertexPolytope | None = body.around()
    for row in rows:
        assert cell is not None
        cell, _ = cell.split(Halfspace(tuple(row)))
    assert cell is not None
    return cell


def cube(body: RoundBody, half: int = 1) -> VertexPolytope:
    rows = [[0] * body.dim + [half] for _ in range(2 * body.dim)]
    for i in range(body.dim):
        rows[2 * i][i], rows[2 * i + 1][i] = 1, -1
    return cut(body, rows)


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_a_cube_has_its_corners_edges_and_facets(dim: int) -> None:
    found = cube(ball(2 * dim, dim))
    assert sorted(found.vertices) == sorted(
        (*corner, 1) for corner in itertools.product((-1, 1), repeat=dim)
    )
    assert len(list(found.edges())) == dim * 2 ** (dim - 1)
    assert len(found.facets()) == 2 * dim
    assert {len(face) for face in found.facets().values()} == {2 ** (dim - 1)}
    assert found.centroid() == [0] * dim


def test_a_wall_that_only_touches_a_smaller_face_is_no_facet() -> None:
    """x, y > -1 and x + y > -2: the last one was a facet until the others cut it down to an edge,
    or to a face.
    """
    for dim in (3, 4):
        zeros = [0] * (dim - 2)
        rows = [[1, 1, *zeros, 2], [1, 0, *zeros, 1], [0, 1, *zeros, 1]]
        found = cut(
            ball(6, dim),
            [
                *rows,
                *(
                    [0, 0, *(s * (j == i) for j in range(dim - 2)), 1]
                    for i in range(dim - 2)
                    for s in (1, -1)
                ),
            ],
        )
        facets = {found.walls[w].coefficients for w in found.facets()}
        assert facets >= {(1, 0, *zeros, 1), (0, 1, *zeros, 1)}
        assert (1, 1, *zeros, 2) not in facets


def test_cutting_through_vertices_keeps_them() -> None:
    square = cube(ball(4, 2))
    upper, lower = square.split(Halfspace((1, -1, 0)))
    assert upper is not None and lower is not None
    assert sorted(upper.vertices) == [(-1, -1, 1), (1, -1, 1), (1, 1, 1)]
    assert sorted(lower.vertices) == [(-1, -1, 1), (-1, 1, 1), (1, 1, 1)]
    assert square.split(Halfspace((1, 1, 2)))[1] is None
    assert square.split(Halfspace((1, 0, -1)))[0] is None


def test_cuts_of_degenerate_polytopes_agree_with_every_order_of_cutting() -> None:
    """Eight walls of an octahedron and cuts through its corners, in many orders: the same
    vertices.
    """
    octahedron = [[*signs, 1] for signs in itertools.product((-1, 1), repeat=3)]
    rows = [*octahedron, [1, 1, 0, 0], [1, 0, -1, 0], [0, 2, 1, 1]]
    generator, body, answers = np.random.default_rng(0), ball(2), set()
    for _ in range(12):
        found = cut(body, [rows[i] for i in generator.permutation(len(rows))])
        answers.add((frozenset(found.vertices), len(list(found.edges())), len(found.facets())))
    assert len(answers) == 1


@pytest.mark.parametrize("square", ["1/1000000", 1, 7, 10**9, "3" + "0" * 400])
def test_the_simplex_around_a_ball_holds_it(square: object) -> None:
    gram = RationalArray(
        3, 3, [q(x) for x in (2, 1, 0, 1, 2, Fraction(1, 3), 0, Fraction(1, 3), 5)]
    )
    body = RoundBody(gram, rational(square))
    around = body.around()
    assert body.sides(around.table) == [1] * 4
    assert all(body.misses(wall) and wall.offset > 0 for wall in around.walls)


def test_walls_that_bound_no_simplex_are_refused() -> None:
    with pytest.raises(InvalidInput, match="bound no simplex"):
        simplex([Halfspace((1, 0, 1)), Halfspace((0, 1, 1)), Halfspace((1, 1, 1))])


@pytest.mark.parametrize(
    ("square", "inside"), [(3, False), ("3000001/1000000", True), ("2999999/1000000", False)]
)
def test_the_nearest_point_of_a_triangle_on_its_face(square: object, inside: bool) -> None:
    """The hull of 3 e_i is nearest at (1, 1, 1), at squared distance 3: touching is not inside."""
    body = ball(square)
    corners = [(*(3 * int(i == j) for i in range(3)), 1) for j in range(3)]
    found = body.nearest(corners)
    assert found.is_inside is inside
    if not inside:
        heights = [sum(a * b for a, b in zip(affine(v), found.point, strict=True)) for v in corners]
        assert min(heights) > 0
        assert min(heights) ** 2 >= body.radius_squared * body.norm_squared(found.point)


def test_the_nearest_point_against_a_fine_grid() -> None:
    """Random triangles in a skew metric: never inside when a grid of the triangle says that it is
    far, and conversely.
    """
    gram = [[Fraction(2), Fraction(1, 2)], [Fraction(1, 2), Fraction(1)]]
    form = RationalArray(2, 2, [q(x) for row in gram for x in row])
    generator, answers = np.random.default_rng(3), set()
    for _ in range(60):
        corners = [
            (*(int(x) for x in generator.integers(-6, 7, size=2)), int(generator.integers(1, 4)))
            for _ in range(3)
        ]
        weights = [(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)]
        at = [
            [
                sum(Fraction(w * v[i], 12 * v[2]) for w, v in zip(ws, corners, strict=True))
                for i in (0, 1)
            ]
            for ws in weights
        ]
        norms = [sum(gram[i][j] * y[i] * y[j] for i in range(2) for j in range(2)) for y in at]
        found = RoundBody(form, Rational(1)).nearest(corners)
        answers.add(found.is_inside)
        if min(norms) < 1:
            assert found.is_inside
        if min(norms) > Fraction(3, 2) ** 2:
            assert not found.is_inside
        if found.is_inside:
            assert RoundBody(form, Rational(1)).norm_squared(found.point) < 1
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("square", "parts"),
    [
        ("3/2", 1),
        (2, 8),
        ("5/2", 8),
        (3, None),
        ("8/3", 8),
        ("2000001/1000000", 8),
        ("1999999/1000000", 1),
    ],
)
def test_the_parts_of_a_cube_outside_a_ball(square: object, parts: int | None) -> None:
    """The edges of the cube [-1, 1]^3 touch the ball of radius sqrt 2: then, and beyond, its 8
    corners come apart.
    """
    body = ball(square)
    found = cube(body)
    crossing = body.crosses(found.vertices, body.sides(found.table))
    assert crossing is (square != 3)
    if parts is not None:
        assert components(body, found) == parts


def test_a_slab_leaves_two_caps_and_a_beam_four_corners() -> None:
    body = ball(9)
    slab = cut(body, [[1, 0, 0, 1], [-1, 0, 0, 1]])
    beam = cut(body, [[1, 0, 0, 1], [-1, 0, 0, 1], [0, 1, 0, 1], [0, -1, 0, 1]])
    cap = cut(body, [[1, 0, 0, -1]])
    assert [components(body, cell) for cell in (slab, beam, cap)] == [1, 2, 1]
    flat = ball(9, 2)
    assert components(flat, cut(flat, [[1, 0, 1], [-1, 0, 1]])) == 2


@pytest.mark.parametrize("square", ["19/10", "29/10", 1])
def test_straddling_pairs_are_inside_and_on_both_sides(square: object) -> None:
    body = ball(square)
    for found in (cube(body), cut(body, [[1, 1, 1, -1], [3, -1, 0, 1]])):
        near, far = straddling_pair(body, found)
        assert all(wall.value(point) > 0 for wall in found.walls for point in (near, far))
        assert (
            body.norm_squared(affine(near)) < body.radius_squared < body.norm_squared(affine(far))
        )


@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_straddling_pairs_stay_inside_walls_that_touch_or_miss_the_ball(sign: int) -> None:
    """The corners of an octahedron lie straight behind the points where walls touch the ball, or
    nearly so.
    """
    body = ball(1)
    octahedron = cut(body, [[*signs, 2] for signs in itertools.product((-1, 1), repeat=3)])
    gap = 2**60 + max(sign, 0)
    walls = [
        Halfspace((*(s * 2**60 * (j == i) for j in range(3)), gap))
        for i in range(3)
        for s in (1, -1)
    ]
    near, far = straddling_pair(body, octahedron, walls if sign >= 0 else walls[::2])
    beside = (*octahedron.walls, *(walls if sign >= 0 else walls[::2]))
    assert all(wall.value(point) > 0 for wall in beside for point in (near, far))
    assert body.norm_squared(affine(near)) < body.radius_squared < body.norm_squared(affine(far))


def test_a_plane_that_touches_misses() -> None:
    body = RoundBody(
        RationalArray(2, 2, [Rational(4), Rational(0), Rational(0), Rational(1)]), Rational(1)
    )
    assert body.misses(Halfspace((2, 0, 1))) and body.misses(Halfspace((-2, 0, 2)))
    assert not body.misses(Halfspace((2000, 0, 999)))


def parts_by_edges(body: RoundBody, cell: VertexPolytope) -> int:
    """The vertices outside, joined by the edges whose nearest point to the origin is outside, in
    fractions.
    """
    points = [[Fraction(x, v[-1]) for x in v[:-1]] for v in cell.vertices]
    gram = [
        [Fraction(int(body.gram[i, j].p), int(body.gram[i, j].q)) for j in range(body.dim)]
        for i in range(body.dim)
    ]
    square = Fraction(int(body.radius_squared.p), int(body.radius_squared.q))

    def inner(a: list[Fraction], b: list[Fraction]) -> Fraction:
        return sum(
            (x * gram[i][j] * y for i, x in enumerate(a) for j, y in enumerate(b)), Fraction(0)
        )

    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(i for i, point in enumerate(points) if inner(point, point) > square)
    for i, j in cell.edges():
        along = [y - x for x, y in zip(points[i], points[j], strict=True)]
        share = min(max(-inner(points[i], along) / inner(along, along), Fraction(0)), Fraction(1))
        nearest = [x + share * d for x, d in zip(points[i], along, strict=True)]
        if i in graph and j in graph and inner(nearest, nearest) > square:
            graph.add_edge(i, j)
    return int(nx.number_connected_components(graph))


def test_parts_are_those_that_the_edges_outside_make_and_need_no_edge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cubes and random polytopes with small whole coefficients, in skew metrics: cut corners,
    touching edges.
    """
    generator, answers = np.random.default_rng(5), set()
    for trial in range(150):
        dim = int(generator.integers(2, 5))
        root = generator.integers(-1, 2, size=(dim, dim)) * (trial % 2)
        gram = RationalArray(
            dim, dim, [Rational(int(x)) for x in (root.T @ root + np.eye(dim, dtype=int)).ravel()]
        )
        body = RoundBody(
            gram, Rational(int(generator.integers(1, 9)), int(generator.integers(1, 3)))
        )
        cell = cube(body) if trial % 3 else body.around()
        for _ in range(int(generator.integers(0, 7))):
            normal = [int(x) for x in generator.integers(-2, 3, size=dim)]
            plane = Halfspace.of([*map(Rational, normal), Rational(int(generator.integers(-1, 4)))])
            cell = cell.split(plane)[0] or cell if any(normal) else cell
        if not body.crosses(cell.vertices, body.sides(cell.table)):
            continue
        expected = parts_by_edges(body, cell)
        with monkeypatch.context() as patch:
            patch.delattr(VertexPolytope, "edges")
            assert components(body, cell) == expected
        answers.add(expected)
    assert answers >= {1, 2, 4}, answers


def test_a_point_is_taken_from_the_coarsest_grid_on_which_it_is_good() -> None:
    """Every coordinate rounded down to a multiple of 2^-bits; where no grid will do, as it is."""
    point = [Rational(5, 3), Rational(-1, 7)]
    asked = list[list[Rational]]()

    def near(distance: Rational) -> Callable[[list[Rational]], bool]:
        def good(x: list[Rational]) -> bool:
            asked.append(x)
            return all(abs(a - b) <= distance for a, b in zip(x, point, strict=True))

        return good

    assert shorter(point, near(Rational(1))) == [1, -1]
    assert shorter(point, near(Rational(1, 8))) == [Rational(13, 8), Rational(-1, 4)]
    assert asked[0] == [1, -1]
    assert shorter(point, near(Rational(0))) == point
    assert shorter(point, lambda x: False) is None
