"""Planes, circles and points on a sphere `y' F y = unit`, F a definite integer form in three
coordinates.

A plane is a row (normal, offset) of coprime integers, the first nonzero one positive. A circle in
it is walked with the positive side of the plane on the left, seen from outside: its points are
`centre + (alpha e + beta f) / N` over the directions (alpha : beta), N the root of a form, so that
every other plane is a function of `pencils` on it. Points are in integers `(fixed + root sqrt(d)) /
scale`.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from exact.check.functions.pencils import Direction, Form, discriminant, sign, sign_of_surd
from exact.check.network import dot
from exact.check.records import Values


class Point(NamedTuple):
    """The point `(fixed + root sqrt(d)) / scale`, scale > 0."""

    fixed: Values
    root: Values
    scale: int
    d: int

    def side(self, plane: Values) -> int:
        """The sign of a plane here."""
        return sign_of_surd(
            dot(plane, self.fixed) + plane[3] * self.scale, dot(plane, self.root), self.d
        )


class Ball:
    """The form of a sphere, and what is computed from it once."""

    def __init__(self, form: Form) -> None:
        (a, b, c), (_, e, f), (_, _, g) = form.matrix
        self.matrix, self.unit = form.matrix, form.unit
        self.adjoint = (
            (e * g - f * f, c * f - b * g, b * f - c * e),
            (c * f - b * g, a * g - c * c, b * c - a * f),
            (b * f - c * e, b * c - a * f, a * e - b * b),
        )
        self.determinant = dot(form.matrix[0], self.adjoint[0])
        self.is_definite = a > 0 and a * e > b * b and self.determinant > 0

    def image(self, y: Values) -> Values:
        """F y."""
        return tuple(dot(row, y) for row in self.matrix)

    def pole(self, plane: Values) -> Values:
        """The direction straight up to the positive side of a plane, adj(F) normal."""
        return tuple(dot(row, plane) for row in self.adjoint)

    def room(self, plane: Values) -> int:
        """Positive where the plane cuts the sphere in a circle, 0 where it touches, negative where
        it misses it.
        """
        return self.unit * dot(plane, self.pole(plane)) - plane[3] ** 2 * self.determinant

    def side_of_pole(self, plane: Values, other: Values, direction: int) -> int:
        """The sign of `plane` at the top (direction 1) or the bottom (-1) of the sphere as seen
        from `other`.
        """
        pole = self.pole(other)
        height = direction * dot(plane, pole) * self.unit
        return sign_of_surd(height, plane[3], self.unit * self.determinant * dot(other, pole))


class Circle:
    """Where a plane cuts a sphere; `room` of the plane is positive."""

    def __init__(self, ball: Ball, plane: Values) -> None:
        self.ball, self.plane, normal = ball, plane, plane[:3]
        pole = ball.pole(plane)
        self.share = dot(normal, pole)
        self.centre = tuple(-plane[3] * x for x in pole)  # over `share`
        self.e = _cross(normal, (0, 0, 1) if normal[0] or normal[1] else (1, 0, 0))
        self.f = _cross(normal, self.e)
        spans = (self.e, self.f)
        matrix = tuple(tuple(self.share * dot(u, ball.image(v)) for v in spans) for u in spans)
        self.form = Form(matrix, ball.room(plane), False)

    def function(self, plane: Values) -> Values:
        """Another plane as a function of the directions of this circle."""
        return (
            self.share * dot(plane[:3], self.e),
            self.share * dot(plane[:3], self.f),
            dot(plane[:3], self.centre) + plane[3] * self.share,
        )

    def directions(self, function: Values) -> tuple[Direction, Direction] | None:
        """Where a function on this circle is 0: it rises at the first, falls at the second; None
        where it has no zero.

        Both are the same where it touches 0. Functions without a slope have none.
        """
        p, q, c = function
        d = discriminant(function, self.form)
        if d < 0 or not (p or q):
            return None
        x, y = self._adjoint(p, q)
        rise, fall = (Direction(-c * x, -k * q, -c * y, k * p, d) for k in (-1, 1))
        return rise, fall

    def _adjoint(self, p: int, q: int) -> tuple[int, int]:
        (a, b), (_, e) = self.form.matrix
        return e * p - b * q, a * q - b * p

    def point(self, function: Values, root: int) -> Point | None:
        """The point where a function rises (root 0) or falls (1); there N is l' adj(F) l."""
        found = self.directions(function)
        if found is None:
            return None
        at, (p, q, _) = found[root], function
        x, y = self._adjoint(p, q)
        scale = p * x + q * y
        spans = list(zip(self.e, self.f, strict=True))
        fixed = tuple(
            scale * m + self.share * (at.a * u + at.x * v)
            for m, (u, v) in zip(self.centre, spans, strict=True)
        )
        irrational = tuple(self.share * (at.b * u + at.y * v) for u, v in spans)
        return Point(fixed, irrational, scale * self.share, at.d)

    def direction(self, point: Point) -> Direction:
        """The direction of a point of this circle: e and f are at right angles as rows of
        numbers.
        """
        fixed = [
            self.share * y - point.scale * m for y, m in zip(point.fixed, self.centre, strict=True)
        ]
        alpha, beta = self._norms[1], self._norms[0]
        return Direction(
            alpha * dot(fixed, self.e),
            alpha * self.share * dot(point.root, self.e),
            beta * dot(fixed, self.f),
            beta * self.share * dot(point.root, self.f),
            point.d,
        )

    @cached_property
    def _norms(self) -> tuple[int, int]:
        return dot(self.e, self.e), dot(self.f, self.f)


