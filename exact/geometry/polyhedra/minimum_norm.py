"""How far from the origin a polytope reaches, in the metric of a Gram matrix: does it meet a
sphere, and in how many parts?

An open convex set meets the sphere |y| = r iff it has points with |y| < r and with |y| > r
(mathematics.md, "Codes on spheres"). The norm is convex, so it is largest at a vertex. The smallest
norm is found by Wolfe's algorithm in rationals, which ends with a point nearer than r, or with a
vector x such that `v' G x >= r |x|` at every vertex v: then no point is nearer (Cauchy-Schwarz).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from exact.arithmetic.linear_algebra import Vector, apply, dot, matrix, rows_of, solve
from exact.arithmetic.numbers import IntegerArray, Rational, RationalArray, nearest_float, rational
from exact.errors import certain
from exact.geometry.polyhedra.double_description import VertexPolytope, shorter, simplex
from exact.geometry.polyhedra.halfspace import Halfspace, Point, affine, homogeneous, is_inside

_ZERO, _ONE = Rational(0), Rational(1)


@dataclass(frozen=True)
class Nearest:
    """A point y of a hull. Either |y| < r, or y proves by Cauchy-Schwarz that no point of the hull
    is nearer than r.
    """

    point: tuple[Rational, ...]
    is_inside: bool


@dataclass(frozen=True)
class RoundBody:
    """The closed ball `y' gram y <= radius_squared`, a positive definite form."""

    gram: RationalArray
    radius_squared: Rational

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return self.gram.nrows()

    @cached_property
    def form(self) -> IntegerArray:
        """A positive multiple of `y' G y - r^2` in homogeneous coordinates, as an integer
        matrix.
        """
        rows = [[*row, _ZERO] for row in rows_of(self.gram)]
        size = self.dim + 1
        joined = RationalArray(
            size,
            size,
            [x for row in rows for x in row] + [_ZERO] * self.dim + [-self.radius_squared],
        )
        return joined.numer_denom()[0]

    @cached_property
    def inverse(self) -> RationalArray:
        """The inverse of the Gram matrix: the metric of normals."""
        return self.gram.inv()

    def norm_squared(self, y: Sequence[Rational]) -> Rational:
        """`y' gram y`."""
        return dot(y, apply(self.gram, y))

    def sides(self, points: IntegerArray) -> list[int]:
        """For homogeneous points (rows): 1 outside, 0 on the sphere, -1 inside."""
        return [(value > 0) - (value < 0) for value in _row_products(points, points * self.form)]

    def misses(self, plane: Halfspace) -> bool:
        """Whether a plane misses the open ball: it then cuts nothing off the sphere, though it may
        touch it.
        """
        return rational(plane.offset) ** 2 >= self._reach_squared(plane)

    def touches(self, plane: Halfspace) -> bool:
        """Whether a plane touches the sphere: it has one point on it."""
        return rational(plane.offset) ** 2 == self._reach_squared(plane)

    def _reach_squared(self, plane: Halfspace) -> Rational:
        """The square of the largest value of the normal on the ball."""
        normal = [Rational(x) for x in plane.normal]
        return self.radius_squared * dot(normal, apply(self.inverse, normal))

    def nearest(self, points: Sequence[Point]) -> Nearest:
        """Decide whether the hull of points comes nearer to the origin than r, with a proof either
        way.

        Cost: a few exact solves of size at most dim + 1. Source: Wolfe 1976, "Finding the nearest
        point in a polytope".
        """
        return _Wolfe(self, [affine(point) for point in points]).run()

    def crosses(self, points: Sequence[Point], sides: Sequence[int]) -> bool:
        """Whether the relative interior of a hull of vertices, whose `sides` are known, has points
        inside and outside.
        """
        return max(sides) > 0 and (min(sides) < 0 or self.nearest(points).is_inside)

    def around(self) -> VertexPolytope:
        """A simplex that holds the ball in its interior."""
        reach = [_above_root(self.radius_squared * self.inverse[i, i]) for i in range(self.dim)]
        total = _above_root(self.radius_squared * sum(self.inverse.entries(), _ZERO))
        walls = [
            Halfspace.of([Rational(int(i == j)) for j in range(self.dim)] + [reach[i]])
            for i in range(self.dim)
        ]
        return simplex([*walls, Halfspace.of([-_ONE] * self.dim + [total])])


def _above_root(square: Rational) -> Rational:
    """A short rational above the root of a number > 0."""
    guess = rational(max(nearest_float(square) ** 0.5, 1.0) if square < 2**1000 else 1.0)
    guess = Rational(int(guess.p) // int(guess.q) + 1)
    while guess * guess <= square:
        guess *= 2
    return guess


class _Wolfe:
    """One run: `corral` are affinely independent points, `weights` > 0 those of the current point
    in their hull.
    """

    def __init__(self, body: RoundBody, points: list[Vector]) -> None:
        self.body = body
        self.points = matrix(points, body.dim)
        self.images = self.points * body.gram
        self.rows, self.image_rows = points, rows_of(self.images)
        norms = [dot(row, image) for row, image in zip(points, self.image_rows, strict=True)]
        self.corral, self.weights = [norms.index(min(norms))], [_ONE]

    def run(self) -> Nearest:
        square = self.body.radius_squared
        while True:
            at = self._point()
            heights = (self.images * RationalArray(len(at), 1, at)).entries()
            norm = self.body.norm_squared(at)
            if norm < square:
                return Nearest(tuple(at), True)
            least = min(heights)
            if least > 0 and least * least >= square * norm:
                return Nearest(tuple(at), False)
            self.corral.append(heights.index(least))
            self.weights.append(_ZERO)
            self._descend()

    def _point(self) -> Vector:
        members = [self.rows[i] for i in self.corral]
        return [dot(self.weights, column) for column in zip(*members, strict=True)]

    def _descend(self) -> None:
        """Go to the nearest point of the corral's affine hull, dropping points where that leads out
        of their hull.
        """
        while True:
            target = self._affine_minimiser()
            if min(target) > 0:
                self.weights = target
                return
            steps = [w / (w - t) for w, t in zip(self.weights, target, strict=True) if t <= 0]
            step = min(steps)
            mixed = [w + step * (t - w) for w, t in zip(self.weights, target, strict=True)]
            kept = [k for k, w in enumerate(mixed) if w > 0]
            self.corral, self.weights = [self.corral[k] for k in kept], [mixed[k] for k in kept]

    def _affine_minimiser(self) -> Vector:
        """The weights of the point of least norm in the affine hull; the form plus one is definite
        on independent points.
        """
        table = [
            [dot(self.rows[i], self.image_rows[j]) + 1 for j in self.corral] for i in self.corral
        ]
        found = solve(matrix(table, len(table)), [_ONE] * len(table))
        found = certain(found, "a corral stays affinely independent")
        total = sum(found, _ZERO)
        return [x / total for x in found]


def straddling_pair(
    body: RoundBody, cell: VertexPolytope, beside: Sequence[Halfspace] = ()
) -> tuple[Point, Point]:
    """Two interior points of a polytope that crosses the sphere: one inside the ball, one outside
    (homogeneous).

    `beside` are halfspaces that hold on the whole open ball, though the polytope may leave them:
    the points lie inside them too. Cost: one value for each of these, and a cut of the polytope by
    those that touch the sphere where the way out passes.
    """
    sides, middle = body.sides(cell.table), cell.interior()
    if -1 in sides:
        near = affine(cell.vertices[sides.index(-1)])
    else:
        near = list(body.nearest(cell.vertices).point)
    far = affine(cell.vertices[sides.index(1)])
    inside, outside = (
        _towards(body, cell, middle, end, side) for end, side in ((near, -1), (far, 1))
    )
    if not is_inside(beside, homogeneous(outside)):
        end, wall = _way_out(beside, inside, far)
        if wall is not None and body.norm_squared(end) == body.radius_squared:
            inner, _ = cell.split(wall)
            assert inner is not None, "a halfspace that holds on the ball holds inside"
            return straddling_pair(body, inner, beside)
        outside = _towards(body, cell, inside, end, 1, beside)
    return homogeneous(inside), homogeneous(outside)


def _way_out(
    beside: Sequence[Halfspace], start: Vector, end: Vector
) -> tuple[Vector, Halfspace | None]:
    """Where the segment from a point inside all walls first leaves one of them, and that wall; its
    end if it leaves none.
    """
    at, to = homogeneous(start), homogeneous(end)
    heights = [
        (wall, Rational(wall.value(at), at[-1]), Rational(wall.value(to), to[-1]))
        for wall in beside
    ]
    left = [(a / (a - b), wall) for wall, a, b in heights if b < 0]
    if not left:
        return end, None
    share, wall = min(left, key=lambda pair: pair[0])
    return [a + share * (b - a) for a, b in zip(start, end, strict=True)], wall


def _towards(
    body: RoundBody,
    cell: VertexPolytope,
    start: Vector,
    end: Vector,
    side: int,
    beside: Sequence[Halfspace] = (),
) -> Vector:
    """A point inside the polytope and the walls `beside` that is on the given side of the sphere,
    as `end` is.

    It is on the way from a point inside to `end`, or near it.
    """

    def good(at: Vector) -> bool:
        beyond = (body.norm_squared(at) - body.radius_squared) * side
        return beyond > 0 and cell.holds(at) and is_inside(beside, homogeneous(at))

    share = _ZERO
    while True:
        found = shorter([m + share * (e - m) for m, e in zip(start, end, strict=True)], good)
        if found is not None:
            return found
        share = (1 + share) / 2


def components(body: RoundBody, cell: VertexPolytope) -> int:
    """The number of connected parts in which the interior of a polytope that crosses the sphere
    meets it.

    Pushing away from an interior point inside the ball, these are the parts of the polytope outside
    the ball. A face of dimension >= 2 is swept onto its own boundary in the same way, or loses at
    most one boundary point to the ball; so the vertices outside and the edges that stay outside
    have the same parts. So have these vertices and all segments between them that stay outside, as
    each of those lies in one part: no edge has to be known.

    Cost: an integer product of all vertices with one vertex after another, until the vertices
    outside are used up. As a rule a few are enough where there is one part.
    """
    images = cell.table * body.form
    norms = _row_products(cell.table, images)
    apart, parts = [i for i, norm in enumerate(norms) if norm > 0], 0
    while apart:
        reached, parts = [max(apart, key=lambda i: norms[i])], parts + 1
        apart.remove(reached[0])
        while reached and apart:
            vertex = reached.pop()
            products = (cell.table * _column(images, vertex)).entries()
            here = [
                i for i in apart if products[i] >= 0 or products[i] ** 2 < norms[i] * norms[vertex]
            ]
            reached += here
            apart = sorted(set(apart).difference(here))
    return parts


def _row_products(a: IntegerArray, b: IntegerArray) -> list[int]:
    """The inner product of every row of one matrix with that of another one."""
    width = a.ncols()
    first, second = ([int(x) for x in points.entries()] for points in (a, b))
    return [
        sum(first[k] * second[k] for k in range(i, i + width)) for i in range(0, len(first), width)
    ]


def _column(points: IntegerArray, row: int) -> IntegerArray:
    """A row as a column."""
    width = points.ncols()
    return IntegerArray(width, 1, [points[row, k] for k in range(width)])