class End(NamedTuple):
    """The beginning of a circle at one of its points: forwards (1), the positive side on the left,
    or backwards (-1).
    """

    circle: Circle
    way: int


class Rotation:
    """The order of ends around a point, counter-clockwise seen from outside.

    The tangent of a circle is `normal x F p`; `det(p, t, t')` of two is a positive multiple of
    `(normal x normal') . F p`. Circles with one tangent lie on either side of each other: on that
    of their centres.
    """

    def __init__(self, ball: Ball, point: Point) -> None:
        self.fixed, self.root, self.d = ball.image(point.fixed), ball.image(point.root), point.d

    def turn(self, one: End, other: End) -> int:
        """1 where `other` starts less than half a turn counter-clockwise from `one`."""
        axis = _cross(one.circle.plane[:3], other.circle.plane[:3])
        return (
            one.way * other.way * sign_of_surd(dot(axis, self.fixed), dot(axis, self.root), self.d)
        )

    def _is_same_way(self, one: End, other: End) -> bool:
        """Whether two parallel tangents point the same way."""
        a, b = (_cross(one.circle.plane[:3], x) for x in (self.fixed, self.root))
        u, v = (_cross(other.circle.plane[:3], x) for x in (self.fixed, self.root))
        inner = sign_of_surd(dot(a, u) + self.d * dot(b, v), dot(a, v) + dot(b, u), self.d)
        return one.way * other.way * inner > 0

    @staticmethod
    def _is_left(one: End, other: End) -> bool:
        """Whether `other`, with the tangent of `one`, runs on the left of it."""
        return one.way * _at_centre(one.circle, other.circle) > 0

    def _class(self, start: End, end: End) -> int:
        turned = self.turn(start, end)
        if turned:
            return 2 if turned > 0 else 4
        if not self._is_same_way(start, end):
            return 3
        if start.circle.plane == end.circle.plane:
            return 0
        return 1 if self._is_left(start, end) else 5

    def compare(self, start: End, one: End, other: End) -> int:
        """The sign of the difference of the angles of two ends, counted from a third one; 0 only
        for the same end.
        """
        classes = self._class(start, one), self._class(start, other)
        if classes[0] != classes[1]:
            return sign(classes[0] - classes[1])
        turned = self.turn(one, other)
        if turned or (one.circle.plane == other.circle.plane and one.way == other.way):
            return -turned
        return -1 if self._is_left(one, other) else 1


def _at_centre(circle: Circle, other: Circle) -> int:
    """A positive multiple of the plane of a circle at the centre of another one."""
    return dot(circle.plane[:3], other.centre) + circle.plane[3] * other.share


def _cross(u: Values, v: Values) -> Values:
    return (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
